/* status, daemon status: the daemon at a glance; exit status 0 always (clients.md 1.5). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/service.h"

#define STATUS_PING_MS 3000

struct status {
	char *socket;
	struct running_daemon record;
	bool running, installed;
	bool has_stats;
	struct pool_response stats;
};

static void status_gather(const struct cli *cli, struct status *s)
{
	struct service service;
	char *why = NULL;
	*s = (struct status){.socket = client_find_socket(&cli->paths)};
	running_daemon_read(&cli->paths, &s->record);
	s->running = s->record.json && client_ping(s->socket, STATUS_PING_MS);
	s->has_stats = s->running && client_pool_call(s->socket, &(struct pool_request){.type = POOL_STATUS},
						       CLIENT_POOL_MS, &s->stats, &why) == 0;
	free(why);
	service_init(&service, &cli->paths);
	s->installed = service_installed(&service);
	service_fini(&service);
}

static void status_fini(struct status *s)
{
	free(s->socket);
	running_daemon_fini(&s->record);
	if (s->has_stats)
		pool_response_fini(&s->stats);
}

static struct json_object *str_or_null(const char *s)
{
	return s ? json_object_new_string(s) : NULL;
}

static struct json_object *paths_json(const struct paths *p)
{
	struct json_object *o = json_object_new_object();
	mkdir(p->notebooks_dir, 0755); /* it is there when somebody asks where it is */
	json_object_object_add(o, "base_dir", json_object_new_string(p->base_dir));
	json_object_object_add(o, "log_path", json_object_new_string(p->log));
	json_object_object_add(o, "envs_dir", json_object_new_string(p->envs_dir));
	json_object_object_add(o, "blobs_dir", json_object_new_string(p->blobs_dir));
	json_object_object_add(o, "notebooks_dir", json_object_new_string(p->notebooks_dir));
	return o;
}

static struct json_object *env_json(void)
{
	static const char *const names[] = {"RUNTIMED_DEV", "RUNTIMED_WORKSPACE_PATH", "RUNTIMED_VITE_PORT"};
	struct json_object *o = json_object_new_object();
	for (size_t i = 0; i < 3; i++)
		json_object_object_add(o, names[i], str_or_null(getenv(names[i])));
	return o;
}

static char *blob_url(const struct status *s)
{
	return s->record.blob_port ? xasprintf("http://127.0.0.1:%lld", (long long)s->record.blob_port) : NULL;
}

static void status_json(const struct cli *cli, const struct status *s)
{
	struct json_object *o = json_object_new_object();
	char *url = blob_url(s);
	const struct paths *p = &cli->paths;
	json_object_object_add(o, "channel", json_object_new_string(channel_name(p->channel)));
	json_object_object_add(o, "socket_path", json_object_new_string(s->socket));
	json_object_object_add(o, "installed", json_object_new_boolean(s->installed));
	json_object_object_add(o, "running", json_object_new_boolean(s->running));
	json_object_object_add(o, "dev_mode", json_object_new_boolean(p->dev_mode));
	json_object_object_add(o, "daemon_info", json_object_get(s->record.json));
	json_object_object_add(o, "pool_stats",
		s->has_stats ? json_object_get(json_get(s->stats.memory.json, "stats")) : NULL);
	json_object_object_add(o, "paths", paths_json(p));
	json_object_object_add(o, "env", env_json());
	json_object_object_add(o, "blob_url", str_or_null(url));
	json_object_object_add(o, "worktree_hash", str_or_null(p->worktree_hash[0] ? p->worktree_hash : NULL));
	cli_print_json(o);
	json_object_put(o);
	free(url);
}

static void row(const char *label, const char *value)
{
	printf("%-19s %s\n", label, value);
}

static void record_print(const struct status *s)
{
	char pid[24], *url = blob_url(s), *uptime;
	int64_t started = 0;
	if (!s->record.json || !s->running)
		return;
	snprintf(pid, sizeof pid, "%lld", (long long)s->record.pid);
	rfc3339_parse(s->record.started_at, &started);
	uptime = cli_duration((int64_t)time(NULL) - started / 1000000000);
	putchar('\n');
	row("PID", pid);
	row("Version", s->record.version);
	row("Blob server", url ? url : "-");
	row("Uptime", uptime);
	free(uptime);
	free(url);
}

/* The second number is what is there or under way, not the target. */
static void pool_print(const char *name, const struct pool_counts *c)
{
	printf("  %s: %llu/%llu ready (%llu warming)\n", name, (unsigned long long)c->available,
		(unsigned long long)(c->available + c->warming), (unsigned long long)c->warming);
	if (c->error.message)
		printf("      %s\n", c->error.message);
}

static void status_print(const struct cli *cli, const struct status *s)
{
	const struct paths *p = &cli->paths;
	const char *purple = cli_style(cli->color_out, STYLE_MAGENTA), *reset = cli_style(cli->color_out, STYLE_RESET);
	printf("%s[%s%sruntimed Daemon Status%s%s]%s\n", purple, reset, cli_style(cli->color_out, STYLE_BOLD), reset,
		purple,
		reset);
	row("Channel", channel_name(p->channel));
	row("Service installed", s->installed ? "yes" : "no");
	printf("%-19s %s%s%s\n", "Daemon", cli_style(cli->color_out, s->running ? STYLE_GREEN : STYLE_RED),
		s->running ? "running" : "not running", reset);
	row("Socket", s->socket);
	if (p->dev_mode) {
		const char *description = NULL;
		json_get_str(s->record.json, "workspace_description", &description);
		row("Mode", "development");
		row("Worktree", p->worktree ? p->worktree : "-");
		if (description)
			row("Description", description);
	}
	record_print(s);
	if (s->has_stats) {
		puts("\nPool:");
		pool_print("UV", &s->stats.uv);
		pool_print("Conda", &s->stats.conda);
	}
}

int cmd_status(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool json = false;
	const struct option_spec specs[] = {{0, "json", OPTION_FLAG, &json, NULL, "Print JSON"}};
	struct args args;
	struct status s;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status))
		return status;
	status_gather(cli, &s);
	if (json)
		status_json(cli, &s);
	else
		status_print(cli, &s);
	status_fini(&s);
	return CLI_OK;
}
