/* trace: a document from a recorded editing session. */
#include <stdio.h>
#include <string.h>

#include "automerge/tool/replay.h"
#include "automerge/tool/tool.h"
#include "automerge/tool/trace.h"

static int read_trace(const char *path, struct trace *ret)
{
	struct buf file = {0};
	if (tool_read_gz(path, &file))
		return 1;
	const char *why;
	int rc = trace_parse(file.p, file.n, ret, &why);
	buf_free(&file);
	return rc ? tool_fail(path, why) : 0;
}

int cmd_trace(const struct tool_args *args)
{
	struct trace t;
	if (read_trace(args->files[0], &t))
		return 1;
	struct replay r = {0};
	am_opts opts = tool_opts();
	bool equal = false;
	size_t length = 0;
	double start = tool_seconds();
	int rc = replay_trace(&t, &opts, args->options & TOOL_PER_EDIT, &r);
	double seconds = tool_seconds() - start;
	if (!rc)
		rc = replay_check(&t, &r, &equal, &length);
	int status = rc ? tool_fail(args->files[0], am_strerror(rc)) : 0;
	if (!status) {
		/* Standard output is the document's when OUT is `-`. */
		fprintf(strcmp(args->out, "-") ? stdout : stderr, "edits: %zu\nseconds: %.6f\nlength: %zu\n", t.patches.n,
			seconds, length);
		if (!equal)
			status = tool_fail(args->files[0], "the text differs from endContent");
	}
	if (!status)
		status = tool_save(r.doc, args->out, args->options & TOOL_PLAIN ? AM_SAVE_PLAIN : 0);
	am_free(r.doc);
	trace_free(&t);
	return status;
}
