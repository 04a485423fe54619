#include "automerge/tool/change_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

const char *value_type_name(am_type t)
{
	static const char *const names[] = {"null",    "boolean",   "int",     "uint", "f64",  "str",  "bytes",
					    "counter", "timestamp", "unknown", "map",  "list", "text", "table"};
	return (size_t)t < sizeof names / sizeof names[0] ? names[t] : "unknown";
}

static void hex_json_append(struct buf *out, const uint8_t *p, size_t n)
{
	buf_append_byte(out, '"');
	char *to = (char *)buf_reserve(out, 2 * n + 1);
	hex_encode(to, p, n);
	out->n += 2 * n;
	buf_append_byte(out, '"');
}

void f64_json_append(struct buf *out, double d)
{
	char text[32];
	if (!isfinite(d)) {
		buf_append_str(out, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_append_str(out, text);
}

static void bytes_json_append(struct buf *out, const uint8_t *p, size_t n)
{
	buf_append_byte(out, '[');
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%u", i ? "," : "", p[i]);
	buf_append_byte(out, ']');
}

void value_json_append(struct buf *out, const am_value *v)
{
	switch (v->type) {
	case AM_BOOL: buf_append_str(out, v->b ? "true" : "false"); break;
	case AM_INT:
	case AM_COUNTER:
	case AM_TIMESTAMP: buf_printf(out, "%" PRId64, v->i); break;
	case AM_UINT: buf_printf(out, "%" PRIu64, v->u); break;
	case AM_F64: f64_json_append(out, v->f); break;
	case AM_STR: json_append_str(out, (const char *)v->s.p, v->s.n); break;
	case AM_BYTES:
	case AM_UNKNOWN: bytes_json_append(out, v->s.p, v->s.n); break;
	default: buf_append_str(out, "null");
	}
}

void hashes_json_append(struct buf *out, const am_hash *h, size_t n)
{
	buf_append_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_append_byte(out, ',');
		hex_json_append(out, h[i].b, sizeof h[i].b);
	}
	buf_append_byte(out, ']');
}

static void id_json_append(struct buf *out, const am_change_view *c, am_objid id, const char *zero)
{
	if (!id.ctr) {
		buf_printf(out, "\"%s\"", zero);
		return;
	}
	size_t n = 0;
	const uint8_t *actor = am_change_view_actor(c, id.actor, &n);
	buf_printf(out, "\"%" PRIu32 "@", id.ctr);
	char *to = (char *)buf_reserve(out, 2 * n + 1);
	hex_encode(to, actor, n);
	out->n += 2 * n;
	buf_append_byte(out, '"');
}

static void op_place_append(struct buf *out, const am_change_view *c, const am_op_view *op)
{
	buf_append_str(out, ",\"obj\":");
	id_json_append(out, c, op->obj, "_root");
	if (op->key) {
		buf_append_str(out, ",\"key\":");
		json_append_str(out, op->key, op->key_n);
	} else {
		buf_append_str(out, ",\"elemId\":");
		id_json_append(out, c, op->elem, "_head");
	}
	if (op->insert)
		buf_append_str(out, ",\"insert\":true");
}

static void op_value_append(struct buf *out, const am_op_view *op)
{
	enum { ACT_SET = 1, ACT_INC = 5, ACT_MARK = 7 };
	if (op->action == ACT_SET || op->action == ACT_INC || (op->action == ACT_MARK && op->mark)) {
		buf_append_str(out, ",\"value\":");
		value_json_append(out, &op->value);
		buf_printf(out, ",\"datatype\":\"%s\"", value_type_name(op->value.type));
	}
	if (op->mark) {
		buf_append_str(out, ",\"name\":");
		json_append_str(out, op->mark, op->mark_n);
	}
	if (op->action == ACT_MARK)
		buf_printf(out, ",\"expand\":%s", op->expand ? "true" : "false");
}

static void op_json_append(struct buf *out, const am_change_view *c, const am_op_view *op)
{
	static const char *const actions[] = {"makeMap",  "set", "makeList",  "del",
					      "makeText", "inc", "makeTable", "mark"};
	buf_append_str(out, "{\"id\":");
	id_json_append(out, c, op->id, "");
	buf_printf(out, ",\"action\":\"%s\"", op->action < 8 ? actions[op->action] : "unknown");
	op_place_append(out, c, op);
	op_value_append(out, op);
	buf_append_str(out, ",\"pred\":[");
	for (size_t i = 0; i < op->n_pred; i++) {
		if (i)
			buf_append_byte(out, ',');
		id_json_append(out, c, op->pred[i], "");
	}
	buf_append_str(out, "]}");
}

static int ops_json_append(struct buf *out, const am_buf *chunk)
{
	am_change_view *c = NULL;
	int rc = am_change_decode(chunk->p, chunk->n, NULL, &c);
	if (rc)
		return rc;
	const am_op_view *ops;
	size_t n = am_change_view_ops(c, &ops);
	buf_append_str(out, ",\"ops\":[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_append_byte(out, ',');
		op_json_append(out, c, &ops[i]);
	}
	buf_append_byte(out, ']');
	am_change_view_free(c);
	return 0;
}

int change_json_append(struct buf *out, const am_change_info *info, const am_buf *chunk)
{
	buf_append_str(out, "{\"hash\":");
	hex_json_append(out, info->hash.b, sizeof info->hash.b);
	buf_append_str(out, ",\"actor\":");
	hex_json_append(out, info->actor, info->actor_n);
	buf_printf(out, ",\"seq\":%" PRIu64 ",\"startOp\":%" PRIu64 ",\"time\":%" PRId64 ",\"message\":", info->seq,
		   info->start_op, info->time);
	if (info->message_n)
		json_append_str(out, info->message, info->message_n);
	else
		buf_append_str(out, "null");
	buf_append_str(out, ",\"deps\":");
	hashes_json_append(out, info->deps, info->n_deps);
	if (info->author) {
		buf_append_str(out, ",\"author\":");
		hex_json_append(out, info->author, info->author_n);
	}
	if (info->extra_n) {
		buf_append_str(out, ",\"extra\":");
		hex_json_append(out, info->extra, info->extra_n);
	}
	int rc = chunk ? ops_json_append(out, chunk) : 0;
	buf_append_byte(out, '}');
	return rc;
}
