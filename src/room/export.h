/* One write of a room's content into a file (rooms.md 7.1, 11.3; design.md 7.9):
 * the snapshot is taken on the loop, rendered and written beside the target on a
 * worker, and takes the target's place in a second job after a look from the loop. */
#ifndef ROOM_EXPORT_H
#define ROOM_EXPORT_H
#include "room/room.h"

/* A snapshot on its way into a file. Owned by whoever started it. */
struct export_job;
struct export_result {
	int err;        /* 0, negative errno */
	bool stale;     /* the file holds bytes that are neither the baseline nor ours: it was not touched */
	bool unchanged; /* the file held exactly these bytes */
	uint8_t sha256[SHA256_BYTES];
	struct host_file_info info;
	const am_hash *heads; /* of the document when the snapshot was taken */
	size_t n_heads;
	struct ipynb_version *version;
};
typedef void export_done_fn(void *ctx, const struct export_result *r);
typedef bool export_ready_fn(void *ctx, const uint8_t sha256[SHA256_BYTES]);
struct export_opts {
	bool check_baseline;     /* refuse to overwrite what is not the baseline */
	bool make_parents;
	bool keep_old;           /* a copy of the old bytes goes to the snapshots */
	/* Both on the loop; false calls it off (err -ECANCELED). Who needs time returns false
	 * after export_hold(). May be NULL; not called when there is nothing to write. */
	export_ready_fn *begin; /* before anything is written */
	export_ready_fn *ready; /* between the temp file and the rename */
};
/* Takes the snapshot now. -errno when that fails; done is called later. */
int export_start(struct room *room, const char *path, const struct export_opts *opts, export_done_fn *done, void *ctx,
		 struct export_job **ret);
/* The same for bytes made elsewhere (a clone); empties the buffer. The result has no version. */
void export_bytes(struct room *room, const char *path, struct buf *bytes, const struct export_opts *opts,
		  export_done_fn *done, void *ctx);
/* From inside begin or ready: the next step waits for export_continue. */
void export_hold(struct export_job *job);
void export_continue(struct export_job *job, bool go);
#endif
