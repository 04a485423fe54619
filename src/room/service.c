#include "room/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "environment/pool.h"
#include "room/registry.h"

#define JOURNAL_KEEP (HOST_SEC(24 * 3600) * 30) /* journals nobody asked for: rooms.md 12 */

/* ---- what lower layers ask of the blob store ---- */

static int put_blob(void *ctx, const void *p, size_t n, const char *media_type, char ret_hash[65])
{
	return blob_put(ctx, media_type, p, n, ret_hash);
}

static int get_blob(void *ctx, const char *hash, struct buf *out)
{
	return blob_get(ctx, hash, out);
}

static int store_output(void *ctx, const char *json, size_t n, char ret_hash[BLOB_HASH_TEXT])
{
	const struct output_blobs blobs = {.ctx = ctx, .put = put_blob, .get = get_blob};
	enum output_type type;
	char *entry = NULL;
	int r = output_store(&blobs, NULL, json, n, &entry, NULL, &type);
	if (r < 0)
		return r;
	bool hash = strlen(entry) == BLOB_HASH_TEXT - 1;
	if (hash)
		memcpy(ret_hash, entry, BLOB_HASH_TEXT);
	free(entry);
	return hash ? 0 : -EIO;
}

static int resolve_output(void *ctx, const char *hash, struct buf *out)
{
	const struct output_blobs blobs = {.ctx = ctx, .put = put_blob, .get = get_blob};
	return output_load(&blobs, hash, out);
}

/* ---- the end of a turn ---- */

static void turn_end(void *ctx)
{
	struct room_service *svc = ctx;
	for (size_t i = 0; i < svc->turn_rooms.n; i++) {
		struct room *room = svc->turn_rooms.p[i];
		if (!room)
			continue; /* freed since */
		room->queued_turn = false;
		room_settle(room);
		room_pump(room);
		room_stir(room);
	}
	svc->turn_rooms.n = 0;
}

/* ---- life ---- */

static bool alias_has_journal(void *ctx, const struct alias *a)
{
	struct room_service *svc = ctx;
	return journal_exists(svc->journals, a->uuid) || journal_exists(svc->journals, a->path);
}

/* What a daemon that was killed while it wrote there left behind. */
static void remove_temps(struct room_service *svc, const char *dir)
{
	struct host_file_info info;
	char **names;
	size_t n;
	if (host_dir_list(svc->host, dir, &names, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		char *path = host_name_is_temp(names[i], NULL) ? path_join(dir, names[i]) : NULL;
		if (path && host_path_lstat(svc->host, path, &info) == 0 && info.mtime_ns < svc->opened_ns)
			host_path_unlink(svc->host, path);
		free(path);
	}
	host_names_free(names, n);
}

static void tidy_run(void *ctx)
{
	struct room_service *svc = ctx;
	int r = host_dir_settle(svc->host);
	if (r < 0)
		log_warn("room", "the directories of the daemon are not synced: %s", strerror(-r));
	remove_temps(svc, journal_store_dir(svc->journals));
	journal_gc(svc->journals, JOURNAL_KEEP, NULL, NULL);
	execution_log_gc(svc->executions, EXECUTION_LOG_AGE);
}

void room_service_tidy(struct room_service *svc)
{
	host_work(svc->host, tidy_run, NULL, svc);
}

static int open_stores(struct room_service *svc, const struct room_config *config)
{
	char *docs = path_join(config->base_dir, "notebook-docs"), *log = path_join(config->base_dir, "executions");
	char *fallback = journal_fallback_dir(config->base_dir);
	int r = blob_store_open(svc->host, config->blob_dir, &svc->blobs);
	if (r == 0)
		r = journal_store_open(svc->host, docs, fallback, &svc->journals);
	if (r == 0)
		r = alias_open(svc->host, docs, &svc->aliases);
	if (r == 0)
		r = execution_log_open(svc->host, log, &svc->executions);
	if (r == 0)
		alias_resolve(svc->aliases, alias_has_journal, svc);
	free(fallback);
	free(docs);
	free(log);
	return r;
}

static void pool_error_changed(void *ctx)
{
	struct room_service *svc = ctx;
	if (svc->pool_error_changed)
		svc->pool_error_changed(svc->ctx);
}

static int open_kernels(struct room_service *svc, const struct room_config *config)
{
	svc->output_blobs = output_blobs_from_store(svc->blobs);
	svc->notebook_blobs = (struct notebook_blobs){svc->blobs, put_blob, get_blob, store_output, resolve_output};
	const struct kernel_service_config kernels = {.host = svc->host, .base_dir = config->base_dir,
						      .blobs = svc->output_blobs};
	int r = kernel_service_new(&kernels, &svc->kernels);
	if (r < 0)
		return r;
	const struct pool_config pool = {.host = svc->host, .dir = config->env_dir, .cache_dir = config->cache_dir,
					 .target = config->uv_pool_size, .max_age_secs = 172800,
					 .error_changed = pool_error_changed, .ctx = svc};
	svc->pool = pool_new(&pool);
	svc->formatter = formatter_new(svc->host);
	return 0;
}

int room_service_open(const struct room_config *config, struct room_service **ret)
{
	struct room_service *svc = xcalloc(1, sizeof *svc);
	svc->host = config->host;
	svc->opened_ns = host_wall_ns(config->host);
	svc->base_dir = xstrdup(config->base_dir);
	svc->cache_dir = xstrdup(config->cache_dir);
	svc->trust_key_path = config->trust_key_path ? xstrdup(config->trust_key_path) : NULL;
	svc->daemon_version = xstrdup(config->daemon_version);
	svc->new_notebook_cells = config->new_notebook_cells;
	svc->evict_ms = config->evict_ms;
	svc->keep_alive_secs = 30;
	svc->pool_error_changed = config->pool_error_changed;
	svc->ctx = config->ctx;
	svc->registry = registry_new();
	/* Before the journals' own hook: what a turn changes is in its group commit. */
	host_turn_end(svc->host, &svc->turn_hook, turn_end, svc);
	int r = open_stores(svc, config);
	if (r == 0)
		r = open_kernels(svc, config);
	if (r < 0) {
		room_service_close(svc);
		room_service_free(svc);
		return r;
	}
	*ret = svc;
	return 0;
}

void room_service_close(struct room_service *svc)
{
	while (svc->registry->rooms.n > 0) {
		struct room *room = svc->registry->rooms.p[0];
		while (room->peers.n > 0)
			peer_drop(room->peers.p[0]);
		registry_remove(svc->registry, room);
		room->pins = 0;
		room_free(room);
	}
	host_turn_end_remove(svc->host, &svc->turn_hook);
	if (svc->kernels)
		kernel_service_free(svc->kernels);
	if (svc->pool)
		pool_free(svc->pool);
	if (svc->formatter)
		formatter_free(svc->formatter);
}

void room_service_free(struct room_service *svc)
{
	if (svc->executions)
		execution_log_close(svc->executions);
	if (svc->aliases)
		alias_close(svc->aliases);
	if (svc->journals)
		journal_store_close(svc->journals);
	if (svc->blobs)
		blob_store_close(svc->blobs);
	registry_free(svc->registry);
	VEC_FREE(&svc->turn_rooms);
	free(svc->default_runtime);
	free(svc->default_python_env);
	free(svc->base_dir);
	free(svc->cache_dir);
	free(svc->trust_key_path);
	free(svc->daemon_version);
	free(svc);
}

/* ---- stopping ---- */

struct stop {
	struct room_service *svc;
	size_t left; /* rooms draining, plus one while they are being started */
	struct host_timer limit;
	host_fn *done;
	void *ctx;
	bool over;
};

static void stop_over(struct stop *stop)
{
	stop->over = true;
	host_timer_stop(&stop->limit);
	stop->done(stop->ctx);
}

static void stop_late(void *ctx)
{
	struct stop *stop = ctx;
	log_warn("room", "%zu notebooks still closing at the time limit; their journals are on disk", stop->left);
	stop_over(stop);
}

/* Drains that end after the limit still count down; the last one lets go. */
static void stop_one(void *ctx)
{
	struct stop *stop = ctx;
	if (--stop->left)
		return;
	if (!stop->over)
		stop_over(stop);
	free(stop);
}

void room_service_stop(struct room_service *svc, uint64_t limit, host_fn *done, void *ctx)
{
	struct stop *stop = xcalloc(1, sizeof *stop);
	*stop = (struct stop){.svc = svc, .left = 1, .done = done, .ctx = ctx};
	svc->stopping = true;
	host_timer_init(&stop->limit, svc->host, stop_late, stop);
	host_timer_start(&stop->limit, limit);
	VEC(struct room *) rooms = {0};
	for (size_t i = 0; i < svc->registry->rooms.n; i++)
		VEC_PUSH(&rooms, svc->registry->rooms.p[i]);
	for (size_t i = 0; i < rooms.n; i++) {
		stop->left++;
		room_drain(rooms.p[i], true, stop_one, stop);
	}
	VEC_FREE(&rooms);
	stop_one(stop);
}

/* ---- small ones ---- */

struct blob_store *room_service_blobs(struct room_service *svc)
{
	return svc->blobs;
}

struct pool *room_service_pool(struct room_service *svc)
{
	return svc->pool;
}

size_t room_service_count(const struct room_service *svc)
{
	return svc->registry->rooms.n;
}

void room_service_set_settings(struct room_service *svc, const char *default_runtime, const char *default_python_env,
			       uint64_t keep_alive_secs)
{
	free(svc->default_runtime);
	free(svc->default_python_env);
	svc->default_runtime = xstrdup(default_runtime);
	svc->default_python_env = xstrdup(default_python_env);
	bool moved = svc->keep_alive_secs != keep_alive_secs;
	svc->keep_alive_secs = keep_alive_secs;
	for (size_t i = 0; moved && i < svc->registry->rooms.n; i++)
		if (host_timer_active(&svc->registry->rooms.p[i]->evict_timer))
			evict_arm(svc->registry->rooms.p[i]);
}
