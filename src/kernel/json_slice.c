#include "kernel/json_slice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/* Behind the string that begins at p ("), or NULL when it does not end. */
static const char *skip_string(const char *p, const char *end)
{
	const char *quote = p;
	for (p++; p < end;) {
		if (quote < p)
			quote = memchr(p, '"', (size_t)(end - p));
		if (!quote)
			return NULL;
		const char *slash = memchr(p, '\\', (size_t)(quote - p));
		if (!slash)
			return quote + 1;
		p = slash + 2;
	}
	return NULL;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* As skip_string, but every escape must be one of JSON's. */
static const char *check_string(const char *p, const char *end)
{
	const char *stop = skip_string(p, end);
	if (!stop)
		return NULL;
	for (p++; (p = memchr(p, '\\', (size_t)(stop - 1 - p))) != NULL;) {
		p++;
		if (*p == 'u') {
			for (int i = 1; i <= 4; i++)
				if (p + i >= stop || !is_hex(p[i]))
					return NULL;
			p += 5;
		} else if (*p && strchr("\"\\/bfnrt", *p)) {
			p++;
		} else {
			return NULL;
		}
	}
	return stop;
}

static const char *const literals[] = {"true", "false", "null", "NaN", "Infinity", "-Infinity"};

static const char *skip_literal(const char *p, const char *end)
{
	for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
		size_t n = strlen(literals[i]);
		if ((size_t)(end - p) >= n && !memcmp(p, literals[i], n))
			return p + n;
	}
	return NULL;
}

static const char *skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static const char *check_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	const char *digits = p;
	p = skip_digits(p, end);
	if (p == digits)
		return NULL;
	if (p < end && *p == '.') {
		digits = ++p;
		p = skip_digits(p, end);
		if (p == digits)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, end);
		if (p == digits)
			return NULL;
	}
	return p;
}

static const char *check_scalar(const char *p, const char *end)
{
	if (*p == '"')
		return check_string(p, end);
	const char *after = skip_literal(p, end);
	return after ? after : check_number(p, end);
}

/* The key and colon of an object's member; returns where its value begins. */
static const char *check_key(const char *p, const char *end)
{
	p = skip_space(p, end);
	if (p == end || *p != '"')
		return NULL;
	p = check_string(p, end);
	if (!p)
		return NULL;
	p = skip_space(p, end);
	return p < end && *p == ':' ? p + 1 : NULL;
}

/* Behind the value at p, or NULL. No recursion: text decides the depth. */
static const char *check_value(const char *p, const char *end)
{
	char open[JSON_SLICE_DEPTH];
	size_t depth = 0;
	for (;;) {
		p = skip_space(p, end);
		if (p == end)
			return NULL;
		if (*p == '{' || *p == '[') {
			if (depth == JSON_SLICE_DEPTH)
				return NULL;
			char kind = open[depth++] = *p;
			const char *in = skip_space(p + 1, end);
			bool empty = in < end && *in == (kind == '{' ? '}' : ']');
			p = empty ? in : kind == '{' ? check_key(in, end) : in;
			if (!p)
				return NULL;
			if (!empty)
				continue;
		} else {
			p = check_scalar(p, end);
			if (!p)
				return NULL;
		}
		/* Behind a value: close what ends here, or go to the next one. */
		for (;;) {
			if (!depth)
				return p;
			p = skip_space(p, end);
			if (p == end)
				return NULL;
			char kind = open[depth - 1];
			if (*p == (kind == '{' ? '}' : ']')) {
				p++;
				depth--;
				continue;
			}
			if (*p != ',')
				return NULL;
			p = kind == '{' ? check_key(p + 1, end) : p + 1;
			if (!p)
				return NULL;
			break;
		}
	}
}

int json_slice_init(struct json_slice *s, const void *p, size_t n)
{
	const char *end = (const char *)p + n;
	const char *start = skip_space(p, end);
	if (start == end)
		return -EINVAL;
	const char *after = check_value(start, end);
	if (!after || skip_space(after, end) != end)
		return -EINVAL;
	s->p = start;
	s->n = (size_t)(after - start);
	return 0;
}

bool json_slice_is_object(struct json_slice s)
{
	return s.p && *s.p == '{';
}

bool json_slice_is_array(struct json_slice s)
{
	return s.p && *s.p == '[';
}

bool json_slice_is_string(struct json_slice s)
{
	return s.p && *s.p == '"';
}

bool json_slice_is_null(struct json_slice s)
{
	return !s.p || *s.p == 'n';
}

bool json_slice_is_true(struct json_slice s)
{
	return s.p && *s.p == 't';
}

bool json_slice_i64(struct json_slice s, int64_t *ret)
{
	char text[24];
	if (!s.p || s.n >= sizeof text || (*s.p != '-' && (*s.p < '0' || *s.p > '9')))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno || *end)
		return false;
	*ret = v;
	return true;
}

/* Behind the (checked) value at p. */
static const char *skip_value(const char *p, const char *end)
{
	size_t depth = 0;
	do {
		if (*p == '"') {
			p = skip_string(p, end);
			continue;
		}
		if (*p == '{' || *p == '[') {
			depth++;
		} else if (*p == '}' || *p == ']') {
			depth--;
		} else if (!depth) {
			while (p < end && !strchr(",]} \t\r\n", *p))
				p++;
			return p;
		}
		p++;
	} while (depth);
	return p;
}

struct json_walk json_slice_walk(struct json_slice s)
{
	struct json_walk w = {0};
	if (!json_slice_is_object(s) && !json_slice_is_array(s))
		return w;
	w.at = s.p + 1;
	w.end = s.p + s.n - 1;
	w.object = *s.p == '{';
	return w;
}

bool json_slice_next(struct json_walk *w)
{
	const char *p = w->at;
	while (p < w->end && (is_space(*p) || *p == ','))
		p++;
	if (!p || p >= w->end)
		return false;
	if (w->object) {
		const char *after = skip_string(p, w->end);
		w->key.p = p;
		w->key.n = (size_t)(after - p);
		p = after;
		while (is_space(*p) || *p == ':')
			p++;
	}
	w->value.p = p;
	w->at = skip_value(p, w->end);
	w->value.n = (size_t)(w->at - p);
	return true;
}

struct json_slice json_slice_get(struct json_slice object, const char *key)
{
	struct json_slice found = {0};
	if (!json_slice_is_object(object))
		return found;
	for (struct json_walk w = json_slice_walk(object); json_slice_next(&w);)
		if (json_slice_equals(w.key, key))
			found = w.value;
	return found;
}

bool json_slice_equals(struct json_slice s, const char *text)
{
	if (!json_slice_is_string(s))
		return false;
	size_t n = strlen(text);
	if (!memchr(s.p, '\\', s.n))
		return s.n == n + 2 && !memcmp(s.p + 1, text, n);
	struct buf b = {0};
	json_slice_text(&b, s);
	bool same = b.n == n && !memcmp(b.p, text, n);
	buf_free(&b);
	return same;
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	return v;
}

/* Decodes the \u escape at p (behind the backslash); returns how many bytes behind the backslash it took. */
static size_t unicode_escape(const char *p, const char *end, uint32_t *ret_cp, bool *ret_lone)
{
	uint32_t cp = hex4(p + 1);
	size_t n = 5;
	*ret_lone = false;
	if (cp >= 0xd800 && cp < 0xe000) {
		uint32_t low = 0;
		if (cp < 0xdc00 && end - p >= 11 && p[5] == '\\' && p[6] == 'u')
			low = hex4(p + 7);
		if (low >= 0xdc00 && low < 0xe000) {
			cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
			n = 11;
		} else {
			cp = 0xfffd;
			*ret_lone = true;
		}
	}
	*ret_cp = cp;
	return n;
}

/* Decodes one escape; p is behind the backslash. */
static size_t decode_escape(struct buf *out, const char *p, const char *end)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (*p != 'u') {
		const char *at = strchr(from, *p);
		buf_append_byte(out, (uint8_t)to[at - from]);
		return 1;
	}
	uint32_t cp;
	bool lone;
	size_t n = unicode_escape(p, end, &cp, &lone);
	uint8_t utf8[4];
	buf_append(out, utf8, utf8_encode(utf8, cp));
	return n;
}

bool json_slice_text_part(struct json_slice s, size_t *at, size_t max, struct buf *out)
{
	if (!json_slice_is_string(s))
		return false;
	const char *end = s.p + s.n - 1, *p = s.p + 1 + *at;
	if (p >= end)
		return false;
	size_t start = out->n;
	while (p < end && out->n - start < max) {
		const char *stop = (size_t)(end - p) > max ? p + max : end;
		const char *slash = memchr(p, '\\', (size_t)(stop - p));
		const char *run = slash ? slash : stop;
		while (run < end && run > p && ((uint8_t)*run & 0xc0) == 0x80) /* not inside a character */
			run--;
		if (run == p && !slash)
			run = stop; /* not UTF-8 at all: give it out as it is */
		buf_append(out, p, (size_t)(run - p));
		p = run;
		if (p < end && *p == '\\')
			p += 1 + decode_escape(out, p + 1, end);
	}
	*at = (size_t)(p - s.p) - 1;
	return true;
}

void json_slice_text(struct buf *out, struct json_slice s)
{
	if (!json_slice_is_string(s))
		return;
	buf_reserve(out, s.n);
	for (size_t at = 0; json_slice_text_part(s, &at, SIZE_MAX / 2, out);)
		;
}

char *json_slice_strdup(struct json_slice s)
{
	if (!json_slice_is_string(s))
		return NULL;
	struct buf b = {0};
	json_slice_text(&b, s);
	return buf_take(&b, NULL);
}

/* A string literal with lone surrogates replaced. */
static void append_string_strict(struct buf *out, const char *p, const char *end)
{
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		const char *run = slash ? slash : end;
		buf_append(out, p, (size_t)(run - p));
		p = run;
		if (p == end)
			break;
		size_t n = 2;
		bool lone = false;
		if (p[1] == 'u') {
			uint32_t cp;
			n = 1 + unicode_escape(p + 1, end, &cp, &lone);
		}
		if (lone)
			buf_append_str(out, "\\ufffd");
		else
			buf_append(out, p, n);
		p += n;
	}
}

void json_slice_append_strict(struct buf *out, struct json_slice s)
{
	const char *p = s.p, *end = s.p + s.n;
	while (p < end) {
		if (*p == '"') {
			const char *after = skip_string(p, end);
			append_string_strict(out, p, after);
			p = after;
		} else if (*p == 'N' || *p == 'I' || (*p == '-' && p + 1 < end && p[1] == 'I')) {
			const char *after = skip_literal(p, end);
			buf_append_byte(out, '"');
			buf_append(out, p, (size_t)(after - p));
			buf_append_byte(out, '"');
			p = after;
		} else {
			const char *run = p++;
			while (p < end && *p != '"' && *p != 'N' && *p != 'I' && *p != '-')
				p++;
			buf_append(out, run, (size_t)(p - run));
		}
	}
}
