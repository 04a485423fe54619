/* What users rely on who show a document: patches, cursors, and looks into the past. */
#include "automerge/scenario_test.h"

#define SMILE "\xf0\x9f\x98\x80"

/* ---- looks into the past ---- */

static void test_values_of_the_past(void **state)
{
	am_doc *d = doc('a');
	struct heads none = heads(d), one, two;

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	one = heads(d);
	put(d, AM_ROOT, "x", num(2));
	put_new(d, AM_ROOT, "l", AM_LIST);
	two = heads(d);
	drop(d, AM_ROOT, "x");
	insert(d, at(d, "l"), 0, num(7));
	commit(d);
	showed(d, none, "{}");
	showed(d, one, "{\"x\":1}");
	showed(d, two, "{\"l\":[],\"x\":2}");
	shows(d, "{\"l\":[7]}");
}

static void test_lists_and_text_of_the_past(void **state)
{
	am_doc *d = with_list('a', "a b c");
	am_objid t = put_new(d, AM_ROOT, "t", AM_TEXT);
	struct heads then;
	am_view *v;
	am_value x;

	(void)state;
	splice(d, t, 0, 0, "one two");
	then = heads(d);
	ok(am_list_splice(d, at(d, "l"), 0, 2, NULL, 0));
	set(d, at(d, "l"), 0, word("z"));
	splice(d, t, 3, 4, "!");
	splice(d, t, 0, 0, SMILE);
	commit(d);
	showed(d, then, "{\"l\":[\"a\",\"b\",\"c\"],\"t\":\"one two\"}");
	shows(d, "{\"l\":[\"z\"],\"t\":\"" SMILE "one!\"}");
	v = view_of(d, then);
	assert_int_equal(am_length(d, v, t), 7);
	assert_int_equal(am_length(d, NULL, t), 6);
	ok(am_list_get(d, v, at(d, "l"), 2, &x));
	assert_true(x.s.n == 1 && x.s.p[0] == 'c');
	am_view_free(v);
}

static void test_counters_of_the_past(void **state)
{
	am_doc *a = doc('a'), *b;
	struct heads one, of_b;

	(void)state;
	put(a, AM_ROOT, "c", count(1));
	commit(a);
	b = fork_as(a, 'b');
	ok(am_map_increment(a, AM_ROOT, K("c"), 10));
	one = heads(a);
	ok(am_map_increment(b, AM_ROOT, K("c"), 100));
	of_b = heads(b);
	meet(a, b);
	shows(a, "{\"c\":111}");
	showed(a, one, "{\"c\":11}");
	showed(a, of_b, "{\"c\":101}");
}

static void test_conflicts_of_the_past(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');
	struct heads both, of_a;
	struct page p = {.n = 0};
	am_view *v;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	of_a = heads(a);
	put(b, AM_ROOT, "x", num(2));
	meet(a, b);
	both = heads(a);
	put(a, AM_ROOT, "x", num(3));
	commit(a);
	v = view_of(a, both);
	ok(am_map_get_all(a, v, AM_ROOT, K("x"), page_one, &p));
	assert_string_equal(p.s, "1 | 2");
	am_view_free(v);
	showed(a, of_a, "{\"x\":1}");
}

static void test_a_look_stays_while_the_document_moves_on(void **state)
{
	am_doc *a = with_text('a', "hello"), *b = fork_as(a, '0');
	am_view *v = view_of(a, heads(a));

	(void)state;
	splice(b, at(b, "t"), 0, 0, "oh, ");
	ok(am_merge(a, b));
	splice(a, at(a, "t"), 0, 9, "");
	shows_at(a, v, "{\"t\":\"hello\"}");
	commit(a);
	shows_at(a, v, "{\"t\":\"hello\"}");
	am_view_free(v);
}

static void test_no_look_at_unknown_heads(void **state)
{
	am_doc *d = doc('a');
	struct heads h;
	am_view *v;

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	h = heads(d);
	h.h[0].b[5] ^= 1;
	fails(am_view_at(d, h.h, h.n, &v), AM_E_NOT_FOUND);
}

/* ---- cursors ---- */

struct place { char s[64]; size_t n; };
static struct place cursor(am_doc *d, size_t pos, am_move move)
{
	am_buf b = {0};
	struct place p = {.n = 0};

	ok(am_cursor(d, NULL, at(d, "t"), pos, move, &b));
	assert_true(b.n < sizeof p.s);
	memcpy(p.s, b.p, b.n);
	p.n = b.n;
	am_buf_free(&b);
	return p;
}

static size_t where(am_doc *d, struct place p)
{
	size_t pos;

	ok(am_cursor_position(d, NULL, at(d, "t"), p.s, p.n, &pos));
	return pos;
}

static void test_a_cursor_moves_with_its_text(void **state)
{
	am_doc *a = with_text('a', "hello world"), *b = fork_as(a, 'b');
	struct place c = cursor(a, 6, AM_MOVE_AFTER);

	(void)state;
	assert_int_equal(where(a, c), 6);
	splice(a, at(a, "t"), 0, 0, "oh, ");
	assert_int_equal(where(a, c), 10);
	splice(b, at(b, "t"), 1, 3, "");
	ok(am_merge(a, b));
	assert_int_equal(where(a, c), 7);
	splice(a, at(a, "t"), 7, 0, SMILE); /* directly before it: two units */
	assert_int_equal(where(a, c), 9);
	splice(a, at(a, "t"), 14, 0, "!"); /* behind it */
	assert_int_equal(where(a, c), 9);
}

static void test_cursors_whose_character_is_deleted(void **state)
{
	am_doc *d = with_text('a', "abcdef");
	struct place after = cursor(d, 3, AM_MOVE_AFTER), before = cursor(d, 3, AM_MOVE_BEFORE);

	(void)state;
	splice(d, at(d, "t"), 2, 3, ""); /* c d e */
	assert_int_equal(where(d, after), 2);  /* f */
	assert_int_equal(where(d, before), 1); /* b */
	splice(d, at(d, "t"), 0, 3, "");
	assert_int_equal(where(d, after), 0);
	assert_int_equal(where(d, before), 0);
	splice(d, at(d, "t"), 0, 0, "xyz");
	assert_true(where(d, after) <= 3);
}

/* What npm 3.2.5 and 3.5.0 answer: the walk back from a deleted character ends at the end of a mark too. */
static void test_cursors_of_a_deleted_character_beside_a_mark(void **state)
{
	static const size_t wanted[4][2] = {[AM_EXPAND_BEFORE] = {1, 3}, [AM_EXPAND_AFTER] = {0, 2},
					    [AM_EXPAND_BOTH] = {1, 2}, [AM_EXPAND_NONE] = {0, 3}};
	am_value yes = {.type = AM_BOOL, .b = true};

	(void)state;
	for (int expand = 0; expand < 4; expand++) {
		for (size_t i = 0; i < 2; i++) {
			size_t pos = i ? 3 : 1;
			am_doc *d = with_text('a', "abcd");

			ok(am_mark(d, at(d, "t"), 1, 3, (am_expand)expand, K("bold"), &yes));
			splice(d, at(d, "t"), pos, 0, "X");
			struct place c = cursor(d, pos, AM_MOVE_BEFORE);
			splice(d, at(d, "t"), pos, 1, "");
			assert_int_equal(where(d, c), wanted[expand][i]);
		}
	}
}

static void test_cursors_of_both_ends(void **state)
{
	am_doc *d = with_text('a', "abc");
	struct place start = {"s", 1}, end = cursor(d, SIZE_MAX, AM_MOVE_AFTER);
	struct place at_length = cursor(d, 3, AM_MOVE_AFTER);

	(void)state;
	assert_int_equal(where(d, start), 0);
	assert_int_equal(where(d, end), 3);
	assert_int_equal(where(d, at_length), 3);
	splice(d, at(d, "t"), 3, 0, "def");
	splice(d, at(d, "t"), 0, 0, "_");
	assert_int_equal(where(d, end), 7);
	assert_int_equal(where(d, start), 0);
}

static void test_a_cursor_reads_the_same_in_every_copy(void **state)
{
	am_doc *a = with_text('a', "hello"), *b = reload(a, 'b');
	struct place c = cursor(a, 2, AM_MOVE_AFTER), e = cursor(b, 2, AM_MOVE_AFTER);

	(void)state;
	assert_int_equal(c.n, e.n);
	assert_memory_equal(c.s, e.s, c.n);
	assert_memory_equal(c.s, "4@61", 4);
	splice(b, at(b, "t"), 0, 1, "");
	assert_int_equal(where(b, c), 1);
	c = cursor(a, 2, AM_MOVE_BEFORE);
	assert_memory_equal(c.s, "-4@61", 5);
}

static void test_cursors_in_the_past(void **state)
{
	am_doc *d = with_text('a', "abcdef");
	struct heads then = heads(d);
	struct place c = cursor(d, 4, AM_MOVE_AFTER);
	am_view *v;
	size_t pos;

	(void)state;
	splice(d, at(d, "t"), 0, 3, "");
	commit(d);
	assert_int_equal(where(d, c), 1);
	v = view_of(d, then);
	ok(am_cursor_position(d, v, at(d, "t"), c.s, c.n, &pos));
	assert_int_equal(pos, 4);
	am_view_free(v);
}

static void test_cursors_in_a_list(void **state)
{
	am_doc *d = with_list('a', "a b c");
	am_buf b = {0};
	size_t pos;

	(void)state;
	ok(am_cursor(d, NULL, at(d, "l"), 1, AM_MOVE_AFTER, &b));
	insert(d, at(d, "l"), 0, num(0));
	ok(am_cursor_position(d, NULL, at(d, "l"), (const char *)b.p, b.n, &pos));
	assert_int_equal(pos, 2);
	set(d, at(d, "l"), 2, num(5)); /* the element stays the same one */
	ok(am_cursor_position(d, NULL, at(d, "l"), (const char *)b.p, b.n, &pos));
	assert_int_equal(pos, 2);
	am_buf_free(&b);
}

static void test_what_is_no_cursor(void **state)
{
	static const char *const bad[] = {"", "x", "4", "4@", "4@zz", "@61", "4@6", "-", "99@61", "4@62", "1@61"};
	am_doc *d = with_text('a', "hello");
	am_buf b = {0};
	size_t pos;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_true(am_cursor_position(d, NULL, at(d, "t"), K(bad[i]), &pos) < 0);
	assert_true(am_cursor(d, NULL, AM_ROOT, 0, AM_MOVE_AFTER, &b) < 0);
	put_new(d, AM_ROOT, "u", AM_TEXT);
	fails(am_cursor_position(d, NULL, at(d, "u"), K("4@61"), &pos), AM_E_CURSOR);
	am_buf_free(&b);
}

/* ---- patches ---- */

static void test_patches_of_a_map(void **state)
{
	am_doc *d = doc('a');
	struct heads none = heads(d), one, two;

	(void)state;
	put(d, AM_ROOT, "b", num(1));
	put(d, AM_ROOT, "a", word("x"));
	one = heads(d);
	put(d, AM_ROOT, "b", num(2));
	drop(d, AM_ROOT, "a");
	two = heads(d);
	differs(d, none, one, "put .a x; put .b 1");
	differs(d, one, two, "del .a; put .b 2");
	differs(d, two, one, "put .a x; put .b 1");
	differs(d, one, none, "del .a; del .b");
	differs(d, none, two, "put .b 2");
	differs(d, one, one, "");
}

static void test_new_objects_appear_empty_and_are_filled(void **state)
{
	am_doc *d = doc('a');
	struct heads none = heads(d);
	am_objid m = put_new(d, AM_ROOT, "m", AM_MAP), l = put_new(d, m, "l", AM_LIST), t;

	(void)state;
	insert(d, l, 0, num(5));
	t = insert_new(d, l, 1, AM_TEXT);
	splice(d, t, 0, 0, "hi");
	differs(d, none, heads(d), "put .m {}; put #1.l []; insert #2[0] 5; insert #2[1] \"\"; splice #4[0] hi");
	differs(d, heads(d), none, "del .m");
}

static void test_patches_of_a_list(void **state)
{
	am_doc *d = with_list('a', "a b c d");
	struct heads one = heads(d), two;
	am_objid l = at(d, "l");

	(void)state;
	set(d, l, 0, word("A"));
	ok(am_list_splice(d, l, 1, 2, NULL, 0));
	insert(d, l, 2, word("e"));
	two = heads(d);
	shows(d, "{\"l\":[\"A\",\"d\",\"e\"]}");
	differs(d, one, two, "put #1[0] A; del #1[1]+2; insert #1[2] e");
}

static void test_patches_of_text(void **state)
{
	am_doc *a = with_text('a', "hello world"), *b = fork_as(a, 'b');
	struct heads one = heads(a);

	(void)state;
	splice(a, at(a, "t"), 0, 1, "J");
	splice(a, at(a, "t"), 11, 0, SMILE "!");
	splice(b, at(b, "t"), 5, 6, "");
	meet(a, b);
	reads(a, "t", "Jello" SMILE "!");
	differs(a, one, heads(a), "splice #1[0] J; del #1[1]; del #1[5]+6; splice #1[5] " SMILE "!");
}

static void test_patches_of_counters(void **state)
{
	am_doc *d = doc('a');
	struct heads one, two;

	(void)state;
	put(d, AM_ROOT, "c", count(1));
	one = heads(d);
	ok(am_map_increment(d, AM_ROOT, K("c"), 5));
	ok(am_map_increment(d, AM_ROOT, K("c"), -2));
	two = heads(d);
	differs(d, one, two, "inc .c 3");
	differs(d, two, one, "inc .c -3");
}

static void test_patches_of_conflicts(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');
	struct heads of_a, of_b, both;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	of_a = heads(a);
	put(b, AM_ROOT, "x", num(2));
	of_b = heads(b);
	meet(a, b);
	both = heads(a);
	differs(a, of_a, both, "put .x 2 conflict");
	differs(a, of_b, both, "conflict .x");
	differs(a, both, of_b, "put .x 2"); /* the conflict is gone */
	differs(a, both, of_a, "put .x 1");
	put(a, AM_ROOT, "x", num(3));
	differs(a, both, heads(a), "put .x 3");
}

static void test_patches_of_marks(void **state)
{
	am_doc *d = with_text('a', "hello");
	struct heads one = heads(d), two;

	(void)state;
	mark(d, at(d, "t"), 1, 3, AM_EXPAND_AFTER, "bold", yes());
	two = heads(d);
	differs(d, one, two, "mark #1[1]+2 bold true");
	differs(d, two, one, "mark #1[1]+2 bold null");
	mark(d, at(d, "t"), 0, 5, AM_EXPAND_NONE, "bold", nothing());
	differs(d, two, heads(d), "mark #1[1]+2 bold null");
}

/* A character replaced by an empty string has no width, and a patch must not mark nothing. */
static void test_no_mark_on_what_has_no_width(void **state)
{
	am_doc *d = with_text('a', "hello");
	struct heads one;

	(void)state;
	mark(d, at(d, "t"), 1, 3, AM_EXPAND_AFTER, "bold", yes());
	one = heads(d);
	set(d, at(d, "t"), 2, word(""));
	differs(d, one, heads(d), "del #1[2]");
}

/* An object whose overwriter is gone again is shown in full. */
static void test_an_object_comes_back(void **state)
{
	am_doc *d = doc('a');
	am_objid m = put_new(d, AM_ROOT, "m", AM_MAP);
	struct heads one, two;

	(void)state;
	put(d, m, "x", num(1));
	one = heads(d);
	put(d, AM_ROOT, "m", num(0));
	two = heads(d);
	differs(d, one, two, "put .m 0");
	differs(d, two, one, "put .m {}; put #1.x 1");
}

static void test_nothing_is_said_of_what_cannot_be_seen(void **state)
{
	am_doc *d = doc('a');
	am_objid m = put_new(d, AM_ROOT, "m", AM_MAP);
	struct heads one;

	(void)state;
	put_new(d, m, "l", AM_LIST);
	drop(d, AM_ROOT, "m");
	one = heads(d);
	put(d, m, "x", num(1));
	differs(d, one, heads(d), "");
}

static void test_patches_of_one_object(void **state)
{
	am_doc *d = doc('a');
	am_objid m = put_new(d, AM_ROOT, "m", AM_MAP), l = put_new(d, m, "l", AM_LIST);
	struct heads none = {.n = 0}, one = heads(d);

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	put(d, m, "y", num(2));
	insert(d, l, 0, num(3));
	differs_in(d, AM_ROOT, false, one, heads(d), "put .x 1");
	differs_in(d, m, false, one, heads(d), "put #1.y 2");
	differs_in(d, m, true, one, heads(d), "put #1.y 2; insert #2[0] 3");
	differs_in(d, m, true, heads(d), one, "del #1.y; del #2[0]");
	differs_in(d, l, true, none, heads(d), "insert #2[0] 3");
	drop(d, AM_ROOT, "m");
	differs_in(d, l, true, one, heads(d), "insert #2[0] 3");
	assert_int_equal(am_diff_object(d, (am_objid){99, 0}, true, NULL, 0, NULL, 0, page_patch, NULL), AM_E_NOT_FOUND);
}

static void test_patches_between_branches(void **state)
{
	am_doc *a = doc('a'), *b;
	struct heads of_a, of_b;

	(void)state;
	put(a, AM_ROOT, "shared", num(0));
	commit(a);
	b = fork_as(a, 'b');
	put(a, AM_ROOT, "a", num(1));
	of_a = heads(a);
	put(b, AM_ROOT, "b", num(2));
	of_b = heads(b);
	meet(a, b);
	differs(a, of_a, of_b, "del .a; put .b 2");
	differs(a, of_b, of_a, "put .a 1; del .b");
}

/* ---- ids and cursors outside of a document ---- */

static void is_called(am_doc *d, am_objid id, const char *name)
{
	am_buf text = {0}, bytes = {0};
	am_objid again;

	ok(am_id_text(d, id, &text));
	assert_int_equal(text.n, strlen(name));
	assert_memory_equal(text.p, name, text.n);
	ok(am_id_parse(d, name, text.n, &again));
	assert_memory_equal(&again, &id, sizeof id);
	ok(am_id_encode(d, id, &bytes));
	again = (am_objid){77, 77};
	ok(am_id_decode(d, bytes.p, bytes.n, &again));
	assert_memory_equal(&again, &id, sizeof id);
	am_buf_free(&text);
	am_buf_free(&bytes);
}

/* Actor indices differ between replicas, names do not. */
static void test_ids_have_names(void **state)
{
	am_doc *d = doc('b'), *e;
	am_objid m = put_new(d, AM_ROOT, "m", AM_MAP), t;
	am_value v;

	(void)state;
	is_called(d, AM_ROOT, "_root");
	is_called(d, m, "1@62");
	commit(d);
	e = doc('a');
	put(e, AM_ROOT, "x", num(1));
	ok(am_merge(e, d));
	t = put_new(e, at(e, "m"), "t", AM_TEXT);
	is_called(e, at(e, "m"), "1@62");
	is_called(e, t, "2@61");
	ok(am_map_get(e, NULL, AM_ROOT, K("x"), &v));
	is_called(e, v.id, "1@61"); /* a value, no object */
	ok(am_merge(d, e));
	ok(am_map_get(d, NULL, at(d, "m"), K("t"), &v));
	assert_true(v.id.actor != t.actor);
	is_called(d, v.id, "2@61");
}

static void test_what_is_no_id(void **state)
{
	static const char *const bad[] = {"", "_", "root", "_roots", "@", "@61", "1", "1@6", "1@6x", "-1@61", "+1@61",
					  " 1@61", "1@61 ", "18446744073709551616@61"};
	static const char *const absent[] = {"3@61", "2@61", "0@61", "1@62", "1@", "4294967297@61",
					     "18446744073709551615@61"};
	am_doc *d = doc('a');
	am_objid id = {7, 7};
	am_buf b = {0};

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	drop(d, AM_ROOT, "x"); /* 2@61: a deletion */
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		fails(am_id_parse(d, bad[i], strlen(bad[i]), &id), AM_E_FORMAT);
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
		fails(am_id_parse(d, absent[i], strlen(absent[i]), &id), AM_E_NOT_FOUND);
	fails(am_id_decode(d, "", 0, &id), AM_E_FORMAT);
	fails(am_id_decode(d, "\0\0", 2, &id), AM_E_FORMAT);
	fails(am_id_decode(d, "\1", 1, &id), AM_E_FORMAT);
	fails(am_id_decode(d, "\x20", 1, &id), AM_E_FORMAT);
	fails(am_id_decode(d, "\x10\1a\0", 4, &id), AM_E_FORMAT);
	fails(am_id_decode(d, "\x10\1a\0\1\0", 6, &id), AM_E_FORMAT);
	fails(am_id_decode(d, "\x10\2a\0\1", 5, &id), AM_E_FORMAT);
	fails(am_id_decode(d, "\x10\1b\0\1", 5, &id), AM_E_NOT_FOUND);
	fails(am_id_decode(d, "\x10\1a\0\3", 5, &id), AM_E_NOT_FOUND);
	fails(am_id_text(d, (am_objid){1, 9}, &b), AM_E_NOT_FOUND);
	fails(am_id_encode(d, (am_objid){1, 9}, &b), AM_E_NOT_FOUND);
	assert_true(id.ctr == 7 && !b.p);
	ok(am_id_decode(d, "\x10\1a\x7\1", 5, &id)); /* whatever the index in it */
	assert_int_equal(id.ctr, 1);
	ok(am_id_parse(d, "0001@61", 7, &id));
}

static void travels_as(const char *cursor, const char *bytes, size_t n)
{
	am_buf b = {0};

	ok(am_cursor_encode(cursor, strlen(cursor), &b));
	assert_int_equal(b.n, n);
	assert_memory_equal(b.p, bytes, n);
	ok(am_cursor_decode(bytes, n, &b));
	assert_int_equal(b.n, strlen(cursor));
	assert_memory_equal(b.p, cursor, b.n);
	am_buf_free(&b);
}

static void test_cursors_in_bytes(void **state)
{
	am_buf b = {0};

	(void)state;
	travels_as("s", "\1\1", 2);
	travels_as("e", "\1\2", 2);
	travels_as("7@61ff", "\1\3\2\x61\xff\7\2", 7);
	travels_as("-300@61", "\1\3\1\x61\xac\2\1", 7);
	travels_as("7@", "\1\3\0\7\2", 5);
	ok(am_cursor_decode("\0\1\x61\7", 4, &b)); /* of old */
	assert_true(b.n == 4 && memcmp(b.p, "7@61", 4) == 0);
	fails(am_cursor_encode("", 0, &b), AM_E_CURSOR);
	fails(am_cursor_encode("-", 1, &b), AM_E_CURSOR);
	fails(am_cursor_encode("x", 1, &b), AM_E_CURSOR);
	fails(am_cursor_encode("--7@61", 6, &b), AM_E_CURSOR);
	fails(am_cursor_encode("7@6", 3, &b), AM_E_CURSOR);
	fails(am_cursor_decode("", 0, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\1", 1, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\2\1", 2, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\1\4", 2, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\1\1\1", 3, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\1\3\1\x61\7", 5, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\1\3\1\x61\7\3", 6, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\1\3\1\x61\7\2\2", 7, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\1\3\xff\x61\7\2", 6, &b), AM_E_CURSOR);
	fails(am_cursor_decode("\0\1\x61\7\2", 5, &b), AM_E_CURSOR);
	assert_true(b.n == 4);
	am_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(test_values_of_the_past),
		scenario(test_lists_and_text_of_the_past),
		scenario(test_counters_of_the_past),
		scenario(test_conflicts_of_the_past),
		scenario(test_a_look_stays_while_the_document_moves_on),
		scenario(test_no_look_at_unknown_heads),
		scenario(test_a_cursor_moves_with_its_text),
		scenario(test_cursors_whose_character_is_deleted),
		scenario(test_cursors_of_a_deleted_character_beside_a_mark),
		scenario(test_cursors_of_both_ends),
		scenario(test_a_cursor_reads_the_same_in_every_copy),
		scenario(test_cursors_in_the_past),
		scenario(test_cursors_in_a_list),
		scenario(test_what_is_no_cursor),
		scenario(test_patches_of_a_map),
		scenario(test_new_objects_appear_empty_and_are_filled),
		scenario(test_patches_of_a_list),
		scenario(test_patches_of_text),
		scenario(test_patches_of_counters),
		scenario(test_patches_of_conflicts),
		scenario(test_patches_of_marks),
		scenario(test_no_mark_on_what_has_no_width),
		scenario(test_an_object_comes_back),
		scenario(test_nothing_is_said_of_what_cannot_be_seen),
		scenario(test_patches_of_one_object),
		scenario(test_patches_between_branches),
		scenario(test_ids_have_names),
		scenario(test_what_is_no_id),
		scenario(test_cursors_in_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
