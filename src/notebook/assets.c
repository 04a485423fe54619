#include "notebook/assets.h"

#include <errno.h>
#include <md4c.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/utf8.h"
#include "notebook/cells.h"
#include "notebook/json_text.h"

/* ---- extraction ----------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* documents.md 12 step 2. */
static bool is_candidate(const char *ref)
{
	static const char *const remote[] = {"http://", "https://", "data:", "blob:", "/"};

	while (is_blank(*ref))
		ref++;
	if (!*ref)
		return false;
	if (strncmp(ref, "attachment:", 11) == 0)
		return true;
	for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
		if (strncmp(ref, remote[i], strlen(remote[i])) == 0)
			return false;
	return ref[1] != ':';
}

static void add_ref(struct str_list *l, const char *p, size_t n)
{
	char *ref = xstrndup(p, n);

	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->p[i], ref) == 0) {
			free(ref);
			return;
		}
	}
	if (!is_candidate(ref)) {
		free(ref);
		return;
	}
	l->p = xreallocarray(l->p, l->n + 1, sizeof *l->p);
	l->p[l->n++] = ref;
}

static void append_entity(struct buf *out, const char *p, size_t n)
{
	static const struct {
		const char *name, *text;
	} names[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&nbsp;", "\xc2\xa0"}};
	uint8_t bytes[4];
	char *end;
	unsigned long cp;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i].name) == n && memcmp(names[i].name, p, n) == 0) {
			buf_append_str(out, names[i].text);
			return;
		}
	}
	if (n > 3 && p[1] == '#') {
		bool hex = p[2] == 'x' || p[2] == 'X';
		cp = strtoul(p + (hex ? 3 : 2), &end, hex ? 16 : 10);
		if (*end == ';' && cp > 0 && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff)) {
			buf_append(out, bytes, utf8_encode(bytes, (uint32_t)cp));
			return;
		}
	}
	buf_append(out, p, n);
}

static void add_attribute(struct str_list *l, const MD_ATTRIBUTE *a)
{
	struct buf ref = {0};

	for (size_t i = 0; a->substr_offsets && a->substr_offsets[i] < a->size; i++) {
		const char *p = a->text + a->substr_offsets[i];
		size_t n = a->substr_offsets[i + 1] - a->substr_offsets[i];
		if (a->substr_types[i] == MD_TEXT_ENTITY)
			append_entity(&ref, p, n);
		else if (a->substr_types[i] == MD_TEXT_NULLCHAR)
			buf_append_str(&ref, "\xef\xbf\xbd");
		else
			buf_append(&ref, p, n);
	}
	if (ref.n > 0)
		add_ref(l, (char *)ref.p, ref.n);
	buf_free(&ref);
}

static bool word_at(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && strncasecmp(p, word, n) == 0;
}

/* The value of an attribute at `p` (behind the `=`); returns behind it. */
static const char *html_value(struct str_list *l, const char *p, const char *end, bool wanted)
{
	const char *from;
	char quote;

	while (p < end && is_blank(*p))
		p++;
	if (p < end && (*p == '"' || *p == '\'')) {
		quote = *p++;
		from = p;
		while (p < end && *p != quote)
			p++;
		if (p < end && wanted)
			add_ref(l, from, (size_t)(p - from));
		return p < end ? p + 1 : p;
	}
	from = p;
	while (p < end && !is_blank(*p) && *p != '>')
		p++;
	if (wanted && p > from)
		add_ref(l, from, (size_t)(p - from));
	return p;
}

/* The attributes of one <img ...>, `p` behind its name. */
static const char *html_image(struct str_list *l, const char *p, const char *end)
{
	while (p < end && *p != '>') {
		const char *name = p;
		bool src;

		if (is_blank(*p) || *p == '/' || *p == '=') {
			p++;
			continue;
		}
		while (p < end && !is_blank(*p) && *p != '=' && *p != '>' && *p != '/')
			p++;
		src = p - name == 3 && strncasecmp(name, "src", 3) == 0;
		while (p < end && is_blank(*p))
			p++;
		if (p < end && *p == '=')
			p = html_value(l, p + 1, end, src);
	}
	return p;
}

static void add_html(struct str_list *l, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end && (p = memchr(p, '<', (size_t)(end - p)))) {
		if (word_at(p, end, "<img") && p + 4 < end && (is_blank(p[4]) || p[4] == '/'))
			p = html_image(l, p + 4, end);
		else
			p++;
	}
}

static int on_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
	(void)type;
	(void)detail;
	(void)ctx;
	return 0;
}

static int on_span(MD_SPANTYPE type, void *detail, void *ctx)
{
	if (type == MD_SPAN_IMG)
		add_attribute(ctx, &((MD_SPAN_IMG_DETAIL *)detail)->src);
	return 0;
}

static int on_leave(MD_SPANTYPE type, void *detail, void *ctx)
{
	(void)type;
	(void)detail;
	(void)ctx;
	return 0;
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE n, void *ctx)
{
	if (type == MD_TEXT_HTML)
		add_html(ctx, text, n);
	return 0;
}

void assets_extract(const char *markdown, size_t n, struct str_list *ret)
{
	static const MD_PARSER parser = {
		.flags = MD_DIALECT_COMMONMARK,
		.enter_block = on_block,
		.leave_block = on_block,
		.enter_span = on_span,
		.leave_span = on_leave,
		.text = on_text,
	};
	struct str_list refs = {0};

	/* Both forms need one of these; most cells have neither. */
	if (n <= UINT32_MAX && (memmem(markdown, n, "![", 2) || memchr(markdown, '<', n)))
		md_parse(markdown, (MD_SIZE)n, &parser, &refs);
	*ret = refs;
}

/* ---- resolution ----------------------------------------------------------------------------- */

const char *assets_media_type(const char *name)
{
	static const struct {
		const char *extension, *type;
	} types[] = {{"png", "image/png"},     {"jpg", "image/jpeg"},   {"jpeg", "image/jpeg"},  {"gif", "image/gif"},
		     {"webp", "image/webp"},   {"svg", "image/svg+xml"}, {"bmp", "image/bmp"},    {"ico", "image/x-icon"},
		     {"tiff", "image/tiff"},   {"tif", "image/tiff"},   {"avif", "image/avif"}};
	const char *dot = strrchr(name, '.');

	if (!dot || strchr(dot, '/'))
		return NULL;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcasecmp(dot + 1, types[i].extension) == 0)
			return types[i].type;
	return NULL;
}

/* The reference without blanks around, query and fragment. */
static char *bare(const char *ref)
{
	size_t n;

	while (is_blank(*ref))
		ref++;
	n = strcspn(ref, "?#");
	while (n > 0 && is_blank(ref[n - 1]))
		n--;
	return xstrndup(ref, n);
}

static bool text_value(const struct json_tree *t, uint32_t node, struct buf *out)
{
	if (json_tree_kind(t, node) == JSON_KIND_STRING) {
		json_tree_string(t, node, out);
		return true;
	}
	if (json_tree_kind(t, node) != JSON_KIND_ARRAY)
		return false;
	for (uint32_t k = json_tree_first(t, node); k != JSON_NONE; k = json_tree_next(t, node, k)) {
		if (json_tree_kind(t, k) != JSON_KIND_STRING)
			return false;
		json_tree_string(t, k, out);
	}
	return true;
}

/* The first image of an attachment, put into the store. */
static int put_attachment(const struct json_tree *t, uint32_t bundle, const struct notebook_blobs *blobs,
			  char ret_hash[BLOB_HASH_TEXT])
{
	struct buf text = {0}, bytes = {0};
	int r = -ENOENT;

	if (bundle == JSON_NONE || json_tree_kind(t, bundle) != JSON_KIND_OBJECT)
		return r;
	for (uint32_t k = json_tree_first(t, bundle); k != JSON_NONE && r == -ENOENT;) {
		uint32_t value = t->nodes[k].next;
		char *type = json_tree_dup(t, k, NULL);
		buf_clear(&text);
		if (strncmp(type, "image/", 6) == 0 && text_value(t, value, &text)) {
			if (strcmp(type, "image/svg+xml") == 0)
				buf_append(&bytes, text.p, text.n);
			else
				r = base64_decode(&bytes, text.p ? (char *)text.p : "", text.n);
			if (bytes.n > 0 && bytes.n <= ASSET_MAX_BYTES)
				r = blobs->put(blobs->ctx, bytes.p, bytes.n, type, ret_hash);
			else
				r = -EINVAL;
		}
		free(type);
		k = json_tree_next(t, bundle, value);
	}
	buf_free(&text);
	buf_free(&bytes);
	return r;
}

static int resolve_attachment(const char *name, const char *cell_id, const struct assets_env *env,
			      char ret_hash[BLOB_HASH_TEXT])
{
	char *json = env->attachments ? env->attachments(env->ctx, cell_id) : NULL;
	struct json_tree t;
	int r = -ENOENT;

	if (json && json_tree_parse(json, strlen(json), &t, NULL) == 0) {
		r = put_attachment(&t, json_tree_get(&t, 0, name), env->blobs, ret_hash);
		json_tree_fini(&t);
	}
	free(json);
	return r;
}

static int resolve_file(const char *path, const struct assets_env *env, char ret_hash[BLOB_HASH_TEXT])
{
	const char *type = assets_media_type(path);
	struct buf bytes = {0};
	int r;

	if (!type || !env->read_file)
		return -ENOENT;
	r = env->read_file(env->ctx, path, &bytes);
	if (r >= 0 && bytes.n > ASSET_MAX_BYTES)
		r = -EFBIG;
	if (r >= 0)
		r = env->blobs->put(env->blobs->ctx, bytes.p, bytes.n, type, ret_hash);
	buf_free(&bytes);
	return r;
}

static int resolve_ref(const char *ref, const char *cell_id, const struct assets_env *env,
		       char ret_hash[BLOB_HASH_TEXT])
{
	char *path = bare(ref);
	int r;

	if (strncmp(path, "attachment:", 11) == 0)
		r = resolve_attachment(path + 11, cell_id, env, ret_hash);
	else
		r = resolve_file(path, env, ret_hash);
	free(path);
	return r;
}

static int ref_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* {ref: hash}, keys sorted as the document reads them back. */
static void resolve_refs(const struct str_list *refs, const char *cell_id, const struct assets_env *env,
			 struct buf *out)
{
	size_t count = 0;

	if (refs->n > 1)
		qsort(refs->p, refs->n, sizeof *refs->p, ref_compare);
	buf_append_byte(out, '{');
	for (size_t i = 0; i < refs->n; i++) {
		char hash[BLOB_HASH_TEXT];
		if (resolve_ref(refs->p[i], cell_id, env, hash) < 0)
			continue;
		if (count++ > 0)
			buf_append_byte(out, ',');
		json_append_str(out, refs->p[i], strlen(refs->p[i]));
		buf_printf(out, ":\"%s\"", hash);
	}
	buf_append_byte(out, '}');
}

int assets_resolve_cell(struct notebook *nb, const char *cell_id, const struct assets_env *env, bool *ret_changed)
{
	struct str_list refs;
	struct buf json = {0};
	char *source, *have;
	size_t n;
	int r = 0;

	source = cell_source(nb, cell_id, &n);
	if (!source)
		return -ENOENT;
	assets_extract(source, n, &refs);
	resolve_refs(&refs, cell_id, env, &json);
	have = cell_resolved_assets(nb, cell_id);
	if (strcmp(have, buf_cstr(&json)) != 0) {
		r = cell_set_resolved_assets(nb, cell_id, (char *)json.p, json.n);
		if (r == 0 && ret_changed)
			*ret_changed = true;
	}
	free(have);
	free(source);
	buf_free(&json);
	str_list_fini(&refs);
	return r;
}

static int resolve_if_markdown(struct notebook *nb, const char *id, const struct assets_env *env, bool *changed)
{
	char *type = cell_type(nb, id);
	int r = 0;

	if (type && strcmp(type, "markdown") == 0)
		r = assets_resolve_cell(nb, id, env, changed);
	free(type);
	return r;
}

int assets_resolve(struct notebook *nb, const struct notebook_changes *changes, const struct assets_env *env,
		   bool *ret_changed)
{
	bool changed = false;
	int r = 0;

	if (changes && !changes->rebuilt) {
		for (size_t i = 0; i < changes->cells.n && r == 0; i++)
			if (changes->cells.p[i].fields & (CELL_SOURCE | CELL_TYPE | CELL_ADDED | CELL_ATTACHMENTS))
				r = resolve_if_markdown(nb, changes->cells.p[i].id, env, &changed);
	} else {
		for (size_t i = 0; i < cells_count(nb) && r == 0; i++)
			r = resolve_if_markdown(nb, cells_id_at(nb, i), env, &changed);
	}
	if (r == 0 && ret_changed)
		*ret_changed = changed;
	return r;
}
