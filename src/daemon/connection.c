#include "daemon/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "room/peer.h"

void connection_ref(struct connection *c)
{
	c->refs++;
}

void connection_unref(struct connection *c)
{
	if (--c->refs)
		return;
	frame_parser_free(&c->parser);
	handshake_fini(&c->handshake);
	free(c);
}

static void reap(void *ctx)
{
	connection_unref(ctx);
}

static void uncork(struct connection *c);

void connection_close(struct connection *c)
{
	struct daemon *d = c->daemon;
	if (c->dead)
		return;
	uncork(c);
	c->dead = true;
	host_timer_stop(&c->limit);
	host_defer_cancel(&c->overflow);
	for (size_t i = 0; i < d->connections.n; i++) {
		if (d->connections.p[i] == c) {
			VEC_REMOVE(&d->connections, i);
			break;
		}
	}
	if (c->channel && c->channel->close)
		c->channel->close(c);
	host_stream_close_flushed(c->stream, CONNECTION_CLOSE_LIMIT);
	host_defer(&c->reap); /* callers up the stack may still look at it */
}

/* ---- writing ---- */

static void written(void *ctx, int err)
{
	struct connection *c = ctx;
	if (c->dead)
		return;
	if (err < 0)
		connection_close(c);
	else if (c->channel && c->channel->writable && host_stream_queued(c->stream) < PEER_HIGH_WATER)
		c->channel->writable(c);
}

static size_t queued(const struct connection *c)
{
	return host_stream_queued(c->stream) + c->corked.n;
}

static void write_out(struct connection *c, void *p, size_t n)
{
	bool far_behind = host_stream_queued(c->stream) + n > PEER_HIGH_WATER;
	/* A failed write ends the stream; its end callback tells. */
	host_stream_write(c->stream, p, n, far_behind ? written : NULL, c);
}

static void uncork(struct connection *c)
{
	size_t n;
	if (c->corked.n == 0)
		return;
	void *p = buf_take(&c->corked, &n);
	write_out(c, p, n);
}

void connection_uncork_all(void *daemon)
{
	struct daemon *d = daemon;
	for (size_t i = 0; i < d->connections.n; i++)
		uncork(d->connections.p[i]);
}

void connection_send(struct connection *c, void *frame, size_t n)
{
	if (!c->dead && queued(c) + n > CONNECTION_QUEUE_MAX) {
		host_defer(&c->overflow); /* not from inside whoever is sending */
		n = 0;
	}
	if (c->dead || n == 0) {
		free(frame);
	} else if (n > CONNECTION_CORK_MAX) {
		uncork(c);
		write_out(c, frame, n);
	} else {
		buf_append(&c->corked, frame, n);
		free(frame);
		if (c->corked.n > CONNECTION_CORK_MAX)
			uncork(c);
	}
}

void connection_send_buf(struct connection *c, struct buf *frames)
{
	size_t n;
	void *p = buf_take(frames, &n);
	connection_send(c, p, n);
}

void connection_send_json(struct connection *c, const struct buf *json)
{
	struct buf frame = {0};
	if (frame_append(&frame, FRAME_UNTYPED, json->p, json->n) == 0)
		connection_send_buf(c, &frame);
	buf_free(&frame);
}

/* ---- the handshake ---- */

static void refuse_version(struct connection *c)
{
	struct buf out = {0};
	static bool said;
	if (!said)
		log_warn("connection", "a client speaks protocol %u, this daemon %u", c->version, face_march.version);
	said = true;
	if (handshake_is_notebook(c->handshake.channel) &&
	    face_append_refusal(&out, c->version, c->daemon->config.version) == 0)
		connection_send_buf(c, &out);
	buf_free(&out);
	connection_close(c);
}

static void refuse_handshake(struct connection *c, const void *p, size_t n, int err)
{
	enum handshake_channel channel = handshake_peek(p, n);
	struct buf out = {0};
	log_info("connection", "a handshake was refused: %s", strerror(-err));
	if (channel == HANDSHAKE_OPEN_NOTEBOOK || channel == HANDSHAKE_CREATE_NOTEBOOK) {
		const struct connection_info info = {.notebook_id = "", .daemon_version = c->daemon->config.version,
						     .error = "Invalid handshake: a field is missing or wrong"};
		face_march.append_info(&face_march, &out, &info);
		connection_send_buf(c, &out);
	}
	buf_free(&out);
	connection_close(c);
}

static const struct channel *channel_for(enum handshake_channel channel)
{
	switch (channel) {
	case HANDSHAKE_POOL:
		return &channel_pool;
	case HANDSHAKE_BLOB:
		return &channel_blob;
	case HANDSHAKE_SETTINGS_SYNC:
		return &channel_settings;
	case HANDSHAKE_POOL_STATE:
		return &channel_pool_state;
	default:
		return handshake_is_notebook(channel) ? &channel_notebook : NULL;
	}
}

static int handshake(struct connection *c, const uint8_t *p, size_t n)
{
	int r = handshake_decode(p, n, &c->handshake);
	host_timer_stop(&c->limit);
	if (r < 0) {
		memset(&c->handshake, 0, sizeof c->handshake);
		refuse_handshake(c, p, n, r);
		return 0;
	}
	bool any_version = c->handshake.channel == HANDSHAKE_POOL;
	if (!any_version && (c->legacy || !face_choose(c->version, c->handshake.typed_bootstrap))) {
		refuse_version(c);
		return 0;
	}
	c->channel = channel_for(c->handshake.channel);
	frame_parser_expect(&c->parser, FRAME_STAGE_UNTYPED, NULL);
	return c->channel ? c->channel->open(c) : -EPROTO;
}

/* ---- reading ---- */

static int take(struct connection *c, const struct frame *f)
{
	switch (f->event) {
	case FRAME_PREAMBLE:
		c->version = f->version;
		return 0;
	case FRAME_LEGACY:
		c->legacy = true;
		return 0;
	default:
		return c->channel ? c->channel->frame(c, f->type, f->p, f->n) : handshake(c, f->p, f->n);
	}
}

static void feed(struct connection *c)
{
	struct frame f;
	int r = 0;
	if (c->feeding)
		return;
	c->feeding = true;
	while (!c->dead && !c->busy && (r = frame_parser_next(&c->parser, &f)) == 0 && f.event != FRAME_NONE) {
		r = take(c, &f);
		if (r < 0)
			break;
	}
	c->feeding = false;
	if (r < 0 && !c->dead) {
		log_info("connection", "%s: closed: %s", c->channel ? c->channel->name : "handshake", strerror(-r));
		connection_close(c);
	} else if (c->ended && !c->busy && !c->dead) {
		connection_close(c);
	}
}

static void on_read(void *ctx, const uint8_t *p, size_t n)
{
	struct connection *c = ctx;
	frame_parser_feed(&c->parser, p, n);
	if (c->busy && c->parser.in.n > CONNECTION_PARKED_MAX)
		host_stream_read_stop(c->stream);
	feed(c);
}

static void on_end(void *ctx, int err)
{
	struct connection *c = ctx;
	if (!frame_parser_at_boundary(&c->parser))
		log_info("connection", "a stream ended inside a frame: %s", err < 0 ? strerror(-err) : "closed");
	c->ended = true;
	/* A pool client may have finished writing and wait for its answer. */
	if (err < 0 || !c->busy || c->channel == &channel_notebook)
		connection_close(c);
}

static const struct host_stream_events stream_events = {on_read, on_end};

void connection_busy(struct connection *c)
{
	c->busy++; /* reading goes on, within limits: an end must be noticed */
}

void connection_idle(struct connection *c)
{
	if (--c->busy || c->dead)
		return;
	if (!c->ended)
		host_stream_read_start(c->stream, &stream_events, c);
	feed(c);
}

static void overflowed(void *ctx)
{
	struct connection *c = ctx;
	log_warn("connection", "%s: a client that does not read is disconnected", c->channel ? c->channel->name : "");
	connection_close(c);
}

static void handshake_late(void *ctx)
{
	connection_close(ctx);
}

/* Who means it sends the handshake at once; so the newest of too many is the one to listen to. */
static void limit_half_open(struct daemon *d)
{
	struct connection *oldest = NULL;
	size_t half_open = 0;
	for (size_t i = 0; i < d->connections.n; i++) {
		if (d->connections.p[i]->channel)
			continue;
		if (!oldest)
			oldest = d->connections.p[i];
		half_open++;
	}
	if (half_open >= CONNECTION_HALF_OPEN_MAX)
		connection_close(oldest);
}

void connection_accept(void *daemon, struct host_stream *s)
{
	struct daemon *d = daemon;
	if (d->stopping) {
		host_stream_close(s);
		return;
	}
	limit_half_open(d);
	struct connection *c = xcalloc(1, sizeof *c);
	c->daemon = d;
	c->refs = 1;
	c->stream = s;
	frame_parser_init(&c->parser, FRAME_STAGE_PREAMBLE);
	host_timer_init(&c->limit, d->host, handshake_late, c);
	host_defer_init(&c->reap, d->host, reap, c);
	host_defer_init(&c->overflow, d->host, overflowed, c);
	host_timer_start(&c->limit, CONNECTION_HANDSHAKE_LIMIT);
	VEC_PUSH(&d->connections, c);
	host_stream_read_start(s, &stream_events, c);
}

/* ---- the notebook channel: a peer of a room ---- */

struct notebook_state {
	struct room_join *join;
	struct peer *peer;
	const struct face *face;
};

static void link_send(void *ctx, void *frame, size_t n)
{
	connection_send(ctx, frame, n);
}

static size_t link_queued(void *ctx)
{
	struct connection *c = ctx;
	return c->dead ? 0 : queued(c);
}

static void link_joined(void *ctx, struct peer *peer)
{
	struct connection *c = ctx;
	struct notebook_state *state = c->state;
	state->join = NULL;
	state->peer = peer;
	if (!peer) {
		connection_close(c);
		return;
	}
	frame_parser_expect(&c->parser, FRAME_STAGE_TYPED, state->face->limits);
	connection_idle(c);
}

static void link_drop(void *ctx)
{
	struct connection *c = ctx;
	struct notebook_state *state = c->state;
	state->peer = NULL;
	connection_close(c);
}

static int notebook_open(struct connection *c)
{
	struct notebook_state *state = xcalloc(1, sizeof *state);
	const struct peer_link link = {c, link_send, link_queued, link_joined, link_drop};
	state->face = face_choose(c->version, c->handshake.typed_bootstrap);
	c->state = state;
	connection_busy(c);
	struct room_join *join = room_join(c->daemon->rooms, &c->handshake, state->face, &link);
	handshake_fini(&c->handshake); /* the join has its own copies */
	if (join)
		state->join = join;
	return 0;
}

static int notebook_frame(struct connection *c, int type, const uint8_t *p, size_t n)
{
	struct notebook_state *state = c->state;
	return peer_frame(state->peer, type, p, n);
}

static void notebook_close(struct connection *c)
{
	struct notebook_state *state = c->state;
	if (state->join)
		room_join_cancel(state->join);
	if (state->peer)
		peer_gone(state->peer);
	free(state);
	c->state = NULL;
}

static void notebook_writable(struct connection *c)
{
	struct notebook_state *state = c->state;
	if (state->peer)
		peer_writable(state->peer);
}

const struct channel channel_notebook = {"notebook", notebook_open, notebook_frame, notebook_close, notebook_writable};
