/* Files in and out of the tool. */
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "automerge/tool/tool.h"
#include "base/alloc.h"

#define READ_CHUNK ((size_t)1 << 16)
#define GZIP_TRAILER 8 /* CRC-32 and the length modulo 2^32 */

int tool_fail(const char *subject, const char *reason)
{
	fflush(stdout);
	fprintf(stderr, "automerge: %s: %s\n", subject, reason);
	return 1;
}

static int read_fd(int fd, struct buf *out)
{
	for (;;) {
		uint8_t *p = buf_reserve(out, READ_CHUNK);
		ssize_t n = read(fd, p, out->cap - out->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		out->n += (size_t)n;
		if (out->n > TOOL_FILE_MAX)
			return -EFBIG;
	}
}

int tool_read(const char *path, struct buf *out)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return tool_fail(path, strerror(errno));
	buf_clear(out);
	struct stat st;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size <= TOOL_FILE_MAX)
		buf_reserve(out, (size_t)st.st_size + READ_CHUNK);
	int rc = read_fd(fd, out);
	if (!is_stdin)
		close(fd);
	return rc ? tool_fail(path, strerror(-rc)) : 0;
}

/* The trailer says the inflated length modulo 2^32: a hint, checked by inflating. */
static int gunzip(const struct buf *in, struct buf *out)
{
	const uint8_t *t = in->p + in->n - 4;
	size_t size = (size_t)t[0] | (size_t)t[1] << 8 | (size_t)t[2] << 16 | (size_t)t[3] << 24;
	if (size > TOOL_FILE_MAX)
		return -EFBIG;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	if (!d)
		return -ENOMEM;
	size_t in_n = 0, out_n = 0;
	uint8_t *p = buf_reserve(out, size ? size : 1);
	enum libdeflate_result r = libdeflate_gzip_decompress_ex(d, in->p, in->n, p, size, &in_n, &out_n);
	libdeflate_free_decompressor(d);
	if (r != LIBDEFLATE_SUCCESS || in_n != in->n)
		return -EBADMSG;
	out->n = out_n;
	return 0;
}

int tool_read_gz(const char *path, struct buf *out)
{
	if (tool_read(path, out))
		return 1;
	if (out->n < 10 + GZIP_TRAILER || out->p[0] != 0x1f || out->p[1] != 0x8b)
		return 0;
	struct buf plain = {0};
	int rc = gunzip(out, &plain);
	buf_free(out);
	*out = plain;
	if (rc == -EBADMSG)
		return tool_fail(path, "not a good gzip file");
	return rc ? tool_fail(path, strerror(-rc)) : 0;
}

static int write_fd(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Into a file beside path, then over it: a reader sees the old or the new one. */
static int write_replace(const char *path, const uint8_t *p, size_t n)
{
	char *tmp = xasprintf("%s.XXXXXX", path);
	int rc = 0;
	int fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		goto out;
	}
	mode_t mask = umask(0);
	umask(mask);
	rc = write_fd(fd, p, n);
	if (!rc && fchmod(fd, 0666 & ~mask))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(tmp, path))
		rc = -errno;
	if (rc)
		unlink(tmp);
out:
	free(tmp);
	return rc;
}

/* Devices, pipes and links are written through, not replaced. */
static int write_through(const char *path, const uint8_t *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = write_fd(fd, p, n);
	if (close(fd) && !rc)
		rc = -errno;
	return rc;
}

int tool_write(const char *path, const void *p, size_t n)
{
	struct stat st;
	int rc;
	if (!strcmp(path, "-")) {
		fflush(stdout);
		rc = write_fd(STDOUT_FILENO, p, n);
	} else if (!lstat(path, &st) && !S_ISREG(st.st_mode)) {
		rc = write_through(path, p, n);
	} else {
		rc = write_replace(path, p, n);
	}
	return rc ? tool_fail(path, strerror(-rc)) : 0;
}
