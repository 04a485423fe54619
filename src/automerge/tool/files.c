/* save, merge, apply, anonymize: files made of files. */
#include <stdio.h>
#include <string.h>

#include "automerge/tool/tool.h"

static int save_flags(const struct tool_args *args)
{
	return args->options & TOOL_PLAIN ? AM_SAVE_PLAIN : 0;
}

int cmd_save(const struct tool_args *args)
{
	am_doc *doc = NULL;
	if (tool_load(args->files[0], &doc))
		return 1;
	int status = tool_save(doc, args->out, save_flags(args));
	am_free(doc);
	return status;
}

static int merge_file(am_doc *doc, const char *path)
{
	am_doc *other = NULL;
	if (tool_load(path, &other))
		return 1;
	int rc = am_merge(doc, other);
	am_free(other);
	return rc ? tool_fail(path, am_strerror(rc)) : 0;
}

int cmd_merge(const struct tool_args *args)
{
	am_doc *doc = NULL;
	if (tool_load(args->files[0], &doc))
		return 1;
	int status = 0;
	for (size_t i = 1; i < args->n_files && !status; i++)
		status = merge_file(doc, args->files[i]);
	if (!status)
		status = tool_save(doc, args->out, save_flags(args));
	am_free(doc);
	return status;
}

static int apply_file(am_doc *doc, const char *path, size_t *ret_queued)
{
	struct buf file = {0};
	if (tool_read(path, &file))
		return 1;
	am_load_report report = {0};
	int rc = am_apply(doc, file.p, file.n, &report);
	buf_free(&file);
	if (rc)
		return tool_fail(path, am_strerror(rc));
	*ret_queued = report.queued;
	return 0;
}

int cmd_apply(const struct tool_args *args)
{
	am_doc *doc = NULL;
	if (tool_load(args->files[0], &doc))
		return 1;
	int status = 0;
	size_t queued = 0;
	for (size_t i = 1; i < args->n_files && !status; i++)
		status = apply_file(doc, args->files[i], &queued);
	if (!status && queued)
		fprintf(stderr, "automerge: %zu change%s kept, waiting for dependencies\n", queued, queued == 1 ? "" : "s");
	if (!status)
		status = tool_save(doc, args->out, save_flags(args));
	am_free(doc);
	return status;
}

/* The seed is never told: nobody can undo what nobody can repeat. */
int cmd_anonymize(const struct tool_args *args)
{
	uint8_t seed[32];
	am_doc *doc = NULL, *masked = NULL;
	if (tool_load(args->files[0], &doc))
		return 1;
	int status = tool_random(seed, sizeof seed);
	if (!status) {
		int rc = am_anonymize(doc, seed, &masked);
		status = rc ? tool_fail(args->files[0], am_strerror(rc))
			    : tool_save(masked, args->out, save_flags(args));
	}
	explicit_bzero(seed, sizeof seed);
	am_free(masked);
	am_free(doc);
	return status;
}
