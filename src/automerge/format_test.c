/* Worked examples of the format, byte for byte, and the fixtures. */
#include "automerge/codec_test.h"

#include "automerge/bloom.h"
#include "automerge/column.h"

static am_allocator plain;

/* ---- primitives ---- */

static void check_sleb(int64_t v, const char *hex)
{
	uint8_t b[AM_LEB_MAX];
	size_t n = am_sleb_write(b, v);
	struct am_in in = am_in_of(b, n);
	int64_t back;

	assert_hex(b, n, hex);
	assert_int_equal(am_in_sleb(&in, &back), AM_OK);
	assert_true(back == v && in.p == in.end);
}

static void test_leb(void **state)
{
	static const char *const overlong[] = {"8000", "ff00", "807f", "c07f", "ff8000"};
	uint8_t b[16];
	struct am_in in;
	uint64_t u;
	int64_t i;
	size_t n;

	(void)state;
	check_sleb(-1, "7f");
	check_sleb(-64, "40");
	check_sleb(-65, "bf7f");
	check_sleb(63, "3f");
	check_sleb(64, "c000");
	check_sleb(INT64_MIN, "8080808080808080807f");
	check_sleb(INT64_MAX, "ffffffffffffffffff00");
	n = unhex(overlong[0], b);
	in = am_in_of(b, n);
	assert_int_equal(am_in_uleb(&in, &u), AM_E_FORMAT);
	assert_int_equal(am_in_uleb_any(&in, &u), AM_OK);
	n = unhex("ff7f", b);
	in = am_in_of(b, n);
	assert_int_equal(am_in_sleb(&in, &i), AM_E_FORMAT);
	n = unhex("8000", b);
	in = am_in_of(b, n);
	assert_int_equal(am_in_sleb(&in, &i), AM_E_FORMAT);
	n = unhex("ffffffffffffffffff02", b);
	in = am_in_of(b, n);
	assert_int_equal(am_in_uleb_any(&in, &u), AM_E_FORMAT);
	n = unhex("ffffffffffffffffff01", b);
	in = am_in_of(b, n);
	assert_int_equal(am_in_uleb(&in, &u), AM_OK);
	assert_true(u == UINT64_MAX);
	n = unhex("ff", b);
	in = am_in_of(b, n);
	assert_int_equal(am_in_uleb(&in, &u), AM_E_EOF);
}

static void test_columns(void **state)
{
	static const uint64_t deltas[] = {3, 4, 5, 6, 9, 7, 8};
	struct am_rle_enc e;
	struct am_delta_enc d = {0};
	struct am_bool_enc b = {0};

	(void)state;
	am_rle_enc_init(&e, &plain, AM_RLE_UINT);
	am_rle_put(&e, 0, 3);
	am_rle_null(&e, 2);
	am_rle_put(&e, 1, 1);
	am_rle_put(&e, 2, 1);
	am_rle_put(&e, 3, 1);
	am_rle_finish(&e);
	assert_hex(e.out.p, e.out.n, "0300 0002 7d010203");
	am_rle_enc_fini(&e);
	am_rle_enc_init(&e, &plain, AM_RLE_STR);
	am_rle_str(&e, (const uint8_t *)"a", 1, 1);
	am_rle_str(&e, (const uint8_t *)"", 0, 1);
	am_rle_null(&e, 1);
	am_rle_str(&e, (const uint8_t *)"boo", 3, 1);
	am_rle_str(&e, (const uint8_t *)"boo", 3, 1);
	am_rle_finish(&e);
	assert_hex(e.out.p, e.out.n, "7e 0161 00 0001 02 03626f6f");
	am_rle_enc_fini(&e);
	am_rle_enc_init(&d.r, &plain, AM_RLE_INT);
	for (size_t i = 0; i < 7; i++)
		am_delta_put(&d, deltas[i]);
	am_rle_finish(&d.r);
	assert_hex(d.r.out.p, d.r.out.n, "7f03 0301 7d037e01");
	am_rle_enc_fini(&d.r);
	b.out.a = &plain;
	am_bool_put(&b, true, 2);
	am_bool_put(&b, false, 3);
	am_bool_finish(&b);
	assert_hex(b.out.p, b.out.n, "000203");
	am_out_free(&b.out);
}

static void test_bloom(void **state)
{
	struct am_out o = {.a = &plain};
	struct am_bloom f;
	am_hash h = {{0}};
	size_t at = am_bloom_begin(&o, 1);

	(void)state;
	/* x = 0 always: probes 0, y, 2y + z ... of 16 bits. */
	h.b[4] = 3;
	h.b[8] = 1;
	am_bloom_add(&o, at, &h);
	assert_int_equal(am_bloom_bytes(1), o.n);
	assert_int_equal(am_bloom_parse(o.p, o.n, &f), AM_OK);
	assert_int_equal(f.n_bits, 16);
	assert_true(am_bloom_has(&f, &h));
	/* 0, 3, 7, 12, 2 (18), 9, 1 (17) */
	assert_hex(o.p, o.n, "01 0a 07 8f 12");
	assert_int_equal(am_bloom_parse(o.p, o.n - 1, &f), AM_E_FORMAT);
	assert_int_equal(am_bloom_parse(o.p, 0, &f), AM_OK);
	assert_false(am_bloom_has(&f, &h));
	am_out_free(&o);
}

/* ---- changes and documents ---- */

static am_doc *make(const char *actor)
{
	uint8_t b[64];
	am_doc *d;
	size_t n = unhex(actor, b);

	assert_int_equal(am_new(NULL, &d), AM_OK);
	assert_int_equal(am_set_actor(d, b, n), AM_OK);
	return d;
}

static void assert_save(am_doc *d, const char *hex)
{
	am_buf b = {0};

	assert_int_equal(am_save(d, 0, &b), AM_OK);
	assert_hex(b.p, b.n, hex);
	am_buf_free(&b);
}

static void assert_change(am_doc *d, size_t i, const char *hex)
{
	am_buf b = {0};

	assert_int_equal(am_change_bytes(d, i, &b), AM_OK);
	assert_hex(b.p, b.n, hex);
	am_buf_free(&b);
}

static void test_map_change(void **state)
{
	am_doc *d = make("aabbccdd");
	am_value one = {.type = AM_INT, .i = 1};
	am_hash h;

	(void)state;
	assert_save(d, "856f4a83 b81a9544 00 04 00000000");
	assert_int_equal(am_map_put(d, AM_ROOT, "a", 1, &one), AM_OK);
	assert_int_equal(am_commit(d, NULL, 0, 0, &h), AM_OK);
	assert_hex(&h, 32, "069f0f5284b8a309b1ca839afc5ce8f6e7ace51212a1d3efc35848dbc010244d");
	assert_change(d, 0, "856f4a83 069f0f52 01 23 00 04aabbccdd 01 01 00 00 00 06 1503 3401 4202 5602 5701 7002"
			    "7f0161 01 7f01 7f14 01 7f00");
	assert_save(d, "856f4a83 40eaf666 00 62 01 04aabbccdd"
		       "01 069f0f5284b8a309b1ca839afc5ce8f6e7ace51212a1d3efc35848dbc010244d"
		       "06 0102 0302 1302 2302 4002 5602 08 1503 2102 2302 3401 4202 5602 5701 8001 02"
		       "7f00 7f01 7f01 7f00 7f00 7f07 7f0161 7f00 7f01 01 7f01 7f14 01 7f00 00");
	am_free(d);
}

/* The columns of a change as "spec bytes" in hex, read back from the chunk. */
static void assert_columns(am_doc *d, size_t i, const char *want)
{
	am_buf b = {0};
	char got[1024] = "", *at = got;
	struct am_in in;
	uint64_t u, spec[20], len[20];
	int64_t t;
	const am_hash *h;
	const uint8_t *p;
	size_t n, k;
	uint8_t wa[512], ga[512];

	assert_int_equal(am_change_bytes(d, i, &b), AM_OK);
	in = am_in_of(b.p + 9, b.n - 9);
	am_in_uleb(&in, &u);
	am_in_hashes(&in, &h, &n);
	am_in_block(&in, &p, &n);
	am_in_uleb(&in, &u);
	am_in_uleb(&in, &u);
	am_in_sleb(&in, &t);
	am_in_block(&in, &p, &n);
	for (am_in_uleb(&in, &u); u; u--)
		am_in_block(&in, &p, &n);
	am_in_uleb(&in, &u);
	for (k = 0; k < u; k++) {
		am_in_uleb(&in, &spec[k]);
		am_in_uleb(&in, &len[k]);
	}
	for (k = 0; k < u; k++) {
		at += sprintf(at, "%02x ", (unsigned)spec[k]);
		for (; len[k]; len[k]--)
			at += sprintf(at, "%02x", *in.p++);
		at += sprintf(at, " ");
	}
	assert_int_equal(unhex(got, ga), unhex(want, wa));
	assert_memory_equal(ga, wa, unhex(want, wa));
	am_buf_free(&b);
}

static void test_text_change(void **state)
{
	am_doc *d = make("aa"), *e;
	am_value yes = {.type = AM_BOOL, .b = true};
	am_objid t;
	am_hash h;
	am_buf b = {0};

	(void)state;
	assert_int_equal(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t), AM_OK);
	assert_int_equal(am_text_splice(d, t, 0, 0, "abc", 3), AM_OK);
	assert_int_equal(am_commit(d, NULL, 0, 0, &h), AM_OK);
	assert_hex(&h, 4, "2f4de17c");
	assert_columns(d, 0, "01 00010300 02 00010301 11 00020200 13 00017d000201 15 7f01740003 34 0103 42 7f040301"
			     "56 7f000316 57 616263 70 0400");
	assert_int_equal(am_text_splice(d, t, 1, 1, "", 0), AM_OK);
	assert_int_equal(am_commit(d, "del", 3, 0, NULL), AM_OK);
	assert_columns(d, 1, "01 7f00 02 7f01 11 7f00 13 7f03 34 01 42 7f03 56 7f00 70 7f01 71 7f00 73 7f03");
	assert_int_equal(am_mark(d, t, 0, 1, AM_EXPAND_AFTER, "bold", 4, &yes), AM_OK);
	assert_int_equal(am_commit(d, NULL, 0, 0, NULL), AM_OK);
	assert_columns(d, 2, "01 0200 02 0201 11 00017f00 13 7e0002 34 0002 42 0207 56 7e0200 70 0200 94 0101"
			     "a5 7f04626f6c640001");
	/* Rebuilt from the operations the bytes are the same. */
	assert_int_equal(am_save(d, 0, &b), AM_OK);
	assert_int_equal(am_load(b.p, b.n, NULL, AM_LOAD_STRICT, &e), AM_OK);
	assert_columns(e, 2, "01 0200 02 0201 11 00017f00 13 7e0002 34 0002 42 0207 56 7e0200 70 0200 94 0101"
			     "a5 7f04626f6c640001");
	assert_same_doc(d, e);
	am_free(e);
	/* A foreign actor at HEAD. */
	assert_int_equal(am_fork(d, &e), AM_OK);
	am_set_actor(e, "\xbb", 1);
	assert_int_equal(am_text_splice(e, t, 0, 0, "\xc3\xa9", 2), AM_OK);
	assert_int_equal(am_commit(e, NULL, 0, 0, NULL), AM_OK);
	assert_columns(e, 3, "01 7f01 02 7f01 13 7f00 34 0001 42 7f01 56 7f26 57 c3a9 70 7f00");
	am_buf_free(&b);
	am_free(d);
	am_free(e);
}

static void test_author_footer_vector(void **state)
{
	static const char hex[] = "856f4a83 e666eac0 01 34 00 10 30312b28377baf8221b13c678744f526 01 01 00 00 00"
				  "06 1503 3401 4202 5602 5701 7002 7f0161 01 7f01 7f14 01 7f00 01 03 0102ff";
	uint8_t b[256];
	size_t n = unhex(hex, b);
	am_change_view *v;
	const am_op_view *ops;
	am_doc *d = make("01");

	(void)state;
	assert_int_equal(am_change_decode(b, n, NULL, &v), AM_OK);
	assert_hex(&am_change_view_info(v)->hash, 32,
		   "e666eac0d096a6844f7185574b713d35a8610f86881f0a5ca6915939934d7a1f");
	assert_hex(am_change_view_info(v)->extra, am_change_view_info(v)->extra_n, "01030102ff");
	assert_int_equal(am_change_view_ops(v, &ops), 1);
	assert_int_equal(ops[0].value.type, AM_INT);
	assert_int_equal(ops[0].value.i, 1);
	assert_int_equal(ops[0].key_n, 1);
	am_change_view_free(v);
	assert_int_equal(am_apply(d, b, n, NULL), AM_OK);
	assert_change(d, 0, hex);
	am_free(d);
}

static void assert_author(am_doc *d, const am_objid *id, const char *hex)
{
	size_t n = 0;
	const uint8_t *p = am_actor_author(d, id->actor, &n);

	if (hex)
		assert_hex(p, n, hex);
	else
		assert_null(p);
}

/* Written into the first change of an actor and into no other. */
static void test_author_written(void **state)
{
	static const char hex[] = "856f4a83 e666eac0 01 34 00 10 30312b28377baf8221b13c678744f526 01 01 00 00 00"
				  "06 1503 3401 4202 5602 5701 7002 7f0161 01 7f01 7f14 01 7f00 01 03 0102ff";
	am_doc *d = make("30312b28377baf8221b13c678744f526"), *e, *f;
	am_value v = {.type = AM_INT, .i = 1}, got;
	am_change_info info;
	am_hash first;
	am_buf b = {0};
	size_t n;

	(void)state;
	assert_null(am_author(d, &n));
	assert_int_equal(am_set_author(d, "\x01\x02\xff", 3), AM_OK);
	assert_hex(am_author(d, &n), 3, "0102ff");
	assert_int_equal(am_map_put(d, AM_ROOT, "a", 1, &v), AM_OK);
	assert_int_equal(am_commit(d, NULL, 0, 0, &first), AM_OK);
	assert_change(d, 0, hex);
	assert_int_equal(am_map_get(d, NULL, AM_ROOT, "a", 1, &got), AM_OK);
	assert_author(d, &got.id, "0102ff");
	v.i = 2;
	assert_int_equal(am_map_put(d, AM_ROOT, "a", 1, &v), AM_OK);
	assert_int_equal(am_change_at(d, 1, &info), AM_OK);
	assert_int_equal(info.extra_n, 0);
	assert_null(info.author);
	/* An actor keeps its author. */
	assert_int_equal(am_set_author(d, "\x01\x02\xff", 3), AM_OK);
	assert_int_equal(am_set_author(d, "other", 5), AM_E_TX);
	assert_int_equal(am_set_author(d, NULL, 0), AM_E_TX);
	/* So does a copy, whose actor is new; so does an isolated transaction's actor. */
	assert_int_equal(am_fork(d, &e), AM_OK);
	assert_int_equal(am_set_actor(e, "new", 3), AM_OK);
	assert_int_equal(am_map_put(e, AM_ROOT, "b", 1, &v), AM_OK);
	assert_int_equal(am_change_count(e), 3);
	assert_int_equal(am_change_at(e, 2, &info), AM_OK);
	assert_hex(info.author, info.author_n, "0102ff");
	assert_int_equal(am_begin_at(d, &first, 1), AM_OK);
	assert_int_equal(am_map_put(d, AM_ROOT, "c", 1, &v), AM_OK);
	assert_int_equal(am_change_count(d), 3);
	assert_int_equal(am_change_at(d, 2, &info), AM_OK);
	assert_hex(info.author, info.author_n, "0102ff");
	/* The file carries the actors' authors, not the document's own. */
	assert_int_equal(am_merge(d, e), AM_OK);
	assert_int_equal(am_save(d, 0, &b), AM_OK);
	assert_int_equal(am_load(b.p, b.n, NULL, AM_LOAD_STRICT, &f), AM_OK);
	assert_null(am_author(f, &n));
	for (uint32_t i = 0; am_actor_bytes(f, i, &n); i++)
		assert_author(f, &(am_objid){1, i}, "0102ff");
	/* No bytes are an author, no author is none. */
	assert_int_equal(am_set_author(f, "", 0), AM_OK);
	assert_non_null(am_author(f, &n));
	assert_int_equal(n, 0);
	assert_int_equal(am_set_author(f, NULL, 0), AM_OK);
	assert_null(am_author(f, &n));
	assert_int_equal(am_set_author(f, b.p, 65537), AM_E_LIMIT);
	am_buf_free(&b);
	am_free(d);
	am_free(e);
	am_free(f);
}

static void test_chunk_errors(void **state)
{
	uint8_t b[64];
	size_t n = unhex("856f4a83 b81a9544 00 04 00000000", b);
	am_doc *d;

	(void)state;
	assert_int_equal(am_load(b, n, NULL, 0, &d), AM_OK);
	am_free(d);
	assert_int_equal(am_load(b, 0, NULL, 0, &d), AM_OK);
	am_free(d);
	assert_int_equal(am_load(b, n - 1, NULL, 0, &d), AM_E_EOF);
	assert_int_equal(am_load(b, 3, NULL, 0, &d), AM_E_EOF);
	b[4] ^= 1;
	assert_int_equal(am_load(b, n, NULL, 0, &d), AM_E_CHECKSUM);
	b[0] ^= 1;
	assert_int_equal(am_load(b, n, NULL, 0, &d), AM_E_MAGIC);
	n = unhex("856f4a83 b81a9544 05 04 00000000", b);
	assert_int_equal(am_load(b, n, NULL, 0, &d), AM_E_FORMAT);
	n = unhex("856f4a83 b81a9544 00 8400 00000000", b);
	assert_int_equal(am_load(b, n, NULL, 0, &d), AM_E_FORMAT);
}

/* ---- fixtures ---- */

static void assert_round_trip(am_doc *d, int flags)
{
	am_buf b = {0}, c = {0};
	am_doc *e;

	assert_int_equal(am_save(d, 0, &b), AM_OK);
	assert_int_equal(am_load(b.p, b.n, NULL, flags, &e), AM_OK);
	assert_same_doc(d, e);
	assert_int_equal(am_save(e, 0, &c), AM_OK);
	assert_int_equal(b.n, c.n);
	assert_memory_equal(b.p, c.p, b.n);
	am_free(e);
	am_buf_free(&b);
	am_buf_free(&c);
}

static void test_good_fixtures(void **state)
{
	static const struct { const char *name; size_t changes; const char *json; } good[] = {
		{"two_change_chunks.automerge", 2, "{\"a\":{\"a\":\"b\"}}"},
		{"two_change_chunks_compressed.automerge", 2, "{\"a\":{\"a\":\"b\"}}"},
		{"two_change_chunks_out_of_order.automerge", 2, "{\"a\":{\"a\":\"b\"}}"},
		{"counter_value_is_ok.automerge", 1, NULL},
		{"exemplar", 1, NULL},
		{"brave-ape-49.automerge", 184, NULL},
		{"monday-meeting-notes.automerge", 15529, NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		size_t n;
		uint8_t *p = read_fixture(good[i].name, &n);
		am_doc *d;
		char *json;

		assert_int_equal(am_load(p, n, NULL, 0, &d), AM_OK);
		assert_int_equal(am_change_count(d), good[i].changes);
		if (good[i].json) {
			json = json_of(d);
			assert_string_equal(json, good[i].json);
			free(json);
		}
		assert_round_trip(d, AM_LOAD_STRICT);
		am_free(d);
		free(p);
	}
}

static void test_bad_fixtures(void **state)
{
	static const struct { const char *name; int err; } bad[] = {
		{"64bit_obj_id_change.automerge", AM_E_LIMIT}, {"64bit_obj_id_doc.automerge", AM_E_LIMIT},
		{"counter_value_is_overlong.automerge", AM_E_FORMAT},
		{"counter_value_has_incorrect_meta.automerge", AM_E_FORMAT},
		{"action-is-48.automerge", AM_E_FORMAT},
		{"crash-da39a3ee5e6b4b0d3255bfef95601890afd80709", AM_E_EOF}, {"incorrect_max_op.automerge", 1},
		{"invalid_deflate_stream.automerge", AM_E_CHECKSUM}, {"missing_actor.automerge", 1},
		{"overflow_in_length.automerge", 1}, {"too_many_deps.automerge", 1}, {"too_many_ops.automerge", 1}};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		size_t n;
		uint8_t *p = read_fixture(bad[i].name, &n);
		am_doc *d;
		int rc = am_load(p, n, NULL, 0, &d);

		assert_true(rc < 0);
		if (bad[i].err < 0)
			assert_int_equal(rc, bad[i].err);
		free(p);
	}
}

/* A mark end before its begin: old releases wrote it, the strict mode refuses it. */
static void test_mark_order_fixture(void **state)
{
	size_t n;
	uint8_t *p = read_fixture("broken_zero_width_mark.automerge", &n);
	am_doc *d;

	(void)state;
	assert_int_equal(am_load(p, n, NULL, AM_LOAD_STRICT, &d), AM_E_FORMAT);
	assert_int_equal(am_load(p, n, NULL, 0, &d), AM_OK);
	assert_round_trip(d, 0);
	am_free(d);
	free(p);
}

/* Every change of a large file, taken out as bytes and applied one by one. */
static void test_replay_fixture(void **state)
{
	size_t n;
	uint8_t *p = read_fixture("brave-ape-49.automerge", &n);
	am_doc *d, *e = make("00");
	am_buf b = {0};

	(void)state;
	assert_int_equal(am_load(p, n, NULL, 0, &d), AM_OK);
	for (size_t i = 0; i < am_change_count(d); i++) {
		assert_int_equal(am_change_bytes(d, i, &b), AM_OK);
		assert_int_equal(am_apply(e, b.p, b.n, NULL), AM_OK);
	}
	assert_same_doc(d, e);
	am_buf_free(&b);
	am_free(d);
	am_free(e);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leb), cmocka_unit_test(test_columns), cmocka_unit_test(test_bloom),
		cmocka_unit_test(test_map_change), cmocka_unit_test(test_text_change),
		cmocka_unit_test(test_author_footer_vector), cmocka_unit_test(test_author_written), cmocka_unit_test(test_chunk_errors),
		cmocka_unit_test(test_good_fixtures), cmocka_unit_test(test_bad_fixtures),
		cmocka_unit_test(test_mark_order_fixture), cmocka_unit_test(test_replay_fixture),
	};

	plain = am_mem_allocator(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
