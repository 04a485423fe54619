#include "automerge/bloom.h"

#define BITS_PER_ENTRY 10
#define PROBES 7
#define MAX_PROBES 64
#define MAX_ENTRIES 400000000 /* bit numbers have 32 bits */

static uint32_t word(const am_hash *h, size_t at)
{
	return (uint32_t)h->b[at] | (uint32_t)h->b[at + 1] << 8 | (uint32_t)h->b[at + 2] << 16 |
	       (uint32_t)h->b[at + 3] << 24;
}

/* The bits of one hash, one after the other (automerge format 11.3). */
struct probe {
	uint32_t x, y, z, m;
};

static inline struct probe probe_first(const am_hash *h, uint32_t m)
{
	return (struct probe){word(h, 0) % m, word(h, 4) % m, word(h, 8) % m, m};
}

static inline uint32_t add_mod(uint32_t a, uint32_t b, uint32_t m)
{
	return a >= m - b ? a - (m - b) : a + b; /* both are less than m */
}

static inline void probe_next(struct probe *p)
{
	p->x = add_mod(p->x, p->y, p->m);
	p->y = add_mod(p->y, p->z, p->m);
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
	if ((entries && !bits) || am_in_left(&in) > UINT32_MAX / 8)
		return AM_E_FORMAT;
	ret->bits = in.p;
	ret->entries = (uint32_t)entries;
	ret->n_bits = (uint32_t)am_in_left(&in) * 8;
	ret->probes = probes ? (uint32_t)probes : 1; /* the first is always made */
	return AM_OK;
}

bool am_bloom_has(const struct am_bloom *b, const am_hash *h)
{
	struct probe p;

	if (!b->n_bits)
		return false;
	p = probe_first(h, b->n_bits);
	for (uint32_t i = 0; i < b->probes; i++) {
		if (!(b->bits[p.x >> 3] >> (p.x & 7) & 1))
			return false;
		probe_next(&p);
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
	struct probe p = probe_first(h, (uint32_t)((o->n - bits_at) * 8));
	uint8_t *bits = o->p + bits_at;

	for (int i = 0; i < PROBES; i++) {
		bits[p.x >> 3] |= (uint8_t)(1u << (p.x & 7));
		probe_next(&p);
	}
}

/* ---- public ---- */

int am_bloom_make(const am_hash *hashes, size_t n, const am_allocator *alloc, am_buf *out)
{
	am_allocator a = am_mem_allocator(alloc);
	struct am_out o = {.a = &a};
	size_t at;
	int rc;

	if (n > MAX_ENTRIES)
		return AM_E_LIMIT;
	at = am_bloom_begin(&o, n);
	for (size_t i = 0; i < n && !o.err; i++)
		am_bloom_add(&o, at, &hashes[i]);
	rc = o.err ? o.err : am_buf_set(out, &a, o.p, o.n);
	am_out_free(&o);
	return rc;
}

int am_bloom_has_hash(const void *p, size_t n, const am_hash *hash, bool *ret)
{
	struct am_bloom b;
	int rc = am_bloom_parse(p, n, &b);

	if (rc)
		return AM_E_FORMAT;
	*ret = am_bloom_has(&b, hash);
	return AM_OK;
}
