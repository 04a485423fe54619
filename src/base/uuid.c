#include "base/uuid.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"

static void uuid_format(char out[UUID_TEXT], const uint8_t b[16])
{
	static const unsigned char groups[] = {4, 2, 2, 2, 6};
	char *o = out;
	for (size_t g = 0; g < sizeof groups; g++) {
		if (g)
			*o++ = '-';
		hex_encode(o, b, groups[g]);
		o += 2 * groups[g];
		b += groups[g];
	}
}

void uuid_v4(char out[UUID_TEXT], const uint8_t random[16])
{
	uint8_t b[16];
	memcpy(b, random, sizeof b);
	b[6] = (uint8_t)(0x40 | (b[6] & 0x0f));
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	uuid_format(out, b);
}

bool uuid_parse(const char *s, char ret_canonical[UUID_TEXT])
{
	size_t n = strlen(s);
	if (n == 38 && s[0] == '{' && s[37] == '}') {
		s++;
		n = 36;
	} else if (n == 45 && strncasecmp(s, "urn:uuid:", 9) == 0) {
		s += 9;
		n = 36;
	}
	char digits[32];
	if (n == 36) {
		size_t d = 0;
		for (size_t i = 0; i < n; i++) {
			bool dash = i == 8 || i == 13 || i == 18 || i == 23;
			if (dash != (s[i] == '-'))
				return false;
			if (!dash)
				digits[d++] = s[i];
		}
	} else if (n == 32) {
		memcpy(digits, s, 32);
	} else {
		return false;
	}
	uint8_t b[16];
	if (hex_decode(b, sizeof b, digits, sizeof digits) < 0)
		return false;
	uuid_format(ret_canonical, b);
	return true;
}
