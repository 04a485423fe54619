/* The small JSON file beside a journal that says whose it is and what it was
 * exported as (rooms.md 7.2):
 * {id, kind, path?, uuid?, baseline_sha256?, exported_heads, writing_sha256?,
 * writing_heads?, doc_heads, updated_at} */
#ifndef STORE_SIDECAR_H
#define STORE_SIDECAR_H
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "host/host.h"

#define SIDECAR_MAX (1u << 20)

struct sidecar {
	char *id;
	char *kind; /* "path", "untitled", "opaque" */
	char *path; /* may be NULL, as the other single strings below */
	char *uuid;
	char *baseline_sha256; /* 64 hex of the .ipynb bytes the document is based on */
	char **exported_heads; /* 64 hex each */
	size_t n_exported_heads;
	char *writing_sha256; /* of a write that was begun: with it in place, these heads are exported */
	char **writing_heads;
	size_t n_writing_heads;
	char **doc_heads;
	size_t n_doc_heads;
	int64_t updated_at_ns; /* RFC 3339 in the file */
};

void sidecar_free(struct sidecar *sc); /* and zeroes it */
void sidecar_copy(struct sidecar *dst, const struct sidecar *src);
/* Appends the JSON text. */
void sidecar_render(struct buf *out, const struct sidecar *sc);
/* -EINVAL when it is not a sidecar; unknown keys are ignored. */
int sidecar_parse(const void *p, size_t n, struct sidecar *ret);
int sidecar_read(struct host *h, const char *path, struct sidecar *ret);
int sidecar_write(struct host *h, const char *path, const struct sidecar *sc);
#endif
