#include "store/journal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "host/fault.h"
#include "host/file.h"
#include "host/sim.h"
#include "store/journal_model.h"

/* Lives of a journal on a simulated disk: entries, compactions, sidecars and a
 * full disk in the seed's order, the process killed before any operation or at
 * any time, with and without the power. What was reported synced is there
 * afterwards. RUNTIMED_SIM_SEED=n runs one seed with the log on. */

#define SEEDS 400
#define SEEDS_LONG 6000
#define LIVES 4

struct life {
	uint64_t seed;
	uint64_t dice;
	struct sim_disk *disk;
	struct host *h;
	struct fault *fault;
	struct journal_store *store;
	struct journal *j;
	struct model m;
	bool durable[ENTRY_MAX]; /* reported synced in some life */
	unsigned steps;
};

static uint64_t roll(struct life *l, uint64_t n)
{
	l->dice = l->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (l->dice >> 33) % n;
}

static void on_synced(void *ctx, uint64_t seq)
{
	struct life *l = ctx;

	for (unsigned i = 0; i < l->m.n; i++)
		if (l->m.seq[i] > 0 && l->m.seq[i] <= seq)
			l->durable[i] = true;
}

static int on_save(void *ctx, struct buf *out)
{
	model_save(&((struct life *)ctx)->m, out);
	return 0;
}

static void on_status(void *ctx, enum journal_state state, int err)
{
	(void)ctx;
	assert_int_equal(err < 0, state != JOURNAL_OK);
}

static const struct journal_events events = {.synced = on_synced, .save = on_save, .status = on_status};

static void on_crash(void *ctx)
{
	host_sim_kill(((struct life *)ctx)->h);
}

static void fail_seed(struct life *l, const char *what, unsigned number)
{
	print_error("seed %u: %s %u; run with RUNTIMED_SIM_SEED=%u\n", (unsigned)l->seed, what, number,
		    (unsigned)l->seed);
	fail();
}

static void begin(struct life *l)
{
	struct fault_rule crash = {.ops = FAULT_CHANGE, .nth = 1 + roll(l, 60), .action = FAULT_CRASH, .crash = on_crash,
				   .ctx = l};
	struct journal_content c;

	assert_int_equal(host_sim_new(l->disk, roll(l, UINT32_MAX), &l->h), 0);
	l->fault = fault_install(l->h);
	assert_int_equal(journal_store_open(l->h, "/cache/notebook-docs", "/run/runtimed/0123", &l->store), 0);
	l->m = (struct model){.padding = (size_t)roll(l, 2000)};
	assert_int_equal(journal_load(l->store, "n1", &c), 0);
	if (c.corrupt)
		fail_seed(l, "corrupt journal in life", l->steps);
	model_load(&l->m, c.bytes.p, c.bytes.n);
	for (unsigned i = 0; i < ENTRY_MAX; i++)
		if (l->durable[i] && !l->m.has[i])
			fail_seed(l, "lost synced entry", i);
	/* What was loaded is acknowledged like all else, unless it is to be rewritten. */
	for (unsigned i = 0; i < ENTRY_MAX && !c.rewrite; i++)
		l->durable[i] |= l->m.has[i];
	assert_int_equal(journal_open(l->store, "n1", &c, &events, l, &l->j), 0);
	journal_content_free(&c);
	if (roll(l, 4) > 0)
		fault_add(l->fault, &crash);
}

static void put(struct life *l)
{
	struct buf b = {0};
	unsigned number = l->m.n++;

	assert_true(number < ENTRY_MAX);
	l->m.has[number] = true;
	change(&b, number, l->m.padding);
	l->m.seq[number] = journal_append(l->j, b.p, b.n);
	buf_free(&b);
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static void step(struct life *l)
{
	struct sidecar sc = {.kind = "untitled"};

	switch (roll(l, 10)) {
	case 0:
		journal_compact(l->j, NULL, NULL);
		break;
	case 1:
		journal_set_sidecar(l->j, &sc, NULL, NULL);
		break;
	case 2:
		sim_disk_set_limit(l->disk, sim_disk_used(l->disk) + roll(l, 3000));
		break;
	case 3:
		sim_disk_set_limit(l->disk, UINT64_MAX);
		break;
	default:
		for (uint64_t n = roll(l, 4); n > 0; n--)
			put(l);
		break;
	}
	host_run_until(l->h, never, NULL, roll(l, 8) == 0 ? HOST_SEC(2) : HOST_MS(roll(l, 20)));
}

static void end(struct life *l)
{
	bool power = roll(l, 2);

	if (!host_sim_killed(l->h))
		host_sim_kill(l->h);
	journal_close(l->j);
	journal_store_close(l->store);
	fault_remove(l->fault);
	host_free(l->h);
	sim_disk_set_limit(l->disk, UINT64_MAX);
	if (power)
		sim_disk_power_loss(l->disk);
}

/* In peace everything becomes durable in the primary, whatever happened before. */
static void settle(struct life *l)
{
	char *primary, *fallback;

	begin(l);
	fault_clear(l->fault);
	put(l);
	host_run_until(l->h, never, NULL, HOST_SEC(40));
	if (journal_synced(l->j) != journal_appended(l->j) || journal_status(l->j, NULL) != JOURNAL_OK)
		fail_seed(l, "not settled in life", l->steps);
	journal_paths(l->store, "n1", &primary, &fallback);
	assert_true(host_path_exists(l->h, primary));
	assert_false(host_path_exists(l->h, fallback));
	free(primary);
	free(fallback);
	end(l);
}

static unsigned run_seed(uint64_t seed)
{
	struct life l = {.seed = seed, .dice = seed * 7919 + 1, .disk = sim_disk_new(seed)};
	unsigned durable = 0;

	for (l.steps = 0; l.steps < LIVES; l.steps++) {
		begin(&l);
		for (unsigned i = 0; i < 30 && !host_sim_killed(l.h); i++)
			step(&l);
		end(&l);
	}
	settle(&l);
	for (unsigned i = 0; i < ENTRY_MAX; i++)
		durable += l.durable[i];
	sim_disk_free(l.disk);
	return durable;
}

static void test_seeds(void **state)
{
	const char *one = getenv("RUNTIMED_SIM_SEED"), *longer = getenv("RUNTIMED_TEST_LONG");
	uint64_t seeds = longer && *longer ? SEEDS_LONG : SEEDS;
	unsigned durable = 0;

	(void)state;
	if (one) {
		log_set_level(LOG_INFO);
		run_seed(strtoull(one, NULL, 10));
		return;
	}
	log_set_level(LOG_ERROR);
	for (uint64_t seed = 1; seed <= seeds; seed++)
		durable += run_seed(seed);
	/* The lives were worth living. */
	assert_true(durable > seeds * 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
