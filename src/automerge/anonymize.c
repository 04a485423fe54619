/* The same history with other content. Every change is decoded, rewritten and encoded, in
 * application order, so that dependencies can be named by their new hashes. What stays and
 * what goes is as in crate 0.12; values are not. */
#include <stdlib.h>

#include "automerge/chacha.h"
#include "automerge/change.h"
#include "automerge/internal.h"
#include "automerge/load.h"
#include "base/utf8.h"

#define ACTOR_PREFIX 8
#define ACTOR_N (ACTOR_PREFIX + 8)

/* Scalar values that are written and counted alike. One of a key becomes another of its class. */
enum char_class { CLASS_PRINTABLE, CLASS_CONTROL, CLASS_TWO, CLASS_THREE, CLASS_FOUR, CLASS_N };
static const uint32_t class_size[CLASS_N] = {0x5f, 0x21, 0x780, 0xf000, 0x100000};

struct masker {
	am_doc *doc;
	struct am_chacha random;
	uint32_t *table[CLASS_N]; /* of keys: what each of a class becomes; made when needed */
	uint8_t (*actor)[ACTOR_N]; /* by local index */
	am_doc *made;              /* has the same rows, as far as it goes */
	struct am_arena arena;     /* of one change */
};

/* ---- characters ---- */

static enum char_class rank_of(uint32_t cp, uint32_t *ret)
{
	if (cp < 0x20 || cp == 0x7f) {
		*ret = cp == 0x7f ? 0x20 : cp;
		return CLASS_CONTROL;
	}
	if (cp < 0x80) {
		*ret = cp - 0x20;
		return CLASS_PRINTABLE;
	}
	if (cp < 0x10000) {
		*ret = cp < 0x800 ? cp - 0x80 : cp < 0xd800 ? cp - 0x800 : cp - 0x1000; /* no surrogates */
		return cp < 0x800 ? CLASS_TWO : CLASS_THREE;
	}
	*ret = cp - 0x10000;
	return CLASS_FOUR;
}

static uint32_t of_rank(enum char_class class, uint32_t rank)
{
	switch (class) {
	case CLASS_PRINTABLE:
		return rank + 0x20;
	case CLASS_CONTROL:
		return rank == 0x20 ? 0x7f : rank;
	case CLASS_TWO:
		return rank + 0x80;
	case CLASS_THREE:
		return rank < 0xd000 ? rank + 0x800 : rank + 0x1000;
	default:
		return rank + 0x10000;
	}
}

/* One cycle through all of a class (Sattolo): nothing stays what it is. */
static const uint32_t *table_of(struct masker *m, enum char_class class)
{
	uint32_t n = class_size[class], *t = m->table[class];

	if (t)
		return t;
	t = m->table[class] = am_mem_realloc(&m->doc->a, NULL, n, sizeof *t);
	if (!t)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		t[i] = i;
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t k = am_chacha_below(&m->random, i), x = t[i];

		t[i] = t[k];
		t[k] = x;
	}
	return t;
}

/* Letters about as often as in prose, so that files shrink about as well. */
static uint8_t letter(struct masker *m, uint8_t not)
{
	static const uint8_t often[] = "eeeeeeeetttttaaaaaooooiiiiinnnnnsssssrrrrhhhhllldddcccuuummppgfbyvw";
	uint8_t x;

	do
		x = often[am_chacha_below(&m->random, sizeof often - 1)];
	while (x == not);
	return x;
}

static bool is_space(uint32_t cp)
{
	return cp == ' ' || cp == 0x85 || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) ||
	       cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

static uint32_t other_char(struct masker *m, uint32_t cp)
{
	uint32_t rank, x;
	enum char_class class = rank_of(cp, &rank);

	if (class == CLASS_CONTROL || is_space(cp))
		return cp;
	if (class == CLASS_PRINTABLE)
		return letter(m, (uint8_t)cp);
	x = am_chacha_below(&m->random, class_size[class] - 1);
	return of_rank(class, x < rank ? x : x + 1);
}

/* ---- strings and bytes ---- */

/* NULL: no memory. What is not there stays so. */
static const uint8_t *other_bytes(struct masker *m, const uint8_t *p, size_t n)
{
	uint8_t *to = am_arena_alloc(&m->arena, n + 4);

	for (size_t i = 0; to && i < n; i++)
		to[i] = letter(m, p[i]);
	return to;
}

static const uint8_t *other_text(struct masker *m, const uint8_t *p, size_t n)
{
	uint8_t *to = am_arena_alloc(&m->arena, n + 4);
	uint32_t cp;

	for (size_t i = 0; to && i < n;) {
		(void)utf8_decode(p + i, n - i, &cp);
		i += utf8_encode(to + i, other_char(m, cp)); /* as long as what it stands for */
	}
	return to;
}

/* A name: equal ones stay equal, others different. */
static const char *other_name(struct masker *m, const char *name, size_t n)
{
	const uint8_t *p = (const uint8_t *)name;
	uint8_t *to = am_arena_alloc(&m->arena, n + 4);
	uint32_t cp, rank;

	for (size_t i = 0; to && i < n;) {
		(void)utf8_decode(p + i, n - i, &cp);
		enum char_class class = rank_of(cp, &rank);
		const uint32_t *table = table_of(m, class);

		if (!table)
			return NULL;
		i += utf8_encode(to + i, of_rank(class, table[rank]));
	}
	return (const char *)to;
}

/* ---- values ---- */

/* Columns hold differences: those of 32-bit numbers fit 64 bits whatever stands side by side. */
static int64_t other_int(struct masker *m, int64_t not)
{
	int64_t x;

	do
		x = (int32_t)am_chacha_u32(&m->random);
	while (x == not);
	return x;
}

static uint64_t other_uint(struct masker *m, uint64_t not)
{
	uint64_t x;

	do
		x = am_chacha_u64(&m->random);
	while (x == not);
	return x;
}

/* From 0 to 1. */
static double other_double(struct masker *m, double not)
{
	double x;

	do
		x = (double)(am_chacha_u64(&m->random) >> 11) / 9007199254740992.0;
	while (memcmp(&x, &not, sizeof x) == 0);
	return x;
}

static int mask_value(struct masker *m, uint8_t action, am_value *v)
{
	switch (v->type) {
	case AM_BOOL:
		v->b = am_chacha_u32(&m->random) & 1;
		return AM_OK;
	case AM_INT:
	case AM_COUNTER:
	case AM_TIMESTAMP:
		v->i = other_int(m, v->i);
		return AM_OK;
	case AM_UINT: /* an increment is read as a signed number */
		v->u = action == AM_ACT_INC ? am_chacha_u32(&m->random) : other_uint(m, v->u);
		return AM_OK;
	case AM_F64:
		v->f = other_double(m, v->f);
		return AM_OK;
	case AM_STR:
		v->s.p = other_text(m, v->s.p, v->s.n);
		return v->s.p ? AM_OK : AM_E_NOMEM;
	case AM_BYTES:
	case AM_UNKNOWN:
		v->s.p = other_bytes(m, v->s.p, v->s.n);
		return v->s.p ? AM_OK : AM_E_NOMEM;
	default:
		return AM_OK;
	}
}

static int mask_op(struct masker *m, am_op_view *op)
{
	if (op->key && !(op->key = other_name(m, op->key, op->key_n)))
		return AM_E_NOMEM;
	if (op->mark && !(op->mark = other_name(m, op->mark, op->mark_n)))
		return AM_E_NOMEM;
	return mask_value(m, op->action, &op->value);
}

/* ---- actors ---- */

/* A common beginning and a number that ascends as the actors did. */
static void name_actors(struct masker *m)
{
	const struct am_actors *t = &m->doc->actors;
	uint64_t prefix = am_chacha_u64(&m->random), rank = 0;

	for (size_t r = 0; r < t->v.n; r++) {
		uint32_t i = t->order[r];

		if (am_graph_seq_count(&m->doc->graph, i) == 0)
			continue; /* it was heard of and has done nothing */
		for (int k = 0; k < ACTOR_PREFIX; k++) {
			m->actor[i][k] = (uint8_t)(prefix >> 8 * k);
			m->actor[i][ACTOR_PREFIX + k] = (uint8_t)(rank >> 8 * (7 - k));
		}
		rank++;
	}
}

static bool some_actor_stays(const struct masker *m)
{
	const struct am_actors *t = &m->doc->actors;

	for (size_t i = 0; i < t->v.n; i++)
		if (am_actors_find(t, m->actor[i], ACTOR_N) != AM_NONE)
			return true;
	return false;
}

static int new_actors(struct masker *m)
{
	m->actor = am_mem_zalloc(&m->doc->a, (m->doc->actors.v.n + 1) * sizeof *m->actor);
	if (!m->actor)
		return AM_E_NOMEM;
	do
		name_actors(m);
	while (some_actor_stays(m));
	return AM_OK;
}

/* ---- changes ---- */

static int mask_deps(struct masker *m, uint32_t row, am_change_info *info)
{
	struct am_row_deps d = am_graph_deps(&m->doc->graph, row);
	am_hash *deps = am_arena_array(&m->arena, d.n, sizeof *deps);

	if (!deps)
		return AM_E_NOMEM;
	for (size_t i = 0; i < d.n; i++)
		deps[i] = m->made->graph.hash.p[am_dep(&d, i)];
	if (d.n)
		qsort(deps, d.n, sizeof *deps, am_hash_cmp);
	info->deps = deps;
	info->n_deps = d.n;
	return AM_OK;
}

static int mask_header(struct masker *m, uint32_t row, am_change_info *info)
{
	info->actor = m->actor[am_graph_row(&m->doc->graph, row).actor];
	info->actor_n = ACTOR_N;
	if (info->time) /* 0 tells nothing, and runs of it are part of the shape */
		info->time = other_int(m, info->time);
	info->message = (const char *)other_text(m, (const uint8_t *)info->message, info->message_n);
	info->extra = other_bytes(m, info->extra, info->extra_n);
	return info->message && info->extra ? mask_deps(m, row, info) : AM_E_NOMEM;
}

/* The actors that a change names, by their new names; in the same order. */
static int mask_others(struct masker *m, const am_change_view *v, am_actor_id **ret, size_t *ret_n)
{
	const struct am_actors *t = &m->doc->actors;
	const uint8_t *p;
	am_actor_id *list;
	size_t n = 0, len;

	while (am_change_view_actor(v, (uint32_t)n + 1, &len))
		n++;
	list = am_arena_array(&m->arena, n, sizeof *list);
	if (!list)
		return AM_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		p = am_change_view_actor(v, (uint32_t)i + 1, &len);
		list[i] = (am_actor_id){m->actor[am_actors_find(t, p, len)], ACTOR_N};
	}
	*ret = list;
	*ret_n = n;
	return AM_OK;
}

static int mask_view(struct masker *m, uint32_t row, const am_change_view *v, am_buf *out)
{
	am_change_info info = *am_change_view_info(v);
	const am_op_view *from;
	size_t n = am_change_view_ops(v, &from), n_others;
	am_op_view *ops = am_arena_array(&m->arena, n, sizeof *ops);
	am_actor_id *others;
	int rc = ops ? mask_header(m, row, &info) : AM_E_NOMEM;

	for (size_t i = 0; i < n && rc == AM_OK; i++) {
		ops[i] = from[i];
		rc = mask_op(m, &ops[i]);
	}
	if (rc == AM_OK)
		rc = mask_others(m, v, &others, &n_others);
	return rc ? rc : am_change_encode(&info, others, n_others, ops, n, &m->doc->a, NULL, out);
}

/* One after the other: a batch would be put in another order. */
static int mask_change(struct masker *m, uint32_t row)
{
	struct am_bytes chunk;
	am_change_view *v;
	am_buf out = {0};
	int rc = am_graph_chunk(m->doc, row, &chunk);

	if (rc || (rc = am_change_decode(chunk.p, chunk.n, &m->doc->opts, &v)))
		return rc;
	am_arena_reset(&m->arena);
	rc = mask_view(m, row, v, &out);
	am_change_view_free(v);
	if (rc == AM_OK)
		rc = am_load_chunks(m->made, out.p, out.n, AM_BROKEN_FAIL, 0, NULL);
	am_buf_free(&out);
	return rc;
}

int am_anonymize(am_doc *doc, const uint8_t seed[32], am_doc **ret)
{
	struct masker m = {.doc = doc};
	int rc = am_tx_flush(doc);

	if (rc || (rc = am_graph_complete(doc, &doc->graph)) || (rc = am_new(&doc->opts, &m.made)))
		return rc;
	am_chacha_init(&m.random, seed);
	am_arena_init(&m.arena, &doc->a);
	rc = new_actors(&m);
	for (uint32_t row = 0; row < doc->graph.hash.n && rc == AM_OK; row++)
		rc = mask_change(&m, row);
	if (rc == AM_OK)
		rc = am_doc_mark_saved(m.made);
	if (rc)
		am_free(m.made);
	else
		*ret = m.made;
	for (size_t i = 0; i < CLASS_N; i++)
		am_mem_free(&doc->a, m.table[i]);
	am_mem_free(&doc->a, m.actor);
	am_arena_fini(&m.arena);
	return rc;
}
