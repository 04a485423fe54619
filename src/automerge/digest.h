/* Thin wrappers: SHA-256 (libcrypto through base/hash.h) and raw DEFLATE (libdeflate). */
#ifndef AUTOMERGE_DIGEST_H
#define AUTOMERGE_DIGEST_H
#include "automerge/mem.h"

/* Compressors (of small and of large input) and a decompressor, made on first use. */
struct am_deflater {
	void *compressor[2], *decompressor;
};
void am_deflater_fini(struct am_deflater *d);
/* Replaces out's content. AM_E_LIMIT above `max` bytes or a ratio of 2,000. */
int am_inflate(struct am_deflater *d, const uint8_t *p, size_t n, size_t max, struct am_out *out);
/* Appends the compressed form. */
int am_deflate(struct am_deflater *d, const uint8_t *p, size_t n, struct am_out *out);
#endif
