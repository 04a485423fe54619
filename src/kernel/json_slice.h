/* Views into JSON text. Kernel messages are read through these instead of a
 * tree: a value is passed on byte for byte, so key order, big integers and
 * number text survive, and a 100 MB output is not copied to be looked at.
 *
 * Everything but json_slice_init expects text that json_slice_init accepted. */
#ifndef KERNEL_JSON_SLICE_H
#define KERNEL_JSON_SLICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_SLICE_DEPTH 1000

struct json_slice {
	const char *p; /* NULL = absent; else the value's first byte */
	size_t n;      /* without white space around it */
};

/* Checks one whole JSON text and views it; else -EINVAL. NaN, Infinity and -Infinity are let through (Python writes
 * them). */
int json_slice_init(struct json_slice *s, const void *p, size_t n);

bool json_slice_is_object(struct json_slice s);
bool json_slice_is_array(struct json_slice s);
bool json_slice_is_string(struct json_slice s);
bool json_slice_is_null(struct json_slice s); /* also true for absent */
bool json_slice_is_true(struct json_slice s);
bool json_slice_i64(struct json_slice s, int64_t *ret);

/* Walks an object or array: `for (it = json_slice_walk(s); json_slice_next(&it);)`. key is raw (with quotes) and absent
 * in arrays. */
struct json_walk {
	const char *at, *end;
	bool object;
	struct json_slice key, value;
};
struct json_walk json_slice_walk(struct json_slice s);
bool json_slice_next(struct json_walk *w);

/* The member, or absent. Of duplicates the last. */
struct json_slice json_slice_get(struct json_slice object, const char *key);
/* True when the string slice decodes to exactly text. */
bool json_slice_equals(struct json_slice s, const char *text);
/* Appends a string's decoded bytes; lone surrogates become U+FFFD. Nothing for other types. */
void json_slice_text(struct buf *out, struct json_slice s);
/* malloced, NUL-terminated decoded string; NULL when s is no string. */
char *json_slice_strdup(struct json_slice s);
/* Decodes at most `max` bytes of a string from *at (start with *at = 0) to out; false when all was given out. */
bool json_slice_text_part(struct json_slice s, size_t *at, size_t max, struct buf *out);
/* Appends the value as strict JSON: NaN and infinities become strings, lone surrogate escapes U+FFFD; everything
 * else byte for byte. */
void json_slice_append_strict(struct buf *out, struct json_slice s);
#endif
