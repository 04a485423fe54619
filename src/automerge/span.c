/* Spans: new ones, runs that grow, are cut, and are deleted. */
#include "automerge/span.h"

#include <assert.h>

#include "automerge/leb.h"
#include "automerge/sequence.h"
#include "automerge/slots.h"
#include "automerge/text.h"
#include "base/utf8.h"

/* ---- one span ---- */

static uint32_t span_alloc(struct am_ops *ops)
{
	uint32_t s = ops->free_span;

	if (s != AM_NONE) {
		ops->free_span = ops->span.p[s].next;
		return s;
	}
	assert(ops->span.n < ops->span.cap);
	return (uint32_t)ops->span.n++;
}

void am_span_free(struct am_ops *ops, uint32_t s)
{
	if (s + 1 == ops->span.n) {
		ops->span.n--;
		return;
	}
	ops->span.p[s] = (struct am_span){.next = ops->free_span};
	ops->free_span = s;
}

uint32_t am_span_width(const am_doc *doc, uint8_t obj_type, const am_op *op)
{
	if (op->action == AM_ACT_MARK || op->action == AM_ACT_INC || obj_type == AM_MAP)
		return 0;
	if (obj_type != AM_TEXT)
		return op->run;
	if (op->action == AM_ACT_SET && am_op_type(op) == AM_VAL_STR) {
		if (op->run == am_op_val_n(op) || (op->run > 1 && doc->opts.text_unit == AM_UNIT_GRAPHEME))
			return op->run;
		return (uint32_t)am_text_units(doc->opts.text_unit, op->val, am_op_val_n(op));
	}
	return doc->opts.text_unit == AM_UNIT_UTF8 ? 3 : 1; /* U+FFFC stands for it */
}

static void object_new(struct am_ops *ops, uint32_t s)
{
	static const uint8_t types[] = {[AM_ACT_MAKE_MAP] = AM_MAP, [AM_ACT_MAKE_LIST] = AM_LIST,
					[AM_ACT_MAKE_TEXT] = AM_TEXT};
	struct am_span *x = &ops->span.p[s];
	uint32_t slot = (uint32_t)ops->obj.n++;
	struct am_obj *o = &ops->obj.p[slot];

	*o = (struct am_obj){.id = x->id, .span = s, .type = types[x->action], .sorted = true};
	if (am_obj_is_map(o))
		o->m.first = o->m.last = AM_NONE;
	else
		o->s.root = o->s.cache = AM_NONE;
	x->aux = slot;
	am_slot_put(ops->obj_slot, ops->obj_slots, am_obj_hash(ops, slot), slot);
}

void am_object_drop(struct am_ops *ops, uint32_t slot)
{
	struct am_obj *o = &ops->obj.p[slot];

	assert(slot + 1 == ops->obj.n);
	if (ops->keys.obj == slot)
		am_keys_drop(ops);
	for (uint32_t r = am_obj_is_map(o) ? o->m.first : AM_NONE, next; r != AM_NONE; r = next) {
		next = ops->reg.p[r].next;
		if (o->hashed) {
			am_slot_drop(ops, ops->reg_slot, ops->reg_slots, r, am_reg_hash);
			ops->regs_hashed--;
		}
		am_reg_free(ops, r);
	}
	am_slot_drop(ops, ops->obj_slot, ops->obj_slots, slot, am_obj_hash);
	ops->obj.n--;
	ops->last_obj = 0;
}

uint32_t am_span_new(am_doc *doc, const am_op *op, uint32_t obj, am_id key)
{
	struct am_ops *ops = doc->ops;
	uint32_t s = span_alloc(ops), val_n = (uint32_t)am_op_val_n(op);
	struct am_span *x = &ops->span.p[s];
	uint8_t type = ops->obj.p[obj].type;

	*x = (struct am_span){.id = op->id, .n = op->run, .obj = obj, .key = key, .val = (uint32_t)ops->heap.n,
			      .val_n = val_n, .action = op->action, .vtype = am_op_type(op)};
	x->more = x->leaf = x->next = x->reg = x->pred = x->aux = x->mark = AM_NONE;
	x->w = am_span_width(doc, type, op);
	x->flags = (uint8_t)((op->insert ? AM_SPAN_INSERT : 0) | (op->expand ? AM_SPAN_EXPAND : 0));
	if (val_n)
		memcpy(ops->heap.p + ops->heap.n, op->val, val_n);
	ops->heap.n += val_n;
	if (op->mark)
		x->mark = am_key_find(ops, op->mark, op->mark_n);
	if (am_action_is_make(op->action) && op->action != AM_ACT_MAKE_TABLE)
		object_new(ops, s);
	if (op->action == AM_ACT_MARK && op->insert && !am_obj_is_map(&ops->obj.p[obj]))
		ops->obj.p[obj].s.marks++;
	ops->count += op->run;
	return s;
}

/* An element holding one scalar value of text, with nothing special about it. */
static bool span_is_plain(const struct am_ops *ops, const struct am_span *x)
{
	return x->flags & AM_SPAN_INSERT && !(x->flags & (AM_SPAN_EXPAND | AM_SPAN_DELS)) && x->action == AM_ACT_SET &&
	       x->vtype == AM_VAL_STR && x->reg == AM_NONE && x->mark == AM_NONE && x->more == AM_NONE &&
	       (x->n > 1 || am_text_is_scalar(am_span_val(ops, x), x->val_n));
}

static bool runs_fit(uint32_t n, uint32_t val_n)
{
	return n == val_n || n <= AM_RUN_MAX;
}

/* y continues x: ids, references and bytes. */
static bool span_continues(const struct am_ops *ops, const struct am_span *x, const struct am_span *y)
{
	return x->obj == y->obj && am_id_eq(am_id_plus(x->id, x->n), y->id) && am_id_eq(am_span_last(x), y->key) &&
	       x->val + x->val_n == y->val && span_is_plain(ops, x) && span_is_plain(ops, y);
}

bool am_span_extends(const struct am_ops *ops, const struct am_span *s, const am_op *op, uint32_t obj)
{
	return am_id_eq(am_id_plus(s->id, s->n), op->id) && am_id_eq(am_span_last(s), op->elem) && s->obj == obj &&
	       op->insert && !op->expand && !op->mark && op->action == AM_ACT_SET && am_op_type(op) == AM_VAL_STR &&
	       (op->run > 1 || am_text_is_scalar(op->val, am_op_val_n(op))) && s->succ.ctr == 0 &&
	       (size_t)s->val + s->val_n == ops->heap.n && span_is_plain(ops, s) &&
	       runs_fit(s->n + op->run, s->val_n + (uint32_t)am_op_val_n(op));
}

uint32_t am_span_offset(const struct am_ops *ops, const struct am_span *s, uint32_t k)
{
	if (s->val_n == s->n || k == 0)
		return k;
	if (k == s->n)
		return s->val_n;
	return (uint32_t)utf8_offset(am_span_val(ops, s), s->val_n, k);
}

/* Width of the first k elements (off bytes) of run x. */
static uint32_t part_width(const am_doc *doc, const struct am_span *x, uint32_t k, uint32_t off)
{
	if (k == x->n)
		return x->w;
	if (x->val_n == x->n || doc->opts.text_unit == AM_UNIT_GRAPHEME || doc->ops->obj.p[x->obj].type != AM_TEXT)
		return k;
	return (uint32_t)am_text_units(doc->opts.text_unit, am_span_val(doc->ops, x), off);
}

uint32_t am_run_width(const am_doc *doc, const struct am_span *s, uint32_t k, uint32_t n)
{
	uint32_t from, to;

	if (n == s->n)
		return s->w;
	if (s->val_n == s->n || doc->opts.text_unit == AM_UNIT_GRAPHEME || doc->ops->obj.p[s->obj].type != AM_TEXT)
		return n;
	from = am_span_offset(doc->ops, s, k);
	to = am_span_offset(doc->ops, s, k + n);
	return (uint32_t)am_text_units(doc->opts.text_unit, am_span_val(doc->ops, s) + from, to - from);
}

/* The delete run of s is cut at element k; t holds the upper part. */
static void split_dels(struct am_ops *ops, struct am_span *x, struct am_span *y, uint32_t s, uint32_t t, uint32_t n)
{
	struct am_actor_ops *del = &ops->actor.p[x->succ.actor];
	uint32_t k = x->n;

	if (x->step > 0) {
		y->succ.ctr = x->succ.ctr + k;
		am_index_add(ops, &del->dels, y->succ.ctr, t);
	} else {
		uint32_t low = x->succ.ctr - (n - 1);
		y->succ.ctr = x->succ.ctr - k;
		am_index_move(ops, del->dels, low, low, t);
		am_index_add(ops, &del->dels, x->succ.ctr - (k - 1), s);
	}
}

uint32_t am_span_split(am_doc *doc, uint32_t s, uint32_t k)
{
	struct am_ops *ops = doc->ops;
	uint32_t t = span_alloc(ops), off, w, n;
	struct am_span *x = &ops->span.p[s], *y = &ops->span.p[t];

	off = am_span_offset(ops, x, k);
	w = part_width(doc, x, k, off);
	n = x->n;
	*y = *x;
	y->id = am_id_plus(x->id, k);
	y->key = am_id_plus(x->id, k - 1);
	y->n = n - k;
	y->val += off;
	y->val_n -= off;
	y->w -= w;
	x->n = k;
	x->val_n = off;
	x->w = w;
	if (!ops->unindexed)
		am_index_add(ops, &ops->actor.p[y->id.actor].rows, y->id.ctr, t);
	if (x->succ.ctr)
		split_dels(ops, x, y, s, t, n);
	am_seq_update(ops, x->obj, s);
	am_seq_insert(ops, x->obj, s, t);
	return t;
}

uint32_t am_span_single(am_doc *doc, uint32_t s, uint32_t k)
{
	if (k > 0)
		s = am_span_split(doc, s, k);
	if (doc->ops->span.p[s].n > 1)
		am_span_split(doc, s, 1);
	return s;
}

int64_t am_span_int(const struct am_ops *ops, const struct am_span *s)
{
	struct am_in in = am_in_of(am_span_val(ops, s), s->val_n);
	uint64_t u;
	int64_t i;

	if (s->vtype == AM_VAL_UINT)
		return am_in_uleb(&in, &u) ? 0 : (int64_t)u;
	return am_in_sleb(&in, &i) ? 0 : i;
}

/* ---- deleting runs ---- */

static bool may_join(const struct am_ops *ops, am_id del)
{
	const struct am_actor_ops *a = &ops->actor.p[del.actor];

	/* A batch that can be taken back does not lengthen what was there before. */
	return ops->batch == 0 || (a->batch == ops->batch && del.ctr - 1 >= a->floor);
}

static void drop_element_span(struct am_ops *ops, uint32_t s)
{
	struct am_span *x = &ops->span.p[s];

	am_index_del(ops, &ops->actor.p[x->id.actor].rows, x->id.ctr);
	am_seq_remove(ops, x->obj, s);
	am_span_free(ops, s);
}

/* The first n elements of s go to the end of the deleted run p before it. */
static bool join_before(am_doc *doc, uint32_t s, uint32_t n, am_id id)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s], *y;
	uint32_t p = am_seq_prev(ops, s), off, w;

	if (p == AM_NONE || !may_join(ops, id))
		return false;
	y = &ops->span.p[p];
	if (y->succ.actor != id.actor || y->succ.ctr + y->n != id.ctr || (y->n > 1 && y->step < 0) ||
	    !span_continues(ops, y, x))
		return false;
	off = am_span_offset(ops, x, n);
	w = part_width(doc, x, n, off);
	if (!runs_fit(y->n + n, y->val_n + off))
		return false;
	y->n += n;
	y->val_n += off;
	y->w += w;
	y->step = 1;
	if (n == x->n) {
		drop_element_span(ops, s);
		return true;
	}
	am_index_move(ops, ops->actor.p[x->id.actor].rows, x->id.ctr, x->id.ctr + n, s);
	x->key = am_id_plus(x->id, n - 1);
	x->id.ctr += n;
	x->n -= n;
	x->val += off;
	x->val_n -= off;
	x->w -= w;
	am_seq_update(ops, x->obj, s);
	return true;
}

/* The last element of s goes to the front of the deleted run q behind it. */
static bool join_behind(am_doc *doc, uint32_t s, am_id id)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s], *y;
	uint32_t q = am_seq_next(ops, s), off, w, *rows;

	if (q == AM_NONE || !may_join(ops, id))
		return false;
	y = &ops->span.p[q];
	if (y->succ.actor != id.actor || y->succ.ctr + 1 != id.ctr || (y->n > 1 && y->step > 0) ||
	    !span_continues(ops, x, y))
		return false;
	off = am_span_offset(ops, x, x->n - 1);
	if (!runs_fit(y->n + 1, y->val_n + x->val_n - off))
		return false;
	w = x->w - part_width(doc, x, x->n - 1, off);
	rows = &ops->actor.p[x->id.actor].rows;
	y->key = x->n > 1 ? am_id_plus(x->id, x->n - 2) : x->key;
	y->n++;
	y->val -= x->val_n - off;
	y->val_n += x->val_n - off;
	y->w += w;
	y->succ = id;
	y->step = -1;
	y->id.ctr--;
	if (x->n == 1) {
		drop_element_span(ops, s);
	} else {
		x->n--;
		x->val_n = off;
		x->w -= w;
		am_seq_update(ops, x->obj, s);
	}
	am_index_move(ops, *rows, y->id.ctr + 1, y->id.ctr, q);
	return true;
}

void am_seq_delete(am_doc *doc, uint32_t s, uint32_t k, uint32_t n, am_id id)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x;

	ops->count += n;
	if (k == 0 && join_before(doc, s, n, id))
		return;
	if (n == 1 && k + 1 == ops->span.p[s].n && join_behind(doc, s, id))
		return;
	if (k > 0)
		s = am_span_split(doc, s, k);
	if (ops->span.p[s].n > n)
		am_span_split(doc, s, n);
	x = &ops->span.p[s];
	x->succ = id;
	x->step = n > 1;
	am_index_add(ops, &ops->actor.p[id.actor].dels, id.ctr, s);
	am_span_hide(doc, s);
}
