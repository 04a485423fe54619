/* Versions: counting, reading their parts, and the bytes of the whole file. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "notebook/ipynb_impl.h"

static pthread_mutex_t hash_lock = PTHREAD_MUTEX_INITIALIZER;

struct ipynb_version *ipynb_empty(void)
{
	static const char *const parts[3] = {"{\n \"cells\": [", "],\n \"metadata\": ",
					     ",\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n"};
	struct ipynb_version *v = xcalloc(1, sizeof *v);

	v->refs = 1;
	v->minor = 5;
	v->style = json_style_notebook;
	v->metadata = ipynb_text_dup("{}", 2);
	v->frame = xcalloc(1, sizeof *v->frame);
	v->frame->refs = 1;
	v->frame->has_metadata = true;
	for (size_t i = 0; i < 3; i++) {
		v->frame->part[i] = xstrdup(parts[i]);
		v->frame->n[i] = strlen(parts[i]);
	}
	return v;
}

struct ipynb_version *ipynb_ref(struct ipynb_version *v)
{
	v->refs++;
	return v;
}

void ipynb_frame_unref(struct ipynb_frame *f)
{
	if (!f || --f->refs > 0)
		return;
	for (size_t i = 0; i < 3; i++)
		free(f->part[i]);
	free(f);
}

void ipynb_unref(struct ipynb_version *v)
{
	if (!v || --v->refs > 0)
		return;
	for (size_t i = 0; i < v->cells.n; i++)
		ipynb_cell_unref(v->cells.p[i]);
	VEC_FREE(&v->cells);
	ipynb_frame_unref(v->frame);
	free(v->metadata.p);
	free(v->close);
	free(v);
}

size_t ipynb_cell_count(const struct ipynb_version *v)
{
	return v->cells.n;
}

const char *ipynb_cell_id(const struct ipynb_version *v, size_t i)
{
	return v->cells.p[i]->id;
}

int ipynb_minor(const struct ipynb_version *v)
{
	return v->minor;
}

const char *ipynb_metadata(const struct ipynb_version *v, size_t *ret_n)
{
	if (ret_n)
		*ret_n = v->metadata.n;
	return v->metadata.p;
}

/* A cell not rendered yet is seen through what it will be rendered from. */
static void fields_view(const struct ipynb_cell *c, struct ipynb_cell_view *ret)
{
	struct ipynb_cell_view v = {0};

	v.type = xstrdup(c->fields->type);
	v.source = xmemdup(c->fields->source, c->fields->source_n + 1);
	v.source_n = c->fields->source_n;
	v.execution_count = xstrdup(c->fields->execution_count);
	v.metadata = xstrdup(c->fields->metadata);
	*ret = v;
}

void ipynb_cell_view(const struct ipynb_version *v, size_t i, struct ipynb_cell_view *ret)
{
	const struct ipynb_text *t = ipynb_cell_peek(v->cells.p[i]);

	if (t)
		ipynb_text_view(t, ret);
	else
		fields_view(v->cells.p[i], ret);
}

/* The newest text of a cell: its own, or that of what it is an edit of. */
static const struct ipynb_text *newest_text(struct ipynb_cell *c)
{
	const struct ipynb_text *t = NULL;

	while (c && !(t = ipynb_cell_peek(c)))
		c = c->base;
	return t;
}

char *ipynb_attachments(const struct ipynb_version *v, const char *cell_id)
{
	for (size_t i = 0; i < v->cells.n; i++) {
		struct ipynb_cell_view view;
		const struct ipynb_text *t;
		char *s;

		if (strcmp(v->cells.p[i]->id, cell_id) != 0)
			continue;
		t = newest_text(v->cells.p[i]);
		/* Most cells have none: no need to take the text apart. */
		if (!t || !memmem(t->p, t->n, "\"attachments\"", 13))
			return NULL;
		ipynb_text_view(t, &view);
		s = view.attachments;
		view.attachments = NULL;
		ipynb_cell_view_fini(&view);
		return s;
	}
	return NULL;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

void ipynb_style_lead(struct buf *out, const struct json_style *style, size_t i)
{
	if (style->multiline)
		json_style_newline(out, style, 2);
	else if (i > 0 && !style->tight)
		buf_append_byte(out, ' ');
}

static void put_close(const struct ipynb_version *v, struct buf *out)
{
	const char *close = v->close;

	/* Foreign elements behind the last cell bring their comma along. */
	if (close) {
		const char *first = close + strspn(close, " \t\r\n");
		if (v->cells.n == 0 && *first == ',')
			close = first + 1;
		buf_append_str(out, close);
	} else if (v->cells.n > 0) {
		json_style_newline(out, &v->style, 1);
	}
}

static void put_cells(const struct ipynb_version *v, const struct notebook_blobs *blobs, struct buf *out)
{
	for (size_t i = 0; i < v->cells.n; i++) {
		struct ipynb_cell *c = v->cells.p[i];
		const struct ipynb_text *t = ipynb_cell_text(c, &v->style, v->minor, blobs);

		if (i > 0)
			buf_append_byte(out, ',');
		if (c->lead)
			buf_append_str(out, c->lead);
		else
			ipynb_style_lead(out, &v->style, i);
		buf_append(out, t->p, t->n);
		if (c->tail && i + 1 < v->cells.n)
			buf_append_str(out, c->tail);
	}
	put_close(v, out);
}

/* In a file without metadata the hole stands behind the opening brace. */
static void put_metadata(const struct ipynb_version *v, struct buf *out)
{
	if (v->frame->has_metadata) {
		buf_append(out, v->metadata.p, v->metadata.n);
	} else if (strcmp(v->metadata.p, "{}") != 0) {
		json_style_newline(out, &v->style, 1);
		buf_append_str(out, "\"metadata\"");
		json_style_colon(out, &v->style);
		buf_append(out, v->metadata.p, v->metadata.n);
		buf_append_byte(out, ',');
	}
}

int ipynb_bytes(struct ipynb_version *v, const struct notebook_blobs *blobs, struct buf *out)
{
	const struct ipynb_frame *f = v->frame;
	size_t from = out->n;
	uint8_t hash[SHA256_BYTES];

	for (int i = 0; i < 3; i++) {
		buf_append(out, f->part[i], f->n[i]);
		if (i == 2)
			break;
		if ((i == 0) == f->metadata_first)
			put_metadata(v, out);
		else
			put_cells(v, blobs, out);
	}
	sha256(hash, out->p + from, out->n - from);
	pthread_mutex_lock(&hash_lock);
	memcpy(v->sha256, hash, sizeof hash);
	v->hashed = true;
	pthread_mutex_unlock(&hash_lock);
	return 0;
}

int ipynb_sha256(struct ipynb_version *v, const struct notebook_blobs *blobs, uint8_t ret[SHA256_BYTES])
{
	struct buf out = {0};
	bool hashed;

	pthread_mutex_lock(&hash_lock);
	hashed = v->hashed;
	pthread_mutex_unlock(&hash_lock);
	if (!hashed) {
		ipynb_bytes(v, blobs, &out);
		buf_free(&out);
	}
	memcpy(ret, v->sha256, SHA256_BYTES);
	return 0;
}
