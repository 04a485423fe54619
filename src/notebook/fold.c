#include "notebook/fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/uuid.h"
#include "notebook/cells.h"
#include "notebook/genesis.h"
#include "notebook/index.h"
#include "notebook/ipynb_impl.h"
#include "notebook/merge.h"
#include "notebook/position.h"
#include "notebook/value.h"

/* A cell of L that is not in S under its own id. */
struct dropped {
	char *id;
	char *text;       /* as last rescued or at the fold */
	size_t text_n;
	char *rescue_id;  /* its copy in S; NULL while nothing had to be rescued */
};

struct fold {
	struct notebook *copy; /* L as it was, fed with late changes */
	size_t looked_at;      /* changes of S looked at so far */
	VEC(struct dropped) dropped;
	void (*random)(void *ctx, void *p, size_t n);
	void *random_ctx;
};

/* ---- the check ------------------------------------------------------------------------------ */

/* Actor bytes and sequence number as a map key. */
static size_t change_key(const am_change_info *info, uint8_t *key, size_t cap)
{
	size_t n = info->actor_n < cap - 8 ? info->actor_n : cap - 8;

	memcpy(key, info->actor, n);
	for (int i = 0; i < 8; i++)
		key[n + (size_t)i] = (uint8_t)(info->seq >> (8 * i));
	return n + 8;
}

static int clash(am_doc *s, am_doc *l)
{
	struct map known = {0};
	am_change_info info;
	uint8_t key[4096];
	int r = 0;

	for (size_t i = 0; i < am_change_count(s); i++)
		if (am_change_at(s, i, &info) == AM_OK)
			map_put_n(&known, key, change_key(&info, key, sizeof key), s);
	for (size_t i = 0; i < am_change_count(l) && r == 0; i++)
		if (am_change_at(l, i, &info) == AM_OK && !am_has_change(s, &info.hash) &&
		    map_get_n(&known, key, change_key(&info, key, sizeof key)))
			r = -EEXIST;
	map_free(&known);
	return r;
}

int fold_check(struct notebook *s, struct notebook *l)
{
	if (!genesis_present(s->doc) || !genesis_present(l->doc))
		return -EINVAL;
	return clash(s->doc, l->doc);
}

/* ---- disposition (rooms.md 11.5 step 2) ------------------------------------------------------ */

static bool same_source(struct notebook *a, const char *id, const char *type, const char *source, size_t n)
{
	char *my_type = cell_type(a, id), *mine;
	size_t my_n;
	bool same;

	mine = cell_source(a, id, &my_n);
	same = my_type && mine && strcmp(my_type, type) == 0 && my_n == n && memcmp(mine, source, n) == 0;
	free(my_type);
	free(mine);
	return same;
}

static bool as_loaded(const struct fold_opts *opts, const struct cell *c)
{
	const struct ipynb_version *v = opts->loaded;

	for (size_t i = 0; v && i < v->cells.n; i++) {
		struct ipynb_cell_view view;
		bool same;

		if (strcmp(v->cells.p[i]->id, c->id) != 0)
			continue;
		ipynb_cell_view(v, i, &view);
		same = strcmp(view.type, c->type) == 0 && view.source_n == c->source_n &&
		       memcmp(view.source, c->source, c->source_n) == 0;
		ipynb_cell_view_fini(&view);
		return same;
	}
	return false;
}

enum fate { KEEP, DROP, RESCUE };

static enum fate fate_of(struct notebook *s, struct notebook *l, const struct cell *c, const struct fold_opts *opts)
{
	if (cell_is_scaffold(l, c->id))
		return DROP;
	if (opts->kind == FOLD_REPLACE && as_loaded(opts, c))
		return DROP;
	if (cells_has(s, c->id))
		return same_source(s, c->id, c->type, c->source, c->source_n) ? DROP : RESCUE;
	return KEEP;
}

/* ---- the fold ------------------------------------------------------------------------------- */

struct plan {
	struct notebook *s, *l;
	const struct fold_opts *opts;
	struct fold *fold;
	struct fold_result result;
	VEC(struct cell) rescues;
	VEC(char *) kept;
	char *last; /* position of S's last cell before */
	char *id;   /* notebook_id of S */
};

static void plan_fini(struct plan *p)
{
	for (size_t i = 0; i < p->rescues.n; i++)
		cell_fini(&p->rescues.p[i]);
	for (size_t i = 0; i < p->kept.n; i++)
		free(p->kept.p[i]);
	VEC_FREE(&p->rescues);
	VEC_FREE(&p->kept);
	free(p->last);
	free(p->id);
}

static void note_dropped(struct plan *p, const struct cell *c)
{
	struct dropped d = {.id = xstrdup(c->id), .text_n = c->source_n};

	d.text = xmemdup(c->source, c->source_n + 1);
	VEC_PUSH(&p->fold->dropped, d);
}

static int decide(struct plan *p)
{
	size_t n = cells_count(p->l);
	char **ids = xcalloc(n + 1, sizeof *ids);
	int r = 0;

	for (size_t i = 0; i < n; i++)
		ids[i] = xstrdup(cells_id_at(p->l, i));
	for (size_t i = 0; i < n; i++) {
		struct cell c;
		enum fate fate;

		if (r == 0)
			r = cell_read(p->l, ids[i], &c);
		if (r < 0)
			goto next;
		fate = fate_of(p->s, p->l, &c, p->opts);
		if (fate == KEEP) {
			VEC_PUSH(&p->kept, xstrdup(c.id));
		} else {
			note_dropped(p, &c);
			r = cell_delete(p->l, ids[i]);
			p->result.dropped++;
		}
		if (fate == RESCUE)
			VEC_PUSH(&p->rescues, c);
		else
			cell_fini(&c);
	next:
		free(ids[i]);
	}
	free(ids);
	return r;
}

struct shared {
	am_doc *other;
	am_objid map;
	VEC(char *) keys;
};

static int note_shared(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	struct shared *s = ctx;
	am_value have;

	(void)v;
	if (!memchr(key, '\0', key_n) && am_map_get(s->other, NULL, s->map, key, key_n, &have) == AM_OK)
		VEC_PUSH(&s->keys, xstrndup(key, key_n));
	return 0;
}

/* S's metadata stands: L's doc gives up the keys both have. */
static int drop_metadata(struct plan *p)
{
	struct shared shared = {.other = p->s->doc};
	am_objid map;
	int r = 0;

	if (index_metadata(p->l, false, &map) < 0 || index_metadata(p->s, false, &shared.map) < 0)
		return 0;
	r = am_errno(am_map_each(p->l->doc, NULL, map, note_shared, &shared));
	for (size_t i = 0; i < shared.keys.n; i++) {
		if (r == 0)
			r = am_errno(am_map_delete(p->l->doc, map, shared.keys.p[i], strlen(shared.keys.p[i])));
		free(shared.keys.p[i]);
	}
	VEC_FREE(&shared.keys);
	return r;
}

static int place_kept(struct plan *p)
{
	int r = 0;

	for (size_t i = 0; i < p->kept.n && r == 0; i++) {
		char *next = p->last ? position_after(p->last) : NULL;
		if (!next)
			next = xstrdup(POSITION_FIRST);
		/* A peer may have deleted it in the meantime: nothing to place. */
		r = cells_has(p->s, p->kept.p[i]) ? cell_set_position(p->s, p->kept.p[i], next) : 0;
		free(p->last);
		p->last = next;
	}
	p->result.kept = p->kept.n;
	return r;
}

static void fresh_id(struct fold *fold, char id[UUID_TEXT])
{
	uint8_t bytes[16];

	fold->random(fold->random_ctx, bytes, sizeof bytes);
	uuid_v4(id, bytes);
}

/* A copy of one of L's cells under a new id, behind S's cell of the old id (or
 * at the end). */
static int insert_rescue(struct fold *fold, struct notebook *s, const struct cell *c, const char *new_id)
{
	struct cell_init init = {
		.id = new_id,
		.type = c->type,
		.source = c->source,
		.source_n = c->source_n,
		.execution_count = c->execution_count,
		.outputs = c->outputs,
		.n_outputs = c->n_outputs,
		.metadata = c->metadata,
	};

	for (size_t i = 0; i < fold->dropped.n; i++) {
		if (strcmp(fold->dropped.p[i].id, c->id) != 0)
			continue;
		free(fold->dropped.p[i].rescue_id);
		fold->dropped.p[i].rescue_id = xstrdup(new_id);
	}
	return cell_add_after(s, cells_has(s, c->id) ? c->id : "", &init);
}

static int insert_rescues(struct plan *p)
{
	int r = 0;

	for (size_t i = 0; i < p->rescues.n && r == 0; i++) {
		char id[UUID_TEXT];
		fresh_id(p->fold, id);
		r = insert_rescue(p->fold, p->s, &p->rescues.p[i], id);
		p->result.rescued++;
	}
	return r;
}

static int copy_of(struct notebook *l, struct notebook **ret)
{
	am_doc *doc;
	int r = am_errno(am_fork(l->doc, &doc));

	return r < 0 ? r : index_open(doc, ret);
}

static int run(struct plan *p)
{
	int r;

	if ((r = decide(p)) < 0 || (r = drop_metadata(p)) < 0 || (r = notebook_commit(p->l)) < 0 ||
	    (r = notebook_commit(p->s)) < 0)
		return r;
	if ((r = am_errno(am_merge(p->s->doc, p->l->doc))) < 0 || (r = index_rebuild(p->s)) < 0)
		return r;
	if ((r = place_kept(p)) < 0 || (r = insert_rescues(p)) < 0)
		return r;
	if (p->id && (r = notebook_set_id(p->s, p->id)) < 0)
		return r;
	return notebook_commit(p->s);
}

int fold_run(struct notebook *s, struct notebook *l, const struct fold_opts *opts, struct fold **ret,
	     struct fold_result *ret_result)
{
	struct plan p = {.s = s, .l = l, .opts = opts};
	size_t n = cells_count(s);
	int r = fold_check(s, l);

	if (r < 0)
		return r;
	p.fold = xcalloc(1, sizeof *p.fold);
	p.fold->random = opts->random;
	p.fold->random_ctx = opts->random_ctx;
	p.last = n > 0 ? cell_position(s, cells_id_at(s, n - 1)) : NULL;
	p.id = notebook_get_id(s);
	r = copy_of(l, &p.fold->copy);
	if (r == 0)
		r = run(&p);
	p.fold->looked_at = am_change_count(s->doc);
	plan_fini(&p);
	if (r < 0) {
		fold_free(p.fold);
		return r;
	}
	*ret = p.fold;
	if (ret_result)
		*ret_result = p.result;
	return 0;
}

/* ---- late edits ----------------------------------------------------------------------------- */

/* A change written without knowing of the fold: all it depends on is in the copy. */
static bool is_late(am_doc *copy, const am_change_info *info)
{
	if (am_has_change(copy, &info->hash))
		return false;
	for (size_t i = 0; i < info->n_deps; i++)
		if (!am_has_change(copy, &info->deps[i]))
			return false;
	return true;
}

static int feed_copy(struct fold *fold, am_doc *s)
{
	am_doc *copy = fold->copy->doc;
	am_buf bytes = {0};
	am_change_info info;
	int r = 0;

	for (size_t n = am_change_count(s); fold->looked_at < n && r == 0; fold->looked_at++) {
		if (am_change_at(s, fold->looked_at, &info) != AM_OK || !is_late(copy, &info))
			continue;
		r = am_errno(am_change_bytes(s, fold->looked_at, &bytes));
		if (r == 0)
			r = am_errno(am_load_incremental(copy, bytes.p, bytes.n, NULL));
	}
	am_buf_free(&bytes);
	return r;
}

/* The late text of a dropped cell into S: a new rescue cell, or more text for
 * the one that is there. */
static int bring_back(struct fold *fold, struct notebook *s, struct dropped *d, const struct cell *c)
{
	char id[UUID_TEXT], *mine;
	struct buf merged = {0};
	size_t n;
	int r;

	log_warn("room", "an edit of cell %s arrived after its notebook was replaced; kept as a new cell", d->id);
	mine = d->rescue_id ? cell_source(s, d->rescue_id, &n) : NULL;
	if (mine && merge_text(d->text, d->text_n, c->source, c->source_n, mine, n, &merged)) {
		r = cell_set_source(s, d->rescue_id, buf_cstr(&merged), merged.n);
	} else {
		fresh_id(fold, id);
		r = insert_rescue(fold, s, c, id);
	}
	buf_free(&merged);
	free(mine);
	free(d->text);
	d->text = xmemdup(c->source, c->source_n + 1);
	d->text_n = c->source_n;
	return r;
}

int fold_late(struct fold *fold, struct notebook *s, size_t *ret_rescued)
{
	struct notebook_changes changes = {0};
	size_t rescued = 0;
	int r = feed_copy(fold, s->doc);

	if (r == 0)
		r = notebook_refresh(fold->copy, &changes);
	for (size_t i = 0; i < fold->dropped.n && r == 0; i++) {
		struct dropped *d = &fold->dropped.p[i];
		struct cell c;

		if (!(notebook_changes_of(&changes, d->id) & (CELL_SOURCE | CELL_TYPE | CELL_ADDED)) ||
		    cell_read(fold->copy, d->id, &c) < 0)
			continue;
		if (c.source_n != d->text_n || memcmp(c.source, d->text, d->text_n) != 0) {
			r = bring_back(fold, s, d, &c);
			rescued++;
		}
		cell_fini(&c);
	}
	notebook_changes_fini(&changes);
	if (r == 0)
		r = notebook_commit(s);
	fold->looked_at = am_change_count(s->doc);
	if (r == 0 && ret_rescued)
		*ret_rescued = rescued;
	return r;
}

void fold_free(struct fold *fold)
{
	if (!fold)
		return;
	notebook_free(fold->copy);
	for (size_t i = 0; i < fold->dropped.n; i++) {
		free(fold->dropped.p[i].id);
		free(fold->dropped.p[i].text);
		free(fold->dropped.p[i].rescue_id);
	}
	VEC_FREE(&fold->dropped);
	free(fold);
}
