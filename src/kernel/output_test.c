/* Manifests and the way back to nbformat (kernels.md 9, documents.md 9.3). */
#include "kernel/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "kernel/json_slice.h"
#include "kernel/test_blobs.h"

static struct test_blobs blobs;

/* The manifest text of an output. */
static char *manifest_of(const char *type, const char *json)
{
	struct output_blobs ops = test_blobs_ops(&blobs);
	char *entry, *display_id;
	enum output_type t;
	struct buf text = {0};
	assert_int_equal(output_store(&ops, type, json, strlen(json), &entry, &display_id, &t), 0);
	assert_true(hex_is_hash(entry, strlen(entry)));
	const struct test_blob *b = map_get(&blobs.map, entry);
	assert_string_equal(b->media_type, OUTPUT_MANIFEST_TYPE);
	assert_int_equal(ops.get(ops.ctx, entry, &text), 0);
	free(entry);
	free(display_id);
	return buf_take(&text, NULL);
}

static void expect_manifest(const char *type, const char *json, const char *want)
{
	char *got = manifest_of(type, json);
	assert_string_equal(got, want);
	free(got);
}

/* Stored and loaded again. */
static void expect_round(const char *json, const char *want)
{
	struct output_blobs ops = test_blobs_ops(&blobs);
	char *entry;
	enum output_type t;
	struct buf text = {0};
	assert_int_equal(output_store(&ops, NULL, json, strlen(json), &entry, NULL, &t), 0);
	assert_int_equal(output_load(&ops, entry, &text), 0);
	assert_string_equal(buf_cstr(&text), want);
	free(entry);
	buf_free(&text);
}

static void test_media(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		bool binary;
	} rows[] = {{"image/png", true},	{"image/svg+xml", false},      {"audio/wav", true},
		    {"video/mp4", true},	{"application/pdf", true},     {"application/json", false},
		    {"application/sql", false}, {"application/graphql", false}, {"application/x-latex", false},
		    {"application/x-tex", false}, {"application/vnd.x.v1+json", false}, {"application/xml", false},
		    {"application/javascript", false}, {"text/plain", false},	{"text/html", false},
		    {"application/octet-stream", true}, {"application/vnd.apache.arrow.stream", true},
		    {"application/mathml+xml", false}, {"model/obj", false}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(output_media_is_binary(rows[i].type, strlen(rows[i].type)), rows[i].binary);
	assert_true(output_media_is_json("application/geo+json", 20));
	assert_false(output_media_is_json("text/json", 9));
}

static void test_manifests(void **state)
{
	(void)state;
	expect_manifest("stream", "{\"name\":\"stdout\",\"text\":\"hi\\n\"}",
			"{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":{\"inline\":\"hi\\n\"}}");
	expect_manifest("display_data",
			"{\"data\":{\"text/plain\":\"x\",\"text/html\":[\"a\",\"b\"]},\"metadata\":{},"
			"\"transient\":{\"display_id\":\"d1\"}}",
			"{\"output_type\":\"display_data\",\"data\":{\"text/plain\":{\"inline\":\"x\"},\"text/html\":"
			"{\"inline\":\"ab\"}},\"transient\":{\"display_id\":\"d1\"}}");
	expect_manifest("execute_result",
			"{\"execution_count\":3,\"data\":{\"application/json\":{\"b\":1,\"a\":NaN}},\"metadata\":"
			"{\"k\":1}}",
			"{\"output_type\":\"execute_result\",\"data\":{\"application/json\":{\"inline\":"
			"\"{\\\"b\\\":1,\\\"a\\\":\\\"NaN\\\"}\"}},\"execution_count\":3,\"metadata\":{\"k\":1}}");
	expect_manifest("error", "{\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":[\"l1\",\"l2\"]}",
			"{\"output_type\":\"error\",\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":{\"inline\":"
			"\"[\\\"l1\\\",\\\"l2\\\"]\"}}");
}

static void test_binary(void **state)
{
	(void)state;
	/* Decoded bytes, always a blob; IPython's old trailing newline and lists are fine (O7). */
	char *a = manifest_of("display_data", "{\"data\":{\"image/png\":\"iVBORw==\"}}");
	char *b = manifest_of("display_data", "{\"data\":{\"image/png\":\"iVBORw==\\n\"}}");
	char *c = manifest_of("display_data", "{\"data\":{\"image/png\":[\"iVBO\",\"Rw==\"]}}");
	assert_string_equal(a, b);
	assert_string_equal(a, c);
	assert_non_null(strstr(a, "\"size\":4}"));
	free(a);
	free(b);
	free(c);
	expect_round("{\"output_type\":\"display_data\",\"data\":{\"image/png\":\"iVBORw==\\n\"},\"metadata\":{}}",
		     "{\"output_type\":\"display_data\",\"data\":{\"image/png\":\"iVBORw==\"},\"metadata\":{}}");
	/* What is no base64 is kept as text. */
	expect_round("{\"output_type\":\"display_data\",\"data\":{\"image/png\":\"<oops>\"},\"metadata\":{}}",
		     "{\"output_type\":\"display_data\",\"data\":{\"image/png\":\"<oops>\"},\"metadata\":{}}");
}

static void test_rounds(void **state)
{
	(void)state;
	expect_round("{\"output_type\":\"execute_result\",\"execution_count\":7,\"data\":{\"text/plain\":"
		     "[\"a\\n\",\"b\"],"
		     "\"application/vnd.x+json\":{\"z\":[1,2.50,12345678901234567890]}},\"metadata\":{\"m\":{}},"
		     "\"transient\":{\"display_id\":\"q\"}}",
		     "{\"output_type\":\"execute_result\",\"data\":{\"text/plain\":\"a\\nb\","
		     "\"application/vnd.x+json\":"
		     "{\"z\":[1,2.50,12345678901234567890]}},\"execution_count\":7,\"metadata\":{\"m\":{}}}");
	expect_round("{\"output_type\":\"stream\",\"name\":\"stderr\",\"text\":[\"x\\n\",\"y\"]}",
		     "{\"output_type\":\"stream\",\"name\":\"stderr\",\"text\":\"x\\ny\"}");
	expect_round("{\"output_type\":\"error\",\"ename\":\"E\",\"evalue\":\"\",\"traceback\":[]}",
		     "{\"output_type\":\"error\",\"ename\":\"E\",\"evalue\":\"\",\"traceback\":[]}");
	expect_round("{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"lone \\ud800 \\ud83d\\ude00\"}",
		     "{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":"
		     "\"lone \xef\xbf\xbd \xf0\x9f\x98\x80\"}");
}

static void test_threshold(void **state)
{
	(void)state;
	struct output_blobs ops = test_blobs_ops(&blobs);
	char text[OUTPUT_INLINE_MAX + 1];
	memset(text, 'a', sizeof text);
	for (size_t n = OUTPUT_INLINE_MAX - 1; n <= OUTPUT_INLINE_MAX; n++) {
		struct output_stream_entry e;
		output_store_stream(&ops, "stdout", text, n, &e);
		assert_int_equal(e.text_hash != NULL, n == OUTPUT_INLINE_MAX);
		assert_true(e.own_entry);
		if (e.text_hash)
			assert_non_null(map_get(&blobs.map, e.text_hash));
		free(e.entry);
		free(e.text_hash);
	}
}

static void test_over_limit(void **state)
{
	(void)state;
	struct output_blobs ops = test_blobs_ops(&blobs);
	struct buf json = {0}, back = {0};
	char *entry;
	enum output_type t;
	buf_append_str(&json, "{\"data\":{\"text/plain\":\"");
	memset(buf_reserve(&json, OUTPUT_BLOB_MAX + 10), 'x', OUTPUT_BLOB_MAX + 10);
	json.n += OUTPUT_BLOB_MAX + 10;
	buf_append_str(&json, "\"}}");
	assert_int_equal(output_store(&ops, "display_data", (const char *)json.p, json.n, &entry, NULL, &t), 0);
	assert_true(strlen(entry) == 64);
	assert_int_equal(output_load(&ops, entry, &back), 0);
	assert_non_null(strstr(buf_cstr(&back), "over the limit of 100 MiB"));
	free(entry);
	buf_free(&json);
	buf_free(&back);
}

static void test_no_store(void **state)
{
	(void)state;
	struct output_blobs ops = test_blobs_ops(&blobs);
	const char *json = "{\"data\":{\"text/plain\":\"x\"},\"metadata\":{}}";
	struct buf back = {0};
	char *entry;
	enum output_type t;
	blobs.fail = -ENOSPC;
	assert_int_equal(output_store(&ops, "display_data", json, strlen(json), &entry, NULL, &t), 0);
	assert_string_equal(entry,
			    "{\"output_type\":\"display_data\",\"data\":{\"text/plain\":\"x\"},\"metadata\":{}}");
	assert_int_equal(output_load(&ops, entry, &back), 0);
	free(entry);
	struct buf big = {0};
	buf_append_str(&big, "{\"data\":{\"text/plain\":\"");
	for (int i = 0; i < 70000; i++)
		buf_append_byte(&big, 'x');
	buf_append_str(&big, "\"}}");
	assert_int_equal(output_store(&ops, "display_data", (const char *)big.p, big.n, &entry, NULL, &t), 0);
	assert_true(strlen(entry) < 1000);
	assert_non_null(strstr(entry, "could not be stored"));
	blobs.fail = 0;
	free(entry);
	buf_free(&big);
	buf_free(&back);
}

static void test_unresolvable(void **state)
{
	(void)state;
	struct output_blobs ops = test_blobs_ops(&blobs);
	struct buf out = {0};
	char hash[65];
	memset(hash, 'a', 64);
	hash[64] = '\0';
	assert_int_equal(output_load(&ops, hash, &out), -ENOENT);
	assert_string_equal(buf_cstr(&out),
			    "{\"output_type\":\"stream\",\"name\":\"stderr\",\"text\":\"[output could not be "
			    "resolved]\"}");
	buf_clear(&out);
	assert_int_equal(output_load(&ops, "{nope", &out), -EINVAL);
	assert_string_equal(buf_cstr(&out),
			    "{\"output_type\":\"stream\",\"name\":\"stderr\",\"text\":\"[invalid output JSON]\"}");
	buf_free(&out);
}

static void test_replace(void **state)
{
	(void)state;
	struct output_blobs ops = test_blobs_ops(&blobs);
	const char *json =
		"{\"data\":{\"text/plain\":\"1\"},\"execution_count\":4,\"transient\":{\"display_id\":\"p\"}}";
	char *entry, *next, *display_id;
	enum output_type t;
	assert_int_equal(output_store(&ops, "execute_result", json, strlen(json), &entry, NULL, &t), 0);
	assert_int_equal(output_replace_data(&ops, entry, "{\"text/plain\":\"2\"}", 18, "{\"a\":1}", 7, &next), 0);
	struct buf text = {0};
	ops.get(ops.ctx, next, &text);
	assert_string_equal(buf_cstr(&text),
			    "{\"output_type\":\"execute_result\",\"data\":{\"text/plain\":{\"inline\":\"2\"}},"
			    "\"execution_count\":4,\"metadata\":{\"a\":1},\"transient\":{\"display_id\":\"p\"}}");
	assert_int_equal(output_inspect(&ops, next, &t, &display_id), 0);
	assert_int_equal(t, OUTPUT_EXECUTE_RESULT);
	assert_string_equal(display_id, "p");
	free(display_id);
	free(entry);
	free(next);
	buf_free(&text);
}

static void test_slices(void **state)
{
	(void)state;
	struct json_slice s;
	static const char *const bad[] = {"", "{", "[1,]", "{\"a\"}", "{\"a\":}", "\"x", "tru", "01x", "[1 2]",
					  "{\"a\":1,}",
					  "\"\\x\"", "\"\\u12g4\"", "nul", "1.", "-", "{1:2}", "[]]"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(json_slice_init(&s, bad[i], strlen(bad[i])), -EINVAL);
	const char *good = " {\"a\": [1, {\"b\": \"\\\"}\"}], \"n\": -1.5e+3, \"a2\":{}, \"k\\u0041\":true} ";
	assert_int_equal(json_slice_init(&s, good, strlen(good)), 0);
	assert_int_equal(json_slice_get(s, "n").n, 7);
	assert_true(json_slice_is_true(json_slice_get(s, "kA")));
	assert_true(json_slice_is_object(json_slice_get(s, "a2")));
	assert_null(json_slice_get(s, "zz").p);
	struct buf deep = {0};
	for (int i = 0; i < 1200; i++)
		buf_append_byte(&deep, '[');
	assert_int_equal(json_slice_init(&s, deep.p, deep.n), -EINVAL);
	buf_free(&deep);
	/* Escapes and characters survive being decoded in small parts. */
	const char *text = "\"a\\u00e9\\ud83d\\ude00\xe2\x82\xac\\n\xf0\x9f\x98\x80z\"";
	struct buf whole = {0}, parts = {0};
	json_slice_init(&s, text, strlen(text));
	json_slice_text(&whole, s);
	for (size_t max = 1; max < 9; max++) {
		buf_clear(&parts);
		for (size_t at = 0; json_slice_text_part(s, &at, max, &parts);)
			;
		assert_string_equal(buf_cstr(&parts), buf_cstr(&whole));
	}
	buf_free(&whole);
	buf_free(&parts);
}

static int teardown(void **state)
{
	(void)state;
	test_blobs_fini(&blobs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_media),	     cmocka_unit_test(test_manifests),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_rounds),	     cmocka_unit_test(test_threshold),
			cmocka_unit_test(test_over_limit),
		cmocka_unit_test(test_no_store),     cmocka_unit_test(test_unresolvable),
			cmocka_unit_test(test_replace),
		cmocka_unit_test(test_slices),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
