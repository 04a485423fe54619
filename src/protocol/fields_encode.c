#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "protocol/fields.h"

static void str_append(struct buf *out, const char *s)
{
	if (s)
		json_append_str(out, s, strlen(s));
	else
		buf_append_str(out, "null");
}

/* Rust's form of a float: the shortest digits that read back, always with a
 * fraction or an exponent. JSON has no infinities. */
static void f64_append(struct buf *out, double v)
{
	char text[40];
	if (!isfinite(v)) {
		buf_append_str(out, "null");
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*e", digits - 1, v);
		if (strtod(text, NULL) == v)
			break;
	}
	char *e = strchr(text, 'e');
	int exponent = atoi(e + 1);
	if (exponent >= -5 && exponent < 16) {
		int shown = (int)(e - text) - (text[0] == '-'); /* digits and the point */
		int fraction = (shown > 1 ? shown - 2 : 0) - exponent;
		buf_printf(out, "%.*f", fraction < 1 ? 1 : fraction, v);
		return;
	}
	buf_append(out, text, (size_t)(e - text));
	buf_printf(out, "e%d", exponent);
}

static void bytes_append(struct buf *out, const struct bytes *b)
{
	buf_append_byte(out, '[');
	uint8_t *to = buf_reserve(out, b->n * 4 + 1), *at = to;
	for (size_t i = 0; i < b->n; i++) {
		unsigned v = b->p[i];
		if (i)
			*at++ = ',';
		if (v >= 100)
			*at++ = (uint8_t)('0' + v / 100);
		if (v >= 10)
			*at++ = (uint8_t)('0' + v / 10 % 10);
		*at++ = (uint8_t)('0' + v % 10);
	}
	out->n += (size_t)(at - to);
	buf_append_byte(out, ']');
}

static void bytes_list_append(struct buf *out, const struct bytes_list *list)
{
	buf_append_byte(out, '[');
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			buf_append_byte(out, ',');
		bytes_append(out, &list->p[i]);
	}
	buf_append_byte(out, ']');
}

static void strs_append(struct buf *out, const struct strs *s)
{
	buf_append_byte(out, '[');
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			buf_append_byte(out, ',');
		str_append(out, s->p[i]);
	}
	buf_append_byte(out, ']');
}

static void queue_entry_append(struct buf *out, const struct queue_entry *e, enum queue_form form)
{
	if (form == QUEUE_STRINGS) {
		str_append(out, e->cell_id);
		return;
	}
	buf_append_str(out, "{\"cell_id\":");
	str_append(out, e->cell_id);
	buf_append_str(out, ",\"execution_id\":");
	str_append(out, e->execution_id ? e->execution_id : "");
	buf_append_byte(out, '}');
}

static void queue_append(struct buf *out, const struct queue_entries *q, enum queue_form form)
{
	buf_append_byte(out, '[');
	for (size_t i = 0; i < q->n; i++) {
		if (i)
			buf_append_byte(out, ',');
		queue_entry_append(out, &q->p[i], form);
	}
	buf_append_byte(out, ']');
}

static void records_append(const struct field *f, struct buf *out, const void *at, enum queue_form form)
{
	struct { const char *p; size_t n; } list;
	memcpy(&list, at, sizeof list);
	buf_append_byte(out, '[');
	for (size_t i = 0; i < list.n; i++) {
		if (i)
			buf_append_byte(out, ',');
		fields_append_object(f->sub, out, list.p + i * f->size, form);
	}
	buf_append_byte(out, ']');
}

static void json_value_append(struct buf *out, struct json_object *v, uint8_t kind)
{
	if (v)
		json_append(out, v);
	else
		buf_append_str(out, kind == FIELD_OBJECT ? "{}" : "null");
}

static void value_append(const struct field *f, struct buf *out, const void *at, enum queue_form form)
{
	switch ((enum field_kind)f->kind) {
	case FIELD_STR:
		str_append(out, *(const char *const *)at);
		break;
	case FIELD_BOOL:
		buf_append_str(out, *(const bool *)at ? "true" : "false");
		break;
	case FIELD_I32:
		buf_printf(out, "%d", *(const int32_t *)at);
		break;
	case FIELD_I64:
		buf_printf(out, "%lld", (long long)*(const int64_t *)at);
		break;
	case FIELD_U32:
		buf_printf(out, "%u", *(const uint32_t *)at);
		break;
	case FIELD_U64:
		buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
		break;
	case FIELD_F64:
		f64_append(out, *(const double *)at);
		break;
	case FIELD_JSON:
	case FIELD_OBJECT:
		json_value_append(out, *(struct json_object *const *)at, f->kind);
		break;
	case FIELD_STRS:
		strs_append(out, at);
		break;
	case FIELD_STRS_PTR:
		strs_append(out, *(const struct strs *const *)at);
		break;
	case FIELD_BYTES:
		bytes_append(out, at);
		break;
	case FIELD_BYTES_LIST:
		bytes_list_append(out, at);
		break;
	case FIELD_QUEUE_ENTRY:
		queue_entry_append(out, at, form);
		break;
	case FIELD_QUEUE:
		queue_append(out, at, form);
		break;
	case FIELD_RECORD:
		fields_append_object(f->sub, out, at, form);
		break;
	case FIELD_RECORD_PTR:
		fields_append_object(f->sub, out, *(const void *const *)at, form);
		break;
	case FIELD_RECORDS:
		records_append(f, out, at, form);
		break;
	}
}

static bool pointer_is_null(const void *at)
{
	const void *p;
	memcpy(&p, at, sizeof p);
	return !p;
}

static bool value_is_none(const struct field *f, const void *at)
{
	switch ((enum field_kind)f->kind) {
	case FIELD_BOOL:
		return !*(const bool *)at;
	case FIELD_I64:
		return *(const int64_t *)at == -1;
	case FIELD_OBJECT: {
		struct json_object *v = *(struct json_object *const *)at;
		return !v || json_object_object_length(v) == 0;
	}
	case FIELD_STRS:
		return ((const struct strs *)at)->n == 0;
	case FIELD_BYTES_LIST:
		return ((const struct bytes_list *)at)->n == 0;
	case FIELD_QUEUE:
		return ((const struct queue_entries *)at)->n == 0;
	case FIELD_STR:
	case FIELD_JSON:
	case FIELD_STRS_PTR:
	case FIELD_RECORD_PTR:
	case FIELD_QUEUE_ENTRY: /* its first member is the cell id */
	case FIELD_RECORD:      /* so is its first field, a string */
		return pointer_is_null(at);
	default:
		return false;
	}
}

void fields_append(const struct field *fields, struct buf *out, const void *record, enum queue_form form, bool *first)
{
	for (const struct field *f = fields; f->key; f++) {
		const void *at = (const char *)record + f->at;
		bool none = (f->mode == FIELD_OMIT || f->mode == FIELD_NULL) && value_is_none(f, at);
		if (none && f->mode == FIELD_OMIT)
			continue;
		buf_printf(out, "%s\"%s\":", *first ? "" : ",", f->key);
		*first = false;
		if (none)
			buf_append_str(out, "null");
		else if (f->kind == FIELD_STR && f->mode == FIELD_REQUIRED && pointer_is_null(at))
			buf_append_str(out, "\"\""); /* readers refuse a null here */
		else
			value_append(f, out, at, form);
	}
}

void fields_append_object(const struct field *fields, struct buf *out, const void *record, enum queue_form form)
{
	bool first = true;
	buf_append_byte(out, '{');
	fields_append(fields, out, record, form, &first);
	buf_append_byte(out, '}');
}
