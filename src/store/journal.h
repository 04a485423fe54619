/* The journal: what makes an acknowledged edit durable (design.md 2, decision 3).
 *
 * One append-only file per notebook id, `<dir>/<sha256 hex of id>.automerge`,
 * which is a concatenation of Automerge chunks (one document chunk, then change
 * chunks), beside it a sidecar `<hash>.json` that says whose it is.
 *
 *  - journal_append buffers. At the end of the loop turn each journal with
 *    buffered entries gets one job on a worker: write, fdatasync (group commit).
 *    journal_synced then moves forward and the `synced` event tells. One job per
 *    journal runs at a time, so entries reach the file in order.
 *  - A journal without a file begins with a whole document, and one that has
 *    grown past 4 x its last whole document (and 256 KiB) is rewritten as one:
 *    temp, fsync, rename, directory fsync. The `save` event supplies the bytes.
 *  - When the primary directory fails (full, read-only, I/O error), the whole
 *    document goes to the fallback directory (runtime directory, 0700) and
 *    further entries follow there; the primary is tried again after 1, 2, 4 ..
 *    30 s and taken back by itself. When both fail nothing is reported synced:
 *    acknowledgements wait (design.md 7.11).
 *  - What journal_load hands out without `rewrite` is durable; with it, once the
 *    first document is synced.
 *  - journal_load reads both places, cuts torn tails (kept as `<file>.torn`)
 *    and hands out the concatenation of what is good; chunks may repeat, which
 *    loading Automerge tolerates.
 *
 * Journals belong to the loop thread. journal_load, journal_paths and the
 * functions of snapshot.h only touch files and may run on a worker. */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "host/host.h"
#include "store/sidecar.h"

#define JOURNAL_COMPACT_RATIO 4
#define JOURNAL_COMPACT_MIN (256u << 10)
#define JOURNAL_RETRY_MIN HOST_SEC(1)
#define JOURNAL_RETRY_MAX HOST_SEC(30)
#define JOURNAL_FILE_MAX (UINT64_C(2) << 30)

struct journal_store;
struct journal;

/* dir: `<base>/notebook-docs`, made (0700) when missing; snapshots are in
 * `dir/snapshots`. fallback_dir: see journal_fallback_dir; may be NULL (none).
 * Does not fail for want of the directories: journals report that. */
int journal_store_open(struct host *h, const char *dir, const char *fallback_dir, struct journal_store **ret);
/* All journals must be closed. */
void journal_store_close(struct journal_store *s);
const char *journal_store_dir(const struct journal_store *s);
/* `$XDG_RUNTIME_DIR/runtimed` or `/tmp/runtimed-<uid>`, then `/<first 12 hex of
 * sha256(base dir)>` so that two base directories do not share; caller frees. */
char *journal_fallback_dir(const char *base_dir);

/* ---- reading ---- */

struct journal_content {
	bool existed;       /* there was a file with at least one good chunk */
	bool had_fallback;  /* some of it is from the fallback directory */
	size_t torn;        /* bytes cut from the ends */
	bool corrupt;       /* a file had no good chunk at all; it is `.automerge.corrupt` now */
	struct buf bytes;   /* good chunks of the primary, then of the fallback */
	bool has_sidecar;
	struct sidecar sidecar;
	int64_t mtime_ns; /* of the newer file */
	bool rewrite;     /* for journal_open: do not append to what is there */
	bool retire;      /* ... and move away what the primary holds */
};
/* Reads what is kept for id. A missing journal is no error (existed false). */
int journal_load(struct journal_store *s, const char *id, struct journal_content *ret);
void journal_content_free(struct journal_content *c);
/* The document parsed from a content turned out unusable (am_load fails): both
 * files become `.automerge.corrupt` (rooms.md; nothing is deleted). */
int journal_mark_corrupt(struct journal_store *s, const char *id);
/* Bytes of whole, checksummed chunks at the start of p (automerge.md 3.1). */
size_t journal_good_prefix(const uint8_t *p, size_t n);

/* ---- writing ---- */

enum journal_state {
	JOURNAL_OK = 0,   /* entries reach the primary file */
	JOURNAL_FALLBACK, /* they reach the fallback; survives SIGKILL, not power loss */
	JOURNAL_FAILING   /* they reach nothing: nothing is acknowledged */
};

struct journal_events {
	/* journal_synced(j) has moved to seq. */
	void (*synced)(void *ctx, uint64_t seq);
	/* Replaces out's content with the whole document as it is now, all entries
	 * appended so far included (am_save). 0 or negative: tried again later. */
	int (*save)(void *ctx, struct buf *out);
	/* State or error changed. err is a negative errno, 0 with JOURNAL_OK. May be NULL. */
	void (*status)(void *ctx, enum journal_state state, int err);
};

/* Opens for appending. loaded: what journal_load gave, when the caller's
 * document was made from it (then appending goes on behind it, after repairing
 * the file's tail); NULL: whatever is there belongs to the past and is moved to
 * the snapshots before the first write. ev must outlive the journal. */
int journal_open(struct journal_store *s, const char *id, const struct journal_content *loaded,
		 const struct journal_events *ev, void *ctx, struct journal **ret);
/* Appends one or more whole chunks; returns the sequence number (grows by one
 * per call, from 1) that journal_synced must reach before they are durable. */
uint64_t journal_append(struct journal *j, const void *p, size_t n);
/* Counts as an append of everything the document holds: a whole-document save
 * is made at the end of the turn. For changes made without the bytes at hand. */
uint64_t journal_append_document(struct journal *j);
/* Everything up to here is durable (in the fallback, on its terms). */
uint64_t journal_synced(const struct journal *j);
uint64_t journal_appended(const struct journal *j); /* the newest number */
enum journal_state journal_status(const struct journal *j, int *ret_err);
const char *journal_id(const struct journal *j);
const char *journal_hash(const struct journal *j); /* 64 hex */
uint64_t journal_size(const struct journal *j);    /* bytes of the current file */

typedef void journal_done_fn(void *ctx, int err);
/* The operations below take their place in the journal's order and call done
 * (may be NULL) on the loop when over, also at once-failed ones, in a later
 * turn; with -ECANCELED from inside journal_close, when that comes first. */

/* done(0) when all entries appended so far are durable. Waits without limit;
 * the caller has its own timer (rooms.md 12). */
void journal_flush(struct journal *j, journal_done_fn *done, void *ctx);
/* Rewrites the file as one document. A failure (no room for two) leaves the
 * journal as it was. */
void journal_compact(struct journal *j, journal_done_fn *done, void *ctx);
/* Writes the sidecar (copied now; id and updated_at are filled in), after the
 * entries appended so far. While the journal has no file it is kept in memory
 * and written with the first document. */
void journal_set_sidecar(struct journal *j, const struct sidecar *sc, journal_done_fn *done, void *ctx);
/* The journal is of another id from now on (promotion, rooms.md 11.3 step 5):
 * the files are renamed; what stood under the new id is moved to the snapshots
 * first; a copy under the old id goes to the snapshots too. journal_id and
 * journal_hash change at once. */
void journal_rename(struct journal *j, const char *new_id, journal_done_fn *done, void *ctx);
/* The document is wholly in its .ipynb: the files go (a snapshot copy is kept
 * when `snapshot`). Entries appended before are thereby settled; a later append
 * starts a new file with a whole document. */
void journal_discard(struct journal *j, bool snapshot, journal_done_fn *done, void *ctx);
/* No callbacks after it; those still owed come now. Entries not yet synced are still written if a job for
 * them was under way, otherwise dropped: flush first. */
void journal_close(struct journal *j);

/* ---- housekeeping, on a worker ---- */

/* Paths under which id is kept; caller frees each (fallback may be NULL). */
void journal_paths(const struct journal_store *s, const char *id, char **ret_primary, char **ret_fallback);
/* True when a journal file for id exists in either place. */
bool journal_exists(const struct journal_store *s, const char *id);
/* Moves files of id (both places, with sidecar removal) to the snapshots. Not
 * for an id with an open journal. */
int journal_retire(struct journal_store *s, const char *id);
/* Moves journals older than max_age (by mtime) to the snapshots unless they are
 * open or is_live(ctx, hash, sidecar or NULL) says they are needed (NULL: none is;
 * it is called on the calling thread); also removes stray temp files. Returns how
 * many were moved, or a negative errno. rooms.md 12: 30 days. */
typedef bool journal_live_fn(void *ctx, const char hash[SHA256_HEX_BYTES], const struct sidecar *sc);
int journal_gc(struct journal_store *s, uint64_t max_age, journal_live_fn *is_live, void *ctx);
#endif
