#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/uuid.h"

const char *cli_style(bool color, enum cli_style style)
{
	static const char *const sequences[] = {"\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m",
		"\033[34m", "\033[35m"};
	return color ? sequences[style] : "";
}

int cli_error(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fflush(stdout);
	fprintf(stderr, "%sError:%s ", cli_style(cli->color_err, STYLE_RED), cli_style(cli->color_err, STYLE_RESET));
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return CLI_FAILED;
}

int cli_usage_error(const struct command *cmd, const char *name, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("error: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n\nUsage: %s [OPTIONS]%s%s\n\nFor more information, try '--help'.\n", name,
		cmd && cmd->args ? " " : "", cmd && cmd->args ? cmd->args : "");
	return CLI_USAGE;
}

static const struct command *command_find(const struct command *table, const char *name)
{
	size_t n = strlen(name);
	for (const struct command *c = table; c->name; c++) {
		if (!strcmp(c->name, name))
			return c;
		for (const char *a = c->aliases; a && *a; a += strcspn(a, " "), a += strspn(a, " "))
			if (strcspn(a, " ") == n && !strncmp(a, name, n))
				return c;
	}
	return NULL;
}

void cli_help(const struct cli *cli, const struct command *table, const char *prefix)
{
	(void)cli;
	printf("Usage: %s <COMMAND>\n\nCommands:\n", prefix);
	for (const struct command *c = table; c->name; c++) {
		if (c->hidden)
			continue;
		printf("  %-12s %s", c->name, c->summary);
		if (c->aliases)
			printf(" [also: %s]", c->aliases);
		putchar('\n');
	}
	printf("\nOptions:\n  -h, --help     Print help\n");
	if (table == cli_commands)
		printf("  -V, --version  Print version\n");
}

static int command_run(const struct cli *cli, const struct command *c, const char *prefix, int argc, char **argv)
{
	char *name = xasprintf("%s %s", prefix, c->name);
	int status;
	if (c->deprecated)
		fprintf(stderr, "warning: `%s` is deprecated, use `%s %s`\n", name, cli->program, c->deprecated);
	if (c->group) {
		status = cli_dispatch(cli, c->group, name, argc, argv);
	} else {
		argv[0] = name;
		status = c->run(cli, c, argc, argv);
	}
	free(name);
	return status;
}

int cli_dispatch(const struct cli *cli, const struct command *table, const char *prefix, int argc, char **argv)
{
	if (argc < 2 || !strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		cli_help(cli, table, prefix);
		return argc < 2 ? CLI_USAGE : CLI_OK;
	}
	const struct command *c = command_find(table, argv[1]);
	if (!c) {
		fprintf(stderr, "error: unrecognized subcommand '%s'\n\nUsage: %s <COMMAND>\n\n"
				"For more information, try '--help'.\n", argv[1], prefix);
		return CLI_USAGE;
	}
	return command_run(cli, c, prefix, argc - 1, argv + 1);
}

static void indent(unsigned depth)
{
	printf("\n%*s", (int)depth * 2, "");
}

static void value_print(struct json_object *v, unsigned depth)
{
	struct buf text = {0};
	if (json_object_is_type(v, json_type_object) && json_object_object_length(v)) {
		bool first = true;
		putchar('{');
		json_object_object_foreach(v, key, member) {
			if (!first)
				putchar(',');
			first = false;
			indent(depth + 1);
			json_append_str(&text, key, strlen(key));
			printf("%s: ", buf_cstr(&text));
			buf_clear(&text);
			value_print(member, depth + 1);
		}
		indent(depth);
		putchar('}');
	} else if (json_object_is_type(v, json_type_array) && json_object_array_length(v)) {
		putchar('[');
		for (size_t i = 0; i < json_object_array_length(v); i++) {
			if (i)
				putchar(',');
			indent(depth + 1);
			value_print(json_object_array_get_idx(v, i), depth + 1);
		}
		indent(depth);
		putchar(']');
	} else if (json_object_is_type(v, json_type_object) || json_object_is_type(v, json_type_array)) {
		fputs(json_object_is_type(v, json_type_object) ? "{}" : "[]", stdout);
	} else {
		json_append(&text, v);
		fwrite(text.p, 1, text.n, stdout);
	}
	buf_free(&text);
}

void cli_print_json(struct json_object *json)
{
	value_print(json, 0);
	putchar('\n');
}

char *cli_short_path(const struct cli *cli, const char *path)
{
	size_t n = strlen(cli->paths.home);
	if (!strncmp(path, cli->paths.home, n) && path[n] == '/' && n > 1)
		return xasprintf("~%s", path + n);
	return xstrdup(path);
}

char *cli_duration(int64_t seconds)
{
	int64_t s = seconds < 0 ? 0 : seconds;
	return xasprintf("%lldh %lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
}

void cli_size(char *out, size_t out_n, uint64_t bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB"};
	double v = (double)bytes / 1000;
	size_t unit = 0;
	if (bytes < 1000) {
		snprintf(out, out_n, "%u bytes", (unsigned)bytes);
		return;
	}
	for (; v >= 999.95 && unit < 3; unit++)
		v /= 1000;
	snprintf(out, out_n, "%.1f %s", v, units[unit]);
}

char *cli_notebook_id(const char *arg)
{
	char uuid[UUID_TEXT];
	return uuid_parse(arg, uuid) ? xstrdup(uuid) : path_absolute(arg);
}
