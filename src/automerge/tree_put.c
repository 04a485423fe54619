/* New objects made from trees. The operations are those of crate 0.12: what is put first,
 * then what is in it, level by level. */
#include "automerge/edit.h"
#include "automerge/text.h"
#include "automerge/tree.h"

struct made { am_objid id; const am_tree *t; };
struct planting {
	am_doc *doc;
	struct am_edit *e;
	struct am_lent lent;
	AM_VEC(struct made) made; /* objects, in the order in which they are filled */
};

static const char *key_now(const struct planting *p, const am_tree *t)
{
	return t->key_n ? am_lent_now(&p->lent, t->key) : "";
}

static am_value value_now(const struct planting *p, const am_tree *t)
{
	am_value v = t->value;

	if (v.type == AM_STR || v.type == AM_BYTES || v.type == AM_UNKNOWN || v.type == AM_TEXT)
		v.s.p = am_lent_now(&p->lent, v.s.p);
	return v;
}

static int note_made(struct planting *p, am_objid id, const am_tree *t)
{
	if (am_vec_reserve(&p->doc->a, &p->made, 1))
		return AM_E_NOMEM;
	p->made.p[p->made.n++] = (struct made){id, t};
	return AM_OK;
}

/* A child of an object that is new, so that nothing has to be looked for. */
static int emit(struct planting *p, struct am_edit *e, am_op *op, const am_tree *t)
{
	am_value v = value_now(p, t);
	struct am_scalar s;
	int rc;

	if (am_is_object(v.type)) {
		rc = am_make_action(v.type, &op->action);
		if (rc == AM_OK)
			rc = am_edit_emit(e, op);
		return rc ? rc : note_made(p, op->id, t);
	}
	rc = am_scalar_encode(&v, &s);
	if (rc)
		return rc;
	op->action = AM_ACT_SET;
	op->meta = s.meta;
	op->val = s.p;
	return am_edit_emit(e, op);
}

static int check_key(const struct planting *p, const am_tree *t, const am_tree *before)
{
	const char *key = key_now(p, t);
	int rc = am_text_check(key, t->key_n);

	if (rc)
		return rc;
	return before && before->key_n == t->key_n && memcmp(key_now(p, before), key, t->key_n) == 0
		       ? AM_E_FORMAT : AM_OK;
}

static int fill_map(struct planting *p, struct am_edit *e, const am_tree *t)
{
	const am_tree **kid = NULL;
	int rc = am_tree_sort(&p->lent, t->children, t->n_children, &kid);

	for (size_t i = 0; i < t->n_children && rc == AM_OK; i++) {
		am_op op = {.key_is_str = true, .key = (const uint8_t *)key_now(p, kid[i]),
			    .key_n = (uint32_t)kid[i]->key_n};
		rc = check_key(p, kid[i], i ? kid[i - 1] : NULL);
		if (rc == AM_OK)
			rc = emit(p, e, &op, kid[i]);
	}
	am_mem_free(&p->doc->a, kid);
	return rc;
}

static int fill_list(struct planting *p, struct am_edit *e, const am_tree *t)
{
	am_op op = {.insert = true};
	int rc = AM_OK;

	for (size_t i = 0; i < t->n_children && rc == AM_OK; i++) {
		op = (am_op){.insert = true, .elem = op.id};
		rc = emit(p, e, &op, &t->children[i]);
	}
	return rc;
}

static int fill_text(struct planting *p, am_objid text, const am_tree *t)
{
	am_value v = value_now(p, t);

	return am_text_splice(p->doc, text, 0, 0, (const char *)v.s.p, v.s.n);
}

static int fill_all(struct planting *p)
{
	int rc = AM_OK;

	for (size_t i = 0; i < p->made.n && rc == AM_OK; i++) {
		struct made m = p->made.p[i];
		struct am_edit e = *p->e;
		e.obj = am_ops_object(p->doc->ops, m.id);
		rc = m.t->value.type == AM_MAP    ? fill_map(p, &e, m.t)
		     : m.t->value.type == AM_LIST ? fill_list(p, &e, m.t)
						  : fill_text(p, m.id, m.t);
	}
	return rc;
}

static int finish(struct planting *p, int rc)
{
	if (rc == AM_OK)
		rc = fill_all(p);
	am_vec_free(&p->doc->a, &p->made);
	return am_edit_end(p->e, rc);
}

/* ---- one tree ---- */

static int put_at_key(struct planting *p, am_objid obj, const char *key, size_t key_n, const am_tree *t, am_objid *ret)
{
	am_value v = value_now(p, t);
	int rc;

	*ret = AM_ROOT;
	if (!am_is_object(v.type))
		return am_map_put(p->doc, obj, key, key_n, &v);
	rc = am_map_put_object(p->doc, obj, key, key_n, v.type, ret);
	return rc ? rc : note_made(p, *ret, t);
}

static int put_at_index(struct planting *p, am_objid obj, size_t index, bool insert, const am_tree *t, am_objid *ret)
{
	am_value v = value_now(p, t);
	am_doc *doc = p->doc;
	int rc;

	*ret = AM_ROOT;
	if (!am_is_object(v.type))
		return insert ? am_list_insert(doc, obj, index, &v) : am_list_put(doc, obj, index, &v);
	rc = insert ? am_list_insert_object(doc, obj, index, v.type, ret)
		    : am_list_put_object(doc, obj, index, v.type, ret);
	return rc ? rc : note_made(p, *ret, t);
}

int am_map_put_tree(am_doc *doc, am_objid obj, const char *key, size_t key_n, const am_tree *tree, am_objid *ret)
{
	struct am_edit e;
	struct planting p = {.doc = doc, .e = &e, .lent = am_lent_by(doc)};
	am_objid id;
	int rc = am_edit_begin(doc, obj, AM_EDIT_MAP, &e);

	if (rc == AM_OK)
		rc = finish(&p, put_at_key(&p, obj, key, key_n, tree, &id));
	if (rc == AM_OK && ret)
		*ret = id;
	return rc;
}

static int put_element(am_doc *doc, am_objid obj, size_t index, bool insert, const am_tree *tree, am_objid *ret)
{
	struct am_edit e;
	struct planting p = {.doc = doc, .e = &e, .lent = am_lent_by(doc)};
	am_objid id;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, &e);

	if (rc == AM_OK)
		rc = finish(&p, put_at_index(&p, obj, index, insert, tree, &id));
	if (rc == AM_OK && ret)
		*ret = id;
	return rc;
}

int am_list_insert_tree(am_doc *doc, am_objid obj, size_t index, const am_tree *tree, am_objid *ret)
{
	return put_element(doc, obj, index, true, tree, ret);
}

int am_list_put_tree(am_doc *doc, am_objid obj, size_t index, const am_tree *tree, am_objid *ret)
{
	return put_element(doc, obj, index, false, tree, ret);
}

/* ---- several ---- */

int am_map_put_trees(am_doc *doc, am_objid obj, const am_tree *v, size_t n)
{
	struct am_edit e;
	struct planting p = {.doc = doc, .e = &e, .lent = am_lent_by(doc)};
	const am_tree **kid = NULL;
	am_objid id;
	int rc = am_edit_begin(doc, obj, AM_EDIT_MAP, &e);

	if (rc)
		return rc;
	rc = am_tree_sort(&p.lent, v, n, &kid);
	for (size_t i = 0; i < n && rc == AM_OK; i++) {
		rc = check_key(&p, kid[i], i ? kid[i - 1] : NULL);
		if (rc == AM_OK)
			rc = put_at_key(&p, obj, key_now(&p, kid[i]), kid[i]->key_n, kid[i], &id);
	}
	am_mem_free(&doc->a, kid);
	return finish(&p, rc);
}

int am_list_splice_trees(am_doc *doc, am_objid obj, size_t pos, ptrdiff_t del, const am_tree *v, size_t n)
{
	struct am_edit e;
	struct planting p = {.doc = doc, .e = &e, .lent = am_lent_by(doc)};
	size_t count = 0;
	am_objid id;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST, &e);

	if (rc)
		return rc;
	rc = am_edit_del(&pos, del, &count);
	for (size_t i = 0; i < n && rc == AM_OK; i++)
		rc = put_at_index(&p, obj, pos + i, true, &v[i], &id);
	if (rc == AM_OK)
		rc = fill_all(&p);
	if (rc == AM_OK && (n == 0 || count))
		rc = am_list_splice(doc, obj, pos + n, (ptrdiff_t)count, NULL, 0);
	am_vec_free(&doc->a, &p.made);
	return am_edit_end(&e, rc);
}
