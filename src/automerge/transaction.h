/* The open transaction. Its operations are in the operation set at once; what
 * makes it a transaction is that they are the actor's last ones and can be taken
 * back (am_ops_undo), and that no change names them yet. */
#ifndef AUTOMERGE_TRANSACTION_H
#define AUTOMERGE_TRANSACTION_H
#include "automerge/scalar.h"
#include "automerge/span.h"

struct am_tx {
	uint32_t actor, start, max; /* own actor, first counter, greatest counter before it */
	bool isolated;
	am_clock clock;     /* isolated: what it sees, own operations included */
	am_hash *deps;      /* isolated: the heads it is based on */
	size_t n_deps;
};

void am_tx_free(am_doc *doc);

/* One edit: opens a transaction when there is none; fails as a whole. */
struct am_edit {
	am_doc *doc;
	struct am_ops *ops;
	const am_clock *clock;
	uint32_t obj;  /* slot */
	uint32_t from; /* first counter of this edit */
	bool opened;
};
enum { AM_EDIT_MAP = 1, AM_EDIT_LIST = 2, AM_EDIT_TEXT = 4 };
/* kinds: which objects this edit is for; else AM_E_TYPE. */
int am_edit_begin(am_doc *doc, am_objid obj, unsigned kinds, struct am_edit *ret);
/* Returns rc; when it is an error what the edit did is taken back. */
int am_edit_end(struct am_edit *e, int rc);
/* Gives op the next id and applies it. */
int am_edit_emit(struct am_edit *e, am_op *op);

/* The operation that makes an object; AM_E_TYPE, AM_E_UNSUPPORTED. */
int am_make_action(am_type type, uint8_t *ret);

/* Turns a negative count of deletions into one that starts further left. */
int am_edit_del(size_t *pos, ptrdiff_t del, size_t *ret_del);

/* Splices; the edit is begun. */
int am_edit_text(struct am_edit *e, size_t pos, size_t del, const uint8_t *text, size_t n);
int am_edit_insert_object(struct am_edit *e, size_t pos, am_type type, am_objid *ret);
#endif
