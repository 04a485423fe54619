/* The frozen beginning of every notebook document (design.md decision 4):
 *
 *  1. the three-op seed of today's clients (today.md 2.5): actor
 *     nteract:notebook-schema:v5, message, time 0, hash 5cb837a3...
 *  2. ours: actor runtimed:genesis, time 0, no message: schema_version 2 and
 *     new maps `cells` (counter 5) and `metadata` (counter 6), hash 7ad77aa1...
 *
 * So all documents share history, our maps out-rank every seed a client may
 * push, and any two of them merge to a union. */
#ifndef NOTEBOOK_GENESIS_H
#define NOTEBOOK_GENESIS_H
#include "automerge/automerge.h"

#define NOTEBOOK_SCHEMA_VERSION 2
#define GENESIS_SEED_HASH "5cb837a3e10c24a4107f4bf04260c35621ad8f003ec7fbcbe63407028a22f33b"
#define GENESIS_HASH "7ad77aa12163d13ba6c5fd1cfd767493898515bc7e93ae26dbb0abb411e0b973"
#define GENESIS_ACTOR "runtimed:genesis"

/* Both changes into an empty document; the actor is left at runtimed:genesis,
 * so the caller sets its own next. */
int genesis_write(am_doc *doc);
/* True when the document holds both changes. */
bool genesis_present(am_doc *doc);
#endif
