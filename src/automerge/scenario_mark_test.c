/* What editors of rich text rely on: marks, spans and block markers. */
#include "automerge/scenario_test.h"

#define SMILE "\xf0\x9f\x98\x80"

static am_doc *bold_hello(am_expand expand)
{
	am_doc *d = with_text('a', "hello world");

	mark(d, at(d, "t"), 0, 5, expand, "bold", yes());
	commit(d);
	return d;
}

/* "hello" bold in "-hello world", so that there is something before it. */
static am_doc *bold_inside(am_expand expand)
{
	am_doc *d = with_text('a', "-hello world");

	mark(d, at(d, "t"), 1, 6, expand, "bold", yes());
	commit(d);
	return d;
}

/* ---- marks ---- */

static void test_a_mark_covers_its_range(void **state)
{
	am_doc *d = bold_hello(AM_EXPAND_AFTER);

	(void)state;
	marked(d, "t", "0-5 bold=true");
	reads(d, "t", "hello world");
	assert_int_equal(am_length(d, NULL, at(d, "t")), 11);
	marked(reload(d, 'b'), "t", "0-5 bold=true");
}

/* In a document that has no name of more bytes, loaded twice. */
static void test_a_mark_with_the_empty_name(void **state)
{
	am_doc *d = doc('a');

	(void)state;
	put_new(d, AM_ROOT, "", AM_TEXT);
	splice(d, at(d, ""), 0, 0, "hello");
	mark(d, at(d, ""), 1, 3, AM_EXPAND_NONE, "", yes());
	commit(d);
	d = reload(reload(d, 'b'), 'c');
	marked(d, "", "1-3 =true");
	assert_int_equal(am_op_count(d), 8);
}

static void test_typing_behind_a_mark(void **state)
{
	static const char *const want[] = {"1-7 bold=true", "1-6 bold=true", "1-7 bold=true", "1-6 bold=true"};

	(void)state;
	for (int e = AM_EXPAND_AFTER; e <= AM_EXPAND_NONE; e++) {
		am_doc *d = bold_inside((am_expand)e);

		splice(d, at(d, "t"), 6, 0, "!");
		reads(d, "t", "-hello! world");
		marked(d, "t", want[e]);
		marked(reload(d, 'b'), "t", want[e]);
	}
}

static void test_typing_before_a_mark(void **state)
{
	static const char *const want[] = {"2-7 bold=true", "1-7 bold=true", "1-7 bold=true", "2-7 bold=true"};

	(void)state;
	for (int e = AM_EXPAND_AFTER; e <= AM_EXPAND_NONE; e++) {
		am_doc *d = bold_inside((am_expand)e);

		splice(d, at(d, "t"), 1, 0, "!");
		reads(d, "t", "-!hello world");
		marked(d, "t", want[e]);
	}
}

static void test_typing_at_the_very_beginning(void **state)
{
	am_doc *d = bold_hello(AM_EXPAND_BEFORE), *e = bold_hello(AM_EXPAND_AFTER);

	(void)state;
	splice(d, at(d, "t"), 0, 0, "!");
	marked(d, "t", "0-6 bold=true");
	splice(e, at(e, "t"), 0, 0, "!");
	marked(e, "t", "1-6 bold=true");
}

static void test_typing_inside_a_mark_is_marked(void **state)
{
	am_doc *a = bold_hello(AM_EXPAND_NONE), *b = fork_as(a, 'b');

	(void)state;
	splice(b, at(b, "t"), 2, 0, "XYZ");
	meet(a, b);
	marked(a, "t", "0-8 bold=true");
	assert_same_doc(a, b);
}

static void test_text_another_types_while_one_marks(void **state)
{
	am_doc *a = with_text('a', "hello world"), *b = fork_as(a, 'b');

	(void)state;
	mark(a, at(a, "t"), 0, 5, AM_EXPAND_AFTER, "bold", yes());
	splice(b, at(b, "t"), 3, 0, "___");
	meet(a, b);
	marked(a, "t", "0-8 bold=true");
	marked(b, "t", "0-8 bold=true");
}

static void test_removing_a_mark_in_the_middle(void **state)
{
	am_doc *d = bold_hello(AM_EXPAND_AFTER);

	(void)state;
	mark(d, at(d, "t"), 1, 3, AM_EXPAND_NONE, "bold", nothing());
	marked(d, "t", "0-1 bold=true, 3-5 bold=true");
	marked(reload(d, 'b'), "t", "0-1 bold=true, 3-5 bold=true");
}

static void test_removing_all_of_a_mark(void **state)
{
	am_doc *d = bold_hello(AM_EXPAND_AFTER);

	(void)state;
	mark(d, at(d, "t"), 0, 11, AM_EXPAND_NONE, "bold", nothing());
	marked(d, "t", "");
	spans(d, "t", "[hello world]");
}

static void test_removing_what_was_never_marked(void **state)
{
	am_doc *d = with_text('a', "plain");

	(void)state;
	mark(d, at(d, "t"), 1, 3, AM_EXPAND_NONE, "bold", nothing());
	marked(d, "t", "");
	marked(reload(d, 'b'), "t", "");
}

static void test_marks_of_other_names_lie_beside_each_other(void **state)
{
	am_doc *d = with_text('a', "abcdefghi");
	am_objid t = at(d, "t");

	(void)state;
	mark(d, t, 2, 6, AM_EXPAND_AFTER, "strong", yes());
	mark(d, t, 4, 8, AM_EXPAND_AFTER, "em", yes());
	marked(d, "t", "4-8 em=true, 2-6 strong=true");
	spans(d, "t", "[ab] [cd|strong=true] [ef|em=true|strong=true] [gh|em=true] [i]");
}

static void test_the_later_mark_of_a_name_shows(void **state)
{
	am_doc *d = with_text('a', "abcdef");
	am_objid t = at(d, "t");

	(void)state;
	mark(d, t, 0, 4, AM_EXPAND_AFTER, "link", word("first"));
	mark(d, t, 2, 6, AM_EXPAND_AFTER, "link", word("second"));
	marked(d, "t", "0-2 link=first, 2-6 link=second");
	mark(d, t, 1, 3, AM_EXPAND_AFTER, "link", word("third"));
	marked(d, "t", "0-1 link=first, 1-3 link=third, 3-6 link=second");
}

static void test_equal_marks_that_touch_are_one(void **state)
{
	am_doc *d = with_text('a', "abcdef");
	am_objid t = at(d, "t");

	(void)state;
	mark(d, t, 0, 3, AM_EXPAND_NONE, "bold", yes());
	mark(d, t, 3, 6, AM_EXPAND_NONE, "bold", yes());
	marked(d, "t", "0-6 bold=true");
	spans(d, "t", "[abcdef|bold=true]");
}

static void test_two_mark_overlapping_ranges(void **state)
{
	am_doc *a = with_text('a', "the quick fox"), *b = fork_as(a, 'b');

	(void)state;
	mark(a, at(a, "t"), 0, 9, AM_EXPAND_AFTER, "bold", yes());
	mark(b, at(b, "t"), 4, 13, AM_EXPAND_AFTER, "bold", yes());
	meet(a, b);
	marked(a, "t", "0-13 bold=true");
	marked(b, "t", "0-13 bold=true");
}

static void test_two_give_one_range_other_values(void **state)
{
	am_doc *a = with_text('a', "abc"), *b = fork_as(a, 'b');

	(void)state;
	mark(a, at(a, "t"), 0, 3, AM_EXPAND_AFTER, "color", word("red"));
	mark(b, at(b, "t"), 1, 2, AM_EXPAND_AFTER, "color", word("blue"));
	meet(a, b);
	marked(a, "t", "0-1 color=red, 1-2 color=blue, 2-3 color=red");
	marked(b, "t", "0-1 color=red, 1-2 color=blue, 2-3 color=red");
	marked(reload(a, 'c'), "t", "0-1 color=red, 1-2 color=blue, 2-3 color=red");
}

static void test_one_marks_what_another_unmarks(void **state)
{
	am_doc *a = bold_hello(AM_EXPAND_AFTER), *b = fork_as(a, 'b');

	(void)state;
	mark(a, at(a, "t"), 0, 11, AM_EXPAND_AFTER, "bold", yes());
	mark(b, at(b, "t"), 2, 8, AM_EXPAND_NONE, "bold", nothing());
	meet(a, b);
	marked(a, "t", "0-2 bold=true, 8-11 bold=true"); /* the greater operation decides */
	marked(b, "t", "0-2 bold=true, 8-11 bold=true");
}

static void test_a_mark_goes_with_its_text(void **state)
{
	am_doc *d = bold_hello(AM_EXPAND_AFTER);

	(void)state;
	splice(d, at(d, "t"), 0, 6, "");
	marked(d, "t", "");
	spans(d, "t", "[world]");
	splice(d, at(d, "t"), 0, 0, "big ");
	reads(d, "t", "big world");
	marked(reload(d, 'b'), "t", "");
}

static void test_part_of_a_mark_deleted(void **state)
{
	am_doc *a = bold_hello(AM_EXPAND_AFTER), *b = fork_as(a, 'b');

	(void)state;
	splice(a, at(a, "t"), 3, 5, "");
	splice(b, at(b, "t"), 0, 2, "");
	meet(a, b);
	both_show(a, b, "{\"t\":\"lrld\"}");
	marked(a, "t", "0-1 bold=true");
}

static void test_replacing_the_whole_text_of_a_growing_mark(void **state)
{
	am_doc *d = with_text('a', "abc");

	(void)state;
	mark(d, at(d, "t"), 0, 3, AM_EXPAND_BOTH, "bold", yes());
	splice(d, at(d, "t"), 0, 3, "xyz");
	marked(d, "t", "0-3 bold=true");
}

static void test_a_mark_of_no_width(void **state)
{
	am_doc *d = with_text('a', "abc");
	am_objid t = at(d, "t");
	size_t ops = am_op_count(d);

	(void)state;
	mark(d, t, 1, 1, AM_EXPAND_NONE, "none", yes());
	assert_int_equal(am_op_count(d), ops);
	mark(d, t, 1, 1, AM_EXPAND_BOTH, "bold", yes());
	marked(d, "t", "");
	splice(d, t, 1, 0, "X");
	reads(d, "t", "aXbc");
	marked(d, "t", ""); /* nothing is typed into a mark that closes where it opens */
	marked(reload(d, 'b'), "t", "");
}

static void test_a_mark_beyond_the_text_is_refused_whole(void **state)
{
	am_doc *d = with_text('a', "abc");
	am_value v = yes();
	size_t ops = am_op_count(d);

	(void)state;
	fails(am_mark(d, at(d, "t"), 1, 4, AM_EXPAND_AFTER, K("bold"), &v), AM_E_INDEX);
	assert_true(am_mark(d, at(d, "t"), 2, 1, AM_EXPAND_AFTER, K("bold"), &v) < 0);
	assert_int_equal(am_op_count(d), ops);
}

static void test_marks_count_units(void **state)
{
	am_doc *d = with_text('a', SMILE "bc" SMILE);

	(void)state;
	mark(d, at(d, "t"), 2, 4, AM_EXPAND_AFTER, "bold", yes());
	marked(d, "t", "2-4 bold=true");
	splice(d, at(d, "t"), 0, 0, SMILE);
	marked(d, "t", "4-6 bold=true");
}

static void test_marks_carry_any_value(void **state)
{
	am_doc *d = with_text('a', "abcd");
	am_objid t = at(d, "t");

	(void)state;
	mark(d, t, 0, 1, AM_EXPAND_NONE, "m", num(7));
	mark(d, t, 1, 2, AM_EXPAND_NONE, "m", (am_value){.type = AM_BOOL, .b = false});
	mark(d, t, 2, 3, AM_EXPAND_NONE, "m", word(""));
	mark(d, t, 3, 4, AM_EXPAND_NONE, "m", (am_value){.type = AM_F64, .f = 0.5});
	marked(reload(d, 'b'), "t", "0-1 m=7, 1-2 m=false, 2-3 m=, 3-4 m=0.5");
}

static void test_marks_of_the_past(void **state)
{
	am_doc *d = with_text('a', "hello");
	struct heads plain = heads(d), bold;
	am_view *v;

	(void)state;
	mark(d, at(d, "t"), 0, 2, AM_EXPAND_AFTER, "bold", yes());
	bold = heads(d);
	splice(d, at(d, "t"), 0, 1, "");
	mark(d, at(d, "t"), 0, 4, AM_EXPAND_AFTER, "bold", nothing());
	commit(d);
	v = view_of(d, plain);
	marked_at(d, v, "t", "");
	am_view_free(v);
	v = view_of(d, bold);
	marked_at(d, v, "t", "0-2 bold=true");
	am_view_free(v);
	marked(d, "t", "");
}

static void test_rolled_back_marks_are_gone(void **state)
{
	am_doc *d = bold_hello(AM_EXPAND_AFTER);

	(void)state;
	mark(d, at(d, "t"), 0, 11, AM_EXPAND_AFTER, "em", yes());
	mark(d, at(d, "t"), 0, 11, AM_EXPAND_AFTER, "bold", nothing());
	ok(am_rollback(d));
	marked(d, "t", "0-5 bold=true");
}

/* ---- blocks ---- */

static void test_a_block_splits_the_text(void **state)
{
	am_doc *d = with_text('a', "onetwo");
	am_objid b;

	(void)state;
	ok(am_split_block(d, at(d, "t"), 3, &b));
	put(d, b, "type", word("paragraph"));
	spans(d, "t", "[one] # [two]");
	assert_int_equal(am_length(d, NULL, at(d, "t")), 7);
	d = reload(d, 'b');
	spans(d, "t", "[one] # [two]");
	reads(d, "t", "one\xef\xbf\xbctwo");
}

static void test_a_block_is_a_map(void **state)
{
	am_doc *d = with_text('a', "x");
	am_objid b;
	am_value v;

	(void)state;
	ok(am_split_block(d, at(d, "t"), 0, &b));
	put(d, b, "type", word("h1"));
	put_new(d, b, "attrs", AM_MAP);
	ok(am_list_get(d, NULL, at(d, "t"), 0, &v));
	assert_int_equal(v.type, AM_MAP);
	holds(d, v.id, "type", "h1");
	put(d, v.id, "type", word("h2"));
	holds(d, b, "type", "h2");
}

static void test_joining_takes_the_marker_away(void **state)
{
	am_doc *d = with_text('a', "onetwo");
	am_objid b;

	(void)state;
	ok(am_split_block(d, at(d, "t"), 3, &b));
	ok(am_join_block(d, at(d, "t"), 3));
	spans(d, "t", "[onetwo]");
	fails(am_join_block(d, at(d, "t"), 6), AM_E_INDEX);
}

static void test_blocks_may_touch_each_other_and_the_ends(void **state)
{
	am_doc *d = with_text('a', "x");
	am_objid b;

	(void)state;
	ok(am_split_block(d, at(d, "t"), 0, &b));
	ok(am_split_block(d, at(d, "t"), 2, &b));
	ok(am_split_block(d, at(d, "t"), 2, &b));
	spans(reload(d, 'b'), "t", "# [x] # #");
	splice(d, at(d, "t"), 1, 0, "y");
	spans(d, "t", "# [yx] # #");
	splice(d, at(d, "t"), 1, 3, ""); /* deletes a marker like a character */
	spans(d, "t", "# #");
}

static void test_two_split_at_one_place(void **state)
{
	am_doc *a = with_text('a', "ab"), *b = fork_as(a, 'b');
	am_objid x;

	(void)state;
	ok(am_split_block(a, at(a, "t"), 1, &x));
	ok(am_split_block(b, at(b, "t"), 1, &x));
	meet(a, b);
	spans(a, "t", "[a] # # [b]");
	assert_same_doc(a, b);
}

static void test_one_splits_where_another_types(void **state)
{
	am_doc *a = with_text('a', "hello world"), *b = fork_as(a, 'b');
	am_objid x;

	(void)state;
	ok(am_split_block(a, at(a, "t"), 5, &x));
	splice(b, at(b, "t"), 8, 0, "---");
	splice(b, at(b, "t"), 0, 1, "J");
	meet(a, b);
	spans(a, "t", "[Jello] # [ wo---rld]");
	assert_same_doc(a, b);
}

static void test_two_join_one_block(void **state)
{
	am_doc *a = with_text('a', "ab"), *b;
	am_objid x;

	(void)state;
	ok(am_split_block(a, at(a, "t"), 1, &x));
	commit(a);
	b = fork_as(a, 'b');
	ok(am_join_block(a, at(a, "t"), 1));
	ok(am_join_block(b, at(b, "t"), 1));
	meet(a, b);
	spans(a, "t", "[ab]");
	assert_same_doc(a, b);
}

static void test_one_joins_a_block_another_edits(void **state)
{
	am_doc *a = with_text('a', "ab"), *b;
	am_objid x;

	(void)state;
	ok(am_split_block(a, at(a, "t"), 1, &x));
	commit(a);
	b = fork_as(a, 'b');
	ok(am_join_block(a, at(a, "t"), 1));
	put(b, x, "type", word("quote"));
	meet(a, b);
	spans(a, "t", "[ab]");
	assert_same_doc(a, b);
	assert_same_doc(a, reload(b, 'c'));
}

static void test_a_mark_across_a_block(void **state)
{
	am_doc *d = with_text('a', "onetwo");
	am_objid b;

	(void)state;
	mark(d, at(d, "t"), 1, 5, AM_EXPAND_AFTER, "bold", yes());
	ok(am_split_block(d, at(d, "t"), 3, &b));
	spans(d, "t", "[o] [ne|bold=true] # [tw|bold=true] [o]");
	ok(am_join_block(d, at(d, "t"), 3));
	spans(d, "t", "[o] [netw|bold=true] [o]");
}

/* No operation has a byte of value. */
static void test_marks_of_blocks_alone(void **state)
{
	am_doc *d = doc('a');
	am_objid t = put_new(d, AM_ROOT, "t", AM_TEXT), block;

	(void)state;
	ok(am_split_block(d, t, 0, &block));
	ok(am_split_block(d, t, 1, &block));
	mark(d, t, 0, 1, AM_EXPAND_NONE, "m", yes());
	mark(d, t, 1, 2, AM_EXPAND_NONE, "m", yes());
	marked(d, "t", "0-2 m=true");
	marked(reload(d, 'b'), "t", "0-2 m=true");
}

static void test_an_empty_text_has_no_spans(void **state)
{
	am_doc *d = with_text('a', "");

	(void)state;
	spans(d, "t", "");
	splice(d, at(d, "t"), 0, 0, "x");
	splice(d, at(d, "t"), 0, 1, "");
	spans(reload(d, 'b'), "t", "");
	marked(d, "t", "");
}

/* ---- a text given as spans ---- */

/* A block with a type and a level; the trees live as long as the test runs. */
struct block { am_tree field[2], map; };
static void block(struct block *b, const char *type, int64_t level)
{
	b->field[0] = (am_tree){.key = "type", .key_n = 4, .value = word(type)};
	b->field[1] = (am_tree){.key = "level", .key_n = 5, .value = num(level)};
	b->map = (am_tree){.value = {.type = AM_MAP}, .children = b->field, .n_children = 2};
}

static am_span run(const char *s)
{
	return (am_span){.text = s, .text_n = strlen(s)};
}

static am_span bold(const char *s)
{
	static const am_mark_range m = {.name = "bold", .name_n = 4, .value = {.type = AM_BOOL, .b = true}};

	return (am_span){.text = s, .text_n = strlen(s), .marks = &m, .n_marks = 1};
}

static void update(am_doc *d, const am_span *s, size_t n)
{
	ok(am_spans_update(d, at(d, "t"), s, n, AM_EXPAND_AFTER, NULL, 0));
}

/* Two paragraphs, "one" and "two". */
static am_doc *two_paragraphs(char actor)
{
	am_doc *d = with_text(actor, "");
	struct block p;

	block(&p, "p", 1);
	update(d, (am_span[]){{.block = &p.map}, run("one"), {.block = &p.map}, run("two")}, 4);
	commit(d);
	spans(d, "t", "# [one] # [two]");
	return d;
}

static void test_the_same_spans_again_make_no_change(void **state)
{
	am_doc *d = two_paragraphs('a');
	size_t changes = am_change_count(d);
	struct block p;

	(void)state;
	block(&p, "p", 1);
	update(d, (am_span[]){{.block = &p.map}, run("one"), {.block = &p.map}, run("two")}, 4);
	commit(d);
	assert_int_equal(am_change_count(d), changes);
}

static void test_a_paragraph_put_between_others(void **state)
{
	am_doc *a = two_paragraphs('a'), *b = fork_as(a, 'b');
	struct block p, q;

	(void)state;
	block(&p, "p", 1);
	block(&q, "quote", 1);
	update(a, (am_span[]){{.block = &p.map}, run("one"), {.block = &q.map}, run("between"), {.block = &p.map},
			      run("two")}, 6);
	splice(b, at(b, "t"), 4, 0, "!"); /* behind "one" */
	splice(b, at(b, "t"), 9, 0, "?"); /* behind "two" */
	meet(a, b);
	spans(a, "t", "# [one!] # [between] # [two?]");
	assert_same_doc(a, b);
}

static void test_spans_without_a_block_join_its_text(void **state)
{
	am_doc *a = two_paragraphs('a'), *b = fork_as(a, 'b');
	struct block p;

	(void)state;
	block(&p, "p", 1);
	update(a, (am_span[]){{.block = &p.map}, run("onetwo")}, 2);
	splice(b, at(b, "t"), 8, 0, "!");
	meet(a, b);
	spans(a, "t", "# [onetwo!]");
	assert_same_doc(a, b);
}

static void test_a_changed_block_stays_the_same_block(void **state)
{
	am_doc *a = two_paragraphs('a'), *b = fork_as(a, 'b');
	struct block h, p;
	am_value v;

	(void)state;
	block(&h, "h", 1);
	block(&p, "p", 1);
	update(a, (am_span[]){{.block = &h.map}, run("one"), {.block = &p.map}, run("two")}, 4);
	ok(am_list_get(b, NULL, at(b, "t"), 0, &v));
	put(b, v.id, "level", num(2)); /* another field, at the same time */
	meet(a, b);
	ok(am_list_get(a, NULL, at(a, "t"), 0, &v));
	holds(a, v.id, "type", "h");
	holds(a, v.id, "level", "2");
	assert_same_doc(a, b);
}

static void test_spans_say_which_marks_are_wanted(void **state)
{
	am_doc *d = with_text('a', "hello world");

	(void)state;
	mark(d, at(d, "t"), 0, 11, AM_EXPAND_AFTER, "em", yes());
	update(d, (am_span[]){run("hello "), bold("world")}, 2);
	spans(d, "t", "[hello ] [world|bold=true]");
	update(d, (am_span[]){bold("hello"), run(" world")}, 2);
	marked(reload(d, 'b'), "t", "0-5 bold=true");
}

static void test_marks_of_spans_grow_as_asked_for(void **state)
{
	static const am_mark_expand rule = {.name = "bold", .name_n = 4, .expand = AM_EXPAND_NONE};
	am_doc *d = with_text('a', "ab");
	am_span s[] = {bold("a"), run("b")};

	(void)state;
	ok(am_spans_update(d, at(d, "t"), s, 2, AM_EXPAND_BOTH, &rule, 1));
	splice(d, at(d, "t"), 1, 0, "X");
	marked(d, "t", "0-1 bold=true");
}

static void test_two_give_a_text_other_spans(void **state)
{
	am_doc *a = two_paragraphs('a'), *b = fork_as(a, 'b');
	struct block p;

	(void)state;
	block(&p, "p", 1);
	update(a, (am_span[]){{.block = &p.map}, run("one more"), {.block = &p.map}, run("two")}, 4);
	update(b, (am_span[]){{.block = &p.map}, run("one"), {.block = &p.map}, run("number "), bold("two")}, 5);
	meet(a, b);
	spans(a, "t", "# [one more] # [number ] [two|bold=true]");
	assert_same_doc(a, b);
	assert_same_doc(a, reload(b, 'c'));
}

static void test_a_replaced_block_is_a_new_one(void **state)
{
	am_doc *d = two_paragraphs('a');
	am_objid made;

	(void)state;
	ok(am_replace_block(d, at(d, "t"), 4, &made));
	spans(d, "t", "# [one] # [two]");
	assert_int_equal(am_length(d, NULL, made), 0);
	put(d, made, "type", word("new"));
	holds(reload(d, 'b'), made, "type", "new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(test_a_mark_covers_its_range),
		scenario(test_a_mark_with_the_empty_name),
		scenario(test_typing_behind_a_mark),
		scenario(test_typing_before_a_mark),
		scenario(test_typing_at_the_very_beginning),
		scenario(test_typing_inside_a_mark_is_marked),
		scenario(test_text_another_types_while_one_marks),
		scenario(test_removing_a_mark_in_the_middle),
		scenario(test_removing_all_of_a_mark),
		scenario(test_removing_what_was_never_marked),
		scenario(test_marks_of_other_names_lie_beside_each_other),
		scenario(test_the_later_mark_of_a_name_shows),
		scenario(test_equal_marks_that_touch_are_one),
		scenario(test_two_mark_overlapping_ranges),
		scenario(test_two_give_one_range_other_values),
		scenario(test_one_marks_what_another_unmarks),
		scenario(test_a_mark_goes_with_its_text),
		scenario(test_part_of_a_mark_deleted),
		scenario(test_replacing_the_whole_text_of_a_growing_mark),
		scenario(test_a_mark_of_no_width),
		scenario(test_a_mark_beyond_the_text_is_refused_whole),
		scenario(test_marks_count_units),
		scenario(test_marks_carry_any_value),
		scenario(test_marks_of_the_past),
		scenario(test_rolled_back_marks_are_gone),
		scenario(test_a_block_splits_the_text),
		scenario(test_a_block_is_a_map),
		scenario(test_joining_takes_the_marker_away),
		scenario(test_blocks_may_touch_each_other_and_the_ends),
		scenario(test_two_split_at_one_place),
		scenario(test_one_splits_where_another_types),
		scenario(test_two_join_one_block),
		scenario(test_one_joins_a_block_another_edits),
		scenario(test_a_mark_across_a_block),
		scenario(test_marks_of_blocks_alone),
		scenario(test_an_empty_text_has_no_spans),
		scenario(test_the_same_spans_again_make_no_change),
		scenario(test_a_paragraph_put_between_others),
		scenario(test_spans_without_a_block_join_its_text),
		scenario(test_a_changed_block_stays_the_same_block),
		scenario(test_spans_say_which_marks_are_wanted),
		scenario(test_marks_of_spans_grow_as_asked_for),
		scenario(test_two_give_a_text_other_spans),
		scenario(test_a_replaced_block_is_a_new_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
