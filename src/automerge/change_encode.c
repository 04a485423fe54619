/* One change from what am_change_decode shows of it, for tools. The bytes are those of
 * the encoder that local edits use. */
#include "automerge/change.h"
#include "automerge/scalar.h"
#include "base/utf8.h"

static bool text_is_good(const void *p, size_t n)
{
	return !p || n == 0 || utf8_valid(p, n);
}

/* ---- the header ---- */

static int take_header(const am_change_info *info, size_t n_ops, am_change *c)
{
	if (info->seq == 0 || info->start_op == 0 || !text_is_good(info->message, info->message_n))
		return AM_E_FORMAT;
	if (info->seq >= AM_NONE || info->start_op > AM_MAX_COUNTER || n_ops > AM_MAX_COUNTER - info->start_op + 1)
		return AM_E_LIMIT;
	c->seq = info->seq;
	c->start_op = (uint32_t)info->start_op;
	c->op_count = (uint32_t)n_ops;
	c->time = info->time;
	c->message = (const uint8_t *)info->message;
	c->message_n = info->message_n;
	c->deps = info->deps;
	c->n_deps = info->n_deps;
	c->extra = info->extra;
	c->extra_n = info->extra_n;
	return AM_OK;
}

/* Indices in the table are those of the operations: an actor that is there twice has none of its own. */
static int take_actors(struct am_actors *t, const am_allocator *a, const am_change_info *info,
		       const am_actor_id *others, size_t n, am_change *c)
{
	uint32_t ix;
	int rc;

	if (n >= AM_NONE)
		return AM_E_LIMIT;
	c->actors = am_arena_array(&c->arena, n + 1, sizeof *c->actors);
	if (!c->actors)
		return AM_E_NOMEM;
	c->n_actors = n + 1;
	for (size_t i = 0; i <= n; i++) {
		c->actors[i] = i ? (struct am_bytes){others[i - 1].p, others[i - 1].n}
				 : (struct am_bytes){info->actor, info->actor_n};
		rc = am_actors_intern(t, a, c->actors[i].p, c->actors[i].n, &ix);
		if (rc)
			return rc;
		if (ix != i)
			return AM_E_FORMAT;
	}
	return AM_OK;
}

/* ---- operations ---- */

static int take_value(const am_op_view *v, am_change *c, am_op *op)
{
	struct am_scalar s;
	int rc;

	if (am_action_is_make(op->action)) {
		op->meta = AM_VAL_NULL;
		return v->value.type == AM_NULL || v->value.type == am_made_type(op->action) ? AM_OK : AM_E_TYPE;
	}
	if (op->action == AM_ACT_INC && v->value.type != AM_INT && v->value.type != AM_UINT)
		return AM_E_TYPE;
	rc = am_scalar_encode(&v->value, &s);
	if (rc)
		return rc;
	op->meta = s.meta;
	op->val = s.p;
	if (s.p == s.buf && am_op_val_n(op)) {
		op->val = am_arena_copy(&c->arena, s.p, am_op_val_n(op));
		if (!op->val)
			return AM_E_NOMEM;
	}
	return AM_OK;
}

static bool is_known(const am_change *c, am_id id)
{
	return am_id_is_null(id) || id.actor < c->n_actors;
}

static int check_names(const am_change *c, const am_op *op)
{
	if (!is_known(c, op->obj) || !is_known(c, op->elem))
		return AM_E_BAD_REF;
	for (uint32_t i = 0; i < op->n_refs; i++) {
		if (am_id_is_null(op->refs[i]))
			return AM_E_FORMAT;
		if (!is_known(c, op->refs[i]))
			return AM_E_BAD_REF;
	}
	return am_change_op_is_sound(c, op) ? AM_OK : AM_E_FORMAT;
}

static int take_op(const am_op_view *v, uint32_t i, am_change *c, am_op *op)
{
	int rc;

	if (v->action >= AM_ACT_N || !text_is_good(v->key, v->key_n) || !text_is_good(v->mark, v->mark_n))
		return AM_E_FORMAT;
	if (v->key_n > UINT32_MAX || v->mark_n > UINT32_MAX || v->n_pred > UINT32_MAX)
		return AM_E_LIMIT;
	*op = (am_op){.id = {c->start_op + i, 0}, .obj = v->obj, .run = 1, .key_is_str = v->key != NULL,
		      .insert = v->insert, .expand = v->expand, .action = v->action,
		      .mark = (const uint8_t *)v->mark, .mark_n = v->mark ? (uint32_t)v->mark_n : 0, .refs = v->pred,
		      .n_refs = (uint32_t)v->n_pred};
	if (op->key_is_str) {
		op->key = (const uint8_t *)v->key;
		op->key_n = (uint32_t)v->key_n;
	} else {
		op->elem = v->elem;
	}
	rc = take_value(v, c, op);
	return rc ? rc : check_names(c, op);
}

static int take_ops(const am_op_view *ops, am_change *c)
{
	int rc = AM_OK;

	c->ops = am_arena_array(&c->arena, c->op_count, sizeof *c->ops);
	if (!c->ops)
		return AM_E_NOMEM;
	for (uint32_t i = 0; i < c->op_count && rc == AM_OK; i++)
		rc = take_op(&ops[i], i, c, &c->ops[i]);
	c->n_ops = c->op_count;
	return rc;
}

/* ---- public ---- */

int am_change_encode(const am_change_info *info, const am_actor_id *others, size_t n_others, const am_op_view *ops,
		     size_t n_ops, const am_allocator *alloc, am_hash *ret_hash, am_buf *out)
{
	am_allocator a = am_mem_allocator(alloc);
	struct am_scratch *s = NULL;
	struct am_actors t = {0};
	struct am_bytes chunk;
	am_change c;
	int rc;

	am_change_init(&c, &a);
	if ((rc = take_header(info, n_ops, &c)) || (rc = take_actors(&t, &a, info, others, n_others, &c)) ||
	    (rc = take_ops(ops, &c)) || (rc = am_scratch_new(&a, &s)) || (rc = am_change_build(s, &t, &c, &chunk)) ||
	    (rc = am_buf_set(out, &a, chunk.p, chunk.n)))
		goto out;
	if (ret_hash)
		*ret_hash = c.hash;
out:
	am_scratch_free(s);
	am_actors_fini(&t, &a);
	am_change_fini(&c);
	return rc;
}
