#include "kernel/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "host/host.h"

#define IPC_PATH_MAX 100 /* sockaddr_un has 108 bytes; "-5" and a NUL come behind the prefix */

/* Ports in the order the reference assigns them (kernels.md 3.2). */
enum port { STDIN, CONTROL, HEARTBEAT, SHELL, IOPUB };
static const char *const port_keys[] = {"stdin_port", "control_port", "hb_port", "shell_port", "iopub_port"};
static const enum port port_of_channel[] = {[CHANNEL_CONTROL] = CONTROL,
					    [CHANNEL_SHELL] = SHELL,
					    [CHANNEL_HEARTBEAT] = HEARTBEAT,
					    [CHANNEL_IOPUB] = IOPUB};

int connection_private_dir(const char *path)
{
	struct stat st;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != getuid())
		return -EPERM;
	if ((st.st_mode & 077) && chmod(path, 0700) < 0)
		return -errno;
	return 0;
}

static int hold_port(int *ret_fd, unsigned *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&at, n) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &n) < 0) {
		int r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_port = ntohs(at.sin_port);
	return 0;
}

static int choose_ports(struct connection *c, unsigned ports[CONNECTION_PORTS])
{
	for (unsigned i = 0; i < CONNECTION_PORTS; i++) {
		if (c->ipc_prefix) {
			ports[i] = i + 1;
			continue;
		}
		int r = hold_port(&c->held[i], &ports[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static void choose_transport(struct connection *c, const char *dir, const char *ipc_dir)
{
	const char *const dirs[] = {dir, ipc_dir};
	for (size_t i = 0; i < 2 && !c->ipc_prefix; i++) {
		char *prefix = dirs[i] ? xasprintf("%s/k-%.8s", dirs[i], c->id) : NULL;
		if (prefix && strlen(prefix) <= IPC_PATH_MAX)
			c->ipc_prefix = prefix;
		else
			free(prefix);
	}
}

static void fill_endpoints(struct connection *c, const unsigned ports[CONNECTION_PORTS])
{
	for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
		unsigned port = ports[port_of_channel[channel]];
		c->endpoints.address[channel] = c->ipc_prefix ? xasprintf("ipc://%s-%u", c->ipc_prefix, port)
							      : xasprintf("tcp://127.0.0.1:%u", port);
	}
	c->endpoints.identity = c->session;
}

static void render(const struct connection *c, const unsigned ports[CONNECTION_PORTS], const char *kernel_name,
		   struct buf *out)
{
	const char *ip = c->ipc_prefix ? c->ipc_prefix : "127.0.0.1";
	buf_append_str(out, "{\n  \"ip\": ");
	json_append_str(out, ip, strlen(ip));
	buf_printf(out, ",\n  \"transport\": \"%s\"", c->ipc_prefix ? "ipc" : "tcp");
	for (int i = 0; i < CONNECTION_PORTS; i++)
		buf_printf(out, ",\n  \"%s\": %u", port_keys[i], ports[i]);
	buf_printf(out, ",\n  \"key\": \"%s\",\n  \"signature_scheme\": \"hmac-sha256\",\n  \"kernel_name\": ", c->key);
	json_append_str(out, kernel_name, strlen(kernel_name));
	buf_append_str(out, "\n}");
}

static int write_new(const char *path, const struct buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	size_t done = 0;
	int r = 0;
	while (r == 0 && done < text->n) {
		ssize_t n = write(fd, text->p + done, text->n - done);
		if (n < 0 && errno != EINTR)
			r = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}

int connection_make(struct host *h, const char *dir, const char *ipc_dir, bool ipc, const char *kernel_name,
		    struct connection *ret_c)
{
	struct connection *c = ret_c;
	unsigned ports[CONNECTION_PORTS];
	struct buf text = {0};
	*c = (struct connection){.held = {-1, -1, -1, -1, -1}};
	host_uuid(h, c->id);
	host_uuid(h, c->key);
	host_uuid(h, c->session);
	if (ipc)
		choose_transport(c, dir, ipc_dir);
	int r = choose_ports(c, ports);
	if (r == 0) {
		fill_endpoints(c, ports);
		render(c, ports, kernel_name, &text);
		c->file = xasprintf("%s/%s.json", dir, c->id);
		r = write_new(c->file, &text);
	}
	if (r < 0)
		connection_fini(c);
	buf_free(&text);
	return r;
}

void connection_release_ports(struct connection *c)
{
	for (int i = 0; i < CONNECTION_PORTS; i++) {
		if (c->held[i] >= 0)
			close(c->held[i]);
		c->held[i] = -1;
	}
}

void connection_fini(struct connection *c)
{
	connection_release_ports(c);
	if (c->file)
		unlink(c->file);
	for (unsigned i = 1; c->ipc_prefix && i <= CONNECTION_PORTS; i++) {
		char *path = xasprintf("%s-%u", c->ipc_prefix, i);
		unlink(path);
		free(path);
	}
	for (int channel = 0; channel < CHANNEL_COUNT; channel++)
		free(c->endpoints.address[channel]);
	free(c->file);
	free(c->ipc_prefix);
	*c = (struct connection){.held = {-1, -1, -1, -1, -1}};
}
