/* UTF-8 (RFC 3629): strict, so no surrogates, no overlong forms, <= U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(const void *p, size_t n);
/* Decodes one scalar value at p (n > 0 bytes there); returns its length in
 * bytes, or 0 when the bytes there are not valid. */
size_t utf8_decode(const void *p, size_t n, uint32_t *ret_cp);
/* Writes 1..4 bytes, returns how many; cp must be a scalar value. */
size_t utf8_encode(uint8_t out[4], uint32_t cp);
/* Scalar values in valid UTF-8. */
size_t utf8_count(const void *p, size_t n);
/* Byte offset of scalar value number `index` in valid UTF-8; n when past the end. */
size_t utf8_offset(const void *p, size_t n, size_t index);
#endif
