/* Recorded editing sessions, read from JSON into flat arrays.
 *
 * Sequential form: {startContent, endContent, txns: [{patches: [[position,
 * deleted, inserted], ...]}]}. Concurrent form: {kind: "concurrent",
 * endContent, numAgents, txns: [{parents: [index...], agent, patches}]}, where
 * the text before a transaction is the merge of its parents. Positions and
 * lengths count Unicode scalar values. Without endContent (the beginning of a
 * session) any end is right. */
#ifndef AUTOMERGE_TOOL_TRACE_H
#define AUTOMERGE_TOOL_TRACE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

#define TRACE_AGENTS_MAX 65536

struct trace_patch {
	uint32_t pos, del;
	uint32_t text, text_n; /* slice of trace.text */
};

struct trace_txn {
	uint32_t patch, n_patches;   /* slice of trace.patches */
	uint32_t parent, n_parents;  /* slice of trace.parents */
	uint32_t agent;
};

struct trace {
	bool concurrent;
	uint32_t n_agents;
	char *text;
	size_t text_n, text_cap;
	char *start, *end; /* contents; start is "" in the concurrent form */
	size_t start_n, end_n;
	VEC(struct trace_patch) patches;
	VEC(struct trace_txn) txns;
	VEC(uint32_t) parents; /* indices of earlier transactions */
};

/* 0, or a negative errno with *ret_why (static) saying what is wrong. */
int trace_parse(const void *json, size_t n, struct trace *ret, const char **ret_why);
void trace_free(struct trace *t);
#endif
