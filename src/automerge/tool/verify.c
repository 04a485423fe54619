/* verify: is a file good, and what is left of it if not. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "automerge/tool/tool.h"

static void print_hex(FILE *f, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
}

static void print_heads(FILE *f, am_doc *doc)
{
	size_t n;
	const am_hash *heads = am_heads(doc, &n);
	fputs("heads:", f);
	for (size_t i = 0; i < n; i++) {
		putc(' ', f);
		print_hex(f, heads[i].b, sizeof heads[i].b);
	}
	putc('\n', f);
}

static int print_missing(am_doc *doc, const char *path)
{
	am_hash *missing = NULL;
	size_t n = 0;
	int rc = am_missing_deps(doc, NULL, 0, &missing, &n);
	if (rc)
		return tool_fail(path, am_strerror(rc));
	for (size_t i = 0; i < n; i++) {
		fputs(i ? " " : "missing: ", stdout);
		print_hex(stdout, missing[i].b, sizeof missing[i].b);
	}
	if (n)
		putchar('\n');
	am_hashes_free(doc, missing);
	return 0;
}

/* ---- salvage ---- */

static int print_loss(void *ctx, const am_loss *loss)
{
	static const char *const types[] = {"document", "change", "change", "bundle"};
	FILE *f = ctx;
	switch (loss->kind) {
	case AM_LOSS_BYTES:
		fprintf(f, "lost: %zu bytes at %zu: %s\n", loss->n, loss->at, am_strerror(loss->error));
		break;
	case AM_LOSS_CHUNK:
		fprintf(f, "damaged: %s of %zu bytes at %zu: %s\n", loss->type < 4 ? types[loss->type] : "chunk", loss->n,
			loss->at, am_strerror(loss->error));
		break;
	case AM_LOSS_CHANGE:
		fputs("lost: change ", f);
		print_hex(f, loss->actor, loss->actor_n);
		fprintf(f, " %" PRIu64 "\n", loss->seq);
		break;
	case AM_LOSS_DEPENDENCY:
		fputs("missing: ", f);
		print_hex(f, loss->hash.b, sizeof loss->hash.b);
		putc('\n', f);
	}
	return 0;
}

static int salvage(const struct tool_args *args)
{
	const char *path = args->files[0];
	FILE *f = strcmp(args->out, "-") ? stdout : stderr;
	struct buf file = {0};
	if (tool_read(path, &file))
		return 1;
	am_opts opts = tool_opts();
	am_salvage_report r;
	am_doc *doc = NULL;
	int rc = am_salvage(file.p, file.n, &opts, print_loss, f, &r, &doc);
	buf_free(&file);
	if (rc)
		return tool_fail(path, am_strerror(rc));
	fprintf(f, "chunks: %zu, damaged %zu, mended %zu\nlost: %zu bytes, %zu known changes\n", r.chunks, r.bad_chunks,
		r.mended_chunks, r.lost_bytes, r.lost_changes);
	fprintf(f, "saved: %zu changes, %zu waiting for %zu missing\n", r.changes, r.queued, r.missing);
	print_heads(f, doc);
	bool lost = r.lost_bytes || r.bad_chunks || r.missing;
	int status;
	if (lost && !r.changes && !r.queued)
		status = tool_fail(path, "nothing in it is sound");
	else
		status = tool_save(doc, args->out, 0);
	am_free(doc);
	return status ? status : lost ? TOOL_EXIT_LOSS : 0;
}

/* Loading re-derives and re-hashes the whole history; what is left is to say so. */
int cmd_verify(const struct tool_args *args)
{
	am_doc *doc = NULL;
	if (args->options & TOOL_SALVAGE)
		return salvage(args);
	if (tool_load(args->files[0], &doc))
		return 1;
	printf("changes: %zu\nops: %zu\n", am_change_count(doc), am_op_count(doc));
	print_heads(stdout, doc);
	int status = print_missing(doc, args->files[0]);
	am_free(doc);
	return status;
}
