/* Bundles (chunk type 3): the columns of some changes of a history, which need
 * not be the whole of it and whose dependencies may lie outside.
 *
 * body: hashes of outside dependencies | actors, sorted | change column metadata
 *       and data | operation column metadata and data.
 * Operations are in change form, in any order; deletes are rows. The older form
 * (crates 0.7 - 0.10) has the counter of each operation as a column, the newer one
 * (0.11 on) the row of each operation, by actor and counter, and may deflate its
 * columns; newer readers take both. Source: the crates' storage/bundle. */
#ifndef AUTOMERGE_BUNDLE_H
#define AUTOMERGE_BUNDLE_H
#include "automerge/change.h"
#include "automerge/internal.h"

/* Columns of the change table. */
enum {
	AM_BUNDLE_ACTOR = 1, AM_BUNDLE_SEQ = 3, AM_BUNDLE_START = 19, AM_BUNDLE_MAX = 35, AM_BUNDLE_TIME = 51,
	AM_BUNDLE_MESSAGE = 69, AM_BUNDLE_DEPS_COUNT = 80, AM_BUNDLE_DEPS = 83, AM_BUNDLE_EXTRA_COUNT = 96,
	AM_BUNDLE_EXTRA = 103
};

/* Appends the bundle's changes as plain change chunks, in its order, to `out`
 * (whose content is undefined after an error). Checks that every change is whole;
 * whether it may be applied is for am_change_verify and the batch. */
int am_bundle_expand(struct am_scratch *s, const struct am_chunk *ch, const struct am_limits *lim, struct am_out *out);
/* Appends the bundle of these rows (ascending, none twice). */
int am_bundle_build(am_doc *doc, const uint32_t *rows, size_t n, int flags, struct am_out *out);
#endif
