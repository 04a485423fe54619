/* What tools rely on: changes and messages made by hand, lists and pieces of the history,
 * documents without their content. */
#include <dirent.h>

#include "automerge/chacha.h"
#include "automerge/scenario_test.h"

/* ---- random documents ---- */

/* Some actors who edit and merge; the first one's document, with everybody's changes. */
static am_doc *crowd(uint64_t seed, int rounds)
{
	struct rng r = {seed * 7919 + 1};
	am_doc *d[3] = {doc('b'), doc('a'), doc('c')};

	ok(am_set_author(d[1], "somebody", 8));
	for (int i = 0; i < rounds; i++) {
		random_change(d[rnd(&r, 3)], &r);
		if (rnd(&r, 4) == 0)
			ok(am_merge(d[rnd(&r, 3)], d[rnd(&r, 3)]));
	}
	ok(am_merge(d[0], d[1]));
	ok(am_merge(d[0], d[2]));
	return d[0];
}

static am_buf chunk_at(am_doc *d, size_t i)
{
	am_buf b = {0};

	ok(am_change_bytes(d, i, &b));
	return b;
}

/* ---- changes ---- */

static int encode_view(const am_change_view *v, am_hash *ret_hash, am_buf *out)
{
	am_actor_id others[64];
	const am_op_view *ops;
	size_t n = am_change_view_ops(v, &ops), n_others = 0;

	while (n_others < 64 &&
	       (others[n_others].p = am_change_view_actor(v, (uint32_t)n_others + 1, &others[n_others].n)))
		n_others++;
	assert_true(n_others < 64);
	return am_change_encode(am_change_view_info(v), others, n_others, ops, n, NULL, ret_hash, out);
}

static size_t encode_all(am_doc *d)
{
	am_buf chunk = {0}, again = {0};
	am_change_view *v;
	am_change_info info;
	am_hash hash;
	size_t n = am_change_count(d);

	for (size_t i = 0; i < n; i++) {
		ok(am_change_bytes(d, i, &chunk));
		ok(am_change_decode(chunk.p, chunk.n, NULL, &v));
		ok(encode_view(v, &hash, &again));
		assert_int_equal(again.n, chunk.n);
		assert_memory_equal(again.p, chunk.p, chunk.n);
		ok(am_change_at(d, i, &info));
		assert_memory_equal(&hash, &info.hash, sizeof hash);
		am_change_view_free(v);
	}
	am_buf_free(&chunk);
	am_buf_free(&again);
	return n;
}

static void test_every_change_is_encoded_as_it_was(void **state)
{
	DIR *dir = opendir(AUTOMERGE_DATA);
	struct dirent *e;
	size_t changes = 0, n;
	am_doc *d;

	(void)state;
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		uint8_t *p = read_fixture(e->d_name, &n);

		if (am_load(p, n, NULL, AM_LOAD_PARTIAL, &d) == AM_OK) {
			changes += encode_all(d);
			am_free(d);
		}
		free(p);
	}
	closedir(dir);
	assert_true(changes > 100);
	for (uint64_t seed = 0; seed < 10; seed++)
		encode_all(crowd(seed, 40));
}

static const am_actor_id two[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"c", 1}};
static const am_change_info plain_info = {.actor = (const uint8_t *)"b", .actor_n = 1, .seq = 2, .start_op = 10};

static int encode(const am_change_info *info, const am_op_view *ops, size_t n, am_buf *out)
{
	return am_change_encode(info, two, 2, ops, n, NULL, NULL, out);
}

static void test_a_change_made_by_hand(void **state)
{
	const am_objid pred[] = {{5, 1}, {5, 0}, {5, 2}, {9, 0}};
	const am_op_view ops[] = {
		{.key = "k", .key_n = 1, .action = 1, .value = {.type = AM_INT, .i = 7}, .pred = pred, .n_pred = 4},
		{.obj = {3, 2}, .elem = {4, 0}, .insert = true, .action = 4}};
	const am_op_view *got;
	am_change_view *v;
	am_buf out = {0};
	size_t n;

	(void)state;
	ok(encode(&plain_info, ops, 2, &out));
	assert_int_equal(am_change_decode(out.p, out.n, &(am_opts){.max_ops = 1}, &v), AM_E_LIMIT);
	assert_int_equal(am_change_decode(out.p, out.n, &(am_opts){.max_ops = 3}, &v), AM_E_LIMIT); /* four pred */
	ok(am_change_decode(out.p, out.n, &(am_opts){.max_ops = 4}, &v));
	assert_int_equal(am_change_view_ops(v, &got), 2);
	assert_int_equal(got[0].id.ctr, 10);
	assert_int_equal(got[0].n_pred, 4);
	assert_memory_equal(got[0].pred, pred, sizeof pred);
	assert_int_equal(got[1].value.type, AM_TEXT);
	assert_int_equal(got[1].obj.actor, 2);
	assert_memory_equal(am_change_view_actor(v, 2, &n), "c", 1);
	am_change_view_free(v);
	ok(am_change_encode(&plain_info, two, 2, NULL, 0, NULL, NULL, &out)); /* nobody is named */
	ok(am_change_decode(out.p, out.n, NULL, &v));
	assert_null(am_change_view_actor(v, 1, &n));
	am_change_view_free(v);
	am_buf_free(&out);
}

/* One operation that is good but for what `spoil` says. */
static void refused(int why, const am_op_view *op)
{
	am_buf out = {0};

	fails(encode(&plain_info, op, 1, &out), why);
	assert_null(out.p);
}

static void test_no_change_is_made_of_bad_operations(void **state)
{
	const am_objid down[] = {{5, 0}, {4, 0}}, twice[] = {{5, 0}, {5, 0}}, order[] = {{5, 2}, {5, 1}},
		       none[] = {{0, 0}}, own[] = {{10, 0}}, far[] = {{5, 3}};
	const am_op_view good = {.key = "k", .key_n = 1, .action = 1, .value = {.type = AM_NULL}};
	am_op_view op;
	am_buf out = {0};

	(void)state;
	ok(encode(&plain_info, &good, 1, &out));
	am_buf_free(&out);
#define WITH(why, ...) (op = good, __VA_ARGS__, refused(why, &op))
	WITH(AM_E_FORMAT, op.pred = down, op.n_pred = 2);
	WITH(AM_E_FORMAT, op.pred = twice, op.n_pred = 2);
	WITH(AM_E_FORMAT, op.pred = order, op.n_pred = 2);
	WITH(AM_E_FORMAT, op.pred = none, op.n_pred = 1);
	WITH(AM_E_FORMAT, op.pred = own, op.n_pred = 1);
	WITH(AM_E_BAD_REF, op.pred = far, op.n_pred = 1);
	WITH(AM_E_BAD_REF, op.obj = (am_objid){3, 3});
	WITH(AM_E_BAD_REF, op.key = NULL, op.elem = (am_objid){3, 9}, op.obj = (am_objid){2, 0});
	WITH(AM_E_FORMAT, op.obj = (am_objid){10, 0});
	WITH(AM_E_FORMAT, op.key = NULL); /* the head, and no insertion */
	WITH(AM_E_FORMAT, op.insert = true); /* under a key */
	WITH(AM_E_FORMAT, op.action = 8);
	WITH(AM_E_FORMAT, op.action = 3); /* deletes nothing */
	WITH(AM_E_FORMAT, op.key = "\xff");
	WITH(AM_E_FORMAT, op.mark = "\xff", op.mark_n = 1);
	WITH(AM_E_FORMAT, op.value = am_str("\xff", 1));
	WITH(AM_E_FORMAT, op.value.type = AM_UNKNOWN, op.value.unknown_code = 3);
	WITH(AM_E_TYPE, op.value.type = AM_MAP);
	WITH(AM_E_TYPE, op.action = 5, op.value.type = AM_COUNTER);
	WITH(AM_E_TYPE, op.action = 0, op.value.type = AM_LIST);
	WITH(AM_E_TYPE, op.value.type = (am_type)99);
#undef WITH
}

static void test_no_change_is_made_of_a_bad_header(void **state)
{
	const am_actor_id again[] = {two[0], two[0]}, author[] = {{(const uint8_t *)"b", 1}};
	const am_op_view op = {.key = "k", .key_n = 1, .action = 1};
	am_change_info info;
	am_buf out = {0};

	(void)state;
#define WITH(why, what) (info = plain_info, info.what, fails(encode(&info, &op, 1, &out), why))
	WITH(AM_E_FORMAT, seq = 0);
	WITH(AM_E_FORMAT, start_op = 0);
	WITH(AM_E_LIMIT, start_op = UINT32_MAX);
	WITH(AM_E_LIMIT, seq = UINT64_MAX);
	info = plain_info;
	info.message = "\xff";
	info.message_n = 1;
	fails(encode(&info, &op, 1, &out), AM_E_FORMAT);
#undef WITH
	fails(am_change_encode(&plain_info, again, 2, &op, 1, NULL, NULL, &out), AM_E_FORMAT);
	fails(am_change_encode(&plain_info, author, 1, &op, 1, NULL, NULL, &out), AM_E_FORMAT);
	assert_null(out.p);
}

/* ---- messages ---- */

static void again_the_same(const am_buf *raw)
{
	am_message m;
	am_buf out = {0};

	ok(am_message_decode(raw->p, raw->n, NULL, &m));
	ok(am_message_encode(&m, NULL, &out));
	assert_int_equal(out.n, raw->n);
	assert_memory_equal(out.p, raw->p, raw->n);
	am_buf_free(&out);
	am_message_free(&m, NULL);
}

/* All that two documents say until they are one; returns the number of messages. */
static int talk(am_doc *a, am_doc *b, bool read_only)
{
	am_doc *d[2] = {a, b};
	am_sync *s[2];
	am_buf raw = {0};
	int said = 0;
	bool more = true;

	ok(am_sync_new(NULL, &s[0]));
	ok(am_sync_new(NULL, &s[1]));
	am_sync_set_read_only(s[0], read_only);
	for (int round = 0; more && round < 20; round++) {
		more = false;
		for (int i = 0; i < 2; i++) {
			ok(am_sync_generate(d[i], s[i], &raw));
			if (!raw.n)
				continue;
			again_the_same(&raw);
			ok(am_sync_receive(d[!i], s[!i], raw.p, raw.n, 0, NULL));
			more = true;
			said++;
		}
	}
	assert_true(am_sync_has_our_changes(d[0], s[0]));
	am_sync_free(s[0]);
	am_sync_free(s[1]);
	am_buf_free(&raw);
	return said;
}

static void test_every_message_is_encoded_as_it_was(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 6; seed++) {
		am_doc *a = crowd(seed, 30), *b = fork_as(a, 'z');
		struct rng r = {seed + 5};

		for (int i = 0; i < 5; i++) {
			random_change(a, &r);
			if (seed < 4) /* the others only read */
				random_change(b, &r);
		}
		assert_true(talk(a, b, seed >= 4) > 2);
	}
}

static void test_a_message_shows_what_the_sender_has(void **state)
{
	am_doc *d = crowd(3, 20);
	am_sync *s;
	am_buf raw = {0};
	am_message m;
	am_change_info info;
	bool has;

	(void)state;
	ok(am_sync_new(NULL, &s));
	assert_false(am_sync_has_our_changes(d, s));
	ok(am_sync_generate(d, s, &raw));
	ok(am_message_decode(raw.p, raw.n, NULL, &m));
	assert_int_equal(m.n_have, 1);
	assert_int_equal(m.have[0].n_last_sync, 0);
	for (size_t i = 0; i < am_change_count(d); i++) {
		ok(am_change_at(d, i, &info));
		ok(am_bloom_has_hash(m.have[0].bloom, m.have[0].bloom_n, &info.hash, &has));
		assert_true(has);
	}
	am_message_free(&m, NULL);
	am_sync_free(s);
	am_buf_free(&raw);
}

static void test_no_message_is_made_of_bad_parts(void **state)
{
	const am_message_have broken = {.bloom = (const uint8_t *)"\x01\x0a\x07", .bloom_n = 3};
	const size_t sizes[] = {2, 1};
	const am_message good = {.version = 1, .changes = (const uint8_t *)"abc", .changes_n = 3,
				 .change_sizes = sizes, .n_changes = 2};
	am_message m;
	am_buf out = {0};

	(void)state;
#define WITH(...) (m = good, __VA_ARGS__, fails(am_message_encode(&m, NULL, &out), AM_E_FORMAT))
	WITH(m.version = 3);
	WITH(m.changes_n = 2);
	WITH(m.changes_n = 4);
	WITH(m.have = &broken, m.n_have = 1);
	WITH(m.flags = 1);
	WITH(m.has_bits = true);
	WITH(m.has_flags = true, m.flags = 128);
#undef WITH
	assert_null(out.p);
	ok(am_message_encode(&good, NULL, &out));
	assert_hex(out.p, out.n, "42 00 00 00 02 02 6162 01 63");
	m = good;
	m.has_flags = true;
	m.flags = 2;
	ok(am_message_encode(&m, NULL, &out));
	assert_hex(out.p, out.n, "42 00 00 00 02 02 6162 01 63 02 02 82");
	am_buf_free(&out);
}

static void test_filters_by_hand(void **state)
{
	am_hash h[100], other = {{0}};
	am_buf out = {0};
	bool has = true;
	int wrong = 0;

	(void)state;
	ok(am_bloom_make(NULL, 0, NULL, &out));
	assert_int_equal(out.n, 0);
	ok(am_bloom_has_hash(out.p, out.n, &other, &has));
	assert_false(has);
	for (int i = 0; i < 100; i++)
		for (int k = 0; k < 32; k++)
			h[i].b[k] = (uint8_t)((i + 3) * (k + 7) * 31 >> 2);
	ok(am_bloom_make(h, 50, NULL, &out));
	for (int i = 0; i < 100; i++) {
		ok(am_bloom_has_hash(out.p, out.n, &h[i], &has));
		assert_true(has || i >= 50);
		wrong += has && i >= 50;
	}
	assert_true(wrong < 10);
	fails(am_bloom_has_hash(out.p, out.n - 1, &h[0], &has), AM_E_FORMAT);
	fails(am_bloom_has_hash("\xff", 1, &h[0], &has), AM_E_FORMAT);
	/* A filter that says it makes no probe makes the first one. */
	ok(am_bloom_has_hash("\x01\x08\x00\x01", 4, &other, &has));
	assert_true(has);
	other.b[0] = 1;
	ok(am_bloom_has_hash("\x01\x08\x00\x01", 4, &other, &has));
	assert_false(has);
	am_buf_free(&out);
}

/* ---- lists of changes ---- */

static void assert_list(am_doc *d, am_hash *list, size_t n, const am_hash *want, size_t want_n)
{
	assert_int_equal(n, want_n);
	for (size_t i = 0; i < n; i++)
		assert_memory_equal(&list[i], &want[i], sizeof *list);
	am_hashes_free(d, list);
}

static void test_changes_since_and_added(void **state)
{
	am_doc *a = doc('a'), *b;
	const am_hash nowhere = {{9}};
	am_hash h[4], *list;
	size_t n, i;

	(void)state;
	ok(am_changes_since(a, NULL, 0, &list, &n));
	assert_list(a, list, n, NULL, 0);
	for (i = 0; i < 2; i++) {
		put(a, AM_ROOT, "x", num((int64_t)i));
		h[i] = commit(a);
	}
	b = fork_as(a, 'b');
	put(b, AM_ROOT, "y", num(2));
	h[2] = commit(b);
	put(b, AM_ROOT, "y", num(3)); /* open: counts as committed */
	ok(am_changes_added(a, b, &list, &n));
	h[3] = heads(b).h[0];
	assert_list(a, list, n, h + 2, 2);
	ok(am_changes_added(b, a, &list, &n));
	assert_list(b, list, n, NULL, 0);
	ok(am_changes_added(b, b, &list, &n));
	assert_list(b, list, n, NULL, 0);
	ok(am_changes_since(b, &h[1], 1, &list, &n));
	assert_list(b, list, n, h + 2, 2);
	ok(am_changes_since(b, &nowhere, 1, &list, &n));
	assert_list(b, list, n, h, 4);
	ok(am_changes_since(a, &h[3], 1, &list, &n)); /* not known to it */
	assert_list(a, list, n, h, 2);
}

static void test_the_last_change_of_ones_own(void **state)
{
	am_doc *a = doc('a'), *b, *none;
	size_t i = 99;

	(void)state;
	ok(am_new(NULL, &none));
	keep(none);
	fails(am_last_local_change(none, &i), AM_E_NOT_FOUND);
	fails(am_last_local_change(a, &i), AM_E_NOT_FOUND);
	put(a, AM_ROOT, "x", num(1));
	ok(am_last_local_change(a, &i)); /* commits it */
	assert_int_equal(i, 0);
	b = fork_as(a, 'b');
	fails(am_last_local_change(b, &i), AM_E_NOT_FOUND);
	put(b, AM_ROOT, "x", num(2));
	commit(b);
	ok(am_merge(a, b));
	ok(am_last_local_change(a, &i));
	assert_int_equal(i, 0);
	ok(am_last_local_change(b, &i));
	assert_int_equal(i, 1);
}

static void test_what_a_transaction_is_based_on(void **state)
{
	am_doc *d = doc('a');
	const am_hash *base;
	am_hash h[2];
	size_t n = 9;

	(void)state;
	assert_non_null(am_base_heads(d, &n));
	assert_int_equal(n, 0);
	for (int i = 0; i < 2; i++) {
		put(d, AM_ROOT, "x", num(i));
		h[i] = commit(d);
	}
	put(d, AM_ROOT, "x", num(7));
	base = am_base_heads(d, &n);
	assert_int_equal(n, 1);
	assert_memory_equal(base, &h[1], sizeof *h);
	assert_true(am_in_transaction(d));
	ok(am_rollback(d));
	ok(am_begin_at(d, &h[0], 1));
	put(d, AM_ROOT, "x", num(8));
	base = am_base_heads(d, &n);
	assert_int_equal(n, 1);
	assert_memory_equal(base, &h[0], sizeof *h);
	ok(am_rollback(d));
	ok(am_begin_at(d, NULL, 0));
	(void)am_base_heads(d, &n);
	assert_int_equal(n, 0);
	ok(am_rollback(d));
}

/* ---- fragments ---- */

struct pieces {
	am_doc *d;
	size_t n, level, members, boundary, checkpoints;
	uint8_t *seen; /* by change */
	size_t stop;
};

static int one_piece(void *ctx, const am_fragment_info *f)
{
	struct pieces *p = ctx;
	am_buf out = {0};
	size_t i;

	p->n++;
	p->level = f->level;
	p->members += f->n_members;
	p->boundary += f->n_boundary;
	p->checkpoints += f->n_checkpoints;
	assert_memory_equal(&f->members[0], &f->head, sizeof f->head);
	for (size_t k = 0; k < f->level; k++)
		assert_int_equal(f->head.b[k], 0);
	for (size_t k = 0; k < f->n_boundary; k++)
		assert_true(am_covers(p->d, &f->head, 1, &f->boundary[k], 1));
	for (size_t k = 0; k < f->n_members; k++) {
		ok(am_change_find(p->d, &f->members[k], &i));
		if (p->seen)
			p->seen[i] = 1;
		for (size_t j = 0; j < f->n_boundary && f->level && k % 50 == 0; j++)
			assert_false(am_covers(p->d, &f->boundary[j], 1, &f->members[k], 1));
	}
	ok(am_save_bundle(p->d, f->members, f->n_members, 0, &out));
	assert_true(out.n > 0);
	am_buf_free(&out);
	return p->stop && p->n == p->stop ? 77 : 0;
}

/* Three actors who put numbers under a key and meet now and then. */
static am_doc *long_history(int rounds)
{
	am_doc *d[3] = {doc('a'), doc('b'), doc('c')};
	struct rng r = {1234567};

	for (int i = 0; i < rounds; i++) {
		uint32_t who = rnd(&r, 3);

		put(d[who], AM_ROOT, "x", num(i));
		commit(d[who]);
		if (rnd(&r, 5) == 0)
			ok(am_merge(d[rnd(&r, 3)], d[rnd(&r, 3)]));
	}
	for (int i = 1; i < 3; i++)
		ok(am_merge(d[0], d[i]));
	return d[0];
}

static void test_fragments_are_those_of_the_crate(void **state)
{
	am_doc *d = long_history(2000);
	size_t n = am_change_count(d);
	struct pieces all = {.d = d, .seen = calloc(n, 1)}, high = {.d = d}, none = {.d = d}, few = {.d = d, .stop = 2};

	(void)state;
	ok(am_fragments(d, 0, SIZE_MAX, one_piece, &all));
	for (size_t i = 0; i < n; i++)
		assert_true(all.seen[i]);
	free(all.seen);
	ok(am_fragments(d, 1, SIZE_MAX, one_piece, &high));
	ok(am_fragments(d, 3, 2, one_piece, &none));
	assert_int_equal(none.n, 0);
	assert_int_equal(am_fragments(d, 1, SIZE_MAX, one_piece, &few), 77);
	assert_int_equal(few.n, 2);
	/* What the crate says of the same file. */
	assert_true(all.n == 250 && all.members == 2304 && all.boundary == 319 && all.checkpoints == 0);
	assert_true(high.n == 11 && high.members == 2065 && high.boundary == 53 && high.checkpoints == 0);
}

static void test_the_fragment_of_a_head(void **state)
{
	const am_hash nowhere = {{0, 9}};
	am_doc *d = doc('a'), *e = doc('b');
	struct pieces p = {.d = d};

	(void)state;
	ok(am_fragments(d, 0, SIZE_MAX, one_piece, &p));
	assert_int_equal(p.n, 0);
	fails(am_fragment(d, &nowhere, one_piece, &p), AM_E_NOT_FOUND);
	put(d, AM_ROOT, "x", num(1));
	put(e, AM_ROOT, "x", num(1));
	meet(d, e);
	put(d, AM_ROOT, "x", num(2));
	ok(am_fragment(d, &heads(d).h[0], one_piece, &p));
	assert_int_equal(p.n, 1);
	assert_int_equal(p.members, 1);
	assert_int_equal(p.boundary, 2);
	assert_int_equal(p.level, 0);
	ok(am_fragments(d, 0, 0, one_piece, &p));
	assert_int_equal(p.n, 4);
	ok(am_fragments(d, 1, 5, one_piece, &p));
	assert_int_equal(p.n, 4);
}

/* ---- without content ---- */

static am_doc *masked(am_doc *d, uint8_t seed)
{
	uint8_t key[32] = {seed};
	am_doc *m;

	ok(am_anonymize(d, key, &m));
	return keep(m);
}

static bool has_bytes_of(am_doc *d, const char *what)
{
	am_buf b = {0};
	bool found = false;
	size_t n = strlen(what);

	ok(am_save(d, AM_SAVE_PLAIN, &b));
	for (size_t i = 0; i + n <= b.n; i++)
		found = found || memcmp(b.p + i, what, n) == 0;
	am_buf_free(&b);
	return found;
}

static size_t units(const uint8_t *p, size_t n, size_t *ret_utf16)
{
	size_t k = 0;

	*ret_utf16 = 0;
	for (size_t i = 0; i < n; i++) {
		k += (p[i] & 0xc0) != 0x80;
		*ret_utf16 += (p[i] & 0xc0) != 0x80;
		*ret_utf16 += p[i] >= 0xf0;
	}
	return k;
}

static void assert_as_long(const void *p, size_t n, const void *q, size_t m)
{
	size_t a, b;

	assert_int_equal(n, m);
	assert_int_equal(units(p, n, &a), units(q, m, &b));
	assert_int_equal(a, b);
}

static void assert_op_shape(const am_op_view *a, const am_op_view *b)
{
	assert_memory_equal(&a->id.ctr, &b->id.ctr, sizeof a->id.ctr);
	assert_int_equal(a->obj.ctr, b->obj.ctr);
	assert_int_equal(a->elem.ctr, b->elem.ctr);
	assert_int_equal(a->insert | a->expand << 1, b->insert | b->expand << 1);
	assert_int_equal(a->action, b->action);
	assert_int_equal(a->value.type, b->value.type);
	assert_int_equal(a->n_pred, b->n_pred);
	for (size_t i = 0; i < a->n_pred; i++)
		assert_memory_equal(&a->pred[i], &b->pred[i], sizeof *a->pred); /* actors in the same order */
	assert_true(!a->key == !b->key && !a->mark == !b->mark);
	if (a->key)
		assert_as_long(a->key, a->key_n, b->key, b->key_n);
	if (a->mark)
		assert_as_long(a->mark, a->mark_n, b->mark, b->mark_n);
	if (a->value.type == AM_STR)
		assert_as_long(a->value.s.p, a->value.s.n, b->value.s.p, b->value.s.n);
	if (a->value.type == AM_BYTES || a->value.type == AM_UNKNOWN)
		assert_int_equal(a->value.s.n, b->value.s.n);
}

static am_change_view *decoded(am_doc *d, size_t i)
{
	am_buf b = chunk_at(d, i);
	am_change_view *v;

	ok(am_change_decode(b.p, b.n, NULL, &v));
	am_buf_free(&b);
	return v;
}

static void assert_shape(am_doc *d, am_doc *m)
{
	assert_int_equal(am_change_count(d), am_change_count(m));
	for (size_t i = 0; i < am_change_count(d); i++) {
		am_change_view *a = decoded(d, i), *b = decoded(m, i);
		const am_change_info *x = am_change_view_info(a), *y = am_change_view_info(b);
		const am_op_view *p, *q;
		size_t n = am_change_view_ops(a, &p);

		assert_int_equal(n, am_change_view_ops(b, &q));
		assert_true(x->seq == y->seq && x->start_op == y->start_op && x->n_deps == y->n_deps);
		assert_true(x->time ? x->time != y->time : !y->time);
		assert_true(x->message_n == y->message_n && x->extra_n == y->extra_n);
		assert_memory_not_equal(&x->hash, &y->hash, sizeof x->hash);
		assert_int_equal(y->actor_n, 16);
		assert_null(y->author);
		for (size_t k = 0; k < n; k++)
			assert_op_shape(&p[k], &q[k]);
		am_change_view_free(a);
		am_change_view_free(b);
	}
}

static void test_the_shape_stays_and_the_content_goes(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 8; seed++) {
		am_doc *d = crowd(seed + 20, 40), *m = masked(d, 1), *same = masked(d, 1);

		assert_shape(d, m);
		assert_same_doc(m, same);
		assert_memory_not_equal(&heads(masked(d, 2)).h[0], &heads(m).h[0], sizeof(am_hash));
		(void)reload(m, 'q');
	}
}

static void test_nothing_to_be_recognised_is_left(void **state)
{
	static const char *const secret[] = {"secret", "hidden", "author", "\xe7\xa7\x98\xe5\xaf\x86", "\xf0\x9f\xa4\xab",
		"bold",
					     "actor!"};
	am_doc *d, *m;
	am_objid t;
	am_value bytes = {.type = AM_BYTES, .s = {(const uint8_t *)"hidden", 6}};
	am_buf text = {0};
	size_t n;

	(void)state;
	d = doc('a');
	ok(am_set_actor(d, "actor!", 6));
	ok(am_set_author(d, "author", 6));
	put(d, AM_ROOT, "secret", word("secret hidden"));
	put(d, AM_ROOT, "b", bytes);
	t = put_new(d, AM_ROOT, "\xf0\x9f\xa4\xab\xe7\xa7\x98\xe5\xaf\x86\xc3\xa9\x07", AM_TEXT);
	splice(d, t, 0, 0, "secret \xe7\xa7\x98\xe5\xaf\x86\n\xe3\x80\x80\xf0\x9f\xa4\xab hidden\t\xc3\xa9");
	mark(d, t, 0, 6, AM_EXPAND_AFTER, "bold", word("author"));
	ok(am_commit(d, K("a secret"), 1700000000, NULL));
	m = masked(d, 5);
	for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
		assert_true(has_bytes_of(d, secret[i]));
		assert_false(has_bytes_of(m, secret[i]));
	}
	assert_null(am_actor(m, &n));
	assert_null(am_actor_author(m, 0, &n));
	assert_int_equal(am_length(m, NULL, t), am_length(d, NULL, t));
	ok(am_text(m, NULL, t, &text)); /* white space stays */
	assert_int_equal(text.p[6], ' ');
	assert_memory_equal(text.p + 13, "\n\xe3\x80\x80", 4);
	am_buf_free(&text);
}

/* RFC 8439, A.1, first and second vector. */
static void test_the_random_numbers_are_those_of_chacha20(void **state)
{
	const uint8_t seed[32] = {0};
	struct am_chacha c;

	(void)state;
	am_chacha_init(&c, seed);
	assert_int_equal(am_chacha_u32(&c), 0xade0b876);
	assert_true(am_chacha_u64(&c) == 0xe56a5d40903df1a0);
	for (int i = 0; i < 13; i++)
		(void)am_chacha_u32(&c);
	assert_int_equal(am_chacha_u32(&c), 0xbee7079f);
	for (int i = 0; i < 1000; i++)
		assert_true(am_chacha_below(&c, 3) < 3);
	assert_int_equal(am_chacha_below(&c, 1), 0);
}

/* Clusters may not stay what they are; nothing else breaks. */
static void test_masks_in_every_text_unit(void **state)
{
	(void)state;
	for (int unit = 0; unit <= AM_UNIT_GRAPHEME; unit++) {
		am_doc *d = doc_in('a', (am_text_unit)unit), *m;
		am_objid t = put_new(d, AM_ROOT, "t", AM_TEXT);

		splice(d, t, 0, 0, "e\xcc\x81 \xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9 x");
		splice(d, t, 1, 1, "");
		m = masked(d, 3);
		assert_shape(d, m);
		if (unit != AM_UNIT_GRAPHEME)
			assert_int_equal(am_length(d, NULL, t), am_length(m, NULL, t));
	}
}

static void test_the_mask_of_nothing_and_of_what_is_open(void **state)
{
	am_doc *d = doc('a');

	(void)state;
	assert_int_equal(am_change_count(masked(d, 1)), 0);
	put(d, AM_ROOT, "x", num(1));
	assert_int_equal(am_change_count(masked(d, 1)), 1);
	assert_false(am_in_transaction(d));
	assert_int_equal(am_length(masked(d, 1), NULL, AM_ROOT), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scenario(test_every_change_is_encoded_as_it_was),
		scenario(test_a_change_made_by_hand),
		scenario(test_no_change_is_made_of_bad_operations),
		scenario(test_no_change_is_made_of_a_bad_header),
		scenario(test_every_message_is_encoded_as_it_was),
		scenario(test_a_message_shows_what_the_sender_has),
		scenario(test_no_message_is_made_of_bad_parts),
		scenario(test_filters_by_hand),
		scenario(test_changes_since_and_added),
		scenario(test_the_last_change_of_ones_own),
		scenario(test_what_a_transaction_is_based_on),
		scenario(test_fragments_are_those_of_the_crate),
		scenario(test_the_fragment_of_a_head),
		scenario(test_the_shape_stays_and_the_content_goes),
		scenario(test_nothing_to_be_recognised_is_left),
		scenario(test_the_random_numbers_are_those_of_chacha20),
		scenario(test_masks_in_every_text_unit),
		scenario(test_the_mask_of_nothing_and_of_what_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
