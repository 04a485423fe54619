#include "notebook/value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/vec.h"

int am_errno(int am)
{
	switch (am) {
	case AM_OK:
		return 0;
	case AM_E_NOMEM:
		log_error("notebook", "out of memory");
		abort();
	case AM_E_DUP_SEQ:
		return -EEXIST;
	case AM_E_NOT_FOUND:
		return -ENOENT;
	case AM_E_INDEX:
		return -ERANGE;
	case AM_E_TYPE:
	case AM_E_TX:
	case AM_E_NO_COUNTER:
	case AM_E_CURSOR:
	case AM_E_BAD_REF:
		return -EINVAL;
	case AM_E_LIMIT:
		return -EFBIG;
	default:
		return -EBADMSG;
	}
}

/* ---- writing -------------------------------------------------------------------------------- */

/* The scalar a node stands for; its string (if any) is held in s. */
static am_value scalar_of(const struct json_tree *t, uint32_t node, struct buf *s)
{
	am_value v = {.type = AM_NULL};

	switch (json_tree_kind(t, node)) {
	case JSON_KIND_TRUE:
	case JSON_KIND_FALSE:
		v.type = AM_BOOL;
		v.b = json_tree_kind(t, node) == JSON_KIND_TRUE;
		break;
	case JSON_KIND_STRING:
		json_tree_string(t, node, s);
		v = am_str(buf_cstr(s), s->n);
		break;
	case JSON_KIND_NUMBER:
		if (json_tree_i64(t, node, &v.i)) {
			v.type = AM_INT;
		} else if (json_tree_u64(t, node, &v.u)) {
			v.type = AM_UINT;
		} else {
			v.f = json_tree_f64(t, node);
			v.type = isfinite(v.f) ? AM_F64 : AM_NULL;
		}
		break;
	default:
		break;
	}
	return v;
}

static am_type object_type(const struct json_tree *t, uint32_t node)
{
	switch (json_tree_kind(t, node)) {
	case JSON_KIND_OBJECT:
		return AM_MAP;
	case JSON_KIND_ARRAY:
		return AM_LIST;
	default:
		return AM_NULL;
	}
}

static int fill(am_doc *doc, am_objid obj, const struct json_tree *t, uint32_t node);

static int insert(am_doc *doc, am_objid list, size_t index, const struct json_tree *t, uint32_t node)
{
	am_type type = object_type(t, node);
	struct buf s = {0};
	am_objid obj;
	am_value v;
	int r;

	if (type != AM_NULL) {
		r = am_errno(am_list_insert_object(doc, list, index, type, &obj));
		return r < 0 ? r : fill(doc, obj, t, node);
	}
	v = scalar_of(t, node, &s);
	r = am_errno(am_list_insert(doc, list, index, &v));
	buf_free(&s);
	return r;
}

/* Children of a value into a new, empty object. */
static int fill(am_doc *doc, am_objid obj, const struct json_tree *t, uint32_t node)
{
	struct json_members m;
	size_t index = 0;
	int r = 0;

	if (json_tree_kind(t, node) == JSON_KIND_ARRAY) {
		for (uint32_t k = json_tree_first(t, node); k != JSON_NONE && r == 0; k = json_tree_next(t, node, k))
			r = insert(doc, obj, index++, t, k);
		return r;
	}
	json_members_load(t, node, false, &m);
	for (size_t i = 0; i < m.n && r == 0; i++)
		r = value_put(doc, obj, m.p[i].key, m.p[i].key_n, t, m.p[i].value);
	json_members_fini(&m);
	return r;
}

int value_put(am_doc *doc, am_objid map, const char *key, size_t key_n, const struct json_tree *t, uint32_t node)
{
	am_type type = object_type(t, node);
	struct buf s = {0};
	am_objid obj;
	am_value v;
	int r;

	if (type != AM_NULL) {
		r = am_errno(am_map_put_object(doc, map, key, key_n, type, &obj));
		return r < 0 ? r : fill(doc, obj, t, node);
	}
	v = scalar_of(t, node, &s);
	r = am_errno(am_map_put(doc, map, key, key_n, &v));
	buf_free(&s);
	return r;
}

int value_put_str(am_doc *doc, am_objid map, const char *key, const char *s, size_t n)
{
	am_value v = am_str(s, n);

	return am_errno(am_map_put(doc, map, key, strlen(key), &v));
}

/* ---- editing in place ----------------------------------------------------------------------- */

/* True when what the document holds is already that value. */
static bool holds(am_doc *doc, const am_value *have, const struct json_tree *t, uint32_t node)
{
	struct json_tree mine;
	struct buf s = {0};
	bool same = false;

	if (value_json(doc, NULL, have, &s) && json_tree_parse(s.p, s.n, &mine, NULL) == 0) {
		same = json_tree_equal(&mine, 0, t, node, false);
		json_tree_fini(&mine);
	}
	buf_free(&s);
	return same;
}

static int update_list(am_doc *doc, am_objid list, const struct json_tree *t, uint32_t node);

/* Element `index` := node, reusing a container of the same type. */
static int update_element(am_doc *doc, am_objid list, size_t index, const struct json_tree *t, uint32_t node)
{
	am_type type = object_type(t, node);
	struct buf s = {0};
	am_objid obj;
	am_value v;
	int r = am_errno(am_list_get(doc, NULL, list, index, &v));

	if (r < 0 || holds(doc, &v, t, node))
		return r;
	if (type == AM_MAP && v.type == AM_MAP)
		return value_update_map(doc, v.id, t, node, false);
	if (type == AM_LIST && v.type == AM_LIST)
		return update_list(doc, v.id, t, node);
	if (type != AM_NULL) {
		r = am_errno(am_list_put_object(doc, list, index, type, &obj));
		return r < 0 ? r : fill(doc, obj, t, node);
	}
	v = scalar_of(t, node, &s);
	r = am_errno(am_list_put(doc, list, index, &v));
	buf_free(&s);
	return r;
}

static bool element_holds(am_doc *doc, am_objid list, size_t index, const struct json_tree *t, uint32_t node)
{
	am_value v;

	return am_list_get(doc, NULL, list, index, &v) == AM_OK && holds(doc, &v, t, node);
}

/* Common head and tail stay, the middle is edited element by element. */
static int update_list(am_doc *doc, am_objid list, const struct json_tree *t, uint32_t node)
{
	size_t want = t->nodes[node].n, have = am_length(doc, NULL, list), head = 0, tail = 0, i = 0;
	uint32_t *k = xcalloc(want + 1, sizeof *k);
	int r = 0;

	for (uint32_t c = json_tree_first(t, node); c != JSON_NONE; c = json_tree_next(t, node, c))
		k[i++] = c;
	while (head < want && head < have && element_holds(doc, list, head, t, k[head]))
		head++;
	while (tail < want - head && tail < have - head &&
	       element_holds(doc, list, have - 1 - tail, t, k[want - 1 - tail]))
		tail++;
	for (i = head; r == 0 && i < want - tail && i < have - tail; i++)
		r = update_element(doc, list, i, t, k[i]);
	for (; r == 0 && i < want - tail; i++)
		r = insert(doc, list, i, t, k[i]);
	for (size_t left = have > want ? have - want : 0; r == 0 && left > 0; left--)
		r = am_errno(am_list_delete(doc, list, i));
	free(k);
	return r;
}

int value_update(am_doc *doc, am_objid map, const char *key, size_t key_n, const struct json_tree *t, uint32_t node)
{
	am_type type = object_type(t, node);
	am_value v;

	if (am_map_get(doc, NULL, map, key, key_n, &v) != AM_OK)
		return value_put(doc, map, key, key_n, t, node);
	if (holds(doc, &v, t, node))
		return 0;
	if (type == AM_MAP && v.type == AM_MAP)
		return value_update_map(doc, v.id, t, node, false);
	if (type == AM_LIST && v.type == AM_LIST)
		return update_list(doc, v.id, t, node);
	return value_put(doc, map, key, key_n, t, node);
}

struct key_list {
	VEC(char *) keys;
	VEC(size_t) lengths;
	const struct json_members *wanted;
};

static int collect_unwanted(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct key_list *list = ctx;

	(void)v;
	if (!json_members_find(list->wanted, key, key_n)) {
		VEC_PUSH(&list->keys, xstrndup(key, key_n));
		VEC_PUSH(&list->lengths, key_n);
	}
	return 0;
}

static int delete_unwanted(am_doc *doc, am_objid map, const struct json_members *wanted)
{
	struct key_list list = {.wanted = wanted};
	int r = am_errno(am_map_each(doc, NULL, map, collect_unwanted, &list));

	for (size_t i = 0; i < list.keys.n; i++) {
		if (r == 0)
			r = am_errno(am_map_delete(doc, map, list.keys.p[i], list.lengths.p[i]));
		free(list.keys.p[i]);
	}
	VEC_FREE(&list.keys);
	VEC_FREE(&list.lengths);
	return r;
}

int value_update_map(am_doc *doc, am_objid map, const struct json_tree *t, uint32_t node, bool keep_unknown)
{
	struct json_members m;
	int r = 0;

	if (json_tree_kind(t, node) != JSON_KIND_OBJECT)
		return -EINVAL;
	json_members_load(t, node, true, &m);
	if (!keep_unknown)
		r = delete_unwanted(doc, map, &m);
	for (size_t i = 0; i < m.n && r == 0; i++)
		r = value_update(doc, map, m.p[i].key, m.p[i].key_n, t, m.p[i].value);
	json_members_fini(&m);
	return r;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void append_double(struct buf *out, double d)
{
	char s[40];

	if (!isfinite(d)) {
		buf_append_str(out, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(s, sizeof s, "%.*g", digits, d);
		if (strtod(s, NULL) == d)
			break;
	}
	buf_append_str(out, s);
	if (!strpbrk(s, ".e"))
		buf_append_str(out, ".0");
}

struct writer {
	am_doc *doc;
	const am_view *view;
	struct buf *out;
	unsigned depth;
	size_t count;
};

static bool write_value(struct writer *w, const am_value *v);

static int write_member(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct writer *w = ctx;
	size_t mark = w->out->n;

	if (w->count > 0)
		buf_append_byte(w->out, ',');
	json_append_str(w->out, key, key_n);
	buf_append_byte(w->out, ':');
	if (write_value(w, v))
		w->count++;
	else
		w->out->n = mark;
	return 0;
}

static int write_element(void *ctx, size_t index, const am_value *v)
{
	struct writer *w = ctx;

	(void)index;
	if (w->count++ > 0)
		buf_append_byte(w->out, ',');
	if (!write_value(w, v))
		buf_append_str(w->out, "null");
	return 0;
}

static void write_text(struct writer *w, am_objid text)
{
	am_buf b = {0};

	if (am_text(w->doc, w->view, text, &b) == AM_OK)
		json_append_str(w->out, b.p ? (char *)b.p : "", b.n);
	else
		buf_append_str(w->out, "\"\"");
	am_buf_free(&b);
}

static void write_object(struct writer *w, const am_value *v)
{
	struct writer in = {.doc = w->doc, .view = w->view, .out = w->out, .depth = w->depth + 1};
	bool map = v->type == AM_MAP;

	/* A peer can nest without limit; our own stack has one. */
	if (in.depth > JSON_TEXT_DEPTH_MAX - 8) {
		buf_append_str(w->out, "null");
		return;
	}
	buf_append_byte(w->out, map ? '{' : '[');
	if (map)
		am_map_each(w->doc, w->view, v->id, write_member, &in);
	else
		am_list_each(w->doc, w->view, v->id, 0, SIZE_MAX, write_element, &in);
	buf_append_byte(w->out, map ? '}' : ']');
}

static bool write_value(struct writer *w, const am_value *v)
{
	switch (v->type) {
	case AM_NULL:
		buf_append_str(w->out, "null");
		return true;
	case AM_BOOL:
		buf_append_str(w->out, v->b ? "true" : "false");
		return true;
	case AM_INT:
		buf_printf(w->out, "%lld", (long long)v->i);
		return true;
	case AM_UINT:
		buf_printf(w->out, "%llu", (unsigned long long)v->u);
		return true;
	case AM_F64:
		append_double(w->out, v->f);
		return true;
	case AM_STR:
		json_append_str(w->out, (const char *)v->s.p, v->s.n);
		return true;
	case AM_MAP:
	case AM_LIST:
		write_object(w, v);
		return true;
	case AM_TEXT:
		write_text(w, v->id);
		return true;
	default:
		return false;
	}
}

bool value_json(am_doc *doc, const am_view *view, const am_value *v, struct buf *out)
{
	struct writer w = {.doc = doc, .view = view, .out = out};

	return write_value(&w, v);
}

int value_get_json(am_doc *doc, am_objid map, const char *key, struct buf *out)
{
	am_value v;
	int r = am_errno(am_map_get(doc, NULL, map, key, strlen(key), &v));

	if (r < 0)
		return r;
	return value_json(doc, NULL, &v, out) ? 0 : -ENOENT;
}

char *value_get_str(am_doc *doc, am_objid map, const char *key, size_t *ret_n)
{
	am_value v;

	if (am_map_get(doc, NULL, map, key, strlen(key), &v) != AM_OK || v.type != AM_STR)
		return NULL;
	if (ret_n)
		*ret_n = v.s.n;
	return xstrndup((const char *)v.s.p, v.s.n);
}

int value_get_object(am_doc *doc, am_objid map, const char *key, am_type type, am_objid *ret)
{
	am_value v;

	if (am_map_get(doc, NULL, map, key, strlen(key), &v) != AM_OK)
		return -ENOENT;
	if (v.type != type)
		return -EINVAL;
	*ret = v.id;
	return 0;
}

/* ---- copying between documents -------------------------------------------------------------- */

struct copy {
	am_doc *src, *dst;
	am_objid to;
	size_t index;
	unsigned depth;
};

static int copy_children(const struct copy *c, const am_value *v, am_objid to);

static bool copied_as_scalar(const am_value *v)
{
	return !am_is_object(v->type) && v->type != AM_UNKNOWN;
}

static int copy_member(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct copy *c = ctx;
	am_objid obj;
	int r;

	if (copied_as_scalar(v))
		return am_errno(am_map_put(c->dst, c->to, key, key_n, v));
	if (v->type == AM_UNKNOWN || v->type == AM_TABLE)
		return 0;
	r = am_errno(am_map_put_object(c->dst, c->to, key, key_n, v->type, &obj));
	return r < 0 ? r : copy_children(c, v, obj);
}

static int copy_element(void *ctx, size_t index, const am_value *v)
{
	struct copy *c = ctx;
	static const am_value null = {.type = AM_NULL};
	am_objid obj;
	int r;

	(void)index;
	if (copied_as_scalar(v))
		return am_errno(am_list_insert(c->dst, c->to, c->index++, v));
	if (v->type == AM_UNKNOWN || v->type == AM_TABLE)
		return am_errno(am_list_insert(c->dst, c->to, c->index++, &null));
	r = am_errno(am_list_insert_object(c->dst, c->to, c->index++, v->type, &obj));
	return r < 0 ? r : copy_children(c, v, obj);
}

static int copy_text(const struct copy *c, const am_value *v, am_objid to)
{
	am_buf b = {0};
	int r = am_errno(am_text(c->src, NULL, v->id, &b));

	if (r == 0 && b.n > 0)
		r = am_errno(am_text_splice(c->dst, to, 0, 0, (char *)b.p, b.n));
	am_buf_free(&b);
	return r;
}

static int copy_children(const struct copy *c, const am_value *v, am_objid to)
{
	struct copy in = {.src = c->src, .dst = c->dst, .to = to, .depth = c->depth + 1};

	if (in.depth > JSON_TEXT_DEPTH_MAX)
		return 0;
	if (v->type == AM_TEXT)
		return copy_text(c, v, to);
	if (v->type == AM_MAP)
		return am_map_each(c->src, NULL, v->id, copy_member, &in);
	return am_list_each(c->src, NULL, v->id, 0, SIZE_MAX, copy_element, &in);
}

int value_copy(am_doc *src, const am_value *v, am_doc *dst, am_objid map, const char *key, size_t key_n)
{
	struct copy c = {.src = src, .dst = dst, .to = map};

	return copy_member(&c, key, key_n, v);
}

int value_copy_map(am_doc *src, am_objid from, am_doc *dst, am_objid to)
{
	struct copy c = {.src = src, .dst = dst, .to = to};

	return am_map_each(src, NULL, from, copy_member, &c);
}
