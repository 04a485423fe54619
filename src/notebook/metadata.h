/* Notebook metadata: documents.md 3.9. Written in place, unknown keys stay;
 * what a March client drops by replacing a whole section is put back
 * (today.md 3.3). */
#ifndef NOTEBOOK_METADATA_H
#define NOTEBOOK_METADATA_H
#include "notebook/notebook.h"

struct str_list {
	char **p;
	size_t n;
};
void str_list_fini(struct str_list *l);

/* NotebookMetadataSnapshot as a structure; NULL = unset, has_*: the section exists. */
struct metadata {
	bool has_kernelspec;
	char *kernelspec_name, *kernelspec_display_name, *kernelspec_language;
	bool has_language_info;
	char *language_name, *language_version;
	char *env_id;
	bool has_uv;
	struct str_list uv_dependencies;
	char *uv_requires_python, *uv_prerelease;
	bool has_conda;
	struct str_list conda_dependencies, conda_channels;
	char *conda_python;
	bool has_deno;
	struct str_list deno_permissions;
	char *deno_import_map, *deno_config;
	int deno_flexible_npm_imports; /* 1, 0, -1 = unset */
	char *trust_signature, *trust_timestamp;
	bool has_runt;     /* a runt section that parses was there */
	char *schema_version;
	char *runt_extra;  /* JSON object of further keys of runt, sorted; NULL when none */
};
/* -ENOENT: the document has no snapshot (none of the three keys parses). */
int metadata_read(struct notebook *nb, struct metadata *ret);
/* From a snapshot's or a file's metadata JSON, the same typed reading with the
 * legacy fallback to top-level uv and conda. -ENOENT as above, -EINVAL no object. */
int metadata_parse(const char *json, size_t n, struct metadata *ret);
void metadata_fini(struct metadata *m);

/* The snapshot as JSON in the reference's field order (also its fingerprint);
 * -ENOENT when there is none. */
int metadata_snapshot_json(struct notebook *nb, struct buf *out);
void metadata_format(const struct metadata *m, struct buf *out);
/* SetMetadataSnapshot and initial_metadata. Sections absent from the snapshot
 * that the document has are deleted; unknown keys inside kept ones stay.
 * -EINVAL: not a snapshot; *ret_reason (may be NULL) then says why in serde's
 * words, malloc()ed. *ret_changed (may be NULL). */
int metadata_set_snapshot(struct notebook *nb, const char *json, size_t n, bool *ret_changed, char **ret_reason);
/* Puts back unknown keys inside kernelspec, language_info, uv, conda and deno
 * that a peer lost by replacing the whole section since the last call. Called
 * after a refresh that reported `metadata`; commits nothing. */
int metadata_repair(struct notebook *nb, bool *ret_changed);

/* The whole metadata map as JSON ("{}" when missing). */
int metadata_json(struct notebook *nb, struct buf *out);
/* Makes the map equal to the JSON object (a file's metadata), in place; keys of
 * the document alone that no file holds (`runtime`, `ephemeral`) stay. A runt
 * without schema_version gets one, and top-level uv and conda of old files
 * become a runt (documents.md 3.9), so that clients can read them. */
int metadata_set_json(struct notebook *nb, const char *json, size_t n);
/* True for keys of the metadata map that stay out of files. */
bool metadata_key_is_internal(const char *key, size_t n);
/* GetRawMetadata: a scalar Str or NULL; caller frees. */
char *metadata_get_raw(struct notebook *nb, const char *key);
/* SetRawMetadata: always stores a Str. */
int metadata_set_raw(struct notebook *nb, const char *key, const char *value, size_t n);
/* Any JSON value under a key of the metadata map; NULL deletes. */
int metadata_set_value(struct notebook *nb, const char *key, const char *json);

/* "python", "deno" or NULL (unknown). */
const char *metadata_runtime(const struct metadata *m);
const char *notebook_runtime(struct notebook *nb);
/* A new notebook's: runtime exactly "deno", anything else python; conda says
 * which section a Python one gets. */
int metadata_write_default(struct notebook *nb, const char *runtime, bool conda, const char *env_id);

/* Dependencies: the package name of a specifier, lower case, malloc()ed. */
char *dependency_name(const char *spec);
/* Replaces the same-named entry (it goes to the end); creates the section. */
int metadata_add_dependency(struct notebook *nb, bool conda, const char *spec);
int metadata_remove_dependency(struct notebook *nb, bool conda, const char *name, bool *ret_removed);
#endif
