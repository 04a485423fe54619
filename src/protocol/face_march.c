/* The March face (byte 2): PyPI 2.0.2 ... 2.2.0 and f98d384 itself. */
#include <errno.h>
#include <string.h>

#include "protocol/face.h"

#define MIB (1u << 20)

/* Inbound caps: protocol.md 15 no. 32. A presence payload above PRESENCE_MAX is
 * dropped by its decoder; the connection stays. */
static const struct frame_limits limits = {{
	[FRAME_SYNC] = 64 * MIB,
	[FRAME_REQUEST] = 16 * MIB,
	[FRAME_RESPONSE] = 64 * MIB,
	[FRAME_BROADCAST] = 16 * MIB,
	[FRAME_PRESENCE] = 1 * MIB,
	[FRAME_STATE_SYNC] = 64 * MIB,
}};

static const struct face_slot slots[] = {
	{FRAME_SYNC, FACE_DOC_NOTEBOOK, FACE_WRITE_ALL},
	{FRAME_STATE_SYNC, FACE_DOC_STATE, FACE_WRITE_STRIP},
};

static const enum face_session_step session[] = {
	FACE_STEP_DOCUMENT_NOTEBOOK, FACE_STEP_DOCUMENT_STATE,    FACE_STEP_STATE_SNAPSHOT,
	FACE_STEP_COMM_SYNC,         FACE_STEP_PRESENCE_SNAPSHOT, FACE_STEP_END,
};

static const char *room_id(const char *path, const char *uuid)
{
	return path ? path : uuid;
}

static int append_info(const struct face *face, struct buf *out, const struct connection_info *info)
{
	struct connection_info full = *info;
	full.protocol = face->protocol;
	full.protocol_version = face->version;
	size_t mark = frame_begin(out, FRAME_UNTYPED);
	connection_info_append(out, &full);
	return frame_end(out, mark);
}

static int append_response(const struct face_peer *peer, struct buf *out, const struct response *r)
{
	size_t mark = frame_begin(out, FRAME_RESPONSE);
	response_append(out, r, peer->queue_form);
	return frame_end(out, mark);
}

static int append_broadcast(const struct face_peer *peer, struct buf *out, const struct broadcast *b)
{
	size_t mark = frame_begin(out, FRAME_BROADCAST);
	broadcast_append(out, b, peer->queue_form);
	int r = frame_end(out, mark);
	return r < 0 ? r : 1;
}

static int append_presence(struct buf *out, const struct presence *p)
{
	size_t mark = frame_begin(out, FRAME_PRESENCE);
	presence_append(out, p);
	return frame_end(out, mark);
}

static unsigned broadcast_form(const struct face_peer *peer)
{
	return peer->queue_form;
}

const struct face face_march = {
	.name = "march",
	.version = 2,
	.protocol = "v2",
	.limits = &limits,
	.slots = slots,
	.n_slots = sizeof slots / sizeof *slots,
	.state_layout = FACE_STATE_RA,
	.session = session,
	.new_notebook_cells = 0,
	.serial_requests = true,
	.room_id = room_id,
	.append_info = append_info,
	.decode_request = request_decode,
	.append_response = append_response,
	.append_broadcast = append_broadcast,
	.append_presence = append_presence,
	.append_error_text = error_append_text,
	.broadcast_form = broadcast_form,
};
