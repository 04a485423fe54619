#include "store/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "host/file.h"
#include "store/journal_impl.h"

/* The loop's side of a journal: what to write next, and where.
 *
 * A journal has at most one job on a worker. When none is, journal_pump looks
 * at what is wanted, in this order: operations (sidecar, rename, discard) whose
 * turn has come; entries not covered yet. Where they go: the primary file as
 * long as it is not known bad; then the fallback; then nowhere until the retry
 * timer. A job covers entries up to its seq; when it fails they stay uncovered
 * and the next one is a whole document, which holds them, too. */

struct waiter {
	bool for_document; /* until document >= number, else until synced >= number */
	uint64_t number;
	journal_done_fn *done;
	void *ctx;
};

struct operation {
	enum journal_job_kind kind;
	uint64_t seq; /* entries appended before it */
	char *new_id;
	bool snapshot;
	bool started;
	journal_done_fn *done;
	void *ctx;
};

struct journal {
	struct journal_store *store;
	const struct journal_events *ev;
	void *ctx;
	char *id;
	char hash[SHA256_HEX_BYTES];      /* of id */
	char file_hash[SHA256_HEX_BYTES]; /* what the files are named after, until a rename is done */

	struct buf pending; /* entries handed to no job */
	uint64_t appended, synced;
	uint64_t document_wanted, document_done; /* requests for whole documents */
	bool need_document;                      /* the file is not there, or not to be appended to */
	bool retire;                             /* what is under our name is not ours */

	enum journal_place place;
	int fd; /* of the file in place; -1 when not open, or while a job has it */
	uint64_t size, document_size;
	uint64_t compact_floor; /* not compacted again below this size */

	bool primary_bad, fallback_bad;
	int primary_err;
	enum journal_state state; /* as told */
	int err;
	uint64_t retry_delay;
	struct host_timer retry;

	VEC(struct operation) operations;
	VEC(struct waiter) waiters;
	bool has_sidecar;
	struct sidecar sidecar; /* as last set */

	bool busy; /* a job is under way */
	bool dirty;
	bool closed;
	unsigned calls; /* callbacks under way */
};

static void journal_pump(struct journal *j);

/* ---- the store ---- */

static void store_turn_end(void *ctx)
{
	struct journal_store *s = ctx;

	/* What callbacks make dirty is for the next turn. */
	for (size_t n = s->dirty.n; n > 0 && s->dirty.n > 0; n--) {
		struct journal *j = s->dirty.p[0];

		VEC_REMOVE(&s->dirty, 0);
		j->dirty = false;
		journal_pump(j);
	}
	if (s->dirty.n > 0)
		host_defer(&s->again);
}

static void store_again(void *ctx)
{
	(void)ctx;
}

int journal_store_open(struct host *h, const char *dir, const char *fallback_dir, struct journal_store **ret)
{
	struct journal_store *s = xcalloc(1, sizeof *s);

	s->host = h;
	s->dir = xstrdup(dir);
	s->fallback_dir = fallback_dir ? xstrdup(fallback_dir) : NULL;
	s->refs = 1;
	pthread_mutex_init(&s->lock, NULL);
	host_dir_make_soon(h, dir, 0700); /* every whole document waits for its directory */
	host_turn_end(h, &s->hook, store_turn_end, s);
	host_defer_init(&s->again, h, store_again, s);
	*ret = s;
	return 0;
}

void journal_store_unref(struct journal_store *s)
{
	if (--s->refs > 0)
		return;
	VEC_FREE(&s->dirty);
	map_free(&s->open);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s->fallback_dir);
	free(s);
}

void journal_store_close(struct journal_store *s)
{
	if (!s)
		return;
	host_turn_end_remove(s->host, &s->hook);
	host_defer_cancel(&s->again);
	journal_store_unref(s);
}

const char *journal_store_dir(const struct journal_store *s)
{
	return s->dir;
}

/* Says that hash is in use, or (NULL) not any more. */
static void mark_open(struct journal_store *s, const char *hash, struct journal *j)
{
	pthread_mutex_lock(&s->lock);
	if (j)
		map_put(&s->open, hash, j);
	else
		map_remove(&s->open, hash);
	pthread_mutex_unlock(&s->lock);
}

static void journal_touch(struct journal *j)
{
	if (j->dirty || j->closed)
		return;
	j->dirty = true;
	VEC_PUSH(&j->store->dirty, j);
}

/* ---- ends ---- */

static void operation_free(struct operation *op)
{
	free(op->new_id);
}

/* Frees a closed journal once nothing refers to it. */
static void journal_release(struct journal *j)
{
	struct journal_store *s = j->store;

	if (!j->closed || j->busy || j->calls > 0)
		return;
	if (map_get(&s->open, j->file_hash) == j)
		mark_open(s, j->file_hash, NULL);
	if (map_get(&s->open, j->hash) == j)
		mark_open(s, j->hash, NULL);
	if (j->fd >= 0)
		host_file_close(s->host, j->fd);
	for (size_t i = 0; i < j->operations.n; i++)
		operation_free(&j->operations.p[i]);
	VEC_FREE(&j->operations);
	VEC_FREE(&j->waiters);
	sidecar_free(&j->sidecar);
	buf_free(&j->pending);
	free(j->id);
	free(j);
	journal_store_unref(s);
}

/* What they asked for may still come about; nobody waits for it here any longer. */
static void give_up_waiting(struct journal *j)
{
	VEC(struct waiter) list = {0};

	for (size_t i = 0; i < j->waiters.n; i++)
		VEC_PUSH(&list, j->waiters.p[i]);
	j->waiters.n = 0;
	for (size_t i = 0; i < j->operations.n; i++) {
		struct operation *op = &j->operations.p[i];

		VEC_PUSH(&list, ((struct waiter){.done = op->done, .ctx = op->ctx}));
		op->done = NULL;
	}
	for (size_t i = 0; i < list.n; i++)
		if (list.p[i].done)
			list.p[i].done(list.p[i].ctx, -ECANCELED);
	VEC_FREE(&list);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	j->closed = true;
	j->calls++;
	give_up_waiting(j);
	j->calls--;
	host_timer_stop(&j->retry);
	for (size_t i = 0; i < j->store->dirty.n; i++) {
		if (j->store->dirty.p[i] == j) {
			VEC_REMOVE(&j->store->dirty, i);
			break;
		}
	}
	journal_release(j);
}

/* ---- telling ---- */

static void tell_synced(struct journal *j, uint64_t seq)
{
	if (seq <= j->synced)
		return;
	j->synced = seq;
	if (!j->closed && j->ev->synced)
		j->ev->synced(j->ctx, seq);
}

static void tell_status(struct journal *j, enum journal_state state, int err)
{
	if (state == j->state && err == j->err)
		return;
	if (state != j->state)
		log_warn("journal", "%s: %s%s%s", j->id,
			 state == JOURNAL_OK         ? "written to its own file again"
			 : state == JOURNAL_FALLBACK ? "written to the runtime directory"
						     : "cannot be written anywhere",
			 err < 0 ? ": " : "", err < 0 ? strerror(-err) : "");
	j->state = state;
	j->err = err;
	if (!j->closed && j->ev->status)
		j->ev->status(j->ctx, state, err);
}

static bool waiter_ready(const struct journal *j, const struct waiter *w)
{
	return w->number <= (w->for_document ? j->document_done : j->synced);
}

static void tell_waiters(struct journal *j)
{
	for (size_t i = 0; i < j->waiters.n && !j->closed;) {
		struct waiter w = j->waiters.p[i];

		if (!waiter_ready(j, &w)) {
			i++;
			continue;
		}
		VEC_REMOVE(&j->waiters, i);
		if (w.done)
			w.done(w.ctx, 0);
		i = 0; /* the callback may have done anything */
	}
}

/* Tells those who wait for a whole document that there was none. */
static void fail_waiters(struct journal *j, int err)
{
	for (size_t i = 0; i < j->waiters.n && !j->closed;) {
		struct waiter w = j->waiters.p[i];

		if (!w.for_document || !waiter_ready(j, &w)) {
			i++;
			continue;
		}
		VEC_REMOVE(&j->waiters, i);
		if (w.done)
			w.done(w.ctx, err);
		i = 0;
	}
}

/* ---- failure and return ---- */

static void retry_due(void *ctx)
{
	struct journal *j = ctx;

	j->primary_bad = j->fallback_bad = false;
	journal_touch(j);
}

static void retry_later(struct journal *j)
{
	if (host_timer_active(&j->retry) || j->closed)
		return;
	j->retry_delay = j->retry_delay == 0 ? JOURNAL_RETRY_MIN : j->retry_delay * 2;
	if (j->retry_delay > JOURNAL_RETRY_MAX)
		j->retry_delay = JOURNAL_RETRY_MAX;
	host_timer_start(&j->retry, j->retry_delay);
}

static void place_failed(struct journal *j, enum journal_place place, int err)
{
	if (place == PLACE_PRIMARY) {
		j->primary_bad = true;
		j->primary_err = err;
		if (!j->store->fallback_dir)
			j->fallback_bad = true;
	} else {
		j->fallback_bad = true;
	}
	retry_later(j);
	if (j->fallback_bad)
		tell_status(j, JOURNAL_FAILING, place == PLACE_PRIMARY ? err : j->primary_err);
}

static void place_worked(struct journal *j, enum journal_place place)
{
	j->place = place;
	if (place == PLACE_FALLBACK) {
		retry_later(j);
		tell_status(j, JOURNAL_FALLBACK, j->primary_err);
		return;
	}
	host_timer_stop(&j->retry);
	j->retry_delay = 0;
	j->primary_err = 0;
	tell_status(j, JOURNAL_OK, 0);
}

/* ---- jobs ---- */

static void job_done(void *ctx);

static struct journal_job *job_new(struct journal *j, enum journal_job_kind kind, enum journal_place place)
{
	struct journal_job *job = xcalloc(1, sizeof *job);

	job->journal = j;
	job->store = j->store;
	job->kind = kind;
	job->place = place;
	job->seq = j->appended;
	job->document = j->document_wanted;
	memcpy(job->hash, j->file_hash, sizeof job->hash);
	job->fd = j->fd;
	j->fd = -1;
	return job;
}

static void job_start(struct journal *j, struct journal_job *job)
{
	j->busy = true;
	j->store->refs++;
	host_work(j->store->host, journal_job_run, job_done, job);
}

static void write_worked(struct journal *j, struct journal_job *job)
{
	if (job->kind == JOB_DOCUMENT) {
		j->size = j->document_size = job->bytes.n;
		j->need_document = false;
		j->document_done = job->document;
		j->compact_floor = 0;
		if (job->place == PLACE_PRIMARY)
			j->retire = false;
	} else {
		j->size += job->bytes.n;
	}
	j->fd = job->fd;
	job->fd = -1;
	place_worked(j, job->place);
	tell_synced(j, job->seq);
}

/* The file in place is good, and the entries can still be appended to it. */
static void optional_failed(struct journal *j, struct journal_job *job)
{
	buf_append(&job->held, j->pending.p, j->pending.n);
	buf_free(&j->pending);
	j->pending = job->held;
	job->held = (struct buf){0};
	if (job->place != j->place) {
		place_failed(j, job->place, job->error);
		return;
	}
	log_warn("journal", "%s: not compacted: %s", j->id, strerror(-job->error));
	j->compact_floor = j->size * 2;
	j->document_done = job->document;
	fail_waiters(j, job->error);
}

static void write_failed(struct journal *j, struct journal_job *job)
{
	if (job->optional) {
		optional_failed(j, job);
		return;
	}
	j->need_document = true;
	if (job->gone) {
		/* Somebody took the file away; that says nothing about the disk. */
		log_warn("journal", "%s: the file is not the one that was written; writing it anew", j->id);
		return;
	}
	log_warn("journal", "%s: write failed: %s", j->id, strerror(-job->error));
	place_failed(j, job->place, job->error);
}

static void renamed(struct journal *j, struct journal_job *job)
{
	if (strcmp(j->file_hash, j->hash) != 0)
		mark_open(j->store, j->file_hash, NULL);
	memcpy(j->file_hash, job->new_hash, sizeof j->file_hash);
	j->fd = job->fd;
	job->fd = -1;
	if (job->error == 0)
		j->retire = false;
	if (job->error < 0 || job->gone || job->place == PLACE_NONE) {
		/* Whatever is under the new name now, the next write replaces it. */
		j->need_document = true;
		if (job->place != PLACE_NONE)
			j->document_wanted++;
	}
}

static void discarded(struct journal *j, struct journal_job *job)
{
	j->need_document = true;
	if (job->error < 0)
		return;
	j->place = PLACE_NONE;
	j->size = j->document_size = 0;
	j->retire = false;
	if (j->appended == job->seq) {
		buf_clear(&j->pending);
		/* Nothing is left that could be written: nothing is wrong, either. */
		j->document_done = j->document_wanted;
		j->primary_bad = j->fallback_bad = false;
		host_timer_stop(&j->retry);
		tell_status(j, JOURNAL_OK, 0);
	}
	tell_synced(j, job->seq);
}

static void operation_done(struct journal *j, struct journal_job *job)
{
	struct operation op;
	size_t i = 0;

	while (!j->operations.p[i].started)
		i++;
	op = j->operations.p[i];
	VEC_REMOVE(&j->operations, i);
	if (job->kind == JOB_RENAME)
		renamed(j, job);
	else if (job->kind == JOB_DISCARD)
		discarded(j, job);
	if (job->error < 0)
		log_warn("journal", "%s: %s failed: %s", j->id,
			 job->kind == JOB_RENAME    ? "renaming the files"
			 : job->kind == JOB_DISCARD ? "removing the files"
						    : "writing the sidecar",
			 strerror(-job->error));
	if (op.done && !j->closed)
		op.done(op.ctx, job->error);
	operation_free(&op);
}

static void job_done(void *ctx)
{
	struct journal_job *job = ctx;
	struct journal *j = job->journal;
	struct journal_store *s = job->store;

	j->busy = false;
	j->calls++;
	if (job->kind == JOB_APPEND || job->kind == JOB_DOCUMENT)
		job->error == 0 ? write_worked(j, job) : write_failed(j, job);
	else
		operation_done(j, job);
	/* A sidecar job leaves the data file open for the next append. */
	if (j->fd < 0 && job->fd >= 0 && job->kind == JOB_SIDECAR) {
		j->fd = job->fd;
		job->fd = -1;
	}
	tell_waiters(j);
	j->calls--;
	journal_job_free(job);
	if (j->closed)
		journal_release(j);
	else
		journal_pump(j);
	journal_store_unref(s);
}

/* ---- what to do next ---- */

static void sidecar_stamp(struct journal *j, struct sidecar *sc)
{
	free(sc->id);
	sc->id = xstrdup(j->id);
	sc->updated_at_ns = host_wall_ns(j->store->host);
}

/* Where a write goes now; PLACE_NONE = nowhere until the retry. */
static enum journal_place target_place(const struct journal *j)
{
	if (!j->primary_bad)
		return PLACE_PRIMARY;
	return j->fallback_bad ? PLACE_NONE : PLACE_FALLBACK;
}

static bool compaction_due(const struct journal *j)
{
	uint64_t size = j->size + j->pending.n;

	return size > JOURNAL_COMPACT_MIN && size > j->compact_floor && size / JOURNAL_COMPACT_RATIO > j->document_size;
}

static void start_append(struct journal *j)
{
	struct journal_job *job = job_new(j, JOB_APPEND, j->place);

	job->offset = j->size;
	job->bytes = j->pending;
	j->pending = (struct buf){0};
	job_start(j, job);
}

/* False when the owner could not supply the document. */
static bool start_document(struct journal *j, enum journal_place place)
{
	struct journal_job *job = job_new(j, JOB_DOCUMENT, place);
	int err = j->ev->save(j->ctx, &job->bytes);

	if (err < 0) {
		log_error("journal", "%s: the document cannot be saved (%d)", j->id, err);
		journal_job_free(job);
		return false;
	}
	/* The document holds what is pending; a failure finds it again in `held` or,
	 * when the file is no good, in the next document. */
	job->optional = !j->need_document;
	job->held = j->pending;
	j->pending = (struct buf){0};
	job->retire = j->retire;
	if (j->has_sidecar) {
		job->has_sidecar = true;
		sidecar_copy(&job->sidecar, &j->sidecar);
	}
	job_start(j, job);
	return true;
}

static void no_document(struct journal *j)
{
	j->fallback_bad = j->primary_bad = true;
	retry_later(j);
	tell_status(j, JOURNAL_FAILING, -ENOMEM);
}

static void pump_write(struct journal *j)
{
	enum journal_place place = target_place(j);
	bool can_append = !j->need_document && j->place == place && j->pending.n > 0;
	/* Being back from the fallback is a reason of its own. */
	bool document = j->document_wanted > j->document_done || (place == PLACE_PRIMARY && j->place == PLACE_FALLBACK);

	if (place == PLACE_NONE || (j->appended == j->synced && !document))
		return;
	if (can_append && !document && !compaction_due(j))
		start_append(j);
	else if (!start_document(j, place)) {
		/* The owner's trouble is not the disk's: what can be appended is. */
		if (can_append)
			start_append(j);
		else
			no_document(j);
	}
}

static void start_operation(struct journal *j, struct operation *op)
{
	struct journal_job *job = job_new(j, op->kind, j->place);

	job->seq = op->seq;
	job->snapshot = op->snapshot;
	op->started = true;
	if (op->kind == JOB_RENAME)
		sha256_hex(job->new_hash, op->new_id, strlen(op->new_id));
	if (op->kind != JOB_DISCARD && j->has_sidecar) {
		job->has_sidecar = true;
		sidecar_copy(&job->sidecar, &j->sidecar);
	}
	job_start(j, job);
}

/* A sidecar describes what was appended before it, so it waits for that; with
 * a disk that takes nothing the others do not wait behind it. What is written is
 * the newest one. */
static struct operation *next_operation(struct journal *j)
{
	for (size_t i = 0; i < j->operations.n; i++) {
		struct operation *op = &j->operations.p[i];

		if (op->kind != JOB_SIDECAR || j->synced >= op->seq)
			return op;
	}
	return NULL;
}

static void journal_pump(struct journal *j)
{
	j->calls++;
	tell_waiters(j);
	if (!j->busy && !j->closed) {
		struct operation *op = next_operation(j);

		if (op)
			start_operation(j, op);
		else
			pump_write(j);
	}
	j->calls--;
	journal_release(j);
}

/* ---- the owner's calls ---- */

int journal_open(struct journal_store *s, const char *id, const struct journal_content *loaded,
		 const struct journal_events *ev, void *ctx, struct journal **ret)
{
	struct journal *j = xcalloc(1, sizeof *j);

	j->store = s;
	j->ev = ev;
	j->ctx = ctx;
	j->id = xstrdup(id);
	j->fd = -1;
	j->need_document = true;
	sha256_hex(j->hash, id, strlen(id));
	memcpy(j->file_hash, j->hash, sizeof j->hash);
	host_timer_init(&j->retry, s->host, retry_due, j);
	mark_open(s, j->hash, j);
	s->refs++;
	if (!loaded) {
		j->retire = true;
	} else if (loaded->existed) {
		j->retire = loaded->retire;
		j->place = loaded->had_fallback ? PLACE_NONE : PLACE_PRIMARY;
		j->size = loaded->bytes.n;
		j->document_size = journal_first_chunk(loaded->bytes.p, loaded->bytes.n);
		j->need_document = loaded->rewrite;
		if (loaded->has_sidecar) {
			sidecar_copy(&j->sidecar, &loaded->sidecar);
			j->has_sidecar = true;
		}
		if (loaded->rewrite) {
			j->document_wanted++;
			journal_touch(j);
		}
	}
	*ret = j;
	return 0;
}

uint64_t journal_append(struct journal *j, const void *p, size_t n)
{
	buf_append(&j->pending, p, n);
	journal_touch(j);
	return ++j->appended;
}

uint64_t journal_append_document(struct journal *j)
{
	journal_touch(j);
	j->need_document = true; /* there are no bytes to append */
	return ++j->appended;
}

uint64_t journal_synced(const struct journal *j)
{
	return j->synced;
}

uint64_t journal_appended(const struct journal *j)
{
	return j->appended;
}

enum journal_state journal_status(const struct journal *j, int *ret_err)
{
	if (ret_err)
		*ret_err = j->err;
	return j->state;
}

const char *journal_id(const struct journal *j)
{
	return j->id;
}

const char *journal_hash(const struct journal *j)
{
	return j->hash;
}

uint64_t journal_size(const struct journal *j)
{
	return j->size;
}

void journal_flush(struct journal *j, journal_done_fn *done, void *ctx)
{
	struct waiter w = {.number = j->appended, .done = done, .ctx = ctx};

	VEC_PUSH(&j->waiters, w);
	journal_touch(j);
}

void journal_compact(struct journal *j, journal_done_fn *done, void *ctx)
{
	struct waiter w = {.for_document = true, .number = ++j->document_wanted, .done = done, .ctx = ctx};

	VEC_PUSH(&j->waiters, w);
	journal_touch(j);
}

static void operation_queue(struct journal *j, struct operation op)
{
	op.seq = j->appended;
	VEC_PUSH(&j->operations, op);
	journal_touch(j);
}

void journal_set_sidecar(struct journal *j, const struct sidecar *sc, journal_done_fn *done, void *ctx)
{
	struct operation op = {.kind = JOB_SIDECAR, .done = done, .ctx = ctx};

	sidecar_free(&j->sidecar);
	sidecar_copy(&j->sidecar, sc);
	j->has_sidecar = true;
	sidecar_stamp(j, &j->sidecar);
	operation_queue(j, op);
}

void journal_rename(struct journal *j, const char *new_id, journal_done_fn *done, void *ctx)
{
	struct operation op = {.kind = JOB_RENAME, .new_id = xstrdup(new_id), .done = done, .ctx = ctx};

	free(j->id);
	j->id = xstrdup(new_id);
	sha256_hex(j->hash, new_id, strlen(new_id));
	mark_open(j->store, j->hash, j);
	if (j->has_sidecar)
		sidecar_stamp(j, &j->sidecar);
	operation_queue(j, op);
}

void journal_discard(struct journal *j, bool snapshot, journal_done_fn *done, void *ctx)
{
	struct operation op = {.kind = JOB_DISCARD, .snapshot = snapshot, .done = done, .ctx = ctx};

	operation_queue(j, op);
}
