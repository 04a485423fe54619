/* One change chunk: decoded alone, then applied to a document that has objects
 * of every kind. What is taken must not spoil the document. */
#include "automerge_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct fuzz_mem mem = {0};
	am_opts opts = fuzz_opts(&mem);
	am_change_view *v;
	const am_op_view *ops;
	am_buf bytes = {0};
	am_doc *d;
	size_t before;

	/* am_change_decode has no limits of its own; skip what could be large. */
	if (n < 400 && am_change_decode(p, n, NULL, &v) == AM_OK) {
		assert(am_change_view_ops(v, &ops) == am_change_view_info(v)->n_ops);
		am_change_view_free(v);
	}
	d = fuzz_base(&opts, NULL);
	before = am_change_count(d);
	if (am_apply(d, p, n, NULL) == AM_OK) {
		must_survive(d, 0);
		for (size_t i = before; i < am_change_count(d); i++)
			assert(am_change_bytes(d, i, &bytes) == AM_OK);
	} else {
		assert(am_change_count(d) == before);
	}
	am_buf_free(&bytes);
	am_free(d);
	assert(mem.live == 0);
	fuzz_mem_check(&mem, n);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	return mutate_chunks(data, n, max, seed);
}
