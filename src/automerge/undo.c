/* Taking operations back: always the last ones of an actor. */
#include "automerge/sequence.h"
#include "automerge/span.h"

static void undo_value(struct am_ops *ops, struct am_span *x, uint32_t keep)
{
	if ((size_t)x->val + x->val_n == ops->heap.n)
		ops->heap.n -= x->val_n - keep;
	x->val_n = keep;
}

static void undo_preds(am_doc *doc, const struct am_span *x)
{
	struct am_ops *ops = doc->ops;
	bool is_inc = x->action == AM_ACT_INC;
	int64_t by = is_inc ? am_span_int(ops, x) : 0;

	for (uint32_t p = x->pred; p != AM_NONE; p = am_span_prev(&ops->span.p[p])) {
		if (am_span_has_succ(ops, &ops->span.p[p], x->id))
			am_succ_drop(doc, p, x->id, is_inc, by);
		if (!(x->flags & AM_SPAN_PREDS))
			break;
	}
}

static void undo_row(am_doc *doc, uint32_t s, uint32_t from)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	struct am_obj *o = &ops->obj.p[x->obj];

	if (x->id.ctr < from) {
		uint32_t k = from - x->id.ctr, off = am_span_offset(ops, x, k);
		x->w = am_run_width(doc, x, 0, k);
		ops->count -= x->n - k;
		undo_value(ops, x, off);
		x->n = k;
		am_seq_update(ops, x->obj, s);
		return;
	}
	ops->count -= x->n;
	if (x->flags & AM_SPAN_INSERT) {
		am_seq_remove(ops, x->obj, s);
		o->s.marks -= x->action == AM_ACT_MARK;
		if (x->reg != AM_NONE)
			am_reg_free(ops, x->reg);
	} else {
		am_reg_unlink(ops, s);
		undo_preds(doc, x);
	}
	if (am_action_is_make(x->action) && x->aux != AM_NONE)
		am_object_drop(ops, x->aux);
	undo_value(ops, x, 0);
	am_index_del(ops, &ops->actor.p[x->id.actor].rows, x->id.ctr);
	am_span_free(ops, s);
}

static void undo_del_run(am_doc *doc, uint32_t s, uint32_t low, uint32_t from)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	uint32_t actor = x->succ.actor;

	if (low < from) { /* the run began before: keep that part */
		if (x->step > 0) {
			s = am_span_split(doc, s, from - low);
			low = from;
		} else {
			am_span_split(doc, s, x->n - (from - low));
			low = from;
		}
		x = &ops->span.p[s];
	}
	ops->count -= x->n;
	am_index_del(ops, &ops->actor.p[actor].dels, low);
	x->succ = (am_id){0, 0};
	x->step = 0;
	am_span_show(doc, s);
}

static void undo_del(am_doc *doc, uint32_t s, uint32_t low, uint32_t actor, uint32_t from)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	am_id id = {low, actor};
	bool all = x->flags & AM_SPAN_DELS;

	if (x->n > 1) {
		undo_del_run(doc, s, low, from);
		return;
	}
	ops->count--;
	am_index_del(ops, &ops->actor.p[actor].dels, low);
	for (; s != AM_NONE; s = am_span_prev(&ops->span.p[s])) {
		if (am_span_has_succ(ops, &ops->span.p[s], id))
			am_succ_drop(doc, s, id, false, 0);
		if (!all)
			break;
	}
}

void am_ops_undo(am_doc *doc, uint32_t actor, uint32_t from, uint32_t max)
{
	struct am_ops *ops = doc->ops;

	while (actor < ops->actor.n) {
		const struct am_actor_ops *a = &ops->actor.p[actor];
		uint32_t row_ctr = 0, row = AM_NONE, row_end = 0, del_ctr = 0, del = AM_NONE, del_end = 0;
		if (am_index_floor(ops, a->rows, UINT32_MAX, &row_ctr, &row))
			row_end = row_ctr + ops->span.p[row].n - 1;
		if (am_index_floor(ops, a->dels, UINT32_MAX, &del_ctr, &del))
			del_end = del_ctr + (ops->span.p[del].n > 1 ? ops->span.p[del].n - 1 : 0);
		if (row_end < from && del_end < from)
			break;
		if (row_end > del_end)
			undo_row(doc, row, from);
		else
			undo_del(doc, del, del_ctr, actor, from);
	}
	ops->max = max;
}

int am_ops_undo_begin(am_doc *doc)
{
	struct am_ops *ops = doc->ops;

	ops->batch = ++ops->batches;
	ops->undo.n = 0;
	return AM_OK;
}

void am_ops_undo_end(am_doc *doc, bool keep)
{
	struct am_ops *ops = doc->ops;

	for (size_t i = ops->undo.n; !keep && i-- > 0;)
		am_ops_undo(doc, ops->undo.p[i].actor, ops->undo.p[i].start, ops->undo.p[i].max);
	ops->undo.n = 0;
	ops->batch = 0;
}
