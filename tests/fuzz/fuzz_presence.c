/* What decodes must encode, and what was encoded must decode to the same bytes,
 * in both forms of an update. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/presence.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_again(const struct buf *first, void (*append)(struct buf *, const struct presence *))
{
	struct presence again;
	struct buf second = {0};
	if (first->n > PRESENCE_MAX)
		return; /* shorter heads came in than go out */
	assert(presence_decode(first->p, first->n, &again) == 0);
	append(&second, &again);
	assert(first->n == second.n && memcmp(first->p, second.p, first->n) == 0);
	presence_fini(&again);
	buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct presence message;
	struct buf out = {0};
	if (presence_decode(p, n, &message) < 0)
		return 0;
	free(presence_label_clean(message.peer_label));
	presence_append(&out, &message);
	check_again(&out, presence_append);
	buf_clear(&out);
	presence_append_as_rust(&out, &message);
	check_again(&out, presence_append_as_rust);
	presence_fini(&message);
	buf_free(&out);
	return 0;
}
