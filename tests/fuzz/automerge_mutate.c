#include "automerge_mutate.h"

#include <stdlib.h>
#include <string.h>

#include "automerge/change.h"
#include "automerge/chunk.h"
#include "automerge/digest.h"

#define PART_MAX 16384 /* bytes of one part, inflated */
#define VALUES_MAX 4000

struct rng { uint64_t s; };
static uint32_t rnd(struct rng *r, uint32_t below)
{
	r->s = r->s * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((r->s >> 33) % (below ? below : 1));
}

/* ---- a chunk in parts ---- */

struct part {
	uint8_t *p;
	size_t n;
	uint32_t spec;
	bool deflated;
};
/* head | columns of up to two groups | tail */
struct parts {
	struct part head, tail, col[2 * AM_MAX_COLUMNS];
	size_t group[2]; /* columns in each */
	size_t n_groups;
	bool data_behind_both; /* documents: both column lists come before the data of either */
};

static bool part_set(struct part *x, const uint8_t *p, size_t n)
{
	x->p = malloc(PART_MAX);
	if (!x->p || n > PART_MAX)
		return false;
	memcpy(x->p, p, n);
	x->n = n;
	return true;
}

static void parts_free(struct parts *t)
{
	free(t->head.p);
	free(t->tail.p);
	for (size_t i = 0; i < 2 * AM_MAX_COLUMNS; i++)
		free(t->col[i].p);
}

static bool skip_blocks(struct am_in *in)
{
	const uint8_t *p;
	size_t n, len;

	if (am_in_count(in, 1, &n))
		return false;
	while (n--)
		if (am_in_block(in, &p, &len))
			return false;
	return true;
}

static bool skip_head(struct am_in *in, uint8_t type)
{
	const am_hash *h;
	const uint8_t *p;
	size_t n;
	uint64_t u;
	int64_t i;

	if (type == AM_CHUNK_DOCUMENT)
		return skip_blocks(in) && am_in_hashes(in, &h, &n) == AM_OK;
	if (am_in_hashes(in, &h, &n))
		return false;
	if (type == AM_CHUNK_CHANGE && (am_in_block(in, &p, &n) || am_in_uleb(in, &u) || am_in_uleb(in, &u) ||
					am_in_sleb(in, &i) || am_in_block(in, &p, &n)))
		return false;
	return skip_blocks(in);
}

static bool take_columns(struct parts *t, size_t at, const struct am_columns *cols, struct am_deflater *d)
{
	am_allocator a = am_mem_allocator(NULL);
	struct am_out plain = {.a = &a};
	bool ok = true;

	for (size_t i = 0; i < cols->n && ok; i++) {
		const struct am_column *c = &cols->v[i];
		struct part *x = &t->col[at + i];

		x->spec = c->spec;
		x->deflated = c->deflated;
		if (c->deflated)
			ok = am_inflate(d, c->p, c->n, PART_MAX, &plain) == AM_OK && part_set(x, plain.p, plain.n);
		else
			ok = part_set(x, c->p, c->n);
	}
	am_out_free(&plain);
	return ok;
}

static bool split(struct parts *t, uint8_t type, const uint8_t *body, size_t n, struct am_deflater *d)
{
	struct am_in in = am_in_of(body, n);
	struct am_columns a = {.n = 0}, b = {.n = 0};
	bool doc = type == AM_CHUNK_DOCUMENT;

	memset(t, 0, sizeof *t);
	t->data_behind_both = doc;
	t->n_groups = type == AM_CHUNK_CHANGE ? 1 : 2;
	if (!skip_head(&in, type) || !part_set(&t->head, body, (size_t)(in.p - body)) || am_columns_parse(&in, &a) ||
	    (doc && am_columns_parse(&in, &b)) || am_columns_data(&in, &a) ||
	    (type == AM_CHUNK_BUNDLE && am_columns_parse(&in, &b)) || (t->n_groups == 2 && am_columns_data(&in, &b)))
		return false;
	t->group[0] = a.n;
	t->group[1] = b.n;
	return part_set(&t->tail, in.p, am_in_left(&in)) && take_columns(t, 0, &a, d) && take_columns(t, a.n, &b, d);
}

/* The columns of a group as they are written; deflated ones go to packed[]. */
static void pack(const struct parts *t, size_t at, size_t n, struct am_deflater *d, struct am_columns *ret,
		 struct am_out *packed)
{
	ret->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct part *x = &t->col[at + i];
		struct am_column c = {.spec = x->spec, .deflated = x->deflated, .p = x->p, .n = x->n};

		if (x->deflated && am_deflate(d, x->p, x->n, &packed[i]) == AM_OK) {
			c.p = packed[i].p;
			c.n = packed[i].n;
		}
		if (c.n)
			ret->v[ret->n++] = c;
	}
}

static void join(const struct parts *t, struct am_deflater *d, struct am_out *o)
{
	struct am_columns cols[2];
	struct am_out packed[2][AM_MAX_COLUMNS];

	for (size_t g = 0; g < 2; g++)
		for (size_t i = 0; i < AM_MAX_COLUMNS; i++)
			packed[g][i] = (struct am_out){.a = o->a};
	am_out_put(o, t->head.p, t->head.n);
	for (size_t g = 0; g < t->n_groups; g++) {
		pack(t, g ? t->group[0] : 0, t->group[g], d, &cols[g], packed[g]);
		am_columns_put_meta(o, &cols[g]);
		if (!t->data_behind_both)
			am_columns_put_data(o, &cols[g]);
	}
	for (size_t g = 0; g < t->n_groups && t->data_behind_both; g++)
		am_columns_put_data(o, &cols[g]);
	am_out_put(o, t->tail.p, t->tail.n);
	for (size_t g = 0; g < 2; g++)
		for (size_t i = 0; i < AM_MAX_COLUMNS; i++)
			am_out_free(&packed[g][i]);
}

/* ---- one column ---- */

/* Other values in a column of integers, encoded as they should be. */
static void mutate_values(struct part *x, struct rng *r)
{
	unsigned type = x->spec & 7;
	bool is_delta = type == 3;
	am_allocator a = am_mem_allocator(NULL);
	uint64_t *v = malloc(VALUES_MAX * sizeof *v), acc = 0;
	bool *nulls = malloc(VALUES_MAX);
	struct am_rle_enc e;
	struct am_rle_dec d;
	size_t n = 0, i, k;

	am_rle_enc_init(&e, &a, is_delta ? AM_RLE_INT : AM_RLE_UINT);
	am_rle_dec_init(&d, x->p, x->n, is_delta ? AM_RLE_INT : AM_RLE_UINT, false);
	while (n < VALUES_MAX - 1 && x->n && !am_rle_done(&d) && am_rle_next(&d, &nulls[n]) == AM_OK) {
		acc += nulls[n] ? 0 : d.v;
		v[n] = is_delta ? acc : d.v;
		n++;
	}
	if (!n)
		goto out;
	i = rnd(r, (uint32_t)n);
	k = rnd(r, (uint32_t)n);
	switch (rnd(r, 7)) {
	case 0: v[i]++; break;
	case 1: v[i]--; break;
	case 2: v[i] = v[k]; break;
	case 3: v[i] = rnd(r, 300); break;
	case 4: nulls[i] = !nulls[i]; break;
	case 5: v[n] = v[k], nulls[n++] = false; break;
	default: memmove(v + i, v + i + 1, (n - i - 1) * sizeof *v), n--; break;
	}
	acc = 0;
	for (i = 0; i < n; i++) {
		if (nulls[i]) {
			am_rle_null(&e, 1);
			continue;
		}
		am_rle_put(&e, is_delta ? v[i] - acc : v[i], 1);
		acc = v[i];
	}
	am_rle_finish(&e);
	if (e.out.n <= PART_MAX && !e.out.err) {
		if (e.out.n)
			memcpy(x->p, e.out.p, e.out.n);
		x->n = e.out.n;
	}
out:
	am_rle_enc_fini(&e);
	free(v);
	free(nulls);
}

static void mutate_part(struct part *x, struct rng *r, bool column)
{
	unsigned type = x->spec & 7;

	if (column && type != 4 && type != 5 && type != 7 && rnd(r, 3))
		mutate_values(x, r);
	else
		x->n = LLVMFuzzerMutate(x->p, x->n, PART_MAX);
}

static void mutate_body(struct parts *t, uint8_t type, struct rng *r)
{
	size_t n = t->group[0] + t->group[1], i = rnd(r, (uint32_t)n + 2);

	if (i >= n) {
		mutate_part(i == n ? &t->head : &t->tail, r, false);
		return;
	}
	if (type != AM_CHUNK_CHANGE && rnd(r, 8) == 0)
		t->col[i].deflated = !t->col[i].deflated;
	else
		mutate_part(&t->col[i], r, true);
}

/* ---- a change by its operations ---- */

static void mutate_id(am_id *id, struct rng *r, size_t n_actors)
{
	if (rnd(r, 3) == 0)
		id->actor = rnd(r, (uint32_t)n_actors);
	else
		id->ctr = rnd(r, 2) ? id->ctr + rnd(r, 5) - 2 : rnd(r, 40);
}

static void mutate_op(am_change *c, am_op *op, struct rng *r, size_t n_actors)
{
	static const uint8_t *const keys[] = {(const uint8_t *)"a", (const uint8_t *)"l", (const uint8_t *)"k"};
	am_id *refs = (am_id *)(uintptr_t)op->refs;

	switch (rnd(r, 9)) {
	case 0: mutate_id(&op->obj, r, n_actors); break;
	case 1:
		if (!op->key_is_str)
			mutate_id(&op->elem, r, n_actors);
		break;
	case 2:
		if (op->n_refs)
			mutate_id(&refs[rnd(r, op->n_refs)], r, n_actors);
		break;
	case 3:
		if (op->n_refs && op->run == 1)
			op->n_refs--;
		break;
	case 4:
		if (op->run == 1)
			op->action = (uint8_t)rnd(r, 9);
		break;
	case 5:
		if (op->run == 1)
			op->insert = !op->insert;
		break;
	case 6:
		if (op->run == 1) {
			op->key_is_str = !op->key_is_str || rnd(r, 2);
			op->key = keys[rnd(r, 3)];
			op->key_n = 1;
			op->elem = c->ops[0].elem;
		}
		break;
	case 7:
		if (op->run == 1)
			op->meta ^= 1u << rnd(r, 4);
		break;
	default:
		if (op->run == 1)
			op->expand = !op->expand;
	}
}

static void mutate_change(am_change *c, struct rng *r, size_t n_actors)
{
	static const uint8_t footer[] = {1, 1, 7};

	switch (rnd(r, 8)) {
	case 0: c->seq += rnd(r, 3) - 1u; break;
	case 1: c->start_op += rnd(r, 5) - 2; break;
	case 2: c->n_deps -= c->n_deps && rnd(r, 2); break;
	case 3: c->actor = rnd(r, (uint32_t)n_actors); break;
	case 4: c->extra = footer, c->extra_n = rnd(r, 4); break;
	case 5: c->n_ops -= c->n_ops != 0; break;
	default:
		if (c->n_ops)
			mutate_op(c, &c->ops[rnd(r, (uint32_t)c->n_ops)], r, n_actors);
	}
	for (size_t i = 0, ctr = c->start_op; i < c->n_ops; ctr += c->ops[i++].run)
		c->ops[i].id = (am_id){(uint32_t)ctr, c->actor};
}

/* Appends the change with some operation altered; false when it cannot be read. */
static bool by_operations(const struct am_chunk *ch, struct rng *r, struct am_out *o)
{
	static const struct am_limits lim = {PART_MAX, VALUES_MAX};
	am_allocator a = am_mem_allocator(NULL);
	struct am_actors t = {0};
	struct am_scratch *s;
	struct am_bytes chunk;
	am_change c;
	uint32_t ix;
	bool ok = false;

	if (am_scratch_new(&a, &s))
		return false;
	if (am_change_parse(s, ch, &lim, &c) == AM_OK) {
		if (am_change_resolve(&t, &a, &c) == AM_OK && am_actors_intern(&t, &a, (const uint8_t *)"\x01", 1, &ix) == AM_OK) {
			for (uint32_t n = 1 + rnd(r, 2); n; n--)
				mutate_change(&c, r, t.v.n);
			ok = am_change_build(s, &t, &c, &chunk) == AM_OK;
		}
		if (ok)
			am_out_put(o, chunk.p, chunk.n);
		am_change_fini(&c);
	}
	am_actors_fini(&t, &a);
	am_scratch_free(s);
	return ok;
}

/* ---- files ---- */

/* Like am_chunk_next, whatever the checksum. */
static bool next_chunk(struct am_in *in, struct am_chunk *ret)
{
	struct am_chunk c = {.whole = in->p};
	struct am_in at = *in;
	uint64_t len;

	if (am_in_left(&at) < 10)
		return false;
	memcpy(c.sum, at.p + 4, 4);
	c.type = at.p[8];
	at.p += 9;
	if (am_in_uleb_any(&at, &len) || len > am_in_left(&at) || c.type > AM_CHUNK_BUNDLE)
		return false;
	c.body = at.p;
	c.n = (size_t)len;
	at.p += len;
	c.whole_n = (size_t)(at.p - c.whole);
	*in = at;
	*ret = c;
	return true;
}

static void put_chunk(struct am_out *o, uint8_t type, const struct am_out *body)
{
	struct am_out c = {.a = o->a};
	am_hash unused;
	size_t start;

	if (!am_out_need(&c, AM_CHUNK_HEAD_MAX))
		return;
	c.n = AM_CHUNK_HEAD_MAX;
	am_out_put(&c, body->p, body->n);
	start = am_chunk_seal(&c, type, &unused);
	am_out_put(o, c.p + start, c.n - start);
	am_out_free(&c);
}

/* A deflated change keeps the checksum of what it inflates to. */
static void put_deflated(struct am_out *o, const struct am_out *body, struct am_deflater *d)
{
	struct am_out plain = {.a = o->a}, packed = {.a = o->a}, whole = {.a = o->a};

	put_chunk(&plain, AM_CHUNK_CHANGE, body);
	if (am_deflate(d, body->p, body->n, &packed) == AM_OK) {
		put_chunk(&whole, AM_CHUNK_DEFLATED, &packed);
		memcpy(whole.p + 4, plain.p + 4, 4);
		am_out_put(o, whole.p, whole.n);
	}
	am_out_free(&plain);
	am_out_free(&packed);
	am_out_free(&whole);
}

static void mutate_one(const struct am_chunk *ch, struct rng *r, struct am_deflater *d, struct am_out *o)
{
	uint8_t type = ch->type == AM_CHUNK_DEFLATED ? AM_CHUNK_CHANGE : ch->type;
	bool deflate = ch->type == AM_CHUNK_DEFLATED ? rnd(r, 4) != 0 : type == AM_CHUNK_CHANGE && rnd(r, 12) == 0;
	struct am_out body = {.a = o->a}, inflated = {.a = o->a};
	struct parts *t = malloc(sizeof *t);
	const uint8_t *p = ch->body;
	size_t n = ch->n;

	if (type == AM_CHUNK_CHANGE && rnd(r, 2) && by_operations(ch, r, o)) {
		free(t);
		return;
	}
	if (ch->type == AM_CHUNK_DEFLATED && am_inflate(d, p, n, PART_MAX, &inflated) == AM_OK)
		p = inflated.p, n = inflated.n;
	if (split(t, type, p, n, d)) {
		mutate_body(t, type, r);
		join(t, d, &body);
	} else if (am_out_need(&body, n + 64)) {
		memcpy(body.p, p, n);
		body.n = LLVMFuzzerMutate(body.p, n, n + 64);
	}
	parts_free(t);
	free(t);
	if (deflate)
		put_deflated(o, &body, d);
	else
		put_chunk(o, type, &body);
	am_out_free(&body);
	am_out_free(&inflated);
}

size_t mutate_chunks(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	struct rng r = {seed};
	am_allocator a = am_mem_allocator(NULL);
	struct am_out o = {.a = &a};
	struct am_deflater d = {0};
	struct am_in in = am_in_of(data, n);
	struct am_chunk ch[16];
	size_t k = 0, pick, twice, gone;

	while (k < 16 && next_chunk(&in, &ch[k]))
		k++;
	if (!k || rnd(&r, 16) == 0)
		return LLVMFuzzerMutate(data, n, max);
	pick = rnd(&r, (uint32_t)k);
	twice = rnd(&r, 16) ? k : rnd(&r, (uint32_t)k);
	gone = rnd(&r, 16) ? k : rnd(&r, (uint32_t)k);
	for (size_t i = 0; i < k; i++) {
		if (i == gone)
			continue;
		if (i == pick)
			mutate_one(&ch[i], &r, &d, &o);
		if (i != pick || i == twice)
			am_out_put(&o, ch[i].whole, ch[i].whole_n);
	}
	am_out_put(&o, in.p, am_in_left(&in));
	if (o.n && o.n <= max && !o.err) {
		memcpy(data, o.p, o.n);
		n = o.n;
	} else {
		n = LLVMFuzzerMutate(data, n, max);
	}
	am_out_free(&o);
	am_deflater_fini(&d);
	return n;
}

size_t mutate_message(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	struct rng r = {seed * 2654435761u + 1};
	am_allocator a = am_mem_allocator(NULL);
	struct am_out o = {.a = &a};
	struct am_in in = am_in_of(data, n);
	const am_hash *h;
	const uint8_t *p;
	size_t k, n_have, entries, len;
	uint8_t *entry;

	if (!n || rnd(&r, 3) == 0)
		return LLVMFuzzerMutate(data, n, max);
	in.p++;
	if (am_in_hashes(&in, &h, &k) || am_in_hashes(&in, &h, &k) || am_in_count(&in, 2, &n_have))
		return LLVMFuzzerMutate(data, n, max);
	for (size_t i = 0; i < n_have; i++)
		if (am_in_hashes(&in, &h, &k) || am_in_block(&in, &p, &len))
			return LLVMFuzzerMutate(data, n, max);
	k = (size_t)(in.p - data);
	if (am_in_count(&in, 1, &entries) || !entries || am_in_block(&in, &p, &len) || len > PART_MAX)
		return LLVMFuzzerMutate(data, n, max);
	entry = malloc(PART_MAX);
	memcpy(entry, p, len);
	len = mutate_chunks(entry, len, PART_MAX, seed);
	am_out_put(&o, data, k);
	am_out_uleb(&o, entries);
	am_out_block(&o, entry, len);
	am_out_put(&o, in.p, am_in_left(&in));
	free(entry);
	if (o.n <= max && !o.err) {
		memcpy(data, o.p, o.n);
		n = o.n;
	}
	am_out_free(&o);
	return n;
}
