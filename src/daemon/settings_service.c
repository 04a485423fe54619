#include "daemon/settings_service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "automerge/automerge.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/connection.h"
#include "environment/pool.h"
#include "host/file.h"
#include "host/watch.h"
#include "notebook/settings.h"

#define SETTINGS_FILE_MAX ((size_t)16 << 20)
#define SETTINGS_DEBOUNCE HOST_MS(500)

struct settings_service {
	struct daemon *daemon;
	am_doc *doc;
	char *document_path, *json_path;
	VEC(struct connection *) subscribers;
	struct host_watch *watch;
	struct host_timer debounce;
	bool may_write;      /* not while the daemon starts */
	bool writing, again; /* one write at a time; the newest state wins */
	bool closed;
	bool write_json;
	bool apply_ready;
};

struct write_job {
	struct host *host;
	struct settings_service *service;
	char *document_path, *json_path;
	am_buf document;
	struct buf json; /* empty: the mirror stays as the user formatted it */
	int err;
};

/* ---- writing ---- */

static void begin_write(struct settings_service *s);
static void service_free(struct settings_service *s);

static void write_run(void *ctx)
{
	struct write_job *job = ctx;
	job->err = host_file_replace_atomic(job->host, job->document_path, job->document.p, job->document.n, 0600,
					    NULL);
	if (job->err == 0 && job->json.n)
		job->err = host_file_replace_atomic(job->host, job->json_path, job->json.p, job->json.n, 0666, NULL);
}

static void write_done(void *ctx)
{
	struct write_job *job = ctx;
	struct settings_service *s = job->service;
	if (job->err < 0)
		log_warn("settings", "not written: %s", strerror(-job->err));
	s->writing = false;
	if (s->again)
		begin_write(s);
	else if (s->closed)
		service_free(s);
	am_buf_free(&job->document);
	buf_free(&job->json);
	free(job->document_path);
	free(job->json_path);
	free(job);
}

static void begin_write(struct settings_service *s)
{
	if (s->writing || !s->may_write) {
		s->again = true;
		return;
	}
	s->again = false;
	struct write_job *job = xcalloc(1, sizeof *job);
	job->host = s->daemon->host;
	job->service = s;
	job->document_path = xstrdup(s->document_path);
	job->json_path = xstrdup(s->json_path);
	am_save(s->doc, 0, &job->document);
	if (s->write_json)
		settings_json(s->doc, &job->json);
	s->write_json = false;
	s->writing = true;
	host_work(s->daemon->host, write_run, write_done, job);
}

/* ---- what the settings are for ---- */

void settings_service_apply(struct settings_service *s)
{
	struct settings now;
	struct room_service *rooms = s->daemon->rooms;
	s->apply_ready = true;
	settings_read(s->doc, &now);
	room_service_set_settings(rooms, now.default_runtime, now.default_python_env, settings_keep_alive(&now));
	pool_set_packages(room_service_pool(rooms), (const char *const *)now.uv_packages.p, now.uv_packages.n);
	settings_fini(&now);
}

/* ---- subscribers ---- */

static void send_sync(struct connection *c, struct settings_service *s)
{
	am_buf message = {0};
	struct buf frame = {0};
	if (am_sync_generate(s->doc, c->state, &message) == AM_OK && message.n &&
	    frame_append(&frame, FRAME_UNTYPED, message.p, message.n) == 0)
		connection_send_buf(c, &frame);
	buf_free(&frame);
	am_buf_free(&message);
}

static void changed(struct settings_service *s, bool from_json)
{
	s->write_json |= !from_json;
	begin_write(s);
	if (s->apply_ready)
		settings_service_apply(s);
	for (size_t i = 0; i < s->subscribers.n; i++)
		send_sync(s->subscribers.p[i], s);
}

static int settings_channel_open(struct connection *c)
{
	struct settings_service *s = c->daemon->settings;
	am_sync *sync = NULL;
	if (am_sync_new(NULL, &sync) != AM_OK)
		return -ENOMEM;
	c->state = sync;
	VEC_PUSH(&s->subscribers, c);
	send_sync(c, s);
	return 0;
}

static int settings_frame(struct connection *c, int type, const uint8_t *p, size_t n)
{
	struct settings_service *s = c->daemon->settings;
	am_sync_report report = {0};
	(void)type;
	if (am_sync_receive(s->doc, c->state, p, n, 0, &report) != AM_OK)
		return -EBADMSG;
	if (report.applied) /* acknowledgements change nothing and wake nobody */
		changed(s, false);
	send_sync(c, s);
	return 0;
}

static void settings_channel_close(struct connection *c)
{
	struct settings_service *s = c->daemon->settings;
	for (size_t i = 0; i < s->subscribers.n; i++) {
		if (s->subscribers.p[i] == c) {
			VEC_REMOVE(&s->subscribers, i);
			break;
		}
	}
	am_sync_free(c->state);
	c->state = NULL;
}

const struct channel channel_settings = {"settings", settings_channel_open, settings_frame, settings_channel_close,
					 NULL};

/* ---- settings.json edited by hand ---- */

static void read_json(void *ctx)
{
	struct settings_service *s = ctx;
	struct buf text = {0};
	bool differs = false;
	if (host_file_read_all(s->daemon->host, s->json_path, SETTINGS_FILE_MAX, &text) == 0 &&
	    settings_apply_json(s->doc, (const char *)text.p, text.n, &differs) == 0 && differs) {
		log_info("settings", "%s was edited", s->json_path);
		changed(s, true);
		if (s->apply_ready)
			pool_reset_backoff(room_service_pool(s->daemon->rooms));
	}
	buf_free(&text);
}

static void file_event(void *ctx, const char *name, int events)
{
	struct settings_service *s = ctx;
	(void)events;
	if (!name || strcmp(name, path_base(s->json_path)) == 0)
		host_timer_start(&s->debounce, SETTINGS_DEBOUNCE);
}

/* ---- life ---- */

struct schema_job {
	struct host *host;
	char *path;
};

/* The schema is the same from start to start: usually there is nothing to write. */
static void schema_run(void *ctx)
{
	struct schema_job *job = ctx;
	struct buf schema = {0}, there = {0};
	int r = 0;
	settings_schema(&schema);
	host_file_read_all(job->host, job->path, SETTINGS_FILE_MAX, &there);
	if (there.n != schema.n || memcmp(there.p, schema.p, schema.n) != 0)
		r = host_file_replace_atomic(job->host, job->path, schema.p, schema.n, 0666, NULL);
	if (r < 0)
		log_warn("settings", "%s: %s", job->path, strerror(-r));
	buf_free(&there);
	buf_free(&schema);
}

static void schema_done(void *ctx)
{
	struct schema_job *job = ctx;
	free(job->path);
	free(job);
}

void settings_service_write(struct settings_service *s)
{
	struct schema_job *job = xcalloc(1, sizeof *job);
	job->host = s->daemon->host;
	job->path = path_join(s->daemon->config.config_dir, "settings.schema.json");
	host_work(job->host, schema_run, schema_done, job);
	s->may_write = true;
	if (s->again)
		begin_write(s);
}

struct settings_service *settings_service_open(struct daemon *d)
{
	struct settings_service *s = xcalloc(1, sizeof *s);
	struct buf saved = {0}, json = {0};
	uint8_t actor[16];
	bool differs = false;
	s->daemon = d;
	s->document_path = path_join(d->config.base_dir, "settings.automerge");
	s->json_path = path_join(d->config.config_dir, "settings.json");
	host_timer_init(&s->debounce, d->host, read_json, s);
	host_random(d->host, actor, sizeof actor);
	host_file_read_all(d->host, s->document_path, SETTINGS_FILE_MAX, &saved);
	host_file_read_all(d->host, s->json_path, SETTINGS_FILE_MAX, &json);
	if (settings_load(saved.p, saved.n, (const char *)json.p, json.n, actor, sizeof actor, &s->doc, &differs) < 0) {
		log_warn("settings", "%s cannot be read; starting with the defaults, it is kept as .corrupt",
			 s->document_path);
		char *corrupt = xasprintf("%s.corrupt", s->document_path);
		host_path_rename(d->host, s->document_path, corrupt);
		free(corrupt);
		if (settings_load(NULL, 0, (const char *)json.p, json.n, actor, sizeof actor, &s->doc, &differs) < 0)
			abort();
	}
	if (differs)
		begin_write(s);
	int r = host_dir_make_soon(d->host, d->config.config_dir, 0755);
	if (r < 0)
		log_warn("settings", "%s: %s", d->config.config_dir, strerror(-r));
	if (host_watch_dir(d->host, d->config.config_dir, file_event, s, &s->watch) < 0)
		log_warn("settings", "%s cannot be watched", d->config.config_dir);
	buf_free(&saved);
	buf_free(&json);
	return s;
}

static void service_free(struct settings_service *s)
{
	am_free(s->doc);
	VEC_FREE(&s->subscribers);
	free(s->document_path);
	free(s->json_path);
	free(s);
}

void settings_service_close(struct settings_service *s)
{
	if (s->watch)
		host_watch_close(s->watch);
	host_timer_stop(&s->debounce);
	s->closed = s->may_write = true;
	if (s->again && !s->writing)
		begin_write(s);
	if (!s->writing)
		service_free(s);
}
