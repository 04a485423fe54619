/* What a loaded set of operations still lacks when all rows are there: the indices,
 * built from sorted lists at once, and the edges from successors to rows. */
#include "automerge/radix.h"
#include "automerge/sequence.h"
#include "automerge/span.h"

struct linker {
	am_doc *doc;
	struct am_keyed *row;          /* first id and span of every span */
	size_t n_rows;
	AM_VEC(struct am_keyed) del;   /* lowest id and target of every run of deletes */
};

/* Ids of sorted spans must not overlap. */
static bool disjoint(const struct am_ops *ops, const struct am_keyed *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (v[i - 1].key + ops->span.p[v[i - 1].a].n > v[i].key)
			return false;
	return true;
}

/* The trees of all actors from one sorted list. */
static int build(am_doc *doc, const struct am_keyed *v, size_t n, bool dels)
{
	struct am_ops *ops = doc->ops;
	size_t end;

	for (size_t i = 0; i < n; i = end) {
		uint32_t actor = (uint32_t)(v[i].key >> 32);

		for (end = i + 1; end < n && v[end].key >> 32 == actor;)
			end++;
		if (am_vec_reserve(&doc->a, &ops->node, am_index_nodes(end - i)))
			return AM_E_NOMEM;
		am_index_build(ops, dels ? &ops->actor.p[actor].dels : &ops->actor.p[actor].rows, v + i, end - i);
	}
	return AM_OK;
}

static int index_rows(struct linker *l)
{
	am_doc *doc = l->doc;
	struct am_ops *ops = doc->ops;
	int rc;

	l->row = am_mem_realloc(&doc->a, NULL, ops->span.n + 1, sizeof *l->row);
	if (!l->row)
		return AM_E_NOMEM;
	for (uint32_t s = 0; s < ops->span.n; s++)
		l->row[l->n_rows++] = (struct am_keyed){am_id_key(ops->span.p[s].id), s, 0};
	rc = am_radix_sort(&doc->a, l->row, l->n_rows);
	if (rc)
		return rc;
	return disjoint(ops, l->row, l->n_rows) ? build(doc, l->row, l->n_rows, false) : AM_E_BAD_REF;
}

/* ---- edges ---- */

static int add_delete(struct linker *l, am_id low, uint32_t s)
{
	if (low.ctr == 0 || low.ctr > UINT32_MAX - l->doc->ops->span.p[s].n)
		return AM_E_BAD_REF;
	if (am_vec_reserve(&l->doc->a, &l->del, 1))
		return AM_E_NOMEM;
	l->del.p[l->del.n++] = (struct am_keyed){am_id_key(low), s, 0};
	return AM_OK;
}

/* Successor t of x, which is a row of the same register. */
static int link_row(struct linker *l, uint32_t s, uint32_t t, bool *hides)
{
	am_doc *doc = l->doc;
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s], *y = &ops->span.p[t];

	if (y->n > 1 || x->reg == AM_NONE || y->reg != x->reg || y->flags & AM_SPAN_INSERT)
		return AM_E_BAD_REF;
	if (y->pred == AM_NONE) {
		y->pred = s;
	} else {
		y->flags |= AM_SPAN_PREDS;
		if (am_id_cmp(&doc->actors, ops->span.p[y->pred].id, x->id) < 0)
			y->pred = s;
	}
	if (y->action != AM_ACT_INC || !am_span_is_counter(x)) {
		*hides = true;
		return AM_OK;
	}
	if (am_vec_reserve(&doc->a, &ops->sum, 1))
		return AM_E_NOMEM;
	if (x->aux == AM_NONE) {
		x->aux = (uint32_t)ops->sum.n;
		ops->sum.p[ops->sum.n++] = 0;
	}
	ops->sum.p[x->aux] = (int64_t)((uint64_t)ops->sum.p[x->aux] + (uint64_t)am_span_int(ops, y));
	return AM_OK;
}

static int link_edge(struct linker *l, uint32_t s, am_id id, bool *hides)
{
	am_doc *doc = l->doc;
	const struct am_span *x = &doc->ops->span.p[s];
	uint32_t k, t = AM_NONE;

	if (id.actor >= doc->ops->actor.n || am_id_cmp(&doc->actors, id, x->id) <= 0)
		return AM_E_BAD_REF;
	/* An element nobody wrote to again can only have been deleted. */
	if (x->reg != AM_NONE)
		t = am_ops_find(doc->ops, id, &k);
	if (t != AM_NONE)
		return link_row(l, s, t, hides);
	*hides = true;
	return add_delete(l, id, s);
}

static int link_run(struct linker *l, uint32_t s)
{
	am_doc *doc = l->doc;
	const struct am_span *x = &doc->ops->span.p[s];
	am_id low = x->succ;

	if (low.actor >= doc->ops->actor.n || am_id_cmp(&doc->actors, x->succ, x->id) <= 0)
		return AM_E_BAD_REF;
	if (x->step < 0) {
		if (low.ctr < x->n)
			return AM_E_BAD_REF;
		low.ctr -= x->n - 1;
		if (am_id_cmp(&doc->actors, low, am_span_last(x)) <= 0)
			return AM_E_BAD_REF;
	}
	return add_delete(l, low, s);
}

static int link_succs(struct linker *l, uint32_t s)
{
	struct am_ops *ops = l->doc->ops;
	bool hides = false;
	int rc;

	if (!ops->span.p[s].succ.ctr)
		return AM_OK;
	if (ops->span.p[s].n > 1)
		return link_run(l, s);
	rc = link_edge(l, s, ops->span.p[s].succ, &hides);
	for (uint32_t m = ops->span.p[s].more; m != AM_NONE && rc == AM_OK; m = ops->succ.p[m].next)
		rc = link_edge(l, s, ops->succ.p[m].id, &hides);
	if (rc == AM_OK && hides && !(ops->span.p[s].flags & AM_SPAN_HIDDEN))
		am_span_hide(l->doc, s);
	return rc;
}

/* ---- deletes ---- */

/* One delete of several values of a register: entries i .. end - 1 become one that
 * names the highest. */
static bool join_targets(const struct linker *l, size_t i, size_t end)
{
	struct am_ops *ops = l->doc->ops;
	struct am_keyed *v = l->del.p;
	uint32_t top = v[i].a;

	for (size_t k = i; k < end; k++) {
		const struct am_span *x = &ops->span.p[v[k].a];

		if (x->n > 1 || x->reg == AM_NONE || x->reg != ops->span.p[top].reg)
			return false;
		if (am_id_cmp(&l->doc->actors, x->id, ops->span.p[top].id) > 0)
			top = v[k].a;
	}
	ops->span.p[top].flags |= AM_SPAN_DELS;
	v[i].a = top;
	return true;
}

/* No id may be both a delete and a row. */
static bool apart(const struct linker *l)
{
	const struct am_ops *ops = l->doc->ops;
	size_t r = 0;

	for (size_t i = 0; i < l->del.n; i++) {
		uint64_t from = l->del.p[i].key, past = from + ops->span.p[l->del.p[i].a].n;

		while (r < l->n_rows && l->row[r].key + ops->span.p[l->row[r].a].n <= from)
			r++;
		if (r < l->n_rows && l->row[r].key < past)
			return false;
	}
	return true;
}

static int index_deletes(struct linker *l)
{
	am_doc *doc = l->doc;
	struct am_ops *ops = doc->ops;
	struct am_keyed *v = l->del.p;
	size_t n = 0, end;
	int rc = am_radix_sort(&doc->a, v, l->del.n);

	if (rc)
		return rc;
	for (size_t i = 0; i < l->del.n; i = end) {
		uint32_t count, last;

		for (end = i + 1; end < l->del.n && v[end].key == v[i].key;)
			end++;
		if (end > i + 1 && !join_targets(l, i, end))
			return AM_E_BAD_REF;
		v[n] = v[i];
		count = ops->span.p[v[n].a].n;
		last = (uint32_t)v[n].key + count - 1;
		ops->count += count;
		if (last > ops->max)
			ops->max = last;
		n++;
	}
	l->del.n = n;
	return disjoint(ops, v, n) && apart(l) ? build(doc, v, n, true) : AM_E_BAD_REF;
}

int am_ops_link(am_doc *doc)
{
	struct linker l = {.doc = doc};
	int rc = index_rows(&l);

	doc->ops->unindexed = false;
	for (uint32_t s = 0; s < doc->ops->span.n && rc == AM_OK; s++)
		rc = link_succs(&l, s);
	if (rc == AM_OK)
		rc = index_deletes(&l);
	am_vec_free(&doc->a, &l.del);
	am_mem_free(&doc->a, l.row);
	return rc;
}
