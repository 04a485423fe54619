#include "notebook/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "notebook/position.h"
#include "notebook/value.h"

static int entry_compare(const struct cell_entry *a, const struct cell_entry *b)
{
	int c = strcmp(a->position, b->position);

	return c != 0 ? c : strcmp(a->id, b->id);
}

static int entry_compare_ptr(const void *a, const void *b)
{
	return entry_compare(*(struct cell_entry *const *)a, *(struct cell_entry *const *)b);
}

static void entry_free(struct cell_entry *e)
{
	free(e->position);
	free(e);
}

static char *read_position(struct notebook *nb, am_objid obj)
{
	char *s = value_get_str(nb->doc, obj, "position", NULL);

	return s ? s : xstrdup(POSITION_FIRST);
}

struct cell_entry *index_find(const struct notebook *nb, const char *id)
{
	return map_get(&nb->by_id, id);
}

/* The first place whose entry is not below e. */
static size_t lower_bound(const struct notebook *nb, const struct cell_entry *e)
{
	size_t lo = 0, hi = nb->order.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (entry_compare(nb->order.p[mid], e) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t index_place(const struct notebook *nb, const struct cell_entry *e)
{
	size_t at = lower_bound(nb, e);

	return at < nb->order.n && nb->order.p[at] == e ? at : SIZE_MAX;
}

static void order_remove(struct notebook *nb, struct cell_entry *e)
{
	size_t at = index_place(nb, e);

	if (at != SIZE_MAX)
		VEC_REMOVE(&nb->order, at);
}

static void order_insert(struct notebook *nb, struct cell_entry *e)
{
	size_t at = lower_bound(nb, e);

	VEC_PUSH(&nb->order, e);
	memmove(nb->order.p + at + 1, nb->order.p + at, (nb->order.n - 1 - at) * sizeof *nb->order.p);
	nb->order.p[at] = e;
}

static struct cell_entry *entry_new(struct notebook *nb, const char *id, am_objid obj)
{
	size_t n = strlen(id) + 1;
	struct cell_entry *e = xmalloc(sizeof *e + n);

	memcpy(e->id, id, n);
	e->obj = obj;
	e->position = read_position(nb, obj);
	map_put(&nb->by_id, id, e);
	return e;
}

struct cell_entry *index_put(struct notebook *nb, const char *id, am_objid obj)
{
	struct cell_entry *e = index_find(nb, id);
	char *position;

	if (!e) {
		e = entry_new(nb, id, obj);
		order_insert(nb, e);
		return e;
	}
	e->obj = obj;
	position = read_position(nb, obj);
	if (strcmp(position, e->position) == 0) {
		free(position);
		return e;
	}
	order_remove(nb, e);
	free(e->position);
	e->position = position;
	order_insert(nb, e);
	return e;
}

void index_remove(struct notebook *nb, const char *id)
{
	struct cell_entry *e = map_remove(&nb->by_id, id);

	if (!e)
		return;
	order_remove(nb, e);
	entry_free(e);
}

static void index_clear(struct notebook *nb)
{
	for (size_t i = 0; i < nb->order.n; i++)
		entry_free(nb->order.p[i]);
	nb->order.n = 0;
	map_free(&nb->by_id);
	nb->by_id = (struct map){0};
}

struct found {
	VEC(char *) ids;
	VEC(am_objid) objs;
};

static int collect_cell(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct found *f = ctx;

	/* An id with a NUL cannot be named by anyone; a cell that is no map is none. */
	if (v->type != AM_MAP || memchr(key, '\0', key_n))
		return 0;
	VEC_PUSH(&f->ids, xstrndup(key, key_n));
	VEC_PUSH(&f->objs, v->id);
	return 0;
}

int index_rebuild(struct notebook *nb)
{
	struct found f = {0};
	int r = 0;

	index_clear(nb);
	nb->has_cells = value_get_object(nb->doc, AM_ROOT, "cells", AM_MAP, &nb->cells) == 0;
	if (nb->has_cells)
		r = am_errno(am_map_each(nb->doc, NULL, nb->cells, collect_cell, &f));
	for (size_t i = 0; i < f.ids.n; i++) {
		struct cell_entry *e = entry_new(nb, f.ids.p[i], f.objs.p[i]);
		VEC_PUSH(&nb->order, e);
		free(f.ids.p[i]);
	}
	if (nb->order.n > 0)
		qsort(nb->order.p, nb->order.n, sizeof *nb->order.p, entry_compare_ptr);
	VEC_FREE(&f.ids);
	VEC_FREE(&f.objs);
	return r;
}

int index_open(am_doc *doc, struct notebook **ret)
{
	struct notebook *nb = xcalloc(1, sizeof *nb);
	size_t n;
	const am_hash *heads;
	int r;

	nb->doc = doc;
	heads = am_heads(doc, &n);
	for (size_t i = 0; i < n; i++)
		VEC_PUSH(&nb->seen, heads[i]);
	r = index_rebuild(nb);
	if (r < 0) {
		notebook_free(nb);
		return r;
	}
	index_remember_metadata(nb);
	*ret = nb;
	return 0;
}

void notebook_free(struct notebook *nb)
{
	if (!nb)
		return;
	index_clear(nb);
	VEC_FREE(&nb->order);
	VEC_FREE(&nb->seen);
	buf_free(&nb->metadata);
	am_free(nb->doc);
	free(nb);
}

int index_metadata(struct notebook *nb, bool make, am_objid *ret)
{
	int r = value_get_object(nb->doc, AM_ROOT, "metadata", AM_MAP, ret);

	if (r == -ENOENT && make)
		r = am_errno(am_map_put_object(nb->doc, AM_ROOT, "metadata", 8, AM_MAP, ret));
	return r;
}
