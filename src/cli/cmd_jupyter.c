/* jupyter ...: plain Jupyter kernels, without the daemon (clients.md 1.6). */
#include "cli/commands.h"
#include "cli/options.h"

static int not_built(const struct cli *cli)
{
	return cli_error(cli, "this build has no `jupyter` commands; use `%s ps`, `stop` and `exec`", cli->program);
}

#define NOT_BUILT(name)                                                                                                \
	int name(const struct cli *cli, const struct command *cmd, int argc, char **argv)                              \
	{                                                                                                              \
		(void)cmd;                                                                                             \
		(void)argc;                                                                                            \
		(void)argv;                                                                                            \
		return not_built(cli);                                                                                 \
	}

NOT_BUILT(cmd_jupyter_ps)
NOT_BUILT(cmd_jupyter_start)
NOT_BUILT(cmd_jupyter_stop)
NOT_BUILT(cmd_jupyter_interrupt)
NOT_BUILT(cmd_jupyter_exec)
NOT_BUILT(cmd_jupyter_console)
NOT_BUILT(cmd_jupyter_clean)
