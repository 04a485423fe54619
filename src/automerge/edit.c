/* One local edit, and what is written to a map key or an element (automerge format 9.2). */
#include "automerge/edit.h"

#include "automerge/sequence.h"
#include "automerge/text.h"
#include "automerge/transaction.h"

/* ---- one edit ---- */

int am_edit_begin(am_doc *doc, am_objid obj, unsigned kinds, struct am_edit *ret)
{
	struct am_edit e = {.doc = doc, .ops = doc->ops};
	uint8_t type;
	int rc;

	if (!doc->tx) {
		rc = am_begin(doc);
		if (rc)
			return rc;
		e.opened = true;
	}
	e.clock = am_scope(doc, NULL);
	e.from = doc->ops->max + 1;
	rc = am_obj_get(doc, e.clock, obj, &e.obj);
	if (rc == AM_OK) {
		type = doc->ops->obj.p[e.obj].type;
		if (!(kinds & (type == AM_MAP ? AM_EDIT_MAP : type == AM_LIST ? AM_EDIT_LIST : AM_EDIT_TEXT)))
			rc = AM_E_TYPE;
	}
	if (rc)
		return am_edit_end(&e, rc);
	*ret = e;
	return AM_OK;
}

int am_edit_end(struct am_edit *e, int rc)
{
	am_doc *doc = e->doc;

	if (rc) {
		am_ops_undo(doc, doc->tx->actor, e->from, e->from - 1);
		if (e->opened)
			am_tx_free(doc);
	}
#ifdef AM_CHECKS
	am_ops_verify(doc);
#endif
	return rc;
}

am_id am_edit_next_id(const struct am_edit *e)
{
	return (am_id){e->ops->max + 1, e->doc->tx->actor};
}

/* Also no more operations than would load again. */
int am_edit_ids_left(const struct am_edit *e, size_t n)
{
	size_t most = e->doc->opts.max_ops, count = e->ops->count;

	return n > AM_MAX_COUNTER - e->ops->max || count >= most || n > most - count ? AM_E_LIMIT : AM_OK;
}

static int op_number(struct am_edit *e, am_op *op)
{
	op->id = am_edit_next_id(e);
	op->obj = e->ops->obj.p[e->obj].id;
	op->run = 1;
	return am_edit_ids_left(e, 1);
}

int am_edit_emit(struct am_edit *e, am_op *op)
{
	int rc = op_number(e, op);

	return rc ? rc : am_op_apply(e->doc, op);
}

/* ---- values ---- */

void am_edit_set_value(am_op *op, const struct am_scalar *s)
{
	op->meta = s->meta;
	op->val = s->p;
}

int am_make_action(am_type type, uint8_t *ret)
{
	switch (type) {
	case AM_MAP:
		*ret = AM_ACT_MAKE_MAP;
		return AM_OK;
	case AM_LIST:
		*ret = AM_ACT_MAKE_LIST;
		return AM_OK;
	case AM_TEXT:
		*ret = AM_ACT_MAKE_TEXT;
		return AM_OK;
	case AM_TABLE:
		return AM_E_UNSUPPORTED;
	default:
		return AM_E_TYPE;
	}
}

/* Same type and value as the operation s holds (its element k). */
static bool value_equals(const struct am_ops *ops, uint32_t s, uint32_t k, const struct am_scalar *v)
{
	const struct am_span *x = &ops->span.p[s];
	const uint8_t *p = am_span_val(ops, x);
	size_t n = x->val_n;
	double a, b;

	if (x->action != AM_ACT_SET || x->vtype != (v->meta & 15))
		return false;
	if (x->n > 1) {
		p += am_span_offset(ops, x, k);
		n = am_text_scalar(p[0]);
	}
	if (n != v->meta >> 4)
		return false;
	if (x->vtype == AM_VAL_F64 && n == 8) {
		memcpy(&a, p, 8); /* little-endian hosts only differ in NaN, which equals nothing */
		memcpy(&b, v->p, 8);
		return a == b;
	}
	return n == 0 || memcmp(p, v->p, n) == 0;
}

/* ---- what is written to ---- */

/* Ids of everything visible, ascending, into the scratch list. */
static int target_refs(struct am_edit *e, struct am_target *t, bool with_winner)
{
	struct am_ops *ops = e->ops;
	size_t n = 0;

	ops->refs.n = 0;
	if (am_vec_reserve(&e->doc->a, &ops->refs, 1))
		return AM_E_NOMEM;
	if (t->reg == AM_NONE) {
		if (t->s != AM_NONE && with_winner)
			ops->refs.p[n++] = am_id_plus(ops->span.p[t->s].id, t->k);
	} else {
		uint32_t left = e->clock ? UINT32_MAX : ops->reg.p[t->reg].vis;
		for (uint32_t s = t->s; s != AM_NONE && left; left--) {
			if (am_vec_reserve(&e->doc->a, &ops->refs, n + 1))
				return AM_E_NOMEM;
			if (with_winner || s != t->s)
				ops->refs.p[n++] = ops->span.p[s].id;
			if (left > 1)
				s = am_reg_below(e->doc, e->clock, t->reg, s);
		}
	}
	for (size_t i = 0; i < n / 2; i++) {
		am_id swap = ops->refs.p[i];
		ops->refs.p[i] = ops->refs.p[n - 1 - i];
		ops->refs.p[n - 1 - i] = swap;
	}
	t->op.refs = ops->refs.p;
	t->op.n_refs = (uint32_t)n;
	return AM_OK;
}

static int target_emit(struct am_edit *e, struct am_target *t)
{
	int rc = op_number(e, &t->op);

	if (rc)
		return rc;
	return t->op.key_is_str ? am_op_apply_key(e->doc, &t->op, e->obj, t->key, t->reg) : am_op_apply(e->doc, &t->op);
}

static int target_of_key(struct am_edit *e, const char *key, size_t n, struct am_target *ret)
{
	const uint8_t *p = (const uint8_t *)key;
	bool conflict;
	int rc = am_text_check(key, n);

	if (rc)
		return rc;
	*ret = (struct am_target){.s = AM_NONE};
	ret->op.key_is_str = true;
	ret->op.key = p;
	ret->op.key_n = (uint32_t)n;
	ret->key = am_key_find(e->ops, p, n);
	ret->reg = am_reg_find(e->ops, e->obj, ret->key);
	if (ret->reg != AM_NONE)
		ret->s = am_reg_winner(e->doc, e->clock, ret->reg, &conflict);
	return AM_OK;
}

void am_target_of_elem(struct am_edit *e, const struct am_elem *at, struct am_target *ret)
{
	const struct am_span *x = &e->ops->span.p[at->piece.s];

	*ret = (struct am_target){.reg = x->reg, .s = at->piece.win, .k = at->k};
	ret->op.elem = am_id_plus(x->id, at->k);
}

int am_target_of_index(struct am_edit *e, size_t index, struct am_target *ret)
{
	struct am_elem at;
	int rc = am_elem_find(e->doc, e->clock, e->obj, index, &at);

	if (rc == AM_OK)
		am_target_of_elem(e, &at, ret);
	return rc;
}

/* A counter is what its increments made of it. */
static bool counter_equals(const struct am_edit *e, uint32_t s, int64_t v)
{
	return am_span_is_counter(&e->ops->span.p[s]) && am_counter_at(e->doc, e->clock, s) == v;
}

int am_target_put(struct am_edit *e, struct am_target *t, const am_value *v)
{
	struct am_scalar s;
	int rc = am_scalar_encode(v, &s);

	if (rc)
		return rc;
	bool same = t->s != AM_NONE && (v->type == AM_COUNTER ? counter_equals(e, t->s, v->i)
							      : value_equals(e->ops, t->s, t->k, &s));
	if (same) {
		/* Already there: only the losers of a conflict go. */
		rc = target_refs(e, t, false);
		if (rc || t->op.n_refs == 0)
			return rc;
		t->op.action = AM_ACT_DEL;
		return target_emit(e, t);
	}
	rc = target_refs(e, t, true);
	if (rc)
		return rc;
	t->op.action = AM_ACT_SET;
	am_edit_set_value(&t->op, &s);
	return target_emit(e, t);
}

int am_target_put_object(struct am_edit *e, struct am_target *t, am_type type, am_objid *ret)
{
	int rc = am_make_action(type, &t->op.action);

	if (rc == AM_OK)
		rc = target_refs(e, t, true);
	if (rc == AM_OK)
		rc = target_emit(e, t);
	if (rc == AM_OK)
		*ret = t->op.id;
	return rc;
}

int am_target_delete(struct am_edit *e, struct am_target *t)
{
	int rc = target_refs(e, t, true);

	if (rc || t->op.n_refs == 0)
		return rc;
	t->op.action = AM_ACT_DEL;
	return target_emit(e, t);
}

int am_target_increment(struct am_edit *e, struct am_target *t, int64_t by)
{
	const am_value v = {.type = AM_INT, .i = by};
	struct am_scalar s;
	bool counter = false;
	uint32_t k, x;
	int rc = target_refs(e, t, true);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < t->op.n_refs && !counter; i++) {
		x = am_ops_find(e->ops, t->op.refs[i], &k);
		counter = am_span_is_counter(&e->ops->span.p[x]);
	}
	if (!counter)
		return AM_E_NO_COUNTER;
	rc = am_scalar_encode(&v, &s);
	if (rc)
		return rc;
	t->op.action = AM_ACT_INC;
	am_edit_set_value(&t->op, &s);
	return target_emit(e, t);
}

/* ---- maps ---- */

/* Begins an edit of what a key holds; an error has ended it. */
static int begin_at_key(am_doc *doc, am_objid obj, const char *key, size_t n, struct am_edit *ret,
			struct am_target *ret_t)
{
	int rc = am_edit_begin(doc, obj, AM_EDIT_MAP, ret);

	if (rc)
		return rc;
	rc = target_of_key(ret, key, n, ret_t);
	return rc ? am_edit_end(ret, rc) : AM_OK;
}

int am_map_put(am_doc *doc, am_objid obj, const char *key, size_t key_n, const am_value *v)
{
	struct am_edit e;
	struct am_target t;
	int rc = begin_at_key(doc, obj, key, key_n, &e, &t);

	return rc ? rc : am_edit_end(&e, am_target_put(&e, &t, v));
}

int am_map_put_object(am_doc *doc, am_objid obj, const char *key, size_t key_n, am_type type, am_objid *ret)
{
	struct am_edit e;
	struct am_target t;
	int rc = begin_at_key(doc, obj, key, key_n, &e, &t);

	return rc ? rc : am_edit_end(&e, am_target_put_object(&e, &t, type, ret));
}

int am_map_delete(am_doc *doc, am_objid obj, const char *key, size_t key_n)
{
	struct am_edit e;
	struct am_target t;
	int rc = begin_at_key(doc, obj, key, key_n, &e, &t);

	return rc ? rc : am_edit_end(&e, am_target_delete(&e, &t));
}

int am_map_increment(am_doc *doc, am_objid obj, const char *key, size_t key_n, int64_t by)
{
	struct am_edit e;
	struct am_target t;
	int rc = begin_at_key(doc, obj, key, key_n, &e, &t);

	return rc ? rc : am_edit_end(&e, am_target_increment(&e, &t, by));
}
