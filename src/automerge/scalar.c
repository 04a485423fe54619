#include "automerge/scalar.h"

#include "automerge/leb.h"
#include "base/utf8.h"

am_type am_made_type(uint8_t action)
{
	static const am_type made[] = {AM_MAP, 0, AM_LIST, 0, AM_TEXT, 0, AM_TABLE};

	return made[action];
}

static int encode_bytes(const am_value *v, uint8_t code, struct am_scalar *s)
{
	if (v->s.n > INT32_MAX)
		return AM_E_LIMIT;
	if (code == AM_VAL_STR && !utf8_valid(v->s.n ? v->s.p : (const uint8_t *)"", v->s.n))
		return AM_E_FORMAT;
	s->p = v->s.p;
	s->meta = (uint64_t)v->s.n << 4 | code;
	return AM_OK;
}

int am_scalar_encode(const am_value *v, struct am_scalar *s)
{
	uint64_t bits;
	size_t n = 0;
	uint8_t code = AM_VAL_NULL;

	s->p = s->buf;
	switch (v->type) {
	case AM_NULL:
		break;
	case AM_BOOL:
		code = v->b ? AM_VAL_TRUE : AM_VAL_FALSE;
		break;
	case AM_INT:
	case AM_COUNTER:
	case AM_TIMESTAMP:
		code = v->type == AM_INT ? AM_VAL_INT : v->type == AM_COUNTER ? AM_VAL_COUNTER : AM_VAL_TIMESTAMP;
		n = am_sleb_write(s->buf, v->i);
		break;
	case AM_UINT:
		code = AM_VAL_UINT;
		n = am_uleb_write(s->buf, v->u);
		break;
	case AM_F64:
		code = AM_VAL_F64;
		memcpy(&bits, &v->f, sizeof bits);
		for (; n < 8; n++)
			s->buf[n] = (uint8_t)(bits >> 8 * n);
		break;
	case AM_STR:
		return encode_bytes(v, AM_VAL_STR, s);
	case AM_BYTES:
		return encode_bytes(v, AM_VAL_BYTES, s);
	case AM_UNKNOWN:
		return v->unknown_code < 10 || v->unknown_code > 15 ? AM_E_FORMAT : encode_bytes(v, v->unknown_code, s);
	default:
		return AM_E_TYPE;
	}
	s->meta = (uint64_t)n << 4 | code;
	return AM_OK;
}

static double to_double(const uint8_t *p)
{
	uint64_t u = 0;
	double f;

	for (int i = 7; i >= 0; i--)
		u = u << 8 | p[i];
	memcpy(&f, &u, sizeof f);
	return f;
}

void am_scalar_decode(uint8_t type, const uint8_t *p, size_t n, am_value *v)
{
	struct am_in in = am_in_of(p, n);
	int64_t i = 0;

	switch (type) {
	case AM_VAL_NULL:
		v->type = AM_NULL;
		return;
	case AM_VAL_FALSE:
	case AM_VAL_TRUE:
		v->type = AM_BOOL;
		v->b = type == AM_VAL_TRUE;
		return;
	case AM_VAL_UINT:
		v->type = AM_UINT;
		(void)am_in_uleb(&in, &v->u);
		return;
	case AM_VAL_F64:
		v->type = AM_F64;
		v->f = to_double(p);
		return;
	case AM_VAL_INT:
	case AM_VAL_COUNTER:
	case AM_VAL_TIMESTAMP:
		v->type = type == AM_VAL_INT ? AM_INT : type == AM_VAL_COUNTER ? AM_COUNTER : AM_TIMESTAMP;
		(void)am_in_sleb(&in, &i);
		v->i = i;
		return;
	default:
		v->type = type == AM_VAL_STR ? AM_STR : type == AM_VAL_BYTES ? AM_BYTES : AM_UNKNOWN;
		v->unknown_code = type > AM_VAL_TIMESTAMP ? type : 0;
		v->s.p = p;
		v->s.n = n;
	}
}
