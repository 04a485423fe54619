/* What decodes must encode, and what was encoded must decode to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct request message, again;
	struct buf first = {0}, second = {0};
	char *why = NULL, *id = NULL;
	int r = request_decode(p, n, &message, &why, &id);
	free(why);
	free(id);
	if (r < 0)
		return 0;
	request_append(&first, &message);
	assert(request_decode(first.p, first.n, &again, NULL, NULL) == 0);
	request_append(&second, &again);
	assert(first.n == second.n && memcmp(first.p, second.p, first.n) == 0);
	request_fini(&message);
	request_fini(&again);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
