#include "kernel/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "kernel/launch.h"
#include "store/pid_registry.h"

#define ASK_NS HOST_SEC(2)
#define TERM_NS HOST_SEC(3)

extern char **environ;

/* ---- what it says ---- */

static void remember(struct child *c, const uint8_t *p, size_t n)
{
	if (n > CHILD_TAIL_BYTES) {
		p += n - CHILD_TAIL_BYTES;
		n = CHILD_TAIL_BYTES;
	}
	if (c->said.n + n > 2 * CHILD_TAIL_BYTES)
		buf_consume(&c->said, c->said.n + n - CHILD_TAIL_BYTES);
	buf_append(&c->said, p, n);
}

static void on_output(void *ctx, int fd, const uint8_t *p, size_t n)
{
	(void)fd;
	struct child *c = ctx;
	if (!n)
		return;
	remember(c, p, n);
	if (log_enabled(LOG_DEBUG))
		log_debug("kernel", "%.8s said: %.*s", c->connection.id, (int)(n > 2000 ? 2000 : n), (const char *)p);
}

void child_append_tail(const struct child *c, struct buf *out)
{
	const char *p = (const char *)c->said.p, *end = p + c->said.n;
	while (end > p && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	const char *at = end;
	for (unsigned lines = 0; at > p; at--)
		if (at[-1] == '\n' && ++lines == CHILD_TAIL_LINES)
			break;
	if (at < end)
		buf_append(out, at, (size_t)(end - at));
}

void child_describe_end(const struct child *c, struct buf *out)
{
	if (c->signum)
		buf_printf(out, "was killed by signal %d (%s)", c->signum, strsignal(c->signum));
	else
		buf_printf(out, "exited with status %d", c->status);
	if (!c->said.n)
		return;
	buf_append_str(out, ":\n");
	child_append_tail(c, out);
}

/* ---- start ---- */

static void on_exit_status(void *ctx, int status, int signum)
{
	struct child *c = ctx;
	c->exited = true;
	c->status = status;
	c->signum = signum;
	c->events->exited(c->ctx);
}

static void on_readable(void *ctx)
{
	struct child *c = ctx;
	c->events->readable(c->ctx);
}

static const struct host_process_events process_events = {.output = on_output, .exit = on_exit_status};

static int spawn(struct child *c, const struct kernel_launch_spec *spec)
{
	struct launch_strings argv = {0}, env = {0};
	launch_arguments(spec, c->connection.file, &argv);
	launch_environment(spec, environ, &env);
	const struct host_spawn how = {
		.argv = (const char *const *)argv.v.p,
		.env = (const char *const *)env.v.p,
		.cwd = spec->cwd,
		.flags = HOST_SPAWN_SESSION | HOST_SPAWN_DIE_WITH_US | HOST_SPAWN_STDOUT | HOST_SPAWN_STDERR,
		.events = &process_events,
		.ctx = c,
	};
	connection_release_ports(&c->connection);
	int r = host_process_spawn(c->service->host, &how, &c->process);
	launch_strings_free(&argv);
	launch_strings_free(&env);
	return r;
}

static void register_pid(struct child *c)
{
	uint64_t start = 0;
	c->pid = (int)host_process_pid(c->process);
	int r = host_pid_start_time(c->service->host, c->pid, &start);
	if (r == 0)
		r = pid_registry_add(c->service->registry, c->connection.id, c->pid, start, c->connection.file);
	if (r < 0 && r != -ESRCH)
		log_warn("kernel", "cannot record process %d: %s", c->pid, strerror(-r));
}

static int start_real(struct child *c, const struct kernel_launch_spec *spec, char **ret_error)
{
	int r = connection_make(c->service->host, c->service->connections_dir, kernel_service_ipc_dir(c->service),
				spec->use_ipc, spec->kernel_name, &c->connection);
	if (r < 0) {
		*ret_error = xasprintf("Cannot write a connection file: %s", strerror(-r));
		return r;
	}
	c->transport = transport_zmq_new(c->service->host);
	if (!c->transport) {
		*ret_error = xstrdup("ZeroMQ (libzmq.so.5) is not installed");
		return -ENOENT;
	}
	r = spawn(c, spec);
	if (r < 0) {
		*ret_error = xasprintf("Cannot start %s: %s", spec->argv[0], strerror(-r));
		return r;
	}
	register_pid(c);
	return 0;
}

int child_start(struct kernel_service *service, const struct kernel_launch_spec *spec,
		const struct child_events *events,
		void *ctx, struct child **ret_child, char **ret_error)
{
	struct child *c = xcalloc(1, sizeof *c);
	int r = 0;
	c->service = service;
	c->events = events;
	c->ctx = ctx;
	c->interrupt_mode = spec->interrupt_mode;
	c->connection = (struct connection){.held = {-1, -1, -1, -1, -1}};
	host_timer_init(&c->grave, service->host, NULL, c);
	if (service->simulate) {
		host_uuid(service->host, c->connection.id);
		host_uuid(service->host, c->connection.session);
		host_uuid(service->host, c->connection.key);
		c->connection.endpoints.identity = c->connection.key; /* a simulated kernel learns the key this way */
		c->transport = service->simulate(service->simulate_ctx, service);
	} else {
		r = start_real(c, spec, ret_error);
	}
	if (r == 0) {
		c->transport->readable = on_readable;
		c->transport->exited = on_exit_status;
		c->transport->ctx = c;
		r = c->transport->ops->connect(c->transport, &c->connection.endpoints);
		if (r < 0)
			*ret_error = xasprintf("Cannot connect to the kernel: %s", strerror(-r));
	}
	if (r < 0) {
		child_free(c);
		return r;
	}
	*ret_child = c;
	return 0;
}

/* ---- messages ---- */

int child_send_raw(struct child *c, enum channel channel, const struct jupyter_request *given)
{
	struct jupyter_request r = *given;
	struct multipart frames;
	char id[UUID_TEXT];
	if (!r.msg_id) {
		host_uuid(c->service->host, id);
		r.msg_id = id;
	}
	r.session = c->connection.session;
	r.wall_ns = host_wall_ns(c->service->host);
	jupyter_build(&r, c->connection.key, strlen(c->connection.key), &frames);
	return c->transport->ops->send(c->transport, channel, &frames);
}

int child_send(struct child *c, enum channel channel, const char *msg_type, const char *msg_id, const char *content,
	       size_t content_n)
{
	const struct jupyter_request r = {
		.msg_type = msg_type, .msg_id = msg_id, .content = content, .content_n = content_n};
	return child_send_raw(c, channel, &r);
}

int child_recv(struct child *c, enum channel channel, struct jupyter_message *ret_m)
{
	for (;;) {
		struct multipart frames;
		const char *why = "";
		int r = c->transport->ops->recv(c->transport, channel, &frames);
		if (r < 0)
			return -EAGAIN;
		size_t n = frames.parts.n;
		if (jupyter_parse(&frames, c->connection.key, strlen(c->connection.key), ret_m, &why) == 0)
			return 0;
		log_warn("kernel", "%.8s: skipped a message of %zu frames on channel %d: %s", c->connection.id, n,
			 (int)channel, why);
	}
}

int child_signal(struct child *c, int signum)
{
	if (c->transport && c->transport->ops->signal)
		c->transport->ops->signal(c->transport, signum);
	if (!c->process)
		return -ESRCH;
	return host_process_signal_group(c->process, signum);
}

void child_interrupt(struct child *c)
{
	if (c->interrupt_mode == KERNEL_INTERRUPT_MESSAGE &&
	    child_send(c, CHANNEL_CONTROL, "interrupt_request", NULL, "{}", 2) == 0)
		return;
	child_signal(c, SIGINT);
}

/* ---- the end ---- */

void child_free(struct child *c)
{
	host_timer_stop(&c->grave);
	if (c->process) {
		host_process_signal_group(c->process, SIGKILL); /* also what the kernel itself started */
		host_process_close(c->process);
		int r = pid_registry_remove(c->service->registry, c->connection.id);
		if (r < 0 && r != -ENOENT)
			log_warn("kernel", "cannot update kernels.json: %s", strerror(-r));
	}
	if (c->transport)
		c->transport->ops->free(c->transport);
	connection_fini(&c->connection);
	buf_free(&c->said);
	free(c);
}

static void leave_grave(struct child *c)
{
	struct kernel_service *service = c->service;
	for (size_t i = 0; i < service->dying.n; i++)
		if (service->dying.p[i] == c) {
			VEC_REMOVE(&service->dying, i);
			break;
		}
	log_info("kernel", "%.8s ended", c->connection.id);
	child_free(c);
	kernel_service_check_stopped(service);
}

static void on_grave_exited(void *ctx)
{
	struct child *c = ctx;
	/* Not from inside the process's own callback. */
	c->stage = ENDED;
	host_timer_start(&c->grave, 0);
}

/* What a dying kernel still says is thrown away, so that nothing piles up. */
static void on_grave_readable(void *ctx)
{
	struct child *c = ctx;
	for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
		struct multipart m;
		while (c->transport->ops->recv(c->transport, (enum channel)channel, &m) == 0)
			multipart_free(&m);
	}
}

static void on_grave_timer(void *ctx)
{
	struct child *c = ctx;
	switch (c->stage) {
	case ASKED:
		c->stage = TERMINATED;
		child_signal(c, SIGTERM);
		break;
	case TERMINATED:
		c->stage = KILLED;
		child_signal(c, SIGKILL);
		break;
	case KILLED: /* not even that: it is stuck in the system; it is reaped whenever it comes out */
		log_warn("kernel", "%.8s does not end", c->connection.id);
		leave_grave(c);
		return;
	case ENDED: leave_grave(c); return;
	}
	if (c->stage != ENDED)
		host_timer_start(&c->grave, TERM_NS);
}

static const struct child_events grave_events = {.readable = on_grave_readable, .exited = on_grave_exited};

void child_bury(struct child *c, bool ask, bool busy)
{
	c->events = &grave_events;
	c->ctx = c;
	host_timer_init(&c->grave, c->service->host, on_grave_timer, c);
	VEC_PUSH(&c->service->dying, c);
	c->stage = ASKED;
	if (c->exited || (!c->process && !c->transport->ops->signal)) {
		c->stage = ENDED;
		host_timer_start(&c->grave, 0);
		return;
	}
	if (busy)
		child_signal(c, SIGINT);
	if (!ask || child_send(c, CHANNEL_CONTROL, "shutdown_request", NULL, "{\"restart\":false}", 17) < 0) {
		c->stage = TERMINATED;
		child_signal(c, SIGTERM);
	}
	if (c->stage != ENDED) /* a simulated kernel ends while it is told */
		host_timer_start(&c->grave, c->stage == ASKED ? ASK_NS : TERM_NS);
}
