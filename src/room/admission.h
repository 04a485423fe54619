/* May this room be saved onto that path, and what becomes of the room that is
 * there (rooms.md 11.4)? A question without side effects. */
#ifndef ROOM_ADMISSION_H
#define ROOM_ADMISSION_H
#include "room/room.h"

enum admission {
	ADMIT_FREE,    /* nobody is there */
	ADMIT_SELF,    /* the saving room itself */
	ADMIT_WAIT,    /* somebody loads, writes or is leaving: ask again soon */
	ADMIT_FLUSH,   /* the occupant has unsaved work and nobody in it: write that first */
	ADMIT_ABSORB,  /* scaffold: folded, its cells dropped */
	ADMIT_REPLACE, /* viewers of an old content: folded onto the new one */
	ADMIT_UNION,   /* two claimants of a new file: both sides' cells stay */
	ADMIT_REFUSE
};
/* on_disk: there is a file at the path. */
enum admission room_admission(struct room *saving, struct room *occupant, bool on_disk);
/* For copies (save-as of a saved notebook, clones): FREE, SELF, WAIT, REFUSE, or
 * REPLACE, which means the occupant takes the new bytes as an outside edit (9.i). */
enum admission room_admission_copy(struct room *saving, struct room *occupant);
#endif
