#include "notebook/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "notebook/json_text.h"
#include "notebook/value.h"

#define KEEP_ALIVE_DEFAULT 30

static const char *const theme_default = "system";
static const char *const runtime_default = "python";
static const char *const env_default = "uv";

/* ---- writing -------------------------------------------------------------------------------- */

static int put_str(am_doc *doc, const char *key, const char *s)
{
	return value_put_str(doc, AM_ROOT, key, s, strlen(s));
}

static int put_keep_alive(am_doc *doc, uint64_t secs)
{
	am_value v = {.type = AM_INT, .i = secs > INT64_MAX ? INT64_MAX : (int64_t)secs};

	return am_errno(am_map_put(doc, AM_ROOT, "keep_alive_secs", 15, &v));
}

static int put_onboarding(am_doc *doc, bool b)
{
	am_value v = {.type = AM_BOOL, .b = b};

	return am_errno(am_map_put(doc, AM_ROOT, "onboarding_completed", 20, &v));
}

/* documents.md 7.1: the nested map on demand, the list always a new one. */
static int put_packages(am_doc *doc, const char *section, const struct str_list *packages)
{
	am_objid map, list;
	int r = value_get_object(doc, AM_ROOT, section, AM_MAP, &map);

	if (r < 0)
		r = am_errno(am_map_put_object(doc, AM_ROOT, section, strlen(section), AM_MAP, &map));
	if (r == 0)
		r = am_errno(am_map_delete(doc, map, "default_packages", 16));
	if (r == 0)
		r = am_errno(am_map_put_object(doc, map, "default_packages", 16, AM_LIST, &list));
	for (size_t i = 0; i < packages->n && r == 0; i++) {
		am_value v = am_str(packages->p[i], strlen(packages->p[i]));
		r = am_errno(am_list_insert(doc, list, i, &v));
	}
	return r;
}

static int write_defaults(am_doc *doc)
{
	const struct str_list none = {0};
	int r;

	if ((r = put_str(doc, "theme", theme_default)) < 0 || (r = put_str(doc, "default_runtime", runtime_default)) < 0 ||
	    (r = put_str(doc, "default_python_env", env_default)) < 0 ||
	    (r = put_keep_alive(doc, KEEP_ALIVE_DEFAULT)) < 0 || (r = put_onboarding(doc, false)) < 0 ||
	    (r = put_packages(doc, "uv", &none)) < 0)
		return r;
	return put_packages(doc, "conda", &none);
}

static int new_with_actor(const void *actor, size_t actor_n, am_doc **ret)
{
	int r = am_errno(am_new(NULL, ret));

	if (r == 0 && (r = am_errno(am_set_actor(*ret, actor, actor_n))) < 0)
		am_free(*ret);
	return r;
}

int settings_new(const void *actor, size_t actor_n, am_doc **ret)
{
	am_doc *doc;
	int r = new_with_actor(actor, actor_n, &doc);

	if (r < 0)
		return r;
	r = write_defaults(doc);
	if (r == 0)
		r = am_errno(am_commit(doc, NULL, 0, 0, NULL));
	if (r < 0)
		am_free(doc);
	else
		*ret = doc;
	return r;
}

/* ---- reading -------------------------------------------------------------------------------- */

static char *parse_theme(char *s)
{
	if (s && (strcmp(s, "system") == 0 || strcmp(s, "light") == 0 || strcmp(s, "dark") == 0))
		return s;
	free(s);
	return xstrdup(theme_default);
}

/* The canonical name when s is one of a NULL-ended list of spellings. */
static char *canonical(char *s, const char *name, const char *const *spellings)
{
	for (size_t i = 0; spellings[i]; i++) {
		if (strcasecmp(s, spellings[i]) == 0) {
			free(s);
			return xstrdup(name);
		}
	}
	return s;
}

static char *parse_runtime(char *s)
{
	static const char *const python[] = {"python", "py", NULL}, *const deno[] = {"deno", "typescript", "ts", NULL};

	if (!s)
		return xstrdup(runtime_default);
	return canonical(canonical(s, "python", python), "deno", deno);
}

static char *parse_env(char *s)
{
	static const char *const uv[] = {"uv", NULL}, *const conda[] = {"conda", NULL};

	if (!s)
		return xstrdup(env_default);
	return canonical(canonical(s, "uv", uv), "conda", conda);
}

static bool read_u64(const am_value *v, uint64_t *ret)
{
	char *s;
	bool good;

	if (v->type == AM_INT && v->i >= 0) {
		*ret = (uint64_t)v->i;
		return true;
	}
	if (v->type == AM_UINT) {
		*ret = v->u;
		return true;
	}
	if (v->type != AM_STR)
		return false;
	s = xstrndup((const char *)v->s.p, v->s.n);
	good = str_to_u64(s, ret);
	free(s);
	return good;
}

static bool read_onboarding(am_doc *doc)
{
	am_value v;

	if (am_map_get(doc, NULL, AM_ROOT, "onboarding_completed", 20, &v) == AM_OK) {
		if (v.type == AM_BOOL)
			return v.b;
		if (v.type == AM_STR && v.s.n == 4 && memcmp(v.s.p, "true", 4) == 0)
			return true;
		if (v.type == AM_STR && v.s.n == 5 && memcmp(v.s.p, "false", 5) == 0)
			return false;
	}
	/* Settings from before the key: whoever has them is past onboarding. */
	return am_map_get(doc, NULL, AM_ROOT, "theme", 5, &v) == AM_OK ||
	       am_map_get(doc, NULL, AM_ROOT, "default_runtime", 15, &v) == AM_OK;
}

static void list_add(struct str_list *l, char *s)
{
	l->p = xreallocarray(l->p, l->n + 1, sizeof *l->p);
	l->p[l->n++] = s;
}

static int add_package(void *ctx, size_t index, const am_value *v)
{
	(void)index;
	if (v->type == AM_STR)
		list_add(ctx, xstrndup((const char *)v->s.p, v->s.n));
	return 0;
}

/* `a, b,,c` of old releases. */
static void split_flat(const char *s, struct str_list *ret)
{
	while (*s) {
		size_t n = strcspn(s, ","), from = strspn(s, " \t\r\n"), to;
		for (to = n; to > from && strchr(" \t\r\n", s[to - 1]); to--)
			;
		if (from < to)
			list_add(ret, xstrndup(s + from, to - from));
		s += n;
		if (*s)
			s++;
	}
}

static void read_packages(am_doc *doc, const char *section, const char *flat_key, struct str_list *ret)
{
	am_objid map, list;
	char *flat;

	if (value_get_object(doc, AM_ROOT, section, AM_MAP, &map) == 0 &&
	    value_get_object(doc, map, "default_packages", AM_LIST, &list) == 0)
		am_list_each(doc, NULL, list, 0, SIZE_MAX, add_package, ret);
	if (ret->n > 0)
		return;
	flat = value_get_str(doc, AM_ROOT, flat_key, NULL);
	if (flat)
		split_flat(flat, ret);
	free(flat);
}

void settings_read(am_doc *doc, struct settings *ret)
{
	struct settings s = {.keep_alive_secs = KEEP_ALIVE_DEFAULT};
	am_value v;

	s.theme = parse_theme(value_get_str(doc, AM_ROOT, "theme", NULL));
	s.default_runtime = parse_runtime(value_get_str(doc, AM_ROOT, "default_runtime", NULL));
	s.default_python_env = parse_env(value_get_str(doc, AM_ROOT, "default_python_env", NULL));
	if (am_map_get(doc, NULL, AM_ROOT, "keep_alive_secs", 15, &v) == AM_OK)
		read_u64(&v, &s.keep_alive_secs);
	s.onboarding_completed = read_onboarding(doc);
	read_packages(doc, "uv", "default_uv_packages", &s.uv_packages);
	read_packages(doc, "conda", "default_conda_packages", &s.conda_packages);
	*ret = s;
}

void settings_fini(struct settings *s)
{
	free(s->theme);
	free(s->default_runtime);
	free(s->default_python_env);
	str_list_fini(&s->uv_packages);
	str_list_fini(&s->conda_packages);
	*s = (struct settings){0};
}

uint64_t settings_keep_alive(const struct settings *s)
{
	if (s->keep_alive_secs < SETTINGS_KEEP_ALIVE_MIN)
		return SETTINGS_KEEP_ALIVE_MIN;
	return s->keep_alive_secs > SETTINGS_KEEP_ALIVE_MAX ? SETTINGS_KEEP_ALIVE_MAX : s->keep_alive_secs;
}

/* ---- settings.json -> document --------------------------------------------------------------- */

static int apply_string(am_doc *doc, const struct json_tree *t, const char *key, bool *changed)
{
	char *s = json_tree_dup(t, json_tree_get(t, 0, key), NULL), *have;
	int r = 0;

	if (!s)
		return 0;
	have = value_get_str(doc, AM_ROOT, key, NULL);
	if (!have || strcmp(have, s) != 0) {
		r = put_str(doc, key, s);
		*changed = true;
	}
	free(have);
	free(s);
	return r;
}

static void json_packages(const struct json_tree *t, uint32_t section, struct str_list *ret)
{
	uint32_t list = json_tree_get(t, section, "default_packages");

	if (list == JSON_NONE || json_tree_kind(t, list) != JSON_KIND_ARRAY)
		return;
	for (uint32_t k = json_tree_first(t, list); k != JSON_NONE; k = json_tree_next(t, list, k)) {
		char *s = json_tree_dup(t, k, NULL);
		if (s)
			list_add(ret, s);
	}
}

static bool list_same(const struct str_list *a, const struct str_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->p[i], b->p[i]) != 0)
			return false;
	return true;
}

/* The mere presence of the section counts: without a list it empties the
 * packages (documents.md trap 23). */
static int apply_packages(am_doc *doc, const struct json_tree *t, const char *section, const char *flat_key,
			  bool only_filled, bool *changed)
{
	uint32_t node = json_tree_get(t, 0, section);
	struct str_list want = {0}, have = {0};
	int r = 0;

	if (node == JSON_NONE)
		return 0;
	json_packages(t, node, &want);
	read_packages(doc, section, flat_key, &have);
	if (!list_same(&want, &have) && !(only_filled && want.n == 0)) {
		r = put_packages(doc, section, &want);
		if (r == 0)
			r = am_errno(am_map_delete(doc, AM_ROOT, flat_key, strlen(flat_key)));
		*changed = true;
	}
	str_list_fini(&want);
	str_list_fini(&have);
	return r;
}

/* null_forever: null is the old word for "for ever"; ignored by the watcher. */
static int apply_keep_alive(am_doc *doc, const struct json_tree *t, bool null_forever, bool *changed)
{
	uint32_t node = json_tree_get(t, 0, "keep_alive_secs");
	uint64_t secs, have = 0;
	am_value v;

	if (node == JSON_NONE)
		return 0;
	if (null_forever && json_tree_kind(t, node) == JSON_KIND_NULL)
		secs = SETTINGS_KEEP_ALIVE_MAX;
	else if (!json_tree_u64(t, node, &secs))
		return 0;
	if (am_map_get(doc, NULL, AM_ROOT, "keep_alive_secs", 15, &v) == AM_OK && read_u64(&v, &have) && have == secs)
		return 0;
	*changed = true;
	return put_keep_alive(doc, secs);
}

static int apply_onboarding(am_doc *doc, const struct json_tree *t, bool *changed)
{
	uint32_t node = json_tree_get(t, 0, "onboarding_completed");
	bool want;
	am_value v;

	if (node == JSON_NONE ||
	    (json_tree_kind(t, node) != JSON_KIND_TRUE && json_tree_kind(t, node) != JSON_KIND_FALSE))
		return 0;
	want = json_tree_kind(t, node) == JSON_KIND_TRUE;
	if (am_map_get(doc, NULL, AM_ROOT, "onboarding_completed", 20, &v) == AM_OK && v.type == AM_BOOL && v.b == want)
		return 0;
	*changed = true;
	return put_onboarding(doc, want);
}

static int apply_tree(am_doc *doc, const struct json_tree *t, bool first, bool *changed)
{
	int r;

	if ((r = apply_string(doc, t, "theme", changed)) < 0 ||
	    (r = apply_string(doc, t, "default_runtime", changed)) < 0 ||
	    (r = apply_string(doc, t, "default_python_env", changed)) < 0 ||
	    (r = apply_packages(doc, t, "uv", "default_uv_packages", first, changed)) < 0 ||
	    (r = apply_packages(doc, t, "conda", "default_conda_packages", first, changed)) < 0 ||
	    (r = apply_keep_alive(doc, t, first, changed)) < 0 || (r = apply_onboarding(doc, t, changed)) < 0)
		return r;
	return am_in_transaction(doc) ? am_errno(am_commit(doc, NULL, 0, 0, NULL)) : 0;
}

static int apply_text(am_doc *doc, const char *json, size_t n, bool first, bool *changed)
{
	struct json_tree t;
	int r = json_tree_parse(json, n, &t, NULL);

	if (r < 0)
		return r;
	r = json_tree_kind(&t, 0) == JSON_KIND_OBJECT ? apply_tree(doc, &t, first, changed) : -EINVAL;
	json_tree_fini(&t);
	return r;
}

int settings_apply_json(am_doc *doc, const char *json, size_t n, bool *ret_changed)
{
	bool changed = false;
	int r = apply_text(doc, json, n, false, &changed);

	if (r == 0 && ret_changed)
		*ret_changed = changed;
	return r;
}

/* ---- start-up ------------------------------------------------------------------------------- */

static int migrate_flat(am_doc *doc, const char *section, const char *flat_key, bool *changed)
{
	char *flat = value_get_str(doc, AM_ROOT, flat_key, NULL);
	struct str_list packages = {0};
	int r;

	if (!flat)
		return 0;
	read_packages(doc, section, flat_key, &packages);
	r = put_packages(doc, section, &packages);
	if (r == 0)
		r = am_errno(am_map_delete(doc, AM_ROOT, flat_key, strlen(flat_key)));
	*changed = true;
	str_list_fini(&packages);
	free(flat);
	return r;
}

static int migrate(am_doc *doc, bool *changed)
{
	am_value v;
	int r;

	if ((r = migrate_flat(doc, "uv", "default_uv_packages", changed)) < 0 ||
	    (r = migrate_flat(doc, "conda", "default_conda_packages", changed)) < 0)
		return r;
	if (am_map_get(doc, NULL, AM_ROOT, "keep_alive_secs", 15, &v) == AM_OK && v.type == AM_NULL) {
		*changed = true;
		r = put_keep_alive(doc, SETTINGS_KEEP_ALIVE_MAX);
	}
	return r;
}

int settings_load(const void *saved, size_t saved_n, const char *json, size_t json_n, const void *actor,
		  size_t actor_n, am_doc **ret, bool *ret_changed)
{
	bool changed = false, old = saved_n > 0;
	am_doc *doc = NULL;
	int r;

	if (old && am_load(saved, saved_n, NULL, AM_LOAD_PARTIAL, &doc) != AM_OK)
		old = false;
	if (old) {
		r = am_errno(am_set_actor(doc, actor, actor_n));
		if (r == 0)
			r = migrate(doc, &changed);
	} else {
		changed = true;
		r = settings_new(actor, actor_n, &doc);
	}
	if (r < 0) {
		am_free(doc);
		return r;
	}
	/* A broken settings.json is skipped, not fatal. */
	if (json_n > 0)
		apply_text(doc, json, json_n, !old, &changed);
	if (am_in_transaction(doc) && (r = am_errno(am_commit(doc, NULL, 0, 0, NULL))) < 0) {
		am_free(doc);
		return r;
	}
	*ret = doc;
	if (ret_changed)
		*ret_changed = changed;
	return 0;
}

/* ---- document -> settings.json --------------------------------------------------------------- */

static void json_line(struct buf *out, const char *key, const char *s)
{
	buf_printf(out, "  \"%s\": ", key);
	json_append_str(out, s, strlen(s));
	buf_append_str(out, ",\n");
}

static void json_section(struct buf *out, const char *key, const struct str_list *packages)
{
	buf_printf(out, "  \"%s\": {\n    \"default_packages\": [", key);
	for (size_t i = 0; i < packages->n; i++) {
		buf_append_str(out, i > 0 ? ",\n      " : "\n      ");
		json_append_str(out, packages->p[i], strlen(packages->p[i]));
	}
	buf_append_str(out, packages->n > 0 ? "\n    ]\n  },\n" : "]\n  },\n");
}

void settings_json(am_doc *doc, struct buf *out)
{
	struct settings s;

	settings_read(doc, &s);
	buf_append_str(out, "{\n");
	json_line(out, "theme", s.theme);
	json_line(out, "default_runtime", s.default_runtime);
	json_line(out, "default_python_env", s.default_python_env);
	json_section(out, "uv", &s.uv_packages);
	json_section(out, "conda", &s.conda_packages);
	buf_printf(out, "  \"keep_alive_secs\": %llu,\n", (unsigned long long)s.keep_alive_secs);
	buf_printf(out, "  \"onboarding_completed\": %s,\n", s.onboarding_completed ? "true" : "false");
	buf_append_str(out, "  \"$schema\": \"./settings.schema.json\"\n}\n");
	settings_fini(&s);
}

static void schema_choice(struct buf *out, const char *key, const char *about, const char *choices, const char *first)
{
	buf_printf(out,
		   "    \"%s\": {\n      \"description\": \"%s\",\n      \"type\": \"string\",\n"
		   "      \"examples\": [%s],\n      \"default\": \"%s\"\n    },\n",
		   key, about, choices, first);
}

static void schema_packages(struct buf *out, const char *key, const char *about)
{
	buf_printf(out,
		   "    \"%s\": {\n      \"description\": \"%s\",\n      \"type\": \"object\",\n"
		   "      \"properties\": {\n        \"default_packages\": {\n          \"type\": \"array\",\n"
		   "          \"items\": {\n            \"type\": \"string\"\n          },\n"
		   "          \"default\": []\n        }\n      }\n    },\n",
		   key, about);
}

void settings_schema(struct buf *out)
{
	buf_append_str(out, "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
			    "  \"title\": \"Settings\",\n  \"type\": \"object\",\n  \"properties\": {\n");
	schema_choice(out, "theme", "Colours of the notebook windows", "\"system\", \"light\", \"dark\"", theme_default);
	schema_choice(out, "default_runtime", "Runtime of new notebooks", "\"python\", \"deno\"", runtime_default);
	schema_choice(out, "default_python_env", "Environment of Python notebooks without one of their own",
		      "\"uv\", \"conda\"", env_default);
	schema_packages(out, "uv", "Packages in every uv environment");
	schema_packages(out, "conda", "Packages in every conda environment");
	buf_printf(out,
		   "    \"keep_alive_secs\": {\n"
		   "      \"description\": \"Seconds a notebook and its kernel stay after the last window closed\",\n"
		   "      \"type\": \"integer\",\n      \"minimum\": %d,\n      \"maximum\": %d,\n"
		   "      \"default\": %d\n    },\n",
		   SETTINGS_KEEP_ALIVE_MIN, SETTINGS_KEEP_ALIVE_MAX, KEEP_ALIVE_DEFAULT);
	buf_append_str(out, "    \"onboarding_completed\": {\n      \"description\": \"The first-run guide was finished\",\n"
			    "      \"type\": \"boolean\",\n      \"default\": false\n    },\n"
			    "    \"$schema\": {\n      \"type\": \"string\"\n    }\n  }\n}\n");
}
