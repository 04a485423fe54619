/* Launching (kernels.md 3, 5.3) and the heartbeat. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel_internal.h"
#include "kernel/launch.h"

#define EXIT_SETTLE_MS 10 /* for what is still on its way from a process that ended */
#define EXIT_WAITS 200	  /* times, while a backlog of output is being read */

/* ---- the spec, copied ---- */

static const char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static const char *const *copy_list(const char *const *list)
{
	struct launch_strings copies = {0};
	if (!list)
		return NULL;
	for (; *list; list++)
		launch_strings_add(&copies, xstrdup(*list));
	return (const char *const *)launch_strings_end(&copies);
}

static void free_const(const void *p)
{
	free((void *)(uintptr_t)p);
}

static void free_list(const char *const *list)
{
	for (size_t i = 0; list && list[i]; i++)
		free_const(list[i]);
	free_const(list);
}

static struct kernel_launch_spec *spec_copy(const struct kernel_launch_spec *from)
{
	struct kernel_launch_spec *s = xmemdup(from, sizeof *from);
	s->kernel_type = copy(from->kernel_type);
	s->env_source = copy(from->env_source);
	s->kernel_name = copy(from->kernel_name);
	s->argv = copy_list(from->argv);
	s->prefix = copy(from->prefix);
	s->resource_dir = copy(from->resource_dir);
	s->env = copy_list(from->env);
	s->venv_path = copy(from->venv_path);
	s->conda_prefix = copy(from->conda_prefix);
	s->tool_dir = copy(from->tool_dir);
	s->cwd = copy(from->cwd);
	return s;
}

static void spec_free(struct kernel_launch_spec *s)
{
	if (!s)
		return;
	free_const(s->kernel_type);
	free_const(s->env_source);
	free_const(s->kernel_name);
	free_list(s->argv);
	free_const(s->prefix);
	free_const(s->resource_dir);
	free_list(s->env);
	free_const(s->venv_path);
	free_const(s->conda_prefix);
	free_const(s->tool_dir);
	free_const(s->cwd);
	free(s);
}

/* ---- requests of our own ---- */

/* Nobody hears of it (kernel_is_probe). */
static int send_unheard(struct kernel *k, const char *msg_type, const char *content, size_t n, char ret_id[UUID_TEXT])
{
	char id[UUID_TEXT];
	host_uuid(k->service->host, id);
	int r = child_send(k->child, CHANNEL_SHELL, msg_type, id, content, n);
	if (r < 0)
		return r;
	if (ret_id)
		memcpy(ret_id, id, UUID_TEXT);
	if (k->probes.n == PROBES_MAX) {
		free(k->probes.p[0]);
		VEC_REMOVE(&k->probes, 0);
	}
	VEC_PUSH(&k->probes, xstrdup(id));
	return 0;
}

/* ---- outcomes ---- */

static void forget_probes(struct kernel *k)
{
	for (size_t i = 0; i < k->probes.n; i++)
		free(k->probes.p[i]);
	VEC_FREE(&k->probes);
}

void kernel_launch_stop(struct kernel *k)
{
	host_timer_stop(&k->launch_timer);
	host_timer_stop(&k->probe_timer);
	host_timer_stop(&k->exit_timer);
	host_timer_stop(&k->beat_timer);
	forget_probes(k);
	k->saw_reply = k->saw_iopub = false;
	k->missed = 0;
	k->awaiting_beat = k->unresponsive = false;
}

static void fail(struct kernel *k, const char *reason, bool ask)
{
	char *word = xasprintf("error: %s", reason);
	log_error("kernel", "Launch failed: %s", reason);
	kernel_set_status(k, KERNEL_ERROR, word, NULL);
	struct child *child = kernel_detach(k, true);
	if (child)
		child_bury(child, ask, false);
	CALL(k, launch_failed, reason);
	kernel_commit(k);
	free(word);
}

/* ipykernel's output socket drops what is over a thousand messages when ours is not read for a moment (K7): on a busy
 * machine lines were missing. The mark can only be lifted once we are connected, and from its own thread. Leaves no
 * trace: silent, no names; another Python kernel just fails at it. */
static void lift_output_limit(struct kernel *k)
{
	static const char code[] = "exec(\"try:\\n t = get_ipython().kernel.iopub_thread\\n"
				   " t.schedule(lambda: setattr(t.socket, 'sndhwm', 0))\\n"
				   "except Exception: pass\", {'get_ipython': get_ipython})";
	struct buf content = {0};
	if (strcmp(k->type, "python") != 0)
		return;
	buf_append_str(&content, "{\"code\":");
	json_append_str(&content, code, sizeof code - 1);
	buf_append_str(&content, ",\"silent\":true,\"store_history\":false,\"user_expressions\":{},"
				 "\"allow_stdin\":false,\"stop_on_error\":false}");
	if (send_unheard(k, "execute_request", buf_cstr(&content), content.n, NULL) < 0)
		log_debug("kernel", "Kernel %.8s keeps its output limit", k->child->connection.id);
	buf_free(&content);
}

static void succeed(struct kernel *k)
{
	host_timer_stop(&k->launch_timer);
	host_timer_stop(&k->probe_timer);
	k->ready = true;
	log_info("kernel", "Kernel %.8s is ready (%s, pid %d)", k->child->connection.id, k->env_source, k->child->pid);
	kernel_heartbeat_start(k);
	lift_output_limit(k);
	kernel_set_status(k, KERNEL_IDLE, NULL, NULL);
	CALL0(k, launched);
	k->changed_in_batch = true;
	queue_set_ready(k->queue, true);
	kernel_questions_send(k);
}

/* ---- readiness: a reply and the proof that output arrives (kernels.md 5.3) ---- */

static int send_probe(struct kernel *k)
{
	return send_unheard(k, "kernel_info_request", "{}", 2, NULL);
}

void kernel_ask(struct kernel *k, char ret_id[UUID_TEXT])
{
	if (k->child && send_unheard(k, "kernel_info_request", "{}", 2, ret_id) < 0)
		log_debug("kernel", "Kernel %.8s takes no messages", k->child->connection.id);
}

void kernel_nudge(struct kernel *k)
{
	kernel_ask(k, NULL);
}

static void probe(void *ctx)
{
	struct kernel *k = ctx;
	if (send_probe(k) < 0) {
		host_timer_start(&k->probe_timer, HOST_MS(CONNECT_RETRY_MS));
		return;
	}
	host_timer_start(&k->probe_timer, HOST_MS(k->probe_ms));
	k->probe_ms = k->probe_ms * 2 < PROBE_MAX_MS ? k->probe_ms * 2 : PROBE_MAX_MS;
}

bool kernel_is_probe(const struct kernel *k, const char *msg_id)
{
	for (size_t i = 0; msg_id && i < k->probes.n; i++)
		if (!strcmp(k->probes.p[i], msg_id))
			return true;
	return false;
}

bool kernel_launch_message(struct kernel *k, enum channel channel, const struct jupyter_message *m)
{
	if (k->ready)
		return false;
	if (channel == CHANNEL_SHELL && !strcmp(m->msg_type, "kernel_info_reply"))
		k->saw_reply = true;
	if (channel == CHANNEL_IOPUB && (kernel_is_probe(k, m->parent_id) || !strcmp(m->msg_type, "iopub_welcome")))
		k->saw_iopub = true;
	if (k->saw_reply && k->saw_iopub)
		succeed(k);
	return true;
}

static const struct child_events child_events = {.readable = kernel_child_readable, .exited = kernel_child_exited};

static void on_launch_deadline(void *ctx)
{
	struct kernel *k = ctx;
	struct buf reason = {0};
	buf_printf(&reason, "Kernel did not respond within %ds", LAUNCH_LIMIT_MS / 1000);
	if (k->child->said.n) {
		buf_append_str(&reason, ":\n");
		child_append_tail(k->child, &reason);
	}
	fail(k, buf_cstr(&reason), false);
	buf_free(&reason);
}

static void start(struct kernel *k)
{
	char *error = NULL;
	k->probe_ms = PROBE_FIRST_MS;
	if (child_start(k->service, k->spec, &child_events, k, &k->child, &error) < 0) {
		fail(k, error, false);
		free(error);
		return;
	}
	host_timer_start(&k->launch_timer, HOST_MS(LAUNCH_LIMIT_MS));
	host_timer_start(&k->probe_timer, HOST_MS(CONNECT_RETRY_MS));
}

/* Somebody else took a port between our letting go and the kernel's bind (K15): once more with others. */
static bool retry_on_clash(struct kernel *k)
{
	struct buf said = {0};
	child_append_tail(k->child, &said);
	bool clash = !k->retried && strstr(buf_cstr(&said), "ddress already in use");
	buf_free(&said);
	if (!clash)
		return false;
	log_warn("kernel", "A port was taken; starting the kernel again");
	struct child *child = k->child;
	k->retried = true;
	k->child = NULL;
	kernel_launch_stop(k);
	child_bury(child, false, false);
	start(k);
	return true;
}

/* Deferred by a moment: what it said last may still be in the pipes and sockets. */
static void on_exit_settled(struct kernel *k)
{
	struct buf reason = {0};
	if (!k->ready) {
		if (retry_on_clash(k))
			return;
		buf_append_str(&reason, "Kernel process ");
		child_describe_end(k->child, &reason);
		fail(k, buf_cstr(&reason), false);
		buf_free(&reason);
		return;
	}
	buf_append_str(&reason, "Kernel process ");
	child_describe_end(k->child, &reason);
	log_error("kernel", "%s", buf_cstr(&reason));
	kernel_set_status(k, KERNEL_ERROR, NULL, NULL);
	if (queue_running(k->queue))
		kernel_add_error(k, queue_running(k->queue), "DeadKernelError", buf_cstr(&reason));
	struct child *child = kernel_detach(k, true);
	CALL(k, died, buf_cstr(&reason));
	child_bury(child, false, false);
	kernel_commit(k);
	buf_free(&reason);
}

static void on_exit_timer(void *ctx)
{
	struct kernel *k = ctx;
	if (host_defer_queued(&k->again) && k->exit_waits--)
		host_timer_start(&k->exit_timer, HOST_MS(EXIT_SETTLE_MS));
	else
		on_exit_settled(k);
}

void kernel_child_exited(void *ctx)
{
	struct kernel *k = ctx;
	host_timer_stop(&k->launch_timer);
	host_timer_stop(&k->probe_timer);
	k->exit_waits = EXIT_WAITS;
	host_timer_start(&k->exit_timer, HOST_MS(EXIT_SETTLE_MS));
}

/* ---- the calls ---- */

int kernel_begin_launch(struct kernel *k, const char *kernel_type, const char *env_source)
{
	if (k->exists)
		return -EALREADY;
	k->exists = true;
	k->retried = false;
	char *type = xstrdup(kernel_type), *source = xstrdup(env_source);
	free(k->type);
	free(k->env_source);
	k->type = type;
	k->env_source = source;
	comm_store_clear(k->comms);
	k->changed_in_batch = true;
	kernel_set_status(k, KERNEL_STARTING, NULL, NULL);
	kernel_commit(k);
	return 0;
}

static void on_launch_timer(void *ctx)
{
	struct kernel *k = ctx;
	if (k->child)
		on_launch_deadline(k);
	else
		start(k);
}

int kernel_launch(struct kernel *k, const struct kernel_launch_spec *spec)
{
	if (!k->exists || k->child || k->ready)
		return -ENOTCONN;
	struct kernel_launch_spec *own = spec_copy(spec);
	spec_free(k->spec);
	k->spec = own;
	free(k->type);
	free(k->env_source);
	k->type = xstrdup(own->kernel_type);
	k->env_source = xstrdup(own->env_source);
	host_timer_start(&k->launch_timer, 0); /* the outcome comes from the loop, also when the start fails at once */
	return 0;
}

void kernel_fail_launch(struct kernel *k, const char *reason)
{
	if (k->exists && !k->ready)
		fail(k, reason, false);
}

static void on_beat_timer(void *ctx);

void kernel_launch_init(struct kernel *k)
{
	host_timer_init(&k->launch_timer, k->service->host, on_launch_timer, k);
	host_timer_init(&k->probe_timer, k->service->host, probe, k);
	host_timer_init(&k->exit_timer, k->service->host, on_exit_timer, k);
	host_timer_init(&k->beat_timer, k->service->host, on_beat_timer, k);
}

void kernel_launch_fini(struct kernel *k)
{
	kernel_launch_stop(k);
	spec_free(k->spec);
}

/* ---- heartbeat: a warning, never a verdict (K10) ---- */

static void on_beat_timer(void *ctx)
{
	struct kernel *k = ctx;
	if (k->awaiting_beat && ++k->missed == HEARTBEAT_MISSES) {
		k->unresponsive = true;
		log_warn("kernel", "Kernel %.8s does not answer its heartbeat", k->child->connection.id);
		CALL(k, unresponsive, true);
	}
	struct multipart beat = {0};
	multipart_add(&beat, "", 0);
	multipart_add(&beat, "ping", 4);
	k->awaiting_beat = k->child->transport->ops->send(k->child->transport, CHANNEL_HEARTBEAT, &beat) == 0 ||
			   k->awaiting_beat;
}

void kernel_heartbeat_start(struct kernel *k)
{
	host_timer_start_repeat(&k->beat_timer, HOST_MS(HEARTBEAT_MS));
}

void kernel_heartbeat_heard(struct kernel *k)
{
	k->awaiting_beat = false;
	k->missed = 0;
	if (!k->unresponsive)
		return;
	k->unresponsive = false;
	log_info("kernel", "Kernel %.8s answers again", k->child->connection.id);
	CALL(k, unresponsive, false);
}
