/* Giving memory back that was only kept to make the next edits cheap. */
#include "automerge/change.h"
#include "automerge/internal.h"
#include "automerge/span.h"

static void shrink_graph(const am_allocator *a, struct am_graph *g)
{
	am_vec_fit(a, &g->hash);
	am_vec_fit(a, &g->run);
	am_vec_fit(a, &g->block);
	am_vec_fit(a, &g->time);
	am_vec_fit(a, &g->more);
	am_vec_fit(a, &g->lists);
	am_vec_fit(a, &g->bytes);
	am_vec_fit(a, &g->texts);
	am_vec_fit(a, &g->text_slot);
	am_vec_fit(a, &g->heads);
	am_vec_fit(a, &g->head_rows);
	am_vec_fit(a, &g->flag);
	for (size_t i = 0; i < g->actor.n; i++)
		am_vec_fit(a, &g->actor.p[i]);
	am_vec_fit(a, &g->actor);
	am_vec_free(a, &g->heap);
	am_vec_free(a, &g->touched);
}

static void shrink_ops(const am_allocator *a, struct am_ops *ops)
{
	am_vec_fit(a, &ops->span);
	am_vec_fit(a, &ops->reg);
	am_vec_fit(a, &ops->node);
	am_vec_fit(a, &ops->obj);
	am_vec_fit(a, &ops->succ);
	am_vec_fit(a, &ops->sum);
	am_vec_fit(a, &ops->key);
	am_vec_fit(a, &ops->heap);
	am_vec_fit(a, &ops->names);
	am_vec_fit(a, &ops->actor);
	am_vec_free(a, &ops->undo);
	am_vec_free(a, &ops->refs);
	am_vec_free(a, &ops->order);
	am_vec_free(a, &ops->keys.reg);
	am_keys_drop(ops);
}

void am_doc_fit(am_doc *doc)
{
	shrink_graph(&doc->a, &doc->graph);
	shrink_ops(&doc->a, doc->ops);
}

int am_shrink(am_doc *doc)
{
	if (doc->tx)
		return AM_E_TX; /* what it may have to take back has its room reserved */
	am_scratch_drop(doc->scratch);
	am_graph_uncache(&doc->graph, &doc->a);
	am_doc_fit(doc);
	return AM_OK;
}
