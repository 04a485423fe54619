/* automerge: looks at, converts, merges and checks Automerge files. */
#include <stdio.h>
#include <string.h>

#include "automerge/tool/tool.h"

#ifndef RUNTIMED_VERSION
#define RUNTIMED_VERSION "0"
#endif

#define EXIT_USAGE 2
#define FILES_ANY ((size_t)-1)

static const struct tool_command commands[] = {
	{"heads", "FILE", "the document's heads, sorted, one hash a line", 0, 1, 1, cmd_heads},
	{"json", "FILE [--conflicts]", "the whole document as JSON, keys sorted", TOOL_CONFLICTS, 1, 1, cmd_json},
	{"changes", "FILE [--ops]", "the history, one JSON object a line", TOOL_OPS, 1, 1, cmd_changes},
	{"save", "FILE -o OUT [--plain]", "the file as one document chunk (--plain: not compressed)",
	 TOOL_OUT | TOOL_PLAIN, 1, 1, cmd_save},
	{"merge", "A B... -o OUT", "all files' histories in one", TOOL_OUT | TOOL_PLAIN, 2, FILES_ANY, cmd_merge},
	{"sync", "A B", "run the sync protocol between two files, in memory", 0, 2, 2, cmd_sync},
	{"apply", "FILE CHANGE... -o OUT", "the file with these changes applied", TOOL_OUT | TOOL_PLAIN, 2, FILES_ANY,
	 cmd_apply},
	{"anonymize", "FILE -o OUT", "the same shape, other content: to show a fault without the document",
	 TOOL_OUT | TOOL_PLAIN, 1, 1, cmd_anonymize},
	{"trace", "TRACE.json[.gz] -o OUT [--per-edit]", "replay an editing trace (--per-edit: one change per edit)",
	 TOOL_OUT | TOOL_PLAIN | TOOL_PER_EDIT, 1, 1, cmd_trace},
	{"verify", "FILE [--salvage -o OUT]", "load with every check; --salvage: save what is sound, list what is lost",
	 TOOL_SALVAGE | TOOL_OUT, 1, 1, cmd_verify},
	{"oracle", "", NULL, 0, 0, 0, cmd_oracle},
	{"bench", "CASE [FILE]", NULL, 0, 1, 2, cmd_bench},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static const struct {
	const char *name;
	unsigned bit;
} switches[] = {
	{"--plain", TOOL_PLAIN},
	{"--conflicts", TOOL_CONFLICTS},
	{"--ops", TOOL_OPS},
	{"--per-edit", TOOL_PER_EDIT},
	{"--salvage", TOOL_SALVAGE},
};

static void print_help(FILE *f)
{
	fputs("Usage: automerge COMMAND ...\n\nCommands:\n", f);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (commands[i].help)
			fprintf(f, "  %-11s%-36s  %s\n", commands[i].name, commands[i].args, commands[i].help);
	}
	fputs("\nFILE - is standard input, OUT - standard output. A FILE is any concatenation of chunks.\n"
	      "Exit status: 0, 1 after an error, 2 after wrong usage; verify --salvage: 3 when something is lost and\n"
	      "the rest is in OUT.\n"
	      "  --help     this text\n"
	      "  --version  the version\n",
	      f);
}

static int usage_error(const struct tool_command *c, const char *what, const char *arg)
{
	fprintf(stderr, "automerge: %s%s%s\n", what, arg ? " " : "", arg ? arg : "");
	if (c)
		fprintf(stderr, "usage: automerge %s %s\n", c->name, c->args);
	else
		fputs("usage: automerge COMMAND ... (automerge --help lists them)\n", stderr);
	return EXIT_USAGE;
}

static unsigned switch_bit(const char *arg)
{
	for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
		if (!strcmp(arg, switches[i].name))
			return switches[i].bit;
	}
	return 0;
}

/* Sorts argv into options and files (in place: files move to the front). */
static int parse_args(const struct tool_command *c, int argc, char **argv, struct tool_args *ret)
{
	struct tool_args a = {.files = argv};
	bool only_files = false;
	for (int i = 0; i < argc; i++) {
		char *arg = argv[i];
		if (only_files || arg[0] != '-' || !arg[1]) {
			a.files[a.n_files++] = arg;
		} else if (!strcmp(arg, "--")) {
			only_files = true;
		} else if (c->options & TOOL_OUT && (!strcmp(arg, "-o") || !strcmp(arg, "--output"))) {
			if (i + 1 == argc)
				return usage_error(c, "a file name must follow", arg);
			a.options |= TOOL_OUT;
			a.out = argv[++i];
		} else if (switch_bit(arg) & c->options) {
			a.options |= switch_bit(arg);
		} else {
			return usage_error(c, "unknown option", arg);
		}
	}
	if (a.n_files < c->min_files)
		return usage_error(c, "too few arguments", NULL);
	if (a.n_files > c->max_files)
		return usage_error(c, "too many arguments:", a.files[c->max_files]);
	if (c->options & TOOL_OUT && !a.out && !(c->options & TOOL_SALVAGE && !(a.options & TOOL_SALVAGE)))
		return usage_error(c, "-o OUT is missing", NULL);
	if (a.out && c->options & TOOL_SALVAGE && !(a.options & TOOL_SALVAGE))
		return usage_error(c, "-o goes with --salvage", NULL);
	*ret = a;
	return 0;
}

static const struct tool_command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage_error(NULL, "a command is missing", NULL);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("automerge " RUNTIMED_VERSION);
		return 0;
	}
	const struct tool_command *c = find_command(argv[1]);
	if (!c)
		return usage_error(NULL, "unknown command", argv[1]);
	if (wants_help(argc - 2, argv + 2)) {
		printf("usage: automerge %s %s\n%s\n", c->name, c->args, c->help ? c->help : "");
		return 0;
	}
	struct tool_args args;
	int status = parse_args(c, argc - 2, argv + 2, &args);
	if (!status)
		status = c->run(&args);
	if ((fflush(stdout) || ferror(stdout)) && !status)
		status = tool_fail("standard output", "cannot be written");
	return status;
}
