#include "notebook/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/uuid.h"
#include "notebook/cells.h"
#include "notebook/ipynb_impl.h"
#include "notebook/merge_json.h"
#include "notebook/metadata.h"

struct merge {
	struct notebook *nb;
	struct ipynb_version *base, *theirs;
	const struct merge_opts *opts;
	struct map base_cells, their_cells; /* id -> struct ipynb_cell, borrowed */
	struct merge_result result;
	int r;
};

static void touch(struct merge *m, int r)
{
	if (r < 0 && m->r == 0)
		m->r = r;
	m->result.changed = true;
}

static void view_of(struct ipynb_cell *c, struct ipynb_cell_view *ret)
{
	const struct ipynb_text *t = ipynb_cell_peek(c);

	if (t) {
		ipynb_text_view(t, ret);
		return;
	}
	/* A snapshot that never became bytes: its fields, outputs unknown. */
	*ret = (struct ipynb_cell_view){
		.type = xstrdup(c->fields->type),
		.source = xmemdup(c->fields->source, c->fields->source_n + 1),
		.source_n = c->fields->source_n,
		.execution_count = xstrdup(c->fields->execution_count),
		.metadata = xstrdup(c->fields->metadata),
	};
}

static bool same_bytes(const char *a, size_t an, const char *b, size_t bn)
{
	return an == bn && memcmp(a, b, an) == 0;
}

static bool same_json(const char *a, const char *b)
{
	struct json_tree ta, tb;
	bool same = strcmp(a, b) == 0;

	if (same || json_tree_parse(a, strlen(a), &ta, NULL) < 0)
		return same;
	if (json_tree_parse(b, strlen(b), &tb, NULL) == 0) {
		same = json_tree_equal(&ta, 0, &tb, 0, true);
		json_tree_fini(&tb);
	}
	json_tree_fini(&ta);
	return same;
}

static bool same_text(struct ipynb_cell *a, struct ipynb_cell *b)
{
	const struct ipynb_text *ta = ipynb_cell_peek(a), *tb = ipynb_cell_peek(b);

	return a == b || (ta && tb && same_bytes(ta->p, ta->n, tb->p, tb->n));
}

/* ---- outputs -------------------------------------------------------------------------------- */

/* Entries of the file's outputs: the base's where an output is the same. */
static void know_entries(struct merge *m, struct ipynb_cell *c, const struct ipynb_cell_view *view,
			 const struct ipynb_cell *old, const struct ipynb_cell_view *old_view)
{
	if (c->entries_known)
		return;
	c->entries = xcalloc(view->n_outputs + 1, sizeof *c->entries);
	c->n_entries = view->n_outputs;
	c->entries_known = true;
	for (size_t i = 0; i < view->n_outputs; i++) {
		if (old && old->entries_known && i < old->n_entries && i < old_view->n_outputs &&
		    same_json(old_view->outputs[i], view->outputs[i]))
			c->entries[i] = xstrdup(old->entries[i]);
		else
			c->entries[i] = ipynb_store_output(m->opts->blobs, view->outputs[i]);
	}
}

static bool same_entries(char *const *a, size_t an, char *const *b, size_t bn)
{
	if (an != bn)
		return false;
	for (size_t i = 0; i < an; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

/* Outputs and count go together; what was run here since the base stays. */
static void merge_outputs(struct merge *m, const char *id, struct ipynb_cell *c, const struct ipynb_cell_view *view,
			  const struct ipynb_cell *old, const struct ipynb_cell_view *old_view)
{
	bool ours_same, theirs_same;
	char **ours, *count;
	size_t n;

	know_entries(m, c, view, old, old_view);
	if (m->opts->keep_outputs)
		return;
	ours = cell_outputs(m->nb, id, &n);
	count = cell_execution_count(m->nb, id);
	theirs_same = old->entries_known && same_entries(old->entries, old->n_entries, c->entries, c->n_entries) &&
		      strcmp(old_view->execution_count, view->execution_count) == 0;
	ours_same = old->entries_known && same_entries(old->entries, old->n_entries, ours, n) &&
		    strcmp(old_view->execution_count, count) == 0;
	if (!theirs_same && (ours_same || !old->entries_known)) {
		if (!same_entries(ours, n, c->entries, c->n_entries))
			touch(m, cell_set_outputs(m->nb, id, c->entries, c->n_entries));
		if (strcmp(count, view->execution_count) != 0)
			touch(m, cell_set_execution_count(m->nb, id, view->execution_count));
	}
	cell_outputs_free(ours, n);
	free(count);
}

/* ---- one cell ------------------------------------------------------------------------------- */

static void random_id(struct merge *m, char id[UUID_TEXT])
{
	uint8_t bytes[16];

	m->opts->random(m->opts->random_ctx, bytes, sizeof bytes);
	uuid_v4(id, bytes);
}

static void add_cell(struct merge *m, const char *id, const char *after, struct ipynb_cell *c,
		     const struct ipynb_cell_view *view, bool with_outputs)
{
	struct cell_init init = {
		.id = id,
		.type = view->type,
		.source = view->source,
		.source_n = view->source_n,
		.metadata = view->metadata,
	};

	if (with_outputs) {
		know_entries(m, c, view, NULL, NULL);
		init.execution_count = view->execution_count;
		init.outputs = c->entries;
		init.n_outputs = c->n_entries;
	}
	touch(m, cell_add_after(m->nb, after, &init));
	m->result.added++;
}

/* The file's text of a cell whose live text stays. */
static void rescue(struct merge *m, const char *id, struct ipynb_cell *c, const struct ipynb_cell_view *view)
{
	char fresh[UUID_TEXT];

	random_id(m, fresh);
	add_cell(m, fresh, id, c, view, false);
	m->result.conflicts++;
}

static void merge_source(struct merge *m, const char *id, struct ipynb_cell *c, const struct ipynb_cell_view *view,
			 const struct ipynb_cell_view *old)
{
	struct buf merged = {0};
	size_t n;
	char *ours;

	if (same_bytes(view->source, view->source_n, old->source, old->source_n))
		return;
	ours = cell_source(m->nb, id, &n);
	if (same_bytes(ours, n, view->source, view->source_n)) {
		free(ours);
		return;
	}
	if (same_bytes(ours, n, old->source, old->source_n))
		touch(m, cell_set_source(m->nb, id, view->source, view->source_n));
	else if (merge_text(old->source, old->source_n, view->source, view->source_n, ours, n, &merged))
		touch(m, cell_set_source(m->nb, id, buf_cstr(&merged), merged.n));
	else
		rescue(m, id, c, view);
	buf_free(&merged);
	free(ours);
}

static void merge_type(struct merge *m, const char *id, const struct ipynb_cell_view *view,
		       const struct ipynb_cell_view *old)
{
	char *ours = cell_type(m->nb, id);

	if (strcmp(view->type, old->type) != 0 && strcmp(ours, old->type) == 0)
		touch(m, cell_set_type(m->nb, id, view->type));
	free(ours);
}

static void merge_cell_metadata(struct merge *m, const char *id, const struct ipynb_cell_view *view,
				const struct ipynb_cell_view *old)
{
	char *ours = cell_metadata(m->nb, id);
	struct buf merged = {0};

	if (merge_json(old->metadata, view->metadata, ours, &merged))
		touch(m, cell_set_metadata(m->nb, id, (char *)merged.p, merged.n));
	buf_free(&merged);
	free(ours);
}

static void merge_known(struct merge *m, struct ipynb_cell *c, struct ipynb_cell *old, const char *after)
{
	struct ipynb_cell_view view, old_view;

	if (same_text(c, old)) {
		/* Nothing new from outside; deleted here stays deleted. */
		return;
	}
	view_of(c, &view);
	view_of(old, &old_view);
	if (!cells_has(m->nb, c->id)) {
		if (!same_bytes(view.source, view.source_n, old_view.source, old_view.source_n))
			add_cell(m, c->id, after, c, &view, true);
	} else {
		bool was = m->result.changed;
		m->result.changed = false;
		merge_source(m, c->id, c, &view, &old_view);
		merge_type(m, c->id, &view, &old_view);
		merge_cell_metadata(m, c->id, &view, &old_view);
		merge_outputs(m, c->id, c, &view, old, &old_view);
		m->result.edited += m->result.changed;
		m->result.changed = m->result.changed || was;
	}
	ipynb_cell_view_fini(&view);
	ipynb_cell_view_fini(&old_view);
}

/* In the file, not in the base. */
static void merge_new(struct merge *m, struct ipynb_cell *c, const char *after)
{
	struct ipynb_cell_view view;
	size_t n;
	char *ours;

	view_of(c, &view);
	if (!cells_has(m->nb, c->id)) {
		add_cell(m, c->id, after, c, &view, true);
	} else {
		ours = cell_source(m->nb, c->id, &n);
		if (!same_bytes(ours, n, view.source, view.source_n))
			rescue(m, c->id, c, &view);
		free(ours);
	}
	ipynb_cell_view_fini(&view);
}

/* ---- deletions ------------------------------------------------------------------------------ */

static bool unchanged_here(struct merge *m, const char *id, const struct ipynb_cell *old,
			   const struct ipynb_cell_view *view)
{
	struct cell c;
	bool same;

	if (cell_read(m->nb, id, &c) < 0)
		return false;
	same = strcmp(c.type, view->type) == 0 && same_bytes(c.source, c.source_n, view->source, view->source_n) &&
	       same_json(c.metadata, view->metadata) &&
	       (!old->entries_known || same_entries(c.outputs, c.n_outputs, old->entries, old->n_entries));
	cell_fini(&c);
	return same;
}

static void merge_deletions(struct merge *m)
{
	for (size_t i = 0; i < m->base->cells.n; i++) {
		struct ipynb_cell *old = m->base->cells.p[i];
		struct ipynb_cell_view view;

		if (map_get(&m->their_cells, old->id) || !cells_has(m->nb, old->id))
			continue;
		view_of(old, &view);
		if (unchanged_here(m, old->id, old, &view)) {
			touch(m, cell_delete(m->nb, old->id));
			m->result.removed++;
		}
		ipynb_cell_view_fini(&view);
	}
}

/* ---- order ---------------------------------------------------------------------------------- */

/* True when the file has the cells it shares with the base in another order. */
static bool reordered(struct merge *m)
{
	struct map place = {0};
	size_t last = 0;
	bool moved = false;

	for (size_t i = 0; i < m->base->cells.n; i++)
		map_put(&place, m->base->cells.p[i]->id, (void *)(uintptr_t)(i + 1));
	for (size_t i = 0; i < m->theirs->cells.n; i++) {
		size_t at = (uintptr_t)map_get(&place, m->theirs->cells.p[i]->id);
		if (at == 0)
			continue;
		moved = moved || at < last;
		last = at;
	}
	map_free(&place);
	return moved;
}

/* Marks a longest ascending run of places: what need not move. */
static void longest_ascending(const size_t *place, size_t n, bool *keep)
{
	size_t *tails = xcalloc(n + 1, sizeof *tails), *before = xcalloc(n + 1, sizeof *before), len = 0;

	for (size_t i = 0; i < n; i++) {
		size_t lo = 0, hi = len;
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;
			if (place[tails[mid]] < place[i])
				lo = mid + 1;
			else
				hi = mid;
		}
		before[i] = lo > 0 ? tails[lo - 1] : SIZE_MAX;
		tails[lo] = i;
		if (lo == len)
			len++;
	}
	for (size_t i = len > 0 ? tails[len - 1] : SIZE_MAX; i != SIZE_MAX; i = before[i])
		keep[i] = true;
	free(tails);
	free(before);
}

static void merge_order(struct merge *m)
{
	size_t n = 0, *place = xcalloc(m->theirs->cells.n + 1, sizeof *place);
	const char **ids = xcalloc(m->theirs->cells.n + 1, sizeof *ids);
	bool *keep = xcalloc(m->theirs->cells.n + 1, sizeof *keep);

	for (size_t i = 0; i < m->theirs->cells.n; i++) {
		size_t at = cells_index(m->nb, m->theirs->cells.p[i]->id);
		if (at == SIZE_MAX)
			continue;
		ids[n] = m->theirs->cells.p[i]->id;
		place[n++] = at;
	}
	longest_ascending(place, n, keep);
	for (size_t i = 0; i < n; i++)
		if (!keep[i])
			touch(m, cell_move_after(m->nb, ids[i], i > 0 ? ids[i - 1] : NULL));
	free(place);
	free(ids);
	free(keep);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void merge_notebook_metadata(struct merge *m)
{
	struct buf ours = {0}, merged = {0};

	metadata_json(m->nb, &ours);
	if (merge_json(m->base->metadata.p, m->theirs->metadata.p, buf_cstr(&ours), &merged))
		touch(m, metadata_set_json(m->nb, (char *)merged.p, merged.n));
	buf_free(&ours);
	buf_free(&merged);
}

static void merge_cells(struct merge *m)
{
	const char *after = NULL;

	for (size_t i = 0; i < m->theirs->cells.n && m->r == 0; i++) {
		struct ipynb_cell *c = m->theirs->cells.p[i], *old = map_get(&m->base_cells, c->id);

		if (old)
			merge_known(m, c, old, after);
		else
			merge_new(m, c, after);
		if (cells_has(m->nb, c->id))
			after = c->id;
	}
}

int merge_file(struct notebook *nb, struct ipynb_version *base, struct ipynb_version *theirs,
	       const struct merge_opts *opts, struct merge_result *ret)
{
	struct merge m = {.nb = nb, .base = base, .theirs = theirs, .opts = opts};

	for (size_t i = 0; i < base->cells.n; i++)
		map_put(&m.base_cells, base->cells.p[i]->id, base->cells.p[i]);
	for (size_t i = 0; i < theirs->cells.n; i++)
		map_put(&m.their_cells, theirs->cells.p[i]->id, theirs->cells.p[i]);
	merge_deletions(&m);
	merge_cells(&m);
	if (m.r == 0 && reordered(&m))
		merge_order(&m);
	if (m.r == 0)
		merge_notebook_metadata(&m);
	if (m.r == 0)
		m.r = notebook_commit(nb);
	map_free(&m.base_cells);
	map_free(&m.their_cells);
	*ret = m.result;
	return m.r;
}
