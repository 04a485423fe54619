/* Objects as trees, which live on by themselves. */
#include "automerge/text.h"
#include "automerge/tree.h"
#include "automerge/walk.h"

struct hydrated {
	struct am_arena mem; /* of everything but this */
	am_tree root;
};
struct todo { am_tree *node; uint32_t obj; };
struct hydration {
	am_doc *doc;
	const am_clock *clock;
	struct am_arena *mem;
	AM_VEC(struct todo) todo;
	AM_VEC(am_tree) kids;  /* of one object, until their number is known */
	AM_VEC(uint32_t) objs; /* the slots of those kids */
	struct am_out text;
};

/* Bytes of a scalar become the tree's own. */
static int keep_bytes(struct hydration *h, am_tree *t)
{
	if (t->value.type != AM_STR && t->value.type != AM_BYTES && t->value.type != AM_UNKNOWN)
		return AM_OK;
	t->value.s.p = am_arena_copy(h->mem, t->value.s.p, t->value.s.n);
	return t->value.s.p ? AM_OK : AM_E_NOMEM;
}

static int gather(struct hydration *h, uint32_t obj)
{
	struct am_children c;
	struct am_child kid;
	int rc = am_children_of(h->doc, h->clock, obj, &c);

	h->kids.n = h->objs.n = 0;
	while (rc == AM_OK && am_children_next(&c, &kid)) {
		am_tree t = {.key_n = kid.key_n, .value = kid.value};
		rc = keep_bytes(h, &t);
		if (rc == AM_OK && kid.key && !(t.key = am_arena_copy(h->mem, kid.key, kid.key_n)))
			rc = AM_E_NOMEM;
		if (rc == AM_OK && (am_vec_reserve(&h->doc->a, &h->kids, 1) || am_vec_reserve(&h->doc->a, &h->objs, 1)))
			rc = AM_E_NOMEM;
		if (rc)
			break;
		h->kids.p[h->kids.n++] = t;
		h->objs.p[h->objs.n++] = kid.obj;
	}
	return rc;
}

static int fill_container(struct hydration *h, am_tree *node, uint32_t obj)
{
	am_tree *kids;
	int rc = gather(h, obj);

	if (rc || h->kids.n == 0)
		return rc;
	kids = am_arena_array(h->mem, h->kids.n, sizeof *kids);
	if (!kids || am_vec_reserve(&h->doc->a, &h->todo, h->kids.n))
		return AM_E_NOMEM;
	memcpy(kids, h->kids.p, h->kids.n * sizeof *kids);
	node->children = kids;
	node->n_children = h->kids.n;
	for (size_t i = 0; i < h->kids.n; i++)
		if (h->objs.p[i] != AM_NONE)
			h->todo.p[h->todo.n++] = (struct todo){&kids[i], h->objs.p[i]};
	return AM_OK;
}

static int fill_text(struct hydration *h, am_tree *node, uint32_t obj)
{
	h->text.n = 0;
	am_text_put(h->doc, h->clock, obj, &h->text);
	if (h->text.err)
		return h->text.err;
	node->value.s.n = h->text.n;
	node->value.s.p = am_arena_take(h->mem, &h->text);
	return node->value.s.p ? AM_OK : AM_E_NOMEM;
}

static int hydrate(struct hydration *h, am_tree *root, uint32_t slot)
{
	const struct am_obj *o = &h->doc->ops->obj.p[slot];
	int rc = am_vec_reserve(&h->doc->a, &h->todo, 1);

	root->value.type = (am_type)o->type;
	root->value.id = o->id;
	if (rc == AM_OK)
		h->todo.p[h->todo.n++] = (struct todo){root, slot};
	while (rc == AM_OK && h->todo.n) {
		struct todo t = h->todo.p[--h->todo.n];
		rc = t.node->value.type == AM_TEXT ? fill_text(h, t.node, t.obj) : fill_container(h, t.node, t.obj);
	}
	am_vec_free(&h->doc->a, &h->todo);
	am_vec_free(&h->doc->a, &h->kids);
	am_vec_free(&h->doc->a, &h->objs);
	am_out_free(&h->text);
	return rc;
}

int am_hydrate(am_doc *doc, const am_view *view, am_objid obj, am_tree **ret)
{
	struct hydration h = {.doc = doc, .clock = am_scope(doc, view), .text.a = &doc->a};
	struct hydrated *made;
	uint32_t slot;
	int rc = am_obj_get(doc, h.clock, obj, &slot);

	if (rc)
		return rc;
	made = am_mem_zalloc(&doc->a, sizeof *made);
	if (!made)
		return AM_E_NOMEM;
	am_arena_init(&made->mem, &doc->a);
	h.mem = &made->mem;
	rc = hydrate(&h, &made->root, slot);
	if (rc)
		am_tree_free(&made->root);
	else
		*ret = &made->root;
	return rc;
}

void am_tree_free(am_tree *tree)
{
	struct hydrated *h;
	am_allocator a;

	if (!tree)
		return;
	h = (struct hydrated *)(void *)((char *)tree - offsetof(struct hydrated, root));
	a = h->mem.a;
	am_arena_fini(&h->mem);
	am_mem_free(&a, h);
}
