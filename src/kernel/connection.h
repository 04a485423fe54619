/* How one kernel is reached: key, addresses and the file that tells it
 * (kernels.md 3.2; 17 K13, K15). */
#ifndef KERNEL_CONNECTION_H
#define KERNEL_CONNECTION_H
#include <stdbool.h>

#include "base/uuid.h"
#include "kernel/transport.h"

#define CONNECTION_PORTS 5

struct connection {
	char id[UUID_TEXT]; /* names the file and the registry's entry */
	char key[UUID_TEXT], session[UUID_TEXT];
	char *file;
	char *ipc_prefix; /* sockets are `<prefix>-1` to `-5`; NULL with TCP */
	struct transport_endpoints endpoints;
	int held[CONNECTION_PORTS]; /* listeners that keep the ports ours until the kernel starts; -1 = none */
};

/* Writes the file (0600, new) into dir, a private directory. Unix sockets with ipc when dir's or the fallback
 * directory's path is short enough, else loopback ports. */
int connection_make(struct host *h, const char *dir, const char *ipc_dir, bool ipc, const char *kernel_name,
		    struct connection *ret_c);
/* Right before the kernel starts. */
void connection_release_ports(struct connection *c);
/* Removes file and sockets. */
void connection_fini(struct connection *c);
/* A directory of ours alone: made 0700, or checked to be that. -EPERM when somebody else could be in it. */
int connection_private_dir(const char *path);
#endif
