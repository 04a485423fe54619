#include "automerge/tree.h"

#include <stdlib.h>

#include "automerge/edit.h"

/* ---- what is borrowed ---- */

struct am_lent am_lent_by(const am_doc *doc)
{
	const struct am_ops *ops = doc->ops;

	return (struct am_lent){doc, (uintptr_t)ops->heap.p, (uintptr_t)ops->names.p, ops->heap.n, ops->names.n};
}

const void *am_lent_now(const struct am_lent *l, const void *p)
{
	const struct am_ops *ops = l->doc->ops;

	if ((uintptr_t)p - l->heap < l->heap_n)
		return am_moved(p, l->heap, l->heap_n, ops->heap.p);
	return am_moved(p, l->names, l->names_n, ops->names.p);
}

struct pair { am_objid id; const am_tree *t; };
typedef AM_VEC(struct pair) pair_list;

static int push(am_doc *doc, pair_list *todo, am_objid id, const am_tree *t)
{
	if (am_vec_reserve(&doc->a, todo, 1))
		return AM_E_NOMEM;
	todo->p[todo->n++] = (struct pair){id, t};
	return AM_OK;
}

/* ---- equal? ---- */

static bool scalar_equal(const am_value *a, const am_value *b)
{
	struct am_scalar x, y;

	if (a->type != b->type)
		return false;
	if (a->type == AM_F64)
		return a->f == b->f;
	if (am_scalar_encode(a, &x) || am_scalar_encode(b, &y) || x.meta != y.meta)
		return false;
	return x.meta >> 4 == 0 || memcmp(x.p, y.p, x.meta >> 4) == 0;
}

static int text_equal(am_doc *doc, am_objid id, const am_tree *t, bool *ret)
{
	am_buf now = {.a = doc->a};
	int rc = am_text(doc, NULL, id, &now);

	if (rc == AM_OK)
		*ret = now.n == t->value.s.n && (now.n == 0 || memcmp(now.p, t->value.s.p, now.n) == 0);
	am_buf_free(&now);
	return rc;
}

/* Objects of the same type are compared later, unless they are texts. */
static int value_equal(am_doc *doc, pair_list *todo, const am_value *v, const am_tree *t, bool *ret)
{
	if (!am_is_object(v->type) || v->type != t->value.type) {
		*ret = scalar_equal(v, &t->value);
		return AM_OK;
	}
	*ret = true;
	return v->type == AM_TEXT ? text_equal(doc, v->id, t, ret) : push(doc, todo, v->id, t);
}

static int object_equal(am_doc *doc, pair_list *todo, am_objid id, const am_tree *t, bool *ret)
{
	am_value v;
	int rc = AM_OK;

	*ret = am_length(doc, NULL, id) == t->n_children;
	for (size_t i = 0; i < t->n_children && *ret && rc == AM_OK; i++) {
		const am_tree *c = &t->children[i];
		rc = t->value.type == AM_MAP ? am_map_get(doc, NULL, id, c->key, c->key_n, &v)
					     : am_list_get(doc, NULL, id, i, &v);
		if (rc == AM_OK)
			rc = value_equal(doc, todo, &v, c, ret);
		else if (rc == AM_E_NOT_FOUND || rc == AM_E_INDEX)
			rc = AM_OK, *ret = false;
	}
	return rc;
}

int am_tree_equal(am_doc *doc, am_objid id, const am_tree *t, bool *ret)
{
	pair_list todo = {0};
	bool equal = true;
	am_type type;
	int rc = am_object_type(doc, id, &type);

	if (rc == AM_OK && type != t->value.type)
		equal = false;
	else if (rc == AM_OK && type == AM_TEXT)
		rc = text_equal(doc, id, t, &equal);
	else if (rc == AM_OK)
		rc = push(doc, &todo, id, t);
	while (rc == AM_OK && equal && todo.n) {
		struct pair p = todo.p[--todo.n];
		rc = object_equal(doc, &todo, p.id, p.t, &equal);
	}
	am_vec_free(&doc->a, &todo);
	if (rc == AM_OK)
		*ret = equal;
	return rc;
}

/* ---- make it so ---- */

/* Where a value goes: a key, or the index of an element that is there or (at the
 * end) is not. */
struct place {
	am_objid obj;
	const char *key; /* NULL: index */
	size_t key_n, index;
	bool append;
};

static int store_object(am_doc *doc, pair_list *todo, const struct place *p, const am_tree *t)
{
	am_type type = t->value.type;
	am_objid id;
	am_value now;
	int rc = p->append ? AM_E_NOT_FOUND
		 : p->key  ? am_map_get(doc, NULL, p->obj, p->key, p->key_n, &now)
			   : am_list_get(doc, NULL, p->obj, p->index, &now);

	if (rc == AM_OK && now.type == type)
		return push(doc, todo, now.id, t);
	if (rc && rc != AM_E_NOT_FOUND)
		return rc;
	rc = p->append ? am_list_insert_object(doc, p->obj, p->index, type, &id)
	     : p->key  ? am_map_put_object(doc, p->obj, p->key, p->key_n, type, &id)
		       : am_list_put_object(doc, p->obj, p->index, type, &id);
	return rc ? rc : push(doc, todo, id, t);
}

static int store_value(am_doc *doc, pair_list *todo, const struct place *p, const am_tree *t)
{
	if (am_is_object(t->value.type))
		return store_object(doc, todo, p, t);
	if (p->append)
		return am_list_insert(doc, p->obj, p->index, &t->value);
	return p->key ? am_map_put(doc, p->obj, p->key, p->key_n, &t->value)
		      : am_list_put(doc, p->obj, p->index, &t->value);
}

static int store_list(am_doc *doc, pair_list *todo, am_objid id, const am_tree *t)
{
	size_t n = am_length(doc, NULL, id);
	int rc = AM_OK;

	for (size_t i = 0; i < t->n_children && rc == AM_OK; i++) {
		struct place p = {.obj = id, .index = i, .append = i >= n};
		rc = store_value(doc, todo, &p, &t->children[i]);
	}
	if (rc == AM_OK && n > t->n_children)
		rc = am_list_splice(doc, id, t->n_children, (ptrdiff_t)(n - t->n_children), NULL, 0);
	return rc;
}

static int key_order(const char *a, size_t a_n, const char *b, size_t b_n)
{
	size_t n = a_n < b_n ? a_n : b_n;
	int c = n ? memcmp(a, b, n) : 0;

	return c ? c : a_n < b_n ? -1 : a_n > b_n;
}

static int child_order(const void *p, const void *q, void *lent)
{
	const am_tree *a = *(const am_tree *const *)p, *b = *(const am_tree *const *)q;

	return key_order(am_lent_now(lent, a->key), a->key_n, am_lent_now(lent, b->key), b->key_n);
}

int am_tree_sort(const struct am_lent *l, const am_tree *v, size_t n, const am_tree ***ret)
{
	const am_tree **sorted = am_mem_realloc(&l->doc->a, NULL, n + 1, sizeof *sorted);
	struct am_lent lent = *l;

	if (!sorted)
		return AM_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = &v[i];
	if (n > 1)
		qsort_r(sorted, n, sizeof *sorted, child_order, &lent);
	*ret = sorted;
	return AM_OK;
}

/* Keys of a map that the tree does not name, each a size_t and its bytes. */
struct surplus {
	const am_tree *const *child; /* sorted */
	size_t n;
	struct am_out keys;
};

static int note_surplus(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct surplus *s = ctx;
	size_t lo = 0, hi = s->n;

	(void)v;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = key_order(s->child[mid]->key, s->child[mid]->key_n, key, key_n);
		if (c == 0)
			return 0;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	am_out_put(&s->keys, &key_n, sizeof key_n);
	am_out_put(&s->keys, key, key_n);
	return s->keys.err;
}

static int delete_surplus(am_doc *doc, am_objid id, const struct am_out *keys)
{
	int rc = AM_OK;

	for (size_t at = 0; at < keys->n && rc == AM_OK;) {
		size_t n;
		memcpy(&n, keys->p + at, sizeof n);
		at += sizeof n;
		rc = am_map_delete(doc, id, (const char *)keys->p + at, n);
		at += n;
	}
	return rc;
}

static int store_map(am_doc *doc, pair_list *todo, am_objid id, const am_tree *t)
{
	struct surplus s = {.n = t->n_children, .keys.a = &doc->a};
	struct am_lent lent = am_lent_by(doc);
	const am_tree **child = NULL;
	int rc = am_tree_sort(&lent, t->children, t->n_children, &child);

	s.child = child;
	if (rc == AM_OK)
		rc = am_map_each(doc, NULL, id, note_surplus, &s);
	for (size_t i = 0; i < t->n_children && rc == AM_OK; i++) {
		struct place p = {.obj = id, .key = child[i]->key ? child[i]->key : "", .key_n = child[i]->key_n};
		rc = store_value(doc, todo, &p, child[i]);
	}
	if (rc == AM_OK)
		rc = delete_surplus(doc, id, &s.keys);
	am_out_free(&s.keys);
	am_mem_free(&doc->a, child);
	return rc;
}

int am_tree_store(am_doc *doc, am_objid id, const am_tree *t)
{
	pair_list todo = {0};
	int rc = push(doc, &todo, id, t);

	while (rc == AM_OK && todo.n) {
		struct pair p = todo.p[--todo.n];
		switch (p.t->value.type) {
		case AM_MAP:
			rc = store_map(doc, &todo, p.id, p.t);
			break;
		case AM_LIST:
			rc = store_list(doc, &todo, p.id, p.t);
			break;
		default:
			rc = am_text_update(doc, p.id, (const char *)p.t->value.s.p, p.t->value.s.n);
		}
	}
	am_vec_free(&doc->a, &todo);
	return rc;
}

int am_object_update(am_doc *doc, am_objid obj, const am_tree *t)
{
	struct am_edit e;
	am_type type = AM_NULL;
	int rc = am_edit_begin(doc, obj, AM_EDIT_MAP | AM_EDIT_LIST | AM_EDIT_TEXT, &e);

	if (rc)
		return rc;
	rc = am_object_type(doc, obj, &type);
	if (rc == AM_OK)
		rc = type == t->value.type ? am_tree_store(doc, obj, t) : AM_E_TYPE;
	return am_edit_end(&e, rc);
}
