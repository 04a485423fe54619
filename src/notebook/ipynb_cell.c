/* One cell of a notebook file: its text, and rendering it as an edit of an
 * earlier one. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/utf8.h"
#include "notebook/ipynb_impl.h"

/* Cells are shared by versions that two workers may write at once; who renders
 * second throws its text away. */
static pthread_mutex_t publish_lock = PTHREAD_MUTEX_INITIALIZER;

struct ipynb_text ipynb_text_dup(const char *p, size_t n)
{
	struct ipynb_text t = {.n = n, .p = xmalloc(n + 1)};

	if (n > 0)
		memcpy(t.p, p, n);
	t.p[n] = '\0';
	return t;
}

struct ipynb_text *ipynb_text_new(const char *p, size_t n)
{
	struct ipynb_text *t = xmalloc(sizeof *t + n + 1);

	t->n = n;
	t->p = (char *)(t + 1);
	if (n > 0)
		memcpy(t->p, p, n);
	t->p[n] = '\0';
	return t;
}

struct ipynb_cell *ipynb_cell_ref(struct ipynb_cell *c)
{
	c->refs++;
	return c;
}

static void drop_fields(struct ipynb_cell *c)
{
	if (!c->fields)
		return;
	cell_fini(c->fields);
	free(c->fields);
	c->fields = NULL;
}

void ipynb_cell_unref(struct ipynb_cell *c)
{
	while (c && --c->refs == 0) {
		struct ipynb_cell *base = c->base;
		drop_fields(c);
		free(c->text);
		free(c->id);
		free(c->lead);
		free(c->tail);
		cell_outputs_free(c->entries, c->n_entries);
		free(c->attachments);
		free(c);
		c = base;
	}
}

const struct ipynb_text *ipynb_cell_peek(struct ipynb_cell *c)
{
	const struct ipynb_text *t;

	pthread_mutex_lock(&publish_lock);
	t = c->text;
	pthread_mutex_unlock(&publish_lock);
	return t;
}

void ipynb_cell_settle(struct ipynb_cell *c)
{
	bool idle;

	if (!c->fields)
		return;
	pthread_mutex_lock(&publish_lock);
	idle = c->text && c->renderers == 0;
	pthread_mutex_unlock(&publish_lock);
	if (!idle)
		return;
	drop_fields(c);
	ipynb_cell_unref(c->base);
	c->base = NULL;
}

/* ---- decoding ------------------------------------------------------------------------------- */

static char *join_source(const struct json_tree *t, uint32_t node, size_t *ret_n)
{
	struct buf b = {0};

	if (node != JSON_NONE && json_tree_kind(t, node) == JSON_KIND_STRING) {
		json_tree_string(t, node, &b);
	} else if (node != JSON_NONE && json_tree_kind(t, node) == JSON_KIND_ARRAY) {
		for (uint32_t k = json_tree_first(t, node); k != JSON_NONE; k = json_tree_next(t, node, k))
			if (json_tree_kind(t, k) == JSON_KIND_STRING)
				json_tree_string(t, k, &b);
	}
	buf_cstr(&b);
	return buf_take(&b, ret_n);
}

static char *object_text(const struct json_tree *t, uint32_t node)
{
	if (node == JSON_NONE || json_tree_kind(t, node) != JSON_KIND_OBJECT)
		return NULL;
	return xstrndup(t->text + t->nodes[node].start, t->nodes[node].end - t->nodes[node].start);
}

static void view_outputs(const struct json_tree *t, uint32_t node, struct ipynb_cell_view *view)
{
	if (node == JSON_NONE || json_tree_kind(t, node) != JSON_KIND_ARRAY)
		return;
	view->outputs = xcalloc(t->nodes[node].n + 1, sizeof *view->outputs);
	for (uint32_t k = json_tree_first(t, node); k != JSON_NONE; k = json_tree_next(t, node, k))
		view->outputs[view->n_outputs++] =
			xstrndup(t->text + t->nodes[k].start, t->nodes[k].end - t->nodes[k].start);
}

void ipynb_text_view(const struct ipynb_text *text, struct ipynb_cell_view *ret)
{
	struct ipynb_cell_view v = {0};
	struct json_tree t;
	int64_t count;

	if (json_tree_parse(text->p, text->n, &t, NULL) < 0) {
		/* Not reached: the text was parsed or rendered by us. */
		v.type = xstrdup("raw");
		v.source = xstrdup("");
		v.execution_count = xstrdup("null");
		v.metadata = xstrdup("{}");
		*ret = v;
		return;
	}
	v.type = json_tree_dup(&t, json_tree_get(&t, 0, "cell_type"), NULL);
	if (!v.type)
		v.type = xstrdup("code");
	v.source = join_source(&t, json_tree_get(&t, 0, "source"), &v.source_n);
	if (json_tree_i64(&t, json_tree_get(&t, 0, "execution_count"), &count))
		v.execution_count = xasprintf("%lld", (long long)count);
	else
		v.execution_count = xstrdup("null");
	v.metadata = object_text(&t, json_tree_get(&t, 0, "metadata"));
	if (!v.metadata)
		v.metadata = xstrdup("{}");
	v.attachments = object_text(&t, json_tree_get(&t, 0, "attachments"));
	view_outputs(&t, json_tree_get(&t, 0, "outputs"), &v);
	json_tree_fini(&t);
	*ret = v;
}

void ipynb_cell_view_fini(struct ipynb_cell_view *view)
{
	free(view->type);
	free(view->source);
	free(view->execution_count);
	free(view->metadata);
	free(view->attachments);
	cell_outputs_free(view->outputs, view->n_outputs);
	*view = (struct ipynb_cell_view){0};
}

/* ---- outputs -------------------------------------------------------------------------------- */

/* nbformat stores text types as lines, everything else as one string. */
static bool is_text_media(const char *key, size_t n)
{
	static const char *const others[] = {"application/javascript", "image/svg+xml"};

	if (n >= 5 && memcmp(key, "text/", 5) == 0)
		return true;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strlen(others[i]) == n && memcmp(others[i], key, n) == 0)
			return true;
	return false;
}

static void put_lines(struct buf *out, const struct json_tree *t, uint32_t node)
{
	static const struct json_style compact = {.tight = true, .tight_colon = true};
	struct buf s = {0};

	if (json_tree_kind(t, node) != JSON_KIND_STRING || t->nodes[node].surrogate) {
		json_render_compact(out, t, node, true);
		return;
	}
	json_tree_string(t, node, &s);
	json_render_lines(out, &compact, 0, s.p ? (char *)s.p : "", s.n);
	buf_free(&s);
}

static void put_data(struct buf *out, const struct json_tree *t, uint32_t node)
{
	struct json_members m;

	if (json_tree_kind(t, node) != JSON_KIND_OBJECT) {
		json_render_compact(out, t, node, true);
		return;
	}
	json_members_load(t, node, true, &m);
	buf_append_byte(out, '{');
	for (size_t i = 0; i < m.n; i++) {
		if (i > 0)
			buf_append_byte(out, ',');
		json_append_str(out, m.p[i].key, m.p[i].key_n);
		buf_append_byte(out, ':');
		if (is_text_media(m.p[i].key, m.p[i].key_n))
			put_lines(out, t, m.p[i].value);
		else
			json_render_compact(out, t, m.p[i].value, true);
	}
	buf_append_byte(out, '}');
	json_members_fini(&m);
}

static bool member_is(const struct json_member *m, const char *key)
{
	return m->key_n == strlen(key) && memcmp(m->key, key, m->key_n) == 0;
}

/* An output as documents.md 9.4 wants it: text as lines, nothing transient. */
static void put_output(struct buf *out, const struct json_tree *t)
{
	struct json_members m;
	size_t count = 0;

	if (json_tree_kind(t, 0) != JSON_KIND_OBJECT) {
		json_render_compact(out, t, 0, true);
		return;
	}
	json_members_load(t, 0, true, &m);
	buf_append_byte(out, '{');
	for (size_t i = 0; i < m.n; i++) {
		if (member_is(&m.p[i], "transient"))
			continue;
		if (count++ > 0)
			buf_append_byte(out, ',');
		json_append_str(out, m.p[i].key, m.p[i].key_n);
		buf_append_byte(out, ':');
		if (member_is(&m.p[i], "text"))
			put_lines(out, t, m.p[i].value);
		else if (member_is(&m.p[i], "data"))
			put_data(out, t, m.p[i].value);
		else
			json_render_compact(out, t, m.p[i].value, true);
	}
	buf_append_byte(out, '}');
	json_members_fini(&m);
}

#define STDERR_OUTPUT(text) "{\"name\":\"stderr\",\"output_type\":\"stream\",\"text\":[\"" text "\"]}"

/* The document's entry as nbformat JSON (documents.md 9.3). */
static void put_entry(struct buf *out, const char *entry, const struct notebook_blobs *blobs)
{
	struct buf json = {0};
	struct json_tree t;
	bool hash = hex_is_hash(entry, strlen(entry));

	if (!hash)
		buf_append_str(&json, entry);
	else if (!blobs || !blobs->resolve_output || blobs->resolve_output(blobs->ctx, entry, &json) < 0)
		buf_clear(&json);
	if (json_tree_parse(json.p ? (char *)json.p : "", json.n, &t, NULL) == 0) {
		put_output(out, &t);
		json_tree_fini(&t);
	} else {
		buf_append_str(out, hash ? STDERR_OUTPUT("[output could not be resolved]")
					 : STDERR_OUTPUT("[invalid output JSON]"));
	}
	buf_free(&json);
}

/* ---- the wanted cell ------------------------------------------------------------------------ */

struct render {
	const struct ipynb_cell *cell;
	const struct cell *fields;
	const struct notebook_blobs *blobs;
	int minor;
	bool has_base;
	struct json_tree base; /* of the base's text */
	struct buf out;        /* the wanted object, compact */
	size_t count;
};

static void want_key(struct render *r, const char *key, size_t n)
{
	buf_append_byte(&r->out, r->count++ ? ',' : '{');
	json_append_str(&r->out, key, n);
	buf_append_byte(&r->out, ':');
}

static void want_base(struct render *r, uint32_t node)
{
	buf_append(&r->out, r->base.text + r->base.nodes[node].start,
		   r->base.nodes[node].end - r->base.nodes[node].start);
}

static uint32_t base_get(const struct render *r, const char *key)
{
	return r->has_base ? json_tree_get(&r->base, 0, key) : JSON_NONE;
}

/* One string where the file has one, else lines. */
static void want_source(struct render *r)
{
	static const struct json_style compact = {.tight = true, .tight_colon = true};
	uint32_t base = base_get(r, "source");

	want_key(r, "source", 6);
	if (base != JSON_NONE && json_tree_kind(&r->base, base) == JSON_KIND_STRING)
		json_append_str(&r->out, r->fields->source, r->fields->source_n);
	else
		json_render_lines(&r->out, &compact, 0, r->fields->source, r->fields->source_n);
}

static void want_count(struct render *r)
{
	const char *s = r->fields->execution_count;
	struct json_tree t;
	int64_t count;
	bool good = false;

	want_key(r, "execution_count", 15);
	if (json_tree_parse(s, strlen(s), &t, NULL) == 0) {
		good = json_tree_i64(&t, 0, &count);
		json_tree_fini(&t);
	}
	if (good)
		buf_printf(&r->out, "%lld", (long long)count);
	else
		buf_append_str(&r->out, "null");
}

/* The base's own text for an output whose entry is still the same; entries that
 * moved by insertions or removals before them are found from the end. */
static uint32_t same_output(const struct render *r, size_t i, const uint32_t *base, size_t n_base)
{
	const struct ipynb_cell *b = r->cell->base;
	size_t from_end = r->fields->n_outputs - i;

	if (!b || !b->entries_known || b->n_entries != n_base)
		return JSON_NONE;
	if (i < n_base && strcmp(b->entries[i], r->fields->outputs[i]) == 0)
		return base[i];
	if (from_end <= n_base && strcmp(b->entries[n_base - from_end], r->fields->outputs[i]) == 0)
		return base[n_base - from_end];
	return JSON_NONE;
}

static void want_outputs(struct render *r)
{
	uint32_t list = base_get(r, "outputs"), *base = NULL, same;
	size_t n_base = 0;

	if (list != JSON_NONE && json_tree_kind(&r->base, list) == JSON_KIND_ARRAY) {
		base = xcalloc(r->base.nodes[list].n + 1, sizeof *base);
		for (uint32_t k = json_tree_first(&r->base, list); k != JSON_NONE;
		     k = json_tree_next(&r->base, list, k))
			base[n_base++] = k;
	}
	want_key(r, "outputs", 7);
	buf_append_byte(&r->out, '[');
	for (size_t i = 0; i < r->fields->n_outputs; i++) {
		if (i > 0)
			buf_append_byte(&r->out, ',');
		same = same_output(r, i, base, n_base);
		if (same != JSON_NONE)
			want_base(r, same);
		else
			put_entry(&r->out, r->fields->outputs[i], r->blobs);
	}
	buf_append_byte(&r->out, ']');
	free(base);
}

/* One attachment of the document, {blob_hash, encoding} -> nbformat's value. */
static void put_attachment(struct buf *out, const struct json_tree *t, uint32_t node,
			   const struct notebook_blobs *blobs, bool text)
{
	char *hash = json_tree_dup(t, json_tree_get(t, node, "blob_hash"), NULL);
	struct buf bytes = {0}, encoded = {0};

	if (json_tree_kind(t, node) == JSON_KIND_STRING) {
		json_render_compact(out, t, node, true);
	} else {
		if (hash && blobs && blobs->get)
			blobs->get(blobs->ctx, hash, &bytes);
		if (text && utf8_valid(bytes.p, bytes.n)) {
			json_append_str(out, bytes.p ? (char *)bytes.p : "", bytes.n);
		} else {
			base64_encode(&encoded, bytes.p, bytes.n);
			json_append_str(out, encoded.p ? (char *)encoded.p : "", encoded.n);
		}
	}
	buf_free(&bytes);
	buf_free(&encoded);
	free(hash);
}

static void put_attachments(struct buf *out, const char *json, const struct notebook_blobs *blobs)
{
	struct json_members names, types;
	struct json_tree t;

	if (json_tree_parse(json, strlen(json), &t, NULL) < 0) {
		buf_append_str(out, "{}");
		return;
	}
	json_members_load(&t, 0, true, &names);
	buf_append_byte(out, '{');
	for (size_t i = 0; i < names.n; i++) {
		if (i > 0)
			buf_append_byte(out, ',');
		json_append_str(out, names.p[i].key, names.p[i].key_n);
		buf_append_str(out, ":{");
		if (json_tree_kind(&t, names.p[i].value) == JSON_KIND_OBJECT) {
			json_members_load(&t, names.p[i].value, true, &types);
			for (size_t k = 0; k < types.n; k++) {
				if (k > 0)
					buf_append_byte(out, ',');
				json_append_str(out, types.p[k].key, types.p[k].key_n);
				buf_append_byte(out, ':');
				put_attachment(out, &t, types.p[k].value, blobs,
					       is_text_media(types.p[k].key, types.p[k].key_n));
			}
			json_members_fini(&types);
		}
		buf_append_byte(out, '}');
	}
	buf_append_byte(out, '}');
	json_members_fini(&names);
	json_tree_fini(&t);
}

static bool is_empty_object(const char *json)
{
	return !json || strcmp(json, "{}") == 0;
}

/* The file's own stay as long as the document's (2.9's, mostly absent) do not
 * differ from when the base was made. */
static void want_attachments(struct render *r, bool code)
{
	uint32_t base = base_get(r, "attachments");
	const char *was = r->cell->base ? r->cell->base->attachments : NULL, *now = r->fields->attachments;
	bool same = is_empty_object(was) ? is_empty_object(now) : now && strcmp(was, now) == 0;

	if (same) {
		if (base == JSON_NONE)
			return;
		want_key(r, "attachments", 11);
		want_base(r, base);
	} else if (!code && !is_empty_object(now)) {
		want_key(r, "attachments", 11);
		put_attachments(&r->out, now, r->blobs);
	}
}

static bool is_cell_key(const struct json_member *m)
{
	static const char *const known[] = {"attachments", "cell_type", "execution_count", "id",
					    "metadata",    "outputs",   "source"};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (member_is(m, known[i]))
			return true;
	return false;
}

static void want_unknown(struct render *r)
{
	struct json_members m;

	if (!r->has_base)
		return;
	json_members_load(&r->base, 0, false, &m);
	for (size_t i = 0; i < m.n; i++) {
		if (is_cell_key(&m.p[i]))
			continue;
		want_key(r, m.p[i].key, m.p[i].key_n);
		want_base(r, m.p[i].value);
	}
	json_members_fini(&m);
}

static void want_cell(struct render *r)
{
	const struct cell *f = r->fields;
	bool code = strcmp(f->type, "code") == 0;

	want_attachments(r, code);
	want_key(r, "cell_type", 9);
	json_append_str(&r->out, f->type, strlen(f->type));
	if (code)
		want_count(r);
	if (r->minor >= 5 || base_get(r, "id") != JSON_NONE) {
		want_key(r, "id", 2);
		json_append_str(&r->out, f->id, strlen(f->id));
	}
	want_key(r, "metadata", 8);
	buf_append_str(&r->out, f->metadata);
	if (code)
		want_outputs(r);
	want_source(r);
	want_unknown(r);
	buf_append_byte(&r->out, '}');
}

static void render_cell(const struct ipynb_cell *c, const struct json_style *style, int minor,
			const struct notebook_blobs *blobs, struct buf *out)
{
	struct render r = {.cell = c, .fields = c->fields, .blobs = blobs, .minor = minor};
	struct json_tree wanted;
	const struct ipynb_text *base = c->base ? ipynb_cell_text(c->base, style, minor, blobs) : NULL;

	r.has_base = base && json_tree_parse(base->p, base->n, &r.base, NULL) == 0;
	want_cell(&r);
	if (json_tree_parse(r.out.p, r.out.n, &wanted, NULL) == 0) {
		if (r.has_base)
			json_render_over(out, style, 2, &wanted, 0, &r.base, 0, true);
		else
			json_render(out, style, 2, &wanted, 0, true);
		json_tree_fini(&wanted);
	}
	if (r.has_base)
		json_tree_fini(&r.base);
	buf_free(&r.out);
}

const struct ipynb_text *ipynb_cell_text(struct ipynb_cell *c, const struct json_style *style, int minor,
					 const struct notebook_blobs *blobs)
{
	const struct ipynb_text *t;
	struct ipynb_text *mine;
	struct buf out = {0};

	pthread_mutex_lock(&publish_lock);
	t = c->text;
	c->renderers += t ? 0 : 1;
	pthread_mutex_unlock(&publish_lock);
	if (t)
		return t;
	render_cell(c, style, minor, blobs, &out);
	mine = ipynb_text_new((char *)out.p, out.n);
	buf_free(&out);
	pthread_mutex_lock(&publish_lock);
	if (!c->text) {
		c->text = mine;
		mine = NULL;
	}
	t = c->text;
	c->renderers--;
	pthread_mutex_unlock(&publish_lock);
	free(mine);
	return t;
}
