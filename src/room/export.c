#include "room/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "room/autosave.h"
#include "store/snapshot.h"

#define EXPORT_NEW_MODE 0666 /* less the umask */
#define EXPORT_READ_MAX ((size_t)1 << 31)

struct export_job {
	struct room_service *svc;
	char *path;
	struct export_opts opts;
	export_done_fn *done;
	void *ctx;
	bool has_baseline;
	uint8_t baseline[SHA256_BYTES];
	struct heads heads;
	struct buf bytes;
	struct host_replace replace;
	bool was_there;             /* the file that was compared, */
	struct host_file_info seen; /* as it was then */
	struct export_result result;
	bool prepared, held;
};

static void finish(struct export_job *job)
{
	job->result.heads = job->heads.p;
	job->result.n_heads = job->heads.n;
	job->done(job->ctx, &job->result);
	ipynb_unref(job->result.version);
	heads_fini(&job->heads);
	buf_free(&job->bytes);
	free(job->path);
	free(job);
}

/* ---- last job: the rename ---- */

/* Somebody wrote the file since it was compared: it took a while to write beside it. */
static bool has_moved_on(const struct export_job *job)
{
	struct host_file_info now;
	bool there = host_path_stat(job->svc->host, job->path, &now) == 0;
	return there && !(job->was_there && host_info_same_stamp(&now, &job->seen));
}

static void commit_run(void *ctx)
{
	struct export_job *job = ctx;
	if (job->opts.check_baseline && has_moved_on(job)) {
		host_replace_abort(job->svc->host, &job->replace);
		job->result.stale = true;
		return;
	}
	job->result.err = host_replace_commit(job->svc->host, &job->replace, &job->result.info);
}

static void abort_run(void *ctx)
{
	struct export_job *job = ctx;
	host_replace_abort(job->svc->host, &job->replace);
	job->result.err = -ECANCELED;
}

static void job_done(void *ctx)
{
	finish(ctx);
}

/* ---- before it: write beside ---- */

static int compare_with_file(struct export_job *job, bool *ret_same)
{
	struct buf old = {0};
	/* In this order: what is written between the two is seen as written since. */
	job->was_there = host_path_stat(job->svc->host, job->path, &job->seen) == 0;
	int r = host_file_read_all(job->svc->host, job->path, EXPORT_READ_MAX, &old);
	*ret_same = false;
	if (r == 0) {
		uint8_t sha[SHA256_BYTES];
		sha256(sha, old.p, old.n);
		*ret_same = memcmp(sha, job->result.sha256, sizeof sha) == 0;
		if (!*ret_same && job->opts.check_baseline &&
		    !(job->has_baseline && memcmp(sha, job->baseline, sizeof sha) == 0))
			job->result.stale = true;
	}
	buf_free(&old);
	return r == -ENOENT ? 0 : r;
}

static int make_parents(struct export_job *job)
{
	char *dir = path_dir(job->path);
	int r = host_dir_make(job->svc->host, dir, 0777);
	free(dir);
	return r;
}

static int keep_old(struct export_job *job)
{
	char hash[SHA256_HEX_BYTES];
	sha256_hex(hash, job->path, strlen(job->path));
	int r = snapshot_copy(job->svc->host, journal_store_dir(job->svc->journals), hash, "ipynb", job->path, NULL);
	return r == -ENOENT ? 0 : r;
}

static int write_beside(struct export_job *job)
{
	struct host *h = job->svc->host;
	int r = 0;
	if (job->opts.make_parents)
		r = make_parents(job);
	if (r == 0 && job->opts.keep_old)
		r = keep_old(job);
	if (r == 0)
		r = host_replace_prepare(h, &job->replace, job->path, job->bytes.p, job->bytes.n, EXPORT_NEW_MODE);
	if (r == 0 && job->replace.in_place && !job->opts.keep_old)
		r = keep_old(job); /* writing in place is not atomic */
	job->prepared = r == 0;
	return r;
}

static void write_run(void *ctx)
{
	struct export_job *job = ctx;
	job->result.err = write_beside(job);
}

static void written(struct export_job *job)
{
	bool go = true;
	job->held = false;
	if (job->opts.ready)
		go = job->opts.ready(job->ctx, job->result.sha256);
	if (!job->held)
		export_continue(job, go);
}

static void write_done(void *ctx)
{
	struct export_job *job = ctx;
	if (job->result.err == 0)
		written(job);
	else
		finish(job);
}

void export_hold(struct export_job *job)
{
	job->held = true;
}

void export_continue(struct export_job *job, bool go)
{
	if (job->prepared) {
		host_work(job->svc->host, go ? commit_run : abort_run, job_done, job);
	} else if (go) {
		host_work(job->svc->host, write_run, write_done, job);
	} else {
		job->result.err = -ECANCELED;
		finish(job);
	}
}

/* ---- first job: render and compare; write at once when nobody wants to look ---- */

static int render(struct export_job *job)
{
	bool same;
	int r = 0;
	if (job->result.version)
		r = ipynb_bytes(job->result.version, &job->svc->notebook_blobs, &job->bytes);
	if (r < 0)
		return r;
	sha256(job->result.sha256, job->bytes.p, job->bytes.n);
	r = compare_with_file(job, &same);
	if (r < 0 || job->result.stale)
		return r;
	if (same) {
		job->result.unchanged = true;
		return host_path_stat(job->svc->host, job->path, &job->result.info);
	}
	return job->opts.begin ? 0 : write_beside(job);
}

static void render_run(void *ctx)
{
	struct export_job *job = ctx;
	job->result.err = render(job);
}

static void render_done(void *ctx)
{
	struct export_job *job = ctx;
	if (job->result.err < 0 || job->result.stale || job->result.unchanged) {
		finish(job);
	} else if (job->prepared) {
		written(job);
	} else {
		bool go = job->opts.begin(job->ctx, job->result.sha256);
		if (!job->held)
			export_continue(job, go);
	}
}

static struct export_job *job_new(struct room *room, const char *path, const struct export_opts *opts,
				  export_done_fn *done, void *ctx)
{
	struct export_job *job = xcalloc(1, sizeof *job);
	size_t n;
	const am_hash *heads = notebook_heads(room->nb, &n);
	job->svc = room->svc;
	job->path = xstrdup(path);
	job->opts = *opts;
	job->done = done;
	job->ctx = ctx;
	job->has_baseline = autosave_baseline(room->autosave, job->baseline);
	heads_set(&job->heads, heads, n);
	return job;
}

void export_bytes(struct room *room, const char *path, struct buf *bytes, const struct export_opts *opts,
		  export_done_fn *done, void *ctx)
{
	struct export_job *job = job_new(room, path, opts, done, ctx);
	job->bytes = *bytes;
	*bytes = (struct buf){0};
	host_work(room->svc->host, render_run, render_done, job);
}

int export_start(struct room *room, const char *path, const struct export_opts *opts, export_done_fn *done, void *ctx,
		 struct export_job **ret)
{
	struct ipynb_version *version = NULL;
	room_commit(room);
	int r = ipynb_export_snapshot(room->exporter, room->nb, &version);
	if (r < 0)
		return r;
	struct export_job *job = job_new(room, path, opts, done, ctx);
	job->result.version = version;
	host_work(room->svc->host, render_run, render_done, job);
	if (ret)
		*ret = job;
	return 0;
}
