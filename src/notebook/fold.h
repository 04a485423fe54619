/* The document part of folding one room into another (rooms.md 11.5 steps 2 to
 * 5 and 11): S survives, L's peers go on with S's document on their sockets. */
#ifndef NOTEBOOK_FOLD_H
#define NOTEBOOK_FOLD_H
#include "notebook/ipynb.h"
#include "notebook/notebook.h"

enum fold_kind {
	FOLD_ABSORB,  /* L is scaffold: its untouched cells go */
	FOLD_REPLACE, /* L was loaded and not edited: its loaded cells go */
	FOLD_UNION    /* L's cells stay, behind S's */
};
struct fold_opts {
	enum fold_kind kind;
	/* REPLACE: what L was loaded from; cells that still equal it are dropped. */
	const struct ipynb_version *loaded;
	void (*random)(void *ctx, void *p, size_t n); /* ids of rescue copies */
	void *random_ctx;
};

/* Before anything is touched: 0, -EEXIST (an actor wrote different changes
 * under one sequence number in both: the save is refused), -EINVAL (no shared
 * genesis: must not happen, rooms.md 11.7). */
int fold_check(struct notebook *s, struct notebook *l);

/* What a fold leaves behind for step 11: a private copy of L as it was. */
struct fold;
struct fold_result {
	size_t kept, dropped, rescued;
};
/* Checks, edits L's document by L's actor (drops), applies all of L to S,
 * places kept cells behind S's and inserts rescue copies. Both are committed;
 * the caller refreshes S and frees L when its peers are moved. */
int fold_run(struct notebook *s, struct notebook *l, const struct fold_opts *opts, struct fold **ret,
	     struct fold_result *ret_result);
/* Step 11, after changes came from a moved peer into S: the same changes go to
 * the copy, and text typed into a dropped cell comes back as a rescue cell in
 * S. *ret_rescued (may be NULL) counts them. */
int fold_late(struct fold *fold, struct notebook *s, size_t *ret_rescued);
/* When every moved peer acknowledged heads that include the fold. */
void fold_free(struct fold *fold);
#endif
