/* The functions behind the table in commands.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H
#include "cli/cli.h"

#define COMMAND(name) int name(const struct cli *cli, const struct command *cmd, int argc, char **argv)

COMMAND(cmd_open);
COMMAND(cmd_exec);
COMMAND(cmd_ps);
COMMAND(cmd_stop);
COMMAND(cmd_inspect);
COMMAND(cmd_recover);
COMMAND(cmd_status);
COMMAND(cmd_doctor);
COMMAND(cmd_logs);
COMMAND(cmd_daemon_start);
COMMAND(cmd_daemon_stop);
COMMAND(cmd_daemon_restart);
COMMAND(cmd_daemon_ping);
COMMAND(cmd_daemon_flush);
COMMAND(cmd_daemon_shutdown);
COMMAND(cmd_daemon_install);
COMMAND(cmd_daemon_uninstall);
COMMAND(cmd_pool_status);
COMMAND(cmd_pool_info);
COMMAND(cmd_pool_take);
COMMAND(cmd_dev_worktrees);
COMMAND(cmd_dev_clean);
COMMAND(cmd_jupyter_ps);
COMMAND(cmd_jupyter_start);
COMMAND(cmd_jupyter_stop);
COMMAND(cmd_jupyter_interrupt);
COMMAND(cmd_jupyter_exec);
COMMAND(cmd_jupyter_console);
COMMAND(cmd_jupyter_clean);

#undef COMMAND
#endif
