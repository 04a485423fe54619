/* rooms.md 10 (E3 to E7) and 11.5. */
#include "notebook/fold.h"
#include "notebook/test_support.h"

static struct notebook *fresh(const char *actor)
{
	struct notebook *nb;

	assert_int_equal(notebook_new(actor, &nb), 0);
	return nb;
}

static void add(struct notebook *nb, const char *id, const char *source)
{
	struct cell_init init = {.id = id, .source = source, .source_n = strlen(source)};

	assert_int_equal(cell_add_at(nb, SIZE_MAX, &init), 0);
}

static struct notebook *replica(struct notebook *nb, const char *actor)
{
	am_buf saved = {0};
	struct notebook *peer;

	assert_int_equal(am_save(notebook_doc(nb), 0, &saved), 0);
	assert_int_equal(notebook_load(saved.p, saved.n, actor, &peer, NULL), 0);
	am_buf_free(&saved);
	return peer;
}

/* Both see what the other has. */
static void exchange(struct notebook *a, struct notebook *b)
{
	assert_int_equal(am_merge(notebook_doc(a), notebook_doc(b)), 0);
	assert_int_equal(am_merge(notebook_doc(b), notebook_doc(a)), 0);
	assert_int_equal(notebook_refresh(a, NULL), 0);
	assert_int_equal(notebook_refresh(b, NULL), 0);
}

static void expect_same(struct notebook *a, struct notebook *b)
{
	struct buf x = {0}, y = {0};

	assert_int_equal(cells_snapshot_json(a, &x), 0);
	assert_int_equal(cells_snapshot_json(b, &y), 0);
	assert_string_equal(buf_cstr(&x), buf_cstr(&y));
	buf_free(&x);
	buf_free(&y);
}

static struct fold *fold(struct notebook *s, struct notebook *l, enum fold_kind kind, struct ipynb_version *loaded,
			 struct fold_result *result)
{
	struct fold_opts opts = {.kind = kind, .loaded = loaded, .random = test_random};
	struct fold *f;

	assert_int_equal(fold_run(s, l, &opts, &f, result), 0);
	assert_int_equal(notebook_refresh(s, NULL), 0);
	return f;
}

/* E3, E4: union of two rooms, peers end on one content. */
static void test_union(void **state)
{
	struct notebook *s = fresh("runtimed:s"), *l = fresh("runtimed:l"), *peer;
	struct fold_result r;
	struct fold *f;
	char *id;

	(void)state;
	add(s, "s1", "s");
	add(s, "s2", "s");
	assert_int_equal(notebook_set_id(s, "uuid-s"), 0);
	assert_int_equal(metadata_set_raw(s, "both", "s", 1), 0);
	add(l, "l1", "l");
	add(l, "scaffold", "");
	add(l, "l2", "l");
	assert_int_equal(notebook_set_id(l, "uuid-l"), 0);
	assert_int_equal(metadata_set_raw(l, "both", "l", 1), 0);
	assert_int_equal(metadata_set_raw(l, "only", "l", 1), 0);
	peer = replica(l, "agent:p:1");
	assert_int_equal(fold_check(s, l), 0);
	f = fold(s, l, FOLD_UNION, NULL, &r);
	EXPECT_ORDER(s, "s1", "s2", "l1", "l2");
	assert_int_equal(r.kept, 2);
	assert_int_equal(r.dropped, 1);
	assert_int_equal(r.rescued, 0);
	id = notebook_get_id(s);
	assert_string_equal(id, "uuid-s");
	free(id);
	id = metadata_get_raw(s, "both");
	assert_string_equal(id, "s");
	free(id);
	id = metadata_get_raw(s, "only");
	assert_string_equal(id, "l");
	free(id);
	exchange(s, peer);
	expect_same(s, peer);
	fold_free(f);
	notebook_free(s);
	notebook_free(l);
	notebook_free(peer);
}

/* E5: the same cell id on both sides. */
static void test_collisions(void **state)
{
	struct notebook *s = fresh("runtimed:s"), *l = fresh("runtimed:l"), *peer;
	struct fold_result r;
	struct fold *f;
	size_t rescued = 0;

	(void)state;
	add(s, "same", "x");
	add(s, "differs", "in s");
	add(s, "end", "e");
	add(l, "same", "x");
	add(l, "differs", "in l");
	peer = replica(l, "agent:p:1");
	f = fold(s, l, FOLD_UNION, NULL, &r);
	assert_int_equal(r.dropped, 2);
	assert_int_equal(r.rescued, 1);
	assert_int_equal(cells_count(s), 4);
	expect_source(s, "differs", "in s");
	assert_int_equal(cells_index(s, "differs"), 1);
	expect_source(s, cells_id_at(s, 2), "in l");
	/* Typed into the dropped object before the peer heard of the fold. */
	assert_int_equal(cell_append_source(peer, "same", " late", 5), 0);
	assert_int_equal(cell_append_source(peer, "differs", " late", 5), 0);
	exchange(s, peer);
	assert_int_equal(fold_late(f, s, &rescued), 0);
	assert_int_equal(rescued, 2);
	assert_int_equal(notebook_refresh(s, NULL), 0);
	assert_int_equal(cells_count(s), 5);
	expect_source(s, "same", "x");
	expect_source(s, cells_id_at(s, 1), "x late");
	expect_source(s, cells_id_at(s, 3), "in l late");
	exchange(s, peer);
	expect_same(s, peer);
	/* More of it goes into the same copy; what knows of the fold does not count. */
	assert_int_equal(cell_append_source(peer, "end", "!", 1), 0);
	exchange(s, peer);
	assert_int_equal(fold_late(f, s, &rescued), 0);
	assert_int_equal(rescued, 0);
	fold_free(f);
	notebook_free(s);
	notebook_free(l);
	notebook_free(peer);
}

/* Two late edits that never see each other end in one copy. */
static void test_late_twice(void **state)
{
	struct notebook *s = fresh("runtimed:s"), *l = fresh("runtimed:l"), *p, *q;
	struct fold_result r;
	struct fold *f;
	size_t rescued;

	(void)state;
	add(l, "scaffold", "");
	p = replica(l, "agent:p:1");
	q = replica(l, "agent:q:1");
	add(s, "a", "1");
	f = fold(s, l, FOLD_ABSORB, NULL, &r);
	EXPECT_ORDER(s, "a");
	assert_int_equal(cell_append_source(p, "scaffold", "one", 3), 0);
	exchange(s, p);
	assert_int_equal(fold_late(f, s, &rescued), 0);
	assert_int_equal(rescued, 1);
	assert_int_equal(cells_count(s), 2);
	expect_source(s, cells_id_at(s, 1), "one");
	assert_int_equal(cell_append_source(q, "scaffold", "two", 3), 0);
	exchange(s, q);
	assert_int_equal(fold_late(f, s, &rescued), 0);
	assert_int_equal(rescued, 1);
	assert_int_equal(cells_count(s), 2);
	assert_non_null(cells_id_at(s, 1));
	{
		char *text = cell_source(s, cells_id_at(s, 1), NULL);
		assert_non_null(strstr(text, "one"));
		assert_non_null(strstr(text, "two"));
		free(text);
	}
	fold_free(f);
	notebook_free(s);
	notebook_free(l);
	notebook_free(p);
	notebook_free(q);
}

static void test_replace(void **state)
{
	struct ipynb_version *v = test_read(
		"{\"cells\":[{\"cell_type\":\"raw\",\"id\":\"r1\",\"metadata\":{},\"source\":\"one\"},"
		"{\"cell_type\":\"raw\",\"id\":\"r2\",\"metadata\":{},\"source\":\"two\"}],"
		"\"metadata\":{\"k\":\"l\"},\"nbformat\":4,\"nbformat_minor\":5}");
	struct notebook *s = fresh("runtimed:s"), *l = test_load(v, NULL, "runtimed:l"), *peer;
	struct fold_result r;
	struct fold *f;

	(void)state;
	add(s, "a", "1");
	assert_int_equal(cell_append_source(l, "r2", " edited", 7), 0);
	peer = replica(l, "agent:p:1");
	f = fold(s, l, FOLD_REPLACE, v, &r);
	EXPECT_ORDER(s, "a", "r2");
	assert_int_equal(r.dropped, 1);
	exchange(s, peer);
	expect_same(s, peer);
	fold_free(f);
	notebook_free(s);
	notebook_free(l);
	notebook_free(peer);
	ipynb_unref(v);
}

/* E1, E7: one actor, two histories: refused before anything is touched. */
static void test_clash(void **state)
{
	struct notebook *s = fresh("runtimed:s"), *l = fresh("runtimed:s");
	struct fold_opts opts = {.kind = FOLD_UNION, .random = test_random};
	struct fold *f;

	(void)state;
	add(s, "a", "1");
	assert_int_equal(notebook_commit(s), 0);
	assert_int_equal(fold_check(s, l), 0);
	add(l, "b", "2");
	assert_int_equal(notebook_commit(l), 0);
	assert_int_equal(fold_check(s, l), -EEXIST);
	assert_int_equal(fold_run(s, l, &opts, &f, NULL), -EEXIST);
	EXPECT_ORDER(s, "a");
	EXPECT_ORDER(l, "b");
	notebook_free(s);
	notebook_free(l);
}

/* E4 at random: several peers on both sides type while the rooms are folded. */
static void test_random_schedules(void **state)
{
	uint32_t seed = 3;

	(void)state;
	for (int round = 0; round < 40; round++) {
		struct notebook *s = fresh("runtimed:s"), *l = fresh("runtimed:l"), *p[4];
		struct fold_result r;
		struct fold *f;

		add(s, "s", "s");
		add(l, "sc", "");
		for (int i = 0; i < 4; i++) {
			char *actor = xasprintf("agent:%d:1", i);
			p[i] = replica(i < 2 ? s : l, actor);
			free(actor);
		}
		for (int step = 0; step < 20; step++) {
			int who;
			char *id;
			seed = seed * 1664525u + 1013904223u;
			who = (int)(seed >> 16) % 4;
			id = xasprintf("c%d-%d", who, step);
			add(p[who], id, id);
			if ((seed >> 8) % 2)
				exchange(who < 2 ? s : l, p[who]);
			free(id);
		}
		f = fold(s, l, FOLD_UNION, NULL, &r);
		for (int pass = 0; pass < 2; pass++) {
			for (int i = 0; i < 4; i++) {
				exchange(s, p[i]);
				assert_int_equal(fold_late(f, s, NULL), 0);
				assert_int_equal(notebook_refresh(s, NULL), 0);
			}
		}
		assert_int_equal(cells_count(s), 21);
		assert_false(cells_has(s, "sc"));
		for (int i = 0; i < 4; i++) {
			expect_same(s, p[i]);
			notebook_free(p[i]);
		}
		fold_free(f);
		notebook_free(s);
		notebook_free(l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_union),   cmocka_unit_test(test_collisions), cmocka_unit_test(test_late_twice),
		cmocka_unit_test(test_replace), cmocka_unit_test(test_clash),      cmocka_unit_test(test_random_schedules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
