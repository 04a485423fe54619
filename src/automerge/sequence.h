/* B+trees over pools of am_ops. Two uses: the order of a sequence with sums of
 * widths (position <-> element in O(log spans), parent links, a remembered
 * position that makes typing O(1)), and the per-actor index counter -> span. */
#ifndef AUTOMERGE_SEQUENCE_H
#define AUTOMERGE_SEQUENCE_H
#include "automerge/radix.h"
#include "automerge/span.h"

/* ---- order of a sequence; widths in text units (lists: 1 per visible element) ---- */

/* Root of a sequence that is one span: this bit and the span (sequence.c). */
#define AM_SEQ_ALONE 0x80000000u
static inline bool am_seq_is_alone(uint32_t root) { return root != AM_NONE && root & AM_SEQ_ALONE; }

/* Places span s (its current width) behind span `after`; AM_NONE = at the front. */
void am_seq_insert(struct am_ops *ops, uint32_t obj, uint32_t after, uint32_t s);
void am_seq_remove(struct am_ops *ops, uint32_t obj, uint32_t s);
/* Stores the width of s as it is now. */
void am_seq_update(struct am_ops *ops, uint32_t obj, uint32_t s);
uint32_t am_seq_first(const struct am_ops *ops, uint32_t obj);
/* Node of the first spans; node.p[leaf].next leads to the others. Not for a single span. */
uint32_t am_seq_first_leaf(const struct am_ops *ops, uint32_t obj);
/* Asks the processor for the spans of a leaf (AM_NONE: of none) before they are needed. */
void am_seq_prefetch(const struct am_ops *ops, uint32_t leaf);
uint32_t am_seq_last(const struct am_ops *ops, uint32_t obj);
uint32_t am_seq_next(const struct am_ops *ops, uint32_t s);
uint32_t am_seq_prev(const struct am_ops *ops, uint32_t s);
size_t am_seq_width(const struct am_ops *ops, uint32_t obj);
/* The span covering unit pos, and where it starts; AM_NONE past the end. */
uint32_t am_seq_find(struct am_ops *ops, uint32_t obj, size_t pos, size_t *ret_start);
/* Units before s. */
size_t am_seq_position(const struct am_ops *ops, uint32_t s);
/* Order of spans of one sequence: comparable numbers, valid until the tree changes. */
uint64_t am_seq_rank(const struct am_ops *ops, uint32_t s);
static inline void am_seq_remember(struct am_ops *ops, uint32_t obj, uint32_t s, size_t pos)
{
	ops->obj.p[obj].s.cache = s;
	ops->obj.p[obj].s.cache_pos = (uint32_t)pos;
}

/* ---- index: counter -> span ---- */

/* Entry with the greatest counter <= ctr; false when there is none. */
bool am_index_floor(const struct am_ops *ops, uint32_t root, uint32_t ctr, uint32_t *ret_ctr, uint32_t *ret_span);
/* Entry with the smallest counter > ctr. */
bool am_index_above(const struct am_ops *ops, uint32_t root, uint32_t ctr, uint32_t *ret_ctr, uint32_t *ret_span);
/* A whole index from entries sorted by counter (low half of the key), a = span.
 * Takes am_index_nodes(n) nodes, for which there must be room. */
size_t am_index_nodes(size_t n);
void am_index_build(struct am_ops *ops, uint32_t *root, const struct am_keyed *v, size_t n);
void am_index_add(struct am_ops *ops, uint32_t *root, uint32_t ctr, uint32_t span);
void am_index_del(struct am_ops *ops, uint32_t *root, uint32_t ctr);
/* Entry ctr becomes to -> span; the order of entries stays. */
void am_index_move(struct am_ops *ops, uint32_t root, uint32_t ctr, uint32_t to, uint32_t span);
#endif
