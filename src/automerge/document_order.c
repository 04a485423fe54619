/* Order of operation rows in documents: objects by id; map keys by bytes, then
 * op id; sequences in list order, each element's insertion followed by its
 * updates by id. The successors of a row ascend. Releases before 0.12 write one wrong
 * order themselves (updates of a list counter behind the next element), so rows out of
 * order are sorted, and successors too. */
#include <stdlib.h>

#include "automerge/document.h"
#include "automerge/radix.h"

/* ---- checking ---- */

/* The path from the first element to the current one: an entry is a run of
 * elements each of which follows the one before, its successor on the stack
 * hangs on its last element. */
struct path_entry {
	am_id id;
	uint32_t run;
};
struct checker {
	const struct am_docfile *f;
	const struct am_actors *t;
	AM_VEC(struct path_entry) path;
	const am_op *before; /* row before this one in the same object */
	am_id elem, newest;  /* current element and the newest op id seen in it */
	size_t marks;
};

/* Is X, placed here with reference op->elem, where list order wants it? Its
 * older siblings (greater ids) and their descendants must come before it. */
static int check_insert(struct checker *k, const am_op *op, bool *ret_ok)
{
	am_id sibling = {0, 0};
	struct path_entry *top;
	bool found = am_id_is_null(op->elem);

	while (k->path.n) {
		top = &k->path.p[k->path.n - 1];
		if (!am_id_is_null(op->elem) && top->id.actor == op->elem.actor && top->id.ctr <= op->elem.ctr &&
		    op->elem.ctr - top->id.ctr < top->run) {
			found = true;
			if (op->elem.ctr - top->id.ctr + 1 < top->run) {
				sibling = (am_id){op->elem.ctr + 1, op->elem.actor};
				top->run = op->elem.ctr - top->id.ctr + 1;
			}
			break;
		}
		sibling = top->id;
		k->path.n--;
	}
	*ret_ok = found && (am_id_is_null(sibling) || am_id_cmp(k->t, sibling, op->id) > 0);
	if (am_vec_reserve(k->f->a, &k->path, 1))
		return AM_E_NOMEM;
	k->path.p[k->path.n++] = (struct path_entry){op->id, op->run};
	k->elem = k->newest = (am_id){op->id.ctr + op->run - 1, op->id.actor};
	return AM_OK;
}

static bool map_row_ok(const struct checker *k, const am_op *op)
{
	const am_op *b = k->before;
	int c;

	if (!b)
		return true;
	c = am_actor_cmp(b->key, b->key_n, op->key, op->key_n);
	return c < 0 || (c == 0 && am_id_cmp(k->t, b->id, op->id) < 0);
}

static int cmp_succ(const void *a, const void *b, void *t)
{
	return am_id_cmp(t, *(const am_id *)a, *(const am_id *)b);
}

/* Sorts them. One named twice is refused, for an increment would count twice; hashes
 * show neither, since changes are built from the edges. */
static int check_succs(const struct checker *k, const am_op *op, bool *ret_ok)
{
	am_id *s = k->f->succs + (op->refs - k->f->succs);
	uint32_t n = op->run == 1 ? op->n_refs : 0;

	for (uint32_t i = 1; i < n; i++)
		*ret_ok &= am_id_cmp(k->t, s[i - 1], s[i]) < 0;
	if (*ret_ok)
		return AM_OK;
	qsort_r(s, n, sizeof *s, cmp_succ, (void *)k->t);
	for (uint32_t i = 1; i < n; i++)
		if (am_id_eq(s[i - 1], s[i]))
			return AM_E_FORMAT;
	return AM_OK;
}

static int check_row(struct checker *k, const am_op *op, bool *ret_ok)
{
	if (k->before && !am_id_eq(k->before->obj, op->obj)) {
		if (am_id_cmp(k->t, k->before->obj, op->obj) >= 0) {
			*ret_ok = false;
			return AM_OK;
		}
		k->before = NULL;
	}
	if (!k->before)
		k->path.n = 0;
	else if (k->before->key_is_str != op->key_is_str)
		return AM_E_FORMAT;
	k->marks += op->action == AM_ACT_MARK;
	if (op->key_is_str) {
		*ret_ok = map_row_ok(k, op);
	} else if (op->insert) {
		return check_insert(k, op, ret_ok);
	} else {
		*ret_ok = k->before && am_id_eq(op->elem, k->elem) && am_id_cmp(k->t, k->newest, op->id) < 0;
		k->newest = op->id;
	}
	return AM_OK;
}

/* ---- sorting ---- */

struct sorted {
	const am_op *op;
	uint64_t lamport, group; /* group: element (updates) */
	uint32_t child, next;    /* lists of children, greatest id first; index + 1 */
};
struct sorter {
	struct am_docfile *f;
	const struct am_actors *t;
	AM_VEC(am_op) single;
	AM_VEC(am_op) out;
	struct sorted *v, *updates;
	struct am_keyed *by_id;
	uint32_t *stack;
};

static uint64_t lamport(const struct am_actors *t, am_id id)
{
	return (uint64_t)id.ctr << 32 | (id.ctr ? t->rank[id.actor] : 0);
}

static int cmp_map(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	int c = am_actor_cmp(x->op->key, x->op->key_n, y->op->key, y->op->key_n);

	return c ? c : x->lamport < y->lamport ? -1 : x->lamport > y->lamport;
}

static int cmp_update(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->lamport < y->lamport ? -1 : x->lamport > y->lamport;
}

static int cmp_insert(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	return x->lamport < y->lamport ? -1 : x->lamport > y->lamport;
}

static int emit(struct sorter *s, const am_op *op)
{
	if (s->out.n && am_op_join(&s->out.p[s->out.n - 1], op, AM_FORM_DOCUMENT))
		return AM_OK;
	if (am_vec_reserve(s->f->a, &s->out, 1))
		return AM_E_NOMEM;
	s->out.p[s->out.n++] = *op;
	return AM_OK;
}

static int emit_element(struct sorter *s, const struct sorted *e, size_t n_updates)
{
	uint64_t group = am_id_key(e->op->id);
	size_t lo = 0, hi = n_updates, mid;
	int rc = emit(s, e->op);

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (s->updates[mid].group < group)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; rc == AM_OK && lo < n_updates && s->updates[lo].group == group; lo++)
		rc = emit(s, s->updates[lo].op);
	return rc;
}

/* Index of an element among the n inserts (by lamport), AM_NONE. */
static uint32_t find_insert(const struct sorter *s, size_t n, uint64_t want)
{
	size_t lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (s->v[mid].lamport < want)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && s->v[lo].lamport == want ? (uint32_t)lo : AM_NONE;
}

static int sort_sequence(struct sorter *s, const struct am_keyed *rows, size_t n)
{
	size_t n_ins = 0, n_up = 0, depth = 0;
	uint32_t first = 0, at;
	int rc = AM_OK;

	for (size_t i = 0; i < n; i++) {
		const am_op *op = &s->single.p[rows[i].a];
		struct sorted x = {.op = op, .lamport = lamport(s->t, op->id)};

		if (op->key_is_str)
			return AM_E_FORMAT;
		x.group = op->insert ? 0 : am_id_key(op->elem);
		if (op->insert)
			s->v[n_ins++] = x;
		else
			s->updates[n_up++] = x;
	}
	qsort(s->v, n_ins, sizeof *s->v, cmp_insert);
	qsort(s->updates, n_up, sizeof *s->updates, cmp_update);
	for (size_t i = 0; i < n_ins; i++) { /* ascending, so each goes before its older siblings */
		uint64_t ref = lamport(s->t, s->v[i].op->elem);
		uint32_t *list = &first;

		if (ref) {
			at = find_insert(s, i, ref);
			if (at == AM_NONE)
				return AM_E_FORMAT;
			list = &s->v[at].child;
		}
		s->v[i].next = *list;
		*list = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < n_up; i++)
		if (find_insert(s, n_ins, lamport(s->t, s->updates[i].op->elem)) == AM_NONE)
			return AM_E_FORMAT;
	for (at = first; rc == AM_OK && (at || depth);) {
		if (!at) {
			at = s->v[s->stack[--depth] - 1].next;
			continue;
		}
		rc = emit_element(s, &s->v[at - 1], n_up);
		s->stack[depth++] = at;
		at = s->v[at - 1].child;
	}
	return rc;
}

static int sort_map(struct sorter *s, const struct am_keyed *rows, size_t n)
{
	int rc = AM_OK;

	for (size_t i = 0; i < n; i++) {
		const am_op *op = &s->single.p[rows[i].a];

		if (!op->key_is_str)
			return AM_E_FORMAT;
		s->v[i] = (struct sorted){.op = op, .lamport = lamport(s->t, op->id)};
	}
	qsort(s->v, n, sizeof *s->v, cmp_map);
	for (size_t i = 0; i < n && rc == AM_OK; i++)
		rc = emit(s, s->v[i].op);
	return rc;
}

static int split_rows(struct sorter *s)
{
	struct am_docfile *f = s->f;
	size_t n = 0;

	for (size_t i = 0; i < f->rows.n; i++)
		n += f->rows.p[i].run;
	s->v = am_mem_realloc(f->a, NULL, n + 1, sizeof *s->v);
	s->updates = am_mem_realloc(f->a, NULL, n + 1, sizeof *s->updates);
	s->by_id = am_mem_realloc(f->a, NULL, n + 1, sizeof *s->by_id);
	s->stack = am_mem_realloc(f->a, NULL, n + 1, sizeof *s->stack);
	if (!s->v || !s->updates || !s->by_id || !s->stack || am_vec_reserve(f->a, &s->single, n))
		return AM_E_NOMEM;
	for (size_t i = 0; i < f->rows.n; i++) {
		size_t byte = 0;

		for (uint32_t k = 0; k < f->rows.p[i].run; k++)
			s->single.p[s->single.n++] = am_op_slice(&f->rows.p[i], k, 1, &byte);
	}
	return AM_OK;
}

static int sort_rows(struct am_docfile *f, const struct am_actors *t)
{
	struct sorter s = {.f = f, .t = t};
	size_t n, end;
	int rc = split_rows(&s);

	if (rc)
		goto out;
	n = s.single.n;
	for (size_t i = 0; i < n; i++)
		s.by_id[i] = (struct am_keyed){lamport(t, s.single.p[i].obj), (uint32_t)i, 0};
	rc = am_radix_sort(f->a, s.by_id, n);
	for (size_t i = 0; i < n && rc == AM_OK; i = end) {
		for (end = i; end < n && s.by_id[end].key == s.by_id[i].key;)
			end++;
		if (s.single.p[s.by_id[i].a].key_is_str)
			rc = sort_map(&s, s.by_id + i, end - i);
		else
			rc = sort_sequence(&s, s.by_id + i, end - i);
	}
	if (rc == AM_OK) {
		am_vec_free(f->a, &f->rows);
		f->rows.p = s.out.p;
		f->rows.n = s.out.n;
		f->rows.cap = s.out.cap;
		s.out.p = NULL;
	}
out:
	am_vec_free(f->a, &s.single);
	am_vec_free(f->a, &s.out);
	am_mem_free(f->a, s.v);
	am_mem_free(f->a, s.updates);
	am_mem_free(f->a, s.by_id);
	am_mem_free(f->a, s.stack);
	return rc;
}

/* ---- marks ---- */

/* Begin and end are neighbours by id; the end must be the later row. */
static int check_marks(struct am_docfile *f, size_t n)
{
	struct am_keyed *v = am_mem_realloc(f->a, NULL, n, sizeof *v);
	size_t k = 0;
	int rc;

	if (!v)
		return AM_E_NOMEM;
	for (size_t i = 0; i < f->rows.n; i++)
		if (f->rows.p[i].action == AM_ACT_MARK)
			v[k++] = (struct am_keyed){am_id_key(f->rows.p[i].id), (uint32_t)i, f->rows.p[i].mark != NULL};
	rc = am_radix_sort(f->a, v, k);
	for (size_t i = 1; rc == AM_OK && i < k; i++)
		if (v[i - 1].b && !v[i].b && v[i - 1].key + 1 == v[i].key && v[i].a < v[i - 1].a)
			f->mark_ends_early = true;
	am_mem_free(f->a, v);
	return rc;
}

int am_docfile_order(struct am_docfile *f, const struct am_actors *t)
{
	struct checker k = {.f = f, .t = t};
	int rc = AM_OK;

	f->ordered = true;
	for (size_t i = 0; i < f->rows.n && rc == AM_OK; i++) {
		bool ascending = true, ok = true;

		rc = check_succs(&k, &f->rows.p[i], &ascending);
		if (rc == AM_OK)
			rc = check_row(&k, &f->rows.p[i], &ok);
		f->ordered &= ascending && ok;
		k.before = &f->rows.p[i];
	}
	am_vec_free(f->a, &k.path);
	if (rc == AM_OK && !f->ordered)
		rc = sort_rows(f, t);
	if (rc == AM_OK && k.marks)
		rc = check_marks(f, k.marks);
	return rc;
}
