/* Map keys and mark names: each stands once in the document, under an index. */
#include "automerge/slots.h"

static uint32_t bytes_hash(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return am_mix((uint32_t)(h >> 32), (uint32_t)h);
}

uint32_t am_key_find(const struct am_ops *ops, const uint8_t *p, size_t n)
{
	uint32_t hash = bytes_hash(p, n);

	if (!ops->key_slots)
		return AM_NONE;
	for (size_t i = hash & (ops->key_slots - 1); ops->key_slot[i] != AM_NONE; i = (i + 1) & (ops->key_slots - 1)) {
		const struct am_key *k = &ops->key.p[ops->key_slot[i]];
		if (k->hash == hash && k->n == n && (n == 0 || memcmp(ops->names.p + k->off, p, n) == 0))
			return ops->key_slot[i];
	}
	return AM_NONE;
}

int am_key_intern(am_doc *doc, const uint8_t *p, size_t n, uint32_t *ret)
{
	struct am_ops *ops = doc->ops;
	uintptr_t from = (uintptr_t)ops->names.p;
	uint32_t k = am_key_find(ops, p, n);

	if (k == AM_NONE) {
		if (n > UINT32_MAX / 2 - ops->names.n)
			return AM_E_LIMIT;
		if (am_slots_reserve(doc, &ops->key_slot, &ops->key_slots, ops->key.n, am_key_hash) ||
		    am_vec_reserve(&doc->a, &ops->key, 1) || am_vec_reserve(&doc->a, &ops->names, n + 1))
			return AM_E_NOMEM;
		p = am_moved(p, from, ops->names.n, ops->names.p); /* part of another key */
		k = (uint32_t)ops->key.n++;
		ops->key.p[k] = (struct am_key){(uint32_t)ops->names.n, (uint32_t)n, bytes_hash(p, n)};
		if (n)
			memcpy(ops->names.p + ops->names.n, p, n);
		ops->names.n += n;
		am_slot_put(ops->key_slot, ops->key_slots, ops->key.p[k].hash, k);
	}
	*ret = k;
	return AM_OK;
}

int am_key_cmp(const struct am_ops *ops, uint32_t a, uint32_t b)
{
	const struct am_key *x = &ops->key.p[a], *y = &ops->key.p[b];
	int c = memcmp(am_key_text(ops, a), am_key_text(ops, b), x->n < y->n ? x->n : y->n);

	if (c)
		return c;
	return x->n < y->n ? -1 : x->n > y->n;
}
