#include "kernel/transport_sim.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "host/host.h"

static struct transport_sim *sim_of(struct transport *t)
{
	return (struct transport_sim *)t;
}

static void tell_readable(void *ctx)
{
	struct transport_sim *s = ctx;
	s->base.readable(s->base.ctx);
}

static int sim_connect(struct transport *t, const struct transport_endpoints *e)
{
	struct transport_sim *s = sim_of(t);
	strncpy(s->key, e->identity, sizeof s->key - 1); /* child.c hands a simulated kernel its key here */
	return 0;
}

static int sim_send(struct transport *t, enum channel channel, struct multipart *frames)
{
	struct transport_sim *s = sim_of(t);
	struct jupyter_message m;
	const char *why;
	if (s->deaf || channel == CHANNEL_HEARTBEAT) {
		bool beat = !s->deaf;
		if (beat)
			sim_say_raw(s, CHANNEL_HEARTBEAT, frames);
		else
			multipart_free(frames);
		return beat ? 0 : -EAGAIN;
	}
	if (jupyter_parse(frames, s->key, strlen(s->key), &m, &why) < 0)
		return -EINVAL;
	if (s->on_request)
		s->on_request(s->ctx, s, channel, &m);
	else
		sim_answer_info(s, &m);
	jupyter_message_fini(&m);
	return 0;
}

static int sim_recv(struct transport *t, enum channel channel, struct multipart *ret_m)
{
	struct transport_sim *s = sim_of(t);
	if (s->taken[channel] == s->waiting[channel].n) {
		s->taken[channel] = s->waiting[channel].n = 0;
		return -EAGAIN;
	}
	*ret_m = s->waiting[channel].p[s->taken[channel]++];
	return 0;
}

static void sim_free(struct transport *t)
{
	struct transport_sim *s = sim_of(t);
	struct multipart m;
	for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
		while (sim_recv(t, (enum channel)channel, &m) == 0)
			multipart_free(&m);
		VEC_FREE(&s->waiting[channel]);
	}
	host_defer_cancel(s->ready);
	free(s->ready);
	free(s);
}

static void sim_signal(struct transport *t, int signum)
{
	struct transport_sim *s = sim_of(t);
	if (s->on_signal)
		s->on_signal(s->ctx, s, signum);
	else if (signum != SIGINT)
		sim_exit(s, 0, signum);
}

static const struct transport_ops sim_ops = {
	.connect = sim_connect, .send = sim_send, .recv = sim_recv, .free = sim_free, .signal = sim_signal};

struct transport_sim *transport_sim_new(struct host *host, sim_request_fn *on_request, sim_signal_fn *on_signal,
					void *ctx)
{
	struct transport_sim *s = xcalloc(1, sizeof *s);
	s->base.ops = &sim_ops;
	s->host = host;
	s->on_request = on_request;
	s->on_signal = on_signal;
	s->ctx = ctx;
	s->ready = xcalloc(1, sizeof *s->ready);
	host_defer_init(s->ready, host, tell_readable, s);
	return s;
}

void sim_say_raw(struct transport_sim *s, enum channel channel, struct multipart *frames)
{
	VEC_PUSH(&s->waiting[channel], *frames);
	*frames = (struct multipart){0};
	host_defer(s->ready);
}

void sim_say(struct transport_sim *s, enum channel channel, const char *msg_type, const char *parent_id,
	     const char *content)
{
	char *parent = parent_id ? xasprintf("{\"msg_id\":\"%s\"}", parent_id) : NULL;
	char id[UUID_TEXT];
	struct multipart frames, with_topic = {0};
	host_uuid(s->host, id);
	const struct jupyter_request r = {.msg_type = msg_type,
					  .msg_id = id,
					  .session = "sim",
					  .content = content,
					  .content_n = strlen(content),
					  .parent = parent,
					  .wall_ns = host_wall_ns(s->host)};
	jupyter_build(&r, s->key, strlen(s->key), &frames);
	if (channel == CHANNEL_IOPUB)
		multipart_add(&with_topic, msg_type, strlen(msg_type));
	for (size_t i = 0; i < frames.parts.n; i++)
		VEC_PUSH(&with_topic.parts, frames.parts.p[i]);
	VEC_FREE(&frames.parts);
	sim_say_raw(s, channel, &with_topic);
	free(parent);
}

void sim_status(struct transport_sim *s, const char *parent_id, const char *state)
{
	char *content = xasprintf("{\"execution_state\":\"%s\"}", state);
	sim_say(s, CHANNEL_IOPUB, "status", parent_id, content);
	free(content);
}

bool sim_answer_info(struct transport_sim *s, const struct jupyter_message *m)
{
	if (strcmp(m->msg_type, "kernel_info_request") != 0)
		return false;
	sim_status(s, m->msg_id, "busy");
	sim_say(s, CHANNEL_SHELL, "kernel_info_reply", m->msg_id, "{\"status\":\"ok\"}");
	sim_status(s, m->msg_id, "idle");
	return true;
}

void sim_exit(struct transport_sim *s, int status, int signum)
{
	s->base.exited(s->base.ctx, status, signum);
}
