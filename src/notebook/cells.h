/* Cells of a notebook document: documents.md 3.5 to 3.8. Everything is read
 * leniently (wrong types read as the defaults of 3.5) and reached through the
 * winner of each key. Cells are named by id; index means place in the order of
 * 3.7. Edits join the open transaction or open one; notebook_commit() closes it.
 *
 * Results: 0, -ENOENT (no such cell), -EINVAL (the part is of a type that can
 * not be edited, as a source that is no Text), -ERANGE (position past the end). */
#ifndef NOTEBOOK_CELLS_H
#define NOTEBOOK_CELLS_H
#include "notebook/notebook.h"

/* ---- order ---------------------------------------------------------------------------------- */

size_t cells_count(struct notebook *nb);
/* Borrowed until the next edit or refresh; NULL past the end. */
const char *cells_id_at(struct notebook *nb, size_t index);
/* SIZE_MAX when there is no such cell. Logarithmic. */
size_t cells_index(struct notebook *nb, const char *id);
bool cells_has(struct notebook *nb, const char *id);

/* ---- reading -------------------------------------------------------------------------------- */

/* Every field of a cell; strings NUL-terminated and owned. */
struct cell {
	char *id;
	char *type; /* "" when missing */
	char *position;
	char *source;
	size_t source_n;
	char *execution_count; /* JSON text: "null" or digits */
	char *execution_id;    /* NULL when absent or null */
	char **outputs;        /* manifest hashes or raw JSON */
	size_t n_outputs;
	char *metadata;        /* JSON object, compact, keys sorted */
	char *resolved_assets; /* JSON object */
	char *attachments;     /* JSON object name -> type -> {blob_hash, encoding}; "{}" when absent */
};
int cell_read(struct notebook *nb, const char *id, struct cell *ret);
void cell_fini(struct cell *c);

/* Calls fn with the source of each cell of a type, in order: borrowed, n bytes and no NUL. */
typedef void cell_source_fn(void *ctx, const char *source, size_t n);
void cells_each_source(struct notebook *nb, const char *type, cell_source_fn *fn, void *ctx);

/* Single fields; malloc()ed, NULL when there is no such cell. */
char *cell_source(struct notebook *nb, const char *id, size_t *ret_n);
char *cell_type(struct notebook *nb, const char *id);
char *cell_position(struct notebook *nb, const char *id);
char *cell_execution_count(struct notebook *nb, const char *id);
char *cell_execution_id(struct notebook *nb, const char *id); /* NULL also when absent or null */
char *cell_metadata(struct notebook *nb, const char *id);
char *cell_attachments(struct notebook *nb, const char *id);
char *cell_resolved_assets(struct notebook *nb, const char *id);
size_t cell_output_count(struct notebook *nb, const char *id);
char *cell_output_at(struct notebook *nb, const char *id, size_t i); /* "" for an element that is no string */
/* As struct cell's outputs; NULL and 0 when there are none. Free with cell_outputs_free. */
char **cell_outputs(struct notebook *nb, const char *id, size_t *ret_n);
void cell_outputs_free(char **outputs, size_t n);
/* True for a code cell with empty source and no outputs: what a client makes
 * by itself and nobody's work (design.md 7.1). */
bool cell_is_scaffold(struct notebook *nb, const char *id);

/* ---- adding, moving, deleting --------------------------------------------------------------- */

/* What a new cell holds; zero fields mean the defaults of documents.md 3.5. */
struct cell_init {
	const char *id;   /* required; an existing id is -EEXIST */
	const char *type; /* NULL = "code" */
	const char *source;
	size_t source_n;
	const char *execution_count; /* NULL = "null" */
	char *const *outputs;
	size_t n_outputs;
	const char *metadata; /* JSON object or NULL */
	const char *resolved_assets;
	const char *attachments;
	const char *execution_id;
};
/* after == NULL: at the start; an unknown `after`: at the end. */
int cell_add_after(struct notebook *nb, const char *after, const struct cell_init *init);
/* index is clamped to the number of cells. */
int cell_add_at(struct notebook *nb, size_t index, const struct cell_init *init);
/* With a position of the caller's (bulk load: after(previous)). */
int cell_add_position(struct notebook *nb, const char *position, const struct cell_init *init);
int cell_move_after(struct notebook *nb, const char *id, const char *after);
int cell_set_position(struct notebook *nb, const char *id, const char *position);
int cell_delete(struct notebook *nb, const char *id);
int cells_clear(struct notebook *nb);

/* ---- editing -------------------------------------------------------------------------------- */

int cell_set_type(struct notebook *nb, const char *id, const char *type);
/* Minimal edits on grapheme boundaries (documents.md 5). */
int cell_set_source(struct notebook *nb, const char *id, const char *text, size_t n);
/* Positions count Unicode scalar values. */
int cell_splice_source(struct notebook *nb, const char *id, size_t pos, size_t del, const char *text, size_t n);
int cell_append_source(struct notebook *nb, const char *id, const char *text, size_t n);
int cell_set_execution_count(struct notebook *nb, const char *id, const char *json); /* "null" or digits */
int cell_set_execution_id(struct notebook *nb, const char *id, const char *execution_id); /* NULL = null */
/* A new, empty list (documents.md 3.6), also where there was none; nothing is
 * written when the list is there and empty. */
int cell_clear_outputs(struct notebook *nb, const char *id);
int cell_set_outputs(struct notebook *nb, const char *id, char *const *outputs, size_t n);
/* Creates the list when the cell has none. *ret_index (may be NULL): where it went. */
int cell_append_output(struct notebook *nb, const char *id, const char *output, size_t *ret_index);
int cell_replace_output(struct notebook *nb, const char *id, size_t i, const char *output);
/* The metadata object, edited in place. */
int cell_set_metadata(struct notebook *nb, const char *id, const char *json, size_t n);
/* One value inside it; json == NULL deletes. Missing maps on the way are made. */
int cell_set_metadata_at(struct notebook *nb, const char *id, const char *const *path, size_t n_path, const char *json);
int cell_set_resolved_assets(struct notebook *nb, const char *id, const char *json, size_t n);
int cell_set_attachments(struct notebook *nb, const char *id, const char *json, size_t n);

/* CellSnapshot JSON (documents.md 18.3), appended to out. */
int cell_snapshot_json(struct notebook *nb, const char *id, struct buf *out);
/* An array of all cells in order. */
int cells_snapshot_json(struct notebook *nb, struct buf *out);
#endif
