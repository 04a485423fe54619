/* From a launch spec to a running process: working directory, environment,
 * connection file, arguments (kernels.md 3; 17 K12 - K17). */
#ifndef KERNEL_LAUNCH_H
#define KERNEL_LAUNCH_H
#include <stdbool.h>
#include <stddef.h>

#include "base/vec.h"

/* The working directory of a kernel (kernels.md 3.3): notebook_path is a directory -> itself; a file name -> its
 * parent when that exists; else working_dir when it exists; else ~/notebooks (made when missing), else the temporary
 * directory. Arguments may be NULL. The caller frees. */
char *launch_cwd(const char *notebook_path, const char *working_dir);

struct launch_strings {
	VEC(char *) v; /* NULL-terminated once launch_strings_end was called */
};
void launch_strings_add(struct launch_strings *s, char *taken);
char *const *launch_strings_end(struct launch_strings *s);
void launch_strings_free(struct launch_strings *s);

struct kernel_launch_spec;
/* The daemon's environment without foreign interpreters, plus what the kernel needs: PATH, VIRTUAL_ENV or
 * CONDA_PREFIX, COLUMNS=80, LINES=100, JPY_PARENT_PID, then the spec's own. environ is the one to start from. */
void launch_environment(const struct kernel_launch_spec *spec, char *const *environment, struct launch_strings *ret);
/* The daemon's environment without foreign interpreters, for child tools (uv, ruff). path_first may be NULL. */
void launch_clean_environment(char *const *environment, const char *path_first, struct launch_strings *ret);
/* argv with the placeholders of kernelspecs put in. */
void launch_arguments(const struct kernel_launch_spec *spec, const char *connection_file, struct launch_strings *ret);
/* The absolute path of an executable found on PATH (empty elements skipped) or in extra (NULL-terminated
 * directories; may be NULL); NULL when there is none. The caller frees. */
char *launch_find_program(const char *name, const char *const *extra);
#endif
