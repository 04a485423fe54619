/* Cursors: stable places in a sequence (automerge format 1.10). */
#include "automerge/view.h"

static const char hex_digits[] = "0123456789abcdef";

static void put_id(const am_doc *doc, struct am_out *o, am_id id)
{
	const struct am_actor *a = &doc->actors.v.p[id.actor];
	char num[12];
	int n = 0;

	for (uint32_t c = id.ctr; c || !n; c /= 10)
		num[n++] = (char)('0' + c % 10);
	while (n)
		am_out_byte(o, (uint8_t)num[--n]);
	am_out_byte(o, '@');
	for (size_t i = 0; i < a->n; i++) {
		am_out_byte(o, (uint8_t)hex_digits[a->p[i] >> 4]);
		am_out_byte(o, (uint8_t)hex_digits[a->p[i] & 15]);
	}
}

static int seq_slot(am_doc *doc, const am_clock *clock, am_objid obj, uint32_t *ret)
{
	int rc = am_obj_get(doc, clock, obj, ret);

	return rc ? rc : am_obj_is_map(&doc->ops->obj.p[*ret]) ? AM_E_TYPE : AM_OK;
}

/* A cursor names the operation that is seen at its place: the element's own
 * insertion, or the latest write to it. */
static am_id seen_id(const am_doc *doc, const struct am_elem *e)
{
	const struct am_ops *ops = doc->ops;

	if (e->piece.win == e->piece.s)
		return am_id_plus(ops->span.p[e->piece.s].id, e->k);
	return ops->span.p[e->piece.win].id;
}

/* The insert span of the element an operation belongs to. */
static uint32_t elem_of(const am_doc *doc, uint32_t s, uint32_t *k)
{
	const struct am_span *x = &doc->ops->span.p[s];

	return x->flags & AM_SPAN_INSERT ? s : am_ops_find(doc->ops, x->key, k);
}

int am_cursor(am_doc *doc, const am_view *view, am_objid obj, size_t pos, am_move move, am_buf *out)
{
	const am_clock *clock = am_scope(doc, view);
	struct am_out o = {.a = &doc->a};
	struct am_elem e;
	uint32_t slot;
	int rc = seq_slot(doc, clock, obj, &slot);

	if (rc)
		return rc;
	if (pos == SIZE_MAX || am_elem_find(doc, clock, slot, pos, &e)) {
		am_out_byte(&o, 'e');
	} else {
		if (move == AM_MOVE_BEFORE)
			am_out_byte(&o, '-');
		put_id(doc, &o, seen_id(doc, &e));
	}
	rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool actor_is_hex(const struct am_actor *a, const char *hex, size_t n)
{
	if (n != a->n * 2)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (hex_value(hex[2 * i]) != a->p[i] >> 4 || hex_value(hex[2 * i + 1]) != (a->p[i] & 15))
			return false;
	return true;
}

static int parse_id(const am_doc *doc, const char *p, size_t n, am_id *ret)
{
	uint64_t ctr = 0;
	size_t i = 0;

	for (; i < n && p[i] >= '0' && p[i] <= '9' && ctr <= UINT32_MAX; i++)
		ctr = ctr * 10 + (uint64_t)(p[i] - '0');
	if (i == 0 || i == n || p[i] != '@' || ctr > UINT32_MAX)
		return AM_E_CURSOR;
	i++;
	for (size_t k = i; k < n; k++)
		if (hex_value(p[k]) < 0)
			return AM_E_CURSOR;
	for (uint32_t a = 0; a < doc->actors.v.n; a++) {
		if (actor_is_hex(&doc->actors.v.p[a], p + i, n - i)) {
			*ret = (am_id){(uint32_t)ctr, a};
			return AM_OK;
		}
	}
	return AM_E_CURSOR;
}

/* Whether element k of span s, or span s as a later write, is what is seen. The ends of
 * marks count, of no width though they are: so the crate has it. */
static bool op_is_seen(const am_doc *doc, const am_clock *clock, uint32_t s, uint32_t k)
{
	const struct am_span *x = &doc->ops->span.p[s];
	struct am_piece p;
	bool conflict;

	if (x->action == AM_ACT_MARK)
		return true;
	if (x->reg != AM_NONE)
		return am_reg_winner(doc, clock, x->reg, &conflict) == s;
	return am_piece_at(doc, clock, s, &p) && k >= p.k && k < p.k + p.n;
}

/* Where the cursor's operation was, when it is not seen: the operation it refers
 * to that still is. An element written to again is passed over in this walk, as
 * npm does, so that all replicas agree. */
static int position_before(am_doc *doc, const am_clock *clock, uint32_t s, uint32_t k, size_t *ret)
{
	while (!op_is_seen(doc, clock, s, k)) {
		const struct am_span *x = &doc->ops->span.p[s];
		am_id ref = k ? am_id_plus(x->id, k - 1) : x->key;
		if (am_id_is_null(ref)) {
			*ret = 0;
			return AM_OK;
		}
		s = am_ops_find(doc->ops, ref, &k);
	}
	s = elem_of(doc, s, &k);
	*ret = am_elem_position(doc, clock, s, k);
	return AM_OK;
}

int am_cursor_position(am_doc *doc, const am_view *view, am_objid obj, const char *cursor, size_t n, size_t *ret_pos)
{
	const am_clock *clock = am_scope(doc, view);
	bool before = n > 0 && cursor[0] == '-';
	uint32_t slot, s, k;
	am_id id;
	int rc = seq_slot(doc, clock, obj, &slot);

	if (rc)
		return rc;
	if (n == 1 && (cursor[0] == 's' || cursor[0] == 'e')) {
		*ret_pos = cursor[0] == 's' ? 0 : am_seq_length(doc, clock, slot);
		return AM_OK;
	}
	rc = parse_id(doc, cursor + before, n - before, &id);
	if (rc)
		return rc;
	s = am_ops_find(doc->ops, id, &k);
	if (s == AM_NONE || doc->ops->span.p[s].obj != slot || (clock && !am_clock_covers(clock, id)))
		return AM_E_CURSOR;
	if (before)
		return position_before(doc, clock, s, k, ret_pos);
	s = elem_of(doc, s, &k);
	*ret_pos = am_elem_position(doc, clock, s, k);
	return AM_OK;
}
