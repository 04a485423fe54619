/* Durable results of executions: one JSON text per execution,
 * `<dir>/<execution id>.json`, kept 30 days. Written in the background; the
 * newest text per execution wins. */
#ifndef STORE_EXECUTION_LOG_H
#define STORE_EXECUTION_LOG_H
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "host/host.h"

#define EXECUTION_LOG_AGE (HOST_SEC(24 * 3600) * 30)
#define EXECUTION_LOG_TEXT_MAX (64u << 20)

struct execution_log;

int execution_log_open(struct host *h, const char *dir, struct execution_log **ret);
/* Writes out what is waiting. */
void execution_log_close(struct execution_log *l);
/* id: UUID text, anything else is -EINVAL. json is copied. A text that was not
 * written yet is replaced. */
int execution_log_put(struct execution_log *l, const char *id, const void *json, size_t n);
/* Appends the text, also one not written yet; -ENOENT when unknown. */
int execution_log_get(struct execution_log *l, const char *id, struct buf *out);
/* Calls fn with each kept text. Reads all files: for start-up and blob marking. */
typedef void execution_log_fn(void *ctx, const char *id, const void *json, size_t n);
int execution_log_each(struct execution_log *l, execution_log_fn *fn, void *ctx);
/* Removes texts older than max_age. Worker. Returns how many or a negative errno. */
int execution_log_gc(struct execution_log *l, uint64_t max_age);
#endif
