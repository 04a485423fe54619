/* The pool channel: status, listing, stopping (protocol.md 10.1), and the
 * pool_state subscription (10.4). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "daemon/connection.h"
#include "environment/pool.h"
#include "protocol/pool.h"

static void respond(struct connection *c, const struct pool_response *r)
{
	struct buf json = {0};
	pool_response_append(&json, r);
	connection_send_json(c, &json);
	buf_free(&json);
}

static void respond_error(struct connection *c, const char *message)
{
	const struct pool_response r = {.type = POOL_ERROR, .message = message};
	respond(c, &r);
}

static struct pool_error failure_of(const struct pool *pool)
{
	struct pool_failure f = {0};
	pool_get_failure(pool, &f);
	return (struct pool_error){f.message, f.failed_package, f.consecutive_failures, f.retry_in_secs};
}

/* ---- requests ---- */

static void take(struct connection *c, const struct pool_request *r)
{
	struct pool_env env;
	struct pool_response out = {.type = POOL_EMPTY};
	if (strcmp(r->env_type, "uv") == 0 && pool_take(room_service_pool(c->daemon->rooms), &env) == 0) {
		out = (struct pool_response){.type = POOL_ENV, .env = {"uv", env.venv_path, env.python_path}};
		respond(c, &out);
		pool_env_fini(&env);
		return;
	}
	respond(c, &out);
}

static void give_back(struct connection *c, const struct pool_request *r)
{
	int err = pool_return(room_service_pool(c->daemon->rooms), r->env.venv_path);
	if (err < 0)
		respond_error(c, "Not an environment of this pool; nothing was deleted");
	else
		respond(c, &(struct pool_response){.type = POOL_RETURNED});
}

static void status(struct connection *c, const struct pool_request *r)
{
	struct pool *pool = room_service_pool(c->daemon->rooms);
	struct pool_response out = {.type = POOL_STATS};
	(void)r;
	out.uv = (struct pool_counts){pool_available(pool), pool_warming(pool), pool_target(pool), failure_of(pool)};
	out.conda.target = c->daemon->config.conda_pool_size;
	respond(c, &out);
}

static void ping(struct connection *c, const struct pool_request *r)
{
	(void)r;
	respond(c, &(struct pool_response){.type = POOL_PONG, .protocol_version = face_march.version,
					   .daemon_version = c->daemon->config.version});
}

static void shutdown_daemon(struct connection *c, const struct pool_request *r)
{
	(void)r;
	respond(c, &(struct pool_response){.type = POOL_SHUTTING_DOWN});
	daemon_stop(c->daemon);
}

static void flush(struct connection *c, const struct pool_request *r)
{
	(void)r;
	pool_flush(room_service_pool(c->daemon->rooms));
	respond(c, &(struct pool_response){.type = POOL_FLUSHED});
}

static void list_rooms(struct connection *c, const struct pool_request *r)
{
	struct pool_response out;
	(void)r;
	room_service_list(c->daemon->rooms, &out);
	respond(c, &out);
	pool_response_fini(&out);
}

static void env_paths(struct connection *c, const struct pool_request *r)
{
	struct pool_response out;
	(void)r;
	room_service_env_paths(c->daemon->rooms, &out);
	respond(c, &out);
	pool_response_fini(&out);
}

static void daemon_info(struct connection *c, const struct pool_request *r)
{
	struct daemon *d = c->daemon;
	char started[RFC3339_TEXT], *store = path_join(d->config.base_dir, "executions");
	(void)r;
	rfc3339_format(started, d->record.started_at_ns);
	const struct pool_response out = {.type = POOL_DAEMON_INFO,
					  .info = {.protocol_version = face_march.version, .daemon_api_version = 1,
						   .daemon_version = d->config.version, .pid = (uint64_t)getpid(),
						   .started_at = started,
						   .blob_port = d->record.blob_port ? d->record.blob_port : -1,
						   .execution_store_dir = store}};
	respond(c, &out);
	free(store);
}

/* A connection that ended meanwhile is kept until its answer has come. */
static void later_answer(void *ctx, struct pool_response *answer)
{
	struct connection *c = ctx;
	respond(c, answer);
	connection_idle(c);
	connection_unref(c);
}

static void inspect(struct connection *c, const struct pool_request *r)
{
	connection_busy(c);
	connection_ref(c);
	room_service_inspect(c->daemon->rooms, r->notebook_id, later_answer, c);
}

static void shutdown_notebook(struct connection *c, const struct pool_request *r)
{
	connection_busy(c);
	connection_ref(c);
	room_service_shutdown_notebook(c->daemon->rooms, r->notebook_id, later_answer, c);
}

static void (*const handlers[POOL_REQUESTS])(struct connection *, const struct pool_request *) = {
	[POOL_TAKE] = take,
	[POOL_RETURN] = give_back,
	[POOL_STATUS] = status,
	[POOL_PING] = ping,
	[POOL_SHUTDOWN] = shutdown_daemon,
	[POOL_FLUSH] = flush,
	[POOL_INSPECT_NOTEBOOK] = inspect,
	[POOL_LIST_ROOMS] = list_rooms,
	[POOL_SHUTDOWN_NOTEBOOK] = shutdown_notebook,
	[POOL_ACTIVE_ENV_PATHS] = env_paths,
	[POOL_GET_DAEMON_INFO] = daemon_info,
};

static int pool_open(struct connection *c)
{
	(void)c;
	return 0;
}

static int pool_frame(struct connection *c, int type, const uint8_t *p, size_t n)
{
	struct pool_request r;
	char *why = NULL;
	(void)type;
	int err = pool_request_decode(p, n, &r, &why);
	if (err < 0 || (c->legacy && r.type != POOL_PING)) {
		respond_error(c, why ? why : "Invalid request");
		free(why);
		if (err == 0)
			pool_request_fini(&r);
		return -EPROTO;
	}
	handlers[r.type](c, &r);
	pool_request_fini(&r);
	return 0;
}

const struct channel channel_pool = {"pool", pool_open, pool_frame, NULL, NULL};

/* ---- pool_state_subscribe ---- */

static void send_state(struct connection *c)
{
	const struct pool_state state = {.uv_error = failure_of(room_service_pool(c->daemon->rooms))};
	struct buf json = {0};
	pool_state_append(&json, &state);
	connection_send_json(c, &json);
	buf_free(&json);
}

void pool_state_changed(void *daemon)
{
	struct daemon *d = daemon;
	for (size_t i = 0; i < d->pool_subscribers.n; i++)
		send_state(d->pool_subscribers.p[i]);
}

static int state_open(struct connection *c)
{
	VEC_PUSH(&c->daemon->pool_subscribers, c);
	send_state(c);
	return 0;
}

static int state_frame(struct connection *c, int type, const uint8_t *p, size_t n)
{
	(void)c, (void)type, (void)p, (void)n; /* nothing is expected; being read notices the end */
	return 0;
}

static void state_close(struct connection *c)
{
	for (size_t i = 0; i < c->daemon->pool_subscribers.n; i++) {
		if (c->daemon->pool_subscribers.p[i] == c) {
			VEC_REMOVE(&c->daemon->pool_subscribers, i);
			return;
		}
	}
}

const struct channel channel_pool_state = {"pool_state", state_open, state_frame, state_close, NULL};
