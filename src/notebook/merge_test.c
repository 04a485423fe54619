#include "notebook/merge.h"
#include "notebook/test_support.h"

/* A file of the given cells: "id:source" with optional "id!type:source". */
static char *file_of(const char *const *cells, const char *metadata)
{
	struct buf b = {0};

	buf_append_str(&b, "{\n \"cells\": [");
	for (size_t i = 0; cells[i]; i++) {
		const char *colon = strchr(cells[i], ':'), *bang = memchr(cells[i], '!', (size_t)(colon - cells[i]));
		const char *type_end = colon;
		size_t id_n = (size_t)((bang ? bang : colon) - cells[i]);

		buf_printf(&b, "%s\n  {\"cell_type\": \"%.*s\", \"id\": \"%.*s\", \"metadata\": {}, \"source\": \"%s\"%s}",
			   i ? "," : "", bang ? (int)(type_end - bang - 1) : 4, bang ? bang + 1 : "code", (int)id_n,
			   cells[i], colon + 1, bang ? "" : ", \"outputs\": [], \"execution_count\": null");
	}
	buf_printf(&b, "\n ],\n \"metadata\": %s,\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n",
		   metadata ? metadata : "{}");
	buf_cstr(&b);
	return buf_take(&b, NULL);
}

struct bench {
	struct test_blobs store;
	struct notebook_blobs blobs;
	struct ipynb_version *base;
	struct ipynb_export *e;
	struct notebook *nb;
	struct merge_opts opts;
	struct merge_result result;
};

static struct bench open_text(const char *text)
{
	struct bench b = {0};

	/* The callbacks' ctx has to outlive the copy. */
	test_blobs_init(&b.store, &b.blobs);
	b.base = test_read(text);
	b.e = ipynb_export_new();
	return b;
}

static void bench_start(struct bench *b)
{
	b->blobs.ctx = &b->store;
	b->nb = test_load(b->base, &b->blobs, "runtimed:1");
	ipynb_export_rebase(b->e, b->base, true);
	b->opts = (struct merge_opts){.blobs = &b->blobs, .random = test_random};
}

static void bench_end(struct bench *b)
{
	notebook_free(b->nb);
	ipynb_export_free(b->e);
	ipynb_unref(b->base);
	test_blobs_fini(&b->store);
}

/* The file now reads `text`; afterwards it is the base of what follows, and the
 * next export is what a save would write over it. */
static char *outside(struct bench *b, const char *text)
{
	struct ipynb_version *theirs;
	char *s, *reason = NULL;

	assert_int_equal(ipynb_read(text, strlen(text), ipynb_export_baseline(b->e), &theirs, &reason), 0);
	assert_int_equal(merge_file(b->nb, ipynb_export_baseline(b->e), theirs, &b->opts, &b->result), 0);
	ipynb_export_rebase(b->e, theirs, false);
	ipynb_unref(theirs);
	s = test_export(b->e, b->nb, &b->blobs);
	return s;
}

static void outside_cells(struct bench *b, const char *const *cells)
{
	char *text = file_of(cells, NULL);

	free(outside(b, text));
	free(text);
}
#define CELLS(...) (const char *const[]){__VA_ARGS__, NULL}
#define OPEN(b, ...)                                                                                                   \
	char *text_ = file_of(CELLS(__VA_ARGS__), NULL);                                                               \
	struct bench b = open_text(text_);                                                                             \
	free(text_);                                                                                                   \
	bench_start(&b)

static void set(struct bench *b, const char *id, const char *source)
{
	assert_int_equal(cell_set_source(b->nb, id, source, strlen(source)), 0);
}

static void test_nothing(void **state)
{
	OPEN(b, "a:1", "b:2");
	char *text = file_of(CELLS("a:1", "b:2"), NULL), *s;

	(void)state;
	s = outside(&b, text);
	assert_false(b.result.changed);
	assert_string_equal(s, text);
	free(s);
	/* Only layout changed: no edit, and the next save keeps the new layout. */
	s = outside(&b, "{\"cells\":[{\"source\":\"1\",\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"outputs\":[],"
			"\"execution_count\":null},{\"source\":\"2\",\"cell_type\":\"code\",\"id\":\"b\",\"metadata\":{},"
			"\"outputs\":[],\"execution_count\":null}],\"metadata\":{},\"nbformat\":4,\"nbformat_minor\":5}");
	assert_false(b.result.changed);
	assert_non_null(strstr(s, "[{\"source\":\"1\","));
	free(s);
	free(text);
	bench_end(&b);
}

/* rooms.md E5: the file edits one cell while the client adds another. */
static void test_both_sides(void **state)
{
	OPEN(b, "a:one\\ntwo\\n", "b:2");
	struct cell_init init = {.id = "n", .source = "mine", .source_n = 4};

	(void)state;
	assert_int_equal(cell_add_after(b.nb, "b", &init), 0);
	set(&b, "a", "one\ntwo\nthree\n");
	outside_cells(&b, CELLS("a:ONE\\ntwo\\n", "x:new", "b:2"));
	EXPECT_ORDER(b.nb, "a", "x", "b", "n");
	expect_source(b.nb, "a", "ONE\ntwo\nthree\n");
	expect_source(b.nb, "x", "new");
	assert_true(b.result.changed);
	assert_int_equal(b.result.added, 1);
	assert_int_equal(b.result.conflicts, 0);
	bench_end(&b);
}

static void test_overlap(void **state)
{
	OPEN(b, "a:x = 1", "b:2");
	struct ipynb_version *theirs;
	char *text;

	(void)state;
	set(&b, "a", "x = 3");
	text = file_of(CELLS("a:x = 2", "b:2"), NULL);
	theirs = test_read(text);
	free(text);
	assert_int_equal(merge_file(b.nb, b.base, theirs, &b.opts, &b.result), 0);
	assert_int_equal(cells_count(b.nb), 3);
	expect_source(b.nb, "a", "x = 3");
	expect_source(b.nb, cells_id_at(b.nb, 1), "x = 2");
	assert_int_equal(b.result.conflicts, 1);
	/* The same bytes once more, with nothing saved in between, bring nothing. */
	assert_int_equal(merge_file(b.nb, theirs, theirs, &b.opts, &b.result), 0);
	assert_false(b.result.changed);
	ipynb_unref(theirs);
	bench_end(&b);
}

static void test_deletions(void **state)
{
	OPEN(b, "a:1", "b:2", "c:3", "d:4");

	(void)state;
	set(&b, "b", "typed here");
	assert_int_equal(cell_delete(b.nb, "c"), 0);
	assert_int_equal(cell_delete(b.nb, "d"), 0);
	/* a unchanged here: goes. b edited here: stays. c gone on both sides.
	 * d deleted here, edited there: comes back. */
	outside_cells(&b, CELLS("d:4 edited"));
	assert_false(cells_has(b.nb, "a"));
	expect_source(b.nb, "b", "typed here");
	assert_false(cells_has(b.nb, "c"));
	expect_source(b.nb, "d", "4 edited");
	bench_end(&b);
}

static void test_own_deletion_stays(void **state)
{
	OPEN(b, "a:1", "b:2");

	(void)state;
	assert_int_equal(cell_delete(b.nb, "a"), 0);
	outside_cells(&b, CELLS("a:1", "b:2 more"));
	EXPECT_ORDER(b.nb, "b");
	expect_source(b.nb, "b", "2 more");
	bench_end(&b);
}

static void test_order(void **state)
{
	OPEN(b, "a:1", "b:2", "c:3", "d:4");
	struct cell_init init = {.id = "n"};
	char *before, *after;

	(void)state;
	assert_int_equal(cell_add_after(b.nb, "b", &init), 0);
	before = cell_position(b.nb, "b");
	outside_cells(&b, CELLS("d:4", "a:1", "b:2", "c:3"));
	after = cell_position(b.nb, "b");
	assert_string_equal(before, after); /* one cell moved, the others did not */
	EXPECT_ORDER(b.nb, "d", "a", "b", "n", "c");
	outside_cells(&b, CELLS("c:3", "b:2", "a:1", "d:4"));
	assert_true(cells_index(b.nb, "c") < cells_index(b.nb, "b"));
	assert_true(cells_index(b.nb, "b") < cells_index(b.nb, "a"));
	assert_true(cells_index(b.nb, "a") < cells_index(b.nb, "d"));
	free(before);
	free(after);
	bench_end(&b);
}

static void test_type_and_metadata(void **state)
{
	static const char base[] =
		"{\"cells\":[{\"cell_type\":\"markdown\",\"id\":\"a\",\"metadata\":{\"k\":1,\"tags\":[\"x\"],\"o\":{\"p\":1}},"
		"\"source\":\"t\"}],\"metadata\":{\"custom\":{\"a\":1,\"b\":1}},\"nbformat\":4,\"nbformat_minor\":5}";
	static const char theirs[] =
		"{\"cells\":[{\"cell_type\":\"raw\",\"id\":\"a\",\"metadata\":{\"k\":2,\"o\":{\"p\":1,\"q\":2}},"
		"\"source\":\"t\"}],\"metadata\":{\"custom\":{\"a\":2,\"b\":1},\"new\":[1]},\"nbformat\":4,"
		"\"nbformat_minor\":5}";
	static const char live[] = "{\"k\":1,\"tags\":[\"x\"],\"o\":{\"p\":5}}";
	struct bench b = open_text(base);
	struct buf json = {0};
	char *s;

	(void)state;
	bench_start(&b);
	assert_int_equal(cell_set_metadata(b.nb, "a", live, strlen(live)), 0);
	assert_int_equal(metadata_set_value(b.nb, "custom", "{\"a\":1,\"b\":9}"), 0);
	free(outside(&b, theirs));
	s = cell_metadata(b.nb, "a");
	assert_string_equal(s, "{\"k\":2,\"o\":{\"p\":5,\"q\":2}}");
	free(s);
	s = cell_type(b.nb, "a");
	assert_string_equal(s, "raw");
	free(s);
	metadata_json(b.nb, &json);
	assert_string_equal(buf_cstr(&json), "{\"custom\":{\"a\":2,\"b\":9},\"new\":[1]}");
	buf_free(&json);
	bench_end(&b);
}

#define RUN(source, count, output)                                                                                     \
	"{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"source\":\"" source                            \
	"\",\"outputs\":[" output "],\"execution_count\":" count "}],\"metadata\":{},\"nbformat\":4,\"nbformat_minor\":5}"
#define OUT(text) "{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"" text "\"}"

static void test_outputs(void **state)
{
	struct bench b = open_text(RUN("1", "1", OUT("one")));
	char *s;

	(void)state;
	bench_start(&b);
	/* No kernel: the file's outputs come in. */
	s = outside(&b, RUN("1", "2", OUT("two")));
	assert_non_null(strstr(s, "two"));
	free(s);
	s = cell_execution_count(b.nb, "a");
	assert_string_equal(s, "2");
	free(s);
	/* With one they do not. */
	b.opts.keep_outputs = true;
	s = outside(&b, RUN("1 # x", "3", OUT("three")));
	assert_null(strstr(s, "three"));
	assert_non_null(strstr(s, "two"));
	free(s);
	expect_source(b.nb, "a", "1 # x");
	/* What was run here since stays, kernel or not. */
	b.opts.keep_outputs = false;
	assert_int_equal(cell_clear_outputs(b.nb, "a"), 0);
	assert_int_equal(cell_append_output(b.nb, "a", OUT("mine"), NULL), 0);
	s = outside(&b, RUN("1 # x", "4", OUT("four")));
	assert_non_null(strstr(s, "mine"));
	assert_null(strstr(s, "four"));
	free(s);
	bench_end(&b);
}

/* Below 4.5 an edited cell is still that cell. */
static void test_without_ids(void **state)
{
#define PLAIN(cells) "{\"cells\":[" cells "],\"metadata\":{},\"nbformat\":4,\"nbformat_minor\":4}"
#define MD(source) "{\"cell_type\":\"markdown\",\"metadata\":{},\"source\":\"" source "\"}"
	struct bench b = open_text(PLAIN(MD("a") "," MD("b") "," MD("c")));
	char *id, *s;

	(void)state;
	bench_start(&b);
	id = xstrdup(cells_id_at(b.nb, 1));
	set(&b, cells_id_at(b.nb, 2), "c here");
	s = outside(&b, PLAIN(MD("a") "," MD("b there") "," MD("c")));
	assert_int_equal(cells_count(b.nb), 3);
	expect_source(b.nb, id, "b there");
	assert_string_equal(s, PLAIN(MD("a") "," MD("b there") "," MD("c here")));
	free(s);
	free(id);
	bench_end(&b);
}

/* A saved edit of ours, then the file goes back: an outside edit like any other. */
static void test_checkout(void **state)
{
	OPEN(b, "a:1");

	(void)state;
	set(&b, "a", "2");
	free(test_export(b.e, b.nb, &b.blobs));
	outside_cells(&b, CELLS("a:1"));
	expect_source(b.nb, "a", "1");
	bench_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),     cmocka_unit_test(test_both_sides),
		cmocka_unit_test(test_overlap),     cmocka_unit_test(test_deletions),
		cmocka_unit_test(test_order),       cmocka_unit_test(test_own_deletion_stays),
		cmocka_unit_test(test_outputs),     cmocka_unit_test(test_type_and_metadata),
		cmocka_unit_test(test_without_ids), cmocka_unit_test(test_checkout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
