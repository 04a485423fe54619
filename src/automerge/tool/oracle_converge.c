/* One set of changes in every order: what a document reads as must not depend on it. */
#include <stdlib.h>
#include <string.h>

#include "automerge/tool/oracle.h"
#include "base/alloc.h"
#include "base/bytes.h"

#define CHANGES_MAX 6

struct orders {
	struct oracle *o;
	struct buf base, change[CHANGES_MAX];
	size_t n;
	size_t at[CHANGES_MAX]; /* the order being tried */
	struct buf want;        /* what the first one gave */
	am_doc *doc;            /* of the latest order */
	am_opts opts;
};

#define DIFFERS 1

/* Everything visible and the heads, as text. */
static int describe(struct orders *x, am_doc *doc, struct buf *ret)
{
	struct buf out = x->o->out;
	size_t n;
	int rc;

	x->o->out = (struct buf){0};
	rc = oracle_dump(x->o, doc);
	const am_hash *heads = am_heads(doc, &n);
	for (size_t i = 0; i < n; i++)
		oracle_put_hash(x->o, &heads[i]);
	*ret = x->o->out;
	x->o->out = out;
	return rc;
}

/* What this order and the first one gave. */
static int answer_both(struct orders *x, const struct buf *got)
{
	struct buf *out = &x->o->out;

	buf_append_str(out, "{\"first\":");
	json_append_str(out, (const char *)x->want.p, x->want.n);
	buf_append_str(out, ",\"other\":");
	json_append_str(out, (const char *)got->p, got->n);
	buf_append_str(out, ",\"order\":[");
	for (size_t i = 0; i < x->n; i++)
		buf_printf(out, i ? ",%zu" : "%zu", x->at[i]);
	buf_append_str(out, "]}");
	return DIFFERS;
}

static int try_order(struct orders *x)
{
	struct buf got = {0};
	am_doc *doc;
	int rc = am_load(x->base.p, x->base.n, &x->opts, 0, &doc);

	if (rc)
		return rc;
	for (size_t i = 0; i < x->n && !rc; i++)
		rc = am_apply(doc, x->change[x->at[i]].p, x->change[x->at[i]].n, NULL);
	if (!rc)
		rc = describe(x, doc, &got);
	if (!rc && x->want.n && (got.n != x->want.n || memcmp(got.p, x->want.p, got.n)))
		rc = answer_both(x, &got);
	if (x->want.n)
		buf_free(&got);
	else
		x->want = got;
	am_free(x->doc);
	x->doc = doc;
	return rc;
}

/* Every order of at[from ..]. */
static int permute(struct orders *x, size_t from)
{
	int rc = from == x->n ? try_order(x) : 0;

	for (size_t i = from; i < x->n && !rc; i++) {
		size_t a = x->at[from];
		x->at[from] = x->at[i];
		x->at[i] = a;
		rc = permute(x, from + 1);
		a = x->at[from];
		x->at[from] = x->at[i];
		x->at[i] = a;
	}
	return rc;
}

static int get_changes(struct orders *x)
{
	struct json_object *list = NULL;
	size_t n = json_get_array(x->o->req, "changes", &list) ? 0 : json_object_array_length(list);

	if (!n || n > CHANGES_MAX)
		return oracle_bad(x->o, "one change to six");
	for (; x->n < n; x->n++) {
		struct json_object *s = json_object_array_get_idx(list, x->n);
		x->at[x->n] = x->n;
		if (base64_decode(&x->change[x->n], json_object_get_string(s), (size_t)json_object_get_string_len(s)))
			return oracle_bad(x->o, "not base64");
	}
	return 0;
}

/* Applies "changes" to "data" in all orders; the result is "doc". Answers null, or
 * two results of different orders. */
static int op_converge(struct oracle *o)
{
	struct orders x = {.o = o, .opts = {.text_unit = AM_UNIT_UTF16}};
	const char *name;
	int rc = oracle_bytes(o, "data", &x.base);

	if (!rc && json_get_str(o->req, "doc", &name))
		rc = oracle_bad(o, "a document's name is missing");
	if (!rc)
		rc = get_changes(&x);
	if (!rc)
		rc = permute(&x, 0);
	if (rc)
		am_free(x.doc);
	else
		oracle_keep_doc(o, name, x.doc);
	buf_free(&x.base);
	buf_free(&x.want);
	for (size_t i = 0; i < CHANGES_MAX; i++)
		buf_free(&x.change[i]);
	return rc == DIFFERS ? 0 : rc;
}

const struct oracle_op oracle_converge_ops[] = {
	{"converge", op_converge},
	{NULL, NULL},
};
