/* `notebook-docs/aliases.json`: which saved file an untitled notebook's UUID
 * became, and which saves were intended when the daemon ended (rooms.md 13.2).
 * In memory, looked up on the loop; every change is rewritten atomically on a
 * worker. */
#ifndef STORE_ALIAS_H
#define STORE_ALIAS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/host.h"

#define ALIAS_MAX_AGE_NS (INT64_C(30) * 24 * 3600 * 1000000000)

struct alias_table;

struct alias {
	char *uuid;   /* canonical text */
	char *path;   /* canonical path */
	char *sha256; /* 64 hex of the bytes that were (to be) written */
	bool done;    /* false: pending, an intent */
	int64_t at_ns;
};

/* Reads `<dir>/aliases.json`; a missing file is an empty table, an unreadable
 * one is renamed `aliases.json.corrupt`. */
int alias_open(struct host *h, const char *dir, struct alias_table **ret);
void alias_close(struct alias_table *a);

/* What a restart makes of the table, to be called once after alias_open and
 * before rooms exist: a pending entry whose target holds the intended bytes
 * becomes done; otherwise it goes, with stray temp files of the target. Entries
 * older than 30 days go, as do those whose file and journal are both gone
 * (has_journal(ctx, alias)). Synchronous. */
typedef bool alias_journal_fn(void *ctx, const struct alias *a);
int alias_resolve(struct alias_table *a, alias_journal_fn *has_journal, void *ctx);

/* Borrowed until the next change; NULL when there is none. Only done entries. */
const char *alias_path_of(const struct alias_table *a, const char *uuid);
/* The UUID promoted to path most recently. */
const char *alias_uuid_of(const struct alias_table *a, const char *path);
size_t alias_count(const struct alias_table *a);
const struct alias *alias_at(const struct alias_table *a, size_t i);

typedef void alias_done_fn(void *ctx, int err);
/* Each changes the table at once and calls done (may be NULL) on the loop when
 * that state is on disk, or could not be written. An entry is per UUID; a new
 * intent replaces a pending one and hides, until finished or dropped, nothing:
 * the done entry of a UUID stays in force beside its pending one. */
void alias_intent(struct alias_table *a, const char *uuid, const char *path, const char *sha256, alias_done_fn *done,
		  void *ctx);
/* The pending entry becomes the done one (made when missing). */
void alias_finish(struct alias_table *a, const char *uuid, const char *path, const char *sha256, alias_done_fn *done,
		  void *ctx);
/* Drops the pending entry. */
void alias_drop_intent(struct alias_table *a, const char *uuid, alias_done_fn *done, void *ctx);
/* A saved notebook was renamed: done entries of `from` now say `to`. */
void alias_move(struct alias_table *a, const char *from, const char *to, alias_done_fn *done, void *ctx);
/* Drops all entries of the UUID. */
void alias_forget(struct alias_table *a, const char *uuid, alias_done_fn *done, void *ctx);
#endif
