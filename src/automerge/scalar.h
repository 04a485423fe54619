/* Scalar values as they are stored: a type code and bytes (automerge format, values). */
#ifndef AUTOMERGE_SCALAR_H
#define AUTOMERGE_SCALAR_H
#include "automerge/op.h"

struct am_scalar {
	uint64_t meta;    /* as am_op.meta */
	const uint8_t *p; /* buf, or borrowed from the value */
	uint8_t buf[16];
};
/* What an action that makes an object makes. */
am_type am_made_type(uint8_t action);
/* AM_E_TYPE for objects, AM_E_FORMAT for invalid UTF-8. */
int am_scalar_encode(const am_value *v, struct am_scalar *ret);
/* Sets type, unknown_code and the value; the bytes passed am_value_check, strings are borrowed. */
void am_scalar_decode(uint8_t type, const uint8_t *p, size_t n, am_value *v);
#endif
