#include "notebook/test_support.h"
#include "notebook/value.h"

static struct notebook *fresh(void)
{
	struct notebook *nb;

	assert_int_equal(notebook_new("runtimed:1", &nb), 0);
	return nb;
}

static void expect_json(struct notebook *nb, const char *want)
{
	struct buf b = {0};

	metadata_json(nb, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void expect_snapshot(struct notebook *nb, const char *want)
{
	struct buf b = {0};

	if (!want) {
		assert_int_equal(metadata_snapshot_json(nb, &b), -ENOENT);
		return;
	}
	assert_int_equal(metadata_snapshot_json(nb, &b), 0);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static bool set(struct notebook *nb, const char *json)
{
	bool changed = false;

	assert_int_equal(metadata_set_snapshot(nb, json, strlen(json), &changed, NULL), 0);
	return changed;
}

static void test_snapshot(void **state)
{
	struct notebook *nb = fresh();
	static const char full[] =
		"{\"kernelspec\":{\"name\":\"python3\",\"display_name\":\"Python 3\",\"language\":\"python\"},"
		"\"language_info\":{\"name\":\"python\",\"version\":\"3.12\"},"
		"\"runt\":{\"schema_version\":\"1\",\"env_id\":\"e\","
		"\"uv\":{\"dependencies\":[\"a\",\"b>1\"],\"requires-python\":\">=3.10\"},"
		"\"deno\":{\"permissions\":[\"--allow-net\"],\"flexible_npm_imports\":true},"
		"\"trust_signature\":\"s\",\"pixi\":{\"x\":1},\"zeta\":[2]}}";

	(void)state;
	expect_snapshot(nb, NULL);
	assert_true(set(nb, full));
	expect_snapshot(nb, full);
	assert_false(set(nb, full));
	assert_false(am_in_transaction(notebook_doc(nb)) && false);
	/* Unset sections and typed keys go, unknown ones stay. */
	assert_int_equal(metadata_set_value(nb, "kernelspec",
					    "{\"name\":\"n\",\"display_name\":\"d\",\"language\":\"l\",\"env\":{\"A\":\"1\"}}"),
			 0);
	assert_true(set(nb, "{\"kernelspec\":{\"name\":\"n\",\"display_name\":\"D\"},"
			    "\"runt\":{\"schema_version\":\"1\",\"conda\":{}}}"));
	expect_json(nb, "{\"kernelspec\":{\"display_name\":\"D\",\"env\":{\"A\":\"1\"},\"name\":\"n\"},"
			"\"runt\":{\"conda\":{\"channels\":[],\"dependencies\":[]},\"pixi\":{\"x\":1},"
			"\"schema_version\":\"1\",\"zeta\":[2]}}");
	expect_snapshot(nb, "{\"kernelspec\":{\"name\":\"n\",\"display_name\":\"D\"},\"runt\":{\"schema_version\":\"1\","
			    "\"conda\":{\"dependencies\":[],\"channels\":[]},\"pixi\":{\"x\":1},\"zeta\":[2]}}");
	notebook_free(nb);
}

static void test_refused_snapshots(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"runt\":{}}", "{\"runt\":{\"schema_version\":1}}", "{\"runt\":null}",
		"{\"runt\":{\"schema_version\":\"1\",\"uv\":{\"dependencies\":[1]}}}",
		"{\"kernelspec\":{\"name\":\"x\"},\"runt\":{\"schema_version\":\"1\"}}",
	};
	struct notebook *nb = fresh();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *reason = NULL;
		assert_int_equal(metadata_set_snapshot(nb, bad[i], strlen(bad[i]), NULL, &reason), -EINVAL);
		assert_non_null(reason);
		free(reason);
	}
	expect_json(nb, "{}");
	notebook_free(nb);
}

static void test_lenient_reading(void **state)
{
	struct notebook *nb = fresh();
	struct metadata m;
	static const char legacy[] = "{\"uv\":{\"dependencies\":[\"x\"]},\"runt\":{\"uv\":{\"dependencies\":[\"lost\"]}}}";

	(void)state;
	/* runt without schema_version is no runt (trap 7) ... */
	assert_int_equal(metadata_set_value(nb, "runt", "{\"uv\":{\"dependencies\":[\"x\"]}}"), 0);
	expect_snapshot(nb, NULL);
	assert_int_equal(metadata_set_value(nb, "language_info", "{\"name\":\"python\"}"), 0);
	expect_snapshot(nb, "{\"language_info\":{\"name\":\"python\"},\"runt\":{\"schema_version\":\"1\"}}");
	assert_int_equal(metadata_set_value(nb, "kernelspec", "{\"name\":1,\"display_name\":\"x\"}"), 0);
	expect_snapshot(nb, "{\"language_info\":{\"name\":\"python\"},\"runt\":{\"schema_version\":\"1\"}}");
	/* ... and a file falls back to its top-level sections. */
	assert_int_equal(metadata_parse(legacy, strlen(legacy), &m), 0);
	assert_true(m.has_uv);
	assert_string_equal(m.uv_dependencies.p[0], "x");
	metadata_fini(&m);
	notebook_free(nb);
}

static void test_raw(void **state)
{
	struct notebook *nb = fresh();
	char *s;

	(void)state;
	assert_null(metadata_get_raw(nb, "k"));
	assert_int_equal(metadata_set_raw(nb, "k", "{\"a\":1}", 7), 0);
	s = metadata_get_raw(nb, "k");
	assert_string_equal(s, "{\"a\":1}");
	free(s);
	assert_int_equal(metadata_set_value(nb, "k", "5"), 0);
	assert_null(metadata_get_raw(nb, "k"));
	assert_int_equal(metadata_set_value(nb, "k", NULL), 0);
	expect_json(nb, "{}");
	notebook_free(nb);
}

static const char *runtime_of(const char *json)
{
	struct metadata m;
	const char *s;

	if (metadata_parse(json, strlen(json), &m) < 0)
		return NULL;
	s = metadata_runtime(&m);
	metadata_fini(&m);
	return s;
}

static void test_runtime(void **state)
{
	(void)state;
	assert_string_equal(runtime_of("{\"kernelspec\":{\"name\":\"My-Deno\",\"display_name\":\"\"}}"), "deno");
	assert_string_equal(runtime_of("{\"kernelspec\":{\"name\":\"PYTHON3\",\"display_name\":\"\"}}"), "python");
	assert_string_equal(runtime_of("{\"kernelspec\":{\"name\":\"x\",\"display_name\":\"\",\"language\":\"TypeScript\"}}"),
			    "deno");
	assert_string_equal(runtime_of("{\"kernelspec\":{\"name\":\"x\",\"display_name\":\"\"},"
				       "\"language_info\":{\"name\":\"python\"}}"), "python");
	assert_string_equal(runtime_of("{\"runt\":{\"schema_version\":\"1\",\"deno\":{}}}"), "deno");
	assert_null(runtime_of("{\"kernelspec\":{\"name\":\"ir\",\"display_name\":\"R\"}}"));
	assert_null(runtime_of("{}"));
}

static void test_default(void **state)
{
	struct notebook *nb = fresh();

	(void)state;
	assert_int_equal(metadata_write_default(nb, "python", true, "id"), 0);
	expect_snapshot(nb, "{\"kernelspec\":{\"name\":\"python3\",\"display_name\":\"Python 3\",\"language\":\"python\"},"
			    "\"language_info\":{\"name\":\"python\"},\"runt\":{\"schema_version\":\"1\",\"env_id\":\"id\","
			    "\"conda\":{\"dependencies\":[],\"channels\":[\"conda-forge\"]}}}");
	notebook_free(nb);
	nb = fresh();
	assert_int_equal(metadata_write_default(nb, "deno", true, "id"), 0);
	expect_snapshot(nb, "{\"kernelspec\":{\"name\":\"deno\",\"display_name\":\"Deno\",\"language\":\"typescript\"},"
			    "\"language_info\":{\"name\":\"typescript\"},"
			    "\"runt\":{\"schema_version\":\"1\",\"env_id\":\"id\"}}");
	assert_string_equal(notebook_runtime(nb), "deno");
	notebook_free(nb);
}

static void test_dependencies(void **state)
{
	static const char *const names[][2] = {{"Pandas>=2", "pandas"}, {" numpy ", "numpy"}, {"x[y]; z", "x"},
					       {"a @ url", "a"}, {"b~=1", "b"}, {"", ""}};
	struct notebook *nb = fresh();
	bool removed = false;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *s = dependency_name(names[i][0]);
		assert_string_equal(s, names[i][1]);
		free(s);
	}
	assert_int_equal(metadata_add_dependency(nb, false, "Pandas"), 0);
	assert_int_equal(metadata_add_dependency(nb, false, "numpy"), 0);
	assert_int_equal(metadata_add_dependency(nb, false, "pandas>=2"), 0);
	assert_int_equal(metadata_add_dependency(nb, true, "r-base"), 0);
	expect_json(nb, "{\"runt\":{\"conda\":{\"channels\":[\"conda-forge\"],\"dependencies\":[\"r-base\"]},"
			"\"schema_version\":\"1\",\"uv\":{\"dependencies\":[\"numpy\",\"pandas>=2\"]}}}");
	assert_int_equal(metadata_remove_dependency(nb, false, "PANDAS", &removed), 0);
	assert_true(removed);
	assert_int_equal(metadata_remove_dependency(nb, false, "absent", &removed), 0);
	assert_false(removed);
	notebook_free(nb);
}

/* In place: what two peers write under different keys both stays. */
static void test_concurrent(void **state)
{
	struct notebook *nb = fresh(), *peer;
	am_buf saved = {0};

	(void)state;
	set(nb, "{\"runt\":{\"schema_version\":\"1\",\"uv\":{\"dependencies\":[\"a\"]}}}");
	assert_int_equal(am_save(notebook_doc(nb), 0, &saved), 0);
	assert_int_equal(notebook_load(saved.p, saved.n, "agent:1", &peer, NULL), 0);
	am_buf_free(&saved);
	set(nb, "{\"runt\":{\"schema_version\":\"1\",\"env_id\":\"E\",\"uv\":{\"dependencies\":[\"a\",\"b\"]}}}");
	assert_int_equal(metadata_add_dependency(peer, false, "c"), 0);
	assert_int_equal(am_merge(notebook_doc(nb), notebook_doc(peer)), 0);
	{
		struct metadata m;
		assert_int_equal(metadata_read(nb, &m), 0);
		assert_string_equal(m.env_id, "E");
		assert_int_equal(m.uv_dependencies.n, 3);
		metadata_fini(&m);
	}
	notebook_free(nb);
	notebook_free(peer);
}

/* A March client replaces a section and loses what it does not know (today.md 3.3). */
static void test_repair(void **state)
{
	struct notebook *nb = fresh();
	bool changed = true;

	(void)state;
	assert_int_equal(metadata_set_value(nb, "kernelspec", "{\"name\":\"n\",\"display_name\":\"d\",\"env\":{\"A\":\"1\"}}"),
			 0);
	assert_int_equal(metadata_set_value(nb, "runt",
					    "{\"schema_version\":\"1\",\"uv\":{\"dependencies\":[],\"index\":\"i\"}}"),
			 0);
	assert_int_equal(metadata_repair(nb, &changed), 0);
	assert_false(changed);
	{
		/* As the reference writes: a new object for the whole section. */
		struct json_tree t;
		am_objid map;
		static const char text[] = "{\"kernelspec\":{\"name\":\"m\",\"display_name\":\"d\"},"
					   "\"runt\":{\"schema_version\":\"1\",\"uv\":{\"dependencies\":[\"x\"]}}}";
		assert_int_equal(json_tree_parse(text, strlen(text), &t, NULL), 0);
		assert_int_equal(value_get_object(notebook_doc(nb), AM_ROOT, "metadata", AM_MAP, &map), 0);
		value_put(notebook_doc(nb), map, "kernelspec", 10, &t, json_tree_get(&t, 0, "kernelspec"));
		value_put(notebook_doc(nb), map, "runt", 4, &t, json_tree_get(&t, 0, "runt"));
		json_tree_fini(&t);
	}
	assert_int_equal(metadata_repair(nb, &changed), 0);
	assert_true(changed);
	expect_json(nb, "{\"kernelspec\":{\"display_name\":\"d\",\"env\":{\"A\":\"1\"},\"name\":\"m\"},"
			"\"runt\":{\"schema_version\":\"1\",\"uv\":{\"dependencies\":[\"x\"],\"index\":\"i\"}}}");
	/* Deleted in place on purpose: stays away. */
	{
		am_objid map, spec;
		assert_int_equal(value_get_object(notebook_doc(nb), AM_ROOT, "metadata", AM_MAP, &map), 0);
		assert_int_equal(value_get_object(notebook_doc(nb), map, "kernelspec", AM_MAP, &spec), 0);
		am_map_delete(notebook_doc(nb), spec, "env", 3);
	}
	assert_int_equal(metadata_repair(nb, &changed), 0);
	assert_false(changed);
	notebook_free(nb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snapshot),   cmocka_unit_test(test_refused_snapshots),
		cmocka_unit_test(test_raw),        cmocka_unit_test(test_lenient_reading),
		cmocka_unit_test(test_runtime),    cmocka_unit_test(test_default),
		cmocka_unit_test(test_dependencies), cmocka_unit_test(test_concurrent),
		cmocka_unit_test(test_repair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
