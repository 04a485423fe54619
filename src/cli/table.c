#include "cli/table.h"

#include <stdio.h>
#include <utf8proc.h>

#include "base/utf8.h"

/* Columns a text takes on a terminal. */
static size_t width_of(const char *s)
{
	size_t n = strlen(s), width = 0, step;
	for (size_t i = 0; i < n; i += step) {
		uint32_t cp;
		step = utf8_decode(s + i, n - i, &cp);
		if (!step) {
			step = 1;
			width++;
		} else {
			width += (size_t)utf8proc_charwidth((utf8proc_int32_t)cp);
		}
	}
	return width;
}

void table_init(struct table *t, const char *const *header, size_t n_columns)
{
	*t = (struct table){.n_columns = n_columns};
	table_add(t, header);
}

void table_add(struct table *t, const char *const *row)
{
	for (size_t i = 0; i < t->n_columns; i++)
		VEC_PUSH(&t->cells, xstrdup(row[i] ? row[i] : "-"));
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = 0;
	for (size_t i = column; i < t->cells.n; i += t->n_columns) {
		size_t w = width_of(t->cells.p[i]);
		width = w > width ? w : width;
	}
	return width;
}

static void rule_print(const struct table *t, const size_t *widths, const char *left, const char *middle,
	const char *right)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		fputs(c ? middle : left, stdout);
		for (size_t i = 0; i < widths[c] + 2; i++)
			fputs("─", stdout);
	}
	printf("%s\n", right);
}

void table_print(const struct table *t)
{
	size_t *widths = xcalloc(t->n_columns, sizeof *widths);
	for (size_t c = 0; c < t->n_columns; c++)
		widths[c] = column_width(t, c);
	rule_print(t, widths, "╭", "┬", "╮");
	for (size_t i = 0; i < t->cells.n; i++) {
		size_t c = i % t->n_columns;
		printf("│ %s%*s ", t->cells.p[i], (int)(widths[c] - width_of(t->cells.p[i])), "");
		if (c + 1 == t->n_columns)
			printf("│\n");
		if (i + 1 == t->n_columns)
			rule_print(t, widths, "├", "┼", "┤");
	}
	rule_print(t, widths, "╰", "┴", "╯");
	free(widths);
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->cells.n; i++)
		free(t->cells.p[i]);
	VEC_FREE(&t->cells);
}
