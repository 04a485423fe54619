#include "protocol/frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const uint8_t magic[4] = {0xC0, 0xDE, 0x01, 0xAC};

void frame_parser_init(struct frame_parser *f, enum frame_stage stage)
{
	*f = (struct frame_parser){.stage = stage};
}

void frame_parser_free(struct frame_parser *f)
{
	buf_free(&f->in);
	f->at = f->skip = 0;
}

void frame_parser_expect(struct frame_parser *f, enum frame_stage stage, const struct frame_limits *limits)
{
	assert(stage != FRAME_STAGE_TYPED || limits);
	f->stage = stage;
	f->limits = limits;
}

/* Bytes handed out are dropped here, before new ones come, so that a frame's
 * payload stays where it is until then. */
void frame_parser_feed(struct frame_parser *f, const void *p, size_t n)
{
	if (f->at) {
		buf_consume(&f->in, f->at);
		f->at = 0;
	}
	size_t skipped = n < f->skip ? n : f->skip;
	f->skip -= skipped;
	buf_append(&f->in, (const uint8_t *)p + skipped, n - skipped);
}

bool frame_parser_at_boundary(const struct frame_parser *f)
{
	return !f->skip && f->in.n - f->at < FRAME_HEADER_SIZE;
}

static int preamble_next(struct frame_parser *f, const uint8_t *p, size_t n, struct frame *ret)
{
	if (n && p[0] != magic[0]) {
		f->stage = FRAME_STAGE_HANDSHAKE;
		ret->event = FRAME_LEGACY;
		return 0;
	}
	size_t known = n < sizeof magic ? n : sizeof magic;
	if (memcmp(p, magic, known) != 0)
		return -EPROTO;
	if (n < FRAME_PREAMBLE_SIZE)
		return 0;
	ret->event = FRAME_PREAMBLE;
	ret->version = p[4];
	f->at += FRAME_PREAMBLE_SIZE;
	f->stage = FRAME_STAGE_HANDSHAKE;
	return 0;
}

static uint32_t length_read(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int untyped_next(struct frame_parser *f, const uint8_t *p, size_t n, struct frame *ret)
{
	if (n < FRAME_HEADER_SIZE)
		return 0;
	uint32_t length = length_read(p);
	if (length > (f->stage == FRAME_STAGE_HANDSHAKE ? FRAME_HANDSHAKE_MAX : FRAME_MAX))
		return -EMSGSIZE;
	if (n - FRAME_HEADER_SIZE < length)
		return 0;
	ret->event = FRAME_WHOLE;
	ret->p = p + FRAME_HEADER_SIZE;
	ret->n = length;
	f->at += FRAME_HEADER_SIZE + length;
	return 0;
}

static void unknown_skip(struct frame_parser *f, size_t have, size_t whole)
{
	size_t now = have < whole ? have : whole;
	f->at += now;
	f->skip = whole - now;
	f->n_skipped++;
}

/* 1 = a frame of an unknown type went by, look again. */
static int typed_next(struct frame_parser *f, const uint8_t *p, size_t n, struct frame *ret)
{
	if (n < FRAME_HEADER_SIZE)
		return 0;
	uint32_t length = length_read(p);
	if (length == 0)
		return -EPROTO;
	if (length > FRAME_MAX)
		return -EMSGSIZE;
	if (n < FRAME_HEADER_SIZE + 1)
		return 0;
	uint8_t type = p[FRAME_HEADER_SIZE];
	uint32_t max = type < FRAME_TYPES ? f->limits->payload_max[type] : 0;
	if (!max) {
		unknown_skip(f, n, FRAME_HEADER_SIZE + (size_t)length);
		return 1;
	}
	if (length - 1 > max)
		return -EMSGSIZE;
	if (n - FRAME_HEADER_SIZE < length)
		return 0;
	*ret = (struct frame){FRAME_WHOLE, 0, type, p + FRAME_HEADER_SIZE + 1, length - 1};
	f->at += FRAME_HEADER_SIZE + length;
	return 0;
}

int frame_parser_next(struct frame_parser *f, struct frame *ret_frame)
{
	struct frame frame;
	int r;
	do {
		frame = (struct frame){.event = FRAME_NONE, .type = FRAME_UNTYPED};
		const uint8_t *p = f->in.p ? f->in.p + f->at : magic; /* never NULL */
		size_t n = f->in.n - f->at;
		if (f->skip)
			r = 0;
		else if (f->stage == FRAME_STAGE_PREAMBLE)
			r = preamble_next(f, p, n, &frame);
		else if (f->stage == FRAME_STAGE_TYPED)
			r = typed_next(f, p, n, &frame);
		else
			r = untyped_next(f, p, n, &frame);
	} while (r > 0);
	if (r == 0)
		*ret_frame = frame;
	return r;
}

void frame_append_preamble(struct buf *out, uint8_t version)
{
	buf_append(out, magic, sizeof magic);
	buf_append_byte(out, version);
}

size_t frame_begin(struct buf *out, int type)
{
	size_t mark = out->n;
	buf_append_u32be(out, 0);
	if (type != FRAME_UNTYPED)
		buf_append_byte(out, (uint8_t)type);
	return mark;
}

int frame_end(struct buf *out, size_t mark)
{
	size_t n = out->n - mark - FRAME_HEADER_SIZE;
	if (n > FRAME_MAX) {
		out->n = mark;
		return -EMSGSIZE;
	}
	for (unsigned i = 0; i < FRAME_HEADER_SIZE; i++)
		out->p[mark + i] = (uint8_t)(n >> (24 - 8 * i));
	return 0;
}

int frame_append(struct buf *out, int type, const void *payload, size_t n)
{
	if (n > FRAME_MAX - (type != FRAME_UNTYPED))
		return -EMSGSIZE; /* without copying it first */
	buf_reserve(out, n + FRAME_HEADER_SIZE + 1);
	size_t mark = frame_begin(out, type);
	buf_append(out, payload, n);
	return frame_end(out, mark);
}
