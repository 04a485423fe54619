#include "automerge/change.h"

#include <stdlib.h>

#include "automerge/sizes.h"
#include "base/utf8.h"

#define KEEP_BYTES AM_SIZE(1024, 16) /* of a chunk: what took more gives its buffers back */

void am_change_init(am_change *c, const am_allocator *a)
{
	memset(c, 0, sizeof *c);
	am_arena_init(&c->arena, a);
}

void am_change_fini(am_change *c)
{
	am_mem_free(&c->arena.a, c->ops_mem);
	am_arena_fini(&c->arena);
	c->ops_mem = NULL;
}

/* ---- scratch ---- */

int am_scratch_new(const am_allocator *a, struct am_scratch **ret)
{
	struct am_scratch *s = am_mem_zalloc(a, sizeof *s);

	if (!s)
		return AM_E_NOMEM;
	s->a = *a;
	s->body.a = s->inflated.a = s->deps.a = &s->a;
	*ret = s;
	return AM_OK;
}

static void drop_columns(struct am_scratch *s)
{
	if (s->enc)
		am_op_enc_fini(s->enc);
	am_mem_free(&s->a, s->enc);
	s->enc = NULL;
}

void am_scratch_drop(struct am_scratch *s)
{
	drop_columns(s);
	am_out_free(&s->body);
	am_out_free(&s->inflated);
	am_out_free(&s->deps);
	am_deflater_fini(&s->deflater);
	am_mem_free(&s->a, s->map);
	am_mem_free(&s->a, s->stamp);
	s->map = s->stamp = NULL;
	s->n_map = 0;
	am_vec_free(&s->a, &s->others);
}

void am_scratch_free(struct am_scratch *s)
{
	am_allocator a;

	if (!s)
		return;
	a = s->a;
	am_scratch_drop(s);
	am_mem_free(&a, s);
}

void am_scratch_trim_columns(struct am_scratch *s)
{
	if (s->body.cap > KEEP_BYTES)
		drop_columns(s);
}

void am_scratch_trim(struct am_scratch *s)
{
	am_deflater_fini(&s->deflater); /* a compressor takes a third of a megabyte */
	am_scratch_trim_columns(s);
	if (s->inflated.cap > KEEP_BYTES)
		am_out_free(&s->inflated);
	if (s->body.cap > KEEP_BYTES)
		am_out_free(&s->body);
}

static struct am_op_enc *columns(struct am_scratch *s)
{
	if (!s->enc) {
		s->enc = am_mem_alloc(&s->a, sizeof *s->enc);
		if (s->enc)
			am_op_enc_init(s->enc, &s->a);
	}
	return s->enc;
}

/* ---- parsing ---- */

static int parse_actors(struct am_in *in, am_change *c, const uint8_t *author, size_t author_n)
{
	size_t n;
	int rc = am_in_count(in, 1, &n);

	if (rc)
		return rc;
	c->actors = am_arena_array(&c->arena, n + 1, sizeof *c->actors);
	if (!c->actors)
		return AM_E_NOMEM;
	c->n_actors = n + 1;
	c->actors[0] = (struct am_bytes){author, author_n};
	for (size_t i = 1; i <= n; i++) {
		rc = am_in_block(in, &c->actors[i].p, &c->actors[i].n);
		if (rc)
			return rc;
	}
	return AM_OK;
}

static int parse_header(struct am_in *in, am_change *c)
{
	const uint8_t *author;
	size_t author_n;
	uint64_t start;
	int rc;

	if ((rc = am_in_hashes(in, &c->deps, &c->n_deps)) || (rc = am_in_block(in, &author, &author_n)) ||
	    (rc = am_in_uleb(in, &c->seq)) || (rc = am_in_uleb(in, &start)) || (rc = am_in_sleb(in, &c->time)) ||
	    (rc = am_in_block(in, &c->message, &c->message_n)))
		return rc;
	if (start == 0 || c->seq == 0 || !utf8_valid(c->message, c->message_n))
		return AM_E_FORMAT;
	if (start > AM_MAX_COUNTER || c->seq >= AM_NONE)
		return AM_E_LIMIT;
	c->start_op = (uint32_t)start;
	return parse_actors(in, c, author, author_n);
}

/* One more operation record at the end; text insertions join the run before. */
static int push_op(am_change *c, size_t *cap, const am_op *op)
{
	size_t want;
	am_op *p;

	if (c->n_ops && am_op_join(&c->ops[c->n_ops - 1], op, AM_FORM_CHANGE))
		return AM_OK;
	if (c->n_ops == *cap) {
		want = *cap ? *cap * 2 : 4;
		p = am_mem_realloc(&c->arena.a, c->ops, want, sizeof *p);
		if (!p)
			return AM_E_NOMEM;
		c->ops = c->ops_mem = p;
		*cap = want;
	}
	c->ops[c->n_ops++] = *op;
	return AM_OK;
}

static int parse_ops(am_change *c, const struct am_columns *cols, uint64_t max_ops)
{
	struct am_op_dec d;
	am_op op;
	am_id *refs;
	size_t cap = 0, used = 0;
	uint32_t n;
	int rc;

	rc = am_op_dec_init(&d, cols, AM_FORM_CHANGE, (uint32_t)c->n_actors, max_ops, false);
	if (rc)
		return rc;
	if (d.rows > AM_MAX_COUNTER - c->start_op + 1)
		return AM_E_LIMIT;
	c->op_count = (uint32_t)d.rows;
	refs = am_arena_array(&c->arena, d.refs, sizeof *refs);
	if (!refs)
		return AM_E_NOMEM;
	for (uint32_t i = 0; i < c->op_count; i++) {
		if ((rc = am_op_dec_next(&d, &op, refs + used)))
			return rc;
		op.id = (am_id){c->start_op + i, 0};
		used += op.n_refs;
		if ((rc = push_op(c, &cap, &op)))
			return rc;
		if (am_op_is_char(&op) && op.n_refs == 0) {
			if ((rc = am_op_dec_run(&d, &c->ops[c->n_ops - 1], &n)))
				return rc;
			i += n;
		}
	}
	return am_op_dec_done(&d);
}

static int parse_body(am_change *c, const uint8_t *body, size_t n, uint64_t max_ops)
{
	struct am_in in = am_in_of(body, n);
	struct am_columns cols;
	int rc;

	if ((rc = parse_header(&in, c)) || (rc = am_columns_parse(&in, &cols)))
		return rc;
	for (size_t i = 0; i < cols.n; i++)
		if (cols.v[i].deflated)
			return AM_E_FORMAT;
	if ((rc = am_columns_data(&in, &cols)))
		return rc;
	c->extra = in.p;
	c->extra_n = am_in_left(&in);
	return parse_ops(c, &cols, max_ops);
}

/* The plain chunk of a deflated one, in the scratch body. */
static int inflate_chunk(struct am_scratch *s, const struct am_chunk *ch, size_t max, am_hash *ret_hash,
			 struct am_bytes *ret)
{
	size_t start;
	int rc = am_inflate(&s->deflater, ch->body, ch->n, max, &s->inflated);

	if (rc)
		return rc;
	s->body.n = 0;
	s->body.err = 0;
	if (!am_out_need(&s->body, AM_CHUNK_HEAD_MAX + s->inflated.n))
		return s->body.err;
	s->body.n = AM_CHUNK_HEAD_MAX;
	am_out_put(&s->body, s->inflated.p, s->inflated.n);
	start = am_chunk_seal(&s->body, AM_CHUNK_CHANGE, ret_hash);
	if (memcmp(ret_hash->b, ch->sum, sizeof ch->sum) != 0)
		return AM_E_CHECKSUM;
	*ret = (struct am_bytes){s->body.p + start, s->body.n - start};
	return AM_OK;
}

int am_change_parse(struct am_scratch *s, const struct am_chunk *ch, const struct am_limits *lim, am_change *ret)
{
	struct am_bytes whole = {ch->whole, ch->whole_n};
	size_t n = ch->n;
	am_change c;
	int rc;

	am_change_init(&c, &s->a);
	c.hash = ch->hash;
	if (ch->type == AM_CHUNK_DEFLATED) {
		rc = inflate_chunk(s, ch, lim->max_inflate, &c.hash, &whole);
		if (rc)
			goto out;
		n = s->inflated.n;
	} else if (ch->type != AM_CHUNK_CHANGE) {
		return AM_E_FORMAT;
	}
	rc = AM_E_NOMEM;
	c.raw = am_arena_copy(&c.arena, whole.p, whole.n);
	if (!c.raw)
		goto out;
	c.raw_n = whole.n;
	rc = parse_body(&c, c.raw + (c.raw_n - n), n, lim->max_ops);
out:
	if (rc)
		am_change_fini(&c);
	else
		*ret = c;
	return rc;
}

/* ---- encoding ---- */

static void put_header(struct am_out *o, const am_change *c, const uint8_t *author, size_t author_n)
{
	am_out_hashes(o, c->deps, c->n_deps);
	am_out_block(o, author, author_n);
	am_out_uleb(o, c->seq);
	am_out_uleb(o, c->start_op);
	am_out_sleb(o, c->time);
	am_out_block(o, c->message, c->message_n);
}

static int put_ops(struct am_scratch *s, const am_change *c, const uint32_t *map)
{
	struct am_op_enc *enc;
	struct am_columns cols;
	int rc;

	if (am_ops_put_small(&s->body, c->ops, c->n_ops, map)) {
		am_out_put(&s->body, c->extra, c->extra_n);
		return s->body.err;
	}
	enc = columns(s);
	if (!enc)
		return AM_E_NOMEM;
	am_op_enc_reset(enc, AM_FORM_CHANGE);
	for (size_t i = 0; i < c->n_ops; i++)
		am_op_enc_put(enc, &c->ops[i], map);
	rc = am_op_enc_finish(enc, &cols);
	if (rc)
		return rc;
	am_columns_put_meta(&s->body, &cols);
	am_columns_put_data(&s->body, &cols);
	am_out_put(&s->body, c->extra, c->extra_n);
	return s->body.err;
}

static void body_start(struct am_scratch *s)
{
	s->body.n = 0;
	s->body.err = 0;
	if (am_out_need(&s->body, AM_CHUNK_HEAD_MAX))
		s->body.n = AM_CHUNK_HEAD_MAX;
}

/* ---- which actors a change names ---- */

static int reserve_map(struct am_scratch *s, size_t n)
{
	size_t cap = s->n_map * 2 > n ? s->n_map * 2 : n + 8;
	uint32_t *p;

	if (n <= s->n_map)
		return AM_OK;
	p = am_mem_realloc(&s->a, s->map, cap, sizeof *p);
	if (!p)
		return AM_E_NOMEM;
	s->map = p;
	p = am_mem_realloc(&s->a, s->stamp, cap, sizeof *p);
	if (!p)
		return AM_E_NOMEM;
	s->stamp = p;
	memset(s->stamp + s->n_map, 0, (cap - s->n_map) * sizeof *p);
	s->n_map = cap;
	return AM_OK;
}

static void next_stamp(struct am_scratch *s)
{
	if (++s->now)
		return;
	memset(s->stamp, 0, s->n_map * sizeof *s->stamp);
	s->now = 1;
}

static inline void name_actor(struct am_scratch *s, am_id id)
{
	if (am_id_is_null(id) || s->stamp[id.actor] == s->now)
		return;
	s->stamp[id.actor] = s->now;
	s->others.p[s->others.n++] = id.actor; /* room for every actor was made */
}

static int name_actors(struct am_scratch *s, const am_change *c, size_t n_actors)
{
	int rc = reserve_map(s, n_actors);

	s->others.n = 0;
	if (rc || (rc = am_vec_reserve(&s->a, &s->others, n_actors)))
		return rc;
	next_stamp(s);
	s->stamp[c->actor] = s->now;
	s->map[c->actor] = 0;
	for (size_t i = 0; i < c->n_ops; i++) {
		const am_op *op = &c->ops[i];

		name_actor(s, op->obj);
		if (!op->key_is_str)
			name_actor(s, op->elem);
		for (uint32_t k = 0; k < op->n_refs; k++)
			name_actor(s, op->refs[k]);
	}
	return AM_OK;
}

static void sort_by_rank(struct am_scratch *s, const uint32_t *rank)
{
	uint32_t *v = s->others.p;

	/* Changes name few actors, and those mostly in order of first sight. */
	for (size_t i = 1; i < s->others.n; i++) {
		uint32_t x = v[i];
		size_t k = i;

		for (; k && rank[v[k - 1]] > rank[x]; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
	for (size_t i = 0; i < s->others.n; i++)
		s->map[v[i]] = (uint32_t)i + 1;
}

int am_change_build(struct am_scratch *s, const struct am_actors *t, am_change *c, struct am_bytes *ret)
{
	const struct am_actor *author = &t->v.p[c->actor];
	size_t start;
	int rc = name_actors(s, c, t->v.n);

	if (rc)
		return rc;
	sort_by_rank(s, t->rank);
	body_start(s);
	put_header(&s->body, c, author->p, author->n);
	am_out_uleb(&s->body, s->others.n);
	for (size_t i = 0; i < s->others.n; i++) {
		const struct am_actor *x = &t->v.p[s->others.p[i]];

		am_out_block(&s->body, x->p, x->n);
	}
	rc = put_ops(s, c, s->map);
	if (rc)
		return rc;
	start = am_chunk_seal(&s->body, AM_CHUNK_CHANGE, &c->hash);
	*ret = (struct am_bytes){s->body.p + start, s->body.n - start};
	return AM_OK;
}

/* ---- the check at the door ---- */

static int cmp_ids(const am_change *c, am_id a, am_id b)
{
	if (a.ctr != b.ctr)
		return a.ctr < b.ctr ? -1 : 1;
	return am_actor_cmp(c->actors[a.actor].p, c->actors[a.actor].n, c->actors[b.actor].p, c->actors[b.actor].n);
}

bool am_change_op_is_sound(const am_change *c, const am_op *op)
{
	/* A delete is no row: nothing but what its predecessors tell comes back from a file. */
	if (op->action == AM_ACT_DEL && (op->insert || op->meta || op->n_refs == 0 || op->expand || op->mark))
		return false;
	if (op->insert && (op->n_refs || op->key_is_str))
		return false;
	if (!op->insert && !op->key_is_str && am_id_is_null(op->elem))
		return false;
	if (op->id.ctr <= op->obj.ctr || (!op->key_is_str && op->id.ctr <= op->elem.ctr))
		return false;
	for (uint32_t i = 0; i < op->n_refs; i++) {
		if (op->refs[i].ctr >= op->id.ctr)
			return false;
		if (i && cmp_ids(c, op->refs[i - 1], op->refs[i]) >= 0)
			return false;
	}
	return true;
}

/* Other actors: sorted, unique, not the author, each named by some operation. */
static int check_actors(struct am_scratch *s, const am_change *c)
{
	int rc;

	for (size_t i = 1; i < c->n_actors; i++) {
		const struct am_bytes *x = &c->actors[i], *author = &c->actors[0];

		if (i > 1 && am_actor_cmp(x[-1].p, x[-1].n, x->p, x->n) >= 0)
			return AM_E_POISON;
		if (am_actor_cmp(x->p, x->n, author->p, author->n) == 0)
			return AM_E_POISON;
	}
	rc = name_actors(s, c, c->n_actors);
	if (rc)
		return rc;
	return s->others.n == c->n_actors - 1 ? AM_OK : AM_E_POISON;
}

int am_change_verify(struct am_scratch *s, const am_change *c)
{
	const struct am_out *o = &s->body;
	size_t n;
	int rc;

	for (size_t i = 0; i < c->n_ops; i++)
		if (!am_change_op_is_sound(c, &c->ops[i]))
			return AM_E_POISON;
	rc = check_actors(s, c);
	if (rc)
		return rc;
	body_start(s);
	put_header(&s->body, c, c->actors[0].p, c->actors[0].n);
	am_out_uleb(&s->body, c->n_actors - 1);
	for (size_t i = 1; i < c->n_actors; i++)
		am_out_block(&s->body, c->actors[i].p, c->actors[i].n);
	rc = put_ops(s, c, NULL);
	if (rc)
		return rc;
	n = o->n - AM_CHUNK_HEAD_MAX;
	if (n > c->raw_n || memcmp(o->p + AM_CHUNK_HEAD_MAX, c->raw + (c->raw_n - n), n) != 0 ||
	    c->raw_n - n > AM_CHUNK_HEAD_MAX)
		return AM_E_POISON;
	return AM_OK;
}

/* ---- local actor indices ---- */

int am_change_resolve(struct am_actors *t, const am_allocator *a, am_change *c)
{
	uint32_t few[16], *map = few;
	int rc = AM_OK;

	if (c->n_actors > 16) {
		map = am_mem_alloc(a, c->n_actors * sizeof *map);
		if (!map)
			return AM_E_NOMEM;
	}
	for (size_t i = 0; i < c->n_actors && rc == AM_OK; i++)
		rc = am_actors_intern(t, a, c->actors[i].p, c->actors[i].n, &map[i]);
	if (rc)
		goto out;
	c->actor = map[0];
	for (size_t i = 0; i < c->n_ops; i++) {
		am_op *op = &c->ops[i];
		am_id *refs = (am_id *)(uintptr_t)op->refs; /* in c's own arena */

		op->id.actor = c->actor;
		if (!am_id_is_null(op->obj))
			op->obj.actor = map[op->obj.actor];
		if (!op->key_is_str && !am_id_is_null(op->elem))
			op->elem.actor = map[op->elem.actor];
		for (uint32_t k = 0; k < op->n_refs; k++)
			refs[k].actor = map[refs[k].actor];
	}
out:
	if (map != few)
		am_mem_free(a, map);
	return rc;
}
