/* From the path a client names to the one path a notebook has (rooms.md 3.3). */
#ifndef ROOM_PATH_H
#define ROOM_PATH_H
#include <stdbool.h>
#include <stdint.h>

#include "host/file.h"

#define ROOM_PATH_MAX 4096

enum room_path_kind {
	ROOM_PATH_FILE,     /* a regular file, its canonical path */
	ROOM_PATH_MISSING,  /* nothing there yet; its parents are resolved, `.ipynb` added */
	ROOM_PATH_DIRECTORY /* of an open: the working directory of a new notebook */
};

struct room_path {
	enum room_path_kind kind;
	char *path;
	struct host_file_info info; /* FILE only */
};

enum room_path_use {
	ROOM_PATH_OPEN, /* `.ipynb` is added only to what is not there */
	ROOM_PATH_SAVE  /* `.ipynb` is added unless the name ends in it (protocol.md 6); directories are refused */
};

/* 0, or a negative errno with *ret_reason (malloc()ed English): -EINVAL for a
 * path of the wrong form (relative, empty, `~`, too long, not UTF-8), else what
 * the system said. */
int room_path_resolve(struct host *h, const char *given, enum room_path_use use, struct room_path *ret,
		      char **ret_reason);
void room_path_fini(struct room_path *p);
#endif
