#include "automerge/message.h"

static int parse_have(struct am_in *in, struct am_have *ret)
{
	const uint8_t *bloom;
	size_t n;
	int rc;

	if ((rc = am_in_hashes(in, &ret->last_sync, &ret->n)) || (rc = am_in_block(in, &bloom, &n)))
		return rc;
	return am_bloom_parse(bloom, n, &ret->bloom);
}

void am_have_next(struct am_in *in, struct am_have *ret)
{
	if (parse_have(in, ret))
		*ret = (struct am_have){0};
}

static int parse_flags(struct am_in *in, struct am_msg *m)
{
	const uint8_t *p;
	size_t n;
	int rc;

	if (in->p == in->end)
		return AM_OK; /* before crate 0.5.4 */
	rc = am_in_block(in, &p, &n);
	if (rc)
		return rc;
	m->has_flags = true;
	for (size_t i = 0; i < n; i++)
		if (p[i] & 0x80) {
			m->has_bits = true;
			m->flags |= p[i] & 0x7f;
		}
	return AM_OK;
}

int am_msg_parse(const void *p, size_t n, struct am_msg *ret)
{
	struct am_in in = am_in_of(p, n);
	struct am_msg m = {0};
	struct am_have have;
	const uint8_t *bytes;
	size_t len;
	int rc;

	if (in.p == in.end)
		return AM_E_EOF;
	m.type = *in.p++;
	if (m.type != AM_MSG_V1 && m.type != AM_MSG_V2)
		return AM_E_FORMAT;
	if ((rc = am_in_hashes(&in, &m.heads, &m.n_heads)) || (rc = am_in_hashes(&in, &m.need, &m.n_need)) ||
	    (rc = am_in_count(&in, 2, &m.n_have)))
		return rc;
	m.have.p = in.p;
	for (size_t i = 0; i < m.n_have; i++) {
		rc = parse_have(&in, &have);
		if (rc)
			return rc;
	}
	m.have.end = in.p;
	rc = am_in_count(&in, 1, &m.n_changes);
	if (rc)
		return rc;
	m.changes.p = in.p;
	for (size_t i = 0; i < m.n_changes; i++) {
		rc = am_in_block(&in, &bytes, &len);
		if (rc)
			return rc;
		m.changes_n += len;
	}
	m.changes.end = in.p;
	rc = parse_flags(&in, &m);
	if (rc)
		return rc;
	*ret = m;
	return AM_OK;
}

/* ---- public ---- */

static size_t in_left(const struct am_in *in)
{
	return (size_t)(in->end - in->p);
}

/* The entries of `have`, which were checked; what they point at is where `in` reads. */
static void list_have(struct am_in in, am_message_have *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (am_in_hashes(&in, &to[i].last_sync, &to[i].n_last_sync) ||
		    am_in_block(&in, &to[i].bloom, &to[i].bloom_n))
			to[i] = (am_message_have){0};
}

/* All change entries behind each other; returns their bytes. */
static size_t list_changes(struct am_in in, uint8_t *to, size_t *sizes, size_t n)
{
	const uint8_t *part;
	size_t len, sum = 0;

	for (size_t i = 0; i < n; i++) {
		sizes[i] = 0;
		if (am_in_block(&in, &part, &len))
			continue;
		if (len)
			memcpy(to + sum, part, len);
		sizes[i] = len;
		sum += len;
	}
	return sum;
}

int am_message_decode(const void *p, size_t n, const am_allocator *alloc, am_message *ret)
{
	am_allocator a = am_mem_allocator(alloc);
	struct am_msg m;
	am_message_have *have;
	size_t *sizes;
	am_hash *hashes;
	uint8_t *raw;
	int rc = am_msg_parse(p, n, &m);

	if (rc)
		return rc;
	have = am_mem_alloc(&a, m.n_have * sizeof *have + m.n_changes * sizeof *sizes +
			    (m.n_heads + m.n_need) * sizeof *hashes + in_left(&m.have) + m.changes_n);
	if (!have)
		return AM_E_NOMEM;
	sizes = (size_t *)(void *)(have + m.n_have);
	hashes = (am_hash *)(void *)(sizes + m.n_changes);
	raw = (uint8_t *)(hashes + m.n_heads + m.n_need);
	memcpy(raw, m.have.p, in_left(&m.have));
	list_have(am_in_of(raw, in_left(&m.have)), have, m.n_have);
	raw += in_left(&m.have);
	memcpy(hashes, m.heads, m.n_heads * sizeof *hashes);
	memcpy(hashes + m.n_heads, m.need, m.n_need * sizeof *hashes);
	*ret = (am_message){.version = m.type == AM_MSG_V2 ? 2 : 1, .heads = hashes, .n_heads = m.n_heads,
			    .need = hashes + m.n_heads, .n_need = m.n_need, .have = have, .n_have = m.n_have,
			    .changes = raw, .changes_n = list_changes(m.changes, raw, sizes, m.n_changes),
			    .change_sizes = sizes, .n_changes = m.n_changes, .has_flags = m.has_flags,
			    .has_bits = m.has_bits, .flags = m.flags, .mem = have};
	return AM_OK;
}

void am_message_free(am_message *m, const am_allocator *alloc)
{
	am_allocator a = am_mem_allocator(alloc);

	am_mem_free(&a, m->mem);
	*m = (am_message){0};
}

static int check_message(const am_message *m)
{
	struct am_bloom bloom;
	size_t left = m->changes_n;

	if ((m->version != 1 && m->version != 2) || m->flags > 0x7f || (!m->has_flags && (m->has_bits || m->flags)))
		return AM_E_FORMAT;
	for (size_t i = 0; i < m->n_changes; i++) {
		if (m->change_sizes[i] > left)
			return AM_E_FORMAT;
		left -= m->change_sizes[i];
	}
	if (left)
		return AM_E_FORMAT;
	for (size_t i = 0; i < m->n_have; i++)
		if (am_bloom_parse(m->have[i].bloom, m->have[i].bloom_n, &bloom))
			return AM_E_FORMAT;
	return AM_OK;
}

/* As crate 0.5.4 names its capabilities, or 0.9. */
static void put_flags(struct am_out *o, const am_message *m)
{
	if (!m->has_flags)
		return;
	am_out_byte(o, 2);
	am_out_byte(o, m->has_bits || m->flags ? 2 : 1);
	am_out_byte(o, m->has_bits || m->flags ? 0x80 | m->flags : 2);
}

int am_message_encode(const am_message *m, const am_allocator *alloc, am_buf *out)
{
	am_allocator a = am_mem_allocator(alloc);
	struct am_out o = {.a = &a};
	size_t at = 0;
	int rc = check_message(m);

	if (rc)
		return rc;
	am_out_byte(&o, m->version == 2 ? AM_MSG_V2 : AM_MSG_V1);
	am_out_hashes(&o, m->heads, m->n_heads);
	am_out_hashes(&o, m->need, m->n_need);
	am_out_uleb(&o, m->n_have);
	for (size_t i = 0; i < m->n_have; i++) {
		am_out_hashes(&o, m->have[i].last_sync, m->have[i].n_last_sync);
		am_out_block(&o, m->have[i].bloom, m->have[i].bloom_n);
	}
	am_out_uleb(&o, m->n_changes);
	for (size_t i = 0; i < m->n_changes; at += m->change_sizes[i++])
		am_out_block(&o, m->changes + at, m->change_sizes[i]);
	put_flags(&o, m);
	rc = o.err ? o.err : am_buf_set(out, &a, o.p, o.n);
	am_out_free(&o);
	return rc;
}
