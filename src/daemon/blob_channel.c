/* The blob channel (protocol.md 10.2). */
#include "protocol/blob_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/connection.h"
#include "store/blob.h"

struct blob_state {
	char *media_type; /* of the content that comes next; NULL = a request comes next */
};

struct blob_job {
	struct connection *c;
	struct blob_store *store;
	char *media_type;
	struct buf content;
	int err;
	char hash[SHA256_HEX_BYTES];
};

static void respond(struct connection *c, const struct blob_response *r)
{
	struct buf json = {0};
	blob_response_append(&json, r);
	connection_send_json(c, &json);
	buf_free(&json);
}

static void store_run(void *ctx)
{
	struct blob_job *job = ctx;
	job->err = blob_put(job->store, job->media_type, job->content.p, job->content.n, job->hash);
}

static void store_done(void *ctx)
{
	struct blob_job *job = ctx;
	struct blob_response r = {0};
	if (job->err < 0)
		r.error = strerror(-job->err);
	else
		r.hash = job->hash;
	respond(job->c, &r);
	if (job->err == -EFBIG)
		connection_close(job->c);
	connection_idle(job->c);
	connection_unref(job->c);
	buf_free(&job->content);
	free(job->media_type);
	free(job);
}

static int blob_channel_open(struct connection *c)
{
	c->state = xcalloc(1, sizeof(struct blob_state));
	return 0;
}

static int content(struct connection *c, struct blob_state *state, const uint8_t *p, size_t n)
{
	struct blob_job *job = xcalloc(1, sizeof *job);
	job->c = c;
	job->store = room_service_blobs(c->daemon->rooms);
	job->media_type = state->media_type;
	state->media_type = NULL;
	buf_append(&job->content, p, n);
	connection_ref(c);
	connection_busy(c);
	host_work(c->daemon->host, store_run, store_done, job);
	return 0;
}

static int blob_frame(struct connection *c, int type, const uint8_t *p, size_t n)
{
	struct blob_state *state = c->state;
	struct blob_request r;
	(void)type;
	if (state->media_type)
		return content(c, state, p, n);
	if (blob_request_decode(p, n, &r) < 0) {
		respond(c, &(struct blob_response){.error = "Invalid request"});
		return -EPROTO;
	}
	if (r.action == BLOB_STORE)
		state->media_type = xstrdup(r.media_type);
	else if (c->daemon->record.blob_port)
		respond(c, &(struct blob_response){.port = c->daemon->record.blob_port});
	else
		respond(c, &(struct blob_response){.error = "The blob server is not running"});
	blob_request_fini(&r);
	return 0;
}

static void blob_channel_close(struct connection *c)
{
	struct blob_state *state = c->state;
	free(state->media_type);
	free(state);
	c->state = NULL;
}

const struct channel channel_blob = {"blob", blob_channel_open, blob_frame, blob_channel_close, NULL};
