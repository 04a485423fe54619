/* Bloom filters of sync messages: which changes a peer has, approximately. */
#ifndef AUTOMERGE_BLOOM_H
#define AUTOMERGE_BLOOM_H
#include "automerge/leb.h"

struct am_bloom {
	const uint8_t *bits; /* borrowed */
	uint32_t entries;    /* hashes it was made of */
	uint32_t n_bits;     /* 8 times the bytes; 0 = empty filter, holds nothing */
	uint32_t probes;
};
/* A filter as found in a message (zero bytes = empty). AM_E_FORMAT when its
 * parameters are absurd or do not fit its size. */
int am_bloom_parse(const uint8_t *p, size_t n, struct am_bloom *ret);
bool am_bloom_has(const struct am_bloom *b, const am_hash *h);

/* Writing: the header and zeroed bits for n entries are appended; returns where
 * the bits start. Nothing is written for n = 0. */
size_t am_bloom_bytes(size_t n); /* header included */
size_t am_bloom_begin(struct am_out *o, size_t n);
void am_bloom_add(struct am_out *o, size_t bits_at, const am_hash *h);
#endif
