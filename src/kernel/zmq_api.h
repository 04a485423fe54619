/* ZeroMQ's functions, from the library opened with the first kernel: a daemon
 * without kernels does not pay for it (design 7.13). */
#ifndef KERNEL_ZMQ_API_H
#define KERNEL_ZMQ_API_H
#include <zmq.h>

struct zmq_api {
	void *(*ctx_new)(void);
	int (*ctx_set)(void *ctx, int option, int value);
	int (*ctx_term)(void *ctx);
	void *(*socket)(void *ctx, int type);
	int (*close)(void *socket);
	int (*setsockopt)(void *socket, int option, const void *value, size_t n);
	int (*getsockopt)(void *socket, int option, void *value, size_t *n);
	int (*connect)(void *socket, const char *endpoint);
	int (*send)(void *socket, const void *p, size_t n, int flags);
	int (*msg_init)(zmq_msg_t *msg);
	int (*msg_recv)(zmq_msg_t *msg, void *socket, int flags);
	int (*msg_close)(zmq_msg_t *msg);
	void *(*msg_data)(zmq_msg_t *msg);
	size_t (*msg_size)(const zmq_msg_t *msg);
	int (*msg_more)(const zmq_msg_t *msg);
	int (*error)(void); /* zmq_errno */
};

/* NULL when the library cannot be loaded (logged once); loading is tried again on the next call. */
const struct zmq_api *zmq_api_get(void);
#endif
