#include "store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/file.h"

#define SNAPSHOT_DIGITS 13
#define SNAPSHOT_FILE_MAX (UINT64_C(2) << 30)

static char *snapshots_dir(const char *dir)
{
	return path_join(dir, "snapshots");
}

/* `<64 hex>-<13 digits>.<ext>` */
static bool name_parse(const char *name, struct snapshot *ret)
{
	char digits[SNAPSHOT_DIGITS + 1];
	uint64_t ms;
	size_t n = strlen(name);

	if (n < 64 + 1 + SNAPSHOT_DIGITS + 2 || !hex_is_hash(name, 64) || name[64] != '-' ||
	    name[65 + SNAPSHOT_DIGITS] != '.' || n - (66 + SNAPSHOT_DIGITS) >= sizeof ret->ext)
		return false;
	memcpy(digits, name + 65, SNAPSHOT_DIGITS);
	digits[SNAPSHOT_DIGITS] = '\0';
	if (!str_to_u64(digits, &ms))
		return false;
	memcpy(ret->hash, name, 64);
	ret->hash[64] = '\0';
	strcpy(ret->ext, name + 66 + SNAPSHOT_DIGITS);
	ret->at_ms = (int64_t)ms;
	return true;
}

static int newest_first(const void *a, const void *b)
{
	const struct snapshot *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return x->at_ms > y->at_ms ? -1 : 1;
	return strcmp(x->path, y->path);
}

int snapshot_list(struct host *h, const char *dir, const char *hash, struct snapshot **ret, size_t *ret_n)
{
	char *where = snapshots_dir(dir), **names;
	VEC(struct snapshot) found = {0};
	size_t n;
	int err = host_dir_list(h, where, &names, &n);

	if (err == 0) {
		for (size_t i = 0; i < n; i++) {
			struct snapshot s = {0};
			struct host_file_info info;

			if (!name_parse(names[i], &s) || (hash && strcmp(hash, s.hash) != 0))
				continue;
			s.path = path_join(where, names[i]);
			s.size = host_path_stat(h, s.path, &info) == 0 ? info.size : 0;
			VEC_PUSH(&found, s);
		}
		host_names_free(names, n);
	}
	free(where);
	if (err < 0 && err != -ENOENT)
		return err;
	if (found.n > 1)
		qsort(found.p, found.n, sizeof *found.p, newest_first);
	*ret = found.p;
	*ret_n = found.n;
	return 0;
}

void snapshot_list_free(struct snapshot *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(s[i].path);
	free(s);
}

static void prune(struct host *h, const char *dir, const char *hash, const char *ext)
{
	struct snapshot *list;
	size_t n, kept = 0;

	if (snapshot_list(h, dir, hash, &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].ext, ext) != 0 || ++kept <= SNAPSHOT_KEEP)
			continue;
		if (host_path_unlink(h, list[i].path) < 0)
			log_warn("snapshot", "could not remove %s", list[i].path);
	}
	snapshot_list_free(list, n);
}

/* A free name for a snapshot taken now, later than all others of the hash. */
static int new_path(struct host *h, const char *dir, const char *hash, const char *ext, char **ret)
{
	char *where = snapshots_dir(dir), *path = NULL;
	int64_t ms = host_wall_ns(h) / 1000000;
	struct snapshot *list;
	size_t n;
	int err = host_dir_make(h, where, 0700);

	if (err == 0)
		err = snapshot_list(h, dir, hash, &list, &n);
	if (err == 0) {
		if (n > 0 && list[0].at_ms >= ms)
			ms = list[0].at_ms + 1;
		snapshot_list_free(list, n);
		path = xasprintf("%s/%s-%0*" PRId64 ".%s", where, hash, SNAPSHOT_DIGITS, ms, ext);
		*ret = path;
	}
	free(where);
	return err;
}

static void finish(struct host *h, const char *dir, const char *hash, const char *ext, char *path, char **ret_path)
{
	log_info("snapshot", "kept %s", path);
	prune(h, dir, hash, ext);
	if (ret_path)
		*ret_path = path;
	else
		free(path);
}

int snapshot_put(struct host *h, const char *dir, const char *hash, const char *ext, const void *p, size_t n,
		 char **ret_path)
{
	char *path = NULL;
	int err = new_path(h, dir, hash, ext, &path);

	if (err < 0)
		return err;
	err = host_file_replace_own(h, path, p, n, 0600);
	if (err < 0) {
		free(path);
		return err;
	}
	finish(h, dir, hash, ext, path, ret_path);
	return 0;
}

int snapshot_copy(struct host *h, const char *dir, const char *hash, const char *ext, const char *from,
		  char **ret_path)
{
	struct buf bytes = {0};
	int err = host_file_read_all(h, from, SNAPSHOT_FILE_MAX, &bytes);

	if (err == 0)
		err = snapshot_put(h, dir, hash, ext, bytes.p, bytes.n, ret_path);
	buf_free(&bytes);
	return err;
}

static int sync_file(struct host *h, const char *path)
{
	int fd, err = host_file_open(h, path, O_RDONLY, 0, &fd);

	if (err < 0)
		return err;
	err = host_file_sync(h, fd);
	host_file_close(h, fd);
	return err;
}

/* A rename is a copy and a removal that cannot come apart. */
static int move_by_rename(struct host *h, const char *from, const char *path)
{
	int err = sync_file(h, from);

	if (err == 0)
		err = host_path_rename(h, from, path);
	if (err < 0)
		return err;
	err = host_dir_sync_of(h, path);
	return err < 0 ? err : host_dir_sync_of(h, from);
}

int snapshot_move(struct host *h, const char *dir, const char *hash, const char *ext, const char *from,
		  char **ret_path)
{
	char *path = NULL;
	int err = new_path(h, dir, hash, ext, &path);

	if (err < 0)
		return err;
	err = move_by_rename(h, from, path);
	if (err == 0) {
		finish(h, dir, hash, ext, path, ret_path);
		return 0;
	}
	free(path);
	if (err != -EXDEV)
		return err;
	err = snapshot_copy(h, dir, hash, ext, from, ret_path);
	if (err == 0)
		err = host_path_unlink(h, from);
	return err < 0 ? err : host_dir_sync_of(h, from);
}
