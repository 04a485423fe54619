/* A notebook connection with replicas of its documents: what `exec` and other
 * commands that work inside a notebook use. Reads only; it edits nothing. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H
#include "automerge/automerge.h"
#include "cli/client.h"
#include "protocol/broadcast.h"
#include "protocol/request.h"
#include "protocol/response.h"

#define SESSION_OPEN_MS 60000     /* a big file is parsed before the info comes */
#define SESSION_REQUEST_MS 30000
#define SESSION_LAUNCH_MS 300000  /* protocol.md 12.1 */

struct session {
	struct client client;
	struct connection_info info;
	am_doc *doc, *state;
	am_sync *doc_sync, *state_sync;
	bool doc_seen; /* a frame 00 has come */
	/* Called for every broadcast; may be NULL. */
	void (*on_broadcast)(void *ctx, const struct broadcast *b);
	void *ctx;
};

/* Connects, greets and waits for the info and the notebook's content. 0, or
 * negative with *ret_why (the daemon's own words where it gave any). */
int session_open(const char *socket, const struct handshake *h, struct session *ret_session, char **ret_why);
void session_close(struct session *s);
/* Takes one frame: 1 = took one, 0 = deadline, -EINTR, -EPIPE (closed), ... */
int session_pump(struct session *s, int64_t deadline);
/* Sends a request and pumps until its response. Goes on through signals unless
 * *stop (may be NULL) becomes true: then -EINTR. */
int session_request(struct session *s, const struct request *request, int timeout_ms, const volatile int *stop,
	struct response *ret_response, char **ret_why);
#endif
