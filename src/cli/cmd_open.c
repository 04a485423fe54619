/* open [PATH]: starts the desktop application on a notebook (clients.md 1.4). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/process.h"

static char *app_find(const struct cli *cli)
{
	static const char *const stable[] = {"nteract", NULL};
	static const char *const nightly[] = {"nteract-nightly", "nteract-Nightly", "nteract", NULL};
	const char *const *names = cli->paths.channel == CHANNEL_NIGHTLY ? nightly : stable;
	char *app = NULL;
	for (; *names && !app; names++)
		app = process_find(*names);
	return app;
}

int cmd_open(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	const char *runtime = NULL;
	const struct option_spec specs[] = {
		{'r', "runtime", OPTION_TEXT, &runtime, "<RUNTIME>", "Runtime of a new notebook: python or deno"}};
	struct args args;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 1, &args, &status))
		return status;
	char *app = app_find(cli);
	if (!app)
		return cli_error(cli, "no notebook application is installed (looked for nteract on PATH). "
				      "`%s exec` runs a notebook without one", cli->program);
	char *path = args.n ? path_absolute(args.p[0]) : NULL;
	const char *command[5] = {app};
	int n = 1;
	if (path)
		command[n++] = path;
	if (runtime) {
		command[n++] = "--runtime";
		command[n++] = runtime;
	}
	pid_t pid = process_detach(command);
	status = pid < 0 ? cli_error(cli, "cannot start %s: %s", app, strerror(-pid)) : CLI_OK;
	free(path);
	free(app);
	return status;
}
