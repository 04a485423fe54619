/* Executions of one room and the queue they wait in (kernels.md 6).
 *
 * An execution is born when a cell is queued, keeps the source it was queued
 * with, and owns its outputs (design 2.5). At most one runs; the rest wait in
 * order. What a cell shows is the outputs of its latest execution that started.
 * The queue is a state machine without I/O: it sends through `queue_ops` and is
 * told what came back. Execution pointers stay valid until queue_trim or
 * queue_free drops them; keep the id for longer. */
#ifndef KERNEL_QUEUE_H
#define KERNEL_QUEUE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "base/vec.h"
#include "kernel/output.h"

#define QUEUE_KEEP 128	     /* finished executions kept besides each cell's shown one (design 7.6) */
#define QUEUE_IDLE_WAIT_MS 2000 /* silence after execute_reply before the kernel is asked about its idle (K7) */

enum execution_status {
	EXECUTION_QUEUED,
	EXECUTION_RUNNING,
	EXECUTION_DONE,
	EXECUTION_ERROR,
	EXECUTION_CANCELLED, /* left the queue before it was sent, or its kernel went away */
};
/* "queued", "running", "done", "error", "cancelled". */
const char *execution_status_name(enum execution_status status);

struct execution {
	char id[UUID_TEXT]; /* also the Jupyter msg_id of its request */
	uint64_t seq;	    /* submission order within the room, from 1 */
	char *cell_id;
	char *source;
	size_t source_n;
	char *submitter; /* who asked: an actor or peer label; NULL when unknown */
	enum execution_status status;
	bool started;	    /* execute_input (or a first output) was seen: the cell shows this one */
	bool synthetic;	    /* made by queue_adopt, never ran here */
	bool has_count;
	int64_t count;	    /* execution_count, if has_count */
	int64_t queued_ns, started_ns, finished_ns; /* wall clock; 0 = not yet */
	VEC(struct output) outputs;
	/* Private to queue.c and kernel.c. */
	bool got_idle, got_reply, got_error, aborted, resent, interrupted, clear_pending;
	void *streams;
};

struct queue;
struct queue_ops {
	/* Hands x to the kernel; <0 = could not, the execution then ends in error. */
	int (*send)(void *ctx, struct execution *x);
	/* The list or the running one changed; once per batch. */
	void (*changed)(void *ctx);
	/* x is over (status says how). Called exactly once per execution that was running, and once per waiting one
	 * that was cancelled. Outputs are complete. */
	void (*done)(void *ctx, struct execution *x);
	/* x was cut off from its kernel's idle: the caller arms a timer of `ms` and calls queue_timeout then; 0
	 * cancels. */
	void (*arm)(void *ctx, unsigned ms);
	/* Pending stream text of x must be stored now (before done). */
	void (*settle)(void *ctx, struct execution *x);
	void (*random)(void *ctx, void *p, size_t n);
	int64_t (*wall_ns)(void *ctx);
	/* x leaves memory (trimmed); may be NULL. */
	void (*dropped)(void *ctx, struct execution *x);
};

struct queue *queue_new(const struct queue_ops *ops, void *ctx);
void queue_free(struct queue *q);

/* Between begin and end `changed` is held back and nothing is sent; nests. */
void queue_begin(struct queue *q);
void queue_end(struct queue *q);
/* Queues a cell: 0 with the new execution, 1 with the one that is already waiting or running (kernels.md 6.1,
 * duplicate rule). */
int queue_add(struct queue *q, const char *cell_id, const char *source, size_t source_n, const char *submitter,
	      struct execution **ret_x);
/* A finished execution that holds outputs found in a document (design 7.6); replaces what the cell shows. Entries
 * are copied. */
struct execution *queue_adopt(struct queue *q, const char *cell_id, bool has_count, int64_t count,
			      const struct output *outputs, size_t n);
/* Executions may be sent from now on (kernel ready), or no longer. */
void queue_set_ready(struct queue *q, bool ready);
/* The running one was told to stop: what waits is cancelled now, what is queued from now on will run. */
void queue_interrupt(struct queue *q);
/* Cancels what waits; the running one goes on. Returns how many left. */
size_t queue_cancel_waiting(struct queue *q);
/* The kernel is gone: the running one ends in error (or cancelled), the waiting ones are cancelled. */
void queue_abandon(struct queue *q, bool died);

struct execution *queue_running(const struct queue *q);
size_t queue_waiting_count(const struct queue *q);
/* i-th waiting execution, 0 = next. */
struct execution *queue_waiting(const struct queue *q, size_t i);
struct execution *queue_find(const struct queue *q, const char *id, size_t id_n);
/* The execution whose outputs the cell shows, or NULL. */
struct execution *queue_shown(const struct queue *q, const char *cell_id);
/* The newest execution of the cell, started or not. */
struct execution *queue_latest(const struct queue *q, const char *cell_id);
/* All kept executions, oldest first. */
size_t queue_count(const struct queue *q);
struct execution *queue_at(const struct queue *q, size_t i);
/* Forgets everything known about a cell that is gone from the document. Running or waiting ones stay. */
void queue_forget_cell(struct queue *q, const char *cell_id);

/* What came back from the kernel for a request of ours; x is from queue_find(parent msg_id). */
void queue_on_input(struct queue *q, struct execution *x, bool has_count, int64_t count);
void queue_on_activity(struct queue *q, struct execution *x); /* any other message of the running one */
void queue_on_error(struct queue *q, struct execution *x);    /* an error output */
void queue_on_idle(struct queue *q, struct execution *x);
/* status: "ok", "error", "aborted" (or "abort"). */
void queue_on_reply(struct queue *q, struct execution *x, const char *status);
void queue_timeout(struct queue *q);

/* Adds an output to x (takes entry, display_id, text_hash) and returns its index. */
size_t queue_output_add(struct queue *q, struct execution *x, enum output_type type, char *entry, char *display_id,
			char *text_hash);
/* Replaces the entry at index, keeping the id; takes entry and text_hash. */
void queue_output_replace(struct queue *q, struct execution *x, size_t index, char *entry, char *text_hash);
void queue_outputs_clear(struct queue *q, struct execution *x);
#endif
