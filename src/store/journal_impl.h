/* Shared by the journal_*.c files. */
#ifndef STORE_JOURNAL_IMPL_H
#define STORE_JOURNAL_IMPL_H
#include <pthread.h>

#include "base/map.h"
#include "base/vec.h"
#include "store/journal.h"

#define JOURNAL_EXT ".automerge"

enum journal_place { PLACE_NONE, PLACE_PRIMARY, PLACE_FALLBACK };

struct journal_store {
	struct host *host;
	char *dir;
	char *fallback_dir; /* may be NULL */
	struct host_hook hook;
	struct host_defer again; /* makes another turn follow */
	VEC(struct journal *) dirty;
	size_t refs;                 /* the owner, journals and jobs under way */
	pthread_mutex_t lock; /* of open, which workers look at */
	struct map open;      /* hashes of open journals -> their journal */
};

/* Paths of one hash in one place; owned. */
struct journal_files {
	char *data, *sidecar;
	char *supersedes; /* fallback: a mark that the primary's file is of the past */
};
/* False (and no files) when the place is the fallback and there is none. */
bool journal_files_init(struct journal_files *f, const struct journal_store *s, enum journal_place place,
			const char *hash);
void journal_files_fini(struct journal_files *f);
/* Makes the place's directory. The fallback one, and its parent, must be ours
 * and closed to others: /tmp is anybody's. */
int journal_place_prepare(const struct journal_store *s, enum journal_place place);
/* Size of the chunk p begins with; 0 when it is none. */
size_t journal_first_chunk(const uint8_t *p, size_t n);
/* Moves what is kept under hash, in both places, to the snapshots; removes
 * sidecars. Nothing there is fine. */
int journal_retire_hash(const struct journal_store *s, const char *hash);
void journal_store_unref(struct journal_store *s);

/* ---- journal_job.c: what is done on the worker ---- */

enum journal_job_kind { JOB_APPEND, JOB_DOCUMENT, JOB_SIDECAR, JOB_RENAME, JOB_DISCARD };

struct journal_job {
	struct journal *journal;
	struct journal_store *store;
	enum journal_job_kind kind;
	enum journal_place place;
	char hash[SHA256_HEX_BYTES];
	char new_hash[SHA256_HEX_BYTES]; /* RENAME */
	struct buf bytes;                /* APPEND, DOCUMENT */
	uint64_t offset;                 /* APPEND: size of the file before */
	int fd;                          /* open data file or -1; in and out */
	bool retire;                     /* DOCUMENT: first move away what is there */
	bool optional;                   /* DOCUMENT: the current file is good without it */
	struct buf held;                 /* optional: entries to append instead when it fails */
	bool snapshot;                   /* DISCARD */
	bool has_sidecar;
	struct sidecar sidecar;
	uint64_t seq;      /* entries covered when it succeeds */
	uint64_t document; /* whole-document request number it answers */
	int error;
	bool gone; /* APPEND: the file is not what it was; a whole document is needed */
};
void journal_job_run(void *job);
void journal_job_free(struct journal_job *job);
#endif
