#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/sim_impl.h"

/* Streams between parties of one simulated host. Each end has a queue of writes
 * and an inbox the other end's writes go to, at most SIM_PIPE_MAX of it at a
 * time; bytes arrive in pieces the seed chooses. */

struct sim_listener {
	struct host_listener base;
	char *key;
	host_accept_fn *fn;
	void *ctx;
};

struct sim_write {
	uint8_t *p;
	size_t n, sent;
	host_written_fn *done;
	void *ctx;
};

struct sim_stream {
	struct host_stream base;
	struct sim_stream *other; /* NULL once that end is gone */
	bool is_tcp;
	VEC(struct sim_write) writes;
	struct buf inbox;
	bool reading, scheduled;
	bool finishing;  /* nothing more is written */
	bool sent_end;   /* ... and the other end was told */
	bool other_done; /* no more comes into the inbox */
	int other_err;
	bool ended, given_up;
	struct host_timer limit;
};

static struct sim_stream *stream_of(const struct host_stream *s)
{
	return (struct sim_stream *)(uintptr_t)s;
}

static struct host_sim *world(const struct sim_stream *s)
{
	return sim_of(s->base.host);
}

static void stream_step(void *ctx);

static void stream_schedule(struct sim_stream *s)
{
	if (s->scheduled)
		return;
	s->scheduled = true;
	sim_event_add(world(s), HOST_US(200), stream_step, s, s);
}

static void stream_destroy(struct sim_stream *s, int err)
{
	sim_events_cancel(world(s), s);
	host_timer_stop(&s->limit);
	if (s->other) {
		s->other->other = NULL;
		s->other->other_done = true;
		s->other->other_err = s->sent_end ? 0 : err;
		stream_schedule(s->other);
	}
	for (size_t i = 0; i < s->writes.n; i++)
		free(s->writes.p[i].p);
	VEC_FREE(&s->writes);
	buf_free(&s->inbox);
	free(s);
}

static void limit_passed(void *ctx)
{
	stream_destroy(ctx, 0);
}

static struct sim_stream *stream_new(struct host *h, bool is_tcp)
{
	struct sim_stream *s = xcalloc(1, sizeof *s);

	s->base.host = h;
	s->is_tcp = is_tcp;
	host_timer_init(&s->limit, h, limit_passed, s);
	return s;
}

/* Moves what fits of the first write. Returns true when it is over, with what
 * to tell in *ret. */
static bool write_some(struct sim_stream *s, struct sim_write *ret)
{
	struct sim_write *w = &s->writes.p[0];

	if (s->other && w->sent < w->n) {
		size_t room = s->other->inbox.n < SIM_PIPE_MAX ? SIM_PIPE_MAX - s->other->inbox.n : 0;
		size_t n = w->n - w->sent < room ? w->n - w->sent : room;

		buf_append(&s->other->inbox, w->p + w->sent, n);
		w->sent += n;
		if (n > 0)
			stream_schedule(s->other);
	}
	if (s->other && w->sent < w->n)
		return false;
	*ret = *w;
	VEC_REMOVE(&s->writes, 0);
	free(ret->p);
	return true;
}

/* One step of an end: one write on, or one piece delivered, or the end told.
 * Callbacks may destroy s, so each is the last thing done. */
static void stream_step(void *ctx)
{
	struct sim_stream *s = ctx;
	struct sim_write over = {0};

	s->scheduled = false;
	if (s->writes.n > 0 && write_some(s, &over)) {
		stream_schedule(s);
		if (over.done && !s->given_up)
			over.done(over.ctx, s->other || over.sent == over.n ? 0 : -EPIPE);
		return;
	}
	if (s->finishing && s->writes.n == 0 && !s->sent_end) {
		s->sent_end = true;
		if (s->other) {
			s->other->other_done = true;
			stream_schedule(s->other);
		}
	}
	if (s->given_up) {
		buf_clear(&s->inbox);
		if (s->sent_end && (!s->is_tcp || s->other_done))
			stream_destroy(s, 0);
		else if (s->other)
			stream_schedule(s->other); /* there is room again */
		return;
	}
	if (!s->reading || s->ended)
		return;
	if (s->inbox.n > 0) {
		size_t n = 1 + (size_t)sim_random_below(&world(s)->schedule, s->inbox.n);
		uint8_t *piece;

		/* Mostly all there is: tiny pieces are the exception, as in life. */
		if (sim_random_below(&world(s)->schedule, 4) > 0)
			n = s->inbox.n;
		piece = xmemdup(s->inbox.p, n);
		buf_consume(&s->inbox, n);
		stream_schedule(s);
		if (s->other)
			stream_schedule(s->other);
		s->base.ev->read(s->base.ctx, piece, n);
		free(piece);
	} else if (s->other_done) {
		s->ended = true;
		s->base.ev->end(s->base.ctx, s->other_err);
	}
}

void sim_stream_read_start(struct host_stream *base)
{
	stream_of(base)->reading = true;
	stream_schedule(stream_of(base));
}

void sim_stream_read_stop(struct host_stream *base)
{
	stream_of(base)->reading = false;
}

int sim_stream_write(struct host_stream *base, void *p, size_t n, host_written_fn *done, void *ctx)
{
	struct sim_stream *s = stream_of(base);
	struct sim_write w = {.p = p, .n = n, .done = done, .ctx = ctx};

	if (s->finishing || (!s->other && !done)) {
		free(p);
		return -EPIPE;
	}
	VEC_PUSH(&s->writes, w);
	stream_schedule(s);
	return 0;
}

size_t sim_stream_queued(const struct host_stream *base)
{
	const struct sim_stream *s = stream_of(base);
	size_t n = 0;

	for (size_t i = 0; i < s->writes.n; i++)
		n += s->writes.p[i].n - s->writes.p[i].sent;
	return n;
}

void sim_stream_finish(struct host_stream *base)
{
	stream_of(base)->finishing = true;
	stream_schedule(stream_of(base));
}

void sim_stream_close(struct host_stream *base)
{
	struct sim_stream *s = stream_of(base);

	/* What was written and fits in the pipe had left before, as in a kernel. */
	while (s->writes.n > 0 && s->other) {
		struct sim_write over;

		if (!write_some(s, &over))
			break;
	}
	stream_destroy(s, s->inbox.n > 0 ? -ECONNRESET : 0);
}

void sim_stream_close_flushed(struct host_stream *base, uint64_t limit)
{
	struct sim_stream *s = stream_of(base);

	s->given_up = true;
	s->finishing = true;
	host_timer_start(&s->limit, limit);
	stream_schedule(s);
}

int sim_stream_peer(const struct host_stream *base, struct host_peer_cred *ret)
{
	if (stream_of(base)->is_tcp)
		return -ENOTSUP;
	*ret = (struct host_peer_cred){.pid = getpid(), .uid = getuid(), .gid = getgid()};
	return 0;
}

/* ---- listening and connecting ---- */

static int listen_on(struct host *h, char *key, host_accept_fn *fn, void *ctx, struct host_listener **ret)
{
	struct sim_listener *l;

	if (map_get(&sim_of(h)->listeners, key)) {
		free(key);
		return -EADDRINUSE;
	}
	l = xcalloc(1, sizeof *l);
	*l = (struct sim_listener){.base.host = h, .key = key, .fn = fn, .ctx = ctx};
	map_put(&sim_of(h)->listeners, key, l);
	*ret = &l->base;
	return 0;
}

int sim_listen_unix(struct host *h, const char *path, host_accept_fn *fn, void *ctx, struct host_listener **ret)
{
	return listen_on(h, xasprintf("u%s", path), fn, ctx, ret);
}

int sim_listen_loopback(struct host *h, uint16_t port, host_accept_fn *fn, void *ctx, struct host_listener **ret,
			uint16_t *ret_port)
{
	int err;

	if (port == 0)
		port = sim_of(h)->next_port++;
	err = listen_on(h, xasprintf("t%u", (unsigned)port), fn, ctx, ret);
	if (err == 0 && ret_port)
		*ret_port = port;
	return err;
}

void sim_listener_close(struct host_listener *base)
{
	struct sim_listener *l = (struct sim_listener *)base;

	map_remove(&sim_of(base->host)->listeners, l->key);
	free(l->key);
	free(l);
}

struct sim_connect {
	struct host *host;
	char *key;
	int missing; /* the error when nobody listens */
	host_connect_fn *fn;
	void *ctx;
};

static void connect_now(void *ctx)
{
	struct sim_connect c = *(struct sim_connect *)ctx;
	struct sim_listener *l = map_get(&sim_of(c.host)->listeners, c.key);
	bool is_tcp = c.key[0] == 't';
	struct sim_stream *client, *server;

	free(ctx);
	free(c.key);
	if (!l) {
		c.fn(c.ctx, c.missing, NULL);
		return;
	}
	client = stream_new(c.host, is_tcp);
	server = stream_new(c.host, is_tcp);
	client->other = server;
	server->other = client;
	l->fn(l->ctx, &server->base);
	c.fn(c.ctx, 0, &client->base);
}

void sim_connects_free(struct host_sim *s)
{
	for (size_t i = 0; i < s->events.n; i++) {
		struct sim_connect *c = s->events.p[i].ctx;

		if (s->events.p[i].fn != connect_now)
			continue;
		free(c->key);
		free(c);
	}
}

static int connect_to(struct host *h, char *key, int missing, host_connect_fn *fn, void *ctx)
{
	struct sim_connect *c = xcalloc(1, sizeof *c);

	*c = (struct sim_connect){.host = h, .key = key, .missing = missing, .fn = fn, .ctx = ctx};
	sim_event_add(sim_of(h), HOST_US(200), connect_now, c, NULL);
	return 0;
}

int sim_connect_unix(struct host *h, const char *path, host_connect_fn *fn, void *ctx)
{
	return connect_to(h, xasprintf("u%s", path), -ENOENT, fn, ctx);
}

int sim_connect_loopback(struct host *h, uint16_t port, host_connect_fn *fn, void *ctx)
{
	return connect_to(h, xasprintf("t%u", (unsigned)port), -ECONNREFUSED, fn, ctx);
}
