/* Updating a text by its difference: am_text_update (update.c) and am_spans_update
 * (update_spans.c). Both sides are cut into tokens: grapheme clusters, and blocks. */
#ifndef AUTOMERGE_UPDATE_H
#define AUTOMERGE_UPDATE_H
#include "automerge/edit.h"
#include "automerge/myers.h"

struct am_token {
	uint32_t at, n; /* bytes of its side's text */
	uint32_t w;     /* text units, in the document when it is there or kept */
	uint32_t block; /* index of the block it is; AM_NONE: text */
};
struct am_side {
	struct am_out text;
	AM_VEC(struct am_token) tok;
	AM_VEC(am_objid) block; /* old side: their maps */
};
void am_side_fini(am_doc *doc, struct am_side *s);
/* What the edit's text shows; an old token is one cluster or more, so that it
 * consists of whole elements. Blocks apart, or as the U+FFFC they read as. */
int am_side_read(const struct am_edit *e, bool blocks, struct am_side *ret);
/* Tokens for the text of a side from byte `from` on. */
int am_side_cut(am_doc *doc, struct am_side *s, size_t from);

/* While hunks are applied in order: everything up to here is done. */
struct am_update {
	struct am_edit *e;
	struct am_side a, b; /* what is there, what shall be */
	size_t a_done, b_done;
	size_t pos;          /* in text units */
};
bool am_update_same(const void *ctx, size_t i, size_t j); /* texts; blocks are never the same */
/* Steps over the tokens before old a0, which stay. */
void am_update_keep(struct am_update *u, size_t a0);
/* Old tokens up to a1 go; the new ones up to b1, all text, take their place. */
int am_update_text(struct am_update *u, size_t a1, size_t b1);
#endif
