/* What the tests of this folder share: a blob store in memory, random bytes in
 * a known order, files of tests/data. Headers of the test library included. */
#ifndef NOTEBOOK_TEST_SUPPORT_H
#define NOTEBOOK_TEST_SUPPORT_H
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/map.h"
#include "notebook/cells.h"
#include "notebook/ipynb.h"
#include "notebook/metadata.h"

struct test_blobs {
	struct map by_hash; /* struct buf */
};

static inline int test_put(void *ctx, const void *p, size_t n, const char *media_type, char ret_hash[BLOB_HASH_TEXT])
{
	struct test_blobs *s = ctx;
	struct buf *b = xcalloc(1, sizeof *b);

	(void)media_type;
	sha256_hex(ret_hash, p, n);
	buf_append(b, p, n);
	b = map_put(&s->by_hash, ret_hash, b);
	if (b)
		buf_free(b);
	free(b);
	return 0;
}

static inline int test_get(void *ctx, const char *hash, struct buf *out)
{
	struct test_blobs *s = ctx;
	struct buf *b = map_get(&s->by_hash, hash);

	if (!b)
		return -ENOENT;
	buf_append(out, b->p, b->n);
	return 0;
}

/* Like the real one, it keeps the meaning and not the spelling. */
static inline int test_store_output(void *ctx, const char *json, size_t n, char ret_hash[BLOB_HASH_TEXT])
{
	struct json_tree t;
	struct buf out = {0};

	if (json_tree_parse(json, n, &t, NULL) < 0)
		return -EINVAL;
	json_render_compact(&out, &t, 0, true);
	json_tree_fini(&t);
	test_put(ctx, out.p, out.n, "x", ret_hash);
	buf_free(&out);
	return 0;
}

static inline void test_blobs_init(struct test_blobs *s, struct notebook_blobs *ret)
{
	*s = (struct test_blobs){0};
	*ret = (struct notebook_blobs){s, test_put, test_get, test_store_output, test_get};
}

static inline void test_blobs_fini(struct test_blobs *s)
{
	MAP_EACH(&s->by_hash, e)
	{
		buf_free(e->value);
		free(e->value);
	}
	map_free(&s->by_hash);
}

static inline void test_random(void *ctx, void *p, size_t n)
{
	static uint8_t next;

	(void)ctx;
	memset(p, ++next, n);
}

static inline struct buf test_file(const char *name)
{
	const char *root = getenv("SOURCE_ROOT");
	char *path = xasprintf("%s/tests/data/ipynb/%s", root ? root : ".", name);
	FILE *f = fopen(path, "rb");
	struct buf b = {0};
	char chunk[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_append(&b, chunk, n);
	fclose(f);
	free(path);
	return b;
}

static inline struct ipynb_version *test_read(const char *text)
{
	struct ipynb_version *v;
	char *reason = NULL;

	if (ipynb_read(text, strlen(text), NULL, &v, &reason) < 0)
		fail_msg("%s", reason);
	return v;
}

static inline struct notebook *test_load(struct ipynb_version *v, const struct notebook_blobs *blobs, const char *actor)
{
	struct notebook *nb;
	struct ipynb_load *load;
	int r;

	assert_int_equal(notebook_new(actor, &nb), 0);
	load = ipynb_load_start(nb, v, blobs);
	while ((r = ipynb_load_step(load)) == 1)
		;
	assert_int_equal(r, 0);
	ipynb_load_free(load);
	assert_int_equal(notebook_refresh(nb, NULL), 0);
	return nb;
}

static inline char *test_bytes(struct ipynb_version *v, const struct notebook_blobs *blobs)
{
	struct buf b = {0};

	assert_int_equal(ipynb_bytes(v, blobs, &b), 0);
	buf_cstr(&b);
	return buf_take(&b, NULL);
}

/* What a save would write now. */
static inline char *test_export(struct ipynb_export *e, struct notebook *nb, const struct notebook_blobs *blobs)
{
	struct notebook_changes c;
	struct ipynb_version *v;
	char *s;

	assert_int_equal(notebook_refresh(nb, &c), 0);
	ipynb_export_note(e, &c);
	notebook_changes_fini(&c);
	assert_int_equal(ipynb_export_snapshot(e, nb, &v), 0);
	s = test_bytes(v, blobs);
	ipynb_export_rebase(e, v, true);
	ipynb_unref(v);
	return s;
}

static inline void expect_source(struct notebook *nb, const char *id, const char *want)
{
	char *got = cell_source(nb, id, NULL);

	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

static inline void expect_order(struct notebook *nb, const char *const *ids)
{
	size_t n = 0;

	for (; ids[n]; n++) {
		assert_non_null(cells_id_at(nb, n));
		assert_string_equal(cells_id_at(nb, n), ids[n]);
	}
	assert_int_equal(cells_count(nb), n);
}
#define EXPECT_ORDER(nb, ...) expect_order(nb, (const char *const[]){__VA_ARGS__, NULL})
#endif
