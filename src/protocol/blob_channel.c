#include "protocol/blob_channel.h"

#include <errno.h>

#include "protocol/fields.h"

static const struct field store[] = {
	FIELD(struct blob_request, media_type, FIELD_STR, FIELD_REQUIRED),
	FIELD_END,
};

static const struct variant actions[] = {
	[BLOB_STORE] = {"store", store},
	[BLOB_GET_PORT] = {"get_port", NULL},
};

static const struct message_kind kind = MESSAGE_KIND(struct blob_request, action, "action", NULL, actions);

int blob_request_decode(const void *p, size_t n, struct blob_request *ret_request)
{
	return message_decode(&kind, p, n, ret_request, NULL);
}

void blob_request_fini(struct blob_request *r)
{
	message_memory_free(&r->memory);
	*r = (struct blob_request){0};
}

void blob_request_append(struct buf *out, const struct blob_request *r)
{
	message_append(&kind, out, r, QUEUE_OBJECTS);
}

#define R(member, kind, mode) FIELD(struct blob_response, member, kind, mode)
static const struct field hash_fields[] = {R(hash, FIELD_STR, FIELD_REQUIRED), FIELD_END};
static const struct field port_fields[] = {R(port, FIELD_I32, FIELD_REQUIRED), FIELD_END};
static const struct field error_fields[] = {R(error, FIELD_STR, FIELD_REQUIRED), FIELD_END};

static const struct field all_fields[] = {
	R(hash, FIELD_STR, FIELD_OMIT),
	R(port, FIELD_I32, FIELD_OMIT),
	R(error, FIELD_STR, FIELD_OMIT),
	FIELD_END,
};

int blob_response_decode(const void *p, size_t n, struct blob_response *ret_response)
{
	struct blob_response r = {0};
	int e = record_decode(all_fields, p, n, &r, &r.memory);
	if (e < 0)
		return e;
	if (!r.hash + !r.port + !r.error != 2) {
		blob_response_fini(&r);
		return -EINVAL;
	}
	*ret_response = r;
	return 0;
}

void blob_response_fini(struct blob_response *r)
{
	message_memory_free(&r->memory);
	*r = (struct blob_response){0};
}

void blob_response_append(struct buf *out, const struct blob_response *r)
{
	const struct field *fields = r->error ? error_fields : r->hash ? hash_fields : port_fields;
	fields_append_object(fields, out, r, QUEUE_OBJECTS);
}
