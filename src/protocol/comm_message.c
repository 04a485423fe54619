#include "protocol/comm_message.h"

#include <errno.h>
#include <string.h>

#include "protocol/fields.h"

struct comm_header {
	const char *msg_id, *username, *session, *msg_type, *version;
};

#define H(member) FIELD(struct comm_header, member, FIELD_STR, FIELD_REQUIRED)
static const struct field header_fields[] = {
	H(msg_id), H(username), H(session), H(msg_type), H(version), FIELD_END,
};

static bool type_allowed(const char *s)
{
	return !strcmp(s, "comm_open") || !strcmp(s, "comm_msg") || !strcmp(s, "comm_close");
}

/* Numbers are reduced mod 256; what is no number is left out. */
static void buffer_collect(struct buf *out, struct json_object *numbers)
{
	size_t n = json_object_array_length(numbers);
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(numbers, i);
		if (json_object_is_type(v, json_type_int))
			buf_append_byte(out, (uint8_t)json_object_get_int64(v));
	}
}

static void buffers_collect(struct comm_message *m, struct json_object *list)
{
	size_t n = json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		if (!json_object_is_type(v, json_type_array))
			continue;
		struct buf bytes = {0};
		buffer_collect(&bytes, v);
		VEC_PUSH(&m->buffers, bytes);
	}
}

/* A parent that is no header counts as none. */
static struct json_object *parent_of(struct json_object *message)
{
	struct json_object *parent = json_get(message, "parent_header");
	struct comm_header h;
	return parent && fields_decode(header_fields, parent, &h, NULL, NULL) == 0 ? parent : NULL;
}

int comm_message_decode(struct json_object *message, struct comm_message *ret_message, const char **ret_why)
{
	struct comm_message m = {.header = json_get(message, "header")};
	struct comm_header h = {0};
	const char *why = NULL;
	if (fields_decode(header_fields, m.header, &h, NULL, NULL) < 0)
		why = "the header is missing or incomplete";
	else if (!type_allowed(h.msg_type))
		why = "only comm_open, comm_msg and comm_close may be sent";
	else if (!json_object_object_get_ex(message, "content", &m.content))
		why = "the content is missing";
	if (why) {
		if (ret_why)
			*ret_why = why;
		return -EINVAL;
	}
	m.msg_id = h.msg_id;
	m.msg_type = h.msg_type;
	m.parent_header = parent_of(message);
	json_get_object(message, "metadata", &m.metadata);
	struct json_object *list;
	if (json_get_array(message, "buffers", &list) == 0)
		buffers_collect(&m, list);
	*ret_message = m;
	return 0;
}

void comm_message_fini(struct comm_message *m)
{
	for (size_t i = 0; i < m->buffers.n; i++)
		buf_free(&m->buffers.p[i]);
	VEC_FREE(&m->buffers);
}
