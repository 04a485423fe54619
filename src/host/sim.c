#include "host/sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "host/sim_impl.h"

#define SIM_EPOCH_NS INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */
#define SIM_TURN_NS 20000 /* most a turn takes */

/* splitmix64: small, and good enough to pick orders. */
uint64_t sim_random_next(struct sim_random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t sim_random_below(struct sim_random *r, uint64_t n)
{
	return sim_random_next(r) % n;
}

static uint64_t sim_now(struct host *h)
{
	return sim_of(h)->now;
}

static int64_t sim_wall(struct host *h)
{
	return SIM_EPOCH_NS + (int64_t)sim_of(h)->now;
}

static void sim_random_bytes(struct host *h, void *p, size_t n)
{
	uint8_t *out = p;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(sim_random_next(&sim_of(h)->random) >> 32);
}

/* ---- events ---- */

void sim_event_add(struct host_sim *s, uint64_t most, host_fn *fn, void *ctx, const void *owner)
{
	struct sim_event e = {.at = s->now + sim_random_below(&s->schedule, most + 1), .fn = fn, .ctx = ctx,
			      .owner = owner};

	VEC_PUSH(&s->events, e);
}

void sim_events_cancel(struct host_sim *s, const void *owner)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->events.n; i++)
		if (s->events.p[i].owner != owner)
			s->events.p[kept++] = s->events.p[i];
	s->events.n = kept;
}

static uint64_t next_event(const struct host_sim *s)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < s->events.n; i++)
		if (s->events.p[i].at < next)
			next = s->events.p[i].at;
	return next;
}

/* Runs one of the due events; false when there is none. */
static bool run_event(struct host_sim *s)
{
	size_t due = 0, pick;
	struct sim_event e;

	for (size_t i = 0; i < s->events.n; i++)
		due += s->events.p[i].at <= s->now;
	if (due == 0)
		return false;
	pick = (size_t)sim_random_below(&s->schedule, due);
	for (size_t i = 0;; i++) {
		if (s->events.p[i].at > s->now || pick-- > 0)
			continue;
		e = s->events.p[i];
		VEC_REMOVE(&s->events, i);
		break;
	}
	e.fn(e.ctx);
	return true;
}

/* ---- workers ---- */

struct sim_job {
	struct host_sim *s;
	host_fn *run, *done;
	void *ctx;
};

static void job_done(void *ctx)
{
	struct sim_job job = *(struct sim_job *)ctx;

	free(ctx);
	job.s->base.work_pending--;
	if (job.done)
		job.done(job.ctx);
}

static void job_run(void *ctx)
{
	struct sim_job *job = ctx;

	job->run(job->ctx);
	sim_event_add(job->s, job->s->work_most, job_done, job, NULL);
}

static void sim_work(struct host *h, host_fn *run, host_fn *done, void *ctx)
{
	struct host_sim *s = sim_of(h);
	struct sim_job *job = xcalloc(1, sizeof *job);

	*job = (struct sim_job){.s = s, .run = run, .done = done, .ctx = ctx};
	h->work_pending++;
	sim_event_add(s, s->work_most, job_run, job, NULL);
}

/* ---- turns ---- */

static int sim_turn(struct host *h)
{
	struct host_sim *s = sim_of(h);
	uint64_t next, timer = host_core_next(h);

	if (s->killed)
		return -ECANCELED;
	next = next_event(s);
	if (timer < next)
		next = timer;
	if (next == UINT64_MAX && !host_core_deferred(h))
		return -EDEADLK;
	if (next > s->now && !host_core_deferred(h))
		s->now = next;
	host_core_timers(h);
	if (!s->killed)
		run_event(s);
	s->now += sim_random_below(&s->schedule, SIM_TURN_NS);
	if (!s->killed)
		host_core_turn_end(h);
	return s->killed ? -ECANCELED : 0;
}

static void sim_wake(struct host *h)
{
	(void)h;
}

/* ---- watches ---- */

struct sim_watch {
	struct host_watch base;
	uint64_t dir; /* inode */
	host_watch_fn *fn;
	void *ctx;
};

struct sim_notice {
	struct sim_watch *watch;
	char *name;
	int events;
};

static void notice_deliver(void *ctx)
{
	struct sim_notice *n = ctx;
	struct sim_watch *w = n->watch;
	int events = n->events;
	char *name = n->name;

	free(n);
	w->fn(w->ctx, name, events);
	free(name);
}

static void disk_changed(void *ctx, uint64_t dir, const char *name, int events)
{
	struct host_sim *s = ctx;

	for (size_t i = 0; i < s->watches.n; i++) {
		struct sim_notice *n;

		if (s->watches.p[i]->dir != dir)
			continue;
		n = xcalloc(1, sizeof *n);
		*n = (struct sim_notice){.watch = s->watches.p[i], .name = xstrdup(name), .events = events};
		sim_event_add(s, HOST_MS(2), notice_deliver, n, n->watch);
	}
}

static int sim_watch_dir(struct host *h, const char *dir, host_watch_fn *fn, void *ctx, struct host_watch **ret)
{
	struct host_file_info info;
	struct sim_watch *w;
	int err = host_path_stat(h, dir, &info);

	if (err < 0)
		return err;
	w = xcalloc(1, sizeof *w);
	*w = (struct sim_watch){.base.host = h, .dir = info.ino, .fn = fn, .ctx = ctx};
	VEC_PUSH(&sim_of(h)->watches, w);
	*ret = &w->base;
	return 0;
}

static void notices_drop(struct host_sim *s, const struct sim_watch *w)
{
	for (size_t i = 0; i < s->events.n; i++) {
		struct sim_notice *n = s->events.p[i].ctx;

		if (s->events.p[i].owner != w)
			continue;
		free(n->name);
		free(n);
	}
	sim_events_cancel(s, w);
}

static void sim_watch_close(struct host_watch *base)
{
	struct sim_watch *w = (struct sim_watch *)base;
	struct host_sim *s = sim_of(base->host);

	notices_drop(s, w);
	for (size_t i = 0; i < s->watches.n; i++) {
		if (s->watches.p[i] == w) {
			VEC_REMOVE(&s->watches, i);
			break;
		}
	}
	free(w);
}

/* ---- signals, descriptors ---- */

struct sim_signal {
	struct host_signal base;
	int signum;
	host_signal_fn *fn;
	void *ctx;
};

static int sim_signal_open(struct host *h, int signum, host_signal_fn *fn, void *ctx, struct host_signal **ret)
{
	struct sim_signal *g = xcalloc(1, sizeof *g);

	*g = (struct sim_signal){.base.host = h, .signum = signum, .fn = fn, .ctx = ctx};
	VEC_PUSH(&sim_of(h)->signals, g);
	*ret = &g->base;
	return 0;
}

static void sim_signal_close(struct host_signal *base)
{
	struct host_sim *s = sim_of(base->host);

	sim_events_cancel(s, base);
	for (size_t i = 0; i < s->signals.n; i++) {
		if (&s->signals.p[i]->base == base) {
			VEC_REMOVE(&s->signals, i);
			break;
		}
	}
	free(base);
}

static void signal_deliver(void *ctx)
{
	struct sim_signal *g = ctx;

	g->fn(g->ctx, g->signum);
}

void host_sim_signal(struct host *h, int signum)
{
	struct host_sim *s = sim_of(h);

	for (size_t i = 0; i < s->signals.n; i++)
		if (s->signals.p[i]->signum == signum)
			sim_event_add(s, 0, signal_deliver, s->signals.p[i], s->signals.p[i]);
}

static int sim_poll_open(struct host *h, int fd, host_fn *fn, void *ctx, struct host_poll **ret)
{
	(void)h;
	(void)fd;
	(void)fn;
	(void)ctx;
	(void)ret;
	return -ENOTSUP;
}

static void sim_poll_close(struct host_poll *p)
{
	(void)p;
}

/* ---- life ---- */

static void sim_free(struct host *h)
{
	struct host_sim *s = sim_of(h);

	/* Work under way comes to its end, on a dead disk if the process was killed:
	 * that is how its memory is given back. */
	while (h->work_pending > 0 && run_event(s))
		s->now += HOST_MS(1);
	while (h->work_pending > 0) {
		s->now = next_event(s);
		run_event(s);
	}
	sim_processes_free(s);
	sim_connects_free(s);
	while (s->watches.n > 0)
		sim_watch_close(&s->watches.p[0]->base);
	while (s->signals.n > 0)
		sim_signal_close(&s->signals.p[0]->base);
	sim_disk_detach(s->disk);
	MAP_EACH(&s->programs, e)
		free(e->value);
	map_free(&s->programs);
	map_free(&s->listeners);
	VEC_FREE(&s->events);
	VEC_FREE(&s->watches);
	VEC_FREE(&s->signals);
	VEC_FREE(&s->processes);
	host_core_fini(h);
	free(s);
}

static const struct host_ops sim_ops = {
	.now = sim_now,
	.wall = sim_wall,
	.random = sim_random_bytes,
	.work = sim_work,
	.turn = sim_turn,
	.wake = sim_wake,
	.free = sim_free,
	.listen_unix = sim_listen_unix,
	.listen_loopback = sim_listen_loopback,
	.listener_close = sim_listener_close,
	.connect_unix = sim_connect_unix,
	.connect_loopback = sim_connect_loopback,
	.stream_read_start = sim_stream_read_start,
	.stream_read_stop = sim_stream_read_stop,
	.stream_write = sim_stream_write,
	.stream_queued = sim_stream_queued,
	.stream_finish = sim_stream_finish,
	.stream_close = sim_stream_close,
	.stream_close_flushed = sim_stream_close_flushed,
	.stream_peer = sim_stream_peer,
	.watch_dir = sim_watch_dir,
	.watch_close = sim_watch_close,
	.spawn = sim_spawn,
	.process_signal = sim_process_signal,
	.process_close = sim_process_close,
	.pid_start_time = sim_pid_start_time,
	.pgid_signal = sim_pgid_signal,
	.poll_open = sim_poll_open,
	.poll_close = sim_poll_close,
	.signal_open = sim_signal_open,
	.signal_close = sim_signal_close,
};

int host_sim_new(struct sim_disk *d, uint64_t seed, struct host **ret)
{
	struct host_sim *s = xcalloc(1, sizeof *s);

	s->disk = d;
	s->schedule.state = seed;
	s->random.state = ~seed;
	s->now = HOST_SEC(1);
	s->work_most = HOST_MS(5);
	s->next_port = 40000;
	s->next_pid = 1000;
	host_core_init(&s->base, &sim_ops, &sim_file_ops, d);
	sim_disk_attach(d, disk_changed, s);
	*ret = &s->base;
	return 0;
}

void host_sim_kill(struct host *h)
{
	sim_of(h)->killed = true;
	sim_disk_detach(sim_of(h)->disk);
}

bool host_sim_killed(const struct host *h)
{
	return ((const struct host_sim *)h)->killed;
}

void host_sim_set_work_time(struct host *h, uint64_t most)
{
	sim_of(h)->work_most = most;
}

void host_sim_advance(struct host *h, uint64_t by)
{
	sim_of(h)->now += by;
}
