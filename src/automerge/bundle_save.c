/* Writing bundles: some changes of the history to columns. */
#include "automerge/bundle.h"

#include <stdlib.h>

#include "automerge/document.h"
#include "automerge/opset.h"
#include "automerge/radix.h"

struct writer {
	am_doc *doc;
	const uint32_t *rows;    /* of the graph, ascending */
	size_t n;
	am_change *change;       /* by index in rows, operations collected */
	struct am_keyed *by_id;  /* changes with operations by (local actor, first counter); a = index */
	size_t n_by_id;
	uint64_t *base;          /* by index: operations before this change's in order of actor bytes and counter */
	uint32_t *map;           /* local actor -> index in the bundle */
	uint32_t n_actors;
	uint32_t *outside;       /* graph row -> 1 + index among the outside dependencies, 0 = none yet */
	AM_VEC(uint32_t) outside_rows;
	uint32_t *place;         /* by base: which row of the bundle an operation is */
	uint64_t n_ops, placed;
	struct am_op_enc ops;
	struct am_rle_enc actor, message, deps_count, extra_count;
	struct am_delta_enc seq, start, max, time, deps, places;
	struct am_out extra, body;
};

static void writer_init(struct writer *w)
{
	const am_allocator *a = &w->doc->a;

	am_op_enc_init(&w->ops, a);
	am_op_enc_reset(&w->ops, AM_FORM_BUNDLE);
	am_rle_enc_init(&w->actor, a, AM_RLE_UINT);
	am_rle_enc_init(&w->message, a, AM_RLE_STR);
	am_rle_enc_init(&w->deps_count, a, AM_RLE_UINT);
	am_rle_enc_init(&w->extra_count, a, AM_RLE_UINT);
	am_rle_enc_init(&w->seq.r, a, AM_RLE_INT);
	am_rle_enc_init(&w->start.r, a, AM_RLE_INT);
	am_rle_enc_init(&w->max.r, a, AM_RLE_INT);
	am_rle_enc_init(&w->time.r, a, AM_RLE_INT);
	am_rle_enc_init(&w->deps.r, a, AM_RLE_INT);
	am_rle_enc_init(&w->places.r, a, AM_RLE_INT);
	w->extra.a = w->body.a = a;
}

static void writer_fini(struct writer *w)
{
	const am_allocator *a = &w->doc->a;
	struct am_rle_enc *all[] = {&w->actor, &w->message, &w->deps_count, &w->extra_count, &w->seq.r,
				    &w->start.r, &w->max.r, &w->time.r, &w->deps.r, &w->places.r};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		am_rle_enc_fini(all[i]);
	am_op_enc_fini(&w->ops);
	am_out_free(&w->extra);
	am_out_free(&w->body);
	for (size_t i = 0; w->change && i < w->n; i++)
		am_change_fini(&w->change[i]);
	am_mem_free(a, w->change);
	am_mem_free(a, w->by_id);
	am_mem_free(a, w->base);
	am_mem_free(a, w->map);
	am_mem_free(a, w->outside);
	am_mem_free(a, w->place);
	am_vec_free(a, &w->outside_rows);
}

/* ---- what goes in ---- */

static int collect_changes(struct writer *w)
{
	am_doc *doc = w->doc;
	int rc = AM_OK;

	w->change = am_mem_zalloc(&doc->a, w->n * sizeof *w->change);
	w->by_id = am_mem_realloc(&doc->a, NULL, w->n, sizeof *w->by_id);
	if (!w->change || !w->by_id)
		return AM_E_NOMEM;
	for (size_t i = 0; i < w->n; i++)
		am_change_init(&w->change[i], &doc->a);
	for (size_t i = 0; i < w->n && rc == AM_OK; i++) {
		am_change *c = &w->change[i];

		rc = am_graph_header(doc, w->rows[i], c);
		if (rc == AM_OK && c->op_count) {
			rc = am_ops_collect(doc, c->actor, c->start_op, c->op_count, c);
			w->by_id[w->n_by_id++] =
				(struct am_keyed){am_id_key((am_id){c->start_op, c->actor}), (uint32_t)i, 0};
		}
		w->n_ops += c->op_count;
	}
	return rc ? rc : am_radix_sort(&doc->a, w->by_id, w->n_by_id);
}

static void name_actor(struct writer *w, am_id id)
{
	if (!am_id_is_null(id))
		w->map[id.actor] = 0;
}

/* Authors and the actors their operations name, in byte order. */
static int map_actors(struct writer *w)
{
	const struct am_actors *t = &w->doc->actors;

	w->map = am_mem_realloc(&w->doc->a, NULL, t->v.n + 1, sizeof *w->map);
	if (!w->map)
		return AM_E_NOMEM;
	memset(w->map, 0xff, (t->v.n + 1) * sizeof *w->map);
	for (size_t i = 0; i < w->n; i++) {
		const am_change *c = &w->change[i];

		w->map[c->actor] = 0;
		for (size_t k = 0; k < c->n_ops; k++) {
			name_actor(w, c->ops[k].obj);
			if (!c->ops[k].key_is_str)
				name_actor(w, c->ops[k].elem);
			for (uint32_t j = 0; j < c->ops[k].n_refs; j++)
				name_actor(w, c->ops[k].refs[j]);
		}
	}
	for (size_t r = 0; r < t->v.n; r++)
		if (w->map[t->order[r]] != AM_NONE)
			w->map[t->order[r]] = w->n_actors++;
	return AM_OK;
}

/* Where each change's operations stand when all are sorted by actor bytes and counter. */
static int count_bases(struct writer *w)
{
	const am_allocator *a = &w->doc->a;
	struct am_keyed *v = am_mem_realloc(a, NULL, w->n, sizeof *v);
	uint64_t sum = 0;
	int rc = AM_E_NOMEM;

	w->base = am_mem_realloc(a, NULL, w->n, sizeof *w->base);
	if (!v || !w->base)
		goto out;
	for (size_t i = 0; i < w->n; i++)
		v[i] = (struct am_keyed){am_id_key((am_id){w->change[i].start_op, w->map[w->change[i].actor]}),
					 (uint32_t)i, 0};
	rc = am_radix_sort(a, v, w->n);
	for (size_t i = 0; i < w->n && rc == AM_OK; i++) {
		w->base[v[i].a] = sum;
		sum += w->change[v[i].a].op_count;
	}
out:
	am_mem_free(a, v);
	return rc;
}

/* ---- operations, in the order of the document ---- */

/* The first change with operations of this actor that does not end before the counter; n_by_id = none. */
static size_t find_change(const struct writer *w, am_id id)
{
	uint64_t key = am_id_key(id);
	size_t lo = 0, hi = w->n_by_id, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (w->by_id[mid].key + w->change[w->by_id[mid].a].op_count <= key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->n_by_id && w->change[w->by_id[lo].a].actor == id.actor ? lo : w->n_by_id;
}

/* The operation as its change has it; NULL when it is in none of ours. */
static const am_op *find_op(const struct writer *w, am_id id, size_t *ret_change)
{
	size_t at = find_change(w, id), lo = 0, hi, mid;
	const am_change *c;

	if (at == w->n_by_id)
		return NULL;
	c = &w->change[w->by_id[at].a];
	if (id.ctr < c->start_op)
		return NULL;
	for (hi = c->n_ops; hi - lo > 1;) {
		mid = (lo + hi) / 2;
		if (c->ops[mid].id.ctr <= id.ctr)
			lo = mid;
		else
			hi = mid;
	}
	*ret_change = w->by_id[at].a;
	return &c->ops[lo];
}

static void put_op(struct writer *w, const am_op *op, size_t change)
{
	uint64_t at = w->base[change] + (op->id.ctr - w->change[change].start_op);

	for (uint32_t k = 0; k < op->run && w->placed < w->n_ops; k++)
		w->place[at + k] = (uint32_t)w->placed++;
	am_op_enc_put(&w->ops, op, w->map);
}

/* Insertions, which have no predecessors: those parts of the row that are in our changes. */
static void put_insertions(struct writer *w, const am_op *row)
{
	uint32_t done = 0, n;
	size_t byte = 0;
	am_op part;

	while (done < row->run) {
		am_id id = {row->id.ctr + done, row->id.actor};
		size_t at = find_change(w, id);
		const am_change *c = at < w->n_by_id ? &w->change[w->by_id[at].a] : NULL;
		uint32_t skip = !c ? row->run - done : c->start_op > id.ctr ? c->start_op - id.ctr : 0;

		n = skip ? skip : c->start_op + c->op_count - id.ctr;
		if (n > row->run - done)
			n = row->run - done;
		part = am_op_slice(row, done, n, &byte);
		part.refs = NULL;
		part.n_refs = 0;
		if (!skip)
			put_op(w, &part, w->by_id[at].a);
		done += n;
	}
}

/* Deletes stand behind the last of the rows they delete. */
static void put_deletes(struct writer *w, const am_op *row)
{
	size_t change;

	for (uint32_t k = 0; k < row->n_refs; k++) {
		const am_op *op = find_op(w, row->refs[k], &change);
		am_id id = {row->id.ctr + (row->run > 1 ? k : 0), row->id.actor};

		if (op && op->action == AM_ACT_DEL && op->n_refs && am_id_eq(op->refs[op->n_refs - 1], id))
			put_op(w, op, change);
	}
}

static int put_row(void *ctx, const am_op *row)
{
	struct writer *w = ctx;
	size_t change;
	const am_op *op;

	if (row->insert)
		put_insertions(w, row);
	else if ((op = find_op(w, row->id, &change)))
		put_op(w, op, change);
	put_deletes(w, row);
	return AM_OK;
}

static int put_ops(struct writer *w)
{
	int rc;

	w->place = am_mem_realloc(&w->doc->a, NULL, (size_t)w->n_ops + 1, sizeof *w->place);
	if (!w->place)
		return AM_E_NOMEM;
	rc = am_ops_each_row(w->doc, put_row, w);
	if (rc == AM_OK && (w->placed != w->n_ops || w->ops.n != w->n_ops))
		rc = AM_E_BAD_REF; /* not reached: every operation is a row or deletes one */
	return rc;
}

/* ---- changes ---- */

static int put_deps(struct writer *w, size_t i)
{
	struct am_row_deps d = am_graph_deps(&w->doc->graph, w->rows[i]);

	am_rle_put(&w->deps_count, d.n, 1);
	for (size_t k = 0; k < d.n; k++) {
		size_t lo = 0, hi = i, mid;

		while (lo < hi) {
			mid = (lo + hi) / 2;
			if (w->rows[mid] < am_dep(&d, k))
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo < i && w->rows[lo] == am_dep(&d, k)) {
			am_delta_put(&w->deps, lo);
			continue;
		}
		if (!w->outside[am_dep(&d, k)]) {
			if (am_vec_reserve(&w->doc->a, &w->outside_rows, 1))
				return AM_E_NOMEM;
			w->outside_rows.p[w->outside_rows.n++] = am_dep(&d, k);
			w->outside[am_dep(&d, k)] = (uint32_t)w->outside_rows.n;
		}
		am_delta_put(&w->deps, w->n + w->outside[am_dep(&d, k)] - 1);
	}
	return AM_OK;
}

static int put_changes(struct writer *w)
{
	int rc = AM_OK;

	w->outside = am_mem_zalloc(&w->doc->a, w->doc->graph.hash.n * sizeof *w->outside);
	if (!w->outside)
		return AM_E_NOMEM;
	for (size_t i = 0; i < w->n && rc == AM_OK; i++) {
		const am_change *c = &w->change[i];

		am_rle_put(&w->actor, w->map[c->actor], 1);
		am_delta_put(&w->seq, c->seq);
		am_delta_put(&w->start, c->start_op);
		am_delta_put(&w->max, (uint64_t)c->start_op + c->op_count - 1);
		am_delta_put(&w->time, (uint64_t)c->time);
		if (c->message_n)
			am_rle_str(&w->message, c->message, c->message_n, 1);
		else
			am_rle_null(&w->message, 1);
		am_rle_put(&w->extra_count, c->extra_n, 1);
		am_out_put(&w->extra, c->extra, c->extra_n);
		rc = put_deps(w, i);
	}
	return rc;
}

static int change_columns(struct writer *w, struct am_columns *ret)
{
	const struct am_column_source all[] = {
		{AM_BUNDLE_ACTOR, &w->actor, NULL}, {AM_BUNDLE_SEQ, &w->seq.r, NULL},
		{AM_BUNDLE_START, &w->start.r, NULL}, {AM_BUNDLE_MAX, &w->max.r, NULL},
		{AM_BUNDLE_TIME, &w->time.r, NULL}, {AM_BUNDLE_MESSAGE, &w->message, NULL},
		{AM_BUNDLE_DEPS_COUNT, &w->deps_count, NULL}, {AM_BUNDLE_DEPS, &w->deps.r, NULL},
		{AM_BUNDLE_EXTRA_COUNT, &w->extra_count, NULL}, {AM_BUNDLE_EXTRA, NULL, &w->extra}};

	return am_columns_collect(all, sizeof all / sizeof *all, ret);
}

/* The newer form: places instead of counters. */
static int place_column(struct writer *w, struct am_columns *cols)
{
	size_t k = 0;

	for (uint64_t i = 0; i < w->n_ops; i++)
		am_delta_put(&w->places, w->place[i]);
	am_rle_finish(&w->places.r);
	if (w->places.r.out.err)
		return w->places.r.out.err;
	for (size_t i = 0; i < cols->n; i++)
		if (cols->v[i].spec != AM_ID_CTR)
			cols->v[k++] = cols->v[i];
	cols->n = k;
	if (w->places.r.out.n)
		cols->v[cols->n++] = (struct am_column){
			.spec = AM_ID_PLACE, .n = w->places.r.out.n, .p = w->places.r.out.p};
	return AM_OK;
}

/* ---- the chunk ---- */

static void put_body(struct writer *w, const struct am_columns *changes, const struct am_columns *ops)
{
	const am_doc *doc = w->doc;
	struct am_out *o = &w->body;

	if (am_out_need(o, AM_CHUNK_HEAD_MAX))
		o->n = AM_CHUNK_HEAD_MAX;
	am_out_uleb(o, w->outside_rows.n);
	for (size_t i = 0; i < w->outside_rows.n; i++)
		am_out_put(o, &doc->graph.hash.p[w->outside_rows.p[i]], sizeof(am_hash));
	am_out_uleb(o, w->n_actors);
	for (size_t r = 0; r < doc->actors.v.n; r++) {
		uint32_t ix = doc->actors.order[r];

		if (w->map[ix] != AM_NONE)
			am_out_block(o, doc->actors.v.p[ix].p, doc->actors.v.p[ix].n);
	}
	am_columns_put_meta(o, changes);
	am_columns_put_data(o, changes);
	am_columns_put_meta(o, ops);
	am_columns_put_data(o, ops);
}

static int write_chunk(struct writer *w, int flags, struct am_out *out)
{
	const am_allocator *a = &w->doc->a;
	struct am_out packed[2] = {{.a = a}, {.a = a}};
	size_t budget = w->doc->opts.max_inflate;
	struct am_columns changes, ops;
	am_hash unused;
	size_t start;
	int rc;

	if ((rc = change_columns(w, &changes)) || (rc = am_op_enc_finish(&w->ops, &ops)))
		return rc;
	if (!(flags & AM_SAVE_OLD_BUNDLE) && (rc = place_column(w, &ops)))
		return rc;
	if (!(flags & (AM_SAVE_OLD_BUNDLE | AM_SAVE_PLAIN)) &&
	    ((rc = am_columns_deflate(&changes, &w->doc->scratch->deflater, &packed[0], &budget)) ||
	     (rc = am_columns_deflate(&ops, &w->doc->scratch->deflater, &packed[1], &budget))))
		goto out;
	put_body(w, &changes, &ops);
	rc = w->body.err;
	if (rc)
		goto out;
	start = am_chunk_seal(&w->body, AM_CHUNK_BUNDLE, &unused);
	am_out_put(out, w->body.p + start, w->body.n - start);
	rc = out->err;
out:
	am_out_free(&packed[0]);
	am_out_free(&packed[1]);
	am_scratch_trim(w->doc->scratch);
	return rc;
}

int am_bundle_build(am_doc *doc, const uint32_t *rows, size_t n, int flags, struct am_out *out)
{
	struct writer w = {.doc = doc, .rows = rows, .n = n};
	int rc = am_graph_complete(doc, &doc->graph);

	if (rc || n == 0)
		return rc;
	writer_init(&w);
	if ((rc = collect_changes(&w)) || (rc = map_actors(&w)) || (rc = count_bases(&w)) || (rc = put_ops(&w)) ||
	    (rc = put_changes(&w)))
		goto out;
	rc = write_chunk(&w, flags, out);
out:
	writer_fini(&w);
	return rc;
}

/* ---- public ---- */

static int save_rows(am_doc *doc, const am_rows *rows, int flags, am_buf *out)
{
	struct am_out o = {.a = &doc->a};
	int rc = am_bundle_build(doc, rows->p, rows->n, flags, &o);

	if (rc == AM_OK)
		rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

static int cmp_rows(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

int am_save_bundle(am_doc *doc, const am_hash *hashes, size_t n, int flags, am_buf *out)
{
	am_rows rows = {0};
	size_t k = 0;
	int rc = am_tx_flush(doc);

	if (rc || (rc = am_graph_complete(doc, &doc->graph)))
		return rc;
	if (am_vec_reserve(&doc->a, &rows, n))
		return AM_E_NOMEM;
	for (size_t i = 0; i < n && rc == AM_OK; i++) {
		rows.p[rows.n] = am_graph_find(&doc->graph, &hashes[i]);
		rc = rows.p[rows.n++] == AM_NONE ? AM_E_NOT_FOUND : AM_OK;
	}
	if (rc == AM_OK && n) {
		qsort(rows.p, n, sizeof *rows.p, cmp_rows);
		for (size_t i = 0; i < n; i++)
			if (!k || rows.p[k - 1] != rows.p[i])
				rows.p[k++] = rows.p[i];
		rows.n = k;
	}
	if (rc == AM_OK)
		rc = save_rows(doc, &rows, flags, out);
	am_vec_free(&doc->a, &rows);
	return rc;
}

int am_save_bundle_after(am_doc *doc, const am_hash *have, size_t n, int flags, am_buf *out)
{
	am_rows rows = {0};
	int rc = am_tx_flush(doc);

	if (rc == AM_OK)
		rc = am_graph_since_hashes(doc, have, n, &rows);
	if (rc == AM_OK)
		rc = save_rows(doc, &rows, flags, out);
	am_vec_free(&doc->a, &rows);
	return rc;
}
