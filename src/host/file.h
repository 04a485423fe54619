/* Files. All operations are synchronous and may be called on any thread: on a
 * worker (host_work) for anything that may wait, on the loop for tiny files
 * only. They go through a table so that tests inject faults (fault.h) or a
 * whole file system (sim.h). Results are 0 or a negative errno. */
#ifndef HOST_FILE_H
#define HOST_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "host/host.h"

struct host_file_info {
	uint64_t dev, ino;
	uint64_t nlink;
	uint32_t mode; /* st_mode: type and permissions */
	uint32_t uid, gid;
	uint64_t size;
	int64_t mtime_ns;
};
bool host_info_is_dir(const struct host_file_info *info);
bool host_info_is_link(const struct host_file_info *info); /* from lstat */
bool host_info_is_regular(const struct host_file_info *info);
/* The same file, not written to in between as far as size and time tell. */
bool host_info_same_stamp(const struct host_file_info *a, const struct host_file_info *b);

/* flags and mode as open(2); O_CLOEXEC is always added. */
int host_file_open(struct host *h, const char *path, int flags, unsigned mode, int *ret_fd);
int host_file_close(struct host *h, int fd);
/* Reads up to n bytes; *ret_n < n only at the end of the file. */
int host_file_pread(struct host *h, int fd, void *p, size_t n, uint64_t offset, size_t *ret_n);
/* Writes all n bytes, or fails (then some may be there). */
int host_file_pwrite(struct host *h, int fd, const void *p, size_t n, uint64_t offset);
int host_file_sync(struct host *h, int fd);
int host_file_datasync(struct host *h, int fd);
int host_file_truncate(struct host *h, int fd, uint64_t size);
int host_file_fstat(struct host *h, int fd, struct host_file_info *ret);
/* Exclusive advisory lock (flock), not waiting: -EWOULDBLOCK when another has it. */
int host_file_lock(struct host *h, int fd);

int host_path_stat(struct host *h, const char *path, struct host_file_info *ret);  /* follows symlinks */
int host_path_lstat(struct host *h, const char *path, struct host_file_info *ret); /* does not */
bool host_path_exists(struct host *h, const char *path);
/* Absolute, without symlinks; caller frees. */
int host_path_real(struct host *h, const char *path, char **ret);
int host_path_rename(struct host *h, const char *from, const char *to);
int host_path_unlink(struct host *h, const char *path);
/* Fine when it is not there. */
int host_path_remove(struct host *h, const char *path);
/* Sets the modification time to now. */
int host_path_touch(struct host *h, const char *path);
int host_path_link(struct host *h, const char *from, const char *to);
int host_path_readlink(struct host *h, const char *path, char **ret_target); /* caller frees */
int host_path_symlink(struct host *h, const char *target, const char *path);
int host_path_chmod(struct host *h, const char *path, unsigned mode);
/* As access(2), mode of R_OK, W_OK, X_OK. */
int host_path_access(struct host *h, const char *path, int mode);

/* mkdir -p; new directories get mode, and are durable on return. Fine when it is
 * there already. */
int host_dir_make(struct host *h, const char *path, unsigned mode);
/* The same without waiting for the disk: durable after host_dir_settle, or the next
 * host_dir_make of the same directory or one in it. So who calls host_dir_make before
 * it syncs something there needs to know nothing of this. */
int host_dir_make_soon(struct host *h, const char *path, unsigned mode);
/* Makes durable what host_dir_make_soon made; tries all of it, and what failed again
 * the next time. */
int host_dir_settle(struct host *h);
/* One directory whose parent is there, without any sync. Fine when it is there already. */
int host_dir_make_one(struct host *h, const char *path, unsigned mode);
int host_dir_remove(struct host *h, const char *path); /* rmdir */
/* Makes renames and removals in the directory durable. */
int host_dir_sync(struct host *h, const char *path);
/* host_dir_sync of the directory path is in. */
int host_dir_sync_of(struct host *h, const char *path);
/* Names without "." and "..", sorted by bytes. host_names_free ends it. */
int host_dir_list(struct host *h, const char *path, char ***ret_names, size_t *ret_n);
void host_names_free(char **names, size_t n);
/* rm -r; never follows symlinks; fine when it is not there. */
int host_dir_remove_tree(struct host *h, const char *path);

/* Appends the whole file to out; -EFBIG (out as it was) past limit bytes. */
int host_file_read_all(struct host *h, const char *path, size_t limit, struct buf *out);

/* ---- replacing a file ----
 * The new content goes to `.<name>.<uuid>.tmp` beside the target, is synced,
 * and takes the target's place by rename; then the directory is synced. Mode
 * and owner of an existing target are kept; a symlink is followed and stays.
 * When the target has several hard links, its directory is not writable or its
 * owner could not be kept, the content is written in place instead (rooms.md
 * 7.1): `in_place` says so after prepare, and the caller takes a copy first. */

struct host_replace {
	char *target; /* after following symlinks */
	char *temp;   /* NULL when in_place */
	bool in_place;
	bool existed;
	struct host_file_info info; /* of the temp file, i.e. of the new file; when in_place, of the old one */
	const void *p;
	size_t n;
	unsigned mode; /* for a new file */
};
/* Step 1 (worker): temp file written and synced. p must live until commit or
 * abort. new_mode is for a target that does not exist (umask applies). On
 * failure nothing is left behind and r needs no abort. */
int host_replace_prepare(struct host *h, struct host_replace *r, const char *path, const void *p, size_t n,
			 unsigned new_mode);
/* Step 2 (worker): the rename and the directory's sync. On failure the temp
 * file is removed and the old content is in place (excepted are a failed
 * in-place write, and a failed sync of the directory: then the new content is
 * there but may not survive a power loss). *ret_info (may be NULL) is the file as it stands. Ends r either way. */
int host_replace_commit(struct host *h, struct host_replace *r, struct host_file_info *ret_info);
/* Instead of step 2: removes the temp file. Ends r. */
void host_replace_abort(struct host *h, struct host_replace *r);
/* Both steps in one. */
int host_file_replace_atomic(struct host *h, const char *path, const void *p, size_t n, unsigned new_mode,
			     struct host_file_info *ret_info);
/* For the daemon's own files: always temp file, sync, rename, directory sync;
 * never in place, never through a symlink; the mode is new_mode (umask applies).
 * On failure the old file is as it was (but see commit about the directory). */
int host_file_replace_own(struct host *h, const char *path, const void *p, size_t n, unsigned new_mode);
/* True for names that prepare makes for temp files of `name` (NULL: of any);
 * what a crash left behind is removed by their owners at start. */
bool host_name_is_temp(const char *entry, const char *name);
#endif
