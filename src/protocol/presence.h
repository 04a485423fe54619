/* Presence, frame 04: CBOR maps with text keys (protocol.md 9). */
#ifndef PROTOCOL_PRESENCE_H
#define PROTOCOL_PRESENCE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PRESENCE_MAX 4096         /* payload the daemon takes, and clients too (3.2) */
#define PRESENCE_LABEL_MAX 64     /* scalar values kept of a label */
#define PRESENCE_INTERVAL_MS 15000
#define PRESENCE_TTL_MS 45000

enum presence_type {
	PRESENCE_UPDATE,        /* peer_id, peer_label?, actor_label?, state */
	PRESENCE_SNAPSHOT,      /* peer_id of the sender, peers */
	PRESENCE_LEFT,          /* peer_id */
	PRESENCE_HEARTBEAT,     /* peer_id */
	PRESENCE_CLEAR_CHANNEL, /* peer_id, state.channel */
};

enum presence_channel {
	PRESENCE_CURSOR,
	PRESENCE_SELECTION,
	PRESENCE_FOCUS,
	PRESENCE_KERNEL_STATE,
	PRESENCE_CUSTOM,
	PRESENCE_CHANNELS
};

/* protocol.md 9.2; note `errored`, everything else on the wire says `error`. */
enum presence_kernel {
	PRESENCE_KERNEL_NOT_STARTED,
	PRESENCE_KERNEL_STARTING,
	PRESENCE_KERNEL_IDLE,
	PRESENCE_KERNEL_BUSY,
	PRESENCE_KERNEL_ERRORED,
	PRESENCE_KERNEL_SHUTDOWN,
};

/* One channel's data; owns its strings when it came out of a decode or a copy. */
struct presence_state {
	enum presence_channel channel;
	char *cell_id;              /* cursor, selection, focus */
	uint32_t line, column;      /* cursor */
	uint32_t anchor_line, anchor_col, head_line, head_col; /* selection */
	enum presence_kernel status; /* kernel_state */
	char *env_source;           /* kernel_state */
	uint8_t *custom;            /* custom: an array of integers on the wire */
	size_t custom_n;
};

struct presence_peer {
	char *peer_id, *peer_label;
	char *actor_label; /* optional (2.0.8) */
	struct presence_state *channels;
	size_t n_channels;
};

struct presence {
	enum presence_type type;
	char *peer_id;
	char *peer_label, *actor_label; /* NULL = absent */
	struct presence_state state;
	struct presence_peer *peers;
	size_t n_peers;
};

/* Definite and indefinite maps, arrays and strings, keys in any order, unknown
 * keys and trailing bytes ignored. 0, -EMSGSIZE above PRESENCE_MAX, -EBADMSG
 * not CBOR of this form, -EINVAL a field missing or wrong, -ENOTSUP an unknown
 * type or channel. Ended with presence_fini(). */
int presence_decode(const void *p, size_t n, struct presence *ret_presence);
void presence_fini(struct presence *p);
void presence_state_copy(struct presence_state *dst, const struct presence_state *src);
void presence_state_fini(struct presence_state *s);
void presence_peer_fini(struct presence_peer *p);
/* Definite maps in the reference's key order; the strings stay the caller's. */
void presence_append(struct buf *out, const struct presence *p);
/* The same bytes Rust writes: an update is an indefinite map (protocol.md 9). */
void presence_append_as_rust(struct buf *out, const struct presence *p);
/* A snapshot of as many of the peers, taken from the front, as fit in
 * PRESENCE_MAX: clients drop larger ones whole (protocol.md 15 no. 25), so put
 * the newest first. Returns how many went in. */
size_t presence_append_snapshot(struct buf *out, const char *sender, struct presence_peer *peers, size_t n_peers);
/* The clean form of a label (protocol.md 9.4), "peer" when nothing is left of
 * it or it is NULL; allocated. */
char *presence_label_clean(const char *label);
const char *presence_channel_name(enum presence_channel channel);
const char *presence_kernel_name(enum presence_kernel status);
#endif
