#include <errno.h>
#include <limits.h>
#include <string.h>

#include "protocol/fields.h"

static int value_decode(const struct field *f, struct json_object *v, void *at, struct message_memory *memory,
	char **ret_why);

static int str_decode(struct json_object *v, const char **ret)
{
	if (!json_object_is_type(v, json_type_string))
		return -EINVAL;
	const char *s = json_object_get_string(v);
	if (strlen(s) != (size_t)json_object_get_string_len(v))
		return -EINVAL;
	*ret = s;
	return 0;
}

static int i64_decode(struct json_object *v, int64_t min, int64_t max, int64_t *ret)
{
	if (!json_object_is_type(v, json_type_int))
		return -EINVAL;
	int64_t i = json_object_get_int64(v);
	if (i < min || i > max || (i == INT64_MAX && json_object_get_uint64(v) > INT64_MAX))
		return -EINVAL;
	*ret = i;
	return 0;
}

static int number_decode(uint8_t kind, struct json_object *v, void *at)
{
	int64_t i = 0;
	int r = 0;
	switch (kind) {
	case FIELD_I32:
		if ((r = i64_decode(v, INT32_MIN, INT32_MAX, &i)) == 0)
			*(int32_t *)at = (int32_t)i;
		return r;
	case FIELD_I64:
		return i64_decode(v, INT64_MIN, INT64_MAX, at);
	case FIELD_U32:
		if ((r = i64_decode(v, 0, UINT32_MAX, &i)) == 0)
			*(uint32_t *)at = (uint32_t)i;
		return r;
	case FIELD_U64:
		if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
			return -EINVAL;
		*(uint64_t *)at = json_object_get_uint64(v);
		return 0;
	default: /* FIELD_F64 takes whole numbers too, as serde does */
		if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
			return -EINVAL;
		*(double *)at = json_object_get_double(v);
		return 0;
	}
}

static int strs_decode(struct json_object *v, struct message_memory *memory, struct strs *ret)
{
	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	size_t n = json_object_array_length(v);
	struct strs s = {message_alloc(memory, n, sizeof *s.p), n};
	for (size_t i = 0; i < n; i++)
		if (str_decode(json_object_array_get_idx(v, i), &s.p[i]) < 0)
			return -EINVAL;
	*ret = s;
	return 0;
}

int bytes_decode(struct json_object *v, struct message_memory *memory, struct bytes *ret)
{
	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	size_t n = json_object_array_length(v);
	uint8_t *p = message_alloc(memory, n, 1);
	for (size_t i = 0; i < n; i++) {
		int64_t byte;
		if (i64_decode(json_object_array_get_idx(v, i), 0, 255, &byte) < 0)
			return -EINVAL;
		p[i] = (uint8_t)byte;
	}
	*ret = (struct bytes){p, n};
	return 0;
}

static int bytes_list_decode(struct json_object *v, struct message_memory *memory, struct bytes_list *ret)
{
	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	size_t n = json_object_array_length(v);
	struct bytes_list list = {message_alloc(memory, n, sizeof *list.p), n};
	for (size_t i = 0; i < n; i++)
		if (bytes_decode(json_object_array_get_idx(v, i), memory, &list.p[i]) < 0)
			return -EINVAL;
	*ret = list;
	return 0;
}

/* Either form: a client may meet a daemon of the other kind. */
static int queue_entry_decode(struct json_object *v, struct queue_entry *ret)
{
	static const struct field fields[] = {
		FIELD(struct queue_entry, cell_id, FIELD_STR, FIELD_REQUIRED),
		FIELD(struct queue_entry, execution_id, FIELD_STR, FIELD_OMIT),
		FIELD_END,
	};
	struct queue_entry entry = {0};
	int r = json_object_is_type(v, json_type_string) ? str_decode(v, &entry.cell_id)
							  : fields_decode(fields, v, &entry, NULL, NULL);
	if (r == 0)
		*ret = entry;
	return r;
}

static int queue_decode(struct json_object *v, struct message_memory *memory, struct queue_entries *ret)
{
	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	size_t n = json_object_array_length(v);
	struct queue_entries q = {message_alloc(memory, n, sizeof *q.p), n};
	for (size_t i = 0; i < n; i++)
		if (queue_entry_decode(json_object_array_get_idx(v, i), &q.p[i]) < 0)
			return -EINVAL;
	*ret = q;
	return 0;
}

static int records_decode(const struct field *f, struct json_object *v, void *at, struct message_memory *memory)
{
	struct { void *p; size_t n; } list;
	if (!json_object_is_type(v, json_type_array))
		return -EINVAL;
	list.n = json_object_array_length(v);
	list.p = message_alloc(memory, list.n, f->size);
	for (size_t i = 0; i < list.n; i++)
		if (fields_decode(f->sub, json_object_array_get_idx(v, i), (char *)list.p + i * f->size, memory,
			    NULL) < 0)
			return -EINVAL;
	memcpy(at, &list, sizeof list);
	return 0;
}

static int pointer_decode(const struct field *f, struct json_object *v, void *at, struct message_memory *memory)
{
	size_t size = f->kind == FIELD_STRS_PTR ? sizeof(struct strs) : f->size;
	void *p = message_alloc(memory, 1, size);
	int r = f->kind == FIELD_STRS_PTR ? strs_decode(v, memory, p) : fields_decode(f->sub, v, p, memory, NULL);
	if (r == 0)
		memcpy(at, &p, sizeof p);
	return r;
}

static int value_decode(const struct field *f, struct json_object *v, void *at, struct message_memory *memory,
	char **ret_why)
{
	switch ((enum field_kind)f->kind) {
	case FIELD_STR:
		return str_decode(v, at);
	case FIELD_BOOL:
		if (!json_object_is_type(v, json_type_boolean))
			return -EINVAL;
		*(bool *)at = json_object_get_boolean(v);
		return 0;
	case FIELD_I32:
	case FIELD_I64:
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_F64:
		return number_decode(f->kind, v, at);
	case FIELD_OBJECT:
		if (!json_object_is_type(v, json_type_object))
			return -EINVAL; /* fall through */
	case FIELD_JSON:
		*(struct json_object **)at = v;
		return 0;
	case FIELD_STRS:
		return strs_decode(v, memory, at);
	case FIELD_BYTES:
		return bytes_decode(v, memory, at);
	case FIELD_BYTES_LIST:
		return bytes_list_decode(v, memory, at);
	case FIELD_QUEUE_ENTRY:
		return queue_entry_decode(v, at);
	case FIELD_QUEUE:
		return queue_decode(v, memory, at);
	case FIELD_RECORD:
		return fields_decode(f->sub, v, at, memory, ret_why);
	case FIELD_STRS_PTR:
	case FIELD_RECORD_PTR:
		return pointer_decode(f, v, at, memory);
	case FIELD_RECORDS:
		return records_decode(f, v, at, memory);
	}
	return -EINVAL;
}

/* What a field holds when its key is not there. */
static int absent_decode(const struct field *f, bool is_null, void *at)
{
	switch ((enum field_mode)f->mode) {
	case FIELD_REQUIRED:
		if (f->kind == FIELD_JSON && is_null)
			return 0; /* "any JSON" includes null */
		return -ENOENT;
	case FIELD_DEFAULT:
	case FIELD_DEFAULT_TRUE:
		if (is_null)
			return -EINVAL;
		if (f->mode == FIELD_DEFAULT_TRUE)
			*(bool *)at = true;
		return 0;
	default:
		if (f->kind == FIELD_I64)
			*(int64_t *)at = -1;
		return 0;
	}
}

static int field_decode(const struct field *f, struct json_object *json, char *record, struct message_memory *memory,
	char **ret_why)
{
	struct json_object *v = NULL;
	bool there = json_object_object_get_ex(json, f->key, &v);
	char *why = NULL;
	int r = v ? value_decode(f, v, record + f->at, memory, &why) : absent_decode(f, there, record + f->at);
	if (r < 0 && ret_why && !*ret_why)
		*ret_why = why ? why
			 : r == -ENOENT && !there
				 ? xasprintf("missing field `%s`", f->key)
				 : xasprintf("invalid value for field `%s`", f->key);
	else
		free(why);
	return r < 0 ? -EINVAL : 0;
}

int fields_decode(const struct field *fields, struct json_object *json, void *record, struct message_memory *memory,
	char **ret_why)
{
	if (!json_object_is_type(json, json_type_object))
		return -EINVAL;
	if (ret_why)
		*ret_why = NULL;
	for (const struct field *f = fields; f->key; f++) {
		int r = field_decode(f, json, record, memory, ret_why);
		if (r < 0)
			return r;
	}
	return 0;
}
