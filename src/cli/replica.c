#include "cli/replica.h"

#include <stdlib.h>
#include <string.h>

/* The string or text under a key as C text, or the fallback. */
static char *text_get(am_doc *doc, am_objid map, const char *key, const char *fallback)
{
	am_value v;
	char *copy;
	if (am_map_get(doc, NULL, map, key, strlen(key), &v) != AM_OK)
		return xstrdup(fallback);
	if (v.type == AM_STR)
		return v.s.n ? xstrndup((const char *)v.s.p, v.s.n) : xstrdup("");
	if (v.type != AM_TEXT)
		return xstrdup(fallback);
	am_buf text = {0};
	bool read = am_text(doc, NULL, v.id, &text) == AM_OK && text.n;
	copy = read ? xstrndup((const char *)text.p, text.n) : xstrdup("");
	am_buf_free(&text);
	return copy;
}

static bool map_below(am_doc *doc, am_objid map, const char *key, am_objid *ret)
{
	am_value v;
	if (am_map_get(doc, NULL, map, key, strlen(key), &v) != AM_OK || v.type != AM_MAP)
		return false;
	*ret = v.id;
	return true;
}

struct walk {
	VEC(am_objid) objects;
	VEC(char *) keys;
};

static int collect_map(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct walk *w = ctx;
	if (v->type == AM_MAP) {
		VEC_PUSH(&w->objects, v->id);
		VEC_PUSH(&w->keys, xstrndup(key, key_n));
	}
	return 0;
}

static int by_position(const void *a, const void *b)
{
	const struct replica_cell *x = a, *y = b;
	int order = strcmp(x->position, y->position);
	return order ? order : strcmp(x->id, y->id);
}

void replica_cells_read(am_doc *doc, struct replica_cells *ret_cells)
{
	struct replica_cells cells = {0};
	struct walk w = {0};
	am_objid map;
	if (map_below(doc, AM_ROOT, "cells", &map))
		am_map_each(doc, NULL, map, collect_map, &w);
	for (size_t i = 0; i < w.objects.n; i++) {
		am_objid o = w.objects.p[i];
		const struct replica_cell c = {w.keys.p[i], text_get(doc, o, "cell_type", ""),
			text_get(doc, o, "position", "80"), text_get(doc, o, "source", ""),
			text_get(doc, o, "execution_count", "null")};
		VEC_PUSH(&cells.list, c);
	}
	VEC_FREE(&w.objects);
	VEC_FREE(&w.keys);
	if (cells.list.n)
		qsort(cells.list.p, cells.list.n, sizeof *cells.list.p, by_position);
	*ret_cells = cells;
}

void replica_cells_fini(struct replica_cells *cells)
{
	for (size_t i = 0; i < cells->list.n; i++) {
		struct replica_cell *c = &cells->list.p[i];
		free(c->id);
		free(c->type);
		free(c->position);
		free(c->source);
		free(c->execution_count);
	}
	VEC_FREE(&cells->list);
}

static int collect_str(void *ctx, size_t index, const am_value *v)
{
	struct replica_outputs *o = ctx;
	(void)index;
	VEC_PUSH(&o->list, v->type == AM_STR && v->s.n ? xstrndup((const char *)v->s.p, v->s.n) : xstrdup(""));
	return 0;
}

static bool cell_find(am_doc *doc, const char *cell_id, am_objid *ret)
{
	am_objid cells;
	return map_below(doc, AM_ROOT, "cells", &cells) && map_below(doc, cells, cell_id, ret);
}

void replica_outputs_read(am_doc *doc, const char *cell_id, struct replica_outputs *ret_outputs)
{
	struct replica_outputs outputs = {0};
	am_objid cell;
	am_value v;
	if (cell_find(doc, cell_id, &cell) && am_map_get(doc, NULL, cell, "outputs", 7, &v) == AM_OK &&
		v.type == AM_LIST)
		am_list_each(doc, NULL, v.id, 0, SIZE_MAX, collect_str, &outputs);
	*ret_outputs = outputs;
}

void replica_outputs_fini(struct replica_outputs *o)
{
	for (size_t i = 0; i < o->list.n; i++)
		free(o->list.p[i]);
	VEC_FREE(&o->list);
}

char *replica_execution_count(am_doc *doc, const char *cell_id)
{
	am_objid cell;
	return cell_find(doc, cell_id, &cell) ? text_get(doc, cell, "execution_count", "null") : xstrdup("null");
}

char *replica_cell_execution(am_doc *doc, const char *cell_id)
{
	am_objid cell;
	char *id = cell_find(doc, cell_id, &cell) ? text_get(doc, cell, "execution_id", "") : NULL;
	if (id && !*id) {
		free(id);
		id = NULL;
	}
	return id;
}

char *replica_execution_status(am_doc *state, const char *execution_id)
{
	am_objid executions, one;
	if (!map_below(state, AM_ROOT, "executions", &executions) || !map_below(state, executions, execution_id, &one))
		return xstrdup("");
	return text_get(state, one, "status", "");
}

char *replica_kernel_status(am_doc *state)
{
	am_objid kernel;
	return map_below(state, AM_ROOT, "kernel", &kernel) ? text_get(state, kernel, "status", "") : xstrdup("");
}

char *replica_executing(am_doc *state)
{
	am_objid queue;
	if (!map_below(state, AM_ROOT, "queue", &queue))
		return xstrdup("");
	return text_get(state, queue, "executing_execution_id", "");
}
