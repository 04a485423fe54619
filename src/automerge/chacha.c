#include "automerge/chacha.h"

#include <string.h>

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void quarter(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

void am_chacha_init(struct am_chacha *c, const uint8_t seed[32])
{
	static const uint8_t name[] = "expand 32-byte k";

	*c = (struct am_chacha){.used = sizeof c->block};
	for (int i = 0; i < 4; i++)
		c->state[i] = load32(name + 4 * i);
	for (int i = 0; i < 8; i++)
		c->state[4 + i] = load32(seed + 4 * i);
}

static void next_block(struct am_chacha *c)
{
	uint32_t x[16];

	memcpy(x, c->state, sizeof x);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 4; i++)
			quarter(x, i, 4 + i, 8 + i, 12 + i);
		for (int i = 0; i < 4; i++)
			quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
	}
	for (int i = 0; i < 16; i++) {
		x[i] += c->state[i];
		for (int k = 0; k < 4; k++)
			c->block[4 * i + k] = (uint8_t)(x[i] >> 8 * k);
	}
	if (++c->state[12] == 0) /* 256 GiB: on into the nonce */
		c->state[13]++;
	c->used = 0;
}

uint32_t am_chacha_u32(struct am_chacha *c)
{
	if (c->used == sizeof c->block)
		next_block(c);
	c->used += 4;
	return load32(c->block + c->used - 4);
}

uint64_t am_chacha_u64(struct am_chacha *c)
{
	uint64_t low = am_chacha_u32(c);

	return low | (uint64_t)am_chacha_u32(c) << 32;
}

/* The high half of a product (Lemire); low halves that would favour some are drawn again. */
uint32_t am_chacha_below(struct am_chacha *c, uint32_t below)
{
	uint64_t m = (uint64_t)am_chacha_u32(c) * below;

	while ((uint32_t)m < -below % below)
		m = (uint64_t)am_chacha_u32(c) * below;
	return (uint32_t)(m >> 32);
}
