/* NotebookRequest, frame 01 (protocol.md 6). */
#ifndef PROTOCOL_REQUEST_H
#define PROTOCOL_REQUEST_H
#include "protocol/message.h"

enum request_action {
	REQUEST_LAUNCH_KERNEL,         /* kernel_type, env_source, notebook_path? */
	REQUEST_QUEUE_CELL,            /* cell_id, code */
	REQUEST_EXECUTE_CELL,          /* cell_id */
	REQUEST_CLEAR_OUTPUTS,         /* cell_id */
	REQUEST_INTERRUPT_EXECUTION,
	REQUEST_SHUTDOWN_KERNEL,
	REQUEST_GET_KERNEL_INFO,
	REQUEST_GET_QUEUE_STATE,
	REQUEST_RUN_ALL_CELLS,
	REQUEST_SEND_COMM,             /* message */
	REQUEST_GET_HISTORY,           /* pattern?, n, unique */
	REQUEST_COMPLETE,              /* code, cursor_pos */
	REQUEST_SAVE_NOTEBOOK,         /* format_cells, path? */
	REQUEST_CLONE_NOTEBOOK,        /* path */
	REQUEST_SYNC_ENVIRONMENT,
	REQUEST_GET_DOC_BYTES,
	REQUEST_GET_RAW_METADATA,      /* key */
	REQUEST_SET_RAW_METADATA,      /* key, value */
	REQUEST_GET_METADATA_SNAPSHOT,
	REQUEST_SET_METADATA_SNAPSHOT, /* snapshot */
	REQUEST_CHECK_TOOL_AVAILABLE,  /* tool */
	REQUEST_ACTIONS
};

struct request {
	enum request_action action;
	const char *id;             /* correlation id, NULL from March's clients */
	struct strs required_heads; /* hashes in hex; empty from March's clients */
	const char *kernel_type, *env_source, *notebook_path;
	const char *cell_id, *code;
	struct json_object *message; /* send_comm; see comm_message.h for its parts */
	const char *pattern;
	int32_t n;
	bool unique;
	uint64_t cursor_pos;
	bool format_cells;
	const char *path;
	const char *key, *value;
	const char *snapshot; /* JSON text */
	const char *tool;
	struct message_memory memory;
};

/* 0, -EBADMSG when it is no JSON at all (close the connection), -ENOTSUP for
 * an action not known, -EINVAL for a field missing or wrong, or no object (answer with an
 * error, protocol.md 13). For the last two *ret_why, when given, is a sentence
 * for the answer and *ret_id the correlation id, or NULL: both the caller's to free(). */
int request_decode(const void *p, size_t n, struct request *ret_request, char **ret_why, char **ret_id);
void request_fini(struct request *r);
void request_append(struct buf *out, const struct request *r);
const char *request_action_name(enum request_action action);
#endif
