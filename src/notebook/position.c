#include "notebook/position.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define TERMINATOR 0x80

struct key {
	uint8_t *p;
	size_t n;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool position_valid(const char *s, size_t n)
{
	bool low = true, high = true;

	if (n == 0 || n % 2 != 0 || n > POSITION_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		int d = digit(s[i]);
		if (d < 0)
			return false;
		low = low && d == 0;
		high = high && d == 15;
	}
	return !low && !high;
}

static bool key_parse(const char *s, struct key *ret)
{
	size_t n = strlen(s);

	if (!position_valid(s, n))
		return false;
	ret->n = n / 2;
	ret->p = xmalloc(ret->n);
	for (size_t i = 0; i < ret->n; i++)
		ret->p[i] = (uint8_t)(digit(s[2 * i]) * 16 + digit(s[2 * i + 1]));
	return true;
}

/* The bytes of a result before its terminator. */
struct path {
	uint8_t *p;
	size_t n;
};

static struct path path_new(size_t cap)
{
	return (struct path){.p = xmalloc(cap + 2), .n = 0};
}

static void path_add(struct path *path, const uint8_t *p, size_t n)
{
	if (n > 0)
		memcpy(path->p + path->n, p, n);
	path->n += n;
}

static void path_add_byte(struct path *path, int byte)
{
	path->p[path->n++] = (uint8_t)byte;
}

static char *path_text(struct path *path)
{
	static const char digits[] = "0123456789ABCDEF";
	char *s;

	path_add_byte(path, TERMINATOR);
	s = xmalloc(2 * path->n + 1);
	for (size_t i = 0; i < path->n; i++) {
		s[2 * i] = digits[path->p[i] >> 4];
		s[2 * i + 1] = digits[path->p[i] & 15];
	}
	s[2 * path->n] = '\0';
	free(path->p);
	return s;
}

/* documents.md 4 `before`; false when every byte is zero. */
static bool add_before(struct path *path, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (b[i] > TERMINATOR) {
			path_add(path, b, i);
			return true;
		}
		if (b[i] > 0) {
			path_add(path, b, i);
			path_add_byte(path, b[i] - 1);
			return true;
		}
	}
	return false;
}

/* documents.md 4 `after`; false when every byte is 0xFF. */
static bool add_after(struct path *path, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (b[i] < TERMINATOR) {
			path_add(path, b, i);
			return true;
		}
		if (b[i] < 0xff) {
			path_add(path, b, i);
			path_add_byte(path, b[i] + 1);
			return true;
		}
	}
	return false;
}

typedef bool (*add_fn)(struct path *path, const uint8_t *b, size_t n);

static char *single(const char *s, add_fn add)
{
	struct path path;
	struct key k;
	bool ok;

	if (!key_parse(s, &k))
		return NULL;
	path = path_new(k.n);
	ok = add(&path, k.p, k.n);
	free(k.p);
	if (ok)
		return path_text(&path);
	free(path.p);
	return NULL;
}

char *position_before(const char *s)
{
	return single(s, add_before);
}

char *position_after(const char *s)
{
	return single(s, add_after);
}

/* What follows the loop of documents.md 4 `between`: one key is a prefix of the
 * other but for its terminator at n. */
static bool add_between_prefix(struct path *path, const struct key *l, const struct key *r, size_t n)
{
	if (l->n < r->n) {
		if (r->p[n] < TERMINATOR)
			return false;
		path_add(path, r->p, n + 1);
		return add_before(path, r->p + n + 1, r->n - n - 1);
	}
	if (l->n > r->n) {
		if (l->p[n] >= TERMINATOR)
			return false;
		path_add(path, l->p, n + 1);
		return add_after(path, l->p + n + 1, l->n - n - 1);
	}
	return false;
}

static bool add_between(struct path *path, const struct key *l, const struct key *r)
{
	size_t n = (l->n < r->n ? l->n : r->n) - 1;

	for (size_t i = 0; i < n; i++) {
		int d = (int)r->p[i] - (int)l->p[i]; /* signed: 4.3 */
		if (d > 1) {
			path_add(path, l->p, i);
			path_add_byte(path, l->p[i] + d / 2);
			return true;
		}
		if (d == 1) {
			path_add(path, l->p, i + 1);
			return add_after(path, l->p + i + 1, l->n - i - 1);
		}
		if (d < 0)
			return false;
	}
	return add_between_prefix(path, l, r, n);
}

char *position_between(const char *left, const char *right)
{
	struct key l = {0}, r = {0};
	struct path path = {0};
	char *s = NULL;

	if (!key_parse(left, &l) || !key_parse(right, &r))
		goto out;
	path = path_new(l.n + r.n);
	if (!add_between(&path, &l, &r))
		goto out;
	s = path_text(&path);
	path.p = NULL;
	/* Peers may write keys with another last byte; for those the result can
	 * miss the gap, which the caller must learn. */
	if (strcmp(left, s) >= 0 || strcmp(s, right) >= 0) {
		free(s);
		s = NULL;
	}
out:
	free(path.p);
	free(l.p);
	free(r.p);
	return s;
}
