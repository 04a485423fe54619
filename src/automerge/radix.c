#include "automerge/radix.h"

static bool is_sorted(const struct am_keyed *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (v[i - 1].key > v[i].key)
			return false;
	return true;
}

static void one_pass(const struct am_keyed *from, struct am_keyed *to, size_t n, unsigned shift, const size_t *count)
{
	size_t at[256], sum = 0;

	for (size_t i = 0; i < 256; i++) {
		at[i] = sum;
		sum += count[i];
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i].key >> shift & 0xff]++] = from[i];
}

int am_radix_sort(const am_allocator *a, struct am_keyed *v, size_t n)
{
	size_t count[8][256] = {{0}};
	struct am_keyed *tmp, *from = v, *to;

	if (n < 2 || is_sorted(v, n))
		return AM_OK;
	tmp = am_mem_realloc(a, NULL, n, sizeof *tmp);
	if (!tmp)
		return AM_E_NOMEM;
	to = tmp;
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < 8; k++)
			count[k][v[i].key >> (8 * k) & 0xff]++;
	for (unsigned k = 0; k < 8; k++) {
		struct am_keyed *swap = from;

		if (count[k][v[0].key >> (8 * k) & 0xff] == n)
			continue;
		one_pass(from, to, n, 8 * k, count[k]);
		from = to;
		to = swap;
	}
	if (from != v)
		memcpy(v, from, n * sizeof *v);
	am_mem_free(a, tmp);
	return AM_OK;
}
