/* Reading bundles: columns to changes. */
#include "automerge/bundle.h"

#include "automerge/document.h"
#include "automerge/radix.h"
#include "base/utf8.h"

struct reader {
	const am_allocator *a;
	struct am_scratch *s;
	const struct am_limits *lim;
	struct am_arena arena;
	struct am_actors table; /* the bundle's actors, indices as in the bundle */
	const am_hash *outside;
	size_t n_outside;
	struct am_columns change_cols, op_cols;
	AM_VEC(struct am_doc_change) row;
	AM_VEC(uint64_t) dep;
	AM_VEC(am_op) ops;      /* in bundle order, text insertions in runs */
	AM_VEC(am_op) changed;  /* by actor and counter, none in two changes */
	uint32_t *order;        /* rows by actor, then sequence number */
	uint32_t *ctr;          /* newer form: counter of each operation, in bundle order */
	am_id *preds;
};

static void reader_fini(struct reader *r)
{
	am_vec_free(r->a, &r->row);
	am_vec_free(r->a, &r->dep);
	am_vec_free(r->a, &r->ops);
	am_vec_free(r->a, &r->changed);
	am_mem_free(r->a, r->order);
	am_mem_free(r->a, r->ctr);
	am_mem_free(r->a, r->preds);
	am_actors_fini(&r->table, r->a);
	am_arena_fini(&r->arena);
}

/* ---- the frame ---- */

static int read_actors(struct reader *r, struct am_in *in)
{
	const uint8_t *p;
	size_t n, actor_n;
	uint32_t at;
	int rc = am_in_count(in, 1, &n);

	for (size_t i = 0; i < n && rc == AM_OK; i++) {
		if ((rc = am_in_block(in, &p, &actor_n)) ||
		    (rc = am_actors_intern(&r->table, r->a, p, actor_n, &at)))
			break;
		if (at != i) /* twice in the table */
			rc = AM_E_FORMAT;
	}
	return rc;
}

static bool columns_known(const struct am_columns *cols, const uint32_t *known, size_t n)
{
	for (size_t i = 0; i < cols->n; i++) {
		size_t k = 0;

		while (k < n && known[k] != cols->v[i].spec)
			k++;
		if (k == n)
			return false;
	}
	return true;
}

static int read_frame(struct reader *r, const struct am_chunk *ch)
{
	static const uint32_t change_specs[] = {
		AM_BUNDLE_ACTOR, AM_BUNDLE_SEQ, AM_BUNDLE_START, AM_BUNDLE_MAX, AM_BUNDLE_TIME, AM_BUNDLE_MESSAGE,
		AM_BUNDLE_DEPS_COUNT, AM_BUNDLE_DEPS, AM_BUNDLE_EXTRA_COUNT, AM_BUNDLE_EXTRA};
	static const uint32_t op_specs[] = {
		AM_OBJ_ACTOR, AM_OBJ_DELTA, AM_KEY_ACTOR, AM_KEY_CTR, AM_KEY_STR, AM_ID_ACTOR, AM_ID_CTR, AM_INSERT,
		AM_ACTION, AM_VAL_META, AM_VAL_RAW, AM_PRED_COUNT, AM_PRED_ACTOR, AM_PRED_CTR, AM_EXPAND_COL,
		AM_MARK_NAME, AM_ID_PLACE};
	struct am_in in = am_in_of(ch->body, ch->n);
	size_t budget = r->lim->max_inflate;
	int rc;

	if ((rc = am_in_hashes(&in, &r->outside, &r->n_outside)) || (rc = read_actors(r, &in)) ||
	    (rc = am_columns_parse(&in, &r->change_cols)) || (rc = am_columns_data(&in, &r->change_cols)) ||
	    (rc = am_columns_parse(&in, &r->op_cols)) || (rc = am_columns_data(&in, &r->op_cols)))
		return rc;
	if (in.p != in.end || !columns_known(&r->change_cols, change_specs, sizeof change_specs / sizeof *change_specs) ||
	    !columns_known(&r->op_cols, op_specs, sizeof op_specs / sizeof *op_specs))
		return AM_E_FORMAT;
	rc = am_columns_inflate(&r->change_cols, r->s, &r->arena, &budget);
	return rc ? rc : am_columns_inflate(&r->op_cols, r->s, &r->arena, &budget);
}

/* ---- change rows ---- */

struct change_dec {
	struct am_rle_dec actor, message, deps_count, extra_count;
	struct am_delta_dec seq, start, max, time, deps;
	struct am_in extra;
	uint64_t rows;
};

static void init_rle(struct am_rle_dec *d, const struct am_columns *cols, uint32_t spec, enum am_rle_kind kind)
{
	struct am_bytes b = am_columns_get(cols, spec);

	am_rle_dec_init(d, b.p, b.n, kind, false);
}

static int change_dec_init(struct change_dec *d, const struct am_columns *cols, uint64_t max)
{
	struct am_bytes actor = am_columns_get(cols, AM_BUNDLE_ACTOR), extra = am_columns_get(cols, AM_BUNDLE_EXTRA);
	struct am_bytes count = am_columns_get(cols, AM_BUNDLE_DEPS_COUNT);
	uint64_t unused;
	int rc;

	*d = (struct change_dec){.extra = am_in_of(extra.p, extra.n)};
	if ((rc = am_rle_count(actor.p, actor.n, AM_RLE_UINT, max, &d->rows, NULL)) ||
	    (rc = am_rle_count(count.p, count.n, AM_RLE_UINT, max, &unused, &unused)))
		return rc;
	init_rle(&d->actor, cols, AM_BUNDLE_ACTOR, AM_RLE_UINT);
	init_rle(&d->seq.r, cols, AM_BUNDLE_SEQ, AM_RLE_INT);
	init_rle(&d->start.r, cols, AM_BUNDLE_START, AM_RLE_INT);
	init_rle(&d->max.r, cols, AM_BUNDLE_MAX, AM_RLE_INT);
	init_rle(&d->time.r, cols, AM_BUNDLE_TIME, AM_RLE_INT);
	init_rle(&d->message, cols, AM_BUNDLE_MESSAGE, AM_RLE_STR);
	init_rle(&d->deps_count, cols, AM_BUNDLE_DEPS_COUNT, AM_RLE_UINT);
	init_rle(&d->deps.r, cols, AM_BUNDLE_DEPS, AM_RLE_INT);
	init_rle(&d->extra_count, cols, AM_BUNDLE_EXTRA_COUNT, AM_RLE_UINT);
	return AM_OK;
}

static bool change_dec_done(const struct change_dec *d)
{
	return am_rle_done(&d->actor) && am_rle_done(&d->seq.r) && am_rle_done(&d->start.r) &&
	       am_rle_done(&d->max.r) && am_rle_done(&d->time.r) && am_rle_done(&d->message) &&
	       am_rle_done(&d->deps_count) && am_rle_done(&d->deps.r) && am_rle_done(&d->extra_count) &&
	       d->extra.p == d->extra.end;
}

static int next_numbers(const struct reader *r, struct change_dec *d, struct am_doc_change *c)
{
	bool null_a, null_q, null_s, null_m, null_t;
	uint64_t seq, start, max, time;
	int rc;

	if ((rc = am_rle_next(&d->actor, &null_a)) || (rc = am_delta_next(&d->seq, &null_q, &seq)) ||
	    (rc = am_delta_next(&d->start, &null_s, &start)) || (rc = am_delta_next(&d->max, &null_m, &max)) ||
	    (rc = am_delta_next(&d->time, &null_t, &time)))
		return rc;
	if (null_a || null_q || null_s || null_m || d->actor.v >= r->table.v.n || seq == 0 || start == 0)
		return AM_E_FORMAT;
	if (start > AM_MAX_COUNTER || max > AM_MAX_COUNTER || seq >= AM_NONE)
		return AM_E_LIMIT;
	if (max + 1 < start)
		return AM_E_FORMAT;
	c->actor = (uint32_t)d->actor.v;
	c->seq = (uint32_t)seq;
	c->start_op = c->next = (uint32_t)start;
	c->max_op = (uint32_t)max;
	c->time = null_t ? 0 : (int64_t)time;
	return AM_OK;
}

static int next_texts(struct change_dec *d, struct am_doc_change *c)
{
	bool null;
	int rc = am_rle_next(&d->message, &null);

	if (rc)
		return rc;
	c->message = null ? (struct am_bytes){(const uint8_t *)"", 0} : (struct am_bytes){d->message.s, d->message.s_n};
	if (!utf8_valid(c->message.p, c->message.n))
		return AM_E_FORMAT;
	rc = am_rle_next(&d->extra_count, &null);
	if (rc)
		return rc;
	if (!null && d->extra_count.v > am_in_left(&d->extra))
		return AM_E_FORMAT;
	c->extra.n = null ? 0 : (size_t)d->extra_count.v;
	return am_in_bytes(&d->extra, c->extra.n, &c->extra.p);
}

static int next_deps(struct reader *r, struct change_dec *d, struct am_doc_change *c)
{
	bool null;
	uint64_t dep;
	int rc = am_rle_next(&d->deps_count, &null);

	if (rc)
		return rc;
	if (null)
		d->deps_count.v = 0;
	if (d->deps_count.v > d->rows + r->n_outside + AM_DEPS_SPARE)
		return AM_E_FORMAT;
	c->deps = (uint32_t)r->dep.n;
	c->n_deps = (uint32_t)d->deps_count.v;
	if (r->dep.n + c->n_deps > UINT32_MAX)
		return AM_E_LIMIT;
	for (uint32_t i = 0; i < c->n_deps; i++) {
		rc = am_delta_next(&d->deps, &null, &dep);
		if (rc)
			return rc;
		/* A change of the bundle stands before those that depend on it. */
		if (null || (dep >= r->row.n && (dep < d->rows || dep - d->rows >= r->n_outside)))
			return AM_E_FORMAT;
		if (am_vec_reserve(r->a, &r->dep, 1))
			return AM_E_NOMEM;
		r->dep.p[r->dep.n++] = dep;
	}
	return AM_OK;
}

static int read_changes(struct reader *r)
{
	struct change_dec d;
	struct am_doc_change c = {0};
	int rc = change_dec_init(&d, &r->change_cols, r->lim->max_ops);

	if (rc)
		return rc;
	for (uint64_t i = 0; i < d.rows; i++) {
		if ((rc = next_numbers(r, &d, &c)) || (rc = next_texts(&d, &c)) || (rc = next_deps(r, &d, &c)))
			return rc;
		if (am_vec_reserve(r->a, &r->row, 1))
			return AM_E_NOMEM;
		r->row.p[r->row.n++] = c;
	}
	return change_dec_done(&d) ? AM_OK : AM_E_FORMAT;
}

/* By actor and sequence number; in that order the counters of an actor ascend. */
static int order_changes(struct reader *r)
{
	struct am_keyed *v = am_mem_realloc(r->a, NULL, r->row.n + 1, sizeof *v);
	int rc = AM_E_NOMEM;

	r->order = am_mem_realloc(r->a, NULL, r->row.n + 1, sizeof *r->order);
	if (!v || !r->order)
		goto out;
	for (size_t i = 0; i < r->row.n; i++)
		v[i] = (struct am_keyed){(uint64_t)r->row.p[i].actor << 32 | r->row.p[i].seq, (uint32_t)i, 0};
	rc = am_radix_sort(r->a, v, r->row.n);
	for (size_t i = 0; i < r->row.n && rc == AM_OK; i++) {
		const struct am_doc_change *c = &r->row.p[v[i].a], *b = i ? &r->row.p[v[i - 1].a] : NULL;

		r->order[i] = v[i].a;
		if (b && b->actor == c->actor && (b->seq == c->seq || c->start_op <= b->max_op))
			rc = AM_E_FORMAT;
	}
out:
	am_mem_free(r->a, v);
	return rc;
}

/* ---- operation rows ---- */

/* The newer form: for each operation by actor and counter, which row it is. */
static int place_counters(struct reader *r, uint64_t rows)
{
	struct am_bytes places = am_columns_get(&r->op_cols, AM_ID_PLACE);
	struct am_delta_dec d = {.acc = 0};
	uint64_t at, n = 0;
	bool null;
	int rc;

	r->ctr = am_mem_zalloc(r->a, ((size_t)rows + 1) * sizeof *r->ctr);
	if (!r->ctr)
		return AM_E_NOMEM;
	am_rle_dec_init(&d.r, places.p, places.n, AM_RLE_INT, false);
	for (size_t i = 0; i < r->row.n; i++) {
		const struct am_doc_change *c = &r->row.p[r->order[i]];

		for (uint64_t ctr = c->start_op; ctr <= c->max_op; ctr++, n++) {
			if (n == rows)
				return AM_E_FORMAT;
			rc = am_delta_next(&d, &null, &at);
			if (rc)
				return rc;
			if (null || at >= rows || r->ctr[at])
				return AM_E_FORMAT;
			r->ctr[at] = (uint32_t)ctr;
		}
	}
	return n == rows && am_rle_done(&d.r) ? AM_OK : AM_E_FORMAT;
}

static int push_op(struct reader *r, const am_op *op)
{
	if (r->ops.n && am_op_join(&r->ops.p[r->ops.n - 1], op, AM_FORM_CHANGE))
		return AM_OK;
	if (am_vec_reserve(r->a, &r->ops, 1))
		return AM_E_NOMEM;
	r->ops.p[r->ops.n++] = *op;
	return AM_OK;
}

/* True when the columns are of the newer form; counters beside it do not count. */
static bool drop_counters(struct am_columns *cols)
{
	size_t k = 0;

	if (!am_columns_get(cols, AM_ID_PLACE).n)
		return false;
	for (size_t i = 0; i < cols->n; i++)
		if (cols->v[i].spec != AM_ID_CTR)
			cols->v[k++] = cols->v[i];
	cols->n = k;
	return true;
}

static int read_ops(struct reader *r)
{
	bool placed = drop_counters(&r->op_cols);
	struct am_op_dec d;
	size_t used = 0;
	am_op op;
	int rc = am_op_dec_init(&d, &r->op_cols, AM_FORM_BUNDLE, (uint32_t)r->table.v.n, r->lim->max_ops, false);

	if (rc)
		return rc;
	rc = placed ? place_counters(r, d.rows) : d.rows && d.id_ctr.r.absent ? AM_E_FORMAT : AM_OK;
	if (rc)
		return rc;
	r->preds = am_mem_realloc(r->a, NULL, (size_t)d.refs + 1, sizeof *r->preds);
	if (!r->preds)
		return AM_E_NOMEM;
	for (uint64_t i = 0; i < d.rows; i++) {
		if ((rc = am_op_dec_next(&d, &op, r->preds + used)))
			return rc;
		if (placed)
			op.id.ctr = r->ctr[i];
		used += op.n_refs;
		if ((rc = push_op(r, &op)))
			return rc;
	}
	return am_op_dec_done(&d);
}

/* Gives a run of operations to the changes it falls in, which come in order. */
static int assign_op(struct reader *r, const am_op *op, size_t *at)
{
	size_t byte = 0;
	uint32_t n;

	for (uint32_t done = 0; done < op->run; done += n) {
		uint32_t ctr = op->id.ctr + done;
		struct am_doc_change *c;

		for (; *at < r->row.n; ++*at) {
			c = &r->row.p[r->order[*at]];
			if (c->actor == op->id.actor ? c->max_op >= ctr : c->actor > op->id.actor)
				break;
		}
		if (*at == r->row.n)
			return AM_E_FORMAT;
		c = &r->row.p[r->order[*at]];
		if (c->actor != op->id.actor || c->next != ctr)
			return AM_E_FORMAT; /* in no change, missing, or there twice */
		n = op->run - done < c->max_op - ctr + 1 ? op->run - done : c->max_op - ctr + 1;
		if (am_vec_reserve(r->a, &r->changed, 1))
			return AM_E_NOMEM;
		if (c->n_ops++ == 0)
			c->ops = r->changed.n;
		c->next = ctr + n;
		r->changed.p[r->changed.n++] = am_op_slice(op, done, n, &byte);
	}
	return AM_OK;
}

static int assign_ops(struct reader *r)
{
	struct am_keyed *v = am_mem_realloc(r->a, NULL, r->ops.n + 1, sizeof *v);
	size_t at = 0;
	int rc;

	if (!v)
		return AM_E_NOMEM;
	for (size_t i = 0; i < r->ops.n; i++)
		v[i] = (struct am_keyed){am_id_key(r->ops.p[i].id), (uint32_t)i, 0};
	rc = am_radix_sort(r->a, v, r->ops.n);
	for (size_t i = 0; i < r->ops.n && rc == AM_OK; i++)
		rc = assign_op(r, &r->ops.p[v[i].a], &at);
	for (size_t i = 0; i < r->row.n && rc == AM_OK; i++)
		if (r->row.p[i].next != r->row.p[i].max_op + 1)
			rc = AM_E_FORMAT;
	am_mem_free(r->a, v);
	return rc;
}

/* ---- changes ---- */

static int emit_change(struct reader *r, size_t i, am_hash *hashes, am_change *c, struct am_out *out)
{
	const struct am_doc_change *x = &r->row.p[i];
	am_hash *deps = am_arena_array(&c->arena, x->n_deps, sizeof *deps);
	struct am_bytes chunk;
	int rc;

	if (!deps)
		return AM_E_NOMEM;
	for (uint32_t k = 0; k < x->n_deps; k++) {
		uint64_t dep = r->dep.p[x->deps + k];

		deps[k] = dep < r->row.n ? hashes[dep] : r->outside[dep - r->row.n];
	}
	am_doc_change_fill(x, deps, r->changed.p, c);
	rc = am_change_build(r->s, &r->table, c, &chunk);
	if (rc)
		return rc;
	hashes[i] = c->hash;
	am_out_put(out, chunk.p, chunk.n);
	return out->err;
}

static int emit_changes(struct reader *r, struct am_out *out)
{
	am_hash *hashes = am_mem_realloc(r->a, NULL, r->row.n + 1, sizeof *hashes);
	am_change c;
	int rc = AM_OK;

	if (!hashes)
		return AM_E_NOMEM;
	for (size_t i = 0; i < r->row.n && rc == AM_OK; i++) {
		am_change_init(&c, r->a);
		rc = emit_change(r, i, hashes, &c, out);
		am_change_fini(&c);
	}
	am_mem_free(r->a, hashes);
	return rc;
}

int am_bundle_expand(struct am_scratch *s, const struct am_chunk *ch, const struct am_limits *lim, struct am_out *out)
{
	struct reader r = {.a = &s->a, .s = s, .lim = lim};
	int rc;

	if (ch->type != AM_CHUNK_BUNDLE)
		return AM_E_FORMAT;
	am_arena_init(&r.arena, r.a);
	if ((rc = read_frame(&r, ch)) || (rc = read_changes(&r)) || (rc = order_changes(&r)) || (rc = read_ops(&r)) ||
	    (rc = assign_ops(&r)))
		goto out;
	rc = emit_changes(&r, out);
out:
	reader_fini(&r);
	return rc;
}

/* ---- public ---- */

int am_bundle_changes(const void *p, size_t n, const am_opts *opts, am_buf *out)
{
	struct am_limits lim = am_opts_limits(opts);
	am_allocator a = am_mem_allocator(opts ? &opts->alloc : NULL);
	struct am_in in = am_in_of(p, n);
	struct am_out o = {.a = &a};
	struct am_scratch *s;
	struct am_chunk ch;
	int rc = am_scratch_new(&a, &s);

	if (rc)
		return rc;
	rc = in.p == in.end ? AM_E_EOF : am_chunk_next(&in, &ch);
	if (rc == AM_OK && in.p != in.end)
		rc = AM_E_FORMAT;
	if (rc == AM_OK)
		rc = am_bundle_expand(s, &ch, &lim, &o);
	if (rc == AM_OK)
		rc = am_buf_take(out, &o);
	am_out_free(&o);
	am_scratch_free(s);
	return rc;
}
