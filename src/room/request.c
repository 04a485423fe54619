/* Requests of peers (protocol.md 6, 7): decoding, one at a time per peer, and a
 * handler per action. What takes long is in launch.c and save.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "environment/python.h"
#include "room/peer.h"

#define REQUEST_LIMIT HOST_SEC(25)        /* clients wait 30 s (protocol.md 12.1) */
#define REQUEST_LAUNCH_LIMIT HOST_SEC(280) /* and 300 s for a launch */
#define DOC_BYTES_MAX (24u << 20)         /* each byte may take four characters of a 100 MiB frame */

/* ---- the life of a request ---- */

struct room *pending_room(const struct pending *p)
{
	return p->peer ? p->peer->room : room_by_rid(p->svc, p->rid);
}

struct pending *pending_find(struct room *room, uint64_t token)
{
	for (size_t i = 0; i < room->peers.n; i++) {
		struct pending *p = room->peers.p[i]->pending;
		if (p && p->token == token)
			return p;
	}
	return NULL;
}

static void pending_free(struct pending *p)
{
	host_timer_stop(&p->limit);
	free(p->id);
	free(p);
}

/* The response leaves behind what it must not overtake: nothing before the journal
 * has what it confirms, and everything it causes after it. */
static void send_response(struct peer *peer, struct response *r)
{
	struct buf frame = {0};
	size_t n;
	const struct face *face = peer->face.face;
	if (face->append_response(&peer->face, &frame, r) < 0) {
		const struct error e = {.code = ERROR_RESPONSE_TOO_LARGE};
		face_append_error(&peer->face, &frame, r->id, &e);
	}
	void *p = buf_take(&frame, &n);
	peer->link.send(peer->link.ctx, p, n);
}

static void end(struct pending *p)
{
	struct peer *peer = p->peer;
	pending_free(p);
	if (!peer)
		return;
	peer->pending = NULL;
	peer_release(peer);
	request_next(peer);
}

void pending_answer(struct pending *p, struct response *r)
{
	r->id = p->id;
	if (p->peer)
		send_response(p->peer, r);
	end(p);
}

void pending_fail(struct pending *p, const struct error *e)
{
	struct buf frame = {0};
	size_t n;
	if (p->peer && face_append_error(&p->peer->face, &frame, p->id, e) == 0) {
		void *bytes = buf_take(&frame, &n);
		p->peer->link.send(p->peer->link.ctx, bytes, n);
	}
	buf_free(&frame);
	end(p);
}

/* Somebody keeps a pointer to it until they are done: launch.c, save.c. All others
 * find it again by its token, or not. */
static bool is_held(const struct pending *p)
{
	return p->action == REQUEST_LAUNCH_KERNEL || p->action == REQUEST_SAVE_NOTEBOOK ||
	       p->action == REQUEST_CLONE_NOTEBOOK;
}

static void pending_late(void *ctx)
{
	struct pending *p = ctx, *told = p;
	const struct error e = {.code = ERROR_TIMEOUT, .cause = request_action_name(p->action)};
	if (!p->peer)
		return;
	if (is_held(p)) {
		told = xcalloc(1, sizeof *told);
		*told = *p;
		told->id = p->id ? xstrdup(p->id) : NULL;
		host_timer_init(&told->limit, p->svc->host, pending_late, told);
		told->peer->pending = told;
		p->peer = NULL;
	}
	pending_fail(told, &e);
}

void request_abandon(struct peer *peer)
{
	if (peer->pending) {
		struct pending *p = peer->pending;
		peer->pending = NULL;
		p->peer = NULL;
		if (!is_held(p))
			pending_free(p);
	}
	for (size_t i = 0; i < peer->requests.n; i++)
		buf_free(&peer->requests.p[i]);
	VEC_FREE(&peer->requests);
}

/* ---- short answers ---- */

static void answer(struct pending *p, enum response_result result)
{
	struct response r = {.result = result};
	pending_answer(p, &r);
}

static void answer_cell(struct pending *p, enum response_result result, const char *cell_id, const char *execution_id)
{
	struct response r = {.result = result, .cell_id = cell_id, .execution_id = execution_id};
	pending_answer(p, &r);
}

/* Confirms an edit of the daemon's own: waits for the journal like any other
 * acknowledgement (design.md 7.2). */
static void after_edit(struct pending *p)
{
	struct room *room = p->peer->room;
	notebook_commit(room->nb);
	uint64_t seq = room_changed(room, true);
	room_settle(room);
	if (seq)
		p->peer->need_seq = seq;
}

struct edit_answer {
	struct room_service *svc;
	uint64_t rid, token;
	enum response_result result;
	char *cell_id;
};

static void edit_is_durable(void *ctx, int err)
{
	struct edit_answer *e = ctx;
	struct room *room = room_by_rid(e->svc, e->rid);
	struct pending *p = room ? pending_find(room, e->token) : NULL;
	/* The room became part of another (a failing journal answers by the time limit instead). */
	if (p && err < 0 && room->journal) {
		journal_flush(room->journal, edit_is_durable, e);
		return;
	}
	if (p)
		answer_cell(p, e->result, e->cell_id, NULL);
	free(e->cell_id);
	free(e);
}

static void answer_when_durable(struct pending *p, enum response_result result, const char *cell_id)
{
	struct room *room = p->peer->room;
	after_edit(p);
	if (!room->journal || journal_synced(room->journal) >= journal_appended(room->journal)) {
		answer_cell(p, result, cell_id, NULL);
		return;
	}
	struct edit_answer *e = xcalloc(1, sizeof *e);
	*e = (struct edit_answer){room->svc, room->rid, p->token, result, cell_id ? xstrdup(cell_id) : NULL};
	journal_flush(room->journal, edit_is_durable, e);
}

/* ---- executing ---- */

struct format_ctx {
	struct room_service *svc;
	uint64_t rid;
	char *cell_id, *source;
	size_t source_n;
};

/* Formatting never delays a run and never undoes typing (kernels.md 13, F1). */
static void formatted(void *ctx, uint64_t token, const char *text, size_t n)
{
	struct format_ctx *f = ctx;
	struct room *room = room_by_rid(f->svc, f->rid);
	size_t now_n = 0;
	(void)token;
	if (room && room->nb && text) {
		room_settle(room);
		char *now = cell_source(room->nb, f->cell_id, &now_n);
		if (now && now_n == f->source_n && memcmp(now, f->source, now_n) == 0) {
			cell_set_source(room->nb, f->cell_id, text, n);
			room_commit(room);
		}
		free(now);
	}
	free(f->cell_id);
	free(f->source);
	free(f);
}

static void format_cell(struct room *room, const char *cell_id, const char *source, size_t n)
{
	const char *runtime = notebook_runtime(room->nb);
	if (!runtime)
		return;
	struct format_ctx *f = xcalloc(1, sizeof *f);
	*f = (struct format_ctx){room->svc, room->rid, xstrdup(cell_id), xstrndup(source, n), n};
	formatter_run(room->svc->formatter, runtime, source, n, formatted, f, 0);
}

static void queue_one(struct pending *p, const char *cell_id, const char *source, size_t n)
{
	struct room *room = p->peer->room;
	struct execution *x = NULL;
	char why[128];
	kernel_batch_begin(room->kernel);
	int r = kernel_execute(room->kernel, cell_id, source, n, peer_label(p->peer), &x);
	if (r == -ENOTCONN)
		answer(p, RESPONSE_NO_KERNEL);
	else if (r < 0)
		pending_fail(p, &(struct error){.code = ERROR_QUEUE_CELL, .cause = error_os_text(-r, why, sizeof why)});
	else
		answer_cell(p, RESPONSE_CELL_QUEUED, cell_id, x->id); /* before what it causes (protocol.md 5.5) */
	kernel_batch_end(room->kernel);
}

static void execute_cell(struct pending *p, const struct request *r)
{
	struct room *room = p->peer->room;
	size_t n = 0;
	char *type = cell_type(room->nb, r->cell_id), *source = cell_source(room->nb, r->cell_id, &n);
	if (!type) {
		pending_fail(p, &(struct error){.code = ERROR_CELL_NOT_FOUND, .subject = r->cell_id});
	} else if (strcmp(type, "code") != 0) {
		pending_fail(p, &(struct error){.code = ERROR_CELL_NOT_CODE, .subject = r->cell_id, .cause = type});
	} else {
		bool kernel = kernel_exists(room->kernel);
		room->authored |= kernel;
		queue_one(p, r->cell_id, source ? source : "", source ? n : 0);
		if (kernel)
			format_cell(room, r->cell_id, source ? source : "", source ? n : 0);
	}
	free(type);
	free(source);
}

static void queue_cell(struct pending *p, const struct request *r)
{
	p->peer->room->authored = true;
	queue_one(p, r->cell_id, r->code, strlen(r->code));
}

static void run_all_cells(struct pending *p, const struct request *r)
{
	struct room *room = p->peer->room;
	VEC(struct queue_entry) entries = {0};
	(void)r;
	if (!kernel_exists(room->kernel)) {
		answer(p, RESPONSE_NO_KERNEL);
		return;
	}
	room->authored = true;
	kernel_batch_begin(room->kernel);
	for (size_t i = 0; i < cells_count(room->nb); i++) {
		const char *id = cells_id_at(room->nb, i);
		struct execution *x = NULL;
		size_t n = 0;
		char *type = cell_type(room->nb, id);
		char *source = type && strcmp(type, "code") == 0 ? cell_source(room->nb, id, &n) : NULL;
		if (source && kernel_execute(room->kernel, id, source, n, peer_label(p->peer), &x) >= 0)
			VEC_PUSH(&entries, ((struct queue_entry){x->cell_id, x->id}));
		free(type);
		free(source);
	}
	struct response out = {.result = RESPONSE_ALL_CELLS_QUEUED, .count = entries.n,
			       .queued = {entries.p, entries.n}};
	pending_answer(p, &out);
	kernel_batch_end(room->kernel);
	VEC_FREE(&entries);
}

static void clear_outputs(struct pending *p, const struct request *r)
{
	struct room *room = p->peer->room;
	char *cell_id = xstrdup(r->cell_id);
	if (cells_has(room->nb, cell_id)) {
		kernel_clear_outputs(room->kernel, cell_id);
		cell_clear_outputs(room->nb, cell_id);
		cell_set_execution_count(room->nb, cell_id, "null");
		const struct execution *shown = queue_shown(kernel_queue(room->kernel), cell_id);
		if (shown)
			state_execution(room, shown);
	}
	answer_when_durable(p, RESPONSE_OUTPUTS_CLEARED, cell_id);
	const struct broadcast b = {.event = BROADCAST_OUTPUTS_CLEARED, .cell_id = cell_id};
	room_broadcast(room, &b, 0);
	free(cell_id);
}

static void interrupt_execution(struct pending *p, const struct request *r)
{
	(void)r;
	int err = kernel_interrupt(p->peer->room->kernel);
	char why[128];
	if (err == -ENOTCONN)
		answer(p, RESPONSE_NO_KERNEL);
	else if (err < 0)
		pending_fail(p, &(struct error){.code = ERROR_INTERRUPT,
						.cause = error_os_text(-err, why, sizeof why)});
	else
		answer(p, RESPONSE_INTERRUPT_SENT);
}

static void shutdown_kernel(struct pending *p, const struct request *r)
{
	struct room *room = p->peer->room;
	(void)r;
	if (!kernel_exists(room->kernel)) {
		answer(p, RESPONSE_NO_KERNEL);
		return;
	}
	room_launch_cancel(room);
	kernel_shutdown(room->kernel);
	peer_shut_down(p->peer);
	answer(p, RESPONSE_KERNEL_SHUTTING_DOWN);
}

static void get_kernel_info(struct pending *p, const struct request *r)
{
	struct kernel *k = p->peer->room->kernel;
	(void)r;
	struct response out = {.result = RESPONSE_KERNEL_INFO, .status = kernel_status_name(kernel_status(k))};
	if (kernel_exists(k)) {
		out.kernel_type = kernel_type(k);
		out.env_source = kernel_env_source(k);
	} else if (kernel_status(k) != KERNEL_ERROR) {
		out.status = "not_started";
	}
	pending_answer(p, &out);
}

static void get_queue_state(struct pending *p, const struct request *r)
{
	struct queue *q = kernel_queue(p->peer->room->kernel);
	const struct execution *x = queue_running(q);
	VEC(struct queue_entry) waiting = {0};
	(void)r;
	for (size_t i = 0; i < queue_waiting_count(q); i++)
		VEC_PUSH(&waiting, ((struct queue_entry){queue_waiting(q, i)->cell_id, queue_waiting(q, i)->id}));
	struct response out = {.result = RESPONSE_QUEUE_STATE, .queued = {waiting.p, waiting.n}};
	if (x)
		out.executing = (struct queue_entry){x->cell_id, x->id};
	pending_answer(p, &out);
	VEC_FREE(&waiting);
}

/* ---- asking the kernel ---- */

static void send_comm(struct pending *p, const struct request *r)
{
	char *why = NULL;
	int err = kernel_send_comm(p->peer->room->kernel, r->message, p->peer->token, &why);
	if (err == -ENOTCONN)
		answer(p, RESPONSE_NO_KERNEL);
	else if (err < 0)
		pending_fail(p, &(struct error){.code = ERROR_COMM, .cause = why ? why : strerror(-err)});
	else
		answer(p, RESPONSE_OK);
	free(why);
}

static void get_history(struct pending *p, const struct request *r)
{
	if (kernel_history(p->peer->room->kernel, p->token, r->pattern, r->n, r->unique) < 0)
		answer(p, RESPONSE_NO_KERNEL);
}

static void complete(struct pending *p, const struct request *r)
{
	if (kernel_complete(p->peer->room->kernel, p->token, r->code, r->cursor_pos) < 0)
		answer(p, RESPONSE_NO_KERNEL);
}

static void launch_kernel(struct pending *p, const struct request *r)
{
	room_launch(p->peer->room, p, r);
}

static void save_notebook(struct pending *p, const struct request *r)
{
	room_save(p->peer->room, p, r);
}

static void clone_notebook(struct pending *p, const struct request *r)
{
	room_clone(p->peer->room, p, r);
}

/* environments.md 14: only environments made from inline dependencies can be
 * added to, and none is made here yet. */
static void sync_environment(struct pending *p, const struct request *r)
{
	struct response out = {.result = RESPONSE_SYNC_ENVIRONMENT_FAILED};
	(void)r;
	out.needs_restart = kernel_exists(p->peer->room->kernel);
	out.error = out.needs_restart ? "Hot-sync only supported for UV inline dependencies" : "No kernel running";
	pending_answer(p, &out);
}

/* ---- document and metadata ---- */

static void get_doc_bytes(struct pending *p, const struct request *r)
{
	am_buf bytes = {0};
	(void)r;
	int err = am_save(notebook_doc(p->peer->room->nb), 0, &bytes);
	if (err != AM_OK) {
		pending_fail(p, &(struct error){.code = ERROR_OTHER, .cause = am_strerror(err)});
	} else if (bytes.n > DOC_BYTES_MAX) {
		pending_fail(p, &(struct error){.code = ERROR_RESPONSE_TOO_LARGE});
	} else {
		struct response out = {.result = RESPONSE_DOC_BYTES, .bytes = {bytes.p, bytes.n}};
		pending_answer(p, &out);
	}
	am_buf_free(&bytes);
}

static void get_raw_metadata(struct pending *p, const struct request *r)
{
	char *value = metadata_get_raw(p->peer->room->nb, r->key);
	struct response out = {.result = RESPONSE_RAW_METADATA, .value = value};
	pending_answer(p, &out);
	free(value);
}

static void set_raw_metadata(struct pending *p, const struct request *r)
{
	int err = metadata_set_raw(p->peer->room->nb, r->key, r->value, strlen(r->value));
	if (err < 0)
		pending_fail(p, &(struct error){.code = ERROR_SET_METADATA, .cause = strerror(-err)});
	else
		answer_when_durable(p, RESPONSE_METADATA_SET, NULL);
}

static void get_metadata_snapshot(struct pending *p, const struct request *r)
{
	struct buf json = {0};
	(void)r;
	struct response out = {.result = RESPONSE_METADATA_SNAPSHOT};
	if (metadata_snapshot_json(p->peer->room->nb, &json) == 0)
		out.snapshot = buf_cstr(&json);
	pending_answer(p, &out);
	buf_free(&json);
}

static void set_metadata_snapshot(struct pending *p, const struct request *r)
{
	char *why = NULL;
	bool changed = false;
	int err = metadata_set_snapshot(p->peer->room->nb, r->snapshot, strlen(r->snapshot), &changed, &why);
	if (err == -EINVAL)
		pending_fail(p, &(struct error){.code = ERROR_PARSE_SNAPSHOT, .cause = why ? why : "not a snapshot"});
	else if (err < 0)
		pending_fail(p, &(struct error){.code = ERROR_SET_SNAPSHOT, .cause = strerror(-err)});
	else
		answer_when_durable(p, RESPONSE_METADATA_SET, NULL);
	free(why);
}

static void check_tool_available(struct pending *p, const struct request *r)
{
	struct response out = {.result = RESPONSE_TOOL_AVAILABLE,
			       .available = python_tool_available(p->svc->cache_dir, r->tool)};
	pending_answer(p, &out);
}

/* ---- dispatch ---- */

typedef void handler_fn(struct pending *p, const struct request *r);
static handler_fn *const handlers[REQUEST_ACTIONS] = {
	[REQUEST_LAUNCH_KERNEL] = launch_kernel,
	[REQUEST_QUEUE_CELL] = queue_cell,
	[REQUEST_EXECUTE_CELL] = execute_cell,
	[REQUEST_CLEAR_OUTPUTS] = clear_outputs,
	[REQUEST_INTERRUPT_EXECUTION] = interrupt_execution,
	[REQUEST_SHUTDOWN_KERNEL] = shutdown_kernel,
	[REQUEST_GET_KERNEL_INFO] = get_kernel_info,
	[REQUEST_GET_QUEUE_STATE] = get_queue_state,
	[REQUEST_RUN_ALL_CELLS] = run_all_cells,
	[REQUEST_SEND_COMM] = send_comm,
	[REQUEST_GET_HISTORY] = get_history,
	[REQUEST_COMPLETE] = complete,
	[REQUEST_SAVE_NOTEBOOK] = save_notebook,
	[REQUEST_CLONE_NOTEBOOK] = clone_notebook,
	[REQUEST_SYNC_ENVIRONMENT] = sync_environment,
	[REQUEST_GET_DOC_BYTES] = get_doc_bytes,
	[REQUEST_GET_RAW_METADATA] = get_raw_metadata,
	[REQUEST_SET_RAW_METADATA] = set_raw_metadata,
	[REQUEST_GET_METADATA_SNAPSHOT] = get_metadata_snapshot,
	[REQUEST_SET_METADATA_SNAPSHOT] = set_metadata_snapshot,
	[REQUEST_CHECK_TOOL_AVAILABLE] = check_tool_available,
};

/* A request that cannot be read is answered all the same, so that answers stay in
 * step with requests (protocol.md 13). */
static void answer_unreadable(struct peer *peer, int err, const char *id, const char *why)
{
	const struct error e = {.code = ERROR_REQUEST_INVALID, .cause = why ? why : strerror(-err)};
	struct buf frame = {0};
	size_t n;
	if (face_append_error(&peer->face, &frame, id, &e) == 0) {
		void *p = buf_take(&frame, &n);
		peer->link.send(peer->link.ctx, p, n);
	}
	buf_free(&frame);
}

static int begin(struct peer *peer, const void *bytes, size_t n)
{
	struct request r;
	char *why = NULL, *id = NULL;
	int err = peer->face.face->decode_request(bytes, n, &r, &why, &id);
	if (err < 0 && err != -EBADMSG)
		answer_unreadable(peer, err, id, why);
	free(why);
	free(id);
	if (err < 0)
		return err == -EBADMSG ? err : 0;
	struct pending *p = xcalloc(1, sizeof *p);
	p->svc = peer->room->svc;
	p->peer = peer;
	p->rid = peer->room->rid;
	p->token = ++peer->room->svc->next_rid;
	p->action = r.action;
	p->id = r.id ? xstrdup(r.id) : NULL;
	host_timer_init(&p->limit, p->svc->host, pending_late, p);
	host_timer_start(&p->limit, r.action == REQUEST_LAUNCH_KERNEL ? REQUEST_LAUNCH_LIMIT : REQUEST_LIMIT);
	peer->pending = p;
	peer_hold(peer);
	room_settle(peer->room); /* an edit sent before the request is visible to it */
	handlers[r.action](p, &r);
	request_fini(&r);
	return 0;
}

int request_receive(struct peer *peer, const void *p, size_t n)
{
	if (!peer->pending)
		return begin(peer, p, n);
	if (peer->requests.n >= PEER_REQUESTS_WAITING_MAX)
		return -EOVERFLOW;
	struct buf copy = {0};
	buf_append(&copy, p, n);
	VEC_PUSH(&peer->requests, copy);
	return 0;
}

void request_next(struct peer *peer)
{
	/* One that cannot be read is answered at once and leaves nothing pending: the next is due. */
	while (!peer->pending && peer->requests.n > 0 && !peer->gone) {
		struct buf next = peer->requests.p[0];
		VEC_REMOVE(&peer->requests, 0);
		/* Somebody up the stack still needs the peer, so this is told, not a reason to close. */
		if (begin(peer, next.p, next.n) < 0)
			answer_unreadable(peer, -EBADMSG, NULL, "not JSON");
		buf_free(&next);
	}
}
