#include "cli/kept.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "store/journal.h"
#include "store/sidecar.h"

static void sidecar_read_plain(const char *path, struct kept *k)
{
	struct sidecar sc;
	char *text = xmalloc(SIDECAR_MAX);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, SIDECAR_MAX, f) : 0;
	if (f)
		fclose(f);
	if (n && sidecar_parse(text, n, &sc) == 0) {
		k->id = sc.id ? xstrdup(sc.id) : NULL;
		k->path = sc.path ? xstrdup(sc.path) : NULL;
		k->uuid = sc.uuid ? xstrdup(sc.uuid) : NULL;
		sidecar_free(&sc);
	}
	free(text);
}

/* `<64 hex>.automerge` or `<64 hex>-<milliseconds>.<ext>`. */
static bool name_parse(const char *name, struct kept *k)
{
	size_t n = strlen(name);
	if (n < 65 || !hex_is_hash(name, 64))
		return false;
	k->is_ipynb = str_ends(name, ".ipynb");
	if (!k->is_ipynb && !str_ends(name, ".automerge"))
		return false;
	memcpy(k->hash, name, 64);
	k->snapshot = name[64] == '-';
	if (k->snapshot)
		k->at_ms = strtoll(name + 65, NULL, 10);
	return k->snapshot || !strcmp(name + 64, ".automerge");
}

static void file_add(struct kept_list *all, const char *dir, const char *base_dir, const char *name)
{
	struct kept k = {0};
	struct stat st;
	if (!name_parse(name, &k))
		return;
	k.file = path_join(dir, name);
	if (stat(k.file, &st) < 0 || !S_ISREG(st.st_mode)) {
		free(k.file);
		return;
	}
	k.base_dir = xstrdup(base_dir);
	k.size = (uint64_t)st.st_size;
	if (!k.at_ms)
		k.at_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	/* The sidecar stands beside the live document, one level up from a snapshot. */
	char *up = k.snapshot ? path_dir(dir) : xstrdup(dir), *sidecar = xasprintf("%s/%s.json", up, k.hash);
	sidecar_read_plain(sidecar, &k);
	free(sidecar);
	free(up);
	VEC_PUSH(&all->list, k);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void dir_each(const char *dir, void (*each)(void *ctx, const char *dir, const char *name), void *ctx)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, by_name);
	for (int i = 0; i < n; i++) {
		each(ctx, dir, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

struct scan {
	struct kept_list *all;
	const char *base_dir;
};

static void scan_file(void *ctx, const char *dir, const char *name)
{
	struct scan *s = ctx;
	file_add(s->all, dir, s->base_dir, name);
}

static void scan_base(struct kept_list *all, const char *base_dir)
{
	struct scan s = {all, base_dir};
	char *docs = path_join(base_dir, "notebook-docs"), *snapshots = path_join(docs, "snapshots");
	char *fallback = journal_fallback_dir(base_dir);
	dir_each(docs, scan_file, &s);
	dir_each(fallback, scan_file, &s);
	dir_each(snapshots, scan_file, &s);
	free(fallback);
	free(snapshots);
	free(docs);
}

static void scan_worktree(void *ctx, const char *dir, const char *name)
{
	struct scan *s = ctx;
	if (name[0] == '.')
		return;
	char *base_dir = path_join(dir, name);
	scan_base(s->all, base_dir);
	free(base_dir);
}

static void scan_channel(struct kept_list *all, const char *cache_home, const char *channel)
{
	struct scan s = {all, NULL};
	char *base_dir = path_join(cache_home, channel), *worktrees = path_join(base_dir, "worktrees");
	scan_base(all, base_dir);
	dir_each(worktrees, scan_worktree, &s);
	free(worktrees);
	free(base_dir);
}

void kept_scan(const struct paths *paths, struct kept_list *ret_list)
{
	struct kept_list all = {0};
	scan_channel(&all, paths->cache_home, "runt");
	scan_channel(&all, paths->cache_home, "runt-nightly");
	*ret_list = all;
}

void kept_free(struct kept_list *k)
{
	for (size_t i = 0; i < k->list.n; i++) {
		struct kept *e = &k->list.p[i];
		free(e->file);
		free(e->base_dir);
		free(e->id);
		free(e->path);
		free(e->uuid);
	}
	VEC_FREE(&k->list);
}

/* All names a notebook may be kept under: what was typed, the canonical path,
 * the absolute one, the canonical UUID. */
struct names {
	char *p[4];
	size_t n;
	const char *hash; /* when the argument is one */
};

static void names_of(const char *arg, struct names *ret)
{
	struct names names = {.hash = hex_is_hash(arg, strlen(arg)) ? arg : NULL};
	char uuid[UUID_TEXT], *real = realpath(arg, NULL);
	names.p[names.n++] = xstrdup(arg);
	if (real)
		names.p[names.n++] = real;
	names.p[names.n++] = path_absolute(arg);
	if (uuid_parse(arg, uuid))
		names.p[names.n++] = xstrdup(uuid);
	*ret = names;
}

static bool same(const char *a, const char *b)
{
	return a && !strcmp(a, b);
}

static bool belongs(const struct kept *k, const struct names *names)
{
	if (names->hash && !strcmp(names->hash, k->hash))
		return true;
	for (size_t i = 0; i < names->n; i++) {
		char hash[SHA256_HEX_BYTES];
		sha256_hex(hash, names->p[i], strlen(names->p[i]));
		if (!strcmp(hash, k->hash) || same(k->path, names->p[i]) || same(k->uuid, names->p[i]) ||
			same(k->id, names->p[i]))
			return true;
	}
	return false;
}

const struct kept *kept_find(const struct kept_list *k, const char *arg)
{
	const struct kept *best = NULL;
	struct names names;
	names_of(arg, &names);
	for (size_t i = 0; i < k->list.n; i++) {
		const struct kept *e = &k->list.p[i];
		if (!belongs(e, &names) || !e->size)
			continue;
		if (!best || (best->is_ipynb && !e->is_ipynb) || (best->is_ipynb == e->is_ipynb &&
			e->at_ms > best->at_ms))
			best = e;
	}
	for (size_t i = 0; i < names.n; i++)
		free(names.p[i]);
	return best;
}
