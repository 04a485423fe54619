/* am_text_update: the difference of two texts as few splices. */
#include "automerge/update.h"

#include "automerge/sequence.h"
#include "automerge/text.h"
#include "automerge/view.h"
#include "base/utf8.h"

void am_side_fini(am_doc *doc, struct am_side *s)
{
	am_out_free(&s->text);
	am_vec_free(&doc->a, &s->tok);
	am_vec_free(&doc->a, &s->block);
}

static int add_token(am_doc *doc, struct am_side *s, struct am_token t)
{
	if (am_vec_reserve(&doc->a, &s->tok, 1))
		return AM_E_NOMEM;
	s->tok.p[s->tok.n++] = t;
	return AM_OK;
}

int am_side_cut(am_doc *doc, struct am_side *s, size_t from)
{
	int rc = s->text.err;

	for (size_t n; from < s->text.n && rc == AM_OK; from += n) {
		n = am_text_cluster(s->text.p + from, s->text.n - from);
		rc = add_token(doc, s, (struct am_token){(uint32_t)from, (uint32_t)n,
				(uint32_t)am_text_units(doc->opts.text_unit, s->text.p + from, n), AM_NONE});
	}
	return rc;
}

/* ---- what is there ---- */

struct elem_end { uint32_t at, w; }; /* byte behind an element, its width */
struct reader {
	const struct am_edit *e;
	struct am_side *s;
	AM_VEC(struct elem_end) end; /* elements not in tokens yet */
	size_t from;                 /* their first byte */
};

/* Clusters, joined where one would end inside an element. */
static int flush(struct reader *r)
{
	am_doc *doc = r->e->doc;
	const struct am_out *t = &r->s->text;
	size_t from = r->from, at = from, i = 0;
	uint32_t w = 0;
	int rc = t->err;

	while (at < t->n && rc == AM_OK) {
		at += am_text_cluster(t->p + at, t->n - at);
		while (i < r->end.n && r->end.p[i].at <= at)
			w += r->end.p[i++].w;
		if (i == 0 || r->end.p[i - 1].at != at)
			continue;
		rc = add_token(doc, r->s, (struct am_token){(uint32_t)from, (uint32_t)(at - from), w, AM_NONE});
		from = at;
		w = 0;
	}
	r->end.n = 0;
	r->from = t->n;
	return rc;
}

static int read_text(struct reader *r, const struct am_piece *p)
{
	am_doc *doc = r->e->doc;
	uint32_t at = (uint32_t)r->s->text.n;
	const uint8_t *t;
	size_t n;

	am_piece_text(doc, p, &t, &n);
	if (n == 0)
		return AM_OK; /* without width: nothing can be said about it */
	if (n > INT32_MAX - at)
		return AM_E_LIMIT;
	am_out_put(&r->s->text, t, n);
	if (am_vec_reserve(&doc->a, &r->end, p->n))
		return AM_E_NOMEM;
	if (p->n == 1) {
		r->end.p[r->end.n++] = (struct elem_end){at + (uint32_t)n, p->w};
		return AM_OK;
	}
	for (size_t i = 0, len; i < n; i += len) {
		len = am_text_scalar(t[i]);
		r->end.p[r->end.n++] = (struct elem_end){
			at + (uint32_t)(i + len), (uint32_t)am_text_units(doc->opts.text_unit, t + i, len)};
	}
	return AM_OK;
}

static int read_block(struct reader *r, const struct am_piece *p)
{
	am_doc *doc = r->e->doc;
	int rc = flush(r);

	if (rc || am_vec_reserve(&doc->a, &r->s->block, 1))
		return rc ? rc : AM_E_NOMEM;
	r->s->block.p[r->s->block.n++] = doc->ops->span.p[p->win].id;
	return add_token(doc, r->s, (struct am_token){(uint32_t)r->s->text.n, 0, p->w, (uint32_t)r->s->block.n - 1});
}

int am_side_read(const struct am_edit *e, bool blocks, struct am_side *ret)
{
	const struct am_ops *ops = e->ops;
	struct reader r = {.e = e, .s = ret};
	struct am_piece p;
	int rc = AM_OK;

	for (uint32_t s = am_seq_first(ops, e->obj); s != AM_NONE && rc == AM_OK; s = am_seq_next(ops, s)) {
		if (!am_piece_at(e->doc, e->clock, s, &p) || ops->span.p[s].action == AM_ACT_MARK)
			continue;
		if (blocks && ops->span.p[p.win].action == AM_ACT_MAKE_MAP)
			rc = read_block(&r, &p);
		else
			rc = read_text(&r, &p);
	}
	if (rc == AM_OK)
		rc = flush(&r);
	am_vec_free(&e->doc->a, &r.end);
	return rc;
}

/* ---- hunks ---- */

bool am_update_same(const void *ctx, size_t i, size_t j)
{
	const struct am_update *u = ctx;
	const struct am_token *a = &u->a.tok.p[i], *b = &u->b.tok.p[j];

	return a->block == AM_NONE && b->block == AM_NONE && a->n == b->n &&
	       memcmp(u->a.text.p + a->at, u->b.text.p + b->at, a->n) == 0;
}

void am_update_keep(struct am_update *u, size_t a0)
{
	for (; u->a_done < a0; u->a_done++, u->b_done++) {
		u->b.tok.p[u->b_done].w = u->a.tok.p[u->a_done].w;
		u->pos += u->a.tok.p[u->a_done].w;
	}
}

int am_update_text(struct am_update *u, size_t a1, size_t b1)
{
	size_t del = 0, put = 0, n = 0, at = u->b_done < b1 ? u->b.tok.p[u->b_done].at : 0;
	int rc;

	for (; u->a_done < a1; u->a_done++)
		del += u->a.tok.p[u->a_done].w;
	for (; u->b_done < b1; u->b_done++) {
		put += u->b.tok.p[u->b_done].w;
		n += u->b.tok.p[u->b_done].n;
	}
	rc = am_edit_text(u->e, u->pos, del, n ? u->b.text.p + at : NULL, n);
	u->pos += put;
	return rc;
}

static int replace(void *ctx, size_t a0, size_t a1, size_t b0, size_t b1)
{
	struct am_update *u = ctx;

	(void)b0;
	am_update_keep(u, a0);
	return am_update_text(u, a1, b1);
}

static int update(struct am_update *u, const uint8_t *text, size_t n)
{
	am_doc *doc = u->e->doc;
	struct am_myers m = {.same = am_update_same, .replace = replace, .ctx = u};
	int rc = am_side_read(u->e, false, &u->a);

	am_out_put(&u->b.text, text, n);
	if (rc == AM_OK)
		rc = am_side_cut(doc, &u->b, 0);
	if (rc)
		return rc;
	m.n_old = u->a.tok.n;
	m.n_new = u->b.tok.n;
	return am_myers_run(&m, &doc->a);
}

int am_text_update(am_doc *doc, am_objid obj, const char *text, size_t n)
{
	struct am_update u = {.a.text.a = &doc->a, .b.text.a = &doc->a};
	struct am_edit e;
	int rc = am_text_check(text, n);

	if (rc == AM_OK)
		rc = am_edit_begin(doc, obj, AM_EDIT_TEXT, &e);
	if (rc)
		return rc;
	u.e = &e;
	rc = update(&u, (const uint8_t *)text, n);
	am_side_fini(doc, &u.a);
	am_side_fini(doc, &u.b);
	return am_edit_end(&e, rc);
}
