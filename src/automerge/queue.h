/* Changes that wait for dependencies ("orphans"): indexed by hash, by (actor,
 * sequence) and by what they wait for, so that nothing scans the queue. */
#ifndef AUTOMERGE_QUEUE_H
#define AUTOMERGE_QUEUE_H
#include "automerge/op.h"

/* One dependency a queued change lacks. */
struct am_wait {
	struct am_orphan *owner;
	const am_hash *dep;
	struct am_wait *next; /* bucket chain */
};
struct am_orphan {
	am_change c;         /* owned; checked alone; ids resolved once `resolved` is set */
	struct am_wait *wait; /* c.n_deps of them, in c's arena; the first `missing` slots may be linked */
	size_t missing;      /* dependencies not applied yet, with multiplicity */
	bool fresh;          /* came with the batch that is being applied */
	bool resolved, ready;
	struct am_orphan *prev, *next; /* by arrival */
	struct am_orphan *by_hash, *by_seq; /* bucket chains */
	struct am_orphan *next_ready;
};
struct am_queue {
	struct am_orphan **hash_bucket, **seq_bucket;
	struct am_wait **wait_bucket;
	size_t n_buckets, n;
	size_t n_waits;
	struct am_orphan *oldest, *newest;
};
/* First in, first out. */
struct am_ready {
	struct am_orphan *first, *last;
};

/* Takes over a parsed change (its arena moves). */
int am_orphan_new(am_doc *doc, am_change *c, struct am_orphan **ret);
void am_orphan_free(am_doc *doc, struct am_orphan *o);
struct am_orphan *am_queue_find(const struct am_queue *q, const am_hash *h);
/* A queued change with the same actor and sequence number (other than `but`). */
struct am_orphan *am_queue_by_seq(const struct am_queue *q, const am_change *c);
/* Room for one more change; am_queue_add then cannot fail. */
int am_queue_reserve(am_doc *doc, size_t n_deps);
/* Links o and counts what it lacks; goes to `ready` when that is nothing. */
void am_queue_add(am_doc *doc, struct am_orphan *o, struct am_ready *ready);
void am_queue_remove(am_doc *doc, struct am_orphan *o);
/* Waits again for what is not (or no longer) known; allocates nothing. */
void am_queue_wait(am_doc *doc, struct am_orphan *o);
/* A change became known: those that waited for nothing else become ready. */
void am_queue_release(am_doc *doc, const am_hash *h, struct am_ready *ready);
struct am_orphan *am_ready_pop(struct am_ready *r);
void am_queue_fini(am_doc *doc);
#endif
