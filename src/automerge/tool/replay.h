/* Replaying a recorded editing session into a document with one text, at the
 * root's key "text". */
#ifndef AUTOMERGE_TOOL_REPLAY_H
#define AUTOMERGE_TOOL_REPLAY_H
#include "automerge/automerge.h"
#include "automerge/tool/trace.h"

struct replay {
	am_doc *doc; /* the caller frees it */
	am_objid text;
};

/* per_edit: one change per patch; otherwise one change for everything
 * (sequential form) or one per transaction (concurrent form). opts must count
 * code points. 0 or an am_err. */
int replay_trace(const struct trace *t, const am_opts *opts, bool per_edit, struct replay *ret);
/* Whether the text is the trace's endContent. */
int replay_check(const struct trace *t, struct replay *r, bool *ret_equal, size_t *ret_length);
#endif
