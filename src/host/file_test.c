#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/uv.h"

struct fixture {
	struct host *h;
	char *dir, *path;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	char dir[] = "/tmp/host-file-XXXXXX";

	assert_non_null(mkdtemp(dir));
	f->dir = xstrdup(dir);
	f->path = path_join(dir, "n.ipynb");
	assert_int_equal(host_uv_new(&f->h), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(host_dir_remove_tree(f->h, f->dir), 0);
	assert_int_equal(host_dir_remove_tree(f->h, f->dir), 0);
	host_free(f->h);
	free(f->dir);
	free(f->path);
	free(f);
	return 0;
}

static void expect_text(struct fixture *f, const char *path, const char *want)
{
	struct buf b = {0};

	assert_int_equal(host_file_read_all(f->h, path, 1u << 20, &b), 0);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static size_t entries(struct fixture *f)
{
	char **names;
	size_t n;

	assert_int_equal(host_dir_list(f->h, f->dir, &names, &n), 0);
	host_names_free(names, n);
	return n;
}

static void put(struct fixture *f, const char *path, const char *text)
{
	assert_int_equal(host_file_replace_atomic(f->h, path, text, strlen(text), 0644, NULL), 0);
}

static void test_replace_new_and_old(void **state)
{
	struct fixture *f = *state;
	struct host_file_info info, now;
	mode_t mask = umask(022);

	assert_int_equal(host_file_replace_atomic(f->h, f->path, "one", 3, 0666, &info), 0);
	umask(mask);
	assert_int_equal(info.mode & 07777, 0644);
	expect_text(f, f->path, "one");
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_int_equal(host_file_replace_atomic(f->h, f->path, "", 0, 0666, &info), 0);
	expect_text(f, f->path, "");
	assert_int_equal(host_path_stat(f->h, f->path, &now), 0);
	assert_true(host_info_same_stamp(&info, &now)); /* not its bytes: there is padding */
	assert_int_equal(info.mode, now.mode);
	assert_int_equal(info.nlink, now.nlink);
	assert_int_equal(now.mode & 07777, 0640);
	assert_int_equal(entries(f), 1);
}

static void test_replace_steps(void **state)
{
	struct fixture *f = *state;
	struct host_replace r;

	put(f, f->path, "old");
	assert_int_equal(host_replace_prepare(f->h, &r, f->path, "new", 3, 0644), 0);
	assert_false(r.in_place);
	assert_true(r.existed);
	assert_true(host_name_is_temp(path_base(r.temp), "n.ipynb"));
	assert_true(host_name_is_temp(path_base(r.temp), NULL));
	assert_false(host_name_is_temp(path_base(r.temp), "m.ipynb"));
	expect_text(f, r.temp, "new");
	expect_text(f, f->path, "old");
	host_replace_abort(f->h, &r);
	assert_int_equal(entries(f), 1);
	assert_int_equal(host_replace_prepare(f->h, &r, f->path, "new", 3, 0644), 0);
	assert_int_equal(host_replace_commit(f->h, &r, NULL), 0);
	expect_text(f, f->path, "new");
}

static void test_replace_symlink(void **state)
{
	struct fixture *f = *state;
	char *link = path_join(f->dir, "link"), *dangling = path_join(f->dir, "dangling");
	char *later = path_join(f->dir, "later");
	struct host_file_info info;

	put(f, f->path, "old");
	assert_int_equal(host_path_symlink(f->h, "n.ipynb", link), 0);
	put(f, link, "new");
	expect_text(f, f->path, "new");
	assert_int_equal(host_path_lstat(f->h, link, &info), 0);
	assert_true(S_ISLNK(info.mode));
	assert_int_equal(host_path_symlink(f->h, "later", dangling), 0);
	put(f, dangling, "made");
	expect_text(f, later, "made");
	free(link);
	free(dangling);
	free(later);
}

static void test_replace_hard_link(void **state)
{
	struct fixture *f = *state;
	char *other = path_join(f->dir, "other");
	struct host_replace r;

	put(f, f->path, "old, and longer");
	assert_int_equal(host_path_link(f->h, f->path, other), 0);
	assert_int_equal(host_replace_prepare(f->h, &r, f->path, "new", 3, 0644), 0);
	assert_true(r.in_place);
	assert_int_equal(host_replace_commit(f->h, &r, NULL), 0);
	expect_text(f, other, "new");
	free(other);
}

static void test_replace_refusals(void **state)
{
	struct fixture *f = *state;
	char *below = path_join(f->path, "x"), *none = path_join(f->dir, "a/b");
	char *fifo = path_join(f->dir, "fifo");

	assert_int_equal(host_file_replace_atomic(f->h, f->dir, "x", 1, 0644, NULL), -EISDIR);
	put(f, f->path, "x");
	assert_int_equal(host_file_replace_atomic(f->h, below, "x", 1, 0644, NULL), -ENOTDIR);
	assert_int_equal(host_file_replace_atomic(f->h, none, "x", 1, 0644, NULL), -ENOENT);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(host_file_replace_atomic(f->h, fifo, "x", 1, 0644, NULL), -EINVAL);
	assert_int_equal(entries(f), 2);
	free(below);
	free(none);
	free(fifo);
}

/* In a child that is not root, whom permissions do not bind. Its exit status is
 * the line of the first wrong result. */
#define NEED(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			_exit(__LINE__ % 250 + 1);                                                                     \
	} while (0)

static void unwritable_child(struct fixture *f)
{
	struct host_replace r;

	NEED(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
	NEED(host_replace_prepare(f->h, &r, f->path, "new", 3, 0644) == 0);
	NEED(r.in_place);
	NEED(host_replace_commit(f->h, &r, NULL) == 0);
	NEED(chmod(f->path, 0400) == 0);
	NEED(host_replace_prepare(f->h, &r, f->path, "new", 3, 0644) == -EACCES);
	NEED(chmod(f->dir, 0700) == 0);
	NEED(host_replace_prepare(f->h, &r, f->path, "new", 3, 0644) == -EACCES);
	_exit(0);
}

static void test_replace_unwritable_dir(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	put(f, f->path, "old");
	if (geteuid() == 0) {
		assert_int_equal(chown(f->path, 65534, 65534), 0);
		assert_int_equal(chown(f->dir, 65534, 65534), 0);
	}
	assert_int_equal(chmod(f->dir, 0500), 0);
	pid = fork();
	if (pid == 0)
		unwritable_child(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect_text(f, f->path, "new");
	/* The owner is kept as well. */
	if (geteuid() == 0) {
		struct host_file_info info;

		assert_int_equal(host_file_replace_atomic(f->h, f->path, "x", 1, 0644, &info), 0);
		assert_int_equal(info.uid, 65534);
	}
}

static void test_long_name(void **state)
{
	struct fixture *f = *state;
	char name[256], *path;

	memset(name, 'n', sizeof name - 1);
	name[255] = '\0';
	path = path_join(f->dir, name);
	put(f, path, "x");
	put(f, path, "y");
	expect_text(f, path, "y");
	assert_int_equal(entries(f), 1);
	free(path);
}

static void test_temp_names(void **state)
{
	(void)state;
	assert_true(host_name_is_temp(".a.0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11.tmp", "a"));
	assert_false(host_name_is_temp("a.0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11.tmp", "a"));
	assert_false(host_name_is_temp(".a.0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a1.tmp", "a"));
	assert_false(host_name_is_temp(".a.0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11", "a"));
	assert_false(host_name_is_temp(".0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11.tmp", NULL));
}

static void test_read_all(void **state)
{
	struct fixture *f = *state;
	struct buf b = {0};

	buf_append_str(&b, "before ");
	assert_int_equal(host_file_read_all(f->h, f->path, 10, &b), -ENOENT);
	assert_int_equal(host_file_read_all(f->h, f->dir, 10, &b), -EISDIR);
	put(f, f->path, "0123456789");
	assert_int_equal(host_file_read_all(f->h, f->path, 9, &b), -EFBIG);
	assert_string_equal(buf_cstr(&b), "before ");
	assert_int_equal(host_file_read_all(f->h, f->path, 10, &b), 0);
	assert_string_equal(buf_cstr(&b), "before 0123456789");
	buf_clear(&b);
	assert_int_equal(host_file_read_all(f->h, "/proc/self/stat", 4000, &b), 0);
	assert_true(b.n > 10);
	buf_free(&b);
}

static void test_directories(void **state)
{
	struct fixture *f = *state;
	char *deep = path_join(f->dir, "a/b//c/"), *below = path_join(f->path, "x/y");
	char *locked = path_join(f->dir, "a/b"), *usr = path_join(f->dir, "a/usr");
	struct host_file_info info;

	assert_int_equal(host_dir_make(f->h, deep, 0700), 0);
	assert_int_equal(host_dir_make(f->h, deep, 0700), 0);
	assert_int_equal(host_path_stat(f->h, deep, &info), 0);
	assert_true(host_info_is_dir(&info));
	assert_int_equal(info.mode & 07777, 0700);
	put(f, f->path, "file");
	assert_int_equal(host_dir_make(f->h, f->path, 0700), -ENOTDIR);
	assert_int_equal(host_dir_make(f->h, below, 0700), -ENOTDIR);
	assert_int_equal(host_dir_make(f->h, "/", 0700), 0);
	assert_int_equal(host_dir_sync(f->h, f->dir), 0);
	assert_int_equal(host_dir_remove(f->h, f->dir), -ENOTEMPTY);
	/* Teardown removes what has no write permission, and never follows links. */
	assert_int_equal(symlink("/usr", usr), 0);
	assert_int_equal(chmod(locked, 0500), 0);
	free(deep);
	free(below);
	free(locked);
	free(usr);
}

static void test_lock(void **state)
{
	struct fixture *f = *state;
	int a, b;

	assert_int_equal(host_file_open(f->h, f->path, O_RDWR | O_CREAT, 0600, &a), 0);
	assert_int_equal(host_file_open(f->h, f->path, O_RDWR | O_CREAT, 0600, &b), 0);
	assert_true(fcntl(a, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(host_file_lock(f->h, a), 0);
	assert_int_equal(host_file_lock(f->h, b), -EWOULDBLOCK);
	host_file_close(f->h, a);
	assert_int_equal(host_file_lock(f->h, b), 0);
	host_file_close(f->h, b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_replace_new_and_old), T(test_replace_steps), T(test_replace_symlink), T(test_replace_hard_link),
		T(test_replace_refusals), T(test_replace_unwritable_dir), T(test_long_name),
		cmocka_unit_test(test_temp_names), T(test_read_all), T(test_directories), T(test_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
