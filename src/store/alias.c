#include "store/alias.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/file.h"

#define ALIAS_FILE_MAX (64u << 20)
#define ALIAS_TARGET_MAX (2ull << 30)

struct alias_waiter {
	uint64_t generation;
	alias_done_fn *done;
	void *ctx;
};

struct alias_table {
	struct host *host;
	char *path;
	VEC(struct alias) entries;
	VEC(struct alias_waiter) waiters;
	uint64_t generation, written; /* of the table, of the file */
	bool busy, closed;
	struct host_defer write;
};

/* ---- the file ---- */

static void alias_free(struct alias *a)
{
	free(a->uuid);
	free(a->path);
	free(a->sha256);
}

static void render(struct buf *out, const struct alias_table *t)
{
	char at[RFC3339_TEXT];

	buf_append_str(out, "{\"aliases\":[");
	for (size_t i = 0; i < t->entries.n; i++) {
		const struct alias *a = &t->entries.p[i];

		rfc3339_format(at, a->at_ns);
		buf_append_str(out, i ? ",\n{\"uuid\":" : "\n{\"uuid\":");
		json_append_str(out, a->uuid, strlen(a->uuid));
		buf_append_str(out, ",\"path\":");
		json_append_str(out, a->path, strlen(a->path));
		buf_append_str(out, ",\"sha256\":");
		json_append_str(out, a->sha256, strlen(a->sha256));
		buf_printf(out, ",\"state\":\"%s\",\"at\":\"%s\"}", a->done ? "done" : "pending", at);
	}
	buf_append_str(out, "\n]}\n");
}

static int parse_entry(struct json_object *obj, struct alias *ret)
{
	const char *uuid, *path, *sha256, *state, *at;

	if (!json_object_is_type(obj, json_type_object) || json_get_str(obj, "uuid", &uuid) < 0 ||
	    json_get_str(obj, "path", &path) < 0 || json_get_str(obj, "sha256", &sha256) < 0 ||
	    json_get_str(obj, "state", &state) < 0 || json_get_str(obj, "at", &at) < 0 ||
	    !rfc3339_parse(at, &ret->at_ns) || (strcmp(state, "done") != 0 && strcmp(state, "pending") != 0))
		return -EINVAL;
	ret->uuid = xstrdup(uuid);
	ret->path = xstrdup(path);
	ret->sha256 = xstrdup(sha256);
	ret->done = strcmp(state, "done") == 0;
	return 0;
}

static int parse(struct alias_table *t, const struct buf *text)
{
	struct json_object *obj = json_parse(text->p, text->n), *array;
	int err = -EINVAL;

	if (json_object_is_type(obj, json_type_object) && json_get_array(obj, "aliases", &array) == 0) {
		size_t n = json_object_array_length(array);

		err = 0;
		for (size_t i = 0; i < n; i++) {
			struct alias a = {0};

			if (parse_entry(json_object_array_get_idx(array, i), &a) == 0)
				VEC_PUSH(&t->entries, a);
			else
				log_warn("alias", "entry %zu of %s is not readable", i, t->path);
		}
	}
	json_object_put(obj);
	return err;
}

static int read_file(struct alias_table *t)
{
	struct buf text = {0};
	int err = host_file_read_all(t->host, t->path, ALIAS_FILE_MAX, &text);

	if (err == 0 && parse(t, &text) < 0) {
		char *aside = xasprintf("%s.corrupt", t->path);

		log_error("alias", "%s is not readable; kept as %s", t->path, aside);
		err = host_path_rename(t->host, t->path, aside);
		free(aside);
	}
	buf_free(&text);
	return err == -ENOENT ? 0 : err;
}

/* ---- writing it ---- */

struct alias_job {
	struct alias_table *table;
	struct host *host;
	char *path;
	struct buf text;
	uint64_t generation;
	int error;
};

static void table_free(struct alias_table *t)
{
	host_defer_cancel(&t->write);
	for (size_t i = 0; i < t->entries.n; i++)
		alias_free(&t->entries.p[i]);
	VEC_FREE(&t->entries);
	VEC_FREE(&t->waiters);
	free(t->path);
	free(t);
}

static void job_run(void *ctx)
{
	struct alias_job *job = ctx;
	char *dir = path_dir(job->path);

	job->error = host_dir_make(job->host, dir, 0700);
	if (job->error == 0)
		job->error = host_file_replace_own(job->host, job->path, job->text.p, job->text.n, 0600);
	free(dir);
}

static void tell(struct alias_table *t, uint64_t generation, int err)
{
	for (size_t i = 0; i < t->waiters.n && !t->closed;) {
		struct alias_waiter w = t->waiters.p[i];

		if (w.generation > generation) {
			i++;
			continue;
		}
		VEC_REMOVE(&t->waiters, i);
		w.done(w.ctx, err);
		i = 0;
	}
}

static void job_done(void *ctx)
{
	struct alias_job *job = ctx;
	struct alias_table *t = job->table;

	if (job->error < 0)
		log_warn("alias", "cannot write %s: %s", job->path, strerror(-job->error));
	else
		t->written = job->generation;
	tell(t, job->generation, job->error);
	t->busy = false;
	if (t->closed)
		table_free(t);
	else if (t->generation > job->generation)
		host_defer(&t->write);
	buf_free(&job->text);
	free(job->path);
	free(job);
}

/* Deferred: the changes of a turn are one write. */
static void write_table(void *ctx)
{
	struct alias_table *t = ctx;
	struct alias_job *job;

	if (t->busy)
		return;
	job = xcalloc(1, sizeof *job);
	*job = (struct alias_job){.table = t, .host = t->host, .path = xstrdup(t->path), .generation = t->generation};
	render(&job->text, t);
	t->busy = true;
	host_work(t->host, job_run, job_done, job);
}

static void changed(struct alias_table *t, alias_done_fn *done, void *ctx)
{
	struct alias_waiter w = {.generation = ++t->generation, .done = done, .ctx = ctx};

	if (done)
		VEC_PUSH(&t->waiters, w);
	host_defer(&t->write);
}

int alias_open(struct host *h, const char *dir, struct alias_table **ret)
{
	struct alias_table *t = xcalloc(1, sizeof *t);
	int err;

	t->host = h;
	t->path = path_join(dir, "aliases.json");
	host_defer_init(&t->write, h, write_table, t);
	err = read_file(t);
	if (err < 0) {
		table_free(t);
		return err;
	}
	*ret = t;
	return 0;
}

void alias_close(struct alias_table *t)
{
	if (!t)
		return;
	host_defer_cancel(&t->write);
	t->closed = true;
	if (!t->busy)
		table_free(t);
}

/* ---- what a restart makes of it ---- */

static bool file_has_hash(struct host *h, const char *path, const char *sha256)
{
	char hash[SHA256_HEX_BYTES];
	struct buf bytes = {0};
	bool same = false;

	if (host_file_read_all(h, path, ALIAS_TARGET_MAX, &bytes) == 0) {
		sha256_hex(hash, bytes.p, bytes.n);
		same = strcmp(hash, sha256) == 0;
	}
	buf_free(&bytes);
	return same;
}

static void remove_temps(struct host *h, const char *target)
{
	char *dir = path_dir(target), **names;
	size_t n;

	if (host_dir_list(h, dir, &names, &n) == 0) {
		for (size_t i = 0; i < n; i++) {
			char *path = path_join(dir, names[i]);

			if (host_name_is_temp(names[i], path_base(target)) && host_path_unlink(h, path) == 0)
				log_info("alias", "removed %s, left by an interrupted save", path);
			free(path);
		}
		host_names_free(names, n);
	}
	free(dir);
}

static struct alias *find(const struct alias_table *t, const char *uuid, bool done)
{
	for (size_t i = 0; i < t->entries.n; i++)
		if (t->entries.p[i].done == done && strcmp(t->entries.p[i].uuid, uuid) == 0)
			return &t->entries.p[i];
	return NULL;
}

static void drop(struct alias_table *t, struct alias *a)
{
	alias_free(a);
	VEC_REMOVE(&t->entries, (size_t)(a - t->entries.p));
}

/* The pending entry becomes the done one of its UUID. */
static void promote(struct alias_table *t, const char *uuid)
{
	struct alias *done = find(t, uuid, true);

	if (done)
		drop(t, done);
	find(t, uuid, false)->done = true;
}

static bool resolve_pending(struct alias_table *t)
{
	bool any = false;

	for (size_t i = 0; i < t->entries.n;) {
		struct alias *a = &t->entries.p[i];

		if (a->done) {
			i++;
			continue;
		}
		any = true;
		remove_temps(t->host, a->path);
		if (file_has_hash(t->host, a->path, a->sha256)) {
			log_info("alias", "the save of %s as %s was complete", a->uuid, a->path);
			promote(t, a->uuid);
		} else {
			log_info("alias", "the save of %s as %s did not happen", a->uuid, a->path);
			drop(t, a);
		}
		i = 0;
	}
	return any;
}

static bool resolve_old(struct alias_table *t, alias_journal_fn *has_journal, void *ctx)
{
	int64_t now = host_wall_ns(t->host);
	bool any = false;

	for (size_t i = 0; i < t->entries.n;) {
		struct alias *a = &t->entries.p[i];

		if (now - a->at_ns <= ALIAS_MAX_AGE_NS &&
		    (host_path_exists(t->host, a->path) || (has_journal && has_journal(ctx, a)))) {
			i++;
			continue;
		}
		drop(t, a);
		any = true;
	}
	return any;
}

int alias_resolve(struct alias_table *t, alias_journal_fn *has_journal, void *ctx)
{
	bool any = resolve_pending(t);
	struct buf text = {0};
	int err;

	any |= resolve_old(t, has_journal, ctx);
	if (!any)
		return 0;
	render(&text, t);
	err = host_file_replace_own(t->host, t->path, text.p, text.n, 0600);
	buf_free(&text);
	return err;
}

/* ---- looking up and changing ---- */

const char *alias_path_of(const struct alias_table *t, const char *uuid)
{
	const struct alias *a = find(t, uuid, true);

	return a ? a->path : NULL;
}

const char *alias_uuid_of(const struct alias_table *t, const char *path)
{
	const struct alias *best = NULL;

	for (size_t i = 0; i < t->entries.n; i++) {
		const struct alias *a = &t->entries.p[i];

		if (a->done && strcmp(a->path, path) == 0 && (!best || a->at_ns >= best->at_ns))
			best = a;
	}
	return best ? best->uuid : NULL;
}

size_t alias_count(const struct alias_table *t)
{
	return t->entries.n;
}

const struct alias *alias_at(const struct alias_table *t, size_t i)
{
	return &t->entries.p[i];
}

static void put(struct alias_table *t, const char *uuid, const char *path, const char *sha256, bool done)
{
	struct alias mine = {.uuid = xstrdup(uuid), .path = xstrdup(path), .sha256 = xstrdup(sha256), .done = done,
			     .at_ns = host_wall_ns(t->host)};
	struct alias *old = find(t, uuid, done);

	if (old)
		drop(t, old);
	VEC_PUSH(&t->entries, mine);
}

void alias_intent(struct alias_table *t, const char *uuid, const char *path, const char *sha256, alias_done_fn *done,
		  void *ctx)
{
	put(t, uuid, path, sha256, false);
	changed(t, done, ctx);
}

void alias_finish(struct alias_table *t, const char *uuid, const char *path, const char *sha256, alias_done_fn *done,
		  void *ctx)
{
	struct alias *pending;

	put(t, uuid, path, sha256, true);
	pending = find(t, uuid, false);
	if (pending)
		drop(t, pending);
	changed(t, done, ctx);
}

void alias_drop_intent(struct alias_table *t, const char *uuid, alias_done_fn *done, void *ctx)
{
	struct alias *pending = find(t, uuid, false);

	if (pending)
		drop(t, pending);
	changed(t, done, ctx);
}

void alias_move(struct alias_table *t, const char *from, const char *to, alias_done_fn *done, void *ctx)
{
	for (size_t i = 0; i < t->entries.n; i++) {
		struct alias *a = &t->entries.p[i];

		if (!a->done || strcmp(a->path, from) != 0)
			continue;
		free(a->path);
		a->path = xstrdup(to);
		a->at_ns = host_wall_ns(t->host);
	}
	changed(t, done, ctx);
}

void alias_forget(struct alias_table *t, const char *uuid, alias_done_fn *done, void *ctx)
{
	struct alias *a;

	while ((a = find(t, uuid, true)) || (a = find(t, uuid, false)))
		drop(t, a);
	changed(t, done, ctx);
}
