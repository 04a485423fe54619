/* The frame parser, fed in pieces whose sizes come from the input. What it hands
 * out must be what the same bytes give when fed at once. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "protocol/face.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct outcome {
	uint64_t sum;
	unsigned frames;
	int result;
};

static void drain(struct frame_parser *f, struct outcome *o)
{
	for (;;) {
		struct frame frame;
		if ((o->result = frame_parser_next(f, &frame)) < 0 || frame.event == FRAME_NONE)
			return;
		o->frames++;
		o->sum = o->sum * 31 + (uint64_t)frame.event * 7 + frame.n + (uint64_t)(frame.type + 1);
		for (size_t i = 0; i < frame.n; i++)
			o->sum = o->sum * 31 + frame.p[i];
		if (frame.event == FRAME_WHOLE)
			frame_parser_expect(f, o->frames % 5 == 3 ? FRAME_STAGE_UNTYPED : FRAME_STAGE_TYPED,
				face_march.limits);
	}
}

static struct outcome run(const uint8_t *p, size_t n, size_t step)
{
	struct frame_parser f;
	struct outcome o = {0};
	frame_parser_init(&f, FRAME_STAGE_PREAMBLE);
	for (size_t i = 0; i < n && o.result == 0; i += step) {
		frame_parser_feed(&f, p + i, n - i < step ? n - i : step);
		drain(&f, &o);
	}
	assert(f.in.cap <= 2 * n + 64);
	(void)frame_parser_at_boundary(&f);
	frame_parser_free(&f);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (!n)
		return 0;
	struct outcome whole = run(p + 1, n - 1, n), pieces = run(p + 1, n - 1, 1u + p[0] % 19);
	assert(whole.frames == pieces.frames && whole.sum == pieces.sum && whole.result == pieces.result);
	return 0;
}
