/* Actor table: local index = order of first sight, never renumbered; `rank`
 * gives the order of the actor bytes. */
#ifndef AUTOMERGE_ACTOR_H
#define AUTOMERGE_ACTOR_H
#include "automerge/op.h"

struct am_actor {
	uint8_t *p;
	size_t n;
};
struct am_actors {
	AM_VEC(struct am_actor) v;
	uint32_t *rank;  /* by local index: position in byte order; changes when an actor is added */
	uint32_t *order; /* by rank: local index */
	size_t cap;      /* of rank and order */
};

void am_actors_fini(struct am_actors *t, const am_allocator *a);
/* AM_NONE when not there. */
uint32_t am_actors_find(const struct am_actors *t, const uint8_t *p, size_t n);
/* Finds or adds. */
int am_actors_intern(struct am_actors *t, const am_allocator *a, const uint8_t *p, size_t n, uint32_t *ret);
/* Forgets the actors added last, down to n of them (undo of a refused batch). */
void am_actors_truncate(struct am_actors *t, const am_allocator *a, size_t n);
/* Byte order of actor ids: memcmp, shorter prefix first. */
int am_actor_cmp(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n);

/* Lamport order: counter, then actor bytes. < 0, 0, > 0. */
static inline int am_id_cmp(const struct am_actors *t, am_id a, am_id b)
{
	if (a.ctr != b.ctr)
		return a.ctr < b.ctr ? -1 : 1;
	if (a.actor == b.actor || a.ctr == 0)
		return 0;
	return t->rank[a.actor] < t->rank[b.actor] ? -1 : 1;
}
#endif
