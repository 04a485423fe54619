/* Remote changes: every reference is checked before anything is touched. */
#include "automerge/sequence.h"
#include "automerge/span.h"

/* ---- checks ---- */

/* What a change refers to: an operation of the document or an earlier one of
 * the change itself. */
struct target {
	am_id obj, elem;   /* elem: the register of a sequence */
	const uint8_t *key; /* map key, NULL in sequences */
	uint32_t key_n;
	bool insert;
	uint8_t action;
};

/* Record of c holding id, before record `limit`. */
static const am_op *change_op(const am_change *c, size_t limit, am_id id)
{
	size_t lo = 0, hi = limit;

	if (id.actor != c->actor || id.ctr < c->start_op)
		return NULL;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const am_op *op = &c->ops[mid];
		if (id.ctr < op->id.ctr)
			hi = mid;
		else if (id.ctr - op->id.ctr >= op->run)
			lo = mid + 1;
		else
			return op;
	}
	return NULL;
}

static bool find_target(am_doc *doc, const am_change *c, size_t limit, am_id id, struct target *ret)
{
	const struct am_ops *ops = doc->ops;
	const am_op *op = change_op(c, limit, id);
	const struct am_span *x;
	uint32_t s, k;

	if (op) {
		*ret = (struct target){op->obj, op->insert ? id : op->elem, op->key_is_str ? op->key : NULL, op->key_n,
				       op->insert, op->action};
		return op->action != AM_ACT_DEL;
	}
	s = am_ops_find(ops, id, &k);
	if (s == AM_NONE)
		return false;
	x = &ops->span.p[s];
	*ret = (struct target){.obj = ops->obj.p[x->obj].id, .insert = x->flags & AM_SPAN_INSERT, .action = x->action};
	if (am_obj_is_map(&ops->obj.p[x->obj])) {
		ret->key = am_key_text(ops, x->key.ctr);
		ret->key_n = ops->key.p[x->key.ctr].n;
	} else {
		ret->elem = ret->insert ? id : x->key;
	}
	return true;
}

/* 0 when obj is no object operations can go to. */
static am_type object_kind(am_doc *doc, const am_change *c, size_t limit, am_id obj)
{
	const am_op *op = change_op(c, limit, obj);
	uint32_t slot;

	if (op) {
		if (op->action == AM_ACT_MAKE_MAP)
			return AM_MAP;
		if (op->action == AM_ACT_MAKE_LIST)
			return AM_LIST;
		return op->action == AM_ACT_MAKE_TEXT ? AM_TEXT : AM_NULL;
	}
	slot = am_ops_object(doc->ops, obj);
	return slot == AM_NONE ? AM_NULL : (am_type)doc->ops->obj.p[slot].type;
}

static bool key_is(const struct target *t, const am_op *op)
{
	if (!am_id_eq(t->obj, op->obj))
		return false;
	if (!op->key_is_str)
		return !t->key && am_id_eq(t->elem, op->elem);
	return t->key && t->key_n == op->key_n && (op->key_n == 0 || memcmp(t->key, op->key, op->key_n) == 0);
}

static bool preds_good(am_doc *doc, const am_change *c, size_t i)
{
	const am_op *op = &c->ops[i];
	struct target t;

	if (op->insert ? op->n_refs > 0 : op->action == AM_ACT_DEL && op->n_refs == 0)
		return false;
	for (uint32_t k = 0; k < op->n_refs; k++) {
		if (k && am_id_cmp(&doc->actors, op->refs[k - 1], op->refs[k]) >= 0)
			return false;
		if (!find_target(doc, c, i, op->refs[k], &t) || !key_is(&t, op) ||
		    am_id_cmp(&doc->actors, op->refs[k], op->id) >= 0)
			return false;
	}
	return true;
}

static bool elem_good(am_doc *doc, const am_change *c, size_t i)
{
	const am_op *op = &c->ops[i];
	struct target t;

	if (am_id_is_null(op->elem))
		return op->insert;
	return find_target(doc, c, i, op->elem, &t) && t.insert && am_id_eq(t.obj, op->obj) && !t.key &&
	       am_id_cmp(&doc->actors, op->elem, op->id) < 0;
}

static bool op_good(am_doc *doc, const am_change *c, size_t i)
{
	const am_op *op = &c->ops[i];
	am_type kind = object_kind(doc, c, i, op->obj);

	if (kind == AM_NULL || (op->obj.ctr && am_id_cmp(&doc->actors, op->obj, op->id) >= 0))
		return false;
	if (op->key_is_str != (kind == AM_MAP) || (op->key_is_str && op->insert))
		return false;
	if (op->action == AM_ACT_DEL && (op->insert || op->meta != 0))
		return false;
	if (op->action == AM_ACT_INC && am_op_type(op) != AM_VAL_INT && am_op_type(op) != AM_VAL_UINT)
		return false;
	return (op->key_is_str || elem_good(doc, c, i)) && preds_good(doc, c, i);
}

int am_ops_check(am_doc *doc, const am_change *c)
{
	const struct am_ops *ops = doc->ops;
	uint32_t ctr, s;

	if (c->actor < ops->actor.n && c->op_count) {
		const struct am_actor_ops *a = &ops->actor.p[c->actor];
		if (am_index_floor(ops, a->rows, UINT32_MAX, &ctr, &s) && ctr + ops->span.p[s].n - 1 >= c->start_op)
			return AM_E_BAD_REF;
		if (am_index_floor(ops, a->dels, UINT32_MAX, &ctr, &s) && ctr + ops->span.p[s].n - 1 >= c->start_op)
			return AM_E_BAD_REF;
	}
	for (size_t i = 0; i < c->n_ops; i++)
		if (!op_good(doc, c, i))
			return AM_E_BAD_REF;
	return AM_OK;
}

/* ---- one operation ---- */

static void extend_run(am_doc *doc, uint32_t s, const am_op *op)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	uint32_t n = (uint32_t)am_op_val_n(op);

	memcpy(ops->heap.p + ops->heap.n, op->val, n);
	ops->heap.n += n;
	x->n += op->run;
	x->val_n += n;
	x->w += am_span_width(doc, ops->obj.p[x->obj].type, op);
	ops->count += op->run;
	am_seq_update(ops, x->obj, s);
}

/* Rule 1.6: behind the reference, past every element with a greater id. Ids grow
 * along a run, so a run is passed or not as a whole. */
static uint32_t insert_place(am_doc *doc, const am_op *op, uint32_t obj)
{
	struct am_ops *ops = doc->ops;
	uint32_t after = AM_NONE, next, k;

	if (am_id_is_null(op->elem)) {
		next = am_seq_first(ops, obj);
	} else {
		after = am_ops_find(ops, op->elem, &k);
		if (k + 1 < ops->span.p[after].n &&
		    am_id_cmp(&doc->actors, am_id_plus(op->elem, 1), op->id) < 0) {
			am_span_split(doc, after, k + 1);
			return after;
		}
		next = am_seq_next(ops, after);
	}
	while (next != AM_NONE && am_id_cmp(&doc->actors, ops->span.p[next].id, op->id) > 0) {
		after = next;
		next = am_seq_next(ops, next);
	}
	return after;
}

uint32_t am_op_insert(am_doc *doc, const am_op *op, uint32_t obj, uint32_t after)
{
	struct am_ops *ops = doc->ops;
	uint32_t s;

	if (after != AM_NONE && am_span_extends(ops, &ops->span.p[after], op, obj)) {
		extend_run(doc, after, op);
		return after;
	}
	s = am_span_new(doc, op, obj, op->elem);
	am_index_add(ops, &ops->actor.p[op->id.actor].rows, op->id.ctr, s);
	am_seq_insert(ops, obj, after, s);
	return s;
}

static void add_preds(am_doc *doc, const am_op *op, uint32_t s)
{
	struct am_ops *ops = doc->ops;
	bool is_inc = op->action == AM_ACT_INC;
	int64_t by = is_inc ? am_span_int(ops, &ops->span.p[s]) : 0;
	uint32_t p = AM_NONE, k;

	for (uint32_t i = 0; i < op->n_refs; i++) {
		p = am_ops_find(ops, op->refs[i], &k);
		am_succ_add(doc, p, op->id, is_inc, by);
	}
	if (op->action == AM_ACT_DEL) {
		if (op->n_refs > 1)
			ops->span.p[p].flags |= AM_SPAN_DELS;
		am_index_add(ops, &ops->actor.p[op->id.actor].dels, op->id.ctr, p);
		ops->count++;
		return;
	}
	ops->span.p[s].pred = p;
	if (op->n_refs > 1)
		ops->span.p[s].flags |= AM_SPAN_PREDS;
}

static void apply_to_register(am_doc *doc, const am_op *op, uint32_t obj, uint32_t reg, am_id key)
{
	struct am_ops *ops = doc->ops;
	uint32_t s = AM_NONE;

	if (op->action != AM_ACT_DEL) {
		s = am_span_new(doc, op, obj, key);
		am_index_add(ops, &ops->actor.p[op->id.actor].rows, op->id.ctr, s);
		am_reg_link(doc, reg, s);
	}
	add_preds(doc, op, s);
}

static void apply_to_elem(am_doc *doc, const am_op *op, uint32_t obj)
{
	struct am_ops *ops = doc->ops;
	uint32_t k, s = am_ops_find(ops, op->elem, &k);
	const struct am_span *x = &ops->span.p[s];

	if (op->action == AM_ACT_DEL && x->reg == AM_NONE && !(x->flags & AM_SPAN_HIDDEN)) {
		am_seq_delete(doc, s, k, 1, op->id);
		return;
	}
	s = am_span_single(doc, s, k);
	if (op->action == AM_ACT_DEL && ops->span.p[s].reg == AM_NONE) {
		add_preds(doc, op, AM_NONE);
		return;
	}
	apply_to_register(doc, op, obj, am_reg_of_elem(ops, s), op->elem);
}

int am_op_reserve(am_doc *doc, am_op *op)
{
	struct am_ops *ops = doc->ops;
	uintptr_t from = (uintptr_t)ops->heap.p;
	int rc = am_ops_reserve(doc, op->n_refs, am_op_val_n(op));

	op->val = am_moved(op->val, from, ops->heap.n, ops->heap.p);
	return rc;
}

static int intern_mark(am_doc *doc, const am_op *op)
{
	uint32_t mark;

	return op->mark ? am_key_intern(doc, op->mark, op->mark_n, &mark) : AM_OK;
}

static void max_reached(struct am_ops *ops, const am_op *op)
{
	if (op->id.ctr + op->run - 1 > ops->max)
		ops->max = op->id.ctr + op->run - 1;
}

int am_op_apply_key(am_doc *doc, const am_op *op, uint32_t obj, uint32_t key, uint32_t reg)
{
	struct am_ops *ops = doc->ops;
	uintptr_t names = (uintptr_t)ops->names.p;
	size_t names_n = ops->names.n;
	am_op own = *op;
	int rc = AM_OK;

	/* Key and value may have been read from this document. */
	if (key == AM_NONE)
		rc = am_key_intern(doc, op->key, op->key_n, &key);
	own.val = am_moved(own.val, names, names_n, ops->names.p);
	if (rc == AM_OK)
		rc = am_op_reserve(doc, &own);
	if (rc == AM_OK)
		rc = intern_mark(doc, op);
	if (rc)
		return rc;
	if (reg == AM_NONE)
		reg = am_reg_add(ops, obj, key);
	apply_to_register(doc, &own, obj, reg, (am_id){key, 0});
	max_reached(ops, op);
	return AM_OK;
}

static int apply_piece(am_doc *doc, am_op *op)
{
	struct am_ops *ops = doc->ops;
	uint32_t obj, key;
	int rc;

	if (op->key_is_str) {
		obj = am_ops_object(ops, op->obj);
		key = am_key_find(ops, op->key, op->key_n);
		return am_op_apply_key(doc, op, obj, key, am_reg_find(ops, obj, key));
	}
	rc = am_op_reserve(doc, op);
	if (rc == AM_OK)
		rc = intern_mark(doc, op);
	if (rc)
		return rc;
	obj = am_ops_object(ops, op->obj);
	if (op->insert)
		am_op_insert(doc, op, obj, insert_place(doc, op, obj));
	else
		apply_to_elem(doc, op, obj);
	max_reached(ops, op);
	return AM_OK;
}

int am_op_apply(am_doc *doc, const am_op *op)
{
	am_op part = *op;
	size_t at = 0, n = am_op_val_n(op);

	if (op->run <= AM_RUN_MAX || op->run == n)
		return apply_piece(doc, &part);
	for (uint32_t done = 0; done < op->run; done += part.run) {
		size_t from = at;
		int rc;
		part.run = op->run - done < AM_RUN_MAX ? op->run - done : AM_RUN_MAX;
		for (uint32_t k = 0; k < part.run; k++) {
			uint8_t b = op->val[at];
			at += b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
		}
		part.id = am_id_plus(op->id, done);
		part.elem = done ? am_id_plus(op->id, done - 1) : op->elem;
		part.val = op->val + from;
		part.meta = (uint64_t)(at - from) << 4 | AM_VAL_STR;
		rc = apply_piece(doc, &part);
		if (rc)
			return rc; /* the caller takes back what was done */
	}
	return AM_OK;
}

/* ---- changes ---- */

static int batch_note(am_doc *doc, const am_change *c, uint32_t max)
{
	struct am_ops *ops = doc->ops;

	if (!ops->batch || !c->op_count)
		return AM_OK;
	if (am_ops_reserve(doc, 0, 0) || am_vec_reserve(&doc->a, &ops->undo, 1))
		return AM_E_NOMEM;
	if (ops->actor.p[c->actor].batch != ops->batch) {
		ops->actor.p[c->actor].batch = ops->batch;
		ops->actor.p[c->actor].floor = c->start_op;
	}
	ops->undo.p[ops->undo.n++] = (struct am_undo){c->actor, c->start_op, c->op_count, max};
	return AM_OK;
}

int am_ops_apply(am_doc *doc, const am_change *c)
{
	struct am_ops *ops = doc->ops;
	uint32_t max = ops->max;
	size_t noted = ops->undo.n;
	int rc = batch_note(doc, c, max);

	for (size_t i = 0; i < c->n_ops && rc == AM_OK; i++)
		rc = am_op_apply(doc, &c->ops[i]);
	if (rc) {
		am_ops_undo(doc, c->actor, c->start_op, max);
		ops->undo.n = noted;
	}
#ifdef AM_CHECKS
	am_ops_verify(doc);
#endif
	return rc;
}
