/* Histories loaded on trust: the rows are there, hashes come when asked for. */
#include "automerge/change.h"
#include "automerge/internal.h"
#include "automerge/opset.h"

/* Rows nobody depends on are exactly those marked 2 (the heads). */
static bool heads_fit(struct am_graph *g, const uint32_t *rows, size_t n)
{
	struct am_row_deps d;
	bool ok = true;

	for (size_t i = 0; i < g->hash.n; i++) {
		d = am_graph_deps(g, (uint32_t)i);
		for (size_t k = 0; k < d.n; k++)
			am_graph_set_flag(g, am_dep(&d, k), 1);
	}
	for (size_t i = 0; i < n && ok; i++) {
		ok = rows[i] < g->hash.n && am_graph_flag(g, rows[i]) == 0;
		if (ok)
			am_graph_set_flag(g, rows[i], 2);
	}
	for (size_t i = 0; i < g->hash.n; i++) {
		ok = ok && am_graph_flag(g, (uint32_t)i) != 0;
		am_graph_set_flag(g, (uint32_t)i, 0);
	}
	return ok;
}

int am_graph_trust_heads(am_doc *doc, const am_hash *heads, const uint32_t *rows, size_t n)
{
	struct am_graph *g = &doc->graph;

	if (!heads_fit(g, rows, n))
		return AM_E_HEADS;
	for (size_t i = 1; i < n; i++)
		if (am_hash_cmp(&heads[i - 1], &heads[i]) >= 0)
			return AM_E_HEADS;
	if (am_graph_reserve_slots(g, &doc->a, 0) || am_vec_reserve(&doc->a, &g->heads, n) || am_vec_reserve(&doc->a, &g->head_rows, n))
		return AM_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		g->heads.p[i] = heads[i];
		g->head_rows.p[i] = rows[i];
		g->hash.p[rows[i]] = heads[i];
		am_graph_index(g, rows[i]);
	}
	g->heads.n = g->head_rows.n = n;
	return AM_OK;
}

/* Hashes of the rows in order, each needing those of its dependencies. */
static int hash_rows(am_doc *doc)
{
	struct am_graph *g = &doc->graph;
	struct am_bytes unused;
	am_hash head;
	am_change c;
	int rc = AM_OK;

	for (size_t i = 0; i < g->unhashed && rc == AM_OK; i++) {
		struct am_row r = am_graph_row(g, (uint32_t)i);
		struct am_walk w = AM_WALK_START;

		head = g->hash.p[i];
		am_change_init(&c, &doc->a);
		rc = am_graph_header(doc, (uint32_t)i, &c);
		if (rc == AM_OK && r.op_count)
			rc = am_ops_collect_on(doc, &w, r.actor, r.start_op, r.op_count, &c);
		if (rc == AM_OK)
			rc = am_change_build(doc->scratch, &doc->actors, &c, &unused);
		if (rc == AM_OK && !am_hash_is_zero(&head) && am_hash_cmp(&head, &c.hash) != 0)
			rc = AM_E_HEADS;
		if (rc == AM_OK)
			g->hash.p[i] = c.hash;
		am_change_fini(&c);
	}
	return rc == AM_E_NOT_FOUND ? AM_E_HEADS : rc;
}

int am_graph_complete_slow(am_doc *doc)
{
	struct am_graph *g = &doc->graph;
	size_t n = g->unhashed;
	am_hash *before = am_mem_realloc(&doc->a, NULL, n, sizeof *before);
	int rc;

	if (!before)
		return AM_E_NOMEM;
	memcpy(before, g->hash.p, n * sizeof *before);
	rc = hash_rows(doc);
	if (rc) {
		memcpy(g->hash.p, before, n * sizeof *before);
	} else {
		for (size_t i = 0; i < n; i++)
			if (am_hash_is_zero(&before[i]))
				am_graph_index(g, (uint32_t)i);
		g->unhashed = 0;
	}
	am_mem_free(&doc->a, before);
	return rc;
}
