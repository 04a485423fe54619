#include "host/uv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "host/uv_impl.h"

static uint64_t uv_host_now(struct host *h)
{
	uint64_t now = uv_hrtime();

	(void)h;
	return now ? now : 1;
}

static int64_t uv_host_wall(struct host *h)
{
	struct timespec ts;

	(void)h;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void uv_host_random(struct host *h, void *p, size_t n)
{
	(void)h;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			abort(); /* a kernel without getrandom is not one we run on */
		p = (uint8_t *)p + got;
		n -= (size_t)got;
	}
}

/* ---- workers ---- */

struct uv_job {
	uv_work_t req;
	struct host *host;
	host_fn *run, *done;
	void *ctx;
};

static void job_run(uv_work_t *req)
{
	struct uv_job *job = req->data;

	job->run(job->ctx);
}

static void job_done(uv_work_t *req, int status)
{
	struct uv_job *job = req->data;

	(void)status; /* never cancelled */
	job->host->work_pending--;
	if (job->done)
		job->done(job->ctx);
	free(job);
}

static void uv_host_work(struct host *h, host_fn *run, host_fn *done, void *ctx)
{
	struct uv_job *job = xcalloc(1, sizeof *job);

	job->host = h;
	job->run = run;
	job->done = done;
	job->ctx = ctx;
	job->req.data = job;
	h->work_pending++;
	if (uv_queue_work(host_uv_loop(h), &job->req, job_run, job_done) < 0)
		abort(); /* fails for a missing callback only */
}

/* ---- turns ---- */

static void idle_nothing(uv_idle_t *idle)
{
	(void)idle;
}

static void timer_due(uv_timer_t *timer)
{
	struct host_uv *u = timer->data;

	u->armed = UINT64_MAX;
	host_core_timers(&u->base);
	/* libuv runs timers before it waits; the end of the turn comes first. */
	uv_stop(&u->loop);
}

/* libuv's timers count whole milliseconds: rounding up never wakes early. */
static void timer_arm(struct host_uv *u)
{
	uint64_t next = host_core_next(&u->base), now;

	if (next == u->armed)
		return;
	u->armed = next;
	if (next == UINT64_MAX) {
		uv_timer_stop(&u->timer);
		return;
	}
	uv_update_time(&u->loop);
	now = uv_host_now(&u->base);
	uv_timer_start(&u->timer, timer_due, next <= now ? 0 : (next - now + 999999) / 1000000, 0);
}

static void prepare_nothing(uv_prepare_t *prepare)
{
	(void)prepare;
}

/* What is deferred or due already must not wait for an event. */
static void turn_begin(struct host_uv *u)
{
	if (host_core_deferred(&u->base))
		uv_idle_start(&u->idle, idle_nothing);
	else
		uv_idle_stop(&u->idle);
	timer_arm(u);
}

static int uv_host_turn(struct host *h)
{
	turn_begin(host_uv_of(h));
	uv_run(host_uv_loop(h), UV_RUN_ONCE);
	host_core_turn_end(h);
	return 0;
}

static void uv_host_wake(struct host *h)
{
	uv_stop(host_uv_loop(h));
}

void host_uv_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct host_uv *u = handle->loop->data;

	(void)suggested;
	if (!u->read_buffer)
		u->read_buffer = xmalloc(UV_READ_BUFFER);
	*ret = uv_buf_init(u->read_buffer, UV_READ_BUFFER);
}

static void close_left(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (uv_is_closing(handle))
		return;
	log_debug("host", "a %s handle is still open at the end", uv_handle_type_name(uv_handle_get_type(handle)));
	uv_close(handle, NULL);
}

static void uv_host_free(struct host *h)
{
	struct host_uv *u = host_uv_of(h);

	/* Completions of work may start more work; let all of it come to an end. */
	while (h->work_pending > 0)
		uv_host_turn(h);
	uv_streams_abandon(u);
	uv_close((uv_handle_t *)&u->prepare, NULL);
	uv_close((uv_handle_t *)&u->idle, NULL);
	uv_close((uv_handle_t *)&u->timer, NULL);
	if (u->sigchld_open)
		uv_close((uv_handle_t *)&u->sigchld, NULL);
	uv_run(&u->loop, UV_RUN_NOWAIT);
	uv_walk(&u->loop, close_left, NULL);
	uv_run(&u->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&u->loop) < 0)
		log_warn("host", "the loop could not be closed");
	host_core_fini(h);
	uv_children_free(u);
	free(u->read_buffer);
	free(u);
}

static const struct host_ops uv_ops = {
	.now = uv_host_now,
	.wall = uv_host_wall,
	.random = uv_host_random,
	.work = uv_host_work,
	.turn = uv_host_turn,
	.wake = uv_host_wake,
	.free = uv_host_free,
	.listen_unix = uv_host_listen_unix,
	.listen_loopback = uv_host_listen_loopback,
	.listener_close = uv_host_listener_close,
	.connect_unix = uv_host_connect_unix,
	.connect_loopback = uv_host_connect_loopback,
	.stream_read_start = uv_host_stream_read_start,
	.stream_read_stop = uv_host_stream_read_stop,
	.stream_write = uv_host_stream_write,
	.stream_queued = uv_host_stream_queued,
	.stream_finish = uv_host_stream_finish,
	.stream_close = uv_host_stream_close,
	.stream_close_flushed = uv_host_stream_close_flushed,
	.stream_peer = uv_host_stream_peer,
	.watch_dir = uv_host_watch_dir,
	.watch_close = uv_host_watch_close,
	.spawn = uv_host_spawn,
	.process_signal = uv_host_process_signal,
	.process_close = uv_host_process_close,
	.pid_start_time = uv_host_pid_start_time,
	.pgid_signal = uv_host_pgid_signal,
	.poll_open = uv_host_poll_open,
	.poll_close = uv_host_poll_close,
	.signal_open = uv_host_signal_open,
	.signal_close = uv_host_signal_close,
};

/* A room and each of its peers take descriptors, and the usual soft limit of 1024 is there for programs that use
 * select(), which we do not and a child may. */
static void raise_files(struct host_uv *u)
{
	const rlim_t most = 1u << 20;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &u->files) < 0)
		u->files = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	r = u->files;
	r.rlim_cur = r.rlim_max < most ? r.rlim_max : most;
	if (r.rlim_cur > u->files.rlim_cur)
		setrlimit(RLIMIT_NOFILE, &r);
}

int host_uv_new(struct host **ret)
{
	struct host_uv *u = xcalloc(1, sizeof *u);
	int err = uv_loop_init(&u->loop);

	if (err < 0) {
		free(u);
		return err;
	}
	signal(SIGPIPE, SIG_IGN);
	raise_files(u);
	host_core_init(&u->base, &uv_ops, &host_posix_file_ops, NULL);
	u->loop.data = u;
	u->armed = UINT64_MAX;
	uv_prepare_init(&u->loop, &u->prepare);
	uv_idle_init(&u->loop, &u->idle);
	uv_timer_init(&u->loop, &u->timer);
	u->timer.data = u;
	/* Keeps the loop alive: without any handle uv_run would not wait. */
	uv_prepare_start(&u->prepare, prepare_nothing);
	*ret = &u->base;
	return 0;
}
