#include "base/json_grammar.h"

#include <string.h>

#include "base/json.h"

/* What may come next. */
enum next { VALUE, VALUE_OR_END, KEY, KEY_OR_END, SEPARATOR };

struct scan {
	const char *p, *end;
	char open[JSON_DEPTH_MAX]; /* the brackets that close what is open */
	size_t depth;
};

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool take(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool take_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n))
		return false;
	s->p += n;
	return true;
}

static bool take_digits(struct scan *s)
{
	const char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

static bool take_number(struct scan *s)
{
	(void)take(s, '-');
	if (take_word(s, "Infinity"))
		return true;
	if (!take(s, '0') && !take_digits(s))
		return false;
	if (take(s, '.') && !take_digits(s))
		return false;
	if (take(s, 'e') || take(s, 'E')) {
		(void)(take(s, '+') || take(s, '-'));
		return take_digits(s);
	}
	return true;
}

static bool take_string(struct scan *s)
{
	if (!take(s, '"'))
		return false;
	for (; s->p < s->end; s->p++) {
		if (*s->p == '"')
			return take(s, '"');
		if (*s->p == '\\' && ++s->p == s->end)
			return false;
	}
	return false;
}

static bool open_bracket(struct scan *s, char closing)
{
	if (s->depth == JSON_DEPTH_MAX)
		return false;
	s->open[s->depth++] = closing;
	return true;
}

static bool close_bracket(struct scan *s)
{
	if (!s->depth || !take(s, s->open[s->depth - 1]))
		return false;
	s->depth--;
	return true;
}

static bool take_value(struct scan *s, enum next *ret_next)
{
	*ret_next = SEPARATOR;
	if (take(s, '{')) {
		*ret_next = KEY_OR_END;
		return open_bracket(s, '}');
	}
	if (take(s, '[')) {
		*ret_next = VALUE_OR_END;
		return open_bracket(s, ']');
	}
	return (s->p < s->end && *s->p == '"') ? take_string(s)
	       : take_word(s, "true") || take_word(s, "false") || take_word(s, "null") || take_word(s, "NaN") ||
			 take_number(s);
}

static bool take_key(struct scan *s)
{
	if (!take_string(s))
		return false;
	skip_space(s);
	return take(s, ':');
}

bool json_is_text(const char *p, size_t n)
{
	struct scan s = {.p = p, .end = p + n};
	enum next next = VALUE;
	bool good = true;

	while (good) {
		skip_space(&s);
		if (next == SEPARATOR && !s.depth)
			break;
		if ((next == VALUE_OR_END || next == KEY_OR_END || next == SEPARATOR) && close_bracket(&s)) {
			next = SEPARATOR;
		} else if (next == SEPARATOR) {
			good = take(&s, ',');
			next = s.open[s.depth - 1] == '}' ? KEY : VALUE;
		} else if (next == KEY || next == KEY_OR_END) {
			good = take_key(&s);
			next = VALUE;
		} else {
			good = take_value(&s, &next);
		}
	}
	return good && s.p == s.end;
}
