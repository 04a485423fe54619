/* Faces (design.md 4): what one generation of clients sees. A constant table,
 * chosen once per connection; nothing else in the daemon asks for a version.
 *
 * All *_append functions of a face append one whole frame, ready to be sent. */
#ifndef PROTOCOL_FACE_H
#define PROTOCOL_FACE_H
#include "protocol/broadcast.h"
#include "protocol/error.h"
#include "protocol/frame.h"
#include "protocol/handshake.h"
#include "protocol/presence.h"
#include "protocol/request.h"
#include "protocol/response.h"

/* The documents a room can offer; which frame carries each is the face's. */
enum face_document {
	FACE_DOC_NOTEBOOK,
	FACE_DOC_STATE, /* the projection this face asks for, see state_layout */
	FACE_DOC_POOL,
	FACE_DOC_COMMS,
	FACE_DOC_COMMENTS,
};

enum face_write_policy {
	FACE_WRITE_ALL,   /* take the peer's changes */
	FACE_WRITE_STRIP, /* drop the changes and unknown heads (protocol.md 5.3, trap 13) */
};

struct face_slot {
	uint8_t frame_type;
	enum face_document document;
	enum face_write_policy policy;
};

/* Layout of the runtime state document (today.md 3.4). */
enum face_state_layout {
	FACE_STATE_RA, /* March's superset with list outputs: byte 2 */
	FACE_STATE_V2, /* seed v2, outputs as maps: byte 4 */
};

/* What follows the handshake reply, in order (protocol.md 5.2). */
enum face_session_step {
	FACE_STEP_END,
	FACE_STEP_DOCUMENT_NOTEBOOK, /* initial sync message of the slot */
	FACE_STEP_DOCUMENT_STATE,
	FACE_STEP_STATE_SNAPSHOT,    /* broadcast runtime_state_snapshot */
	FACE_STEP_COMM_SYNC,         /* only when a comm is open */
	FACE_STEP_PRESENCE_SNAPSHOT, /* only when another peer is known */
};

struct face;

/* What a face keeps per connection. */
struct face_peer {
	const struct face *face;
	enum queue_form queue_form;
	bool first_sync_seen;
};

struct face {
	const char *name;     /* for the log */
	uint8_t version;      /* preamble byte */
	const char *protocol; /* "v2" */
	const struct frame_limits *limits;
	const struct face_slot *slots;
	size_t n_slots;
	enum face_state_layout state_layout;
	const enum face_session_step *session; /* ends with FACE_STEP_END */
	unsigned new_notebook_cells;           /* protocol.md 4.5: cells of a new notebook */
	/* One pending request at a time, in order; hold 04 and 05 while it runs (protocol.md 12.2). */
	bool serial_requests;

	/* The id of a room in this face's frames; one of its two arguments. path is
	 * NULL for an untitled room. */
	const char *(*room_id)(const char *path, const char *uuid);
	/* info is filled without protocol, protocol_version; the face adds them. */
	int (*append_info)(const struct face *face, struct buf *out, const struct connection_info *info);
	int (*decode_request)(const void *p, size_t n, struct request *ret_request, char **ret_why, char **ret_id);
	int (*append_response)(const struct face_peer *peer, struct buf *out, const struct response *r);
	/* 1 = appended, 0 = this face does not know the event, else negative. */
	int (*append_broadcast)(const struct face_peer *peer, struct buf *out, const struct broadcast *b);
	int (*append_presence)(struct buf *out, const struct presence *p);
	void (*append_error_text)(struct buf *out, const struct error *e);
	/* Peers whose forms are equal get equal broadcast frames: encode once per form. */
	unsigned (*broadcast_form)(const struct face_peer *peer);
};

extern const struct face face_march;

/* The face for a connection, or NULL when its version is not served: then
 * face_append_refusal() and close (all channels but pool, which takes any version). */
const struct face *face_choose(uint8_t version, bool typed_bootstrap);
bool face_version_served(uint8_t version);
/* One untyped info with `error` naming both versions. */
int face_append_refusal(struct buf *out, uint8_t version, const char *daemon_version);

void face_peer_init(struct face_peer *peer, const struct face *face);
/* Tell it about the connection's first 00: an empty head list means a client
 * older than 2.0.2, which reads queues as strings (protocol.md 16.4). */
void face_peer_note_first_sync(struct face_peer *peer, bool heads_empty);
/* The slot a frame type belongs to, or NULL. */
const struct face_slot *face_slot_of(const struct face *face, int frame_type);
const struct face_slot *face_slot_for(const struct face *face, enum face_document document);
/* An error as a response of this face, with the request's id (may be NULL). */
int face_append_error(const struct face_peer *peer, struct buf *out, const char *id, const struct error *e);
#endif
