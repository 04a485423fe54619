/* The real world, through libuv. */
#ifndef HOST_UV_H
#define HOST_UV_H
#include "host/host.h"

/* Ignores SIGPIPE for the process and raises its limit of open files to the hard one; children start with the limit
 * we had. End it with host_free. */
int host_uv_new(struct host **ret);
#endif
