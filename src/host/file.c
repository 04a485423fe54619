#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/impl.h"

#define REMOVE_TREE_DEPTH_MAX 256

bool host_info_is_link(const struct host_file_info *info)
{
	return S_ISLNK(info->mode);
}

bool host_info_is_dir(const struct host_file_info *info)
{
	return S_ISDIR(info->mode);
}

bool host_info_is_regular(const struct host_file_info *info)
{
	return S_ISREG(info->mode);
}

bool host_info_same_stamp(const struct host_file_info *a, const struct host_file_info *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

int host_file_open(struct host *h, const char *path, int flags, unsigned mode, int *ret_fd)
{
	return h->file->open(h->file_self, path, flags, mode, ret_fd);
}

int host_file_close(struct host *h, int fd)
{
	return h->file->close(h->file_self, fd);
}

int host_file_pread(struct host *h, int fd, void *p, size_t n, uint64_t offset, size_t *ret_n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t part = h->file->pread(h->file_self, fd, (uint8_t *)p + got, n - got, offset + got);

		if (part < 0)
			return (int)part;
		if (part == 0)
			break;
		got += (size_t)part;
	}
	*ret_n = got;
	return 0;
}

int host_file_pwrite(struct host *h, int fd, const void *p, size_t n, uint64_t offset)
{
	size_t put = 0;

	while (put < n) {
		ssize_t part = h->file->pwrite(h->file_self, fd, (const uint8_t *)p + put, n - put, offset + put);

		if (part < 0)
			return (int)part;
		if (part == 0)
			return -ENOSPC;
		put += (size_t)part;
	}
	return 0;
}

int host_file_sync(struct host *h, int fd)
{
	return h->file->sync(h->file_self, fd, false);
}

int host_file_datasync(struct host *h, int fd)
{
	return h->file->sync(h->file_self, fd, true);
}

int host_file_truncate(struct host *h, int fd, uint64_t size)
{
	return h->file->truncate(h->file_self, fd, size);
}

int host_file_fstat(struct host *h, int fd, struct host_file_info *ret)
{
	return h->file->fstat(h->file_self, fd, ret);
}

int host_file_lock(struct host *h, int fd)
{
	return h->file->lock(h->file_self, fd);
}

int host_path_stat(struct host *h, const char *path, struct host_file_info *ret)
{
	return h->file->stat(h->file_self, path, true, ret);
}

int host_path_lstat(struct host *h, const char *path, struct host_file_info *ret)
{
	return h->file->stat(h->file_self, path, false, ret);
}

bool host_path_exists(struct host *h, const char *path)
{
	struct host_file_info info;

	return host_path_lstat(h, path, &info) == 0;
}

int host_path_real(struct host *h, const char *path, char **ret)
{
	return h->file->real(h->file_self, path, ret);
}

int host_path_rename(struct host *h, const char *from, const char *to)
{
	return h->file->rename(h->file_self, from, to);
}

int host_path_unlink(struct host *h, const char *path)
{
	return h->file->unlink(h->file_self, path);
}

int host_path_remove(struct host *h, const char *path)
{
	int err = host_path_unlink(h, path);

	return err == -ENOENT || err == -ENOTDIR ? 0 : err;
}

int host_path_touch(struct host *h, const char *path)
{
	return h->file->touch(h->file_self, path);
}

int host_path_link(struct host *h, const char *from, const char *to)
{
	return h->file->link(h->file_self, from, to);
}

int host_path_readlink(struct host *h, const char *path, char **ret_target)
{
	return h->file->readlink(h->file_self, path, ret_target);
}

int host_path_symlink(struct host *h, const char *target, const char *path)
{
	return h->file->symlink(h->file_self, target, path);
}

int host_path_chmod(struct host *h, const char *path, unsigned mode)
{
	return h->file->chmod(h->file_self, path, mode);
}

int host_path_access(struct host *h, const char *path, int mode)
{
	return h->file->access(h->file_self, path, mode);
}

/* ---- directories ---- */

int host_dir_make_one(struct host *h, const char *path, unsigned mode)
{
	struct host_file_info info;
	int err = h->file->mkdir(h->file_self, path, mode);

	if (err == 0 || err == -ENOENT)
		return err;
	/* Whatever mkdir had against it (EEXIST, EROFS, EACCES): a directory there is fine. */
	if (host_path_stat(h, path, &info) == 0)
		return host_info_is_dir(&info) ? 0 : -ENOTDIR;
	return err;
}

/* ---- directories that stay ----
 * What is put into a new directory is only as durable as the directory. Its parent is
 * noted in the same step that makes it, so that whoever finds it there also finds the
 * note, and syncs the parent itself if nobody has yet. */

/* The parent of path joins the unsettled; unsettled_lock is held. */
static void unsettle_parent(struct host *h, const char *path)
{
	char *parent = path_dir(path);

	for (size_t i = 0; i < h->unsettled.n; i++) {
		if (strcmp(h->unsettled.p[i], parent) == 0) {
			free(parent);
			return;
		}
	}
	VEC_PUSH(&h->unsettled, parent);
}

static int dir_make_noted(struct host *h, const char *path, unsigned mode)
{
	int err;

	if (host_path_exists(h, path))
		return host_dir_make_one(h, path, mode);
	pthread_mutex_lock(&h->unsettled_lock);
	err = host_dir_make_one(h, path, mode);
	if (err == 0)
		unsettle_parent(h, path);
	pthread_mutex_unlock(&h->unsettled_lock);
	return err;
}

/* path has no slash at its end, and is as it was on return. */
static int dirs_make(struct host *h, char *path, unsigned mode)
{
	size_t n = strlen(path);
	int err = dir_make_noted(h, path, mode);

	for (size_t i = 1; err == -ENOENT && i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		err = dir_make_noted(h, path, mode);
		if (i < n) {
			path[i] = '/';
			/* Go on to the next component; a failure here shows there, too. */
			if (err == 0)
				err = -ENOENT;
		}
	}
	return err;
}

static char *without_slash(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return xstrndup(path, n);
}

static bool is_above(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	return strncmp(dir, path, n) == 0 && (path[n] == '/' || (n > 0 && dir[n - 1] == '/'));
}

/* Those above path, or all. One that cannot be synced is no trouble of what is elsewhere. */
static int settle(struct host *h, const char *path)
{
	int err = 0;

	/* Held all the while: who finds nothing to settle may rely on it being done. */
	pthread_mutex_lock(&h->unsettled_lock);
	for (size_t i = h->unsettled.n; i-- > 0;) {
		char *dir = h->unsettled.p[i];
		int dir_err;

		if (path && !is_above(dir, path))
			continue;
		dir_err = host_dir_sync(h, dir);
		/* One that may be written but not read cannot be synced; one that is gone needs it no more. */
		if (dir_err == 0 || dir_err == -EACCES || dir_err == -ENOENT) {
			VEC_REMOVE(&h->unsettled, i);
			free(dir);
		} else {
			err = dir_err;
		}
	}
	pthread_mutex_unlock(&h->unsettled_lock);
	return err;
}

int host_dir_settle(struct host *h)
{
	return settle(h, NULL);
}

int host_dir_make_soon(struct host *h, const char *path, unsigned mode)
{
	char *dir = without_slash(path);
	int err = dirs_make(h, dir, mode);

	/* Found there, it may be of a process that ended before it settled it. */
	pthread_mutex_lock(&h->unsettled_lock);
	if (err == 0)
		unsettle_parent(h, dir);
	pthread_mutex_unlock(&h->unsettled_lock);
	free(dir);
	return err;
}

int host_dir_make(struct host *h, const char *path, unsigned mode)
{
	char *dir = without_slash(path);
	int err = dirs_make(h, dir, mode);

	if (err == 0)
		err = settle(h, dir);
	free(dir);
	return err;
}

int host_dir_remove(struct host *h, const char *path)
{
	return h->file->rmdir(h->file_self, path);
}

int host_dir_sync(struct host *h, const char *path)
{
	int fd, err;

	err = host_file_open(h, path, O_RDONLY | O_DIRECTORY, 0, &fd);
	if (err < 0)
		return err;
	err = host_file_sync(h, fd);
	host_file_close(h, fd);
	/* Some file systems cannot sync directories and need not. */
	return err == -EINVAL ? 0 : err;
}

int host_dir_sync_of(struct host *h, const char *path)
{
	char *dir = path_dir(path);
	int err = host_dir_sync(h, dir);

	free(dir);
	return err;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int host_dir_list(struct host *h, const char *path, char ***ret_names, size_t *ret_n)
{
	int err = h->file->list(h->file_self, path, ret_names, ret_n);

	if (err == 0 && *ret_n > 1)
		qsort(*ret_names, *ret_n, sizeof **ret_names, name_compare);
	return err;
}

void host_names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static int remove_tree(struct host *h, const char *path, unsigned depth)
{
	struct host_file_info info;
	char **names;
	size_t n;
	int err = host_path_lstat(h, path, &info);

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	if (!host_info_is_dir(&info))
		return host_path_unlink(h, path);
	if (depth >= REMOVE_TREE_DEPTH_MAX)
		return -ELOOP;
	/* A tool may have left directories without write permission behind. */
	if ((info.mode & S_IRWXU) != S_IRWXU)
		host_path_chmod(h, path, (info.mode | S_IRWXU) & 07777);
	err = host_dir_list(h, path, &names, &n);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n && err == 0; i++) {
		char *child = path_join(path, names[i]);

		err = remove_tree(h, child, depth + 1);
		free(child);
	}
	host_names_free(names, n);
	return err < 0 ? err : host_dir_remove(h, path);
}

int host_dir_remove_tree(struct host *h, const char *path)
{
	return remove_tree(h, path, 0);
}

/* ---- whole files ---- */

int host_file_read_all(struct host *h, const char *path, size_t limit, struct buf *out)
{
	struct host_file_info info;
	size_t start = out->n, got = 0;
	int fd, err;

	err = host_file_open(h, path, O_RDONLY | O_NONBLOCK, 0, &fd);
	if (err < 0)
		return err;
	err = host_file_fstat(h, fd, &info);
	if (err == 0 && host_info_is_dir(&info))
		err = -EISDIR;
	if (err == 0 && host_info_is_regular(&info) && info.size > limit)
		err = -EFBIG;
	if (err == 0)
		buf_reserve(out, (size_t)info.size + 1);
	/* Until a read comes up short: the file may grow, or have no size at all (/proc). */
	while (err == 0) {
		size_t want = out->cap - out->n > 4096 ? out->cap - out->n : 4096;

		err = host_file_pread(h, fd, buf_reserve(out, want), want, out->n - start, &got);
		if (err < 0)
			break;
		out->n += got;
		if (out->n - start > limit)
			err = -EFBIG;
		if (got < want)
			break;
	}
	host_file_close(h, fd);
	if (err < 0)
		out->n = start;
	return err;
}
