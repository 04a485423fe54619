/* Jupyter messages, version 5.3 (kernels.md 5). */
#ifndef KERNEL_JUPYTER_H
#define KERNEL_JUPYTER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "kernel/comm.h"
#include "kernel/json_slice.h"
#include "kernel/transport.h"

#define JUPYTER_USERNAME "runtimelib" /* what the reference's header says */

/* A received message. Slices point into its parts. */
struct jupyter_message {
	struct multipart frames;
	char *msg_type, *msg_id; /* never NULL; msg_id may be "" */
	char *parent_id;	 /* NULL when there is no readable parent */
	struct json_slice metadata, content; /* objects; content may be `{}` from nowhere, never absent */
	size_t first_buffer;		     /* frames from here on are binary */
	char *lossy; /* content made valid UTF-8, when it was not */
};

/* Takes the frames in any case. -EINVAL (too few frames, no delimiter, no header) or -EBADMSG (signature); *ret_why
 * says what in words. Never more than one message is lost to a fault (K6). */
int jupyter_parse(struct multipart *frames, const void *key, size_t key_n, struct jupyter_message *ret_m,
		  const char **ret_why);
void jupyter_message_fini(struct jupyter_message *m);
size_t jupyter_buffer_count(const struct jupyter_message *m);
/* Fills `out` with jupyter_buffer_count entries. */
void jupyter_buffers(const struct jupyter_message *m, struct comm_buffer *out);

struct jupyter_request {
	const char *msg_type;
	const char *msg_id;
	const char *session;
	const char *content;  /* JSON object text */
	size_t content_n;
	const char *metadata; /* JSON object text; NULL = {} */
	const char *parent;   /* JSON object text; NULL = {} */
	const struct comm_buffer *buffers;
	size_t n_buffers;
	int64_t wall_ns;
};
void jupyter_build(const struct jupyter_request *r, const void *key, size_t key_n, struct multipart *ret_frames);

/* Content of the requests of kernels.md 5.2. */
void jupyter_execute_content(struct buf *out, const char *code, size_t n);
/* cursor_pos: in code points; past the end is the end (ipykernel gives no answer to it otherwise, and windows that
 * count UTF-16 units pass it). */
void jupyter_complete_content(struct buf *out, const char *code, size_t cursor_pos);
/* pattern as a person types it: it is searched for literally, anywhere (kernels.md 12). */
void jupyter_history_content(struct buf *out, const char *pattern, int64_t n, bool unique);
#endif
