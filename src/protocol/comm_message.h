/* The `message` of a send_comm request (protocol.md 6.2). */
#ifndef PROTOCOL_COMM_MESSAGE_H
#define PROTOCOL_COMM_MESSAGE_H
#include "protocol/message.h"

/* Everything is borrowed from the request but the buffers, which this owns. */
struct comm_message {
	struct json_object *header;        /* as sent */
	const char *msg_id, *msg_type;     /* out of the header */
	struct json_object *parent_header; /* NULL = none */
	struct json_object *metadata;      /* NULL = {} */
	struct json_object *content;
	struct { struct buf *p; size_t n, cap; } buffers;
};

/* 0, or -EINVAL (*ret_why, a constant, says what is wrong). Only comm_open,
 * comm_msg and comm_close pass (protocol.md 15 no. 40). */
int comm_message_decode(struct json_object *message, struct comm_message *ret_message, const char **ret_why);
void comm_message_fini(struct comm_message *m);
#endif
