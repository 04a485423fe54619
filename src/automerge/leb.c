#include "automerge/leb.h"

int am_in_uleb_slow(struct am_in *in, bool strict, uint64_t *ret)
{
	uint64_t v = 0;
	const uint8_t *p = in->p;
	unsigned shift = 0;
	uint8_t b;

	do {
		if (p == in->end)
			return AM_E_EOF;
		b = *p++;
		if (shift == 63 && b > 1)
			return AM_E_FORMAT;
		v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	if (strict && b == 0 && p - in->p > 1)
		return AM_E_FORMAT;
	in->p = p;
	*ret = v;
	return AM_OK;
}

int am_in_sleb_slow(struct am_in *in, bool strict, int64_t *ret)
{
	uint64_t v = 0;
	const uint8_t *p = in->p;
	unsigned shift = 0;
	uint8_t b, before = 0;

	do {
		if (p == in->end)
			return AM_E_EOF;
		if (p > in->p)
			before = p[-1];
		b = *p++;
		if (shift == 63 && b != 0 && b != 0x7f)
			return AM_E_FORMAT;
		v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	/* The last byte must say more than the sign bit of the one before it. */
	if (strict && p - in->p > 1 && ((b == 0 && !(before & 0x40)) || (b == 0x7f && (before & 0x40))))
		return AM_E_FORMAT;
	if (shift < 64 && (b & 0x40))
		v |= UINT64_MAX << shift;
	in->p = p;
	*ret = (int64_t)v;
	return AM_OK;
}

int am_in_count(struct am_in *in, size_t least, size_t *ret)
{
	uint64_t v;
	int rc = am_in_uleb(in, &v);

	if (rc)
		return rc;
	if (v > am_in_left(in) / least)
		return AM_E_EOF;
	*ret = (size_t)v;
	return AM_OK;
}

int am_in_bytes(struct am_in *in, size_t n, const uint8_t **ret)
{
	if (n > am_in_left(in))
		return AM_E_EOF;
	*ret = in->p;
	in->p += n;
	return AM_OK;
}

int am_in_block(struct am_in *in, const uint8_t **ret, size_t *ret_n)
{
	size_t n;
	int rc = am_in_count(in, 1, &n);

	if (rc)
		return rc;
	*ret_n = n;
	return am_in_bytes(in, n, ret);
}

int am_in_hashes(struct am_in *in, const am_hash **ret, size_t *ret_n)
{
	size_t n;
	int rc = am_in_count(in, sizeof(am_hash), &n);

	if (rc)
		return rc;
	*ret = (const am_hash *)in->p;
	*ret_n = n;
	in->p += n * sizeof(am_hash);
	return AM_OK;
}
