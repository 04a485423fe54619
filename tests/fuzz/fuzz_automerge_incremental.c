/* Chunks into a document with a history of its own, twice: the second time all of
 * it is known. */
#include "automerge_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct fuzz_mem mem = {0};
	am_opts opts = fuzz_opts(&mem);
	am_value v = {.type = AM_INT, .i = 5};
	am_load_report rep, again;
	am_doc *d = fuzz_base(&opts, NULL), *e;
	size_t before;
	int rc;

	am_set_actor(d, "\x05", 1);
	am_map_put(d, AM_ROOT, "own", 3, &v);
	before = am_change_count(d);
	assert(am_fork(d, &e) == AM_OK);
	rc = am_load_incremental(d, p, n, &rep);
	assert(rc == AM_OK ? am_change_count(d) == before + rep.applied : am_change_count(d) == before);
	must_survive(d, 0);
	if (rc == AM_OK && rep.queued < 64) { /* none was dropped */
		assert(am_load_incremental(d, p, n, &again) == AM_OK);
		assert(again.applied == 0 && again.queued == rep.queued && again.bad == rep.bad);
		assert(am_merge(e, d) == AM_OK);
		assert_same_heads(d, e);
	}
	am_free(d);
	am_free(e);
	assert(mem.live == 0);
	fuzz_mem_check(&mem, 2 * n);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	return mutate_chunks(data, n, max, seed);
}
