#include "store/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "host/file.h"

#define BLOB_TOUCH_AGE (INT64_C(3600) * 1000000000)
#define BLOB_META_MAX 65536
#define CLOSE_LIMIT HOST_SEC(2)

static const char default_media_type[] = "application/octet-stream";

struct superseded {
	char hash[SHA256_HEX_BYTES];
	uint64_t due;
};

struct blob_store {
	struct host *host;
	char *dir;
	struct host_hook hook;
	struct host_timer sync_timer, supersede_timer;
	bool busy; /* a background job is under way */
	bool closing;
	atomic_bool want_sync;
	_Atomic uint64_t sync_until; /* host_now_ns; 0 = as long as it takes */

	/* Guards what is below, and makes "is it there? then use it" one step
	 * against "is it unused? then remove it". */
	pthread_mutex_t lock;
	VEC(char *) unsynced; /* paths of data files */
	VEC(struct superseded) superseded;
};

/* ---- paths ---- */

const char *blob_store_dir(const struct blob_store *s)
{
	return s->dir;
}

char *blob_path(const struct blob_store *s, const char *hash)
{
	return xasprintf("%s/%.2s/%s", s->dir, hash, hash + 2);
}

static bool hash_good(const char *hash)
{
	return hex_is_hash(hash, strlen(hash));
}

static char *meta_path(const char *data)
{
	return xasprintf("%s.meta", data);
}

/* ---- putting ---- */

/* Temp file and rename, without any sync: design.md 7.12. */
static int write_file(struct blob_store *s, const char *path, const void *p, size_t n)
{
	char uuid[UUID_TEXT], *dir = path_dir(path), *temp;
	int fd, err, close_err;

	host_uuid(s->host, uuid);
	temp = xasprintf("%s/.tmp.%s", dir, uuid);
	err = host_file_open(s->host, temp, O_WRONLY | O_CREAT | O_EXCL, 0644, &fd);
	if (err == -ENOENT) {
		err = host_dir_make_one(s->host, dir, 0755);
		if (err == 0)
			err = host_file_open(s->host, temp, O_WRONLY | O_CREAT | O_EXCL, 0644, &fd);
	}
	if (err == 0) {
		err = host_file_pwrite(s->host, fd, p, n, 0);
		close_err = host_file_close(s->host, fd);
		if (err == 0)
			err = close_err;
		if (err == 0)
			err = host_path_rename(s->host, temp, path);
		if (err < 0)
			host_path_unlink(s->host, temp);
	}
	free(temp);
	free(dir);
	return err;
}

static int write_meta(struct blob_store *s, const char *path, const char *media_type, size_t n)
{
	struct buf text = {0};
	char at[RFC3339_TEXT];
	int err;

	rfc3339_format(at, host_wall_ns(s->host));
	buf_append_str(&text, "{\"media_type\":");
	json_append_str(&text, media_type, strlen(media_type));
	buf_printf(&text, ",\"size\":%zu,\"created_at\":\"%s\"}", n, at);
	err = write_file(s, path, text.p, text.n);
	buf_free(&text);
	return err;
}

static void superseded_drop(struct blob_store *s, const char *hash)
{
	for (size_t i = 0; i < s->superseded.n; i++) {
		if (strcmp(s->superseded.p[i].hash, hash) == 0) {
			VEC_REMOVE(&s->superseded, i);
			return;
		}
	}
}

/* Looks whether the file is there, and makes sure it stays. An old file is
 * touched: garbage collection spares what is young. */
static bool claim_existing(struct blob_store *s, const char *hash, const char *path)
{
	struct host_file_info info;
	bool there;

	pthread_mutex_lock(&s->lock);
	superseded_drop(s, hash);
	there = host_path_stat(s->host, path, &info) == 0 && host_info_is_regular(&info);
	if (there && host_wall_ns(s->host) - info.mtime_ns > BLOB_TOUCH_AGE)
		host_path_touch(s->host, path);
	pthread_mutex_unlock(&s->lock);
	return there;
}

static void note_unsynced(struct blob_store *s, char *path)
{
	pthread_mutex_lock(&s->lock);
	VEC_PUSH(&s->unsynced, path);
	pthread_mutex_unlock(&s->lock);
	atomic_store(&s->want_sync, true);
}

int blob_put(struct blob_store *s, const char *media_type, const void *p, size_t n, char ret_hash[SHA256_HEX_BYTES])
{
	char hash[SHA256_HEX_BYTES], *path, *meta;
	bool had_data, had_meta;
	int err = 0;

	if (n > BLOB_MAX)
		return -EFBIG;
	sha256_hex(hash, p, n);
	path = blob_path(s, hash);
	meta = meta_path(path);
	had_data = claim_existing(s, hash, path);
	had_meta = had_data && host_path_exists(s->host, meta);
	if (!had_data)
		err = write_file(s, path, p, n);
	if (err == 0 && !had_meta) {
		err = write_meta(s, meta, media_type, n);
		if (err < 0 && !had_data)
			host_path_unlink(s->host, path);
	}
	if (err == 0) {
		memcpy(ret_hash, hash, sizeof hash);
		if (!had_meta) {
			note_unsynced(s, path);
			path = NULL;
		}
	}
	free(path);
	free(meta);
	return err;
}

/* ---- getting ---- */

bool blob_exists(struct blob_store *s, const char *hash)
{
	struct blob_info info;

	return blob_stat(s, hash, &info) == 0;
}

int blob_get(struct blob_store *s, const char *hash, struct buf *out)
{
	char *path;
	int err;

	if (!hash_good(hash))
		return -ENOENT;
	path = blob_path(s, hash);
	err = host_file_read_all(s->host, path, BLOB_MAX, out);
	free(path);
	return err == -ENOTDIR ? -ENOENT : err;
}

static void read_media_type(struct blob_store *s, const char *data, char ret[BLOB_MEDIA_TYPE_MAX + 1])
{
	char *path = meta_path(data);
	struct json_object *obj = NULL;
	struct buf text = {0};
	const char *type;

	strcpy(ret, default_media_type);
	if (host_file_read_all(s->host, path, BLOB_META_MAX, &text) == 0)
		obj = json_parse(text.p, text.n);
	if (json_object_is_type(obj, json_type_object) && json_get_str(obj, "media_type", &type) == 0 &&
	    strlen(type) <= BLOB_MEDIA_TYPE_MAX)
		strcpy(ret, type);
	json_object_put(obj);
	buf_free(&text);
	free(path);
}

int blob_open(struct blob_store *s, const char *hash, int *ret_fd, struct blob_info *ret)
{
	struct host_file_info info;
	char *path;
	int fd, err;

	if (!hash_good(hash))
		return -ENOENT;
	path = blob_path(s, hash);
	err = host_file_open(s->host, path, O_RDONLY, 0, &fd);
	if (err == 0) {
		err = host_file_fstat(s->host, fd, &info);
		if (err == 0 && !host_info_is_regular(&info))
			err = -EISDIR;
		if (err < 0)
			host_file_close(s->host, fd);
	}
	if (err == 0) {
		ret->size = info.size;
		read_media_type(s, path, ret->media_type);
		*ret_fd = fd;
	}
	free(path);
	return err == -ENOTDIR ? -ENOENT : err;
}

void blob_release(struct blob_store *s, int fd)
{
	host_file_close(s->host, fd);
}

int blob_stat(struct blob_store *s, const char *hash, struct blob_info *ret)
{
	int fd, err = blob_open(s, hash, &fd, ret);

	if (err == 0)
		host_file_close(s->host, fd);
	return err;
}

/* ---- syncing in the background ---- */

static int sync_file(struct blob_store *s, const char *path)
{
	int fd, err = host_file_open(s->host, path, O_RDONLY, 0, &fd);

	if (err < 0)
		return err == -ENOENT ? 0 : err; /* removed meanwhile */
	err = host_file_sync(s->host, fd);
	host_file_close(s->host, fd);
	return err;
}

static bool is_late(struct blob_store *s)
{
	uint64_t until = atomic_load(&s->sync_until);

	return until && host_now_ns(s->host) >= until;
}

/* Each file, then each directory once, then the store's own (new shards). */
static int sync_paths(struct blob_store *s, char *const *paths, size_t n)
{
	struct map dirs = {0};
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_late(s)) {
			log_info("blob", "%zu blobs are left to the system to write", n - i);
			break;
		}
		char *meta = meta_path(paths[i]), *dir = path_dir(paths[i]);
		int file_err = sync_file(s, paths[i]);

		if (file_err == 0)
			file_err = sync_file(s, meta);
		if (err == 0)
			err = file_err;
		map_put(&dirs, dir, s);
		free(meta);
		free(dir);
	}
	MAP_EACH(&dirs, e) {
		int dir_err = is_late(s) ? 0 : host_dir_sync(s->host, e->key);

		if (err == 0 && dir_err != -ENOENT)
			err = dir_err;
	}
	map_free(&dirs);
	if (err == 0 && n > 0)
		err = host_dir_sync(s->host, s->dir);
	return err;
}

int blob_sync(struct blob_store *s)
{
	char **paths;
	size_t n;
	int err;

	pthread_mutex_lock(&s->lock);
	paths = s->unsynced.p;
	n = s->unsynced.n;
	s->unsynced.p = NULL;
	s->unsynced.n = s->unsynced.cap = 0;
	pthread_mutex_unlock(&s->lock);
	err = sync_paths(s, paths, n);
	if (err < 0)
		log_warn("blob", "syncing %zu blobs: %s", n, strerror(-err));
	host_names_free(paths, n);
	return err;
}

/* ---- removing ---- */

/* Data first: a sidecar alone is nothing, data alone is served untyped. */
static int remove_blob(struct blob_store *s, const char *path)
{
	char *meta = meta_path(path);
	int err = host_path_remove(s->host, path);

	if (err == 0)
		err = host_path_remove(s->host, meta);
	free(meta);
	return err;
}

static void remove_due(struct blob_store *s)
{
	uint64_t now = host_now_ns(s->host);

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->superseded.n;) {
		char *path;

		if (s->superseded.p[i].due > now) {
			i++;
			continue;
		}
		path = blob_path(s, s->superseded.p[i].hash);
		remove_blob(s, path);
		free(path);
		VEC_REMOVE(&s->superseded, i);
	}
	pthread_mutex_unlock(&s->lock);
}

static void supersede_arm(struct blob_store *s)
{
	uint64_t now = host_now_ns(s->host), next = UINT64_MAX;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->superseded.n; i++)
		if (s->superseded.p[i].due < next)
			next = s->superseded.p[i].due;
	pthread_mutex_unlock(&s->lock);
	if (next != UINT64_MAX)
		host_timer_start(&s->supersede_timer, next > now ? next - now : 0);
}

void blob_supersede(struct blob_store *s, const char *hash, uint64_t grace)
{
	struct superseded mine = {.due = host_now_ns(s->host) + grace};

	if (!hash_good(hash))
		return;
	memcpy(mine.hash, hash, sizeof mine.hash);
	pthread_mutex_lock(&s->lock);
	superseded_drop(s, hash);
	VEC_PUSH(&s->superseded, mine);
	pthread_mutex_unlock(&s->lock);
	if (!host_timer_active(&s->supersede_timer))
		supersede_arm(s);
}

void blob_keep(struct blob_store *s, const char *hash)
{
	pthread_mutex_lock(&s->lock);
	superseded_drop(s, hash);
	pthread_mutex_unlock(&s->lock);
}

struct sweep {
	struct blob_store *s;
	uint64_t min_age;
	blob_marked_fn *is_marked;
	void *ctx;
	size_t removed;
	uint64_t bytes;
};

/* True when path is a regular file older than the sweep's age. */
static bool is_old(const struct sweep *w, const char *path, uint64_t *ret_size)
{
	struct host_file_info info;
	int64_t now = host_wall_ns(w->s->host);

	if (host_path_lstat(w->s->host, path, &info) < 0 || !host_info_is_regular(&info) || info.mtime_ns > now)
		return false;
	*ret_size = info.size;
	return (uint64_t)(now - info.mtime_ns) >= w->min_age;
}

static void sweep_blob(struct sweep *w, const char *hash, const char *path)
{
	uint64_t size;

	if (!is_old(w, path, &size) || w->is_marked(w->ctx, hash))
		return;
	pthread_mutex_lock(&w->s->lock);
	/* Asked again: a put may have claimed it meanwhile. */
	if (is_old(w, path, &size) && remove_blob(w->s, path) == 0) {
		w->removed++;
		w->bytes += size;
	}
	pthread_mutex_unlock(&w->s->lock);
}

static void sweep_entry(struct sweep *w, const char *shard, const char *dir, const char *name)
{
	char hash[SHA256_HEX_BYTES + 8], *path = path_join(dir, name);
	uint64_t size;

	if (strlen(name) == 62) {
		snprintf(hash, sizeof hash, "%.2s%.62s", shard, name);
		if (hash_good(hash))
			sweep_blob(w, hash, path);
	} else if (str_starts(name, ".tmp.") && is_old(w, path, &size)) {
		host_path_unlink(w->s->host, path);
	} else if (strlen(name) == 67 && str_ends(name, ".meta") && is_old(w, path, &size)) {
		/* A sidecar whose data is gone. */
		char *data = xstrndup(path, strlen(path) - 5);

		if (!host_path_exists(w->s->host, data))
			host_path_unlink(w->s->host, path);
		free(data);
	}
	free(path);
}

static void sweep_shard(struct sweep *w, const char *shard)
{
	char *dir = path_join(w->s->dir, shard), **names;
	size_t n;

	if (host_dir_list(w->s->host, dir, &names, &n) == 0) {
		for (size_t i = 0; i < n; i++)
			sweep_entry(w, shard, dir, names[i]);
		host_names_free(names, n);
	}
	free(dir);
}

int blob_gc(struct blob_store *s, uint64_t min_age, blob_marked_fn *is_marked, void *ctx, size_t *ret_removed,
	    uint64_t *ret_bytes)
{
	struct sweep w = {.s = s, .min_age = min_age, .is_marked = is_marked, .ctx = ctx};
	uint8_t byte;
	char **names;
	size_t n;
	int err = host_dir_list(s->host, s->dir, &names, &n);

	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++)
		if (strlen(names[i]) == 2 && hex_decode(&byte, 1, names[i], 2) == 0)
			sweep_shard(&w, names[i]);
	host_names_free(names, n);
	if (ret_removed)
		*ret_removed = w.removed;
	if (ret_bytes)
		*ret_bytes = w.bytes;
	return 0;
}

/* ---- the store ---- */

static void store_free(struct blob_store *s)
{
	host_names_free(s->unsynced.p, s->unsynced.n);
	VEC_FREE(&s->superseded);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s);
}

static void background_run(void *ctx)
{
	struct blob_store *s = ctx;

	blob_sync(s);
	remove_due(s);
}

static void background_done(void *ctx)
{
	struct blob_store *s = ctx;

	s->busy = false;
	if (s->closing)
		store_free(s);
	else
		supersede_arm(s);
}

static void background(void *ctx)
{
	struct blob_store *s = ctx;

	if (s->busy) {
		host_timer_start(&s->supersede_timer, HOST_MS(100));
		return;
	}
	s->busy = true;
	host_work(s->host, background_run, background_done, s);
}

/* Puts come from workers, timers belong to the loop: look once per turn. */
static void store_turn_end(void *ctx)
{
	struct blob_store *s = ctx;

	if (!host_timer_active(&s->sync_timer) && atomic_exchange(&s->want_sync, false))
		host_timer_start(&s->sync_timer, BLOB_SYNC_DELAY);
}

int blob_store_open(struct host *h, const char *dir, struct blob_store **ret)
{
	struct blob_store *s;
	int err = host_dir_make_soon(h, dir, 0755); /* a background sync makes it durable, as it does blobs */

	if (err < 0)
		return err;
	s = xcalloc(1, sizeof *s);
	s->host = h;
	s->dir = xstrdup(dir);
	pthread_mutex_init(&s->lock, NULL);
	host_timer_init(&s->sync_timer, h, background, s);
	host_timer_init(&s->supersede_timer, h, background, s);
	host_turn_end(h, &s->hook, store_turn_end, s);
	*ret = s;
	return 0;
}

void blob_store_close(struct blob_store *s)
{
	if (!s)
		return;
	host_turn_end_remove(s->host, &s->hook);
	host_timer_stop(&s->sync_timer);
	host_timer_stop(&s->supersede_timer);
	s->closing = true;
	atomic_store(&s->sync_until, host_now_ns(s->host) + CLOSE_LIMIT);
	blob_sync(s);
	if (!s->busy)
		store_free(s);
}
