/* Column encodings: RLE (unsigned, signed, string), delta, boolean, raw.
 * Encoders take runs and always write the canonical form; decoders give runs
 * and accept any form, or only the canonical one when `strict`. */
#ifndef AUTOMERGE_COLUMN_H
#define AUTOMERGE_COLUMN_H
#include "automerge/leb.h"

enum am_rle_kind { AM_RLE_UINT, AM_RLE_INT, AM_RLE_STR };

struct am_rle_enc {
	struct am_out out;      /* finished segments, then the pending literal run */
	size_t lit_at;          /* where its values begin; before them a byte for their number */
	uint64_t lit_n;         /* how many they are, 0 = no literal run */
	uint64_t run;           /* pending group: `run` equal values, 0 = none */
	uint64_t v;
	const uint8_t *s;       /* strings: borrowed until the value changes */
	size_t s_n;
	uint8_t kind;
	bool null, any;         /* pending group is null; some value was not */
};
void am_rle_enc_init(struct am_rle_enc *e, const am_allocator *a, enum am_rle_kind kind);
void am_rle_enc_fini(struct am_rle_enc *e);
void am_rle_enc_reset(struct am_rle_enc *e); /* keeps the memory */
void am_rle_flush_group(struct am_rle_enc *e);
/* Completes e->out; empty when every value was null. */
void am_rle_finish(struct am_rle_enc *e);

/* n equal values (n may be 0). */
static inline void am_rle_put(struct am_rle_enc *e, uint64_t v, uint64_t n)
{
	if (e->run && !e->null && e->v == v) {
		e->run += n;
		return;
	}
	if (!n)
		return;
	if (e->run)
		am_rle_flush_group(e);
	e->v = v;
	e->run = n;
	e->null = false;
	e->any = true;
}
static inline void am_rle_null(struct am_rle_enc *e, uint64_t n)
{
	if (e->run && !e->null && n)
		am_rle_flush_group(e);
	e->null = n ? true : e->null;
	e->run += n;
}
void am_rle_str(struct am_rle_enc *e, const uint8_t *s, size_t s_n, uint64_t n);

struct am_delta_enc {
	struct am_rle_enc r;
	uint64_t acc;
};
static inline void am_delta_put(struct am_delta_enc *e, uint64_t v)
{
	am_rle_put(&e->r, v - e->acc, 1);
	e->acc = v;
}
/* first, first + 1, ... n values. */
static inline void am_delta_run(struct am_delta_enc *e, uint64_t first, uint64_t n)
{
	if (!n)
		return;
	am_delta_put(e, first);
	am_rle_put(&e->r, 1, n - 1);
	e->acc = first + n - 1;
}

/* n more values, each differing by `step` from the one before. */
static inline void am_delta_steps(struct am_delta_enc *e, int step, uint64_t n)
{
	am_rle_put(&e->r, (uint64_t)(int64_t)step, n);
	e->acc += (uint64_t)(int64_t)step * n;
}

struct am_bool_enc {
	struct am_out out;
	uint64_t run;
	bool last, any, some; /* any true; any value at all */
};
void am_bool_enc_reset(struct am_bool_enc *e);
static inline void am_bool_put(struct am_bool_enc *e, bool v, uint64_t n)
{
	if (v != e->last && n) {
		am_out_uleb(&e->out, e->run);
		e->last = v;
		e->run = 0;
	}
	e->run += n;
	e->any |= v && n;
	e->some |= n != 0;
}
void am_bool_finish(struct am_bool_enc *e);

/* ---- decoders ---- */

struct am_rle_dec {
	struct am_in in;
	uint64_t left;        /* values left in the current segment */
	uint64_t v;
	const uint8_t *s;
	size_t s_n;
	uint8_t kind, mode;   /* mode: 0 none, or AM_SEG_x of the current segment */
	uint8_t before;       /* mode of the segment before (canonical check) */
	bool strict, absent, have; /* have: v/s hold the current item */
};
/* BROKEN: an error stays one, also when it was met looking ahead. */
enum { AM_SEG_RUN = 1, AM_SEG_LIT, AM_SEG_NULL, AM_SEG_BROKEN };
/* An empty column reads as nulls without end. */
void am_rle_dec_init(struct am_rle_dec *d, const void *p, size_t n, enum am_rle_kind kind, bool strict);
int am_rle_load(struct am_rle_dec *d);
/* The current item is in d->v / d->s, or null; *ret_n tells how often it repeats.
 * AM_E_FORMAT at the end of the column. */
static inline int am_rle_peek(struct am_rle_dec *d, bool *ret_null, uint64_t *ret_n)
{
	int rc;

	if (!d->have) {
		rc = am_rle_load(d);
		if (rc)
			return rc;
	}
	*ret_null = d->mode == AM_SEG_NULL;
	*ret_n = d->mode == AM_SEG_LIT ? 1 : d->left;
	return AM_OK;
}
static inline void am_rle_take(struct am_rle_dec *d, uint64_t n)
{
	if (d->absent)
		return;
	d->left -= n;
	if (d->mode == AM_SEG_LIT || d->left == 0)
		d->have = false;
}
static inline int am_rle_next(struct am_rle_dec *d, bool *ret_null)
{
	uint64_t n;
	int rc = am_rle_peek(d, ret_null, &n);

	if (rc == AM_OK)
		am_rle_take(d, 1);
	return rc;
}
/* True when every value was taken. */
static inline bool am_rle_done(const struct am_rle_dec *d)
{
	return d->absent || (d->left == 0 && d->in.p == d->in.end);
}

struct am_delta_dec {
	struct am_rle_dec r;
	uint64_t acc; /* the last value */
};
static inline int am_delta_next(struct am_delta_dec *d, bool *ret_null, uint64_t *ret)
{
	int rc = am_rle_next(&d->r, ret_null);

	if (rc)
		return rc;
	if (!*ret_null)
		d->acc += d->r.v;
	*ret = d->acc;
	return AM_OK;
}

struct am_bool_dec {
	struct am_in in;
	uint64_t left;
	bool v, strict, absent, first;
};
void am_bool_dec_init(struct am_bool_dec *d, const void *p, size_t n, bool strict);
int am_bool_load(struct am_bool_dec *d);
static inline int am_bool_peek(struct am_bool_dec *d, bool *ret, uint64_t *ret_n)
{
	int rc;

	if (!d->left) {
		rc = am_bool_load(d);
		if (rc)
			return rc;
	}
	*ret = d->v;
	*ret_n = d->left;
	return AM_OK;
}
static inline void am_bool_take(struct am_bool_dec *d, uint64_t n)
{
	if (!d->absent)
		d->left -= n;
}
static inline bool am_bool_done(const struct am_bool_dec *d)
{
	return d->absent || (d->left == 0 && d->in.p == d->in.end);
}

/* Number of values of a column, and their sum when they are unsigned; stops
 * with AM_E_LIMIT when either passes `max`. ret_sum NULL: the sum says nothing. */
int am_rle_count(const void *p, size_t n, enum am_rle_kind kind, uint64_t max, uint64_t *ret_n, uint64_t *ret_sum);
#endif
