#include "protocol/pool.h"

#include <errno.h>
#include <string.h>

#include "protocol/fields.h"

#define E(member) FIELD(struct pooled_env, member, FIELD_STR, FIELD_REQUIRED)
#define Q(member) FIELD(struct pool_request, member, FIELD_STR, FIELD_REQUIRED)
#define R(member, kind, mode) FIELD(struct pool_response, member, kind, mode)
#define FIELDS(name, ...) static const struct field name[] = {__VA_ARGS__, FIELD_END}

FIELDS(pooled_env, E(env_type), E(venv_path), E(python_path));
FIELDS(take, Q(env_type));
FIELDS(give_back, FIELD_SUB(struct pool_request, env, FIELD_RECORD, FIELD_REQUIRED, 0, pooled_env));
FIELDS(of_notebook, Q(notebook_id));

static const struct variant requests[POOL_REQUESTS] = {
	[POOL_TAKE] = {"take", take},
	[POOL_RETURN] = {"return", give_back},
	[POOL_STATUS] = {"status", NULL},
	[POOL_PING] = {"ping", NULL},
	[POOL_SHUTDOWN] = {"shutdown", NULL},
	[POOL_FLUSH] = {"flush_pool", NULL},
	[POOL_INSPECT_NOTEBOOK] = {"inspect_notebook", of_notebook},
	[POOL_LIST_ROOMS] = {"list_rooms", NULL},
	[POOL_SHUTDOWN_NOTEBOOK] = {"shutdown_notebook", of_notebook},
	[POOL_ACTIVE_ENV_PATHS] = {"active_env_paths", NULL},
	[POOL_GET_DAEMON_INFO] = {"get_daemon_info", NULL},
};

static const struct message_kind request_kind =
	MESSAGE_KIND(struct pool_request, type, "type", NULL, requests);

static bool env_type_known(const char *s)
{
	return !strcmp(s, "uv") || !strcmp(s, "conda");
}

int pool_request_decode(const void *p, size_t n, struct pool_request *ret_request, char **ret_why)
{
	struct pool_request q;
	int r = message_decode(&request_kind, p, n, &q, ret_why);
	if (r < 0)
		return r;
	const char *env_type = q.type == POOL_TAKE ? q.env_type : q.type == POOL_RETURN ? q.env.env_type : "uv";
	if (!env_type_known(env_type)) {
		if (ret_why)
			*ret_why = xasprintf("unknown env_type `%.64s`, expected `uv` or `conda`", env_type);
		pool_request_fini(&q);
		return -EINVAL;
	}
	*ret_request = q;
	return 0;
}

void pool_request_fini(struct pool_request *r)
{
	message_memory_free(&r->memory);
	*r = (struct pool_request){0};
}

void pool_request_append(struct buf *out, const struct pool_request *r)
{
	message_append(&request_kind, out, r, QUEUE_OBJECTS);
}

FIELDS(pool_error, FIELD(struct pool_error, message, FIELD_STR, FIELD_REQUIRED),
	FIELD(struct pool_error, failed_package, FIELD_STR, FIELD_OMIT),
	FIELD(struct pool_error, consecutive_failures, FIELD_U32, FIELD_REQUIRED),
	FIELD(struct pool_error, retry_in_secs, FIELD_U64, FIELD_REQUIRED));

/* `stats`: 2.0.2's flat counters. Offsets are those of the response itself. */
#define S(member, key) FIELD_AS(struct pool_response, member, key, FIELD_U64, FIELD_REQUIRED)
FIELDS(stats_flat, S(uv.available, "uv_available"), S(uv.warming, "uv_warming"), S(uv.target, "uv_target"),
	S(conda.available, "conda_available"), S(conda.warming, "conda_warming"), S(conda.target, "conda_target"),
	FIELD_SUB_AS(struct pool_response, uv.error, "uv_error", FIELD_RECORD, FIELD_OMIT, 0, pool_error),
	FIELD_SUB_AS(struct pool_response, conda.error, "conda_error", FIELD_RECORD, FIELD_OMIT, 0, pool_error));

/* `state`: 2.0.8's form, one structure per pool. */
#define T(member, key, kind, mode) FIELD_AS(struct pool_counts, member, key, kind, mode)
FIELDS(pool_counts, T(available, "available", FIELD_U64, FIELD_REQUIRED),
	T(warming, "warming", FIELD_U64, FIELD_REQUIRED), T(target, "pool_size", FIELD_U64, FIELD_REQUIRED),
	T(error.message, "error", FIELD_STR, FIELD_OMIT), T(error.failed_package, "failed_package", FIELD_STR,
		FIELD_OMIT),
	T(error.consecutive_failures, "consecutive_failures", FIELD_U32, FIELD_DEFAULT),
	T(error.retry_in_secs, "retry_in_secs", FIELD_U64, FIELD_DEFAULT));
FIELDS(state, FIELD_SUB_AS(struct pool_response, uv, "uv", FIELD_RECORD, FIELD_REQUIRED, 0, pool_counts),
	FIELD_SUB_AS(struct pool_response, conda, "conda", FIELD_RECORD, FIELD_REQUIRED, 0, pool_counts));

FIELDS(env, FIELD_SUB(struct pool_response, env, FIELD_RECORD, FIELD_REQUIRED, 0, pooled_env));
FIELDS(stats, {"stats", FIELD_RECORD, FIELD_DEFAULT, 0, 0, stats_flat}, {"state", FIELD_RECORD, FIELD_DEFAULT, 0, 0,
	state});
FIELDS(pong, R(protocol_version, FIELD_I64, FIELD_OMIT), R(daemon_version, FIELD_STR, FIELD_OMIT));
FIELDS(error, R(message, FIELD_STR, FIELD_REQUIRED));

#define C(member, kind, mode) FIELD(struct pool_cell, member, kind, mode)
FIELDS(pool_cell, C(id, FIELD_STR, FIELD_REQUIRED), C(cell_type, FIELD_STR, FIELD_REQUIRED),
	C(position, FIELD_STR, FIELD_DEFAULT), C(source, FIELD_STR, FIELD_REQUIRED),
	C(execution_count, FIELD_STR, FIELD_REQUIRED), C(outputs, FIELD_STRS, FIELD_REQUIRED),
	C(metadata, FIELD_OBJECT, FIELD_DEFAULT), C(resolved_assets, FIELD_OBJECT, FIELD_OMIT));
#define K(member) FIELD(struct pool_kernel, member, FIELD_STR, FIELD_REQUIRED)
FIELDS(pool_kernel, K(kernel_type), K(env_source), K(status));
FIELDS(notebook_state, R(notebook_id, FIELD_STR, FIELD_REQUIRED),
	FIELD_SUB(struct pool_response, cells, FIELD_RECORDS, FIELD_REQUIRED, sizeof(struct pool_cell), pool_cell),
	R(source, FIELD_STR, FIELD_REQUIRED),
	FIELD_SUB(struct pool_response, kernel_info, FIELD_RECORD, FIELD_NULL, 0, pool_kernel));

#define O(member, kind, mode) FIELD(struct pool_room, member, kind, mode)
FIELDS(pool_room, O(notebook_id, FIELD_STR, FIELD_REQUIRED), O(active_peers, FIELD_U64, FIELD_REQUIRED),
	O(had_peers, FIELD_BOOL, FIELD_DEFAULT), O(has_kernel, FIELD_BOOL, FIELD_REQUIRED),
	O(kernel_type, FIELD_STR, FIELD_OMIT), O(env_source, FIELD_STR, FIELD_OMIT),
	O(kernel_status, FIELD_STR, FIELD_OMIT), O(ephemeral, FIELD_BOOL, FIELD_OMIT));
FIELDS(rooms_list,
	FIELD_SUB(struct pool_response, rooms, FIELD_RECORDS, FIELD_REQUIRED, sizeof(struct pool_room), pool_room));
FIELDS(notebook_shutdown, R(found, FIELD_BOOL, FIELD_REQUIRED));
FIELDS(env_paths, R(paths, FIELD_STRS, FIELD_REQUIRED));

#define I(member, kind, mode) FIELD_AS(struct pool_response, info.member, #member, kind, mode)
FIELDS(daemon_info, I(protocol_version, FIELD_U64, FIELD_REQUIRED), I(daemon_api_version, FIELD_U64, FIELD_DEFAULT),
	I(daemon_version, FIELD_STR, FIELD_REQUIRED), I(pid, FIELD_U64, FIELD_REQUIRED),
	I(started_at, FIELD_STR, FIELD_REQUIRED), I(blob_port, FIELD_I64, FIELD_NULL),
	I(execution_store_dir, FIELD_STR, FIELD_OMIT));

static const struct variant responses[POOL_RESPONSES] = {
	[POOL_ENV] = {"env", env},
	[POOL_EMPTY] = {"empty", NULL},
	[POOL_RETURNED] = {"returned", NULL},
	[POOL_STATS] = {"stats", stats},
	[POOL_PONG] = {"pong", pong},
	[POOL_SHUTTING_DOWN] = {"shutting_down", NULL},
	[POOL_FLUSHED] = {"flushed", NULL},
	[POOL_ERROR] = {"error", error},
	[POOL_NOTEBOOK_STATE] = {"notebook_state", notebook_state},
	[POOL_ROOMS_LIST] = {"rooms_list", rooms_list},
	[POOL_NOTEBOOK_SHUTDOWN] = {"notebook_shutdown", notebook_shutdown},
	[POOL_ENV_PATHS] = {"active_env_paths", env_paths},
	[POOL_DAEMON_INFO] = {"daemon_info", daemon_info},
};

static const struct message_kind response_kind =
	MESSAGE_KIND(struct pool_response, type, "type", NULL, responses);

int pool_response_decode(const void *p, size_t n, struct pool_response *ret_response)
{
	struct pool_response r;
	int e = message_decode(&response_kind, p, n, &r, NULL);
	if (e < 0)
		return e;
	bool counted = json_get(r.memory.json, "stats") || json_get(r.memory.json, "state");
	if (r.type == POOL_STATS && !counted) {
		pool_response_fini(&r);
		return -EINVAL;
	}
	*ret_response = r;
	return 0;
}

void pool_response_fini(struct pool_response *r)
{
	message_memory_free(&r->memory);
	*r = (struct pool_response){0};
}

void pool_response_append(struct buf *out, const struct pool_response *r)
{
	message_append(&response_kind, out, r, QUEUE_OBJECTS);
}

FIELDS(pool_state,
	FIELD_SUB(struct pool_state, uv_error, FIELD_RECORD, FIELD_NULL, 0, pool_error),
	FIELD_SUB(struct pool_state, conda_error, FIELD_RECORD, FIELD_NULL, 0, pool_error));

int pool_state_decode(const void *p, size_t n, struct pool_state *ret_state)
{
	struct pool_state s = {0};
	const char *event;
	int r = record_decode(pool_state, p, n, &s, &s.memory);
	if (r < 0)
		return r;
	if (json_get_str(s.memory.json, "event", &event) < 0 || strcmp(event, "pool_state") != 0) {
		pool_state_fini(&s);
		return -ENOTSUP;
	}
	*ret_state = s;
	return 0;
}

void pool_state_fini(struct pool_state *s)
{
	message_memory_free(&s->memory);
	*s = (struct pool_state){0};
}

void pool_state_append(struct buf *out, const struct pool_state *s)
{
	bool first = false;
	buf_append_str(out, "{\"event\":\"pool_state\"");
	fields_append(pool_state, out, s, QUEUE_OBJECTS, &first);
	buf_append_byte(out, '}');
}
