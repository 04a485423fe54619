#include "automerge/tool/oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "automerge/tool/change_json.h"
#include "automerge/tool/tool.h"
#include "base/alloc.h"
#include "base/bytes.h"

int oracle_bad(struct oracle *o, const char *why)
{
	o->why = why;
	return ORACLE_E_REQUEST;
}

int oracle_doc(struct oracle *o, const char *key, am_doc **ret)
{
	const char *name;
	if (json_get_str(o->req, key, &name))
		return oracle_bad(o, "a document's name is missing");
	am_doc *doc = map_get(&o->docs, name);
	if (!doc)
		return oracle_bad(o, "no such document");
	*ret = doc;
	return 0;
}

int oracle_sync(struct oracle *o, am_sync **ret)
{
	const char *name;
	am_sync *s = json_get_str(o->req, "sync", &name) ? NULL : map_get(&o->syncs, name);
	if (!s)
		return oracle_bad(o, "no such sync state");
	*ret = s;
	return 0;
}

void oracle_str(struct oracle *o, const char *key, const char **ret, size_t *ret_n)
{
	struct json_object *s = json_get(o->req, key);
	bool there = json_object_is_type(s, json_type_string);
	*ret = there ? json_object_get_string(s) : NULL;
	*ret_n = there ? (size_t)json_object_get_string_len(s) : 0;
}

int oracle_bytes(struct oracle *o, const char *key, struct buf *out)
{
	const char *s;
	size_t n;
	oracle_str(o, key, &s, &n);
	if (!s || base64_decode(out, s, n))
		return oracle_bad(o, "base64 is missing");
	return 0;
}

int64_t oracle_int(struct oracle *o, const char *key, int64_t absent)
{
	struct json_object *v = json_get(o->req, key);
	return v ? json_object_get_int64(v) : absent;
}

bool oracle_flag(struct oracle *o, const char *key)
{
	return json_object_get_boolean(json_get(o->req, key));
}

int oracle_hashes(struct oracle *o, const char *key, am_hash **ret, size_t *ret_n)
{
	struct json_object *list = NULL;
	*ret = NULL;
	*ret_n = 0;
	if (json_get_array(o->req, key, &list))
		return 0;
	size_t n = json_object_array_length(list);
	am_hash *h = xcalloc(n + 1, sizeof *h);
	for (size_t i = 0; i < n; i++) {
		struct json_object *s = json_object_array_get_idx(list, i);
		if (hex_decode(h[i].b, sizeof h[i].b, json_object_get_string(s),
			       (size_t)json_object_get_string_len(s))) {
			free(h);
			return oracle_bad(o, "not a hash");
		}
	}
	*ret = h;
	*ret_n = n;
	return 0;
}

int oracle_object(struct oracle *o, am_doc *doc, const char *key, am_objid *ret)
{
	const char *text;
	if (json_get_str(o->req, key, &text))
		return oracle_bad(o, "an object is missing");
	if (text[0] == '$')
		text = map_get(&o->handles, text + 1);
	return text && am_id_parse(doc, text, strlen(text), ret) == AM_OK ? AM_OK : AM_E_NOT_FOUND;
}

static am_type type_of_name(const char *name)
{
	for (int t = AM_NULL; t <= AM_TABLE; t++) {
		if (!strcmp(name, value_type_name((am_type)t)))
			return (am_type)t;
	}
	return AM_UNKNOWN;
}

int oracle_value(struct json_object *json, struct buf *hold, am_value *ret)
{
	const char *name;
	struct json_object *v = json_get(json, "v");
	if (json_get_str(json, "t", &name))
		return ORACLE_E_REQUEST;
	const char *s = v ? json_object_get_string(v) : "";
	size_t n = v ? (size_t)json_object_get_string_len(v) : 0;
	uint8_t bits[8];
	ret->type = type_of_name(name);
	switch (ret->type) {
	case AM_NULL: return 0;
	case AM_BOOL: ret->b = json_object_get_boolean(v); return 0;
	case AM_INT:
	case AM_COUNTER:
	case AM_TIMESTAMP: ret->i = strtoll(s, NULL, 10); return 0;
	case AM_UINT: ret->u = strtoull(s, NULL, 10); return 0;
	case AM_F64:
		if (hex_decode(bits, sizeof bits, s, n))
			return ORACLE_E_REQUEST;
		ret->u = 0;
		for (int i = 0; i < 8; i++)
			ret->u = ret->u << 8 | bits[i];
		return 0;
	case AM_STR: buf_append(hold, s, n); break;
	case AM_BYTES:
		if (base64_decode(hold, s, n))
			return ORACLE_E_REQUEST;
		break;
	default: return ORACLE_E_REQUEST;
	}
	ret->s.p = hold->p;
	ret->s.n = hold->n;
	return 0;
}

void oracle_keep_doc(struct oracle *o, const char *name, am_doc *doc)
{
	am_free(map_put(&o->docs, name, doc));
}

void oracle_put_base64(struct oracle *o, const void *p, size_t n)
{
	buf_append_byte(&o->out, '"');
	base64_encode(&o->out, p, n);
	buf_append_byte(&o->out, '"');
}

void oracle_put_hash(struct oracle *o, const am_hash *h)
{
	char hex[2 * sizeof h->b + 1];
	hex_encode(hex, h->b, sizeof h->b);
	buf_printf(&o->out, "\"%s\"", hex);
}

static void append_id(struct buf *out, am_doc *doc, am_objid id)
{
	am_buf text = {0};
	if (am_id_text(doc, id, &text) == AM_OK)
		buf_append(out, text.p, text.n);
	am_buf_free(&text);
}

void oracle_put_id(struct buf *out, am_doc *doc, am_objid id)
{
	buf_append_byte(out, '"');
	append_id(out, doc, id);
	buf_append_byte(out, '"');
}

void oracle_made(struct oracle *o, am_doc *doc, am_objid id)
{
	const char *name;
	oracle_put_id(&o->out, doc, id);
	if (json_get_str(o->req, "as", &name))
		return;
	struct buf text = {0};
	append_id(&text, doc, id);
	buf_append_byte(&text, 0);
	free(map_put(&o->handles, name, buf_take(&text, NULL)));
}

void oracle_put_value(struct buf *out, const am_value *v)
{
	buf_printf(out, "{\"t\":\"%s\"", value_type_name(v->type));
	switch (v->type) {
	case AM_BOOL: buf_printf(out, ",\"v\":%s", v->b ? "true" : "false"); break;
	case AM_INT:
	case AM_COUNTER:
	case AM_TIMESTAMP: buf_printf(out, ",\"v\":\"%" PRId64 "\"", v->i); break;
	case AM_UINT: buf_printf(out, ",\"v\":\"%" PRIu64 "\"", v->u); break;
	case AM_F64: buf_printf(out, ",\"v\":\"%016" PRIx64 "\"", v->u); break;
	case AM_STR:
		buf_append_str(out, ",\"v\":");
		json_append_str(out, (const char *)v->s.p, v->s.n);
		break;
	case AM_BYTES:
	case AM_UNKNOWN:
		buf_append_str(out, ",\"v\":\"");
		base64_encode(out, v->s.p, v->s.n);
		buf_append_byte(out, '"');
		break;
	default: break;
	}
	if (v->type == AM_UNKNOWN)
		buf_printf(out, ",\"code\":%u", v->unknown_code);
	buf_append_byte(out, '}');
}

static oracle_fn find_op(const char *name)
{
	const struct oracle_op *const tables[] = {oracle_doc_ops, oracle_edit_ops, oracle_read_ops, oracle_sync_ops,
						  oracle_converge_ops};
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		for (const struct oracle_op *op = tables[i]; op->name; op++) {
			if (!strcmp(op->name, name))
				return op->fn;
		}
	}
	return NULL;
}

static int handle(struct oracle *o, const char *line, size_t n)
{
	const char *name;
	o->req = json_parse(line, n);
	if (!o->req || json_get_str(o->req, "op", &name))
		return oracle_bad(o, "not a request");
	oracle_fn fn = find_op(name);
	return fn ? fn(o) : oracle_bad(o, "no such operation");
}

static void answer(struct oracle *o, int rc)
{
	if (rc) {
		struct buf line = {0};
		const char *why = rc == ORACLE_E_REQUEST ? o->why : am_strerror(rc);
		buf_append_str(&line, "{\"error\":");
		json_append_str(&line, why ? why : "bad value", strlen(why ? why : "bad value"));
		buf_printf(&line, ",\"code\":%d}\n", rc);
		fwrite(line.p, 1, line.n, stdout);
		buf_free(&line);
	} else {
		fputs("{\"ok\":", stdout);
		if (o->out.n)
			fwrite(o->out.p, 1, o->out.n, stdout);
		fputs(o->out.n ? "}\n" : "null}\n", stdout);
	}
	fflush(stdout);
}

void oracle_reset(struct oracle *o)
{
	MAP_EACH(&o->docs, d)
		am_free(d->value);
	MAP_EACH(&o->syncs, s)
		am_sync_free(s->value);
	MAP_EACH(&o->handles, h)
		free(h->value);
	map_free(&o->docs);
	map_free(&o->syncs);
	map_free(&o->handles);
}

int cmd_oracle(const struct tool_args *args)
{
	(void)args;
	struct oracle o = {0};
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	while ((n = getline(&line, &cap, stdin)) > 0) {
		buf_clear(&o.out);
		o.why = NULL;
		answer(&o, handle(&o, line, (size_t)n));
		json_object_put(o.req);
		o.req = NULL;
	}
	free(line);
	oracle_reset(&o);
	buf_free(&o.out);
	return 0;
}
