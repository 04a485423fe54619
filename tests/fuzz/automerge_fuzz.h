/* Shared by the libautomerge fuzzers. */
#ifndef AUTOMERGE_FUZZ_H
#define AUTOMERGE_FUZZ_H
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "automerge/automerge.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Small enough that a few bytes cannot ask for gigabytes. */
static inline am_opts fuzz_opts(void)
{
	return (am_opts){.max_ops = 20000, .max_inflate = 1 << 20, .max_orphans = 64};
}

/* A copy in which every plain chunk has the checksum its bytes ask for, so that
 * mutations get past it. */
static inline uint8_t *fix_checksums(const uint8_t *p, size_t n)
{
	uint8_t *q = malloc(n + 1), sum[SHA256_BYTES];
	size_t at = 0, len, k, shift;

	memcpy(q, p, n);
	while (at + 10 <= n) {
		memcpy(q + at, "\x85\x6f\x4a\x83", 4);
		for (len = shift = 0, k = at + 9; k < n && shift < 28; k++, shift += 7) {
			len |= (size_t)(q[k] & 0x7f) << shift;
			if (q[k] < 0x80)
				break;
		}
		if (k >= n || len > n - k - 1)
			break;
		sha256(sum, q + at + 8, k + 1 + len - at - 8);
		if (q[at + 8] != 2)
			memcpy(q + at + 4, sum, 4);
		at = k + 1 + len;
	}
	return q;
}

/* Whatever was accepted must save, and load in the strictest mode with the same heads. */
static inline void must_survive(am_doc *d)
{
	am_buf b = {0};
	am_doc *e;
	const am_hash *x, *y;
	size_t nx, ny;
	int rc = am_save(d, 0, &b);

	assert(rc == AM_OK);
	rc = am_load(b.p, b.n, NULL, 0, &e);
	assert(rc == AM_OK);
	x = am_heads(d, &nx);
	y = am_heads(e, &ny);
	assert(nx == ny && memcmp(x, y, nx * sizeof *x) == 0);
	am_free(e);
	am_buf_free(&b);
}
#endif
