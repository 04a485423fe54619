#include "automerge/document.h"

#include "automerge/opset.h"
#include "automerge/radix.h"
#include "base/utf8.h"

/* Columns of the change table. */
enum {
	CH_ACTOR = 1, CH_SEQ = 3, CH_MAX_OP = 19, CH_TIME = 35, CH_MESSAGE = 53, CH_DEPS_COUNT = 64, CH_DEPS = 67,
	CH_EXTRA_META = 86, CH_EXTRA = 87
};

/* ---- opening ---- */

int am_docfile_open(const am_allocator *a, const struct am_chunk *ch, struct am_docfile *ret)
{
	struct am_docfile f = {.a = a};
	struct am_in in = am_in_of(ch->body, ch->n);
	int rc;

	am_arena_init(&f.arena, a);
	am_arena_init(&f.change_arena, a);
	am_arena_init(&f.op_arena, a);
	rc = am_in_count(&in, 1, &f.n_actors);
	if (rc)
		goto out;
	rc = AM_E_NOMEM;
	f.actors = am_arena_array(&f.arena, f.n_actors, sizeof *f.actors);
	if (!f.actors)
		goto out;
	for (size_t i = 0; i < f.n_actors; i++) {
		rc = am_in_block(&in, &f.actors[i].p, &f.actors[i].n);
		if (rc)
			goto out;
	}
	rc = am_in_hashes(&in, &f.heads, &f.n_heads);
	f.rest = in;
out:
	if (rc)
		am_arena_fini(&f.arena);
	else
		*ret = f;
	return rc;
}

void am_docfile_close(struct am_docfile *f)
{
	am_vec_free(f->a, &f->changes);
	am_vec_free(f->a, &f->deps);
	am_docfile_drop_rows(f);
	am_docfile_drop_changes(f);
	am_vec_free(f->a, &f->changed);
	am_mem_free(f->a, f->preds);
	am_arena_fini(&f->arena);
}

/* ---- columns ---- */

int am_columns_inflate(struct am_columns *cols, struct am_scratch *s, struct am_arena *arena, size_t *budget)
{
	int rc = AM_OK;

	for (size_t i = 0; i < cols->n && rc == AM_OK; i++) {
		struct am_column *c = &cols->v[i];

		if (!c->deflated)
			continue;
		rc = am_inflate(&s->deflater, c->p, c->n, *budget, &s->inflated);
		if (rc)
			break;
		*budget -= s->inflated.n;
		c->n = s->inflated.n;
		c->p = am_arena_take(arena, &s->inflated);
		rc = c->p ? AM_OK : AM_E_NOMEM;
	}
	am_out_free(&s->inflated); /* as large as a column may be: not to be kept beside all of them */
	return rc;
}

static int read_heads_index(struct am_docfile *f, struct am_in *in)
{
	uint64_t row;
	int rc;

	if (in->p == in->end || f->no_index)
		return AM_OK; /* old files have none */
	f->head_rows = am_arena_array(&f->arena, f->n_heads, sizeof *f->head_rows);
	if (!f->head_rows)
		return AM_E_NOMEM;
	for (size_t i = 0; i < f->n_heads; i++) {
		rc = am_in_uleb(in, &row);
		if (rc)
			return rc;
		f->head_rows[i] = row < AM_NONE ? (uint32_t)row : AM_NONE;
	}
	return in->p == in->end ? AM_OK : AM_E_FORMAT;
}

static int read_columns(struct am_docfile *f, struct am_scratch *s, const struct am_limits *lim)
{
	struct am_in in = f->rest;
	size_t budget = lim->max_inflate;
	int rc;

	if ((rc = am_columns_parse(&in, &f->change_cols)) || (rc = am_columns_parse(&in, &f->op_cols)) ||
	    (rc = am_columns_data(&in, &f->change_cols)) || (rc = am_columns_data(&in, &f->op_cols)) ||
	    (rc = read_heads_index(f, &in)))
		return rc;
	rc = am_columns_inflate(&f->change_cols, s, &f->change_arena, &budget);
	return rc ? rc : am_columns_inflate(&f->op_cols, s, &f->op_arena, &budget);
}

/* ---- change rows ---- */

static void init_rle(struct am_rle_dec *d, const struct am_columns *cols, uint32_t spec, enum am_rle_kind kind,
		     bool strict)
{
	struct am_bytes b = am_columns_get(cols, spec);

	am_rle_dec_init(d, b.p, b.n, kind, strict);
}

int am_change_dec_init(struct am_change_dec *d, const struct am_columns *cols, uint64_t max, bool strict)
{
	struct am_bytes actor = am_columns_get(cols, CH_ACTOR), extra = am_columns_get(cols, CH_EXTRA);
	struct am_bytes count = am_columns_get(cols, CH_DEPS_COUNT);
	uint64_t unused;
	int rc;

	*d = (struct am_change_dec){.extra = am_in_of(extra.p, extra.n)};
	if ((rc = am_rle_count(actor.p, actor.n, AM_RLE_UINT, max, &d->rows, NULL)) ||
	    (rc = am_rle_count(count.p, count.n, AM_RLE_UINT, max, &unused, &d->n_deps)))
		return rc;
	init_rle(&d->actor, cols, CH_ACTOR, AM_RLE_UINT, strict);
	init_rle(&d->seq.r, cols, CH_SEQ, AM_RLE_INT, strict);
	init_rle(&d->max_op.r, cols, CH_MAX_OP, AM_RLE_INT, strict);
	init_rle(&d->time.r, cols, CH_TIME, AM_RLE_INT, strict);
	init_rle(&d->message, cols, CH_MESSAGE, AM_RLE_STR, strict);
	init_rle(&d->deps_count, cols, CH_DEPS_COUNT, AM_RLE_UINT, strict);
	init_rle(&d->deps.r, cols, CH_DEPS, AM_RLE_INT, strict);
	init_rle(&d->extra_meta, cols, CH_EXTRA_META, AM_RLE_UINT, strict);
	return AM_OK;
}

bool am_change_dec_done(const struct am_change_dec *d)
{
	return am_rle_done(&d->actor) && am_rle_done(&d->seq.r) && am_rle_done(&d->max_op.r) &&
	       am_rle_done(&d->time.r) && am_rle_done(&d->message) && am_rle_done(&d->deps_count) &&
	       am_rle_done(&d->deps.r) && am_rle_done(&d->extra_meta) && d->extra.p == d->extra.end;
}

static int next_numbers(struct am_docfile *f, struct am_change_dec *d, struct am_doc_change *c)
{
	bool null_a, null_s, null_m, null_t;
	uint64_t seq, max_op, time;
	int rc;

	if ((rc = am_rle_next(&d->actor, &null_a)) || (rc = am_delta_next(&d->seq, &null_s, &seq)) ||
	    (rc = am_delta_next(&d->max_op, &null_m, &max_op)) || (rc = am_delta_next(&d->time, &null_t, &time)))
		return rc;
	if (null_a || null_s || null_m || d->actor.v >= f->n_actors || (null_t && d->time.r.strict && !d->time.r.absent))
		return AM_E_FORMAT;
	if (max_op > AM_MAX_COUNTER || seq >= AM_NONE)
		return AM_E_LIMIT;
	c->actor = (uint32_t)d->actor.v;
	c->seq = (uint32_t)seq;
	c->max_op = (uint32_t)max_op;
	c->time = null_t ? 0 : (int64_t)time;
	return AM_OK;
}

static int next_texts(struct am_change_dec *d, struct am_doc_change *c)
{
	bool null;
	int rc = am_rle_next(&d->message, &null);

	if (rc)
		return rc;
	c->message = null ? (struct am_bytes){(const uint8_t *)"", 0} :
			    (struct am_bytes){d->message.s, d->message.s_n};
	if (!utf8_valid(c->message.p, c->message.n))
		return AM_E_FORMAT;
	rc = am_rle_next(&d->extra_meta, &null);
	if (rc)
		return rc;
	if (null || d->extra_meta.v >> 4 > am_in_left(&d->extra))
		return AM_E_FORMAT;
	c->extra.n = (size_t)(d->extra_meta.v >> 4);
	return am_in_bytes(&d->extra, c->extra.n, &c->extra.p);
}

/* Dependencies of row `row`, appended to f->deps. */
static int next_deps(struct am_docfile *f, struct am_change_dec *d, uint32_t row, struct am_doc_change *c)
{
	uint64_t dep;
	bool null;
	int rc = am_rle_next(&d->deps_count, &null);

	if (rc)
		return rc;
	if (null || d->deps_count.v > (uint64_t)row + AM_DEPS_SPARE)
		return AM_E_FORMAT;
	c->deps = (uint32_t)f->deps.n;
	c->n_deps = (uint32_t)d->deps_count.v;
	if (am_vec_reserve(f->a, &f->deps, c->n_deps))
		return AM_E_NOMEM;
	for (uint32_t i = 0; i < c->n_deps; i++) {
		rc = am_delta_next(&d->deps, &null, &dep);
		if (rc)
			return rc;
		if (null || dep >= row)
			return AM_E_FORMAT;
		f->deps.p[f->deps.n++] = (uint32_t)dep;
	}
	return AM_OK;
}

int am_change_dec_next(struct am_docfile *f, struct am_change_dec *d, uint32_t row, struct am_doc_change *c)
{
	int rc;

	if ((rc = next_numbers(f, d, c)) || (rc = next_texts(d, c)))
		return rc;
	return next_deps(f, d, row, c);
}

static uint32_t deps_max_op(const struct am_docfile *f, const struct am_doc_change *c)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < c->n_deps; i++) {
		uint32_t max_op = f->changes.p[f->deps.p[c->deps + i]].max_op;

		most = max_op > most ? max_op : most;
	}
	return most;
}

static int decode_changes(struct am_docfile *f, const struct am_limits *lim, bool strict)
{
	struct am_change_dec d;
	struct am_doc_change c = {0};
	uint32_t *last;
	int rc = am_change_dec_init(&d, &f->change_cols, lim->max_ops, strict);

	if (rc)
		return rc;
	/* Row of each actor's newest change so far, plus one. */
	last = am_arena_array(&f->arena, f->n_actors, sizeof *last);
	if (!last)
		return AM_E_NOMEM;
	memset(last, 0, f->n_actors * sizeof *last);
	for (uint64_t i = 0; i < d.rows; i++) {
		if ((rc = am_change_dec_next(f, &d, (uint32_t)i, &c)))
			return rc;
		if (c.max_op < deps_max_op(f, &c))
			return AM_E_FORMAT;
		if (last[c.actor]) {
			const struct am_doc_change *b = &f->changes.p[last[c.actor] - 1];

			if (c.seq != b->seq + 1)
				return AM_E_SEQ_GAP;
			if (c.max_op < b->max_op)
				return AM_E_FORMAT;
		} else if (c.seq != 1) {
			return AM_E_SEQ_GAP;
		}
		if (am_vec_reserve(f->a, &f->changes, 1))
			return AM_E_NOMEM;
		f->changes.p[f->changes.n++] = c;
		last[c.actor] = (uint32_t)f->changes.n;
	}
	return am_change_dec_done(&d) ? AM_OK : AM_E_FORMAT;
}

/* ---- operation rows ---- */

static int push_row(struct am_docfile *f, const am_op *op)
{
	if (f->rows.n && am_op_join(&f->rows.p[f->rows.n - 1], op, AM_FORM_DOCUMENT))
		return AM_OK;
	if (am_vec_reserve(f->a, &f->rows, 1))
		return AM_E_NOMEM;
	f->rows.p[f->rows.n++] = *op;
	return AM_OK;
}

static int decode_rows(struct am_docfile *f, const struct am_limits *lim, bool strict)
{
	struct am_op_dec d;
	am_op op;
	size_t used = 0;
	uint32_t n;
	int rc = am_op_dec_init(&d, &f->op_cols, AM_FORM_DOCUMENT, (uint32_t)f->n_actors, lim->max_ops, strict);

	if (rc)
		return rc;
	f->succs = am_mem_realloc(f->a, NULL, (size_t)d.refs + 1, sizeof *f->succs);
	if (!f->succs)
		return AM_E_NOMEM;
	for (uint64_t i = 0; i < d.rows; i++) {
		if ((rc = am_op_dec_next(&d, &op, f->succs + used)))
			return rc;
		if (op.action == AM_ACT_DEL)
			return AM_E_FORMAT;
		used += op.n_refs;
		if ((rc = push_row(f, &op)))
			return rc;
		if (op.n_refs > 1 || !am_op_is_char(&op))
			continue;
		if ((rc = am_op_dec_run(&d, &f->rows.p[f->rows.n - 1], &n)))
			return rc;
		i += n;
		used += op.n_refs ? n : 0;
	}
	return am_op_dec_done(&d);
}

int am_docfile_table(struct am_docfile *f, struct am_scratch *s, const struct am_limits *lim)
{
	struct am_in in = f->rest;
	size_t budget = lim->max_inflate;
	int rc;

	if ((rc = am_columns_parse(&in, &f->change_cols)) || (rc = am_columns_parse(&in, &f->op_cols)) ||
	    (rc = am_columns_data(&in, &f->change_cols)) ||
	    (rc = am_columns_inflate(&f->change_cols, s, &f->change_arena, &budget)))
		return rc;
	return decode_changes(f, lim, false);
}

static int localize(struct am_docfile *f, struct am_actors *t)
{
	int rc;

	f->local = am_arena_array(&f->arena, f->n_actors, sizeof *f->local);
	if (!f->local)
		return AM_E_NOMEM;
	for (size_t i = 0; i < f->n_actors; i++) {
		rc = am_actors_intern(t, f->a, f->actors[i].p, f->actors[i].n, &f->local[i]);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < f->rows.n; i++) {
		am_op *op = &f->rows.p[i];

		op->id.actor = f->local[op->id.actor];
		if (!am_id_is_null(op->obj))
			op->obj.actor = f->local[op->obj.actor];
		if (!op->key_is_str && !am_id_is_null(op->elem))
			op->elem.actor = f->local[op->elem.actor];
		for (uint32_t k = 0; k < op->n_refs; k++) {
			am_id *s = &f->succs[(size_t)(op->refs - f->succs) + k];

			s->actor = f->local[s->actor];
		}
	}
	return AM_OK;
}

int am_docfile_decode_rows(struct am_docfile *f, struct am_scratch *s, struct am_actors *t, const struct am_limits *lim,
			   bool strict)
{
	int rc;

	if ((rc = read_columns(f, s, lim)) || (rc = decode_rows(f, lim, strict)) || (rc = localize(f, t)) ||
	    (rc = am_docfile_order(f, t)))
		return rc;
	return strict && (f->mark_ends_early || !f->ordered) ? AM_E_FORMAT : AM_OK;
}

void am_docfile_drop_rows(struct am_docfile *f)
{
	am_vec_free(f->a, &f->rows);
	am_mem_free(f->a, f->succs);
	f->succs = NULL;
	am_arena_fini(&f->op_arena);
}

void am_docfile_drop_changes(struct am_docfile *f)
{
	am_arena_fini(&f->change_arena);
}

int am_docfile_decode(struct am_docfile *f, struct am_scratch *s, struct am_actors *t, const struct am_limits *lim,
		      bool strict)
{
	int rc = am_docfile_decode_rows(f, s, t, lim, strict);

	if (rc || (rc = decode_changes(f, lim, strict)))
		return rc;
	for (size_t i = 0; i < f->changes.n; i++)
		f->changes.p[i].actor = f->local[f->changes.p[i].actor];
	return AM_OK;
}

/* ---- rows to changes ---- */

/* The register an operation row (or element k of a run) belongs to. */
static am_id row_elem(const am_op *op, uint32_t k)
{
	return op->insert ? (am_id){op->id.ctr + k, op->id.actor} : op->elem;
}

static bool same_register(const am_op *a, uint32_t ka, const am_op *b, uint32_t kb)
{
	if (!am_id_eq(a->obj, b->obj) || a->key_is_str != b->key_is_str)
		return false;
	if (a->key_is_str)
		return a->key_n == b->key_n && memcmp(a->key, b->key, a->key_n) == 0;
	return am_id_eq(row_elem(a, ka), row_elem(b, kb));
}

struct assign {
	struct am_docfile *f;
	struct am_keyed *rows;  /* key = id of the record; a = record */
	struct am_keyed *edges; /* key = successor; a = record, b = element of a run */
	size_t n_rows, n_edges;
	uint32_t *order;        /* change rows by actor, then sequence */
	size_t at, end;         /* into order: changes of the current actor from here on */
};

static int collect_keys(struct assign *x)
{
	struct am_docfile *f = x->f;
	size_t n_edges = 0;
	int rc;

	for (size_t i = 0; i < f->rows.n; i++)
		n_edges += f->rows.p[i].n_refs;
	x->n_rows = f->rows.n;
	x->rows = am_mem_realloc(f->a, NULL, x->n_rows + 1, sizeof *x->rows);
	x->edges = am_mem_realloc(f->a, NULL, n_edges + 1, sizeof *x->edges);
	f->preds = am_mem_realloc(f->a, NULL, n_edges + 1, sizeof *f->preds);
	if (!x->rows || !x->edges || !f->preds)
		return AM_E_NOMEM;
	for (size_t i = 0; i < f->rows.n; i++) {
		const am_op *op = &f->rows.p[i];

		x->rows[i] = (struct am_keyed){am_id_key(op->id), (uint32_t)i, 0};
		for (uint32_t k = 0; k < op->n_refs; k++)
			x->edges[x->n_edges++] =
				(struct am_keyed){am_id_key(op->refs[k]), (uint32_t)i, op->run > 1 ? k : 0};
	}
	rc = am_radix_sort(f->a, x->rows, x->n_rows);
	if (rc == AM_OK)
		rc = am_radix_sort(f->a, x->edges, x->n_edges);
	return rc;
}

/* Gives `op` (change form) to the change it falls in; a run may span several. */
static int assign_op(struct assign *x, const am_op *op)
{
	struct am_docfile *f = x->f;
	uint32_t done = 0, room, n;
	struct am_doc_change *c;
	size_t byte = 0;

	while (done < op->run) {
		uint32_t ctr = op->id.ctr + done;

		while (x->at < x->end && f->changes.p[x->order[x->at]].max_op < ctr)
			x->at++;
		if (x->at == x->end)
			return AM_E_FORMAT; /* in no change */
		c = &f->changes.p[x->order[x->at]];
		room = c->max_op - ctr + 1;
		n = op->run - done < room ? op->run - done : room;
		if (am_vec_reserve(f->a, &f->changed, 1))
			return AM_E_NOMEM;
		if (c->n_ops == 0) {
			c->ops = f->changed.n;
			c->start_op = ctr;
		} else if (c->next != ctr) {
			return AM_E_FORMAT; /* missing or duplicate operations */
		}
		f->changed.p[f->changed.n++] = am_op_slice(op, done, n, &byte);
		c->n_ops++;
		c->next = ctr + n;
		done += n;
	}
	return AM_OK;
}

/* An operation that is no row: a delete of the rows its edges [i, k) start from. */
static am_op delete_op(const struct assign *x, size_t i, size_t k)
{
	const struct am_keyed *e = &x->edges[i];
	const am_op *row = &x->f->rows.p[e->a];
	am_op op = {.id = am_key_id(e->key), .obj = row->obj, .run = 1, .action = AM_ACT_DEL};

	op.key_is_str = row->key_is_str;
	op.key = row->key;
	op.key_n = row->key_n;
	if (!op.key_is_str)
		op.elem = row_elem(row, e->b);
	op.val = (const uint8_t *)"";
	op.refs = x->f->preds + i;
	op.n_refs = (uint32_t)(k - i);
	return op;
}

/* Predecessors of one operation: the edges [i, *ret_k) with its id. */
static int gather_preds(struct assign *x, size_t i, const am_op *row, size_t *ret_k)
{
	const struct am_docfile *f = x->f;
	uint64_t key = x->edges[i].key;
	const am_op *first = &f->rows.p[x->edges[i].a];
	size_t k = i;

	for (; k < x->n_edges && x->edges[k].key == key; k++) {
		const am_op *from = &f->rows.p[x->edges[k].a];

		if (!same_register(from, x->edges[k].b, row ? row : first, row ? 0 : x->edges[i].b))
			return AM_E_FORMAT;
		f->preds[k] = (am_id){from->id.ctr + x->edges[k].b, from->id.actor};
		if (f->preds[k].ctr >= (uint32_t)key)
			return AM_E_FORMAT;
	}
	*ret_k = k;
	return AM_OK;
}

static void next_actor(struct assign *x, uint32_t actor)
{
	const struct am_doc_change *changes = x->f->changes.p;

	while (x->at < x->f->changes.n && changes[x->order[x->at]].actor < actor)
		x->at++;
	for (x->end = x->at; x->end < x->f->changes.n && changes[x->order[x->end]].actor == actor;)
		x->end++;
}

/* Merges rows and edges by id. */
static int merge_ops(struct assign *x)
{
	struct am_docfile *f = x->f;
	size_t r = 0, e = 0, k;
	uint32_t actor = AM_NONE;
	uint64_t key, past = 0; /* ids below `past` are taken */
	am_op op;
	int rc;

	while (r < x->n_rows || e < x->n_edges) {
		bool is_row = r < x->n_rows && (e == x->n_edges || x->rows[r].key <= x->edges[e].key);

		key = is_row ? x->rows[r].key : x->edges[e].key;
		if (key < past)
			return AM_E_FORMAT; /* the same id twice, or a predecessor of an insertion in a run */
		if ((uint32_t)(key >> 32) != actor)
			next_actor(x, actor = (uint32_t)(key >> 32));
		k = e;
		if (is_row) {
			op = f->rows.p[x->rows[r++].a];
			op.refs = NULL;
			op.n_refs = 0;
			if (e < x->n_edges && x->edges[e].key == key) {
				if (op.insert || (rc = gather_preds(x, e, &op, &k)))
					return AM_E_FORMAT;
				op.refs = f->preds + e;
				op.n_refs = (uint32_t)(k - e);
			}
		} else {
			if ((rc = gather_preds(x, e, NULL, &k)))
				return rc;
			op = delete_op(x, e, k);
		}
		past = key + op.run;
		e = k;
		if ((rc = assign_op(x, &op)))
			return rc;
	}
	return AM_OK;
}

static int order_changes(struct assign *x)
{
	struct am_docfile *f = x->f;
	struct am_keyed *v = am_mem_realloc(f->a, NULL, f->changes.n + 1, sizeof *v);
	int rc;

	x->order = am_mem_realloc(f->a, NULL, f->changes.n + 1, sizeof *x->order);
	if (!v || !x->order) {
		am_mem_free(f->a, v);
		return AM_E_NOMEM;
	}
	for (size_t i = 0; i < f->changes.n; i++)
		v[i] = (struct am_keyed){(uint64_t)f->changes.p[i].actor << 32 | f->changes.p[i].seq, (uint32_t)i, 0};
	rc = am_radix_sort(f->a, v, f->changes.n);
	for (size_t i = 0; i < f->changes.n; i++)
		x->order[i] = v[i].a;
	am_mem_free(f->a, v);
	return rc;
}

int am_docfile_changes(struct am_docfile *f)
{
	struct assign x = {.f = f};
	int rc;

	rc = order_changes(&x);
	if (rc == AM_OK)
		rc = collect_keys(&x);
	if (rc == AM_OK)
		rc = merge_ops(&x);
	for (size_t i = 0; i < f->changes.n && rc == AM_OK; i++) {
		struct am_doc_change *c = &f->changes.p[i];

		if (c->n_ops == 0)
			c->start_op = c->max_op + 1;
		else if (c->next != c->max_op + 1)
			rc = AM_E_FORMAT; /* missing operations */
	}
	am_mem_free(f->a, x.rows);
	am_mem_free(f->a, x.edges);
	am_mem_free(f->a, x.order);
	return rc;
}

void am_doc_change_fill(const struct am_doc_change *x, am_hash *deps, am_op *changed, am_change *c)
{
	c->deps = deps;
	c->n_deps = x->n_deps;
	c->actor = x->actor;
	c->seq = x->seq;
	c->start_op = x->start_op;
	c->op_count = x->max_op + 1 - x->start_op;
	c->time = x->time;
	c->message = x->message.p;
	c->message_n = x->message.n;
	c->extra = x->extra.p;
	c->extra_n = x->extra.n;
	c->ops = x->n_ops ? changed + x->ops : NULL;
	c->n_ops = x->n_ops;
}

int am_docfile_change(const struct am_docfile *f, size_t i, const am_hash *hashes, am_change *c)
{
	const struct am_doc_change *x = &f->changes.p[i];
	am_hash *deps = am_arena_array(&c->arena, x->n_deps, sizeof *deps);

	if (!deps)
		return AM_E_NOMEM;
	for (uint32_t k = 0; k < x->n_deps; k++)
		deps[k] = hashes[f->deps.p[x->deps + k]];
	am_doc_change_fill(x, deps, f->changed.p, c);
	return AM_OK;
}
