/* Columns: decoding gives back what was encoded, the encoder's output is
 * canonical by an independent check, runs and single values encode alike. */
#include "automerge/codec_test.h"

#include "automerge/column.h"

enum { MOST = 400 };
static am_allocator plain;

struct item { bool null; int64_t v; };

/* Values with many repetitions, nulls and steps of one. */
static size_t random_items(struct rng *r, struct item *to, bool is_signed)
{
	size_t n = rnd(r, MOST), i = 0;
	int64_t v = 0;

	while (i < n) {
		size_t run = rnd(r, 3) ? 1 : 1 + rnd(r, 20);
		bool null = rnd(r, 4) == 0;
		int64_t step = rnd(r, 3) == 0;

		v = rnd(r, 8) ? rnd(r, 4) : (int64_t)rnd(r, 1000000) * (is_signed && rnd(r, 2) ? -1 : 1);
		for (; run && i < n; run--, i++, v += step)
			to[i] = (struct item){null, null ? 0 : v};
	}
	return n;
}

/* The rules of crate 0.11 written down once more, from the bytes alone. */
static bool rle_is_canonical(const uint8_t *p, size_t n, bool is_signed)
{
	struct am_in in = am_in_of(p, n);
	enum { START, RUN, LITERAL, NUL } before = START;
	int64_t last = 0, count, v;
	uint64_t k, u;
	bool all_null = n != 0;

	while (in.p < in.end) {
		if (am_in_sleb(&in, &count))
			return false;
		if (count == 0) {
			if (am_in_uleb(&in, &k) || k == 0 || before == NUL)
				return false;
			before = NUL;
			continue;
		}
		all_null = false;
		if (count == 1 || (count < 0 && before == LITERAL))
			return false;
		for (int64_t i = 0; i < (count > 0 ? 1 : -count); i++) {
			if (is_signed ? am_in_sleb(&in, &v) : am_in_uleb(&in, &u))
				return false;
			v = is_signed ? v : (int64_t)u;
			if ((i || before == RUN || before == LITERAL) && v == last)
				return false;
			last = v;
		}
		before = count > 0 ? RUN : LITERAL;
	}
	return !all_null;
}

static void check_rle(const struct item *x, size_t n, bool is_signed, struct rng *r)
{
	struct am_rle_enc e, e2;
	struct am_rle_dec d;
	uint64_t k;
	bool null = false, any = false;
	size_t i, run;

	am_rle_enc_init(&e, &plain, is_signed ? AM_RLE_INT : AM_RLE_UINT);
	am_rle_enc_init(&e2, &plain, is_signed ? AM_RLE_INT : AM_RLE_UINT);
	for (i = 0; i < n; i++) {
		any |= !x[i].null;
		if (x[i].null)
			am_rle_null(&e, 1);
		else
			am_rle_put(&e, (uint64_t)x[i].v, 1);
	}
	for (i = 0; i < n; i += run) { /* the same in arbitrary runs */
		for (run = 1; i + run < n && x[i + run].null == x[i].null && x[i + run].v == x[i].v && rnd(r, 5);)
			run++;
		if (x[i].null)
			am_rle_null(&e2, run);
		else
			am_rle_put(&e2, (uint64_t)x[i].v, run);
	}
	am_rle_finish(&e);
	am_rle_finish(&e2);
	assert_int_equal(e.out.n, e2.out.n);
	if (e.out.n)
		assert_memory_equal(e.out.p, e2.out.p, e.out.n);
	assert_int_equal(e.out.n != 0, any);
	assert_true(rle_is_canonical(e.out.p, e.out.n, is_signed));
	am_rle_dec_init(&d, e.out.p, e.out.n, is_signed ? AM_RLE_INT : AM_RLE_UINT, true);
	for (i = 0; i < n;) {
		assert_int_equal(am_rle_peek(&d, &null, &k), AM_OK);
		k = k < n - i ? k : n - i;
		k = rnd(r, 2) ? 1 : k;
		am_rle_take(&d, k);
		for (; k; k--, i++) {
			assert_int_equal(null, x[i].null);
			assert_true(null || (int64_t)d.v == x[i].v);
		}
	}
	assert_true(am_rle_done(&d));
	if (any)
		assert_int_equal(am_rle_next(&d, &null), AM_E_FORMAT);
	am_rle_enc_fini(&e);
	am_rle_enc_fini(&e2);
}

static void check_delta(const struct item *x, size_t n)
{
	struct am_delta_enc e = {0};
	struct am_delta_dec d = {0};
	uint64_t v = 0;
	bool null = false;
	size_t run;

	am_rle_enc_init(&e.r, &plain, AM_RLE_INT);
	for (size_t i = 0; i < n; i += run) {
		for (run = 1; i + run < n && !x[i].null && !x[i + run].null && x[i + run].v == x[i].v + (int64_t)run;)
			run++;
		if (x[i].null)
			am_rle_null(&e.r, 1);
		else
			am_delta_run(&e, (uint64_t)x[i].v, run);
	}
	am_rle_finish(&e.r);
	assert_true(rle_is_canonical(e.r.out.p, e.r.out.n, true));
	am_rle_dec_init(&d.r, e.r.out.p, e.r.out.n, AM_RLE_INT, true);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(am_delta_next(&d, &null, &v), AM_OK);
		assert_int_equal(null, x[i].null);
		assert_true(null || (int64_t)v == x[i].v);
	}
	assert_true(am_rle_done(&d.r));
	am_rle_enc_fini(&e.r);
}

static void check_bool(const struct item *x, size_t n)
{
	struct am_bool_enc e = {.out.a = &plain};
	struct am_bool_dec d;
	uint64_t k;
	bool v;

	for (size_t i = 0; i < n; i++)
		am_bool_put(&e, x[i].v & 1, 1);
	am_bool_finish(&e);
	am_bool_dec_init(&d, e.out.p, e.out.n, true);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(am_bool_peek(&d, &v, &k), AM_OK);
		assert_int_equal(v, x[i].v & 1);
		am_bool_take(&d, 1);
	}
	assert_true(am_bool_done(&d));
	am_out_free(&e.out);
}

static void test_random(void **state)
{
	struct item x[MOST];
	struct rng r = {12345};

	(void)state;
	for (int i = 0; i < 3000; i++) {
		size_t n = random_items(&r, x, i & 1);

		check_rle(x, n, i & 1, &r);
		check_delta(x, n);
		check_bool(x, n);
	}
}

static int drain(const char *hex, bool strict)
{
	uint8_t b[64];
	size_t n = unhex(hex, b);
	struct am_rle_dec d;
	bool null;
	int rc = AM_OK;

	am_rle_dec_init(&d, b, n, AM_RLE_UINT, strict);
	while (rc == AM_OK && !am_rle_done(&d))
		rc = am_rle_next(&d, &null);
	return rc;
}

/* Decodable, but nothing an encoder may write. */
static void test_not_canonical(void **state)
{
	static const char *const bad[] = {"0105", "7f057f06", "02050205", "7e0505", "00010001", "02057f05", "7f050205",
					  "02850005", "7f8500", "0000 7f05"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(drain(bad[i], true), AM_E_FORMAT);
		if (i != 7)
			assert_int_equal(drain(bad[i], false), AM_OK);
	}
	assert_int_equal(drain("0205 7f06 0207 0003 7e0102", true), AM_OK);
	assert_true(drain("0205 7f", false) < 0);
	assert_int_equal(drain("808080808080808080 7f 05", false), AM_E_FORMAT); /* INT64_MIN literals */
}

static void test_count_limits(void **state)
{
	uint8_t b[32];
	uint64_t n, sum;
	size_t k = unhex("ffffffffffffffff3f 01", b); /* a run of 2^62 - 1 */

	(void)state;
	assert_int_equal(am_rle_count(b, k, AM_RLE_UINT, 1000, &n, &sum), AM_E_LIMIT);
	k = unhex("02 ffffffff0f", b);
	assert_int_equal(am_rle_count(b, k, AM_RLE_UINT, 1000, &n, &sum), AM_E_LIMIT);
	k = unhex("03 02 0004 7f 05", b);
	assert_int_equal(am_rle_count(b, k, AM_RLE_UINT, 1000, &n, &sum), AM_OK);
	assert_int_equal(n, 8);
	assert_int_equal(sum, 11);
}

/* Whoever looks ahead may pass over an error: it must not turn into a value. */
static void test_errors_stay(void **state)
{
	static const char *const broken[] = {
		"03 ffffff7f 61",  /* a run of a string longer than the column */
		"7e 01 61 ff 62",  /* a literal of one, after a good one */
		"03 ff",           /* a length that does not end */
	};
	uint8_t b[32];
	bool null;
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		struct am_rle_dec d;

		am_rle_dec_init(&d, b, unhex(broken[i], b), AM_RLE_STR, false);
		while (am_rle_next(&d, &null) == AM_OK)
			;
		for (int again = 0; again < 3; again++)
			assert_int_not_equal(am_rle_peek(&d, &null, &n), AM_OK);
		assert_false(am_rle_done(&d));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random), cmocka_unit_test(test_not_canonical),
		cmocka_unit_test(test_count_limits),
		cmocka_unit_test(test_errors_stay)};

	plain = am_mem_allocator(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
