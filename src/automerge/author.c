/* Authors (crate 0.12): who is behind an actor. Stored as the first bytes behind the
 * columns ("extra bytes") of an actor's first change: 01, length, that many bytes.
 * Earlier releases carry it along unread. */
#include "automerge/change.h"
#include "automerge/internal.h"

#define AUTHOR_MAX 65536

bool am_change_author(const uint8_t *extra, size_t n, struct am_bytes *ret)
{
	struct am_in in = am_in_of(extra, n);
	uint64_t id, len;

	if (!n || am_in_uleb_any(&in, &id) || id != 1 || am_in_uleb_any(&in, &len) || len > am_in_left(&in))
		return false;
	if (ret)
		*ret = (struct am_bytes){in.p, (size_t)len};
	return true;
}

void am_author_stamp(const am_doc *doc, am_change *c)
{
	if (!doc->footer || c->seq != 1)
		return;
	c->extra = doc->footer;
	c->extra_n = doc->footer_n;
}

int am_author_copy(am_doc *to, const am_doc *from)
{
	uint8_t *copy;

	if (!from->footer)
		return AM_OK;
	copy = am_mem_alloc(&to->a, from->footer_n);
	if (!copy)
		return AM_E_NOMEM;
	memcpy(copy, from->footer, from->footer_n);
	to->footer = copy;
	to->footer_n = from->footer_n;
	return AM_OK;
}

/* The author an actor's changes name: the last footer counts, as in the crate. */
static bool author_of(const am_doc *doc, uint32_t actor, struct am_bytes *ret)
{
	const struct am_graph *g = &doc->graph;
	bool any = actor < g->actor.n && g->actor.p[actor].has_author;

	for (uint32_t seq = any ? am_graph_seq_count(g, actor) : 0; seq; seq--) {
		struct am_bytes extra = am_graph_extra(g, am_graph_by_seq(g, actor, seq));

		if (am_change_author(extra.p, extra.n, ret))
			return true;
	}
	return false;
}

/* ---- public ---- */

static bool is_author(const struct am_out *footer, const struct am_bytes *author)
{
	struct am_bytes x;

	return am_change_author(footer->p, footer->n, &x) && x.n == author->n &&
	       (x.n == 0 || memcmp(x.p, author->p, x.n) == 0);
}

int am_set_author(am_doc *doc, const void *author, size_t n)
{
	struct am_out footer = {.a = &doc->a};
	uint32_t self = doc->self ? am_actors_find(&doc->actors, doc->self, doc->self_n) : AM_NONE;
	struct am_bytes now;
	int rc = author && n > AUTHOR_MAX ? AM_E_LIMIT : AM_OK;

	if (author && rc == AM_OK) { /* before the commit: it may be what another change names */
		am_out_byte(&footer, 1);
		am_out_block(&footer, author, n);
		rc = footer.err;
	}
	if (rc == AM_OK)
		rc = am_tx_flush(doc);
	if (rc == AM_OK && self != AM_NONE && am_graph_by_seq(&doc->graph, self, 1) != AM_NONE) {
		bool has = author_of(doc, self, &now);

		if (has != (author != NULL) || (has && !is_author(&footer, &now)))
			rc = AM_E_TX;
	}
	if (rc) {
		am_out_free(&footer);
		return rc;
	}
	am_mem_free(&doc->a, doc->footer);
	doc->footer = footer.p;
	doc->footer_n = footer.n;
	return AM_OK;
}

const uint8_t *am_author(const am_doc *doc, size_t *ret_n)
{
	struct am_bytes author = {0};

	if (!doc->footer || !am_change_author(doc->footer, doc->footer_n, &author))
		return NULL;
	*ret_n = author.n;
	return author.p;
}

const uint8_t *am_actor_author(const am_doc *doc, uint32_t actor, size_t *ret_n)
{
	struct am_bytes author;

	if (!author_of(doc, actor, &author))
		return NULL;
	*ret_n = author.n;
	return author.p;
}
