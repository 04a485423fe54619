/* One line of a stream's screen. While text is only added at the end a row is
 * bytes as they will be stored; the first change inside it turns it into cells. */
#ifndef KERNEL_STREAM_ROW_H
#define KERNEL_STREAM_ROW_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/vec.h"

enum {
	PEN_BOLD = 1,
	PEN_DIM = 2,
	PEN_ITALIC = 4,
	PEN_UNDERLINE = 8,
	PEN_BLINK = 16,
	PEN_REVERSE = 32,
	PEN_HIDDEN = 64,
	PEN_STRIKE = 128,
};
/* Colours: 0 = default, else one of these with a number: a named one (SGR 30 - 37 and the like, 0 - 15), an index
 * into the palette (38;5;n), or rgb (38;2;r;g;b). */
#define PEN_NAMED 0x01000000u
#define PEN_RGB 0x02000000u
#define PEN_INDEX 0x03000000u
struct pen {
	uint32_t fg, bg;
	uint32_t flags;
};
bool pen_equal(const struct pen *a, const struct pen *b);

struct cell {
	char text[7]; /* UTF-8 of the character; longer clusters go to `more` */
	uint8_t n;    /* 0 = covered by the wide character or tab before it */
	char *more;   /* combining characters and joiners behind it; malloced or NULL */
	struct pen pen;
};

struct row {
	struct buf text;  /* text form */
	size_t columns;   /* of the text form */
	struct pen last;  /* pen at the end of the text form */
	bool styled;	  /* some SGR was written in the text form */
	bool is_cells;
	VEC(struct cell) cells;
};

void row_fini(struct row *r);
void row_clear(struct row *r); /* keeps allocations */
size_t row_columns(const struct row *r);
bool row_is_blank(const struct row *r);
/* One character of `width` columns (0 = joins the one before) at column; what lies between the end and column
 * becomes blanks. */
void row_put(struct row *r, size_t column, const char *p, size_t n, unsigned width, const struct pen *pen);
/* Printable ASCII, each one column wide. */
void row_put_ascii(struct row *r, size_t column, const char *p, size_t n, const struct pen *pen);
/* From column on nothing is left. */
void row_truncate(struct row *r, size_t column);
/* Blanks over [from, to) as far as there is text. */
void row_blank(struct row *r, size_t from, size_t to);
void row_delete(struct row *r, size_t column, size_t n); /* DCH */
void row_insert(struct row *r, size_t column, size_t n); /* ICH */
/* Appends the text to be stored. */
void row_append_text(const struct row *r, struct buf *out);
#endif
