/* Damaged files: whatever is damaged, what comes out is part of what went in, and what
 * was sound is in it. */
#include "automerge/codec_test.h"

#include "base/hash.h"

/* A document of a few changes by two actors, then three chunks behind it. */
struct sample {
	am_doc *doc;     /* the whole history */
	uint8_t *p;
	size_t n;
	size_t end[5];   /* of the chunks */
	size_t in_first; /* changes of the document chunk */
};

static void sample_open(struct sample *s, uint64_t seed, int steps, int flags)
{
	am_doc *e;
	struct rng r = {seed * 31337 + 1};
	am_buf b = {0};

	s->doc = new_doc(NULL, 1);
	for (int i = 0; i < steps; i++)
		random_change(s->doc, &r);
	assert_int_equal(am_fork(s->doc, &e), AM_OK);
	am_set_actor(e, "\x02", 1);
	random_change(e, &r);
	random_change(s->doc, &r);
	assert_int_equal(am_merge(s->doc, e), AM_OK);
	am_free(e);
	s->in_first = am_change_count(s->doc);
	assert_int_equal(am_save(s->doc, flags, &b), AM_OK);
	s->p = malloc(1 << 20);
	memcpy(s->p, b.p, b.n);
	s->n = s->end[0] = b.n;
	for (int i = 1; i < 4; i++) {
		am_value v = {.type = AM_INT, .i = i};

		assert_int_equal(am_map_put(s->doc, AM_ROOT, "last", 4, &v), AM_OK);
		assert_int_equal(am_commit(s->doc, NULL, 0, 0, NULL), AM_OK);
		assert_int_equal(am_save_incremental(s->doc, &b), AM_OK);
		assert_true(s->n + b.n <= 1 << 20);
		memcpy(s->p + s->n, b.p, b.n);
		s->n += b.n;
		s->end[i] = s->n;
	}
	am_buf_free(&b);
}

static void sample_close(struct sample *s)
{
	am_free(s->doc);
	free(s->p);
}

struct losses {
	size_t bytes, chunks, changes, dependencies;
	bool seen[256]; /* changes lost, by seq, of actor 01 */
};

static int note_loss(void *ctx, const am_loss *loss)
{
	struct losses *l = ctx;

	l->bytes += loss->kind == AM_LOSS_BYTES;
	l->chunks += loss->kind == AM_LOSS_CHUNK;
	l->changes += loss->kind == AM_LOSS_CHANGE;
	l->dependencies += loss->kind == AM_LOSS_DEPENDENCY;
	if (loss->kind == AM_LOSS_CHANGE && loss->actor_n == 1 && loss->actor[0] == 1 && loss->seq < 256)
		l->seen[loss->seq] = true;
	return 0;
}

/* Salvages and checks what must hold whatever happened; returns the document. */
static am_doc *salvage(const struct sample *s, const uint8_t *p, size_t n, am_salvage_report *rep, struct losses *l)
{
	am_doc *d, *again;
	am_buf b = {0};
	am_change_info info;

	uint8_t *exact = malloc(n + !n); /* not a byte more: what is read past it is found out */

	assert_non_null(exact);
	if (n)
		memcpy(exact, p, n);
	memset(l, 0, sizeof *l);
	assert_int_equal(am_salvage(exact, n, NULL, note_loss, l, rep, &d), AM_OK);
	free(exact);
	assert_int_equal(rep->changes, am_change_count(d));
	for (size_t i = 0; i < rep->changes; i++) { /* no change that was not there before */
		assert_int_equal(am_change_at(d, i, &info), AM_OK);
		assert_true(am_has_change(s->doc, &info.hash));
	}
	assert_int_equal(am_save(d, 0, &b), AM_OK);
	assert_int_equal(am_load(b.p, b.n, NULL, AM_LOAD_STRICT, &again), AM_OK);
	assert_same_doc(d, again);
	am_free(again);
	/* With the good history it is whole again: nothing in it contradicts that. */
	assert_int_equal(am_fork(d, &again), AM_OK);
	assert_int_equal(am_merge(again, s->doc), AM_OK);
	assert_same_doc(again, s->doc);
	am_free(again);
	am_buf_free(&b);
	return d;
}

static void test_sound(void **state)
{
	struct sample s;
	struct losses l;
	am_salvage_report rep;
	am_doc *d;

	(void)state;
	sample_open(&s, 1, 12, 0);
	d = salvage(&s, s.p, s.n, &rep, &l);
	assert_same_doc(d, s.doc);
	assert_int_equal(rep.lost_bytes + rep.lost_changes + rep.bad_chunks + rep.mended_chunks + rep.missing, 0);
	assert_int_equal(rep.chunks, 4);
	am_free(d);
	d = salvage(&s, NULL, 0, &rep, &l);
	assert_int_equal(rep.changes, 0);
	am_free(d);
	sample_close(&s);
}

/* One wrong byte anywhere in a small file: all of it comes back. */
static void test_one_byte(void **state)
{
	struct sample s;
	struct losses l;
	am_salvage_report rep;
	am_doc *d;

	(void)state;
	sample_open(&s, 2, 3, AM_SAVE_PLAIN);
	assert_true(s.n < 1500);
	for (size_t at = 0; at < s.n; at++) {
		static const uint8_t flips[] = {0x01, 0x80, 0x24};
		uint8_t was = s.p[at];

		s.p[at] ^= flips[at % 3];
		d = salvage(&s, s.p, s.n, &rep, &l);
		assert_same_doc(d, s.doc);
		assert_int_equal(rep.mended_chunks, 1);
		assert_int_equal(rep.lost_bytes + rep.lost_changes + l.chunks, 0);
		am_free(d);
		s.p[at] = was;
	}
	sample_close(&s);
}

/* Cut at every byte: the whole chunks come out, and the last one tells what it had. */
static void test_cut(void **state)
{
	struct sample s;
	struct losses l;
	am_salvage_report rep;
	am_doc *d;

	(void)state;
	sample_open(&s, 3, 5, AM_SAVE_PLAIN);
	for (size_t n = 0; n < s.n; n++) {
		size_t want = n < s.end[0] ? 0 : s.in_first;

		for (int i = 1; i < 4; i++)
			want += n >= s.end[i];
		d = salvage(&s, s.p, n, &rep, &l);
		assert_true(rep.changes >= want);
		if (rep.changes > want) /* only what stands behind the columns is missing */
			assert_true(n < s.end[0] && n + 4 > s.end[0] && rep.changes == s.in_first);
		if (n && n != s.end[0] && n != s.end[1] && n != s.end[2])
			assert_true(rep.lost_bytes > 0);
		am_free(d);
	}
	sample_close(&s);
}

static void wreck(uint8_t *p, size_t n, struct rng *r)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rnd(r, 256);
}

/* The document is beyond repair: the chunks behind it wait, its changes are named. */
static void test_first_lost(void **state)
{
	struct sample s;
	struct losses l;
	am_salvage_report rep;
	struct rng r = {9};
	am_doc *d;

	(void)state;
	sample_open(&s, 4, 40, 0);
	wreck(s.p + s.end[0] - 40, 20, &r); /* among the operation columns */
	d = salvage(&s, s.p, s.n, &rep, &l);
	assert_int_equal(rep.changes, 0);
	assert_int_equal(rep.queued, 3);
	assert_int_equal(rep.bad_chunks, 1);
	assert_int_equal(rep.lost_bytes, s.end[0]);
	assert_int_equal(rep.lost_changes, s.in_first);
	assert_int_equal(l.changes, s.in_first);
	assert_true(l.dependencies >= 1);
	for (size_t i = 0; i < s.in_first; i++) {
		am_change_info info;

		assert_int_equal(am_change_at(s.doc, i, &info), AM_OK);
		assert_true(info.actor[0] != 1 || l.seen[info.seq]);
	}
	am_free(d);
	sample_close(&s);
}

/* Between good chunks: garbage, a broken change, what depends on it. */
static void test_middle_lost(void **state)
{
	struct sample s;
	struct losses l;
	am_salvage_report rep;
	struct rng r = {10};
	am_doc *d;
	uint8_t *p;
	size_t n;

	(void)state;
	sample_open(&s, 5, 20, 0);
	p = malloc(s.n + 50);
	memcpy(p, s.p, s.end[0]);
	wreck(p + s.end[0], 50, &r);
	n = s.end[0] + 50;
	memcpy(p + n, s.p + s.end[0], s.n - s.end[0]);
	d = salvage(&s, p, s.n + 50, &rep, &l);
	assert_same_doc(d, s.doc);
	assert_int_equal(rep.lost_bytes, 50);
	assert_int_equal(l.bytes, 1);
	am_free(d);
	wreck(p + n + (s.end[1] - s.end[0]) - 6, 6, &r); /* the end of the first change */
	d = salvage(&s, p, s.n + 50, &rep, &l);
	assert_int_equal(rep.changes, s.in_first);
	assert_int_equal(rep.queued, 2);
	assert_int_equal(rep.lost_changes, 1);
	assert_int_equal(l.dependencies, 1);
	am_free(d);
	free(p);
	sample_close(&s);
}

/* A head and the checksum of the document are wrong beyond repair; what depends on
 * its changes proves them. */
static void test_proof_by_dependents(void **state)
{
	struct sample s;
	struct losses l;
	am_salvage_report rep;
	struct rng r = {11};
	am_doc *d;

	(void)state;
	sample_open(&s, 6, 20, 0);
	wreck(s.p + 4, 4, &r);
	/* head hashes stand behind the actors: count, 2 x (length, byte), count */
	for (size_t at = 10; at < 40; at++)
		if (s.p[at] == 2 && s.p[at + 1] == 1 && s.p[at + 3] == 1) {
			wreck(s.p + at + 6, 64, &r);
			break;
		}
	d = salvage(&s, s.p, s.n, &rep, &l);
	assert_same_doc(d, s.doc);
	assert_int_equal(rep.lost_changes, 0);
	am_free(d);
	/* Without dependents there is no proof. */
	d = salvage(&s, s.p, s.end[0], &rep, &l);
	assert_int_equal(rep.changes, 0);
	am_free(d);
	sample_close(&s);
}

/* Many random injuries to larger files. */
static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 100; seed < 130; seed++) {
		struct sample s;
		struct losses l;
		am_salvage_report rep;
		struct rng r = {seed};
		uint8_t *p;

		sample_open(&s, seed, 40, seed & 1 ? AM_SAVE_PLAIN : 0);
		p = malloc(s.n);
		for (int round = 0; round < 12; round++) {
			size_t n = s.n, hits = 1 + rnd(&r, 6);

			memcpy(p, s.p, n);
			for (size_t i = 0; i < hits; i++) {
				size_t at = rnd(&r, (uint32_t)n), len = 1 + rnd(&r, 1 + rnd(&r, 30));

				wreck(p + at, len < n - at ? len : n - at, &r);
			}
			if (rnd(&r, 4) == 0)
				n = rnd(&r, (uint32_t)n);
			am_free(salvage(&s, p, n, &rep, &l));
		}
		free(p);
		sample_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound), cmocka_unit_test(test_one_byte), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_first_lost), cmocka_unit_test(test_middle_lost),
		cmocka_unit_test(test_proof_by_dependents), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
