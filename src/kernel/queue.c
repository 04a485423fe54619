#include "kernel/queue.h"

#include <string.h>

#include "base/alloc.h"
#include "base/map.h"

static const char *const status_names[] = {"queued", "running", "done", "error", "cancelled"};

const char *execution_status_name(enum execution_status status)
{
	return status_names[status];
}

/* What is known about one cell. */
struct cell_entry {
	struct execution *active; /* waiting or running */
	struct execution *shown;  /* latest that started */
	struct execution *latest;
};

struct queue {
	struct queue_ops ops;
	void *ctx;
	VEC(struct execution *) all;	 /* oldest first */
	VEC(struct execution *) waiting; /* from `head` on */
	size_t head;
	struct map by_id, by_cell; /* execution; struct cell_entry */
	struct execution *running;
	uint64_t next_seq, next_output_seq;
	bool ready, dirty, sending;
	unsigned batch;
};

static struct cell_entry *cell_entry(struct queue *q, const char *cell_id)
{
	struct cell_entry *e = map_get(&q->by_cell, cell_id);
	if (!e) {
		e = xcalloc(1, sizeof *e);
		map_put(&q->by_cell, cell_id, e);
	}
	return e;
}

struct queue *queue_new(const struct queue_ops *ops, void *ctx)
{
	struct queue *q = xcalloc(1, sizeof *q);
	q->ops = *ops;
	q->ctx = ctx;
	return q;
}

static void execution_free(struct execution *x)
{
	for (size_t i = 0; i < x->outputs.n; i++)
		output_fini(&x->outputs.p[i]);
	VEC_FREE(&x->outputs);
	free(x->cell_id);
	free(x->source);
	free(x->submitter);
	free(x);
}

static void drop(struct queue *q, struct execution *x)
{
	if (q->ops.dropped)
		q->ops.dropped(q->ctx, x);
	map_remove(&q->by_id, x->id);
	execution_free(x);
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->all.n; i++)
		drop(q, q->all.p[i]);
	MAP_EACH (&q->by_cell, e)
		free(e->value);
	map_free(&q->by_cell);
	map_free(&q->by_id);
	VEC_FREE(&q->all);
	VEC_FREE(&q->waiting);
	free(q);
}

/* ---- births ---- */

static struct execution *birth(struct queue *q, const char *cell_id, const char *source, size_t n)
{
	struct execution *x = xcalloc(1, sizeof *x);
	uint8_t random[16];
	q->ops.random(q->ctx, random, sizeof random);
	uuid_v4(x->id, random);
	x->seq = ++q->next_seq;
	x->cell_id = xstrdup(cell_id);
	x->source = xstrndup(source, n);
	x->source_n = n;
	x->queued_ns = q->ops.wall_ns(q->ctx);
	VEC_PUSH(&q->all, x);
	map_put(&q->by_id, x->id, x);
	return x;
}

/* Finished executions beyond QUEUE_KEEP go, oldest first, but never one a cell shows (design 7.6). One pass removes
 * many, so a long run costs linear time. */
static void trim(struct queue *q)
{
	size_t idle = 0;
	for (size_t i = 0; i < q->all.n; i++) {
		struct execution *x = q->all.p[i];
		struct cell_entry *e = cell_entry(q, x->cell_id);
		idle += x != e->shown && x != e->active && x != q->running;
	}
	if (idle <= QUEUE_KEEP)
		return;
	size_t surplus = idle - QUEUE_KEEP / 2, kept = 0;
	for (size_t i = 0; i < q->all.n; i++) {
		struct execution *x = q->all.p[i];
		struct cell_entry *e = cell_entry(q, x->cell_id);
		if (!surplus || x == e->shown || x == e->active || x == q->running) {
			q->all.p[kept++] = x;
			continue;
		}
		surplus--;
		if (e->latest == x)
			e->latest = e->shown;
		drop(q, x);
	}
	q->all.n = kept;
}

static void maybe_trim(struct queue *q)
{
	if (q->all.n > q->by_cell.n + QUEUE_KEEP)
		trim(q);
}

/* ---- changes ---- */

static void changed(struct queue *q)
{
	q->dirty = true;
	if (q->batch)
		return;
	q->dirty = false;
	q->ops.changed(q->ctx);
}

void queue_begin(struct queue *q)
{
	q->batch++;
}

static void send_next(struct queue *q);

void queue_end(struct queue *q)
{
	if (--q->batch)
		return;
	if (q->dirty)
		changed(q);
	send_next(q);
}

static void pop_waiting(struct queue *q)
{
	if (++q->head == q->waiting.n)
		q->head = q->waiting.n = 0;
}

static bool is_over(const struct execution *x)
{
	return x->status != EXECUTION_QUEUED && x->status != EXECUTION_RUNNING;
}

/* The one place where an execution ends. */
static void finish(struct queue *q, struct execution *x, enum execution_status status)
{
	if (is_over(x))
		return;
	x->status = status;
	x->finished_ns = q->ops.wall_ns(q->ctx);
	struct cell_entry *e = cell_entry(q, x->cell_id);
	if (e->active == x)
		e->active = NULL;
	if (q->running == x) {
		q->ops.arm(q->ctx, 0);
		q->ops.settle(q->ctx, x);
	}
	q->ops.done(q->ctx, x);
	if (q->running == x)
		q->running = NULL;
}

/* Sends waiting ones until one runs. A failed send ends that execution in error. */
static void send_next(struct queue *q)
{
	if (q->sending)
		return;
	q->sending = true;
	while (q->ready && !q->batch && !q->running && q->head < q->waiting.n) {
		struct execution *x = q->waiting.p[q->head];
		pop_waiting(q);
		q->running = x;
		x->status = EXECUTION_RUNNING;
		x->started_ns = q->ops.wall_ns(q->ctx);
		changed(q); /* executing is visible before the kernel has the code (clients.md 3.7 rule 7) */
		if (q->running == x && q->ops.send(q->ctx, x) < 0) {
			finish(q, x, EXECUTION_ERROR);
			changed(q);
		}
	}
	q->sending = false;
}

int queue_add(struct queue *q, const char *cell_id, const char *source, size_t source_n, const char *submitter,
	      struct execution **ret_x)
{
	struct cell_entry *e = cell_entry(q, cell_id);
	if (e->active) {
		*ret_x = e->active;
		return 1;
	}
	struct execution *x = birth(q, cell_id, source, source_n);
	x->submitter = submitter ? xstrdup(submitter) : NULL;
	e->active = e->latest = x;
	VEC_PUSH(&q->waiting, x);
	*ret_x = x;
	maybe_trim(q);
	changed(q);
	send_next(q);
	return 0;
}

struct execution *queue_adopt(struct queue *q, const char *cell_id, bool has_count, int64_t count,
			      const struct output *outputs, size_t n)
{
	struct execution *x = birth(q, cell_id, "", 0);
	x->synthetic = x->started = true;
	x->status = EXECUTION_DONE;
	x->finished_ns = x->queued_ns;
	x->has_count = has_count;
	x->count = count;
	struct cell_entry *e = cell_entry(q, cell_id);
	e->shown = x;
	if (!e->active)
		e->latest = x;
	for (size_t i = 0; i < n; i++)
		queue_output_add(q, x, outputs[i].type, xstrdup(outputs[i].entry),
				 outputs[i].display_id ? xstrdup(outputs[i].display_id) : NULL, NULL);
	maybe_trim(q);
	return x;
}

void queue_set_ready(struct queue *q, bool ready)
{
	q->ready = ready;
	send_next(q);
}

size_t queue_cancel_waiting(struct queue *q)
{
	size_t n = q->waiting.n - q->head;
	if (!n)
		return 0;
	struct execution **gone = q->waiting.p + q->head;
	struct execution **copy = xmemdup(gone, n * sizeof *gone);
	q->head = q->waiting.n = 0;
	queue_begin(q);
	q->dirty = true;
	for (size_t i = 0; i < n; i++)
		finish(q, copy[i], EXECUTION_CANCELLED);
	free(copy);
	queue_end(q);
	return n;
}

void queue_interrupt(struct queue *q)
{
	if (q->running)
		q->running->interrupted = true;
	queue_cancel_waiting(q);
}

void queue_abandon(struct queue *q, bool died)
{
	q->ready = false;
	queue_begin(q);
	if (q->running) {
		struct execution *x = q->running;
		finish(q, x, died ? EXECUTION_ERROR : EXECUTION_CANCELLED);
		q->dirty = true;
	}
	queue_cancel_waiting(q);
	queue_end(q);
}

/* ---- reading ---- */

struct execution *queue_running(const struct queue *q)
{
	return q->running;
}

size_t queue_waiting_count(const struct queue *q)
{
	return q->waiting.n - q->head;
}

struct execution *queue_waiting(const struct queue *q, size_t i)
{
	return q->waiting.p[q->head + i];
}

struct execution *queue_find(const struct queue *q, const char *id, size_t id_n)
{
	return map_get_n(&q->by_id, id, id_n);
}

struct execution *queue_shown(const struct queue *q, const char *cell_id)
{
	const struct cell_entry *e = map_get(&q->by_cell, cell_id);
	return e ? e->shown : NULL;
}

struct execution *queue_latest(const struct queue *q, const char *cell_id)
{
	const struct cell_entry *e = map_get(&q->by_cell, cell_id);
	return e ? e->latest : NULL;
}

size_t queue_count(const struct queue *q)
{
	return q->all.n;
}

struct execution *queue_at(const struct queue *q, size_t i)
{
	return q->all.p[i];
}

void queue_forget_cell(struct queue *q, const char *cell_id)
{
	struct cell_entry *e = map_get(&q->by_cell, cell_id);
	if (!e)
		return;
	e->shown = NULL;
	e->latest = e->active;
	size_t kept = 0;
	for (size_t i = 0; i < q->all.n; i++) {
		struct execution *x = q->all.p[i];
		if (is_over(x) && x != q->running && !strcmp(x->cell_id, cell_id))
			drop(q, x);
		else
			q->all.p[kept++] = x;
	}
	q->all.n = kept;
	if (!e->active) {
		map_remove(&q->by_cell, cell_id);
		free(e);
	}
}

/* ---- what came back ---- */

/* The cell shows x from now on. */
static void mark_started(struct queue *q, struct execution *x)
{
	x->started = true;
	cell_entry(q, x->cell_id)->shown = x;
}

void queue_on_input(struct queue *q, struct execution *x, bool has_count, int64_t count)
{
	if (x != q->running)
		return;
	mark_started(q, x);
	x->has_count = has_count;
	x->count = count;
	queue_on_activity(q, x);
}

/* ipykernel aborts requests that were under way when another failed; they were never run (trap 3). */
static bool resend(struct queue *q, struct execution *x)
{
	if (x->resent || x->started || x->interrupted || !q->ready)
		return false;
	x->resent = true;
	x->got_idle = x->got_reply = x->got_error = x->aborted = false;
	q->ops.arm(q->ctx, 0);
	return q->ops.send(q->ctx, x) == 0;
}

/* A request is over once both its reply and its idle are there. One alone starts the clock of K7; anything else that
 * comes for it winds the clock up again. */
static void check_over(struct queue *q, struct execution *x)
{
	if (x != q->running)
		return;
	if (!x->got_idle || !x->got_reply) {
		q->ops.arm(q->ctx, x->got_idle || x->got_reply ? QUEUE_IDLE_WAIT_MS : 0);
		return;
	}
	if (x->aborted && resend(q, x))
		return;
	queue_begin(q);
	finish(q, x, x->aborted ? EXECUTION_CANCELLED : x->got_error ? EXECUTION_ERROR : EXECUTION_DONE);
	q->dirty = true;
	queue_end(q);
	maybe_trim(q);
}

void queue_on_activity(struct queue *q, struct execution *x)
{
	if (x == q->running && (x->got_idle || x->got_reply))
		check_over(q, x);
}

/* After an interrupt, what waits was queued since and has nothing to do with this failure. */
static void stop_on_error(struct queue *q, const struct execution *x)
{
	if (!x->interrupted)
		queue_cancel_waiting(q);
}

void queue_on_error(struct queue *q, struct execution *x)
{
	if (x != q->running) /* a late error of an old run must not stop others (Q2) */
		return;
	x->got_error = true;
	queue_on_activity(q, x);
	stop_on_error(q, x);
}

void queue_on_idle(struct queue *q, struct execution *x)
{
	if (x != q->running)
		return;
	x->got_idle = true;
	check_over(q, x);
}

void queue_on_reply(struct queue *q, struct execution *x, const char *status)
{
	if (x != q->running || x->got_reply)
		return;
	x->got_reply = true;
	if (!strcmp(status, "aborted") || !strcmp(status, "abort")) {
		x->aborted = true;
	} else if (!strcmp(status, "error")) {
		x->got_error = true;
		stop_on_error(q, x);
	}
	check_over(q, x);
}

void queue_timeout(struct queue *q)
{
	struct execution *x = q->running;
	if (!x || (!x->got_idle && !x->got_reply))
		return;
	x->got_idle = x->got_reply = true;
	check_over(q, x);
}

/* ---- outputs ---- */

size_t queue_output_add(struct queue *q, struct execution *x, enum output_type type, char *entry, char *display_id,
			char *text_hash)
{
	struct output o = {.seq = ++q->next_output_seq,
			   .type = type,
			   .entry = entry,
			   .display_id = display_id,
			   .text_hash = text_hash};
	uint8_t random[16];
	q->ops.random(q->ctx, random, sizeof random);
	uuid_v4(o.id, random);
	VEC_PUSH(&x->outputs, o);
	return x->outputs.n - 1;
}

void queue_output_replace(struct queue *q, struct execution *x, size_t index, char *entry, char *text_hash)
{
	(void)q;
	struct output *o = &x->outputs.p[index];
	free(o->entry);
	free(o->text_hash);
	o->entry = entry;
	o->text_hash = text_hash;
}

void queue_outputs_clear(struct queue *q, struct execution *x)
{
	(void)q;
	for (size_t i = 0; i < x->outputs.n; i++)
		output_fini(&x->outputs.p[i]);
	x->outputs.n = 0;
}
