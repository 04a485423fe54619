/* Projections of room state into the runtime state document (documents.md 6.2,
 * today.md 3.4, layout RA): every function writes what differs and nothing else,
 * and nothing is ever read back (design.md decision 5). */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "notebook/value.h"
#include "room/room.h"

/* The change stays open until the turn's sync message: one per turn, not per field. */
static void finish(struct room *room, bool changed)
{
	if (changed)
		room_state_changed(room);
}

void state_kernel(struct room *room, enum kernel_status status, const char *phase)
{
	am_objid kernel;
	bool changed = false;
	/* Which kernel it will be is not known before its environment is found. */
	const char *type = room->resolving ? "" : kernel_type(room->kernel);
	const char *source = room->resolving ? "" : kernel_env_source(room->kernel);
	if (state_root(room->state_doc, "kernel", &kernel) < 0)
		return;
	state_put_str(room->state_doc, kernel, "status", kernel_status_name(status), &changed);
	state_put_str(room->state_doc, kernel, "name", type ? type : "", &changed);
	state_put_str(room->state_doc, kernel, "language", type ? type : "", &changed);
	state_put_str(room->state_doc, kernel, "env_source", source ? source : "", &changed);
	state_put_str(room->state_doc, kernel, "starting_phase", status == KERNEL_STARTING && phase ? phase : "",
		      &changed);
	finish(room, changed);
}

void state_queue(struct room *room)
{
	am_objid map;
	bool changed = false;
	struct queue *q = kernel_queue(room->kernel);
	const struct execution *x = queue_running(q);
	size_t n = queue_waiting_count(q);
	const char **cells = xcalloc(n, sizeof *cells), **ids = xcalloc(n, sizeof *ids);
	for (size_t i = 0; i < n; i++) {
		cells[i] = queue_waiting(q, i)->cell_id;
		ids[i] = queue_waiting(q, i)->id;
	}
	if (state_root(room->state_doc, "queue", &map) == 0) {
		state_put_str(room->state_doc, map, "executing", x ? x->cell_id : NULL, &changed);
		state_put_str(room->state_doc, map, "executing_execution_id", x ? x->id : NULL, &changed);
		state_put_list(room->state_doc, map, "queued", cells, n, &changed);
		state_put_list(room->state_doc, map, "queued_execution_ids", ids, n, &changed);
	}
	free(cells);
	free(ids);
	finish(room, changed);
}

/* March's four words; `cancelled` came later and would be waited for in vain. */
static const char *status_word(const struct execution *x)
{
	return x->status == EXECUTION_CANCELLED ? "error" : execution_status_name(x->status);
}

static int execution_map(struct room *room, const struct execution *x, am_objid *ret)
{
	am_objid executions;
	int r = state_root(room->state_doc, "executions", &executions);
	return r < 0 ? r : state_map(room->state_doc, executions, x->id, ret);
}

/* The element's own keys beside the manifest's: which output it is, and in which state. */
#define OUTPUT_ID "output_id"
#define OUTPUT_ENTRY "entry"

static bool element_has(am_doc *doc, am_objid list, size_t i, const char *key, const char *value)
{
	am_value element;
	if (am_list_get(doc, NULL, list, i, &element) != AM_OK || element.type != AM_MAP)
		return false;
	char *have = value_get_str(doc, element.id, key, NULL);
	bool same = have && strcmp(have, value) == 0;
	free(have);
	return same;
}

static void insert_manifest(struct room *room, am_objid list, size_t i, const struct output *o)
{
	const struct output_blobs *blobs = &room->svc->output_blobs;
	struct buf json = {0};
	struct json_tree tree;
	am_objid map;
	if (blobs->get(blobs->ctx, o->entry, &json) < 0)
		buf_append_str(&json, o->entry); /* could not be stored: the output itself */
	if (am_list_insert_object(room->state_doc, list, i, AM_MAP, &map) == AM_OK) {
		if (json_tree_parse(json.p, json.n, &tree, NULL) == 0) {
			if (json_tree_kind(&tree, 0) == JSON_KIND_OBJECT)
				value_update_map(room->state_doc, map, &tree, 0, false);
			json_tree_fini(&tree);
		}
		value_put_str(room->state_doc, map, OUTPUT_ID, o->id, strlen(o->id));
		value_put_str(room->state_doc, map, OUTPUT_ENTRY, o->entry, strlen(o->entry));
	}
	buf_free(&json);
}

/* Outputs as a list of manifests: the releases from 2.1 to 2.3 read them here, and drop
 * what is a hash (tried with 2.1.0 to 2.2.0; today.md 3.4). A stream is written when it
 * begins and when its execution is over: the document keeps every version of it. */
static void put_outputs(struct room *room, am_objid map, const struct execution *x, size_t from, bool *changed)
{
	am_doc *doc = room->state_doc;
	am_objid list;
	if (state_list(doc, map, "outputs", &list) < 0)
		return;
	for (size_t i = from; i < x->outputs.n; i++) {
		const struct output *o = &x->outputs.p[i];
		bool growing = x->status == EXECUTION_RUNNING && o->type == OUTPUT_STREAM;
		if (element_has(doc, list, i, growing ? OUTPUT_ID : OUTPUT_ENTRY, growing ? o->id : o->entry))
			continue;
		if (i < am_length(doc, NULL, list))
			am_list_delete(doc, list, i);
		insert_manifest(room, list, i, o);
		*changed = true;
	}
	while (am_length(doc, NULL, list) > x->outputs.n) {
		am_list_delete(doc, list, am_length(doc, NULL, list) - 1);
		*changed = true;
	}
}

void state_execution(struct room *room, const struct execution *x)
{
	am_objid map;
	bool changed = false;
	if (execution_map(room, x, &map) < 0)
		return;
	am_doc *doc = room->state_doc;
	bool over = x->status != EXECUTION_QUEUED && x->status != EXECUTION_RUNNING;
	state_put_str(doc, map, "cell_id", x->cell_id, &changed);
	put_outputs(room, map, x, 0, &changed);
	if (x->has_count)
		state_put_int(doc, map, "execution_count", x->count, &changed);
	else
		state_put_null(doc, map, "execution_count", &changed);
	if (over)
		state_put_bool(doc, map, "success", x->status == EXECUTION_DONE, &changed);
	else
		state_put_null(doc, map, "success", &changed);
	state_put_str(doc, map, "status", status_word(x), &changed);
	finish(room, changed);
}

void state_outputs(struct room *room, const struct execution *x, size_t from)
{
	am_objid map;
	bool changed = false;
	if (execution_map(room, x, &map) < 0)
		return;
	put_outputs(room, map, x, from, &changed);
	finish(room, changed);
}

void state_execution_drop(struct room *room, const char *execution_id)
{
	am_objid executions;
	if (state_root(room->state_doc, "executions", &executions) == 0 &&
	    am_map_delete(room->state_doc, executions, execution_id, strlen(execution_id)) == AM_OK)
		finish(room, true);
}

void state_env(struct room *room, const struct env_diff *diff, bool in_sync)
{
	am_objid env;
	bool changed = false;
	am_doc *doc = room->state_doc;
	if (state_root(doc, "env", &env) < 0)
		return;
	state_put_bool(doc, env, "in_sync", in_sync, &changed);
	state_put_list(doc, env, "added", diff->added.p, diff->added.n, &changed);
	state_put_list(doc, env, "removed", diff->removed.p, diff->removed.n, &changed);
	state_put_bool(doc, env, "channels_changed", diff->channels_changed, &changed);
	state_put_bool(doc, env, "deno_changed", diff->deno_changed, &changed);
	finish(room, changed);
}

void state_trust(struct room *room)
{
	am_objid trust;
	bool changed = false;
	if (state_root(room->state_doc, "trust", &trust) < 0)
		return;
	state_put_str(room->state_doc, trust, "status", trust_status_name(room->trust), &changed);
	state_put_bool(room->state_doc, trust, "needs_approval", trust_needs_approval(room->trust), &changed);
	finish(room, changed);
}

void state_saved(struct room *room)
{
	bool changed = false;
	char now[RFC3339_TEXT];
	rfc3339_format(now, host_wall_ns(room->svc->host));
	state_put_str(room->state_doc, AM_ROOT, "last_saved", now, &changed);
	finish(room, changed);
}

void state_storage(struct room *room, const char *error)
{
	bool changed = false;
	const struct broadcast b = {.event = BROADCAST_STORAGE_ERROR, .error = error};
	am_value was;
	bool had = am_map_get(room->state_doc, NULL, AM_ROOT, "storage_error", 13, &was) == AM_OK && was.type == AM_STR;
	if (!error && !had)
		return;
	state_put_str(room->state_doc, AM_ROOT, "storage_error", error, &changed);
	finish(room, changed);
	room_broadcast(room, &b, 0);
}

void state_all(struct room *room)
{
	struct queue *q = kernel_queue(room->kernel);
	state_kernel(room, kernel_status(room->kernel), NULL);
	for (size_t i = 0; i < queue_count(q); i++)
		state_execution(room, queue_at(q, i));
	state_queue(room);
	state_trust(room);
	state_env(room, &(struct env_diff){0}, true);
}

struct json_object *state_snapshot(struct room *room)
{
	am_buf json = {0};
	struct json_object *out = NULL;
	if (am_json(room->state_doc, NULL, AM_ROOT, false, &json) == AM_OK)
		out = json_parse(json.p, json.n);
	am_buf_free(&json);
	return out ? out : json_object_new_object();
}
