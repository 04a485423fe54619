#include "notebook/notebook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "notebook/cells.h"
#include "notebook/genesis.h"
#include "notebook/index.h"
#include "notebook/json_text.h"
#include "notebook/position.h"
#include "notebook/value.h"

static int new_document(const char *actor, am_doc **ret)
{
	am_doc *doc = NULL;
	int r;

	if ((r = am_new(NULL, &doc)) < 0 || (r = genesis_write(doc)) < 0 ||
	    (r = am_set_actor(doc, actor, strlen(actor))) < 0) {
		am_free(doc);
		return am_errno(r);
	}
	*ret = doc;
	return 0;
}

int notebook_new(const char *actor, struct notebook **ret)
{
	am_doc *doc = NULL;
	int r = new_document(actor, &doc);

	return r < 0 ? r : index_open(doc, ret);
}

int notebook_load(const void *p, size_t n, const char *actor, struct notebook **ret, bool *ret_rebuilt)
{
	am_doc *doc;
	int r = am_errno(am_load(p, n, NULL, AM_LOAD_PARTIAL, &doc));

	if (r < 0)
		return r == -EEXIST ? r : -EBADMSG;
	return notebook_adopt(doc, actor, ret, ret_rebuilt);
}

int notebook_adopt(am_doc *doc, const char *actor, struct notebook **ret, bool *ret_rebuilt)
{
	bool rebuilt = !genesis_present(doc);
	int r;

	if (rebuilt) {
		r = notebook_rebuild(doc, actor, ret);
		am_free(doc);
	} else {
		r = am_errno(am_set_actor(doc, actor, strlen(actor)));
		if (r < 0)
			am_free(doc);
		else
			r = index_open(doc, ret);
	}
	if (r == 0 && ret_rebuilt)
		*ret_rebuilt = rebuilt;
	return r;
}

am_doc *notebook_doc(struct notebook *nb)
{
	return nb->doc;
}

int notebook_commit(struct notebook *nb)
{
	if (!am_in_transaction(nb->doc))
		return 0;
	return am_errno(am_commit(nb->doc, NULL, 0, 0, NULL));
}

const am_hash *notebook_heads(struct notebook *nb, size_t *ret_n)
{
	return am_heads(nb->doc, ret_n);
}

char *notebook_get_id(struct notebook *nb)
{
	return value_get_str(nb->doc, AM_ROOT, "notebook_id", NULL);
}

int notebook_set_id(struct notebook *nb, const char *id)
{
	return value_put_str(nb->doc, AM_ROOT, "notebook_id", id, strlen(id));
}

/* ---- documents of other layouts -------------------------------------------------------------- */

struct rebuild {
	am_doc *old;
	struct notebook *nb;
	char *position; /* of the last cell of a v1 list */
};

/* A string field of an old cell: a scalar, or the Text newer peers may use. */
static char *old_text(am_doc *old, am_objid cell, const char *key, size_t *ret_n)
{
	am_buf b = {0};
	char *s;
	am_value v;

	if (am_map_get(old, NULL, cell, key, strlen(key), &v) != AM_OK)
		return NULL;
	if (v.type == AM_STR) {
		*ret_n = v.s.n;
		return xstrndup((const char *)v.s.p, v.s.n);
	}
	if (v.type != AM_TEXT || am_text(old, NULL, v.id, &b) != AM_OK)
		return NULL;
	*ret_n = b.n;
	s = xstrndup(b.p ? (char *)b.p : "", b.n);
	am_buf_free(&b);
	return s;
}

static int skip_known(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	static const char *const known[] = {"schema_version", "cells", "metadata"};
	struct rebuild *b = ctx;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i]) == key_n && memcmp(known[i], key, key_n) == 0)
			return 0;
	return value_copy(b->old, v, b->nb->doc, AM_ROOT, key, key_n);
}

/* Adds a map cell under its id unless a higher-ranking map had that id. */
static int rebuild_map_cell(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct rebuild *b = ctx;
	am_value have;

	if (v->type != AM_MAP || am_map_get(b->nb->doc, NULL, b->nb->cells, key, key_n, &have) == AM_OK)
		return 0;
	return value_copy(b->old, v, b->nb->doc, b->nb->cells, key, key_n);
}

struct strings {
	char **p;
	size_t n, cap;
};

static int collect_output(void *ctx, size_t index, const am_value *v)
{
	struct strings *list = ctx;

	(void)index;
	if (v->type == AM_STR)
		VEC_PUSH(list, xstrndup((const char *)v->s.p, v->s.n));
	return 0;
}

static void old_outputs(am_doc *old, am_objid cell, char ***ret, size_t *ret_n)
{
	struct strings list = {0};
	am_value v;

	if (am_map_get(old, NULL, cell, "outputs", 7, &v) == AM_OK && v.type == AM_LIST)
		am_list_each(old, NULL, v.id, 0, SIZE_MAX, collect_output, &list);
	*ret = list.p;
	*ret_n = list.n;
}

/* documents.md 3.10: positions 80, 8180, ... and the same content. */
static int rebuild_list_cell(void *ctx, size_t index, const am_value *v)
{
	struct rebuild *b = ctx;
	struct cell_init init = {0};
	char *id = NULL, *type = NULL, *source = NULL, *count = NULL, *metadata = NULL, **outputs = NULL, *next;
	size_t n = 0;
	struct buf json = {0};
	int r;

	if (v->type != AM_MAP)
		return 0;
	id = old_text(b->old, v->id, "id", &n);
	if (!id || !*id || cells_has(b->nb, id)) {
		free(id);
		id = xasprintf("cell-%zu", index);
	}
	type = old_text(b->old, v->id, "cell_type", &n);
	source = old_text(b->old, v->id, "source", &init.source_n);
	count = old_text(b->old, v->id, "execution_count", &n);
	metadata = old_text(b->old, v->id, "metadata", &n);
	if (!metadata && value_get_json(b->old, v->id, "metadata", &json) == 0)
		metadata = buf_take(&json, NULL);
	old_outputs(b->old, v->id, &outputs, &init.n_outputs);
	init.id = id;
	init.type = type;
	init.source = source;
	init.execution_count = count;
	init.metadata = metadata;
	init.outputs = outputs;
	next = b->position ? position_after(b->position) : xstrdup(POSITION_FIRST);
	free(b->position);
	b->position = next;
	r = cell_add_position(b->nb, next, &init);
	cell_outputs_free(outputs, init.n_outputs);
	free(id);
	free(type);
	free(source);
	free(count);
	free(metadata);
	return r;
}

struct values {
	am_value p[16];
	size_t n;
};

static int collect_value(void *ctx, const am_value *v)
{
	struct values *vs = ctx;

	if (vs->n < sizeof vs->p / sizeof *vs->p)
		vs->p[vs->n++] = *v;
	return 0;
}

static int rebuild_cells(struct rebuild *b)
{
	struct values vs = {0};
	int r = 0;

	am_map_get_all(b->old, NULL, AM_ROOT, "cells", 5, collect_value, &vs);
	/* The winner is last; cells of hidden rivals come after its own. */
	for (size_t i = vs.n; r == 0 && i > 0; i--) {
		if (vs.p[i - 1].type == AM_MAP)
			r = am_map_each(b->old, NULL, vs.p[i - 1].id, rebuild_map_cell, b);
		else if (vs.p[i - 1].type == AM_LIST)
			r = am_list_each(b->old, NULL, vs.p[i - 1].id, 0, SIZE_MAX, rebuild_list_cell, b);
	}
	return r;
}

static int rebuild_metadata(struct rebuild *b)
{
	am_objid from, to;
	int r;

	if (value_get_object(b->old, AM_ROOT, "metadata", AM_MAP, &from) < 0)
		return 0;
	r = index_metadata(b->nb, true, &to);
	return r < 0 ? r : value_copy_map(b->old, from, b->nb->doc, to);
}

int notebook_rebuild(am_doc *old, const char *actor, struct notebook **ret)
{
	struct rebuild b = {.old = old};
	int r = notebook_new(actor, &b.nb);

	if (r < 0)
		return r;
	r = am_map_each(old, NULL, AM_ROOT, skip_known, &b);
	if (r == 0)
		r = rebuild_cells(&b);
	if (r == 0)
		r = rebuild_metadata(&b);
	if (r == 0)
		r = notebook_commit(b.nb);
	if (r == 0)
		r = index_rebuild(b.nb);
	free(b.position);
	if (r < 0) {
		notebook_free(b.nb);
		return r;
	}
	*ret = b.nb;
	return 0;
}
