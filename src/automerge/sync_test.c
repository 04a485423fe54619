/* The sync state machine, message by message. */
#include "automerge/sync_link_test.h"

/* One message in one direction; false when there is none. */
static bool pump(struct link *l, int from)
{
	bool said = link_say(l, from);

	link_hear(l, !from);
	return said;
}

static void test_hello(void **state)
{
	am_doc *d = new_doc(NULL, 1);
	am_sync *s;
	am_buf m = {0};

	(void)state;
	am_sync_new(NULL, &s);
	assert_int_equal(am_sync_generate(d, s, &m), AM_OK);
	assert_hex(m.p, m.n, "42 00 00 01 00 00 00 020102");
	assert_true(am_sync_in_flight(s));
	assert_int_equal(am_sync_generate(d, s, &m), AM_OK);
	assert_int_equal(m.n, 0);
	am_sync_free(s);
	am_buf_free(&m);
	am_free(d);
}

static void test_whole_document_then_quiet(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b = new_doc(NULL, 2);
	struct link l;

	(void)state;
	put_int(a, "x", 1);
	put_int(a, "y", 2);
	link_open(&l, a, b);
	link_settle(&l);
	assert_same_doc(a, b);
	assert_true(link_messages(&l) <= 6);
	assert_true(am_sync_in_sync(a, l.state[0]));
	assert_true(am_sync_in_sync(b, l.state[1]));
	link_forget_counts(&l);
	put_int(a, "z", 3);
	put_int(a, "z", 4);
	link_settle(&l);
	assert_int_equal(link_messages(&l), 2); /* changes, acknowledgement */
	assert_same_doc(a, b);
	link_close(&l);
	am_free(a);
	am_free(b);
}

static void test_one_change_goes_alone(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b = new_doc(NULL, 2);
	struct link l;
	am_buf m = {0};
	am_message msg;

	(void)state;
	for (int i = 0; i < 10; i++)
		put_int(a, "x", i);
	link_open(&l, a, b);
	link_settle(&l);
	put_int(a, "x", 99);
	am_sync_generate(a, l.state[0], &m);
	assert_int_equal(am_message_decode(m.p, m.n, NULL, &msg), AM_OK);
	assert_int_equal(msg.version, 2);
	assert_int_equal(msg.n_changes, 1);
	assert_int_equal(msg.changes[8], 1); /* a change chunk, no document */
	am_message_free(&msg, NULL);
	am_sync_receive(b, l.state[1], m.p, m.n, 0, NULL);
	assert_same_doc(a, b);
	am_buf_free(&m);
	link_close(&l);
	am_free(a);
	am_free(b);
}

static void test_state_survives(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b = new_doc(NULL, 2);
	struct link l;
	am_buf enc = {0};
	size_t n;
	am_sync *again;

	(void)state;
	put_int(a, "x", 1);
	link_open(&l, a, b);
	link_settle(&l);
	assert_int_equal(am_sync_encode(l.state[0], &enc), AM_OK);
	assert_int_equal(enc.n, 34);
	assert_int_equal(enc.p[0], 0x43);
	assert_int_equal(am_sync_decode(enc.p, enc.n, NULL, &again), AM_OK);
	am_sync_shared_heads(again, &n);
	assert_int_equal(n, 1);
	assert_int_equal(am_sync_decode(enc.p, enc.n - 1, NULL, &again), AM_E_EOF);
	am_sync_free(again);
	am_buf_free(&enc);
	link_close(&l);
	am_free(a);
	am_free(b);
}

/* A peer whose shared heads are unknown here is told so, once per message. */
static void test_reset_message(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b = new_doc(NULL, 2), *fresh = new_doc(NULL, 3);
	struct link l;
	am_buf m = {0};

	(void)state;
	put_int(a, "x", 1);
	put_int(b, "y", 1);
	link_open(&l, a, b);
	link_settle(&l);
	am_sync_free(l.state[0]);
	am_sync_new(NULL, &l.state[0]);
	l.doc[0] = fresh; /* a lost everything but one change of its own */
	put_int(fresh, "z", 1);
	put_int(b, "y", 2);
	am_sync_generate(b, l.state[1], &m);
	assert_int_equal(am_sync_receive(fresh, l.state[0], m.p, m.n, 0, NULL), AM_OK);
	am_sync_generate(fresh, l.state[0], &m);
	assert_int_equal(m.p[0], 0x42);
	assert_int_equal(m.p[34], 0);
	am_sync_receive(b, l.state[1], m.p, m.n, 0, NULL);
	am_sync_generate(fresh, l.state[0], &m);
	assert_int_equal(m.n, 0);
	link_settle(&l);
	assert_same_doc(fresh, b);
	am_buf_free(&m);
	link_close(&l);
	am_free(a);
	am_free(b);
	am_free(fresh);
}

/* Equal heads and a full filter ask for nothing; an empty filter asks for everything all the same. */
static void test_equal_heads(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b;
	am_sync *sa, *sb;
	am_buf m = {0}, answer = {0};
	struct am_msg msg;

	(void)state;
	put_int(a, "x", 1);
	assert_int_equal(am_fork(a, &b), AM_OK);
	am_sync_new(NULL, &sa);
	am_sync_new(NULL, &sb);
	am_sync_generate(a, sa, &m);
	assert_int_equal(am_sync_receive(b, sb, m.p, m.n, 0, NULL), AM_OK);
	am_sync_generate(b, sb, &answer);
	msg = message_of(&answer);
	assert_int_equal(msg.n_changes, 0);
	am_sync_free(sb);
	am_sync_new(NULL, &sb);
	assert_int_equal(m.p[37], 5); /* the filter: of one change, two bytes */
	m.p[37] = 0;
	memmove(m.p + 38, m.p + 43, m.n - 43);
	assert_int_equal(am_sync_receive(b, sb, m.p, m.n - 5, 0, NULL), AM_OK);
	am_sync_generate(b, sb, &answer);
	msg = message_of(&answer);
	assert_int_equal(msg.n_changes, 1);
	am_sync_free(sa);
	am_sync_free(sb);
	am_buf_free(&m);
	am_buf_free(&answer);
	am_free(a);
	am_free(b);
}

/* An answer is lost and only one side begins anew: the other's memory of what it
 * sent must not keep them apart (upstream issues 772, 1284). */
static void test_lost_answer(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b = new_doc(NULL, 2);
	struct link l;
	am_buf m = {0};

	(void)state;
	for (int i = 0; i < 6; i++)
		put_int(a, "x", i);
	link_open(&l, a, b);
	link_settle(&l);
	put_int(a, "a", 1);
	put_int(b, "b", 1);
	pump(&l, 1);
	assert_int_equal(am_sync_generate(a, l.state[0], &m), AM_OK); /* lost */
	assert_true(m.n > 0);
	am_sync_free(l.state[1]);
	am_sync_new(NULL, &l.state[1]);
	link_settle(&l);
	assert_same_doc(a, b);
	am_buf_free(&m);
	link_close(&l);
	am_free(a);
	am_free(b);
}

/* Changes of a peer that may not write are dropped and not asked for for ever. */
static void test_strip_changes(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b = new_doc(NULL, 2);
	struct link l;
	am_sync_report rep;
	am_buf m = {0};
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		put_int(a, "x", i);
	link_open(&l, a, b);
	link_settle(&l);
	put_int(b, "evil", 1);
	for (int i = 0; i < 10; i++) {
		bool said = false;

		am_sync_generate(b, l.state[1], &m);
		if (m.n) {
			said = true;
			n++;
			assert_int_equal(am_sync_receive(a, l.state[0], m.p, m.n, AM_SYNC_STRIP_CHANGES, &rep), AM_OK);
			assert_int_equal(rep.applied, 0);
		}
		am_sync_generate(a, l.state[0], &m);
		if (m.n) {
			said = true;
			n++;
			am_sync_receive(b, l.state[1], m.p, m.n, 0, NULL);
		}
		if (!said)
			break;
	}
	assert_true(n <= 4);
	assert_int_equal(am_change_count(a), 5);
	put_int(a, "x", 77); /* what we write still arrives */
	am_sync_generate(a, l.state[0], &m);
	assert_true(m.n > 0);
	am_sync_receive(b, l.state[1], m.p, m.n, 0, NULL);
	assert_int_equal(am_change_count(b), 7);
	am_buf_free(&m);
	link_close(&l);
	am_free(a);
	am_free(b);
}

/* A peer without the capability tail gets version 1 messages only. */
static void test_v1_peer(void **state)
{
	am_doc *a = new_doc(NULL, 1), *b = new_doc(NULL, 2);
	struct link l;
	am_buf m = {0};

	(void)state;
	put_int(a, "x", 1);
	put_int(b, "y", 1);
	link_open(&l, a, b);
	for (int i = 0; i < 20; i++) {
		am_sync_generate(b, l.state[1], &m);
		if (m.n)
			assert_int_equal(am_sync_receive(a, l.state[0], m.p, m.n - 3, 0, NULL), AM_OK);
		am_sync_generate(a, l.state[0], &m);
		if (!m.n)
			continue;
		assert_int_equal(m.p[0], 0x42);
		assert_int_equal(am_sync_receive(b, l.state[1], m.p, m.n - 3, 0, NULL), AM_OK);
	}
	assert_same_doc(a, b);
	am_buf_free(&m);
	link_close(&l);
	am_free(a);
	am_free(b);
}

static void test_bad_messages(void **state)
{
	am_doc *a = new_doc(NULL, 1);
	am_sync *s;
	uint8_t buf[256];
	size_t n;
	static const char *const bad[] = {"", "44 00 00 00 00", "42 05 00", "42 00 00 01 00 04 0a00 0700 00",
					  "42 00 00 00 01 05 01", "42 00 00 00 01 02 8500"};

	(void)state;
	am_sync_new(NULL, &s);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		n = unhex(bad[i], buf);
		assert_true(am_sync_receive(a, s, buf, n, 0, NULL) < 0);
	}
	am_sync_free(s);
	am_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_whole_document_then_quiet),
		cmocka_unit_test(test_one_change_goes_alone),
		cmocka_unit_test(test_state_survives),
		cmocka_unit_test(test_reset_message),
		cmocka_unit_test(test_equal_heads),
		cmocka_unit_test(test_lost_answer),
		cmocka_unit_test(test_strip_changes),
		cmocka_unit_test(test_v1_peer),
		cmocka_unit_test(test_bad_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
