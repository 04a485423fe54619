#include "notebook/state_document.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "notebook/value.h"

static int put(am_doc *doc, am_objid map, const char *key, am_value v)
{
	return am_map_put(doc, map, key, strlen(key), &v);
}

static int put_str(am_doc *doc, am_objid map, const char *key, const char *s)
{
	return put(doc, map, key, am_str(s, strlen(s)));
}

static int put_bool(am_doc *doc, am_objid map, const char *key, bool b)
{
	return put(doc, map, key, (am_value){.type = AM_BOOL, .b = b});
}

static int put_null(am_doc *doc, am_objid map, const char *key)
{
	return put(doc, map, key, (am_value){.type = AM_NULL});
}

static int make(am_doc *doc, am_objid map, const char *key, am_type type, am_objid *ret)
{
	return am_map_put_object(doc, map, key, strlen(key), type, ret);
}

static int write_kernel(am_doc *doc)
{
	static const char *const empty[] = {"name", "language", "env_source", "starting_phase"};
	am_objid kernel;
	int r = make(doc, AM_ROOT, "kernel", AM_MAP, &kernel);

	if (r == 0)
		r = put_str(doc, kernel, "status", "not_started");
	for (size_t i = 0; i < 4 && r == 0; i++)
		r = put_str(doc, kernel, empty[i], "");
	return r;
}

static int write_queue(am_doc *doc)
{
	am_objid queue, list;
	int r;

	if ((r = make(doc, AM_ROOT, "queue", AM_MAP, &queue)) < 0 || (r = put_null(doc, queue, "executing")) < 0 ||
	    (r = put_null(doc, queue, "executing_execution_id")) < 0 ||
	    (r = make(doc, queue, "queued", AM_LIST, &list)) < 0)
		return r;
	return make(doc, queue, "queued_execution_ids", AM_LIST, &list);
}

static int write_env(am_doc *doc)
{
	am_objid env, list;
	int r;

	if ((r = make(doc, AM_ROOT, "env", AM_MAP, &env)) < 0 || (r = put_bool(doc, env, "in_sync", true)) < 0 ||
	    (r = make(doc, env, "added", AM_LIST, &list)) < 0 || (r = make(doc, env, "removed", AM_LIST, &list)) < 0 ||
	    (r = put_bool(doc, env, "channels_changed", false)) < 0)
		return r;
	return put_bool(doc, env, "deno_changed", false);
}

static int write_trust(am_doc *doc)
{
	am_objid trust;
	int r;

	if ((r = make(doc, AM_ROOT, "trust", AM_MAP, &trust)) < 0 ||
	    (r = put_str(doc, trust, "status", "no_dependencies")) < 0)
		return r;
	return put_bool(doc, trust, "needs_approval", false);
}

/* The order is that of v2.0.8 (documents.md 6.2) and part of the hash. */
static int write_scaffold(am_doc *doc)
{
	am_objid executions;
	int r;

	if ((r = am_set_actor(doc, STATE_GENESIS_ACTOR, strlen(STATE_GENESIS_ACTOR))) < 0 ||
	    (r = write_kernel(doc)) < 0 || (r = write_queue(doc)) < 0 ||
	    (r = make(doc, AM_ROOT, "executions", AM_MAP, &executions)) < 0 || (r = write_env(doc)) < 0 ||
	    (r = write_trust(doc)) < 0 || (r = put_null(doc, AM_ROOT, "last_saved")) < 0)
		return r;
	return am_commit(doc, NULL, 0, 0, NULL);
}

int state_document_new(const char *actor, am_doc **ret)
{
	am_doc *doc = NULL;
	int r;

	if ((r = am_new(NULL, &doc)) < 0 || (r = write_scaffold(doc)) < 0 ||
	    (r = am_set_actor(doc, actor, strlen(actor))) < 0) {
		am_free(doc);
		return am_errno(r);
	}
	*ret = doc;
	return 0;
}

bool state_document_has_genesis(am_doc *doc)
{
	am_hash hash;

	return hex_decode(hash.b, sizeof hash.b, STATE_GENESIS_HASH, strlen(STATE_GENESIS_HASH)) == 0 &&
	       am_has_change(doc, &hash);
}

/* ---- setters -------------------------------------------------------------------------------- */

static bool scalar_same(const am_value *a, const am_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case AM_NULL:
		return true;
	case AM_BOOL:
		return a->b == b->b;
	case AM_INT:
		return a->i == b->i;
	case AM_STR:
		return a->s.n == b->s.n && (a->s.n == 0 || memcmp(a->s.p, b->s.p, a->s.n) == 0);
	default:
		return false;
	}
}

static int set(am_doc *doc, am_objid map, const char *key, const am_value *v, bool *changed)
{
	am_value have;
	int r;

	if (am_map_get(doc, NULL, map, key, strlen(key), &have) == AM_OK && scalar_same(&have, v))
		return 0;
	r = am_errno(am_map_put(doc, map, key, strlen(key), v));
	if (r == 0 && changed)
		*changed = true;
	return r;
}

int state_put_null(am_doc *doc, am_objid map, const char *key, bool *changed)
{
	return set(doc, map, key, &(am_value){.type = AM_NULL}, changed);
}

int state_put_str(am_doc *doc, am_objid map, const char *key, const char *s, bool *changed)
{
	am_value v;

	if (!s)
		return state_put_null(doc, map, key, changed);
	v = am_str(s, strlen(s));
	return set(doc, map, key, &v, changed);
}

int state_put_bool(am_doc *doc, am_objid map, const char *key, bool b, bool *changed)
{
	return set(doc, map, key, &(am_value){.type = AM_BOOL, .b = b}, changed);
}

int state_put_int(am_doc *doc, am_objid map, const char *key, int64_t i, bool *changed)
{
	return set(doc, map, key, &(am_value){.type = AM_INT, .i = i}, changed);
}

static bool element_is(am_doc *doc, am_objid list, size_t i, const char *s)
{
	am_value v;

	return am_list_get(doc, NULL, list, i, &v) == AM_OK && v.type == AM_STR && v.s.n == strlen(s) &&
	       memcmp(v.s.p, s, v.s.n) == 0;
}

static bool list_is(am_doc *doc, am_objid list, const char *const *items, size_t n)
{
	if (am_length(doc, NULL, list) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!element_is(doc, list, i, items[i]))
			return false;
	return true;
}

int state_put_list(am_doc *doc, am_objid map, const char *key, const char *const *items, size_t n, bool *changed)
{
	am_objid list;
	int r = value_get_object(doc, map, key, AM_LIST, &list);

	if (r == 0 && list_is(doc, list, items, n))
		return 0;
	if (r < 0)
		r = am_errno(make(doc, map, key, AM_LIST, &list));
	/* Items that stay keep their elements: the queue loses its head and grows
	 * at its end. */
	for (size_t i = 0; i < n && r == 0; i++) {
		am_value v = am_str(items[i], strlen(items[i]));
		while (r == 0 && i < am_length(doc, NULL, list) && !element_is(doc, list, i, items[i]))
			r = am_errno(am_list_delete(doc, list, i));
		if (r == 0 && i >= am_length(doc, NULL, list))
			r = am_errno(am_list_insert(doc, list, i, &v));
	}
	while (r == 0 && am_length(doc, NULL, list) > n)
		r = am_errno(am_list_delete(doc, list, am_length(doc, NULL, list) - 1));
	if (r == 0 && changed)
		*changed = true;
	return r;
}

int state_map(am_doc *doc, am_objid map, const char *key, am_objid *ret)
{
	int r = value_get_object(doc, map, key, AM_MAP, ret);

	return r == 0 ? 0 : am_errno(make(doc, map, key, AM_MAP, ret));
}

int state_list(am_doc *doc, am_objid map, const char *key, am_objid *ret)
{
	int r = value_get_object(doc, map, key, AM_LIST, ret);

	return r == 0 ? 0 : am_errno(make(doc, map, key, AM_LIST, ret));
}

int state_root(am_doc *doc, const char *key, am_objid *ret)
{
	return state_map(doc, AM_ROOT, key, ret);
}
