#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

#define OUTPUT_MAX 65536

extern char **environ;

static pid_t spawn(const char *const *argv, int out_fd, bool quiet, short flags)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	pid_t pid = 0;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, flags);
	if (quiet) {
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	}
	if (out_fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
	int r = posix_spawnp(&pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return r ? -r : pid;
}

static int status_wait(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(const char *const *argv, bool quiet)
{
	pid_t pid = spawn(argv, -1, quiet, 0);
	return pid < 0 ? pid : status_wait(pid);
}

int process_read(const char *const *argv, struct buf *out)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = spawn(argv, fds[1], true, 0);
	close(fds[1]);
	for (ssize_t n = 1; pid > 0 && (n > 0 || errno == EINTR);) {
		uint8_t bytes[4096];
		n = read(fds[0], bytes, sizeof bytes);
		if (n == 0)
			break;
		if (n > 0 && out->n < OUTPUT_MAX)
			buf_append(out, bytes, (size_t)n);
	}
	close(fds[0]);
	return pid < 0 ? pid : status_wait(pid);
}

pid_t process_detach(const char *const *argv)
{
	return spawn(argv, -1, true, POSIX_SPAWN_SETSID);
}

char *process_find(const char *name)
{
	const char *path = getenv("PATH");
	while (path && *path) {
		size_t n = strcspn(path, ":");
		char *dir = xstrndup(path, n), *full = path_join(n ? dir : ".", name);
		free(dir);
		if (access(full, X_OK) == 0)
			return full;
		free(full);
		path += n + (path[n] == ':');
	}
	return NULL;
}
