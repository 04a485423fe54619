#include "notebook/cells.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/utf8.h"
#include "notebook/index.h"
#include "notebook/json_text.h"
#include "notebook/position.h"
#include "notebook/value.h"

size_t cells_count(struct notebook *nb)
{
	return nb->order.n;
}

const char *cells_id_at(struct notebook *nb, size_t index)
{
	return index < nb->order.n ? nb->order.p[index]->id : NULL;
}

size_t cells_index(struct notebook *nb, const char *id)
{
	const struct cell_entry *e = index_find(nb, id);

	return e ? index_place(nb, e) : SIZE_MAX;
}

bool cells_has(struct notebook *nb, const char *id)
{
	return index_find(nb, id) != NULL;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* One field's winner; false when there is none. */
static bool field(struct notebook *nb, const struct cell_entry *e, const char *key, am_value *ret)
{
	return e && am_map_get(nb->doc, NULL, e->obj, key, strlen(key), ret) == AM_OK;
}

static char *string_field(struct notebook *nb, const char *id, const char *key, const char *missing)
{
	const struct cell_entry *e = index_find(nb, id);
	char *s;

	if (!e)
		return NULL;
	s = value_get_str(nb->doc, e->obj, key, NULL);
	return s || !missing ? s : xstrdup(missing);
}

char *cell_type(struct notebook *nb, const char *id)
{
	return string_field(nb, id, "cell_type", "");
}

char *cell_position(struct notebook *nb, const char *id)
{
	return string_field(nb, id, "position", POSITION_FIRST);
}

char *cell_execution_count(struct notebook *nb, const char *id)
{
	return string_field(nb, id, "execution_count", "null");
}

char *cell_execution_id(struct notebook *nb, const char *id)
{
	return string_field(nb, id, "execution_id", NULL);
}

char *cell_source(struct notebook *nb, const char *id, size_t *ret_n)
{
	const struct cell_entry *e = index_find(nb, id);
	am_buf b = {0};
	am_value v;
	char *s;

	if (!e)
		return NULL;
	if (field(nb, e, "source", &v) && v.type == AM_TEXT)
		am_text(nb->doc, NULL, v.id, &b);
	s = b.n ? xmalloc(b.n + 1) : xstrdup("");
	if (b.n) {
		memcpy(s, b.p, b.n);
		s[b.n] = '\0';
	}
	if (ret_n)
		*ret_n = b.n;
	am_buf_free(&b);
	return s;
}

void cells_each_source(struct notebook *nb, const char *type, cell_source_fn *fn, void *ctx)
{
	size_t n = strlen(type);

	for (size_t i = 0; i < nb->order.n; i++) {
		const struct cell_entry *e = nb->order.p[i];
		am_buf b = {0};
		am_value v;

		if (!field(nb, e, "cell_type", &v) || v.type != AM_STR || v.s.n != n || memcmp(v.s.p, type, n) != 0)
			continue;
		if (field(nb, e, "source", &v) && v.type == AM_TEXT)
			am_text(nb->doc, NULL, v.id, &b);
		fn(ctx, b.n ? (const char *)b.p : "", b.n);
		am_buf_free(&b);
	}
}

/* A field that should be a map; "{}" when it is anything else. A Str that holds
 * a JSON object is what the v1 migration of the reference wrote. */
static char *object_field(struct notebook *nb, const char *id, const char *key)
{
	const struct cell_entry *e = index_find(nb, id);
	struct json_tree t;
	struct buf out = {0};
	am_value v;

	if (!e)
		return NULL;
	if (field(nb, e, key, &v)) {
		if (v.type == AM_MAP) {
			value_json(nb->doc, NULL, &v, &out);
		} else if (v.type == AM_STR && json_tree_parse(v.s.p, v.s.n, &t, NULL) == 0) {
			if (json_tree_kind(&t, 0) == JSON_KIND_OBJECT)
				json_render_compact(&out, &t, 0, true);
			json_tree_fini(&t);
		}
	}
	if (out.n == 0)
		buf_append_str(&out, "{}");
	return buf_take(&out, NULL);
}

char *cell_metadata(struct notebook *nb, const char *id)
{
	return object_field(nb, id, "metadata");
}

char *cell_attachments(struct notebook *nb, const char *id)
{
	return object_field(nb, id, "attachments");
}

char *cell_resolved_assets(struct notebook *nb, const char *id)
{
	return object_field(nb, id, "resolved_assets");
}

static int outputs_list(struct notebook *nb, const struct cell_entry *e, am_objid *ret)
{
	return e ? value_get_object(nb->doc, e->obj, "outputs", AM_LIST, ret) : -ENOENT;
}

size_t cell_output_count(struct notebook *nb, const char *id)
{
	am_objid list;

	return outputs_list(nb, index_find(nb, id), &list) == 0 ? am_length(nb->doc, NULL, list) : 0;
}

static char *output_text(const am_value *v)
{
	return v->type == AM_STR ? xstrndup((const char *)v->s.p, v->s.n) : xstrdup("");
}

char *cell_output_at(struct notebook *nb, const char *id, size_t i)
{
	am_objid list;
	am_value v;

	if (outputs_list(nb, index_find(nb, id), &list) < 0 || am_list_get(nb->doc, NULL, list, i, &v) != AM_OK)
		return NULL;
	return output_text(&v);
}

static int add_output(void *ctx, size_t index, const am_value *v)
{
	struct cell *c = ctx;

	(void)index;
	c->outputs[c->n_outputs++] = output_text(v);
	return 0;
}

char **cell_outputs(struct notebook *nb, const char *id, size_t *ret_n)
{
	struct cell c = {0};
	am_objid list;
	size_t n;

	*ret_n = 0;
	if (outputs_list(nb, index_find(nb, id), &list) < 0 || (n = am_length(nb->doc, NULL, list)) == 0)
		return NULL;
	c.outputs = xcalloc(n, sizeof *c.outputs);
	am_list_each(nb->doc, NULL, list, 0, n, add_output, &c);
	*ret_n = c.n_outputs;
	return c.outputs;
}

void cell_outputs_free(char **outputs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(outputs[i]);
	free(outputs);
}

int cell_read(struct notebook *nb, const char *id, struct cell *ret)
{
	struct cell c = {0};

	if (!cells_has(nb, id))
		return -ENOENT;
	c.id = xstrdup(id);
	c.type = cell_type(nb, id);
	c.position = cell_position(nb, id);
	c.source = cell_source(nb, id, &c.source_n);
	c.execution_count = cell_execution_count(nb, id);
	c.execution_id = cell_execution_id(nb, id);
	c.outputs = cell_outputs(nb, id, &c.n_outputs);
	c.metadata = cell_metadata(nb, id);
	c.resolved_assets = cell_resolved_assets(nb, id);
	c.attachments = cell_attachments(nb, id);
	*ret = c;
	return 0;
}

void cell_fini(struct cell *c)
{
	free(c->id);
	free(c->type);
	free(c->position);
	free(c->source);
	free(c->execution_count);
	free(c->execution_id);
	cell_outputs_free(c->outputs, c->n_outputs);
	free(c->metadata);
	free(c->resolved_assets);
	free(c->attachments);
	*c = (struct cell){0};
}

bool cell_is_scaffold(struct notebook *nb, const char *id)
{
	const struct cell_entry *e = index_find(nb, id);
	am_value v;

	if (!e || cell_output_count(nb, id) > 0)
		return false;
	if (field(nb, e, "cell_type", &v) && (v.type != AM_STR || v.s.n != 4 || memcmp(v.s.p, "code", 4) != 0))
		return false;
	if (field(nb, e, "metadata", &v) && v.type == AM_MAP && am_length(nb->doc, NULL, v.id) > 0)
		return false;
	return !field(nb, e, "source", &v) || v.type != AM_TEXT || am_length(nb->doc, NULL, v.id) == 0;
}

/* ---- positions ------------------------------------------------------------------------------ */

int cell_set_position(struct notebook *nb, const char *id, const char *position)
{
	struct cell_entry *e = index_find(nb, id);
	int r;

	if (!e)
		return -ENOENT;
	r = value_put_str(nb->doc, e->obj, "position", position, strlen(position));
	if (r == 0)
		index_put(nb, id, e->obj);
	return r;
}

/* Gives cells [from, to) of the order new positions that ascend from behind
 * `left` (NULL: from the first position there is). */
static int renumber(struct notebook *nb, size_t from, size_t to, const char *left, const char *right)
{
	char **ids = xcalloc(to - from + 1, sizeof *ids), *last = left ? xstrdup(left) : NULL;
	int r = 0;

	for (size_t i = from; i < to; i++)
		ids[i - from] = xstrdup(nb->order.p[i]->id);
	for (size_t i = 0; i < to - from; i++) {
		char *next = !last ? xstrdup(POSITION_FIRST)
			     : right ? position_between(last, right)
				     : position_after(last);
		if (!next)
			next = xstrdup(POSITION_FIRST);
		if (r == 0)
			r = cell_set_position(nb, ids[i], next);
		free(last);
		last = next;
		free(ids[i]);
	}
	free(last);
	free(ids);
	return r;
}

static bool all_valid(struct notebook *nb, size_t from, size_t to)
{
	for (size_t i = from; i < to && i < nb->order.n; i++)
		if (!position_valid(nb->order.p[i]->position, strlen(nb->order.p[i]->position)))
			return false;
	return true;
}

/* No room between cells index-1 and index (equal positions after concurrent
 * inserts, documents.md trap 17): the equals behind the gap move up. */
static char *make_room(struct notebook *nb, size_t index)
{
	const char *left = nb->order.p[index - 1]->position;
	size_t to = index;
	char *mine, *lower = NULL;

	while (to < nb->order.n && strcmp(nb->order.p[to]->position, left) <= 0)
		to++;
	if (!all_valid(nb, index - 1, to + 1))
		return NULL;
	mine = to < nb->order.n ? position_between(left, nb->order.p[to]->position) : position_after(left);
	if (!mine)
		return NULL;
	lower = xstrdup(mine);
	if (renumber(nb, index, to, lower, to < nb->order.n ? nb->order.p[to]->position : NULL) < 0) {
		free(mine);
		mine = NULL;
	}
	free(lower);
	return mine;
}

/* A position that sorts in front of the cell at `index` and behind the one
 * before it (documents.md 4, Placement). */
static char *position_at(struct notebook *nb, size_t index)
{
	size_t n = nb->order.n;
	char *s = NULL;

	if (n == 0)
		return xstrdup(POSITION_FIRST);
	for (int pass = 0; pass < 2 && !s; pass++) {
		if (index == 0)
			s = position_before(nb->order.p[0]->position);
		else if (index >= n)
			s = position_after(nb->order.p[n - 1]->position);
		else
			s = position_between(nb->order.p[index - 1]->position, nb->order.p[index]->position);
		if (!s && index > 0 && index < n)
			s = make_room(nb, index);
		/* A neighbour that is no position: number everything anew (4.3). */
		if (!s && pass == 0 && renumber(nb, 0, n, NULL, NULL) < 0)
			break;
	}
	return s ? s : xstrdup(POSITION_FIRST);
}

/* The place behind `after`: 0 for NULL, the end for an unknown id. */
static size_t place_after(struct notebook *nb, const char *after)
{
	size_t at;

	if (!after)
		return 0;
	at = cells_index(nb, after);
	return at == SIZE_MAX ? nb->order.n : at + 1;
}

/* ---- adding, moving, deleting --------------------------------------------------------------- */

static int put_json(struct notebook *nb, am_objid map, const char *key, const char *json, bool make)
{
	struct json_tree t;
	am_objid obj;
	int r;

	if (json && json_tree_parse(json, strlen(json), &t, NULL) == 0) {
		r = json_tree_kind(&t, 0) == JSON_KIND_OBJECT ? 1 : 0;
		if (r == 1)
			r = value_put(nb->doc, map, key, strlen(key), &t, 0);
		else if (make)
			r = am_errno(am_map_put_object(nb->doc, map, key, strlen(key), AM_MAP, &obj));
		json_tree_fini(&t);
		return r;
	}
	return make ? am_errno(am_map_put_object(nb->doc, map, key, strlen(key), AM_MAP, &obj)) : 0;
}

static int fill_outputs(struct notebook *nb, am_objid list, char *const *outputs, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		am_value v = am_str(outputs[i], strlen(outputs[i]));
		r = am_errno(am_list_insert(nb->doc, list, i, &v));
	}
	return r;
}

/* The keys of a new cell in the order of documents.md 3.5. */
static int fill_cell(struct notebook *nb, am_objid obj, const char *position, const struct cell_init *init)
{
	const char *type = init->type ? init->type : "code";
	const char *count = init->execution_count ? init->execution_count : "null";
	am_objid source, outputs;
	int r;

	if ((r = value_put_str(nb->doc, obj, "id", init->id, strlen(init->id))) < 0 ||
	    (r = value_put_str(nb->doc, obj, "cell_type", type, strlen(type))) < 0 ||
	    (r = value_put_str(nb->doc, obj, "position", position, strlen(position))) < 0 ||
	    (r = am_errno(am_map_put_object(nb->doc, obj, "source", 6, AM_TEXT, &source))) < 0)
		return r;
	if (init->source_n > 0 &&
	    (r = am_errno(am_text_splice(nb->doc, source, 0, 0, init->source, init->source_n))) < 0)
		return r;
	if ((r = value_put_str(nb->doc, obj, "execution_count", count, strlen(count))) < 0 ||
	    (r = am_errno(am_map_put_object(nb->doc, obj, "outputs", 7, AM_LIST, &outputs))) < 0 ||
	    (r = fill_outputs(nb, outputs, init->outputs, init->n_outputs)) < 0 ||
	    (r = put_json(nb, obj, "metadata", init->metadata, true)) < 0 ||
	    (r = put_json(nb, obj, "resolved_assets", init->resolved_assets, true)) < 0 ||
	    (r = put_json(nb, obj, "attachments", init->attachments, false)) < 0)
		return r;
	if (init->execution_id)
		r = value_put_str(nb->doc, obj, "execution_id", init->execution_id, strlen(init->execution_id));
	return r;
}

static int cells_map(struct notebook *nb)
{
	int r;

	if (nb->has_cells)
		return 0;
	r = am_errno(am_map_put_object(nb->doc, AM_ROOT, "cells", 5, AM_MAP, &nb->cells));
	nb->has_cells = r == 0;
	return r;
}

int cell_add_position(struct notebook *nb, const char *position, const struct cell_init *init)
{
	am_objid obj;
	int r;

	if (cells_has(nb, init->id))
		return -EEXIST;
	if ((r = cells_map(nb)) < 0)
		return r;
	r = am_errno(am_map_put_object(nb->doc, nb->cells, init->id, strlen(init->id), AM_MAP, &obj));
	if (r == 0)
		r = fill_cell(nb, obj, position, init);
	if (r == 0)
		index_put(nb, init->id, obj);
	return r;
}

int cell_add_at(struct notebook *nb, size_t index, const struct cell_init *init)
{
	char *position;
	int r;

	if (cells_has(nb, init->id))
		return -EEXIST;
	position = position_at(nb, index > nb->order.n ? nb->order.n : index);
	r = cell_add_position(nb, position, init);
	free(position);
	return r;
}

int cell_add_after(struct notebook *nb, const char *after, const struct cell_init *init)
{
	return cell_add_at(nb, place_after(nb, after), init);
}

int cell_move_after(struct notebook *nb, const char *id, const char *after)
{
	size_t from = cells_index(nb, id), to;
	char *position;
	int r;

	if (from == SIZE_MAX)
		return -ENOENT;
	to = place_after(nb, after);
	if (to == from || (after && strcmp(after, id) == 0))
		return 0;
	position = position_at(nb, to);
	r = cell_set_position(nb, id, position);
	free(position);
	return r;
}

int cell_delete(struct notebook *nb, const char *id)
{
	int r;

	if (!cells_has(nb, id))
		return -ENOENT;
	r = am_errno(am_map_delete(nb->doc, nb->cells, id, strlen(id)));
	if (r == 0)
		index_remove(nb, id);
	return r;
}

int cells_clear(struct notebook *nb)
{
	int r = 0;

	while (r == 0 && nb->order.n > 0)
		r = cell_delete(nb, nb->order.p[nb->order.n - 1]->id);
	return r;
}

/* ---- editing -------------------------------------------------------------------------------- */

static int set_string(struct notebook *nb, const char *id, const char *key, const char *s)
{
	const struct cell_entry *e = index_find(nb, id);

	return e ? value_put_str(nb->doc, e->obj, key, s, strlen(s)) : -ENOENT;
}

int cell_set_type(struct notebook *nb, const char *id, const char *type)
{
	return set_string(nb, id, "cell_type", type);
}

int cell_set_execution_count(struct notebook *nb, const char *id, const char *json)
{
	return set_string(nb, id, "execution_count", json);
}

int cell_set_execution_id(struct notebook *nb, const char *id, const char *execution_id)
{
	static const am_value null = {.type = AM_NULL};
	const struct cell_entry *e = index_find(nb, id);
	am_value v;

	if (execution_id)
		return set_string(nb, id, "execution_id", execution_id);
	if (!e)
		return -ENOENT;
	if (!field(nb, e, "execution_id", &v))
		return 0;
	return am_errno(am_map_put(nb->doc, e->obj, "execution_id", 12, &null));
}

static int source_text(struct notebook *nb, const char *id, am_objid *ret)
{
	const struct cell_entry *e = index_find(nb, id);
	int r;

	if (!e)
		return -ENOENT;
	r = value_get_object(nb->doc, e->obj, "source", AM_TEXT, ret);
	if (r == -ENOENT)
		r = am_errno(am_map_put_object(nb->doc, e->obj, "source", 6, AM_TEXT, ret));
	return r;
}

int cell_set_source(struct notebook *nb, const char *id, const char *text, size_t n)
{
	am_objid source;
	int r = source_text(nb, id, &source);

	return r < 0 ? r : am_errno(am_text_update(nb->doc, source, text, n));
}

int cell_splice_source(struct notebook *nb, const char *id, size_t pos, size_t del, const char *text, size_t n)
{
	am_objid source;
	int r = source_text(nb, id, &source);

	if (r < 0)
		return r;
	if (del > PTRDIFF_MAX)
		del = PTRDIFF_MAX;
	return am_errno(am_text_splice(nb->doc, source, pos, (ptrdiff_t)del, text, n));
}

int cell_append_source(struct notebook *nb, const char *id, const char *text, size_t n)
{
	am_objid source;
	int r = source_text(nb, id, &source);

	return r < 0 ? r : am_errno(am_text_splice(nb->doc, source, am_length(nb->doc, NULL, source), 0, text, n));
}

int cell_set_outputs(struct notebook *nb, const char *id, char *const *outputs, size_t n)
{
	const struct cell_entry *e = index_find(nb, id);
	am_objid list;
	int r;

	if (!e)
		return -ENOENT;
	/* documents.md 3.6: delete, then a new list. */
	if ((r = am_errno(am_map_delete(nb->doc, e->obj, "outputs", 7))) < 0 ||
	    (r = am_errno(am_map_put_object(nb->doc, e->obj, "outputs", 7, AM_LIST, &list))) < 0)
		return r;
	return fill_outputs(nb, list, outputs, n);
}

int cell_clear_outputs(struct notebook *nb, const char *id)
{
	const struct cell_entry *e = index_find(nb, id);
	am_objid list;

	if (!e)
		return -ENOENT;
	if (outputs_list(nb, e, &list) == 0 && am_length(nb->doc, NULL, list) == 0)
		return 0;
	return cell_set_outputs(nb, id, NULL, 0);
}

int cell_append_output(struct notebook *nb, const char *id, const char *output, size_t *ret_index)
{
	const struct cell_entry *e = index_find(nb, id);
	am_value v = am_str(output, strlen(output));
	am_objid list;
	size_t at;
	int r;

	if (!e)
		return -ENOENT;
	if (outputs_list(nb, e, &list) < 0 &&
	    (r = am_errno(am_map_put_object(nb->doc, e->obj, "outputs", 7, AM_LIST, &list))) < 0)
		return r;
	at = am_length(nb->doc, NULL, list);
	r = am_errno(am_list_insert(nb->doc, list, at, &v));
	if (r == 0 && ret_index)
		*ret_index = at;
	return r;
}

int cell_replace_output(struct notebook *nb, const char *id, size_t i, const char *output)
{
	am_value v = am_str(output, strlen(output));
	am_objid list;
	int r = outputs_list(nb, index_find(nb, id), &list);

	if (r < 0)
		return r;
	if (i >= am_length(nb->doc, NULL, list))
		return -ERANGE;
	return am_errno(am_list_put(nb->doc, list, i, &v));
}

/* The map at a cell's key := a JSON object, in place where it is a map. */
static int set_object(struct notebook *nb, const char *id, const char *key, const char *json, size_t n)
{
	const struct cell_entry *e = index_find(nb, id);
	struct json_tree t;
	int r;

	if (!e)
		return -ENOENT;
	if ((r = json_tree_parse(json, n, &t, NULL)) < 0)
		return r;
	if (json_tree_kind(&t, 0) != JSON_KIND_OBJECT)
		r = -EINVAL;
	else
		r = value_update(nb->doc, e->obj, key, strlen(key), &t, 0);
	json_tree_fini(&t);
	return r;
}

int cell_set_metadata(struct notebook *nb, const char *id, const char *json, size_t n)
{
	return set_object(nb, id, "metadata", json, n);
}

int cell_set_resolved_assets(struct notebook *nb, const char *id, const char *json, size_t n)
{
	return set_object(nb, id, "resolved_assets", json, n);
}

int cell_set_attachments(struct notebook *nb, const char *id, const char *json, size_t n)
{
	return set_object(nb, id, "attachments", json, n);
}

/* The metadata map of a cell; a legacy Str or anything else is replaced by a
 * map of the same content. */
static int metadata_map(struct notebook *nb, const char *id, am_objid *ret)
{
	const struct cell_entry *e = index_find(nb, id);
	char *json;
	int r;

	if (!e)
		return -ENOENT;
	r = value_get_object(nb->doc, e->obj, "metadata", AM_MAP, ret);
	if (r == 0)
		return 0;
	json = cell_metadata(nb, id);
	r = put_json(nb, e->obj, "metadata", json, true);
	free(json);
	return r < 0 ? r : value_get_object(nb->doc, e->obj, "metadata", AM_MAP, ret);
}

int cell_set_metadata_at(struct notebook *nb, const char *id, const char *const *path, size_t n_path, const char *json)
{
	struct json_tree t;
	am_objid map, next;
	int r;

	if (n_path == 0)
		return json ? cell_set_metadata(nb, id, json, strlen(json)) : -EINVAL;
	if ((r = metadata_map(nb, id, &map)) < 0)
		return r;
	for (size_t i = 0; i + 1 < n_path; i++, map = next) {
		if (value_get_object(nb->doc, map, path[i], AM_MAP, &next) == 0)
			continue;
		if (!json)
			return 0;
		r = am_errno(am_map_put_object(nb->doc, map, path[i], strlen(path[i]), AM_MAP, &next));
		if (r < 0)
			return r;
	}
	if (!json)
		return am_errno(am_map_delete(nb->doc, map, path[n_path - 1], strlen(path[n_path - 1])));
	if ((r = json_tree_parse(json, strlen(json), &t, NULL)) < 0)
		return r;
	r = value_update(nb->doc, map, path[n_path - 1], strlen(path[n_path - 1]), &t, 0);
	json_tree_fini(&t);
	return r;
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static void snapshot_str(struct buf *out, const char *key, const char *s, size_t n)
{
	buf_printf(out, ",\"%s\":", key);
	json_append_str(out, s, n);
}

int cell_snapshot_json(struct notebook *nb, const char *id, struct buf *out)
{
	struct cell c;
	int r = cell_read(nb, id, &c);

	if (r < 0)
		return r;
	buf_append_str(out, "{\"id\":");
	json_append_str(out, c.id, strlen(c.id));
	snapshot_str(out, "cell_type", c.type, strlen(c.type));
	snapshot_str(out, "position", c.position, strlen(c.position));
	snapshot_str(out, "source", c.source, c.source_n);
	snapshot_str(out, "execution_count", c.execution_count, strlen(c.execution_count));
	buf_append_str(out, ",\"outputs\":[");
	for (size_t i = 0; i < c.n_outputs; i++) {
		if (i > 0)
			buf_append_byte(out, ',');
		json_append_str(out, c.outputs[i], strlen(c.outputs[i]));
	}
	buf_printf(out, "],\"metadata\":");
	buf_append_str(out, c.metadata);
	if (strcmp(c.resolved_assets, "{}") != 0) {
		buf_append_str(out, ",\"resolved_assets\":");
		buf_append_str(out, c.resolved_assets);
	}
	buf_append_byte(out, '}');
	cell_fini(&c);
	return 0;
}

int cells_snapshot_json(struct notebook *nb, struct buf *out)
{
	int r = 0;

	buf_append_byte(out, '[');
	for (size_t i = 0; i < nb->order.n && r == 0; i++) {
		if (i > 0)
			buf_append_byte(out, ',');
		r = cell_snapshot_json(nb, nb->order.p[i]->id, out);
	}
	buf_append_byte(out, ']');
	return r;
}
