#include "automerge/actor.h"

int am_actor_cmp(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n)
{
	size_t n = a_n < b_n ? a_n : b_n;
	int c = n ? memcmp(a, b, n) : 0;

	if (c)
		return c;
	return a_n < b_n ? -1 : a_n > b_n;
}

void am_actors_fini(struct am_actors *t, const am_allocator *a)
{
	for (size_t i = 0; i < t->v.n; i++)
		am_mem_free(a, t->v.p[i].p);
	am_vec_free(a, &t->v);
	am_mem_free(a, t->rank);
	am_mem_free(a, t->order);
	*t = (struct am_actors){0};
}

/* Rank where the actor is, or belongs. */
static uint32_t lower_rank(const struct am_actors *t, const uint8_t *p, size_t n, bool *ret_found)
{
	size_t lo = 0, hi = t->v.n, mid;
	const struct am_actor *x;
	int c;

	*ret_found = false;
	while (lo < hi) {
		mid = (lo + hi) / 2;
		x = &t->v.p[t->order[mid]];
		c = am_actor_cmp(x->p, x->n, p, n);
		if (c == 0) {
			*ret_found = true;
			return (uint32_t)mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (uint32_t)lo;
}

uint32_t am_actors_find(const struct am_actors *t, const uint8_t *p, size_t n)
{
	bool found;
	uint32_t r = lower_rank(t, p, n, &found);

	return found ? t->order[r] : AM_NONE;
}

static int reserve_ranks(struct am_actors *t, const am_allocator *a)
{
	size_t cap = t->cap ? t->cap * 2 : 4;
	uint32_t *p;

	if (t->v.n < t->cap)
		return AM_OK;
	p = am_mem_realloc(a, t->rank, cap, sizeof *p);
	if (!p)
		return AM_E_NOMEM;
	t->rank = p;
	p = am_mem_realloc(a, t->order, cap, sizeof *p);
	if (!p)
		return AM_E_NOMEM;
	t->order = p;
	t->cap = cap;
	return AM_OK;
}

int am_actors_intern(struct am_actors *t, const am_allocator *a, const uint8_t *p, size_t n, uint32_t *ret)
{
	bool found;
	uint32_t ix = (uint32_t)t->v.n, r = lower_rank(t, p, n, &found);
	uint8_t *copy;

	if (found) {
		*ret = t->order[r];
		return AM_OK;
	}
	if (t->v.n >= AM_NONE - 1)
		return AM_E_LIMIT;
	if (am_vec_reserve(a, &t->v, 1) || reserve_ranks(t, a))
		return AM_E_NOMEM;
	copy = am_mem_alloc(a, n);
	if (!copy)
		return AM_E_NOMEM;
	if (n)
		memcpy(copy, p, n);
	t->v.p[t->v.n++] = (struct am_actor){copy, n};
	memmove(t->order + r + 1, t->order + r, (ix - r) * sizeof *t->order);
	t->order[r] = ix;
	for (uint32_t i = r; i <= ix; i++)
		t->rank[t->order[i]] = i;
	*ret = ix;
	return AM_OK;
}

void am_actors_truncate(struct am_actors *t, const am_allocator *a, size_t n)
{
	size_t k = 0;

	if (n >= t->v.n)
		return;
	for (size_t i = 0; i < t->v.n; i++)
		if (t->order[i] < n) {
			t->rank[t->order[i]] = (uint32_t)k;
			t->order[k++] = t->order[i];
		}
	while (t->v.n > n)
		am_mem_free(a, t->v.p[--t->v.n].p);
}
