/* Fragments: the history cut where hashes begin with zero bytes. Computed when asked for, in
 * one pass in application order that carries along what each row has behind it. Which fragments
 * there are, their boundaries and the order of members are those of crate 0.12. */
#include "automerge/internal.h"

/* Sequence number per actor of what is behind a row, itself included; 0 = nothing. */
typedef uint32_t *seq_clock;

struct node {
	uint32_t row;
	size_t level;
	seq_clock clock; /* of the row */
	seq_clock below; /* of its boundary together */
	uint32_t *deps; /* the boundary: rows, newest first */
	size_t n_deps;
};

struct cutter {
	am_doc *doc;
	const am_allocator *a;
	size_t n_actors;
	seq_clock *clocks;   /* by row, while something that depends on it is to come */
	uint32_t *children; /* by row: how many are to come */
	seq_clock top;       /* of all fragments together */
	AM_VEC(struct node) nodes; /* ascending rows; those whose place was taken are gone */
};

static size_t level_of(const am_hash *h)
{
	size_t n = 0;

	while (n < sizeof h->b && h->b[n] == 0)
		n++;
	return n;
}

/* ---- what is behind a row ---- */

static void clock_join(seq_clock to, const uint32_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (to[i] < from[i])
			to[i] = from[i];
}

static bool clock_has(const uint32_t *c, const uint32_t *of, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c[i] < of[i])
			return false;
	return true;
}

static seq_clock clock_new(const struct cutter *c, const uint32_t *from)
{
	seq_clock p = am_mem_zalloc(c->a, (c->n_actors + 1) * sizeof *p);

	if (p && from)
		memcpy(p, from, c->n_actors * sizeof *p);
	return p;
}

static void clock_drop(struct cutter *c, uint32_t row)
{
	am_mem_free(c->a, c->clocks[row]);
	c->clocks[row] = NULL;
}

/* The clock of a row that nothing else depends on any more moves on; else it is copied. */
static int clock_of_row(struct cutter *c, uint32_t row)
{
	const struct am_graph *g = &c->doc->graph;
	struct am_row_deps d = am_graph_deps(g, row);
	struct am_row r = am_graph_row(g, row);
	seq_clock p = NULL;

	for (size_t i = 0; i < d.n; i++) {
		uint32_t dep = am_dep(&d, i);
		bool last = --c->children[dep] == 0;

		if (!p && last) {
			p = c->clocks[dep];
			c->clocks[dep] = NULL;
			continue;
		}
		if (!p && !(p = clock_new(c, c->clocks[dep])))
			return AM_E_NOMEM;
		clock_join(p, c->clocks[dep], c->n_actors);
		if (last)
			clock_drop(c, dep);
	}
	if (!p && !(p = clock_new(c, NULL)))
		return AM_E_NOMEM;
	if (p[r.actor] < r.seq)
		p[r.actor] = r.seq;
	c->clocks[row] = p;
	return AM_OK;
}

/* ---- which fragments there are ---- */

static void node_fini(const struct cutter *c, struct node *x)
{
	am_mem_free(c->a, x->clock);
	am_mem_free(c->a, x->below);
	am_mem_free(c->a, x->deps);
}

static int add_node(struct cutter *c, uint32_t row, size_t level)
{
	struct node x = {.row = row, .level = level};
	size_t kept = 0;

	x.clock = clock_new(c, c->clocks[row]);
	x.below = clock_new(c, NULL);
	x.deps = am_mem_realloc(c->a, NULL, c->nodes.n, sizeof *x.deps);
	if (!x.clock || !x.below || !x.deps || am_vec_reserve(c->a, &c->nodes, 1)) {
		node_fini(c, &x);
		return AM_E_NOMEM;
	}
	for (size_t i = c->nodes.n; i-- > 0;) {
		const struct node *y = &c->nodes.p[i];

		if (y->level < level || !clock_has(x.clock, y->clock, c->n_actors))
			continue;
		x.deps[x.n_deps++] = y->row;
		clock_join(x.below, y->clock, c->n_actors);
	}
	for (size_t i = 0; i < c->nodes.n; i++) {
		struct node *y = &c->nodes.p[i];

		if (y->level < level && clock_has(x.clock, y->clock, c->n_actors))
			node_fini(c, y);
		else
			c->nodes.p[kept++] = *y;
	}
	c->nodes.n = kept;
	c->nodes.p[c->nodes.n++] = x;
	clock_join(c->top, x.clock, c->n_actors);
	return AM_OK;
}

static void cutter_fini(struct cutter *c)
{
	for (size_t i = 0; c->clocks && i < c->doc->graph.hash.n; i++)
		am_mem_free(c->a, c->clocks[i]);
	for (size_t i = 0; i < c->nodes.n; i++)
		node_fini(c, &c->nodes.p[i]);
	am_vec_free(c->a, &c->nodes);
	am_mem_free(c->a, c->clocks);
	am_mem_free(c->a, c->children);
	am_mem_free(c->a, c->top);
}

static int cutter_init(am_doc *doc, struct cutter *c)
{
	const struct am_graph *g = &doc->graph;

	*c = (struct cutter){.doc = doc, .a = &doc->a, .n_actors = g->actor.n};
	c->clocks = am_mem_zalloc(c->a, (g->hash.n + 1) * sizeof *c->clocks);
	c->children = am_mem_zalloc(c->a, (g->hash.n + 1) * sizeof *c->children);
	c->top = clock_new(c, NULL);
	if (!c->clocks || !c->children || !c->top)
		return AM_E_NOMEM;
	for (uint32_t row = 0; row < g->hash.n; row++) {
		struct am_row_deps d = am_graph_deps(g, row);

		for (size_t i = 0; i < d.n; i++)
			c->children[am_dep(&d, i)]++;
	}
	return AM_OK;
}

static int cut(struct cutter *c)
{
	const struct am_graph *g = &c->doc->graph;
	int rc = AM_OK;

	for (uint32_t row = 0; row < g->hash.n && rc == AM_OK; row++) {
		size_t level = level_of(&g->hash.p[row]);

		rc = clock_of_row(c, row);
		if (rc == AM_OK && level)
			rc = add_node(c, row, level);
		if (rc == AM_OK && !c->children[row])
			clock_drop(c, row);
	}
	return rc;
}

/* ---- what is in them ---- */

/* A walk backwards, breadth first, that goes nowhere the clock has. */
struct walk {
	am_rows rows;  /* visited, and to be looked at from `at` on */
	uint8_t *seen; /* a bit a row */
};

static void walk_fini(const struct cutter *c, struct walk *w)
{
	am_vec_free(c->a, &w->rows);
	am_mem_free(c->a, w->seen);
}

static int walk_init(const struct cutter *c, struct walk *w)
{
	*w = (struct walk){.seen = am_mem_zalloc(c->a, c->doc->graph.hash.n / 8 + 1)};
	return w->seen ? AM_OK : AM_E_NOMEM;
}

static int visit(const struct cutter *c, struct walk *w, uint32_t row)
{
	if (w->seen[row / 8] >> (row % 8) & 1)
		return AM_OK;
	if (am_vec_reserve(c->a, &w->rows, 1))
		return AM_E_NOMEM;
	w->seen[row / 8] |= (uint8_t)(1u << (row % 8));
	w->rows.p[w->rows.n++] = row;
	return AM_OK;
}

static int walk_until(const struct cutter *c, struct walk *w, const uint32_t *clock)
{
	const struct am_graph *g = &c->doc->graph;
	int rc = AM_OK;

	for (size_t i = 0; i < w->rows.n && rc == AM_OK; i++) {
		struct am_row_deps d = am_graph_deps(g, w->rows.p[i]);

		for (size_t k = 0; k < d.n && rc == AM_OK; k++) {
			struct am_row r = am_graph_row(g, am_dep(&d, k));

			if (clock[r.actor] < r.seq)
				rc = visit(c, w, am_dep(&d, k));
		}
	}
	return rc;
}

/* ---- telling them ---- */

/* n hashes of boundary, n_members of members, the rest checkpoints. */
static int tell(const struct cutter *c, const uint32_t *deps, size_t n, const uint32_t *members, size_t n_members,
		am_fragment_fn fn, void *ctx)
{
	const am_hash *hash = c->doc->graph.hash.p;
	am_hash *p = am_mem_realloc(c->a, NULL, n + 2 * n_members, sizeof *p), *points = p ? p + n + n_members : NULL;
	am_fragment_info f = {.head = hash[members[0]], .level = level_of(&hash[members[0]]), .boundary = p,
			      .n_boundary = n, .members = p ? p + n : NULL, .n_members = n_members,
			      .checkpoints = points};
	int rc;

	if (!p)
		return AM_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		p[i] = hash[deps[i]];
	for (size_t i = 0; i < n_members; i++) {
		p[n + i] = hash[members[i]];
		if (i && level_of(&hash[members[i]]))
			points[f.n_checkpoints++] = hash[members[i]];
	}
	rc = fn(ctx, &f);
	am_mem_free(c->a, p);
	return rc;
}

static int tell_node(const struct cutter *c, const struct node *x, am_fragment_fn fn, void *ctx)
{
	struct walk w;
	int rc = walk_init(c, &w);

	if (rc == AM_OK)
		rc = visit(c, &w, x->row);
	if (rc == AM_OK)
		rc = walk_until(c, &w, x->below);
	if (rc == AM_OK)
		rc = tell(c, x->deps, x->n_deps, w.rows.p, w.rows.n, fn, ctx);
	walk_fini(c, &w);
	return rc;
}

static int tell_loose(const struct cutter *c, uint32_t row, am_fragment_fn fn, void *ctx)
{
	struct am_row_deps d = am_graph_deps(&c->doc->graph, row);

	return tell(c, d.list ? d.list : &d.one, d.n, &row, 1, fn, ctx);
}

static int tell_all_loose(const struct cutter *c, am_fragment_fn fn, void *ctx)
{
	const struct am_graph *g = &c->doc->graph;
	struct walk w;
	int rc = walk_init(c, &w);

	for (size_t i = 0; i < g->heads.n && rc == AM_OK; i++)
		if (!level_of(&g->heads.p[i]))
			rc = visit(c, &w, g->head_rows.p[i]);
	if (rc == AM_OK)
		rc = walk_until(c, &w, c->top);
	for (size_t i = w.rows.n; i-- > 0 && rc == AM_OK;)
		rc = tell_loose(c, w.rows.p[i], fn, ctx);
	walk_fini(c, &w);
	return rc;
}

static int complete(am_doc *doc)
{
	int rc = am_tx_flush(doc);

	return rc ? rc : am_graph_complete(doc, &doc->graph);
}

int am_fragments(am_doc *doc, size_t min_level, size_t max_level, am_fragment_fn fn, void *ctx)
{
	struct cutter c;
	int rc = complete(doc);

	if (rc)
		return rc;
	rc = cutter_init(doc, &c);
	if (rc == AM_OK)
		rc = cut(&c);
	for (size_t i = 0; i < c.nodes.n && rc == AM_OK; i++)
		if (c.nodes.p[i].level >= min_level && c.nodes.p[i].level <= max_level)
			rc = tell_node(&c, &c.nodes.p[i], fn, ctx);
	if (rc == AM_OK && min_level == 0)
		rc = tell_all_loose(&c, fn, ctx);
	cutter_fini(&c);
	return rc;
}

int am_fragment(am_doc *doc, const am_hash *head, am_fragment_fn fn, void *ctx)
{
	struct cutter c = {.doc = doc, .a = &doc->a};
	uint32_t row;
	int rc = complete(doc);

	if (rc)
		return rc;
	row = am_graph_find(&doc->graph, head);
	if (row == AM_NONE)
		return AM_E_NOT_FOUND;
	if (!level_of(head))
		return tell_loose(&c, row, fn, ctx);
	rc = cutter_init(doc, &c);
	if (rc == AM_OK)
		rc = cut(&c);
	for (size_t i = 0; i < c.nodes.n; i++)
		if (rc == AM_OK && c.nodes.p[i].row == row) {
			rc = tell_node(&c, &c.nodes.p[i], fn, ctx);
			goto out;
		}
	if (rc == AM_OK)
		rc = AM_E_NOT_FOUND;
out:
	cutter_fini(&c);
	return rc;
}
