/* A file that reads is reproduced byte for byte; after an edit the export reads
 * again with the same cells; a merge of any file into it ends well. The input
 * is two files around the byte 0xff (which no notebook holds). */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/cells.h"
#include "notebook/ipynb.h"
#include "notebook/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void not_random(void *ctx, void *p, size_t n)
{
	static uint8_t next;

	(void)ctx;
	memset(p, next++, n);
}

static void check_export(struct ipynb_export *e, struct notebook *nb)
{
	struct notebook_changes c;
	struct ipynb_version *v, *again;
	struct buf out = {0};

	assert(notebook_refresh(nb, &c) == 0);
	ipynb_export_note(e, &c);
	notebook_changes_fini(&c);
	assert(ipynb_export_snapshot(e, nb, &v) == 0);
	ipynb_bytes(v, NULL, &out);
	assert(ipynb_read(out.p, out.n, v, &again, NULL) == 0);
	assert(ipynb_cell_count(again) == cells_count(nb));
	ipynb_export_rebase(e, v, true);
	ipynb_unref(v);
	ipynb_unref(again);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const uint8_t *cut = n > 0 ? memchr(p, 0xff, n) : NULL;
	size_t first = cut ? (size_t)(cut - p) : n;
	struct merge_opts opts = {.random = not_random};
	struct merge_result result;
	struct ipynb_version *v, *theirs;
	struct ipynb_export *e;
	struct ipynb_load *load;
	struct notebook *nb;
	struct buf out = {0};

	if (ipynb_read(p, first, NULL, &v, NULL) < 0)
		return 0;
	ipynb_bytes(v, NULL, &out);
	assert(out.n == first && memcmp(out.p, p, first) == 0);
	buf_free(&out);
	assert(notebook_new("runtimed:1", &nb) == 0);
	load = ipynb_load_start(nb, v, NULL);
	while (ipynb_load_step(load) > 0)
		;
	ipynb_load_free(load);
	e = ipynb_export_new();
	ipynb_export_rebase(e, v, false);
	check_export(e, nb);
	if (cells_count(nb) > 0)
		cell_append_source(nb, cells_id_at(nb, 0), "x", 1);
	check_export(e, nb);
	if (cut && ipynb_read(cut + 1, n - first - 1, v, &theirs, NULL) == 0) {
		merge_file(nb, v, theirs, &opts, &result);
		ipynb_export_rebase(e, theirs, false);
		check_export(e, nb);
		ipynb_unref(theirs);
	}
	ipynb_export_free(e);
	ipynb_unref(v);
	notebook_free(nb);
	return 0;
}
