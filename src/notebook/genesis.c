#include "notebook/genesis.h"

#include <string.h>

#include "base/bytes.h"

#define SEED_ACTOR "nteract:notebook-schema:v5"
#define SEED_MESSAGE "Seed nteract notebook schema"
#define SEED_SCHEMA_VERSION 5

/* schema_version, cells, metadata: three operations in this order, so that the
 * counters are 1, 2, 3 and then 4, 5, 6. */
static int write_roots(am_doc *doc, const char *actor, uint64_t version, const char *message)
{
	am_value v = {.type = AM_UINT, .u = version};
	am_objid map;
	int r;

	if ((r = am_set_actor(doc, actor, strlen(actor))) < 0 ||
	    (r = am_map_put(doc, AM_ROOT, "schema_version", 14, &v)) < 0 ||
	    (r = am_map_put_object(doc, AM_ROOT, "cells", 5, AM_MAP, &map)) < 0 ||
	    (r = am_map_put_object(doc, AM_ROOT, "metadata", 8, AM_MAP, &map)) < 0)
		return r;
	return am_commit(doc, message, message ? strlen(message) : 0, 0, NULL);
}

int genesis_write(am_doc *doc)
{
	int r = write_roots(doc, SEED_ACTOR, SEED_SCHEMA_VERSION, SEED_MESSAGE);

	return r < 0 ? r : write_roots(doc, GENESIS_ACTOR, NOTEBOOK_SCHEMA_VERSION, NULL);
}

static bool has(am_doc *doc, const char *hex)
{
	am_hash hash;

	return hex_decode(hash.b, sizeof hash.b, hex, strlen(hex)) == 0 && am_has_change(doc, &hash);
}

bool genesis_present(am_doc *doc)
{
	return has(doc, GENESIS_SEED_HASH) && has(doc, GENESIS_HASH);
}
