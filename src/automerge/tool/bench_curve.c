/* What one more change costs when there are n before it: made here, brought to a
 * peer in a sync round, applied when it comes from elsewhere. */
#include <stdio.h>
#include <stdlib.h>

#include "automerge/tool/bench_work.h"
#include "automerge/tool/tool.h"

#define REPEAT 101

static int time_edits(struct bench *b, struct text_doc *d, size_t pos)
{
	int rc = 0;
	for (int i = 0; i < REPEAT && !rc; i++) {
		double start = bench_now();
		rc = bench_one_char(d, pos);
		bench_sample(b, start);
	}
	return rc;
}

static int time_applies(struct bench *b, struct text_doc *d, struct text_doc *other, size_t pos)
{
	am_buf chunk = {0};
	int rc = am_merge(other->doc, d->doc);
	for (int i = 0; i < REPEAT && !rc; i++) {
		rc = bench_one_char(other, pos);
		if (!rc)
			rc = am_change_bytes(other->doc, am_change_count(other->doc) - 1, &chunk);
		double start = bench_now();
		if (!rc)
			rc = am_apply(d->doc, chunk.p, chunk.n, NULL);
		bench_sample(b, start);
	}
	am_buf_free(&chunk);
	return rc;
}

int bench_curve(struct bench *b)
{
	struct text_doc d = {0}, other = {0};
	size_t n = b->file ? strtoul(b->file, NULL, 10) : 0;
	if (n < 2 || n > 100000000)
		return tool_fail("bench", "curve needs a number of operations");
	int rc = bench_make_text(b, n, true, &d);
	b->live = b->memory.live;
	if (!rc)
		rc = time_edits(b, &d, n / 2);
	if (!rc)
		bench_print(b, "curve-edit");
	if (!rc)
		rc = bench_fork_text(&d, 2, &other);
	if (!rc)
		rc = bench_sync_rounds(b, &d, other.doc, 21);
	if (!rc)
		bench_print(b, "curve-sync");
	if (!rc)
		rc = time_applies(b, &d, &other, n / 2);
	if (!rc)
		bench_print(b, "curve-apply");
	am_free(d.doc);
	am_free(other.doc);
	return rc;
}
