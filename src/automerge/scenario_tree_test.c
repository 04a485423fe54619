/* What users rely on who take objects whole: trees out of a document and into it, and walks. */
#include "automerge/scenario_test.h"

#define KEY(s) .key = (s), .key_n = sizeof(s) - 1

static am_tree text_tree(const char *s)
{
	return (am_tree){.value = {.type = AM_TEXT, .s = {(const uint8_t *)s, strlen(s)}}};
}

static am_doc *rich(char actor)
{
	am_doc *d = doc(actor);
	am_objid m = put_new(d, AM_ROOT, "m", AM_MAP), l = put_new(d, m, "l", AM_LIST), t = put_new(d, m, "t", AM_TEXT);

	put(d, m, "", num(-1));
	put(d, m, "c", count(4));
	ok(am_map_increment(d, m, K("c"), 3));
	insert(d, l, 0, word("a"));
	insert(d, l, 1, word("b"));
	put(d, insert_new(d, l, 2, AM_MAP), "x", nothing());
	put_new(d, AM_ROOT, "e", AM_LIST);
	splice(d, t, 0, 0, "some text");
	commit(d);
	return d;
}

#define RICH "{\"e\":[],\"m\":{\"\":-1,\"c\":7,\"l\":[\"a\",\"b\",{\"x\":null}],\"t\":\"some text\"}}"

static const am_tree *kid(const am_tree *t, const char *key)
{
	for (size_t i = 0; i < t->n_children; i++)
		if (t->children[i].key_n == strlen(key) && memcmp(t->children[i].key, key, strlen(key)) == 0)
			return &t->children[i];
	fail_msg("no %s", key);
	return NULL;
}

/* ---- out ---- */

static void test_an_object_as_a_tree(void **state)
{
	am_doc *d = rich('a');
	const am_tree *m, *x;
	am_tree *t;

	(void)state;
	ok(am_hydrate(d, NULL, AM_ROOT, &t));
	am_free(scenario_docs[--scenario_n]); /* it is its own */
	assert_true(t->value.type == AM_MAP && t->n_children == 2 && !t->key);
	assert_true(t->children[0].key[0] == 'e' && t->children[0].n_children == 0);
	m = kid(t, "m");
	assert_true(m->value.id.ctr == 1 && m->n_children == 4);
	assert_true(kid(m, "")->key && kid(m, "")->value.i == -1);
	assert_true(kid(m, "c")->value.type == AM_COUNTER && kid(m, "c")->value.i == 7);
	x = kid(m, "t");
	assert_true(x->value.type == AM_TEXT && x->value.s.n == 9 && memcmp(x->value.s.p, "some text", 9) == 0);
	x = kid(m, "l");
	assert_true(x->value.type == AM_LIST && x->n_children == 3 && x->children[1].value.s.p[0] == 'b');
	assert_true(kid(&x->children[2], "x")->value.type == AM_NULL && !x->children[2].key);
	am_tree_free(t);
	am_tree_free(NULL);
}

static void test_trees_of_other_objects_and_times(void **state)
{
	am_doc *d = rich('a');
	am_objid m = at(d, "m");
	struct heads old = heads(d), none = {.n = 0};
	am_view *then, *never;
	am_tree *t = NULL;
	am_value v;

	(void)state;
	ok(am_map_get(d, NULL, m, K("t"), &v));
	splice(d, v.id, 0, 4, "other");
	put(d, m, "c", num(1));
	ok(am_hydrate(d, NULL, v.id, &t)); /* an open transaction's edits included */
	assert_true(t->value.type == AM_TEXT && t->value.s.n == 10 && t->value.s.p[0] == 'o');
	am_tree_free(t);
	then = view_of(d, old);
	never = view_of(d, none);
	ok(am_hydrate(d, then, m, &t));
	assert_true(kid(t, "c")->value.i == 7 && kid(t, "t")->value.s.p[0] == 's');
	am_tree_free(t);
	ok(am_hydrate(d, never, AM_ROOT, &t));
	assert_true(t->value.type == AM_MAP && t->n_children == 0);
	am_tree_free(t);
	t = NULL;
	fails(am_hydrate(d, never, m, &t), AM_E_NOT_FOUND);
	fails(am_hydrate(d, NULL, (am_objid){99, 0}, &t), AM_E_NOT_FOUND);
	ok(am_map_get(d, NULL, m, K("c"), &v));
	fails(am_hydrate(d, NULL, v.id, &t), AM_E_NOT_FOUND);
	assert_null(t);
	drop(d, AM_ROOT, "m");
	ok(am_hydrate(d, NULL, m, &t)); /* deleted, yet there */
	assert_true(kid(t, "c")->value.i == 1);
	am_tree_free(t);
	am_view_free(then);
	am_view_free(never);
}

static void test_a_tree_tells_of_conflicts(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');
	am_objid l;
	am_tree *t;

	(void)state;
	l = put_new(a, AM_ROOT, "l", AM_LIST);
	insert(a, l, 0, num(0));
	commit(a);
	ok(am_merge(b, a));
	put(a, AM_ROOT, "x", num(1));
	set(a, l, 0, num(1));
	put(b, AM_ROOT, "x", num(2));
	set(b, at(b, "l"), 0, num(2));
	meet(a, b);
	ok(am_hydrate(a, NULL, AM_ROOT, &t));
	assert_true(kid(t, "x")->value.conflict && kid(t, "x")->value.i == 2 && kid(t, "x")->value.id.ctr == 3);
	assert_true(kid(t, "l")->children[0].value.conflict && kid(t, "l")->children[0].value.i == 2);
	assert_false(kid(t, "l")->value.conflict);
	am_tree_free(t);
}

static void test_a_tree_is_taken_back(void **state)
{
	am_doc *d = rich('a'), *e = doc('b');
	am_tree *t;
	size_t ops;

	(void)state;
	ok(am_hydrate(d, NULL, AM_ROOT, &t));
	ops = am_op_count(d);
	ok(am_object_update(d, AM_ROOT, t));
	assert_int_equal(am_op_count(d), ops); /* it is so */
	ok(am_object_update(e, AM_ROOT, t));
	shows(e, RICH);
	drop(d, AM_ROOT, "m");
	put(d, AM_ROOT, "e", num(1));
	ok(am_object_update(d, AM_ROOT, t));
	shows(d, RICH);
	am_tree_free(t);
}

/* No stack is deep enough for what a document can hold. */
static void test_a_tree_may_be_deep(void **state)
{
	am_doc *d = doc('a'), *e = doc('b');
	am_objid at = AM_ROOT;
	am_tree *t;

	(void)state;
	for (int i = 0; i < 20000; i++)
		at = put_new(d, at, "x", AM_MAP);
	ok(am_hydrate(d, NULL, AM_ROOT, &t));
	ok(am_map_put_tree(e, AM_ROOT, K("deep"), t, NULL));
	assert_int_equal(am_op_count(e), 20001);
	ok(am_object_update(e, AM_ROOT, t));
	assert_int_equal(am_op_count(e), 40002);
	am_tree_free(t);
}

/* ---- in ---- */

static const am_tree numbers[] = {{.value = {.type = AM_INT, .i = 1}}, {.value = {.type = AM_LIST}}};

static void test_trees_into_a_map(void **state)
{
	am_doc *d = doc('a');
	am_tree kids[3] = {{KEY("z"), .value = {.type = AM_LIST}, .children = numbers, .n_children = 2},
			   text_tree("hi"),
			   {KEY("n"), .value = {.type = AM_NULL}}};
	am_tree map = {.value = {.type = AM_MAP}, .children = kids, .n_children = 3}, one = {.value = num(5)};
	am_objid id = {9, 9};
	am_value v;

	(void)state;
	kids[1].key = "t";
	kids[1].key_n = 1;
	ok(am_map_put_tree(d, AM_ROOT, K("m"), &map, &id));
	shows(d, "{\"m\":{\"n\":null,\"t\":\"hi\",\"z\":[1,[]]}}");
	assert_true(id.ctr == 1);
	ok(am_map_get(d, NULL, id, K("z"), &v));
	assert_int_equal(v.id.ctr, 4); /* n, t, z; then the text, the list */
	ok(am_map_put_tree(d, id, K("t"), &one, &id));
	assert_true(id.ctr == 0);
	assert_int_equal(am_op_count(d), 9);
	ok(am_map_put_trees(d, AM_ROOT, kids, 3));
	shows(d, "{\"m\":{\"n\":null,\"t\":5,\"z\":[1,[]]},\"n\":null,\"t\":\"hi\",\"z\":[1,[]]}");
	ok(am_map_put_trees(d, AM_ROOT, NULL, 0));
	shows(reload(d, 'b'), "{\"m\":{\"n\":null,\"t\":5,\"z\":[1,[]]},\"n\":null,\"t\":\"hi\",\"z\":[1,[]]}");
}

static void test_trees_into_a_list(void **state)
{
	am_doc *d = with_list('a', "a b c d");
	am_objid l = at(d, "l"), id;
	am_tree t = {.value = {.type = AM_LIST}, .children = numbers, .n_children = 2}, two[2];

	(void)state;
	two[0] = text_tree("x");
	two[1] = (am_tree){.value = num(7)};
	ok(am_list_insert_tree(d, l, 1, &t, &id));
	ok(am_list_put_tree(d, l, 0, &two[0], NULL));
	ok(am_list_put_tree(d, l, 4, &two[1], NULL));
	shows(d, "{\"l\":[\"x\",[1,[]],\"b\",\"c\",7]}");
	ok(am_list_splice_trees(d, l, 2, 2, two, 2));
	shows(d, "{\"l\":[\"x\",[1,[]],\"x\",7,7]}");
	ok(am_list_splice_trees(d, l, 2, -2, &t, 1));
	shows(d, "{\"l\":[[1,[]],\"x\",7,7]}");
	ok(am_list_splice_trees(d, l, 1, 99, NULL, 0));
	ok(am_list_splice_trees(d, id, 2, 0, numbers, 2));
	shows(d, "{\"l\":[[1,[]]]}");
	fails(am_list_splice_trees(d, l, 2, 0, two, 2), AM_E_INDEX);
	fails(am_list_splice_trees(d, l, 2, 0, NULL, 0), AM_E_INDEX);
	fails(am_list_splice_trees(d, l, 0, -1, two, 2), AM_E_INDEX);
	fails(am_list_insert_tree(d, l, 2, &t, &id), AM_E_INDEX);
	fails(am_list_put_tree(d, l, 1, &t, &id), AM_E_INDEX);
	shows(reload(d, 'b'), "{\"l\":[[1,[]]]}");
}

/* A block with what belongs in it. */
static void test_a_tree_into_a_text(void **state)
{
	am_doc *d = with_text('a', "ab");
	am_tree kids[] = {{KEY("type"), .value = word("p")}};
	am_tree map = {.value = {.type = AM_MAP}, .children = kids, .n_children = 1};
	am_objid id;

	(void)state;
	ok(am_list_insert_tree(d, at(d, "t"), 1, &map, &id));
	spans(d, "t", "[a] # [b]");
	holds(d, id, "type", "p");
	fails(am_list_splice_trees(d, at(d, "t"), 1, 0, &map, 1), AM_E_TYPE);
}

/* As somebody who only saw the past. */
static void test_a_tree_into_the_past(void **state)
{
	am_doc *d = with_list('a', "a b");
	am_objid l = at(d, "l");
	struct heads old = heads(d);
	am_tree map = {.value = {.type = AM_LIST}, .children = numbers, .n_children = 2}, three[3];

	(void)state;
	three[0] = map;
	three[1] = text_tree("\xf0\x9f\x98\x80!");
	three[2] = (am_tree){.value = num(3)};
	ok(am_list_delete(d, l, 0));
	commit(d);
	ok(am_begin_at(d, old.h, old.n));
	ok(am_list_splice_trees(d, l, 1, 0, three, 3));
	ok(am_list_put_tree(d, l, 0, &map, NULL));
	commit(d);
	shows(d, "{\"l\":[[1,[]],[1,[]],\"\xf0\x9f\x98\x80!\",3,\"b\"]}");
	shows(reload(d, 'b'), "{\"l\":[[1,[]],[1,[]],\"\xf0\x9f\x98\x80!\",3,\"b\"]}");
}

struct strings { const char *key[3]; size_t key_n[3]; am_value v[3]; size_t n; };

static int note_string(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct strings *s = ctx;

	if (v->type != AM_STR)
		return 0;
	s->key[s->n] = key;
	s->key_n[s->n] = key_n;
	s->v[s->n++] = *v;
	return 0;
}

/* Three strings of the root, borrowed, where the next edit has to move all that is borrowed. */
static am_doc *with_strings(struct strings *ret)
{
	am_doc *d = doc('a');

	put(d, AM_ROOT, "key one", word("string one"));
	put(d, AM_ROOT, "key two", word("string two"));
	put(d, AM_ROOT, "key up", word("string up"));
	put_new(d, AM_ROOT, "l", AM_LIST);
	commit(d);
	ok(am_shrink(d));
	ret->n = 0;
	ok(am_map_each(d, NULL, AM_ROOT, note_string, ret));
	assert_int_equal(ret->n, 3);
	return d;
}

/* The keys become strings, the strings keys. */
static void turn_round(const struct strings *s, am_type type, am_tree *kids)
{
	for (size_t i = 0; i < 3; i++) {
		kids[i] = (am_tree){.key = (const char *)s->v[2 - i].s.p, .key_n = s->v[2 - i].s.n,
				    .value = am_str(s->key[i], s->key_n[i])};
		kids[i].value.type = type;
	}
}

static void test_trees_of_what_the_document_holds(void **state)
{
	struct strings s;
	am_tree kids[3], map = {.value = {.type = AM_MAP}, .children = kids, .n_children = 3};
	am_doc *d = with_strings(&s);
	am_objid id;

	(void)state;
	turn_round(&s, AM_STR, kids);
	ok(am_map_put_trees(d, AM_ROOT, kids, 3));
	shows(d, "{\"key one\":\"string one\",\"key two\":\"string two\",\"key up\":\"string up\",\"l\":[],"
		 "\"string one\":\"key up\",\"string two\":\"key two\",\"string up\":\"key one\"}");
	for (unsigned text = 0; text < 2; text++) {
		d = with_strings(&s);
		turn_round(&s, text ? AM_TEXT : AM_STR, kids);
		ok(am_map_put_tree(d, AM_ROOT, s.key[2], s.key_n[2], &map, &id));
		shows(d, "{\"key one\":\"string one\",\"key two\":\"string two\",\"key up\":{\"string one\":\"key up\","
			 "\"string two\":\"key two\",\"string up\":\"key one\"},\"l\":[]}");
		d = with_strings(&s);
		for (size_t i = 0; i < 3; i++) {
			kids[i] = (am_tree){.value = s.v[i]};
			kids[i].value.type = text ? AM_TEXT : AM_STR;
		}
		ok(am_list_splice_trees(d, at(d, "l"), 0, 0, kids, 3));
		shows(d, "{\"key one\":\"string one\",\"key two\":\"string two\",\"key up\":\"string up\","
			 "\"l\":[\"string one\",\"string two\",\"string up\"]}");
	}
}

static void test_a_bad_tree_leaves_no_trace(void **state)
{
	static const am_tree bad[] = {
		{KEY("k"), .value = {.type = AM_STR, .s = {(const uint8_t *)"\xff", 1}}},
		{KEY("k"), .value = {.type = AM_TEXT, .s = {(const uint8_t *)"\xff", 1}}},
		{KEY("\xff"), .value = {.type = AM_NULL}},
		{KEY("a"), .value = {.type = AM_NULL}}, /* which is there already */
		{KEY("k"), .value = {.type = AM_TABLE}},
		{KEY("k"), .value = {.type = AM_UNKNOWN, .unknown_code = 3}},
	};
	am_doc *d = with_list('a', "x y");
	am_objid l = at(d, "l"), id = {7, 7};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		am_tree kids[] = {{KEY("a"), .value = {.type = AM_LIST}, .children = numbers, .n_children = 2}, bad[i]};
		am_tree map = {KEY("m"), .value = {.type = AM_MAP}, .children = kids, .n_children = 2};
		am_tree two[] = {kids[0], map};
		int why = bad[i].value.type == AM_TABLE ? AM_E_UNSUPPORTED : AM_E_FORMAT;

		fails(am_map_put_tree(d, AM_ROOT, K("m"), &map, &id), why);
		fails(am_list_insert_tree(d, l, 1, &map, &id), why);
		fails(am_list_put_tree(d, l, 1, &map, &id), why);
		fails(am_map_put_trees(d, AM_ROOT, kids, 2), why);
		fails(am_map_put_trees(d, AM_ROOT, two, 2), why);
		fails(am_list_splice_trees(d, l, 0, 1, two, 2), why);
		assert_false(am_in_transaction(d));
		assert_int_equal(id.ctr, 7);
	}
	shows(d, "{\"l\":[\"x\",\"y\"]}");
	fails(am_map_put_tree(d, l, K("m"), numbers, &id), AM_E_TYPE);
	fails(am_map_put_trees(d, l, numbers, 1), AM_E_TYPE);
	fails(am_list_insert_tree(d, AM_ROOT, 0, numbers, &id), AM_E_TYPE);
	fails(am_list_put_tree(d, (am_objid){99, 0}, 0, numbers, &id), AM_E_NOT_FOUND);
}

/* ---- walks ---- */

static int page_item(void *ctx, const am_item *i)
{
	struct page *p = ctx;

	page_add(p, "%s%zu %u.", p->n ? "; " : "", i->depth, i->at.obj.ctr);
	if (i->at.key)
		page_add(p, "%.*s ", (int)i->at.key_n, i->at.key);
	else
		page_add(p, "%zu ", i->at.index);
	page_value(p, &i->value);
	for (size_t k = 0; k < i->n_marks; k++)
		page_add(p, "|%.*s", (int)i->marks[k].name_n, i->marks[k].name);
	return 0;
}

static void walks(am_doc *d, const am_view *view, am_objid o, const char *want)
{
	struct page p = {.n = 0};

	ok(am_walk(d, view, o, page_item, &p));
	assert_string_equal(p.s, want);
}

static void test_a_walk_through_everything(void **state)
{
	am_doc *d = rich('a');
	struct heads old = heads(d), none = {.n = 0};
	am_view *then = view_of(d, old), *never = view_of(d, none);
	struct page p = {.n = 0};

	(void)state;
	walks(d, NULL, AM_ROOT, "0 0.e []; 0 0.m {}; 1 1. -1; 1 1.c counter 7; 1 1.l []; 2 2.0 a; 2 2.1 b; 2 2.2 {}; "
	      "3 9.x null; 1 1.t \"\"; 2 3.0 some text");
	drop(d, AM_ROOT, "m");
	walks(d, NULL, AM_ROOT, "0 0.e []");
	walks(d, NULL, (am_objid){2, 0}, "0 2.0 a; 0 2.1 b; 0 2.2 {}; 1 9.x null");
	walks(d, then, (am_objid){2, 0}, "0 2.0 a; 0 2.1 b; 0 2.2 {}; 1 9.x null");
	walks(d, never, AM_ROOT, "");
	fails(am_walk(d, never, (am_objid){2, 0}, page_item, &p), AM_E_NOT_FOUND);
	am_view_free(then);
	am_view_free(never);
}

static void test_a_walk_through_text(void **state)
{
	am_doc *d = with_text('a', "\xf0\x9f\x98\x80" "abcd");
	am_objid t = at(d, "t"), one, two;

	(void)state;
	mark(d, t, 3, 5, AM_EXPAND_NONE, "b", yes());
	ok(am_split_block(d, t, 2, &one));
	ok(am_split_block(d, t, 6, &two));
	splice(d, put_new(d, one, "in", AM_TEXT), 0, 0, "x");
	ok(am_split_block(d, at(d, "t"), 0, &one));
	put(d, two, "k", num(1));
	walks(d, NULL, t, "0 1.0 {}; 0 1.1 \xf0\x9f\x98\x80; 0 1.3 {}; 0 1.4 a; 0 1.5 bc|b; 0 1.7 {}; 0 1.8 d; "
	      "1 9.in \"\"; 2 11.0 x; 1 10.k 1");
}

static int stop_at_third(void *ctx, const am_item *i)
{
	(void)i;
	return ++*(int *)ctx == 3 ? 42 : 0;
}

static void test_a_walk_may_be_left(void **state)
{
	am_doc *d = rich('a');
	int n = 0;

	(void)state;
	assert_int_equal(am_walk(d, NULL, AM_ROOT, stop_at_third, &n), 42);
	assert_int_equal(n, 3);
}

/* Runs of one-letter strings are kept as one. */
static void test_a_walk_through_a_list_of_letters(void **state)
{
	am_doc *d = with_list('a', "a b c d e f");
	am_objid l = at(d, "l");
	struct heads old;
	am_view *v;

	(void)state;
	ok(am_list_splice(d, l, 2, 2, NULL, 0));
	old = heads(d);
	set(d, l, 1, num(1));
	ok(am_list_delete(d, l, 0));
	walks(d, NULL, l, "0 1.0 1; 0 1.1 e; 0 1.2 f");
	v = view_of(d, old);
	walks(d, v, l, "0 1.0 a; 0 1.1 b; 0 1.2 e; 0 1.3 f");
	am_view_free(v);
}

/* ---- strings become texts ---- */

static am_hash migrate(am_doc *d)
{
	am_hash h;

	ok(am_strings_to_text(d, &h));
	return h;
}

static const am_hash no_hash;

static void test_strings_become_texts(void **state)
{
	am_doc *d = rich('a');
	am_objid m = at(d, "m"), gone = put_new(d, AM_ROOT, "gone", AM_MAP);
	am_change_info info;
	am_hash h;
	am_value v;
	size_t n, i;

	(void)state;
	put(d, m, "s", word("one \xf0\x9f\x98\x80"));
	put(d, m, "none", word(""));
	put(d, gone, "s", word("unseen"));
	drop(d, AM_ROOT, "gone"); /* an open transaction is committed by itself */
	n = am_pending_ops(d);
	assert_int_equal(n, 5);
	h = migrate(d);
	ok(am_change_find(d, &h, &i));
	ok(am_change_at(d, i, &info));
	assert_int_equal(i, am_change_count(d) - 1);
	assert_int_equal(info.n_ops, 5 + 1 + 1 + 5 + 6); /* also below what is deleted */
	assert_true(info.message_n == 0 && info.time == 0);
	shows(d, "{\"e\":[],\"m\":{\"\":-1,\"c\":7,\"l\":[\"a\",\"b\",{\"x\":null}],\"none\":\"\","
		 "\"s\":\"one \xf0\x9f\x98\x80\",\"t\":\"some text\"}}");
	walks(d, NULL, m, "0 1. -1; 0 1.c counter 7; 0 1.l []; 1 2.0 \"\"; 2 33.0 a; 1 2.1 \"\"; 2 35.0 b; 1 2.2 {}; "
	      "2 9.x null; 0 1.none \"\"; 0 1.s \"\"; 1 27.0 one \xf0\x9f\x98\x80; 0 1.t \"\"; 1 3.0 some text");
	ok(am_map_get(d, NULL, gone, K("s"), &v));
	assert_int_equal(v.type, AM_TEXT);
	h = migrate(d);
	assert_memory_equal(&h, &no_hash, sizeof h); /* once is enough */
	assert_int_equal(i, am_change_count(d) - 1);
}

static void test_strings_in_conflict_become_one_text(void **state)
{
	am_doc *a = doc('a'), *b;

	(void)state;
	insert(a, put_new(a, AM_ROOT, "l", AM_LIST), 0, num(0));
	commit(a);
	b = fork_as(a, 'b');
	put(a, AM_ROOT, "x", word("of a"));
	put(b, AM_ROOT, "x", word("of b"));
	put(a, AM_ROOT, "y", word("string"));
	put(b, AM_ROOT, "y", num(1));
	set(a, at(a, "l"), 0, word("s"));
	set(b, at(b, "l"), 0, word("t"));
	meet(a, b);
	migrate(b);
	ok(am_merge(a, b));
	both_show(a, b, "{\"l\":[\"t\"],\"x\":\"of b\",\"y\":\"string\"}");
	holds(a, AM_ROOT, "x", "\"\"");
	holds(a, AM_ROOT, "y", "\"\""); /* as the crate does */
	holds_at(a, at(a, "l"), 0, "\"\"");
}

static void test_nothing_to_turn_into_text(void **state)
{
	am_doc *d, *e = with_list('a', "a b"), *f;
	am_buf file = {0};
	am_hash h = {{1}};

	(void)state;
	ok(am_new(NULL, &d));
	keep(d);
	h = migrate(d); /* needs no actor */
	assert_memory_equal(&h, &no_hash, sizeof h);
	ok(am_save(e, 0, &file));
	ok(am_load(file.p, file.n, NULL, 0, &f));
	keep(f);
	fails(am_strings_to_text(f, &h), AM_E_TX);
	assert_memory_equal(&h, &no_hash, sizeof h);
	ok(am_set_actor(f, "f", 1));
	ok(am_strings_to_text(f, NULL));
	assert_int_equal(am_change_count(f), 2);
	am_buf_free(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(test_an_object_as_a_tree),
		scenario(test_trees_of_other_objects_and_times),
		scenario(test_a_tree_tells_of_conflicts),
		scenario(test_a_tree_is_taken_back),
		scenario(test_a_tree_may_be_deep),
		scenario(test_trees_into_a_map),
		scenario(test_trees_into_a_list),
		scenario(test_a_tree_into_a_text),
		scenario(test_a_tree_into_the_past),
		scenario(test_trees_of_what_the_document_holds),
		scenario(test_a_bad_tree_leaves_no_trace),
		scenario(test_a_walk_through_everything),
		scenario(test_a_walk_through_text),
		scenario(test_a_walk_may_be_left),
		scenario(test_a_walk_through_a_list_of_letters),
		scenario(test_strings_become_texts),
		scenario(test_strings_in_conflict_become_one_text),
		scenario(test_nothing_to_turn_into_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
