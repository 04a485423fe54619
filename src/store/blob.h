/* The blob store (kernels.md 10): content-addressed files
 * `<dir>/<2 hex>/<62 hex>` with a `.meta` sidecar {media_type, size,
 * created_at}. Files are written and renamed at once and synced in background
 * batches (design.md 7.12). Puts and gets may come from any thread. */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "host/host.h"

#define BLOB_MAX (100u << 20)       /* larger ones are refused */
#define BLOB_SYNC_DELAY HOST_SEC(2) /* from a put to its background sync */
#define BLOB_MEDIA_TYPE_MAX 255

struct blob_store;

/* Makes the directory: clients look for it when they connect (protocol.md 2.2). */
int blob_store_open(struct host *h, const char *dir, struct blob_store **ret);
/* Syncs what is unsynced and waits for it, but not for long: after thousands of outputs a file at a time took half a
 * minute. What is left the system writes in its own time. */
void blob_store_close(struct blob_store *s);
const char *blob_store_dir(const struct blob_store *s);

/* Stores p under its hash. Content that is there keeps its first media type.
 * -EFBIG past BLOB_MAX; else the error of the failed operation, and nothing half
 * is left. Any thread. */
int blob_put(struct blob_store *s, const char *media_type, const void *p, size_t n, char ret_hash[SHA256_HEX_BYTES]);
bool blob_exists(struct blob_store *s, const char *hash);
/* Appends the content. -ENOENT for what is not there or no 64 lower-case hex. */
int blob_get(struct blob_store *s, const char *hash, struct buf *out);

struct blob_info {
	uint64_t size;
	char media_type[BLOB_MEDIA_TYPE_MAX + 1]; /* "application/octet-stream" without usable .meta */
};
/* Opens for reading; the caller ends *ret_fd with blob_release or host_file_close. */
int blob_open(struct blob_store *s, const char *hash, int *ret_fd, struct blob_info *ret);
void blob_release(struct blob_store *s, int fd);
int blob_stat(struct blob_store *s, const char *hash, struct blob_info *ret);
/* The path of the data file; caller frees. */
char *blob_path(const struct blob_store *s, const char *hash);

/* A put has been superseded (a stream's growing text): the file goes after
 * `grace` unless it is put again, or kept, by then. Loop thread. */
void blob_supersede(struct blob_store *s, const char *hash, uint64_t grace);
/* Takes back a blob_supersede. Loop thread. */
void blob_keep(struct blob_store *s, const char *hash);

/* Removes blobs older than min_age that is_marked denies, and temp files of
 * that age. Worker. ret_removed and ret_bytes may be NULL. */
typedef bool blob_marked_fn(void *ctx, const char hash[SHA256_HEX_BYTES]);
int blob_gc(struct blob_store *s, uint64_t min_age, blob_marked_fn *is_marked, void *ctx, size_t *ret_removed,
	    uint64_t *ret_bytes);
/* Syncs what was put since the last batch, now. Worker or tests. */
int blob_sync(struct blob_store *s);
#endif
