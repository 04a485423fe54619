#include "store/alias.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "host/fault.h"
#include "host/file.h"
#include "host/uv.h"

#define LIMIT HOST_SEC(20)
#define U1 "0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11"
#define U2 "1d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11"

struct fixture {
	struct host *h;
	struct fault *fault;
	char *dir, *target;
	struct alias_table *t;
	bool done;
	int err;
};

static void reopen(struct fixture *f)
{
	alias_close(f->t);
	assert_int_equal(alias_open(f->h, f->dir, &f->t), 0);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	char dir[] = "/tmp/alias-test-XXXXXX";

	assert_non_null(mkdtemp(dir));
	f->dir = xstrdup(dir);
	f->target = path_join(dir, "n.ipynb");
	assert_int_equal(host_uv_new(&f->h), 0);
	f->fault = fault_install(f->h);
	reopen(f);
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

	alias_close(f->t);
	assert_int_equal(host_run_until(f->h, no_work, f, LIMIT), 0);
	assert_int_equal(host_dir_remove_tree(f->h, f->dir), 0);
	fault_remove(f->fault);
	host_free(f->h);
	free(f->dir);
	free(f->target);
	free(f);
	return 0;
}

static void on_done(void *ctx, int err)
{
	struct fixture *f = ctx;

	f->done = true;
	f->err = err;
}

static bool is_done(void *ctx)
{
	return ((struct fixture *)ctx)->done;
}

static void wait_done(struct fixture *f, int err)
{
	assert_false(f->done);
	assert_int_equal(host_run_until(f->h, is_done, f, LIMIT), 0);
	assert_int_equal(f->err, err);
	f->done = false;
}

static void hash_of(char ret[SHA256_HEX_BYTES], const char *text)
{
	sha256_hex(ret, text, strlen(text));
}

static void test_life(void **state)
{
	struct fixture *f = *state;
	char hash[SHA256_HEX_BYTES];

	hash_of(hash, "{}");
	alias_intent(f->t, U1, f->target, hash, on_done, f);
	assert_null(alias_path_of(f->t, U1)); /* not done yet */
	wait_done(f, 0);
	alias_finish(f->t, U1, f->target, hash, on_done, f);
	assert_string_equal(alias_path_of(f->t, U1), f->target);
	assert_string_equal(alias_uuid_of(f->t, f->target), U1);
	assert_int_equal(alias_count(f->t), 1);
	wait_done(f, 0);
	reopen(f);
	assert_string_equal(alias_path_of(f->t, U1), f->target);
	/* Another save as: the old name stands until the new one is done. */
	alias_intent(f->t, U1, "/other", hash, NULL, NULL);
	assert_string_equal(alias_path_of(f->t, U1), f->target);
	alias_drop_intent(f->t, U1, NULL, NULL);
	assert_int_equal(alias_count(f->t), 1);
	alias_move(f->t, f->target, "/moved", NULL, NULL);
	assert_string_equal(alias_path_of(f->t, U1), "/moved");
	assert_null(alias_uuid_of(f->t, f->target));
	alias_forget(f->t, U1, on_done, f);
	assert_int_equal(alias_count(f->t), 0);
	wait_done(f, 0);
	reopen(f);
	assert_int_equal(alias_count(f->t), 0);
}

static bool no_journal(void *ctx, const struct alias *a)
{
	(void)ctx;
	(void)a;
	return false;
}

/* rooms.md 13.2: an intent is judged by what is on disk. */
static void test_resolution(void **state)
{
	struct fixture *f = *state;
	char hash[SHA256_HEX_BYTES], other[SHA256_HEX_BYTES];
	char *temp = xasprintf("%s/.n.ipynb.%s.tmp", f->dir, U1);
	char *foreign = xasprintf("%s/.m.ipynb.%s.tmp", f->dir, U1);
	char *second = path_join(f->dir, "second.ipynb");

	hash_of(hash, "{}");
	hash_of(other, "[]");
	assert_int_equal(host_file_replace_own(f->h, f->target, "{}", 2, 0644), 0);
	assert_int_equal(host_file_replace_own(f->h, second, "{}", 2, 0644), 0);
	assert_int_equal(host_file_replace_own(f->h, temp, "x", 1, 0644), 0);
	assert_int_equal(host_file_replace_own(f->h, foreign, "x", 1, 0644), 0);
	alias_intent(f->t, U1, f->target, hash, NULL, NULL);  /* its bytes are there */
	alias_intent(f->t, U2, second, other, on_done, f);    /* its bytes are not */
	wait_done(f, 0);
	reopen(f);
	assert_int_equal(alias_resolve(f->t, no_journal, NULL), 0);
	assert_string_equal(alias_path_of(f->t, U1), f->target);
	assert_null(alias_path_of(f->t, U2));
	assert_int_equal(alias_count(f->t), 1);
	assert_false(host_path_exists(f->h, temp));
	assert_true(host_path_exists(f->h, foreign));
	reopen(f);
	assert_int_equal(alias_count(f->t), 1);
	assert_true(alias_at(f->t, 0)->done);
	/* File and journal gone: the entry goes. */
	assert_int_equal(host_path_unlink(f->h, f->target), 0);
	assert_int_equal(alias_resolve(f->t, no_journal, NULL), 0);
	assert_int_equal(alias_count(f->t), 0);
	free(temp);
	free(foreign);
	free(second);
}

static void test_write_failure(void **state)
{
	struct fixture *f = *state;
	struct fault_rule full = {.ops = FAULT_WRITE, .error = ENOSPC};
	char hash[SHA256_HEX_BYTES];

	hash_of(hash, "{}");
	alias_finish(f->t, U1, "/a", hash, on_done, f);
	wait_done(f, 0);
	fault_add(f->fault, &full);
	alias_intent(f->t, U2, "/b", hash, on_done, f);
	wait_done(f, -ENOSPC);
	fault_clear(f->fault);
	reopen(f);
	assert_int_equal(alias_count(f->t), 1);
	assert_string_equal(alias_path_of(f->t, U1), "/a");
}

static void test_corrupt(void **state)
{
	struct fixture *f = *state;
	char *path = path_join(f->dir, "aliases.json"), *aside = xasprintf("%s.corrupt", path);

	assert_int_equal(host_file_replace_own(f->h, path, "{\"ali", 5, 0644), 0);
	reopen(f);
	assert_int_equal(alias_count(f->t), 0);
	assert_true(host_path_exists(f->h, aside));
	free(path);
	free(aside);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_life), T(test_resolution), T(test_write_failure), T(test_corrupt)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
