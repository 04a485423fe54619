/* The rows of the change graph as they are kept: runs, because most changes are
 * the next of the same author. A row is found in its run by counting the runs
 * begun before it, so that reading one costs the same whatever the history. */
#include "automerge/change.h"
#include "automerge/graph.h"
#include "automerge/internal.h"

#define BLOCK_ROWS 64

static inline uint32_t run_of(const struct am_graph *g, uint32_t row)
{
	const struct am_row_block *b = &g->block.p[row / BLOCK_ROWS];
	uint64_t upto = b->starts << (BLOCK_ROWS - 1 - row % BLOCK_ROWS);

	return b->before + (uint32_t)__builtin_popcountll(upto) - 1;
}

/* ---- reading ---- */

struct am_row am_graph_row(const struct am_graph *g, uint32_t row)
{
	const struct am_row_run *r = &g->run.p[run_of(g, row)];
	uint32_t i = row - r->row;

	return (struct am_row){.actor = r->actor, .seq = r->seq + i, .start_op = r->start_op + i * r->op_count,
			       .op_count = r->op_count};
}

static const struct am_row_more *more_of(const struct am_graph *g, uint32_t row)
{
	const struct am_row_run *r = &g->run.p[run_of(g, row)];

	return r->has_more ? &g->more.p[r->dep + (row - r->row)] : NULL;
}

struct am_row_deps am_graph_more_deps(const struct am_graph *g, uint32_t row, const struct am_row_more *m)
{
	const uint32_t *list;

	if (m->list == AM_NONE)
		return (struct am_row_deps){NULL, row - 1, 1};
	list = g->lists.p + m->list;
	return (struct am_row_deps){list + 2, 0, list[1]};
}

struct am_bytes am_graph_more_extra(const struct am_graph *g, const struct am_row_more *m)
{
	return am_graph_text(g, m->list == AM_NONE ? AM_NONE : g->lists.p[m->list]);
}

struct am_row_deps am_graph_deps(const struct am_graph *g, uint32_t row)
{
	const struct am_row_run *r = &g->run.p[run_of(g, row)];

	if (row > r->row)
		return (struct am_row_deps){NULL, row - 1, 1};
	if (r->has_more)
		return am_graph_more_deps(g, row, &g->more.p[r->dep]);
	return (struct am_row_deps){NULL, r->dep, r->dep != AM_NONE};
}

int64_t am_graph_time(const struct am_graph *g, uint32_t row)
{
	const struct am_row_more *m = more_of(g, row);
	size_t lo = 0, hi = g->time.n, mid;

	if (m)
		return m->time;
	while (lo + 1 < hi) {
		mid = (lo + hi) / 2;
		if (g->time.p[mid].row <= row)
			lo = mid;
		else
			hi = mid;
	}
	return g->time.p[lo].time;
}

struct am_bytes am_graph_text(const struct am_graph *g, uint32_t i)
{
	if (i == AM_NONE)
		return (struct am_bytes){(const uint8_t *)"", 0};
	return (struct am_bytes){g->bytes.p + g->texts.p[i].off, g->texts.p[i].n};
}

struct am_bytes am_graph_message(const struct am_graph *g, uint32_t row)
{
	const struct am_row_more *m = more_of(g, row);

	return am_graph_text(g, m ? m->message : AM_NONE);
}

struct am_bytes am_graph_extra(const struct am_graph *g, uint32_t row)
{
	const struct am_row_more *m = more_of(g, row);

	return m ? am_graph_more_extra(g, m) : am_graph_text(g, AM_NONE);
}

/* ---- texts ---- */

/* Where the text is in the table, or belongs. */
static size_t text_slot(const struct am_graph *g, const uint8_t *p, size_t n)
{
	uint64_t h = n * 0x9e3779b97f4a7c15u, x = 0;
	size_t i = 0;

	for (; i + sizeof x <= n; i += sizeof x) {
		memcpy(&x, p + i, sizeof x);
		h = (h ^ x) * 0xbf58476d1ce4e5b9u;
		h ^= h >> 31;
	}
	for (x = 0; i < n; i++)
		x = x << 8 | p[i];
	h = (h ^ x) * 0x94d049bb133111ebu;
	for (i = (size_t)((h ^ h >> 29) & 0xffffffffu) * g->text_slot.n >> 32; g->text_slot.p[i] != AM_NONE;) {
		struct am_bytes b = am_graph_text(g, g->text_slot.p[i]);

		if (b.n == n && memcmp(b.p, p, n) == 0)
			break;
		i = i + 1 == g->text_slot.n ? 0 : i + 1;
	}
	return i;
}

static void texts_refill(struct am_graph *g)
{
	if (g->text_slot.n)
		memset(g->text_slot.p, 0xff, g->text_slot.n * sizeof *g->text_slot.p);
	for (size_t i = 0; i < g->texts.n; i++) {
		struct am_bytes b = am_graph_text(g, (uint32_t)i);

		g->text_slot.p[text_slot(g, b.p, b.n)] = (uint32_t)i;
	}
}

/* For two more texts, `bytes` long together. The table is at most two thirds full. */
static int reserve_texts(const am_allocator *a, struct am_graph *g, size_t bytes)
{
	size_t want = (g->texts.n + 2) * 3;

	if (am_vec_reserve(a, &g->texts, 2) || am_vec_reserve(a, &g->bytes, bytes))
		return AM_E_NOMEM;
	if ((g->texts.n + 2) * 3 <= g->text_slot.n * 2)
		return AM_OK;
	if (am_vec_reserve(a, &g->text_slot, want - g->text_slot.n))
		return AM_E_NOMEM;
	g->text_slot.n = want;
	texts_refill(g);
	return AM_OK;
}

static uint32_t add_text(struct am_graph *g, const uint8_t *p, size_t n)
{
	size_t i;

	if (!n)
		return AM_NONE;
	i = text_slot(g, p, n);
	if (g->text_slot.p[i] == AM_NONE) {
		g->texts.p[g->texts.n] = (struct am_text){(uint32_t)g->bytes.n, (uint32_t)n};
		memcpy(g->bytes.p + g->bytes.n, p, n);
		g->bytes.n += n;
		g->text_slot.p[i] = (uint32_t)g->texts.n++;
	}
	return g->text_slot.p[i];
}

void am_texts_truncate(struct am_graph *g, size_t texts, size_t bytes)
{
	if (texts == g->texts.n)
		return;
	g->texts.n = texts;
	g->bytes.n = bytes;
	texts_refill(g);
}

/* ---- sequence numbers ---- */

uint32_t am_graph_seq_count(const struct am_graph *g, uint32_t actor)
{
	return actor < g->actor.n ? g->actor.p[actor].count : 0;
}

uint32_t am_graph_by_seq(const struct am_graph *g, uint32_t actor, uint64_t seq)
{
	const struct am_seqs *s;
	size_t lo = 0, hi, mid;

	if (seq == 0 || seq > am_graph_seq_count(g, actor))
		return AM_NONE;
	s = &g->actor.p[actor];
	if (s->p[s->n - 1].seq <= seq) /* what is asked for most often */
		return s->p[s->n - 1].row + ((uint32_t)seq - s->p[s->n - 1].seq);
	for (hi = s->n - 1; lo + 1 < hi;) {
		mid = (lo + hi) / 2;
		if (s->p[mid].seq <= seq)
			lo = mid;
		else
			hi = mid;
	}
	return s->p[lo].row + ((uint32_t)seq - s->p[lo].seq);
}

static void seqs_push(struct am_seqs *s, uint32_t row)
{
	uint32_t seq = ++s->count;

	if (s->n && s->p[s->n - 1].row + (seq - s->p[s->n - 1].seq) == row)
		return;
	s->p[s->n++] = (struct am_seq_run){seq, row};
}

static void seqs_pop(struct am_seqs *s)
{
	if (s->p[s->n - 1].seq == s->count)
		s->n--;
	s->count--;
}

/* ---- appending ---- */

static bool needs_more(const am_change *c)
{
	return c->n_deps > 1 || c->message_n || c->extra_n || c->time < 0 || c->time > UINT32_MAX;
}

static int reserve_actor(struct am_graph *g, const am_allocator *a, uint32_t actor)
{
	if (actor >= g->actor.n) {
		size_t extra = actor + 1 - g->actor.n;

		if (am_vec_reserve(a, &g->actor, extra))
			return AM_E_NOMEM;
		memset(g->actor.p + g->actor.n, 0, extra * sizeof *g->actor.p);
		g->actor.n += extra;
	}
	return am_vec_reserve(a, &g->actor.p[actor], 1);
}

int am_rows_reserve(const am_allocator *a, struct am_graph *g, const am_change *c)
{
	if (g->hash.n >= AM_NONE - 1 || g->bytes.n + c->message_n + c->extra_n > UINT32_MAX ||
	    g->lists.n + c->n_deps + 2 > UINT32_MAX)
		return AM_E_LIMIT;
	if (am_vec_reserve(a, &g->hash, 1) || am_vec_reserve(a, &g->run, 1) || am_vec_reserve(a, &g->block, 1) ||
	    am_vec_reserve(a, &g->time, 1) || am_vec_reserve(a, &g->flag, 1) || reserve_actor(g, a, c->actor))
		return AM_E_NOMEM;
	if (needs_more(c) &&
	    (am_vec_reserve(a, &g->more, 1) || am_vec_reserve(a, &g->lists, c->n_deps + 2) ||
	     (c->message_n + c->extra_n && reserve_texts(a, g, c->message_n + c->extra_n))))
		return AM_E_NOMEM;
	return AM_OK;
}

/* deps: rows of the dependencies, NULL = look them up; dep: the only one, AM_NONE. */
static uint32_t add_more(struct am_graph *g, const am_change *c, const uint32_t *deps, uint32_t dep)
{
	struct am_row_more m = {.time = c->time, .message = add_text(g, c->message, c->message_n), .list = AM_NONE};
	size_t at = g->lists.n;

	if (c->extra_n || dep == AM_NONE || dep + 1 != g->hash.n) {
		m.list = (uint32_t)at;
		g->lists.p[at++] = add_text(g, c->extra, c->extra_n);
		g->lists.p[at++] = (uint32_t)c->n_deps;
		for (size_t i = 0; i < c->n_deps; i++)
			g->lists.p[at++] = deps ? deps[i] : am_graph_find(g, &c->deps[i]);
		g->lists.n = at;
	}
	g->more.p[g->more.n] = m;
	return (uint32_t)g->more.n++;
}

/* more: the row has more, as those of the run must have then. */
static bool goes_on(const struct am_graph *g, const am_change *c, uint32_t row, uint32_t dep, bool more)
{
	const struct am_row_run *r = &g->run.p[g->run.n - 1];
	uint32_t i = row - r->row;

	return g->run.n && r->has_more == more && dep + 1 == row && r->actor == c->actor &&
	       r->op_count == c->op_count && r->start_op + i * r->op_count == c->start_op;
}

static void begin_run(struct am_graph *g, const struct am_row_run *r)
{
	g->block.p[r->row / BLOCK_ROWS].starts |= (uint64_t)1 << r->row % BLOCK_ROWS;
	g->run.p[g->run.n++] = *r;
}

uint32_t am_graph_append(am_doc *doc, const am_change *c, const uint32_t *deps)
{
	struct am_graph *g = &doc->graph;
	struct am_seqs *seqs = &g->actor.p[c->actor];
	uint32_t row = (uint32_t)g->hash.n, dep = AM_NONE, first;
	bool more = needs_more(c);

	if (row % BLOCK_ROWS == 0)
		g->block.p[g->block.n++] = (struct am_row_block){0, (uint32_t)g->run.n};
	if (row % 4 == 0)
		g->flag.p[g->flag.n++] = 0;
	if (c->n_deps == 1)
		dep = deps ? deps[0] : am_graph_find(g, &c->deps[0]);
	if (!more && (!g->time.n || g->time.p[g->time.n - 1].time != (uint32_t)c->time))
		g->time.p[g->time.n++] = (struct am_time_run){row, (uint32_t)c->time};
	first = more ? add_more(g, c, deps, dep) : dep;
	if (!row || !goes_on(g, c, row, dep, more))
		begin_run(g, &(struct am_row_run){.row = row, .seq = (uint32_t)c->seq, .start_op = c->start_op,
						  .op_count = c->op_count, .actor = c->actor & INT32_MAX,
						  .has_more = more, .dep = first});
	g->hash.p[g->hash.n++] = c->hash;
	seqs_push(seqs, row);
	seqs->has_author |= am_change_author(c->extra, c->extra_n, NULL);
	return row;
}

void am_rows_truncate(struct am_graph *g, size_t rows)
{
	for (size_t i = g->hash.n; i-- > rows;) {
		const struct am_row_run *r = &g->run.p[g->run.n - 1];
		struct am_seqs *s = &g->actor.p[r->actor];
		struct am_bytes extra = am_graph_extra(g, (uint32_t)i);

		if (am_change_author(extra.p, extra.n, NULL))
			s->has_author = false;
		seqs_pop(s);
		if (g->time.n && g->time.p[g->time.n - 1].row == i)
			g->time.n--;
		if (r->row == i) {
			g->block.p[i / BLOCK_ROWS].starts &= ~((uint64_t)1 << i % BLOCK_ROWS);
			g->run.n--;
		}
	}
	g->hash.n = rows;
	g->block.n = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
	g->flag.n = (rows + 3) / 4;
}
