/* What users of maps, counters and nested objects rely on, alone and with others. */
#include "automerge/scenario_test.h"

/* ---- one writer ---- */

static void test_an_absent_key_is_not_found(void **state)
{
	am_value v;

	(void)state;
	fails(am_map_get(doc('a'), NULL, AM_ROOT, K("x"), &v), AM_E_NOT_FOUND);
}

static void test_the_same_value_again_makes_no_change(void **state)
{
	am_doc *d = doc('a');

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	commit(d);
	put(d, AM_ROOT, "x", num(1));
	commit(d);
	assert_int_equal(am_change_count(d), 1);
}

static void test_equal_numbers_of_other_types_are_other_values(void **state)
{
	am_doc *d = doc('a');
	am_value u = {.type = AM_UINT, .u = 1}, f = {.type = AM_F64, .f = 1};

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	put(d, AM_ROOT, "x", u);
	holds(d, AM_ROOT, "x", "1u");
	put(d, AM_ROOT, "x", f);
	put(d, AM_ROOT, "x", count(1));
	holds(d, AM_ROOT, "x", "counter 1");
	assert_int_equal(am_op_count(d), 4);
}

static void test_every_scalar_survives_saving(void **state)
{
	am_doc *d = doc('a');

	(void)state;
	put(d, AM_ROOT, "null", nothing());
	put(d, AM_ROOT, "yes", yes());
	put(d, AM_ROOT, "int", num(INT64_MIN));
	put(d, AM_ROOT, "uint", (am_value){.type = AM_UINT, .u = UINT64_MAX});
	put(d, AM_ROOT, "real", (am_value){.type = AM_F64, .f = -0.5});
	put(d, AM_ROOT, "time", (am_value){.type = AM_TIMESTAMP, .i = -1});
	put(d, AM_ROOT, "counter", count(-3));
	put(d, AM_ROOT, "bytes", (am_value){.type = AM_BYTES, .s = {(const uint8_t *)"\0\1", 2}});
	put(d, AM_ROOT, "word", word(""));
	put(d, AM_ROOT, "other", (am_value){.type = AM_UNKNOWN, .unknown_code = 13, .s = {(const uint8_t *)"?", 1}});
	d = reload(d, 'b');
	holds(d, AM_ROOT, "null", "null");
	holds(d, AM_ROOT, "int", "-9223372036854775808");
	holds(d, AM_ROOT, "uint", "18446744073709551615u");
	holds(d, AM_ROOT, "real", "-0.5");
	holds(d, AM_ROOT, "time", "time -1");
	holds(d, AM_ROOT, "counter", "counter -3");
	holds(d, AM_ROOT, "bytes", "<2 bytes>");
	holds(d, AM_ROOT, "word", "");
	holds(d, AM_ROOT, "other", "?");
	assert_int_equal(am_length(d, NULL, AM_ROOT), 10);
}

static void test_keys_come_in_the_order_of_their_bytes(void **state)
{
	am_doc *d = doc('a');

	(void)state;
	put(d, AM_ROOT, "\xf0\x9f\x98\x80", num(1)); /* U+1F600 */
	put(d, AM_ROOT, "\xef\xbf\xbf", num(2));     /* U+FFFF */
	put(d, AM_ROOT, "", num(3));
	put(d, AM_ROOT, "a", num(4));
	shows(d, "{\"\":3,\"a\":4,\"\xef\xbf\xbf\":2,\"\xf0\x9f\x98\x80\":1}");
	shows(reload(d, 'b'), "{\"\":3,\"a\":4,\"\xef\xbf\xbf\":2,\"\xf0\x9f\x98\x80\":1}");
}

static void test_deleting_what_is_not_there_does_nothing(void **state)
{
	am_doc *d = doc('a');

	(void)state;
	drop(d, AM_ROOT, "x");
	commit(d);
	assert_int_equal(am_change_count(d), 0);
}

static void test_a_deleted_key_may_come_back(void **state)
{
	am_doc *d = doc('a');

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	drop(d, AM_ROOT, "x");
	shows(d, "{}");
	put(d, AM_ROOT, "x", num(1));
	shows(d, "{\"x\":1}");
	shows(reload(d, 'b'), "{\"x\":1}");
}

static void test_a_new_object_takes_the_place_of_the_old(void **state)
{
	am_doc *d = doc('a');
	am_objid first = put_new(d, AM_ROOT, "m", AM_MAP), second;

	(void)state;
	put(d, first, "old", num(1));
	second = put_new(d, AM_ROOT, "m", AM_MAP);
	put(d, second, "new", num(2));
	shows(d, "{\"m\":{\"new\":2}}");
	put(d, first, "late", num(3)); /* out of sight, not in error */
	shows(d, "{\"m\":{\"new\":2}}");
	shows(reload(d, 'b'), "{\"m\":{\"new\":2}}");
}

static void test_what_hangs_below_a_deleted_object_may_still_be_edited(void **state)
{
	am_doc *d = doc('a');
	am_objid m = put_new(d, AM_ROOT, "m", AM_MAP), l = put_new(d, m, "l", AM_LIST);

	(void)state;
	drop(d, AM_ROOT, "m");
	insert(d, l, 0, num(1));
	put(d, m, "x", num(2));
	shows(d, "{}");
	shows(reload(d, 'b'), "{}");
}

static int page_place(void *ctx, const am_place *at)
{
	struct page *p = ctx;

	page_add(p, "%s", p->n ? " < " : "");
	if (at->key)
		page_add(p, "%.*s", (int)at->key_n, at->key);
	else
		page_add(p, "%zu", at->index);
	return page_add(p, " in %s%s%u", at->visible ? "" : "not ", at->type == AM_MAP ? "map " :
			at->type == AM_LIST ? "list " : "text ", at->obj.ctr);
}

static void lies(am_doc *d, const am_view *view, am_objid o, const char *where)
{
	struct page p = {.n = 0};

	ok(am_path(d, view, o, page_place, &p));
	assert_string_equal(p.s, where);
}

static void test_the_path_of_an_object(void **state)
{
	am_doc *d = doc('a');
	am_objid l = put_new(d, AM_ROOT, "list", AM_LIST), m, t;
	am_place p;

	(void)state;
	insert(d, l, 0, num(0));
	m = insert_new(d, l, 1, AM_MAP);
	t = put_new(d, m, "text", AM_TEXT);
	ok(am_parent(d, NULL, t, &p));
	assert_true(p.obj.ctr == m.ctr && p.type == AM_MAP && p.key_n == 4 && memcmp(p.key, "text", 4) == 0);
	ok(am_parent(d, NULL, m, &p));
	assert_true(p.obj.ctr == l.ctr && p.type == AM_LIST && !p.key && p.index == 1 && p.visible);
	fails(am_parent(d, NULL, AM_ROOT, &p), AM_E_NOT_FOUND);
	fails(am_parent(d, NULL, (am_objid){99, 0}, &p), AM_E_NOT_FOUND);
	fails(am_path(d, NULL, (am_objid){2, 0}, page_place, NULL), AM_E_NOT_FOUND); /* a value, no object */
	lies(d, NULL, t, "text in map 3 < 1 in list 1 < list in map 0");
	lies(d, NULL, AM_ROOT, "");
}

static void test_the_path_of_what_is_not_seen(void **state)
{
	am_doc *d = doc('a'), *e;
	am_objid l = put_new(d, AM_ROOT, "list", AM_LIST), m, t, other;

	(void)state;
	insert(d, l, 0, num(0));
	m = insert_new(d, l, 1, AM_MAP);
	insert(d, l, 2, num(2));
	t = put_new(d, m, "text", AM_TEXT);
	commit(d);
	e = fork_as(d, 'b');
	ok(am_list_delete(d, l, 1));
	lies(d, NULL, m, "1 in not list 1 < list in map 0");
	lies(d, NULL, t, "text in map 3 < 1 in not list 1 < list in map 0");
	ok(am_list_delete(d, l, 0));
	lies(d, NULL, m, "0 in not list 1 < list in map 0");
	/* Beaten by another value, which the deleter did not see. */
	ok(am_list_put_object(e, l, 1, AM_MAP, &other));
	meet(d, e);
	lies(d, NULL, t, "text in map 3 < 0 in not list 1 < list in map 0");
	lies(e, NULL, other, "0 in list 1 < list in map 0");
}

static void test_the_path_in_the_past(void **state)
{
	am_doc *d = doc('a');
	am_objid l = put_new(d, AM_ROOT, "list", AM_LIST), m = insert_new(d, l, 0, AM_MAP), late;
	struct heads old;
	am_view *then;
	am_place p;

	(void)state;
	commit(d);
	old = heads(d);
	insert(d, l, 0, num(0));
	late = put_new(d, m, "late", AM_TEXT);
	commit(d);
	put(d, AM_ROOT, "list", num(0));
	then = view_of(d, old);
	lies(d, then, m, "0 in list 1 < list in map 0");
	lies(d, NULL, m, "1 in list 1 < list in not map 0");
	fails(am_parent(d, then, late, &p), AM_E_NOT_FOUND);
	fails(am_path(d, then, late, page_place, NULL), AM_E_NOT_FOUND);
	am_view_free(then);
	ok(am_begin_at(d, old.h, old.n));
	lies(d, NULL, m, "0 in list 1 < list in map 0");
	ok(am_rollback(d));
}

static int page_key(void *ctx, const char *key, size_t n, const am_value *v)
{
	struct page *p = ctx;

	(void)v;
	return page_add(p, "%s%.*s", p->n ? " " : "", (int)n, key);
}

static void range(am_doc *d, const am_view *view, const char *from, const char *to, const char *want)
{
	struct page p = {.n = 0};

	ok(am_map_range(d, view, AM_ROOT, from, from ? strlen(from) : 0, to, to ? strlen(to) : 0, page_key, &p));
	assert_string_equal(p.s, want);
}

static void test_a_range_of_keys(void **state)
{
	am_doc *d = doc('a');
	struct page p = {.n = 0};

	(void)state;
	range(d, NULL, NULL, NULL, "");
	range(d, NULL, "a", "b", "");
	for (const char *k = "gcaie"; *k; k++)
		ok(am_map_put(d, AM_ROOT, k, 1, &(am_value){.type = AM_NULL}));
	drop(d, AM_ROOT, "e");
	put(d, AM_ROOT, "", num(1));
	put(d, AM_ROOT, "c\xc3\xa9", num(1));
	range(d, NULL, NULL, NULL, "a c c\xc3\xa9 g i"); /* and the empty key, which shows nothing */
	range(d, NULL, "", "c", "a");
	range(d, NULL, "c", NULL, "c c\xc3\xa9 g i");
	range(d, NULL, "b", "g", "c c\xc3\xa9");
	range(d, NULL, "c", "cz", "c");
	range(d, NULL, "e", "e", "");
	range(d, NULL, "g", "c", "");
	range(d, NULL, NULL, "", "");
	ok(am_map_range(d, NULL, AM_ROOT, "c\0", 2, "g\0", 2, page_key, &p)); /* above c, up to g */
	assert_string_equal(p.s, "c\xc3\xa9 g");
	fails(am_map_range(d, NULL, put_new(d, AM_ROOT, "l", AM_LIST), NULL, 0, NULL, 0, page_key, &p), AM_E_TYPE);
	fails(am_map_range(d, NULL, (am_objid){99, 0}, NULL, 0, NULL, 0, page_key, &p), AM_E_NOT_FOUND);
}

struct nest { am_doc *d; am_objid inner; struct page p; };

static int page_and_look(void *ctx, const char *key, size_t n, const am_value *v)
{
	struct nest *x = ctx;
	struct page other = {.n = 0};

	ok(am_map_range(x->d, NULL, x->inner, "k500", 4, "k502", 4, page_key, &other));
	assert_string_equal(other.s, "k500 k501");
	return page_key(&x->p, key, n, v);
}

/* Keys come and go while ranges are asked for. */
static void test_ranges_of_a_large_map(void **state)
{
	am_doc *d = doc('a'), *e;
	am_objid m;
	struct heads half;
	struct nest x = {.d = d};
	struct page p = {.n = 0};
	am_view *then;
	char key[8];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "k%03d", i * 387 % 1000);
		put(d, AM_ROOT, key, num(i));
		if (i == 500)
			half = heads(d);
		if (i % 100 == 99) {
			snprintf(key, sizeof key, "k%03d", i * 387 % 1000);
			ok(am_map_range(d, NULL, AM_ROOT, key, 4, key, 5, page_key, &p));
			assert_int_equal(p.n, 4);
			p.n = 0;
			drop(d, AM_ROOT, "k999");
		}
		if (i % 300 == 7) { /* what is taken back */
			commit(d);
			ok(am_begin(d));
			put(d, AM_ROOT, "k000x", num(1));
			ok(am_rollback(d));
		}
	}
	range(d, NULL, "k500", "k503", "k500 k501 k502");
	put(d, AM_ROOT, "k501a", num(1));
	put(d, AM_ROOT, "a", num(1));
	put(d, AM_ROOT, "z", num(1));
	drop(d, AM_ROOT, "k502");
	range(d, NULL, "k500", "k504", "k500 k501 k501a k503");
	range(d, NULL, NULL, "k001", "a k000");
	range(d, NULL, "k998", NULL, "k998 z");
	e = fork_as(d, 'b');
	put(e, AM_ROOT, "k500b", num(1));
	put(e, AM_ROOT, "zz", num(1));
	meet(d, e);
	range(d, NULL, "k500", "k503", "k500 k500b k501 k501a");
	ok(am_shrink(d));
	range(d, NULL, "y", NULL, "z zz");
	then = view_of(d, half);
	range(d, then, "k385", "k390", "k385 k387 k388");
	am_view_free(then);
	m = x.inner = put_new(d, AM_ROOT, "inner", AM_MAP);
	for (int i = 999; i >= 0; i--) {
		snprintf(key, sizeof key, "k%03d", i);
		put(d, m, key, num(i));
	}
	ok(am_map_range(d, NULL, AM_ROOT, "k500", 4, "k503", 4, page_and_look, &x));
	assert_string_equal(x.p.s, "k500 k500b k501 k501a");
	assert_same_doc(d, reload(d, 'c'));
}

static int stop_at_once(void *ctx, const am_place *at)
{
	(void)at;
	return ++*(int *)ctx + 6;
}

static void test_a_path_may_be_left(void **state)
{
	am_doc *d = doc('a');
	am_objid m = put_new(d, put_new(d, AM_ROOT, "m", AM_MAP), "m", AM_MAP);
	int calls = 0;

	(void)state;
	assert_int_equal(am_path(d, NULL, m, stop_at_once, &calls), 7);
	assert_int_equal(calls, 1);
}

/* In a document that has no other name. */
static void test_the_empty_key_is_a_key_like_others(void **state)
{
	am_doc *d = doc('a'), *other;
	am_objid t = put_new(d, AM_ROOT, "", AM_TEXT);
	am_place p;

	(void)state;
	commit(d);
	other = reload(d, 'b');
	ok(am_parent(other, NULL, t, &p));
	assert_true(p.key && p.key_n == 0);
	differs(other, (struct heads){.n = 0}, heads(other), "put . \"\"");
	put(d, AM_ROOT, "", num(2));
	ok(am_merge(other, d));
	shows(other, "{\"\":2}");
	shows(reload(other, 'c'), "{\"\":2}");
}

static void test_edits_of_the_wrong_kind_are_refused(void **state)
{
	am_doc *d = doc('a');
	am_objid l = put_new(d, AM_ROOT, "l", AM_LIST), t = put_new(d, AM_ROOT, "t", AM_TEXT), x;
	am_value v = num(1);
	size_t before;

	(void)state;
	commit(d);
	before = am_op_count(d);
	fails(am_map_put(d, l, K("x"), &v), AM_E_TYPE);
	fails(am_map_put(d, t, K("x"), &v), AM_E_TYPE);
	fails(am_map_delete(d, l, K("x")), AM_E_TYPE);
	fails(am_list_insert(d, AM_ROOT, 0, &v), AM_E_TYPE);
	fails(am_list_put(d, AM_ROOT, 0, &v), AM_E_TYPE);
	fails(am_text_splice(d, l, 0, 0, K("x")), AM_E_TYPE);
	fails(am_text_splice(d, AM_ROOT, 0, 0, K("x")), AM_E_TYPE);
	fails(am_mark(d, l, 0, 0, AM_EXPAND_AFTER, K("b"), &v), AM_E_TYPE);
	fails(am_split_block(d, l, 0, &x), AM_E_TYPE);
	assert_int_equal(am_op_count(d), before);
}

static void test_rolling_back_leaves_no_trace(void **state)
{
	am_doc *d = doc('a');
	am_objid l;
	struct heads before;
	am_buf x = {0}, y = {0};

	(void)state;
	l = put_new(d, AM_ROOT, "l", AM_LIST);
	insert(d, l, 0, num(1));
	put(d, AM_ROOT, "c", count(1));
	before = heads(d);
	ok(am_save(d, 0, &x));
	put(d, AM_ROOT, "x", num(1));
	set(d, l, 0, num(2));
	ok(am_map_increment(d, AM_ROOT, K("c"), 5));
	ok(am_list_delete(d, l, 0));
	put_new(d, AM_ROOT, "l", AM_TEXT);
	ok(am_rollback(d));
	ok(am_save(d, 0, &y));
	assert_int_equal(x.n, y.n);
	assert_memory_equal(x.p, y.p, x.n);
	shows(d, "{\"c\":1,\"l\":[1]}");
	assert_int_equal(heads(d).n, before.n);
	put(d, AM_ROOT, "x", num(7)); /* and it goes on from there */
	shows(reload(d, 'b'), "{\"c\":1,\"l\":[1],\"x\":7}");
	am_buf_free(&x);
	am_buf_free(&y);
}

/* ---- two writers ---- */

static void test_edits_of_other_keys_both_stay(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	put(b, AM_ROOT, "y", num(2));
	meet(a, b);
	both_show(a, b, "{\"x\":1,\"y\":2}");
}

static void test_the_greater_actor_wins_a_tie(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	put(b, AM_ROOT, "x", num(2));
	meet(a, b);
	both_show(a, b, "{\"x\":2}");
	holds(a, AM_ROOT, "x", "1 | 2");
}

static void test_the_later_operation_wins_whoever_made_it(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');

	(void)state;
	put(a, AM_ROOT, "other", num(0));
	put(a, AM_ROOT, "x", num(1)); /* operation 2 against 1 */
	put(b, AM_ROOT, "x", num(2));
	meet(a, b);
	holds(b, AM_ROOT, "x", "2 | 1");
	assert_same_doc(a, b);
}

static void test_a_shorter_actor_id_sorts_first(void **state)
{
	am_doc *a = doc('a'), *b = doc('a');

	(void)state;
	ok(am_set_actor(b, "a\0", 2));
	put(a, AM_ROOT, "x", num(1));
	put(b, AM_ROOT, "x", num(2));
	meet(a, b);
	holds(a, AM_ROOT, "x", "1 | 2");
	assert_same_doc(a, b);
}

static void test_writing_over_a_conflict_ends_it(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');
	am_value v;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	put(b, AM_ROOT, "x", num(2));
	meet(a, b);
	ok(am_map_get(a, NULL, AM_ROOT, K("x"), &v));
	assert_true(v.conflict);
	put(a, AM_ROOT, "x", num(3));
	commit(a);
	meet(a, b);
	holds(b, AM_ROOT, "x", "3");
	assert_same_doc(a, b);
}

static void test_writing_the_winner_again_ends_a_conflict_too(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');
	size_t changes;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	put(b, AM_ROOT, "x", num(2));
	meet(a, b);
	changes = am_change_count(a);
	put(a, AM_ROOT, "x", num(2));
	commit(a);
	assert_int_equal(am_change_count(a), changes + 1);
	meet(a, b);
	holds(a, AM_ROOT, "x", "2");
	holds(b, AM_ROOT, "x", "2");
	holds(reload(b, 'c'), AM_ROOT, "x", "2");
}

static void test_the_same_value_by_two_is_a_conflict_still(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	put(b, AM_ROOT, "x", num(1));
	meet(a, b);
	holds(a, AM_ROOT, "x", "1 | 1");
}

static void test_three_ways_of_one_key(void **state)
{
	am_doc *a = doc('a'), *b = doc('b'), *c = doc('c');

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	put_new(b, AM_ROOT, "x", AM_MAP);
	put_new(c, AM_ROOT, "x", AM_LIST);
	meet(a, b);
	meet(b, c);
	meet(a, b);
	holds(a, AM_ROOT, "x", "1 | {} | []");
	assert_same_doc(a, c);
	assert_same_doc(a, b);
}

static void test_a_write_outlives_a_concurrent_deletion(void **state)
{
	am_doc *a = doc('a'), *b;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	commit(a);
	b = fork_as(a, 'b');
	drop(a, AM_ROOT, "x");
	put(b, AM_ROOT, "x", num(2));
	meet(a, b);
	both_show(a, b, "{\"x\":2}");
	holds(a, AM_ROOT, "x", "2");
}

static void test_two_deletions_are_one(void **state)
{
	am_doc *a = doc('a'), *b;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	commit(a);
	b = fork_as(a, 'b');
	drop(a, AM_ROOT, "x");
	drop(b, AM_ROOT, "x");
	meet(a, b);
	both_show(a, b, "{}");
	assert_same_doc(a, reload(a, 'c'));
}

static void test_deleting_a_conflict_deletes_all_of_it(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	put(b, AM_ROOT, "x", num(2));
	meet(a, b);
	drop(b, AM_ROOT, "x");
	meet(a, b);
	both_show(a, b, "{}");
}

/* Two objects under one key do not grow together; both can still be written to. */
static void test_concurrent_objects_do_not_merge(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');
	am_objid ma = put_new(a, AM_ROOT, "m", AM_MAP), mb = put_new(b, AM_ROOT, "m", AM_MAP);

	(void)state;
	put(a, ma, "of a", num(1));
	put(b, mb, "of b", num(2));
	meet(a, b);
	both_show(a, b, "{\"m\":{\"of b\":2}}");
	holds(a, AM_ROOT, "m", "{} | {}");
	put(a, ma, "more of a", num(3)); /* the loser */
	holds(a, ma, "more of a", "3");
	meet(a, b);
	both_show(a, b, "{\"m\":{\"of b\":2}}");
}

static void test_edits_inside_both_sides_of_a_conflict(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');
	am_objid m;

	(void)state;
	put(a, AM_ROOT, "m", word("plain"));
	m = put_new(b, AM_ROOT, "m", AM_MAP);
	meet(a, b);
	put(b, m, "inside", num(1));
	meet(a, b);
	both_show(a, b, "{\"m\":{\"inside\":1}}");
	holds(a, AM_ROOT, "m", "plain | {}");
}

static void test_an_edit_inside_what_another_deletes_is_lost_to_sight(void **state)
{
	am_doc *a = doc('a'), *b;
	am_objid m = put_new(a, AM_ROOT, "m", AM_MAP);

	(void)state;
	put(a, m, "x", num(1));
	commit(a);
	b = fork_as(a, 'b');
	drop(a, AM_ROOT, "m");
	put(b, at(b, "m"), "y", num(2));
	meet(a, b);
	both_show(a, b, "{}");
	both_show(a, reload(a, 'c'), "{}");
}

static void test_an_edit_inside_what_another_replaces(void **state)
{
	am_doc *a = doc('a'), *b;
	am_objid m = put_new(a, AM_ROOT, "m", AM_MAP);

	(void)state;
	put(a, m, "x", num(1));
	commit(a);
	b = fork_as(a, 'b');
	m = put_new(a, AM_ROOT, "m", AM_MAP);
	put(a, m, "fresh", yes());
	put(b, at(b, "m"), "x", num(2));
	meet(a, b);
	both_show(a, b, "{\"m\":{\"fresh\":true}}");
}

/* ---- counters ---- */

static void test_increments_add_up(void **state)
{
	am_doc *a = doc('a'), *b;

	(void)state;
	put(a, AM_ROOT, "c", count(10));
	commit(a);
	b = fork_as(a, 'b');
	ok(am_map_increment(a, AM_ROOT, K("c"), 1));
	ok(am_map_increment(b, AM_ROOT, K("c"), 5));
	ok(am_map_increment(b, AM_ROOT, K("c"), -2));
	meet(a, b);
	both_show(a, b, "{\"c\":14}");
	holds(a, AM_ROOT, "c", "counter 14"); /* and no conflict */
	holds(reload(a, 'c'), AM_ROOT, "c", "counter 14");
}

static void test_an_increment_reaches_only_values_it_has_seen(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');

	(void)state;
	put(a, AM_ROOT, "c", count(0));
	ok(am_map_increment(a, AM_ROOT, K("c"), 1));
	put(b, AM_ROOT, "c", count(100));
	ok(am_map_increment(b, AM_ROOT, K("c"), 3));
	meet(a, b);
	holds(a, AM_ROOT, "c", "counter 1 | counter 103");
	assert_same_doc(a, b);
	ok(am_map_increment(a, AM_ROOT, K("c"), 10)); /* both are seen now */
	meet(a, b);
	holds(b, AM_ROOT, "c", "counter 11 | counter 113");
}

static void test_an_increment_beside_an_overwrite_is_lost(void **state)
{
	am_doc *a = doc('a'), *b;

	(void)state;
	put(a, AM_ROOT, "c", count(1));
	commit(a);
	b = fork_as(a, 'b');
	ok(am_map_increment(a, AM_ROOT, K("c"), 5));
	put(b, AM_ROOT, "c", count(100));
	meet(a, b);
	both_show(a, b, "{\"c\":100}");
	holds(a, AM_ROOT, "c", "counter 100");
}

static void test_an_increment_beside_a_deletion_is_lost(void **state)
{
	am_doc *a = doc('a'), *b;

	(void)state;
	put(a, AM_ROOT, "c", count(1));
	commit(a);
	b = fork_as(a, 'b');
	ok(am_map_increment(a, AM_ROOT, K("c"), 5));
	drop(b, AM_ROOT, "c");
	meet(a, b);
	both_show(a, b, "{}");
	both_show(b, reload(b, 'c'), "{}");
}

static void test_only_counters_are_incremented(void **state)
{
	am_doc *d = doc('a');
	am_objid l = put_new(d, AM_ROOT, "l", AM_LIST);

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	insert(d, l, 0, word("w"));
	fails(am_map_increment(d, AM_ROOT, K("x"), 1), AM_E_NO_COUNTER);
	fails(am_map_increment(d, AM_ROOT, K("l"), 1), AM_E_NO_COUNTER);
	assert_true(am_map_increment(d, AM_ROOT, K("none"), 1) < 0);
	fails(am_list_increment(d, l, 0, 1), AM_E_NO_COUNTER);
	assert_true(am_list_increment(d, l, 1, 1) < 0);
	shows(d, "{\"l\":[\"w\"],\"x\":1}");
}

/* A counter that conflicts with a plain value: the increment takes the plain one away. */
static void test_incrementing_a_conflict_hides_what_is_no_counter(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');

	(void)state;
	put(a, AM_ROOT, "x", count(1));
	put(b, AM_ROOT, "x", num(50));
	meet(a, b);
	ok(am_map_increment(a, AM_ROOT, K("x"), 2));
	meet(a, b);
	holds(a, AM_ROOT, "x", "counter 3");
	assert_same_doc(a, b);
	assert_same_doc(a, reload(a, 'c'));
}

static void test_a_counter_in_a_list(void **state)
{
	am_doc *a = doc('a'), *b;
	am_objid l = put_new(a, AM_ROOT, "l", AM_LIST);

	(void)state;
	insert(a, l, 0, count(5));
	commit(a);
	b = fork_as(a, 'b');
	ok(am_list_increment(a, l, 0, 1));
	insert(a, l, 1, word("end")); /* behind a counter with increments */
	ok(am_list_increment(b, at(b, "l"), 0, 2));
	insert(b, at(b, "l"), 0, word("front"));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"front\",8,\"end\"]}");
	both_show(a, reload(a, 'c'), "{\"l\":[\"front\",8,\"end\"]}");
}

static void test_an_increment_by_nothing_is_a_change(void **state)
{
	am_doc *d = doc('a');

	(void)state;
	put(d, AM_ROOT, "c", count(5));
	commit(d);
	ok(am_map_increment(d, AM_ROOT, K("c"), 0));
	commit(d);
	assert_int_equal(am_change_count(d), 2);
	shows(d, "{\"c\":5}");
}

/* ---- what was read goes in again ---- */

static const char long_word[] = "a long word, so long that there is no room for another \xc3\xa9 and one more";

/* A document whose pools have no room left: whatever grows, moves. */
static am_doc *full(void)
{
	am_doc *d = doc('a');

	put(d, AM_ROOT, "word", word(long_word));
	put_new(d, AM_ROOT, "list", AM_LIST);
	put_new(d, AM_ROOT, "text", AM_TEXT);
	splice(d, at(d, "text"), 0, 0, "t");
	commit(d);
	ok(am_shrink(d));
	return d;
}

static am_value read_word(am_doc *d)
{
	am_value v;

	ok(am_map_get(d, NULL, AM_ROOT, K("word"), &v));
	return v;
}

static void test_a_value_read_is_a_value_to_put(void **state)
{
	am_doc *d = full();
	am_value v = read_word(d), two[2] = {v, v};

	(void)state;
	ok(am_list_splice(d, at(d, "list"), 0, 0, two, 2));
	holds_at(d, at(d, "list"), 0, long_word);
	holds_at(d, at(d, "list"), 1, long_word);
	d = full();
	v = read_word(d);
	ok(am_text_splice(d, at(d, "text"), 1, 0, (const char *)v.s.p + 2, v.s.n - 2));
	assert_int_equal(am_length(d, NULL, at(d, "text")), strlen(long_word) - 2);
	d = full();
	v = read_word(d);
	ok(am_text_update(d, at(d, "text"), (const char *)v.s.p, v.s.n));
	reads(d, "text", long_word);
}

static void test_a_value_read_is_a_key(void **state)
{
	am_doc *d = full();
	am_value v = read_word(d);

	(void)state;
	ok(am_map_put(d, AM_ROOT, (const char *)v.s.p, v.s.n, &v));
	holds(d, AM_ROOT, long_word, long_word);
	d = full();
	v = read_word(d);
	ok(am_mark(d, at(d, "text"), 0, 1, AM_EXPAND_NONE, (const char *)v.s.p, v.s.n, &v));
	holds(d, AM_ROOT, "word", long_word);
	assert_int_equal(am_op_count(reload(d, 'b')), 6);
}

static void test_a_key_read_is_a_key_and_a_value(void **state)
{
	am_doc *d = full();
	am_place p;
	am_value v;

	(void)state;
	ok(am_parent(d, NULL, at(d, "text"), &p));
	v = am_str(p.key, p.key_n);
	ok(am_map_put(d, AM_ROOT, p.key + 1, p.key_n - 1, &v)); /* part of one is another */
	holds(d, AM_ROOT, "ext", "text");
	ok(am_parent(d, NULL, at(d, "list"), &p));
	v = am_str(p.key, p.key_n);
	ok(am_mark(d, at(d, "text"), 0, 1, AM_EXPAND_NONE, p.key + 1, p.key_n - 1, &v));
	marked(d, "text", "0-1 ist=list");
	marked(reload(d, 'b'), "text", "0-1 ist=list");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(test_an_absent_key_is_not_found),
		scenario(test_the_same_value_again_makes_no_change),
		scenario(test_equal_numbers_of_other_types_are_other_values),
		scenario(test_every_scalar_survives_saving),
		scenario(test_keys_come_in_the_order_of_their_bytes),
		scenario(test_deleting_what_is_not_there_does_nothing),
		scenario(test_a_deleted_key_may_come_back),
		scenario(test_a_new_object_takes_the_place_of_the_old),
		scenario(test_what_hangs_below_a_deleted_object_may_still_be_edited),
		scenario(test_the_path_of_an_object),
		scenario(test_the_path_of_what_is_not_seen),
		scenario(test_the_path_in_the_past),
		scenario(test_a_path_may_be_left),
		scenario(test_a_range_of_keys),
		scenario(test_ranges_of_a_large_map),
		scenario(test_the_empty_key_is_a_key_like_others),
		scenario(test_edits_of_the_wrong_kind_are_refused),
		scenario(test_rolling_back_leaves_no_trace),
		scenario(test_edits_of_other_keys_both_stay),
		scenario(test_the_greater_actor_wins_a_tie),
		scenario(test_the_later_operation_wins_whoever_made_it),
		scenario(test_a_shorter_actor_id_sorts_first),
		scenario(test_writing_over_a_conflict_ends_it),
		scenario(test_writing_the_winner_again_ends_a_conflict_too),
		scenario(test_the_same_value_by_two_is_a_conflict_still),
		scenario(test_three_ways_of_one_key),
		scenario(test_a_write_outlives_a_concurrent_deletion),
		scenario(test_two_deletions_are_one),
		scenario(test_deleting_a_conflict_deletes_all_of_it),
		scenario(test_concurrent_objects_do_not_merge),
		scenario(test_edits_inside_both_sides_of_a_conflict),
		scenario(test_an_edit_inside_what_another_deletes_is_lost_to_sight),
		scenario(test_an_edit_inside_what_another_replaces),
		scenario(test_increments_add_up),
		scenario(test_an_increment_reaches_only_values_it_has_seen),
		scenario(test_an_increment_beside_an_overwrite_is_lost),
		scenario(test_an_increment_beside_a_deletion_is_lost),
		scenario(test_only_counters_are_incremented),
		scenario(test_incrementing_a_conflict_hides_what_is_no_counter),
		scenario(test_a_counter_in_a_list),
		scenario(test_an_increment_by_nothing_is_a_change),
		scenario(test_a_value_read_is_a_value_to_put),
		scenario(test_a_value_read_is_a_key),
		scenario(test_a_key_read_is_a_key_and_a_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
