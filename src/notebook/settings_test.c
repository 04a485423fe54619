#include "notebook/settings.h"
#include "notebook/test_support.h"
#include "notebook/value.h"

static am_doc *load(const char *json, bool *changed)
{
	am_doc *doc;

	assert_int_equal(settings_load(NULL, 0, json, json ? strlen(json) : 0, "actor", 5, &doc, changed), 0);
	return doc;
}

static int apply(am_doc *doc, const char *json, bool *changed)
{
	return settings_apply_json(doc, json, strlen(json), changed);
}

static void expect_mirror(am_doc *doc, const char *want)
{
	struct buf b = {0};

	settings_json(doc, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void test_defaults(void **state)
{
	bool changed = false;
	am_doc *doc = load(NULL, &changed);

	(void)state;
	assert_true(changed);
	expect_mirror(doc, "{\n  \"theme\": \"system\",\n  \"default_runtime\": \"python\",\n"
			   "  \"default_python_env\": \"uv\",\n  \"uv\": {\n    \"default_packages\": []\n  },\n"
			   "  \"conda\": {\n    \"default_packages\": []\n  },\n  \"keep_alive_secs\": 30,\n"
			   "  \"onboarding_completed\": false,\n  \"$schema\": \"./settings.schema.json\"\n}\n");
	am_free(doc);
}

static void test_from_json(void **state)
{
	am_doc *doc = load("{\"theme\":\"dark\",\"default_runtime\":\"TS\",\"default_python_env\":\"Conda\","
			   "\"uv\":{\"default_packages\":[\"a\",1,\"b\"]},\"conda\":{},\"keep_alive_secs\":null,"
			   "\"onboarding_completed\":true}", NULL);
	struct settings s;

	(void)state;
	settings_read(doc, &s);
	assert_string_equal(s.theme, "dark");
	assert_string_equal(s.default_runtime, "deno");
	assert_string_equal(s.default_python_env, "conda");
	assert_int_equal(s.uv_packages.n, 2);
	assert_int_equal(s.keep_alive_secs, 604800);
	assert_true(s.onboarding_completed);
	settings_fini(&s);
	am_free(doc);
}

static void test_watch(void **state)
{
	am_doc *doc = load("{\"uv\":{\"default_packages\":[\"a\"]}}", NULL);
	struct settings s;
	bool changed = false;

	(void)state;
	assert_int_equal(apply(doc, "{", &changed), -EINVAL);
	assert_int_equal(apply(doc, "{\"theme\":\"light\",\"keep_alive_secs\":null,\"x\":1}", &changed), 0);
	assert_true(changed);
	assert_int_equal(apply(doc, "{\"theme\":\"light\",\"keep_alive_secs\":-1,\"x\":1}", &changed), 0);
	assert_false(changed);
	assert_int_equal(apply(doc, "{\"keep_alive_secs\":7,\"uv\":null}", &changed), 0);
	assert_true(changed);
	settings_read(doc, &s);
	assert_int_equal(s.uv_packages.n, 0);
	assert_int_equal(s.keep_alive_secs, 7);
	assert_string_equal(s.theme, "light");
	settings_fini(&s);
	am_free(doc);
}

static void test_old_document(void **state)
{
	am_doc *doc;
	am_value null = {.type = AM_NULL};
	static const char json[] = "{\"conda\":{\"default_packages\":[\"z\"]}}";
	am_buf saved = {0};
	struct settings s;
	bool changed = false;

	(void)state;
	assert_int_equal(am_new(NULL, &doc), 0);
	am_set_actor(doc, "old", 3);
	value_put_str(doc, AM_ROOT, "theme", "purple", 6);
	value_put_str(doc, AM_ROOT, "default_runtime", "Julia", 5);
	value_put_str(doc, AM_ROOT, "default_uv_packages", " a, ,b ", 7);
	am_map_put(doc, AM_ROOT, "keep_alive_secs", 15, &null);
	assert_int_equal(am_save(doc, 0, &saved), 0);
	am_free(doc);
	assert_int_equal(settings_load(saved.p, saved.n, json, strlen(json), "actor", 5, &doc, &changed), 0);
	assert_true(changed);
	settings_read(doc, &s);
	assert_string_equal(s.theme, "system");
	assert_string_equal(s.default_runtime, "Julia");
	assert_string_equal(s.default_python_env, "uv");
	assert_int_equal(s.uv_packages.n, 2);
	assert_string_equal(s.uv_packages.p[1], "b");
	assert_string_equal(s.conda_packages.p[0], "z");
	assert_int_equal(settings_keep_alive(&s), 604800);
	assert_true(s.onboarding_completed);
	s.keep_alive_secs = 1;
	assert_int_equal(settings_keep_alive(&s), 5);
	settings_fini(&s);
	am_buf_free(&saved);
	/* Saved as it is now, it needs no change. */
	assert_int_equal(am_save(doc, 0, &saved), 0);
	am_free(doc);
	assert_int_equal(settings_load(saved.p, saved.n, NULL, 0, "actor2", 6, &doc, &changed), 0);
	assert_false(changed);
	am_free(doc);
	am_buf_free(&saved);
	/* Broken bytes fall back to the JSON. */
	assert_int_equal(settings_load("junk", 4, "{\"theme\":\"dark\"}", 16, "a", 1, &doc, &changed), 0);
	settings_read(doc, &s);
	assert_string_equal(s.theme, "dark");
	settings_fini(&s);
	am_free(doc);
}

static void test_schema(void **state)
{
	struct buf b = {0};
	struct json_tree t;

	(void)state;
	settings_schema(&b);
	assert_int_equal(json_tree_parse(b.p, b.n, &t, NULL), 0);
	assert_true(json_tree_get(&t, json_tree_get(&t, 0, "properties"), "keep_alive_secs") != JSON_NONE);
	assert_int_equal(b.p[b.n - 1], '\n');
	json_tree_fini(&t);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_from_json), cmocka_unit_test(test_watch),
		cmocka_unit_test(test_old_document), cmocka_unit_test(test_schema),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
