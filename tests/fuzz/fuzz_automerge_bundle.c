/* Bundles: unpacked alone, applied, packed again. */
#include "automerge_fuzz.h"

static void again(am_doc *d, size_t before)
{
	am_buf bundle = {0}, changes = {0}, one = {0};
	am_change_info info;
	size_t at = 0;

	assert(am_change_at(d, before - 1, &info) == AM_OK);
	assert(am_save_bundle_after(d, &info.hash, 1, 0, &bundle) == AM_OK);
	if (bundle.n) {
		assert(am_bundle_changes(bundle.p, bundle.n, NULL, &changes) == AM_OK);
		for (size_t i = 0; i < am_change_count(d) && at < changes.n; i++) {
			assert(am_change_bytes(d, i, &one) == AM_OK);
			if (one.n <= changes.n - at && memcmp(one.p, changes.p + at, one.n) == 0)
				at += one.n;
		}
		assert(at == changes.n);
	}
	am_buf_free(&bundle);
	am_buf_free(&changes);
	am_buf_free(&one);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct fuzz_mem mem = {0};
	am_opts opts = fuzz_opts(&mem);
	am_buf out = {.a = opts.alloc};
	am_doc *d = fuzz_base(&opts, NULL);
	size_t before = am_change_count(d);

	(void)am_bundle_changes(p, n, &opts, &out);
	am_buf_free(&out);
	if (am_apply(d, p, n, NULL) == AM_OK) {
		must_survive(d, 0);
		again(d, before);
	} else {
		assert(am_change_count(d) == before);
	}
	am_free(d);
	assert(mem.live == 0);
	fuzz_mem_check(&mem, n);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	return mutate_chunks(data, n, max, seed);
}
