/* A blocking client of one Jupyter kernel, over ZeroMQ. */
#ifndef CLI_JUPYTER_CLIENT_H
#define CLI_JUPYTER_CLIENT_H
#include "cli/cli.h"
#include "cli/jupyter_file.h"
#include "kernel/jupyter.h"

struct jupyter_client {
	void *context;
	void *socket[JUPYTER_PORTS];
	char *key;
	char session[UUID_TEXT];
};

/* -ENOSYS when ZeroMQ cannot be loaded. Nothing is sent yet. */
int jupyter_client_open(const struct jupyter_file *f, struct jupyter_client *ret_client);
void jupyter_client_close(struct jupyter_client *c);
/* Sends a request; -EAGAIN while nobody listens there. ret_id gets its message id. */
int jupyter_client_send(struct jupyter_client *c, enum jupyter_port port, const char *type, const char *content,
	char ret_id[UUID_TEXT]);
/* The next message of a channel without waiting; -EAGAIN, or -EBADMSG for one that cannot be read. */
int jupyter_client_recv(struct jupyter_client *c, enum jupyter_port port, struct jupyter_message *ret_message);
/* Returns after at most 20 ms, sooner when something may have come. */
void jupyter_client_wait(struct jupyter_client *c);
/* Sends and waits for the reply: 0 with the message, -ETIMEDOUT. */
int jupyter_client_ask(struct jupyter_client *c, enum jupyter_port port, const char *type, const char *content,
	int timeout_ms, struct jupyter_message *ret_reply);
/* Waits until shell answers and iopub is heard: nothing is lost from here on. */
int jupyter_client_ready(struct jupyter_client *c, int timeout_ms);
/* True when the heartbeat echoes and kernel_info is answered in time. */
bool jupyter_client_alive(struct jupyter_client *c, int timeout_ms);

struct jupyter_run {
	const struct cli *cli;
	bool input;            /* input_request is answered from the terminal */
	const char *out_prefix; /* "Out" in a console; NULL = results bare */
};
/* Runs code, prints what it says, returns when the kernel is idle again: 0, 1
 * when the reply's status is not ok, negative when the kernel is gone. */
int jupyter_client_run(struct jupyter_client *c, const struct jupyter_run *how, const char *code, size_t n,
	int64_t *ret_count);
#endif
