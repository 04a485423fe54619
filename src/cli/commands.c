#include "cli/commands.h"

static const struct command daemon_group[] = {
	{.name = "status", .summary = "Show whether the daemon runs, and its pool", .run = cmd_status},
	{.name = "start", .summary = "Start the daemon", .run = cmd_daemon_start},
	{.name = "stop", .summary = "Stop the daemon", .run = cmd_daemon_stop},
	{.name = "restart", .summary = "Stop the daemon and start it again", .run = cmd_daemon_restart},
	{.name = "ping", .summary = "Ask the daemon for a sign of life", .run = cmd_daemon_ping},
	{.name = "logs", .summary = "Show the end of the daemon's log", .run = cmd_logs},
	{.name = "flush", .summary = "Throw the pooled environments away", .run = cmd_daemon_flush},
	{.name = "shutdown", .summary = "Ask the daemon to stop, without waiting", .run = cmd_daemon_shutdown},
	{.name = "install", .summary = "Install the daemon as a user service", .run = cmd_daemon_install},
	{.name = "uninstall", .summary = "Remove the user service", .run = cmd_daemon_uninstall},
	{.name = "doctor", .summary = "Check the installation", .run = cmd_doctor},
	{0},
};

static const struct command jupyter_group[] = {
	{.name = "ps", .summary = "List kernels", .run = cmd_jupyter_ps},
	{.name = "start", .args = "<NAME>", .summary = "Start a kernel", .run = cmd_jupyter_start},
	{.name = "stop", .args = "[ID]", .summary = "Stop a kernel", .run = cmd_jupyter_stop},
	{.name = "interrupt", .args = "<ID>", .summary = "Interrupt a kernel", .run = cmd_jupyter_interrupt},
	{.name = "exec", .args = "<ID> [CODE]", .summary = "Run code in a kernel", .run = cmd_jupyter_exec},
	{.name = "console", .args = "[KERNEL]", .summary = "Talk to a kernel", .run = cmd_jupyter_console},
	{.name = "clean", .summary = "Remove connection files of dead kernels", .run = cmd_jupyter_clean},
	{0},
};

static const struct command pool_group[] = {
	{.name = "ping", .summary = "Ask the daemon for a sign of life", .run = cmd_daemon_ping},
	{.name = "status", .summary = "Show the pool", .run = cmd_pool_status},
	{.name = "info", .summary = "Show the pool and whether the daemon is alive", .run = cmd_pool_info},
	{.name = "take", .args = "[uv|conda]", .summary = "Take an environment", .run = cmd_pool_take},
	{.name = "flush", .summary = "Throw the pooled environments away", .run = cmd_daemon_flush},
	{.name = "shutdown", .summary = "Ask the daemon to stop", .run = cmd_daemon_shutdown},
	{0},
};

static const struct command dev_group[] = {
	{.name = "worktrees", .summary = "List development worktrees", .run = cmd_dev_worktrees},
	{.name = "clean", .summary = "Remove state of development worktrees", .run = cmd_dev_clean},
	{0},
};

const struct command cli_commands[] = {
	{.name = "exec", .args = "<NOTEBOOK>", .summary = "Run a notebook and save it", .run = cmd_exec},
	{.name = "open", .aliases = "notebook", .args = "[PATH]", .summary = "Open a notebook in the app",
		.run = cmd_open},
	{.name = "ps", .aliases = "notebooks", .summary = "List open notebooks", .run = cmd_ps},
	{.name = "stop", .aliases = "shutdown", .args = "<PATH or ID>", .summary = "Close a notebook and its kernel",
		.run = cmd_stop},
	{.name = "recover", .args = "[NOTEBOOK]", .summary = "Write out what the daemon kept of a notebook",
		.run = cmd_recover},
	{.name = "status", .summary = "Show whether the daemon runs", .run = cmd_status},
	{.name = "doctor", .summary = "Check the installation", .run = cmd_doctor},
	{.name = "logs", .summary = "Show the end of the daemon's log", .run = cmd_logs},
	{.name = "daemon", .summary = "Manage the daemon", .group = daemon_group},
	{.name = "inspect", .args = "<NOTEBOOK>", .summary = "Show a notebook as the daemon has it", .run = cmd_inspect,
		.hidden = true},
	{.name = "jupyter", .summary = "Plain Jupyter kernels", .group = jupyter_group, .hidden = true},
	{.name = "dev", .summary = "Development worktrees", .group = dev_group, .hidden = true},
	{.name = "pool", .summary = "The environment pool", .group = pool_group, .hidden = true,
		.deprecated = "daemon"},
	{.name = "rooms", .summary = "List open notebooks", .run = cmd_ps, .hidden = true, .deprecated = "ps"},
	{.name = "start", .args = "<NAME>", .summary = "Start a kernel", .run = cmd_jupyter_start, .hidden = true,
		.deprecated = "jupyter start"},
	{.name = "stop-kernel", .args = "[ID]", .summary = "Stop a kernel", .run = cmd_jupyter_stop, .hidden = true,
		.deprecated = "jupyter stop"},
	{.name = "interrupt", .args = "<ID>", .summary = "Interrupt a kernel", .run = cmd_jupyter_interrupt,
		.hidden = true,
		.deprecated = "jupyter interrupt"},
	{.name = "console", .args = "[KERNEL]", .summary = "Talk to a kernel", .run = cmd_jupyter_console,
		.hidden = true,
		.deprecated = "jupyter console"},
	{.name = "clean", .summary = "Remove connection files of dead kernels", .run = cmd_jupyter_clean,
		.hidden = true,
		.deprecated = "jupyter clean"},
	{0},
};
