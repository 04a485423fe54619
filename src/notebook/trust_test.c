#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "host/file.h"
#include "host/uv.h"
#include "notebook/test_support.h"
#include "notebook/trust.h"

static uint8_t key[TRUST_KEY_BYTES];

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	return 0;
}

static char *with_signature(const char *sections, const char *signature)
{
	return xasprintf("{\"runt\":{\"trust_signature\":\"%s\"%s%s}}", signature, *sections ? "," : "", sections);
}

/* environments.md 12 */
static void test_vectors(void **state)
{
	static const char *const v[][2] = {
		{"", "86227fe96722a2247dcfee12c07d89c1b0567bbc9aa6a8d804838f66a3da843f"},
		{"\"uv\":{\"dependencies\":[\"pandas\",\"numpy\"]}",
		 "0461cfebf9f59298b4cfa9e1c945225ad3183c8d9ed9818d43cff930b21a7eae"},
		{"\"uv\":{\"prerelease\":\"allow\",\"dependencies\":[\"pandas>=2.0\"],\"requires-python\":\">=3.10\"}",
		 "fdbb848767a9ca01f3152107048d027b3fdb956aa7e3a98dcde79d46e4fac8b4"},
		{"\"conda\":{\"dependencies\":[\"numpy\"],\"channels\":[\"conda-forge\"],\"unknown\":1}",
		 "20e9aacb27a6ea0c5853a191139b7d0feb80073caa7e2a3af4c0e7b262e19139"},
		{"\"conda\":{\"python\":\"3.12\",\"channels\":[\"conda-forge\"],\"dependencies\":[\"numpy\"]},\"uv\":{}",
		 "f8dcddc35f9b4e9a1850e0241a40a17a995eeba013d03d3a877d9d9f8a81c672"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		char *json = with_signature(v[i][0], ""), got[TRUST_SIGNATURE_TEXT];
		assert_int_equal(trust_sign(json, strlen(json), key, got), 0);
		assert_memory_equal(got, "hmac-sha256:", 12);
		assert_string_equal(got + 12, v[i][1]);
		free(json);
		json = with_signature(v[i][0], got);
		assert_int_equal(trust_check(json, strlen(json), key), i == 0 ? TRUST_NO_DEPENDENCIES : TRUST_TRUSTED);
		free(json);
	}
}

static enum trust_status check(const char *json)
{
	return trust_check(json, strlen(json), key);
}

static void test_statuses(void **state)
{
	static const char signed_json[] = "{\"uv\":{\"dependencies\":[\"x\"]},\"runt\":{\"trust_signature\":\"x\"}}";

	(void)state;
	assert_int_equal(check("{}"), TRUST_NO_DEPENDENCIES);
	assert_int_equal(check("not json"), TRUST_NO_DEPENDENCIES);
	assert_int_equal(check("{\"runt\":{\"uv\":{\"dependencies\":[]}}}"), TRUST_NO_DEPENDENCIES);
	assert_int_equal(check("{\"runt\":{\"uv\":{\"dependencies\":[1]}}}"), TRUST_NO_DEPENDENCIES);
	assert_int_equal(check("{\"runt\":{\"uv\":{\"dependencies\":[\"x\"]}}}"), TRUST_UNTRUSTED);
	assert_int_equal(check("{\"uv\":{\"dependencies\":[\"x\"]}}"), TRUST_UNTRUSTED);
	assert_int_equal(check("{\"runt\":{\"uv\":{\"dependencies\":[\"x\"]},\"trust_signature\":\"hmac-sha256:00\"}}"),
			 TRUST_SIGNATURE_INVALID);
	assert_int_equal(check("{\"runt\":{\"uv\":{\"dependencies\":[\"pandas\",\"numpy\"]},\"trust_signature\":"
			       "\"0461cfebf9f59298b4cfa9e1c945225ad3183c8d9ed9818d43cff930b21a7eae\"}}"),
			 TRUST_SIGNATURE_INVALID);
	/* No key: nothing can be verified. */
	assert_int_equal(trust_check(signed_json, strlen(signed_json), NULL), TRUST_UNTRUSTED);
	assert_true(trust_needs_approval(TRUST_SIGNATURE_INVALID));
	assert_false(trust_needs_approval(TRUST_NO_DEPENDENCIES));
	assert_string_equal(trust_status_name(TRUST_SIGNATURE_INVALID), "signature_invalid");
}

/* Forms (b) and (c): signed over file order or sorted keys. */
static void test_forms(void **state)
{
	static const char *const content[] = {
		"{\"uv\":{\"zzz\":null,\"dependencies\":[\"a\"]},\"conda\":{\"channels\":[],\"dependencies\":[]}}",
		"{\"conda\":{\"channels\":[],\"dependencies\":[]},\"uv\":{\"dependencies\":[\"a\"],\"zzz\":null}}",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct hash_part part = {content[i], strlen(content[i])};
		uint8_t mac[SHA256_BYTES];
		char hex[65], *json;

		hmac_sha256(mac, key, sizeof key, &part, 1);
		for (size_t k = 0; k < 32; k++)
			snprintf(hex + 2 * k, 3, "%02x", mac[k]);
		json = xasprintf("{\"runt\":{\"conda\":{\"channels\":[],\"dependencies\":[]},"
				 "\"uv\":{\"zzz\":null,\"dependencies\":[\"a\"]},\"trust_signature\":\"hmac-sha256:%s\"}}",
				 hex);
		assert_int_equal(check(json), TRUST_TRUSTED);
		free(json);
	}
}

static void test_key_file(void **state)
{
	char dir[] = "/tmp/trust-XXXXXX", *sub, *path;
	uint8_t got[TRUST_KEY_BYTES];
	struct host *h;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(host_uv_new(&h), 0);
	sub = path_join(dir, "runt");
	path = path_join(sub, "trust-key");
	assert_int_equal(trust_key_load(h, path, NULL, got), -ENOENT);
	assert_int_equal(trust_key_load(h, path, key, got), 0);
	assert_memory_equal(got, key, sizeof key);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	memset(got, 0, sizeof got);
	assert_int_equal(trust_key_load(h, path, NULL, got), 0);
	assert_memory_equal(got, key, sizeof key);
	assert_int_equal(truncate(path, 5), 0);
	assert_int_equal(trust_key_load(h, path, key, got), -EINVAL);
	assert_int_equal(host_dir_remove_tree(h, dir), 0);
	free(sub);
	free(path);
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_key_file),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
