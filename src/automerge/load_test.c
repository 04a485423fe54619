/* Applying changes: any order gives the same document; nothing that would spoil
 * a later save gets in; a refused batch leaves no trace. */
#include "automerge/codec_test.h"

#include "automerge/change.h"

static void put_str(am_doc *d, am_objid o, const char *k, const char *s)
{
	am_value v = am_str(s, strlen(s));

	assert_int_equal(am_map_put(d, o, k, strlen(k), &v), AM_OK);
}

static void chunk_at(am_doc *d, size_t i, am_buf *b)
{
	assert_int_equal(am_change_bytes(d, i, b), AM_OK);
}

/* ---- order ---- */

static void shuffle(size_t *v, size_t n, struct rng *r)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = rnd(r, (uint32_t)i), t = v[i - 1];

		v[i - 1] = v[k];
		v[k] = t;
	}
}

/* Several actors edit and merge; returns the first, which knows everything. */
static am_doc *random_history(uint64_t seed, int steps)
{
	am_doc *d[3];
	struct rng r = {seed * 7919 + 3};

	for (int i = 0; i < 3; i++)
		d[i] = new_doc(NULL, (uint8_t)(3 - i));
	for (int i = 0; i < steps; i++) {
		int a = (int)rnd(&r, 3), b = (int)rnd(&r, 3);

		if (rnd(&r, 3) == 0 && a != b)
			assert_int_equal(am_merge(d[a], d[b]), AM_OK);
		else
			random_change(d[a], &r);
	}
	assert_int_equal(am_merge(d[0], d[1]), AM_OK);
	assert_int_equal(am_merge(d[0], d[2]), AM_OK);
	am_free(d[1]);
	am_free(d[2]);
	return d[0];
}

static void test_any_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 25; seed++) {
		am_doc *d = random_history(seed, 40);
		size_t n = am_change_count(d), order[256];
		struct rng r = {seed};
		am_buf b = {0};

		assert_true(n <= 256);
		for (size_t i = 0; i < n; i++)
			order[i] = i;
		for (int round = 0; round < 4; round++) {
			am_doc *e = new_doc(NULL, 9);

			shuffle(order, n, &r);
			for (size_t i = 0; i < n; i++) {
				chunk_at(d, order[i], &b);
				assert_int_equal(am_apply(e, b.p, b.n, NULL), AM_OK);
				if (rnd(&r, 8) == 0) /* twice is once */
					assert_int_equal(am_apply(e, b.p, b.n, NULL), AM_OK);
			}
			assert_same_doc(d, e);
			am_free(e);
		}
		am_buf_free(&b);
		am_free(d);
	}
}

static void test_save_load(void **state)
{
	(void)state;
	for (uint64_t seed = 100; seed < 140; seed++) {
		am_doc *d = random_history(seed, 40), *e, *f;
		am_buf b = {0}, c = {0};

		assert_int_equal(am_save(d, seed & 1 ? AM_SAVE_PLAIN : 0, &b), AM_OK);
		assert_int_equal(am_load(b.p, b.n, NULL, AM_LOAD_STRICT, &e), AM_OK);
		assert_same_doc(d, e);
		assert_int_equal(am_save(e, seed & 1 ? AM_SAVE_PLAIN : 0, &c), AM_OK);
		assert_int_equal(b.n, c.n);
		assert_memory_equal(b.p, c.p, b.n);
		assert_int_equal(am_fork(d, &f), AM_OK);
		assert_same_doc(d, f);
		am_free(f);
		/* Every change comes out of the loaded document as it went in. */
		for (size_t i = 0; i < am_change_count(d); i++) {
			chunk_at(d, i, &b);
			chunk_at(e, i, &c);
			assert_int_equal(b.n, c.n);
			assert_memory_equal(b.p, c.p, b.n);
		}
		am_buf_free(&b);
		am_buf_free(&c);
		am_free(d);
		am_free(e);
	}
}

/* On trust: the same document, hashes when they are asked for. */
static void test_unverified(void **state)
{
	(void)state;
	for (uint64_t seed = 400; seed < 420; seed++) {
		am_doc *d = random_history(seed, 30), *e, *f;
		struct rng r = {seed};
		am_buf b = {0}, c = {0};
		am_change_info info;

		assert_int_equal(am_save(d, 0, &b), AM_OK);
		assert_int_equal(am_load(b.p, b.n, NULL, AM_LOAD_UNVERIFIED, &e), AM_OK);
		assert_same_doc(d, e);
		assert_int_equal(am_save(e, 0, &c), AM_OK);
		assert_int_equal(b.n, c.n);
		assert_memory_equal(b.p, c.p, b.n);
		assert_int_equal(am_fork(e, &f), AM_OK);
		am_set_actor(e, "\x01", 1); /* has changes in the file, perhaps below the heads */
		am_set_actor(f, "\x77", 1);
		random_change(e, &r);
		random_change(f, &r);
		assert_int_equal(am_save_incremental(f, &c), AM_OK);
		assert_int_equal(am_merge(e, f), AM_OK);
		assert_int_equal(am_merge(d, e), AM_OK);
		assert_same_doc(d, e);
		am_free(e);
		am_free(f);
		/* A change that is no head is found too. */
		assert_int_equal(am_load(b.p, b.n, NULL, AM_LOAD_UNVERIFIED, &e), AM_OK);
		am_change_at(d, 0, &info);
		assert_true(am_has_change(e, &info.hash));
		am_free(e);
		am_buf_free(&b);
		am_buf_free(&c);
		am_free(d);
	}
}

static void test_save_incremental(void **state)
{
	am_doc *d = new_doc(NULL, 1), *e;
	struct rng r = {5};
	am_buf all = {0}, part = {0};
	uint8_t *file = malloc(1 << 20);
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		random_change(d, &r);
		if (i == 7) {
			assert_int_equal(am_save(d, 0, &all), AM_OK);
			n = all.n;
			memcpy(file, all.p, n);
			continue;
		}
		if (i < 7)
			continue;
		assert_int_equal(am_save_incremental(d, &part), AM_OK);
		if (part.n)
			memcpy(file + n, part.p, part.n);
		n += part.n;
	}
	assert_int_equal(am_save_incremental(d, &part), AM_OK);
	assert_int_equal(part.n, 0);
	assert_int_equal(am_load(file, n, NULL, 0, &e), AM_OK);
	assert_same_doc(d, e);
	am_free(e);
	/* Cut short: good chunks count, the rest is reported. */
	assert_int_equal(am_load(file, n - 1, NULL, 0, &e), AM_E_EOF);
	assert_int_equal(am_load(file, n - 1, NULL, AM_LOAD_PARTIAL, &e), AM_OK);
	assert_true(am_change_count(e) + 1 >= am_change_count(d) && am_change_count(e) < am_change_count(d));
	am_free(e);
	free(file);
	am_buf_free(&all);
	am_buf_free(&part);
	am_free(d);
}

static void test_fork_at(void **state)
{
	(void)state;
	for (uint64_t seed = 200; seed < 215; seed++) {
		am_doc *d = random_history(seed, 30), *e;
		size_t n = am_change_count(d);

		for (size_t i = 0; i < n; i += 3) {
			am_change_info info;
			const am_hash *h;
			size_t k;

			am_change_at(d, i, &info);
			assert_int_equal(am_fork_at(d, &info.hash, 1, &e), AM_OK);
			h = am_heads(e, &k);
			assert_int_equal(k, 1);
			assert_memory_equal(h, &info.hash, 32);
			assert_int_equal(am_merge(e, d), AM_OK);
			assert_same_doc(d, e);
			am_free(e);
		}
		am_free(d);
	}
}

/* ---- orphans ---- */

static void test_orphans(void **state)
{
	am_doc *d = new_doc(NULL, 1), *e = new_doc(NULL, 2), *f;
	am_buf b = {0};
	am_load_report rep;
	am_hash *missing;
	am_change_info info;
	size_t n;

	(void)state;
	for (int i = 0; i < 4; i++) {
		put_str(d, AM_ROOT, "k", i & 1 ? "x" : "y");
		am_commit(d, NULL, 0, 0, NULL);
	}
	for (size_t i = 3; i >= 1; i--) {
		chunk_at(d, i, &b);
		assert_int_equal(am_load_incremental(e, b.p, b.n, &rep), AM_OK);
		assert_int_equal(rep.applied, 0);
		assert_int_equal(rep.queued, 4 - i);
	}
	assert_int_equal(am_change_count(e), 0);
	assert_int_equal(am_missing_deps(e, NULL, 0, &missing, &n), AM_OK);
	assert_int_equal(n, 1);
	am_change_at(d, 0, &info);
	assert_memory_equal(missing, &info.hash, 32);
	am_hashes_free(e, missing);
	/* Orphans survive a save. */
	assert_int_equal(am_save(e, 0, &b), AM_OK);
	assert_int_equal(am_load(b.p, b.n, NULL, 0, &f), AM_OK);
	chunk_at(d, 0, &b);
	assert_int_equal(am_apply(f, b.p, b.n, &rep), AM_OK);
	assert_int_equal(rep.applied, 4);
	assert_int_equal(rep.queued, 0);
	assert_same_doc(d, f);
	am_free(f);
	/* Alone they are no document. */
	chunk_at(d, 2, &b);
	assert_int_equal(am_load(b.p, b.n, NULL, 0, &f), AM_E_MISSING_DEPS);
	assert_int_equal(am_load(b.p, b.n, NULL, AM_LOAD_PARTIAL, &f), AM_OK);
	am_free(f);
	am_buf_free(&b);
	am_free(d);
	am_free(e);
}

static void test_orphan_limit(void **state)
{
	am_opts opts = {.max_orphans = 3};
	am_doc *d = new_doc(NULL, 1), *e = new_doc(&opts, 2);
	am_buf b = {0};
	am_load_report rep;

	(void)state;
	for (int i = 0; i < 8; i++) {
		put_str(d, AM_ROOT, "k", i & 1 ? "x" : "y");
		am_commit(d, NULL, 0, 0, NULL);
	}
	for (size_t i = 1; i < 8; i++) {
		chunk_at(d, i, &b);
		assert_int_equal(am_load_incremental(e, b.p, b.n, &rep), AM_OK);
		assert_true(rep.queued <= 3);
	}
	am_buf_free(&b);
	am_free(d);
	am_free(e);
}

/* ---- refused changes ---- */

/* A base document {m: {}, l: ["x", "y"], c: 1} and one change on top, taken apart. */
struct lab {
	am_doc *base;
	struct am_scratch *scratch;
	struct am_actors actors;
	am_change c;
	am_objid map, list;
	am_allocator a;
};

static void lab_open(struct lab *l, const char *what)
{
	am_buf b = {0};
	am_doc *d;
	am_value v = am_str("x", 1), w = am_str("w", 1);
	struct am_limits lim = {1 << 20, 1 << 20};
	struct am_chunk ch;
	struct am_in in;

	memset(l, 0, sizeof *l);
	l->a = am_mem_allocator(NULL);
	l->base = new_doc(NULL, 1);
	am_map_put_object(l->base, AM_ROOT, "m", 1, AM_MAP, &l->map);
	am_map_put_object(l->base, AM_ROOT, "l", 1, AM_LIST, &l->list);
	am_list_insert(l->base, l->list, 0, &v);
	am_list_insert(l->base, l->list, 1, &v);
	put_str(l->base, AM_ROOT, "c", "1");
	am_commit(l->base, NULL, 0, 0, NULL);
	assert_int_equal(am_fork(l->base, &d), AM_OK);
	am_set_actor(d, "\x02", 1);
	if (!strcmp(what, "put"))
		put_str(d, AM_ROOT, "c", "2");
	else if (!strcmp(what, "list put"))
		am_list_put(d, l->list, 0, &w);
	else if (!strcmp(what, "insert"))
		am_list_insert(d, l->list, 1, &v);
	else if (!strcmp(what, "delete"))
		am_map_delete(d, AM_ROOT, "c", 1);
	am_commit(d, NULL, 0, 0, NULL);
	chunk_at(d, 1, &b);
	in = am_in_of(b.p, b.n);
	assert_int_equal(am_chunk_next(&in, &ch), AM_OK);
	assert_int_equal(am_scratch_new(&l->a, &l->scratch), AM_OK);
	assert_int_equal(am_change_parse(l->scratch, &ch, &lim, &l->c), AM_OK);
	assert_int_equal(am_change_resolve(&l->actors, &l->a, &l->c), AM_OK);
	am_buf_free(&b);
	am_free(d);
}

/* Local index in the lab of the base document's actor. */
static am_id base_id(const struct lab *l, uint32_t ctr)
{
	static const uint8_t one = 1;

	return (am_id){ctr, am_actors_find(&l->actors, &one, 1)};
}

static am_op *lab_op(struct lab *l) { return &l->c.ops[0]; }

/* Applies the (altered) change: refused with `want`, the base untouched, or fine. */
static void lab_close(struct lab *l, int want)
{
	struct am_bytes chunk;
	am_buf before = {0}, after = {0};
	am_doc *again;
	int rc;

	assert_int_equal(am_save(l->base, 0, &before), AM_OK);
	assert_int_equal(am_change_build(l->scratch, &l->actors, &l->c, &chunk), AM_OK);
	rc = am_apply(l->base, chunk.p, chunk.n, NULL);
	if (want == AM_OK)
		assert_int_equal(rc, AM_OK);
	else
		assert_true(rc < 0 && rc != AM_E_NOMEM);
	if (want < 0 && want != -100)
		assert_int_equal(rc, want);
	assert_int_equal(am_save(l->base, 0, &after), AM_OK);
	if (rc < 0) {
		assert_int_equal(before.n, after.n);
		assert_memory_equal(before.p, after.p, after.n);
	}
	assert_int_equal(am_load(after.p, after.n, NULL, AM_LOAD_STRICT, &again), AM_OK);
	assert_same_doc(l->base, again);
	am_free(again);
	am_buf_free(&before);
	am_buf_free(&after);
	am_change_fini(&l->c);
	am_actors_fini(&l->actors, &l->a);
	am_scratch_free(l->scratch);
	am_free(l->base);
}

#define ANY_ERROR (-100)

/* The greatest counter an operation may have is UINT32_MAX - 1: up to there everything
 * works, and what would go past it is refused as a whole. */
static void test_the_last_operation_numbers(void **state)
{
	struct lab l;
	struct am_bytes chunk;
	am_buf before = {0}, after = {0};
	am_doc *again;
	am_objid text;
	const am_hash *heads;
	size_t n;

	(void)state;
	lab_open(&l, "put");
	l.c.start_op = UINT32_MAX - 20;
	lab_op(&l)->id.ctr = l.c.start_op;
	assert_int_equal(am_change_build(l.scratch, &l.actors, &l.c, &chunk), AM_OK);
	assert_int_equal(am_apply(l.base, chunk.p, chunk.n, NULL), AM_OK);
	assert_int_equal(am_map_put_object(l.base, AM_ROOT, "t", 1, AM_TEXT, &text), AM_OK);
	assert_int_equal(am_text_splice(l.base, text, 0, 0, "0123456789", 10), AM_OK);
	assert_int_equal(am_commit(l.base, NULL, 0, 0, NULL), AM_OK);
	assert_int_equal(am_save(l.base, 0, &before), AM_OK);
	/* Eight are left. */
	assert_int_equal(am_text_splice(l.base, text, 5, 0, "123456789", 9), AM_E_LIMIT);
	assert_int_equal(am_text_splice(l.base, text, 0, 9, NULL, 0), AM_E_LIMIT);
	assert_int_equal(am_text_splice(l.base, text, 2, 5, "four", 4), AM_E_LIMIT);
	assert_false(am_in_transaction(l.base));
	assert_int_equal(am_save(l.base, 0, &after), AM_OK);
	assert_int_equal(before.n, after.n);
	assert_memory_equal(before.p, after.p, after.n);
	assert_int_equal(am_text_splice(l.base, text, 2, 3, "four", 4), AM_OK);
	assert_int_equal(am_map_delete(l.base, AM_ROOT, "c", 1), AM_OK);
	assert_int_equal(am_map_delete(l.base, AM_ROOT, "m", 1), AM_E_LIMIT);
	assert_int_equal(am_commit(l.base, NULL, 0, 0, NULL), AM_OK);
	assert_int_equal(am_begin(l.base), AM_E_LIMIT);
	assert_int_equal(am_empty_change(l.base, NULL, 0, 0, NULL), AM_E_LIMIT);
	assert_int_equal(am_text(l.base, NULL, text, &after), AM_OK);
	assert_int_equal(after.n, 11);
	assert_memory_equal(after.p, "01four56789", 11);
	for (int flags = 0; flags <= AM_LOAD_UNVERIFIED; flags += AM_LOAD_UNVERIFIED) {
		assert_int_equal(am_save(l.base, 0, &after), AM_OK);
		assert_int_equal(am_load(after.p, after.n, NULL, flags, &again), AM_OK);
		assert_same_doc(l.base, again);
		am_free(again);
	}
	heads = am_heads(l.base, &n);
	assert_int_equal(am_fork_at(l.base, heads, n, &again), AM_OK);
	assert_same_doc(l.base, again);
	am_free(again);
	am_buf_free(&before);
	am_buf_free(&after);
	am_change_fini(&l.c);
	am_actors_fini(&l.actors, &l.a);
	am_scratch_free(l.scratch);
	am_free(l.base);
}

static void assert_loads_again(am_doc *d, const am_opts *opts)
{
	am_buf file = {0};
	am_doc *again;

	for (int flags = 0; flags <= AM_LOAD_UNVERIFIED; flags += AM_LOAD_UNVERIFIED) {
		assert_int_equal(am_save(d, 0, &file), AM_OK);
		assert_int_equal(am_load(file.p, file.n, opts, flags, &again), AM_OK);
		assert_same_doc(d, again);
		am_free(again);
	}
	assert_int_equal(am_save_bundle_after(d, NULL, 0, 0, &file), AM_OK);
	assert_int_equal(am_load(file.p, file.n, opts, 0, &again), AM_OK);
	assert_same_doc(d, again);
	am_free(again);
	assert_int_equal(am_save_after(d, NULL, 0, &file), AM_OK);
	assert_int_equal(am_load(file.p, file.n, opts, 0, &again), AM_OK);
	assert_same_doc(d, again);
	am_free(again);
	am_buf_free(&file);
}

/* What a limit lets into a document it lets out of its file: the numbers of actors and
 * actions are no operations, and what would be too much is refused while it is edited. */
static void test_what_was_saved_loads_under_the_same_limits(void **state)
{
	am_opts opts = {.max_ops = 100};
	am_value v = {.type = AM_BOOL, .b = true};
	char page[200];
	am_objid text;
	am_doc *d;

	(void)state;
	memset(page, 'x', sizeof page);
	d = new_doc(&opts, 1);
	for (uint8_t i = 0; i < 30; i++) {
		am_set_actor(d, &i, 1);
		put_str(d, AM_ROOT, "k", i % 2 ? "odd" : "even");
		assert_int_equal(am_commit(d, NULL, 0, 0, NULL), AM_OK);
	}
	assert_loads_again(d, &opts);
	am_free(d);

	d = new_doc(&opts, 1);
	assert_int_equal(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &text), AM_OK);
	assert_int_equal(am_text_splice(d, text, 0, 0, page, 20), AM_OK);
	for (size_t i = 0; i < 15; i++)
		assert_int_equal(am_mark(d, text, i, i + 2, AM_EXPAND_NONE, "m", 1, &v), AM_OK);
	assert_loads_again(d, &opts);
	assert_int_equal(am_op_count(d), 51);
	assert_int_equal(am_text_splice(d, text, 0, 0, page, 50), AM_E_LIMIT);
	assert_int_equal(am_text_splice(d, text, 0, 0, page, 30), AM_OK);
	assert_int_equal(am_text_splice(d, text, 0, 20, NULL, 0), AM_E_LIMIT);
	assert_int_equal(am_text_splice(d, text, 0, 19, NULL, 0), AM_OK);
	assert_int_equal(am_op_count(d), 100);
	assert_int_equal(am_map_delete(d, AM_ROOT, "t", 1), AM_E_LIMIT);
	assert_loads_again(d, &opts);
	am_free(d);

	/* More than may be inflated is not deflated: the values, or what is left of the room. */
	for (size_t most = 1; most <= 1200; most += 109) {
		opts.max_inflate = most;
		d = new_doc(&opts, 1);
		for (int i = 0; i < 50; i++) {
			page[0] = (char)('0' + i);
			assert_int_equal(am_map_put_object(d, AM_ROOT, page, 100 + (size_t)i, AM_TEXT, &text), AM_OK);
			assert_int_equal(am_commit(d, page, 20, 0, NULL), AM_OK);
		}
		assert_loads_again(d, &opts);
		am_free(d);
	}
	opts.max_inflate = 0;

	d = new_doc(&opts, 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(am_empty_change(d, NULL, 0, 0, NULL), AM_OK);
	assert_int_equal(am_empty_change(d, NULL, 0, 0, NULL), AM_E_LIMIT);
	assert_loads_again(d, &opts);
	am_free(d);
}

static void test_refused_changes(void **state)
{
	struct lab l;
	am_id two[2];

	(void)state;
	lab_open(&l, "put");
	lab_close(&l, AM_OK);

	lab_open(&l, "put"); /* sequence gap */
	l.c.seq = 3;
	lab_close(&l, AM_E_SEQ_GAP);

	lab_open(&l, "put"); /* startOp not above the dependencies */
	l.c.start_op = 3;
	lab_close(&l, AM_E_POISON);

	lab_open(&l, "put"); /* a startOp gap is fine */
	l.c.start_op = 1000;
	lab_op(&l)->id.ctr = 1000;
	lab_close(&l, AM_OK);

	lab_open(&l, "put");
	l.c.start_op = UINT32_MAX;
	lab_close(&l, AM_E_LIMIT);

	lab_open(&l, "put"); /* object that is not there */
	lab_op(&l)->obj = base_id(&l, 77);
	lab_close(&l, ANY_ERROR);

	lab_open(&l, "put"); /* a scalar is no object */
	lab_op(&l)->obj = base_id(&l, 5);
	lab_close(&l, ANY_ERROR);

	lab_open(&l, "put"); /* string key in a list */
	lab_op(&l)->obj = base_id(&l, 2);
	lab_close(&l, ANY_ERROR);

	lab_open(&l, "put"); /* predecessor that is not there */
	two[0] = base_id(&l, 3);
	lab_op(&l)->refs = two;
	lab_close(&l, AM_E_BAD_REF);

	lab_open(&l, "put"); /* predecessor of another key */
	two[0] = base_id(&l, 1);
	lab_op(&l)->refs = two;
	lab_close(&l, AM_E_BAD_REF);

	lab_open(&l, "put"); /* twice the same predecessor */
	two[0] = two[1] = base_id(&l, 5);
	lab_op(&l)->refs = two;
	lab_op(&l)->n_refs = 2;
	lab_close(&l, AM_E_POISON);

	lab_open(&l, "put"); /* action without meaning */
	lab_op(&l)->action = 8;
	lab_close(&l, AM_E_FORMAT);

	lab_open(&l, "put"); /* increment by a string */
	lab_op(&l)->action = AM_ACT_INC;
	lab_close(&l, AM_E_FORMAT);

	lab_open(&l, "put"); /* null with bytes */
	lab_op(&l)->meta = 1 << 4 | AM_VAL_NULL;
	lab_close(&l, AM_E_FORMAT);

	lab_open(&l, "put"); /* overlong integer */
	lab_op(&l)->meta = 2 << 4 | AM_VAL_UINT;
	lab_op(&l)->val = (const uint8_t *)"\x81\x00";
	lab_close(&l, AM_E_FORMAT);

	lab_open(&l, "put"); /* invalid UTF-8 */
	lab_op(&l)->val = (const uint8_t *)"\xff";
	lab_close(&l, AM_E_FORMAT);

	lab_open(&l, "put"); /* unknown value types survive */
	lab_op(&l)->meta = 1 << 4 | 13;
	lab_close(&l, AM_OK);

	lab_open(&l, "put"); /* author footer, in the first change of its actor */
	l.c.extra = (const uint8_t *)"\x01\x01\x07";
	l.c.extra_n = 3;
	lab_close(&l, AM_OK);

	lab_open(&l, "put");
	l.c.extra = (const uint8_t *)"\x01\x01\x07";
	l.c.extra_n = 3;
	l.c.seq = 2;
	lab_close(&l, AM_E_POISON);

	lab_open(&l, "list put"); /* element that is not there */
	lab_op(&l)->elem = base_id(&l, 5);
	lab_close(&l, ANY_ERROR);

	lab_open(&l, "list put"); /* set at HEAD */
	lab_op(&l)->elem = (am_id){0, 0};
	lab_close(&l, AM_E_POISON);

	lab_open(&l, "list put"); /* element key in a map */
	lab_op(&l)->obj = base_id(&l, 1);
	lab_close(&l, ANY_ERROR);

	lab_open(&l, "insert");
	lab_op(&l)->elem = base_id(&l, 1);
	lab_close(&l, ANY_ERROR);

	lab_open(&l, "insert"); /* into a map */
	lab_op(&l)->obj = base_id(&l, 1);
	lab_close(&l, ANY_ERROR);

	lab_open(&l, "insert"); /* with a predecessor */
	two[0] = base_id(&l, 3);
	lab_op(&l)->refs = two;
	lab_op(&l)->n_refs = 1;
	lab_close(&l, AM_E_POISON);

	lab_open(&l, "delete"); /* of nothing */
	lab_op(&l)->n_refs = 0;
	lab_close(&l, AM_E_POISON);

	lab_open(&l, "delete"); /* with a value */
	lab_op(&l)->meta = AM_VAL_TRUE;
	lab_close(&l, AM_E_POISON);

	lab_open(&l, "delete"); /* with what only rows keep */
	lab_op(&l)->expand = true;
	lab_close(&l, AM_E_POISON);

	lab_open(&l, "delete");
	lab_op(&l)->mark = (const uint8_t *)"m";
	lab_op(&l)->mark_n = 1;
	lab_close(&l, AM_E_POISON);
}

/* Bytes altered, checksum right. */
static void reseal(const am_buf *b, size_t at, uint8_t value, struct am_out *o)
{
	am_hash h;
	size_t start;

	o->n = 0;
	am_out_need(o, AM_CHUNK_HEAD_MAX);
	o->n = AM_CHUNK_HEAD_MAX;
	am_out_put(o, b->p + 10, b->n - 10);
	if (at)
		o->p[AM_CHUNK_HEAD_MAX + at - 10] = value;
	start = am_chunk_seal(o, AM_CHUNK_CHANGE, &h);
	memmove(o->p, o->p + start, o->n - start);
	o->n -= start;
}

/* Every byte of a change changed to every value: refused, or a document that
 * saves and loads. */
static void test_every_byte(void **state)
{
	am_doc *d = new_doc(NULL, 1), *e, *f;
	am_value v = {.type = AM_INT, .i = 1};
	am_allocator a = am_mem_allocator(NULL);
	struct am_out o = {.a = &a};
	am_buf b = {0}, s = {0};
	am_objid t;

	(void)state;
	am_map_put(d, AM_ROOT, "a", 1, &v);
	am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t);
	am_text_splice(d, t, 0, 0, "abc", 3);
	am_text_splice(d, t, 1, 1, "", 0);
	am_commit(d, NULL, 0, 0, NULL);
	chunk_at(d, 0, &b);
	assert_true(b.n < 138); /* one byte of length */
	for (size_t at = 10; at < b.n; at++)
		for (int x = 0; x < 256; x += at % 3 ? 1 : 3) {
			reseal(&b, at, (uint8_t)x, &o);
			if (am_load(o.p, o.n, NULL, 0, &e) != AM_OK)
				continue;
			assert_int_equal(am_save(e, 0, &s), AM_OK);
			assert_int_equal(am_load(s.p, s.n, NULL, AM_LOAD_STRICT, &f), AM_OK);
			assert_same_doc(e, f);
			am_free(e);
			am_free(f);
		}
	am_out_free(&o);
	am_buf_free(&b);
	am_buf_free(&s);
	am_free(d);
}

static void test_duplicate_sequence(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b = new_doc(NULL, 1), *c = new_doc(NULL, 2);
	am_buf x = {0}, y = {0};
	uint8_t both[512];

	(void)state;
	put_str(a, AM_ROOT, "k", "a");
	put_str(b, AM_ROOT, "k", "b");
	am_commit(a, NULL, 0, 0, NULL);
	am_commit(b, NULL, 0, 0, NULL);
	chunk_at(a, 0, &x);
	chunk_at(b, 0, &y);
	memcpy(both, x.p, x.n);
	memcpy(both + x.n, y.p, y.n);
	assert_int_equal(am_apply(c, both, x.n + y.n, NULL), AM_E_DUP_SEQ);
	assert_int_equal(am_change_count(c), 0);
	assert_int_equal(am_apply(c, x.p, x.n, NULL), AM_OK);
	assert_int_equal(am_apply(c, y.p, y.n, NULL), AM_E_DUP_SEQ);
	assert_int_equal(am_merge(a, b), AM_E_DUP_SEQ);
	assert_int_equal(am_change_count(a), 1);
	am_buf_free(&x);
	am_buf_free(&y);
	am_free(a);
	am_free(b);
	am_free(c);
}

/* A batch whose last change is bad leaves nothing of the good ones. */
static void test_batch_is_atomic(void **state)
{
	(void)state;
	for (uint64_t seed = 300; seed < 320; seed++) {
		am_doc *d = random_history(seed, 20), *e = new_doc(NULL, 8), *bad = new_doc(NULL, 7);
		am_doc *bad2 = new_doc(NULL, 7);
		am_buf all = {0}, one = {0}, before = {0}, after = {0};
		uint8_t *both;
		struct rng r = {seed};

		/* e has half of d; then a batch of the rest and a clash comes in. */
		put_str(bad, AM_ROOT, "q", "1");
		am_commit(bad, NULL, 0, 0, NULL);
		put_str(bad2, AM_ROOT, "q", "2");
		am_commit(bad2, NULL, 0, 0, NULL);
		assert_int_equal(am_merge(d, bad), AM_OK);
		for (size_t i = 0; i < am_change_count(d) / 2; i++) {
			chunk_at(d, i, &one);
			assert_int_equal(am_apply(e, one.p, one.n, NULL), AM_OK);
		}
		random_change(e, &r);
		assert_int_equal(am_save_after(d, NULL, 0, &all), AM_OK);
		chunk_at(bad2, 0, &one);
		both = malloc(all.n + one.n);
		memcpy(both, all.p, all.n);
		memcpy(both + all.n, one.p, one.n);
		assert_int_equal(am_save(e, 0, &before), AM_OK);
		assert_int_equal(am_apply(e, both, all.n + one.n, NULL), AM_E_DUP_SEQ);
		assert_int_equal(am_save(e, 0, &after), AM_OK);
		assert_int_equal(before.n, after.n);
		assert_memory_equal(before.p, after.p, after.n);
		assert_int_equal(am_apply(e, all.p, all.n, NULL), AM_OK);
		assert_int_equal(am_merge(d, e), AM_OK);
		assert_same_doc(d, e);
		free(both);
		am_buf_free(&all);
		am_buf_free(&one);
		am_buf_free(&before);
		am_buf_free(&after);
		am_free(d);
		am_free(e);
		am_free(bad);
		am_free(bad2);
	}
}

/* The same, refused while being applied: a bad reference in the last change. */
static void test_batch_reverts_operations(void **state)
{
	struct lab l;
	struct am_bytes chunk;
	am_buf b = {0}, before = {0}, after = {0};
	am_doc *more;
	am_id wrong;
	uint8_t *both;
	struct rng r = {77};

	(void)state;
	lab_open(&l, "put");
	assert_int_equal(am_fork(l.base, &more), AM_OK);
	am_set_actor(more, "\x05", 1);
	for (int i = 0; i < 10; i++)
		random_change(more, &r);
	assert_int_equal(am_save_after(more, NULL, 0, &b), AM_OK);
	wrong = base_id(&l, 3);
	lab_op(&l)->refs = &wrong;
	assert_int_equal(am_change_build(l.scratch, &l.actors, &l.c, &chunk), AM_OK);
	both = malloc(b.n + chunk.n);
	memcpy(both, b.p, b.n);
	memcpy(both + b.n, chunk.p, chunk.n);
	assert_int_equal(am_save(l.base, 0, &before), AM_OK);
	assert_int_equal(am_apply(l.base, both, b.n + chunk.n, NULL), AM_E_BAD_REF);
	assert_int_equal(am_save(l.base, 0, &after), AM_OK);
	assert_int_equal(before.n, after.n);
	assert_memory_equal(before.p, after.p, after.n);
	assert_int_equal(am_apply(l.base, b.p, b.n, NULL), AM_OK);
	assert_same_doc(l.base, more);
	free(both);
	am_buf_free(&b);
	am_buf_free(&before);
	am_buf_free(&after);
	am_free(more);
	wrong = base_id(&l, 5);
	lab_close(&l, AM_OK);
}

static am_hash commit_one(am_doc *d, const char *value)
{
	am_hash hash;
	am_value v = am_str(value, strlen(value));

	assert_int_equal(am_map_put(d, AM_ROOT, "k", 1, &v), AM_OK);
	assert_int_equal(am_commit(d, NULL, 0, 0, &hash), AM_OK);
	return hash;
}

static am_hash commit_at(am_doc *d, const am_hash *at, const char *value)
{
	assert_int_equal(am_begin_at(d, at, 1), AM_OK);
	return commit_one(d, value);
}

/* An isolated actor's second change depends on the heads it was made at, not on
 * its first one as well, which they cover (9.6). And what a change depends on
 * stays readable while its bytes are fetched. */
static void test_isolated_dependencies(void **state)
{
	am_doc *d;
	am_hash first, merged, last;
	am_change_info info;
	am_buf bytes = {0};
	size_t i;

	(void)state;
	assert_int_equal(am_new(NULL, &d), AM_OK);
	assert_int_equal(am_set_actor(d, "a", 1), AM_OK);
	first = commit_one(d, "one");
	commit_one(d, "two");
	commit_at(d, &first, "beside");
	merged = commit_one(d, "both");
	commit_one(d, "after");
	last = commit_at(d, &merged, "beside again");
	assert_int_equal(am_change_find(d, &last, &i), AM_OK);
	assert_int_equal(am_change_at(d, i, &info), AM_OK);
	assert_int_equal(am_change_bytes(d, 0, &bytes), AM_OK);
	assert_int_equal(info.n_deps, 1);
	assert_memory_equal(info.deps[0].b, merged.b, sizeof merged.b);
	am_buf_free(&bytes);
	am_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_isolated_dependencies),
		cmocka_unit_test(test_any_order), cmocka_unit_test(test_save_load),
		cmocka_unit_test(test_unverified),
		cmocka_unit_test(test_save_incremental), cmocka_unit_test(test_fork_at), cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_orphan_limit), cmocka_unit_test(test_the_last_operation_numbers),
		cmocka_unit_test(test_what_was_saved_loads_under_the_same_limits),
		cmocka_unit_test(test_refused_changes),
		cmocka_unit_test(test_every_byte), cmocka_unit_test(test_duplicate_sequence),
		cmocka_unit_test(test_batch_is_atomic), cmocka_unit_test(test_batch_reverts_operations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
