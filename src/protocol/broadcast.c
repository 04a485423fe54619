#include "protocol/broadcast.h"

#include <errno.h>
#include <string.h>

#include "protocol/fields.h"

#define B(member, kind, mode) FIELD(struct broadcast, member, kind, mode)
#define P(member, kind, mode) FIELD(struct env_progress, member, kind, mode)
#define D(member, kind) FIELD(struct env_diff, member, kind, FIELD_DEFAULT)
#define C(member, kind, mode) FIELD(struct comm_snapshot, member, kind, mode)
#define FIELDS(name, ...) static const struct field name[] = {__VA_ARGS__, FIELD_END}

FIELDS(env_diff, D(added, FIELD_STRS), D(removed, FIELD_STRS), D(channels_changed, FIELD_BOOL),
	D(deno_changed, FIELD_BOOL));
FIELDS(comm_snapshot, C(comm_id, FIELD_STR, FIELD_REQUIRED), C(target_name, FIELD_STR, FIELD_REQUIRED),
	C(state, FIELD_JSON, FIELD_REQUIRED), C(model_module, FIELD_STR, FIELD_OMIT),
	C(model_name, FIELD_STR, FIELD_OMIT), C(buffers, FIELD_BYTES_LIST, FIELD_OMIT));

FIELDS(kernel_status, B(status, FIELD_STR, FIELD_REQUIRED), B(cell_id, FIELD_STR, FIELD_NULL));
FIELDS(execution_started, B(cell_id, FIELD_STR, FIELD_REQUIRED), B(execution_id, FIELD_STR, FIELD_OMIT),
	B(execution_count, FIELD_I64, FIELD_REQUIRED));
FIELDS(output, B(cell_id, FIELD_STR, FIELD_REQUIRED), B(execution_id, FIELD_STR, FIELD_OMIT),
	B(output_type, FIELD_STR, FIELD_REQUIRED), B(output_json, FIELD_STR, FIELD_REQUIRED),
	B(output_index, FIELD_I64, FIELD_OMIT));
FIELDS(display_update, B(display_id, FIELD_STR, FIELD_REQUIRED), B(data, FIELD_JSON, FIELD_REQUIRED),
	B(metadata, FIELD_OBJECT, FIELD_REQUIRED));
FIELDS(execution_done, B(cell_id, FIELD_STR, FIELD_REQUIRED), B(execution_id, FIELD_STR, FIELD_OMIT));
FIELDS(queue_changed, B(executing, FIELD_QUEUE_ENTRY, FIELD_NULL), B(queued, FIELD_QUEUE, FIELD_REQUIRED));
FIELDS(kernel_error, B(error, FIELD_STR, FIELD_REQUIRED));
FIELDS(outputs_cleared, B(cell_id, FIELD_STR, FIELD_REQUIRED));
FIELDS(comm, B(msg_type, FIELD_STR, FIELD_REQUIRED), B(content, FIELD_JSON, FIELD_REQUIRED),
	B(buffers, FIELD_BYTES_LIST, FIELD_DEFAULT));
FIELDS(comm_sync,
	FIELD_SUB(struct broadcast, comms, FIELD_RECORDS, FIELD_REQUIRED, sizeof(struct comm_snapshot), comm_snapshot));
FIELDS(env_progress, FIELD_AS(struct broadcast, progress.env_type, "env_type", FIELD_STR, FIELD_REQUIRED));
FIELDS(env_sync_state, B(in_sync, FIELD_BOOL, FIELD_REQUIRED));
FIELDS(room_renamed, B(new_notebook_id, FIELD_STR, FIELD_REQUIRED));
FIELDS(notebook_autosaved, B(path, FIELD_STR, FIELD_REQUIRED));
FIELDS(runtime_state_snapshot, B(state, FIELD_OBJECT, FIELD_REQUIRED));
FIELDS(storage_error, B(error, FIELD_STR, FIELD_NULL));

static const struct variant events[BROADCAST_EVENTS] = {
	[BROADCAST_KERNEL_STATUS] = {"kernel_status", kernel_status},
	[BROADCAST_EXECUTION_STARTED] = {"execution_started", execution_started},
	[BROADCAST_OUTPUT] = {"output", output},
	[BROADCAST_DISPLAY_UPDATE] = {"display_update", display_update},
	[BROADCAST_EXECUTION_DONE] = {"execution_done", execution_done},
	[BROADCAST_QUEUE_CHANGED] = {"queue_changed", queue_changed},
	[BROADCAST_KERNEL_ERROR] = {"kernel_error", kernel_error},
	[BROADCAST_OUTPUTS_CLEARED] = {"outputs_cleared", outputs_cleared},
	[BROADCAST_COMM] = {"comm", comm},
	[BROADCAST_COMM_SYNC] = {"comm_sync", comm_sync},
	[BROADCAST_ENV_PROGRESS] = {"env_progress", env_progress},
	[BROADCAST_ENV_SYNC_STATE] = {"env_sync_state", env_sync_state},
	[BROADCAST_ROOM_RENAMED] = {"room_renamed", room_renamed},
	[BROADCAST_NOTEBOOK_AUTOSAVED] = {"notebook_autosaved", notebook_autosaved},
	[BROADCAST_RUNTIME_STATE_SNAPSHOT] = {"runtime_state_snapshot", runtime_state_snapshot},
	[BROADCAST_STORAGE_ERROR] = {"storage_error", storage_error},
};

static const struct message_kind kind = MESSAGE_KIND(struct broadcast, event, "event", NULL, events);

FIELDS(phase_starting, P(env_hash, FIELD_STR, FIELD_REQUIRED));
FIELDS(phase_cache_hit, P(env_path, FIELD_STR, FIELD_REQUIRED));
FIELDS(phase_fetching, P(channels, FIELD_STRS, FIELD_REQUIRED));
FIELDS(phase_repodata, P(record_count, FIELD_U64, FIELD_REQUIRED), P(elapsed_ms, FIELD_U64, FIELD_REQUIRED));
FIELDS(phase_solving, P(spec_count, FIELD_U64, FIELD_REQUIRED));
FIELDS(phase_solved, P(package_count, FIELD_U64, FIELD_REQUIRED), P(elapsed_ms, FIELD_U64, FIELD_REQUIRED));
FIELDS(phase_installing, P(total, FIELD_U64, FIELD_REQUIRED));
FIELDS(phase_download, P(completed, FIELD_U64, FIELD_REQUIRED), P(total, FIELD_U64, FIELD_REQUIRED),
	P(current_package, FIELD_STR, FIELD_REQUIRED), P(bytes_downloaded, FIELD_U64, FIELD_REQUIRED),
	P(bytes_total, FIELD_I64, FIELD_NULL), P(bytes_per_second, FIELD_F64, FIELD_REQUIRED));
FIELDS(phase_link, P(completed, FIELD_U64, FIELD_REQUIRED), P(total, FIELD_U64, FIELD_REQUIRED),
	P(current_package, FIELD_STR, FIELD_REQUIRED));
FIELDS(phase_installed, P(elapsed_ms, FIELD_U64, FIELD_REQUIRED));
FIELDS(phase_packages, P(packages, FIELD_STRS, FIELD_REQUIRED));
FIELDS(phase_ready, P(env_path, FIELD_STR, FIELD_REQUIRED), P(python_path, FIELD_STR, FIELD_REQUIRED));
FIELDS(phase_error, P(message, FIELD_STR, FIELD_REQUIRED));

static const struct variant phases[ENV_PHASES] = {
	[ENV_PHASE_STARTING] = {"starting", phase_starting},
	[ENV_PHASE_CACHE_HIT] = {"cache_hit", phase_cache_hit},
	[ENV_PHASE_FETCHING_REPODATA] = {"fetching_repodata", phase_fetching},
	[ENV_PHASE_REPODATA_COMPLETE] = {"repodata_complete", phase_repodata},
	[ENV_PHASE_SOLVING] = {"solving", phase_solving},
	[ENV_PHASE_SOLVE_COMPLETE] = {"solve_complete", phase_solved},
	[ENV_PHASE_INSTALLING] = {"installing", phase_installing},
	[ENV_PHASE_DOWNLOAD_PROGRESS] = {"download_progress", phase_download},
	[ENV_PHASE_LINK_PROGRESS] = {"link_progress", phase_link},
	[ENV_PHASE_INSTALL_COMPLETE] = {"install_complete", phase_installed},
	[ENV_PHASE_CREATING_VENV] = {"creating_venv", NULL},
	[ENV_PHASE_INSTALLING_PACKAGES] = {"installing_packages", phase_packages},
	[ENV_PHASE_READY] = {"ready", phase_ready},
	[ENV_PHASE_ERROR] = {"error", phase_error},
};

/* The phase's own fields stand beside `phase` in the broadcast. */
static int phase_decode(struct broadcast *b)
{
	const char *name;
	if (json_get_str(b->memory.json, "phase", &name) < 0)
		return -EINVAL;
	for (unsigned i = 0; i < ENV_PHASES; i++)
		if (!strcmp(phases[i].name, name)) {
			b->progress.phase = (enum env_phase)i;
			return phases[i].fields ? fields_decode(phases[i].fields, b->memory.json, &b->progress,
							  &b->memory, NULL)
						: 0;
		}
	return -ENOTSUP;
}

static int diff_decode(struct broadcast *b)
{
	struct json_object *diff = json_get(b->memory.json, "diff");
	b->has_diff = diff != NULL;
	return diff ? fields_decode(env_diff, diff, &b->diff, &b->memory, NULL) : 0;
}

int broadcast_decode(const void *p, size_t n, struct broadcast *ret_broadcast)
{
	struct broadcast b;
	int r = message_decode(&kind, p, n, &b, NULL);
	if (r < 0)
		return r;
	if (b.event == BROADCAST_ENV_PROGRESS)
		r = phase_decode(&b);
	else if (b.event == BROADCAST_ENV_SYNC_STATE)
		r = diff_decode(&b);
	if (r < 0) {
		broadcast_fini(&b);
		return r;
	}
	*ret_broadcast = b;
	return 0;
}

void broadcast_fini(struct broadcast *b)
{
	message_memory_free(&b->memory);
	*b = (struct broadcast){0};
}

void broadcast_append(struct buf *out, const struct broadcast *b, enum queue_form form)
{
	message_append(&kind, out, b, form);
	if (b->event == BROADCAST_ENV_PROGRESS) {
		const struct variant *phase = &phases[b->progress.phase];
		bool first = false;
		out->n--; /* the closing brace */
		buf_printf(out, ",\"phase\":\"%s\"", phase->name);
		if (phase->fields)
			fields_append(phase->fields, out, &b->progress, form, &first);
		buf_append_byte(out, '}');
	} else if (b->event == BROADCAST_ENV_SYNC_STATE && b->has_diff) {
		out->n--;
		buf_append_str(out, ",\"diff\":");
		fields_append_object(env_diff, out, &b->diff, form);
		buf_append_byte(out, '}');
	}
}

const char *broadcast_event_name(enum broadcast_event event)
{
	return message_tag_name(&kind, event);
}

const char *env_phase_name(enum env_phase phase)
{
	return phase < ENV_PHASES ? phases[phase].name : "?";
}
