/* From patches to "what changed": notebook_refresh and notebook_diff. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "notebook/cells.h"
#include "notebook/index.h"
#include "notebook/value.h"

struct watch {
	am_doc *doc;
	struct notebook_changes *c;
	struct map at; /* id -> place in c->cells + 1 */
};

static unsigned field_flag(const char *key, size_t n)
{
	static const struct {
		const char *key;
		unsigned flag;
	} fields[] = {
		{"source", CELL_SOURCE},
		{"outputs", CELL_OUTPUTS},
		{"execution_count", CELL_COUNT},
		{"cell_type", CELL_TYPE},
		{"metadata", CELL_METADATA},
		{"position", CELL_POSITION},
		{"resolved_assets", CELL_ASSETS},
		{"attachments", CELL_ATTACHMENTS},
		{"execution_id", CELL_EXECUTION},
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (strlen(fields[i].key) == n && memcmp(fields[i].key, key, n) == 0)
			return fields[i].flag;
	return CELL_OTHER;
}

static void flag_cell(struct watch *w, const char *id, size_t n, unsigned flag)
{
	uintptr_t at;

	if (memchr(id, '\0', n))
		return;
	at = (uintptr_t)map_get_n(&w->at, id, n);
	if (at == 0) {
		struct cell_change change = {.id = xstrndup(id, n)};
		VEC_PUSH(&w->c->cells, change);
		at = w->c->cells.n;
		map_put_n(&w->at, id, n, (void *)at);
	}
	w->c->cells.p[at - 1].fields |= flag;
}

/* The keys from the root down to where a patch applies, the first three. */
struct patch_path {
	const char *key[3];
	size_t n[3];
	size_t depth; /* keys on the whole way, the patch's own included */
};

/* One more key in front of those that are there. */
static void path_under(struct patch_path *p, const char *key, size_t n)
{
	memmove(p->key + 1, p->key, 2 * sizeof *p->key);
	memmove(p->n + 1, p->n, 2 * sizeof *p->n);
	p->key[0] = key;
	p->n[0] = n;
	p->depth++;
}

static int note_place(void *ctx, const am_place *place)
{
	path_under(ctx, place->key, place->key_n);
	return 0;
}

static int path_of(am_doc *doc, const am_patch *p, struct patch_path *ret)
{
	*ret = (struct patch_path){0};
	path_under(ret, p->key, p->key_n);
	return am_errno(am_path(doc, NULL, p->obj, note_place, ret));
}

static bool key_is(const struct patch_path *path, size_t i, const char *name)
{
	return path->key[i] && path->n[i] == strlen(name) && memcmp(path->key[i], name, path->n[i]) == 0;
}

static void note_cells_patch(struct watch *w, const am_patch *p, const struct patch_path *path)
{
	if (path->depth == 1) {
		w->c->rebuilt = true;
		w->c->order = true;
		return;
	}
	if (!path->key[1])
		return;
	if (path->depth == 2) {
		flag_cell(w, path->key[1], path->n[1], p->kind == AM_PATCH_DELETE ? CELL_REMOVED : CELL_ADDED);
		w->c->order = true;
	} else if (path->key[2]) {
		unsigned flag = field_flag(path->key[2], path->n[2]);
		flag_cell(w, path->key[1], path->n[1], flag);
		if (flag == CELL_POSITION)
			w->c->order = true;
	}
}

static int note_patch(void *ctx, const am_patch *p)
{
	struct watch *w = ctx;
	struct patch_path path;

	/* A new loser beside the same winner changes nothing anyone sees. */
	if (p->kind == AM_PATCH_CONFLICT)
		return 0;
	if (path_of(w->doc, p, &path) < 0)
		return 0;
	if (key_is(&path, 0, "cells"))
		note_cells_patch(w, p, &path);
	else if (key_is(&path, 0, "metadata"))
		w->c->metadata = true;
	return 0;
}

/* ---- scaffold ------------------------------------------------------------------------------- */

static bool view_has_entries(am_doc *doc, const am_view *view, am_objid cell, const char *key)
{
	am_value v;

	return am_map_get(doc, view, cell, key, strlen(key), &v) == AM_OK && am_is_object(v.type) &&
	       am_length(doc, view, v.id) > 0;
}

/* No cell, or an empty code cell, as of the view. */
static bool nobodys(am_doc *doc, const am_view *view, const char *id)
{
	am_value cells, cell, type;

	if (am_map_get(doc, view, AM_ROOT, "cells", 5, &cells) != AM_OK || cells.type != AM_MAP ||
	    am_map_get(doc, view, cells.id, id, strlen(id), &cell) != AM_OK || cell.type != AM_MAP)
		return true;
	if (am_map_get(doc, view, cell.id, "cell_type", 9, &type) == AM_OK &&
	    (type.type != AM_STR || type.s.n != 4 || memcmp(type.s.p, "code", 4) != 0))
		return false;
	return !view_has_entries(doc, view, cell.id, "source") && !view_has_entries(doc, view, cell.id, "outputs") &&
	       !view_has_entries(doc, view, cell.id, "metadata");
}

/* now: the state after, NULL when that is the document as it stands. What a
 * cell was before matters only where nobody's cell is left. */
static void judge(am_doc *doc, struct notebook_changes *c, const am_hash *before, size_t n_before,
		  const am_view *now)
{
	am_view *then = NULL;

	c->visible = c->edit = c->metadata || c->rebuilt;
	for (size_t i = 0; i < c->cells.n; i++) {
		if (!(c->cells.p[i].fields & CELL_IN_FILE))
			continue;
		c->visible = true;
		if (c->edit)
			break;
		if (!nobodys(doc, now, c->cells.p[i].id) ||
		    (!then && am_view_at(doc, before, n_before, &then) != AM_OK)) {
			c->edit = true;
			break;
		}
		c->edit = !nobodys(doc, then, c->cells.p[i].id);
	}
	am_view_free(then);
}

static int diff(am_doc *doc, const am_hash *before, size_t n_before, const am_hash *after, size_t n_after,
		const am_view *now, struct notebook_changes *c)
{
	struct watch w = {.doc = doc, .c = c};
	int r = am_errno(am_diff(doc, before, n_before, after, n_after, note_patch, &w));

	map_free(&w.at);
	if (r == 0)
		judge(doc, c, before, n_before, now);
	return r;
}

int notebook_diff(struct notebook *nb, const am_hash *before, size_t n_before, const am_hash *after, size_t n_after,
		  struct notebook_changes *ret)
{
	struct notebook_changes c = {0};
	am_view *now;
	int r = am_errno(am_view_at(nb->doc, after, n_after, &now));

	if (r < 0)
		return r;
	r = diff(nb->doc, before, n_before, after, n_after, now, &c);
	am_view_free(now);
	if (r < 0)
		notebook_changes_fini(&c);
	else
		*ret = c;
	return r;
}

/* ---- root maps ------------------------------------------------------------------------------ */

static bool is_ours(am_doc *doc, am_objid id)
{
	size_t n;
	const uint8_t *actor = am_actor_bytes(doc, id.actor, &n);

	return actor && n >= 8 && memcmp(actor, "runtimed", 8) == 0;
}

struct rivals {
	am_doc *doc;
	bool ours; /* one of ours is visible, but does not win */
};

static int note_rival(void *ctx, const am_value *v)
{
	struct rivals *r = ctx;

	r->ours = r->ours || (v->type == AM_MAP && is_ours(r->doc, v->id));
	return 0;
}

/* True when a foreign map out-ranks ours at a root key. */
static bool outranked(am_doc *doc, const char *key)
{
	struct rivals r = {.doc = doc};
	am_value v;

	if (am_map_get(doc, NULL, AM_ROOT, key, strlen(key), &v) != AM_OK || !v.conflict || is_ours(doc, v.id))
		return false;
	am_map_get_all(doc, NULL, AM_ROOT, key, strlen(key), note_rival, &r);
	return r.ours;
}

struct refill {
	am_doc *src, *dst;
	am_objid to;
	int r;
};

static int refill_member(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct refill *f = ctx;
	am_value have;

	if (am_map_get(f->dst, NULL, f->to, key, key_n, &have) == AM_OK)
		return 0;
	return value_copy(f->src, v, f->dst, f->to, key, key_n);
}

static int refill_from(void *ctx, const am_value *v)
{
	struct refill *f = ctx;

	return v->type == AM_MAP ? am_map_each(f->src, NULL, v->id, refill_member, f) : 0;
}

/* A seed of a future client out-ranks ours: a new map on top, with everything
 * that any of the rivals holds (design.md decision 4). */
static int reclaim(am_doc *doc, const char *key)
{
	struct refill f = {.dst = doc};
	int r;

	log_error("notebook", "the root key %s was taken over by a peer's map; moving its content back", key);
	if ((r = am_errno(am_fork(doc, &f.src))) < 0)
		return r;
	r = am_errno(am_map_put_object(doc, AM_ROOT, key, strlen(key), AM_MAP, &f.to));
	if (r == 0)
		r = am_map_get_all(f.src, NULL, AM_ROOT, key, strlen(key), refill_from, &f);
	am_free(f.src);
	return r;
}

static int guard_roots(am_doc *doc)
{
	static const char *const keys[] = {"cells", "metadata"};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (outranked(doc, keys[i])) {
			int r = reclaim(doc, keys[i]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

struct stray {
	am_objid map;
	char *key;
	size_t key_n;
};

struct strays {
	am_doc *doc;
	am_objid winner, map;
	VEC(struct stray) list;
};

static int note_stray(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct strays *s = ctx;
	am_value have;

	if (v->type == AM_MAP && am_map_get(s->doc, NULL, s->winner, key, key_n, &have) != AM_OK)
		VEC_PUSH(&s->list, ((struct stray){s->map, xmemdup(key, key_n), key_n}));
	return 0;
}

static int note_strays(void *ctx, const am_value *v)
{
	struct strays *s = ctx;

	s->map = v->id;
	if (v->type != AM_MAP || (v->id.ctr == s->winner.ctr && v->id.actor == s->winner.actor))
		return 0;
	return am_map_each(s->doc, NULL, v->id, note_stray, s);
}

/* Copied under the same ids; taken out where they were, or their later deletion would not last. */
static int move_strays(am_doc *doc, const struct strays *s)
{
	struct refill f = {.dst = doc, .to = s->winner};
	int r = am_errno(am_fork(doc, &f.src));

	if (r < 0)
		return r;
	r = am_map_get_all(f.src, NULL, AM_ROOT, "cells", 5, refill_from, &f);
	for (size_t i = 0; r == 0 && i < s->list.n; i++)
		r = am_errno(am_map_delete(doc, s->list.p[i].map, s->list.p[i].key, s->list.p[i].key_n));
	am_free(f.src);
	return r;
}

int notebook_take_strays(struct notebook *nb, size_t *ret_n)
{
	struct strays s = {.doc = nb->doc};
	am_value v;
	int r = 0;

	*ret_n = 0;
	if (am_map_get(nb->doc, NULL, AM_ROOT, "cells", 5, &v) != AM_OK || v.type != AM_MAP || !v.conflict)
		return 0;
	s.winner = v.id;
	am_map_get_all(nb->doc, NULL, AM_ROOT, "cells", 5, note_strays, &s);
	if (s.list.n)
		r = move_strays(nb->doc, &s);
	if (r == 0)
		*ret_n = s.list.n;
	for (size_t i = 0; i < s.list.n; i++)
		free(s.list.p[i].key);
	VEC_FREE(&s.list);
	return r;
}

/* ---- refresh -------------------------------------------------------------------------------- */

static int follow(struct notebook *nb, const struct notebook_changes *c)
{
	if (c->rebuilt || !nb->has_cells || c->cells.n > 256)
		return index_rebuild(nb);
	for (size_t i = 0; i < c->cells.n; i++) {
		const struct cell_change *x = &c->cells.p[i];
		am_value v;

		if (!(x->fields & (CELL_ADDED | CELL_REMOVED | CELL_POSITION)))
			continue;
		if (am_map_get(nb->doc, NULL, nb->cells, x->id, strlen(x->id), &v) == AM_OK && v.type == AM_MAP)
			index_put(nb, x->id, v.id);
		else
			index_remove(nb, x->id);
	}
	return 0;
}

static bool same_heads(const struct notebook *nb, const am_hash *heads, size_t n)
{
	return nb->seen.n == n && (n == 0 || memcmp(nb->seen.p, heads, n * sizeof *heads) == 0);
}

static void see(struct notebook *nb, const am_hash *heads, size_t n)
{
	nb->seen.n = 0;
	for (size_t i = 0; i < n; i++)
		VEC_PUSH(&nb->seen, heads[i]);
}

int notebook_refresh(struct notebook *nb, struct notebook_changes *ret)
{
	struct notebook_changes c = {0};
	const am_hash *heads;
	am_hash *after = NULL;
	size_t n;
	int r = guard_roots(nb->doc);

	if (r < 0)
		return r;
	heads = am_heads(nb->doc, &n);
	if (same_heads(nb, heads, n)) {
		if (ret)
			*ret = c;
		return 0;
	}
	after = xmemdup(heads, n * sizeof *heads);
	r = diff(nb->doc, nb->seen.p, nb->seen.n, after, n, NULL, &c);
	if (r == 0)
		r = follow(nb, &c);
	if (r < 0) {
		notebook_changes_fini(&c);
		goto out;
	}
	see(nb, after, n);
	if (ret)
		*ret = c;
	else
		notebook_changes_fini(&c);
out:
	free(after);
	return r;
}

bool index_current(struct notebook *nb)
{
	size_t n;
	const am_hash *heads = am_heads(nb->doc, &n);

	return same_heads(nb, heads, n);
}

int index_skip_own(struct notebook *nb, size_t from)
{
	size_t n, actor_n;
	const uint8_t *actor = am_actor(nb->doc, &actor_n);
	const am_hash *heads = am_heads(nb->doc, &n);
	am_change_info info;

	for (size_t i = from; i < am_change_count(nb->doc); i++) {
		int r = am_errno(am_change_at(nb->doc, i, &info));
		if (r < 0)
			return r;
		if (info.actor_n != actor_n || memcmp(info.actor, actor, actor_n) != 0)
			return 0;
	}
	see(nb, heads, n);
	return 0;
}

unsigned notebook_changes_of(const struct notebook_changes *c, const char *id)
{
	for (size_t i = 0; i < c->cells.n; i++)
		if (strcmp(c->cells.p[i].id, id) == 0)
			return c->cells.p[i].fields;
	return 0;
}

void notebook_changes_fini(struct notebook_changes *c)
{
	for (size_t i = 0; i < c->cells.n; i++)
		free(c->cells.p[i].id);
	VEC_FREE(&c->cells);
	*c = (struct notebook_changes){0};
}
