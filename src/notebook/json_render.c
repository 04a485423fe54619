/* Writing JSON in the manner of a file, and as an edited version of a text. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "notebook/json_text.h"

const struct json_style json_style_notebook = {.indent = " ", .multiline = true};

/* ---- style ---------------------------------------------------------------------------------- */

static void detect_escapes(const char *s, size_t n, struct json_style *style)
{
	bool escapes = false;

	for (size_t i = 0; i < n; i++) {
		if ((uint8_t)s[i] >= 0x80)
			return;
		if (s[i] == '\\') {
			if (i + 5 < n && s[i + 1] == 'u' && (memcmp(s + i + 2, "00", 2) != 0 || s[i + 4] >= '8'))
				escapes = true;
			i++;
		}
	}
	style->ascii = escapes;
}

static void detect_blanks(const struct json_tree *t, uint32_t key, struct json_style *style)
{
	const struct json_node *value = &t->nodes[t->nodes[key].next];
	uint32_t second = json_tree_next(t, 0, t->nodes[key].next);

	style->tight_colon = value->start - t->nodes[key].end == 1;
	if (second != JSON_NONE)
		style->tight = t->nodes[second].start - value->end == 1;
	else
		style->tight = style->tight_colon;
}

void json_style_detect(const void *text, size_t n, const struct json_tree *t, struct json_style *ret)
{
	struct json_style style = {0};
	uint32_t key = json_tree_first(t, 0);
	const char *s = text, *gap, *end, *newline;

	detect_escapes(s, n, &style);
	if (key == JSON_NONE || json_tree_kind(t, 0) != JSON_KIND_OBJECT) {
		bool ascii = style.ascii;
		style = json_style_notebook;
		style.ascii = ascii;
		*ret = style;
		return;
	}
	gap = s + t->nodes[0].start + 1;
	end = s + t->nodes[key].start;
	detect_blanks(t, key, &style);
	newline = memrchr(gap, '\n', (size_t)(end - gap));
	if (newline) {
		size_t indent = (size_t)(end - newline - 1);
		if (indent > sizeof style.indent - 1)
			indent = sizeof style.indent - 1;
		style.multiline = true;
		style.crlf = newline > gap && newline[-1] == '\r';
		memcpy(style.indent, newline + 1, indent);
	}
	*ret = style;
}

void json_style_newline(struct buf *out, const struct json_style *style, unsigned depth)
{
	size_t n = strlen(style->indent);

	if (!style->multiline)
		return;
	buf_append_str(out, style->crlf ? "\r\n" : "\n");
	for (unsigned i = 0; i < depth; i++)
		buf_append(out, style->indent, n);
}

void json_style_colon(struct buf *out, const struct json_style *style)
{
	buf_append_str(out, style->tight_colon ? ":" : ": ");
}

void json_style_comma(struct buf *out, const struct json_style *style, unsigned depth)
{
	buf_append_byte(out, ',');
	if (style->multiline)
		json_style_newline(out, style, depth);
	else if (!style->tight)
		buf_append_byte(out, ' ');
}

static void append_escape(struct buf *out, uint32_t cp)
{
	if (cp >= 0x10000) {
		cp -= 0x10000;
		buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 + (cp >> 10)), (unsigned)(0xdc00 + (cp & 0x3ff)));
	} else {
		buf_printf(out, "\\u%04x", (unsigned)cp);
	}
}

static void append_control(struct buf *out, uint8_t c)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
	const char *at = c ? strchr(from, c) : NULL;

	if (at) {
		buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)to[at - from]);
	} else {
		buf_printf(out, "\\u%04x", c);
	}
}

void json_style_string(struct buf *out, const struct json_style *style, const char *s, size_t n)
{
	size_t from = 0, i = 0;

	buf_append_byte(out, '"');
	while (i < n) {
		uint8_t c = (uint8_t)s[i];
		uint32_t cp;
		size_t len = 1;

		if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || !style->ascii)) {
			i++;
			continue;
		}
		buf_append(out, s + from, i - from);
		if (c >= 0x80 && (len = utf8_decode(s + i, n - i, &cp)) > 0)
			append_escape(out, cp);
		else
			append_control(out, c);
		i += len ? len : 1;
		from = i;
	}
	if (n > from)
		buf_append(out, s + from, n - from);
	buf_append_byte(out, '"');
}

/* ---- rendering ------------------------------------------------------------------------------ */

static void copy_node(struct buf *out, const struct json_tree *t, uint32_t node)
{
	buf_append(out, t->text + t->nodes[node].start, t->nodes[node].end - t->nodes[node].start);
}

/* Lone surrogates have no other form than their escape. */
static void render_string(struct buf *out, const struct json_style *style, const struct json_tree *t, uint32_t node)
{
	const struct json_node *nd = &t->nodes[node];

	if (nd->surrogate || (!nd->escaped && !style->ascii)) {
		copy_node(out, t, node);
	} else if (!nd->escaped) {
		json_style_string(out, style, t->text + nd->start + 1, nd->end - nd->start - 2);
	} else {
		struct buf s = {0};
		json_tree_string(t, node, &s);
		json_style_string(out, style, s.p ? (char *)s.p : "", s.n);
		buf_free(&s);
	}
}

static void render_array(struct buf *out, const struct json_style *style, unsigned depth, const struct json_tree *t,
			 uint32_t node, bool sorted)
{
	uint32_t k = json_tree_first(t, node);

	buf_append_byte(out, '[');
	if (k != JSON_NONE)
		json_style_newline(out, style, depth + 1);
	while (k != JSON_NONE) {
		json_render(out, style, depth + 1, t, k, sorted);
		k = json_tree_next(t, node, k);
		if (k != JSON_NONE)
			json_style_comma(out, style, depth + 1);
		else
			json_style_newline(out, style, depth);
	}
	buf_append_byte(out, ']');
}

static void render_object(struct buf *out, const struct json_style *style, unsigned depth, const struct json_tree *t,
			  uint32_t node, bool sorted)
{
	struct json_members m;

	json_members_load(t, node, sorted, &m);
	buf_append_byte(out, '{');
	if (m.n > 0)
		json_style_newline(out, style, depth + 1);
	for (size_t i = 0; i < m.n; i++) {
		render_string(out, style, t, m.p[i].key_node);
		json_style_colon(out, style);
		json_render(out, style, depth + 1, t, m.p[i].value, sorted);
		if (i + 1 < m.n)
			json_style_comma(out, style, depth + 1);
		else
			json_style_newline(out, style, depth);
	}
	buf_append_byte(out, '}');
	json_members_fini(&m);
}

void json_render(struct buf *out, const struct json_style *style, unsigned depth, const struct json_tree *t,
		 uint32_t node, bool sorted)
{
	switch (json_tree_kind(t, node)) {
	case JSON_KIND_OBJECT:
		render_object(out, style, depth, t, node, sorted);
		break;
	case JSON_KIND_ARRAY:
		render_array(out, style, depth, t, node, sorted);
		break;
	case JSON_KIND_STRING:
		render_string(out, style, t, node);
		break;
	default:
		copy_node(out, t, node);
	}
}

void json_render_compact(struct buf *out, const struct json_tree *t, uint32_t node, bool sorted)
{
	static const struct json_style compact = {.tight = true, .tight_colon = true};

	json_render(out, &compact, 0, t, node, sorted);
}

/* ---- as an edit of another text --------------------------------------------------------------- */

struct over {
	struct buf *out;
	const struct json_style *style;
	const struct json_tree *t, *base;
};

static void over_value(struct over *o, unsigned depth, uint32_t node, uint32_t base, bool lines);

/* Separators of a container, written in front of each child. */
static void over_lead(struct over *o, unsigned depth, size_t *count)
{
	if ((*count)++ == 0)
		json_style_newline(o->out, o->style, depth + 1);
	else
		json_style_comma(o->out, o->style, depth + 1);
}

static void over_member(struct over *o, unsigned depth, const struct json_member *m, const struct json_member *base,
			bool lines, size_t *count)
{
	over_lead(o, depth, count);
	if (base)
		copy_node(o->out, o->base, base->key_node);
	else
		render_string(o->out, o->style, o->t, m->key_node);
	json_style_colon(o->out, o->style);
	if (base)
		over_value(o, depth + 1, m->value, base->value, json_lines_below(lines, m));
	else
		json_render(o->out, o->style, depth + 1, o->t, m->value, true);
}

static int key_compare(const struct json_member *a, const struct json_member *b)
{
	size_t n = a->key_n < b->key_n ? a->key_n : b->key_n;
	int c = n ? memcmp(a->key, b->key, n) : 0;

	return c != 0 ? c : (a->key_n > b->key_n) - (a->key_n < b->key_n);
}

/* The same keys, none twice: everything but the values that differ is copied,
 * blanks included. */
static bool patch_object(struct over *o, unsigned depth, const struct json_members *mine,
			 const struct json_members *theirs, uint32_t base, bool lines)
{
	const char *text = o->base->text;
	size_t at = o->base->nodes[base].start;

	if (mine->n != theirs->n || theirs->n != o->base->nodes[base].n)
		return false;
	for (size_t i = 0; i < theirs->n; i++)
		if (!json_members_find(mine, theirs->p[i].key, theirs->p[i].key_n))
			return false;
	for (size_t i = 0; i < theirs->n; i++) {
		const struct json_member *m = json_members_find(mine, theirs->p[i].key, theirs->p[i].key_n);
		const struct json_node *value = &o->base->nodes[theirs->p[i].value];

		buf_append(o->out, text + at, value->start - at);
		over_value(o, depth + 1, m->value, theirs->p[i].value, json_lines_below(lines, m));
		at = value->end;
	}
	buf_append(o->out, text + at, o->base->nodes[base].end - at);
	return true;
}

static void over_object(struct over *o, unsigned depth, uint32_t node, uint32_t base, bool lines)
{
	struct json_members mine, theirs, sorted;
	size_t next = 0, count = 0;

	json_members_load(o->t, node, true, &mine);
	json_members_load(o->base, base, false, &theirs);
	json_members_load(o->base, base, true, &sorted);
	if (patch_object(o, depth, &mine, &theirs, base, lines))
		goto out;
	buf_append_byte(o->out, '{');
	for (size_t i = 0; i < theirs.n; i++) {
		const struct json_member *m = json_members_find(&mine, theirs.p[i].key, theirs.p[i].key_n);
		/* New keys that sort before this one. */
		for (; theirs.ascending && next < mine.n && key_compare(&mine.p[next], &theirs.p[i]) <= 0; next++)
			if (!json_members_find(&sorted, mine.p[next].key, mine.p[next].key_n))
				over_member(o, depth, &mine.p[next], NULL, lines, &count);
		if (m)
			over_member(o, depth, m, &theirs.p[i], lines, &count);
	}
	for (; next < mine.n; next++)
		if (!json_members_find(&sorted, mine.p[next].key, mine.p[next].key_n))
			over_member(o, depth, &mine.p[next], NULL, lines, &count);
	if (count > 0)
		json_style_newline(o->out, o->style, depth);
	buf_append_byte(o->out, '}');
out:
	json_members_fini(&mine);
	json_members_fini(&theirs);
	json_members_fini(&sorted);
}

struct elements {
	uint32_t *p;
	size_t n;
};

static struct elements elements_of(const struct json_tree *t, uint32_t node)
{
	struct elements e = {.p = xcalloc(t->nodes[node].n + 1, sizeof *e.p)};

	for (uint32_t k = json_tree_first(t, node); k != JSON_NONE; k = json_tree_next(t, node, k))
		e.p[e.n++] = k;
	return e;
}

static void patch_array(struct over *o, unsigned depth, const struct elements *a, const struct elements *b,
			uint32_t base, bool lines)
{
	const char *text = o->base->text;
	size_t at = o->base->nodes[base].start;

	for (size_t i = 0; i < a->n; i++) {
		const struct json_node *value = &o->base->nodes[b->p[i]];
		buf_append(o->out, text + at, value->start - at);
		over_value(o, depth + 1, a->p[i], b->p[i], json_lines_in_list(lines, o->t, a->p[i]));
		at = value->end;
	}
	buf_append(o->out, text + at, o->base->nodes[base].end - at);
}

static bool element_equal(const struct over *o, uint32_t mine, uint32_t base, bool lines)
{
	return json_tree_equal(o->t, mine, o->base, base, json_lines_in_list(lines, o->t, mine));
}

static void over_array(struct over *o, unsigned depth, uint32_t node, uint32_t base, bool lines)
{
	struct elements a = elements_of(o->t, node), b = elements_of(o->base, base);
	size_t head = 0, tail = 0, count = 0;

	if (a.n == b.n) {
		patch_array(o, depth, &a, &b, base, lines);
		goto out;
	}
	while (head < a.n && head < b.n && element_equal(o, a.p[head], b.p[head], lines))
		head++;
	while (tail < a.n - head && tail < b.n - head &&
	       element_equal(o, a.p[a.n - 1 - tail], b.p[b.n - 1 - tail], lines))
		tail++;
	buf_append_byte(o->out, '[');
	for (size_t i = 0; i < a.n; i++) {
		over_lead(o, depth, &count);
		if (i < head || (i < a.n - tail && i < b.n - tail))
			over_value(o, depth + 1, a.p[i], b.p[i], json_lines_in_list(lines, o->t, a.p[i]));
		else if (i >= a.n - tail)
			copy_node(o->out, o->base, b.p[i + b.n - a.n]);
		else
			json_render(o->out, o->style, depth + 1, o->t, a.p[i], true);
	}
	if (count > 0)
		json_style_newline(o->out, o->style, depth);
	buf_append_byte(o->out, ']');
out:
	free(a.p);
	free(b.p);
}

static bool all_strings(const struct json_tree *t, uint32_t node)
{
	for (uint32_t k = json_tree_first(t, node); k != JSON_NONE; k = json_tree_next(t, node, k))
		if (json_tree_kind(t, k) != JSON_KIND_STRING)
			return false;
	return true;
}

void json_render_lines(struct buf *out, const struct json_style *style, unsigned depth, const char *s, size_t n)
{
	size_t count = 0;

	buf_append_byte(out, '[');
	for (size_t at = 0; at < n;) {
		const char *nl = memchr(s + at, '\n', n - at);
		size_t end = nl ? (size_t)(nl - s) + 1 : n;

		if (count++ == 0)
			json_style_newline(out, style, depth + 1);
		else
			json_style_comma(out, style, depth + 1);
		json_style_string(out, style, s + at, end - at);
		at = end;
	}
	if (count > 0)
		json_style_newline(out, style, depth);
	buf_append_byte(out, ']');
}

static void over_value(struct over *o, unsigned depth, uint32_t node, uint32_t base, bool lines)
{
	enum json_kind kind = json_tree_kind(o->t, node), was = json_tree_kind(o->base, base);

	if (json_tree_equal(o->t, node, o->base, base, lines)) {
		copy_node(o->out, o->base, base);
	} else if (kind == JSON_KIND_OBJECT && was == JSON_KIND_OBJECT) {
		over_object(o, depth, node, base, lines);
	} else if (kind == JSON_KIND_ARRAY && was == JSON_KIND_ARRAY) {
		over_array(o, depth, node, base, lines);
	} else if (lines && kind == JSON_KIND_STRING && was == JSON_KIND_ARRAY && all_strings(o->base, base)) {
		struct buf s = {0};
		json_tree_string(o->t, node, &s);
		json_render_lines(o->out, o->style, depth, s.p ? (char *)s.p : "", s.n);
		buf_free(&s);
	} else {
		json_render(o->out, o->style, depth, o->t, node, true);
	}
}

void json_render_over(struct buf *out, const struct json_style *style, unsigned depth, const struct json_tree *t,
		      uint32_t node, const struct json_tree *base, uint32_t base_node, bool lines)
{
	struct over o = {.out = out, .style = style, .t = t, .base = base};

	over_value(&o, depth, node, base_node, lines);
}
