/* Watching a directory for changes of what is in it: created, written, moved,
 * removed; never opened or read. Events are hints: several may tell of one
 * change, and the receiver looks at content to know what happened (rooms.md
 * 7.3). Coalescing is the receiver's. */
#ifndef HOST_WATCH_H
#define HOST_WATCH_H
#include "host/host.h"

struct host_watch;

enum {
	HOST_WATCH_RENAMED = 1, /* an entry came, went or was replaced; or the directory itself went */
	HOST_WATCH_CHANGED = 2  /* content or attributes */
};

/* name is the entry in the directory, or NULL when it is not known (look at all). */
typedef void host_watch_fn(void *ctx, const char *name, int events);

int host_watch_dir(struct host *h, const char *dir, host_watch_fn *fn, void *ctx, struct host_watch **ret);
/* No callback after it; may be called inside one. */
void host_watch_close(struct host_watch *w);
#endif
