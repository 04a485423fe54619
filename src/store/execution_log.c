#include "store/execution_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "host/file.h"

#define EXECUTION_LOG_TEMP_AGE HOST_SEC(3600)

struct execution_log {
	struct host *host;
	char *dir;
	struct map waiting; /* id -> struct buf *, not handed to the worker yet */
	struct map writing; /* the same, at the worker; not changed meanwhile */
	struct host_defer start;
	bool busy, closed;
};

static char *text_path(const struct execution_log *l, const char *id)
{
	return xasprintf("%s/%s.json", l->dir, id);
}

static bool id_good(const char *id)
{
	char canonical[UUID_TEXT];

	return uuid_parse(id, canonical) && strcmp(id, canonical) == 0;
}

static void text_free(struct buf *b)
{
	if (!b)
		return;
	buf_free(b);
	free(b);
}

static void texts_free(struct map *m)
{
	MAP_EACH(m, e)
		text_free(e->value);
	map_free(m);
	*m = (struct map){0};
}

static void write_texts(struct execution_log *l, struct map *texts)
{
	int err = host_dir_make(l->host, l->dir, 0700);

	MAP_EACH(texts, e) {
		const struct buf *b = e->value;
		char *path = text_path(l, e->key);

		if (err == 0)
			err = host_file_replace_own(l->host, path, b->p, b->n, 0600);
		free(path);
	}
	if (err < 0)
		log_warn("execution_log", "cannot write to %s: %s", l->dir, strerror(-err));
}

static void log_free(struct execution_log *l)
{
	texts_free(&l->waiting);
	texts_free(&l->writing);
	free(l->dir);
	free(l);
}

static void job_run(void *ctx)
{
	struct execution_log *l = ctx;

	write_texts(l, &l->writing);
}

static void job_done(void *ctx)
{
	struct execution_log *l = ctx;

	l->busy = false;
	texts_free(&l->writing);
	if (l->closed)
		log_free(l);
	else if (l->waiting.n > 0)
		host_defer(&l->start);
}

static void start(void *ctx)
{
	struct execution_log *l = ctx;

	if (l->busy || l->waiting.n == 0)
		return;
	l->busy = true;
	l->writing = l->waiting;
	l->waiting = (struct map){0};
	host_work(l->host, job_run, job_done, l);
}

int execution_log_open(struct host *h, const char *dir, struct execution_log **ret)
{
	struct execution_log *l = xcalloc(1, sizeof *l);

	l->host = h;
	l->dir = xstrdup(dir);
	host_defer_init(&l->start, h, start, l);
	*ret = l;
	return 0;
}

void execution_log_close(struct execution_log *l)
{
	if (!l)
		return;
	host_defer_cancel(&l->start);
	write_texts(l, &l->waiting);
	texts_free(&l->waiting);
	l->closed = true;
	if (!l->busy)
		log_free(l);
}

int execution_log_put(struct execution_log *l, const char *id, const void *json, size_t n)
{
	struct buf *b;

	if (!id_good(id))
		return -EINVAL;
	if (n > EXECUTION_LOG_TEXT_MAX)
		return -EFBIG;
	b = xcalloc(1, sizeof *b);
	buf_append(b, json, n);
	text_free(map_put(&l->waiting, id, b));
	host_defer(&l->start);
	return 0;
}

int execution_log_get(struct execution_log *l, const char *id, struct buf *out)
{
	const struct buf *b;
	char *path;
	int err;

	if (!id_good(id))
		return -ENOENT;
	b = map_get(&l->waiting, id);
	if (!b)
		b = map_get(&l->writing, id);
	if (b) {
		buf_append(out, b->p, b->n);
		return 0;
	}
	path = text_path(l, id);
	err = host_file_read_all(l->host, path, EXECUTION_LOG_TEXT_MAX, out);
	free(path);
	return err;
}

/* The id in a file's name; false for other files. */
static bool name_to_id(const char *name, char ret[UUID_TEXT])
{
	if (strlen(name) != UUID_TEXT - 1 + 5 || !str_ends(name, ".json"))
		return false;
	memcpy(ret, name, UUID_TEXT - 1);
	ret[UUID_TEXT - 1] = '\0';
	return id_good(ret);
}

int execution_log_each(struct execution_log *l, execution_log_fn *fn, void *ctx)
{
	struct map seen = {0};
	char **names, id[UUID_TEXT];
	size_t n = 0;
	int err = host_dir_list(l->host, l->dir, &names, &n);

	if (err < 0 && err != -ENOENT)
		return err;
	for (size_t i = 0; i < n; i++) {
		struct buf text = {0};

		if (!name_to_id(names[i], id) || execution_log_get(l, id, &text) < 0)
			continue;
		map_put(&seen, id, l);
		fn(ctx, id, text.p, text.n);
		buf_free(&text);
	}
	if (err == 0)
		host_names_free(names, n);
	MAP_EACH(&l->writing, e) {
		const struct buf *b = e->value;

		if (!map_get(&seen, e->key) && !map_get(&l->waiting, e->key))
			fn(ctx, e->key, b->p, b->n);
	}
	MAP_EACH(&l->waiting, e) {
		const struct buf *b = e->value;

		if (!map_get(&seen, e->key))
			fn(ctx, e->key, b->p, b->n);
	}
	map_free(&seen);
	return 0;
}

static bool is_old(struct execution_log *l, const char *path, uint64_t max_age)
{
	struct host_file_info info;
	int64_t now = host_wall_ns(l->host);

	return host_path_lstat(l->host, path, &info) == 0 && info.mtime_ns < now &&
	       (uint64_t)(now - info.mtime_ns) > max_age;
}

int execution_log_gc(struct execution_log *l, uint64_t max_age)
{
	char **names, id[UUID_TEXT];
	size_t n;
	int removed = 0, err = host_dir_list(l->host, l->dir, &names, &n);

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < n; i++) {
		char *path = path_join(l->dir, names[i]);

		if (name_to_id(names[i], id) && is_old(l, path, max_age))
			removed += host_path_unlink(l->host, path) == 0;
		else if (host_name_is_temp(names[i], NULL) && is_old(l, path, EXECUTION_LOG_TEMP_AGE))
			host_path_unlink(l->host, path);
		free(path);
	}
	host_names_free(names, n);
	return removed;
}
