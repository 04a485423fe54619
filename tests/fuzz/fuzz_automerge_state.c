/* A persisted sync state: what decodes encodes to a state that decodes. */
#include "automerge_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	am_sync *s, *t;
	am_buf b = {0};
	am_doc *d;

	if (am_sync_decode(p, n, NULL, &s))
		return 0;
	assert(am_sync_encode(s, &b) == AM_OK);
	assert(am_sync_decode(b.p, b.n, NULL, &t) == AM_OK);
	assert(am_new(NULL, &d) == AM_OK);
	assert(am_sync_generate(d, s, &b) == AM_OK);
	am_free(d);
	am_sync_free(s);
	am_sync_free(t);
	am_buf_free(&b);
	return 0;
}
