/* The widgets (comms) of one kernel as a late joiner must see them
 * (kernels.md 12, protocol.md 5.2 and 8): creation order, state merged from
 * updates of either side, buffers kept by their paths. */
#ifndef KERNEL_COMM_H
#define KERNEL_COMM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct comm_buffer {
	const void *p;
	size_t n;
};

struct comm_store;
struct comm_store *comm_store_new(void);
void comm_store_free(struct comm_store *s);
void comm_store_clear(struct comm_store *s);
size_t comm_store_count(const struct comm_store *s);
/* i-th living comm's id in creation order; NULL past the end. */
const char *comm_store_id(const struct comm_store *s, size_t i);
/* One comm message, from the kernel or from a window; content is JSON object text. Unknown comms and malformed
 * messages are ignored (-EINVAL / -ENOENT). */
int comm_store_apply(struct comm_store *s, const char *msg_type, const char *content, size_t content_n,
		     const struct comm_buffer *buffers, size_t n_buffers);
/* The JSON array of all snapshots for comm_sync (protocol.md 8). Buffers are arrays of numbers. */
void comm_store_snapshots(const struct comm_store *s, struct buf *out);
/* State of one comm as JSON object text, or NULL; valid until the next change. */
const char *comm_store_state(const struct comm_store *s, const char *comm_id);

/* Output widget capture: the comm id that captures output with this parent msg_id, or NULL. The newest wins. */
const char *comm_store_capture(const struct comm_store *s, const char *msg_id);
/* Keeps captured output in the widget's own state.outputs for late joiners (W4). output is nbformat JSON. */
void comm_store_capture_output(struct comm_store *s, const char *comm_id, const char *output, size_t n);
void comm_store_capture_clear(struct comm_store *s, const char *comm_id, bool wait);
#endif
