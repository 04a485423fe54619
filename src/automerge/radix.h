/* Stable sort of small records by a 64-bit key. */
#ifndef AUTOMERGE_RADIX_H
#define AUTOMERGE_RADIX_H
#include "automerge/op.h"

struct am_keyed {
	uint64_t key; /* actor << 32 | counter */
	uint32_t a, b;
};
static inline uint64_t am_id_key(am_id id) { return (uint64_t)id.actor << 32 | id.ctr; }
static inline am_id am_key_id(uint64_t key) { return (am_id){(uint32_t)key, (uint32_t)(key >> 32)}; }
/* Least significant byte first; bytes in which all keys agree cost nothing. */
int am_radix_sort(const am_allocator *a, struct am_keyed *v, size_t n);
#endif
