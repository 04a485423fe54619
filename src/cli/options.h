/* Options of one command, as a table: getopt_long below, one look of --help and
 * of usage errors above. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H
#include "cli/cli.h"

enum option_kind {
	OPTION_FLAG,   /* to: bool */
	OPTION_TEXT,   /* to: const char * */
	OPTION_NUMBER, /* to: int64_t, >= 0 */
};

struct option_spec {
	char letter;      /* 0 = long form only */
	const char *name; /* without dashes */
	enum option_kind kind;
	void *to;
	const char *value; /* name of the value in --help */
	const char *help;
};

struct args {
	char **p; /* positional arguments, into argv */
	int n;
};

#define OPTIONS_MAX 16

/* True: go on. False: --help was printed or the command line is wrong, and
 * *ret_status is the exit status. */
bool options_parse(const struct command *cmd, const struct option_spec *specs, size_t n_specs, int argc, char **argv,
	int min_args, int max_args, struct args *ret_args, int *ret_status);
#define OPTIONS_PARSE(cmd, specs, argc, argv, min, max, args, status)                                                  \
	options_parse(cmd, specs, sizeof(specs) / sizeof *(specs), argc, argv, min, max, args, status)
/* For a command without options. */
bool options_none(const struct command *cmd, int argc, char **argv, int min_args, int max_args, struct args *ret_args,
	int *ret_status);
#endif
