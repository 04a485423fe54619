#include "automerge/queue.h"

#include "automerge/change.h"
#include "automerge/internal.h"

static size_t hash_slot(const struct am_queue *q, const am_hash *h)
{
	uint64_t x;

	memcpy(&x, h->b, sizeof x);
	return (size_t)(x ^ x >> 32) & (q->n_buckets - 1);
}

static size_t seq_slot(const struct am_queue *q, const am_change *c)
{
	uint64_t x = c->seq * 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < c->actors[0].n; i++)
		x = (x ^ c->actors[0].p[i]) * 0x100000001b3u;
	return (size_t)(x ^ x >> 32) & (q->n_buckets - 1);
}

static bool same_actor(const am_change *a, const am_change *b)
{
	return am_actor_cmp(a->actors[0].p, a->actors[0].n, b->actors[0].p, b->actors[0].n) == 0;
}

int am_orphan_new(am_doc *doc, am_change *c, struct am_orphan **ret)
{
	struct am_orphan *o = am_mem_zalloc(&doc->a, sizeof *o);

	if (!o)
		return AM_E_NOMEM;
	o->wait = am_arena_array(&c->arena, c->n_deps, sizeof *o->wait);
	if (!o->wait) {
		am_mem_free(&doc->a, o);
		return AM_E_NOMEM;
	}
	memset(o->wait, 0, c->n_deps * sizeof *o->wait);
	o->c = *c;
	*ret = o;
	return AM_OK;
}

void am_orphan_free(am_doc *doc, struct am_orphan *o)
{
	am_change_fini(&o->c);
	am_mem_free(&doc->a, o);
}

struct am_orphan *am_queue_find(const struct am_queue *q, const am_hash *h)
{
	struct am_orphan *o;

	if (!q->n)
		return NULL;
	for (o = q->hash_bucket[hash_slot(q, h)]; o; o = o->by_hash)
		if (memcmp(&o->c.hash, h, sizeof *h) == 0)
			return o;
	return NULL;
}

struct am_orphan *am_queue_by_seq(const struct am_queue *q, const am_change *c)
{
	struct am_orphan *o;

	if (!q->n)
		return NULL;
	for (o = q->seq_bucket[seq_slot(q, c)]; o; o = o->by_seq)
		if (o->c.seq == c->seq && same_actor(&o->c, c))
			return o;
	return NULL;
}

/* ---- linking ---- */

static void link_hash(struct am_queue *q, struct am_orphan *o)
{
	size_t h = hash_slot(q, &o->c.hash), s = seq_slot(q, &o->c);

	o->by_hash = q->hash_bucket[h];
	q->hash_bucket[h] = o;
	o->by_seq = q->seq_bucket[s];
	q->seq_bucket[s] = o;
}

static void link_wait(struct am_queue *q, struct am_wait *w)
{
	size_t h = hash_slot(q, w->dep);

	w->next = q->wait_bucket[h];
	q->wait_bucket[h] = w;
}

static void unlink_wait(struct am_queue *q, struct am_wait *w)
{
	struct am_wait **at = &q->wait_bucket[hash_slot(q, w->dep)];

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
}

static int resize(am_doc *doc, size_t want)
{
	struct am_queue *q = &doc->queue;
	struct am_orphan **h = am_mem_zalloc(&doc->a, want * sizeof *h);
	struct am_orphan **s = am_mem_zalloc(&doc->a, want * sizeof *s);
	struct am_wait **w = am_mem_zalloc(&doc->a, want * sizeof *w), **old = q->wait_bucket, *x, *next;
	size_t n_old = q->n_buckets;

	if (!h || !s || !w) {
		am_mem_free(&doc->a, h);
		am_mem_free(&doc->a, s);
		am_mem_free(&doc->a, w);
		return AM_E_NOMEM;
	}
	am_mem_free(&doc->a, q->hash_bucket);
	am_mem_free(&doc->a, q->seq_bucket);
	q->hash_bucket = h;
	q->seq_bucket = s;
	q->wait_bucket = w;
	q->n_buckets = want;
	for (struct am_orphan *o = q->oldest; o; o = o->next)
		link_hash(q, o);
	for (size_t i = 0; i < n_old; i++)
		for (x = old[i]; x; x = next) {
			next = x->next;
			link_wait(q, x);
		}
	am_mem_free(&doc->a, old);
	return AM_OK;
}

int am_queue_reserve(am_doc *doc, size_t n_deps)
{
	struct am_queue *q = &doc->queue;
	size_t need = q->n + 1 > q->n_waits + n_deps ? q->n + 1 : q->n_waits + n_deps;
	size_t want = q->n_buckets ? q->n_buckets : 16;

	if (need <= q->n_buckets)
		return AM_OK;
	while (want < need)
		want *= 2;
	return resize(doc, want);
}

static void push_ready(struct am_ready *r, struct am_orphan *o)
{
	o->next_ready = NULL;
	o->ready = true;
	if (r->last)
		r->last->next_ready = o;
	else
		r->first = o;
	r->last = o;
}

struct am_orphan *am_ready_pop(struct am_ready *r)
{
	struct am_orphan *o = r->first;

	if (!o)
		return NULL;
	r->first = o->next_ready;
	if (!r->first)
		r->last = NULL;
	o->ready = false;
	return o;
}

void am_queue_wait(am_doc *doc, struct am_orphan *o)
{
	struct am_queue *q = &doc->queue;

	for (size_t i = 0; i < o->c.n_deps; i++) {
		struct am_wait *w = &o->wait[i];

		if (w->owner || am_graph_find(&doc->graph, &o->c.deps[i]) != AM_NONE)
			continue;
		*w = (struct am_wait){.owner = o, .dep = &o->c.deps[i]};
		link_wait(q, w);
		o->missing++;
		q->n_waits++;
	}
	o->ready = false;
}

void am_queue_add(am_doc *doc, struct am_orphan *o, struct am_ready *ready)
{
	struct am_queue *q = &doc->queue;

	am_queue_wait(doc, o);
	link_hash(q, o);
	o->next = NULL;
	o->prev = q->newest;
	if (q->newest)
		q->newest->next = o;
	else
		q->oldest = o;
	q->newest = o;
	q->n++;
	if (!o->missing)
		push_ready(ready, o);
}

void am_queue_remove(am_doc *doc, struct am_orphan *o)
{
	struct am_queue *q = &doc->queue;
	struct am_orphan **at = &q->hash_bucket[hash_slot(q, &o->c.hash)];

	while (*at != o)
		at = &(*at)->by_hash;
	*at = o->by_hash;
	for (at = &q->seq_bucket[seq_slot(q, &o->c)]; *at != o;)
		at = &(*at)->by_seq;
	*at = o->by_seq;
	for (size_t i = 0; i < o->c.n_deps; i++)
		if (o->wait[i].owner) {
			unlink_wait(q, &o->wait[i]);
			o->wait[i].owner = NULL;
			q->n_waits--;
		}
	if (o->prev)
		o->prev->next = o->next;
	else
		q->oldest = o->next;
	if (o->next)
		o->next->prev = o->prev;
	else
		q->newest = o->prev;
	q->n--;
}

void am_queue_release(am_doc *doc, const am_hash *h, struct am_ready *ready)
{
	struct am_queue *q = &doc->queue;
	struct am_wait **at, *w;
	struct am_orphan *o;

	if (!q->n_waits)
		return;
	for (at = &q->wait_bucket[hash_slot(q, h)]; (w = *at);) {
		if (memcmp(w->dep, h, sizeof *h) != 0) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		q->n_waits--;
		o = w->owner;
		w->owner = NULL;
		if (--o->missing == 0)
			push_ready(ready, o);
	}
}

void am_queue_fini(am_doc *doc)
{
	struct am_queue *q = &doc->queue;
	struct am_orphan *next;

	for (struct am_orphan *o = q->oldest; o; o = next) {
		next = o->next;
		am_orphan_free(doc, o);
	}
	am_mem_free(&doc->a, q->hash_bucket);
	am_mem_free(&doc->a, q->seq_bucket);
	am_mem_free(&doc->a, q->wait_bucket);
	*q = (struct am_queue){0};
}
