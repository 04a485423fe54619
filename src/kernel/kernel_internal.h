/* What the files kernel*.c share. */
#ifndef KERNEL_KERNEL_INTERNAL_H
#define KERNEL_KERNEL_INTERNAL_H
#include "base/log.h"
#include "base/vec.h"
#include "host/host.h"
#include "kernel/child.h"
#include "kernel/display.h"
#include "kernel/kernel.h"
#include "kernel/stream.h"

#define LAUNCH_LIMIT_MS 30000
#define PROBE_FIRST_MS 10 /* between kernel_info requests at first, doubling up to PROBE_MAX_MS */
#define PROBE_MAX_MS 250
#define CONNECT_RETRY_MS 20
#define PROBES_MAX 256
#define PROOFS_MAX 15 /* questions without an answer before a missing idle is given up */
#define HEARTBEAT_MS 5000
#define HEARTBEAT_MISSES 3
#define ANSWER_BUSY_MS 1000
#define ANSWER_IDLE_MS 4500
#define FLUSH_MS 40		    /* shortest time between two renderings of a stream */
/* Longer for long texts, so that what is written stays in proportion to what is printed: with FLUSH_BYTES_PER_MS up to
 * FLUSH_SLOW_MS, from there with FLUSH_BYTES_PER_MS_SLOW. */
#define FLUSH_BYTES_PER_MS 512u
#define FLUSH_SLOW_MS 1000
#define FLUSH_BYTES_PER_MS_SLOW 4096u
#define FLUSH_MAX_MS 10000
#define DRAIN_SLICE_NS HOST_MS(4)   /* of output per loop turn; then others have theirs */
#define DRAIN_BURST 32		    /* output messages between two looks at replies */

/* A completion or history request under way. */
struct question {
	char msg_id[UUID_TEXT];
	uint64_t token;
	bool is_history, was_busy, sent;
	struct buf content; /* kept until it is sent */
	struct kernel *k;
	struct host_timer timer;
};

/* The stream text of one execution (x->streams). At most one segment is live. */
struct execution_streams {
	struct stream *text[2]; /* stdout, stderr */
	int live;		/* index, or -1 */
	bool stored, dirty;	/* the live segment has an output; it has text the output lacks */
	size_t index;		/* of that output */
	bool own_entry, own_text; /* that output's blobs were nobody's before */
	bool clear_first;	/* with its first text goes what clear_output(wait=True) gave up */
	uint64_t flushed_ns;
	VEC(char *) pages;	/* help texts of the reply, shown at the end */
};

struct kernel {
	struct kernel_service *service;
	struct kernel_callbacks cb;
	void *ctx;
	enum kernel_status status;
	bool exists, ready;
	char *type, *env_source;
	struct child *child;
	struct queue *queue;
	struct comm_store *comms;
	struct display_index *displays;

	struct host_timer idle_timer;  /* K7 */
	char proof[UUID_TEXT];	       /* the question whose answer comes behind all of the running execution, or "" */
	unsigned proofs;	       /* asked since it was last heard of */
	struct host_timer flush_timer; /* stream text and kept display updates */
	struct host_defer again;       /* the rest of a flood */
	bool draining, changed_in_batch, gone;
	bool interrupt_owed; /* to the running execution, once this batch is read */
	unsigned quiet; /* >0: no callbacks are made */

	/* launch */
	struct host_timer launch_timer, probe_timer, exit_timer;
	struct kernel_launch_spec *spec; /* own copy, for one more try on a port clash */
	VEC(char *) probes;		 /* msg_ids of requests of our own, at most PROBES_MAX */
	bool saw_reply, saw_iopub, retried;
	unsigned probe_ms, exit_waits;

	/* heartbeat */
	struct host_timer beat_timer;
	unsigned missed;
	bool awaiting_beat, unresponsive;

	VEC(struct question *) questions;
	VEC(struct execution *) dirty; /* with stream text to be stored */
	struct execution *last_over; /* its terminals are kept for late output */
};

#define CALL(k, name, ...)                                                                                             \
	do {                                                                                                           \
		if ((k)->cb.name && !(k)->quiet)                                                                       \
			(k)->cb.name((k)->ctx, ##__VA_ARGS__);                                                         \
	} while (0)
#define CALL0(k, name)                                                                                                 \
	do {                                                                                                           \
		if ((k)->cb.name && !(k)->quiet)                                                                       \
			(k)->cb.name((k)->ctx);                                                                        \
	} while (0)

/* kernel.c */
void kernel_set_status(struct kernel *k, enum kernel_status status, const char *word, const char *cell_id);
/* Ends what the process was: queue, comms, questions, timers; the child is the caller's to bury or free. */
struct child *kernel_detach(struct kernel *k, bool died);
void kernel_commit(struct kernel *k);
void kernel_warn(struct kernel *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* kernel_launch.c */
void kernel_launch_init(struct kernel *k);
void kernel_launch_stop(struct kernel *k);
void kernel_launch_fini(struct kernel *k);
/* A message before the kernel is ready; true when it was only for the probe. */
bool kernel_launch_message(struct kernel *k, enum channel channel, const struct jupyter_message *m);
/* True for requests of our own: nobody is to hear of them. */
bool kernel_is_probe(const struct kernel *k, const char *msg_id);
/* Something for the kernel's shell to wake up for. */
void kernel_nudge(struct kernel *k);
/* Asks something that can be told from other questions by ret_id; its answers come behind all there was on a channel. */
void kernel_ask(struct kernel *k, char ret_id[UUID_TEXT]);
/* An answer to a question of that kind: what the running execution still owes on this channel will not come. */
void kernel_proved(struct kernel *k, enum channel channel, const char *msg_id);
void kernel_child_exited(void *ctx);
void kernel_heartbeat_start(struct kernel *k);
void kernel_heartbeat_heard(struct kernel *k);

/* kernel_message.c */
void kernel_child_readable(void *ctx);
void kernel_drain_again(void *ctx);

/* kernel_stream.c, kernel_output.c */
void kernel_on_stream(struct kernel *k, struct execution *x, const struct jupyter_message *m);
void kernel_on_output(struct kernel *k, struct execution *x, const char *type, struct json_slice content);
void kernel_on_clear_output(struct kernel *k, struct execution *x, bool wait);
void kernel_on_update_display(struct kernel *k, const struct jupyter_message *m);
void kernel_keep_page(struct kernel *k, struct execution *x, struct json_slice payload);
/* An error the kernel did not tell of: a client takes a run without an error output for a success (clients.md T30). */
void kernel_add_error(struct kernel *k, struct execution *x, const char *ename, const char *evalue);
/* Everything of x that is not stored yet. */
void kernel_settle(struct kernel *k, struct execution *x);
void kernel_flush_due(void *ctx);
void kernel_plan_flush(struct kernel *k);
void kernel_apply_updates(struct kernel *k, uint64_t now_ms, bool all);
void kernel_clear_if_pending(struct kernel *k, struct execution *x);
/* Takes the outputs away; leaves the streams alone. */
void kernel_drop_outputs(struct kernel *k, struct execution *x);
/* Stores the live segment as it stands; ends it. */
void kernel_store_live(struct kernel *k, struct execution *x);
void kernel_end_segment(struct kernel *k, struct execution *x);
void kernel_drop_streams(struct kernel *k, struct execution *x);
/* Ends the live segment without storing more. */
void kernel_cut_streams(struct kernel *k, struct execution *x);
void kernel_execution_over(struct kernel *k, struct execution *x);
void kernel_index_displays(struct kernel *k, struct execution *x);

/* kernel_request.c */
void kernel_answer(struct kernel *k, const struct jupyter_message *m);
/* Sends the questions that waited for a kernel with nothing to do. */
void kernel_questions_send(struct kernel *k);
void kernel_questions_end(struct kernel *k);
#endif
