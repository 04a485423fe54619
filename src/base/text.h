/* Small helpers on C strings, numbers and times. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Whole string, decimal, no sign, no space; false on anything else or overflow. */
bool str_to_u64(const char *s, uint64_t *ret);
/* dir + "/" + name, one slash between; caller frees. */
char *path_join(const char *dir, const char *name);
/* The last component; a pointer into path. */
const char *path_base(const char *path);
/* Everything before the last component ("/" for "/x", "." for "x"); caller frees. */
char *path_dir(const char *path);

#define RFC3339_TEXT 40
/* `2026-03-20T11:18:00.123456789Z` for nanoseconds since the epoch. */
void rfc3339_format(char out[RFC3339_TEXT], int64_t unix_ns);
/* Accepts Z or a numeric offset and any number of fraction digits; false when
 * it is not RFC 3339. */
bool rfc3339_parse(const char *s, int64_t *ret_unix_ns);
#endif
