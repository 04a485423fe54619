/* Outputs as a person reads them in a terminal: streams and text/plain as they
 * are, tracebacks with their colours, anything richer as a one-line note. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H
#include "cli/blobs.h"
#include "cli/cli.h"
#include "cli/replica.h"

/* What of one cell's outputs has been shown: streams are shown as they grow. */
struct show {
	const struct cli *cli;
	struct blobs *blobs;
	size_t n_done;      /* outputs shown */
	VEC(char *) seen;   /* those as they were when shown; display updates may change them */
	struct buf partial; /* shown of the stream output number n_done */
	bool at_line_start;
	/* Of the last error output, NULL without one. */
	char *ename, *evalue;
};

void show_init(struct show *s, const struct cli *cli, struct blobs *blobs);
void show_fini(struct show *s);
/* Shows what is new; with `final` also what could still have changed. */
void show_update(struct show *s, const struct replica_outputs *outputs, bool final);
/* A copy of text without ANSI escape sequences; caller frees. */
char *show_strip_ansi(const char *text, size_t n);
#endif
