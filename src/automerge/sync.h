/* The state of synchronising one document with one peer over one connection. */
#ifndef AUTOMERGE_SYNC_H
#define AUTOMERGE_SYNC_H
#include "automerge/internal.h"
#include "automerge/message.h"

typedef AM_VEC(am_hash) am_hashes;

/* Rows [from, to) of the document. */
struct am_range {
	uint32_t from, to;
};

struct am_sync {
	am_allocator a;
	am_hashes shared;      /* known to both sides; the only part that survives */
	am_hashes last_sent;   /* our heads in the last message */
	am_hashes their_heads; /* of the last message (of a stripped peer: those we know) */
	am_hashes their_need;
	uint8_t *their_have;   /* the `have` entries of the last message, checked */
	size_t their_have_n, their_have_cap, n_their_have;
	/* Changes sent and not yet known to be received. Rows instead of hashes, so
	 * that a whole document is one range. */
	AM_VEC(struct am_range) sent;
	const am_doc *doc;     /* whose rows `sent` holds */
	bool heard;            /* a message came in: their_x are valid */
	bool their_empty;      /* its heads were empty */
	bool in_flight, have_responded;
	bool peer_v2, peer_read_only;
	bool peer_flags;       /* the peer writes capability bits (crate 0.9): it reads ours */
	bool peer_knows_reset; /* ... and AM_FLAG_RESET */
	bool peer_spoke_v2, peer_shared; /* its last message was of version 2, named shared heads */
	bool said_empty;       /* we said that we have nothing: the peer will forget what we share */
	bool read_only;        /* what the peer sends is not taken, nothing is asked of it */
	bool needs_reset;      /* the next message says that what was sent before was not taken */
	bool stripped;         /* the peer may not write (AM_SYNC_STRIP_CHANGES) */
	bool reset_sent, need_served; /* once per received message */
	unsigned heard_since; /* messages received since changes were last sent */
};

bool am_hashes_equal(const am_hashes *a, const am_hash *b, size_t n);
/* Replaces the content; on AM_E_NOMEM it is as before. */
int am_hashes_set(const am_allocator *a, am_hashes *to, const am_hash *p, size_t n);

int am_sent_add(struct am_sync *s, uint32_t from, uint32_t to);
bool am_sent_has(const struct am_sync *s, uint32_t row);
/* Keeps of `sent` only the given rows (ascending). */
int am_sent_keep(struct am_sync *s, const am_rows *rows);
#endif
