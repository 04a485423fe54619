/* The real world, through libuv. */
#ifndef HOST_UV_H
#define HOST_UV_H
#include "host/host.h"

/* Ignores SIGPIPE for the process. End it with host_free. */
int host_uv_new(struct host **ret);
#endif
