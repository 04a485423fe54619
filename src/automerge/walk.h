/* What one object holds, child by child. */
#ifndef AUTOMERGE_WALK_H
#define AUTOMERGE_WALK_H
#include "automerge/view.h"

struct am_child {
	const char *key; /* NULL in sequences */
	size_t key_n, index;
	am_value value;
	uint32_t obj; /* slot when it is an object that is known; AM_NONE */
};
/* The visible children of a map, or of the elements of a sequence, in order. */
struct am_children {
	am_doc *doc;
	const am_clock *clock;
	uint32_t obj;
	uint32_t at; /* next register or insert span */
	struct am_piece piece;
	uint32_t k; /* next element of the piece */
	size_t pos;
};
/* obj: a slot; the document may not change as long as it is looked at. AM_E_NOMEM. */
int am_children_of(am_doc *doc, const am_clock *clock, uint32_t obj, struct am_children *ret);
bool am_children_next(struct am_children *c, struct am_child *ret); /* false: that was all */
#endif
