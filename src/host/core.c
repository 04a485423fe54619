#include "host/impl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/uuid.h"

/* What does not depend on the implementation: the timer heap, deferred calls,
 * hooks and the run loop. One heap of our own, rather than one libuv handle per
 * timer, lets timers be plain members that may be freed the moment they stop. */

uint64_t host_now_ns(struct host *h)
{
	return h->ops->now(h);
}

int64_t host_wall_ns(struct host *h)
{
	return h->ops->wall(h);
}

void host_random(struct host *h, void *p, size_t n)
{
	h->ops->random(h, p, n);
}

void host_uuid(struct host *h, char ret[37])
{
	uint8_t random[16];

	host_random(h, random, sizeof random);
	uuid_v4(ret, random);
}

/* ---- timers ---- */

static bool timer_before(const struct host_timer *a, const struct host_timer *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void timer_put(struct host *h, size_t i, struct host_timer *t)
{
	h->timers[i] = t;
	t->place = i + 1;
}

static void timer_sift_up(struct host *h, size_t i, struct host_timer *t)
{
	while (i > 0) {
		size_t up = (i - 1) / 2;

		if (!timer_before(t, h->timers[up]))
			break;
		timer_put(h, i, h->timers[up]);
		i = up;
	}
	timer_put(h, i, t);
}

static void timer_sift_down(struct host *h, size_t i, struct host_timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->n_timers)
			break;
		if (child + 1 < h->n_timers && timer_before(h->timers[child + 1], h->timers[child]))
			child++;
		if (!timer_before(h->timers[child], t))
			break;
		timer_put(h, i, h->timers[child]);
		i = child;
	}
	timer_put(h, i, t);
}

void host_timer_init(struct host_timer *t, struct host *h, host_fn *fn, void *ctx)
{
	*t = (struct host_timer){.host = h, .fn = fn, .ctx = ctx};
}

static void timer_insert(struct host_timer *t, uint64_t delay)
{
	struct host *h = t->host;
	uint64_t now = host_now_ns(h);

	t->at = delay > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + delay;
	t->seq = h->seq++;
	if (h->n_timers == h->cap_timers) {
		h->cap_timers = h->cap_timers ? h->cap_timers * 2 : 16;
		h->timers = xreallocarray(h->timers, h->cap_timers, sizeof(struct host_timer *));
	}
	timer_sift_up(h, h->n_timers++, t);
}

void host_timer_start(struct host_timer *t, uint64_t delay)
{
	host_timer_stop(t);
	t->every = 0;
	timer_insert(t, delay);
}

void host_timer_start_repeat(struct host_timer *t, uint64_t every)
{
	host_timer_stop(t);
	t->every = every ? every : 1;
	timer_insert(t, t->every);
}

void host_timer_stop(struct host_timer *t)
{
	struct host *h = t->host;
	struct host_timer *last;
	size_t i = t->place - 1;

	if (t->place == 0)
		return;
	t->place = 0;
	last = h->timers[--h->n_timers];
	if (last == t)
		return;
	if (i > 0 && timer_before(last, h->timers[(i - 1) / 2]))
		timer_sift_up(h, i, last);
	else
		timer_sift_down(h, i, last);
}

bool host_timer_active(const struct host_timer *t)
{
	return t->place != 0;
}

uint64_t host_timer_left(const struct host_timer *t)
{
	uint64_t now = host_now_ns(t->host);

	return t->place == 0 || t->at <= now ? 0 : t->at - now;
}

void host_core_timers(struct host *h)
{
	uint64_t now = host_now_ns(h), limit = h->seq;

	/* What callbacks start waits for the next turn, even when due at once. */
	while (h->n_timers > 0 && h->timers[0]->at <= now && h->timers[0]->seq < limit) {
		struct host_timer *t = h->timers[0];

		host_timer_stop(t);
		if (t->every > 0)
			timer_insert(t, t->every);
		t->fn(t->ctx);
	}
}

uint64_t host_core_next(const struct host *h)
{
	return h->n_timers > 0 ? h->timers[0]->at : UINT64_MAX;
}

/* ---- deferred calls, hooks ---- */

void host_defer_init(struct host_defer *d, struct host *h, host_fn *fn, void *ctx)
{
	*d = (struct host_defer){.host = h, .fn = fn, .ctx = ctx};
}

static void ring_append(struct host_defer *head, struct host_defer *d)
{
	d->prev = head->prev;
	d->next = head;
	head->prev->next = d;
	head->prev = d;
}

void host_defer(struct host_defer *d)
{
	if (!d->next)
		ring_append(&d->host->defers, d);
}

void host_defer_cancel(struct host_defer *d)
{
	if (!d->next)
		return;
	d->prev->next = d->next;
	d->next->prev = d->prev;
	d->next = d->prev = NULL;
}

bool host_defer_queued(const struct host_defer *d)
{
	return d->next != NULL;
}

static bool ring_empty(const struct host_defer *head)
{
	return head->next == head;
}

static void core_run_defers(struct host *h)
{
	struct host_defer mark = {0};

	/* A mark ends the round: what is deferred during it stands behind the mark. */
	if (ring_empty(&h->defers))
		return;
	ring_append(&h->defers, &mark);
	while (h->defers.next != &mark) {
		struct host_defer *d = h->defers.next;

		host_defer_cancel(d);
		d->fn(d->ctx);
	}
	host_defer_cancel(&mark);
}

void host_turn_end(struct host *h, struct host_hook *hook, host_fn *fn, void *ctx)
{
	struct host_hook **end = &h->hooks;

	*hook = (struct host_hook){.fn = fn, .ctx = ctx};
	while (*end)
		end = &(*end)->next;
	*end = hook;
}

void host_turn_end_remove(struct host *h, struct host_hook *hook)
{
	for (struct host_hook **at = &h->hooks; *at; at = &(*at)->next) {
		if (*at != hook)
			continue;
		if (h->hook_cursor == hook)
			h->hook_cursor = hook->next;
		*at = hook->next;
		return;
	}
}

bool host_core_deferred(const struct host *h)
{
	return !ring_empty(&h->defers);
}

void host_core_turn_end(struct host *h)
{
	core_run_defers(h);
	h->hook_cursor = h->hooks;
	while (h->hook_cursor) {
		struct host_hook *hook = h->hook_cursor;

		h->hook_cursor = hook->next;
		hook->fn(hook->ctx);
	}
	h->turn++;
}

uint64_t host_turn(const struct host *h)
{
	return h->turn;
}

/* ---- workers, the loop ---- */

void host_work(struct host *h, host_fn *run, host_fn *done, void *ctx)
{
	h->ops->work(h, run, done, ctx);
}

size_t host_work_pending(const struct host *h)
{
	return h->work_pending;
}

int host_run(struct host *h)
{
	int err = 0;

	h->stopped = false;
	/* What was done before the loop ran counts as a turn of its own. */
	host_core_turn_end(h);
	while (err == 0 && !h->stopped)
		err = h->ops->turn(h);
	return err;
}

static void core_timed_out(void *ctx)
{
	*(bool *)ctx = true;
}

int host_run_until(struct host *h, bool (*until)(void *ctx), void *ctx, uint64_t limit)
{
	struct host_timer timer;
	bool late = false;
	int err = 0;

	h->stopped = false;
	host_timer_init(&timer, h, core_timed_out, &late);
	host_timer_start(&timer, limit);
	host_core_turn_end(h);
	while (err == 0 && !until(ctx)) {
		if (h->stopped)
			err = -ECANCELED;
		else if (late)
			err = -ETIMEDOUT;
		else
			err = h->ops->turn(h);
	}
	host_timer_stop(&timer);
	return err;
}

void host_stop(struct host *h)
{
	h->stopped = true;
	h->ops->wake(h);
}

void host_free(struct host *h)
{
	if (h)
		h->ops->free(h);
}

void host_core_init(struct host *h, const struct host_ops *ops, const struct host_file_ops *file, void *file_self)
{
	h->ops = ops;
	h->file = file;
	h->file_self = file_self;
	h->defers.next = h->defers.prev = &h->defers;
	h->turn = 1;
	pthread_mutex_init(&h->unsettled_lock, NULL);
}

void host_core_fini(struct host *h)
{
	free(h->timers);
	h->timers = NULL;
	h->n_timers = h->cap_timers = 0;
	for (size_t i = 0; i < h->unsettled.n; i++)
		free(h->unsettled.p[i]);
	VEC_FREE(&h->unsettled);
	pthread_mutex_destroy(&h->unsettled_lock);
}
