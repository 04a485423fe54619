/* One daemon per base directory, and how clients find it (protocol.md 2.3,
 * 2.4). */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H
#include <stdbool.h>
#include <stdint.h>

#include "host/host.h"

struct daemon_lock {
	int fd;
};
/* `<base>/daemon.lock`, made with the directory when missing; flock, held until
 * the process ends or daemon_lock_release. -EWOULDBLOCK when another has it. */
int daemon_lock_take(struct host *h, const char *base_dir, struct daemon_lock *ret);
void daemon_lock_release(struct host *h, struct daemon_lock *l);

/* daemon.json */
struct daemon_record {
	char *endpoint;
	uint32_t pid;
	char *version;
	int64_t started_at_ns;
	uint16_t blob_port;          /* 0 = absent */
	char *worktree_path;         /* NULL = absent, as the next */
	char *workspace_description;
};
void daemon_record_free(struct daemon_record *r);
/* Pretty-printed, atomically, to base_dir and, when that is another directory, beside
 * the socket (r->endpoint). */
int daemon_record_write(struct host *h, const char *base_dir, const struct daemon_record *r);
/* -ENOENT for whatever is unreadable, incomplete or has no good started_at. */
int daemon_record_read(struct host *h, const char *dir, struct daemon_record *ret);
/* Removes both files if they name this pid. */
void daemon_record_remove(struct host *h, const char *base_dir, const struct daemon_record *r);
#endif
