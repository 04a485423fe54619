/* Text measured in a document's unit, and cut into what one operation holds. */
#ifndef AUTOMERGE_TEXT_H
#define AUTOMERGE_TEXT_H
#include "automerge/internal.h"

/* Text, keys and names as a document takes them: AM_E_LIMIT, AM_E_FORMAT. p may be NULL when n is 0. */
int am_text_check(const void *p, size_t n);
/* Units of valid UTF-8. */
size_t am_text_units(am_text_unit unit, const uint8_t *p, size_t n);
/* Bytes of the first extended grapheme cluster (UAX 29); n > 0. */
size_t am_text_cluster(const uint8_t *p, size_t n);
/* Bytes of the scalar value at p (valid UTF-8). */
static inline size_t am_text_scalar(uint8_t first)
{
	return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
/* Exactly one scalar value. */
static inline bool am_text_is_scalar(const uint8_t *p, size_t n)
{
	return n > 0 && am_text_scalar(p[0]) == n;
}
#endif
