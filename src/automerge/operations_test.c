/* The operations half as a whole: random documents against the naive model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "automerge/opset.h"
#include "automerge/test_tree.h"

#define ok(e) assert_int_equal((e), AM_OK)

static am_doc *new_doc(char actor, am_text_unit unit)
{
	const am_opts opts = {.text_unit = unit};
	am_doc *doc;

	ok(am_new(&opts, &doc));
	ok(am_set_actor(doc, &actor, 1));
	return doc;
}

static char *json_of(am_doc *doc, const am_view *view, bool conflicts)
{
	am_buf b = {0};
	char *s;

	ok(am_json(doc, view, AM_ROOT, conflicts, &b));
	s = strndup((const char *)b.p, b.n);
	am_buf_free(&b);
	return s;
}

static void assert_json(am_doc *doc, const char *want)
{
	char *s = json_of(doc, NULL, false);

	assert_string_equal(s, want);
	free(s);
}

/* ---- against the model ---- */

struct spans { struct str s; };
static int put_span(void *ctx, const am_span_view *v)
{
	struct str *s = ctx, marks = {0};

	str_fmt(&marks, "%s", "");
	for (size_t i = 0; i < v->n_marks; i++) {
		str_fmt(&marks, "%.*s=", (int)v->marks[i].name_n, v->marks[i].name);
		str_value(&marks, &v->marks[i].value);
		str_fmt(&marks, ",");
	}
	if (v->is_block)
		str_fmt(s, "\xef\xbf\xbc#\n");
	for (size_t i = 0, len; i < v->text_n; i += len) {
		uint8_t b = (uint8_t)v->text[i];
		len = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
		str_put(s, v->text + i, len);
		str_fmt(s, "|%s\n", marks.p);
	}
	free(marks.p);
	return 0;
}

/* Lines of blocks carry no marks in am_spans: compare the others. */
static void assert_marks(const char *model, const char *spans)
{
	while (*model || *spans) {
		size_t a = strcspn(model, "\n"), b = strcspn(spans, "\n");
		if (strncmp(spans, "\xef\xbf\xbc#", 4) == 0) {
			assert_int_equal(strncmp(model, "\xef\xbf\xbc|", 4), 0);
		} else {
			assert_int_equal(a, b);
			assert_memory_equal(model, spans, a);
		}
		model += a + 1;
		spans += b + 1;
	}
}

static void check_view(am_doc *doc, struct model *m, const am_hash *heads, size_t n)
{
	am_view *view = NULL;
	char *want, *got;

	if (n != SIZE_MAX)
		ok(am_view_at(doc, heads, n, &view));
	model_at(m, heads, n);
	want = model_json(m, true);
	got = json_of(doc, view, true);
	assert_string_equal(got, want);
	free(got);
	free(want);
	am_view_free(view);
}

static void check_marks(am_doc *doc, struct model *m)
{
	am_value v;
	struct str s = {0};
	char *want;

	if (am_map_get(doc, NULL, AM_ROOT, "t", 1, &v) || v.type != AM_TEXT)
		return;
	model_at(m, NULL, SIZE_MAX);
	want = model_marks(m, "t");
	str_fmt(&s, "%s", "");
	ok(am_spans(doc, NULL, v.id, put_span, &s));
	/* Multi-character elements are one line in the model. */
	if (strlen(want) == strlen(s.p) || strchr(want, '|'))
		if (!strstr(want, "one|") && !strstr(want, "quo\"te|") && strncmp(want, "|", 1) && !strstr(want, "\n|"))
			assert_marks(want, s.p);
	free(want);
	free(s.p);
}

/* diff between any two heads turns one tree into the other. */
static void check_diff(am_doc *doc, const am_hash *a, size_t n_a, const am_hash *b, size_t n_b, bool marks)
{
	struct tree *t = tree_new(), *fresh = tree_new();
	am_view *va, *vb;
	char *want, *got;

	ok(am_view_at(doc, a, n_a, &va));
	ok(am_view_at(doc, b, n_b, &vb));
	ok(am_diff(doc, NULL, 0, a, n_a, tree_patch, t));
	want = json_of(doc, va, false);
	got = tree_json(t);
	assert_string_equal(got, want);
	free(want);
	free(got);
	ok(am_diff(doc, a, n_a, b, n_b, tree_patch, t));
	want = json_of(doc, vb, false);
	got = tree_json(t);
	assert_string_equal(got, want);
	free(want);
	free(got);
	if (marks) {
		ok(am_diff(doc, NULL, 0, b, n_b, tree_patch, fresh));
		want = tree_marks(fresh, "t");
		got = tree_marks(t, "t");
		assert_string_equal(got, want);
		free(want);
		free(got);
	}
	tree_free(t);
	tree_free(fresh);
	am_view_free(va);
	am_view_free(vb);
}

static void same_save(am_doc *doc, am_buf *before)
{
	am_buf now = {0};

	ok(am_save(doc, AM_SAVE_PLAIN, &now));
	assert_int_equal(now.n, before->n);
	assert_memory_equal(now.p, before->p, now.n);
	am_buf_free(&now);
}

static void edit_and_roll_back(am_doc *doc, struct rnd *r, bool marks)
{
	am_buf before = {0};

	ok(am_save(doc, AM_SAVE_PLAIN, &before));
	ok(am_begin(doc));
	for (uint32_t i = rnd_below(r, 6); i > 0; i--)
		random_edit(doc, r, marks);
	ok(am_rollback(doc));
	same_save(doc, &before);
	am_buf_free(&before);
}

#define N_DOCS 3
#define N_HEADS 12
struct history { am_hash h[N_HEADS][N_DOCS * 2]; size_t n[N_HEADS], len; };

static void remember(struct history *h, am_doc *doc)
{
	size_t n;
	const am_hash *heads = am_heads(doc, &n);

	if (h->len == N_HEADS || n > N_DOCS * 2)
		return;
	memcpy(h->h[h->len], heads, n * sizeof *heads);
	h->n[h->len++] = n;
}

/* Edits as of old heads see and change what a view there shows, and merge. */
static void check_isolated(am_doc *src, const struct history *h, struct rnd *r, bool marks)
{
	am_buf before = {0};
	am_doc *doc, *back;
	struct model *m;

	ok(am_fork(src, &doc));
	ok(am_set_actor(doc, "iso", 3));
	for (size_t i = 0; i < h->len; i++) {
		am_view *v;
		size_t n = am_change_count(doc);
		am_hash hash;
		char *a, *b;
		ok(am_save(doc, AM_SAVE_PLAIN, &before));
		ok(am_view_at(doc, h->h[i], h->n[i], &v));
		ok(am_begin_at(doc, h->h[i], h->n[i]));
		a = json_of(doc, v, true);
		b = json_of(doc, NULL, true);
		assert_string_equal(b, a);
		free(a);
		free(b);
		am_view_free(v);
		for (uint32_t k = rnd_below(r, 5); k > 0; k--)
			random_edit(doc, r, marks);
		if (i % 3 == 0) {
			ok(am_rollback(doc));
			same_save(doc, &before);
			continue;
		}
		a = json_of(doc, NULL, true);
		ok(am_commit(doc, NULL, 0, 0, &hash));
		if (am_change_count(doc) > n) {
			ok(am_view_at(doc, &hash, 1, &v));
			b = json_of(doc, v, true);
			assert_string_equal(b, a);
			free(b);
			am_view_free(v);
		}
		free(a);
	}
	m = model_of(doc);
	check_view(doc, m, NULL, SIZE_MAX);
	model_free(m);
	ok(am_save(doc, 0, &before));
	ok(am_load(before.p, before.n, NULL, 0, &back));
	am_free(back);
	am_buf_free(&before);
	am_free(doc);
}

/* ---- objects taken whole ---- */

struct walked { am_doc *doc; const am_view *view; };

static int count_seen(void *ctx, const am_place *p)
{
	size_t *depth = ctx;

	assert_true(p->visible);
	++*depth;
	return 0;
}

/* Each object a walk shows is where the way up says, and has a name. */
static int check_item(void *ctx, const am_item *i)
{
	struct walked *w = ctx;
	am_place p;
	am_objid again;
	am_buf name = {0};
	size_t depth = 0;

	if (!am_is_object(i->value.type) || i->value.type == AM_TABLE)
		return 0;
	ok(am_parent(w->doc, w->view, i->value.id, &p));
	assert_memory_equal(&p.obj, &i->at.obj, sizeof p.obj);
	assert_true(p.key_n == i->at.key_n && p.index == i->at.index && p.type == i->at.type);
	ok(am_path(w->doc, w->view, i->value.id, count_seen, &depth));
	assert_int_equal(depth, i->depth + 1);
	ok(am_id_text(w->doc, i->value.id, &name));
	ok(am_id_parse(w->doc, (const char *)name.p, name.n, &again));
	assert_memory_equal(&again, &i->value.id, sizeof again);
	am_buf_free(&name);
	return 0;
}

/* A tree put into another document reads as what it was taken from; and where it came from it is so already. */
static void check_trees(am_doc *doc, am_text_unit unit, const am_hash *heads, size_t n)
{
	struct walked w = {.doc = doc};
	am_doc *other = new_doc('z', unit);
	am_view *view;
	am_tree *tree;
	size_t ops;
	char *want, *got;

	ok(am_view_at(doc, heads, n, &view));
	w.view = view;
	ok(am_walk(doc, view, AM_ROOT, check_item, &w));
	ok(am_hydrate(doc, view, AM_ROOT, &tree));
	want = json_of(doc, view, false);
	ok(am_map_put_trees(other, AM_ROOT, tree->children, tree->n_children));
	got = json_of(other, NULL, false);
	assert_string_equal(got, want);
	ops = am_op_count(other);
	ok(am_object_update(other, AM_ROOT, tree));
	assert_int_equal(am_op_count(other), ops);
	free(want);
	free(got);
	am_tree_free(tree);
	am_view_free(view);
	am_free(other);
}

static void one_round(uint64_t seed, am_text_unit unit, bool marks)
{
	struct rnd r = {seed * 0x9e3779b97f4a7c15u + 1};
	am_doc *doc[N_DOCS], *copy;
	struct history h = {.len = 0};
	struct model *m;
	char *a, *b;
	am_buf save = {0};
	am_objid id;

	for (int i = 0; i < N_DOCS; i++)
		doc[i] = new_doc((char)('a' + (i * 7 + (int)seed) % 5), unit);
	ok(am_map_put_object(doc[0], AM_ROOT, "t", 1, AM_TEXT, &id));
	ok(am_map_put_object(doc[0], AM_ROOT, "l", 1, AM_LIST, &id));
	for (int i = 1; i < N_DOCS; i++)
		ok(am_merge(doc[i], doc[0]));
	for (int step = 0; step < 30; step++) {
		uint32_t k = rnd_below(&r, N_DOCS), other = rnd_below(&r, N_DOCS);
		if (rnd_below(&r, 5) == 0)
			edit_and_roll_back(doc[k], &r, marks);
		for (uint32_t i = rnd_below(&r, 4); i > 0; i--)
			random_edit(doc[k], &r, marks);
		ok(am_in_transaction(doc[k]) ? am_commit(doc[k], "m", 1, step, NULL) : AM_OK);
		if (other != k && rnd_below(&r, 3) == 0)
			ok(am_merge(doc[k], doc[other]));
		if (step % 4 == 0 && k == 0)
			remember(&h, doc[0]);
	}
	for (int i = 0; i < N_DOCS * N_DOCS; i++)
		if (i / N_DOCS != i % N_DOCS)
			ok(am_merge(doc[i / N_DOCS], doc[i % N_DOCS]));
	remember(&h, doc[0]);
	m = model_of(doc[0]);
	a = json_of(doc[0], NULL, true);
	for (int i = 1; i < N_DOCS; i++) {
		size_t n_a, n_b;
		const am_hash *ha = am_heads(doc[0], &n_a), *hb = am_heads(doc[i], &n_b);
		assert_int_equal(n_a, n_b);
		assert_memory_equal(ha, hb, n_a * sizeof *ha);
		b = json_of(doc[i], NULL, true);
		assert_string_equal(b, a);
		free(b);
	}
	check_view(doc[0], m, NULL, SIZE_MAX);
	if (unit != AM_UNIT_GRAPHEME) /* there, elements are clusters */
		check_marks(doc[0], m);
	for (size_t i = 0; i < h.len; i++)
		check_view(doc[0], m, h.h[i], h.n[i]);
	for (size_t i = 0; i < h.len; i++)
		check_trees(doc[0], unit, h.h[i], h.n[i]);
	check_isolated(doc[0], &h, &r, marks);
	for (size_t i = 0; unit == AM_UNIT_UTF16 && i < h.len; i++)
		for (size_t k = 0; k < h.len; k++)
			check_diff(doc[0], h.h[i], h.n[i], h.h[k], h.n[k], marks);
	ok(am_save(doc[0], 0, &save));
	ok(am_load(save.p, save.n, NULL, 0, &copy));
	b = json_of(copy, NULL, true);
	assert_string_equal(b, a);
	free(b);
	am_free(copy);
	am_buf_free(&save);
	free(a);
	model_free(m);
	for (int i = 0; i < N_DOCS; i++)
		am_free(doc[i]);
}

static void seeds(bool marks)
{
	const char *one = getenv("AM_SEED");

	if (one) {
		uint64_t s = strtoull(one, NULL, 10);
		one_round(s, s % 8 < 5 ? AM_UNIT_UTF16 : (am_text_unit)(s % 4), marks);
		return;
	}
	for (uint64_t s = 1; s <= (getenv("AM_SEEDS") ? strtoull(getenv("AM_SEEDS"), NULL, 10) : 120); s++) {
		if (getenv("AM_VERBOSE"))
			fprintf(stderr, "seed %llu\n", (unsigned long long)s);
		one_round(s, s % 8 < 5 ? AM_UNIT_UTF16 : (am_text_unit)(s % 4), marks);
	}
}

static void random_documents(void **state)
{
	(void)state;
	seeds(false);
}

static void random_documents_with_marks(void **state)
{
	(void)state;
	seeds(true);
}

/* ---- small cases, all of them ---- */

/* Three replicas of a list of two, each doing up to two of five edits. */
static void small_edit(am_doc *doc, am_objid list, unsigned what, int64_t tag)
{
	am_value v = {.type = AM_INT, .i = tag};
	size_t n = am_length(doc, NULL, list);

	switch (what) {
	case 0: ok(am_list_insert(doc, list, 0, &v)); break;
	case 1: ok(am_list_insert(doc, list, n, &v)); break;
	case 2: ok(am_list_insert(doc, list, n / 2, &v)); break;
	case 3:
		if (n)
			ok(am_list_delete(doc, list, n - 1));
		break;
	default:
		if (n)
			ok(am_list_put(doc, list, 0, &v));
	}
	if (am_in_transaction(doc))
		ok(am_commit(doc, NULL, 0, 0, NULL));
}

static void small_interleavings(void **state)
{
	am_objid list;
	am_value v = {.type = AM_INT, .i = 1};

	(void)state;
	for (unsigned code = 0; code < 5 * 5 * 5 * 5; code++) {
		am_doc *base = new_doc('m', AM_UNIT_CODEPOINT), *x, *y;
		struct model *m;
		char *a, *b;
		ok(am_map_put_object(base, AM_ROOT, "l", 1, AM_LIST, &list));
		ok(am_list_insert(base, list, 0, &v));
		ok(am_list_insert(base, list, 1, &v));
		ok(am_fork(base, &x));
		ok(am_fork(base, &y));
		ok(am_set_actor(x, code & 1 ? "z" : "a", 1));
		ok(am_set_actor(y, "c", 1));
		small_edit(x, list, code % 5, 10);
		small_edit(x, list, code / 5 % 5, 11);
		small_edit(y, list, code / 25 % 5, 20);
		if (code % 3 == 0)
			ok(am_merge(y, x));
		small_edit(y, list, code / 125 % 5, 21);
		ok(am_merge(x, y));
		ok(am_merge(y, x));
		m = model_of(x);
		model_at(m, NULL, SIZE_MAX);
		a = model_json(m, true);
		b = json_of(x, NULL, true);
		assert_string_equal(b, a);
		free(b);
		b = json_of(y, NULL, true);
		assert_string_equal(b, a);
		free(a);
		free(b);
		model_free(m);
		am_free(base);
		am_free(x);
		am_free(y);
	}
}

/* ---- single rules ---- */

static void put_no_op(void **state)
{
	am_doc *a = new_doc('a', AM_UNIT_UTF16), *b;
	am_value one = {.type = AM_INT, .i = 1}, two = {.type = AM_INT, .i = 2}, v;

	(void)state;
	ok(am_map_put(a, AM_ROOT, "k", 1, &one));
	ok(am_commit(a, NULL, 0, 0, NULL));
	ok(am_map_put(a, AM_ROOT, "k", 1, &one)); /* nothing */
	ok(am_commit(a, NULL, 0, 0, NULL));
	assert_int_equal(am_change_count(a), 1);
	ok(am_fork(a, &b));
	ok(am_set_actor(b, "b", 1));
	ok(am_map_put(a, AM_ROOT, "k", 1, &two));
	v = (am_value){.type = AM_INT, .i = 3};
	ok(am_map_put(b, AM_ROOT, "k", 1, &v));
	ok(am_merge(a, b));
	ok(am_map_get(a, NULL, AM_ROOT, "k", 1, &v));
	assert_int_equal(v.i, 3); /* 2@b wins over 2@a */
	assert_true(v.conflict);
	v = (am_value){.type = AM_INT, .i = 3};
	ok(am_map_put(a, AM_ROOT, "k", 1, &v)); /* deletes the loser only */
	ok(am_map_get(a, NULL, AM_ROOT, "k", 1, &v));
	assert_false(v.conflict);
	assert_int_equal(v.i, 3);
	assert_int_equal(am_op_count(a), 4);
	ok(am_map_delete(a, AM_ROOT, "none", 4));
	assert_int_equal(am_op_count(a), 4);
	assert_int_equal(am_map_increment(a, AM_ROOT, "k", 1, 1), AM_E_NO_COUNTER);
	am_free(a);
	am_free(b);
}

static void splice_edges(void **state)
{
	am_doc *d = new_doc('a', AM_UNIT_UTF16);
	am_objid t;

	(void)state;
	ok(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t));
	ok(am_text_splice(d, t, 0, 0, "a\xf0\x9f\x98\x80z", 6));
	assert_int_equal(am_length(d, NULL, t), 4);
	ok(am_text_splice(d, t, 2, 0, "X", 1)); /* inside the pair: behind it */
	assert_json(d, "{\"t\":\"a\xf0\x9f\x98\x80Xz\"}");
	ok(am_text_splice(d, t, 2, 1, "", 0)); /* inside: skips to the next */
	assert_json(d, "{\"t\":\"a\xf0\x9f\x98\x80z\"}");
	ok(am_text_splice(d, t, 4, -1, "", 0));
	assert_json(d, "{\"t\":\"a\xf0\x9f\x98\x80\"}");
	ok(am_text_splice(d, t, 1, 100, "!", 1)); /* past the end: stops */
	assert_json(d, "{\"t\":\"a!\"}");
	assert_int_equal(am_text_splice(d, t, 3, 0, "x", 1), AM_E_INDEX);
	assert_int_equal(am_text_splice(d, t, 1, -2, "x", 1), AM_E_INDEX);
	assert_int_equal(am_text_splice(d, t, 0, 0, "\xff", 1), AM_E_FORMAT);
	assert_int_equal(am_map_put(d, t, "k", 1, &(am_value){.type = AM_NULL}), AM_E_TYPE);
	assert_json(d, "{\"t\":\"a!\"}");
	am_free(d);
}

static void update_text(void **state)
{
	static const char *const to[] = {"quack", "", "the quick brown fox", "the slow brown fix!",
					 "e\xcc\x81\xf0\x9f\x91\xa8",
					 "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9"};
	am_doc *d = new_doc('a', AM_UNIT_UTF16);
	const am_op_view *ops;
	am_change_view *c;
	am_buf b = {0};
	am_objid t;

	(void)state;
	ok(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t));
	ok(am_text_splice(d, t, 0, 0, "quick", 5));
	ok(am_commit(d, NULL, 0, 0, NULL));
	for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
		ok(am_text_update(d, t, to[i], strlen(to[i])));
		ok(am_commit(d, NULL, 0, 0, NULL));
		ok(am_text(d, NULL, t, &b));
		assert_int_equal(b.n, strlen(to[i]));
		assert_memory_equal(b.p ? (const char *)b.p : "", to[i], b.n);
	}
	ok(am_change_bytes(d, 1, &b)); /* quick -> quack: insert a behind u, delete i */
	ok(am_change_decode(b.p, b.n, NULL, &c));
	assert_int_equal(am_change_view_ops(c, &ops), 2);
	assert_true(ops[0].insert && ops[0].elem.ctr == 3 && ops[0].value.s.p[0] == 'a');
	assert_true(ops[1].action == 3 && ops[1].elem.ctr == 4 && ops[1].n_pred == 1);
	am_change_view_free(c);
	am_buf_free(&b);
	am_free(d);
}

static void isolation(void **state)
{
	am_doc *d = new_doc((char)0xab, AM_UNIT_UTF16);
	am_hash h1, h2;
	am_value v = {.type = AM_INT, .i = 1};
	am_change_info info;
	am_objid t;
	const am_hash *heads;
	size_t n;

	(void)state;
	ok(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t));
	ok(am_text_splice(d, t, 0, 0, "abc", 3));
	ok(am_commit(d, NULL, 0, 0, &h1));
	ok(am_text_splice(d, t, 1, 1, "XYZ", 3));
	ok(am_map_put(d, AM_ROOT, "k", 1, &v));
	ok(am_commit(d, NULL, 0, 0, &h2));
	ok(am_begin_at(d, &h1, 1));
	assert_int_equal(am_length(d, NULL, t), 3);
	assert_int_equal(am_map_get(d, NULL, AM_ROOT, "k", 1, &v), AM_E_NOT_FOUND);
	ok(am_text_splice(d, t, 1, 1, "q", 1)); /* b, deleted there too, goes again */
	ok(am_text_splice(d, t, 3, 0, "!", 1));
	assert_int_equal(am_length(d, NULL, t), 4);
	ok(am_commit(d, NULL, 0, 0, NULL));
	assert_json(d, "{\"k\":1,\"t\":\"aqXYZc!\"}");
	heads = am_heads(d, &n);
	assert_int_equal(n, 2);
	assert_non_null(heads);
	ok(am_change_at(d, 2, &info));
	assert_int_equal(info.actor_n, 6);
	assert_memory_equal(info.actor, "\x13\xb2\x23\x09\x01\xab", 6);
	assert_int_equal(info.n_deps, 1);
	assert_memory_equal(info.deps, &h1, sizeof h1);
	ok(am_begin_at(d, &h1, 1));
	ok(am_text_splice(d, t, 0, 0, "2", 1));
	ok(am_commit(d, NULL, 0, 0, NULL));
	ok(am_change_at(d, 3, &info));
	assert_memory_equal(info.actor, "\x13\xb2\x23\x09\x02\xab", 6);
	ok(am_begin_at(d, &h1, 1));
	ok(am_text_splice(d, t, 0, 2, "gone", 4));
	ok(am_rollback(d));
	assert_json(d, "{\"k\":1,\"t\":\"2aqXYZc!\"}");
	am_free(d);
}

static int put_mark(void *ctx, const am_mark_range *r)
{
	str_fmt(ctx, "%.*s[%zu,%zu)=", (int)r->name_n, r->name, r->start, r->end);
	str_value(ctx, &r->value);
	str_fmt(ctx, " ");
	return 0;
}

static void assert_mark_list(am_doc *d, am_objid t, const char *want)
{
	struct str s = {0};

	str_fmt(&s, "%s", "");
	ok(am_marks(d, NULL, t, put_mark, &s));
	assert_string_equal(s.p, want);
	free(s.p);
}

static void marks(void **state)
{
	am_value yes = {.type = AM_BOOL, .b = true}, none = {.type = AM_NULL};
	am_doc *d = new_doc('a', AM_UNIT_UTF16);
	am_objid t;

	(void)state;
	ok(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t));
	ok(am_text_splice(d, t, 0, 0, "abcdef", 6));
	ok(am_mark(d, t, 1, 3, AM_EXPAND_AFTER, "b", 1, &yes));
	assert_mark_list(d, t, "b[1,3)=true ");
	ok(am_text_splice(d, t, 3, 0, "X", 1)); /* at an expanding end: inside */
	assert_mark_list(d, t, "b[1,4)=true ");
	ok(am_text_splice(d, t, 1, 0, "Y", 1)); /* begin does not expand: outside */
	assert_mark_list(d, t, "b[2,5)=true ");
	ok(am_mark(d, t, 3, 4, AM_EXPAND_NONE, "b", 1, &none));
	assert_mark_list(d, t, "b[2,3)=true b[4,5)=true ");
	ok(am_mark(d, t, 0, 1, AM_EXPAND_NONE, "c", 1, &yes));
	ok(am_text_splice(d, t, 1, 0, "Z", 1));
	assert_mark_list(d, t, "b[3,4)=true b[5,6)=true c[0,1)=true ");
	ok(am_mark(d, t, 2, 2, AM_EXPAND_NONE, "z", 1, &yes));
	ok(am_mark(d, t, 2, 2, AM_EXPAND_AFTER, "z", 1, &yes)); /* empty, but can grow */
	assert_mark_list(d, t, "b[3,4)=true b[5,6)=true c[0,1)=true ");
	am_free(d);
}

static void cursors(void **state)
{
	am_doc *d = new_doc('a', AM_UNIT_UTF16);
	am_buf c = {0}, e = {0};
	am_objid t;
	size_t pos;

	(void)state;
	ok(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t));
	ok(am_text_splice(d, t, 0, 0, "hello", 5));
	ok(am_cursor(d, NULL, t, 2, AM_MOVE_AFTER, &c));
	assert_memory_equal(c.p, "4@61", 4);
	ok(am_cursor(d, NULL, t, 2, AM_MOVE_BEFORE, &e));
	assert_memory_equal(e.p, "-4@61", 5);
	ok(am_text_splice(d, t, 0, 0, "xx", 2));
	ok(am_cursor_position(d, NULL, t, (char *)c.p, c.n, &pos));
	assert_int_equal(pos, 4);
	ok(am_text_splice(d, t, 3, 3, "", 0)); /* e, l, l go */
	ok(am_cursor_position(d, NULL, t, (char *)c.p, c.n, &pos));
	assert_int_equal(pos, 3);
	ok(am_cursor_position(d, NULL, t, (char *)e.p, e.n, &pos));
	assert_int_equal(pos, 2); /* h */
	ok(am_cursor(d, NULL, t, SIZE_MAX, AM_MOVE_AFTER, &c));
	assert_memory_equal(c.p, "e", 1);
	assert_int_equal(am_cursor_position(d, NULL, t, "9@62", 4, &pos), AM_E_CURSOR);
	assert_int_equal(am_cursor_position(d, NULL, t, "x", 1, &pos), AM_E_CURSOR);
	am_buf_free(&c);
	am_buf_free(&e);
	am_free(d);
}

/* ---- a text large enough for trees of several levels ---- */

struct plain { char *p; size_t n; };
static void plain_splice(struct plain *t, size_t at, size_t del, const char *p, size_t n)
{
	if (del > t->n - at)
		del = t->n - at;
	t->p = realloc(t->p, t->n + n + 1);
	memmove(t->p + at + n, t->p + at + del, t->n - at - del);
	memcpy(t->p + at, p, n);
	t->n += n - del;
}

static void assert_plain(am_doc *d, am_objid t, const struct plain *want)
{
	am_buf b = {0};

	ok(am_text(d, NULL, t, &b));
	assert_int_equal(b.n, want->n);
	assert_int_equal(am_length(d, NULL, t), want->n);
	if (b.n)
		assert_memory_equal(b.p, want->p, b.n);
	am_buf_free(&b);
}

/* Typing, backspacing, forward deleting and jumping about, in one-edit changes,
 * some sent to a second replica one by one, some rolled back. */
static void large_text(void **state)
{
	struct plain want = {0}, kept = {0};
	struct rnd r = {42};
	am_doc *d = new_doc('a', AM_UNIT_UTF16), *far = new_doc('b', AM_UNIT_UTF16);
	size_t at = 0;
	am_objid t;

	(void)state;
	ok(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t));
	ok(am_commit(d, NULL, 0, 0, NULL));
	for (int i = 0; i < 3000; i++) {
		char c = (char)('a' + (int)rnd_below(&r, 26));
		uint32_t what = rnd_below(&r, 12);
		bool back = what == 0;
		if (rnd_below(&r, 4) == 0)
			at = rnd_below(&r, (uint32_t)want.n + 1);
		if (back) { /* something that will not have been */
			free(kept.p);
			kept = (struct plain){malloc(want.n + 1), want.n};
			memcpy(kept.p, want.p ? want.p : "", want.n);
			ok(am_begin(d));
		}
		for (uint32_t k = rnd_below(&r, 4); k > 0; k--) {
			if (what < 8) {
				ok(am_text_splice(d, t, at, 0, &c, 1));
				plain_splice(&want, at++, 0, &c, 1);
			} else if (what < 10 && at > 0) {
				ok(am_text_splice(d, t, at, -1, "", 0));
				plain_splice(&want, --at, 1, "", 0);
			} else {
				ok(am_text_splice(d, t, at, (ptrdiff_t)k, "", 0));
				plain_splice(&want, at, k, "", 0);
			}
		}
		if (back) {
			ok(am_rollback(d));
			want.n = kept.n;
			memcpy(want.p ? want.p : kept.p, kept.p, kept.n);
			at = at > want.n ? want.n : at;
		} else if (am_in_transaction(d)) {
			ok(am_commit(d, NULL, 0, 0, NULL));
		}
		if (i % 50 == 0) {
			assert_plain(d, t, &want);
			ok(am_merge(far, d));
			assert_plain(far, t, &want);
		}
	}
	assert_plain(d, t, &want);
	free(want.p);
	free(kept.p);
	am_free(d);
	am_free(far);
}

/* ---- rows in another order than the rules give ---- */

struct rows { am_op op[200]; am_id refs[200][40]; size_t n; };
static int keep_row(void *ctx, const am_op *row)
{
	struct rows *r = ctx;

	assert_true(r->n < 200 && row->n_refs <= 40);
	r->op[r->n] = *row;
	if (row->n_refs)
		memcpy(r->refs[r->n], row->refs, row->n_refs * sizeof *row->refs);
	r->op[r->n].refs = r->refs[r->n];
	r->n++;
	return 0;
}

static void load_rows(am_doc *doc, const am_doc *from, const struct rows *r, const size_t *order)
{
	uint32_t ix;

	for (uint32_t i = 0; i < from->actors.v.n; i++)
		ok(am_actors_intern(&doc->actors, &doc->a, from->actors.v.p[i].p, from->actors.v.p[i].n, &ix));
	ok(am_ops_load_begin(doc));
	for (size_t i = 0; i < r->n; i++)
		ok(am_ops_load_row(doc, &r->op[order[i]]));
	ok(am_ops_load_end(doc));
}

/* The rows of each object in random order (an update never before its element:
 * releases before 0.12 write those late, not early). */
static void rows_out_of_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct rnd r = {seed * 77777};
		am_doc *a = new_doc('a', AM_UNIT_UTF16), *b = new_doc('b', AM_UNIT_UTF16), *c;
		struct rows *rows = calloc(1, sizeof *rows);
		size_t order[200];
		char *x, *y;
		am_objid id;
		ok(am_map_put_object(a, AM_ROOT, "t", 1, AM_TEXT, &id));
		ok(am_map_put_object(a, AM_ROOT, "l", 1, AM_LIST, &id));
		ok(am_merge(b, a));
		for (int i = 0; i < 25; i++)
			random_edit(i & 1 ? a : b, &r, true);
		ok(am_merge(a, b));
		ok(am_ops_each_row(a, keep_row, rows));
		for (size_t i = 0; i < rows->n; i++)
			order[i] = i;
		for (size_t i = 0; i + 1 < rows->n; i++) {
			const am_op *p = &rows->op[order[i]], *q = &rows->op[order[i + 1]];
			if (am_id_eq(p->obj, q->obj) && rnd_below(&r, 2) && (q->insert || !p->insert)) {
				size_t swap = order[i];
				order[i] = order[i + 1];
				order[i + 1] = swap;
			}
		}
		ok(am_new(&(am_opts){.text_unit = AM_UNIT_UTF16}, &c));
		load_rows(c, a, rows, order);
		x = json_of(a, NULL, true);
		y = json_of(c, NULL, true);
		assert_string_equal(y, x);
		free(x);
		free(y);
		free(rows);
		am_free(a);
		am_free(b);
		am_free(c);
	}
}

/* ---- running out of memory ---- */

struct meter { size_t left, live; bool armed; };
static void *metered(void *ctx, void *p, size_t n)
{
	struct meter *m = ctx;

	if (n && m->armed) {
		if (m->left == 0)
			return NULL;
		m->left--;
	}
	if (n == 0) {
		m->live--;
		free(p);
		return NULL;
	}
	m->live += !p;
	return realloc(p, n);
}

static int no_patch(void *ctx, const am_patch *p)
{
	(void)ctx;
	(void)p;
	return 0;
}

static int session(am_doc *d, am_doc *other)
{
	static const char *const words[] = {"alpha ", "b\xc3\xa9ta ", "\xf0\x9f\x98\x80"};
	am_value v = {.type = AM_COUNTER, .i = 1};
	am_objid t, l;
	am_hash h;
	const am_hash *at;
	am_view *view = NULL;
	am_buf b = {.a = {0}};
	size_t n;
	int rc = am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t);

	if (rc == 0)
		rc = am_map_put_object(d, AM_ROOT, "l", 1, AM_LIST, &l);
	for (size_t i = 0; i < 60 && rc == 0; i++)
		rc = am_text_splice(d, t, i % 5, (ptrdiff_t)(i % 3), words[i % 3], strlen(words[i % 3]));
	for (size_t i = 0; i < 20 && rc == 0; i++)
		rc = am_list_insert(d, l, i / 2, &v);
	if (rc == 0)
		rc = am_list_increment(d, l, 3, 4);
	if (rc == 0)
		rc = am_commit(d, "m", 1, 5, &h);
	if (rc == 0)
		rc = am_text_update(d, t, "other words", 11);
	if (rc == 0)
		rc = am_mark(d, t, 1, 4, AM_EXPAND_AFTER, "b", 1, &v);
	if (rc == 0)
		rc = am_merge(d, other);
	if (rc == 0)
		rc = am_view_at(d, &h, 1, &view);
	if (rc == 0)
		rc = am_json(d, view, AM_ROOT, true, &b);
	am_view_free(view);
	am_buf_free(&b);
	if (rc == 0) {
		at = am_heads(d, &n);
		if (n)
			h = at[0];
		rc = am_diff(d, NULL, 0, &h, n > 0, no_patch, NULL);
	}
	if (rc == 0)
		rc = am_begin(d);
	if (rc == 0)
		rc = am_text_splice(d, t, 0, 3, "bye", 3);
	if (am_in_transaction(d) && rc == 0)
		rc = am_rollback(d);
	return rc;
}

static void out_of_memory(void **state)
{
	struct meter m = {0};
	const am_opts opts = {.alloc = {metered, &m}};
	am_doc *other = new_doc('o', AM_UNIT_CODEPOINT), *d;
	am_objid t;
	bool done = false;

	(void)state;
	ok(am_map_put_object(other, AM_ROOT, "t", 1, AM_TEXT, &t));
	ok(am_text_splice(other, t, 0, 0, "from elsewhere", 14));
	ok(am_text_splice(other, t, 3, 5, "\xc3\xa9", 2));
	ok(am_commit(other, NULL, 0, 0, NULL));
	for (size_t i = 0; !done; i++) {
		int rc;
		m = (struct meter){0};
		ok(am_new(&opts, &d));
		ok(am_set_actor(d, "q", 1));
		m.left = i;
		m.armed = true;
		rc = session(d, other);
		done = m.left > 0;
		m.armed = false;
		if (rc && rc != AM_E_NOMEM)
			fail_msg("allocation %zu: %s", i, am_strerror(rc));
		/* Whatever happened, the document works. */
		if (am_in_transaction(d))
			ok(am_commit(d, NULL, 0, 0, NULL));
		ok(am_merge(d, other));
		ok(am_diff(d, NULL, 0, am_heads(d, &(size_t){0}), 0, no_patch, NULL));
		am_free(d);
		assert_int_equal(m.live, 0);
	}
	am_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_no_op), cmocka_unit_test(splice_edges), cmocka_unit_test(update_text),
		cmocka_unit_test(isolation), cmocka_unit_test(marks), cmocka_unit_test(cursors),
		cmocka_unit_test(small_interleavings), cmocka_unit_test(random_documents),
		cmocka_unit_test(random_documents_with_marks), cmocka_unit_test(large_text),
		cmocka_unit_test(rows_out_of_order),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
