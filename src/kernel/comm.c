#include "kernel/comm.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/map.h"
#include "base/vec.h"
#include "kernel/json_slice.h"

/* A binary value of a state, at its path (`["values",0]` as JSON text). */
struct kept_buffer {
	char *path; /* "" when the message named none */
	void *p;
	size_t n;
};

/* One state key and its JSON text. */
struct state_entry {
	char *key;
	char *json;
};

struct comm {
	char *id, *target_name, *model_module, *model_name;
	VEC(struct state_entry) state;
	VEC(struct kept_buffer) buffers;
	struct buf rendered; /* state as JSON, when asked for */
	char *capture;	     /* msg_id this Output widget captures, or NULL */
	uint64_t capture_seq;
	bool clear_pending; /* clear_output(wait=True) was captured */
};

struct comm_store {
	VEC(struct comm *) comms; /* in creation order */
	struct map by_id;
	uint64_t next_capture;
};

struct comm_store *comm_store_new(void)
{
	return xcalloc(1, sizeof(struct comm_store));
}

static void comm_free(struct comm *c)
{
	for (size_t i = 0; i < c->state.n; i++) {
		free(c->state.p[i].key);
		free(c->state.p[i].json);
	}
	for (size_t i = 0; i < c->buffers.n; i++) {
		free(c->buffers.p[i].path);
		free(c->buffers.p[i].p);
	}
	VEC_FREE(&c->state);
	VEC_FREE(&c->buffers);
	buf_free(&c->rendered);
	free(c->id);
	free(c->target_name);
	free(c->model_module);
	free(c->model_name);
	free(c->capture);
	free(c);
}

void comm_store_clear(struct comm_store *s)
{
	for (size_t i = 0; i < s->comms.n; i++)
		comm_free(s->comms.p[i]);
	VEC_FREE(&s->comms);
	map_free(&s->by_id);
	s->by_id = (struct map){0};
}

void comm_store_free(struct comm_store *s)
{
	if (!s)
		return;
	comm_store_clear(s);
	free(s);
}

size_t comm_store_count(const struct comm_store *s)
{
	return s->comms.n;
}

const char *comm_store_id(const struct comm_store *s, size_t i)
{
	return i < s->comms.n ? s->comms.p[i]->id : NULL;
}

/* ---- state ---- */

static struct state_entry *find_state(struct comm *c, struct json_slice key)
{
	for (size_t i = 0; i < c->state.n; i++)
		if (json_slice_equals(key, c->state.p[i].key))
			return &c->state.p[i];
	return NULL;
}

static void merge_state(struct comm *c, struct json_slice state)
{
	for (struct json_walk w = json_slice_walk(state); json_slice_next(&w);) {
		struct buf json = {0};
		json_slice_append_strict(&json, w.value);
		char *text = buf_take(&json, NULL);
		struct state_entry *e = find_state(c, w.key);
		if (e) {
			free(e->json);
			e->json = text;
		} else {
			VEC_PUSH(&c->state, ((struct state_entry){json_slice_strdup(w.key), text}));
		}
	}
	buf_clear(&c->rendered);
}

static const char *state_json(const struct comm *c, const char *key)
{
	for (size_t i = 0; i < c->state.n; i++)
		if (!strcmp(c->state.p[i].key, key))
			return c->state.p[i].json;
	return NULL;
}

static void render_state(struct comm *c)
{
	if (c->rendered.n)
		return;
	buf_append_byte(&c->rendered, '{');
	for (size_t i = 0; i < c->state.n; i++) {
		if (i)
			buf_append_byte(&c->rendered, ',');
		json_append_str(&c->rendered, c->state.p[i].key, strlen(c->state.p[i].key));
		buf_append_byte(&c->rendered, ':');
		buf_append_str(&c->rendered, c->state.p[i].json);
	}
	buf_append_byte(&c->rendered, '}');
}

/* ---- buffers (W3) ---- */

/* True when a path lies inside the state key: an update of the key replaces what was there. */
static bool path_is_under(const char *path, const char *key)
{
	struct json_slice s, first;
	if (json_slice_init(&s, path, strlen(path)) < 0)
		return false;
	struct json_walk w = json_slice_walk(s);
	if (!json_slice_next(&w))
		return false;
	first = w.value;
	return json_slice_equals(first, key);
}

static void drop_buffer(struct comm *c, size_t i)
{
	free(c->buffers.p[i].path);
	free(c->buffers.p[i].p);
	VEC_REMOVE(&c->buffers, i);
}

/* Buffers below a key that the message sets anew are gone. */
static void drop_replaced_buffers(struct comm *c, struct json_slice state)
{
	for (struct json_walk w = json_slice_walk(state); json_slice_next(&w);) {
		char *key = json_slice_strdup(w.key);
		for (size_t i = c->buffers.n; i-- > 0;)
			if (path_is_under(c->buffers.p[i].path, key))
				drop_buffer(c, i);
		free(key);
	}
}

static char *compact(struct json_slice s)
{
	struct buf b = {0};
	for (struct json_walk w = json_slice_walk(s); json_slice_next(&w);) {
		buf_append_byte(&b, b.n ? ',' : '[');
		json_slice_append_strict(&b, w.value);
	}
	buf_append_str(&b, b.n ? "]" : "[]");
	return buf_take(&b, NULL);
}

static void put_buffer(struct comm *c, char *path, const struct comm_buffer *from)
{
	void *copy = xmemdup(from->n ? from->p : "", from->n ? from->n : 1);
	for (size_t i = 0; *path && i < c->buffers.n; i++)
		if (!strcmp(c->buffers.p[i].path, path)) {
			free(c->buffers.p[i].p);
			free(path);
			c->buffers.p[i].p = copy;
			c->buffers.p[i].n = from->n;
			return;
		}
	VEC_PUSH(&c->buffers, ((struct kept_buffer){path, copy, from->n}));
}

static void merge_buffers(struct comm *c, struct json_slice data, const struct comm_buffer *buffers, size_t n)
{
	struct json_walk w = json_slice_walk(json_slice_get(data, "buffer_paths"));
	drop_replaced_buffers(c, json_slice_get(data, "state"));
	for (size_t i = 0; i < n; i++)
		put_buffer(c, json_slice_next(&w) ? compact(w.value) : xstrdup(""), &buffers[i]);
}

/* ---- messages ---- */

static char *state_string(const struct comm *c, const char *key)
{
	const char *json = state_json(c, key);
	struct json_slice s = {0};
	if (json && json_slice_init(&s, json, strlen(json)) == 0)
		return json_slice_strdup(s);
	return NULL;
}

static void remove_comm(struct comm_store *s, const char *id)
{
	struct comm *c = map_remove(&s->by_id, id);
	if (!c)
		return;
	for (size_t i = 0; i < s->comms.n; i++)
		if (s->comms.p[i] == c) {
			VEC_REMOVE(&s->comms, i);
			break;
		}
	comm_free(c);
}

static void open_comm(struct comm_store *s, const char *id, struct json_slice content,
		      const struct comm_buffer *buffers, size_t n_buffers)
{
	remove_comm(s, id);
	struct comm *c = xcalloc(1, sizeof *c);
	struct json_slice data = json_slice_get(content, "data");
	c->id = xstrdup(id);
	c->target_name = json_slice_strdup(json_slice_get(content, "target_name"));
	if (!c->target_name)
		c->target_name = xstrdup("");
	merge_state(c, json_slice_get(data, "state"));
	merge_buffers(c, data, buffers, n_buffers);
	c->model_module = state_string(c, "_model_module");
	c->model_name = state_string(c, "_model_name");
	VEC_PUSH(&s->comms, c);
	map_put(&s->by_id, id, c);
}

/* An Output widget's msg_id says whose output it takes; only updates count (kernels.md 12). */
static void update_capture(struct comm_store *s, struct comm *c, struct json_slice state)
{
	struct json_slice msg_id = json_slice_get(state, "msg_id");
	if (!msg_id.p || !c->model_name || strcmp(c->model_name, "OutputModel") != 0)
		return;
	free(c->capture);
	c->capture = json_slice_strdup(msg_id);
	if (c->capture && !*c->capture) {
		free(c->capture);
		c->capture = NULL;
	}
	c->capture_seq = ++s->next_capture;
}

static int update_comm(struct comm_store *s, const char *id, struct json_slice content,
		       const struct comm_buffer *buffers, size_t n_buffers)
{
	struct comm *c = map_get(&s->by_id, id);
	if (!c)
		return -ENOENT;
	struct json_slice data = json_slice_get(content, "data");
	struct json_slice method = json_slice_get(data, "method"), state = json_slice_get(data, "state");
	if (!json_slice_equals(method, "update") && !json_slice_equals(method, "echo_update"))
		return 0;
	merge_state(c, state);
	merge_buffers(c, data, buffers, n_buffers);
	if (json_slice_equals(method, "update"))
		update_capture(s, c, state);
	return 0;
}

int comm_store_apply(struct comm_store *s, const char *msg_type, const char *content_p, size_t content_n,
		     const struct comm_buffer *buffers, size_t n_buffers)
{
	struct json_slice content;
	if (json_slice_init(&content, content_p, content_n) < 0)
		return -EINVAL;
	char *id = json_slice_strdup(json_slice_get(content, "comm_id"));
	int r = id ? 0 : -EINVAL;
	if (r == 0 && !strcmp(msg_type, "comm_open"))
		open_comm(s, id, content, buffers, n_buffers);
	else if (r == 0 && !strcmp(msg_type, "comm_msg"))
		r = update_comm(s, id, content, buffers, n_buffers);
	else if (r == 0 && !strcmp(msg_type, "comm_close"))
		remove_comm(s, id);
	free(id);
	return r;
}

/* ---- reading ---- */

static void append_bytes(struct buf *out, const struct kept_buffer *b)
{
	const uint8_t *p = b->p;
	buf_append_byte(out, '[');
	for (size_t i = 0; i < b->n; i++) {
		char number[5];
		size_t at = sizeof number;
		unsigned v = p[i];
		do
			number[--at] = (char)('0' + v % 10);
		while (v /= 10);
		if (i)
			number[--at] = ',';
		buf_append(out, number + at, sizeof number - at);
	}
	buf_append_byte(out, ']');
}

static void append_optional(struct buf *out, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(out, ",\"%s\":", key);
	json_append_str(out, value, strlen(value));
}

static void append_snapshot(struct buf *out, struct comm *c)
{
	buf_append_str(out, "{\"comm_id\":");
	json_append_str(out, c->id, strlen(c->id));
	append_optional(out, "target_name", c->target_name);
	render_state(c);
	buf_append_str(out, ",\"state\":");
	buf_append(out, c->rendered.p, c->rendered.n);
	append_optional(out, "model_module", c->model_module);
	append_optional(out, "model_name", c->model_name);
	for (size_t i = 0; i < c->buffers.n; i++) {
		buf_append_str(out, i ? "," : ",\"buffers\":[");
		append_bytes(out, &c->buffers.p[i]);
	}
	buf_append_str(out, c->buffers.n ? "]}" : "}");
}

void comm_store_snapshots(const struct comm_store *s, struct buf *out)
{
	buf_append_byte(out, '[');
	for (size_t i = 0; i < s->comms.n; i++) {
		if (i)
			buf_append_byte(out, ',');
		append_snapshot(out, s->comms.p[i]);
	}
	buf_append_byte(out, ']');
}

const char *comm_store_state(const struct comm_store *s, const char *comm_id)
{
	struct comm *c = map_get(&s->by_id, comm_id);
	if (!c)
		return NULL;
	render_state(c);
	return buf_cstr(&c->rendered);
}

/* ---- capture ---- */

const char *comm_store_capture(const struct comm_store *s, const char *msg_id)
{
	const struct comm *best = NULL;
	for (size_t i = 0; i < s->comms.n; i++) {
		const struct comm *c = s->comms.p[i];
		if (c->capture && !strcmp(c->capture, msg_id) && (!best || c->capture_seq > best->capture_seq))
			best = c;
	}
	return best ? best->id : NULL;
}

static void set_outputs(struct comm *c, const char *json, size_t n)
{
	struct buf state = {0};
	struct json_slice s;
	buf_append_str(&state, "{\"outputs\":");
	buf_append(&state, json, n);
	buf_append_byte(&state, '}');
	if (json_slice_init(&s, state.p, state.n) == 0)
		merge_state(c, s);
	buf_free(&state);
}

/* Consecutive text of one stream is one output, as the widget itself would keep it. */
static bool join_stream(struct buf *list, struct json_slice last, struct json_slice output)
{
	if (!json_slice_equals(json_slice_get(last, "output_type"), "stream") ||
	    !json_slice_equals(json_slice_get(output, "output_type"), "stream"))
		return false;
	struct json_slice a = json_slice_get(last, "name"), b = json_slice_get(output, "name");
	struct json_slice text = json_slice_get(last, "text"), more = json_slice_get(output, "text");
	if (!a.p || a.n != b.n || memcmp(a.p, b.p, a.n) != 0 || !json_slice_is_string(text) ||
	    !json_slice_is_string(more))
		return false;
	buf_append_str(list, "{\"output_type\":\"stream\",\"name\":");
	buf_append(list, a.p, a.n);
	buf_append_str(list, ",\"text\":");
	buf_append(list, text.p, text.n - 1);
	buf_append(list, more.p + 1, more.n - 1);
	buf_append_byte(list, '}');
	return true;
}

void comm_store_capture_output(struct comm_store *s, const char *comm_id, const char *output_p, size_t n)
{
	struct comm *c = map_get(&s->by_id, comm_id);
	struct json_slice output, old = {0}, last = {0};
	if (!c || json_slice_init(&output, output_p, n) < 0)
		return;
	const char *json = c->clear_pending ? NULL : state_json(c, "outputs");
	c->clear_pending = false;
	if (json && json_slice_init(&old, json, strlen(json)) < 0)
		old = (struct json_slice){0};
	struct buf list = {0};
	buf_append_byte(&list, '[');
	for (struct json_walk w = json_slice_walk(old); json_slice_next(&w);) {
		if (last.p) {
			json_slice_append_strict(&list, last);
			buf_append_byte(&list, ',');
		}
		last = w.value;
	}
	if (!last.p || !join_stream(&list, last, output)) {
		if (last.p) {
			json_slice_append_strict(&list, last);
			buf_append_byte(&list, ',');
		}
		json_slice_append_strict(&list, output);
	}
	buf_append_byte(&list, ']');
	set_outputs(c, (const char *)list.p, list.n);
	buf_free(&list);
}

void comm_store_capture_clear(struct comm_store *s, const char *comm_id, bool wait)
{
	struct comm *c = map_get(&s->by_id, comm_id);
	if (!c)
		return;
	c->clear_pending = wait;
	if (!wait)
		set_outputs(c, "[]", 2);
}
