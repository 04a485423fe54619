#include "automerge/graph.h"

#include <stdlib.h>

#include "automerge/change.h"
#include "automerge/internal.h"
#include "automerge/opset.h"

enum { FLAG_NEW = 1, FLAG_OLD = 2 };

/* ---- hashes ---- */

int am_hash_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(am_hash));
}

size_t am_hash_sort_unique(am_hash *h, size_t n)
{
	size_t k = 0;

	if (n > 1)
		qsort(h, n, sizeof *h, am_hash_cmp);
	for (size_t i = 0; i < n; i++)
		if (!k || am_hash_cmp(&h[k - 1], &h[i]) != 0)
			h[k++] = h[i];
	return k;
}

size_t am_hash_lower(const am_hash *sorted, size_t n, const am_hash *h)
{
	size_t lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (am_hash_cmp(&sorted[mid], h) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool am_hash_in(const am_hash *sorted, size_t n, const am_hash *h)
{
	size_t i = am_hash_lower(sorted, n, h);

	return i < n && am_hash_cmp(&sorted[i], h) == 0;
}

bool am_hash_is_zero(const am_hash *h)
{
	static const am_hash zero;

	return memcmp(h, &zero, sizeof zero) == 0;
}

/* ---- hash index ---- */

static size_t slot_of(const struct am_graph *g, const am_hash *h)
{
	uint32_t x;

	memcpy(&x, h->b + 4, sizeof x);
	return (size_t)((uint64_t)x * g->n_slots >> 32);
}

static inline size_t slot_next(const struct am_graph *g, size_t i)
{
	return i + 1 == g->n_slots ? 0 : i + 1;
}

uint32_t am_graph_find(const struct am_graph *g, const am_hash *h)
{
	size_t i;

	if (!g->n_slots)
		return AM_NONE;
	for (i = slot_of(g, h); g->slot[i] != AM_NONE; i = slot_next(g, i))
		if (memcmp(&g->hash.p[g->slot[i]], h, sizeof *h) == 0)
			return g->slot[i];
	return AM_NONE;
}

void am_graph_index(struct am_graph *g, uint32_t row)
{
	size_t i = slot_of(g, &g->hash.p[row]);

	while (g->slot[i] != AM_NONE)
		i = slot_next(g, i);
	g->slot[i] = row;
}

static void slots_refill(struct am_graph *g)
{
	if (!g->n_slots)
		return;
	memset(g->slot, 0xff, g->n_slots * sizeof *g->slot);
	for (size_t i = 0; i < g->hash.n; i++)
		if (i >= g->unhashed || !am_hash_is_zero(&g->hash.p[i]))
			am_graph_index(g, (uint32_t)i);
}

/* At most three quarters full with n more. *ret_grown: the entries have to be put in again. */
static int slots_grow(struct am_graph *g, const am_allocator *a, size_t n, bool *ret_grown)
{
	size_t want = g->n_slots + g->n_slots / 2 + 8, least = (g->hash.n + n) * 4 / 3 + 1;
	uint32_t *p;

	*ret_grown = least > g->n_slots;
	if (!*ret_grown)
		return AM_OK;
	if (want < least)
		want = least;
	p = am_mem_realloc(a, g->slot, want, sizeof *p);
	if (!p)
		return AM_E_NOMEM;
	g->slot = p;
	g->n_slots = want;
	return AM_OK;
}

int am_graph_reserve_slots(struct am_graph *g, const am_allocator *a, size_t n)
{
	bool grown;
	int rc = slots_grow(g, a, n, &grown);

	if (rc == AM_OK && grown)
		slots_refill(g);
	return rc;
}

/* ---- rows ---- */

void am_graph_uncache(struct am_graph *g, const am_allocator *a)
{
	for (size_t i = g->cache_head; i < g->cached.n; i++)
		am_mem_free(a, g->cached.p[i].p);
	am_vec_free(a, &g->cached);
	g->cache_head = g->cache_first = g->cache_bytes = 0;
}

void am_graph_fini(struct am_graph *g, const am_allocator *a)
{
	am_graph_uncache(g, a);
	for (size_t i = 0; i < g->actor.n; i++)
		am_mem_free(a, g->actor.p[i].p);
	am_vec_free(a, &g->hash);
	am_vec_free(a, &g->run);
	am_vec_free(a, &g->block);
	am_vec_free(a, &g->time);
	am_vec_free(a, &g->more);
	am_vec_free(a, &g->lists);
	am_vec_free(a, &g->bytes);
	am_vec_free(a, &g->texts);
	am_vec_free(a, &g->text_slot);
	am_mem_free(a, g->slot);
	am_vec_free(a, &g->heads);
	am_vec_free(a, &g->head_rows);
	am_vec_free(a, &g->actor);
	am_vec_free(a, &g->flag);
	am_vec_free(a, &g->heap);
	am_vec_free(a, &g->touched);
	*g = (struct am_graph){0};
}

int am_graph_reserve(am_doc *doc, const am_change *c)
{
	struct am_graph *g = &doc->graph;
	const am_allocator *a = &doc->a;

	if (g->hash.n >= doc->opts.max_ops) /* those without operations count too: files are read by this limit */
		return AM_E_LIMIT;
	if (am_graph_reserve_slots(g, a, 1) || am_vec_reserve(a, &g->heads, 1) || am_vec_reserve(a, &g->head_rows, 1))
		return AM_E_NOMEM;
	return am_rows_reserve(a, g, c);
}

static void drop_head(struct am_graph *g, const am_hash *h)
{
	size_t i = am_hash_lower(g->heads.p, g->heads.n, h);

	if (i == g->heads.n || am_hash_cmp(&g->heads.p[i], h) != 0)
		return;
	memmove(g->heads.p + i, g->heads.p + i + 1, (g->heads.n - i - 1) * sizeof *g->heads.p);
	memmove(g->head_rows.p + i, g->head_rows.p + i + 1, (g->heads.n - i - 1) * sizeof *g->head_rows.p);
	g->head_rows.n = --g->heads.n;
}

static void add_head(struct am_graph *g, const am_hash *h, uint32_t row)
{
	size_t i = am_hash_lower(g->heads.p, g->heads.n, h);

	memmove(g->heads.p + i + 1, g->heads.p + i, (g->heads.n - i) * sizeof *g->heads.p);
	memmove(g->head_rows.p + i + 1, g->head_rows.p + i, (g->heads.n - i) * sizeof *g->head_rows.p);
	g->heads.p[i] = *h;
	g->head_rows.p[i] = row;
	g->head_rows.n = ++g->heads.n;
}

void am_graph_add(am_doc *doc, const am_change *c)
{
	struct am_graph *g = &doc->graph;
	uint32_t row = am_graph_append(doc, c, NULL);

	for (size_t i = 0; i < c->n_deps; i++)
		drop_head(g, &c->deps[i]);
	add_head(g, &c->hash, row);
	am_graph_index(g, row);
#ifdef AM_CHECKS
	am_graph_verify(doc);
#endif
}

/* ---- undo ---- */

struct am_graph_mark am_graph_mark(const struct am_graph *g)
{
	return (struct am_graph_mark){g->hash.n, g->more.n, g->lists.n, g->bytes.n, g->texts.n};
}

/* Marks every row something depends on; the others are heads. */
static size_t mark_inner(struct am_graph *g)
{
	size_t heads = 0;

	for (size_t i = 0; i < g->run.n; i++) {
		struct am_row_deps d = am_graph_deps(g, g->run.p[i].row);

		for (size_t k = 0; k < d.n; k++)
			am_graph_set_flag(g, am_dep(&d, k), FLAG_OLD);
		for (uint32_t row = g->run.p[i].row; row + 1 < am_graph_run_end(g, i); row++)
			am_graph_set_flag(g, row, FLAG_OLD);
	}
	for (size_t i = 0; i < g->hash.n; i++)
		heads += !am_graph_flag(g, (uint32_t)i);
	return heads;
}

/* Sorted at once: put in one by one, very many would take very long. */
static void find_heads(struct am_graph *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->hash.n; i++)
		if (!am_graph_flag(g, (uint32_t)i))
			g->heads.p[n++] = g->hash.p[i];
	g->heads.n = g->head_rows.n = am_hash_sort_unique(g->heads.p, n);
	for (size_t i = 0; i < g->hash.n; i++)
		if (!am_graph_flag(g, (uint32_t)i))
			g->head_rows.p[am_hash_lower(g->heads.p, g->heads.n, &g->hash.p[i])] = (uint32_t)i;
}

static void clear_flags(struct am_graph *g)
{
	if (g->flag.n)
		memset(g->flag.p, 0, g->flag.n);
}

void am_graph_rewind(am_doc *doc, const struct am_graph_mark *m)
{
	struct am_graph *g = &doc->graph;

	if (g->hash.n == m->rows)
		return;
	am_rows_truncate(g, m->rows);
	while (g->cached.n > g->cache_head && g->cache_first + g->cached.n > m->rows) {
		struct am_cached *c = &g->cached.p[--g->cached.n];

		g->cache_bytes -= c->n;
		am_mem_free(&doc->a, c->p);
	}
	g->more.n = m->more;
	g->lists.n = m->lists;
	am_texts_truncate(g, m->texts, m->bytes);
	slots_refill(g);
	mark_inner(g);
	find_heads(g); /* there were as many before: they fit */
	clear_flags(g);
}

/* ---- many rows at once ---- */

/* Anew, looking for hashes that are there twice. */
static int index_all(struct am_graph *g)
{
	if (g->n_slots)
		memset(g->slot, 0xff, g->n_slots * sizeof *g->slot);
	for (size_t row = 0; row < g->hash.n; row++) {
		size_t i = slot_of(g, &g->hash.p[row]);

		for (; g->slot[i] != AM_NONE; i = slot_next(g, i))
			if (memcmp(&g->hash.p[g->slot[i]], &g->hash.p[row], sizeof(am_hash)) == 0)
				return AM_E_FORMAT;
		g->slot[i] = (uint32_t)row;
	}
	return AM_OK;
}

int am_graph_fill_end(am_doc *doc)
{
	struct am_graph *g = &doc->graph;
	size_t heads = mark_inner(g);
	bool grown;
	int rc = AM_E_NOMEM;

	if (slots_grow(g, &doc->a, 0, &grown) == AM_OK && am_vec_reserve(&doc->a, &g->heads, heads) == AM_OK &&
	    am_vec_reserve(&doc->a, &g->head_rows, heads) == AM_OK) {
		find_heads(g);
		rc = index_all(g);
	}
	clear_flags(g);
	return rc;
}

/* ---- walks: a heap of rows, greatest first ---- */

static int heap_push(am_doc *doc, uint32_t row)
{
	struct am_graph *g = &doc->graph;
	size_t i;

	if (am_vec_reserve(&doc->a, &g->heap, 1) || am_vec_reserve(&doc->a, &g->touched, 1))
		return AM_E_NOMEM;
	g->touched.p[g->touched.n++] = row;
	for (i = g->heap.n++; i && g->heap.p[(i - 1) / 2] < row; i = (i - 1) / 2)
		g->heap.p[i] = g->heap.p[(i - 1) / 2];
	g->heap.p[i] = row;
	return AM_OK;
}

static uint32_t heap_pop(struct am_graph *g)
{
	uint32_t top = g->heap.p[0], last = g->heap.p[--g->heap.n];
	size_t i = 0, k;

	for (; (k = 2 * i + 1) < g->heap.n; i = k) {
		if (k + 1 < g->heap.n && g->heap.p[k + 1] > g->heap.p[k])
			k++;
		if (g->heap.p[k] <= last)
			break;
		g->heap.p[i] = g->heap.p[k];
	}
	g->heap.p[i] = last;
	return top;
}

/* Marks a row; *live counts queued rows that are not (yet) known to be old. */
static int mark_row(am_doc *doc, uint32_t row, unsigned flag, size_t *live)
{
	struct am_graph *g = &doc->graph;
	unsigned f = am_graph_flag(g, row);

	if (f == 0) {
		if (heap_push(doc, row))
			return AM_E_NOMEM;
		am_graph_set_flag(g, row, flag);
		*live += flag == FLAG_NEW;
		return AM_OK;
	}
	if (flag == FLAG_OLD && f == FLAG_NEW) {
		am_graph_set_flag(g, row, FLAG_OLD);
		(*live)--;
	}
	return AM_OK;
}

static void walk_end(struct am_graph *g)
{
	for (size_t i = 0; i < g->touched.n; i++)
		am_graph_set_flag(g, g->touched.p[i], 0);
	g->touched.n = g->heap.n = 0;
}

static int since_walk(am_doc *doc, am_rows *ret, size_t *live)
{
	struct am_graph *g = &doc->graph;
	struct am_row_deps d;
	uint32_t row;
	unsigned f;
	int rc;

	while (*live) {
		row = heap_pop(g);
		f = am_graph_flag(g, row);
		if (f == FLAG_NEW) {
			(*live)--;
			if (am_vec_reserve(&doc->a, ret, 1))
				return AM_E_NOMEM;
			ret->p[ret->n++] = row;
		}
		d = am_graph_deps(g, row);
		for (size_t i = 0; i < d.n; i++) {
			rc = mark_row(doc, am_dep(&d, i), f, live);
			if (rc)
				return rc;
		}
	}
	return AM_OK;
}

int am_graph_since(am_doc *doc, const uint32_t *have, size_t n, am_rows *ret)
{
	struct am_graph *g = &doc->graph;
	size_t live = 0, from = ret->n, to;
	uint32_t x;
	int rc = AM_OK;

	if (n == 0) { /* everything */
		if (am_vec_reserve(&doc->a, ret, g->hash.n))
			return AM_E_NOMEM;
		for (size_t i = 0; i < g->hash.n; i++)
			ret->p[ret->n++] = (uint32_t)i;
		return AM_OK;
	}
	for (size_t i = 0; i < n && rc == AM_OK; i++)
		rc = mark_row(doc, have[i], FLAG_OLD, &live);
	for (size_t i = 0; i < g->heads.n && rc == AM_OK; i++)
		rc = mark_row(doc, g->head_rows.p[i], FLAG_NEW, &live);
	if (rc == AM_OK)
		rc = since_walk(doc, ret, &live);
	walk_end(g);
	if (rc) {
		ret->n = from;
		return rc;
	}
	for (to = ret->n; from + 1 < to; from++) { /* descending to ascending */
		x = ret->p[from];
		ret->p[from] = ret->p[--to];
		ret->p[to] = x;
	}
	return AM_OK;
}

int am_graph_since_hashes(am_doc *doc, const am_hash *have, size_t n, am_rows *ret)
{
	uint32_t few[16] = {0}, *rows = few, row;
	size_t k = 0;
	int rc = n ? am_graph_complete(doc, &doc->graph) : AM_OK;

	if (rc)
		return rc;
	if (n > 16) {
		rows = am_mem_alloc(&doc->a, n * sizeof *rows);
		if (!rows)
			return AM_E_NOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		row = am_graph_find(&doc->graph, &have[i]);
		if (row != AM_NONE)
			rows[k++] = row;
	}
	rc = am_graph_since(doc, rows, k, ret);
	if (rows != few)
		am_mem_free(&doc->a, rows);
	return rc;
}

int am_graph_closure(am_doc *doc, const uint32_t *of, size_t n, am_rows *ret)
{
	am_rows out = {0};
	size_t k = 0;
	int rc = AM_OK;

	if (n == 0)
		return AM_OK;
	rc = am_graph_since(doc, of, n, &out);
	if (rc == AM_OK)
		rc = am_vec_reserve(&doc->a, ret, doc->graph.hash.n - out.n);
	for (uint32_t i = 0; rc == AM_OK && i < doc->graph.hash.n; i++) {
		if (k < out.n && out.p[k] == i)
			k++;
		else
			ret->p[ret->n++] = i;
	}
	am_vec_free(&doc->a, &out);
	return rc;
}

/* ---- clocks ---- */

static bool are_heads(const struct am_graph *g, const am_hash *h, size_t n)
{
	if (n != g->heads.n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!am_hash_in(g->heads.p, n, &h[i]) || (i && am_hash_cmp(&h[i - 1], &h[i]) == 0))
			return false;
	return true;
}

static int clock_alloc(am_doc *doc, am_clock *c)
{
	c->n = doc->graph.actor.n;
	c->max_op = am_mem_zalloc(&doc->a, (2 * c->n + 1) * sizeof *c->max_op);
	if (!c->max_op)
		return AM_E_NOMEM;
	c->seq = c->max_op + c->n;
	return AM_OK;
}

void am_clock_fini(am_doc *doc, am_clock *c)
{
	am_mem_free(&doc->a, c->max_op);
	*c = (am_clock){0};
}

/* Per actor the newest row that is not in `out` (ascending). */
static void clock_without(struct am_graph *g, const am_rows *out, am_clock *c)
{
	for (size_t i = 0; i < out->n; i++)
		am_graph_set_flag(g, out->p[i], FLAG_NEW);
	for (uint32_t i = 0; i < c->n; i++) {
		uint32_t n = g->actor.p[i].count;

		while (n && am_graph_flag(g, am_graph_by_seq(g, i, n)))
			n--;
		c->seq[i] = n;
		if (n) {
			struct am_row r = am_graph_row(g, am_graph_by_seq(g, i, n));
			c->max_op[i] = am_row_max_op(&r);
		}
	}
	for (size_t i = 0; i < out->n; i++)
		am_graph_set_flag(g, out->p[i], 0);
}

int am_graph_clock(am_doc *doc, const am_hash *heads, size_t n, am_clock *ret)
{
	am_rows out = {0};
	am_clock c = {0};
	int rc = n && !are_heads(&doc->graph, heads, n) ? am_graph_complete(doc, &doc->graph) : AM_OK;

	for (size_t i = 0; i < n && rc == AM_OK; i++)
		if (am_graph_find(&doc->graph, &heads[i]) == AM_NONE)
			return AM_E_NOT_FOUND;
	if (rc == AM_OK && n && !are_heads(&doc->graph, heads, n))
		rc = am_graph_since_hashes(doc, heads, n, &out);
	if (rc == AM_OK)
		rc = clock_alloc(doc, &c);
	if (rc == AM_OK && n)
		clock_without(&doc->graph, &out, &c);
	am_vec_free(&doc->a, &out);
	if (rc == AM_OK)
		*ret = c;
	return rc;
}

/* ---- change bytes ---- */

int am_graph_header(am_doc *doc, uint32_t row, am_change *c)
{
	const struct am_graph *g = &doc->graph;
	struct am_row r = am_graph_row(g, row);
	struct am_row_deps d = am_graph_deps(g, row);
	struct am_bytes b;
	am_hash *deps = am_arena_array(&c->arena, d.n, sizeof *deps);

	if (!deps)
		return AM_E_NOMEM;
	for (size_t i = 0; i < d.n; i++)
		deps[i] = g->hash.p[am_dep(&d, i)];
	c->hash = g->hash.p[row];
	c->deps = deps;
	c->n_deps = d.n;
	c->actor = r.actor;
	c->seq = r.seq;
	c->start_op = r.start_op;
	c->op_count = r.op_count;
	c->time = am_graph_time(g, row);
	b = am_graph_message(g, row);
	c->message = b.p;
	c->message_n = b.n;
	b = am_graph_extra(g, row);
	c->extra = b.p;
	c->extra_n = b.n;
	return AM_OK;
}

static const struct am_cached *cached(const struct am_graph *g, uint32_t row)
{
	size_t i;

	if (row < g->cache_first + g->cache_head || row >= g->cache_first + g->cached.n)
		return NULL;
	i = row - g->cache_first;
	return g->cached.p[i].p ? &g->cached.p[i] : NULL;
}

int am_graph_chunk(am_doc *doc, uint32_t row, struct am_bytes *ret)
{
	struct am_row r = am_graph_row(&doc->graph, row);
	const struct am_cached *hit = cached(&doc->graph, row);
	struct am_walk w = AM_WALK_START;
	am_change c;
	am_hash hash;
	int rc;

	if (hit) {
		*ret = (struct am_bytes){hit->p, hit->n};
		return AM_OK;
	}
	rc = am_graph_complete(doc, &doc->graph);
	if (rc)
		return rc;
	hash = doc->graph.hash.p[row];
	am_change_init(&c, &doc->a);
	rc = am_graph_header(doc, row, &c);
	if (rc == AM_OK && r.op_count)
		rc = am_ops_collect_on(doc, &w, r.actor, r.start_op, r.op_count, &c);
	if (rc == AM_OK)
		rc = am_change_build(doc->scratch, &doc->actors, &c, ret);
	if (rc == AM_OK && memcmp(&hash, &c.hash, sizeof hash) != 0)
		rc = AM_E_POISON; /* never hand out bytes of another change */
	am_change_fini(&c);
	return rc;
}

static void cache_evict(am_doc *doc)
{
	struct am_graph *g = &doc->graph;
	size_t live;

	while (g->cache_head < g->cached.n && g->cache_bytes > doc->opts.change_cache) {
		struct am_cached *c = &g->cached.p[g->cache_head++];

		g->cache_bytes -= c->n;
		am_mem_free(&doc->a, c->p);
		c->p = NULL;
		c->n = 0;
	}
	if (g->cache_head < 64 || g->cache_head * 2 < g->cached.n)
		return;
	live = g->cached.n - g->cache_head;
	memmove(g->cached.p, g->cached.p + g->cache_head, live * sizeof *g->cached.p);
	g->cache_first += g->cache_head;
	g->cached.n = live;
	g->cache_head = 0;
}

void am_graph_cache(am_doc *doc, const uint8_t *p, size_t n)
{
	struct am_graph *g = &doc->graph;
	size_t row = g->hash.n - 1;
	uint8_t *copy;

	if (g->cached.n == 0)
		g->cache_first = row;
	if (g->cache_first + g->cached.n != row) { /* rows came in without bytes: start over */
		for (; g->cache_head < g->cached.n; g->cache_head++)
			am_mem_free(&doc->a, g->cached.p[g->cache_head].p);
		g->cached.n = g->cache_head = g->cache_bytes = 0;
		g->cache_first = row;
	}
	if (n > doc->opts.change_cache || am_vec_reserve(&doc->a, &g->cached, 1))
		return;
	copy = am_mem_alloc(&doc->a, n);
	if (!copy)
		return;
	memcpy(copy, p, n);
	g->cached.p[g->cached.n++] = (struct am_cached){copy, (uint32_t)n};
	g->cache_bytes += n;
	cache_evict(doc);
}
