/* Operation columns, shared by changes (with predecessors), documents (with ids
 * and successors) and bundles (with ids and predecessors). */
#ifndef AUTOMERGE_OPCOL_H
#define AUTOMERGE_OPCOL_H
#include "automerge/column.h"
#include "automerge/op.h"

enum am_op_form { AM_FORM_CHANGE, AM_FORM_DOCUMENT, AM_FORM_BUNDLE };

/* Column specifications: id << 4 | deflate << 3 | type. */
enum {
	AM_SPEC_DEFLATE = 8,
	AM_OBJ_ACTOR = 1, AM_OBJ_CTR = 2, AM_KEY_ACTOR = 17, AM_KEY_CTR = 19, AM_KEY_STR = 21, AM_ID_ACTOR = 33,
	AM_ID_CTR = 35, AM_INSERT = 52, AM_ACTION = 66, AM_VAL_META = 86, AM_VAL_RAW = 87, AM_PRED_COUNT = 112,
	AM_PRED_ACTOR = 113, AM_PRED_CTR = 115, AM_SUCC_COUNT = 128, AM_SUCC_ACTOR = 129, AM_SUCC_CTR = 131,
	AM_EXPAND_COL = 148, AM_MARK_NAME = 165,
	/* bundles only: object counters as deltas; row of each operation by actor and counter */
	AM_OBJ_DELTA = 3, AM_ID_PLACE = 179
};
#define AM_MAX_COLUMNS 64

/* A parsed column list: specs ascending without the deflate bit. */
struct am_column {
	uint32_t spec;  /* without the deflate bit */
	bool deflated;
	size_t n;       /* stored bytes */
	const uint8_t *p;
};
struct am_columns {
	struct am_column v[AM_MAX_COLUMNS];
	size_t n;
};
/* The metadata: count, then (spec, length) pairs; strictly ascending, none empty. */
int am_columns_parse(struct am_in *in, struct am_columns *ret);
/* Assigns the column bytes that follow, in order. */
int am_columns_data(struct am_in *in, struct am_columns *cols);
/* The bytes of a column, or an empty one. */
struct am_bytes am_columns_get(const struct am_columns *cols, uint32_t spec);

struct am_op_enc {
	struct am_rle_enc obj_actor, obj_ctr, key_actor, key_str, id_actor, action, meta, ref_count, ref_actor, mark;
	struct am_delta_enc key_ctr, id_ctr, ref_ctr;
	struct am_bool_enc insert, expand;
	struct am_out raw;
	enum am_op_form form;
	uint64_t obj_acc;  /* bundles: the last object counter */
	uint64_t n;
};
void am_op_enc_init(struct am_op_enc *e, const am_allocator *a);
void am_op_enc_fini(struct am_op_enc *e);
void am_op_enc_reset(struct am_op_enc *e, enum am_op_form form);
/* map: actor index in ids -> index in the file; NULL = as they are. */
void am_op_enc_put(struct am_op_enc *e, const am_op *op, const uint32_t *map);
/* Completes the columns and lists those to be written (p borrowed from e). */
int am_op_enc_finish(struct am_op_enc *e, struct am_columns *ret);
/* Metadata and data of a change's columns at once when it is small (opcol_small.c);
 * false: nothing was written, it is not. */
bool am_ops_put_small(struct am_out *o, const am_op *ops, size_t n, const uint32_t *map);
/* One column to be written: an encoder that is finished here, or bytes as they are. */
struct am_column_source {
	uint32_t spec;
	struct am_rle_enc *rle; /* NULL: out */
	const struct am_out *out;
};
/* Completes the columns and lists those that are not empty (p borrowed). */
int am_columns_collect(const struct am_column_source *all, size_t n, struct am_columns *ret);
/* Metadata, then data, at the end of `o`. */
void am_columns_put_meta(struct am_out *o, const struct am_columns *cols);
void am_columns_put_data(struct am_out *o, const struct am_columns *cols);

struct am_op_dec {
	struct am_rle_dec obj_actor, obj_ctr, key_actor, key_str, id_actor, action, meta, ref_count, ref_actor, mark;
	struct am_delta_dec key_ctr, id_ctr, ref_ctr;
	struct am_bool_dec insert, expand;
	struct am_in raw;
	uint64_t obj_acc;  /* bundles: the last object counter */
	enum am_op_form form;
	uint32_t n_actors; /* indices must be below */
	uint64_t rows;     /* in the action column */
	uint64_t refs;     /* in total */
};
/* Checks which columns must be there and counts rows and references
 * (AM_E_LIMIT above max_ops). */
int am_op_dec_init(struct am_op_dec *d, const struct am_columns *cols, enum am_op_form form, uint32_t n_actors,
		   uint64_t max_ops, bool strict);
/* The next operation (run 1, id unset in change form; in bundles without counters
 * only its actor is set), everything checked that a single record can show. Up to d->refs references in total are written at refs. */
int am_op_dec_next(struct am_op_dec *d, am_op *ret, am_id *refs);
/* How many text insertions directly continue `prev` (an operation that
 * am_op_is_char holds for, or a run), by looking at runs of all columns; takes
 * them. Their string bytes follow those of prev. When prev has one reference per
 * operation they have too, written behind those of prev. */
int am_op_dec_run(struct am_op_dec *d, am_op *prev, uint32_t *ret_n);
/* AM_E_FORMAT when some column has more values than there are rows. */
int am_op_dec_done(const struct am_op_dec *d);

/* True for the insertion of a string of one Unicode scalar value in a
 * sequence, without mark or expand: what a run consists of. */
bool am_op_is_char(const am_op *op);
/* Appends op to the run `last` when it continues it; references must be laid
 * out one after the other. */
bool am_op_join(am_op *last, const am_op *op, enum am_op_form form);
/* Byte length of the scalar value whose first byte is b (valid UTF-8). */
static inline uint32_t am_char_n(uint8_t b) { return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4; }
/* The part [from, from + n) of a run (or the whole of a single operation);
 * *byte is the offset of `from` in the value and moves to the end of the part. */
am_op am_op_slice(const am_op *run, uint32_t from, uint32_t n, size_t *byte);
/* AM_E_FORMAT unless the value's bytes are what its type code asks for. */
int am_value_check(uint8_t type, const uint8_t *p, size_t n);
#endif
