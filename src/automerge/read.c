#include "automerge/sequence.h"
#include "automerge/text.h"
#include "automerge/view.h"

/* Slot of an object of one of two types (text counts as a list). */
static int slot_of(am_doc *doc, const am_clock *clock, am_objid obj, bool map, uint32_t *ret)
{
	int rc = am_obj_get(doc, clock, obj, ret);

	if (rc == AM_OK && am_obj_is_map(&doc->ops->obj.p[*ret]) != map)
		rc = AM_E_TYPE;
	return rc;
}

int am_object_type(const am_doc *doc, am_objid obj, am_type *ret)
{
	uint32_t slot = am_ops_object(doc->ops, obj), k, s;

	if (slot != AM_NONE) {
		*ret = (am_type)doc->ops->obj.p[slot].type;
		return AM_OK;
	}
	s = am_ops_find(doc->ops, obj, &k);
	if (s == AM_NONE || doc->ops->span.p[s].action != AM_ACT_MAKE_TABLE)
		return AM_E_NOT_FOUND;
	*ret = AM_TABLE;
	return AM_OK;
}

/* What holds the object in a slot that is not the root's; *ret_up = the slot of that. */
static void place_of(am_doc *doc, const am_clock *clock, uint32_t slot, am_place *ret, uint32_t *ret_up)
{
	struct am_ops *ops = doc->ops;
	uint32_t s = ops->obj.p[slot].span, head;
	const struct am_span *x = &ops->span.p[s];
	bool conflict;

	*ret_up = x->obj;
	*ret = (am_place){.obj = ops->obj.p[x->obj].id, .type = (am_type)ops->obj.p[x->obj].type};
	ret->visible = x->reg == AM_NONE ? am_op_visible(doc, clock, s)
					 : am_reg_winner(doc, clock, x->reg, &conflict) == s;
	if (ret->type == AM_MAP) {
		ret->key = (const char *)am_key_text(ops, x->key.ctr);
		ret->key_n = ops->key.p[x->key.ctr].n;
	} else {
		head = x->reg == AM_NONE ? s : ops->reg.p[x->reg].head;
		ret->index = am_elem_position(doc, clock, head, 0);
	}
}

int am_parent(am_doc *doc, const am_view *view, am_objid obj, am_place *ret)
{
	const am_clock *clock = am_scope(doc, view);
	uint32_t slot, up;
	int rc = am_obj_get(doc, clock, obj, &slot);

	if (rc == AM_OK && slot == 0)
		rc = AM_E_NOT_FOUND;
	if (rc == AM_OK)
		place_of(doc, clock, slot, ret, &up);
	return rc;
}

int am_path(am_doc *doc, const am_view *view, am_objid obj, am_place_fn fn, void *ctx)
{
	const am_clock *clock = am_scope(doc, view);
	am_place p;
	uint32_t slot;
	int rc = am_obj_get(doc, clock, obj, &slot);

	while (rc == 0 && slot) {
		place_of(doc, clock, slot, &p, &slot);
		rc = fn(ctx, &p);
	}
	return rc;
}

int am_map_get(am_doc *doc, const am_view *view, am_objid obj, const char *key, size_t key_n, am_value *ret)
{
	const am_clock *clock = am_scope(doc, view);
	uint32_t slot, reg, win;
	bool conflict;
	int rc = slot_of(doc, clock, obj, true, &slot);

	if (rc)
		return rc;
	reg = am_reg_find(doc->ops, slot, am_key_find(doc->ops, (const uint8_t *)key, key_n));
	if (reg == AM_NONE)
		return AM_E_NOT_FOUND;
	win = am_reg_winner(doc, clock, reg, &conflict);
	if (win == AM_NONE)
		return AM_E_NOT_FOUND;
	am_value_at(doc, clock, win, 0, ret);
	ret->conflict = conflict;
	return AM_OK;
}

/* Value of the element at offset k of a piece. */
static void piece_value(const am_doc *doc, const am_clock *clock, const struct am_piece *p, uint32_t k, am_value *ret)
{
	am_value_at(doc, clock, p->win, p->win == p->s ? k : 0, ret);
	ret->conflict = p->conflict;
}

int am_list_get(am_doc *doc, const am_view *view, am_objid obj, size_t index, am_value *ret)
{
	const am_clock *clock = am_scope(doc, view);
	struct am_elem e;
	uint32_t slot;
	int rc = slot_of(doc, clock, obj, false, &slot);

	if (rc == AM_OK)
		rc = am_elem_find(doc, clock, slot, index, &e);
	if (rc == AM_OK)
		piece_value(doc, clock, &e.piece, e.k, ret);
	return rc;
}

size_t am_length(am_doc *doc, const am_view *view, am_objid obj)
{
	const am_clock *clock = am_scope(doc, view);
	const struct am_obj *o;
	uint32_t slot;
	size_t n = 0;
	bool conflict;

	if (am_obj_get(doc, clock, obj, &slot))
		return 0;
	o = &doc->ops->obj.p[slot];
	if (!am_obj_is_map(o))
		return am_seq_length(doc, clock, slot);
	if (!clock)
		return o->m.visible;
	for (uint32_t r = o->m.first; r != AM_NONE; r = doc->ops->reg.p[r].next)
		n += am_reg_winner(doc, clock, r, &conflict) != AM_NONE;
	return n;
}

int am_map_each(am_doc *doc, const am_view *view, am_objid obj, am_map_fn fn, void *ctx)
{
	return am_map_range(doc, view, obj, NULL, 0, NULL, 0, fn, ctx);
}

int am_list_each(am_doc *doc, const am_view *view, am_objid obj, size_t start, size_t end, am_list_fn fn, void *ctx)
{
	const am_clock *clock = am_scope(doc, view);
	struct am_elem e;
	am_value v;
	uint32_t slot, s, k;
	size_t pos;
	int rc = slot_of(doc, clock, obj, false, &slot);

	if (rc || start >= end)
		return rc;
	if (am_elem_find(doc, clock, slot, start, &e))
		return AM_OK;
	s = e.piece.s;
	k = e.k;
	for (pos = e.start; pos < end && rc == 0;) {
		for (; k < e.piece.k + e.piece.n && pos < end && rc == 0; k++) {
			uint32_t w = e.piece.n == 1 ? e.piece.w : am_run_width(doc, &doc->ops->span.p[s], k, 1);
			piece_value(doc, clock, &e.piece, k, &v);
			if (doc->ops->span.p[e.piece.win].action != AM_ACT_MARK)
				rc = fn(ctx, pos, &v);
			pos += w;
		}
		do {
			s = am_seq_next(doc->ops, s);
			if (s == AM_NONE)
				return rc;
		} while (!am_piece_at(doc, clock, s, &e.piece));
		k = e.piece.k;
	}
	return rc;
}

static int each_visible(am_doc *doc, const am_clock *clock, uint32_t reg, am_value_fn fn, void *ctx)
{
	am_value v;
	bool conflict;
	int rc = 0;

	if (reg == AM_NONE || am_reg_winner(doc, clock, reg, &conflict) == AM_NONE)
		return AM_E_NOT_FOUND;
	for (uint32_t s = doc->ops->reg.p[reg].head; s != AM_NONE && rc == 0; s = doc->ops->span.p[s].next) {
		if (!am_op_visible(doc, clock, s))
			continue;
		am_value_at(doc, clock, s, 0, &v);
		v.conflict = conflict;
		rc = fn(ctx, &v);
	}
	return rc;
}

int am_map_get_all(am_doc *doc, const am_view *view, am_objid obj, const char *key, size_t key_n, am_value_fn fn,
		   void *ctx)
{
	const am_clock *clock = am_scope(doc, view);
	uint32_t slot;
	int rc = slot_of(doc, clock, obj, true, &slot);

	if (rc)
		return rc;
	return each_visible(doc, clock,
			    am_reg_find(doc->ops, slot, am_key_find(doc->ops, (const uint8_t *)key, key_n)), fn, ctx);
}

int am_list_get_all(am_doc *doc, const am_view *view, am_objid obj, size_t index, am_value_fn fn, void *ctx)
{
	const am_clock *clock = am_scope(doc, view);
	struct am_elem e;
	am_value v;
	uint32_t slot;
	int rc = slot_of(doc, clock, obj, false, &slot);

	if (rc == AM_OK)
		rc = am_elem_find(doc, clock, slot, index, &e);
	if (rc)
		return rc;
	if (doc->ops->span.p[e.piece.s].reg != AM_NONE)
		return each_visible(doc, clock, doc->ops->span.p[e.piece.s].reg, fn, ctx);
	piece_value(doc, clock, &e.piece, e.k, &v);
	return fn(ctx, &v);
}

void am_piece_text(const am_doc *doc, const struct am_piece *p, const uint8_t **ret_p, size_t *ret_n)
{
	const struct am_ops *ops = doc->ops;
	const struct am_span *x = &ops->span.p[p->win];

	*ret_p = (const uint8_t *)"\xef\xbf\xbc"; /* U+FFFC for what is no text */
	*ret_n = 3;
	if (x->action == AM_ACT_MARK) {
		*ret_n = 0;
	} else if (x->action == AM_ACT_SET && x->vtype == AM_VAL_STR) {
		uint32_t from = x->n > 1 ? am_span_offset(ops, x, p->k) : 0;
		*ret_p = am_span_val(ops, x) + from;
		*ret_n = (x->n > 1 ? am_span_offset(ops, x, p->k + p->n) : x->val_n) - from;
	}
}

void am_text_put(am_doc *doc, const am_clock *clock, uint32_t obj, struct am_out *o)
{
	struct am_piece p;

	for (uint32_t s = am_seq_first(doc->ops, obj); s != AM_NONE; s = am_seq_next(doc->ops, s)) {
		const uint8_t *t;
		size_t n;
		if (!am_piece_at(doc, clock, s, &p))
			continue;
		am_piece_text(doc, &p, &t, &n);
		am_out_put(o, t, n);
	}
}

int am_text(am_doc *doc, const am_view *view, am_objid obj, am_buf *out)
{
	const am_clock *clock = am_scope(doc, view);
	struct am_out o = {.a = &doc->a};
	uint32_t slot;
	int rc = slot_of(doc, clock, obj, false, &slot);

	if (rc == AM_OK && doc->ops->obj.p[slot].type != AM_TEXT)
		rc = AM_E_TYPE;
	if (rc)
		return rc;
	am_text_put(doc, clock, slot, &o);
	rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}
