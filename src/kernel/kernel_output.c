/* Displays, results, errors, clearing, updates (kernels.md 7, 11; 17 O1, O8). */
#include <string.h>

#include "kernel/kernel_internal.h"

/* ---- clearing ---- */

void kernel_drop_outputs(struct kernel *k, struct execution *x)
{
	if (!x->outputs.n)
		return;
	queue_outputs_clear(k->queue, x);
	k->changed_in_batch = true;
	CALL(k, outputs_cleared, x);
}

static void clear_now(struct kernel *k, struct execution *x)
{
	x->clear_pending = false;
	kernel_cut_streams(k, x);
	kernel_drop_outputs(k, x);
}

void kernel_clear_if_pending(struct kernel *k, struct execution *x)
{
	if (x->clear_pending)
		clear_now(k, x);
}

void kernel_on_clear_output(struct kernel *k, struct execution *x, bool wait)
{
	if (wait)
		x->clear_pending = true;
	else
		clear_now(k, x);
}

/* ---- outputs that are not streams ---- */

static void add_output(struct kernel *k, struct execution *x, const char *type_name, const char *json, size_t n)
{
	char *entry, *display_id;
	enum output_type type;
	if (output_store(&k->service->blobs, type_name, json, n, &entry, &display_id, &type) < 0)
		return;
	kernel_clear_if_pending(k, x);
	kernel_end_segment(k, x);
	if (display_id) /* updates from before it are not for it */
		kernel_apply_updates(k, 0, true);
	size_t index = queue_output_add(k->queue, x, type, entry, display_id, NULL);
	if (display_id)
		display_index_add(k->displays, x, index);
	k->changed_in_batch = true;
	CALL(k, output, x, index, false);
}

void kernel_on_output(struct kernel *k, struct execution *x, const char *type, struct json_slice content)
{
	/* Old kernels' names (protocol 4). */
	if (!strcmp(type, "pyout"))
		type = "execute_result";
	else if (!strcmp(type, "pyerr"))
		type = "error";
	add_output(k, x, type, content.p, content.n);
}

void kernel_add_error(struct kernel *k, struct execution *x, const char *ename, const char *evalue)
{
	struct buf json = {0};
	buf_printf(&json, "{\"ename\":\"%s\",\"evalue\":", ename);
	json_append_str(&json, evalue, strlen(evalue));
	buf_append_str(&json, ",\"traceback\":[]}");
	if (!x->started) { /* the kernel never said that it had begun */
		queue_on_input(k->queue, x, false, 0);
		CALL(k, execution_started, x);
	}
	kernel_store_live(k, x);
	add_output(k, x, "error", (const char *)json.p, json.n);
	buf_free(&json);
}

/* Help (`?`) comes with the reply, but belongs behind everything the run printed (Q7). */
void kernel_keep_page(struct kernel *k, struct execution *x, struct json_slice payload)
{
	struct json_slice data = json_slice_get(payload, "data");
	if (!json_slice_is_object(data) || x != queue_running(k->queue))
		return;
	if (!x->streams) {
		struct execution_streams *fresh = xcalloc(1, sizeof *fresh);
		fresh->live = -1;
		x->streams = fresh;
	}
	struct execution_streams *s = x->streams;
	VEC_PUSH(&s->pages, xasprintf("{\"data\":%.*s,\"metadata\":{}}", (int)data.n, data.p));
}

void kernel_settle(struct kernel *k, struct execution *x)
{
	kernel_apply_updates(k, 0, true);
	struct execution_streams *s = x->streams;
	if (!s)
		return;
	kernel_store_live(k, x);
	for (size_t i = 0; i < s->pages.n; i++) {
		add_output(k, x, "display_data", s->pages.p[i], strlen(s->pages.p[i]));
		free(s->pages.p[i]);
	}
	VEC_FREE(&s->pages);
}

/* The terminals of the run before last are given up: later output of it starts a segment of its own. */
void kernel_execution_over(struct kernel *k, struct execution *x)
{
	x->clear_pending = false;
	if (!x->started_ns)
		return;
	struct execution *before = k->last_over;
	if (before && before != x) {
		kernel_store_live(k, before);
		kernel_drop_streams(k, before);
	}
	k->last_over = x;
}

/* ---- display ids ---- */

void kernel_index_displays(struct kernel *k, struct execution *x)
{
	for (size_t i = 0; i < x->outputs.n; i++)
		if (x->outputs.p[i].display_id)
			display_index_add(k->displays, x, i);
}

struct applying {
	struct kernel *k;
	const struct display_update *u;
	char *entry[2]; /* made once for all plain displays; [1] is for one result at a time */
};

static char *updated_entry(struct applying *a, const struct output *o)
{
	char *entry;
	if (o->type == OUTPUT_DISPLAY_DATA && a->entry[0])
		return xstrdup(a->entry[0]);
	if (output_replace_data(&a->k->service->blobs, o->entry, a->u->data, a->u->data_n, a->u->metadata,
				a->u->metadata_n, &entry) < 0)
		return NULL;
	if (o->type == OUTPUT_DISPLAY_DATA)
		a->entry[0] = xstrdup(entry);
	return entry;
}

static void update_one(void *ctx, struct execution *x, size_t index)
{
	struct applying *a = ctx;
	struct output *o = &x->outputs.p[index];
	const struct execution *now = queue_shown(a->k->queue, x->cell_id);
	if (now && now != x) /* an earlier run of the cell: nobody sees it */
		return;
	char *entry = updated_entry(a, o);
	if (!entry || !strcmp(entry, o->entry)) {
		free(entry);
		return;
	}
	queue_output_replace(a->k->queue, x, index, entry, NULL);
	CALL(a->k, output, x, index, true);
}

static void apply(struct kernel *k, const struct display_update *u)
{
	struct applying a = {.k = k, .u = u};
	display_index_each(k->displays, k->queue, u->display_id, update_one, &a);
	free(a.entry[0]);
	k->changed_in_batch = true;
	CALL(k, display_update, u->display_id, u->data, u->data_n, u->metadata, u->metadata_n);
}

void kernel_apply_updates(struct kernel *k, uint64_t now, bool all)
{
	struct display_update u;
	while (display_index_take(k->displays, now, all, &u)) {
		apply(k, &u);
		display_update_fini(&u);
	}
}

static char *strict_object(struct json_slice s, size_t *ret_n)
{
	struct buf b = {0};
	if (json_slice_is_object(s))
		json_slice_append_strict(&b, s);
	else
		buf_append_str(&b, "{}");
	return buf_take(&b, ret_n);
}

void kernel_on_update_display(struct kernel *k, const struct jupyter_message *m)
{
	struct json_slice transient = json_slice_get(m->content, "transient");
	struct display_update u = {.display_id = json_slice_strdup(json_slice_get(transient, "display_id"))};
	if (!u.display_id)
		return;
	u.data = strict_object(json_slice_get(m->content, "data"), &u.data_n);
	u.metadata = strict_object(json_slice_get(m->content, "metadata"), &u.metadata_n);
	if (display_index_admit(k->displays, &u, host_now_ns(k->service->host) / HOST_MS(1)))
		apply(k, &u);
	else
		kernel_plan_flush(k);
	display_update_fini(&u);
}
