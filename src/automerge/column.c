#include "automerge/column.h"

/* ---- encoders ---- */

void am_rle_enc_init(struct am_rle_enc *e, const am_allocator *a, enum am_rle_kind kind)
{
	*e = (struct am_rle_enc){.kind = (uint8_t)kind};
	e->out.a = a;
}

void am_rle_enc_fini(struct am_rle_enc *e)
{
	am_out_free(&e->out);
}

void am_rle_enc_reset(struct am_rle_enc *e)
{
	e->out.n = 0;
	e->out.err = 0;
	e->lit_n = e->run = 0;
	e->any = e->null = false;
}

static void put_value(struct am_rle_enc *e)
{
	struct am_out *o = &e->out;

	switch (e->kind) {
	case AM_RLE_UINT:
		am_out_uleb(o, e->v);
		break;
	case AM_RLE_INT:
		am_out_sleb(o, (int64_t)e->v);
		break;
	default:
		am_out_block(o, e->s, e->s_n);
	}
}

static void put_literal(struct am_rle_enc *e)
{
	if (!e->lit_n++) {
		am_out_byte(&e->out, 0);
		e->lit_at = e->out.n;
	}
	put_value(e);
}

/* Writes the number of values before them; long runs move to make room for it. */
static void flush_literal(struct am_rle_enc *e)
{
	uint8_t head[AM_LEB_MAX], *values;
	size_t more = am_sleb_write(head, -(int64_t)e->lit_n) - 1;

	if (e->lit_n && am_out_need(&e->out, more)) {
		values = e->out.p + e->lit_at;
		if (more)
			memmove(values + more, values, e->out.n - e->lit_at);
		memcpy(values - 1, head, more + 1);
		e->out.n += more;
	}
	e->lit_n = 0;
}

void am_rle_flush_group(struct am_rle_enc *e)
{
	if (e->null) {
		flush_literal(e);
		am_out_byte(&e->out, 0);
		am_out_uleb(&e->out, e->run);
	} else if (e->run == 1) {
		put_literal(e);
	} else {
		flush_literal(e);
		am_out_sleb(&e->out, (int64_t)e->run);
		put_value(e);
	}
	e->run = 0;
	e->null = false;
}

void am_rle_str(struct am_rle_enc *e, const uint8_t *s, size_t s_n, uint64_t n)
{
	if (!n)
		return;
	if (e->run && !e->null && e->s_n == s_n && (e->s == s || memcmp(e->s, s, s_n) == 0)) {
		e->run += n;
		return;
	}
	if (e->run)
		am_rle_flush_group(e);
	e->s = s;
	e->s_n = s_n;
	e->run = n;
	e->null = false;
	e->any = true;
}

void am_rle_finish(struct am_rle_enc *e)
{
	if (!e->any) {
		e->out.n = 0;
		e->run = 0;
		return;
	}
	if (e->run)
		am_rle_flush_group(e);
	flush_literal(e);
}

void am_bool_enc_reset(struct am_bool_enc *e)
{
	e->out.n = 0;
	e->out.err = 0;
	e->run = 0;
	e->last = e->any = e->some = false;
}

void am_bool_finish(struct am_bool_enc *e)
{
	if (e->some)
		am_out_uleb(&e->out, e->run);
}

/* ---- decoders ---- */

void am_rle_dec_init(struct am_rle_dec *d, const void *p, size_t n, enum am_rle_kind kind, bool strict)
{
	*d = (struct am_rle_dec){.in = am_in_of(p, n), .kind = (uint8_t)kind, .strict = strict, .absent = n == 0};
	if (d->absent) {
		d->mode = AM_SEG_NULL;
		d->left = UINT64_MAX;
		d->have = true;
	}
}

static int read_value(struct am_rle_dec *d)
{
	uint64_t n;
	int rc;

	switch (d->kind) {
	case AM_RLE_UINT:
		return d->strict ? am_in_uleb(&d->in, &d->v) : am_in_uleb_any(&d->in, &d->v);
	case AM_RLE_INT:
		return d->strict ? am_in_sleb(&d->in, (int64_t *)&d->v) : am_in_sleb_any(&d->in, (int64_t *)&d->v);
	default:
		rc = d->strict ? am_in_uleb(&d->in, &n) : am_in_uleb_any(&d->in, &n);
		if (rc)
			return rc;
		d->s_n = (size_t)n;
		return am_in_bytes(&d->in, d->s_n, &d->s);
	}
}

/* Reads a value and, when strict, refuses one that equals its neighbour where
 * a run should have been. */
static int read_distinct(struct am_rle_dec *d, bool compare)
{
	uint64_t v = d->v;
	const uint8_t *s = d->s;
	size_t s_n = d->s_n;
	int rc = read_value(d);

	if (rc || !compare || !d->strict)
		return rc;
	if (d->kind == AM_RLE_STR)
		return s_n == d->s_n && (s_n == 0 || memcmp(s, d->s, s_n) == 0) ? AM_E_FORMAT : AM_OK;
	return v == d->v ? AM_E_FORMAT : AM_OK;
}

static int read_segment(struct am_rle_dec *d)
{
	int64_t n;
	uint64_t k;
	int rc;

	if (d->in.p == d->in.end)
		return AM_E_FORMAT;
	rc = d->strict ? am_in_sleb(&d->in, &n) : am_in_sleb_any(&d->in, &n);
	if (rc)
		return rc;
	d->before = d->mode;
	if (n > 0) {
		if (d->strict && n == 1)
			return AM_E_FORMAT;
		d->mode = AM_SEG_RUN;
		d->left = (uint64_t)n;
		return read_distinct(d, d->before == AM_SEG_RUN || d->before == AM_SEG_LIT);
	}
	if (n < 0) {
		if (n == INT64_MIN || (d->strict && d->before == AM_SEG_LIT))
			return AM_E_FORMAT;
		d->mode = AM_SEG_LIT;
		d->left = (uint64_t)-n;
		return AM_OK;
	}
	rc = d->strict ? am_in_uleb(&d->in, &k) : am_in_uleb_any(&d->in, &k);
	if (rc)
		return rc;
	if (d->strict && (k == 0 || d->before == AM_SEG_NULL))
		return AM_E_FORMAT;
	d->mode = AM_SEG_NULL;
	d->left = k;
	return AM_OK;
}

/* Makes the next item current. */
static int load_item(struct am_rle_dec *d)
{
	bool first = false;
	int rc;

	while (d->left == 0) {
		rc = read_segment(d);
		if (rc)
			return rc;
		first = true;
	}
	if (d->mode == AM_SEG_LIT) {
		rc = read_distinct(d, !first || d->before == AM_SEG_RUN);
		if (rc)
			return rc;
	}
	d->have = true;
	return AM_OK;
}

int am_rle_load(struct am_rle_dec *d)
{
	int rc;

	if (d->mode == AM_SEG_BROKEN || (d->left == 0 && d->in.p == d->in.end))
		return AM_E_FORMAT;
	rc = load_item(d);
	if (rc) {
		d->mode = AM_SEG_BROKEN;
		d->left = 1; /* not done */
	}
	return rc;
}

void am_bool_dec_init(struct am_bool_dec *d, const void *p, size_t n, bool strict)
{
	*d = (struct am_bool_dec){
		.in = am_in_of(p, n), .v = true, .strict = strict, .absent = n == 0, .first = true};
	if (d->absent) {
		d->v = false;
		d->left = UINT64_MAX;
	}
}

int am_bool_load(struct am_bool_dec *d)
{
	uint64_t n;
	int rc;

	do {
		if (d->in.p == d->in.end)
			return AM_E_FORMAT;
		rc = d->strict ? am_in_uleb(&d->in, &n) : am_in_uleb_any(&d->in, &n);
		if (rc)
			return rc;
		if (n == 0 && !d->first && d->strict)
			return AM_E_FORMAT;
		d->first = false;
		d->v = !d->v;
		d->left = n;
	} while (d->left == 0);
	return AM_OK;
}

int am_rle_count(const void *p, size_t n, enum am_rle_kind kind, uint64_t max, uint64_t *ret_n, uint64_t *ret_sum)
{
	struct am_rle_dec d;
	uint64_t count = 0, sum = 0, k;
	bool null;
	int rc;

	am_rle_dec_init(&d, p, n, kind, false);
	while (n && !am_rle_done(&d)) {
		rc = am_rle_peek(&d, &null, &k);
		if (rc)
			return rc;
		if (k > max - count)
			return AM_E_LIMIT;
		count += k;
		if (ret_sum && !null && kind == AM_RLE_UINT && d.v) {
			if (d.v > (max - sum) / k)
				return AM_E_LIMIT;
			sum += d.v * k;
		}
		am_rle_take(&d, k);
	}
	*ret_n = count;
	if (ret_sum)
		*ret_sum = sum;
	return AM_OK;
}
