/* The parts of am_diff that walk whole objects: content that came back into
 * sight, and texts with marks. */
#include "automerge/mark.h"
#include "automerge/patch.h"
#include "automerge/sequence.h"

static const am_clock nothing;

/* ---- dumps ---- */

static int emit(struct am_diff *d, const am_patch *p)
{
	int rc = am_diff_flush(d);

	return rc ? rc : d->fn(d->ctx, p);
}

static int later(struct am_diff *d, uint32_t s)
{
	const struct am_span *x = &d->doc->ops->span.p[s];

	if (!am_action_is_make(x->action) || x->aux == AM_NONE)
		return AM_OK;
	if (am_vec_reserve(&d->doc->a, &d->dump, 1))
		return AM_E_NOMEM;
	d->dump.p[d->dump.n++] = x->aux;
	return AM_OK;
}

static int dump_map(struct am_diff *d, uint32_t obj)
{
	const struct am_ops *ops = d->doc->ops;
	int rc = am_map_sort(d->doc, obj);

	for (uint32_t r = ops->obj.p[obj].m.first; r != AM_NONE && rc == AM_OK; r = ops->reg.p[r].next) {
		uint32_t k = ops->reg.p[r].key;
		am_patch p = {.kind = AM_PATCH_PUT, .obj = ops->obj.p[obj].id,
			      .key = (const char *)am_key_text(ops, k), .key_n = ops->key.p[k].n};
		bool conflict;
		uint32_t win = am_reg_winner(d->doc, d->after, r, &conflict);
		if (win == AM_NONE)
			continue;
		am_value_at(d->doc, d->after, win, 0, &p.value);
		p.value.conflict = conflict;
		rc = emit(d, &p);
		if (rc == AM_OK)
			rc = later(d, win);
	}
	return rc;
}

static int dump_element(struct am_diff *d, uint32_t obj, const struct am_piece *q, uint32_t k, size_t *pos)
{
	const struct am_ops *ops = d->doc->ops;
	const struct am_span *x = &ops->span.p[q->win];
	am_patch p = {.kind = AM_PATCH_INSERT, .obj = ops->obj.p[obj].id, .index = *pos};
	int rc;

	am_value_at(d->doc, d->after, q->win, k, &p.value);
	p.value.conflict = q->conflict;
	*pos += am_run_width(d->doc, x, k, 1);
	rc = emit(d, &p);
	return rc ? rc : later(d, q->win);
}

static int dump_sequence(struct am_diff *d, uint32_t obj)
{
	const struct am_ops *ops = d->doc->ops;
	bool text = ops->obj.p[obj].type == AM_TEXT;
	struct am_piece q;
	size_t pos = 0, n;
	int rc = AM_OK;

	for (uint32_t s = am_seq_first(ops, obj); s != AM_NONE && rc == AM_OK; s = am_seq_next(ops, s)) {
		const struct am_span *x;
		const uint8_t *t;
		if (!am_piece_at(d->doc, d->after, s, &q))
			continue;
		x = &ops->span.p[q.win];
		if (x->action == AM_ACT_MARK)
			continue;
		if (text && x->action == AM_ACT_SET && x->vtype == AM_VAL_STR) {
			am_piece_text(d->doc, &q, &t, &n);
			rc = am_diff_splice(d, obj, pos, q.w, t, n);
			pos += q.w;
			continue;
		}
		for (uint32_t k = q.k; k < q.k + q.n && rc == AM_OK; k++)
			rc = dump_element(d, obj, &q, q.win == q.s ? k : 0, &pos);
	}
	if (rc == AM_OK && text && ops->obj.p[obj].s.marks)
		rc = am_diff_marks(d, obj, &nothing);
	return rc;
}

int am_diff_dump(struct am_diff *d, uint32_t obj)
{
	const struct am_ops *ops = d->doc->ops;
	size_t base = d->dump.n;
	int rc = am_obj_is_map(&ops->obj.p[obj]) ? dump_map(d, obj) : dump_sequence(d, obj);

	while (rc == AM_OK && d->dump.n > base) {
		uint32_t next = d->dump.p[--d->dump.n];
		rc = am_obj_is_map(&ops->obj.p[next]) ? dump_map(d, next) : dump_sequence(d, next);
	}
	return rc ? rc : am_diff_flush(d);
}

/* ---- marks ---- */

struct pending { uint32_t name, value; size_t start, end; };
struct marking {
	struct am_diff *d;
	uint32_t obj;
	const am_clock *before;
	struct am_mark_set was, is;
	am_name_list names;
	AM_VEC(struct pending) open; /* ranges that may still grow, one per name */
};

static int mark_patch(struct marking *m, const struct pending *r)
{
	const struct am_ops *ops = m->d->doc->ops;
	am_patch p = {.kind = AM_PATCH_MARK, .obj = ops->obj.p[m->obj].id, .index = r->start,
		      .length = r->end - r->start,
		      .mark = (const char *)am_key_text(ops, r->name),
		      .mark_n = ops->key.p[r->name].n};

	if (!am_mark_is_null(ops, r->value))
		am_value_at(m->d->doc, m->d->after, r->value, 0, &p.value);
	return emit(m->d, &p);
}

static int mark_changed(struct marking *m, uint32_t name, uint32_t value, size_t start, size_t end)
{
	struct pending *r;
	size_t i = 0;
	int rc = AM_OK;

	while (i < m->open.n && m->open.p[i].name != name)
		i++;
	if (i == m->open.n) {
		if (am_vec_reserve(&m->d->doc->a, &m->open, 1))
			return AM_E_NOMEM;
		m->open.p[m->open.n++] = (struct pending){name, value, start, end};
		return AM_OK;
	}
	r = &m->open.p[i];
	if (r->end != start || !am_mark_equal(m->d->doc->ops, r->value, value)) {
		rc = mark_patch(m, r);
		*r = (struct pending){name, value, start, end};
	}
	r->end = end;
	return rc;
}

/* Text visible at `after` on [pos, pos + w), there before or not. A character replaced by an empty string has
 * no width: nothing there can be marked. */
static int mark_stretch(struct marking *m, size_t pos, size_t w, bool old)
{
	am_doc *doc = m->d->doc;
	int rc;

	if (w == 0)
		return AM_OK;
	m->names.n = 0;
	rc = am_mark_names(doc, &m->is, &m->names);
	if (rc == AM_OK && old)
		rc = am_mark_names(doc, &m->was, &m->names);
	am_mark_sort_names(doc, &m->names);
	for (size_t i = 0; i < m->names.n && rc == AM_OK; i++) {
		uint32_t b = old ? am_mark_set_get(doc, &m->was, m->names.p[i]) : AM_NONE;
		uint32_t a = am_mark_set_get(doc, &m->is, m->names.p[i]);
		if (!am_mark_equal(doc->ops, b, a))
			rc = mark_changed(m, m->names.p[i], a, pos, pos + w);
	}
	return rc;
}

static int mark_span(struct marking *m, uint32_t s, size_t *pos)
{
	am_doc *doc = m->d->doc;
	const struct am_span *x = &doc->ops->span.p[s];
	struct am_piece b, a;
	bool was = am_piece_at(doc, m->before, s, &b), is = am_piece_at(doc, m->d->after, s, &a);
	int rc = AM_OK;

	if (x->action == AM_ACT_MARK) {
		if (was)
			rc = am_mark_set_meet(doc, &m->was, s);
		return rc == AM_OK && is ? am_mark_set_meet(doc, &m->is, s) : rc;
	}
	if (!is)
		return AM_OK;
	if (!was || b.win != a.win)
		b.k = b.n = 0;
	for (uint32_t k = a.k; k < a.k + a.n && rc == AM_OK;) {
		bool old = k >= b.k && k < b.k + b.n;
		uint32_t end = a.k + a.n;
		size_t w;
		if (b.k > k && b.k < end)
			end = b.k;
		if (b.k + b.n > k && b.k + b.n < end)
			end = b.k + b.n;
		w = a.n == 1 ? a.w : am_run_width(doc, x, k, end - k);
		rc = mark_stretch(m, *pos, w, old);
		*pos += w;
		k = end;
	}
	return rc;
}

int am_diff_marks(struct am_diff *d, uint32_t obj, const am_clock *before)
{
	struct marking m = {.d = d, .obj = obj, .before = before};
	const am_allocator *a = &d->doc->a;
	size_t pos = 0;
	int rc = AM_OK;

	for (uint32_t s = am_seq_first(d->doc->ops, obj); s != AM_NONE && rc == AM_OK; s = am_seq_next(d->doc->ops, s))
		rc = mark_span(&m, s, &pos);
	for (size_t i = 0; i < m.open.n && rc == AM_OK; i++)
		rc = mark_patch(&m, &m.open.p[i]);
	am_vec_free(a, &m.was.open);
	am_vec_free(a, &m.is.open);
	am_vec_free(a, &m.names);
	am_vec_free(a, &m.open);
	return rc;
}
