#include "automerge/opset.h"

#include <assert.h>

#include "automerge/leb.h"
#include "automerge/sequence.h"
#include "automerge/span.h"
#include "automerge/text.h"
#include "base/utf8.h"

/* ---- life ---- */

static int add_root(am_doc *doc, struct am_ops *ops)
{
	int rc = am_vec_reserve(&doc->a, &ops->obj, 1);

	if (rc)
		return rc;
	ops->obj.p[0] = (struct am_obj){.span = AM_NONE, .type = AM_MAP, .sorted = true};
	ops->obj.p[0].m.first = ops->obj.p[0].m.last = AM_NONE;
	ops->obj.n = 1;
	return AM_OK;
}

int am_ops_new(am_doc *doc, struct am_ops **ret)
{
	struct am_ops *ops = am_mem_zalloc(&doc->a, sizeof *ops);

	if (!ops)
		return AM_E_NOMEM;
	ops->free_span = ops->free_node = ops->free_succ = ops->free_reg = AM_NONE;
	if (add_root(doc, ops)) {
		am_mem_free(&doc->a, ops);
		return AM_E_NOMEM;
	}
	*ret = ops;
	return AM_OK;
}

void am_ops_free(am_doc *doc, struct am_ops *ops)
{
	const am_allocator *a = &doc->a;

	if (!ops)
		return;
	am_load_free(a, ops->load);
	am_vec_free(a, &ops->span);
	am_vec_free(a, &ops->reg);
	am_vec_free(a, &ops->node);
	am_vec_free(a, &ops->obj);
	am_vec_free(a, &ops->succ);
	am_vec_free(a, &ops->sum);
	am_vec_free(a, &ops->key);
	am_vec_free(a, &ops->heap);
	am_vec_free(a, &ops->names);
	am_vec_free(a, &ops->actor);
	am_vec_free(a, &ops->undo);
	am_vec_free(a, &ops->refs);
	am_vec_free(a, &ops->order);
	am_mem_free(a, ops->reg_slot);
	am_mem_free(a, ops->obj_slot);
	am_mem_free(a, ops->key_slot);
	am_mem_free(a, ops);
}

uint32_t am_ops_max_counter(const am_doc *doc)
{
	return doc->ops->max;
}

size_t am_ops_count(const am_doc *doc)
{
	return doc->ops->count;
}

/* ---- hash tables of indices ---- */

static uint32_t mix(uint32_t a, uint32_t b)
{
	uint64_t x = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u;

	x ^= x >> 29;
	return (uint32_t)((x * 0xbf58476d1ce4e5b9u) >> 32);
}

static uint32_t bytes_hash(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return mix((uint32_t)(h >> 32), (uint32_t)h);
}

typedef uint32_t (*entry_hash)(const struct am_ops *ops, uint32_t entry);
static uint32_t reg_hash(const struct am_ops *ops, uint32_t i)
{
	return mix(ops->reg.p[i].obj, ops->reg.p[i].key);
}
static uint32_t obj_hash(const struct am_ops *ops, uint32_t i)
{
	return mix(ops->obj.p[i].id.ctr, ops->obj.p[i].id.actor);
}
static uint32_t key_hash(const struct am_ops *ops, uint32_t i)
{
	return ops->key.p[i].hash;
}

static void slot_put(uint32_t *slot, size_t n, uint32_t hash, uint32_t entry)
{
	size_t i = hash & (n - 1);

	while (slot[i] != AM_NONE)
		i = (i + 1) & (n - 1);
	slot[i] = entry;
}

/* Takes an entry out; those that had to step over its place move up. */
static void slot_drop(const struct am_ops *ops, uint32_t *slot, size_t n, uint32_t entry, entry_hash hash)
{
	size_t mask = n - 1, i = hash(ops, entry) & mask;

	while (slot[i] != entry)
		i = (i + 1) & mask;
	for (size_t j = (i + 1) & mask; slot[j] != AM_NONE; j = (j + 1) & mask) {
		if (((j - hash(ops, slot[j])) & mask) < ((j - i) & mask))
			continue;
		slot[i] = slot[j];
		i = j;
	}
	slot[i] = AM_NONE;
}

/* Keeps a table at most two thirds full with one more entry. */
static int slots_reserve(am_doc *doc, uint32_t **slot, size_t *n, size_t used, entry_hash hash)
{
	size_t want = *n ? *n * 2 : 16;
	uint32_t *p;

	if ((used + 2) * 3 <= *n * 2)
		return AM_OK;
	while ((used + 2) * 3 > want * 2)
		want *= 2;
	p = am_mem_realloc(&doc->a, NULL, want, sizeof *p);
	if (!p)
		return AM_E_NOMEM;
	memset(p, 0xff, want * sizeof *p);
	for (size_t i = 0; i < *n; i++)
		if ((*slot)[i] != AM_NONE)
			slot_put(p, want, hash(doc->ops, (*slot)[i]), (*slot)[i]);
	am_mem_free(&doc->a, *slot);
	*slot = p;
	*n = want;
	return AM_OK;
}

/* ---- keys ---- */

uint32_t am_key_find(const struct am_ops *ops, const uint8_t *p, size_t n)
{
	uint32_t hash = bytes_hash(p, n);

	if (!ops->key_slots)
		return AM_NONE;
	for (size_t i = hash & (ops->key_slots - 1); ops->key_slot[i] != AM_NONE; i = (i + 1) & (ops->key_slots - 1)) {
		const struct am_key *k = &ops->key.p[ops->key_slot[i]];
		if (k->hash == hash && k->n == n && (n == 0 || memcmp(ops->names.p + k->off, p, n) == 0))
			return ops->key_slot[i];
	}
	return AM_NONE;
}

int am_key_intern(am_doc *doc, const uint8_t *p, size_t n, uint32_t *ret)
{
	struct am_ops *ops = doc->ops;
	uintptr_t from = (uintptr_t)ops->names.p;
	uint32_t k = am_key_find(ops, p, n);

	if (k == AM_NONE) {
		if (n > UINT32_MAX / 2 - ops->names.n)
			return AM_E_LIMIT;
		if (slots_reserve(doc, &ops->key_slot, &ops->key_slots, ops->key.n, key_hash) ||
		    am_vec_reserve(&doc->a, &ops->key, 1) || am_vec_reserve(&doc->a, &ops->names, n + 1))
			return AM_E_NOMEM;
		p = am_moved(p, from, ops->names.n, ops->names.p); /* part of another key */
		k = (uint32_t)ops->key.n++;
		ops->key.p[k] = (struct am_key){(uint32_t)ops->names.n, (uint32_t)n, bytes_hash(p, n)};
		if (n)
			memcpy(ops->names.p + ops->names.n, p, n);
		ops->names.n += n;
		slot_put(ops->key_slot, ops->key_slots, ops->key.p[k].hash, k);
	}
	*ret = k;
	return AM_OK;
}

int am_key_cmp(const struct am_ops *ops, uint32_t a, uint32_t b)
{
	const struct am_key *x = &ops->key.p[a], *y = &ops->key.p[b];
	int c = memcmp(am_key_text(ops, a), am_key_text(ops, b), x->n < y->n ? x->n : y->n);

	if (c)
		return c;
	return x->n < y->n ? -1 : x->n > y->n;
}

/* ---- look-ups ---- */

uint32_t am_ops_find(const struct am_ops *ops, am_id id, uint32_t *ret_k)
{
	uint32_t ctr, s;

	if (id.actor >= ops->actor.n || !am_index_floor(ops, ops->actor.p[id.actor].rows, id.ctr, &ctr, &s))
		return AM_NONE;
	if (id.ctr - ctr >= ops->span.p[s].n)
		return AM_NONE;
	*ret_k = id.ctr - ctr;
	return s;
}

bool am_span_has_succ(const struct am_ops *ops, const struct am_span *s, am_id id)
{
	if (am_id_eq(s->succ, id))
		return true;
	for (uint32_t m = s->more; m != AM_NONE; m = ops->succ.p[m].next)
		if (am_id_eq(ops->succ.p[m].id, id))
			return true;
	return false;
}

uint32_t am_ops_find_del(const struct am_ops *ops, am_id id, uint32_t *ret_k)
{
	const struct am_span *x;
	uint32_t ctr, s;

	if (id.actor >= ops->actor.n || !am_index_floor(ops, ops->actor.p[id.actor].dels, id.ctr, &ctr, &s))
		return AM_NONE;
	x = &ops->span.p[s];
	*ret_k = 0;
	if (x->n == 1)
		return id.ctr == ctr ? s : AM_NONE;
	if (id.ctr - ctr >= x->n)
		return AM_NONE;
	*ret_k = x->step > 0 ? id.ctr - ctr : x->n - 1 - (id.ctr - ctr);
	return s;
}

uint32_t am_ops_object(struct am_ops *ops, am_id obj)
{
	if (obj.ctr == 0)
		return 0;
	if (ops->last_obj < ops->obj.n && am_id_eq(ops->obj.p[ops->last_obj].id, obj))
		return ops->last_obj;
	if (!ops->obj_slots)
		return AM_NONE;
	for (size_t i = mix(obj.ctr, obj.actor) & (ops->obj_slots - 1); ops->obj_slot[i] != AM_NONE;
	     i = (i + 1) & (ops->obj_slots - 1))
		if (am_id_eq(ops->obj.p[ops->obj_slot[i]].id, obj))
			return ops->last_obj = ops->obj_slot[i];
	return AM_NONE;
}

uint32_t am_reg_find(const struct am_ops *ops, uint32_t obj, uint32_t key)
{
	if (key == AM_NONE)
		return AM_NONE;
	if (!ops->obj.p[obj].hashed) {
		uint32_t r = ops->obj.p[obj].m.first;
		while (r != AM_NONE && ops->reg.p[r].key != key)
			r = ops->reg.p[r].next;
		return r;
	}
	for (size_t i = mix(obj, key) & (ops->reg_slots - 1); ops->reg_slot[i] != AM_NONE;
	     i = (i + 1) & (ops->reg_slots - 1))
		if (ops->reg.p[ops->reg_slot[i]].obj == obj && ops->reg.p[ops->reg_slot[i]].key == key)
			return ops->reg_slot[i];
	return AM_NONE;
}

static uint32_t reg_new(struct am_ops *ops)
{
	uint32_t r = ops->free_reg;

	if (r == AM_NONE)
		return (uint32_t)ops->reg.n++;
	ops->free_reg = ops->reg.p[r].next;
	return r;
}

static void reg_free(struct am_ops *ops, uint32_t r)
{
	ops->reg.p[r] = (struct am_reg){AM_NONE, AM_NONE, AM_NONE, AM_NONE, AM_NONE, 0, ops->free_reg};
	ops->free_reg = r;
}

/* ---- room ---- */

static int reserve_actors(am_doc *doc)
{
	struct am_ops *ops = doc->ops;
	size_t n = doc->actors.v.n;

	if (ops->actor.n >= n)
		return AM_OK;
	if (am_vec_reserve(&doc->a, &ops->actor, n - ops->actor.n))
		return AM_E_NOMEM;
	while (ops->actor.n < n)
		ops->actor.p[ops->actor.n++] = (struct am_actor_ops){.rows = AM_NONE, .dels = AM_NONE};
	return AM_OK;
}

/* One operation touches at most four trees, two of them three times; a touch
 * splits at most one node per level, and a tree gets one level more at most. The
 * rest is for cutting a run when the operation is taken back. */
static size_t nodes_needed(const struct am_ops *ops)
{
	return 8 * ((size_t)ops->height + 2) + 4;
}

int am_ops_reserve(am_doc *doc, size_t n_refs, size_t bytes)
{
	struct am_ops *ops = doc->ops;
	const am_allocator *a = &doc->a;

	if (bytes > INT32_MAX || ops->heap.n > (size_t)INT32_MAX - bytes || ops->count >= doc->opts.max_ops)
		return AM_E_LIMIT;
	if (reserve_actors(doc) || am_vec_reserve(a, &ops->span, 8) ||
	    am_vec_reserve(a, &ops->node, nodes_needed(ops)) ||
	    am_vec_reserve(a, &ops->succ, n_refs + 2) || am_vec_reserve(a, &ops->reg, 2) ||
	    am_vec_reserve(a, &ops->obj, 1) || am_vec_reserve(a, &ops->sum, n_refs + 1) ||
	    am_vec_reserve(a, &ops->heap, bytes) ||
	    slots_reserve(doc, &ops->reg_slot, &ops->reg_slots, ops->regs_hashed + AM_MAP_SMALL, reg_hash) ||
	    slots_reserve(doc, &ops->obj_slot, &ops->obj_slots, ops->obj.n, obj_hash))
		return AM_E_NOMEM;
	return AM_OK;
}

/* ---- spans ---- */

static uint32_t span_alloc(struct am_ops *ops)
{
	uint32_t s = ops->free_span;

	if (s != AM_NONE) {
		ops->free_span = ops->span.p[s].next;
		return s;
	}
	assert(ops->span.n < ops->span.cap);
	return (uint32_t)ops->span.n++;
}

static void span_free(struct am_ops *ops, uint32_t s)
{
	if (s + 1 == ops->span.n) {
		ops->span.n--;
		return;
	}
	ops->span.p[s] = (struct am_span){.next = ops->free_span};
	ops->free_span = s;
}

uint32_t am_span_width(const am_doc *doc, uint8_t obj_type, const am_op *op)
{
	if (op->action == AM_ACT_MARK || op->action == AM_ACT_INC || obj_type == AM_MAP)
		return 0;
	if (obj_type != AM_TEXT)
		return op->run;
	if (op->action == AM_ACT_SET && am_op_type(op) == AM_VAL_STR) {
		if (op->run == am_op_val_n(op) || (op->run > 1 && doc->opts.text_unit == AM_UNIT_GRAPHEME))
			return op->run;
		return (uint32_t)am_text_units(doc->opts.text_unit, op->val, am_op_val_n(op));
	}
	return doc->opts.text_unit == AM_UNIT_UTF8 ? 3 : 1; /* U+FFFC stands for it */
}

static void object_new(struct am_ops *ops, uint32_t s)
{
	static const uint8_t types[] = {[AM_ACT_MAKE_MAP] = AM_MAP, [AM_ACT_MAKE_LIST] = AM_LIST,
					[AM_ACT_MAKE_TEXT] = AM_TEXT};
	struct am_span *x = &ops->span.p[s];
	uint32_t slot = (uint32_t)ops->obj.n++;
	struct am_obj *o = &ops->obj.p[slot];

	*o = (struct am_obj){.id = x->id, .span = s, .type = types[x->action], .sorted = true};
	if (am_obj_is_map(o))
		o->m.first = o->m.last = AM_NONE;
	else
		o->s.root = o->s.cache = AM_NONE;
	x->aux = slot;
	slot_put(ops->obj_slot, ops->obj_slots, obj_hash(ops, slot), slot);
}

/* Undo of object_new for the newest object, which is empty again. */
static void object_drop(struct am_ops *ops, uint32_t slot)
{
	struct am_obj *o = &ops->obj.p[slot];

	assert(slot + 1 == ops->obj.n);
	for (uint32_t r = am_obj_is_map(o) ? o->m.first : AM_NONE, next; r != AM_NONE; r = next) {
		next = ops->reg.p[r].next;
		if (o->hashed) {
			slot_drop(ops, ops->reg_slot, ops->reg_slots, r, reg_hash);
			ops->regs_hashed--;
		}
		reg_free(ops, r);
	}
	slot_drop(ops, ops->obj_slot, ops->obj_slots, slot, obj_hash);
	ops->obj.n--;
	ops->last_obj = 0;
}

uint32_t am_span_new(am_doc *doc, const am_op *op, uint32_t obj, am_id key)
{
	struct am_ops *ops = doc->ops;
	uint32_t s = span_alloc(ops), val_n = (uint32_t)am_op_val_n(op);
	struct am_span *x = &ops->span.p[s];
	uint8_t type = ops->obj.p[obj].type;

	*x = (struct am_span){.id = op->id, .n = op->run, .obj = obj, .key = key, .val = (uint32_t)ops->heap.n,
			      .val_n = val_n, .action = op->action, .vtype = am_op_type(op)};
	x->more = x->leaf = x->next = x->reg = x->pred = x->aux = x->mark = AM_NONE;
	x->w = am_span_width(doc, type, op);
	x->flags = (uint8_t)((op->insert ? AM_SPAN_INSERT : 0) | (op->expand ? AM_SPAN_EXPAND : 0));
	if (val_n)
		memcpy(ops->heap.p + ops->heap.n, op->val, val_n);
	ops->heap.n += val_n;
	if (op->mark)
		x->mark = am_key_find(ops, op->mark, op->mark_n);
	if (am_action_is_make(op->action) && op->action != AM_ACT_MAKE_TABLE)
		object_new(ops, s);
	if (op->action == AM_ACT_MARK && op->insert && !am_obj_is_map(&ops->obj.p[obj]))
		ops->obj.p[obj].s.marks++;
	ops->count += op->run;
	return s;
}

/* An element holding one scalar value of text, with nothing special about it. */
static bool span_is_plain(const struct am_ops *ops, const struct am_span *x)
{
	return x->flags & AM_SPAN_INSERT && !(x->flags & (AM_SPAN_EXPAND | AM_SPAN_DELS)) && x->action == AM_ACT_SET &&
	       x->vtype == AM_VAL_STR && x->reg == AM_NONE && x->mark == AM_NONE && x->more == AM_NONE &&
	       (x->n > 1 || am_text_is_scalar(am_span_val(ops, x), x->val_n));
}

static bool runs_fit(uint32_t n, uint32_t val_n)
{
	return n == val_n || n <= AM_RUN_MAX;
}

/* y continues x: ids, references and bytes. */
static bool span_continues(const struct am_ops *ops, const struct am_span *x, const struct am_span *y)
{
	return x->obj == y->obj && am_id_eq(am_id_plus(x->id, x->n), y->id) && am_id_eq(am_span_last(x), y->key) &&
	       x->val + x->val_n == y->val && span_is_plain(ops, x) && span_is_plain(ops, y);
}

bool am_span_extends(const struct am_ops *ops, const struct am_span *s, const am_op *op, uint32_t obj)
{
	return am_id_eq(am_id_plus(s->id, s->n), op->id) && am_id_eq(am_span_last(s), op->elem) && s->obj == obj &&
	       op->insert && !op->expand && !op->mark && op->action == AM_ACT_SET && am_op_type(op) == AM_VAL_STR &&
	       (op->run > 1 || am_text_is_scalar(op->val, am_op_val_n(op))) && s->succ.ctr == 0 &&
	       (size_t)s->val + s->val_n == ops->heap.n && span_is_plain(ops, s) &&
	       runs_fit(s->n + op->run, s->val_n + (uint32_t)am_op_val_n(op));
}

uint32_t am_span_offset(const struct am_ops *ops, const struct am_span *s, uint32_t k)
{
	if (s->val_n == s->n || k == 0)
		return k;
	if (k == s->n)
		return s->val_n;
	return (uint32_t)utf8_offset(am_span_val(ops, s), s->val_n, k);
}

/* Width of the first k elements (off bytes) of run x. */
static uint32_t part_width(const am_doc *doc, const struct am_span *x, uint32_t k, uint32_t off)
{
	if (k == x->n)
		return x->w;
	if (x->val_n == x->n || doc->opts.text_unit == AM_UNIT_GRAPHEME || doc->ops->obj.p[x->obj].type != AM_TEXT)
		return k;
	return (uint32_t)am_text_units(doc->opts.text_unit, am_span_val(doc->ops, x), off);
}

uint32_t am_run_width(const am_doc *doc, const struct am_span *s, uint32_t k, uint32_t n)
{
	uint32_t from, to;

	if (n == s->n)
		return s->w;
	if (s->val_n == s->n || doc->opts.text_unit == AM_UNIT_GRAPHEME || doc->ops->obj.p[s->obj].type != AM_TEXT)
		return n;
	from = am_span_offset(doc->ops, s, k);
	to = am_span_offset(doc->ops, s, k + n);
	return (uint32_t)am_text_units(doc->opts.text_unit, am_span_val(doc->ops, s) + from, to - from);
}

/* The delete run of s is cut at element k; t holds the upper part. */
static void split_dels(struct am_ops *ops, struct am_span *x, struct am_span *y, uint32_t s, uint32_t t, uint32_t n)
{
	struct am_actor_ops *del = &ops->actor.p[x->succ.actor];
	uint32_t k = x->n;

	if (x->step > 0) {
		y->succ.ctr = x->succ.ctr + k;
		am_index_add(ops, &del->dels, y->succ.ctr, t);
	} else {
		uint32_t low = x->succ.ctr - (n - 1);
		y->succ.ctr = x->succ.ctr - k;
		am_index_move(ops, del->dels, low, low, t);
		am_index_add(ops, &del->dels, x->succ.ctr - (k - 1), s);
	}
}

uint32_t am_span_split(am_doc *doc, uint32_t s, uint32_t k)
{
	struct am_ops *ops = doc->ops;
	uint32_t t = span_alloc(ops), off, w, n;
	struct am_span *x = &ops->span.p[s], *y = &ops->span.p[t];

	off = am_span_offset(ops, x, k);
	w = part_width(doc, x, k, off);
	n = x->n;
	*y = *x;
	y->id = am_id_plus(x->id, k);
	y->key = am_id_plus(x->id, k - 1);
	y->n = n - k;
	y->val += off;
	y->val_n -= off;
	y->w -= w;
	x->n = k;
	x->val_n = off;
	x->w = w;
	if (!ops->unindexed)
		am_index_add(ops, &ops->actor.p[y->id.actor].rows, y->id.ctr, t);
	if (x->succ.ctr)
		split_dels(ops, x, y, s, t, n);
	am_seq_update(ops, x->obj, s);
	am_seq_insert(ops, x->obj, s, t);
	return t;
}

uint32_t am_span_single(am_doc *doc, uint32_t s, uint32_t k)
{
	if (k > 0)
		s = am_span_split(doc, s, k);
	if (doc->ops->span.p[s].n > 1)
		am_span_split(doc, s, 1);
	return s;
}

/* ---- registers ---- */

uint32_t am_reg_get(struct am_ops *ops, uint32_t obj, uint32_t key)
{
	uint32_t r = am_reg_find(ops, obj, key);

	return r == AM_NONE ? am_reg_add(ops, obj, key) : r;
}

static void reg_hash_in(struct am_ops *ops, uint32_t r)
{
	slot_put(ops->reg_slot, ops->reg_slots, reg_hash(ops, r), r);
	ops->regs_hashed++;
}

uint32_t am_reg_add(struct am_ops *ops, uint32_t obj, uint32_t key)
{
	struct am_obj *o = &ops->obj.p[obj];
	uint32_t r = reg_new(ops);

	ops->reg.p[r] = (struct am_reg){obj, key, AM_NONE, AM_NONE, AM_NONE, 0, AM_NONE};
	if (o->m.first == AM_NONE)
		o->m.first = r;
	else {
		if (o->sorted && am_key_cmp(ops, ops->reg.p[o->m.last].key, key) > 0)
			o->sorted = false;
		ops->reg.p[o->m.last].next = r;
	}
	o->m.last = r;
	if (o->hashed) {
		reg_hash_in(ops, r);
	} else if (++o->regs > AM_MAP_SMALL) {
		o->hashed = true;
		for (uint32_t i = o->m.first; i != AM_NONE; i = ops->reg.p[i].next)
			reg_hash_in(ops, i);
	}
	return r;
}

uint32_t am_reg_of_elem(struct am_ops *ops, uint32_t head)
{
	struct am_span *x = &ops->span.p[head];
	uint32_t r = x->reg;
	bool visible = am_span_visible(x);

	if (r != AM_NONE)
		return r;
	r = x->reg = reg_new(ops);
	ops->reg.p[r] = (struct am_reg){x->obj, AM_NONE, head, head, visible ? head : AM_NONE, visible, AM_NONE};
	return r;
}

/* The number of visible spans of r was `was`, or its winner was another. */
static void reg_changed(struct am_ops *ops, uint32_t r, uint32_t was)
{
	struct am_reg *g = &ops->reg.p[r];
	struct am_obj *o = &ops->obj.p[g->obj];

	if (!am_obj_is_map(o))
		am_seq_update(ops, g->obj, g->head);
	else if (was == 0 && g->vis > 0)
		o->m.visible++;
	else if (was > 0 && g->vis == 0)
		o->m.visible--;
}

static void reg_show(am_doc *doc, uint32_t r, uint32_t x)
{
	struct am_ops *ops = doc->ops;
	struct am_reg *g = &ops->reg.p[r];

	if (g->win == AM_NONE || am_id_cmp(&doc->actors, ops->span.p[x].id, ops->span.p[g->win].id) > 0)
		g->win = x;
	g->vis++;
	reg_changed(ops, r, g->vis - 1);
}

/* x is not visible any more (or about to leave; it is still linked). */
static void reg_hide(struct am_ops *ops, uint32_t r, uint32_t x)
{
	struct am_reg *g = &ops->reg.p[r];

	g->vis--;
	if (g->win == x) {
		uint32_t p = g->vis ? am_span_prev(&ops->span.p[x]) : AM_NONE;
		while (p != AM_NONE && !am_span_visible(&ops->span.p[p]))
			p = am_span_prev(&ops->span.p[p]);
		g->win = p;
	}
	reg_changed(ops, r, g->vis + 1);
}

void am_reg_link(am_doc *doc, uint32_t r, uint32_t x)
{
	struct am_ops *ops = doc->ops;
	struct am_reg *g = &ops->reg.p[r];
	struct am_span *y = &ops->span.p[x];
	uint32_t p = g->tail;

	while (p != AM_NONE && am_id_cmp(&doc->actors, ops->span.p[p].id, y->id) > 0)
		p = am_span_prev(&ops->span.p[p]);
	y->reg = r;
	y->leaf = p;
	if (p == AM_NONE) {
		y->next = g->head;
		g->head = x;
	} else {
		y->next = ops->span.p[p].next;
		ops->span.p[p].next = x;
	}
	if (y->next == AM_NONE)
		g->tail = x;
	else
		ops->span.p[y->next].leaf = x;
	if (am_span_visible(y))
		reg_show(doc, r, x);
}

static void reg_unlink(struct am_ops *ops, uint32_t x)
{
	struct am_span *y = &ops->span.p[x];
	struct am_reg *g = &ops->reg.p[y->reg];
	uint32_t p = y->leaf;

	if (am_span_visible(y))
		reg_hide(ops, y->reg, x);
	if (p == AM_NONE)
		g->head = y->next;
	else
		ops->span.p[p].next = y->next;
	if (y->next == AM_NONE)
		g->tail = p;
	else
		ops->span.p[y->next].leaf = p;
}

static bool key_less(const struct am_ops *ops, uint32_t a, uint32_t b)
{
	return am_key_cmp(ops, ops->reg.p[a].key, ops->reg.p[b].key) <= 0;
}

/* Bottom-up merge of sorted lists linked through `next`; stack[i] holds 2^i of them. */
static uint32_t merge_lists(struct am_ops *ops, uint32_t a, uint32_t b)
{
	uint32_t head = AM_NONE, *to = &head;

	while (a != AM_NONE && b != AM_NONE) {
		uint32_t *from = key_less(ops, a, b) ? &a : &b;
		*to = *from;
		to = &ops->reg.p[*from].next;
		*from = *to;
	}
	*to = a != AM_NONE ? a : b;
	return head;
}

int am_map_sort(am_doc *doc, uint32_t obj)
{
	struct am_ops *ops = doc->ops;
	struct am_obj *o = &ops->obj.p[obj];
	uint32_t stack[32], all = AM_NONE, r, next;

	if (o->sorted)
		return AM_OK;
	memset(stack, 0xff, sizeof stack);
	for (r = o->m.first; r != AM_NONE; r = next) {
		unsigned i = 0;
		uint32_t list = r;
		next = ops->reg.p[r].next;
		ops->reg.p[r].next = AM_NONE;
		for (; i < 31 && stack[i] != AM_NONE; i++) {
			list = merge_lists(ops, stack[i], list);
			stack[i] = AM_NONE;
		}
		stack[i] = i == 31 ? merge_lists(ops, stack[i], list) : list;
	}
	for (unsigned i = 0; i < 32; i++)
		all = merge_lists(ops, stack[i], all);
	o->m.first = all;
	for (r = all; ops->reg.p[r].next != AM_NONE; r = ops->reg.p[r].next)
		;
	o->m.last = r;
	o->sorted = true;
	return AM_OK;
}

/* ---- successors ---- */

void am_span_hide(am_doc *doc, uint32_t s)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];

	x->flags |= AM_SPAN_HIDDEN;
	if (x->action == AM_ACT_INC)
		return;
	if (x->reg != AM_NONE)
		reg_hide(ops, x->reg, s);
	else
		am_seq_update(ops, x->obj, s);
}

static void span_show(am_doc *doc, uint32_t s)
{
	struct am_span *x = &doc->ops->span.p[s];

	x->flags &= (uint8_t)~AM_SPAN_HIDDEN;
	if (x->action == AM_ACT_INC)
		return;
	if (x->reg != AM_NONE)
		reg_show(doc, x->reg, s);
	else
		am_seq_update(doc->ops, x->obj, s);
}

static uint32_t succ_new(struct am_ops *ops, am_id id, uint32_t next)
{
	uint32_t i = ops->free_succ;

	if (i != AM_NONE)
		ops->free_succ = ops->succ.p[i].next;
	else {
		assert(ops->succ.n < ops->succ.cap);
		i = (uint32_t)ops->succ.n++;
	}
	ops->succ.p[i] = (struct am_succ){id, next};
	return i;
}

static void succ_link(am_doc *doc, struct am_span *x, am_id id)
{
	struct am_ops *ops = doc->ops;
	uint32_t *at = &x->more;

	x->step = 0;
	if (x->succ.ctr == 0) {
		x->succ = id;
		return;
	}
	if (am_id_cmp(&doc->actors, id, x->succ) > 0) {
		x->more = succ_new(ops, x->succ, x->more);
		x->succ = id;
		return;
	}
	while (*at != AM_NONE && am_id_cmp(&doc->actors, ops->succ.p[*at].id, id) > 0)
		at = &ops->succ.p[*at].next;
	*at = succ_new(ops, id, *at); /* the pool does not move: room was reserved */
}

static void succ_unlink(struct am_ops *ops, struct am_span *x, am_id id)
{
	uint32_t *at = &x->more, i;

	if (am_id_eq(x->succ, id)) {
		i = x->more;
		if (i == AM_NONE) {
			x->succ = (am_id){0, 0};
			return;
		}
		x->succ = ops->succ.p[i].id;
	} else {
		while (!am_id_eq(ops->succ.p[*at].id, id))
			at = &ops->succ.p[*at].next;
		i = *at;
	}
	*at = ops->succ.p[i].next;
	ops->succ.p[i].next = ops->free_succ;
	ops->free_succ = i;
}

void am_succ_add(am_doc *doc, uint32_t s, am_id id, bool is_inc, int64_t by)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];

	succ_link(doc, x, id);
	if (is_inc && am_span_is_counter(x)) {
		if (x->aux == AM_NONE) {
			x->aux = (uint32_t)ops->sum.n;
			ops->sum.p[ops->sum.n++] = 0;
		}
		ops->sum.p[x->aux] = (int64_t)((uint64_t)ops->sum.p[x->aux] + (uint64_t)by);
	} else if (!(x->flags & AM_SPAN_HIDDEN)) {
		am_span_hide(doc, s);
	}
}

static bool succ_hides(const struct am_ops *ops, const struct am_span *x, am_id id)
{
	uint32_t k, s;

	if (!am_span_is_counter(x))
		return true;
	s = am_ops_find(ops, id, &k);
	return s == AM_NONE || ops->span.p[s].action != AM_ACT_INC;
}

/* Takes back am_succ_add; the operation `id` is still in the indices. */
static void succ_drop(am_doc *doc, uint32_t s, am_id id, bool is_inc, int64_t by)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	bool hidden = false;

	succ_unlink(ops, x, id);
	if (is_inc && am_span_is_counter(x)) {
		ops->sum.p[x->aux] = (int64_t)((uint64_t)ops->sum.p[x->aux] - (uint64_t)by);
		return;
	}
	if (x->succ.ctr)
		hidden = succ_hides(ops, x, x->succ);
	for (uint32_t m = x->more; m != AM_NONE && !hidden; m = ops->succ.p[m].next)
		hidden = succ_hides(ops, x, ops->succ.p[m].id);
	if (!hidden)
		span_show(doc, s);
}

int64_t am_span_int(const struct am_ops *ops, const struct am_span *s)
{
	struct am_in in = am_in_of(am_span_val(ops, s), s->val_n);
	uint64_t u;
	int64_t i;

	if (s->vtype == AM_VAL_UINT)
		return am_in_uleb(&in, &u) ? 0 : (int64_t)u;
	return am_in_sleb(&in, &i) ? 0 : i;
}

/* ---- deleting runs ---- */

static bool may_join(const struct am_ops *ops, am_id del)
{
	const struct am_actor_ops *a = &ops->actor.p[del.actor];

	/* A batch that can be taken back does not lengthen what was there before. */
	return ops->batch == 0 || (a->batch == ops->batch && del.ctr - 1 >= a->floor);
}

static void drop_element_span(struct am_ops *ops, uint32_t s)
{
	struct am_span *x = &ops->span.p[s];

	am_index_del(ops, &ops->actor.p[x->id.actor].rows, x->id.ctr);
	am_seq_remove(ops, x->obj, s);
	span_free(ops, s);
}

/* The first n elements of s go to the end of the deleted run p before it. */
static bool join_before(am_doc *doc, uint32_t s, uint32_t n, am_id id)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s], *y;
	uint32_t p = am_seq_prev(ops, s), off, w;

	if (p == AM_NONE || !may_join(ops, id))
		return false;
	y = &ops->span.p[p];
	if (y->succ.actor != id.actor || y->succ.ctr + y->n != id.ctr || (y->n > 1 && y->step < 0) ||
	    !span_continues(ops, y, x))
		return false;
	off = am_span_offset(ops, x, n);
	w = part_width(doc, x, n, off);
	if (!runs_fit(y->n + n, y->val_n + off))
		return false;
	y->n += n;
	y->val_n += off;
	y->w += w;
	y->step = 1;
	if (n == x->n) {
		drop_element_span(ops, s);
		return true;
	}
	am_index_move(ops, ops->actor.p[x->id.actor].rows, x->id.ctr, x->id.ctr + n, s);
	x->key = am_id_plus(x->id, n - 1);
	x->id.ctr += n;
	x->n -= n;
	x->val += off;
	x->val_n -= off;
	x->w -= w;
	am_seq_update(ops, x->obj, s);
	return true;
}

/* The last element of s goes to the front of the deleted run q behind it. */
static bool join_behind(am_doc *doc, uint32_t s, am_id id)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s], *y;
	uint32_t q = am_seq_next(ops, s), off, w, *rows;

	if (q == AM_NONE || !may_join(ops, id))
		return false;
	y = &ops->span.p[q];
	if (y->succ.actor != id.actor || y->succ.ctr + 1 != id.ctr || (y->n > 1 && y->step > 0) ||
	    !span_continues(ops, x, y))
		return false;
	off = am_span_offset(ops, x, x->n - 1);
	if (!runs_fit(y->n + 1, y->val_n + x->val_n - off))
		return false;
	w = x->w - part_width(doc, x, x->n - 1, off);
	rows = &ops->actor.p[x->id.actor].rows;
	y->key = x->n > 1 ? am_id_plus(x->id, x->n - 2) : x->key;
	y->n++;
	y->val -= x->val_n - off;
	y->val_n += x->val_n - off;
	y->w += w;
	y->succ = id;
	y->step = -1;
	y->id.ctr--;
	if (x->n == 1) {
		drop_element_span(ops, s);
	} else {
		x->n--;
		x->val_n = off;
		x->w -= w;
		am_seq_update(ops, x->obj, s);
	}
	am_index_move(ops, *rows, y->id.ctr + 1, y->id.ctr, q);
	return true;
}

void am_seq_delete(am_doc *doc, uint32_t s, uint32_t k, uint32_t n, am_id id)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x;

	ops->count += n;
	if (k == 0 && join_before(doc, s, n, id))
		return;
	if (n == 1 && k + 1 == ops->span.p[s].n && join_behind(doc, s, id))
		return;
	if (k > 0)
		s = am_span_split(doc, s, k);
	if (ops->span.p[s].n > n)
		am_span_split(doc, s, n);
	x = &ops->span.p[s];
	x->succ = id;
	x->step = n > 1;
	am_index_add(ops, &ops->actor.p[id.actor].dels, id.ctr, s);
	am_span_hide(doc, s);
}

/* ---- undo ---- */

static void undo_value(struct am_ops *ops, struct am_span *x, uint32_t keep)
{
	if ((size_t)x->val + x->val_n == ops->heap.n)
		ops->heap.n -= x->val_n - keep;
	x->val_n = keep;
}

static void undo_preds(am_doc *doc, const struct am_span *x)
{
	struct am_ops *ops = doc->ops;
	bool is_inc = x->action == AM_ACT_INC;
	int64_t by = is_inc ? am_span_int(ops, x) : 0;

	for (uint32_t p = x->pred; p != AM_NONE; p = am_span_prev(&ops->span.p[p])) {
		if (am_span_has_succ(ops, &ops->span.p[p], x->id))
			succ_drop(doc, p, x->id, is_inc, by);
		if (!(x->flags & AM_SPAN_PREDS))
			break;
	}
}

static void undo_row(am_doc *doc, uint32_t s, uint32_t from)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	struct am_obj *o = &ops->obj.p[x->obj];

	if (x->id.ctr < from) {
		uint32_t k = from - x->id.ctr, off = am_span_offset(ops, x, k);
		x->w = part_width(doc, x, k, off);
		ops->count -= x->n - k;
		undo_value(ops, x, off);
		x->n = k;
		am_seq_update(ops, x->obj, s);
		return;
	}
	ops->count -= x->n;
	if (x->flags & AM_SPAN_INSERT) {
		am_seq_remove(ops, x->obj, s);
		o->s.marks -= x->action == AM_ACT_MARK;
		if (x->reg != AM_NONE)
			reg_free(ops, x->reg);
	} else {
		reg_unlink(ops, s);
		undo_preds(doc, x);
	}
	if (am_action_is_make(x->action) && x->aux != AM_NONE)
		object_drop(ops, x->aux);
	undo_value(ops, x, 0);
	am_index_del(ops, &ops->actor.p[x->id.actor].rows, x->id.ctr);
	span_free(ops, s);
}

static void undo_del_run(am_doc *doc, uint32_t s, uint32_t low, uint32_t from)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	uint32_t actor = x->succ.actor;

	if (low < from) { /* the run began before: keep that part */
		if (x->step > 0) {
			s = am_span_split(doc, s, from - low);
			low = from;
		} else {
			am_span_split(doc, s, x->n - (from - low));
			low = from;
		}
		x = &ops->span.p[s];
	}
	ops->count -= x->n;
	am_index_del(ops, &ops->actor.p[actor].dels, low);
	x->succ = (am_id){0, 0};
	x->step = 0;
	span_show(doc, s);
}

static void undo_del(am_doc *doc, uint32_t s, uint32_t low, uint32_t actor, uint32_t from)
{
	struct am_ops *ops = doc->ops;
	struct am_span *x = &ops->span.p[s];
	am_id id = {low, actor};
	bool all = x->flags & AM_SPAN_DELS;

	if (x->n > 1) {
		undo_del_run(doc, s, low, from);
		return;
	}
	ops->count--;
	am_index_del(ops, &ops->actor.p[actor].dels, low);
	for (; s != AM_NONE; s = am_span_prev(&ops->span.p[s])) {
		if (am_span_has_succ(ops, &ops->span.p[s], id))
			succ_drop(doc, s, id, false, 0);
		if (!all)
			break;
	}
}

void am_ops_undo(am_doc *doc, uint32_t actor, uint32_t from, uint32_t max)
{
	struct am_ops *ops = doc->ops;

	while (actor < ops->actor.n) {
		const struct am_actor_ops *a = &ops->actor.p[actor];
		uint32_t row_ctr = 0, row = AM_NONE, row_end = 0, del_ctr = 0, del = AM_NONE, del_end = 0;
		if (am_index_floor(ops, a->rows, UINT32_MAX, &row_ctr, &row))
			row_end = row_ctr + ops->span.p[row].n - 1;
		if (am_index_floor(ops, a->dels, UINT32_MAX, &del_ctr, &del))
			del_end = del_ctr + (ops->span.p[del].n > 1 ? ops->span.p[del].n - 1 : 0);
		if (row_end < from && del_end < from)
			break;
		if (row_end > del_end)
			undo_row(doc, row, from);
		else
			undo_del(doc, del, del_ctr, actor, from);
	}
	ops->max = max;
}

int am_ops_undo_begin(am_doc *doc)
{
	struct am_ops *ops = doc->ops;

	ops->batch = ++ops->batches;
	ops->undo.n = 0;
	return AM_OK;
}

void am_ops_undo_end(am_doc *doc, bool keep)
{
	struct am_ops *ops = doc->ops;

	for (size_t i = ops->undo.n; !keep && i-- > 0;)
		am_ops_undo(doc, ops->undo.p[i].actor, ops->undo.p[i].start, ops->undo.p[i].max);
	ops->undo.n = 0;
	ops->batch = 0;
}
