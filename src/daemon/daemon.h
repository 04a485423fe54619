/* The daemon: everything one process of it holds, its start and its end. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H
#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"
#include "host/host.h"
#include "store/lock.h"

struct connection;
struct host_listener;
struct host_signal;
struct http_server;
struct room_service;
struct settings_service;

/* From the command line and the environment (protocol.md 2, clients.md 2). All owned. */
struct daemon_config {
	char *base_dir, *cache_dir, *config_dir, *socket, *log_path;
	char *env_dir, *blob_dir;
	char *trust_key_path;
	char *version; /* `<version>+<commit>` as reported to clients */
	char *worktree, *workspace_description;
	unsigned uv_pool_size, conda_pool_size;
	int new_notebook_cells; /* -1 = by face */
	uint64_t evict_ms;      /* 0 = settings */
};
void daemon_config_fini(struct daemon_config *c);

struct daemon {
	struct daemon_config config;
	struct host *host;
	struct daemon_lock lock;
	struct daemon_record record;
	struct room_service *rooms;
	struct settings_service *settings;
	struct http_server *http;
	struct host_listener *listener;
	VEC(struct connection *) connections;
	VEC(struct connection *) pool_subscribers;
	struct host_signal *signals[3];
	struct host_hook uncork; /* after the rooms' own */
	struct host_timer rest;  /* of the start */
	bool stopping;
	int exit_status;
};

/* Runs until told to stop; the process's exit status. Takes config over. */
int daemon_run(struct daemon_config *config);
/* SIGTERM, SIGINT or a shutdown request; a second call ends at once. */
void daemon_stop(struct daemon *d);
#endif
