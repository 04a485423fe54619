#include "kernel/stream_row.h"

#include <string.h>

bool pen_equal(const struct pen *a, const struct pen *b)
{
	return a->fg == b->fg && a->bg == b->bg && a->flags == b->flags;
}

static bool pen_is_plain(const struct pen *pen)
{
	return !pen->fg && !pen->bg && !pen->flags;
}

/* ---- SGR text ---- */

static void append_colour(struct buf *out, uint32_t colour, unsigned base)
{
	uint32_t n = colour & 0xffffff;
	if ((colour & 0xff000000u) == PEN_RGB)
		buf_printf(out, "\033[%u;2;%u;%u;%um", base + 8, n >> 16, n >> 8 & 0xff, n & 0xff);
	else if ((colour & 0xff000000u) == PEN_INDEX)
		buf_printf(out, "\033[%u;5;%um", base + 8, n);
	else if (n < 8)
		buf_printf(out, "\033[%um", base + n);
	else
		buf_printf(out, "\033[%um", base + 60 + n - 8);
}

static void append_pen(struct buf *out, const struct pen *pen)
{
	static const unsigned codes[] = {1, 2, 3, 4, 5, 7, 8, 9};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (pen->flags & 1u << i)
			buf_printf(out, "\033[%um", codes[i]);
	if (pen->fg)
		append_colour(out, pen->fg, 30);
	if (pen->bg)
		append_colour(out, pen->bg, 40);
}

/* The change of pen as the reference writes it (kernels.md 8.1): a reset, unless at the start of the line, then what
 * the new pen has. */
static void change_pen(struct buf *out, bool at_start, const struct pen *to, struct pen *last, bool *styled)
{
	if (!at_start)
		buf_append_str(out, "\033[0m");
	append_pen(out, to);
	*styled = *styled || !at_start || !pen_is_plain(to);
	*last = *to;
}

/* ---- rows ---- */

static void cell_fini(struct cell *c)
{
	free(c->more);
	c->more = NULL;
}

static void drop_cells(struct row *r, size_t from)
{
	for (size_t i = from; i < r->cells.n; i++)
		cell_fini(&r->cells.p[i]);
	r->cells.n = from < r->cells.n ? from : r->cells.n;
}

void row_fini(struct row *r)
{
	drop_cells(r, 0);
	VEC_FREE(&r->cells);
	buf_free(&r->text);
}

void row_clear(struct row *r)
{
	drop_cells(r, 0);
	buf_clear(&r->text);
	r->columns = 0;
	r->last = (struct pen){0};
	r->styled = r->is_cells = false;
}

size_t row_columns(const struct row *r)
{
	return r->is_cells ? r->cells.n : r->columns;
}

static struct cell make_cell(const char *p, size_t n, const struct pen *pen)
{
	struct cell c = {.n = (uint8_t)n, .pen = *pen};
	memcpy(c.text, p, n);
	return c;
}

static struct cell blank_cell(void)
{
	return make_cell(" ", 1, &(struct pen){0});
}

bool row_is_blank(const struct row *r)
{
	return row_columns(r) == 0;
}

/* ---- text form ---- */

static void text_pen(struct row *r, const struct pen *pen)
{
	if (!pen_equal(&r->last, pen))
		change_pen(&r->text, r->text.n == 0, pen, &r->last, &r->styled);
}

static void text_pad(struct row *r, size_t column)
{
	if (column <= r->columns)
		return;
	text_pen(r, &(struct pen){0});
	while (r->columns < column) {
		buf_append_byte(&r->text, ' ');
		r->columns++;
	}
}

static void text_append(struct row *r, size_t column, const char *p, size_t n, unsigned width, const struct pen *pen)
{
	text_pad(r, column);
	if (width)
		text_pen(r, pen);
	buf_append(&r->text, p, n);
	r->columns += width;
}

/* ---- from text to cells ---- */

static uint32_t parse_number(const char **p)
{
	uint32_t v = 0;
	while (**p >= '0' && **p <= '9')
		v = v * 10 + (uint32_t)(*(*p)++ - '0');
	return v;
}

static uint32_t parse_colour(const char **p)
{
	(*p)++; /* ; */
	if (parse_number(p) == 5) {
		(*p)++;
		return PEN_INDEX | parse_number(p);
	}
	uint32_t rgb = 0;
	for (int i = 0; i < 3; i++) {
		(*p)++;
		rgb = rgb << 8 | parse_number(p);
	}
	return PEN_RGB | rgb;
}

/* Reads one of the sequences that append_pen and change_pen write; p is behind `ESC [`. */
static const char *parse_own_sgr(const char *p, struct pen *pen)
{
	static const uint8_t flag_of[] = {0, PEN_BOLD, PEN_DIM, PEN_ITALIC, PEN_UNDERLINE, PEN_BLINK, 0, PEN_REVERSE,
					  PEN_HIDDEN, PEN_STRIKE};
	uint32_t code = parse_number(&p);
	if (code == 0)
		*pen = (struct pen){0};
	else if (code < 10)
		pen->flags |= flag_of[code];
	else if (code == 38)
		pen->fg = parse_colour(&p);
	else if (code == 48)
		pen->bg = parse_colour(&p);
	else if (code < 40)
		pen->fg = PEN_NAMED | (code - 30);
	else if (code < 50)
		pen->bg = PEN_NAMED | (code - 40);
	else if (code < 100)
		pen->fg = PEN_NAMED | (code - 90 + 8);
	else
		pen->bg = PEN_NAMED | (code - 100 + 8);
	return p + 1; /* m */
}

static size_t utf8_length(char lead)
{
	uint8_t c = (uint8_t)lead;
	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

unsigned stream_width(const char *p, size_t n); /* stream.c: columns of one character */

static void cells_append(struct row *r, const char *p, size_t n, unsigned width, const struct pen *pen)
{
	if (!width && r->cells.n) {
		size_t i = r->cells.n - 1;
		while (i && !r->cells.p[i].n)
			i--;
		struct cell *c = &r->cells.p[i];
		char *more = xasprintf("%s%.*s", c->more ? c->more : "", (int)n, p);
		free(c->more);
		c->more = more;
		return;
	}
	VEC_PUSH(&r->cells, make_cell(p, n, pen));
	for (unsigned i = 1; i < width; i++)
		VEC_PUSH(&r->cells, ((struct cell){.pen = *pen}));
}

static void to_cells(struct row *r)
{
	if (r->is_cells)
		return;
	struct pen pen = {0};
	const char *p = buf_cstr(&r->text), *end = p + r->text.n;
	while (p < end) {
		if (*p == '\033') {
			p = parse_own_sgr(p + 2, &pen);
			continue;
		}
		size_t n = utf8_length(*p);
		unsigned width = *p == '\t' ? (unsigned)(8 - r->cells.n % 8) : stream_width(p, n);
		cells_append(r, p, n, width, &pen);
		p += n;
	}
	r->is_cells = true;
	buf_clear(&r->text);
}

/* ---- changing ---- */

/* A wide character or tab of which only a part is overwritten leaves blanks. */
static void split_wide(struct row *r, size_t column)
{
	if (column >= r->cells.n || r->cells.p[column].n)
		return;
	size_t i = column;
	while (i && !r->cells.p[i].n)
		i--;
	for (; i < r->cells.n && (i < column || !r->cells.p[i].n); i++) {
		cell_fini(&r->cells.p[i]);
		r->cells.p[i] = blank_cell();
	}
}

static void cells_put(struct row *r, size_t column, const char *p, size_t n, unsigned width, const struct pen *pen)
{
	while (r->cells.n < column)
		VEC_PUSH(&r->cells, blank_cell());
	split_wide(r, column);
	split_wide(r, column + width);
	for (size_t i = 0; i < width; i++) {
		struct cell c = i ? (struct cell){.pen = *pen} : make_cell(p, n, pen);
		if (column + i < r->cells.n) {
			cell_fini(&r->cells.p[column + i]);
			r->cells.p[column + i] = c;
		} else {
			VEC_PUSH(&r->cells, c);
		}
	}
}

static void cells_join(struct row *r, size_t column, const char *p, size_t n)
{
	size_t i = column < r->cells.n ? column : r->cells.n;
	while (i && !r->cells.p[i - 1].n)
		i--;
	if (!i)
		return;
	struct cell *c = &r->cells.p[i - 1];
	char *more = xasprintf("%s%.*s", c->more ? c->more : "", (int)n, p);
	free(c->more);
	c->more = more;
}

void row_put(struct row *r, size_t column, const char *p, size_t n, unsigned width, const struct pen *pen)
{
	if (!r->is_cells && column >= r->columns) {
		text_append(r, column, p, n, width, pen);
		return;
	}
	to_cells(r);
	if (width)
		cells_put(r, column, p, n, width, pen);
	else
		cells_join(r, column, p, n);
}

void row_put_ascii(struct row *r, size_t column, const char *p, size_t n, const struct pen *pen)
{
	if (!r->is_cells && column >= r->columns) {
		text_append(r, column, p, n, (unsigned)n, pen);
		return;
	}
	to_cells(r);
	for (size_t i = 0; i < n; i++)
		cells_put(r, column + i, p + i, 1, 1, pen);
}

void row_truncate(struct row *r, size_t column)
{
	if (column >= row_columns(r))
		return;
	if (column == 0) {
		row_clear(r);
		return;
	}
	to_cells(r);
	split_wide(r, column);
	drop_cells(r, column);
}

void row_blank(struct row *r, size_t from, size_t to)
{
	size_t n = row_columns(r);
	if (from >= n)
		return;
	if (to >= n) {
		row_truncate(r, from);
		return;
	}
	to_cells(r);
	for (size_t i = from; i < to; i++)
		cells_put(r, i, " ", 1, 1, &(struct pen){0});
}

void row_delete(struct row *r, size_t column, size_t n)
{
	size_t have = row_columns(r);
	if (column >= have)
		return;
	if (n > have - column)
		n = have - column;
	to_cells(r);
	split_wide(r, column);
	split_wide(r, column + n);
	for (size_t i = column; i < column + n; i++)
		cell_fini(&r->cells.p[i]);
	memmove(r->cells.p + column, r->cells.p + column + n, (r->cells.n - column - n) * sizeof *r->cells.p);
	r->cells.n -= n;
}

void row_insert(struct row *r, size_t column, size_t n)
{
	if (column >= row_columns(r))
		return;
	to_cells(r);
	split_wide(r, column);
	for (size_t i = 0; i < n; i++)
		VEC_PUSH(&r->cells, blank_cell());
	memmove(r->cells.p + column + n, r->cells.p + column, (r->cells.n - n - column) * sizeof *r->cells.p);
	for (size_t i = 0; i < n; i++)
		r->cells.p[column + i] = blank_cell();
}

/* ---- storing ---- */

void row_append_text(const struct row *r, struct buf *out)
{
	if (!r->is_cells) {
		buf_append(out, r->text.p, r->text.n);
		if (r->styled)
			buf_append_str(out, "\033[0m");
		return;
	}
	struct pen last = {0};
	bool styled = false;
	size_t start = out->n;
	for (size_t i = 0; i < r->cells.n; i++) {
		const struct cell *c = &r->cells.p[i];
		if (!c->n)
			continue;
		if (!pen_equal(&last, &c->pen))
			change_pen(out, out->n == start, &c->pen, &last, &styled);
		buf_append(out, c->text, c->n);
		if (c->more)
			buf_append_str(out, c->more);
	}
	if (styled)
		buf_append_str(out, "\033[0m");
}
