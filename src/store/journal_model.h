/* For tests of the journal: the "document" is the set of numbers appended. A
 * change chunk holds one, a document chunk all. Needs cmocka's assertions. */
#ifndef STORE_JOURNAL_MODEL_H
#define STORE_JOURNAL_MODEL_H
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"

#define ENTRY_MAX 4096

struct model {
	bool has[ENTRY_MAX];
	unsigned n; /* numbers given out: 0 .. n-1 */
	uint64_t seq[ENTRY_MAX];
	size_t padding; /* bytes in each change */
	bool save_fails;
	unsigned saves;
};

static void chunk(struct buf *out, uint8_t type, const void *body, size_t n)
{
	struct buf head = {0};
	uint8_t digest[SHA256_BYTES];
	size_t rest = n;

	buf_append_byte(&head, type);
	do {
		buf_append_byte(&head, (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
		rest >>= 7;
	} while (rest);
	buf_append(&head, body, n);
	sha256(digest, head.p, head.n);
	buf_append(out, "\x85\x6f\x4a\x83", 4);
	buf_append(out, digest, 4);
	buf_append(out, head.p, head.n);
	buf_free(&head);
}

static void change(struct buf *out, uint32_t number, size_t padding)
{
	uint8_t *body = xcalloc(1, 4 + padding);

	memcpy(body, &number, 4);
	chunk(out, 1, body, 4 + padding);
	free(body);
}

/* All chunks here are whole: journal_load says so. */
static void model_load(struct model *m, const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at < n) {
		uint8_t type = p[at + 8];
		size_t len = 0, i = at + 9;
		unsigned shift = 0;
		uint32_t number;

		do {
			len |= (size_t)(p[i] & 0x7f) << shift;
			shift += 7;
		} while (p[i++] & 0x80);
		for (size_t k = 0; k + 4 <= len && (type == 0 || k == 0); k += 4) {
			memcpy(&number, p + i + k, 4);
			assert_true(number < ENTRY_MAX);
			m->has[number] = true;
			if (number >= m->n)
				m->n = number + 1;
		}
		at = i + len;
	}
	assert_int_equal(at, n);
}

/* The whole document as one chunk. */
static void model_save(const struct model *m, struct buf *out)
{
	struct buf body = {0};

	for (uint32_t i = 0; i < m->n; i++)
		if (m->has[i])
			buf_append(&body, &i, 4);
	buf_clear(out);
	chunk(out, 0, body.p, body.n);
	buf_free(&body);
}
#endif
