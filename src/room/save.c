/* Explicit saves (rooms.md 8, 11.3, 9.i): onto the own path, promotion of an
 * untitled room, copies of a saved one, clones. A path is claimed before a byte of
 * it is written; a refused or failed save changes nothing (I-3, I-5). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "room/admission.h"
#include "room/autosave.h"
#include "room/export.h"
#include "room/path.h"
#include "room/peer.h"
#include "room/registry.h"

#define SAVE_ASK_AGAIN HOST_MS(10)
#define SAVE_LIMIT HOST_SEC(25) /* clients give a request 30 s */

enum save_kind { SAVE_PROMOTE, SAVE_COPY, SAVE_CLONE };

struct save {
	struct room_service *svc;
	uint64_t rid;
	struct pending *pending;
	enum save_kind kind;
	char *target;
	struct claim *claim;
	uint64_t occupant; /* rid of the room held still meanwhile; 0 = none */
	uint64_t deadline;
	struct host_timer again;
	struct export_job *job;
	bool pinned;
	bool intent;       /* an alias intent was written */
	char uuid[UUID_TEXT];
	size_t format_at;  /* next cell to format */
	char *format_id, *format_source;
	size_t format_n;
};

static void admit(struct save *save);

static struct room *save_room(struct save *save)
{
	return room_by_rid(save->svc, save->rid);
}

/* ---- its end ---- */

static void let_occupant_go_on(struct save *save)
{
	struct room *l = save->occupant ? room_by_rid(save->svc, save->occupant) : NULL;
	if (l && l->rid == save->occupant) {
		autosave_resume(l);
		if (save->kind == SAVE_PROMOTE)
			watch_start(l);
		l->holds--;
		room_unpin(l);
	}
	save->occupant = 0;
}

static void save_free(struct save *save)
{
	struct room *room = save_room(save);
	host_timer_stop(&save->again);
	let_occupant_go_on(save);
	if (save->intent)
		alias_drop_intent(save->svc->aliases, save->uuid, NULL, NULL);
	if (save->claim)
		claim_release(save->svc->registry, save->claim);
	if (save->pinned && room && room->rid == save->rid) /* a room that was folded away took its pins along */
		room_unpin(room);
	free(save->format_id);
	free(save->format_source);
	free(save->target);
	free(save);
}

static void fail(struct save *save, const struct error *e)
{
	struct pending *p = save->pending;
	save_free(save);
	pending_fail(p, e);
}

static void fail_write(struct save *save, int err)
{
	char why[128];
	error_os_text(-err, why, sizeof why);
	fail(save, &(struct error){.code = save->kind == SAVE_CLONE ? ERROR_CLONE : ERROR_SAVE_WRITE, .os_errno = -err,
				   .cause = why});
}

static void refuse(struct save *save, const struct room *occupant)
{
	char *target = xstrdup(save->target);
	log_info("room", "a save onto %s was refused: it is open and worked in", target);
	if (save->kind == SAVE_CLONE) {
		char *cause = xasprintf("%s is already open in another session", target);
		fail(save, &(struct error){.code = ERROR_CLONE, .cause = cause});
		free(cause);
		free(target);
		return;
	}
	fail(save, &(struct error){.code = ERROR_SAVE_ALREADY_OPEN, .subject = target, .cause = occupant->uuid});
	free(target);
}

static void succeed(struct save *save, const char *new_id)
{
	struct pending *p = save->pending;
	char *path = xstrdup(save->target);
	enum save_kind kind = save->kind;
	save->intent = false;
	struct response r = {.result = kind == SAVE_CLONE ? RESPONSE_NOTEBOOK_CLONED : RESPONSE_NOTEBOOK_SAVED,
			     .path = path, .new_notebook_id = new_id};
	/* Answered before the claim goes: whoever was parked on it comes after the saver. */
	pending_answer(p, &r);
	save_free(save);
	free(path);
}

/* ---- the commit of a promotion, one turn (11.3 step 5) ---- */

/* The room at the target, whose file is the saver's by now, becomes part of the saver's. On an error
 * (a change that both cannot have came since the last check) it is as it was. */
static int fold_occupant(struct save *save, struct room *room, struct room *l)
{
	enum admission a = l ? room_admission(room, l, true) : ADMIT_FREE;
	if (a == ADMIT_FREE)
		return 0;
	/* What was decided before the write stands; work done since is kept by the fold. */
	int r = room_fold(room, l, a == ADMIT_ABSORB ? FOLD_ABSORB : l->ever_on_disk ? FOLD_REPLACE : FOLD_UNION);
	if (r == 0)
		save->occupant = 0;
	return r;
}

/* The file goes back to the room that had it; the saver's stays what it was. */
static void give_back(struct save *save, struct room *l, const struct export_result *r)
{
	log_error("room", "%s: its room cannot be joined with this one", save->target);
	autosave_rebase(l, r->sha256, NULL, 0, false);
	refuse(save, l);
}

static void promote(struct save *save, struct room *room, const struct export_result *r)
{
	struct registry *reg = save->svc->registry;
	char hex[SHA256_HEX_BYTES];
	registry_promote(reg, room, save->target, &r->info);
	if (room->journal)
		journal_rename(room->journal, room->path, NULL, NULL);
	hex_encode(hex, r->sha256, SHA256_BYTES);
	alias_finish(save->svc->aliases, room->uuid, room->path, hex, NULL, NULL);
	autosave_rebase(room, r->sha256, r->heads, r->n_heads, true);
	ipynb_export_rebase(room->exporter, r->version, true);
	size_t n;
	const am_hash *heads = notebook_heads(room->nb, &n);
	struct heads written = {(am_hash *)(uintptr_t)r->heads, r->n_heads};
	if (!heads_equal(&written, heads, n))
		autosave_arm(room); /* edits since the snapshot, or folded in */
	room->authored = true;
	room->unsettled = true;
	watch_start(room);
	room_write_sidecar(room);
	room_recheck_trust(room);
	state_saved(room);
}

static void promoted(void *ctx, const struct export_result *r)
{
	struct save *save = ctx;
	struct room *room = save_room(save);
	if (!room) {
		fail_write(save, -ECANCELED);
		return;
	}
	if (r->err == -ECANCELED) {
		struct room *l = registry_by_path(save->svc->registry, save->target);
		if (l)
			refuse(save, l);
		else
			fail_write(save, r->err);
		return;
	}
	if (r->err < 0) {
		fail_write(save, r->err);
		return;
	}
	struct room *l = save->occupant ? room_by_rid(save->svc, save->occupant) : NULL;
	if (l && l->rid != save->occupant)
		l = NULL;
	if (fold_occupant(save, room, l) < 0) {
		give_back(save, l, r);
		return;
	}
	promote(save, room, r);
	char *id = xstrdup(room->path);
	save->intent = false;
	succeed(save, id);
	const struct broadcast b = {.event = BROADCAST_ROOM_RENAMED, .new_notebook_id = id};
	room_broadcast(room, &b, 0);
	room_settle(room);
	free(id);
}

/* ---- before the rename ---- */

static void intent_written(void *ctx, int err)
{
	struct save *save = ctx;
	if (err < 0)
		log_warn("room", "the save intent was not recorded: %s", strerror(-err));
	export_continue(save->job, true);
}

/* The intent goes to disk before anything else does, so that a crash from here on is
 * told apart and leaves nothing behind (rooms.md 13.2). */
static bool ready_to_write(void *ctx, const uint8_t sha[SHA256_BYTES])
{
	struct save *save = ctx;
	struct room *room = save_room(save);
	char hex[SHA256_HEX_BYTES];
	if (!room)
		return false;
	hex_encode(hex, sha, SHA256_BYTES);
	save->intent = true;
	export_hold(save->job);
	alias_intent(save->svc->aliases, room->uuid, save->target, hex, intent_written, save);
	return false;
}

/* The temp file is written: is everything still as it was admitted? */
static bool ready_to_rename(void *ctx, const uint8_t sha[SHA256_BYTES])
{
	struct save *save = ctx;
	struct room *room = save_room(save);
	struct room *l = save->occupant ? room_by_rid(save->svc, save->occupant) : NULL;
	(void)sha;
	if (!room)
		return false;
	if (!l || l->rid != save->occupant)
		return true;
	return room_admission(room, l, host_path_exists(save->svc->host, save->target)) != ADMIT_REFUSE &&
	       fold_check(room->nb, l->nb) == 0;
}

/* ---- copies and clones ---- */

static void copied(void *ctx, const struct export_result *r)
{
	struct save *save = ctx;
	if (r->err < 0)
		fail_write(save, r->err);
	else
		succeed(save, NULL);
}

/* ---- admission ---- */

static void ask_again(void *ctx)
{
	admit(ctx);
}

static void occupant_flushed(void *ctx, int err)
{
	struct save *save = ctx;
	struct room *l = registry_by_path(save->svc->registry, save->target);
	if (err < 0 && l)
		refuse(save, l);
	else
		admit(save);
}

static void claim_over(void *ctx)
{
	admit(ctx);
}

/* Nobody opens, writes or folds the target until the claim goes. */
static void take_claim(struct save *save, struct room *room)
{
	if (!save->claim)
		save->claim = claim_take(save->svc->registry, save->target, room);
	if (!save->pinned)
		room_pin(room);
	save->pinned = true;
}

static int write_target(struct save *save, struct room *room)
{
	const struct export_opts opts = {.make_parents = true, .keep_old = true,
					 .begin = save->kind == SAVE_PROMOTE ? ready_to_write : NULL,
					 .ready = save->kind == SAVE_PROMOTE ? ready_to_rename : NULL};
	if (save->kind != SAVE_CLONE)
		return export_start(room, save->target, &opts, save->kind == SAVE_PROMOTE ? promoted : copied, save,
				    &save->job);
	struct buf bytes = {0};
	char env_id[UUID_TEXT];
	room_commit(room);
	host_uuid(save->svc->host, env_id);
	int r = ipynb_export_clone(room->exporter, room->nb, env_id, &room->svc->notebook_blobs, &bytes);
	if (r == 0)
		export_bytes(room, save->target, &bytes, &opts, copied, save);
	buf_free(&bytes);
	return r;
}

static void begin_writing(struct save *save, struct room *room, struct room *occupant)
{
	take_claim(save, room);
	memcpy(save->uuid, room->uuid, sizeof save->uuid);
	if (occupant && save->kind == SAVE_PROMOTE) {
		int r = fold_check(room->nb, occupant->nb);
		if (r < 0) {
			log_warn("room", "%s: its room cannot be joined with this one: %s", save->target, strerror(-r));
			refuse(save, occupant);
			return;
		}
		watch_stop(occupant); /* it would take our write for somebody else's edit */
	}
	if (occupant) { /* one writer of a path at a time (I-12) */
		save->occupant = occupant->rid;
		autosave_suspend(occupant->autosave);
		occupant->holds++; /* no eviction: it could not be folded in the midst of that */
		room_pin(occupant);
	}
	int r = write_target(save, room);
	if (r < 0)
		fail_write(save, r);
}

static void saved_own_path(void *ctx, int err)
{
	struct save *save = ctx;
	if (err < 0)
		fail_write(save, err);
	else
		succeed(save, NULL);
}

static struct room *occupant_of(struct save *save)
{
	struct host_file_info info;
	struct registry *reg = save->svc->registry;
	struct room *l = registry_by_path(reg, save->target);
	if (!l && host_path_stat(save->svc->host, save->target, &info) == 0)
		l = registry_by_inode(reg, info.dev, info.ino);
	return l;
}

static void admit(struct save *save)
{
	struct room *room = save_room(save);
	struct claim *claim = claim_find(save->svc->registry, save->target);
	if (!room || room->state == ROOM_GONE || save->svc->stopping) {
		fail_write(save, -ECANCELED);
		return;
	}
	if (claim && claim != save->claim) {
		claim_wait(claim, claim_over, save);
		return;
	}
	/* One promotion of a room at a time; what comes behind it is a copy (rooms.md 11.3). */
	struct claim *first = save->kind == SAVE_PROMOTE ? claim_before(save->svc->registry, room->rid, save->claim) : NULL;
	if (first) {
		claim_wait(first, claim_over, save);
		return;
	}
	if (save->kind == SAVE_PROMOTE && room->path) /* promoted by another save meanwhile */
		save->kind = SAVE_COPY;
	struct room *l = occupant_of(save);
	bool on_disk = host_path_exists(save->svc->host, save->target);
	enum admission a = save->kind == SAVE_PROMOTE ? room_admission(room, l, on_disk) : room_admission_copy(room, l);
	switch (a) {
	case ADMIT_SELF:
		if (save->kind == SAVE_CLONE)
			fail(save, &(struct error){.code = ERROR_CLONE, .cause = "the target is the notebook itself"});
		else
			autosave_write(room, saved_own_path, save);
		break;
	case ADMIT_WAIT:
		take_claim(save, room);
		if (host_now_ns(save->svc->host) > save->deadline)
			fail_write(save, -ETIMEDOUT);
		else
			host_timer_start(&save->again, SAVE_ASK_AGAIN);
		break;
	case ADMIT_FLUSH:
		take_claim(save, room);
		autosave_flush(l, occupant_flushed, save);
		break;
	case ADMIT_REFUSE:
		refuse(save, l);
		break;
	default:
		begin_writing(save, room, l);
	}
}

/* ---- formatting first ---- */

static void format_next(struct save *save);

static void formatted(void *ctx, uint64_t token, const char *text, size_t n)
{
	struct save *save = ctx;
	struct room *room = save_room(save);
	size_t now_n = 0;
	(void)token;
	if (room && text) {
		char *now = cell_source(room->nb, save->format_id, &now_n);
		if (now && now_n == save->format_n && memcmp(now, save->format_source, now_n) == 0) {
			cell_set_source(room->nb, save->format_id, text, n);
			room_commit(room);
		}
		free(now);
	}
	format_next(save);
}

static void format_next(struct save *save)
{
	struct room *room = save_room(save);
	free(save->format_id);
	free(save->format_source);
	save->format_id = save->format_source = NULL;
	while (room && save->format_at < cells_count(room->nb) &&
	       host_now_ns(save->svc->host) + SAVE_LIMIT / 2 < save->deadline) {
		const char *id = cells_id_at(room->nb, save->format_at++), *runtime = notebook_runtime(room->nb);
		char *type = cell_type(room->nb, id);
		bool code = runtime && type && strcmp(type, "code") == 0;
		free(type);
		if (!code)
			continue;
		save->format_id = xstrdup(id);
		save->format_source = cell_source(room->nb, id, &save->format_n);
		formatter_run(save->svc->formatter, runtime, save->format_source, save->format_n, formatted, save, 0);
		return;
	}
	admit(save);
}

/* ---- requests ---- */

static struct save *save_new(struct room *room, struct pending *pending, enum save_kind kind)
{
	struct save *save = xcalloc(1, sizeof *save);
	save->svc = room->svc;
	save->rid = room->rid;
	save->pending = pending;
	save->kind = kind;
	save->deadline = host_now_ns(room->svc->host) + SAVE_LIMIT;
	host_timer_init(&save->again, room->svc->host, ask_again, save);
	return save;
}

static bool resolve_target(struct save *save, const char *path, enum error_code relative)
{
	struct room_path p;
	char *reason = NULL;
	int r = room_path_resolve(save->svc->host, path, ROOM_PATH_SAVE, &p, &reason);
	if (r == 0) {
		save->target = p.path;
		return true;
	}
	if (r == -EINVAL && *path != '/')
		fail(save, &(struct error){.code = relative, .subject = path});
	else if (r == -EINVAL || save->kind == SAVE_CLONE)
		fail(save, &(struct error){.code = save->kind == SAVE_CLONE ? ERROR_CLONE : ERROR_SAVE,
					   .cause = reason});
	else
		fail_write(save, r);
	free(reason);
	return false;
}

void room_save(struct room *room, struct pending *pending, const struct request *r)
{
	struct save *save = save_new(room, pending, room->kind == ROOM_PATH ? SAVE_COPY : SAVE_PROMOTE);
	if (!r->path && room->kind != ROOM_PATH) {
		fail(save, &(struct error){.code = ERROR_SAVE_UNTITLED});
		return;
	}
	if (!r->path)
		save->target = xstrdup(room->path);
	else if (!resolve_target(save, r->path, ERROR_SAVE_RELATIVE))
		return;
	if (r->format_cells)
		format_next(save);
	else
		admit(save);
}

void room_clone(struct room *room, struct pending *pending, const struct request *r)
{
	struct save *save = save_new(room, pending, SAVE_CLONE);
	if (resolve_target(save, r->path, ERROR_CLONE_RELATIVE))
		admit(save);
}
