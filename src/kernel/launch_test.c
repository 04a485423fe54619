/* Working directory, environment, arguments, installed kernels (kernels.md 3.3, 14; 17 K12, K14, K17). */
#include "kernel/launch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/text.h"
#include "kernel/kernel.h"
#include "kernel/kernelspec.h"

static char base[] = "/tmp/runtimed-launch-test-XXXXXX";

static char *in_base(const char *name)
{
	return path_join(base, name);
}

static void put(const char *name, const char *text)
{
	char *path = in_base(name), *dir = path_dir(path), *command = xasprintf("mkdir -p '%s'", dir);
	assert_int_equal(system(command), 0);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(path);
	free(dir);
	free(command);
}

static const char *value(struct launch_strings *env, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < env->v.n; i++)
		if (!strncmp(env->v.p[i], name, n) && env->v.p[i][n] == '=')
			return env->v.p[i] + n + 1;
	return NULL;
}

static void test_environment(void **state)
{
	(void)state;
	static char a[] = "PATH=:/old/venv/bin:/usr/bin::/bin:", b[] = "VIRTUAL_ENV=/old/venv", c[] = "PYTHONHOME=/x",
		    d[] = "CONDA_PREFIX=/conda", e[] = "KEEP=1", f[] = "JPY_SESSION_NAME=x", g[] = "COLUMNS=200";
	char *const environment[] = {a, b, c, d, e, f, g, NULL};
	const char *const own[] = {"KEEP=2", "MORE=x", NULL};
	const struct kernel_launch_spec spec = {.venv_path = "/new", .tool_dir = "/opt/uv", .env = own};
	struct launch_strings env = {0};
	launch_environment(&spec, environment, &env);
	assert_string_equal(value(&env, "PATH"), "/new/bin:/opt/uv:/usr/bin:/bin");
	assert_string_equal(value(&env, "VIRTUAL_ENV"), "/new");
	assert_string_equal(value(&env, "COLUMNS"), "80");
	assert_string_equal(value(&env, "LINES"), "100");
	assert_string_equal(value(&env, "KEEP"), "2");
	assert_string_equal(value(&env, "MORE"), "x");
	assert_null(value(&env, "PYTHONHOME"));
	assert_null(value(&env, "CONDA_PREFIX"));
	assert_null(value(&env, "JPY_SESSION_NAME"));
	assert_int_equal(atol(value(&env, "JPY_PARENT_PID")), getpid());
	assert_null(env.v.p[env.v.n]);
	launch_strings_free(&env);
}

static void test_arguments(void **state)
{
	(void)state;
	const char *const argv[] = {"{prefix}/bin/x", "--f={connection_file}", "{resource_dir}", "{connection_file}",
				    NULL};
	const struct kernel_launch_spec spec = {.argv = argv, .prefix = "/p", .resource_dir = "/r"};
	struct launch_strings got = {0};
	launch_arguments(&spec, "/c/{prefix}.json", &got);
	assert_string_equal(got.v.p[0], "/p/bin/x");
	assert_string_equal(got.v.p[2], "/r");
	assert_true(str_starts(got.v.p[3], "/c/"));
	assert_null(got.v.p[4]);
	launch_strings_free(&got);
}

static void expect_cwd(const char *notebook, const char *working_dir, const char *want)
{
	char *got = launch_cwd(notebook, working_dir);
	assert_string_equal(got, want);
	free(got);
}

static void test_cwd(void **state)
{
	(void)state;
	char *file = in_base("sub/n.ipynb"), *sub = in_base("sub"), *lost = in_base("nowhere/n.ipynb"),
	     *home = in_base("home"), *notebooks = in_base("home/notebooks");
	put("sub/n.ipynb", "{}");
	put("home/x", "");
	setenv("HOME", home, 1);
	expect_cwd(file, NULL, sub);
	expect_cwd(sub, NULL, sub);
	expect_cwd(lost, sub, sub);
	expect_cwd(NULL, sub, sub);
	expect_cwd(NULL, NULL, notebooks);
	assert_int_equal(access(notebooks, F_OK), 0);
	free(file);
	free(sub);
	free(lost);
	free(home);
	free(notebooks);
}

static void test_kernelspecs(void **state)
{
	(void)state;
	char *first = in_base("one"), *second = in_base("two"), *path = xasprintf(":%s::%s:", first, second);
	struct kernelspec k;
	put("one/kernels/broken/kernel.json", "{\"argv\":[]}");
	put("one/kernels/ir/kernel.json",
	    "{\"argv\":[\"R\",\"{connection_file}\"],\"display_name\":\"R\",\"language\":\"R\","
	    "\"interrupt_mode\":\"message\","
	    "\"env\":{\"A\":\"${WHO}-x\",\"B\":\"${NOT_SET_AT_ALL}\"}}");
	put("two/kernels/ir/kernel.json", "{\"argv\":[\"other\"]}");
	put("two/kernels/julia-1.9/kernel.json", "{\"argv\":[\"julia\"],\"language\":\"julia\"}");
	setenv("JUPYTER_PATH", path, 1);
	setenv("WHO", "me", 1);
	assert_int_equal(kernelspec_find("IR", NULL, &k), 0);
	assert_string_equal(k.argv.v.p[0], "R");
	assert_string_equal(k.env.v.p[0], "A=me-x");
	assert_string_equal(k.env.v.p[1], "B=${NOT_SET_AT_ALL}");
	assert_true(k.interrupt_by_message);
	assert_true(str_ends(k.resource_dir, "one/kernels/ir"));
	kernelspec_fini(&k);
	assert_int_equal(kernelspec_find_language("Julia", NULL, &k), 0);
	assert_string_equal(k.name, "julia-1.9");
	assert_false(k.interrupt_by_message);
	kernelspec_fini(&k);
	assert_int_equal(kernelspec_find("nothing-like-it", NULL, &k), -ENOENT);
	assert_int_equal(kernelspec_find("../one", NULL, &k), -ENOENT);
	assert_int_equal(kernelspec_find("broken", NULL, &k), -EINVAL);
	free(first);
	free(second);
	free(path);
}

static int clean(void **state)
{
	(void)state;
	char *command = xasprintf("rm -rf '%s'", base);
	int r = system(command);
	free(command);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_environment), cmocka_unit_test(test_arguments),
					   cmocka_unit_test(test_cwd), cmocka_unit_test(test_kernelspecs)};
	if (!mkdtemp(base))
		return 1;
	return cmocka_run_group_tests(tests, NULL, clean);
}
