/* am_text_update: the difference of two texts as few splices.
 *
 * Myers' O(ND) difference in linear space over grapheme clusters: trim what is
 * common at both ends, find the middle of a shortest path by searching from both
 * corners at once, split there. Where a search becomes expensive the rest of the
 * range is replaced as a whole. */
#include "automerge/text.h"
#include "automerge/transaction.h"
#include "automerge/view.h"
#include "base/utf8.h"

#define SEARCH_MAX 4096 /* edits a single search may find before it gives up */

struct clusters {
	const uint8_t *p;
	size_t n;
	uint32_t *at;    /* n + 1 byte offsets */
	uint32_t *units; /* n + 1 positions in text units */
};
struct range { size_t a0, a1, b0, b1; };
struct update {
	struct am_edit *e;
	struct clusters a, b; /* what is there, what shall be */
	int64_t *fwd, *bwd;   /* furthest reach per diagonal, index 0 in the middle */
	int64_t reach;        /* diagonals on either side of the middle */
	size_t work;          /* steps left before everything is replaced */
	AM_VEC(struct range) todo;
};

static int cut(am_doc *doc, const uint8_t *p, size_t n, struct clusters *c)
{
	size_t at = 0, units = 0, count = 0;

	c->p = p;
	c->at = am_mem_realloc(&doc->a, NULL, n + 1, sizeof *c->at);
	c->units = am_mem_realloc(&doc->a, NULL, n + 1, sizeof *c->units);
	if (!c->at || !c->units)
		return AM_E_NOMEM;
	while (at < n) {
		size_t len = am_text_cluster(p + at, n - at);
		c->at[count] = (uint32_t)at;
		c->units[count++] = (uint32_t)units;
		units += am_text_units(doc->opts.text_unit, p + at, len);
		at += len;
	}
	c->at[count] = (uint32_t)at;
	c->units[count] = (uint32_t)units;
	c->n = count;
	return AM_OK;
}

static bool same(const struct update *u, size_t i, size_t j)
{
	size_t n = u->a.at[i + 1] - u->a.at[i];

	return n == u->b.at[j + 1] - u->b.at[j] && memcmp(u->a.p + u->a.at[i], u->b.p + u->b.at[j], n) == 0;
}

/* Everything before the range already reads as it shall, so the position of an
 * edit is that of its place in the new text. */
static int replace(struct update *u, size_t a0, size_t a1, size_t b0, size_t b1)
{
	return am_edit_text(u->e, u->b.units[b0], u->a.units[a1] - u->a.units[a0], u->b.p + u->b.at[b0],
			    u->b.at[b1] - u->b.at[b0]);
}

static void trim(const struct update *u, struct range *r)
{
	while (r->a0 < r->a1 && r->b0 < r->b1 && same(u, r->a0, r->b0))
		r->a0++, r->b0++;
	while (r->a0 < r->a1 && r->b0 < r->b1 && same(u, r->a1 - 1, r->b1 - 1))
		r->a1--, r->b1--;
}

/* One step further on every diagonal of one direction. True when the two searches
 * met; (*ret_x, *ret_y) is then where, counted from this direction's corner. */
static bool advance(struct update *u, const struct range *r, int64_t d, bool backward, int64_t *ret_x, int64_t *ret_y)
{
	int64_t n = (int64_t)(r->a1 - r->a0), m = (int64_t)(r->b1 - r->b0), delta = n - m;
	int64_t *v = backward ? u->bwd : u->fwd, *other = backward ? u->fwd : u->bwd;
	bool odd = delta & 1;

	for (int64_t k = d; k >= -d; k -= 2) {
		int64_t x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;
		int64_t y = x - k, x0 = x, y0 = y, met = delta - k;
		while (x >= 0 && y >= 0 && x < n && y < m &&
		       (backward ? same(u, (size_t)((int64_t)r->a1 - 1 - x), (size_t)((int64_t)r->b1 - 1 - y))
				 : same(u, (size_t)((int64_t)r->a0 + x), (size_t)((int64_t)r->b0 + y))))
			x++, y++, u->work -= u->work > 0;
		v[k] = x;
		if (odd == backward || met < -(d - !backward) || met > d - !backward)
			continue;
		if (x + other[met] >= n) {
			*ret_x = backward ? x : x0;
			*ret_y = backward ? y : y0;
			return true;
		}
	}
	u->work -= u->work > (size_t)d ? (size_t)d : u->work;
	return false;
}

/* A point on a shortest path through r; false when the search is given up. */
static bool middle(struct update *u, const struct range *r, size_t *ret_a, size_t *ret_b)
{
	int64_t n = (int64_t)(r->a1 - r->a0), m = (int64_t)(r->b1 - r->b0), x = 0, y = 0;
	int64_t limit = (n + m + 1) / 2 + 1;

	if (limit > u->reach - 1)
		limit = u->reach - 1;
	u->fwd[1] = u->bwd[1] = 0;
	for (int64_t d = 0; d < limit && u->work; d++) {
		if (advance(u, r, d, false, &x, &y)) {
			*ret_a = r->a0 + (size_t)x;
			*ret_b = r->b0 + (size_t)y;
			return true;
		}
		if (advance(u, r, d, true, &x, &y)) {
			*ret_a = r->a1 - (size_t)x;
			*ret_b = r->b1 - (size_t)y;
			return true;
		}
	}
	return false;
}

static int solve(struct update *u)
{
	am_doc *doc = u->e->doc;
	int rc = AM_OK;

	while (u->todo.n && rc == AM_OK) {
		struct range r = u->todo.p[--u->todo.n];
		size_t x, y;
		trim(u, &r);
		if (r.a0 == r.a1 && r.b0 == r.b1)
			continue;
		if (r.a0 == r.a1 || r.b0 == r.b1 || !middle(u, &r, &x, &y)) {
			rc = replace(u, r.a0, r.a1, r.b0, r.b1);
			continue;
		}
		if ((x == r.a0 && y == r.b0) || (x == r.a1 && y == r.b1)) { /* no progress */
			rc = replace(u, r.a0, r.a1, r.b0, r.b1);
			continue;
		}
		rc = am_vec_reserve(&doc->a, &u->todo, 2);
		if (rc)
			break;
		u->todo.p[u->todo.n++] = (struct range){x, r.a1, y, r.b1};
		u->todo.p[u->todo.n++] = (struct range){r.a0, x, r.b0, y};
	}
	return rc;
}

static int update(struct am_edit *e, const am_buf *old, const uint8_t *text, size_t n)
{
	am_doc *doc = e->doc;
	struct update u = {.e = e, .work = (size_t)1 << 23};
	int64_t *reach = NULL;
	int rc = cut(doc, old->p ? old->p : (const uint8_t *)"", old->n, &u.a);

	if (rc == AM_OK)
		rc = cut(doc, text, n, &u.b);
	if (rc)
		goto out;
	u.reach = (int64_t)(u.a.n + u.b.n + 1) / 2 + 2;
	if (u.reach > SEARCH_MAX)
		u.reach = SEARCH_MAX;
	reach = am_mem_realloc(&doc->a, NULL, 4 * (size_t)u.reach + 2, sizeof *reach);
	rc = reach ? am_vec_reserve(&doc->a, &u.todo, 1) : AM_E_NOMEM;
	if (rc)
		goto out;
	u.fwd = reach + u.reach;
	u.bwd = reach + 3 * u.reach + 1;
	u.todo.p[u.todo.n++] = (struct range){0, u.a.n, 0, u.b.n};
	rc = solve(&u);
out:
	am_vec_free(&doc->a, &u.todo);
	am_mem_free(&doc->a, reach);
	am_mem_free(&doc->a, u.a.at);
	am_mem_free(&doc->a, u.a.units);
	am_mem_free(&doc->a, u.b.at);
	am_mem_free(&doc->a, u.b.units);
	return rc;
}

int am_text_update(am_doc *doc, am_objid obj, const char *text, size_t n)
{
	struct am_edit e;
	am_buf old = {0};
	int rc;

	if (n > INT32_MAX)
		return AM_E_LIMIT;
	if (!utf8_valid(n ? text : "", n))
		return AM_E_FORMAT;
	rc = am_edit_begin(doc, obj, AM_EDIT_TEXT, &e);
	if (rc)
		return rc;
	old.a = doc->a;
	rc = am_text(doc, NULL, obj, &old);
	if (rc == AM_OK)
		rc = update(&e, &old, (const uint8_t *)(n ? text : ""), n);
	am_buf_free(&old);
	return am_edit_end(&e, rc);
}
