/* Sync states: life, what a received message does. Generating is in sync_generate.c. */
#include "automerge/sync.h"

#include "automerge/load.h"

/* ---- small sets ---- */

bool am_hashes_equal(const am_hashes *a, const am_hash *b, size_t n)
{
	return a->n == n && (n == 0 || memcmp(a->p, b, n * sizeof *b) == 0);
}

int am_hashes_set(const am_allocator *a, am_hashes *to, const am_hash *p, size_t n)
{
	if (n > to->n && am_vec_reserve(a, to, n - to->n))
		return AM_E_NOMEM;
	if (n)
		memmove(to->p, p, n * sizeof *p);
	to->n = n;
	return AM_OK;
}

int am_sent_add(struct am_sync *s, uint32_t from, uint32_t to)
{
	size_t i = s->sent.n, k;

	while (i && s->sent.p[i - 1].from > from)
		i--;
	if (i && s->sent.p[i - 1].to >= from) {
		i--;
		if (s->sent.p[i].to < to)
			s->sent.p[i].to = to;
	} else {
		if (am_vec_reserve(&s->a, &s->sent, 1))
			return AM_E_NOMEM;
		memmove(s->sent.p + i + 1, s->sent.p + i, (s->sent.n - i) * sizeof *s->sent.p);
		s->sent.p[i] = (struct am_range){from, to};
		s->sent.n++;
	}
	for (k = i + 1; k < s->sent.n && s->sent.p[k].from <= s->sent.p[i].to; k++)
		if (s->sent.p[k].to > s->sent.p[i].to)
			s->sent.p[i].to = s->sent.p[k].to;
	memmove(s->sent.p + i + 1, s->sent.p + k, (s->sent.n - k) * sizeof *s->sent.p);
	s->sent.n -= k - i - 1;
	return AM_OK;
}

bool am_sent_has(const struct am_sync *s, uint32_t row)
{
	size_t lo = 0, hi = s->sent.n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (s->sent.p[mid].to <= row)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->sent.n && s->sent.p[lo].from <= row;
}

int am_sent_keep(struct am_sync *s, const am_rows *rows)
{
	AM_VEC(struct am_range) out = {0};

	for (size_t i = 0; i < rows->n; i++) {
		uint32_t row = rows->p[i];

		if (!am_sent_has(s, row))
			continue;
		if (out.n && out.p[out.n - 1].to == row) {
			out.p[out.n - 1].to++;
			continue;
		}
		if (am_vec_reserve(&s->a, &out, 1)) {
			am_vec_free(&s->a, &out);
			return AM_E_NOMEM;
		}
		out.p[out.n++] = (struct am_range){row, row + 1};
	}
	am_mem_free(&s->a, s->sent.p);
	s->sent.p = out.p;
	s->sent.n = out.n;
	s->sent.cap = out.cap;
	return AM_OK;
}

/* ---- life ---- */

int am_sync_new(const am_allocator *alloc, am_sync **ret)
{
	am_allocator a = am_mem_allocator(alloc);
	am_sync *s = am_mem_zalloc(&a, sizeof *s);

	if (!s)
		return AM_E_NOMEM;
	s->a = a;
	*ret = s;
	return AM_OK;
}

void am_sync_reset(am_sync *s)
{
	am_allocator a = s->a;

	am_vec_free(&a, &s->shared);
	am_vec_free(&a, &s->last_sent);
	am_vec_free(&a, &s->their_heads);
	am_vec_free(&a, &s->their_need);
	am_vec_free(&a, &s->sent);
	am_mem_free(&a, s->their_have);
	*s = (am_sync){.a = a, .read_only = s->read_only};
}

/* Off: all the peer sent meanwhile was dropped, yet it holds it for sent. So the
 * state begins anew, and the peer is told. */
void am_sync_set_read_only(am_sync *s, bool on)
{
	bool v2 = s->peer_v2, flags = s->peer_flags, knows_reset = s->peer_knows_reset;

	if (s->read_only == on)
		return;
	if (on) {
		s->read_only = true;
		s->in_flight = s->have_responded = false; /* the peer is to know at once */
		return;
	}
	am_sync_reset(s);
	s->read_only = false;
	s->peer_v2 = v2;
	s->peer_flags = flags;
	s->peer_knows_reset = knows_reset;
	s->needs_reset = true;
}

bool am_sync_read_only(const am_sync *s)
{
	return s->read_only;
}

bool am_sync_peer_read_only(const am_sync *s)
{
	return s->peer_read_only;
}

void am_sync_insist(am_sync *s)
{
	s->have_responded = false;
}

void am_sync_resend(am_sync *s)
{
	s->sent.n = 0;
	s->in_flight = false;
	s->have_responded = false;
}

void am_sync_free(am_sync *s)
{
	am_allocator a;

	if (!s)
		return;
	a = s->a;
	am_sync_reset(s);
	am_mem_free(&a, s);
}

int am_sync_encode(const am_sync *s, am_buf *out)
{
	struct am_out o = {.a = &s->a};
	int rc;

	am_out_byte(&o, AM_MSG_V2);
	am_out_hashes(&o, s->shared.p, s->shared.n);
	rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

int am_sync_decode(const void *p, size_t n, const am_allocator *a, am_sync **ret)
{
	struct am_in in = am_in_of(p, n);
	const am_hash *heads;
	size_t n_heads;
	am_sync *s;
	int rc;

	if (in.p == in.end)
		return AM_E_EOF;
	if (*in.p++ != AM_MSG_V2)
		return AM_E_FORMAT;
	rc = am_in_hashes(&in, &heads, &n_heads);
	if (rc)
		return rc;
	if (in.p != in.end)
		return AM_E_FORMAT;
	rc = am_sync_new(a, &s);
	if (rc)
		return rc;
	rc = am_hashes_set(&s->a, &s->shared, heads, n_heads);
	if (rc) {
		am_sync_free(s);
		return rc;
	}
	s->shared.n = am_hash_sort_unique(s->shared.p, s->shared.n);
	*ret = s;
	return AM_OK;
}

/* ---- queries ---- */

const am_hash *am_sync_their_heads(const am_sync *s, size_t *ret_n, bool *ret_known)
{
	*ret_n = s->their_heads.n;
	*ret_known = s->heard;
	return s->their_heads.p;
}

const am_hash *am_sync_shared_heads(const am_sync *s, size_t *ret_n)
{
	*ret_n = s->shared.n;
	return s->shared.p;
}

bool am_sync_in_sync(am_doc *doc, const am_sync *s)
{
	return am_tx_flush(doc) == AM_OK && s->heard &&
	       am_hashes_equal(&s->their_heads, doc->graph.heads.p, doc->graph.heads.n);
}

bool am_sync_has_our_changes(am_doc *doc, const am_sync *s)
{
	return am_tx_flush(doc) == AM_OK && am_hashes_equal(&s->shared, doc->graph.heads.p, doc->graph.heads.n);
}

bool am_sync_in_flight(const am_sync *s)
{
	return s->in_flight;
}

/* ---- receiving ---- */

/* Everything of a message that is kept, allocated before anything changes. */
struct incoming {
	am_hashes heads, need, known, before;
	uint8_t *have;
	size_t have_n;
};

static void incoming_free(const am_sync *s, struct incoming *x)
{
	am_vec_free(&s->a, &x->heads);
	am_vec_free(&s->a, &x->need);
	am_vec_free(&s->a, &x->known);
	am_vec_free(&s->a, &x->before);
	am_mem_free(&s->a, x->have);
}

static int incoming_init(am_doc *doc, am_sync *s, const struct am_msg *m, struct incoming *x)
{
	const struct am_graph *g = &doc->graph;

	x->have_n = (size_t)(m->have.end - m->have.p);
	if (am_hashes_set(&s->a, &x->heads, m->heads, m->n_heads) ||
	    am_hashes_set(&s->a, &x->need, m->need, m->n_need) ||
	    am_hashes_set(&s->a, &x->before, g->heads.p, g->heads.n) || am_vec_reserve(&s->a, &x->known, m->n_heads))
		return AM_E_NOMEM;
	x->have = am_mem_alloc(&s->a, x->have_n);
	if (!x->have)
		return AM_E_NOMEM;
	memcpy(x->have, m->have.p, x->have_n);
	x->heads.n = am_hash_sort_unique(x->heads.p, x->heads.n);
	return AM_OK;
}

static int apply_changes(am_doc *doc, const struct am_msg *m, am_load_report *rep)
{
	struct am_in at = m->changes;
	const uint8_t *p;
	uint8_t *all, *to;
	size_t n;
	int rc;

	if (m->n_changes == 1) {
		rc = am_in_block(&at, &p, &n);
		return rc ? rc : am_load_chunks(doc, p, n, AM_BROKEN_STOP, 0, rep);
	}
	all = to = am_mem_alloc(&doc->a, m->changes_n);
	if (!all)
		return AM_E_NOMEM;
	for (size_t i = 0; i < m->n_changes && am_in_block(&at, &p, &n) == AM_OK; i++) {
		memcpy(to, p, n);
		to += n;
	}
	rc = am_load_chunks(doc, all, (size_t)(to - all), AM_BROKEN_STOP, 0, rep);
	am_mem_free(&doc->a, all);
	return rc;
}

/* shared = heads that are new with this message, and old shared ones that still
 * are heads. Out of memory leaves the old ones, which are shared all the same. */
static void advance_shared(const am_doc *doc, am_sync *s, const am_hashes *before)
{
	const struct am_graph *g = &doc->graph;
	am_hashes out = {0};

	if (am_vec_reserve(&s->a, &out, g->heads.n + 1))
		return;
	for (size_t i = 0; i < g->heads.n; i++)
		if (!am_hash_in(before->p, before->n, &g->heads.p[i]) ||
		    am_hash_in(s->shared.p, s->shared.n, &g->heads.p[i]))
			out.p[out.n++] = g->heads.p[i];
	am_vec_free(&s->a, &s->shared);
	s->shared.p = out.p;
	s->shared.n = out.n;
	s->shared.cap = out.cap;
}

/* What the peer has acknowledged needs no remembering. */
static void forget_received(am_doc *doc, am_sync *s, const am_hashes *known)
{
	am_rows rows = {0};

	if (s->doc != doc)
		s->sent.n = 0;
	if (!s->sent.n || !known->n)
		return;
	if (am_graph_since_hashes(doc, known->p, known->n, &rows) == AM_OK)
		(void)am_sent_keep(s, &rows); /* failing: remembered a little longer */
	am_vec_free(&doc->a, &rows);
}

static void update_shared(am_sync *s, struct incoming *x, bool all_known)
{
	if (all_known) {
		(void)am_hashes_set(&s->a, &s->shared, x->heads.p, x->heads.n);
		if (!x->heads.n) { /* the peer lost its data */
			s->last_sent.n = 0;
			s->sent.n = 0;
		}
		return;
	}
	if (am_vec_reserve(&s->a, &s->shared, x->known.n))
		return;
	if (x->known.n)
		memcpy(s->shared.p + s->shared.n, x->known.p, x->known.n * sizeof *x->known.p);
	s->shared.n = am_hash_sort_unique(s->shared.p, s->shared.n + x->known.n);
}

static void take(am_sync *s, am_hashes *to, am_hashes *from)
{
	am_hashes old = *to;

	*to = *from;
	*from = old;
	(void)s;
}

static void keep_theirs(am_sync *s, const struct am_msg *m, struct incoming *x)
{
	uint8_t *old = s->their_have;

	s->their_have = x->have;
	s->their_have_n = x->have_n;
	s->n_their_have = m->n_have;
	x->have = old;
	s->their_empty = x->heads.n == 0;
	if (s->stripped) /* what it has beyond us is never asked for */
		take(s, &s->their_heads, &x->known);
	else
		take(s, &s->their_heads, &x->heads);
	take(s, &s->their_need, &x->need);
	s->heard = true;
	s->reset_sent = s->need_served = false;
	s->heard_since++;
}

static void read_flags(am_sync *s, const struct am_msg *m)
{
	if (!m->has_flags)
		return;
	s->peer_v2 = true;
	s->peer_flags |= m->has_bits;
	s->peer_knows_reset |= (m->flags & AM_FLAG_KNOWS_RESET) != 0;
	s->peer_read_only = (m->flags & AM_FLAG_READ_ONLY) != 0;
	if (m->flags & AM_FLAG_RESET)
		s->sent.n = 0;
}

/* A peer that was further on and now greets as a stranger, or shares nothing any more,
 * has begun anew although our side has not noticed: what was on the way to it is lost.
 * Taking it for sent would keep the two apart (upstream issues 772, 1284). */
static void notice_restart(am_sync *s, const struct am_msg *m)
{
	struct am_in in = m->have;
	struct am_have have = {0};
	bool anew = s->peer_spoke_v2 && m->type == AM_MSG_V1;

	s->peer_spoke_v2 = m->type == AM_MSG_V2;
	if (m->n_have) {
		am_have_next(&in, &have);
		anew |= s->peer_shared && !have.n && !s->said_empty;
		s->peer_shared = have.n != 0;
		if (!have.n)
			s->said_empty = false;
	}
	if (anew)
		s->sent.n = 0;
}

int am_sync_receive(am_doc *doc, am_sync *s, const void *p, size_t n, int flags, am_sync_report *report)
{
	struct incoming x = {0};
	struct am_msg m;
	am_load_report load = {0};
	bool apply, all_known;
	int rc = am_msg_parse(p, n, &m);

	if (rc || (rc = am_tx_flush(doc)) || (rc = am_graph_complete(doc, &doc->graph)) ||
	    (rc = incoming_init(doc, s, &m, &x)))
		goto out;
	apply = m.n_changes && !s->read_only && !(flags & AM_SYNC_STRIP_CHANGES);
	if (apply && (rc = apply_changes(doc, &m, &load)))
		goto out;
	s->stripped = (flags & AM_SYNC_STRIP_CHANGES) != 0;
	s->in_flight = false;
	read_flags(s, &m);
	notice_restart(s, &m);
	if (apply)
		advance_shared(doc, s, &x.before);
	for (size_t i = 0; i < x.heads.n; i++)
		if (am_graph_find(&doc->graph, &x.heads.p[i]) != AM_NONE)
			x.known.p[x.known.n++] = x.heads.p[i];
	all_known = x.known.n == x.heads.n;
	forget_received(doc, s, &x.known);
	if (!m.n_changes && am_hashes_equal(&x.heads, x.before.p, x.before.n))
		(void)am_hashes_set(&s->a, &s->last_sent, x.heads.p, x.heads.n);
	update_shared(s, &x, all_known);
	if (report)
		*report = (am_sync_report){
			.applied = load.applied, .had_changes = m.n_changes != 0, .empty_heads = x.heads.n == 0,
			.only_acks = !m.n_changes &&
				     am_hashes_equal(&x.heads, doc->graph.heads.p, doc->graph.heads.n)};
	keep_theirs(s, &m, &x);
out:
	incoming_free(s, &x);
	return rc;
}
