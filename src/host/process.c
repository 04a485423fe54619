#include "host/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "host/impl.h"

int host_process_spawn(struct host *h, const struct host_spawn *spec, struct host_process **ret)
{
	return h->ops->spawn(h, spec, ret);
}

pid_t host_process_pid(const struct host_process *p)
{
	return p->pid;
}

bool host_process_running(const struct host_process *p)
{
	return p->running;
}

int host_process_signal(struct host_process *p, int sig)
{
	return p->host->ops->process_signal(p, sig, false);
}

int host_process_signal_group(struct host_process *p, int sig)
{
	return p->host->ops->process_signal(p, sig, true);
}

void host_process_close(struct host_process *p)
{
	if (p)
		p->host->ops->process_close(p);
}

int host_pid_start_time(struct host *h, pid_t pid, uint64_t *ret)
{
	return h->ops->pid_start_time(h, pid, ret);
}

bool host_pid_matches(struct host *h, pid_t pid, uint64_t start_time)
{
	uint64_t now;

	return host_pid_start_time(h, pid, &now) == 0 && now == start_time;
}

int host_pgid_signal(struct host *h, pid_t pgid, uint64_t start_time, int sig)
{
	return h->ops->pgid_signal(h, pgid, start_time, sig);
}

/* ---- running a tool to its end ---- */

struct host_run {
	struct host *host;
	struct host_process *process;
	struct host_timer timer;
	struct host_defer finish;
	size_t limit;
	host_run_fn *done;
	void *ctx;
	struct host_run_result result;
	bool exited, out_open, err_open;
};

static void run_free(struct host_run *r)
{
	host_timer_stop(&r->timer);
	host_defer_cancel(&r->finish);
	host_process_close(r->process);
	buf_free(&r->result.out);
	buf_free(&r->result.err);
	free(r);
}

static void run_finish(void *ctx)
{
	struct host_run *r = ctx;

	buf_cstr(&r->result.out);
	buf_cstr(&r->result.err);
	/* The process is given up first: the callee may cancel or start others. */
	host_process_close(r->process);
	r->process = NULL;
	host_timer_stop(&r->timer);
	r->done(r->ctx, &r->result);
	run_free(r);
}

static void run_fail(struct host_run *r, int err)
{
	if (r->result.error < 0)
		return;
	r->result.error = err;
	if (r->process)
		host_process_signal_group(r->process, SIGKILL);
	host_defer(&r->finish);
}

static void run_check(struct host_run *r)
{
	if (r->exited && !r->out_open && !r->err_open)
		host_defer(&r->finish);
}

static void run_output(void *ctx, int fd, const uint8_t *p, size_t n)
{
	struct host_run *r = ctx;
	struct buf *b = fd == 1 ? &r->result.out : &r->result.err;

	if (n == 0) {
		*(fd == 1 ? &r->out_open : &r->err_open) = false;
		run_check(r);
	} else if (b->n + n > r->limit) {
		run_fail(r, -EFBIG);
	} else {
		buf_append(b, p, n);
	}
}

static void run_exit(void *ctx, int status, int signal)
{
	struct host_run *r = ctx;

	r->exited = true;
	r->result.status = status;
	r->result.signal = signal;
	run_check(r);
}

static void run_late(void *ctx)
{
	struct host_run *r = ctx;

	/* A grandchild that keeps the pipes open is not what was waited for. */
	if (r->exited)
		host_defer(&r->finish);
	else
		run_fail(r, -ETIMEDOUT);
}

struct host_run *host_run_tool(struct host *h, const struct host_spawn *spec, uint64_t timeout, size_t limit,
			       host_run_fn *done, void *ctx)
{
	static const struct host_process_events events = {.output = run_output, .exit = run_exit};
	struct host_run *r = xcalloc(1, sizeof *r);
	struct host_spawn mine = *spec;
	int err;

	r->host = h;
	r->limit = limit;
	r->done = done;
	r->ctx = ctx;
	host_timer_init(&r->timer, h, run_late, r);
	host_defer_init(&r->finish, h, run_finish, r);
	mine.flags = (spec->flags & HOST_SPAWN_MERGE) | HOST_SPAWN_SESSION | HOST_SPAWN_DIE_WITH_US |
		     HOST_SPAWN_STDOUT | HOST_SPAWN_STDERR;
	mine.events = &events;
	mine.ctx = r;
	err = host_process_spawn(h, &mine, &r->process);
	if (err < 0) {
		run_fail(r, err);
		return r;
	}
	r->out_open = true;
	r->err_open = !(spec->flags & HOST_SPAWN_MERGE);
	host_timer_start(&r->timer, timeout);
	return r;
}

void host_run_cancel(struct host_run *r)
{
	if (!r)
		return;
	if (r->process)
		host_process_signal_group(r->process, SIGKILL);
	run_free(r);
}
