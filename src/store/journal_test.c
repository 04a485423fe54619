#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <setjmp.h>
#include <signal.h>
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
#include "base/vec.h"
#include "host/fault.h"
#include "host/file.h"
#include "host/uv.h"
#include "store/journal_model.h"
#include "store/snapshot.h"

#define LIMIT HOST_SEC(20)

struct fixture {
	struct host *h;
	char *root, *dir, *fallback;
	struct journal_store *s;
	struct journal *j;
	struct fault *fault;
	struct model m;
	uint64_t synced;
	enum journal_state state;
	int err;
	unsigned states_seen;
};

static void on_synced(void *ctx, uint64_t seq)
{
	struct fixture *f = ctx;

	assert_true(seq > f->synced);
	assert_true(seq <= journal_appended(f->j));
	f->synced = seq;
}

static int on_save(void *ctx, struct buf *out)
{
	struct fixture *f = ctx;

	f->m.saves++;
	if (f->m.save_fails)
		return -1;
	model_save(&f->m, out);
	return 0;
}

static void on_status(void *ctx, enum journal_state state, int err)
{
	struct fixture *f = ctx;

	f->state = state;
	f->err = err;
	f->states_seen |= 1u << state;
}

static const struct journal_events events = {.synced = on_synced, .save = on_save, .status = on_status};

static void start(struct fixture *f)
{
	assert_int_equal(host_uv_new(&f->h), 0);
	f->fault = fault_install(f->h);
	assert_int_equal(journal_store_open(f->h, f->dir, f->fallback, &f->s), 0);
	f->synced = 0;
	f->state = JOURNAL_OK;
	f->states_seen = 0;
}

static bool no_work(void *ctx)
{
	return host_work_pending(((struct fixture *)ctx)->h) == 0;
}

static void stop(struct fixture *f)
{
	fault_clear(f->fault);
	journal_close(f->j);
	f->j = NULL;
	journal_store_close(f->s);
	assert_int_equal(host_run_until(f->h, no_work, f, LIMIT), 0);
	fault_remove(f->fault);
	host_free(f->h);
	f->h = NULL;
}

static void set_dirs(struct fixture *f, const char *root)
{
	char *parent = path_join(root, "run");

	f->root = xstrdup(root);
	f->dir = path_join(root, "notebook-docs");
	f->fallback = path_join(parent, "0123");
	free(parent);
}

static void init(struct fixture *f)
{
	/* In memory where possible: thousands of syncs are made. */
	char root[64];

	snprintf(root, sizeof root, "%s/journal-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(root));
	set_dirs(f, root);
}

static void remove_root(struct fixture *f)
{
	struct host *h;

	assert_int_equal(host_uv_new(&h), 0);
	assert_int_equal(host_dir_remove_tree(h, f->root), 0);
	host_free(h);
	free(f->root);
	free(f->dir);
	free(f->fallback);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	init(f);
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stop(f);
	remove_root(f);
	free(f);
	return 0;
}

/* Loads id into a fresh model and opens the journal on it. */
static struct journal_content load(struct fixture *f, const char *id)
{
	struct journal_content c;

	f->m = (struct model){.padding = f->m.padding};
	assert_int_equal(journal_load(f->s, id, &c), 0);
	model_load(&f->m, c.bytes.p, c.bytes.n);
	return c;
}

static void open_loaded(struct fixture *f, const char *id)
{
	struct journal_content c = load(f, id);

	assert_int_equal(journal_open(f->s, id, &c, &events, f, &f->j), 0);
	journal_content_free(&c);
}

static uint64_t put(struct fixture *f)
{
	struct buf b = {0};
	unsigned number = f->m.n++;
	uint64_t seq;

	assert_true(number < ENTRY_MAX);
	f->m.has[number] = true;
	change(&b, number, f->m.padding);
	seq = f->m.seq[number] = journal_append(f->j, b.p, b.n);
	buf_free(&b);
	return seq;
}

static bool all_synced(void *ctx)
{
	struct fixture *f = ctx;

	return journal_synced(f->j) == journal_appended(f->j);
}

static bool settled(void *ctx)
{
	struct fixture *f = ctx;

	return all_synced(f) || f->state == JOURNAL_FAILING;
}

static void sync_all(struct fixture *f)
{
	assert_int_equal(host_run_until(f->h, all_synced, f, LIMIT), 0);
	assert_int_equal(f->synced, journal_synced(f->j));
}

static bool done_flag;
static int done_err;

static void on_done(void *ctx, int err)
{
	(void)ctx;
	done_flag = true;
	done_err = err;
}

static bool is_done(void *ctx)
{
	(void)ctx;
	return done_flag;
}

static void wait_done(struct fixture *f, int want)
{
	assert_int_equal(host_run_until(f->h, is_done, NULL, LIMIT), 0);
	assert_int_equal(done_err, want);
	done_flag = false;
}

static char *data_path(struct fixture *f, const char *id, bool fallback)
{
	char *primary, *other;

	journal_paths(f->s, id, &primary, &other);
	free(fallback ? primary : other);
	return fallback ? other : primary;
}

static size_t file_size(struct fixture *f, const char *id, bool fallback)
{
	char *path = data_path(f, id, fallback);
	struct stat st;
	size_t n = stat(path, &st) == 0 ? (size_t)st.st_size : 0;

	free(path);
	return n;
}

static void expect_numbers(struct fixture *f, const char *id, unsigned n)
{
	struct journal_content c = load(f, id);

	assert_int_equal(f->m.n, n);
	for (unsigned i = 0; i < n; i++)
		assert_true(f->m.has[i]);
	journal_content_free(&c);
}

/* ---- the good path ---- */

static void test_append_and_load(void **state)
{
	struct fixture *f = *state;
	uint64_t syncs;
	struct stat st;
	char *path;

	open_loaded(f, "n1");
	assert_false(journal_exists(f->s, "n1"));
	put(f);
	put(f);
	sync_all(f);
	assert_int_equal(f->m.saves, 1); /* a new file begins with a whole document */
	assert_true(journal_exists(f->s, "n1"));
	/* Many entries of one turn are one write and one sync. */
	fault_reset_count(f->fault);
	for (int i = 0; i < 50; i++)
		put(f);
	sync_all(f);
	syncs = fault_count(f->fault, FAULT_SYNC);
	assert_int_equal(syncs, 1);
	assert_int_equal(fault_count(f->fault, FAULT_WRITE), 1);
	assert_int_equal(f->m.saves, 1);
	assert_int_equal(file_size(f, "n1", false), journal_size(f->j));
	path = data_path(f, "n1", false);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	free(path);
	journal_close(f->j);
	f->j = NULL;
	f->synced = 0;
	open_loaded(f, "n1");
	assert_int_equal(f->m.n, 52);
	put(f);
	sync_all(f);
	assert_int_equal(f->m.saves, 0); /* appended behind what was there */
	journal_close(f->j);
	f->j = NULL;
	expect_numbers(f, "n1", 53);
}

static void test_compaction(void **state)
{
	struct fixture *f = *state;
	size_t biggest = 0;

	f->m.padding = 3000;
	open_loaded(f, "n1");
	for (int i = 0; i < 300; i++) {
		put(f);
		sync_all(f);
		if (journal_size(f->j) > biggest)
			biggest = journal_size(f->j);
	}
	assert_true(f->m.saves >= 3);
	assert_true(biggest > JOURNAL_COMPACT_MIN - 4000);
	assert_true(biggest < JOURNAL_COMPACT_MIN + 4000);
	journal_compact(f->j, on_done, NULL);
	wait_done(f, 0);
	assert_true(journal_size(f->j) < 2000);
	journal_flush(f->j, on_done, NULL);
	wait_done(f, 0);
	journal_close(f->j);
	f->j = NULL;
	expect_numbers(f, "n1", 300);
}

static void test_append_document(void **state)
{
	struct fixture *f = *state;

	open_loaded(f, "n1");
	put(f);
	sync_all(f);
	f->m.has[f->m.n++] = true; /* a change whose bytes nobody has */
	assert_int_equal(journal_append_document(f->j), 2);
	put(f);
	sync_all(f);
	assert_int_equal(f->m.saves, 2);
	journal_close(f->j);
	f->j = NULL;
	expect_numbers(f, "n1", 3);
}

static void test_sidecar(void **state)
{
	struct fixture *f = *state;
	char *heads[] = {"aa", "bb"};
	struct sidecar sc = {.kind = "path", .path = "/x/\"y\".ipynb", .exported_heads = heads, .n_exported_heads = 2};
	struct journal_content c;

	open_loaded(f, "n1");
	journal_set_sidecar(f->j, &sc, on_done, NULL);
	wait_done(f, 0); /* kept in memory: there is no file yet */
	put(f);
	sync_all(f);
	c = load(f, "n1");
	assert_true(c.has_sidecar);
	assert_string_equal(c.sidecar.id, "n1");
	assert_string_equal(c.sidecar.path, "/x/\"y\".ipynb");
	assert_null(c.sidecar.uuid);
	assert_int_equal(c.sidecar.n_exported_heads, 2);
	assert_string_equal(c.sidecar.exported_heads[1], "bb");
	assert_int_equal(c.sidecar.n_doc_heads, 0);
	assert_true(c.sidecar.updated_at_ns > 0);
	journal_content_free(&c);
	sc.path = "/z";
	journal_set_sidecar(f->j, &sc, on_done, NULL);
	wait_done(f, 0);
	c = load(f, "n1");
	assert_string_equal(c.sidecar.path, "/z");
	journal_content_free(&c);
}

static size_t snapshots(struct fixture *f, const char *id)
{
	struct snapshot *list;
	char hash[SHA256_HEX_BYTES];
	size_t n;

	sha256_hex(hash, id, strlen(id));
	assert_int_equal(snapshot_list(f->h, f->dir, hash, &list, &n), 0);
	snapshot_list_free(list, n);
	return n;
}

static void test_rename(void **state)
{
	struct fixture *f = *state;
	struct sidecar sc = {.kind = "path"};
	struct journal_content c;

	open_loaded(f, "/x/new.ipynb");
	put(f);
	sync_all(f);
	journal_close(f->j);
	f->synced = 0;
	f->m = (struct model){0};
	open_loaded(f, "uuid");
	for (int i = 0; i < 3; i++)
		put(f);
	sync_all(f);
	journal_rename(f->j, "/x/new.ipynb", on_done, NULL);
	journal_set_sidecar(f->j, &sc, NULL, NULL);
	put(f); /* appended before the rename is done, lands under the new name */
	assert_string_equal(journal_id(f->j), "/x/new.ipynb");
	wait_done(f, 0);
	sync_all(f);
	journal_flush(f->j, on_done, NULL);
	wait_done(f, 0);
	assert_int_equal(f->m.saves, 1);
	assert_false(journal_exists(f->s, "uuid"));
	assert_int_equal(snapshots(f, "uuid"), 1);         /* a copy under the old id */
	assert_int_equal(snapshots(f, "/x/new.ipynb"), 1); /* what was there before */
	put(f);
	sync_all(f);
	journal_close(f->j);
	f->j = NULL;
	c = load(f, "/x/new.ipynb");
	assert_int_equal(f->m.n, 5);
	assert_true(c.has_sidecar);
	assert_string_equal(c.sidecar.id, "/x/new.ipynb");
	journal_content_free(&c);
}

static void test_discard(void **state)
{
	struct fixture *f = *state;

	open_loaded(f, "n1");
	put(f);
	sync_all(f);
	put(f);
	journal_discard(f->j, false, on_done, NULL);
	wait_done(f, 0);
	assert_true(all_synced(f));
	assert_false(journal_exists(f->s, "n1"));
	assert_int_equal(snapshots(f, "n1"), 0);
	/* Later entries begin a new file that holds everything. */
	put(f);
	sync_all(f);
	expect_numbers(f, "n1", 3);
	journal_discard(f->j, true, on_done, NULL);
	wait_done(f, 0);
	assert_false(journal_exists(f->s, "n1"));
	assert_int_equal(snapshots(f, "n1"), 1);
}

static void test_open_over_the_past(void **state)
{
	struct fixture *f = *state;

	open_loaded(f, "n1");
	put(f);
	put(f);
	sync_all(f);
	journal_close(f->j);
	f->synced = 0;
	f->m = (struct model){0};
	assert_int_equal(journal_open(f->s, "n1", NULL, &events, f, &f->j), 0);
	put(f);
	sync_all(f);
	expect_numbers(f, "n1", 1);
	assert_int_equal(snapshots(f, "n1"), 1);
}

/* ---- damage ---- */

static void test_torn_tail(void **state)
{
	struct fixture *f = *state;
	char *path, *torn;
	struct journal_content c;
	struct stat st;
	size_t good;

	open_loaded(f, "n1");
	for (int i = 0; i < 5; i++) {
		put(f);
		sync_all(f);
	}
	journal_close(f->j);
	f->j = NULL;
	f->synced = 0;
	path = data_path(f, "n1", false);
	torn = xasprintf("%s.torn", path);
	assert_int_equal(stat(path, &st), 0);
	good = (size_t)st.st_size - 17; /* change chunk: 10 + 4 bytes; the cut goes into the one before */
	assert_int_equal(truncate(path, (off_t)good), 0);
	c = load(f, "n1");
	assert_int_equal(f->m.n, 3);
	assert_int_equal(c.torn, 11);
	assert_false(c.rewrite);
	assert_int_equal(stat(torn, &st), 0);
	assert_int_equal(st.st_size, 11);
	assert_int_equal(file_size(f, "n1", false), good - 11);
	assert_int_equal(journal_open(f->s, "n1", &c, &events, f, &f->j), 0);
	journal_content_free(&c);
	put(f);
	sync_all(f);
	expect_numbers(f, "n1", 4);
	free(path);
	free(torn);
}

static void test_corrupt_file(void **state)
{
	struct fixture *f = *state;
	char *path = data_path(f, "n1", false), *corrupt = xasprintf("%s.corrupt", path);
	struct journal_content c;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(host_file_replace_own(f->h, path, "nonsense, not a chunk", 21, 0600), 0);
		c = load(f, "n1");
		assert_true(c.corrupt);
		assert_false(c.existed);
		assert_int_equal(c.bytes.n, 0);
		journal_content_free(&c);
		assert_false(host_path_exists(f->h, path));
		assert_true(host_path_exists(f->h, corrupt));
	}
	open_loaded(f, "n1");
	put(f);
	sync_all(f);
	journal_close(f->j);
	f->j = NULL;
	assert_int_equal(journal_mark_corrupt(f->s, "n1"), 0);
	assert_false(journal_exists(f->s, "n1"));
	free(path);
	free(corrupt);
}

static void test_file_taken_away(void **state)
{
	struct fixture *f = *state;
	char *path = data_path(f, "n1", false), *away = xasprintf("%s.away", path);

	open_loaded(f, "n1");
	put(f);
	sync_all(f);
	assert_int_equal(unlink(path), 0);
	put(f);
	sync_all(f);
	expect_numbers(f, "n1", 2);
	/* Moved: the file is written to no more. */
	assert_int_equal(host_path_rename(f->h, path, away), 0);
	put(f);
	sync_all(f);
	expect_numbers(f, "n1", 3);
	/* Replaced by something else: noticed as well. */
	assert_int_equal(host_file_replace_own(f->h, path, "x", 1, 0600), 0);
	put(f);
	sync_all(f);
	expect_numbers(f, "n1", 4);
	assert_int_equal(truncate(path, 3), 0);
	put(f);
	sync_all(f);
	expect_numbers(f, "n1", 5);
	assert_int_equal(f->states_seen & ~1u, 0);
	free(path);
	free(away);
}

static void test_deflated_chunks(void **state)
{
	struct buf plain = {0}, deflated = {0}, file = {0};
	struct libdeflate_compressor *z = libdeflate_alloc_compressor(6);
	uint8_t body[5000], packed[6000];
	size_t n;

	(void)state;
	memset(body, 'x', sizeof body);
	chunk(&plain, 1, body, sizeof body);
	n = libdeflate_deflate_compress(z, body, sizeof body, packed, sizeof packed);
	chunk(&deflated, 2, packed, n);
	memcpy(deflated.p + 4, plain.p + 4, 4); /* the checksum is the plain one's */
	buf_append(&file, plain.p, plain.n);
	buf_append(&file, deflated.p, deflated.n);
	assert_int_equal(journal_good_prefix(file.p, file.n), file.n);
	assert_int_equal(journal_good_prefix(file.p, file.n - 1), plain.n);
	file.p[plain.n + 4] ^= 1;
	assert_int_equal(journal_good_prefix(file.p, file.n), plain.n);
	file.p[20] ^= 1;
	assert_int_equal(journal_good_prefix(file.p, file.n), 0);
	libdeflate_free_compressor(z);
	buf_free(&plain);
	buf_free(&deflated);
	buf_free(&file);
}

/* ---- failing disks ---- */

static bool is_ok(void *ctx)
{
	struct fixture *f = ctx;

	return f->state == JOURNAL_OK && all_synced(f);
}

static void test_disk_full_and_back(void **state)
{
	struct fixture *f = *state;
	struct fault_rule full = {.ops = FAULT_WRITE | FAULT_CREATE, .prefix = f->dir, .error = ENOSPC};

	open_loaded(f, "n1");
	put(f);
	sync_all(f);
	fault_add(f->fault, &full);
	for (int i = 0; i < 3; i++) {
		put(f);
		sync_all(f);
	}
	assert_int_equal(f->state, JOURNAL_FALLBACK);
	assert_int_equal(f->err, -ENOSPC);
	assert_int_equal(journal_status(f->j, NULL), JOURNAL_FALLBACK);
	assert_true(file_size(f, "n1", true) > 0);
	assert_int_equal(f->m.saves, 2); /* one for the fallback, then appended */
	fault_clear(f->fault);
	assert_int_equal(host_run_until(f->h, is_ok, f, LIMIT), 0);
	assert_int_equal(file_size(f, "n1", true), 0);
	put(f);
	sync_all(f);
	expect_numbers(f, "n1", 5);
}

/* While the primary stays bad the fallback goes on being appended to. */
static void test_long_outage(void **state)
{
	struct fixture *f = *state;
	struct fault_rule full = {.ops = FAULT_WRITE | FAULT_CREATE, .prefix = f->dir, .error = EROFS};
	unsigned saves;

	open_loaded(f, "n1");
	fault_add(f->fault, &full);
	put(f);
	sync_all(f);
	saves = f->m.saves;
	host_run_until(f->h, is_done, NULL, HOST_MS(1300)); /* past the first retry */
	assert_true(f->m.saves > saves);
	assert_int_equal(f->state, JOURNAL_FALLBACK);
	saves = f->m.saves;
	put(f);
	sync_all(f);
	assert_int_equal(f->m.saves, saves);
	/* A daemon started now finds everything in the fallback, and takes it home. */
	journal_close(f->j);
	f->synced = 0;
	fault_clear(f->fault);
	f->state = JOURNAL_OK;
	open_loaded(f, "n1");
	assert_int_equal(f->m.n, 2);
	journal_compact(f->j, on_done, NULL);
	wait_done(f, 0);
	assert_int_equal(file_size(f, "n1", true), 0);
	expect_numbers(f, "n1", 2);
}

static void test_both_fail(void **state)
{
	struct fixture *f = *state;
	struct fault_rule bad = {.ops = FAULT_SYNC, .error = EIO};

	open_loaded(f, "n1");
	put(f);
	sync_all(f);
	fault_add(f->fault, &bad);
	put(f);
	assert_int_equal(host_run_until(f->h, settled, f, LIMIT), 0);
	assert_int_equal(f->state, JOURNAL_FAILING);
	assert_int_equal(f->err, -EIO);
	assert_int_equal(journal_synced(f->j), 1);
	fault_clear(f->fault);
	sync_all(f);
	assert_int_equal(f->state, JOURNAL_OK);
	expect_numbers(f, "n1", 2);
}

static void test_compaction_without_room(void **state)
{
	struct fixture *f = *state;
	struct fault_rule full = {.ops = FAULT_CREATE, .error = ENOSPC};

	open_loaded(f, "n1");
	put(f);
	sync_all(f);
	fault_add(f->fault, &full);
	journal_compact(f->j, on_done, NULL);
	put(f);
	wait_done(f, -ENOSPC);
	sync_all(f);
	assert_int_equal(f->state, JOURNAL_OK);
	expect_numbers(f, "n1", 2);
}

static void test_save_fails(void **state)
{
	struct fixture *f = *state;

	open_loaded(f, "n1");
	f->m.save_fails = true;
	put(f);
	assert_int_equal(host_run_until(f->h, settled, f, LIMIT), 0);
	assert_int_equal(f->state, JOURNAL_FAILING);
	f->m.save_fails = false;
	sync_all(f);
	assert_int_equal(f->state, JOURNAL_OK);
	expect_numbers(f, "n1", 1);
}

static void test_past_cannot_be_moved(void **state)
{
	struct fixture *f = *state;
	struct fault_rule ro = {.ops = FAULT_CHANGE, .prefix = f->dir, .error = EROFS};
	struct journal_content c;

	open_loaded(f, "n1");
	put(f);
	put(f);
	sync_all(f);
	journal_close(f->j);
	f->synced = 0;
	f->m = (struct model){0};
	fault_add(f->fault, &ro);
	assert_int_equal(journal_open(f->s, "n1", NULL, &events, f, &f->j), 0);
	put(f);
	sync_all(f);
	assert_int_equal(f->state, JOURNAL_FALLBACK);
	/* A crash now must not bring the past back. */
	journal_close(f->j);
	f->synced = 0;
	c = load(f, "n1");
	assert_int_equal(f->m.n, 1);
	fault_clear(f->fault);
	assert_int_equal(journal_open(f->s, "n1", &c, &events, f, &f->j), 0);
	journal_content_free(&c);
	journal_compact(f->j, on_done, NULL);
	wait_done(f, 0);
	expect_numbers(f, "n1", 1);
	assert_true(snapshots(f, "n1") >= 1);
}

static void test_strangers_fallback(void **state)
{
	struct fixture *f = *state;
	struct fault_rule full = {.ops = FAULT_WRITE, .prefix = f->dir, .error = ENOSPC};

	assert_int_equal(host_dir_make(f->h, f->fallback, 0700), 0);
	assert_int_equal(chmod(f->fallback, 0777), 0);
	fault_add(f->fault, &full);
	open_loaded(f, "n1");
	put(f);
	assert_int_equal(host_run_until(f->h, settled, f, LIMIT), 0);
	assert_int_equal(f->state, JOURNAL_FAILING);
	assert_int_equal(file_size(f, "n1", true), 0);
}

/* One life: entries, a compaction, a sidecar, a rename. Returns what was synced
 * of it when it ended, wherever a fault stopped it. */
static uint64_t life(struct fixture *f, const char **ret_id)
{
	struct sidecar sc = {.kind = "untitled"};

	f->m.padding = 10;
	open_loaded(f, "uuid");
	for (int i = 0; i < 4; i++) {
		put(f);
		put(f);
		if (host_run_until(f->h, settled, f, LIMIT) < 0)
			fail();
		if (i == 1)
			journal_compact(f->j, NULL, NULL);
		if (i == 2)
			journal_set_sidecar(f->j, &sc, NULL, NULL);
	}
	journal_rename(f->j, "/x/n.ipynb", on_done, NULL);
	done_flag = false;
	assert_int_equal(host_run_until(f->h, is_done, NULL, LIMIT), 0);
	done_flag = false;
	put(f);
	if (host_run_until(f->h, settled, f, LIMIT) < 0)
		fail();
	*ret_id = f->synced == journal_appended(f->j) ? "/x/n.ipynb" : NULL;
	return f->synced;
}

/* Everything reported synced is found again, under either name. */
static void check_life(struct fixture *f, uint64_t synced, uint64_t nth)
{
	const char *ids[] = {"uuid", "/x/n.ipynb"};
	struct model all = {0};
	unsigned missing = 0;

	for (int i = 0; i < 2; i++) {
		struct journal_content c = load(f, ids[i]);

		assert_false(c.corrupt);
		for (unsigned k = 0; k < f->m.n; k++)
			all.has[k] |= f->m.has[k];
		journal_content_free(&c);
	}
	for (unsigned k = 0; k < synced; k++)
		missing += !all.has[k];
	if (missing > 0)
		print_error("operation %u: %u of %u synced entries are missing\n", (unsigned)nth, missing,
			    (unsigned)synced);
	assert_int_equal(missing, 0);
}

static void fault_loop(enum fault_action action, int error, bool from_then_on, bool both_places)
{
	bool hit = true;

	for (uint64_t nth = 1; hit && nth < 500; nth++) {
		struct fixture f = {0};
		struct fault_rule rule = {.ops = FAULT_CHANGE, .nth = nth, .from_then_on = from_then_on,
					  .action = action, .error = error};
		const char *id;
		uint64_t synced;

		init(&f);
		start(&f);
		rule.prefix = both_places ? f.root : f.dir;
		fault_reset_count(f.fault);
		fault_add(f.fault, &rule);
		synced = life(&f, &id);
		hit = fault_count(f.fault, FAULT_CHANGE) >= nth;
		/* A single failure never stops anything: there are two places. */
		if (!from_then_on)
			assert_int_equal(synced, 9);
		stop(&f);
		start(&f);
		check_life(&f, synced, nth);
		stop(&f);
		remove_root(&f);
	}
	assert_false(hit);
}

static void test_fault_loops(void **state)
{
	(void)state;
	fault_loop(FAULT_FAIL, ENOSPC, false, true);
	fault_loop(FAULT_TEAR, EIO, false, true);
	fault_loop(FAULT_TEAR, EIO, true, false);
	fault_loop(FAULT_FAIL, EROFS, true, true);
}

/* ---- sudden death ---- */

/* In the child, a program of its own (sanitizers mind threads after a fork):
 * appends for ever, and reports on standard output what is synced. */
static _Noreturn void kill_child(struct fixture *f, uint64_t crash_at)
{
	struct fault_rule crash = {.ops = FAULT_CHANGE, .nth = crash_at, .action = FAULT_CRASH};

	start(f);
	if (crash_at > 0)
		fault_add(f->fault, &crash);
	f->m.padding = 500;
	open_loaded(f, "n1");
	for (;;) {
		uint32_t n = f->m.n;

		if (n + 4 >= ENTRY_MAX)
			_exit(0);
		for (int i = 0; i < 3; i++)
			put(f);
		if (n % 30 == 0)
			journal_compact(f->j, NULL, NULL);
		if (host_run_until(f->h, all_synced, f, LIMIT) < 0)
			_exit(9);
		n = f->m.n;
		if (write(STDOUT_FILENO, &n, sizeof n) != sizeof n)
			_exit(8);
	}
}

static void kill_once(uint64_t crash_at, unsigned reports)
{
	struct fixture f = {0};
	uint32_t synced = 0, n;
	int fds[2], status;
	char at[24];
	pid_t pid;

	init(&f);
	assert_int_equal(pipe(fds), 0);
	snprintf(at, sizeof at, "%u", (unsigned)crash_at);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl("/proc/self/exe", "journal_test", "--kill", f.root, at, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	while (read(fds[0], &n, sizeof n) == sizeof n) {
		synced = n;
		if (reports > 0 && --reports == 0)
			kill(pid, SIGKILL);
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	start(&f);
	open_loaded(&f, "n1");
	assert_true(f.m.n >= synced);
	for (uint32_t i = 0; i < synced; i++)
		assert_true(f.m.has[i]);
	put(&f);
	sync_all(&f);
	stop(&f);
	remove_root(&f);
}

static void test_kill(void **state)
{
	(void)state;
	for (uint64_t at = 1; at <= 24; at++)
		kill_once(at, 0);
	kill_once(0, 25);
	kill_once(0, 60);
}

/* ---- housekeeping ---- */

static bool live_is_n2(void *ctx, const char *hash, const struct sidecar *sc)
{
	char want[SHA256_HEX_BYTES];

	(void)sc;
	++*(unsigned *)ctx;
	sha256_hex(want, "n2", 2);
	return strcmp(hash, want) == 0;
}

static void test_gc(void **state)
{
	struct fixture *f = *state;
	const char *ids[] = {"n1", "n2", "n3"};
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	char *temp = xasprintf("%s/.x.automerge.0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11.tmp", f->dir);
	unsigned asked = 0;

	for (int i = 0; i < 3; i++) {
		char *path = data_path(f, ids[i], false);

		f->synced = 0;
		f->m = (struct model){0};
		open_loaded(f, ids[i]);
		put(f);
		sync_all(f);
		journal_close(f->j);
		f->j = NULL;
		if (i < 2)
			assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
		free(path);
	}
	assert_int_equal(host_file_replace_own(f->h, temp, "x", 1, 0600), 0);
	assert_int_equal(utimensat(AT_FDCWD, temp, old, 0), 0);
	assert_int_equal(journal_gc(f->s, HOST_SEC(3600) * 24 * 30, live_is_n2, &asked), 1);
	assert_int_equal(asked, 2);
	assert_false(journal_exists(f->s, "n1"));
	assert_int_equal(snapshots(f, "n1"), 1);
	assert_true(journal_exists(f->s, "n2"));
	assert_true(journal_exists(f->s, "n3"));
	assert_false(host_path_exists(f->h, temp));
	/* An open journal is never moved, however old its file. */
	f->synced = 0;
	open_loaded(f, "n2");
	assert_int_equal(journal_gc(f->s, HOST_SEC(1), NULL, NULL), 0);
	assert_true(journal_exists(f->s, "n2"));
	journal_close(f->j);
	f->j = NULL;
	assert_int_equal(journal_retire(f->s, "n2"), 0);
	assert_int_equal(journal_retire(f->s, "n2"), 0);
	assert_int_equal(snapshots(f, "n2"), 1);
	free(temp);
}

static void test_snapshots_kept(void **state)
{
	struct fixture *f = *state;
	struct snapshot *list;
	char hash[SHA256_HEX_BYTES], text[8], *path;
	struct buf b = {0};
	size_t n;

	sha256_hex(hash, "n1", 2);
	for (int i = 0; i < 9; i++) {
		snprintf(text, sizeof text, "v%d", i);
		assert_int_equal(snapshot_put(f->h, f->dir, hash, "automerge", text, 2, NULL), 0);
	}
	assert_int_equal(snapshot_put(f->h, f->dir, hash, "ipynb", "{}", 2, &path), 0);
	assert_int_equal(snapshot_list(f->h, f->dir, hash, &list, &n), 0);
	assert_int_equal(n, SNAPSHOT_KEEP + 1);
	assert_string_equal(list[0].path, path);
	assert_string_equal(list[0].ext, "ipynb");
	assert_int_equal(host_file_read_all(f->h, list[1].path, 10, &b), 0);
	assert_string_equal(buf_cstr(&b), "v8");
	assert_int_equal(list[5].size, 2);
	snapshot_list_free(list, n);
	assert_int_equal(snapshot_copy(f->h, f->dir, hash, "ipynb", "/nowhere", NULL), -ENOENT);
	buf_free(&b);
	free(path);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_append_and_load), T(test_compaction), T(test_append_document), T(test_sidecar), T(test_rename),
		T(test_discard), T(test_open_over_the_past),
		T(test_torn_tail), T(test_corrupt_file), T(test_file_taken_away),
		cmocka_unit_test(test_deflated_chunks),
		T(test_disk_full_and_back), T(test_long_outage), T(test_both_fail), T(test_compaction_without_room),
		T(test_save_fails), T(test_past_cannot_be_moved), T(test_strangers_fallback),
		cmocka_unit_test(test_fault_loops), cmocka_unit_test(test_kill),
		T(test_gc), T(test_snapshots_kept),
	};

	if (argc == 4 && strcmp(argv[1], "--kill") == 0) {
		struct fixture f = {0};

		set_dirs(&f, argv[2]);
		kill_child(&f, strtoull(argv[3], NULL, 10));
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
