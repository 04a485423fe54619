#include "room/registry.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INODE_KEY 48

struct registry *registry_new(void)
{
	return xcalloc(1, sizeof(struct registry));
}

void registry_free(struct registry *reg)
{
	map_free(&reg->by_uuid);
	map_free(&reg->by_path);
	map_free(&reg->by_opaque);
	map_free(&reg->by_inode);
	map_free(&reg->claims);
	map_free(&reg->gone);
	VEC_FREE(&reg->rooms);
	free(reg);
}

static void inode_key(char out[INODE_KEY], uint64_t dev, uint64_t ino)
{
	snprintf(out, INODE_KEY, "%" PRIx64 ":%" PRIx64, dev, ino);
}

/* I-1: one room per path and per inode. I-2, I-16: the list holds each reachable
 * room once, and its peers are attached to it. */
static void check(const struct registry *reg)
{
	assert(reg->by_uuid.n == reg->rooms.n);
	for (size_t i = 0; i < reg->rooms.n; i++) {
		const struct room *room = reg->rooms.p[i];
		char key[INODE_KEY];
		assert(room->state != ROOM_GONE && !room->folded_into);
		assert(map_get(&reg->by_uuid, room->uuid) == room);
		assert(!room->path || map_get(&reg->by_path, room->path) == room);
		assert(room->kind != ROOM_OPAQUE || map_get(&reg->by_opaque, room->key) == room);
		inode_key(key, room->inode.dev, room->inode.ino);
		assert(!room->inode_known || map_get(&reg->by_inode, key) == room);
	}
}

/* The number stays this file's while the descriptor is open. */
static void bind_inode(struct registry *reg, struct room *room, const struct host_file_info *info)
{
	char key[INODE_KEY];
	if (room->inode_known) {
		inode_key(key, room->inode.dev, room->inode.ino);
		map_remove(&reg->by_inode, key);
		room->inode_known = false;
	}
	if (room->inode_fd >= 0)
		host_file_close(room->svc->host, room->inode_fd);
	room->inode_fd = -1;
	if (!info)
		return;
	inode_key(key, info->dev, info->ino);
	if (map_get(&reg->by_inode, key))
		return; /* another room's file: found by path alone */
	room->inode = *info;
	room->inode_known = true;
	map_put(&reg->by_inode, key, room);
	host_file_open(room->svc->host, room->path, O_PATH, 0, &room->inode_fd);
}

static void unindex(struct registry *reg, struct room *room)
{
	bind_inode(reg, room, NULL);
	map_remove(&reg->by_uuid, room->uuid);
	if (room->path)
		map_remove(&reg->by_path, room->path);
	if (room->kind == ROOM_OPAQUE)
		map_remove(&reg->by_opaque, room->key);
	for (size_t i = 0; i < reg->rooms.n; i++) {
		if (reg->rooms.p[i] == room) {
			VEC_REMOVE(&reg->rooms, i);
			break;
		}
	}
}

void registry_insert(struct registry *reg, struct room *room)
{
	assert(!map_get(&reg->by_uuid, room->uuid));
	VEC_PUSH(&reg->rooms, room);
	map_put(&reg->by_uuid, room->uuid, room);
	if (room->path) {
		assert(!registry_by_path(reg, room->path));
		map_put(&reg->by_path, room->path, room);
	}
	if (room->kind == ROOM_OPAQUE)
		map_put(&reg->by_opaque, room->key, room);
	check(reg);
}

void registry_remove(struct registry *reg, struct room *room)
{
	assert(room->peers.n == 0);
	unindex(reg, room);
	room->state = ROOM_GONE;
	check(reg);
}

void registry_promote(struct registry *reg, struct room *room, const char *path, const struct host_file_info *info)
{
	assert(!room->path && !registry_by_path(reg, path));
	if (room->kind == ROOM_OPAQUE)
		map_remove(&reg->by_opaque, room->key);
	room->kind = ROOM_PATH;
	room->path = xstrdup(path);
	map_put(&reg->by_path, path, room);
	bind_inode(reg, room, info);
	check(reg);
}

static void *rid_value(uint64_t rid)
{
	return (void *)(uintptr_t)rid;
}

void registry_fold(struct registry *reg, struct room *survivor, struct room *loser)
{
	char rid[24];
	unindex(reg, loser);
	loser->folded_into = survivor;
	loser->state = ROOM_GONE;
	snprintf(rid, sizeof rid, "%" PRIu64, loser->rid);
	/* Chains stay one step long. */
	MAP_EACH(&reg->gone, e)
		if (e->value == rid_value(loser->rid))
			e->value = rid_value(survivor->rid);
	map_put(&reg->gone, rid, rid_value(survivor->rid));
	check(reg);
}

void registry_rebind(struct registry *reg, struct room *room, const char *path, const struct host_file_info *info)
{
	if (strcmp(path, room->path) != 0) {
		assert(!registry_by_path(reg, path));
		map_remove(&reg->by_path, room->path);
		free(room->path);
		room->path = xstrdup(path);
		map_put(&reg->by_path, path, room);
	}
	bind_inode(reg, room, info);
	check(reg);
}

void registry_set_uuid(struct registry *reg, struct room *room, const char *uuid)
{
	assert(!registry_by_uuid(reg, uuid));
	map_remove(&reg->by_uuid, room->uuid);
	snprintf(room->uuid, sizeof room->uuid, "%s", uuid);
	map_put(&reg->by_uuid, room->uuid, room);
	check(reg);
}

struct room *registry_by_uuid(const struct registry *reg, const char *uuid)
{
	return map_get(&reg->by_uuid, uuid);
}

struct room *registry_by_path(const struct registry *reg, const char *path)
{
	return map_get(&reg->by_path, path);
}

struct room *registry_by_opaque(const struct registry *reg, const char *id)
{
	return map_get(&reg->by_opaque, id);
}

struct room *registry_by_inode(const struct registry *reg, uint64_t dev, uint64_t ino)
{
	char key[INODE_KEY];
	inode_key(key, dev, ino);
	return map_get(&reg->by_inode, key);
}

struct room *registry_by_rid(const struct registry *reg, uint64_t rid)
{
	char text[24];
	for (size_t i = 0; i < reg->rooms.n; i++)
		if (reg->rooms.p[i]->rid == rid)
			return reg->rooms.p[i];
	snprintf(text, sizeof text, "%" PRIu64, rid);
	void *survivor = map_get(&reg->gone, text);
	for (size_t i = 0; survivor && i < reg->rooms.n; i++)
		if (rid_value(reg->rooms.p[i]->rid) == survivor)
			return reg->rooms.p[i];
	return NULL;
}

struct claim *claim_find(const struct registry *reg, const char *path)
{
	return map_get(&reg->claims, path);
}

struct claim *claim_before(const struct registry *reg, uint64_t rid, const struct claim *mine)
{
	MAP_EACH(&reg->claims, e) {
		struct claim *claim = e->value;
		if (claim->rid == rid && claim != mine && (!mine || claim->number < mine->number))
			return claim;
	}
	return NULL;
}

struct claim *claim_take(struct registry *reg, const char *path, const struct room *room)
{
	assert(!claim_find(reg, path));
	struct claim *claim = xcalloc(1, sizeof *claim);
	claim->path = xstrdup(path);
	claim->rid = room->rid;
	claim->number = ++reg->claims_made;
	map_put(&reg->claims, path, claim);
	return claim;
}

void claim_wait(struct claim *claim, claim_released_fn *fn, void *ctx)
{
	VEC_PUSH(&claim->waiters, ((struct claim_waiter){fn, ctx}));
}

void claim_unwait(struct claim *claim, void *ctx)
{
	for (size_t i = 0; i < claim->waiters.n; i++) {
		if (claim->waiters.p[i].ctx == ctx) {
			VEC_REMOVE(&claim->waiters, i);
			return;
		}
	}
}

void claim_release(struct registry *reg, struct claim *claim)
{
	map_remove(&reg->claims, claim->path);
	for (size_t i = 0; i < claim->waiters.n; i++)
		claim->waiters.p[i].fn(claim->waiters.p[i].ctx);
	VEC_FREE(&claim->waiters);
	free(claim->path);
	free(claim);
}
