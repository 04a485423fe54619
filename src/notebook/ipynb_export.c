/* From the document to versions that share what did not change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "notebook/ipynb_impl.h"
#include "notebook/metadata_parse.h"
#include "notebook/value.h"

struct ipynb_export {
	struct ipynb_version *latest;   /* what the next snapshot shares with */
	struct ipynb_version *baseline; /* what is in the file; NULL = nothing yet */
	struct map cells;               /* id -> place in latest + 1, when has_places */
	bool has_places;                /* a notebook nobody edits goes without */
	struct map stale;               /* ids whose document cell may differ from that */
	bool order_stale, metadata_stale;
};

static const char stale_mark[] = "";

static void mark(struct ipynb_export *e, const char *id)
{
	map_put(&e->stale, id, (void *)(uintptr_t)stale_mark);
}

static const struct map *places(struct ipynb_export *e)
{
	for (size_t i = 0; !e->has_places && i < e->latest->cells.n; i++)
		map_put(&e->cells, e->latest->cells.p[i]->id, (void *)(uintptr_t)(i + 1));
	e->has_places = true;
	return &e->cells;
}

static struct ipynb_cell *latest_cell(struct ipynb_export *e, const char *id)
{
	uintptr_t at = (uintptr_t)map_get(places(e), id);

	return at ? e->latest->cells.p[at - 1] : NULL;
}

/* same_places: v has the cells of the latest version, by id, where that has them. */
static void set_latest(struct ipynb_export *e, struct ipynb_version *v, bool same_places)
{
	struct ipynb_version *old = e->latest;

	e->latest = ipynb_ref(v);
	if (!same_places) {
		map_free(&e->cells);
		e->cells = (struct map){0};
		e->has_places = false;
	}
	for (size_t i = 0; i < v->cells.n; i++)
		ipynb_cell_settle(v->cells.p[i]);
	ipynb_unref(old);
}

struct ipynb_export *ipynb_export_new(void)
{
	struct ipynb_export *e = xcalloc(1, sizeof *e);
	struct ipynb_version *v = ipynb_empty();

	set_latest(e, v, false);
	ipynb_unref(v);
	e->order_stale = e->metadata_stale = true;
	return e;
}

void ipynb_export_free(struct ipynb_export *e)
{
	if (!e)
		return;
	ipynb_unref(e->latest);
	ipynb_unref(e->baseline);
	map_free(&e->cells);
	map_free(&e->stale);
	free(e);
}

/* A version from outside: what is not the very cell of the latest has to be
 * compared with the document. */
static void adopt(struct ipynb_export *e, struct ipynb_version *v, bool in_sync)
{
	if (in_sync) {
		map_free(&e->stale);
		e->stale = (struct map){0};
	} else {
		for (size_t i = 0; i < v->cells.n; i++)
			if (latest_cell(e, v->cells.p[i]->id) != v->cells.p[i])
				mark(e, v->cells.p[i]->id);
	}
	e->order_stale = e->metadata_stale = !in_sync;
	set_latest(e, v, false);
}

void ipynb_export_rebase(struct ipynb_export *e, struct ipynb_version *v, bool in_sync)
{
	struct ipynb_version *old = e->baseline;

	e->baseline = ipynb_ref(v);
	ipynb_unref(old);
	if (!v->snapshot)
		adopt(e, v, in_sync);
	for (size_t i = 0; i < v->cells.n; i++)
		ipynb_cell_settle(v->cells.p[i]);
}

void ipynb_export_note(struct ipynb_export *e, const struct notebook_changes *changes)
{
	for (size_t i = 0; i < changes->cells.n; i++) {
		const struct cell_change *c = &changes->cells.p[i];
		if (c->fields & CELL_IN_FILE & ~(unsigned)(CELL_POSITION | CELL_REMOVED))
			mark(e, c->id);
	}
	for (size_t i = 0; changes->rebuilt && i < e->latest->cells.n; i++)
		mark(e, e->latest->cells.p[i]->id);
	e->order_stale = e->order_stale || changes->order || changes->rebuilt;
	e->metadata_stale = e->metadata_stale || changes->metadata;
}

struct ipynb_version *ipynb_export_latest(const struct ipynb_export *e)
{
	return e->latest;
}

struct ipynb_version *ipynb_export_baseline(const struct ipynb_export *e)
{
	return e->baseline;
}

/* ---- cells ---------------------------------------------------------------------------------- */

static char **dup_entries(char *const *p, size_t n)
{
	char **copy = n ? xcalloc(n, sizeof *copy) : NULL;

	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(p[i]);
	return copy;
}

/* What a new cell is an edit of: the last one that has a text. */
static struct ipynb_cell *base_of(struct ipynb_cell *old)
{
	while (old && !ipynb_cell_peek(old))
		old = old->base;
	return old ? ipynb_cell_ref(old) : NULL;
}

static struct ipynb_cell *new_cell(struct notebook *nb, const char *id, struct ipynb_cell *old)
{
	struct ipynb_cell *c = xcalloc(1, sizeof *c);

	c->refs = 1;
	c->id = xstrdup(id);
	c->id_in_file = old && old->id_in_file;
	c->fields = xcalloc(1, sizeof *c->fields);
	cell_read(nb, id, c->fields);
	c->entries = dup_entries(c->fields->outputs, c->fields->n_outputs);
	c->n_entries = c->fields->n_outputs;
	c->entries_known = true;
	c->attachments = xstrdup(c->fields->attachments);
	c->base = base_of(old);
	if (old) {
		c->lead = old->lead ? xstrdup(old->lead) : NULL;
		c->tail = old->tail ? xstrdup(old->tail) : NULL;
	}
	return c;
}

static struct ipynb_cell *snapshot_cell(struct ipynb_export *e, struct notebook *nb, const char *id, int minor)
{
	struct ipynb_cell *c = new_cell(nb, id, latest_cell(e, id));

	c->id_in_file = c->id_in_file || minor >= 5;
	return c;
}

static void snapshot_all(struct ipynb_export *e, struct notebook *nb, struct ipynb_version *v)
{
	size_t n = cells_count(nb);

	for (size_t i = 0; i < n; i++) {
		const char *id = cells_id_at(nb, i);
		struct ipynb_cell *old = latest_cell(e, id);

		if (old && !map_get(&e->stale, id))
			VEC_PUSH(&v->cells, ipynb_cell_ref(old));
		else
			VEC_PUSH(&v->cells, snapshot_cell(e, nb, id, v->minor));
	}
}

/* Same cells in the same order: only the stale ones are looked at. */
static void snapshot_stale(struct ipynb_export *e, struct notebook *nb, struct ipynb_version *v)
{
	for (size_t i = 0; i < e->latest->cells.n; i++)
		VEC_PUSH(&v->cells, ipynb_cell_ref(e->latest->cells.p[i]));
	MAP_EACH(&e->stale, x)
	{
		uintptr_t at = (uintptr_t)map_get(places(e), x->key);
		struct ipynb_cell *c;

		if (at == 0 || !cells_has(nb, x->key))
			continue;
		c = snapshot_cell(e, nb, x->key, v->minor);
		ipynb_cell_unref(v->cells.p[at - 1]);
		v->cells.p[at - 1] = c;
	}
}

/* ---- metadata ------------------------------------------------------------------------------- */

/* A runt that says nothing, or that metadata_set_json derived from old keys of
 * the file, is not written into a file that has none. */
static bool is_derived_runt(const struct json_tree *doc, uint32_t runt, const struct json_tree *file)
{
	struct metadata m;
	struct buf json = {0};
	struct json_tree derived;
	bool same = false;

	if (doc->nodes[runt].n == 1 && json_tree_get(doc, runt, "schema_version") != JSON_NONE)
		return true;
	if (metadata_parse_tree(file, 0, true, &m) < 0)
		return false;
	metadata_format(&m, &json);
	metadata_fini(&m);
	if (json_tree_parse(json.p, json.n, &derived, NULL) == 0) {
		same = json_tree_equal(doc, runt, &derived, json_tree_get(&derived, 0, "runt"), false);
		json_tree_fini(&derived);
	}
	buf_free(&json);
	return same;
}

static void put_runt(struct buf *out, const struct json_tree *doc, uint32_t runt, bool hide_version)
{
	struct json_members m;
	size_t count = 0;

	json_members_load(doc, runt, true, &m);
	buf_append_byte(out, '{');
	for (size_t i = 0; i < m.n; i++) {
		if (hide_version && m.p[i].key_n == 14 && memcmp(m.p[i].key, "schema_version", 14) == 0)
			continue;
		if (count++ > 0)
			buf_append_byte(out, ',');
		json_render_compact(out, doc, m.p[i].key_node, false);
		buf_append_byte(out, ':');
		json_render_compact(out, doc, m.p[i].value, true);
	}
	buf_append_byte(out, '}');
	json_members_fini(&m);
}

/* The document's metadata as a file holds it. */
static void file_metadata(const struct json_tree *doc, const struct json_tree *file, struct buf *out)
{
	uint32_t file_runt = json_tree_get(file, 0, "runt");
	struct json_members m;
	size_t count = 0;

	json_members_load(doc, 0, true, &m);
	buf_append_byte(out, '{');
	for (size_t i = 0; i < m.n; i++) {
		bool runt = m.p[i].key_n == 4 && memcmp(m.p[i].key, "runt", 4) == 0 &&
			    json_tree_kind(doc, m.p[i].value) == JSON_KIND_OBJECT;

		if (metadata_key_is_internal(m.p[i].key, m.p[i].key_n) &&
		    json_tree_get_n(file, 0, m.p[i].key, m.p[i].key_n) == JSON_NONE)
			continue;
		if (runt && file_runt == JSON_NONE && is_derived_runt(doc, m.p[i].value, file))
			continue;
		if (count++ > 0)
			buf_append_byte(out, ',');
		json_render_compact(out, doc, m.p[i].key_node, false);
		buf_append_byte(out, ':');
		if (runt)
			put_runt(out, doc, m.p[i].value,
				 file_runt != JSON_NONE &&
					 json_tree_get(file, file_runt, "schema_version") == JSON_NONE);
		else
			json_render_compact(out, doc, m.p[i].value, true);
	}
	buf_append_byte(out, '}');
	json_members_fini(&m);
}

static void snapshot_metadata(struct ipynb_export *e, struct notebook *nb, struct ipynb_version *v)
{
	const struct ipynb_text *old = &e->latest->metadata;
	struct buf json = {0}, wanted = {0}, out = {0};
	struct json_tree doc, file, w;

	if (!e->metadata_stale) {
		v->metadata = ipynb_text_dup(old->p, old->n);
		return;
	}
	metadata_json(nb, &json);
	if (json_tree_parse(json.p, json.n, &doc, NULL) < 0 || json_tree_parse(old->p, old->n, &file, NULL) < 0)
		abort(); /* our own text */
	file_metadata(&doc, &file, &wanted);
	if (json_tree_parse(wanted.p, wanted.n, &w, NULL) < 0)
		abort();
	json_render_over(&out, &v->style, 1, &w, 0, &file, 0, false);
	v->metadata = ipynb_text_dup((char *)out.p, out.n);
	json_tree_fini(&doc);
	json_tree_fini(&file);
	json_tree_fini(&w);
	buf_free(&json);
	buf_free(&wanted);
	buf_free(&out);
}

int ipynb_export_snapshot(struct ipynb_export *e, struct notebook *nb, struct ipynb_version **ret)
{
	struct ipynb_version *v;

	if (!e->order_stale && !e->metadata_stale && e->stale.n == 0) {
		*ret = ipynb_ref(e->latest);
		return 0;
	}
	v = xcalloc(1, sizeof *v);
	v->refs = 1;
	v->snapshot = true;
	v->minor = e->latest->minor;
	v->style = e->latest->style;
	v->frame = e->latest->frame;
	v->frame->refs++;
	if (e->latest->close && !(e->latest->cells.n == 0 && cells_count(nb) > 0))
		v->close = xstrdup(e->latest->close);
	if (e->order_stale)
		snapshot_all(e, nb, v);
	else
		snapshot_stale(e, nb, v);
	snapshot_metadata(e, nb, v);
	set_latest(e, v, !e->order_stale);
	map_free(&e->stale);
	e->stale = (struct map){0};
	e->order_stale = e->metadata_stale = false;
	*ret = v;
	return 0;
}

/* ---- clones --------------------------------------------------------------------------------- */

static int strip_runs(struct notebook *nb)
{
	int r = 0;

	for (size_t i = 0; i < cells_count(nb) && r == 0; i++) {
		const char *id = cells_id_at(nb, i);
		r = cell_clear_outputs(nb, id);
		if (r == 0)
			r = cell_set_execution_count(nb, id, "null");
	}
	return r;
}

static int renew_metadata(struct notebook *nb, const char *env_id)
{
	struct metadata m;
	struct buf json = {0};
	int r = metadata_read(nb, &m);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	free(m.env_id);
	free(m.trust_signature);
	free(m.trust_timestamp);
	m.env_id = xstrdup(env_id);
	m.trust_signature = m.trust_timestamp = NULL;
	metadata_format(&m, &json);
	metadata_fini(&m);
	r = metadata_set_snapshot(nb, buf_cstr(&json), json.n, NULL, NULL);
	buf_free(&json);
	return r;
}

int ipynb_export_clone(struct ipynb_export *e, struct notebook *nb, const char *env_id,
		       const struct notebook_blobs *blobs, struct buf *out)
{
	struct ipynb_export *mine = ipynb_export_new();
	struct ipynb_version *v = NULL;
	struct notebook *copy = NULL;
	am_doc *doc;
	int r = am_errno(am_fork(notebook_doc(nb), &doc));

	if (r == 0)
		r = notebook_adopt(doc, "runtimed:clone", &copy, NULL);
	if (r == 0)
		r = strip_runs(copy);
	if (r == 0)
		r = renew_metadata(copy, env_id);
	if (r < 0)
		goto out;
	/* Every cell is compared, so that what changed since the last save counts. */
	adopt(mine, e->latest, false);
	r = ipynb_export_snapshot(mine, copy, &v);
	if (r == 0)
		r = ipynb_bytes(v, blobs, out);
out:
	ipynb_unref(v);
	ipynb_export_free(mine);
	notebook_free(copy);
	return r;
}
