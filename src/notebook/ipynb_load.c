/* A version into an empty document, cell by cell. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "notebook/index.h"
#include "notebook/ipynb_impl.h"
#include "notebook/metadata.h"
#include "notebook/position.h"
#include "notebook/value.h"

struct ipynb_load {
	struct notebook *nb;
	struct ipynb_version *v;
	struct notebook_blobs blobs;
	size_t next;
	bool current;   /* everything was seen when it began */
	size_t from;    /* number of changes then */
	char *position; /* of the last cell */
	bool done;
};

struct ipynb_load *ipynb_load_start(struct notebook *nb, struct ipynb_version *v, const struct notebook_blobs *blobs)
{
	struct ipynb_load *load = xcalloc(1, sizeof *load);

	load->nb = nb;
	load->v = ipynb_ref(v);
	load->current = index_current(nb);
	load->from = am_change_count(notebook_doc(nb));
	if (blobs)
		load->blobs = *blobs;
	return load;
}

void ipynb_load_free(struct ipynb_load *load)
{
	if (!load)
		return;
	ipynb_unref(load->v);
	free(load->position);
	free(load);
}

/* documents.md 3.8: a manifest hash, or the raw JSON when none could be made. */
char *ipynb_store_output(const struct notebook_blobs *blobs, const char *json)
{
	char hash[BLOB_HASH_TEXT];
	struct json_tree t;
	struct buf out = {0};

	if (blobs && blobs->store_output && blobs->store_output(blobs->ctx, json, strlen(json), hash) == 0)
		return xstrdup(hash);
	if (json_tree_parse(json, strlen(json), &t, NULL) < 0)
		return xstrdup(json);
	json_render_compact(&out, &t, 0, false);
	json_tree_fini(&t);
	return buf_take(&out, NULL);
}

static char **store_outputs(const struct notebook_blobs *blobs, const struct ipynb_cell_view *view)
{
	char **entries = view->n_outputs ? xcalloc(view->n_outputs, sizeof *entries) : NULL;

	for (size_t i = 0; i < view->n_outputs; i++)
		entries[i] = ipynb_store_output(blobs, view->outputs[i]);
	return entries;
}

static int load_cell(struct ipynb_load *load)
{
	struct ipynb_cell *c = load->v->cells.p[load->next++];
	struct ipynb_cell_view view;
	struct cell_init init = {0};
	char *position = load->position ? position_after(load->position) : xstrdup(POSITION_FIRST);
	int r;

	ipynb_text_view(c->text, &view);
	if (!c->entries_known) {
		c->entries = store_outputs(&load->blobs, &view);
		c->n_entries = view.n_outputs;
		c->entries_known = true;
	}
	init.id = c->id;
	init.type = view.type;
	init.source = view.source;
	init.source_n = view.source_n;
	init.execution_count = view.execution_count;
	init.outputs = c->entries;
	init.n_outputs = c->n_entries;
	init.metadata = view.metadata;
	free(load->position);
	load->position = position;
	r = cell_add_position(load->nb, position, &init);
	ipynb_cell_view_fini(&view);
	return r;
}

int ipynb_load_step(struct ipynb_load *load)
{
	int r;

	if (load->done)
		return 0;
	if (load->next < load->v->cells.n) {
		r = load_cell(load);
		return r < 0 ? r : 1;
	}
	load->done = true;
	r = metadata_set_json(load->nb, load->v->metadata.p, load->v->metadata.n);
	if (r == 0 && load->current)
		r = index_skip_own(load->nb, load->from);
	if (r == 0)
		index_remember_metadata(load->nb);
	return r;
}
