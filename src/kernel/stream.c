#include "kernel/stream.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "kernel/stream_row.h"

#define PARAMS_MAX 32
#define ROW_BYTES_MAX (64u * 1024u) /* a longer line is settled in parts */
#define LAST_LINE (STREAM_LINES - 1)

enum state { GROUND, ESCAPE, ESCAPE_MORE, CSI, STRING, STRING_ESCAPE };

struct cursor {
	size_t r, c;
};

/* Rows are a ring once there are STREAM_LINES of them. */
struct screen {
	struct row *rows;
	size_t cap, first, n; /* n = rows that exist: were printed on or reached by a newline */
	struct cursor cursor, saved;
	struct pen saved_pen;
	size_t top, bottom; /* scroll region, bottom inclusive */
};

struct stream {
	struct buf settled; /* lines that left the screen, each with its newline; begins with the marker */
	size_t settled_lines, cut_lines, cut_bytes, marker_n;
	struct screen main, alternate, *on;
	struct buf alternate_text;
	struct pen pen;
	enum state state;
	uint32_t params[PARAMS_MAX];
	size_t n_params;
	bool param_open, colon[PARAMS_MAX]; /* colon: the parameter follows a ':' */
	char private_mark, intermediate;
};

unsigned stream_width(const char *p, size_t n);

unsigned stream_width(const char *p, size_t n)
{
	uint32_t cp;
	if (!utf8_decode(p, n, &cp))
		return 1;
	if (cp == 0x200d || (cp >= 0xfe00 && cp <= 0xfe0f))
		return 0;
	int width = utf8proc_charwidth((utf8proc_int32_t)cp);
	return width < 0 ? 1 : width > 2 ? 2 : (unsigned)width;
}

/* ---- screens ---- */

static void screen_init(struct screen *s)
{
	s->bottom = LAST_LINE;
}

static void screen_clear(struct screen *s)
{
	for (size_t i = 0; i < s->cap; i++)
		row_clear(&s->rows[i]);
	s->n = s->first = 0;
}

static void screen_fini(struct screen *s)
{
	for (size_t i = 0; i < s->cap; i++)
		row_fini(&s->rows[i]);
	free(s->rows);
}

static void screen_grow(struct screen *s, size_t want)
{
	size_t cap = s->cap ? s->cap : 2;
	while (cap < want)
		cap *= 2;
	if (cap > STREAM_LINES)
		cap = STREAM_LINES;
	if (cap <= s->cap)
		return;
	s->rows = xreallocarray(s->rows, cap, sizeof *s->rows);
	memset(s->rows + s->cap, 0, (cap - s->cap) * sizeof *s->rows);
	s->cap = cap;
}

/* Row i, made when it was not there yet. */
static struct row *screen_row(struct screen *s, size_t i)
{
	screen_grow(s, i + 1);
	if (s->n <= i)
		s->n = i + 1;
	return &s->rows[(s->first + i) % s->cap];
}

static const struct row *screen_peek(const struct screen *s, size_t i)
{
	return &s->rows[(s->first + i) % s->cap];
}

static void swap_rows(struct row *a, struct row *b)
{
	struct row t = *a;
	*a = *b;
	*b = t;
}

/* ---- settling ---- */

static size_t marker_text(const struct stream *s, char out[96])
{
	int n;
	if (s->cut_lines)
		n = snprintf(out, 96, "[\xe2\x80\xa6 %zu earlier lines were cut \xe2\x80\xa6]\n", s->cut_lines);
	else
		n = snprintf(out, 96, "[\xe2\x80\xa6 %zu earlier bytes were cut \xe2\x80\xa6]\n", s->cut_bytes);
	return (size_t)n;
}

/* Where the text may begin so that both limits have an eighth to spare. */
static size_t cut_point(const struct stream *s, size_t *ret_lines)
{
	const char *p = (const char *)s->settled.p, *end = p + s->settled.n, *at = p + s->marker_n;
	size_t lines = 0, keep_lines = STREAM_LINES_MAX - STREAM_LINES_MAX / 8;
	size_t keep_bytes = STREAM_BYTES_MAX - STREAM_BYTES_MAX / 8;
	while ((size_t)(end - at) > keep_bytes || s->settled_lines - lines > keep_lines) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		if (!newline)
			break;
		at = newline + 1;
		lines++;
	}
	if ((size_t)(end - at) > keep_bytes) { /* one line alone is too long */
		at = end - keep_bytes;
		while (at < end && ((uint8_t)*at & 0xc0) == 0x80)
			at++;
	}
	*ret_lines = lines;
	return (size_t)(at - p);
}

static void enforce_limits(struct stream *s)
{
	if (s->settled.n <= STREAM_BYTES_MAX && s->settled_lines <= STREAM_LINES_MAX)
		return;
	size_t lines;
	size_t at = cut_point(s, &lines);
	s->cut_lines += lines;
	s->settled_lines -= lines;
	s->cut_bytes += at - s->marker_n;
	char marker[96];
	s->marker_n = marker_text(s, marker);
	if (s->marker_n > at) /* cannot be: far more than a marker was cut */
		return;
	memmove(s->settled.p + s->marker_n, s->settled.p + at, s->settled.n - at);
	memcpy(s->settled.p, marker, s->marker_n);
	s->settled.n -= at - s->marker_n;
}

/* Row 0 leaves the main screen for good. */
static void settle_row(struct stream *s, struct row *r)
{
	row_append_text(r, &s->settled);
	buf_append_byte(&s->settled, '\n');
	s->settled_lines++;
	enforce_limits(s);
}

/* Moves the lines of the region up by one; what leaves the main screen at its top is settled. */
static void scroll_up(struct stream *s)
{
	struct screen *on = s->on;
	if (on->top == 0 && on == &s->main)
		settle_row(s, screen_row(on, 0));
	if (on->top == 0 && on->bottom == LAST_LINE) {
		row_clear(screen_row(on, 0));
		if (on->cap == STREAM_LINES && on->n == STREAM_LINES) {
			on->first = (on->first + 1) % STREAM_LINES;
			return;
		}
	}
	row_clear(screen_row(on, on->top));
	for (size_t i = on->top; i < on->bottom && i + 1 < on->n; i++)
		swap_rows(screen_row(on, i), screen_row(on, i + 1));
	if (on->bottom == LAST_LINE && on->n > on->top + 1)
		on->n--;
}

static void scroll_down(struct stream *s)
{
	struct screen *on = s->on;
	if (on->n < on->bottom + 1)
		screen_row(on, on->n); /* one more line exists below */
	size_t last = on->n - 1 < on->bottom ? on->n - 1 : on->bottom;
	if (last < on->top)
		return;
	for (size_t i = last; i > on->top; i--)
		swap_rows(screen_row(on, i), screen_row(on, i - 1));
	row_clear(screen_row(on, on->top));
}

/* The whole screen leaves upwards, up to its last line that is not empty (how the reference clears, 8.1). */
static void clear_screen(struct stream *s)
{
	struct screen *on = s->on;
	size_t used = on->n;
	while (used && row_is_blank(screen_peek(on, used - 1)))
		used--;
	if (on == &s->main)
		for (size_t i = 0; i < used; i++)
			settle_row(s, screen_row(on, i));
	screen_clear(on);
}

/* A very long line is settled in parts, so that rendering the live tail stays cheap. */
static void settle_long_row(struct stream *s)
{
	struct screen *on = s->on;
	struct row *r = screen_row(on, on->cursor.r);
	if (on != &s->main || r->is_cells || r->text.n < ROW_BYTES_MAX || on->cursor.r + 1 < on->n)
		return;
	for (size_t i = 0; i < on->cursor.r; i++)
		settle_row(s, screen_row(on, i));
	row_append_text(r, &s->settled);
	screen_clear(on);
	on->cursor = (struct cursor){0, 0};
	screen_row(on, 0);
	enforce_limits(s);
}

/* ---- cursor ---- */

static void line_feed(struct stream *s)
{
	struct screen *on = s->on;
	screen_row(on, on->cursor.r);
	if (on->cursor.r == on->bottom)
		scroll_up(s);
	else if (on->cursor.r < LAST_LINE)
		on->cursor.r++;
	screen_row(on, on->cursor.r);
}

static void reverse_line_feed(struct stream *s)
{
	if (s->on->cursor.r == s->on->top)
		scroll_down(s);
	else if (s->on->cursor.r)
		s->on->cursor.r--;
}

static void to_row(struct stream *s, size_t r)
{
	s->on->cursor.r = r < LAST_LINE ? r : LAST_LINE;
}

/* Columns are clamped to the terminal's width, but a cursor that got further by printing may stay there. */
static void to_column(struct stream *s, size_t c)
{
	size_t limit = s->on->cursor.c > STREAM_COLUMNS - 1 ? s->on->cursor.c : STREAM_COLUMNS - 1;
	s->on->cursor.c = c < limit ? c : limit;
}

static void tab(struct stream *s)
{
	struct cursor *at = &s->on->cursor;
	struct row *r = screen_row(s->on, at->r);
	size_t next = (at->c / 8 + 1) * 8;
	if (at->c >= row_columns(r))
		row_put(r, at->c, "\t", 1, (unsigned)(next - at->c), &s->pen);
	at->c = next;
}

/* ---- control sequences ---- */

static size_t param(const struct stream *s, size_t i, size_t otherwise)
{
	return i < s->n_params && s->params[i] ? s->params[i] : otherwise;
}

static void erase_display(struct stream *s, uint32_t mode)
{
	struct screen *on = s->on;
	struct cursor at = on->cursor;
	if (mode == 0) {
		for (size_t i = at.r + 1; i < on->n; i++)
			row_clear(screen_row(on, i));
		if (on->n > at.r + 1)
			on->n = at.r + 1;
		if (at.r < on->n)
			row_truncate(screen_row(on, at.r), at.c);
	} else if (mode == 1) {
		for (size_t i = 0; i < at.r && i < on->n; i++)
			row_clear(screen_row(on, i));
		if (at.r < on->n)
			row_blank(screen_row(on, at.r), 0, at.c + 1);
	} else if (mode == 2) {
		clear_screen(s);
	} else if (mode == 3 && on == &s->main) {
		buf_clear(&s->settled);
		s->settled_lines = s->cut_lines = s->cut_bytes = s->marker_n = 0;
	}
}

static void erase_line(struct stream *s, uint32_t mode)
{
	struct cursor at = s->on->cursor;
	if (at.r >= s->on->n)
		return;
	struct row *r = screen_row(s->on, at.r);
	if (mode == 0)
		row_truncate(r, at.c);
	else if (mode == 1)
		row_blank(r, 0, at.c + 1);
	else if (mode == 2)
		row_clear(r);
}

/* IL and DL: the lines from the cursor to the region's bottom move. */
static void shift_lines(struct stream *s, size_t n, bool down)
{
	struct screen *on = s->on;
	if (on->cursor.r < on->top || on->cursor.r > on->bottom)
		return;
	size_t top = on->top;
	on->top = on->cursor.r;
	if (n > STREAM_LINES)
		n = STREAM_LINES;
	while (n--) {
		if (down) {
			scroll_down(s);
			continue;
		}
		row_clear(screen_row(on, on->top));
		for (size_t i = on->top; i < on->bottom && i + 1 < on->n; i++)
			swap_rows(screen_row(on, i), screen_row(on, i + 1));
	}
	on->top = top;
	on->cursor.c = 0;
}

/* 38 and 48: `5;n`, `2;r;g;b`, or with colons (where a colour space may precede rgb). Returns the parameters used. */
static size_t extended_colour(const struct stream *s, size_t i, uint32_t *ret_colour)
{
	if (i + 2 < s->n_params && s->params[i + 1] == 5) {
		*ret_colour = PEN_INDEX | (s->params[i + 2] & 0xff);
		return 2;
	}
	if (i + 4 >= s->n_params || s->params[i + 1] != 2)
		return s->n_params; /* not understood: the rest is not either */
	size_t at = i + 2, used = 4;
	if (s->colon[i + 1] && i + 5 < s->n_params && s->colon[i + 5])
		at++, used++;
	*ret_colour = PEN_RGB | (s->params[at] & 0xff) << 16 | (s->params[at + 1] & 0xff) << 8 |
		      (s->params[at + 2] & 0xff);
	return used;
}

static void set_attribute(struct pen *pen, uint32_t code, bool underline_off)
{
	static const uint32_t on[] = {0, PEN_BOLD, PEN_DIM, PEN_ITALIC, PEN_UNDERLINE, PEN_BLINK, PEN_BLINK,
				      PEN_REVERSE,
				      PEN_HIDDEN, PEN_STRIKE};
	static const uint32_t off[] = {PEN_BOLD | PEN_DIM, PEN_ITALIC, PEN_UNDERLINE, PEN_BLINK, 0, PEN_REVERSE,
				       PEN_HIDDEN, PEN_STRIKE};
	if (code == 0)
		*pen = (struct pen){0};
	else if (code == 4 && underline_off)
		pen->flags &= ~(uint32_t)PEN_UNDERLINE;
	else if (code < 10)
		pen->flags |= on[code];
	else if (code == 21)
		pen->flags |= PEN_UNDERLINE;
	else if (code >= 22 && code <= 29)
		pen->flags &= ~off[code - 22];
	else if (code >= 30 && code <= 37)
		pen->fg = PEN_NAMED | (code - 30);
	else if (code == 39)
		pen->fg = 0;
	else if (code >= 40 && code <= 47)
		pen->bg = PEN_NAMED | (code - 40);
	else if (code == 49)
		pen->bg = 0;
	else if (code >= 90 && code <= 97)
		pen->fg = PEN_NAMED | (code - 90 + 8);
	else if (code >= 100 && code <= 107)
		pen->bg = PEN_NAMED | (code - 100 + 8);
}

static void select_graphic(struct stream *s)
{
	if (!s->n_params)
		s->pen = (struct pen){0};
	for (size_t i = 0; i < s->n_params; i++) {
		uint32_t code = s->params[i];
		bool sub = i + 1 < s->n_params && s->colon[i + 1];
		if (code == 38)
			i += extended_colour(s, i, &s->pen.fg);
		else if (code == 48)
			i += extended_colour(s, i, &s->pen.bg);
		else
			set_attribute(&s->pen, code, sub && s->params[i + 1] == 0);
		while (i + 1 < s->n_params && s->colon[i + 1])
			i++;
	}
}

static void use_alternate(struct stream *s, bool yes)
{
	if (yes == (s->on == &s->alternate))
		return;
	if (yes)
		s->alternate.cursor = s->main.cursor;
	s->on = yes ? &s->alternate : &s->main;
	if (yes)
		screen_clear(&s->alternate);
}

static void save_cursor(struct stream *s)
{
	s->on->saved = s->on->cursor;
	s->on->saved_pen = s->pen;
}

static void restore_cursor(struct stream *s)
{
	s->on->cursor = s->on->saved;
	s->pen = s->on->saved_pen;
}

static void set_mode(struct stream *s, bool on)
{
	if (s->private_mark != '?')
		return;
	for (size_t i = 0; i < s->n_params; i++)
		if (s->params[i] == 1049 || s->params[i] == 1047 || s->params[i] == 47)
			use_alternate(s, on);
}

static void set_region(struct stream *s)
{
	size_t top = param(s, 0, 1) - 1, bottom = param(s, 1, STREAM_LINES) - 1;
	if (bottom > LAST_LINE)
		bottom = LAST_LINE;
	if (top >= bottom)
		return;
	s->on->top = top;
	s->on->bottom = bottom;
	s->on->cursor = (struct cursor){0, 0};
}

static void csi_move(struct stream *s, char final)
{
	struct cursor at = s->on->cursor;
	size_t n = param(s, 0, 1);
	switch (final) {
	case 'A': to_row(s, at.r > n ? at.r - n : 0); break;
	case 'B':
	case 'e': to_row(s, at.r + n); break;
	case 'C':
	case 'a': to_column(s, at.c + n); break;
	case 'D': to_column(s, at.c > n ? at.c - n : 0); break;
	case 'E': to_row(s, at.r + n), to_column(s, 0); break;
	case 'F': to_row(s, at.r > n ? at.r - n : 0), to_column(s, 0); break;
	case 'G':
	case '`': to_column(s, n - 1); break;
	case 'd': to_row(s, n - 1); break;
	case 'H':
	case 'f': to_row(s, n - 1), to_column(s, param(s, 1, 1) - 1); break;
	case 'I': to_column(s, (at.c / 8 + n) * 8); break;
	case 'Z': to_column(s, at.c / 8 + (at.c % 8 != 0) > n ? (at.c / 8 + (at.c % 8 != 0) - n) * 8 : 0); break;
	default: break;
	}
}

static void csi_edit(struct stream *s, char final)
{
	size_t n = param(s, 0, 1);
	struct cursor at = s->on->cursor;
	struct row *r = at.r < s->on->n ? screen_row(s->on, at.r) : NULL;
	size_t times = n < STREAM_LINES ? n : STREAM_LINES, many = n < 10000 ? n : 10000;
	switch (final) {
	case 'L': shift_lines(s, n, true); break;
	case 'M': shift_lines(s, n, false); break;
	case 'P':
		if (r)
			row_delete(r, at.c, n);
		break;
	case '@':
		if (r)
			row_insert(r, at.c, many);
		break;
	case 'X':
		if (r)
			row_blank(r, at.c, at.c + many);
		break;
	case 'S':
		while (times--)
			scroll_up(s);
		break;
	case 'T':
		while (times--)
			scroll_down(s);
		break;
	default: break;
	}
}

static void csi_dispatch(struct stream *s, char final)
{
	if (final == 'h' || final == 'l') {
		set_mode(s, final == 'h');
		return;
	}
	if (s->private_mark || s->intermediate)
		return;
	uint32_t mode = s->n_params ? s->params[0] : 0;
	switch (final) {
	case 'm': select_graphic(s); break;
	case 'J': erase_display(s, mode); break;
	case 'K': erase_line(s, mode); break;
	case 'r': set_region(s); break;
	case 's': save_cursor(s); break;
	case 'u': restore_cursor(s); break;
	default:
		csi_move(s, final);
		csi_edit(s, final);
		break;
	}
}

/* ---- the parser ---- */

static void csi_begin(struct stream *s)
{
	s->state = CSI;
	s->n_params = 0;
	s->param_open = false;
	s->private_mark = s->intermediate = '\0';
}

static void param_push(struct stream *s, bool colon)
{
	if (s->n_params < PARAMS_MAX) {
		s->params[s->n_params] = 0;
		s->colon[s->n_params++] = colon;
	}
}

static void csi_byte(struct stream *s, char c)
{
	if (c >= '0' && c <= '9') {
		if (!s->param_open)
			param_push(s, false);
		s->param_open = true;
		uint32_t *v = &s->params[s->n_params - 1];
		*v = *v < 100000 ? *v * 10 + (uint32_t)(c - '0') : *v;
	} else if (c == ';' || c == ':') {
		if (!s->n_params)
			param_push(s, false);
		param_push(s, c == ':');
		s->param_open = true;
	} else if (c >= '<' && c <= '?') {
		s->private_mark = c;
	} else if (c >= ' ' && c <= '/') {
		s->intermediate = c;
	} else if (c >= '@' && c <= '~') {
		s->state = GROUND;
		csi_dispatch(s, c);
	}
}

static void full_reset(struct stream *s)
{
	clear_screen(s);
	use_alternate(s, false);
	s->pen = (struct pen){0};
	s->main.cursor = (struct cursor){0, 0};
	s->main.top = 0;
	s->main.bottom = LAST_LINE;
}

static void escape_byte(struct stream *s, char c)
{
	s->state = GROUND;
	switch (c) {
	case '[': csi_begin(s); break;
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_': s->state = STRING; break;
	case '7': save_cursor(s); break;
	case '8': restore_cursor(s); break;
	case 'D': line_feed(s); break;
	case 'E':
		s->on->cursor.c = 0;
		line_feed(s);
		break;
	case 'M': reverse_line_feed(s); break;
	case 'c': full_reset(s); break;
	default:
		if (c >= ' ' && c <= '/')
			s->state = ESCAPE_MORE;
		break;
	}
}

/* Control characters act in the middle of a sequence too. */
static void control_byte(struct stream *s, char c)
{
	switch (c) {
	case '\n':
		s->on->cursor.c = 0;
		line_feed(s);
		break;
	case '\v':
	case '\f': line_feed(s); break;
	case '\r': s->on->cursor.c = 0; break;
	case '\b':
		if (s->on->cursor.c)
			s->on->cursor.c--;
		break;
	case '\t': tab(s); break;
	case '\033': s->state = ESCAPE; break;
	case '\x18':
	case '\x1a': s->state = GROUND; break;
	default: break;
	}
}

static void string_byte(struct stream *s, char c)
{
	if (s->state == STRING_ESCAPE && c != '\\') {
		s->state = ESCAPE;
		escape_byte(s, c);
		return;
	}
	if (s->state == STRING_ESCAPE || c == '\a' || c == '\x18' || c == '\x1a')
		s->state = GROUND;
	else if (c == '\033')
		s->state = STRING_ESCAPE;
}

static void sequence_byte(struct stream *s, char c)
{
	if (s->state == STRING || s->state == STRING_ESCAPE)
		string_byte(s, c);
	else if ((uint8_t)c < ' ')
		control_byte(s, c);
	else if (s->state == ESCAPE)
		escape_byte(s, c);
	else if (s->state == ESCAPE_MORE)
		s->state = c <= '/' && c >= ' ' ? ESCAPE_MORE : GROUND;
	else
		csi_byte(s, c);
}

static size_t print_ascii(struct stream *s, const char *p, size_t n)
{
	size_t k = 1;
	while (k < n && p[k] >= ' ' && p[k] < 0x7f)
		k++;
	row_put_ascii(screen_row(s->on, s->on->cursor.r), s->on->cursor.c, p, k, &s->pen);
	s->on->cursor.c += k;
	settle_long_row(s);
	return k;
}

static size_t print_character(struct stream *s, const char *p, size_t n)
{
	uint32_t cp;
	size_t k = utf8_decode(p, n, &cp);
	if (!k)
		return 1;
	if (cp == 0x7f || (cp >= 0x80 && cp < 0xa0)) /* DEL and the C1 controls print nothing */
		return k;
	unsigned width = stream_width(p, k);
	row_put(screen_row(s->on, s->on->cursor.r), s->on->cursor.c, p, k, width, &s->pen);
	s->on->cursor.c += width;
	settle_long_row(s);
	return k;
}

void stream_feed(struct stream *s, const char *p, size_t n)
{
	const char *end = p + n;
	while (p < end) {
		if (s->state != GROUND)
			sequence_byte(s, *p++);
		else if ((uint8_t)*p < ' ')
			control_byte(s, *p++);
		else if (*p > 0 && *p < 0x7f)
			p += print_ascii(s, p, (size_t)(end - p));
		else
			p += print_character(s, p, (size_t)(end - p));
	}
}

/* ---- the whole ---- */

struct stream *stream_new(void)
{
	struct stream *s = xcalloc(1, sizeof *s);
	screen_init(&s->main);
	screen_init(&s->alternate);
	s->on = &s->main;
	return s;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	screen_fini(&s->main);
	screen_fini(&s->alternate);
	buf_free(&s->settled);
	buf_free(&s->alternate_text);
	free(s);
}

static void append_rows(const struct screen *on, struct buf *out)
{
	for (size_t i = 0; i < on->n; i++) {
		if (i)
			buf_append_byte(out, '\n');
		row_append_text(screen_peek(on, i), out);
	}
}

const char *stream_text(struct stream *s, size_t *ret_n)
{
	struct buf *out = s->on == &s->main ? &s->settled : &s->alternate_text;
	if (out == &s->alternate_text)
		buf_clear(out);
	size_t keep = out->n;
	append_rows(s->on, out);
	const char *text = buf_cstr(out);
	*ret_n = out->n;
	out->n = keep; /* the live tail stays behind the settled text until something is settled over it */
	return text;
}

void stream_cut(struct stream *s)
{
	screen_clear(&s->main);
	s->main.cursor = (struct cursor){0, 0};
	s->main.top = 0;
	s->main.bottom = LAST_LINE;
	s->on = &s->main;
	buf_free(&s->settled);
	s->settled_lines = s->cut_lines = s->cut_bytes = s->marker_n = 0;
}

size_t stream_size(const struct stream *s)
{
	size_t n = s->settled.n;
	for (size_t i = 0; i < s->main.n; i++)
		n += screen_peek(&s->main, i)->text.n;
	return n;
}
