#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "host/file.h"

#define RECORD_NAME "daemon.json"
#define RECORD_MAX (1u << 20)

int daemon_lock_take(struct host *h, const char *base_dir, struct daemon_lock *ret)
{
	char *path = path_join(base_dir, "daemon.lock");
	int fd, err = host_dir_make_soon(h, base_dir, 0700);

	if (err == 0)
		err = host_file_open(h, path, O_RDWR | O_CREAT | O_TRUNC, 0644, &fd);
	free(path);
	if (err < 0)
		return err;
	err = host_file_lock(h, fd);
	if (err < 0) {
		host_file_close(h, fd);
		return err;
	}
	ret->fd = fd;
	return 0;
}

void daemon_lock_release(struct host *h, struct daemon_lock *l)
{
	if (l->fd >= 0)
		host_file_close(h, l->fd);
	l->fd = -1;
}

/* ---- daemon.json ---- */

void daemon_record_free(struct daemon_record *r)
{
	free(r->endpoint);
	free(r->version);
	free(r->worktree_path);
	free(r->workspace_description);
	*r = (struct daemon_record){0};
}

static void render_str(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "%s\n  \"%s\": ", out->n > 1 ? "," : "", key);
	json_append_str(out, value, strlen(value));
}

static void render(struct buf *out, const struct daemon_record *r)
{
	char at[RFC3339_TEXT];

	rfc3339_format(at, r->started_at_ns);
	buf_append_byte(out, '{');
	render_str(out, "endpoint", r->endpoint);
	buf_printf(out, ",\n  \"pid\": %u", (unsigned)r->pid);
	render_str(out, "version", r->version);
	render_str(out, "started_at", at);
	if (r->blob_port)
		buf_printf(out, ",\n  \"blob_port\": %u", (unsigned)r->blob_port);
	if (r->worktree_path)
		render_str(out, "worktree_path", r->worktree_path);
	if (r->workspace_description)
		render_str(out, "workspace_description", r->workspace_description);
	buf_append_str(out, "\n}");
}

static bool same_dir(struct host *h, const char *a, const char *b)
{
	struct host_file_info x, y;

	return host_path_stat(h, a, &x) == 0 && host_path_stat(h, b, &y) == 0 && x.dev == y.dev && x.ino == y.ino;
}

/* Where the record goes: base_dir, and the socket's directory when it is another
 * (clients look beside the socket, protocol.md 2.2). Returns how many; caller frees. */
static size_t record_paths(struct host *h, const char *base_dir, const char *endpoint, char *ret[2])
{
	char *beside = path_dir(endpoint);
	size_t n = 1;

	ret[0] = path_join(base_dir, RECORD_NAME);
	if (!same_dir(h, base_dir, beside))
		ret[n++] = path_join(beside, RECORD_NAME);
	free(beside);
	return n;
}

/* Whole or not at all, but not synced: after a power loss there is no daemon to find. */
static int write_unsynced(struct host *h, const char *path, const struct buf *text)
{
	char *temp = xasprintf("%s.%d.tmp", path, (int)getpid());
	int fd, err = host_file_open(h, temp, O_WRONLY | O_CREAT | O_TRUNC, 0644, &fd);

	if (err == 0) {
		err = host_file_pwrite(h, fd, text->p, text->n, 0);
		host_file_close(h, fd);
	}
	if (err == 0)
		err = host_path_rename(h, temp, path);
	if (err < 0)
		host_path_unlink(h, temp);
	free(temp);
	return err;
}

int daemon_record_write(struct host *h, const char *base_dir, const struct daemon_record *r)
{
	struct buf text = {0};
	char *paths[2];
	size_t n = record_paths(h, base_dir, r->endpoint, paths);
	int err = 0;

	render(&text, r);
	for (size_t i = 0; i < n; i++) {
		int file_err = write_unsynced(h, paths[i], &text);

		if (file_err < 0)
			log_warn("daemon", "cannot write %s: %s", paths[i], strerror(-file_err));
		if (err == 0)
			err = file_err;
		free(paths[i]);
	}
	buf_free(&text);
	return err;
}

static int parse_optional(struct json_object *obj, const char *key, char **ret)
{
	const char *s;
	int err = json_get_str(obj, key, &s);

	if (err == 0)
		*ret = xstrdup(s);
	return err == -ENOENT ? 0 : err;
}

static int parse(struct json_object *obj, struct daemon_record *r)
{
	const char *endpoint, *version, *at;
	uint64_t pid, port = 0;
	int err;

	if (!json_object_is_type(obj, json_type_object) || json_get_str(obj, "endpoint", &endpoint) < 0 ||
	    json_get_str(obj, "version", &version) < 0 || json_get_u64(obj, "pid", &pid) < 0 || pid > UINT32_MAX ||
	    json_get_str(obj, "started_at", &at) < 0 || !rfc3339_parse(at, &r->started_at_ns))
		return -EINVAL;
	err = json_get_u64(obj, "blob_port", &port);
	if ((err < 0 && err != -ENOENT) || port > UINT16_MAX)
		return -EINVAL;
	r->endpoint = xstrdup(endpoint);
	r->version = xstrdup(version);
	r->pid = (uint32_t)pid;
	r->blob_port = (uint16_t)port;
	err = parse_optional(obj, "worktree_path", &r->worktree_path);
	return err < 0 ? err : parse_optional(obj, "workspace_description", &r->workspace_description);
}

int daemon_record_read(struct host *h, const char *dir, struct daemon_record *ret)
{
	struct daemon_record r = {0};
	struct json_object *obj = NULL;
	struct buf text = {0};
	char *path = path_join(dir, RECORD_NAME);
	int err = host_file_read_all(h, path, RECORD_MAX, &text);

	if (err == 0) {
		obj = json_parse(text.p, text.n);
		err = parse(obj, &r);
	}
	json_object_put(obj);
	buf_free(&text);
	free(path);
	if (err < 0) {
		daemon_record_free(&r);
		return -ENOENT;
	}
	*ret = r;
	return 0;
}

void daemon_record_remove(struct host *h, const char *base_dir, const struct daemon_record *r)
{
	char *paths[2];
	size_t n = record_paths(h, base_dir, r->endpoint, paths);

	for (size_t i = 0; i < n; i++) {
		struct daemon_record found;
		char *dir = path_dir(paths[i]);

		if (daemon_record_read(h, dir, &found) == 0) {
			if (found.pid == r->pid)
				host_path_unlink(h, paths[i]);
			daemon_record_free(&found);
		}
		free(dir);
		free(paths[i]);
	}
}
