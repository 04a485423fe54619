/* logs, daemon logs: the end of the daemon's log. Following survives rotation
 * and truncation (clients.md 8). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"

#define FOLLOW_MS 200

/* Offset where the last `lines` lines begin. */
static off_t tail_offset(int fd, off_t size, int64_t lines)
{
	char block[8192];
	off_t at = size;
	if (lines == 0)
		return size;
	while (at > 0) {
		size_t n = at < (off_t)sizeof block ? (size_t)at : sizeof block;
		at -= (off_t)n;
		ssize_t got = pread(fd, block, n, at);
		for (ssize_t i = got - 1; i >= 0; i--)
			/* The newline that ends the file ends its last line, it does not begin one. */
			if (block[i] == '\n' && at + i + 1 < size && --lines == 0)
				return at + i + 1;
		if (got <= 0)
			break;
	}
	return 0;
}

/* Copies from offset to the end; returns the new offset. */
static off_t copy_from(int fd, off_t at)
{
	char block[65536];
	ssize_t n;
	while ((n = pread(fd, block, sizeof block, at)) > 0) {
		fwrite(block, 1, (size_t)n, stdout);
		at += n;
	}
	fflush(stdout);
	return at;
}

static bool replaced(const char *path, int fd)
{
	struct stat now, open_file;
	return stat(path, &now) == 0 && fstat(fd, &open_file) == 0 &&
	       (now.st_ino != open_file.st_ino || now.st_dev != open_file.st_dev);
}

static void follow(const char *path, int fd, off_t at)
{
	struct stat st;
	while (!ferror(stdout)) {
		at = copy_from(fd, at);
		if (fstat(fd, &st) == 0 && st.st_size < at)
			at = 0;
		if (replaced(path, fd)) {
			int fresh = open(path, O_RDONLY | O_CLOEXEC);
			copy_from(fd, at);
			if (fresh >= 0) {
				dup3(fresh, fd, O_CLOEXEC);
				close(fresh);
				at = 0;
			}
		}
		poll(NULL, 0, FOLLOW_MS);
	}
}

int cmd_logs(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool following = false;
	int64_t lines = 50;
	const struct option_spec specs[] = {
		{'f', "follow", OPTION_FLAG, &following, NULL, "Go on as the log grows"},
		{'n', "lines", OPTION_NUMBER, &lines, "<N>", "Number of lines [default: 50]"},
	};
	struct args args;
	struct stat st;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status))
		return status;
	int fd = open(cli->paths.log, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return cli_error(cli, "no log at %s: %s", cli->paths.log, strerror(errno));
	off_t at = copy_from(fd, tail_offset(fd, st.st_size, lines));
	if (following)
		follow(cli->paths.log, fd, at);
	close(fd);
	return CLI_OK;
}
