/* heads, json, changes: what is in a file. */
#include <stdio.h>

#include "automerge/tool/change_json.h"
#include "automerge/tool/tool.h"
#include "base/bytes.h"

static void print_hash(const am_hash *h, const char *before, const char *after)
{
	char hex[2 * sizeof h->b + 1];
	hex_encode(hex, h->b, sizeof h->b);
	printf("%s%s%s", before, hex, after);
}

int cmd_heads(const struct tool_args *args)
{
	am_doc *doc = NULL;
	if (tool_load(args->files[0], &doc))
		return 1;
	size_t n;
	const am_hash *heads = am_heads(doc, &n);
	for (size_t i = 0; i < n; i++)
		print_hash(&heads[i], "", "\n");
	am_free(doc);
	return 0;
}

int cmd_json(const struct tool_args *args)
{
	am_doc *doc = NULL;
	if (tool_load(args->files[0], &doc))
		return 1;
	am_buf json = {0};
	int rc = am_json(doc, NULL, AM_ROOT, args->options & TOOL_CONFLICTS, &json);
	int status = rc ? tool_fail(args->files[0], am_strerror(rc)) : 0;
	if (!status) {
		fwrite(json.p, 1, json.n, stdout);
		putchar('\n');
	}
	am_buf_free(&json);
	am_free(doc);
	return status;
}

static int print_change(am_doc *doc, size_t i, bool with_ops, struct buf *line, am_buf *chunk)
{
	am_change_info info;
	int rc = am_change_at(doc, i, &info);
	if (!rc && with_ops)
		rc = am_change_bytes(doc, i, chunk);
	buf_clear(line);
	if (!rc)
		rc = change_json_append(line, &info, with_ops ? chunk : NULL);
	if (rc)
		return rc;
	buf_append_byte(line, '\n');
	fwrite(line->p, 1, line->n, stdout);
	return 0;
}

int cmd_changes(const struct tool_args *args)
{
	am_doc *doc = NULL;
	if (tool_load(args->files[0], &doc))
		return 1;
	struct buf line = {0};
	am_buf chunk = {0};
	int rc = 0;
	size_t n = am_change_count(doc);
	for (size_t i = 0; i < n && !rc; i++)
		rc = print_change(doc, i, args->options & TOOL_OPS, &line, &chunk);
	buf_free(&line);
	am_buf_free(&chunk);
	am_free(doc);
	return rc ? tool_fail(args->files[0], am_strerror(rc)) : 0;
}
