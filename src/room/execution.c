/* What the kernel does becomes the document, the state document and broadcasts, in
 * that order (kernels.md 6.2; clients.md 3.7). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "environment/pool.h"
#include "room/peer.h"
#include "room/presence_table.h"

/* Work that waits keeps a room without peers: wherever it may have ended, the keep-alive begins. */
static void rest_if_alone(struct room *room)
{
	if (room->peers.n == 0 && room->pins == 0 && !kernel_is_working(room->kernel))
		evict_arm(room);
}

/* ---- status ---- */

static void announce_presence(struct room *room, enum presence_kernel status)
{
	const char *source = kernel_env_source(room->kernel);
	struct presence p = {.type = PRESENCE_UPDATE, .peer_id = (char *)(uintptr_t) "daemon",
			     .state = {.channel = PRESENCE_KERNEL_STATE, .status = status,
				       .env_source = (char *)(uintptr_t)(source ? source : "")}};
	presence_table_update(room->presence, "daemon", "daemon", NULL, &p.state);
	room_presence(room, &p, NULL);
}

static void on_status(void *ctx, const char *word, const char *cell_id, enum kernel_status status, bool for_document)
{
	struct room *room = ctx;
	const struct broadcast b = {.event = BROADCAST_KERNEL_STATUS, .status = word, .cell_id = cell_id};
	room_broadcast(room, &b, 0);
	if (!for_document)
		return;
	state_kernel(room, status, status == KERNEL_STARTING ? (room->resolving ? "resolving" : "launching") : NULL);
	if (status == KERNEL_SHUTDOWN)
		announce_presence(room, PRESENCE_KERNEL_SHUTDOWN);
}

static void on_launched(void *ctx)
{
	struct room *room = ctx;
	state_kernel(room, KERNEL_IDLE, NULL);
	announce_presence(room, PRESENCE_KERNEL_IDLE);
	room_env_sync(room);
	room_launch_ended(room, NULL);
}

static void show_kernel_error(struct room *room)
{
	state_kernel(room, KERNEL_ERROR, NULL);
	state_queue(room);
	announce_presence(room, PRESENCE_KERNEL_ERRORED);
}

/* Who asked for the launch has the reason in the response. A broadcast besides would stay in
 * the March clients' queue and end their next run, on a kernel that works (clients.md 3.6). */

static void on_launch_failed(void *ctx, const char *reason)
{
	struct room *room = ctx;
	const struct broadcast b = {.event = BROADCAST_KERNEL_ERROR, .error = room_launch_error(room, reason)};
	log_warn("kernel", "%s: %s", room_wire_id(room), b.error);
	show_kernel_error(room);
	if (!room_launch_awaited(room))
		room_broadcast(room, &b, 0);
	room_kernel_gone(room);
	room_launch_ended(room, reason);
	rest_if_alone(room);
}

static void on_died(void *ctx, const char *reason)
{
	struct room *room = ctx;
	log_warn("kernel", "%s: the kernel died: %s", room_wire_id(room), reason);
	show_kernel_error(room); /* the reason is in the cell's error output */
	room_kernel_gone(room);
	rest_if_alone(room);
}

static void on_unresponsive(void *ctx, bool yes)
{
	struct room *room = ctx;
	log_warn("kernel", "%s: the kernel %s", room_wire_id(room), yes ? "does not answer" : "answers again");
}

static void on_stopped(void *ctx)
{
	struct room *room = ctx;
	state_kernel(room, KERNEL_SHUTDOWN, NULL);
	state_queue(room);
	room_kernel_gone(room);
	rest_if_alone(room);
}

static void on_warning(void *ctx, const char *text)
{
	struct room *room = ctx;
	log_warn("kernel", "%s: %s", room_wire_id(room), text);
}

/* ---- queue and executions ---- */

static void on_queue_changed(void *ctx)
{
	struct room *room = ctx;
	struct queue *q = kernel_queue(room->kernel);
	const struct execution *x = queue_running(q);
	VEC(struct queue_entry) waiting = {0};
	for (size_t i = 0; i < queue_waiting_count(q); i++) {
		struct execution *w = queue_waiting(q, i);
		VEC_PUSH(&waiting, ((struct queue_entry){w->cell_id, w->id}));
		if (w->seq > room->projected_seq) { /* a queued one does not change: said once */
			state_execution(room, w);
			room->projected_seq = w->seq;
		}
	}
	struct broadcast b = {.event = BROADCAST_QUEUE_CHANGED, .queued = {waiting.p, waiting.n}};
	if (x) {
		b.executing = (struct queue_entry){x->cell_id, x->id};
		state_execution(room, x);
	}
	state_queue(room);
	room_broadcast(room, &b, 0);
	VEC_FREE(&waiting);
}

/* The document must be settled with what peers did before outputs go into it. */
static bool shows(struct room *room, const struct execution *x)
{
	room_settle(room);
	return cells_has(room->nb, x->cell_id) && queue_shown(kernel_queue(room->kernel), x->cell_id) == x;
}

/* The cell has run again since. */
static bool shows_another(struct room *room, const struct execution *x)
{
	const struct execution *now = queue_shown(kernel_queue(room->kernel), x->cell_id);
	return now && now != x;
}

static void on_execution_started(void *ctx, struct execution *x)
{
	struct room *room = ctx;
	char count[24] = "null";
	if (x->has_count)
		snprintf(count, sizeof count, "%lld", (long long)x->count);
	if (shows(room, x)) {
		cell_clear_outputs(room->nb, x->cell_id);
		cell_set_execution_count(room->nb, x->cell_id, count);
		cell_set_execution_id(room->nb, x->cell_id, x->id);
	}
	state_execution(room, x);
	const struct broadcast b = {.event = BROADCAST_EXECUTION_STARTED, .cell_id = x->cell_id, .execution_id = x->id,
				    .execution_count = x->has_count ? x->count : 0};
	room_broadcast(room, &b, 0);
}

/* Outputs go into the state document once a batch, from the first one that changed. */
static void flush_outputs(struct room *room)
{
	if (room->outputs_of)
		state_outputs(room, room->outputs_of, room->outputs_from);
	room->outputs_of = NULL;
}

static void on_output(void *ctx, struct execution *x, size_t index, bool replaced)
{
	struct room *room = ctx;
	const struct output *o = &x->outputs.p[index];
	if (shows(room, x)) {
		bool there = index < cell_output_count(room->nb, x->cell_id);
		if (there)
			cell_replace_output(room->nb, x->cell_id, index, o->entry);
		else
			cell_append_output(room->nb, x->cell_id, o->entry, NULL);
	}
	const struct broadcast b = {.event = BROADCAST_OUTPUT, .cell_id = x->cell_id, .execution_id = x->id,
				    .output_type = output_type_name(o->type), .output_json = o->entry,
				    .output_index = replaced ? (int64_t)index : -1};
	if (!shows_another(room, x)) /* clients go by the cell, not by the execution */
		room_broadcast(room, &b, 0);
	if (room->outputs_of == x) {
		room->outputs_from = index < room->outputs_from ? index : room->outputs_from;
		return;
	}
	flush_outputs(room);
	room->outputs_of = x;
	room->outputs_from = index;
}

static void on_outputs_cleared(void *ctx, struct execution *x)
{
	struct room *room = ctx;
	if (shows(room, x))
		cell_clear_outputs(room->nb, x->cell_id);
	state_outputs(room, x, 0);
	const struct broadcast b = {.event = BROADCAST_OUTPUTS_CLEARED, .cell_id = x->cell_id};
	if (!shows_another(room, x))
		room_broadcast(room, &b, 0);
}

static void on_display_update(void *ctx, const char *display_id, const char *data, size_t data_n, const char *metadata,
			      size_t metadata_n)
{
	struct broadcast b = {.event = BROADCAST_DISPLAY_UPDATE, .display_id = display_id,
			      .data = json_parse(data, data_n), .metadata = json_parse(metadata, metadata_n)};
	room_broadcast(ctx, &b, 0);
	json_object_put(b.data);
	json_object_put(b.metadata);
}

void room_log_execution(struct room *room, const struct execution *x)
{
	struct json_object *o = json_object_new_object(), *outputs = json_object_new_array();
	struct buf text = {0};
	for (size_t i = 0; i < x->outputs.n; i++)
		json_object_array_add(outputs, json_object_new_string(x->outputs.p[i].entry));
	json_object_object_add(o, "execution_id", json_object_new_string(x->id));
	json_object_object_add(o, "notebook_id", json_object_new_string(room->uuid));
	json_object_object_add(o, "cell_id", json_object_new_string(x->cell_id));
	json_object_object_add(o, "status", json_object_new_string(execution_status_name(x->status)));
	json_object_object_add(o, "execution_count", x->has_count ? json_object_new_int64(x->count) : NULL);
	json_object_object_add(o, "outputs", outputs);
	json_append(&text, o);
	execution_log_put(room->svc->executions, x->id, text.p, text.n);
	buf_free(&text);
	json_object_put(o);
}

static void on_execution_done(void *ctx, struct execution *x, bool ran)
{
	struct room *room = ctx;
	const struct broadcast b = {.event = BROADCAST_EXECUTION_DONE, .cell_id = x->cell_id, .execution_id = x->id};
	state_execution(room, x);
	room_broadcast(room, &b, 0);
	if (!ran)
		return;
	room_log_execution(room, x);
	if (kernel_status(room->kernel) == KERNEL_IDLE || kernel_status(room->kernel) == KERNEL_BUSY)
		announce_presence(room, PRESENCE_KERNEL_IDLE);
	rest_if_alone(room);
}

static void on_execution_dropped(void *ctx, struct execution *x)
{
	struct room *room = ctx;
	if (room->outputs_of == x)
		room->outputs_of = NULL;
	state_execution_drop(room, x->id);
}

static void on_commit(void *ctx)
{
	struct room *room = ctx;
	flush_outputs(room);
	room_commit(room);
}

/* ---- comms, completion, history ---- */

static void on_comm(void *ctx, const char *msg_type, const char *content, size_t content_n,
		    const struct comm_buffer *buffers, size_t n_buffers, uint64_t except)
{
	struct bytes *list = xcalloc(n_buffers, sizeof *list);
	for (size_t i = 0; i < n_buffers; i++)
		list[i] = (struct bytes){buffers[i].p, buffers[i].n};
	struct broadcast b = {.event = BROADCAST_COMM, .msg_type = msg_type, .content = json_parse(content, content_n),
			      .buffers = {list, n_buffers}};
	room_broadcast(ctx, &b, except);
	json_object_put(b.content);
	free(list);
}

static void on_completion(void *ctx, uint64_t token, const char *error, const struct kernel_completion *c)
{
	struct pending *p = pending_find(ctx, token);
	if (!p)
		return;
	if (error) {
		pending_fail(p, &(struct error){.code = ERROR_COMPLETE, .cause = error});
		return;
	}
	struct completion_item *items = xcalloc(c->n, sizeof *items);
	for (size_t i = 0; i < c->n; i++)
		items[i] = (struct completion_item){.label = c->items[i].label, .kind = c->items[i].kind,
						    .source = "kernel"};
	struct response r = {.result = RESPONSE_COMPLETION_RESULT, .items = {items, c->n},
			     .cursor_start = c->cursor_start, .cursor_end = c->cursor_end};
	pending_answer(p, &r);
	free(items);
}

static void on_history(void *ctx, uint64_t token, const char *error, const struct kernel_history_entry *e, size_t n)
{
	struct pending *p = pending_find(ctx, token);
	if (!p)
		return;
	if (error) {
		pending_fail(p, &(struct error){.code = ERROR_HISTORY, .cause = error});
		return;
	}
	struct history_entry *entries = xcalloc(n, sizeof *entries);
	for (size_t i = 0; i < n; i++)
		entries[i] = (struct history_entry){e[i].session, e[i].line, e[i].source};
	struct response r = {.result = RESPONSE_HISTORY_RESULT, .entries = {entries, n}};
	pending_answer(p, &r);
	free(entries);
}

const struct kernel_callbacks room_kernel_callbacks = {
	.status = on_status,
	.launched = on_launched,
	.launch_failed = on_launch_failed,
	.died = on_died,
	.unresponsive = on_unresponsive,
	.stopped = on_stopped,
	.queue_changed = on_queue_changed,
	.execution_started = on_execution_started,
	.output = on_output,
	.outputs_cleared = on_outputs_cleared,
	.display_update = on_display_update,
	.execution_done = on_execution_done,
	.comm = on_comm,
	.warning = on_warning,
	.completion = on_completion,
	.history = on_history,
	.commit = on_commit,
	.execution_dropped = on_execution_dropped,
};
