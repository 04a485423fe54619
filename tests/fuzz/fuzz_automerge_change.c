/* One change chunk: decoded alone, then applied to a document that has objects
 * of every kind by the actor 01. */
#include "automerge_fuzz.h"

static am_doc *base_document(void)
{
	am_opts opts = fuzz_opts();
	am_value v = {.type = AM_COUNTER, .i = 1};
	am_objid o;
	am_doc *d = NULL;
	int rc = am_new(&opts, &d);

	assert(rc == AM_OK);
	am_set_actor(d, "\x01", 1);
	am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &o);
	am_text_splice(d, o, 0, 0, "text", 4);
	am_map_put_object(d, AM_ROOT, "l", 1, AM_LIST, &o);
	am_list_insert(d, o, 0, &v);
	am_map_put_object(d, AM_ROOT, "m", 1, AM_MAP, &o);
	am_map_put(d, o, "a", 1, &v);
	rc = am_commit(d, NULL, 0, 0, NULL);
	assert(rc == AM_OK);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *q = fix_checksums(p, n);
	am_change_view *v;
	am_doc *d;
	const am_op_view *ops;

	/* am_change_decode has no limits of its own; skip what could be large. */
	if (n < 400 && am_change_decode(q, n, NULL, &v) == AM_OK) {
		assert(am_change_view_ops(v, &ops) == am_change_view_info(v)->n_ops);
		am_change_view_free(v);
	}
	d = base_document();
	if (am_load_incremental(d, q, n, NULL) == AM_OK)
		must_survive(d);
	am_free(d);
	free(q);
	return 0;
}
