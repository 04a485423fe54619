/* What decodes must encode, and what was encoded must decode to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/broadcast.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct broadcast message, again;
	struct buf first = {0}, second = {0};
	if (broadcast_decode(p, n, &message) < 0)
		return 0;
	broadcast_append(&first, &message, QUEUE_STRINGS);
	assert(broadcast_decode(first.p, first.n, &again) == 0);
	broadcast_append(&second, &again, QUEUE_STRINGS);
	assert(first.n == second.n && memcmp(first.p, second.p, first.n) == 0);
	broadcast_fini(&message);
	broadcast_fini(&again);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
