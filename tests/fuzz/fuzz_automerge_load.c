/* Files: any concatenation of chunks, in every mode. */
#include "automerge_fuzz.h"

static void try_load(const uint8_t *p, size_t n, int flags)
{
	am_opts opts = fuzz_opts();
	am_doc *d;
	am_buf out = {0};

	if (am_load(p, n, &opts, flags, &d))
		return;
	must_survive(d);
	assert(am_json(d, NULL, AM_ROOT, true, &out) == AM_OK);
	for (size_t i = 0; i < am_change_count(d); i++)
		assert(am_change_bytes(d, i, &out) == AM_OK);
	am_buf_free(&out);
	am_free(d);
}

/* On trust anything may come out, but nothing may break. */
static void try_trust(const uint8_t *p, size_t n)
{
	am_opts opts = fuzz_opts();
	am_hash none = {{0}};
	am_doc *d;
	am_buf out = {0};

	if (am_load(p, n, &opts, AM_LOAD_UNVERIFIED, &d))
		return;
	(void)am_json(d, NULL, AM_ROOT, true, &out);
	(void)am_save(d, 0, &out);
	(void)am_has_change(d, &none);
	(void)am_save_after(d, NULL, 0, &out);
	am_buf_free(&out);
	am_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *q = fix_checksums(p, n);

	try_load(p, n, 0);
	try_load(q, n, 0);
	try_load(q, n, AM_LOAD_PARTIAL);
	try_load(q, n, AM_LOAD_STRICT);
	try_trust(q, n);
	free(q);
	return 0;
}
