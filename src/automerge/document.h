/* Document chunks: a whole history as change rows and operation rows. */
#ifndef AUTOMERGE_DOCUMENT_H
#define AUTOMERGE_DOCUMENT_H
#include "automerge/change.h"
#include "automerge/internal.h"

/* One row of the change table, of a document or of a bundle. */
struct am_doc_change {
	uint32_t actor;      /* index in the file, then local */
	uint32_t seq, max_op;
	uint32_t start_op;   /* found from the operations */
	uint32_t next;       /* assignment: the counter expected next */
	uint32_t deps, n_deps;
	int64_t time;
	struct am_bytes message, extra;
	size_t ops, n_ops;   /* into changed */
};

/* Decoder of the change table. */
struct am_change_dec {
	struct am_rle_dec actor, message, deps_count, extra_meta;
	struct am_delta_dec seq, max_op, time, deps;
	struct am_in extra;
	uint64_t rows, n_deps;
};

struct am_docfile {
	const am_allocator *a;
	struct am_arena arena;
	struct am_arena change_arena, op_arena; /* inflated columns; rows point into those of operations */
	struct am_bytes *actors;
	uint32_t *local;             /* file actor -> local actor */
	size_t n_actors;
	const am_hash *heads;
	size_t n_heads;
	uint32_t *head_rows;         /* the heads index; NULL when absent */
	struct am_in rest;           /* behind the heads */
	struct am_columns change_cols, op_cols;
	AM_VEC(struct am_doc_change) changes;
	AM_VEC(uint32_t) deps;
	AM_VEC(am_op) rows;          /* document form, document order */
	am_id *succs;
	AM_VEC(am_op) changed;       /* change form, by actor and counter */
	am_id *preds;
	bool ordered;                /* rows are in canonical order */
	bool no_index;               /* set by the caller: what stands behind the columns does not count */
	bool mark_ends_early;        /* a mark end stands before its begin (old releases) */
};
/* Reads actors and heads of a document chunk; everything else on demand. The
 * chunk's bytes are borrowed as long as the file is open. */
int am_docfile_open(const am_allocator *a, const struct am_chunk *ch, struct am_docfile *ret);
void am_docfile_close(struct am_docfile *f);
/* Replaces deflated columns by plain ones in the arena; *budget: bytes that may still come out. */
int am_columns_inflate(struct am_columns *cols, struct am_scratch *s, struct am_arena *arena, size_t *budget);
/* Columns and operation rows; ids become local to `t`. Rows are brought into
 * canonical order when they are not. */
int am_docfile_decode_rows(struct am_docfile *f, struct am_scratch *s, struct am_actors *t, const struct am_limits *lim,
			   bool strict);
/* Operation rows, or the columns of changes, when they have been read: with what they point to. */
void am_docfile_drop_rows(struct am_docfile *f);
void am_docfile_drop_changes(struct am_docfile *f);
/* Change rows one by one, actors as in the file. Dependencies are appended to
 * f->deps and lie before `row`; nothing else is compared with other rows. */
int am_change_dec_init(struct am_change_dec *d, const struct am_columns *cols, uint64_t max, bool strict);
int am_change_dec_next(struct am_docfile *f, struct am_change_dec *d, uint32_t row, struct am_doc_change *c);
bool am_change_dec_done(const struct am_change_dec *d); /* no column has more values */
/* Both, the change rows kept. */
int am_docfile_decode(struct am_docfile *f, struct am_scratch *s, struct am_actors *t, const struct am_limits *lim,
		      bool strict);
/* Of a damaged file: the change rows alone, actors as in the file; those read before an error stay. */
int am_docfile_table(struct am_docfile *f, struct am_scratch *s, const struct am_limits *lim);
/* Rows -> the operations of each change (deletes and predecessors). */
int am_docfile_changes(struct am_docfile *f);
/* The change of a row: n_deps hashes, operations from `changed` on; message and extra stay borrowed. */
void am_doc_change_fill(const struct am_doc_change *x, am_hash *deps, am_op *changed, am_change *c);
/* Change i of the decoded file with operations; deps are looked up in `hashes`
 * (by row). Message, extra and operations are borrowed from f, deps lie in c's arena. */
int am_docfile_change(const struct am_docfile *f, size_t i, const am_hash *hashes, am_change *c);
/* Checks the order of rows (document_order.c) and re-sorts them if necessary. */
int am_docfile_order(struct am_docfile *f, const struct am_actors *t);

/* document_load.c: loads a document chunk into an empty document. On error the document is to be
 * thrown away. */
int am_document_load(am_doc *doc, const struct am_chunk *ch, int flags);
/* Compresses columns of 256 bytes and more into `packed`, which must be empty; not those that *budget
 * (max_inflate to begin with) would not let out again. */
int am_columns_deflate(struct am_columns *cols, struct am_deflater *d, struct am_out *packed, size_t *budget);
/* The document chunk of the whole history. */
int am_document_save(am_doc *doc, bool deflate, struct am_out *out);
#endif
