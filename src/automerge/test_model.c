#include "automerge/test_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ids hold indices into the model's own actor table, sorted by bytes, so plain
 * comparison is Lamport order. */
struct mop {
	am_objid id, obj, elem;
	const char *key;
	size_t key_n;
	bool insert, expand, on;
	uint8_t action;
	am_value v;
	const char *mark;
	size_t mark_n;
	am_objid *pred;
	size_t n_pred, change;
};
struct model {
	struct mop *op;
	size_t n, n_changes;
	am_change_view **view;
	const uint8_t **actor;
	size_t *actor_n, n_actors;
	am_doc *doc;
	size_t *deps, *deps_off; /* row indices */
};

/* ---- strings, randomness ---- */

void str_put(struct str *s, const char *p, size_t n)
{
	if (s->n + n + 1 > s->cap) {
		s->cap = (s->n + n + 1) * 2;
		s->p = realloc(s->p, s->cap);
		if (!s->p)
			abort();
	}
	if (n)
		memcpy(s->p + s->n, p, n);
	s->n += n;
	s->p[s->n] = 0;
}

void str_fmt(struct str *s, const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	str_put(s, buf, (size_t)n);
}

void str_quoted(struct str *s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '"' || p[i] == '\\')
			str_fmt(s, "\\%c", p[i]);
		else if (p[i] == '\n')
			str_put(s, "\\n", 2);
		else
			str_put(s, (const char *)p + i, 1);
	}
}

void str_value(struct str *s, const am_value *v)
{
	switch (v->type) {
	case AM_BOOL: str_fmt(s, v->b ? "true" : "false"); break;
	case AM_INT:
	case AM_COUNTER:
	case AM_TIMESTAMP: str_fmt(s, "%lld", (long long)v->i); break;
	case AM_UINT: str_fmt(s, "%llu", (unsigned long long)v->u); break;
	case AM_F64: str_fmt(s, "%g", v->f); break;
	case AM_STR:
		str_put(s, "\"", 1);
		str_quoted(s, v->s.p, v->s.n);
		str_put(s, "\"", 1);
		break;
	default: str_put(s, "null", 4);
	}
}

uint32_t rnd_next(struct rnd *r)
{
	r->x ^= r->x << 13;
	r->x ^= r->x >> 7;
	r->x ^= r->x << 17;
	return (uint32_t)(r->x >> 16);
}

/* ---- reading ---- */

static int bytes_cmp(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n)
{
	int c = memcmp(a, b, a_n < b_n ? a_n : b_n);

	return c ? c : a_n < b_n ? -1 : a_n > b_n;
}

static uint32_t actor_ix(const struct model *m, const uint8_t *p, size_t n)
{
	for (uint32_t i = 0; i < m->n_actors; i++)
		if (m->actor_n[i] == n && memcmp(m->actor[i], p, n) == 0)
			return i;
	abort();
}

static void add_actor(struct model *m, const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < m->n_actors && bytes_cmp(m->actor[i], m->actor_n[i], p, n) < 0)
		i++;
	if (i < m->n_actors && bytes_cmp(m->actor[i], m->actor_n[i], p, n) == 0)
		return;
	m->actor = realloc(m->actor, (m->n_actors + 1) * sizeof *m->actor);
	m->actor_n = realloc(m->actor_n, (m->n_actors + 1) * sizeof *m->actor_n);
	memmove(m->actor + i + 1, m->actor + i, (m->n_actors - i) * sizeof *m->actor);
	memmove(m->actor_n + i + 1, m->actor_n + i, (m->n_actors - i) * sizeof *m->actor_n);
	m->actor[i] = p;
	m->actor_n[i] = n;
	m->n_actors++;
}

static am_objid local(const struct model *m, const am_change_view *c, am_objid id)
{
	size_t n;
	const uint8_t *p;

	if (id.ctr == 0)
		return (am_objid){0, 0};
	p = am_change_view_actor(c, id.actor, &n);
	return (am_objid){id.ctr, actor_ix(m, p, n)};
}

static void read_change(struct model *m, size_t i)
{
	const am_change_view *c = m->view[i];
	const am_op_view *ops;
	size_t n = am_change_view_ops(c, &ops);

	m->op = realloc(m->op, (m->n + n + 1) * sizeof *m->op);
	for (size_t k = 0; k < n; k++) {
		const am_op_view *o = &ops[k];
		struct mop *x = &m->op[m->n++];
		*x = (struct mop){.id = local(m, c, o->id), .obj = local(m, c, o->obj),
				  .elem = local(m, c, o->elem), .key = o->key, .key_n = o->key_n,
				  .insert = o->insert, .expand = o->expand, .on = true,
				  .action = o->action, .v = o->value, .mark = o->mark, .mark_n = o->mark_n,
				  .n_pred = o->n_pred, .change = i};
		x->pred = calloc(o->n_pred + 1, sizeof *x->pred);
		for (size_t j = 0; j < o->n_pred; j++)
			x->pred[j] = local(m, c, o->pred[j]);
	}
}

struct model *model_of(am_doc *doc)
{
	struct model *m = calloc(1, sizeof *m);
	size_t n = am_change_count(doc), n_deps = 0;

	m->doc = doc;
	m->n_changes = n;
	m->view = calloc(n + 1, sizeof *m->view);
	m->deps_off = calloc(n + 1, sizeof *m->deps_off);
	for (size_t i = 0; i < n; i++) {
		am_buf b = {0};
		size_t a_n, k;
		const uint8_t *a;
		if (am_change_bytes(doc, i, &b) || am_change_decode(b.p, b.n, NULL, &m->view[i]))
			abort();
		am_buf_free(&b);
		for (k = 0; (a = am_change_view_actor(m->view[i], (uint32_t)k, &a_n)); k++)
			add_actor(m, a, a_n);
		n_deps += am_change_view_info(m->view[i])->n_deps;
	}
	m->deps = calloc(n_deps + 1, sizeof *m->deps);
	for (size_t i = 0; i < n; i++) {
		const am_change_info *info = am_change_view_info(m->view[i]);
		m->deps_off[i + 1] = m->deps_off[i] + info->n_deps;
		for (size_t k = 0; k < info->n_deps; k++)
			if (am_change_find(doc, &info->deps[k], &m->deps[m->deps_off[i] + k]))
				abort();
		read_change(m, i);
	}
	return m;
}

void model_free(struct model *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->op[i].pred);
	for (size_t i = 0; i < m->n_changes; i++)
		am_change_view_free(m->view[i]);
	free(m->op);
	free(m->view);
	free(m->actor);
	free(m->actor_n);
	free(m->deps);
	free(m->deps_off);
	free(m);
}

void model_at(struct model *m, const am_hash *heads, size_t n)
{
	bool *in = calloc(m->n_changes + 1, sizeof *in);

	for (size_t i = 0; n != SIZE_MAX && i < n; i++) {
		size_t row;
		if (am_change_find(m->doc, &heads[i], &row))
			abort();
		in[row] = true;
	}
	for (size_t i = m->n_changes; i-- > 0;) /* dependencies have smaller rows */
		for (size_t k = m->deps_off[i]; in[i] && k < m->deps_off[i + 1]; k++)
			in[m->deps[k]] = true;
	for (size_t i = 0; i < m->n; i++)
		m->op[i].on = n == SIZE_MAX || in[m->op[i].change];
	free(in);
}

/* ---- evaluating ---- */

static int id_cmp(am_objid a, am_objid b)
{
	if (a.ctr != b.ctr)
		return a.ctr < b.ctr ? -1 : 1;
	return a.actor < b.actor ? -1 : a.actor > b.actor;
}
static bool id_eq(am_objid a, am_objid b) { return id_cmp(a, b) == 0; }

static bool has_pred(const struct mop *x, am_objid id)
{
	for (size_t i = 0; i < x->n_pred; i++)
		if (id_eq(x->pred[i], id))
			return true;
	return false;
}

static bool is_counter(const struct mop *x) { return x->action == 1 && x->v.type == AM_COUNTER; }

static bool visible(const struct model *m, const struct mop *x)
{
	if (!x->on || x->action == 5 || x->action == 3)
		return false;
	for (size_t i = 0; i < m->n; i++)
		if (m->op[i].on && has_pred(&m->op[i], x->id) && !(is_counter(x) && m->op[i].action == 5))
			return false;
	return true;
}

static int64_t counter(const struct model *m, const struct mop *x)
{
	int64_t sum = x->v.i;

	for (size_t i = 0; i < m->n; i++)
		if (m->op[i].on && m->op[i].action == 5 && has_pred(&m->op[i], x->id))
			sum += m->op[i].v.i;
	return sum;
}

static bool same_reg(const struct mop *a, const struct mop *b)
{
	if (!id_eq(a->obj, b->obj))
		return false;
	if (a->key || b->key)
		return a->key && b->key && a->key_n == b->key_n && memcmp(a->key, b->key, a->key_n) == 0;
	return id_eq(a->insert ? a->id : a->elem, b->insert ? b->id : b->elem);
}

/* Visible operations of x's register, ascending; the number of them. */
static size_t registers(const struct model *m, const struct mop *x, const struct mop **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct mop *y = &m->op[i];
		size_t k;
		if (!same_reg(x, y) || !visible(m, y))
			continue;
		for (k = n++; k > 0 && id_cmp(ret[k - 1]->id, y->id) > 0; k--)
			ret[k] = ret[k - 1];
		ret[k] = y;
	}
	return n;
}

/* The insert operations of a sequence in order (rule 1.6, one by one). */
static size_t sequence(const struct model *m, am_objid obj, const struct mop **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct mop *x = &m->op[i];
		size_t p = 0;
		if (!x->insert || !id_eq(x->obj, obj) || !x->on)
			continue;
		if (x->elem.ctr) {
			while (p < n && !id_eq(ret[p]->id, x->elem))
				p++;
			if (p == n)
				abort();
			p++;
		}
		while (p < n && id_cmp(ret[p]->id, x->id) > 0)
			p++;
		memmove(ret + p + 1, ret + p, (n - p) * sizeof *ret);
		ret[p] = x;
		n++;
	}
	return n;
}

static void put_op(const struct model *m, struct str *s, const struct mop *x, bool conflicts);

static void put_reg(const struct model *m, struct str *s, const struct mop **r, size_t n, bool conflicts)
{
	if (n == 1 || !conflicts) {
		put_op(m, s, r[n - 1], conflicts);
		return;
	}
	str_fmt(s, "{\"winner\":");
	put_op(m, s, r[n - 1], conflicts);
	str_fmt(s, ",\"conflicts\":{");
	for (size_t i = 0; i < n; i++) {
		str_fmt(s, "%s\"%u@", i ? "," : "", r[i]->id.ctr);
		for (size_t k = 0; k < m->actor_n[r[i]->id.actor]; k++)
			str_fmt(s, "%02x", m->actor[r[i]->id.actor][k]);
		str_fmt(s, "\":");
		put_op(m, s, r[i], conflicts);
	}
	str_fmt(s, "}}");
}

static int key_order(const void *p, const void *q)
{
	const struct mop *const *a = p, *const *b = q;

	return bytes_cmp((const uint8_t *)(*a)->key, (*a)->key_n, (const uint8_t *)(*b)->key, (*b)->key_n);
}

static void put_map(const struct model *m, struct str *s, am_objid obj, bool conflicts)
{
	const struct mop **keys = calloc(m->n + 1, sizeof *keys), **r = calloc(m->n + 1, sizeof *r);
	size_t n = 0;
	bool first = true;

	for (size_t i = 0; i < m->n; i++)
		if (id_eq(m->op[i].obj, obj) && m->op[i].key)
			keys[n++] = &m->op[i];
	qsort(keys, n, sizeof *keys, key_order);
	str_fmt(s, "{");
	for (size_t i = 0; i < n; i++) {
		size_t k;
		if (i && key_order(&keys[i - 1], &keys[i]) == 0)
			continue;
		k = registers(m, keys[i], r);
		if (!k)
			continue;
		str_fmt(s, "%s\"", first ? "" : ",");
		str_quoted(s, (const uint8_t *)keys[i]->key, keys[i]->key_n);
		str_fmt(s, "\":");
		first = false;
		put_reg(m, s, r, k, conflicts);
	}
	str_fmt(s, "}");
	free(keys);
	free(r);
}

static void put_sequence(const struct model *m, struct str *s, am_objid obj, bool text, bool conflicts)
{
	const struct mop **seq = calloc(m->n + 1, sizeof *seq), **r = calloc(m->n + 1, sizeof *r);
	size_t n = sequence(m, obj, seq);
	bool first = true;

	str_fmt(s, text ? "\"" : "[");
	for (size_t i = 0; i < n; i++) {
		size_t k = registers(m, seq[i], r);
		if (!k || r[k - 1]->action == 7)
			continue;
		if (text && r[k - 1]->action == 1 && r[k - 1]->v.type == AM_STR) {
			str_quoted(s, r[k - 1]->v.s.p, r[k - 1]->v.s.n);
		} else if (text) {
			str_fmt(s, "\xef\xbf\xbc");
		} else {
			if (!first)
				str_fmt(s, ",");
			first = false;
			put_reg(m, s, r, k, conflicts);
		}
	}
	str_fmt(s, text ? "\"" : "]");
	free(seq);
	free(r);
}

static void put_op(const struct model *m, struct str *s, const struct mop *x, bool conflicts)
{
	am_value v = x->v;

	if (x->action == 0) {
		put_map(m, s, x->id, conflicts);
	} else if (x->action == 2 || x->action == 4) {
		put_sequence(m, s, x->id, x->action == 4, conflicts);
	} else {
		if (is_counter(x))
			v.i = counter(m, x);
		str_value(s, &v);
	}
}

char *model_json(struct model *m, bool conflicts)
{
	struct str s = {0};

	put_map(m, &s, AM_ROOT, conflicts);
	return s.p;
}

/* ---- marks ---- */

static const struct mop *find_root_key(const struct model *m, const char *key)
{
	const struct mop **r = calloc(m->n + 1, sizeof *r), *win = NULL;
	const struct mop want = {.key = key, .key_n = strlen(key)};
	size_t n = registers(m, &want, r);

	if (n)
		win = r[n - 1];
	free(r);
	return win;
}

static void put_marks(struct str *s, const struct mop **open, size_t n)
{
	const char *last = "";

	for (;;) { /* names ascending; per name the highest id */
		const struct mop *next = NULL;
		for (size_t i = 0; i < n; i++) {
			char a[64], b[64];
			snprintf(a, sizeof a, "%.*s", (int)open[i]->mark_n, open[i]->mark);
			snprintf(b, sizeof b, "%.*s", next ? (int)next->mark_n : 0, next ? next->mark : "");
			if (strcmp(a, last) <= 0)
				continue;
			if (!next || strcmp(a, b) < 0 || (strcmp(a, b) == 0 && id_cmp(open[i]->id, next->id) > 0))
				next = open[i];
		}
		if (!next)
			return;
		if (next->v.type != AM_NULL) {
			str_fmt(s, "%.*s=", (int)next->mark_n, next->mark);
			str_value(s, &next->v);
			str_fmt(s, ",");
		}
		static char keep[64];
		snprintf(keep, sizeof keep, "%.*s", (int)next->mark_n, next->mark);
		last = keep;
	}
}

char *model_marks(struct model *m, const char *key)
{
	const struct mop *text = find_root_key(m, key);
	const struct mop **seq = calloc(m->n + 1, sizeof *seq), **r = calloc(m->n + 1, sizeof *r);
	const struct mop **open = calloc(m->n + 1, sizeof *open);
	size_t n = text ? sequence(m, text->id, seq) : 0, n_open = 0;
	struct str s = {0};

	str_fmt(&s, "%s", "");
	for (size_t i = 0; i < n; i++) {
		const struct mop *x = seq[i];
		size_t k = registers(m, x, r);
		if (!k)
			continue;
		if (x->action == 7 && x->mark) {
			open[n_open++] = x;
		} else if (x->action == 7) {
			for (size_t j = 0; j < n_open; j++) {
				am_objid begin = {x->id.ctr - 1, x->id.actor};
				if (id_eq(open[j]->id, begin)) {
					open[j] = open[--n_open];
					break;
				}
			}
		} else {
			if (r[k - 1]->action == 1 && r[k - 1]->v.type == AM_STR)
				str_put(&s, (const char *)r[k - 1]->v.s.p, r[k - 1]->v.s.n);
			else
				str_fmt(&s, "\xef\xbf\xbc");
			str_fmt(&s, "|");
			put_marks(&s, open, n_open);
			str_fmt(&s, "\n");
		}
	}
	free(seq);
	free(r);
	free(open);
	return s.p;
}
