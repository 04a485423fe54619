/* A scripted kernel in place of a process and ZeroMQ, for tests of this layer
 * and of the room's. */
#ifndef KERNEL_TRANSPORT_SIM_H
#define KERNEL_TRANSPORT_SIM_H
#include "kernel/jupyter.h"
#include "kernel/transport.h"

struct host;
struct transport_sim;
/* A request came; the handler answers with the calls below, now or later. */
typedef void sim_request_fn(void *ctx, struct transport_sim *s, enum channel channel, const struct jupyter_message *m);
/* A signal came (SIGINT, SIGTERM, SIGKILL). */
typedef void sim_signal_fn(void *ctx, struct transport_sim *s, int signum);

/* Belongs to the kernel layer once kernel_service_config.simulate returned &s->base. The handlers may be NULL: then
 * every kernel_info_request is answered and signals from SIGTERM on end it. */
struct transport_sim {
	struct transport base;
	struct host *host;
	sim_request_fn *on_request;
	sim_signal_fn *on_signal;
	void *ctx;
	char key[UUID_TEXT];
	VEC(struct multipart) waiting[CHANNEL_COUNT];
	size_t taken[CHANNEL_COUNT];
	struct host_defer *ready;
	bool deaf; /* every send says -EAGAIN */
};
struct transport_sim *transport_sim_new(struct host *host, sim_request_fn *on_request, sim_signal_fn *on_signal,
					void *ctx);
/* A signed message from the kernel. parent_id may be NULL. */
void sim_say(struct transport_sim *s, enum channel channel, const char *msg_type, const char *parent_id,
	     const char *content);
/* Any frames at all; taken. */
void sim_say_raw(struct transport_sim *s, enum channel channel, struct multipart *frames);
/* status idle or busy for a request. */
void sim_status(struct transport_sim *s, const char *parent_id, const char *state);
/* busy, reply, idle for a kernel_info_request; true when m is one. */
bool sim_answer_info(struct transport_sim *s, const struct jupyter_message *m);
/* The process ends. */
void sim_exit(struct transport_sim *s, int status, int signum);
#endif
