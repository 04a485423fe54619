/* dev worktrees, dev clean: the state directories of development worktrees
 * (clients.md 1.7). */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/table.h"

struct worktree {
	char hash[13];
	char *dir;
	bool running, known;
	struct running_daemon record;
};

struct worktrees {
	VEC(struct worktree) list;
};

static int gate(const struct cli *cli)
{
	if (getenv("RUNTIMED_DEV"))
		return CLI_OK;
	cli_error(cli, "the dev commands are for development worktrees");
	fprintf(stderr, "Set RUNTIMED_DEV=1 to use them.\n");
	return CLI_FAILED;
}

static bool is_hash(const char *name)
{
	return strlen(name) == 12 && strspn(name, "0123456789abcdef") == 12;
}

static void worktree_add(struct worktrees *w, const char *root, const char *hash)
{
	struct worktree t = {.dir = path_join(root, hash)};
	memcpy(t.hash, hash, 12);
	struct paths p = {.daemon_json = path_join(t.dir, "daemon.json")};
	running_daemon_read(&p, &t.record);
	free(p.daemon_json);
	t.known = t.record.json != NULL;
	t.running = t.known && client_ping(t.record.endpoint, 1000);
	VEC_PUSH(&w->list, t);
}

static void worktrees_find(const struct cli *cli, struct worktrees *w)
{
	char *root = path_join(cli->paths.cache_dir, "worktrees");
	DIR *dir = opendir(root);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (is_hash(e->d_name))
			worktree_add(w, root, e->d_name);
	if (dir)
		closedir(dir);
	free(root);
}

static void worktrees_fini(struct worktrees *w)
{
	for (size_t i = 0; i < w->list.n; i++) {
		free(w->list.p[i].dir);
		running_daemon_fini(&w->list.p[i].record);
	}
	VEC_FREE(&w->list);
}

static const char *status_of(const struct worktree *t)
{
	return t->running ? "running" : t->known ? "stale" : "stopped";
}

static void fields_of(const struct worktree *t, const char *row[6], char pid[24])
{
	row[0] = t->hash;
	row[1] = status_of(t);
	row[2] = row[3] = row[4] = row[5] = NULL;
	json_get_str(t->record.json, "worktree_path", &row[2]);
	json_get_str(t->record.json, "workspace_description", &row[3]);
	if (t->known) {
		snprintf(pid, 24, "%lld", (long long)t->record.pid);
		row[4] = pid;
		row[5] = t->record.version;
	}
}

static void worktrees_print(const struct worktrees *w, bool json)
{
	static const char *const header[] = {"HASH", "STATUS", "WORKTREE", "DESCRIPTION", "PID", "VERSION"};
	static const char *const keys[] = {"hash", "status", "worktree", "description", "pid", "version"};
	struct json_object *all = json_object_new_array();
	struct table t;
	table_init(&t, header, 6);
	for (size_t i = 0; i < w->list.n; i++) {
		const char *row[6];
		char pid[24];
		struct json_object *o = json_object_new_object();
		fields_of(&w->list.p[i], row, pid);
		table_add(&t, row);
		for (int k = 0; k < 6; k++)
			json_object_object_add(o, keys[k], row[k] ? json_object_new_string(row[k]) : NULL);
		if (w->list.p[i].known)
			json_object_object_add(o, "pid", json_object_new_int64(w->list.p[i].record.pid));
		json_object_array_add(all, o);
	}
	if (json)
		cli_print_json(all);
	else if (w->list.n)
		table_print(&t);
	else
		puts("No worktrees.");
	table_fini(&t);
	json_object_put(all);
}

int cmd_dev_worktrees(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	bool json = false;
	const struct option_spec specs[] = {{0, "json", OPTION_FLAG, &json, NULL, "Print JSON"}};
	struct worktrees w = {0};
	struct args args;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status) || (status = gate(cli)))
		return status;
	worktrees_find(cli, &w);
	worktrees_print(&w, json);
	worktrees_fini(&w);
	return CLI_OK;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static bool confirm(const char *what)
{
	char answer[16];
	printf("Remove %s? [y/N] ", what);
	fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

struct clean {
	const char *hash;
	bool all, stale, force, yes, dry;
};

static int clean_one(const struct cli *cli, const struct clean *c, const struct worktree *t)
{
	if (t->running && !c->force)
		return cli_error(cli, "%s is running; stop it or use --force", t->hash);
	if (c->dry) {
		printf("Would remove %s\n", t->dir);
		return CLI_OK;
	}
	if (!c->yes && !confirm(t->dir))
		return CLI_OK;
	if (nftw(t->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0)
		return cli_error(cli, "cannot remove %s: %s", t->dir, strerror(errno));
	printf("Removed %s\n", t->dir);
	return CLI_OK;
}

int cmd_dev_clean(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	struct clean c = {0};
	const struct option_spec specs[] = {
		{0, "hash", OPTION_TEXT, &c.hash, "<HASH>", "The one with this hash"},
		{0, "all", OPTION_FLAG, &c.all, NULL, "All of them"},
		{0, "stale", OPTION_FLAG, &c.stale, NULL, "Those whose daemon is gone"},
		{0, "force", OPTION_FLAG, &c.force, NULL, "Also a running one"},
		{'y', "yes", OPTION_FLAG, &c.yes, NULL, "Do not ask"},
		{0, "dry-run", OPTION_FLAG, &c.dry, NULL, "Only say what would go"},
	};
	struct worktrees w = {0};
	struct args args;
	int status, found = 0;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 0, &args, &status) || (status = gate(cli)))
		return status;
	if ((c.hash != NULL) + c.all + c.stale != 1)
		return cli_usage_error(cmd, argv[0], "give one of --hash, --all and --stale");
	worktrees_find(cli, &w);
	for (size_t i = 0; i < w.list.n; i++) {
		const struct worktree *t = &w.list.p[i];
		if (c.hash ? strcmp(c.hash, t->hash) != 0 : c.stale && t->running)
			continue;
		found++;
		if (clean_one(cli, &c, t))
			status = CLI_FAILED;
	}
	if (!found)
		puts("Nothing to remove.");
	worktrees_fini(&w);
	return status;
}
