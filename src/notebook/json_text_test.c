#include "notebook/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct json_tree tree(const char *s)
{
	struct json_tree t;

	assert_int_equal(json_tree_parse(s, strlen(s), &t, NULL), 0);
	return t;
}

static void expect_over(const char *base, const char *value, const char *want)
{
	struct json_tree b = tree(base), v = tree(value);
	struct json_style style;
	struct buf out = {0};

	json_style_detect(base, strlen(base), &b, &style);
	json_render_over(&out, &style, 0, &v, 0, &b, 0, true);
	assert_string_equal(buf_cstr(&out), want);
	buf_free(&out);
	json_tree_fini(&b);
	json_tree_fini(&v);
}

static void test_accepts(void **state)
{
	static const char *good[] = {
		"{}", "[]", "0", "-0", "1e5", "1.5E-3", "\"\"", "true", "null", " [1 , 2] ", "NaN", "-Infinity", "Infinity",
		"\"\\ud800\"", "\"\\ud83d\\ude00\"", "{\"a\":1,\"a\":2}", "\xef\xbb\xbf{}", "123456789012345678901234567890",
	};
	static const char *bad[] = {
		"", "{", "[1,]", "{\"a\"}", "{\"a\":}", "01", "1.", "+1", "'a'", "[1 2]", "nul", "\"\n\"", "\"\\x\"",
		"\"\\u12g4\"", "{}x", "\"\xff\"", "\"\xed\xa0\x80\"", "{1:2}", "-", "[", "]", "\"abc", "{\"a\":1,}",
	};
	struct json_tree t;
	struct json_error error;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		t = tree(good[i]);
		json_tree_fini(&t);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_not_equal(json_tree_parse(bad[i], strlen(bad[i]), &t, &error), 0);
		assert_non_null(error.what);
	}
}

static void test_depth(void **state)
{
	char s[2 * (JSON_TEXT_DEPTH_MAX + 1)];
	struct json_tree t;
	struct buf out = {0};

	(void)state;
	memset(s, '[', JSON_TEXT_DEPTH_MAX);
	memset(s + JSON_TEXT_DEPTH_MAX, ']', JSON_TEXT_DEPTH_MAX);
	assert_int_equal(json_tree_parse(s, (size_t)2 * JSON_TEXT_DEPTH_MAX, &t, NULL), 0);
	json_render_compact(&out, &t, 0, false);
	assert_int_equal(out.n, 2 * JSON_TEXT_DEPTH_MAX);
	buf_free(&out);
	json_tree_fini(&t);
	memset(s, '[', JSON_TEXT_DEPTH_MAX + 1);
	memset(s + JSON_TEXT_DEPTH_MAX + 1, ']', JSON_TEXT_DEPTH_MAX + 1);
	assert_int_not_equal(json_tree_parse(s, sizeof s, &t, NULL), 0);
}

static void test_access(void **state)
{
	struct json_tree t = tree("{\"a\": 1, "
				  "\"b\": [true, \"x\\u00e9\\ud800\\ud83d\\ude00\\n\"], \"a\": -7, \"\\u0061b\": 2.0}");
	uint32_t list, node;
	int64_t i;
	uint64_t u;
	char *s;
	size_t n;

	(void)state;
	assert_true(json_tree_i64(&t, json_tree_get(&t, 0, "a"), &i));
	assert_int_equal(i, -7);
	assert_false(json_tree_u64(&t, json_tree_get(&t, 0, "a"), &u));
	assert_false(json_tree_i64(&t, json_tree_get(&t, 0, "ab"), &i));
	assert_true(json_tree_f64(&t, json_tree_get(&t, 0, "ab")) == 2.0);
	assert_int_equal(json_tree_get(&t, 0, "c"), JSON_NONE);
	list = json_tree_get(&t, 0, "b");
	assert_int_equal(t.nodes[list].n, 2);
	node = json_tree_next(&t, list, json_tree_first(&t, list));
	s = json_tree_dup(&t, node, &n);
	assert_string_equal(s, "x\xc3\xa9\xef\xbf\xbd\xf0\x9f\x98\x80\n");
	assert_int_equal(n, strlen(s));
	free(s);
	assert_int_equal(json_tree_next(&t, list, node), JSON_NONE);
	json_tree_fini(&t);
}

static bool equal(const char *a, const char *b, bool lines)
{
	struct json_tree ta = tree(a), tb = tree(b);
	bool same = json_tree_equal(&ta, 0, &tb, 0, lines);

	json_tree_fini(&ta);
	json_tree_fini(&tb);
	return same;
}

static void test_equal(void **state)
{
	(void)state;
	assert_true(equal("{\"a\":1,\"b\":[2]}", "{ \"b\": [2], \"\\u0061\": 1 }", false));
	assert_true(equal("{\"a\":1,\"a\":2}", "{\"a\":2}", false));
	assert_false(equal("{\"a\":1}", "{\"a\":1,\"b\":1}", false));
	assert_false(equal("1", "1.0", false));
	assert_true(equal("1e2", "100.0", false));
	assert_true(equal("1000000000000000000000", "1e21", false));
	assert_true(equal("NaN", "null", false));
	assert_true(equal("-0", "0", false));
	assert_false(equal("[\"a\\n\",\"b\"]", "\"a\\nb\"", false));
	assert_true(equal("[\"a\\n\",\"b\"]", "\"a\\nb\"", true));
	assert_false(equal("{\"x/json\":[\"a\"]}", "{\"x/json\":\"a\"}", true));
	assert_false(equal("{\"traceback\":[\"a\",\"b\"]}", "{\"traceback\":[\"ab\"]}", true));
	assert_true(equal("{\"text\":[\"a\",\"b\"]}", "{\"text\":\"ab\"}", true));
}

static void test_render_over(void **state)
{
	(void)state;
	/* Number text, escapes, order and layout of what did not change stay. */
	expect_over("{\n  \"z\": 1E2,\n  \"a\": \"\\/x\",\n  \"l\": [1,2]\n}", "{\"a\":\"/x\",\"l\":[1,2],\"z\":100.0}",
		    "{\n  \"z\": 1E2,\n  \"a\": \"\\/x\",\n  \"l\": [1,2]\n}");
	expect_over("{\n  \"z\": 1E2,\n  \"a\": -0\n}", "{\"a\":0,\"n\":{\"y\":[]},\"z\":3}",
		    "{\n  \"z\": 3,\n  \"a\": -0,\n  \"n\": {\n    \"y\": []\n  }\n}");
	/* Sorted keys take new ones in their place, removed ones go. */
	expect_over("{\n \"a\": 1,\n \"c\": 2,\n \"d\": 3\n}", "{\"b\":0,\"a\":1,\"d\":3,\"e\":4}",
		    "{\n \"a\": 1,\n \"b\": 0,\n \"d\": 3,\n \"e\": 4\n}");
	/* One line, tight and loose. */
	expect_over("{\"a\":1,\"b\":[1,{\"x\":2}]}", "{\"a\":2,\"b\":[1,{\"x\":2},3]}",
		    "{\"a\":2,\"b\":[1,{\"x\":2},3]}");
	expect_over("{\"a\": 1, \"b\": 2}", "{\"a\":1,\"b\":[1,2]}", "{\"a\": 1, \"b\": [1, 2]}");
	/* Elements around an insertion are copied. */
	expect_over("{\"a\": [1.50, 2.50], \"b\": 0}", "{\"a\":[1.5,9,2.5],\"b\":0}", "{\"a\": [1.50, 9, 2.50], \"b\": 0}");
	/* Text in lines stays in lines. */
	expect_over("{\"text\": [\"a\\n\", \"b\"], \"x\": 1}", "{\"text\":\"a\\nb\",\"x\":1}",
		    "{\"text\": [\"a\\n\", \"b\"], \"x\": 1}");
	expect_over("{\"text\": [\"a\\n\", \"b\"], \"x\": 1}", "{\"text\":\"a\\nc\\n\",\"x\":1}",
		    "{\"text\": [\"a\\n\", \"c\\n\"], \"x\": 1}");
	/* ... each line being one, whatever stood in its place. */
	expect_over("{\"source\": [\"a\\n\", [\"b\"]]}", "{\"source\":[\"x\\n\",\"b\"]}",
		    "{\"source\": [\"x\\n\", \"b\"]}");
	expect_over("{\"source\": [\"a\\n\", [\"b\"], 3]}", "{\"source\":[\"a\\n\",\"b\"]}",
		    "{\"source\": [\"a\\n\", \"b\"]}");
	/* Files without non-ASCII bytes but with escapes keep to escapes. */
	expect_over("{\"a\": \"\\u00e9\", \"b\": 1}", "{\"a\":\"\xc3\xa9\",\"b\":\"\xf0\x9f\x98\x80\"}",
		    "{\"a\": \"\\u00e9\", \"b\": \"\\ud83d\\ude00\"}");
	/* A lone surrogate lives on where the text is unchanged. */
	expect_over("{\"a\": \"\\ud800\", \"b\": 1}", "{\"a\":\"\xef\xbf\xbd\",\"b\":2}", "{\"a\": \"\\ud800\", \"b\": 2}");
	expect_over("{\r\n\t\"a\": 1\r\n}", "{\"a\":[2]}", "{\r\n\t\"a\": [\r\n\t\t2\r\n\t]\r\n}");
}

static void test_canonical(void **state)
{
	struct json_tree t = tree("{\"b\":{\"d\":[],\"c\":{}},\"a\":\"\\u0001\\/\\u00e9\"}");
	struct buf out = {0};

	(void)state;
	json_render(&out, &json_style_notebook, 0, &t, 0, true);
	assert_string_equal(buf_cstr(&out),
			    "{\n \"a\": \"\\u0001/\xc3\xa9\",\n \"b\": {\n  \"c\": {},\n  \"d\": []\n }\n}");
	buf_free(&out);
	json_tree_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts), cmocka_unit_test(test_depth),       cmocka_unit_test(test_access),
		cmocka_unit_test(test_equal),   cmocka_unit_test(test_render_over), cmocka_unit_test(test_canonical),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
