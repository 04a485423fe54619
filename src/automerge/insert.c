/* Where a local insertion goes (automerge format 9.4). */
#include "automerge/edit.h"
#include "automerge/sequence.h"

/* Insertions at the edge of a mark: behind a begin that expands to the left or an
 * end that does not expand to the right, before the next visible element. `next`
 * is the span behind the first candidate. */
static int spot_past_marks(struct am_edit *e, uint32_t next, struct am_spot *at)
{
	struct am_ops *ops = e->ops;
	struct am_piece p;
	size_t n = 0;

	ops->order.n = 0;
	for (uint32_t s = next; s != AM_NONE; s = am_seq_next(ops, s)) {
		const struct am_span *x = &ops->span.p[s];
		bool seen = am_piece_at(e->doc, e->clock, s, &p);
		if (x->action != AM_ACT_MARK) {
			if (seen)
				break;
			continue;
		}
		if (e->clock && !am_clock_covers(e->clock, x->id))
			continue;
		if (x->mark == AM_NONE) { /* an end: was its begin a candidate? */
			size_t i = 0;
			while (i < n && !am_id_eq(am_id_plus(ops->span.p[ops->order.p[i]].id, 1), x->id))
				i++;
			if (i < n) {
				n = i;
				continue;
			}
		}
		if ((x->mark != AM_NONE) != !!(x->flags & AM_SPAN_EXPAND))
			continue;
		if (am_vec_reserve(&e->doc->a, &ops->order, n + 1))
			return AM_E_NOMEM;
		ops->order.p[n++] = s;
	}
	if (n) {
		at->s = ops->order.p[n - 1];
		at->k = 0;
	}
	return AM_OK;
}

int am_spot_find(struct am_edit *e, size_t pos, struct am_spot *ret)
{
	struct am_ops *ops = e->ops;
	struct am_elem at;
	uint32_t next;
	int rc;

	if (pos == 0) {
		*ret = (struct am_spot){AM_NONE, 0, 0};
		if (!ops->obj.p[e->obj].s.marks)
			return AM_OK;
		return spot_past_marks(e, am_seq_first(ops, e->obj), ret);
	}
	rc = am_elem_find(e->doc, e->clock, e->obj, pos - 1, &at);
	if (rc)
		return rc;
	*ret = (struct am_spot){at.piece.s, at.k, at.start + at.w};
	if (!ops->obj.p[e->obj].s.marks || at.k + 1 < at.piece.k + at.piece.n)
		return AM_OK;
	next = am_seq_next(ops, at.piece.s);
	if (at.k + 1 < ops->span.p[at.piece.s].n && !e->clock)
		return AM_OK;
	return spot_past_marks(e, next, ret);
}

/* A local operation's id is the greatest, so rule 1.6 stops at once. */
int am_spot_insert(struct am_edit *e, struct am_spot *at, am_op *op)
{
	struct am_ops *ops = e->ops;
	uint32_t after = at->s;
	int rc = am_edit_ids_left(e, op->run);

	if (rc == AM_OK)
		rc = am_op_reserve(e->doc, op);
	if (rc)
		return rc;
	op->id = am_edit_next_id(e);
	op->insert = true;
	op->obj = ops->obj.p[e->obj].id;
	op->elem = (am_id){0, 0};
	if (after != AM_NONE) {
		op->elem = am_id_plus(ops->span.p[after].id, at->k);
		if (at->k + 1 < ops->span.p[after].n)
			am_span_split(e->doc, after, at->k + 1);
	}
	at->s = am_op_insert(e->doc, op, e->obj, after);
	at->k = ops->span.p[at->s].n - 1;
	ops->max += op->run;
	return AM_OK;
}

int am_spot_insert_value(struct am_edit *e, struct am_spot *at, const am_value *v)
{
	am_op op = {.run = 1, .action = AM_ACT_SET};
	struct am_scalar s;
	int rc = am_scalar_encode(v, &s);

	if (rc)
		return rc;
	am_edit_set_value(&op, &s);
	return am_spot_insert(e, at, &op);
}

int am_edit_insert_object(struct am_edit *e, size_t pos, am_type type, am_objid *ret)
{
	am_op op = {.run = 1};
	struct am_spot at;
	int rc = am_make_action(type, &op.action);

	if (rc == AM_OK)
		rc = am_spot_find(e, pos, &at);
	if (rc == AM_OK)
		rc = am_spot_insert(e, &at, &op);
	if (rc == AM_OK)
		*ret = op.id;
	return rc;
}
