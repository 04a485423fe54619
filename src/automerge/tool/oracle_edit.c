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

static am_expand get_expand(struct oracle *o)
{
	const char *s;
	if (json_get_str(o->req, "expand", &s))
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
			     get_expand(o), name, name_n, &v);
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
	{"begin", op_begin},
	{"commit", op_commit},
	{"empty_change", op_empty_change},
	{"rollback", op_rollback},
	{NULL, NULL},
};
