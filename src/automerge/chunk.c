#include "automerge/chunk.h"

#include "base/hash.h"

static const uint8_t magic[4] = {0x85, 0x6f, 0x4a, 0x83};

/* The hashed bytes (type, length, body) lie in one piece in any well-formed chunk. */
static void hash_piece(const uint8_t *from, size_t n, am_hash *ret)
{
	sha256(ret->b, from, n);
}

int am_chunk_next(struct am_in *in, struct am_chunk *ret)
{
	struct am_in at = *in;
	struct am_chunk c = {.whole = at.p};
	const uint8_t *p;
	size_t n;
	uint64_t len;
	int rc;

	n = am_in_left(&at) < sizeof magic ? am_in_left(&at) : sizeof magic;
	if (memcmp(at.p, magic, n) != 0)
		return AM_E_MAGIC;
	if (am_in_left(&at) < 9)
		return AM_E_EOF;
	memcpy(c.sum, at.p + 4, sizeof c.sum);
	p = at.p + 8;
	c.type = *p;
	at.p += 9;
	if (c.type > AM_CHUNK_BUNDLE)
		return AM_E_FORMAT;
	rc = am_in_uleb(&at, &len);
	if (rc)
		return rc;
	if (len > am_in_left(&at))
		return AM_E_EOF;
	c.body = at.p;
	c.n = (size_t)len;
	at.p += c.n;
	c.whole_n = (size_t)(at.p - c.whole);
	if (c.type != AM_CHUNK_DEFLATED) {
		hash_piece(p, (size_t)(at.p - p), &c.hash);
		if (memcmp(c.hash.b, c.sum, sizeof c.sum) != 0)
			return AM_E_CHECKSUM;
	}
	*in = at;
	*ret = c;
	return AM_OK;
}

size_t am_chunk_seal(struct am_out *o, uint8_t type, am_hash *ret_hash)
{
	uint8_t len[AM_LEB_MAX];
	size_t n = am_uleb_write(len, o->n - AM_CHUNK_HEAD_MAX);
	size_t start = AM_CHUNK_HEAD_MAX - 9 - n;

	memcpy(o->p + start, magic, sizeof magic);
	o->p[start + 8] = type;
	memcpy(o->p + start + 9, len, n);
	hash_piece(o->p + start + 8, o->n - start - 8, ret_hash);
	memcpy(o->p + start + 4, ret_hash->b, 4);
	return start;
}
