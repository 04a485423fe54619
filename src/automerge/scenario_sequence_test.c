/* What users of lists and text rely on, alone and with others. */
#include "automerge/scenario_test.h"

#define SMILE "\xf0\x9f\x98\x80"            /* U+1F600: two UTF-16 units, four bytes */
#define FAMILY "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa6" /* a cluster of three scalars, five units */

/* ---- lists, one writer ---- */

static void test_a_list_grows_anywhere(void **state)
{
	am_doc *d = doc('a');
	am_objid l = put_new(d, AM_ROOT, "l", AM_LIST);

	(void)state;
	insert(d, l, 0, num(2));
	insert(d, l, 0, num(1));
	insert(d, l, 2, num(4));
	insert(d, l, 2, num(3));
	shows(d, "{\"l\":[1,2,3,4]}");
	assert_int_equal(am_length(d, NULL, l), 4);
}

static void test_positions_past_the_end_are_refused(void **state)
{
	am_doc *d = with_list('a', "x y");
	am_objid l = at(d, "l");
	am_value v = num(1);
	size_t ops = am_op_count(d);

	(void)state;
	fails(am_list_insert(d, l, 3, &v), AM_E_INDEX);
	fails(am_list_put(d, l, 2, &v), AM_E_INDEX);
	fails(am_list_delete(d, l, 2), AM_E_INDEX);
	assert_true(am_list_get(d, NULL, l, 2, &v) < 0);
	assert_int_equal(am_op_count(d), ops);
}

static void test_splicing_values(void **state)
{
	am_doc *d = with_list('a', "a b c d e");
	am_objid l = at(d, "l");
	am_value v[] = {num(1), num(2)};

	(void)state;
	ok(am_list_splice(d, l, 1, 2, v, 2));
	shows(d, "{\"l\":[\"a\",1,2,\"d\",\"e\"]}");
	ok(am_list_splice(d, l, 3, 100, NULL, 0)); /* past the end: to the end */
	shows(d, "{\"l\":[\"a\",1,2]}");
	ok(am_list_splice(d, l, 3, -2, v, 1)); /* backwards */
	shows(d, "{\"l\":[\"a\",1]}");
}

static void test_objects_in_lists(void **state)
{
	am_doc *d = doc('a');
	am_objid l = put_new(d, AM_ROOT, "l", AM_LIST), m = insert_new(d, l, 0, AM_MAP);
	am_objid t = insert_new(d, l, 1, AM_TEXT);

	(void)state;
	put(d, m, "done", yes());
	splice(d, t, 0, 0, "buy milk");
	put_new(d, m, "tags", AM_LIST);
	shows(reload(d, 'b'), "{\"l\":[{\"done\":true,\"tags\":[]},\"buy milk\"]}");
	ok(am_list_delete(d, l, 0));
	shows(reload(d, 'b'), "{\"l\":[\"buy milk\"]}");
}

static void test_overwriting_an_element_keeps_its_place(void **state)
{
	am_doc *d = with_list('a', "x y z");

	(void)state;
	set(d, at(d, "l"), 1, num(5));
	shows(reload(d, 'b'), "{\"l\":[\"x\",5,\"z\"]}");
	put_new(d, AM_ROOT, "other", AM_MAP);
	set(d, at(d, "l"), 1, num(5)); /* nothing new */
	commit(d);
	assert_int_equal(am_op_count(d), 6);
}

/* ---- lists, several writers ---- */

static void test_insertions_at_other_places(void **state)
{
	am_doc *a = with_list('a', "one three"), *b = fork_as(a, 'b');

	(void)state;
	insert(a, at(a, "l"), 1, word("two"));
	insert(b, at(b, "l"), 2, word("four"));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"one\",\"two\",\"three\",\"four\"]}");
}

static void test_insertions_at_one_place_come_in_the_same_order_everywhere(void **state)
{
	am_doc *a = with_list('a', "x"), *b = fork_as(a, 'b');

	(void)state;
	insert(a, at(a, "l"), 1, word("of a"));
	insert(b, at(b, "l"), 1, word("of b"));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"x\",\"of b\",\"of a\"]}"); /* the later operation stands first */
}

static void test_runs_inserted_at_one_place_are_not_mixed(void **state)
{
	am_doc *a = with_list('a', "z"), *b = fork_as(a, 'b');

	(void)state;
	for (int i = 0; i < 3; i++) {
		insert(a, at(a, "l"), (size_t)i, word("a"));
		insert(b, at(b, "l"), (size_t)i, word("b"));
	}
	meet(a, b);
	both_show(a, b, "{\"l\":[\"b\",\"b\",\"b\",\"a\",\"a\",\"a\",\"z\"]}");
}

static void test_an_insertion_knows_what_was_there_before(void **state)
{
	am_doc *a = with_list('b', "two"), *b = fork_as(a, 'a'); /* the lesser actor inserts second */

	(void)state;
	insert(b, at(b, "l"), 0, word("one"));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"one\",\"two\"]}");
	insert(a, at(a, "l"), 0, word("zero"));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"zero\",\"one\",\"two\"]}");
}

static void test_writing_backwards_by_turns(void **state)
{
	am_doc *a = with_list('a', "four"), *b = fork_as(a, 'b');

	(void)state;
	insert(b, at(b, "l"), 0, word("three"));
	meet(a, b);
	insert(a, at(a, "l"), 0, word("two"));
	meet(a, b);
	insert(b, at(b, "l"), 0, word("one"));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"one\",\"two\",\"three\",\"four\"]}");
}

static void test_an_insertion_behind_a_deleted_element(void **state)
{
	am_doc *a = with_list('a', "x y z"), *b = fork_as(a, 'b');

	(void)state;
	ok(am_list_splice(a, at(a, "l"), 0, 2, NULL, 0));
	insert(b, at(b, "l"), 2, word("behind y"));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"behind y\",\"z\"]}");
}

static void test_one_element_deleted_twice(void **state)
{
	am_doc *a = with_list('a', "x y z"), *b = fork_as(a, 'b');

	(void)state;
	ok(am_list_delete(a, at(a, "l"), 1));
	ok(am_list_delete(b, at(b, "l"), 1));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"x\",\"z\"]}");
	both_show(a, reload(b, 'c'), "{\"l\":[\"x\",\"z\"]}");
}

static void test_an_element_written_to_outlives_its_deletion(void **state)
{
	am_doc *a = with_list('a', "x y z"), *b = fork_as(a, 'b');

	(void)state;
	set(a, at(a, "l"), 1, word("kept"));
	ok(am_list_splice(b, at(b, "l"), 0, 3, NULL, 0));
	meet(a, b);
	both_show(a, b, "{\"l\":[\"kept\"]}");
	insert(a, at(a, "l"), 0, num(0));
	insert(a, at(a, "l"), 2, num(2));
	meet(a, b);
	both_show(b, reload(a, 'c'), "{\"l\":[0,\"kept\",2]}");
}

static void test_one_element_written_by_two(void **state)
{
	am_doc *a = with_list('a', "x"), *b = fork_as(a, 'b');

	(void)state;
	set(a, at(a, "l"), 0, num(1));
	set(b, at(b, "l"), 0, num(2));
	meet(a, b);
	holds_at(a, at(a, "l"), 0, "1 | 2");
	assert_same_doc(a, b);
	set(a, at(a, "l"), 0, num(3));
	meet(a, b);
	holds_at(b, at(b, "l"), 0, "3");
}

static void test_a_map_and_a_word_in_one_element(void **state)
{
	am_doc *a = with_list('a', "x"), *b = fork_as(a, 'b');
	am_objid m;

	(void)state;
	ok(am_list_put_object(a, at(a, "l"), 0, AM_MAP, &m));
	put(a, m, "k", num(1));
	set(b, at(b, "l"), 0, word("w"));
	meet(a, b);
	holds_at(b, at(b, "l"), 0, "{} | w");
	both_show(a, b, "{\"l\":[\"w\"]}");
	ok(am_list_delete(b, at(b, "l"), 0)); /* both go */
	meet(a, b);
	both_show(a, b, "{\"l\":[]}");
}

static void test_writing_the_winning_element_again_ends_its_conflict(void **state)
{
	am_doc *a = with_list('a', "x"), *b = fork_as(a, 'b');

	(void)state;
	set(a, at(a, "l"), 0, num(1));
	set(b, at(b, "l"), 0, num(2));
	meet(a, b);
	set(a, at(a, "l"), 0, num(2));
	commit(a);
	meet(a, b);
	holds_at(b, at(b, "l"), 0, "2");
	assert_same_doc(a, reload(b, 'c'));
}

static void test_edits_at_several_depths(void **state)
{
	am_doc *a = doc('a'), *b;
	am_objid m = put_new(a, AM_ROOT, "animals", AM_MAP), l = put_new(a, m, "birds", AM_LIST);

	(void)state;
	insert(a, l, 0, word("sparrow"));
	commit(a);
	b = fork_as(a, 'b');
	insert(a, l, 1, word("owl"));
	put(b, at(b, "animals"), "cats", num(2));
	put(b, AM_ROOT, "plants", num(0));
	meet(a, b);
	both_show(a, b, "{\"animals\":{\"birds\":[\"sparrow\",\"owl\"],\"cats\":2},\"plants\":0}");
}

static void test_a_deep_edit_in_a_deleted_element(void **state)
{
	am_doc *a = doc('a'), *b;
	am_objid l = put_new(a, AM_ROOT, "l", AM_LIST), m = insert_new(a, l, 0, AM_MAP);

	(void)state;
	insert(a, l, 1, word("rest"));
	commit(a);
	b = fork_as(a, 'b');
	ok(am_list_delete(a, l, 0));
	put(b, m, "late", num(1)); /* a fork knows its source's objects */
	meet(a, b);
	both_show(a, b, "{\"l\":[\"rest\"]}");
}

/* ---- text ---- */

static void test_typing_and_deleting(void **state)
{
	am_doc *d = with_text('a', "helo");
	am_objid t = at(d, "t");

	(void)state;
	splice(d, t, 2, 0, "l");
	splice(d, t, 5, 0, " world");
	splice(d, t, 0, 1, "H");
	splice(d, t, 5, 6, "");
	reads(d, "t", "Hello");
	reads(reload(d, 'b'), "t", "Hello");
	fails(am_text_splice(d, t, 6, 0, K("x")), AM_E_INDEX);
	splice(d, t, 5, 9, "!"); /* nothing left to delete */
	reads(d, "t", "Hello!");
}

static void test_deleting_backwards(void **state)
{
	am_doc *d = with_text('a', "abcdef");
	am_objid t = at(d, "t");

	(void)state;
	splice(d, t, 4, -2, "X");
	reads(d, "t", "abXef");
	assert_true(am_text_splice(d, t, 2, -3, K("")) < 0);
	reads(d, "t", "abXef");
}

static void test_two_people_type_at_once(void **state)
{
	am_doc *a = with_text('a', "the fox"), *b = fork_as(a, 'b');

	(void)state;
	splice(a, at(a, "t"), 4, 0, "quick ");
	splice(b, at(b, "t"), 7, 0, " jumps");
	splice(b, at(b, "t"), 0, 3, "A");
	meet(a, b);
	both_show(a, b, "{\"t\":\"A quick fox jumps\"}");
}

static void test_words_typed_at_one_place_stay_whole(void **state)
{
	am_doc *a = with_text('a', "()"), *b = fork_as(a, 'b');

	(void)state;
	splice(a, at(a, "t"), 1, 0, "alpha");
	splice(b, at(b, "t"), 1, 0, "beta");
	meet(a, b);
	both_show(a, b, "{\"t\":\"(betaalpha)\"}");
}

static void test_what_one_deletes_the_other_may_type_into(void **state)
{
	am_doc *a = with_text('a', "hello"), *b = fork_as(a, 'b');

	(void)state;
	splice(a, at(a, "t"), 0, 5, "");
	splice(b, at(b, "t"), 2, 0, "XY");
	meet(a, b);
	both_show(a, b, "{\"t\":\"XY\"}");
}

static void test_overlapping_deletions(void **state)
{
	am_doc *a = with_text('a', "0123456789"), *b = fork_as(a, 'b');

	(void)state;
	splice(a, at(a, "t"), 2, 4, "");
	splice(b, at(b, "t"), 4, 4, "");
	meet(a, b);
	both_show(a, b, "{\"t\":\"0189\"}");
	both_show(a, reload(a, 'c'), "{\"t\":\"0189\"}");
}

static void test_positions_count_the_chosen_unit(void **state)
{
	static const struct { am_text_unit unit; size_t length, behind; } cases[] = {
		{AM_UNIT_CODEPOINT, 6, 2}, {AM_UNIT_UTF16, 9, 3}, {AM_UNIT_UTF8, 17, 5}, {AM_UNIT_GRAPHEME, 4, 2}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		am_doc *d = doc_in('a', cases[i].unit);
		am_objid t = put_new(d, AM_ROOT, "t", AM_TEXT);

		splice(d, t, 0, 0, "a" SMILE FAMILY "z");
		assert_int_equal(am_length(d, NULL, t), cases[i].length);
		splice(d, t, cases[i].behind, 0, "!");
		reads(d, "t", "a" SMILE "!" FAMILY "z");
		splice(d, t, 1, (ptrdiff_t)(cases[i].behind - 1), "");
		reads(d, "t", "a!" FAMILY "z");
	}
}

static void test_units_do_not_show_in_the_file(void **state)
{
	am_doc *d[3];
	am_buf b[3] = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		d[i] = doc_in('a', (am_text_unit)i);
		splice(d[i], put_new(d[i], AM_ROOT, "t", AM_TEXT), 0, 0, "a" SMILE "z");
		ok(am_save(d[i], 0, &b[i]));
	}
	for (int i = 1; i < 3; i++) {
		assert_int_equal(b[0].n, b[i].n);
		assert_memory_equal(b[0].p, b[i].p, b[0].n);
	}
	for (int i = 0; i < 3; i++)
		am_buf_free(&b[i]);
}

static void test_a_position_inside_a_pair(void **state)
{
	am_doc *d = with_text('a', "a" SMILE "z");
	am_objid t = at(d, "t");

	(void)state;
	splice(d, t, 2, 0, "!"); /* an insertion goes behind the pair */
	reads(d, "t", "a" SMILE "!z");
	splice(d, t, 2, 1, ""); /* a deletion spares it */
	reads(d, "t", "a" SMILE "z");
}

static void test_text_holds_more_than_characters(void **state)
{
	am_doc *d = with_text('a', "ab");
	am_objid t = at(d, "t"), m;
	am_value v = word("long");

	(void)state;
	ok(am_list_insert(d, t, 1, &v)); /* one element, four units */
	assert_int_equal(am_length(d, NULL, t), 6);
	reads(d, "t", "alongb");
	ok(am_split_block(d, t, 6, &m));
	reads(d, "t", "alongb\xef\xbf\xbc");
	assert_int_equal(am_length(d, NULL, t), 7);
	splice(d, t, 1, 4, "");
	reads(reload(d, 'b'), "t", "ab\xef\xbf\xbc");
}

static void test_one_character_written_by_two(void **state)
{
	am_doc *a = with_text('a', "abc"), *b = fork_as(a, 'b');

	(void)state;
	set(a, at(a, "t"), 1, word("XX"));
	set(b, at(b, "t"), 1, word("YYY"));
	meet(a, b);
	both_show(a, b, "{\"t\":\"aYYYc\"}");
	assert_int_equal(am_length(a, NULL, at(a, "t")), 5);
	splice(a, at(a, "t"), 4, 1, "!");
	reads(a, "t", "aYYY!");
}

static void test_updating_text_finds_the_difference(void **state)
{
	am_doc *a = with_text('a', "the quick fox"), *b = fork_as(a, 'b');

	(void)state;
	ok(am_text_update(a, at(a, "t"), K("the quack fox")));
	ok(am_text_update(b, at(b, "t"), K("The quick foxes")));
	meet(a, b);
	both_show(a, b, "{\"t\":\"The quack foxes\"}");
}

static void test_updating_text_with_itself_makes_no_change(void **state)
{
	am_doc *d = with_text('a', "same " SMILE FAMILY);

	(void)state;
	ok(am_text_update(d, at(d, "t"), K("same " SMILE FAMILY)));
	commit(d);
	assert_int_equal(am_change_count(d), 1);
}

static void test_updating_text_never_cuts_a_cluster(void **state)
{
	am_doc *a = with_text('a', FAMILY), *b = fork_as(a, 'b');

	(void)state;
	ok(am_text_update(a, at(a, "t"), K("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"))); /* another family */
	ok(am_text_update(b, at(b, "t"), K(FAMILY "!")));
	meet(a, b);
	both_show(a, b, "{\"t\":\"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7!\"}");
}

static void test_invalid_utf8_is_refused(void **state)
{
	am_doc *d = with_text('a', "x");

	(void)state;
	assert_true(am_text_splice(d, at(d, "t"), 0, 0, "\xff", 1) < 0);
	assert_true(am_text_update(d, at(d, "t"), "\xc3", 1) < 0);
	assert_true(am_map_put(d, AM_ROOT, "\x80", 1, &(am_value){.type = AM_NULL}) < 0);
	reads(d, "t", "x");
}

static void test_a_long_text_typed_in_many_changes(void **state)
{
	am_doc *a = with_text('a', ""), *b = fork_as(a, 'b');
	char want[601] = "";

	(void)state;
	for (int i = 0; i < 300; i++) {
		splice(a, at(a, "t"), (size_t)i, 0, i % 2 ? "b" : "a");
		commit(a);
		want[i] = i % 2 ? 'b' : 'a';
	}
	ok(am_merge(b, a));
	reads(b, "t", want);
	for (int i = 0; i < 100; i++)
		splice(b, at(b, "t"), 100, 1, "");
	memmove(want + 100, want + 200, 101);
	meet(a, b);
	reads(a, "t", want);
	reads(reload(a, 'c'), "t", want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(test_a_list_grows_anywhere),
		scenario(test_positions_past_the_end_are_refused),
		scenario(test_splicing_values),
		scenario(test_objects_in_lists),
		scenario(test_overwriting_an_element_keeps_its_place),
		scenario(test_insertions_at_other_places),
		scenario(test_insertions_at_one_place_come_in_the_same_order_everywhere),
		scenario(test_runs_inserted_at_one_place_are_not_mixed),
		scenario(test_an_insertion_knows_what_was_there_before),
		scenario(test_writing_backwards_by_turns),
		scenario(test_an_insertion_behind_a_deleted_element),
		scenario(test_one_element_deleted_twice),
		scenario(test_an_element_written_to_outlives_its_deletion),
		scenario(test_one_element_written_by_two),
		scenario(test_a_map_and_a_word_in_one_element),
		scenario(test_writing_the_winning_element_again_ends_its_conflict),
		scenario(test_edits_at_several_depths),
		scenario(test_a_deep_edit_in_a_deleted_element),
		scenario(test_typing_and_deleting),
		scenario(test_deleting_backwards),
		scenario(test_two_people_type_at_once),
		scenario(test_words_typed_at_one_place_stay_whole),
		scenario(test_what_one_deletes_the_other_may_type_into),
		scenario(test_overlapping_deletions),
		scenario(test_positions_count_the_chosen_unit),
		scenario(test_units_do_not_show_in_the_file),
		scenario(test_a_position_inside_a_pair),
		scenario(test_text_holds_more_than_characters),
		scenario(test_one_character_written_by_two),
		scenario(test_updating_text_finds_the_difference),
		scenario(test_updating_text_with_itself_makes_no_change),
		scenario(test_updating_text_never_cuts_a_cluster),
		scenario(test_invalid_utf8_is_refused),
		scenario(test_a_long_text_typed_in_many_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
