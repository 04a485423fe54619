#include "host/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/impl.h"

#define FAULT_KINDS 11
#define STALL_ASK_NS 2000000

struct rule {
	struct fault_rule r;
	char *prefix;
	uint64_t seen;
};

struct fault {
	struct host *host;
	const struct host_file_ops *inner;
	void *inner_self;
	pthread_mutex_t lock;
	pthread_cond_t released;
	VEC(struct rule) rules;
	VEC(char *) paths; /* by descriptor; NULL = not open */
	uint64_t counts[FAULT_KINDS];
	uint64_t releases;
	size_t stalled;
	host_fn *refresh;
	void *refresh_ctx;
};

static void count_op(struct fault *f, unsigned op)
{
	for (unsigned i = 0; i < FAULT_KINDS; i++)
		if (op == 1u << i)
			f->counts[i]++;
}

static bool rule_applies(struct rule *rule, unsigned op, const char *path, const char *path2)
{
	if (!(rule->r.ops & op))
		return false;
	if (rule->prefix && !(path && str_starts(path, rule->prefix)) && !(path2 && str_starts(path2, rule->prefix)))
		return false;
	rule->seen++;
	return rule->r.nth == 0 || rule->seen == rule->r.nth || (rule->r.from_then_on && rule->seen > rule->r.nth);
}

/* Waits for a change of the rules that nobody signals. */
static void stall_asking(struct fault *f)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += STALL_ASK_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&f->released, &f->lock, &until);
	pthread_mutex_unlock(&f->lock);
	f->refresh(f->refresh_ctx);
	pthread_mutex_lock(&f->lock);
}

/* Called with the lock held; waits for the release with it. */
static void stall(struct fault *f)
{
	uint64_t before = f->releases;

	f->stalled++;
	while (f->releases == before) {
		if (f->refresh)
			stall_asking(f);
		else
			pthread_cond_wait(&f->released, &f->lock);
	}
	f->stalled--;
}

/* 0 to go on, or the negative errno to return. *ret_tear: half of the write
 * is to be done first. */
static int check(struct fault *f, unsigned op, const char *path, const char *path2, bool *ret_tear)
{
	struct fault_rule hit = {0};
	bool found = false;

	if (f->refresh)
		f->refresh(f->refresh_ctx);
	pthread_mutex_lock(&f->lock);
	count_op(f, op);
	for (size_t i = 0; i < f->rules.n; i++) {
		if (!rule_applies(&f->rules.p[i], op, path, path2) || found)
			continue;
		hit = f->rules.p[i].r;
		found = true;
	}
	if (found && hit.action == FAULT_STALL)
		stall(f);
	pthread_mutex_unlock(&f->lock);
	if (!found || hit.action == FAULT_STALL)
		return 0;
	if (hit.action == FAULT_CRASH) {
		if (hit.crash)
			hit.crash(hit.ctx);
		else
			raise(SIGKILL);
		return -EIO;
	}
	if (hit.action == FAULT_TEAR && ret_tear)
		*ret_tear = true;
	return -hit.error;
}

/* The path a descriptor was opened under; caller frees. */
static char *path_of(struct fault *f, int fd)
{
	char *path = NULL;

	pthread_mutex_lock(&f->lock);
	if (fd >= 0 && (size_t)fd < f->paths.n && f->paths.p[fd])
		path = xstrdup(f->paths.p[fd]);
	pthread_mutex_unlock(&f->lock);
	return path;
}

static void path_set(struct fault *f, int fd, const char *path)
{
	pthread_mutex_lock(&f->lock);
	while (f->paths.n <= (size_t)fd)
		VEC_PUSH(&f->paths, NULL);
	free(f->paths.p[fd]);
	f->paths.p[fd] = path ? xstrdup(path) : NULL;
	pthread_mutex_unlock(&f->lock);
}

static int check_fd(struct fault *f, unsigned op, int fd, bool *ret_tear)
{
	char *path = path_of(f, fd);
	int err = check(f, op, path, NULL, ret_tear);

	free(path);
	return err;
}

static int fault_open(void *self, const char *path, int flags, unsigned mode, int *ret_fd)
{
	struct fault *f = self;
	int err = check(f, flags & O_CREAT ? FAULT_CREATE : FAULT_OPEN, path, NULL, NULL);

	if (err == 0)
		err = f->inner->open(f->inner_self, path, flags, mode, ret_fd);
	if (err == 0)
		path_set(f, *ret_fd, path);
	return err;
}

static int fault_close(void *self, int fd)
{
	struct fault *f = self;

	path_set(f, fd, NULL);
	return f->inner->close(f->inner_self, fd);
}

static ssize_t fault_pread(void *self, int fd, void *p, size_t n, uint64_t offset)
{
	struct fault *f = self;
	int err = check_fd(f, FAULT_READ, fd, NULL);

	return err < 0 ? err : f->inner->pread(f->inner_self, fd, p, n, offset);
}

static ssize_t fault_pwrite(void *self, int fd, const void *p, size_t n, uint64_t offset)
{
	struct fault *f = self;
	bool tear = false;
	int err = check_fd(f, FAULT_WRITE, fd, &tear);

	if (tear)
		f->inner->pwrite(f->inner_self, fd, p, n / 2, offset);
	return err < 0 ? err : f->inner->pwrite(f->inner_self, fd, p, n, offset);
}

static int fault_sync(void *self, int fd, bool data_only)
{
	struct fault *f = self;
	int err = check_fd(f, FAULT_SYNC, fd, NULL);

	return err < 0 ? err : f->inner->sync(f->inner_self, fd, data_only);
}

static int fault_truncate(void *self, int fd, uint64_t size)
{
	struct fault *f = self;
	int err = check_fd(f, FAULT_TRUNCATE, fd, NULL);

	return err < 0 ? err : f->inner->truncate(f->inner_self, fd, size);
}

static int fault_fstat(void *self, int fd, struct host_file_info *ret)
{
	struct fault *f = self;

	return f->inner->fstat(f->inner_self, fd, ret);
}

static int fault_fchmod(void *self, int fd, unsigned mode)
{
	struct fault *f = self;

	return f->inner->fchmod(f->inner_self, fd, mode);
}

static int fault_fchown(void *self, int fd, uint32_t uid, uint32_t gid)
{
	struct fault *f = self;

	return f->inner->fchown(f->inner_self, fd, uid, gid);
}

static int fault_lock(void *self, int fd)
{
	struct fault *f = self;

	return f->inner->lock(f->inner_self, fd);
}

static int fault_stat(void *self, const char *path, bool follow, struct host_file_info *ret)
{
	struct fault *f = self;
	int err = check(f, FAULT_STAT, path, NULL, NULL);

	return err < 0 ? err : f->inner->stat(f->inner_self, path, follow, ret);
}

static int fault_real(void *self, const char *path, char **ret)
{
	struct fault *f = self;
	int err = check(f, FAULT_STAT, path, NULL, NULL);

	return err < 0 ? err : f->inner->real(f->inner_self, path, ret);
}

static int fault_rename(void *self, const char *from, const char *to)
{
	struct fault *f = self;
	int err = check(f, FAULT_RENAME, from, to, NULL);

	return err < 0 ? err : f->inner->rename(f->inner_self, from, to);
}

static int fault_unlink(void *self, const char *path)
{
	struct fault *f = self;
	int err = check(f, FAULT_UNLINK, path, NULL, NULL);

	return err < 0 ? err : f->inner->unlink(f->inner_self, path);
}

static int fault_link(void *self, const char *from, const char *to)
{
	struct fault *f = self;
	int err = check(f, FAULT_LINK, from, to, NULL);

	return err < 0 ? err : f->inner->link(f->inner_self, from, to);
}

static int fault_readlink(void *self, const char *path, char **ret_target)
{
	struct fault *f = self;
	return f->inner->readlink(f->inner_self, path, ret_target);
}

static int fault_symlink(void *self, const char *target, const char *path)
{
	struct fault *f = self;
	int err = check(f, FAULT_LINK, path, NULL, NULL);

	return err < 0 ? err : f->inner->symlink(f->inner_self, target, path);
}

static int fault_chmod(void *self, const char *path, unsigned mode)
{
	struct fault *f = self;

	return f->inner->chmod(f->inner_self, path, mode);
}

static int fault_access(void *self, const char *path, int mode)
{
	struct fault *f = self;
	int err = check(f, FAULT_STAT, path, NULL, NULL);

	return err < 0 ? err : f->inner->access(f->inner_self, path, mode);
}

static int fault_touch(void *self, const char *path)
{
	struct fault *f = self;

	return f->inner->touch(f->inner_self, path);
}

static int fault_mkdir(void *self, const char *path, unsigned mode)
{
	struct fault *f = self;
	int err = check(f, FAULT_MKDIR, path, NULL, NULL);

	return err < 0 ? err : f->inner->mkdir(f->inner_self, path, mode);
}

static int fault_rmdir(void *self, const char *path)
{
	struct fault *f = self;
	int err = check(f, FAULT_UNLINK, path, NULL, NULL);

	return err < 0 ? err : f->inner->rmdir(f->inner_self, path);
}

static int fault_list(void *self, const char *path, char ***ret_names, size_t *ret_n)
{
	struct fault *f = self;
	int err = check(f, FAULT_STAT, path, NULL, NULL);

	return err < 0 ? err : f->inner->list(f->inner_self, path, ret_names, ret_n);
}

static const struct host_file_ops fault_ops = {
	.open = fault_open,
	.close = fault_close,
	.pread = fault_pread,
	.pwrite = fault_pwrite,
	.sync = fault_sync,
	.truncate = fault_truncate,
	.fstat = fault_fstat,
	.fchmod = fault_fchmod,
	.fchown = fault_fchown,
	.lock = fault_lock,
	.stat = fault_stat,
	.real = fault_real,
	.rename = fault_rename,
	.unlink = fault_unlink,
	.link = fault_link,
	.symlink = fault_symlink,
	.readlink = fault_readlink,
	.chmod = fault_chmod,
	.access = fault_access,
	.touch = fault_touch,
	.mkdir = fault_mkdir,
	.rmdir = fault_rmdir,
	.list = fault_list,
};

struct fault *fault_install(struct host *h)
{
	struct fault *f = xcalloc(1, sizeof *f);

	f->host = h;
	f->inner = h->file;
	f->inner_self = h->file_self;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->released, NULL);
	h->file = &fault_ops;
	h->file_self = f;
	return f;
}

void fault_remove(struct fault *f)
{
	fault_clear(f);
	f->host->file = f->inner;
	f->host->file_self = f->inner_self;
	for (size_t i = 0; i < f->paths.n; i++)
		free(f->paths.p[i]);
	VEC_FREE(&f->paths);
	VEC_FREE(&f->rules);
	pthread_cond_destroy(&f->released);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void fault_refresh(struct fault *f, host_fn *refresh, void *ctx)
{
	f->refresh = refresh;
	f->refresh_ctx = ctx;
}

void fault_add(struct fault *f, const struct fault_rule *rule)
{
	struct rule mine = {.r = *rule, .prefix = rule->prefix ? xstrdup(rule->prefix) : NULL};

	pthread_mutex_lock(&f->lock);
	VEC_PUSH(&f->rules, mine);
	pthread_mutex_unlock(&f->lock);
}

static void rules_drop(struct fault *f, bool stalls_only)
{
	size_t kept = 0;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->rules.n; i++) {
		if (stalls_only && f->rules.p[i].r.action != FAULT_STALL)
			f->rules.p[kept++] = f->rules.p[i];
		else
			free(f->rules.p[i].prefix);
	}
	f->rules.n = kept;
	f->releases++;
	pthread_cond_broadcast(&f->released);
	pthread_mutex_unlock(&f->lock);
}

void fault_clear(struct fault *f)
{
	rules_drop(f, false);
}

void fault_release(struct fault *f)
{
	rules_drop(f, true);
}

size_t fault_stalled(struct fault *f)
{
	size_t n;

	pthread_mutex_lock(&f->lock);
	n = f->stalled;
	pthread_mutex_unlock(&f->lock);
	return n;
}

uint64_t fault_count(struct fault *f, unsigned ops)
{
	uint64_t n = 0;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < FAULT_KINDS; i++)
		if (ops & (1u << i))
			n += f->counts[i];
	pthread_mutex_unlock(&f->lock);
	return n;
}

void fault_reset_count(struct fault *f)
{
	pthread_mutex_lock(&f->lock);
	memset(f->counts, 0, sizeof f->counts);
	pthread_mutex_unlock(&f->lock);
}
