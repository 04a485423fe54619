/* Readability of a descriptor somebody else owns (ZeroMQ's). Level-triggered. */
#ifndef HOST_POLL_H
#define HOST_POLL_H
#include "host/host.h"

struct host_poll;

/* fn is called in each turn in which fd is readable or in error. -ENOTSUP in sim. */
int host_poll_open(struct host *h, int fd, host_fn *fn, void *ctx, struct host_poll **ret);
/* Before fd is closed. May be called inside fn. */
void host_poll_close(struct host_poll *p);
#endif
