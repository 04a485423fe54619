/* A growing byte buffer. Zero-initialise (`struct buf b = {0}`) to start; the
 * owner ends it with buf_free or hands the bytes on with buf_take. */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *p; /* NULL while nothing was ever appended */
	size_t n;   /* bytes used */
	size_t cap; /* bytes allocated */
};

void buf_free(struct buf *b);
/* Keeps the allocation, forgets the content. */
void buf_clear(struct buf *b);
/* Makes room for `more` bytes behind the content and returns where they go;
 * the caller adds what it wrote to b->n. */
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *p, size_t n);
void buf_append_str(struct buf *b, const char *s);
void buf_append_byte(struct buf *b, uint8_t byte);
/* Big-endian, as frame lengths are. */
void buf_append_u32be(struct buf *b, uint32_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3), nonnull));
/* Drops `n` (<= b->n) bytes from the front; linear in what stays. */
void buf_consume(struct buf *b, size_t n);
/* A NUL behind the content (not counted in n); valid until the next change. */
const char *buf_cstr(struct buf *b);
/* The bytes, NUL-terminated, now the caller's to free(); b is empty again. */
char *buf_take(struct buf *b, size_t *ret_n);
#endif
