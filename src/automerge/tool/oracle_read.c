/* Requests that read; "heads" asks for an older state. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "automerge/tool/oracle.h"
#include "base/alloc.h"

struct reading {
	struct oracle *o;
	am_doc *doc;
	am_view *view;
	am_objid obj;
	size_t n;      /* entries written at this level */
	am_objid last; /* highest of a register */
};

static int start(struct oracle *o, struct reading *ret)
{
	struct reading r = {.o = o};
	am_hash *heads = NULL;
	size_t n;
	int rc = oracle_doc(o, "doc", &r.doc);
	if (!rc && json_get(o->req, "obj"))
		rc = oracle_object(o, r.doc, "obj", &r.obj);
	if (!rc)
		rc = oracle_hashes(o, "heads", &heads, &n);
	if (!rc && heads)
		rc = am_view_at(r.doc, heads, n, &r.view);
	free(heads);
	if (!rc)
		*ret = r;
	return rc;
}

static int dump(struct reading *r, am_objid obj, am_type type);

static void comma(struct reading *r)
{
	if (r->n++)
		buf_append_byte(&r->o->out, ',');
}

/* One visible value: scalars with their id, objects with all they hold. */
static int dump_value(void *ctx, const am_value *v)
{
	struct reading *r = ctx;
	comma(r);
	if (am_is_object(v->type)) {
		struct reading inner = *r;
		inner.n = 0;
		return dump(&inner, v->id, v->type);
	}
	buf_append_byte(&r->o->out, '[');
	oracle_put_value(&r->o->out, v);
	buf_append_byte(&r->o->out, ',');
	oracle_put_id(&r->o->out, r->doc, v->id);
	buf_append_byte(&r->o->out, ']');
	return 0;
}

/* One place, three ways to ask for its winner. */
static int agree(const am_value *each, const am_value *got, am_objid last, size_t n)
{
	bool same = each->type == got->type && each->id.ctr == got->id.ctr && each->id.actor == got->id.actor &&
		    each->conflict == got->conflict && got->id.ctr == last.ctr && got->id.actor == last.actor &&
		    got->conflict == (n > 1);
	return same ? 0 : AM_E_FORMAT;
}

static int note_last(void *ctx, const am_value *v)
{
	struct reading *r = ctx;
	r->n++;
	r->last = v->id;
	return 0;
}

static int check_key(const struct reading *r, const char *key, size_t key_n, const am_value *v)
{
	struct reading all = *r;
	am_value got;
	all.n = 0;
	int rc = am_map_get(r->doc, r->view, r->obj, key, key_n, &got);
	if (!rc)
		rc = am_map_get_all(r->doc, r->view, r->obj, key, key_n, note_last, &all);
	return rc ? rc : agree(v, &got, all.last, all.n);
}

static int check_element(const struct reading *r, size_t index, const am_value *v)
{
	struct reading all = *r;
	am_value got;
	all.n = 0;
	int rc = am_list_get(r->doc, r->view, r->obj, index, &got);
	if (!rc)
		rc = am_list_get_all(r->doc, r->view, r->obj, index, note_last, &all);
	return rc ? rc : agree(v, &got, all.last, all.n);
}

static int dump_key(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct reading *r = ctx, inner = *r;
	comma(r);
	buf_append_byte(&r->o->out, '[');
	json_append_str(&r->o->out, key, key_n);
	buf_append_str(&r->o->out, ",[");
	inner.n = 0;
	int rc = am_map_get_all(r->doc, r->view, r->obj, key, key_n, dump_value, &inner);
	buf_append_str(&r->o->out, "]]");
	return rc ? rc : check_key(r, key, key_n, v);
}

static int dump_element(void *ctx, size_t index, const am_value *v)
{
	struct reading *r = ctx, inner = *r;
	comma(r);
	buf_append_byte(&r->o->out, '[');
	inner.n = 0;
	int rc = am_list_get_all(r->doc, r->view, r->obj, index, dump_value, &inner);
	buf_append_byte(&r->o->out, ']');
	return rc ? rc : check_element(r, index, v);
}

static int put_mark(void *ctx, const am_mark_range *m)
{
	struct reading *r = ctx;
	comma(r);
	buf_append_byte(&r->o->out, '[');
	json_append_str(&r->o->out, m->name, m->name_n);
	buf_printf(&r->o->out, ",%zu,%zu,", m->start, m->end);
	oracle_put_value(&r->o->out, &m->value);
	buf_append_byte(&r->o->out, ']');
	return 0;
}

static int put_marks(struct reading *r)
{
	struct reading inner = *r;
	inner.n = 0;
	buf_append_byte(&r->o->out, '[');
	int rc = am_marks(r->doc, r->view, r->obj, put_mark, &inner);
	buf_append_byte(&r->o->out, ']');
	return rc;
}

static void put_span_marks(struct reading *r, const am_span_view *s)
{
	buf_append_str(&r->o->out, ",{");
	for (size_t i = 0; i < s->n_marks; i++) {
		if (i)
			buf_append_byte(&r->o->out, ',');
		json_append_str(&r->o->out, s->marks[i].name, s->marks[i].name_n);
		buf_append_byte(&r->o->out, ':');
		oracle_put_value(&r->o->out, &s->marks[i].value);
	}
	buf_append_byte(&r->o->out, '}');
}

static int put_span(void *ctx, const am_span_view *s)
{
	struct reading *r = ctx;
	comma(r);
	if (!s->is_block) {
		buf_append_str(&r->o->out, "[\"text\",");
		json_append_str(&r->o->out, s->text, s->text_n);
		put_span_marks(r, s);
		buf_append_byte(&r->o->out, ']');
		return 0;
	}
	am_buf json = {0};
	int rc = am_json(r->doc, r->view, s->block, false, &json);
	buf_append_str(&r->o->out, "[\"block\",");
	buf_append(&r->o->out, json.p, json.n);
	buf_append_byte(&r->o->out, ']');
	am_buf_free(&json);
	return rc;
}

static int put_spans(struct reading *r)
{
	struct reading inner = *r;
	inner.n = 0;
	buf_append_byte(&r->o->out, '[');
	int rc = am_spans(r->doc, r->view, r->obj, put_span, &inner);
	buf_append_byte(&r->o->out, ']');
	return rc;
}

static int put_text(struct reading *r)
{
	am_buf text = {0};
	int rc = am_text(r->doc, r->view, r->obj, &text);
	if (!rc)
		json_append_str(&r->o->out, (const char *)text.p, text.n);
	am_buf_free(&text);
	return rc;
}

/* What a text shows but its string does not: objects in it and conflicts, [position, [values]] each. */
static int dump_placed(void *ctx, size_t index, const am_value *v)
{
	struct reading *r = ctx, inner = *r;
	if ((v->type == AM_STR && !v->conflict) || (v->type == AM_STR && !v->s.n))
		return 0; /* an element without width has no position of its own */
	comma(r);
	buf_printf(&r->o->out, "[%zu,[", index);
	inner.n = 0;
	int rc = am_list_get_all(r->doc, r->view, r->obj, index, dump_value, &inner);
	buf_append_str(&r->o->out, "]]");
	return rc;
}

static int put_placed(struct reading *r)
{
	struct reading inner = *r;
	inner.n = 0;
	buf_append_byte(&r->o->out, '[');
	int rc = am_list_each(r->doc, r->view, r->obj, 0, SIZE_MAX, dump_placed, &inner);
	buf_append_byte(&r->o->out, ']');
	return rc;
}

static int dump_text(struct reading *r)
{
	buf_append_str(&r->o->out, ",\"text\":");
	int rc = put_text(r);
	buf_printf(&r->o->out, ",\"length\":%zu,\"marks\":", am_length(r->doc, r->view, r->obj));
	if (!rc)
		rc = put_marks(r);
	buf_append_str(&r->o->out, ",\"spans\":");
	if (!rc)
		rc = put_spans(r);
	buf_append_str(&r->o->out, ",\"placed\":");
	return rc ? rc : put_placed(r);
}

static int dump(struct reading *r, am_objid obj, am_type type)
{
	int rc = 0;
	r->obj = obj;
	buf_append_str(&r->o->out, "{\"id\":");
	oracle_put_id(&r->o->out, r->doc, obj);
	if (type == AM_MAP) {
		buf_append_str(&r->o->out, ",\"map\":[");
		rc = am_map_each(r->doc, r->view, obj, dump_key, r);
		buf_append_byte(&r->o->out, ']');
	} else if (type == AM_LIST) {
		buf_append_str(&r->o->out, ",\"list\":[");
		rc = am_list_each(r->doc, r->view, obj, 0, am_length(r->doc, r->view, obj), dump_element, r);
		buf_append_byte(&r->o->out, ']');
	} else if (type == AM_TEXT) {
		rc = dump_text(r);
	}
	buf_append_byte(&r->o->out, '}');
	return rc;
}

/* Everything visible: all conflicting values with ids, texts with marks and spans. */
static int op_dump(struct oracle *o)
{
	struct reading r;
	am_type type;
	int rc = start(o, &r);
	if (rc)
		return rc;
	rc = am_object_type(r.doc, r.obj, &type);
	if (!rc)
		rc = dump(&r, r.obj, type);
	am_view_free(r.view);
	return rc;
}

int oracle_dump(struct oracle *o, am_doc *doc)
{
	struct reading r = {.o = o, .doc = doc};
	return dump(&r, AM_ROOT, AM_MAP);
}

static int op_json(struct oracle *o)
{
	struct reading r;
	am_buf json = {0};
	int rc = start(o, &r);
	if (rc)
		return rc;
	rc = am_json(r.doc, r.view, r.obj, oracle_flag(o, "conflicts"), &json);
	if (!rc)
		buf_append(&o->out, json.p, json.n);
	am_buf_free(&json);
	am_view_free(r.view);
	return rc;
}

static int read_one(struct oracle *o, int (*put)(struct reading *))
{
	struct reading r;
	int rc = start(o, &r);
	if (rc)
		return rc;
	rc = put(&r);
	am_view_free(r.view);
	return rc;
}

static int op_text(struct oracle *o)
{
	return read_one(o, put_text);
}

static int op_marks(struct oracle *o)
{
	return read_one(o, put_marks);
}

static int put_name(void *ctx, const am_mark_range *m)
{
	struct reading *r = ctx;
	comma(r);
	json_append_str(&r->o->out, m->name, m->name_n);
	buf_append_byte(&r->o->out, ':');
	oracle_put_value(&r->o->out, &m->value);
	return 0;
}

static int put_marks_at(struct reading *r)
{
	buf_append_byte(&r->o->out, '{');
	int rc = am_marks_at(r->doc, r->view, r->obj, (size_t)oracle_int(r->o, "index", 0), put_name, r);
	buf_append_byte(&r->o->out, '}');
	return rc;
}

static int op_marks_at(struct oracle *o)
{
	return read_one(o, put_marks_at);
}

static int op_spans(struct oracle *o)
{
	return read_one(o, put_spans);
}

static int put_length(struct reading *r)
{
	buf_printf(&r->o->out, "%zu", am_length(r->doc, r->view, r->obj));
	return 0;
}

static int op_length(struct oracle *o)
{
	return read_one(o, put_length);
}

/* The winner, as [value, id]; objects as [{"t": type}, id]. */
static int put_winner(struct reading *r)
{
	const char *key;
	size_t n;
	am_value v;
	oracle_str(r->o, "key", &key, &n);
	int rc = key ? am_map_get(r->doc, r->view, r->obj, key, n, &v)
		     : am_list_get(r->doc, r->view, r->obj, (size_t)oracle_int(r->o, "index", 0), &v);
	if (rc)
		return rc;
	buf_append_byte(&r->o->out, '[');
	oracle_put_value(&r->o->out, &v);
	buf_append_byte(&r->o->out, ',');
	oracle_put_id(&r->o->out, r->doc, v.id);
	buf_append_byte(&r->o->out, ']');
	return 0;
}

static int op_get(struct oracle *o)
{
	return read_one(o, put_winner);
}

static int put_cursor(struct reading *r)
{
	am_buf c = {0};
	const char *move;
	bool before = !json_get_str(r->o->req, "move", &move) && !strcmp(move, "before");
	int rc = am_cursor(r->doc, r->view, r->obj, (size_t)oracle_int(r->o, "index", -1),
			   before ? AM_MOVE_BEFORE : AM_MOVE_AFTER, &c);
	if (!rc)
		json_append_str(&r->o->out, (const char *)c.p, c.n);
	am_buf_free(&c);
	return rc;
}

static int op_cursor(struct oracle *o)
{
	return read_one(o, put_cursor);
}

static int put_cursor_position(struct reading *r)
{
	const char *c;
	size_t n, pos;
	oracle_str(r->o, "cursor", &c, &n);
	int rc = am_cursor_position(r->doc, r->view, r->obj, c ? c : "", n, &pos);
	if (!rc)
		buf_printf(&r->o->out, "%zu", pos);
	return rc;
}

static int op_cursor_position(struct oracle *o)
{
	return read_one(o, put_cursor_position);
}

static const char *const patch_names[] = {"put", "insert", "splice", "del", "inc", "conflict", "mark"};

static int put_patch(void *ctx, const am_patch *p)
{
	struct reading *r = ctx;
	struct buf *out = &r->o->out;
	comma(r);
	buf_printf(out, "{\"action\":\"%s\",\"obj\":", patch_names[p->kind]);
	oracle_put_id(out, r->doc, p->obj);
	if (p->key) {
		buf_append_str(out, ",\"key\":");
		json_append_str(out, p->key, p->key_n);
	} else {
		buf_printf(out, ",\"index\":%zu", p->index);
	}
	if (p->kind == AM_PATCH_SPLICE) {
		buf_append_str(out, ",\"text\":");
		json_append_str(out, p->text, p->text_n);
	} else if (p->kind == AM_PATCH_DELETE || p->kind == AM_PATCH_MARK) {
		buf_printf(out, ",\"length\":%zu", p->length);
	}
	if (p->kind == AM_PATCH_MARK) {
		buf_append_str(out, ",\"name\":");
		json_append_str(out, p->mark, p->mark_n);
	}
	if (p->kind != AM_PATCH_SPLICE && p->kind != AM_PATCH_DELETE) {
		buf_printf(out, ",\"conflict\":%s", p->value.conflict ? "true" : "false");
		buf_append_str(out, ",\"value\":");
		oracle_put_value(out, &p->value);
	}
	if ((p->kind == AM_PATCH_PUT || p->kind == AM_PATCH_INSERT) && am_is_object(p->value.type)) {
		buf_append_str(out, ",\"id\":");
		oracle_put_id(out, r->doc, p->value.id);
	}
	buf_append_byte(out, '}');
	return 0;
}

static int op_diff(struct oracle *o)
{
	struct reading r = {.o = o};
	am_hash *before = NULL, *after = NULL;
	size_t n_before, n_after;
	int rc = oracle_doc(o, "doc", &r.doc);
	if (!rc && json_get(o->req, "obj"))
		rc = oracle_object(o, r.doc, "obj", &r.obj);
	if (!rc)
		rc = oracle_hashes(o, "before", &before, &n_before);
	if (!rc)
		rc = oracle_hashes(o, "after", &after, &n_after);
	buf_append_byte(&o->out, '[');
	if (!rc)
		rc = am_diff_object(r.doc, r.obj, true, before, n_before, after, n_after, put_patch, &r);
	buf_append_byte(&o->out, ']');
	free(before);
	free(after);
	return rc;
}

const struct oracle_op oracle_read_ops[] = {
	{"dump", op_dump},
	{"json", op_json},
	{"text", op_text},
	{"marks", op_marks},
	{"marks_at", op_marks_at},
	{"spans", op_spans},
	{"length", op_length},
	{"get", op_get},
	{"cursor", op_cursor},
	{"cursor_position", op_cursor_position},
	{"diff", op_diff},
	{NULL, NULL},
};
