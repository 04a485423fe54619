/* The difference of two sequences of anything: Myers' O(ND) search in linear space.
 * Trim what is common at both ends, find the middle of a shortest path by searching
 * from both corners at once, split there. Where a search becomes expensive the rest
 * of its range is replaced as a whole. */
#ifndef AUTOMERGE_MYERS_H
#define AUTOMERGE_MYERS_H
#include "automerge/mem.h"

struct am_myers {
	size_t n_old, n_new;
	bool (*same)(const void *ctx, size_t i_old, size_t i_new);
	/* Elements a0 .. a1-1 of the old become b0 .. b1-1 of the new. Called in
	 * ascending order, with something kept between any two; not 0 ends the search and is returned. */
	int (*replace)(void *ctx, size_t a0, size_t a1, size_t b0, size_t b1);
	void *ctx;
};
int am_myers_run(const struct am_myers *m, const am_allocator *a); /* AM_E_NOMEM, or of replace */
#endif
