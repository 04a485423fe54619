#include "cli/launch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/client.h"
#include "cli/process.h"
#include "cli/service.h"

static bool answers(const struct cli *cli, char **ret_socket)
{
	char *socket = client_find_socket(&cli->paths);
	bool ok = client_ping(socket, 1000);
	if (ok && ret_socket)
		*ret_socket = socket;
	else
		free(socket);
	return ok;
}

/* Waits for the first answer; child > 0: gives up when that process ends without
 * one (a daemon that finds another holding the lock ends with 0). */
static bool wait_until_up(const struct cli *cli, pid_t child)
{
	int64_t deadline = client_now_ms() + LAUNCH_WAIT_MS;
	while (client_now_ms() < deadline) {
		if (answers(cli, NULL))
			return true;
		if (child > 0 && waitpid(child, NULL, WNOHANG) == child)
			return answers(cli, NULL);
		poll(NULL, 0, 20);
	}
	return false;
}

static int start_detached(const struct cli *cli, const struct service *s, char **ret_why)
{
	char *daemon = service_find_daemon(s);
	if (!daemon) {
		*ret_why = xasprintf("no %s found beside this program, in %s or on PATH", s->name, s->binary);
		return -1;
	}
	if (cli->paths.channel == CHANNEL_NIGHTLY)
		setenv("RUNT_CHANNEL", "nightly", 1);
	const char *const argv[] = {daemon, "run", NULL};
	pid_t pid = process_detach(argv);
	int r = pid > 0 && wait_until_up(cli, pid) ? 0 : -1;
	if (pid < 0)
		*ret_why = xasprintf("cannot start %s: %s", daemon, strerror(-pid));
	else if (r < 0)
		*ret_why = xasprintf("%s did not come up; see %s", daemon, cli->paths.log);
	free(daemon);
	return r;
}

int launch_daemon(const struct cli *cli, char **ret_why)
{
	struct service s;
	if (answers(cli, NULL))
		return 0;
	service_init(&s, &cli->paths);
	bool service = !cli->paths.dev_mode && service_installed(&s) && service_control(&s, "start") == 0;
	int r = 0;
	if (!service)
		r = start_detached(cli, &s, ret_why);
	else if (!wait_until_up(cli, 0)) {
		*ret_why = xasprintf("the service was started but does not answer; see %s", cli->paths.log);
		r = -1;
	}
	service_fini(&s);
	return r;
}

char *launch_socket(const struct cli *cli, char **ret_why)
{
	char *socket = NULL;
	if (answers(cli, &socket))
		return socket;
	if (launch_daemon(cli, ret_why) < 0)
		return NULL;
	return client_find_socket(&cli->paths);
}

/* A daemon whose parent does not reap it stays as a zombie. */
static bool is_zombie(pid_t pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	const char *end = strrchr(text, ')'); /* the name before it may hold anything */
	return end && end[1] == ' ' && end[2] == 'Z';
}

bool launch_process_alive(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) && !is_zombie(pid);
}

static bool gone(const char *socket, pid_t pid)
{
	struct client c;
	if (launch_process_alive(pid))
		return false;
	if (client_connect(socket, 200, &c) < 0)
		return true;
	client_close(&c);
	return false;
}

static bool wait_until_gone(const char *socket, pid_t pid, int ms)
{
	int64_t deadline = client_now_ms() + ms;
	while (client_now_ms() < deadline) {
		if (gone(socket, pid))
			return true;
		poll(NULL, 0, 20);
	}
	return false;
}

int launch_stop(const struct cli *cli, char **ret_why)
{
	struct running_daemon record;
	struct pool_response response;
	char *why = NULL, *socket = client_find_socket(&cli->paths);
	running_daemon_read(&cli->paths, &record);
	pid_t pid = record.endpoint && !strcmp(record.endpoint, socket) ? (pid_t)record.pid : 0;
	int r = client_pool_call(socket, &(struct pool_request){.type = POOL_SHUTDOWN}, CLIENT_POOL_MS, &response,
		&why);
	if (r == 0)
		pool_response_fini(&response);
	if (r == -ECONNREFUSED || r == -ENOENT) {
		r = -ESRCH;
	} else if (!wait_until_gone(socket, pid, LAUNCH_STOP_MS) &&
		   (pid <= 0 || kill(pid, SIGTERM) < 0 || !wait_until_gone(socket, pid, LAUNCH_STOP_MS))) {
		*ret_why = xasprintf("the daemon does not stop%s%s", why ? ": " : "", why ? why : "");
		r = -1;
	} else {
		r = 0;
	}
	free(why);
	free(socket);
	running_daemon_fini(&record);
	return r;
}
