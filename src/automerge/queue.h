/* Changes that wait for dependencies ("orphans"): hash index, dependency
 * counters, waiting lists; nothing scans the queue. */
#ifndef AUTOMERGE_QUEUE_H
#define AUTOMERGE_QUEUE_H
#include "automerge/op.h"

struct am_orphan {
	am_change c;       /* owned; ops parsed, not yet resolved */
	uint32_t missing;  /* dependencies not applied yet (with multiplicity) */
	uint64_t age;      /* arrival number; oldest dropped first */
	bool fresh;        /* came with the batch that is being applied */
	struct am_orphan *prev, *next; /* by age */
	struct am_orphan *chain;       /* hash bucket */
};
struct am_queue {
	struct am_orphan **bucket;
	size_t n_buckets, n;
	struct am_orphan *oldest, *newest;
	uint64_t age;
};

struct am_orphan *am_queue_find(const struct am_queue *q, const am_hash *h);
void am_queue_fini(am_doc *doc);
#endif
