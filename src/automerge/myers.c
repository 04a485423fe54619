#include "automerge/myers.h"

#define SEARCH_MAX 4096         /* edits a single search may find before it gives up */
#define WORK_MAX ((size_t)1 << 23) /* steps before everything left is replaced */

struct range { size_t a0, a1, b0, b1; };
struct search {
	const struct am_myers *m;
	const am_allocator *a;
	int64_t *fwd, *bwd; /* furthest reach per diagonal, index 0 in the middle */
	int64_t reach;      /* diagonals on either side of the middle */
	size_t work;        /* steps left */
	struct range hunk;  /* found last; what touches it joins it */
	AM_VEC(struct range) todo;
};

static bool same(const struct search *s, size_t i, size_t j)
{
	return s->m->same(s->m->ctx, i, j);
}

static void trim(const struct search *s, struct range *r)
{
	while (r->a0 < r->a1 && r->b0 < r->b1 && same(s, r->a0, r->b0))
		r->a0++, r->b0++;
	while (r->a0 < r->a1 && r->b0 < r->b1 && same(s, r->a1 - 1, r->b1 - 1))
		r->a1--, r->b1--;
}

/* One step further on every diagonal of one direction. True when the two searches
 * met; (*ret_x, *ret_y) is then where, counted from this direction's corner. */
static bool advance(struct search *s, const struct range *r, int64_t d, bool backward, int64_t *ret_x, int64_t *ret_y)
{
	int64_t n = (int64_t)(r->a1 - r->a0), m = (int64_t)(r->b1 - r->b0), delta = n - m;
	int64_t *v = backward ? s->bwd : s->fwd, *other = backward ? s->fwd : s->bwd;
	bool odd = delta & 1;

	for (int64_t k = d; k >= -d; k -= 2) {
		int64_t x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;
		int64_t y = x - k, x0 = x, y0 = y, met = delta - k;
		while (x >= 0 && y >= 0 && x < n && y < m &&
		       (backward ? same(s, (size_t)((int64_t)r->a1 - 1 - x), (size_t)((int64_t)r->b1 - 1 - y))
				 : same(s, (size_t)((int64_t)r->a0 + x), (size_t)((int64_t)r->b0 + y))))
			x++, y++, s->work -= s->work > 0;
		v[k] = x;
		if (odd == backward || met < -(d - !backward) || met > d - !backward)
			continue;
		if (x + other[met] >= n) {
			*ret_x = backward ? x : x0;
			*ret_y = backward ? y : y0;
			return true;
		}
	}
	s->work -= s->work > (size_t)d ? (size_t)d : s->work;
	return false;
}

/* A point on a shortest path through r; false when the search is given up. */
static bool middle(struct search *s, const struct range *r, size_t *ret_a, size_t *ret_b)
{
	int64_t n = (int64_t)(r->a1 - r->a0), m = (int64_t)(r->b1 - r->b0), x = 0, y = 0;
	int64_t limit = (n + m + 1) / 2 + 1;

	if (limit > s->reach - 1)
		limit = s->reach - 1;
	s->fwd[1] = s->bwd[1] = 0;
	for (int64_t d = 0; d < limit && s->work; d++) {
		if (advance(s, r, d, false, &x, &y)) {
			*ret_a = r->a0 + (size_t)x;
			*ret_b = r->b0 + (size_t)y;
			return true;
		}
		if (advance(s, r, d, true, &x, &y)) {
			*ret_a = r->a1 - (size_t)x;
			*ret_b = r->b1 - (size_t)y;
			return true;
		}
	}
	return false;
}

static int flush(struct search *s)
{
	struct range h = s->hunk;

	s->hunk = (struct range){0};
	return h.a0 == h.a1 && h.b0 == h.b1 ? AM_OK : s->m->replace(s->m->ctx, h.a0, h.a1, h.b0, h.b1);
}

static int found(struct search *s, const struct range *r)
{
	int rc = AM_OK;

	if (r->a0 != s->hunk.a1 || r->b0 != s->hunk.b1) {
		rc = flush(s);
		s->hunk = *r;
	}
	s->hunk.a1 = r->a1;
	s->hunk.b1 = r->b1;
	return rc;
}

static int solve(struct search *s)
{
	int rc = AM_OK;

	while (s->todo.n && rc == AM_OK) {
		struct range r = s->todo.p[--s->todo.n];
		size_t x, y;
		trim(s, &r);
		if (r.a0 == r.a1 && r.b0 == r.b1)
			continue;
		if (r.a0 == r.a1 || r.b0 == r.b1 || !middle(s, &r, &x, &y) || (x == r.a0 && y == r.b0) ||
		    (x == r.a1 && y == r.b1)) { /* nothing in common, or no progress */
			rc = found(s, &r);
			continue;
		}
		rc = am_vec_reserve(s->a, &s->todo, 2);
		if (rc)
			break;
		s->todo.p[s->todo.n++] = (struct range){x, r.a1, y, r.b1};
		s->todo.p[s->todo.n++] = (struct range){r.a0, x, r.b0, y};
	}
	return rc ? rc : flush(s);
}

int am_myers_run(const struct am_myers *m, const am_allocator *a)
{
	struct search s = {.m = m, .a = a, .work = WORK_MAX};
	struct range all = {0, m->n_old, 0, m->n_new};
	int64_t *reach;
	int rc;

	trim(&s, &all);
	if (all.a0 == all.a1 && all.b0 == all.b1)
		return AM_OK;
	if (all.a0 == all.a1 || all.b0 == all.b1)
		return m->replace(m->ctx, all.a0, all.a1, all.b0, all.b1);
	s.reach = (int64_t)((all.a1 - all.a0) + (all.b1 - all.b0) + 1) / 2 + 2;
	if (s.reach > SEARCH_MAX)
		s.reach = SEARCH_MAX;
	reach = am_mem_realloc(a, NULL, 4 * (size_t)s.reach + 2, sizeof *reach);
	rc = reach ? am_vec_reserve(a, &s.todo, 1) : AM_E_NOMEM;
	if (rc == AM_OK) {
		s.fwd = reach + s.reach;
		s.bwd = reach + 3 * s.reach + 1;
		s.todo.p[s.todo.n++] = all;
		rc = solve(&s);
	}
	am_vec_free(a, &s.todo);
	am_mem_free(a, reach);
	return rc;
}
