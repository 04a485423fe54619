/* Requests about whole documents: their birth, history and bytes. */
#include <stdlib.h>
#include <string.h>

#include "automerge/tool/change_json.h"
#include "automerge/tool/oracle.h"
#include "base/bytes.h"

static am_opts doc_opts(struct oracle *o)
{
	return (am_opts){.text_unit = (am_text_unit)oracle_int(o, "unit", AM_UNIT_UTF16),
			 .max_orphans = (size_t)oracle_int(o, "max_orphans", 0),
			 .change_cache = (size_t)oracle_int(o, "change_cache", 0)};
}

static int set_actor(struct oracle *o, am_doc *doc)
{
	const char *hex;
	size_t n;
	uint8_t actor[1024];
	oracle_str(o, "actor", &hex, &n);
	if (!hex)
		return 0;
	if (n / 2 > sizeof actor || hex_decode(actor, n / 2, hex, n))
		return oracle_bad(o, "not an actor");
	return am_set_actor(doc, actor, n / 2);
}

/* The document becomes "doc", with "actor" if one is given. */
static int keep(struct oracle *o, am_doc *doc)
{
	const char *name;
	int rc = set_actor(o, doc);
	if (!rc && json_get_str(o->req, "doc", &name))
		rc = oracle_bad(o, "a document's name is missing");
	if (rc)
		am_free(doc);
	else
		oracle_keep_doc(o, name, doc);
	return rc;
}

static int op_new(struct oracle *o)
{
	am_doc *doc;
	am_opts opts = doc_opts(o);
	int rc = am_new(&opts, &doc);
	return rc ? rc : keep(o, doc);
}

static int op_load(struct oracle *o)
{
	am_doc *doc;
	am_opts opts = doc_opts(o);
	struct buf data = {0};
	int rc = oracle_bytes(o, "data", &data);
	if (!rc)
		rc = am_load(data.p, data.n, &opts, (int)oracle_int(o, "flags", 0), &doc);
	buf_free(&data);
	return rc ? rc : keep(o, doc);
}

static int op_fork(struct oracle *o)
{
	am_doc *from, *doc = NULL;
	am_hash *heads = NULL;
	size_t n;
	int rc = oracle_doc(o, "from", &from);
	if (!rc)
		rc = oracle_hashes(o, "heads", &heads, &n);
	if (!rc)
		rc = heads ? am_fork_at(from, heads, n, &doc) : am_fork(from, &doc);
	free(heads);
	return rc ? rc : keep(o, doc);
}

static int op_reset(struct oracle *o)
{
	oracle_reset(o);
	return 0;
}

static int op_free(struct oracle *o)
{
	const char *name;
	if (!json_get_str(o->req, "doc", &name))
		am_free(map_remove(&o->docs, name));
	return 0;
}

static int op_actor(struct oracle *o)
{
	am_doc *doc;
	int rc = oracle_doc(o, "doc", &doc);
	return rc ? rc : set_actor(o, doc);
}

static int op_author(struct oracle *o)
{
	am_doc *doc;
	const char *hex;
	size_t n;
	uint8_t author[1024];
	int rc = oracle_doc(o, "doc", &doc);
	if (rc)
		return rc;
	oracle_str(o, "author", &hex, &n);
	if (!hex)
		return am_set_author(doc, NULL, 0);
	if (n / 2 > sizeof author || hex_decode(author, n / 2, hex, n))
		return oracle_bad(o, "not an author");
	return am_set_author(doc, author, n / 2);
}

static int op_merge(struct oracle *o)
{
	am_doc *doc, *from;
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_doc(o, "from", &from);
	return rc ? rc : am_merge(doc, from);
}

static int take_chunks(struct oracle *o, int (*take)(am_doc *, const void *, size_t, am_load_report *))
{
	am_doc *doc;
	struct buf data = {0};
	am_load_report r = {0};
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_bytes(o, "data", &data);
	if (!rc)
		rc = take(doc, data.p, data.n, &r);
	buf_free(&data);
	if (!rc)
		buf_printf(&o->out, "{\"applied\":%zu,\"queued\":%zu,\"bad\":%zu,\"error\":%d}", r.applied, r.queued, r.bad,
			   r.error);
	return rc;
}

static int op_apply(struct oracle *o)
{
	return take_chunks(o, am_apply);
}

static int op_load_incremental(struct oracle *o)
{
	return take_chunks(o, am_load_incremental);
}

/* Answers a buffer as base64 and frees it. */
static int put_buf(struct oracle *o, int rc, am_buf *b)
{
	if (!rc)
		oracle_put_base64(o, b->p, b->n);
	am_buf_free(b);
	return rc;
}

static int op_save(struct oracle *o)
{
	am_doc *doc;
	am_buf b = {0};
	int rc = oracle_doc(o, "doc", &doc);
	return rc ? rc : put_buf(o, am_save(doc, (int)oracle_int(o, "flags", 0), &b), &b);
}

static int op_save_incremental(struct oracle *o)
{
	am_doc *doc;
	am_buf b = {0};
	int rc = oracle_doc(o, "doc", &doc);
	return rc ? rc : put_buf(o, am_save_incremental(doc, &b), &b);
}

static int op_save_after(struct oracle *o)
{
	am_doc *doc;
	am_buf b = {0};
	am_hash *heads = NULL;
	size_t n;
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_hashes(o, "heads", &heads, &n);
	if (!rc)
		rc = put_buf(o, am_save_after(doc, heads, n, &b), &b);
	free(heads);
	return rc;
}

static int op_save_bundle(struct oracle *o)
{
	am_doc *doc;
	am_buf b = {0};
	am_hash *hashes = NULL;
	size_t n;
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_hashes(o, "hashes", &hashes, &n);
	if (!rc)
		rc = put_buf(o, am_save_bundle(doc, hashes, n, (int)oracle_int(o, "flags", 0), &b), &b);
	free(hashes);
	return rc;
}

static int op_bundle_changes(struct oracle *o)
{
	struct buf data = {0};
	am_buf b = {0};
	int rc = oracle_bytes(o, "data", &data);
	if (!rc)
		rc = put_buf(o, am_bundle_changes(data.p, data.n, NULL, &b), &b);
	buf_free(&data);
	return rc;
}

static int op_heads(struct oracle *o)
{
	am_doc *doc;
	int rc = oracle_doc(o, "doc", &doc);
	if (rc)
		return rc;
	size_t n;
	const am_hash *h = am_heads(doc, &n);
	hashes_json_append(&o->out, h, n);
	return 0;
}

/* Taken apart and put together again: the same bytes. */
static int encode_again(am_buf *chunk)
{
	am_actor_id others[64];
	am_change_view *c;
	const am_op_view *ops;
	size_t n, k = 0;
	int rc = am_change_decode(chunk->p, chunk->n, NULL, &c);
	if (rc)
		return rc;
	n = am_change_view_ops(c, &ops);
	while (k < sizeof others / sizeof *others &&
	       (others[k].p = am_change_view_actor(c, (uint32_t)k + 1, &others[k].n)))
		k++;
	rc = am_change_encode(am_change_view_info(c), others, k, ops, n, NULL, NULL, chunk);
	am_change_view_free(c);
	return rc;
}

/* All chunks, in application order, as am_change_encode makes them. */
static int op_changes(struct oracle *o)
{
	am_doc *doc;
	am_buf b = {0};
	int rc = oracle_doc(o, "doc", &doc);
	if (rc)
		return rc;
	buf_append_byte(&o->out, '[');
	size_t n = am_change_count(doc);
	for (size_t i = 0; i < n && !rc; i++) {
		rc = am_change_bytes(doc, i, &b);
		if (!rc)
			rc = encode_again(&b);
		if (i)
			buf_append_byte(&o->out, ',');
		if (!rc)
			oracle_put_base64(o, b.p, b.n);
	}
	buf_append_byte(&o->out, ']');
	am_buf_free(&b);
	return rc;
}

static int op_history(struct oracle *o)
{
	am_doc *doc;
	am_buf b = {0};
	am_change_info info;
	bool ops = oracle_flag(o, "ops");
	int rc = oracle_doc(o, "doc", &doc);
	if (rc)
		return rc;
	buf_append_byte(&o->out, '[');
	size_t n = am_change_count(doc);
	for (size_t i = 0; i < n && !rc; i++) {
		rc = am_change_at(doc, i, &info);
		if (!rc && ops)
			rc = am_change_bytes(doc, i, &b);
		if (i)
			buf_append_byte(&o->out, ',');
		if (!rc)
			rc = change_json_append(&o->out, &info, ops ? &b : NULL);
	}
	buf_append_byte(&o->out, ']');
	am_buf_free(&b);
	return rc;
}

static int op_change_decode(struct oracle *o)
{
	struct buf data = {0};
	am_change_view *c = NULL;
	int rc = oracle_bytes(o, "data", &data);
	if (!rc)
		rc = am_change_decode(data.p, data.n, NULL, &c);
	am_buf chunk = {.p = data.p, .n = data.n};
	if (!rc)
		rc = change_json_append(&o->out, am_change_view_info(c), &chunk);
	am_change_view_free(c);
	buf_free(&data);
	return rc;
}

static int op_missing(struct oracle *o)
{
	am_doc *doc;
	am_hash *heads = NULL, *missing = NULL;
	size_t n, n_missing;
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_hashes(o, "heads", &heads, &n);
	if (!rc)
		rc = am_missing_deps(doc, heads, n, &missing, &n_missing);
	if (!rc) {
		hashes_json_append(&o->out, missing, n_missing);
		am_hashes_free(doc, missing);
	}
	free(heads);
	return rc;
}

static int op_covers(struct oracle *o)
{
	am_doc *doc;
	am_hash *of = NULL, *a = NULL;
	size_t n_of, n_a;
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_hashes(o, "of", &of, &n_of);
	if (!rc)
		rc = oracle_hashes(o, "heads", &a, &n_a);
	if (!rc)
		buf_append_str(&o->out, am_covers(doc, of, n_of, a, n_a) ? "true" : "false");
	free(of);
	free(a);
	return rc;
}

static int op_stats(struct oracle *o)
{
	am_doc *doc;
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		buf_printf(&o->out, "{\"changes\":%zu,\"ops\":%zu}", am_change_count(doc), am_op_count(doc));
	return rc;
}

const struct oracle_op oracle_doc_ops[] = {
	{"new", op_new},
	{"load", op_load},
	{"fork", op_fork},
	{"free", op_free},
	{"reset", op_reset},
	{"actor", op_actor},
	{"author", op_author},
	{"merge", op_merge},
	{"apply", op_apply},
	{"load_incremental", op_load_incremental},
	{"save", op_save},
	{"save_incremental", op_save_incremental},
	{"save_after", op_save_after},
	{"save_bundle", op_save_bundle},
	{"bundle_changes", op_bundle_changes},
	{"heads", op_heads},
	{"changes", op_changes},
	{"history", op_history},
	{"change_decode", op_change_decode},
	{"missing", op_missing},
	{"covers", op_covers},
	{"stats", op_stats},
	{NULL, NULL},
};
