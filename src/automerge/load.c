#include "automerge/load.h"

#include "automerge/bundle.h"
#include "automerge/document.h"
#include "automerge/opset.h"

struct batch {
	am_doc *doc;
	struct am_ready ready;
	AM_VEC(struct am_orphan *) fresh; /* admitted with this batch, in order */
	AM_VEC(struct am_orphan *) done;  /* applied, or found bad, in order; still in the queue */
	struct am_graph_mark mark;
	struct am_limits lim;
	bool undo;                        /* am_ops_undo_begin was called */
};

/* ---- admission ---- */

/* An author footer (crate 0.12) anywhere but in the first change of an actor breaks
 * the releases that read it; two of one actor are a duplicate sequence number. */
static int check_author(const am_change *c)
{
	return c->seq > 1 && am_change_author(c->extra, c->extra_n, NULL) ? AM_E_POISON : AM_OK;
}

static int check_seq(const am_doc *doc, const am_change *c)
{
	uint32_t actor = am_actors_find(&doc->actors, c->actors[0].p, c->actors[0].n);

	if (am_graph_by_seq(&doc->graph, actor, c->seq) != AM_NONE || am_queue_by_seq(&doc->queue, c))
		return AM_E_DUP_SEQ;
	return AM_OK;
}

/* Puts one parsed change, known to nobody, in the queue. Takes it over. */
static int admit(struct batch *b, am_change *c)
{
	struct am_orphan *o;
	int rc;

	if ((rc = am_change_verify(b->doc->scratch, c)) || (rc = check_seq(b->doc, c)) ||
	    (rc = check_author(c)) || (rc = am_queue_reserve(b->doc, c->n_deps)) ||
	    (rc = am_vec_reserve(&b->doc->a, &b->fresh, 1)))
		goto out;
	/* Both lists may come to hold every queued change. */
	if (b->done.cap < b->doc->queue.n + 1 && (rc = am_vec_reserve(&b->doc->a, &b->done, b->doc->queue.n + 1)))
		goto out;
	rc = am_orphan_new(b->doc, c, &o);
out:
	if (rc) {
		am_change_fini(c);
		return rc;
	}
	o->fresh = true;
	am_queue_add(b->doc, o, &b->ready);
	b->fresh.p[b->fresh.n++] = o;
	return AM_OK;
}

static bool is_known(const am_doc *doc, const am_hash *h)
{
	return am_graph_find(&doc->graph, h) != AM_NONE || am_queue_find(&doc->queue, h);
}

/* *ret_refused: the bytes were well-formed, but the change must not be taken. */
static int read_change(struct batch *b, const struct am_chunk *ch, bool *ret_refused)
{
	am_change c;
	int rc;

	if (ch->type == AM_CHUNK_CHANGE && is_known(b->doc, &ch->hash))
		return AM_OK;
	rc = am_change_parse(b->doc->scratch, ch, &b->lim, &c);
	if (rc)
		return rc;
	if (is_known(b->doc, &c.hash)) {
		am_change_fini(&c);
		return AM_OK;
	}
	rc = admit(b, &c);
	*ret_refused = rc != AM_OK;
	return rc;
}

static bool all_heads_known(const am_doc *doc, const struct am_docfile *f)
{
	for (size_t i = 0; i < f->n_heads; i++)
		if (am_graph_find(&doc->graph, &f->heads[i]) == AM_NONE)
			return false;
	return true;
}

/* The file's changes again as chunks; those not known yet are admitted. The
 * hashes are checked against the file's heads before any is. */
static int expand_changes(struct batch *b, struct am_docfile *f, bool *ret_refused)
{
	am_doc *doc = b->doc;
	struct { uint8_t *p; size_t n; } *chunks;
	am_hash *hashes;
	struct am_bytes chunk;
	am_change c;
	size_t heads = 0;
	bool *inner;
	int rc = AM_E_NOMEM;

	am_change_init(&c, &doc->a);
	chunks = am_mem_zalloc(&doc->a, (f->changes.n + 1) * sizeof *chunks);
	hashes = am_mem_alloc(&doc->a, (f->changes.n + 1) * sizeof *hashes);
	inner = am_mem_zalloc(&doc->a, f->changes.n + 1);
	if (!chunks || !hashes || !inner)
		goto out;
	for (size_t i = 0; i < f->changes.n; i++) {
		if ((rc = am_docfile_change(f, i, hashes, &c)) ||
		    (rc = am_change_build(doc->scratch, &doc->actors, &c, &chunk)))
			goto out;
		hashes[i] = c.hash;
		for (uint32_t k = 0; k < f->changes.p[i].n_deps; k++)
			inner[f->deps.p[f->changes.p[i].deps + k]] = true;
		if (is_known(doc, &c.hash))
			continue;
		rc = AM_E_NOMEM;
		chunks[i].p = am_mem_alloc(&doc->a, chunk.n);
		if (!chunks[i].p)
			goto out;
		memcpy(chunks[i].p, chunk.p, chunk.n);
		chunks[i].n = chunk.n;
	}
	rc = AM_E_HEADS;
	for (size_t i = 0; i < f->changes.n; i++) {
		if (inner[i])
			continue;
		heads++;
		if (!am_hash_in(f->heads, f->n_heads, &hashes[i]))
			goto out;
	}
	rc = heads == f->n_heads ? AM_OK : AM_E_HEADS;
	for (size_t i = 0; i < f->changes.n && rc == AM_OK; i++) {
		struct am_in in = am_in_of(chunks[i].p, chunks[i].n);
		struct am_chunk ch;

		if (!chunks[i].n)
			continue;
		rc = am_chunk_next(&in, &ch);
		if (rc == AM_OK)
			rc = read_change(b, &ch, ret_refused);
	}
out:
	for (size_t i = 0; chunks && i < f->changes.n; i++)
		am_mem_free(&doc->a, chunks[i].p);
	am_mem_free(&doc->a, chunks);
	am_mem_free(&doc->a, hashes);
	am_mem_free(&doc->a, inner);
	am_change_fini(&c);
	return rc;
}

/* All or none of a bundle's changes are taken to the queue. */
static int read_bundle(struct batch *b, const struct am_chunk *ch, bool *ret_refused)
{
	struct am_out changes = {.a = &b->doc->a};
	int rc = am_bundle_expand(b->doc->scratch, ch, &b->lim, &changes);
	struct am_in in = am_in_of(changes.p, changes.n);
	struct am_chunk one;

	while (rc == AM_OK && in.p < in.end) {
		rc = am_chunk_next(&in, &one);
		if (rc == AM_OK)
			rc = read_change(b, &one, ret_refused);
	}
	*ret_refused |= rc != AM_OK && changes.n && in.p > changes.p;
	am_out_free(&changes);
	return rc;
}

static int read_document(struct batch *b, const struct am_chunk *ch, int flags, bool *ret_refused)
{
	am_doc *doc = b->doc;
	struct am_docfile f;
	int rc = am_docfile_open(&doc->a, ch, &f);

	if (rc)
		return rc;
	if (f.n_heads && all_heads_known(doc, &f))
		goto out; /* repeated whole-document messages cost no more than this */
	rc = am_docfile_decode(&f, doc->scratch, &doc->actors, &b->lim, (flags & AM_LOAD_STRICT) != 0);
	if (rc == AM_OK)
		rc = am_docfile_changes(&f);
	if (rc == AM_OK)
		rc = expand_changes(b, &f, ret_refused);
out:
	am_docfile_close(&f);
	return rc;
}

/* ---- application ---- */

static uint32_t max_op_of(const struct am_graph *g, uint32_t row)
{
	struct am_row r = am_graph_row(g, row);

	return am_row_max_op(&r);
}

/* What depends on the history a change lands in. */
static int check_place(const am_doc *doc, const am_change *c)
{
	const struct am_graph *g = &doc->graph;
	uint32_t seqs = am_graph_seq_count(g, c->actor);

	if (c->seq <= seqs)
		return AM_E_DUP_SEQ;
	if (c->seq != (uint64_t)seqs + 1)
		return AM_E_SEQ_GAP;
	if (c->n_deps > g->hash.n + AM_DEPS_SPARE)
		return AM_E_LIMIT;
	/* Its own actor's earlier operations, dependency or not: files want them ascending. */
	if (seqs && max_op_of(g, am_graph_by_seq(g, c->actor, seqs)) >= c->start_op)
		return AM_E_POISON;
	for (size_t i = 0; i < c->n_deps; i++)
		if (max_op_of(g, am_graph_find(g, &c->deps[i])) >= c->start_op)
			return AM_E_POISON;
	return AM_OK;
}

static int apply_one(struct batch *b, struct am_orphan *o)
{
	am_doc *doc = b->doc;
	am_change *c = &o->c;
	int rc;

	if (!o->resolved) {
		rc = am_change_resolve(&doc->actors, &doc->a, c);
		if (rc)
			return rc;
		o->resolved = true;
	}
	if ((rc = check_place(doc, c)))
		return rc;
	if (am_ops_count(doc) + c->op_count > doc->opts.max_ops)
		return AM_E_LIMIT;
	if ((rc = am_graph_reserve(doc, c)))
		return rc;
	if (c->n_ops && ((rc = am_ops_check(doc, c)) || (rc = am_ops_apply(doc, c))))
		return rc;
	am_graph_add(doc, c);
	am_graph_cache(doc, c->raw, c->raw_n);
	return AM_OK;
}

static int apply_ready(struct batch *b)
{
	am_doc *doc = b->doc;
	struct am_orphan *o;
	int rc;

	if (b->ready.first && (b->ready.first->next_ready || doc->queue.n_waits)) {
		rc = am_ops_undo_begin(doc);
		if (rc)
			return rc;
		b->undo = true;
	}
	while ((o = am_ready_pop(&b->ready))) {
		rc = apply_one(b, o);
		if (rc && (o->fresh || rc == AM_E_NOMEM))
			return rc;
		b->done.p[b->done.n++] = o;
		/* An old orphan that turned out bad is not this batch's fault: it goes. */
		if (rc == AM_OK)
			am_queue_release(doc, &o->c.hash, &b->ready);
	}
	return AM_OK;
}

static void batch_free(struct batch *b)
{
	am_vec_free(&b->doc->a, &b->fresh);
	am_vec_free(&b->doc->a, &b->done);
}

static void batch_keep(struct batch *b)
{
	am_doc *doc = b->doc;

	if (b->undo)
		am_ops_undo_end(doc, true);
	for (size_t i = 0; i < b->fresh.n; i++)
		b->fresh.p[i]->fresh = false;
	for (size_t i = 0; i < b->done.n; i++) {
		am_queue_remove(doc, b->done.p[i]);
		am_orphan_free(doc, b->done.p[i]);
	}
	while (doc->queue.n > doc->opts.max_orphans) {
		struct am_orphan *o = doc->queue.oldest;

		am_queue_remove(doc, o);
		am_orphan_free(doc, o);
	}
	batch_free(b);
}

/* Everything as before the batch; allocates nothing. */
static void batch_revert(struct batch *b)
{
	am_doc *doc = b->doc;

	if (b->undo)
		am_ops_undo_end(doc, false);
	am_graph_rewind(doc, &b->mark);
	for (size_t i = 0; i < b->fresh.n; i++) {
		am_queue_remove(doc, b->fresh.p[i]);
		am_orphan_free(doc, b->fresh.p[i]);
	}
	for (struct am_orphan *o = doc->queue.oldest; o; o = o->next)
		am_queue_wait(doc, o);
	batch_free(b);
}

/* ---- batches ---- */

/* `first`: nothing came before, so that being broken here is an error. */
static int read_chunks(struct batch *b, struct am_in *in, bool first, enum am_broken broken, int flags,
		       am_load_report *rep)
{
	bool refused = false;
	struct am_in at;
	struct am_chunk ch;
	int rc;

	for (; in->p < in->end; first = false) {
		at = *in;
		rc = am_chunk_next(in, &ch);
		if (rc == AM_OK)
			rc = ch.type == AM_CHUNK_DOCUMENT ? read_document(b, &ch, flags, &refused) :
			     ch.type == AM_CHUNK_BUNDLE	  ? read_bundle(b, &ch, &refused) :
							    read_change(b, &ch, &refused);
		if (rc == AM_OK)
			continue;
		if (first || refused || broken == AM_BROKEN_FAIL || rc == AM_E_NOMEM)
			return rc;
		*in = at;
		rep->bad = am_in_left(in);
		rep->error = rc;
		return AM_OK;
	}
	return AM_OK;
}

static int run_batch(am_doc *doc, struct am_in *in, bool first, enum am_broken broken, int flags,
		     am_load_report *rep)
{
	struct batch b = {.doc = doc, .lim = {doc->opts.max_inflate, doc->opts.max_ops}};
	int rc;

	if (in->p < in->end && (rc = am_graph_complete(doc, &doc->graph)))
		return rc;
	b.mark = am_graph_mark(&doc->graph);
	rc = read_chunks(&b, in, first, broken, flags, rep);
	if (rc == AM_OK)
		rc = apply_ready(&b);
	if (rc) {
		batch_revert(&b);
		return rc;
	}
	rep->applied += doc->graph.hash.n - b.mark.rows;
	batch_keep(&b);
	am_scratch_trim(doc->scratch);
	rep->queued = doc->queue.n;
	return AM_OK;
}

/* An empty document whose input starts with a document chunk: built on the side. */
static int load_fresh(am_doc *doc, struct am_in *in, enum am_broken broken, int flags, am_load_report *rep)
{
	struct am_chunk ch;
	am_doc *side, swap;
	int rc = am_chunk_next(in, &ch);

	if (rc || (rc = am_new(&doc->opts, &side)))
		return rc;
	rc = am_document_load(side, &ch, flags);
	if (rc == AM_OK) {
		rep->applied = side->graph.hash.n;
		rc = run_batch(side, in, false, broken, flags, rep);
	}
	if (rc == AM_OK) {
		swap = *doc;
		*doc = *side;
		*side = swap;
		doc->self = side->self;
		doc->self_n = side->self_n;
		doc->self_ix = AM_NONE;
		doc->footer = side->footer;
		doc->footer_n = side->footer_n;
		doc->tx = side->tx;
		side->self = side->footer = NULL;
		side->tx = NULL;
	}
	am_free(side);
	return rc;
}

int am_load_chunks(am_doc *doc, const void *p, size_t n, enum am_broken broken, int flags, am_load_report *ret)
{
	struct am_in in = am_in_of(p, n);
	am_load_report rep = {0};
	int rc;

	if (am_doc_is_empty(doc) && n > 8 && in.p[8] == AM_CHUNK_DOCUMENT)
		rc = load_fresh(doc, &in, broken, flags, &rep);
	else
		rc = run_batch(doc, &in, true, broken, flags, &rep);
	if (rc)
		return rc;
	rep.queued = doc->queue.n;
	if (ret)
		*ret = rep;
	return AM_OK;
}

/* ---- public ---- */

int am_load(const void *p, size_t n, const am_opts *opts, int flags, am_doc **ret)
{
	am_doc *doc;
	am_load_report rep;
	bool partial = (flags & AM_LOAD_PARTIAL) != 0;
	int rc = am_new(opts, &doc);

	if (rc)
		return rc;
	rc = am_load_chunks(doc, p, n, partial ? AM_BROKEN_STOP : AM_BROKEN_FAIL, flags, &rep);
	if (rc == AM_OK && rep.queued && !partial && ((const uint8_t *)p)[8] != AM_CHUNK_DOCUMENT)
		rc = AM_E_MISSING_DEPS;
	if (rc == AM_OK)
		rc = am_doc_mark_saved(doc);
	if (rc)
		am_free(doc);
	else
		*ret = doc;
	return rc;
}

int am_load_incremental(am_doc *doc, const void *p, size_t n, am_load_report *report)
{
	int rc = am_tx_flush(doc);

	return rc ? rc : am_load_chunks(doc, p, n, AM_BROKEN_STOP, 0, report);
}

int am_apply(am_doc *doc, const void *p, size_t n, am_load_report *report)
{
	int rc = am_tx_flush(doc);

	return rc ? rc : am_load_chunks(doc, p, n, AM_BROKEN_FAIL, 0, report);
}
