/* doctor: is everything in its place, and --fix (clients.md 1.5). */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/options.h"
#include "cli/service.h"

enum { CHECK_BINARY, CHECK_SERVICE, CHECK_SOCKET, CHECK_STATE, CHECK_VERSION, CHECK_RUNNING, CHECKS };

static const char *const check_names[CHECKS] = {
	"installed_binary", "service_config", "socket_file", "daemon_state", "version_match", "daemon_running"};
static const char *const check_labels[CHECKS] = {
	"Installed binary", "Service config", "Socket file", "Daemon state", "Version match", "Daemon running"};

struct check {
	char *path;
	const char *status; /* clients.md 1.5 */
	char *detail;
};

struct doctor {
	const struct cli *cli;
	struct service service;
	struct check checks[CHECKS];
	bool running;
	VEC(char *) actions;
};

static void check_set(struct doctor *d, int which, const char *path, const char *status, char *detail)
{
	struct check *c = &d->checks[which];
	free(c->path);
	free(c->detail);
	*c = (struct check){path ? xstrdup(path) : NULL, status, detail};
}

static void check_files(struct doctor *d)
{
	const struct paths *p = &d->cli->paths;
	struct stat st;
	bool binary = access(d->service.binary, X_OK) == 0;
	check_set(d, CHECK_BINARY, d->service.binary, binary ? "ok" : "missing", NULL);
	check_set(d, CHECK_SERVICE, d->service.unit, service_installed(&d->service) ? "ok" : "missing", NULL);
	bool socket = stat(p->socket, &st) == 0;
	if (socket && !S_ISSOCK(st.st_mode))
		check_set(d, CHECK_SOCKET, p->socket, "error", xstrdup("not a socket"));
	else
		check_set(d, CHECK_SOCKET, p->socket, !socket ? "missing" : d->running ? "ok" : "stale", NULL);
}

static void check_state(struct doctor *d)
{
	const struct paths *p = &d->cli->paths;
	struct running_daemon r;
	running_daemon_read(p, &r);
	if (!r.json)
		check_set(d, CHECK_STATE, p->daemon_json, access(p->daemon_json, F_OK) == 0 ? "error" : "missing",
			NULL);
	else if (!launch_process_alive((pid_t)r.pid))
		check_set(d, CHECK_STATE, p->daemon_json, "stale", xasprintf("process %lld is gone", (long long)r.pid));
	else
		check_set(d, CHECK_STATE, p->daemon_json, "ok", xasprintf("pid %lld, %s", (long long)r.pid, r.version));
	running_daemon_fini(&r);
}

static void check_version(struct doctor *d)
{
	struct running_daemon r;
	char *ours = NULL, *path = service_find_daemon(&d->service);
	running_daemon_read(&d->cli->paths, &r);
	if (!path || !service_binary_version(path, &ours))
		check_set(d, CHECK_VERSION, path, "unknown", xstrdup("no daemon binary answers --version"));
	else if (!r.json || !d->running)
		check_set(d, CHECK_VERSION, path, "unknown", xasprintf("bundled %s, none running", ours));
	else
		check_set(d, CHECK_VERSION, path, strcmp(ours, r.version) ? "mismatch" : "ok",
			xasprintf("bundled %s, running %s", ours, r.version));
	free(ours);
	free(path);
	running_daemon_fini(&r);
}

static void checks_run(struct doctor *d)
{
	char *socket = client_find_socket(&d->cli->paths);
	d->running = client_ping(socket, 3000);
	check_files(d);
	check_state(d);
	check_version(d);
	check_set(d, CHECK_RUNNING, socket, d->running ? "ok" : "not_running", NULL);
	free(socket);
}

static const char *diagnosis(const struct doctor *d)
{
	if (d->running && !strcmp(d->checks[CHECK_VERSION].status, "mismatch"))
		return "The daemon runs, but in another version than this program brings.";
	if (d->running)
		return "The daemon is running.";
	if (!strcmp(d->checks[CHECK_STATE].status, "stale") || !strcmp(d->checks[CHECK_SOCKET].status, "stale"))
		return "The daemon is gone and left files behind.";
	if (!strcmp(d->checks[CHECK_SERVICE].status, "ok") && strcmp(d->checks[CHECK_BINARY].status, "ok") != 0)
		return "The service is installed, but its binary is missing.";
	return "The daemon is not running.";
}

static void action(struct doctor *d, char *text)
{
	VEC_PUSH(&d->actions, text);
}

static void remove_stale(struct doctor *d, int which)
{
	struct check *c = &d->checks[which];
	if (!strcmp(c->status, "stale") && unlink(c->path) == 0)
		action(d, xasprintf("removed stale %s", c->path));
}

static void reinstall(struct doctor *d)
{
	char *bundled = service_find_daemon(&d->service);
	const char *note = NULL;
	bool differs = bundled && strcmp(bundled, d->service.binary) != 0;
	bool wanted = service_installed(&d->service) && (strcmp(d->checks[CHECK_BINARY].status, "ok") != 0 ||
							   !strcmp(d->checks[CHECK_VERSION].status, "mismatch"));
	if (wanted && differs) {
		service_control(&d->service, "stop");
		int r = service_install(&d->service, &d->cli->paths, bundled, &note);
		action(d, r < 0 ? xasprintf("could not install %s: %s", d->service.binary, strerror(-r))
				: xasprintf("installed %s", d->service.binary));
	}
	free(bundled);
}

static void fix(struct doctor *d)
{
	char *why = NULL;
	if (!d->running) {
		remove_stale(d, CHECK_STATE);
		remove_stale(d, CHECK_SOCKET);
	}
	reinstall(d);
	if (!d->running) {
		int r = launch_daemon(d->cli, &why);
		action(d, r < 0 ? xasprintf("could not start the daemon: %s", why) : xstrdup("started the daemon"));
		free(why);
	}
	poll(NULL, 0, 500);
	checks_run(d);
}

static void doctor_json(const struct doctor *d)
{
	struct json_object *o = json_object_new_object(), *actions = json_object_new_array();
	for (int i = 0; i < CHECKS; i++) {
		const struct check *c = &d->checks[i];
		struct json_object *v = json_object_new_object();
		json_object_object_add(v, "path", c->path ? json_object_new_string(c->path) : NULL);
		json_object_object_add(v, "status", json_object_new_string(c->status));
		json_object_object_add(v, "detail", c->detail ? json_object_new_string(c->detail) : NULL);
		json_object_object_add(o, check_names[i], v);
	}
	json_object_object_add(o, "diagnosis", json_object_new_string(diagnosis(d)));
	for (size_t i = 0; i < d->actions.n; i++)
		json_object_array_add(actions, json_object_new_string(d->actions.p[i]));
	json_object_object_add(o, "actions_taken", actions);
	cli_print_json(o);
	json_object_put(o);
}

static void doctor_print(const struct doctor *d, bool fixed)
{
	bool color = d->cli->color_out;
	for (int i = 0; i < CHECKS; i++) {
		const struct check *c = &d->checks[i];
		printf("%-20s %s[%s]%s %s%s%s\n", check_labels[i],
			cli_style(color, !strcmp(c->status, "ok") ? STYLE_GREEN : STYLE_YELLOW), c->status,
			cli_style(color, STYLE_RESET), c->path ? c->path : "", c->detail ? " - " : "",
			c->detail ? c->detail : "");
	}
	printf("\nDiagnosis: %s\n", diagnosis(d));
	for (size_t i = 0; i < d->actions.n; i++)
		printf("  %s\n", d->actions.p[i]);
	if (!fixed && !d->running)
		printf("Try: %s doctor --fix\n", d->cli->program);
}

static void doctor_fini(struct doctor *d)
{
	for (int i = 0; i < CHECKS; i++) {
		free(d->checks[i].path);
		free(d->checks[i].detail);
	}
	for (size_t i = 0; i < d->actions.n; i++)
		free(d->actions.p[i]);
	VEC_FREE(&d->actions);
	service_fini(&d->service);
}

int cmd_doctor(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool fixing = false, json = false;
	const struct option_spec specs[] = {
		{0, "fix", OPTION_FLAG, &fixing, NULL, "Repair what can be repaired"},
		{0, "json", OPTION_FLAG, &json, NULL, "Print JSON"},
	};
	struct args args;
	struct doctor d = {.cli = cli};
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status))
		return status;
	service_init(&d.service, &cli->paths);
	checks_run(&d);
	if (fixing)
		fix(&d);
	if (json)
		doctor_json(&d);
	else
		doctor_print(&d, fixing);
	doctor_fini(&d);
	return CLI_OK;
}
