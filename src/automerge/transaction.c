#include "automerge/transaction.h"

#include <assert.h>

#include "automerge/leb.h"
#include "automerge/sequence.h"
#include "automerge/text.h"
#include "automerge/view.h"
#include "base/utf8.h"

/* ---- life ---- */

void am_tx_free(am_doc *doc)
{
	struct am_tx *tx = doc->tx;

	if (!tx)
		return;
	if (tx->isolated) {
		am_mem_free(&doc->a, tx->clock.max_op);
		am_mem_free(&doc->a, tx->deps);
	}
	am_mem_free(&doc->a, tx);
	doc->tx = NULL;
}

static int tx_open(am_doc *doc, uint32_t actor)
{
	struct am_tx *tx;

	if (doc->ops->max >= AM_MAX_COUNTER)
		return AM_E_LIMIT;
	tx = am_mem_zalloc(&doc->a, sizeof *tx);
	if (!tx)
		return AM_E_NOMEM;
	tx->actor = actor;
	tx->max = doc->ops->max;
	tx->start = tx->max + 1;
	doc->tx = tx;
	return AM_OK;
}

int am_begin(am_doc *doc)
{
	uint32_t actor;
	int rc;

	if (doc->tx)
		return AM_E_TX;
	rc = am_doc_self(doc, &actor);
	return rc ? rc : tx_open(doc, actor);
}

bool am_in_transaction(const am_doc *doc)
{
	return doc->tx != NULL;
}

size_t am_pending_ops(const am_doc *doc)
{
	return doc->tx ? doc->ops->max - doc->tx->max : 0;
}

const am_hash *am_base_heads(const am_doc *doc, size_t *ret_n)
{
	static const am_hash none;
	bool isolated = doc->tx && doc->tx->isolated;
	size_t n = isolated ? doc->tx->n_deps : doc->graph.heads.n;

	*ret_n = n;
	return !n ? &none : isolated ? doc->tx->deps : doc->graph.heads.p;
}

/* ---- isolation (automerge format 9.6) ---- */

/* A change without operations counts as well: the next of its actor could not be taken
 * without it, and the heads do not lead there. */
static bool actor_free(const am_doc *doc, const am_clock *c, uint32_t actor)
{
	return am_graph_seq_count(&doc->graph, actor) == (actor < c->n ? c->seq[actor] : 0);
}

/* The first actor of a family derived from ours that has done nothing the heads
 * do not cover: 13 b2 23 09, uLEB level, our bytes. */
static int isolated_actor(am_doc *doc, const am_clock *c, uint32_t *ret)
{
	static const uint8_t magic[4] = {0x13, 0xb2, 0x23, 0x09};
	uint32_t actor;
	int rc = am_doc_self(doc, &actor);

	for (uint64_t level = 1; rc == AM_OK && !actor_free(doc, c, actor); level++) {
		struct am_out o = {.a = &doc->a};
		am_out_put(&o, magic, sizeof magic);
		am_out_uleb(&o, level);
		am_out_put(&o, doc->self, doc->self_n);
		rc = o.err ? o.err : am_actors_intern(&doc->actors, &doc->a, o.p, o.n, &actor);
		am_out_free(&o);
	}
	if (rc == AM_OK)
		*ret = actor;
	return rc;
}

/* Own operations of the session count as covered. */
static int clock_admit(am_doc *doc, am_clock *c, uint32_t actor)
{
	size_t n = actor >= c->n ? (size_t)actor + 1 : c->n;
	am_clock own = {.n = n};

	own.max_op = am_mem_zalloc(&doc->a, 2 * n * sizeof *own.max_op);
	if (!own.max_op)
		return AM_E_NOMEM;
	own.seq = own.max_op + n;
	if (c->n) {
		memcpy(own.max_op, c->max_op, c->n * sizeof *c->max_op);
		memcpy(own.seq, c->seq, c->n * sizeof *c->seq);
	}
	own.max_op[actor] = UINT32_MAX;
	am_clock_fini(doc, c);
	*c = own;
	return AM_OK;
}

int am_begin_at(am_doc *doc, const am_hash *at, size_t n)
{
	size_t n_heads;
	const am_hash *heads;
	am_clock clock;
	am_hash *deps;
	uint32_t actor;
	int rc;

	if (doc->tx)
		return AM_E_TX;
	rc = am_graph_clock(doc, at, n, &clock);
	if (rc)
		return rc;
	deps = am_mem_alloc(&doc->a, n * sizeof *deps);
	if (!deps) {
		rc = AM_E_NOMEM;
		goto out;
	}
	if (n)
		memcpy(deps, at, n * sizeof *deps);
	n = am_hash_sort_unique(deps, n);
	heads = am_heads(doc, &n_heads);
	if (n == n_heads && (n == 0 || memcmp(deps, heads, n * sizeof *deps) == 0)) {
		rc = am_begin(doc);
		goto out;
	}
	rc = isolated_actor(doc, &clock, &actor);
	if (rc == AM_OK)
		rc = clock_admit(doc, &clock, actor);
	if (rc == AM_OK)
		rc = tx_open(doc, actor);
	if (rc)
		goto out;
	doc->tx->isolated = true;
	doc->tx->clock = clock;
	doc->tx->deps = deps;
	doc->tx->n_deps = n;
	return AM_OK;
out:
	am_clock_fini(doc, &clock);
	am_mem_free(&doc->a, deps);
	return rc;
}

/* ---- ending ---- */

static int commit(am_doc *doc, const char *message, size_t message_n, int64_t time, am_hash *ret_hash)
{
	struct am_tx *tx = doc->tx;
	struct am_walk w = AM_WALK_START;
	am_change c;
	int rc;

	am_change_init(&c, &doc->a);
	c.actor = tx->actor;
	c.start_op = tx->start;
	c.op_count = doc->ops->max - tx->max;
	c.message = message_n ? am_arena_copy(&c.arena, message, message_n) : NULL; /* perhaps that of another change */
	c.message_n = message_n;
	c.time = time;
	if (tx->isolated) {
		c.deps = tx->deps;
		c.n_deps = tx->n_deps;
	}
	rc = message_n && !c.message ? AM_E_NOMEM : AM_OK;
	if (rc == AM_OK)
		rc = am_ops_collect_on(doc, &w, c.actor, c.start_op, c.op_count, &c);
	if (rc == AM_OK)
		rc = am_commit_local(doc, &c, ret_hash);
	am_change_fini(&c);
	if (rc == AM_OK)
		am_tx_free(doc);
	return rc;
}

int am_commit(am_doc *doc, const char *message, size_t message_n, int64_t time, am_hash *ret_hash)
{
	am_hash hash;
	int rc;

	if (!doc->tx)
		return AM_E_TX;
	if (!utf8_valid(message_n ? message : "", message_n))
		return AM_E_FORMAT;
	if (doc->ops->max == doc->tx->max) {
		am_tx_free(doc);
		if (ret_hash)
			memset(ret_hash, 0, sizeof *ret_hash);
		return AM_OK;
	}
	rc = commit(doc, message, message_n, time, &hash);
	if (rc == AM_OK && ret_hash)
		*ret_hash = hash;
	return rc;
}

int am_tx_flush(am_doc *doc)
{
	return doc->tx ? am_commit(doc, NULL, 0, 0, NULL) : AM_OK;
}

int am_empty_change(am_doc *doc, const char *message, size_t message_n, int64_t time, am_hash *ret_hash)
{
	am_hash hash;
	int rc = am_tx_flush(doc);

	if (rc)
		return rc;
	if (!utf8_valid(message_n ? message : "", message_n))
		return AM_E_FORMAT;
	rc = am_begin(doc);
	if (rc)
		return rc;
	rc = commit(doc, message, message_n, time, &hash);
	if (rc)
		am_tx_free(doc);
	else if (ret_hash)
		*ret_hash = hash;
	return rc;
}

int am_rollback(am_doc *doc)
{
	struct am_tx *tx = doc->tx;

	if (!tx)
		return AM_E_TX;
	am_ops_undo(doc, tx->actor, tx->start, tx->max);
	am_tx_free(doc);
#ifdef AM_CHECKS
	am_ops_verify(doc);
#endif
	return AM_OK;
}

/* ---- one edit ---- */

int am_edit_begin(am_doc *doc, am_objid obj, unsigned kinds, struct am_edit *ret)
{
	struct am_edit e = {.doc = doc, .ops = doc->ops};
	uint8_t type;
	int rc;

	if (!doc->tx) {
		rc = am_begin(doc);
		if (rc)
			return rc;
		e.opened = true;
	}
	e.clock = am_scope(doc, NULL);
	e.from = doc->ops->max + 1;
	rc = am_obj_get(doc, e.clock, obj, &e.obj);
	if (rc == AM_OK) {
		type = doc->ops->obj.p[e.obj].type;
		if (!(kinds & (type == AM_MAP ? AM_EDIT_MAP : type == AM_LIST ? AM_EDIT_LIST : AM_EDIT_TEXT)))
			rc = AM_E_TYPE;
	}
	if (rc)
		return am_edit_end(&e, rc);
	*ret = e;
	return AM_OK;
}

int am_edit_end(struct am_edit *e, int rc)
{
	am_doc *doc = e->doc;

	if (rc) {
		am_ops_undo(doc, doc->tx->actor, e->from, e->from - 1);
		if (e->opened)
			am_tx_free(doc);
	}
#ifdef AM_CHECKS
	am_ops_verify(doc);
#endif
	return rc;
}

static am_id next_id(const struct am_edit *e)
{
	return (am_id){e->ops->max + 1, e->doc->tx->actor};
}

/* Also no more operations than would load again. */
static int ids_left(const struct am_edit *e, size_t n)
{
	size_t most = e->doc->opts.max_ops, count = e->ops->count;

	return n > AM_MAX_COUNTER - e->ops->max || count >= most || n > most - count ? AM_E_LIMIT : AM_OK;
}

static int op_number(struct am_edit *e, am_op *op)
{
	op->id = next_id(e);
	op->obj = e->ops->obj.p[e->obj].id;
	op->run = 1;
	return ids_left(e, 1);
}

int am_edit_emit(struct am_edit *e, am_op *op)
{
	int rc = op_number(e, op);

	return rc ? rc : am_op_apply(e->doc, op);
}

/* ---- values ---- */

static bool has_bytes(am_type t)
{
	return t == AM_STR || t == AM_BYTES || t == AM_UNKNOWN;
}

static void op_value(am_op *op, const struct am_scalar *s)
{
	op->meta = s->meta;
	op->val = s->p;
}

int am_make_action(am_type type, uint8_t *ret)
{
	switch (type) {
	case AM_MAP:
		*ret = AM_ACT_MAKE_MAP;
		return AM_OK;
	case AM_LIST:
		*ret = AM_ACT_MAKE_LIST;
		return AM_OK;
	case AM_TEXT:
		*ret = AM_ACT_MAKE_TEXT;
		return AM_OK;
	case AM_TABLE:
		return AM_E_UNSUPPORTED;
	default:
		return AM_E_TYPE;
	}
}

/* Same type and value as the operation s holds (its element k). */
static bool value_equals(const struct am_ops *ops, uint32_t s, uint32_t k, const struct am_scalar *v)
{
	const struct am_span *x = &ops->span.p[s];
	const uint8_t *p = am_span_val(ops, x);
	size_t n = x->val_n;
	double a, b;

	if (x->action != AM_ACT_SET || x->vtype != (v->meta & 15))
		return false;
	if (x->n > 1) {
		p += am_span_offset(ops, x, k);
		n = am_text_scalar(p[0]);
	}
	if (n != v->meta >> 4)
		return false;
	if (x->vtype == AM_VAL_F64 && n == 8) {
		memcpy(&a, p, 8); /* little-endian hosts only differ in NaN, which equals nothing */
		memcpy(&b, v->p, 8);
		return a == b;
	}
	return n == 0 || memcmp(p, v->p, n) == 0;
}

/* ---- registers ---- */

/* Where put, delete and increment go: what is visible at a key or an element. */
struct slot {
	am_op op;      /* key filled in */
	uint32_t key;  /* index; AM_NONE = nobody used it yet, or an element */
	uint32_t reg;  /* none: an element nobody wrote to again, element k of s, or an absent key */
	uint32_t s, k; /* winner; AM_NONE = nothing visible */
	bool counter;  /* a counter is among the visible values */
};

/* Ids of everything visible, ascending, into the scratch list. */
static int slot_refs(struct am_edit *e, struct slot *t, bool with_winner)
{
	struct am_ops *ops = e->ops;
	size_t n = 0;

	ops->refs.n = 0;
	if (am_vec_reserve(&e->doc->a, &ops->refs, 1))
		return AM_E_NOMEM;
	if (t->reg == AM_NONE) {
		if (t->s != AM_NONE && with_winner)
			ops->refs.p[n++] = am_id_plus(ops->span.p[t->s].id, t->k);
	} else {
		uint32_t left = e->clock ? UINT32_MAX : ops->reg.p[t->reg].vis;
		for (uint32_t s = t->s; s != AM_NONE && left; left--) {
			if (am_vec_reserve(&e->doc->a, &ops->refs, n + 1))
				return AM_E_NOMEM;
			if (with_winner || s != t->s)
				ops->refs.p[n++] = ops->span.p[s].id;
			if (left > 1)
				s = am_reg_below(e->doc, e->clock, t->reg, s);
		}
	}
	for (size_t i = 0; i < n / 2; i++) {
		am_id swap = ops->refs.p[i];
		ops->refs.p[i] = ops->refs.p[n - 1 - i];
		ops->refs.p[n - 1 - i] = swap;
	}
	t->op.refs = ops->refs.p;
	t->op.n_refs = (uint32_t)n;
	return AM_OK;
}

static int slot_emit(struct am_edit *e, struct slot *t)
{
	int rc = op_number(e, &t->op);

	if (rc)
		return rc;
	return t->op.key_is_str ? am_op_apply_key(e->doc, &t->op, e->obj, t->key, t->reg) : am_op_apply(e->doc, &t->op);
}

static int slot_of_key(struct am_edit *e, const char *key, size_t n, struct slot *ret)
{
	const uint8_t *p = (const uint8_t *)key;
	bool conflict;

	if (n > INT32_MAX)
		return AM_E_LIMIT;
	if (!utf8_valid(n ? key : "", n))
		return AM_E_FORMAT;
	*ret = (struct slot){.s = AM_NONE};
	ret->op.key_is_str = true;
	ret->op.key = p;
	ret->op.key_n = (uint32_t)n;
	ret->key = am_key_find(e->ops, p, n);
	ret->reg = am_reg_find(e->ops, e->obj, ret->key);
	if (ret->reg != AM_NONE)
		ret->s = am_reg_winner(e->doc, e->clock, ret->reg, &conflict);
	return AM_OK;
}

static void slot_of_elem(struct am_edit *e, const struct am_elem *at, struct slot *ret)
{
	const struct am_span *x = &e->ops->span.p[at->piece.s];

	*ret = (struct slot){.reg = x->reg, .s = at->piece.win, .k = at->k};
	ret->op.elem = am_id_plus(x->id, at->k);
}

static int slot_of_index(struct am_edit *e, size_t index, struct slot *ret)
{
	struct am_elem at;
	int rc = am_elem_find(e->doc, e->clock, e->obj, index, &at);

	if (rc == AM_OK)
		slot_of_elem(e, &at, ret);
	return rc;
}

/* A counter is what its increments made of it. */
static bool counter_equals(const struct am_edit *e, uint32_t s, int64_t v)
{
	return am_span_is_counter(&e->ops->span.p[s]) && am_counter_at(e->doc, e->clock, s) == v;
}

static int put_scalar(struct am_edit *e, struct slot *t, const am_value *v)
{
	struct am_scalar s;
	int rc = am_scalar_encode(v, &s);

	if (rc)
		return rc;
	bool same = t->s != AM_NONE && (v->type == AM_COUNTER ? counter_equals(e, t->s, v->i)
							      : value_equals(e->ops, t->s, t->k, &s));
	if (same) {
		/* Already there: only the losers of a conflict go. */
		rc = slot_refs(e, t, false);
		if (rc || t->op.n_refs == 0)
			return rc;
		t->op.action = AM_ACT_DEL;
		return slot_emit(e, t);
	}
	rc = slot_refs(e, t, true);
	if (rc)
		return rc;
	t->op.action = AM_ACT_SET;
	op_value(&t->op, &s);
	return slot_emit(e, t);
}

static int put_object(struct am_edit *e, struct slot *t, am_type type, am_objid *ret)
{
	int rc = am_make_action(type, &t->op.action);

	if (rc == AM_OK)
		rc = slot_refs(e, t, true);
	if (rc == AM_OK)
		rc = slot_emit(e, t);
	if (rc == AM_OK)
		*ret = t->op.id;
	return rc;
}

static int delete_slot(struct am_edit *e, struct slot *t)
{
	int rc = slot_refs(e, t, true);

	if (rc || t->op.n_refs == 0)
		return rc;
	t->op.action = AM_ACT_DEL;
	return slot_emit(e, t);
}

static int increment_slot(struct am_edit *e, struct slot *t, int64_t by)
{
	const am_value v = {.type = AM_INT, .i = by};
	struct am_scalar s;
	bool counter = false;
	uint32_t k, x;
	int rc = slot_refs(e, t, true);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < t->op.n_refs && !counter; i++) {
		x = am_ops_find(e->ops, t->op.refs[i], &k);
		counter = am_span_is_counter(&e->ops->span.p[x]);
	}
	if (!counter)
		return AM_E_NO_COUNTER;
	rc = am_scalar_encode(&v, &s);
	if (rc)
		return rc;
	t->op.action = AM_ACT_INC;
	op_value(&t->op, &s);
	return slot_emit(e, t);
}

/* ---- maps ---- */

int am_map_put(am_doc *doc, am_objid obj, const char *key, size_t key_n, const am_value *v)
{
	struct am_edit e;
	struct slot t;
	int rc = am_edit_begin(doc, obj, AM_EDIT_MAP, &e);

	if (rc)
		return rc;
	rc = slot_of_key(&e, key, key_n, &t);
	return am_edit_end(&e, rc ? rc : put_scalar(&e, &t, v));
}

int am_map_put_object(am_doc *doc, am_objid obj, const char *key, size_t key_n, am_type type, am_objid *ret)
{
	struct am_edit e;
	struct slot t;
	int rc = am_edit_begin(doc, obj, AM_EDIT_MAP, &e);

	if (rc)
		return rc;
	rc = slot_of_key(&e, key, key_n, &t);
	return am_edit_end(&e, rc ? rc : put_object(&e, &t, type, ret));
}

int am_map_delete(am_doc *doc, am_objid obj, const char *key, size_t key_n)
{
	struct am_edit e;
	struct slot t;
	int rc = am_edit_begin(doc, obj, AM_EDIT_MAP, &e);

	if (rc)
		return rc;
	rc = slot_of_key(&e, key, key_n, &t);
	return am_edit_end(&e, rc ? rc : delete_slot(&e, &t));
}

int am_map_increment(am_doc *doc, am_objid obj, const char *key, size_t key_n, int64_t by)
{
	struct am_edit e;
	struct slot t;
	int rc = am_edit_begin(doc, obj, AM_EDIT_MAP, &e);

	if (rc)
		return rc;
	rc = slot_of_key(&e, key, key_n, &t);
	return am_edit_end(&e, rc ? rc : increment_slot(&e, &t, by));
}

/* ---- where an insertion goes (automerge format 9.4) ---- */

struct spot {
	uint32_t s, k; /* behind element k of span s; AM_NONE = at the front */
	size_t pos;    /* the position asked for, rounded up to an element boundary */
};

/* Insertions at the edge of a mark: behind a begin that expands to the left or an
 * end that does not expand to the right, before the next visible element. `next`
 * is the span behind the first candidate. */
static int spot_past_marks(struct am_edit *e, uint32_t next, struct spot *at)
{
	struct am_ops *ops = e->ops;
	struct am_piece p;
	size_t n = 0;

	ops->order.n = 0;
	for (uint32_t s = next; s != AM_NONE; s = am_seq_next(ops, s)) {
		const struct am_span *x = &ops->span.p[s];
		bool seen = am_piece_at(e->doc, e->clock, s, &p);
		if (x->action != AM_ACT_MARK) {
			if (seen)
				break;
			continue;
		}
		if (e->clock && !am_clock_covers(e->clock, x->id))
			continue;
		if (x->mark == AM_NONE) { /* an end: was its begin a candidate? */
			size_t i = 0;
			while (i < n && !am_id_eq(am_id_plus(ops->span.p[ops->order.p[i]].id, 1), x->id))
				i++;
			if (i < n) {
				n = i;
				continue;
			}
		}
		if ((x->mark != AM_NONE) != !!(x->flags & AM_SPAN_EXPAND))
			continue;
		if (am_vec_reserve(&e->doc->a, &ops->order, n + 1))
			return AM_E_NOMEM;
		ops->order.p[n++] = s;
	}
	if (n) {
		at->s = ops->order.p[n - 1];
		at->k = 0;
	}
	return AM_OK;
}

static int find_spot(struct am_edit *e, size_t pos, struct spot *ret)
{
	struct am_ops *ops = e->ops;
	struct am_elem at;
	uint32_t next;
	int rc;

	if (pos == 0) {
		*ret = (struct spot){AM_NONE, 0, 0};
		if (!ops->obj.p[e->obj].s.marks)
			return AM_OK;
		return spot_past_marks(e, am_seq_first(ops, e->obj), ret);
	}
	rc = am_elem_find(e->doc, e->clock, e->obj, pos - 1, &at);
	if (rc)
		return rc;
	*ret = (struct spot){at.piece.s, at.k, at.start + at.w};
	if (!ops->obj.p[e->obj].s.marks || at.k + 1 < at.piece.k + at.piece.n)
		return AM_OK;
	next = am_seq_next(ops, at.piece.s);
	if (at.k + 1 < ops->span.p[at.piece.s].n && !e->clock)
		return AM_OK;
	return spot_past_marks(e, next, ret);
}

/* Inserts op (a run no longer than one piece) at the spot and moves the spot
 * behind it. A local operation's id is the greatest, so rule 1.6 stops at once. */
static int insert_at(struct am_edit *e, struct spot *at, am_op *op)
{
	struct am_ops *ops = e->ops;
	uint32_t after = at->s;
	int rc = ids_left(e, op->run);

	if (rc == AM_OK)
		rc = am_op_reserve(e->doc, op);
	if (rc)
		return rc;
	op->id = next_id(e);
	op->insert = true;
	op->obj = ops->obj.p[e->obj].id;
	op->elem = (am_id){0, 0};
	if (after != AM_NONE) {
		op->elem = am_id_plus(ops->span.p[after].id, at->k);
		if (at->k + 1 < ops->span.p[after].n)
			am_span_split(e->doc, after, at->k + 1);
	}
	at->s = am_op_insert(e->doc, op, e->obj, after);
	at->k = ops->span.p[at->s].n - 1;
	ops->max += op->run;
	return AM_OK;
}

static int insert_value(struct am_edit *e, struct spot *at, const am_value *v)
{
	am_op op = {.run = 1, .action = AM_ACT_SET};
	struct am_scalar s;
	int rc = am_scalar_encode(v, &s);

	if (rc)
		return rc;
	op_value(&op, &s);
	return insert_at(e, at, &op);
}

/* ---- lists ---- */

int am_list_insert(am_doc *doc, am_objid obj, size_t index, const am_value *v)
{
	struct am_edit e;
	struct spot at;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, &e);

	if (rc)
		return rc;
	rc = find_spot(&e, index, &at);
	return am_edit_end(&e, rc ? rc : insert_value(&e, &at, v));
}

int am_edit_insert_object(struct am_edit *e, size_t pos, am_type type, am_objid *ret)
{
	am_op op = {.run = 1};
	struct spot at;
	int rc = am_make_action(type, &op.action);

	if (rc == AM_OK)
		rc = find_spot(e, pos, &at);
	if (rc == AM_OK)
		rc = insert_at(e, &at, &op);
	if (rc == AM_OK)
		*ret = op.id;
	return rc;
}

static int insert_object(am_doc *doc, am_objid obj, unsigned kinds, size_t index, am_type type, am_objid *ret)
{
	struct am_edit e;
	int rc = am_edit_begin(doc, obj, kinds, &e);

	return rc ? rc : am_edit_end(&e, am_edit_insert_object(&e, index, type, ret));
}

int am_list_insert_object(am_doc *doc, am_objid obj, size_t index, am_type type, am_objid *ret)
{
	return insert_object(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, index, type, ret);
}

int am_split_block(am_doc *doc, am_objid text, size_t pos, am_objid *ret)
{
	return insert_object(doc, text, AM_EDIT_TEXT, pos, AM_MAP, ret);
}

static int join_block(struct am_edit *e, size_t pos)
{
	struct slot t;
	am_id win;
	int rc = slot_of_index(e, pos, &t);

	if (rc)
		return rc;
	if (e->ops->span.p[t.s].action != AM_ACT_MAKE_MAP)
		return AM_E_TYPE;
	win = e->ops->span.p[t.s].id; /* the winner alone: what it won against comes back */
	t.op.refs = &win;
	t.op.n_refs = 1;
	t.op.action = AM_ACT_DEL;
	return am_edit_emit(e, &t.op);
}

int am_join_block(am_doc *doc, am_objid text, size_t pos)
{
	struct am_edit e;
	int rc = am_edit_begin(doc, text, AM_EDIT_TEXT, &e);

	return rc ? rc : am_edit_end(&e, join_block(&e, pos));
}

int am_replace_block(am_doc *doc, am_objid text, size_t pos, am_objid *ret)
{
	struct am_edit e;
	int rc = am_edit_begin(doc, text, AM_EDIT_TEXT, &e);

	if (rc)
		return rc;
	rc = join_block(&e, pos);
	return am_edit_end(&e, rc ? rc : am_edit_insert_object(&e, pos, AM_MAP, ret));
}

int am_list_put(am_doc *doc, am_objid obj, size_t index, const am_value *v)
{
	struct am_edit e;
	struct slot t;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, &e);

	if (rc)
		return rc;
	rc = slot_of_index(&e, index, &t);
	return am_edit_end(&e, rc ? rc : put_scalar(&e, &t, v));
}

int am_list_put_object(am_doc *doc, am_objid obj, size_t index, am_type type, am_objid *ret)
{
	struct am_edit e;
	struct slot t;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST, &e);

	if (rc)
		return rc;
	rc = slot_of_index(&e, index, &t);
	return am_edit_end(&e, rc ? rc : put_object(&e, &t, type, ret));
}

int am_list_delete(am_doc *doc, am_objid obj, size_t index)
{
	struct am_edit e;
	struct slot t;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, &e);

	if (rc)
		return rc;
	rc = slot_of_index(&e, index, &t);
	return am_edit_end(&e, rc ? rc : delete_slot(&e, &t));
}

int am_list_increment(am_doc *doc, am_objid obj, size_t index, int64_t by)
{
	struct am_edit e;
	struct slot t;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, &e);

	if (rc)
		return rc;
	rc = slot_of_index(&e, index, &t);
	return am_edit_end(&e, rc ? rc : increment_slot(&e, &t, by));
}

/* ---- splices ---- */

/* Deletes the plain elements of the run found at `at` until `want` units are
 * gone; *ret_w = how many went. */
static int delete_run(struct am_edit *e, const struct am_elem *at, size_t want, size_t *ret_w)
{
	struct am_ops *ops = e->ops;
	const struct am_span *x = &ops->span.p[at->piece.s];
	uint32_t most = x->n - at->k, n = most, w;
	int rc;

	if (want < x->w - (at->start - at->span_start)) {
		if (x->w == x->n) {
			n = (uint32_t)want;
		} else {
			for (n = 1; n < most && am_run_width(e->doc, x, at->k, n) < want;)
				n++;
		}
	}
	w = am_run_width(e->doc, x, at->k, n);
	rc = ids_left(e, n);
	if (rc == AM_OK)
		rc = am_ops_reserve(e->doc, 0, 0);
	if (rc)
		return rc;
	am_seq_delete(e->doc, at->piece.s, at->k, n, next_id(e));
	ops->max += n;
	if (at->k > 0) /* that part of the span is still there */
		am_seq_remember(ops, e->obj, at->piece.s, at->span_start);
	*ret_w = w;
	return AM_OK;
}

static int delete_at(struct am_edit *e, size_t pos, size_t del)
{
	struct am_elem at;
	struct slot t;
	size_t w;
	int rc;

	for (size_t gone = 0; gone < del; gone += w) {
		rc = am_elem_find(e->doc, e->clock, e->obj, pos, &at);
		if (rc == AM_E_INDEX)
			return AM_OK; /* past the end: enough */
		if (rc)
			return rc;
		if (pos > at.start) { /* inside a wide element: it stays */
			pos = at.start + at.w;
			w = 0;
			continue;
		}
		if (!e->clock && e->ops->span.p[at.piece.s].reg == AM_NONE) {
			rc = delete_run(e, &at, del - gone, &w);
		} else {
			slot_of_elem(e, &at, &t);
			rc = delete_slot(e, &t);
			w = at.w;
		}
		if (rc)
			return rc;
	}
	return AM_OK;
}

int am_edit_del(size_t *pos, ptrdiff_t del, size_t *ret_del)
{
	if (del < 0) {
		size_t back = (size_t)0 - (size_t)del;
		if (back > *pos)
			return AM_E_INDEX;
		*pos -= back;
		*ret_del = back;
	} else {
		*ret_del = (size_t)del;
	}
	return AM_OK;
}

/* One operation per scalar value, or per cluster; as runs where possible. */
static int insert_text(struct am_edit *e, struct spot *at, const uint8_t *p, size_t n)
{
	bool clusters = e->doc->opts.text_unit == AM_UNIT_GRAPHEME;
	int rc = AM_OK;

	for (size_t i = 0, len; i < n && rc == AM_OK; i += len) {
		am_op op = {.action = AM_ACT_SET, .val = p + i, .run = 1};
		bool ascii = p[i] < 0x80;
		len = clusters ? am_text_cluster(p + i, n - i) : am_text_scalar(p[i]);
		while (!clusters && i + len < n && op.run < (ascii ? UINT32_MAX / 2 : AM_RUN_MAX) &&
		       (p[i + len] < 0x80) == ascii) {
			len += am_text_scalar(p[i + len]);
			op.run++;
		}
		op.meta = (uint64_t)len << 4 | AM_VAL_STR;
		rc = insert_at(e, at, &op);
	}
	return rc;
}

int am_edit_text(struct am_edit *e, size_t pos, size_t del, const uint8_t *text, size_t n)
{
	struct am_ops *ops = e->ops;
	struct spot at;
	size_t before, start;
	uint32_t old;
	int rc = find_spot(e, pos, &at);

	if (rc)
		return rc;
	if (n == 0)
		return delete_at(e, at.pos, del);
	start = ops->obj.p[e->obj].s.cache_pos;
	old = ops->obj.p[e->obj].s.cache;
	rc = insert_text(e, &at, text, n);
	if (rc)
		return rc;
	before = at.pos;
	at.pos += am_text_units(e->doc->opts.text_unit, text, n);
	if (old == at.s && old != AM_NONE)
		am_seq_remember(ops, e->obj, old, start); /* it grew */
	else if (!e->clock && ops->span.p[at.s].w <= at.pos - before)
		am_seq_remember(ops, e->obj, at.s, at.pos - ops->span.p[at.s].w);
	return del ? delete_at(e, at.pos, del) : AM_OK;
}

/* Room for `bytes` of values: the heap moves now, or not while they are put there. */
static int reserve_bytes(struct am_edit *e, size_t bytes)
{
	struct am_ops *ops = e->ops;

	if (bytes > INT32_MAX || ops->heap.n > (size_t)INT32_MAX - bytes)
		return AM_E_LIMIT;
	return am_vec_reserve(&e->doc->a, &ops->heap, bytes);
}

int am_text_splice(am_doc *doc, am_objid obj, size_t pos, ptrdiff_t del, const char *text, size_t n)
{
	struct am_edit e;
	uintptr_t heap;
	size_t count;
	int rc;

	if (n > INT32_MAX)
		return AM_E_LIMIT;
	if (!utf8_valid(n ? text : "", n))
		return AM_E_FORMAT;
	rc = am_edit_begin(doc, obj, AM_EDIT_TEXT, &e);
	if (rc)
		return rc;
	heap = (uintptr_t)e.ops->heap.p;
	rc = am_edit_del(&pos, del, &count);
	if (rc == AM_OK)
		rc = reserve_bytes(&e, n);
	if (rc == AM_OK) { /* which may have been read from this document */
		const uint8_t *now = am_moved((const uint8_t *)text, heap, e.ops->heap.n, e.ops->heap.p);
		rc = am_edit_text(&e, pos, count, now, n);
	}
	return am_edit_end(&e, rc);
}

/* Values read from this document lie in its heap, which may move from one to the next. */
static int insert_values(struct am_edit *e, struct spot *at, const am_value *v, size_t n)
{
	uintptr_t heap = (uintptr_t)e->ops->heap.p;
	size_t heap_n = e->ops->heap.n;
	int rc = AM_OK;

	for (size_t i = 0; i < n && rc == AM_OK; i++) {
		am_value now = v[i];

		if (has_bytes(now.type))
			now.s.p = am_moved(now.s.p, heap, heap_n, e->ops->heap.p);
		rc = insert_value(e, at, &now);
	}
	return rc;
}

int am_list_splice(am_doc *doc, am_objid obj, size_t pos, ptrdiff_t del, const am_value *v, size_t n)
{
	struct am_edit e;
	struct spot at;
	size_t count;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST, &e);

	if (rc)
		return rc;
	rc = am_edit_del(&pos, del, &count);
	if (rc == AM_OK)
		rc = find_spot(&e, pos, &at);
	if (rc == AM_OK)
		rc = insert_values(&e, &at, v, n);
	if (rc == AM_OK)
		rc = delete_at(&e, pos + n, count);
	return am_edit_end(&e, rc);
}

/* ---- marks ---- */

static int mark_range(struct am_edit *e, size_t start, size_t end, am_expand expand, const char *name, size_t name_n,
		      const am_value *value)
{
	am_op op = {.run = 1, .action = AM_ACT_MARK, .mark = (const uint8_t *)name, .mark_n = (uint32_t)name_n};
	am_op last = {.run = 1, .action = AM_ACT_MARK};
	uintptr_t names = (uintptr_t)e->ops->names.p;
	size_t names_n = e->ops->names.n;
	struct am_scalar s;
	struct spot at;
	uint32_t key;
	bool wide;
	int rc = am_scalar_encode(value, &s);

	if (rc == AM_OK)
		rc = am_key_intern(e->doc, op.mark, name_n, &key);
	if (rc == AM_OK)
		rc = find_spot(e, start, &at);
	if (rc)
		return rc;
	/* Name and value may have been read from this document. */
	s.p = am_moved(s.p, names, names_n, e->ops->names.p);
	op.mark = am_key_text(e->ops, key);
	/* A range inside one element has no width either. */
	wide = end > at.pos;
	if (!wide && expand == AM_EXPAND_NONE)
		return AM_OK;
	op_value(&op, &s);
	op.expand = expand == AM_EXPAND_BEFORE || expand == AM_EXPAND_BOTH;
	last.expand = expand == AM_EXPAND_AFTER || expand == AM_EXPAND_BOTH;
	rc = insert_at(e, &at, &op);
	if (rc == AM_OK && wide) /* a zero-width mark ends right behind its begin */
		rc = find_spot(e, end, &at);
	return rc ? rc : insert_at(e, &at, &last);
}

int am_mark(am_doc *doc, am_objid text, size_t start, size_t end, am_expand expand, const char *name, size_t name_n,
	    const am_value *value)
{
	struct am_edit e;
	int rc;

	if (start > end)
		return AM_E_INDEX;
	if (name_n > INT32_MAX)
		return AM_E_LIMIT;
	if (!utf8_valid(name_n ? name : "", name_n))
		return AM_E_FORMAT;
	rc = am_edit_begin(doc, text, AM_EDIT_TEXT, &e);
	if (rc)
		return rc;
	if (start < end || expand != AM_EXPAND_NONE)
		rc = mark_range(&e, start, end, expand, name_n ? name : "", name_n, value);
	return am_edit_end(&e, rc);
}
