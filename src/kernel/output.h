/* Outputs: nbformat's form, the manifest form that documents point at, and the
 * way between them (kernels.md 9, documents.md 3.8 and 9.3).
 *
 * A document holds one string per output, its *entry*: the 64 lower-case hex
 * digits of a manifest blob, or nbformat JSON where no manifest could be stored. */
#ifndef KERNEL_OUTPUT_H
#define KERNEL_OUTPUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/uuid.h"

#define OUTPUT_MANIFEST_TYPE "application/x-jupyter-output+json"
#define OUTPUT_INLINE_MAX 8192		      /* text below this many bytes stays inside the manifest */
#define OUTPUT_BLOB_MAX (100u * 1024u * 1024u) /* blobs above are refused (kernels.md 10) */
#define OUTPUT_ENTRY_MAX (64u * 1024u)	      /* longest nbformat JSON a document may hold (17, O3) */

/* The blob store as this layer sees it. */
struct output_blobs {
	void *ctx;
	/* Stores p and writes its hash; 0 or -errno (-EFBIG over OUTPUT_BLOB_MAX). The blob can be read as soon as
	 * this returns. */
	int (*put)(void *ctx, const void *p, size_t n, const char *media_type, char ret_hash[65]);
	/* Appends the bytes to out; 0, or -ENOENT. */
	int (*get)(void *ctx, const char *hash, struct buf *out);
	/* The blob is no longer what a document shows; it may go after a grace of >= 60 s. May be NULL. */
	void (*superseded)(void *ctx, const char *hash);
	/* True when it is there. Needed to tell what this daemon made from what others may point at; without it nothing
	 * is ever superseded. May be NULL. */
	bool (*exists)(void *ctx, const char *hash);
};
struct blob_store;
/* The daemon's blob store in this form. */
struct output_blobs output_blobs_from_store(struct blob_store *store);

enum output_type { OUTPUT_STREAM, OUTPUT_DISPLAY_DATA, OUTPUT_EXECUTE_RESULT, OUTPUT_ERROR };
/* "stream", "display_data", "execute_result", "error". */
const char *output_type_name(enum output_type type);

/* One output of an execution. */
struct output {
	char id[UUID_TEXT]; /* never changes, also when the content is replaced */
	uint64_t seq;	    /* grows over all outputs of a queue */
	enum output_type type;
	char *entry;	  /* what the document holds */
	char *display_id; /* or NULL */
	char *text_hash;  /* blob of a stream's text, to be given up when superseded; or NULL */
};
void output_fini(struct output *o);

/* True when a media type's payload is base64 in nbformat and raw bytes in the blob store (kernels.md 9). */
bool output_media_is_binary(const char *media_type, size_t n);
/* True for application/json and +json: the payload is a JSON value, not a string. */
bool output_media_is_json(const char *media_type, size_t n);

/* Makes the entry of one nbformat output object (JSON text; also the content of a kernel message when `type` is
 * given and the text has no output_type). `data` keeps its order. Over-limit data becomes a short notice output;
 * an output that cannot be stored becomes nbformat JSON. Never fails for well-formed objects: -EINVAL when json is
 * no object of a known output type. *ret_display_id may be NULL. Outputs are the caller's to free(). */
int output_store(const struct output_blobs *blobs, const char *type, const char *json, size_t n, char **ret_entry,
		 char **ret_display_id, enum output_type *ret_type);
/* The same for stream text. */
struct output_stream_entry {
	char *entry;	/* malloced */
	char *text_hash; /* the text's blob, or NULL when it is in the manifest; malloced */
	bool own_entry, own_text; /* nobody had these blobs before: they may be superseded */
};
void output_store_stream(const struct output_blobs *blobs, const char *name, const char *text, size_t n,
			 struct output_stream_entry *ret);
/* nbformat JSON text of an entry, appended to out: keys in the order of documents.md 9.3, transient stripped,
 * stream text as one string. A hash that cannot be resolved becomes the stderr stream
 * `[output could not be resolved]`, a text that is no JSON `[invalid output JSON]`; then -ENOENT / -EINVAL is
 * returned, out is complete all the same. */
int output_load(const struct output_blobs *blobs, const char *entry, struct buf *out);
/* Every blob an entry needs, the manifest itself included (marks for garbage collection). */
int output_each_blob(const struct output_blobs *blobs, const char *entry, void (*each)(void *ctx, const char *hash),
		     void *ctx);
/* Type and display id of an entry (reads the manifest); display id is malloced or NULL. */
int output_inspect(const struct output_blobs *blobs, const char *entry, enum output_type *ret_type,
		   char **ret_display_id);
/* The entry with data and metadata replaced (JSON object texts), id and type kept (kernels.md 11). */
int output_replace_data(const struct output_blobs *blobs, const char *entry, const char *data, size_t data_n,
			const char *metadata, size_t metadata_n, char **ret_entry);
#endif
