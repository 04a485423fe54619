/* The end of a room (rooms.md 12, 13.1): flushed first, kernel ended, then removed
 * in one turn; a peer that comes before that takes the room back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "room/autosave.h"
#include "room/join.h"
#include "room/peer.h"
#include "room/registry.h"
#include "store/snapshot.h"

#define EVICT_RETRY HOST_SEC(30)
#define DRAIN_STEP_LIMIT HOST_SEC(5)

void evict_cancel(struct room *room)
{
	host_timer_stop(&room->evict_timer);
}

void evict_arm(struct room *room)
{
	struct room_service *svc = room->svc;
	if (room->state == ROOM_GONE || room->state == ROOM_DRAINING || room->peers.n || room->pins)
		return;
	if (room->state == ROOM_LIVE && kernel_is_working(room->kernel))
		return; /* keep-alive begins when peers and queue are both empty (design.md 7.15) */
	uint64_t delay = svc->evict_ms ? HOST_MS(svc->evict_ms) : HOST_SEC(svc->keep_alive_secs);
	host_timer_start(&room->evict_timer, room->state == ROOM_LOAD_FAILED ? 0 : delay);
}

struct drain {
	struct room_service *svc;
	uint64_t id; /* what comes back late is told by it: memory is used again */
	struct room *room;
	bool force;
	bool removing; /* past the point of return */
	struct host_timer limit;
	host_fn *done;
	void *ctx;
	void (*step)(struct drain *d, int err);
};

bool evict_may_come_back(const struct room *room)
{
	return room->drain && !room->drain->force && !room->drain->removing;
}

static void drain_end(struct drain *d)
{
	host_timer_stop(&d->limit);
	if (d->done)
		d->done(d->ctx);
	free(d);
}

/* Flushing failed: what is not on disk stays in memory (I-4). */
static void give_up(struct drain *d, const char *why)
{
	struct room *room = d->room;
	log_warn("room", "%s stays open: %s", room_wire_id(room), why);
	room->drain = NULL;
	room->state = ROOM_LIVE;
	join_resume_waiting(room);
	host_timer_start(&room->evict_timer, EVICT_RETRY);
	drain_end(d);
}

void evict_take_back(struct room *room)
{
	struct drain *d = room->drain;
	if (!evict_may_come_back(room))
		return;
	room->drain = NULL;
	room->state = ROOM_LIVE;
	drain_end(d);
}

void evict_abandon(struct room *room)
{
	struct drain *d = room->drain;
	room->drain = NULL;
	if (d)
		drain_end(d);
}

static bool came_back(struct drain *d)
{
	struct room *room = d->room;
	/* Past the point of return only joins that wait for the end hold pins: they get a room of their own. */
	if (d->force || d->removing || (room->peers.n == 0 && room->pins == 0 && room->state == ROOM_DRAINING))
		return false;
	room->drain = NULL;
	if (room->state == ROOM_DRAINING)
		room->state = ROOM_LIVE;
	if (room->peers.n == 0)
		evict_arm(room);
	drain_end(d);
	return true;
}

/* One step at a time is under way; its end, or the time limit, starts the next. */
static void step_over(struct drain *d, int err)
{
	void (*step)(struct drain *, int) = d->step;
	if (!step)
		return;
	d->step = NULL;
	host_timer_stop(&d->limit);
	step(d, err);
}

struct step_ctx {
	struct room_service *svc;
	uint64_t rid, drain;
};

static void step_done(void *ctx, int err)
{
	struct step_ctx *s = ctx;
	struct room *room = room_by_rid(s->svc, s->rid);
	if (room && room->drain && room->drain->id == s->drain)
		step_over(room->drain, err);
	free(s);
}

static struct step_ctx *begin_step(struct drain *d, void (*next)(struct drain *, int))
{
	struct step_ctx *s = xcalloc(1, sizeof *s);
	*s = (struct step_ctx){d->svc, d->room->rid, d->id};
	d->step = next;
	host_timer_start(&d->limit, DRAIN_STEP_LIMIT);
	return s;
}

static void limit_due(void *ctx)
{
	step_over(ctx, -ETIMEDOUT);
}

/* ---- the steps, last first ---- */

static void remove_room(struct drain *d, int err)
{
	struct room *room = d->room;
	(void)err;
	if (came_back(d))
		return;
	while (room->peers.n)
		peer_drop(room->peers.p[0]);
	registry_remove(d->svc->registry, room);
	room->drain = NULL;
	/* Joins that waited for the end find, or make, another room. */
	join_resume_waiting(room);
	room->pins = 0;
	log_info("room", "%s closed", room_wire_id(room));
	room_free(room);
	drain_end(d);
}

/* A document wholly in its file needs no journal; an opaque room's last state is kept as a snapshot. */
static void settle_journal(struct drain *d)
{
	struct room *room = d->room;
	bool in_file = room->kind == ROOM_PATH && room->ever_on_disk && !autosave_dirty(room->autosave);
	if (!room->journal || room->state == ROOM_LOAD_FAILED || (!in_file && room->kind != ROOM_OPAQUE &&
	    !(room->kind == ROOM_PATH && room_is_scaffold(room)))) {
		remove_room(d, 0);
		return;
	}
	journal_discard(room->journal, room->kind == ROOM_OPAQUE, step_done, begin_step(d, remove_room));
}

static void end_kernel(struct drain *d)
{
	struct room *room = d->room;
	if (came_back(d))
		return;
	d->removing = true;
	room_launch_cancel(room);
	if (kernel_exists(room->kernel)) {
		kernel_shutdown(room->kernel); /* the process is ended behind the room's back (K9) */
		room_commit(room);
	}
	watch_stop(room);
	settle_journal(d);
}

static void exported(struct drain *d, int err)
{
	if (came_back(d))
		return;
	if (err < 0 && !d->force) {
		give_up(d, "its file could not be written");
		return;
	}
	if (err < 0)
		log_warn("room", "%s: not written (%s); edits are in the journal", room_wire_id(d->room), strerror(-err));
	end_kernel(d);
}

static void flushed(struct drain *d, int err)
{
	if (came_back(d))
		return;
	if (err < 0 && !d->force) {
		give_up(d, "its journal could not be written");
		return;
	}
	if (err < 0)
		log_error("room", "%s: the journal could not be flushed: %s", room_wire_id(d->room), strerror(-err));
	if (room_is_scaffold(d->room))
		end_kernel(d); /* nothing anybody made: no file for it */
	else
		autosave_flush(d->room, step_done, begin_step(d, exported));
}

void room_drain(struct room *room, bool force, host_fn *done, void *ctx)
{
	if (room->drain) {
		room->drain->force |= force;
		if (done) { /* one end is enough for both who asked */
			struct drain *d = room->drain;
			if (!d->done) {
				d->done = done;
				d->ctx = ctx;
			} else {
				done(ctx);
			}
		}
		return;
	}
	struct drain *d = xcalloc(1, sizeof *d);
	*d = (struct drain){.svc = room->svc, .id = ++room->svc->next_rid, .room = room, .force = force, .done = done,
			    .ctx = ctx};
	host_timer_init(&d->limit, room->svc->host, limit_due, d);
	evict_cancel(room);
	room->drain = d;
	if (room->state == ROOM_LOAD_FAILED || room->state == ROOM_LOADING) {
		if (room->state == ROOM_LOADING && !force) {
			give_up(d, "it is still loading");
			return;
		}
		d->removing = true;
		remove_room(d, 0);
		return;
	}
	room->state = ROOM_DRAINING;
	notebook_commit(room->nb);
	room_changed(room, false);
	room_settle(room);
	if (room->journal)
		journal_flush(room->journal, step_done, begin_step(d, flushed));
	else
		flushed(d, 0);
}
