/* Finding uv and Python interpreters (environments.md 11; 10). */
#ifndef ENVIRONMENT_PYTHON_H
#define ENVIRONMENT_PYTHON_H
#include <stdbool.h>

/* Absolute path of uv: PATH and the user's usual places, `<cache_dir>/tools/uv-venv/bin/uv`, then any
 * `<cache_dir>/tools/uv-*` of the reference's layout. NULL when there is none; the caller frees. */
char *python_find_uv(const char *cache_dir);
/* Deno (major >= 2 is not checked here), likewise. */
char *python_find_deno(const char *cache_dir);
/* True when `prefix` is an environment with an interpreter and an installed ipykernel. */
bool python_prefix_has_ipykernel(const char *prefix);
/* An interpreter with ipykernel that is there without making anything: $RUNTIMED_PYTHON, then
 * `<cache_dir>/default-env`. Sets both (malloced) or returns false. prefix is its environment's directory. */
bool python_find_existing(const char *cache_dir, char **ret_python, char **ret_prefix);
/* The first interpreter on PATH that has ipykernel, likewise; none when $RUNTIMED_PYTHON names one, whether it is
 * usable or not. */
bool python_find_on_path(char **ret_python, char **ret_prefix);
/* CheckToolAvailable: only "deno" can be true; never downloads. */
bool python_tool_available(const char *cache_dir, const char *tool);
#endif
