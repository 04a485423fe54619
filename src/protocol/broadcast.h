/* NotebookBroadcast, frame 03 (protocol.md 8, and 16.4). */
#ifndef PROTOCOL_BROADCAST_H
#define PROTOCOL_BROADCAST_H
#include "protocol/message.h"

enum broadcast_event {
	BROADCAST_KERNEL_STATUS,          /* status, cell_id (null when NULL) */
	BROADCAST_EXECUTION_STARTED,      /* cell_id, execution_id, execution_count */
	BROADCAST_OUTPUT,                 /* cell_id, execution_id, output_type, output_json, output_index? */
	BROADCAST_DISPLAY_UPDATE,         /* display_id, data, metadata */
	BROADCAST_EXECUTION_DONE,         /* cell_id, execution_id */
	BROADCAST_QUEUE_CHANGED,          /* executing (null when no cell_id), queued */
	BROADCAST_KERNEL_ERROR,           /* error */
	BROADCAST_OUTPUTS_CLEARED,        /* cell_id */
	BROADCAST_COMM,                   /* msg_type, content, buffers */
	BROADCAST_COMM_SYNC,              /* comms */
	BROADCAST_ENV_PROGRESS,           /* progress */
	BROADCAST_ENV_SYNC_STATE,         /* in_sync, diff (when has_diff) */
	BROADCAST_ROOM_RENAMED,           /* new_notebook_id */
	BROADCAST_NOTEBOOK_AUTOSAVED,     /* path */
	BROADCAST_RUNTIME_STATE_SNAPSHOT, /* state */
	BROADCAST_STORAGE_ERROR,          /* error (null = storage works again); ours, design.md 7.11 */
	BROADCAST_EVENTS
};

/* protocol.md 8.1: which fields a phase has stands in the table of broadcast.c. */
enum env_phase {
	ENV_PHASE_STARTING,
	ENV_PHASE_CACHE_HIT,
	ENV_PHASE_FETCHING_REPODATA,
	ENV_PHASE_REPODATA_COMPLETE,
	ENV_PHASE_SOLVING,
	ENV_PHASE_SOLVE_COMPLETE,
	ENV_PHASE_INSTALLING,
	ENV_PHASE_DOWNLOAD_PROGRESS,
	ENV_PHASE_LINK_PROGRESS,
	ENV_PHASE_INSTALL_COMPLETE,
	ENV_PHASE_CREATING_VENV,
	ENV_PHASE_INSTALLING_PACKAGES,
	ENV_PHASE_READY,
	ENV_PHASE_ERROR,
	ENV_PHASES
};

struct env_progress {
	const char *env_type; /* "uv" or "conda" */
	enum env_phase phase;
	const char *env_hash, *env_path, *python_path;
	struct strs channels, packages;
	uint64_t record_count, elapsed_ms, spec_count, package_count, total, completed;
	const char *current_package; /* may be "" */
	uint64_t bytes_downloaded;
	int64_t bytes_total; /* -1 = null */
	double bytes_per_second;
	const char *message;
};

struct env_diff {
	struct strs added, removed;
	bool channels_changed, deno_changed;
};

struct comm_snapshot {
	const char *comm_id, *target_name;
	struct json_object *state;
	const char *model_module, *model_name; /* optional */
	struct bytes_list buffers;             /* omitted when empty */
};

struct broadcast {
	enum broadcast_event event;
	const char *status, *cell_id, *execution_id;
	int64_t execution_count;
	const char *output_type, *output_json;
	int64_t output_index; /* -1 = append (key omitted) */
	const char *display_id;
	struct json_object *data, *metadata;
	struct queue_entry executing;
	struct queue_entries queued;
	const char *error;
	const char *msg_type;
	struct json_object *content;
	struct bytes_list buffers; /* of comm: always written */
	struct { struct comm_snapshot *p; size_t n; } comms;
	struct env_progress progress;
	bool in_sync, has_diff;
	struct env_diff diff;
	const char *new_notebook_id, *path;
	struct json_object *state;
	struct message_memory memory;
};

/* 0, -EBADMSG not a JSON object, -ENOTSUP unknown event or phase (ignore it), -EINVAL. */
int broadcast_decode(const void *p, size_t n, struct broadcast *ret_broadcast);
void broadcast_fini(struct broadcast *b);
/* `form` matters for queue_changed only. */
void broadcast_append(struct buf *out, const struct broadcast *b, enum queue_form form);
const char *broadcast_event_name(enum broadcast_event event);
const char *env_phase_name(enum env_phase phase);
#endif
