/* One room becomes part of another, peers and all, on their live sockets
 * (rooms.md 11.5). One turn; nothing here yields. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "room/autosave.h"
#include "room/join.h"
#include "room/peer.h"
#include "room/presence_table.h"
#include "room/registry.h"

static void random_bytes(void *ctx, void *p, size_t n)
{
	host_random(ctx, p, n);
}

static bool has_executed(const struct room *room)
{
	struct queue *q = kernel_queue(room->kernel);
	for (size_t i = 0; i < queue_count(q); i++)
		if (!queue_at(q, i)->synthetic)
			return true;
	return false;
}

static void swap_kernels(struct room *a, struct room *b)
{
	struct kernel *kernel = a->kernel;
	struct json_object *config = a->launched_config;
	char *pooled = a->pool_venv, *venv = a->venv_path, *print = a->env_fingerprint;
	a->kernel = b->kernel, b->kernel = kernel;
	a->launched_config = b->launched_config, b->launched_config = config;
	a->pool_venv = b->pool_venv, b->pool_venv = pooled;
	a->venv_path = b->venv_path, b->venv_path = venv;
	a->env_fingerprint = b->env_fingerprint, b->env_fingerprint = print;
	kernel_set_owner(a->kernel, a);
	kernel_set_owner(b->kernel, b);
}

/* The one that has executed something, else S's, else L's (step 7). */
static void choose_kernel(struct room *s, struct room *l)
{
	bool s_has = kernel_exists(s->kernel), l_has = kernel_exists(l->kernel);
	if (!l->launch && !s->launch && l_has && !has_executed(s) && (has_executed(l) || !s_has))
		swap_kernels(s, l);
	room_launch_move(l, s);
	if (kernel_exists(l->kernel)) {
		log_info("room", "%s: of two kernels one is ended", room_wire_id(s));
		kernel_shutdown(l->kernel);
	}
}

static void move_peer(struct room *s, struct room *l, struct peer *peer, const am_hash *heads, size_t n)
{
	peer->room = s;
	if (peer->pending)
		peer->pending->rid = s->rid;
	peer->need_seq = 0; /* of the other journal; what it covered is part of S's next entry */
	heads_set(&peer->unfolded, heads, n);
	for (size_t i = 0; i < peer->n_slots; i++)
		peer->slots[i].dirty = true;
	(void)l;
	VEC_PUSH(&s->peers, peer);
}

/* What a moved peer must hear beyond the documents (11.6). */
static void tell_moved(struct room *s)
{
	const struct broadcast status = {.event = BROADCAST_KERNEL_STATUS,
					 .status = kernel_status_name(kernel_status(s->kernel))};
	room_broadcast(s, &status, 0);
	room_kernel_callbacks.queue_changed(s);
}

int room_fold(struct room *s, struct room *l, enum fold_kind kind)
{
	struct fold *fold = NULL;
	struct fold_result result = {0};
	const struct fold_opts opts = {.kind = kind, .loaded = ipynb_export_baseline(l->exporter),
				       .random = random_bytes, .random_ctx = s->svc->host};
	notebook_commit(s->nb);
	notebook_commit(l->nb);
	room_settle(l);
	int r = fold_run(s->nb, l->nb, &opts, &fold, &result);
	if (r < 0)
		return r;
	log_info("room", "%s: another room folded in: %zu cells kept, %zu dropped, %zu copied", room_wire_id(l),
		 result.kept, result.dropped, result.rescued);
	uint64_t seq = room_changed(s, true);
	if (am_merge(s->state_doc, l->state_doc) != AM_OK)
		log_error("room", "%s: the state documents do not merge", room_wire_id(l));
	choose_kernel(s, l);
	size_t n;
	const am_hash *heads = notebook_heads(s->nb, &n);
	bool moved = l->peers.n > 0;
	for (size_t i = 0; i < l->peers.n; i++) {
		move_peer(s, l, l->peers.p[i], heads, n);
		l->peers.p[i]->need_seq = seq;
	}
	l->peers.n = 0;
	presence_table_move(s->presence, l->presence);
	evict_abandon(l); /* of a room that is being stopped */
	registry_fold(s->svc->registry, s, l);
	join_resume_waiting(l);
	if (moved)
		VEC_PUSH(&s->folds, fold);
	else
		fold_free(fold);
	l->pins = 0;
	room_free(l);
	room_settle(s);
	state_all(s);
	if (moved)
		tell_moved(s);
	room_touch(s);
	return 0;
}
