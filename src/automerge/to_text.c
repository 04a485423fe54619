/* Strings become texts, as in crates that are told to migrate what old programs wrote. */
#include <stdlib.h>

#include "automerge/sequence.h"
#include "automerge/view.h"

struct string { am_objid obj; am_id op; };
struct strings {
	am_doc *doc;
	AM_VEC(struct string) v;
};

static bool is_string(const struct am_span *x)
{
	return x->action == AM_ACT_SET && x->vtype == AM_VAL_STR;
}

static int note(struct strings *t, uint32_t obj, am_id op)
{
	if (am_vec_reserve(&t->doc->a, &t->v, 1))
		return AM_E_NOMEM;
	t->v.p[t->v.n++] = (struct string){t->doc->ops->obj.p[obj].id, op};
	return AM_OK;
}

/* The losers of a conflict too. */
static int note_register(struct strings *t, uint32_t reg)
{
	const struct am_ops *ops = t->doc->ops;
	int rc = AM_OK;

	for (uint32_t s = ops->reg.p[reg].head; s != AM_NONE && rc == AM_OK; s = ops->span.p[s].next)
		if (is_string(&ops->span.p[s]) && am_op_visible(t->doc, NULL, s))
			rc = note(t, ops->reg.p[reg].obj, ops->span.p[s].id);
	return rc;
}

static int note_map(struct strings *t, uint32_t obj)
{
	const struct am_ops *ops = t->doc->ops;
	int rc = am_map_sort(t->doc, obj);

	for (uint32_t r = ops->obj.p[obj].m.first; r != AM_NONE && rc == AM_OK; r = ops->reg.p[r].next)
		rc = note_register(t, r);
	return rc;
}

static int note_list(struct strings *t, uint32_t obj)
{
	const struct am_ops *ops = t->doc->ops;
	int rc = AM_OK;

	for (uint32_t s = am_seq_first(ops, obj); s != AM_NONE && rc == AM_OK; s = am_seq_next(ops, s)) {
		const struct am_span *x = &ops->span.p[s];
		if (x->reg != AM_NONE)
			rc = note_register(t, x->reg);
		else if (is_string(x) && am_op_visible(t->doc, NULL, s))
			for (uint32_t k = 0; k < x->n && rc == AM_OK; k++)
				rc = note(t, obj, am_id_plus(x->id, k));
	}
	return rc;
}

/* Objects come in the order of their ids, whether or not they can be seen. */
static int by_id(const void *p, const void *q, void *ctx)
{
	const am_doc *doc = ctx;

	return am_id_cmp(&doc->actors, doc->ops->obj.p[*(const uint32_t *)p].id,
			 doc->ops->obj.p[*(const uint32_t *)q].id);
}

static int note_all(struct strings *t)
{
	const struct am_ops *ops = t->doc->ops;
	uint32_t *slot = am_mem_realloc(&t->doc->a, NULL, ops->obj.n, sizeof *slot);
	int rc = slot ? AM_OK : AM_E_NOMEM;

	if (rc)
		return rc;
	for (uint32_t i = 0; i < ops->obj.n; i++)
		slot[i] = i;
	qsort_r(slot, ops->obj.n, sizeof *slot, by_id, t->doc);
	for (size_t i = 0; i < ops->obj.n && rc == AM_OK; i++) {
		uint8_t type = ops->obj.p[slot[i]].type;
		if (type == AM_MAP)
			rc = note_map(t, slot[i]);
		else if (type == AM_LIST)
			rc = note_list(t, slot[i]);
	}
	am_mem_free(&t->doc->a, slot);
	return rc;
}

static int put_text(am_doc *doc, const struct string *t, am_objid *ret)
{
	const struct am_ops *ops = doc->ops;
	uint32_t k, s = am_ops_find(ops, t->op, &k);
	const struct am_span *x = &ops->span.p[s];

	if (am_obj_is_map(&ops->obj.p[x->obj]))
		return am_map_put_object(doc, t->obj, (const char *)am_key_text(ops, x->key.ctr),
					 ops->key.p[x->key.ctr].n, AM_TEXT, ret);
	if (!(x->flags & AM_SPAN_INSERT))
		s = am_ops_find(ops, x->key, &k);
	return am_list_put_object(doc, t->obj, am_elem_position(doc, NULL, s, k), AM_TEXT, ret);
}

static int convert(am_doc *doc, const struct string *t)
{
	am_objid text;
	am_value v;
	uint32_t s, k;
	int rc = put_text(doc, t, &text);

	if (rc)
		return rc;
	s = am_ops_find(doc->ops, t->op, &k);
	am_value_at(doc, NULL, s, k, &v);
	return am_text_splice(doc, text, 0, 0, (const char *)v.s.p, v.s.n);
}

int am_strings_to_text(am_doc *doc, am_hash *ret_hash)
{
	struct strings t = {.doc = doc};
	am_hash hash = {{0}};
	int rc = am_tx_flush(doc);

	if (rc == AM_OK)
		rc = note_all(&t);
	if (rc == AM_OK && t.v.n) {
		rc = am_begin(doc);
		for (size_t i = 0; i < t.v.n && rc == AM_OK; i++)
			rc = convert(doc, &t.v.p[i]);
		if (rc == AM_OK)
			rc = am_commit(doc, NULL, 0, 0, &hash);
		if (rc && doc->tx)
			(void)am_rollback(doc); /* there is one: it cannot fail */
	}
	am_vec_free(&doc->a, &t.v);
	if (rc == AM_OK && ret_hash)
		*ret_hash = hash;
	return rc;
}
