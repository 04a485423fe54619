#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/standard.h"
#include "base/text.h"
#include "cli/cli.h"

static void banner_print(const struct cli *cli)
{
	static const char *const slogans[8] = {
		"One notebook, many hands.",
		"Your kernel, kept warm.",
		"Save is a habit; here it is a guarantee.",
		"Close the lid. The loop goes on.",
		"Every keystroke accounted for.",
		"Windows come and go, the notebook stays.",
		"Small daemon, long memory.",
		"Run it, share it, forget it is there.",
	};
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	printf("%s%s %s%s\nnotebooks that stay alive\n%s%s%s\n\n", cli_style(cli->color_out, STYLE_BOLD), cli->program,
		CLI_VERSION, cli_style(cli->color_out, STYLE_RESET), cli_style(cli->color_out, STYLE_DIM),
		slogans[(unsigned long)now.tv_nsec / 1000 % 8], cli_style(cli->color_out, STYLE_RESET));
}

/* What was printed has to be there in the end: a full disk behind stdout is a failure. */
static int output_end(const struct cli *cli, int status)
{
	bool failed = ferror(stdout) != 0;
	errno = 0;
	if (fflush(stdout) == 0 && !failed)
		return status;
	return cli_error(cli, "cannot write the output: %s", errno ? strerror(errno) : "an earlier part was lost");
}

int main(int argc, char **argv)
{
	enum release_channel channel = channel_of(argc ? argv[0] : NULL);
	const char *no_color = getenv("NO_COLOR");
	bool color = !(no_color && *no_color);
	struct cli cli = {
		.program = channel == CHANNEL_NIGHTLY ? "runt-nightly" : "runt",
		.tty_out = isatty(STDOUT_FILENO),
		.color_out = color && isatty(STDOUT_FILENO),
		.color_err = color && isatty(STDERR_FILENO),
	};
	standard_streams_open();
	if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
		printf("runt %s\n", CLI_VERSION);
		return output_end(&cli, CLI_OK);
	}
	int status;
	if (paths_init(&cli.paths, channel) < 0) {
		status = cli_error(&cli, "RUNTIMED_SOCKET_PATH is %s, but its directory does not exist",
			cli.paths.socket);
	} else if (argc < 2) {
		banner_print(&cli);
		cli_help(&cli, cli_commands, cli.program);
		status = CLI_OK;
	} else {
		status = cli_dispatch(&cli, cli_commands, cli.program, argc, argv);
	}
	paths_fini(&cli.paths);
	return output_end(&cli, status);
}
