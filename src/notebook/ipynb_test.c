#include "notebook/ipynb_impl.h"
#include "notebook/test_support.h"

static const char *const ok_files[] = {
	"bom",     "compact", "crlf", "deep",           "empty",        "indent2", "indent4_no_newline", "no_metadata",
	"strings", "tabs",    "v40",  "one_line_ascii", "reverse_keys", "v41",     "runt_no_version",    "v42",
	"v44",     "v45",     "weird",
};

static struct buf ok_file(size_t i)
{
	char *name = xasprintf("ok/%s.ipynb", ok_files[i]);
	struct buf b = test_file(name);

	free(name);
	buf_cstr(&b);
	return b;
}
#define N_OK (sizeof ok_files / sizeof *ok_files)

static struct ipynb_version *read_ok(const struct buf *file)
{
	struct ipynb_version *v;
	char *reason = NULL;

	if (ipynb_read(file->p, file->n, NULL, &v, &reason) < 0)
		fail_msg("%s", reason);
	return v;
}

/* Read, loaded and saved without an edit: the same bytes, also when every cell
 * has to be compared, and also when nothing is known of its outputs. */
static void test_same_bytes(void **state)
{
	struct test_blobs store;
	struct notebook_blobs blobs;

	(void)state;
	test_blobs_init(&store, &blobs);
	for (size_t i = 0; i < N_OK; i++) {
		struct buf file = ok_file(i);
		struct ipynb_version *v = read_ok(&file), *again = read_ok(&file);
		struct notebook *nb = test_load(v, &blobs, "runtimed:1");
		struct ipynb_export *e = ipynb_export_new();
		uint8_t a[SHA256_BYTES], b[SHA256_BYTES];
		char *s = test_bytes(v, &blobs);

		assert_string_equal(s, (char *)file.p);
		free(s);
		ipynb_sha256(v, &blobs, a);
		sha256(b, file.p, file.n);
		assert_memory_equal(a, b, sizeof a);

		ipynb_export_rebase(e, v, true);
		s = test_export(e, nb, &blobs);
		assert_string_equal(s, (char *)file.p);
		free(s);
		if (strcmp(ok_files[i], "weird") != 0) {
			ipynb_export_free(e);
			e = ipynb_export_new();
			ipynb_export_rebase(e, v, false);
			s = test_export(e, nb, &blobs);
			assert_string_equal(s, (char *)file.p);
			free(s);
			/* As after a restart with a journal. */
			ipynb_match_ids(again, nb);
			ipynb_export_free(e);
			e = ipynb_export_new();
			ipynb_export_rebase(e, again, false);
			s = test_export(e, nb, &blobs);
			assert_string_equal(s, (char *)file.p);
			free(s);
		}
		ipynb_export_free(e);
		notebook_free(nb);
		ipynb_unref(v);
		ipynb_unref(again);
		buf_free(&file);
	}
	test_blobs_fini(&store);
}

static size_t differing_lines(const char *a, const char *b)
{
	size_t head = 0, tail = 0, na = strlen(a), nb = strlen(b), lines = 1;

	while (head < na && head < nb && a[head] == b[head])
		head++;
	while (tail < na - head && tail < nb - head && a[na - 1 - tail] == b[nb - 1 - tail])
		tail++;
	for (size_t i = head; i < nb - tail; i++)
		lines += b[i] == '\n';
	return lines;
}

/* One character typed into each cell in turn: only the line with it differs. */
static void test_small_edits(void **state)
{
	struct test_blobs store;
	struct notebook_blobs blobs;

	(void)state;
	test_blobs_init(&store, &blobs);
	for (size_t i = 0; i < N_OK; i++) {
		struct buf file = ok_file(i);
		struct ipynb_version *v = read_ok(&file), *read;
		struct notebook *nb = test_load(v, &blobs, "runtimed:1");
		struct ipynb_export *e = ipynb_export_new();
		char *reason = NULL, *last = xstrdup((char *)file.p);

		ipynb_export_rebase(e, v, true);
		for (size_t k = 0; k < cells_count(nb); k++) {
			char *source = cell_source(nb, cells_id_at(nb, k), NULL), *s;
			size_t lines;
			assert_int_equal(cell_append_source(nb, cells_id_at(nb, k), "Q", 1), 0);
			s = test_export(e, nb, &blobs);
			lines = differing_lines(last, s);
			/* [] becomes three lines; weird's cells gain ids and lose other oddities. */
			assert_true(lines <= (strcmp(ok_files[i], "weird") == 0 ? 10u : *source ? 2u : 3u));
			assert_int_equal(ipynb_read(s, strlen(s), NULL, &read, &reason), 0);
			assert_int_equal(ipynb_cell_count(read), cells_count(nb));
			ipynb_unref(read);
			free(source);
			free(last);
			last = s;
		}
		free(last);
		ipynb_export_free(e);
		notebook_free(nb);
		ipynb_unref(v);
		buf_free(&file);
	}
	test_blobs_fini(&store);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"array", "cells_object", "empty_file", "latin1", "no_cells",
					  "not_json", "text",     "v3",         "v5"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *name = xasprintf("bad/%s.ipynb", bad[i]), *reason = NULL;
		struct buf b = test_file(name);
		struct ipynb_version *v;

		assert_int_equal(ipynb_read(b.p, b.n, NULL, &v, &reason), -EINVAL);
		assert_non_null(reason);
		assert_true(strlen(reason) > 10);
		free(reason);
		free(name);
		buf_free(&b);
	}
}

static void test_decoding(void **state)
{
	struct test_blobs store;
	struct notebook_blobs blobs;
	struct buf file = test_file("ok/weird.ipynb");
	struct ipynb_version *v;
	struct notebook *nb;
	struct cell c;
	struct buf json = {0};
	char *s;

	(void)state;
	test_blobs_init(&store, &blobs);
	v = read_ok(&file);
	nb = test_load(v, &blobs, "runtimed:1");
	assert_int_equal(cells_count(nb), 3);
	assert_string_equal(ipynb_cell_id(v, 0), "dup");
	assert_string_not_equal(ipynb_cell_id(v, 1), "dup");
	assert_int_equal(cell_read(nb, "dup", &c), 0);
	assert_string_equal(c.source, "a\nb\xef\xbf\xbd");
	assert_string_equal(c.execution_count, "1");
	assert_string_equal(c.metadata, "{\"big\":1.2345678901234568e+29,\"dup\":2,\"esc\":\"/\xc3\xa9\",\"exp\":100000.0,"
					"\"lone\":\"\xef\xbf\xbd\",\"neg\":0}");
	assert_int_equal(c.n_outputs, 2);
	cell_fini(&c);
	s = cell_type(nb, cells_id_at(nb, 2));
	assert_string_equal(s, "plugin-cell");
	free(s);
	/* Top-level uv of old files is readable as runt. */
	assert_int_equal(metadata_snapshot_json(nb, &json), 0);
	assert_string_equal(buf_cstr(&json), "{\"kernelspec\":{\"name\":\"python3\",\"display_name\":\"Py\"},"
					     "\"runt\":{\"schema_version\":\"1\",\"uv\":{\"dependencies\":[\"old\"]}}}");
	buf_free(&json);
	notebook_free(nb);
	ipynb_unref(v);
	buf_free(&file);
	test_blobs_fini(&store);
}

static void test_new_file(void **state)
{
	struct test_blobs store;
	struct notebook_blobs blobs;
	struct notebook *nb;
	struct ipynb_export *e = ipynb_export_new();
	struct cell_init init = {.id = "a", .source = "x\ny", .source_n = 3};
	char hash[BLOB_HASH_TEXT], *s;
	static const char output[] = "{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"1\\n2\","
				     "\"transient\":{}}";

	(void)state;
	test_blobs_init(&store, &blobs);
	assert_int_equal(notebook_new("runtimed:1", &nb), 0);
	s = test_export(e, nb, &blobs);
	assert_string_equal(s, "{\n \"cells\": [],\n \"metadata\": {},\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n");
	free(s);
	assert_int_equal(cell_add_at(nb, 0, &init), 0);
	test_put(&store, output, strlen(output), "x", hash);
	assert_int_equal(cell_append_output(nb, "a", hash, NULL), 0);
	assert_int_equal(cell_append_output(nb, "a", "{\"data\":{\"text/plain\":\"x\\n\",\"image/png\":\"AA==\"},"
						     "\"metadata\":{},\"output_type\":\"display_data\"}", NULL), 0);
	assert_int_equal(cell_append_output(nb, "a", "not json", NULL), 0);
	assert_int_equal(cell_set_execution_count(nb, "a", "2"), 0);
	init = (struct cell_init){.id = "m", .type = "markdown"};
	assert_int_equal(cell_add_at(nb, 1, &init), 0);
	assert_int_equal(metadata_write_default(nb, "python", false, "E"), 0);
	s = test_export(e, nb, &blobs);
	assert_string_equal(s, "{\n \"cells\": [\n  {\n   \"cell_type\": \"code\",\n   \"execution_count\": 2,\n"
			       "   \"id\": \"a\",\n   \"metadata\": {},\n   \"outputs\": [\n    {\n"
			       "     \"name\": \"stdout\",\n     \"output_type\": \"stream\",\n     \"text\": [\n"
			       "      \"1\\n\",\n      \"2\"\n     ]\n    },\n    {\n     \"data\": {\n"
			       "      \"image/png\": \"AA==\",\n      \"text/plain\": [\n       \"x\\n\"\n      ]\n     },\n"
			       "     \"metadata\": {},\n     \"output_type\": \"display_data\"\n    },\n    {\n"
			       "     \"name\": \"stderr\",\n     \"output_type\": \"stream\",\n     \"text\": [\n"
			       "      \"[invalid output JSON]\"\n     ]\n    }\n   ],\n   \"source\": [\n    \"x\\n\",\n"
			       "    \"y\"\n   ]\n  },\n  {\n   \"cell_type\": \"markdown\",\n   \"id\": \"m\",\n"
			       "   \"metadata\": {},\n   \"source\": []\n  }\n ],\n \"metadata\": {\n"
			       "  \"kernelspec\": {\n   \"display_name\": \"Python 3\",\n   \"language\": \"python\",\n"
			       "   \"name\": \"python3\"\n  },\n  \"language_info\": {\n   \"name\": \"python\"\n  },\n"
			       "  \"runt\": {\n   \"env_id\": \"E\",\n   \"schema_version\": \"1\",\n   \"uv\": {\n"
			       "    \"dependencies\": []\n   }\n  }\n },\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n");
	free(s);
	ipynb_export_free(e);
	notebook_free(nb);
	test_blobs_fini(&store);
}

/* Only the touched cell is made anew. */
static void test_sharing(void **state)
{
	struct test_blobs store;
	struct notebook_blobs blobs;
	struct buf file = test_file("ok/v45.ipynb");
	struct ipynb_version *v = read_ok(&file), *one, *two;
	struct notebook_changes c;
	struct ipynb_export *e = ipynb_export_new();
	struct notebook *nb;
	char *s;

	(void)state;
	test_blobs_init(&store, &blobs);
	nb = test_load(v, &blobs, "runtimed:1");
	ipynb_export_rebase(e, v, true);
	assert_int_equal(cell_append_source(nb, "cell-1", "#", 1), 0);
	assert_int_equal(notebook_refresh(nb, &c), 0);
	ipynb_export_note(e, &c);
	notebook_changes_fini(&c);
	assert_int_equal(ipynb_export_snapshot(e, nb, &one), 0);
	for (size_t i = 0; i < 5; i++)
		assert_true((one->cells.p[i] == v->cells.p[i]) == (i != 1));
	/* Typed on before the first one was ever rendered. */
	assert_int_equal(cell_append_source(nb, "cell-1", "#", 1), 0);
	assert_int_equal(notebook_refresh(nb, &c), 0);
	ipynb_export_note(e, &c);
	notebook_changes_fini(&c);
	assert_int_equal(ipynb_export_snapshot(e, nb, &two), 0);
	assert_ptr_equal(two->cells.p[1]->base, v->cells.p[1]);
	s = test_bytes(two, &blobs);
	assert_non_null(strstr(s, "print('two')##"));
	free(s);
	s = test_bytes(one, &blobs);
	assert_null(strstr(s, "print('two')##"));
	free(s);
	/* The older one is written first; the newer stays what comes next. */
	ipynb_export_rebase(e, one, true);
	assert_ptr_equal(ipynb_export_latest(e), two);
	assert_ptr_equal(ipynb_export_baseline(e), one);
	assert_int_equal(cell_delete(nb, "cell-0"), 0);
	assert_int_equal(cell_move_after(nb, "cell-4", NULL), 0);
	s = test_export(e, nb, &blobs);
	assert_null(strstr(s, "Title"));
	free(s);
	assert_int_equal(cells_clear(nb), 0);
	s = test_export(e, nb, &blobs);
	assert_non_null(strstr(s, "\"cells\": [],"));
	free(s);
	ipynb_unref(one);
	ipynb_unref(two);
	ipynb_unref(v);
	ipynb_export_free(e);
	notebook_free(nb);
	buf_free(&file);
	test_blobs_fini(&store);
}

static char *id_of(struct ipynb_version *v, const char *source)
{
	for (size_t i = 0; i < ipynb_cell_count(v); i++) {
		struct ipynb_cell_view view;
		bool same;
		ipynb_cell_view(v, i, &view);
		same = strcmp(view.source, source) == 0;
		ipynb_cell_view_fini(&view);
		if (same)
			return xstrdup(ipynb_cell_id(v, i));
	}
	return NULL;
}

/* Below 4.5 a cell is known by its content and its neighbours. */
static void test_ids_below_45(void **state)
{
#define OLD(cells) "{\"cells\":[" cells "],\"metadata\":{},\"nbformat\":4,\"nbformat_minor\":4}"
#define CODE(source)                                                                                                   \
	"{\"cell_type\":\"code\",\"metadata\":{},\"outputs\":[],\"execution_count\":null,\"source\":\"" source "\"}"
	struct ipynb_version *v = test_read(OLD(CODE("a") "," CODE("b") "," CODE("b") "," CODE("c"))), *w;
	struct ipynb_version *same = test_read(OLD(CODE("a") "," CODE("b") "," CODE("b") "," CODE("c")));
	static const char edited[] = OLD(CODE("b") "," CODE("new") "," CODE("b") "," CODE("cc") "," CODE("a"));
	char *a = id_of(v, "a"), *b = id_of(v, "b"), *c = id_of(v, "c"), *x;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(ipynb_cell_id(v, i), ipynb_cell_id(same, i));
	assert_string_not_equal(ipynb_cell_id(v, 1), ipynb_cell_id(v, 2));
	assert_int_equal(ipynb_read(edited, strlen(edited), v, &w, NULL), 0);
	x = id_of(w, "a");
	assert_string_equal(x, a);
	free(x);
	x = id_of(w, "b");
	assert_string_equal(x, b);
	free(x);
	assert_string_equal(ipynb_cell_id(w, 2), ipynb_cell_id(v, 2));
	x = id_of(w, "cc");
	assert_string_equal(x, c);
	free(x);
	free(a);
	free(b);
	free(c);
	ipynb_unref(v);
	ipynb_unref(w);
	ipynb_unref(same);
}

static void test_metadata_edits(void **state)
{
	struct test_blobs store;
	struct notebook_blobs blobs;
	struct buf file = test_file("ok/v45.ipynb");
	struct ipynb_version *v = read_ok(&file);
	struct ipynb_export *e = ipynb_export_new();
	struct notebook *nb;
	char *s;

	(void)state;
	test_blobs_init(&store, &blobs);
	nb = test_load(v, &blobs, "runtimed:1");
	ipynb_export_rebase(e, v, true);
	assert_int_equal(metadata_add_dependency(nb, false, "pandas>=2"), 0);
	assert_int_equal(metadata_set_raw(nb, "ephemeral", "true", 4), 0);
	s = test_export(e, nb, &blobs);
	assert_non_null(strstr(s, "  \"runt\": {\n   \"schema_version\": \"1\",\n   \"uv\": {\n    \"dependencies\": [\n"
				  "     \"pandas>=2\"\n    ]\n   }\n  }\n },\n"));
	assert_non_null(strstr(s, "\"env\": {\n    \"A\": \"1\"\n   }"));
	assert_null(strstr(s, "ephemeral"));
	assert_non_null(strstr(s, "2.5"));
	free(s);
	s = ipynb_attachments(ipynb_export_latest(e), "cell-0");
	assert_non_null(strstr(s, "x.png"));
	free(s);
	assert_null(ipynb_attachments(ipynb_export_latest(e), "cell-1"));
	/* Code to markdown: nothing of the outputs stays. */
	assert_int_equal(cell_set_type(nb, "cell-1", "markdown"), 0);
	s = test_export(e, nb, &blobs);
	assert_null(strstr(s, "traceback"));
	free(s);
	ipynb_export_free(e);
	ipynb_unref(v);
	notebook_free(nb);
	buf_free(&file);
	test_blobs_fini(&store);
}

static void test_clone(void **state)
{
	struct test_blobs store;
	struct notebook_blobs blobs;
	struct buf file = test_file("ok/v45.ipynb"), out = {0};
	struct ipynb_version *v = read_ok(&file);
	struct ipynb_export *e = ipynb_export_new();
	struct notebook *nb;
	struct cell c;
	static const char snapshot[] = "{\"runt\":{\"schema_version\":\"1\",\"env_id\":\"old\","
				       "\"trust_signature\":\"sig\",\"extra\":1}}";

	(void)state;
	test_blobs_init(&store, &blobs);
	nb = test_load(v, &blobs, "runtimed:1");
	ipynb_export_rebase(e, v, true);
	assert_int_equal(metadata_set_snapshot(nb, snapshot, strlen(snapshot), NULL, NULL), 0);
	assert_int_equal(cell_append_source(nb, "cell-1", " # live", 7), 0);
	assert_int_equal(ipynb_export_clone(e, nb, "fresh", &blobs, &out), 0);
	buf_cstr(&out);
	assert_non_null(strstr((char *)out.p, "\"attachments\""));
	assert_non_null(strstr((char *)out.p, "\"id\": \"cell-1\""));
	assert_non_null(strstr((char *)out.p, " # live"));
	assert_non_null(strstr((char *)out.p, "\"outputs\": []"));
	assert_non_null(strstr((char *)out.p, "\"env_id\": \"fresh\""));
	assert_non_null(strstr((char *)out.p, "\"extra\": 1"));
	assert_null(strstr((char *)out.p, "trust_signature"));
	assert_null(strstr((char *)out.p, "\"execution_count\": 3"));
	assert_int_equal(cell_read(nb, "cell-1", &c), 0);
	assert_int_equal(c.n_outputs, 4);
	cell_fini(&c);
	buf_free(&out);
	ipynb_export_free(e);
	ipynb_unref(v);
	notebook_free(nb);
	buf_free(&file);
	test_blobs_fini(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes),   cmocka_unit_test(test_small_edits), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_decoding),     cmocka_unit_test(test_new_file),    cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_ids_below_45), cmocka_unit_test(test_metadata_edits), cmocka_unit_test(test_clone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
