/* Child processes. */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "host/host.h"

struct host_process;

struct host_process_events {
	/* Bytes of a pipe: fd is 1 or 2. n 0 (p NULL) is its end; that may come after
	 * exit, or much later when a grandchild keeps the pipe. May be NULL. */
	void (*output)(void *ctx, int fd, const uint8_t *p, size_t n);
	/* The process has ended and was reaped. status is its exit status when signal
	 * is 0. Called once. */
	void (*exit)(void *ctx, int status, int signal);
};

enum {
	HOST_SPAWN_SESSION = 1,    /* a new session and process group, led by the child */
	HOST_SPAWN_DIE_WITH_US = 2, /* SIGKILL to the child when the daemon dies (PR_SET_PDEATHSIG) */
	HOST_SPAWN_STDOUT = 4,     /* deliver standard output; otherwise /dev/null */
	HOST_SPAWN_STDERR = 8,     /* deliver standard error; otherwise /dev/null */
	HOST_SPAWN_INHERIT = 16,   /* standard output and error are ours */
	HOST_SPAWN_MERGE = 32      /* standard error goes into the standard output pipe, in order */
};

struct host_spawn {
	const char *const *argv; /* argv[0]: a path, or a name looked up in env's PATH; NULL at the end */
	const char *const *env;  /* NULL = ours */
	const char *cwd;         /* NULL = ours */
	unsigned flags;
	const void *input; /* given to the child's standard input, copied; NULL = /dev/null */
	size_t input_n;
	const struct host_process_events *events; /* must outlive the process */
	void *ctx;
};

/* Errors of exec and chdir (-ENOENT, -EACCES, ...) are returned here. Signal
 * dispositions and mask of the child are the default ones. */
int host_process_spawn(struct host *h, const struct host_spawn *spec, struct host_process **ret);
pid_t host_process_pid(const struct host_process *p);
/* True until the exit callback. */
bool host_process_running(const struct host_process *p);
/* To the process alone. -ESRCH once it has been reaped. */
int host_process_signal(struct host_process *p, int sig);
/* To the process group with HOST_SPAWN_SESSION, else to the process. The group is
 * signalled even after its leader ended (grandchildren). */
int host_process_signal_group(struct host_process *p, int sig);
/* No callbacks any more; a process still running goes on and is reaped silently. */
void host_process_close(struct host_process *p);

/* ---- by pid, for children of a former daemon ---- */

/* Field 22 of /proc/<pid>/stat, clock ticks since boot: with it a pid is unique.
 * -ESRCH when there is no such process (or it is a zombie). */
int host_pid_start_time(struct host *h, pid_t pid, uint64_t *ret);
/* True when the process is there and started then. */
bool host_pid_matches(struct host *h, pid_t pid, uint64_t start_time);
/* Signals group pgid if its leader (pid == pgid) is the one that started then,
 * or has ended while members remain whose session is pgid; -ESRCH otherwise. */
int host_pgid_signal(struct host *h, pid_t pgid, uint64_t start_time, int sig);

/* ---- run a tool to its end ---- */

struct host_run_result {
	int error;          /* 0, negative errno of the spawn, -ETIMEDOUT or -EFBIG (killed in both) */
	int status, signal; /* when error is 0 */
	struct buf out, err; /* what was said, NUL-terminated; the callee may buf_take them */
};
typedef void host_run_fn(void *ctx, struct host_run_result *r);
struct host_run;
/* spec's events, ctx and flags other than MERGE are ignored; the tool gets its
 * own session. done is called once, in a later turn. limit is in bytes per pipe. */
struct host_run *host_run_tool(struct host *h, const struct host_spawn *spec, uint64_t timeout, size_t limit,
			       host_run_fn *done, void *ctx);
/* Kills the tool's group; done is not called. Not after done. */
void host_run_cancel(struct host_run *r);
#endif
