/* The typed reading of notebook metadata (documents.md 3.9), from JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/vec.h"
#include "notebook/json_text.h"
#include "notebook/metadata_parse.h"

void str_list_fini(struct str_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->p[i]);
	free(l->p);
	*l = (struct str_list){0};
}

/* ---- serde's rules: null and absent are alike, another type refuses the section -------------- */

static bool opt_string(const struct json_tree *t, uint32_t obj, const char *key, char **ret)
{
	uint32_t node = json_tree_get(t, obj, key);

	if (node == JSON_NONE || json_tree_kind(t, node) == JSON_KIND_NULL)
		return true;
	*ret = json_tree_dup(t, node, NULL);
	return *ret != NULL;
}

static bool req_string(const struct json_tree *t, uint32_t obj, const char *key, char **ret)
{
	return opt_string(t, obj, key, ret) && *ret;
}

static bool opt_list(const struct json_tree *t, uint32_t obj, const char *key, struct str_list *ret)
{
	uint32_t node = json_tree_get(t, obj, key);

	if (node == JSON_NONE)
		return true;
	if (json_tree_kind(t, node) != JSON_KIND_ARRAY)
		return false;
	ret->p = xcalloc(t->nodes[node].n + 1, sizeof *ret->p);
	for (uint32_t k = json_tree_first(t, node); k != JSON_NONE; k = json_tree_next(t, node, k)) {
		char *s = json_tree_dup(t, k, NULL);
		if (!s)
			return false;
		ret->p[ret->n++] = s;
	}
	return true;
}

/* 0 absent or null, 1 an object, -1 something else. */
static int section(const struct json_tree *t, uint32_t obj, const char *key, uint32_t *ret)
{
	*ret = json_tree_get(t, obj, key);
	if (*ret == JSON_NONE || json_tree_kind(t, *ret) == JSON_KIND_NULL)
		return 0;
	return json_tree_kind(t, *ret) == JSON_KIND_OBJECT ? 1 : -1;
}

static bool parse_kernelspec(const struct json_tree *t, uint32_t node, struct metadata *m)
{
	m->has_kernelspec = true;
	return req_string(t, node, "name", &m->kernelspec_name) &&
	       req_string(t, node, "display_name", &m->kernelspec_display_name) &&
	       opt_string(t, node, "language", &m->kernelspec_language);
}

static bool parse_language_info(const struct json_tree *t, uint32_t node, struct metadata *m)
{
	m->has_language_info = true;
	return req_string(t, node, "name", &m->language_name) && opt_string(t, node, "version", &m->language_version);
}

static bool parse_uv(const struct json_tree *t, uint32_t node, struct metadata *m)
{
	m->has_uv = true;
	return opt_list(t, node, "dependencies", &m->uv_dependencies) &&
	       opt_string(t, node, "requires-python", &m->uv_requires_python) &&
	       opt_string(t, node, "prerelease", &m->uv_prerelease);
}

static bool parse_conda(const struct json_tree *t, uint32_t node, struct metadata *m)
{
	m->has_conda = true;
	return opt_list(t, node, "dependencies", &m->conda_dependencies) &&
	       opt_list(t, node, "channels", &m->conda_channels) && opt_string(t, node, "python", &m->conda_python);
}

static bool parse_deno(const struct json_tree *t, uint32_t node, struct metadata *m)
{
	uint32_t flag = json_tree_get(t, node, "flexible_npm_imports");

	m->has_deno = true;
	if (flag != JSON_NONE && json_tree_kind(t, flag) != JSON_KIND_NULL) {
		if (json_tree_kind(t, flag) != JSON_KIND_TRUE && json_tree_kind(t, flag) != JSON_KIND_FALSE)
			return false;
		m->deno_flexible_npm_imports = json_tree_kind(t, flag) == JSON_KIND_TRUE;
	}
	return opt_list(t, node, "permissions", &m->deno_permissions) &&
	       opt_string(t, node, "import_map", &m->deno_import_map) && opt_string(t, node, "config", &m->deno_config);
}

typedef bool (*parse_fn)(const struct json_tree *t, uint32_t node, struct metadata *m);

/* Absent is fine. */
static bool opt_section(const struct json_tree *t, uint32_t obj, const char *key, parse_fn parse, struct metadata *m)
{
	uint32_t node;
	int r = section(t, obj, key, &node);

	return r == 0 || (r == 1 && parse(t, node, m));
}

bool metadata_runt_key_is_known(const char *key, size_t n)
{
	static const char *const known[] = {"schema_version", "env_id",          "uv",
					    "conda",          "deno",            "trust_signature",
					    "trust_timestamp"};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i]) == n && memcmp(known[i], key, n) == 0)
			return true;
	return false;
}

static char *runt_extra(const struct json_tree *t, uint32_t node)
{
	struct json_members m;
	struct buf out = {0};

	json_members_load(t, node, true, &m);
	for (size_t i = 0; i < m.n; i++) {
		if (metadata_runt_key_is_known(m.p[i].key, m.p[i].key_n))
			continue;
		buf_append_byte(&out, out.n ? ',' : '{');
		json_append_str(&out, m.p[i].key, m.p[i].key_n);
		buf_append_byte(&out, ':');
		json_render_compact(&out, t, m.p[i].value, true);
	}
	json_members_fini(&m);
	if (out.n == 0)
		return NULL;
	buf_append_byte(&out, '}');
	return buf_take(&out, NULL);
}

static bool parse_runt(const struct json_tree *t, uint32_t node, struct metadata *m)
{
	m->has_runt = true;
	if (!req_string(t, node, "schema_version", &m->schema_version) || !opt_string(t, node, "env_id", &m->env_id) ||
	    !opt_section(t, node, "uv", parse_uv, m) || !opt_section(t, node, "conda", parse_conda, m) ||
	    !opt_section(t, node, "deno", parse_deno, m) ||
	    !opt_string(t, node, "trust_signature", &m->trust_signature) ||
	    !opt_string(t, node, "trust_timestamp", &m->trust_timestamp))
		return false;
	m->runt_extra = runt_extra(t, node);
	return true;
}

static void clear_runt(struct metadata *m)
{
	free(m->schema_version);
	free(m->env_id);
	str_list_fini(&m->uv_dependencies);
	free(m->uv_requires_python);
	free(m->uv_prerelease);
	str_list_fini(&m->conda_dependencies);
	str_list_fini(&m->conda_channels);
	free(m->conda_python);
	str_list_fini(&m->deno_permissions);
	free(m->deno_import_map);
	free(m->deno_config);
	free(m->trust_signature);
	free(m->trust_timestamp);
	free(m->runt_extra);
	m->schema_version = m->env_id = m->uv_requires_python = m->uv_prerelease = m->conda_python = NULL;
	m->deno_import_map = m->deno_config = m->trust_signature = m->trust_timestamp = m->runt_extra = NULL;
	m->has_runt = m->has_uv = m->has_conda = m->has_deno = false;
	m->deno_flexible_npm_imports = -1;
}

static void clear_kernelspec(struct metadata *m)
{
	free(m->kernelspec_name);
	free(m->kernelspec_display_name);
	free(m->kernelspec_language);
	m->kernelspec_name = m->kernelspec_display_name = m->kernelspec_language = NULL;
	m->has_kernelspec = false;
}

static void clear_language_info(struct metadata *m)
{
	free(m->language_name);
	free(m->language_version);
	m->language_name = m->language_version = NULL;
	m->has_language_info = false;
}

void metadata_fini(struct metadata *m)
{
	clear_kernelspec(m);
	clear_language_info(m);
	clear_runt(m);
}

/* Old files have uv and conda beside runt, not in it. */
static void legacy_runt(const struct json_tree *t, uint32_t node, struct metadata *m)
{
	uint32_t sub;

	if (section(t, node, "uv", &sub) == 1 && !parse_uv(t, sub, m))
		clear_runt(m);
	if (section(t, node, "conda", &sub) == 1 && !parse_conda(t, sub, m))
		clear_runt(m);
	m->has_runt = m->has_uv || m->has_conda;
}

int metadata_parse_tree(const struct json_tree *t, uint32_t node, bool legacy, struct metadata *ret)
{
	struct metadata m = {.deno_flexible_npm_imports = -1};
	uint32_t sub;

	if (json_tree_kind(t, node) != JSON_KIND_OBJECT)
		return -EINVAL;
	if (section(t, node, "kernelspec", &sub) == 1 && !parse_kernelspec(t, sub, &m))
		clear_kernelspec(&m);
	if (section(t, node, "language_info", &sub) == 1 && !parse_language_info(t, sub, &m))
		clear_language_info(&m);
	if (section(t, node, "runt", &sub) == 1 && !parse_runt(t, sub, &m))
		clear_runt(&m);
	if (!m.has_runt && legacy)
		legacy_runt(t, node, &m);
	if (!m.schema_version)
		m.schema_version = xstrdup("1");
	if (!m.has_kernelspec && !m.has_language_info && !m.has_runt) {
		metadata_fini(&m);
		return -ENOENT;
	}
	*ret = m;
	return 0;
}

int metadata_parse(const char *json, size_t n, struct metadata *ret)
{
	struct json_tree t;
	int r = json_tree_parse(json, n, &t, NULL);

	if (r < 0)
		return r;
	r = metadata_parse_tree(&t, 0, true, ret);
	json_tree_fini(&t);
	return r;
}

/* ---- strict, for requests ------------------------------------------------------------------- */

char *metadata_snapshot_reason(const struct json_tree *t)
{
	struct metadata m = {.deno_flexible_npm_imports = -1};
	const char *why = NULL;
	uint32_t node;

	if (json_tree_kind(t, 0) != JSON_KIND_OBJECT)
		return xstrdup("invalid type: expected struct NotebookMetadataSnapshot");
	if (!opt_section(t, 0, "kernelspec", parse_kernelspec, &m))
		why = "invalid kernelspec: name and display_name must be strings";
	else if (!opt_section(t, 0, "language_info", parse_language_info, &m))
		why = "invalid language_info: name must be a string";
	else if ((node = json_tree_get(t, 0, "runt")) == JSON_NONE)
		why = "missing field `runt`";
	else if (json_tree_kind(t, node) != JSON_KIND_OBJECT)
		why = "invalid type: expected struct RuntMetadata";
	else if (json_tree_get(t, node, "schema_version") == JSON_NONE)
		why = "missing field `schema_version`";
	else if (!parse_runt(t, node, &m))
		why = "invalid runt section";
	metadata_fini(&m);
	return why ? xstrdup(why) : NULL;
}

/* ---- writing JSON --------------------------------------------------------------------------- */

struct fields {
	struct buf *out;
	size_t count;
};

static void field_key(struct fields *f, const char *key)
{
	if (f->count++ > 0)
		buf_append_byte(f->out, ',');
	buf_printf(f->out, "\"%s\":", key);
}

static void field_str(struct fields *f, const char *key, const char *s)
{
	if (!s)
		return;
	field_key(f, key);
	json_append_str(f->out, s, strlen(s));
}

static void field_list(struct fields *f, const char *key, const struct str_list *l)
{
	field_key(f, key);
	buf_append_byte(f->out, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (i > 0)
			buf_append_byte(f->out, ',');
		json_append_str(f->out, l->p[i], strlen(l->p[i]));
	}
	buf_append_byte(f->out, ']');
}

static struct fields open_object(struct buf *out)
{
	buf_append_byte(out, '{');
	return (struct fields){.out = out};
}

void metadata_format_uv(const struct metadata *m, struct buf *out)
{
	struct fields f = open_object(out);

	field_list(&f, "dependencies", &m->uv_dependencies);
	field_str(&f, "requires-python", m->uv_requires_python);
	field_str(&f, "prerelease", m->uv_prerelease);
	buf_append_byte(out, '}');
}

void metadata_format_conda(const struct metadata *m, struct buf *out)
{
	struct fields f = open_object(out);

	field_list(&f, "dependencies", &m->conda_dependencies);
	field_list(&f, "channels", &m->conda_channels);
	field_str(&f, "python", m->conda_python);
	buf_append_byte(out, '}');
}

static void format_deno(const struct metadata *m, struct buf *out)
{
	struct fields f = open_object(out);

	field_list(&f, "permissions", &m->deno_permissions);
	field_str(&f, "import_map", m->deno_import_map);
	field_str(&f, "config", m->deno_config);
	if (m->deno_flexible_npm_imports >= 0) {
		field_key(&f, "flexible_npm_imports");
		buf_append_str(out, m->deno_flexible_npm_imports ? "true" : "false");
	}
	buf_append_byte(out, '}');
}

static void format_runt(const struct metadata *m, struct buf *out)
{
	struct fields f = open_object(out);

	field_str(&f, "schema_version", m->schema_version ? m->schema_version : "1");
	field_str(&f, "env_id", m->env_id);
	if (m->has_uv) {
		field_key(&f, "uv");
		metadata_format_uv(m, out);
	}
	if (m->has_conda) {
		field_key(&f, "conda");
		metadata_format_conda(m, out);
	}
	if (m->has_deno) {
		field_key(&f, "deno");
		format_deno(m, out);
	}
	field_str(&f, "trust_signature", m->trust_signature);
	field_str(&f, "trust_timestamp", m->trust_timestamp);
	if (m->runt_extra) {
		buf_append_byte(out, ',');
		buf_append(out, m->runt_extra + 1, strlen(m->runt_extra) - 2);
	}
	buf_append_byte(out, '}');
}

void metadata_format(const struct metadata *m, struct buf *out)
{
	struct fields f = open_object(out), in;

	if (m->has_kernelspec) {
		field_key(&f, "kernelspec");
		in = open_object(out);
		field_str(&in, "name", m->kernelspec_name);
		field_str(&in, "display_name", m->kernelspec_display_name);
		field_str(&in, "language", m->kernelspec_language);
		buf_append_byte(out, '}');
	}
	if (m->has_language_info) {
		field_key(&f, "language_info");
		in = open_object(out);
		field_str(&in, "name", m->language_name);
		field_str(&in, "version", m->language_version);
		buf_append_byte(out, '}');
	}
	field_key(&f, "runt");
	format_runt(m, out);
	buf_append_byte(out, '}');
}

/* ---- what the metadata says ------------------------------------------------------------------ */

static bool contains(const char *s, const char *word)
{
	return s && strcasestr(s, word);
}

static bool is_one_of(const char *s, const char *a, const char *b, const char *c)
{
	return s && ((a && strcasecmp(s, a) == 0) || (b && strcasecmp(s, b) == 0) || (c && strcasecmp(s, c) == 0));
}

const char *metadata_runtime(const struct metadata *m)
{
	if (contains(m->kernelspec_name, "deno"))
		return "deno";
	if (contains(m->kernelspec_name, "python"))
		return "python";
	if (is_one_of(m->kernelspec_language, "typescript", "javascript", NULL))
		return "deno";
	if (is_one_of(m->kernelspec_language, "python", NULL, NULL))
		return "python";
	if (is_one_of(m->language_name, "deno", "typescript", "javascript"))
		return "deno";
	if (is_one_of(m->language_name, "python", NULL, NULL))
		return "python";
	if (m->has_deno)
		return "deno";
	/* Since 2026-03-21 (#1046). */
	return m->has_uv || m->has_conda ? "python" : NULL;
}

char *dependency_name(const char *spec)
{
	size_t n, end;
	char *s;

	spec += strspn(spec, " \t\r\n\v\f");
	end = strcspn(spec, "><=!~[;@ ");
	for (n = end; n > 0 && strchr(" \t\r\n\v\f", spec[n - 1]); n--)
		;
	s = xstrndup(spec, n);
	for (char *p = s; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return s;
}
