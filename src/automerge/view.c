#include "automerge/view.h"

#include "automerge/leb.h"
#include "automerge/sequence.h"
#include "automerge/text.h"
#include "automerge/transaction.h"

const am_clock *am_scope(const am_doc *doc, const am_view *view)
{
	if (view)
		return &view->clock;
	return doc->tx && doc->tx->isolated ? &doc->tx->clock : NULL;
}

int am_view_at(am_doc *doc, const am_hash *heads, size_t n, am_view **ret)
{
	am_view *v;
	am_clock c;
	int rc = am_tx_flush(doc);

	if (rc)
		return rc;
	rc = am_graph_clock(doc, heads, n, &c);
	if (rc)
		return rc;
	v = am_mem_alloc(&doc->a, sizeof *v + 2 * c.n * sizeof *c.max_op);
	if (v) {
		v->a = doc->a;
		v->clock = (am_clock){(uint32_t *)(v + 1), (uint32_t *)(v + 1) + c.n, c.n};
		if (c.n) {
			memcpy(v->clock.max_op, c.max_op, c.n * sizeof *c.max_op);
			memcpy(v->clock.seq, c.seq, c.n * sizeof *c.seq);
		}
		*ret = v;
	}
	am_clock_fini(doc, &c);
	return v ? AM_OK : AM_E_NOMEM;
}

void am_view_free(am_view *view)
{
	am_allocator a;

	if (!view)
		return;
	a = view->a;
	am_mem_free(&a, view);
}

/* ---- one operation, one register ---- */

bool am_op_visible(const am_doc *doc, const am_clock *clock, uint32_t s)
{
	const struct am_ops *ops = doc->ops;
	const struct am_span *x = &ops->span.p[s];

	if (!clock)
		return am_span_visible(x);
	if (x->action == AM_ACT_INC || !am_clock_covers(clock, x->id))
		return false;
	if (x->succ.ctr == 0)
		return true;
	if (am_clock_covers(clock, x->succ) && am_succ_hides(ops, x, x->succ))
		return false;
	for (uint32_t m = x->more; m != AM_NONE; m = ops->succ.p[m].next)
		if (am_clock_covers(clock, ops->succ.p[m].id) && am_succ_hides(ops, x, ops->succ.p[m].id))
			return false;
	return true;
}

uint32_t am_reg_below(const am_doc *doc, const am_clock *clock, uint32_t reg, uint32_t s)
{
	const struct am_ops *ops = doc->ops;

	if (s == AM_NONE)
		s = clock ? ops->reg.p[reg].tail : ops->reg.p[reg].win;
	else
		s = am_span_prev(&ops->span.p[s]);
	while (s != AM_NONE && !am_op_visible(doc, clock, s))
		s = am_span_prev(&ops->span.p[s]);
	return s;
}

uint32_t am_reg_winner(const am_doc *doc, const am_clock *clock, uint32_t reg, bool *ret_conflict)
{
	uint32_t win;

	if (!clock) {
		*ret_conflict = doc->ops->reg.p[reg].vis > 1;
		return doc->ops->reg.p[reg].win;
	}
	win = am_reg_below(doc, clock, reg, AM_NONE);
	*ret_conflict = win != AM_NONE && am_reg_below(doc, clock, reg, win) != AM_NONE;
	return win;
}

int64_t am_counter_at(const am_doc *doc, const am_clock *clock, uint32_t s)
{
	const struct am_ops *ops = doc->ops;
	const struct am_span *x = &ops->span.p[s];
	uint64_t sum = (uint64_t)am_span_int(ops, x);
	am_id id = x->succ;
	uint32_t m = x->more, k;

	if (!clock)
		return (int64_t)(x->aux == AM_NONE ? sum : sum + (uint64_t)ops->sum.p[x->aux]);
	while (id.ctr) {
		uint32_t t = am_clock_covers(clock, id) ? am_ops_find(ops, id, &k) : AM_NONE;
		if (t != AM_NONE && ops->span.p[t].action == AM_ACT_INC)
			sum += (uint64_t)am_span_int(ops, &ops->span.p[t]);
		id = m == AM_NONE ? (am_id){0, 0} : ops->succ.p[m].id;
		m = m == AM_NONE ? AM_NONE : ops->succ.p[m].next;
	}
	return (int64_t)sum;
}

/* ---- values ---- */

static const am_type scalar_types[16] = {
	[AM_VAL_NULL] = AM_NULL, [AM_VAL_FALSE] = AM_BOOL, [AM_VAL_TRUE] = AM_BOOL, [AM_VAL_UINT] = AM_UINT,
	[AM_VAL_INT] = AM_INT, [AM_VAL_F64] = AM_F64, [AM_VAL_STR] = AM_STR, [AM_VAL_BYTES] = AM_BYTES,
	[AM_VAL_COUNTER] = AM_COUNTER, [AM_VAL_TIMESTAMP] = AM_TIMESTAMP, AM_UNKNOWN, AM_UNKNOWN, AM_UNKNOWN,
	AM_UNKNOWN, AM_UNKNOWN, AM_UNKNOWN};
static const am_type object_types[] = {[AM_ACT_MAKE_MAP] = AM_MAP, [AM_ACT_MAKE_LIST] = AM_LIST,
				       [AM_ACT_MAKE_TEXT] = AM_TEXT, [AM_ACT_MAKE_TABLE] = AM_TABLE};

static void scalar_at(const am_doc *doc, const am_clock *clock, uint32_t s, uint32_t k, am_value *ret)
{
	const struct am_ops *ops = doc->ops;
	const struct am_span *x = &ops->span.p[s];
	const uint8_t *p = am_span_val(ops, x);
	struct am_in in = am_in_of(p, x->val_n);
	uint64_t bits = 0;

	switch (x->vtype) {
	case AM_VAL_TRUE:
		ret->b = true;
		break;
	case AM_VAL_UINT:
		if (am_in_uleb(&in, &ret->u))
			ret->u = 0;
		break;
	case AM_VAL_INT:
	case AM_VAL_TIMESTAMP:
		ret->i = am_span_int(ops, x);
		break;
	case AM_VAL_COUNTER:
		ret->i = x->action == AM_ACT_SET ? am_counter_at(doc, clock, s) : am_span_int(ops, x);
		break;
	case AM_VAL_F64:
		for (uint32_t i = 0; i < 8 && i < x->val_n; i++)
			bits |= (uint64_t)p[i] << 8 * i;
		memcpy(&ret->f, &bits, sizeof bits);
		break;
	case AM_VAL_NULL:
	case AM_VAL_FALSE:
		break;
	default:
		ret->s.n = x->val_n;
		if (x->n > 1) {
			p += am_span_offset(ops, x, k);
			ret->s.n = am_text_scalar(p[0]);
		}
		ret->s.p = p;
	}
}

void am_value_at(const am_doc *doc, const am_clock *clock, uint32_t s, uint32_t k, am_value *ret)
{
	const struct am_span *x = &doc->ops->span.p[s];

	memset(ret, 0, sizeof *ret);
	ret->id = am_id_plus(x->id, k);
	if (am_action_is_make(x->action)) {
		ret->type = object_types[x->action];
		return;
	}
	ret->type = scalar_types[x->vtype & 15];
	ret->unknown_code = ret->type == AM_UNKNOWN ? x->vtype : 0;
	scalar_at(doc, clock, s, k, ret);
}

/* ---- pieces of a sequence ---- */

/* Runs are covered, and deleted, in id order: what is left is one stretch. */
static bool run_at(const am_doc *doc, const am_clock *clock, const struct am_span *x, struct am_piece *ret)
{
	uint32_t from = 0, to = x->n, c;

	if (!am_clock_covers(clock, x->id))
		return false;
	c = clock->max_op[x->id.actor];
	if (c - x->id.ctr < to - 1)
		to = c - x->id.ctr + 1;
	if (x->succ.ctr && x->succ.actor < clock->n) {
		c = clock->max_op[x->succ.actor];
		if (x->step >= 0) {
			if (c >= x->succ.ctr)
				from = c - x->succ.ctr < x->n ? c - x->succ.ctr + 1 : x->n;
		} else if (c >= x->succ.ctr) {
			to = 0;
		} else if (x->succ.ctr - c < to) {
			to = x->succ.ctr - c;
		}
	}
	if (from >= to)
		return false;
	ret->k = from;
	ret->n = to - from;
	ret->w = am_run_width(doc, x, from, ret->n);
	return true;
}

bool am_piece_at(const am_doc *doc, const am_clock *clock, uint32_t s, struct am_piece *ret)
{
	const struct am_span *x = &doc->ops->span.p[s];

	*ret = (struct am_piece){s, 0, x->n, s, x->w, false};
	if (x->reg != AM_NONE) {
		ret->win = am_reg_winner(doc, clock, x->reg, &ret->conflict);
		ret->w = ret->win == AM_NONE ? 0 : doc->ops->span.p[ret->win].w;
		return ret->win != AM_NONE;
	}
	if (x->n > 1 && clock)
		return run_at(doc, clock, x, ret);
	return am_op_visible(doc, clock, s);
}

/* Element of a piece that covers unit u of it; *u becomes its first unit. */
static uint32_t piece_elem(const am_doc *doc, const struct am_piece *p, size_t *u, size_t *ret_w)
{
	const struct am_span *x = &doc->ops->span.p[p->s];
	am_text_unit unit = doc->opts.text_unit;
	const uint8_t *at;
	size_t sum = 0, w = 0;
	uint32_t k;

	if (p->n == 1) {
		*u = 0;
		*ret_w = p->w;
		return p->k;
	}
	*ret_w = 1;
	if (p->w == p->n)
		return p->k + (uint32_t)*u;
	at = am_span_val(doc->ops, x) + am_span_offset(doc->ops, x, p->k);
	for (k = p->k;; k++) {
		size_t len = am_text_scalar(at[0]);
		w = unit == AM_UNIT_UTF8 ? len : unit == AM_UNIT_UTF16 && len == 4 ? 2 : 1;
		if (*u - sum < w || k + 1 == p->k + p->n)
			break;
		sum += w;
		at += len;
	}
	*u = sum;
	*ret_w = w;
	return k;
}

int am_elem_find(am_doc *doc, const am_clock *clock, uint32_t obj, size_t pos, struct am_elem *ret)
{
	struct am_ops *ops = doc->ops;
	struct am_elem e;
	size_t u;
	uint32_t s;

	if (!clock) {
		s = am_seq_find(ops, obj, pos, &e.span_start);
		if (s == AM_NONE || !am_piece_at(doc, NULL, s, &e.piece))
			return AM_E_INDEX;
	} else {
		e.span_start = 0;
		for (s = am_seq_first(ops, obj); s != AM_NONE; s = am_seq_next(ops, s)) {
			if (!am_piece_at(doc, clock, s, &e.piece))
				continue;
			if (pos - e.span_start < e.piece.w)
				break;
			e.span_start += e.piece.w;
		}
		if (s == AM_NONE)
			return AM_E_INDEX;
	}
	u = pos - e.span_start;
	e.k = piece_elem(doc, &e.piece, &u, &e.w);
	e.start = e.span_start + u;
	*ret = e;
	return AM_OK;
}

size_t am_elem_position(am_doc *doc, const am_clock *clock, uint32_t s, uint32_t k)
{
	struct am_ops *ops = doc->ops;
	struct am_piece p;
	size_t pos = 0;

	if (!clock)
		pos = am_seq_position(ops, s);
	else
		for (uint32_t t = am_seq_first(ops, ops->span.p[s].obj); t != s; t = am_seq_next(ops, t))
			if (am_piece_at(doc, clock, t, &p))
				pos += p.w;
	if (k && am_piece_at(doc, clock, s, &p) && k > p.k)
		pos += am_run_width(doc, &ops->span.p[s], p.k, k - p.k < p.n ? k - p.k : p.n);
	return pos;
}

size_t am_seq_length(am_doc *doc, const am_clock *clock, uint32_t obj)
{
	struct am_piece p;
	size_t n = 0;

	if (!clock)
		return am_seq_width(doc->ops, obj);
	for (uint32_t s = am_seq_first(doc->ops, obj); s != AM_NONE; s = am_seq_next(doc->ops, s))
		if (am_piece_at(doc, clock, s, &p))
			n += p.w;
	return n;
}

int am_obj_get(am_doc *doc, const am_clock *clock, am_objid id, uint32_t *ret)
{
	uint32_t slot = am_ops_object(doc->ops, id);

	if (slot == AM_NONE || (clock && slot && !am_clock_covers(clock, id)))
		return AM_E_NOT_FOUND;
	*ret = slot;
	return AM_OK;
}
