/* Byte streams: Unix sockets and loopback TCP.
 *
 * A stream is its owner's from the accept or connect callback until
 * host_stream_close or host_stream_close_flushed; after either no callback of
 * the stream is called again. Both may be called inside any callback. */
#ifndef HOST_STREAM_H
#define HOST_STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/host.h"

#define HOST_STREAM_SEND_BUFFER (4u << 20) /* SO_SNDBUF asked for (protocol.md 3.3); the kernel may give less */
#define HOST_STREAM_BACKLOG 512

struct host_stream;
struct host_listener;

struct host_stream_events {
	/* Bytes as they come, never 0; p is valid during the call only. */
	void (*read)(void *ctx, const uint8_t *p, size_t n);
	/* Nothing more will be read: err 0 = the other side finished, else negative
	 * errno. Called once. Writing may still work after err 0. */
	void (*end)(void *ctx, int err);
};

/* s is the callee's, not reading yet. */
typedef void host_accept_fn(void *ctx, struct host_stream *s);
/* err 0 and s the callee's, or a negative errno and NULL. */
typedef void host_connect_fn(void *ctx, int err, struct host_stream *s);

/* Listens on a Unix socket at path. The file is 0600 from the moment it is there
 * (umask). A socket file nobody answers on is replaced; -EADDRINUSE when
 * somebody does, or when something other than a socket is at path. Peers of
 * another user than ours and root are closed unseen (SO_PEERCRED).
 * -ENAMETOOLONG when path does not fit sockaddr_un. */
int host_listen_unix(struct host *h, const char *path, host_accept_fn *fn, void *ctx, struct host_listener **ret);
/* Listens on 127.0.0.1; port 0 = any, *ret_port (may be NULL) is the one taken. */
int host_listen_loopback(struct host *h, uint16_t port, host_accept_fn *fn, void *ctx, struct host_listener **ret,
			 uint16_t *ret_port);
/* Also removes a Unix socket's file if it is still the one made. */
void host_listener_close(struct host_listener *l);

/* Result by callback, in a later turn (also failures), unless the return value
 * is negative, in which case fn is not called. */
int host_connect_unix(struct host *h, const char *path, host_connect_fn *fn, void *ctx);
int host_connect_loopback(struct host *h, uint16_t port, host_connect_fn *fn, void *ctx);

/* Starts (or goes on) reading. ev must outlive the stream. */
void host_stream_read_start(struct host_stream *s, const struct host_stream_events *ev, void *ctx);
/* Back-pressure: no read callbacks until host_stream_read_start again. */
void host_stream_read_stop(struct host_stream *s);

typedef void host_written_fn(void *ctx, int err);
/* Sends n bytes as one unit: handed to the kernel in one call, so a frame
 * arrives whole wherever the socket buffer has room (protocol.md 3.3); the rest
 * is queued. p was malloc'ed and is the stream's from now on, whatever is
 * returned. done (may be NULL) is called in a later turn once the kernel has
 * all of it or the stream failed, not after close. -EPIPE after
 * host_stream_finish. The queue has no limit of its own: see
 * host_stream_queued. */
int host_stream_write(struct host_stream *s, void *p, size_t n, host_written_fn *done, void *ctx);
/* Bytes accepted by host_stream_write that the kernel has not taken yet. */
size_t host_stream_queued(const struct host_stream *s);
/* Ends the write direction once the queue is empty. Reading goes on. */
void host_stream_finish(struct host_stream *s);
/* Gives the stream up at once; what is queued is dropped. */
void host_stream_close(struct host_stream *s);
/* Gives the stream up; it sends what is queued (for at most `limit`), then closes. */
void host_stream_close_flushed(struct host_stream *s, uint64_t limit);

struct host_peer_cred {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};
/* -ENOTSUP on TCP. */
int host_stream_peer(const struct host_stream *s, struct host_peer_cred *ret);
#endif
