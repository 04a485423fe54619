/* Reading json-c objects the way the wire needs it (protocol.md 1): a key that
 * is absent or null is "not there", a key of the wrong type is an error. */
#ifndef BASE_JSON_H
#define BASE_JSON_H
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH_MAX 128 /* serde_json's limit; deeper text is refused */

/* One whole JSON text; NULL when it is not. The caller json_object_put()s it. */
struct json_object *json_parse(const void *p, size_t n);
/* Each returns 0 with *ret set, -ENOENT when absent or null (*ret untouched),
 * -EINVAL when of another type or out of range. Strings are borrowed from obj. */
int json_get_str(struct json_object *obj, const char *key, const char **ret);
int json_get_bool(struct json_object *obj, const char *key, bool *ret);
int json_get_i64(struct json_object *obj, const char *key, int64_t *ret);
int json_get_u64(struct json_object *obj, const char *key, uint64_t *ret);
int json_get_array(struct json_object *obj, const char *key, struct json_object **ret);
int json_get_object(struct json_object *obj, const char *key, struct json_object **ret);
/* The value under key or NULL. */
struct json_object *json_get(struct json_object *obj, const char *key);

/* Compact, `/` unescaped, non-ASCII kept. */
void json_append(struct buf *out, struct json_object *obj);
/* A JSON string literal with quotes. */
void json_append_str(struct buf *out, const char *s, size_t n);
/* New reference to a string of n bytes (may hold NUL). */
struct json_object *json_str_n(const char *s, size_t n);
#endif
