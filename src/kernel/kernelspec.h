/* Installed Jupyter kernels (kernels.md 14, environments.md 21 row 29). */
#ifndef KERNEL_KERNELSPEC_H
#define KERNEL_KERNELSPEC_H
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "kernel/launch.h"

struct kernelspec {
	char *name; /* of its directory */
	char *display_name, *language;
	char *resource_dir;
	struct launch_strings argv, env; /* env as KEY=VALUE with ${NAME} put in */
	bool interrupt_by_message;
};
void kernelspec_fini(struct kernelspec *k);

/* First `<dir>/kernels/<name>/kernel.json` over: each element of $JUPYTER_PATH; $JUPYTER_DATA_DIR or the user's
 * data directory/jupyter; <prefix>/share/jupyter when prefix is given; /usr/local/share/jupyter; /usr/share/jupyter.
 * Names compare without case. 0, -ENOENT, or -EINVAL when the file found cannot be used. */
int kernelspec_find(const char *name, const char *prefix, struct kernelspec *ret_spec);
/* The first kernel of a language, in directory and name order. */
int kernelspec_find_language(const char *language, const char *prefix, struct kernelspec *ret_spec);
#endif
