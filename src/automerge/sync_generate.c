/* What to say to a peer next. The tests that cost nothing come first: a state
 * with a message in flight, or in sync, is answered without looking at history. */
#include "automerge/document.h"
#include "automerge/sync.h"

/* Capabilities: message versions 1 and 2 as every release since 0.5.4 has it; to peers
 * that use them, or when there is something to say with them, the bits of crate 0.9. */
static void put_tail(const am_sync *s, uint8_t bits, struct am_out *o)
{
	static const uint8_t plain[] = {2, 1, 2};
	const uint8_t with_bits[] = {2, 2, 0x80 | AM_FLAG_KNOWS_RESET | bits};

	am_out_put(o, s->peer_flags || bits ? with_bits : plain, sizeof plain);
}

struct reply {
	am_hashes need;
	am_rows send;        /* rows, in the order to send them */
	bool whole;          /* the document chunk instead */
	am_rows bloom;       /* rows the filter of `have` is made of */
	bool have;           /* one entry, or none */
};

static void reply_free(am_doc *doc, struct reply *r)
{
	am_vec_free(&doc->a, &r->need);
	am_vec_free(&doc->a, &r->send);
	am_vec_free(&doc->a, &r->bloom);
}

/* ---- what we lack ---- */

struct need_walk {
	am_doc *doc;
	AM_VEC(struct am_orphan *) seen; /* queued changes reached, each once */
	am_hashes *need;
};

static int need_visit(struct need_walk *w, const am_hash *h)
{
	struct am_orphan *o;

	if (am_graph_find(&w->doc->graph, h) != AM_NONE)
		return AM_OK;
	o = am_queue_find(&w->doc->queue, h);
	if (!o) {
		if (am_vec_reserve(&w->doc->a, w->need, 1))
			return AM_E_NOMEM;
		w->need->p[w->need->n++] = *h;
		return AM_OK;
	}
	if (o->ready) /* `ready` serves as the mark: no batch is under way */
		return AM_OK;
	if (am_vec_reserve(&w->doc->a, &w->seen, 1))
		return AM_E_NOMEM;
	o->ready = true;
	w->seen.p[w->seen.n++] = o;
	return AM_OK;
}

/* Back from the peer's heads through queued changes to what is not here at all. */
static int find_need(am_doc *doc, const am_sync *s, struct reply *r)
{
	struct need_walk w = {.doc = doc, .need = &r->need};
	int rc = AM_OK;

	for (size_t i = 0; i < s->their_heads.n && rc == AM_OK; i++)
		rc = need_visit(&w, &s->their_heads.p[i]);
	for (size_t i = 0; i < w.seen.n && rc == AM_OK; i++) {
		const am_change *c = &w.seen.p[i]->c;

		for (size_t k = 0; k < c->n_deps && rc == AM_OK; k++)
			rc = need_visit(&w, &c->deps[k]);
	}
	for (size_t i = 0; i < w.seen.n; i++)
		w.seen.p[i]->ready = false;
	am_vec_free(&doc->a, &w.seen);
	r->need.n = am_hash_sort_unique(r->need.p, r->need.n);
	return rc;
}

static bool need_is_in_their_heads(const am_sync *s, const struct reply *r)
{
	for (size_t i = 0; i < r->need.n; i++)
		if (!am_hash_in(s->their_heads.p, s->their_heads.n, &r->need.p[i]))
			return false;
	return true;
}

/* ---- what they lack ---- */

struct filters {
	am_hashes base; /* what all of them are on top of */
	AM_VEC(struct am_bloom) bloom;
};

static int read_filters(am_doc *doc, const am_sync *s, struct filters *f)
{
	struct am_in in = am_in_of(s->their_have, s->their_have_n);
	struct am_have have;

	for (size_t i = 0; i < s->n_their_have; i++) {
		am_have_next(&in, &have);
		if (am_vec_reserve(&doc->a, &f->base, have.n) || am_vec_reserve(&doc->a, &f->bloom, 1))
			return AM_E_NOMEM;
		if (have.n)
			memcpy(f->base.p + f->base.n, have.last_sync, have.n * sizeof *f->base.p);
		f->base.n += have.n;
		f->bloom.p[f->bloom.n++] = have.bloom;
	}
	return AM_OK;
}

/* A peer with our heads has our changes. When its filter was made of as many as
 * there are here, it holds all of them (a filter forgets none): no need to ask for each. */
static bool filter_holds_all(const am_doc *doc, const am_sync *s, const struct filters *f, size_t n_rows)
{
	return f->bloom.n == 1 && f->bloom.p[0].entries == n_rows &&
	       am_hashes_equal(&s->their_heads, doc->graph.heads.p, doc->graph.heads.n);
}

static bool in_no_filter(const struct filters *f, const am_hash *h)
{
	for (size_t k = 0; k < f->bloom.n; k++)
		if (am_bloom_has(&f->bloom.p[k], h))
			return false;
	return true;
}

static bool depends_on_picked(const struct am_graph *g, uint32_t row)
{
	struct am_row_deps d = am_graph_deps(g, row);

	for (size_t k = 0; k < d.n; k++)
		if (am_graph_flag(g, am_dep(&d, k)))
			return true;
	return false;
}

/* Rows the peer does not seem to have, with all that depends on them. */
static int pick_rows(am_doc *doc, const am_sync *s, am_rows *ret)
{
	struct am_graph *g = &doc->graph;
	struct filters f = {0};
	am_rows rows = {0};
	int rc = read_filters(doc, s, &f);

	if (rc || (rc = am_graph_since_hashes(doc, f.base.p, f.base.n, &rows)) ||
	    filter_holds_all(doc, s, &f, rows.n) || (rc = am_vec_reserve(&doc->a, ret, rows.n)))
		goto out;
	for (size_t i = 0; i < rows.n; i++) {
		uint32_t row = rows.p[i];

		if (!in_no_filter(&f, &g->hash.p[row]) && !depends_on_picked(g, row))
			continue;
		am_graph_set_flag(g, row, 1);
		ret->p[ret->n++] = row;
	}
	for (size_t i = 0; i < ret->n; i++)
		am_graph_set_flag(g, ret->p[i], 0);
out:
	am_vec_free(&doc->a, &f.base);
	am_vec_free(&doc->a, &f.bloom);
	am_vec_free(&doc->a, &rows);
	return rc;
}

static bool is_sent(const am_doc *doc, const am_sync *s, uint32_t row)
{
	return s->doc == doc && am_sent_has(s, row);
}

/* Was the peer given time to answer what was sent? One message may have crossed
 * ours on the way; who still asks in the second has not got it (a message was
 * lost, or the peer began anew and we did not notice). */
static bool need_overrides(const am_sync *s)
{
	return s->heard_since >= 2 && !s->need_served;
}

/* Asked-for changes first, then picked ones; not what is on its way already: two
 * messages that cross would make each side send twice (automerge format 11.4). */
static int find_send(am_doc *doc, const am_sync *s, struct reply *r)
{
	struct am_graph *g = &doc->graph;
	am_rows picked = {0};
	uint32_t row;
	int rc = AM_OK;

	if (s->n_their_have)
		rc = pick_rows(doc, s, &picked);
	if (rc == AM_OK)
		rc = am_vec_reserve(&doc->a, &r->send, s->their_need.n + picked.n);
	if (rc)
		goto out;
	for (size_t i = 0; i < s->their_need.n; i++) {
		row = am_graph_find(g, &s->their_need.p[i]);
		if (row == AM_NONE || am_graph_flag(g, row) || (is_sent(doc, s, row) && !need_overrides(s)))
			continue;
		am_graph_set_flag(g, row, 1);
		r->send.p[r->send.n++] = row;
	}
	for (size_t i = 0; i < picked.n; i++)
		if (!am_graph_flag(g, picked.p[i]) && !is_sent(doc, s, picked.p[i]))
			r->send.p[r->send.n++] = picked.p[i];
	for (size_t i = 0; i < r->send.n; i++)
		am_graph_set_flag(g, r->send.p[i], 0);
	if (s->peer_v2 && r->send.n > g->hash.n / 3)
		r->whole = true;
out:
	am_vec_free(&doc->a, &picked);
	return rc;
}

static int find_payload(am_doc *doc, const am_sync *s, struct reply *r)
{
	if (!s->heard || s->peer_read_only)
		return AM_OK;
	if (s->their_empty && s->peer_v2) {
		r->whole = true;
		return AM_OK;
	}
	return find_send(doc, s, r);
}

/* ---- writing ---- */

static void put_have(am_doc *doc, const am_sync *s, const struct reply *r, struct am_out *o)
{
	size_t at;

	am_out_uleb(o, r->have);
	if (!r->have)
		return;
	am_out_hashes(o, s->shared.p, s->shared.n);
	am_out_uleb(o, am_bloom_bytes(r->bloom.n));
	at = am_bloom_begin(o, r->bloom.n);
	for (size_t i = 0; i < r->bloom.n && !o->err; i++)
		am_bloom_add(o, at, &doc->graph.hash.p[r->bloom.p[i]]);
}

static int put_whole(am_doc *doc, struct am_out *o)
{
	struct am_out file = {.a = &doc->a};
	int rc = am_document_save(doc, true, &file);

	for (const struct am_orphan *q = doc->queue.oldest; q && rc == AM_OK; q = q->next)
		am_out_put(&file, q->c.raw, q->c.raw_n);
	if (rc == AM_OK)
		rc = file.err;
	if (rc == AM_OK) {
		am_out_uleb(o, 1);
		am_out_block(o, file.p, file.n);
	}
	am_out_free(&file);
	return rc;
}

/* Version 1: one entry per change. Version 2: all chunks in one entry. */
static int put_changes(am_doc *doc, const struct reply *r, bool v2, struct am_out *o)
{
	struct am_out all = {.a = &doc->a};
	struct am_bytes chunk;
	int rc = AM_OK;

	if (!v2 || !r->send.n)
		am_out_uleb(o, r->send.n);
	for (size_t i = 0; i < r->send.n && rc == AM_OK; i++) {
		rc = am_graph_chunk(doc, r->send.p[i], &chunk);
		if (rc == AM_OK && v2)
			am_out_put(&all, chunk.p, chunk.n);
		else if (rc == AM_OK)
			am_out_block(o, chunk.p, chunk.n);
	}
	if (rc == AM_OK)
		rc = all.err;
	if (rc == AM_OK && v2 && r->send.n) {
		am_out_uleb(o, 1);
		am_out_block(o, all.p, all.n);
	}
	am_out_free(&all);
	return rc;
}

static int put_message(am_doc *doc, const am_sync *s, const struct reply *r, struct am_out *o)
{
	bool v2 = s->peer_v2 || r->whole;
	uint8_t bits = 0;
	int rc;

	if (s->read_only)
		bits |= AM_FLAG_READ_ONLY;
	if (s->needs_reset && s->peer_knows_reset)
		bits |= AM_FLAG_RESET;

	am_out_byte(o, v2 ? AM_MSG_V2 : AM_MSG_V1);
	/* To a peer that does not know the reset bit, "we have nothing" says the same. */
	am_out_hashes(o, doc->graph.heads.p, s->needs_reset && !s->peer_knows_reset ? 0 : doc->graph.heads.n);
	am_out_hashes(o, r->need.p, r->need.n);
	put_have(doc, s, r, o);
	rc = r->whole ? put_whole(doc, o) : put_changes(doc, r, v2, o);
	put_tail(s, bits, o);
	return rc ? rc : o->err;
}

/* "We do not share what you think": no changes, an empty `have`. */
static void put_reset(const am_doc *doc, const am_sync *s, struct am_out *o)
{
	am_out_byte(o, AM_MSG_V1);
	am_out_hashes(o, doc->graph.heads.p, doc->graph.heads.n);
	am_out_uleb(o, 0);
	am_out_uleb(o, 1); /* one entry: no hashes, no filter */
	am_out_uleb(o, 0);
	am_out_uleb(o, 0);
	am_out_uleb(o, 0);
	put_tail(s, 0, o);
}

/* ---- deciding ---- */

static bool must_reset(const am_doc *doc, const am_sync *s)
{
	struct am_in in = am_in_of(s->their_have, s->their_have_n);
	struct am_have have;

	if (!s->heard || !s->n_their_have)
		return false;
	am_have_next(&in, &have);
	for (size_t i = 0; i < have.n; i++)
		if (am_graph_find(&doc->graph, &have.last_sync[i]) == AM_NONE)
			return true;
	return false;
}

/* Nothing to say whatever the history holds? `same`: our heads were sent already. */
static bool is_settled(const am_doc *doc, const am_sync *s, bool same)
{
	if (!same)
		return false;
	if (s->in_flight)
		return true;
	return s->heard && am_hashes_equal(&s->their_heads, doc->graph.heads.p, doc->graph.heads.n) &&
	       (!s->their_need.n || s->need_served);
}

/* Remembers what a message says; room is made before so that it cannot fail half-way. */
static int record(am_doc *doc, am_sync *s, const struct reply *r)
{
	int rc = am_hashes_set(&s->a, &s->last_sent, doc->graph.heads.p, doc->graph.heads.n);

	if (s->doc != doc) {
		s->doc = doc;
		s->sent.n = 0;
	}
	if (rc == AM_OK && r->whole && doc->graph.hash.n)
		rc = am_sent_add(s, 0, (uint32_t)doc->graph.hash.n);
	for (size_t i = 0; i < r->send.n && rc == AM_OK && !r->whole; i++)
		rc = am_sent_add(s, r->send.p[i], r->send.p[i] + 1);
	if (rc)
		return rc;
	if (!doc->graph.heads.n || (s->needs_reset && !s->peer_knows_reset))
		s->said_empty = true;
	s->have_responded = s->in_flight = true;
	s->needs_reset = false;
	if (r->whole || r->send.n) {
		s->need_served = true;
		s->heard_since = 0;
	}
	return AM_OK;
}

static int generate(am_doc *doc, am_sync *s, bool same, struct am_out *o, am_buf *out)
{
	struct reply r = {0};
	bool empty;
	int rc = AM_OK;

	if ((!s->read_only && (rc = find_need(doc, s, &r))) || (rc = find_payload(doc, s, &r)))
		goto out;
	empty = !r.whole && !r.send.n;
	if (same && empty &&
	    (s->read_only || am_hashes_equal(&s->their_heads, doc->graph.heads.p, doc->graph.heads.n) ||
	     (s->stripped && !r.need.n)))
		goto out;
	r.have = need_is_in_their_heads(s, &r);
	if (r.have && (rc = am_graph_since_hashes(doc, s->shared.p, s->shared.n, &r.bloom)))
		goto out;
	rc = put_message(doc, s, &r, o);
	if (rc == AM_OK)
		rc = am_buf_admit(out, o);
	if (rc == AM_OK)
		rc = record(doc, s, &r);
out:
	reply_free(doc, &r);
	return rc;
}

int am_sync_generate(am_doc *doc, am_sync *s, am_buf *out)
{
	struct am_out o = {.a = &doc->a};
	bool same;
	int rc = am_tx_flush(doc);

	if (rc || (rc = am_graph_complete(doc, &doc->graph)))
		return rc;
	same = s->have_responded && am_hashes_equal(&s->last_sent, doc->graph.heads.p, doc->graph.heads.n);
	if (must_reset(doc, s)) {
		if (!s->reset_sent)
			put_reset(doc, s, &o);
	} else if (!is_settled(doc, s, same)) {
		rc = generate(doc, s, same, &o, out);
	}
	if (rc == AM_OK && o.n == 0) {
		out->n = 0;
		goto out;
	}
	if (rc == AM_OK)
		rc = am_buf_take(out, &o);
	if (rc == AM_OK && must_reset(doc, s))
		s->reset_sent = true;
out:
	am_scratch_trim(doc->scratch);
	am_out_free(&o);
	return rc;
}
