/* A room: one live notebook. Shared by the files of this folder only; the
 * daemon sees service.h.
 *
 * A room is an object with a UUID for life; its path is an attribute, and what a
 * client calls it is its face's business (design.md decision 2). Room state is
 * plain C; the documents are projections of it (decision 5). Everything runs on
 * the loop thread; work sent elsewhere carries the room's id, never a pointer. */
#ifndef ROOM_ROOM_H
#define ROOM_ROOM_H
#include "automerge/automerge.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "host/file.h"
#include "host/watch.h"
#include "kernel/format.h"
#include "kernel/kernel.h"
#include "notebook/cells.h"
#include "notebook/fold.h"
#include "notebook/ipynb.h"
#include "notebook/metadata.h"
#include "notebook/notebook.h"
#include "notebook/state_document.h"
#include "notebook/trust.h"
#include "protocol/face.h"
#include "room/service.h"
#include "store/alias.h"
#include "store/blob.h"
#include "store/execution_log.h"
#include "store/journal.h"

struct autosave;
struct drain;
struct claim;
struct launch;
struct pending;
struct registry;
struct presence_table;
struct watcher;

enum room_kind {
	ROOM_UNTITLED, /* named by its UUID, kept in its journal alone */
	ROOM_PATH,     /* has a file, or will have one */
	ROOM_OPAQUE    /* any other id; never written to a file (rooms.md 3.3) */
};

enum room_state {
	ROOM_LOADING,
	ROOM_LIVE,
	ROOM_LOAD_FAILED, /* answers opens with its error, writes nothing */
	ROOM_DRAINING,    /* being evicted or stopped; an attach takes it back to LIVE */
	ROOM_GONE         /* out of the registry; only references keep the memory */
};

/* A list of heads, owned. */
struct heads {
	am_hash *p;
	size_t n;
};
void heads_set(struct heads *h, const am_hash *p, size_t n);
bool heads_equal(const struct heads *h, const am_hash *p, size_t n);
void heads_fini(struct heads *h);

struct room {
	struct room_service *svc;
	uint64_t rid; /* never used twice */
	char uuid[UUID_TEXT];
	enum room_kind kind;
	enum room_state state;
	char *key;  /* OPAQUE: the id */
	char *path; /* PATH: canonical */
	struct host_file_info inode; /* of the file as last read or written, when inode_known */
	int inode_fd;                /* O_PATH: the number is not used again while it is open; -1 */
	bool inode_known;
	unsigned pins; /* joins and operations under way: no eviction */
	unsigned holds; /* of those: saves of others onto its file, which may end in a fold */
	struct room *folded_into;
	char *load_error;  /* LOAD_FAILED: why */
	bool had_peers;
	bool authored;     /* a peer's edit beyond scaffold, or an execution (rooms.md 11.4) */
	bool born_here;    /* made by an open of a path where there was no file */
	bool ever_on_disk; /* the file was read, or written by us */
	char *working_dir;

	struct notebook *nb;
	am_doc *state_doc;
	struct heads journaled; /* what the journal has been given of nb */
	bool unsettled;         /* nb changed since room_settle */
	uint64_t shown;         /* counts the times room_settle found something that anybody sees */
	bool peer_changed;      /* ... by a peer or the file, not only by ourselves */
	bool queued_turn;       /* in the service's list of rooms to look at this turn */

	VEC(struct peer *) peers;
	struct presence_table *presence;

	struct journal *journal;
	struct kernel *kernel;
	struct launch *launch;
	bool resolving;          /* an environment is being found */
	struct execution *outputs_of; /* whose outputs changed since the last commit of the kernel */
	size_t outputs_from;	      /* the first of them */
	uint64_t projected_seq;       /* newest execution the state document knows */
	struct json_object *launched_config;
	char *venv_path;         /* of the environment the kernel runs in, when it is one */
	char *pool_venv;         /* the same when it is the pool's and goes with the kernel */
	enum trust_status trust;
	char *env_fingerprint;   /* of the last env_sync_state sent */

	struct ipynb_export *exporter;
	struct autosave *autosave;
	struct watcher *watcher;
	VEC(struct fold *) folds; /* rooms folded into this one whose peers may still send (11.5 step 11) */

	struct host_timer evict_timer;
	struct host_timer quiet_timer; /* to give memory back */
	bool stirred;                  /* something happened since it was started */
	VEC(struct room_join *) waiting; /* joins parked on loading, or on the end */
	struct drain *drain;             /* the end is under way */
};

struct room_service {
	struct host *host;
	char *base_dir, *cache_dir, *trust_key_path, *daemon_version;
	int new_notebook_cells;
	uint64_t evict_ms;
	char *default_runtime, *default_python_env;
	uint64_t keep_alive_secs;
	struct registry *registry;
	struct journal_store *journals;
	struct alias_table *aliases;
	struct blob_store *blobs;
	struct execution_log *executions;
	struct kernel_service *kernels;
	struct pool *pool;
	struct formatter *formatter;
	struct output_blobs output_blobs;
	struct notebook_blobs notebook_blobs;
	struct host_hook turn_hook;
	VEC(struct room *) turn_rooms;
	uint64_t next_rid;
	int64_t opened_ns; /* wall clock; what is older belongs to an earlier daemon */
	bool stopping;
	void (*pool_error_changed)(void *ctx);
	void *ctx;
};

/* ---- room.c: birth, end, references ---- */

/* A room without content, not in the registry. */
struct room *room_new(struct room_service *svc, enum room_kind kind, const char *uuid, const char *path,
		      const char *key);
/* Must be out of the registry, without peers, pins and kernel process. */
void room_free(struct room *room);
/* What March's clients call it: path, UUID or opaque id. */
const char *room_wire_id(const struct room *room);
/* The id its journal goes by. */
const char *room_journal_id(const struct room *room);
/* The room an operation begun for rid belongs to now, following folds; NULL when it is gone. */
struct room *room_by_rid(struct room_service *svc, uint64_t rid);
void room_pin(struct room *room);
void room_unpin(struct room *room);
/* Marks the room for the end of this turn: fan-out, autosave, acknowledgements. */
void room_touch(struct room *room);
/* A turn in which something happened is over: some quiet seconds later the room is
 * brought back to what it needs. */
void room_stir(struct room *room);
/* Gives back what the documents keep for their next edits. */
void room_shrink(struct room *room);

/* ---- change.c: after the notebook document changed ---- */

/* To be called after each change of nb: the journal gets it; returns the journal's
 * number that makes it durable (0: nothing new). */
uint64_t room_changed(struct room *room, bool by_peer);
/* Brings index, flags, trust, assets and autosave up to date with the document. */
void room_settle(struct room *room);
/* For daemon edits: commits, journals, settles. */
void room_commit(struct room *room);
void room_journal_start(struct room *room, const struct journal_content *loaded);
void room_write_sidecar(struct room *room);
typedef void room_done_fn(void *ctx, int err);
/* The same with an end; the room has a journal. */
void room_tell_sidecar(struct room *room, room_done_fn *done, void *ctx);
bool room_has_file_changes(struct room *room); /* the file does not show what the document does */
void room_recheck_trust(struct room *room);
/* True when every cell is scaffold and nobody authored anything. */
bool room_is_scaffold(struct room *room);

/* ---- load.c ---- */
void room_load(struct room *room, int new_cells, const char *runtime);

/* ---- state.c: projections of room state ---- */
void state_kernel(struct room *room, enum kernel_status status, const char *phase);
void state_queue(struct room *room);
void state_execution(struct room *room, const struct execution *x);
void state_execution_drop(struct room *room, const char *execution_id);
/* Outputs of x from the index `from` on. */
void state_outputs(struct room *room, const struct execution *x, size_t from);
void state_env(struct room *room, const struct env_diff *diff, bool in_sync);
void state_trust(struct room *room);
void state_saved(struct room *room);
void state_storage(struct room *room, const char *error);
/* Writes every field anew from the room (after a fold). */
void state_all(struct room *room);
/* For the runtime_state_snapshot broadcast; a new reference. */
struct json_object *state_snapshot(struct room *room);

/* ---- execution.c: the kernel's callbacks ---- */
extern const struct kernel_callbacks room_kernel_callbacks;
void room_env_sync(struct room *room);
/* execution_log text of a finished execution. */
void room_log_execution(struct room *room, const struct execution *x);

/* ---- launch.c ---- */
/* Before the first peer is attached: whether its coming starts the kernel. Then the state document says so
 * already, so that the peer's first copy does (protocol.md 5.2), and room_first_peer has to follow. */
bool room_first_peer_comes(struct room *room);
void room_first_peer(struct room *room);
/* launch_kernel: answers pending at once or when the kernel is up. */
void room_launch(struct room *room, struct pending *pending, const struct request *r);
void room_launch_ended(struct room *room, const char *error);
/* The running launch's own sentence for why it failed, where it has one; otherwise reason. */
const char *room_launch_error(const struct room *room, const char *reason);
/* Whether somebody waits for the answer of a running launch. */
bool room_launch_awaited(const struct room *room);
void room_launch_cancel(struct room *room);
/* Requests that wait for a launch of `from` wait for, or get, that of `to`. */
void room_launch_move(struct room *from, struct room *to);
/* The kernel is gone: its pool environment, its configuration. */
void room_kernel_gone(struct room *room);

/* ---- autosave.c ---- */
struct autosave *autosave_new(struct room *room);
void autosave_free(struct autosave *a);
void autosave_arm(struct room *room);
/* Writes now if the file differs; done(ctx, err) later or from inside. */
void autosave_flush(struct room *room, room_done_fn *done, void *ctx);
bool autosave_busy(const struct room *room);

/* ---- watch.c ---- */
void watch_start(struct room *room);
void watch_stop(struct room *room);
/* Another program wrote the file and its event has not been dealt with: one stat(). */
bool watch_behind(const struct room *room);
/* Looks at the file now; done later. */
void watch_check(struct room *room, room_done_fn *done, void *ctx);

/* ---- save.c ---- */
void room_save(struct room *room, struct pending *pending, const struct request *r);
void room_clone(struct room *room, struct pending *pending, const struct request *r);

/* ---- fold.c ---- */
/* rooms.md 11.5; both LIVE; 0 or negative, then nothing has changed. */
int room_fold(struct room *s, struct room *l, enum fold_kind kind);

/* ---- evict.c ---- */
void evict_arm(struct room *room);
void evict_cancel(struct room *room);
/* Flush, end the kernel, remove; done (may be NULL) when gone or given up. force: peers are dropped. */
void room_drain(struct room *room, bool force, host_fn *done, void *ctx);
/* A room that is being evicted can still take a peer back. */
bool evict_may_come_back(const struct room *room);
/* A peer comes: the eviction of such a room is off. */
void evict_take_back(struct room *room);
/* The room becomes part of another: whatever end was under way is over. */
void evict_abandon(struct room *room);

/* ---- peer.c and request.c ---- */
struct peer *peer_attach(struct room *room, const struct face *face, const struct peer_link *link);
void peer_drop(struct peer *peer);
/* To all peers but `except` (a peer token, 0 = none). */
void room_broadcast(struct room *room, const struct broadcast *b, uint64_t except);
void room_presence(struct room *room, const struct presence *p, const struct peer *except);
/* Sends to each peer what it lacks, as far as it may have it now. */
void room_pump(struct room *room);
void room_state_changed(struct room *room);
#endif
