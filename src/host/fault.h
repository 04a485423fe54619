/* Scripted faults in front of a host's file operations: "the third sync under
 * this directory fails with EIO", "the process dies at write 17", "renames
 * stall until released". For tests; works over uv and sim alike. */
#ifndef HOST_FAULT_H
#define HOST_FAULT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/host.h"

struct fault;

enum {
	FAULT_OPEN = 1, /* without O_CREAT */
	FAULT_CREATE = 2,
	FAULT_READ = 4,
	FAULT_WRITE = 8,
	FAULT_SYNC = 16, /* fsync, fdatasync, also of directories */
	FAULT_TRUNCATE = 32,
	FAULT_RENAME = 64,
	FAULT_UNLINK = 128, /* and rmdir */
	FAULT_LINK = 256,   /* and symlink */
	FAULT_MKDIR = 512,
	FAULT_STAT = 1024, /* stat, access, realpath, list */
	/* All that changes what is on disk. */
	FAULT_CHANGE = FAULT_CREATE | FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE | FAULT_RENAME | FAULT_UNLINK |
		       FAULT_LINK | FAULT_MKDIR
};

enum fault_action {
	FAULT_FAIL,  /* return -error, nothing done */
	FAULT_TEAR,  /* a write puts half of its bytes and then fails; others as FAULT_FAIL */
	FAULT_CRASH, /* before the operation: crash(ctx) is called, or SIGKILL raised */
	FAULT_STALL  /* wait until fault_release (not in sim: there is one thread) */
};

struct fault_rule {
	unsigned ops;
	const char *prefix; /* of the path (either path of a rename); NULL = all. Copied. */
	uint64_t nth;       /* the nth match from now on, from 1; 0 = each */
	bool from_then_on;  /* nth and every later one */
	enum fault_action action;
	int error; /* positive errno */
	host_fn *crash;
	void *ctx;
};

struct fault *fault_install(struct host *h);
/* Takes it out again and frees it; no file may be open by then that was opened
 * through it, apart from such as are never used again. */
void fault_remove(struct fault *f);
void fault_add(struct fault *f, const struct fault_rule *rule);
/* Called, from whichever thread, before each operation and every 2 ms of a stall. */
void fault_refresh(struct fault *f, host_fn *refresh, void *ctx);
/* The rules of a text file, read anew whenever it changes (which also lets stalled
 * operations go on): lines `OPS ACTION NTH ERRNO PREFIX`. OPS are names of the
 * list above in small letters joined by commas, ACTION is fail, tear, crash or
 * stall, NTH may end in `+` (from then on), PREFIX is the rest of the line; a
 * PREFIX of * is any path. Other lines are skipped. A missing file is an empty one. */
void fault_follow(struct fault *f, const char *script);
/* Drops all rules and lets stalled operations go on. */
void fault_clear(struct fault *f);
/* Stalled operations go on; stall rules are dropped. */
void fault_release(struct fault *f);
/* Operations waiting in a stall. */
size_t fault_stalled(struct fault *f);
/* Operations of these kinds seen since fault_reset_count. */
uint64_t fault_count(struct fault *f, unsigned ops);
void fault_reset_count(struct fault *f);
#endif
