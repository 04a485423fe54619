/* The file seen from outside (rooms.md 7.3): the directory is watched, own writes
 * are known by their content, and what another program wrote is merged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "notebook/merge.h"
#include "room/autosave.h"
#include "room/registry.h"
#include "room/room.h"

#define WATCH_DEBOUNCE HOST_MS(200)
#define WATCH_FILE_MAX ((size_t)1 << 31)

struct watcher {
	struct room *room;
	char *path; /* watched for */
	struct host_watch *watch;
	struct host_timer timer;
	bool again; /* an event came while the file was being read */
	bool reading;
};

/* A look at the file, on a worker. */
struct look {
	struct room_service *svc;
	uint64_t rid;
	char *path;
	bool has_baseline;
	uint8_t baseline[SHA256_BYTES];
	struct ipynb_version *previous; /* lends cell ids */
	/* Results. */
	int err;
	bool same;
	uint8_t sha256[SHA256_BYTES];
	struct host_file_info info;
	struct ipynb_version *version;
	char *reason;
	room_done_fn *done; /* may be NULL */
	void *ctx;
};

static void look_run(void *ctx)
{
	struct look *look = ctx;
	struct buf bytes = {0};
	look->err = host_path_stat(look->svc->host, look->path, &look->info);
	if (look->err == 0)
		look->err = host_file_read_all(look->svc->host, look->path, WATCH_FILE_MAX, &bytes);
	if (look->err == 0) {
		sha256(look->sha256, bytes.p, bytes.n);
		look->same = look->has_baseline && memcmp(look->sha256, look->baseline, SHA256_BYTES) == 0;
		if (!look->same)
			look->err = ipynb_read(bytes.p, bytes.n, look->previous, &look->version, &look->reason);
	}
	buf_free(&bytes);
}

static void random_bytes(void *ctx, void *p, size_t n)
{
	host_random(ctx, p, n);
}

/* What the file says becomes part of the document; base is what both had last. */
static int take_in(struct room *room, struct look *look)
{
	struct ipynb_version *base = ipynb_export_baseline(room->exporter);
	const struct merge_opts opts = {.blobs = &room->svc->notebook_blobs,
					.keep_outputs = kernel_exists(room->kernel),
					.random = random_bytes, .random_ctx = room->svc->host};
	struct merge_result result = {0};
	notebook_commit(room->nb);
	room_changed(room, false);
	room_settle(room);
	bool was_dirty = autosave_dirty(room->autosave);
	struct ipynb_version *empty = base ? NULL : ipynb_empty();
	int r = merge_file(room->nb, base ? base : empty, look->version, &opts, &result);
	ipynb_unref(empty);
	if (r < 0) {
		log_error("room", "%s: the changed file could not be merged: %s", room->path, strerror(-r));
		return r;
	}
	log_info("room", "%s changed outside: %zu cells added, %zu removed, %zu edited, %zu kept beside", room->path,
		 result.added, result.removed, result.edited, result.conflicts);
	room_changed(room, true);
	ipynb_export_rebase(room->exporter, look->version, false);
	room_settle(room);
	size_t n;
	const am_hash *heads = notebook_heads(room->nb, &n);
	bool clean = !was_dirty && !result.conflicts;
	/* Heads that hold more than the file must not pass for exported: a journal with nothing else would be
	 * thrown away at the next load. */
	autosave_rebase(room, look->sha256, clean ? heads : NULL, clean ? n : 0, clean);
	room_write_sidecar(room);
	return 0;
}

static void look_done(void *ctx)
{
	struct look *look = ctx;
	struct room *room = room_by_rid(look->svc, look->rid);
	int err = look->err;
	if (room && room->rid == look->rid && room->path && strcmp(room->path, look->path) == 0) {
		struct watcher *w = room->watcher;
		if (w)
			w->reading = false;
		uint8_t now[SHA256_BYTES];
		/* Written by ourselves while this was on its way: it says nothing new. */
		bool own = err == 0 && autosave_is_own(room->autosave, look->sha256);
		if (err == 0 && !look->same && !own && room->state != ROOM_LOAD_FAILED)
			err = take_in(room, look);
		else if (look->reason)
			log_info("room", "%s: left alone, it is no notebook now: %s", room->path, look->reason);
		/* Only of the bytes the room is at: a look from before our own write knows the old inode. */
		if (err == 0 && autosave_baseline(room->autosave, now) && memcmp(now, look->sha256, SHA256_BYTES) == 0)
			registry_rebind(room->svc->registry, room, room->path, &look->info);
		if (w && w->again) {
			w->again = false;
			host_timer_start(&w->timer, WATCH_DEBOUNCE);
		}
	}
	if (room && room->rid == look->rid)
		room_unpin(room);
	if (look->done)
		look->done(look->ctx, err);
	ipynb_unref(look->version);
	ipynb_unref(look->previous);
	free(look->reason);
	free(look->path);
	free(look);
}

void watch_check(struct room *room, room_done_fn *done, void *ctx)
{
	struct look *look = xcalloc(1, sizeof *look);
	look->svc = room->svc;
	look->rid = room->rid;
	look->path = xstrdup(room->path);
	look->has_baseline = autosave_baseline(room->autosave, look->baseline);
	struct ipynb_version *previous = ipynb_export_baseline(room->exporter);
	look->previous = previous ? ipynb_ref(previous) : NULL;
	look->done = done;
	look->ctx = ctx;
	if (room->watcher)
		room->watcher->reading = true;
	room_pin(room);
	host_work(room->svc->host, look_run, look_done, look);
}

bool watch_behind(const struct room *room)
{
	struct host_file_info now;
	return room->path && room->inode_known && host_path_stat(room->svc->host, room->path, &now) == 0 &&
	       !host_info_same_stamp(&room->inode, &now);
}

static void debounced(void *ctx)
{
	struct watcher *w = ctx;
	/* The end of our own write looks at the new baseline first. */
	if (w->reading || autosave_busy(w->room)) {
		host_timer_start(&w->timer, WATCH_DEBOUNCE);
		return;
	}
	watch_check(w->room, NULL, NULL);
}

static void event(void *ctx, const char *name, int events)
{
	struct watcher *w = ctx;
	(void)events;
	if (name && strcmp(name, path_base(w->path)) != 0)
		return;
	if (w->reading)
		w->again = true;
	else
		host_timer_start(&w->timer, WATCH_DEBOUNCE);
}

void watch_stop(struct room *room)
{
	struct watcher *w = room->watcher;
	if (!w)
		return;
	room->watcher = NULL;
	host_timer_stop(&w->timer);
	if (w->watch)
		host_watch_close(w->watch);
	free(w->path);
	free(w);
}

void watch_start(struct room *room)
{
	if (room->watcher && strcmp(room->watcher->path, room->path) == 0 && room->watcher->watch)
		return;
	watch_stop(room);
	struct watcher *w = xcalloc(1, sizeof *w);
	w->room = room;
	w->path = xstrdup(room->path);
	host_timer_init(&w->timer, room->svc->host, debounced, w);
	room->watcher = w;
	char *dir = path_dir(room->path);
	int r = host_watch_dir(room->svc->host, dir, event, w, &w->watch);
	if (r < 0 && r != -ENOENT)
		log_warn("room", "%s cannot be watched: %s", dir, strerror(-r));
	free(dir);
}
