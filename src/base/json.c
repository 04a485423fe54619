#include "base/json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/json_grammar.h"

struct json_object *json_parse(const void *p, size_t n)
{
	if (n > INT_MAX || !json_is_text(p, n))
		return NULL;
	struct json_tokener *t = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (!t)
		return NULL;
	json_tokener_set_flags(t, JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *obj = json_tokener_parse_ex(t, p, (int)n);
	if (json_tokener_get_error(t) == json_tokener_continue) /* a bare number ends only with the text */
		obj = json_tokener_parse_ex(t, "", 1);
	bool good = json_tokener_get_error(t) == json_tokener_success;
	json_tokener_free(t);
	if (!good) {
		json_object_put(obj);
		return NULL;
	}
	return obj;
}

struct json_object *json_get(struct json_object *obj, const char *key)
{
	struct json_object *v = NULL;
	if (!json_object_is_type(obj, json_type_object))
		return NULL;
	json_object_object_get_ex(obj, key, &v);
	return v;
}

static int get_typed(struct json_object *obj, const char *key, enum json_type type, struct json_object **ret)
{
	struct json_object *v = json_get(obj, key);
	if (!v)
		return -ENOENT;
	if (!json_object_is_type(v, type))
		return -EINVAL;
	*ret = v;
	return 0;
}

int json_get_str(struct json_object *obj, const char *key, const char **ret)
{
	struct json_object *v;
	int r = get_typed(obj, key, json_type_string, &v);
	if (r < 0)
		return r;
	*ret = json_object_get_string(v);
	return 0;
}

int json_get_bool(struct json_object *obj, const char *key, bool *ret)
{
	struct json_object *v;
	int r = get_typed(obj, key, json_type_boolean, &v);
	if (r < 0)
		return r;
	*ret = json_object_get_boolean(v);
	return 0;
}

int json_get_i64(struct json_object *obj, const char *key, int64_t *ret)
{
	struct json_object *v;
	int r = get_typed(obj, key, json_type_int, &v);
	if (r < 0)
		return r;
	if (json_object_get_uint64(v) > INT64_MAX && json_object_get_int64(v) >= 0)
		return -EINVAL;
	*ret = json_object_get_int64(v);
	return 0;
}

int json_get_u64(struct json_object *obj, const char *key, uint64_t *ret)
{
	struct json_object *v;
	int r = get_typed(obj, key, json_type_int, &v);
	if (r < 0)
		return r;
	if (json_object_get_int64(v) < 0)
		return -EINVAL;
	*ret = json_object_get_uint64(v);
	return 0;
}

int json_get_array(struct json_object *obj, const char *key, struct json_object **ret)
{
	return get_typed(obj, key, json_type_array, ret);
}

int json_get_object(struct json_object *obj, const char *key, struct json_object **ret)
{
	return get_typed(obj, key, json_type_object, ret);
}

void json_append(struct buf *out, struct json_object *obj)
{
	size_t n;
	const char *s = json_object_to_json_string_length(
		obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	buf_append(out, s, n);
}

void json_append_str(struct buf *out, const char *s, size_t n)
{
	buf_append_byte(out, '"');
	size_t done = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_append(out, s + done, i - done);
		done = i + 1;
		static const char names[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
		const char *at = c ? strchr(names, c) : NULL;
		if (at)
			buf_printf(out, "\\%c", letters[at - names]);
		else
			buf_printf(out, "\\u%04x", c);
	}
	if (done < n) /* s may be NULL */
		buf_append(out, s + done, n - done);
	buf_append_byte(out, '"');
}

struct json_object *json_str_n(const char *s, size_t n)
{
	return json_object_new_string_len(s, (int)n);
}
