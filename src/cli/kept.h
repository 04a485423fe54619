/* What daemons of this user keep of notebooks on disk, read without a daemon:
 * journals and snapshots below every channel's cache directory (clients.md 1.4,
 * rooms.md 13.3). */
#ifndef CLI_KEPT_H
#define CLI_KEPT_H
#include "base/vec.h"
#include "cli/cli.h"

struct kept {
	char *file;
	char *base_dir;  /* of the daemon it belongs to; its blobs are in <base_dir>/blobs */
	char hash[65];   /* SHA-256 of the notebook's id */
	bool snapshot;
	bool is_ipynb;   /* a copy of a file, not a document */
	uint64_t size;
	int64_t at_ms;   /* when it was written */
	char *id, *path, *uuid; /* out of the sidecar; NULL where unknown */
};

struct kept_list {
	VEC(struct kept) list; /* in scan order: live documents before snapshots */
};

void kept_scan(const struct paths *paths, struct kept_list *ret_list);
void kept_free(struct kept_list *k);
/* The newest that belongs to a path, UUID or hash; documents before file copies.
 * NULL when nothing does. */
const struct kept *kept_find(const struct kept_list *k, const char *arg);
#endif
