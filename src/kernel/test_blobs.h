/* Blobs in memory, for the tests of this layer. */
#ifndef KERNEL_TEST_BLOBS_H
#define KERNEL_TEST_BLOBS_H
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/map.h"
#include "kernel/output.h"

struct test_blob {
	void *p;
	size_t n;
	char *media_type;
};
struct test_blobs {
	struct map map;
	size_t puts, bytes, superseded;
	int fail; /* every put says this */
};

static inline int test_blob_put(void *ctx, const void *p, size_t n, const char *media_type, char ret_hash[65])
{
	struct test_blobs *b = ctx;
	if (b->fail)
		return b->fail;
	if (n > OUTPUT_BLOB_MAX)
		return -EFBIG;
	sha256_hex(ret_hash, p, n);
	b->puts++;
	b->bytes += n;
	if (map_get(&b->map, ret_hash))
		return 0;
	struct test_blob *blob = xcalloc(1, sizeof *blob);
	blob->p = xmemdup(n ? p : "", n ? n : 1);
	blob->n = n;
	blob->media_type = xstrdup(media_type);
	map_put(&b->map, ret_hash, blob);
	return 0;
}

static inline int test_blob_get(void *ctx, const char *hash, struct buf *out)
{
	struct test_blobs *b = ctx;
	const struct test_blob *blob = map_get(&b->map, hash);
	if (!blob)
		return -ENOENT;
	buf_append(out, blob->p, blob->n);
	return 0;
}

static inline void test_blob_drop(struct test_blobs *b, const char *hash)
{
	struct test_blob *blob = map_remove(&b->map, hash);
	if (!blob)
		return;
	free(blob->p);
	free(blob->media_type);
	free(blob);
}

static inline void test_blob_superseded(void *ctx, const char *hash)
{
	struct test_blobs *b = ctx;
	b->superseded++;
	test_blob_drop(b, hash); /* at once: whoever still needs it finds out */
}

static inline bool test_blob_exists(void *ctx, const char *hash)
{
	struct test_blobs *b = ctx;
	return map_get(&b->map, hash) != NULL;
}

static inline struct output_blobs test_blobs_ops(struct test_blobs *b)
{
	return (struct output_blobs){.ctx = b,
				     .put = test_blob_put,
				     .get = test_blob_get,
				     .superseded = test_blob_superseded,
				     .exists = test_blob_exists};
}

static inline void test_blobs_fini(struct test_blobs *b)
{
	MAP_EACH (&b->map, e)
		test_blob_drop(b, e->key);
	map_free(&b->map);
}
#endif
