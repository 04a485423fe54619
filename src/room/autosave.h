/* Writing a room's file (rooms.md 7.1): dirtiness by content, a quiet time, one
 * write at a time per path, a look at the file before overwriting it. */
#ifndef ROOM_AUTOSAVE_H
#define ROOM_AUTOSAVE_H
#include "room/room.h"

#define AUTOSAVE_QUIET HOST_SEC(2)  /* after the last change */
#define AUTOSAVE_MAX HOST_SEC(10)   /* after the first unsaved one */
#define AUTOSAVE_RETRY_MAX HOST_SEC(30)

/* The document shows something the file does not. */
bool autosave_dirty(const struct autosave *a);
/* baseline hash and exported heads. */
void autosave_describe(const struct autosave *a, struct sidecar *sc);
/* The file has these bytes now (load, merge, promotion). clean: the document at these heads is what they say;
 * else something is left to write, and heads are those of the newest document that is known to be in a file
 * (NULL: as before), which is what a journal is compared with after a crash. */
void autosave_rebase(struct room *room, const uint8_t sha256[SHA256_BYTES], const am_hash *heads, size_t n, bool clean);
/* The hash of the file's bytes as last read or written; false when there are none. */
bool autosave_baseline(const struct autosave *a, uint8_t ret[SHA256_BYTES]);
/* Bytes the file is known to hold, or those being written (settled question 17). */
bool autosave_is_own(const struct autosave *a, const uint8_t sha256[SHA256_BYTES]);
/* Holds writing back (a promotion has the lane), and lets it go on. */
void autosave_suspend(struct autosave *a);
void autosave_resume(struct room *room);
/* Looks at the file and writes it if it differs, dirty or not (an explicit save). */
void autosave_write(struct room *room, room_done_fn *done, void *ctx);
#endif
