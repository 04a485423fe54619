/* Cell positions: fractional indices as upper-case hexadecimal text ending in
 * the terminator "80" (documents.md 4). Order is byte order of the text, ties
 * are broken by cell id (3.7).
 *
 * Arithmetic compares signed (4.3), so it differs from the reference only where
 * that misplaces cells. Results are malloc()ed; NULL says that no such position
 * exists and the caller renumbers or appends. */
#ifndef NOTEBOOK_POSITION_H
#define NOTEBOOK_POSITION_H
#include <stdbool.h>
#include <stddef.h>

#define POSITION_FIRST "80" /* of an empty list; also what a missing position counts as */
#define POSITION_MAX 65536  /* characters; longer ones (a peer's) are treated as invalid */

/* Hexadecimal, even length, at least one byte, not all 00 and not all FF. */
bool position_valid(const char *s, size_t n);
char *position_before(const char *s);
char *position_after(const char *s);
/* NULL when left >= right or no room is left; callers then use after(left). */
char *position_between(const char *left, const char *right);
#endif
