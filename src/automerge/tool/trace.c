#include "automerge/tool/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

static uint32_t text_add(struct trace *t, const char *s, size_t n)
{
	if (t->text_cap - t->text_n < n) {
		t->text_cap = 2 * t->text_cap + n;
		t->text = xrealloc(t->text, t->text_cap);
	}
	if (n)
		memcpy(t->text + t->text_n, s, n);
	t->text_n += n;
	return (uint32_t)(t->text_n - n);
}

static bool to_u32(struct json_object *o, uint32_t *ret)
{
	if (!json_object_is_type(o, json_type_int))
		return false;
	int64_t v = json_object_get_int64(o);
	if (v < 0 || v > (int64_t)UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool parse_patch(struct trace *t, struct json_object *o)
{
	struct trace_patch p;
	if (!json_object_is_type(o, json_type_array) || json_object_array_length(o) != 3)
		return false;
	struct json_object *text = json_object_array_get_idx(o, 2);
	if (!to_u32(json_object_array_get_idx(o, 0), &p.pos) || !to_u32(json_object_array_get_idx(o, 1), &p.del) ||
	    !json_object_is_type(text, json_type_string))
		return false;
	p.text_n = (uint32_t)json_object_get_string_len(text);
	p.text = text_add(t, json_object_get_string(text), p.text_n);
	if (t->text_n > UINT32_MAX)
		return false;
	VEC_PUSH(&t->patches, p);
	return true;
}

static bool parse_parents(struct trace *t, struct json_object *list, struct trace_txn *txn)
{
	txn->parent = (uint32_t)t->parents.n;
	txn->n_parents = (uint32_t)json_object_array_length(list);
	for (size_t i = 0; i < txn->n_parents; i++) {
		uint32_t p;
		if (!to_u32(json_object_array_get_idx(list, i), &p) || p >= t->txns.n)
			return false;
		VEC_PUSH(&t->parents, p);
	}
	return true;
}

static bool parse_txn(struct trace *t, struct json_object *o)
{
	struct trace_txn txn = {.patch = (uint32_t)t->patches.n};
	struct json_object *list;
	if (t->concurrent) {
		if (json_get_array(o, "parents", &list) || !parse_parents(t, list, &txn) ||
		    !to_u32(json_get(o, "agent"), &txn.agent) || txn.agent >= t->n_agents)
			return false;
	}
	if (json_get_array(o, "patches", &list))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (!parse_patch(t, json_object_array_get_idx(list, i)))
			return false;
	}
	txn.n_patches = (uint32_t)t->patches.n - txn.patch;
	VEC_PUSH(&t->txns, txn);
	return true;
}

static bool take_string(struct json_object *o, const char *key, char **ret, size_t *ret_n)
{
	struct json_object *s = json_get(o, key);
	if (!json_object_is_type(s, json_type_string))
		return false;
	*ret_n = (size_t)json_object_get_string_len(s);
	*ret = xmemdup(json_object_get_string(s), *ret_n + 1);
	return true;
}

static const char *parse(struct json_object *o, struct trace *t)
{
	const char *kind = NULL;
	struct json_object *txns;
	if (!json_object_is_type(o, json_type_object))
		return "not a JSON object";
	t->concurrent = !json_get_str(o, "kind", &kind) && !strcmp(kind, "concurrent");
	if (t->concurrent && (!to_u32(json_get(o, "numAgents"), &t->n_agents) || t->n_agents > TRACE_AGENTS_MAX))
		return "numAgents is missing";
	if (!take_string(o, "startContent", &t->start, &t->start_n) && !t->concurrent)
		return "startContent is missing";
	take_string(o, "endContent", &t->end, &t->end_n);
	if (json_get_array(o, "txns", &txns))
		return "txns is missing";
	for (size_t i = 0; i < json_object_array_length(txns); i++) {
		if (!parse_txn(t, json_object_array_get_idx(txns, i)))
			return "a transaction is malformed";
	}
	return NULL;
}

int trace_parse(const void *json, size_t n, struct trace *ret, const char **ret_why)
{
	struct trace t = {0};
	struct json_object *o = json_parse(json, n);
	const char *why = o ? parse(o, &t) : "not JSON";
	json_object_put(o);
	if (why) {
		trace_free(&t);
		*ret_why = why;
		return -EINVAL;
	}
	*ret = t;
	return 0;
}

void trace_free(struct trace *t)
{
	free(t->text);
	free(t->start);
	free(t->end);
	VEC_FREE(&t->patches);
	VEC_FREE(&t->txns);
	VEC_FREE(&t->parents);
	*t = (struct trace){0};
}
