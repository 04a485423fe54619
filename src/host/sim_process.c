#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/sim_impl.h"

/* Fake programs. What a program does reaches its owner later, in order. */

struct process_event {
	int fd; /* 1, 2: output; 0: exit */
	struct buf bytes;
	int status, signal;
};

struct sim_process {
	struct host_process base;
	const struct sim_program *program;
	void *process_ctx;
	const struct host_process_events *events;
	void *ctx;
	unsigned flags;
	uint64_t started;
	bool alive;  /* the program runs */
	bool closed; /* its owner is not interested any more */
	bool scheduled;
	VEC(struct process_event) queue;
};

static struct host_sim *world(const struct sim_process *p)
{
	return sim_of(p->base.host);
}

static void process_free(struct sim_process *p)
{
	for (size_t i = 0; i < p->queue.n; i++)
		buf_free(&p->queue.p[i].bytes);
	VEC_FREE(&p->queue);
	free(p);
}

static void process_release(struct sim_process *p)
{
	struct host_sim *s = world(p);

	if (p->alive || !p->closed || p->scheduled)
		return;
	for (size_t i = 0; i < s->processes.n; i++) {
		if (s->processes.p[i] == p) {
			VEC_REMOVE(&s->processes, i);
			break;
		}
	}
	process_free(p);
}

static void process_step(void *ctx);

static void process_schedule(struct sim_process *p)
{
	if (p->scheduled || p->queue.n == 0)
		return;
	p->scheduled = true;
	sim_event_add(world(p), HOST_US(200), process_step, p, p);
}

static void process_step(void *ctx)
{
	struct sim_process *p = ctx;
	struct process_event e = p->queue.p[0];

	VEC_REMOVE(&p->queue, 0);
	if (e.fd == 0)
		p->base.running = false;
	if (!p->closed && e.fd == 0)
		p->events->exit(p->ctx, e.status, e.signal);
	else if (!p->closed && p->events->output)
		p->events->output(p->ctx, e.fd, e.bytes.p, e.bytes.n);
	buf_free(&e.bytes);
	p->scheduled = false;
	process_schedule(p);
	process_release(p);
}

static void event_queue(struct sim_process *p, struct process_event e)
{
	VEC_PUSH(&p->queue, e);
	process_schedule(p);
}

void sim_process_output(struct sim_process *p, int fd, const void *bytes, size_t n)
{
	struct process_event e = {.fd = fd == 2 && (p->flags & HOST_SPAWN_MERGE) ? 1 : fd};

	if (!(p->flags & (e.fd == 1 ? HOST_SPAWN_STDOUT : HOST_SPAWN_STDERR)) || n == 0)
		return;
	buf_append(&e.bytes, bytes, n);
	event_queue(p, e);
}

void sim_process_exit(struct sim_process *p, int status, int signal)
{
	if (!p->alive)
		return;
	p->alive = false;
	if (p->flags & HOST_SPAWN_STDOUT)
		event_queue(p, (struct process_event){.fd = 1});
	if ((p->flags & HOST_SPAWN_STDERR) && !(p->flags & HOST_SPAWN_MERGE))
		event_queue(p, (struct process_event){.fd = 2});
	event_queue(p, (struct process_event){.fd = 0, .status = status, .signal = signal});
}

struct host *sim_process_host(const struct sim_process *p)
{
	return p->base.host;
}

void host_sim_program(struct host *h, const char *name, const struct sim_program *program, void *ctx)
{
	struct sim_program_entry *e = xcalloc(1, sizeof *e);

	*e = (struct sim_program_entry){.program = *program, .ctx = ctx};
	free(map_put(&sim_of(h)->programs, name, e));
}

int sim_spawn(struct host *h, const struct host_spawn *spec, struct host_process **ret)
{
	struct host_sim *s = sim_of(h);
	struct sim_program_entry *e = map_get(&s->programs, path_base(spec->argv[0]));
	struct sim_process *p;

	if (!e)
		return -ENOENT;
	p = xcalloc(1, sizeof *p);
	p->base = (struct host_process){.host = h, .pid = s->next_pid++, .running = true};
	p->program = &e->program;
	p->events = spec->events;
	p->ctx = spec->ctx;
	p->flags = spec->flags;
	p->started = s->now;
	p->alive = true;
	VEC_PUSH(&s->processes, p);
	*ret = &p->base;
	p->process_ctx = e->program.start(e->ctx, p, spec);
	return 0;
}

static void deliver_signal(struct sim_process *p, int sig)
{
	if (sig == 0)
		return;
	if (sig == SIGKILL)
		sim_process_exit(p, 0, SIGKILL);
	if (p->program->signal)
		p->program->signal(p->process_ctx, p, sig);
}

int sim_process_signal(struct host_process *base, int sig, bool group)
{
	struct sim_process *p = (struct sim_process *)base;

	(void)group;
	if (!p->alive)
		return -ESRCH;
	deliver_signal(p, sig);
	return 0;
}

void sim_process_close(struct host_process *base)
{
	struct sim_process *p = (struct sim_process *)base;

	p->closed = true;
	process_release(p);
}

static struct sim_process *find(struct host_sim *s, pid_t pid)
{
	for (size_t i = 0; i < s->processes.n; i++)
		if (s->processes.p[i]->base.pid == pid && s->processes.p[i]->alive)
			return s->processes.p[i];
	return NULL;
}

int sim_pid_start_time(struct host *h, pid_t pid, uint64_t *ret)
{
	struct sim_process *p = find(sim_of(h), pid);

	if (!p)
		return -ESRCH;
	*ret = p->started;
	return 0;
}

int sim_pgid_signal(struct host *h, pid_t pgid, uint64_t start_time, int sig)
{
	struct sim_process *p = find(sim_of(h), pgid);

	if (!p || p->started != start_time)
		return -ESRCH;
	deliver_signal(p, sig);
	return 0;
}

void sim_processes_free(struct host_sim *s)
{
	for (size_t i = 0; i < s->processes.n; i++) {
		sim_events_cancel(s, s->processes.p[i]);
		process_free(s->processes.p[i]);
	}
	s->processes.n = 0;
}
