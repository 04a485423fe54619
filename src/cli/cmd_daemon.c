/* daemon start, stop, restart, ping, flush, shutdown, install, uninstall, and
 * the old pool commands (clients.md 1.5). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/options.h"
#include "cli/service.h"

static int refuse_in_dev_mode(const struct cli *cli)
{
	return cli_error(cli, "in development mode start the daemon yourself: runtimed run --dev");
}

static int start(const struct cli *cli)
{
	char *why = NULL;
	if (launch_daemon(cli, &why) < 0) {
		int status = cli_error(cli, "%s", why);
		free(why);
		return status;
	}
	struct running_daemon record;
	running_daemon_read(&cli->paths, &record);
	printf("Daemon running");
	if (record.json)
		printf(" (pid %lld, %s)", (long long)record.pid, record.version);
	putchar('\n');
	running_daemon_fini(&record);
	return CLI_OK;
}

int cmd_daemon_start(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	int status;
	if (!options_none(cmd, argc, argv, 0, 0, &args, &status))
		return status;
	return cli->paths.dev_mode ? refuse_in_dev_mode(cli) : start(cli);
}

/* -ESRCH when none ran. */
static int stop(const struct cli *cli, char **ret_why)
{
	struct service s;
	service_init(&s, &cli->paths);
	bool service = !cli->paths.dev_mode && service_installed(&s);
	if (service)
		service_control(&s, "stop"); /* what it left running is asked next */
	service_fini(&s);
	int r = launch_stop(cli, ret_why);
	return r == -ESRCH && service ? 0 : r;
}

int cmd_daemon_stop(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	char *why = NULL;
	int status;
	if (!options_none(cmd, argc, argv, 0, 0, &args, &status))
		return status;
	int r = stop(cli, &why);
	if (r == -ESRCH)
		return cli_error(cli, "the daemon is not running");
	if (r < 0) {
		status = cli_error(cli, "%s", why);
		free(why);
		return status;
	}
	puts("Daemon stopped");
	return CLI_OK;
}

int cmd_daemon_restart(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	char *why = NULL;
	int status;
	if (!options_none(cmd, argc, argv, 0, 0, &args, &status))
		return status;
	if (cli->paths.dev_mode)
		return refuse_in_dev_mode(cli);
	if (stop(cli, &why) == -1) {
		status = cli_error(cli, "%s", why);
		free(why);
		return status;
	}
	return start(cli);
}

/* One request without fields; prints `done` when the answer is of type `want`. */
static int simple_call(const struct cli *cli, enum pool_request_type request, enum pool_response_type want,
	const char *done)
{
	struct pool_response response;
	char *why = NULL, *socket = client_find_socket(&cli->paths);
	int r = client_pool_call(socket, &(struct pool_request){.type = request}, CLIENT_POOL_MS, &response, &why);
	free(socket);
	if (r < 0) {
		fprintf(stderr, r == -EPROTO ? "Error: %s\n" : "Daemon not running: %s\n", why);
		free(why);
		return CLI_FAILED;
	}
	bool ok = response.type == want;
	pool_response_fini(&response);
	if (!ok)
		return cli_error(cli, "unexpected answer from the daemon");
	puts(done);
	return CLI_OK;
}

int cmd_daemon_ping(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	int status;
	if (!options_none(cmd, argc, argv, 0, 0, &args, &status))
		return status;
	return simple_call(cli, POOL_PING, POOL_PONG, "pong");
}

int cmd_daemon_flush(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	int status;
	if (!options_none(cmd, argc, argv, 0, 0, &args, &status))
		return status;
	return simple_call(cli, POOL_FLUSH, POOL_FLUSHED, "Environment pool flushed; it will be rebuilt");
}

int cmd_daemon_shutdown(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	int status;
	if (!options_none(cmd, argc, argv, 0, 0, &args, &status))
		return status;
	return simple_call(cli, POOL_SHUTDOWN, POOL_SHUTTING_DOWN, "Shutdown request sent");
}

static int install(const struct cli *cli, const struct service *s, const char *binary)
{
	const char *note = NULL;
	if (service_installed(s))
		return cli_error(cli, "the service is already installed (%s)", s->unit);
	if (!binary || access(binary, X_OK) < 0)
		return cli_error(cli, "no daemon binary%s%s; name one with --binary",
			binary ? " at " : " beside this program",
			binary ? binary : "");
	int r = service_install(s, &cli->paths, binary, &note);
	if (r < 0)
		return cli_error(cli, "cannot install the service: %s", strerror(-r));
	printf("Installed %s\nService: %s\n", s->binary, s->unit);
	if (note)
		printf("Note: %s\n", note);
	printf("Start it with: %s daemon start\n", cli->program);
	return CLI_OK;
}

int cmd_daemon_install(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	const char *binary = NULL;
	const struct option_spec specs[] = {
		{0, "binary", OPTION_TEXT, &binary, "<PATH>",
			"The daemon's executable [default: beside this program]"}};
	struct args args;
	struct service s;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status))
		return status;
	service_init(&s, &cli->paths);
	char *found = binary ? xstrdup(binary) : service_find_daemon(&s);
	status = install(cli, &s, found);
	free(found);
	service_fini(&s);
	return status;
}

int cmd_daemon_uninstall(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	struct service s;
	int status, r = 0;
	if (!options_none(cmd, argc, argv, 0, 0, &args, &status))
		return status;
	service_init(&s, &cli->paths);
	if (!service_installed(&s))
		puts("The service is not installed.");
	else if ((r = service_uninstall(&s)) == 0)
		puts("Service uninstalled");
	service_fini(&s);
	return r < 0 ? cli_error(cli, "cannot remove the service: %s", strerror(-r)) : CLI_OK;
}

/* ---- pool (deprecated) ---- */

static int stats_show(const struct cli *cli, bool json, bool with_alive)
{
	struct pool_response r;
	char *why = NULL, *socket = client_find_socket(&cli->paths);
	int e = client_pool_call(socket, &(struct pool_request){.type = POOL_STATUS}, CLIENT_POOL_MS, &r, &why);
	free(socket);
	if (e < 0) {
		int status = cli_error(cli, "the daemon is not running (%s)", why);
		free(why);
		return status;
	}
	struct json_object *stats = json_get(r.memory.json, "stats");
	if (json && stats) {
		if (with_alive)
			json_object_object_add(stats, "alive", json_object_new_boolean(true));
		cli_print_json(stats);
	} else {
		printf("UV: %llu available, %llu warming, target %llu\n", (unsigned long long)r.uv.available,
			(unsigned long long)r.uv.warming, (unsigned long long)r.uv.target);
		printf("Conda: %llu available, %llu warming, target %llu\n", (unsigned long long)r.conda.available,
			(unsigned long long)r.conda.warming, (unsigned long long)r.conda.target);
		if (with_alive)
			puts("Alive: true");
	}
	pool_response_fini(&r);
	return CLI_OK;
}

static int stats_command(const struct cli *cli, const struct command *cmd, int argc, char **argv, bool with_alive)
{
	bool json = false;
	const struct option_spec specs[] = {{0, "json", OPTION_FLAG, &json, NULL, "Print JSON"}};
	struct args args;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status))
		return status;
	return stats_show(cli, json, with_alive);
}

int cmd_pool_status(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	return stats_command(cli, cmd, argc, argv, false);
}

int cmd_pool_info(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	return stats_command(cli, cmd, argc, argv, true);
}

int cmd_pool_take(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	struct pool_response r;
	char *why = NULL;
	int status;
	if (!options_none(cmd, argc, argv, 0, 1, &args, &status))
		return status;
	const char *type = args.n ? args.p[0] : "uv";
	if (strcmp(type, "uv") != 0 && strcmp(type, "conda") != 0)
		return cli_error(cli, "unknown environment type %s; use uv or conda", type);
	char *socket = client_find_socket(&cli->paths);
	const struct pool_request request = {.type = POOL_TAKE, .env_type = type};
	int e = client_pool_call(socket, &request, CLIENT_POOL_MS, &r, &why);
	free(socket);
	if (e < 0) {
		status = cli_error(cli, "%s", why);
		free(why);
		return status;
	}
	if (r.type == POOL_ENV)
		cli_print_json(json_get(r.memory.json, "env"));
	else
		status = cli_error(cli, "the %s pool is empty", type);
	status = r.type == POOL_ENV ? CLI_OK : CLI_FAILED;
	pool_response_fini(&r);
	return status;
}
