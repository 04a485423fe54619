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

int am_message_decode(const void *p, size_t n, const am_allocator *alloc, am_message *ret)
{
	am_allocator a = am_mem_allocator(alloc);
	struct am_msg m;
	uint8_t *mem;
	const uint8_t *part;
	size_t len, hashes;
	int rc = am_msg_parse(p, n, &m);

	if (rc)
		return rc;
	hashes = (m.n_heads + m.n_need) * sizeof(am_hash);
	mem = am_mem_alloc(&a, hashes + m.changes_n);
	if (!mem)
		return AM_E_NOMEM;
	*ret = (am_message){.version = m.type == AM_MSG_V2 ? 2 : 1, .heads = (const am_hash *)mem,
			    .n_heads = m.n_heads, .need = (const am_hash *)mem + m.n_heads, .n_need = m.n_need,
			    .n_have = m.n_have, .changes = mem + hashes, .n_changes = m.n_changes,
			    .has_flags = m.has_flags, .flags = m.flags, .mem = mem};
	memcpy(mem, m.heads, m.n_heads * sizeof(am_hash));
	memcpy(mem + m.n_heads * sizeof(am_hash), m.need, m.n_need * sizeof(am_hash));
	for (size_t i = 0; i < m.n_changes; i++) {
		if (am_in_block(&m.changes, &part, &len))
			break; /* not reached: checked by the parser */
		memcpy(mem + hashes + ret->changes_n, part, len);
		ret->changes_n += len;
	}
	return AM_OK;
}

void am_message_free(am_message *m, const am_allocator *alloc)
{
	am_allocator a = am_mem_allocator(alloc);

	am_mem_free(&a, m->mem);
	*m = (am_message){0};
}
