#include "automerge/transaction.h"

#include "automerge/leb.h"
#include "base/utf8.h"

/* ---- life ---- */

void am_tx_free(am_doc *doc)
{
	struct am_tx *tx = doc->tx;

	if (!tx)
		return;
	if (tx->isolated) {
		am_mem_free(&doc->a, tx->clock.max_op);
		am_mem_free(&doc->a, tx->deps);
	}
	am_mem_free(&doc->a, tx);
	doc->tx = NULL;
}

static int tx_open(am_doc *doc, uint32_t actor)
{
	struct am_tx *tx;

	if (doc->ops->max >= AM_MAX_COUNTER)
		return AM_E_LIMIT;
	tx = am_mem_zalloc(&doc->a, sizeof *tx);
	if (!tx)
		return AM_E_NOMEM;
	tx->actor = actor;
	tx->max = doc->ops->max;
	tx->start = tx->max + 1;
	doc->tx = tx;
	return AM_OK;
}

int am_begin(am_doc *doc)
{
	uint32_t actor;
	int rc;

	if (doc->tx)
		return AM_E_TX;
	rc = am_doc_self(doc, &actor);
	return rc ? rc : tx_open(doc, actor);
}

bool am_in_transaction(const am_doc *doc)
{
	return doc->tx != NULL;
}

size_t am_pending_ops(const am_doc *doc)
{
	return doc->tx ? doc->ops->max - doc->tx->max : 0;
}

const am_hash *am_base_heads(const am_doc *doc, size_t *ret_n)
{
	static const am_hash none;
	bool isolated = doc->tx && doc->tx->isolated;
	size_t n = isolated ? doc->tx->n_deps : doc->graph.heads.n;

	*ret_n = n;
	return !n ? &none : isolated ? doc->tx->deps : doc->graph.heads.p;
}

/* ---- isolation (automerge format 9.6) ---- */

/* A change without operations counts as well: the next of its actor could not be taken
 * without it, and the heads do not lead there. */
static bool actor_free(const am_doc *doc, const am_clock *c, uint32_t actor)
{
	return am_graph_seq_count(&doc->graph, actor) == (actor < c->n ? c->seq[actor] : 0);
}

/* The first actor of a family derived from ours that has done nothing the heads
 * do not cover: 13 b2 23 09, uLEB level, our bytes. */
static int isolated_actor(am_doc *doc, const am_clock *c, uint32_t *ret)
{
	static const uint8_t magic[4] = {0x13, 0xb2, 0x23, 0x09};
	uint32_t actor;
	int rc = am_doc_self(doc, &actor);

	for (uint64_t level = 1; rc == AM_OK && !actor_free(doc, c, actor); level++) {
		struct am_out o = {.a = &doc->a};
		am_out_put(&o, magic, sizeof magic);
		am_out_uleb(&o, level);
		am_out_put(&o, doc->self, doc->self_n);
		rc = o.err ? o.err : am_actors_intern(&doc->actors, &doc->a, o.p, o.n, &actor);
		am_out_free(&o);
	}
	if (rc == AM_OK)
		*ret = actor;
	return rc;
}

/* Own operations of the session count as covered. */
static int clock_admit(am_doc *doc, am_clock *c, uint32_t actor)
{
	size_t n = actor >= c->n ? (size_t)actor + 1 : c->n;
	am_clock own = {.n = n};

	own.max_op = am_mem_zalloc(&doc->a, 2 * n * sizeof *own.max_op);
	if (!own.max_op)
		return AM_E_NOMEM;
	own.seq = own.max_op + n;
	if (c->n) {
		memcpy(own.max_op, c->max_op, c->n * sizeof *c->max_op);
		memcpy(own.seq, c->seq, c->n * sizeof *c->seq);
	}
	own.max_op[actor] = UINT32_MAX;
	am_clock_fini(doc, c);
	*c = own;
	return AM_OK;
}

int am_begin_at(am_doc *doc, const am_hash *at, size_t n)
{
	size_t n_heads;
	const am_hash *heads;
	am_clock clock;
	am_hash *deps;
	uint32_t actor;
	int rc;

	if (doc->tx)
		return AM_E_TX;
	rc = am_graph_clock(doc, at, n, &clock);
	if (rc)
		return rc;
	deps = am_mem_alloc(&doc->a, n * sizeof *deps);
	if (!deps) {
		rc = AM_E_NOMEM;
		goto out;
	}
	if (n)
		memcpy(deps, at, n * sizeof *deps);
	n = am_hash_sort_unique(deps, n);
	heads = am_heads(doc, &n_heads);
	if (n == n_heads && (n == 0 || memcmp(deps, heads, n * sizeof *deps) == 0)) {
		rc = am_begin(doc);
		goto out;
	}
	rc = isolated_actor(doc, &clock, &actor);
	if (rc == AM_OK)
		rc = clock_admit(doc, &clock, actor);
	if (rc == AM_OK)
		rc = tx_open(doc, actor);
	if (rc)
		goto out;
	doc->tx->isolated = true;
	doc->tx->clock = clock;
	doc->tx->deps = deps;
	doc->tx->n_deps = n;
	return AM_OK;
out:
	am_clock_fini(doc, &clock);
	am_mem_free(&doc->a, deps);
	return rc;
}

/* ---- ending ---- */

static int commit(am_doc *doc, const char *message, size_t message_n, int64_t time, am_hash *ret_hash)
{
	struct am_tx *tx = doc->tx;
	struct am_walk w = AM_WALK_START;
	am_change c;
	int rc;

	am_change_init(&c, &doc->a);
	c.actor = tx->actor;
	c.start_op = tx->start;
	c.op_count = doc->ops->max - tx->max;
	c.message = message_n ? am_arena_copy(&c.arena, message, message_n) : NULL; /* perhaps that of another change */
	c.message_n = message_n;
	c.time = time;
	if (tx->isolated) {
		c.deps = tx->deps;
		c.n_deps = tx->n_deps;
	}
	rc = message_n && !c.message ? AM_E_NOMEM : AM_OK;
	if (rc == AM_OK)
		rc = am_ops_collect_on(doc, &w, c.actor, c.start_op, c.op_count, &c);
	if (rc == AM_OK)
		rc = am_commit_local(doc, &c, ret_hash);
	am_change_fini(&c);
	if (rc == AM_OK)
		am_tx_free(doc);
	return rc;
}

int am_commit(am_doc *doc, const char *message, size_t message_n, int64_t time, am_hash *ret_hash)
{
	am_hash hash;
	int rc;

	if (!doc->tx)
		return AM_E_TX;
	if (!utf8_valid(message_n ? message : "", message_n))
		return AM_E_FORMAT;
	if (doc->ops->max == doc->tx->max) {
		am_tx_free(doc);
		if (ret_hash)
			memset(ret_hash, 0, sizeof *ret_hash);
		return AM_OK;
	}
	rc = commit(doc, message, message_n, time, &hash);
	if (rc == AM_OK && ret_hash)
		*ret_hash = hash;
	return rc;
}

int am_tx_flush(am_doc *doc)
{
	return doc->tx ? am_commit(doc, NULL, 0, 0, NULL) : AM_OK;
}

int am_empty_change(am_doc *doc, const char *message, size_t message_n, int64_t time, am_hash *ret_hash)
{
	am_hash hash;
	int rc = am_tx_flush(doc);

	if (rc)
		return rc;
	if (!utf8_valid(message_n ? message : "", message_n))
		return AM_E_FORMAT;
	rc = am_begin(doc);
	if (rc)
		return rc;
	rc = commit(doc, message, message_n, time, &hash);
	if (rc)
		am_tx_free(doc);
	else if (ret_hash)
		*ret_hash = hash;
	return rc;
}

int am_rollback(am_doc *doc)
{
	struct am_tx *tx = doc->tx;

	if (!tx)
		return AM_E_TX;
	am_ops_undo(doc, tx->actor, tx->start, tx->max);
	am_tx_free(doc);
#ifdef AM_CHECKS
	am_ops_verify(doc);
#endif
	return AM_OK;
}
