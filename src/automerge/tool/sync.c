/* sync: the protocol between two files, in memory (automerge.md 11). */
#include <stdio.h>
#include <string.h>

#include "automerge/tool/tool.h"

#define ROUNDS_MAX 1000 /* false positives of the bloom filter cost one round each; this many never happen */

struct side {
	am_doc *doc;
	am_sync *sync;
	am_buf message;
};

struct tally {
	size_t rounds, messages, bytes, changes;
};

/* One message each way, generated before either is read. */
static int exchange(struct side s[2], struct tally *t, bool *ret_silent)
{
	int rc = am_sync_generate(s[0].doc, s[0].sync, &s[0].message);
	if (!rc)
		rc = am_sync_generate(s[1].doc, s[1].sync, &s[1].message);
	*ret_silent = !rc && !s[0].message.n && !s[1].message.n;
	for (int i = 0; i < 2 && !rc; i++) {
		if (!s[i].message.n)
			continue;
		am_sync_report report;
		rc = am_sync_receive(s[!i].doc, s[!i].sync, s[i].message.p, s[i].message.n, 0, &report);
		t->messages++;
		t->bytes += s[i].message.n;
		t->changes += rc ? 0 : report.applied;
	}
	return rc;
}

static int converse(struct side s[2], struct tally *t)
{
	bool silent = false;
	while (t->rounds < ROUNDS_MAX) {
		int rc = exchange(s, t, &silent);
		if (rc || silent)
			return rc;
		t->rounds++;
	}
	return AM_E_LIMIT;
}

static bool equal_heads(am_doc *a, am_doc *b)
{
	size_t n_a, n_b;
	const am_hash *h_a = am_heads(a, &n_a), *h_b = am_heads(b, &n_b);
	return n_a == n_b && (!n_a || !memcmp(h_a, h_b, n_a * sizeof *h_a));
}

int cmd_sync(const struct tool_args *args)
{
	struct side s[2] = {0};
	struct tally t = {0};
	int status = 0;
	for (int i = 0; i < 2 && !status; i++) {
		status = tool_load(args->files[i], &s[i].doc);
		if (!status && am_sync_new(NULL, &s[i].sync))
			status = tool_fail("sync", am_strerror(AM_E_NOMEM));
	}
	if (!status) {
		int rc = converse(s, &t);
		if (rc)
			status = tool_fail("sync", am_strerror(rc));
		else if (!equal_heads(s[0].doc, s[1].doc))
			status = tool_fail("sync", "the documents still differ");
		else
			printf("rounds: %zu\nmessages: %zu\nbytes: %zu\nchanges: %zu\n", t.rounds, t.messages, t.bytes,
			       t.changes);
	}
	for (int i = 0; i < 2; i++) {
		am_buf_free(&s[i].message);
		am_sync_free(s[i].sync);
		am_free(s[i].doc);
	}
	return status;
}
