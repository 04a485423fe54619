/* UUIDs as text (RFC 9562). */
#ifndef BASE_UUID_H
#define BASE_UUID_H
#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT 37 /* 36 characters and a NUL */

/* Version 4, lower-case and hyphenated, from 16 random bytes. */
void uuid_v4(char out[UUID_TEXT], const uint8_t random[16]);
/* Reads the four spellings the reference takes for an untitled notebook
 * (hyphenated, 32 digits, braced, urn:uuid:; any case) and writes the canonical
 * one; false when s is no UUID. */
bool uuid_parse(const char *s, char ret_canonical[UUID_TEXT]);
#endif
