/* A plain value tree that patches are applied to, and random edits; for tests. */
#ifndef AUTOMERGE_TEST_TREE_H
#define AUTOMERGE_TEST_TREE_H
#include "automerge/test_model.h"

struct tree;
struct tree *tree_new(void);
void tree_free(struct tree *t);
/* An am_patch_fn; ctx = the tree. Aborts when a patch does not fit. Text is
 * counted in UTF-16 units. */
int tree_patch(void *tree, const am_patch *p);
/* As am_json writes the root without conflicts; malloc'ed. */
char *tree_json(struct tree *t);
/* As model_marks, by code point. */
char *tree_marks(struct tree *t, const char *key);

/* One random edit (sometimes none) of a document; ascii keeps to one-unit text. */
void random_edit(am_doc *doc, struct rnd *r, bool marks);
#endif
