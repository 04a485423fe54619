/* Change chunks: parsing, the canonical encoding, what can be checked of a
 * change alone. */
#ifndef AUTOMERGE_CHANGE_H
#define AUTOMERGE_CHANGE_H
#include "automerge/actor.h"
#include "automerge/chunk.h"
#include "automerge/opcol.h"

/* Encoders and buffers kept from call to call, one set per document. */
struct am_scratch {
	am_allocator a;
	struct am_op_enc *enc;  /* made when needed */
	struct am_out body;     /* the chunk being built */
	struct am_out inflated;
	struct am_out deps;     /* of the change that was last asked for */
	struct am_deflater deflater;
	uint32_t *map;          /* local actor -> index in the change being built */
	uint32_t *stamp;        /* map[i] is valid when stamp[i] == now */
	size_t n_map;
	uint32_t now;
	AM_VEC(uint32_t) others;
};
int am_scratch_new(const am_allocator *a, struct am_scratch **ret);
void am_scratch_free(struct am_scratch *s);
/* Gives back large buffers after something large went through. What was built last is gone. */
void am_scratch_trim(struct am_scratch *s);
/* The same, but the chunk built last stays valid. */
void am_scratch_trim_columns(struct am_scratch *s);
/* Gives back everything that can be made again. */
void am_scratch_drop(struct am_scratch *s);

struct am_limits {
	size_t max_inflate;
	uint64_t max_ops;
};
/* Those of the options, which may be NULL. */
struct am_limits am_opts_limits(const am_opts *opts);
/* Parses a change chunk (plain or deflated) into *ret, which owns copies of
 * everything; ids are indices into ret->actors. */
int am_change_parse(struct am_scratch *s, const struct am_chunk *ch, const struct am_limits *lim, am_change *ret);
/* AM_E_POISON unless the bytes are the canonical encoding of what was parsed
 * and the operations are such as every reader can re-create from a document
 * (automerge format, validation of changes). Call before resolving. */
int am_change_verify(struct am_scratch *s, const am_change *c);
/* Of one operation, what am_change_verify asks beside the bytes; its actors are in c->actors. */
bool am_change_op_is_sound(const am_change *c, const am_op *op);
/* Turns actor indices into local ones, interning new actors. On error the
 * change is unchanged; actors stay interned (see am_actors_truncate). */
int am_change_resolve(struct am_actors *t, const am_allocator *a, am_change *c);
/* Encodes a change with local ids; sets c->hash. The plain chunk is borrowed
 * until the next use of the scratch. */
int am_change_build(struct am_scratch *s, const struct am_actors *t, am_change *c, struct am_bytes *ret);

/* The author footer of crate 0.12: extra bytes starting 01 len bytes. ret may be NULL. (author.c) */
bool am_change_author(const uint8_t *extra, size_t n, struct am_bytes *ret);
#endif
