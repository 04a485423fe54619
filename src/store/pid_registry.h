/* `<base>/kernels.json`: the kernels that run, so that the daemon after a
 * crashed one can end the orphans (kernels.md 4). Rewritten atomically, on the
 * loop: it is tiny and changes with launches only. */
#ifndef STORE_PID_REGISTRY_H
#define STORE_PID_REGISTRY_H
#include <stdint.h>
#include <sys/types.h>

#include "host/host.h"

struct pid_registry;

int pid_registry_open(struct host *h, const char *base_dir, struct pid_registry **ret);
void pid_registry_close(struct pid_registry *r);
/* kernel_id is the key; connection_file may be NULL. start_time: host_pid_start_time. */
int pid_registry_add(struct pid_registry *r, const char *kernel_id, pid_t pgid, uint64_t start_time,
		     const char *connection_file);
int pid_registry_remove(struct pid_registry *r, const char *kernel_id);
/* SIGKILL to each recorded group that is still the recorded one, removes their
 * connection files and empties the registry. Returns how many were killed. */
int pid_registry_reap(struct pid_registry *r);
#endif
