/* recover: writes out what the daemon kept of a notebook, without a daemon
 * (rooms.md 13.3 "Ours"). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/uuid.h"
#include "cli/blobs.h"
#include "cli/commands.h"
#include "cli/kept.h"
#include "cli/options.h"
#include "kernel/output.h"
#include "notebook/cells.h"
#include "notebook/ipynb.h"

#define RECOVER_ACTOR "runtimed:recover"

static const char *name_of(const struct kept *k)
{
	return k->path ? k->path : k->uuid ? k->uuid : k->id ? k->id : path_base(k->file);
}

static void time_text(int64_t at_ms, char out[32])
{
	time_t t = (time_t)(at_ms / 1000);
	struct tm tm;
	strftime(out, 32, "%Y-%m-%d %H:%M", localtime_r(&t, &tm));
}

static void list_json(const struct kept_list *k)
{
	struct json_object *all = json_object_new_array();
	for (size_t i = 0; i < k->list.n; i++) {
		const struct kept *e = &k->list.p[i];
		struct json_object *o = json_object_new_object();
		char when[RFC3339_TEXT];
		rfc3339_format(when, e->at_ms * 1000000);
		json_object_object_add(o, "file", json_object_new_string(e->file));
		json_object_object_add(o, "hash", json_object_new_string(e->hash));
		json_object_object_add(o, "id", e->id ? json_object_new_string(e->id) : NULL);
		json_object_object_add(o, "path", e->path ? json_object_new_string(e->path) : NULL);
		json_object_object_add(o, "uuid", e->uuid ? json_object_new_string(e->uuid) : NULL);
		json_object_object_add(o, "snapshot", json_object_new_boolean(e->snapshot));
		json_object_object_add(o, "size", json_object_new_uint64(e->size));
		json_object_object_add(o, "modified", json_object_new_string(when));
		json_object_array_add(all, o);
	}
	cli_print_json(all);
	json_object_put(all);
}

static int list(const struct kept_list *k, bool json)
{
	if (json) {
		list_json(k);
	} else if (!k->list.n) {
		fprintf(stderr, "No recoverable notebooks found.\n");
	}
	for (size_t i = 0; i < k->list.n && !json; i++) {
		const struct kept *e = &k->list.p[i];
		char when[32];
		time_text(e->at_ms, when);
		printf("%-70s %8llu %s%s\n", name_of(e), (unsigned long long)e->size, when,
			e->snapshot ? " [snapshot]" : "");
	}
	return CLI_OK;
}

/* ---- one notebook ---- */

static int file_read(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	for (size_t n = 1; n;) {
		n = fread(buf_reserve(out, 65536), 1, 65536, f);
		out->n += n;
	}
	int r = ferror(f) ? -EIO : 0;
	fclose(f);
	return r;
}

static int resolve(void *ctx, const char *hash, struct buf *out)
{
	const struct output_blobs blobs = {.ctx = ctx, .get = blobs_get};
	output_load(&blobs, hash, out); /* complete also where something is missing */
	return 0;
}

static int document_render(struct notebook *nb, struct blobs *blobs, struct buf *out)
{
	const struct notebook_blobs callbacks = {.ctx = blobs, .get = blobs_get, .resolve_output = resolve};
	struct ipynb_export *e = ipynb_export_new();
	struct ipynb_version *empty = ipynb_empty(), *v = NULL;
	ipynb_export_rebase(e, empty, false);
	int r = ipynb_export_snapshot(e, nb, &v);
	if (r == 0)
		r = ipynb_bytes(v, &callbacks, out);
	ipynb_unref(v);
	ipynb_unref(empty);
	ipynb_export_free(e);
	return r;
}

static int document_recover(const struct kept *k, struct buf *out, size_t *ret_cells)
{
	struct paths base = {.base_dir = k->base_dir, .daemon_json = path_join(k->base_dir, "daemon.json"),
		.blobs_dir = path_join(k->base_dir, "blobs")};
	struct buf bytes = {0};
	struct notebook *nb = NULL;
	struct blobs blobs;
	blobs_init(&blobs, &base, NULL);
	int r = file_read(k->file, &bytes);
	if (r == 0)
		r = notebook_load(bytes.p, bytes.n, RECOVER_ACTOR, &nb, NULL);
	if (r == 0) {
		r = document_render(nb, &blobs, out);
		*ret_cells = cells_count(nb);
	}
	notebook_free(nb);
	blobs_fini(&blobs);
	buf_free(&bytes);
	free(base.daemon_json);
	free(base.blobs_dir);
	return r;
}

static int copy_recover(const struct kept *k, struct buf *out, size_t *ret_cells)
{
	struct json_object *json, *cells;
	int r = file_read(k->file, out);
	if (r < 0)
		return r;
	json = json_parse(out->p, out->n);
	*ret_cells = json_get_array(json, "cells", &cells) == 0 ? json_object_array_length(cells) : 0;
	json_object_put(json);
	return 0;
}

/* `<name>-recovered.ipynb` beside the notebook; in the current directory for
 * one that has no file. */
static char *default_output(const struct kept *k, const char *arg)
{
	const char *from = k->path ? k->path : arg;
	char uuid[UUID_TEXT];
	if (uuid_parse(from, uuid))
		from = uuid;
	size_t n = strlen(from) - (str_ends(from, ".ipynb") ? 6 : 0);
	return xasprintf("%.*s-recovered.ipynb", (int)n, from);
}

static int file_write(const char *path, const struct buf *content, bool force)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0644);
	if (fd < 0)
		return -errno;
	int r = 0;
	for (size_t done = 0; r == 0 && done < content->n;) {
		ssize_t n = write(fd, content->p + done, content->n - done);
		r = n < 0 && errno != EINTR ? -errno : 0;
		done += n > 0 ? (size_t)n : 0;
	}
	if (fsync(fd) < 0 && r == 0)
		r = -errno;
	return close(fd) < 0 && r == 0 ? -errno : r;
}

static int recover(const struct cli *cli, const struct kept *k, const char *output, bool force)
{
	struct buf content = {0};
	size_t n = 0;
	int r = k->is_ipynb ? copy_recover(k, &content, &n) : document_recover(k, &content, &n);
	if (r < 0) {
		buf_free(&content);
		return cli_error(cli, "cannot read %s: %s", k->file, strerror(-r));
	}
	r = file_write(output, &content, force);
	buf_free(&content);
	if (r == -EEXIST)
		return cli_error(cli, "%s is there already; use --force to overwrite it", output);
	if (r < 0)
		return cli_error(cli, "cannot write %s: %s", output, strerror(-r));
	printf("Recovered %zu cells to %s\nSource: %s\n", n, output, k->file);
	return CLI_OK;
}

static int not_found(const struct cli *cli, const char *arg)
{
	char hash[SHA256_HEX_BYTES], *id = cli_notebook_id(arg);
	sha256_hex(hash, id, strlen(id));
	int status = cli_error(cli, "nothing is kept of %s", id);
	fprintf(stderr, "Looked for %s.automerge below %s/runt and %s/runt-nightly. See `%s recover --list`.\n", hash,
		cli->paths.cache_home, cli->paths.cache_home, cli->program);
	free(id);
	return status;
}

int cmd_recover(const struct cli *cli, const struct command *cmd, int argc, char **argv)
{
	const char *output = NULL;
	bool listing = false, json = false, force = false;
	const struct option_spec specs[] = {
		{'o', "output", OPTION_TEXT, &output, "<FILE>", "Where to write [default: <name>-recovered.ipynb]"},
		{0, "list", OPTION_FLAG, &listing, NULL, "List what can be recovered"},
		{0, "json", OPTION_FLAG, &json, NULL, "With --list: print JSON"},
		{0, "force", OPTION_FLAG, &force, NULL, "Overwrite an existing file"},
	};
	struct args args;
	struct kept_list all;
	int status;
	if (!OPTIONS_PARSE(cmd, specs, argc, argv, 0, 1, &args, &status))
		return status;
	if (!args.n && !listing)
		return cli_usage_error(cmd, argv[0], "give a notebook or --list");
	kept_scan(&cli->paths, &all);
	if (listing) {
		status = list(&all, json);
	} else {
		const struct kept *k = kept_find(&all, args.p[0]);
		char *to = output ? xstrdup(output) : k ? default_output(k, args.p[0]) : NULL;
		status = k ? recover(cli, k, to, force || output) : not_found(cli, args.p[0]);
		free(to);
	}
	kept_free(&all);
	return status;
}
