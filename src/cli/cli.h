/* What all commands of `runt` share: where the daemon is, whether to colour, how
 * errors look (clients.md 1.1), and the table of commands. A command is one
 * file `cmd_<name>.c` and one line in commands.c. */
#ifndef CLI_CLI_H
#define CLI_CLI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/paths.h"

#define CLI_VERSION RUNTIMED_VERSION /* of the build */

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli {
	const char *program; /* "runt", "runt-nightly" */
	struct paths paths;
	bool color_out, color_err; /* a terminal and no NO_COLOR */
	bool tty_out;
};

struct command {
	const char *name;
	const char *aliases; /* blank-separated, or NULL */
	const char *args;    /* for the usage line: "<NOTEBOOK>" */
	const char *summary;
	/* argv[0] is the whole name ("runt daemon start"); returns the exit status. */
	int (*run)(const struct cli *cli, const struct command *cmd, int argc, char **argv);
	const struct command *group; /* subcommands, ended by a NULL name; then run is NULL */
	bool hidden;
	const char *deprecated; /* what to use instead, or NULL */
};

extern const struct command cli_commands[];
/* Runs the command named by argv[1] out of a table; prefix is what came before it. */
int cli_dispatch(const struct cli *cli, const struct command *table, const char *prefix, int argc, char **argv);
void cli_help(const struct cli *cli, const struct command *table, const char *prefix);

/* `Error: <text>` on stderr; returns CLI_FAILED. */
int cli_error(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The message and the usage line on stderr; returns CLI_USAGE. */
int cli_usage_error(const struct command *cmd, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ANSI sequences, "" when that stream is not coloured. */
enum cli_style { STYLE_RESET, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_BLUE, STYLE_MAGENTA };
const char *cli_style(bool color, enum cli_style style);

/* Pretty, two blanks per level, a newline at the end (clients.md 1.1). */
void cli_print_json(struct json_object *json);
/* The path with the home directory as `~`; caller frees. */
char *cli_short_path(const struct cli *cli, const char *path);
/* `1h 2m`. */
char *cli_duration(int64_t seconds);
void cli_size(char *out, size_t out_n, uint64_t bytes); /* "12.3 kB" */

/* An argument that names a notebook: a UUID in its canonical form, else an
 * absolute path (clients.md 1.4); caller frees. */
char *cli_notebook_id(const char *arg);
#endif
