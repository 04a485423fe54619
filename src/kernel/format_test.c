/* Formatting with scripted tools (kernels.md 13). */
#include "kernel/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/file.h"
#include "host/host.h"
#include "host/uv.h"

/* Blanks go, a last `;` goes, `BAD` is a syntax error, `HANG` never ends. */
static const char fake_ruff[] = "#!/bin/sh\n"
				"[ \"$*\" = 'format --stdin-filename cell.py -' ] || exit 9\n"
				"text=$(cat)\n"
				"case $text in *BAD*) exit 2 ;; *HANG*) sleep 30 ;; esac\n"
				"printf '%s' \"$text\" | tr -d ' ' | sed 's/;$//'\n"
				"echo\n";

struct world {
	struct host *host;
	size_t answers;
	char *text;
};

static void on_done(void *ctx, uint64_t token, const char *text, size_t n)
{
	struct world *w = ctx;
	assert_int_equal(token, 7);
	w->answers++;
	free(w->text);
	w->text = text ? xstrndup(text, n) : NULL;
	host_stop(w->host);
}

static const char *format(struct world *w, struct formatter *f, const char *runtime, const char *source)
{
	size_t before = w->answers;
	formatter_run(f, runtime, source, strlen(source), on_done, w, 7);
	assert_int_equal(w->answers, before); /* later, from the loop */
	host_run(w->host);
	assert_int_equal(w->answers, before + 1);
	return w->text;
}

static void test_format(void **state)
{
	(void)state;
	struct world w = {0};
	char dir[] = "/tmp/runtimed-format-test-XXXXXX";
	assert_int_equal(host_uv_new(&w.host), 0);
	assert_non_null(mkdtemp(dir));
	char *ruff = path_join(dir, "ruff"), *path = xasprintf("%s:/usr/bin:/bin", dir);
	FILE *tool = fopen(ruff, "w");
	fputs(fake_ruff, tool);
	fclose(tool);
	chmod(ruff, 0755);
	setenv("PATH", path, 1);
	setenv("HOME", dir, 1);
	struct formatter *f = formatter_new(w.host);
	assert_string_equal(format(&w, f, "python", "x = 1"), "x=1");
	assert_string_equal(format(&w, f, "python", "a\nplot( x ) ;\n"), "a\nplot(x);");
	assert_null(format(&w, f, "python", "x=1"));
	assert_null(format(&w, f, "python", " \n\t\n"));
	assert_null(format(&w, f, "python", "BAD x"));
	assert_null(format(&w, f, "julia", "x = 1"));
	assert_null(format(&w, f, NULL, "x = 1"));
	assert_null(format(&w, f, "deno", "x = 1")); /* no such tool here */
	uint64_t start = host_now_ns(w.host);
	assert_null(format(&w, f, "python", "HANG x"));
	assert_in_range(host_now_ns(w.host) - start, HOST_MS(1900), HOST_MS(6000));
	formatter_run(f, "python", "HANG y", 6, on_done, &w, 7);
	formatter_free(f); /* nothing is called any more */
	host_dir_remove_tree(w.host, dir);
	host_free(w.host);
	free(w.text);
	free(ruff);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_format)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
