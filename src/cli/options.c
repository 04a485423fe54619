#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void help_print(const struct command *cmd, const char *name, const struct option_spec *specs, size_t n)
{
	printf("%s\n\nUsage: %s [OPTIONS]%s%s\n\nOptions:\n", cmd->summary, name, cmd->args ? " " : "",
		cmd->args ? cmd->args : "");
	for (size_t i = 0; i < n; i++) {
		char left[64];
		snprintf(left, sizeof left, "%c%c%s --%s%s%s", specs[i].letter ? '-' : ' ',
			specs[i].letter ? specs[i].letter : ' ', specs[i].letter ? "," : " ", specs[i].name,
			specs[i].value ? " " : "", specs[i].value ? specs[i].value : "");
		printf("  %-26s %s\n", left, specs[i].help);
	}
	printf("  %-26s %s\n", "-h, --help", "Print this help");
}

static bool value_set(const struct option_spec *spec, const char *text)
{
	uint64_t number;
	switch (spec->kind) {
	case OPTION_FLAG:
		*(bool *)spec->to = true;
		return true;
	case OPTION_TEXT:
		*(const char **)spec->to = text;
		return true;
	case OPTION_NUMBER:
		if (!str_to_u64(text, &number) || number > INT64_MAX)
			return false;
		*(int64_t *)spec->to = (int64_t)number;
		return true;
	}
	return false;
}

struct getopt_tables {
	struct option longs[OPTIONS_MAX + 2];
	char shorts[3 * OPTIONS_MAX + 8];
};

static void tables_fill(struct getopt_tables *t, const struct option_spec *specs, size_t n)
{
	size_t at = 0;
	t->shorts[at++] = ':';
	t->shorts[at++] = 'h';
	for (size_t i = 0; i < n; i++) {
		int has_arg = specs[i].kind == OPTION_FLAG ? no_argument : required_argument;
		t->longs[i] = (struct option){specs[i].name, has_arg, NULL, 256 + (int)i};
		if (!specs[i].letter)
			continue;
		t->shorts[at++] = specs[i].letter;
		if (has_arg)
			t->shorts[at++] = ':';
	}
	t->longs[n] = (struct option){"help", no_argument, NULL, 'h'};
	t->longs[n + 1] = (struct option){0};
	t->shorts[at] = '\0';
}

static const struct option_spec *spec_of(const struct option_spec *specs, size_t n, int c)
{
	for (size_t i = 0; i < n; i++)
		if (c == 256 + (int)i || (specs[i].letter && c == specs[i].letter))
			return &specs[i];
	return NULL;
}

/* 1 = help was asked for, negative = wrong. */
static int option_take(const struct command *cmd, const char *name, const struct option_spec *specs, size_t n, int c,
	char *word)
{
	if (c == 'h')
		return 1;
	if (c == ':') {
		cli_usage_error(cmd, name, "a value is required for '%s'", word);
		return -1;
	}
	const struct option_spec *spec = spec_of(specs, n, c);
	if (!spec) {
		cli_usage_error(cmd, name, "unexpected argument '%s' found", word);
		return -1;
	}
	if (!value_set(spec, optarg)) {
		cli_usage_error(cmd, name, "invalid value '%s' for '--%s'", optarg, spec->name);
		return -1;
	}
	return 0;
}

static bool args_take(const struct command *cmd, const char *name, struct args *args, int min, int max)
{
	if (args->n < min)
		cli_usage_error(cmd, name, "the following required arguments were not provided: %s", cmd->args);
	else if (args->n > max)
		cli_usage_error(cmd, name, "unexpected argument '%s' found", args->p[max]);
	return args->n >= min && args->n <= max;
}

bool options_parse(const struct command *cmd, const struct option_spec *specs, size_t n_specs, int argc, char **argv,
	int min_args, int max_args, struct args *ret_args, int *ret_status)
{
	struct getopt_tables tables;
	const char *name = argv[0];
	int c;
	tables_fill(&tables, specs, n_specs);
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
		int r = option_take(cmd, name, specs, n_specs, c, argv[optind - 1]);
		if (r > 0)
			help_print(cmd, name, specs, n_specs);
		if (r) {
			*ret_status = r > 0 ? CLI_OK : CLI_USAGE;
			return false;
		}
	}
	struct args args = {argv + optind, argc - optind};
	if (!args_take(cmd, name, &args, min_args, max_args)) {
		*ret_status = CLI_USAGE;
		return false;
	}
	*ret_args = args;
	return true;
}

bool options_none(const struct command *cmd, int argc, char **argv, int min_args, int max_args, struct args *ret_args,
	int *ret_status)
{
	return options_parse(cmd, NULL, 0, argc, argv, min_args, max_args, ret_args, ret_status);
}
