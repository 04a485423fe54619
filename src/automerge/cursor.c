/* Cursors: stable places in a sequence (automerge format 1.10). */
#include <stdio.h>

#include "automerge/id.h"
#include "automerge/leb.h"
#include "automerge/view.h"

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
		am_id_put(doc, &o, seen_id(doc, &e));
	}
	rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

static int parse_id(const am_doc *doc, const char *p, size_t n, am_id *ret)
{
	const char *hex;
	size_t hex_n;
	uint64_t ctr;
	uint32_t actor;

	if (!am_id_split(p, n, &ctr, &hex, &hex_n) || ctr > UINT32_MAX)
		return AM_E_CURSOR;
	actor = am_id_actor(doc, hex, hex_n);
	if (actor == AM_NONE)
		return AM_E_CURSOR;
	*ret = (am_id){(uint32_t)ctr, actor};
	return AM_OK;
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

/* ---- the form in bytes ---- */

enum { CURSOR_VERSION = 1, CURSOR_START = 1, CURSOR_END = 2, CURSOR_OP = 3, CURSOR_BEFORE = 1, CURSOR_AFTER = 2 };

static int encode(const char *cursor, size_t n, struct am_out *o)
{
	bool before = n > 0 && cursor[0] == '-';
	const char *hex;
	size_t hex_n;
	uint64_t ctr;

	am_out_byte(o, CURSOR_VERSION);
	if (n == 1 && (cursor[0] == 's' || cursor[0] == 'e')) {
		am_out_byte(o, cursor[0] == 's' ? CURSOR_START : CURSOR_END);
		return o->err;
	}
	if (!am_id_split(cursor + before, n - before, &ctr, &hex, &hex_n))
		return AM_E_CURSOR;
	am_out_byte(o, CURSOR_OP);
	am_out_uleb(o, hex_n / 2);
	for (size_t i = 0; i < hex_n; i += 2)
		am_out_byte(o, am_hex_byte(hex + i));
	am_out_uleb(o, ctr);
	am_out_byte(o, before ? CURSOR_BEFORE : CURSOR_AFTER);
	return o->err;
}

/* Version 0 had neither ends nor cursors that go to what is before. */
static int decode(struct am_in *in, struct am_out *o)
{
	const uint8_t *version, *kind, *actor, *move;
	size_t actor_n;
	uint64_t ctr;
	char num[24];

	if (am_in_bytes(in, 1, &version) || *version > CURSOR_VERSION)
		return AM_E_CURSOR;
	if (*version && am_in_bytes(in, 1, &kind))
		return AM_E_CURSOR;
	if (*version && (*kind == CURSOR_START || *kind == CURSOR_END)) {
		am_out_byte(o, *kind == CURSOR_START ? 's' : 'e');
		return in->p == in->end ? o->err : AM_E_CURSOR;
	}
	if ((*version && *kind != CURSOR_OP) || am_in_block(in, &actor, &actor_n) || am_in_uleb(in, &ctr))
		return AM_E_CURSOR;
	if (*version && (am_in_bytes(in, 1, &move) || (*move != CURSOR_BEFORE && *move != CURSOR_AFTER)))
		return AM_E_CURSOR;
	if (in->p != in->end)
		return AM_E_CURSOR;
	if (*version && *move == CURSOR_BEFORE)
		am_out_byte(o, '-');
	am_out_put(o, num, (size_t)snprintf(num, sizeof num, "%llu@", (unsigned long long)ctr));
	am_hex_put(o, actor, actor_n);
	return o->err;
}

int am_cursor_encode(const char *cursor, size_t n, am_buf *out)
{
	am_allocator a = am_mem_allocator(&out->a);
	struct am_out o = {.a = &a};
	int rc = encode(cursor, n, &o);

	if (rc == AM_OK)
		rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

int am_cursor_decode(const void *p, size_t n, am_buf *out)
{
	am_allocator a = am_mem_allocator(&out->a);
	struct am_out o = {.a = &a};
	struct am_in in = am_in_of(p, n);
	int rc = decode(&in, &o);

	if (rc == AM_OK)
		rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}
