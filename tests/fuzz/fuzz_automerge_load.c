/* Files: any concatenation of chunks, in every mode, and what salvage makes of them. */
#include "automerge_fuzz.h"

static void try_load(const uint8_t *p, size_t n, int flags)
{
	struct fuzz_mem mem = {0};
	am_opts opts = fuzz_opts(&mem);
	am_doc *d;
	am_buf out = {0};

	if (am_load(p, n, &opts, flags, &d) == AM_OK) {
		must_survive(d, 0);
		assert(am_json(d, NULL, AM_ROOT, true, &out) == AM_OK);
		for (size_t i = 0; i < am_change_count(d); i++)
			assert(am_change_bytes(d, i, &out) == AM_OK);
		am_buf_free(&out);
		am_free(d);
	}
	assert(mem.live == 0);
	fuzz_mem_check(&mem, n);
}

/* On trust anything may come out, but nothing may break. */
static void try_trust(const uint8_t *p, size_t n)
{
	am_opts opts = fuzz_opts(NULL);
	am_hash none = {{0}};
	am_doc *d;
	am_buf out = {0};

	if (am_load(p, n, &opts, AM_LOAD_UNVERIFIED, &d))
		return;
	(void)am_json(d, NULL, AM_ROOT, true, &out);
	(void)am_save(d, 0, &out);
	(void)am_has_change(d, &none);
	(void)am_save_after(d, NULL, 0, &out);
	am_buf_free(&out);
	am_free(d);
}

static void try_salvage(const uint8_t *p, size_t n)
{
	struct fuzz_mem mem = {0};
	am_opts opts = fuzz_opts(&mem);
	am_salvage_report rep;
	am_doc *d;

	/* Looking for a wrong byte takes most of a second: not on every input. */
	if (n > 8 && p[7] & 31 && am_load(p, n, &opts, AM_LOAD_PARTIAL, &d) == AM_OK)
		am_free(d);
	else if (n <= 8 || p[7] & 31)
		return;
	assert(am_salvage(p, n, &opts, NULL, NULL, &rep, &d) == AM_OK);
	assert(rep.changes == am_change_count(d));
	must_survive(d, 0);
	am_free(d);
	assert(mem.live == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	try_load(p, n, 0);
	try_load(p, n, AM_LOAD_PARTIAL);
	try_load(p, n, AM_LOAD_STRICT);
	try_trust(p, n);
	try_salvage(p, n);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	return mutate_chunks(data, n, max, seed);
}
