#include "host/uv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/text.h"
#include "host/file.h"
#include "host/poll.h"
#include "host/process.h"
#include "host/signal.h"
#include "host/stream.h"
#include "host/watch.h"

#define LIMIT HOST_SEC(20)

struct fixture {
	struct host *h;
	char *dir;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	char dir[] = "/tmp/host-test-XXXXXX";

	assert_non_null(mkdtemp(dir));
	f->dir = xstrdup(dir);
	assert_int_equal(host_uv_new(&f->h), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(host_dir_remove_tree(f->h, f->dir), 0);
	host_free(f->h);
	free(f->dir);
	free(f);
	return 0;
}

static bool is_set(void *ctx)
{
	return *(bool *)ctx;
}

static void run_until(struct fixture *f, bool *flag)
{
	assert_int_equal(host_run_until(f->h, is_set, flag, LIMIT), 0);
}

/* ---- timers, defers, hooks ---- */

struct trace {
	struct host *h;
	struct buf text;
	struct host_timer a, b, c;
	struct host_defer d, e;
	struct host_hook hook;
	uint64_t beats;
	bool over;
};

static void say_a(void *ctx)
{
	struct trace *t = ctx;

	buf_append_byte(&t->text, 'a');
	host_timer_stop(&t->c); /* stopped while due in the same turn */
	host_defer(&t->d);
}

static void say_b(void *ctx)
{
	buf_append_byte(&((struct trace *)ctx)->text, 'b');
}

static void say_c(void *ctx)
{
	buf_append_byte(&((struct trace *)ctx)->text, 'c');
}

static void say_d(void *ctx)
{
	struct trace *t = ctx;

	buf_append_byte(&t->text, 'd');
	host_defer(&t->e);
}

static void say_e(void *ctx)
{
	struct trace *t = ctx;

	buf_append_byte(&t->text, 'e');
	t->over = true;
}

static void say_hook(void *ctx)
{
	struct trace *t = ctx;

	if (t->text.n > 0 && t->text.p[t->text.n - 1] != '|')
		buf_append_byte(&t->text, '|');
}

static void test_order(void **state)
{
	struct fixture *f = *state;
	struct trace t = {.h = f->h};

	host_timer_init(&t.a, f->h, say_a, &t);
	host_timer_init(&t.b, f->h, say_b, &t);
	host_timer_init(&t.c, f->h, say_c, &t);
	host_defer_init(&t.d, f->h, say_d, &t);
	host_defer_init(&t.e, f->h, say_e, &t);
	host_turn_end(f->h, &t.hook, say_hook, &t);
	host_timer_start(&t.c, HOST_MS(1));
	host_timer_start(&t.b, 0);
	host_timer_start(&t.a, 0);
	host_timer_start(&t.c, 0);
	run_until(f, &t.over);
	host_turn_end_remove(f->h, &t.hook);
	/* b before a by order of starting; c stopped by a; e deferred by d waits a turn. */
	assert_string_equal(buf_cstr(&t.text), "bad|e|");
	buf_free(&t.text);
}

static void beat(void *ctx)
{
	struct trace *t = ctx;

	if (++t->beats == 3) {
		host_timer_stop(&t->a);
		host_timer_start(&t->b, HOST_MS(30));
	}
}

static void over(void *ctx)
{
	((struct trace *)ctx)->over = true;
}

static void test_repeat_and_heap(void **state)
{
	struct fixture *f = *state;
	struct trace t = {.h = f->h};
	struct host_timer many[100];
	uint64_t before = host_now_ns(f->h);

	host_timer_init(&t.a, f->h, beat, &t);
	host_timer_init(&t.b, f->h, over, &t);
	host_timer_start_repeat(&t.a, HOST_MS(2));
	for (unsigned i = 0; i < 100; i++) {
		host_timer_init(&many[i], f->h, say_c, &t);
		host_timer_start(&many[i], HOST_MS((i * 37) % 100 + 1000));
	}
	for (unsigned i = 0; i < 100; i += 3)
		host_timer_stop(&many[i]);
	assert_true(host_timer_active(&many[1]));
	assert_true(host_timer_left(&many[1]) > HOST_MS(500));
	assert_false(host_timer_active(&many[3]));
	run_until(f, &t.over);
	assert_int_equal(t.beats, 3);
	assert_true(host_now_ns(f->h) - before >= HOST_MS(36));
	for (unsigned i = 0; i < 100; i++)
		host_timer_stop(&many[i]);
	assert_int_equal(t.text.n, 0);
}

static void test_run_until_limit(void **state)
{
	struct fixture *f = *state;
	bool never = false;

	assert_int_equal(host_run_until(f->h, is_set, &never, HOST_MS(5)), -ETIMEDOUT);
}

/* ---- workers ---- */

struct job {
	struct fixture *f;
	pthread_t thread;
	int order;
	bool done;
};

static void job_run(void *ctx)
{
	((struct job *)ctx)->thread = pthread_self();
}

static void job_done(void *ctx)
{
	struct job *j = ctx;

	assert_int_equal(host_work_pending(j->f->h), 0);
	j->done = true;
}

static void test_work(void **state)
{
	struct fixture *f = *state;
	struct job j = {.f = f};

	host_work(f->h, job_run, job_done, &j);
	assert_int_equal(host_work_pending(f->h), 1);
	run_until(f, &j.done);
	assert_false(pthread_equal(j.thread, pthread_self()));
}

/* ---- streams ---- */

struct peer {
	struct fixture *f;
	struct host_stream *s;
	struct buf in;
	size_t want;
	int end_err;
	bool connected, ended, full, written;
	bool echo, close_flushed;
};

static void peer_read(void *ctx, const uint8_t *p, size_t n)
{
	struct peer *peer = ctx;

	buf_append(&peer->in, p, n);
	if (peer->in.n >= peer->want)
		peer->full = true;
	if (peer->echo)
		assert_int_equal(host_stream_write(peer->s, xmemdup(p, n), n, NULL, NULL), 0);
}

static void peer_end(void *ctx, int err)
{
	struct peer *peer = ctx;

	assert_false(peer->ended);
	peer->ended = true;
	peer->end_err = err;
	if (peer->echo) {
		host_stream_close_flushed(peer->s, HOST_SEC(2));
		peer->s = NULL;
	}
}

static const struct host_stream_events peer_events = {.read = peer_read, .end = peer_end};

static void peer_accept(void *ctx, struct host_stream *s)
{
	struct peer *peer = ctx;

	peer->s = s;
	peer->connected = true;
	host_stream_read_start(s, &peer_events, peer);
}

static void peer_connected(void *ctx, int err, struct host_stream *s)
{
	assert_int_equal(err, 0);
	peer_accept(ctx, s);
}

static void peer_written(void *ctx, int err)
{
	assert_int_equal(err, 0);
	((struct peer *)ctx)->written = true;
}

/* 8 MiB through both socket kinds and back, more than any buffer takes at once. */
static void echo_big(struct fixture *f, struct peer *client, struct peer *server)
{
	size_t n = 8u << 20;
	uint8_t *big = xmalloc(n);

	for (size_t i = 0; i < n; i++)
		big[i] = (uint8_t)(i * 31 + (i >> 11));
	client->want = n;
	server->echo = true;
	run_until(f, &client->connected);
	assert_int_equal(host_stream_write(client->s, xmemdup(big, n), n, peer_written, client), 0);
	assert_true(host_stream_queued(client->s) > 0);
	host_stream_finish(client->s);
	assert_int_equal(host_stream_write(client->s, xstrdup("x"), 1, NULL, NULL), -EPIPE);
	run_until(f, &client->ended);
	assert_true(client->written);
	assert_int_equal(client->end_err, 0);
	assert_int_equal(client->in.n, n);
	assert_memory_equal(client->in.p, big, n);
	assert_true(server->ended);
	host_stream_close(client->s);
	buf_free(&client->in);
	buf_free(&server->in);
	free(big);
}

static void test_unix(void **state)
{
	struct fixture *f = *state;
	struct peer client = {.f = f}, server = {.f = f};
	char *path = path_join(f->dir, "s.sock");
	struct host_listener *l, *l2;
	struct host_peer_cred cred;
	struct stat st;

	assert_int_equal(host_listen_unix(f->h, path, peer_accept, &server, &l), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Somebody answers: not ours to take. */
	assert_int_equal(host_listen_unix(f->h, path, peer_accept, &server, &l2), -EADDRINUSE);
	run_until(f, &server.ended); /* that was the question whether somebody answers */
	host_stream_close(server.s);
	server = (struct peer){.f = f};
	assert_int_equal(host_connect_unix(f->h, path, peer_connected, &client), 0);
	run_until(f, &client.connected);
	run_until(f, &server.connected);
	assert_int_equal(host_stream_peer(server.s, &cred), 0);
	assert_int_equal(cred.pid, getpid());
	assert_int_equal(cred.uid, getuid());
	echo_big(f, &client, &server);
	host_listener_close(l);
	assert_int_equal(stat(path, &st), -1);
	free(path);
}

static void test_tcp(void **state)
{
	struct fixture *f = *state;
	struct peer client = {.f = f}, server = {.f = f};
	struct host_listener *l;
	uint16_t port = 0;

	assert_int_equal(host_listen_loopback(f->h, 0, peer_accept, &server, &l, &port), 0);
	assert_true(port > 0);
	assert_int_equal(host_connect_loopback(f->h, port, peer_connected, &client), 0);
	echo_big(f, &client, &server);
	host_listener_close(l);
}

static void test_stale_socket(void **state)
{
	struct fixture *f = *state;
	struct peer server = {.f = f};
	char *path = path_join(f->dir, "s.sock"), *file = path_join(f->dir, "file");
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct host_listener *l;
	struct stat st;
	char longer[200];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	close(fd);
	assert_int_equal(host_listen_unix(f->h, path, peer_accept, &server, &l), 0);
	/* Somebody else put another file there meanwhile: it is left alone. */
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	host_listener_close(l);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(rename(path, file), 0);
	assert_int_equal(host_listen_unix(f->h, file, peer_accept, &server, &l), -EADDRINUSE);
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(host_listen_unix(f->h, longer, peer_accept, &server, &l), -ENAMETOOLONG);
	assert_int_equal(host_connect_unix(f->h, longer, peer_connected, &server), -ENAMETOOLONG);
	free(path);
	free(file);
}

static void refused(void *ctx, int err, struct host_stream *s)
{
	assert_int_equal(err, -ENOENT);
	assert_null(s);
	*(bool *)ctx = true;
}

static void test_connect_refused(void **state)
{
	struct fixture *f = *state;
	char *path = path_join(f->dir, "nobody.sock");
	bool told = false;

	assert_int_equal(host_connect_unix(f->h, path, refused, &told), 0);
	assert_false(told);
	run_until(f, &told);
	free(path);
}

/* Data that came before the peer vanished is delivered although writing fails. */
static void test_data_before_loss(void **state)
{
	struct fixture *f = *state;
	struct peer client = {.f = f}, server = {.f = f};
	char *path = path_join(f->dir, "s.sock");
	struct host_listener *l;

	assert_int_equal(host_listen_unix(f->h, path, peer_accept, &server, &l), 0);
	assert_int_equal(host_connect_unix(f->h, path, peer_connected, &client), 0);
	run_until(f, &server.connected);
	run_until(f, &client.connected);
	host_stream_read_stop(server.s);
	assert_int_equal(host_stream_write(client.s, xstrdup("hello"), 5, NULL, NULL), 0);
	host_stream_close(client.s);
	assert_int_equal(host_stream_write(server.s, xstrdup("reply"), 5, NULL, NULL) <= 0, true);
	host_stream_read_start(server.s, &peer_events, &server);
	run_until(f, &server.ended);
	assert_int_equal(server.in.n, 5);
	host_stream_close(server.s);
	buf_free(&server.in);
	host_listener_close(l);
	free(path);
}

/* ---- watching ---- */

struct seen {
	bool created, changed, removed;
	unsigned total;
};

static void watch_seen(void *ctx, const char *name, int events)
{
	struct seen *s = ctx;

	s->total++;
	if (name && strcmp(name, "x.ipynb") == 0) {
		if ((events & HOST_WATCH_RENAMED) && s->created && s->changed)
			s->removed = true;
		s->created |= (events & HOST_WATCH_RENAMED) != 0;
		s->changed |= (events & HOST_WATCH_CHANGED) != 0;
	}
}

static void test_watch(void **state)
{
	struct fixture *f = *state;
	char *path = path_join(f->dir, "x.ipynb");
	struct buf text = {0};
	struct host_watch *w;
	struct seen s = {0};
	bool never = false;
	unsigned total;

	assert_int_equal(host_watch_dir(f->h, f->dir, watch_seen, &s, &w), 0);
	assert_int_equal(host_file_replace_atomic(f->h, path, "{}", 2, 0644, NULL), 0);
	run_until(f, &s.created);
	assert_int_equal(host_file_read_all(f->h, path, 100, &text), 0);
	host_run_until(f->h, is_set, &never, HOST_MS(20));
	total = s.total;
	/* Reading is no event. */
	assert_int_equal(host_file_read_all(f->h, path, 100, &text), 0);
	host_run_until(f->h, is_set, &never, HOST_MS(50));
	assert_int_equal(s.total, total);
	assert_int_equal(truncate(path, 1), 0);
	run_until(f, &s.changed);
	assert_int_equal(unlink(path), 0);
	run_until(f, &s.removed);
	host_watch_close(w);
	buf_free(&text);
	free(path);
}

/* ---- processes ---- */

struct child {
	struct buf out, err;
	bool out_end, err_end, exited;
	int status, signal;
};

static void child_output(void *ctx, int fd, const uint8_t *p, size_t n)
{
	struct child *c = ctx;

	if (n > 0)
		buf_append(fd == 1 ? &c->out : &c->err, p, n);
	else
		*(fd == 1 ? &c->out_end : &c->err_end) = true;
}

static void child_exit(void *ctx, int status, int signal)
{
	struct child *c = ctx;

	assert_false(c->exited);
	c->exited = true;
	c->status = status;
	c->signal = signal;
}

static const struct host_process_events child_events = {.output = child_output, .exit = child_exit};

static void test_spawn(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = {"sh", "-c", "cat; echo \"$X $PWD\"; echo oops >&2; exit 7", NULL};
	char *env_path = xasprintf("PATH=%s", getenv("PATH"));
	const char *env[] = {"X=y", env_path, NULL};
	struct child c = {0};
	struct host_spawn spec = {.argv = argv, .env = env, .cwd = f->dir, .input = "in\n", .input_n = 3,
				  .flags = HOST_SPAWN_STDOUT | HOST_SPAWN_STDERR | HOST_SPAWN_SESSION,
				  .events = &child_events, .ctx = &c};
	struct host_process *p;
	char *want = xasprintf("in\ny %s\n", f->dir);

	assert_int_equal(host_process_spawn(f->h, &spec, &p), 0);
	assert_true(host_process_pid(p) > 1);
	run_until(f, &c.exited);
	run_until(f, &c.out_end);
	run_until(f, &c.err_end);
	assert_int_equal(c.status, 7);
	assert_int_equal(c.signal, 0);
	assert_string_equal(buf_cstr(&c.out), want);
	assert_string_equal(buf_cstr(&c.err), "oops\n");
	assert_int_equal(host_process_signal(p, SIGTERM), -ESRCH);
	host_process_close(p);
	buf_free(&c.out);
	buf_free(&c.err);
	free(want);
	free(env_path);
}

static void test_spawn_errors(void **state)
{
	struct fixture *f = *state;
	const char *none[] = {"no-such-program-here", NULL}, *path[] = {"/no/such/program", NULL};
	const char *ok[] = {"true", NULL}, *dir[] = {f->dir, NULL};
	struct host_spawn spec = {.argv = none, .events = &child_events};
	struct host_process *p;

	assert_int_equal(host_process_spawn(f->h, &spec, &p), -ENOENT);
	spec.argv = path;
	assert_int_equal(host_process_spawn(f->h, &spec, &p), -ENOENT);
	spec.argv = dir;
	assert_int_equal(host_process_spawn(f->h, &spec, &p), -EACCES);
	spec.argv = ok;
	spec.cwd = "/no/such/dir";
	assert_int_equal(host_process_spawn(f->h, &spec, &p), -ENOENT);
}

static void test_group_and_identity(void **state)
{
	struct fixture *f = *state;
	const char *argv[] = {"sh", "-c", "sleep 1000 & echo $!; exec sleep 1000", NULL};
	struct child c = {0};
	struct host_spawn spec = {.argv = argv, .events = &child_events, .ctx = &c,
				  .flags = HOST_SPAWN_STDOUT | HOST_SPAWN_SESSION | HOST_SPAWN_DIE_WITH_US};
	struct host_process *p;
	uint64_t start, grand_start;
	pid_t pid, grand;
	bool never = false;

	assert_int_equal(host_process_spawn(f->h, &spec, &p), 0);
	pid = host_process_pid(p);
	for (int i = 0; i < 1000 && !memchr(c.out.p ? (char *)c.out.p : "", '\n', c.out.n); i++)
		host_run_until(f->h, is_set, &never, HOST_MS(10));
	grand = atoi(buf_cstr(&c.out));
	assert_true(grand > 1);
	assert_int_equal(host_pid_start_time(f->h, pid, &start), 0);
	assert_int_equal(host_pid_start_time(f->h, grand, &grand_start), 0);
	assert_true(host_pid_matches(f->h, pid, start));
	assert_false(host_pid_matches(f->h, pid, start + 1));
	/* A wrong start time is somebody else's group. */
	assert_int_equal(host_pgid_signal(f->h, pid, start + 1, SIGKILL), -ESRCH);
	assert_int_equal(host_process_signal(p, SIGKILL), 0);
	run_until(f, &c.exited);
	assert_int_equal(c.signal, SIGKILL);
	assert_true(host_pid_matches(f->h, grand, grand_start));
	/* The leader is gone, the grandchild is still its group's. */
	assert_int_equal(host_pgid_signal(f->h, pid, start, SIGKILL), 0);
	run_until(f, &c.out_end);
	for (int i = 0; i < 1000 && host_pid_matches(f->h, grand, grand_start); i++)
		host_run_until(f->h, is_set, &never, HOST_MS(10));
	assert_false(host_pid_matches(f->h, grand, grand_start));
	host_process_close(p);
	buf_free(&c.out);
}

static bool run_done;
static int run_error, run_status;
static char run_text[100];

static void run_over(void *ctx, struct host_run_result *r)
{
	(void)ctx;
	run_done = true;
	run_error = r->error;
	run_status = r->status;
	snprintf(run_text, sizeof run_text, "%s%s", buf_cstr(&r->out), buf_cstr(&r->err));
}

static void tool(struct fixture *f, const char *script, uint64_t timeout, size_t limit, unsigned flags)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct host_spawn spec = {.argv = argv, .flags = flags};

	run_done = false;
	host_run_tool(f->h, &spec, timeout, limit, run_over, NULL);
	assert_false(run_done);
	run_until(f, &run_done);
}

static void test_run_tool(void **state)
{
	struct fixture *f = *state;
	const char *none[] = {"no-such-program-here", NULL}, *slow[] = {"sleep", "1000", NULL};
	struct host_spawn spec = {.argv = none};

	tool(f, "echo one; echo two >&2; exit 3", LIMIT, 1000, 0);
	assert_int_equal(run_error, 0);
	assert_int_equal(run_status, 3);
	assert_string_equal(run_text, "one\ntwo\n");
	tool(f, "echo two >&2; echo one", LIMIT, 1000, HOST_SPAWN_MERGE);
	assert_string_equal(run_text, "two\none\n");
	tool(f, "sleep 1000 & exec sleep 1000", HOST_MS(50), 1000, 0);
	assert_int_equal(run_error, -ETIMEDOUT);
	tool(f, "yes", LIMIT, 1000, 0);
	assert_int_equal(run_error, -EFBIG);
	run_done = false;
	host_run_tool(f->h, &spec, LIMIT, 10, run_over, NULL);
	run_until(f, &run_done);
	assert_int_equal(run_error, -ENOENT);
	run_done = false;
	spec.argv = slow;
	host_run_cancel(host_run_tool(f->h, &spec, HOST_MS(1), 10, run_over, NULL));
	assert_int_equal(host_run_until(f->h, is_set, &run_done, HOST_MS(30)), -ETIMEDOUT);
}

/* ---- descriptors, signals ---- */

static struct host_poll *polled;
static int poll_fds[2];
static bool poll_seen;

static void poll_ready(void *ctx)
{
	char byte;

	(void)ctx;
	assert_int_equal(read(poll_fds[0], &byte, 1), 1);
	poll_seen = true;
	host_poll_close(polled);
}

static void test_poll(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pipe(poll_fds), 0);
	assert_int_equal(host_poll_open(f->h, poll_fds[0], poll_ready, NULL, &polled), 0);
	assert_int_equal(write(poll_fds[1], "x", 1), 1);
	run_until(f, &poll_seen);
	close(poll_fds[0]);
	close(poll_fds[1]);
}

static bool signal_seen;

static void on_signal(void *ctx, int signum)
{
	(void)ctx;
	assert_int_equal(signum, SIGHUP);
	signal_seen = true;
}

static void test_signal(void **state)
{
	struct fixture *f = *state;
	struct host_signal *s;

	assert_int_equal(host_signal_open(f->h, SIGHUP, on_signal, NULL, &s), 0);
	assert_int_equal(raise(SIGHUP), 0);
	run_until(f, &signal_seen);
	host_signal_close(s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_order), T(test_repeat_and_heap), T(test_run_until_limit), T(test_work),
		T(test_unix), T(test_tcp), T(test_stale_socket), T(test_connect_refused), T(test_data_before_loss),
		T(test_watch),
		T(test_spawn), T(test_spawn_errors), T(test_group_and_identity), T(test_run_tool),
		T(test_poll), T(test_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
