/* What decodes must encode, and what was encoded must decode to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct pool_request message, again;
	struct buf first = {0}, second = {0};
	char *why = NULL;
	int r = pool_request_decode(p, n, &message, &why);
	free(why);
	if (r < 0)
		return 0;
	pool_request_append(&first, &message);
	assert(pool_request_decode(first.p, first.n, &again, NULL) == 0);
	pool_request_append(&second, &again);
	assert(first.n == second.n && memcmp(first.p, second.p, first.n) == 0);
	pool_request_fini(&message);
	pool_request_fini(&again);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
