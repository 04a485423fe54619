/* Requests that edit. A place is "obj" with "key" (maps) or "index" (sequences). */
#include <stdlib.h>
#include <string.h>

#include "automerge/tool/oracle.h"
#include "base/alloc.h"

struct place {
	am_doc *doc;
	am_objid obj;
	const char *key; /* NULL: index */
	size_t key_n, index;
};

static int get_place(struct oracle *o, struct place *ret)
{
	struct place p = {0};
	int rc = oracle_doc(o, "doc", &p.doc);
	if (!rc)
		rc = oracle_object(o, p.doc, "obj", &p.obj);
	if (rc)
		return rc;
	oracle_str(o, "key", &p.key, &p.key_n);
	p.index = (size_t)oracle_int(o, "index", 0);
	*ret = p;
	return 0;
}

static int get_value(struct oracle *o, struct buf *hold, am_value *ret)
{
	*ret = (am_value){0};
	return oracle_value(json_get(o->req, "value"), hold, ret) ? oracle_bad(o, "not a value") : 0;
}

static int op_put(struct oracle *o)
{
	struct place p;
	struct buf hold = {0};
	am_value v;
	int rc = get_place(o, &p);
	if (!rc)
		rc = get_value(o, &hold, &v);
	if (!rc)
		rc = p.key ? am_map_put(p.doc, p.obj, p.key, p.key_n, &v) : am_list_put(p.doc, p.obj, p.index, &v);
	buf_free(&hold);
	return rc;
}

static int op_insert(struct oracle *o)
{
	struct place p;
	struct buf hold = {0};
	am_value v;
	int rc = get_place(o, &p);
	if (!rc)
		rc = get_value(o, &hold, &v);
	if (!rc)
		rc = am_list_insert(p.doc, p.obj, p.index, &v);
	buf_free(&hold);
	return rc;
}

static int get_object_type(struct oracle *o, am_type *ret)
{
	const char *name;
	if (json_get_str(o->req, "type", &name))
		return oracle_bad(o, "a type is missing");
	*ret = !strcmp(name, "map") ? AM_MAP : !strcmp(name, "list") ? AM_LIST : AM_TEXT;
	return 0;
}

static int op_put_object(struct oracle *o)
{
	struct place p;
	am_type type = AM_MAP;
	am_objid made;
	int rc = get_place(o, &p);
	if (!rc)
		rc = get_object_type(o, &type);
	if (!rc)
		rc = p.key ? am_map_put_object(p.doc, p.obj, p.key, p.key_n, type, &made)
			   : am_list_put_object(p.doc, p.obj, p.index, type, &made);
	if (!rc)
		oracle_made(o, p.doc, made);
	return rc;
}

static int op_insert_object(struct oracle *o)
{
	struct place p;
	am_type type = AM_MAP;
	am_objid made;
	int rc = get_place(o, &p);
	if (!rc)
		rc = get_object_type(o, &type);
	if (!rc)
		rc = am_list_insert_object(p.doc, p.obj, p.index, type, &made);
	if (!rc)
		oracle_made(o, p.doc, made);
	return rc;
}

static int op_delete(struct oracle *o)
{
	struct place p;
	int rc = get_place(o, &p);
	if (rc)
		return rc;
	return p.key ? am_map_delete(p.doc, p.obj, p.key, p.key_n) : am_list_delete(p.doc, p.obj, p.index);
}

static int op_increment(struct oracle *o)
{
	struct place p;
	int rc = get_place(o, &p);
	if (rc)
		return rc;
	int64_t by = oracle_int(o, "by", 1);
	return p.key ? am_map_increment(p.doc, p.obj, p.key, p.key_n, by)
		     : am_list_increment(p.doc, p.obj, p.index, by);
}

static int op_splice_text(struct oracle *o)
{
	struct place p;
	const char *text;
	size_t n;
	int rc = get_place(o, &p);
	oracle_str(o, "text", &text, &n);
	return rc ? rc : am_text_splice(p.doc, p.obj, p.index, (ptrdiff_t)oracle_int(o, "del", 0), text, n);
}

static int op_update_text(struct oracle *o)
{
	struct place p;
	const char *text;
	size_t n;
	int rc = get_place(o, &p);
	oracle_str(o, "text", &text, &n);
	return rc ? rc : am_text_update(p.doc, p.obj, text, n);
}

static int op_splice(struct oracle *o)
{
	struct place p;
	struct json_object *list = NULL;
	int rc = get_place(o, &p);
	if (rc)
		return rc;
	size_t n = json_get_array(o->req, "values", &list) ? 0 : json_object_array_length(list);
	am_value *v = xcalloc(n + 1, sizeof *v);
	struct buf *hold = xcalloc(n + 1, sizeof *hold);
	for (size_t i = 0; i < n && !rc; i++) {
		if (oracle_value(json_object_array_get_idx(list, i), &hold[i], &v[i]))
			rc = oracle_bad(o, "not a value");
	}
	if (!rc)
		rc = am_list_splice(p.doc, p.obj, p.index, (ptrdiff_t)oracle_int(o, "del", 0), v, n);
	for (size_t i = 0; i < n; i++)
		buf_free(&hold[i]);
	free(hold);
	free(v);
	return rc;
}

/* "expand" of an object. */
static am_expand get_expand(struct json_object *json)
{
	const char *s;
	if (json_get_str(json, "expand", &s))
		return AM_EXPAND_AFTER;
	return !strcmp(s, "before") ? AM_EXPAND_BEFORE
	       : !strcmp(s, "both") ? AM_EXPAND_BOTH
	       : !strcmp(s, "none") ? AM_EXPAND_NONE
				    : AM_EXPAND_AFTER;
}

static int op_mark(struct oracle *o)
{
	struct place p;
	struct buf hold = {0};
	am_value v;
	const char *name;
	size_t name_n;
	int rc = get_place(o, &p);
	if (!rc)
		rc = get_value(o, &hold, &v);
	oracle_str(o, "name", &name, &name_n);
	if (!rc)
		rc = am_mark(p.doc, p.obj, (size_t)oracle_int(o, "start", 0), (size_t)oracle_int(o, "end", 0),
			     get_expand(o->req), name, name_n, &v);
	buf_free(&hold);
	return rc;
}

static int op_split_block(struct oracle *o)
{
	struct place p;
	am_objid made;
	int rc = get_place(o, &p);
	if (!rc)
		rc = am_split_block(p.doc, p.obj, p.index, &made);
	if (!rc)
		oracle_made(o, p.doc, made);
	return rc;
}

static int op_join_block(struct oracle *o)
{
	struct place p;
	int rc = get_place(o, &p);
	return rc ? rc : am_join_block(p.doc, p.obj, p.index);
}

static int op_replace_block(struct oracle *o)
{
	struct place p;
	am_objid made;
	int rc = get_place(o, &p);
	if (!rc)
		rc = am_replace_block(p.doc, p.obj, p.index, &made);
	if (!rc)
		oracle_made(o, p.doc, made);
	return rc;
}

/* ---- values with all they hold: {"map": [[key, tree] ...]}, {"list": [tree ...]},
 * {"text": string}, or a scalar that is no bytes ---- */

static void tree_free(const am_tree *t)
{
	for (size_t i = 0; i < t->n_children; i++)
		tree_free(&t->children[i]);
	free((void *)(uintptr_t)t->children);
}

/* Strings stay the request's. */
static int tree_of_json(struct json_object *json, am_tree *ret)
{
	struct json_object *list = NULL, *text = json_get(json, "text");
	bool map = !json_get_array(json, "map", &list);
	int rc = 0;
	if (text) {
		ret->value = am_str(json_object_get_string(text), (size_t)json_object_get_string_len(text));
		ret->value.type = AM_TEXT;
		return 0;
	}
	if (!map && json_get_array(json, "list", &list)) {
		struct buf hold = {0};
		rc = oracle_value(json, &hold, &ret->value);
		if (!rc && ret->value.type == AM_STR)
			ret->value.s.p = (const uint8_t *)json_object_get_string(json_get(json, "v"));
		buf_free(&hold);
		return rc || ret->value.type == AM_BYTES ? ORACLE_E_REQUEST : 0;
	}
	size_t n = json_object_array_length(list);
	am_tree *child = xcalloc(n + 1, sizeof *child);
	ret->value.type = map ? AM_MAP : AM_LIST;
	ret->children = child;
	ret->n_children = n;
	for (size_t i = 0; i < n && !rc; i++) {
		struct json_object *c = json_object_array_get_idx(list, i), *key = map ? json_object_array_get_idx(c, 0) : NULL;
		child[i].key = key ? json_object_get_string(key) : NULL;
		child[i].key_n = key ? (size_t)json_object_get_string_len(key) : 0;
		rc = tree_of_json(map ? json_object_array_get_idx(c, 1) : c, &child[i]);
	}
	return rc;
}

static int op_update_object(struct oracle *o)
{
	struct place p;
	am_tree t = {0};
	int rc = get_place(o, &p);
	if (!rc)
		rc = tree_of_json(json_get(o->req, "value"), &t) ? oracle_bad(o, "not a value") : 0;
	if (!rc)
		rc = am_object_update(p.doc, p.obj, &t);
	tree_free(&t);
	return rc;
}

struct wanted {
	am_span *span;
	am_tree *tree;
	am_mark_range **marks;
	struct buf **hold; /* one per mark */
	size_t n;
};

static void wanted_free(struct wanted *w)
{
	for (size_t i = 0; i < w->n; i++) {
		for (size_t k = 0; k < w->span[i].n_marks; k++)
			buf_free(&w->hold[i][k]);
		tree_free(&w->tree[i]);
		free(w->marks[i]);
		free(w->hold[i]);
	}
	free(w->span);
	free(w->tree);
	free(w->marks);
	free(w->hold);
}

/* {"text": string, "marks": [[name, value] ...]} or {"block": tree}. */
static int wanted_span(struct wanted *w, size_t i, struct json_object *json)
{
	struct json_object *block = json_get(json, "block"), *list = NULL, *text = json_get(json, "text");
	if (block) {
		w->span[i].block = &w->tree[i];
		return tree_of_json(block, &w->tree[i]);
	}
	w->span[i].text = json_object_get_string(text);
	w->span[i].text_n = (size_t)json_object_get_string_len(text);
	size_t n = json_get_array(json, "marks", &list) ? 0 : json_object_array_length(list);
	w->marks[i] = xcalloc(n + 1, sizeof **w->marks);
	w->hold[i] = xcalloc(n + 1, sizeof **w->hold);
	w->span[i].marks = w->marks[i];
	w->span[i].n_marks = n;
	int rc = 0;
	for (size_t k = 0; k < n && !rc; k++) {
		struct json_object *m = json_object_array_get_idx(list, k), *name = json_object_array_get_idx(m, 0);
		w->marks[i][k].name = json_object_get_string(name);
		w->marks[i][k].name_n = (size_t)json_object_get_string_len(name);
		rc = oracle_value(json_object_array_get_idx(m, 1), &w->hold[i][k], &w->marks[i][k].value);
	}
	return rc;
}

/* "expand" is the default, "per_mark" [{"name", "expand"} ...]. */
static int op_update_spans(struct oracle *o)
{
	struct place p;
	struct wanted w = {0};
	struct json_object *list = NULL, *per = NULL;
	int rc = get_place(o, &p);
	if (rc)
		return rc;
	w.n = json_get_array(o->req, "spans", &list) ? 0 : json_object_array_length(list);
	w.span = xcalloc(w.n + 1, sizeof *w.span);
	w.tree = xcalloc(w.n + 1, sizeof *w.tree);
	w.marks = xcalloc(w.n + 1, sizeof *w.marks);
	w.hold = xcalloc(w.n + 1, sizeof *w.hold);
	for (size_t i = 0; i < w.n && !rc; i++)
		rc = wanted_span(&w, i, json_object_array_get_idx(list, i)) ? oracle_bad(o, "not a span") : 0;
	size_t n = json_get_array(o->req, "per_mark", &per) ? 0 : json_object_array_length(per);
	am_mark_expand *x = xcalloc(n + 1, sizeof *x);
	for (size_t i = 0; i < n; i++) {
		struct json_object *m = json_object_array_get_idx(per, i), *name = json_get(m, "name");
		x[i] = (am_mark_expand){json_object_get_string(name), (size_t)json_object_get_string_len(name), get_expand(m)};
	}
	if (!rc)
		rc = am_spans_update(p.doc, p.obj, w.span, w.n, get_expand(o->req), x, n);
	free(x);
	wanted_free(&w);
	return rc;
}

static int op_begin(struct oracle *o)
{
	am_doc *doc;
	am_hash *heads = NULL;
	size_t n;
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_hashes(o, "heads", &heads, &n);
	if (!rc)
		rc = heads ? am_begin_at(doc, heads, n) : am_begin(doc);
	free(heads);
	return rc;
}

static int put_change_hash(struct oracle *o, const am_hash *hash)
{
	static const am_hash none;
	if (memcmp(hash, &none, sizeof none))
		oracle_put_hash(o, hash);
	return 0;
}

static int finish(struct oracle *o, int (*fn)(am_doc *, const char *, size_t, int64_t, am_hash *))
{
	am_doc *doc;
	const char *message;
	size_t n;
	am_hash hash = {{0}};
	int rc = oracle_doc(o, "doc", &doc);
	oracle_str(o, "message", &message, &n);
	if (!rc)
		rc = fn(doc, message, n, oracle_int(o, "time", 0), &hash);
	return rc ? rc : put_change_hash(o, &hash);
}

/* With nothing to commit (no transaction was opened) the answer is null. */
static int op_commit(struct oracle *o)
{
	am_doc *doc;
	int rc = oracle_doc(o, "doc", &doc);
	if (rc || !am_in_transaction(doc))
		return rc;
	return finish(o, am_commit);
}

static int op_empty_change(struct oracle *o)
{
	return finish(o, am_empty_change);
}

static int op_rollback(struct oracle *o)
{
	am_doc *doc;
	int rc = oracle_doc(o, "doc", &doc);
	return rc || !am_in_transaction(doc) ? rc : am_rollback(doc);
}

const struct oracle_op oracle_edit_ops[] = {
	{"put", op_put},
	{"insert", op_insert},
	{"put_object", op_put_object},
	{"insert_object", op_insert_object},
	{"delete", op_delete},
	{"increment", op_increment},
	{"splice_text", op_splice_text},
	{"update_text", op_update_text},
	{"splice", op_splice},
	{"mark", op_mark},
	{"split_block", op_split_block},
	{"join_block", op_join_block},
	{"replace_block", op_replace_block},
	{"update_object", op_update_object},
	{"update_spans", op_update_spans},
	{"begin", op_begin},
	{"commit", op_commit},
	{"empty_change", op_empty_change},
	{"rollback", op_rollback},
	{NULL, NULL},
};
