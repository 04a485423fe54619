#include "protocol/message.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "protocol/fields.h"

#define MESSAGE_SIZE_MAX 2048 /* of any message structure */

void message_memory_free(struct message_memory *m)
{
	json_object_put(m->json);
	m->json = NULL;
	for (size_t i = 0; i < m->blocks.n; i++)
		free(m->blocks.p[i]);
	VEC_FREE(&m->blocks);
}

void *message_alloc(struct message_memory *m, size_t n, size_t size)
{
	if (!n)
		return NULL;
	void *p = xcalloc(n, size);
	VEC_PUSH(&m->blocks, p);
	return p;
}

static int tag_find(const struct message_kind *kind, struct json_object *json, unsigned *ret_tag, char **ret_why)
{
	const char *name;
	if (json_get_str(json, kind->tag, &name) < 0) {
		if (ret_why)
			*ret_why = xasprintf("missing field `%s`", kind->tag);
		return -EINVAL;
	}
	for (unsigned i = 0; i < kind->n_variants; i++)
		if (!strcmp(kind->variants[i].name, name)) {
			*ret_tag = i;
			return 0;
		}
	if (ret_why)
		*ret_why = xasprintf("unknown %s `%.64s`", kind->tag, name);
	return -ENOTSUP;
}

static int variant_decode(const struct message_kind *kind, struct json_object *json, char *message, char **ret_why)
{
	struct message_memory *memory = (struct message_memory *)(void *)(message + kind->memory_at);
	unsigned tag = 0;
	int r = tag_find(kind, json, &tag, ret_why);
	if (r < 0)
		return r;
	memcpy(message + kind->tag_at, &tag, sizeof tag);
	if (kind->envelope && (r = fields_decode(kind->envelope, json, message, memory, ret_why)) < 0)
		return r;
	if (!kind->variants[tag].fields)
		return 0;
	return fields_decode(kind->variants[tag].fields, json, message, memory, ret_why);
}

int message_decode(const struct message_kind *kind, const void *p, size_t n, void *ret_message, char **ret_why)
{
	alignas(max_align_t) char message[MESSAGE_SIZE_MAX] = {0};
	assert(kind->size <= sizeof message);
	struct json_object *json = json_parse(p, n);
	if (!json_object_is_type(json, json_type_object)) {
		json_object_put(json);
		return -EBADMSG;
	}
	struct message_memory *memory = (struct message_memory *)(void *)(message + kind->memory_at);
	memory->json = json;
	int r = variant_decode(kind, json, message, ret_why);
	if (r < 0) {
		message_memory_free(memory);
		return r;
	}
	memcpy(ret_message, message, kind->size);
	return 0;
}

void message_append(const struct message_kind *kind, struct buf *out, const void *message, enum queue_form form)
{
	unsigned tag;
	memcpy(&tag, (const char *)message + kind->tag_at, sizeof tag);
	assert(tag < kind->n_variants);
	bool first = true;
	buf_append_byte(out, '{');
	if (kind->envelope)
		fields_append(kind->envelope, out, message, form, &first);
	buf_printf(out, "%s\"%s\":\"%s\"", first ? "" : ",", kind->tag, kind->variants[tag].name);
	first = false;
	if (kind->variants[tag].fields)
		fields_append(kind->variants[tag].fields, out, message, form, &first);
	buf_append_byte(out, '}');
}

const char *message_tag_name(const struct message_kind *kind, unsigned tag)
{
	return tag < kind->n_variants ? kind->variants[tag].name : "?";
}

int record_decode(const struct field *fields, const void *p, size_t n, void *record, struct message_memory *memory)
{
	struct json_object *json = json_parse(p, n);
	if (!json_object_is_type(json, json_type_object)) {
		json_object_put(json);
		return -EBADMSG;
	}
	memory->json = json;
	int r = fields_decode(fields, json, record, memory, NULL);
	if (r < 0)
		message_memory_free(memory);
	return r;
}
