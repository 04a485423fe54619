/* All rooms of a daemon and what they share; what src/daemon sees of rooms.
 * Everything here is for the loop thread. */
#ifndef ROOM_SERVICE_H
#define ROOM_SERVICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "host/host.h"
#include "protocol/face.h"
#include "protocol/pool.h"

struct blob_store;
struct pool;
struct peer;
struct room_service;

struct room_config {
	struct host *host;
	const char *base_dir;       /* notebook-docs, connections, kernels.json, executions */
	const char *cache_dir;      /* `{cache}/runt`: tools/, default-env/ */
	const char *env_dir;        /* pool environments */
	const char *blob_dir;
	const char *trust_key_path;
	const char *daemon_version; /* `<version>+<commit>` */
	unsigned uv_pool_size;
	int new_notebook_cells;     /* -1 = as the client's face says (protocol.md 4.5) */
	uint64_t evict_ms;          /* 0 = keep_alive_secs of the settings; tests */
	void (*pool_error_changed)(void *ctx); /* pool_state subscribers want to know */
	void *ctx;
};

int room_service_open(const struct room_config *config, struct room_service **ret);
/* Once, when there is time: the directories made by open become durable, and what
 * earlier daemons left and nobody needs is removed. On a worker. */
void room_service_tidy(struct room_service *svc);
/* Orderly end (rooms.md 13.1): journals flushed, dirty files written, kernels
 * ended, peers disconnected; done is called when over, or after `limit`. */
void room_service_stop(struct room_service *svc, uint64_t limit, host_fn *done, void *ctx);
/* Rooms, kernels and the pool go at once. */
void room_service_close(struct room_service *svc);
/* After that, once no work of the host is pending: what a worker has in hand comes back to the service. */
void room_service_free(struct room_service *svc);

struct blob_store *room_service_blobs(struct room_service *svc);
struct pool *room_service_pool(struct room_service *svc);

/* From the settings document, whenever it changes. Strings are copied. */
void room_service_set_settings(struct room_service *svc, const char *default_runtime, const char *default_python_env,
			       uint64_t keep_alive_secs);

/* ---- a connection becomes a peer ---- */

/* What a peer needs of its connection. ctx outlives the peer's last use of it:
 * the connection calls peer_gone or room_join_cancel before it goes. */
struct peer_link {
	void *ctx;
	/* Sends a whole frame, malloc()ed and now the link's. */
	void (*send)(void *ctx, void *frame, size_t n);
	/* Bytes sent and not yet taken by the kernel. */
	size_t (*queued)(void *ctx);
	/* The join came to its end: frames go to peer_frame from now on; NULL: refused,
	 * the answer has been sent, close when it is out. May be called from inside
	 * room_join. */
	void (*joined)(void *ctx, struct peer *peer);
	/* The room drops this peer (stopped, overflowed): close after what was sent. The peer is gone. */
	void (*drop)(void *ctx);
};

struct room_join;
/* Starts a notebook_sync, open_notebook or create_notebook. h is copied. Returns
 * NULL when joined() was called from inside. */
struct room_join *room_join(struct room_service *svc, const struct handshake *h, const struct face *face,
			    const struct peer_link *link);
/* The connection ended before joined(). */
void room_join_cancel(struct room_join *join);

/* One typed frame. Negative: the connection must be closed (undecodable). */
int peer_frame(struct peer *peer, int type, const void *p, size_t n);
/* The send queue has become short again. */
void peer_writable(struct peer *peer);
void peer_gone(struct peer *peer);

/* ---- listing, inspecting, stopping (pool channel) ---- */

/* The answers are complete; their memory is freed with pool_response_fini. */
void room_service_list(struct room_service *svc, struct pool_response *ret);
/* Calls done with a notebook_state or error answer, at once or later. */
typedef void room_answer_fn(void *ctx, struct pool_response *answer);
void room_service_inspect(struct room_service *svc, const char *notebook_id, room_answer_fn *done, void *ctx);
/* Flushes, ends the kernel, disconnects the peers, removes the room; found or not. */
void room_service_shutdown_notebook(struct room_service *svc, const char *notebook_id, room_answer_fn *done,
				    void *ctx);
size_t room_service_count(const struct room_service *svc);
/* venv paths in use by running kernels, for active_env_paths. */
void room_service_env_paths(struct room_service *svc, struct pool_response *ret);
#endif
