/* Records of the operation set (automerge design 19.3): everything is an index
 * into growable pools, nothing points at anything, no record moves.
 *
 * A span is one operation, or a run of insertions of one scalar value each in a
 * text: ids consecutive, each referring to the one before, all without
 * successors or deleted by one run of consecutive deletes (step +1: typed
 * forward, -1: backspaced). Runs split where something else happens to them. */
#ifndef AUTOMERGE_SPAN_H
#define AUTOMERGE_SPAN_H
#include "automerge/opset.h"
#include "automerge/sizes.h"

enum {
	AM_SPAN_INSERT = 1, /* makes a sequence element */
	AM_SPAN_EXPAND = 2, /* mark flag, kept on whatever operation carries it */
	AM_SPAN_HIDDEN = 4, /* has a successor that hides it (every element of a run) */
	AM_SPAN_PREDS = 8,  /* more than one predecessor: the one in `pred` is the highest */
	AM_SPAN_DELS = 16   /* a delete with several predecessors has this one as its highest */
};

struct am_span {
	am_id id;       /* of the first operation */
	uint32_t n;     /* operations */
	uint32_t obj;   /* object slot */
	am_id key;      /* sequence: reference (insert) or element; map: ctr = key index */
	uint32_t val, val_n; /* in the heap, the whole run */
	am_id succ;     /* highest successor (run: that of element 0); ctr 0 = none */
	uint32_t more;  /* next lower successor in `succs`; single operations only */
	uint32_t leaf;  /* insert: its tree leaf, none when alone; others: previous span of the register */
	uint32_t next;  /* next span of the register; free spans: next free */
	uint32_t reg;   /* register; none = an element nobody wrote to again */
	uint32_t pred;  /* highest predecessor */
	uint32_t aux;   /* make: object slot; counter: index into `sums` */
	uint32_t mark;  /* mark name: key index */
	uint32_t w;     /* width in text units when it is the visible winner, whole run */
	uint8_t action, vtype, flags;
	int8_t step;
};

/* A map key or an element with more than its insert operation: spans linked
 * ascending by id through next / leaf. */
struct am_reg {
	uint32_t obj, key;
	uint32_t head, tail;
	uint32_t win, vis; /* highest visible span, number of visible ones */
	uint32_t next;     /* next register of the map */
};

/* A map of at most so many keys is looked through: they lie side by side, a hash
 * table's entries anywhere. */
#define AM_MAP_SMALL AM_SIZE(16, 2)

#define AM_NODE_MAX AM_SIZE(16, 4)
/* B+tree node. Two kinds of tree share it: sequences (w = width, inner: sums)
 * and id indices (w = counter, inner: smallest of the child). */
struct am_node {
	uint32_t parent, next, prev; /* next, prev: leaves in order */
	uint8_t n;
	bool leaf;
	uint32_t slot[AM_NODE_MAX], w[AM_NODE_MAX];
};

struct am_obj {
	am_id id;
	uint32_t span; /* make operation; none for the root */
	uint8_t type;  /* am_type */
	bool sorted;   /* map: register list is in key order */
	bool hashed;   /* map: its registers are in the table, not only in the list */
	uint8_t regs;  /* map: registers, as long as it is not hashed */
	union {
		struct { uint32_t first, last, visible; } m; /* registers; visible keys */
		struct {
			uint32_t root;             /* of the tree; none when empty; sequence.h when one span */
			uint32_t cache, cache_pos; /* a span known to start at this position */
			uint32_t marks;            /* mark elements in it */
		} s;
	};
};

struct am_succ { am_id id; uint32_t next; };
struct am_key { uint32_t off, n, hash; };
/* Operations of one actor: counter -> span holding the row; counter of the
 * lowest delete of a run -> its (highest) target. */
struct am_actor_ops {
	uint32_t rows, dels; /* tree roots */
	uint32_t floor, batch; /* first counter of this actor in undo batch `batch` */
};
struct am_undo { uint32_t actor, start, n, max; };

struct am_ops {
	AM_VEC(struct am_span) span;
	AM_VEC(struct am_reg) reg;
	AM_VEC(struct am_node) node;
	AM_VEC(struct am_obj) obj; /* slot 0 = root */
	AM_VEC(struct am_succ) succ;
	AM_VEC(int64_t) sum;
	AM_VEC(struct am_key) key;
	AM_VEC(uint8_t) heap, names; /* values; keys and mark names */
	AM_VEC(struct am_actor_ops) actor;
	uint32_t free_span, free_node, free_succ, free_reg;
	uint32_t *reg_slot, *obj_slot, *key_slot; /* open addressing, sizes powers of two */
	size_t reg_slots, obj_slots, key_slots;
	size_t regs_hashed;
	size_t count;     /* operations, deletes included */
	uint32_t max;     /* greatest counter */
	uint32_t height;  /* levels of nodes above the leaves in the highest tree there ever was */
	uint32_t last_obj; /* slot of the last lookup */
	AM_VEC(struct am_undo) undo;
	uint32_t batch;   /* current undo batch, 0 = none */
	uint32_t batches;
	struct am_load *load;
	bool unindexed;   /* rows are being loaded: no index yet */
	AM_VEC(am_id) refs; /* scratch */
	AM_VEC(uint32_t) order; /* scratch */
	struct {
		uint32_t obj; /* a map; AM_NONE */
		AM_VEC(uint32_t) reg;
	} keys; /* range.c: its registers in key order, as in its list, which is sorted */
};

#define AM_RUN_MAX AM_SIZE(512, 3) /* elements in a run that is not ASCII: offsets are counted */

/* The bytes of key or mark name k; never NULL, which stands for no key. */
static inline const uint8_t *am_key_text(const struct am_ops *ops, uint32_t k)
{
	return ops->key.p[k].n ? ops->names.p + ops->key.p[k].off : (const uint8_t *)"";
}

/* The bytes of a value, of a run all of them; never NULL. */
static inline const uint8_t *am_span_val(const struct am_ops *ops, const struct am_span *s)
{
	return ops->heap.p ? ops->heap.p + s->val : (const uint8_t *)"";
}

static inline am_id am_id_plus(am_id a, uint32_t k) { return (am_id){a.ctr + k, a.actor}; }
static inline am_id am_span_last(const struct am_span *s) { return am_id_plus(s->id, s->n - 1); }
static inline bool am_span_is_counter(const struct am_span *s)
{
	return s->action == AM_ACT_SET && s->vtype == AM_VAL_COUNTER;
}
/* Visible now, as far as this operation alone decides. */
static inline bool am_span_visible(const struct am_span *s)
{
	return !(s->flags & AM_SPAN_HIDDEN) && s->action != AM_ACT_INC;
}
/* Asking the processor for records before they are needed; they do not keep to the lines of its cache. */
static inline void am_node_prefetch(const struct am_ops *ops, uint32_t i)
{
	__builtin_prefetch(&ops->node.p[i].parent);
	__builtin_prefetch(&ops->node.p[i].slot[AM_NODE_MAX - 1]);
}
static inline void am_span_prefetch(const struct am_ops *ops, uint32_t s)
{
	__builtin_prefetch(&ops->span.p[s].id);
	__builtin_prefetch(&ops->span.p[s].action);
}
static inline bool am_obj_is_map(const struct am_obj *o) { return o->type == AM_MAP; }
/* Previous span of a register. */
static inline uint32_t am_span_prev(const struct am_span *s)
{
	return s->flags & AM_SPAN_INSERT ? AM_NONE : s->leaf;
}
/* Width of the element that begins with insert span s. */
static inline uint32_t am_elem_width(const struct am_ops *ops, const struct am_span *s)
{
	if (s->reg != AM_NONE) {
		uint32_t win = ops->reg.p[s->reg].win;
		return win == AM_NONE ? 0 : ops->span.p[win].w;
	}
	return s->flags & AM_SPAN_HIDDEN ? 0 : s->w;
}

/* ---- opset.c ---- */

/* Room for one operation (with n_refs references and `bytes` of value) and for
 * undoing it: what follows cannot fail. */
int am_ops_reserve(am_doc *doc, size_t n_refs, size_t bytes);
/* Row operation holding id; AM_NONE. *ret_k = its offset in the span. */
uint32_t am_ops_find(const struct am_ops *ops, am_id id, uint32_t *ret_k);
/* Highest target of a delete operation; AM_NONE. */
uint32_t am_ops_find_del(const struct am_ops *ops, am_id id, uint32_t *ret_k);
/* Object slot; AM_NONE. */
uint32_t am_ops_object(struct am_ops *ops, am_id obj);

/* ---- key.c ---- */

uint32_t am_key_find(const struct am_ops *ops, const uint8_t *p, size_t n);
int am_key_intern(am_doc *doc, const uint8_t *p, size_t n, uint32_t *ret);
int am_key_cmp(const struct am_ops *ops, uint32_t a, uint32_t b);

/* The rest needs am_ops_reserve before. */

/* ---- span.c ---- */

/* A span filled from op (run allowed), value copied; not linked anywhere. */
uint32_t am_span_new(am_doc *doc, const am_op *op, uint32_t obj, am_id key);
/* s is not linked anywhere any more. */
void am_span_free(struct am_ops *ops, uint32_t s);
/* The newest object, made by am_span_new, goes; it is empty again. */
void am_object_drop(struct am_ops *ops, uint32_t slot);
/* Splits off the part from element k on and returns it. */
uint32_t am_span_split(am_doc *doc, uint32_t s, uint32_t k);
/* The span holding exactly element k of s. */
uint32_t am_span_single(am_doc *doc, uint32_t s, uint32_t k);
/* Elements appended to run s would keep it one run. */
bool am_span_extends(const struct am_ops *ops, const struct am_span *s, const am_op *op, uint32_t obj);
/* Deletes id, id+1, ... take k .. k+n-1 of insert run s (visible, no register). */
void am_seq_delete(am_doc *doc, uint32_t s, uint32_t k, uint32_t n, am_id id);
/* Width of elements k .. k+n-1 of run s. */
uint32_t am_run_width(const am_doc *doc, const struct am_span *s, uint32_t k, uint32_t n);
int64_t am_span_int(const struct am_ops *ops, const struct am_span *s);
uint32_t am_span_width(const am_doc *doc, uint8_t obj_type, const am_op *op);
/* Byte offset of element k within run s. */
uint32_t am_span_offset(const struct am_ops *ops, const struct am_span *s, uint32_t k);

/* ---- register.c ---- */

uint32_t am_reg_find(const struct am_ops *ops, uint32_t obj, uint32_t key);
uint32_t am_reg_get(struct am_ops *ops, uint32_t obj, uint32_t key);
/* The register of a key that has none. */
uint32_t am_reg_add(struct am_ops *ops, uint32_t obj, uint32_t key);
/* The register of a sequence element, made on demand; head is a single insert span. */
uint32_t am_reg_of_elem(struct am_ops *ops, uint32_t head);
/* r has no spans. */
void am_reg_free(struct am_ops *ops, uint32_t r);
/* Puts span x into register r at its place and shows it. */
void am_reg_link(am_doc *doc, uint32_t r, uint32_t x);
void am_reg_unlink(struct am_ops *ops, uint32_t x);
/* Registers of a map in key order (re-links the list when needed). AM_E_NOMEM. */
int am_map_sort(am_doc *doc, uint32_t obj);
/* s (a single span) gets successor id. */
void am_succ_add(am_doc *doc, uint32_t s, am_id id, bool is_inc, int64_t by);
/* Takes that back; the operation `id` is still in the indices. */
void am_succ_drop(am_doc *doc, uint32_t s, am_id id, bool is_inc, int64_t by);
bool am_span_has_succ(const struct am_ops *ops, const struct am_span *s, am_id id);
/* Whether the successor id of x takes it out of sight: an increment of a counter does not. */
bool am_succ_hides(const struct am_ops *ops, const struct am_span *x, am_id id);
/* s has got a successor that hides it. */
void am_span_hide(am_doc *doc, uint32_t s);
/* s has none that hides it any more. */
void am_span_show(am_doc *doc, uint32_t s);

/* ---- undo.c ---- */

/* Takes back the operations from counter `from` on, all the actor's last ones. */
void am_ops_undo(am_doc *doc, uint32_t actor, uint32_t from, uint32_t max);

/* ---- apply.c ---- */

/* Applies one operation whose references were checked. */
int am_op_apply(am_doc *doc, const am_op *op);
/* The same for one at a map key that has been looked up: the object's slot, and key
 * index and register, AM_NONE when there is none yet. */
int am_op_apply_key(am_doc *doc, const am_op *op, uint32_t obj, uint32_t key, uint32_t reg);
/* am_ops_reserve for op, whose value may lie in this document's own heap. */
int am_op_reserve(am_doc *doc, am_op *op);
/* Places an insertion (a run at most AM_RUN_MAX long unless ASCII) behind span
 * `after`; the caller reserved and knows the place. Returns the span it is in. */
uint32_t am_op_insert(am_doc *doc, const am_op *op, uint32_t obj, uint32_t after);

/* ---- bulk_link.c, verify.c ---- */

/* Indices and edges of the rows that were loaded. */
int am_ops_link(am_doc *doc);
void am_load_free(const am_allocator *a, struct am_load *load);
/* range.c: a new register of the map whose keys are indexed takes its place in index and list;
 * false: there is no room, and no index any more. */
bool am_keys_add(struct am_ops *ops, uint32_t r);
void am_keys_drop(struct am_ops *ops);
int am_ops_verify(am_doc *doc); /* debug: structure checks, aborts when wrong */
#endif
