/* From a handshake to a peer in a room (rooms.md 3, 5): which room is meant, is it
 * there, loaded, free; then the info reply and the attachment in one turn. */
#ifndef ROOM_JOIN_H
#define ROOM_JOIN_H
#include "room/room.h"

/* The room has loaded, failed to, or is gone: its parked joins go on. */
void join_resume_waiting(struct room *room);
/* An id as clients give it (UUID in any spelling, path, opaque) -> the room there
 * is, or NULL. *ret_path (may be NULL; caller frees): where its file would be. */
struct room *join_find(struct room_service *svc, const char *id, char **ret_path);
#endif
