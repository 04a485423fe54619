/* Completion, history and widget messages of windows (kernels.md 12; 17 Q6, W1, W2). */
#include <errno.h>
#include <string.h>

#include "kernel/kernel_internal.h"

/* ---- questions ---- */

static void forget(struct question *q)
{
	struct kernel *k = q->k;
	host_timer_stop(&q->timer);
	buf_free(&q->content);
	for (size_t i = 0; i < k->questions.n; i++)
		if (k->questions.p[i] == q) {
			VEC_REMOVE(&k->questions, i);
			break;
		}
	free(q);
}

/* An answer without content: empty (error NULL) or a sentence why there is none. */
static void answer_nothing(struct question *q, const char *error)
{
	static const struct kernel_completion none;
	struct kernel *k = q->k;
	uint64_t token = q->token;
	bool is_history = q->is_history;
	forget(q);
	if (is_history)
		CALL(k, history, token, error, NULL, 0);
	else
		CALL(k, completion, token, error, &none);
}

static void on_late(void *ctx)
{
	struct question *q = ctx;
	answer_nothing(q, q->was_busy ? NULL : "The kernel did not answer in time");
}

void kernel_questions_end(struct kernel *k)
{
	while (k->questions.n)
		answer_nothing(k->questions.p[0], "No kernel running");
}

static bool is_free(const struct kernel *k)
{
	return k->ready && !queue_running(k->queue) && !queue_waiting_count(k->queue);
}

static void send_question(struct question *q)
{
	const char *msg_type = q->is_history ? "history_request" : "complete_request";
	q->sent = true;
	child_send(q->k->child, CHANNEL_SHELL, msg_type, q->msg_id, (const char *)q->content.p, q->content.n);
	buf_free(&q->content);
}

void kernel_questions_send(struct kernel *k)
{
	for (size_t i = 0; i < k->questions.n && is_free(k); i++)
		if (!k->questions.p[i]->sent)
			send_question(k->questions.p[i]);
}

/* A busy kernel would answer only after its cell, too late to be of use and at the expense of the next cell: the
 * question waits here and goes out only if the kernel gets free in time (Q6). */
static int ask(struct kernel *k, uint64_t token, bool is_history, struct buf *content)
{
	if (!k->exists) {
		buf_free(content);
		return -ENOTCONN;
	}
	struct question *q = xcalloc(1, sizeof *q);
	q->k = k;
	q->token = token;
	q->is_history = is_history;
	q->was_busy = !is_free(k);
	q->content = *content;
	host_uuid(k->service->host, q->msg_id);
	host_timer_init(&q->timer, k->service->host, on_late, q);
	host_timer_start(&q->timer, HOST_MS(q->was_busy ? ANSWER_BUSY_MS : ANSWER_IDLE_MS));
	VEC_PUSH(&k->questions, q);
	if (!q->was_busy)
		send_question(q);
	return 0;
}

int kernel_complete(struct kernel *k, uint64_t token, const char *code, size_t cursor_pos)
{
	struct buf content = {0};
	jupyter_complete_content(&content, code, cursor_pos);
	return ask(k, token, false, &content);
}

int kernel_history(struct kernel *k, uint64_t token, const char *pattern, int64_t n, bool unique)
{
	struct buf content = {0};
	jupyter_history_content(&content, pattern, n, unique);
	return ask(k, token, true, &content);
}

/* ---- answers ---- */

static size_t count_items(struct json_slice list)
{
	size_t n = 0;
	for (struct json_walk w = json_slice_walk(list); json_slice_next(&w);)
		n++;
	return n;
}

static size_t get_size(struct json_slice content, const char *key)
{
	int64_t v = 0;
	json_slice_i64(json_slice_get(content, key), &v);
	return v > 0 ? (size_t)v : 0;
}

struct item {
	const char *label, *kind;
};

/* The kind of a match from IPython's experimental list, which runs in step with the matches. */
static void fill_kinds(struct item *items, size_t n, struct json_slice metadata)
{
	size_t i = 0;
	struct json_walk w = json_slice_walk(json_slice_get(metadata, "_jupyter_types_experimental"));
	for (; i < n && json_slice_next(&w); i++) {
		char *kind = json_slice_strdup(json_slice_get(w.value, "type"));
		if (kind && *kind && strcmp(kind, "<unknown>") != 0)
			items[i].kind = kind;
		else
			free(kind);
	}
}

static void answer_completion(struct kernel *k, uint64_t token, struct json_slice content)
{
	struct json_slice matches = json_slice_get(content, "matches");
	size_t n = 0;
	struct item *items = xcalloc(count_items(matches) + 1, sizeof *items);
	for (struct json_walk w = json_slice_walk(matches); json_slice_next(&w);)
		if (json_slice_is_string(w.value))
			items[n++].label = json_slice_strdup(w.value);
	fill_kinds(items, n, json_slice_get(content, "metadata"));
	const struct kernel_completion c = {.items = (const void *)items,
					    .n = n,
					    .cursor_start = get_size(content, "cursor_start"),
					    .cursor_end = get_size(content, "cursor_end")};
	CALL(k, completion, token, NULL, &c);
	for (size_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)items[i].label);
		free((void *)(uintptr_t)items[i].kind);
	}
	free(items);
}

/* `[session, line, source]`, or with output asked for `[session, line, [source, output]]`. */
static bool read_entry(struct json_slice entry, struct kernel_history_entry *ret)
{
	struct json_slice part[3] = {{0}};
	size_t n = 0;
	for (struct json_walk w = json_slice_walk(entry); n < 3 && json_slice_next(&w);)
		part[n++] = w.value;
	if (json_slice_is_array(part[2])) {
		struct json_walk w = json_slice_walk(part[2]);
		if (json_slice_next(&w))
			part[2] = w.value;
	}
	int64_t session, line;
	if (!json_slice_i64(part[0], &session) || !json_slice_i64(part[1], &line) || !json_slice_is_string(part[2]))
		return false;
	*ret = (struct kernel_history_entry){
		.session = (int32_t)session, .line = (int32_t)line, .source = json_slice_strdup(part[2])};
	return true;
}

static void answer_history(struct kernel *k, uint64_t token, struct json_slice content)
{
	struct json_slice list = json_slice_get(content, "history");
	struct kernel_history_entry *entries = xcalloc(count_items(list) + 1, sizeof *entries);
	size_t n = 0;
	for (struct json_walk w = json_slice_walk(list); json_slice_next(&w);)
		n += read_entry(w.value, &entries[n]);
	CALL(k, history, token, NULL, entries, n);
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)entries[i].source);
	free(entries);
}

void kernel_answer(struct kernel *k, const struct jupyter_message *m)
{
	for (size_t i = 0; m->parent_id && i < k->questions.n; i++) {
		struct question *q = k->questions.p[i];
		if (strcmp(q->msg_id, m->parent_id) != 0)
			continue;
		uint64_t token = q->token;
		bool is_history = q->is_history;
		forget(q);
		if (is_history)
			answer_history(k, token, m->content);
		else
			answer_completion(k, token, m->content);
		return;
	}
}

/* ---- widget messages ---- */

/* Strings of a message's header; NULL when it is not usable. */
static const char *message_type(struct json_object *message)
{
	static const char *const allowed[] = {"comm_open", "comm_msg", "comm_close", "comm_info_request"};
	struct json_object *header;
	const char *type;
	if (json_get_object(message, "header", &header) < 0 || json_get_str(header, "msg_type", &type) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
		if (!strcmp(type, allowed[i]))
			return type;
	return NULL;
}

static struct comm_buffer read_buffer(struct json_object *numbers)
{
	size_t size = json_object_array_length(numbers), n = 0;
	uint8_t *p = xmalloc(size + 1);
	for (size_t i = 0; i < size; i++) {
		struct json_object *v = json_object_array_get_idx(numbers, i);
		if (json_object_is_type(v, json_type_int))
			p[n++] = (uint8_t)json_object_get_int64(v);
	}
	return (struct comm_buffer){p, n};
}

/* Arrays of numbers become bytes; what is something else is skipped (protocol.md 6.2). */
static struct comm_buffer *read_buffers(struct json_object *message, size_t *ret_n)
{
	struct json_object *list;
	*ret_n = 0;
	if (json_get_array(message, "buffers", &list) < 0)
		return NULL;
	size_t n = json_object_array_length(list);
	struct comm_buffer *buffers = xcalloc(n + 1, sizeof *buffers);
	for (size_t i = 0; i < n; i++) {
		struct json_object *numbers = json_object_array_get_idx(list, i);
		if (json_object_is_type(numbers, json_type_array))
			buffers[(*ret_n)++] = read_buffer(numbers);
	}
	return buffers;
}

static bool names_a_comm(struct json_object *message)
{
	struct json_object *content;
	const char *comm_id;
	return json_get_object(message, "content", &content) == 0 && json_get_str(content, "comm_id", &comm_id) == 0;
}

static void free_buffers(struct comm_buffer *buffers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)buffers[i].p);
	free(buffers);
}

static char *object_text(struct json_object *message, const char *key, size_t *ret_n)
{
	struct json_object *object;
	struct buf b = {0};
	if (json_get_object(message, key, &object) == 0)
		json_append(&b, object);
	else
		buf_append_str(&b, "{}");
	return buf_take(&b, ret_n);
}

/* Clients close comms without `data`, which kernels expect (W2). */
static void ensure_data(struct json_object *message, const char *type)
{
	struct json_object *content;
	if (!strcmp(type, "comm_info_request") || json_get_object(message, "content", &content) < 0)
		return;
	if (!json_get(content, "data"))
		json_object_object_add(content, "data", json_object_new_object());
}

static int refuse(char **ret_error, const char *why)
{
	*ret_error = xstrdup(why);
	return -EINVAL;
}

int kernel_send_comm(struct kernel *k, struct json_object *message, uint64_t sender, char **ret_error)
{
	const char *type = message_type(message), *msg_id = NULL;
	struct json_object *header;
	size_t n_buffers;
	if (!k->ready)
		return -ENOTCONN;
	if (!type)
		return refuse(ret_error, "Only comm messages can be sent to the kernel");
	if (json_get_object(message, "header", &header) == 0)
		json_get_str(header, "msg_id", &msg_id);
	if (strcmp(type, "comm_info_request") != 0 && !names_a_comm(message))
		return refuse(ret_error, "Failed to parse message: content without a comm_id");
	ensure_data(message, type);
	struct comm_buffer *buffers = read_buffers(message, &n_buffers);
	size_t content_n, metadata_n, parent_n;
	char *content = object_text(message, "content", &content_n);
	char *metadata = object_text(message, "metadata", &metadata_n);
	char *parent = object_text(message, "parent_header", &parent_n);
	const struct jupyter_request r = {.msg_type = type,
					  .msg_id = msg_id,
					  .content = content,
					  .content_n = content_n,
					  .metadata = metadata,
					  .parent = parent,
					  .buffers = buffers,
					  .n_buffers = n_buffers};
	int sent = child_send_raw(k->child, CHANNEL_SHELL, &r);
	if (sent == 0 && strcmp(type, "comm_info_request") != 0) {
		comm_store_apply(k->comms, type, content, content_n, buffers, n_buffers);
		CALL(k, comm, type, content, content_n, buffers, n_buffers, sender);
		k->changed_in_batch = true;
		kernel_commit(k);
	}
	free(content);
	free(metadata);
	free(parent);
	free_buffers(buffers, n_buffers);
	if (sent < 0)
		return refuse(ret_error, "Failed to send the message to the kernel");
	return 0;
}
