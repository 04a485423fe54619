#include <errno.h>
#include <string.h>

#include "kernel/kernel_internal.h"

static const char *const status_words[] = {"not_started", "starting", "idle", "busy", "error", "shutdown"};

const char *kernel_status_name(enum kernel_status status)
{
	return status_words[status];
}

void kernel_set_status(struct kernel *k, enum kernel_status status, const char *word, const char *cell_id)
{
	bool fresh = k->status != status;
	k->status = status;
	CALL(k, status, word ? word : kernel_status_name(status), cell_id, status, fresh);
}

void kernel_warn(struct kernel *k, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = xvasprintf(fmt, ap);
	va_end(ap);
	log_warn("kernel", "%s", text);
	CALL(k, warning, text);
	free(text);
}

void kernel_commit(struct kernel *k)
{
	if (k->changed_in_batch && !k->draining) {
		k->changed_in_batch = false;
		CALL0(k, commit);
	}
}

/* ---- what the queue asks for ---- */

static int queue_wants_send(void *ctx, struct execution *x)
{
	struct kernel *k = ctx;
	struct buf content = {0};
	if (!k->child)
		return -ENOTCONN;
	jupyter_execute_content(&content, x->source, x->source_n);
	int r = child_send(k->child, CHANNEL_SHELL, "execute_request", x->id, (const char *)content.p, content.n);
	buf_free(&content);
	if (r < 0)
		kernel_warn(k, "Cell %s could not be sent to the kernel: %s", x->cell_id, strerror(-r));
	return r;
}

static void queue_has_changed(void *ctx)
{
	struct kernel *k = ctx;
	k->changed_in_batch = true;
	CALL0(k, queue_changed);
	kernel_questions_send(k);
}

static void queue_execution_done(void *ctx, struct execution *x)
{
	struct kernel *k = ctx;
	bool ran = x->started_ns != 0;
	k->proof[0] = 0;
	k->changed_in_batch = true;
	kernel_execution_over(k, x);
	if (ran && k->ready && k->status == KERNEL_BUSY)
		kernel_set_status(k, KERNEL_IDLE, NULL, x->cell_id);
	CALL(k, execution_done, x, ran);
}

static void queue_wants_timer(void *ctx, unsigned ms)
{
	struct kernel *k = ctx;
	k->proofs = 0;
	if (ms)
		host_timer_start(&k->idle_timer, HOST_MS(ms));
	else
		host_timer_stop(&k->idle_timer);
}

static bool half_over(const struct execution *x)
{
	return x && (x->got_idle || x->got_reply);
}

/* A SIGINT between a request's start and its code makes ipykernel drop it: idle follows, a reply never does. */
static bool is_swallowed(const struct execution *x)
{
	return x->interrupted && !x->got_reply && !x->got_error;
}

static void give_up_waiting(struct kernel *k)
{
	struct execution *x = queue_running(k->queue);
	if (is_swallowed(x)) {
		kernel_add_error(k, x, "KeyboardInterrupt", "The cell was interrupted as it began");
		queue_on_error(k->queue, x);
	} else {
		kernel_warn(k, "The kernel never said that cell %s was finished; some of its output may be lost",
			    x->cell_id);
	}
	queue_timeout(k->queue);
}

/* Silence alone proves nothing: on a busy machine a kernel needs seconds to pack a long output. But whatever it says, it
 * says in order. So it is asked something, and when the answer is there and the idle is not, the idle is lost. The
 * answer may get lost as well: it is asked again, some times. */
static void on_idle_timer(void *ctx)
{
	struct kernel *k = ctx;
	if (!half_over(queue_running(k->queue)))
		return;
	if (k->proofs++ < PROOFS_MAX) {
		kernel_ask(k, k->proof);
		host_timer_start(&k->idle_timer, HOST_MS(QUEUE_IDLE_WAIT_MS));
		return;
	}
	give_up_waiting(k);
	kernel_commit(k);
}

void kernel_proved(struct kernel *k, enum channel channel, const char *msg_id)
{
	const struct execution *x = queue_running(k->queue);
	if (!half_over(x) || !k->proof[0] || strcmp(k->proof, msg_id) != 0)
		return;
	if (channel == CHANNEL_IOPUB ? !x->got_idle : !x->got_reply)
		give_up_waiting(k);
}

static void queue_wants_settle(void *ctx, struct execution *x)
{
	kernel_settle(ctx, x);
}

static void queue_wants_random(void *ctx, void *p, size_t n)
{
	struct kernel *k = ctx;
	host_random(k->service->host, p, n);
}

static int64_t queue_wants_time(void *ctx)
{
	struct kernel *k = ctx;
	return host_wall_ns(k->service->host);
}

static void queue_dropped(void *ctx, struct execution *x)
{
	struct kernel *k = ctx;
	kernel_drop_streams(k, x);
	CALL(k, execution_dropped, x);
}

static const struct queue_ops queue_ops = {
	.send = queue_wants_send,
	.changed = queue_has_changed,
	.done = queue_execution_done,
	.arm = queue_wants_timer,
	.settle = queue_wants_settle,
	.random = queue_wants_random,
	.wall_ns = queue_wants_time,
	.dropped = queue_dropped,
};

/* ---- the object ---- */

struct kernel *kernel_new(struct kernel_service *service, const struct kernel_callbacks *callbacks, void *ctx)
{
	struct kernel *k = xcalloc(1, sizeof *k);
	k->service = service;
	k->cb = *callbacks;
	k->ctx = ctx;
	k->queue = queue_new(&queue_ops, k);
	k->comms = comm_store_new();
	k->displays = display_index_new();
	host_timer_init(&k->idle_timer, service->host, on_idle_timer, k);
	host_timer_init(&k->flush_timer, service->host, kernel_flush_due, k);
	host_defer_init(&k->again, service->host, kernel_drain_again, k);
	kernel_launch_init(k);
	VEC_PUSH(&service->kernels, k);
	return k;
}

static void forget_in_service(struct kernel *k)
{
	for (size_t i = 0; i < k->service->kernels.n; i++)
		if (k->service->kernels.p[i] == k) {
			VEC_REMOVE(&k->service->kernels, i);
			return;
		}
}

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	k->quiet++;
	kernel_shutdown(k);
	forget_in_service(k);
	host_timer_stop(&k->idle_timer);
	host_timer_stop(&k->flush_timer);
	host_defer_cancel(&k->again);
	kernel_launch_fini(k);
	queue_free(k->queue);
	comm_store_free(k->comms);
	display_index_free(k->displays);
	VEC_FREE(&k->questions);
	VEC_FREE(&k->dirty);
	free(k->type);
	free(k->env_source);
	free(k);
}

void kernel_set_owner(struct kernel *k, void *ctx)
{
	k->ctx = ctx;
}

enum kernel_status kernel_status(const struct kernel *k)
{
	return k->status;
}

bool kernel_exists(const struct kernel *k)
{
	return k->exists;
}

const char *kernel_type(const struct kernel *k)
{
	return k->type;
}

const char *kernel_env_source(const struct kernel *k)
{
	return k->env_source;
}

int kernel_pid(const struct kernel *k)
{
	return k->child ? k->child->pid : 0;
}

struct queue *kernel_queue(struct kernel *k)
{
	return k->queue;
}

struct comm_store *kernel_comms(struct kernel *k)
{
	return k->comms;
}

bool kernel_is_working(const struct kernel *k)
{
	return queue_running(k->queue) || queue_waiting_count(k->queue);
}

/* ---- the end ---- */

/* Windows must drop the widgets of a kernel that is gone (W5). */
static void close_comms(struct kernel *k)
{
	const char *id;
	for (size_t i = 0; (id = comm_store_id(k->comms, i)) != NULL; i++) {
		struct buf content = {0};
		buf_append_str(&content, "{\"comm_id\":");
		json_append_str(&content, id, strlen(id));
		buf_append_str(&content, ",\"data\":{}}");
		CALL(k, comm, "comm_close", (const char *)content.p, content.n, NULL, 0, 0);
		buf_free(&content);
	}
	comm_store_clear(k->comms);
}

struct child *kernel_detach(struct kernel *k, bool died)
{
	struct child *child = k->child;
	k->child = NULL;
	k->exists = k->ready = k->interrupt_owed = false;
	kernel_launch_stop(k);
	host_defer_cancel(&k->again);
	queue_abandon(k->queue, died);
	kernel_questions_end(k);
	close_comms(k);
	k->changed_in_batch = true;
	return child;
}

int kernel_shutdown(struct kernel *k)
{
	if (!k->exists)
		return -ENOTCONN;
	bool busy = queue_running(k->queue) != NULL, ready = k->ready;
	kernel_set_status(k, KERNEL_SHUTDOWN, NULL, NULL);
	struct child *child = kernel_detach(k, false);
	if (child)
		child_bury(child, ready, busy);
	CALL0(k, stopped);
	kernel_commit(k);
	return 0;
}

/* ---- executing ---- */

int kernel_execute(struct kernel *k, const char *cell_id, const char *source, size_t source_n, const char *submitter,
		   struct execution **ret_x)
{
	if (!k->exists)
		return -ENOTCONN;
	int r = queue_add(k->queue, cell_id, source, source_n, submitter, ret_x);
	kernel_commit(k);
	return r;
}

void kernel_batch_begin(struct kernel *k)
{
	queue_begin(k->queue);
}

void kernel_batch_end(struct kernel *k)
{
	queue_end(k->queue);
	kernel_commit(k);
}

int kernel_interrupt(struct kernel *k)
{
	if (!k->exists)
		return -ENOTCONN;
	if (k->ready)
		child_interrupt(k->child); /* first: nothing stands before it */
	queue_interrupt(k->queue);
	kernel_commit(k);
	return 0;
}

/* ---- what others do to outputs ---- */

void kernel_clear_outputs(struct kernel *k, const char *cell_id)
{
	struct execution *x = queue_shown(k->queue, cell_id);
	if (!x)
		return;
	queue_outputs_clear(k->queue, x);
	kernel_cut_streams(k, x);
	x->has_count = false;
	x->clear_pending = false;
}

static bool shows(const struct execution *x, const char *const *entries, size_t n)
{
	if (!x || x->outputs.n != n)
		return !x && n == 0;
	for (size_t i = 0; i < n; i++)
		if (strcmp(x->outputs.p[i].entry, entries[i]) != 0)
			return false;
	return true;
}

/* What is already shown keeps its identity; the rest is looked into. */
static void describe(struct kernel *k, const struct execution *x, const char *entry, struct output *ret)
{
	for (size_t i = 0; x && i < x->outputs.n; i++)
		if (!strcmp(x->outputs.p[i].entry, entry)) {
			ret->type = x->outputs.p[i].type;
			ret->display_id = x->outputs.p[i].display_id ? xstrdup(x->outputs.p[i].display_id) : NULL;
			ret->entry = xstrdup(entry);
			return;
		}
	*ret = (struct output){.entry = xstrdup(entry), .type = OUTPUT_DISPLAY_DATA};
	output_inspect(&k->service->blobs, entry, &ret->type, &ret->display_id);
}

void kernel_outputs_changed(struct kernel *k, const char *cell_id, bool has_count, int64_t count,
			    const char *const *entries, size_t n)
{
	struct execution *x = queue_shown(k->queue, cell_id);
	if (shows(x, entries, n)) {
		if (x && x != queue_running(k->queue)) {
			x->has_count = has_count;
			x->count = count;
		}
		return;
	}
	VEC(struct output) outputs = {0};
	for (size_t i = 0; i < n; i++) {
		struct output o = {0};
		describe(k, x, entries[i], &o);
		VEC_PUSH(&outputs, o);
	}
	if (x && (x == queue_running(k->queue) || !n)) {
		/* It goes on in what is there now, or it was just emptied. */
		queue_outputs_clear(k->queue, x);
		kernel_cut_streams(k, x);
		for (size_t i = 0; i < n; i++)
			queue_output_add(k->queue, x, outputs.p[i].type, xstrdup(outputs.p[i].entry),
					 outputs.p[i].display_id ? xstrdup(outputs.p[i].display_id) : NULL, NULL);
		if (x != queue_running(k->queue)) {
			x->has_count = has_count;
			x->count = count;
		}
	} else {
		x = queue_adopt(k->queue, cell_id, has_count, count, outputs.p, n);
	}
	kernel_index_displays(k, x);
	for (size_t i = 0; i < outputs.n; i++)
		output_fini(&outputs.p[i]);
	VEC_FREE(&outputs);
}

void kernel_cell_removed(struct kernel *k, const char *cell_id)
{
	queue_forget_cell(k->queue, cell_id);
}
