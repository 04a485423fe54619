/* State of one am_diff. */
#ifndef AUTOMERGE_PATCH_H
#define AUTOMERGE_PATCH_H
#include "automerge/view.h"

/* What may look different: a map register (`at`), or elements k .. k+n-1 of
 * insert span `at`. */
struct am_touch {
	uint32_t obj, at, k, n;
	uint64_t rank; /* place in the sequence */
};

enum am_shown {
	AM_SHOWN_LIVE = 1, /* reachable at `after`; patches build on what was there */
	AM_SHOWN_NOT,      /* not reachable: no patches */
	AM_SHOWN_DUMPED    /* came back into sight: written out as a whole elsewhere */
};

struct am_diff {
	am_doc *doc;
	am_clock clock_b, clock_a;
	const am_clock *before, *after; /* those, or NULL where they are now */
	uint32_t top;                   /* slot of the object asked for; its own place does not matter */
	bool recursive;                 /* with the objects in it */
	AM_VEC(struct am_touch) touch;
	AM_VEC(uint8_t) memo;   /* enum am_shown by object slot, 0 = not known */
	AM_VEC(uint32_t) chain; /* scratch */
	AM_VEC(uint32_t) dump;  /* objects still to be written out */
	am_patch pending;       /* a splice or delete that may grow */
	bool has_pending;
	struct am_out text;     /* of the pending splice */
	am_patch_fn fn;
	void *ctx;
};

int am_diff_flush(struct am_diff *d);
int am_diff_splice(struct am_diff *d, uint32_t obj, size_t pos, size_t w, const uint8_t *text, size_t n);
int am_diff_insert(struct am_diff *d, uint32_t obj, uint32_t s, uint32_t k, bool conflict, size_t *pos);
/* The whole content of an object that stands there empty. */
int am_diff_dump(struct am_diff *d, uint32_t obj);
/* Mark patches of a text whose content patches are out. `before` as in struct
 * am_diff; dumps pass a clock that covers nothing. */
int am_diff_marks(struct am_diff *d, uint32_t obj, const am_clock *before);
#endif
