/* Three-way text merge: diff base->theirs and base->ours by lines (Myers), put
 * both sets of hunks together, and where they meet try again by characters. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "notebook/merge.h"

#define EDITS_MAX 1000 /* Myers steps before a region counts as rewritten */

struct token {
	const char *p;
	size_t n;
};
struct tokens {
	VEC(struct token) v;
};

static bool token_same(const struct token *a, const struct token *b)
{
	return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static void cut_lines(struct tokens *t, const char *s, size_t n)
{
	for (size_t at = 0; at < n;) {
		const char *nl = memchr(s + at, '\n', n - at);
		size_t len = nl ? (size_t)(nl - s) + 1 - at : n - at;
		struct token x = {s + at, len};
		VEC_PUSH(&t->v, x);
		at += len;
	}
}

static void cut_characters(struct tokens *t, const char *s, size_t n)
{
	for (size_t at = 0; at < n;) {
		uint32_t cp;
		size_t len = utf8_decode(s + at, n - at, &cp);
		struct token x = {s + at, len ? len : 1};
		VEC_PUSH(&t->v, x);
		at += x.n;
	}
}

/* base[a0, a1) becomes other[b0, b1). */
struct hunk {
	size_t a0, a1, b0, b1;
};
struct hunks {
	VEC(struct hunk) v;
};

static void add_hunk(struct hunks *h, size_t a0, size_t a1, size_t b0, size_t b1)
{
	struct hunk x = {a0, a1, b0, b1};

	if (a0 == a1 && b0 == b1)
		return;
	if (h->v.n > 0 && h->v.p[h->v.n - 1].a1 == a0 && h->v.p[h->v.n - 1].b1 == b0) {
		h->v.p[h->v.n - 1].a1 = a1;
		h->v.p[h->v.n - 1].b1 = b1;
		return;
	}
	VEC_PUSH(&h->v, x);
}

/* ---- Myers' greedy algorithm ----------------------------------------------------------------- */

struct myers {
	const struct token *a, *b;
	size_t na, nb;
	size_t **trace; /* furthest x per diagonal after each step, [-d, d] at index + d */
	size_t d;
};

static size_t furthest(const size_t *v, size_t d, ptrdiff_t k)
{
	return v[(size_t)(k + (ptrdiff_t)d)];
}

/* One step with d edits; true when the end is reached. */
static bool step(struct myers *m, size_t d)
{
	size_t *v = xcalloc(2 * d + 1, sizeof *v);
	const size_t *last = d > 0 ? m->trace[d - 1] : NULL;

	m->trace[d] = v;
	for (ptrdiff_t k = -(ptrdiff_t)d; k <= (ptrdiff_t)d; k += 2) {
		size_t x = 0, y;
		bool down = d > 0 && (k == -(ptrdiff_t)d ||
				      (k != (ptrdiff_t)d && furthest(last, d - 1, k - 1) < furthest(last, d - 1, k + 1)));
		if (d > 0)
			x = down ? furthest(last, d - 1, k + 1) : furthest(last, d - 1, k - 1) + 1;
		/* Paths may leave the grid; those never come to its far corner. */
		y = (size_t)((ptrdiff_t)x - k);
		while (x < m->na && y < m->nb && token_same(&m->a[x], &m->b[y])) {
			x++;
			y++;
		}
		v[(size_t)(k + (ptrdiff_t)d)] = x;
		if (x == m->na && y == m->nb)
			return true;
	}
	return false;
}

/* Walks the trace back; edits come out last first. */
static void backtrack(const struct myers *m, struct hunks *ret)
{
	size_t x = m->na, y = m->nb;
	VEC(struct hunk) edits = {0};

	for (size_t d = m->d; d > 0; d--) {
		const size_t *last = m->trace[d - 1];
		ptrdiff_t k = (ptrdiff_t)x - (ptrdiff_t)y;
		bool down = k == -(ptrdiff_t)d ||
			    (k != (ptrdiff_t)d && furthest(last, d - 1, k - 1) < furthest(last, d - 1, k + 1));
		ptrdiff_t from_k = down ? k + 1 : k - 1;
		size_t px = furthest(last, d - 1, from_k), py = (size_t)((ptrdiff_t)px - from_k);
		struct hunk e = {px, down ? px : px + 1, py, down ? py + 1 : py};
		VEC_PUSH(&edits, e);
		x = px;
		y = py;
	}
	for (size_t i = edits.n; i > 0; i--)
		add_hunk(ret, edits.p[i - 1].a0, edits.p[i - 1].a1, edits.p[i - 1].b0, edits.p[i - 1].b1);
	VEC_FREE(&edits);
}

static void diff(const struct tokens *a, const struct tokens *b, struct hunks *ret)
{
	size_t head = 0, tail = 0, max, d = 0;
	struct myers m = {0};
	struct hunks inner = {0};
	bool found = false;

	while (head < a->v.n && head < b->v.n && token_same(&a->v.p[head], &b->v.p[head]))
		head++;
	while (tail < a->v.n - head && tail < b->v.n - head &&
	       token_same(&a->v.p[a->v.n - 1 - tail], &b->v.p[b->v.n - 1 - tail]))
		tail++;
	m.na = a->v.n - head - tail;
	m.nb = b->v.n - head - tail;
	if (m.na == 0 || m.nb == 0) {
		add_hunk(ret, head, head + m.na, head, head + m.nb);
		return;
	}
	m.a = a->v.p + head;
	m.b = b->v.p + head;
	max = m.na + m.nb < EDITS_MAX ? m.na + m.nb : EDITS_MAX;
	m.trace = xcalloc(max + 1, sizeof *m.trace);
	for (; d <= max && !found; d++)
		found = step(&m, d);
	m.d = d - 1;
	if (found)
		backtrack(&m, &inner);
	else
		add_hunk(&inner, 0, m.na, 0, m.nb);
	for (size_t i = 0; i < inner.v.n; i++) {
		const struct hunk *h = &inner.v.p[i];
		add_hunk(ret, h->a0 + head, h->a1 + head, h->b0 + head, h->b1 + head);
	}
	for (size_t i = 0; i <= max; i++)
		free(m.trace[i]);
	free(m.trace);
	VEC_FREE(&inner.v);
}

/* ---- putting hunks together ------------------------------------------------------------------ */

struct side {
	struct tokens t;
	struct hunks h;
	size_t next;
};

static void put(struct buf *out, const struct tokens *t, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		buf_append(out, t->v.p[i].p, t->v.p[i].n);
}

static bool clash(const struct hunk *a, const struct hunk *b)
{
	if (a->a0 == a->a1 && b->a0 == b->a1)
		return a->a0 == b->a0;
	if (a->a0 == a->a1)
		return a->a0 > b->a0 && a->a0 < b->a1;
	if (b->a0 == b->a1)
		return b->a0 > a->a0 && b->a0 < a->a1;
	return (a->a0 > b->a0 ? a->a0 : b->a0) < (a->a1 < b->a1 ? a->a1 : b->a1);
}

/* Where base[.., a) ends up in the side's text, given its hunks before `next`. */
static size_t map_place(const struct side *s, size_t next, size_t a)
{
	return next == 0 ? a : a - s->h.v.p[next - 1].a1 + s->h.v.p[next - 1].b1;
}

static void text_of(const struct tokens *t, size_t from, size_t to, struct buf *out)
{
	put(out, t, from, to);
	buf_cstr(out);
}

static bool merge_tokens(struct tokens *base, struct side *theirs, struct side *ours, bool fine, struct buf *out);

static bool merge_cut(const char *b, size_t bn, const char *t, size_t tn, const char *o, size_t on, bool fine,
		      struct buf *out)
{
	void (*cut)(struct tokens *, const char *, size_t) = fine ? cut_characters : cut_lines;
	struct tokens base = {0};
	struct side theirs = {0}, ours = {0};
	bool good;

	cut(&base, b, bn);
	cut(&theirs.t, t, tn);
	cut(&ours.t, o, on);
	diff(&base, &theirs.t, &theirs.h);
	diff(&base, &ours.t, &ours.h);
	good = merge_tokens(&base, &theirs, &ours, fine, out);
	VEC_FREE(&base.v);
	VEC_FREE(&theirs.t.v);
	VEC_FREE(&theirs.h.v);
	VEC_FREE(&ours.t.v);
	VEC_FREE(&ours.h.v);
	return good;
}

/* A region [a0, a1) of base where hunks of both sides meet. */
static bool merge_region(struct tokens *base, struct side *theirs, struct side *ours, size_t *at, bool fine,
			 struct buf *out)
{
	size_t t0 = theirs->next, o0 = ours->next, a0, a1;
	const struct hunk *t = &theirs->h.v.p[t0], *o = &ours->h.v.p[o0];
	struct buf b = {0}, x = {0}, y = {0};
	bool grown = true, good;

	a0 = t->a0 < o->a0 ? t->a0 : o->a0;
	a1 = t->a1 > o->a1 ? t->a1 : o->a1;
	theirs->next++;
	ours->next++;
	while (grown) {
		struct hunk region = {a0, a1, 0, 0};
		grown = false;
		if (theirs->next < theirs->h.v.n && clash(&theirs->h.v.p[theirs->next], &region)) {
			t = &theirs->h.v.p[theirs->next++];
			a1 = t->a1 > a1 ? t->a1 : a1;
			grown = true;
		}
		if (ours->next < ours->h.v.n && clash(&ours->h.v.p[ours->next], &region)) {
			o = &ours->h.v.p[ours->next++];
			a1 = o->a1 > a1 ? o->a1 : a1;
			grown = true;
		}
	}
	text_of(base, a0, a1, &b);
	text_of(&theirs->t, map_place(theirs, t0, a0), map_place(theirs, theirs->next, a1), &x);
	text_of(&ours->t, map_place(ours, o0, a0), map_place(ours, ours->next, a1), &y);
	put(out, base, *at, a0);
	*at = a1;
	if (x.n == y.n && (x.n == 0 || memcmp(x.p, y.p, x.n) == 0)) {
		buf_append(out, x.p, x.n);
		good = true;
	} else {
		good = !fine && merge_cut((char *)b.p, b.n, (char *)x.p, x.n, (char *)y.p, y.n, true, out);
	}
	buf_free(&b);
	buf_free(&x);
	buf_free(&y);
	return good;
}

static bool merge_tokens(struct tokens *base, struct side *theirs, struct side *ours, bool fine, struct buf *out)
{
	size_t at = 0;

	while (theirs->next < theirs->h.v.n || ours->next < ours->h.v.n) {
		const struct hunk *t = theirs->next < theirs->h.v.n ? &theirs->h.v.p[theirs->next] : NULL;
		const struct hunk *o = ours->next < ours->h.v.n ? &ours->h.v.p[ours->next] : NULL;
		struct side *s;

		if (t && o && clash(t, o)) {
			if (!merge_region(base, theirs, ours, &at, fine, out))
				return false;
			continue;
		}
		/* An insertion in front of a replacement at the same place goes first. */
		if (!o || (t && (t->a0 < o->a0 || (t->a0 == o->a0 && t->a1 <= o->a1)))) {
			s = theirs;
		} else {
			s = ours;
			t = o;
		}
		put(out, base, at, t->a0);
		put(out, &s->t, t->b0, t->b1);
		at = t->a1;
		s->next++;
	}
	put(out, base, at, base->v.n);
	return true;
}

bool merge_text(const char *base, size_t base_n, const char *theirs, size_t theirs_n, const char *ours, size_t ours_n,
		struct buf *out)
{
	size_t mark = out->n;

	if (merge_cut(base, base_n, theirs, theirs_n, ours, ours_n, false, out))
		return true;
	out->n = mark;
	return false;
}
