/* A small blocking client of the daemon: connect, whole frames, pool calls.
 * Every wait has an end (protocol.md 12.1). Failures come with a sentence in
 * *ret_why, the caller's to free(). */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H
#include "base/paths.h"
#include "protocol/frame.h"
#include "protocol/handshake.h"
#include "protocol/pool.h"

#define CLIENT_CONNECT_MS 2000
#define CLIENT_POOL_MS 5000

/* daemon.json of the base directory (protocol.md 2.3). */
struct running_daemon {
	struct json_object *json; /* NULL = there is none */
	const char *endpoint, *version, *started_at; /* borrowed from json */
	int64_t pid, blob_port;                      /* 0 = absent */
};
void running_daemon_read(const struct paths *paths, struct running_daemon *ret_record);
void running_daemon_fini(struct running_daemon *r);

struct client {
	int fd;
	struct frame_parser in;
};

int64_t client_now_ms(void);
/* Connects to one socket. 0 or a negative errno (-ETIMEDOUT). */
int client_connect(const char *socket, int timeout_ms, struct client *ret_client);
void client_close(struct client *c);
/* Sends preamble and handshake. */
int client_greet(struct client *c, const struct handshake *h, int timeout_ms);
/* All bytes, or a negative errno. */
int client_send(struct client *c, const void *p, size_t n, int timeout_ms);
/* Waits for the next whole frame until `deadline` (client_now_ms() time).
 * 1 = got one (borrowed until the next call), 0 = time is up, -EINTR a signal,
 * -EPIPE the daemon closed, other negative errno. */
int client_read(struct client *c, int64_t deadline, struct frame *ret_frame);

/* The socket of the running daemon: RUNTIMED_SOCKET_PATH if set, else the endpoint
 * in daemon.json, else the default; the first that takes a connection, or the
 * first named when none does. Caller frees. */
char *client_find_socket(const struct paths *paths);
/* One request on a connection of its own. 0; -ECONNREFUSED or the like when no
 * daemon answers; -EPROTO with the daemon's own text when it says `error`. */
int client_pool_call(const char *socket, const struct pool_request *request, int timeout_ms,
	struct pool_response *ret_response, char **ret_why);
bool client_ping(const char *socket, int timeout_ms);
#endif
