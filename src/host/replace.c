#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/uuid.h"
#include "host/file.h"
#include "host/impl.h"

#define REPLACE_NAME_MAX 255 /* NAME_MAX of every file system in use */

static const char temp_suffix[] = ".tmp";

bool host_name_is_temp(const char *entry, const char *name)
{
	char uuid[UUID_TEXT], canonical[UUID_TEXT];
	size_t n = strlen(entry), name_n;
	const char *id;

	/* '.' name '.' 36 characters ".tmp" */
	if (n < 1 + 1 + 1 + 36 + 4 || entry[0] != '.' || !str_ends(entry, temp_suffix))
		return false;
	id = entry + n - 4 - 36;
	if (id[-1] != '.')
		return false;
	memcpy(uuid, id, 36);
	uuid[36] = '\0';
	if (!uuid_parse(uuid, canonical) || strcmp(uuid, canonical) != 0)
		return false;
	name_n = (size_t)(id - 1 - (entry + 1));
	return !name || (strlen(name) == name_n && memcmp(entry + 1, name, name_n) == 0);
}

static char *temp_path(struct host *h, const char *target)
{
	char uuid[UUID_TEXT];
	char *dir = path_dir(target), *path;
	const char *name = path_base(target);
	size_t room = REPLACE_NAME_MAX - (1 + 1 + 36 + 4), n = strlen(name);

	/* A very long name is cut in the temp file's; at a UTF-8 boundary, as some
	 * file systems refuse broken text. */
	if (n > room) {
		n = room;
		while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
			n--;
	}
	host_uuid(h, uuid);
	path = xasprintf("%s%s.%.*s.%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", (int)n, name, uuid,
			 temp_suffix);
	free(dir);
	return path;
}

/* Writes the temp file and gives it the old one's mode and owner. -EXDEV stands
 * for "the owner cannot be kept". */
static int temp_fill(struct host *h, struct host_replace *r, int fd)
{
	struct host_file_info info;
	int err = host_file_pwrite(h, fd, r->p, r->n, 0);

	if (err < 0)
		return err;
	if (r->existed) {
		err = host_file_fstat(h, fd, &info);
		if (err < 0)
			return err;
		if ((info.uid != r->info.uid || info.gid != r->info.gid) &&
		    h->file->fchown(h->file_self, fd, r->info.uid, r->info.gid) < 0)
			return -EXDEV;
		err = h->file->fchmod(h->file_self, fd, r->info.mode & 07777);
		if (err < 0)
			return err;
	}
	err = host_file_sync(h, fd);
	return err < 0 ? err : host_file_fstat(h, fd, &r->info);
}

static int temp_write(struct host *h, struct host_replace *r)
{
	int fd, err, close_err;

	r->temp = temp_path(h, r->target);
	err = host_file_open(h, r->temp, O_WRONLY | O_CREAT | O_EXCL, r->existed ? 0600 : r->mode, &fd);
	if (err == 0) {
		err = temp_fill(h, r, fd);
		close_err = host_file_close(h, fd);
		if (err == 0)
			err = close_err;
		if (err < 0)
			host_path_unlink(h, r->temp);
	}
	if (err < 0) {
		free(r->temp);
		r->temp = NULL;
	}
	return err;
}

/* The path itself, or where its symlink leads. Through a dangling link the file
 * is made in place, as open(2) would. */
static int replace_target(struct host *h, struct host_replace *r, const char *path)
{
	struct host_file_info info;
	int err = 0;

	if (host_path_lstat(h, path, &info) == 0 && S_ISLNK(info.mode))
		err = host_path_real(h, path, &r->target);
	if (err == -ENOENT) {
		r->in_place = true;
		err = 0;
	}
	if (err == 0 && !r->target)
		r->target = xstrdup(path);
	return err;
}

static void replace_end(struct host_replace *r)
{
	free(r->target);
	free(r->temp);
	r->target = r->temp = NULL;
}

int host_replace_prepare(struct host *h, struct host_replace *r, const char *path, const void *p, size_t n,
			 unsigned new_mode)
{
	int err;

	*r = (struct host_replace){.p = p, .n = n, .mode = new_mode};
	err = replace_target(h, r, path);
	if (err < 0)
		return err;
	err = host_path_stat(h, r->target, &r->info);
	r->existed = err == 0;
	if (err == 0 && host_info_is_dir(&r->info))
		err = -EISDIR;
	else if (err == 0 && !host_info_is_regular(&r->info))
		err = -EINVAL; /* a device or a pipe is never replaced */
	else if (err == 0)
		/* A file its owner made read-only is not overwritten through the back door. */
		err = host_path_access(h, r->target, W_OK);
	else if (err == -ENOENT)
		err = 0;
	if (err == 0 && r->existed && r->info.nlink > 1)
		r->in_place = true;
	if (err == 0 && !r->in_place) {
		err = temp_write(h, r);
		if ((err == -EACCES || err == -EPERM || err == -EXDEV) && r->existed) {
			r->in_place = true;
			err = 0;
		}
	}
	if (err < 0)
		replace_end(r);
	return err;
}

static int write_in_place(struct host *h, struct host_replace *r)
{
	int fd, close_err, err;

	err = host_file_open(h, r->target, O_WRONLY | O_CREAT, r->mode, &fd);
	if (err < 0)
		return err;
	/* Written first and cut after: with a full disk the longer of both stays. */
	err = host_file_pwrite(h, fd, r->p, r->n, 0);
	if (err == 0)
		err = host_file_truncate(h, fd, r->n);
	if (err == 0)
		err = host_file_sync(h, fd);
	if (err == 0)
		err = host_file_fstat(h, fd, &r->info);
	close_err = host_file_close(h, fd);
	return err < 0 ? err : close_err;
}

static int rename_over(struct host *h, struct host_replace *r)
{
	char *dir;
	int err = host_path_rename(h, r->temp, r->target);

	if (err < 0) {
		host_path_unlink(h, r->temp);
		return err;
	}
	dir = path_dir(r->target);
	err = host_dir_sync(h, dir);
	free(dir);
	/* The new content is there; a directory that may be written but not read
	 * cannot be synced, which is no reason to call the save failed. */
	return err == -EACCES ? 0 : err;
}

int host_replace_commit(struct host *h, struct host_replace *r, struct host_file_info *ret_info)
{
	int err = r->in_place ? write_in_place(h, r) : rename_over(h, r);

	if (err == 0 && ret_info)
		*ret_info = r->info;
	replace_end(r);
	return err;
}

void host_replace_abort(struct host *h, struct host_replace *r)
{
	if (r->temp)
		host_path_unlink(h, r->temp);
	replace_end(r);
}

int host_file_replace_atomic(struct host *h, const char *path, const void *p, size_t n, unsigned new_mode,
			     struct host_file_info *ret_info)
{
	struct host_replace r;
	int err = host_replace_prepare(h, &r, path, p, n, new_mode);

	return err < 0 ? err : host_replace_commit(h, &r, ret_info);
}

int host_file_replace_own(struct host *h, const char *path, const void *p, size_t n, unsigned new_mode)
{
	struct host_replace r = {.p = p, .n = n, .mode = new_mode, .target = xstrdup(path)};
	int err = temp_write(h, &r);

	if (err == 0)
		err = rename_over(h, &r);
	replace_end(&r);
	return err;
}
