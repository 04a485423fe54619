#include "automerge/test_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define N_MARKS 3
struct item {
	uint32_t unit;      /* text: a UTF-16 unit */
	struct str scalar;  /* value as JSON, or */
	am_objid obj;       /* an object */
	bool is_obj, is_counter;
	int64_t i;
	struct str mark[N_MARKS];
	char *key;
};
struct node {
	am_objid id;
	am_type type;
	struct item *item;
	size_t n;
};
struct tree {
	struct node *node;
	size_t n;
};

struct tree *tree_new(void)
{
	struct tree *t = calloc(1, sizeof *t);

	t->node = calloc(1, sizeof *t->node);
	t->node[0].type = AM_MAP;
	t->n = 1;
	return t;
}

static void item_fini(struct item *x)
{
	free(x->scalar.p);
	free(x->key);
	for (int i = 0; i < N_MARKS; i++)
		free(x->mark[i].p);
}

static void node_clear(struct node *x)
{
	for (size_t i = 0; i < x->n; i++)
		item_fini(&x->item[i]);
	free(x->item);
	x->item = NULL;
	x->n = 0;
}

void tree_free(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		node_clear(&t->node[i]);
	free(t->node);
	free(t);
}

static struct node *find_node(struct tree *t, am_objid id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->node[i].id.ctr == id.ctr && t->node[i].id.actor == id.actor)
			return &t->node[i];
	return NULL;
}

static void fail(const char *why)
{
	fprintf(stderr, "patch does not fit: %s\n", why);
	abort();
}

static struct item *insert_items(struct node *x, size_t at, size_t n)
{
	if (at > x->n)
		fail("index");
	x->item = realloc(x->item, (x->n + n + 1) * sizeof *x->item);
	memmove(x->item + at + n, x->item + at, (x->n - at) * sizeof *x->item);
	memset(x->item + at, 0, n * sizeof *x->item);
	x->n += n;
	return &x->item[at];
}

static void remove_items(struct node *x, size_t at, size_t n)
{
	if (at > x->n || n > x->n - at)
		fail("delete range");
	for (size_t i = 0; i < n; i++)
		item_fini(&x->item[at + i]);
	memmove(x->item + at, x->item + at + n, (x->n - at - n) * sizeof *x->item);
	x->n -= n;
}

static struct item *find_key(struct node *x, const char *key, size_t n, bool make)
{
	size_t i = 0;
	char *k;

	while (i < x->n && (strlen(x->item[i].key) < n || strncmp(x->item[i].key, key, n) < 0) &&
	       strncmp(x->item[i].key, key, n) < 0)
		i++;
	for (size_t j = 0; j < x->n; j++)
		if (strlen(x->item[j].key) == n && memcmp(x->item[j].key, key, n) == 0)
			return &x->item[j];
	if (!make)
		fail("no such key");
	k = strndup(key, n);
	for (i = 0; i < x->n && strcmp(x->item[i].key, k) < 0;)
		i++;
	insert_items(x, i, 1)->key = k;
	return &x->item[i];
}

/* Takes the tree node by id again: adding one moves them. */
static void set_value(struct tree *t, struct item *x, const am_value *v)
{
	x->scalar.n = 0;
	x->is_obj = am_is_object(v->type) && v->type != AM_TABLE;
	x->is_counter = v->type == AM_COUNTER;
	x->i = v->type == AM_COUNTER ? v->i : 0;
	if (!x->is_obj) {
		str_value(&x->scalar, v);
		return;
	}
	x->obj = v->id;
	struct node *old = find_node(t, v->id);
	if (old) { /* announced again: empty */
		node_clear(old);
		return;
	}
	t->node = realloc(t->node, (t->n + 1) * sizeof *t->node);
	t->node[t->n++] = (struct node){.id = v->id, .type = v->type};
}

static void splice(struct node *x, size_t at, const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t cp;
		i += utf8_decode(p + i, n - i, &cp);
		if (cp >= 0x10000) {
			insert_items(x, at++, 1)->unit = 0xd800 + ((cp - 0x10000) >> 10);
			cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
		}
		insert_items(x, at++, 1)->unit = cp;
	}
}

static const char *const mark_names[N_MARKS] = {"b", "i", "u"};

static void mark(struct node *x, const am_patch *p)
{
	int k = 0;

	while (strncmp(mark_names[k], p->mark, p->mark_n) != 0)
		k++;
	if (p->length == 0 || p->index + p->length > x->n)
		fail("mark range");
	for (size_t i = p->index; i < p->index + p->length; i++) {
		x->item[i].mark[k].n = 0;
		if (p->value.type != AM_NULL)
			str_value(&x->item[i].mark[k], &p->value);
	}
}

int tree_patch(void *ctx, const am_patch *p)
{
	struct tree *t = ctx;
	struct node *x = find_node(t, p->obj);
	struct item *it;

	if (!x)
		fail("unknown object");
	switch (p->kind) {
	case AM_PATCH_PUT:
	case AM_PATCH_CONFLICT:
	case AM_PATCH_INCREMENT:
		if (!p->key && p->index >= x->n)
			fail("put index");
		it = p->key ? find_key(x, p->key, p->key_n, p->kind == AM_PATCH_PUT) : &x->item[p->index];
		if (p->kind == AM_PATCH_PUT) {
			set_value(t, it, &p->value);
		} else if (p->kind == AM_PATCH_INCREMENT) {
			if (!it->is_counter)
				fail("increment");
			it->i += p->value.i;
			it->scalar.n = 0;
			str_fmt(&it->scalar, "%lld", (long long)it->i);
		}
		break;
	case AM_PATCH_INSERT:
		it = insert_items(x, p->index, 1);
		it->unit = 0xfffc;
		set_value(t, it, &p->value);
		break;
	case AM_PATCH_SPLICE:
		splice(x, p->index, p->text, p->text_n);
		break;
	case AM_PATCH_DELETE:
		if (p->key) {
			it = find_key(x, p->key, p->key_n, false);
			remove_items(x, (size_t)(it - x->item), 1);
		} else {
			remove_items(x, p->index, p->length);
		}
		break;
	case AM_PATCH_MARK:
		mark(x, p);
	}
	return 0;
}

static size_t put_unit(struct str *s, const struct node *x, size_t i)
{
	uint32_t cp = x->item[i].unit;
	size_t n = 1;
	uint8_t b[4];

	if (cp >= 0xd800 && cp < 0xdc00 && i + 1 < x->n) {
		cp = 0x10000 + ((cp - 0xd800) << 10) + (x->item[i + 1].unit - 0xdc00);
		n = 2;
	}
	str_quoted(s, b, utf8_encode(b, cp));
	return n;
}

static void put_node(struct tree *t, struct str *s, am_objid id)
{
	const struct node *x = find_node(t, id);

	str_fmt(s, x->type == AM_MAP ? "{" : x->type == AM_LIST ? "[" : "\"");
	for (size_t i = 0; i < x->n;) {
		if (x->type == AM_TEXT) {
			i += put_unit(s, x, i);
			continue;
		}
		str_fmt(s, i ? "," : "");
		if (x->type == AM_MAP) {
			str_fmt(s, "\"");
			str_quoted(s, (const uint8_t *)x->item[i].key, strlen(x->item[i].key));
			str_fmt(s, "\":");
		}
		if (x->item[i].is_obj)
			put_node(t, s, x->item[i].obj);
		else
			str_put(s, x->item[i].scalar.p, x->item[i].scalar.n);
		i++;
	}
	str_fmt(s, x->type == AM_MAP ? "}" : x->type == AM_LIST ? "]" : "\"");
}

char *tree_json(struct tree *t)
{
	struct str s = {0};

	put_node(t, &s, AM_ROOT);
	return s.p;
}

char *tree_marks(struct tree *t, const char *key)
{
	struct str s = {0};
	const struct node *x = NULL;

	str_fmt(&s, "%s", "");
	for (size_t i = 0; i < t->node[0].n; i++)
		if (strcmp(t->node[0].item[i].key, key) == 0 && t->node[0].item[i].is_obj)
			x = find_node(t, t->node[0].item[i].obj);
	for (size_t i = 0; x && i < x->n;) {
		size_t from = i;
		i += put_unit(&s, x, i);
		str_fmt(&s, "|");
		for (int k = 0; k < N_MARKS; k++)
			if (x->item[from].mark[k].n)
				str_fmt(&s, "%s=%s,", mark_names[k], x->item[from].mark[k].p);
		str_fmt(&s, "\n");
	}
	return s.p;
}

/* ---- random edits ---- */

static am_value random_value(struct rnd *r)
{
	static const char *const words[] = {"one", "", "x", "\xf0\x9f\x98\x80", "quo\"te"};
	am_value v = {.type = AM_INT};

	switch (rnd_below(r, 6)) {
	case 0: v.type = AM_COUNTER; v.i = rnd_below(r, 10); break;
	case 1: v.type = AM_BOOL; v.b = rnd_below(r, 2); break;
	case 2: {
		const char *w = words[rnd_below(r, 5)];
		return am_str(w, strlen(w));
	}
	case 3: v.type = AM_NULL; break;
	default: v.i = rnd_below(r, 4);
	}
	return v;
}

struct pick { am_objid obj[64]; am_type type[64]; size_t n; am_doc *doc; };
static int pick_map(void *ctx, const char *key, size_t n, const am_value *v);
static int pick_list(void *ctx, size_t i, const am_value *v);

static void pick_object(struct pick *p, am_objid obj, am_type type)
{
	if (p->n == 64)
		return;
	p->obj[p->n] = obj;
	p->type[p->n++] = type;
	if (type == AM_MAP)
		am_map_each(p->doc, NULL, obj, pick_map, p);
	else
		am_list_each(p->doc, NULL, obj, 0, SIZE_MAX, pick_list, p);
}
static int pick_map(void *ctx, const char *key, size_t n, const am_value *v)
{
	(void)key;
	(void)n;
	if (am_is_object(v->type))
		pick_object(ctx, v->id, v->type);
	return 0;
}
static int pick_list(void *ctx, size_t i, const am_value *v)
{
	(void)i;
	if (am_is_object(v->type))
		pick_object(ctx, v->id, v->type);
	return 0;
}

static void edit_map(am_doc *doc, am_objid obj, struct rnd *r)
{
	char key[2] = {(char)('k' + (int)rnd_below(r, 4)), 0};
	am_value v = random_value(r);
	am_objid id;

	switch (rnd_below(r, 7)) {
	case 0: am_map_put_object(doc, obj, key, 1, AM_MAP, &id); break;
	case 1: am_map_put_object(doc, obj, key, 1, AM_LIST, &id); break;
	case 2: am_map_put_object(doc, obj, key, 1, AM_TEXT, &id); break;
	case 3: am_map_delete(doc, obj, key, 1); break;
	case 4: am_map_increment(doc, obj, key, 1, (int64_t)rnd_below(r, 5) - 2); break;
	default: am_map_put(doc, obj, key, 1, &v);
	}
}

static void edit_list(am_doc *doc, am_objid obj, struct rnd *r)
{
	size_t n = am_length(doc, NULL, obj), at = rnd_below(r, (uint32_t)n + 1);
	am_value v = random_value(r), many[3];
	am_objid id;

	for (int i = 0; i < 3; i++)
		many[i] = random_value(r);
	switch (rnd_below(r, 8)) {
	case 0: am_list_insert_object(doc, obj, at, rnd_below(r, 2) ? AM_MAP : AM_TEXT, &id); break;
	case 1: am_list_put_object(doc, obj, at, AM_LIST, &id); break;
	case 2: am_list_put(doc, obj, at, &v); break;
	case 3: am_list_delete(doc, obj, at); break;
	case 4: am_list_increment(doc, obj, at, 3); break;
	case 5: am_list_splice(doc, obj, at, (ptrdiff_t)rnd_below(r, 3), many, rnd_below(r, 4)); break;
	default: am_list_insert(doc, obj, at, &v);
	}
}

static void edit_text(am_doc *doc, am_objid obj, struct rnd *r, bool marks)
{
	static const char *const bits[] = {"a", "bc", "hello", "\xc3\xa9", "\xf0\x9f\x98\x80", "x\xe2\x82\xac", "",
					   "e\xcc\x81", "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9"};
	size_t n = am_length(doc, NULL, obj), at = rnd_below(r, (uint32_t)n + 1), to;
	const char *t = bits[rnd_below(r, 9)];
	am_value v = random_value(r);
	am_objid id;

	switch (rnd_below(r, marks ? 10 : 6)) {
	case 0: am_text_splice(doc, obj, at, (ptrdiff_t)rnd_below(r, 4), t, strlen(t)); break;
	case 1: am_text_splice(doc, obj, at, -(ptrdiff_t)rnd_below(r, 4), "", 0); break;
	case 2:
		if (rnd_below(r, 6) == 0)
			am_list_put(doc, obj, at, &v);
		break;
	case 3:
		if (rnd_below(r, 4) == 0)
			am_split_block(doc, obj, at, &id);
		break;
	case 6:
	case 7:
		to = at + rnd_below(r, (uint32_t)(n - at) + 1);
		v.type = rnd_below(r, 3) ? AM_INT : AM_NULL;
		v.i = rnd_below(r, 2);
		am_mark(doc, obj, at, to, (am_expand)rnd_below(r, 4), mark_names[rnd_below(r, N_MARKS)], 1, &v);
		break;
	default: am_text_splice(doc, obj, at, 0, t, strlen(t));
	}
}

void random_edit(am_doc *doc, struct rnd *r, bool marks)
{
	struct pick p = {.doc = doc};
	uint32_t i;

	pick_object(&p, AM_ROOT, AM_MAP);
	i = rnd_below(r, (uint32_t)p.n);
	if (p.type[i] == AM_MAP)
		edit_map(doc, p.obj[i], r);
	else if (p.type[i] == AM_LIST)
		edit_list(doc, p.obj[i], r);
	else
		edit_text(doc, p.obj[i], r, marks);
}
