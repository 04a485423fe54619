/* JSON text <-> Automerge values, the mapping of documents.md 2.1: objects are
 * maps, arrays lists, strings scalar strings, integers Int (Uint above the i64
 * range), other numbers F64, NaN and numbers too big for a double null. Counters,
 * timestamps and bytes are never written; read, they vanish from maps and are
 * null in lists. Text objects read as strings. */
#ifndef NOTEBOOK_VALUE_H
#define NOTEBOOK_VALUE_H
#include "automerge/automerge.h"
#include "base/buf.h"
#include "notebook/json_text.h"

/* 0 or the negative errno that stands for a libautomerge error; running out of
 * memory ends the process as everywhere in the daemon. */
int am_errno(int am);

/* Writes value `node` to a key as new objects. */
int value_put(am_doc *doc, am_objid map, const char *key, size_t key_n, const struct json_tree *t, uint32_t node);
/* Turns what is at the key into `node` with the fewest operations: maps and
 * lists that are there are edited in place, equal values are left alone. */
int value_update(am_doc *doc, am_objid map, const char *key, size_t key_n, const struct json_tree *t, uint32_t node);
/* Makes the map at `map` equal to object `node`, in place. With keep_unknown,
 * keys that node lacks stay. */
int value_update_map(am_doc *doc, am_objid map, const struct json_tree *t, uint32_t node, bool keep_unknown);
int value_put_str(am_doc *doc, am_objid map, const char *key, const char *s, size_t n);

/* Appends compact JSON, keys sorted. Returns false, out untouched, for values
 * JSON has no form for (counters, ...). */
bool value_json(am_doc *doc, const am_view *view, const am_value *v, struct buf *out);
/* The same for what is at a key; -ENOENT when nothing (or nothing readable) is. */
int value_get_json(am_doc *doc, am_objid map, const char *key, struct buf *out);
/* A scalar Str: malloc()ed and NUL-terminated, or NULL. */
char *value_get_str(am_doc *doc, am_objid map, const char *key, size_t *ret_n);
/* An object of the given type at the key: -ENOENT or -EINVAL (of another type). */
int value_get_object(am_doc *doc, am_objid map, const char *key, am_type type, am_objid *ret);

/* A value of one document (with all below it) to a key of another. */
int value_copy(am_doc *src, const am_value *v, am_doc *dst, am_objid map, const char *key, size_t key_n);
/* Every member of a map into another document's map. */
int value_copy_map(am_doc *src, am_objid from, am_doc *dst, am_objid to);
#endif
