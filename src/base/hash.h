/* SHA-256 and HMAC-SHA-256. libcrypto's plain functions are used: they need no
 * library context, which keeps start-up and an idle daemon small. */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define SHA256_BYTES 32
#define SHA256_HEX_BYTES 65 /* with NUL */

void sha256(uint8_t out[SHA256_BYTES], const void *p, size_t n);
/* Lower-case hex with a NUL. */
static inline void sha256_hex(char out[SHA256_HEX_BYTES], const void *p, size_t n)
{
	uint8_t digest[SHA256_BYTES];
	sha256(digest, p, n);
	hex_encode(out, digest, sizeof digest);
}

struct hash_part {
	const void *p;
	size_t n;
};
/* Over the concatenation of parts, no separators (Jupyter wire protocol). */
void hmac_sha256(uint8_t out[SHA256_BYTES], const void *key, size_t key_n, const struct hash_part *parts,
		 size_t n_parts);
/* Equality in time that depends on n alone. */
bool bytes_equal_ct(const void *a, const void *b, size_t n);
#endif
