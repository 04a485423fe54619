/* Shared by the uv_*.c files. */
#ifndef HOST_UV_IMPL_H
#define HOST_UV_IMPL_H
#include <sys/resource.h>
#include <uv.h>

#include "base/vec.h"
#include "host/impl.h"

#define UV_READ_BUFFER (256u << 10)

struct uv_child;

struct host_uv {
	struct host base;
	uv_loop_t loop;
	uv_prepare_t prepare;
	uv_idle_t idle; /* active while something deferred waits, so that the loop does not */
	uv_timer_t timer;
	uint64_t armed; /* what timer is set to; UINT64_MAX = stopped */
	/* Streams are read one at a time, so one buffer serves all. */
	char *read_buffer;
	uv_signal_t sigchld;
	bool sigchld_open;
	VEC(struct uv_child *) children;
	VEC(struct uv_stream *) flushing; /* their owners are gone, what they wrote is on its way */
	struct rlimit files; /* as we were started: children get it back */
};

static inline struct host_uv *host_uv_of(struct host *h)
{
	return (struct host_uv *)h;
}
static inline uv_loop_t *host_uv_loop(struct host *h)
{
	return &((struct host_uv *)h)->loop;
}
/* Allocation callback that hands out read_buffer; handle->loop->data is the host. */
void host_uv_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret);

/* uv_stream.c */
int uv_host_listen_unix(struct host *h, const char *path, host_accept_fn *fn, void *ctx, struct host_listener **ret);
int uv_host_listen_loopback(struct host *h, uint16_t port, host_accept_fn *fn, void *ctx, struct host_listener **ret,
			    uint16_t *ret_port);
void uv_host_listener_close(struct host_listener *l);
int uv_host_connect_unix(struct host *h, const char *path, host_connect_fn *fn, void *ctx);
int uv_host_connect_loopback(struct host *h, uint16_t port, host_connect_fn *fn, void *ctx);
void uv_host_stream_read_start(struct host_stream *s);
void uv_host_stream_read_stop(struct host_stream *s);
int uv_host_stream_write(struct host_stream *s, void *p, size_t n, host_written_fn *done, void *ctx);
size_t uv_host_stream_queued(const struct host_stream *s);
void uv_host_stream_finish(struct host_stream *s);
void uv_host_stream_close(struct host_stream *s);
void uv_host_stream_close_flushed(struct host_stream *s, uint64_t limit);
int uv_host_stream_peer(const struct host_stream *s, struct host_peer_cred *ret);

/* uv_process.c */
int uv_host_spawn(struct host *h, const struct host_spawn *spec, struct host_process **ret);
int uv_host_process_signal(struct host_process *p, int sig, bool group);
void uv_host_process_close(struct host_process *p);
void uv_children_free(struct host_uv *u);
void uv_streams_abandon(struct host_uv *u);
int uv_host_pid_start_time(struct host *h, pid_t pid, uint64_t *ret);
int uv_host_pgid_signal(struct host *h, pid_t pgid, uint64_t start_time, int sig);

/* uv_misc.c */
int uv_host_watch_dir(struct host *h, const char *dir, host_watch_fn *fn, void *ctx, struct host_watch **ret);
void uv_host_watch_close(struct host_watch *w);
int uv_host_poll_open(struct host *h, int fd, host_fn *fn, void *ctx, struct host_poll **ret);
void uv_host_poll_close(struct host_poll *p);
int uv_host_signal_open(struct host *h, int signum, host_signal_fn *fn, void *ctx, struct host_signal **ret);
void uv_host_signal_close(struct host_signal *s);
#endif
