/* What follows every change of a notebook document: the journal gets it first,
 * then, once per turn, index, flags, trust, assets and autosave catch up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"
#include "notebook/assets.h"
#include "room/autosave.h"
#include "room/registry.h"
#include "room/room.h"

/* ---- the journal ---- */

static void journal_is_synced(void *ctx, uint64_t seq)
{
	(void)seq;
	room_touch(ctx); /* acknowledgements may go */
}

static int journal_wants_document(void *ctx, struct buf *out)
{
	struct room *room = ctx;
	am_buf bytes = {0};
	int r = am_save(notebook_doc(room->nb), 0, &bytes);
	if (r == AM_OK) {
		buf_clear(out);
		buf_append(out, bytes.p, bytes.n);
	}
	am_buf_free(&bytes);
	return r == AM_OK ? 0 : -EIO;
}

static void journal_state_changed(void *ctx, enum journal_state state, int err)
{
	struct room *room = ctx;
	static const char *const where[] = {"", "kept in the runtime directory", "kept in memory only"};
	char *text = NULL;
	if (state != JOURNAL_OK)
		text = xasprintf("The journal cannot be written (%s); changes are %s", strerror(-err), where[state]);
	if (text)
		log_warn("room", "%s: %s", room_wire_id(room), text);
	else
		log_info("room", "%s: the journal is being written again", room_wire_id(room));
	state_storage(room, text);
	free(text);
}

static const struct journal_events journal_events = {journal_is_synced, journal_wants_document, journal_state_changed};

void room_journal_start(struct room *room, const struct journal_content *loaded)
{
	int r = journal_open(room->svc->journals, room_journal_id(room), loaded, &journal_events, room, &room->journal);
	if (r < 0)
		log_error("room", "%s: no journal: %s", room_wire_id(room), strerror(-r));
	size_t n;
	const am_hash *heads = notebook_heads(room->nb, &n);
	heads_set(&room->journaled, heads, n);
	if (!loaded && room->kind != ROOM_PATH && room->journal)
		journal_append_document(room->journal); /* an untitled notebook exists from its creation on */
	room_write_sidecar(room);
}

static void heads_hex(const am_hash *heads, size_t n, char ***ret, size_t *ret_n)
{
	*ret = xcalloc(n, sizeof **ret);
	*ret_n = n;
	for (size_t i = 0; i < n; i++) {
		(*ret)[i] = xmalloc(SHA256_HEX_BYTES);
		hex_encode((*ret)[i], heads[i].b, sizeof heads[i].b);
	}
}

void room_tell_sidecar(struct room *room, room_done_fn *done, void *ctx)
{
	static const char *const kinds[] = {"untitled", "path", "opaque"};
	struct sidecar sc = {.kind = xstrdup(kinds[room->kind]), .uuid = xstrdup(room->uuid),
			     .path = room->path ? xstrdup(room->path) : NULL};
	autosave_describe(room->autosave, &sc);
	size_t n;
	const am_hash *heads = notebook_heads(room->nb, &n);
	heads_hex(heads, n, &sc.doc_heads, &sc.n_doc_heads);
	journal_set_sidecar(room->journal, &sc, done, ctx);
	sidecar_free(&sc);
}

void room_write_sidecar(struct room *room)
{
	if (room->journal)
		room_tell_sidecar(room, NULL, NULL);
}

uint64_t room_changed(struct room *room, bool by_peer)
{
	am_doc *doc = notebook_doc(room->nb);
	size_t n;
	const am_hash *heads = am_heads(doc, &n);
	if (heads_equal(&room->journaled, heads, n))
		return 0;
	uint64_t seq = 0;
	am_buf bytes = {0};
	if (room->journal && am_save_after(doc, room->journaled.p, room->journaled.n, &bytes) == AM_OK)
		seq = journal_append(room->journal, bytes.p, bytes.n);
	am_buf_free(&bytes);
	heads = am_heads(doc, &n);
	heads_set(&room->journaled, heads, n);
	room->unsettled = true;
	room->peer_changed |= by_peer;
	room_touch(room);
	return seq;
}

void room_commit(struct room *room)
{
	notebook_commit(room->nb);
	room_changed(room, false);
	room_settle(room);
}

/* ---- catching up ---- */

static void outputs_changed(struct room *room, const char *cell_id)
{
	size_t n;
	char **outputs = cell_outputs(room->nb, cell_id, &n);
	char *count = cell_execution_count(room->nb, cell_id);
	uint64_t value = 0;
	bool has_count = count && str_to_u64(count, &value);
	kernel_outputs_changed(room->kernel, cell_id, has_count, (int64_t)value, (const char *const *)outputs, n);
	const struct execution *shown = queue_shown(kernel_queue(room->kernel), cell_id);
	if (shown)
		state_execution(room, shown);
	cell_outputs_free(outputs, n);
	free(count);
}

static void note_cells(struct room *room, const struct notebook_changes *changes)
{
	for (size_t i = 0; i < changes->cells.n; i++) {
		const struct cell_change *c = &changes->cells.p[i];
		if (c->fields & CELL_REMOVED)
			kernel_cell_removed(room->kernel, c->id);
		else if (room->peer_changed && (c->fields & (CELL_OUTPUTS | CELL_COUNT | CELL_ADDED)))
			outputs_changed(room, c->id);
	}
}

static char *attachments_of(void *ctx, const char *cell_id)
{
	struct room *room = ctx;
	char *own = room->nb ? cell_attachments(room->nb, cell_id) : NULL;
	if (own && strcmp(own, "{}") != 0)
		return own;
	free(own);
	struct ipynb_version *file = ipynb_export_baseline(room->exporter);
	return file ? ipynb_attachments(file, cell_id) : NULL;
}

/* Inside the notebook's directory after symbolic links (documents.md 12). */
static int read_asset(void *ctx, const char *relative, struct buf *out)
{
	struct room *room = ctx;
	struct host *h = room->svc->host;
	char *dir = path_dir(room->path), *joined = path_join(dir, relative), *real = NULL, *real_dir = NULL;
	int r = host_path_real(h, joined, &real);
	if (r == 0)
		r = host_path_real(h, dir, &real_dir);
	size_t n = r == 0 ? strlen(real_dir) : 0;
	if (r == 0 && (strncmp(real, real_dir, n) != 0 || (real[n] != '/' && n > 1)))
		r = -EACCES;
	if (r == 0)
		r = host_file_read_all(h, real, ASSET_MAX_BYTES, out);
	free(real_dir);
	free(real);
	free(joined);
	free(dir);
	return r;
}

static bool resolve_assets(struct room *room, const struct notebook_changes *changes)
{
	bool changed = false;
	const struct assets_env env = {.blobs = &room->svc->notebook_blobs, .attachments = attachments_of,
				       .read_file = room->path ? read_asset : NULL, .ctx = room};
	assets_resolve(room->nb, changes, &env, &changed);
	return changed;
}

void room_settle(struct room *room)
{
	/* Repairs and assets are changes of their own: a second pass finds only those. */
	for (int pass = 0; room->unsettled && pass < 3; pass++) {
		struct notebook_changes changes = {0};
		room->unsettled = false;
		notebook_refresh(room->nb, &changes);
		room->shown += changes.visible || changes.metadata || changes.cells.n;
		ipynb_export_note(room->exporter, &changes);
		note_cells(room, &changes);
		if (changes.edit && room->peer_changed)
			room->authored = true;
		bool repaired = false;
		if (changes.metadata) {
			if (room->peer_changed)
				metadata_repair(room->nb, &repaired);
			room_recheck_trust(room);
			room_env_sync(room);
		}
		bool assets = resolve_assets(room, &changes);
		/* Scaffold alone makes no file; in a file that is there it is kept up to date. */
		if (changes.edit || (changes.visible && room->ever_on_disk))
			autosave_arm(room);
		notebook_changes_fini(&changes);
		room->peer_changed = false;
		if (repaired || assets) {
			notebook_commit(room->nb);
			room_changed(room, false);
		}
	}
}

bool room_has_file_changes(struct room *room)
{
	room_settle(room);
	return autosave_dirty(room->autosave);
}

bool room_is_scaffold(struct room *room)
{
	room_settle(room);
	if (room->authored)
		return false;
	for (size_t i = 0; i < cells_count(room->nb); i++)
		if (!cell_is_scaffold(room->nb, cells_id_at(room->nb, i)))
			return false;
	return true;
}

/* ---- trust ---- */

static bool trust_key(struct room *room, uint8_t key[TRUST_KEY_BYTES])
{
	struct buf bytes = {0};
	const char *path = room->svc->trust_key_path;
	bool ok = path && host_file_read_all(room->svc->host, path, 4096, &bytes) == 0 && bytes.n == TRUST_KEY_BYTES;
	if (ok)
		memcpy(key, bytes.p, TRUST_KEY_BYTES);
	buf_free(&bytes);
	return ok;
}

void room_recheck_trust(struct room *room)
{
	struct buf json = {0};
	uint8_t key[TRUST_KEY_BYTES];
	metadata_json(room->nb, &json);
	enum trust_status before = room->trust;
	bool has_key = trust_has_dependencies((const char *)json.p, json.n) && trust_key(room, key);
	room->trust = trust_check((const char *)json.p, json.n, has_key ? key : NULL);
	buf_free(&json);
	if (room->trust != before)
		state_trust(room);
}
