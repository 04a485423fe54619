/* The notebook document of a room: an Automerge document under the frozen
 * genesis plus an index of its cells that follows the document's patches, so
 * that no keystroke looks at all cells.
 *
 * Edits go through cells.h and metadata.h, which keep the index right. Whatever
 * else changes the document (sync, merge, loading) is followed by
 * notebook_refresh() before anything here is read. Nothing here does I/O.
 *
 * Results are 0 or a negative errno: -ENOENT no such cell, -EBADMSG bad bytes,
 * -EEXIST same actor and sequence number with other content. */
#ifndef NOTEBOOK_NOTEBOOK_H
#define NOTEBOOK_NOTEBOOK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "automerge/automerge.h"
#include "base/buf.h"
#include "base/vec.h"

struct notebook;

/* A document holding the genesis alone; later edits carry `actor`
 * (`runtimed:<8 hex>`, one per room incarnation). */
int notebook_new(const char *actor, struct notebook **ret);
/* Saved bytes (any concatenation of chunks, a torn tail is dropped). A document
 * without our genesis is rebuilt under it (design.md 7.5, documents.md 3.10):
 * *ret_rebuilt (may be NULL) says so and the caller keeps the original bytes.
 * -EBADMSG when the very first chunk is bad. */
int notebook_load(const void *p, size_t n, const char *actor, struct notebook **ret, bool *ret_rebuilt);
/* The same for a document that is loaded already; it is taken over, also on
 * failure. */
int notebook_adopt(am_doc *doc, const char *actor, struct notebook **ret, bool *ret_rebuilt);
/* Copies every cell, metadata and unknown root key of a document of any layout
 * (v1 list cells, rival roots) under the genesis. `old` is not changed. */
int notebook_rebuild(am_doc *old, const char *actor, struct notebook **ret);
void notebook_free(struct notebook *nb); /* NULL is fine */

/* The document, for sync and saving; stays owned by nb. */
am_doc *notebook_doc(struct notebook *nb);
/* Closes the open transaction: one change, time 0, no message. */
int notebook_commit(struct notebook *nb);
/* Current heads, borrowed until the next change; commits first. */
const am_hash *notebook_heads(struct notebook *nb, size_t *ret_n);

/* Root `notebook_id`: the room's UUID for life. NULL when unset; caller frees. */
char *notebook_get_id(struct notebook *nb);
int notebook_set_id(struct notebook *nb, const char *id);

/* ---- what changed --------------------------------------------------------------------------- */

enum {
	CELL_SOURCE = 1 << 0,
	CELL_OUTPUTS = 1 << 1,
	CELL_COUNT = 1 << 2, /* execution_count */
	CELL_TYPE = 1 << 3,
	CELL_METADATA = 1 << 4,
	CELL_POSITION = 1 << 5,
	CELL_ASSETS = 1 << 6,      /* resolved_assets; no part of the file */
	CELL_ATTACHMENTS = 1 << 7,
	CELL_EXECUTION = 1 << 8,   /* execution_id; no part of the file */
	CELL_OTHER = 1 << 9,       /* id and unknown keys */
	CELL_ADDED = 1 << 10,      /* new, or its object was replaced */
	CELL_REMOVED = 1 << 11
};
#define CELL_IN_FILE                                                                                                   \
	(CELL_SOURCE | CELL_OUTPUTS | CELL_COUNT | CELL_TYPE | CELL_METADATA | CELL_POSITION | CELL_ATTACHMENTS |      \
	 CELL_ADDED | CELL_REMOVED)

struct cell_change {
	char *id;
	unsigned fields; /* CELL_... */
};
struct notebook_changes {
	VEC(struct cell_change) cells; /* each id once, in order of first change */
	bool metadata;  /* something under the root's metadata */
	bool order;     /* cells were added, removed or moved */
	bool rebuilt;   /* the cells map itself was replaced: every cell counts as changed */
	bool visible;   /* something a saved file shows may differ */
	bool edit;      /* the same, but adding or removing empty code cells alone does not count (design.md 7.1) */
};
/* Brings the index up to date with the document and tells what is new since the
 * last refresh, own edits included (ret may be NULL). Commits first. Also
 * repairs a root map that a foreign seed out-ranked (decision 4). */
int notebook_refresh(struct notebook *nb, struct notebook_changes *ret);
/* A client that edits before it has our content does so in the map of its own skeleton, which ours out-ranks: nobody
 * sees its cells (documents.md 3.3). Moves them into the map that wins, under their ids. *ret_n: how many. */
int notebook_take_strays(struct notebook *nb, size_t *ret_n);
/* As notebook_refresh, between any two points of history and without touching the index. */
int notebook_diff(struct notebook *nb, const am_hash *before, size_t n_before, const am_hash *after, size_t n_after,
		  struct notebook_changes *ret);
unsigned notebook_changes_of(const struct notebook_changes *c, const char *id);
void notebook_changes_fini(struct notebook_changes *c);
#endif
