/* The inside of versions and their cells, for the ipynb_*.c files. */
#ifndef NOTEBOOK_IPYNB_IMPL_H
#define NOTEBOOK_IPYNB_IMPL_H
#include "base/vec.h"
#include "notebook/cells.h"
#include "notebook/ipynb.h"

struct ipynb_text {
	size_t n;
	char *p; /* NUL-terminated */
};

/* One cell of one content. The text is written once, possibly by a worker
 * (under publish_lock of ipynb_cell.c); everything else belongs to the loop. */
struct ipynb_cell {
	unsigned refs;
	unsigned renderers; /* under publish_lock: workers that use fields and base now */
	char *id;
	struct ipynb_text *text; /* the cell object; NULL until rendered */
	char *lead, *tail;       /* bytes around it in the array where not the style's; may hold foreign elements */
	/* What the document held when this was made: entries of its outputs, so
	 * that equal ones are copied; unknown for a file's cell before loading. */
	bool entries_known, id_in_file;
	char **entries;
	size_t n_entries;
	char *attachments;       /* the document's, JSON; NULL or "{}" when the file's own count */
	/* To be rendered: */
	struct cell *fields;     /* NULL once the text is there (dropped by the loop) */
	struct ipynb_cell *base; /* reference; likewise */
};

/* The file around its cells and its metadata: part 0, hole, part 1, hole, part 2. */
struct ipynb_frame {
	unsigned refs;
	char *part[3];
	size_t n[3];
	bool metadata_first;
	bool has_metadata; /* false: the first hole is where the metadata would go */
};

struct ipynb_version {
	unsigned refs;
	bool snapshot; /* made from a document */
	int minor;
	struct json_style style;
	struct ipynb_frame *frame;
	struct ipynb_text metadata; /* the object as it stands in the file */
	VEC(struct ipynb_cell *) cells;
	char *close; /* bytes in front of the closing bracket, when not the style's */
	bool hashed; /* under publish_lock */
	uint8_t sha256[SHA256_BYTES];
};

struct ipynb_cell *ipynb_cell_ref(struct ipynb_cell *c);
void ipynb_cell_unref(struct ipynb_cell *c);
/* Drops what a rendered cell no longer needs; loop thread. */
void ipynb_cell_settle(struct ipynb_cell *c);
/* The cell's text, rendered if need be; any thread. */
const struct ipynb_text *ipynb_cell_text(struct ipynb_cell *c, const struct json_style *style, int minor,
					 const struct notebook_blobs *blobs);
/* NULL while not rendered; any thread. */
const struct ipynb_text *ipynb_cell_peek(struct ipynb_cell *c);

/* Decodes a cell's text. */
void ipynb_text_view(const struct ipynb_text *text, struct ipynb_cell_view *ret);
struct ipynb_text ipynb_text_dup(const char *p, size_t n);
/* The same in one block with its bytes: free() ends it. */
struct ipynb_text *ipynb_text_new(const char *p, size_t n);

/* The document's entry for one nbformat output; malloc()ed. */
char *ipynb_store_output(const struct notebook_blobs *blobs, const char *json);
void ipynb_frame_unref(struct ipynb_frame *f);
/* The bytes the style puts before element i of the cells array. */
void ipynb_style_lead(struct buf *out, const struct json_style *style, size_t i);
#endif
