/* NotebookResponse, frame 02 (protocol.md 7, and the superset of 16.4). */
#ifndef PROTOCOL_RESPONSE_H
#define PROTOCOL_RESPONSE_H
#include "protocol/message.h"

enum response_result {
	RESPONSE_KERNEL_LAUNCHED,         /* kernel_type, env_source, launched_config */
	RESPONSE_KERNEL_ALREADY_RUNNING,  /* the same */
	RESPONSE_CELL_QUEUED,             /* cell_id, execution_id */
	RESPONSE_OUTPUTS_CLEARED,         /* cell_id */
	RESPONSE_INTERRUPT_SENT,
	RESPONSE_KERNEL_SHUTTING_DOWN,
	RESPONSE_NO_KERNEL,
	RESPONSE_KERNEL_INFO,             /* kernel_type?, env_source?, status */
	RESPONSE_QUEUE_STATE,             /* executing?, queued */
	RESPONSE_ALL_CELLS_QUEUED,        /* count, queued */
	RESPONSE_NOTEBOOK_SAVED,          /* path, new_notebook_id? */
	RESPONSE_NOTEBOOK_CLONED,         /* path */
	RESPONSE_OK,
	RESPONSE_ERROR,                   /* error */
	RESPONSE_HISTORY_RESULT,          /* entries */
	RESPONSE_COMPLETION_RESULT,       /* items, cursor_start, cursor_end */
	RESPONSE_SYNC_ENVIRONMENT_STARTED, /* packages */
	RESPONSE_SYNC_ENVIRONMENT_COMPLETE, /* synced_packages */
	RESPONSE_SYNC_ENVIRONMENT_FAILED, /* error, needs_restart */
	RESPONSE_DOC_BYTES,               /* bytes */
	RESPONSE_RAW_METADATA,            /* value? */
	RESPONSE_METADATA_SET,
	RESPONSE_METADATA_SNAPSHOT,       /* snapshot? */
	RESPONSE_TOOL_AVAILABLE,          /* available */
	RESPONSE_RESULTS
};

/* protocol.md 7.1; every field may be absent. */
struct deno_config {
	struct strs permissions;
	const char *import_map;
	const char *config;
	bool flexible_npm_imports; /* default true */
};

struct launched_config {
	struct strs *uv_deps; /* lists: NULL = absent, empty lists are written */
	struct strs *conda_deps;
	struct strs *conda_channels;
	struct deno_config *deno_config;
	const char *venv_path;
	const char *python_path;
	const char *launch_id; /* fresh UUID per launch */
};

struct history_entry {
	int32_t session, line;
	const char *source;
};

struct completion_item {
	const char *label;
	const char *kind, *detail, *source; /* optional */
};

struct response {
	enum response_result result;
	const char *id; /* echo of the request's, NULL = none */
	const char *kernel_type, *env_source;
	struct launched_config launched_config;
	const char *cell_id, *execution_id; /* execution_id NULL = absent */
	const char *status;
	struct queue_entry executing; /* cell_id NULL = null */
	struct queue_entries queued;
	uint64_t count;
	const char *path, *new_notebook_id;
	const char *error;
	struct { struct history_entry *p; size_t n; } entries;
	struct { struct completion_item *p; size_t n; } items;
	uint64_t cursor_start, cursor_end;
	struct strs packages;
	struct strs synced_packages;
	bool needs_restart;
	struct bytes bytes;
	const char *value, *snapshot;
	bool available;
	struct message_memory memory;
};

/* 0, -EBADMSG not a JSON object, -ENOTSUP unknown result, -EINVAL a bad field. */
int response_decode(const void *p, size_t n, struct response *ret_response);
void response_fini(struct response *r);
/* `form` matters for queue_state only; all_cells_queued carries objects always. */
void response_append(struct buf *out, const struct response *r, enum queue_form form);
const char *response_result_name(enum response_result result);
#endif
