/* Vectors of kernels.md 8.1 (the compatible rows as they are) and 8.3. */
#include "kernel/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

static void expect(const char *in, const char *out)
{
	/* Whole, and in every way cut in two: state is kept between messages. */
	size_t n = strlen(in);
	for (size_t cut = 0; cut <= n; cut++) {
		if (((unsigned char)in[cut] & 0xc0) == 0x80)
			continue;
		struct stream *s = stream_new();
		stream_feed(s, in, cut);
		size_t text_n;
		stream_text(s, &text_n);
		stream_feed(s, in + cut, n - cut);
		const char *text = stream_text(s, &text_n);
		assert_string_equal(text, out);
		assert_int_equal(text_n, strlen(out));
		stream_free(s);
	}
}

static void test_controls(void **state)
{
	(void)state;
	expect("50%\r100%", "100%");
	expect("abcdef\rxy\n", "xycdef\n");
	expect("a\r\nb\r\n", "a\nb\n");
	expect("abc\b\b\bZ\n", "Zbc\n");
	expect("\n\nhello", "\n\nhello");
	expect("a\ab\016\017c", "abc");
	expect("ab\vcd\fe", "ab\n  cd\n    e");
	expect("", "");
}

static void test_kept_as_printed(void **state)
{
	(void)state;
	expect("hello   \n", "hello   \n");
	expect("hello\n\n\n", "hello\n\n\n");
	expect("   \n", "   \n");
	expect("a\tb\n", "a\tb\n");
	char line[130], want[130];
	memset(line, 'x', 100);
	line[100] = '\0';
	strcpy(want, line);
	expect(line, want);
	strcat(line, "\rY");
	want[0] = 'Y';
	expect(line, want);
}

static void test_colours(void **state)
{
	(void)state;
	expect("plain \033[31mred\033[0m end\n", "plain \033[0m\033[31mred\033[0m end\033[0m\n");
	expect("\033[31mr\033[32mg\033[0mz", "\033[31mr\033[0m\033[32mg\033[0mz\033[0m");
	expect("\033[7minv\033[0m x", "\033[7minv\033[0m x\033[0m");
	expect("\033[1;3;4;9mA", "\033[1m\033[3m\033[4m\033[9mA\033[0m");
	expect("\033[38;5;200mA\033[48;2;1;2;3mB", "\033[38;5;200mA\033[0m\033[38;5;200m\033[48;2;1;2;3mB\033[0m");
	expect("\033[38:2::1:2:3mA", "\033[38;2;1;2;3mA\033[0m");
	expect("\033[95;104mA\033[39;49mB", "\033[95m\033[104mA\033[0mB\033[0m");
	expect("\033[31mone\ntwo\033[0m", "\033[31mone\033[0m\n\033[31mtwo\033[0m");
	expect("\033[31mabc\rX\033[0m", "\033[31mXbc\033[0m");
	expect("\033[31mabc\033[0m\rX", "X\033[0m\033[31mbc\033[0m");
}

static void test_wide_and_joined(void **state)
{
	(void)state;
	expect("ok \xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb6 done\n", "ok \xf0\x9f\x8e\xb5\xf0\x9f\x8e\xb6 done\n");
	expect("e\xcc\x81x\n", "e\xcc\x81x\n");
	expect("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb!", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb!");
	expect("\xe6\xbc\xa2\xe5\xad\x97\rab", "ab\xe5\xad\x97");
	expect("e\xcc\x81x\rz", "zx");
	expect("ab\tc\rxy\033[6Cz", "xy\tz");
}

static void test_moving_and_erasing(void **state)
{
	(void)state;
	expect("one\ntwo\033[2J\033[Hnew", "one\ntwo\nnew");
	expect("main\033[?1049halt", "    alt");
	expect("main\033[?1049halt\033[?1049l!", "main!");
	expect("abc\033[2Kx", "   x");
	expect("abcdef\033[3D\033[K", "abc");
	expect("a\nb\nc\033[2A\rX", "X\nb\nc");
	expect("a\nb\nc\033[2A\r\033[J", "");
	expect("abcd\033[2G\033[1K", "  cd");
	expect("abcd\033[2G\033[2P", "ad");
	expect("abcd\033[2G\033[2@", "a  bcd");
	expect("abcd\033[2G\033[2X", "a  d");
	expect("a\nb\n\033[1;1H\033[Lx", "x\na\nb\n");
	expect("a\nb\nc\033[1;1H\033[M", "b\nc\n");
	expect("a\033[999Cb", "a                                                                              b");
	expect("\033]0;title\ax", "x");
	expect("\033]8;;http://a\033\\link\033]8;;\033\\", "link");
	expect("a\0337bc\0338X", "aXc");
	expect("a\nb\033[H\033[2J\033[3Jc", "c");
}

static void test_scrollback(void **state)
{
	(void)state;
	struct stream *s = stream_new();
	struct buf want = {0};
	for (int i = 0; i < 12000; i++) {
		char line[32];
		int n = snprintf(line, sizeof line, "line %d\n", i);
		stream_feed(s, line, (size_t)n);
		buf_append(&want, line, (size_t)n);
	}
	size_t n;
	const char *text = stream_text(s, &n);
	assert_int_equal(n, want.n);
	assert_memory_equal(text, want.p, n);
	/* Moving up cannot reach settled lines. */
	stream_feed(s, "\033[500A\rTOP", 10);
	text = stream_text(s, &n);
	assert_non_null(strstr(text, "line 11900\nTOPe 11901\n"));
	stream_free(s);
	buf_free(&want);
}

static void test_limits(void **state)
{
	(void)state;
	struct stream *s = stream_new();
	struct buf many = {0};
	for (int i = 0; i < 1000; i++)
		buf_append_str(&many, "x\n");
	for (int i = 0; i < 1101; i++)
		stream_feed(s, (const char *)many.p, many.n);
	size_t n;
	const char *text = stream_text(s, &n);
	assert_non_null(strstr(text, "earlier lines were cut"));
	size_t lines = 0;
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	assert_in_range(lines, 800000, 1000200);
	size_t cut = strtoul(text + strlen("[\xe2\x80\xa6 "), NULL, 10);
	assert_int_equal(cut + lines - 1, 1101000);
	stream_free(s);
	buf_free(&many);

	s = stream_new();
	char *block = xmalloc(1 << 20);
	memset(block, 'y', 1 << 20);
	for (int i = 0; i < 70; i++)
		stream_feed(s, block, 1 << 20);
	text = stream_text(s, &n);
	assert_in_range(n, STREAM_BYTES_MAX / 4 * 3, STREAM_BYTES_MAX);
	assert_non_null(strstr(text, "earlier bytes were cut"));
	free(block);
	stream_free(s);
}

static void test_cut(void **state)
{
	(void)state;
	struct stream *s = stream_new();
	size_t n;
	stream_feed(s, "\033[31mold\n", 9);
	stream_cut(s);
	assert_string_equal(stream_text(s, &n), "");
	stream_feed(s, "new", 3);
	assert_string_equal(stream_text(s, &n), "\033[31mnew\033[0m");
	stream_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_controls),	cmocka_unit_test(test_kept_as_printed),
		cmocka_unit_test(test_colours),		cmocka_unit_test(test_wide_and_joined),
		cmocka_unit_test(test_moving_and_erasing), cmocka_unit_test(test_scrollback),
		cmocka_unit_test(test_limits),		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
