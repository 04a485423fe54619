/* What decodes must encode, and what was encoded must decode to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct pool_response message, again;
	struct buf first = {0}, second = {0};
	if (pool_response_decode(p, n, &message) < 0)
		return 0;
	pool_response_append(&first, &message);
	assert(pool_response_decode(first.p, first.n, &again) == 0);
	pool_response_append(&second, &again);
	assert(first.n == second.n && memcmp(first.p, second.p, first.n) == 0);
	pool_response_fini(&message);
	pool_response_fini(&again);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
