/* exec NOTEBOOK: opens it through the daemon, runs every code cell in order,
 * shows what they say, saves. Exit status 0 only when every cell ran. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/show.h"
#include "kernel/output.h"

#define REFRESH_MS 100       /* between looks at a running cell */
#define INTERRUPT_MS 10000   /* a cell may take this long to end after an interrupt */
#define SLOW_MS 1000         /* cells from here on get their duration printed */
#define EXIT_INTERRUPTED 130
#define TIMEOUT_MAX INT32_MAX /* seconds; longer is no limit, and milliseconds of it can be counted */

enum cell_outcome { CELL_NOT_RUN, CELL_DONE, CELL_ERROR, CELL_TIMEOUT, CELL_CANCELLED };

struct cell_result {
	enum cell_outcome outcome;
	int64_t ms;
};

struct run {
	const struct cli *cli;
	const char *output;  /* --output */
	int64_t timeout_s;   /* of each cell, from when it starts running; 0 = none */
	bool json;
	char *id;            /* path or UUID */
	struct session session;
	struct blobs blobs;
	struct replica_cells cells;
	struct cell_result *results; /* one per cell */
	size_t n_code;
	bool lost;           /* the connection is gone, or an answer on it is outstanding: nothing can be saved */
	char *failure;       /* why the run ended early; NULL = all well */
	char *saved_path;    /* NULL = not saved */
	char *copy_path;     /* of --output, once written */
};

static volatile sig_atomic_t interrupted_signal;
static volatile int interrupted;

static void on_signal(int sig)
{
	interrupted_signal = sig;
	interrupted = 1;
}

/* The first ^C ends the cell and saves; the second ends this program. */
static void signals_catch(void)
{
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
}

/* ---- progress ---- */

static void bar_clear(const struct run *run)
{
	if (run->cli->tty_out && !run->json)
		fputs("\r\033[K", stdout);
}

static void bar_show(const struct run *run, size_t number, const char *what, int64_t ms)
{
	enum { WIDTH = 24 };
	if (!run->cli->tty_out || run->json)
		return;
	size_t filled = run->n_code ? (number - 1) * WIDTH / run->n_code : 0;
	printf("\r\033[K%s", cli_style(run->cli->color_out, STYLE_BLUE));
	for (size_t i = 0; i < WIDTH; i++)
		fputs(i < filled ? "█" : "░", stdout);
	printf("%s %zu/%zu %s %lld.%lld s", cli_style(run->cli->color_out, STYLE_RESET), number, run->n_code, what,
		(long long)(ms / 1000), (long long)(ms / 100 % 10));
	fflush(stdout);
}

/* `[2/5] first line of the source` */
static void cell_announce(const struct run *run, size_t number, const char *source)
{
	enum { WIDTH = 64 };
	if (run->json)
		return;
	source += strspn(source, " \t\r\n");
	size_t n = strcspn(source, "\r\n"), shown = n < WIDTH ? n : WIDTH;
	while (shown < n && ((unsigned char)source[shown] & 0xc0) == 0x80)
		shown--;
	bool more = source[shown] != '\0' && source[shown + strspn(source + shown, "\r\n")] != '\0';
	printf("%s[%zu/%zu]%s %.*s%s\n", cli_style(run->cli->color_out, STYLE_GREEN), number, run->n_code,
		cli_style(run->cli->color_out, STYLE_RESET), (int)shown, source, more ? " …" : "");
	fflush(stdout);
}

/* ---- talking to the daemon ---- */

static char *response_problem(const struct response *r)
{
	switch (r->result) {
	case RESPONSE_ERROR:
		return xstrdup(r->error);
	case RESPONSE_NO_KERNEL:
		return xstrdup("the notebook has no kernel");
	default:
		return xasprintf("unexpected answer: %s", response_result_name(r->result));
	}
}

/* 0 when the answer is one of the two wanted (ret_response then to be ended). Without an answer nothing more can be
 * asked: answers carry no id, so a late one would be taken for that of the next request. */
static int ask(struct run *run, const struct request *q, int timeout_ms, const volatile int *stop,
	enum response_result want, enum response_result or_want, struct response *ret_response)
{
	char *why = NULL;
	int r = session_request(&run->session, q, timeout_ms, stop, ret_response, &why);
	run->lost |= r < 0;
	if (r == 0 && ret_response->result != want && ret_response->result != or_want) {
		why = response_problem(ret_response);
		response_fini(ret_response);
		r = -EPROTO;
	}
	if (r < 0 && !run->failure)
		run->failure = r == -EINTR ? xstrdup("interrupted") : xstrdup(why);
	free(why);
	return r;
}

static int kernel_launch(struct run *run)
{
	const struct request q = {.action = REQUEST_LAUNCH_KERNEL, .kernel_type = "auto", .env_source = "auto",
		.notebook_path = run->id[0] == '/' ? run->id : NULL};
	struct response r;
	if (run->cli->tty_out && !run->json) {
		printf("Starting the kernel …");
		fflush(stdout);
	}
	int result = ask(run, &q, SESSION_LAUNCH_MS, &interrupted, RESPONSE_KERNEL_LAUNCHED,
		RESPONSE_KERNEL_ALREADY_RUNNING, &r);
	bar_clear(run);
	if (result == 0)
		response_fini(&r);
	return result;
}

static void kernel_interrupt(struct run *run)
{
	const struct request q = {.action = REQUEST_INTERRUPT_EXECUTION};
	struct response r;
	char *why = NULL;
	if (session_request(&run->session, &q, SESSION_REQUEST_MS, NULL, &r, &why) == 0)
		response_fini(&r);
	else
		run->lost = true;
	free(why);
}

/* ---- one cell ---- */

struct running {
	size_t index;  /* among all cells */
	size_t number; /* among code cells, from 1 */
	char *execution_id;
	int64_t queued, shown;
	int64_t started; /* 0 while it waits for what others queued before it */
	struct show show;
};

/* Until the cell starts, its outputs are those of an earlier run. */
static bool outputs_are_ours(struct run *run, const struct running *c)
{
	char *id = replica_cell_execution(run->session.doc, run->cells.list.p[c->index].id);
	bool ours = !id || !strcmp(id, c->execution_id);
	free(id);
	return ours;
}

static void outputs_show(struct run *run, struct running *c, bool final)
{
	struct replica_outputs outputs;
	if (run->json || !outputs_are_ours(run, c))
		return;
	replica_outputs_read(run->session.doc, run->cells.list.p[c->index].id, &outputs);
	bar_clear(run);
	show_update(&c->show, &outputs, final);
	replica_outputs_fini(&outputs);
}

/* The state document says when it starts and when it is over, and the notebook has
 * the outputs by then (protocol.md 16.4). */
static enum cell_outcome outcome_look(struct run *run, struct running *c)
{
	enum cell_outcome outcome = CELL_NOT_RUN;
	char *status = replica_execution_status(run->session.state, c->execution_id);
	char *kernel = replica_kernel_status(run->session.state);
	if (!c->started && *status && strcmp(status, "queued") != 0)
		c->started = client_now_ms();
	if (!strcmp(status, "done"))
		outcome = CELL_DONE;
	else if (!strcmp(status, "error"))
		outcome = CELL_ERROR;
	else if (!strcmp(status, "cancelled"))
		outcome = CELL_CANCELLED;
	else if (!strcmp(kernel, "error") || !strcmp(kernel, "shutdown")) {
		outcome = CELL_ERROR;
		if (!run->failure)
			run->failure = xasprintf("the kernel is gone (%s)", kernel);
	}
	free(status);
	free(kernel);
	return outcome;
}

/* Of what others queued before the cell nothing counts against it. */
static bool is_over_time(const struct running *c, int64_t limit_ms, int64_t now)
{
	return limit_ms && c->started && now - c->started >= limit_ms;
}

static void progress_show(struct run *run, struct running *c, int64_t now)
{
	if (now - c->shown < REFRESH_MS)
		return;
	c->shown = now;
	outputs_show(run, c, false);
	if (c->started)
		bar_show(run, c->number, "running", now - c->started);
	else
		bar_show(run, c->number, "waiting", now - c->queued);
}

/* Pumps until the cell has ended or, when stoppable, has run for longer than the
 * limit or a signal came; otherwise until the deadline (0 = none). */
static enum cell_outcome outcome_wait(struct run *run, struct running *c, bool stoppable, int64_t deadline)
{
	for (;;) {
		enum cell_outcome outcome = outcome_look(run, c);
		int64_t now = client_now_ms();
		if (outcome != CELL_NOT_RUN)
			return outcome;
		if (deadline && now >= deadline)
			return CELL_NOT_RUN;
		if (stoppable && (interrupted || is_over_time(c, run->timeout_s * 1000, now)))
			return CELL_NOT_RUN;
		progress_show(run, c, now);
		int r = session_pump(&run->session, now + REFRESH_MS);
		if (r < 0 && r != -EINTR) {
			run->lost = true;
			if (!run->failure)
				run->failure = xasprintf("lost the daemon: %s", strerror(-r));
			return CELL_ERROR;
		}
	}
}

static int execution_queue(struct run *run, struct running *c)
{
	const struct request q = {.action = REQUEST_EXECUTE_CELL, .cell_id = run->cells.list.p[c->index].id};
	struct response r;
	/* Not given up on ^C: the cell is to be interrupted then, which takes knowing that it is queued. */
	int result = ask(run, &q, SESSION_REQUEST_MS, NULL, RESPONSE_CELL_QUEUED, RESPONSE_CELL_QUEUED, &r);
	if (result < 0)
		return result;
	if (r.execution_id)
		c->execution_id = xstrdup(r.execution_id);
	else if (!run->failure)
		run->failure = xstrdup("the daemon gives no execution ids; it is too old for this command");
	response_fini(&r);
	return c->execution_id ? 0 : -EPROTO;
}

static void failure_from_output(struct run *run, const struct running *c)
{
	if (!run->failure && c->show.ename)
		run->failure = xasprintf("cell %zu failed: %s%s%s", c->number, c->show.ename,
			c->show.evalue && *c->show.evalue ? ": " : "", c->show.evalue ? c->show.evalue : "");
	if (!run->failure)
		run->failure = xasprintf("cell %zu failed", c->number);
}

static bool waits_for_another(const struct run *run, const struct running *c)
{
	char *executing = replica_executing(run->session.state);
	bool waits = !c->started && *executing && strcmp(executing, c->execution_id) != 0;
	free(executing);
	return waits;
}

/* An interrupt hits what runs, which is not to be the cell of somebody else. */
static enum cell_outcome cell_stop(struct run *run, struct running *c)
{
	bool by_user = interrupted;
	if (by_user && waits_for_another(run, c)) {
		free(run->failure);
		run->failure = xasprintf("interrupted; cell %zu still waits for a cell that another client runs",
			c->number);
		return CELL_NOT_RUN;
	}
	if (!run->failure)
		run->failure = by_user ? xstrdup("interrupted")
				       : xasprintf("cell %zu did not end within %lld s", c->number,
					(long long)run->timeout_s);
	kernel_interrupt(run);
	outcome_wait(run, c, false, client_now_ms() + INTERRUPT_MS);
	return by_user ? CELL_CANCELLED : CELL_TIMEOUT;
}

static void cell_report(const struct run *run, int64_t ms)
{
	if (!run->json && ms >= SLOW_MS)
		printf("%s      %lld.%lld s%s\n", cli_style(run->cli->color_out, STYLE_DIM), (long long)(ms / 1000),
			(long long)(ms / 100 % 10), cli_style(run->cli->color_out, STYLE_RESET));
}

/* In JSON mode nothing was shown, so nothing is known of the error yet. */
static void error_find(struct run *run, struct running *c)
{
	struct replica_outputs outputs;
	struct buf json = {0};
	const struct output_blobs blobs = {.ctx = &run->blobs, .get = blobs_get};
	replica_outputs_read(run->session.doc, run->cells.list.p[c->index].id, &outputs);
	for (size_t i = 0; i < outputs.list.n && !c->show.ename; i++) {
		const char *type = NULL, *ename = NULL, *evalue = "";
		buf_clear(&json);
		output_load(&blobs, outputs.list.p[i], &json);
		struct json_object *o = json_parse(json.p, json.n);
		if (json_get_str(o, "output_type", &type) == 0 && !strcmp(type, "error") &&
			json_get_str(o, "ename", &ename) == 0) {
			json_get_str(o, "evalue", &evalue);
			c->show.ename = xstrdup(ename);
			c->show.evalue = xstrdup(evalue);
		}
		json_object_put(o);
	}
	buf_free(&json);
	replica_outputs_fini(&outputs);
}

/* True: go on with the next cell. */
static bool cell_run(struct run *run, size_t index, size_t number)
{
	struct running c = {.index = index, .number = number, .queued = client_now_ms()};
	struct cell_result *result = &run->results[index];
	show_init(&c.show, run->cli, &run->blobs);
	cell_announce(run, number, run->cells.list.p[index].source);
	result->outcome = CELL_ERROR;
	if (execution_queue(run, &c) == 0) {
		result->outcome = outcome_wait(run, &c, true, 0);
		if (result->outcome == CELL_NOT_RUN)
			result->outcome = cell_stop(run, &c);
		outputs_show(run, &c, true);
		if (run->json && result->outcome == CELL_ERROR)
			error_find(run, &c);
	}
	result->ms = client_now_ms() - (c.started ? c.started : c.queued);
	cell_report(run, result->ms);
	if (result->outcome != CELL_DONE)
		failure_from_output(run, &c);
	free(c.execution_id);
	show_fini(&c.show);
	return result->outcome == CELL_DONE;
}

static bool is_code(const struct replica_cell *c)
{
	return !strcmp(c->type, "code");
}

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t\r\n")] == '\0';
}

/* Cells without source have nothing to run. */
static void cells_run(struct run *run)
{
	size_t number = 0;
	bool going = true;
	for (size_t i = 0; i < run->cells.list.n && going; i++) {
		const struct replica_cell *c = &run->cells.list.p[i];
		if (is_code(c) && is_blank(c->source))
			run->results[i].outcome = CELL_DONE;
		else if (is_code(c))
			going = cell_run(run, i, ++number);
	}
}

/* ---- saving ---- */

static int copy_write(const char *from, const char *to)
{
	uint8_t block[65536];
	char *temp = xasprintf("%s.%d.tmp", to, getpid());
	int in = open(from, O_RDONLY | O_CLOEXEC), out = -1, r = in < 0 ? -errno : 0;
	if (r == 0 && (out = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0)
		r = -errno;
	for (ssize_t n = 1; r == 0 && (n = read(in, block, sizeof block)) != 0;)
		if (n < 0 || write(out, block, (size_t)n) != n)
			r = n < 0 ? -errno : -EIO;
	if (out >= 0 && (close(out) < 0 || (r == 0 && rename(temp, to) < 0)) && r == 0)
		r = -errno;
	if (r < 0 && out >= 0)
		unlink(temp);
	if (in >= 0)
		close(in);
	free(temp);
	return r;
}

/* Saves to a path, or in place (NULL). 0 and the path it is at, or why not. */
static int save_request(struct run *run, const char *path, char **ret_saved, char **ret_why)
{
	const struct request q = {.action = REQUEST_SAVE_NOTEBOOK, .path = path};
	struct response r;
	int result = session_request(&run->session, &q, SESSION_REQUEST_MS, NULL, &r, ret_why);
	run->lost |= result < 0;
	if (result < 0)
		return result;
	if (r.result == RESPONSE_NOTEBOOK_SAVED) {
		*ret_saved = xstrdup(r.path);
	} else {
		*ret_why = response_problem(&r);
		result = -EPROTO;
	}
	response_fini(&r);
	return result;
}

/* A notebook without a file goes to --output. Where a notebook's own file cannot be written, what --output
 * asks for is written all the same. */
static int notebook_save(struct run *run, const char *output)
{
	char *why = NULL, *why_copy = NULL;
	bool own_file = run->id[0] == '/';
	int result = save_request(run, own_file ? NULL : output, &run->saved_path, &why);
	if (result == -EPROTO && own_file && output && save_request(run, output, &run->copy_path, &why_copy) == 0) {
		fprintf(stderr, "Warning: only %s is written: %s\n", run->copy_path, why);
		result = 0;
	} else if (result < 0 && !run->failure) {
		run->failure = xstrdup(why);
	} else if (result < 0) {
		cli_error(run->cli, "%s", why);
	}
	free(why);
	free(why_copy);
	return result;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The file itself where a link names it: a copy renamed over it would take the link's place. */
static char *output_target(const char *given)
{
	char *absolute = path_absolute(given), *real = realpath(absolute, NULL);
	if (!real)
		return absolute;
	free(absolute);
	return real;
}

static void save(struct run *run)
{
	char *output = run->output ? output_target(run->output) : NULL;
	int r = run->lost ? -EPIPE : notebook_save(run, output);
	if (r == 0 && output && run->saved_path) {
		if (!is_same_file(output, run->saved_path))
			r = copy_write(run->saved_path, output);
		if (r == 0)
			run->copy_path = xstrdup(output);
		else if (!run->failure)
			run->failure = xasprintf("cannot write %s: %s", output, strerror(-r));
	}
	free(output);
}

/* ---- the whole ---- */

static const char *outcome_name(enum cell_outcome outcome)
{
	static const char *const names[] = {"not_run", "done", "error", "timeout", "cancelled"};
	return names[outcome];
}

static struct json_object *cell_json(struct run *run, size_t i)
{
	const struct output_blobs blobs = {.ctx = &run->blobs, .get = blobs_get};
	const struct replica_cell *c = &run->cells.list.p[i];
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct replica_outputs outputs;
	struct buf json = {0};
	char *count = replica_execution_count(run->session.doc, c->id);
	json_object_object_add(o, "id", json_object_new_string(c->id));
	json_object_object_add(o, "index", json_object_new_uint64(i));
	json_object_object_add(o, "status", json_object_new_string(outcome_name(run->results[i].outcome)));
	json_object_object_add(o, "execution_count", json_parse(count, strlen(count)));
	json_object_object_add(o, "duration_ms", json_object_new_int64(run->results[i].ms));
	replica_outputs_read(run->session.doc, c->id, &outputs);
	for (size_t k = 0; k < outputs.list.n; k++) {
		buf_clear(&json);
		output_load(&blobs, outputs.list.p[k], &json);
		json_object_array_add(list, json_parse(json.p, json.n));
	}
	json_object_object_add(o, "outputs", list);
	replica_outputs_fini(&outputs);
	buf_free(&json);
	free(count);
	return o;
}

static void report_json(struct run *run)
{
	struct json_object *o = json_object_new_object(), *cells = json_object_new_array();
	json_object_object_add(o, "notebook", json_object_new_string(run->id));
	json_object_object_add(o, "ok", json_object_new_boolean(!run->failure));
	json_object_object_add(o, "error", run->failure ? json_object_new_string(run->failure) : NULL);
	json_object_object_add(o, "saved", run->saved_path ? json_object_new_string(run->saved_path) : NULL);
	json_object_object_add(o, "output", run->copy_path ? json_object_new_string(run->copy_path) : NULL);
	for (size_t i = 0; i < run->cells.list.n; i++)
		if (is_code(&run->cells.list.p[i]))
			json_object_array_add(cells, cell_json(run, i));
	json_object_object_add(o, "cells", cells);
	cli_print_json(o);
	json_object_put(o);
}

static int report(struct run *run, int64_t ms)
{
	if (run->json) {
		report_json(run);
	} else {
		if (!run->failure)
			printf("%zu cell%s ran in %lld.%lld s\n", run->n_code, run->n_code == 1 ? "" : "s",
				(long long)(ms / 1000), (long long)(ms / 100 % 10));
		if (run->saved_path)
			printf("Saved %s\n", run->saved_path);
		if (run->copy_path && (!run->saved_path || strcmp(run->copy_path, run->saved_path) != 0))
			printf("Saved %s\n", run->copy_path);
		if (run->failure)
			cli_error(run->cli, "%s", run->failure);
	}
	return !run->failure ? CLI_OK : interrupted ? EXIT_INTERRUPTED : CLI_FAILED;
}

static int run_connected(struct run *run)
{
	int64_t started = client_now_ms();
	replica_cells_read(run->session.doc, &run->cells);
	if (run->id[0] != '/' && !run->cells.list.n) {
		run->failure = xasprintf("there is no notebook %s, or it has no cells", run->id);
		return report(run, 0);
	}
	run->results = xcalloc(run->cells.list.n + 1, sizeof *run->results);
	for (size_t i = 0; i < run->cells.list.n; i++)
		run->n_code += is_code(&run->cells.list.p[i]) && !is_blank(run->cells.list.p[i].source);
	if (!run->n_code || kernel_launch(run) == 0)
		cells_run(run);
	save(run);
	return report(run, client_now_ms() - started);
}

static int session_start(struct run *run, char **ret_why)
{
	struct handshake h = {.channel = HANDSHAKE_OPEN_NOTEBOOK, .path = run->id};
	if (run->id[0] != '/')
		h = (struct handshake){.channel = HANDSHAKE_NOTEBOOK_SYNC, .notebook_id = run->id, .protocol = "v2"};
	char *socket = launch_socket(run->cli, ret_why);
	if (!socket)
		return -1;
	int r = session_open(socket, &h, &run->session, ret_why);
	if (r == 0)
		blobs_init(&run->blobs, &run->cli->paths, socket);
	free(socket);
	return r;
}

/* A file must be there: a typo is no new notebook. Sets id, and failure when there is nothing to run. */
static void notebook_find(struct run *run, const char *arg)
{
	struct stat st;
	char uuid[UUID_TEXT];
	if (stat(arg, &st) == 0) {
		run->id = path_absolute(arg);
		if (!S_ISREG(st.st_mode))
			run->failure = xasprintf("%s is not a notebook file", arg);
	} else if (errno == ENOENT && uuid_parse(arg, uuid)) {
		run->id = xstrdup(uuid);
	} else {
		run->failure = xasprintf("cannot read %s: %s", arg, strerror(errno));
		run->id = path_absolute(arg);
	}
}

static int run_notebook(struct run *run)
{
	int status;
	signals_catch();
	if (run->failure || session_start(run, &run->failure) < 0) {
		status = report(run, 0);
	} else {
		status = run_connected(run);
		blobs_fini(&run->blobs);
		session_close(&run->session);
	}
	free(run->id);
	replica_cells_fini(&run->cells);
	free(run->results);
	free(run->failure);
	free(run->saved_path);
	free(run->copy_path);
	return status;
}

int cmd_exec(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct run run = {.cli = cli};
	const struct option_spec specs[] = {
		{'o', "output", OPTION_TEXT, &run.output, "<FILE>", "Also write the executed notebook there"},
		{0, "timeout", OPTION_NUMBER, &run.timeout_s, "<SECONDS>",
			"Give up on a cell that has run for this long [default: never]"},
		{0, "json", OPTION_FLAG, &run.json, NULL, "Print one JSON object instead of text"},
	};
	struct args args;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 1, 1, &args, &status))
		return status;
	if (run.timeout_s > TIMEOUT_MAX)
		run.timeout_s = TIMEOUT_MAX;
	notebook_find(&run, args.p[0]);
	return run_notebook(&run);
}
