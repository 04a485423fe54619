#include "notebook/assets.h"
#include "notebook/test_support.h"

static void expect_refs(const char *markdown, const char *const *want)
{
	struct str_list l;
	size_t n = 0;

	assets_extract(markdown, strlen(markdown), &l);
	for (; want[n]; n++) {
		assert_true(n < l.n);
		assert_string_equal(l.p[n], want[n]);
	}
	assert_int_equal(l.n, n);
	str_list_fini(&l);
}
#define REFS(markdown, ...) expect_refs(markdown, (const char *const[]){__VA_ARGS__})

static void test_extract(void **state)
{
	(void)state;
	REFS("", NULL);
	REFS("![a](x.png) and ![b](y.png \"title\") ![c](x.png)", "x.png", "y.png", NULL);
	REFS("![a][r] ![r]\n\n[r]: img/r.jpg", "img/r.jpg", NULL);
	REFS("![a](<with space.png>)", "with space.png", NULL);
	REFS("![a](a\\_b.png) ![b](a&amp;b.png) ![c](&#x41;.png)", "a_b.png", "a&b.png", "A.png", NULL);
	REFS("`![a](x.png)`\n\n    ![b](y.png)\n\n```\n![c](z.png)\n```\n", NULL);
	REFS("![](attachment:a.png) ![](http://h/x.png) ![](https://h/x) ![](data:x) ![](blob:x) ![](/abs.png) "
	     "![](c:\\x.png) ![](../up.png)", "attachment:a.png", "../up.png", NULL);
	REFS("<img src=\"a.png\"> text <IMG alt='q' SRC='b.png'/> <img src=c.png> <image src=\"no.png\">", "a.png", "b.png",
	     "c.png", NULL);
	REFS("<div>\n<img width=5 data-src=\"no.png\" src = \"d.png\">\n</div>", "d.png", NULL);
	REFS("[link](x.png)", NULL);
}

static void test_media_types(void **state)
{
	(void)state;
	assert_string_equal(assets_media_type("a/b.PNG"), "image/png");
	assert_string_equal(assets_media_type("x.svg"), "image/svg+xml");
	assert_null(assets_media_type("x.html"));
	assert_null(assets_media_type("png"));
	assert_null(assets_media_type("a.png/x"));
}

static char *attachments(void *ctx, const char *cell_id)
{
	(void)ctx;
	if (strcmp(cell_id, "m") != 0)
		return NULL;
	return xstrdup("{\"a.png\":{\"text/plain\":\"x\",\"image/png\":[\"QUJD\\n\",\"REVG\"]},\"b\":{\"image/png\":\"*\"}}");
}

static int read_file(void *ctx, const char *relative, struct buf *out)
{
	int *reads = ctx;

	(*reads)++;
	if (strcmp(relative, "pic.png") != 0)
		return -ENOENT;
	buf_append_str(out, "bytes");
	return 0;
}

static void test_resolve(void **state)
{
	static const char source[] = "![](attachment:a.png) ![](attachment:b) ![](pic.png?v=1#x) ![](gone.png) ![](x.html)";
	struct test_blobs store;
	struct notebook_blobs blobs;
	int reads = 0;
	struct assets_env env = {&blobs, attachments, read_file, &reads};
	struct notebook *nb;
	struct notebook_changes c;
	struct cell_init init = {.id = "m", .type = "markdown", .source = source, .source_n = sizeof source - 1};
	char a[BLOB_HASH_TEXT], b[BLOB_HASH_TEXT], *want, *got;
	bool changed = false;

	(void)state;
	test_blobs_init(&store, &blobs);
	sha256_hex(a, "ABCDEF", 6);
	sha256_hex(b, "bytes", 5);
	assert_int_equal(notebook_new("runtimed:1", &nb), 0);
	assert_int_equal(cell_add_at(nb, 0, &init), 0);
	init.id = "code";
	init.type = "code";
	assert_int_equal(cell_add_at(nb, 1, &init), 0);
	assert_int_equal(notebook_refresh(nb, &c), 0);
	assert_int_equal(assets_resolve(nb, &c, &env, &changed), 0);
	notebook_changes_fini(&c);
	assert_true(changed);
	want = xasprintf("{\"attachment:a.png\":\"%s\",\"pic.png?v=1#x\":\"%s\"}", a, b);
	got = cell_resolved_assets(nb, "m");
	assert_string_equal(got, want);
	free(got);
	got = cell_resolved_assets(nb, "code");
	assert_string_equal(got, "{}");
	free(got);
	free(want);
	assert_int_equal(reads, 2);
	/* Edits elsewhere, and the assets themselves, look at nothing. */
	assert_int_equal(cell_append_source(nb, "code", "x", 1), 0);
	assert_int_equal(notebook_refresh(nb, &c), 0);
	assert_int_equal(assets_resolve(nb, &c, &env, &changed), 0);
	assert_false(changed);
	assert_int_equal(reads, 2);
	notebook_changes_fini(&c);
	/* The reference goes: so does its entry. */
	assert_int_equal(cell_set_source(nb, "m", "![](pic.png)", 12), 0);
	assert_int_equal(assets_resolve(nb, NULL, &env, &changed), 0);
	assert_true(changed);
	want = xasprintf("{\"pic.png\":\"%s\"}", b);
	got = cell_resolved_assets(nb, "m");
	assert_string_equal(got, want);
	free(want);
	free(got);
	notebook_free(nb);
	test_blobs_fini(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extract),
		cmocka_unit_test(test_media_types),
		cmocka_unit_test(test_resolve),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
