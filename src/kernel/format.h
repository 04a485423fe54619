/* Formatting code cells with ruff or deno, in the background (kernels.md 13, F1). */
#ifndef KERNEL_FORMAT_H
#define KERNEL_FORMAT_H
#include <stddef.h>
#include <stdint.h>

struct host;

#define FORMAT_LIMIT_MS 2000 /* then the formatter is killed and the source stays */

struct formatter;
/* Looks for the tools when first needed; a failed search is repeated after five minutes. */
struct formatter *formatter_new(struct host *host);
/* Runs that are under way are killed; their callbacks are not made. */
void formatter_free(struct formatter *f);
/* Formats source for the runtime ("python" or "deno"; anything else formats nothing). done is called exactly once,
 * later, from the loop: text is NULL when there is nothing to apply (blank, unchanged, failed, late, no tool).
 * The caller applies it only if the cell's source still is what was given here. A trailing `;` is kept. */
void formatter_run(struct formatter *f, const char *runtime, const char *source, size_t n,
		   void (*done)(void *ctx, uint64_t token, const char *text, size_t text_n), void *ctx, uint64_t token);
#endif
