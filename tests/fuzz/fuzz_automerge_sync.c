/* A sync message into a document with some history; then what it answers is
 * received by a fresh peer. */
#include "automerge_fuzz.h"

/* What can be shown can be made again, and what was made stays what it is. */
static void must_encode(const am_message *m)
{
	am_message again;
	am_buf one = {0}, two = {0};

	assert(am_message_encode(m, NULL, &one) == AM_OK);
	assert(am_message_decode(one.p, one.n, NULL, &again) == AM_OK);
	assert(am_message_encode(&again, NULL, &two) == AM_OK);
	assert(one.n == two.n && memcmp(one.p, two.p, one.n) == 0);
	am_message_free(&again, NULL);
	am_buf_free(&one);
	am_buf_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct fuzz_mem mem = {0};
	am_opts opts = fuzz_opts(&mem);
	am_value v = {.type = AM_INT};
	am_doc *d, *e;
	am_sync *s, *t;
	am_message msg;
	am_buf out = {0};

	if (am_message_decode(p, n, NULL, &msg) == AM_OK) {
		must_encode(&msg);
		am_message_free(&msg, NULL);
	}
	if (am_new(&opts, &d) || am_new(&opts, &e) || am_sync_new(NULL, &s) || am_sync_new(NULL, &t))
		abort();
	am_set_actor(d, "\x01", 1);
	for (v.i = 0; v.i < 4; v.i++) {
		am_map_put(d, AM_ROOT, "k", 1, &v);
		am_commit(d, NULL, 0, 0, NULL);
	}
	(void)am_sync_receive(d, s, p, n, n && p[n - 1] & 1 ? AM_SYNC_STRIP_CHANGES : 0, NULL);
	for (int i = 0; i < 4; i++) {
		assert(am_sync_generate(d, s, &out) == AM_OK);
		if (!out.n)
			break;
		assert(am_sync_receive(e, t, out.p, out.n, 0, NULL) == AM_OK);
		assert(am_sync_generate(e, t, &out) == AM_OK);
		if (!out.n)
			break;
		assert(am_sync_receive(d, s, out.p, out.n, 0, NULL) == AM_OK);
	}
	must_survive(d, 0);
	am_buf_free(&out);
	am_sync_free(s);
	am_sync_free(t);
	am_free(d);
	am_free(e);
	assert(mem.live == 0);
	fuzz_mem_check(&mem, 2 * n);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	return mutate_message(data, n, max, seed);
}
