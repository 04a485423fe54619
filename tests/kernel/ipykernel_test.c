/* The kernel layer against a real ipykernel: launch over Unix sockets, output
 * of every kind, interrupts, questions, floods, and every way to go.
 *
 * The interpreter is $RUNTIMED_PYTHON or the default environment that ./run
 * makes ($XDG_CACHE_HOME/runt/default-env); without one the test is skipped.
 * With --bench it prints how long 1,000 displays, 10,000 flushed and 100,000 plain lines take. */
#include "kernel/kernel.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/text.h"
#include "environment/python.h"
#include "environment/resolve.h"
#include "host/file.h"
#include "host/host.h"
#include "host/process.h"
#include "host/uv.h"
#include "kernel/test_blobs.h"

struct world {
	struct host *host;
	struct test_blobs blobs;
	char *base;
	struct kernel_service *service;
	struct kernel *k;
	size_t launched, failed, died, done, outputs, unresponsive, recovered, stopped, starts, comms, answers;
	char *reason, *completion, *history;
	enum execution_status last;
	bool gone;
};

static char *cache_dir; /* …/runt */

/* ---- callbacks ---- */

static void on_launched(void *ctx)
{
	((struct world *)ctx)->launched++;
}

static void keep(char **slot, const char *text)
{
	free(*slot);
	*slot = xstrdup(text);
}

static void on_launch_failed(void *ctx, const char *reason)
{
	struct world *w = ctx;
	keep(&w->reason, reason);
	w->failed++;
}

static void on_died(void *ctx, const char *reason)
{
	struct world *w = ctx;
	keep(&w->reason, reason);
	w->died++;
}

static void on_unresponsive(void *ctx, bool yes)
{
	struct world *w = ctx;
	w->unresponsive += yes;
	w->recovered += !yes;
}

static void on_started(void *ctx, struct execution *x)
{
	(void)x;
	((struct world *)ctx)->starts++;
}

static void on_output(void *ctx, struct execution *x, size_t index, bool replaced)
{
	(void)x, (void)index, (void)replaced;
	((struct world *)ctx)->outputs++;
}

static void on_done(void *ctx, struct execution *x, bool ran)
{
	struct world *w = ctx;
	w->done++;
	if (ran)
		w->last = x->status;
}

static void on_comm(void *ctx, const char *type, const char *content, size_t n, const struct comm_buffer *b, size_t nb,
		    uint64_t except)
{
	(void)type, (void)content, (void)n, (void)b, (void)nb, (void)except;
	((struct world *)ctx)->comms++;
}

static void on_completion(void *ctx, uint64_t token, const char *error, const struct kernel_completion *c)
{
	struct world *w = ctx;
	(void)token;
	struct buf b = {0};
	buf_printf(&b, "%s|%zu-%zu|", error ? error : "", c->cursor_start, c->cursor_end);
	for (size_t i = 0; i < c->n; i++)
		buf_printf(&b, "%s ", c->items[i].label);
	keep(&w->completion, buf_cstr(&b));
	w->answers++;
	buf_free(&b);
}

static void on_history(void *ctx, uint64_t token, const char *error, const struct kernel_history_entry *e, size_t n)
{
	struct world *w = ctx;
	(void)token;
	struct buf b = {0};
	buf_printf(&b, "%s|", error ? error : "");
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s;", e[i].source);
	keep(&w->history, buf_cstr(&b));
	w->answers++;
	buf_free(&b);
}

static const struct kernel_callbacks callbacks = {
	.launched = on_launched,  .launch_failed = on_launch_failed, .died = on_died,
	.unresponsive = on_unresponsive, .execution_started = on_started, .output = on_output,
	.execution_done = on_done, .comm = on_comm, .completion = on_completion, .history = on_history};

/* ---- driving ---- */

static void stop_host(void *ctx)
{
	host_stop(ctx);
}

static void run_ms(struct world *w, unsigned ms)
{
	struct host_timer tick;
	host_timer_init(&tick, w->host, stop_host, w->host);
	host_timer_start(&tick, HOST_MS(ms));
	host_run(w->host);
	host_timer_stop(&tick);
}

/* Until *count reaches want; how long it took, in milliseconds. */
static unsigned until(struct world *w, const size_t *count, size_t want, unsigned limit_ms)
{
	uint64_t start = host_now_ns(w->host);
	while (*count < want) {
		unsigned passed = (unsigned)((host_now_ns(w->host) - start) / HOST_MS(1));
		if (passed > limit_ms)
			fail_msg("%zu of %zu after %u ms: %s", *count, want, passed, w->reason ? w->reason : "");
		run_ms(w, 2);
	}
	return (unsigned)((host_now_ns(w->host) - start) / HOST_MS(1));
}

static void on_resolved(void *ctx, const struct resolve_result *result)
{
	struct world *w = ctx;
	if (result->error)
		fail_msg("%s", result->error);
	assert_string_equal(result->env_source, "uv:prewarmed");
	assert_non_null(json_get(result->launched_config, "launch_id"));
	assert_int_equal(kernel_launch(w->k, result->spec), 0);
}

static void launch(struct world *w)
{
	const struct resolve_request request = {
		.kernel_type = "auto", .env_source = "auto", .working_dir = w->base, .cache_dir = cache_dir};
	size_t before = w->launched;
	assert_int_equal(kernel_begin_launch(w->k, "python", "uv:prewarmed"), 0);
	assert_null(resolve_start(&request, on_resolved, w));
	until(w, &w->launched, before + 1, 30000);
}

static void execute(struct world *w, const char *cell, const char *code)
{
	struct execution *x;
	assert_int_equal(kernel_execute(w->k, cell, code, strlen(code), NULL, &x), 0);
}

static unsigned run(struct world *w, const char *cell, const char *code)
{
	size_t before = w->done;
	execute(w, cell, code);
	return until(w, &w->done, before + 1, 60000);
}

static struct execution *shown(struct world *w, const char *cell)
{
	struct execution *x = queue_shown(kernel_queue(w->k), cell);
	assert_non_null(x);
	return x;
}

static char *output_text(struct world *w, const char *cell, size_t i)
{
	struct output_blobs ops = test_blobs_ops(&w->blobs);
	struct execution *x = shown(w, cell);
	struct buf b = {0};
	if (i >= x->outputs.n)
		fail_msg("cell %s has %zu outputs, no %zu", cell, x->outputs.n, i);
	output_load(&ops, x->outputs.p[i].entry, &b);
	return buf_take(&b, NULL);
}

static void expect_output(struct world *w, const char *cell, size_t i, const char *part)
{
	char *text = output_text(w, cell, i);
	if (!strstr(text, part))
		fail_msg("output %zu of %s lacks %s: %.500s", i, cell, part, text);
	free(text);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof *w);
	char dir[] = "/tmp/runtimed-kernel-test-XXXXXX";
	assert_int_equal(host_uv_new(&w->host), 0);
	assert_non_null(mkdtemp(dir));
	w->base = xstrdup(dir);
	const struct kernel_service_config config = {
		.host = w->host, .base_dir = w->base, .blobs = test_blobs_ops(&w->blobs)};
	assert_int_equal(kernel_service_new(&config, &w->service), 0);
	w->k = kernel_new(w->service, &callbacks, w);
	*state = w;
	return 0;
}

static void on_gone(void *ctx)
{
	((struct world *)ctx)->stopped++;
}

static int teardown(void **state)
{
	struct world *w = *state;
	kernel_free(w->k);
	kernel_service_stop(w->service, on_gone, w);
	until(w, &w->stopped, 1, 9000);
	kernel_service_free(w->service);
	host_dir_remove_tree(w->host, w->base);
	host_free(w->host);
	test_blobs_fini(&w->blobs);
	free(w->base);
	free(w->reason);
	free(w->completion);
	free(w->history);
	free(w);
	return 0;
}

/* ---- tests ---- */

static void test_private_files(void **state)
{
	struct world *w = *state;
	struct stat st;
	launch(w);
	char *dir = path_join(w->base, "connections"), *cwd = xasprintf("'%s'", w->base);
	char **names;
	size_t n;
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(host_dir_list(w->host, dir, &names, &n), 0);
	bool found = false;
	for (size_t i = 0; i < n; i++) {
		char *path = path_join(dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
		if (S_ISREG(st.st_mode)) {
			found = true;
			assert_int_equal(st.st_mode & 0777, 0600);
		}
		free(path);
	}
	assert_true(found);
	host_names_free(names, n);
	run(w, "a", "import os, sys, shutil\nprint(os.getcwd() == os.path.realpath(os.getcwd()), repr(os.getcwd()))\n"
		    "print(os.environ['COLUMNS'], os.environ['LINES'], '' in os.environ['PATH'].split(':'))\n"
		    "print(os.getpgid(0) == os.getpid(), os.environ.get('VIRTUAL_ENV') in (None, sys.prefix))");
	expect_output(w, "a", 0, cwd);
	expect_output(w, "a", 0, "80 100 False\\nTrue True");
	kernel_shutdown(w->k);
	run_ms(w, 3000);
	assert_int_equal(host_dir_list(w->host, dir, &names, &n), 0);
	assert_int_equal(n, 0);
	host_names_free(names, n);
	free(dir);
	free(cwd);
}

static void test_outputs(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "print('line 1')\nprint('line 2')\nprint('line 3')\n6*7");
	expect_output(w, "a", 0, "\"text\":\"line 1\\nline 2\\nline 3\\n\"");
	expect_output(w, "a", 1, "\"text/plain\":\"42\"");
	assert_int_equal(shown(w, "a")->count, 1);
	run(w, "a", "import sys\nprint('o', flush=True)\nprint('e', file=sys.stderr, flush=True)\n"
		    "print('p', flush=True)");
	expect_output(w, "a", 0, "o\\n");
	expect_output(w, "a", 1, "stderr");
	expect_output(w, "a", 2, "p\\n");
	run(w, "b", "import time\nfor i in range(101):\n    print(f'\\r{i}%', end='', flush=True)\nprint()");
	expect_output(w, "b", 0, "\"text\":\"100%\\n\"");
	run(w, "c", "from IPython.display import display\nh = display('old', display_id='d')\n"
		    "display('x', display_id='d')");
	run(w, "d", "h.update('new')");
	run_ms(w, 60);
	expect_output(w, "c", 0, "'new'");
	expect_output(w, "c", 1, "'new'");
	run(w, "e", "1/0");
	expect_output(w, "e", 0, "ZeroDivisionError");
	assert_int_equal(w->last, EXECUTION_ERROR);
	run(w, "f", "input('?')");
	expect_output(w, "f", 0, "StdinNotImplementedError");
	run(w, "g", "print?");
	expect_output(w, "g", 0, "Prints the values");
	run(w, "h", "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('stays')\n"
		    "clear_output(wait=True)\nprint('last')");
	assert_int_equal(shown(w, "h")->outputs.n, 1);
	expect_output(w, "h", 0, "\"last\\n\"");
	run(w, "i", "print('\\x1b[31mred\\x1b[0m'); float('nan')");
	expect_output(w, "i", 0, "\\u001b[31mred\\u001b[0m");
	run(w, "j", "from IPython.display import display\nimport base64\n"
		    "display({'image/png': base64.b64decode('iVBORw==')}, raw=True)\n"
		    "display({'application/json': {'b': [1, float('nan')], 'a': 12345678901234567890}}, raw=True)");
	expect_output(w, "j", 0, "\"image/png\":\"iVBORw==");
	expect_output(w, "j", 1, "12345678901234567890");
}

static void test_queue(void **state)
{
	struct world *w = *state;
	launch(w);
	kernel_batch_begin(w->k);
	execute(w, "a", "x = 1");
	execute(w, "b", "raise ValueError('stop')");
	execute(w, "c", "print('never')");
	kernel_batch_end(w->k);
	until(w, &w->done, 3, 10000);
	assert_null(queue_shown(kernel_queue(w->k), "c"));
	/* At once behind the failure: ipykernel may abort it, we send it again. */
	for (int i = 0; i < 20; i++) {
		size_t before = w->done;
		execute(w, "e", "1/0");
		until(w, &w->done, before + 1, 10000);
		execute(w, "f", "print('ok')");
		until(w, &w->done, before + 2, 10000);
		expect_output(w, "f", 0, "ok");
	}
	/* A thread prints after its cell: the text still lands. */
	run(w, "g", "import threading, time\ndef f():\n    time.sleep(.2)\n    print('late')\n"
		    "threading.Thread(target=f).start()");
	run_ms(w, 700);
	expect_output(w, "g", 0, "late");
}

static void test_interrupt(void **state)
{
	struct world *w = *state;
	launch(w);
	execute(w, "a", "import time\nwhile True: time.sleep(1)");
	execute(w, "b", "print('b')");
	until(w, &w->starts, 1, 5000);
	run_ms(w, 200);
	uint64_t start = host_now_ns(w->host);
	kernel_complete(w->k, 1, "x", 1); /* must not stand in the way */
	assert_int_equal(kernel_interrupt(w->k), 0);
	execute(w, "c", "print('after')");
	until(w, &w->done, 3, 5000);
	assert_in_range(host_now_ns(w->host) - start, 0, HOST_MS(3000));
	expect_output(w, "a", 0, "KeyboardInterrupt");
	expect_output(w, "c", 0, "after");
	assert_null(queue_shown(kernel_queue(w->k), "b"));
	/* In a flood, and perhaps before the kernel, still busy with the question, has begun with it. */
	execute(w, "a", "while True: print('x' * 100)");
	run_ms(w, 500);
	start = host_now_ns(w->host);
	kernel_interrupt(w->k);
	until(w, &w->done, 4, 15000);
	struct execution *x = shown(w, "a");
	expect_output(w, "a", x->outputs.n - 1, "KeyboardInterrupt");
	run(w, "d", "print('fine')");
	expect_output(w, "d", 0, "fine");
}

static void test_questions(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "import os\nneedle_value = 1");
	for (int i = 0; i < 4; i++) { /* the first completion loads a lot; on a busy machine it may be too late */
		size_t before = w->answers;
		kernel_complete(w->k, 1, "os.path.joi", 11);
		kernel_history(w->k, 2, "needle", 10, true);
		until(w, &w->answers, before + 2, 6000);
	}
	assert_non_null(strstr(w->completion, "join "));
	assert_non_null(strstr(w->completion, "-11|"));
	assert_non_null(strstr(w->history, "needle_value"));
	execute(w, "b", "import time\ntime.sleep(2)");
	until(w, &w->starts, 2, 5000);
	size_t before = w->answers;
	kernel_complete(w->k, 3, "os", 2);
	until(w, &w->answers, before + 1, 1500);
	assert_string_equal(w->completion, "|0-0|");
	until(w, &w->done, 2, 5000);
}

static void test_flood(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "for i in range(20000): print('line', i, flush=True)");
	char *text = output_text(w, "a", 0);
	size_t lines = 0;
	for (const char *p = text; (p = strstr(p, "\\n")) != NULL; p++)
		lines++;
	assert_int_equal(lines, 20000);
	assert_int_equal(shown(w, "a")->outputs.n, 1);
	assert_int_equal(w->last, EXECUTION_DONE);
	free(text);
	/* 100 MiB in one message: a notice or the last of it, and the room goes on. */
	run(w, "b", "print('y' * (100 << 20))");
	text = output_text(w, "b", 0);
	assert_in_range(strlen(text), 1000, 70u << 20);
	free(text);
	run(w, "c", "print('on')");
	expect_output(w, "c", 0, "on");
}

static void test_death(void **state)
{
	struct world *w = *state;
	launch(w);
	execute(w, "a", "import os, sys\nprint('last words', flush=True)\nos.write(2, b'dying')\nos._exit(7)");
	execute(w, "b", "1");
	unsigned took = until(w, &w->died, 1, 5000);
	assert_non_null(strstr(w->reason, "exited with status 7"));
	assert_int_equal(w->done, 2);
	assert_true(took < 3000);
	assert_false(kernel_exists(w->k));
	launch(w);
	kill(kernel_pid(w->k), SIGKILL);
	took = until(w, &w->died, 2, 5000);
	assert_true(took < 500);
	assert_non_null(strstr(w->reason, "signal 9"));
	launch(w);
	run(w, "a", "print('back')");
	expect_output(w, "a", 0, "back");
}

static void test_stopped_process(void **state)
{
	struct world *w = *state;
	launch(w);
	int pid = kernel_pid(w->k);
	kill(pid, SIGSTOP);
	until(w, &w->unresponsive, 1, 25000);
	assert_int_equal(w->died, 0);
	kill(pid, SIGCONT);
	until(w, &w->recovered, 1, 12000);
	run(w, "a", "print('awake')");
	expect_output(w, "a", 0, "awake");
	kill(pid, SIGSTOP); /* teardown must still get rid of it */
}

static bool is_gone(int pid)
{
	return kill(pid, 0) < 0;
}

static void execute_fails(struct world *w)
{
	struct execution *x;
	assert_int_equal(kernel_execute(w->k, "a", "1", 1, NULL, &x), -ENOTCONN);
}

static void test_shutdown(void **state)
{
	struct world *w = *state;
	launch(w);
	int pid = kernel_pid(w->k);
	char *mark = path_join(w->base, "atexit"), *code;
	code = xasprintf("import atexit\natexit.register(lambda: open('%s', 'w').close())", mark);
	run(w, "a", code);
	execute(w, "b", "import time\ntime.sleep(60)");
	until(w, &w->starts, 2, 5000);
	uint64_t start = host_now_ns(w->host);
	assert_int_equal(kernel_shutdown(w->k), 0);
	assert_int_equal(kernel_status(w->k), KERNEL_SHUTDOWN);
	for (int i = 0; i < 700 && !is_gone(pid); i++)
		run_ms(w, 10);
	assert_true(is_gone(pid));
	if (host_now_ns(w->host) - start < HOST_MS(1900)) /* on a machine this busy SIGTERM may have been due */
		assert_int_equal(access(mark, F_OK), 0);  /* it could clean up (K9) */
	execute_fails(w);
	launch(w);
	pid = kernel_pid(w->k);
	kernel_shutdown(w->k);
	launch(w); /* a restart does not wait for the old one */
	assert_int_not_equal(kernel_pid(w->k), pid);
	run(w, "c", "print('new')");
	expect_output(w, "c", 0, "new");
	free(mark);
	free(code);
}

static void expect_failure(struct world *w, const char *const *argv, const char *part, unsigned within_ms)
{
	const struct kernel_launch_spec spec = {.kernel_type = "python",
						.env_source = "uv:prewarmed",
						.kernel_name = "python3",
						.argv = argv,
						.cwd = "/",
						.use_ipc = true};
	size_t before = w->failed;
	assert_int_equal(kernel_begin_launch(w->k, "python", "uv:prewarmed"), 0);
	assert_int_equal(kernel_launch(w->k, &spec), 0);
	assert_true(until(w, &w->failed, before + 1, within_ms + 1000) <= within_ms);
	if (!strstr(w->reason, part))
		fail_msg("%s is not in %s", part, w->reason);
	assert_int_equal(kernel_status(w->k), KERNEL_ERROR);
}

static void test_bad_launches(void **state)
{
	struct world *w = *state;
	const char *const missing[] = {"/nonexistent/python", NULL};
	const char *const no_module[] = {"/bin/sh", "-c", "echo No module named ipykernel_launcher >&2; exit 1", NULL};
	const char *const killed[] = {"/bin/sh", "-c", "kill -9 $$", NULL};
	expect_failure(w, missing, "No such file", 1000);
	expect_failure(w, no_module, "exited with status 1:\nNo module named ipykernel_launcher", 1000);
	expect_failure(w, killed, "signal 9", 1000);
	launch(w);
}

/* TCP with held ports, several at once (K15). */
static void test_tcp(void **state)
{
	enum { MANY = 4 };
	struct world *w = *state;
	struct kernel *k[MANY];
	char *python, *prefix;
	assert_true(python_find_existing(cache_dir, &python, &prefix));
	const char *const argv[] = {python, "-m", "ipykernel_launcher", "-f", "{connection_file}", NULL};
	const struct kernel_launch_spec spec = {.kernel_type = "python",
						.env_source = "uv:prewarmed",
						.kernel_name = "python3",
						.argv = argv,
						.cwd = "/",
						.interrupt_mode = KERNEL_INTERRUPT_SIGNAL};
	for (int i = 0; i < MANY; i++) {
		k[i] = kernel_new(w->service, &callbacks, w);
		assert_int_equal(kernel_begin_launch(k[i], "python", "uv:prewarmed"), 0);
		assert_int_equal(kernel_launch(k[i], &spec), 0);
	}
	until(w, &w->launched, MANY, 30000);
	struct execution *x;
	for (int i = 0; i < MANY; i++)
		kernel_execute(k[i], "a", "import time\ntime.sleep(30)", 25, NULL, &x);
	until(w, &w->starts, MANY, 10000);
	run_ms(w, 200);
	for (int i = 0; i < MANY; i++)
		kernel_interrupt(k[i]);
	until(w, &w->done, MANY, 10000);
	for (int i = 0; i < MANY; i++)
		kernel_free(k[i]);
	free(python);
	free(prefix);
}

static void test_widgets(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "import ipywidgets as w\ns = w.IntSlider(value=3)\no = w.Output()\ns");
	if (w->last == EXECUTION_ERROR)
		skip();
	assert_true(comm_store_count(kernel_comms(w->k)) >= 3);
	run(w, "b", "with o:\n    print('inside')\nprint('outside')");
	expect_output(w, "b", 0, "\"outside\\n\"");
	const char *slider = NULL, *id;
	for (size_t i = 0; (id = comm_store_id(kernel_comms(w->k), i)) != NULL; i++)
		if (strstr(comm_store_state(kernel_comms(w->k), id), "\"IntSliderModel\""))
			slider = id;
	assert_non_null(slider);
	char *text = xasprintf("{\"header\":{\"msg_id\":\"m1\",\"msg_type\":\"comm_msg\"},"
			       "\"content\":{\"comm_id\":\"%s\","
			       "\"data\":{\"method\":\"update\",\"state\":{\"value\":77}}}}",
			       slider);
	struct json_object *m = json_parse(text, strlen(text));
	char *error = NULL;
	assert_int_equal(kernel_send_comm(w->k, m, 5, &error), 0);
	assert_non_null(strstr(comm_store_state(kernel_comms(w->k), slider), "\"value\":77"));
	run(w, "c", "print(s.value)");
	expect_output(w, "c", 0, "77");
	json_object_put(m);
	free(text);
}

/* ---- measuring ---- */

static unsigned cpu_ms(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (unsigned)((u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
			  (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
}

static void measure(struct world *w, const char *what, const char *code)
{
	unsigned cpu = cpu_ms();
	size_t puts = w->blobs.puts, bytes = w->blobs.bytes;
	unsigned wall = run(w, what, code);
	printf("%s: %u ms, of them ours %u ms; %zu blobs, %zu bytes\n", what, wall, cpu_ms() - cpu,
	       w->blobs.puts - puts, w->blobs.bytes - bytes);
}

static int bench(void)
{
	void *state;
	setup(&state);
	struct world *w = state;
	launch(w);
	run(w, "w", "from IPython.display import display");
	measure(w, "1000 displays", "for i in range(1000): display(i)");
	measure(w, "10000 flushed lines", "for i in range(10000): print(i, flush=True)");
	measure(w, "100000 printed lines", "for i in range(100000): print(i)");
	measure(w, "100 MB print", "print('x' * 100_000_000)");
	teardown(&state);
	return 0;
}

static char *find_cache(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	return xdg && *xdg == '/' ? path_join(xdg, "runt") : xasprintf("%s/.cache/runt", home ? home : "/tmp");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_private_files), T(test_outputs),	 T(test_queue), T(test_interrupt), T(test_questions),
		T(test_flood),
		T(test_death),	       T(test_shutdown), T(test_bad_launches), T(test_tcp), T(test_widgets),
		T(test_stopped_process),
	};
	char *python, *prefix;
	cache_dir = find_cache();
	log_set_level(getenv("RUST_LOG") ? LOG_DEBUG : LOG_ERROR);
	if (!python_find_existing(cache_dir, &python, &prefix)) {
		printf("no interpreter with ipykernel: skipped\n");
		return 77;
	}
	free(python);
	free(prefix);
	if (argc > 2 && !strcmp(argv[1], "--only"))
		cmocka_set_test_filter(argv[2]);
	int failed = argc > 1 && !strcmp(argv[1], "--bench") ? bench() : cmocka_run_group_tests(tests, NULL, NULL);
	free(cache_dir);
	return failed;
}
