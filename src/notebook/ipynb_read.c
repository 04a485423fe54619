/* From a file's bytes to a version. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/uuid.h"
#include "notebook/ipynb_impl.h"

/* ---- what is a notebook --------------------------------------------------------------------- */

static const char *refusal(const struct json_tree *t, int *ret_minor)
{
	uint32_t major = json_tree_get(t, 0, "nbformat"), cells = json_tree_get(t, 0, "cells");
	int64_t n = 4, minor = 5;

	if (json_tree_kind(t, 0) != JSON_KIND_OBJECT)
		return "not a notebook: the file is not a JSON object";
	if (major != JSON_NONE && !json_tree_i64(t, major, &n))
		return "not a notebook: nbformat is not a number";
	if (n < 4)
		return "nbformat below 4 is not supported; convert the file with `jupyter nbconvert --to notebook`";
	if (n > 4)
		return "this file uses a newer nbformat than 4";
	if (cells == JSON_NONE)
		return "not a notebook: the file has no cells";
	if (json_tree_kind(t, cells) != JSON_KIND_ARRAY)
		return "not a notebook: cells is not a list";
	if (!json_tree_i64(t, json_tree_get(t, 0, "nbformat_minor"), &minor) || minor < 0 || minor > 99)
		minor = 5;
	*ret_minor = (int)minor;
	return NULL;
}

/* ---- the frame ------------------------------------------------------------------------------ */

static void frame_part(struct ipynb_frame *f, size_t i, const char *p, size_t from, size_t to)
{
	f->n[i] = to - from;
	f->part[i] = xstrndup(p + from, to - from);
}

static void read_frame(struct ipynb_version *v, const struct json_tree *t)
{
	struct ipynb_frame *f = xcalloc(1, sizeof *f);
	const struct json_node *cells = &t->nodes[json_tree_get(t, 0, "cells")];
	uint32_t m = json_tree_get(t, 0, "metadata");
	size_t a = cells->start + 1, b = cells->end - 1, meta_a, meta_b;

	f->refs = 1;
	f->has_metadata = m != JSON_NONE && json_tree_kind(t, m) == JSON_KIND_OBJECT;
	if (f->has_metadata) {
		meta_a = t->nodes[m].start;
		meta_b = t->nodes[m].end;
		v->metadata = ipynb_text_dup(t->text + meta_a, meta_b - meta_a);
	} else {
		meta_a = meta_b = t->nodes[0].start + 1;
		v->metadata = ipynb_text_dup("{}", 2);
	}
	f->metadata_first = meta_a < a;
	if (f->metadata_first) {
		frame_part(f, 0, t->text, 0, meta_a);
		frame_part(f, 1, t->text, meta_b, a);
		frame_part(f, 2, t->text, b, t->text_n);
	} else {
		frame_part(f, 0, t->text, 0, a);
		frame_part(f, 1, t->text, b, meta_a);
		frame_part(f, 2, t->text, meta_b, t->text_n);
	}
	v->frame = f;
}

/* ---- cells ---------------------------------------------------------------------------------- */

/* NULL when the bytes are what the style puts there anyway. */
static char *unless_style(const char *p, size_t n, const struct json_style *style, size_t i)
{
	struct buf usual = {0};
	bool same;

	ipynb_style_lead(&usual, style, i);
	same = usual.n == n && (n == 0 || memcmp(usual.p, p, n) == 0);
	buf_free(&usual);
	return same ? NULL : xstrndup(p, n);
}

static struct ipynb_cell *read_cell(const struct json_tree *t, uint32_t node)
{
	const struct json_node *nd = &t->nodes[node];
	struct ipynb_cell *c = xcalloc(1, sizeof *c);
	size_t id_n;

	c->refs = 1;
	c->text = ipynb_text_new(t->text + nd->start, nd->end - nd->start);
	c->id = json_tree_dup(t, json_tree_get(t, node, "id"), &id_n);
	if (c->id && (id_n == 0 || strlen(c->id) != id_n)) {
		free(c->id);
		c->id = NULL;
	}
	c->id_in_file = c->id != NULL;
	return c;
}

/* Bytes between cells: white space, and elements that are no objects, which
 * stay where they are. */
static void read_cells(struct ipynb_version *v, const struct json_tree *t)
{
	uint32_t list = json_tree_get(t, 0, "cells");
	size_t at = t->nodes[list].start + 1, end = t->nodes[list].end - 1, n;
	struct buf usual = {0};

	for (uint32_t k = json_tree_first(t, list); k != JSON_NONE; k = json_tree_next(t, list, k)) {
		const struct json_node *nd = &t->nodes[k];
		const char *gap = t->text + at;
		struct ipynb_cell *c;

		if (nd->kind != JSON_KIND_OBJECT)
			continue;
		n = nd->start - at;
		c = read_cell(t, k);
		if (v->cells.n > 0) {
			const char *comma = memchr(gap, ',', n);
			if (comma > gap)
				v->cells.p[v->cells.n - 1]->tail = xstrndup(gap, (size_t)(comma - gap));
			n -= (size_t)(comma - gap) + 1;
			gap = comma + 1;
		}
		c->lead = unless_style(gap, n, &v->style, v->cells.n);
		VEC_PUSH(&v->cells, c);
		at = nd->end;
	}
	if (v->cells.n > 0)
		json_style_newline(&usual, &v->style, 1);
	if (usual.n != end - at || (usual.n > 0 && memcmp(usual.p, t->text + at, usual.n) != 0))
		v->close = xstrndup(t->text + at, end - at);
	buf_free(&usual);
}

/* ---- ids ------------------------------------------------------------------------------------ */

/* What a cell is recognised by: type and source. */
static char *content_key(const struct ipynb_text *text)
{
	struct ipynb_cell_view view;
	char *key;

	ipynb_text_view(text, &view);
	key = xmalloc(2 * SHA256_BYTES + 1);
	{
		struct buf b = {0};
		buf_append(&b, view.type, strlen(view.type) + 1);
		buf_append(&b, view.source, view.source_n);
		sha256_hex(key, b.p, b.n);
		buf_free(&b);
	}
	ipynb_cell_view_fini(&view);
	return key;
}

static bool is_type(const struct ipynb_text *text, const char *type)
{
	struct ipynb_cell_view view;
	bool same;

	ipynb_text_view(text, &view);
	same = strcmp(view.type, type) == 0;
	ipynb_cell_view_fini(&view);
	return same;
}

/* Stable over reloads of the same bytes, and nobody else's id. */
static char *mint_id(const char *content, unsigned occurrence, const struct map *taken)
{
	char *id = xmalloc(UUID_TEXT);

	do {
		uint8_t hash[SHA256_BYTES];
		char *seed = xasprintf("%s %u", content, occurrence++);
		sha256(hash, seed, strlen(seed));
		free(seed);
		uuid_v4(id, hash);
	} while (map_get(taken, id));
	return id;
}

/* The cells ids are lent from, in order. */
struct lender {
	char *id;
	char *content;
	char *type;
	bool taken;
};
struct lenders {
	VEC(struct lender) v;
};

static void lenders_fini(struct lenders *l)
{
	for (size_t i = 0; i < l->v.n; i++) {
		free(l->v.p[i].id);
		free(l->v.p[i].content);
		free(l->v.p[i].type);
	}
	VEC_FREE(&l->v);
}

static void add_lender(struct lenders *l, const char *id, const char *type, const char *source, size_t n)
{
	struct lender x = {.id = xstrdup(id), .type = xstrdup(type), .content = xmalloc(2 * SHA256_BYTES + 1)};
	struct buf b = {0};

	buf_append(&b, type, strlen(type) + 1);
	buf_append(&b, source, n);
	sha256_hex(x.content, b.p, b.n);
	buf_free(&b);
	VEC_PUSH(&l->v, x);
}

/* Pass 1: equal content, in order (a repeated one pairs first with first). */
static void lend_equal(struct ipynb_version *v, struct lenders *l, char **content, size_t *from, struct map *taken)
{
	struct map next = {0}; /* content -> first lender not looked at, + 1 */

	for (size_t i = 0; i < v->cells.n; i++) {
		size_t at;
		if (v->cells.p[i]->id)
			continue;
		at = (uintptr_t)map_get(&next, content[i]);
		while (at < l->v.n && (l->v.p[at].taken || strcmp(l->v.p[at].content, content[i]) != 0 ||
				       map_get(taken, l->v.p[at].id)))
			at++;
		map_put(&next, content[i], (void *)(uintptr_t)(at + 1));
		if (at >= l->v.n)
			continue;
		l->v.p[at].taken = true;
		from[i] = at + 1;
		v->cells.p[i]->id = xstrdup(l->v.p[at].id);
		map_put(taken, l->v.p[at].id, v->cells.p[i]);
	}
	map_free(&next);
}

/* Pass 2: edited cells stand behind the same neighbour as before. */
static void lend_neighbours(struct ipynb_version *v, struct lenders *l, size_t *from, struct map *taken)
{
	for (size_t i = 0; i < v->cells.n; i++) {
		struct ipynb_cell *c = v->cells.p[i];
		size_t at = i > 0 ? from[i - 1] : 0;

		if (c->id || (i > 0 && at == 0) || at >= l->v.n || l->v.p[at].taken ||
		    map_get(taken, l->v.p[at].id) || !is_type(c->text, l->v.p[at].type))
			continue;
		l->v.p[at].taken = true;
		from[i] = at + 1;
		c->id = xstrdup(l->v.p[at].id);
		map_put(taken, l->v.p[at].id, c);
	}
}

static void assign_ids(struct ipynb_version *v, struct lenders *l)
{
	struct map taken = {0}, seen = {0};
	char **content = xcalloc(v->cells.n + 1, sizeof *content);
	size_t *from = xcalloc(v->cells.n + 1, sizeof *from);

	for (size_t i = 0; i < v->cells.n; i++) {
		struct ipynb_cell *c = v->cells.p[i];
		if (c->id && map_get(&taken, c->id)) {
			free(c->id); /* the first one keeps it (documents.md 16.10) */
			c->id = NULL;
			c->id_in_file = false;
		}
		if (c->id)
			map_put(&taken, c->id, c);
		else
			content[i] = content_key(c->text);
	}
	lend_equal(v, l, content, from, &taken);
	lend_neighbours(v, l, from, &taken);
	for (size_t i = 0; i < v->cells.n; i++) {
		struct ipynb_cell *c = v->cells.p[i];
		uintptr_t times;
		if (!content[i])
			continue;
		times = (uintptr_t)map_get(&seen, content[i]);
		map_put(&seen, content[i], (void *)(times + 1));
		if (!c->id) {
			c->id = mint_id(content[i], (unsigned)times, &taken);
			map_put(&taken, c->id, c);
		}
		free(content[i]);
	}
	free(content);
	free(from);
	map_free(&taken);
	map_free(&seen);
}

static void lend_version(struct lenders *l, const struct ipynb_version *previous)
{
	for (size_t i = 0; previous && i < previous->cells.n; i++) {
		struct ipynb_cell_view view;
		if (previous->cells.p[i]->id_in_file)
			continue;
		ipynb_cell_view(previous, i, &view);
		add_lender(l, previous->cells.p[i]->id, view.type, view.source, view.source_n);
		ipynb_cell_view_fini(&view);
	}
}

/* A cell whose text did not change keeps what is known of it. */
static void share_cells(struct ipynb_version *v, const struct ipynb_version *previous)
{
	struct map by_id = {0};

	for (size_t i = 0; i < previous->cells.n; i++)
		map_put(&by_id, previous->cells.p[i]->id, previous->cells.p[i]);
	for (size_t i = 0; i < v->cells.n; i++) {
		struct ipynb_cell *c = v->cells.p[i], *old = map_get(&by_id, c->id);
		const struct ipynb_text *t = old ? ipynb_cell_peek(old) : NULL;

		if (!t || t->n != c->text->n || memcmp(t->p, c->text->p, t->n) != 0 || c->lead || c->tail || old->lead ||
		    old->tail)
			continue;
		v->cells.p[i] = ipynb_cell_ref(old);
		ipynb_cell_unref(c);
	}
	map_free(&by_id);
}

int ipynb_read(const void *p, size_t n, const struct ipynb_version *previous, struct ipynb_version **ret,
	       char **ret_reason)
{
	struct lenders lenders = {0};
	struct ipynb_version *v;
	struct json_error error;
	struct json_tree t;
	const char *why;
	int minor = 5;

	if (json_tree_parse(p, n, &t, &error) < 0) {
		if (ret_reason)
			*ret_reason = n == 0 ? xstrdup("the file is empty")
					     : xasprintf("not valid JSON: %s at byte %zu", error.what, error.offset);
		return -EINVAL;
	}
	why = refusal(&t, &minor);
	if (why) {
		json_tree_fini(&t);
		if (ret_reason)
			*ret_reason = xstrdup(why);
		return -EINVAL;
	}
	v = xcalloc(1, sizeof *v);
	v->refs = 1;
	v->minor = minor;
	json_style_detect(p, n, &t, &v->style);
	read_frame(v, &t);
	read_cells(v, &t);
	json_tree_fini(&t);
	lend_version(&lenders, previous);
	assign_ids(v, &lenders);
	lenders_fini(&lenders);
	if (previous)
		share_cells(v, previous);
	sha256(v->sha256, p, n);
	v->hashed = true;
	*ret = v;
	return 0;
}

void ipynb_match_ids(struct ipynb_version *v, struct notebook *nb)
{
	struct lenders lenders = {0};

	for (size_t i = 0; i < cells_count(nb); i++) {
		const char *id = cells_id_at(nb, i);
		char *type = cell_type(nb, id);
		size_t n;
		char *source = cell_source(nb, id, &n);
		add_lender(&lenders, id, type, source, n);
		free(type);
		free(source);
	}
	for (size_t i = 0; i < v->cells.n; i++) {
		if (v->cells.p[i]->id_in_file)
			continue;
		free(v->cells.p[i]->id);
		v->cells.p[i]->id = NULL;
	}
	assign_ids(v, &lenders);
	lenders_fini(&lenders);
}
