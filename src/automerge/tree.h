/* Values with all they hold (am_tree), against objects of a document. Trees may be
 * as deep as their owner likes: nothing here recurses. */
#ifndef AUTOMERGE_TREE_H
#define AUTOMERGE_TREE_H
#include "automerge/internal.h"

/* Whether object `id`, as the open transaction sees it, reads as the tree does. */
int am_tree_equal(am_doc *doc, am_objid id, const am_tree *t, bool *ret);
/* The trees of a map in the order of their keys, so that the same make the same operations
 * everywhere; freed by the caller. */
int am_tree_sort(const am_doc *doc, const am_tree *v, size_t n, const am_tree ***ret);
/* Makes it so, inside an open edit: what fails half-way is the caller's to take back. */
int am_tree_store(am_doc *doc, am_objid id, const am_tree *t);
#endif
