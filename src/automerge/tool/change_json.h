/* Changes and single values as JSON text. */
#ifndef AUTOMERGE_TOOL_CHANGE_JSON_H
#define AUTOMERGE_TOOL_CHANGE_JSON_H
#include "automerge/automerge.h"
#include "base/buf.h"

/* `int`, `text`, ...: the names npm uses. */
const char *value_type_name(am_type t);
/* A scalar: numbers for counters and timestamps, an array for bytes, null for a
 * number JSON cannot write and for objects. */
void value_json_append(struct buf *out, const am_value *v);
/* Shortest decimal form that reads back as d; null unless finite. */
void f64_json_append(struct buf *out, double d);
void hashes_json_append(struct buf *out, const am_hash *h, size_t n);
/* One object: hash, actor, seq, startOp, time, message, deps, extra (hex, when
 * there are any); with `chunk` (the change's bytes) also ops. */
int change_json_append(struct buf *out, const am_change_info *info, const am_buf *chunk);
#endif
