/* Copies kept so that no step ever destroys the only copy of somebody's work:
 * `<dir>/snapshots/<64 hex>-<13 digit milliseconds>.automerge` (and `.ipynb`),
 * the newest 5 per hash and kind (rooms.md 7.2). All functions are synchronous,
 * for workers. */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "host/host.h"

#define SNAPSHOT_KEEP 5

/* Each writes a new snapshot, durable on return, then drops the oldest beyond
 * SNAPSHOT_KEEP. dir is notebook-docs; hash 64 hex; ext "automerge" or "ipynb".
 * ret_path (may be NULL) is the caller's to free. */
int snapshot_put(struct host *h, const char *dir, const char *hash, const char *ext, const void *p, size_t n,
		 char **ret_path);
/* A copy of file `from`; -ENOENT when it is not there. */
int snapshot_copy(struct host *h, const char *dir, const char *hash, const char *ext, const char *from,
		  char **ret_path);
/* snapshot_copy, then removes `from` only if that succeeded. */
int snapshot_move(struct host *h, const char *dir, const char *hash, const char *ext, const char *from,
		  char **ret_path);

struct snapshot {
	char *path;
	char hash[SHA256_HEX_BYTES];
	char ext[16];
	int64_t at_ms;
	uint64_t size;
};
/* Newest first; hash NULL = of all. A missing directory gives none. */
int snapshot_list(struct host *h, const char *dir, const char *hash, struct snapshot **ret, size_t *ret_n);
void snapshot_list_free(struct snapshot *s, size_t n);
#endif
