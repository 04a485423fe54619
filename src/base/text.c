#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_to_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		uint64_t d = (uint64_t)(*s - '0');
		if (v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*ret = v;
	return true;
}

char *path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	return xasprintf("%.*s%s%s", (int)n, dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return xstrdup(".");
	if (slash == path)
		return xstrdup("/");
	return xstrndup(path, (size_t)(slash - path));
}

void rfc3339_format(char out[RFC3339_TEXT], int64_t unix_ns)
{
	int64_t sec = unix_ns / 1000000000, ns = unix_ns % 1000000000;
	if (ns < 0) {
		ns += 1000000000;
		sec--;
	}
	time_t t = (time_t)sec;
	struct tm tm;
	gmtime_r(&t, &tm);
	size_t n = strftime(out, RFC3339_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, RFC3339_TEXT - n, ".%09dZ", (int)ns);
}

bool rfc3339_parse(const char *s, int64_t *ret_unix_ns)
{
	struct tm tm = {0};
	int used = 0;
	if (sscanf(s, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		   &tm.tm_sec, &used) != 6)
		return false;
	s += used;
	int64_t ns = 0;
	if (*s == '.') {
		int64_t unit = 100000000;
		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			ns += (*s - '0') * unit;
	}
	int offset = 0;
	if (*s == 'Z' || *s == 'z') {
		s++;
	} else {
		int h, m, k = 0;
		char sign = *s;
		if ((sign != '+' && sign != '-') || sscanf(s + 1, "%2d:%2d%n", &h, &m, &k) != 2)
			return false;
		s += 1 + k;
		offset = (h * 60 + m) * 60 * (sign == '-' ? -1 : 1);
	}
	if (*s)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_unix_ns = ((int64_t)timegm(&tm) - offset) * 1000000000 + ns;
	return true;
}
