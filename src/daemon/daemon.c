#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "daemon/connection.h"
#include "daemon/notify.h"
#include "daemon/settings_service.h"
#include "host/fault.h"
#include "host/file.h"
#include "host/signal.h"
#include "host/uv.h"
#include "web/blobs.h"

#define STOP_LIMIT HOST_SEC(10) /* rooms.md 13.1 */
#define REST_DELAY HOST_MS(50)

void daemon_config_fini(struct daemon_config *c)
{
	free(c->base_dir);
	free(c->cache_dir);
	free(c->config_dir);
	free(c->socket);
	free(c->log_path);
	free(c->env_dir);
	free(c->blob_dir);
	free(c->trust_key_path);
	free(c->version);
	free(c->worktree);
	free(c->workspace_description);
}

/* ---- the end ---- */

static void all_closed(void *ctx)
{
	struct daemon *d = ctx;
	while (d->connections.n)
		connection_close(d->connections.p[0]);
	host_stop(d->host);
}

void daemon_stop(struct daemon *d)
{
	if (d->stopping) { /* asked twice: journals are on disk, nothing else is waited for */
		host_stop(d->host);
		return;
	}
	d->stopping = true;
	log_info("daemon", "stopping");
	notify_service_manager("STOPPING=1");
	if (d->listener)
		host_listener_close(d->listener);
	d->listener = NULL;
	room_service_stop(d->rooms, STOP_LIMIT, all_closed, d);
}

static void signalled(void *ctx, int signum)
{
	log_info("daemon", "%s", strsignal(signum));
	daemon_stop(ctx);
}

#ifdef RUNTIMED_TEST_KNOBS
static struct fault *faults;

static void faults_follow(struct daemon *d)
{
	const char *script = getenv("RUNTIMED_FAULTS");
	if (script && *script)
		fault_follow(faults = fault_install(d->host), script);
}

static void faults_remove(void)
{
	if (faults)
		fault_remove(faults);
}
#else
static void faults_follow(struct daemon *d)
{
	(void)d;
}

static void faults_remove(void)
{
}
#endif

/* ---- the start (protocol.md 2.5) ---- */

static int already_running(struct daemon *d)
{
	struct daemon_record other = {0};
	int r = daemon_record_read(d->host, d->config.base_dir, &other);
	fprintf(stderr, "runtimed: another daemon is running (pid %u, version %s, socket %s)\n", r == 0 ? other.pid : 0,
		r == 0 ? other.version : "unknown", r == 0 ? other.endpoint : "unknown");
	if (r == 0)
		daemon_record_free(&other);
	return 0; /* so that a service manager does not try again (protocol.md 2.4) */
}

static int open_rooms(struct daemon *d)
{
	const struct daemon_config *c = &d->config;
	const struct room_config rooms = {
		.host = d->host, .base_dir = c->base_dir, .cache_dir = c->cache_dir, .env_dir = c->env_dir,
		.blob_dir = c->blob_dir, .trust_key_path = c->trust_key_path, .daemon_version = c->version,
		.uv_pool_size = c->uv_pool_size, .new_notebook_cells = c->new_notebook_cells, .evict_ms = c->evict_ms,
		.pool_error_changed = pool_state_changed, .ctx = d,
	};
	int r = room_service_open(&rooms, &d->rooms);
	if (r == 0)
		settings_service_apply(d->settings);
	return r;
}

static void open_http(struct daemon *d, struct http_route routes[3])
{
	routes[0] = (struct http_route){"/blob/", blobs_handle_blob, room_service_blobs(d->rooms)};
	routes[1] = (struct http_route){"/health", blobs_handle_health, room_service_blobs(d->rooms)};
	routes[2] = (struct http_route){"", blobs_handle_other, room_service_blobs(d->rooms)};
	int r = http_server_open(d->host, 0, routes, 3, &d->http);
	if (r < 0)
		log_error("daemon", "the blob server does not start: %s", strerror(-r));
}

/* Clients look for blobs and daemon.json beside the socket, once, when they connect (protocol.md 2.2). */
static void link_blobs(struct daemon *d)
{
	char *dir = path_dir(d->config.socket), *blobs = path_join(dir, "blobs");
	if (strcmp(blobs, d->config.blob_dir) != 0 && !host_path_exists(d->host, blobs)) {
		int r = host_path_symlink(d->host, d->config.blob_dir, blobs);
		if (r < 0)
			log_warn("daemon", "%s: %s; clients fetch blobs over HTTP", blobs, strerror(-r));
	}
	free(blobs);
	free(dir);
}

static int announce(struct daemon *d)
{
	const struct daemon_config *c = &d->config;
	d->record = (struct daemon_record){
		.endpoint = c->socket, .pid = (uint32_t)getpid(), .version = c->version,
		.started_at_ns = host_wall_ns(d->host), .blob_port = d->http ? http_server_port(d->http) : 0,
		.worktree_path = c->worktree, .workspace_description = c->workspace_description,
	};
	return daemon_record_write(d->host, c->base_dir, &d->record);
}

static int listen_socket(struct daemon *d)
{
	char *dir = path_dir(d->config.socket), *old = path_join(dir, "runtimed-sync.sock");
	int r = host_dir_make_soon(d->host, dir, 0700);
	host_path_unlink(d->host, old); /* of very old daemons */
	if (r == 0)
		r = host_listen_unix(d->host, d->config.socket, connection_accept, d, &d->listener);
	free(old);
	free(dir);
	return r;
}

static int fail(const char *what, int err)
{
	log_error("daemon", "%s: %s", what, strerror(-err));
	return 1;
}

/* What no client waits for: the threads of the workers, files nobody has asked for yet, old ones
 * nobody will ask for, syncs. Whoever started us is about to connect, and comes first. */
static void start_rest(void *ctx)
{
	struct daemon *d = ctx;
	settings_service_write(d->settings);
	room_service_tidy(d->rooms);
}

static int start(struct daemon *d, struct http_route routes[3])
{
	static const int signums[] = {SIGTERM, SIGINT, SIGHUP};
	int r;
	d->settings = settings_service_open(d);
	if ((r = open_rooms(d)) < 0)
		return fail("the stores cannot be opened", r);
	host_turn_end(d->host, &d->uncork, connection_uncork_all, d);
	open_http(d, routes);
	link_blobs(d);
	if ((r = announce(d)) < 0)
		return fail("daemon.json cannot be written", r);
	if ((r = listen_socket(d)) < 0) {
		daemon_record_remove(d->host, d->config.base_dir, &d->record);
		return fail(d->config.socket, r);
	}
	for (size_t i = 0; i < sizeof signums / sizeof *signums; i++)
		host_signal_open(d->host, signums[i], signalled, d, &d->signals[i]);
	host_timer_init(&d->rest, d->host, start_rest, d);
	host_timer_start(&d->rest, REST_DELAY);
	log_info("daemon", "runtimed %s listens on %s, blobs on port %u", d->config.version, d->config.socket,
		 d->record.blob_port);
	notify_service_manager("READY=1");
	return 0;
}

static bool at_once(void *ctx)
{
	(void)ctx;
	return true;
}

static bool nothing_under_way(void *ctx)
{
	return host_work_pending(ctx) == 0;
}

static bool wait_for_workers(struct daemon *d)
{
	return host_run_until(d->host, nothing_under_way, d->host, STOP_LIMIT) == 0;
}

static void finish(struct daemon *d)
{
	while (d->connections.n)
		connection_close(d->connections.p[0]);
	host_timer_stop(&d->rest);
	if (d->http)
		http_server_close(d->http);
	host_run_until(d->host, at_once, NULL, 0); /* what closing put off to the end of the turn */
	if (d->listener)
		host_listener_close(d->listener);
	if (d->uncork.fn)
		host_turn_end_remove(d->host, &d->uncork);
	if (d->rooms)
		room_service_close(d->rooms);
	if (d->settings)
		settings_service_close(d->settings);
	/* What workers still write is ours as long as the lock is. What comes back from one that a disk keeps for longer
	 * asks the rooms for its own: then they stay until the process ends. */
	if (wait_for_workers(d) && d->rooms) {
		room_service_free(d->rooms);
		wait_for_workers(d);
	}
	for (size_t i = 0; i < sizeof d->signals / sizeof *d->signals; i++)
		if (d->signals[i])
			host_signal_close(d->signals[i]);
	if (d->record.endpoint)
		daemon_record_remove(d->host, d->config.base_dir, &d->record);
}

int daemon_run(struct daemon_config *config)
{
	struct daemon d = {.config = *config};
	struct http_route routes[3];
	int status = 1, r = host_uv_new(&d.host);
	if (r < 0)
		return fail("the event loop cannot be made", r);
	faults_follow(&d);
	r = daemon_lock_take(d.host, d.config.base_dir, &d.lock);
	if (r == -EWOULDBLOCK) {
		status = already_running(&d);
		goto out;
	}
	if (r < 0) {
		status = fail(d.config.base_dir, r);
		goto out;
	}
	signal(SIGXFSZ, SIG_IGN); /* a write over the limit is an error like others */
	if (log_open_file(d.config.log_path) < 0)
		log_warn("daemon", "no log file at %s", d.config.log_path);
	status = start(&d, routes);
	if (status == 0)
		host_run(d.host);
	finish(&d);
	daemon_lock_release(d.host, &d.lock);
out:
	faults_remove();
	host_free(d.host);
	VEC_FREE(&d.connections);
	VEC_FREE(&d.pool_subscribers);
	daemon_config_fini(&d.config);
	log_close();
	return status;
}
