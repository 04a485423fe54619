/* What the cases have in common, and the cases that are not in bench_work.c. */
#ifndef AUTOMERGE_TOOL_BENCH_WORK_H
#define AUTOMERGE_TOOL_BENCH_WORK_H
#include "automerge/tool/bench.h"

struct text_doc {
	am_doc *doc;
	am_objid text;
};

int bench_set_actor(am_doc *doc, uint8_t which);
/* One character at pos, and its change. */
int bench_one_char(struct text_doc *d, size_t pos);
/* A text of n characters, made in one change, or one change each. */
int bench_make_text(struct bench *b, size_t n, bool each, struct text_doc *ret);
int bench_fork_text(const struct text_doc *from, uint8_t actor, struct text_doc *ret);
/* Messages both ways until neither has anything to say. */
int bench_converse(am_doc *a, am_sync *sa, am_doc *c, am_sync *sc);
/* Times one local change and the whole exchange it causes, `repeat` times. */
int bench_sync_rounds(struct bench *b, struct text_doc *d, am_doc *other, int repeat);

int bench_sync_cells(struct bench *b);
int bench_sync_many_cells(struct bench *b);
int bench_cells_save(struct bench *b);
int bench_notebooks(struct bench *b);
int bench_idle(struct bench *b);
int bench_curve(struct bench *b);
#endif
