/* Signals of the daemon itself, delivered as callbacks on the loop. */
#ifndef HOST_SIGNAL_H
#define HOST_SIGNAL_H
#include "host/host.h"

struct host_signal;

typedef void host_signal_fn(void *ctx, int signum);

int host_signal_open(struct host *h, int signum, host_signal_fn *fn, void *ctx, struct host_signal **ret);
void host_signal_close(struct host_signal *s);
#endif
