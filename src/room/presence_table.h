/* Who is in a room and what they announced: cursors, selections, the daemon's
 * own kernel state (protocol.md 9.4). */
#ifndef ROOM_PRESENCE_TABLE_H
#define ROOM_PRESENCE_TABLE_H
#include <stdbool.h>

#include "protocol/presence.h"

struct presence_table;
struct presence_table *presence_table_new(void);
void presence_table_free(struct presence_table *t);

/* Stores an announcement under the server's id for the peer; true when the peer
 * was not known before. */
bool presence_table_update(struct presence_table *t, const char *peer_id, const char *label, const char *actor_label,
			   const struct presence_state *state);
/* The label stored for a peer, or NULL. */
const char *presence_table_label(const struct presence_table *t, const char *peer_id);
bool presence_table_clear(struct presence_table *t, const char *peer_id, enum presence_channel channel);
/* True when the peer was known. */
bool presence_table_remove(struct presence_table *t, const char *peer_id);
/* All peers of `from` but the daemon go over to t. */
void presence_table_move(struct presence_table *t, struct presence_table *from);
/* A snapshot of all but `except` (may be NULL), newest peers first as far as they
 * fit PRESENCE_MAX; false when nobody is known. Sender is "daemon". */
bool presence_table_snapshot(const struct presence_table *t, const char *except, struct buf *out);
#endif
