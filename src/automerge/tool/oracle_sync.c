/* Requests of the sync protocol; states are named by "sync". */
#include <string.h>

#include "automerge/tool/change_json.h"
#include "automerge/tool/oracle.h"

static int keep_sync(struct oracle *o, am_sync *s)
{
	const char *name;
	if (json_get_str(o->req, "sync", &name)) {
		am_sync_free(s);
		return oracle_bad(o, "a sync state's name is missing");
	}
	am_sync_free(map_put(&o->syncs, name, s));
	return 0;
}

static int op_sync_new(struct oracle *o)
{
	am_sync *s;
	int rc = am_sync_new(NULL, &s);
	return rc ? rc : keep_sync(o, s);
}

static int op_sync_load(struct oracle *o)
{
	am_sync *s;
	struct buf data = {0};
	int rc = oracle_bytes(o, "data", &data);
	if (!rc)
		rc = am_sync_decode(data.p, data.n, NULL, &s);
	buf_free(&data);
	return rc ? rc : keep_sync(o, s);
}

static int op_sync_save(struct oracle *o)
{
	am_sync *s;
	am_buf b = {0};
	int rc = oracle_sync(o, &s);
	if (!rc)
		rc = am_sync_encode(s, &b);
	if (!rc)
		oracle_put_base64(o, b.p, b.n);
	am_buf_free(&b);
	return rc;
}

static int op_sync_reset(struct oracle *o)
{
	am_sync *s;
	int rc = oracle_sync(o, &s);
	if (!rc)
		am_sync_reset(s);
	return rc;
}

static int op_sync_read_only(struct oracle *o)
{
	am_sync *s;
	int rc = oracle_sync(o, &s);
	if (!rc)
		am_sync_set_read_only(s, oracle_int(o, "on", 1) != 0);
	return rc;
}

static int op_generate(struct oracle *o)
{
	am_doc *doc;
	am_sync *s;
	am_buf b = {0};
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_sync(o, &s);
	if (!rc)
		rc = am_sync_generate(doc, s, &b);
	if (!rc && b.n)
		oracle_put_base64(o, b.p, b.n);
	am_buf_free(&b);
	return rc;
}

static int op_receive(struct oracle *o)
{
	am_doc *doc;
	am_sync *s;
	struct buf data = {0};
	am_sync_report r = {0};
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_sync(o, &s);
	if (!rc)
		rc = oracle_bytes(o, "data", &data);
	if (!rc)
		rc = am_sync_receive(doc, s, data.p, data.n, (int)oracle_int(o, "flags", 0), &r);
	buf_free(&data);
	if (!rc)
		buf_printf(&o->out, "{\"applied\":%zu,\"had_changes\":%s,\"empty_heads\":%s,\"only_acks\":%s}", r.applied,
			   r.had_changes ? "true" : "false", r.empty_heads ? "true" : "false",
			   r.only_acks ? "true" : "false");
	return rc;
}

static int op_sync_state(struct oracle *o)
{
	am_doc *doc;
	am_sync *s;
	int rc = oracle_doc(o, "doc", &doc);
	if (!rc)
		rc = oracle_sync(o, &s);
	if (rc)
		return rc;
	size_t n_theirs, n_shared;
	bool known;
	const am_hash *theirs = am_sync_their_heads(s, &n_theirs, &known);
	const am_hash *shared = am_sync_shared_heads(s, &n_shared);
	buf_append_str(&o->out, "{\"theirHeads\":");
	if (known)
		hashes_json_append(&o->out, theirs, n_theirs);
	else
		buf_append_str(&o->out, "null");
	buf_append_str(&o->out, ",\"sharedHeads\":");
	hashes_json_append(&o->out, shared, n_shared);
	buf_printf(&o->out, ",\"inSync\":%s,\"inFlight\":%s}", am_sync_in_sync(doc, s) ? "true" : "false",
		   am_sync_in_flight(s) ? "true" : "false");
	return 0;
}

static int op_message(struct oracle *o)
{
	struct buf data = {0};
	am_message m;
	int rc = oracle_bytes(o, "data", &data);
	if (!rc)
		rc = am_message_decode(data.p, data.n, NULL, &m);
	if (rc)
		goto out;
	buf_printf(&o->out, "{\"version\":%d,\"heads\":", m.version);
	hashes_json_append(&o->out, m.heads, m.n_heads);
	buf_append_str(&o->out, ",\"need\":");
	hashes_json_append(&o->out, m.need, m.n_need);
	buf_printf(&o->out, ",\"have\":%zu,\"entries\":%zu,\"changes\":", m.n_have, m.n_changes);
	oracle_put_base64(o, m.changes, m.changes_n);
	if (m.has_flags)
		buf_printf(&o->out, ",\"flags\":%u", m.flags);
	buf_append_byte(&o->out, '}');
	am_message_free(&m, NULL);
out:
	buf_free(&data);
	return rc;
}

const struct oracle_op oracle_sync_ops[] = {
	{"sync_new", op_sync_new},
	{"sync_load", op_sync_load},
	{"sync_save", op_sync_save},
	{"sync_reset", op_sync_reset},
	{"sync_read_only", op_sync_read_only},
	{"generate", op_generate},
	{"receive", op_receive},
	{"sync_state", op_sync_state},
	{"message", op_message},
	{NULL, NULL},
};
