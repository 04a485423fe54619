/* The runtime-state document's frozen genesis (documents.md 6.2, in the order
 * of v2.0.8): one change, own actor, time 0, so that two rooms' state documents
 * merge (rooms.md 11.5 step 6). Its fields are projections of room state and
 * are written by the room layer. */
#ifndef NOTEBOOK_STATE_DOCUMENT_H
#define NOTEBOOK_STATE_DOCUMENT_H
#include "automerge/automerge.h"

#define STATE_GENESIS_ACTOR "runtimed:state:genesis"
#define STATE_GENESIS_HASH "69f5b999ca56ce0961f44ccddadb09b2433b07cfc84b8f58bb108a0d921c0eae"

/* A new state document; later edits carry `actor` (`runtimed:state:<8 hex>`). */
int state_document_new(const char *actor, am_doc **ret);
bool state_document_has_genesis(am_doc *doc);

/* Setters compare first and write only differences (6.3). *changed is set to
 * true when something was written and otherwise left alone; may be NULL. */
int state_put_str(am_doc *doc, am_objid map, const char *key, const char *s, bool *changed); /* NULL = null */
int state_put_bool(am_doc *doc, am_objid map, const char *key, bool b, bool *changed);
int state_put_int(am_doc *doc, am_objid map, const char *key, int64_t i, bool *changed);
int state_put_null(am_doc *doc, am_objid map, const char *key, bool *changed);
/* The list object is kept (6.3). */
int state_put_list(am_doc *doc, am_objid map, const char *key, const char *const *items, size_t n, bool *changed);
/* A map below a map, created when missing. */
int state_map(am_doc *doc, am_objid map, const char *key, am_objid *ret);
/* The same for a list. */
int state_list(am_doc *doc, am_objid map, const char *key, am_objid *ret);
/* A root map: kernel, queue, env, trust, executions, comms. */
int state_root(am_doc *doc, const char *key, am_objid *ret);
#endif
