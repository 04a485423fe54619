/* Debug checks of the operation set and of the graph: what must hold after every operation. */
#include <stdio.h>
#include <stdlib.h>

#include "automerge/sequence.h"
#include "automerge/view.h"

#define CHECK(x)                                                                                                       \
	do {                                                                                                           \
		if (!(x)) {                                                                                            \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #x);                                \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static const struct am_node *node(const struct am_ops *ops, uint32_t i)
{
	return &ops->node.p[i];
}

/* Returns the depth; parents, sums and smallest entries agree. */
static unsigned check_node(const struct am_ops *ops, uint32_t i, uint32_t parent, bool sums)
{
	const struct am_node *x = node(ops, i);
	unsigned depth = 0;

	CHECK(x->parent == parent && x->n > 0 && x->n <= AM_NODE_MAX);
	for (unsigned k = 0; k < x->n; k++) {
		if (x->leaf) {
			CHECK(x->slot[k] < ops->span.n);
			if (sums) {
				CHECK(ops->span.p[x->slot[k]].leaf == i);
				CHECK(x->w[k] == am_elem_width(ops, &ops->span.p[x->slot[k]]));
			} else {
				CHECK(k == 0 || x->w[k - 1] < x->w[k]);
			}
			continue;
		}
		const struct am_node *y = node(ops, x->slot[k]);
		uint32_t total = y->w[0];
		for (unsigned j = 1; j < y->n && sums; j++)
			total += y->w[j];
		CHECK(x->w[k] == total);
		unsigned below = check_node(ops, x->slot[k], i, sums) + 1;
		CHECK(k == 0 || below == depth);
		depth = below;
	}
	return depth;
}

static size_t check_register(const am_doc *doc, uint32_t r)
{
	const struct am_ops *ops = doc->ops;
	const struct am_reg *g = &ops->reg.p[r];
	uint32_t prev = AM_NONE, win = AM_NONE, vis = 0;
	size_t n = 0;

	for (uint32_t s = g->head; s != AM_NONE; prev = s, s = ops->span.p[s].next, n++) {
		const struct am_span *x = &ops->span.p[s];
		CHECK(x->reg == r && x->n == 1 && x->obj == g->obj);
		CHECK(am_span_prev(x) == prev);
		CHECK(prev == AM_NONE || am_id_cmp(&doc->actors, ops->span.p[prev].id, x->id) < 0);
		if (am_span_visible(x))
			win = s, vis++;
	}
	CHECK(g->tail == prev && g->win == win && g->vis == vis);
	return n;
}

static void check_succs(const am_doc *doc, uint32_t s)
{
	const struct am_ops *ops = doc->ops;
	const struct am_span *x = &ops->span.p[s];
	am_id id = x->succ, above = {0, 0};
	bool hides = false;
	uint32_t k, m = x->more;

	for (; id.ctr; above = id, id = m == AM_NONE ? (am_id){0, 0} : ops->succ.p[m].id,
			m = m == AM_NONE ? AM_NONE : ops->succ.p[m].next) {
		uint32_t t = am_ops_find(ops, id, &k);
		CHECK(!above.ctr || am_id_cmp(&doc->actors, above, id) > 0);
		CHECK(am_id_cmp(&doc->actors, id, x->id) > 0);
		if (t == AM_NONE) {
			uint32_t d = am_ops_find_del(ops, id, &k);
			CHECK(d != AM_NONE);
			CHECK(d == s || (x->reg != AM_NONE && ops->span.p[d].reg == x->reg &&
					 ops->span.p[d].flags & AM_SPAN_DELS));
			CHECK(x->n == 1 || k == 0);
			hides = true;
		} else {
			CHECK(x->reg != AM_NONE && ops->span.p[t].reg == x->reg && ops->span.p[t].pred != AM_NONE);
			hides |= !am_span_is_counter(x) || ops->span.p[t].action != AM_ACT_INC;
		}
	}
	CHECK(hides == !!(x->flags & AM_SPAN_HIDDEN));
	if (x->n > 1) {
		CHECK(x->more == AM_NONE && x->reg == AM_NONE && x->flags & AM_SPAN_INSERT);
		CHECK(!x->succ.ctr || x->step == 1 || x->step == -1);
	}
}

/* The index of keys says what the list says. */
static void check_keys(const struct am_ops *ops, uint32_t obj)
{
	uint32_t r = ops->obj.p[obj].m.first;

	if (ops->keys.obj != obj)
		return;
	CHECK(ops->obj.p[obj].sorted);
	for (size_t i = 0; i < ops->keys.reg.n; i++, r = ops->reg.p[r].next)
		CHECK(r == ops->keys.reg.p[i] && (i == 0 || am_key_cmp(ops, ops->reg.p[ops->keys.reg.p[i - 1]].key,
									ops->reg.p[r].key) < 0));
	CHECK(r == AM_NONE);
}

static size_t check_object(am_doc *doc, uint32_t obj)
{
	struct am_ops *ops = doc->ops;
	const struct am_obj *o = &ops->obj.p[obj];
	uint32_t visible = 0, marks = 0;
	size_t n = 0;

	if (am_obj_is_map(o)) {
		check_keys(ops, obj);
		for (uint32_t r = o->m.first; r != AM_NONE; r = ops->reg.p[r].next) {
			CHECK(ops->reg.p[r].obj == obj && am_reg_find(ops, obj, ops->reg.p[r].key) == r);
			n += check_register(doc, r);
			visible += ops->reg.p[r].vis > 0;
			CHECK(ops->reg.p[r].next != AM_NONE || o->m.last == r);
		}
		CHECK(visible == o->m.visible);
		return n;
	}
	if (am_seq_is_alone(o->s.root))
		CHECK(ops->span.p[o->s.root & ~AM_SEQ_ALONE].leaf == AM_NONE);
	else if (o->s.root != AM_NONE)
		check_node(ops, o->s.root, AM_NONE, true);
	for (uint32_t s = am_seq_first(ops, obj); s != AM_NONE; s = am_seq_next(ops, s)) {
		const struct am_span *x = &ops->span.p[s];
		CHECK(x->obj == obj && x->flags & AM_SPAN_INSERT);
		n += x->reg == AM_NONE ? 1 : check_register(doc, x->reg);
		marks += x->action == AM_ACT_MARK;
		if (s == o->s.cache)
			CHECK(am_seq_position(ops, s) == o->s.cache_pos);
	}
	CHECK(marks == o->s.marks);
	return n;
}

/* Spans of an actor's rows, and how many operations rows and deletes are. */
static size_t check_actor(const struct am_ops *ops, uint32_t actor, size_t *ret_count)
{
	uint32_t ctr, s, end = 0;
	size_t n = 0;

	if (ops->actor.p[actor].rows != AM_NONE)
		check_node(ops, ops->actor.p[actor].rows, AM_NONE, false);
	if (ops->actor.p[actor].dels != AM_NONE)
		check_node(ops, ops->actor.p[actor].dels, AM_NONE, false);
	for (bool more = am_index_above(ops, ops->actor.p[actor].rows, 0, &ctr, &s); more;
	     more = am_index_above(ops, ops->actor.p[actor].rows, ctr, &ctr, &s), n++) {
		const struct am_span *x = &ops->span.p[s];
		CHECK(x->id.actor == actor && x->id.ctr == ctr && ctr > end);
		end = ctr + x->n - 1;
		CHECK(end <= ops->max);
		*ret_count += x->n;
	}
	for (bool more = am_index_above(ops, ops->actor.p[actor].dels, 0, &ctr, &s); more;
	     more = am_index_above(ops, ops->actor.p[actor].dels, ctr, &ctr, &s)) {
		uint32_t k;
		CHECK(am_ops_find_del(ops, (am_id){ctr, actor}, &k) == s);
		CHECK(ops->span.p[s].n > 1 || am_span_has_succ(ops, &ops->span.p[s], (am_id){ctr, actor}));
		*ret_count += ops->span.p[s].n;
	}
	return n;
}

int am_ops_verify(am_doc *doc)
{
	struct am_ops *ops = doc->ops;
	size_t in_objects = 0, in_index = 0, count = 0;

	for (uint32_t i = 0; i < ops->obj.n; i++) {
		CHECK(am_ops_object(ops, ops->obj.p[i].id) == i);
		in_objects += check_object(doc, i);
	}
	for (uint32_t i = 0; i < ops->actor.n; i++)
		in_index += check_actor(ops, i, &count);
	for (uint32_t i = 0; i < ops->obj.n; i++)
		for (uint32_t s = am_obj_is_map(&ops->obj.p[i]) ? AM_NONE : am_seq_first(ops, i); s != AM_NONE;
		     s = am_seq_next(ops, s))
			check_succs(doc, s);
	for (uint32_t r = 0; r < ops->reg.n; r++)
		for (uint32_t s = ops->reg.p[r].head; s != AM_NONE; s = ops->span.p[s].next)
			check_succs(doc, s);
	CHECK(in_objects == in_index);
	CHECK(count == ops->count);
	return AM_OK;
}

/* ---- the graph ---- */

static void check_row(const am_doc *doc, uint32_t row, bool *inner)
{
	const struct am_graph *g = &doc->graph;
	struct am_row r = am_graph_row(g, row);
	struct am_row_deps deps = am_graph_deps(g, row);

	for (size_t i = 0; i < deps.n; i++) {
		uint32_t dep = am_dep(&deps, i);
		CHECK(dep < row);
		struct am_row before = am_graph_row(g, dep);
		CHECK(r.start_op > am_row_max_op(&before));
		inner[dep] = true;
	}
	CHECK(am_graph_by_seq(g, r.actor, r.seq) == row);
	CHECK(r.seq == 1 || am_graph_by_seq(g, r.actor, r.seq - 1) < row);
	if (row >= g->unhashed)
		CHECK(am_graph_find(g, &g->hash.p[row]) == row);
}

void am_graph_verify(const am_doc *doc)
{
	const struct am_graph *g = &doc->graph;
	bool *inner = calloc(am_graph_count(g) + 1, 1);
	size_t heads = 0, changes = 0;

	CHECK(inner);
	for (uint32_t row = 0; row < am_graph_count(g); row++)
		check_row(doc, row, inner);
	for (uint32_t row = 0; row < am_graph_count(g); row++)
		heads += !inner[row];
	CHECK(heads == g->heads.n && heads == g->head_rows.n);
	for (size_t i = 0; i < heads; i++) {
		CHECK(!inner[g->head_rows.p[i]]);
		CHECK(memcmp(&g->heads.p[i], &g->hash.p[g->head_rows.p[i]], sizeof(am_hash)) == 0);
		CHECK(i == 0 || am_hash_cmp(&g->heads.p[i - 1], &g->heads.p[i]) < 0);
	}
	for (size_t i = 0; i < g->actor.n; i++)
		changes += g->actor.p[i].count;
	CHECK(changes == am_graph_count(g));
	free(inner);
}
