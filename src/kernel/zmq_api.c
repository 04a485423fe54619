#include "kernel/zmq_api.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"

static bool bind_symbol(void *library, const char *name, void *ret_function)
{
	void *symbol = dlsym(library, name);
	if (!symbol) {
		log_error("kernel", "ZeroMQ library has no %s", name);
		return false;
	}
	memcpy(ret_function, &symbol, sizeof symbol); /* ISO C has no cast from object to function pointers */
	return true;
}

static bool bind_all(void *library, struct zmq_api *api)
{
	return bind_symbol(library, "zmq_ctx_new", &api->ctx_new) &&
	       bind_symbol(library, "zmq_ctx_set", &api->ctx_set) &&
	       bind_symbol(library, "zmq_ctx_term", &api->ctx_term) &&
	       bind_symbol(library, "zmq_socket", &api->socket) &&
	       bind_symbol(library, "zmq_close", &api->close) &&
	       bind_symbol(library, "zmq_setsockopt", &api->setsockopt) &&
	       bind_symbol(library, "zmq_getsockopt", &api->getsockopt) &&
	       bind_symbol(library, "zmq_connect", &api->connect) && bind_symbol(library, "zmq_send", &api->send) &&
	       bind_symbol(library, "zmq_msg_init", &api->msg_init) &&
	       bind_symbol(library, "zmq_msg_recv", &api->msg_recv) &&
	       bind_symbol(library, "zmq_msg_close", &api->msg_close) &&
	       bind_symbol(library, "zmq_msg_data", &api->msg_data) &&
	       bind_symbol(library, "zmq_msg_size", &api->msg_size) &&
	       bind_symbol(library, "zmq_msg_more", &api->msg_more) && bind_symbol(library, "zmq_errno", &api->error);
}

const struct zmq_api *zmq_api_get(void)
{
	static struct zmq_api api;
	static bool loaded;
	if (loaded)
		return &api;
	void *library = dlopen("libzmq.so.5", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		library = dlopen("libzmq.so", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		log_error("kernel", "ZeroMQ cannot be loaded: %s", dlerror());
		return NULL;
	}
	loaded = bind_all(library, &api);
	return loaded ? &api : NULL;
}
