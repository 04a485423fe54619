/* Whole multipart messages to and from one kernel (design 7.16). ZeroMQ stands
 * behind transport_zmq.c, a scripted kernel behind transport_sim.c. */
#ifndef KERNEL_TRANSPORT_H
#define KERNEL_TRANSPORT_H
#include <stdbool.h>
#include <stddef.h>

#include "base/vec.h"

struct host;

struct part {
	const void *p;
	size_t n;
	void *owner;
	void (*release)(void *owner);
};
struct multipart {
	VEC(struct part) parts;
};
void multipart_free(struct multipart *m);
/* A copy of the bytes as the last part. */
void multipart_add(struct multipart *m, const void *p, size_t n);

/* In the order in which they are looked at: what ends a cell or a wait comes before floods of output. */
enum channel { CHANNEL_CONTROL, CHANNEL_SHELL, CHANNEL_HEARTBEAT, CHANNEL_IOPUB, CHANNEL_COUNT };

struct transport_endpoints {
	char *address[CHANNEL_COUNT]; /* as ZeroMQ spells them */
	const char *identity;	      /* of the shell socket: the session's id */
};

struct transport;
struct transport_ops {
	int (*connect)(struct transport *t, const struct transport_endpoints *e);
	/* Takes the parts whatever happens. -EAGAIN while the other side is not there. */
	int (*send)(struct transport *t, enum channel channel, struct multipart *m);
	/* 0, or -EAGAIN when nothing is waiting. */
	int (*recv)(struct transport *t, enum channel channel, struct multipart *ret_m);
	void (*free)(struct transport *t);
	/* Signals that stand for a process (simulated kernels only; NULL otherwise). */
	void (*signal)(struct transport *t, int signum);
};

/* After `readable` the owner receives from every channel until -EAGAIN (or calls transport_again to be called anew in
 * the next turn). */
struct transport {
	const struct transport_ops *ops;
	void (*readable)(void *ctx);
	/* A simulated kernel ended; real ones tell through their process. */
	void (*exited)(void *ctx, int status, int signum);
	void *ctx;
};

/* NULL when ZeroMQ is not there. The ZeroMQ context is shared, see transport_zmq_shutdown. */
struct transport *transport_zmq_new(struct host *host);
/* Ends the shared context; every transport must be freed before. */
void transport_zmq_shutdown(void);
#endif
