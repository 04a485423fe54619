/* What json_parse takes and refuses, whichever release of json-c is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static void check_same(const char *text, const char *wanted)
{
	struct json_object *v = json_parse(text, strlen(text));

	if (!v && wanted && strcmp(wanted, "null"))
		fail_msg("refused: %s", text);
	assert_string_equal(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
			    wanted);
	json_object_put(v);
}

static void test_json(void **state)
{
	static const char *const same[] = {
		"{}", "[]", "0", "-1", "12345678901", "true", "false", "\"\"", "\"a\\\"b\\\\\"", "[1,2,[3,{}]]",
		"{\"a\":{\"b\":[null]}}", "\"\xc3\xa9\"", "{\"\xf0\x9f\x98\x80\":\"\xe4\xb8\xad\xef\xbf\xbf\"}",
		"\"\\u0001\"", "[NaN,Infinity,-Infinity]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		check_same(same[i], same[i]);
	check_same(" \t\r\n{ \"a\" : [ 1 , 2 ] } \n", "{\"a\":[1,2]}");
	check_same("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
	check_same("\"a\nb\"", "\"a\\nb\"");
	check_same("1e3", "1e3");
	check_same("-0.5E-2", "-0.5E-2");
}

static void test_not_json(void **state)
{
	static const char *const bad[] = {
		"", " ", "{", "[", "]", "[1,]", "{\"a\":1,}", "{,}", "[,1]", "{\"a\"}", "{\"a\":}", "{1:2}", "[1 2]",
		"'a'", "{'a':1}", "/* c */ 1", "[1] // c", "01", "-", "1.", ".5", "1e", "+1", "0x10", "TRUE", "Null",
		"nan", "tru", "\"a", "\"a\\", "\"\\x\"", "\"\\u12\"", "[1}", "{\"a\":1]", "1 2", "{}{}", "\"\xff\"",
		"\"\xc3\"", "[\"\xed\xa0\x80\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct json_object *v = json_parse(bad[i], strlen(bad[i]));
		if (v)
			fail_msg("taken: %s", bad[i]);
	}
	assert_null(json_parse("1\0", 2));
}

static void test_depth(void **state)
{
	char text[2 * JSON_DEPTH_MAX + 2];

	(void)state;
	for (size_t depth = JSON_DEPTH_MAX - 2; depth <= JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		if (depth == JSON_DEPTH_MAX - 2)
			check_same((text[2 * depth] = 0, text), text);
		else if (depth > JSON_DEPTH_MAX)
			assert_null(json_parse(text, 2 * depth));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_depth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
