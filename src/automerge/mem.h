/* Memory of libautomerge: everything goes through the am_allocator of a document,
 * and everything that allocates can fail with AM_E_NOMEM. */
#ifndef AUTOMERGE_MEM_H
#define AUTOMERGE_MEM_H
#include <stdint.h>
#include <string.h>

#include "automerge/automerge.h"

/* A usable allocator: `a` itself, or malloc when a is NULL or all zero. */
am_allocator am_mem_allocator(const am_allocator *a);
/* NULL when out of memory or when n * size overflows; n == 0 gives a valid pointer. */
void *am_mem_alloc(const am_allocator *a, size_t n);
void *am_mem_zalloc(const am_allocator *a, size_t n);
/* Sizes are checked; NULL leaves p as it was. */
void *am_mem_realloc(const am_allocator *a, void *p, size_t n, size_t size);
void am_mem_free(const am_allocator *a, void *p); /* NULL is fine */

/* Growing arrays: `AM_VEC(uint32_t) rows;`, zero-initialised to start. Small ones
 * double from 64 bytes on, larger ones grow by half. */
#define AM_VEC(T) struct { T *p; size_t n, cap; }
int am_vec_grow(const am_allocator *a, void **p, size_t *cap, size_t need, size_t size);
/* Room for `extra` more elements: AM_OK or AM_E_NOMEM (array unchanged). */
#define am_vec_reserve(a, v, extra)                                                                                    \
	((v)->cap - (v)->n >= (size_t)(extra)                                                                          \
		 ? AM_OK                                                                                               \
		 : am_vec_grow((a), (void **)&(v)->p, &(v)->cap, (v)->n + (size_t)(extra), sizeof *(v)->p))
/* Gives back the spare room; a large one keeps a little, so that the cost of fitting
 * and growing again stays in proportion to the elements added in between. */
void am_vec_fit_(const am_allocator *a, void **p, size_t *cap, size_t n, size_t size);
#define am_vec_fit(a, v) am_vec_fit_((a), (void **)&(v)->p, &(v)->cap, (v)->n, sizeof *(v)->p)
#define am_vec_free(a, v)                                                                                              \
	do {                                                                                                           \
		am_mem_free((a), (v)->p);                                                                              \
		(v)->p = NULL;                                                                                         \
		(v)->n = (v)->cap = 0;                                                                                 \
	} while (0)

/* Where p is after the n bytes it lay in, or not, moved from `from` to `to`: what was read
 * from a document may be given back to it, and its pools move when they grow. */
static inline const uint8_t *am_moved(const uint8_t *p, uintptr_t from, size_t n, const uint8_t *to)
{
	return (uintptr_t)p - from < n ? to + ((uintptr_t)p - from) : p;
}

/* An arena: many small pieces freed at once. Zero-initialised plus `a`. */
struct am_arena_block;
struct am_arena_taken;
struct am_out;
struct am_arena {
	am_allocator a;
	struct am_arena_block *head;
	struct am_arena_taken *taken;
	size_t used, cap; /* of the head block */
};
void am_arena_init(struct am_arena *r, const am_allocator *a);
/* Aligned to 8 bytes; NULL when out of memory. */
void *am_arena_alloc(struct am_arena *r, size_t n);
void *am_arena_array(struct am_arena *r, size_t n, size_t size);
void *am_arena_copy(struct am_arena *r, const void *p, size_t n);
/* o's bytes, for as long as the arena has them; o is empty afterwards and must use the same
 * allocator. Many bytes are not copied. */
void *am_arena_take(struct am_arena *r, struct am_out *o);
/* Empties it; keeps one block for what comes next. */
void am_arena_reset(struct am_arena *r);
void am_arena_fini(struct am_arena *r);

/* Output bytes with a sticky error: writers append without looking, the user
 * asks for `err` once at the end. */
struct am_out {
	uint8_t *p;
	size_t n, cap;
	const am_allocator *a;
	int err;
};
void am_out_grow(struct am_out *o, size_t extra);
static inline uint8_t *am_out_need(struct am_out *o, size_t extra)
{
	if (o->cap - o->n < extra || !o->p)
		am_out_grow(o, extra);
	return o->err ? NULL : o->p + o->n;
}
static inline void am_out_put(struct am_out *o, const void *p, size_t n)
{
	uint8_t *to = n ? am_out_need(o, n) : NULL;
	if (!to)
		return;
	memcpy(to, p, n);
	o->n += n;
}
static inline void am_out_byte(struct am_out *o, uint8_t b)
{
	uint8_t *to = am_out_need(o, 1);
	if (!to)
		return;
	*to = b;
	o->n++;
}
void am_out_free(struct am_out *o);

/* Replaces the content of a caller's buffer, which takes the allocator `a` when it has none. */
int am_buf_set(am_buf *b, const am_allocator *a, const void *p, size_t n);
int am_buf_reserve(am_buf *b, const am_allocator *a, size_t cap);
/* Moves o's bytes into b when both use the same allocator, else copies. o is empty afterwards. */
int am_buf_take(am_buf *b, struct am_out *o);
/* Makes room for that, so that it cannot fail; b's content stays. For callers that note what they gave out. */
int am_buf_admit(am_buf *b, const struct am_out *o);
#endif
