/* Helpers of the codec tests: hex, a seeded generator, files, an allocator that
 * fails on request, and random edits. */
#ifndef AUTOMERGE_CODEC_TEST_H
#define AUTOMERGE_CODEC_TEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "automerge/automerge.h"

struct rng { uint64_t s; };
static inline uint32_t rnd(struct rng *r, uint32_t below)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return (uint32_t)((r->s >> 11) % (below ? below : 1));
}

static inline int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex with blanks and bars between fields; returns the number of bytes. */
static inline size_t unhex(const char *s, uint8_t *to)
{
	size_t n = 0;

	for (; *s; s++) {
		if (nibble(*s) < 0)
			continue;
		to[n++] = (uint8_t)(nibble(s[0]) << 4 | nibble(s[1]));
		s++;
	}
	return n;
}

static inline void assert_hex(const void *p, size_t n, const char *hex)
{
	uint8_t want[4096];
	size_t want_n = unhex(hex, want);

	assert_int_equal(n, want_n);
	assert_memory_equal(p, want, n);
}

/* A whole file, with room for a NUL behind it; the caller frees. */
static inline uint8_t *read_file(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p;
	long n;

	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	p = malloc((size_t)n + 1);
	assert_non_null(p);
	assert_int_equal(fread(p, 1, (size_t)n, f), n);
	fclose(f);
	*ret_n = (size_t)n;
	return p;
}

static inline uint8_t *read_fixture(const char *name, size_t *ret_n)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", AUTOMERGE_DATA, name);
	return read_file(path, ret_n);
}

/* Counts live blocks; fails the allocation number `fail_at` (0 = never). */
struct counter_alloc {
	size_t live, calls, fail_at;
};
static inline void *counted_realloc(void *ctx, void *p, size_t n)
{
	struct counter_alloc *c = ctx;
	void *q;

	if (n == 0) {
		if (p)
			c->live--;
		free(p);
		return NULL;
	}
	c->calls++;
	if (c->fail_at && c->calls == c->fail_at)
		return NULL;
	q = realloc(p, n);
	if (q && !p)
		c->live++;
	return q;
}
static inline am_opts counted_opts(struct counter_alloc *c)
{
	am_opts o = {.alloc = {counted_realloc, c}};

	return o;
}

static inline am_doc *new_doc(const am_opts *opts, uint8_t actor)
{
	am_doc *d;

	assert_int_equal(am_new(opts, &d), AM_OK);
	assert_int_equal(am_set_actor(d, &actor, 1), AM_OK);
	return d;
}

static inline char *json_of(am_doc *d)
{
	am_buf b = {0};
	char *s;

	assert_int_equal(am_json(d, NULL, AM_ROOT, true, &b), AM_OK);
	s = malloc(b.n + 1);
	memcpy(s, b.p, b.n);
	s[b.n] = 0;
	am_buf_free(&b);
	return s;
}

static inline void assert_same_doc(am_doc *a, am_doc *b)
{
	size_t na, nb;
	const am_hash *ha = am_heads(a, &na), *hb = am_heads(b, &nb);
	char *ja, *jb;

	assert_int_equal(na, nb);
	assert_memory_equal(ha, hb, na * sizeof *ha);
	ja = json_of(a);
	jb = json_of(b);
	assert_string_equal(ja, jb);
	free(ja);
	free(jb);
}

struct kids {
	am_objid id[64];
	am_type type[64];
	size_t n;
};
static inline void kids_add(struct kids *k, const am_value *v)
{
	if (am_is_object(v->type) && v->type != AM_TABLE && k->n < 64) {
		k->id[k->n] = v->id;
		k->type[k->n++] = v->type;
	}
}
static inline int kid_key(void *ctx, const char *key, size_t n, const am_value *v)
{
	(void)key;
	(void)n;
	kids_add(ctx, v);
	return 0;
}
static inline int kid_index(void *ctx, size_t i, const am_value *v)
{
	(void)i;
	kids_add(ctx, v);
	return 0;
}

/* Visible objects, root first. */
static inline void find_objects(am_doc *d, struct kids *k)
{
	k->id[0] = AM_ROOT;
	k->type[0] = AM_MAP;
	k->n = 1;
	for (size_t i = 0; i < k->n; i++) {
		if (k->type[i] == AM_MAP)
			am_map_each(d, NULL, k->id[i], kid_key, k);
		else if (k->type[i] == AM_LIST)
			am_list_each(d, NULL, k->id[i], 0, SIZE_MAX, kid_index, k);
	}
}

static inline am_value random_scalar(struct rng *r)
{
	static const char *const words[] = {"", "x", "wort", "\xc3\xa9t\xc3\xa9", "\xf0\x9f\x98\x80"};
	am_value v = {0};
	const char *w = words[rnd(r, 5)];

	switch (rnd(r, 8)) {
	case 0: v.type = AM_NULL; break;
	case 1: v.type = AM_BOOL; v.b = rnd(r, 2); break;
	case 2: v.type = AM_INT; v.i = (int64_t)rnd(r, 1000) - 500; break;
	case 3: v.type = AM_UINT; v.u = rnd(r, 100000); break;
	case 4: v.type = AM_F64; v.f = rnd(r, 100) / 8.0; break;
	case 5: v.type = AM_COUNTER; v.i = rnd(r, 10); break;
	case 6: v.type = AM_TIMESTAMP; v.i = 1600000000000 + rnd(r, 1000); break;
	default: v = am_str(w, strlen(w));
	}
	return v;
}

static inline int edit_map(am_doc *d, am_objid obj, struct rng *r)
{
	static const char *const keys[] = {"a", "b", "key", "\xc3\xbc", ""};
	static const am_type types[] = {AM_MAP, AM_LIST, AM_TEXT};
	const char *k = keys[rnd(r, 5)];
	am_value v = random_scalar(r);
	am_objid made;
	int rc;

	switch (rnd(r, 6)) {
	case 0: return am_map_delete(d, obj, k, strlen(k));
	case 1: return am_map_put_object(d, obj, k, strlen(k), types[rnd(r, 3)], &made);
	case 2:
		rc = am_map_increment(d, obj, k, strlen(k), 1 + rnd(r, 3));
		return rc == AM_E_NO_COUNTER || rc == AM_E_NOT_FOUND ? AM_OK : rc;
	default: return am_map_put(d, obj, k, strlen(k), &v);
	}
}

static inline int edit_list(am_doc *d, am_objid obj, struct rng *r)
{
	size_t n = am_length(d, NULL, obj);
	am_value v = random_scalar(r);
	am_objid made;
	int rc;

	if (n == 0 || rnd(r, 3) == 0)
		return rnd(r, 4) ? am_list_insert(d, obj, rnd(r, (uint32_t)n + 1), &v) :
				   am_list_insert_object(d, obj, rnd(r, (uint32_t)n + 1), AM_TEXT, &made);
	switch (rnd(r, 4)) {
	case 0: return am_list_delete(d, obj, rnd(r, (uint32_t)n));
	case 1:
		rc = am_list_increment(d, obj, rnd(r, (uint32_t)n), 2);
		return rc == AM_E_NO_COUNTER ? AM_OK : rc;
	default: return am_list_put(d, obj, rnd(r, (uint32_t)n), &v);
	}
}

static inline int edit_text(am_doc *d, am_objid obj, struct rng *r)
{
	static const char *const pieces[] = {"a", "hello ", "\xc3\xa9", "\xf0\x9f\x98\x80z", "xyz"};
	size_t n = am_length(d, NULL, obj), pos = rnd(r, (uint32_t)n + 1);
	const char *p = pieces[rnd(r, 5)];
	am_value v = {.type = AM_BOOL, .b = true};

	if (n > 2 && rnd(r, 8) == 0)
		return am_mark(d, obj, n / 3, n / 2 + 1, (am_expand)rnd(r, 4), "bold", 4, &v);
	return am_text_splice(d, obj, pos, rnd(r, 2) ? 0 : (ptrdiff_t)rnd(r, 4), p, strlen(p));
}

static inline void random_edit(am_doc *d, struct rng *r)
{
	struct kids k;
	size_t i;
	int rc;

	find_objects(d, &k);
	i = rnd(r, (uint32_t)k.n);
	rc = k.type[i] == AM_MAP ? edit_map(d, k.id[i], r) : k.type[i] == AM_LIST ? edit_list(d, k.id[i], r) :
								 edit_text(d, k.id[i], r);
	assert_int_equal(rc, AM_OK);
}

static inline void random_change(am_doc *d, struct rng *r)
{
	uint32_t n = 1 + rnd(r, 4);

	while (n--)
		random_edit(d, r);
	if (am_in_transaction(d))
		assert_int_equal(am_commit(d, "m", rnd(r, 2), rnd(r, 3) ? 0 : 1700000000, NULL), AM_OK);
}
#endif
