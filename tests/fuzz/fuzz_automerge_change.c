/* One change chunk: decoded alone, then applied to a document that has objects
 * of every kind. What is taken must not spoil the document. */
#include "automerge_fuzz.h"

/* What can be shown can be made again (a value that says nothing, of an operation that makes
 * an object, is lost), and what was made stays what it is. */
static void must_encode(const am_change_view *v)
{
	am_actor_id *others = NULL;
	const am_op_view *ops;
	size_t n = am_change_view_ops(v, &ops), k = 0;
	am_change_view *again;
	am_buf one = {0}, two = {0};

	do {
		others = realloc(others, (k + 1) * sizeof *others);
		assert(others);
	} while ((others[k].p = am_change_view_actor(v, (uint32_t)k + 1, &others[k].n)) && ++k);
	assert(am_change_encode(am_change_view_info(v), others, k, ops, n, NULL, NULL, &one) == AM_OK);
	assert(am_change_decode(one.p, one.n, NULL, &again) == AM_OK);
	assert(am_change_view_ops(again, &ops) == n);
	assert(am_change_encode(am_change_view_info(again), others, k, ops, n, NULL, NULL, &two) == AM_OK);
	assert(one.n == two.n && memcmp(one.p, two.p, one.n) == 0);
	am_change_view_free(again);
	am_buf_free(&one);
	am_buf_free(&two);
	free(others);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct fuzz_mem mem = {0};
	am_opts opts = fuzz_opts(&mem);
	am_change_view *v;
	const am_op_view *ops;
	am_buf bytes = {0};
	am_doc *d;
	size_t before;

	if (am_change_decode(p, n, &opts, &v) == AM_OK) {
		assert(am_change_view_ops(v, &ops) == am_change_view_info(v)->n_ops);
		must_encode(v);
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
