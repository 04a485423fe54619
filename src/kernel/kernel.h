/* The kernel of one room: launching, executing, outputs, widgets, the end.
 *
 * A `struct kernel` lives as long as its room, whether or not a process runs.
 * Everything happens on the loop thread, nothing here blocks, and every callback
 * is made from the loop (some directly from inside the call that caused them;
 * each function says so). Callbacks may call back into the kernel except
 * kernel_free. Facts: kernels.md; what the room sends to clients: protocol.md 8. */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "kernel/comm.h"
#include "kernel/output.h"
#include "kernel/queue.h"

struct host;
struct transport;

/* kernels.md 1.1. */
enum kernel_status {
	KERNEL_NOT_STARTED,
	KERNEL_STARTING,
	KERNEL_IDLE,
	KERNEL_BUSY,
	KERNEL_ERROR, /* the last one died or could not be launched */
	KERNEL_SHUTDOWN,
};
/* "not_started", "starting", "idle", "busy", "error", "shutdown": the words of the state document. */
const char *kernel_status_name(enum kernel_status status);

/* ---- What all kernels of a daemon share ---- */

struct kernel_service;
struct kernel_service_config {
	struct host *host;
	const char *base_dir; /* kernels.json and connections/ live here (kernels.md 1) */
	struct output_blobs blobs;
	/* NULL = real processes and ZeroMQ; tests give a simulated transport. */
	struct transport *(*simulate)(void *ctx, struct kernel_service *service);
	void *simulate_ctx;
};
/* Kills what an earlier daemon left behind (kernels.json, with its start times) and empties connections/. */
int kernel_service_new(const struct kernel_service_config *config, struct kernel_service **ret_service);
/* Asks every kernel that still runs to end, gracefully, and calls done once all are gone (<= ~6 s; at once from
 * inside when there is none). */
void kernel_service_stop(struct kernel_service *service, void (*done)(void *ctx), void *ctx);
/* After stop. Whatever still runs is killed. */
void kernel_service_free(struct kernel_service *service);

/* ---- Launching ---- */

enum kernel_interrupt_mode { KERNEL_INTERRUPT_MESSAGE, KERNEL_INTERRUPT_SIGNAL };

/* Everything needed to start the process. All strings are copied by kernel_launch. */
struct kernel_launch_spec {
	const char *kernel_type; /* "python", "deno" or a kernelspec's name: what clients see */
	const char *env_source;	 /* "uv:prewarmed", … */
	const char *kernel_name; /* in the connection file: "python3", "deno" */
	/* NULL-terminated; {connection_file}, {prefix} and {resource_dir} are put in wherever they stand. */
	const char *const *argv;
	const char *prefix;	  /* sys.prefix of the environment for {prefix}; may be NULL */
	const char *resource_dir; /* for {resource_dir}; may be NULL */
	/* NULL-terminated KEY=VALUE that win over the cleaned environment; may be NULL */
	const char *const *env;
	const char *venv_path;	  /* sets VIRTUAL_ENV and puts <venv>/bin first on PATH; may be NULL */
	const char *conda_prefix; /* the same with CONDA_PREFIX; may be NULL */
	const char *tool_dir;	  /* a directory for PATH behind the environment's (uv's); may be NULL */
	const char *cwd;	  /* an existing directory: launch_cwd() */
	enum kernel_interrupt_mode interrupt_mode;
	bool use_ipc; /* ipykernel: Unix sockets in a private directory instead of TCP ports */
};

/* ---- The owner's callbacks ---- */

struct kernel_completion {
	/* One object per match: label always; kind when the kernel said (metadata's experimental types). */
	struct {
		const char *label;
		const char *kind; /* or NULL */
	} const *items;
	size_t n;
	size_t cursor_start, cursor_end; /* scalar values, as Jupyter counts */
};
struct kernel_history_entry {
	int32_t session, line;
	const char *source;
};

/* Any may be NULL. Order within one batch is the order in which clients must see things: outputs before the
 * execution_done that follows them (kernels.md 6.2). */
struct kernel_callbacks {
	/* For the KernelStatus broadcast. word is one of kernel_status_name() or "unknown" or "error: <reason>";
	 * cell_id is the cell of the request the kernel speaks of, or NULL. for_document: status is new and belongs
	 * in the state document (requests other than executions do not flip it, trap 5). */
	void (*status)(void *ctx, const char *word, const char *cell_id, enum kernel_status status, bool for_document);
	/* The launch begun with kernel_launch ended well: status is idle. */
	void (*launched)(void *ctx);
	/* It did not; reason is a sentence for people, with the exit code and the last lines of stderr. Status is
	 * error, the queue was failed. */
	void (*launch_failed)(void *ctx, const char *reason);
	/* A ready kernel went away by itself. Queue and comms are already cleared. */
	void (*died)(void *ctx, const char *reason);
	/* The process neither answers its heartbeat nor ends (true), or answers again (false). */
	void (*unresponsive)(void *ctx, bool yes);
	/* kernel_shutdown was carried out as far as clients see it (the process may still be ending). */
	void (*stopped)(void *ctx);
	void (*queue_changed)(void *ctx);
	/* execute_input came: the cell shows x from now on, its outputs are empty, its count is x->count. */
	void (*execution_started)(void *ctx, struct execution *x);
	/* x->outputs[index] is new (replaced = false, index == n - 1) or has new content. */
	void (*output)(void *ctx, struct execution *x, size_t index, bool replaced);
	/* clear_output took effect: x->outputs is empty. */
	void (*outputs_cleared)(void *ctx, struct execution *x);
	/* An update_display_data; the outputs it changed were already reported with `output`. JSON object texts. */
	void (*display_update)(void *ctx, const char *display_id, const char *data, size_t data_n,
			       const char *metadata, size_t metadata_n);
	/* x is over; see x->status. For cancelled ones that never ran, too (ran tells). */
	void (*execution_done)(void *ctx, struct execution *x, bool ran);
	/* A comm message for windows. content is JSON object text. except = the sender token given to
	 * kernel_send_comm when this is the relay of a window's own message, else 0: not to be sent to it. */
	void (*comm)(void *ctx, const char *msg_type, const char *content, size_t content_n,
		     const struct comm_buffer *buffers, size_t n_buffers, uint64_t except);
	/* Text of a fault that is not an output (lost idle, unreadable messages); for the log and KernelError. */
	void (*warning)(void *ctx, const char *text);
	/* Answers to kernel_complete / kernel_history, exactly one per token. error is NULL or a sentence. */
	void (*completion)(void *ctx, uint64_t token, const char *error, const struct kernel_completion *c);
	void (*history)(void *ctx, uint64_t token, const char *error, const struct kernel_history_entry *e, size_t n);
	/* Every callback of a batch was made: a good moment for one document change and one fan-out. */
	void (*commit)(void *ctx);
	/* x is dropped from memory (trimmed). */
	void (*execution_dropped)(void *ctx, struct execution *x);
};

struct kernel;
struct kernel *kernel_new(struct kernel_service *service, const struct kernel_callbacks *callbacks, void *ctx);
/* Callbacks go to another owner from now on (a room folded into another, rooms.md 11.5). */
void kernel_set_owner(struct kernel *k, void *ctx);
/* Makes no callbacks. A process that still runs is ended gracefully behind the caller's back. */
void kernel_free(struct kernel *k);

/* A launch was decided: status becomes starting (status callback), comms are cleared, executions are accepted and
 * wait. Call before the environment is resolved. 0; -EALREADY when a kernel runs or starts. */
int kernel_begin_launch(struct kernel *k, const char *kernel_type, const char *env_source);
/* The environment is known: starts the process. Ends in exactly one of launched / launch_failed, later, from the
 * loop. -ENOTCONN without kernel_begin_launch (or when it was shut down meanwhile). */
int kernel_launch(struct kernel *k, const struct kernel_launch_spec *spec);
/* The environment could not be made: as launch_failed, from inside. word for the status broadcast is
 * "error: <reason>" (kernels.md 3.4). */
void kernel_fail_launch(struct kernel *k, const char *reason);
/* Status broadcast shutdown, queue ended (execution_done for the running one), comms cleared, then the process is
 * asked, told, and killed (K9) while a new launch may begin. Ends with `stopped` from inside. 0; -ENOTCONN when there
 * is no kernel (NoKernel). Cancels a launch. */
int kernel_shutdown(struct kernel *k);

enum kernel_status kernel_status(const struct kernel *k);
/* True from kernel_begin_launch until death, failure or shutdown. */
bool kernel_exists(const struct kernel *k);
const char *kernel_type(const struct kernel *k);       /* NULL when none was ever launched */
const char *kernel_env_source(const struct kernel *k); /* likewise */
/* Process id; 0 when none. */
int kernel_pid(const struct kernel *k);
struct queue *kernel_queue(struct kernel *k);
struct comm_store *kernel_comms(struct kernel *k);
/* True while something runs or waits: a pin for eviction (design 7.15). */
bool kernel_is_working(const struct kernel *k);

/* Queues a cell: 0 queued, 1 already waiting or running (also success), -ENOTCONN no kernel. */
int kernel_execute(struct kernel *k, const char *cell_id, const char *source, size_t source_n, const char *submitter,
		   struct execution **ret_x);
/* Around many kernel_execute calls: one queue_changed for all. */
void kernel_batch_begin(struct kernel *k);
void kernel_batch_end(struct kernel *k);
/* Cancels what waits and interrupts what runs, at once. -ENOTCONN no kernel. */
int kernel_interrupt(struct kernel *k);
/* ClearOutputs: empties what the cell shows and cuts its streams; count is forgotten. No callback. */
void kernel_clear_outputs(struct kernel *k, const char *cell_id);
/* A peer or a file changed the cell's outputs in the document to these entries: the shown execution becomes a
 * synthetic one with exactly these, streams start a fresh segment. No callback. Nothing when they are what is shown. */
void kernel_outputs_changed(struct kernel *k, const char *cell_id, bool has_count, int64_t count,
			    const char *const *entries, size_t n);
/* The cell is gone from the document. */
void kernel_cell_removed(struct kernel *k, const char *cell_id);

/* Asks the kernel; the answer comes as `completion` / `history` with token. -ENOTCONN no kernel (then no callback).
 * While something runs, an empty result comes after <= 1 s; otherwise an error after 4.5 s. pattern NULL or ""
 * = all. */
int kernel_complete(struct kernel *k, uint64_t token, const char *code, size_t cursor_pos);
int kernel_history(struct kernel *k, uint64_t token, const char *pattern, int64_t n, bool unique);
/* SendComm: a whole Jupyter message (kernels.md 12). Only comm_open, comm_msg, comm_close, comm_info_request pass. The
 * store is updated and the message relayed to the other windows. 0, -ENOTCONN, or -EINVAL with a malloced sentence. */
int kernel_send_comm(struct kernel *k, struct json_object *message, uint64_t sender, char **ret_error);
#endif
