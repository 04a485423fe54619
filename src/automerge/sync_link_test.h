/* Two documents and what they say to each other: messages counted, looked into, lost,
 * repeated; and changes found by search that a filter claims to hold. */
#ifndef AUTOMERGE_SYNC_LINK_TEST_H
#define AUTOMERGE_SYNC_LINK_TEST_H
#include "automerge/codec_test.h"
#include "automerge/message.h"

struct link {
	am_doc *doc[2];
	am_sync *state[2];
	am_buf wire[2];      /* the message on its way to that side; n == 0: none */
	bool v1[2];          /* that side lacks the capability tail, and does not see the other's */
	size_t said[2], bytes[2], asked[2]; /* messages, their bytes, those with a `need` */
	size_t whole[2];     /* messages with a document */
};

static inline void link_open(struct link *l, am_doc *a, am_doc *b)
{
	*l = (struct link){.doc = {a, b}};
	assert_int_equal(am_sync_new(NULL, &l->state[0]), AM_OK);
	assert_int_equal(am_sync_new(NULL, &l->state[1]), AM_OK);
}

static inline void link_close(struct link *l)
{
	for (int i = 0; i < 2; i++) {
		am_sync_free(l->state[i]);
		am_buf_free(&l->wire[i]);
	}
}

/* That side begins anew, with what survives a reconnect or with nothing; what was on its way to it is lost. */
static inline void link_restart(struct link *l, int side, bool keep)
{
	am_buf kept = {0};

	assert_int_equal(am_sync_encode(l->state[side], &kept), AM_OK);
	am_sync_free(l->state[side]);
	if (keep)
		assert_int_equal(am_sync_decode(kept.p, kept.n, NULL, &l->state[side]), AM_OK);
	else
		assert_int_equal(am_sync_new(NULL, &l->state[side]), AM_OK);
	l->wire[side].n = 0;
	am_buf_free(&kept);
}

static inline struct am_msg message_of(const am_buf *m)
{
	struct am_msg msg;

	assert_int_equal(am_msg_parse(m->p, m->n, &msg), AM_OK);
	return msg;
}

/* Puts the next message of `from` on the wire; false when it has nothing to say. */
static inline bool link_say(struct link *l, int from)
{
	am_buf *m = &l->wire[!from];
	struct am_msg msg;

	assert_int_equal(am_sync_generate(l->doc[from], l->state[from], m), AM_OK);
	if (!m->n)
		return false;
	msg = message_of(m);
	l->said[from]++;
	l->bytes[from] += m->n;
	l->asked[from] += msg.n_need != 0;
	if (msg.n_changes && msg.type == AM_MSG_V2 && msg.changes_n > 8) {
		struct am_in at = msg.changes;
		const uint8_t *p;
		size_t n;

		assert_int_equal(am_in_block(&at, &p, &n), AM_OK);
		l->whole[from] += p[8] == 0;
	}
	if (l->v1[0] || l->v1[1]) {
		assert_int_equal(msg.type, AM_MSG_V1);
		m->n -= 3; /* a count of two, and two bytes */
	}
	return true;
}

static inline void link_hear(struct link *l, int side)
{
	if (!l->wire[side].n)
		return;
	assert_int_equal(am_sync_receive(l->doc[side], l->state[side], l->wire[side].p, l->wire[side].n, 0, NULL),
			 AM_OK);
	l->wire[side].n = 0;
}

/* Until both are silent; the number of rounds in which somebody spoke. crossing: both
 * speak before either listens. */
static inline size_t link_settle_as(struct link *l, bool crossing)
{
	size_t rounds = 0;
	bool a, b;

	link_hear(l, 0);
	link_hear(l, 1);
	for (;;) {
		a = link_say(l, 0);
		if (!crossing)
			link_hear(l, 1);
		b = link_say(l, 1);
		link_hear(l, 1);
		link_hear(l, 0);
		if (!a && !b)
			return rounds;
		assert_true(++rounds < 200);
	}
}

static inline size_t link_settle(struct link *l)
{
	return link_settle_as(l, false);
}

static inline size_t link_messages(const struct link *l)
{
	return l->said[0] + l->said[1];
}

static inline void link_forget_counts(struct link *l)
{
	memset(l->said, 0, sizeof l->said);
	memset(l->bytes, 0, sizeof l->bytes);
	memset(l->asked, 0, sizeof l->asked);
	memset(l->whole, 0, sizeof l->whole);
}

static inline void put_int(am_doc *d, const char *key, int64_t i)
{
	am_value v = {.type = AM_INT, .i = i};

	assert_int_equal(am_map_put(d, AM_ROOT, key, strlen(key), &v), AM_OK);
	assert_int_equal(am_commit(d, NULL, 0, 0, NULL), AM_OK);
}

/* A change on top of d's that the filter claims to hold, found by trying times. */
static inline am_hash hide_change(am_doc *d, const struct am_bloom *filter, uint8_t actor, int64_t value)
{
	am_value v = {.type = AM_INT, .i = value};
	am_hash hash;
	am_doc *try;

	for (int64_t time = 0; time < 200000; time++) {
		assert_int_equal(am_fork(d, &try), AM_OK);
		assert_int_equal(am_set_actor(try, &actor, 1), AM_OK);
		assert_int_equal(am_map_put(try, AM_ROOT, "hidden", 6, &v), AM_OK);
		assert_int_equal(am_commit(try, NULL, 0, time, &hash), AM_OK);
		if (am_bloom_has(filter, &hash)) {
			assert_int_equal(am_merge(d, try), AM_OK);
			am_free(try);
			return hash;
		}
		am_free(try);
	}
	fail_msg("no change found that the filter holds by mistake");
	return hash;
}

/* The filter of a message, and none for an empty one. Borrowed from its bytes. */
static inline struct am_bloom filter_of(const am_buf *m)
{
	struct am_msg msg = message_of(m);
	struct am_have have = {0};

	if (msg.n_have)
		am_have_next(&msg.have, &have);
	return have.bloom;
}
#endif
