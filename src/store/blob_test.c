#include "store/blob.h"

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
#include "base/json.h"
#include "base/text.h"
#include "host/fault.h"
#include "host/file.h"
#include "host/sim.h"
#include "host/uv.h"

#define LIMIT HOST_SEC(20)

struct fixture {
	struct host *h;
	struct fault *fault;
	char *root, *dir;
	struct blob_store *s;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	char root[] = "/tmp/blob-test-XXXXXX";

	assert_non_null(mkdtemp(root));
	f->root = xstrdup(root);
	f->dir = path_join(root, "blobs");
	assert_int_equal(host_uv_new(&f->h), 0);
	f->fault = fault_install(f->h);
	assert_int_equal(blob_store_open(f->h, f->dir, &f->s), 0);
	assert_int_equal(access(f->dir, X_OK), 0);
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

	fault_clear(f->fault);
	blob_store_close(f->s);
	assert_int_equal(host_run_until(f->h, no_work, f, LIMIT), 0);
	assert_int_equal(host_dir_remove_tree(f->h, f->root), 0);
	fault_remove(f->fault);
	host_free(f->h);
	free(f->root);
	free(f->dir);
	free(f);
	return 0;
}

static void test_put_get(void **state)
{
	struct fixture *f = *state;
	char hash[SHA256_HEX_BYTES], again[SHA256_HEX_BYTES], *path, *meta;
	struct blob_info info;
	struct json_object *obj;
	struct buf b = {0};
	const char *s;
	int64_t size, at;
	int fd;

	assert_int_equal(blob_put(f->s, "image/png", "hello", 5, hash), 0);
	assert_string_equal(hash, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_true(blob_exists(f->s, hash));
	assert_int_equal(blob_get(f->s, hash, &b), 0);
	assert_string_equal(buf_cstr(&b), "hello");
	path = blob_path(f->s, hash);
	assert_true(str_ends(path, "/blobs/2c/f24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"));
	meta = xasprintf("%s.meta", path);
	buf_clear(&b);
	assert_int_equal(host_file_read_all(f->h, meta, 1000, &b), 0);
	assert_true(str_starts(buf_cstr(&b), "{\"media_type\":\"image/png\",\"size\":5,\"created_at\":\""));
	obj = json_parse(b.p, b.n);
	assert_int_equal(json_get_i64(obj, "size", &size), 0);
	assert_int_equal(json_get_str(obj, "created_at", &s), 0);
	assert_true(rfc3339_parse(s, &at));
	json_object_put(obj);
	/* The first media type stays. */
	assert_int_equal(blob_put(f->s, "text/plain", "hello", 5, again), 0);
	assert_string_equal(again, hash);
	assert_int_equal(blob_open(f->s, hash, &fd, &info), 0);
	host_file_close(f->h, fd);
	assert_string_equal(info.media_type, "image/png");
	assert_int_equal(info.size, 5);
	/* Without its sidecar a blob is served as bytes, and a put mends it. */
	assert_int_equal(unlink(meta), 0);
	assert_int_equal(blob_stat(f->s, hash, &info), 0);
	assert_string_equal(info.media_type, "application/octet-stream");
	assert_int_equal(blob_put(f->s, "text/plain", "hello", 5, again), 0);
	assert_int_equal(blob_stat(f->s, hash, &info), 0);
	assert_string_equal(info.media_type, "text/plain");
	assert_int_equal(blob_put(f->s, "text/plain", "", 0, hash), 0);
	buf_clear(&b);
	assert_int_equal(blob_get(f->s, hash, &b), 0);
	assert_int_equal(b.n, 0);
	buf_free(&b);
	free(path);
	free(meta);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	char hash[SHA256_HEX_BYTES], upper[SHA256_HEX_BYTES];
	struct buf b = {0};

	assert_int_equal(blob_put(f->s, "text/plain", "hello", 5, hash), 0);
	for (int i = 0; i < 65; i++)
		upper[i] = (char)(hash[i] >= 'a' ? hash[i] - 32 : hash[i]);
	assert_int_equal(blob_get(f->s, upper, &b), -ENOENT);
	assert_int_equal(blob_get(f->s, "", &b), -ENOENT);
	assert_int_equal(blob_get(f->s, "../../../../../../../etc/passwd", &b), -ENOENT);
	hash[0] = hash[0] == '0' ? '1' : '0';
	assert_int_equal(blob_get(f->s, hash, &b), -ENOENT);
	assert_int_equal(blob_put(f->s, "x", hash, (size_t)BLOB_MAX + 1, hash), -EFBIG);
}

static size_t count_files(struct fixture *f)
{
	char **shards, **names;
	size_t n, m, total = 0;

	assert_int_equal(host_dir_list(f->h, f->dir, &shards, &n), 0);
	for (size_t i = 0; i < n; i++) {
		char *dir = path_join(f->dir, shards[i]);

		assert_int_equal(host_dir_list(f->h, dir, &names, &m), 0);
		host_names_free(names, m);
		total += m;
		free(dir);
	}
	host_names_free(shards, n);
	return total;
}

/* Each operation of a put fails in turn: an error, and nothing half is left. */
static void test_put_faults(void **state)
{
	struct fixture *f = *state;
	char hash[SHA256_HEX_BYTES], text[32];
	uint64_t nth = 0;
	size_t before;
	int err;

	do {
		struct fault_rule rule = {.ops = FAULT_CHANGE & ~(unsigned)FAULT_UNLINK, .nth = ++nth,
					  .action = FAULT_TEAR, .error = ENOSPC};

		assert_true(nth < 50);
		before = count_files(f);
		snprintf(text, sizeof text, "text %u", (unsigned)nth);
		fault_add(f->fault, &rule);
		err = blob_put(f->s, "text/plain", text, strlen(text), hash);
		fault_clear(f->fault);
		assert_int_equal(count_files(f), before + (err == 0 ? 2 : 0));
		if (err == 0) {
			struct buf b = {0};

			assert_int_equal(blob_get(f->s, hash, &b), 0);
			assert_string_equal(buf_cstr(&b), text);
			buf_free(&b);
		} else {
			assert_int_equal(err, -ENOSPC);
		}
	} while (err < 0 || nth < 8);
}

static bool synced(void *ctx)
{
	struct fixture *f = ctx;

	return fault_count(f->fault, FAULT_SYNC) >= 4 && no_work(ctx);
}

static void test_background_sync(void **state)
{
	struct fixture *f = *state;
	char hash[SHA256_HEX_BYTES];

	fault_reset_count(f->fault);
	assert_int_equal(blob_put(f->s, "text/plain", "hello", 5, hash), 0);
	assert_int_equal(fault_count(f->fault, FAULT_SYNC), 0);
	assert_int_equal(host_run_until(f->h, synced, f, LIMIT), 0); /* data, meta, shard, store */
	fault_reset_count(f->fault);
	assert_int_equal(blob_sync(f->s), 0);
	assert_int_equal(fault_count(f->fault, FAULT_SYNC), 0);
}

static void slow_disk(void *host)
{
	host_sim_advance(host, HOST_MS(20));
}

/* The end of the daemon does not wait for every blob of a slow disk. */
static void test_close_is_bounded(void **state)
{
	struct sim_disk *disk = sim_disk_new(1);
	struct host *h;
	struct blob_store *s;
	char hash[SHA256_HEX_BYTES];

	(void)state;
	assert_int_equal(host_sim_new(disk, 1, &h), 0);
	struct fault *fault = fault_install(h);
	assert_int_equal(blob_store_open(h, "/tmp/blobs", &s), 0);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(blob_put(s, "text/plain", &i, sizeof i, hash), 0);
	fault_refresh(fault, slow_disk, h);
	fault_reset_count(fault);
	blob_store_close(s);
	assert_in_range(fault_count(fault, FAULT_SYNC), 10, 150); /* of more than a thousand */
	fault_remove(fault);
	host_free(h);
	sim_disk_free(disk);
}

struct gone {
	struct fixture *f;
	const char *hash;
};

static bool is_gone(void *ctx)
{
	struct gone *g = ctx;

	return !blob_exists(g->f->s, g->hash);
}

static void test_supersede(void **state)
{
	struct fixture *f = *state;
	char a[SHA256_HEX_BYTES], b[SHA256_HEX_BYTES], c[SHA256_HEX_BYTES];
	struct gone gone = {.f = f, .hash = c};

	assert_int_equal(blob_put(f->s, "text/plain", "a", 1, a), 0);
	assert_int_equal(blob_put(f->s, "text/plain", "b", 1, b), 0);
	assert_int_equal(blob_put(f->s, "text/plain", "c", 1, c), 0);
	blob_supersede(f->s, a, HOST_MS(1));
	blob_supersede(f->s, b, HOST_MS(1));
	blob_supersede(f->s, c, HOST_MS(1));
	assert_int_equal(blob_put(f->s, "text/plain", "a", 1, a), 0); /* wanted again */
	blob_keep(f->s, b);
	assert_int_equal(host_run_until(f->h, is_gone, &gone, LIMIT), 0);
	assert_true(blob_exists(f->s, a));
	assert_true(blob_exists(f->s, b));
	assert_int_equal(count_files(f), 4);
}

static bool marked(void *ctx, const char hash[SHA256_HEX_BYTES])
{
	return strcmp(ctx, hash) == 0;
}

static void age(struct fixture *f, const char *hash)
{
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	char *path = blob_path(f->s, hash), *meta = xasprintf("%s.meta", path);

	assert_int_equal(utimensat(0, path, old, 0), 0);
	assert_int_equal(utimensat(0, meta, old, 0), 0);
	free(path);
	free(meta);
}

static void test_gc(void **state)
{
	struct fixture *f = *state;
	char a[SHA256_HEX_BYTES], b[SHA256_HEX_BYTES], c[SHA256_HEX_BYTES], d[SHA256_HEX_BYTES];
	size_t removed;
	uint64_t bytes;

	assert_int_equal(blob_put(f->s, "text/plain", "marked", 6, a), 0);
	assert_int_equal(blob_put(f->s, "text/plain", "old", 3, b), 0);
	assert_int_equal(blob_put(f->s, "text/plain", "young", 5, c), 0);
	assert_int_equal(blob_put(f->s, "text/plain", "put again", 9, d), 0);
	age(f, a);
	age(f, b);
	age(f, d);
	assert_int_equal(blob_put(f->s, "text/plain", "put again", 9, d), 0);
	assert_int_equal(blob_gc(f->s, HOST_SEC(60), marked, a, &removed, &bytes), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(bytes, 3);
	assert_true(blob_exists(f->s, a));
	assert_false(blob_exists(f->s, b));
	assert_true(blob_exists(f->s, c));
	assert_true(blob_exists(f->s, d));
	assert_int_equal(count_files(f), 6);
}

/* Puts from workers while the loop runs. */
struct put_job {
	struct fixture *f;
	unsigned n;
	int err;
	unsigned *done;
};

static void put_run(void *ctx)
{
	struct put_job *j = ctx;
	char text[32], hash[SHA256_HEX_BYTES];

	for (unsigned i = 0; i < 20 && j->err == 0; i++) {
		snprintf(text, sizeof text, "blob %u", (i + j->n) % 23);
		j->err = blob_put(j->f->s, "text/plain", text, strlen(text), hash);
	}
}

static void put_done(void *ctx)
{
	struct put_job *j = ctx;

	assert_int_equal(j->err, 0);
	++*j->done;
}

static bool eight(void *ctx)
{
	return *(unsigned *)ctx == 8;
}

static void test_workers(void **state)
{
	struct fixture *f = *state;
	struct put_job jobs[8];
	unsigned done = 0;

	for (unsigned i = 0; i < 8; i++) {
		jobs[i] = (struct put_job){.f = f, .n = i, .done = &done};
		host_work(f->h, put_run, put_done, &jobs[i]);
	}
	assert_int_equal(host_run_until(f->h, eight, &done, LIMIT), 0);
	assert_int_equal(count_files(f), 46);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_put_get), T(test_refusals), T(test_put_faults), T(test_background_sync),
		cmocka_unit_test(test_close_is_bounded), T(test_supersede), T(test_gc), T(test_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
