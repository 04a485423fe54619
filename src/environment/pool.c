#include "environment/pool.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vec.h"
#include "environment/python.h"
#include "host/file.h"
#include "host/host.h"
#include "host/process.h"
#include "kernel/launch.h"

#define PREFIX "runtimed-uv-"
#define STATE_FILE ".runt-pool.json"
#define WARMED_FILE ".warmed"
#define VENV_LIMIT HOST_SEC(60)
#define INSTALL_LIMIT HOST_SEC(120)
#define WARM_UP_LIMIT HOST_SEC(30)
#define OUTPUT_LIMIT (1u << 20)
#define LOOP HOST_SEC(30)
#define FIRST_LOOP HOST_MS(50) /* a daemon that starts answers its first clients first */
#define TAKEN_GRACE_SECS 86400 /* a taken one whose user may have outlived a daemon is left alone this long */

extern char **environ;

/* Compiles what a kernel imports first (environments.md 5). */
static const char warm_up_script[] = "import ipykernel, IPython, ipywidgets\n"
				     "from ipykernel.kernelbase import Kernel\n"
				     "from ipykernel.ipkernel import IPythonKernel\n"
				     "import ipykernel.kernelapp\n"
				     "print('warmup complete')\n";

struct ready_env {
	char *venv;
	int64_t created; /* seconds since the epoch */
};

struct waiter {
	uint64_t handle;
	struct pool *pool;
	void (*done)(void *ctx, struct pool_env *env, const char *error);
	void *ctx;
	struct host_timer limit;
};

enum step { STEP_NONE, STEP_VENV, STEP_INSTALL, STEP_WARM_UP };

struct pool {
	struct host *host;
	char *dir, *cache_dir;
	unsigned target;
	uint64_t max_age_secs;
	void (*error_changed)(void *ctx);
	void *ctx;
	VEC(struct ready_env) ready; /* oldest first */
	VEC(struct waiter *) waiters;
	uint64_t next_handle;
	struct map in_use; /* venv paths that a kernel runs in */
	VEC(char *) packages;
	struct host_timer loop;
	/* the one being made */
	enum step step;
	char *uv, *making;
	struct host_run *run;
	/* failures */
	uint32_t failures;
	uint64_t failed_at;
	char *message, *failed_package;
};

void pool_env_fini(struct pool_env *e)
{
	free(e->venv_path);
	free(e->python_path);
	*e = (struct pool_env){0};
}

static struct pool_env env_of(const char *venv)
{
	return (struct pool_env){.venv_path = xstrdup(venv), .python_path = path_join(venv, "bin/python")};
}

static void log_level_of_pool(const struct pool *p)
{
	log_info("pool", "UV pool: %zu/%u available", p->ready.n, p->target);
}

/* ---- removing, on a worker ---- */

struct removal {
	struct host *host;
	char *path;
};

static void remove_tree(void *ctx)
{
	struct removal *r = ctx;
	int err = host_dir_remove_tree(r->host, r->path);
	if (err < 0)
		log_warn("pool", "Cannot remove %s: %s", r->path, strerror(-err));
}

static void removal_free(void *ctx)
{
	struct removal *r = ctx;
	free(r->path);
	free(r);
}

static void remove_env(struct pool *p, const char *venv)
{
	struct removal *r = xcalloc(1, sizeof *r);
	r->host = p->host;
	r->path = xstrdup(venv);
	host_work(p->host, remove_tree, removal_free, r);
}

/* ---- what an environment says of itself ---- */

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names what an environment was made with; another hash is another set of packages. */
static void package_hash(const struct pool *p, char out[SHA256_HEX_BYTES])
{
	struct buf b = {0};
	char **sorted = p->packages.n ? xmemdup(p->packages.p, p->packages.n * sizeof *sorted) : NULL;
	if (sorted)
		qsort(sorted, p->packages.n, sizeof *sorted, compare_strings);
	buf_append_str(&b, "uv\n");
	for (size_t i = 0; i < p->packages.n; i++)
		buf_printf(&b, "%s\n", sorted[i]);
	sha256_hex(out, b.p, b.n);
	free(sorted);
	buf_free(&b);
}

static int write_state(struct pool *p, const char *venv, int64_t created, bool taken)
{
	char hash[SHA256_HEX_BYTES];
	struct buf b = {0};
	package_hash(p, hash);
	buf_printf(&b, "{\"created_at\":%lld,\"packages\":\"%s\",\"taken\":%s,\"changed_at\":%lld}\n",
		   (long long)created,
		   hash, taken ? "true" : "false", (long long)(host_wall_ns(p->host) / 1000000000));
	char *path = path_join(venv, STATE_FILE);
	int r = host_file_replace_atomic(p->host, path, b.p, b.n, 0644, NULL);
	free(path);
	buf_free(&b);
	return r;
}

struct env_state {
	int64_t created, changed;
	bool taken, right_packages;
};

static bool read_state(struct pool *p, const char *venv, struct env_state *ret)
{
	char hash[SHA256_HEX_BYTES], *path = path_join(venv, STATE_FILE);
	struct buf b = {0};
	const char *packages = "";
	bool ok = host_file_read_all(p->host, path, 65536, &b) == 0;
	struct json_object *state = ok ? json_parse(b.p, b.n) : NULL;
	*ret = (struct env_state){.taken = true};
	ok = state && json_get_i64(state, "created_at", &ret->created) == 0 &&
	     json_get_i64(state, "changed_at", &ret->changed) == 0 && json_get_bool(state, "taken", &ret->taken) == 0;
	if (ok)
		json_get_str(state, "packages", &packages);
	package_hash(p, hash);
	ret->right_packages = ok && !strcmp(packages, hash);
	json_object_put(state);
	free(path);
	buf_free(&b);
	return ok;
}

/* Somebody installed something since it was warmed: the package directory is younger than the mark. */
static bool is_touched(const struct pool *p, const char *venv)
{
	char *mark = path_join(venv, WARMED_FILE), *lib = path_join(venv, "lib");
	struct stat marked, site;
	bool touched = stat(mark, &marked) < 0;
	char **names = NULL;
	size_t n = 0;
	if (!touched && host_dir_list(p->host, lib, &names, &n) < 0)
		touched = true;
	for (size_t i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s/site-packages", lib, names[i]);
		if (stat(path, &site) == 0 && (site.st_mtim.tv_sec > marked.st_mtim.tv_sec ||
					       (site.st_mtim.tv_sec == marked.st_mtim.tv_sec &&
						site.st_mtim.tv_nsec > marked.st_mtim.tv_nsec)))
			touched = true;
		free(path);
	}
	host_names_free(names, n);
	free(mark);
	free(lib);
	return touched;
}

static bool is_whole(const char *venv)
{
	char *python = path_join(venv, "bin/python");
	bool yes = access(python, X_OK) == 0;
	free(python);
	return yes;
}

static bool is_too_old(const struct pool *p, int64_t created)
{
	int64_t age = host_wall_ns(p->host) / 1000000000 - created;
	return age < 0 ? false : (uint64_t)age > p->max_age_secs;
}

/* ---- failures ---- */

static uint64_t backoff_secs(uint32_t failures)
{
	uint32_t doublings = failures ? failures - 1 : 0;
	uint64_t secs = UINT64_C(30) << (doublings < 4 ? doublings : 4);
	return secs < 300 ? secs : 300;
}

static uint64_t retry_in(const struct pool *p)
{
	if (!p->failures)
		return 0;
	uint64_t passed = (host_now_ns(p->host) - p->failed_at) / HOST_SEC(1), wait = backoff_secs(p->failures);
	return passed < wait ? wait - passed : 0;
}

static void tell_error_changed(struct pool *p)
{
	if (p->error_changed)
		p->error_changed(p->ctx);
}

static void forget_failures(struct pool *p)
{
	bool had = p->failures != 0;
	p->failures = 0;
	free(p->message);
	free(p->failed_package);
	p->message = p->failed_package = NULL;
	if (had)
		tell_error_changed(p);
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* The word in backticks or quotes right behind at, or NULL. */
static char *quoted_name(const char *at)
{
	at += strspn(at, " ");
	if (*at != '`' && *at != '\'')
		return NULL;
	size_t n = strcspn(at + 1, "`'");
	return n && at[1 + n] ? xstrndup(at + 1, n) : NULL;
}

static char *plain_name(const char *at)
{
	size_t n = 0;
	while (is_name_char(at[n]))
		n++;
	return n ? xstrndup(at, n) : NULL;
}

/* The package that made an install fail, as uv words it (environments.md 4). */
static char *find_failed_package(const char *lower)
{
	static const char *const quoted[] = {"package ", "failed to download"};
	const char *at;
	char *name = NULL;
	for (at = lower; !name && (at = strstr(at, quoted[0])) != NULL; at++)
		name = quoted_name(at + strlen(quoted[0]));
	if (!name && (at = strstr(lower, "because ")) != NULL) {
		name = plain_name(at + 8);
		if (name && strncmp(at + 8 + strlen(name), " was not found", 14) != 0) {
			free(name);
			name = NULL;
		}
	}
	if (!name && (at = strstr(lower, "no matching distribution found for ")) != NULL)
		name = plain_name(at + strlen("no matching distribution found for "));
	if (!name && (at = strstr(lower, quoted[1])) != NULL)
		name = quoted_name(at + strlen(quoted[1]));
	if (name && (!strcmp(name, "ipykernel") || !strcmp(name, "ipywidgets"))) {
		free(name);
		name = NULL;
	}
	return name;
}

static void answer_waiters(struct pool *p, const char *error);
static void plan(struct pool *p);

/* The creation under way failed for this reason (taken). */
static void fail(struct pool *p, char *message)
{
	char *lower = xstrdup(message);
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	log_error("pool", "UV environment could not be made: %s", message);
	free(p->message);
	free(p->failed_package);
	p->message = message;
	p->failed_package = find_failed_package(lower);
	free(lower);
	p->failures++;
	p->failed_at = host_now_ns(p->host);
	p->step = STEP_NONE;
	if (p->making)
		remove_env(p, p->making);
	free(p->making);
	p->making = NULL;
	tell_error_changed(p);
	char *error = xasprintf("UV pool empty - no environment available: %s", p->message);
	answer_waiters(p, error);
	free(error);
	plan(p);
}

/* ---- making one (environments.md 5) ---- */

static void on_step_done(void *ctx, struct host_run_result *r);

static void run_step(struct pool *p, enum step step, const char *const *argv, uint64_t limit)
{
	struct launch_strings env = {0};
	char *uv_dir = path_dir(p->uv);
	launch_clean_environment(environ, uv_dir, &env);
	const struct host_spawn spec = {.argv = argv, .env = (const char *const *)env.v.p, .cwd = p->dir};
	p->step = step;
	p->run = host_run_tool(p->host, &spec, limit, OUTPUT_LIMIT, on_step_done, p);
	launch_strings_free(&env);
	free(uv_dir);
}

static void make_venv(struct pool *p)
{
	char id[37];
	host_uuid(p->host, id);
	p->making = xasprintf("%s/" PREFIX "%s", p->dir, id);
	const char *argv[] = {p->uv, "venv", "--no-project", p->making, NULL};
	run_step(p, STEP_VENV, argv, VENV_LIMIT);
}

static void install(struct pool *p)
{
	char *python = path_join(p->making, "bin/python");
	VEC(const char *) argv = {0};
	const char *const fixed[] = {p->uv, "pip", "install", "--python", python, "ipykernel", "ipywidgets", "uv"};
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		VEC_PUSH(&argv, fixed[i]);
	for (size_t i = 0; i < p->packages.n; i++)
		VEC_PUSH(&argv, p->packages.p[i]);
	VEC_PUSH(&argv, NULL);
	run_step(p, STEP_INSTALL, argv.p, INSTALL_LIMIT);
	VEC_FREE(&argv);
	free(python);
}

static void warm_up(struct pool *p)
{
	char *python = path_join(p->making, "bin/python");
	const char *argv[] = {python, "-c", warm_up_script, NULL};
	run_step(p, STEP_WARM_UP, argv, WARM_UP_LIMIT);
	free(python);
}

static int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void hand_out(struct pool *p);

static void finish(struct pool *p)
{
	int64_t now = host_wall_ns(p->host) / 1000000000;
	char *mark = path_join(p->making, WARMED_FILE);
	int r = touch(mark);
	if (r == 0)
		r = write_state(p, p->making, now, false);
	free(mark);
	if (r < 0) {
		fail(p, xasprintf("Failed to finish the environment: %s", strerror(-r)));
		return;
	}
	VEC_PUSH(&p->ready, ((struct ready_env){p->making, now}));
	p->making = NULL;
	p->step = STEP_NONE;
	forget_failures(p);
	hand_out(p);
	log_level_of_pool(p);
	plan(p);
}

static char *describe_failure(enum step step, struct host_run_result *r)
{
	while (r->err.n && strchr(" \t\r\n", r->err.p[r->err.n - 1]))
		r->err.n--;
	const char *err = buf_cstr(&r->err);
	if (r->error == -ETIMEDOUT)
		return xstrdup(step == STEP_VENV      ? "Timeout creating venv after 60 seconds"
			       : step == STEP_INSTALL ? "Timeout after 120 seconds"
						      : "Timeout warming up after 30 seconds");
	if (r->error < 0)
		return xasprintf("Failed to run uv: %s", strerror(-r->error));
	if (step == STEP_VENV)
		return xasprintf("Failed to create venv: %s", err);
	if (step == STEP_WARM_UP)
		return xasprintf("The new environment does not work: %s", err);
	return xstrdup(*err ? err : "Unknown error");
}

static void on_step_done(void *ctx, struct host_run_result *r)
{
	struct pool *p = ctx;
	p->run = NULL;
	if (r->error < 0 || r->status || r->signal)
		fail(p, describe_failure(p->step, r));
	else if (p->step == STEP_VENV)
		install(p);
	else if (p->step == STEP_INSTALL)
		warm_up(p);
	else
		finish(p);
}

static void start_one(struct pool *p)
{
	free(p->uv);
	p->uv = python_find_uv(p->cache_dir);
	int r = p->uv ? host_dir_make(p->host, p->dir, 0755) : 0;
	if (!p->uv)
		fail(p, xstrdup("uv was not found on PATH; install it with `pip install uv`"));
	else if (r < 0)
		fail(p, xasprintf("Failed to create %s: %s", p->dir, strerror(-r)));
	else
		make_venv(p);
}

/* ---- the loop ---- */

static unsigned wanted(const struct pool *p)
{
	return p->target + (p->target ? (unsigned)p->waiters.n : 0);
}

/* Starts the next creation now, or sets the clock to when one may be needed. */
static void plan(struct pool *p)
{
	if (p->step != STEP_NONE)
		return;
	uint64_t wait = retry_in(p);
	if (p->ready.n >= wanted(p))
		host_timer_start(&p->loop, LOOP);
	else
		host_timer_start(&p->loop, HOST_SEC(wait));
}

static void drop_stale(struct pool *p)
{
	for (size_t i = p->ready.n; i-- > 0;) {
		struct ready_env *e = &p->ready.p[i];
		if (!is_too_old(p, e->created) && is_whole(e->venv))
			continue;
		remove_env(p, e->venv);
		free(e->venv);
		VEC_REMOVE(&p->ready, i);
	}
}

static void on_loop(void *ctx)
{
	struct pool *p = ctx;
	drop_stale(p);
	if (p->step == STEP_NONE && p->ready.n < wanted(p) && !retry_in(p))
		start_one(p);
	else
		plan(p);
}

/* ---- adopting what an earlier daemon left (21 rows 2, 3) ---- */

static bool may_adopt(struct pool *p, const char *venv, struct env_state *state)
{
	return read_state(p, venv, state) && !state->taken && state->right_packages && !is_too_old(p, state->created) &&
	       is_whole(venv) && !is_touched(p, venv) && p->ready.n < p->target;
}

static void adopt(struct pool *p)
{
	char **names;
	size_t n;
	if (host_dir_list(p->host, p->dir, &names, &n) < 0)
		return;
	int64_t now = host_wall_ns(p->host) / 1000000000;
	for (size_t i = 0; i < n; i++) {
		struct env_state state;
		if (!str_starts(names[i], PREFIX))
			continue;
		char *venv = path_join(p->dir, names[i]);
		if (may_adopt(p, venv, &state)) {
			VEC_PUSH(&p->ready, ((struct ready_env){venv, state.created}));
			continue;
		}
		if (!state.taken || now - state.changed > TAKEN_GRACE_SECS)
			remove_env(p, venv);
		free(venv);
	}
	host_names_free(names, n);
	log_level_of_pool(p);
}

struct pool *pool_new(const struct pool_config *config)
{
	struct pool *p = xcalloc(1, sizeof *p);
	p->host = config->host;
	p->dir = xstrdup(config->dir);
	p->cache_dir = xstrdup(config->cache_dir);
	p->target = config->target;
	p->max_age_secs = config->max_age_secs;
	p->error_changed = config->error_changed;
	p->ctx = config->ctx;
	host_timer_init(&p->loop, p->host, on_loop, p);
	adopt(p);
	host_timer_start(&p->loop, FIRST_LOOP);
	return p;
}

static void waiter_free(struct pool *p, size_t i)
{
	struct waiter *w = p->waiters.p[i];
	VEC_REMOVE(&p->waiters, i);
	host_timer_stop(&w->limit);
	free(w);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	host_timer_stop(&p->loop);
	if (p->run)
		host_run_cancel(p->run);
	if (p->making)
		remove_env(p, p->making);
	while (p->waiters.n)
		waiter_free(p, 0);
	for (size_t i = 0; i < p->ready.n; i++)
		free(p->ready.p[i].venv);
	for (size_t i = 0; i < p->packages.n; i++)
		free(p->packages.p[i]);
	VEC_FREE(&p->ready);
	VEC_FREE(&p->packages);
	VEC_FREE(&p->waiters);
	map_free(&p->in_use);
	free(p->message);
	free(p->failed_package);
	free(p->making);
	free(p->uv);
	free(p->cache_dir);
	free(p->dir);
	free(p);
}

/* ---- counts and errors ---- */

unsigned pool_available(const struct pool *p)
{
	return (unsigned)p->ready.n;
}

unsigned pool_warming(const struct pool *p)
{
	return p->step != STEP_NONE;
}

unsigned pool_target(const struct pool *p)
{
	return p->target;
}

void pool_get_failure(const struct pool *p, struct pool_failure *ret_failure)
{
	*ret_failure = (struct pool_failure){0};
	if (!p->failures)
		return;
	ret_failure->message = p->message ? p->message : "Unknown error";
	ret_failure->failed_package = p->failed_package;
	ret_failure->consecutive_failures = p->failures;
	ret_failure->retry_in_secs = retry_in(p);
}

struct json_object *pool_error_json(const struct pool *p)
{
	struct pool_failure f;
	pool_get_failure(p, &f);
	if (!f.message)
		return NULL;
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "message", json_object_new_string(f.message));
	if (f.failed_package)
		json_object_object_add(o, "failed_package", json_object_new_string(f.failed_package));
	json_object_object_add(o, "consecutive_failures", json_object_new_uint64(f.consecutive_failures));
	json_object_object_add(o, "retry_in_secs", json_object_new_uint64(f.retry_in_secs));
	return o;
}

/* ---- taking and giving back ---- */

int pool_take(struct pool *p, struct pool_env *ret_env)
{
	drop_stale(p);
	if (!p->ready.n) {
		plan(p);
		return -EAGAIN;
	}
	struct ready_env e = p->ready.p[0];
	VEC_REMOVE(&p->ready, 0);
	int r = write_state(p, e.venv, e.created, true);
	if (r < 0)
		log_warn("pool", "Cannot mark %s as taken: %s", e.venv, strerror(-r));
	*ret_env = env_of(e.venv);
	free(e.venv);
	log_level_of_pool(p);
	plan(p);
	return 0;
}

static void answer_waiters(struct pool *p, const char *error)
{
	while (p->waiters.n) {
		struct waiter w = *p->waiters.p[0];
		waiter_free(p, 0);
		w.done(w.ctx, NULL, error);
	}
}

static void hand_out(struct pool *p)
{
	struct pool_env env;
	while (p->waiters.n && p->ready.n && pool_take(p, &env) == 0) {
		struct waiter w = *p->waiters.p[0];
		waiter_free(p, 0);
		w.done(w.ctx, &env, NULL);
		pool_env_fini(&env);
	}
}

static void on_wait_over(void *ctx)
{
	struct waiter *w = ctx;
	struct pool *p = w->pool;
	struct waiter copy = *w;
	for (size_t i = 0; i < p->waiters.n; i++)
		if (p->waiters.p[i] == w) {
			waiter_free(p, i);
			break;
		}
	copy.done(copy.ctx, NULL, "UV pool empty - no environment available");
}

uint64_t pool_wait(struct pool *p, unsigned limit_ms, void (*done)(void *ctx, struct pool_env *env, const char *error),
		   void *ctx)
{
	struct pool_env env;
	if (pool_take(p, &env) == 0) {
		done(ctx, &env, NULL);
		pool_env_fini(&env);
		return 0;
	}
	if (!p->target || p->failures) {
		char *error = xasprintf("UV pool empty - no environment available%s%s", p->message ? ": " : "",
					p->message ? p->message : "");
		done(ctx, NULL, error);
		free(error);
		return 0;
	}
	struct waiter *w = xcalloc(1, sizeof *w);
	w->handle = ++p->next_handle;
	w->pool = p;
	w->done = done;
	w->ctx = ctx;
	host_timer_init(&w->limit, p->host, on_wait_over, w);
	host_timer_start(&w->limit, HOST_MS(limit_ms));
	VEC_PUSH(&p->waiters, w);
	plan(p);
	return w->handle;
}

void pool_wait_cancel(struct pool *p, uint64_t handle)
{
	for (size_t i = 0; i < p->waiters.n; i++)
		if (p->waiters.p[i]->handle == handle) {
			waiter_free(p, i);
			return;
		}
}

/* The real path when it names a direct child of the pool's directory with our prefix; NULL otherwise (21 row 1). */
static char *own_path(const struct pool *p, const char *venv)
{
	char real_dir[PATH_MAX], real[PATH_MAX];
	if (!realpath(p->dir, real_dir) || !realpath(venv, real))
		return NULL;
	size_t n = strlen(real_dir);
	bool inside = !strncmp(real, real_dir, n) && real[n] == '/' && !strchr(real + n + 1, '/') &&
		      str_starts(real + n + 1, PREFIX);
	return inside ? path_join(p->dir, real + n + 1) : NULL;
}

static bool is_ready(const struct pool *p, const char *venv)
{
	for (size_t i = 0; i < p->ready.n; i++)
		if (!strcmp(p->ready.p[i].venv, venv))
			return true;
	return false;
}

void pool_mark_in_use(struct pool *p, const char *venv_path)
{
	map_put(&p->in_use, venv_path, p);
}

int pool_return(struct pool *p, const char *venv_path)
{
	char *venv = own_path(p, venv_path);
	struct env_state state;
	if (!venv)
		return -EPERM;
	int r = 0;
	if (map_get(&p->in_use, venv) || is_ready(p, venv) || (p->making && !strcmp(p->making, venv))) {
		r = -EPERM;
	} else if (p->ready.n < p->target && read_state(p, venv, &state) && state.right_packages && is_whole(venv) &&
		   !is_touched(p, venv) && write_state(p, venv, state.created, false) == 0) {
		VEC_PUSH(&p->ready, ((struct ready_env){xstrdup(venv), state.created}));
		hand_out(p);
		log_level_of_pool(p);
	} else {
		remove_env(p, venv);
	}
	free(venv);
	return r;
}

void pool_discard(struct pool *p, const char *venv_path)
{
	char *venv = own_path(p, venv_path);
	map_remove(&p->in_use, venv_path);
	if (!venv)
		return;
	map_remove(&p->in_use, venv);
	if (!is_ready(p, venv))
		remove_env(p, venv);
	free(venv);
}

static void drop_all(struct pool *p)
{
	for (size_t i = 0; i < p->ready.n; i++) {
		remove_env(p, p->ready.p[i].venv);
		free(p->ready.p[i].venv);
	}
	p->ready.n = 0;
}

void pool_flush(struct pool *p)
{
	drop_all(p);
	forget_failures(p);
	log_level_of_pool(p);
	plan(p);
}

void pool_reset_backoff(struct pool *p)
{
	forget_failures(p);
	plan(p);
}

/* An option in place of a name would reach uv's command line (21 row 32). */
static bool is_package(const char *s)
{
	if (!*s || *s == '-')
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static bool same_packages(const struct pool *p, const char *const *packages, size_t n)
{
	if (p->packages.n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(p->packages.p[i], packages[i]) != 0)
			return false;
	return true;
}

void pool_set_packages(struct pool *p, const char *const *packages, size_t n)
{
	struct env_state state;
	if (same_packages(p, packages, n))
		return;
	for (size_t i = 0; i < p->packages.n; i++)
		free(p->packages.p[i]);
	p->packages.n = 0;
	for (size_t i = 0; i < n; i++) {
		if (is_package(packages[i]))
			VEC_PUSH(&p->packages, xstrdup(packages[i]));
		else
			log_warn("pool", "Ignored a default package that is no package name");
	}
	for (size_t i = p->ready.n; i-- > 0;) {
		if (read_state(p, p->ready.p[i].venv, &state) && state.right_packages)
			continue;
		remove_env(p, p->ready.p[i].venv);
		free(p->ready.p[i].venv);
		VEC_REMOVE(&p->ready, i);
	}
	pool_reset_backoff(p);
}
