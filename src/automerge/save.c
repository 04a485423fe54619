/* Saving: the document chunk, change chunks since some heads. */
#include "automerge/document.h"
#include "automerge/opset.h"

#define DEFLATE_FROM 256 /* columns of fewer bytes stay plain, as in the crate */

struct saver {
	am_doc *doc;
	struct am_op_enc ops;
	struct am_rle_enc actor, message, deps_count, extra_meta;
	struct am_delta_enc seq, max_op, time, deps;
	struct am_out extra, body;
	uint32_t *map;      /* local actor -> index in the file */
	uint32_t n_actors;  /* in the file */
};

static void saver_init(struct saver *s, am_doc *doc)
{
	*s = (struct saver){.doc = doc};
	am_op_enc_init(&s->ops, &doc->a);
	am_op_enc_reset(&s->ops, AM_FORM_DOCUMENT);
	am_rle_enc_init(&s->actor, &doc->a, AM_RLE_UINT);
	am_rle_enc_init(&s->message, &doc->a, AM_RLE_STR);
	am_rle_enc_init(&s->deps_count, &doc->a, AM_RLE_UINT);
	am_rle_enc_init(&s->extra_meta, &doc->a, AM_RLE_UINT);
	am_rle_enc_init(&s->seq.r, &doc->a, AM_RLE_INT);
	am_rle_enc_init(&s->max_op.r, &doc->a, AM_RLE_INT);
	am_rle_enc_init(&s->time.r, &doc->a, AM_RLE_INT);
	am_rle_enc_init(&s->deps.r, &doc->a, AM_RLE_INT);
	s->extra.a = s->body.a = &doc->a;
}

static void saver_fini(struct saver *s)
{
	am_op_enc_fini(&s->ops);
	am_rle_enc_fini(&s->actor);
	am_rle_enc_fini(&s->message);
	am_rle_enc_fini(&s->deps_count);
	am_rle_enc_fini(&s->extra_meta);
	am_rle_enc_fini(&s->seq.r);
	am_rle_enc_fini(&s->max_op.r);
	am_rle_enc_fini(&s->time.r);
	am_rle_enc_fini(&s->deps.r);
	am_out_free(&s->extra);
	am_out_free(&s->body);
	am_mem_free(&s->doc->a, s->map);
}

/* Actors that authored a change, in byte order; the others are not written. */
static int map_actors(struct saver *s)
{
	const am_doc *doc = s->doc;

	s->map = am_mem_realloc(&doc->a, NULL, doc->actors.v.n + 1, sizeof *s->map);
	if (!s->map)
		return AM_E_NOMEM;
	for (size_t r = 0; r < doc->actors.v.n; r++) {
		uint32_t ix = doc->actors.order[r];

		s->map[ix] = AM_NONE;
		if (am_graph_seq_count(&doc->graph, ix))
			s->map[ix] = s->n_actors++;
	}
	return AM_OK;
}

/* A row with what most do not have. */
static void put_more(struct saver *s, uint32_t row, const struct am_row_more *m)
{
	const struct am_graph *g = &s->doc->graph;
	struct am_row_deps d = am_graph_more_deps(g, row, m);
	struct am_bytes message = am_graph_text(g, m->message), extra = am_graph_more_extra(g, m);

	am_delta_put(&s->time, (uint64_t)m->time);
	if (message.n)
		am_rle_str(&s->message, message.p, message.n, 1);
	else
		am_rle_null(&s->message, 1);
	am_rle_put(&s->deps_count, d.n, 1);
	for (size_t i = 0; i < d.n; i++)
		am_delta_put(&s->deps, am_dep(&d, i));
	am_rle_put(&s->extra_meta, (uint64_t)extra.n << 4 | AM_VAL_BYTES, 1);
	am_out_put(&s->extra, extra.p, extra.n);
}

/* The times of rows from .. to - 1; *at: the time run `from` is in, or one before. */
static void put_times(struct saver *s, uint32_t from, uint32_t to, size_t *at)
{
	const struct am_graph *g = &s->doc->graph;

	while (from < to) {
		uint32_t end = to;

		while (*at + 1 < g->time.n && g->time.p[*at + 1].row <= from)
			++*at;
		if (*at + 1 < g->time.n && g->time.p[*at + 1].row < to)
			end = g->time.p[*at + 1].row;
		am_delta_put(&s->time, g->time.p[*at].time);
		am_rle_put(&s->time.r, 0, end - from - 1);
		from = end;
	}
}

static void put_change_run(struct saver *s, size_t i, size_t *time_at)
{
	const struct am_graph *g = &s->doc->graph;
	const struct am_row_run *r = &g->run.p[i];
	uint32_t end = am_graph_run_end(g, i), n = end - r->row;

	am_rle_put(&s->actor, s->map[r->actor], n);
	am_delta_run(&s->seq, r->seq, n);
	am_delta_put(&s->max_op, (uint64_t)r->start_op + r->op_count - 1);
	am_rle_put(&s->max_op.r, r->op_count, n - 1);
	s->max_op.acc += (uint64_t)r->op_count * (n - 1);
	if (r->has_more) {
		for (uint32_t k = 0; k < n; k++)
			put_more(s, r->row + k, &g->more.p[r->dep + k]);
		return;
	}
	put_times(s, r->row, end, time_at);
	am_rle_null(&s->message, n);
	if (r->dep == AM_NONE) {
		am_rle_put(&s->deps_count, 0, 1);
	} else {
		am_rle_put(&s->deps_count, 1, 1);
		am_delta_put(&s->deps, r->dep);
	}
	am_rle_put(&s->deps_count, 1, n - 1);
	am_delta_run(&s->deps, r->row, n - 1);
	am_rle_put(&s->extra_meta, AM_VAL_BYTES, n);
}

static int change_columns(struct saver *s, struct am_columns *ret)
{
	const struct am_column_source all[] = {
		{1, &s->actor, NULL}, {3, &s->seq.r, NULL}, {19, &s->max_op.r, NULL}, {35, &s->time.r, NULL},
		{53, &s->message, NULL}, {64, &s->deps_count, NULL}, {67, &s->deps.r, NULL},
		{86, &s->extra_meta, NULL}, {87, NULL, &s->extra}};

	return am_columns_collect(all, sizeof all / sizeof *all, ret);
}

static int put_row(void *ctx, const am_op *row)
{
	struct saver *s = ctx;

	am_op_enc_put(&s->ops, row, s->map);
	return AM_OK;
}

int am_columns_deflate(struct am_columns *cols, struct am_deflater *d, struct am_out *packed, size_t *budget)
{
	size_t at[AM_MAX_COLUMNS];
	int rc;

	for (size_t i = 0; i < cols->n; i++) {
		struct am_column *c = &cols->v[i];

		if (c->n < DEFLATE_FROM || c->n > *budget)
			continue;
		*budget -= c->n;
		at[i] = packed->n;
		rc = am_deflate(d, c->p, c->n, packed);
		if (rc)
			return rc;
		c->deflated = true;
		c->n = packed->n - at[i];
	}
	for (size_t i = 0; i < cols->n; i++) /* once it no longer moves */
		if (cols->v[i].deflated)
			cols->v[i].p = packed->p + at[i];
	return AM_OK;
}

static void put_body(struct saver *s, const struct am_columns *changes, const struct am_columns *ops)
{
	const am_doc *doc = s->doc;
	struct am_out *o = &s->body;

	if (am_out_need(o, AM_CHUNK_HEAD_MAX))
		o->n = AM_CHUNK_HEAD_MAX;
	am_out_uleb(o, s->n_actors);
	for (size_t r = 0; r < doc->actors.v.n; r++) {
		uint32_t ix = doc->actors.order[r];

		if (s->map[ix] != AM_NONE)
			am_out_block(o, doc->actors.v.p[ix].p, doc->actors.v.p[ix].n);
	}
	am_out_hashes(o, doc->graph.heads.p, doc->graph.heads.n);
	am_columns_put_meta(o, changes);
	am_columns_put_meta(o, ops);
	am_columns_put_data(o, changes);
	am_columns_put_data(o, ops);
	for (size_t i = 0; i < doc->graph.heads.n; i++)
		am_out_uleb(o, doc->graph.head_rows.p[i]);
}

int am_document_save(am_doc *doc, bool deflate, struct am_out *out)
{
	struct saver s;
	struct am_columns changes, ops;
	struct am_out packed[2] = {{.a = &doc->a}, {.a = &doc->a}};
	size_t start, time_at = 0, budget = doc->opts.max_inflate;
	am_hash unused;
	int rc;

	saver_init(&s, doc);
	rc = map_actors(&s);
	if (rc == AM_OK)
		rc = am_ops_each_row(doc, put_row, &s);
	for (size_t i = 0; i < doc->graph.run.n && rc == AM_OK; i++)
		put_change_run(&s, i, &time_at);
	if (rc || (rc = change_columns(&s, &changes)) || (rc = am_op_enc_finish(&s.ops, &ops)))
		goto out;
	if (deflate && ((rc = am_columns_deflate(&changes, &doc->scratch->deflater, &packed[0], &budget)) ||
			(rc = am_columns_deflate(&ops, &doc->scratch->deflater, &packed[1], &budget))))
		goto out;
	put_body(&s, &changes, &ops);
	rc = s.body.err;
	if (rc)
		goto out;
	start = am_chunk_seal(&s.body, AM_CHUNK_DOCUMENT, &unused);
	am_out_put(out, s.body.p + start, s.body.n - start);
	rc = out->err;
out:
	am_out_free(&packed[0]);
	am_out_free(&packed[1]);
	am_scratch_trim(doc->scratch);
	saver_fini(&s);
	return rc;
}

/* ---- public ---- */

int am_doc_mark_saved(am_doc *doc)
{
	size_t n = doc->graph.heads.n;
	am_hash *p = am_mem_realloc(&doc->a, doc->saved_heads, n, sizeof *p);

	if (!p)
		return AM_E_NOMEM;
	if (n)
		memcpy(p, doc->graph.heads.p, n * sizeof *p);
	doc->saved_heads = p;
	doc->n_saved_heads = n;
	return AM_OK;
}

int am_save(am_doc *doc, int flags, am_buf *out)
{
	struct am_out o = {.a = &doc->a};
	int rc = am_tx_flush(doc);

	if (rc == AM_OK)
		rc = am_document_save(doc, !(flags & AM_SAVE_PLAIN), &o);
	if (rc == AM_OK && !(flags & AM_SAVE_NO_ORPHANS))
		for (const struct am_orphan *q = doc->queue.oldest; q; q = q->next)
			am_out_put(&o, q->c.raw, q->c.raw_n);
	if (rc == AM_OK)
		rc = o.err;
	if (rc == AM_OK)
		rc = am_buf_admit(out, &o);
	if (rc == AM_OK)
		rc = am_doc_mark_saved(doc);
	if (rc == AM_OK)
		rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

static int chunks_since(am_doc *doc, const am_hash *have, size_t n, struct am_out *o)
{
	struct am_bytes chunk;
	am_rows rows = {0};
	int rc = am_graph_since_hashes(doc, have, n, &rows);

	for (size_t i = 0; i < rows.n && rc == AM_OK; i++) {
		rc = am_graph_chunk(doc, rows.p[i], &chunk);
		if (rc == AM_OK)
			am_out_put(o, chunk.p, chunk.n);
	}
	am_scratch_trim(doc->scratch);
	am_vec_free(&doc->a, &rows);
	return rc ? rc : o->err;
}

int am_save_after(am_doc *doc, const am_hash *have, size_t n, am_buf *out)
{
	struct am_out o = {.a = &doc->a};
	int rc = am_tx_flush(doc);

	if (rc == AM_OK)
		rc = chunks_since(doc, have, n, &o);
	if (rc == AM_OK)
		rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

int am_save_incremental(am_doc *doc, am_buf *out)
{
	struct am_out o = {.a = &doc->a};
	int rc = am_tx_flush(doc);

	if (rc == AM_OK)
		rc = chunks_since(doc, doc->saved_heads, doc->n_saved_heads, &o);
	if (rc == AM_OK)
		rc = am_buf_admit(out, &o);
	if (rc == AM_OK)
		rc = am_doc_mark_saved(doc);
	if (rc == AM_OK)
		rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}
