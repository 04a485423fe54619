#include "automerge/mem.h"
#include "automerge/sizes.h"

#include <stdlib.h>

static void *malloc_realloc(void *ctx, void *p, size_t n)
{
	(void)ctx;
	if (n == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, n);
}

am_allocator am_mem_allocator(const am_allocator *a)
{
	if (a && a->realloc)
		return *a;
	return (am_allocator){.realloc = malloc_realloc};
}

void *am_mem_alloc(const am_allocator *a, size_t n)
{
	return a->realloc(a->ctx, NULL, n ? n : 1);
}

void *am_mem_zalloc(const am_allocator *a, size_t n)
{
	void *p = am_mem_alloc(a, n);

	if (p)
		memset(p, 0, n);
	return p;
}

void *am_mem_realloc(const am_allocator *a, void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return a->realloc(a->ctx, p, bytes ? bytes : 1);
}

void am_mem_free(const am_allocator *a, void *p)
{
	if (p)
		a->realloc(a->ctx, p, 0);
}

/* Most vectors hold one or two elements for ever: heads, sync states, actors. */
#define VEC_FIRST_BYTES AM_SIZE(64, 1)
#define VEC_SMALL_BYTES AM_SIZE(4096, 64)
#define VEC_LARGE_BYTES AM_SIZE(65536, 256) /* from here on they grow by less: the spare room counts */
#define MOVE_MAX AM_SIZE(65536, 64)

int am_vec_grow(const am_allocator *a, void **p, size_t *cap, size_t need, size_t size)
{
	size_t bytes = VEC_FIRST_BYTES, want = *cap + *cap / (*cap * size < VEC_LARGE_BYTES ? 2 : 8);
	void *q;

	/* Small ones in few sizes: what one gives back fits another. */
	if (need < VEC_SMALL_BYTES / size) {
		while (bytes / size < need)
			bytes *= 2;
		want = bytes / size;
	}
	if (want < need)
		want = need;
	q = am_mem_realloc(a, *p, want, size);
	if (!q)
		return AM_E_NOMEM;
	*p = q;
	*cap = want;
	return AM_OK;
}

void am_vec_fit_(const am_allocator *a, void **p, size_t *cap, size_t n, size_t size)
{
	size_t keep = n * size > MOVE_MAX ? n + n / 32 : n;
	void *q;

	if (*cap <= keep + keep / 16)
		return;
	if (n == 0) {
		am_mem_free(a, *p);
		*p = NULL;
		*cap = 0;
		return;
	}
	/* A small one moves: cut off where it stands it would leave a hole of no use. */
	q = keep * size > MOVE_MAX ? am_mem_realloc(a, *p, keep, size) : am_mem_alloc(a, keep * size);
	if (!q)
		return; /* it stays as it was */
	if (keep * size <= MOVE_MAX) {
		memcpy(q, *p, n * size);
		am_mem_free(a, *p);
	}
	*p = q;
	*cap = keep;
}

/* ---- arena ---- */

#define ARENA_FIRST AM_SIZE(512, 16)
#define ARENA_MAX AM_SIZE(65536, 128)
#define ARENA_KEEP AM_SIZE(8192, 32)
#define TAKE_FROM AM_SIZE(8192, 8)

struct am_arena_block {
	struct am_arena_block *next;
	uint64_t data[];
};
struct am_arena_taken { /* memory of others that is freed with the arena's; in the arena itself */
	struct am_arena_taken *next;
	void *p;
};

void am_arena_init(struct am_arena *r, const am_allocator *a)
{
	*r = (struct am_arena){.a = am_mem_allocator(a)};
}

static void *arena_block(struct am_arena *r, size_t n)
{
	size_t cap = r->head ? r->cap * 2 : ARENA_FIRST;
	struct am_arena_block *b;
	bool own;

	if (cap > ARENA_MAX)
		cap = ARENA_MAX;
	own = n > cap; /* large pieces get a block of their own size */
	if (own)
		cap = n;
	if (cap > SIZE_MAX - sizeof *b)
		return NULL;
	b = am_mem_alloc(&r->a, sizeof *b + cap);
	if (!b)
		return NULL;
	if (own && r->head) { /* behind the head, which still has room */
		b->next = r->head->next;
		r->head->next = b;
		return b->data;
	}
	b->next = r->head;
	r->head = b;
	r->cap = cap;
	r->used = n;
	return b->data;
}

void *am_arena_alloc(struct am_arena *r, size_t n)
{
	void *p;

	if (n > SIZE_MAX - 8)
		return NULL;
	n = (n + 7) & ~(size_t)7;
	if (!r->head || r->cap - r->used < n)
		return arena_block(r, n);
	p = (uint8_t *)r->head->data + r->used;
	r->used += n;
	return p;
}

void *am_arena_array(struct am_arena *r, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return am_arena_alloc(r, bytes);
}

void *am_arena_copy(struct am_arena *r, const void *p, size_t n)
{
	void *q = am_arena_alloc(r, n);

	if (q && n)
		memcpy(q, p, n);
	return q;
}

void *am_arena_take(struct am_arena *r, struct am_out *o)
{
	struct am_arena_taken *t;
	void *p;

	if (o->n < TAKE_FROM)
		return am_arena_copy(r, o->p, o->n);
	t = am_arena_alloc(r, sizeof *t);
	if (!t)
		return NULL;
	p = am_mem_realloc(&r->a, o->p, o->n, 1);
	*t = (struct am_arena_taken){r->taken, p ? p : o->p};
	r->taken = t;
	*o = (struct am_out){.a = o->a};
	return t->p;
}

static void free_taken(struct am_arena *r)
{
	for (struct am_arena_taken *t = r->taken; t; t = t->next)
		am_mem_free(&r->a, t->p);
	r->taken = NULL;
}

void am_arena_reset(struct am_arena *r)
{
	struct am_arena_block *keep = r->head && r->cap <= ARENA_KEEP ? r->head : NULL, *next;

	free_taken(r);
	for (struct am_arena_block *b = keep ? keep->next : r->head; b; b = next) {
		next = b->next;
		am_mem_free(&r->a, b);
	}
	r->head = keep;
	r->used = 0;
	if (keep)
		keep->next = NULL;
	else
		r->cap = 0;
}

void am_arena_fini(struct am_arena *r)
{
	struct am_arena_block *b = r->head, *next;

	free_taken(r);
	for (; b; b = next) {
		next = b->next;
		am_mem_free(&r->a, b);
	}
	r->head = NULL;
	r->used = r->cap = 0;
}

/* ---- output ---- */

void am_out_grow(struct am_out *o, size_t extra)
{
	size_t want = o->cap ? o->cap * 2 : 64;
	uint8_t *p;

	if (o->err)
		return;
	if (extra > SIZE_MAX / 2 - o->n) {
		o->err = AM_E_NOMEM;
		return;
	}
	if (want < o->n + extra)
		want = o->n + extra;
	p = am_mem_realloc(o->a, o->p, want, 1);
	if (!p) {
		o->err = AM_E_NOMEM;
		return;
	}
	o->p = p;
	o->cap = want;
}

void am_out_free(struct am_out *o)
{
	if (o->p)
		am_mem_free(o->a, o->p);
	o->p = NULL;
	o->n = o->cap = 0;
}

/* ---- callers' buffers ---- */

int am_buf_reserve(am_buf *b, const am_allocator *a, size_t cap)
{
	uint8_t *p;

	if (!b->a.realloc)
		b->a = am_mem_allocator(b->p ? NULL : a);
	if (b->cap >= cap && b->p)
		return AM_OK;
	p = am_mem_realloc(&b->a, b->p, cap, 1);
	if (!p)
		return AM_E_NOMEM;
	b->p = p;
	b->cap = cap;
	return AM_OK;
}

int am_buf_set(am_buf *b, const am_allocator *a, const void *p, size_t n)
{
	int rc = am_buf_reserve(b, a, n);

	if (rc)
		return rc;
	if (n)
		memcpy(b->p, p, n);
	b->n = n;
	return AM_OK;
}

static bool same_allocator(am_buf *b, const struct am_out *o)
{
	if (!b->p && !b->a.realloc)
		b->a = *o->a;
	return b->a.realloc == o->a->realloc && b->a.ctx == o->a->ctx;
}

int am_buf_admit(am_buf *b, const struct am_out *o)
{
	if (o->err)
		return o->err;
	return same_allocator(b, o) ? AM_OK : am_buf_reserve(b, o->a, o->n);
}

int am_buf_take(am_buf *b, struct am_out *o)
{
	int rc;

	if (o->err)
		return o->err;
	if (!same_allocator(b, o)) {
		rc = am_buf_set(b, o->a, o->p, o->n);
		if (rc == AM_OK)
			am_out_free(o);
		return rc;
	}
	am_mem_free(&b->a, b->p);
	b->p = o->p;
	b->n = o->n;
	b->cap = o->cap;
	o->p = NULL;
	o->n = o->cap = 0;
	return AM_OK;
}

void am_buf_free(am_buf *b)
{
	am_allocator a = am_mem_allocator(&b->a);

	am_mem_free(&a, b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}
