/* Pieces of metadata.h that only this folder uses. */
#ifndef NOTEBOOK_METADATA_PARSE_H
#define NOTEBOOK_METADATA_PARSE_H
#include "notebook/json_text.h"
#include "notebook/metadata.h"

/* legacy: top-level uv and conda stand in for a runt that does not parse. */
int metadata_parse_tree(const struct json_tree *t, uint32_t node, bool legacy, struct metadata *ret);
/* NULL when the value is a NotebookMetadataSnapshot, else why not; malloc()ed. */
char *metadata_snapshot_reason(const struct json_tree *t);
bool metadata_runt_key_is_known(const char *key, size_t n);
/* The typed section alone, as it is signed (environments.md 12). */
void metadata_format_uv(const struct metadata *m, struct buf *out);
void metadata_format_conda(const struct metadata *m, struct buf *out);
#endif
