#include "kernel/format.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/vec.h"
#include "host/host.h"
#include "host/process.h"
#include "kernel/launch.h"

#define OUTPUT_LIMIT (64u << 20)
#define SEARCH_AGAIN HOST_SEC(300)

extern char **environ;

enum tool { RUFF, DENO, TOOLS };

struct job {
	struct formatter *f;
	struct host_run *run; /* NULL: there is nothing to run, only to answer */
	struct host_defer answer;
	char *source;
	size_t n;
	void (*done)(void *ctx, uint64_t token, const char *text, size_t text_n);
	void *ctx;
	uint64_t token;
};

struct formatter {
	struct host *host;
	char *path[TOOLS];
	uint64_t searched[TOOLS];
	VEC(struct job *) jobs;
};

struct formatter *formatter_new(struct host *host)
{
	struct formatter *f = xcalloc(1, sizeof *f);
	f->host = host;
	return f;
}

static void job_free(struct job *j)
{
	for (size_t i = 0; i < j->f->jobs.n; i++)
		if (j->f->jobs.p[i] == j) {
			VEC_REMOVE(&j->f->jobs, i);
			break;
		}
	host_defer_cancel(&j->answer);
	free(j->source);
	free(j);
}

void formatter_free(struct formatter *f)
{
	if (!f)
		return;
	while (f->jobs.n) {
		if (f->jobs.p[0]->run)
			host_run_cancel(f->jobs.p[0]->run);
		job_free(f->jobs.p[0]);
	}
	VEC_FREE(&f->jobs);
	free(f->path[RUFF]);
	free(f->path[DENO]);
	free(f);
}

/* ---- the tools ---- */

static char *search(enum tool tool)
{
	static const char *const names[] = {"ruff", "deno"};
	static const char *const homes[][4] = {{".local/bin", ".cargo/bin", NULL}, {".deno/bin", ".local/bin", NULL}};
	const char *home = getenv("HOME");
	struct launch_strings extra = {0};
	for (size_t i = 0; home && *home && homes[tool][i]; i++)
		launch_strings_add(&extra, xasprintf("%s/%s", home, homes[tool][i]));
	launch_strings_end(&extra);
	char *found = launch_find_program(names[tool], (const char *const *)extra.v.p);
	launch_strings_free(&extra);
	return found;
}

static const char *find(struct formatter *f, enum tool tool)
{
	uint64_t now = host_now_ns(f->host);
	if (!f->path[tool] && (!f->searched[tool] || now - f->searched[tool] >= SEARCH_AGAIN)) {
		f->searched[tool] = now;
		f->path[tool] = search(tool);
	}
	return f->path[tool];
}

/* ---- the result ---- */

static size_t without_blanks(const char *p, size_t n)
{
	while (n && strchr(" \t\r\n", p[n - 1]))
		n--;
	return n;
}

/* A `;` at the very end means "show no output" in a notebook; formatters for plain Python drop it. */
static void keep_semicolon(const struct job *j, struct buf *text)
{
	size_t before = without_blanks(j->source, j->n), after = without_blanks((const char *)text->p, text->n);
	if (!before || j->source[before - 1] != ';' || !after || text->p[after - 1] == ';')
		return;
	text->n = after;
	buf_append_byte(text, ';');
}

/* A trailing comment that ends in `;` is no statement: a formatter leaves it alone, so nothing is lost there. */
static void answer(struct job *j, struct buf *text)
{
	const char *result = NULL;
	if (text && text->n) {
		if (text->p[text->n - 1] == '\n')
			text->n--;
		keep_semicolon(j, text);
		if (text->n != j->n || memcmp(text->p, j->source, j->n) != 0)
			result = buf_cstr(text);
	}
	j->done(j->ctx, j->token, result, result ? text->n : 0);
	job_free(j);
}

static void on_run_done(void *ctx, struct host_run_result *r)
{
	struct job *j = ctx;
	j->run = NULL;
	bool ok = !r->error && !r->status && !r->signal;
	answer(j, ok ? &r->out : NULL);
}

static void on_nothing(void *ctx)
{
	answer(ctx, NULL);
}

static bool is_blank(const char *p, size_t n)
{
	return without_blanks(p, n) == 0;
}

static struct host_run *run(struct job *j, const char *const *argv)
{
	struct launch_strings env = {0};
	launch_clean_environment(environ, NULL, &env);
	const struct host_spawn spec = {.argv = argv,
					.env = (const char *const *)env.v.p,
					.cwd = "/", /* no configuration of whatever directory the daemon is in */
					.input = j->source,
					.input_n = j->n};
	struct host_run *r = host_run_tool(j->f->host, &spec, HOST_MS(FORMAT_LIMIT_MS), OUTPUT_LIMIT, on_run_done, j);
	launch_strings_free(&env);
	return r;
}

void formatter_run(struct formatter *f, const char *runtime, const char *source, size_t n,
		   void (*done)(void *ctx, uint64_t token, const char *text, size_t text_n), void *ctx, uint64_t token)
{
	struct job *j = xcalloc(1, sizeof *j);
	j->f = f;
	j->source = xstrndup(source, n);
	j->n = n;
	j->done = done;
	j->ctx = ctx;
	j->token = token;
	host_defer_init(&j->answer, f->host, on_nothing, j);
	VEC_PUSH(&f->jobs, j);
	bool python = runtime && !strcmp(runtime, "python"), deno = runtime && !strcmp(runtime, "deno");
	const char *tool = python ? find(f, RUFF) : deno ? find(f, DENO) : NULL;
	const char *ruff_argv[] = {tool, "format", "--stdin-filename", "cell.py", "-", NULL};
	const char *deno_argv[] = {tool, "fmt", "--ext=ts", "-", NULL};
	if (tool && !is_blank(source, n))
		j->run = run(j, python ? ruff_argv : deno_argv);
	if (!j->run)
		host_defer(&j->answer);
}
