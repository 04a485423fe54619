/* One kernel process and the line to it: start, requests, what it said on
 * standard output and error, and its burial (kernels.md 3 - 5; 17 K9 - K16).
 * Private to the kernel layer. */
#ifndef KERNEL_CHILD_H
#define KERNEL_CHILD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/vec.h"
#include "host/host.h"
#include "host/process.h"
#include "kernel/connection.h"
#include "kernel/jupyter.h"
#include "kernel/kernel.h"
#include "kernel/transport.h"

struct pid_registry;

/* ---- the service ---- */

struct child;
struct kernel_service {
	struct host *host;
	struct output_blobs blobs;
	char *base_dir, *connections_dir;
	char *ipc_dir; /* NULL = not made */
	struct pid_registry *registry;
	struct transport *(*simulate)(void *ctx, struct kernel_service *service);
	void *simulate_ctx;
	VEC(struct kernel *) kernels;
	VEC(struct child *) dying;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
	/* blobs of finished stream outputs: not to be superseded by anybody (kernel_stream.c) */
	struct map *final_streams;
};
/* For Unix sockets when connections_dir's path is too long; made with the first kernel. NULL when it cannot be. */
const char *kernel_service_ipc_dir(struct kernel_service *service);
/* From child.c, when a buried one is gone. */
void kernel_service_check_stopped(struct kernel_service *service);

/* ---- the child ---- */

#define CHILD_TAIL_LINES 50
#define CHILD_TAIL_BYTES (64u * 1024u)

struct child_events {
	void (*readable)(void *ctx);
	void (*exited)(void *ctx);
};

struct child {
	struct kernel_service *service;
	struct connection connection;
	struct transport *transport;
	struct host_process *process; /* NULL for simulated kernels */
	int pid;
	enum kernel_interrupt_mode interrupt_mode;
	struct buf said; /* the last of standard output and error */
	bool exited;
	int status, signum; /* once exited */
	const struct child_events *events;
	void *ctx;
	/* burial */
	struct host_timer grave;
	enum { ASKED, TERMINATED, KILLED, ENDED } stage;
};

/* Starts the process and connects. On failure *ret_error is a malloced sentence. */
int child_start(struct kernel_service *service, const struct kernel_launch_spec *spec,
		const struct child_events *events,
		void *ctx, struct child **ret_child, char **ret_error);
/* Sends one message; msg_id NULL = a fresh one. 0, -EAGAIN (nobody listens there), other errors. */
int child_send(struct child *c, enum channel channel, const char *msg_type, const char *msg_id, const char *content,
	       size_t content_n);
int child_send_raw(struct child *c, enum channel channel, const struct jupyter_request *r);
/* Next message of a channel; unreadable ones are logged and skipped. -EAGAIN when there is none. */
int child_recv(struct child *c, enum channel channel, struct jupyter_message *ret_m);
/* Interrupts by message or signal, as the kernel wants it. */
void child_interrupt(struct child *c);
int child_signal(struct child *c, int signum);
/* "exited with status 1", "was killed by signal 9 (Killed)" and the last lines it said. */
void child_describe_end(const struct child *c, struct buf *out);
void child_append_tail(const struct child *c, struct buf *out);
/* The owner lets go: no events any more. Ends it in steps (K9): asked (and interrupted when busy), SIGTERM after 2 s,
 * SIGKILL 3 s later; reaped and cleaned up behind. asked = false skips the request (it never got ready). */
void child_bury(struct child *c, bool ask, bool busy);
/* At once, with SIGKILL, and frees it. */
void child_free(struct child *c);
#endif
