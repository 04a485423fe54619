/* Random numbers from a seed: the key stream of ChaCha20 (RFC 8439) under nonce zero. */
#ifndef AUTOMERGE_CHACHA_H
#define AUTOMERGE_CHACHA_H
#include <stddef.h>
#include <stdint.h>

struct am_chacha {
	uint32_t state[16];
	uint8_t block[64];
	size_t used; /* of block */
};
void am_chacha_init(struct am_chacha *c, const uint8_t seed[32]);
uint32_t am_chacha_u32(struct am_chacha *c);
uint64_t am_chacha_u64(struct am_chacha *c);
/* Evenly from 0 .. below - 1; below > 0. */
uint32_t am_chacha_below(struct am_chacha *c, uint32_t below);
#endif
