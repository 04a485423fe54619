#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/file.h"
#include "host/process.h"
#include "host/uv.h"
#include "store/execution_log.h"
#include "store/pid_registry.h"

/* The small durable things: lock and record, kernel registry, execution log. */

#define LIMIT HOST_SEC(20)
#define ID "0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11"

struct fixture {
	struct host *h;
	char *root, *base;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	char root[] = "/tmp/lock-test-XXXXXX";

	assert_non_null(mkdtemp(root));
	f->root = xstrdup(root);
	f->base = path_join(root, "cache/runt");
	assert_int_equal(host_uv_new(&f->h), 0);
	assert_int_equal(host_dir_make(f->h, f->base, 0755), 0);
	*state = f;
	return 0;
}

static bool no_work(void *ctx)
{
	return host_work_pending(((struct fixture *)ctx)->h) == 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(host_dir_remove_tree(f->h, f->root), 0);
	host_free(f->h);
	free(f->root);
	free(f->base);
	free(f);
	return 0;
}

static void test_lock(void **state)
{
	struct fixture *f = *state;
	struct daemon_lock a, b;

	assert_int_equal(daemon_lock_take(f->h, f->base, &a), 0);
	assert_true(fcntl(a.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(daemon_lock_take(f->h, f->base, &b), -EWOULDBLOCK);
	daemon_lock_release(f->h, &a);
	assert_int_equal(daemon_lock_take(f->h, f->base, &b), 0);
	daemon_lock_release(f->h, &b);
}

static void test_record(void **state)
{
	struct fixture *f = *state;
	char *elsewhere = path_join(f->root, "else"), *socket = path_join(elsewhere, "s.sock");
	char *path = path_join(f->base, "daemon.json");
	struct daemon_record r = {.endpoint = socket, .pid = 4711, .version = (char *)(uintptr_t)"2.0.8+abc",
				  .started_at_ns = 1773983880123456789, .blob_port = 40123}, got;
	static const char bad[] = "{\"endpoint\":\"/s\",\"pid\":1,\"version\":\"2\",\"started_at\":\"x\"}";
	struct buf b = {0};

	assert_int_equal(host_dir_make(f->h, elsewhere, 0755), 0);
	assert_int_equal(daemon_record_read(f->h, f->base, &got), -ENOENT);
	assert_int_equal(daemon_record_write(f->h, f->base, &r), 0);
	assert_int_equal(daemon_record_read(f->h, elsewhere, &got), 0);
	daemon_record_free(&got);
	assert_int_equal(daemon_record_read(f->h, f->base, &got), 0);
	assert_string_equal(got.endpoint, socket);
	assert_string_equal(got.version, "2.0.8+abc");
	assert_int_equal(got.pid, 4711);
	assert_int_equal(got.started_at_ns, r.started_at_ns);
	assert_int_equal(got.blob_port, 40123);
	assert_null(got.worktree_path);
	daemon_record_free(&got);
	assert_int_equal(host_file_read_all(f->h, path, 1000, &b), 0);
	assert_non_null(strstr(buf_cstr(&b), "\n  \"pid\": 4711,\n"));
	/* Another daemon's record is not ours to remove. */
	r.pid = 1;
	daemon_record_remove(f->h, f->base, &r);
	assert_true(host_path_exists(f->h, path));
	r.pid = 4711;
	daemon_record_remove(f->h, f->base, &r);
	assert_false(host_path_exists(f->h, path));
	assert_int_equal(daemon_record_read(f->h, elsewhere, &got), -ENOENT);
	/* Unreadable in any way reads as none. */
	assert_int_equal(host_file_replace_own(f->h, path, bad, sizeof bad - 1, 0644), 0);
	assert_int_equal(daemon_record_read(f->h, f->base, &got), -ENOENT);
	buf_free(&b);
	free(path);
	free(socket);
	free(elsewhere);
}

static bool exited;
static int exit_signal;

static void on_exit_event(void *ctx, int status, int signal)
{
	(void)ctx;
	(void)status;
	exited = true;
	exit_signal = signal;
}

static bool has_exited(void *ctx)
{
	(void)ctx;
	return exited;
}

static void test_reap(void **state)
{
	static const struct host_process_events events = {.exit = on_exit_event};
	struct fixture *f = *state;
	const char *argv[] = {"sleep", "1000", NULL};
	struct host_spawn spec = {.argv = argv, .flags = HOST_SPAWN_SESSION | HOST_SPAWN_DIE_WITH_US, .events = &events};
	char *file = path_join(f->base, "kernel-1.json");
	struct pid_registry *r;
	struct host_process *p;
	uint64_t start;

	assert_int_equal(host_process_spawn(f->h, &spec, &p), 0);
	assert_int_equal(host_pid_start_time(f->h, host_process_pid(p), &start), 0);
	assert_int_equal(host_file_replace_own(f->h, file, "{}", 2, 0600), 0);
	assert_int_equal(pid_registry_open(f->h, f->base, &r), 0);
	assert_int_equal(pid_registry_add(r, "other", getpid(), 1, NULL), 0); /* a pid used again: spared */
	assert_int_equal(pid_registry_add(r, "mine", host_process_pid(p), start, file), 0);
	assert_int_equal(pid_registry_add(r, "gone", host_process_pid(p), start, NULL), 0);
	assert_int_equal(pid_registry_remove(r, "gone"), 0);
	pid_registry_close(r);
	assert_int_equal(pid_registry_open(f->h, f->base, &r), 0);
	assert_int_equal(pid_registry_reap(r), 1);
	assert_int_equal(host_run_until(f->h, has_exited, NULL, LIMIT), 0);
	assert_int_equal(exit_signal, SIGKILL);
	assert_false(host_path_exists(f->h, file));
	pid_registry_close(r);
	assert_int_equal(pid_registry_open(f->h, f->base, &r), 0);
	assert_int_equal(pid_registry_reap(r), 0);
	pid_registry_close(r);
	host_process_close(p);
	free(file);
}

static void count_text(void *ctx, const char *id, const void *json, size_t n)
{
	assert_string_equal(id, ID);
	assert_int_equal(n, 5);
	assert_memory_equal(json, "{\"b\"}", 5);
	++*(unsigned *)ctx;
}

static void test_execution_log(void **state)
{
	struct fixture *f = *state;
	char *dir = path_join(f->base, "executions"), *path = path_join(dir, ID ".json");
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct execution_log *l;
	struct buf b = {0};
	unsigned n = 0;

	assert_int_equal(execution_log_open(f->h, dir, &l), 0);
	assert_int_equal(execution_log_put(l, "../x", "{}", 2), -EINVAL);
	assert_int_equal(execution_log_get(l, ID, &b), -ENOENT);
	assert_int_equal(execution_log_put(l, ID, "{\"a\"}", 5), 0);
	assert_int_equal(execution_log_put(l, ID, "{\"b\"}", 5), 0);
	assert_int_equal(execution_log_get(l, ID, &b), 0);
	assert_string_equal(buf_cstr(&b), "{\"b\"}");
	assert_int_equal(host_run_until(f->h, no_work, f, LIMIT), 0);
	while (!host_path_exists(f->h, path))
		assert_int_equal(host_run_until(f->h, no_work, f, LIMIT), 0);
	assert_int_equal(execution_log_each(l, count_text, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(execution_log_gc(l, EXECUTION_LOG_AGE), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(execution_log_gc(l, EXECUTION_LOG_AGE), 1);
	assert_int_equal(execution_log_put(l, ID, "{\"b\"}", 5), 0);
	execution_log_close(l); /* writes what is waiting */
	assert_true(host_path_exists(f->h, path));
	buf_free(&b);
	free(dir);
	free(path);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_lock), T(test_record), T(test_reap), T(test_execution_log)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
