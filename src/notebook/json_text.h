/* A JSON scanner that keeps the bytes (design.md 7.8): every value is a node
 * with its byte range in the text, so that what did not change can be copied
 * verbatim - number text, escapes, key order and white space included.
 *
 * Tolerant where notebooks in the wild are (documents.md 15, traps 24 and 25):
 * a byte order mark, NaN / Infinity / -Infinity, lone surrogate escapes, any
 * depth up to JSON_TEXT_DEPTH_MAX, numbers of any length. Not tolerant about
 * structure or UTF-8. */
#ifndef NOTEBOOK_JSON_TEXT_H
#define NOTEBOOK_JSON_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_TEXT_DEPTH_MAX 2048
#define JSON_NONE UINT32_MAX

enum json_kind {
	JSON_KIND_NULL,
	JSON_KIND_TRUE,
	JSON_KIND_FALSE,
	JSON_KIND_NUMBER,
	JSON_KIND_NONFINITE, /* NaN and friends: not JSON, but Python writes them */
	JSON_KIND_STRING,
	JSON_KIND_ARRAY,
	JSON_KIND_OBJECT /* children alternate key, value */
};

struct json_node {
	uint8_t kind;
	bool escaped;    /* string: holds a backslash */
	bool surrogate;  /* string: holds a lone surrogate escape */
	uint32_t n;      /* array: elements, object: members */
	uint32_t next;   /* index of the node behind this one's subtree */
	size_t start;    /* byte range, quotes and brackets included */
	size_t end;
};

/* Nodes in document order; node 0 is the whole value. The text is the
 * caller's and must outlive the tree. */
struct json_tree {
	const char *text;
	size_t text_n;
	struct json_node *nodes;
	size_t n, cap;
};

struct json_error {
	size_t offset; /* byte where it went wrong */
	const char *what;
};

/* 0, or -EINVAL with *ret_error (may be NULL) set. Ended with json_tree_fini. */
int json_tree_parse(const void *text, size_t n, struct json_tree *ret, struct json_error *ret_error);
void json_tree_fini(struct json_tree *t);

/* First child: element of an array, first key of an object; JSON_NONE if empty. */
uint32_t json_tree_first(const struct json_tree *t, uint32_t node);
/* The following sibling within parent, or JSON_NONE. For objects this walks
 * key, value, key, value. */
uint32_t json_tree_next(const struct json_tree *t, uint32_t parent, uint32_t child);
/* The value under key; the last one when the key is repeated; JSON_NONE when
 * absent or node is no object. */
uint32_t json_tree_get(const struct json_tree *t, uint32_t node, const char *key);
uint32_t json_tree_get_n(const struct json_tree *t, uint32_t node, const char *key, size_t key_n);
enum json_kind json_tree_kind(const struct json_tree *t, uint32_t node);

/* The decoded text of a string node, appended; lone surrogates become U+FFFD. */
void json_tree_string(const struct json_tree *t, uint32_t node, struct buf *out);
/* The same, NUL-terminated and malloc()ed; NULL unless node is a string. */
char *json_tree_dup(const struct json_tree *t, uint32_t node, size_t *ret_n);
bool json_tree_string_is(const struct json_tree *t, uint32_t node, const char *s, size_t n);
/* True when the number is an integer that fits (1.0 and 1e3 are no integers). */
bool json_tree_i64(const struct json_tree *t, uint32_t node, int64_t *ret);
bool json_tree_u64(const struct json_tree *t, uint32_t node, uint64_t *ret);
double json_tree_f64(const struct json_tree *t, uint32_t node);

/* The members of an object with decoded keys, of repeated keys only the last
 * one; in document order or ascending by key bytes. */
struct json_member {
	const char *key; /* not NUL-terminated */
	size_t key_n;
	char *owned;    /* what key points into when it had escapes */
	uint32_t key_node, value;
};
struct json_members {
	struct json_member *p;
	size_t n;
	bool ascending; /* the keys stand in ascending order in the text */
};
void json_members_load(const struct json_tree *t, uint32_t node, bool sorted, struct json_members *ret);
void json_members_fini(struct json_members *m);
/* In a sorted list; NULL when absent. */
const struct json_member *json_members_find(const struct json_members *m, const char *key, size_t key_n);

/* Equality of what the two values become in a document: key order, escapes,
 * white space and number spelling do not matter; NaN equals null. With
 * `lines`, an array of strings equals the string it joins to (not below the
 * keys `metadata`, `traceback` and those ending in `json`). */
bool json_tree_equal(const struct json_tree *a, uint32_t na, const struct json_tree *b, uint32_t nb, bool lines);

/* `lines` for the value of member m, given that of its object. */
bool json_lines_below(bool lines, const struct json_member *m);
/* The same for an element of a list: outputs hold text, a line of text is no list of lines. */
bool json_lines_in_list(bool lines, const struct json_tree *t, uint32_t node);

/* How a file is written. */
struct json_style {
	char indent[17];   /* one level; "" with multiline = line breaks only */
	bool multiline;    /* false: everything on one line */
	bool crlf;
	bool tight;        /* one line: no blank behind , and : */
	bool tight_colon;  /* no blank behind : */
	bool ascii;        /* non-ASCII as \u escapes */
};
/* nbformat's: one blank, line breaks. */
extern const struct json_style json_style_notebook;
void json_style_detect(const void *text, size_t n, const struct json_tree *t, struct json_style *ret);
void json_style_newline(struct buf *out, const struct json_style *style, unsigned depth);
void json_style_colon(struct buf *out, const struct json_style *style);
void json_style_comma(struct buf *out, const struct json_style *style, unsigned depth);
/* A string literal with quotes. */
void json_style_string(struct buf *out, const struct json_style *style, const char *s, size_t n);

/* Text as an array of lines, cut behind each \n; empty text is []. */
void json_render_lines(struct buf *out, const struct json_style *style, unsigned depth, const char *s, size_t n);
/* Renders a value whose first byte stands at `depth`. With `sorted`, keys ascend. */
void json_render(struct buf *out, const struct json_style *style, unsigned depth, const struct json_tree *t,
		 uint32_t node, bool sorted);
/* Renders a value as an edited version of `base`: equal subtrees are copied
 * verbatim from the base's text, keys keep the base's order, new keys go where
 * the order of the base puts them (sorted if its keys are sorted, else last).
 * With `lines`, a string that an array of lines in base joins to is equal. */
void json_render_over(struct buf *out, const struct json_style *style, unsigned depth, const struct json_tree *t,
		      uint32_t node, const struct json_tree *base, uint32_t base_node, bool lines);
/* Compact form, no blanks. */
void json_render_compact(struct buf *out, const struct json_tree *t, uint32_t node, bool sorted);
#endif
