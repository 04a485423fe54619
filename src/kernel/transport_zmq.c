/* The ZeroMQ form of a transport.
 *
 * libzmq's own thread reads the sockets into queues without a limit (receive
 * high-water mark 0, K7), so a slow loop never makes a kernel drop output.
 *
 * ZMQ_FD is edge-triggered in disguise: it is readable when the socket has
 * commands to process, and any call may process them. So after every call that
 * may have done so (a send too) the owner is told to look again, and it looks
 * until every channel says -EAGAIN. */
#include "kernel/transport.h"

#include <errno.h>

#include "base/log.h"
#include "host/host.h"
#include "host/poll.h"
#include "kernel/zmq_api.h"

#define RECONNECT_MS 20 /* also the grain of waiting for a kernel to bind (K19) */
#define MAX_SOCKETS 65536

struct zmq_transport {
	struct transport base;
	struct host *host;
	void *socket[CHANNEL_COUNT];
	struct host_poll *poll[CHANNEL_COUNT];
	struct host_defer again;
};

static void *shared_context;

static void *context_get(const struct zmq_api *z)
{
	if (!shared_context) {
		shared_context = z->ctx_new();
		if (shared_context)
			z->ctx_set(shared_context, ZMQ_MAX_SOCKETS, MAX_SOCKETS);
	}
	return shared_context;
}

void transport_zmq_shutdown(void)
{
	if (shared_context)
		zmq_api_get()->ctx_term(shared_context);
	shared_context = NULL;
}

static void on_again(void *ctx)
{
	struct zmq_transport *t = ctx;
	t->base.readable(t->base.ctx);
}

static void on_fd(void *ctx)
{
	struct zmq_transport *t = ctx;
	host_defer_cancel(&t->again);
	t->base.readable(t->base.ctx);
}

static void set_int(const struct zmq_api *z, void *socket, int option, int value)
{
	if (z->setsockopt(socket, option, &value, sizeof value) < 0)
		log_warn("kernel", "ZeroMQ option %d: error %d", option, z->error());
}

static int open_socket(struct zmq_transport *t, enum channel channel, const struct transport_endpoints *e)
{
	const struct zmq_api *z = zmq_api_get();
	void *s = z->socket(shared_context, channel == CHANNEL_IOPUB ? ZMQ_SUB : ZMQ_DEALER);
	if (!s)
		return -z->error();
	t->socket[channel] = s;
	set_int(z, s, ZMQ_LINGER, 0);
	set_int(z, s, ZMQ_RCVHWM, 0);
	set_int(z, s, ZMQ_SNDHWM, 0);
	set_int(z, s, ZMQ_RECONNECT_IVL, RECONNECT_MS);
	if (channel == CHANNEL_IOPUB) {
		z->setsockopt(s, ZMQ_SUBSCRIBE, "", 0);
	} else {
		set_int(z, s, ZMQ_IMMEDIATE, 1); /* a send before the kernel listens says -EAGAIN, not "queued" */
		if (channel == CHANNEL_SHELL)
			z->setsockopt(s, ZMQ_ROUTING_ID, e->identity, strlen(e->identity));
	}
	if (z->connect(s, e->address[channel]) < 0)
		return -z->error();
	int fd;
	size_t n = sizeof fd;
	if (z->getsockopt(s, ZMQ_FD, &fd, &n) < 0)
		return -z->error();
	return host_poll_open(t->host, fd, on_fd, t, &t->poll[channel]);
}

static int zmq_transport_connect(struct transport *base, const struct transport_endpoints *e)
{
	struct zmq_transport *t = (struct zmq_transport *)base;
	for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
		int r = open_socket(t, (enum channel)channel, e);
		if (r < 0)
			return r;
	}
	host_defer(&t->again);
	return 0;
}

static int zmq_transport_send(struct transport *base, enum channel channel, struct multipart *m)
{
	struct zmq_transport *t = (struct zmq_transport *)base;
	const struct zmq_api *z = zmq_api_get();
	int r = t->socket[channel] ? 0 : -ENOTCONN;
	for (size_t i = 0; !r && i < m->parts.n; i++) {
		int more = i + 1 < m->parts.n ? ZMQ_SNDMORE : 0;
		if (z->send(t->socket[channel], m->parts.p[i].p, m->parts.p[i].n, ZMQ_DONTWAIT | more) < 0)
			r = -z->error();
	}
	multipart_free(m);
	host_defer(&t->again);
	return r;
}

static void message_release(void *owner)
{
	zmq_api_get()->msg_close(owner);
	free(owner);
}

/* One frame; *ret_more tells whether the message goes on. */
static int recv_part(const struct zmq_api *z, void *socket, struct part *ret, bool *ret_more)
{
	zmq_msg_t *msg = xmalloc(sizeof *msg);
	z->msg_init(msg);
	if (z->msg_recv(msg, socket, ZMQ_DONTWAIT) < 0) {
		int r = -z->error();
		message_release(msg);
		return r;
	}
	*ret = (struct part){.p = z->msg_data(msg), .n = z->msg_size(msg), .owner = msg, .release = message_release};
	*ret_more = z->msg_more(msg) != 0;
	return 0;
}

/* A failed receive has processed what commands there were; anything that became ready by that is asked for here. */
static bool is_readable(const struct zmq_api *z, void *socket)
{
	int events = 0;
	size_t n = sizeof events;
	return z->getsockopt(socket, ZMQ_EVENTS, &events, &n) == 0 && (events & ZMQ_POLLIN);
}

static int zmq_transport_recv(struct transport *base, enum channel channel, struct multipart *ret_m)
{
	struct zmq_transport *t = (struct zmq_transport *)base;
	const struct zmq_api *z = zmq_api_get();
	void *socket = t->socket[channel];
	if (!socket)
		return -EAGAIN;
	struct multipart m = {0};
	bool more = true, asked = false;
	while (more) {
		struct part part;
		int r = recv_part(z, socket, &part, &more);
		if (r == -EINTR || (r == -EAGAIN && !m.parts.n && !asked && is_readable(z, socket))) {
			asked = r == -EAGAIN;
			continue;
		}
		if (r < 0) {
			multipart_free(&m);
			return r == -EAGAIN ? r : -EIO;
		}
		VEC_PUSH(&m.parts, part);
	}
	*ret_m = m;
	return 0;
}

static void zmq_transport_free(struct transport *base)
{
	struct zmq_transport *t = (struct zmq_transport *)base;
	const struct zmq_api *z = zmq_api_get();
	host_defer_cancel(&t->again);
	for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
		if (t->poll[channel])
			host_poll_close(t->poll[channel]);
		if (t->socket[channel])
			z->close(t->socket[channel]);
	}
	free(t);
}

static const struct transport_ops zmq_ops = {
	.connect = zmq_transport_connect,
	.send = zmq_transport_send,
	.recv = zmq_transport_recv,
	.free = zmq_transport_free,
};

struct transport *transport_zmq_new(struct host *host)
{
	const struct zmq_api *z = zmq_api_get();
	if (!z || !context_get(z))
		return NULL;
	struct zmq_transport *t = xcalloc(1, sizeof *t);
	t->base.ops = &zmq_ops;
	t->host = host;
	host_defer_init(&t->again, host, on_again, t);
	return &t->base;
}
