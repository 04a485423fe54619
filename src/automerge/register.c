/* What is visible: the spans of a map key or an element, which of them wins, and the successors that hide them
 * (automerge format 1.5). */
#include <assert.h>

#include "automerge/sequence.h"
#include "automerge/slots.h"

/* ---- registers ---- */

uint32_t am_reg_find(const struct am_ops *ops, uint32_t obj, uint32_t key)
{
	if (key == AM_NONE)
		return AM_NONE;
	if (!ops->obj.p[obj].hashed) {
		uint32_t r = ops->obj.p[obj].m.first;
		while (r != AM_NONE && ops->reg.p[r].key != key)
			r = ops->reg.p[r].next;
		return r;
	}
	for (size_t i = am_mix(obj, key) & (ops->reg_slots - 1); ops->reg_slot[i] != AM_NONE;
	     i = (i + 1) & (ops->reg_slots - 1))
		if (ops->reg.p[ops->reg_slot[i]].obj == obj && ops->reg.p[ops->reg_slot[i]].key == key)
			return ops->reg_slot[i];
	return AM_NONE;
}

static uint32_t reg_new(struct am_ops *ops)
{
	uint32_t r = ops->free_reg;

	if (r == AM_NONE)
		return (uint32_t)ops->reg.n++;
	ops->free_reg = ops->reg.p[r].next;
	return r;
}

void am_reg_free(struct am_ops *ops, uint32_t r)
{
	ops->reg.p[r] = (struct am_reg){AM_NONE, AM_NONE, AM_NONE, AM_NONE, AM_NONE, 0, ops->free_reg};
	ops->free_reg = r;
}

uint32_t am_reg_get(struct am_ops *ops, uint32_t obj, uint32_t key)
{
	uint32_t r = am_reg_find(ops, obj, key);

	return r == AM_NONE ? am_reg_add(ops, obj, key) : r;
}

static void reg_hash_in(struct am_ops *ops, uint32_t r)
{
	am_slot_put(ops->reg_slot, ops->reg_slots, am_reg_hash(ops, r), r);
	ops->regs_hashed++;
}

/* At the end of its map's list. */
static void reg_append(struct am_ops *ops, struct am_obj *o, uint32_t r)
{
	if (o->m.first == AM_NONE)
		o->m.first = r;
	else {
		if (o->sorted && am_key_cmp(ops, ops->reg.p[o->m.last].key, ops->reg.p[r].key) > 0)
			o->sorted = false;
		ops->reg.p[o->m.last].next = r;
	}
	o->m.last = r;
}

uint32_t am_reg_add(struct am_ops *ops, uint32_t obj, uint32_t key)
{
	struct am_obj *o = &ops->obj.p[obj];
	uint32_t r = reg_new(ops);

	ops->reg.p[r] = (struct am_reg){obj, key, AM_NONE, AM_NONE, AM_NONE, 0, AM_NONE};
	if (ops->keys.obj != obj || !am_keys_add(ops, r))
		reg_append(ops, o, r);
	if (o->hashed) {
		reg_hash_in(ops, r);
	} else if (++o->regs > AM_MAP_SMALL) {
		o->hashed = true;
		for (uint32_t i = o->m.first; i != AM_NONE; i = ops->reg.p[i].next)
			reg_hash_in(ops, i);
	}
	return r;
}

uint32_t am_reg_of_elem(struct am_ops *ops, uint32_t head)
{
	struct am_span *x = &ops->span.p[head];
	uint32_t r = x->reg;
	bool visible = am_span_visible(x);

	if (r != AM_NONE)
		return r;
	r = x->reg = reg_new(ops);
	ops->reg.p[r] = (struct am_reg){x->obj, AM_NONE, head, head, visible ? head : AM_NONE, visible, AM_NONE};
	return r;
}

/* The number of visible spans of r was `was`, or its winner was another. */
static void reg_changed(struct am_ops *ops, uint32_t r, uint32_t was)
{
	struct am_reg *g = &ops->reg.p[r];
	struct am_obj *o = &ops->obj.p[g->obj];

	if (!am_obj_is_map(o))
		am_seq_update(ops, g->obj, g->head);
	else if (was == 0 && g->vis > 0)
		o->m.visible++;
	else if (was > 0 && g->vis == 0)
		o->m.visible--;
}

static void reg_show(am_doc *doc, uint32_t r, uint32_t x)
{
	struct am_ops *ops = doc->ops;
	struct am_reg *g = &ops->reg.p[r];

	if (g->win == AM_NONE || am_id_cmp(&doc->actors, ops->span.p[x].id, ops->span.p[g->win].id) > 0)
		g->win = x;
	g->vis++;
	reg_changed(ops, r, g->vis - 1);
}

/* x is not visible any more (or about to leave; it is still linked). */
static void reg_hide(struct am_ops *ops, uint32_t r, uint32_t x)
{
	struct am_reg *g = &ops->reg.p[r];

	g->vis--;
	if (g->win == x) {
		uint32_t p = g->vis ? am_span_prev(&ops->span.p[x]) : AM_NONE;
		while (p != AM_NONE && !am_span_visible(&ops->span.p[p]))
			p = am_span_prev(&ops->span.p[p]);
		g->win = p;
	}
	reg_changed(ops, r, g->vis + 1);
}

void am_reg_link(am_doc *doc, uint32_t r, uint32_t x)
{
	struct am_ops *ops = doc->ops;
	struct am_reg *g = &ops->reg.p[r];
	struct am_span *y = &ops->span.p[x];
	uint32_t p = g->tail;

	while (p != AM_NONE && am_id_cmp(&doc->actors, ops->span.p[p].id, y->id) > 0)
		p = am_span_prev(&ops->span.p[p]);
	y->reg = r;
	y->leaf = p;
	if (p == AM_NONE) {
		y->next = g->head;
		g->head = x;
	} else {
		y->next = ops->span.p[p].next;
		ops->span.p[p].next = x;
	}
	if (y->next == AM_NONE)
		g->tail = x;
	else
		ops->span.p[y->next].leaf = x;
	if (am_span_visible(y))
		reg_show(doc, r, x);
}

void am_reg_unlink(struct am_ops *ops, uint32_t x)
{
	struct am_span *y = &ops->span.p[x];
	struct am_reg *g = &ops->reg.p[y->reg];
	uint32_t p = y->leaf;

	if (am_span_visible(y))
		reg_hide(ops, y->reg, x);
	if (p == AM_NONE)
		g->head = y->next;
	else
		ops->span.p[p].next = y->next;
	if (y->next == AM_NONE)
		g->tail = p;
	else
		ops->span.p[y->next].leaf = p;
}

static bool key_less(const struct am_ops *ops, uint32_t a, uint32_t b)
{
	return am_key_cmp(ops, ops->reg.p[a].key, ops->reg.p[b].key) <= 0;
}

/* Bottom-up merge of sorted lists linked through `next`; stack[i] holds 2^i of them. */
static uint32_t merge_lists(struct am_ops *ops, uint32_t a, uint32_t b)
{
	uint32_t head = AM_NONE, *to = &head;

	while (a != AM_NONE && b != AM_NONE) {
		uint32_t *from = key_less(ops, a, b) ? &a : &b;
		*to = *from;
		to = &ops->reg.p[*from].next;
		*from = *to;
	}
	*to = a != AM_NONE ? a : b;
	return head;
}

int am_map_sort(am_doc *doc, uint32_t obj)
{
	struct am_ops *ops = doc->ops;
	struct am_obj *o = &ops->obj.p[obj];
	uint32_t stack[32], all = AM_NONE, r, next;

	if (o->sorted)
		return AM_OK;
	memset(stack, 0xff, sizeof stack);
	for (r = o->m.first; r != AM_NONE; r = next) {
		unsigned i = 0;
		uint32_t list = r;
		next = ops->reg.p[r].next;
		ops->reg.p[r].next = AM_NONE;
		for (; i < 31 && stack[i] != AM_NONE; i++) {
			list = merge_lists(ops, stack[i], list);
			stack[i] = AM_NONE;
		}
		stack[i] = i == 31 ? merge_lists(ops, stack[i], list) : list;
	}
	for (unsigned i = 0; i < 32; i++)
		all = merge_lists(ops, stack[i], all);
	o->m.first = all;
	for (r = all; ops->reg.p[r].next != AM_NONE; r = ops->reg.p[r].next)
		;
	o->m.last = r;
	o->sorted = true;
	return AM_OK;
}

/* ---- successors ---- */

bool am_span_has_succ(const struct am_ops *ops, const struct am_span *s, am_id id)
{
	if (am_id_eq(s->succ, id))
		return true;
	for (uint32_t m = s->more; m != AM_NONE; m = ops->succ.p[m].next)
		if (am_id_eq(ops->succ.p[m].id, id))
			return true;
	return false;
}

void am_span_hide(am_doc *doc, uint32_t s)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];

	x->flags |= AM_SPAN_HIDDEN;
	if (x->action == AM_ACT_INC)
		return;
	if (x->reg != AM_NONE)
		reg_hide(ops, x->reg, s);
	else
		am_seq_update(ops, x->obj, s);
}

void am_span_show(am_doc *doc, uint32_t s)
{
	struct am_span *x = &doc->ops->span.p[s];

	x->flags &= (uint8_t)~AM_SPAN_HIDDEN;
	if (x->action == AM_ACT_INC)
		return;
	if (x->reg != AM_NONE)
		reg_show(doc, x->reg, s);
	else
		am_seq_update(doc->ops, x->obj, s);
}

static uint32_t succ_new(struct am_ops *ops, am_id id, uint32_t next)
{
	uint32_t i = ops->free_succ;

	if (i != AM_NONE)
		ops->free_succ = ops->succ.p[i].next;
	else {
		assert(ops->succ.n < ops->succ.cap);
		i = (uint32_t)ops->succ.n++;
	}
	ops->succ.p[i] = (struct am_succ){id, next};
	return i;
}

static void succ_link(am_doc *doc, struct am_span *x, am_id id)
{
	struct am_ops *ops = doc->ops;
	uint32_t *at = &x->more;

	x->step = 0;
	if (x->succ.ctr == 0) {
		x->succ = id;
		return;
	}
	if (am_id_cmp(&doc->actors, id, x->succ) > 0) {
		x->more = succ_new(ops, x->succ, x->more);
		x->succ = id;
		return;
	}
	while (*at != AM_NONE && am_id_cmp(&doc->actors, ops->succ.p[*at].id, id) > 0)
		at = &ops->succ.p[*at].next;
	*at = succ_new(ops, id, *at); /* the pool does not move: room was reserved */
}

static void succ_unlink(struct am_ops *ops, struct am_span *x, am_id id)
{
	uint32_t *at = &x->more, i;

	if (am_id_eq(x->succ, id)) {
		i = x->more;
		if (i == AM_NONE) {
			x->succ = (am_id){0, 0};
			return;
		}
		x->succ = ops->succ.p[i].id;
	} else {
		while (!am_id_eq(ops->succ.p[*at].id, id))
			at = &ops->succ.p[*at].next;
		i = *at;
	}
	*at = ops->succ.p[i].next;
	ops->succ.p[i].next = ops->free_succ;
	ops->free_succ = i;
}

void am_succ_add(am_doc *doc, uint32_t s, am_id id, bool is_inc, int64_t by)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];

	succ_link(doc, x, id);
	if (is_inc && am_span_is_counter(x)) {
		if (x->aux == AM_NONE) {
			x->aux = (uint32_t)ops->sum.n;
			ops->sum.p[ops->sum.n++] = 0;
		}
		ops->sum.p[x->aux] = (int64_t)((uint64_t)ops->sum.p[x->aux] + (uint64_t)by);
	} else if (!(x->flags & AM_SPAN_HIDDEN)) {
		am_span_hide(doc, s);
	}
}

bool am_succ_hides(const struct am_ops *ops, const struct am_span *x, am_id id)
{
	uint32_t k, s;

	if (!am_span_is_counter(x))
		return true;
	s = am_ops_find(ops, id, &k);
	return s == AM_NONE || ops->span.p[s].action != AM_ACT_INC;
}

void am_succ_drop(am_doc *doc, uint32_t s, am_id id, bool is_inc, int64_t by)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	bool hidden = false;

	succ_unlink(ops, x, id);
	if (is_inc && am_span_is_counter(x)) {
		ops->sum.p[x->aux] = (int64_t)((uint64_t)ops->sum.p[x->aux] - (uint64_t)by);
		return;
	}
	if (x->succ.ctr)
		hidden = am_succ_hides(ops, x, x->succ);
	for (uint32_t m = x->more; m != AM_NONE && !hidden; m = ops->succ.p[m].next)
		hidden = am_succ_hides(ops, x, ops->succ.p[m].id);
	if (!hidden)
		am_span_show(doc, s);
}

