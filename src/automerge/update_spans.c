/* am_spans_update: text and blocks first, then the marks. */
#include "automerge/tree.h"
#include "automerge/update.h"
#include "automerge/text.h"
#include "base/utf8.h"

struct spans {
	struct am_update u;
	const am_span *want;
	size_t n;
	AM_VEC(uint32_t) tree; /* new side: span of each block */
	int err;               /* of a comparison, which cannot say */
};

static const am_tree *tree_of(const struct spans *z, size_t b)
{
	return z->want[z->tree.p[z->u.b.tok.p[b].block]].block;
}

/* ---- text and blocks ---- */

static int want_block(struct spans *z, size_t i)
{
	am_doc *doc = z->u.e->doc;
	struct am_side *b = &z->u.b;
	uint32_t w = (uint32_t)am_text_units(doc->opts.text_unit, (const uint8_t *)"\xef\xbf\xbc", 3);

	if (am_vec_reserve(&doc->a, &z->tree, 1) || am_vec_reserve(&doc->a, &b->tok, 1))
		return AM_E_NOMEM;
	z->tree.p[z->tree.n++] = (uint32_t)i;
	b->tok.p[b->tok.n++] = (struct am_token){(uint32_t)b->text.n, 0, w, (uint32_t)z->tree.n - 1};
	return AM_OK;
}

/* Spans of text that follow each other are cut as one: a cluster may span marks. */
static int want_all(struct spans *z)
{
	am_doc *doc = z->u.e->doc;
	struct am_side *b = &z->u.b;
	size_t from = 0;
	int rc = AM_OK;

	for (size_t i = 0; i < z->n && rc == AM_OK; i++) {
		if (!z->want[i].block) {
			am_out_put(&b->text, z->want[i].text, z->want[i].text_n);
			continue;
		}
		rc = am_side_cut(doc, b, from);
		from = b->text.n;
		if (rc == AM_OK)
			rc = want_block(z, i);
	}
	return rc ? rc : am_side_cut(doc, b, from);
}

static bool same(const void *ctx, size_t i, size_t j)
{
	/* The comparison may run out of memory; it is noted and ends the search. */
	struct spans *z = *(struct spans *const *)ctx;
	const struct am_token *a = &z->u.a.tok.p[i], *b = &z->u.b.tok.p[j];
	bool equal = false;

	if (a->block == AM_NONE || b->block == AM_NONE)
		return am_update_same(&z->u, i, j);
	if (z->err == AM_OK)
		z->err = am_tree_equal(z->u.e->doc, z->u.a.block.p[a->block], tree_of(z, j), &equal);
	return equal;
}

static int put_block(struct spans *z)
{
	am_doc *doc = z->u.e->doc;
	am_objid id;
	int rc = am_edit_insert_object(z->u.e, z->u.pos, AM_MAP, &id);

	if (rc == AM_OK)
		rc = am_tree_store(doc, id, tree_of(z, z->u.b_done));
	z->u.pos += z->u.b.tok.p[z->u.b_done++].w;
	return rc;
}

/* Old tokens up to a1 become the new ones up to b1, whatever they are. */
static int exchange(struct spans *z, size_t a1, size_t b1)
{
	struct am_update *u = &z->u;
	int rc = AM_OK;

	if (u->a_done == a1 && u->b_done == b1)
		return AM_OK;
	while (u->b_done < b1 && rc == AM_OK) {
		size_t end = u->b_done;
		if (u->b.tok.p[end].block != AM_NONE) {
			rc = put_block(z);
			continue;
		}
		while (end < b1 && u->b.tok.p[end].block == AM_NONE)
			end++;
		rc = am_update_text(u, u->a_done, end);
	}
	return rc ? rc : am_update_text(u, a1, b1);
}

static size_t next_block(const struct am_side *s, size_t i, size_t end)
{
	while (i < end && s->tok.p[i].block == AM_NONE)
		i++;
	return i;
}

/* The blocks of a hunk are paired in order and updated, so that they stay who they
 * are; what is between them is exchanged. */
static int replace(void *ctx, size_t a0, size_t a1, size_t b0, size_t b1)
{
	struct spans *z = *(struct spans **)ctx;
	struct am_update *u = &z->u;
	int rc = z->err;

	(void)b0;
	am_update_keep(u, a0);
	while ((u->a_done < a1 || u->b_done < b1) && rc == AM_OK) {
		size_t a = next_block(&u->a, u->a_done, a1), b = next_block(&u->b, u->b_done, b1);
		if (a == a1 || b == b1)
			return exchange(z, a1, b1);
		rc = exchange(z, a, b);
		if (rc == AM_OK)
			rc = am_tree_store(u->e->doc, u->a.block.p[u->a.tok.p[a].block], tree_of(z, b));
		if (rc == AM_OK)
			am_update_keep(u, a + 1);
	}
	return rc;
}

static int update_content(struct spans *z)
{
	struct spans *self = z;
	struct am_myers m = {.same = same, .replace = replace, .ctx = &self};
	int rc = am_side_read(z->u.e, true, &z->u.a);

	if (rc == AM_OK)
		rc = want_all(z);
	if (rc)
		return rc;
	m.n_old = z->u.a.tok.n;
	m.n_new = z->u.b.tok.n;
	rc = am_myers_run(&m, &z->u.e->doc->a);
	if (rc == AM_OK && z->err == AM_OK)
		am_update_keep(&z->u, z->u.a.tok.n);
	return rc ? rc : z->err;
}

/* ---- marks ---- */

struct range {
	size_t start, end;
	size_t name, name_n;  /* in the pool */
	size_t value;         /* there too: its encoded bytes ... */
	uint64_t meta;        /* ... and what they are */
	const am_value *from; /* wanted ones: the caller's */
	bool kept;
};
struct marking {
	am_doc *doc;
	struct am_out pool;
	AM_VEC(struct range) want, now;
};

static bool pool_equal(const struct marking *m, size_t a, size_t b, size_t n)
{
	return n == 0 || memcmp(m->pool.p + a, m->pool.p + b, n) == 0;
}

static bool range_named(const struct marking *m, const struct range *a, const struct range *b)
{
	return a->name_n == b->name_n && pool_equal(m, a->name, b->name, a->name_n) && a->meta == b->meta &&
	       pool_equal(m, a->value, b->value, a->meta >> 4);
}

static int make_range(struct marking *m, const am_mark_range *from, struct range *ret)
{
	struct am_scalar s;
	int rc = am_scalar_encode(&from->value, &s);

	if (rc)
		return rc;
	*ret = (struct range){.start = from->start, .end = from->end, .name = m->pool.n, .name_n = from->name_n,
			      .meta = s.meta};
	am_out_put(&m->pool, from->name, from->name_n);
	ret->value = m->pool.n;
	am_out_put(&m->pool, s.p, s.meta >> 4);
	return m->pool.err;
}

static int note_now(void *ctx, const am_mark_range *from)
{
	struct marking *m = ctx;
	int rc = am_vec_reserve(&m->doc->a, &m->now, 1);

	if (rc == AM_OK)
		rc = make_range(m, from, &m->now.p[m->now.n]);
	if (rc == AM_OK)
		m->now.n++;
	return rc;
}

/* One wanted mark over [start, end); a range that ends here goes on when it is the same. */
static int want_range(struct marking *m, const am_mark_range *from, size_t start, size_t end)
{
	struct range r;
	int rc;

	if (from->value.type == AM_NULL || start == end)
		return AM_OK;
	if (!utf8_valid(from->name_n ? from->name : "", from->name_n))
		return AM_E_FORMAT;
	rc = make_range(m, from, &r);
	if (rc || am_vec_reserve(&m->doc->a, &m->want, 1))
		return rc ? rc : AM_E_NOMEM;
	r.start = start;
	r.end = end;
	r.from = &from->value;
	for (size_t i = m->want.n; i-- > 0 && m->want.p[i].end >= start;) {
		if (m->want.p[i].end == start && range_named(m, &m->want.p[i], &r)) {
			m->want.p[i].end = end;
			return AM_OK;
		}
	}
	m->want.p[m->want.n++] = r;
	return AM_OK;
}

/* Units before byte `byte` of the new text, tokens from *tok on, which starts at *pos. */
static size_t units_at(const struct am_update *u, size_t byte, size_t *tok, size_t *pos)
{
	const struct am_token *t = u->b.tok.p;
	size_t part;

	for (; *tok < u->b.tok.n && t[*tok].block == AM_NONE && (size_t)t[*tok].at + t[*tok].n <= byte; ++*tok)
		*pos += t[*tok].w;
	if (*tok == u->b.tok.n || t[*tok].block != AM_NONE || t[*tok].at >= byte)
		return *pos;
	part = am_text_units(u->e->doc->opts.text_unit, u->b.text.p + t[*tok].at, byte - t[*tok].at);
	return *pos + (part < t[*tok].w ? part : t[*tok].w);
}

static int gather_wanted(struct marking *m, const struct spans *z)
{
	size_t tok = 0, pos = 0, byte = 0;
	int rc = AM_OK;

	for (size_t i = 0; i < z->n && rc == AM_OK; i++) {
		const am_span *s = &z->want[i];
		size_t start = units_at(&z->u, byte, &tok, &pos), end;
		if (s->block) {
			pos += z->u.b.tok.p[tok++].w;
			continue;
		}
		byte += s->text_n;
		end = units_at(&z->u, byte, &tok, &pos);
		for (size_t k = 0; k < s->n_marks && rc == AM_OK; k++)
			rc = want_range(m, &s->marks[k], start, end);
	}
	return rc;
}

/* Ranges that are there already stay. */
static void match(struct marking *m)
{
	for (size_t i = 0; i < m->now.n; i++) {
		struct range *a = &m->now.p[i];
		for (size_t k = 0; k < m->want.n && !a->kept; k++) {
			struct range *b = &m->want.p[k];
			if (!b->kept && a->start == b->start && a->end == b->end && range_named(m, a, b))
				a->kept = b->kept = true;
		}
	}
}

struct expands {
	am_expand other;
	const am_mark_expand *per_mark;
	size_t n;
};

static int set_mark(struct marking *m, am_objid text, const struct range *r, const am_value *v, const struct expands *x)
{
	const char *name = r->name_n ? (const char *)m->pool.p + r->name : "";
	am_expand expand = x->other;

	for (size_t i = 0; i < x->n; i++) {
		if (x->per_mark[i].name_n == r->name_n &&
		    (r->name_n == 0 || memcmp(x->per_mark[i].name, name, r->name_n) == 0))
			expand = x->per_mark[i].expand;
	}
	return am_mark(m->doc, text, r->start, r->end, expand, name, r->name_n, v);
}

static int update_marks(struct spans *z, am_objid text, const struct expands *x)
{
	static const am_value none = {.type = AM_NULL};
	am_doc *doc = z->u.e->doc;
	struct marking m = {.doc = doc, .pool.a = &doc->a};
	int rc = gather_wanted(&m, z);

	if (rc == AM_OK)
		rc = am_marks(doc, NULL, text, note_now, &m);
	match(&m);
	for (size_t i = 0; i < m.now.n && rc == AM_OK; i++)
		if (!m.now.p[i].kept)
			rc = set_mark(&m, text, &m.now.p[i], &none, x);
	for (size_t i = 0; i < m.want.n && rc == AM_OK; i++)
		if (!m.want.p[i].kept)
			rc = set_mark(&m, text, &m.want.p[i], m.want.p[i].from, x);
	am_out_free(&m.pool);
	am_vec_free(&doc->a, &m.want);
	am_vec_free(&doc->a, &m.now);
	return rc;
}

/* ---- all of it ---- */

static int check(const am_span *spans, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		const am_span *s = &spans[i];
		if (s->block && s->block->value.type != AM_MAP)
			return AM_E_TYPE;
		if (s->block)
			continue;
		if (s->text_n > INT32_MAX - bytes)
			return AM_E_LIMIT;
		bytes += s->text_n;
		if (!utf8_valid(s->text_n ? s->text : "", s->text_n))
			return AM_E_FORMAT;
	}
	return n > UINT32_MAX - 1 ? AM_E_LIMIT : AM_OK;
}

int am_spans_update(am_doc *doc, am_objid text, const am_span *spans, size_t n, am_expand expand,
		    const am_mark_expand *per_mark, size_t n_per_mark)
{
	struct expands x = {expand, per_mark, n_per_mark};
	struct spans z = {.u.a.text.a = &doc->a, .u.b.text.a = &doc->a, .want = spans, .n = n};
	struct am_edit e;
	int rc = check(spans, n);

	if (rc == AM_OK)
		rc = am_edit_begin(doc, text, AM_EDIT_TEXT, &e);
	if (rc)
		return rc;
	z.u.e = &e;
	rc = update_content(&z);
	if (rc == AM_OK)
		rc = update_marks(&z, text, &x);
	am_side_fini(doc, &z.u.a);
	am_side_fini(doc, &z.u.b);
	am_vec_free(&doc->a, &z.tree);
	return am_edit_end(&e, rc);
}
