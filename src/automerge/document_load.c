/* Loading a document chunk into an empty document. The operation rows go into the
 * operation set; then the change table is read row by row, each change is built
 * again from the operation set and hashed, and becomes a row of the graph. Nothing
 * of the size of the history is kept beside the document (automerge format 5.4). */
#include "automerge/document.h"
#include "automerge/opset.h"

struct loader {
	am_doc *doc;
	struct am_docfile *f;
	struct am_change_dec dec;
	am_change c;          /* the change being read */
	uint32_t max_op;      /* of c */
	struct am_walk *walk; /* by local actor */
	uint32_t *past;       /* greatest operation of each actor's changes so far */
	size_t ops;           /* in all changes so far */
	size_t bytes;         /* of the chunk */
	bool trust;
};

static int load_rows(am_doc *doc, const struct am_docfile *f)
{
	int rc = am_ops_load_begin(doc);

	for (size_t i = 0; i < f->rows.n && rc == AM_OK; i++)
		rc = am_ops_load_row(doc, &f->rows.p[i]);
	return rc ? rc : am_ops_load_end(doc);
}

/* The order of a change among those it follows. */
static int check_row(const struct loader *l)
{
	const struct am_graph *g = &l->doc->graph;

	if (l->c.seq != (uint64_t)am_graph_seq_count(g, l->c.actor) + 1)
		return AM_E_SEQ_GAP;
	if (l->max_op < l->past[l->c.actor])
		return AM_E_FORMAT;
	for (size_t i = 0; i < l->f->deps.n; i++) {
		struct am_row r = am_graph_row(g, l->f->deps.p[i]);

		if (am_row_max_op(&r) > l->max_op)
			return AM_E_FORMAT;
	}
	return AM_OK;
}

/* Where the change's operations begin, which the file does not say: at the first
 * one behind those of the change before. */
static void find_ops(struct loader *l)
{
	am_change *c = &l->c;
	uint32_t first = am_ops_next_from(l->doc, &l->walk[c->actor], c->actor, l->past[c->actor] + 1);

	c->start_op = first && first <= l->max_op ? first : l->max_op + 1;
	c->op_count = l->max_op + 1 - c->start_op;
	l->ops += c->op_count;
	l->past[c->actor] = l->max_op;
}

static int next_change(struct loader *l, uint32_t row)
{
	struct am_doc_change x;
	am_change *c = &l->c;
	int rc;

	l->f->deps.n = 0;
	rc = am_change_dec_next(l->f, &l->dec, row, &x);
	if (rc)
		return rc;
	c->actor = l->f->local[x.actor];
	c->seq = x.seq;
	c->time = x.time;
	c->message = x.message.p;
	c->message_n = x.message.n;
	c->extra = x.extra.p;
	c->extra_n = x.extra.n;
	c->n_deps = x.n_deps;
	l->max_op = x.max_op;
	rc = check_row(l);
	if (rc == AM_OK)
		find_ops(l);
	return rc;
}

static int hash_change(struct loader *l)
{
	am_doc *doc = l->doc;
	am_change *c = &l->c;
	am_hash *deps = am_arena_array(&c->arena, c->n_deps, sizeof *deps);
	struct am_bytes unused;
	int rc = AM_OK;

	if (!deps)
		return AM_E_NOMEM;
	for (size_t i = 0; i < c->n_deps; i++)
		deps[i] = doc->graph.hash.p[l->f->deps.p[i]];
	c->deps = deps;
	c->n_ops = 0;
	if (c->op_count)
		rc = am_ops_collect_on(doc, &l->walk[c->actor], c->actor, c->start_op, c->op_count, c);
	if (rc == AM_OK)
		rc = am_change_build(doc->scratch, &doc->actors, c, &unused);
	am_mem_free(&doc->a, c->ops_mem);
	c->ops_mem = NULL;
	return rc == AM_E_NOT_FOUND ? AM_E_FORMAT : rc; /* missing operations */
}

/* Appends the change; its arena is used again for the next one. */
static int load_change(struct loader *l, uint32_t row)
{
	int rc = next_change(l, row);

	if (rc == AM_OK && !l->trust)
		rc = hash_change(l);
	if (rc == AM_OK)
		rc = am_rows_reserve(&l->doc->a, &l->doc->graph, &l->c);
	if (rc == AM_OK)
		am_graph_append(l->doc, &l->c, l->f->deps.p);
	am_arena_reset(&l->c.arena);
	return rc;
}

static bool heads_equal(const am_doc *doc, const struct am_docfile *f)
{
	if (doc->graph.heads.n != f->n_heads)
		return false;
	for (size_t i = 0; i < f->n_heads; i++)
		if (!am_hash_in(doc->graph.heads.p, f->n_heads, &f->heads[i]))
			return false;
	return true;
}

static int finish(struct loader *l)
{
	struct am_graph *g = &l->doc->graph;
	int rc;

	if (!am_change_dec_done(&l->dec) || l->ops != am_ops_count(l->doc)) /* an operation in no change */
		return AM_E_FORMAT;
	am_docfile_drop_changes(l->f); /* the index is not to stand beside them */
	if (l->trust) {
		g->unhashed = g->hash.n;
		return am_graph_trust_heads(l->doc, l->f->heads, l->f->head_rows, l->f->n_heads);
	}
	rc = am_graph_fill_end(l->doc);
	if (rc)
		return rc;
	return heads_equal(l->doc, l->f) ? AM_OK : AM_E_HEADS;
}

static int load_changes(struct loader *l)
{
	am_doc *doc = l->doc;
	size_t n = doc->actors.v.n;
	int rc = AM_OK;

	l->walk = am_mem_realloc(&doc->a, NULL, n + 1, sizeof *l->walk);
	l->past = am_mem_zalloc(&doc->a, (n + 1) * sizeof *l->past);
	if (!l->walk || !l->past)
		rc = AM_E_NOMEM;
	for (size_t i = 0; i < n && rc == AM_OK; i++)
		l->walk[i] = AM_WALK_START;
	/* No more than what was sent may ask for. */
	if (rc == AM_OK && l->dec.rows <= l->bytes && am_vec_reserve(&doc->a, &doc->graph.hash, l->dec.rows))
		rc = AM_E_NOMEM;
	am_change_init(&l->c, &doc->a);
	for (uint64_t i = 0; i < l->dec.rows && rc == AM_OK; i++)
		rc = load_change(l, (uint32_t)i);
	am_change_fini(&l->c);
	am_mem_free(&doc->a, l->walk);
	am_mem_free(&doc->a, l->past);
	return rc ? rc : finish(l);
}

int am_document_load(am_doc *doc, const struct am_chunk *ch, int flags)
{
	struct am_limits lim = {doc->opts.max_inflate, doc->opts.max_ops};
	bool strict = (flags & AM_LOAD_STRICT) != 0;
	struct loader l = {.doc = doc, .bytes = ch->n};
	struct am_docfile f;
	int rc = am_docfile_open(&doc->a, ch, &f);

	if (rc)
		return rc;
	l.f = &f;
	rc = am_docfile_decode_rows(&f, doc->scratch, &doc->actors, &lim, strict);
	if (rc == AM_OK)
		rc = load_rows(doc, &f);
	am_docfile_drop_rows(&f);
	if (rc == AM_OK)
		am_doc_fit(doc);
	l.trust = flags & AM_LOAD_UNVERIFIED && f.head_rows;
	if (rc == AM_OK)
		rc = am_change_dec_init(&l.dec, &f.change_cols, lim.max_ops, strict);
	if (rc == AM_OK)
		rc = load_changes(&l);
	am_docfile_close(&f);
	am_scratch_trim(doc->scratch);
	if (rc == AM_OK)
		am_doc_fit(doc);
	return rc;
}
