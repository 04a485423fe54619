#include "automerge/walk.h"

#include "automerge/sequence.h"

int am_children_of(am_doc *doc, const am_clock *clock, uint32_t obj, struct am_children *ret)
{
	struct am_children c = {.doc = doc, .clock = clock, .obj = obj};
	const struct am_obj *o = &doc->ops->obj.p[obj];

	if (am_obj_is_map(o)) {
		int rc = am_map_sort(doc, obj);
		if (rc)
			return rc;
		c.at = o->m.first;
	} else {
		c.at = am_seq_first(doc->ops, obj);
	}
	*ret = c;
	return AM_OK;
}

static void fill(const struct am_children *c, uint32_t s, uint32_t k, bool conflict, struct am_child *ret)
{
	const struct am_span *x = &c->doc->ops->span.p[s];

	am_value_at(c->doc, c->clock, s, k, &ret->value);
	ret->value.conflict = conflict;
	ret->obj = am_action_is_make(x->action) ? x->aux : AM_NONE;
}

static bool next_key(struct am_children *c, struct am_child *ret)
{
	const struct am_ops *ops = c->doc->ops;

	while (c->at != AM_NONE) {
		const struct am_reg *r = &ops->reg.p[c->at];
		bool conflict;
		uint32_t win = am_reg_winner(c->doc, c->clock, c->at, &conflict);
		c->at = r->next;
		if (win == AM_NONE)
			continue;
		*ret = (struct am_child){.key = (const char *)am_key_text(ops, r->key), .key_n = ops->key.p[r->key].n};
		fill(c, win, 0, conflict, ret);
		return true;
	}
	return false;
}

static bool next_element(struct am_children *c, struct am_child *ret)
{
	const struct am_ops *ops = c->doc->ops;

	for (;;) {
		const struct am_piece *p = &c->piece;
		while (c->k < p->k + p->n) {
			uint32_t k = c->k++;
			if (ops->span.p[p->win].action == AM_ACT_MARK)
				continue;
			*ret = (struct am_child){.index = c->pos};
			fill(c, p->win, p->win == p->s ? k : 0, p->conflict, ret);
			c->pos += p->n == 1 ? p->w : am_run_width(c->doc, &ops->span.p[p->s], k, 1);
			return true;
		}
		if (c->at == AM_NONE)
			return false;
		if (!am_piece_at(c->doc, c->clock, c->at, &c->piece))
			c->piece.n = 0;
		c->k = c->piece.k;
		c->at = am_seq_next(ops, c->at);
	}
}

bool am_children_next(struct am_children *c, struct am_child *ret)
{
	return am_obj_is_map(&c->doc->ops->obj.p[c->obj]) ? next_key(c, ret) : next_element(c, ret);
}

/* ---- am_walk: nesting may be as deep as a document likes, so the stack is our own ---- */

struct level {
	bool blocks;          /* of a text: those from `next` up to `to` of the walk's list, which began at `base` */
	size_t base, next, to;
	struct am_children c; /* else */
};
struct walk {
	am_doc *doc;
	const am_view *view;
	const am_clock *clock;
	AM_VEC(struct level) stack;
	AM_VEC(uint32_t) block; /* slots */
	am_objid text;
	am_item_fn fn;
	void *ctx;
};

static int push(struct walk *w, struct level l)
{
	if (am_vec_reserve(&w->doc->a, &w->stack, 1))
		return AM_E_NOMEM;
	w->stack.p[w->stack.n++] = l;
	return AM_OK;
}

static int tell_span(void *ctx, const am_span_view *s)
{
	struct walk *w = ctx;
	am_item item = {.at = {.obj = w->text, .type = AM_TEXT, .index = s->index, .visible = true},
			.depth = w->stack.n, .marks = s->marks, .n_marks = s->n_marks};

	if (s->is_block) {
		uint32_t slot = am_ops_object(w->doc->ops, s->block);
		if (am_vec_reserve(&w->doc->a, &w->block, 1))
			return AM_E_NOMEM;
		w->block.p[w->block.n++] = slot;
		item.value.type = AM_MAP;
		item.value.id = s->block;
	} else {
		item.value = am_str(s->text, s->text_n);
	}
	return w->fn(w->ctx, &item);
}

static int enter(struct walk *w, uint32_t obj)
{
	struct level l = {.blocks = false};
	int rc;

	if (w->doc->ops->obj.p[obj].type != AM_TEXT) {
		rc = am_children_of(w->doc, w->clock, obj, &l.c);
		return rc ? rc : push(w, l);
	}
	l.blocks = true;
	l.base = l.next = w->block.n;
	w->text = w->doc->ops->obj.p[obj].id;
	rc = am_spans(w->doc, w->view, w->text, tell_span, w);
	l.to = w->block.n;
	return rc || l.base == l.to ? rc : push(w, l);
}

static int step_blocks(struct walk *w, struct level *l)
{
	if (l->next < l->to)
		return enter(w, w->block.p[l->next++]);
	w->block.n = l->base;
	w->stack.n--;
	return 0;
}

static int step_children(struct walk *w, struct level *l)
{
	const struct am_obj *o = &w->doc->ops->obj.p[l->c.obj];
	struct am_child c;
	am_item item = {.at = {.obj = o->id, .type = (am_type)o->type, .visible = true}, .depth = w->stack.n - 1};
	int rc;

	if (!am_children_next(&l->c, &c)) {
		w->stack.n--;
		return 0;
	}
	item.at.key = c.key;
	item.at.key_n = c.key_n;
	item.at.index = c.index;
	item.value = c.value;
	rc = w->fn(w->ctx, &item);
	return rc || c.obj == AM_NONE ? rc : enter(w, c.obj);
}

int am_walk(am_doc *doc, const am_view *view, am_objid obj, am_item_fn fn, void *ctx)
{
	struct walk w = {.doc = doc, .view = view, .clock = am_scope(doc, view), .fn = fn, .ctx = ctx};
	uint32_t slot;
	int rc = am_obj_get(doc, w.clock, obj, &slot);

	if (rc == AM_OK)
		rc = enter(&w, slot);
	while (rc == 0 && w.stack.n) {
		struct level *l = &w.stack.p[w.stack.n - 1];
		rc = l->blocks ? step_blocks(&w, l) : step_children(&w, l);
	}
	am_vec_free(&doc->a, &w.stack);
	am_vec_free(&doc->a, &w.block);
	return rc;
}
