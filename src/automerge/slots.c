#include "automerge/slots.h"

/* Those that had to step over its place move up. */
void am_slot_drop(const struct am_ops *ops, uint32_t *slot, size_t n, uint32_t entry, am_entry_hash hash)
{
	size_t mask = n - 1, i = hash(ops, entry) & mask;

	while (slot[i] != entry)
		i = (i + 1) & mask;
	for (size_t j = (i + 1) & mask; slot[j] != AM_NONE; j = (j + 1) & mask) {
		if (((j - hash(ops, slot[j])) & mask) < ((j - i) & mask))
			continue;
		slot[i] = slot[j];
		i = j;
	}
	slot[i] = AM_NONE;
}

int am_slots_reserve(am_doc *doc, uint32_t **slot, size_t *n, size_t used, am_entry_hash hash)
{
	size_t want = *n ? *n * 2 : 16;
	uint32_t *p;

	if ((used + 2) * 3 <= *n * 2)
		return AM_OK;
	while ((used + 2) * 3 > want * 2)
		want *= 2;
	p = am_mem_realloc(&doc->a, NULL, want, sizeof *p);
	if (!p)
		return AM_E_NOMEM;
	memset(p, 0xff, want * sizeof *p);
	for (size_t i = 0; i < *n; i++)
		if ((*slot)[i] != AM_NONE)
			am_slot_put(p, want, hash(doc->ops, (*slot)[i]), (*slot)[i]);
	am_mem_free(&doc->a, *slot);
	*slot = p;
	*n = want;
	return AM_OK;
}
