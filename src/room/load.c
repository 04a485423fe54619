/* How a new room gets its content (rooms.md 4, 5.4; design.md 7.10, 7.14). All of
 * it is read and built on a worker, in a document nobody else knows yet; then it
 * becomes the room's in one turn. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"
#include "host/file.h"
#include "notebook/merge.h"
#include "room/autosave.h"
#include "room/join.h"
#include "room/registry.h"
#include "room/room.h"
#include "store/snapshot.h"

#define LOAD_FILE_MAX ((size_t)1 << 31)

struct load {
	struct room_service *svc;
	uint64_t rid;
	char *journal_id, *path, *uuid;
	char actor[32];
	bool conda;
	int new_cells;   /* of a notebook that is made here */
	char *runtime;
	char cell_id[UUID_TEXT];
	/* Results. */
	int err;
	char *reason;
	struct notebook *nb;
	struct journal_content journal;
	bool from_journal;
	bool from_file, file_there;
	bool clean;           /* document and file say the same */
	bool created;
	struct ipynb_version *version;
	uint8_t sha256[SHA256_BYTES];
	struct host_file_info info;
	struct heads exported;
	struct heads journaled; /* what the journal's bytes hold */
};

static void random_bytes(void *ctx, void *p, size_t n)
{
	host_random(ctx, p, n);
}

/* What a daemon that was killed while it wrote this notebook left beside it. */
static void remove_left_temps(struct load *load)
{
	struct host *h = load->svc->host;
	struct host_file_info info;
	char *dir = path_dir(load->path), **names;
	size_t n;
	if (host_dir_list(h, dir, &names, &n) == 0) {
		for (size_t i = 0; i < n; i++) {
			char *path = host_name_is_temp(names[i], path_base(load->path)) ? path_join(dir, names[i]) : NULL;
			if (path && host_path_lstat(h, path, &info) == 0 && info.mtime_ns < load->svc->opened_ns &&
			    host_path_unlink(h, path) == 0)
				log_info("room", "removed %s, left by an interrupted save", path);
			free(path);
		}
		host_names_free(names, n);
	}
	free(dir);
}

static int read_file(struct load *load)
{
	struct buf bytes = {0};
	struct host *h = load->svc->host;
	int r = host_path_stat(h, load->path, &load->info);
	if (r == 0)
		r = host_file_read_all(h, load->path, LOAD_FILE_MAX, &bytes);
	if (r == -ENOENT || r == -ENOTDIR) {
		buf_free(&bytes);
		return 0;
	}
	load->file_there = true;
	if (r == 0) {
		sha256(load->sha256, bytes.p, bytes.n);
		r = ipynb_read(bytes.p, bytes.n, NULL, &load->version, &load->reason);
	} else {
		load->reason = xstrdup(strerror(-r));
	}
	buf_free(&bytes);
	return r;
}

static int fill_from_file(struct load *load)
{
	int r = notebook_new(load->actor, &load->nb);
	if (r < 0)
		return r;
	notebook_set_id(load->nb, load->uuid);
	/* With nothing unseen the load counts as seen, too, and is not diffed. */
	r = notebook_refresh(load->nb, NULL);
	if (r < 0)
		return r;
	struct ipynb_load *loading = ipynb_load_start(load->nb, load->version, &load->svc->notebook_blobs);
	while ((r = ipynb_load_step(loading)) > 0)
		;
	ipynb_load_free(loading);
	load->from_file = true;
	load->clean = true;
	return r < 0 ? r : notebook_commit(load->nb);
}

static void set_exported(struct load *load, char *const *hex, size_t n)
{
	VEC(am_hash) heads = {0};
	for (size_t i = 0; i < n; i++) {
		am_hash hash;
		if (hex_decode(hash.b, sizeof hash.b, hex[i], strlen(hex[i])) == 0)
			VEC_PUSH(&heads, hash);
	}
	heads_set(&load->exported, heads.p, heads.n);
	VEC_FREE(&heads);
}

/* What the sidecar knows of the file: true when these very bytes are the daemon's own, with
 * load->exported the heads they were written from. */
static bool is_own_file(struct load *load)
{
	const struct sidecar *sc = &load->journal.sidecar;
	char hex[SHA256_HEX_BYTES];
	if (!load->journal.has_sidecar)
		return false;
	hex_encode(hex, load->sha256, SHA256_BYTES);
	bool baseline = load->file_there && sc->baseline_sha256 && strcmp(sc->baseline_sha256, hex) == 0;
	/* The daemon was killed between the rename and what it would have noted behind it. */
	bool written = load->file_there && !baseline && sc->writing_sha256 && strcmp(sc->writing_sha256, hex) == 0;
	if (written)
		set_exported(load, sc->writing_heads, sc->n_writing_heads);
	else
		set_exported(load, sc->exported_heads, sc->n_exported_heads);
	return baseline || written;
}

/* The document as it was when it was last written to the file, as a file version:
 * the base of the merge with what the file has become. */
static struct ipynb_version *exported_version(struct load *load)
{
	am_doc *then = NULL;
	struct notebook *nb = NULL;
	struct ipynb_version *version = NULL;
	am_buf bytes = {0};
	if (load->exported.n == 0 ||
	    am_fork_at(notebook_doc(load->nb), load->exported.p, load->exported.n, &then) != AM_OK)
		return ipynb_empty();
	if (am_save(then, AM_SAVE_PLAIN, &bytes) == AM_OK &&
	    notebook_load(bytes.p, bytes.n, "runtimed:base", &nb, NULL) == 0) {
		struct ipynb_export *e = ipynb_export_new();
		ipynb_export_snapshot(e, nb, &version);
		ipynb_export_free(e);
	}
	notebook_free(nb);
	am_buf_free(&bytes);
	am_free(then);
	return version ? version : ipynb_empty();
}

/* Journal and file are both there and the file is not what the journal's document
 * was written as: somebody edited it while the daemon was away. */
static int merge_with_file(struct load *load)
{
	size_t n;
	const am_hash *heads = notebook_heads(load->nb, &n);
	if (heads_equal(&load->exported, heads, n)) { /* nothing unsaved: the file is the truth */
		notebook_free(load->nb);
		load->nb = NULL;
		load->from_journal = false;
		return fill_from_file(load);
	}
	struct ipynb_version *base = exported_version(load);
	const struct merge_opts opts = {.blobs = &load->svc->notebook_blobs, .random = random_bytes,
					.random_ctx = load->svc->host};
	struct merge_result result = {0};
	int r = merge_file(load->nb, base, load->version, &opts, &result);
	ipynb_unref(base);
	log_info("room", "%s: unsaved edits of the journal joined with the changed file", load->path);
	return r;
}

static int fill_from_journal(struct load *load)
{
	bool rebuilt = false;
	int r = notebook_load(load->journal.bytes.p, load->journal.bytes.n, load->actor, &load->nb, &rebuilt);
	if (r < 0) {
		log_error("room", "%s: the journal cannot be read and is kept as .automerge.corrupt", load->journal_id);
		journal_mark_corrupt(load->svc->journals, load->journal_id);
		journal_content_free(&load->journal);
		return load->file_there ? fill_from_file(load) : 0;
	}
	if (rebuilt) {
		char hash[SHA256_HEX_BYTES];
		sha256_hex(hash, load->journal_id, strlen(load->journal_id));
		snapshot_put(load->svc->host, journal_store_dir(load->svc->journals), hash, "automerge",
			     load->journal.bytes.p, load->journal.bytes.n, NULL);
	}
	size_t n;
	const am_hash *heads = notebook_heads(load->nb, &n);
	heads_set(&load->journaled, heads, n);
	load->from_journal = !rebuilt;
	bool own = is_own_file(load);
	if (!load->file_there)
		return 0;
	if (!own)
		return merge_with_file(load);
	load->clean = heads_equal(&load->exported, heads, n);
	return 0;
}

static int make_new(struct load *load)
{
	int r = notebook_new(load->actor, &load->nb);
	if (r < 0)
		return r;
	load->created = true;
	notebook_set_id(load->nb, load->uuid);
	if (load->runtime) {
		const struct cell_init cell = {.id = load->cell_id};
		if (load->new_cells > 0)
			r = cell_add_at(load->nb, 0, &cell);
		if (r == 0)
			r = metadata_write_default(load->nb, load->runtime, load->conda, load->uuid);
	}
	return r < 0 ? r : notebook_commit(load->nb);
}

static void load_run(void *ctx)
{
	struct load *load = ctx;
	if (load->path)
		remove_left_temps(load);
	load->err = load->path ? read_file(load) : 0;
	if (load->err < 0)
		return;
	load->err = journal_load(load->svc->journals, load->journal_id, &load->journal);
	if (load->err == 0 && load->journal.existed)
		load->err = fill_from_journal(load);
	else if (load->err == 0 && load->file_there)
		load->err = fill_from_file(load);
	if (load->err == 0 && !load->nb)
		load->err = make_new(load);
	if (load->err == 0)
		load->err = notebook_refresh(load->nb, NULL);
	if (load->err < 0 && !load->reason)
		load->reason = xstrdup(strerror(-load->err));
}

/* The room's uuid is the document's where that has one (settled question 4). */
static void take_uuid(struct room *room)
{
	char *id = notebook_get_id(room->nb), canonical[UUID_TEXT];
	struct registry *reg = room->svc->registry;
	bool other = id && uuid_parse(id, canonical) && strcmp(canonical, room->uuid) != 0;
	if (other && !registry_by_uuid(reg, canonical)) {
		registry_set_uuid(reg, room, canonical);
	} else if (!id || strcmp(id, room->uuid) != 0) {
		notebook_set_id(room->nb, room->uuid);
		notebook_commit(room->nb);
	}
	free(id);
}

static void go_live(struct room *room, struct load *load)
{
	size_t n;
	room->nb = load->nb;
	load->nb = NULL;
	room->state = ROOM_LIVE;
	room->born_here = room->kind == ROOM_PATH && load->created && load->runtime;
	take_uuid(room);
	room_journal_start(room, load->from_journal ? &load->journal : NULL);
	const am_hash *heads = notebook_heads(room->nb, &n);
	/* What the load itself changed (a merge with the file) is not in the journal yet, and
	 * what is appended from now on builds on it. */
	if (load->from_journal && room->journal && !heads_equal(&load->journaled, heads, n))
		journal_append_document(room->journal);
	notebook_refresh(room->nb, NULL);
	heads = notebook_heads(room->nb, &n);
	if (load->version && load->from_journal)
		ipynb_match_ids(load->version, room->nb);
	if (load->version)
		ipynb_export_rebase(room->exporter, load->version, load->from_file);
	if (load->file_there)
		autosave_rebase(room, load->sha256, load->from_file ? heads : load->exported.p,
				load->from_file ? n : load->exported.n, load->clean);
	else if (load->from_journal && room->kind == ROOM_PATH)
		autosave_arm(room);
	if (load->from_journal && !load->clean)
		room->authored = true;
	if (room->path) {
		registry_rebind(room->svc->registry, room, room->path, load->file_there ? &load->info : NULL);
		watch_start(room);
	}
	room_recheck_trust(room);
	state_trust(room);
	room_write_sidecar(room);
	room_shrink(room);
}

static void load_done(void *ctx)
{
	struct load *load = ctx;
	struct room *room = room_by_rid(load->svc, load->rid);
	if (room && load->err == 0) {
		go_live(room, load);
	} else if (room) {
		log_warn("room", "%s cannot be opened: %s", room_wire_id(room), load->reason);
		room->state = ROOM_LOAD_FAILED;
		room->load_error = load->reason;
		load->reason = NULL;
	}
	if (room) {
		join_resume_waiting(room);
		room_unpin(room);
	}
	notebook_free(load->nb);
	journal_content_free(&load->journal);
	ipynb_unref(load->version);
	heads_fini(&load->exported);
	heads_fini(&load->journaled);
	free(load->reason);
	free(load->runtime);
	free(load->journal_id);
	free(load->path);
	free(load->uuid);
	free(load);
}

void room_load(struct room *room, int new_cells, const char *runtime)
{
	struct load *load = xcalloc(1, sizeof *load);
	uint8_t suffix[4];
	load->svc = room->svc;
	load->rid = room->rid;
	load->journal_id = xstrdup(room_journal_id(room));
	load->path = room->path ? xstrdup(room->path) : NULL;
	load->uuid = xstrdup(room->uuid);
	host_random(room->svc->host, suffix, sizeof suffix);
	snprintf(load->actor, sizeof load->actor, "runtimed:%02x%02x%02x%02x", suffix[0], suffix[1], suffix[2],
		 suffix[3]);
	load->conda = room->svc->default_python_env && strcmp(room->svc->default_python_env, "conda") == 0;
	load->new_cells = new_cells;
	load->runtime = runtime ? xstrdup(runtime) : NULL;
	host_uuid(room->svc->host, load->cell_id);
	room_pin(room);
	host_work(room->svc->host, load_run, load_done, load);
}
