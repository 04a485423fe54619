/* The blob channel (protocol.md 10.2): requests are JSON, `store` is followed by
 * one raw frame with the bytes, replies are JSON without a tag. */
#ifndef PROTOCOL_BLOB_CHANNEL_H
#define PROTOCOL_BLOB_CHANNEL_H
#include "protocol/message.h"

enum blob_action {
	BLOB_STORE, /* media_type; the next frame is the content */
	BLOB_GET_PORT,
};

struct blob_request {
	enum blob_action action;
	const char *media_type;
	struct message_memory memory;
};

/* Exactly one of the three is there. */
struct blob_response {
	const char *hash; /* 64 lower-case digits */
	int32_t port;     /* 0 = not this one */
	const char *error;
	struct message_memory memory;
};

/* -EBADMSG not a JSON object, -ENOTSUP unknown action, -EINVAL a bad field. */
int blob_request_decode(const void *p, size_t n, struct blob_request *ret_request);
void blob_request_fini(struct blob_request *r);
void blob_request_append(struct buf *out, const struct blob_request *r);
int blob_response_decode(const void *p, size_t n, struct blob_response *ret_response);
void blob_response_fini(struct blob_response *r);
void blob_response_append(struct buf *out, const struct blob_response *r);
#endif
