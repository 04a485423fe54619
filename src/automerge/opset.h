/* The operation set: every operation of a document, indexed by id, object, key
 * and position. Contract between the codec/graph side (which calls this) and
 * the operations side (which implements it). */
#ifndef AUTOMERGE_OPSET_H
#define AUTOMERGE_OPSET_H
#include "automerge/internal.h"

int am_ops_new(am_doc *doc, struct am_ops **ret);
void am_ops_free(am_doc *doc, struct am_ops *ops);

/* All reference checks of a resolved change: objects exist and are of the right
 * kind, elements and predecessors exist and belong to that key, no duplicate
 * predecessors, ids new, deletes have predecessors ... AM_E_BAD_REF or AM_OK. */
int am_ops_check(am_doc *doc, const am_change *c);
/* After a check: AM_OK or AM_E_NOMEM (operations unchanged). Copies what it keeps. */
int am_ops_apply(am_doc *doc, const am_change *c);
/* A batch of applies that may be taken back as a whole. Not used around a
 * single change, so it may cost something; never nested, never inside a
 * transaction. revert cannot fail. */
int am_ops_undo_begin(am_doc *doc);
void am_ops_undo_end(am_doc *doc, bool keep);

/* Bulk load into an empty set: rows in document order (objects by id, map keys
 * by bytes, list elements in list order, insert row then updates by id), refs =
 * successors ascending, deletes appear only there. Text arrives in runs. On an
 * error the whole document is discarded. */
int am_ops_load_begin(am_doc *doc);
int am_ops_load_row(am_doc *doc, const am_op *row);
int am_ops_load_end(am_doc *doc);

/* All rows in the same order and form; runs as long as possible (an operation
 * with successors may stand alone or in a run as op.h says). Non-zero results of
 * fn end the walk and are returned. */
typedef int (*am_ops_row_fn)(void *ctx, const am_op *row);
int am_ops_each_row(am_doc *doc, am_ops_row_fn fn, void *ctx);

/* Where a walk upwards through one actor's operations is: the next call finds its
 * operation next to the last one. AM_WALK_START to begin with; valid while
 * the operations do not change. */
struct am_walk {
	uint32_t no_row;   /* no row has a counter below this one ... */
	uint32_t row, del; /* spans of the last row and the last delete, AM_NONE */
	bool plain;        /* every delete a record of its own, with its predecessors */
};
#define AM_WALK_START ((struct am_walk){0, AM_NONE, AM_NONE, false})
/* Rebuilds the operations (change form, deletes and predecessors included) with
 * ids start_op .. start_op + n - 1 of one actor into out->ops / n_ops, allocated
 * in out->arena, or in out->ops_mem. AM_E_NOT_FOUND when one of them is not there.
 * Without a walk deletes are plain. */
int am_ops_collect(am_doc *doc, uint32_t actor, uint32_t start_op, uint32_t n, am_change *out);
int am_ops_collect_on(am_doc *doc, struct am_walk *w, uint32_t actor, uint32_t start_op, uint32_t n, am_change *out);

/* Smallest counter >= from of an operation (row or delete) of an actor; 0 = none.
 * This is how the first operation of a change is found, which documents omit. */
uint32_t am_ops_first_from(const am_doc *doc, uint32_t actor, uint32_t from);
/* The same on a walk that ascends. */
uint32_t am_ops_next_from(const am_doc *doc, struct am_walk *w, uint32_t actor, uint32_t from);
uint32_t am_ops_max_counter(const am_doc *doc);
size_t am_ops_count(const am_doc *doc);
#endif
