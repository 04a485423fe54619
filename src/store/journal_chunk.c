#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/journal_impl.h"

/* Automerge's chunk container (automerge.md 3.1):
 * magic, checksum[4], type, uLEB length, body. A journal is good as far as its
 * chunks are whole and match their checksums. */

#define CHUNK_INFLATED_MAX (UINT64_C(1) << 30)

static const uint8_t chunk_magic[4] = {0x85, 0x6f, 0x4a, 0x83};

enum { CHUNK_DOCUMENT = 0, CHUNK_CHANGE = 1, CHUNK_DEFLATED = 2, CHUNK_BUNDLE = 3 };

struct chunk {
	uint8_t type;
	const uint8_t *sum;
	const uint8_t *head; /* the type byte, from where the checksum counts */
	const uint8_t *body;
	size_t body_n, whole_n;
};

static size_t leb_read(const uint8_t *p, size_t n, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n && i < 10; i++) {
		uint64_t bits = p[i] & 0x7f;

		if (i == 9 && bits > 1)
			return 0;
		value |= bits << (7 * i);
		if (!(p[i] & 0x80)) {
			*ret = value;
			return i + 1;
		}
	}
	return 0;
}

static size_t leb_write(uint8_t out[10], uint64_t value)
{
	size_t n = 0;

	do {
		out[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		value >>= 7;
	} while (value > 0);
	return n;
}

static bool chunk_split(const uint8_t *p, size_t n, struct chunk *ret)
{
	uint64_t body_n;
	size_t leb;

	if (n < 10 || memcmp(p, chunk_magic, sizeof chunk_magic) != 0)
		return false;
	leb = leb_read(p + 9, n - 9, &body_n);
	if (leb == 0 || body_n > n - 9 - leb)
		return false;
	*ret = (struct chunk){.type = p[8], .sum = p + 4, .head = p + 8, .body = p + 9 + leb,
			      .body_n = (size_t)body_n, .whole_n = 9 + leb + (size_t)body_n};
	return true;
}

static bool sum_matches(const struct chunk *c, const uint8_t *p, size_t n)
{
	uint8_t digest[SHA256_BYTES];

	sha256(digest, p, n);
	return memcmp(digest, c->sum, 4) == 0;
}

/* The checksum of a deflated change is that of the inflated one. */
static bool deflated_good(const struct chunk *c)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	uint64_t cap = c->body_n * 4 + 256;
	bool good = false;

	while (d && cap <= CHUNK_INFLATED_MAX) {
		uint8_t *out = xmalloc((size_t)cap + 11), leb[10];
		size_t n, leb_n;
		enum libdeflate_result rc =
			libdeflate_deflate_decompress(d, c->body, c->body_n, out + 11, (size_t)cap, &n);

		if (rc == LIBDEFLATE_SUCCESS) {
			leb_n = leb_write(leb, n);
			memcpy(out + 11 - leb_n, leb, leb_n);
			out[10 - leb_n] = CHUNK_CHANGE;
			good = sum_matches(c, out + 10 - leb_n, 1 + leb_n + n);
		}
		free(out);
		if (rc != LIBDEFLATE_INSUFFICIENT_SPACE)
			break;
		cap *= 4;
	}
	libdeflate_free_decompressor(d);
	return good;
}

static bool chunk_good(const struct chunk *c)
{
	if (c->type == CHUNK_DEFLATED)
		return deflated_good(c);
	if (c->type > CHUNK_BUNDLE)
		return false;
	return sum_matches(c, c->head, (size_t)(c->body + c->body_n - c->head));
}

size_t journal_good_prefix(const uint8_t *p, size_t n)
{
	struct chunk c;
	size_t at = 0;

	while (at < n && chunk_split(p + at, n - at, &c) && chunk_good(&c))
		at += c.whole_n;
	return at;
}

size_t journal_first_chunk(const uint8_t *p, size_t n)
{
	struct chunk c;

	return chunk_split(p, n, &c) ? c.whole_n : 0;
}
