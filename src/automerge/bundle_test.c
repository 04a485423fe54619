/* Bundles: what goes in comes out as it was, in both forms; damaged ones are refused. */
#include "automerge/codec_test.h"

#include "automerge/chunk.h"

/* Three actors edit and merge; the first, which knows everything, is returned. */
static am_doc *history(uint64_t seed, int steps)
{
	am_doc *d[3];
	struct rng r = {seed * 104729 + 7};

	for (int i = 0; i < 3; i++)
		d[i] = new_doc(NULL, (uint8_t)(7 - i));
	for (int i = 0; i < steps; i++) {
		uint32_t a = rnd(&r, 3), b = rnd(&r, 3);

		if (a != b && rnd(&r, 3) == 0)
			assert_int_equal(am_merge(d[a], d[b]), AM_OK);
		else if (rnd(&r, 10) == 0)
			assert_int_equal(am_empty_change(d[a], "empty", 5, -3, NULL), AM_OK);
		else
			random_change(d[a], &r);
	}
	for (int i = 1; i < 3; i++) {
		assert_int_equal(am_merge(d[0], d[i]), AM_OK);
		am_free(d[i]);
	}
	return d[0];
}

static am_hash hash_at(am_doc *d, size_t i)
{
	am_change_info info;

	assert_int_equal(am_change_at(d, i, &info), AM_OK);
	return info.hash;
}

/* The bundle's changes are those of rows in `in`, byte for byte. */
static void assert_holds(am_doc *d, const am_buf *bundle, const bool *in)
{
	am_buf all = {0}, one = {0};
	size_t at = 0;

	assert_int_equal(am_bundle_changes(bundle->p, bundle->n, NULL, &all), AM_OK);
	for (size_t i = 0; i < am_change_count(d); i++) {
		if (!in[i])
			continue;
		assert_int_equal(am_change_bytes(d, i, &one), AM_OK);
		assert_true(all.n - at >= one.n);
		assert_memory_equal(all.p + at, one.p, one.n);
		at += one.n;
	}
	assert_int_equal(at, all.n);
	am_buf_free(&all);
	am_buf_free(&one);
}

static void test_some_changes(void **state)
{
	static const int forms[] = {0, AM_SAVE_PLAIN, AM_SAVE_OLD_BUNDLE};

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		am_doc *d = history(seed, 40);
		struct rng r = {seed};
		am_buf b = {0};
		am_hash hashes[256];
		bool in[256] = {false};
		size_t n = am_change_count(d), k;

		assert_true(n <= 256);
		for (int round = 0; round < 6; round++) {
			k = 0;
			for (size_t i = 0; i < n; i++) {
				in[i] = rnd(&r, 4) < (uint32_t)round; /* none of them to all of them */
				if (in[i])
					hashes[k++] = hash_at(d, i);
			}
			for (size_t i = k; i > 1; i--) { /* the order of the hashes is of no account */
				size_t j = rnd(&r, (uint32_t)i);
				am_hash h = hashes[j];

				hashes[j] = hashes[i - 1];
				hashes[i - 1] = h;
			}
			assert_int_equal(am_save_bundle(d, hashes, k, forms[round % 3], &b), AM_OK);
			assert_int_equal(b.n == 0, k == 0);
			if (k)
				assert_holds(d, &b, in);
		}
		memset(&hashes[0], 0, sizeof hashes[0]);
		assert_int_equal(am_save_bundle(d, hashes, 1, 0, &b), AM_E_NOT_FOUND);
		am_buf_free(&b);
		am_free(d);
	}
}

/* A history in bundles, in any order, makes the document. */
static void test_load(void **state)
{
	(void)state;
	for (uint64_t seed = 50; seed < 70; seed++) {
		am_doc *d = history(seed, 40), *e, *f;
		am_buf b = {0}, c = {0}, whole = {0};
		am_hash half = hash_at(d, am_change_count(d) / 2);
		am_load_report rep;
		uint8_t *file;

		assert_int_equal(am_save_bundle_after(d, NULL, 0, seed & 1 ? AM_SAVE_OLD_BUNDLE : 0, &whole), AM_OK);
		assert_int_equal(am_load(whole.p, whole.n, NULL, 0, &e), AM_OK);
		assert_same_doc(d, e);
		am_free(e);
		assert_int_equal(am_fork_at(d, &half, 1, &f), AM_OK);
		assert_int_equal(am_save(f, 0, &b), AM_OK);
		assert_int_equal(am_save_bundle_after(d, &half, 1, 0, &c), AM_OK);
		/* The later part waits for the earlier one. */
		e = new_doc(NULL, 9);
		if (c.n) {
			assert_int_equal(am_load_incremental(e, c.p, c.n, &rep), AM_OK);
			assert_int_equal(rep.applied + rep.queued, am_change_count(d) - am_change_count(f));
		}
		assert_int_equal(am_apply(e, b.p, b.n, NULL), AM_OK);
		assert_same_doc(d, e);
		am_free(e);
		/* A bundle behind a document. */
		file = malloc(b.n + c.n);
		memcpy(file, b.p, b.n);
		if (c.n)
			memcpy(file + b.n, c.p, c.n);
		assert_int_equal(am_load(file, b.n + c.n, NULL, AM_LOAD_STRICT, &e), AM_OK);
		assert_same_doc(d, e);
		am_free(e);
		free(file);
		/* Known changes again. */
		assert_int_equal(am_apply(f, whole.p, whole.n, NULL), AM_OK);
		assert_int_equal(am_apply(f, whole.p, whole.n, &rep), AM_OK);
		assert_int_equal(rep.applied, 0);
		assert_same_doc(d, f);
		am_free(f);
		am_buf_free(&b);
		am_buf_free(&c);
		am_buf_free(&whole);
		am_free(d);
	}
}

/* The chunk with its body altered at one byte and the checksum that asks for. */
static void reseal(const struct am_chunk *ch, size_t at, uint8_t value, struct am_out *o)
{
	am_hash unused;
	size_t start;

	o->n = 0;
	assert_non_null(am_out_need(o, AM_CHUNK_HEAD_MAX));
	o->n = AM_CHUNK_HEAD_MAX;
	am_out_put(o, ch->body, ch->n);
	o->p[AM_CHUNK_HEAD_MAX + at] = value;
	start = am_chunk_seal(o, AM_CHUNK_BUNDLE, &unused);
	memmove(o->p, o->p + start, o->n - start);
	o->n -= start;
}

/* Every byte of a small bundle changed: refused, or a document that saves and
 * loads. After a refusal the document is as it was. */
static void every_byte(int flags)
{
	am_doc *d = new_doc(NULL, 1), *e, *f;
	am_value v = {.type = AM_INT, .i = 1};
	am_allocator a = am_mem_allocator(NULL);
	am_opts small = {.max_ops = 5000};
	struct am_out o = {.a = &a};
	am_buf b = {0}, s = {0}, base = {0};
	am_objid t;
	struct am_in in;
	struct am_chunk ch;
	am_hash first;
	size_t n_ok = 0, n_bad = 0;

	am_map_put(d, AM_ROOT, "a", 1, &v);
	am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t);
	am_commit(d, NULL, 0, 0, &first);
	assert_int_equal(am_save(d, 0, &base), AM_OK);
	am_text_splice(d, t, 0, 0, "abc", 3);
	am_commit(d, "m", 1, 5, NULL);
	am_text_splice(d, t, 1, 1, "", 0);
	am_map_put(d, AM_ROOT, "a", 1, &v);
	am_commit(d, NULL, 0, 0, NULL);
	assert_int_equal(am_save_bundle_after(d, &first, 1, flags, &b), AM_OK);
	in = am_in_of(b.p, b.n);
	assert_int_equal(am_chunk_next(&in, &ch), AM_OK);
	for (size_t at = 0; at < ch.n; at++)
		for (int x = 0; x < 256; x += at % 5 ? 7 : 1) {
			reseal(&ch, at, (uint8_t)x, &o);
			assert_int_equal(am_load(base.p, base.n, &small, 0, &e), AM_OK);
			if (am_apply(e, o.p, o.n, NULL) == AM_OK) {
				n_ok++;
			} else {
				n_bad++;
				assert_int_equal(am_change_count(e), 1);
				assert_int_equal(am_apply(e, b.p, b.n, NULL), AM_OK);
				assert_same_doc(d, e);
			}
			assert_int_equal(am_save(e, 0, &s), AM_OK);
			assert_int_equal(am_load(s.p, s.n, NULL, AM_LOAD_STRICT, &f), AM_OK);
			assert_same_doc(e, f);
			am_free(e);
			am_free(f);
		}
	assert_true(n_ok > 10 && n_bad > 1000);
	am_out_free(&o);
	am_buf_free(&b);
	am_buf_free(&s);
	am_buf_free(&base);
	am_free(d);
}

static void test_every_byte(void **state)
{
	(void)state;
	every_byte(0);
	every_byte(AM_SAVE_OLD_BUNDLE);
}

/* Cut anywhere it is no bundle. */
static void test_cut(void **state)
{
	am_doc *d = history(99, 20), *e = new_doc(NULL, 9);
	am_buf b = {0}, out = {0};

	(void)state;
	assert_int_equal(am_save_bundle_after(d, NULL, 0, 0, &b), AM_OK);
	for (size_t n = 0; n < b.n; n++) {
		assert_true(am_bundle_changes(b.p, n, NULL, &out) < 0);
		if (n)
			assert_true(am_load_incremental(e, b.p, n, NULL) < 0);
	}
	assert_int_equal(am_change_count(e), 0);
	am_buf_free(&b);
	am_buf_free(&out);
	am_free(d);
	am_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_some_changes), cmocka_unit_test(test_load), cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
