#include "room/peer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "room/presence_table.h"

/* How often a peer may ask in a row without anything changing on either side
 * before its sync state is started afresh, and before it is simply not answered
 * (the endless exchange of protocol.md trap 12). */
#define PEER_SILENT_RESET 8
#define PEER_SILENT_STOP 16
#define PEER_STATE_REOFFER HOST_MS(300) /* protocol.md 12.2 */
#define PEER_RENAME_REPEAT HOST_SEC(1)
#define PEER_SHUTDOWN_SHOWN HOST_MS(100)

static am_doc *slot_doc(const struct peer *peer, const struct peer_slot *slot)
{
	return slot->face->document == FACE_DOC_NOTEBOOK ? notebook_doc(peer->room->nb) : peer->room->state_doc;
}

static struct peer_slot *slot_for(struct peer *peer, enum face_document document)
{
	for (size_t i = 0; i < peer->n_slots; i++)
		if (peer->slots[i].face->document == document)
			return &peer->slots[i];
	return NULL;
}

const char *peer_label(const struct peer *peer)
{
	return peer->label ? peer->label : peer->id;
}

struct peer *peer_by_token(struct room *room, uint64_t token)
{
	for (size_t i = 0; i < room->peers.n; i++)
		if (room->peers.p[i]->token == token)
			return room->peers.p[i];
	return NULL;
}

/* ---- sending ---- */

static void send_buf(struct peer *peer, struct buf *frame)
{
	size_t n;
	void *p = buf_take(frame, &n);
	if (n)
		peer->link.send(peer->link.ctx, p, n);
	else
		free(p);
}

/* One sync message of a document, when there is one. */
static bool send_sync(struct peer *peer, struct peer_slot *slot)
{
	am_buf message = {0};
	struct buf frame = {0};
	bool sent = false;
	int r = am_sync_generate(slot_doc(peer, slot), slot->sync, &message);
	if (r == AM_OK && message.n == 0 && slot->owed) {
		/* The acknowledgement waited for the disk; what the peer said meanwhile does not stand for it. */
		am_sync_insist(slot->sync);
		r = am_sync_generate(slot_doc(peer, slot), slot->sync, &message);
	}
	slot->owed = false;
	if (r == AM_OK && message.n > 0) {
		if (frame_append(&frame, slot->face->frame_type, message.p, message.n) == 0) {
			send_buf(peer, &frame);
			sent = true;
		} else {
			log_error("room", "%s: a sync message of %zu bytes is too large for a frame",
				  room_wire_id(peer->room), message.n);
		}
	} else if (r != AM_OK) {
		log_error("room", "%s: sync: %s", room_wire_id(peer->room), am_strerror(r));
	}
	am_buf_free(&message);
	return sent;
}

static void outbox_free_entry(struct outbox_entry *e)
{
	free(e->key);
	free(e->frame);
}

static void send_broadcasts(struct peer *peer)
{
	for (size_t i = 0; i < peer->broadcasts.n; i++) {
		struct outbox_entry *e = &peer->broadcasts.p[i];
		peer->outbox_bytes -= e->n;
		peer->link.send(peer->link.ctx, e->frame, e->n);
		free(e->key);
	}
	VEC_FREE(&peer->broadcasts);
}

static void send_presence(struct peer *peer)
{
	for (size_t i = 0; i < peer->presence.n; i++) {
		struct outbox_entry *e = &peer->presence.p[i];
		peer->outbox_bytes -= e->n;
		peer->link.send(peer->link.ctx, e->frame, e->n);
		free(e->key);
	}
	VEC_FREE(&peer->presence);
}

static bool may_send(const struct peer *peer)
{
	const struct journal *j = peer->room->journal;
	if (peer->gone || !peer->greeted)
		return false;
	/* No frame leaves before what it acknowledges is durable (design.md decision 3). */
	if (peer->need_seq && j && journal_synced(j) < peer->need_seq)
		return false;
	return peer->link.queued(peer->link.ctx) <= PEER_HIGH_WATER;
}

/* The order of clients.md 3.7: document, then broadcasts, then state and presence. */
static void pump(struct peer *peer)
{
	if (!may_send(peer))
		return;
	for (size_t i = 0; i < peer->n_slots; i++) {
		struct peer_slot *slot = &peer->slots[i];
		if (slot->face->document != FACE_DOC_NOTEBOOK || !slot->dirty)
			continue;
		slot->dirty = false;
		send_sync(peer, slot);
		if (peer->link.queued(peer->link.ctx) > PEER_HIGH_WATER)
			return;
	}
	send_broadcasts(peer);
	if (peer->hold)
		return;
	for (size_t i = 0; i < peer->n_slots; i++) {
		struct peer_slot *slot = &peer->slots[i];
		if (slot->face->document == FACE_DOC_NOTEBOOK || !slot->dirty || peer->hold_shutdown)
			continue;
		slot->dirty = false;
		send_sync(peer, slot);
	}
	send_presence(peer);
}

void room_pump(struct room *room)
{
	if (room->state == ROOM_LOADING || room->state == ROOM_LOAD_FAILED || room->state == ROOM_GONE)
		return;
	size_t n;
	const am_hash *heads = notebook_heads(room->nb, &n);
	for (size_t i = 0; i < room->peers.n; i++) {
		struct peer *peer = room->peers.p[i];
		struct peer_slot *slot = slot_for(peer, FACE_DOC_NOTEBOOK);
		if (!heads_equal(&slot->last_theirs, heads, n))
			slot->dirty = true;
		pump(peer);
	}
}

void room_state_changed(struct room *room)
{
	for (size_t i = 0; i < room->peers.n; i++) {
		struct peer_slot *slot = slot_for(room->peers.p[i], FACE_DOC_STATE);
		if (slot)
			slot->dirty = true;
	}
	room_touch(room);
}

void peer_writable(struct peer *peer)
{
	room_touch(peer->room);
}

/* ---- broadcasts ---- */

/* Kinds of which only the newest per key matters to a peer that is behind. */
static char *broadcast_key(const struct broadcast *b)
{
	switch (b->event) {
	case BROADCAST_KERNEL_STATUS:
	case BROADCAST_QUEUE_CHANGED:
	case BROADCAST_ENV_SYNC_STATE:
	case BROADCAST_STORAGE_ERROR:
	case BROADCAST_NOTEBOOK_AUTOSAVED:
		return xstrdup("");
	case BROADCAST_OUTPUT:
		return b->output_index >= 0 ? xasprintf("%s %lld", b->cell_id, (long long)b->output_index) : NULL;
	case BROADCAST_DISPLAY_UPDATE:
		return xstrdup(b->display_id);
	default:
		return NULL;
	}
}

static bool coalesce(struct peer *peer, struct outbox_entry *list, size_t n, struct outbox_entry *entry)
{
	if (!entry->key || n < PEER_OUTBOX_COALESCE)
		return false;
	for (size_t i = n; i-- > 0;) {
		struct outbox_entry *e = &list[i];
		if (e->event != entry->event || !e->key || strcmp(e->key, entry->key) != 0)
			continue;
		peer->outbox_bytes += entry->n - e->n;
		outbox_free_entry(e);
		*e = *entry;
		return true;
	}
	return false;
}

static void outbox_add(struct peer *peer, struct outbox_entry entry, bool presence)
{
	struct outbox_entry *list = presence ? peer->presence.p : peer->broadcasts.p;
	if (coalesce(peer, list, presence ? peer->presence.n : peer->broadcasts.n, &entry))
		return;
	peer->outbox_bytes += entry.n;
	if (presence)
		VEC_PUSH(&peer->presence, entry);
	else
		VEC_PUSH(&peer->broadcasts, entry);
}

static void drop_if_overflowed(struct peer *peer)
{
	if (peer->outbox_bytes <= PEER_OUTBOX_MAX_BYTES || peer->gone)
		return;
	log_warn("room", "%s: a peer reads too slowly and is disconnected", room_wire_id(peer->room));
	peer_drop(peer);
}

void room_broadcast(struct room *room, const struct broadcast *b, uint64_t except)
{
	struct buf frame = {0};
	unsigned form = 0;
	bool have = false;
	for (size_t i = 0; i < room->peers.n; i++) {
		struct peer *peer = room->peers.p[i];
		if (peer->token == except || peer->gone)
			continue;
		const struct face *face = peer->face.face;
		if (!have || face->broadcast_form(&peer->face) != form) {
			buf_clear(&frame);
			form = face->broadcast_form(&peer->face);
			have = true;
			if (face->append_broadcast(&peer->face, &frame, b) != 1)
				buf_clear(&frame);
		}
		if (frame.n)
			outbox_add(peer,
				   (struct outbox_entry){b->event, broadcast_key(b), xmemdup(frame.p, frame.n), frame.n},
				   false);
	}
	buf_free(&frame);
	for (size_t i = room->peers.n; i-- > 0;)
		drop_if_overflowed(room->peers.p[i]);
	room_touch(room);
}

static void broadcast_to(struct peer *peer, const struct broadcast *b)
{
	struct buf frame = {0};
	if (peer->face.face->append_broadcast(&peer->face, &frame, b) == 1) {
		size_t n;
		uint8_t *p = (uint8_t *)buf_take(&frame, &n);
		outbox_add(peer, (struct outbox_entry){b->event, NULL, p, n}, false);
	}
	buf_free(&frame);
}

/* ---- presence ---- */

/* Of what one peer does in one channel only the last matters, be it that it cleared it. */
static char *presence_key(const struct presence *p)
{
	if (p->type != PRESENCE_UPDATE && p->type != PRESENCE_CLEAR_CHANNEL)
		return NULL;
	return xasprintf("%s %d", p->peer_id, (int)p->state.channel);
}

/* key: passes to the outbox. */
static void presence_to(struct peer *peer, const uint8_t *p, size_t n, char *key)
{
	struct buf frame = {0};
	size_t frame_n;
	if (frame_append(&frame, FRAME_PRESENCE, p, n) < 0) {
		free(key);
		return;
	}
	uint8_t *bytes = (uint8_t *)buf_take(&frame, &frame_n);
	outbox_add(peer, (struct outbox_entry){BROADCAST_EVENTS, key, bytes, frame_n}, true);
}

void room_presence(struct room *room, const struct presence *p, const struct peer *except)
{
	struct buf bytes = {0};
	presence_append(&bytes, p);
	for (size_t i = 0; i < room->peers.n; i++)
		if (room->peers.p[i] != except)
			presence_to(room->peers.p[i], bytes.p, bytes.n, presence_key(p));
	buf_free(&bytes);
	room_touch(room);
}

static void presence_snapshot_to(struct peer *peer)
{
	struct buf bytes = {0};
	if (presence_table_snapshot(peer->room->presence, peer->id, &bytes))
		presence_to(peer, bytes.p, bytes.n, NULL);
	buf_free(&bytes);
}

static void presence_update(struct peer *peer, struct presence *p)
{
	if (p->state.channel == PRESENCE_KERNEL_STATE)
		return; /* the daemon's own */
	char *label = presence_label_clean(p->peer_label);
	free(peer->label);
	peer->label = xstrdup(label);
	bool is_new = presence_table_update(peer->room->presence, peer->id, label, p->actor_label, &p->state);
	if (is_new)
		presence_snapshot_to(peer);
	struct presence out = *p;
	out.peer_id = peer->id;
	out.peer_label = label;
	room_presence(peer->room, &out, peer);
	free(label);
}

static void presence_receive(struct peer *peer, const void *p, size_t n)
{
	struct presence in;
	if (n > PRESENCE_MAX || presence_decode(p, n, &in) < 0) {
		log_info("room", "a presence message of %zu bytes was dropped", n);
		return;
	}
	if (in.type == PRESENCE_UPDATE) {
		presence_update(peer, &in);
	} else if (in.type == PRESENCE_CLEAR_CHANNEL) {
		presence_table_clear(peer->room->presence, peer->id, in.state.channel);
		struct presence out = in;
		out.peer_id = peer->id;
		room_presence(peer->room, &out, peer);
	}
	presence_fini(&in);
}

/* ---- sync ---- */

/* A peer whose replica misses something we believe it has asks for ever
 * (protocol.md 12.2): start over, then fall silent until something changes. */
static bool exchange_is_endless(struct peer *peer, struct peer_slot *slot, const am_sync_report *report)
{
	size_t n;
	bool known;
	const am_hash *theirs = am_sync_their_heads(slot->sync, &n, &known);
	bool moved = report->had_changes || !heads_equal(&slot->last_theirs, theirs, n);
	heads_set(&slot->last_theirs, theirs, n);
	if (moved || am_sync_in_sync(slot_doc(peer, slot), slot->sync)) {
		slot->silent = 0;
		return false;
	}
	slot->silent++;
	if (slot->silent == PEER_SILENT_RESET)
		am_sync_reset(slot->sync);
	return slot->silent >= PEER_SILENT_STOP;
}

/* Changes of a moved peer may still be about cells that the fold dropped (rooms.md
 * 11.5 step 11). True when the document was edited for that. */
static bool follow_folds(struct room *room)
{
	bool edited = false;
	for (size_t i = 0; i < room->folds.n; i++) {
		size_t rescued = 0;
		if (fold_late(room->folds.p[i], room->nb, &rescued) == 0 && rescued) {
			log_info("room", "%s: %zu cells edited while being folded were kept", room_wire_id(room), rescued);
			edited = true;
		}
	}
	return edited;
}

static void note_unfolded(struct peer *peer, const am_sync *sync)
{
	size_t n;
	bool known, waiting = false;
	struct room *room = peer->room;
	const am_hash *theirs = am_sync_their_heads(sync, &n, &known);
	if (am_covers(notebook_doc(room->nb), theirs, n, peer->unfolded.p, peer->unfolded.n))
		heads_fini(&peer->unfolded);
	for (size_t i = 0; i < room->peers.n; i++)
		waiting |= room->peers.p[i]->unfolded.n > 0;
	for (size_t i = 0; !waiting && i < room->folds.n; i++)
		fold_free(room->folds.p[i]);
	if (!waiting)
		room->folds.n = 0;
}

static bool shows_something(struct room *room)
{
	uint64_t before = room->shown;
	room_settle(room);
	return room->shown != before;
}

/* A client's skeleton (documents.md 3.3) is no edit and need not be on the disk before it is answered: who has no
 * content after 100 ms of silence begins without it (clients.md T4). */
static void wait_for_disk(struct peer *peer, uint64_t seq, bool first)
{
	if (seq && !(first && !shows_something(peer->room)))
		peer->need_seq = seq;
}

/* What such a client did before our content came. */
static void take_strays(struct peer *peer, struct peer_slot *slot)
{
	size_t n = 0;
	if (slot->level)
		return;
	if (notebook_take_strays(peer->room->nb, &n) == 0 && n) {
		log_info("room", "%s: %zu cells that a peer made before it had the notebook were taken in",
			 room_wire_id(peer->room), n);
		room_commit(peer->room);
	}
}

static int sync_receive(struct peer *peer, struct peer_slot *slot, const void *p, size_t n)
{
	am_doc *doc = slot_doc(peer, slot);
	am_sync_report report = {0};
	int flags = slot->face->policy == FACE_WRITE_STRIP ? AM_SYNC_STRIP_CHANGES : 0;
	if (slot->face->document == FACE_DOC_NOTEBOOK)
		notebook_commit(peer->room->nb);
	if (slot->face->document == FACE_DOC_NOTEBOOK && !slot->heard)
		room_settle(peer->room); /* what others did is not taken for this peer's */
	int r = am_sync_receive(doc, slot->sync, p, n, flags, &report);
	if (r != AM_OK) {
		log_warn("room", "%s: a sync message was refused: %s", room_wire_id(peer->room), am_strerror(r));
		return -EBADMSG;
	}
	bool first = !slot->heard;
	if (slot->face->document == FACE_DOC_NOTEBOOK && first)
		face_peer_note_first_sync(&peer->face, report.empty_heads);
	slot->heard = true;
	slot->owed |= report.had_changes && !(flags & AM_SYNC_STRIP_CHANGES);
	if (report.applied && slot->face->document == FACE_DOC_NOTEBOOK) {
		wait_for_disk(peer, room_changed(peer->room, true), first);
		take_strays(peer, slot);
		if (peer->room->folds.n && follow_folds(peer->room))
			room_commit(peer->room);
	}
	if (slot->face->document == FACE_DOC_NOTEBOOK && peer->unfolded.n)
		note_unfolded(peer, slot->sync);
	if (!exchange_is_endless(peer, slot, &report))
		slot->dirty = true;
	slot->level |= am_sync_in_sync(doc, slot->sync);
	if (slot->face->document == FACE_DOC_NOTEBOOK && peer->rename_tells) {
		const struct broadcast b = {.event = BROADCAST_ROOM_RENAMED, .new_notebook_id = room_wire_id(peer->room)};
		broadcast_to(peer, &b);
		if (--peer->rename_tells)
			host_timer_start(&peer->rename_timer, PEER_RENAME_REPEAT);
	}
	room_touch(peer->room);
	return 0;
}

int peer_frame(struct peer *peer, int type, const void *p, size_t n)
{
	for (size_t i = 0; i < peer->n_slots; i++)
		if (peer->slots[i].face->frame_type == type)
			return sync_receive(peer, &peer->slots[i], p, n);
	switch (type) {
	case FRAME_REQUEST:
		return request_receive(peer, p, n);
	case FRAME_PRESENCE:
		presence_receive(peer, p, n);
		return 0;
	default:
		log_info("room", "a frame of type %02x from a peer was ignored", (unsigned)type);
		return 0;
	}
}

/* ---- coming and going ---- */

/* A client that buffers the first state messages without answering them gets the
 * document once more from the start (protocol.md 12.2). */
static void offer_state_again(void *ctx)
{
	struct peer *peer = ctx;
	struct peer_slot *slot = slot_for(peer, FACE_DOC_STATE);
	if (!slot || slot->heard)
		return;
	am_sync_reset(slot->sync);
	slot->dirty = true;
	room_touch(peer->room);
}

static void rename_again(void *ctx)
{
	struct peer *peer = ctx;
	const struct broadcast b = {.event = BROADCAST_ROOM_RENAMED, .new_notebook_id = room_wire_id(peer->room)};
	peer->rename_tells = 0;
	broadcast_to(peer, &b);
	room_touch(peer->room);
}

static void show_shutdown(struct peer *peer)
{
	peer->hold_shutdown = false;
	host_timer_stop(&peer->shutdown_timer);
}

static void shutdown_is_over(void *ctx)
{
	struct peer *peer = ctx;
	show_shutdown(peer);
	room_touch(peer->room);
}

void peer_shut_down(struct peer *peer)
{
	peer->hold_shutdown = peer->face.face->serial_requests;
	if (peer->hold_shutdown)
		host_timer_start(&peer->shutdown_timer, PEER_SHUTDOWN_SHOWN);
}

void peer_launched(struct peer *peer)
{
	struct peer_slot *slot = slot_for(peer, FACE_DOC_STATE);
	if (!peer->face.face->serial_requests || !slot || !slot->dirty || peer->hold || !may_send(peer))
		return;
	slot->dirty = false;
	send_sync(peer, slot);
}

void peer_hold(struct peer *peer)
{
	struct peer_slot *slot = slot_for(peer, FACE_DOC_STATE);
	show_shutdown(peer);
	peer->hold = peer->face.face->serial_requests;
	if (peer->hold && slot && am_sync_in_flight(slot->sync))
		slot->resend = true;
}

void peer_release(struct peer *peer)
{
	struct peer_slot *slot = slot_for(peer, FACE_DOC_STATE);
	peer->hold = false;
	if (slot && slot->resend) {
		am_sync_resend(slot->sync);
		slot->dirty = true;
		slot->resend = false;
	}
	room_touch(peer->room);
}

void peer_tell_renamed(struct peer *peer)
{
	peer->rename_tells = 2;
}

static void send_state_snapshot(struct peer *peer)
{
	struct broadcast b = {.event = BROADCAST_RUNTIME_STATE_SNAPSHOT, .state = state_snapshot(peer->room)};
	broadcast_to(peer, &b);
	json_object_put(b.state);
}

static void send_comm_sync(struct peer *peer)
{
	struct comm_store *comms = kernel_comms(peer->room->kernel);
	if (comm_store_count(comms) == 0)
		return;
	struct buf json = {0};
	buf_append_str(&json, "{\"event\":\"comm_sync\",\"comms\":");
	comm_store_snapshots(comms, &json);
	buf_append_byte(&json, '}');
	struct buf frame = {0};
	size_t n;
	if (frame_append(&frame, FRAME_BROADCAST, json.p, json.n) == 0) {
		uint8_t *p = (uint8_t *)buf_take(&frame, &n);
		outbox_add(peer, (struct outbox_entry){BROADCAST_COMM_SYNC, NULL, p, n}, false);
	}
	buf_free(&frame);
	buf_free(&json);
}

/* protocol.md 5.2: the first typed frame is 00, whatever else there is to say. */
static void run_session_order(struct peer *peer)
{
	for (const enum face_session_step *step = peer->face.face->session; *step != FACE_STEP_END; step++) {
		struct peer_slot *slot;
		switch (*step) {
		case FACE_STEP_DOCUMENT_NOTEBOOK:
		case FACE_STEP_DOCUMENT_STATE:
			slot = slot_for(peer, *step == FACE_STEP_DOCUMENT_STATE ? FACE_DOC_STATE : FACE_DOC_NOTEBOOK);
			send_sync(peer, slot);
			break;
		case FACE_STEP_STATE_SNAPSHOT:
			send_state_snapshot(peer);
			break;
		case FACE_STEP_COMM_SYNC:
			send_comm_sync(peer);
			break;
		case FACE_STEP_PRESENCE_SNAPSHOT:
			presence_snapshot_to(peer);
			break;
		case FACE_STEP_END:
			break;
		}
		send_broadcasts(peer);
		send_presence(peer);
	}
	peer->greeted = true;
}

struct peer *peer_attach(struct room *room, const struct face *face, const struct peer_link *link)
{
	struct peer *peer = xcalloc(1, sizeof *peer);
	peer->room = room;
	peer->link = *link;
	peer->token = ++room->svc->next_rid;
	host_uuid(room->svc->host, peer->id);
	face_peer_init(&peer->face, face);
	assert(face->n_slots <= PEER_SLOTS_MAX);
	for (size_t i = 0; i < face->n_slots; i++) {
		if (face->slots[i].document != FACE_DOC_NOTEBOOK && face->slots[i].document != FACE_DOC_STATE)
			continue;
		struct peer_slot *slot = &peer->slots[peer->n_slots++];
		slot->face = &face->slots[i];
		if (am_sync_new(NULL, &slot->sync) != AM_OK)
			abort();
	}
	host_timer_init(&peer->state_timer, room->svc->host, offer_state_again, peer);
	host_timer_init(&peer->rename_timer, room->svc->host, rename_again, peer);
	host_timer_init(&peer->shutdown_timer, room->svc->host, shutdown_is_over, peer);
	evict_cancel(room);
	VEC_PUSH(&room->peers, peer);
	room->had_peers = true;
	run_session_order(peer);
	host_timer_start(&peer->state_timer, PEER_STATE_REOFFER);
	return peer;
}

static void peer_free(struct peer *peer)
{
	request_abandon(peer);
	for (size_t i = 0; i < peer->n_slots; i++) {
		am_sync_free(peer->slots[i].sync);
		heads_fini(&peer->slots[i].last_theirs);
	}
	for (size_t i = 0; i < peer->broadcasts.n; i++)
		outbox_free_entry(&peer->broadcasts.p[i]);
	for (size_t i = 0; i < peer->presence.n; i++)
		outbox_free_entry(&peer->presence.p[i]);
	VEC_FREE(&peer->broadcasts);
	VEC_FREE(&peer->presence);
	host_timer_stop(&peer->state_timer);
	host_timer_stop(&peer->rename_timer);
	host_timer_stop(&peer->shutdown_timer);
	heads_fini(&peer->unfolded);
	free(peer->label);
	free(peer);
}

void peer_gone(struct peer *peer)
{
	struct room *room = peer->room;
	peer->gone = true;
	for (size_t i = 0; i < room->peers.n; i++) {
		if (room->peers.p[i] == peer) {
			VEC_REMOVE(&room->peers, i);
			break;
		}
	}
	presence_table_remove(room->presence, peer->id);
	const struct presence left = {.type = PRESENCE_LEFT, .peer_id = peer->id};
	room_presence(room, &left, NULL);
	peer_free(peer);
	if (room->peers.n == 0 && room->pins == 0)
		evict_arm(room);
}

void peer_drop(struct peer *peer)
{
	struct peer_link link = peer->link;
	peer_gone(peer);
	link.drop(link.ctx);
}
