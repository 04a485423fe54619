#include "host/stream.h"

#include "host/impl.h"

int host_listen_unix(struct host *h, const char *path, host_accept_fn *fn, void *ctx, struct host_listener **ret)
{
	return h->ops->listen_unix(h, path, fn, ctx, ret);
}

int host_listen_loopback(struct host *h, uint16_t port, host_accept_fn *fn, void *ctx, struct host_listener **ret,
			 uint16_t *ret_port)
{
	return h->ops->listen_loopback(h, port, fn, ctx, ret, ret_port);
}

void host_listener_close(struct host_listener *l)
{
	if (l)
		l->host->ops->listener_close(l);
}

int host_connect_unix(struct host *h, const char *path, host_connect_fn *fn, void *ctx)
{
	return h->ops->connect_unix(h, path, fn, ctx);
}

int host_connect_loopback(struct host *h, uint16_t port, host_connect_fn *fn, void *ctx)
{
	return h->ops->connect_loopback(h, port, fn, ctx);
}

void host_stream_read_start(struct host_stream *s, const struct host_stream_events *ev, void *ctx)
{
	s->ev = ev;
	s->ctx = ctx;
	s->host->ops->stream_read_start(s);
}

void host_stream_read_stop(struct host_stream *s)
{
	s->host->ops->stream_read_stop(s);
}

int host_stream_write(struct host_stream *s, void *p, size_t n, host_written_fn *done, void *ctx)
{
	return s->host->ops->stream_write(s, p, n, done, ctx);
}

size_t host_stream_queued(const struct host_stream *s)
{
	return s->host->ops->stream_queued(s);
}

void host_stream_finish(struct host_stream *s)
{
	s->host->ops->stream_finish(s);
}

void host_stream_close(struct host_stream *s)
{
	if (s)
		s->host->ops->stream_close(s);
}

void host_stream_close_flushed(struct host_stream *s, uint64_t limit)
{
	if (s)
		s->host->ops->stream_close_flushed(s, limit);
}

int host_stream_peer(const struct host_stream *s, struct host_peer_cred *ret)
{
	return s->host->ops->stream_peer(s, ret);
}
