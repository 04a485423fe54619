#include "room/autosave.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "room/export.h"
#include "room/registry.h"

struct flush_waiter {
	room_done_fn *fn;
	void *ctx;
};

struct autosave {
	struct room *room;
	struct host_timer timer;
	uint64_t changes;       /* counts visible changes */
	uint64_t exported;      /* value of `changes` the file shows */
	uint64_t first_unsaved; /* host_now_ns of the first change since then; 0 = none */
	uint64_t retry;         /* delay of the next try after a failure; 0 = none failed */
	bool has_baseline;
	uint8_t baseline[SHA256_BYTES];
	struct heads exported_heads;
	bool writing;
	struct export_job *job;  /* of the write under way */
	struct export_job *held; /* its bytes are ready; the sidecar is being told of them */
	struct host_timer held_limit;
	unsigned suspended;
	uint64_t writing_changes; /* value of `changes` in the write under way */
	struct heads writing_heads;
	bool writing_named;       /* a write of these bytes, from writing_heads, may have reached the file */
	uint8_t writing_sha256[SHA256_BYTES];
	VEC(struct flush_waiter) waiters;
};

struct write_ctx {
	struct room_service *svc;
	uint64_t rid;
};

/* The sidecar should name what is about to be written before it is in place; a journal whose disk does not
 * take it must not hold the file up. */
#define AUTOSAVE_NAMING_LIMIT HOST_SEC(1)

static void begin_write(struct autosave *a);
static void go_on_writing(void *ctx);

static void timer_due(void *ctx)
{
	begin_write(ctx);
}

struct autosave *autosave_new(struct room *room)
{
	struct autosave *a = xcalloc(1, sizeof *a);
	a->room = room;
	host_timer_init(&a->timer, room->svc->host, timer_due, a);
	host_timer_init(&a->held_limit, room->svc->host, go_on_writing, a);
	return a;
}

static void tell_waiters(struct autosave *a, int err)
{
	VEC(struct flush_waiter) list = {0};
	for (size_t i = 0; i < a->waiters.n; i++)
		VEC_PUSH(&list, a->waiters.p[i]);
	a->waiters.n = 0;
	for (size_t i = 0; i < list.n; i++)
		list.p[i].fn(list.p[i].ctx, err);
	VEC_FREE(&list);
}

void autosave_free(struct autosave *a)
{
	host_timer_stop(&a->timer);
	go_on_writing(a);
	/* Somebody may hold a claim until he hears of it. */
	tell_waiters(a, -ECANCELED);
	heads_fini(&a->exported_heads);
	heads_fini(&a->writing_heads);
	VEC_FREE(&a->waiters);
	free(a);
}

bool autosave_dirty(const struct autosave *a)
{
	return a->changes != a->exported;
}

bool autosave_busy(const struct room *room)
{
	return room->autosave->writing;
}

bool autosave_is_own(const struct autosave *a, const uint8_t sha[SHA256_BYTES])
{
	return (a->has_baseline && memcmp(sha, a->baseline, SHA256_BYTES) == 0) ||
	       (a->writing && a->writing_named && memcmp(sha, a->writing_sha256, SHA256_BYTES) == 0);
}

bool autosave_baseline(const struct autosave *a, uint8_t ret[SHA256_BYTES])
{
	if (a->has_baseline)
		memcpy(ret, a->baseline, SHA256_BYTES);
	return a->has_baseline;
}

static char *hex_of(const uint8_t sha[SHA256_BYTES])
{
	char *hex = xmalloc(SHA256_HEX_BYTES);
	hex_encode(hex, sha, SHA256_BYTES);
	return hex;
}

static char **heads_hex(const struct heads *heads, size_t *ret_n)
{
	char **hex = xcalloc(heads->n, sizeof *hex);
	for (size_t i = 0; i < heads->n; i++)
		hex[i] = hex_of(heads->p[i].b);
	*ret_n = heads->n;
	return hex;
}

void autosave_describe(const struct autosave *a, struct sidecar *sc)
{
	if (a->has_baseline)
		sc->baseline_sha256 = hex_of(a->baseline);
	sc->exported_heads = heads_hex(&a->exported_heads, &sc->n_exported_heads);
	if (a->writing_named) {
		sc->writing_sha256 = hex_of(a->writing_sha256);
		sc->writing_heads = heads_hex(&a->writing_heads, &sc->n_writing_heads);
	}
}

/* The quiet time starts anew with each change, the maximum does not (rooms.md 7.1). */
static void schedule(struct autosave *a)
{
	struct host *h = a->room->svc->host;
	if (!autosave_dirty(a) || a->suspended || a->writing)
		return;
	if (a->room->kind != ROOM_PATH || a->room->state == ROOM_LOAD_FAILED || a->room->state == ROOM_LOADING)
		return;
	uint64_t now = host_now_ns(h), delay = AUTOSAVE_QUIET;
	if (a->first_unsaved == 0)
		a->first_unsaved = now;
	uint64_t age = now - a->first_unsaved;
	if (age + delay > AUTOSAVE_MAX)
		delay = age < AUTOSAVE_MAX ? AUTOSAVE_MAX - age : 0;
	if (a->retry)
		delay = host_timer_active(&a->timer) ? host_timer_left(&a->timer) : a->retry;
	host_timer_start(&a->timer, delay);
}

void autosave_arm(struct room *room)
{
	room->autosave->changes++;
	schedule(room->autosave);
}

void autosave_suspend(struct autosave *a)
{
	a->suspended++;
	host_timer_stop(&a->timer);
}

void autosave_resume(struct room *room)
{
	if (room->autosave->suspended)
		room->autosave->suspended--;
	if (room->autosave->waiters.n && !room->autosave->suspended)
		begin_write(room->autosave);
	else
		schedule(room->autosave);
}

void autosave_rebase(struct room *room, const uint8_t sha[SHA256_BYTES], const am_hash *heads, size_t n, bool clean)
{
	struct autosave *a = room->autosave;
	memcpy(a->baseline, sha, SHA256_BYTES);
	a->has_baseline = true;
	room->ever_on_disk = true;
	if (heads)
		heads_set(&a->exported_heads, heads, n);
	if (clean) {
		a->exported = a->changes;
		a->first_unsaved = 0;
		host_timer_stop(&a->timer);
	} else if (!autosave_dirty(a)) {
		a->changes++;
		schedule(a);
	}
}

/* ---- a write and its end ---- */

static bool is_permanent(int err)
{
	return err == -EISDIR || err == -EACCES || err == -EPERM || err == -EROFS;
}

static void write_failed(struct autosave *a, int err)
{
	struct room *room = a->room;
	a->retry = a->retry ? a->retry * 2 : HOST_SEC(1);
	if (a->retry > AUTOSAVE_RETRY_MAX)
		a->retry = AUTOSAVE_RETRY_MAX;
	/* Said once: E9 asks for a quiet log while a directory is away. */
	if (a->retry == HOST_SEC(1)) {
		char *text = xasprintf("Failed to write %s: %s", room->path, strerror(-err));
		log_warn("room", "%s; edits are in the journal", text);
		state_storage(room, text);
		free(text);
	}
	if (is_permanent(err))
		a->retry = AUTOSAVE_RETRY_MAX; /* probed now and then: it may be mended */
	host_timer_start(&a->timer, a->retry);
}

static void write_succeeded(struct autosave *a, const struct export_result *r)
{
	struct room *room = a->room;
	if (a->retry)
		state_storage(room, NULL);
	a->retry = 0;
	a->writing_named = false; /* it is the baseline */
	a->exported = a->writing_changes;
	a->first_unsaved = 0;
	memcpy(a->baseline, r->sha256, SHA256_BYTES);
	a->has_baseline = true;
	room->ever_on_disk = true;
	heads_set(&a->exported_heads, r->heads, r->n_heads);
	ipynb_export_rebase(room->exporter, r->version, true);
	registry_rebind(room->svc->registry, room, room->path, &r->info);
	watch_start(room);
	room_write_sidecar(room);
	state_saved(room);
	if (autosave_dirty(a)) {
		schedule(a);
	} else if (!r->unchanged) {
		const struct broadcast b = {.event = BROADCAST_NOTEBOOK_AUTOSAVED, .path = room->path};
		room_broadcast(room, &b, 0);
	}
}

static void merged_first(void *ctx, int err)
{
	struct write_ctx *w = ctx;
	struct room *room = room_by_rid(w->svc, w->rid);
	if (room && room->rid == w->rid) {
		struct autosave *a = room->autosave;
		room_unpin(room);
		if (err < 0)
			write_failed(a, err);
		if (a->waiters.n && err >= 0 && autosave_dirty(a))
			begin_write(a);
		else
			tell_waiters(a, err);
		schedule(a);
	}
	free(w);
}

static void write_done(void *ctx, const struct export_result *r)
{
	struct write_ctx *w = ctx;
	struct room *room = room_by_rid(w->svc, w->rid);
	if (!room || room->rid != w->rid) {
		free(w);
		return;
	}
	struct autosave *a = room->autosave;
	a->writing = false;
	if (r->stale) {
		/* Somebody else wrote the file and it is not merged yet: merge, then write. */
		watch_check(room, merged_first, w);
		return;
	}
	room_unpin(room);
	if (r->err < 0 && r->err != -ECANCELED)
		write_failed(a, r->err);
	else if (r->err == 0)
		write_succeeded(a, r);
	if (a->waiters.n && autosave_dirty(a) && r->err == 0)
		begin_write(a);
	else
		tell_waiters(a, r->err);
	free(w);
}

static void go_on_writing(void *ctx)
{
	struct autosave *a = ctx;
	struct export_job *job = a->held;
	a->held = NULL;
	host_timer_stop(&a->held_limit);
	if (job)
		export_continue(job, true);
}

static void named(void *ctx, int err)
{
	(void)err; /* then a crash now would make the next load merge the file with what it came from */
	go_on_writing(ctx);
}

static bool ready_to_rename(void *ctx, const uint8_t sha[SHA256_BYTES])
{
	struct write_ctx *w = ctx;
	struct room *room = room_by_rid(w->svc, w->rid);
	if (!room || room->rid != w->rid || !room->journal || journal_status(room->journal, NULL) != JOURNAL_OK)
		return true;
	struct autosave *a = room->autosave;
	memcpy(a->writing_sha256, sha, SHA256_BYTES);
	a->writing_named = true;
	a->held = a->job;
	export_hold(a->job);
	host_timer_start(&a->held_limit, AUTOSAVE_NAMING_LIMIT);
	room_tell_sidecar(room, named, a);
	return false;
}

static void begin_write(struct autosave *a)
{
	struct room *room = a->room;
	if (a->writing || a->suspended || room->kind != ROOM_PATH || room->state == ROOM_LOAD_FAILED)
		return;
	host_timer_stop(&a->timer);
	struct write_ctx *w = xcalloc(1, sizeof *w);
	*w = (struct write_ctx){room->svc, room->rid};
	const struct export_opts opts = {.check_baseline = true, .make_parents = !room->ever_on_disk,
					 .ready = ready_to_rename};
	room_pin(room);
	a->writing = true;
	room_settle(room);
	a->writing_changes = a->changes;
	int r = export_start(room, room->path, &opts, write_done, w, &a->job);
	if (r < 0) {
		a->writing = false;
		log_error("room", "%s: cannot be rendered: %s", room->path, strerror(-r));
		write_failed(a, r);
		tell_waiters(a, r);
		room_unpin(room);
		free(w);
		return;
	}
	size_t n;
	const am_hash *heads = notebook_heads(room->nb, &n);
	heads_set(&a->writing_heads, heads, n);
	a->writing_named = false;
}

void autosave_write(struct room *room, room_done_fn *done, void *ctx)
{
	struct autosave *a = room->autosave;
	VEC_PUSH(&a->waiters, ((struct flush_waiter){done, ctx}));
	if (a->writing)
		a->changes++; /* the write under way may not have it all: one more follows */
	else
		begin_write(a);
}

void autosave_flush(struct room *room, room_done_fn *done, void *ctx)
{
	struct autosave *a = room->autosave;
	room_settle(room);
	if (room->kind != ROOM_PATH || room->state == ROOM_LOAD_FAILED || (!a->writing && !autosave_dirty(a)))
		done(ctx, 0);
	else if (a->writing)
		VEC_PUSH(&a->waiters, ((struct flush_waiter){done, ctx}));
	else
		autosave_write(room, done, ctx);
}
