#include "automerge/bloom.h"

#define BITS_PER_ENTRY 10
#define PROBES 7
#define MAX_PROBES 64

static uint32_t word(const am_hash *h, size_t at)
{
	return (uint32_t)h->b[at] | (uint32_t)h->b[at + 1] << 8 | (uint32_t)h->b[at + 2] << 16 |
	       (uint32_t)h->b[at + 3] << 24;
}

int am_bloom_parse(const uint8_t *p, size_t n, struct am_bloom *ret)
{
	struct am_in in = am_in_of(p, n);
	uint64_t entries, bits, probes;
	int rc;

	*ret = (struct am_bloom){0};
	if (n == 0)
		return AM_OK;
	if ((rc = am_in_uleb(&in, &entries)) || (rc = am_in_uleb(&in, &bits)) || (rc = am_in_uleb(&in, &probes)))
		return rc;
	if (entries > UINT32_MAX || bits > UINT32_MAX || probes > MAX_PROBES)
		return AM_E_FORMAT;
	if ((entries * bits + 7) / 8 != am_in_left(&in))
		return AM_E_FORMAT;
	if (entries && !bits)
		return AM_E_FORMAT;
	ret->bits = in.p;
	ret->n_bits = (uint64_t)am_in_left(&in) * 8;
	ret->probes = (uint32_t)probes;
	return AM_OK;
}

bool am_bloom_has(const struct am_bloom *b, const am_hash *h)
{
	uint64_t m = b->n_bits, x, y, z;

	if (!m)
		return false;
	x = word(h, 0) % m;
	y = word(h, 4) % m;
	z = word(h, 8) % m;
	for (uint32_t i = 0; i < b->probes; i++) {
		if (i) {
			x = (x + y) % m;
			y = (y + z) % m;
		}
		if (!(b->bits[x >> 3] >> (x & 7) & 1))
			return false;
	}
	return true;
}

size_t am_bloom_bytes(size_t n)
{
	uint8_t tmp[AM_LEB_MAX];

	return n ? am_uleb_write(tmp, n) + 2 + (n * BITS_PER_ENTRY + 7) / 8 : 0;
}

size_t am_bloom_begin(struct am_out *o, size_t n)
{
	size_t bytes = (n * BITS_PER_ENTRY + 7) / 8, at;

	if (!n)
		return o->n;
	am_out_uleb(o, n);
	am_out_uleb(o, BITS_PER_ENTRY);
	am_out_uleb(o, PROBES);
	at = o->n;
	if (am_out_need(o, bytes)) {
		memset(o->p + at, 0, bytes);
		o->n += bytes;
	}
	return at;
}

void am_bloom_add(struct am_out *o, size_t bits_at, const am_hash *h)
{
	uint32_t m = (uint32_t)((o->n - bits_at) * 8), x, y, z;

	x = word(h, 0) % m;
	y = word(h, 4) % m;
	z = word(h, 8) % m;
	for (int i = 0; i < PROBES; i++) {
		if (i) {
			x = x + y >= m ? x + y - m : x + y;
			y = y + z >= m ? y + z - m : y + z;
		}
		o->p[bits_at + (x >> 3)] |= (uint8_t)(1u << (x & 7));
	}
}
