#include "kernel/transport.h"

void multipart_free(struct multipart *m)
{
	for (size_t i = 0; i < m->parts.n; i++)
		m->parts.p[i].release(m->parts.p[i].owner);
	VEC_FREE(&m->parts);
}

void multipart_add(struct multipart *m, const void *p, size_t n)
{
	void *copy = n ? xmemdup(p, n) : xmalloc(1);
	VEC_PUSH(&m->parts, ((struct part){.p = copy, .n = n, .owner = copy, .release = free}));
}
