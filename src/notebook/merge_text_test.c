#include "notebook/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *base, const char *theirs, const char *ours, const char *want)
{
	struct buf out = {0};
	bool good = merge_text(base, strlen(base), theirs, strlen(theirs), ours, strlen(ours), &out);

	if (!want) {
		assert_false(good);
		assert_int_equal(out.n, 0);
	} else {
		assert_true(good);
		assert_string_equal(buf_cstr(&out), want);
	}
	buf_free(&out);
}

static void test_separate_lines(void **state)
{
	(void)state;
	expect("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n");
	expect("a\nb\nc\n", "a\nb\nc\nd\n", "z\na\nb\nc\n", "z\na\nb\nc\nd\n");
	expect("a\nb\nc\n", "a\nc\n", "a\nb\nc\nd\n", "a\nc\nd\n");
	expect("", "x\n", "", "x\n");
	expect("a", "a", "b", "b");
	expect("a", "b", "a", "b");
	expect("a\nb\n", "x\nb\n", "x\nb\ny\n", "x\nb\ny\n");
}

static void test_one_line(void **state)
{
	(void)state;
	expect("x = 1", "x = 2", "y = 1", "y = 2");
	expect("x = 1", "x = 2", "x = 1\ny", "x = 2\ny");
	expect("caf\xc3\xa9 a", "caf\xc3\xa8 a", "caf\xc3\xa9 b", "caf\xc3\xa8 b");
}

static void test_overlap(void **state)
{
	(void)state;
	expect("x = 1", "x = 2", "x = 3", NULL);
	expect("", "a", "b", NULL);
	expect("a\n", "a\nX\n", "a\nY\n", NULL);
	expect("one two", "one", "one two three", "one three");
	expect("a\nb\nc\n", "", "a\nB\nc\n", NULL);
}

static void test_long(void **state)
{
	struct buf base = {0}, theirs = {0}, ours = {0}, want = {0};

	(void)state;
	for (int i = 0; i < 3000; i++) {
		const char *t = i % 7 == 0 ? "LINE" : "line", *o = i == 1500 ? "mine" : "line";
		buf_printf(&base, "line %d\n", i);
		buf_printf(&theirs, "%s %d\n", t, i);
		buf_printf(&ours, "%s %d\n", o, i);
		buf_printf(&want, "%s %d\n", i == 1500 ? o : t, i);
	}
	expect(buf_cstr(&base), buf_cstr(&theirs), buf_cstr(&ours), buf_cstr(&want));
	buf_free(&base);
	buf_free(&theirs);
	buf_free(&ours);
	buf_free(&want);
}

/* Edits of disjoint, separated lines always merge to both. */
static void test_random(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct buf base = {0}, theirs = {0}, ours = {0}, want = {0};
		for (int i = 0; i < 30; i++) {
			const char *side;
			seed = seed * 1664525u + 1013904223u;
			side = i % 2 ? "" : (seed >> 20) % 3 == 0 ? "t" : (seed >> 20) % 3 == 1 ? "o" : "";
			buf_printf(&base, "%d\n", i);
			buf_printf(&theirs, "%d%s\n", i, *side == 't' ? " theirs" : "");
			buf_printf(&ours, "%d%s\n", i, *side == 'o' ? " ours" : "");
			buf_printf(&want, "%d%s\n", i, *side == 't' ? " theirs" : *side == 'o' ? " ours" : "");
		}
		expect(buf_cstr(&base), buf_cstr(&theirs), buf_cstr(&ours), buf_cstr(&want));
		buf_free(&base);
		buf_free(&theirs);
		buf_free(&ours);
		buf_free(&want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_separate_lines), cmocka_unit_test(test_one_line), cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_long),           cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
