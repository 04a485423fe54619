/* Documents: life, actor, history queries, copies and merges. */
#include <stdlib.h>

#include "automerge/change.h"
#include "automerge/internal.h"
#include "automerge/load.h"
#include "automerge/opset.h"
#include "automerge/sizes.h"

#define DEFAULT_MAX_INFLATE ((size_t)1 << 30)
#define DEFAULT_MAX_OPS ((size_t)1 << 28)
#define DEFAULT_MAX_ORPHANS 65536
#define DEFAULT_CHANGE_CACHE AM_SIZE(64 * 1024, 200)

struct am_limits am_opts_limits(const am_opts *opts)
{
	struct am_limits lim = {DEFAULT_MAX_INFLATE, DEFAULT_MAX_OPS};

	if (opts && opts->max_inflate)
		lim.max_inflate = opts->max_inflate;
	if (opts && opts->max_ops)
		lim.max_ops = opts->max_ops;
	return lim;
}

const char *am_strerror(int err)
{
	static const char *const text[] = {
		"success", "out of memory", "input ends too early", "not an Automerge chunk",
		"checksum does not match", "malformed data", "limit exceeded", "heads do not match the changes",
		"dependencies are missing", "duplicate sequence number", "gap in sequence numbers",
		"change is not in canonical form", "operation refers to something that is not there", "not found",
		"wrong type", "index out of range", "not a counter", "bad cursor",
		"not possible in this transaction state", "not supported"};

	if (err > 0 || err <= -(int)(sizeof text / sizeof *text))
		return "unknown error";
	return text[-err];
}

int am_new(const am_opts *opts, am_doc **ret)
{
	static const am_opts none;
	am_allocator a = am_mem_allocator(opts ? &opts->alloc : NULL);
	am_doc *doc = am_mem_zalloc(&a, sizeof *doc);
	int rc;

	if (!doc)
		return AM_E_NOMEM;
	doc->a = a;
	doc->opts = opts ? *opts : none;
	doc->opts.alloc = a;
	doc->opts.max_inflate = am_opts_limits(opts).max_inflate;
	doc->opts.max_ops = am_opts_limits(opts).max_ops;
	if (!doc->opts.max_orphans)
		doc->opts.max_orphans = DEFAULT_MAX_ORPHANS;
	if (!doc->opts.change_cache)
		doc->opts.change_cache = DEFAULT_CHANGE_CACHE;
	doc->self_ix = AM_NONE;
	rc = am_scratch_new(&doc->a, &doc->scratch);
	if (rc == AM_OK)
		rc = am_ops_new(doc, &doc->ops);
	if (rc)
		am_free(doc);
	else
		*ret = doc;
	return rc;
}

void am_free(am_doc *doc)
{
	am_allocator a;

	if (!doc)
		return;
	a = doc->a;
	if (doc->tx)
		am_rollback(doc);
	if (doc->ops)
		am_ops_free(doc, doc->ops);
	am_queue_fini(doc);
	am_graph_fini(&doc->graph, &a);
	am_actors_fini(&doc->actors, &a);
	am_scratch_free(doc->scratch);
	am_mem_free(&a, doc->self);
	am_mem_free(&a, doc->footer);
	am_mem_free(&a, doc->saved_heads);
	am_mem_free(&a, doc);
}

bool am_doc_is_empty(const am_doc *doc)
{
	return doc->graph.hash.n == 0 && doc->queue.n == 0;
}

/* ---- actors ---- */

int am_set_actor(am_doc *doc, const void *actor, size_t n)
{
	uint8_t *copy;
	int rc = am_tx_flush(doc);

	if (rc)
		return rc;
	if (n > 1u << 20)
		return AM_E_LIMIT;
	copy = am_mem_alloc(&doc->a, n);
	if (!copy)
		return AM_E_NOMEM;
	if (n)
		memcpy(copy, actor, n);
	am_mem_free(&doc->a, doc->self);
	doc->self = copy;
	doc->self_n = n;
	doc->self_ix = AM_NONE;
	return AM_OK;
}

int am_doc_self(am_doc *doc, uint32_t *ret)
{
	int rc;

	if (!doc->self)
		return AM_E_TX;
	if (doc->self_ix == AM_NONE) {
		rc = am_actors_intern(&doc->actors, &doc->a, doc->self, doc->self_n, &doc->self_ix);
		if (rc)
			return rc;
	}
	*ret = doc->self_ix;
	return AM_OK;
}

const uint8_t *am_actor(const am_doc *doc, size_t *ret_n)
{
	*ret_n = doc->self ? doc->self_n : 0;
	return doc->self;
}

const uint8_t *am_actor_bytes(const am_doc *doc, uint32_t actor, size_t *ret_n)
{
	if (actor >= doc->actors.v.n)
		return NULL;
	*ret_n = doc->actors.v.p[actor].n;
	return doc->actors.v.p[actor].p;
}

/* ---- history ---- */

/* What asks for hashes other than the heads needs all of them. */
static int history(am_doc *doc)
{
	int rc = am_tx_flush(doc);

	return rc ? rc : am_graph_complete(doc, &doc->graph);
}

const am_hash *am_heads(am_doc *doc, size_t *ret_n)
{
	static const am_hash none;

	if (am_tx_flush(doc)) {
		*ret_n = 0;
		return NULL;
	}
	*ret_n = doc->graph.heads.n;
	return doc->graph.heads.n ? doc->graph.heads.p : &none;
}

size_t am_change_count(am_doc *doc)
{
	(void)am_tx_flush(doc);
	return doc->graph.hash.n;
}

size_t am_op_count(am_doc *doc)
{
	return am_ops_count(doc);
}

bool am_has_change(am_doc *doc, const am_hash *hash)
{
	return history(doc) == AM_OK && am_graph_find(&doc->graph, hash) != AM_NONE;
}

bool am_covers(am_doc *doc, const am_hash *of, size_t n_of, const am_hash *a, size_t n_a)
{
	am_rows out = {0};
	size_t lo, hi, mid;
	bool ok = history(doc) == AM_OK;
	uint32_t row;

	for (size_t i = 0; i < n_of && ok; i++)
		ok = am_graph_find(&doc->graph, &of[i]) != AM_NONE;
	ok = ok && am_graph_since_hashes(doc, of, n_of, &out) == AM_OK;
	for (size_t i = 0; i < n_a && ok; i++) {
		row = am_graph_find(&doc->graph, &a[i]);
		for (lo = 0, hi = out.n; lo < hi;) {
			mid = (lo + hi) / 2;
			if (out.p[mid] < row)
				lo = mid + 1;
			else
				hi = mid;
		}
		ok = row != AM_NONE && (lo == out.n || out.p[lo] != row);
	}
	am_vec_free(&doc->a, &out);
	return ok;
}

static void add_missing(const am_doc *doc, am_hash *list, size_t *n, const am_hash *h)
{
	if (am_graph_find(&doc->graph, h) == AM_NONE && !am_queue_find(&doc->queue, h))
		list[(*n)++] = *h;
}

int am_missing_deps(am_doc *doc, const am_hash *heads, size_t n, am_hash **ret, size_t *ret_n)
{
	am_hash *list;
	size_t k = 0;
	int rc = history(doc);

	if (rc)
		return rc;
	list = am_mem_realloc(&doc->a, NULL, doc->queue.n_waits + n + 1, sizeof *list);
	if (!list)
		return AM_E_NOMEM;
	for (const struct am_orphan *o = doc->queue.oldest; o; o = o->next)
		for (size_t i = 0; i < o->c.n_deps; i++)
			if (o->wait[i].owner)
				add_missing(doc, list, &k, o->wait[i].dep);
	for (size_t i = 0; i < n; i++)
		add_missing(doc, list, &k, &heads[i]);
	*ret_n = am_hash_sort_unique(list, k);
	*ret = list;
	return AM_OK;
}

void am_hashes_free(am_doc *doc, am_hash *hashes)
{
	am_mem_free(&doc->a, hashes);
}

/* ---- single changes ---- */

/* Dependencies as hashes, valid until they are asked for again. */
static int list_deps(am_doc *doc, uint32_t row, const am_hash **ret)
{
	struct am_row_deps d = am_graph_deps(&doc->graph, row);
	struct am_out *o = &doc->scratch->deps;

	o->n = 0;
	o->err = 0;
	for (size_t i = 0; i < d.n; i++)
		am_out_put(o, &doc->graph.hash.p[am_dep(&d, i)], sizeof(am_hash));
	*ret = d.n ? (const am_hash *)o->p : NULL;
	return o->err;
}

int am_change_at(am_doc *doc, size_t i, am_change_info *ret)
{
	const struct am_graph *g = &doc->graph;
	const am_hash *deps;
	struct am_row r;
	struct am_bytes message, extra, author;
	int rc = history(doc);

	if (rc)
		return rc;
	if (i >= g->hash.n)
		return AM_E_NOT_FOUND;
	rc = list_deps(doc, (uint32_t)i, &deps);
	if (rc)
		return rc;
	r = am_graph_row(g, (uint32_t)i);
	message = am_graph_message(g, (uint32_t)i);
	extra = am_graph_extra(g, (uint32_t)i);
	*ret = (am_change_info){
		.hash = g->hash.p[i], .actor = doc->actors.v.p[r.actor].p, .actor_n = doc->actors.v.p[r.actor].n,
		.actor_index = r.actor, .seq = r.seq, .start_op = r.start_op, .n_ops = r.op_count,
		.time = am_graph_time(g, (uint32_t)i), .message = (const char *)message.p, .message_n = message.n,
		.deps = deps, .n_deps = am_graph_deps(g, (uint32_t)i).n, .extra = extra.p, .extra_n = extra.n};
	if (am_change_author(extra.p, extra.n, &author)) {
		ret->author = author.p;
		ret->author_n = author.n;
	}
	return AM_OK;
}

int am_change_find(am_doc *doc, const am_hash *hash, size_t *ret_i)
{
	int rc = history(doc);
	uint32_t row;

	if (rc)
		return rc;
	row = am_graph_find(&doc->graph, hash);
	if (row == AM_NONE)
		return AM_E_NOT_FOUND;
	*ret_i = row;
	return AM_OK;
}

/* An actor's changes have ascending operations: the last that does not begin behind it. */
int am_change_of(am_doc *doc, am_objid op, size_t *ret_i)
{
	const struct am_graph *g = &doc->graph;
	struct am_row r;
	uint32_t lo, hi, mid;
	int rc = am_tx_flush(doc);

	if (rc)
		return rc;
	for (lo = 0, hi = am_graph_seq_count(g, op.actor); lo < hi;) {
		mid = hi - (hi - lo) / 2;
		r = am_graph_row(g, am_graph_by_seq(g, op.actor, mid));
		if (r.start_op <= op.ctr)
			lo = mid;
		else
			hi = mid - 1;
	}
	if (lo == 0)
		return AM_E_NOT_FOUND;
	r = am_graph_row(g, am_graph_by_seq(g, op.actor, lo));
	if (op.ctr - r.start_op >= r.op_count)
		return AM_E_NOT_FOUND;
	*ret_i = am_graph_by_seq(g, op.actor, lo);
	return AM_OK;
}

int am_change_bytes(am_doc *doc, size_t i, am_buf *out)
{
	struct am_bytes chunk;
	int rc = am_tx_flush(doc);

	if (rc)
		return rc;
	if (i >= doc->graph.hash.n)
		return AM_E_NOT_FOUND;
	rc = am_graph_chunk(doc, (uint32_t)i, &chunk);
	return rc ? rc : am_buf_set(out, &doc->a, chunk.p, chunk.n);
}

/* ---- local changes ---- */

/* Current heads and the actor's previous change, or the heads given alone (an isolated
 * actor's latest operation is covered by them, 9.6), sorted. */
static int local_deps(am_doc *doc, am_change *c)
{
	const struct am_graph *g = &doc->graph;
	const am_hash *base = c->deps ? c->deps : g->heads.p;
	size_t n = c->deps ? c->n_deps : g->heads.n;
	uint32_t own = c->deps ? AM_NONE : am_graph_by_seq(g, c->actor, c->seq - 1);
	am_hash *deps = am_arena_array(&c->arena, n + 1, sizeof *deps);
	int rc;

	if (!deps)
		return AM_E_NOMEM;
	if (own != AM_NONE && am_hash_is_zero(&g->hash.p[own]) && (rc = am_graph_complete(doc, g)))
		return rc;
	if (n)
		memcpy(deps, base, n * sizeof *deps);
	if (own != AM_NONE)
		deps[n++] = g->hash.p[own];
	c->n_deps = am_hash_sort_unique(deps, n);
	c->deps = deps;
	return AM_OK;
}

int am_commit_local(am_doc *doc, am_change *c, am_hash *ret_hash)
{
	struct am_graph *g = &doc->graph;
	const am_hash *given = c->deps;
	size_t n_given = c->n_deps;
	struct am_bytes chunk;
	int rc;

	c->seq = (uint64_t)am_graph_seq_count(g, c->actor) + 1;
	am_author_stamp(doc, c);
	if ((rc = local_deps(doc, c)) || (rc = am_change_build(doc->scratch, &doc->actors, c, &chunk)) ||
	    (rc = am_graph_reserve(doc, c))) {
		c->deps = given;
		c->n_deps = n_given;
		return rc;
	}
	am_graph_add(doc, c);
	am_graph_cache(doc, chunk.p, chunk.n);
	am_scratch_trim_columns(doc->scratch);
	c->raw = chunk.p;
	c->raw_n = chunk.n;
	*ret_hash = c->hash;
	return AM_OK;
}

/* ---- copies ---- */

#define COPY_VEC(a, to, from)                                                                                          \
	copy_array((a), (void **)&(to)->p, &(to)->n, &(to)->cap, (from)->p, (from)->n, sizeof *(from)->p)

static int copy_array(const am_allocator *a, void **to, size_t *to_n, size_t *to_cap, const void *from, size_t n,
		      size_t size)
{
	*to = am_mem_realloc(a, NULL, n, size);
	if (!*to)
		return AM_E_NOMEM;
	if (n)
		memcpy(*to, from, n * size);
	*to_n = *to_cap = n;
	return AM_OK;
}

static int copy_graph(const am_allocator *a, struct am_graph *to, const struct am_graph *from)
{
	size_t slots, slots_cap;

	if (COPY_VEC(a, &to->hash, &from->hash) || COPY_VEC(a, &to->run, &from->run) ||
	    COPY_VEC(a, &to->block, &from->block) || COPY_VEC(a, &to->time, &from->time) ||
	    COPY_VEC(a, &to->more, &from->more) || COPY_VEC(a, &to->lists, &from->lists) ||
	    COPY_VEC(a, &to->bytes, &from->bytes) ||
	    COPY_VEC(a, &to->texts, &from->texts) || COPY_VEC(a, &to->text_slot, &from->text_slot) ||
	    COPY_VEC(a, &to->heads, &from->heads) ||
	    COPY_VEC(a, &to->head_rows, &from->head_rows) || COPY_VEC(a, &to->flag, &from->flag) ||
	    copy_array(a, (void **)&to->slot, &slots, &slots_cap, from->slot, from->n_slots, sizeof *to->slot) ||
	    am_vec_reserve(a, &to->actor, from->actor.n))
		return AM_E_NOMEM;
	to->n_slots = slots;
	to->unhashed = from->unhashed;
	for (; to->actor.n < from->actor.n; to->actor.n++) {
		const struct am_seqs *s = &from->actor.p[to->actor.n];
		struct am_seqs *d = &to->actor.p[to->actor.n];

		*d = (struct am_seqs){.count = s->count, .has_author = s->has_author};
		if (COPY_VEC(a, d, s))
			return AM_E_NOMEM;
	}
	return AM_OK;
}

static int copy_row(void *ctx, const am_op *row)
{
	return am_ops_load_row(ctx, row);
}

static int copy_orphans(am_doc *doc, const am_doc *from)
{
	int rc = AM_OK;

	for (const struct am_orphan *o = from->queue.oldest; o && rc == AM_OK; o = o->next)
		rc = am_load_chunks(doc, o->c.raw, o->c.raw_n, AM_BROKEN_FAIL, 0, NULL);
	return rc;
}

int am_fork(am_doc *doc, am_doc **ret)
{
	am_doc *copy;
	uint32_t ix;
	int rc = am_tx_flush(doc);

	if (rc || (rc = am_new(&doc->opts, &copy)))
		return rc;
	for (size_t i = 0; i < doc->actors.v.n && rc == AM_OK; i++)
		rc = am_actors_intern(&copy->actors, &copy->a, doc->actors.v.p[i].p, doc->actors.v.p[i].n, &ix);
	if (rc == AM_OK)
		rc = am_ops_load_begin(copy);
	if (rc == AM_OK)
		rc = am_ops_each_row(doc, copy_row, copy);
	if (rc == AM_OK)
		rc = am_ops_load_end(copy);
	if (rc == AM_OK)
		rc = copy_graph(&copy->a, &copy->graph, &doc->graph);
	if (rc == AM_OK)
		rc = copy_orphans(copy, doc);
	if (rc == AM_OK)
		rc = am_author_copy(copy, doc);
	if (rc == AM_OK)
		rc = am_doc_mark_saved(copy);
	if (rc)
		am_free(copy);
	else
		*ret = copy;
	return rc;
}

/* The chunks of some rows of src into dst, as one batch. */
static int transfer(am_doc *dst, am_doc *src, const am_rows *rows)
{
	struct am_out o = {.a = &dst->a};
	struct am_bytes chunk;
	int rc = AM_OK;

	for (size_t i = 0; i < rows->n && rc == AM_OK; i++) {
		rc = am_graph_chunk(src, rows->p[i], &chunk);
		if (rc == AM_OK)
			am_out_put(&o, chunk.p, chunk.n);
	}
	if (rc == AM_OK)
		rc = o.err;
	if (rc == AM_OK)
		rc = am_load_chunks(dst, o.p, o.n, AM_BROKEN_FAIL, 0, NULL);
	am_out_free(&o);
	return rc;
}

int am_fork_at(am_doc *doc, const am_hash *heads, size_t n, am_doc **ret)
{
	am_rows of = {0}, rows = {0};
	am_doc *copy = NULL;
	uint32_t row;
	int rc = history(doc);

	for (size_t i = 0; i < n && rc == AM_OK; i++) {
		row = am_graph_find(&doc->graph, &heads[i]);
		if (row == AM_NONE)
			rc = AM_E_NOT_FOUND;
		else if (am_vec_reserve(&doc->a, &of, 1))
			rc = AM_E_NOMEM;
		else
			of.p[of.n++] = row;
	}
	if (rc == AM_OK)
		rc = am_graph_closure(doc, of.p, of.n, &rows);
	if (rc == AM_OK)
		rc = am_new(&doc->opts, &copy);
	if (rc == AM_OK)
		rc = transfer(copy, doc, &rows);
	if (rc == AM_OK)
		rc = am_author_copy(copy, doc);
	if (rc == AM_OK)
		rc = am_doc_mark_saved(copy);
	am_vec_free(&doc->a, &of);
	am_vec_free(&doc->a, &rows);
	if (rc)
		am_free(copy);
	else
		*ret = copy;
	return rc;
}

static int cmp_rows(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Visits a row of src unless dst has it. Rows are marked when pushed. */
static int merge_visit(const am_doc *dst, am_doc *src, uint32_t row, am_rows *rows)
{
	struct am_graph *g = &src->graph;

	if (am_graph_flag(g, row) || am_graph_find(&dst->graph, &g->hash.p[row]) != AM_NONE)
		return AM_OK;
	if (am_vec_reserve(&src->a, rows, 1))
		return AM_E_NOMEM;
	am_graph_set_flag(g, row, 1);
	rows->p[rows->n++] = row;
	return AM_OK;
}

/* Rows of src that dst lacks, ascending. */
static int lacking(am_doc *dst, am_doc *src, am_rows *ret)
{
	struct am_graph *g = &src->graph;
	am_rows rows = {0};
	int rc = history(dst);

	if (rc || (rc = history(src)))
		return rc;
	for (size_t i = 0; i < g->heads.n && rc == AM_OK; i++)
		rc = merge_visit(dst, src, g->head_rows.p[i], &rows);
	for (size_t i = 0; i < rows.n && rc == AM_OK; i++) {
		struct am_row_deps d = am_graph_deps(g, rows.p[i]);

		for (size_t k = 0; k < d.n && rc == AM_OK; k++)
			rc = merge_visit(dst, src, am_dep(&d, k), &rows);
	}
	for (size_t i = 0; i < rows.n; i++)
		am_graph_set_flag(g, rows.p[i], 0);
	if (rows.n)
		qsort(rows.p, rows.n, sizeof *rows.p, cmp_rows);
	if (rc)
		am_vec_free(&src->a, &rows);
	else
		*ret = rows;
	return rc;
}

int am_merge(am_doc *dst, am_doc *src)
{
	am_rows rows = {0};
	int rc = lacking(dst, src, &rows);

	if (rc == AM_OK && rows.n)
		rc = transfer(dst, src, &rows);
	am_vec_free(&src->a, &rows);
	return rc;
}

/* ---- lists of changes ---- */

/* The hashes of some rows of src, in memory of doc. */
static int list_hashes(const am_doc *doc, const am_doc *src, const am_rows *rows, am_hash **ret, size_t *ret_n)
{
	am_hash *list = am_mem_realloc(&doc->a, NULL, rows->n, sizeof *list);

	if (!list)
		return AM_E_NOMEM;
	for (size_t i = 0; i < rows->n; i++)
		list[i] = src->graph.hash.p[rows->p[i]];
	*ret = list;
	*ret_n = rows->n;
	return AM_OK;
}

int am_changes_since(am_doc *doc, const am_hash *have, size_t n, am_hash **ret, size_t *ret_n)
{
	am_rows rows = {0};
	int rc = history(doc);

	if (rc == AM_OK)
		rc = am_graph_since_hashes(doc, have, n, &rows);
	if (rc == AM_OK)
		rc = list_hashes(doc, doc, &rows, ret, ret_n);
	am_vec_free(&doc->a, &rows);
	return rc;
}

int am_changes_added(am_doc *doc, am_doc *other, am_hash **ret, size_t *ret_n)
{
	am_rows rows = {0};
	int rc = lacking(doc, other, &rows);

	if (rc == AM_OK)
		rc = list_hashes(doc, other, &rows, ret, ret_n);
	am_vec_free(&other->a, &rows);
	return rc;
}

int am_last_local_change(am_doc *doc, size_t *ret_i)
{
	uint32_t self, n = 0;
	int rc = am_tx_flush(doc);

	if (rc)
		return rc;
	self = doc->self ? am_actors_find(&doc->actors, doc->self, doc->self_n) : AM_NONE;
	if (self != AM_NONE)
		n = am_graph_seq_count(&doc->graph, self);
	if (n == 0)
		return AM_E_NOT_FOUND;
	*ret_i = am_graph_by_seq(&doc->graph, self, n);
	return AM_OK;
}
