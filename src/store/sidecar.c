#include "store/sidecar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "host/file.h"

static void strings_free(char **strings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(strings[i]);
	free(strings);
}

void sidecar_free(struct sidecar *sc)
{
	free(sc->id);
	free(sc->kind);
	free(sc->path);
	free(sc->uuid);
	free(sc->baseline_sha256);
	strings_free(sc->exported_heads, sc->n_exported_heads);
	free(sc->writing_sha256);
	strings_free(sc->writing_heads, sc->n_writing_heads);
	strings_free(sc->doc_heads, sc->n_doc_heads);
	*sc = (struct sidecar){0};
}

static char *copy_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static char **strings_copy(char *const *strings, size_t n)
{
	char **copy = n ? xreallocarray(NULL, n, sizeof *copy) : NULL;

	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(strings[i]);
	return copy;
}

void sidecar_copy(struct sidecar *dst, const struct sidecar *src)
{
	*dst = (struct sidecar){
		.id = copy_or_null(src->id),
		.kind = copy_or_null(src->kind),
		.path = copy_or_null(src->path),
		.uuid = copy_or_null(src->uuid),
		.baseline_sha256 = copy_or_null(src->baseline_sha256),
		.exported_heads = strings_copy(src->exported_heads, src->n_exported_heads),
		.n_exported_heads = src->n_exported_heads,
		.writing_sha256 = copy_or_null(src->writing_sha256),
		.writing_heads = strings_copy(src->writing_heads, src->n_writing_heads),
		.n_writing_heads = src->n_writing_heads,
		.doc_heads = strings_copy(src->doc_heads, src->n_doc_heads),
		.n_doc_heads = src->n_doc_heads,
		.updated_at_ns = src->updated_at_ns,
	};
}

static void render_str(struct buf *out, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "%s\"%s\":", out->p[out->n - 1] == '{' ? "" : ",", key);
	json_append_str(out, value, strlen(value));
}

static void render_heads(struct buf *out, const char *key, char *const *heads, size_t n)
{
	buf_printf(out, "%s\"%s\":[", out->p[out->n - 1] == '{' ? "" : ",", key);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_append_byte(out, ',');
		json_append_str(out, heads[i], strlen(heads[i]));
	}
	buf_append_byte(out, ']');
}

void sidecar_render(struct buf *out, const struct sidecar *sc)
{
	char at[RFC3339_TEXT];

	rfc3339_format(at, sc->updated_at_ns);
	buf_append_byte(out, '{');
	render_str(out, "id", sc->id);
	render_str(out, "kind", sc->kind);
	render_str(out, "path", sc->path);
	render_str(out, "uuid", sc->uuid);
	render_str(out, "baseline_sha256", sc->baseline_sha256);
	render_heads(out, "exported_heads", sc->exported_heads, sc->n_exported_heads);
	if (sc->writing_sha256) {
		render_str(out, "writing_sha256", sc->writing_sha256);
		render_heads(out, "writing_heads", sc->writing_heads, sc->n_writing_heads);
	}
	render_heads(out, "doc_heads", sc->doc_heads, sc->n_doc_heads);
	render_str(out, "updated_at", at);
	buf_append_str(out, "}\n");
}

/* Absent and null both read as NULL. */
static int parse_str(struct json_object *obj, const char *key, char **ret)
{
	const char *s;
	int err = json_get_str(obj, key, &s);

	if (err == 0)
		*ret = xstrdup(s);
	return err == -ENOENT ? 0 : err;
}

static int parse_heads(struct json_object *obj, const char *key, char ***ret, size_t *ret_n)
{
	struct json_object *array;
	int err = json_get_array(obj, key, &array);
	size_t n;

	if (err == -ENOENT)
		return 0;
	if (err < 0)
		return err;
	n = json_object_array_length(array);
	*ret = n ? xcalloc(n, sizeof **ret) : NULL;
	for (size_t i = 0; i < n; i++) {
		struct json_object *head = json_object_array_get_idx(array, i);

		if (!json_object_is_type(head, json_type_string))
			return -EINVAL;
		(*ret)[(*ret_n)++] = xstrdup(json_object_get_string(head));
	}
	return 0;
}

static int parse_fields(struct json_object *obj, struct sidecar *sc)
{
	char *at = NULL;
	int err;

	if ((err = parse_str(obj, "id", &sc->id)) < 0 || (err = parse_str(obj, "kind", &sc->kind)) < 0 ||
	    (err = parse_str(obj, "path", &sc->path)) < 0 || (err = parse_str(obj, "uuid", &sc->uuid)) < 0 ||
	    (err = parse_str(obj, "baseline_sha256", &sc->baseline_sha256)) < 0 ||
	    (err = parse_heads(obj, "exported_heads", &sc->exported_heads, &sc->n_exported_heads)) < 0 ||
	    (err = parse_str(obj, "writing_sha256", &sc->writing_sha256)) < 0 ||
	    (err = parse_heads(obj, "writing_heads", &sc->writing_heads, &sc->n_writing_heads)) < 0 ||
	    (err = parse_heads(obj, "doc_heads", &sc->doc_heads, &sc->n_doc_heads)) < 0 ||
	    (err = parse_str(obj, "updated_at", &at)) < 0)
		return err;
	if (at && !rfc3339_parse(at, &sc->updated_at_ns))
		err = -EINVAL;
	free(at);
	return err < 0 || !sc->id ? -EINVAL : 0;
}

int sidecar_parse(const void *p, size_t n, struct sidecar *ret)
{
	struct json_object *obj = json_parse(p, n);
	struct sidecar sc = {0};
	int err = -EINVAL;

	if (json_object_is_type(obj, json_type_object))
		err = parse_fields(obj, &sc);
	json_object_put(obj);
	if (err < 0)
		sidecar_free(&sc);
	else
		*ret = sc;
	return err;
}

int sidecar_read(struct host *h, const char *path, struct sidecar *ret)
{
	struct buf text = {0};
	int err = host_file_read_all(h, path, SIDECAR_MAX, &text);

	if (err == 0)
		err = sidecar_parse(text.p, text.n, ret);
	buf_free(&text);
	return err;
}

int sidecar_write(struct host *h, const char *path, const struct sidecar *sc)
{
	struct buf text = {0};
	int err;

	sidecar_render(&text, sc);
	err = host_file_replace_own(h, path, text.p, text.n, 0600);
	buf_free(&text);
	return err;
}
