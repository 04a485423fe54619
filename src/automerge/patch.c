/* am_diff: the registers that operations between two points in history touch, in
 * document order, each compared at both points (automerge format 12).
 *
 * Two clocks differ, per actor, by a range of counters. The indices give the
 * spans those operations made, wrote to or deleted; nothing else can look
 * different. Positions come from the tree when one of the points is now. */
#include "automerge/patch.h"

#include <stdlib.h>

#include "automerge/sequence.h"
#include "automerge/sizes.h"
#include "automerge/text.h"

/* ---- what is touched ---- */

static int touch(struct am_diff *d, uint32_t obj, uint32_t at, uint32_t k, uint32_t n)
{
	if (am_vec_reserve(&d->doc->a, &d->touch, 1))
		return AM_E_NOMEM;
	d->touch.p[d->touch.n++] = (struct am_touch){obj, at, k, n, 0};
	return AM_OK;
}

/* Elements k .. k+n-1 of span s, or the register it belongs to. */
static int touch_span(struct am_diff *d, uint32_t s, uint32_t k, uint32_t n)
{
	const struct am_ops *ops = d->doc->ops;
	const struct am_span *x = &ops->span.p[s];

	if (am_obj_is_map(&ops->obj.p[x->obj]))
		return touch(d, x->obj, x->reg, s, 1);
	if (x->reg != AM_NONE)
		return touch(d, x->obj, ops->reg.p[x->reg].head, 0, 1);
	return touch(d, x->obj, s, k, n);
}

/* Rows, or deletes, of one actor with counters lo .. hi. */
static int touch_range(struct am_diff *d, uint32_t root, bool dels, uint32_t lo, uint32_t hi)
{
	const struct am_ops *ops = d->doc->ops;
	uint32_t ctr, s;
	bool more = am_index_floor(ops, root, lo, &ctr, &s);
	int rc = AM_OK;

	if (!more)
		more = am_index_above(ops, root, lo, &ctr, &s);
	for (; more && ctr <= hi && rc == AM_OK; more = am_index_above(ops, root, ctr, &ctr, &s)) {
		const struct am_span *x = &ops->span.p[s];
		uint32_t from = ctr < lo ? lo - ctr : 0, to = hi - ctr < x->n ? hi - ctr + 1 : x->n;
		if (from >= to)
			continue;
		if (dels && x->step < 0)
			rc = touch_span(d, s, x->n - to, to - from);
		else
			rc = touch_span(d, s, from, to - from);
	}
	return rc;
}

static uint32_t clock_max(const am_clock *c, uint32_t actor)
{
	return actor < c->n ? c->max_op[actor] : 0;
}

static int gather(struct am_diff *d)
{
	const struct am_ops *ops = d->doc->ops;
	int rc = AM_OK;

	for (uint32_t i = 0; i < ops->actor.n && rc == AM_OK; i++) {
		uint32_t a = clock_max(&d->clock_b, i), b = clock_max(&d->clock_a, i);
		uint32_t lo = (a < b ? a : b) + 1, hi = a < b ? b : a;
		if (a == b)
			continue;
		rc = touch_range(d, ops->actor.p[i].rows, false, lo, hi);
		if (rc == AM_OK)
			rc = touch_range(d, ops->actor.p[i].dels, true, lo, hi);
	}
	return rc;
}

static int touch_order(const void *p, const void *q, void *ctx)
{
	const struct am_touch *a = p, *b = q;
	am_doc *doc = ctx;
	const struct am_ops *ops = doc->ops;

	if (a->obj != b->obj)
		return am_id_cmp(&doc->actors, ops->obj.p[a->obj].id, ops->obj.p[b->obj].id);
	if (am_obj_is_map(&ops->obj.p[a->obj]))
		return a->at == b->at ? 0 : am_key_cmp(ops, ops->reg.p[a->at].key, ops->reg.p[b->at].key);
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->k < b->k ? -1 : a->k > b->k;
}

static void sort_touches(struct am_diff *d)
{
	const struct am_ops *ops = d->doc->ops;

	for (size_t i = 0; i < d->touch.n; i++)
		if (!am_obj_is_map(&ops->obj.p[d->touch.p[i].obj]))
			d->touch.p[i].rank = am_seq_rank(ops, d->touch.p[i].at);
	if (d->touch.n > 1)
		qsort_r(d->touch.p, d->touch.n, sizeof *d->touch.p, touch_order, d->doc);
}

/* ---- is an object shown, and was it ---- */

static bool covered(const am_clock *c, am_id id)
{
	return !c || am_clock_covers(c, id);
}

/* Is operation s the visible winner of its register? */
static bool wins(const struct am_diff *d, const am_clock *c, uint32_t s, bool *ret_conflict)
{
	const struct am_span *x = &d->doc->ops->span.p[s];

	*ret_conflict = false;
	if (x->reg == AM_NONE)
		return am_op_visible(d->doc, c, s);
	return am_reg_winner(d->doc, c, x->reg, ret_conflict) == s;
}

static enum am_shown shown_under(const struct am_diff *d, uint32_t obj, enum am_shown parent)
{
	const struct am_ops *ops = d->doc->ops;
	uint32_t s = ops->obj.p[obj].span;
	bool conflict_b, conflict_a;

	if (parent != AM_SHOWN_LIVE)
		return parent;
	if (!covered(d->after, ops->span.p[s].id) || !wins(d, d->after, s, &conflict_a))
		return AM_SHOWN_NOT;
	if (!covered(d->before, ops->span.p[s].id))
		return AM_SHOWN_LIVE; /* new: filled by the patches of what is in it */
	if (!wins(d, d->before, s, &conflict_b) || (conflict_b && !conflict_a))
		return AM_SHOWN_DUMPED;
	return AM_SHOWN_LIVE;
}

static int shown(struct am_diff *d, uint32_t obj, enum am_shown *ret)
{
	const struct am_ops *ops = d->doc->ops;
	enum am_shown st = AM_SHOWN_LIVE;

	if (!d->memo.n && d->touch.n > 32) {
		if (am_vec_reserve(&d->doc->a, &d->memo, ops->obj.n))
			return AM_E_NOMEM;
		memset(d->memo.p, 0, ops->obj.n);
		d->memo.n = ops->obj.n;
	}
	d->chain.n = 0;
	for (; obj != d->top; obj = ops->span.p[ops->obj.p[obj].span].obj) {
		if (obj == 0) {
			st = AM_SHOWN_NOT; /* beside the one asked for */
			break;
		}
		if (d->memo.n && d->memo.p[obj]) {
			st = (enum am_shown)d->memo.p[obj];
			break;
		}
		if (am_vec_reserve(&d->doc->a, &d->chain, 1))
			return AM_E_NOMEM;
		d->chain.p[d->chain.n++] = obj;
	}
	while (d->chain.n) {
		obj = d->chain.p[--d->chain.n];
		st = shown_under(d, obj, st);
		if (d->memo.n)
			d->memo.p[obj] = (uint8_t)st;
	}
	*ret = st;
	return AM_OK;
}

/* ---- emitting; contiguous splices and deletes become one ---- */

int am_diff_flush(struct am_diff *d)
{
	am_patch p = d->pending;
	bool any = d->has_pending;

	if (d->text.err)
		return d->text.err;
	d->has_pending = false;
	p.text = (const char *)d->text.p;
	p.text_n = d->text.n;
	d->text.n = 0;
	return any ? d->fn(d->ctx, &p) : AM_OK;
}

static int emit(struct am_diff *d, const am_patch *p)
{
	int rc = am_diff_flush(d);

	return rc ? rc : d->fn(d->ctx, p);
}

int am_diff_splice(struct am_diff *d, uint32_t obj, size_t pos, size_t w, const uint8_t *text, size_t n)
{
	am_id id = d->doc->ops->obj.p[obj].id;
	int rc = AM_OK;

	if (n == 0)
		return AM_OK;
	if (!d->has_pending || d->pending.kind != AM_PATCH_SPLICE || !am_id_eq(d->pending.obj, id) ||
	    d->pending.index + d->pending.length != pos) {
		rc = am_diff_flush(d);
		d->pending = (am_patch){.kind = AM_PATCH_SPLICE, .obj = id, .index = pos};
		d->has_pending = true;
	}
	d->pending.length += w;
	am_out_put(&d->text, text, n);
	return rc;
}

static int delete_units(struct am_diff *d, uint32_t obj, size_t pos, size_t w)
{
	am_id id = d->doc->ops->obj.p[obj].id;
	int rc = AM_OK;

	if (w == 0)
		return AM_OK;
	if (!d->has_pending || d->pending.kind != AM_PATCH_DELETE || d->pending.key ||
	    !am_id_eq(d->pending.obj, id) || d->pending.index != pos) {
		rc = am_diff_flush(d);
		d->pending = (am_patch){.kind = AM_PATCH_DELETE, .obj = id, .index = pos};
		d->has_pending = true;
	}
	d->pending.length += w;
	return rc;
}

/* Where a value patch goes. */
static am_patch patch_at_key(const struct am_ops *ops, uint32_t reg)
{
	const struct am_reg *g = &ops->reg.p[reg];

	return (am_patch){.obj = ops->obj.p[g->obj].id, .key = (const char *)am_key_text(ops, g->key),
			  .key_n = ops->key.p[g->key].n};
}

/* Value of element k of span s, shown as of `after`; objects that were there
 * before get their content dumped behind it. */
static int emit_value(struct am_diff *d, am_patch *p, uint32_t s, uint32_t k, bool conflict)
{
	const struct am_span *x = &d->doc->ops->span.p[s];
	int rc;

	am_value_at(d->doc, d->after, s, k, &p->value);
	p->value.conflict = conflict;
	rc = emit(d, p);
	if (rc || !am_action_is_make(x->action) || x->aux == AM_NONE || !covered(d->before, x->id))
		return rc;
	return am_diff_dump(d, x->aux);
}

static int emit_same(struct am_diff *d, am_patch *p, uint32_t s, bool conflict_b, bool conflict_a)
{
	int rc = AM_OK;

	if (conflict_b && !conflict_a) {
		p->kind = AM_PATCH_PUT;
		return emit_value(d, p, s, 0, false);
	}
	if (am_span_is_counter(&d->doc->ops->span.p[s])) {
		uint64_t by = (uint64_t)am_counter_at(d->doc, d->after, s) -
			      (uint64_t)am_counter_at(d->doc, d->before, s);
		p->kind = AM_PATCH_INCREMENT;
		p->value = (am_value){.type = AM_INT, .i = (int64_t)by};
		if (by)
			rc = emit(d, p);
	}
	if (rc == AM_OK && conflict_a && !conflict_b) {
		p->kind = AM_PATCH_CONFLICT;
		am_value_at(d->doc, d->after, s, 0, &p->value);
		p->value.conflict = true;
		rc = emit(d, p);
	}
	return rc;
}

/* ---- maps ---- */

#define FEW AM_SIZE(12, 3)
/* The operations of a register that may be visible at one point and not at the
 * other: those touched and what they overwrote. */
struct candidates { uint32_t s[FEW]; uint32_t n; };

static bool candidate(const struct candidates *c, uint32_t s)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->s[i] == s)
			return true;
	return false;
}

/* False when there are too many, or finding them takes a walk anyway. */
static bool few_candidates(const struct am_diff *d, size_t i, size_t end, struct candidates *c)
{
	c->n = 0;
	for (; i < end; i++) {
		const struct am_span *x = &d->doc->ops->span.p[d->touch.p[i].k];
		if (c->n + 2 > FEW || x->flags & (AM_SPAN_PREDS | AM_SPAN_DELS))
			return false;
		if (!candidate(c, d->touch.p[i].k))
			c->s[c->n++] = d->touch.p[i].k;
		if (x->pred != AM_NONE && !candidate(c, x->pred))
			c->s[c->n++] = x->pred;
	}
	return true;
}

/* Winner at a clock, from what is visible now and the candidates alone: a key
 * written ten thousand times costs no more than one written twice. */
static uint32_t winner_from(const struct am_diff *d, const am_clock *clock, uint32_t reg, const struct candidates *c,
			    bool *ret_conflict)
{
	const struct am_ops *ops = d->doc->ops;
	uint32_t best = AM_NONE, vis = 0, s = AM_NONE;

	for (uint32_t i = 0; i < c->n + ops->reg.p[reg].vis; i++) {
		if (i >= c->n)
			s = am_reg_below(d->doc, NULL, reg, i == c->n ? AM_NONE : s);
		uint32_t x = i < c->n ? c->s[i] : s;
		if (i < c->n ? !am_op_visible(d->doc, clock, x) : candidate(c, x))
			continue;
		vis++;
		if (best == AM_NONE || am_id_cmp(&d->doc->actors, ops->span.p[x].id, ops->span.p[best].id) > 0)
			best = x;
	}
	*ret_conflict = vis > 1;
	return best;
}

static int diff_key(struct am_diff *d, size_t i, size_t end)
{
	uint32_t reg = d->touch.p[i].at, b, a;
	am_patch p = patch_at_key(d->doc->ops, reg);
	struct candidates c;
	bool cb, ca;

	if ((!d->before || !d->after) && few_candidates(d, i, end, &c)) {
		b = winner_from(d, d->before, reg, &c, &cb);
		a = winner_from(d, d->after, reg, &c, &ca);
	} else {
		b = am_reg_winner(d->doc, d->before, reg, &cb);
		a = am_reg_winner(d->doc, d->after, reg, &ca);
	}
	if (a == AM_NONE && b == AM_NONE)
		return AM_OK;
	if (a == AM_NONE) {
		p.kind = AM_PATCH_DELETE;
		return emit(d, &p);
	}
	if (a == b)
		return emit_same(d, &p, a, cb, ca);
	p.kind = AM_PATCH_PUT;
	return emit_value(d, &p, a, 0, ca);
}

static int diff_map(struct am_diff *d, size_t i, size_t end)
{
	int rc = AM_OK;

	for (size_t next; i < end && rc == AM_OK; i = next) {
		for (next = i; next < end && d->touch.p[next].at == d->touch.p[i].at;)
			next++;
		rc = diff_key(d, i, next);
	}
	return rc;
}

/* ---- sequences ---- */

/* A value in a sequence, winner span s, element k of it; *pos moves behind it. */
int am_diff_insert(struct am_diff *d, uint32_t obj, uint32_t s, uint32_t k, bool conflict, size_t *pos)
{
	const struct am_ops *ops = d->doc->ops;
	const struct am_span *x = &ops->span.p[s];
	am_patch p = {.kind = AM_PATCH_INSERT, .obj = ops->obj.p[obj].id, .index = *pos};
	am_value v;

	if (x->action == AM_ACT_MARK)
		return AM_OK;
	*pos += am_run_width(d->doc, x, k, 1);
	if (ops->obj.p[obj].type == AM_TEXT && x->action == AM_ACT_SET && x->vtype == AM_VAL_STR) {
		am_value_at(d->doc, d->after, s, k, &v);
		return am_diff_splice(d, obj, p.index, *pos - p.index, v.s.p, v.s.n);
	}
	return emit_value(d, &p, s, k, conflict);
}

/* An element with one value at a time (register or single span). */
static int diff_element(struct am_diff *d, uint32_t obj, uint32_t s, size_t *pos)
{
	const struct am_ops *ops = d->doc->ops;
	struct am_piece b, a;
	bool was = am_piece_at(d->doc, d->before, s, &b), is = am_piece_at(d->doc, d->after, s, &a);
	am_patch p = {.kind = AM_PATCH_PUT, .obj = ops->obj.p[obj].id, .index = *pos};
	int rc;

	if (was && ops->span.p[b.win].action == AM_ACT_MARK)
		was = false;
	if (is && ops->span.p[a.win].action == AM_ACT_MARK)
		is = false;
	if (!was && !is)
		return AM_OK;
	if (!is)
		return delete_units(d, obj, *pos, b.w);
	if (!was)
		return am_diff_insert(d, obj, a.win, 0, a.conflict, pos);
	if (ops->obj.p[obj].type == AM_TEXT && b.win != a.win) {
		rc = delete_units(d, obj, *pos, b.w);
		return rc ? rc : am_diff_insert(d, obj, a.win, 0, a.conflict, pos);
	}
	*pos += a.w;
	/* The same characters: a text does not show that they are no longer in conflict. */
	if (ops->obj.p[obj].type == AM_TEXT && b.conflict && !a.conflict && !am_action_is_make(ops->span.p[a.win].action))
		b.conflict = false;
	if (b.win == a.win)
		return emit_same(d, &p, a.win, b.conflict, a.conflict);
	return emit_value(d, &p, a.win, 0, a.conflict);
}

static int insert_run(struct am_diff *d, uint32_t obj, uint32_t s, uint32_t from, uint32_t to, size_t *pos)
{
	const struct am_ops *ops = d->doc->ops;
	struct am_piece p = {s, from, to - from, s, 0, false};
	const uint8_t *t;
	size_t n, w;
	int rc = AM_OK;

	if (ops->obj.p[obj].type == AM_TEXT) {
		am_piece_text(d->doc, &p, &t, &n);
		w = am_run_width(d->doc, &ops->span.p[s], from, to - from);
		rc = am_diff_splice(d, obj, *pos, w, t, n);
		*pos += w;
		return rc;
	}
	for (uint32_t k = from; k < to && rc == AM_OK; k++)
		rc = am_diff_insert(d, obj, s, k, false, pos);
	return rc;
}

/* Elements from .. to-1 of a run: the visible stretches before and after. */
static int diff_run(struct am_diff *d, uint32_t obj, uint32_t s, uint32_t from, uint32_t to, size_t *pos)
{
	const struct am_span *x = &d->doc->ops->span.p[s];
	struct am_piece b, a;
	int rc = AM_OK;

	if (!am_piece_at(d->doc, d->before, s, &b))
		b.k = b.n = 0;
	if (!am_piece_at(d->doc, d->after, s, &a))
		a.k = a.n = 0;
	while (from < to && rc == AM_OK) {
		const uint32_t edges[] = {b.k, b.k + b.n, a.k, a.k + a.n};
		bool was = from >= b.k && from < b.k + b.n, is = from >= a.k && from < a.k + a.n;
		uint32_t end = to;
		for (int i = 0; i < 4; i++)
			if (edges[i] > from && edges[i] < end)
				end = edges[i];
		if (is && !was)
			rc = insert_run(d, obj, s, from, end, pos);
		else if (was && !is)
			rc = delete_units(d, obj, *pos, am_run_width(d->doc, x, from, end - from));
		else if (is)
			*pos += am_run_width(d->doc, x, from, end - from);
		from = end;
	}
	return rc;
}

/* Width of what is visible of s before element k. */
static size_t width_before(const struct am_diff *d, const am_clock *c, uint32_t s, uint32_t k)
{
	struct am_piece p;

	if (k == 0 || !am_piece_at(d->doc, c, s, &p) || k <= p.k)
		return 0;
	if (k - p.k >= p.n)
		return p.w;
	return am_run_width(d->doc, &d->doc->ops->span.p[s], p.k, k - p.k);
}

/* Position of touched elements, as of `after` and everything before them done. */
struct cursor {
	size_t grown, shrunk; /* units the touched elements so far have after / had before */
	uint32_t s;           /* neither point is now: walks along ... */
	size_t pos;           /* ... this far */
};

static size_t position(struct am_diff *d, struct cursor *c, const struct am_touch *t)
{
	struct am_ops *ops = d->doc->ops;
	struct am_piece p;

	if (!d->after)
		return am_seq_position(ops, t->at) + width_before(d, NULL, t->at, t->k);
	if (!d->before)
		return am_seq_position(ops, t->at) + width_before(d, NULL, t->at, t->k) + c->grown - c->shrunk;
	for (; c->s != t->at; c->s = am_seq_next(ops, c->s))
		if (am_piece_at(d->doc, d->after, c->s, &p))
			c->pos += p.w;
	return c->pos + width_before(d, d->after, t->at, t->k);
}

static int diff_sequence(struct am_diff *d, uint32_t obj, size_t i, size_t end)
{
	struct am_ops *ops = d->doc->ops;
	struct cursor c = {.s = am_seq_first(ops, obj)};
	uint32_t done_s = AM_NONE, done_k = 0;
	int rc = AM_OK;

	for (; i < end && rc == AM_OK; i++) {
		struct am_touch t = d->touch.p[i];
		size_t pos, start;
		if (t.at == done_s && t.k < done_k) { /* touched more than once */
			if (t.k + t.n <= done_k)
				continue;
			t.n -= done_k - t.k;
			t.k = done_k;
		}
		done_s = t.at;
		done_k = t.k + t.n;
		start = pos = position(d, &c, &t);
		if (!d->before)
			c.shrunk += width_before(d, NULL, t.at, t.k + t.n) - width_before(d, NULL, t.at, t.k);
		if (ops->span.p[t.at].n == 1)
			rc = diff_element(d, obj, t.at, &pos);
		else
			rc = diff_run(d, obj, t.at, t.k, t.k + t.n, &pos);
		c.grown += pos - start;
	}
	if (rc == AM_OK && ops->obj.p[obj].type == AM_TEXT && ops->obj.p[obj].s.marks)
		rc = am_diff_marks(d, obj, d->before);
	return rc;
}

/* ---- all of it ---- */

static int diff_objects(struct am_diff *d)
{
	const struct am_ops *ops = d->doc->ops;
	int rc = AM_OK;

	for (size_t i = 0, end; i < d->touch.n && rc == AM_OK; i = end) {
		uint32_t obj = d->touch.p[i].obj;
		enum am_shown st;
		for (end = i; end < d->touch.n && d->touch.p[end].obj == obj;)
			end++;
		if (!d->recursive && obj != d->top)
			continue;
		rc = shown(d, obj, &st);
		if (rc || st != AM_SHOWN_LIVE)
			continue;
		rc = am_obj_is_map(&ops->obj.p[obj]) ? diff_map(d, i, end) : diff_sequence(d, obj, i, end);
	}
	return rc ? rc : am_diff_flush(d);
}

static bool is_now(am_doc *doc, const am_hash *heads, size_t n)
{
	size_t n_now, hits = 0;
	const am_hash *now = am_heads(doc, &n_now);

	for (size_t i = 0; i < n_now; i++) {
		size_t k = 0;
		while (k < n && memcmp(&heads[k], &now[i], sizeof *now))
			k++;
		hits += k < n;
	}
	return hits == n_now;
}

static int diff_top(struct am_diff *d)
{
	int rc = gather(d);

	if (rc == AM_OK) {
		sort_touches(d);
		rc = diff_objects(d);
	}
	return rc;
}

int am_diff_object(am_doc *doc, am_objid obj, bool recursive, const am_hash *before, size_t n_before,
		   const am_hash *after, size_t n_after, am_patch_fn fn, void *ctx)
{
	struct am_diff d = {.doc = doc, .text.a = &doc->a, .fn = fn, .ctx = ctx, .recursive = recursive};
	int rc = am_tx_flush(doc);

	if (rc)
		return rc;
	d.top = am_ops_object(doc->ops, obj);
	if (d.top == AM_NONE)
		return AM_E_NOT_FOUND;
	rc = am_graph_clock(doc, before, n_before, &d.clock_b);
	if (rc)
		return rc;
	rc = am_graph_clock(doc, after, n_after, &d.clock_a);
	if (rc == AM_OK) {
		d.before = is_now(doc, before, n_before) ? NULL : &d.clock_b;
		d.after = is_now(doc, after, n_after) ? NULL : &d.clock_a;
		rc = diff_top(&d);
	}
	am_clock_fini(doc, &d.clock_b);
	am_clock_fini(doc, &d.clock_a);
	am_vec_free(&doc->a, &d.touch);
	am_vec_free(&doc->a, &d.memo);
	am_vec_free(&doc->a, &d.chain);
	am_vec_free(&doc->a, &d.dump);
	am_out_free(&d.text);
	return rc;
}

int am_diff(am_doc *doc, const am_hash *before, size_t n_before, const am_hash *after, size_t n_after, am_patch_fn fn,
	    void *ctx)
{
	return am_diff_object(doc, AM_ROOT, true, before, n_before, after, n_after, fn, ctx);
}
