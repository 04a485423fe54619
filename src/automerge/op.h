/* Operations and changes as they travel between the codec (changes, documents)
 * and the operation set. Source: automerge format, op record and change record. */
#ifndef AUTOMERGE_OP_H
#define AUTOMERGE_OP_H
#include "automerge/mem.h"

typedef am_objid am_id; /* {counter, local actor index}; {0, 0} = root object, or HEAD as an element */

#define AM_NONE UINT32_MAX          /* "no index" */
#define AM_MAX_COUNTER (UINT32_MAX - 1) /* greatest operation counter accepted */
#define AM_DEPS_SPARE 64 /* a change may name a dependency again: this often beyond the changes before it */

enum {
	AM_ACT_MAKE_MAP = 0, AM_ACT_SET = 1, AM_ACT_MAKE_LIST = 2, AM_ACT_DEL = 3, AM_ACT_MAKE_TEXT = 4,
	AM_ACT_INC = 5, AM_ACT_MAKE_TABLE = 6, AM_ACT_MARK = 7, AM_ACT_N = 8
};
static inline bool am_action_is_make(uint8_t a) { return a < AM_ACT_N && (a & 1) == 0; }

/* Type codes of scalar values (low four bits of the metadata word). */
enum {
	AM_VAL_NULL = 0, AM_VAL_FALSE = 1, AM_VAL_TRUE = 2, AM_VAL_UINT = 3, AM_VAL_INT = 4, AM_VAL_F64 = 5,
	AM_VAL_STR = 6, AM_VAL_BYTES = 7, AM_VAL_COUNTER = 8, AM_VAL_TIMESTAMP = 9
};

/* One operation, or a run of `run` text insertions.
 *
 * A run (run > 1; in a text or a list) stands for `run` operations with ids id, id+1, ... (same actor),
 * all in `obj`, insert, action set, each with a string of exactly one Unicode
 * scalar value (val holds them concatenated, meta = total length << 4 | 6), the
 * first after `elem`, each other one after the one before it; no key string, no
 * mark, expand false. refs of a run: none, or exactly `run` of them in document
 * form: operation k has the single successor refs[k].
 *
 * A run of deletes (step +1 or -1) comes only from am_ops_collect and goes only to
 * the encoders: operation k deletes the sequence element elem + k * step, which is
 * its single predecessor; refs is NULL.
 *
 * refs: in change form the predecessors, in document form the successors, both
 * Lamport-ascending. Everything pointed at is borrowed. */
typedef struct am_op {
	am_id id;
	am_id obj;
	am_id elem;           /* when !key_is_str: element, or {0,0} = HEAD */
	const uint8_t *key;   /* when key_is_str: UTF-8, may be empty */
	uint32_t key_n;
	uint32_t run;         /* >= 1 */
	bool key_is_str, insert, expand;
	uint8_t action;
	int8_t step;          /* runs of deletes, else 0 */
	uint32_t mark_n;
	uint64_t meta;        /* value length << 4 | type code */
	const uint8_t *val;
	const uint8_t *mark;  /* NULL = no mark name */
	const am_id *refs;
	uint32_t n_refs;
} am_op;

static inline size_t am_op_val_n(const am_op *op) { return (size_t)(op->meta >> 4); }
static inline uint8_t am_op_type(const am_op *op) { return (uint8_t)(op->meta & 15); }
static inline bool am_id_eq(am_id a, am_id b) { return a.ctr == b.ctr && a.actor == b.actor; }
static inline bool am_id_is_null(am_id a) { return a.ctr == 0; }

struct am_bytes {
	const uint8_t *p;
	size_t n;
};

/* A change: parsed from a chunk, about to be committed, or collected from the
 * op set. Ids in ops use local actor indices of the document once it is
 * resolved (am_change_resolve); straight after parsing they are indices into
 * `actors` (0 = author). */
typedef struct am_change {
	struct am_arena arena;    /* owns what the pointers below point at, unless borrowed */
	am_hash hash;
	uint32_t actor;           /* local index of the author */
	uint64_t seq;
	uint32_t start_op;
	uint32_t op_count;        /* operations, runs counted in full */
	int64_t time;
	const uint8_t *message;
	size_t message_n;
	const am_hash *deps;      /* as the author wrote them */
	size_t n_deps;
	const uint8_t *extra;
	size_t extra_n;
	am_op *ops;               /* records; op i starts where i-1 ended, ids contiguous from start_op */
	size_t n_ops;             /* records */
	void *ops_mem;            /* freed with the change; NULL when ops lie in the arena or are borrowed */
	struct am_bytes *actors;  /* parsed changes: author, then the others */
	size_t n_actors;
	const uint8_t *raw;       /* plain chunk with header; NULL when not built yet */
	size_t raw_n;
} am_change;

void am_change_init(am_change *c, const am_allocator *a);
void am_change_fini(am_change *c);
#endif
