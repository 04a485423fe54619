/* The text form of a cursor, in a text with deletions, marks and several units. */
#include "automerge_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct fuzz_mem mem = {0};
	am_opts opts = fuzz_opts(&mem);
	am_value yes = {.type = AM_BOOL, .b = true};
	am_buf out = {0};
	am_objid text;
	am_doc *d;
	size_t pos, again;

	if (!n)
		return 0;
	opts.text_unit = (am_text_unit)(p[0] & 3);
	d = fuzz_base(&opts, &text);
	am_set_actor(d, "\x02\x03", 2);
	assert(am_text_splice(d, text, 2, 1, "a\xf0\x9f\x98\x80" "e\xcc\x81", 8) == AM_OK);
	assert(am_mark(d, text, 0, 2, AM_EXPAND_BOTH, "b", 1, &yes) == AM_OK);
	if (am_cursor_position(d, NULL, text, (const char *)p + 1, n - 1, &pos) == AM_OK) {
		assert(pos <= am_length(d, NULL, text));
		assert(am_cursor(d, NULL, text, pos, p[0] & 4 ? AM_MOVE_BEFORE : AM_MOVE_AFTER, &out) == AM_OK);
		assert(am_cursor_position(d, NULL, text, (const char *)out.p, out.n, &again) == AM_OK);
		assert(again <= pos);
	}
	am_buf_free(&out);
	am_free(d);
	assert(mem.live == 0);
	fuzz_mem_check(&mem, n);
	return 0;
}
