/* Every allocation of each call fails once: the error comes back, the document
 * is as it was, nothing is lost. */
#include "automerge/codec_test.h"

struct bench {
	struct counter_alloc mem;
	am_opts opts;
	am_doc *doc;
	am_buf in, extra, out; /* input of the call; made before, without failures */
	am_sync *state;
	am_doc *made;
};

typedef int (*call_fn)(struct bench *b);
typedef void (*setup_fn)(struct bench *b);

static void edits(am_doc *d, uint64_t seed, int n)
{
	struct rng r = {seed};

	while (n--)
		random_change(d, &r);
}

static void bench_open(struct bench *b, setup_fn setup)
{
	memset(b, 0, sizeof *b);
	b->opts = counted_opts(&b->mem);
	setup(b);
}

static void bench_close(struct bench *b)
{
	b->mem.fail_at = 0;
	am_free(b->doc);
	am_free(b->made);
	am_sync_free(b->state);
	am_buf_free(&b->in);
	am_buf_free(&b->extra);
	am_buf_free(&b->out);
	assert_int_equal(b->mem.live, 0);
}

/* Runs `call` with allocation 1, 2, 3 ... failing until it succeeds. */
static void fail_each(setup_fn setup, call_fn call)
{
	struct bench b;
	am_buf before = {0}, after = {0};
	int rc = AM_E_NOMEM;
	size_t k;

	for (k = 1; rc == AM_E_NOMEM; k++) {
		bench_open(&b, setup);
		if (b.doc)
			assert_int_equal(am_save(b.doc, AM_SAVE_PLAIN, &before), AM_OK);
		b.mem.calls = 0;
		b.mem.fail_at = k;
		rc = call(&b);
		b.mem.fail_at = 0;
		assert_true(rc == AM_OK || rc == AM_E_NOMEM);
		if (rc && b.doc) {
			assert_int_equal(am_save(b.doc, AM_SAVE_PLAIN, &after), AM_OK);
			assert_int_equal(before.n, after.n);
			assert_memory_equal(before.p, after.p, after.n);
		}
		if (rc) { /* and the call still works */
			rc = call(&b);
			assert_int_equal(rc, AM_OK);
			rc = AM_E_NOMEM;
		}
		am_buf_free(&before); /* their allocator is the bench's */
		am_buf_free(&after);
		before = after = (am_buf){0};
		bench_close(&b);
	}
	assert_true(k > 2);
}

/* ---- loading ---- */

static void setup_file(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1), *e;

	edits(d, 3, 10);
	assert_int_equal(am_fork(d, &e), AM_OK);
	am_set_actor(e, "\x02", 1);
	edits(e, 4, 3);
	edits(d, 5, 3);
	am_merge(d, e);
	assert_int_equal(am_save(d, 0, &b->in), AM_OK);
	am_free(d);
	am_free(e);
}

static int call_load(struct bench *b)
{
	am_free(b->made);
	b->made = NULL;
	return am_load(b->in.p, b->in.n, &b->opts, 0, &b->made);
}

static void setup_empty(struct bench *b)
{
	setup_file(b);
	b->doc = new_doc(&b->opts, 9);
}

static int call_apply(struct bench *b)
{
	return am_apply(b->doc, b->in.p, b->in.n, NULL);
}

/* A document with orphans and an own history gets a batch that releases them. */
static void setup_batch(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);
	am_buf one = {0};

	edits(d, 11, 6);
	b->doc = new_doc(&b->opts, 9);
	assert_int_equal(am_save_after(d, NULL, 0, &b->in), AM_OK);
	edits(d, 12, 3);
	for (size_t i = am_change_count(d) - 1; i >= 6; i--) {
		am_change_bytes(d, i, &one);
		assert_int_equal(am_load_incremental(b->doc, one.p, one.n, NULL), AM_OK);
	}
	edits(b->doc, 13, 3);
	am_buf_free(&one);
	am_free(d);
}

/* The whole document arrives where some of it is known. */
static void setup_document_into_other(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);

	edits(d, 21, 8);
	assert_int_equal(am_save(d, 0, &b->in), AM_OK);
	b->doc = new_doc(&b->opts, 9);
	edits(b->doc, 22, 3);
	am_free(d);
}

/* ---- saving and copying ---- */

static void setup_doc(struct bench *b)
{
	am_opts small = b->opts;

	setup_file(b);
	small.change_cache = 1; /* so that changes are rebuilt */
	assert_int_equal(am_load(b->in.p, b->in.n, &small, 0, &b->doc), AM_OK);
}

static int call_save(struct bench *b)
{
	return am_save(b->doc, 0, &b->out);
}

static int call_save_after(struct bench *b)
{
	return am_save_after(b->doc, NULL, 0, &b->out);
}

static int call_fork(struct bench *b)
{
	am_free(b->made);
	b->made = NULL;
	return am_fork(b->doc, &b->made);
}

static int call_fork_at(struct bench *b)
{
	am_change_info info;
	int rc = am_change_at(b->doc, 12, &info);

	am_free(b->made);
	b->made = NULL;
	return rc ? rc : am_fork_at(b->doc, &info.hash, 1, &b->made);
}

static void setup_trusted(struct bench *b)
{
	setup_file(b);
	assert_int_equal(am_load(b->in.p, b->in.n, &b->opts, AM_LOAD_UNVERIFIED, &b->doc), AM_OK);
}

static void setup_merge(struct bench *b)
{
	setup_doc(b);
	b->made = new_doc(&b->opts, 7);
	edits(b->made, 31, 4);
}

static int call_merge(struct bench *b)
{
	return am_merge(b->doc, b->made);
}

/* ---- sync ---- */

static void setup_sync(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);
	am_sync *s;

	edits(d, 41, 12);
	b->doc = new_doc(&b->opts, 9);
	edits(b->doc, 42, 4);
	am_sync_new(NULL, &s);
	assert_int_equal(am_sync_new(&b->opts.alloc, &b->state), AM_OK);
	for (int i = 0; i < 2; i++) { /* hello, hello, changes */
		assert_int_equal(am_sync_generate(d, s, &b->in), AM_OK);
		if (i == 1)
			break;
		assert_int_equal(am_sync_receive(b->doc, b->state, b->in.p, b->in.n, 0, NULL), AM_OK);
		assert_int_equal(am_sync_generate(b->doc, b->state, &b->extra), AM_OK);
		assert_int_equal(am_sync_receive(d, s, b->extra.p, b->extra.n, 0, NULL), AM_OK);
	}
	assert_true(b->in.n > 0);
	am_sync_free(s);
	am_free(d);
}

static int call_receive(struct bench *b)
{
	return am_sync_receive(b->doc, b->state, b->in.p, b->in.n, 0, NULL);
}

static void setup_generate(struct bench *b)
{
	setup_sync(b);
	assert_int_equal(am_sync_receive(b->doc, b->state, b->in.p, b->in.n, 0, NULL), AM_OK);
}

static int call_generate(struct bench *b)
{
	return am_sync_generate(b->doc, b->state, &b->out);
}

static int call_state(struct bench *b)
{
	int rc = am_sync_encode(b->state, &b->out);

	am_sync_free(b->state);
	b->state = NULL;
	if (rc) {
		assert_int_equal(am_sync_new(&b->opts.alloc, &b->state), AM_OK);
		return rc;
	}
	rc = am_sync_decode(b->out.p, b->out.n, &b->opts.alloc, &b->state);
	if (rc)
		assert_int_equal(am_sync_new(&b->opts.alloc, &b->state), AM_OK);
	return rc;
}

/* ---- tools ---- */

static void setup_change(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);

	edits(d, 51, 3);
	assert_int_equal(am_change_bytes(d, 2, &b->in), AM_OK);
	am_free(d);
}

static int call_decode(struct bench *b)
{
	am_change_view *v;
	int rc = am_change_decode(b->in.p, b->in.n, &b->opts.alloc, &v);

	if (rc == AM_OK)
		am_change_view_free(v);
	return rc;
}

static void test_load(void **state)
{
	(void)state;
	fail_each(setup_file, call_load);
	fail_each(setup_empty, call_apply);
	fail_each(setup_batch, call_apply);
	fail_each(setup_document_into_other, call_apply);
}

static void test_save(void **state)
{
	(void)state;
	fail_each(setup_doc, call_save);
	fail_each(setup_doc, call_save_after);
	fail_each(setup_doc, call_fork);
	fail_each(setup_doc, call_fork_at);
	fail_each(setup_merge, call_merge);
	fail_each(setup_trusted, call_save_after);
	fail_each(setup_trusted, call_fork_at);
}

static void test_sync(void **state)
{
	(void)state;
	fail_each(setup_sync, call_receive);
	fail_each(setup_generate, call_generate);
	fail_each(setup_sync, call_state);
}

static void test_tools(void **state)
{
	(void)state;
	fail_each(setup_change, call_decode);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_load), cmocka_unit_test(test_save),
					   cmocka_unit_test(test_sync), cmocka_unit_test(test_tools)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
