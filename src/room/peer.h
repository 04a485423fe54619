/* One connection in a room: its document slots, what waits to be sent to it, and
 * the request it is waiting for (protocol.md 5, clients.md 3.7). */
#ifndef ROOM_PEER_H
#define ROOM_PEER_H
#include "protocol/frame.h"
#include "room/room.h"

#define PEER_SLOTS_MAX 4
/* Above this many unsent bytes nothing new is generated: the peer catches up later
 * from its sync states. */
#define PEER_HIGH_WATER (1u << 20)
/* Broadcasts waiting for a peer: coalesced past the first number, the peer is
 * dropped past the bytes. Two of the largest frames, and then some: what a widget or a
 * display update says at once makes nobody slow. */
#define PEER_OUTBOX_COALESCE 256
#define PEER_OUTBOX_MAX_BYTES (256u << 20)
#define PEER_REQUESTS_WAITING_MAX 1024

struct peer_slot {
	const struct face_slot *face;
	am_sync *sync;
	bool dirty;        /* there may be something to say */
	bool heard;        /* a message came from the peer */
	bool level;        /* the peer has had all of the document once */
	bool owed;         /* its changes were taken and nothing has acknowledged them yet */
	bool resend;       /* after the pending request: what may have been thrown away (protocol.md 12.2) */
	unsigned silent;   /* messages without progress in a row, against endless exchanges */
	struct heads last_theirs;
};

struct outbox_entry {
	enum broadcast_event event; /* BROADCAST_EVENTS: presence */
	char *key;                  /* what a later one of the same kind replaces; NULL = nothing does */
	uint8_t *frame;
	size_t n;
};

struct peer {
	struct room *room;
	struct peer_link link;
	struct face_peer face;
	uint64_t token; /* never used twice; names the peer in callbacks that come back later */
	char id[UUID_TEXT];
	char *label;
	struct peer_slot slots[PEER_SLOTS_MAX];
	size_t n_slots;
	uint64_t need_seq;      /* the journal's number that must be durable before the next frame */
	VEC(struct outbox_entry) broadcasts;
	VEC(struct outbox_entry) presence;
	size_t outbox_bytes;
	struct pending *pending; /* the request being worked on */
	VEC(struct buf) requests; /* those behind it */
	bool hold;               /* 04 and 05 wait for the pending response */
	bool hold_shutdown;      /* 05 waits a little: see peer_shut_down */
	bool greeted;            /* the frames of the session order have been sent */
	bool gone;
	struct heads unfolded;   /* moved here by a fold: heads it has not acknowledged yet */
	unsigned rename_tells;   /* room_renamed still to be told after the next 00 in */
	struct host_timer state_timer; /* re-offer of the state document */
	struct host_timer shutdown_timer; /* ends hold_shutdown */
	struct host_timer rename_timer;
};

/* room_renamed after its first reply, and once more a second later (rooms.md 11.6). */
void peer_tell_renamed(struct peer *peer);
struct peer *peer_by_token(struct room *room, uint64_t token);
/* A client that waits for a response throws 05 away (protocol.md 12.2): those of now
 * are held, and one still on its way is taken for lost. */
void peer_hold(struct peer *peer);
void peer_release(struct peer *peer);
/* March's clients end a run at once when their replica says `shutdown` as they begin to wait, and what tells them of
 * a new start may reach them too late for a run right behind it (clients.md T2). So the state goes out directly
 * behind the answer to a launch that has just ended, before broadcasts (no output can be on its way then); and a
 * shutdown asked for shows in the asker's state only when no request follows it for a moment: who stops and starts
 * never sees it. */
void peer_launched(struct peer *peer);
void peer_shut_down(struct peer *peer);
/* What an execution or change of this peer is attributed to. */
const char *peer_label(const struct peer *peer);

/* ---- requests (request.c) ---- */

/* A request under way. Survives its peer: an answer then goes nowhere. */
struct pending {
	struct room_service *svc;
	struct peer *peer; /* NULL when gone */
	uint64_t rid;
	uint64_t token;    /* of this request */
	enum request_action action;
	char *id;          /* correlation id */
	struct host_timer limit;
};
/* Exactly one of these ends it. */
void pending_answer(struct pending *p, struct response *r);
void pending_fail(struct pending *p, const struct error *e);
/* The room it belongs to now, or NULL. */
struct room *pending_room(const struct pending *p);
/* Finds it by token among the room's peers; NULL when answered or gone. */
struct pending *pending_find(struct room *room, uint64_t token);
/* A 01 frame's payload. */
int request_receive(struct peer *peer, const void *p, size_t n);
/* Starts the next waiting one when none is pending. */
void request_next(struct peer *peer);
void request_abandon(struct peer *peer);
#endif
