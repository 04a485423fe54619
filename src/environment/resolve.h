/* From "launch something for this notebook" to a launch spec (environments.md 9, 10; kernels.md 3.1, 3.3). */
#ifndef ENVIRONMENT_RESOLVE_H
#define ENVIRONMENT_RESOLVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "kernel/kernel.h"

struct pool;

struct resolve_request {
	const char *kernel_type;     /* as asked: "auto", "", "python", "deno", a kernelspec's name */
	const char *env_source;	     /* as asked: "auto", "", "prewarmed", or a label */
	const char *notebook_path;   /* NULL when untitled; need not exist */
	const char *working_dir;     /* of the handshake; or NULL */
	struct json_object *metadata; /* {kernelspec?, language_info?, runt?}; or NULL */
	const char *const *code_cells; /* those with a PEP 723 block, at least; NUL-terminated */
	size_t n_code_cells;
	const char *default_runtime;	/* settings; NULL = python */
	const char *default_python_env; /* settings; NULL = uv */
	const char *cache_dir;		/* `{cache}/runt` */
	struct pool *uv_pool;		/* may be NULL: then only existing interpreters */
	bool auto_launch;		/* words of failures differ (kernels.md 3.4) */
	unsigned wait_ms;		/* how long to wait for the pool; 0 = 110 s */
};

struct resolve_result {
	/* NULL, or the sentence for an Error answer; then only kernel_type / env_source are set */
	const char *error;
	const char *status_word; /* with error: for the kernel_status broadcast, `error: …` */
	const char *kernel_type, *env_source;
	const struct kernel_launch_spec *spec;
	struct json_object *launched_config; /* protocol.md 7.1; take a reference to keep it */
	/* taken from the pool: pool_discard it when the kernel has ended; or NULL */
	const char *pool_venv;
};

struct resolve;
/* What kernel_type and env_source will most likely be, for kernel_begin_launch: two strings that live as
 * long as the request does. */
void resolve_guess(const struct resolve_request *request, const char **ret_kernel_type, const char **ret_env_source);
/* Resolves; done is called exactly once, possibly from inside; everything in the result lives until it returns. The
 * request is copied. Returns NULL when done was called from inside, else a handle that done makes invalid. */
struct resolve *resolve_start(const struct resolve_request *request,
			      void (*done)(void *ctx, const struct resolve_result *result), void *ctx);
void resolve_cancel(struct resolve *r);

/* "python", "deno" or NULL (unknown) from notebook metadata (environments.md 9, stage 1). */
const char *resolve_runtime(struct json_object *metadata);
#endif
