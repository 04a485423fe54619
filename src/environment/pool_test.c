/* The pool's states and its errors with a scripted uv, and what launches resolve to (environments.md 4, 5, 9, 21). */
#include "environment/pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "environment/resolve.h"
#include "host/file.h"
#include "host/host.h"
#include "host/uv.h"

/* A uv whose behaviour is the content of $FAKE_MODE's file: ok, bad, hang. Environments are directories whose python is
 * a script that succeeds. */
static const char fake_uv[] = "#!/bin/sh\n"
			      "echo \"$PWD $*\" >> \"$FAKE_DIR/calls\"\n"
			      "mode=$(cat \"$FAKE_DIR/mode\")\n"
			      "if [ \"$1\" = venv ]; then\n"
			      "  for last; do :; done\n"
			      "  mkdir -p \"$last/bin\" \"$last/lib/python3.11/site-packages/ipykernel\"\n"
			      "  touch \"$last/lib/python3.11/site-packages/ipykernel/__init__.py\"\n"
			      "  printf '#!/bin/sh\\nexit 0\\n' > \"$last/bin/python\"; chmod +x \"$last/bin/python\"\n"
			      "  exit 0\n"
			      "fi\n"
			      "case $mode in\n"
			      "bad) echo '  x No solution found when resolving dependencies:' >&2\n"
			      "  echo '  Because No-Such-Pkg was not found in the package registry' >&2; exit 1 ;;\n"
			      "esac\n";

struct world {
	struct host *host;
	char *base, *envs;
	struct pool *pool;
	size_t changes, answers;
	char *error, *venv;
};

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

static void put(struct world *w, const char *name, const char *text, unsigned mode)
{
	char *path = path_join(w->base, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
	free(path);
}

static void on_change(void *ctx)
{
	((struct world *)ctx)->changes++;
}

static void open_pool(struct world *w, unsigned target)
{
	const struct pool_config config = {.host = w->host,
					   .dir = w->envs,
					   .cache_dir = w->base,
					   .target = target,
					   .max_age_secs = 172800,
					   .error_changed = on_change,
					   .ctx = w};
	w->pool = pool_new(&config);
}

static void until_available(struct world *w, unsigned n)
{
	for (int i = 0; i < 1000 && pool_available(w->pool) != n; i++)
		run_ms(w, 10);
	assert_int_equal(pool_available(w->pool), n);
}

static size_t count_envs(struct world *w)
{
	char **names;
	size_t n = 0;
	run_ms(w, 200); /* removals run on workers */
	if (host_dir_list(w->host, w->envs, &names, &n) == 0)
		host_names_free(names, n);
	return n;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof *w);
	char dir[] = "/tmp/runtimed-pool-test-XXXXXX";
	assert_int_equal(host_uv_new(&w->host), 0);
	assert_non_null(mkdtemp(dir));
	w->base = xstrdup(dir);
	w->envs = path_join(dir, "envs");
	put(w, "uv", fake_uv, 0755);
	put(w, "mode", "ok", 0644);
	char *path = xasprintf("%s:/usr/bin:/bin", w->base);
	setenv("PATH", path, 1);
	setenv("FAKE_DIR", w->base, 1);
	setenv("HOME", w->base, 1);
	unsetenv("RUNTIMED_PYTHON");
	free(path);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	pool_free(w->pool);
	run_ms(w, 50);
	host_dir_remove_tree(w->host, w->base);
	host_free(w->host);
	free(w->base);
	free(w->envs);
	free(w->error);
	free(w->venv);
	free(w);
	return 0;
}

static void test_fill_take_refill(void **state)
{
	struct world *w = *state;
	struct pool_env env;
	open_pool(w, 2);
	assert_int_equal(pool_take(w->pool, &env), -EAGAIN);
	until_available(w, 2);
	assert_int_equal(pool_warming(w->pool), 0);
	assert_null(pool_error_json(w->pool));
	assert_int_equal(pool_take(w->pool, &env), 0);
	assert_true(str_starts(path_base(env.venv_path), "runtimed-uv-"));
	assert_true(str_ends(env.python_path, "/bin/python"));
	assert_int_equal(pool_available(w->pool), 1);
	until_available(w, 2);
	run_ms(w, 300);
	assert_int_equal(pool_available(w->pool), 2); /* no overshoot (21 row 7) */
	assert_int_equal(count_envs(w), 3);
	pool_discard(w->pool, env.venv_path);
	assert_int_equal(count_envs(w), 2);
	pool_env_fini(&env);
}

static void test_return_is_careful(void **state)
{
	struct world *w = *state;
	struct pool_env env, kernel_env;
	open_pool(w, 1);
	until_available(w, 1);
	assert_int_equal(pool_take(w->pool, &env), 0);
	/* Not ours: left alone, whatever it is (21 row 1). */
	char *precious = path_join(w->base, "precious");
	mkdir(precious, 0755);
	assert_int_equal(pool_return(w->pool, precious), -EPERM);
	assert_int_equal(pool_return(w->pool, w->envs), -EPERM);
	assert_int_equal(pool_return(w->pool, "/"), -EPERM);
	char *sneaky = xasprintf("%s/../precious", w->envs);
	assert_int_equal(pool_return(w->pool, sneaky), -EPERM);
	assert_int_equal(access(precious, F_OK), 0);
	until_available(w, 1);
	/* Surplus: deleted. */
	assert_int_equal(pool_return(w->pool, env.venv_path), 0);
	assert_int_equal(count_envs(w), 1);
	assert_int_equal(access(env.venv_path, F_OK), -1);
	/* In use by a kernel: nobody gives it back. */
	assert_int_equal(pool_take(w->pool, &kernel_env), 0);
	pool_mark_in_use(w->pool, kernel_env.venv_path);
	assert_int_equal(pool_return(w->pool, kernel_env.venv_path), -EPERM);
	pool_discard(w->pool, kernel_env.venv_path);
	pool_env_fini(&env);
	pool_env_fini(&kernel_env);
	free(precious);
	free(sneaky);
}

static void test_failure(void **state)
{
	struct world *w = *state;
	struct pool_failure f;
	put(w, "mode", "bad", 0644);
	open_pool(w, 3);
	for (int i = 0; i < 500 && !w->changes; i++)
		run_ms(w, 10);
	pool_get_failure(w->pool, &f);
	assert_int_equal(f.consecutive_failures, 1); /* the cycle stops at the first */
	assert_string_equal(f.failed_package, "no-such-pkg");
	assert_non_null(strstr(f.message, "Because No-Such-Pkg was not found"));
	assert_int_not_equal(f.message[strlen(f.message) - 1], '\n'); /* it ends sentences of others */
	assert_in_range(f.retry_in_secs, 25, 30);
	struct json_object *o = pool_error_json(w->pool);
	assert_int_equal(json_object_object_length(o), 4);
	json_object_put(o);
	assert_int_equal(count_envs(w), 0);
	/* A change of settings tries again at once. */
	put(w, "mode", "ok", 0644);
	pool_reset_backoff(w->pool);
	assert_int_equal(w->changes, 2);
	until_available(w, 3);
}

static void test_no_uv(void **state)
{
	struct world *w = *state;
	struct pool_failure f;
	setenv("PATH", "/nonexistent", 1);
	open_pool(w, 1);
	for (int i = 0; i < 100 && !w->changes; i++)
		run_ms(w, 10);
	pool_get_failure(w->pool, &f);
	assert_non_null(strstr(f.message, "uv was not found"));
}

static void test_adopt(void **state)
{
	struct world *w = *state;
	struct pool_env env;
	open_pool(w, 3);
	until_available(w, 3);
	assert_int_equal(pool_take(w->pool, &env), 0);
	until_available(w, 3);
	/* One is changed behind our back, one stays taken, two are as they were; a stranger is swept. */
	char **names;
	size_t n;
	assert_int_equal(host_dir_list(w->host, w->envs, &names, &n), 0);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		char *venv = path_join(w->envs, names[i]);
		if (strcmp(venv, env.venv_path) != 0) {
			char *extra = path_join(venv, "lib/python3.11/site-packages/extra");
			run_ms(w, 20);
			mkdir(extra, 0755);
			free(extra);
			free(venv);
			break;
		}
		free(venv);
	}
	host_names_free(names, n);
	pool_free(w->pool);
	char *stranger = path_join(w->envs, "runtimed-uv-stranger");
	mkdir(stranger, 0755);
	open_pool(w, 2);
	assert_int_equal(pool_available(w->pool), 2);
	assert_int_equal(count_envs(w), 3);
	pool_env_fini(&env);
	free(stranger);
}

static void test_flush_and_packages(void **state)
{
	struct world *w = *state;
	const char *const packages[] = {"numpy", "-r evil", "pandas>=2"};
	open_pool(w, 1);
	until_available(w, 1);
	pool_flush(w->pool);
	assert_int_equal(pool_available(w->pool), 0);
	until_available(w, 1); /* at once, not after 30 s */
	pool_set_packages(w->pool, packages, 3);
	assert_int_equal(pool_available(w->pool), 0);
	until_available(w, 1);
	struct buf calls = {0};
	char *path = path_join(w->base, "calls");
	assert_int_equal(host_file_read_all(w->host, path, 1 << 20, &calls), 0);
	assert_non_null(strstr(buf_cstr(&calls), "ipykernel ipywidgets uv numpy pandas>=2\n"));
	assert_null(strstr(buf_cstr(&calls), "evil"));
	assert_true(str_starts(buf_cstr(&calls), w->envs)); /* no project of the daemon's directory leaks in */
	buf_free(&calls);
	free(path);
}

/* ---- resolving ---- */

static void on_resolved(void *ctx, const struct resolve_result *r)
{
	struct world *w = ctx;
	w->answers++;
	free(w->error);
	free(w->venv);
	w->error = r->error ? xasprintf("%s|%s", r->error, r->status_word) : NULL;
	w->venv = NULL;
	if (!r->spec)
		return;
	w->venv = xasprintf("%s %s %s", r->kernel_type, r->env_source, r->spec->argv[0]);
	assert_non_null(json_get(r->launched_config, "launch_id"));
	if (r->pool_venv)
		assert_string_equal(r->spec->venv_path, r->pool_venv);
}

static const char *resolve(struct world *w, const char *type, const char *source, const char *metadata,
			   const char *cell)
{
	struct json_object *m = metadata ? json_parse(metadata, strlen(metadata)) : NULL;
	const char *const cells[] = {cell};
	const struct resolve_request request = {.kernel_type = type,
						.env_source = source,
						.metadata = m,
						.code_cells = cells,
						.n_code_cells = cell != NULL,
						.working_dir = w->base,
						.cache_dir = w->base,
						.uv_pool = w->pool,
						.wait_ms = 8000};
	size_t before = w->answers;
	resolve_start(&request, on_resolved, w);
	for (int i = 0; i < 900 && w->answers == before; i++)
		run_ms(w, 10);
	assert_int_equal(w->answers, before + 1);
	json_object_put(m);
	return w->error ? w->error : w->venv;
}

static void expect(const char *got, const char *part)
{
	if (!strstr(got, part))
		fail_msg("%s is not in %s", part, got);
}

static void test_resolve(void **state)
{
	struct world *w = *state;
	setenv("JUPYTER_PATH", w->base, 1);
	open_pool(w, 1);
	/* Cold: waits for the first one (21 row 6). */
	expect(resolve(w, "auto", "auto", NULL, NULL), "python uv:prewarmed /tmp/runtimed-pool-test-");
	expect(resolve(w, "python", "uv:prewarmed", "{\"kernelspec\":{\"name\":\"python3\"}}", "x = 1"), "/bin/python");
	expect(resolve(w, "auto", "auto", "{\"runt\":{\"uv\":{\"dependencies\":[\"pandas\"]}}}", NULL),
	       "Failed to prepare inline environment: pandas");
	expect(resolve(w, "auto", "auto", "{\"runt\":{\"uv\":{\"dependencies\":[]}}}", NULL), "uv:prewarmed");
	expect(resolve(w, "auto", "auto", "{\"runt\":{\"conda\":{\"dependencies\":[\"numpy\"]}}}", NULL),
	       "Failed to prepare inline environment: numpy");
	const char *block = "# /// script\n# dependencies = [\n#   \"rich\",\n# ]\n# ///\nimport rich";
	const char *empty = "# /// script\n# dependencies = []\n# ///\n";
	expect(resolve(w, "auto", "auto", NULL, block), "PEP 723");
	expect(resolve(w, "auto", "auto", NULL, empty), "uv:prewarmed");
	expect(resolve(w, "python", "uv:pep723", NULL, "x"), "No PEP 723 dependencies found");
	expect(resolve(w, "python", "conda:prewarmed", NULL, NULL),
	       "Conda pool empty - no environment available|error: Conda pool empty");
	expect(resolve(w, "ir", "auto", NULL, NULL), "Unsupported kernel type: ir. Supported types: python, deno");
	expect(resolve(w, "auto", "auto", "{\"kernelspec\":{\"name\":\"ir\",\"language\":\"R\"}}", NULL),
	       "kernel type: ir");
	expect(resolve(w, "auto", "auto", "{\"kernelspec\":{\"name\":\"deno\"}}", NULL), "deno was not found");
}

static void test_resolve_empty_pool(void **state)
{
	struct world *w = *state;
	setenv("JUPYTER_PATH", w->base, 1);
	open_pool(w, 0);
	const char *got = resolve(w, "python", "uv:prewarmed", NULL, NULL);
	if (!w->error) /* this machine has an installed Python kernel */
		skip();
	assert_string_equal(got, "UV pool empty - no environment available|error: UV pool empty");
}

static void test_runtime(void **state)
{
	(void)state;
	static const struct {
		const char *metadata, *runtime;
	} rows[] = {{"{\"kernelspec\":{\"name\":\"Deno\"}}", "deno"},
		    {"{\"kernelspec\":{\"name\":\"my-python-3\"}}", "python"},
		    {"{\"kernelspec\":{\"name\":\"x\",\"language\":\"TypeScript\"}}", "deno"},
		    {"{\"kernelspec\":{\"name\":\"x\"},\"language_info\":{\"name\":\"python\"}}", "python"},
		    {"{\"language_info\":{\"name\":\"deno\"}}", "deno"},
		    {"{\"runt\":{\"deno\":{}}}", "deno"},
		    {"{\"runt\":{\"uv\":{}}}", NULL}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct json_object *m = json_parse(rows[i].metadata, strlen(rows[i].metadata));
		const char *got = resolve_runtime(m);
		assert_int_equal(!got, !rows[i].runtime);
		if (got)
			assert_string_equal(got, rows[i].runtime);
		json_object_put(m);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fill_take_refill), T(test_return_is_careful), T(test_failure), T(test_no_uv), T(test_adopt),
		T(test_flush_and_packages), T(test_resolve), T(test_resolve_empty_pool), cmocka_unit_test(test_runtime),
	};
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
