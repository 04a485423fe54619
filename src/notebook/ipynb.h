/* Notebook files. A *version* is one content of an .ipynb file: an immutable
 * list of shared rendered cells between the bytes around them. Reading a file
 * makes one, and so does a snapshot of the document for saving; the latest one
 * read or written is the baseline from which the next copies what did not
 * change (design.md 7.8, 7.9) and the base of a three-way merge.
 *
 * Versions and cells are counted references; taking and dropping them is for
 * the loop thread. ipynb_bytes() and ipynb_sha256() alone may run on a worker. */
#ifndef NOTEBOOK_IPYNB_H
#define NOTEBOOK_IPYNB_H
#include "base/hash.h"
#include "notebook/blobs.h"
#include "notebook/json_text.h"
#include "notebook/notebook.h"

struct ipynb_version;
struct ipynb_cell;

/* Parses a file's bytes (copied). nbformat 4.x only: -EINVAL with *ret_reason
 * (malloc()ed English, may be NULL) for anything else, and the file must then
 * never be written (documents.md 16.2). Cells without an id get a stable one
 * derived from their content, repeated ids are re-minted; `previous` (may be
 * NULL) lends its ids to cells of the same content, and shares cells whose text
 * is the same. With previous NULL this may run on a worker. */
int ipynb_read(const void *p, size_t n, const struct ipynb_version *previous, struct ipynb_version **ret,
	       char **ret_reason);
/* For a version just read from a file below nbformat 4.5 (no ids in the file)
 * that a journal's document belongs to: cells take the ids of the document's
 * cells of the same content, or in the same place between such. */
void ipynb_match_ids(struct ipynb_version *v, struct notebook *nb);
/* The version a new file starts from: no cells, minor 5, canonical style. */
struct ipynb_version *ipynb_empty(void);
struct ipynb_version *ipynb_ref(struct ipynb_version *v);
void ipynb_unref(struct ipynb_version *v); /* NULL is fine */

size_t ipynb_cell_count(const struct ipynb_version *v);
const char *ipynb_cell_id(const struct ipynb_version *v, size_t i);
int ipynb_minor(const struct ipynb_version *v);
/* The file's metadata object as JSON text; borrowed. */
const char *ipynb_metadata(const struct ipynb_version *v, size_t *ret_n);
/* SHA-256 of the whole file (renders it when that was not done yet). */
int ipynb_sha256(struct ipynb_version *v, const struct notebook_blobs *blobs, uint8_t ret[SHA256_BYTES]);
/* The whole file, appended. Cells not rendered yet are rendered here, once, and
 * outputs resolved through blobs->resolve_output. Safe on a worker. */
int ipynb_bytes(struct ipynb_version *v, const struct notebook_blobs *blobs, struct buf *out);

/* Fields of one file cell, decoded. */
struct ipynb_cell_view {
	char *type;
	char *source;
	size_t source_n;
	char *execution_count; /* "null" or digits */
	char *metadata;        /* JSON object as the file spells it */
	char *attachments;     /* likewise; NULL when there are none */
	char **outputs;        /* nbformat output objects as the file spells them */
	size_t n_outputs;
};
void ipynb_cell_view(const struct ipynb_version *v, size_t i, struct ipynb_cell_view *ret);
void ipynb_cell_view_fini(struct ipynb_cell_view *view);
/* The attachments object of a cell (JSON text, malloc()ed) or NULL. */
char *ipynb_attachments(const struct ipynb_version *v, const char *cell_id);

/* ---- loading into a document ---------------------------------------------------------------- */

/* Loads in slices: start, then step until it says done. Cells get positions 80,
 * 8180, ... and outputs go through blobs->store_output; the file's metadata
 * comes with the last step, which also commits. The whole load counts as seen:
 * unless a peer wrote meanwhile, notebook_refresh() reports nothing of it, and
 * the caller takes the heads then as exported. */
struct ipynb_load;
struct ipynb_load *ipynb_load_start(struct notebook *nb, struct ipynb_version *v, const struct notebook_blobs *blobs);
/* Loads one cell (or the metadata); 1 = more to do, 0 = done, negative = failed
 * (the caller clears the document). */
int ipynb_load_step(struct ipynb_load *load);
void ipynb_load_free(struct ipynb_load *load);

/* ---- saving --------------------------------------------------------------------------------- */

/* The exporter of a room: the baseline version and what changed since. */
struct ipynb_export;
struct ipynb_export *ipynb_export_new(void);
void ipynb_export_free(struct ipynb_export *e);
/* Makes v the baseline (reference taken). in_sync: the document was just loaded
 * from v (or v is what was just written from it); false: every cell is compared
 * at the next snapshot. */
void ipynb_export_rebase(struct ipynb_export *e, struct ipynb_version *v, bool in_sync);
/* What notebook_refresh() reported; never skipped. */
void ipynb_export_note(struct ipynb_export *e, const struct notebook_changes *changes);
/* The document as a version: untouched cells are shared with the last snapshot,
 * changed ones carry their fields and are rendered by ipynb_bytes(). */
int ipynb_export_snapshot(struct ipynb_export *e, struct notebook *nb, struct ipynb_version **ret);
/* The file a clone of the notebook gets (documents.md 10): the same cells, ids,
 * attachments and unknown keys, no outputs and counts; when the notebook has a
 * metadata snapshot, a new runt.env_id and no trust signature. The document is
 * not touched. Appends the bytes. */
int ipynb_export_clone(struct ipynb_export *e, struct notebook *nb, const char *env_id,
		       const struct notebook_blobs *blobs, struct buf *out);
/* The version the next snapshot copies from, borrowed. */
struct ipynb_version *ipynb_export_latest(const struct ipynb_export *e);
/* The last version known to be in the file: set by rebase. Borrowed. */
struct ipynb_version *ipynb_export_baseline(const struct ipynb_export *e);
#endif
