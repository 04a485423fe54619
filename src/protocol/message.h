/* What all JSON messages share (protocol.md 1): borrowed strings, lists, and
 * the memory behind a decoded message.
 *
 * Every message is a flat structure: a tag and the fields of all variants. To
 * send, fill the tag and the fields that variant has (see the table in the .c
 * file); strings, lists and JSON values stay the caller's. To receive, decode
 * and later *_fini(): strings and JSON values are borrowed from the message
 * until then. Absent optional strings are NULL, absent optional numbers -1
 * unless said otherwise. Unknown keys are ignored; a string holding NUL is
 * refused like a value of the wrong type. */
#ifndef PROTOCOL_MESSAGE_H
#define PROTOCOL_MESSAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/vec.h"

struct strs {
	const char **p;
	size_t n;
};

struct bytes {
	const uint8_t *p;
	size_t n;
};

struct bytes_list {
	struct bytes *p;
	size_t n;
};

/* A cell in the queue; execution_id is NULL in what f98d384 sends. */
struct queue_entry {
	const char *cell_id;
	const char *execution_id;
};

struct queue_entries {
	struct queue_entry *p;
	size_t n;
};

/* The two shapes of a queue on the wire (protocol.md 16.4). */
enum queue_form {
	QUEUE_OBJECTS, /* {cell_id, execution_id}: 2.0.2 and later */
	QUEUE_STRINGS, /* bare cell ids: f98d384 */
};

/* What a decoded message owns; zero in a message built by hand. */
struct message_memory {
	struct json_object *json;
	VEC(void *) blocks;
};

void message_memory_free(struct message_memory *m);
#endif
