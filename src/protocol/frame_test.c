#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/face.h"

static struct frame next(struct frame_parser *f)
{
	struct frame frame;
	assert_int_equal(frame_parser_next(f, &frame), 0);
	return frame;
}

static void test_pool_session(void **state)
{
	/* protocol.md 3.2, fed byte by byte */
	static const char wire[] = "\xC0\xDE\x01\xAC\x02\0\0\0\x12{\"channel\":\"pool\"}\0\0\0\x0F{\"type\":\"ping\"}";
	struct frame_parser f;
	unsigned frames = 0;
	(void)state;
	frame_parser_init(&f, FRAME_STAGE_PREAMBLE);
	for (size_t i = 0; i < sizeof wire - 1; i++) {
		frame_parser_feed(&f, wire + i, 1);
		struct frame frame = next(&f);
		if (frame.event == FRAME_PREAMBLE)
			assert_int_equal(frame.version, 2);
		if (frame.event == FRAME_WHOLE) {
			assert_int_equal(frame.type, FRAME_UNTYPED);
			assert_memory_equal(frame.p, frames ? "{\"type" : "{\"chan", 6);
			frame_parser_expect(&f, FRAME_STAGE_UNTYPED, NULL);
			frames++;
		}
	}
	assert_int_equal(frames, 2);
	assert_true(frame_parser_at_boundary(&f));
	frame_parser_free(&f);
}

static void test_legacy(void **state)
{
	struct frame_parser f;
	(void)state;
	frame_parser_init(&f, FRAME_STAGE_PREAMBLE);
	assert_int_equal(next(&f).event, FRAME_NONE);
	frame_parser_feed(&f, "\0\0\0\x02{}", 6);
	assert_int_equal(next(&f).event, FRAME_LEGACY);
	struct frame frame = next(&f);
	assert_int_equal(frame.event, FRAME_WHOLE);
	assert_memory_equal(frame.p, "{}", 2);
	frame_parser_free(&f);
}

static void test_bad_magic(void **state)
{
	struct frame_parser f;
	struct frame frame;
	(void)state;
	frame_parser_init(&f, FRAME_STAGE_PREAMBLE);
	frame_parser_feed(&f, "\xC0\xDE\x02", 3);
	assert_int_equal(frame_parser_next(&f, &frame), -EPROTO);
	frame_parser_free(&f);
}

static void expect_length(enum frame_stage stage, const char *bytes, size_t n, int result)
{
	struct frame_parser f;
	struct frame frame;
	frame_parser_init(&f, FRAME_STAGE_HANDSHAKE);
	frame_parser_expect(&f, stage, face_march.limits);
	frame_parser_feed(&f, bytes, n);
	assert_int_equal(frame_parser_next(&f, &frame), result);
	assert_true(f.in.cap < 4096);
	frame_parser_free(&f);
}

static void test_limits(void **state)
{
	(void)state;
	expect_length(FRAME_STAGE_HANDSHAKE, "\0\1\0\0", 4, 0);
	expect_length(FRAME_STAGE_HANDSHAKE, "\0\1\0\1", 4, -EMSGSIZE);
	expect_length(FRAME_STAGE_UNTYPED, "\x06\x40\0\0", 4, 0);
	expect_length(FRAME_STAGE_UNTYPED, "\x06\x40\0\1", 4, -EMSGSIZE);
	expect_length(FRAME_STAGE_TYPED, "\xff\xff\xff\xff", 4, -EMSGSIZE);
	expect_length(FRAME_STAGE_TYPED, "\0\0\0\0", 4, -EPROTO);
	/* 64, 16, 64, 16, 1, 64 MiB of payload for 00 ... 05 */
	static const uint8_t mib[] = {64, 16, 64, 16, 1, 64};
	for (uint8_t type = 0; type < sizeof mib; type++) {
		uint32_t n = ((uint32_t)mib[type] << 20) + 1; /* the type byte counts */
		char ok[5] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n, (char)type};
		expect_length(FRAME_STAGE_TYPED, ok, 5, 0);
		n++;
		char bad[5] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n, (char)type};
		expect_length(FRAME_STAGE_TYPED, bad, 5, -EMSGSIZE);
	}
}

/* An unknown type of 60 MiB goes by without being kept; what follows is read. */
static void test_unknown_skipped(void **state)
{
	static const char zeros[1 << 16];
	struct frame_parser f;
	(void)state;
	frame_parser_init(&f, FRAME_STAGE_HANDSHAKE);
	frame_parser_expect(&f, FRAME_STAGE_TYPED, face_march.limits);
	size_t left = 60u << 20;
	struct buf head = {0};
	buf_append_u32be(&head, (uint32_t)left + 1);
	buf_append_byte(&head, 0x7f);
	frame_parser_feed(&f, head.p, head.n);
	assert_int_equal(next(&f).event, FRAME_NONE);
	assert_false(frame_parser_at_boundary(&f));
	for (; left; left -= sizeof zeros) {
		frame_parser_feed(&f, zeros, sizeof zeros);
		assert_int_equal(next(&f).event, FRAME_NONE);
	}
	assert_true(f.in.cap < 4096);
	frame_parser_feed(&f, "\0\0\0\2\1x\0\0\0\3\x0bzz\0\0\0\2\4y", 19);
	struct frame frame = next(&f);
	assert_int_equal(frame.type, FRAME_REQUEST);
	assert_int_equal(frame.n, 1);
	frame = next(&f);
	assert_int_equal(frame.type, FRAME_PRESENCE);
	assert_int_equal(*frame.p, 'y');
	assert_int_equal(f.n_skipped, 2);
	frame_parser_free(&f);
	buf_free(&head);
}

static void test_builder(void **state)
{
	struct buf out = {0};
	(void)state;
	frame_append_preamble(&out, 2);
	assert_int_equal(frame_append(&out, FRAME_REQUEST, "{}", 2), 0);
	assert_int_equal(frame_append(&out, FRAME_UNTYPED, NULL, 0), 0);
	assert_int_equal(out.n, 5 + 7 + 4);
	assert_memory_equal(out.p, "\xC0\xDE\x01\xAC\x02\0\0\0\3\1{}\0\0\0\0", 16);
	assert_int_equal(frame_append(&out, FRAME_SYNC, NULL, FRAME_MAX), -EMSGSIZE);
	assert_int_equal(out.n, 16);
	buf_free(&out);
}

static void test_end_of_stream(void **state)
{
	struct frame_parser f;
	(void)state;
	frame_parser_init(&f, FRAME_STAGE_UNTYPED);
	assert_true(frame_parser_at_boundary(&f));
	frame_parser_feed(&f, "\0\0\0", 3);
	assert_int_equal(next(&f).event, FRAME_NONE);
	assert_true(frame_parser_at_boundary(&f));
	frame_parser_feed(&f, "\2x", 2);
	assert_int_equal(next(&f).event, FRAME_NONE);
	assert_false(frame_parser_at_boundary(&f));
	frame_parser_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool_session),
		cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_bad_magic),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_unknown_skipped),
		cmocka_unit_test(test_builder),
		cmocka_unit_test(test_end_of_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
