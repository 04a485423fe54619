/* One accepted connection: preamble, handshake, then frames to its channel
 * (protocol.md 3, 4). */
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H
#include "daemon/daemon.h"
#include "host/stream.h"
#include "protocol/face.h"
#include "room/service.h"

#define CONNECTION_HANDSHAKE_LIMIT HOST_SEC(10)
#define CONNECTION_CLOSE_LIMIT HOST_SEC(5) /* for what is queued to leave */
#define CONNECTION_PARKED_MAX (16u << 20) /* taken from a client whose frames have to wait */
#define CONNECTION_QUEUE_MAX (256u << 20) /* unsent bytes: two of the largest frames, and then some */
#define CONNECTION_CORK_MAX (64u << 10)      /* larger frames are not gathered */
#define CONNECTION_HALF_OPEN_MAX 512       /* without a handshake yet; for each further one the oldest goes */

/* What a channel does with whole frames. */
struct channel {
	const char *name;
	int (*open)(struct connection *c);
	/* p is borrowed; negative closes the connection. */
	int (*frame)(struct connection *c, int type, const uint8_t *p, size_t n);
	void (*close)(struct connection *c); /* the other side, or we, ended it */
	void (*writable)(struct connection *c);
};

struct connection {
	struct daemon *daemon;
	struct host_stream *stream;
	struct frame_parser parser;
	uint8_t version;
	bool legacy;
	const struct channel *channel; /* NULL until the handshake */
	void *state;                   /* the channel's */
	unsigned refs;   /* one is the connection's own until it is closed */
	unsigned busy;   /* no frames are handed out while something is being worked on */
	bool feeding;    /* inside the frame loop */
	bool dead;
	bool ended;      /* nothing more comes */
	struct host_timer limit;
	struct host_defer reap, overflow;
	struct buf corked; /* frames of this turn */
	struct handshake handshake;
};

void connection_accept(void *daemon, struct host_stream *s);
/* Takes a whole frame, malloc()ed. The frames of a turn leave in one write: a client of
 * March hears the state that follows a response before it can ask again, and a state
 * frame that comes while it waits for the next response it throws away (protocol.md 12.2). */
void connection_send(struct connection *c, void *frame, size_t n);
/* Sends what buf holds (one or more whole frames) and empties it. */
void connection_send_buf(struct connection *c, struct buf *frames);
/* One untyped JSON frame. */
void connection_send_json(struct connection *c, const struct buf *json);
/* Between busy and idle no frame is handed to the channel: answers stay in order. */
void connection_busy(struct connection *c);
void connection_idle(struct connection *c);
/* Work under way that will look at the connection again keeps its memory. */
void connection_ref(struct connection *c);
void connection_unref(struct connection *c);
/* The end of a turn: what was gathered leaves. */
void connection_uncork_all(void *daemon);
/* Lets what is queued leave, then closes. Safe anywhere, also twice. */
void connection_close(struct connection *c);

extern const struct channel channel_notebook, channel_pool, channel_blob, channel_settings, channel_pool_state;
/* The state frame to every pool_state subscriber. */
void pool_state_changed(void *daemon);
#endif
