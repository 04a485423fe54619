/* What the subcommands of `automerge` share: arguments, files, documents.
 *
 * A subcommand is one function in the table of main.c. It returns the exit
 * status: 0, or 1 after saying `automerge: SUBJECT: reason` in one line; verify
 * --salvage also TOOL_EXIT_LOSS. */
#ifndef AUTOMERGE_TOOL_TOOL_H
#define AUTOMERGE_TOOL_TOOL_H
#include <stdbool.h>
#include <stddef.h>

#include "automerge/automerge.h"
#include "base/buf.h"

#define TOOL_FILE_MAX ((size_t)4 << 30) /* bytes of one input, inflated */

enum tool_option {
	TOOL_OUT = 1, /* -o OUT, required where allowed (with TOOL_SALVAGE: when that is given) */
	TOOL_PLAIN = 2,
	TOOL_CONFLICTS = 4,
	TOOL_OPS = 8,
	TOOL_PER_EDIT = 16,
	TOOL_SALVAGE = 32
};

#define TOOL_EXIT_LOSS 3 /* verify --salvage: something is lost, the rest is in OUT */

struct tool_args {
	char **files; /* the arguments that are no options */
	size_t n_files;
	unsigned options; /* of tool_option, those given */
	const char *out;  /* NULL unless TOOL_OUT */
};

struct tool_command {
	const char *name;
	const char *args; /* for the usage line */
	const char *help; /* NULL: not listed */
	unsigned options; /* of tool_option, those allowed */
	size_t min_files, max_files;
	int (*run)(const struct tool_args *args);
};

/* Says `automerge: subject: reason` on stderr; returns 1. */
int tool_fail(const char *subject, const char *reason);

/* A whole file ("-": standard input) into `out`. 0, or 1 having said why not. */
int tool_read(const char *path, struct buf *out);
/* The same; a gzip file (RFC 1952, one member) is inflated. */
int tool_read_gz(const char *path, struct buf *out);
/* Replaces path ("-": standard output) by the n bytes at p, whole or not at all. */
int tool_write(const char *path, const void *p, size_t n);

/* Options of every document here: positions in code points. */
am_opts tool_opts(void);
/* A document from a file; 0, or 1 having said why not. */
int tool_load(const char *path, am_doc **ret);
/* Writes am_save(doc, flags) to path. */
int tool_save(am_doc *doc, const char *path, int flags);
/* n random bytes, at most 256; 0, or 1 having said why not. */
int tool_random(void *to, size_t n);
/* A document's actor becomes 16 random bytes. */
int tool_random_actor(am_doc *doc);
double tool_seconds(void); /* monotonic */

/* Subcommands, one group a file. */
int cmd_heads(const struct tool_args *args);   /* show.c */
int cmd_json(const struct tool_args *args);
int cmd_changes(const struct tool_args *args);
int cmd_save(const struct tool_args *args);    /* files.c */
int cmd_merge(const struct tool_args *args);
int cmd_apply(const struct tool_args *args);
int cmd_anonymize(const struct tool_args *args);
int cmd_sync(const struct tool_args *args);    /* sync.c */
int cmd_verify(const struct tool_args *args);  /* verify.c */
int cmd_trace(const struct tool_args *args);   /* trace_cmd.c */
int cmd_oracle(const struct tool_args *args);  /* oracle.c */
int cmd_bench(const struct tool_args *args);   /* bench.c */
#endif
