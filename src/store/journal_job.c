#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "host/file.h"
#include "store/journal_impl.h"
#include "store/snapshot.h"

/* What the worker does for a journal. A job has copies of all it needs; the
 * journal itself is not touched here. */

static void close_fd(struct host *h, int *fd)
{
	if (*fd >= 0)
		host_file_close(h, *fd);
	*fd = -1;
}

/* The file must be the one we left: not removed, replaced, cut or written to by
 * somebody else. */
static bool file_is_ours(struct host *h, const struct journal_job *job, const char *path)
{
	struct host_file_info info, named;

	return host_file_fstat(h, job->fd, &info) == 0 && info.size == job->offset &&
	       host_path_lstat(h, path, &named) == 0 && named.dev == info.dev && named.ino == info.ino;
}

static int run_append(struct host *h, struct journal_job *job, const char *path)
{
	struct host_file_info info;
	bool opened = job->fd < 0;
	int err = 0;

	if (opened)
		err = host_file_open(h, path, O_WRONLY, 0, &job->fd);
	if (err == -ENOENT || (err == 0 && !file_is_ours(h, job, path))) {
		job->gone = true;
		return -ESTALE;
	}
	if (err == 0)
		err = host_file_pwrite(h, job->fd, job->bytes.p, job->bytes.n, job->offset);
	if (err == 0)
		err = host_file_datasync(h, job->fd);
	/* A former process may have been killed between the rename that made this
	 * file and the sync of its directory. */
	if (err == 0 && opened)
		err = host_dir_sync_of(h, path);
	/* Bytes synced into a file nobody can find are not durable. */
	if (err == 0 && (host_file_fstat(h, job->fd, &info) < 0 || info.nlink == 0)) {
		job->gone = true;
		err = -ESTALE;
	}
	return err;
}

/* Once the primary has everything, what is in the fallback only confuses. A
 * failure leaves an older document that merges in as nothing new. */
static void drop_fallback(struct host *h, const struct journal_job *job)
{
	struct journal_files f;

	if (!journal_files_init(&f, job->store, PLACE_FALLBACK, job->hash))
		return;
	host_path_remove(h, f.data);
	host_path_remove(h, f.sidecar);
	host_path_remove(h, f.supersedes);
	journal_files_fini(&f);
}

/* What is under our name is of the past: to the snapshots with it, or, when the
 * primary cannot be touched, a mark that says so. */
static int put_past_away(struct host *h, struct journal_job *job, const struct journal_files *files)
{
	if (job->place == PLACE_PRIMARY)
		return journal_retire_hash(job->store, job->hash);
	return host_file_replace_own(h, files->supersedes, "", 0, 0600);
}

static int run_document(struct host *h, struct journal_job *job, const struct journal_files *files)
{
	int err;

	close_fd(h, &job->fd);
	err = journal_place_prepare(job->store, job->place);
	if (err == 0 && job->retire)
		err = put_past_away(h, job, files);
	if (err == 0)
		err = host_file_replace_own(h, files->data, job->bytes.p, job->bytes.n, 0600);
	if (err == 0 && job->has_sidecar)
		err = sidecar_write(h, files->sidecar, &job->sidecar);
	if (err == 0 && job->place == PLACE_PRIMARY)
		drop_fallback(h, job);
	/* Ready for appending; without it the next append opens the file itself. */
	if (err == 0 && host_file_open(h, files->data, O_WRONLY, 0, &job->fd) < 0)
		job->fd = -1;
	return err;
}

static int run_sidecar(struct host *h, struct journal_job *job, const char *path)
{
	int err = journal_place_prepare(job->store, job->place);

	return err < 0 ? err : sidecar_write(h, path, &job->sidecar);
}

/* What stood under the new id goes first, then a copy of ours, then the name. */
static int run_rename(struct host *h, struct journal_job *job, const struct journal_files *from)
{
	struct journal_files to;
	int err;

	err = journal_retire_hash(job->store, job->new_hash);
	if (err < 0)
		return err;
	err = snapshot_copy(h, job->store->dir, job->hash, "automerge", from->data, NULL);
	if (err == -ENOENT) {
		job->gone = true;
		return 0;
	}
	if (err < 0)
		return err;
	journal_files_init(&to, job->store, job->place, job->new_hash);
	err = host_path_rename(h, from->data, to.data);
	if (err == 0 && job->has_sidecar)
		err = sidecar_write(h, to.sidecar, &job->sidecar);
	if (err == 0)
		err = host_path_remove(h, from->sidecar);
	if (err == 0)
		err = host_dir_sync_of(h, to.data);
	journal_files_fini(&to);
	/* What the other place still has under the old name is older than ours. */
	if (err == 0)
		journal_retire_hash(job->store, job->hash);
	return err;
}

static int run_discard(struct host *h, struct journal_job *job)
{
	int err = 0;

	close_fd(h, &job->fd);
	if (job->snapshot)
		return journal_retire_hash(job->store, job->hash);
	for (enum journal_place place = PLACE_PRIMARY; place <= PLACE_FALLBACK && err == 0; place++) {
		struct journal_files f;

		if (!journal_files_init(&f, job->store, place, job->hash))
			continue;
		err = host_path_remove(h, f.data);
		if (err == 0)
			err = host_path_remove(h, f.sidecar);
		if (err == 0)
			err = host_dir_sync_of(h, f.data);
		if (err == -ENOENT)
			err = 0;
		journal_files_fini(&f);
	}
	return err;
}

void journal_job_run(void *ctx)
{
	struct journal_job *job = ctx;
	struct host *h = job->store->host;
	struct journal_files files;
	bool placed = journal_files_init(&files, job->store, job->place, job->hash);

	switch (job->kind) {
	case JOB_APPEND:
		job->error = run_append(h, job, files.data);
		break;
	case JOB_DOCUMENT:
		job->error = run_document(h, job, &files);
		break;
	case JOB_SIDECAR:
		/* Without a file there is nothing to describe yet. */
		job->error = placed ? run_sidecar(h, job, files.sidecar) : 0;
		break;
	case JOB_RENAME:
		/* Without a file of ours there is only the old one of the new name. */
		job->error = placed ? run_rename(h, job, &files) : journal_retire_hash(job->store, job->new_hash);
		break;
	case JOB_DISCARD:
		job->error = run_discard(h, job);
		break;
	}
	if (job->error < 0)
		close_fd(h, &job->fd);
	journal_files_fini(&files);
}

void journal_job_free(struct journal_job *job)
{
	close_fd(job->store->host, &job->fd);
	buf_free(&job->bytes);
	buf_free(&job->held);
	sidecar_free(&job->sidecar);
	free(job);
}
