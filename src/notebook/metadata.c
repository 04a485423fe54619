#include "notebook/metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "notebook/index.h"
#include "notebook/metadata_parse.h"
#include "notebook/value.h"

bool metadata_key_is_internal(const char *key, size_t n)
{
	static const char *const internal[] = {"runtime", "ephemeral"};

	for (size_t i = 0; i < sizeof internal / sizeof *internal; i++)
		if (strlen(internal[i]) == n && memcmp(internal[i], key, n) == 0)
			return true;
	return false;
}

int metadata_json(struct notebook *nb, struct buf *out)
{
	am_value v = {.type = AM_MAP};

	if (index_metadata(nb, false, &v.id) < 0)
		buf_append_str(out, "{}");
	else
		value_json(nb->doc, NULL, &v, out);
	return 0;
}

int metadata_read(struct notebook *nb, struct metadata *ret)
{
	struct buf json = {0};
	struct json_tree t;
	int r;

	metadata_json(nb, &json);
	r = json_tree_parse(json.p, json.n, &t, NULL);
	if (r == 0) {
		r = metadata_parse_tree(&t, 0, false, ret);
		json_tree_fini(&t);
	}
	buf_free(&json);
	return r;
}

int metadata_snapshot_json(struct notebook *nb, struct buf *out)
{
	struct metadata m;
	int r = metadata_read(nb, &m);

	if (r < 0)
		return r;
	metadata_format(&m, out);
	metadata_fini(&m);
	return 0;
}

const char *notebook_runtime(struct notebook *nb)
{
	struct metadata m;
	const char *name;

	if (metadata_read(nb, &m) < 0)
		return NULL;
	name = metadata_runtime(&m);
	metadata_fini(&m);
	return name;
}

/* ---- writing a snapshot, in place ------------------------------------------------------------ */

/* Typed keys of each section: absent from a snapshot, they are unset. */
static const char *const kernelspec_keys[] = {"name", "display_name", "language", NULL};
static const char *const language_keys[] = {"name", "version", NULL};
static const char *const uv_keys[] = {"dependencies", "requires-python", "prerelease", NULL};
static const char *const conda_keys[] = {"dependencies", "channels", "python", NULL};
static const char *const deno_keys[] = {"permissions", "import_map", "config", "flexible_npm_imports", NULL};
static const char *const runt_keys[] = {"schema_version", "env_id", "trust_signature", "trust_timestamp", NULL};

static bool is_set(const struct json_tree *t, uint32_t obj, const char *key)
{
	uint32_t node = json_tree_get(t, obj, key);

	return node != JSON_NONE && json_tree_kind(t, node) != JSON_KIND_NULL;
}

static int delete_key(struct notebook *nb, am_objid map, const char *key)
{
	return am_errno(am_map_delete(nb->doc, map, key, strlen(key)));
}

static int section_map(struct notebook *nb, am_objid parent, const char *key, am_objid *ret)
{
	if (value_get_object(nb->doc, parent, key, AM_MAP, ret) == 0)
		return 0;
	return am_errno(am_map_put_object(nb->doc, parent, key, strlen(key), AM_MAP, ret));
}

/* An empty list where the typed form always has one. */
static int default_list(struct notebook *nb, am_objid map, const char *key)
{
	am_objid list;

	if (value_get_object(nb->doc, map, key, AM_LIST, &list) == 0)
		return 0;
	return am_errno(am_map_put_object(nb->doc, map, key, strlen(key), AM_LIST, &list));
}

/* Unsets the typed keys the snapshot lacks and writes all it has. */
static int write_keys(struct notebook *nb, am_objid map, const char *const *typed, const struct json_tree *t,
		      uint32_t node)
{
	struct json_members m;
	int r = 0;

	for (size_t i = 0; typed[i] && r == 0; i++)
		if (!is_set(t, node, typed[i]))
			r = delete_key(nb, map, typed[i]);
	json_members_load(t, node, false, &m);
	for (size_t i = 0; i < m.n && r == 0; i++)
		if (json_tree_kind(t, m.p[i].value) != JSON_KIND_NULL)
			r = value_update(nb->doc, map, m.p[i].key, m.p[i].key_n, t, m.p[i].value);
	json_members_fini(&m);
	return r;
}

static int write_section(struct notebook *nb, am_objid parent, const char *key, const char *const *typed,
			 const struct json_tree *t, uint32_t from)
{
	uint32_t node = json_tree_get(t, from, key);
	am_objid map;
	int r;

	if (!is_set(t, from, key))
		return delete_key(nb, parent, key);
	r = section_map(nb, parent, key, &map);
	return r < 0 ? r : write_keys(nb, map, typed, t, node);
}

/* A dependency section always shows its lists, also when the snapshot left
 * them out. */
static int write_dependencies(struct notebook *nb, am_objid runt, const char *key, const char *const *typed,
			      const char *const *lists, const struct json_tree *t, uint32_t from)
{
	am_objid map;
	int r = write_section(nb, runt, key, typed, t, from);

	if (r < 0 || !is_set(t, from, key))
		return r;
	r = value_get_object(nb->doc, runt, key, AM_MAP, &map);
	for (size_t i = 0; lists[i] && r == 0; i++)
		r = default_list(nb, map, lists[i]);
	return r;
}

static int write_runt_keys(struct notebook *nb, am_objid runt, const struct json_tree *t, uint32_t node)
{
	static const char *const sections[] = {"uv", "conda", "deno"};
	struct json_members m;
	int r = 0;

	for (size_t i = 0; runt_keys[i] && r == 0; i++)
		if (!is_set(t, node, runt_keys[i]))
			r = delete_key(nb, runt, runt_keys[i]);
	json_members_load(t, node, false, &m);
	for (size_t i = 0; i < m.n && r == 0; i++) {
		bool is_section = false;
		for (size_t k = 0; k < 3; k++)
			is_section = is_section || (strlen(sections[k]) == m.p[i].key_n &&
						    memcmp(sections[k], m.p[i].key, m.p[i].key_n) == 0);
		if (!is_section && !(metadata_runt_key_is_known(m.p[i].key, m.p[i].key_n) &&
				     json_tree_kind(t, m.p[i].value) == JSON_KIND_NULL))
			r = value_update(nb->doc, runt, m.p[i].key, m.p[i].key_n, t, m.p[i].value);
	}
	json_members_fini(&m);
	return r;
}

static int write_runt(struct notebook *nb, am_objid metadata, const struct json_tree *t)
{
	static const char *const uv_lists[] = {"dependencies", NULL};
	static const char *const conda_lists[] = {"dependencies", "channels", NULL};
	static const char *const deno_lists[] = {"permissions", NULL};
	uint32_t node = json_tree_get(t, 0, "runt");
	am_objid runt;
	int r = section_map(nb, metadata, "runt", &runt);

	if (r == 0)
		r = write_runt_keys(nb, runt, t, node);
	if (r == 0)
		r = write_dependencies(nb, runt, "uv", uv_keys, uv_lists, t, node);
	if (r == 0)
		r = write_dependencies(nb, runt, "conda", conda_keys, conda_lists, t, node);
	if (r == 0)
		r = write_dependencies(nb, runt, "deno", deno_keys, deno_lists, t, node);
	return r;
}

static int write_snapshot(struct notebook *nb, const struct json_tree *t)
{
	am_objid metadata;
	int r = index_metadata(nb, true, &metadata);

	if (r == 0)
		r = write_section(nb, metadata, "kernelspec", kernelspec_keys, t, 0);
	if (r == 0)
		r = write_section(nb, metadata, "language_info", language_keys, t, 0);
	if (r == 0)
		r = write_runt(nb, metadata, t);
	return r;
}

int metadata_set_snapshot(struct notebook *nb, const char *json, size_t n, bool *ret_changed, char **ret_reason)
{
	struct buf before = {0}, after = {0};
	struct json_error error;
	struct json_tree t;
	char *reason;
	int r;

	if (json_tree_parse(json, n, &t, &error) < 0) {
		if (ret_reason)
			*ret_reason = xasprintf("%s at byte %zu", error.what, error.offset);
		return -EINVAL;
	}
	reason = metadata_snapshot_reason(&t);
	if (reason) {
		json_tree_fini(&t);
		if (ret_reason)
			*ret_reason = reason;
		else
			free(reason);
		return -EINVAL;
	}
	metadata_json(nb, &before);
	r = write_snapshot(nb, &t);
	metadata_json(nb, &after);
	if (r == 0 && ret_changed)
		*ret_changed = before.n != after.n || memcmp(before.p, after.p, after.n) != 0;
	buf_free(&before);
	buf_free(&after);
	json_tree_fini(&t);
	return r;
}

/* ---- a file's metadata ----------------------------------------------------------------------- */

/* runt of the file, or what old top-level sections amount to, so that clients'
 * typed reading finds the dependencies. */
static int set_file_runt(struct notebook *nb, am_objid metadata, const struct json_tree *t)
{
	uint32_t runt = json_tree_get(t, 0, "runt");
	struct metadata m;
	struct buf json = {0};
	struct json_tree legacy;
	am_objid map;
	int r = 0;

	if (runt != JSON_NONE && json_tree_kind(t, runt) == JSON_KIND_OBJECT) {
		if (is_set(t, runt, "schema_version") ||
		    value_get_object(nb->doc, metadata, "runt", AM_MAP, &map) < 0)
			return 0;
		return value_put_str(nb->doc, map, "schema_version", "1", 1);
	}
	if (metadata_parse_tree(t, 0, true, &m) < 0)
		return 0;
	if (m.has_uv || m.has_conda) {
		metadata_format(&m, &json);
		r = json_tree_parse(json.p, json.n, &legacy, NULL);
		if (r == 0) {
			r = value_update(nb->doc, metadata, "runt", 4, &legacy, json_tree_get(&legacy, 0, "runt"));
			json_tree_fini(&legacy);
		}
		buf_free(&json);
	}
	metadata_fini(&m);
	return r;
}

struct stale {
	VEC(char *) keys;
	const struct json_members *keep;
};

static int note_stale(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct stale *s = ctx;

	(void)v;
	if (!metadata_key_is_internal(key, key_n) && !memchr(key, '\0', key_n) &&
	    !json_members_find(s->keep, key, key_n))
		VEC_PUSH(&s->keys, xstrndup(key, key_n));
	return 0;
}

int metadata_set_json(struct notebook *nb, const char *json, size_t n)
{
	struct stale stale = {0};
	struct json_members m;
	struct json_tree t;
	am_objid map;
	int r = json_tree_parse(json, n, &t, NULL);

	if (r < 0)
		return r;
	if (json_tree_kind(&t, 0) != JSON_KIND_OBJECT) {
		json_tree_fini(&t);
		return -EINVAL;
	}
	json_members_load(&t, 0, true, &m);
	stale.keep = &m;
	r = index_metadata(nb, true, &map);
	if (r == 0)
		r = am_errno(am_map_each(nb->doc, NULL, map, note_stale, &stale));
	for (size_t i = 0; i < stale.keys.n; i++) {
		if (r == 0)
			r = delete_key(nb, map, stale.keys.p[i]);
		free(stale.keys.p[i]);
	}
	VEC_FREE(&stale.keys);
	for (size_t i = 0; i < m.n && r == 0; i++)
		r = value_update(nb->doc, map, m.p[i].key, m.p[i].key_n, &t, m.p[i].value);
	if (r == 0)
		r = set_file_runt(nb, map, &t);
	json_members_fini(&m);
	json_tree_fini(&t);
	return r;
}

/* ---- single keys ----------------------------------------------------------------------------- */

char *metadata_get_raw(struct notebook *nb, const char *key)
{
	am_objid map;

	return index_metadata(nb, false, &map) < 0 ? NULL : value_get_str(nb->doc, map, key, NULL);
}

int metadata_set_raw(struct notebook *nb, const char *key, const char *value, size_t n)
{
	am_objid map;
	int r = index_metadata(nb, true, &map);

	return r < 0 ? r : value_put_str(nb->doc, map, key, value, n);
}

int metadata_set_value(struct notebook *nb, const char *key, const char *json)
{
	struct json_tree t;
	am_objid map;
	int r = index_metadata(nb, true, &map);

	if (r < 0)
		return r;
	if (!json)
		return delete_key(nb, map, key);
	if ((r = json_tree_parse(json, strlen(json), &t, NULL)) < 0)
		return r;
	r = value_update(nb->doc, map, key, strlen(key), &t, 0);
	json_tree_fini(&t);
	return r;
}

int metadata_write_default(struct notebook *nb, const char *runtime, bool conda, const char *env_id)
{
	struct buf json = {0};
	int r;

	if (runtime && strcmp(runtime, "deno") == 0)
		buf_append_str(&json, "{\"kernelspec\":{\"name\":\"deno\",\"display_name\":\"Deno\","
				      "\"language\":\"typescript\"},\"language_info\":{\"name\":\"typescript\"},");
	else
		buf_append_str(&json, "{\"kernelspec\":{\"name\":\"python3\",\"display_name\":\"Python 3\","
				      "\"language\":\"python\"},\"language_info\":{\"name\":\"python\"},");
	buf_append_str(&json, "\"runt\":{\"schema_version\":\"1\",\"env_id\":");
	json_append_str(&json, env_id, strlen(env_id));
	if (!runtime || strcmp(runtime, "deno") != 0)
		buf_append_str(&json, conda ? ",\"conda\":{\"dependencies\":[],\"channels\":[\"conda-forge\"]}"
					    : ",\"uv\":{\"dependencies\":[]}");
	buf_append_str(&json, "}}");
	r = metadata_set_snapshot(nb, buf_cstr(&json), json.n, NULL, NULL);
	buf_free(&json);
	return r;
}

/* ---- dependencies ---------------------------------------------------------------------------- */

static int dependency_list(struct notebook *nb, bool conda, bool make, am_objid *ret)
{
	const char *key = conda ? "conda" : "uv";
	am_objid metadata, runt, map, channels;
	am_value v;
	int r = index_metadata(nb, make, &metadata);

	if (r < 0)
		return r;
	if (!make) {
		if ((r = value_get_object(nb->doc, metadata, "runt", AM_MAP, &runt)) < 0 ||
		    (r = value_get_object(nb->doc, runt, key, AM_MAP, &map)) < 0)
			return r;
		return value_get_object(nb->doc, map, "dependencies", AM_LIST, ret);
	}
	if ((r = section_map(nb, metadata, "runt", &runt)) < 0)
		return r;
	if (am_map_get(nb->doc, NULL, runt, "schema_version", 14, &v) != AM_OK &&
	    (r = value_put_str(nb->doc, runt, "schema_version", "1", 1)) < 0)
		return r;
	if (value_get_object(nb->doc, runt, key, AM_MAP, &map) < 0) {
		r = am_errno(am_map_put_object(nb->doc, runt, key, strlen(key), AM_MAP, &map));
		if (r == 0)
			r = default_list(nb, map, "dependencies");
		if (r == 0 && conda)
			r = default_list(nb, map, "channels");
		if (r == 0 && conda && value_get_object(nb->doc, map, "channels", AM_LIST, &channels) == 0) {
			v = am_str("conda-forge", 11);
			r = am_errno(am_list_insert(nb->doc, channels, 0, &v));
		}
	}
	if (r == 0)
		r = default_list(nb, map, "dependencies");
	return r < 0 ? r : value_get_object(nb->doc, map, "dependencies", AM_LIST, ret);
}

static int remove_named(struct notebook *nb, am_objid list, const char *name, bool *ret_removed)
{
	for (size_t i = am_length(nb->doc, NULL, list); i > 0; i--) {
		char *spec, *mine;
		am_value v;
		int r;
		bool same;

		if (am_list_get(nb->doc, NULL, list, i - 1, &v) != AM_OK || v.type != AM_STR)
			continue;
		spec = xstrndup((const char *)v.s.p, v.s.n);
		mine = dependency_name(spec);
		same = strcmp(mine, name) == 0;
		free(spec);
		free(mine);
		if (!same)
			continue;
		if ((r = am_errno(am_list_delete(nb->doc, list, i - 1))) < 0)
			return r;
		if (ret_removed)
			*ret_removed = true;
	}
	return 0;
}

int metadata_add_dependency(struct notebook *nb, bool conda, const char *spec)
{
	char *name = dependency_name(spec);
	am_value v = am_str(spec, strlen(spec));
	am_objid list;
	int r = dependency_list(nb, conda, true, &list);

	if (r == 0)
		r = remove_named(nb, list, name, NULL);
	if (r == 0)
		r = am_errno(am_list_insert(nb->doc, list, am_length(nb->doc, NULL, list), &v));
	free(name);
	return r;
}

int metadata_remove_dependency(struct notebook *nb, bool conda, const char *name, bool *ret_removed)
{
	bool removed = false;
	am_objid list;
	char *wanted;
	int r = dependency_list(nb, conda, false, &list);

	if (r == 0) {
		wanted = dependency_name(name);
		r = remove_named(nb, list, wanted, &removed);
		free(wanted);
	}
	if (r == -ENOENT || r == -EINVAL)
		r = 0;
	if (r == 0 && ret_removed)
		*ret_removed = removed;
	return r;
}

/* ---- repair ---------------------------------------------------------------------------------- */

static const char *const section_names[3] = {"kernelspec", "language_info", "runt"};

void index_remember_metadata(struct notebook *nb)
{
	am_objid map;

	buf_clear(&nb->metadata);
	metadata_json(nb, &nb->metadata);
	memset(nb->sections, 0, sizeof nb->sections);
	if (index_metadata(nb, false, &map) == 0)
		for (size_t i = 0; i < 3; i++)
			value_get_object(nb->doc, map, section_names[i], AM_MAP, &nb->sections[i]);
}

static bool is_typed(const char *const *typed, const struct json_member *m)
{
	for (size_t i = 0; typed[i]; i++)
		if (strlen(typed[i]) == m->key_n && memcmp(typed[i], m->key, m->key_n) == 0)
			return true;
	return false;
}

/* Unknown members of the old section that the new map lacks come back. */
static int restore_unknown(struct notebook *nb, am_objid map, const char *const *typed, const struct json_tree *old,
			   uint32_t node, bool *changed)
{
	struct json_members m;
	int r = 0;

	if (node == JSON_NONE || json_tree_kind(old, node) != JSON_KIND_OBJECT)
		return 0;
	json_members_load(old, node, false, &m);
	for (size_t i = 0; i < m.n && r == 0; i++) {
		am_value v;
		if (is_typed(typed, &m.p[i]) || am_map_get(nb->doc, NULL, map, m.p[i].key, m.p[i].key_n, &v) == AM_OK)
			continue;
		r = value_put(nb->doc, map, m.p[i].key, m.p[i].key_n, old, m.p[i].value);
		*changed = true;
	}
	json_members_fini(&m);
	return r;
}

static int repair_runt(struct notebook *nb, am_objid runt, const struct json_tree *old, uint32_t node, bool *changed)
{
	static const struct {
		const char *key;
		const char *const *typed;
	} sections[] = {{"uv", uv_keys}, {"conda", conda_keys}, {"deno", deno_keys}};
	int r = 0;

	for (size_t i = 0; i < 3 && r == 0; i++) {
		am_objid map;
		if (value_get_object(nb->doc, runt, sections[i].key, AM_MAP, &map) == 0)
			r = restore_unknown(nb, map, sections[i].typed, old,
					    json_tree_get(old, node, sections[i].key), changed);
	}
	return r;
}

int metadata_repair(struct notebook *nb, bool *ret_changed)
{
	bool changed = false;
	struct json_tree old;
	am_objid map, now;
	int r = json_tree_parse(nb->metadata.p, nb->metadata.n, &old, NULL);

	if (r < 0)
		return r;
	if (index_metadata(nb, false, &map) < 0)
		goto out;
	for (size_t i = 0; i < 3 && r == 0; i++) {
		uint32_t node = json_tree_get(&old, 0, section_names[i]);
		if (value_get_object(nb->doc, map, section_names[i], AM_MAP, &now) < 0 ||
		    (now.ctr == nb->sections[i].ctr && now.actor == nb->sections[i].actor))
			continue;
		if (i == 2)
			r = repair_runt(nb, now, &old, node, &changed);
		else
			r = restore_unknown(nb, now, i == 0 ? kernelspec_keys : language_keys, &old, node, &changed);
	}
out:
	json_tree_fini(&old);
	index_remember_metadata(nb);
	if (r == 0 && ret_changed)
		*ret_changed = changed;
	return r;
}
