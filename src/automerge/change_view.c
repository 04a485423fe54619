/* One change, decoded for tools. */
#include "automerge/change.h"
#include "automerge/scalar.h"

struct am_change_view {
	am_allocator a;
	am_change c;
	am_change_info info;
	am_op_view *ops;
	size_t n_ops;
};

static void view_value(const am_op *op, am_value *v)
{
	*v = (am_value){.id = op->id};
	if (am_action_is_make(op->action))
		v->type = am_made_type(op->action);
	else
		am_scalar_decode(am_op_type(op), op->val, am_op_val_n(op), v);
}

static void view_op(const am_op *op, am_op_view *v)
{
	*v = (am_op_view){.id = op->id, .obj = op->obj, .insert = op->insert, .expand = op->expand,
			  .action = op->action, .mark = (const char *)op->mark, .mark_n = op->mark_n,
			  .pred = op->refs, .n_pred = op->n_refs};
	if (op->key_is_str) {
		v->key = (const char *)op->key;
		v->key_n = op->key_n;
	} else {
		v->elem = op->elem;
	}
	view_value(op, &v->value);
}

static int view_ops(struct am_change_view *v)
{
	v->ops = am_mem_realloc(&v->a, NULL, v->c.op_count, sizeof *v->ops);
	if (!v->ops)
		return AM_E_NOMEM;
	for (size_t i = 0; i < v->c.n_ops; i++) {
		size_t byte = 0;

		for (uint32_t k = 0; k < v->c.ops[i].run; k++) {
			am_op op = am_op_slice(&v->c.ops[i], k, 1, &byte);

			view_op(&op, &v->ops[v->n_ops++]);
		}
	}
	return AM_OK;
}

static void view_info(struct am_change_view *v)
{
	const am_change *c = &v->c;
	struct am_bytes author;

	v->info = (am_change_info){
		.hash = c->hash, .actor = c->actors[0].p, .actor_n = c->actors[0].n, .seq = c->seq,
		.start_op = c->start_op, .n_ops = c->op_count, .time = c->time, .message = (const char *)c->message,
		.message_n = c->message_n, .deps = c->deps, .n_deps = c->n_deps, .extra = c->extra,
		.extra_n = c->extra_n};
	if (am_change_author(c->extra, c->extra_n, &author)) {
		v->info.author = author.p;
		v->info.author_n = author.n;
	}
}

int am_change_decode(const void *p, size_t n, const am_opts *opts, am_change_view **ret)
{
	struct am_limits lim = am_opts_limits(opts);
	am_allocator a = am_mem_allocator(opts ? &opts->alloc : NULL);
	struct am_in in = am_in_of(p, n);
	struct am_scratch *s = NULL;
	struct am_change_view *v = am_mem_zalloc(&a, sizeof *v);
	struct am_chunk ch;
	bool parsed = false;
	int rc = v ? am_scratch_new(&a, &s) : AM_E_NOMEM;

	if (rc)
		goto out;
	v->a = a;
	rc = in.p == in.end ? AM_E_EOF : am_chunk_next(&in, &ch);
	if (rc)
		goto out;
	rc = in.p == in.end ? am_change_parse(s, &ch, &lim, &v->c) : AM_E_FORMAT;
	if (rc)
		goto out;
	parsed = true;
	rc = am_change_verify(s, &v->c);
	if (rc == AM_OK)
		rc = view_ops(v);
out:
	am_scratch_free(s);
	if (rc == AM_OK) {
		view_info(v);
		*ret = v;
		return AM_OK;
	}
	if (parsed)
		am_change_fini(&v->c);
	if (v) {
		am_mem_free(&a, v->ops);
		am_mem_free(&a, v);
	}
	return rc;
}

void am_change_view_free(am_change_view *v)
{
	am_allocator a;

	if (!v)
		return;
	a = v->a;
	am_change_fini(&v->c);
	am_mem_free(&a, v->ops);
	am_mem_free(&a, v);
}

const am_change_info *am_change_view_info(const am_change_view *v)
{
	return &v->info;
}

const uint8_t *am_change_view_actor(const am_change_view *v, uint32_t index, size_t *ret_n)
{
	if (index >= v->c.n_actors)
		return NULL;
	*ret_n = v->c.actors[index].n;
	return v->c.actors[index].p;
}

size_t am_change_view_ops(const am_change_view *v, const am_op_view **ret)
{
	*ret = v->ops;
	return v->n_ops;
}
