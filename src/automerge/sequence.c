#include "automerge/sequence.h"

#include <assert.h>

enum tree_kind { TREE_SEQ, TREE_INDEX };

static struct am_node *node_at(const struct am_ops *ops, uint32_t i)
{
	return &ops->node.p[i];
}

static uint32_t node_new(struct am_ops *ops, bool leaf)
{
	uint32_t i = ops->free_node;
	struct am_node *x;

	if (i != AM_NONE) {
		ops->free_node = ops->node.p[i].next;
	} else {
		assert(ops->node.n < ops->node.cap);
		i = (uint32_t)ops->node.n++;
	}
	x = node_at(ops, i);
	x->parent = x->next = x->prev = AM_NONE;
	x->n = 0;
	x->leaf = leaf;
	return i;
}

static void node_free(struct am_ops *ops, uint32_t i)
{
	ops->node.p[i].next = ops->free_node;
	ops->free_node = i;
}

static unsigned node_slot(const struct am_node *x, uint32_t child)
{
	unsigned i = 0;

	while (x->slot[i] != child)
		i++;
	return i;
}

/* What the parent keeps about a node. */
static uint32_t node_sum(const struct am_node *x, enum tree_kind kind)
{
	uint32_t sum = 0;

	if (kind == TREE_INDEX)
		return x->w[0];
	for (unsigned i = 0; i < x->n; i++)
		sum += x->w[i];
	return sum;
}

static void refresh_up(struct am_ops *ops, uint32_t i, enum tree_kind kind)
{
	for (uint32_t p = node_at(ops, i)->parent; p != AM_NONE; i = p, p = node_at(ops, p)->parent) {
		struct am_node *x = node_at(ops, p);
		unsigned k = node_slot(x, i);
		uint32_t sum = node_sum(node_at(ops, i), kind);
		if (x->w[k] == sum)
			return;
		x->w[k] = sum;
	}
}

/* Tells the entry at `slot` of node i where it now lives. */
static void adopt(struct am_ops *ops, uint32_t i, uint32_t slot, enum tree_kind kind)
{
	if (!node_at(ops, i)->leaf)
		node_at(ops, slot)->parent = i;
	else if (kind == TREE_SEQ)
		ops->span.p[slot].leaf = i;
}

/* Makes a right neighbour of full node i. Half of the entries move, or none when
 * the next one is appended at the very end (then nodes stay full). */
static uint32_t node_split(struct am_ops *ops, uint32_t i, unsigned at, enum tree_kind kind)
{
	uint32_t r = node_new(ops, node_at(ops, i)->leaf);
	struct am_node *x = node_at(ops, i), *y = node_at(ops, r);
	unsigned keep = at == AM_NODE_MAX && x->next == AM_NONE ? AM_NODE_MAX : AM_NODE_MAX / 2;

	y->n = (uint8_t)(AM_NODE_MAX - keep);
	memcpy(y->slot, x->slot + keep, y->n * sizeof *y->slot);
	memcpy(y->w, x->w + keep, y->n * sizeof *y->w);
	x->n = (uint8_t)keep;
	for (unsigned k = 0; k < y->n; k++)
		adopt(ops, r, y->slot[k], kind);
	y->next = x->next;
	y->prev = i;
	if (x->next != AM_NONE)
		node_at(ops, x->next)->prev = r;
	x->next = r;
	return r;
}

static void node_put(struct am_ops *ops, uint32_t i, unsigned at, uint32_t slot, uint32_t w, enum tree_kind kind)
{
	struct am_node *x = node_at(ops, i);

	memmove(x->slot + at + 1, x->slot + at, (x->n - at) * sizeof *x->slot);
	memmove(x->w + at + 1, x->w + at, (x->n - at) * sizeof *x->w);
	x->slot[at] = slot;
	x->w[at] = w;
	x->n++;
	adopt(ops, i, slot, kind);
}

static void note_height(struct am_ops *ops, uint32_t root)
{
	uint32_t h = 0;

	for (uint32_t i = root; !node_at(ops, i)->leaf; i = node_at(ops, i)->slot[0])
		h++;
	if (h > ops->height)
		ops->height = h;
}

static void tree_put(struct am_ops *ops, uint32_t *root, uint32_t i, unsigned at, uint32_t slot, uint32_t w,
		     enum tree_kind kind)
{
	uint32_t r, p;
	unsigned k;

	if (node_at(ops, i)->n < AM_NODE_MAX) {
		node_put(ops, i, at, slot, w, kind);
		refresh_up(ops, i, kind);
		return;
	}
	r = node_split(ops, i, at, kind);
	k = node_at(ops, i)->n;
	if (at > k || k == AM_NODE_MAX)
		node_put(ops, r, at - k, slot, w, kind);
	else
		node_put(ops, i, at, slot, w, kind);
	p = node_at(ops, i)->parent;
	if (p == AM_NONE) {
		p = *root = node_new(ops, false);
		node_put(ops, p, 0, i, 0, kind);
		note_height(ops, p);
	}
	k = node_slot(node_at(ops, p), i);
	node_at(ops, p)->w[k] = node_sum(node_at(ops, i), kind);
	tree_put(ops, root, p, k + 1, r, node_sum(node_at(ops, r), kind), kind);
}

static void tree_take(struct am_ops *ops, uint32_t *root, uint32_t i, unsigned at, enum tree_kind kind)
{
	struct am_node *x = node_at(ops, i);
	uint32_t p = x->parent;

	x->n--;
	memmove(x->slot + at, x->slot + at + 1, (x->n - at) * sizeof *x->slot);
	memmove(x->w + at, x->w + at + 1, (x->n - at) * sizeof *x->w);
	if (x->n) {
		refresh_up(ops, i, kind);
		return;
	}
	if (x->prev != AM_NONE)
		node_at(ops, x->prev)->next = x->next;
	if (x->next != AM_NONE)
		node_at(ops, x->next)->prev = x->prev;
	node_free(ops, i);
	if (p == AM_NONE)
		*root = AM_NONE;
	else
		tree_take(ops, root, p, node_slot(node_at(ops, p), i), kind);
}

static uint32_t edge_leaf(const struct am_ops *ops, uint32_t i, bool last)
{
	while (i != AM_NONE && !node_at(ops, i)->leaf)
		i = node_at(ops, i)->slot[last ? node_at(ops, i)->n - 1 : 0];
	return i;
}

/* ---- sequences ---- */

/* Most texts are one run: a sequence of one span has no node. Its root names the
 * span, and the span no leaf. */
static uint32_t alone_span(uint32_t root)
{
	return root & ~AM_SEQ_ALONE;
}

/* The node such a sequence needs for its second span. */
static void plant(struct am_ops *ops, uint32_t *root)
{
	uint32_t s = alone_span(*root);

	*root = node_new(ops, true);
	node_put(ops, *root, 0, s, am_elem_width(ops, &ops->span.p[s]), TREE_SEQ);
}

void am_seq_insert(struct am_ops *ops, uint32_t obj, uint32_t after, uint32_t s)
{
	struct am_obj *o = &ops->obj.p[obj];
	uint32_t leaf, w = am_elem_width(ops, &ops->span.p[s]);
	unsigned at = 0;

	o->s.cache = AM_NONE;
	if (o->s.root == AM_NONE && s < AM_SEQ_ALONE - 1) {
		o->s.root = s | AM_SEQ_ALONE;
		ops->span.p[s].leaf = AM_NONE;
		return;
	}
	if (o->s.root == AM_NONE)
		o->s.root = node_new(ops, true);
	else if (am_seq_is_alone(o->s.root))
		plant(ops, &o->s.root);
	if (after == AM_NONE) {
		leaf = edge_leaf(ops, o->s.root, false);
	} else {
		leaf = ops->span.p[after].leaf;
		at = node_slot(node_at(ops, leaf), after) + 1;
	}
	tree_put(ops, &o->s.root, leaf, at, s, w, TREE_SEQ);
}

void am_seq_remove(struct am_ops *ops, uint32_t obj, uint32_t s)
{
	struct am_obj *o = &ops->obj.p[obj];
	uint32_t leaf = ops->span.p[s].leaf;

	o->s.cache = AM_NONE;
	if (am_seq_is_alone(o->s.root)) {
		o->s.root = AM_NONE;
		return;
	}
	tree_take(ops, &o->s.root, leaf, node_slot(node_at(ops, leaf), s), TREE_SEQ);
}

void am_seq_update(struct am_ops *ops, uint32_t obj, uint32_t s)
{
	uint32_t i = ops->span.p[s].leaf, w = am_elem_width(ops, &ops->span.p[s]), delta;
	struct am_node *x;
	unsigned k;

	if (i == AM_NONE) { /* alone: its width is looked up when needed */
		ops->obj.p[obj].s.cache = AM_NONE;
		return;
	}
	x = node_at(ops, i);
	k = node_slot(x, s);
	delta = w - x->w[k]; /* modulo 2^32, also when it shrinks */
	if (delta == 0)
		return;
	ops->obj.p[obj].s.cache = AM_NONE;
	x->w[k] = w;
	for (uint32_t p = x->parent; p != AM_NONE; i = p, p = x->parent) {
		x = node_at(ops, p);
		x->w[node_slot(x, i)] += delta;
	}
}

uint32_t am_seq_first(const struct am_ops *ops, uint32_t obj)
{
	uint32_t root = ops->obj.p[obj].s.root, leaf;

	if (am_seq_is_alone(root))
		return alone_span(root);
	leaf = edge_leaf(ops, root, false);
	return leaf == AM_NONE ? AM_NONE : node_at(ops, leaf)->slot[0];
}

uint32_t am_seq_first_leaf(const struct am_ops *ops, uint32_t obj)
{
	return edge_leaf(ops, ops->obj.p[obj].s.root, false);
}

void am_seq_prefetch(const struct am_ops *ops, uint32_t leaf)
{
	if (leaf == AM_NONE)
		return;
	for (unsigned k = 0; k < node_at(ops, leaf)->n; k++)
		am_span_prefetch(ops, node_at(ops, leaf)->slot[k]);
}

uint32_t am_seq_last(const struct am_ops *ops, uint32_t obj)
{
	uint32_t root = ops->obj.p[obj].s.root, leaf;

	if (am_seq_is_alone(root))
		return alone_span(root);
	leaf = edge_leaf(ops, root, true);
	return leaf == AM_NONE ? AM_NONE : node_at(ops, leaf)->slot[node_at(ops, leaf)->n - 1];
}

uint32_t am_seq_next(const struct am_ops *ops, uint32_t s)
{
	const struct am_node *x;
	unsigned k;

	if (ops->span.p[s].leaf == AM_NONE)
		return AM_NONE;
	x = node_at(ops, ops->span.p[s].leaf);
	k = node_slot(x, s) + 1;
	if (k < x->n)
		return x->slot[k];
	return x->next == AM_NONE ? AM_NONE : node_at(ops, x->next)->slot[0];
}

uint32_t am_seq_prev(const struct am_ops *ops, uint32_t s)
{
	const struct am_node *x;
	unsigned k;

	if (ops->span.p[s].leaf == AM_NONE)
		return AM_NONE;
	x = node_at(ops, ops->span.p[s].leaf);
	k = node_slot(x, s);
	if (k > 0)
		return x->slot[k - 1];
	if (x->prev == AM_NONE)
		return AM_NONE;
	x = node_at(ops, x->prev);
	return x->slot[x->n - 1];
}

size_t am_seq_width(const struct am_ops *ops, uint32_t obj)
{
	uint32_t root = ops->obj.p[obj].s.root;

	if (am_seq_is_alone(root))
		return am_elem_width(ops, &ops->span.p[alone_span(root)]);
	return root == AM_NONE ? 0 : node_sum(node_at(ops, root), TREE_SEQ);
}

uint32_t am_seq_find(struct am_ops *ops, uint32_t obj, size_t pos, size_t *ret_start)
{
	struct am_obj *o = &ops->obj.p[obj];
	uint32_t i = o->s.root;
	size_t start = 0;

	if (o->s.cache != AM_NONE && pos >= o->s.cache_pos &&
	    pos - o->s.cache_pos < am_elem_width(ops, &ops->span.p[o->s.cache])) {
		*ret_start = o->s.cache_pos;
		return o->s.cache;
	}
	if (am_seq_is_alone(i)) {
		if (pos >= am_elem_width(ops, &ops->span.p[alone_span(i)]))
			return AM_NONE;
		*ret_start = 0;
		return alone_span(i);
	}
	while (i != AM_NONE) {
		const struct am_node *x = node_at(ops, i);
		unsigned k = 0;
		while (k < x->n && pos - start >= x->w[k])
			start += x->w[k++];
		if (k == x->n)
			return AM_NONE;
		i = x->slot[k];
		if (x->leaf) {
			*ret_start = start;
			am_seq_remember(ops, obj, i, start);
			return i;
		}
	}
	return AM_NONE;
}

size_t am_seq_position(const struct am_ops *ops, uint32_t s)
{
	uint32_t i = ops->span.p[s].leaf, from = s;
	size_t pos = 0;

	for (; i != AM_NONE; from = i, i = node_at(ops, i)->parent) {
		const struct am_node *x = node_at(ops, i);
		for (unsigned k = 0; x->slot[k] != from; k++)
			pos += x->w[k];
	}
	return pos;
}

uint64_t am_seq_rank(const struct am_ops *ops, uint32_t s)
{
	uint32_t i = ops->span.p[s].leaf, from = s;
	uint64_t rank = 0;

	for (unsigned shift = 0; i != AM_NONE; from = i, i = node_at(ops, i)->parent, shift += 4)
		rank |= (uint64_t)node_slot(node_at(ops, i), from) << shift;
	return rank;
}

/* ---- index ---- */

/* Number of entries of x with w <= ctr. */
static unsigned node_upto(const struct am_node *x, uint32_t ctr)
{
	unsigned k = x->n;

	while (k > 0 && x->w[k - 1] > ctr)
		k--;
	return k;
}

static uint32_t index_leaf(const struct am_ops *ops, uint32_t i, uint32_t ctr)
{
	while (i != AM_NONE && !node_at(ops, i)->leaf) {
		const struct am_node *x = node_at(ops, i);
		unsigned k = node_upto(x, ctr);
		i = x->slot[k ? k - 1 : 0];
	}
	return i;
}

bool am_index_floor(const struct am_ops *ops, uint32_t root, uint32_t ctr, uint32_t *ret_ctr, uint32_t *ret_span)
{
	uint32_t i = index_leaf(ops, root, ctr);
	const struct am_node *x;
	unsigned k;

	if (i == AM_NONE)
		return false;
	x = node_at(ops, i);
	k = node_upto(x, ctr);
	if (k == 0)
		return false;
	*ret_ctr = x->w[k - 1];
	*ret_span = x->slot[k - 1];
	return true;
}

bool am_index_above(const struct am_ops *ops, uint32_t root, uint32_t ctr, uint32_t *ret_ctr, uint32_t *ret_span)
{
	uint32_t i = index_leaf(ops, root, ctr);
	const struct am_node *x;
	unsigned k;

	if (i == AM_NONE)
		return false;
	x = node_at(ops, i);
	k = node_upto(x, ctr);
	if (k == x->n) {
		if (x->next == AM_NONE)
			return false;
		x = node_at(ops, x->next);
		k = 0;
	}
	*ret_ctr = x->w[k];
	*ret_span = x->slot[k];
	return true;
}

size_t am_index_nodes(size_t n)
{
	size_t sum = 0;

	do {
		n = (n + AM_NODE_MAX - 1) / AM_NODE_MAX;
		sum += n;
	} while (n > 1);
	return sum;
}

/* One more node at the end of its level. */
static uint32_t level_node(struct am_ops *ops, bool leaf, uint32_t before)
{
	uint32_t i = node_new(ops, leaf);

	node_at(ops, i)->prev = before;
	if (before != AM_NONE)
		node_at(ops, before)->next = i;
	return i;
}

/* The nodes from `first` on along their level get parents. Returns the first of these. */
static uint32_t index_level(struct am_ops *ops, uint32_t first)
{
	uint32_t p = AM_NONE, top = AM_NONE;

	for (uint32_t i = first; i != AM_NONE; i = node_at(ops, i)->next) {
		struct am_node *x;

		if (p == AM_NONE || node_at(ops, p)->n == AM_NODE_MAX)
			p = level_node(ops, false, p);
		if (top == AM_NONE)
			top = p;
		x = node_at(ops, p);
		x->slot[x->n] = i;
		x->w[x->n++] = node_at(ops, i)->w[0];
		node_at(ops, i)->parent = p;
	}
	return top;
}

void am_index_build(struct am_ops *ops, uint32_t *root, const struct am_keyed *v, size_t n)
{
	uint32_t leaf = AM_NONE, top = AM_NONE;

	for (size_t i = 0; i < n; i++) {
		struct am_node *x;

		if (i % AM_NODE_MAX == 0)
			leaf = level_node(ops, true, leaf);
		if (i == 0)
			top = leaf;
		x = node_at(ops, leaf);
		x->slot[x->n] = v[i].a;
		x->w[x->n++] = (uint32_t)v[i].key;
	}
	while (top != AM_NONE && node_at(ops, top)->next != AM_NONE)
		top = index_level(ops, top);
	*root = top;
	if (top != AM_NONE)
		note_height(ops, top);
}

void am_index_add(struct am_ops *ops, uint32_t *root, uint32_t ctr, uint32_t span)
{
	uint32_t i;

	if (*root == AM_NONE)
		*root = node_new(ops, true);
	i = index_leaf(ops, *root, ctr);
	tree_put(ops, root, i, node_upto(node_at(ops, i), ctr), span, ctr, TREE_INDEX);
}

void am_index_del(struct am_ops *ops, uint32_t *root, uint32_t ctr)
{
	uint32_t i = index_leaf(ops, *root, ctr);
	unsigned k = node_upto(node_at(ops, i), ctr);

	assert(k && node_at(ops, i)->w[k - 1] == ctr);
	tree_take(ops, root, i, k - 1, TREE_INDEX);
}

void am_index_move(struct am_ops *ops, uint32_t root, uint32_t ctr, uint32_t to, uint32_t span)
{
	uint32_t i = index_leaf(ops, root, ctr);
	struct am_node *x = node_at(ops, i);
	unsigned k = node_upto(x, ctr);

	assert(k && x->w[k - 1] == ctr);
	x->w[k - 1] = to;
	x->slot[k - 1] = span;
	if (k == 1)
		refresh_up(ops, i, TREE_INDEX);
}
