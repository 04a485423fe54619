/* What decodes must encode, and what was encoded must decode to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct handshake message, again;
	struct buf first = {0}, second = {0};
	(void)handshake_peek(p, n);
	if (handshake_decode(p, n, &message) < 0)
		return 0;
	handshake_append(&first, &message);
	assert(handshake_decode(first.p, first.n, &again) == 0);
	handshake_append(&second, &again);
	assert(first.n == second.n && memcmp(first.p, second.p, first.n) == 0);
	handshake_fini(&message);
	handshake_fini(&again);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
