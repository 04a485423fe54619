#include "room/presence_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/vec.h"

struct presence_table {
	VEC(struct presence_peer) peers; /* in order of arrival */
};

struct presence_table *presence_table_new(void)
{
	return xcalloc(1, sizeof(struct presence_table));
}

void presence_table_free(struct presence_table *t)
{
	for (size_t i = 0; i < t->peers.n; i++)
		presence_peer_fini(&t->peers.p[i]);
	VEC_FREE(&t->peers);
	free(t);
}

static struct presence_peer *find(const struct presence_table *t, const char *peer_id)
{
	for (size_t i = 0; i < t->peers.n; i++)
		if (strcmp(t->peers.p[i].peer_id, peer_id) == 0)
			return &t->peers.p[i];
	return NULL;
}

static void set_text(char **at, const char *text)
{
	if (!text || (*at && strcmp(*at, text) == 0))
		return;
	free(*at);
	*at = xstrdup(text);
}

bool presence_table_update(struct presence_table *t, const char *peer_id, const char *label, const char *actor_label,
			   const struct presence_state *state)
{
	struct presence_peer *peer = find(t, peer_id);
	bool is_new = !peer;
	if (is_new) {
		VEC_PUSH(&t->peers, ((struct presence_peer){.peer_id = xstrdup(peer_id)}));
		peer = &t->peers.p[t->peers.n - 1];
	}
	set_text(&peer->peer_label, label);
	set_text(&peer->actor_label, actor_label);
	size_t i = 0;
	while (i < peer->n_channels && peer->channels[i].channel != state->channel)
		i++;
	if (i < peer->n_channels) {
		presence_state_fini(&peer->channels[i]);
	} else {
		peer->channels = xreallocarray(peer->channels, i + 1, sizeof *peer->channels);
		peer->n_channels++;
	}
	presence_state_copy(&peer->channels[i], state);
	return is_new;
}

const char *presence_table_label(const struct presence_table *t, const char *peer_id)
{
	const struct presence_peer *peer = find(t, peer_id);
	return peer ? peer->peer_label : NULL;
}

bool presence_table_clear(struct presence_table *t, const char *peer_id, enum presence_channel channel)
{
	struct presence_peer *peer = find(t, peer_id);
	for (size_t i = 0; peer && i < peer->n_channels; i++) {
		if (peer->channels[i].channel != channel)
			continue;
		presence_state_fini(&peer->channels[i]);
		memmove(peer->channels + i, peer->channels + i + 1,
			(peer->n_channels - i - 1) * sizeof *peer->channels);
		peer->n_channels--;
		return true;
	}
	return false;
}

bool presence_table_remove(struct presence_table *t, const char *peer_id)
{
	struct presence_peer *peer = find(t, peer_id);
	if (!peer)
		return false;
	presence_peer_fini(peer);
	VEC_REMOVE(&t->peers, (size_t)(peer - t->peers.p));
	return true;
}

void presence_table_move(struct presence_table *t, struct presence_table *from)
{
	presence_table_remove(from, "daemon");
	for (size_t i = 0; i < from->peers.n; i++)
		VEC_PUSH(&t->peers, from->peers.p[i]);
	from->peers.n = 0;
}

bool presence_table_snapshot(const struct presence_table *t, const char *except, struct buf *out)
{
	VEC(struct presence_peer) list = {0};
	for (size_t i = t->peers.n; i-- > 0;)
		if (!except || strcmp(t->peers.p[i].peer_id, except) != 0)
			VEC_PUSH(&list, t->peers.p[i]);
	size_t mark = out->n;
	bool any = list.n > 0;
	while (list.n > 0) {
		struct presence p = {.type = PRESENCE_SNAPSHOT, .peer_id = (char *)(uintptr_t) "daemon",
				     .peers = list.p, .n_peers = list.n};
		presence_append(out, &p);
		if (out->n - mark <= PRESENCE_MAX)
			break;
		out->n = mark; /* Python drops larger ones whole (protocol.md 15 no. 25) */
		list.n--;
	}
	VEC_FREE(&list);
	return any && out->n > mark;
}
