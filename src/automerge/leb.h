/* Reading cursor and LEB128 integers. Readers are strict (shortest form only)
 * unless called `_any`; writers give the shortest form. */
#ifndef AUTOMERGE_LEB_H
#define AUTOMERGE_LEB_H
#include "automerge/mem.h"

struct am_in {
	const uint8_t *p, *end;
};
static inline struct am_in am_in_of(const void *p, size_t n)
{
	const uint8_t *b = p ? p : (const uint8_t *)"";

	return (struct am_in){b, b + n};
}
static inline size_t am_in_left(const struct am_in *in) { return (size_t)(in->end - in->p); }

/* AM_E_EOF, AM_E_FORMAT (more than 64 bits, or longer than needed when strict). */
int am_in_uleb_slow(struct am_in *in, bool strict, uint64_t *ret);
int am_in_sleb_slow(struct am_in *in, bool strict, int64_t *ret);

static inline int am_in_uleb(struct am_in *in, uint64_t *ret)
{
	if (in->p < in->end && *in->p < 0x80) {
		*ret = *in->p++;
		return AM_OK;
	}
	return am_in_uleb_slow(in, true, ret);
}
static inline int am_in_uleb_any(struct am_in *in, uint64_t *ret)
{
	if (in->p < in->end && *in->p < 0x80) {
		*ret = *in->p++;
		return AM_OK;
	}
	return am_in_uleb_slow(in, false, ret);
}
static inline int am_in_sleb(struct am_in *in, int64_t *ret)
{
	if (in->p < in->end && *in->p < 0x80) {
		*ret = (int64_t)(*in->p & 0x3f) - (*in->p & 0x40);
		in->p++;
		return AM_OK;
	}
	return am_in_sleb_slow(in, true, ret);
}
static inline int am_in_sleb_any(struct am_in *in, int64_t *ret)
{
	if (in->p < in->end && *in->p < 0x80)
		return am_in_sleb(in, ret);
	return am_in_sleb_slow(in, false, ret);
}
/* A count or length that must fit in what is left of the input, each item
 * taking at least `least` bytes. */
int am_in_count(struct am_in *in, size_t least, size_t *ret);
/* n bytes, borrowed. */
int am_in_bytes(struct am_in *in, size_t n, const uint8_t **ret);
/* uLEB length and that many bytes. */
int am_in_block(struct am_in *in, const uint8_t **ret, size_t *ret_n);
/* uLEB n and n hashes, borrowed. */
int am_in_hashes(struct am_in *in, const am_hash **ret, size_t *ret_n);

#define AM_LEB_MAX 10
static inline size_t am_uleb_write(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}
static inline size_t am_sleb_write(uint8_t *to, int64_t v)
{
	size_t n = 0;

	while (v < -64 || v > 63) {
		to[n++] = (uint8_t)((v & 0x7f) | 0x80);
		v >>= 7;
	}
	to[n++] = (uint8_t)(v & 0x7f);
	return n;
}
static inline void am_out_uleb(struct am_out *o, uint64_t v)
{
	uint8_t *to = am_out_need(o, AM_LEB_MAX);

	if (to)
		o->n += am_uleb_write(to, v);
}
static inline void am_out_sleb(struct am_out *o, int64_t v)
{
	uint8_t *to = am_out_need(o, AM_LEB_MAX);

	if (to)
		o->n += am_sleb_write(to, v);
}
static inline void am_out_block(struct am_out *o, const void *p, size_t n)
{
	am_out_uleb(o, n);
	am_out_put(o, p, n);
}
static inline void am_out_hashes(struct am_out *o, const am_hash *h, size_t n)
{
	am_out_uleb(o, n);
	am_out_put(o, h, n * sizeof *h);
}
#endif
