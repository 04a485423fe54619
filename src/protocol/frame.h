/* Frames on a byte stream (protocol.md 3): the client's preamble, then
 * length-prefixed frames in both directions. Fed bytes, owns no socket.
 *
 *   preamble  C0 DE 01 AC <version>        once, client to daemon
 *   untyped   u32be N, N bytes             handshake, its reply, pool, blob, settings
 *   typed     u32be N, type byte, N-1      notebook connections after the reply */
#ifndef PROTOCOL_FRAME_H
#define PROTOCOL_FRAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define FRAME_MAX (100u << 20)       /* N of any frame, both directions (protocol.md 3.2) */
#define FRAME_HANDSHAKE_MAX 65536u   /* N of the handshake frame */
#define FRAME_PREAMBLE_SIZE 5
#define FRAME_HEADER_SIZE 4

/* protocol.md 5.1; 06 and up: today.md 2.2. */
enum frame_type {
	FRAME_SYNC = 0x00,
	FRAME_REQUEST = 0x01,
	FRAME_RESPONSE = 0x02,
	FRAME_BROADCAST = 0x03,
	FRAME_PRESENCE = 0x04,
	FRAME_STATE_SYNC = 0x05,
	FRAME_POOL_SYNC = 0x06,
	FRAME_SESSION = 0x07,
	FRAME_PUT_BLOB = 0x08,
	FRAME_COMMS_SYNC = 0x09,
	FRAME_COMMENTS_SYNC = 0x0a,
	FRAME_UNTYPED = -1,
};

#define FRAME_TYPES 16

/* Largest payload taken per type, without the type byte. A type whose limit is
 * 0, and any type >= FRAME_TYPES, is unknown: its frames are skipped without
 * being buffered (protocol.md 13). */
struct frame_limits {
	uint32_t payload_max[FRAME_TYPES];
};

/* What the next bytes are. A parser starts at one of these; the owner moves it
 * on with frame_parser_expect() between frames. */
enum frame_stage {
	FRAME_STAGE_PREAMBLE,  /* daemon side, first bytes */
	FRAME_STAGE_HANDSHAKE, /* one untyped frame of at most FRAME_HANDSHAKE_MAX */
	FRAME_STAGE_UNTYPED,
	FRAME_STAGE_TYPED,
};

enum frame_event {
	FRAME_NONE,     /* more bytes needed */
	FRAME_PREAMBLE, /* `version` holds the byte; the parser is at FRAME_STAGE_HANDSHAKE */
	FRAME_LEGACY,   /* no preamble (protocol.md 3.1); the parser is at FRAME_STAGE_HANDSHAKE */
	FRAME_WHOLE,    /* type, p, n */
};

struct frame {
	enum frame_event event;
	uint8_t version;
	int type;         /* enum frame_type; FRAME_UNTYPED unless the stage is TYPED */
	const uint8_t *p; /* payload, borrowed from the parser until its next feed or free */
	size_t n;
};

struct frame_parser {
	struct buf in;
	size_t at;   /* bytes of `in` already handed out */
	size_t skip; /* bytes of an unknown frame still to be thrown away */
	enum frame_stage stage;
	const struct frame_limits *limits; /* for FRAME_STAGE_TYPED */
	uint64_t n_skipped;                /* unknown frames thrown away so far */
};

void frame_parser_init(struct frame_parser *f, enum frame_stage stage);
void frame_parser_free(struct frame_parser *f);
/* Sets the stage for the next frame; limits are needed for TYPED only and must outlive f. */
void frame_parser_expect(struct frame_parser *f, enum frame_stage stage, const struct frame_limits *limits);
/* Adds bytes from the stream (copied). Memory grows with what came, never with
 * a length that was announced. */
void frame_parser_feed(struct frame_parser *f, const void *p, size_t n);
/* Takes the next event; call until FRAME_NONE. 0, or
 *   -EPROTO    bad magic, or an empty typed frame
 *   -EMSGSIZE  announced length above the limit of its kind
 * after which the stream cannot go on. */
int frame_parser_next(struct frame_parser *f, struct frame *ret_frame);
/* True when an end of stream now is a clean disconnect: at most a part of a
 * length has come since the last frame (protocol.md 3.2). */
bool frame_parser_at_boundary(const struct frame_parser *f);

void frame_append_preamble(struct buf *out, uint8_t version);
/* Appends one whole frame; type may be FRAME_UNTYPED. -EMSGSIZE (out unchanged)
 * when N would pass FRAME_MAX. */
int frame_append(struct buf *out, int type, const void *payload, size_t n);
/* The same in two steps for payloads built in place: everything appended to out
 * between the two calls is the payload. frame_end drops the frame when it is
 * too long. */
size_t frame_begin(struct buf *out, int type);
int frame_end(struct buf *out, size_t mark);
#endif
