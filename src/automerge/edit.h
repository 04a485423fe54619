/* Local edits: each takes place in the open transaction, as a whole or not at all. */
#ifndef AUTOMERGE_EDIT_H
#define AUTOMERGE_EDIT_H
#include "automerge/scalar.h"
#include "automerge/view.h"

/* ---- edit.c ---- */

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
am_id am_edit_next_id(const struct am_edit *e);
/* AM_E_LIMIT when there are not so many. */
int am_edit_ids_left(const struct am_edit *e, size_t n);
/* Gives op the next id and applies it. */
int am_edit_emit(struct am_edit *e, am_op *op);

/* Borrowed from s. */
void am_edit_set_value(am_op *op, const struct am_scalar *s);
/* The operation that makes an object; AM_E_TYPE, AM_E_UNSUPPORTED. */
int am_make_action(am_type type, uint8_t *ret);

/* Where put, delete and increment go: what is visible at a key or an element. */
struct am_target {
	am_op op;      /* key filled in */
	uint32_t key;  /* index; AM_NONE = nobody used it yet, or an element */
	uint32_t reg;  /* none: an element nobody wrote to again, element k of s, or an absent key */
	uint32_t s, k; /* winner; AM_NONE = nothing visible */
};
void am_target_of_elem(struct am_edit *e, const struct am_elem *at, struct am_target *ret);
int am_target_of_index(struct am_edit *e, size_t index, struct am_target *ret);
/* The value that is there: no operation, but its rivals go. */
int am_target_put(struct am_edit *e, struct am_target *t, const am_value *v);
int am_target_put_object(struct am_edit *e, struct am_target *t, am_type type, am_objid *ret);
int am_target_delete(struct am_edit *e, struct am_target *t);
int am_target_increment(struct am_edit *e, struct am_target *t, int64_t by);

/* ---- insert.c ---- */

struct am_spot {
	uint32_t s, k; /* behind element k of span s; AM_NONE = at the front */
	size_t pos;    /* the position asked for, rounded up to an element boundary */
};
int am_spot_find(struct am_edit *e, size_t pos, struct am_spot *ret);
/* Inserts op (a run no longer than one piece) at the spot and moves the spot behind it. */
int am_spot_insert(struct am_edit *e, struct am_spot *at, am_op *op);
int am_spot_insert_value(struct am_edit *e, struct am_spot *at, const am_value *v);
int am_edit_insert_object(struct am_edit *e, size_t pos, am_type type, am_objid *ret);

/* ---- edit_sequence.c ---- */

/* Turns a negative count of deletions into one that starts further left. */
int am_edit_del(size_t *pos, ptrdiff_t del, size_t *ret_del);
/* Splices text; the edit is begun. */
int am_edit_text(struct am_edit *e, size_t pos, size_t del, const uint8_t *text, size_t n);
#endif
