#include "protocol/message.h"

void message_memory_free(struct message_memory *m)
{
	if (m->json)
		json_object_put(m->json);
	m->json = NULL;
	for (size_t i = 0; i < m->blocks.n; i++)
		free(m->blocks.p[i]);
	VEC_FREE(&m->blocks);
}
