/* Messages from the kernel and what they mean (kernels.md 7, 18). */
#include <errno.h>
#include <string.h>

#include "kernel/kernel_internal.h"

static struct execution *find_parent(struct kernel *k, const struct jupyter_message *m)
{
	return m->parent_id ? queue_find(k->queue, m->parent_id, strlen(m->parent_id)) : NULL;
}

/* ---- status ---- */

static void status_of_execution(struct kernel *k, struct execution *x, bool busy)
{
	if (x != queue_running(k->queue))
		return;
	if (!busy)
		kernel_store_live(k, x);
	kernel_set_status(k, busy ? KERNEL_BUSY : KERNEL_IDLE, NULL, x->cell_id);
	if (busy)
		queue_on_activity(k->queue, x);
	else
		queue_on_idle(k->queue, x);
}

/* Other traffic (completion, comms) is told about but ends no cell and flips no document (trap 5). */
static void status_of_other(struct kernel *k, const char *state)
{
	static const char *const words[][2] = {{"busy", "busy"}, {"idle", "idle"}, {"restarting", "starting"},
					       {"terminating", "shutdown"}, {"dead", "shutdown"}};
	const char *word = "unknown";
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(state, words[i][0]))
			word = words[i][1];
	CALL(k, status, word, NULL, k->status, false);
}

static void on_status(struct kernel *k, const struct jupyter_message *m)
{
	char *state = json_slice_strdup(json_slice_get(m->content, "execution_state"));
	struct execution *x = find_parent(k, m);
	bool busy = state && !strcmp(state, "busy"), idle = state && !strcmp(state, "idle");
	if (x && (busy || idle))
		status_of_execution(k, x, busy);
	/* that one comes late (trap 6) */
	else if (state && strcmp(state, "starting") != 0 && !kernel_is_probe(k, m->parent_id))
		status_of_other(k, state);
	else if (idle)
		kernel_proved(k, CHANNEL_IOPUB, m->parent_id);
	free(state);
}

/* ---- executions ---- */

static void start_shown(struct kernel *k, struct execution *x, bool has_count, int64_t count)
{
	bool missed = x->interrupted;
	queue_on_input(k->queue, x, has_count, count);
	k->changed_in_batch = true;
	if (missed) /* the interrupt came while the kernel had not begun with it (it answered something else) */
		k->interrupt_owed = true;
	CALL(k, execution_started, x);
}

static void on_execute_input(struct kernel *k, struct execution *x, const struct jupyter_message *m)
{
	int64_t count = 0;
	bool has_count = json_slice_i64(json_slice_get(m->content, "execution_count"), &count);
	if (x == queue_running(k->queue) && !x->started)
		start_shown(k, x, has_count, count);
}

/* Output whose execute_input was lost still belongs to a run that has started. */
static void ensure_started(struct kernel *k, struct execution *x)
{
	if (x == queue_running(k->queue) && !x->started)
		start_shown(k, x, false, 0);
}

/* ---- captured by an Output widget (kernels.md 12) ---- */

static void send_custom(struct kernel *k, const char *comm_id, const struct buf *inner)
{
	struct buf content = {0};
	buf_append_str(&content, "{\"comm_id\":");
	json_append_str(&content, comm_id, strlen(comm_id));
	buf_append_str(&content, ",\"data\":{\"method\":\"custom\",\"content\":");
	buf_append(&content, inner->p, inner->n);
	buf_append_str(&content, "}}");
	CALL(k, comm, "comm_msg", (const char *)content.p, content.n, NULL, 0, 0);
	buf_free(&content);
}

static void append_nbformat(struct buf *out, const char *type, struct json_slice content)
{
	buf_printf(out, "{\"output_type\":\"%s\"", type);
	for (struct json_walk w = json_slice_walk(content); json_slice_next(&w);) {
		if (json_slice_equals(w.key, "transient"))
			continue;
		buf_append_byte(out, ',');
		buf_append(out, w.key.p, w.key.n);
		buf_append_byte(out, ':');
		json_slice_append_strict(out, w.value);
	}
	buf_append_byte(out, '}');
}

/* True when a widget took it. */
static bool capture_output(struct kernel *k, const struct jupyter_message *m)
{
	const char *widget = m->parent_id ? comm_store_capture(k->comms, m->parent_id) : NULL;
	if (!widget)
		return false;
	struct buf output = {0}, inner = {0};
	append_nbformat(&output, m->msg_type, m->content);
	buf_append_str(&inner, "{\"method\":\"output\",\"output\":");
	buf_append(&inner, output.p, output.n);
	buf_append_byte(&inner, '}');
	send_custom(k, widget, &inner);
	comm_store_capture_output(k->comms, widget, (const char *)output.p, output.n);
	buf_free(&output);
	buf_free(&inner);
	return true;
}

static bool capture_clear(struct kernel *k, const struct jupyter_message *m, bool wait)
{
	const char *widget = m->parent_id ? comm_store_capture(k->comms, m->parent_id) : NULL;
	if (!widget)
		return false;
	struct buf inner = {0};
	buf_printf(&inner, "{\"method\":\"clear_output\",\"wait\":%s}", wait ? "true" : "false");
	send_custom(k, widget, &inner);
	comm_store_capture_clear(k->comms, widget, wait);
	buf_free(&inner);
	return true;
}

/* ---- one IOPub message ---- */

static void on_comm(struct kernel *k, const struct jupyter_message *m)
{
	size_t n = jupyter_buffer_count(m);
	struct comm_buffer *buffers = xcalloc(n + 1, sizeof *buffers);
	jupyter_buffers(m, buffers);
	comm_store_apply(k->comms, m->msg_type, m->content.p, m->content.n, buffers, n);
	struct buf strict = {0};
	json_slice_append_strict(&strict, m->content);
	CALL(k, comm, m->msg_type, (const char *)strict.p, strict.n, buffers, n, 0);
	buf_free(&strict);
	free(buffers);
}

static void on_plain_output(struct kernel *k, struct execution *x, const struct jupyter_message *m)
{
	ensure_started(k, x);
	if (!strcmp(m->msg_type, "stream")) {
		kernel_on_stream(k, x, m);
	} else {
		kernel_on_output(k, x, m->msg_type, m->content);
		if (!strcmp(m->msg_type, "error"))
			queue_on_error(k->queue, x);
	}
	queue_on_activity(k->queue, x);
}

static bool is_output(const char *type)
{
	return !strcmp(type, "stream") || !strcmp(type, "display_data") || !strcmp(type, "execute_result") ||
	       !strcmp(type, "error") || !strcmp(type, "pyout") || !strcmp(type, "pyerr");
}

static void on_iopub(struct kernel *k, const struct jupyter_message *m)
{
	const char *type = m->msg_type;
	struct execution *x = find_parent(k, m);
	if (!strcmp(type, "status")) {
		on_status(k, m);
	} else if (!strcmp(type, "execute_input")) {
		if (x)
			on_execute_input(k, x, m);
	} else if (is_output(type)) {
		if (!capture_output(k, m) && x)
			on_plain_output(k, x, m);
	} else if (!strcmp(type, "update_display_data")) {
		kernel_on_update_display(k, m);
		if (x)
			queue_on_activity(k->queue, x);
	} else if (!strcmp(type, "clear_output")) {
		bool wait = json_slice_is_true(json_slice_get(m->content, "wait"));
		if (!capture_clear(k, m, wait) && x)
			kernel_on_clear_output(k, x, wait);
	} else if (!strncmp(type, "comm_", 5)) {
		on_comm(k, m);
	} else {
		log_debug("kernel", "ignored %s on IOPub", type);
	}
}

/* ---- one shell message ---- */

static void on_execute_reply(struct kernel *k, struct execution *x, const struct jupyter_message *m)
{
	char *status = json_slice_strdup(json_slice_get(m->content, "status"));
	struct json_walk w = json_slice_walk(json_slice_get(m->content, "payload"));
	while (json_slice_next(&w))
		if (json_slice_equals(json_slice_get(w.value, "source"), "page"))
			kernel_keep_page(k, x, w.value);
	queue_on_reply(k->queue, x, status ? status : "ok");
	free(status);
}

static void on_shell(struct kernel *k, const struct jupyter_message *m)
{
	struct execution *x = find_parent(k, m);
	if (x && !strcmp(m->msg_type, "execute_reply"))
		on_execute_reply(k, x, m);
	else if (!strcmp(m->msg_type, "complete_reply") || !strcmp(m->msg_type, "history_reply"))
		kernel_answer(k, m);
	else if (!strcmp(m->msg_type, "kernel_info_reply") && m->parent_id)
		kernel_proved(k, CHANNEL_SHELL, m->parent_id);
}

/* ---- one control message ---- */

/* The handler of ipykernel's SIGINT only puts a call into the event loop; in a cell that awaits something the loop
 * sleeps on, and a message wakes it. */
static void on_control(struct kernel *k, const struct jupyter_message *m)
{
	if (!strcmp(m->msg_type, "interrupt_reply") && queue_running(k->queue))
		kernel_nudge(k);
}

/* ---- draining ---- */

static void dispatch(struct kernel *k, enum channel channel, struct jupyter_message *m)
{
	if (!kernel_launch_message(k, channel, m)) {
		k->changed_in_batch = true;
		if (channel == CHANNEL_IOPUB)
			on_iopub(k, m);
		else if (channel == CHANNEL_SHELL)
			on_shell(k, m);
		else if (channel == CHANNEL_CONTROL)
			on_control(k, m);
	}
	jupyter_message_fini(m);
}

static bool drain_channel(struct kernel *k, enum channel channel, unsigned most)
{
	struct jupyter_message m;
	for (unsigned i = 0; i < most && k->child; i++) {
		if (child_recv(k->child, channel, &m) < 0)
			return false;
		dispatch(k, channel, &m);
	}
	return true; /* perhaps more */
}

static void drain_heartbeat(struct kernel *k)
{
	struct multipart m;
	while (k->child && k->child->transport->ops->recv(k->child->transport, CHANNEL_HEARTBEAT, &m) == 0) {
		multipart_free(&m);
		if (k->ready)
			kernel_heartbeat_heard(k);
	}
}

/* Unless the interrupt did hit it, as what was read along with its start shows: then this one would hit the next. */
static void pay_interrupt(struct kernel *k)
{
	const struct execution *x = queue_running(k->queue);
	bool owed = k->interrupt_owed;
	k->interrupt_owed = false;
	if (owed && k->child && x && x->interrupted && !x->got_idle && !x->got_reply && !x->got_error)
		child_interrupt(k->child);
}

/* Replies before output, output in bursts, all of it for a slice of time; the rest in the next turn (design 2.7). */
static void drain(struct kernel *k)
{
	uint64_t start = host_now_ns(k->service->host);
	bool more = true;
	if (k->draining)
		return;
	k->draining = true;
	while (more && k->child) {
		drain_channel(k, CHANNEL_CONTROL, DRAIN_BURST);
		more = drain_channel(k, CHANNEL_SHELL, DRAIN_BURST);
		drain_heartbeat(k);
		more = drain_channel(k, CHANNEL_IOPUB, DRAIN_BURST) || more;
		if (more && host_now_ns(k->service->host) - start > DRAIN_SLICE_NS) {
			host_defer(&k->again);
			break;
		}
	}
	k->draining = false;
	pay_interrupt(k);
	kernel_commit(k);
}

void kernel_child_readable(void *ctx)
{
	drain(ctx);
}

void kernel_drain_again(void *ctx)
{
	drain(ctx);
}
