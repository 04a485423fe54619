/* What users rely on when documents are forked, merged, saved, loaded and looked at in the past. */
#include "automerge/scenario_test.h"

static am_buf saved(am_doc *d)
{
	am_buf b = {0};

	ok(am_save(d, 0, &b));
	return b;
}

static am_buf chunk_of(am_doc *d, size_t i)
{
	am_buf b = {0};

	ok(am_change_bytes(d, i, &b));
	return b;
}

static void apply_change(am_doc *to, am_doc *from, size_t i)
{
	am_buf b = chunk_of(from, i);

	ok(am_apply(to, b.p, b.n, NULL));
	am_buf_free(&b);
}

/* n changes, each puts its number under "x". */
static am_doc *counted(char actor, int n)
{
	am_doc *d = doc(actor);

	for (int i = 0; i < n; i++) {
		put(d, AM_ROOT, "x", num(i));
		commit(d);
	}
	return d;
}

/* ---- changes and heads ---- */

static void test_an_empty_document(void **state)
{
	am_doc *d = doc('a');
	am_buf b = saved(d);

	(void)state;
	assert_int_equal(heads(d).n, 0);
	assert_int_equal(am_change_count(d), 0);
	assert_int_equal(b.n, 14);
	shows(load_as(b.p, b.n, 'b'), "{}");
	shows(load_as("", 0, 'b'), "{}");
	am_buf_free(&b);
}

static void test_a_commit_of_nothing_is_no_change(void **state)
{
	am_doc *d = doc('a');
	am_hash h, zero = {{0}};

	(void)state;
	ok(am_begin(d));
	ok(am_commit(d, K("message"), 5, &h));
	assert_memory_equal(&h, &zero, sizeof h);
	assert_int_equal(am_change_count(d), 0);
}

static void test_an_empty_change_joins_heads(void **state)
{
	am_doc *a = doc('a'), *b = doc('b');
	am_change_info info;
	am_hash h;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	put(b, AM_ROOT, "y", num(1));
	meet(a, b);
	assert_int_equal(heads(a).n, 2);
	ok(am_empty_change(a, K("merged"), 7, &h));
	assert_int_equal(heads(a).n, 1);
	ok(am_change_at(a, 2, &info));
	assert_int_equal(info.n_ops, 0);
	assert_int_equal(info.n_deps, 2);
	assert_int_equal(info.time, 7);
	assert_int_equal(info.message_n, 6);
	ok(am_merge(b, a));
	assert_same_doc(a, b);
	assert_same_doc(a, reload(a, 'c'));
}

static void test_what_a_change_says_of_itself(void **state)
{
	am_doc *d = doc('a');
	am_change_info info;
	am_hash first, second;
	size_t i;

	(void)state;
	put(d, AM_ROOT, "x", num(1));
	put(d, AM_ROOT, "y", num(1));
	ok(am_commit(d, K("first"), 1700000000, &first));
	put(d, AM_ROOT, "x", num(2));
	ok(am_commit(d, NULL, 0, -1, &second));
	d = reload(d, 'b');
	ok(am_change_find(d, &second, &i));
	ok(am_change_at(d, i, &info));
	assert_int_equal(info.seq, 2);
	assert_int_equal(info.start_op, 3);
	assert_int_equal(info.n_ops, 1);
	assert_int_equal(info.time, -1);
	assert_int_equal(info.message_n, 0);
	assert_int_equal(info.n_deps, 1);
	assert_memory_equal(&info.deps[0], &first, sizeof first);
	assert_true(info.actor_n == 1 && info.actor[0] == 'a');
	ok(am_change_at(d, 0, &info));
	assert_true(info.message_n == 5 && memcmp(info.message, "first", 5) == 0);
	assert_int_equal(info.time, 1700000000);
	fails(am_change_find(d, &(am_hash){{1}}, &i), AM_E_NOT_FOUND);
}

static void test_operation_numbers_go_on_from_the_greatest(void **state)
{
	am_doc *a = counted('a', 5), *b = doc('b');
	am_change_info info;

	(void)state;
	put(b, AM_ROOT, "y", num(1));
	meet(a, b);
	put(b, AM_ROOT, "z", num(1));
	commit(b);
	ok(am_change_at(b, 6, &info));
	assert_int_equal(info.start_op, 6);
	assert_int_equal(info.seq, 2);
}

static void test_changes_since_some_heads(void **state)
{
	am_doc *d = counted('a', 2);
	struct heads then = heads(d);
	am_buf b = {0};
	am_doc *e = reload(d, 'b');

	(void)state;
	put(d, AM_ROOT, "y", num(1));
	commit(d);
	put(d, AM_ROOT, "z", num(1));
	ok(am_save_after(d, then.h, then.n, &b));
	ok(am_apply(e, b.p, b.n, NULL));
	assert_same_doc(d, e);
	assert_int_equal(am_change_count(e), 4);
	ok(am_save_after(d, heads(d).h, heads(d).n, &b));
	assert_int_equal(b.n, 0);
	then.h[0].b[0] ^= 1; /* unknown: as if nothing were named */
	ok(am_save_after(d, then.h, then.n, &b));
	e = doc('c');
	ok(am_apply(e, b.p, b.n, NULL));
	assert_same_doc(d, e);
	am_buf_free(&b);
}

static void test_a_change_twice_is_a_change_once(void **state)
{
	am_doc *a = counted('a', 3), *b = doc('b');

	(void)state;
	for (size_t i = 0; i < 6; i++)
		apply_change(b, a, i / 2);
	assert_int_equal(am_change_count(b), 3);
	assert_same_doc(a, b);
}

static void test_changes_in_any_order(void **state)
{
	am_doc *a = counted('a', 4), *b = doc('b');
	static const size_t order[] = {3, 1, 2, 0};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(am_change_count(b), 0);
		apply_change(b, a, order[i]);
	}
	assert_int_equal(am_change_count(b), 4);
	assert_same_doc(a, b);
}

static void test_waiting_changes_are_saved_too(void **state)
{
	am_doc *a = counted('a', 3), *b = doc('b');
	am_hash *missing;
	size_t n;

	(void)state;
	apply_change(b, a, 2);
	shows(b, "{}");
	ok(am_missing_deps(b, NULL, 0, &missing, &n));
	assert_int_equal(n, 1);
	am_hashes_free(b, missing);
	b = reload(b, 'c');
	apply_change(b, a, 1);
	apply_change(b, a, 0);
	assert_same_doc(a, b);
}

static void test_two_changes_with_one_number_are_refused(void **state)
{
	am_doc *a = doc('a'), *twin = doc('a');
	am_buf b;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	commit(a);
	put(twin, AM_ROOT, "x", num(2));
	commit(twin);
	b = chunk_of(twin, 0);
	fails(am_apply(a, b.p, b.n, NULL), AM_E_DUP_SEQ);
	fails(am_merge(a, twin), AM_E_DUP_SEQ);
	shows(a, "{\"x\":1}");
	am_buf_free(&b);
}

static void test_who_covers_whom(void **state)
{
	am_doc *a = counted('a', 2), *b = fork_as(a, 'b');
	struct heads both, of_a, base = heads(a);

	(void)state;
	put(a, AM_ROOT, "a", num(1));
	of_a = heads(a);
	put(b, AM_ROOT, "b", num(1));
	meet(a, b);
	both = heads(b);
	assert_true(am_covers(b, both.h, both.n, of_a.h, of_a.n));
	assert_true(am_covers(b, of_a.h, of_a.n, base.h, base.n));
	assert_false(am_covers(b, of_a.h, of_a.n, both.h, both.n));
	assert_false(am_covers(b, base.h, base.n, of_a.h, of_a.n));
	base.h[0].b[0] ^= 1;
	assert_false(am_covers(b, both.h, both.n, base.h, base.n));
}

/* ---- forks and merges ---- */

static void test_a_fork_lives_on_its_own(void **state)
{
	am_doc *a = counted('a', 1), *b = fork_as(a, 'b');

	(void)state;
	put(b, AM_ROOT, "x", num(9));
	shows(a, "{\"x\":0}");
	shows(b, "{\"x\":9}");
	ok(am_merge(a, b));
	assert_same_doc(a, b);
}

static void test_a_fork_takes_an_open_transaction_with_it(void **state)
{
	am_doc *a = doc('a'), *b;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	b = fork_as(a, 'b');
	shows(b, "{\"x\":1}");
	assert_int_equal(am_change_count(a), 1);
}

static void test_a_fork_at_older_heads(void **state)
{
	am_doc *a = counted('a', 2), *old;
	struct heads then = heads(a);

	(void)state;
	put(a, AM_ROOT, "later", num(1));
	ok(am_fork_at(a, then.h, then.n, &old));
	keep(old);
	shows(old, "{\"x\":1}");
	ok(am_set_actor(old, "b", 1));
	put(old, AM_ROOT, "y", num(2));
	ok(am_merge(a, old));
	shows(a, "{\"later\":1,\"x\":1,\"y\":2}");
	then.h[0].b[0] ^= 1;
	assert_true(am_fork_at(a, then.h, then.n, &old) < 0);
}

/* A change that names both its own forerunner and somebody's change on top of that. */
static void test_a_fork_at_heads_behind_a_merge(void **state)
{
	am_doc *a = doc('a'), *b, *f;
	struct heads h;

	(void)state;
	put(a, AM_ROOT, "x", num(1));
	commit(a);
	b = fork_as(a, 'b');
	put(b, AM_ROOT, "y", num(2));
	ok(am_merge(a, b));
	put(a, AM_ROOT, "z", num(3));
	h = heads(a);
	put(a, AM_ROOT, "late", num(4));
	ok(am_fork_at(a, h.h, h.n, &f));
	shows(keep(f), "{\"x\":1,\"y\":2,\"z\":3}");
}

static void test_merging_twice_and_with_oneself(void **state)
{
	am_doc *a = counted('a', 3), *b = fork_as(a, 'b');

	(void)state;
	put(b, AM_ROOT, "y", num(1));
	ok(am_merge(a, b));
	ok(am_merge(a, b));
	assert_same_doc(a, b);
	assert_int_equal(am_change_count(a), 4);
	assert_int_equal(heads(a).n, 1);
}

static void test_merge_order_does_not_matter(void **state)
{
	am_doc *base = counted('a', 1), *d[3], *x, *y;

	(void)state;
	for (int i = 0; i < 3; i++) {
		d[i] = fork_as(base, (char)('b' + i));
		put(d[i], AM_ROOT, "x", num(10 + i));
		insert(d[i], put_new(d[i], AM_ROOT, "l", AM_LIST), 0, num(i));
	}
	x = fork_as(base, 'x');
	y = fork_as(base, 'y');
	for (int i = 0; i < 3; i++) {
		ok(am_merge(x, d[i]));
		ok(am_merge(y, d[2 - i]));
	}
	assert_same_doc(x, y);
	holds(x, AM_ROOT, "x", "10 | 11 | 12");
}

static void test_an_actor_that_sorts_before_all_others(void **state)
{
	am_doc *a = doc('m'), *b;
	am_objid l = put_new(a, AM_ROOT, "l", AM_LIST), m = insert_new(a, l, 0, AM_MAP);

	(void)state;
	commit(a);
	b = fork_as(a, 'b');
	put(b, m, "x", num(1));
	insert(b, l, 1, num(2));
	ok(am_merge(a, b));
	put(a, m, "y", num(3)); /* names from before hold */
	insert(a, l, 0, num(0));
	shows(reload(a, 'z'), "{\"l\":[0,{\"x\":1,\"y\":3},2]}");
}

/* ---- saving and loading ---- */

static void test_saving_goes_on_where_it_stopped(void **state)
{
	am_doc *d = counted('a', 2), *e;
	am_buf file = saved(d), more = {0}, all = {0};

	(void)state;
	ok(am_save_incremental(d, &more));
	assert_int_equal(more.n, 0);
	put(d, AM_ROOT, "y", num(1));
	ok(am_save_incremental(d, &more));
	assert_true(more.n > 0);
	all.p = malloc(file.n + more.n);
	memcpy(all.p, file.p, file.n);
	memcpy(all.p + file.n, more.p, more.n);
	e = load_as(all.p, file.n + more.n, 'b');
	assert_same_doc(d, e);
	free(all.p);
	am_buf_free(&file);
	am_buf_free(&more);
}

static void test_a_file_twice_in_a_row_is_the_same_document(void **state)
{
	am_doc *d = counted('a', 3), *e;
	am_buf b = saved(d);
	uint8_t *twice = malloc(2 * b.n);

	(void)state;
	memcpy(twice, b.p, b.n);
	memcpy(twice + b.n, b.p, b.n);
	e = load_as(twice, 2 * b.n, 'b');
	assert_same_doc(d, e);
	assert_int_equal(am_change_count(e), 3);
	free(twice);
	am_buf_free(&b);
}

static void test_two_files_in_a_row_are_merged(void **state)
{
	am_doc *a = counted('a', 2), *b = fork_as(a, 'b'), *c;
	am_buf x, y;
	uint8_t *both;

	(void)state;
	put(a, AM_ROOT, "of a", num(1));
	put(b, AM_ROOT, "of b", num(2));
	x = saved(a);
	y = saved(b);
	both = malloc(x.n + y.n);
	memcpy(both, x.p, x.n);
	memcpy(both + x.n, y.p, y.n);
	c = load_as(both, x.n + y.n, 'c');
	meet(a, b);
	assert_same_doc(a, c);
	free(both);
	am_buf_free(&x);
	am_buf_free(&y);
}

static void test_saving_what_was_loaded_gives_the_same_bytes(void **state)
{
	am_doc *d = doc('b'), *e;
	am_objid t = put_new(d, AM_ROOT, "t", AM_TEXT);
	am_buf x, y;

	(void)state;
	for (int i = 0; i < 50; i++)
		splice(d, t, (size_t)i / 2, i % 7 == 0, "some words ");
	mark(d, t, 3, 9, AM_EXPAND_AFTER, "bold", yes());
	commit(d);
	e = fork_as(d, 'a');
	splice(e, t, 5, 4, "X");
	put(d, AM_ROOT, "c", count(1));
	ok(am_map_increment(d, AM_ROOT, K("c"), 2));
	meet(d, e);
	x = saved(d);
	e = load_as(x.p, x.n, 'c');
	y = saved(e);
	assert_int_equal(x.n, y.n);
	assert_memory_equal(x.p, y.p, x.n);
	am_buf_free(&x);
	am_buf_free(&y);
}

static void test_damaged_files_are_refused(void **state)
{
	am_doc *d = counted('a', 3), *e;
	am_buf b = saved(d);

	(void)state;
	for (size_t n = 1; n < b.n; n++)
		assert_true(am_load(b.p, n, NULL, 0, &e) < 0);
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 0x10;
		assert_true(am_load(b.p, b.n, NULL, 0, &e) < 0);
		b.p[i] ^= 0x10;
	}
	am_buf_free(&b);
}

static void test_what_is_good_before_the_damage_is_kept_on_request(void **state)
{
	am_doc *d = counted('a', 2), *e;
	am_buf file = saved(d), more = {0};
	uint8_t all[4096];

	(void)state;
	put(d, AM_ROOT, "y", num(1));
	ok(am_save_incremental(d, &more));
	memcpy(all, file.p, file.n);
	memcpy(all + file.n, more.p, more.n - 1);
	assert_true(am_load(all, file.n + more.n - 1, NULL, 0, &e) < 0);
	ok(am_load(all, file.n + more.n - 1, NULL, AM_LOAD_PARTIAL, &e));
	shows(keep(e), "{\"x\":1}");
	am_buf_free(&file);
	am_buf_free(&more);
}

static void test_loading_into_a_document_that_lives(void **state)
{
	am_doc *a = counted('a', 2), *b = doc('b');
	am_buf file = saved(a);
	am_load_report r;

	(void)state;
	put(b, AM_ROOT, "mine", num(7));
	ok(am_load_incremental(b, file.p, file.n, &r));
	assert_int_equal(r.applied, 2);
	assert_int_equal(r.bad, 0);
	shows(b, "{\"mine\":7,\"x\":1}");
	ok(am_load_incremental(b, file.p, file.n, &r));
	assert_int_equal(r.applied, 0);
	assert_true(am_load_incremental(b, "garbage!", 8, &r) < 0);
	shows(b, "{\"mine\":7,\"x\":1}");
	am_buf_free(&file);
}

static void test_a_change_whose_forerunners_are_missing_does_not_load_alone(void **state)
{
	am_doc *a = counted('a', 3), *e;
	am_buf b = chunk_of(a, 2);

	(void)state;
	fails(am_load(b.p, b.n, NULL, 0, &e), AM_E_MISSING_DEPS);
	ok(am_load(b.p, b.n, NULL, AM_LOAD_PARTIAL, &e));
	assert_int_equal(am_change_count(keep(e)), 0);
	am_buf_free(&b);
}

static void test_orphans_may_be_left_out_of_a_file(void **state)
{
	am_doc *a = counted('a', 3), *b = doc('b'), *c;
	am_buf file = {0};

	(void)state;
	put(b, AM_ROOT, "y", num(1));
	commit(b);
	apply_change(b, a, 2);
	ok(am_save(b, AM_SAVE_NO_ORPHANS, &file));
	c = load_as(file.p, file.n, 'c');
	apply_change(c, a, 0);
	apply_change(c, a, 1);
	shows(c, "{\"x\":1,\"y\":1}"); /* 2 is not there */
	am_buf_free(&file);
}

/* ---- editing as of then ---- */

static void test_an_edit_as_of_older_heads(void **state)
{
	am_doc *d = counted('a', 1);
	struct heads then = heads(d);

	(void)state;
	put(d, AM_ROOT, "x", num(50));
	commit(d);
	ok(am_begin_at(d, then.h, then.n));
	holds(d, AM_ROOT, "x", "0"); /* within, the past is to be seen */
	put(d, AM_ROOT, "x", num(60));
	holds(d, AM_ROOT, "x", "60");
	commit(d);
	holds(d, AM_ROOT, "x", "50 | 60");
	assert_int_equal(heads(d).n, 2);
	assert_same_doc(d, reload(d, 'b'));
}

static void test_typing_as_of_older_heads(void **state)
{
	am_doc *d = with_text('a', "hello");
	struct heads then = heads(d);

	(void)state;
	splice(d, at(d, "t"), 0, 5, "goodbye");
	commit(d);
	ok(am_begin_at(d, then.h, then.n));
	splice(d, at(d, "t"), 5, 0, " world");
	commit(d);
	reads(d, "t", "goodbye world");
	assert_same_doc(d, reload(d, 'b'));
}

static void test_an_edit_as_of_then_has_an_actor_of_its_own(void **state)
{
	static const uint8_t derived[] = {0x13, 0xb2, 0x23, 0x09, 1, 'a'};
	am_doc *d = counted('a', 1);
	struct heads then = heads(d);
	am_change_info info;

	(void)state;
	put(d, AM_ROOT, "x", num(50));
	commit(d);
	ok(am_begin_at(d, then.h, then.n));
	put(d, AM_ROOT, "y", num(1));
	commit(d);
	ok(am_change_at(d, 2, &info));
	assert_int_equal(info.actor_n, sizeof derived);
	assert_memory_equal(info.actor, derived, sizeof derived);
	assert_int_equal(info.seq, 1);
	assert_int_equal(info.start_op, 3);
	put(d, AM_ROOT, "z", num(1)); /* afterwards the old one again */
	commit(d);
	ok(am_change_at(d, 3, &info));
	assert_int_equal(info.actor_n, 1);
}

static void test_what_is_not_there_yet_is_not_edited(void **state)
{
	am_doc *d = counted('a', 1);
	struct heads then = heads(d);
	am_objid m = put_new(d, AM_ROOT, "later", AM_MAP);
	am_value v = num(1);

	(void)state;
	commit(d);
	ok(am_begin_at(d, then.h, then.n));
	assert_true(am_map_put(d, m, K("x"), &v) < 0);
	ok(am_rollback(d));
	then.h[0].b[0] ^= 1;
	assert_true(am_begin_at(d, then.h, then.n) < 0);
	shows(d, "{\"later\":{},\"x\":0}");
}

/* A change without operations is one: the edit must not become the next of its actor,
 * which nobody could take who has not seen it. */
static void test_an_edit_as_of_then_beside_an_empty_change(void **state)
{
	am_doc *d = counted('a', 1), *e = doc('b');
	struct heads then = heads(d);
	am_buf chunk = {0};
	am_hash edit;
	am_load_report report;
	am_doc *past;

	(void)state;
	ok(am_merge(e, d));
	ok(am_empty_change(d, NULL, 0, 0, NULL));
	ok(am_begin_at(d, then.h, then.n));
	put(d, AM_ROOT, "y", num(1));
	edit = commit(d);
	ok(am_change_bytes(d, am_change_count(d) - 1, &chunk));
	ok(am_apply(e, chunk.p, chunk.n, &report));
	assert_int_equal(report.applied, 1);
	shows(e, "{\"x\":0,\"y\":1}");
	ok(am_fork_at(d, &edit, 1, &past));
	shows(keep(past), "{\"x\":0,\"y\":1}");
	am_buf_free(&chunk);
}

/* What a change says of itself may go into the next one, though it is only borrowed. */
static void test_a_message_and_an_author_of_another_change(void **state)
{
	am_doc *d = counted('a', 0);
	am_change_info info;
	const uint8_t *author;
	size_t n;

	(void)state;
	ok(am_set_author(d, K("somebody with a name of some length")));
	put(d, AM_ROOT, "x", num(1));
	ok(am_commit(d, K("a message of some length"), 0, NULL));
	ok(am_shrink(d)); /* no room left: the next one moves them */
	ok(am_change_at(d, 0, &info));
	put(d, AM_ROOT, "x", num(2));
	ok(am_commit(d, info.message + 2, info.message_n - 2, 0, NULL));
	ok(am_change_at(d, 1, &info));
	assert_int_equal(info.message_n, strlen("message of some length"));
	assert_memory_equal(info.message, "message of some length", info.message_n);
	ok(am_set_actor(d, "b", 1));
	ok(am_set_author(d, NULL, 0));
	put(d, AM_ROOT, "x", num(3));
	author = am_actor_author(d, info.actor_index, &n);
	assert_non_null(author);
	fails(am_set_author(d, author, n), AM_E_TX); /* b has begun without one */
	ok(am_set_actor(d, "c", 1));
	author = am_actor_author(d, info.actor_index, &n);
	ok(am_set_author(d, author + 9, n - 9));
	author = am_author(d, &n);
	assert_int_equal(n, strlen("with a name of some length"));
	assert_memory_equal(author, "with a name of some length", n);
}

static size_t change_of(am_doc *d, am_objid op)
{
	size_t i = SIZE_MAX;

	assert_true(am_change_of(d, op, &i) == (i == SIZE_MAX ? AM_E_NOT_FOUND : AM_OK));
	return i;
}

static void test_who_wrote_a_value(void **state)
{
	am_doc *d = doc('a'), *e;
	am_objid t = put_new(d, AM_ROOT, "t", AM_TEXT);
	am_value v;

	(void)state;
	splice(d, t, 0, 0, "abc");
	commit(d);
	ok(am_empty_change(d, NULL, 0, 0, NULL));
	e = fork_as(d, 'b');
	splice(e, t, 1, 0, "x");
	commit(e);
	splice(d, t, 3, 0, "d");
	put(d, AM_ROOT, "n", num(1));
	meet(d, e);
	assert_int_equal(change_of(d, t), 0);
	ok(am_list_get(d, NULL, t, 0, &v));
	assert_int_equal(change_of(d, v.id), 0);
	ok(am_list_get(d, NULL, t, 1, &v));
	assert_int_equal(change_of(d, v.id), 3);
	ok(am_list_get(d, NULL, t, 4, &v));
	assert_int_equal(change_of(d, v.id), 2);
	ok(am_map_get(d, NULL, AM_ROOT, K("n"), &v));
	assert_int_equal(change_of(d, v.id), 2);
	assert_int_equal(change_of(d, AM_ROOT), SIZE_MAX);
	assert_int_equal(change_of(d, (am_objid){v.id.ctr + 1, v.id.actor}), SIZE_MAX);
	assert_int_equal(change_of(d, (am_objid){UINT32_MAX, UINT32_MAX}), SIZE_MAX);
	assert_int_equal(change_of(doc('c'), v.id), SIZE_MAX);
}

static void test_how_much_a_commit_would_write(void **state)
{
	am_doc *d = counted('a', 1);

	(void)state;
	assert_int_equal(am_pending_ops(d), 0);
	put(d, AM_ROOT, "x", num(0)); /* it is there */
	assert_true(am_in_transaction(d));
	assert_int_equal(am_pending_ops(d), 0);
	put(d, AM_ROOT, "x", num(7));
	drop(d, AM_ROOT, "x");
	assert_int_equal(am_pending_ops(d), 2);
	ok(am_rollback(d));
	assert_int_equal(am_pending_ops(d), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(test_an_empty_document),
		scenario(test_a_commit_of_nothing_is_no_change),
		scenario(test_an_empty_change_joins_heads),
		scenario(test_what_a_change_says_of_itself),
		scenario(test_operation_numbers_go_on_from_the_greatest),
		scenario(test_changes_since_some_heads),
		scenario(test_a_change_twice_is_a_change_once),
		scenario(test_changes_in_any_order),
		scenario(test_waiting_changes_are_saved_too),
		scenario(test_two_changes_with_one_number_are_refused),
		scenario(test_who_covers_whom),
		scenario(test_a_fork_lives_on_its_own),
		scenario(test_a_fork_takes_an_open_transaction_with_it),
		scenario(test_a_fork_at_older_heads),
		scenario(test_a_fork_at_heads_behind_a_merge),
		scenario(test_merging_twice_and_with_oneself),
		scenario(test_merge_order_does_not_matter),
		scenario(test_an_actor_that_sorts_before_all_others),
		scenario(test_saving_goes_on_where_it_stopped),
		scenario(test_a_file_twice_in_a_row_is_the_same_document),
		scenario(test_two_files_in_a_row_are_merged),
		scenario(test_saving_what_was_loaded_gives_the_same_bytes),
		scenario(test_damaged_files_are_refused),
		scenario(test_what_is_good_before_the_damage_is_kept_on_request),
		scenario(test_loading_into_a_document_that_lives),
		scenario(test_a_change_whose_forerunners_are_missing_does_not_load_alone),
		scenario(test_orphans_may_be_left_out_of_a_file),
		scenario(test_an_edit_as_of_older_heads),
		scenario(test_typing_as_of_older_heads),
		scenario(test_an_edit_as_of_then_has_an_actor_of_its_own),
		scenario(test_what_is_not_there_yet_is_not_edited),
		scenario(test_who_wrote_a_value),
		scenario(test_how_much_a_commit_would_write),
		scenario(test_an_edit_as_of_then_beside_an_empty_change),
		scenario(test_a_message_and_an_author_of_another_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
