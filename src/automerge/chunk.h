/* The container of everything stored: magic, checksum, type, length, body. */
#ifndef AUTOMERGE_CHUNK_H
#define AUTOMERGE_CHUNK_H
#include "automerge/digest.h"
#include "automerge/leb.h"

enum { AM_CHUNK_DOCUMENT = 0, AM_CHUNK_CHANGE = 1, AM_CHUNK_DEFLATED = 2, AM_CHUNK_BUNDLE = 3 };
#define AM_CHUNK_HEAD_MAX (4 + 4 + 1 + AM_LEB_MAX)

struct am_chunk {
	uint8_t type;
	const uint8_t *body;  /* as stored */
	size_t n;
	const uint8_t *whole; /* from the magic on */
	size_t whole_n;
	uint8_t sum[4];
	am_hash hash;         /* of types 0, 1, 3; checked against the checksum */
};
/* The next chunk, borrowed from the input, which must not be empty. Checks the
 * checksum, except that of type 2, which covers the inflated body. */
int am_chunk_next(struct am_in *in, struct am_chunk *ret);
/* Writes magic, checksum, type and length of a chunk whose body is at
 * o->p + AM_CHUNK_HEAD_MAX .. o->n, directly before the body. Returns where the
 * chunk starts. */
size_t am_chunk_seal(struct am_out *o, uint8_t type, am_hash *ret_hash);
#endif
