/* Words for the scenario tests: documents that are freed by themselves, edits in one
 * line, and what is to be seen written as text. Positions count UTF-16 units unless
 * a document says otherwise. */
#ifndef AUTOMERGE_SCENARIO_TEST_H
#define AUTOMERGE_SCENARIO_TEST_H
#include "automerge/codec_test.h"

#define ok(e) assert_int_equal((e), AM_OK)
#define fails(e, why) assert_int_equal((e), (why))
#define K(key) (key), strlen(key)
#define scenario(f) cmocka_unit_test_teardown(f, scenario_end)

/* ---- documents of one test ---- */

static am_doc *scenario_docs[64];
static size_t scenario_n;

static inline am_doc *keep(am_doc *d)
{
	assert_true(scenario_n < 64);
	scenario_docs[scenario_n++] = d;
	return d;
}

static inline int scenario_end(void **state)
{
	(void)state;
	while (scenario_n)
		am_free(scenario_docs[--scenario_n]);
	return 0;
}

static inline am_doc *doc_in(char actor, am_text_unit unit)
{
	const am_opts opts = {.text_unit = unit};
	am_doc *d;

	ok(am_new(&opts, &d));
	ok(am_set_actor(d, &actor, 1));
	return keep(d);
}

static inline am_doc *doc(char actor)
{
	return doc_in(actor, AM_UNIT_UTF16);
}

static inline am_doc *fork_as(am_doc *d, char actor)
{
	am_doc *f;

	ok(am_fork(d, &f));
	ok(am_set_actor(f, &actor, 1));
	return keep(f);
}

static inline am_doc *load_as(const void *p, size_t n, char actor)
{
	const am_opts opts = {.text_unit = AM_UNIT_UTF16};
	am_doc *d;

	ok(am_load(p, n, &opts, 0, &d));
	ok(am_set_actor(d, &actor, 1));
	return keep(d);
}

static inline am_doc *reload(am_doc *d, char actor)
{
	am_buf b = {0};
	am_doc *r;

	ok(am_save(d, 0, &b));
	r = load_as(b.p, b.n, actor);
	am_buf_free(&b);
	return r;
}

static inline am_hash commit(am_doc *d)
{
	am_hash h;

	ok(am_commit(d, NULL, 0, 0, &h));
	return h;
}

/* Both ways. */
static inline void meet(am_doc *a, am_doc *b)
{
	ok(am_merge(a, b));
	ok(am_merge(b, a));
}

struct heads { am_hash h[8]; size_t n; };
static inline struct heads heads(am_doc *d)
{
	struct heads r;
	const am_hash *h = am_heads(d, &r.n);

	assert_true(r.n <= 8);
	if (r.n)
		memcpy(r.h, h, r.n * sizeof *h);
	return r;
}

/* ---- values ---- */

static inline am_value num(int64_t i)
{
	return (am_value){.type = AM_INT, .i = i};
}

static inline am_value word(const char *s)
{
	return am_str(s, strlen(s));
}

static inline am_value count(int64_t i)
{
	return (am_value){.type = AM_COUNTER, .i = i};
}

static inline am_value yes(void)
{
	return (am_value){.type = AM_BOOL, .b = true};
}

static inline am_value nothing(void)
{
	return (am_value){.type = AM_NULL};
}

/* ---- edits ---- */

static inline void put(am_doc *d, am_objid o, const char *key, am_value v)
{
	ok(am_map_put(d, o, K(key), &v));
}

static inline am_objid put_new(am_doc *d, am_objid o, const char *key, am_type type)
{
	am_objid id;

	ok(am_map_put_object(d, o, K(key), type, &id));
	return id;
}

static inline void drop(am_doc *d, am_objid o, const char *key)
{
	ok(am_map_delete(d, o, K(key)));
}

static inline void insert(am_doc *d, am_objid o, size_t i, am_value v)
{
	ok(am_list_insert(d, o, i, &v));
}

static inline am_objid insert_new(am_doc *d, am_objid o, size_t i, am_type type)
{
	am_objid id;

	ok(am_list_insert_object(d, o, i, type, &id));
	return id;
}

static inline void set(am_doc *d, am_objid o, size_t i, am_value v)
{
	ok(am_list_put(d, o, i, &v));
}

static inline void splice(am_doc *d, am_objid o, size_t pos, ptrdiff_t del, const char *s)
{
	ok(am_text_splice(d, o, pos, del, K(s)));
}

static inline void mark(am_doc *d, am_objid o, size_t from, size_t to, am_expand expand, const char *name, am_value v)
{
	ok(am_mark(d, o, from, to, expand, K(name), &v));
}

/* The object under a root key, in whichever document. */
static inline am_objid at(am_doc *d, const char *key)
{
	am_value v;

	ok(am_map_get(d, NULL, AM_ROOT, K(key), &v));
	assert_true(am_is_object(v.type));
	return v.id;
}

static inline am_doc *with_text(char actor, const char *s)
{
	am_doc *d = doc(actor);

	splice(d, put_new(d, AM_ROOT, "t", AM_TEXT), 0, 0, s);
	commit(d);
	return d;
}

/* A list of the words in `s`, one per blank. */
static inline am_doc *with_list(char actor, const char *s)
{
	am_doc *d = doc(actor);
	am_objid l = put_new(d, AM_ROOT, "l", AM_LIST);

	for (size_t i = 0; *s; i++) {
		size_t n = strcspn(s, " ");
		am_value v = am_str(s, n);

		ok(am_list_insert(d, l, i, &v));
		s += n + (s[n] == ' ');
	}
	commit(d);
	return d;
}

/* ---- what is there ---- */

struct page { char s[4096]; size_t n; };

__attribute__((format(printf, 2, 3))) static inline int page_add(struct page *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	p->n += (size_t)vsnprintf(p->s + p->n, sizeof p->s - p->n, fmt, ap);
	va_end(ap);
	assert_true(p->n < sizeof p->s);
	return 0;
}

static inline int page_value(struct page *p, const am_value *v)
{
	switch (v->type) {
	case AM_NULL: return page_add(p, "null");
	case AM_BOOL: return page_add(p, v->b ? "true" : "false");
	case AM_INT: return page_add(p, "%lld", (long long)v->i);
	case AM_UINT: return page_add(p, "%lluu", (unsigned long long)v->u);
	case AM_F64: return page_add(p, "%g", v->f);
	case AM_STR: return page_add(p, "%.*s", (int)v->s.n, (const char *)v->s.p);
	case AM_BYTES: return page_add(p, "<%zu bytes>", v->s.n);
	case AM_COUNTER: return page_add(p, "counter %lld", (long long)v->i);
	case AM_TIMESTAMP: return page_add(p, "time %lld", (long long)v->i);
	case AM_MAP: return page_add(p, "{}");
	case AM_LIST: return page_add(p, "[]");
	case AM_TEXT: return page_add(p, "\"\"");
	default: return page_add(p, "?");
	}
}

static inline void shows_at(am_doc *d, const am_view *view, const char *json)
{
	am_buf b = {0};
	char *s;

	ok(am_json(d, view, AM_ROOT, false, &b));
	s = strndup((const char *)b.p, b.n);
	assert_string_equal(s, json);
	free(s);
	am_buf_free(&b);
}

static inline void shows(am_doc *d, const char *json)
{
	shows_at(d, NULL, json);
}

static inline void both_show(am_doc *a, am_doc *b, const char *json)
{
	shows(a, json);
	shows(b, json);
	assert_same_doc(a, b);
}

static inline void reads(am_doc *d, const char *key, const char *text)
{
	am_buf b = {0};
	char *s;

	ok(am_text(d, NULL, at(d, key), &b));
	s = strndup(b.n ? (const char *)b.p : "", b.n);
	assert_string_equal(s, text);
	free(s);
	am_buf_free(&b);
}

static inline int page_one(void *ctx, const am_value *v)
{
	struct page *p = ctx;

	page_add(p, p->n ? " | " : "");
	return page_value(p, v);
}

/* All values of a register, the winner last: "1 | 2". */
static inline void holds(am_doc *d, am_objid o, const char *key, const char *values)
{
	struct page p = {.n = 0};

	ok(am_map_get_all(d, NULL, o, K(key), page_one, &p));
	assert_string_equal(p.s, values);
}

static inline void holds_at(am_doc *d, am_objid o, size_t i, const char *values)
{
	struct page p = {.n = 0};

	ok(am_list_get_all(d, NULL, o, i, page_one, &p));
	assert_string_equal(p.s, values);
}

static inline int page_mark(void *ctx, const am_mark_range *m)
{
	struct page *p = ctx;

	page_add(p, "%s%zu-%zu %.*s=", p->n ? ", " : "", m->start, m->end, (int)m->name_n, m->name);
	return page_value(p, &m->value);
}

/* "0-3 bold=true, ...", by name. */
static inline void marked_at(am_doc *d, const am_view *view, const char *key, const char *marks)
{
	struct page p = {.n = 0};

	ok(am_marks(d, view, at(d, key), page_mark, &p));
	assert_string_equal(p.s, marks);
}

static inline void marked(am_doc *d, const char *key, const char *marks)
{
	marked_at(d, NULL, key, marks);
}

static inline int page_span(void *ctx, const am_span_view *s)
{
	struct page *p = ctx;

	page_add(p, p->n ? " " : "");
	if (s->is_block)
		return page_add(p, "#");
	page_add(p, "[%.*s", (int)s->text_n, s->text);
	for (size_t i = 0; i < s->n_marks; i++) {
		page_add(p, "|%.*s=", (int)s->marks[i].name_n, s->marks[i].name);
		page_value(p, &s->marks[i].value);
	}
	return page_add(p, "]");
}

/* "[text|bold=true] # [more]"; # is a block. */
static inline void spans(am_doc *d, const char *key, const char *want)
{
	struct page p = {.n = 0};

	ok(am_spans(d, NULL, at(d, key), page_span, &p));
	assert_string_equal(p.s, want);
}

static inline int page_patch(void *ctx, const am_patch *x)
{
	static const char *const names[] = {"put", "insert", "splice", "del", "inc", "conflict", "mark"};
	struct page *p = ctx;

	page_add(p, "%s%s ", p->n ? "; " : "", names[x->kind]);
	if (x->obj.ctr)
		page_add(p, "#%u", x->obj.ctr);
	if (x->key)
		page_add(p, ".%.*s", (int)x->key_n, x->key);
	else
		page_add(p, "[%zu]", x->index);
	if ((x->kind == AM_PATCH_DELETE && !x->key && x->length != 1) || x->kind == AM_PATCH_MARK)
		page_add(p, "+%zu", x->length);
	if (x->kind == AM_PATCH_SPLICE)
		return page_add(p, " %.*s", (int)x->text_n, x->text);
	if (x->kind == AM_PATCH_MARK)
		page_add(p, " %.*s", (int)x->mark_n, x->mark);
	if (x->kind == AM_PATCH_DELETE || x->kind == AM_PATCH_CONFLICT)
		return 0;
	page_add(p, " ");
	page_value(p, &x->value);
	return page_add(p, x->value.conflict ? " conflict" : "");
}

/* Objects other than the root are called by the number of the operation that made them. */
static inline void differs(am_doc *d, struct heads before, struct heads after, const char *patches)
{
	struct page p = {.n = 0};

	ok(am_diff(d, before.h, before.n, after.h, after.n, page_patch, &p));
	assert_string_equal(p.s, patches);
}

static inline void differs_in(am_doc *d, am_objid o, bool recursive, struct heads before, struct heads after,
			      const char *patches)
{
	struct page p = {.n = 0};

	ok(am_diff_object(d, o, recursive, before.h, before.n, after.h, after.n, page_patch, &p));
	assert_string_equal(p.s, patches);
}

static inline am_view *view_of(am_doc *d, struct heads h)
{
	am_view *v;

	ok(am_view_at(d, h.h, h.n, &v));
	return v;
}

static inline void showed(am_doc *d, struct heads h, const char *json)
{
	am_view *v = view_of(d, h);

	shows_at(d, v, json);
	am_view_free(v);
}
#endif
