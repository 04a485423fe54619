/* What the notebook layer asks of the blob store and of the output layer.
 * `put` and `store_output` run on the loop thread; `get` and `resolve_output`
 * may be called on a worker, with a ctx that allows it. */
#ifndef NOTEBOOK_BLOBS_H
#define NOTEBOOK_BLOBS_H
#include <stddef.h>

#include "base/buf.h"

#define BLOB_HASH_TEXT 65 /* 64 lower-case hex digits and a NUL */

struct notebook_blobs {
	void *ctx;
	int (*put)(void *ctx, const void *p, size_t n, const char *media_type, char ret_hash[BLOB_HASH_TEXT]);
	/* Appends the bytes. */
	int (*get)(void *ctx, const char *hash, struct buf *out);
	/* An nbformat output object -> manifest hash; on failure the raw JSON goes
	 * into the document instead (documents.md 3.8). */
	int (*store_output)(void *ctx, const char *json, size_t n, char ret_hash[BLOB_HASH_TEXT]);
	/* Manifest hash -> nbformat output object as JSON, appended. */
	int (*resolve_output)(void *ctx, const char *hash, struct buf *out);
};
#endif
