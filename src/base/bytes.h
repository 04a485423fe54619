/* Text forms of bytes: hexadecimal and base64 (RFC 4648 section 4). */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Writes 2*n lower-case digits and a NUL. */
void hex_encode(char *out, const void *p, size_t n);
/* Exactly 2*n digits (either case) into n bytes; -EINVAL otherwise. */
int hex_decode(uint8_t *out, size_t n, const char *hex, size_t hex_n);
/* True for exactly 64 lower-case digits: the form of blob and manifest hashes. */
bool hex_is_hash(const char *s, size_t n);

/* Padded, without line breaks. */
void base64_encode(struct buf *out, const void *p, size_t n);
/* White space anywhere is skipped and missing padding tolerated (IPython before
 * 8.11 ends image data with a newline); anything else is -EINVAL and out is as
 * it was. */
int base64_decode(struct buf *out, const char *s, size_t n);
#endif
