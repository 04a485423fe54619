/* The inside of struct notebook, for this folder alone: the index of cells. */
#ifndef NOTEBOOK_INDEX_H
#define NOTEBOOK_INDEX_H
#include "base/map.h"
#include "base/vec.h"
#include "notebook/notebook.h"

struct cell_entry {
	char *position; /* POSITION_FIRST when missing */
	am_objid obj;   /* the winner of cells.{id} as of the last refresh or own edit */
	char id[];
};

struct notebook {
	am_doc *doc;
	bool has_cells;
	am_objid cells; /* the winner of the root's `cells` */
	struct map by_id;
	VEC(struct cell_entry *) order; /* by position, then id (documents.md 3.7) */
	VEC(am_hash) seen; /* heads at the last refresh */
	/* metadata_repair: the map's JSON when last looked at, and which objects the sections were. */
	struct buf metadata;
	am_objid sections[3];
};

/* Wraps a document that holds the genesis and builds the index. Takes doc over. */
int index_open(am_doc *doc, struct notebook **ret);
/* Reads the document anew. */
int index_rebuild(struct notebook *nb);
struct cell_entry *index_find(const struct notebook *nb, const char *id);
/* Place in nb->order; SIZE_MAX when the entry is not there. */
size_t index_place(const struct notebook *nb, const struct cell_entry *e);
/* A cell object that is (now) at cells.{id}: adds it or re-reads it. */
struct cell_entry *index_put(struct notebook *nb, const char *id, am_objid obj);
void index_remove(struct notebook *nb, const char *id);
/* True when the last refresh saw all there is. Commits. */
bool index_current(struct notebook *nb);
/* After own edits since change number `from`: when nobody else wrote anything
 * since, they count as seen (the index is right already), so that a whole load
 * is not diffed. Commits. */
int index_skip_own(struct notebook *nb, size_t from);
/* The root map `metadata`; with make it is created when truly absent. */
int index_metadata(struct notebook *nb, bool make, am_objid *ret);
/* metadata.c: remembers the metadata map as it is. */
void index_remember_metadata(struct notebook *nb);
#endif
