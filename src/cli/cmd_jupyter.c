/* jupyter ...: plain Jupyter kernels, without the daemon (clients.md 1.6). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/jupyter_client.h"
#include "cli/options.h"
#include "cli/process.h"
#include "cli/table.h"
#include "kernel/kernelspec.h"

#define PROBE_MS 2000
#define STOP_MS 5000
#define READY_MS 60000

static char *runtime_dir(const struct cli *cli)
{
	return jupyter_runtime_dir(&cli->paths);
}

static int cannot_talk(const struct cli *cli, const char *id, int r)
{
	if (r == -ENOSYS)
		return cli_error(cli, "libzmq is not installed");
	return cli_error(cli, "kernel %s does not answer (%s)", id, strerror(-r));
}

/* By id, file name or path. */
static int file_find(const struct cli *cli, const char *id, struct jupyter_file *ret_file)
{
	struct jupyter_files files;
	char *dir = runtime_dir(cli);
	int r = strchr(id, '/') ? jupyter_file_read(id, ret_file) : -ENOENT;
	jupyter_files_find(dir, true, &files);
	for (size_t i = 0; i < files.list.n && r == -ENOENT; i++)
		if (!strcmp(files.list.p[i].id, id) || !strcmp(path_base(files.list.p[i].path), id))
			r = jupyter_file_read(files.list.p[i].path, ret_file);
	jupyter_files_fini(&files);
	free(dir);
	return r < 0 ? cli_error(cli, "no kernel with ID %s", id) : CLI_OK;
}

/* ---- probing, all at once ---- */

struct probes {
	struct jupyter_files files;
	bool *alive;
};

struct probe {
	struct jupyter_client client;
	bool open, pinged, echoed, asked, answered;
	char id[UUID_TEXT];
};

static void probe_step(struct probe *p)
{
	struct jupyter_message m;
	if (!p->asked)
		p->asked = jupyter_client_send(&p->client, PORT_SHELL, "kernel_info_request", "{}", p->id) == 0;
	while (p->asked && jupyter_client_recv(&p->client, PORT_SHELL, &m) == 0) {
		p->answered |= m.parent_id && !strcmp(m.parent_id, p->id);
		jupyter_message_fini(&m);
	}
}

static void probes_run(const struct cli *cli, bool all, int timeout_ms, struct probes *ret)
{
	struct probes probes = {0};
	char *dir = runtime_dir(cli);
	jupyter_files_find(dir, all, &probes.files);
	free(dir);
	size_t n = probes.files.list.n, waiting = n;
	struct probe *p = xcalloc(n + 1, sizeof *p);
	probes.alive = xcalloc(n + 1, sizeof *probes.alive);
	for (size_t i = 0; i < n; i++)
		p[i].open = jupyter_client_open(&probes.files.list.p[i], &p[i].client) == 0;
	for (int64_t end = client_now_ms() + timeout_ms; waiting && client_now_ms() < end;) {
		waiting = 0;
		size_t last = n;
		for (size_t i = 0; i < n; i++)
			if (p[i].open && !p[i].answered) {
				probe_step(&p[i]);
				waiting += !p[i].answered;
				last = i;
			}
		if (waiting)
			jupyter_client_wait(&p[last].client);
	}
	for (size_t i = 0; i < n; i++) {
		/* Who answers on shell is alive; who is busy there still has a heartbeat. */
		probes.alive[i] = p[i].answered || (p[i].open && jupyter_client_alive(&p[i].client, 1));
		if (p[i].open)
			jupyter_client_close(&p[i].client);
	}
	free(p);
	*ret = probes;
}

static void probes_fini(struct probes *p)
{
	jupyter_files_fini(&p->files);
	free(p->alive);
}

/* ---- ps ---- */

static bool rooms_get(const struct cli *cli, struct pool_response *ret_rooms)
{
	char *why = NULL, *socket = client_find_socket(&cli->paths);
	int r = client_pool_call(socket, &(struct pool_request){.type = POOL_LIST_ROOMS}, CLIENT_POOL_MS, ret_rooms,
		&why);
	free(socket);
	free(why);
	if (r == 0 && ret_rooms->type != POOL_ROOMS_LIST) {
		pool_response_fini(ret_rooms);
		return false;
	}
	return r == 0;
}

static struct json_object *entry_json(const char *name, const char *language, const char *status, const char *source,
	const char *notebook)
{
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "name", json_object_new_string(name));
	json_object_object_add(o, "language", language ? json_object_new_string(language) : NULL);
	json_object_object_add(o, "status", json_object_new_string(status));
	json_object_object_add(o, "source", json_object_new_string(source));
	json_object_object_add(o, "notebook", notebook ? json_object_new_string(notebook) : NULL);
	return o;
}

static struct json_object *kernels_json(const struct probes *probes, const struct pool_response *rooms)
{
	struct json_object *all = json_object_new_array();
	for (size_t i = 0; rooms && i < rooms->rooms.n; i++) {
		const struct pool_room *room = &rooms->rooms.p[i];
		if (!room->has_kernel)
			continue;
		struct json_object *o = entry_json(path_base(room->notebook_id), room->kernel_type,
			room->kernel_status ? room->kernel_status : "unknown", "runtimed", room->notebook_id);
		if (room->env_source)
			json_object_object_add(o, "env_source", json_object_new_string(room->env_source));
		json_object_array_add(all, o);
	}
	for (size_t i = 0; i < probes->files.list.n; i++) {
		const struct jupyter_file *f = &probes->files.list.p[i];
		struct json_object *o =
			entry_json(f->id, f->language, probes->alive[i] ? "alive" : "unresponsive", "jupyter", NULL);
		json_object_object_add(o, "connection_file", json_object_new_string(f->path));
		json_object_array_add(all, o);
	}
	return all;
}

static void kernels_print(struct json_object *all)
{
	static const char *const header[] = {"NAME", "LANGUAGE", "STATUS", "SOURCE", "NOTEBOOK"};
	static const char *const keys[] = {"name", "language", "status", "source", "notebook"};
	struct table t;
	table_init(&t, header, 5);
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		const char *row[5] = {0};
		for (int k = 0; k < 5; k++)
			json_get_str(json_object_array_get_idx(all, i), keys[k], &row[k]);
		table_add(&t, row);
	}
	table_print(&t);
	table_fini(&t);
}

static void kernels_print_verbose(const struct probes *probes)
{
	static const char *const header[] = {
		"NAME", "LANGUAGE", "STATUS", "SHELL", "IOPUB", "STDIN", "CTRL", "HB", "CONNECTION FILE"};
	struct table t;
	table_init(&t, header, 9);
	for (size_t i = 0; i < probes->files.list.n; i++) {
		const struct jupyter_file *f = &probes->files.list.p[i];
		char ports[JUPYTER_PORTS][12];
		for (int k = 0; k < JUPYTER_PORTS; k++)
			snprintf(ports[k], sizeof ports[k], "%d", f->port[k]);
		const char *status = probes->alive[i] ? "alive" : "unresponsive";
		const char *row[] = {f->id, f->language, status, ports[0], ports[1], ports[2], ports[3], ports[4],
			f->path};
		table_add(&t, row);
	}
	table_print(&t);
	table_fini(&t);
}

int cmd_jupyter_ps(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool json = false, verbose = false;
	const struct option_spec specs[] = {
		{0, "json", OPTION_FLAG, &json, NULL, "Print JSON"},
		{'v', "verbose", OPTION_FLAG, &verbose, NULL, "Show ports and connection files"},
	};
	struct args args;
	struct probes probes;
	struct pool_response rooms;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status))
		return status;
	bool have_rooms = rooms_get(cli, &rooms);
	probes_run(cli, true, PROBE_MS, &probes);
	struct json_object *all = kernels_json(&probes, have_rooms ? &rooms : NULL);
	if (json)
		cli_print_json(all);
	else if (!json_object_array_length(all))
		puts("No running kernels found.");
	else if (verbose)
		kernels_print_verbose(&probes);
	else
		kernels_print(all);
	json_object_put(all);
	probes_fini(&probes);
	if (have_rooms)
		pool_response_fini(&rooms);
	return CLI_OK;
}

/* ---- start ---- */

static char **command_of(const struct kernelspec *spec, const char *file)
{
	char **argv = xcalloc(spec->argv.v.n + 1, sizeof *argv);
	size_t n = 0;
	for (size_t i = 0; i < spec->argv.v.n; i++) {
		const char *word = spec->argv.v.p[i];
		if (!word)
			break;
		const char *at = strstr(word, "{connection_file}");
		argv[n++] = at ? xasprintf("%.*s%s%s", (int)(at - word), word, file, at + strlen("{connection_file}"))
			       : xstrdup(word);
	}
	return argv;
}

static int kernel_start(const struct cli *cli, const char *name, struct jupyter_file *ret_file)
{
	struct kernelspec spec;
	struct jupyter_file file;
	if (kernelspec_find(name, NULL, &spec) < 0)
		return cli_error(cli, "no kernel named %s is installed", name);
	char *dir = runtime_dir(cli);
	int r = jupyter_file_make(dir, name, &file);
	free(dir);
	if (r < 0) {
		kernelspec_fini(&spec);
		return cli_error(cli, "cannot write a connection file: %s", strerror(-r));
	}
	char **argv = command_of(&spec, file.path);
	for (size_t i = 0; i < spec.env.v.n && spec.env.v.p[i]; i++)
		putenv(xstrdup(spec.env.v.p[i]));
	pid_t pid = argv[0] ? process_detach((const char *const *)argv) : -EINVAL;
	int status = CLI_OK;
	if (pid < 0) {
		status = cli_error(cli, "cannot start %s: %s", argv[0] ? argv[0] : name, strerror(-pid));
		unlink(file.path);
		jupyter_file_fini(&file);
	} else {
		jupyter_file_set_pid(&file, pid);
		*ret_file = file;
	}
	for (char **p = argv; *p; p++)
		free(*p);
	free(argv);
	kernelspec_fini(&spec);
	return status;
}

int cmd_jupyter_start(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	struct jupyter_file file;
	int status;
	if (!options_none(cmd, argc, argv, 1, 1, &args, &status))
		return status;
	status = kernel_start(cli, args.p[0], &file);
	if (status)
		return status;
	printf("Kernel started with ID: %s\nConnection file: %s\n", file.id, file.path);
	jupyter_file_fini(&file);
	return CLI_OK;
}

/* ---- stop, interrupt ---- */

/* Only a process that has our connection file on its command line is the kernel. */
static bool is_kernel(pid_t pid, const char *file)
{
	char path[64], text[8192];
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	FILE *f = pid > 1 ? fopen(path, "re") : NULL;
	size_t n = f ? fread(text, 1, sizeof text, f) : 0;
	if (f)
		fclose(f);
	return n && memmem(text, n, file, strlen(file));
}

static void kernel_stop(const struct jupyter_file *f)
{
	struct jupyter_client c;
	struct jupyter_message reply;
	if (jupyter_client_open(f, &c) == 0) {
		if (jupyter_client_ask(&c, PORT_CONTROL, "shutdown_request", "{\"restart\":false}", STOP_MS,
			&reply) == 0)
			jupyter_message_fini(&reply);
		for (int64_t end = client_now_ms() + 1000; is_kernel(f->pid, f->path) && client_now_ms() < end;)
			jupyter_client_wait(&c);
		jupyter_client_close(&c);
	}
	if (is_kernel(f->pid, f->path))
		kill(f->pid, SIGKILL);
	unlink(f->path);
}

static int stop_all(const struct cli *cli)
{
	struct jupyter_files files;
	char *dir = runtime_dir(cli);
	jupyter_files_find(dir, false, &files);
	for (size_t i = 0; i < files.list.n; i++)
		kernel_stop(&files.list.p[i]);
	printf("Stopped %zu kernel(s)\n", files.list.n);
	jupyter_files_fini(&files);
	free(dir);
	return CLI_OK;
}

int cmd_jupyter_stop(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool all = false;
	const struct option_spec specs[] = {{0, "all", OPTION_FLAG, &all, NULL, "Stop all kernels started here"}};
	struct args args;
	struct jupyter_file file;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 1, &args, &status))
		return status;
	if ((args.n == 1) == all)
		return cli_usage_error(cmd, argv[0], "give an ID or --all");
	if (all)
		return stop_all(cli);
	status = file_find(cli, args.p[0], &file);
	if (status)
		return status;
	kernel_stop(&file);
	printf("Kernel with ID %s stopped\n", args.p[0]);
	jupyter_file_fini(&file);
	return CLI_OK;
}

int cmd_jupyter_interrupt(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct args args;
	struct jupyter_file file;
	struct jupyter_client c;
	struct jupyter_message reply;
	int status;
	if (!options_none(cmd, argc, argv, 1, 1, &args, &status) || (status = file_find(cli, args.p[0], &file)))
		return status;
	int r = jupyter_client_open(&file, &c);
	if (r == 0) {
		r = jupyter_client_ask(&c, PORT_CONTROL, "interrupt_request", "{}", STOP_MS, &reply);
		if (r == 0)
			jupyter_message_fini(&reply);
		jupyter_client_close(&c);
	}
	/* Kernels whose specification says `signal` do not answer interrupt_request. */
	if (r == -ETIMEDOUT && is_kernel(file.pid, file.path) && kill(file.pid, SIGINT) == 0)
		r = 0;
	status = r < 0 ? cannot_talk(cli, args.p[0], r) : CLI_OK;
	if (r == 0)
		printf("Interrupt sent to kernel %s\n", args.p[0]);
	jupyter_file_fini(&file);
	return status;
}

/* ---- exec, console ---- */

static void stdin_read(struct buf *out)
{
	for (size_t n = 1; n;) {
		n = fread(buf_reserve(out, 65536), 1, 65536, stdin);
		out->n += n;
	}
}

int cmd_jupyter_exec(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	const struct jupyter_run how = {.cli = cli};
	struct args args;
	struct jupyter_file file;
	struct jupyter_client c;
	struct buf code = {0};
	int status;
	if (!options_none(cmd, argc, argv, 1, 2, &args, &status) || (status = file_find(cli, args.p[0], &file)))
		return status;
	if (args.n == 2)
		buf_append_str(&code, args.p[1]);
	else
		stdin_read(&code);
	int r = jupyter_client_open(&file, &c);
	if (r == 0) {
		r = jupyter_client_ready(&c, READY_MS);
		if (r == 0)
			r = jupyter_client_run(&c, &how, buf_cstr(&code), code.n, NULL);
		jupyter_client_close(&c);
	}
	status = r < 0 ? cannot_talk(cli, args.p[0], r) : r ? CLI_FAILED : CLI_OK;
	buf_free(&code);
	jupyter_file_fini(&file);
	return status;
}

static int console_talk(const struct cli *cli, struct jupyter_client *c, const char *kernel)
{
	const struct jupyter_run how = {.cli = cli, .input = true, .out_prefix = "Out"};
	int64_t count = 0;
	char *line = NULL;
	size_t cap = 0;
	int r = 0;
	printf("%s console\nUse Ctrl+D to exit.\n\n", kernel);
	while (r >= 0) {
		printf("In [%lld]: ", (long long)count + 1);
		fflush(stdout);
		ssize_t n = getline(&line, &cap, stdin);
		if (n <= 0)
			break;
		if (line[strspn(line, " \t\r\n")])
			r = jupyter_client_run(c, &how, line, (size_t)n - (line[n - 1] == '\n'), &count);
	}
	putchar('\n');
	free(line);
	return r;
}

/* --cmd "program {connection_file}": a kernel without a kernelspec. */
static int command_start(const struct cli *cli, const char *command, struct jupyter_file *ret_file)
{
	char *dir = runtime_dir(cli);
	int r = jupyter_file_make(dir, "custom", ret_file);
	free(dir);
	if (r < 0)
		return cli_error(cli, "cannot write a connection file: %s", strerror(-r));
	const char *at = strstr(command, "{connection_file}");
	char *line = at ? xasprintf("exec %.*s\"$0\"%s", (int)(at - command), command, at + strlen("{connection_file}"))
			: xasprintf("exec %s", command);
	const char *const argv[] = {"/bin/sh", "-c", line, ret_file->path, NULL};
	pid_t pid = process_detach(argv);
	free(line);
	if (pid < 0)
		return cli_error(cli, "cannot start the kernel: %s", strerror(-pid));
	jupyter_file_set_pid(ret_file, pid);
	return CLI_OK;
}

int cmd_jupyter_console(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	const char *command = NULL;
	bool verbose = false;
	const struct option_spec specs[] = {
		{0, "cmd", OPTION_TEXT, &command, "<COMMAND>", "Command line with {connection_file} in it"},
		{'v', "verbose", OPTION_FLAG, &verbose, NULL, "Say where the kernel is"},
	};
	struct args args;
	struct jupyter_file file;
	struct jupyter_client c;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 1, &args, &status))
		return status;
	const char *name = args.n ? args.p[0] : command ? "custom" : "python3";
	status = command ? command_start(cli, command, &file) : kernel_start(cli, name, &file);
	if (status)
		return status;
	if (verbose)
		printf("Connection file: %s\n", file.path);
	int r = jupyter_client_open(&file, &c);
	if (r == 0) {
		r = jupyter_client_ready(&c, READY_MS);
		if (r == 0)
			r = console_talk(cli, &c, name);
		jupyter_client_close(&c);
	}
	kernel_stop(&file);
	status = r < 0 ? cannot_talk(cli, file.id, r) : CLI_OK;
	jupyter_file_fini(&file);
	return status;
}

/* ---- clean ---- */

int cmd_jupyter_clean(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	int64_t seconds = 2;
	bool dry = false, all = false;
	size_t dead = 0;
	const struct option_spec specs[] = {
		{0, "timeout", OPTION_NUMBER, &seconds, "<SECS>", "How long to wait for a sign of life [default: 2]"},
		{0, "dry-run", OPTION_FLAG, &dry, NULL, "Only list"},
		{0, "all", OPTION_FLAG, &all, NULL, "Also files of other Jupyter programs"},
	};
	struct args args;
	struct probes probes;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status))
		return status;
	probes_run(cli, all, seconds < 600 ? (int)seconds * 1000 : 600000, &probes);
	for (size_t i = 0; i < probes.files.list.n; i++) {
		if (probes.alive[i])
			continue;
		dead++;
		printf("%s %s\n", dry ? "Would remove" : "Removed", probes.files.list.p[i].path);
		if (!dry)
			unlink(probes.files.list.p[i].path);
	}
	printf("%zu alive, %zu dead%s\n", probes.files.list.n - dead, dead, dry ? " (nothing removed)" : "");
	probes_fini(&probes);
	return CLI_OK;
}
