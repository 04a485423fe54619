/* The document structure and the seams between its parts.
 *
 * Which parts there are, and in which order, is told in docs/automerge-internals.md.
 *
 * The parts must not keep pointers to am_doc: loading into an empty document
 * builds a second am_doc and swaps the contents. */
#ifndef AUTOMERGE_INTERNAL_H
#define AUTOMERGE_INTERNAL_H
#include "automerge/actor.h"
#include "automerge/graph.h"
#include "automerge/op.h"
#include "automerge/queue.h"

struct am_ops;     /* opset.h: all operations, indexed */
struct am_tx;      /* transaction.h: the open transaction; NULL = none */
struct am_scratch; /* change.h: reused column encoders */

struct am_doc {
	am_allocator a; /* realloc is set */
	am_opts opts;   /* defaults filled in */
	struct am_actors actors;
	struct am_graph graph;
	struct am_queue queue;
	struct am_ops *ops;
	struct am_tx *tx;
	struct am_scratch *scratch;
	uint8_t *self; /* am_set_actor's bytes; NULL = unset */
	size_t self_n;
	uint8_t *footer; /* author footer of first changes (author.c); NULL = none */
	size_t footer_n;
	uint32_t self_ix; /* local index, AM_NONE until am_doc_self interned it */
	am_hash *saved_heads; /* cursor of am_save_incremental */
	size_t n_saved_heads;
};

/* The local actor index of this document's own actor, interned on first use;
 * AM_E_TX when no actor was set. */
int am_doc_self(am_doc *doc, uint32_t *ret);

/* author.c: the footer goes into the first change of an actor; its own copy for a fork. */
void am_author_stamp(const am_doc *doc, am_change *c);
int am_author_copy(am_doc *to, const am_doc *from);

/* Gives back the room that growing left over, no transaction being open (shrink.c). */
void am_doc_fit(am_doc *doc);
/* Moves the cursor of am_save_incremental to the current heads. */
int am_doc_mark_saved(am_doc *doc);
bool am_doc_is_empty(const am_doc *doc); /* no changes, none queued */

/* Implemented by the transaction side: commits an open transaction (no message,
 * time 0); AM_OK when there is none. Called first by all that needs heads. */
int am_tx_flush(am_doc *doc);

/* Implemented by the graph side. Makes the change of an ended transaction part
 * of the history. The caller has set actor (local index), start_op, op_count,
 * ops (ids with local actor indices, change form), time, message, extra; and
 * deps/n_deps when they are not the current heads (an isolated transaction).
 * Its operations are already in doc->ops. Fills seq, deps (heads or the given
 * ones, plus the actor's previous change, sorted), raw, hash. On error nothing
 * has happened. */
int am_commit_local(am_doc *doc, am_change *c, am_hash *ret_hash);
#endif
