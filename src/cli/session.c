#include "cli/session.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define STOP_LOOK_MS 200

static int frame_send(struct session *s, int type, const void *p, size_t n)
{
	struct buf out = {0};
	int r = frame_append(&out, type, p, n);
	if (r == 0)
		r = client_send(&s->client, out.p, out.n, SESSION_REQUEST_MS);
	buf_free(&out);
	return r;
}

/* Applies a sync message and says what there is to say. */
static int sync_take(struct session *s, const struct frame *f)
{
	bool notebook = f->type == FRAME_SYNC;
	am_doc *doc = notebook ? s->doc : s->state;
	am_sync *sync = notebook ? s->doc_sync : s->state_sync;
	am_buf out = {0};
	if (am_sync_receive(doc, sync, f->p, f->n, 0, NULL) != AM_OK)
		return -EBADMSG;
	s->doc_seen |= notebook;
	int r = am_sync_generate(doc, sync, &out) == AM_OK ? 0 : -ENOMEM;
	if (r == 0 && out.n)
		r = frame_send(s, f->type, out.p, out.n);
	am_buf_free(&out);
	return r;
}

static void broadcast_take(struct session *s, const struct frame *f)
{
	struct broadcast b;
	if (!s->on_broadcast || broadcast_decode(f->p, f->n, &b) < 0)
		return; /* events of later releases are none of ours */
	s->on_broadcast(s->ctx, &b);
	broadcast_fini(&b);
}

/* As session_pump; a response goes to *ret_response and 2 is returned. */
static int take(struct session *s, int64_t deadline, struct response *ret_response)
{
	struct frame f;
	int r = client_read(&s->client, deadline, &f);
	if (r <= 0)
		return r;
	switch (f.type) {
	case FRAME_SYNC:
	case FRAME_STATE_SYNC:
		r = sync_take(s, &f);
		return r < 0 ? r : 1;
	case FRAME_BROADCAST:
		broadcast_take(s, &f);
		return 1;
	case FRAME_RESPONSE:
		if (!ret_response)
			return 1;
		r = response_decode(f.p, f.n, ret_response);
		return r < 0 ? r : 2;
	default:
		return 1; /* presence */
	}
}

int session_pump(struct session *s, int64_t deadline)
{
	return take(s, deadline, NULL);
}

static const char *why_of(int r)
{
	return r == -EPIPE ? "the daemon closed the connection" : strerror(-r);
}

/* Looks at *stop now and then: a signal may come just before the wait that it was to end. */
static int response_wait(struct session *s, int64_t deadline, const volatile int *stop, struct response *ret_response)
{
	for (;;) {
		int64_t look = client_now_ms() + STOP_LOOK_MS, until = stop && look < deadline ? look : deadline;
		int r = take(s, until, ret_response);
		if (r == 2)
			return 0;
		if (r < 0 && r != -EINTR)
			return r;
		if (stop && *stop)
			return -EINTR;
		if (r == 0 && until == deadline)
			return -ETIMEDOUT;
	}
}

int session_request(struct session *s, const struct request *request, int timeout_ms, const volatile int *stop,
	struct response *ret_response, char **ret_why)
{
	struct buf json = {0};
	request_append(&json, request);
	int r = frame_send(s, FRAME_REQUEST, json.p, json.n);
	buf_free(&json);
	if (r == 0)
		r = response_wait(s, client_now_ms() + timeout_ms, stop, ret_response);
	if (r < 0)
		*ret_why = xasprintf("%s: %s", request_action_name(request->action), why_of(r));
	return r;
}

static int info_wait(struct session *s, int64_t deadline)
{
	struct frame f;
	int r;
	do {
		r = client_read(&s->client, deadline, &f);
	} while (r == -EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	return r < 0 ? r : connection_info_decode(f.p, f.n, &s->info);
}

static int settle(struct session *s, int64_t deadline)
{
	static const struct frame_limits all = {{
		[FRAME_SYNC] = FRAME_MAX, [FRAME_REQUEST] = FRAME_MAX, [FRAME_RESPONSE] = FRAME_MAX,
		[FRAME_BROADCAST] = FRAME_MAX, [FRAME_PRESENCE] = FRAME_MAX, [FRAME_STATE_SYNC] = FRAME_MAX,
	}};
	frame_parser_expect(&s->client.in, FRAME_STAGE_TYPED, &all);
	while (!s->doc_seen || !am_sync_in_sync(s->doc, s->doc_sync) || am_change_count(s->doc) == 0) {
		int r = session_pump(s, deadline);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}

static int replicas_make(struct session *s)
{
	if (am_new(NULL, &s->doc) || am_new(NULL, &s->state) || am_sync_new(NULL, &s->doc_sync) ||
		am_sync_new(NULL, &s->state_sync))
		return -ENOMEM;
	return 0;
}

static int open_connected(struct session *s, const struct handshake *h, char **ret_why)
{
	int64_t deadline = client_now_ms() + SESSION_OPEN_MS;
	int r = replicas_make(s);
	if (r == 0)
		r = client_greet(&s->client, h, CLIENT_CONNECT_MS);
	if (r == 0)
		r = info_wait(s, deadline);
	if (r == 0 && s->info.error) {
		*ret_why = xstrdup(s->info.error);
		return -EPROTO;
	}
	if (r == 0)
		r = settle(s, deadline);
	if (r < 0)
		*ret_why = xasprintf("cannot open the notebook: %s", why_of(r));
	return r;
}

int session_open(const char *socket, const struct handshake *h, struct session *ret_session, char **ret_why)
{
	struct session s = {0};
	int r = client_connect(socket, CLIENT_CONNECT_MS, &s.client);
	if (r < 0) {
		*ret_why = xasprintf("cannot connect to %s: %s", socket, strerror(-r));
		return r;
	}
	r = open_connected(&s, h, ret_why);
	if (r < 0) {
		session_close(&s);
		return r;
	}
	*ret_session = s;
	return 0;
}

void session_close(struct session *s)
{
	client_close(&s->client);
	connection_info_fini(&s->info);
	am_sync_free(s->doc_sync);
	am_sync_free(s->state_sync);
	am_free(s->doc);
	am_free(s->state);
	*s = (struct session){.client.fd = -1};
}
