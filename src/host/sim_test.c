#include "host/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "host/fault.h"
#include "host/file.h"
#include "host/process.h"
#include "host/signal.h"
#include "host/stream.h"
#include "host/watch.h"

#define LIMIT HOST_SEC(100)
#define SEEDS 200

struct fixture {
	struct sim_disk *disk;
	struct host *h;
};

static void start(struct fixture *f, uint64_t seed)
{
	f->disk = sim_disk_new(seed);
	assert_int_equal(host_sim_new(f->disk, seed, &f->h), 0);
}

static void stop(struct fixture *f)
{
	host_free(f->h);
	sim_disk_free(f->disk);
}

static bool is_set(void *ctx)
{
	return *(bool *)ctx;
}

/* ---- time and order ---- */

static void count(void *ctx)
{
	++*(unsigned *)ctx;
}

static void test_time(void **state)
{
	struct fixture f;
	struct host_timer hour;
	unsigned n = 0;
	uint64_t before;
	bool never = false;

	(void)state;
	start(&f, 1);
	before = host_now_ns(f.h);
	host_timer_init(&hour, f.h, count, &n);
	host_timer_start_repeat(&hour, HOST_SEC(3600));
	assert_int_equal(host_run_until(f.h, is_set, &never, HOST_SEC(36010)), -ETIMEDOUT);
	assert_int_equal(n, 10);
	assert_true(host_now_ns(f.h) - before >= HOST_SEC(36010));
	host_timer_stop(&hour);
	assert_int_equal(host_run(f.h), -EDEADLK);
	stop(&f);
}

struct race {
	struct host *h;
	struct buf order;
	unsigned left;
	bool over;
};

struct racer {
	struct race *race;
	char name;
};

static void racer_run(void *ctx)
{
	struct racer *r = ctx;

	buf_append_byte(&r->race->order, (uint8_t)r->name);
}

static void racer_done(void *ctx)
{
	struct racer *r = ctx;

	buf_append_byte(&r->race->order, (uint8_t)(r->name - 'a' + 'A'));
	r->race->over = --r->race->left == 0;
}

static char *race(uint64_t seed)
{
	struct fixture f;
	struct race r = {.left = 6};
	struct racer racers[6];

	start(&f, seed);
	r.h = f.h;
	for (int i = 0; i < 6; i++) {
		racers[i] = (struct racer){.race = &r, .name = (char)('a' + i)};
		host_work(f.h, racer_run, racer_done, &racers[i]);
	}
	assert_int_equal(host_run_until(f.h, is_set, &r.over, LIMIT), 0);
	stop(&f);
	return buf_take(&r.order, NULL);
}

/* The same seed, the same order; other seeds, other orders. */
static void test_order_is_the_seeds(void **state)
{
	unsigned different = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		char *a = race(seed), *b = race(seed), *c = race(seed + 1);

		assert_string_equal(a, b);
		assert_int_equal(strlen(a), 12);
		different += strcmp(a, c) != 0;
		free(a);
		free(b);
		free(c);
	}
	assert_true(different >= 18);
}

/* ---- streams ---- */

struct party {
	struct host_stream *s;
	struct buf in;
	bool connected, ended, written, echo;
	int err;
};

static void party_read(void *ctx, const uint8_t *p, size_t n)
{
	struct party *a = ctx;

	buf_append(&a->in, p, n);
	if (a->echo)
		assert_int_equal(host_stream_write(a->s, xmemdup(p, n), n, NULL, NULL), 0);
}

static void party_end(void *ctx, int err)
{
	struct party *a = ctx;

	assert_false(a->ended);
	a->ended = true;
	a->err = err;
	if (a->echo)
		host_stream_close_flushed(a->s, HOST_SEC(5));
}

static const struct host_stream_events party_events = {.read = party_read, .end = party_end};

static void party_accept(void *ctx, struct host_stream *s)
{
	struct party *a = ctx;

	a->s = s;
	a->connected = true;
	host_stream_read_start(s, &party_events, a);
}

static void party_connected(void *ctx, int err, struct host_stream *s)
{
	struct party *a = ctx;

	a->err = err;
	a->connected = true;
	if (s)
		party_accept(ctx, s);
}

static void party_written(void *ctx, int err)
{
	assert_int_equal(err, 0);
	((struct party *)ctx)->written = true;
}

static void echo_once(uint64_t seed, bool tcp)
{
	struct fixture f;
	struct party client = {0}, server = {.echo = true};
	struct host_listener *l;
	size_t n = 700000;
	uint8_t *bytes = xmalloc(n);
	uint16_t port;

	start(&f, seed);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 13 + (i >> 9));
	if (tcp) {
		assert_int_equal(host_listen_loopback(f.h, 0, party_accept, &server, &l, &port), 0);
		assert_int_equal(host_connect_loopback(f.h, port, party_connected, &client), 0);
	} else {
		assert_int_equal(host_listen_unix(f.h, "/s", party_accept, &server, &l), 0);
		assert_int_equal(host_connect_unix(f.h, "/s", party_connected, &client), 0);
	}
	assert_int_equal(host_run_until(f.h, is_set, &client.connected, LIMIT), 0);
	assert_int_equal(host_stream_write(client.s, xmemdup(bytes, n), n, party_written, &client), 0);
	assert_true(host_stream_queued(client.s) > 0);
	host_stream_finish(client.s);
	assert_int_equal(host_stream_write(client.s, xstrdup("x"), 1, NULL, NULL), -EPIPE);
	assert_int_equal(host_run_until(f.h, is_set, &client.ended, LIMIT), 0);
	assert_true(client.written);
	assert_int_equal(client.err, 0);
	assert_int_equal(client.in.n, n);
	assert_memory_equal(client.in.p, bytes, n);
	host_stream_close(client.s);
	host_listener_close(l);
	host_run(f.h);
	stop(&f);
	buf_free(&client.in);
	buf_free(&server.in);
	free(bytes);
}

static void test_streams(void **state)
{
	struct fixture f;
	struct party a = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		echo_once(seed, seed & 1);
	start(&f, 1);
	assert_int_equal(host_connect_unix(f.h, "/nobody", party_connected, &a), 0);
	assert_int_equal(host_run_until(f.h, is_set, &a.connected, LIMIT), 0);
	assert_int_equal(a.err, -ENOENT);
	assert_int_equal(host_connect_unix(f.h, "/nobody", party_connected, &a), 0);
	stop(&f); /* with a connection not made yet */
}

/* ---- the disk ---- */

static void put(struct fixture *f, const char *path, const char *text)
{
	assert_int_equal(host_file_replace_own(f->h, path, text, strlen(text), 0644), 0);
}

static char *get(struct fixture *f, const char *path)
{
	struct buf b = {0};

	if (host_file_read_all(f->h, path, 1u << 20, &b) < 0) {
		buf_free(&b);
		return NULL;
	}
	buf_cstr(&b);
	return buf_take(&b, NULL);
}

static void expect(struct fixture *f, const char *path, const char *want)
{
	char *text = get(f, path);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void test_files(void **state)
{
	struct fixture f;
	struct host_file_info a, b;
	char **names, *real;
	size_t n, got;
	char bytes[8];
	int fd, fd2;

	(void)state;
	start(&f, 1);
	assert_int_equal(host_dir_make(f.h, "/a/b/c", 0700), 0);
	assert_int_equal(host_dir_make(f.h, "/a/b/c", 0700), 0);
	put(&f, "/a/b/x", "one");
	put(&f, "/a/b/x", "two");
	expect(&f, "/a/b/../b/./x", "two");
	assert_int_equal(host_path_stat(f.h, "/a/b/x/y", &a), -ENOTDIR);
	assert_int_equal(host_path_stat(f.h, "/a/none/y", &a), -ENOENT);
	assert_int_equal(host_path_link(f.h, "/a/b/x", "/a/hard"), 0);
	assert_int_equal(host_path_stat(f.h, "/a/hard", &a), 0);
	assert_int_equal(a.nlink, 2);
	assert_int_equal(host_path_symlink(f.h, "b/x", "/a/soft"), 0);
	assert_int_equal(host_path_symlink(f.h, "soft", "/a/soft2"), 0);
	assert_int_equal(host_path_stat(f.h, "/a/soft2", &b), 0);
	assert_int_equal(a.ino, b.ino);
	assert_int_equal(host_path_lstat(f.h, "/a/soft", &b), 0);
	assert_true(S_ISLNK(b.mode));
	assert_int_equal(host_path_real(f.h, "/a/soft2", &real), 0);
	assert_string_equal(real, "/a/b/x");
	free(real);
	assert_int_equal(host_path_symlink(f.h, "loop", "/a/loop"), 0);
	assert_int_equal(host_path_stat(f.h, "/a/loop", &b), -ELOOP);
	assert_int_equal(host_dir_list(f.h, "/a", &names, &n), 0);
	assert_int_equal(n, 5);
	assert_string_equal(names[0], "b");
	host_names_free(names, n);
	assert_int_equal(host_file_open(f.h, "/a/hard", O_RDWR, 0, &fd), 0);
	assert_int_equal(host_file_pwrite(f.h, fd, "2", 1, 5), 0);
	assert_int_equal(host_file_pread(f.h, fd, bytes, 8, 0, &got), 0);
	assert_int_equal(got, 6);
	assert_memory_equal(bytes, "two\0\0" "2", 6);
	assert_int_equal(host_file_open(f.h, "/a/hard", O_RDONLY, 0, &fd2), 0);
	assert_int_equal(host_file_pwrite(f.h, fd2, "2", 1, 5), -EBADF);
	assert_int_equal(host_file_lock(f.h, fd), 0);
	assert_int_equal(host_file_lock(f.h, fd2), -EWOULDBLOCK);
	host_file_close(f.h, fd);
	assert_int_equal(host_file_lock(f.h, fd2), 0);
	host_file_close(f.h, fd2);
	assert_int_equal(host_path_rename(f.h, "/a", "/a/b/c/d"), -EINVAL);
	assert_int_equal(host_path_rename(f.h, "/a/b", "/moved"), 0);
	expect(&f, "/moved/x", (char[]){'t', 'w', 'o', 0});
	assert_int_equal(host_path_unlink(f.h, "/moved"), -EISDIR);
	assert_int_equal(host_dir_remove(f.h, "/moved"), -ENOTEMPTY);
	sim_disk_set_limit(f.disk, sim_disk_used(f.disk) + 3);
	assert_int_equal(host_file_replace_own(f.h, "/big", "12345", 5, 0644), -ENOSPC);
	assert_false(host_path_exists(f.h, "/big"));
	put(&f, "/fits", "123");
	sim_disk_set_read_only(f.disk, true);
	assert_int_equal(host_file_replace_own(f.h, "/fits", "", 0, 0644), -EROFS);
	sim_disk_set_read_only(f.disk, false);
	assert_int_equal(host_dir_remove_tree(f.h, "/a"), 0);
	assert_int_equal(host_dir_remove_tree(f.h, "/moved"), 0);
	assert_int_equal(host_path_unlink(f.h, "/fits"), 0);
	assert_int_equal(sim_disk_used(f.disk), 0);
	stop(&f);
}

static void reboot(struct fixture *f, uint64_t seed)
{
	host_sim_kill(f->h);
	host_free(f->h);
	sim_disk_power_loss(f->disk);
	assert_int_equal(host_sim_new(f->disk, seed, &f->h), 0);
}

static void write_unsynced(struct fixture *f, const char *path, const char *text)
{
	int fd;

	assert_int_equal(host_file_open(f->h, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd), 0);
	assert_int_equal(host_file_pwrite(f->h, fd, text, strlen(text), 0), 0);
	host_file_close(f->h, fd);
}

static void test_power_loss(void **state)
{
	unsigned gone = 0, empty = 0, part = 0, whole = 0, renamed = 0, kept = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct fixture f;
		char *text;

		start(&f, seed);
		put(&f, "/synced", "safe");
		put(&f, "/replaced", "old");
		put(&f, "/temp", "new");
		write_unsynced(&f, "/unsynced", "hello");
		/* Synced content under a name that is not. */
		assert_int_equal(host_path_rename(f.h, "/temp", "/replaced"), 0);
		reboot(&f, seed);
		expect(&f, "/synced", "safe");
		text = get(&f, "/unsynced");
		gone += !text;
		empty += text && !*text;
		part += text && *text && strlen(text) < 5;
		whole += text && strlen(text) == 5;
		assert_true(!text || strncmp(text, "hello", strlen(text)) == 0);
		free(text);
		text = get(&f, "/replaced");
		assert_non_null(text);
		renamed += strcmp(text, "new") == 0;
		kept += strcmp(text, "old") == 0;
		free(text);
		/* The power fails once more without anything having changed. */
		reboot(&f, seed);
		expect(&f, "/synced", "safe");
		stop(&f);
	}
	assert_true(gone > 5 && empty > 5 && part > 5 && whole > 5);
	assert_true(renamed > 20 && kept > 20 && renamed + kept == SEEDS);
}

/* A directory made without waiting is there after a power loss once somebody waited. */
static void test_dirs_made_soon(void **state)
{
	unsigned lost[3] = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		for (size_t how = 0; how < 3; how++) {
			struct fixture f;
			char *text;

			start(&f, seed);
			assert_int_equal(host_dir_make_soon(f.h, "/a/b", 0700), 0);
			if (how == 1)
				assert_int_equal(host_dir_settle(f.h), 0);
			else if (how == 2)
				assert_int_equal(host_dir_make(f.h, "/a/b", 0700), 0);
			put(&f, "/a/b/file", "text");
			reboot(&f, seed);
			text = get(&f, "/a/b/file");
			lost[how] += !text;
			free(text);
			stop(&f);
		}
	}
	assert_true(lost[0] > 5);
	assert_int_equal(lost[1], 0);
	assert_int_equal(lost[2], 0);
}

/* One directory that cannot be synced is no trouble of another, and is tried again. */
static void test_settle_fails(void **state)
{
	struct fixture f;
	struct fault *faults;

	(void)state;
	start(&f, 1);
	faults = fault_install(f.h);
	assert_int_equal(host_dir_make_soon(f.h, "/bad/a", 0700), 0);
	assert_int_equal(host_dir_make_soon(f.h, "/good/a/", 0700), 0);
	fault_add(faults, &(struct fault_rule){.ops = FAULT_SYNC, .prefix = "/bad", .nth = 1, .from_then_on = true,
					       .action = FAULT_FAIL, .error = EIO});
	assert_int_equal(host_dir_make(f.h, "/good/a", 0700), 0);
	assert_int_equal(host_dir_make(f.h, "/bad/a", 0700), -EIO);
	assert_int_equal(host_dir_settle(f.h), -EIO);
	fault_reset_count(faults);
	fault_clear(faults);
	assert_int_equal(host_dir_make(f.h, "/bad/a", 0700), 0);
	assert_int_equal(fault_count(faults, FAULT_SYNC), 1);
	assert_int_equal(host_dir_settle(f.h), 0);
	assert_int_equal(fault_count(faults, FAULT_SYNC), 1);
	fault_remove(faults);
	stop(&f);
}

/* Atomic replacement under a power loss at any moment: the old content or the
 * new, never neither; and the new once it was reported. */
static void test_replace_survives(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct fixture f;
		char *text;
		bool reported;

		start(&f, seed);
		put(&f, "/f", "old");
		reported = seed % 3 == 0;
		if (reported) {
			put(&f, "/f", "new");
		} else {
			struct host_replace r;

			assert_int_equal(host_replace_prepare(f.h, &r, "/f", "new", 3, 0644), 0);
			if (seed % 3 == 1)
				assert_int_equal(host_path_rename(f.h, r.temp, r.target), 0);
			host_sim_kill(f.h);
			host_replace_abort(f.h, &r);
		}
		reboot(&f, seed);
		text = get(&f, "/f");
		assert_non_null(text);
		if (reported || seed % 3 == 2)
			assert_string_equal(text, reported ? "new" : "old");
		else
			assert_true(strcmp(text, "new") == 0 || strcmp(text, "old") == 0);
		free(text);
		stop(&f);
	}
}

static void test_killed_host_is_harmless(void **state)
{
	struct fixture f;
	struct host_timer t;
	unsigned n = 0;
	int fd;

	(void)state;
	start(&f, 1);
	put(&f, "/f", "x");
	assert_int_equal(host_file_open(f.h, "/f", O_RDWR, 0, &fd), 0);
	host_timer_init(&t, f.h, count, &n);
	host_timer_start(&t, 0);
	host_sim_kill(f.h);
	assert_true(host_sim_killed(f.h));
	assert_int_equal(host_run(f.h), -ECANCELED);
	assert_int_equal(n, 0);
	assert_int_equal(host_file_pwrite(f.h, fd, "y", 1, 0), -EIO);
	assert_int_equal(host_path_unlink(f.h, "/f"), -EIO);
	host_free(f.h);
	assert_int_equal(host_sim_new(f.disk, 2, &f.h), 0);
	expect(&f, "/f", "x");
	stop(&f);
}

/* ---- watches, signals, programs ---- */

struct seen {
	unsigned renamed, changed;
	bool any;
};

static void on_change(void *ctx, const char *name, int events)
{
	struct seen *s = ctx;

	if (strcmp(name, "n.ipynb") != 0)
		return;
	s->renamed += (events & HOST_WATCH_RENAMED) != 0;
	s->changed += (events & HOST_WATCH_CHANGED) != 0;
	s->any = true;
}

static void test_watch(void **state)
{
	struct fixture f;
	struct host_watch *w;
	struct seen s = {0};

	(void)state;
	start(&f, 1);
	assert_int_equal(host_dir_make(f.h, "/w", 0700), 0);
	assert_int_equal(host_watch_dir(f.h, "/w", on_change, &s, &w), 0);
	put(&f, "/w/n.ipynb", "{}");
	assert_int_equal(host_run_until(f.h, is_set, &s.any, LIMIT), 0);
	host_run(f.h);
	assert_int_equal(s.renamed, 1);
	assert_int_equal(s.changed, 0);
	expect(&f, "/w/n.ipynb", "{}"); /* reading is no event */
	assert_int_equal(host_run(f.h), -EDEADLK);
	write_unsynced(&f, "/w/n.ipynb", "[]");
	host_run(f.h);
	assert_true(s.changed >= 1);
	assert_int_equal(host_path_unlink(f.h, "/w/n.ipynb"), 0);
	host_watch_close(w); /* with an event under way */
	host_run(f.h);
	assert_int_equal(s.renamed, 1);
	stop(&f);
}

static void on_signal(void *ctx, int signum)
{
	*(int *)ctx = signum;
}

static void test_signal(void **state)
{
	struct fixture f;
	struct host_signal *s;
	int got = 0;

	(void)state;
	start(&f, 1);
	assert_int_equal(host_signal_open(f.h, SIGTERM, on_signal, &got, &s), 0);
	host_sim_signal(f.h, SIGHUP);
	host_sim_signal(f.h, SIGTERM);
	host_run(f.h);
	assert_int_equal(got, SIGTERM);
	host_signal_close(s);
	stop(&f);
}

static void *cat_start(void *ctx, struct sim_process *p, const struct host_spawn *spec)
{
	(void)ctx;
	sim_process_output(p, 1, spec->input, spec->input_n);
	sim_process_output(p, 2, "warn\n", 5);
	sim_process_output(p, 1, "!\n", 2);
	if (!spec->argv[1])
		sim_process_exit(p, 3, 0);
	return NULL;
}

struct run {
	bool done;
	int error, status;
	char text[100];
};

static void run_over(void *ctx, struct host_run_result *r)
{
	struct run *run = ctx;

	run->done = true;
	run->error = r->error;
	run->status = r->status;
	snprintf(run->text, sizeof run->text, "%s%s", buf_cstr(&r->out), buf_cstr(&r->err));
}

static void test_programs(void **state)
{
	static const struct sim_program cat = {.start = cat_start};
	const char *argv[] = {"/usr/bin/cat", NULL}, *hang[] = {"cat", "x", NULL}, *none[] = {"dog", NULL};
	struct host_spawn spec = {.argv = argv, .input = "in", .input_n = 2};

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct fixture f;
		struct run run = {0};

		start(&f, seed);
		host_sim_program(f.h, "cat", &cat, NULL);
		spec.argv = argv;
		host_run_tool(f.h, &spec, HOST_SEC(5), 100, run_over, &run);
		assert_int_equal(host_run_until(f.h, is_set, &run.done, LIMIT), 0);
		assert_int_equal(run.error, 0);
		assert_int_equal(run.status, 3);
		assert_string_equal(run.text, "in!\nwarn\n");
		run.done = false;
		spec.argv = hang;
		host_run_tool(f.h, &spec, HOST_SEC(5), 100, run_over, &run);
		assert_int_equal(host_run_until(f.h, is_set, &run.done, LIMIT), 0);
		assert_int_equal(run.error, -ETIMEDOUT);
		run.done = false;
		spec.argv = none;
		host_run_tool(f.h, &spec, HOST_SEC(5), 100, run_over, &run);
		assert_int_equal(host_run_until(f.h, is_set, &run.done, LIMIT), 0);
		assert_int_equal(run.error, -ENOENT);
		stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time), cmocka_unit_test(test_order_is_the_seeds), cmocka_unit_test(test_streams),
		cmocka_unit_test(test_files), cmocka_unit_test(test_power_loss), cmocka_unit_test(test_replace_survives),
		cmocka_unit_test(test_dirs_made_soon), cmocka_unit_test(test_settle_fails),
		cmocka_unit_test(test_killed_host_is_harmless), cmocka_unit_test(test_watch),
		cmocka_unit_test(test_signal), cmocka_unit_test(test_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
