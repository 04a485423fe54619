/* A file that another program changed, merged into the live document:
 * three-way, base = the version last read or written, theirs = the file, ours =
 * the document (rooms.md 7.3, documents.md 11.3). Nobody's edit is lost: a cell
 * goes only if it was in the base and is unchanged here, overlapping edits of a
 * source keep the live text and add the file's as a new cell behind it. */
#ifndef NOTEBOOK_MERGE_H
#define NOTEBOOK_MERGE_H
#include "notebook/ipynb.h"
#include "notebook/notebook.h"

struct merge_opts {
	const struct notebook_blobs *blobs; /* store_output for outputs that come in */
	bool keep_outputs; /* a kernel runs: outputs and counts of known cells stay */
	/* Random bytes for ids of rescue cells. */
	void (*random)(void *ctx, void *p, size_t n);
	void *random_ctx;
};
struct merge_result {
	bool changed;       /* the document was edited (one change, already committed) */
	size_t added, removed, edited, conflicts;
};
int merge_file(struct notebook *nb, struct ipynb_version *base, struct ipynb_version *theirs,
	       const struct merge_opts *opts, struct merge_result *ret);

/* Three-way text merge by lines, then characters: the edits base -> theirs
 * carried over to ours, appended to out. False (out untouched) when edits
 * overlap. */
bool merge_text(const char *base, size_t base_n, const char *theirs, size_t theirs_n, const char *ours, size_t ours_n,
		struct buf *out);
#endif
