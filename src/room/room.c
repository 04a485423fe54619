#include "room/room.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "room/presence_table.h"
#include "room/registry.h"

void heads_set(struct heads *h, const am_hash *p, size_t n)
{
	h->p = xreallocarray(h->p, n ? n : 1, sizeof *p);
	if (n)
		memcpy(h->p, p, n * sizeof *p);
	h->n = n;
}

bool heads_equal(const struct heads *h, const am_hash *p, size_t n)
{
	return h->n == n && (n == 0 || memcmp(h->p, p, n * sizeof *p) == 0);
}

void heads_fini(struct heads *h)
{
	free(h->p);
	*h = (struct heads){0};
}

#define ROOM_QUIET HOST_SEC(5)

static void evict_due(void *ctx)
{
	struct room *room = ctx;
	if (room->peers.n == 0 && room->pins == 0)
		room_drain(room, false, NULL, NULL);
}

/* A timer that is not moved with every keystroke. */
static void quiet_due(void *ctx)
{
	struct room *room = ctx;
	if (room->stirred) {
		room->stirred = false;
		host_timer_start(&room->quiet_timer, ROOM_QUIET);
	} else {
		room_shrink(room);
		alloc_trim();
	}
}

void room_stir(struct room *room)
{
	room->stirred = true;
	if (!host_timer_active(&room->quiet_timer))
		host_timer_start(&room->quiet_timer, ROOM_QUIET);
}

void room_shrink(struct room *room)
{
	/* Refused inside a transaction: there will be another quiet time. */
	size_t n;
	if (room->nb)
		(void)am_shrink(notebook_doc(room->nb));
	(void)am_heads(room->state_doc, &n); /* ends the change that is open */
	(void)am_shrink(room->state_doc);
}

static am_doc *state_doc_new(struct host *h)
{
	uint8_t suffix[4];
	char actor[32];
	am_doc *doc = NULL;
	host_random(h, suffix, sizeof suffix);
	snprintf(actor, sizeof actor, "runtimed:state:%02x%02x%02x%02x", suffix[0], suffix[1], suffix[2], suffix[3]);
	int r = state_document_new(actor, &doc);
	assert(r == 0);
	(void)r;
	return doc;
}

struct room *room_new(struct room_service *svc, enum room_kind kind, const char *uuid, const char *path,
		      const char *key)
{
	struct room *room = xcalloc(1, sizeof *room);
	room->svc = svc;
	room->rid = ++svc->next_rid;
	room->kind = kind;
	room->state = ROOM_LOADING;
	room->inode_fd = -1;
	room->trust = TRUST_NO_DEPENDENCIES;
	if (uuid)
		snprintf(room->uuid, sizeof room->uuid, "%s", uuid);
	else
		host_uuid(svc->host, room->uuid);
	room->path = path ? xstrdup(path) : NULL;
	room->key = key ? xstrdup(key) : NULL;
	room->state_doc = state_doc_new(svc->host);
	room->presence = presence_table_new();
	room->kernel = kernel_new(svc->kernels, &room_kernel_callbacks, room);
	room->exporter = ipynb_export_new();
	room->autosave = autosave_new(room);
	host_timer_init(&room->evict_timer, svc->host, evict_due, room);
	host_timer_init(&room->quiet_timer, svc->host, quiet_due, room);
	return room;
}

void room_free(struct room *room)
{
	assert(room->peers.n == 0 && room->pins == 0);
	for (size_t i = 0; i < room->svc->turn_rooms.n; i++)
		if (room->svc->turn_rooms.p[i] == room)
			room->svc->turn_rooms.p[i] = NULL;
	host_timer_stop(&room->evict_timer);
	host_timer_stop(&room->quiet_timer);
	watch_stop(room);
	journal_close(room->journal); /* its last words are for the autosave, among others */
	room->journal = NULL;
	autosave_free(room->autosave);
	room_launch_cancel(room);
	kernel_free(room->kernel);
	room_kernel_gone(room);
	for (size_t i = 0; i < room->folds.n; i++)
		fold_free(room->folds.p[i]);
	VEC_FREE(&room->folds);
	ipynb_export_free(room->exporter);
	notebook_free(room->nb);
	am_free(room->state_doc);
	presence_table_free(room->presence);
	heads_fini(&room->journaled);
	VEC_FREE(&room->peers);
	VEC_FREE(&room->waiting);
	json_object_put(room->launched_config);
	free(room->env_fingerprint);
	free(room->load_error);
	free(room->working_dir);
	free(room->path);
	free(room->key);
	free(room);
}

const char *room_wire_id(const struct room *room)
{
	return room->path ? room->path : room->kind == ROOM_OPAQUE ? room->key : room->uuid;
}

const char *room_journal_id(const struct room *room)
{
	return room_wire_id(room);
}

struct room *room_by_rid(struct room_service *svc, uint64_t rid)
{
	return registry_by_rid(svc->registry, rid);
}

void room_pin(struct room *room)
{
	room->pins++;
	evict_cancel(room);
}

void room_unpin(struct room *room)
{
	assert(room->pins > 0);
	if (--room->pins == 0 && room->peers.n == 0)
		evict_arm(room);
}

void room_touch(struct room *room)
{
	if (room->queued_turn || room->state == ROOM_GONE)
		return;
	room->queued_turn = true;
	VEC_PUSH(&room->svc->turn_rooms, room);
}
