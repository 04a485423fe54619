/* The rooms as the pool channel shows them (rooms.md 14). */
#include <stdlib.h>
#include <string.h>

#include "room/autosave.h"
#include "room/join.h"
#include "room/registry.h"

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct pool_room *)a)->notebook_id, ((const struct pool_room *)b)->notebook_id);
}

static void *own(struct message_memory *m, void *p)
{
	VEC_PUSH(&m->blocks, p);
	return p;
}

void room_service_list(struct room_service *svc, struct pool_response *ret)
{
	size_t n = svc->registry->rooms.n;
	*ret = (struct pool_response){.type = POOL_ROOMS_LIST};
	struct pool_room *rooms = own(&ret->memory, xcalloc(n, sizeof *rooms));
	for (size_t i = 0; i < n; i++) {
		const struct room *room = svc->registry->rooms.p[i];
		const bool kernel = kernel_exists(room->kernel);
		rooms[i] = (struct pool_room){
			.notebook_id = own(&ret->memory, xstrdup(room_wire_id(room))),
			.active_peers = room->peers.n,
			.had_peers = room->had_peers,
			.has_kernel = kernel,
		};
		if (!kernel)
			continue;
		rooms[i].kernel_type = own(&ret->memory, xstrdup(kernel_type(room->kernel)));
		rooms[i].env_source = own(&ret->memory, xstrdup(kernel_env_source(room->kernel)));
		rooms[i].kernel_status = kernel_status_name(kernel_status(room->kernel));
	}
	qsort(rooms, n, sizeof *rooms, by_id);
	ret->rooms.p = rooms;
	ret->rooms.n = n;
}

void room_service_env_paths(struct room_service *svc, struct pool_response *ret)
{
	*ret = (struct pool_response){.type = POOL_ENV_PATHS};
	const char **paths = own(&ret->memory, xcalloc(svc->registry->rooms.n, sizeof *paths));
	size_t n = 0;
	for (size_t i = 0; i < svc->registry->rooms.n; i++) {
		const char *venv = svc->registry->rooms.p[i]->venv_path;
		if (venv)
			paths[n++] = own(&ret->memory, xstrdup(venv));
	}
	ret->paths = (struct strs){paths, n};
}

/* ---- inspect ---- */

static void describe_cells(struct notebook *nb, struct pool_response *out)
{
	size_t n = cells_count(nb);
	struct pool_cell *cells = own(&out->memory, xcalloc(n, sizeof *cells));
	for (size_t i = 0; i < n; i++) {
		struct cell c;
		if (cell_read(nb, cells_id_at(nb, i), &c) < 0)
			continue;
		struct pool_cell *p = &cells[out->cells.n++];
		const char **outputs = own(&out->memory, xcalloc(c.n_outputs, sizeof *outputs));
		for (size_t k = 0; k < c.n_outputs; k++)
			outputs[k] = own(&out->memory, xstrdup(c.outputs[k]));
		p->id = own(&out->memory, xstrdup(c.id));
		p->cell_type = own(&out->memory, xstrdup(c.type));
		p->position = own(&out->memory, xstrdup(c.position));
		p->source = own(&out->memory, xstrdup(c.source));
		p->execution_count = own(&out->memory, xstrdup(c.execution_count));
		p->outputs = (struct strs){outputs, c.n_outputs};
		p->metadata = json_parse(c.metadata, strlen(c.metadata));
		p->resolved_assets = json_parse(c.resolved_assets, strlen(c.resolved_assets));
		cell_fini(&c);
	}
	out->cells.p = cells;
}

static void end_answer(struct pool_response *out, room_answer_fn *done, void *ctx)
{
	done(ctx, out);
	for (size_t i = 0; i < out->cells.n; i++) {
		json_object_put(out->cells.p[i].metadata);
		json_object_put(out->cells.p[i].resolved_assets);
	}
	pool_response_fini(out);
}

struct inspect {
	struct room_service *svc;
	char *id, *key;
	struct journal_content content;
	struct notebook *nb;
	room_answer_fn *done;
	void *ctx;
};

static void inspect_run(void *ctx)
{
	struct inspect *job = ctx;
	if (journal_load(job->svc->journals, job->key, &job->content) < 0 || !job->content.existed)
		return;
	if (notebook_load(job->content.bytes.p, job->content.bytes.n, "runtimed:inspect", &job->nb, NULL) == 0)
		notebook_refresh(job->nb, NULL);
}

static void inspect_done(void *ctx)
{
	struct inspect *job = ctx;
	struct pool_response out = {.type = POOL_NOTEBOOK_STATE, .notebook_id = job->id, .source = "persisted_file"};
	if (job->nb) {
		describe_cells(job->nb, &out);
	} else {
		out = (struct pool_response){.type = POOL_ERROR};
		char *primary = NULL, *fallback = NULL;
		journal_paths(job->svc->journals, job->key, &primary, &fallback);
		out.message = own(&out.memory, xasprintf("Notebook not found: no active room and no persisted file at %s",
							 primary));
		free(primary);
		free(fallback);
	}
	end_answer(&out, job->done, job->ctx);
	notebook_free(job->nb);
	journal_content_free(&job->content);
	free(job->id);
	free(job->key);
	free(job);
}

void room_service_inspect(struct room_service *svc, const char *notebook_id, room_answer_fn *done, void *ctx)
{
	char *path = NULL, uuid[UUID_TEXT];
	struct room *room = join_find(svc, notebook_id, &path);
	if (room && (room->state == ROOM_LIVE || room->state == ROOM_DRAINING)) {
		struct pool_response out = {.type = POOL_NOTEBOOK_STATE, .source = "live_room"};
		room_settle(room);
		out.notebook_id = own(&out.memory, xstrdup(room_wire_id(room)));
		describe_cells(room->nb, &out);
		if (kernel_exists(room->kernel))
			out.kernel_info = (struct pool_kernel){
				kernel_type(room->kernel), kernel_env_source(room->kernel),
				kernel_status_name(kernel_status(room->kernel))};
		end_answer(&out, done, ctx);
		free(path);
		return;
	}
	struct inspect *job = xcalloc(1, sizeof *job);
	*job = (struct inspect){.svc = svc, .id = xstrdup(notebook_id), .done = done, .ctx = ctx};
	job->key = path ? path : xstrdup(uuid_parse(notebook_id, uuid) ? uuid : notebook_id);
	host_work(svc->host, inspect_run, inspect_done, job);
}

/* ---- stop ---- */

struct stop_one {
	room_answer_fn *done;
	void *ctx;
};

static void stopped(void *ctx)
{
	struct stop_one *stop = ctx;
	struct pool_response out = {.type = POOL_NOTEBOOK_SHUTDOWN, .found = true};
	stop->done(stop->ctx, &out);
	free(stop);
}

void room_service_shutdown_notebook(struct room_service *svc, const char *notebook_id, room_answer_fn *done, void *ctx)
{
	struct room *room = join_find(svc, notebook_id, NULL);
	if (!room) {
		struct pool_response out = {.type = POOL_NOTEBOOK_SHUTDOWN, .found = false};
		done(ctx, &out);
		return;
	}
	struct stop_one *stop = xcalloc(1, sizeof *stop);
	*stop = (struct stop_one){done, ctx};
	room_drain(room, true, stopped, stop);
}
