#include "store/pid_registry.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/vec.h"
#include "host/file.h"
#include "host/process.h"

#define REGISTRY_MAX (4u << 20)

struct pid_entry {
	char *kernel_id;
	int64_t pgid;
	uint64_t start_time;
	char *connection_file; /* may be NULL */
};

struct pid_registry {
	struct host *host;
	char *path;
	VEC(struct pid_entry) entries;
};

static void entry_free(struct pid_entry *e)
{
	free(e->kernel_id);
	free(e->connection_file);
}

static void render(struct buf *out, const struct pid_registry *r)
{
	buf_append_str(out, "{\"kernels\":[");
	for (size_t i = 0; i < r->entries.n; i++) {
		const struct pid_entry *e = &r->entries.p[i];

		buf_append_str(out, i ? ",\n{\"kernel_id\":" : "\n{\"kernel_id\":");
		json_append_str(out, e->kernel_id, strlen(e->kernel_id));
		buf_printf(out, ",\"pgid\":%" PRId64 ",\"start_time\":%" PRIu64, e->pgid, e->start_time);
		if (e->connection_file) {
			buf_append_str(out, ",\"connection_file\":");
			json_append_str(out, e->connection_file, strlen(e->connection_file));
		}
		buf_append_byte(out, '}');
	}
	buf_append_str(out, "\n]}\n");
}

static int registry_write(struct pid_registry *r)
{
	struct buf text = {0};
	int err;

	render(&text, r);
	err = host_file_replace_own(r->host, r->path, text.p, text.n, 0600);
	if (err < 0)
		log_warn("kernels", "cannot write %s: %s", r->path, strerror(-err));
	buf_free(&text);
	return err;
}

static void parse_entry(struct pid_registry *r, struct json_object *obj)
{
	const char *id, *file = NULL;
	struct pid_entry e = {0};

	if (!json_object_is_type(obj, json_type_object) || json_get_str(obj, "kernel_id", &id) < 0 ||
	    json_get_i64(obj, "pgid", &e.pgid) < 0 || e.pgid <= 1 || e.pgid > INT32_MAX ||
	    json_get_u64(obj, "start_time", &e.start_time) < 0)
		return;
	e.kernel_id = xstrdup(id);
	if (json_get_str(obj, "connection_file", &file) == 0)
		e.connection_file = xstrdup(file);
	VEC_PUSH(&r->entries, e);
}

int pid_registry_open(struct host *h, const char *base_dir, struct pid_registry **ret)
{
	struct pid_registry *r = xcalloc(1, sizeof *r);
	struct json_object *obj, *array;
	struct buf text = {0};

	r->host = h;
	r->path = path_join(base_dir, "kernels.json");
	if (host_file_read_all(h, r->path, REGISTRY_MAX, &text) == 0) {
		obj = json_parse(text.p, text.n);
		if (json_object_is_type(obj, json_type_object) && json_get_array(obj, "kernels", &array) == 0)
			for (size_t i = 0; i < json_object_array_length(array); i++)
				parse_entry(r, json_object_array_get_idx(array, i));
		else
			log_warn("kernels", "%s is not readable", r->path);
		json_object_put(obj);
	}
	buf_free(&text);
	*ret = r;
	return 0;
}

void pid_registry_close(struct pid_registry *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->entries.n; i++)
		entry_free(&r->entries.p[i]);
	VEC_FREE(&r->entries);
	free(r->path);
	free(r);
}

static bool entry_drop(struct pid_registry *r, const char *kernel_id)
{
	for (size_t i = 0; i < r->entries.n; i++) {
		if (strcmp(r->entries.p[i].kernel_id, kernel_id) != 0)
			continue;
		entry_free(&r->entries.p[i]);
		VEC_REMOVE(&r->entries, i);
		return true;
	}
	return false;
}

int pid_registry_add(struct pid_registry *r, const char *kernel_id, pid_t pgid, uint64_t start_time,
		     const char *connection_file)
{
	struct pid_entry e = {.kernel_id = xstrdup(kernel_id), .pgid = pgid, .start_time = start_time,
			      .connection_file = connection_file ? xstrdup(connection_file) : NULL};

	entry_drop(r, kernel_id);
	VEC_PUSH(&r->entries, e);
	return registry_write(r);
}

int pid_registry_remove(struct pid_registry *r, const char *kernel_id)
{
	return entry_drop(r, kernel_id) ? registry_write(r) : 0;
}

int pid_registry_reap(struct pid_registry *r)
{
	int killed = 0;

	if (r->entries.n == 0)
		return 0;
	for (size_t i = 0; i < r->entries.n; i++) {
		struct pid_entry *e = &r->entries.p[i];

		if (host_pgid_signal(r->host, (pid_t)e->pgid, e->start_time, SIGKILL) == 0) {
			log_info("kernels", "ended the orphan process group %" PRId64 " of kernel %s", e->pgid,
				 e->kernel_id);
			killed++;
		}
		if (e->connection_file)
			host_path_remove(r->host, e->connection_file);
		entry_free(e);
	}
	r->entries.n = 0;
	registry_write(r);
	return killed;
}
