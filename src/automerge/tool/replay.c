#include "automerge/tool/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

#define TEXT_KEY "text"

/* One writer of the concurrent form. Its document holds exactly what it had
 * seen when it wrote its latest transaction, and that transaction. */
struct writer {
	am_doc *doc;
	am_objid text;
};

/* Where a transaction of the trace ended up. */
struct done {
	am_hash hash;   /* of its last change */
	uint32_t first; /* its changes are numbers first .. first + n - 1 of its writer's document */
	uint32_t n;
};

struct band {
	const struct trace *t;
	bool per_edit;
	struct writer *writers;
	struct done *done;
	uint32_t *stack; /* of transactions, for walks back through parents */
	uint32_t *seen;  /* per transaction: the latest walk that met it */
	uint32_t walk;
};

static int random_actor(am_doc *doc)
{
	uint8_t actor[16];
	if (getrandom(actor, sizeof actor, 0) != (ssize_t)sizeof actor)
		return AM_E_NOMEM;
	return am_set_actor(doc, actor, sizeof actor);
}

static int edit(const struct trace *t, const struct trace_patch *p, am_doc *doc, am_objid text)
{
	return am_text_splice(doc, text, p->pos, p->del, t->text + p->text, p->text_n);
}

/* Edits that change nothing open no transaction. */
static int finish(am_doc *doc, am_hash *hash)
{
	return am_in_transaction(doc) ? am_commit(doc, NULL, 0, 0, hash) : 0;
}

/* A document with an empty text, as one change. */
static int start_document(const am_opts *opts, struct replay *ret)
{
	struct replay r = {0};
	int rc = am_new(opts, &r.doc);
	if (!rc)
		rc = random_actor(r.doc);
	if (!rc)
		rc = am_map_put_object(r.doc, AM_ROOT, TEXT_KEY, strlen(TEXT_KEY), AM_TEXT, &r.text);
	if (rc)
		am_free(r.doc);
	else
		*ret = r;
	return rc;
}

static int play_sequence(const struct trace *t, bool per_edit, struct replay *r)
{
	int rc = am_text_splice(r->doc, r->text, 0, 0, t->start, t->start_n);
	if (!rc && per_edit)
		rc = finish(r->doc, NULL);
	for (size_t i = 0; i < t->patches.n && !rc; i++) {
		rc = edit(t, &t->patches.p[i], r->doc, r->text);
		if (!rc && per_edit)
			rc = finish(r->doc, NULL);
	}
	if (!rc && !per_edit)
		rc = finish(r->doc, NULL);
	return rc;
}

/* Puts the changes of transaction i, its writer's, behind b->chunks. */
static int collect(struct band *b, uint32_t i, am_buf *one, am_buf *all)
{
	am_doc *from = b->writers[b->t->txns.p[i].agent].doc;
	for (uint32_t k = 0; k < b->done[i].n; k++) {
		int rc = am_change_bytes(from, b->done[i].first + k, one);
		if (rc)
			return rc;
		if (all->cap - all->n < one->n) {
			all->cap = 2 * all->cap + one->n;
			all->p = xrealloc(all->p, all->cap);
		}
		memcpy(all->p + all->n, one->p, one->n);
		all->n += one->n;
	}
	return 0;
}

static void push(struct band *b, uint32_t i, size_t *n)
{
	if (b->seen[i] == b->walk)
		return;
	b->seen[i] = b->walk;
	b->stack[(*n)++] = i;
}

/* Gives `doc` transaction `i` and what it lacks of its ancestors. */
static int bring(struct band *b, am_doc *doc, uint32_t i)
{
	const struct trace *t = b->t;
	am_buf one = {0}, all = {0};
	size_t n = 0;
	int rc = 0;
	b->walk++;
	push(b, i, &n);
	while (n && !rc) {
		uint32_t k = b->stack[--n];
		if (am_has_change(doc, &b->done[k].hash))
			continue;
		rc = collect(b, k, &one, &all);
		const struct trace_txn *txn = &t->txns.p[k];
		for (uint32_t j = 0; j < txn->n_parents; j++)
			push(b, t->parents.p[txn->parent + j], &n);
	}
	if (!rc && all.n)
		rc = am_apply(doc, all.p, all.n, NULL);
	am_buf_free(&one);
	am_buf_free(&all);
	return rc;
}

/* Whether the writer has seen more than the transaction's parents; then opens a
 * transaction as of those. */
static int begin_at_parents(struct band *b, const struct trace_txn *txn, am_doc *doc, bool *ret_isolated)
{
	am_hash *at = xcalloc(txn->n_parents + 1, sizeof *at);
	size_t n_heads;
	for (uint32_t j = 0; j < txn->n_parents; j++)
		at[j] = b->done[b->t->parents.p[txn->parent + j]].hash;
	const am_hash *heads = am_heads(doc, &n_heads);
	bool isolated = txn->n_parents && !am_covers(doc, at, txn->n_parents, heads, n_heads);
	int rc = isolated ? am_begin_at(doc, at, txn->n_parents) : 0;
	free(at);
	*ret_isolated = isolated;
	return rc;
}

static int play_patches(struct band *b, const struct trace_txn *txn, struct writer *w, bool isolated, am_hash *hash)
{
	int rc = 0;
	for (uint32_t j = 0; j < txn->n_patches && !rc; j++) {
		if (j && isolated && b->per_edit)
			rc = am_begin_at(w->doc, hash, 1);
		if (!rc)
			rc = edit(b->t, &b->t->patches.p[txn->patch + j], w->doc, w->text);
		if (!rc && b->per_edit)
			rc = finish(w->doc, hash);
	}
	if (!rc && !b->per_edit)
		rc = finish(w->doc, hash);
	return rc;
}

static int play_transaction(struct band *b, uint32_t i)
{
	const struct trace_txn *txn = &b->t->txns.p[i];
	struct writer *w = &b->writers[txn->agent];
	struct done *d = &b->done[i];
	bool isolated = false;
	int rc = 0;
	for (uint32_t j = 0; j < txn->n_parents && !rc; j++)
		rc = bring(b, w->doc, b->t->parents.p[txn->parent + j]);
	d->first = (uint32_t)am_change_count(w->doc);
	if (!rc)
		rc = begin_at_parents(b, txn, w->doc, &isolated);
	if (!rc)
		rc = play_patches(b, txn, w, isolated, &d->hash);
	/* A transaction that changed nothing still joins its parents. */
	if (!rc && am_change_count(w->doc) == d->first)
		rc = am_empty_change(w->doc, NULL, 0, 0, &d->hash);
	d->n = (uint32_t)am_change_count(w->doc) - d->first;
	return rc;
}

static int make_writers(struct band *b, struct replay *r)
{
	int rc = finish(r->doc, NULL);
	for (uint32_t i = 0; i < b->t->n_agents && !rc; i++) {
		struct writer *w = &b->writers[i];
		rc = am_fork(r->doc, &w->doc);
		if (!rc)
			rc = random_actor(w->doc);
		am_value v;
		if (!rc)
			rc = am_map_get(w->doc, NULL, AM_ROOT, TEXT_KEY, strlen(TEXT_KEY), &v);
		if (!rc)
			w->text = v.id;
	}
	return rc;
}

static int play_concurrent(const struct trace *t, bool per_edit, struct replay *r)
{
	struct band b = {.t = t, .per_edit = per_edit};
	b.writers = xcalloc(t->n_agents ? t->n_agents : 1, sizeof *b.writers);
	b.done = xcalloc(t->txns.n ? t->txns.n : 1, sizeof *b.done);
	b.stack = xcalloc(t->txns.n + 1, sizeof *b.stack);
	b.seen = xcalloc(t->txns.n + 1, sizeof *b.seen);
	int rc = make_writers(&b, r);
	for (uint32_t i = 0; i < t->txns.n && !rc; i++)
		rc = play_transaction(&b, i);
	for (uint32_t i = 0; i < t->n_agents && !rc; i++)
		rc = am_merge(r->doc, b.writers[i].doc);
	for (uint32_t i = 0; i < t->n_agents; i++)
		am_free(b.writers[i].doc);
	free(b.writers);
	free(b.done);
	free(b.stack);
	free(b.seen);
	return rc;
}

int replay_trace(const struct trace *t, const am_opts *opts, bool per_edit, struct replay *ret)
{
	struct replay r;
	int rc = start_document(opts, &r);
	if (rc)
		return rc;
	rc = t->concurrent ? play_concurrent(t, per_edit, &r) : play_sequence(t, per_edit, &r);
	if (rc)
		am_free(r.doc);
	else
		*ret = r;
	return rc;
}

int replay_check(const struct trace *t, struct replay *r, bool *ret_equal, size_t *ret_length)
{
	am_buf text = {0};
	int rc = am_text(r->doc, NULL, r->text, &text);
	if (!rc) {
		*ret_equal = !t->end || (text.n == t->end_n && (!text.n || !memcmp(text.p, t->end, text.n)));
		*ret_length = am_length(r->doc, NULL, r->text);
	}
	am_buf_free(&text);
	return rc;
}
