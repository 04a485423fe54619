/* Sync messages on the wire. */
#ifndef AUTOMERGE_MESSAGE_H
#define AUTOMERGE_MESSAGE_H
#include "automerge/bloom.h"

enum { AM_MSG_V1 = 0x42, AM_MSG_V2 = 0x43 };
enum { AM_FLAG_RESET = 1, AM_FLAG_READ_ONLY = 2, AM_FLAG_KNOWS_RESET = 4 };

/* A parsed message; everything borrowed from its bytes. */
struct am_msg {
	uint8_t type;
	const am_hash *heads, *need;
	size_t n_heads, n_need, n_have, n_changes;
	struct am_in have;    /* n_have entries, checked */
	struct am_in changes; /* n_changes entries, checked */
	size_t changes_n;     /* bytes of all entries */
	bool has_flags;
	bool has_bits;        /* there are capability bytes >= 0x80 (crate 0.9) ... */
	uint8_t flags;        /* ... and these are their low bits */
};
int am_msg_parse(const void *p, size_t n, struct am_msg *ret);

struct am_have {
	const am_hash *last_sync;
	size_t n;
	struct am_bloom bloom;
};
/* The next entry; the entries were checked by am_msg_parse. */
void am_have_next(struct am_in *in, struct am_have *ret);
#endif
