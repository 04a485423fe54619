/* The pool of ready uv environments (environments.md 4, 5; 21 rows 1 - 3, 6 - 10).
 *
 * Environments are directories `runtimed-uv-<uuid>` under the pool's directory.
 * One is made at a time by child processes; nothing here blocks. */
#ifndef ENVIRONMENT_POOL_H
#define ENVIRONMENT_POOL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct host;

struct pool_env {
	char *venv_path, *python_path; /* malloced */
};
void pool_env_fini(struct pool_env *e);

struct pool_failure {
	const char *message;	    /* NULL = healthy */
	const char *failed_package; /* or NULL */
	uint32_t consecutive_failures;
	uint64_t retry_in_secs;
};

struct pool_config {
	struct host *host;
	const char *dir;       /* `<base>/envs` */
	const char *cache_dir; /* `{cache}/runt`: tools/ and default-env/ are looked for there */
	unsigned target;       /* default 3 */
	uint64_t max_age_secs; /* default 172800 */
	/* Called when the error shown to subscribers changes (pool_state frames). May be NULL. */
	void (*error_changed)(void *ctx);
	void *ctx;
};

struct pool;
/* Adopts untouched environments, sweeps the rest, and starts warming (from the loop). Strings are copied. */
struct pool *pool_new(const struct pool_config *config);
/* Children are killed, half-made directories removed. */
void pool_free(struct pool *p);

unsigned pool_available(const struct pool *p);
unsigned pool_warming(const struct pool *p);
unsigned pool_target(const struct pool *p);
void pool_get_failure(const struct pool *p, struct pool_failure *ret_failure);
/* `{"message":…}` as protocol.md has it, or NULL when healthy; a new reference. */
struct json_object *pool_error_json(const struct pool *p);

/* Takes a ready environment out: 0 or -EAGAIN when there is none. The pool refills by itself. */
int pool_take(struct pool *p, struct pool_env *ret_env);
/* As pool_take but waits up to limit_ms for one; done once, from the loop: env is NULL and error a sentence when none
 * came. Returns a handle for pool_wait_cancel; 0 when done was called from inside. */
uint64_t pool_wait(struct pool *p, unsigned limit_ms, void (*done)(void *ctx, struct pool_env *env, const char *error),
		   void *ctx);
void pool_wait_cancel(struct pool *p, uint64_t handle);
/* What was taken is for a kernel: nobody may give it back while that runs. pool_discard ends it. */
void pool_mark_in_use(struct pool *p, const char *venv_path);
/* A client gives one back: kept when it is one of ours, untouched and below target; one of ours but surplus is
 * deleted; anything else is left alone (-EPERM). */
int pool_return(struct pool *p, const char *venv_path);
/* A kernel that used it has ended: deleted when it is one of ours. */
void pool_discard(struct pool *p, const char *venv_path);
/* Deletes all that are available, forgets back-off, warms anew at once. */
void pool_flush(struct pool *p);
/* `uv.default_packages` changed: future environments get these; available ones are retired when they differ. */
void pool_set_packages(struct pool *p, const char *const *packages, size_t n);
/* Settings were edited: failures are forgotten, warming starts at once. */
void pool_reset_backoff(struct pool *p);
#endif
