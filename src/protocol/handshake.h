/* The first frame of a connection and the daemon's reply (protocol.md 4). */
#ifndef PROTOCOL_HANDSHAKE_H
#define PROTOCOL_HANDSHAKE_H
#include "protocol/message.h"

enum handshake_channel {
	HANDSHAKE_UNKNOWN,
	HANDSHAKE_POOL,
	HANDSHAKE_SETTINGS_SYNC,
	HANDSHAKE_NOTEBOOK_SYNC,
	HANDSHAKE_OPEN_NOTEBOOK,
	HANDSHAKE_CREATE_NOTEBOOK,
	HANDSHAKE_BLOB,
	HANDSHAKE_POOL_STATE,
};

struct handshake {
	enum handshake_channel channel;
	const char *notebook_id;      /* notebook_sync: required; create_notebook: optional */
	const char *protocol;         /* notebook_sync, never checked */
	const char *working_dir;      /* notebook_sync, create_notebook */
	const char *initial_metadata; /* notebook_sync: JSON text of a metadata snapshot */
	const char *path;             /* open_notebook */
	const char *runtime;          /* create_notebook: "deno", anything else is Python */
	/* Later clients (today.md 2.1). */
	bool typed_bootstrap;
	bool ephemeral;
	const char *operator_label; /* key `operator` */
	const char *package_manager;
	const char *environment_mode;
	struct strs dependencies;
	struct message_memory memory;
};

/* 0; -EBADMSG when it is not a JSON object; -EINVAL when the channel is unknown
 * or a field is missing or of the wrong type. Ended with handshake_fini(). */
int handshake_decode(const void *p, size_t n, struct handshake *ret_handshake);
void handshake_fini(struct handshake *h);
/* The channel named in bytes handshake_decode refused, as far as it can be told:
 * open and create still get an info with an error (protocol.md 13). */
enum handshake_channel handshake_peek(const void *p, size_t n);
/* The JSON alone; the frame is the caller's. */
void handshake_append(struct buf *out, const struct handshake *h);
bool handshake_is_notebook(enum handshake_channel channel);

/* ProtocolCapabilities (protocol.md 4.1): the reply to notebook_sync. And
 * NotebookConnectionInfo (4.2): the reply to open and create, and on an error. */
struct connection_info {
	bool capabilities_only;     /* only the first three keys */
	const char *protocol;       /* "v2" */
	int64_t protocol_version;   /* -1 = absent */
	const char *daemon_version; /* `<version>+<commit>`; NULL = absent */
	const char *notebook_id;
	uint64_t cell_count;
	bool needs_trust_approval;
	const char *error; /* NULL = the connect succeeded */
	struct message_memory memory;
};

/* Either reply; capabilities_only says which it was (no notebook_id). */
int connection_info_decode(const void *p, size_t n, struct connection_info *ret_info);
void connection_info_fini(struct connection_info *info);
void connection_info_append(struct buf *out, const struct connection_info *info);
#endif
