/* The pool channel: untyped JSON, one response per request (protocol.md 10.1,
 * with the superset of 16.4 and get_daemon_info of today.md 2.3). */
#ifndef PROTOCOL_POOL_H
#define PROTOCOL_POOL_H
#include "protocol/message.h"

enum pool_request_type {
	POOL_TAKE,              /* env_type */
	POOL_RETURN,            /* env */
	POOL_STATUS,
	POOL_PING,
	POOL_SHUTDOWN,
	POOL_FLUSH,             /* flush_pool */
	POOL_INSPECT_NOTEBOOK,  /* notebook_id */
	POOL_LIST_ROOMS,
	POOL_SHUTDOWN_NOTEBOOK, /* notebook_id */
	POOL_ACTIVE_ENV_PATHS,
	POOL_GET_DAEMON_INFO,
	POOL_REQUESTS
};

enum pool_response_type {
	POOL_ENV,             /* env */
	POOL_EMPTY,
	POOL_RETURNED,
	POOL_STATS,           /* stats */
	POOL_PONG,            /* protocol_version?, daemon_version? */
	POOL_SHUTTING_DOWN,
	POOL_FLUSHED,
	POOL_ERROR,           /* message */
	POOL_NOTEBOOK_STATE,  /* notebook_id, cells, source, kernel_info */
	POOL_ROOMS_LIST,      /* rooms */
	POOL_NOTEBOOK_SHUTDOWN, /* found */
	POOL_ENV_PATHS,       /* active_env_paths: paths */
	POOL_DAEMON_INFO,     /* daemon_info */
	POOL_RESPONSES
};

struct pooled_env {
	const char *env_type; /* "uv" or "conda" */
	const char *venv_path, *python_path;
};

struct pool_request {
	enum pool_request_type type;
	const char *env_type;
	struct pooled_env env;
	const char *notebook_id;
	struct message_memory memory;
};

struct pool_error {
	const char *message; /* NULL = there is no error */
	const char *failed_package;
	uint32_t consecutive_failures;
	uint64_t retry_in_secs;
};

struct pool_counts {
	uint64_t available, warming, target;
	struct pool_error error;
};

struct pool_kernel {
	const char *kernel_type; /* NULL = no kernel: kernel_info is null */
	const char *env_source, *status;
};

struct pool_cell {
	const char *id, *cell_type, *position, *source;
	const char *execution_count; /* "12" or "null" */
	struct strs outputs;
	struct json_object *metadata;
	struct json_object *resolved_assets; /* NULL or empty = omitted */
};

struct pool_room {
	const char *notebook_id;
	uint64_t active_peers;
	bool had_peers;
	bool has_kernel;
	const char *kernel_type, *env_source, *kernel_status; /* NULL = omitted */
	bool ephemeral; /* later clients; written only when true */
};

struct daemon_info {
	uint64_t protocol_version, daemon_api_version;
	const char *daemon_version;
	uint64_t pid;
	const char *started_at; /* RFC 3339 */
	int64_t blob_port;      /* -1 = null */
	const char *execution_store_dir;
};

struct pool_response {
	enum pool_response_type type;
	struct pooled_env env;
	/* stats: written both as `stats` (2.0.2) and `state` (2.0.8), read from either. */
	struct pool_counts uv, conda;
	int64_t protocol_version; /* pong: -1 = absent */
	const char *daemon_version;
	const char *message;
	const char *notebook_id, *source; /* "live_room" or "persisted_file" */
	struct { struct pool_cell *p; size_t n; } cells;
	struct pool_kernel kernel_info;
	struct { struct pool_room *p; size_t n; } rooms;
	bool found;
	struct strs paths;
	struct daemon_info info;
	struct message_memory memory;
};

/* As request_decode and response_decode; *ret_why is the caller's to free(). */
int pool_request_decode(const void *p, size_t n, struct pool_request *ret_request, char **ret_why);
void pool_request_fini(struct pool_request *r);
void pool_request_append(struct buf *out, const struct pool_request *r);
int pool_response_decode(const void *p, size_t n, struct pool_response *ret_response);
void pool_response_fini(struct pool_response *r);
void pool_response_append(struct buf *out, const struct pool_response *r);

/* pool_state_subscribe (protocol.md 10.4): one such frame per change. */
struct pool_state {
	struct pool_error uv_error, conda_error; /* message NULL = null */
	struct message_memory memory;
};

int pool_state_decode(const void *p, size_t n, struct pool_state *ret_state);
void pool_state_fini(struct pool_state *s);
void pool_state_append(struct buf *out, const struct pool_state *s);
#endif
