#include "automerge/opset.h"

#include "automerge/sequence.h"
#include "automerge/slots.h"

/* ---- life ---- */

static int add_root(am_doc *doc, struct am_ops *ops)
{
	int rc = am_vec_reserve(&doc->a, &ops->obj, 1);

	if (rc)
		return rc;
	ops->obj.p[0] = (struct am_obj){.span = AM_NONE, .type = AM_MAP, .sorted = true};
	ops->obj.p[0].m.first = ops->obj.p[0].m.last = AM_NONE;
	ops->obj.n = 1;
	return AM_OK;
}

int am_ops_new(am_doc *doc, struct am_ops **ret)
{
	struct am_ops *ops = am_mem_zalloc(&doc->a, sizeof *ops);

	if (!ops)
		return AM_E_NOMEM;
	ops->free_span = ops->free_node = ops->free_succ = ops->free_reg = ops->keys.obj = AM_NONE;
	if (add_root(doc, ops)) {
		am_mem_free(&doc->a, ops);
		return AM_E_NOMEM;
	}
	*ret = ops;
	return AM_OK;
}

void am_ops_free(am_doc *doc, struct am_ops *ops)
{
	const am_allocator *a = &doc->a;

	if (!ops)
		return;
	am_load_free(a, ops->load);
	am_vec_free(a, &ops->span);
	am_vec_free(a, &ops->reg);
	am_vec_free(a, &ops->node);
	am_vec_free(a, &ops->obj);
	am_vec_free(a, &ops->succ);
	am_vec_free(a, &ops->sum);
	am_vec_free(a, &ops->key);
	am_vec_free(a, &ops->heap);
	am_vec_free(a, &ops->names);
	am_vec_free(a, &ops->actor);
	am_vec_free(a, &ops->undo);
	am_vec_free(a, &ops->refs);
	am_vec_free(a, &ops->order);
	am_vec_free(a, &ops->keys.reg);
	am_mem_free(a, ops->reg_slot);
	am_mem_free(a, ops->obj_slot);
	am_mem_free(a, ops->key_slot);
	am_mem_free(a, ops);
}

uint32_t am_ops_max_counter(const am_doc *doc)
{
	return doc->ops->max;
}

size_t am_ops_count(const am_doc *doc)
{
	return doc->ops->count;
}

/* ---- look-ups ---- */

uint32_t am_ops_find(const struct am_ops *ops, am_id id, uint32_t *ret_k)
{
	uint32_t ctr, s;

	if (id.actor >= ops->actor.n || !am_index_floor(ops, ops->actor.p[id.actor].rows, id.ctr, &ctr, &s))
		return AM_NONE;
	if (id.ctr - ctr >= ops->span.p[s].n)
		return AM_NONE;
	*ret_k = id.ctr - ctr;
	return s;
}

uint32_t am_ops_find_del(const struct am_ops *ops, am_id id, uint32_t *ret_k)
{
	const struct am_span *x;
	uint32_t ctr, s;

	if (id.actor >= ops->actor.n || !am_index_floor(ops, ops->actor.p[id.actor].dels, id.ctr, &ctr, &s))
		return AM_NONE;
	x = &ops->span.p[s];
	*ret_k = 0;
	if (x->n == 1)
		return id.ctr == ctr ? s : AM_NONE;
	if (id.ctr - ctr >= x->n)
		return AM_NONE;
	*ret_k = x->step > 0 ? id.ctr - ctr : x->n - 1 - (id.ctr - ctr);
	return s;
}

uint32_t am_ops_object(struct am_ops *ops, am_id obj)
{
	if (obj.ctr == 0)
		return 0;
	if (ops->last_obj < ops->obj.n && am_id_eq(ops->obj.p[ops->last_obj].id, obj))
		return ops->last_obj;
	if (!ops->obj_slots)
		return AM_NONE;
	for (size_t i = am_mix(obj.ctr, obj.actor) & (ops->obj_slots - 1); ops->obj_slot[i] != AM_NONE;
	     i = (i + 1) & (ops->obj_slots - 1))
		if (am_id_eq(ops->obj.p[ops->obj_slot[i]].id, obj))
			return ops->last_obj = ops->obj_slot[i];
	return AM_NONE;
}

/* ---- room ---- */

static int reserve_actors(am_doc *doc)
{
	struct am_ops *ops = doc->ops;
	size_t n = doc->actors.v.n;

	if (ops->actor.n >= n)
		return AM_OK;
	if (am_vec_reserve(&doc->a, &ops->actor, n - ops->actor.n))
		return AM_E_NOMEM;
	while (ops->actor.n < n)
		ops->actor.p[ops->actor.n++] = (struct am_actor_ops){.rows = AM_NONE, .dels = AM_NONE};
	return AM_OK;
}

/* One operation touches at most four trees, two of them three times; a touch
 * splits at most one node per level, and a tree gets one level more at most. The
 * rest is for cutting a run when the operation is taken back. */
static size_t nodes_needed(const struct am_ops *ops)
{
	return 8 * ((size_t)ops->height + 2) + 4;
}

int am_ops_reserve(am_doc *doc, size_t n_refs, size_t bytes)
{
	struct am_ops *ops = doc->ops;
	const am_allocator *a = &doc->a;

	if (bytes > INT32_MAX || ops->heap.n > (size_t)INT32_MAX - bytes || ops->count >= doc->opts.max_ops)
		return AM_E_LIMIT;
	if (reserve_actors(doc) || am_vec_reserve(a, &ops->span, 8) ||
	    am_vec_reserve(a, &ops->node, nodes_needed(ops)) ||
	    am_vec_reserve(a, &ops->succ, n_refs + 2) || am_vec_reserve(a, &ops->reg, 2) ||
	    am_vec_reserve(a, &ops->obj, 1) || am_vec_reserve(a, &ops->sum, n_refs + 1) ||
	    am_vec_reserve(a, &ops->heap, bytes) ||
	    am_slots_reserve(doc, &ops->reg_slot, &ops->reg_slots, ops->regs_hashed + AM_MAP_SMALL, am_reg_hash) ||
	    am_slots_reserve(doc, &ops->obj_slot, &ops->obj_slots, ops->obj.n, am_obj_hash))
		return AM_E_NOMEM;
	return AM_OK;
}
