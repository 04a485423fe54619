/* Applying batches of changes: all of a batch or nothing of it. */
#ifndef AUTOMERGE_LOAD_H
#define AUTOMERGE_LOAD_H
#include "automerge/internal.h"

enum am_broken {
	AM_BROKEN_STOP,  /* what was good before the first broken chunk is applied */
	AM_BROKEN_FAIL   /* any broken byte refuses everything */
};
/* Chunks into a document, whatever state it is in (an empty one is rebuilt on
 * the side and swapped in). The first chunk being broken is always an error. */
int am_load_chunks(am_doc *doc, const void *p, size_t n, enum am_broken broken, int flags, am_load_report *ret);
#endif
