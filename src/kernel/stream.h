/* Stream text as a terminal shows it (kernels.md 8): one per execution and
 * stream name. Carriage returns, backspaces, cursor movement, erasing and SGR
 * work on a screen of 80 columns by 100 lines; lines that left the screen are
 * settled and never looked at again, so the cost follows what is printed.
 *
 * Unlike the reference's: lines are never wrapped, tabs stay tabs, printed
 * blanks and the number of newlines stay, reverse video stays (8.3). */
#ifndef KERNEL_STREAM_H
#define KERNEL_STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_COLUMNS 80
#define STREAM_LINES 100
#define STREAM_LINES_MAX 1000000u	   /* settled lines kept (kernels.md 19) */
#define STREAM_BYTES_MAX (64u * 1024u * 1024u) /* bytes kept */

struct stream;
struct stream *stream_new(void);
void stream_free(struct stream *s);
/* Valid UTF-8; escape sequences may be cut anywhere between characters. */
void stream_feed(struct stream *s, const char *p, size_t n);
/* The whole text; valid until the next call with s. Oldest lines beyond the limits are replaced by one line
 * `[… N earlier lines were cut …]`. */
const char *stream_text(struct stream *s, size_t *ret_n);
/* A new segment: empty text, cursor home; colours and a half-read escape sequence go on. */
void stream_cut(struct stream *s);
/* Bytes of text, roughly (for choosing when to render). */
size_t stream_size(const struct stream *s);
#endif
