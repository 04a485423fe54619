/* Which rooms there are, by what they can be found, and who may write a path
 * (rooms.md 11.1, 11.2).
 *
 * Only the functions registry_insert, _remove, _promote, _fold, _rebind and
 * _set_uuid change it; none of them yields, and each ends with a check of the invariants
 * I-1, I-2 and I-16 (asserts stay on). */
#ifndef ROOM_REGISTRY_H
#define ROOM_REGISTRY_H
#include "base/map.h"
#include "room/room.h"

struct registry {
	VEC(struct room *) rooms; /* exactly the reachable ones */
	struct map by_uuid;       /* every room */
	struct map by_path;       /* rooms with a path */
	struct map by_opaque;
	struct map by_inode;      /* "dev:ino", rooms whose file is there */
	uint64_t claims_made;
	struct map claims;        /* path -> struct claim: a save under way */
	struct map gone;          /* rid (text) of a room folded away -> rid of its survivor, as a pointer */
};

struct registry *registry_new(void);
void registry_free(struct registry *reg);

void registry_insert(struct registry *reg, struct room *room);
void registry_remove(struct registry *reg, struct room *room);
/* An untitled or opaque room becomes the room of a file. info may be NULL (unknown inode). */
void registry_promote(struct registry *reg, struct room *room, const char *path, const struct host_file_info *info);
/* loser is no longer reachable; whatever asks for its rid gets survivor. */
void registry_fold(struct registry *reg, struct room *survivor, struct room *loser);
/* The room's file is at another path now, or has another inode (info NULL: none). */
void registry_rebind(struct registry *reg, struct room *room, const char *path, const struct host_file_info *info);

/* The room's document says who it is: before anybody was told otherwise. */
void registry_set_uuid(struct registry *reg, struct room *room, const char *uuid);

struct room *registry_by_uuid(const struct registry *reg, const char *uuid);
struct room *registry_by_path(const struct registry *reg, const char *path);
struct room *registry_by_opaque(const struct registry *reg, const char *id);
struct room *registry_by_inode(const struct registry *reg, uint64_t dev, uint64_t ino);
struct room *registry_by_rid(const struct registry *reg, uint64_t rid);

/* ---- claims ---- */

typedef void claim_released_fn(void *ctx);
struct claim_waiter {
	claim_released_fn *fn;
	void *ctx;
};
/* The right to write `path`, from the admission of a save to its end (I-3). */
struct claim {
	char *path;
	uint64_t rid; /* of the saving room */
	uint64_t number; /* grows: who came first */
	VEC(struct claim_waiter) waiters;
};
/* NULL when nobody is saving there. */
struct claim *claim_find(const struct registry *reg, const char *path);
/* A claim of this room older than `mine` (NULL: than none), or NULL. */
struct claim *claim_before(const struct registry *reg, uint64_t rid, const struct claim *mine);
struct claim *claim_take(struct registry *reg, const char *path, const struct room *room);
/* fn is called from claim_release, in order of waiting. */
void claim_wait(struct claim *claim, claim_released_fn *fn, void *ctx);
void claim_unwait(struct claim *claim, void *ctx);
void claim_release(struct registry *reg, struct claim *claim);
#endif
