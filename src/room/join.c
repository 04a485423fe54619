#include "room/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "room/path.h"
#include "room/peer.h"
#include "room/registry.h"

/* Outlives a join that is cancelled meanwhile. */
struct look_wait {
	struct room_join *join;
};

struct room_join {
	struct room_service *svc;
	const struct face *face;
	struct peer_link link;
	enum handshake_channel channel;
	char *notebook_id, *path, *working_dir, *initial_metadata, *runtime;
	struct room *room;     /* pinned, as long as it is the one of rid */
	uint64_t rid;
	char *claimed;         /* path whose claim is waited for */
	struct look_wait *look; /* the room is looking at its changed file */
	bool parked;           /* in room->waiting */
	bool loader;           /* this join made the room */
	bool old_id;           /* came by an id the notebook had before */
	bool *ended;           /* while room_join runs: tells it that j is gone */
};

static void join_free(struct room_join *j)
{
	if (j->ended)
		*j->ended = true;
	free(j->notebook_id);
	free(j->path);
	free(j->working_dir);
	free(j->initial_metadata);
	free(j->runtime);
	free(j->claimed);
	free(j);
}

/* A room may be folded into another, or end, while it is waited for; its pins go with it. */
static bool room_is_there(const struct room_join *j)
{
	return j->room && room_by_rid(j->svc, j->rid) == j->room;
}

static void let_go(struct room_join *j)
{
	struct room *room = room_is_there(j) ? j->room : NULL;
	j->room = NULL;
	if (room)
		room_unpin(room);
}

/* ---- the answer ---- */

static void send_info(struct room_join *j, struct connection_info *info)
{
	struct buf out = {0};
	size_t n;
	info->daemon_version = j->svc->daemon_version;
	j->face->append_info(j->face, &out, info);
	void *frame = buf_take(&out, &n);
	j->link.send(j->link.ctx, frame, n);
}

static void refuse(struct room_join *j, const struct error *e)
{
	struct buf text = {0};
	j->face->append_error_text(&text, e);
	struct connection_info info = {.notebook_id = "", .error = buf_cstr(&text)};
	send_info(j, &info);
	log_info("room", "refused to open %s: %s", j->path ? j->path : j->notebook_id, info.error);
	buf_free(&text);
	let_go(j);
	struct peer_link link = j->link;
	join_free(j);
	link.joined(link.ctx, NULL);
}

static void greet(struct room_join *j)
{
	struct room *room = j->room;
	struct connection_info info = {
		.capabilities_only = j->channel == HANDSHAKE_NOTEBOOK_SYNC,
		.notebook_id = j->face->room_id(room->kind == ROOM_OPAQUE ? room->key : room->path, room->uuid),
		/* The connection that causes a load reports none, as March's daemon does (protocol.md 4.4). */
		.cell_count = j->loader && room->ever_on_disk ? 0 : cells_count(room->nb),
		.needs_trust_approval = j->channel == HANDSHAKE_OPEN_NOTEBOOK && trust_needs_approval(room->trust),
	};
	send_info(j, &info);
}

static void seed_metadata(struct room_join *j)
{
	struct metadata have;
	if (metadata_read(j->room->nb, &have) == 0) {
		metadata_fini(&have);
		return;
	}
	char *why = NULL;
	if (metadata_set_snapshot(j->room->nb, j->initial_metadata, strlen(j->initial_metadata), NULL, &why) < 0)
		log_info("room", "initial metadata ignored: %s", why ? why : "no snapshot");
	free(why);
	room_commit(j->room);
}

static void attach(struct room_join *j)
{
	struct room *room = j->room;
	struct peer_link link = j->link;
	evict_take_back(room);
	if (j->working_dir) {
		free(room->working_dir);
		room->working_dir = xstrdup(j->working_dir);
	}
	if (j->initial_metadata)
		seed_metadata(j);
	room_settle(room);
	greet(j);
	bool starts_kernel = room_first_peer_comes(room); /* what its first state document tells */
	struct peer *peer = peer_attach(room, j->face, &link);
	if (j->old_id && j->channel == HANDSHAKE_NOTEBOOK_SYNC)
		peer_tell_renamed(peer);
	link.joined(link.ctx, peer);
	let_go(j);
	join_free(j);
	if (starts_kernel)
		room_first_peer(room);
}

/* ---- finding the room ---- */

static void go_on(struct room_join *j);

static void room_ready(struct room_join *j)
{
	struct room *room = j->room;
	const struct error failed = {.code = ERROR_OPEN_PARSE, .subject = room->path ? room->path : room->uuid,
				     .cause = room->load_error};
	switch (room->state) {
	case ROOM_LOADING:
		j->parked = true;
		VEC_PUSH(&room->waiting, j);
		break;
	case ROOM_LOAD_FAILED:
		refuse(j, &failed);
		break;
	case ROOM_LIVE:
		attach(j);
		break;
	case ROOM_DRAINING:
		if (evict_may_come_back(room)) {
			attach(j);
			break;
		}
		j->parked = true;
		VEC_PUSH(&room->waiting, j);
		break;
	case ROOM_GONE:
		let_go(j);
		go_on(j);
		break;
	}
}

void join_resume_waiting(struct room *room)
{
	VEC(struct room_join *) list = {0};
	for (size_t i = 0; i < room->waiting.n; i++)
		VEC_PUSH(&list, room->waiting.p[i]);
	room->waiting.n = 0;
	for (size_t i = 0; i < list.n; i++) {
		list.p[i]->parked = false;
		room_ready(list.p[i]);
	}
	VEC_FREE(&list);
}

static void looked(void *ctx, int err)
{
	struct look_wait *wait = ctx;
	struct room_join *j = wait->join;
	(void)err; /* no notebook any more, or gone: the room goes on with what it has */
	free(wait);
	if (!j)
		return;
	j->look = NULL;
	if (room_is_there(j)) {
		room_ready(j);
	} else {
		let_go(j);
		go_on(j);
	}
}

/* Who opens a file sees what is in it, also when the watcher has not got to it yet. */
static void enter(struct room_join *j, struct room *room)
{
	j->room = room;
	j->rid = room->rid;
	room_pin(room);
	if (room->state == ROOM_LIVE && watch_behind(room)) {
		j->look = xcalloc(1, sizeof *j->look);
		j->look->join = j;
		watch_check(room, looked, j->look);
	} else {
		room_ready(j);
	}
}

static int new_cells(const struct room_join *j)
{
	return j->svc->new_notebook_cells >= 0 ? j->svc->new_notebook_cells : (int)j->face->new_notebook_cells;
}

/* file: what is at the path, where something is: a second name of it finds the room while it is being read. */
static void make_room(struct room_join *j, enum room_kind kind, const char *uuid, const struct room_path *file,
		      const char *key, const char *runtime)
{
	struct room *room = room_new(j->svc, kind, uuid, file ? file->path : NULL, key);
	registry_insert(j->svc->registry, room);
	if (file && file->kind == ROOM_PATH_FILE)
		registry_rebind(j->svc->registry, room, room->path, &file->info);
	j->loader = true;
	room_load(room, new_cells(j), runtime);
	enter(j, room);
}

static void claim_over(void *ctx)
{
	struct room_join *j = ctx;
	free(j->claimed);
	j->claimed = NULL;
	go_on(j);
}

/* The room's file was moved to `path`: follow it and tell the peers. */
static void room_moved(struct room *room, const char *path, const struct host_file_info *info)
{
	struct broadcast b = {.event = BROADCAST_ROOM_RENAMED};
	struct host_file_info moved = *info;
	if (room->inode_known) { /* what is read is what was: enter() sees whether it was changed as well */
		moved.size = room->inode.size;
		moved.mtime_ns = room->inode.mtime_ns;
	}
	log_info("room", "%s was moved to %s", room->path, path);
	alias_move(room->svc->aliases, room->path, path, NULL, NULL);
	registry_rebind(room->svc->registry, room, path, &moved);
	if (room->journal)
		journal_rename(room->journal, path, NULL, NULL);
	watch_start(room);
	room_write_sidecar(room);
	b.new_notebook_id = room->path;
	room_broadcast(room, &b, 0);
}

/* Another name for a file somebody has open (rooms.md 3.3): a hard link or a move. */
static struct room *by_inode(struct room_join *j, const struct room_path *p)
{
	struct host_file_info there;
	struct room *room = registry_by_inode(j->svc->registry, p->info.dev, p->info.ino);
	if (!room || room->state == ROOM_LOADING)
		return room;
	int r = host_path_stat(j->svc->host, room->path, &there);
	if (r == 0 && there.dev == p->info.dev && there.ino == p->info.ino)
		return room; /* found by its inode each time: the link may be another file the next time */
	if (r == -ENOENT && !claim_find(j->svc->registry, room->path)) {
		room_moved(room, p->path, &p->info);
		return room;
	}
	return NULL; /* its path holds another file now: two notebooks */
}

/* What a notebook made at this path is for; NULL: nothing is put into it. notebook_sync joins, it does not make
 * (protocol.md 4.3): its initial metadata comes into an empty document. */
static const char *runtime_for_new(const struct room_join *j)
{
	if (j->channel == HANDSHAKE_NOTEBOOK_SYNC || j->runtime)
		return j->runtime;
	return j->svc->default_runtime ? j->svc->default_runtime : "python";
}

static void join_path(struct room_join *j, const struct room_path *p)
{
	struct claim *claim = claim_find(j->svc->registry, p->path);
	if (claim) {
		j->claimed = xstrdup(p->path);
		claim_wait(claim, claim_over, j);
		return;
	}
	struct room *room = registry_by_path(j->svc->registry, p->path);
	if (!room && p->kind == ROOM_PATH_FILE)
		room = by_inode(j, p);
	if (room)
		enter(j, room);
	else
		make_room(j, ROOM_PATH, NULL, p, NULL, runtime_for_new(j));
}

static void join_named_path(struct room_join *j, const char *given)
{
	struct room_path p;
	char *reason = NULL;
	int r = room_path_resolve(j->svc->host, given, ROOM_PATH_OPEN, &p, &reason);
	if (r < 0) {
		char os[128];
		const struct error e = {.code = ERROR_OPEN_ACCESS, .subject = given,
					.cause = r == -EINVAL ? reason : error_os_text(-r, os, sizeof os)};
		refuse(j, &e);
		free(reason);
		return;
	}
	if (p.kind == ROOM_PATH_DIRECTORY) { /* a new notebook that works there */
		free(j->working_dir);
		j->working_dir = xstrdup(p.path);
		make_room(j, ROOM_UNTITLED, NULL, NULL, NULL, runtime_for_new(j));
	} else {
		join_path(j, &p);
	}
	room_path_fini(&p);
}

static void join_uuid(struct room_join *j, const char *uuid)
{
	struct room *room = registry_by_uuid(j->svc->registry, uuid);
	const char *path = room ? NULL : alias_path_of(j->svc->aliases, uuid);
	if (room) {
		j->old_id = room->path != NULL;
		enter(j, room);
	} else if (path && host_path_exists(j->svc->host, path)) {
		char *copy = xstrdup(path);
		j->old_id = true;
		join_named_path(j, copy);
		free(copy);
	} else {
		make_room(j, ROOM_UNTITLED, uuid, NULL, NULL, j->runtime);
	}
}

static void join_opaque(struct room_join *j, const char *id)
{
	struct room *room = registry_by_opaque(j->svc->registry, id);
	if (room)
		enter(j, room);
	else
		make_room(j, ROOM_OPAQUE, NULL, NULL, id, j->runtime);
}

static void join_id(struct room_join *j, const char *id)
{
	char uuid[UUID_TEXT];
	if (uuid_parse(id, uuid))
		join_uuid(j, uuid);
	else if (*id == '/')
		join_named_path(j, id);
	else
		join_opaque(j, id);
}

static void go_on(struct room_join *j)
{
	char uuid[UUID_TEXT];
	const struct error no_path = {.code = ERROR_OPEN_ACCESS, .subject = j->path,
				      .cause = "an id is joined, not opened by path"};
	if (j->svc->stopping) {
		refuse(j, &(struct error){.code = ERROR_OTHER, .cause = "The daemon is shutting down"});
		return;
	}
	switch (j->channel) {
	case HANDSHAKE_OPEN_NOTEBOOK:
		if (uuid_parse(j->path, uuid))
			refuse(j, &no_path);
		else
			join_named_path(j, j->path);
		break;
	case HANDSHAKE_CREATE_NOTEBOOK:
		if (j->notebook_id) {
			join_id(j, j->notebook_id);
		} else {
			host_uuid(j->svc->host, uuid);
			join_uuid(j, uuid);
		}
		break;
	default:
		join_id(j, j->notebook_id);
	}
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

struct room_join *room_join(struct room_service *svc, const struct handshake *h, const struct face *face,
			    const struct peer_link *link)
{
	struct room_join *j = xcalloc(1, sizeof *j);
	j->svc = svc;
	j->face = face;
	j->link = *link;
	j->channel = h->channel;
	j->notebook_id = copy(h->notebook_id);
	j->path = copy(h->path);
	j->working_dir = copy(h->working_dir);
	j->initial_metadata = copy(h->initial_metadata);
	j->runtime = copy(h->runtime);
	bool ended = false;
	j->ended = &ended;
	go_on(j);
	if (ended)
		return NULL;
	j->ended = NULL;
	return j;
}

void room_join_cancel(struct room_join *j)
{
	if (j->claimed) {
		struct claim *claim = claim_find(j->svc->registry, j->claimed);
		if (claim)
			claim_unwait(claim, j);
	}
	if (j->parked) {
		for (size_t i = 0; i < j->room->waiting.n; i++) {
			if (j->room->waiting.p[i] == j) {
				VEC_REMOVE(&j->room->waiting, i);
				break;
			}
		}
	}
	if (j->look)
		j->look->join = NULL;
	let_go(j);
	join_free(j);
}

struct room *join_find(struct room_service *svc, const char *id, char **ret_path)
{
	char uuid[UUID_TEXT];
	struct room *room = NULL;
	struct room_path p = {0};
	char *reason = NULL;
	const char *path = NULL;
	if (uuid_parse(id, uuid)) {
		room = registry_by_uuid(svc->registry, uuid);
		path = room ? NULL : alias_path_of(svc->aliases, uuid);
	} else if (*id == '/') {
		path = id;
	} else {
		room = registry_by_opaque(svc->registry, id);
	}
	if (path && room_path_resolve(svc->host, path, ROOM_PATH_OPEN, &p, &reason) == 0 &&
	    p.kind != ROOM_PATH_DIRECTORY) {
		room = registry_by_path(svc->registry, p.path);
		if (!room && p.kind == ROOM_PATH_FILE)
			room = registry_by_inode(svc->registry, p.info.dev, p.info.ino);
		if (ret_path)
			*ret_path = xstrdup(p.path);
	}
	free(reason);
	room_path_fini(&p);
	return room;
}
