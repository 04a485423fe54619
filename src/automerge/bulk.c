/* The operation set as rows: loading documents, saving them, rebuilding changes. */
#include <assert.h>

#include <stdlib.h>

#include "automerge/leb.h"
#include "automerge/radix.h"
#include "automerge/sequence.h"
#include "automerge/sizes.h"
#include "automerge/span.h"
#include "automerge/text.h"

/* ---- loading ---- */

/* A stretch of the path from HEAD to the element loaded last: each refers to the
 * one before, a stretch's first to the last of the stretch below it. */
struct stretch { am_id id; uint32_t n; };

struct am_load {
	am_id obj;
	uint32_t slot;
	uint32_t last;     /* last element's span in the sequence being loaded */
	bool grown;        /* its width is not in the tree yet */
	bool order_bad;    /* the sequence is not in the order the rules give */
	AM_VEC(struct stretch) path;
	AM_VEC(uint32_t) fix; /* sequences to put in order */
};

void am_load_free(const am_allocator *a, struct am_load *load)
{
	if (!load)
		return;
	am_vec_free(a, &load->path);
	am_vec_free(a, &load->fix);
	am_mem_free(a, load);
}

int am_ops_load_begin(am_doc *doc)
{
	struct am_load *l = am_mem_zalloc(&doc->a, sizeof *l);

	if (!l)
		return AM_E_NOMEM;
	l->last = AM_NONE;
	doc->ops->load = l;
	doc->ops->unindexed = true;
	return AM_OK;
}

static void flush_width(struct am_ops *ops, struct am_load *l)
{
	if (l->grown)
		am_seq_update(ops, l->slot, l->last);
	l->grown = false;
}

static int leave_object(am_doc *doc, struct am_load *l)
{
	flush_width(doc->ops, l);
	if (l->order_bad) {
		if (am_vec_reserve(&doc->a, &l->fix, 1))
			return AM_E_NOMEM;
		l->fix.p[l->fix.n++] = l->slot;
	}
	l->order_bad = false;
	l->path.n = 0;
	l->last = AM_NONE;
	return AM_OK;
}

static int enter_object(am_doc *doc, struct am_load *l, am_id obj)
{
	uint32_t slot;
	int rc;

	if (am_id_eq(obj, l->obj))
		return AM_OK;
	rc = leave_object(doc, l);
	if (rc)
		return rc;
	slot = am_ops_object(doc->ops, obj);
	if (slot == AM_NONE)
		return AM_E_BAD_REF;
	l->obj = obj;
	l->slot = slot;
	if (!am_obj_is_map(&doc->ops->obj.p[slot]))
		l->last = am_seq_last(doc->ops, slot);
	return AM_OK;
}

/* Is the element after everything loaded so far where rule 1.6 puts it? Elements
 * between it and its reference must have greater ids; it is enough to look at
 * the sibling before it. */
static int check_order(am_doc *doc, struct am_load *l, const am_op *row)
{
	am_id above = {0, 0};
	bool found = am_id_is_null(row->elem);

	while (l->path.n) {
		struct stretch *top = &l->path.p[l->path.n - 1];
		if (top->id.actor == row->elem.actor && row->elem.ctr >= top->id.ctr &&
		    row->elem.ctr - top->id.ctr < top->n) {
			if (row->elem.ctr - top->id.ctr + 1 < top->n)
				above = am_id_plus(row->elem, 1);
			top->n = row->elem.ctr - top->id.ctr + 1;
			found = true;
			break;
		}
		above = top->id;
		l->path.n--;
	}
	if (!found || (above.ctr && am_id_cmp(&doc->actors, above, row->id) < 0))
		l->order_bad = true;
	if (am_vec_reserve(&doc->a, &l->path, 1))
		return AM_E_NOMEM;
	if (l->path.n && am_id_eq(row->id, am_id_plus(l->path.p[l->path.n - 1].id, l->path.p[l->path.n - 1].n)) &&
	    !am_id_is_null(row->elem))
		l->path.p[l->path.n - 1].n += row->run;
	else
		l->path.p[l->path.n++] = (struct stretch){row->id, row->run};
	return AM_OK;
}

/* Successors of a row, ascending, of which all hide unless it is a counter. */
static void set_succ(am_doc *doc, struct am_span *x, const am_op *row)
{
	struct am_ops *ops = doc->ops;

	if (!row->n_refs)
		return;
	for (uint32_t i = 0; i + 1 < row->n_refs; i++) {
		uint32_t m = (uint32_t)ops->succ.n++;
		ops->succ.p[m] = (struct am_succ){row->refs[i], x->more};
		x->more = m;
	}
	x->succ = row->refs[row->n_refs - 1];
	if (!am_span_is_counter(x))
		x->flags |= AM_SPAN_HIDDEN;
}

static uint32_t step_ctr(uint32_t ctr, int8_t step, uint32_t k)
{
	return step < 0 ? ctr - k : ctr + k;
}

/* How many of the operations of a run from `from` on have successors in one run. */
static uint32_t del_run(const am_op *row, uint32_t from, int8_t *ret_step)
{
	const am_id *r = row->refs + from;
	uint32_t max = row->run - from, n = 1;
	int8_t step = 0;

	if (max > 1 && r[1].actor == r[0].actor)
		step = r[1].ctr == r[0].ctr + 1 ? 1 : r[1].ctr + 1 == r[0].ctr ? -1 : 0;
	while (step && n < max && r[n].actor == r[0].actor && r[n].ctr == step_ctr(r[n - 1].ctr, step, 1))
		n++;
	*ret_step = step;
	return n;
}

static bool grow_last(am_doc *doc, struct am_load *l, const am_op *row, int8_t step)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x;
	uint32_t n = (uint32_t)am_op_val_n(row);

	if (l->last == AM_NONE)
		return false;
	x = &ops->span.p[l->last];
	if (row->n_refs) {
		/* Only where the deletes go on the same way. */
		am_id succ = x->succ, want;
		int8_t way = x->n > 1 ? x->step : row->refs[0].ctr > succ.ctr ? 1 : -1;
		bool fits;
		if (!succ.ctr || x->more != AM_NONE || row->n_refs != row->run || row->refs[0].actor != succ.actor)
			return false;
		want = (am_id){step_ctr(succ.ctr, way, x->n), succ.actor};
		if (!am_id_eq(want, row->refs[0]) || (row->run > 1 && step != way))
			return false;
		x->succ.ctr = 0; /* am_span_extends wants a live run */
		fits = am_span_extends(ops, x, row, l->slot);
		x->succ = succ;
		if (!fits)
			return false;
		x->step = way;
	} else if (x->succ.ctr || !am_span_extends(ops, x, row, l->slot)) {
		return false;
	}
	memcpy(ops->heap.p + ops->heap.n, row->val, n);
	ops->heap.n += n;
	x->n += row->run;
	x->val_n += n;
	x->w += am_span_width(doc, ops->obj.p[l->slot].type, row);
	ops->count += row->run;
	l->grown = true;
	return true;
}

static int load_piece(am_doc *doc, struct am_load *l, const am_op *row, int8_t step)
{
	struct am_ops *ops = doc->ops;
	uint32_t s;
	int rc = am_ops_reserve(doc, row->run > 1 ? 0 : row->n_refs, am_op_val_n(row));

	if (rc)
		return rc;
	if (grow_last(doc, l, row, step))
		return AM_OK;
	flush_width(ops, l);
	s = am_span_new(doc, row, l->slot, row->elem);
	if (row->run > 1 && row->n_refs) {
		ops->span.p[s].succ = row->refs[0];
		ops->span.p[s].step = step;
		ops->span.p[s].flags |= AM_SPAN_HIDDEN;
	} else {
		set_succ(doc, &ops->span.p[s], row);
	}
	am_seq_insert(ops, l->slot, l->last, s);
	l->last = s;
	return AM_OK;
}

/* A row of insertions in pieces: by direction of the deletes, and short ones
 * where offsets have to be counted. */
static int load_insert(am_doc *doc, struct am_load *l, const am_op *row)
{
	am_op part = *row;
	size_t at = 0, total = am_op_val_n(row);
	int rc = check_order(doc, l, row);

	if (rc || row->run == 1)
		return rc ? rc : load_piece(doc, l, row, 0);
	for (uint32_t done = 0; done < row->run && rc == AM_OK; done += part.run) {
		size_t from = at;
		int8_t step = 0;
		part.run = row->n_refs ? del_run(row, done, &step) : row->run - done;
		if (row->run != total && part.run > AM_RUN_MAX)
			part.run = AM_RUN_MAX;
		if (row->run == total)
			at += part.run;
		else
			for (uint32_t k = 0; k < part.run; k++)
				at += am_text_scalar(row->val[at]);
		part.id = am_id_plus(row->id, done);
		part.elem = done ? am_id_plus(row->id, done - 1) : row->elem;
		part.val = row->val + from;
		part.meta = (uint64_t)(at - from) << 4 | AM_VAL_STR;
		part.refs = row->n_refs ? row->refs + done : NULL;
		part.n_refs = row->n_refs ? part.run : 0;
		rc = load_piece(doc, l, &part, step);
	}
	return rc;
}

/* The element at offset k of s on its own. While loading, deletes are not indexed
 * yet, so a deleted run is cut by hand. */
static uint32_t load_single(am_doc *doc, uint32_t s, uint32_t k)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	am_id succ = x->succ;
	uint32_t n = x->n, t;
	int8_t step = x->step;

	if (n == 1)
		return s;
	x->succ.ctr = 0;
	t = am_span_single(doc, s, k);
	if (!succ.ctr)
		return t;
	ops->span.p[s].succ = succ;
	ops->span.p[t].succ = (am_id){step_ctr(succ.ctr, step, k), succ.actor};
	if (k + 1 < n)
		ops->span.p[am_seq_next(ops, t)].succ = (am_id){step_ctr(succ.ctr, step, k + 1), succ.actor};
	return t;
}

/* The element an update is for. Updates follow their element, so it is the last one;
 * only rows that were not put in order make this look further back. */
static uint32_t load_elem(const am_doc *doc, const struct am_load *l, am_id elem, uint32_t *ret_k)
{
	const struct am_ops *ops = doc->ops;
	uint32_t s = l->last;

	for (; s != AM_NONE; s = am_seq_prev(ops, s)) {
		const struct am_span *x = &ops->span.p[s];
		if (x->id.actor != elem.actor || elem.ctr - x->id.ctr >= x->n)
			continue;
		*ret_k = elem.ctr - x->id.ctr;
		break;
	}
	return s;
}

static int load_update(am_doc *doc, struct am_load *l, const am_op *row, uint32_t *ret_reg)
{
	struct am_ops *ops = doc->ops;
	uint32_t k, s = load_elem(doc, l, row->elem, &k);

	if (s == AM_NONE || am_id_cmp(&doc->actors, row->elem, row->id) >= 0)
		return AM_E_BAD_REF;
	flush_width(ops, l);
	s = load_single(doc, s, k);
	l->last = am_seq_last(ops, l->slot);
	*ret_reg = am_reg_of_elem(ops, s);
	return AM_OK;
}

static int load_register(am_doc *doc, struct am_load *l, const am_op *row)
{
	struct am_ops *ops = doc->ops;
	uint32_t reg = AM_NONE, key, s;
	am_id k = row->elem;
	int rc = am_ops_reserve(doc, row->n_refs, am_op_val_n(row));

	if (rc)
		return rc;
	if (row->key_is_str) {
		rc = am_key_intern(doc, row->key, row->key_n, &key);
		if (rc)
			return rc;
		reg = am_reg_get(ops, l->slot, key);
		k = (am_id){key, 0};
	} else {
		rc = load_update(doc, l, row, &reg);
		if (rc)
			return rc;
	}
	s = am_span_new(doc, row, l->slot, k);
	set_succ(doc, &ops->span.p[s], row);
	am_reg_link(doc, reg, s);
	return AM_OK;
}

int am_ops_load_row(am_doc *doc, const am_op *row)
{
	struct am_ops *ops = doc->ops;
	struct am_load *l = ops->load;
	uint32_t mark;
	int rc = enter_object(doc, l, row->obj);

	if (rc)
		return rc;
	if (row->key_is_str != am_obj_is_map(&ops->obj.p[l->slot]) || (row->key_is_str && row->insert) ||
	    row->action == AM_ACT_DEL)
		return AM_E_BAD_REF;
	if (row->obj.ctr && am_id_cmp(&doc->actors, row->obj, row->id) >= 0)
		return AM_E_BAD_REF;
	if (row->mark && am_key_intern(doc, row->mark, row->mark_n, &mark))
		return AM_E_NOMEM;
	if (row->id.ctr + row->run - 1 > ops->max)
		ops->max = row->id.ctr + row->run - 1;
	if (!row->insert)
		return load_register(doc, l, row);
	if (!am_id_is_null(row->elem) && am_id_cmp(&doc->actors, row->elem, row->id) >= 0)
		return AM_E_BAD_REF;
	return load_insert(doc, l, row);
}

/* ---- end of loading ---- */

static int by_id(const void *p, const void *q, void *ctx)
{
	const am_doc *doc = ctx;
	const uint32_t *a = p, *b = q;

	return am_id_cmp(&doc->actors, doc->ops->span.p[*a].id, doc->ops->span.p[*b].id);
}

/* A sequence whose rows came in another order than rule 1.6 gives: every element
 * on its own, inserted anew in id order. Runs are lost, which costs only memory. */
static int rebuild_sequence(am_doc *doc, uint32_t obj)
{
	struct am_ops *ops = doc->ops;
	size_t n = 0;
	uint32_t s, k;

	for (s = am_seq_first(ops, obj); s != AM_NONE; s = am_seq_next(ops, s), n++) {
		if (am_ops_reserve(doc, 0, 0))
			return AM_E_NOMEM;
		am_span_single(doc, s, 0);
	}
	ops->order.n = 0;
	if (am_vec_reserve(&doc->a, &ops->order, n))
		return AM_E_NOMEM;
	for (s = am_seq_first(ops, obj); s != AM_NONE; s = am_seq_next(ops, s))
		ops->order.p[ops->order.n++] = s;
	for (size_t i = 0; i < n; i++)
		am_seq_remove(ops, obj, ops->order.p[i]);
	qsort_r(ops->order.p, n, sizeof *ops->order.p, by_id, doc);
	for (size_t i = 0; i < n; i++) {
		uint32_t after = AM_NONE, next;
		am_id id = ops->span.p[ops->order.p[i]].id, key = ops->span.p[ops->order.p[i]].key;
		if (key.ctr) {
			after = am_ops_find(ops, key, &k);
			if (after == AM_NONE || ops->span.p[after].obj != obj ||
			    !(ops->span.p[after].flags & AM_SPAN_INSERT))
				return AM_E_BAD_REF;
		}
		next = after == AM_NONE ? am_seq_first(ops, obj) : am_seq_next(ops, after);
		for (; next != AM_NONE && am_id_cmp(&doc->actors, ops->span.p[next].id, id) > 0;
		     next = am_seq_next(ops, next))
			after = next;
		if (am_ops_reserve(doc, 0, 0))
			return AM_E_NOMEM;
		am_seq_insert(ops, obj, after, ops->order.p[i]);
	}
	return AM_OK;
}

int am_ops_load_end(am_doc *doc)
{
	struct am_ops *ops = doc->ops;
	int rc = leave_object(doc, ops->load);

	if (rc == AM_OK)
		rc = am_ops_link(doc);
	for (size_t i = 0; i < ops->load->fix.n && rc == AM_OK; i++)
		rc = rebuild_sequence(doc, ops->load->fix.p[i]);
	am_load_free(&doc->a, ops->load);
	ops->load = NULL;
#ifdef AM_CHECKS
	if (rc == AM_OK)
		am_ops_verify(doc);
#endif
	return rc;
}

/* ---- rows out ---- */

/* Every field is set here: clearing the record before takes longer than all of this. */
static void span_to_op(const struct am_ops *ops, const struct am_span *x, uint32_t k, am_op *ret)
{
	const struct am_obj *o = &ops->obj.p[x->obj];
	uint32_t off = am_span_offset(ops, x, k);

	ret->id = am_id_plus(x->id, k);
	ret->obj = o->id;
	ret->run = x->n - k;
	ret->insert = x->flags & AM_SPAN_INSERT;
	ret->expand = x->flags & AM_SPAN_EXPAND;
	ret->action = x->action;
	ret->step = 0;
	ret->meta = (uint64_t)(x->val_n - off) << 4 | x->vtype;
	ret->val = am_span_val(ops, x) + off;
	ret->key_is_str = am_obj_is_map(o);
	ret->elem = ret->key_is_str ? (am_id){0, 0} : k ? am_id_plus(x->id, k - 1) : x->key;
	ret->key = ret->key_is_str ? am_key_text(ops, x->key.ctr) : NULL;
	ret->key_n = ret->key_is_str ? ops->key.p[x->key.ctr].n : 0;
	ret->mark = x->mark != AM_NONE ? am_key_text(ops, x->mark) : NULL;
	ret->mark_n = x->mark != AM_NONE ? ops->key.p[x->mark].n : 0;
	ret->refs = NULL;
	ret->n_refs = 0;
}

static int row_succs(am_doc *doc, const struct am_span *x, am_op *op)
{
	struct am_ops *ops = doc->ops;
	size_t n = 0;

	if (!x->succ.ctr)
		return AM_OK;
	for (uint32_t m = x->more; m != AM_NONE; m = ops->succ.p[m].next)
		n++;
	ops->refs.n = 0;
	if (am_vec_reserve(&doc->a, &ops->refs, n + x->n))
		return AM_E_NOMEM;
	if (x->n > 1)
		for (uint32_t i = 0; i < x->n; i++)
			ops->refs.p[i] = (am_id){step_ctr(x->succ.ctr, x->step, i), x->succ.actor};
	else
		ops->refs.p[n] = x->succ;
	op->n_refs = (uint32_t)n + x->n;
	for (uint32_t m = x->more; m != AM_NONE; m = ops->succ.p[m].next)
		ops->refs.p[--n] = ops->succ.p[m].id;
	op->refs = ops->refs.p;
	return AM_OK;
}

static int emit_row(am_doc *doc, uint32_t s, am_ops_row_fn fn, void *ctx)
{
	const struct am_span *x = &doc->ops->span.p[s];
	am_op op;
	int rc;

	span_to_op(doc->ops, x, 0, &op);
	rc = row_succs(doc, x, &op);
	return rc ? rc : fn(ctx, &op);
}

static int emit_chain(am_doc *doc, uint32_t s, am_ops_row_fn fn, void *ctx)
{
	int rc = AM_OK;

	for (; s != AM_NONE && rc == AM_OK; s = doc->ops->span.p[s].next)
		rc = emit_row(doc, s, fn, ctx);
	return rc;
}

static int emit_elem(am_doc *doc, uint32_t s, am_ops_row_fn fn, void *ctx)
{
	return doc->ops->span.p[s].reg == AM_NONE ? emit_row(doc, s, fn, ctx) : emit_chain(doc, s, fn, ctx);
}

static int emit_sequence(am_doc *doc, uint32_t obj, am_ops_row_fn fn, void *ctx)
{
	struct am_ops *ops = doc->ops;
	uint32_t root = ops->obj.p[obj].s.root;
	int rc = AM_OK;

	if (am_seq_is_alone(root))
		return emit_elem(doc, am_seq_first(ops, obj), fn, ctx);
	for (uint32_t leaf = am_seq_first_leaf(ops, obj); leaf != AM_NONE; leaf = ops->node.p[leaf].next) {
		am_seq_prefetch(ops, ops->node.p[leaf].next);
		for (unsigned k = 0; k < ops->node.p[leaf].n && rc == AM_OK; k++)
			rc = emit_elem(doc, ops->node.p[leaf].slot[k], fn, ctx);
	}
	return rc;
}

static int emit_object(am_doc *doc, uint32_t obj, am_ops_row_fn fn, void *ctx)
{
	struct am_ops *ops = doc->ops;
	int rc;

	if (!am_obj_is_map(&ops->obj.p[obj]))
		return emit_sequence(doc, obj, fn, ctx);
	rc = am_map_sort(doc, obj);
	for (uint32_t r = ops->obj.p[obj].m.first; r != AM_NONE && rc == AM_OK; r = ops->reg.p[r].next)
		rc = emit_chain(doc, ops->reg.p[r].head, fn, ctx);
	return rc;
}

/* Objects lie anywhere in the pools, and are visited once: waiting for memory would
 * be most of the work. So it is asked for ahead, first for what leads to the rows of
 * an object, later for the rows. */
#define AHEAD_FAR AM_SIZE(16, 2)
#define AHEAD_NEAR AM_SIZE(8, 1)

static void prefetch_object(const struct am_ops *ops, uint32_t obj)
{
	const struct am_obj *o = &ops->obj.p[obj];

	if (am_obj_is_map(o) && o->m.first != AM_NONE)
		__builtin_prefetch(&ops->reg.p[o->m.first]);
	else if (!am_obj_is_map(o) && o->s.root != AM_NONE && !am_seq_is_alone(o->s.root))
		am_node_prefetch(ops, o->s.root);
}

static void prefetch_rows(const struct am_ops *ops, uint32_t obj)
{
	const struct am_obj *o = &ops->obj.p[obj];

	if (am_obj_is_map(o) && o->m.first != AM_NONE)
		am_span_prefetch(ops, ops->reg.p[o->m.first].head);
	else if (!am_obj_is_map(o) && am_seq_is_alone(o->s.root))
		am_span_prefetch(ops, am_seq_first(ops, obj));
	else if (!am_obj_is_map(o))
		am_seq_prefetch(ops, am_seq_first_leaf(ops, obj));
}

/* Object slots by id, *ret for the caller to free. */
static int objects_by_id(am_doc *doc, struct am_keyed **ret)
{
	const struct am_ops *ops = doc->ops;
	struct am_keyed *v = am_mem_realloc(&doc->a, NULL, ops->obj.n, sizeof *v);
	int rc;

	if (!v)
		return AM_E_NOMEM;
	for (uint32_t i = 0; i < ops->obj.n; i++) {
		am_id id = ops->obj.p[i].id;
		v[i] = (struct am_keyed){(uint64_t)id.ctr << 32 | (id.ctr ? doc->actors.rank[id.actor] : 0), i, 0};
	}
	rc = am_radix_sort(&doc->a, v, ops->obj.n);
	if (rc)
		am_mem_free(&doc->a, v);
	else
		*ret = v;
	return rc;
}

int am_ops_each_row(am_doc *doc, am_ops_row_fn fn, void *ctx)
{
	struct am_keyed *objects;
	int rc = objects_by_id(doc, &objects);

	if (rc)
		return rc;
	for (size_t i = 0, n = doc->ops->obj.n; i < n && rc == AM_OK; i++) {
		if (i + AHEAD_FAR < n)
			prefetch_object(doc->ops, objects[i + AHEAD_FAR].a);
		if (i + AHEAD_NEAR < n)
			prefetch_rows(doc->ops, objects[i + AHEAD_NEAR].a);
		rc = emit_object(doc, objects[i].a, fn, ctx);
	}
	am_mem_free(&doc->a, objects);
	return rc;
}

/* ---- changes out ---- */

uint32_t am_ops_first_from(const am_doc *doc, uint32_t actor, uint32_t from)
{
	const struct am_ops *ops = doc->ops;
	uint32_t best = 0, ctr, s, k;

	if (actor >= ops->actor.n || from == 0)
		return 0;
	if (am_ops_find(ops, (am_id){from, actor}, &k) != AM_NONE ||
	    am_ops_find_del(ops, (am_id){from, actor}, &k) != AM_NONE)
		return from;
	if (am_index_above(ops, ops->actor.p[actor].rows, from, &ctr, &s))
		best = ctr;
	if (am_index_above(ops, ops->actor.p[actor].dels, from, &ctr, &s) && (!best || ctr < best))
		best = ctr;
	return best;
}

/* Predecessors of id, found downwards from the highest one. */
static int collect_preds(am_doc *doc, am_change *out, am_id id, uint32_t s, uint32_t k, bool many, am_op *op)
{
	struct am_ops *ops = doc->ops;
	am_id *refs;
	size_t n = 0;

	ops->refs.n = 0;
	for (; s != AM_NONE; s = am_span_prev(&ops->span.p[s])) {
		if (am_span_has_succ(ops, &ops->span.p[s], id) || !many) {
			if (am_vec_reserve(&doc->a, &ops->refs, n + 1))
				return AM_E_NOMEM;
			ops->refs.p[n++] = am_id_plus(ops->span.p[s].id, k);
		}
		if (!many)
			break;
	}
	refs = am_arena_array(&out->arena, n, sizeof *refs);
	if (!refs)
		return AM_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		refs[i] = ops->refs.p[n - 1 - i];
	op->refs = refs;
	op->n_refs = (uint32_t)n;
	return AM_OK;
}

static int collect_row(am_doc *doc, am_change *out, uint32_t s, uint32_t k, uint32_t left, am_op *op)
{
	struct am_ops *ops = doc->ops;
	const struct am_span *x = &ops->span.p[s];

	span_to_op(ops, x, k, op);
	if (op->run > left) {
		uint32_t from = am_span_offset(ops, x, k), to = am_span_offset(ops, x, k + left);
		op->run = left;
		op->meta = (uint64_t)(to - from) << 4 | x->vtype;
	}
	if (x->pred == AM_NONE)
		return AM_OK;
	return collect_preds(doc, out, x->id, x->pred, 0, x->flags & AM_SPAN_PREDS, op);
}

static int collect_del(am_doc *doc, am_change *out, am_id id, uint32_t s, uint32_t k, uint32_t left, am_op *op)
{
	struct am_ops *ops = doc->ops;
	const struct am_span *x = &ops->span.p[s];
	uint32_t most = x->step < 0 ? k + 1 : x->n - k;

	span_to_op(ops, x, k, op);
	if (!op->key_is_str && op->insert)
		op->elem = am_id_plus(x->id, k);
	op->id = id;
	op->run = 1;
	op->insert = op->expand = false;
	op->action = AM_ACT_DEL;
	op->meta = 0;
	op->val = NULL;
	op->mark = NULL;
	op->mark_n = 0;
	if (x->n == 1 || most == 1 || left == 1)
		return collect_preds(doc, out, id, s, k, x->flags & AM_SPAN_DELS, op);
	op->run = most < left ? most : left;
	op->step = x->step;
	return AM_OK;
}

/* Target of delete id: most often the next element of the same run. */
static uint32_t walk_del(const struct am_ops *ops, struct am_walk *w, am_id id, uint32_t *ret_k)
{
	if (w->del != AM_NONE && ops->span.p[w->del].n > 1) {
		const struct am_span *x = &ops->span.p[w->del];
		uint32_t k = x->step > 0 ? id.ctr - x->succ.ctr : x->succ.ctr - id.ctr;
		if (k < x->n) {
			*ret_k = k;
			return w->del;
		}
	}
	return w->del = am_ops_find_del(ops, id, ret_k);
}

static uint32_t walk_row(const struct am_ops *ops, struct am_walk *w, am_id id, uint32_t *ret_k)
{
	if (w->row != AM_NONE && id.ctr - ops->span.p[w->row].id.ctr < ops->span.p[w->row].n) {
		*ret_k = id.ctr - ops->span.p[w->row].id.ctr;
		return w->row;
	}
	return w->row = am_ops_find(ops, id, ret_k);
}

/* The record that begins with operation `id`. */
static int collect_one(am_doc *doc, am_change *out, struct am_walk *w, am_id id, uint32_t left, am_op *op)
{
	struct am_ops *ops = doc->ops;
	uint32_t k, s = AM_NONE, ctr;

	if (id.ctr >= w->no_row)
		s = walk_row(ops, w, id, &k);
	if (s != AM_NONE)
		return collect_row(doc, out, s, k, left, op);
	if (id.ctr >= w->no_row && id.actor < ops->actor.n) {
		w->no_row = UINT32_MAX;
		if (am_index_above(ops, ops->actor.p[id.actor].rows, id.ctr, &ctr, &s))
			w->no_row = ctr;
	}
	s = walk_del(ops, w, id, &k);
	return s == AM_NONE ? AM_E_NOT_FOUND : collect_del(doc, out, id, s, k, w->plain ? 1 : left, op);
}

uint32_t am_ops_next_from(const am_doc *doc, struct am_walk *w, uint32_t actor, uint32_t from)
{
	uint32_t k;

	if (actor < doc->ops->actor.n && walk_row(doc->ops, w, (am_id){from, actor}, &k) != AM_NONE)
		return from;
	return am_ops_first_from(doc, actor, from);
}

int am_ops_collect_on(am_doc *doc, struct am_walk *w, uint32_t actor, uint32_t start_op, uint32_t n, am_change *out)
{
	AM_VEC(am_op) v = {.cap = n};
	bool few = n <= 32; /* more may be a few runs: grow as needed */
	int rc = AM_OK;

	if (few) {
		v.p = am_arena_array(&out->arena, n, sizeof *v.p);
		if (!v.p)
			return AM_E_NOMEM;
	} else {
		v.cap = 0;
	}
	for (uint32_t i = 0; i < n && rc == AM_OK; i += v.p[v.n++].run) {
		rc = few ? AM_OK : am_vec_reserve(&doc->a, &v, 1);
		if (rc == AM_OK)
			rc = collect_one(doc, out, w, (am_id){start_op + i, actor}, n - i, &v.p[v.n]);
		if (rc)
			break;
	}
	if (rc) {
		if (!few)
			am_vec_free(&doc->a, &v);
		return rc;
	}
	out->ops = v.p;
	out->n_ops = v.n;
	out->ops_mem = few ? NULL : v.p;
	return AM_OK;
}

int am_ops_collect(am_doc *doc, uint32_t actor, uint32_t start_op, uint32_t n, am_change *out)
{
	struct am_walk w = AM_WALK_START;

	w.plain = true;
	return am_ops_collect_on(doc, &w, actor, start_op, n, out);
}
