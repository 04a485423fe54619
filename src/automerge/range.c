/* The keys of a map in order, for reads of a part of them. One map at a time has an index of
 * its registers; it follows new keys, so that only the first read of a part costs the map. */
#include "automerge/view.h"

static int compare(const struct am_ops *ops, uint32_t r, const uint8_t *p, size_t n)
{
	const struct am_key *k = &ops->key.p[ops->reg.p[r].key];
	size_t least = k->n < n ? k->n : n;
	int c = least ? memcmp(am_key_text(ops, ops->reg.p[r].key), p, least) : 0;

	return c ? c : k->n < n ? -1 : k->n > n;
}

/* Place of the first register whose key is not below. */
static size_t lower_bound(const struct am_ops *ops, const uint8_t *p, size_t n)
{
	size_t lo = 0, hi = ops->keys.reg.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (compare(ops, ops->keys.reg.p[mid], p, n) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void am_keys_drop(struct am_ops *ops)
{
	ops->keys.obj = AM_NONE;
	ops->keys.reg.n = 0;
}

bool am_keys_add(struct am_ops *ops, uint32_t r)
{
	struct am_obj *o = &ops->obj.p[ops->keys.obj];
	const struct am_key *k = &ops->key.p[ops->reg.p[r].key];
	uint32_t *reg = ops->keys.reg.p, *from;
	size_t n = ops->keys.reg.n, at;

	if (n == ops->keys.reg.cap) {
		am_keys_drop(ops);
		return false;
	}
	at = lower_bound(ops, am_key_text(ops, ops->reg.p[r].key), k->n);
	memmove(reg + at + 1, reg + at, (n - at) * sizeof *reg);
	reg[at] = r;
	ops->keys.reg.n++;
	from = at ? &ops->reg.p[reg[at - 1]].next : &o->m.first;
	ops->reg.p[r].next = *from;
	*from = r;
	if (at == n)
		o->m.last = r;
	return true;
}

/* Builds the index of a map, with room for some more keys. */
static int keys_of(am_doc *doc, uint32_t obj)
{
	struct am_ops *ops = doc->ops;
	size_t n = 0;

	if (ops->keys.obj == obj)
		return AM_OK;
	am_keys_drop(ops);
	for (uint32_t r = ops->obj.p[obj].m.first; r != AM_NONE; r = ops->reg.p[r].next)
		n++;
	if (am_vec_reserve(&doc->a, &ops->keys.reg, n + n / 4 + 16))
		return AM_E_NOMEM;
	for (uint32_t r = ops->obj.p[obj].m.first; r != AM_NONE; r = ops->reg.p[r].next)
		ops->keys.reg.p[ops->keys.reg.n++] = r;
	ops->keys.obj = obj;
	return AM_OK;
}

/* The first register from a key on. A small map is looked through. */
static int first_from(am_doc *doc, uint32_t obj, const uint8_t *from, size_t from_n, uint32_t *ret)
{
	struct am_ops *ops = doc->ops;
	uint32_t r;
	size_t at;
	int rc = am_map_sort(doc, obj);

	if (rc == AM_OK && from && ops->obj.p[obj].hashed)
		rc = keys_of(doc, obj);
	if (rc)
		return rc;
	r = ops->obj.p[obj].m.first;
	if (from && ops->obj.p[obj].hashed) {
		at = lower_bound(ops, from, from_n);
		r = at < ops->keys.reg.n ? ops->keys.reg.p[at] : AM_NONE;
	} else if (from) {
		while (r != AM_NONE && compare(ops, r, from, from_n) < 0)
			r = ops->reg.p[r].next;
	}
	*ret = r;
	return AM_OK;
}

/* The list stays as it is whatever the callback reads, which the index does not. */
int am_map_range(am_doc *doc, const am_view *view, am_objid obj, const char *from, size_t from_n, const char *to,
		 size_t to_n, am_map_fn fn, void *ctx)
{
	const am_clock *clock = am_scope(doc, view);
	struct am_ops *ops = doc->ops;
	uint32_t slot, r = AM_NONE;
	am_value v;
	int rc = am_obj_get(doc, clock, obj, &slot);

	if (rc == AM_OK && !am_obj_is_map(&ops->obj.p[slot]))
		rc = AM_E_TYPE;
	if (rc == AM_OK)
		rc = first_from(doc, slot, (const uint8_t *)from, from_n, &r);
	for (; rc == 0 && r != AM_NONE; r = ops->reg.p[r].next) {
		bool conflict;
		uint32_t win;
		if (to && compare(ops, r, (const uint8_t *)to, to_n) >= 0)
			break;
		win = am_reg_winner(doc, clock, r, &conflict);
		if (win == AM_NONE)
			continue;
		am_value_at(doc, clock, win, 0, &v);
		v.conflict = conflict;
		rc = fn(ctx, (const char *)am_key_text(ops, ops->reg.p[r].key), ops->key.p[ops->reg.p[r].key].n, &v);
	}
	return rc;
}
