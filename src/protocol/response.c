#include "protocol/response.h"

#include <errno.h>

#include "protocol/fields.h"

#define R(member, kind, mode) FIELD(struct response, member, kind, mode)
#define FIELDS(name, ...) static const struct field name[] = {__VA_ARGS__, FIELD_END}
#define D(member, kind, mode) FIELD(struct deno_config, member, kind, mode)
#define L(member, kind) FIELD(struct launched_config, member, kind, FIELD_OMIT)

FIELDS(deno_config, D(permissions, FIELD_STRS, FIELD_DEFAULT), D(import_map, FIELD_STR, FIELD_OMIT),
	D(config, FIELD_STR, FIELD_OMIT), D(flexible_npm_imports, FIELD_BOOL, FIELD_DEFAULT_TRUE));
FIELDS(launched_config, L(uv_deps, FIELD_STRS_PTR), L(conda_deps, FIELD_STRS_PTR), L(conda_channels, FIELD_STRS_PTR),
	FIELD_SUB(struct launched_config, deno_config, FIELD_RECORD_PTR, FIELD_OMIT, sizeof(struct deno_config),
		deno_config),
	L(venv_path, FIELD_STR), L(python_path, FIELD_STR), L(launch_id, FIELD_STR));
FIELDS(history_entry, FIELD(struct history_entry, session, FIELD_I32, FIELD_REQUIRED),
	FIELD(struct history_entry, line, FIELD_I32, FIELD_REQUIRED),
	FIELD(struct history_entry, source, FIELD_STR, FIELD_REQUIRED));
FIELDS(completion_item, FIELD(struct completion_item, label, FIELD_STR, FIELD_REQUIRED),
	FIELD(struct completion_item, kind, FIELD_STR, FIELD_OMIT),
	FIELD(struct completion_item, detail, FIELD_STR, FIELD_OMIT),
	FIELD(struct completion_item, source, FIELD_STR, FIELD_OMIT));

FIELDS(envelope, R(id, FIELD_STR, FIELD_OMIT));
FIELDS(kernel, R(kernel_type, FIELD_STR, FIELD_REQUIRED), R(env_source, FIELD_STR, FIELD_REQUIRED),
	FIELD_SUB(struct response, launched_config, FIELD_RECORD, FIELD_REQUIRED, 0, launched_config));
FIELDS(cell_queued, R(cell_id, FIELD_STR, FIELD_REQUIRED), R(execution_id, FIELD_STR, FIELD_OMIT));
FIELDS(outputs_cleared, R(cell_id, FIELD_STR, FIELD_REQUIRED));
FIELDS(kernel_info, R(kernel_type, FIELD_STR, FIELD_NULL), R(env_source, FIELD_STR, FIELD_NULL),
	R(status, FIELD_STR, FIELD_REQUIRED));
FIELDS(queue_state, R(executing, FIELD_QUEUE_ENTRY, FIELD_NULL), R(queued, FIELD_QUEUE, FIELD_REQUIRED));
/* f98d384 has the count only, 2.0.2 the list only; both are written. */
FIELDS(all_cells_queued, R(count, FIELD_U64, FIELD_DEFAULT), R(queued, FIELD_QUEUE, FIELD_DEFAULT));
FIELDS(notebook_saved, R(path, FIELD_STR, FIELD_REQUIRED), R(new_notebook_id, FIELD_STR, FIELD_OMIT));
FIELDS(notebook_cloned, R(path, FIELD_STR, FIELD_REQUIRED));
FIELDS(error, R(error, FIELD_STR, FIELD_REQUIRED));
FIELDS(history_result,
	FIELD_SUB(struct response, entries, FIELD_RECORDS, FIELD_REQUIRED, sizeof(struct history_entry),
		history_entry));
FIELDS(completion_result,
	FIELD_SUB(struct response, items, FIELD_RECORDS, FIELD_REQUIRED, sizeof(struct completion_item),
		completion_item),
	R(cursor_start, FIELD_U64, FIELD_REQUIRED), R(cursor_end, FIELD_U64, FIELD_REQUIRED));
FIELDS(sync_started, R(packages, FIELD_STRS, FIELD_REQUIRED));
FIELDS(sync_complete, R(synced_packages, FIELD_STRS, FIELD_REQUIRED));
FIELDS(sync_failed, R(error, FIELD_STR, FIELD_REQUIRED), R(needs_restart, FIELD_BOOL, FIELD_REQUIRED));
FIELDS(doc_bytes, R(bytes, FIELD_BYTES, FIELD_REQUIRED));
FIELDS(raw_metadata, R(value, FIELD_STR, FIELD_NULL));
FIELDS(metadata_snapshot, R(snapshot, FIELD_STR, FIELD_NULL));
FIELDS(tool_available, R(available, FIELD_BOOL, FIELD_REQUIRED));

static const struct variant results[RESPONSE_RESULTS] = {
	[RESPONSE_KERNEL_LAUNCHED] = {"kernel_launched", kernel},
	[RESPONSE_KERNEL_ALREADY_RUNNING] = {"kernel_already_running", kernel},
	[RESPONSE_CELL_QUEUED] = {"cell_queued", cell_queued},
	[RESPONSE_OUTPUTS_CLEARED] = {"outputs_cleared", outputs_cleared},
	[RESPONSE_INTERRUPT_SENT] = {"interrupt_sent", NULL},
	[RESPONSE_KERNEL_SHUTTING_DOWN] = {"kernel_shutting_down", NULL},
	[RESPONSE_NO_KERNEL] = {"no_kernel", NULL},
	[RESPONSE_KERNEL_INFO] = {"kernel_info", kernel_info},
	[RESPONSE_QUEUE_STATE] = {"queue_state", queue_state},
	[RESPONSE_ALL_CELLS_QUEUED] = {"all_cells_queued", all_cells_queued},
	[RESPONSE_NOTEBOOK_SAVED] = {"notebook_saved", notebook_saved},
	[RESPONSE_NOTEBOOK_CLONED] = {"notebook_cloned", notebook_cloned},
	[RESPONSE_OK] = {"ok", NULL},
	[RESPONSE_ERROR] = {"error", error},
	[RESPONSE_HISTORY_RESULT] = {"history_result", history_result},
	[RESPONSE_COMPLETION_RESULT] = {"completion_result", completion_result},
	[RESPONSE_SYNC_ENVIRONMENT_STARTED] = {"sync_environment_started", sync_started},
	[RESPONSE_SYNC_ENVIRONMENT_COMPLETE] = {"sync_environment_complete", sync_complete},
	[RESPONSE_SYNC_ENVIRONMENT_FAILED] = {"sync_environment_failed", sync_failed},
	[RESPONSE_DOC_BYTES] = {"doc_bytes", doc_bytes},
	[RESPONSE_RAW_METADATA] = {"raw_metadata", raw_metadata},
	[RESPONSE_METADATA_SET] = {"metadata_set", NULL},
	[RESPONSE_METADATA_SNAPSHOT] = {"metadata_snapshot", metadata_snapshot},
	[RESPONSE_TOOL_AVAILABLE] = {"tool_available", tool_available},
};

static const struct message_kind kind = MESSAGE_KIND(struct response, result, "result", envelope, results);

int response_decode(const void *p, size_t n, struct response *ret_response)
{
	return message_decode(&kind, p, n, ret_response, NULL);
}

void response_fini(struct response *r)
{
	message_memory_free(&r->memory);
	*r = (struct response){0};
}

/* all_cells_queued never had bare ids: f98d384 sends no list there. */
void response_append(struct buf *out, const struct response *r, enum queue_form form)
{
	message_append(&kind, out, r, r->result == RESPONSE_QUEUE_STATE ? form : QUEUE_OBJECTS);
}

const char *response_result_name(enum response_result result)
{
	return message_tag_name(&kind, result);
}
