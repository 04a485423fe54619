/* What users rely on when documents talk to each other. Filters that hide changes, and
 * networks, are in sync_network_test.c. */
#include "automerge/scenario_test.h"
#include "automerge/sync_link_test.h"

static struct link talk;

static void between(am_doc *a, am_doc *b)
{
	link_open(&talk, a, b);
}

static int end(void **state)
{
	link_close(&talk);
	memset(&talk, 0, sizeof talk);
	return scenario_end(state);
}

#define talks(f) cmocka_unit_test_teardown(f, end)

/* n changes under one key. */
static am_doc *counted(char actor, int n)
{
	am_doc *d = doc(actor);

	for (int i = 0; i < n; i++)
		put_int(d, "x", i);
	return d;
}

static size_t settled_messages(void)
{
	link_forget_counts(&talk);
	link_settle(&talk);
	assert_same_doc(talk.doc[0], talk.doc[1]);
	return link_messages(&talk);
}

/* ---- first contact ---- */

static void test_two_empty_documents_greet_and_fall_silent(void **state)
{
	(void)state;
	between(doc('a'), doc('b'));
	assert_int_equal(settled_messages(), 2);
	assert_int_equal(talk.bytes[0], 10);
	assert_true(am_sync_in_sync(talk.doc[0], talk.state[0]));
	assert_int_equal(settled_messages(), 0);
}

static void test_equal_documents_say_no_more_than_hello(void **state)
{
	am_doc *a = counted('a', 20);

	(void)state;
	between(a, fork_as(a, 'b'));
	assert_int_equal(settled_messages(), 2);
	assert_true(am_sync_in_sync(talk.doc[1], talk.state[1]));
}

static void test_a_new_reader_gets_the_whole_document_at_once(void **state)
{
	(void)state;
	between(counted('a', 50), doc('b'));
	assert_true(settled_messages() <= 5);
	assert_int_equal(talk.whole[0], 1);
	assert_int_equal(am_change_count(talk.doc[1]), 50);
}

static void test_it_does_not_matter_who_begins(void **state)
{
	size_t first, second;

	(void)state;
	between(counted('a', 50), doc('b'));
	first = settled_messages();
	link_close(&talk);
	between(doc('b'), counted('a', 50));
	second = settled_messages();
	assert_true(first <= second + 1 && second <= first + 1);
}

static void test_two_that_never_met(void **state)
{
	am_doc *a = counted('a', 10), *b = doc('b');

	(void)state;
	for (int i = 0; i < 10; i++)
		put_int(b, "y", i);
	between(a, b);
	assert_true(settled_messages() <= 8);
	shows(a, "{\"x\":9,\"y\":9}");
}

static void test_forks_that_went_on_without_each_other(void **state)
{
	am_doc *a = counted('a', 10), *b = fork_as(a, 'b');

	(void)state;
	for (int i = 0; i < 5; i++) {
		put_int(a, "of a", i);
		put_int(b, "of b", i);
	}
	between(a, b);
	assert_true(settled_messages() <= 8);
	shows(b, "{\"of a\":4,\"of b\":4,\"x\":9}");
}

static void test_the_first_word_is_of_version_1(void **state)
{
	(void)state;
	between(counted('a', 3), counted('b', 0));
	assert_true(link_say(&talk, 0));
	assert_int_equal(talk.wire[1].p[0], AM_MSG_V1);
	link_hear(&talk, 1);
	assert_true(link_say(&talk, 1));
	assert_int_equal(talk.wire[0].p[0], AM_MSG_V2);
	settled_messages();
}

/* ---- in touch ---- */

static void test_an_edit_is_two_messages(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	link_settle(&talk);
	for (int i = 0; i < 5; i++) {
		put_int(talk.doc[i % 2], "x", 100 + i);
		assert_int_equal(settled_messages(), 2);
	}
	assert_int_equal(talk.whole[0] + talk.whole[1], 0);
}

static void test_the_size_of_a_message_does_not_grow_with_the_history(void **state)
{
	size_t bytes[2];

	(void)state;
	for (int k = 0; k < 2; k++) {
		between(counted('a', k ? 400 : 40), doc('b'));
		link_settle(&talk);
		put_int(talk.doc[0], "x", 1000);
		settled_messages();
		bytes[k] = talk.bytes[0] + talk.bytes[1];
		if (!k)
			link_close(&talk);
	}
	assert_true(bytes[1] <= bytes[0] + 8);
}

static void test_work_done_offline_goes_in_one_message(void **state)
{
	(void)state;
	between(counted('a', 200), doc('b'));
	link_settle(&talk);
	for (int i = 0; i < 40; i++)
		put_int(talk.doc[0], "x", 1000 + i);
	assert_int_equal(settled_messages(), 2);
}

static void test_both_edit_and_speak_at_the_same_time(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	link_settle(&talk);
	put_int(talk.doc[0], "of a", 1);
	put_int(talk.doc[1], "of b", 2);
	link_forget_counts(&talk);
	link_settle_as(&talk, true);
	assert_same_doc(talk.doc[0], talk.doc[1]);
	assert_true(link_messages(&talk) <= 6);
	assert_int_equal(am_change_count(talk.doc[0]), 22);
}

static void test_what_was_sent_is_not_sent_again(void **state)
{
	am_buf first = {0};
	am_message m;

	(void)state;
	between(counted('a', 20), doc('b'));
	link_settle(&talk);
	put_int(talk.doc[0], "x", 100);
	ok(am_sync_generate(talk.doc[0], talk.state[0], &first));
	put_int(talk.doc[0], "x", 101); /* before the answer comes */
	assert_true(link_say(&talk, 0));
	ok(am_message_decode(talk.wire[1].p, talk.wire[1].n, NULL, &m));
	assert_true(m.changes_n < first.n);
	am_message_free(&m, NULL);
	ok(am_sync_receive(talk.doc[1], talk.state[1], first.p, first.n, 0, NULL));
	settled_messages();
	am_buf_free(&first);
}

static void test_an_open_transaction_is_sent_too(void **state)
{
	(void)state;
	between(doc('a'), doc('b'));
	link_settle(&talk);
	put(talk.doc[0], AM_ROOT, "x", num(1));
	link_settle(&talk);
	assert_false(am_in_transaction(talk.doc[0]));
	shows(talk.doc[1], "{\"x\":1}");
}

static void test_a_message_twice_does_no_harm(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	for (int i = 0; i < 10; i++) {
		int from = i % 2;
		am_buf again = {0};

		if (i == 4)
			put_int(talk.doc[0], "x", 100);
		if (!link_say(&talk, from))
			continue;
		again.p = malloc(talk.wire[!from].n);
		again.n = talk.wire[!from].n;
		memcpy(again.p, talk.wire[!from].p, again.n);
		link_hear(&talk, !from);
		ok(am_sync_receive(talk.doc[!from], talk.state[!from], again.p, again.n, 0, NULL));
		free(again.p);
	}
	settled_messages();
	assert_int_equal(am_change_count(talk.doc[1]), 21);
}

static void test_many_branches(void **state)
{
	am_doc *a = counted('a', 5), *b = fork_as(a, 'b'), *c = fork_as(a, 'c');

	(void)state;
	between(a, b);
	link_settle(&talk);
	for (int i = 0; i < 20; i++) {
		put_int(a, "of a", i);
		put_int(b, "of b", i);
		put_int(c, "of c", i);
		if (i % 3 == 0)
			ok(am_merge(a, c));
		if (i % 5 == 0)
			ok(am_merge(b, c));
		if (i % 7 == 0)
			ok(am_merge(c, a));
	}
	assert_true(settled_messages() <= 12);
}

static void test_a_third_one_passes_on_what_it_heard(void **state)
{
	am_doc *a = counted('a', 10), *b = doc('b'), *c = doc('c');
	struct link second;

	(void)state;
	between(a, b);
	link_open(&second, b, c);
	link_settle(&talk);
	link_settle(&second);
	assert_same_doc(a, c);
	put_int(c, "of c", 1);
	put_int(a, "of a", 1);
	link_settle(&second);
	link_settle(&talk);
	link_settle(&second);
	assert_same_doc(a, c);
	link_close(&second);
}

static void test_a_change_that_came_another_way_is_not_sent(void **state)
{
	am_doc *a = counted('a', 20), *b = fork_as(a, 'b');

	(void)state;
	between(a, b);
	link_settle(&talk);
	put_int(a, "x", 100);
	ok(am_merge(b, a));
	link_forget_counts(&talk);
	link_settle_as(&talk, true);
	assert_same_doc(a, b);
	assert_true(link_messages(&talk) <= 4);
}

/* ---- connections break ---- */

static void test_a_kept_state_saves_the_introduction(void **state)
{
	size_t n;

	(void)state;
	between(counted('a', 100), doc('b'));
	link_settle(&talk);
	put_int(talk.doc[0], "x", 1000);
	link_restart(&talk, 0, true);
	link_restart(&talk, 1, true);
	am_sync_shared_heads(talk.state[0], &n);
	assert_int_equal(n, 1);
	assert_true(link_say(&talk, 0));
	assert_true(talk.wire[1].n < 120); /* a filter over one change, not over 101 */
	assert_true(settled_messages() <= 5);
	assert_int_equal(talk.whole[0], 0);
}

static void test_without_any_state_it_works_as_well(void **state)
{
	(void)state;
	between(counted('a', 100), doc('b'));
	link_settle(&talk);
	put_int(talk.doc[0], "x", 1000);
	put_int(talk.doc[1], "y", 1);
	link_restart(&talk, 0, false);
	link_restart(&talk, 1, false);
	assert_true(settled_messages() <= 7);
	assert_int_equal(talk.whole[0] + talk.whole[1], 0);
}

static void test_lost_messages_are_made_good_after_reconnecting(void **state)
{
	(void)state;
	for (int lost = 0; lost < 6; lost++) {
		between(counted('a', 10), counted('b', 3));
		for (int i = 0; i < lost; i++) {
			if (link_say(&talk, i % 2) && i + 1 < lost)
				link_hear(&talk, !(i % 2));
		}
		link_restart(&talk, 0, true);
		link_restart(&talk, 1, true);
		assert_true(settled_messages() <= 10);
		link_close(&talk);
		assert_int_equal(scenario_end(state), 0);
	}
	between(doc('a'), doc('b'));
}

/* The backup of a replica and of its state comes back, older than what was said since. */
static void test_a_replica_restored_from_a_backup(void **state)
{
	am_doc *b;
	am_buf file = {0}, kept = {0};

	(void)state;
	between(counted('a', 10), doc('b'));
	link_settle(&talk);
	ok(am_save(talk.doc[1], 0, &file));
	ok(am_sync_encode(talk.state[1], &kept));
	for (int i = 0; i < 5; i++) {
		put_int(talk.doc[i % 2], "y", i);
		link_settle(&talk);
	}
	b = load_as(file.p, file.n, 'c');
	talk.doc[1] = b;
	am_sync_free(talk.state[1]);
	ok(am_sync_decode(kept.p, kept.n, NULL, &talk.state[1]));
	link_restart(&talk, 0, true);
	put_int(b, "new", 1);
	settled_messages();
	shows(b, "{\"new\":1,\"x\":9,\"y\":4}");
	am_buf_free(&file);
	am_buf_free(&kept);
}

static void test_a_replica_lost_altogether(void **state)
{
	(void)state;
	between(counted('a', 10), doc('b'));
	link_settle(&talk);
	talk.doc[1] = doc('c');
	link_restart(&talk, 1, false);
	assert_true(settled_messages() <= 6); /* the other side does not even notice a new connection */
	shows(talk.doc[1], "{\"x\":9}");
}

static void test_a_replica_lost_and_written_to_since(void **state)
{
	(void)state;
	between(counted('a', 10), doc('b'));
	link_settle(&talk);
	talk.doc[1] = doc('c');
	put_int(talk.doc[1], "new", 1);
	link_restart(&talk, 1, false);
	link_restart(&talk, 0, true);
	assert_true(settled_messages() <= 8);
	shows(talk.doc[0], "{\"new\":1,\"x\":9}");
}

/* Five changes are on their way when the other side begins anew, and nobody says so. */
static void test_a_restart_that_goes_unnoticed(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	link_settle(&talk);
	for (int i = 0; i < 5; i++)
		put_int(talk.doc[0], "x", 100 + i);
	assert_true(link_say(&talk, 0));
	link_restart(&talk, 1, false);
	assert_true(settled_messages() <= 5);
	assert_true(talk.asked[1] <= 1);
	assert_int_equal(talk.whole[0], 0);
}

static void test_a_restart_with_lost_data_goes_unnoticed(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	link_settle(&talk);
	put_int(talk.doc[0], "x", 100);
	assert_true(link_say(&talk, 0));
	talk.doc[1] = doc('c');
	put_int(talk.doc[1], "y", 1);
	link_restart(&talk, 1, false);
	assert_true(settled_messages() <= 8);
	shows(talk.doc[0], "{\"x\":100,\"y\":1}");
}

/* Too little was said for the other side to notice: it learns from being asked twice. */
static void test_an_early_restart_of_an_old_peer(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	talk.v1[1] = true;
	put_int(talk.doc[1], "y", 1);
	assert_true(link_say(&talk, 1));
	link_hear(&talk, 0);
	assert_true(link_say(&talk, 0)); /* all 20, and lost */
	link_restart(&talk, 1, false);
	assert_true(settled_messages() <= 6 + 4 * 20);
	shows(talk.doc[1], "{\"x\":19,\"y\":1}");
}

static void test_resending_on_request(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	link_settle(&talk);
	put_int(talk.doc[0], "x", 100);
	assert_true(link_say(&talk, 0)); /* and it is lost */
	assert_false(link_say(&talk, 0));
	am_sync_resend(talk.state[0]);
	assert_int_equal(settled_messages(), 2);
}

static void test_insisting_on_an_answer(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	link_settle(&talk);
	assert_false(link_say(&talk, 0));
	am_sync_insist(talk.state[0]);
	assert_true(link_say(&talk, 0));
	settled_messages();
}

static void test_states_that_cannot_be_read(void **state)
{
	static const uint8_t bad[][4] = {{0x42, 0}, {0x43, 1}, {0x43, 0, 0}, {0x43, 0x80, 0x80}};
	static const size_t n[] = {2, 2, 3, 3};
	am_sync *s;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_true(am_sync_decode(bad[i], n[i], NULL, &s) < 0);
	assert_true(am_sync_decode("", 0, NULL, &s) < 0);
	between(doc('a'), doc('b'));
}

/* ---- single messages ---- */

/* A message of version 1 with these heads and wishes, nothing else. */
static size_t write_message(uint8_t *to, struct heads h, struct heads need)
{
	uint8_t *p = to;

	*p++ = AM_MSG_V1;
	*p++ = (uint8_t)h.n;
	memcpy(p, h.h, h.n * 32);
	p += h.n * 32;
	*p++ = (uint8_t)need.n;
	memcpy(p, need.h, need.n * 32);
	p += need.n * 32;
	memcpy(p, "\0\0\2\1\2", 5); /* no filter, no changes, the tail */
	return (size_t)(p + 5 - to);
}

static void test_any_change_may_be_asked_for(void **state)
{
	am_doc *d = counted('a', 10);
	struct heads h = heads(d), need = {.n = 1};
	am_change_info info;
	uint8_t raw[600];
	am_message m;
	am_buf out = {0};

	(void)state;
	between(d, doc('b'));
	ok(am_change_at(d, 3, &info));
	need.h[0] = info.hash;
	ok(am_sync_receive(d, talk.state[0], raw, write_message(raw, h, need), 0, NULL));
	ok(am_sync_generate(d, talk.state[0], &out));
	ok(am_message_decode(out.p, out.n, NULL, &m));
	assert_int_equal(m.n_changes, 1);
	assert_int_equal(m.changes[8], 1);
	am_message_free(&m, NULL);
	am_buf_free(&out);
}

static void test_what_nobody_has_is_asked_for_in_vain(void **state)
{
	am_doc *d = counted('a', 10);
	struct heads h = heads(d), need = {.n = 1, .h = {{{7}}}};
	uint8_t raw[600];
	am_message m;
	am_buf out = {0};

	(void)state;
	between(d, doc('b'));
	ok(am_sync_receive(d, talk.state[0], raw, write_message(raw, h, need), 0, NULL));
	ok(am_sync_generate(d, talk.state[0], &out));
	if (out.n) {
		ok(am_message_decode(out.p, out.n, NULL, &m));
		assert_int_equal(m.n_changes, 0);
		am_message_free(&m, NULL);
	}
	am_buf_free(&out);
}

static void test_broken_messages_change_nothing(void **state)
{
	am_doc *a = counted('a', 5), *b = doc('b');
	am_buf m = {0};
	size_t before;

	(void)state;
	between(a, b);
	link_say(&talk, 1);
	link_hear(&talk, 0);
	ok(am_sync_generate(a, talk.state[0], &m));
	before = m.n;
	for (size_t n = 0; n < before - 3; n++)
		assert_true(am_sync_receive(b, talk.state[1], m.p, n, 0, NULL) < 0);
	m.p[before - 20] ^= 1; /* inside the changes: their checksum */
	assert_true(am_sync_receive(b, talk.state[1], m.p, m.n, 0, NULL) < 0);
	assert_int_equal(am_change_count(b), 0);
	m.p[before - 20] ^= 1;
	ok(am_sync_receive(b, talk.state[1], m.p, m.n, 0, NULL));
	settled_messages();
	am_buf_free(&m);
}

static void test_changes_that_come_too_early_wait(void **state)
{
	am_doc *a = counted('a', 10), *b = doc('b');
	am_buf chunk = {0};

	(void)state;
	ok(am_change_bytes(a, 9, &chunk));
	ok(am_apply(b, chunk.p, chunk.n, NULL));
	ok(am_change_bytes(a, 4, &chunk));
	ok(am_apply(b, chunk.p, chunk.n, NULL));
	assert_int_equal(am_change_count(b), 0);
	between(a, b);
	assert_true(settled_messages() <= 8);
	am_buf_free(&chunk);
}

static void test_orphans_of_a_stranger_do_not_hold_up_the_others(void **state)
{
	am_doc *a = counted('a', 10), *b = doc('b'), *stranger = counted('s', 3);
	am_buf chunk = {0};

	(void)state;
	ok(am_change_bytes(stranger, 2, &chunk));
	ok(am_apply(b, chunk.p, chunk.n, NULL)); /* what it stands on never comes */
	between(a, b);
	assert_true(settled_messages() <= 8);
	put_int(b, "y", 1);
	assert_true(settled_messages() <= 4);
	am_buf_free(&chunk);
}

static void test_what_a_message_brought_is_reported(void **state)
{
	am_sync_report r;

	(void)state;
	between(counted('a', 4), doc('b'));
	assert_true(link_say(&talk, 1));
	ok(am_sync_receive(talk.doc[0], talk.state[0], talk.wire[0].p, talk.wire[0].n, 0, &r));
	assert_true(r.applied == 0 && !r.had_changes && r.empty_heads && !r.only_acks);
	talk.wire[0].n = 0;
	assert_true(link_say(&talk, 0));
	ok(am_sync_receive(talk.doc[1], talk.state[1], talk.wire[1].p, talk.wire[1].n, 0, &r));
	assert_true(r.applied == 4 && r.had_changes && !r.empty_heads && !r.only_acks);
	talk.wire[1].n = 0;
	assert_true(link_say(&talk, 1));
	ok(am_sync_receive(talk.doc[0], talk.state[0], talk.wire[0].p, talk.wire[0].n, 0, &r));
	assert_true(r.applied == 0 && !r.had_changes && r.only_acks);
}

/* ---- read-only ---- */

static void test_a_read_only_side_gives_and_does_not_take(void **state)
{
	(void)state;
	between(counted('a', 5), doc('b'));
	am_sync_set_read_only(talk.state[0], true);
	put_int(talk.doc[1], "y", 1);
	link_settle(&talk);
	shows(talk.doc[0], "{\"x\":4}");
	shows(talk.doc[1], "{\"x\":4,\"y\":1}");
	assert_true(am_sync_peer_read_only(talk.state[1]));
	assert_false(am_sync_peer_read_only(talk.state[0]));
	put_int(talk.doc[0], "x", 100);
	link_forget_counts(&talk);
	link_settle(&talk);
	assert_true(link_messages(&talk) <= 2);
	shows(talk.doc[1], "{\"x\":100,\"y\":1}");
}

static void test_nothing_is_sent_to_a_read_only_side(void **state)
{
	(void)state;
	between(counted('a', 5), doc('b'));
	am_sync_set_read_only(talk.state[1], true);
	link_settle(&talk);
	for (int i = 0; i < 3; i++) {
		put_int(talk.doc[0], "x", 100 + i);
		link_forget_counts(&talk);
		link_settle(&talk);
		assert_true(talk.bytes[0] < 120);
	}
	assert_int_equal(talk.whole[0], 0);
	assert_int_equal(am_change_count(talk.doc[1]), 0);
}

static void test_a_side_that_takes_again_gets_what_it_missed(void **state)
{
	(void)state;
	between(counted('a', 5), doc('b'));
	am_sync_set_read_only(talk.state[1], true);
	put_int(talk.doc[1], "y", 1);
	link_settle(&talk);
	put_int(talk.doc[0], "x", 100);
	link_settle(&talk);
	am_sync_set_read_only(talk.state[1], false);
	assert_true(settled_messages() <= 6);
	assert_false(am_sync_peer_read_only(talk.state[0]));
	shows(talk.doc[1], "{\"x\":100,\"y\":1}");
}

static void test_becoming_read_only_is_said_at_once(void **state)
{
	(void)state;
	between(counted('a', 5), doc('b'));
	link_settle(&talk);
	assert_false(link_say(&talk, 0));
	am_sync_set_read_only(talk.state[0], true);
	assert_true(link_say(&talk, 0));
	assert_int_equal(talk.wire[1].p[talk.wire[1].n - 1], 0x86);
	am_sync_set_read_only(talk.state[0], true); /* nothing new */
	assert_false(link_say(&talk, 0));
}

static void test_read_only_is_of_the_connection_not_of_the_file(void **state)
{
	(void)state;
	between(counted('a', 5), doc('b'));
	am_sync_set_read_only(talk.state[0], true);
	link_settle(&talk);
	am_sync_reset(talk.state[0]);
	assert_true(am_sync_read_only(talk.state[0]));
	link_restart(&talk, 0, true);
	assert_false(am_sync_read_only(talk.state[0]));
}

/* It sends its changes regardless; and when they are wanted, it has to be made to send them again. */
static void test_a_peer_that_knows_nothing_of_read_only(void **state)
{
	(void)state;
	between(counted('a', 5), doc('b'));
	talk.v1[0] = talk.v1[1] = true;
	am_sync_set_read_only(talk.state[1], true);
	put_int(talk.doc[1], "y", 1);
	link_settle(&talk);
	put_int(talk.doc[0], "x", 100);
	link_settle(&talk);
	assert_true(talk.bytes[0] > 400);
	shows(talk.doc[1], "{\"y\":1}");
	shows(talk.doc[0], "{\"x\":100,\"y\":1}");
	am_sync_set_read_only(talk.state[1], false);
	assert_true(settled_messages() <= 8);
	shows(talk.doc[1], "{\"x\":100,\"y\":1}");
}

static void test_what_was_on_its_way_when_a_side_became_read_only(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	am_sync_set_read_only(talk.state[1], true); /* they learn of each other's abilities */
	am_sync_set_read_only(talk.state[1], false);
	link_settle(&talk);
	put_int(talk.doc[0], "x", 100);
	assert_true(link_say(&talk, 0));
	am_sync_set_read_only(talk.state[1], true);
	link_hear(&talk, 1);
	link_settle(&talk);
	shows(talk.doc[1], "{\"x\":19}");
	am_sync_set_read_only(talk.state[1], false);
	assert_true(link_say(&talk, 1));
	assert_int_equal(talk.wire[0].p[talk.wire[0].n - 1], 0x85);
	assert_true(settled_messages() <= 6);
	shows(talk.doc[1], "{\"x\":100}");
	assert_int_equal(talk.whole[0], 0);
}

/* The first document is on its way when the reader, who has a change of its own, declines it. */
static void test_the_first_document_declined_and_then_wanted(void **state)
{
	(void)state;
	between(counted('a', 20), doc('b'));
	put_int(talk.doc[1], "y", 1);
	link_say(&talk, 1);
	link_hear(&talk, 0);
	assert_true(link_say(&talk, 0));
	am_sync_set_read_only(talk.state[1], true);
	assert_true(link_say(&talk, 1));
	link_settle(&talk);
	shows(talk.doc[1], "{\"y\":1}");
	am_sync_set_read_only(talk.state[1], false);
	assert_true(settled_messages() <= 5);
	assert_int_equal(talk.asked[1], 0); /* it comes unasked */
}

static void test_two_read_only_sides_leave_each_other_alone(void **state)
{
	(void)state;
	between(counted('a', 5), counted('b', 3));
	am_sync_set_read_only(talk.state[0], true);
	am_sync_set_read_only(talk.state[1], true);
	assert_true(link_settle_as(&talk, true) <= 4);
	assert_int_equal(am_change_count(talk.doc[0]), 5);
	assert_int_equal(am_change_count(talk.doc[1]), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		talks(test_two_empty_documents_greet_and_fall_silent),
		talks(test_equal_documents_say_no_more_than_hello),
		talks(test_a_new_reader_gets_the_whole_document_at_once),
		talks(test_it_does_not_matter_who_begins),
		talks(test_two_that_never_met),
		talks(test_forks_that_went_on_without_each_other),
		talks(test_the_first_word_is_of_version_1),
		talks(test_an_edit_is_two_messages),
		talks(test_the_size_of_a_message_does_not_grow_with_the_history),
		talks(test_work_done_offline_goes_in_one_message),
		talks(test_both_edit_and_speak_at_the_same_time),
		talks(test_what_was_sent_is_not_sent_again),
		talks(test_an_open_transaction_is_sent_too),
		talks(test_a_message_twice_does_no_harm),
		talks(test_many_branches),
		talks(test_a_third_one_passes_on_what_it_heard),
		talks(test_a_change_that_came_another_way_is_not_sent),
		talks(test_a_kept_state_saves_the_introduction),
		talks(test_without_any_state_it_works_as_well),
		talks(test_lost_messages_are_made_good_after_reconnecting),
		talks(test_a_replica_restored_from_a_backup),
		talks(test_a_replica_lost_altogether),
		talks(test_a_replica_lost_and_written_to_since),
		talks(test_a_restart_that_goes_unnoticed),
		talks(test_a_restart_with_lost_data_goes_unnoticed),
		talks(test_an_early_restart_of_an_old_peer),
		talks(test_resending_on_request),
		talks(test_insisting_on_an_answer),
		talks(test_states_that_cannot_be_read),
		talks(test_any_change_may_be_asked_for),
		talks(test_what_nobody_has_is_asked_for_in_vain),
		talks(test_broken_messages_change_nothing),
		talks(test_changes_that_come_too_early_wait),
		talks(test_orphans_of_a_stranger_do_not_hold_up_the_others),
		talks(test_what_a_message_brought_is_reported),
		talks(test_a_read_only_side_gives_and_does_not_take),
		talks(test_nothing_is_sent_to_a_read_only_side),
		talks(test_a_side_that_takes_again_gets_what_it_missed),
		talks(test_becoming_read_only_is_said_at_once),
		talks(test_read_only_is_of_the_connection_not_of_the_file),
		talks(test_a_peer_that_knows_nothing_of_read_only),
		talks(test_what_was_on_its_way_when_a_side_became_read_only),
		talks(test_the_first_document_declined_and_then_wanted),
		talks(test_two_read_only_sides_leave_each_other_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
