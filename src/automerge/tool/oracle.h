/* The driver behind the differential tests: one JSON request a line on standard
 * input, one JSON answer a line on standard output, in the same order.
 *
 * A request is {"op": NAME, ...}; an answer {"ok": VALUE} or {"error": TEXT,
 * "code": am_err}. Documents and sync states have names the caller chooses.
 * Objects are written `ctr@actorhex`, `_root`, or `$name` for one that an
 * earlier request made with "as": NAME. Scalars are {"t": type, "v": text}:
 * decimal text for numbers, 16 hex digits (the bits) for f64, base64 for bytes. */
#ifndef AUTOMERGE_TOOL_ORACLE_H
#define AUTOMERGE_TOOL_ORACLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "automerge/automerge.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"

#define ORACLE_E_REQUEST (-1000) /* the request itself is wrong; oracle.why says how */

struct oracle {
	struct map docs;    /* name -> am_doc */
	struct map syncs;   /* name -> am_sync */
	struct map handles; /* name -> object text */
	struct json_object *req;
	struct buf out; /* the value of "ok" */
	const char *why;
};

/* 0, an am_err or ORACLE_E_REQUEST; appends its value to o->out, or nothing for null. */
typedef int (*oracle_fn)(struct oracle *o);
struct oracle_op {
	const char *name;
	oracle_fn fn;
};
/* Each ends with a NULL name. */
extern const struct oracle_op oracle_doc_ops[], oracle_edit_ops[], oracle_read_ops[], oracle_sync_ops[],
	oracle_converge_ops[];

/* Parts of a request; 0, ORACLE_E_REQUEST, or for objects AM_E_NOT_FOUND. */
int oracle_bad(struct oracle *o, const char *why);
int oracle_doc(struct oracle *o, const char *key, am_doc **ret);
int oracle_sync(struct oracle *o, am_sync **ret);
/* Absent: *ret NULL and 0. */
void oracle_str(struct oracle *o, const char *key, const char **ret, size_t *ret_n);
int oracle_bytes(struct oracle *o, const char *key, struct buf *out);
int64_t oracle_int(struct oracle *o, const char *key, int64_t absent);
bool oracle_flag(struct oracle *o, const char *key);
/* An array of hex hashes, malloc()ed; absent: *ret NULL. */
int oracle_hashes(struct oracle *o, const char *key, am_hash **ret, size_t *ret_n);
int oracle_object(struct oracle *o, am_doc *doc, const char *key, am_objid *ret);
/* Bytes and strings of the value are in *hold. */
int oracle_value(struct json_object *json, struct buf *hold, am_value *ret);

/* Forgets all documents, sync states and handles. */
void oracle_reset(struct oracle *o);
/* Names a new document; frees an older one of that name. */
void oracle_keep_doc(struct oracle *o, const char *name, am_doc *doc);

/* Values for o->out. */
void oracle_put_base64(struct oracle *o, const void *p, size_t n);
void oracle_put_hash(struct oracle *o, const am_hash *h);
void oracle_put_id(struct buf *out, am_doc *doc, am_objid id);
/* Answers the object's text and keeps it under "as". */
void oracle_made(struct oracle *o, am_doc *doc, am_objid id);
void oracle_put_value(struct buf *out, const am_value *v);
/* All that is visible now, from the root. */
int oracle_dump(struct oracle *o, am_doc *doc);
#endif
