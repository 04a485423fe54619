#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "host/impl.h"

/* System calls as they are; EINTR is tried again. */

static int result(int rc)
{
	return rc < 0 ? -errno : 0;
}

static int posix_open(void *self, const char *path, int flags, unsigned mode, int *ret_fd)
{
	int fd;

	(void)self;
	do
		fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int posix_close(void *self, int fd)
{
	(void)self;
	/* Linux has released the descriptor even when it says EINTR. */
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t posix_pread(void *self, int fd, void *p, size_t n, uint64_t offset)
{
	ssize_t got;

	(void)self;
	do
		got = pread(fd, p, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t posix_pwrite(void *self, int fd, const void *p, size_t n, uint64_t offset)
{
	ssize_t put;

	(void)self;
	do
		put = pwrite(fd, p, n, (off_t)offset);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : put;
}

static int posix_sync(void *self, int fd, bool data_only)
{
	int rc;

	(void)self;
	do
		rc = data_only ? fdatasync(fd) : fsync(fd);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

static int posix_truncate(void *self, int fd, uint64_t size)
{
	int rc;

	(void)self;
	do
		rc = ftruncate(fd, (off_t)size);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

static void info_fill(struct host_file_info *ret, const struct stat *st)
{
	ret->dev = st->st_dev;
	ret->ino = st->st_ino;
	ret->nlink = st->st_nlink;
	ret->mode = st->st_mode;
	ret->uid = st->st_uid;
	ret->gid = st->st_gid;
	ret->size = (uint64_t)st->st_size;
	ret->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int posix_fstat(void *self, int fd, struct host_file_info *ret)
{
	struct stat st;

	(void)self;
	if (fstat(fd, &st) < 0)
		return -errno;
	info_fill(ret, &st);
	return 0;
}

static int posix_fchmod(void *self, int fd, unsigned mode)
{
	(void)self;
	return result(fchmod(fd, (mode_t)mode));
}

static int posix_fchown(void *self, int fd, uint32_t uid, uint32_t gid)
{
	(void)self;
	return result(fchown(fd, uid, gid));
}

static int posix_lock(void *self, int fd)
{
	int rc;

	(void)self;
	do
		rc = flock(fd, LOCK_EX | LOCK_NB);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

static int posix_stat(void *self, const char *path, bool follow, struct host_file_info *ret)
{
	struct stat st;

	(void)self;
	if ((follow ? stat(path, &st) : lstat(path, &st)) < 0)
		return -errno;
	info_fill(ret, &st);
	return 0;
}

static int posix_real(void *self, const char *path, char **ret)
{
	char *real = realpath(path, NULL);

	(void)self;
	if (!real)
		return -errno;
	*ret = real;
	return 0;
}

static int posix_rename(void *self, const char *from, const char *to)
{
	(void)self;
	return result(rename(from, to));
}

static int posix_unlink(void *self, const char *path)
{
	(void)self;
	return result(unlink(path));
}

static int posix_link(void *self, const char *from, const char *to)
{
	(void)self;
	return result(link(from, to));
}

static int posix_readlink(void *self, const char *path, char **ret_target)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof target);
	(void)self;
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof target)
		return -ENAMETOOLONG;
	*ret_target = xstrndup(target, (size_t)n);
	return 0;
}

static int posix_symlink(void *self, const char *target, const char *path)
{
	(void)self;
	return result(symlink(target, path));
}

static int posix_chmod(void *self, const char *path, unsigned mode)
{
	(void)self;
	return result(chmod(path, (mode_t)mode));
}

static int posix_access(void *self, const char *path, int mode)
{
	(void)self;
	return result(access(path, mode));
}

static int posix_touch(void *self, const char *path)
{
	(void)self;
	return result(utimensat(AT_FDCWD, path, NULL, 0));
}

static int posix_mkdir(void *self, const char *path, unsigned mode)
{
	(void)self;
	return result(mkdir(path, (mode_t)mode));
}

static int posix_rmdir(void *self, const char *path)
{
	(void)self;
	return result(rmdir(path));
}

static int posix_list(void *self, const char *path, char ***ret_names, size_t *ret_n)
{
	VEC(char *) names = {0};
	struct dirent *entry;
	DIR *dir;
	int err;

	(void)self;
	dir = opendir(path);
	if (!dir)
		return -errno;
	errno = 0;
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			VEC_PUSH(&names, xstrdup(entry->d_name));
		errno = 0;
	}
	err = -errno;
	closedir(dir);
	if (err < 0) {
		host_names_free(names.p, names.n);
		return err;
	}
	*ret_names = names.p;
	*ret_n = names.n;
	return 0;
}

const struct host_file_ops host_posix_file_ops = {
	.open = posix_open,
	.close = posix_close,
	.pread = posix_pread,
	.pwrite = posix_pwrite,
	.sync = posix_sync,
	.truncate = posix_truncate,
	.fstat = posix_fstat,
	.fchmod = posix_fchmod,
	.fchown = posix_fchown,
	.lock = posix_lock,
	.stat = posix_stat,
	.real = posix_real,
	.rename = posix_rename,
	.unlink = posix_unlink,
	.link = posix_link,
	.symlink = posix_symlink,
	.readlink = posix_readlink,
	.chmod = posix_chmod,
	.access = posix_access,
	.touch = posix_touch,
	.mkdir = posix_mkdir,
	.rmdir = posix_rmdir,
	.list = posix_list,
};
