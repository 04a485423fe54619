/* Running other programs. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H
#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* Waits for it; its exit status, 128 + signal, or a negative errno when it could
 * not be started. quiet: its output goes nowhere. */
int process_run(const char *const *argv, bool quiet);
/* The same, with its standard output collected (at most 64 KiB). */
int process_read(const char *const *argv, struct buf *out);
/* Starts it as a session of its own, without our descriptors; its output goes
 * nowhere. The pid, or a negative errno. */
pid_t process_detach(const char *const *argv);
/* Full path of a program on PATH; caller frees, NULL when there is none. */
char *process_find(const char *name);
#endif
