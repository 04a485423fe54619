#include "notebook/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "base/vec.h"

struct parser {
	struct json_tree *t;
	const char *s;
	size_t n, at;
	VEC(uint32_t) open; /* containers around the place */
	struct json_error error;
};

static int fail(struct parser *ps, const char *what)
{
	ps->error.offset = ps->at;
	ps->error.what = what;
	return -EINVAL;
}

static void skip_blank(struct parser *ps)
{
	while (ps->at < ps->n) {
		char c = ps->s[ps->at];
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return;
		ps->at++;
	}
}

static bool at_char(const struct parser *ps, char c)
{
	return ps->at < ps->n && ps->s[ps->at] == c;
}

static struct json_node *add_node(struct parser *ps, enum json_kind kind)
{
	struct json_tree *t = ps->t;
	struct json_node *node;

	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->nodes = xreallocarray(t->nodes, t->cap, sizeof *t->nodes);
	}
	node = &t->nodes[t->n++];
	*node = (struct json_node){.kind = (uint8_t)kind, .start = ps->at, .next = (uint32_t)t->n};
	return node;
}

static int hex4(const struct parser *ps, size_t at)
{
	int v = 0;

	if (at + 4 > ps->n)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		char c = ps->s[at + i];
		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v * 16 + ((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* At the `u` of an escape; leaves the place behind the escape (or pair). */
static int scan_unicode_escape(struct parser *ps, struct json_node *node)
{
	int v = hex4(ps, ps->at + 1);

	if (v < 0)
		return fail(ps, "bad \\u escape");
	ps->at += 5;
	if (v < 0xd800 || v > 0xdfff)
		return 0;
	if (v < 0xdc00 && ps->at + 6 <= ps->n && ps->s[ps->at] == '\\' && ps->s[ps->at + 1] == 'u') {
		int low = hex4(ps, ps->at + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			ps->at += 6;
			return 0;
		}
	}
	node->surrogate = true;
	return 0;
}

static int scan_escape(struct parser *ps, struct json_node *node)
{
	node->escaped = true;
	ps->at++;
	if (ps->at >= ps->n)
		return fail(ps, "text ends inside a string");
	if (ps->s[ps->at] == 'u')
		return scan_unicode_escape(ps, node);
	if (!memchr("\"\\/bfnrt", ps->s[ps->at], 8))
		return fail(ps, "unknown escape in a string");
	ps->at++;
	return 0;
}

static int parse_string(struct parser *ps)
{
	struct json_node *node = add_node(ps, JSON_KIND_STRING);

	ps->at++;
	while (ps->at < ps->n) {
		uint8_t c = (uint8_t)ps->s[ps->at];
		uint32_t cp;
		size_t len;
		int r;

		if (c == '"') {
			node->end = ++ps->at;
			return 0;
		}
		if (c == '\\') {
			if ((r = scan_escape(ps, node)) < 0)
				return r;
			continue;
		}
		if (c < 0x20)
			return fail(ps, "control character in a string");
		if (c < 0x80) {
			ps->at++;
			continue;
		}
		len = utf8_decode(ps->s + ps->at, ps->n - ps->at, &cp);
		if (len == 0)
			return fail(ps, "not UTF-8");
		ps->at += len;
	}
	return fail(ps, "text ends inside a string");
}

static size_t scan_digits(struct parser *ps)
{
	size_t from = ps->at;

	while (ps->at < ps->n && ps->s[ps->at] >= '0' && ps->s[ps->at] <= '9')
		ps->at++;
	return ps->at - from;
}

static bool take_word(struct parser *ps, const char *word)
{
	size_t n = strlen(word);

	if (ps->n - ps->at < n || memcmp(ps->s + ps->at, word, n) != 0)
		return false;
	ps->at += n;
	return true;
}

static int parse_number(struct parser *ps)
{
	struct json_node *node = add_node(ps, JSON_KIND_NUMBER);

	if (at_char(ps, '-'))
		ps->at++;
	if (take_word(ps, "Infinity")) {
		node->kind = JSON_KIND_NONFINITE;
		goto done;
	}
	if (at_char(ps, '0'))
		ps->at++;
	else if (scan_digits(ps) == 0)
		return fail(ps, "a value was expected");
	if (at_char(ps, '.')) {
		ps->at++;
		if (scan_digits(ps) == 0)
			return fail(ps, "bad number");
	}
	if (at_char(ps, 'e') || at_char(ps, 'E')) {
		ps->at++;
		if (at_char(ps, '+') || at_char(ps, '-'))
			ps->at++;
		if (scan_digits(ps) == 0)
			return fail(ps, "bad number");
	}
done:
	node->end = ps->at;
	return 0;
}

static int parse_word(struct parser *ps, const char *word, enum json_kind kind)
{
	struct json_node *node = add_node(ps, kind);

	if (!take_word(ps, word))
		return fail(ps, "a value was expected");
	node->end = ps->at;
	return 0;
}

static int parse_scalar(struct parser *ps)
{
	if (ps->at >= ps->n)
		return fail(ps, "text ends early");
	switch (ps->s[ps->at]) {
	case '"':
		return parse_string(ps);
	case 't':
		return parse_word(ps, "true", JSON_KIND_TRUE);
	case 'f':
		return parse_word(ps, "false", JSON_KIND_FALSE);
	case 'n':
		return parse_word(ps, "null", JSON_KIND_NULL);
	case 'N':
		return parse_word(ps, "NaN", JSON_KIND_NONFINITE);
	default:
		return parse_number(ps);
	}
}

static int parse_key(struct parser *ps)
{
	int r;

	skip_blank(ps);
	if (!at_char(ps, '"'))
		return fail(ps, "a key was expected");
	if ((r = parse_string(ps)) < 0)
		return r;
	skip_blank(ps);
	if (!at_char(ps, ':'))
		return fail(ps, "a colon was expected");
	ps->at++;
	return 0;
}

static void close_top(struct parser *ps)
{
	struct json_node *node = &ps->t->nodes[ps->open.p[ps->open.n - 1]];

	ps->at++;
	node->end = ps->at;
	node->next = (uint32_t)ps->t->n;
	ps->open.n--;
}

/* At a bracket: opens the container; *ret_closed when it is empty. */
static int open_container(struct parser *ps, bool *ret_closed)
{
	bool object = ps->s[ps->at] == '{';

	if (ps->open.n >= JSON_TEXT_DEPTH_MAX)
		return fail(ps, "nested too deeply");
	VEC_PUSH(&ps->open, (uint32_t)ps->t->n);
	add_node(ps, object ? JSON_KIND_OBJECT : JSON_KIND_ARRAY);
	ps->at++;
	skip_blank(ps);
	*ret_closed = at_char(ps, object ? '}' : ']');
	if (*ret_closed) {
		close_top(ps);
		return 0;
	}
	ps->t->nodes[ps->open.p[ps->open.n - 1]].n = 1;
	return object ? parse_key(ps) : 0;
}

/* Behind a value: closes what ends here. 1 = another value follows. */
static int after_value(struct parser *ps)
{
	while (ps->open.n > 0) {
		struct json_node *top = &ps->t->nodes[ps->open.p[ps->open.n - 1]];
		bool object = top->kind == JSON_KIND_OBJECT;
		int r;

		skip_blank(ps);
		if (at_char(ps, ',')) {
			top->n++;
			ps->at++;
			if (object && (r = parse_key(ps)) < 0)
				return r;
			return 1;
		}
		if (!at_char(ps, object ? '}' : ']'))
			return fail(ps, ps->at >= ps->n ? "text ends early" : "a comma or bracket was expected");
		close_top(ps);
	}
	return 0;
}

static int parse_value(struct parser *ps)
{
	int r;

	do {
		bool closed;

		if (ps->t->n > UINT32_MAX - 8)
			return fail(ps, "too many values");
		skip_blank(ps);
		if (at_char(ps, '{') || at_char(ps, '[')) {
			if ((r = open_container(ps, &closed)) < 0)
				return r;
			if (!closed) {
				r = 1;
				continue;
			}
		} else if ((r = parse_scalar(ps)) < 0) {
			return r;
		}
		r = after_value(ps);
	} while (r == 1);
	return r;
}

int json_tree_parse(const void *text, size_t n, struct json_tree *ret, struct json_error *ret_error)
{
	struct json_tree t = {.text = text, .text_n = n};
	struct parser ps = {.t = &t, .s = text, .n = n};
	int r;

	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		ps.at = 3;
	r = parse_value(&ps);
	if (r == 0) {
		skip_blank(&ps);
		if (ps.at < n)
			r = fail(&ps, "something follows the value");
	}
	VEC_FREE(&ps.open);
	if (r < 0) {
		free(t.nodes);
		if (ret_error)
			*ret_error = ps.error;
		return r;
	}
	*ret = t;
	return 0;
}

void json_tree_fini(struct json_tree *t)
{
	free(t->nodes);
	*t = (struct json_tree){0};
}

uint32_t json_tree_first(const struct json_tree *t, uint32_t node)
{
	return t->nodes[node].next > node + 1 ? node + 1 : JSON_NONE;
}

uint32_t json_tree_next(const struct json_tree *t, uint32_t parent, uint32_t child)
{
	uint32_t next = t->nodes[child].next;

	return next < t->nodes[parent].next ? next : JSON_NONE;
}

enum json_kind json_tree_kind(const struct json_tree *t, uint32_t node)
{
	return (enum json_kind)t->nodes[node].kind;
}

static size_t unescape_unicode(const char *s, size_t n, struct buf *out)
{
	struct parser ps = {.s = s, .n = n};
	int v = hex4(&ps, 2), low = -1;
	uint32_t cp = (uint32_t)v;
	size_t used = 6;
	uint8_t bytes[4];

	if (v >= 0xd800 && v <= 0xdbff && n >= 12 && s[6] == '\\' && s[7] == 'u')
		low = hex4(&ps, 8);
	if (low >= 0xdc00 && low <= 0xdfff) {
		cp = 0x10000u + (((uint32_t)v - 0xd800u) << 10) + ((uint32_t)low - 0xdc00u);
		used = 12;
	} else if (v >= 0xd800 && v <= 0xdfff) {
		cp = 0xfffd;
	}
	buf_append(out, bytes, utf8_encode(bytes, cp));
	return used;
}

void json_tree_string(const struct json_tree *t, uint32_t node, struct buf *out)
{
	const struct json_node *nd = &t->nodes[node];
	const char *s = t->text + nd->start + 1, *end = t->text + nd->end - 1;

	if (!nd->escaped) {
		buf_append(out, s, (size_t)(end - s));
		return;
	}
	while (s < end) {
		static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
		const char *back = memchr(s, '\\', (size_t)(end - s));

		if (!back)
			back = end;
		buf_append(out, s, (size_t)(back - s));
		s = back;
		if (s == end)
			break;
		if (s[1] == 'u') {
			s += unescape_unicode(s, (size_t)(end - s), out);
		} else {
			buf_append_byte(out, (uint8_t)values[strchr(names, s[1]) - names]);
			s += 2;
		}
	}
}

char *json_tree_dup(const struct json_tree *t, uint32_t node, size_t *ret_n)
{
	struct buf b = {0};
	char *s;

	if (node == JSON_NONE || t->nodes[node].kind != JSON_KIND_STRING)
		return NULL;
	json_tree_string(t, node, &b);
	if (ret_n)
		*ret_n = b.n;
	s = xstrndup(b.p ? (char *)b.p : "", b.n); /* a buffer is too large to be kept */
	buf_free(&b);
	return s;
}

bool json_tree_string_is(const struct json_tree *t, uint32_t node, const char *s, size_t n)
{
	const struct json_node *nd;
	struct buf b = {0};
	bool same;

	if (node == JSON_NONE || t->nodes[node].kind != JSON_KIND_STRING)
		return false;
	nd = &t->nodes[node];
	if (!nd->escaped)
		return nd->end - nd->start - 2 == n && memcmp(t->text + nd->start + 1, s, n) == 0;
	json_tree_string(t, node, &b);
	same = b.n == n && (n == 0 || memcmp(b.p, s, n) == 0);
	buf_free(&b);
	return same;
}

uint32_t json_tree_get_n(const struct json_tree *t, uint32_t node, const char *key, size_t key_n)
{
	uint32_t found = JSON_NONE;

	if (node == JSON_NONE || t->nodes[node].kind != JSON_KIND_OBJECT)
		return JSON_NONE;
	for (uint32_t k = json_tree_first(t, node); k != JSON_NONE;) {
		uint32_t value = t->nodes[k].next;
		if (json_tree_string_is(t, k, key, key_n))
			found = value;
		k = json_tree_next(t, node, value);
	}
	return found;
}

uint32_t json_tree_get(const struct json_tree *t, uint32_t node, const char *key)
{
	return json_tree_get_n(t, node, key, strlen(key));
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Digits of an integer literal; false when it is none or overflows 64 bits. */
static bool magnitude(const struct json_tree *t, uint32_t node, bool *ret_negative, uint64_t *ret)
{
	const struct json_node *nd;
	uint64_t v = 0;
	size_t i;

	if (node == JSON_NONE || t->nodes[node].kind != JSON_KIND_NUMBER)
		return false;
	nd = &t->nodes[node];
	i = nd->start;
	*ret_negative = t->text[i] == '-';
	if (*ret_negative)
		i++;
	for (; i < nd->end; i++) {
		unsigned d = (unsigned)(t->text[i] - '0');
		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*ret = v;
	return true;
}

bool json_tree_i64(const struct json_tree *t, uint32_t node, int64_t *ret)
{
	bool negative;
	uint64_t v;

	if (!magnitude(t, node, &negative, &v))
		return false;
	if (negative) {
		if (v > (uint64_t)INT64_MAX + 1)
			return false;
		*ret = v > INT64_MAX ? INT64_MIN : -(int64_t)v;
		return true;
	}
	if (v > INT64_MAX)
		return false;
	*ret = (int64_t)v;
	return true;
}

bool json_tree_u64(const struct json_tree *t, uint32_t node, uint64_t *ret)
{
	bool negative;
	uint64_t v;

	if (!magnitude(t, node, &negative, &v) || (negative && v != 0))
		return false;
	*ret = v;
	return true;
}

double json_tree_f64(const struct json_tree *t, uint32_t node)
{
	const struct json_node *nd = &t->nodes[node];
	char *s = xstrndup(t->text + nd->start, nd->end - nd->start);
	double d = strtod(s, NULL);

	free(s);
	return d;
}

/* ---- members -------------------------------------------------------------------------------- */

static int member_compare(const void *pa, const void *pb)
{
	const struct json_member *a = pa, *b = pb;
	size_t n = a->key_n < b->key_n ? a->key_n : b->key_n;
	int c = n ? memcmp(a->key, b->key, n) : 0;

	if (c != 0)
		return c;
	if (a->key_n != b->key_n)
		return a->key_n < b->key_n ? -1 : 1;
	return a->key_node < b->key_node ? -1 : a->key_node > b->key_node;
}

static bool member_same(const struct json_member *a, const struct json_member *b)
{
	return a->key_n == b->key_n && (a->key_n == 0 || memcmp(a->key, b->key, a->key_n) == 0);
}

static int member_compare_place(const void *pa, const void *pb)
{
	const struct json_member *a = pa, *b = pb;

	return a->key_node < b->key_node ? -1 : a->key_node > b->key_node;
}

static void member_read(const struct json_tree *t, uint32_t key, struct json_member *m)
{
	const struct json_node *nd = &t->nodes[key];

	*m = (struct json_member){.key_node = key, .value = nd->next};
	if (nd->escaped) {
		m->owned = json_tree_dup(t, key, &m->key_n);
		m->key = m->owned;
	} else {
		m->key = t->text + nd->start + 1;
		m->key_n = nd->end - nd->start - 2;
	}
}

void json_members_load(const struct json_tree *t, uint32_t node, bool sorted, struct json_members *ret)
{
	struct json_members m = {.ascending = true};
	size_t kept = 0;

	m.p = xcalloc(t->nodes[node].n + 1, sizeof *m.p);
	for (uint32_t k = json_tree_first(t, node); k != JSON_NONE;) {
		member_read(t, k, &m.p[m.n]);
		if (m.n > 0 && member_compare(&m.p[m.n - 1], &m.p[m.n]) > 0)
			m.ascending = false;
		k = json_tree_next(t, node, m.p[m.n++].value);
	}
	if (!m.ascending)
		qsort(m.p, m.n, sizeof *m.p, member_compare);
	for (size_t i = 0; i < m.n; i++) {
		if (i + 1 < m.n && member_same(&m.p[i], &m.p[i + 1])) {
			free(m.p[i].owned);
			continue;
		}
		m.p[kept++] = m.p[i];
	}
	m.n = kept;
	if (!sorted && !m.ascending)
		qsort(m.p, m.n, sizeof *m.p, member_compare_place);
	*ret = m;
}

void json_members_fini(struct json_members *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->p[i].owned);
	free(m->p);
	*m = (struct json_members){0};
}

const struct json_member *json_members_find(const struct json_members *m, const char *key, size_t key_n)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct json_member *x = &m->p[mid];
		size_t n = key_n < x->key_n ? key_n : x->key_n;
		int c = n ? memcmp(key, x->key, n) : 0;

		if (c == 0)
			c = key_n < x->key_n ? -1 : key_n > x->key_n;
		if (c == 0)
			return x;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* ---- equality ------------------------------------------------------------------------------- */

static bool equal_numbers(const struct json_tree *a, uint32_t na, const struct json_tree *b, uint32_t nb)
{
	int64_t ia, ib;
	uint64_t ua, ub;
	bool is_a = json_tree_i64(a, na, &ia), is_b = json_tree_i64(b, nb, &ib);

	if (is_a || is_b)
		return is_a && is_b && ia == ib;
	is_a = json_tree_u64(a, na, &ua);
	is_b = json_tree_u64(b, nb, &ub);
	if (is_a || is_b)
		return is_a && is_b && ua == ub;
	return json_tree_f64(a, na) == json_tree_f64(b, nb);
}

static bool equal_strings(const struct json_tree *a, uint32_t na, const struct json_tree *b, uint32_t nb)
{
	struct buf s = {0};
	bool same;

	json_tree_string(a, na, &s);
	same = json_tree_string_is(b, nb, s.p ? (char *)s.p : "", s.n);
	buf_free(&s);
	return same;
}

/* Appends the elements of an array of strings; false when one is no string. */
static bool join_lines(const struct json_tree *t, uint32_t node, struct buf *out)
{
	for (uint32_t k = json_tree_first(t, node); k != JSON_NONE; k = json_tree_next(t, node, k)) {
		if (t->nodes[k].kind != JSON_KIND_STRING)
			return false;
		json_tree_string(t, k, out);
	}
	return true;
}

/* An array of strings against a string, or against another cut of the same text. */
static bool equal_lines(const struct json_tree *a, uint32_t na, const struct json_tree *b, uint32_t nb)
{
	struct buf s = {0}, o = {0};
	bool same = true;

	if (a->nodes[na].kind == JSON_KIND_ARRAY)
		same = join_lines(a, na, &s);
	else
		json_tree_string(a, na, &s);
	if (same && b->nodes[nb].kind == JSON_KIND_ARRAY)
		same = join_lines(b, nb, &o);
	else if (same)
		json_tree_string(b, nb, &o);
	same = same && s.n == o.n && (s.n == 0 || memcmp(s.p, o.p, s.n) == 0);
	buf_free(&s);
	buf_free(&o);
	return same;
}

bool json_lines_in_list(bool lines, const struct json_tree *t, uint32_t node)
{
	return lines && json_tree_kind(t, node) == JSON_KIND_OBJECT;
}

static bool equal_arrays(const struct json_tree *a, uint32_t na, const struct json_tree *b, uint32_t nb, bool lines)
{
	uint32_t ka = json_tree_first(a, na), kb = json_tree_first(b, nb);

	while (ka != JSON_NONE && kb != JSON_NONE) {
		if (!json_tree_equal(a, ka, b, kb, json_lines_in_list(lines, a, ka)))
			return false;
		ka = json_tree_next(a, na, ka);
		kb = json_tree_next(b, nb, kb);
	}
	return ka == kb;
}

/* Multi-line text (documents.md 9.4) stands in sources, streams and text types;
 * below these keys an array of strings is just that. */
bool json_lines_below(bool lines, const struct json_member *m)
{
	static const char *const plain[] = {"metadata", "traceback"};

	if (!lines)
		return false;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (m->key_n == strlen(plain[i]) && memcmp(m->key, plain[i], m->key_n) == 0)
			return false;
	return m->key_n < 4 || memcmp(m->key + m->key_n - 4, "json", 4) != 0;
}

static bool equal_objects(const struct json_tree *a, uint32_t na, const struct json_tree *b, uint32_t nb, bool lines)
{
	struct json_members ma, mb;
	bool same;

	json_members_load(a, na, true, &ma);
	json_members_load(b, nb, true, &mb);
	same = ma.n == mb.n;
	for (size_t i = 0; same && i < ma.n; i++)
		same = member_same(&ma.p[i], &mb.p[i]) &&
		       json_tree_equal(a, ma.p[i].value, b, mb.p[i].value, json_lines_below(lines, &ma.p[i]));
	json_members_fini(&ma);
	json_members_fini(&mb);
	return same;
}

/* What a document makes of it: a number no double can hold is null there, too. */
static enum json_kind document_kind(const struct json_tree *t, uint32_t node)
{
	enum json_kind kind = json_tree_kind(t, node);

	if (kind == JSON_KIND_NONFINITE)
		return JSON_KIND_NULL;
	if (kind == JSON_KIND_NUMBER) {
		double d = json_tree_f64(t, node);
		if (d - d != 0)
			return JSON_KIND_NULL;
	}
	return kind;
}

bool json_tree_equal(const struct json_tree *a, uint32_t na, const struct json_tree *b, uint32_t nb, bool lines)
{
	const struct json_node *xa = &a->nodes[na], *xb = &b->nodes[nb];
	enum json_kind ka, kb;

	if (xa->end - xa->start == xb->end - xb->start &&
	    memcmp(a->text + xa->start, b->text + xb->start, xa->end - xa->start) == 0)
		return true;
	ka = document_kind(a, na);
	kb = document_kind(b, nb);
	if (lines && (ka == JSON_KIND_ARRAY || ka == JSON_KIND_STRING) &&
	    (kb == JSON_KIND_ARRAY || kb == JSON_KIND_STRING) && equal_lines(a, na, b, nb))
		return true;
	if (ka != kb)
		return false;
	switch (ka) {
	case JSON_KIND_NUMBER:
		return equal_numbers(a, na, b, nb);
	case JSON_KIND_STRING:
		return equal_strings(a, na, b, nb);
	case JSON_KIND_ARRAY:
		return equal_arrays(a, na, b, nb, lines);
	case JSON_KIND_OBJECT:
		return equal_objects(a, na, b, nb, lines);
	default:
		return true;
	}
}
