/* The open transaction. Its operations are in the operation set at once; what
 * makes it a transaction is that they are the actor's last ones and can be taken
 * back (am_ops_undo), and that no change names them yet. */
#ifndef AUTOMERGE_TRANSACTION_H
#define AUTOMERGE_TRANSACTION_H
#include "automerge/span.h"

struct am_tx {
	uint32_t actor, start, max; /* own actor, first counter, greatest counter before it */
	bool isolated;
	am_clock clock;     /* isolated: what it sees, own operations included */
	am_hash *deps;      /* isolated: the heads it is based on */
	size_t n_deps;
};

void am_tx_free(am_doc *doc);
#endif
