/* What decodes must encode, and what was encoded must decode to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct response message, again;
	struct buf first = {0}, second = {0};
	if (response_decode(p, n, &message) < 0)
		return 0;
	response_append(&first, &message, QUEUE_OBJECTS);
	assert(response_decode(first.p, first.n, &again) == 0);
	response_append(&second, &again, QUEUE_OBJECTS);
	assert(first.n == second.n && memcmp(first.p, second.p, first.n) == 0);
	response_fini(&message);
	response_fini(&again);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
