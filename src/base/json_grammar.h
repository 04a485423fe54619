/* Is this JSON? json-c alone does not say: without its strict flag it takes comments, single quotes, trailing
 * commas and numbers like 01, and with it its release 0.18 (Debian 13) takes no string outside ASCII (json-c
 * issue 875). */
#ifndef BASE_JSON_GRAMMAR_H
#define BASE_JSON_GRAMMAR_H
#include <stdbool.h>
#include <stddef.h>

/* One JSON text (RFC 8259) of at most JSON_DEPTH_MAX open arrays and objects, and nothing behind it. Beyond the
 * RFC, as json-c: NaN, Infinity and -Infinity, which Python writes, and control characters in strings. What is in
 * the strings (escapes, UTF-8) is left to the parser. */
bool json_is_text(const char *p, size_t n);
#endif
