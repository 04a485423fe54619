/* Shared by the libautomerge fuzzers. */
#ifndef AUTOMERGE_FUZZ_H
#define AUTOMERGE_FUZZ_H
#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "automerge/automerge.h"
#include "automerge_mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define FUZZ_OPS 4000
#define FUZZ_INFLATE ((size_t)128 << 10)

/* Counts what the library holds. Within its limits it may hold some bytes for each
 * operation and each inflated byte they allow, and 50 for each byte of input. */
struct fuzz_mem {
	size_t live, peak;
};
static inline void *fuzz_realloc(void *ctx, void *p, size_t n)
{
	struct fuzz_mem *m = ctx;
	void *q;

	m->live -= p ? malloc_usable_size(p) : 0;
	if (n == 0) {
		free(p);
		return NULL;
	}
	q = realloc(p, n);
	assert(q);
	m->live += malloc_usable_size(q);
	if (m->live > m->peak)
		m->peak = m->live;
	return q;
}
static inline void fuzz_mem_check(const struct fuzz_mem *m, size_t n)
{
	assert(m->peak <= 50 * n + 600 * FUZZ_OPS + 4 * FUZZ_INFLATE + (2 << 20));
}

/* Small enough that a few bytes cannot ask for gigabytes. */
static inline am_opts fuzz_opts(struct fuzz_mem *m)
{
	return (am_opts){.alloc = {m ? fuzz_realloc : NULL, m}, .max_ops = FUZZ_OPS, .max_inflate = FUZZ_INFLATE,
			 .max_orphans = 64};
}

static inline void assert_same_heads(am_doc *d, am_doc *e)
{
	size_t nx, ny;
	const am_hash *x = am_heads(d, &nx), *y = am_heads(e, &ny);

	assert(nx == ny && memcmp(x, y, nx * sizeof *x) == 0);
}

/* Whatever was accepted must save, and load with the same heads. */
static inline void must_survive(am_doc *d, int flags)
{
	am_buf b = {0};
	am_doc *e;
	int rc = am_save(d, 0, &b);

	assert(rc == AM_OK);
	rc = am_load(b.p, b.n, NULL, flags, &e);
	assert(rc == AM_OK);
	assert_same_heads(d, e);
	am_free(e);
	am_buf_free(&b);
}

/* A document by actor 01 with an object of each kind, all in one change. */
static inline am_doc *fuzz_base(const am_opts *opts, am_objid *ret_text)
{
	am_value v = {.type = AM_COUNTER, .i = 1};
	am_objid o, t;
	am_doc *d = NULL;
	int rc = am_new(opts, &d);

	assert(rc == AM_OK);
	am_set_actor(d, "\x01", 1);
	am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t);
	am_text_splice(d, t, 0, 0, "text", 4);
	am_map_put_object(d, AM_ROOT, "l", 1, AM_LIST, &o);
	am_list_insert(d, o, 0, &v);
	am_map_put_object(d, AM_ROOT, "m", 1, AM_MAP, &o);
	am_map_put(d, o, "a", 1, &v);
	rc = am_commit(d, NULL, 0, 0, NULL);
	assert(rc == AM_OK);
	if (ret_text)
		*ret_text = t;
	return d;
}
#endif
