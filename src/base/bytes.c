#include "base/bytes.h"

#include <errno.h>

static const char hex_digits[] = "0123456789abcdef";

void hex_encode(char *out, const void *p, size_t n)
{
	const uint8_t *b = p;
	for (size_t i = 0; i < n; i++) {
		*out++ = hex_digits[b[i] >> 4];
		*out++ = hex_digits[b[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(uint8_t *out, size_t n, const char *hex, size_t hex_n)
{
	if (hex_n != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < hex_n; i++)
		if (hex_value(hex[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
	return 0;
}

bool hex_is_hash(const char *s, size_t n)
{
	if (n != 64)
		return false;
	for (size_t i = 0; i < n; i++)
		if (hex_value(s[i]) < 0 || (s[i] >= 'A' && s[i] <= 'F'))
			return false;
	return true;
}

static const char b64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint8_t *o = buf_reserve(out, (n + 2) / 3 * 4);
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)b[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)b[i + 1] << 8;
		if (i + 2 < n)
			v |= b[i + 2];
		*o++ = (uint8_t)b64_digits[v >> 18];
		*o++ = (uint8_t)b64_digits[v >> 12 & 63];
		*o++ = i + 1 < n ? (uint8_t)b64_digits[v >> 6 & 63] : '=';
		*o++ = i + 2 < n ? (uint8_t)b64_digits[v & 63] : '=';
	}
	out->n += (n + 2) / 3 * 4;
}

static int b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct buf *out, const char *s, size_t n)
{
	const size_t before = out->n;
	uint32_t acc = 0;
	unsigned bits = 0, digits = 0, pads = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t')
			continue;
		if (s[i] == '=') {
			pads++;
			continue;
		}
		int v = b64_value(s[i]);
		if (v < 0 || pads)
			goto bad;
		acc = acc << 6 | (uint32_t)v;
		digits++;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_append_byte(out, (uint8_t)(acc >> bits));
		}
	}
	if (digits % 4 == 1 || pads > 2)
		goto bad;
	return 0;
bad:
	out->n = before;
	return -EINVAL;
}
