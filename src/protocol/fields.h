/* The codec behind all JSON messages: a message is a tag and, per tag, a table
 * of fields (key, kind, presence rule, where it lies in the structure). One
 * table serves both directions, so what is written is what is read. Internal
 * to this folder. */
#ifndef PROTOCOL_FIELDS_H
#define PROTOCOL_FIELDS_H
#include "protocol/message.h"

enum field_kind {
	FIELD_STR,         /* const char *; none = NULL */
	FIELD_BOOL,        /* bool */
	FIELD_I32,         /* int32_t */
	FIELD_I64,         /* int64_t; none = -1 */
	FIELD_U32,         /* uint32_t */
	FIELD_U64,         /* uint64_t */
	FIELD_F64,         /* double */
	FIELD_JSON,        /* struct json_object *, any value; NULL = null */
	FIELD_OBJECT,      /* struct json_object *, an object; none = NULL or {} */
	FIELD_STRS,        /* struct strs */
	FIELD_STRS_PTR,    /* struct strs *; none = NULL */
	FIELD_BYTES,       /* struct bytes, an array of numbers */
	FIELD_BYTES_LIST,  /* struct bytes_list */
	FIELD_QUEUE_ENTRY, /* struct queue_entry; none = no cell_id */
	FIELD_QUEUE,       /* struct queue_entries */
	FIELD_RECORD,      /* a structure in place; none = its first field, a string, is NULL */
	FIELD_RECORD_PTR,  /* pointer to one; none = NULL */
	FIELD_RECORDS,     /* struct { T *p; size_t n; } */
};

/* protocol.md 1. */
enum field_mode {
	FIELD_REQUIRED,     /* absent or null is an error */
	FIELD_OMIT,         /* absent or null = none; none is not written */
	FIELD_NULL,         /* absent or null = none; none is written as null */
	FIELD_DEFAULT,      /* absent = zero or empty, null is an error; always written */
	FIELD_DEFAULT_TRUE, /* the same for a bool that is true when absent */
	FIELD_READ_NULL,    /* read like FIELD_NULL, always written with its value */
};

struct field {
	const char *key; /* NULL ends a table */
	uint8_t kind, mode;
	uint16_t at;             /* offset in the structure */
	uint16_t size;           /* of a record that is allocated */
	const struct field *sub; /* fields of a record */
};

#define FIELD(type, member, kind, mode) {#member, kind, mode, offsetof(type, member), 0, NULL}
#define FIELD_AS(type, member, key, kind, mode) {key, kind, mode, offsetof(type, member), 0, NULL}
#define FIELD_SUB(type, member, kind, mode, size, sub) {#member, kind, mode, offsetof(type, member), size, sub}
#define FIELD_SUB_AS(type, member, key, kind, mode, size, sub) {key, kind, mode, offsetof(type, member), size, sub}
#define FIELD_END {0}

/* One value of the tag; its number is its place in the table. */
struct variant {
	const char *name;
	const struct field *fields; /* NULL = none */
};

struct message_kind {
	const char *tag;             /* the tag's key */
	const struct field *envelope; /* fields of all variants, before the tag; or NULL */
	const struct variant *variants;
	size_t n_variants;
	size_t tag_at, memory_at; /* offsets of the enum and of struct message_memory */
	size_t size;              /* of the structure */
};

#define MESSAGE_KIND(type, tag_member, tag_key, envelope, variants)                                                    \
	{tag_key, envelope, variants, sizeof(variants) / sizeof *(variants), offsetof(type, tag_member),               \
	 offsetof(type, memory), sizeof(type)}

/* 0, -EBADMSG, -ENOTSUP (tag unknown) or -EINVAL, as the public decoders say.
 * *ret_why (may be NULL) is set on -ENOTSUP and -EINVAL. */
int message_decode(const struct message_kind *kind, const void *p, size_t n, void *ret_message, char **ret_why);
void message_append(const struct message_kind *kind, struct buf *out, const void *message, enum queue_form form);
const char *message_tag_name(const struct message_kind *kind, unsigned tag);

/* Untagged structures. record must be zero; why may be NULL. */
int fields_decode(const struct field *fields, struct json_object *json, void *record, struct message_memory *memory,
	char **ret_why);
void fields_append_object(const struct field *fields, struct buf *out, const void *record, enum queue_form form);
/* The same without braces; *first says whether a comma is due. */
void fields_append(const struct field *fields, struct buf *out, const void *record, enum queue_form form, bool *first);
/* A whole JSON object into a structure without tag. */
int record_decode(const struct field *fields, const void *p, size_t n, void *record, struct message_memory *memory);
void *message_alloc(struct message_memory *m, size_t n, size_t size);
/* An array of numbers 0..255 in the shape FIELD_BYTES has. */
int bytes_decode(struct json_object *json, struct message_memory *memory, struct bytes *ret_bytes);
#endif
