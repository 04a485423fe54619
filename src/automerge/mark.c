#include "automerge/mark.h"

#include "automerge/sequence.h"

int am_mark_set_meet(am_doc *doc, struct am_mark_set *set, uint32_t s)
{
	const struct am_span *x = &doc->ops->span.p[s];

	if (x->mark != AM_NONE) {
		if (am_vec_reserve(&doc->a, &set->open, 1))
			return AM_E_NOMEM;
		set->open.p[set->open.n++] = s;
		return AM_OK;
	}
	for (size_t i = 0; i < set->open.n; i++) {
		if (am_id_eq(am_id_plus(doc->ops->span.p[set->open.p[i]].id, 1), x->id)) {
			set->open.p[i] = set->open.p[--set->open.n];
			break;
		}
	}
	return AM_OK;
}

uint32_t am_mark_set_get(const am_doc *doc, const struct am_mark_set *set, uint32_t name)
{
	const struct am_ops *ops = doc->ops;
	uint32_t best = AM_NONE;

	for (size_t i = 0; i < set->open.n; i++) {
		uint32_t s = set->open.p[i];
		if (ops->span.p[s].mark == name &&
		    (best == AM_NONE || am_id_cmp(&doc->actors, ops->span.p[s].id, ops->span.p[best].id) > 0))
			best = s;
	}
	return best;
}

bool am_mark_is_null(const struct am_ops *ops, uint32_t s)
{
	return s == AM_NONE || ops->span.p[s].vtype == AM_VAL_NULL;
}

bool am_mark_equal(const struct am_ops *ops, uint32_t a, uint32_t b)
{
	const struct am_span *x, *y;

	if (am_mark_is_null(ops, a) || am_mark_is_null(ops, b))
		return am_mark_is_null(ops, a) && am_mark_is_null(ops, b);
	x = &ops->span.p[a];
	y = &ops->span.p[b];
	return a == b || (x->vtype == y->vtype && x->val_n == y->val_n &&
			  memcmp(am_span_val(ops, x), am_span_val(ops, y), x->val_n) == 0);
}

int am_mark_names(am_doc *doc, const struct am_mark_set *set, am_name_list *names)
{
	for (size_t i = 0; i < set->open.n; i++) {
		uint32_t name = doc->ops->span.p[set->open.p[i]].mark;
		size_t k = 0;
		while (k < names->n && names->p[k] != name)
			k++;
		if (k < names->n)
			continue;
		if (am_vec_reserve(&doc->a, names, 1))
			return AM_E_NOMEM;
		names->p[names->n++] = name;
	}
	return AM_OK;
}

void am_mark_sort_names(const am_doc *doc, am_name_list *names)
{
	for (size_t i = 1; i < names->n; i++) {
		uint32_t x = names->p[i];
		size_t k = i;
		for (; k > 0 && am_key_cmp(doc->ops, names->p[k - 1], x) > 0; k--)
			names->p[k] = names->p[k - 1];
		names->p[k] = x;
	}
}

/* ---- am_marks ---- */

struct mark_at { size_t pos; uint32_t s; };
struct marks {
	am_doc *doc;
	const am_clock *clock;
	AM_VEC(struct mark_at) at; /* visible mark elements in order */
	size_t length;
	am_mark_fn fn;
	void *ctx;
	am_mark_range range; /* not reported yet; empty when start == end */
	uint32_t value;      /* span of its value */
};

static int gather(struct marks *m, uint32_t obj, struct am_mark_set *all)
{
	am_doc *doc = m->doc;
	struct am_piece p;

	for (uint32_t s = am_seq_first(doc->ops, obj); s != AM_NONE; s = am_seq_next(doc->ops, s)) {
		if (!am_piece_at(doc, m->clock, s, &p))
			continue;
		m->length += p.w;
		if (doc->ops->span.p[s].action != AM_ACT_MARK)
			continue;
		if (am_vec_reserve(&doc->a, &m->at, 1) || am_vec_reserve(&doc->a, &all->open, 1))
			return AM_E_NOMEM;
		m->at.p[m->at.n++] = (struct mark_at){m->length, s};
		if (doc->ops->span.p[s].mark != AM_NONE)
			all->open.p[all->open.n++] = s;
	}
	return AM_OK;
}

static int report(struct marks *m)
{
	if (m->range.start == m->range.end || am_mark_is_null(m->doc->ops, m->value))
		return 0;
	am_value_at(m->doc, m->clock, m->value, 0, &m->range.value);
	return m->fn(m->ctx, &m->range);
}

/* The mark has the value of begin `value` on [from, to). */
static int stretch(struct marks *m, size_t from, size_t to, uint32_t value)
{
	int rc = 0;

	if (from == to)
		return 0;
	if (m->range.end != from || !am_mark_equal(m->doc->ops, value, m->value)) {
		rc = report(m);
		m->range.start = from;
		m->value = value;
	}
	m->range.end = to;
	return rc;
}

static int marks_of_name(struct marks *m, uint32_t name)
{
	const struct am_ops *ops = m->doc->ops;
	struct am_mark_set set = {0};
	uint32_t value = AM_NONE;
	size_t from = 0;
	int rc = 0;

	m->range = (am_mark_range){.name = (const char *)am_key_text(ops, name),
				   .name_n = ops->key.p[name].n};
	m->value = AM_NONE;
	for (size_t i = 0; i < m->at.n && rc == 0; i++) {
		const struct am_span *x = &ops->span.p[m->at.p[i].s];
		if (x->mark != AM_NONE && x->mark != name)
			continue;
		rc = stretch(m, from, m->at.p[i].pos, value);
		if (rc == 0)
			rc = am_mark_set_meet(m->doc, &set, m->at.p[i].s);
		value = am_mark_set_get(m->doc, &set, name);
		from = m->at.p[i].pos;
	}
	if (rc == 0)
		rc = stretch(m, from, m->length, value);
	if (rc == 0)
		rc = report(m);
	am_vec_free(&m->doc->a, &set.open);
	return rc;
}

static int text_slot(am_doc *doc, const am_clock *clock, am_objid text, uint32_t *ret)
{
	int rc = am_obj_get(doc, clock, text, ret);

	return rc ? rc : doc->ops->obj.p[*ret].type == AM_TEXT ? AM_OK : AM_E_TYPE;
}

int am_marks(am_doc *doc, const am_view *view, am_objid text, am_mark_fn fn, void *ctx)
{
	struct marks m = {.doc = doc, .clock = am_scope(doc, view), .fn = fn, .ctx = ctx};
	struct am_mark_set all = {0};
	am_name_list names = {0};
	uint32_t slot;
	int rc = text_slot(doc, m.clock, text, &slot);

	if (rc || !doc->ops->obj.p[slot].s.marks)
		return rc;
	rc = gather(&m, slot, &all);
	if (rc == AM_OK)
		rc = am_mark_names(doc, &all, &names);
	am_mark_sort_names(doc, &names);
	for (size_t i = 0; i < names.n && rc == 0; i++)
		rc = marks_of_name(&m, names.p[i]);
	am_vec_free(&doc->a, &m.at);
	am_vec_free(&doc->a, &all.open);
	am_vec_free(&doc->a, &names);
	return rc;
}

/* The marks a set has in force, in name order; null ones are none. */
static int report_set(am_doc *doc, const am_clock *clock, const struct am_mark_set *set, am_mark_range at, am_mark_fn fn,
		      void *ctx)
{
	const struct am_ops *ops = doc->ops;
	am_name_list names = {0};
	int rc = am_mark_names(doc, set, &names);

	am_mark_sort_names(doc, &names);
	for (size_t i = 0; i < names.n && rc == 0; i++) {
		uint32_t s = am_mark_set_get(doc, set, names.p[i]);
		if (am_mark_is_null(ops, s))
			continue;
		at.name = (const char *)am_key_text(ops, names.p[i]);
		at.name_n = ops->key.p[names.p[i]].n;
		am_value_at(doc, clock, s, 0, &at.value);
		rc = fn(ctx, &at);
	}
	am_vec_free(&doc->a, &names);
	return rc;
}

int am_marks_at(am_doc *doc, const am_view *view, am_objid text, size_t pos, am_mark_fn fn, void *ctx)
{
	const am_clock *clock = am_scope(doc, view);
	struct am_mark_set set = {0};
	struct am_elem e;
	struct am_piece p;
	uint32_t slot;
	int rc = text_slot(doc, clock, text, &slot);

	if (rc || !doc->ops->obj.p[slot].s.marks || am_elem_find(doc, clock, slot, pos, &e))
		return rc;
	for (uint32_t s = am_seq_first(doc->ops, slot); s != e.piece.s && rc == AM_OK; s = am_seq_next(doc->ops, s))
		if (doc->ops->span.p[s].action == AM_ACT_MARK && am_piece_at(doc, clock, s, &p))
			rc = am_mark_set_meet(doc, &set, s);
	if (rc == AM_OK)
		rc = report_set(doc, clock, &set, (am_mark_range){.start = e.start, .end = e.start + e.w}, fn, ctx);
	am_vec_free(&doc->a, &set.open);
	return rc;
}

/* ---- am_spans ---- */

struct spans {
	am_doc *doc;
	const am_clock *clock;
	struct am_mark_set set;
	am_name_list names;          /* scratch */
	AM_VEC(uint32_t) now, next;  /* begins in force, by name; of the run, and from here on */
	AM_VEC(am_mark_range) out;
	struct am_out text;
	size_t pos, from;            /* in text units: where we are, where the run began */
	bool stale;                  /* `next` is not what `set` says */
	am_span_fn fn;
	void *ctx;
};

static int flush_text(struct spans *z)
{
	const struct am_ops *ops = z->doc->ops;
	am_span_view v = {.index = z->from, .text = (const char *)z->text.p, .text_n = z->text.n,
			  .n_marks = z->now.n};

	if (z->text.err)
		return z->text.err;
	if (!z->text.n)
		return 0;
	z->out.n = 0;
	if (am_vec_reserve(&z->doc->a, &z->out, z->now.n))
		return AM_E_NOMEM;
	for (size_t i = 0; i < z->now.n; i++) {
		uint32_t name = ops->span.p[z->now.p[i]].mark;
		am_mark_range *r = &z->out.p[i];
		*r = (am_mark_range){.name = (const char *)am_key_text(ops, name), .name_n = ops->key.p[name].n};
		am_value_at(z->doc, z->clock, z->now.p[i], 0, &r->value);
	}
	v.marks = z->out.p;
	z->text.n = 0;
	return z->fn(z->ctx, &v);
}

/* Brings `next` up to date; starts a new run of text when the marks differ. */
static int renew_marks(struct spans *z)
{
	am_doc *doc = z->doc;
	bool same;
	int rc;

	z->stale = false;
	z->names.n = z->next.n = 0;
	rc = am_mark_names(doc, &z->set, &z->names);
	if (rc == AM_OK)
		rc = am_vec_reserve(&doc->a, &z->next, z->names.n);
	if (rc)
		return rc;
	am_mark_sort_names(doc, &z->names);
	for (size_t i = 0; i < z->names.n; i++) {
		uint32_t s = am_mark_set_get(doc, &z->set, z->names.p[i]);
		if (!am_mark_is_null(doc->ops, s))
			z->next.p[z->next.n++] = s;
	}
	same = z->now.n == z->next.n;
	for (size_t i = 0; i < z->next.n && same; i++)
		same = doc->ops->span.p[z->now.p[i]].mark == doc->ops->span.p[z->next.p[i]].mark &&
		       am_mark_equal(doc->ops, z->now.p[i], z->next.p[i]);
	if (same)
		return AM_OK;
	rc = flush_text(z);
	if (rc || am_vec_reserve(&doc->a, &z->now, z->next.n))
		return rc ? rc : AM_E_NOMEM;
	z->now.n = z->next.n;
	if (z->next.n)
		memcpy(z->now.p, z->next.p, z->next.n * sizeof *z->next.p);
	return AM_OK;
}

static int span_piece(struct spans *z, const struct am_piece *p)
{
	const struct am_span *x = &z->doc->ops->span.p[p->win];
	const uint8_t *t;
	size_t n;
	int rc = 0;

	if (z->doc->ops->span.p[p->s].action == AM_ACT_MARK) {
		z->stale = true;
		return am_mark_set_meet(z->doc, &z->set, p->s);
	}
	if (x->action == AM_ACT_MAKE_MAP) {
		am_span_view v = {.is_block = true, .index = z->pos, .block = x->id};
		z->pos += p->w;
		rc = flush_text(z);
		return rc ? rc : z->fn(z->ctx, &v);
	}
	if (z->stale)
		rc = renew_marks(z);
	if (!z->text.n)
		z->from = z->pos;
	z->pos += p->w;
	am_piece_text(z->doc, p, &t, &n);
	am_out_put(&z->text, t, n);
	return rc;
}

int am_spans(am_doc *doc, const am_view *view, am_objid text, am_span_fn fn, void *ctx)
{
	struct spans z = {.doc = doc, .clock = am_scope(doc, view), .text.a = &doc->a, .fn = fn, .ctx = ctx};
	struct am_piece p;
	uint32_t slot;
	int rc = text_slot(doc, z.clock, text, &slot);

	if (rc)
		return rc;
	for (uint32_t s = am_seq_first(doc->ops, slot); s != AM_NONE && rc == 0; s = am_seq_next(doc->ops, s))
		if (am_piece_at(doc, z.clock, s, &p))
			rc = span_piece(&z, &p);
	if (rc == 0)
		rc = flush_text(&z);
	am_vec_free(&doc->a, &z.set.open);
	am_vec_free(&doc->a, &z.names);
	am_vec_free(&doc->a, &z.now);
	am_vec_free(&doc->a, &z.next);
	am_vec_free(&doc->a, &z.out);
	am_out_free(&z.text);
	return rc;
}
