/* Hash tables of indices: which register, object or key of a pool has a value. Open addressing, sizes powers of two. */
#ifndef AUTOMERGE_SLOTS_H
#define AUTOMERGE_SLOTS_H
#include "automerge/span.h"

typedef uint32_t (*am_entry_hash)(const struct am_ops *ops, uint32_t entry);

static inline uint32_t am_mix(uint32_t a, uint32_t b)
{
	uint64_t x = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u;

	x ^= x >> 29;
	return (uint32_t)((x * 0xbf58476d1ce4e5b9u) >> 32);
}

static inline uint32_t am_reg_hash(const struct am_ops *ops, uint32_t i)
{
	return am_mix(ops->reg.p[i].obj, ops->reg.p[i].key);
}
static inline uint32_t am_obj_hash(const struct am_ops *ops, uint32_t i)
{
	return am_mix(ops->obj.p[i].id.ctr, ops->obj.p[i].id.actor);
}
static inline uint32_t am_key_hash(const struct am_ops *ops, uint32_t i)
{
	return ops->key.p[i].hash;
}

/* Keeps a table at most two thirds full with one more entry. AM_E_NOMEM. */
int am_slots_reserve(am_doc *doc, uint32_t **slot, size_t *n, size_t used, am_entry_hash hash);
/* There is room. */
static inline void am_slot_put(uint32_t *slot, size_t n, uint32_t hash, uint32_t entry)
{
	size_t i = hash & (n - 1);

	while (slot[i] != AM_NONE)
		i = (i + 1) & (n - 1);
	slot[i] = entry;
}
/* The entry is there. */
void am_slot_drop(const struct am_ops *ops, uint32_t *slot, size_t n, uint32_t entry, am_entry_hash hash);
#endif
