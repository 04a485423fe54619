/* The change graph: one row per applied change in application order (so
 * dependencies have smaller rows), hash index, heads, per-actor sequences. */
#ifndef AUTOMERGE_GRAPH_H
#define AUTOMERGE_GRAPH_H
#include "automerge/op.h"

/* What most changes do not have; rows without one have a single dependency (or none). */
struct am_row_more {
	int64_t time;
	uint32_t message; /* into graph.texts, AM_NONE = empty */
	uint32_t list;    /* into graph.lists; AM_NONE = the row before is the only dependency, no extra bytes */
};
struct am_text { uint32_t off, n; }; /* into graph.bytes */
/* Rows of one author, each depending on the one before it alone, with the same
 * number of operations and no counter left out: typing. Row i of a run has
 * sequence number seq + i and first operation start_op + i * op_count. */
struct am_row_run {
	uint32_t row;      /* the first one; the run ends where the next begins */
	uint32_t seq, start_op, op_count;
	uint32_t dep;      /* of the first row, AM_NONE = none; has_more: its index in graph.more */
	uint32_t actor : 31, has_more : 1; /* every row has more, one after the other, or none has */
};
/* Which run a row is in, for 64 rows: bit = a run begins here. */
struct am_row_block {
	uint64_t starts;
	uint32_t before; /* runs begun before this block */
};
/* Rows from here on (that have no more) have this time. */
struct am_time_run { uint32_t row, time; };

/* One row as it is read. */
struct am_row {
	uint32_t actor, seq;
	uint32_t start_op, op_count;
};
static inline uint32_t am_row_max_op(const struct am_row *r) { return r->start_op + r->op_count - 1; }

/* The rows of one actor: run i begins with sequence number `seq` at row `row`, both
 * going up by one until the next. */
struct am_seq_run { uint32_t seq, row; };
struct am_seqs {
	struct am_seq_run *p;
	size_t n, cap;
	uint32_t count;  /* changes of the actor */
	bool has_author; /* an author footer was seen (crate 0.12) */
};

struct am_cached { uint8_t *p; uint32_t n; };

struct am_graph {
	AM_VEC(am_hash) hash;           /* by row; all zero while not known */
	size_t unhashed;                /* rows below came from a file that was trusted: only heads have hashes */
	AM_VEC(struct am_row_run) run;
	AM_VEC(struct am_row_block) block;
	AM_VEC(struct am_time_run) time;
	AM_VEC(struct am_row_more) more;
	AM_VEC(uint32_t) lists;         /* each: extra bytes (into texts), number of dependencies, their rows */
	AM_VEC(uint8_t) bytes;          /* messages and extra bytes, each kept once */
	AM_VEC(struct am_text) texts;
	AM_VEC(uint32_t) text_slot;     /* open addressing on their bytes; AM_NONE = free */
	uint32_t *slot;                 /* open addressing on the first hash bytes; AM_NONE = free */
	size_t n_slots;
	AM_VEC(am_hash) heads;          /* sorted */
	AM_VEC(uint32_t) head_rows;     /* same order */
	AM_VEC(struct am_seqs) actor;   /* by local actor index; may be shorter than the actor table */
	AM_VEC(uint8_t) flag;           /* two bits a row: scratch of walks, all zero between them */
	AM_VEC(uint32_t) heap, touched; /* scratch of walks */
	/* Plain chunks of the newest rows: cached[i] belongs to row cache_first + i. */
	AM_VEC(struct am_cached) cached;
	size_t cache_head;              /* entries before this one are evicted */
	size_t cache_first, cache_bytes;
};

/* Greatest operation counter and sequence number per actor in the ancestors of
 * some heads; index = local actor, actors past n: nothing covered. */
typedef struct am_clock {
	uint32_t *max_op; /* 0 = none */
	uint32_t *seq;
	size_t n;
} am_clock;
static inline bool am_clock_covers(const am_clock *c, am_id id)
{
	return id.actor < c->n && id.ctr <= c->max_op[id.actor];
}
/* AM_E_NOT_FOUND when a hash is not known. Free with am_clock_fini. */
int am_graph_clock(am_doc *doc, const am_hash *heads, size_t n, am_clock *ret);
void am_clock_fini(am_doc *doc, am_clock *c);

void am_graph_fini(struct am_graph *g, const am_allocator *a);
/* Row of a hash, AM_NONE when not known. */
uint32_t am_graph_find(const struct am_graph *g, const am_hash *h);
/* Row of (actor, seq), AM_NONE. */
uint32_t am_graph_by_seq(const struct am_graph *g, uint32_t actor, uint64_t seq);
static inline size_t am_graph_count(const struct am_graph *g) { return g->hash.n; }

/* ---- rows (graph_rows.c) ---- */

struct am_row am_graph_row(const struct am_graph *g, uint32_t row);
/* Dependencies of a row in the author's order; valid until the graph changes. */
struct am_row_deps {
	const uint32_t *list; /* NULL: `one` is the only one */
	uint32_t one;
	size_t n;
};
struct am_row_deps am_graph_deps(const struct am_graph *g, uint32_t row);
static inline uint32_t am_dep(const struct am_row_deps *d, size_t i) { return d->list ? d->list[i] : d->one; }
/* The same of a row whose `more` is at hand. */
struct am_row_deps am_graph_more_deps(const struct am_graph *g, uint32_t row, const struct am_row_more *m);
struct am_bytes am_graph_more_extra(const struct am_graph *g, const struct am_row_more *m);
int64_t am_graph_time(const struct am_graph *g, uint32_t row);
struct am_bytes am_graph_text(const struct am_graph *g, uint32_t i); /* i: into texts; AM_NONE: empty */
struct am_bytes am_graph_message(const struct am_graph *g, uint32_t row);
struct am_bytes am_graph_extra(const struct am_graph *g, uint32_t row);
/* First row behind run i. */
static inline uint32_t am_graph_run_end(const struct am_graph *g, size_t i)
{
	return i + 1 < g->run.n ? g->run.p[i + 1].row : (uint32_t)g->hash.n;
}
/* Changes of an actor; their greatest operation counter, 0 = none. */
uint32_t am_graph_seq_count(const struct am_graph *g, uint32_t actor);

static inline unsigned am_graph_flag(const struct am_graph *g, uint32_t row)
{
	return ((unsigned)g->flag.p[row >> 2] >> (row & 3) * 2) & 3u;
}
static inline void am_graph_set_flag(struct am_graph *g, uint32_t row, unsigned flag)
{
	unsigned shift = (row & 3) * 2;
	g->flag.p[row >> 2] = (uint8_t)((g->flag.p[row >> 2] & ~(3u << shift)) | (flag << shift));
}

/* Appends a change whose dependencies are all known. In two steps, so that
 * nothing fails after operations were applied: reserve, then add. */
int am_graph_reserve(am_doc *doc, const am_change *c);
void am_graph_add(am_doc *doc, const am_change *c);
void am_graph_verify(const am_doc *doc); /* debug (verify.c): heads, sequences, order; aborts when wrong */
/* Files that are trusted (graph_trust.c): rows appended in file order without
 * hashes, then the heads. Hashes of the others are computed when something asks
 * for one. */
/* AM_E_HEADS unless these are exactly the rows nobody depends on. */
int am_graph_trust_heads(am_doc *doc, const am_hash *heads, const uint32_t *rows, size_t n);
/* Hashes of all rows; AM_OK at once when they are known. AM_E_HEADS: the file was not to be trusted. */
int am_graph_complete_slow(am_doc *doc);
static inline int am_graph_complete(am_doc *doc, const struct am_graph *g)
{
	return g->unhashed ? am_graph_complete_slow(doc) : AM_OK;
}
/* Adds hash.p[row] to the hash index; room must have been made. */
void am_graph_index(struct am_graph *g, uint32_t row);
/* Room for the row of a change; and for n of them, without what is in c. */
int am_rows_reserve(const am_allocator *a, struct am_graph *g, const am_change *c);
/* Appends the row of a change (reserved before), heads and index untouched.
 * deps: rows of the dependencies, NULL = look them up. */
uint32_t am_graph_append(am_doc *doc, const am_change *c, const uint32_t *deps);
/* Forgets the rows from `rows` on. */
void am_rows_truncate(struct am_graph *g, size_t rows);
void am_texts_truncate(struct am_graph *g, size_t texts, size_t bytes);

/* Room in the hash index for the rows there are and n more. */
int am_graph_reserve_slots(struct am_graph *g, const am_allocator *a, size_t n);
/* After many rows were appended with their hashes (a document chunk): heads and
 * index of all. AM_E_FORMAT: a hash is there twice. */
int am_graph_fill_end(am_doc *doc);

/* Undo of a refused batch: the rows added since the mark are forgotten; cannot fail. */
struct am_graph_mark {
	size_t rows, more, lists, bytes, texts;
};
struct am_graph_mark am_graph_mark(const struct am_graph *g);
void am_graph_rewind(am_doc *doc, const struct am_graph_mark *m);

typedef AM_VEC(uint32_t) am_rows;
/* Rows that are not ancestors of (nor among) the given rows, ascending, into
 * *ret (appended to what is there). Costs the result and the frontier. */
int am_graph_since(am_doc *doc, const uint32_t *have, size_t n, am_rows *ret);
/* Same from hashes; unknown ones are skipped. */
int am_graph_since_hashes(am_doc *doc, const am_hash *have, size_t n, am_rows *ret);
/* Rows that are ancestors of, or among, the given ones, ascending. */
int am_graph_closure(am_doc *doc, const uint32_t *of, size_t n, am_rows *ret);

/* The plain chunk of a row: cached, or rebuilt from the operations. The bytes
 * are borrowed until the next call on the document. */
int am_graph_chunk(am_doc *doc, uint32_t row, struct am_bytes *ret);
/* Fills a change with the header fields of a row (no operations); message, deps
 * and extra are borrowed or in c's arena. */
int am_graph_header(am_doc *doc, uint32_t row, am_change *c);
/* Hands the bytes of the newest row to the cache (copied; failing is harmless). */
void am_graph_cache(am_doc *doc, const uint8_t *p, size_t n);
/* Empties the cache; chunks are rebuilt when asked for. */
void am_graph_uncache(struct am_graph *g, const am_allocator *a);

int am_hash_cmp(const void *a, const void *b); /* for qsort */
/* Sorts and removes duplicates; returns the new length. */
size_t am_hash_sort_unique(am_hash *h, size_t n);
size_t am_hash_lower(const am_hash *sorted, size_t n, const am_hash *h); /* first not below h */
bool am_hash_is_zero(const am_hash *h);
bool am_hash_in(const am_hash *sorted, size_t n, const am_hash *h);
#endif
