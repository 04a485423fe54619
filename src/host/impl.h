/* Between the host's public functions and its implementations; nobody else
 * includes this. */
#ifndef HOST_IMPL_H
#define HOST_IMPL_H
#include <pthread.h>
#include <sys/types.h>

#include "base/vec.h"
#include "host/file.h"
#include "host/host.h"
#include "host/poll.h"
#include "host/process.h"
#include "host/signal.h"
#include "host/stream.h"
#include "host/watch.h"

/* File operations. Thread-safe. Results: 0 or a byte count, or negative errno. */
struct host_file_ops {
	int (*open)(void *self, const char *path, int flags, unsigned mode, int *ret_fd);
	int (*close)(void *self, int fd);
	ssize_t (*pread)(void *self, int fd, void *p, size_t n, uint64_t offset);
	ssize_t (*pwrite)(void *self, int fd, const void *p, size_t n, uint64_t offset); /* may be short */
	int (*sync)(void *self, int fd, bool data_only);
	int (*truncate)(void *self, int fd, uint64_t size);
	int (*fstat)(void *self, int fd, struct host_file_info *ret);
	int (*fchmod)(void *self, int fd, unsigned mode);
	int (*fchown)(void *self, int fd, uint32_t uid, uint32_t gid);
	int (*lock)(void *self, int fd);
	int (*stat)(void *self, const char *path, bool follow, struct host_file_info *ret);
	int (*real)(void *self, const char *path, char **ret);
	int (*rename)(void *self, const char *from, const char *to);
	int (*unlink)(void *self, const char *path);
	int (*link)(void *self, const char *from, const char *to);
	int (*symlink)(void *self, const char *target, const char *path);
	int (*readlink)(void *self, const char *path, char **ret_target);
	int (*chmod)(void *self, const char *path, unsigned mode);
	int (*access)(void *self, const char *path, int mode);
	int (*touch)(void *self, const char *path);
	int (*mkdir)(void *self, const char *path, unsigned mode);
	int (*rmdir)(void *self, const char *path);
	int (*list)(void *self, const char *path, char ***ret_names, size_t *ret_n); /* any order */
};

struct host_ops {
	uint64_t (*now)(struct host *h);
	int64_t (*wall)(struct host *h);
	void (*random)(struct host *h, void *p, size_t n);
	void (*work)(struct host *h, host_fn *run, host_fn *done, void *ctx);
	/* One whole turn, its end included, after waiting for something to happen;
	 * -EDEADLK when nothing ever can (sim). */
	int (*turn)(struct host *h);
	void (*wake)(struct host *h); /* the running turn must not wait */
	void (*free)(struct host *h);

	int (*listen_unix)(struct host *h, const char *path, host_accept_fn *fn, void *ctx, struct host_listener **ret);
	int (*listen_loopback)(struct host *h, uint16_t port, host_accept_fn *fn, void *ctx,
			       struct host_listener **ret, uint16_t *ret_port);
	void (*listener_close)(struct host_listener *l);
	int (*connect_unix)(struct host *h, const char *path, host_connect_fn *fn, void *ctx);
	int (*connect_loopback)(struct host *h, uint16_t port, host_connect_fn *fn, void *ctx);
	void (*stream_read_start)(struct host_stream *s);
	void (*stream_read_stop)(struct host_stream *s);
	int (*stream_write)(struct host_stream *s, void *p, size_t n, host_written_fn *done, void *ctx);
	size_t (*stream_queued)(const struct host_stream *s);
	void (*stream_finish)(struct host_stream *s);
	void (*stream_close)(struct host_stream *s);
	void (*stream_close_flushed)(struct host_stream *s, uint64_t limit);
	int (*stream_peer)(const struct host_stream *s, struct host_peer_cred *ret);

	int (*watch_dir)(struct host *h, const char *dir, host_watch_fn *fn, void *ctx, struct host_watch **ret);
	void (*watch_close)(struct host_watch *w);

	int (*spawn)(struct host *h, const struct host_spawn *spec, struct host_process **ret);
	int (*process_signal)(struct host_process *p, int sig, bool group);
	void (*process_close)(struct host_process *p);
	int (*pid_start_time)(struct host *h, pid_t pid, uint64_t *ret);
	int (*pgid_signal)(struct host *h, pid_t pgid, uint64_t start_time, int sig);

	int (*poll_open)(struct host *h, int fd, host_fn *fn, void *ctx, struct host_poll **ret);
	void (*poll_close)(struct host_poll *p);
	int (*signal_open)(struct host *h, int signum, host_signal_fn *fn, void *ctx, struct host_signal **ret);
	void (*signal_close)(struct host_signal *s);
};

struct host {
	const struct host_ops *ops;
	const struct host_file_ops *file;
	void *file_self;
	struct host_timer **timers; /* binary heap by (at, seq) */
	size_t n_timers, cap_timers;
	uint64_t seq;
	struct host_defer defers; /* head of a ring */
	struct host_hook *hooks, *hook_cursor;
	size_t work_pending;
	uint64_t turn;
	bool stopped;

	/* Paths of directories with new directories in them that no sync has covered: file.c. */
	pthread_mutex_t unsettled_lock;
	VEC(char *) unsettled;
};

/* First members of the implementations' structures. */
struct host_stream {
	struct host *host;
	const struct host_stream_events *ev;
	void *ctx;
};
struct host_listener {
	struct host *host;
};
struct host_watch {
	struct host *host;
};
struct host_process {
	struct host *host;
	pid_t pid;
	bool running;
};
struct host_poll {
	struct host *host;
};
struct host_signal {
	struct host *host;
};

void host_core_init(struct host *h, const struct host_ops *ops, const struct host_file_ops *file, void *file_self);
void host_core_fini(struct host *h);
/* Runs what is due. */
void host_core_timers(struct host *h);
/* The earliest timer's time, or UINT64_MAX. */
uint64_t host_core_next(const struct host *h);
/* Deferred calls, then hooks. */
void host_core_turn_end(struct host *h);
/* Something waits for the end of a turn. */
bool host_core_deferred(const struct host *h);

/* posix_file.c: the real file system; self is not used. */
extern const struct host_file_ops host_posix_file_ops;
#endif
