/* Values with all they hold (am_tree), against objects of a document. Trees may be
 * as deep as their owner likes: nothing here recurses. */
#ifndef AUTOMERGE_TREE_H
#define AUTOMERGE_TREE_H
#include "automerge/internal.h"

/* Where the bytes a document lends lay when a call began. A tree may hold some, and they move
 * with every edit. */
struct am_lent {
	const am_doc *doc;
	uintptr_t heap, names;
	size_t heap_n, names_n;
};
struct am_lent am_lent_by(const am_doc *doc);
/* Where p is now, lent or not. */
const void *am_lent_now(const struct am_lent *l, const void *p);

/* Whether object `id`, as the open transaction sees it, reads as the tree does. */
int am_tree_equal(am_doc *doc, am_objid id, const am_tree *t, bool *ret);
/* The trees of a map in the order of their keys, so that the same make the same operations
 * everywhere; freed by the caller. */
int am_tree_sort(const struct am_lent *l, const am_tree *v, size_t n, const am_tree ***ret);
/* Makes it so, inside an open edit: what fails half-way is the caller's to take back. */
int am_tree_store(am_doc *doc, am_objid id, const am_tree *t);
#endif
