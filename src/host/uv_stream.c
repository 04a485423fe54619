#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "host/uv_impl.h"

struct uv_stream {
	struct host_stream base;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	} u;
	bool is_tcp;
	bool ended;     /* end was told */
	bool finishing; /* nothing more is written */
	bool shut;      /* ... and the peer has been told */
	bool given_up;  /* close_flushed: no callbacks any more */
	bool closed;
	int write_err;
	uv_shutdown_t shutdown;
	struct host_timer limit;
};

struct uv_listener {
	struct host_listener base;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	} u;
	bool is_tcp;
	host_accept_fn *fn;
	void *ctx;
	char *path; /* Unix: its socket file */
	dev_t dev;
	ino_t ino;
};

struct uv_write {
	uv_write_t req;
	struct uv_stream *stream;
	void *p;
	host_written_fn *done;
	void *ctx;
};

struct uv_connect {
	uv_connect_t req;
	struct uv_stream *stream;
	host_connect_fn *fn;
	void *ctx;
};

static struct uv_stream *stream_of(const struct host_stream *s)
{
	return (struct uv_stream *)(uintptr_t)s;
}

/* ---- making and ending ---- */

static void stream_limit_passed(void *ctx);

static struct uv_stream *stream_new(struct host *h, bool is_tcp)
{
	struct uv_stream *s = xcalloc(1, sizeof *s);

	s->base.host = h;
	s->is_tcp = is_tcp;
	if (is_tcp)
		uv_tcp_init(host_uv_loop(h), &s->u.tcp);
	else
		uv_pipe_init(host_uv_loop(h), &s->u.pipe, 0);
	s->u.handle.data = s;
	host_timer_init(&s->limit, h, stream_limit_passed, s);
	return s;
}

static void stream_freed(uv_handle_t *handle)
{
	free(handle->data);
}

static void flushing_remove(struct host_uv *u, const struct uv_stream *s)
{
	for (size_t i = 0; i < u->flushing.n; i++) {
		if (u->flushing.p[i] == s) {
			VEC_REMOVE(&u->flushing, i);
			return;
		}
	}
}

static void stream_destroy(struct uv_stream *s)
{
	if (s->closed)
		return;
	s->closed = true;
	if (s->given_up)
		flushing_remove(host_uv_of(s->base.host), s);
	host_timer_stop(&s->limit);
	if (!uv_is_closing(&s->u.handle))
		uv_close(&s->u.handle, stream_freed);
}

static void stream_limit_passed(void *ctx)
{
	stream_destroy(ctx);
}

/* Frames go out whole only if the kernel takes them in one go (protocol.md 3.3). */
static void stream_tune(struct uv_stream *s)
{
	int size = HOST_STREAM_SEND_BUFFER;
	uv_os_fd_t fd;

	if (uv_fileno(&s->u.handle, &fd) == 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (s->is_tcp)
		uv_tcp_nodelay(&s->u.tcp, 1);
}

void uv_host_stream_close(struct host_stream *base)
{
	stream_destroy(stream_of(base));
}

/* ---- reading ---- */

static void stream_end(struct uv_stream *s, int err)
{
	bool told = s->ended;

	uv_read_stop(&s->u.stream);
	s->ended = true;
	if (!s->given_up) {
		if (!told)
			s->base.ev->end(s->base.ctx, err);
	} else if (err < 0 || s->shut) {
		/* A peer that only finished its own side may still be reading ours. */
		stream_destroy(s);
	}
}

static void stream_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
	struct uv_stream *s = handle->data;

	if (s->closed || n == 0)
		return;
	if (n < 0)
		stream_end(s, n == UV_EOF ? 0 : (int)n);
	else if (!s->given_up)
		s->base.ev->read(s->base.ctx, (const uint8_t *)buf->base, (size_t)n);
}

void uv_host_stream_read_start(struct host_stream *base)
{
	struct uv_stream *s = stream_of(base);

	if (!s->ended && !s->closed)
		uv_read_start(&s->u.stream, host_uv_alloc, stream_read);
}

void uv_host_stream_read_stop(struct host_stream *base)
{
	uv_read_stop(&stream_of(base)->u.stream);
}

/* ---- writing ---- */

static void stream_shut(uv_shutdown_t *req, int status)
{
	struct uv_stream *s = req->data;

	s->shut = true;
	/* A Unix peer reads what was sent even after we closed. TCP would reset the
	 * connection if the peer had sent more: wait for its end, or the limit. */
	if (s->given_up && (status < 0 || !s->is_tcp || s->ended))
		stream_destroy(s);
}

static void stream_written(uv_write_t *req, int status)
{
	struct uv_write *w = req->data;
	struct uv_stream *s = w->stream;

	/* libuv calls this for what close threw away, too: then s is still there, but
	 * its owner may not be. */
	if (status < 0 && s->write_err == 0)
		s->write_err = status;
	if (w->done && !s->closed && !s->given_up)
		w->done(w->ctx, status);
	free(w->p);
	free(w);
}

/* True when the kernel took all of it at once, which is the usual case. */
static bool stream_try_write(struct uv_stream *s, const void *p, size_t n, size_t *ret_taken)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
	int taken = uv_try_write(&s->u.stream, &buf, 1);

	*ret_taken = taken > 0 ? (size_t)taken : 0;
	return taken >= 0 && (size_t)taken == n;
}

int uv_host_stream_write(struct host_stream *base, void *p, size_t n, host_written_fn *done, void *ctx)
{
	struct uv_stream *s = stream_of(base);
	struct uv_write *w;
	size_t taken = 0;
	uv_buf_t buf;
	int err = s->finishing || s->closed ? -EPIPE : s->write_err;

	if (err == 0 && n > UINT32_MAX)
		err = -EMSGSIZE;
	if (err < 0 || (!done && stream_try_write(s, p, n, &taken))) {
		free(p);
		return err;
	}
	w = xcalloc(1, sizeof *w);
	*w = (struct uv_write){.stream = s, .p = p, .done = done, .ctx = ctx};
	w->req.data = w;
	buf = uv_buf_init((char *)p + taken, (unsigned)(n - taken));
	err = uv_write(&w->req, &s->u.stream, &buf, 1, stream_written);
	if (err < 0) {
		free(p);
		free(w);
	}
	return err;
}

size_t uv_host_stream_queued(const struct host_stream *base)
{
	return uv_stream_get_write_queue_size(&stream_of(base)->u.stream);
}

void uv_host_stream_finish(struct host_stream *base)
{
	struct uv_stream *s = stream_of(base);

	if (s->finishing || s->closed)
		return;
	s->finishing = true;
	s->shutdown.data = s;
	if (uv_shutdown(&s->shutdown, &s->u.stream, stream_shut) < 0)
		s->shut = true; /* no longer connected */
}

void uv_host_stream_close_flushed(struct host_stream *base, uint64_t limit)
{
	struct uv_stream *s = stream_of(base);

	if (s->closed || s->given_up)
		return;
	s->given_up = true;
	uv_host_stream_finish(base);
	if (s->write_err < 0 || (s->shut && (!s->is_tcp || s->ended))) {
		stream_destroy(s);
		return;
	}
	VEC_PUSH(&host_uv_of(base->host)->flushing, s);
	host_timer_start(&s->limit, limit);
	/* Reading on, with the bytes thrown away, is how the peer's end is seen. */
	if (!s->ended)
		uv_read_start(&s->u.stream, host_uv_alloc, stream_read);
}

/* The host's end waits for nobody's reading. */
void uv_streams_abandon(struct host_uv *u)
{
	while (u->flushing.n)
		stream_destroy(u->flushing.p[0]);
	VEC_FREE(&u->flushing);
}

int uv_host_stream_peer(const struct host_stream *base, struct host_peer_cred *ret)
{
	struct uv_stream *s = stream_of(base);
	struct ucred cred;
	socklen_t n = sizeof cred;
	uv_os_fd_t fd;

	if (s->is_tcp)
		return -ENOTSUP;
	if (uv_fileno(&s->u.handle, &fd) < 0)
		return -ENOTCONN;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return -errno;
	*ret = (struct host_peer_cred){.pid = cred.pid, .uid = cred.uid, .gid = cred.gid};
	return 0;
}

/* ---- listening ---- */

static bool peer_allowed(struct uv_stream *s)
{
	struct host_peer_cred cred;

	if (s->is_tcp)
		return true;
	if (uv_host_stream_peer(&s->base, &cred) < 0)
		return false;
	if (cred.uid == geteuid() || cred.uid == 0)
		return true;
	log_warn("host", "refused a connection of user %u (process %d)", (unsigned)cred.uid, (int)cred.pid);
	return false;
}

static void listener_ready(uv_stream_t *server, int status)
{
	struct uv_listener *l = server->data;
	struct uv_stream *s;

	if (status < 0) {
		log_warn("host", "accept failed: %s", uv_strerror(status));
		return;
	}
	s = stream_new(l->base.host, l->is_tcp);
	if (uv_accept(server, &s->u.stream) < 0 || !peer_allowed(s)) {
		stream_destroy(s);
		return;
	}
	stream_tune(s);
	l->fn(l->ctx, &s->base);
}

static struct uv_listener *listener_new(struct host *h, bool is_tcp, host_accept_fn *fn, void *ctx)
{
	struct uv_listener *l = xcalloc(1, sizeof *l);

	l->base.host = h;
	l->is_tcp = is_tcp;
	l->fn = fn;
	l->ctx = ctx;
	if (is_tcp)
		uv_tcp_init(host_uv_loop(h), &l->u.tcp);
	else
		uv_pipe_init(host_uv_loop(h), &l->u.pipe, 0);
	l->u.handle.data = l;
	return l;
}

static void listener_freed(uv_handle_t *handle)
{
	struct uv_listener *l = handle->data;

	free(l->path);
	free(l);
}

void uv_host_listener_close(struct host_listener *base)
{
	struct uv_listener *l = (struct uv_listener *)base;
	struct stat st;

	if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	uv_close(&l->u.handle, listener_freed);
}

static int address_unix(const char *path, struct sockaddr_un *ret)
{
	size_t n = strlen(path);

	memset(ret, 0, sizeof *ret);
	ret->sun_family = AF_UNIX;
	if (n == 0)
		return -EINVAL;
	if (n >= sizeof ret->sun_path)
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, n + 1);
	return 0;
}

/* Removes a socket file nobody listens on. */
static int remove_stale(const char *path, const struct sockaddr_un *address)
{
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
	close(fd);
	if (rc != ECONNREFUSED && rc != ENOENT)
		return -EADDRINUSE; /* a full backlog says EAGAIN: somebody is there */
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t old = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 0;

	umask(old);
	return rc;
}

/* libuv's own bind knows no umask: the socket is made here and handed over. */
static int socket_unix(const char *path, struct stat *ret_st)
{
	struct sockaddr_un address;
	int fd, err = address_unix(path, &address);

	if (err == 0)
		err = remove_stale(path, &address);
	if (err < 0)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = bind_private(fd, &address);
	if (err == 0 && lstat(path, ret_st) < 0)
		err = -errno;
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

int uv_host_listen_unix(struct host *h, const char *path, host_accept_fn *fn, void *ctx, struct host_listener **ret)
{
	struct uv_listener *l;
	struct stat st;
	int fd = socket_unix(path, &st), err;

	if (fd < 0)
		return fd;
	l = listener_new(h, false, fn, ctx);
	l->path = xstrdup(path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	err = uv_pipe_open(&l->u.pipe, fd);
	if (err < 0)
		close(fd);
	else
		err = uv_listen(&l->u.stream, HOST_STREAM_BACKLOG, listener_ready);
	if (err < 0) {
		uv_host_listener_close(&l->base);
		return err;
	}
	*ret = &l->base;
	return 0;
}

int uv_host_listen_loopback(struct host *h, uint16_t port, host_accept_fn *fn, void *ctx, struct host_listener **ret,
			    uint16_t *ret_port)
{
	struct uv_listener *l = listener_new(h, true, fn, ctx);
	struct sockaddr_in address;
	int n = sizeof address, err;

	uv_ip4_addr("127.0.0.1", port, &address);
	err = uv_tcp_bind(&l->u.tcp, (const struct sockaddr *)&address, 0);
	if (err == 0)
		err = uv_listen(&l->u.stream, HOST_STREAM_BACKLOG, listener_ready);
	if (err == 0)
		err = uv_tcp_getsockname(&l->u.tcp, (struct sockaddr *)&address, &n);
	if (err < 0) {
		uv_host_listener_close(&l->base);
		return err;
	}
	if (ret_port)
		*ret_port = ntohs(address.sin_port);
	*ret = &l->base;
	return 0;
}

/* ---- connecting ---- */

static void connect_done(uv_connect_t *req, int status)
{
	struct uv_connect *c = req->data;

	if (status < 0) {
		stream_destroy(c->stream);
		if (status != UV_ECANCELED)
			c->fn(c->ctx, status, NULL);
	} else {
		stream_tune(c->stream);
		c->fn(c->ctx, 0, &c->stream->base);
	}
	free(c);
}

static struct uv_connect *connect_new(struct host *h, bool is_tcp, host_connect_fn *fn, void *ctx)
{
	struct uv_connect *c = xcalloc(1, sizeof *c);

	*c = (struct uv_connect){.stream = stream_new(h, is_tcp), .fn = fn, .ctx = ctx};
	c->req.data = c;
	return c;
}

int uv_host_connect_unix(struct host *h, const char *path, host_connect_fn *fn, void *ctx)
{
	struct sockaddr_un address;
	struct uv_connect *c;
	int err = address_unix(path, &address); /* libuv would cut the path silently */

	if (err < 0)
		return err;
	c = connect_new(h, false, fn, ctx);
	uv_pipe_connect(&c->req, &c->stream->u.pipe, path, connect_done);
	return 0;
}

int uv_host_connect_loopback(struct host *h, uint16_t port, host_connect_fn *fn, void *ctx)
{
	struct uv_connect *c = connect_new(h, true, fn, ctx);
	struct sockaddr_in address;
	int err;

	uv_ip4_addr("127.0.0.1", port, &address);
	err = uv_tcp_connect(&c->req, &c->stream->u.tcp, (const struct sockaddr *)&address, connect_done);
	if (err < 0) {
		stream_destroy(c->stream);
		free(c);
	}
	return err;
}
