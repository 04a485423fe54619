#include "kernel/output.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "kernel/json_slice.h"
#include "store/blob.h"

#define SUPERSEDED_GRACE HOST_SEC(120) /* clients fetch by hash a little late (kernels.md 17, O2) */

static const char *const type_names[] = {"stream", "display_data", "execute_result", "error"};

const char *output_type_name(enum output_type type)
{
	return type_names[type];
}

static int type_from_slice(struct json_slice s, enum output_type *ret)
{
	for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
		if (json_slice_equals(s, type_names[i])) {
			*ret = (enum output_type)i;
			return 0;
		}
	return -EINVAL;
}

void output_fini(struct output *o)
{
	free(o->entry);
	free(o->display_id);
	free(o->text_hash);
	*o = (struct output){0};
}

/* ---- media types ---- */

static bool starts(const char *s, size_t n, const char *prefix)
{
	size_t k = strlen(prefix);
	return n >= k && !memcmp(s, prefix, k);
}

static bool ends(const char *s, size_t n, const char *suffix)
{
	size_t k = strlen(suffix);
	return n >= k && !memcmp(s + n - k, suffix, k);
}

bool output_media_is_json(const char *media_type, size_t n)
{
	return (n == 16 && starts(media_type, n, "application/json")) || ends(media_type, n, "+json");
}

bool output_media_is_binary(const char *media_type, size_t n)
{
	static const char *const text_subtypes[] = {"json", "javascript", "ecmascript", "xml", "xhtml+xml",
						    "mathml+xml",
						    "sql", "graphql", "x-latex", "x-tex"};
	if (starts(media_type, n, "image/"))
		return !ends(media_type, n, "+xml");
	if (starts(media_type, n, "audio/") || starts(media_type, n, "video/"))
		return true;
	if (!starts(media_type, n, "application/"))
		return false;
	const char *subtype = media_type + strlen("application/");
	size_t subtype_n = n - strlen("application/");
	for (size_t i = 0; i < sizeof text_subtypes / sizeof *text_subtypes; i++)
		if (strlen(text_subtypes[i]) == subtype_n && !memcmp(subtype, text_subtypes[i], subtype_n))
			return false;
	return !ends(subtype, subtype_n, "+json") && !ends(subtype, subtype_n, "+xml");
}

/* ---- content references ---- */

static int append_blob_ref(const struct output_blobs *blobs, struct buf *out, const void *p, size_t n,
			   const char *media_type)
{
	char hash[65];
	int r = blobs->put(blobs->ctx, p, n, media_type, hash);
	if (r == 0)
		buf_printf(out, "{\"blob\":\"%s\",\"size\":%zu}", hash, n);
	return r;
}

static int append_text_ref(const struct output_blobs *blobs, struct buf *out, const char *p, size_t n,
			   const char *media_type)
{
	if (n >= OUTPUT_INLINE_MAX)
		return append_blob_ref(blobs, out, p, n, media_type);
	buf_append_str(out, "{\"inline\":");
	json_append_str(out, p, n);
	buf_append_byte(out, '}');
	return 0;
}

/* nbformat's "multiline string": a string, or a list of strings to be joined. False when it is neither. */
static bool join_text(struct buf *out, struct json_slice value)
{
	if (json_slice_is_string(value)) {
		json_slice_text(out, value);
		return true;
	}
	if (!json_slice_is_array(value))
		return false;
	const size_t before = out->n;
	for (struct json_walk w = json_slice_walk(value); json_slice_next(&w);) {
		if (!json_slice_is_string(w.value)) {
			out->n = before;
			return false;
		}
		json_slice_text(out, w.value);
	}
	return true;
}

/* The text that stands for a value: strings decoded, JSON types and objects as JSON text. */
static void value_text(struct buf *out, const char *media_type, struct json_slice value)
{
	bool list_is_json = json_slice_is_array(value) && output_media_is_json(media_type, strlen(media_type));
	if (list_is_json || !join_text(out, value))
		json_slice_append_strict(out, value);
}

/* One value of a data bundle. Kept out of line when it is too large: -EFBIG. */
static int append_media_ref(const struct output_blobs *blobs, struct buf *out, const char *media_type,
			    struct json_slice value)
{
	struct buf text = {0}, bytes = {0};
	int r;
	bool binary = output_media_is_binary(media_type, strlen(media_type)) && join_text(&text, value);
	if (binary && base64_decode(&bytes, (const char *)text.p, text.n) == 0) {
		r = append_blob_ref(blobs, out, bytes.p ? bytes.p : (const uint8_t *)"", bytes.n, media_type);
	} else {
		/* Not base64 after all: text of an unusual kind, never raw JSON in the document (O7). */
		buf_clear(&text);
		value_text(&text, media_type, value);
		r = append_text_ref(blobs, out, (const char *)text.p, text.n, media_type);
	}
	buf_free(&text);
	buf_free(&bytes);
	return r;
}

/* ---- manifests ---- */

/* What went wrong while a manifest was made, for the notice. */
struct too_big {
	char *media_type;
	size_t n;
};

static int append_data(const struct output_blobs *blobs, struct buf *out, struct json_slice data, struct too_big *big)
{
	bool first = true;
	buf_append_str(out, ",\"data\":{");
	for (struct json_walk w = json_slice_walk(data); json_slice_next(&w);) {
		char *media_type = json_slice_strdup(w.key);
		if (!first)
			buf_append_byte(out, ',');
		first = false;
		json_append_str(out, media_type, strlen(media_type));
		buf_append_byte(out, ':');
		int r = append_media_ref(blobs, out, media_type, w.value);
		if (r < 0) {
			big->media_type = media_type;
			big->n = w.value.n;
			return r;
		}
		free(media_type);
	}
	buf_append_byte(out, '}');
	return 0;
}

static bool object_is_empty(struct json_slice s)
{
	struct json_walk w = json_slice_walk(s);
	return !json_slice_next(&w);
}

static void append_metadata(struct buf *out, struct json_slice metadata)
{
	if (!json_slice_is_object(metadata) || object_is_empty(metadata))
		return;
	buf_append_str(out, ",\"metadata\":");
	json_slice_append_strict(out, metadata);
}

static void append_display_id(struct buf *out, const char *display_id)
{
	if (!display_id)
		return;
	buf_append_str(out, ",\"transient\":{\"display_id\":");
	json_append_str(out, display_id, strlen(display_id));
	buf_append_byte(out, '}');
}

static void append_count(struct buf *out, struct json_slice count)
{
	int64_t v;
	if (json_slice_i64(count, &v))
		buf_printf(out, ",\"execution_count\":%lld", (long long)v);
	else
		buf_append_str(out, ",\"execution_count\":null");
}

static int build_display(const struct output_blobs *blobs, struct buf *out, enum output_type type,
			 struct json_slice output, const char *display_id, struct too_big *big)
{
	buf_printf(out, "{\"output_type\":\"%s\"", output_type_name(type));
	int r = append_data(blobs, out, json_slice_get(output, "data"), big);
	if (r < 0)
		return r;
	if (type == OUTPUT_EXECUTE_RESULT)
		append_count(out, json_slice_get(output, "execution_count"));
	append_metadata(out, json_slice_get(output, "metadata"));
	append_display_id(out, display_id);
	buf_append_byte(out, '}');
	return 0;
}

static int build_stream(const struct output_blobs *blobs, struct buf *out, const char *name, const char *text, size_t n,
			struct too_big *big)
{
	buf_append_str(out, "{\"output_type\":\"stream\",\"name\":");
	json_append_str(out, name, strlen(name));
	buf_append_str(out, ",\"text\":");
	int r = append_text_ref(blobs, out, text, n, "text/plain");
	buf_append_byte(out, '}');
	if (r < 0) {
		big->media_type = xstrdup("text/plain");
		big->n = n;
	}
	return r;
}

static void append_string_member(struct buf *out, const char *key, struct json_slice value)
{
	buf_printf(out, ",\"%s\":", key);
	if (json_slice_is_string(value))
		json_slice_append_strict(out, value);
	else
		buf_append_str(out, "\"\"");
}

static int build_error(const struct output_blobs *blobs, struct buf *out, struct json_slice output, struct too_big *big)
{
	buf_append_str(out, "{\"output_type\":\"error\"");
	append_string_member(out, "ename", json_slice_get(output, "ename"));
	append_string_member(out, "evalue", json_slice_get(output, "evalue"));
	buf_append_str(out, ",\"traceback\":");
	struct json_slice traceback = json_slice_get(output, "traceback");
	struct buf lines = {0};
	if (json_slice_is_array(traceback))
		json_slice_append_strict(&lines, traceback);
	else
		buf_append_str(&lines, "[]");
	int r = append_text_ref(blobs, out, (const char *)lines.p, lines.n, "application/json");
	buf_append_byte(out, '}');
	if (r < 0) {
		big->media_type = xstrdup("application/json");
		big->n = lines.n;
	}
	buf_free(&lines);
	return r;
}

static int build(const struct output_blobs *blobs, struct buf *out, enum output_type type, struct json_slice output,
		 const char *display_id, struct too_big *big)
{
	if (type == OUTPUT_ERROR)
		return build_error(blobs, out, output, big);
	if (type != OUTPUT_STREAM)
		return build_display(blobs, out, type, output, display_id, big);
	struct buf text = {0};
	char *name = json_slice_strdup(json_slice_get(output, "name"));
	join_text(&text, json_slice_get(output, "text"));
	int r = build_stream(blobs, out, name ? name : "stdout", (const char *)text.p, text.n, big);
	free(name);
	buf_free(&text);
	return r;
}

/* ---- entries ---- */

static void human_size(struct buf *out, size_t n)
{
	if (n >= 1u << 20)
		buf_printf(out, "%.1f MiB", (double)n / (1 << 20));
	else
		buf_printf(out, "%zu bytes", n);
}

/* A short output in place of one that is too large or could not be stored (O3). */
static char *notice(const struct output_blobs *blobs, int error, const struct too_big *big)
{
	struct buf text = {0}, manifest = {0};
	struct too_big ignored = {0};
	buf_printf(&text, "[%s output of ", big->media_type ? big->media_type : "an");
	human_size(&text, big->n);
	if (error == -EFBIG)
		buf_printf(&text, " is over the limit of %u MiB and was not kept]\n", OUTPUT_BLOB_MAX >> 20);
	else
		buf_printf(&text, " could not be stored: %s]\n", strerror(-error));
	build_stream(blobs, &manifest, "stderr", (const char *)text.p, text.n, &ignored);
	free(ignored.media_type);
	char hash[65];
	char *entry;
	if (blobs->put(blobs->ctx, manifest.p, manifest.n, OUTPUT_MANIFEST_TYPE, hash) == 0) {
		entry = xstrdup(hash);
	} else {
		buf_clear(&manifest);
		buf_append_str(&manifest, "{\"output_type\":\"stream\",\"name\":\"stderr\",\"text\":");
		json_append_str(&manifest, (const char *)text.p, text.n);
		buf_append_byte(&manifest, '}');
		entry = buf_take(&manifest, NULL);
	}
	buf_free(&text);
	buf_free(&manifest);
	return entry;
}

/* nbformat JSON for the document itself, or NULL when it is too long for it. */
static char *raw_entry(enum output_type type, struct json_slice output)
{
	if (output.n + 64 > OUTPUT_ENTRY_MAX)
		return NULL;
	struct buf b = {0};
	buf_printf(&b, "{\"output_type\":\"%s\"", output_type_name(type));
	for (struct json_walk w = json_slice_walk(output); json_slice_next(&w);) {
		if (json_slice_equals(w.key, "output_type"))
			continue;
		buf_append_byte(&b, ',');
		json_slice_append_strict(&b, w.key);
		buf_append_byte(&b, ':');
		json_slice_append_strict(&b, w.value);
	}
	buf_append_byte(&b, '}');
	return buf_take(&b, NULL);
}

/* The entry of a finished manifest, or of what could not become one. */
static char *entry_of(const struct output_blobs *blobs, int r, struct buf *manifest, enum output_type type,
		      struct json_slice output, struct too_big *big)
{
	char hash[65];
	if (r == 0)
		r = blobs->put(blobs->ctx, manifest->p, manifest->n, OUTPUT_MANIFEST_TYPE, hash);
	if (r == 0)
		return xstrdup(hash);
	if (!big->n)
		big->n = manifest->n;
	char *entry = r == -EFBIG || !output.p ? NULL : raw_entry(type, output);
	return entry ? entry : notice(blobs, r, big);
}

int output_store(const struct output_blobs *blobs, const char *type_name, const char *json, size_t n, char **ret_entry,
		 char **ret_display_id, enum output_type *ret_type)
{
	struct json_slice output, name;
	enum output_type type;
	if (json_slice_init(&output, json, n) < 0 || !json_slice_is_object(output))
		return -EINVAL;
	name = json_slice_get(output, "output_type");
	char *quoted = type_name ? xasprintf("\"%s\"", type_name) : NULL;
	if (quoted)
		name = (struct json_slice){quoted, strlen(quoted)};
	int r = type_from_slice(name, &type);
	free(quoted);
	if (r < 0)
		return r;
	char *display_id = json_slice_strdup(json_slice_get(json_slice_get(output, "transient"), "display_id"));
	struct buf manifest = {0};
	struct too_big big = {0};
	r = build(blobs, &manifest, type, output, display_id, &big);
	*ret_entry = entry_of(blobs, r, &manifest, type, output, &big);
	*ret_type = type;
	if (ret_display_id)
		*ret_display_id = display_id;
	else
		free(display_id);
	free(big.media_type);
	buf_free(&manifest);
	return 0;
}

/* True when a blob of these bytes was not there until now. */
static bool is_new(const struct output_blobs *blobs, const void *p, size_t n)
{
	char hash[SHA256_HEX_BYTES];
	if (!blobs->exists || !blobs->superseded)
		return false;
	sha256_hex(hash, p, n);
	return !blobs->exists(blobs->ctx, hash);
}

void output_store_stream(const struct output_blobs *blobs, const char *name, const char *text, size_t n,
			 struct output_stream_entry *ret)
{
	static const char ref[] = "\"text\":{\"blob\":\"";
	struct buf manifest = {0};
	struct too_big big = {0};
	*ret = (struct output_stream_entry){.own_text = n >= OUTPUT_INLINE_MAX && is_new(blobs, text, n)};
	int r = build_stream(blobs, &manifest, name, text, n, &big);
	ret->own_entry = r == 0 && is_new(blobs, manifest.p, manifest.n);
	const char *at = r == 0 && n >= OUTPUT_INLINE_MAX ? strstr(buf_cstr(&manifest), ref) : NULL;
	if (at)
		ret->text_hash = xstrndup(at + sizeof ref - 1, SHA256_HEX_BYTES - 1);
	ret->entry = entry_of(blobs, r, &manifest, OUTPUT_STREAM, (struct json_slice){0}, &big);
	ret->own_entry = ret->own_entry && hex_is_hash(ret->entry, strlen(ret->entry));
	free(big.media_type);
	buf_free(&manifest);
}

int output_replace_data(const struct output_blobs *blobs, const char *entry, const char *data, size_t data_n,
			const char *metadata, size_t metadata_n, char **ret_entry)
{
	struct buf text = {0}, output = {0};
	struct json_slice old;
	enum output_type type;
	size_t entry_n = strlen(entry);
	if (!hex_is_hash(entry, entry_n))
		buf_append(&text, entry, entry_n);
	else if (blobs->get(blobs->ctx, entry, &text) < 0)
		return -ENOENT;
	int r = json_slice_init(&old, text.p, text.n);
	if (r == 0)
		r = type_from_slice(json_slice_get(old, "output_type"), &type);
	if (r == 0 && type != OUTPUT_DISPLAY_DATA && type != OUTPUT_EXECUTE_RESULT)
		r = -EINVAL;
	if (r == 0) {
		buf_append_str(&output, "{\"data\":");
		buf_append(&output, data, data_n);
		buf_append_str(&output, ",\"metadata\":");
		buf_append(&output, metadata, metadata_n);
		for (struct json_walk w = json_slice_walk(old); json_slice_next(&w);) {
			if (!json_slice_equals(w.key, "execution_count") && !json_slice_equals(w.key, "transient"))
				continue;
			buf_append_byte(&output, ',');
			buf_append(&output, w.key.p, w.key.n);
			buf_append_byte(&output, ':');
			buf_append(&output, w.value.p, w.value.n);
		}
		buf_append_byte(&output, '}');
		r = output_store(blobs, output_type_name(type), (const char *)output.p, output.n, ret_entry, NULL,
				 &type);
	}
	buf_free(&text);
	buf_free(&output);
	return r;
}

/* ---- back to nbformat ---- */

/* The bytes behind a content reference. */
static int resolve_ref(const struct output_blobs *blobs, struct json_slice ref, struct buf *out)
{
	struct json_slice in = json_slice_get(ref, "inline");
	if (json_slice_is_string(in)) {
		json_slice_text(out, in);
		return 0;
	}
	char *hash = json_slice_strdup(json_slice_get(ref, "blob"));
	int r = hash ? blobs->get(blobs->ctx, hash, out) : -EINVAL;
	free(hash);
	return r;
}

static int append_resolved_media(const struct output_blobs *blobs, struct buf *out, const char *media_type,
				 struct json_slice ref)
{
	struct buf bytes = {0};
	struct json_slice value;
	size_t n = strlen(media_type);
	int r = resolve_ref(blobs, ref, &bytes);
	if (r == 0 && output_media_is_json(media_type, n) && json_slice_init(&value, bytes.p, bytes.n) == 0) {
		json_slice_append_strict(out, value);
	} else if (r == 0 && output_media_is_binary(media_type, n) && json_slice_get(ref, "blob").p) {
		buf_append_byte(out, '"');
		base64_encode(out, bytes.p, bytes.n);
		buf_append_byte(out, '"');
	} else if (r == 0) {
		json_append_str(out, (const char *)bytes.p, bytes.n);
	}
	buf_free(&bytes);
	return r;
}

static int append_resolved_data(const struct output_blobs *blobs, struct buf *out, struct json_slice data)
{
	bool first = true;
	buf_append_str(out, ",\"data\":{");
	for (struct json_walk w = json_slice_walk(data); json_slice_next(&w);) {
		char *media_type = json_slice_strdup(w.key);
		buf_printf(out, "%s", first ? "" : ",");
		first = false;
		json_slice_append_strict(out, w.key);
		buf_append_byte(out, ':');
		int r = append_resolved_media(blobs, out, media_type, w.value);
		free(media_type);
		if (r < 0)
			return r;
	}
	buf_append_byte(out, '}');
	return 0;
}

static void append_plain_metadata(struct buf *out, struct json_slice metadata)
{
	buf_append_str(out, ",\"metadata\":");
	if (json_slice_is_object(metadata))
		json_slice_append_strict(out, metadata);
	else
		buf_append_str(out, "{}");
}

static int append_resolved_text(const struct output_blobs *blobs, struct buf *out, const char *key,
				struct json_slice ref, bool json)
{
	struct buf text = {0};
	struct json_slice value;
	int r = resolve_ref(blobs, ref, &text);
	buf_printf(out, ",\"%s\":", key);
	if (r == 0 && json && json_slice_init(&value, text.p, text.n) == 0)
		json_slice_append_strict(out, value);
	else if (r == 0 && json)
		buf_append_str(out, "[]");
	else if (r == 0)
		json_append_str(out, (const char *)text.p, text.n);
	buf_free(&text);
	return r;
}

/* Appends the nbformat form of a manifest. */
static int resolve(const struct output_blobs *blobs, struct json_slice manifest, struct buf *out)
{
	enum output_type type;
	int r = type_from_slice(json_slice_get(manifest, "output_type"), &type);
	if (r < 0)
		return r;
	buf_printf(out, "{\"output_type\":\"%s\"", output_type_name(type));
	if (type == OUTPUT_STREAM) {
		append_string_member(out, "name", json_slice_get(manifest, "name"));
		r = append_resolved_text(blobs, out, "text", json_slice_get(manifest, "text"), false);
	} else if (type == OUTPUT_ERROR) {
		append_string_member(out, "ename", json_slice_get(manifest, "ename"));
		append_string_member(out, "evalue", json_slice_get(manifest, "evalue"));
		r = append_resolved_text(blobs, out, "traceback", json_slice_get(manifest, "traceback"), true);
	} else {
		r = append_resolved_data(blobs, out, json_slice_get(manifest, "data"));
		if (r == 0 && type == OUTPUT_EXECUTE_RESULT)
			append_count(out, json_slice_get(manifest, "execution_count"));
		append_plain_metadata(out, json_slice_get(manifest, "metadata"));
	}
	buf_append_byte(out, '}');
	return r;
}

/* nbformat JSON found in a document, without transient (O12). */
static void append_raw(struct buf *out, struct json_slice output)
{
	bool first = true;
	buf_append_byte(out, '{');
	for (struct json_walk w = json_slice_walk(output); json_slice_next(&w);) {
		if (json_slice_equals(w.key, "transient"))
			continue;
		if (!first)
			buf_append_byte(out, ',');
		first = false;
		json_slice_append_strict(out, w.key);
		buf_append_byte(out, ':');
		json_slice_append_strict(out, w.value);
	}
	buf_append_byte(out, '}');
}

static void append_failure(struct buf *out, const char *text)
{
	buf_printf(out, "{\"output_type\":\"stream\",\"name\":\"stderr\",\"text\":\"[%s]\"}", text);
}

int output_load(const struct output_blobs *blobs, const char *entry, struct buf *out)
{
	struct buf text = {0};
	struct json_slice s;
	size_t n = strlen(entry), before = out->n;
	if (!hex_is_hash(entry, n)) {
		if (json_slice_init(&s, entry, n) < 0 || !json_slice_is_object(s)) {
			append_failure(out, "invalid output JSON");
			return -EINVAL;
		}
		append_raw(out, s);
		return 0;
	}
	int r = blobs->get(blobs->ctx, entry, &text);
	if (r == 0)
		r = json_slice_init(&s, text.p, text.n);
	if (r == 0)
		r = resolve(blobs, s, out);
	if (r < 0) {
		out->n = before;
		append_failure(out, "output could not be resolved");
	}
	buf_free(&text);
	return r < 0 ? -ENOENT : 0;
}

/* ---- looking into entries ---- */

static void each_ref(struct json_slice ref, void (*each)(void *ctx, const char *hash), void *ctx)
{
	char *hash = json_slice_strdup(json_slice_get(ref, "blob"));
	if (hash)
		each(ctx, hash);
	free(hash);
}

int output_each_blob(const struct output_blobs *blobs, const char *entry, void (*each)(void *ctx, const char *hash),
		     void *ctx)
{
	struct buf text = {0};
	struct json_slice s;
	if (!hex_is_hash(entry, strlen(entry)))
		return 0;
	each(ctx, entry);
	int r = blobs->get(blobs->ctx, entry, &text);
	if (r == 0 && json_slice_init(&s, text.p, text.n) == 0) {
		each_ref(json_slice_get(s, "text"), each, ctx);
		each_ref(json_slice_get(s, "traceback"), each, ctx);
		for (struct json_walk w = json_slice_walk(json_slice_get(s, "data")); json_slice_next(&w);)
			each_ref(w.value, each, ctx);
	}
	buf_free(&text);
	return r;
}

int output_inspect(const struct output_blobs *blobs, const char *entry, enum output_type *ret_type,
		   char **ret_display_id)
{
	struct buf text = {0};
	struct json_slice s;
	enum output_type type;
	size_t n = strlen(entry);
	int r = 0;
	if (hex_is_hash(entry, n))
		r = blobs->get(blobs->ctx, entry, &text);
	else
		buf_append(&text, entry, n);
	if (r == 0)
		r = json_slice_init(&s, text.p, text.n);
	if (r == 0)
		r = type_from_slice(json_slice_get(s, "output_type"), &type);
	if (r == 0) {
		*ret_type = type;
		*ret_display_id = json_slice_strdup(json_slice_get(json_slice_get(s, "transient"), "display_id"));
	}
	buf_free(&text);
	return r;
}

/* ---- the blob store ---- */

static int store_put(void *ctx, const void *p, size_t n, const char *media_type, char ret_hash[65])
{
	return blob_put(ctx, media_type, p, n, ret_hash);
}

static int store_get(void *ctx, const char *hash, struct buf *out)
{
	return blob_get(ctx, hash, out);
}

static void store_superseded(void *ctx, const char *hash)
{
	blob_supersede(ctx, hash, SUPERSEDED_GRACE);
}

static bool store_exists(void *ctx, const char *hash)
{
	return blob_exists(ctx, hash);
}

struct output_blobs output_blobs_from_store(struct blob_store *store)
{
	return (struct output_blobs){.ctx = store,
				     .put = store_put,
				     .get = store_get,
				     .superseded = store_superseded,
				     .exists = store_exists};
}
