#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/hash.h"

#include <openssl/sha.h>
#include <string.h>

void sha256(uint8_t out[SHA256_BYTES], const void *p, size_t n)
{
	SHA256_CTX c;
	SHA256_Init(&c);
	SHA256_Update(&c, p, n);
	SHA256_Final(out, &c);
}

/* RFC 2104. */
void hmac_sha256(uint8_t out[SHA256_BYTES], const void *key, size_t key_n, const struct hash_part *parts,
		 size_t n_parts)
{
	uint8_t block[SHA256_CBLOCK] = {0}, inner[SHA256_BYTES];
	SHA256_CTX c;

	if (key_n > sizeof block)
		sha256(block, key, key_n);
	else if (key_n)
		memcpy(block, key, key_n);
	for (size_t i = 0; i < sizeof block; i++)
		block[i] ^= 0x36;
	SHA256_Init(&c);
	SHA256_Update(&c, block, sizeof block);
	for (size_t i = 0; i < n_parts; i++)
		SHA256_Update(&c, parts[i].p, parts[i].n);
	SHA256_Final(inner, &c);

	for (size_t i = 0; i < sizeof block; i++)
		block[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&c);
	SHA256_Update(&c, block, sizeof block);
	SHA256_Update(&c, inner, sizeof inner);
	SHA256_Final(out, &c);
}

bool bytes_equal_ct(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	uint8_t diff = 0;
	for (size_t i = 0; i < n; i++)
		diff |= (uint8_t)(x[i] ^ y[i]);
	return diff == 0;
}
