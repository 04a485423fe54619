/* ps, stop, inspect: what is open (clients.md 1.4). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/table.h"

static int unreachable(const struct cli *cli, int r, const char *why)
{
	if (r == -EPROTO)
		return cli_error(cli, "%s", why);
	cli_error(cli, "the daemon is not running (%s)", why);
	fprintf(stderr, "Start it with: %s daemon start\n", cli->program);
	return CLI_FAILED;
}

static int rooms_call(const struct cli *cli, struct pool_response *ret_rooms)
{
	char *why = NULL, *socket = client_find_socket(&cli->paths);
	int r = client_pool_call(socket, &(struct pool_request){.type = POOL_LIST_ROOMS}, CLIENT_POOL_MS, ret_rooms,
		&why);
	free(socket);
	if (r == 0 && ret_rooms->type != POOL_ROOMS_LIST) {
		pool_response_fini(ret_rooms);
		why = xstrdup("unexpected answer");
		r = -EPROTO;
	}
	if (r == 0)
		return CLI_OK;
	int status = unreachable(cli, r, why);
	free(why);
	return status;
}

static void rooms_print(const struct cli *cli, const struct pool_response *r)
{
	static const char *const header[] = {"NOTEBOOK", "KERNEL", "ENV", "STATUS", "PEERS"};
	struct table t;
	if (!r->rooms.n) {
		puts("No open notebooks.");
		return;
	}
	table_init(&t, header, 5);
	for (size_t i = 0; i < r->rooms.n; i++) {
		const struct pool_room *room = &r->rooms.p[i];
		char *path = cli_short_path(cli, room->notebook_id), peers[24];
		snprintf(peers, sizeof peers, "%llu", (unsigned long long)room->active_peers);
		const char *row[] = {path, room->kernel_type, room->env_source, room->kernel_status, peers};
		table_add(&t, row);
		free(path);
	}
	table_print(&t);
	table_fini(&t);
}

int cmd_ps(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool json = false;
	const struct option_spec specs[] = {{0, "json", OPTION_FLAG, &json, NULL, "Print JSON"}};
	struct args args;
	struct pool_response rooms;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status))
		return status;
	status = rooms_call(cli, &rooms);
	if (status)
		return status;
	if (json)
		cli_print_json(json_get(rooms.memory.json, "rooms"));
	else
		rooms_print(cli, &rooms);
	pool_response_fini(&rooms);
	return CLI_OK;
}

static int stop_one(const struct cli *cli, const char *socket, const char *id)
{
	const struct pool_request request = {.type = POOL_SHUTDOWN_NOTEBOOK, .notebook_id = id};
	struct pool_response response;
	char *why = NULL;
	int r = client_pool_call(socket, &request, CLIENT_POOL_MS, &response, &why), status = CLI_OK;
	if (r < 0) {
		status = unreachable(cli, r, why);
		free(why);
		return status;
	}
	if (response.found) {
		printf("Shutdown notebook: %s\n", id);
	} else {
		status = cli_error(cli, "no open notebook: %s", id);
		fprintf(stderr, "See what is open with: %s ps\n", cli->program);
	}
	pool_response_fini(&response);
	return status;
}

static int stop_all(const struct cli *cli, const char *socket)
{
	struct pool_response rooms;
	int status = rooms_call(cli, &rooms);
	if (status)
		return status;
	for (size_t i = 0; i < rooms.rooms.n; i++)
		if (stop_one(cli, socket, rooms.rooms.p[i].notebook_id))
			status = CLI_FAILED;
	if (!rooms.rooms.n)
		puts("No open notebooks.");
	pool_response_fini(&rooms);
	return status;
}

int cmd_stop(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool all = false;
	const struct option_spec specs[] = {{'a', "all", OPTION_FLAG, &all, NULL, "Stop every open notebook"}};
	struct args args;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 1, &args, &status))
		return status;
	if (!args.n && !all) {
		status = cli_usage_error(cmd, argv[0], "which notebook? Give its path or id, or --all");
		fprintf(stderr, "To stop the daemon itself: %s daemon stop\n", cli->program);
		return status;
	}
	char *socket = client_find_socket(&cli->paths), *id = args.n ? cli_notebook_id(args.p[0]) : NULL;
	status = all ? stop_all(cli, socket) : stop_one(cli, socket, id);
	free(id);
	free(socket);
	return status;
}

/* ---- inspect ---- */

#define PREVIEW_MAX 80 /* characters */

static struct json_object *output_summary(const char *output, bool full)
{
	struct json_object *o = json_object_new_object(), *raw = json_parse(output, strlen(output));
	const char *type = NULL;
	if (json_get_str(raw, "output_type", &type) < 0)
		type = raw ? "unknown" : "manifest";
	json_object_object_add(o, "output_type", json_object_new_string(type));
	json_object_object_add(o, "size", json_object_new_uint64(strlen(output)));
	if (!raw)
		json_object_object_add(o, "hash", json_object_new_string(output));
	if (full)
		json_object_object_add(o, "output", raw ? json_object_get(raw) : json_object_new_string(output));
	json_object_put(raw);
	return o;
}

static struct json_object *preview_of(const char *source)
{
	size_t n = 0, count = 0;
	while (source[n] && count < PREVIEW_MAX) {
		n++;
		while (((unsigned char)source[n] & 0xc0) == 0x80)
			n++;
		count++;
	}
	return json_object_new_string_len(source, (int)n);
}

static struct json_object *cell_summary(const struct pool_cell *c, bool full)
{
	struct json_object *o = json_object_new_object(), *outputs = json_object_new_array();
	json_object_object_add(o, "id", json_object_new_string(c->id));
	json_object_object_add(o, "cell_type", json_object_new_string(c->cell_type));
	json_object_object_add(o, "source_preview", preview_of(c->source));
	json_object_object_add(o, "source_len", json_object_new_uint64(strlen(c->source)));
	json_object_object_add(o, "execution_count", json_object_new_string(c->execution_count));
	for (size_t i = 0; i < c->outputs.n; i++)
		json_object_array_add(outputs, output_summary(c->outputs.p[i], full));
	json_object_object_add(o, "outputs", outputs);
	return o;
}

static struct json_object *inspect_json(const struct pool_response *r, bool full)
{
	struct json_object *o = json_object_new_object(), *cells = json_object_new_array();
	json_object_object_add(o, "notebook_id", json_object_new_string(r->notebook_id));
	json_object_object_add(o, "source", json_object_new_string(r->source));
	json_object_object_add(o, "kernel_info", json_object_get(json_get(r->memory.json, "kernel_info")));
	for (size_t i = 0; i < r->cells.n; i++)
		json_object_array_add(cells, cell_summary(&r->cells.p[i], full));
	json_object_object_add(o, "cells", cells);
	return o;
}

static void inspect_print(const struct pool_response *r, bool full)
{
	printf("Notebook: %s\nSource:   %s\n", r->notebook_id, r->source);
	if (r->kernel_info.kernel_type)
		printf("Kernel:   %s (%s), %s\n", r->kernel_info.kernel_type, r->kernel_info.env_source,
			r->kernel_info.status);
	else
		printf("Kernel:   none\n");
	printf("Cells:    %zu\n", r->cells.n);
	for (size_t i = 0; i < r->cells.n; i++) {
		const struct pool_cell *c = &r->cells.p[i];
		struct json_object *preview = preview_of(c->source);
		char *text = xstrdup(json_object_get_string(preview));
		text[strcspn(text, "\n")] = '\0';
		printf("\n[%zu] %s %s count=%s outputs=%zu\n    %s\n", i, c->id, c->cell_type, c->execution_count,
			c->outputs.n, text);
		for (size_t k = 0; full && k < c->outputs.n; k++)
			printf("    -> %s\n", c->outputs.p[k]);
		free(text);
		json_object_put(preview);
	}
}

int cmd_inspect(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool full = false, json = false;
	const struct option_spec specs[] = {
		{0, "full-outputs", OPTION_FLAG, &full, NULL, "Show the outputs themselves"},
		{0, "json", OPTION_FLAG, &json, NULL, "Print JSON"},
	};
	struct args args;
	struct pool_response response;
	char *why = NULL;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 1, 1, &args, &status))
		return status;
	char *id = cli_notebook_id(args.p[0]);
	const struct pool_request request = {.type = POOL_INSPECT_NOTEBOOK, .notebook_id = id};
	int r = client_pool_call(cli->paths.socket, &request, CLIENT_POOL_MS, &response, &why);
	free(id);
	if (r < 0) {
		status = unreachable(cli, r, why);
		free(why);
		return status;
	}
	if (json) {
		struct json_object *o = inspect_json(&response, full);
		cli_print_json(o);
		json_object_put(o);
	} else {
		inspect_print(&response, full);
	}
	pool_response_fini(&response);
	return CLI_OK;
}
