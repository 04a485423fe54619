/* Sync where it is hard: filters that hide changes, and networks of two to seven peers
 * with everything that can go wrong at once. Bounds follow from the protocol: a message
 * needs a reason (a connection, new heads, or something heard). */
#include "automerge/sync_link_test.h"

/* ---- changes a filter hides ---- */

/* Two equal peers with n changes; the first word of b is on its way to a, and its
 * filter is what is searched against. As b shares nothing with a for sure until it
 * has all that a has, it goes on saying that filter. */
static struct am_bloom begin_hidden(struct link *l, int n)
{
	am_doc *a = new_doc(NULL, 1), *b;

	for (int i = 0; i < n; i++)
		put_int(a, "base", i);
	assert_int_equal(am_fork(a, &b), AM_OK);
	assert_int_equal(am_set_actor(b, "\2", 1), AM_OK);
	link_open(l, a, b);
	assert_true(link_say(l, 1));
	return filter_of(&l->wire[0]);
}

static void end_hidden(struct link *l)
{
	assert_same_doc(l->doc[0], l->doc[1]);
	link_close(l);
	am_free(l->doc[0]);
	am_free(l->doc[1]);
}

static void test_one_hidden_change_is_asked_for(void **state)
{
	struct link l;
	struct am_bloom f = begin_hidden(&l, 12);

	(void)state;
	hide_change(l.doc[0], &f, 9, 1);
	link_settle(&l);
	assert_int_equal(l.asked[1], 1);
	assert_true(link_messages(&l) <= 6);
	end_hidden(&l);
}

/* Each hides the next: they come one by one, two messages each. */
static void test_chain_of_hidden_changes(void **state)
{
	struct link l;
	struct am_bloom f = begin_hidden(&l, 12);

	(void)state;
	for (int i = 0; i < 5; i++)
		hide_change(l.doc[0], &f, 9, i);
	link_settle(&l);
	assert_int_equal(l.asked[1], 5);
	assert_true(link_messages(&l) <= 2 * 5 + 4);
	end_hidden(&l);
}

/* What depends on a change that is sent goes with it, whatever the filter says. */
static void test_dependents_go_along(void **state)
{
	struct link l;
	struct am_bloom f = begin_hidden(&l, 12);

	(void)state;
	do
		put_int(l.doc[0], "seen", (int64_t)am_change_count(l.doc[0]));
	while (am_bloom_has(&f, am_heads(l.doc[0], &(size_t){0})));
	hide_change(l.doc[0], &f, 9, 1);
	link_settle(&l);
	assert_int_equal(l.asked[1], 0);
	assert_true(link_messages(&l) <= 4);
	end_hidden(&l);
}

/* The hidden change lies below one that is sent: that one waits for it. */
static void test_hidden_below_a_sent_one(void **state)
{
	struct link l;
	struct am_bloom f = begin_hidden(&l, 12);

	(void)state;
	hide_change(l.doc[0], &f, 9, 1);
	do
		put_int(l.doc[0], "above", (int64_t)am_change_count(l.doc[0]));
	while (am_bloom_has(&f, am_heads(l.doc[0], &(size_t){0})));
	link_settle(&l);
	assert_int_equal(l.asked[1], 1);
	end_hidden(&l);
}

static void test_hidden_on_both_sides(void **state)
{
	struct link l;
	struct am_bloom f = begin_hidden(&l, 12), g;

	(void)state;
	assert_true(link_say(&l, 0)); /* they greet each other at the same time */
	g = filter_of(&l.wire[1]);
	hide_change(l.doc[0], &f, 9, 1);
	hide_change(l.doc[1], &g, 8, 1);
	link_settle_as(&l, true);
	assert_int_equal(l.asked[0], 1);
	assert_int_equal(l.asked[1], 1);
	assert_true(link_messages(&l) <= 10);
	end_hidden(&l);
}

static void test_hidden_from_a_v1_peer(void **state)
{
	struct link l;
	struct am_bloom f = begin_hidden(&l, 12);

	(void)state;
	l.v1[1] = true;
	l.wire[0].n -= 3;
	for (int i = 0; i < 3; i++)
		hide_change(l.doc[0], &f, 9, i);
	link_settle(&l);
	assert_int_equal(l.asked[1], 3);
	assert_true(link_messages(&l) <= 2 * 3 + 4);
	end_hidden(&l);
}

/* The answer to the question is lost with the connection. */
static void test_hidden_and_the_answer_lost(void **state)
{
	struct link l;
	struct am_bloom f = begin_hidden(&l, 12);

	(void)state;
	hide_change(l.doc[0], &f, 9, 1);
	for (int i = 0; i < 10 && !l.asked[1]; i++) {
		link_hear(&l, 0);
		link_say(&l, 0);
		link_hear(&l, 1);
		link_say(&l, 1);
	}
	assert_int_equal(l.asked[1], 1);
	link_hear(&l, 0);
	assert_true(link_say(&l, 0));
	link_restart(&l, 0, true);
	link_restart(&l, 1, true);
	link_settle(&l);
	end_hidden(&l);
}

/* ---- networks ---- */

enum { PEERS = 7, QUEUE = 8 };
enum role { PLAIN, V1, READ_ONLY };

struct way { /* one direction of a connection */
	am_sync *state;      /* of the sender */
	am_buf wire[QUEUE];  /* to the other, in order */
	size_t n, said, allowed, moves_before;
	bool linked;
};

struct peer {
	am_doc *doc;
	enum role role;
	size_t moves; /* what may have given it new heads */
};

struct net {
	struct rng r;
	int n;
	struct peer peer[PEERS];
	struct way way[PEERS][PEERS];
	uint8_t next_actor;
	size_t made;  /* changes in the world */
	bool all_write;
	size_t messages, bytes, asked;
};

static struct way *way(struct net *x, int from, int to)
{
	return &x->way[from][to];
}

static void way_begin(struct net *x, int from, int to, bool keep)
{
	struct way *w = way(x, from, to);
	am_buf kept = {0};

	while (w->n)
		am_buf_free(&w->wire[--w->n]);
	if (w->state && keep) {
		assert_int_equal(am_sync_encode(w->state, &kept), AM_OK);
		am_sync_free(w->state);
		assert_int_equal(am_sync_decode(kept.p, kept.n, NULL, &w->state), AM_OK);
	} else {
		am_sync_free(w->state);
		assert_int_equal(am_sync_new(NULL, &w->state), AM_OK);
	}
	am_buf_free(&kept);
	if (x->peer[from].role == READ_ONLY && !x->all_write)
		am_sync_set_read_only(w->state, true);
	w->said = 0;
	w->allowed = 1;
	w->moves_before = x->peer[from].moves;
	w->linked = true;
}

static void connect_pair(struct net *x, int a, int b, bool keep)
{
	bool other = rnd(&x->r, 4) != 0;

	way_begin(x, a, b, keep);
	way_begin(x, b, a, keep && other);
}

/* One side did not notice: it keeps its state and what it has sent is lost. */
static void reconnect_unnoticed(struct net *x, int a, int b)
{
	struct way *back = way(x, b, a);

	way_begin(x, a, b, false);
	while (back->n)
		am_buf_free(&back->wire[--back->n]);
}

static bool without_tail(const struct net *x, int a, int b)
{
	return x->peer[a].role == V1 || x->peer[b].role == V1;
}

static void check_message(struct net *x, int from, int to, const am_buf *m)
{
	struct way *w = way(x, from, to);
	struct am_msg msg = message_of(m);
	struct am_bloom f = filter_of(m);

	w->said++;
	x->messages++;
	x->bytes += m->n;
	x->asked += msg.n_need != 0;
	assert_true(w->said <= w->allowed + x->peer[from].moves - w->moves_before);
	assert_true(msg.n_have <= 1);
	assert_true(f.n_bits <= 10 * x->made + 7);
	if (without_tail(x, from, to))
		assert_int_equal(msg.type, AM_MSG_V1);
}

static bool net_say(struct net *x, int from, int to)
{
	struct way *w = way(x, from, to);
	am_buf m = {0};

	if (w->n == QUEUE)
		return false;
	assert_int_equal(am_sync_generate(x->peer[from].doc, w->state, &m), AM_OK);
	if (!m.n) {
		am_buf_free(&m);
		return false;
	}
	check_message(x, from, to, &m);
	if (without_tail(x, from, to)) {
		assert_int_equal(m.p[m.n - 3], 2);
		m.n -= 3;
	}
	w->wire[w->n++] = m;
	return true;
}

static bool net_hear(struct net *x, int from, int to, int times)
{
	struct way *w = way(x, from, to), *back = way(x, to, from);
	size_t had = am_change_count(x->peer[to].doc);
	am_buf m;

	if (!w->n)
		return false;
	m = w->wire[0];
	memmove(&w->wire[0], &w->wire[1], --w->n * sizeof m);
	while (times--) {
		assert_int_equal(am_sync_receive(x->peer[to].doc, back->state, m.p, m.n, 0, NULL), AM_OK);
		back->allowed++;
		x->peer[to].moves++;
	}
	if (am_sync_read_only(back->state))
		assert_int_equal(am_change_count(x->peer[to].doc), had);
	am_buf_free(&m);
	return true;
}

static void net_edit(struct net *x, int p)
{
	am_doc *d = x->peer[p].doc;

	for (uint32_t i = rnd(&x->r, 4) + 1; i; i--)
		random_change(d, &x->r);
	x->peer[p].moves++;
	x->made += 4;
}

static void net_lose(struct net *x, int p)
{
	am_free(x->peer[p].doc);
	x->peer[p].doc = new_doc(NULL, x->next_actor++);
	x->peer[p].moves++;
	for (int q = 0; q < x->n; q++) {
		if (!way(x, p, q)->linked)
			continue;
		way_begin(x, p, q, false);
		way_begin(x, q, p, true);
	}
}

/* The latest changes of somebody, without what they stand on. */
static void net_orphans(struct net *x, int from, int to)
{
	am_doc *d = x->peer[from].doc;
	size_t n = am_change_count(d);
	am_buf chunk = {0};

	if (n < 3)
		return;
	for (size_t i = n - 1 - rnd(&x->r, 2); i < n; i++) {
		assert_int_equal(am_change_bytes(d, i, &chunk), AM_OK);
		assert_int_equal(am_apply(x->peer[to].doc, chunk.p, chunk.n, NULL), AM_OK);
	}
	x->peer[to].moves++;
	am_buf_free(&chunk);
}

/* What `from` says last has a filter; `to` gets changes which that claims to hold. */
static void net_hide(struct net *x, int from, int to)
{
	struct way *w = way(x, from, to);
	struct am_bloom f;

	if (x->peer[to].role == READ_ONLY || !net_say(x, from, to))
		return;
	f = filter_of(&w->wire[w->n - 1]);
	if (f.n_bits < 32)
		return; /* too few bits to search against */
	for (uint32_t i = rnd(&x->r, 3) + 1, actor = x->next_actor++; i; i--)
		hide_change(x->peer[to].doc, &f, (uint8_t)actor, (int64_t)i);
	x->peer[to].moves++;
	x->made += 3;
}

static void net_build(struct net *x, uint64_t seed)
{
	*x = (struct net){.r = {seed * 0x9e3779b97f4a7c15u + 1}, .next_actor = 0x40};
	x->n = 2 + (int)rnd(&x->r, PEERS - 1);
	for (int p = 0; p < x->n; p++) {
		x->peer[p].doc = new_doc(NULL, (uint8_t)(0x10 + (p * 5) % 7));
		if (p > 1 && rnd(&x->r, 4) == 0)
			x->peer[p].role = rnd(&x->r, 2) ? V1 : READ_ONLY;
	}
	for (int p = 1; p < x->n; p++) { /* a tree through those that pass things on */
		int q;

		do
			q = (int)rnd(&x->r, (uint32_t)p);
		while (x->peer[q].role == READ_ONLY);
		connect_pair(x, p, q, false);
	}
	for (int i = (int)rnd(&x->r, 4); i > 0; i--) {
		int p = (int)rnd(&x->r, (uint32_t)x->n), q = (int)rnd(&x->r, (uint32_t)x->n);

		if (p != q && !way(x, p, q)->linked)
			connect_pair(x, p, q, false);
	}
}

static void net_step(struct net *x, bool unnoticed)
{
	int a = (int)rnd(&x->r, (uint32_t)x->n), b = (int)rnd(&x->r, (uint32_t)x->n);
	uint32_t what = rnd(&x->r, 64);

	if (what < 10)
		net_edit(x, a);
	if (a == b || what < 10)
		return;
	if (what == 10)
		net_orphans(x, a, b);
	if (!way(x, a, b)->linked)
		return;
	if (what < 36)
		net_say(x, a, b);
	else if (what < 58)
		net_hear(x, a, b, what == 36 ? 2 : 1);
	else if (what == 58 && x->peer[a].role != READ_ONLY)
		net_lose(x, a);
	else if (what == 59)
		net_hide(x, a, b);
	else if (what == 60 && unnoticed)
		reconnect_unnoticed(x, a, b);
	else
		connect_pair(x, a, b, true);
}

static bool net_round(struct net *x)
{
	bool busy = false;

	for (int a = 0; a < x->n; a++)
		for (int b = 0; b < x->n; b++) {
			if (!way(x, a, b)->linked)
				continue;
			busy |= net_say(x, a, b);
			while (net_hear(x, a, b, 1))
				busy = true;
		}
	return busy;
}

/* Three rounds for each hop of the longest way, and one for each question. */
static void net_settle(struct net *x)
{
	size_t before = x->asked, rounds = 0;

	while (net_round(x))
		assert_true(rounds++ <= 6 + 4 * (size_t)x->n + (x->asked - before));
}

static void assert_same_but(struct net *x, enum role left_out)
{
	for (int p = 1; p < x->n; p++)
		if (x->peer[p].role != left_out)
			assert_same_doc(x->peer[0].doc, x->peer[p].doc);
}

/* Read-only peers get what they refused once they are so no longer. */
static void net_all_write(struct net *x)
{
	x->all_write = true;
	for (int p = 0; p < x->n; p++)
		for (int q = 0; q < x->n; q++) {
			if (x->peer[p].role != READ_ONLY || !way(x, p, q)->linked)
				continue;
			assert_true(am_sync_read_only(way(x, p, q)->state));
			am_sync_set_read_only(way(x, p, q)->state, false);
			way(x, p, q)->allowed++;
		}
	net_settle(x);
}

static void net_free(struct net *x)
{
	for (int p = 0; p < x->n; p++) {
		am_free(x->peer[p].doc);
		for (int q = 0; q < x->n; q++) {
			struct way *w = way(x, p, q);

			while (w->n)
				am_buf_free(&w->wire[--w->n]);
			am_sync_free(w->state);
		}
	}
}

static void run_network(uint64_t seed, bool unnoticed)
{
	struct net x;

	net_build(&x, seed);
	for (int i = 0; i < 200; i++)
		net_step(&x, unnoticed);
	net_settle(&x);
	assert_same_but(&x, READ_ONLY);
	net_all_write(&x);
	assert_same_but(&x, (enum role)-1);
	net_free(&x);
}

static void test_networks(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		run_network(seed, false);
}

static void test_networks_that_do_not_notice(void **state)
{
	(void)state;
	for (uint64_t seed = 1001; seed <= 1040; seed++)
		run_network(seed, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_hidden_change_is_asked_for),
		cmocka_unit_test(test_chain_of_hidden_changes),
		cmocka_unit_test(test_dependents_go_along),
		cmocka_unit_test(test_hidden_below_a_sent_one),
		cmocka_unit_test(test_hidden_on_both_sides),
		cmocka_unit_test(test_hidden_from_a_v1_peer),
		cmocka_unit_test(test_hidden_and_the_answer_lost),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_networks_that_do_not_notice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
