/* The outside world as the daemon sees it: clocks, randomness, timers, deferred
 * calls, workers and the loop itself. Files, streams, watches, processes, raw
 * descriptors and signals are in the headers beside this one. Two
 * implementations stand behind it: uv.h (libuv) and sim.h (one thread, seeded,
 * virtual time, with faults), so that everything that can fail is reachable by
 * a test (design.md 2, decision 8).
 *
 * Threads: every function is for the loop thread only, except the file
 * operations of file.h, host_now_ns, host_wall_ns and host_random, which
 * workers may call as well.
 *
 * Times and delays are nanoseconds. */
#ifndef HOST_HOST_H
#define HOST_HOST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;

typedef void host_fn(void *ctx);

#define HOST_US(x) ((uint64_t)(x) * UINT64_C(1000))
#define HOST_MS(x) ((uint64_t)(x) * UINT64_C(1000000))
#define HOST_SEC(x) ((uint64_t)(x) * UINT64_C(1000000000))

/* ---- clocks, randomness ---- */

/* Monotonic; never 0. */
uint64_t host_now_ns(struct host *h);
/* Since the Unix epoch. */
int64_t host_wall_ns(struct host *h);
/* Cryptographically strong under uv, the seed's stream under sim. Cannot fail. */
void host_random(struct host *h, void *p, size_t n);
/* A fresh version 4 UUID as text (base/uuid.h UUID_TEXT bytes). */
void host_uuid(struct host *h, char ret[37]);

/* ---- timers ----
 * Part of their owner's structure; initialised once, then started and stopped
 * freely. A stopped timer may be freed at once. Timers due in one turn run in
 * order of their times, equal times in order of starting. */

struct host_timer {
	struct host *host;
	host_fn *fn;
	void *ctx;
	uint64_t at, every, seq; /* private, as is all below */
	size_t place;            /* heap index + 1; 0 = not running */
};

void host_timer_init(struct host_timer *t, struct host *h, host_fn *fn, void *ctx);
/* Once, after delay (a delay of 0: next turn). A running timer is moved. */
void host_timer_start(struct host_timer *t, uint64_t delay);
/* First after `every`, then again and again; missed beats are skipped. */
void host_timer_start_repeat(struct host_timer *t, uint64_t every);
void host_timer_stop(struct host_timer *t);
bool host_timer_active(const struct host_timer *t);
/* Time left; 0 when due or not running. */
uint64_t host_timer_left(const struct host_timer *t);

/* ---- deferred calls and the end of a turn ----
 * A loop turn is: timers and I/O callbacks; then the deferred calls queued so
 * far; then the turn-end hooks in order of registration. What a deferred call
 * or a hook defers runs in the next turn, which then does not wait. */

struct host_defer {
	struct host *host;
	host_fn *fn;
	void *ctx;
	struct host_defer *next, *prev; /* private; NULL = not queued */
};

void host_defer_init(struct host_defer *d, struct host *h, host_fn *fn, void *ctx);
/* Queues the call; a queued one stays where it is. */
void host_defer(struct host_defer *d);
void host_defer_cancel(struct host_defer *d);
bool host_defer_queued(const struct host_defer *d);

/* Runs at the end of each turn from now on: group commit and fan-out. */
struct host_hook {
	host_fn *fn;
	void *ctx;
	struct host_hook *next; /* private */
};
void host_turn_end(struct host *h, struct host_hook *hook, host_fn *fn, void *ctx);
void host_turn_end_remove(struct host *h, struct host_hook *hook);
/* Number of the current turn, from 1. */
uint64_t host_turn(const struct host *h);

/* ---- workers ----
 * run(ctx) is called on a worker thread, then done(ctx) on the loop. run may
 * touch ctx and use file operations and clocks, nothing else: what rooms own is
 * not its business. It cannot be cancelled; ctx carries an id and a generation,
 * never a pointer that may die (design.md 2, decision 1). done may be NULL. */
void host_work(struct host *h, host_fn *run, host_fn *done, void *ctx);
/* Jobs begun and not yet done. */
size_t host_work_pending(const struct host *h);

/* ---- the loop ---- */

/* Runs until host_stop; 0 or negative errno. */
int host_run(struct host *h);
/* Runs until `until` is true (looked at after every turn; 0), host_stop was called
 * (-ECANCELED) or `limit` has passed (-ETIMEDOUT). For tests and short-lived
 * programs. */
int host_run_until(struct host *h, bool (*until)(void *ctx), void *ctx, uint64_t limit);
void host_stop(struct host *h);
/* Waits for running work, closes what is open and frees everything. Owners
 * should have closed their streams, watches and processes before. */
void host_free(struct host *h);
#endif
