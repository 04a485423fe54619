/* Images that markdown cells name (documents.md 12): attachments and files in
 * the notebook's directory, put into the blob store and listed per cell in
 * `resolved_assets`. */
#ifndef NOTEBOOK_ASSETS_H
#define NOTEBOOK_ASSETS_H
#include "notebook/blobs.h"
#include "notebook/metadata.h"
#include "notebook/notebook.h"

#define ASSET_MAX_BYTES (25u << 20)

/* References that may be resolved, in order of first appearance, each once. */
void assets_extract(const char *markdown, size_t n, struct str_list *ret);

struct assets_env {
	const struct notebook_blobs *blobs;
	/* The cell's attachments as nbformat JSON, malloc()ed, or NULL. */
	char *(*attachments)(void *ctx, const char *cell_id);
	/* The bytes of a file below the notebook's directory (symbolic links
	 * resolved, still inside, at most ASSET_MAX_BYTES), appended; negative when
	 * there is none. NULL for rooms without a path. */
	int (*read_file)(void *ctx, const char *relative, struct buf *out);
	void *ctx;
};
/* The media type of a file name, NULL when it is no image we serve. */
const char *assets_media_type(const char *name);
/* Resolves one cell and updates its resolved_assets; *ret_changed may be NULL. */
int assets_resolve_cell(struct notebook *nb, const char *cell_id, const struct assets_env *env, bool *ret_changed);
/* The markdown cells among the changes (all of them when `changes` is NULL). */
int assets_resolve(struct notebook *nb, const struct notebook_changes *changes, const struct assets_env *env,
		   bool *ret_changed);
#endif
