#include "automerge/text.h"

#include <utf8proc.h>

#include "base/utf8.h"

int am_text_check(const void *p, size_t n)
{
	if (n > INT32_MAX)
		return AM_E_LIMIT;
	return n == 0 || utf8_valid(p, n) ? AM_OK : AM_E_FORMAT;
}

size_t am_text_cluster(const uint8_t *p, size_t n)
{
	utf8proc_int32_t state = 0;
	uint32_t prev, cp;
	size_t at;

	/* Between two ASCII characters there is always a boundary, but for CR LF. */
	if (p[0] < 0x80 && (n == 1 || (p[1] < 0x80 && p[0] != '\r')))
		return 1;
	at = utf8_decode(p, n, &prev);
	if (at == 0)
		return n;
	while (at < n) {
		size_t len = utf8_decode(p + at, n - at, &cp);
		if (len == 0 || utf8proc_grapheme_break_stateful((utf8proc_int32_t)prev, (utf8proc_int32_t)cp, &state))
			break;
		at += len;
		prev = cp;
	}
	return at;
}

static size_t count_clusters(const uint8_t *p, size_t n)
{
	size_t count = 0;

	for (size_t at = 0; at < n; count++)
		at += am_text_cluster(p + at, n - at);
	return count;
}

size_t am_text_units(am_text_unit unit, const uint8_t *p, size_t n)
{
	size_t count = 0;

	if (unit == AM_UNIT_UTF8)
		return n;
	if (unit == AM_UNIT_GRAPHEME)
		return count_clusters(p, n);
	for (size_t i = 0; i < n; i++)
		count += (p[i] & 0xc0) != 0x80;
	if (unit == AM_UNIT_UTF16)
		for (size_t i = 0; i < n; i++)
			count += p[i] >= 0xf0;
	return count;
}
