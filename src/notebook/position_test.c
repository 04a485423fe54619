#include "notebook/position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(char *got, const char *want)
{
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
	free(got);
}

static char *chain(char *(*step)(const char *), size_t item)
{
	char *s = strdup(POSITION_FIRST);

	for (size_t i = 0; i < item; i++) {
		char *next = step(s);
		assert_non_null(next);
		free(s);
		s = next;
	}
	return s;
}

static void test_append_chain(void **state)
{
	static const struct { size_t item; const char *want; } t[] = {
		{0, "80"}, {1, "8180"}, {2, "8280"}, {3, "8380"}, {126, "FE80"}, {127, "FF80"}, {128, "FF8180"},
		{129, "FF8280"}, {254, "FFFF80"}, {255, "FFFF8180"}, {256, "FFFF8280"}, {381, "FFFFFF80"},
		{382, "FFFFFF8180"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		expect(chain(position_after, t[i].item), t[i].want);
}

static void test_prepend_chain(void **state)
{
	static const struct { size_t item; const char *want; } t[] = {
		{1, "7F80"}, {2, "7E80"}, {127, "0180"}, {128, "0080"}, {129, "007F80"}, {130, "007E80"},
		{255, "000180"}, {256, "000080"}, {257, "00007F80"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		expect(chain(position_before, t[i].item), t[i].want);
}

static void test_between(void **state)
{
	static const char *t[][3] = {
		{"80", "8180", "817F80"}, {"7F80", "80", "7F8180"}, {"7F80", "8180", "8080"},
		{"80", "8280", "827F80"}, {"8180", "8280", "818180"}, {"8180", "8380", "8280"},
		{"8180", "8480", "8280"}, {"8180", "8580", "8380"}, {"8180", "818180", "81817F80"},
		{"817F80", "8180", "817F8180"}, {"FF80", "FF8180", "FF817F80"}, {"0080", "7F80", "3F80"},
		{"0080", "0180", "008180"}, {"7F8180", "80", "7F8280"}, {"80", "8080", "807F80"},
		{"10FF80", "1180", "10FF8180"}, {"80", "817F80", "817E80"},
		/* 4.3: where the library of the reference underflows */
		{"006980", "006A80", "00698180"}, {"007F80", "0080", "007F8180"}, {"0080", "008180", "00817F80"},
		/* no such position */
		{"80", "80", NULL}, {"8180", "80", NULL}, {"80", "zz", NULL}, {"", "80", NULL}, {"80", "8", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		expect(position_between(t[i][0], t[i][1]), t[i][2]);
}

static void test_repeated_inserts(void **state)
{
	static const char *down[] = {"817F80", "817E80", "817D80", "817C80", "817B80", "817A80"};
	static const char *up[] = {"817F80", "817F8180", "817F8280", "817F8380", "817F8480", "817F8580"};
	char *last = strdup("8180");

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		char *s = position_between("80", last);
		assert_string_equal(s, down[i]);
		free(last);
		last = s;
	}
	free(last);
	last = strdup("80");
	for (size_t i = 0; i < 6; i++) {
		char *s = position_between(last, "8180");
		assert_string_equal(s, up[i]);
		free(last);
		last = s;
	}
	free(last);
}

static void test_invalid(void **state)
{
	static const char *bad[] = {"", "0", "00", "FF", "0000", "FFFF", "8", "8G", "zz", "8180 "};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(position_valid(bad[i], strlen(bad[i])));
		assert_null(position_before(bad[i]));
		assert_null(position_after(bad[i]));
	}
	assert_true(position_valid("80", 2));
	assert_true(position_valid("817f80", 6));
}

/* Any insertion order gives strictly ordered keys. */
static void test_random(void **state)
{
	char *list[400];
	size_t n = 1;
	uint32_t seed = 1;

	(void)state;
	list[0] = strdup(POSITION_FIRST);
	while (n < 400) {
		char *s;
		size_t at;
		seed = seed * 1664525u + 1013904223u;
		at = (seed >> 8) % (n + 1);
		if (seed % 5 == 0)
			at = 0;
		if (at == 0)
			s = position_before(list[0]);
		else if (at == n)
			s = position_after(list[n - 1]);
		else
			s = position_between(list[at - 1], list[at]);
		assert_non_null(s);
		memmove(list + at + 1, list + at, (n - at) * sizeof *list);
		list[at] = s;
		n++;
		if (at > 0)
			assert_true(strcmp(list[at - 1], s) < 0);
		if (at + 1 < n)
			assert_true(strcmp(s, list[at + 1]) < 0);
	}
	for (size_t i = 0; i < n; i++)
		free(list[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_chain),   cmocka_unit_test(test_prepend_chain),
		cmocka_unit_test(test_between),        cmocka_unit_test(test_repeated_inserts),
		cmocka_unit_test(test_invalid),        cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
