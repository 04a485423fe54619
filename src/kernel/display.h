/* display ids: which outputs show one, and updates of them at a bounded rate
 * (kernels.md 11). Entries name outputs by id and are checked when used, so
 * nothing has to be told when an output goes. */
#ifndef KERNEL_DISPLAY_H
#define KERNEL_DISPLAY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "kernel/queue.h"

#define DISPLAY_UPDATE_MS 33 /* at most this often per display id; the last update always gets through */

struct display_update {
	char *display_id;
	char *data, *metadata; /* JSON object texts */
	size_t data_n, metadata_n;
};
void display_update_fini(struct display_update *u);

struct display_index;
struct display_index *display_index_new(void);
void display_index_free(struct display_index *d);
void display_index_clear(struct display_index *d);
/* The output shows its display_id. */
void display_index_add(struct display_index *d, const struct execution *x, size_t index);
/* Calls each for every output that shows display_id now; forgets those that are gone. */
void display_index_each(struct display_index *d, struct queue *q, const char *display_id,
			void (*each)(void *ctx, struct execution *x, size_t index), void *ctx);

/* An update came at now_ms. True: apply it now (*u is left alone). False: it is kept (u is taken) and due later. */
bool display_index_admit(struct display_index *d, struct display_update *u, uint64_t now_ms);
/* Takes out one kept update that is due at now_ms (or any, with all). False when there is none. */
bool display_index_take(struct display_index *d, uint64_t now_ms, bool all, struct display_update *ret_u);
/* Milliseconds until the next one is due; -1 when none is kept. */
int64_t display_index_due(const struct display_index *d, uint64_t now_ms);
#endif
