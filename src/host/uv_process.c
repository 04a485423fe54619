#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/text.h"
#include "host/uv_impl.h"

/* Children are made with fork and exec of our own: libuv's uv_spawn knows no
 * PR_SET_PDEATHSIG. Between fork and exec only async-signal-safe calls are
 * made; whatever needs memory is prepared before. */

extern char **environ;

#define STAT_TEXT_MAX 4096

/* One pipe of a child; outlives it until libuv has closed the handle. */
struct child_pipe {
	uv_pipe_t handle;
	struct uv_child *child; /* NULL once closed */
	int fd;                 /* 0, 1, 2 from the child's point of view */
	uv_write_t write;
	char *input;
};

struct uv_child {
	struct host_process base;
	const struct host_process_events *events;
	void *ctx;
	bool session;
	bool closed;
	struct child_pipe *pipes[3];
};

/* What the child does between fork and exec. */
struct child_plan {
	const char *path;
	char *const *argv, *const *env;
	const char *cwd;
	unsigned flags;
	int stdio[3]; /* -1 = leave ours */
	int report;   /* errno of a failed step goes here */
	pid_t parent;
	sigset_t mask;
	struct rlimit files;
};

static struct uv_child *child_of(struct host_process *p)
{
	return (struct uv_child *)p;
}

/* ---- pipes ---- */

static void pipe_freed(uv_handle_t *handle)
{
	struct child_pipe *p = handle->data;

	free(p->input);
	free(p);
}

static void pipe_close(struct child_pipe *p)
{
	if (!p->child)
		return;
	p->child->pipes[p->fd] = NULL;
	p->child = NULL;
	uv_close((uv_handle_t *)&p->handle, pipe_freed);
}

static void pipe_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
	struct child_pipe *p = handle->data;
	struct uv_child *c = p->child;
	int fd = p->fd;

	if (!c || n == 0)
		return;
	if (n > 0) {
		if (c->events->output)
			c->events->output(c->ctx, fd, (const uint8_t *)buf->base, (size_t)n);
		return;
	}
	pipe_close(p);
	if (c->events->output)
		c->events->output(c->ctx, fd, NULL, 0);
}

static void pipe_written(uv_write_t *req, int status)
{
	(void)status; /* a child need not read its input */
	pipe_close(req->data);
}

static struct child_pipe *pipe_open(struct uv_child *c, int child_fd, int fd)
{
	struct child_pipe *p = xcalloc(1, sizeof *p);

	p->child = c;
	p->fd = child_fd;
	uv_pipe_init(host_uv_loop(c->base.host), &p->handle, 0);
	p->handle.data = p;
	uv_pipe_open(&p->handle, fd);
	c->pipes[child_fd] = p;
	return p;
}

static void pipe_feed(struct child_pipe *p, const void *input, size_t n)
{
	uv_buf_t buf;

	p->input = n ? xmemdup(input, n) : NULL;
	p->write.data = p;
	buf = uv_buf_init(p->input, (unsigned)n);
	if (n == 0 || uv_write(&p->write, (uv_stream_t *)&p->handle, &buf, 1, pipe_written) < 0)
		pipe_close(p);
}

/* ---- between fork and exec ---- */

static _Noreturn void child_fail(const struct child_plan *plan)
{
	int err = errno;
	ssize_t n = write(plan->report, &err, sizeof err);

	(void)n;
	_exit(127);
}

static void child_signals(const struct child_plan *plan)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};

	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &sa, NULL); /* fails for libc's own two: fine */
	sigprocmask(SIG_SETMASK, &plan->mask, NULL);
}

static _Noreturn void child_main(const struct child_plan *plan)
{
	if ((plan->flags & HOST_SPAWN_SESSION) && setsid() < 0)
		child_fail(plan);
	if (plan->flags & HOST_SPAWN_DIE_WITH_US) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != plan->parent)
			_exit(127); /* it died before we asked */
	}
	for (int fd = 0; fd < 3; fd++)
		if (plan->stdio[fd] >= 0 && dup2(plan->stdio[fd], fd) < 0)
			child_fail(plan);
	if (plan->cwd && chdir(plan->cwd) < 0)
		child_fail(plan);
	setrlimit(RLIMIT_NOFILE, &plan->files);
	child_signals(plan);
	execve(plan->path, plan->argv, plan->env);
	child_fail(plan);
}

/* ---- spawning ---- */

static const char *env_get(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* Looks name up in path as execvp does; caller frees. */
static int find_in_path(const char *name, const char *path, char **ret)
{
	int err = -ENOENT;

	if (strchr(name, '/')) {
		*ret = xstrdup(name);
		return 0;
	}
	for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin"; *at;) {
		size_t n = strcspn(at, ":");
		char *candidate = n == 0 ? xasprintf("./%s", name) : xasprintf("%.*s/%s", (int)n, at, name);

		if (access(candidate, X_OK) == 0) {
			*ret = candidate;
			return 0;
		}
		if (errno == EACCES)
			err = -EACCES;
		free(candidate);
		at += n + (at[n] == ':');
	}
	return err;
}

/* Never 0, 1 or 2: dup2 in the child would otherwise overwrite one another. */
static int high_fd(int fd)
{
	int moved;

	if (fd < 0 || fd > 2)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return moved;
}

static int make_pipe(int ret[2])
{
	if (pipe2(ret, O_CLOEXEC) < 0)
		return -errno;
	ret[0] = high_fd(ret[0]);
	ret[1] = high_fd(ret[1]);
	return ret[0] < 0 || ret[1] < 0 ? -EMFILE : 0;
}

struct spawn_fds {
	int ours[3];   /* -1 = none */
	int theirs[3]; /* -1 = inherited */
	int report[2];
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void fds_close_theirs(struct spawn_fds *f)
{
	if (f->theirs[2] == f->theirs[1])
		f->theirs[2] = -1;
	for (int i = 0; i < 3; i++)
		close_fd(&f->theirs[i]);
	close_fd(&f->report[1]);
}

static void fds_close_ours(struct spawn_fds *f)
{
	for (int i = 0; i < 3; i++)
		close_fd(&f->ours[i]);
	close_fd(&f->report[0]);
}

static int fd_pipe(struct spawn_fds *f, int i)
{
	int p[2] = {-1, -1};
	int err = make_pipe(p);

	f->ours[i] = i == 0 ? p[1] : p[0];
	f->theirs[i] = i == 0 ? p[0] : p[1];
	return err;
}

static int fd_null(struct spawn_fds *f, int i)
{
	f->theirs[i] = high_fd(open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC));
	return f->theirs[i] < 0 ? -errno : 0;
}

static int fds_open(struct spawn_fds *f, const struct host_spawn *spec)
{
	int err;

	*f = (struct spawn_fds){.ours = {-1, -1, -1}, .theirs = {-1, -1, -1}, .report = {-1, -1}};
	err = make_pipe(f->report);
	if (err == 0)
		err = spec->input ? fd_pipe(f, 0) : fd_null(f, 0);
	if (err < 0 || (spec->flags & HOST_SPAWN_INHERIT))
		return err;
	err = spec->flags & HOST_SPAWN_STDOUT ? fd_pipe(f, 1) : fd_null(f, 1);
	if (err < 0)
		return err;
	if (spec->flags & HOST_SPAWN_MERGE)
		f->theirs[2] = f->theirs[1];
	else
		err = spec->flags & HOST_SPAWN_STDERR ? fd_pipe(f, 2) : fd_null(f, 2);
	return err;
}

/* Returns the pid once exec has happened, or a negative errno. */
static pid_t fork_and_exec(struct child_plan *plan, struct spawn_fds *f)
{
	sigset_t all;
	pid_t pid;
	int err = 0;
	ssize_t n;

	/* No handler of ours may run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &plan->mask);
	pid = fork();
	if (pid == 0) {
		sigemptyset(&plan->mask);
		child_main(plan);
	}
	err = pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &plan->mask, NULL);
	if (err < 0)
		return err;
	fds_close_theirs(f);
	do
		n = read(f->report[0], &err, sizeof err);
	while (n < 0 && errno == EINTR);
	if (n != sizeof err)
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -err;
}

static void children_reap(uv_signal_t *handle, int signum);

/* Before the first child: its end must not be missed. */
static int sigchld_start(struct host_uv *u)
{
	int err;

	if (u->sigchld_open)
		return 0;
	err = uv_signal_init(&u->loop, &u->sigchld);
	if (err < 0)
		return err;
	u->sigchld_open = true;
	u->sigchld.data = u;
	return uv_signal_start(&u->sigchld, children_reap, SIGCHLD);
}

static void child_adopt(struct uv_child *c, const struct host_spawn *spec, struct spawn_fds *f)
{
	for (int i = 1; i < 3; i++) {
		struct child_pipe *p;

		if (f->ours[i] < 0)
			continue;
		p = pipe_open(c, i, f->ours[i]);
		uv_read_start((uv_stream_t *)&p->handle, host_uv_alloc, pipe_read);
	}
	if (f->ours[0] >= 0)
		pipe_feed(pipe_open(c, 0, f->ours[0]), spec->input, spec->input_n);
	f->ours[0] = f->ours[1] = f->ours[2] = -1;
}

int uv_host_spawn(struct host *h, const struct host_spawn *spec, struct host_process **ret)
{
	const char *const *env = spec->env ? spec->env : (const char *const *)environ;
	struct host_uv *u = host_uv_of(h);
	struct child_plan plan = {.cwd = spec->cwd, .flags = spec->flags, .parent = getpid(), .files = u->files};
	struct spawn_fds f;
	struct uv_child *c;
	char *path;
	int err = find_in_path(spec->argv[0], env_get(env, "PATH"), &path);

	if (err < 0)
		return err;
	err = fds_open(&f, spec);
	if (err == 0)
		err = sigchld_start(u);
	if (err == 0) {
		memcpy(plan.stdio, f.theirs, sizeof plan.stdio);
		plan.report = f.report[1];
		plan.path = path;
		plan.argv = (char *const *)(uintptr_t)spec->argv;
		plan.env = (char *const *)(uintptr_t)env;
		err = fork_and_exec(&plan, &f);
	}
	fds_close_theirs(&f);
	if (err > 0) {
		c = xcalloc(1, sizeof *c);
		c->base = (struct host_process){.host = h, .pid = err, .running = true};
		c->events = spec->events;
		c->ctx = spec->ctx;
		c->session = (spec->flags & HOST_SPAWN_SESSION) != 0;
		VEC_PUSH(&u->children, c);
		child_adopt(c, spec, &f);
		*ret = &c->base;
		err = 0;
	}
	fds_close_ours(&f);
	free(path);
	return err;
}

/* ---- ends ---- */

static void child_forget(struct host_uv *u, struct uv_child *c)
{
	for (size_t i = 0; i < u->children.n; i++) {
		if (u->children.p[i] == c) {
			VEC_REMOVE(&u->children, i);
			return;
		}
	}
}

static bool child_reap(struct host_uv *u, struct uv_child *c)
{
	int status;
	pid_t got;

	do
		got = waitpid(c->base.pid, &status, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return false;
	if (got < 0)
		status = 0; /* somebody else reaped it; it is gone all the same */
	c->base.running = false;
	child_forget(u, c);
	if (c->closed)
		free(c);
	else
		c->events->exit(c->ctx, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
				WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return true;
}

static void children_reap(uv_signal_t *handle, int signum)
{
	struct host_uv *u = handle->data;

	(void)signum;
	/* An exit callback may start or close others: look again after each. */
	for (size_t i = 0; i < u->children.n;)
		i = child_reap(u, u->children.p[i]) ? 0 : i + 1;
}

int uv_host_process_signal(struct host_process *p, int sig, bool group)
{
	struct uv_child *c = child_of(p);

	if (group && c->session)
		return kill(-p->pid, sig) < 0 ? -errno : 0;
	if (!p->running)
		return -ESRCH;
	return kill(p->pid, sig) < 0 ? -errno : 0;
}

void uv_host_process_close(struct host_process *p)
{
	struct uv_child *c = child_of(p);

	for (int i = 0; i < 3; i++)
		if (c->pipes[i])
			pipe_close(c->pipes[i]);
	c->closed = true;
	if (!p->running)
		free(c);
}

/* The host's end: children that outlive it are not waited for. */
void uv_children_free(struct host_uv *u)
{
	for (size_t i = 0; i < u->children.n; i++)
		free(u->children.p[i]);
	VEC_FREE(&u->children);
}

/* ---- /proc ---- */

struct proc_stat {
	char state;
	pid_t pgrp, session;
	uint64_t start_time;
};

/* /proc/<pid>/stat: the command may hold anything, so fields count from the last ')'. */
static int proc_stat_read(pid_t pid, struct proc_stat *ret)
{
	char path[64], text[STAT_TEXT_MAX];
	const char *at;
	ssize_t n;
	long pgrp, session;
	unsigned long long start;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	at = strrchr(text, ')');
	/* Fields 3 (state), 5 (pgrp), 6 (session), 22 (starttime). */
	if (!at || sscanf(at + 1, " %c %*d %ld %ld %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			  &ret->state, &pgrp, &session, &start) != 4)
		return -EINVAL;
	ret->pgrp = (pid_t)pgrp;
	ret->session = (pid_t)session;
	ret->start_time = start;
	return 0;
}

static bool proc_dead(const struct proc_stat *st)
{
	return st->state == 'Z' || st->state == 'X' || st->state == 'x';
}

int uv_host_pid_start_time(struct host *h, pid_t pid, uint64_t *ret)
{
	struct proc_stat st;
	int err = proc_stat_read(pid, &st);

	(void)h;
	if (err < 0)
		return err;
	if (proc_dead(&st))
		return -ESRCH;
	*ret = st.start_time;
	return 0;
}

/* A live member of the group whose session it leads and that is younger. The
 * kernel does not hand out a pid that is still in use as a group id. */
static bool group_has_members(struct host *h, pid_t pgid, uint64_t start_time)
{
	char **names;
	size_t n;
	bool found = false;

	if (host_dir_list(h, "/proc", &names, &n) < 0)
		return false;
	for (size_t i = 0; i < n && !found; i++) {
		struct proc_stat st;
		uint64_t pid;

		if (str_to_u64(names[i], &pid) && pid <= INT32_MAX && proc_stat_read((pid_t)pid, &st) == 0)
			found = st.pgrp == pgid && st.session == pgid && st.start_time >= start_time &&
				!proc_dead(&st);
	}
	host_names_free(names, n);
	return found;
}

int uv_host_pgid_signal(struct host *h, pid_t pgid, uint64_t start_time, int sig)
{
	struct proc_stat st;
	bool leader = proc_stat_read(pgid, &st) == 0;

	if (pgid <= 1 || (leader && st.start_time != start_time))
		return -ESRCH;
	if ((!leader || proc_dead(&st)) && !group_has_members(h, pgid, start_time))
		return -ESRCH;
	return kill(-pgid, sig) < 0 ? -errno : 0;
}
