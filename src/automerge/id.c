#include "automerge/id.h"

#include "automerge/leb.h"
#include "automerge/span.h"

#define ROOT_TEXT "_root"

/* First byte of the byte form: version 0 below, what it is above. */
enum { ID_ROOT = 0x00, ID_OP = 0x10 };

static const char hex_digits[] = "0123456789abcdef";

void am_hex_put(struct am_out *o, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		am_out_byte(o, (uint8_t)hex_digits[p[i] >> 4]);
		am_out_byte(o, (uint8_t)hex_digits[p[i] & 15]);
	}
}

void am_id_put(const am_doc *doc, struct am_out *o, am_id id)
{
	const struct am_actor *a = &doc->actors.v.p[id.actor];
	char num[12];
	int n = 0;

	for (uint32_t c = id.ctr; c || !n; c /= 10)
		num[n++] = (char)('0' + c % 10);
	while (n)
		am_out_byte(o, (uint8_t)num[--n]);
	am_out_byte(o, '@');
	am_hex_put(o, a->p, a->n);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

uint8_t am_hex_byte(const char *digits)
{
	return (uint8_t)(hex_value(digits[0]) << 4 | hex_value(digits[1]));
}

bool am_id_split(const char *p, size_t n, uint64_t *ret_ctr, const char **ret_hex, size_t *ret_hex_n)
{
	uint64_t ctr = 0;
	size_t i = 0;

	for (; i < n && p[i] >= '0' && p[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(p[i] - '0');
		if (ctr > (UINT64_MAX - digit) / 10)
			return false;
		ctr = ctr * 10 + digit;
	}
	if (i == 0 || i == n || p[i] != '@' || (n - ++i) % 2)
		return false;
	for (size_t k = i; k < n; k++)
		if (hex_value(p[k]) < 0)
			return false;
	*ret_ctr = ctr;
	*ret_hex = p + i;
	*ret_hex_n = n - i;
	return true;
}

/* ---- ids of one document ---- */

static bool id_known(const am_doc *doc, am_objid id)
{
	return id.ctr == 0 || id.actor < doc->actors.v.n;
}

int am_id_text(const am_doc *doc, am_objid id, am_buf *out)
{
	struct am_out o = {.a = &doc->a};
	int rc;

	if (!id_known(doc, id))
		return AM_E_NOT_FOUND;
	if (id.ctr == 0)
		am_out_put(&o, ROOT_TEXT, strlen(ROOT_TEXT));
	else
		am_id_put(doc, &o, id);
	rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

static bool actor_is_hex(const struct am_actor *a, const char *hex, size_t n)
{
	if (n != a->n * 2)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (am_hex_byte(hex + 2 * i) != a->p[i])
			return false;
	return true;
}

uint32_t am_id_actor(const am_doc *doc, const char *hex, size_t n)
{
	for (uint32_t a = 0; a < doc->actors.v.n; a++)
		if (actor_is_hex(&doc->actors.v.p[a], hex, n))
			return a;
	return AM_NONE;
}

/* The operation, if it is there; deletions are no values, and are not found. */
static int id_find(const am_doc *doc, uint64_t ctr, uint32_t actor, am_objid *ret)
{
	am_objid id = {(uint32_t)ctr, actor};
	uint32_t k;

	if (ctr == 0 || ctr > AM_MAX_COUNTER || actor >= doc->actors.v.n ||
	    am_ops_find(doc->ops, id, &k) == AM_NONE)
		return AM_E_NOT_FOUND;
	*ret = id;
	return AM_OK;
}

int am_id_parse(const am_doc *doc, const char *text, size_t n, am_objid *ret)
{
	const char *hex;
	size_t hex_n;
	uint64_t ctr;

	if (n == strlen(ROOT_TEXT) && memcmp(text, ROOT_TEXT, n) == 0) {
		*ret = AM_ROOT;
		return AM_OK;
	}
	if (!am_id_split(text, n, &ctr, &hex, &hex_n))
		return AM_E_FORMAT;
	return id_find(doc, ctr, am_id_actor(doc, hex, hex_n), ret);
}

/* The actor's index in the order of actors is a hint for the reader. */
int am_id_encode(const am_doc *doc, am_objid id, am_buf *out)
{
	struct am_out o = {.a = &doc->a};
	int rc;

	if (!id_known(doc, id))
		return AM_E_NOT_FOUND;
	am_out_byte(&o, id.ctr ? ID_OP : ID_ROOT);
	if (id.ctr) {
		const struct am_actor *a = &doc->actors.v.p[id.actor];
		am_out_block(&o, a->p, a->n);
		am_out_uleb(&o, doc->actors.rank[id.actor]);
		am_out_uleb(&o, id.ctr);
	}
	rc = am_buf_take(out, &o);
	am_out_free(&o);
	return rc;
}

int am_id_decode(const am_doc *doc, const void *p, size_t n, am_objid *ret)
{
	struct am_in in = am_in_of(p, n);
	const uint8_t *tag, *actor;
	uint64_t hint, ctr;
	size_t actor_n;

	if (am_in_bytes(&in, 1, &tag) || (*tag != ID_ROOT && *tag != ID_OP))
		return AM_E_FORMAT;
	if (*tag == ID_ROOT) {
		if (in.p != in.end)
			return AM_E_FORMAT;
		*ret = AM_ROOT;
		return AM_OK;
	}
	if (am_in_block(&in, &actor, &actor_n) || am_in_uleb(&in, &hint) || am_in_uleb(&in, &ctr) || in.p != in.end)
		return AM_E_FORMAT;
	return id_find(doc, ctr, am_actors_find(&doc->actors, actor, actor_n), ret);
}
