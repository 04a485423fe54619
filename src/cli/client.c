#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

#define DAEMON_JSON_MAX 65536

int64_t client_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void running_daemon_read(const struct paths *paths, struct running_daemon *ret_record)
{
	struct running_daemon r = {0};
	char text[DAEMON_JSON_MAX];
	FILE *f = fopen(paths->daemon_json, "re");
	size_t n = f ? fread(text, 1, sizeof text, f) : 0;
	if (f)
		fclose(f);
	r.json = n ? json_parse(text, n) : NULL;
	int64_t unused;
	/* Without these the whole record counts as absent. */
	if (json_get_str(r.json, "endpoint", &r.endpoint) < 0 || json_get_i64(r.json, "pid", &r.pid) < 0 ||
		json_get_str(r.json, "version", &r.version) < 0 ||
		json_get_str(r.json, "started_at", &r.started_at) < 0 || !rfc3339_parse(r.started_at, &unused)) {
		json_object_put(r.json);
		r = (struct running_daemon){0};
	}
	json_get_i64(r.json, "blob_port", &r.blob_port);
	*ret_record = r;
}

void running_daemon_fini(struct running_daemon *r)
{
	json_object_put(r->json);
	*r = (struct running_daemon){0};
}

static int wait_for(int fd, short events, int64_t deadline)
{
	int64_t left = deadline - client_now_ms();
	struct pollfd p = {.fd = fd, .events = events};
	int r = poll(&p, 1, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);
	return r < 0 ? -errno : r;
}

static int connect_finish(int fd, int timeout_ms)
{
	int error = 0;
	socklen_t n = sizeof error;
	int r = wait_for(fd, POLLOUT, client_now_ms() + timeout_ms);
	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		return -errno;
	return -error;
}

/* A full backlog of a Unix socket says EAGAIN at once: try again until the time is up. */
static int connect_retry(int fd, const struct sockaddr_un *a, int timeout_ms)
{
	int64_t deadline = client_now_ms() + timeout_ms;
	for (;;) {
		if (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0)
			return 0;
		if (errno == EINPROGRESS)
			return connect_finish(fd, timeout_ms);
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (client_now_ms() >= deadline)
			return -ETIMEDOUT;
		poll(NULL, 0, 20);
	}
}

int client_connect(const char *socket_path, int timeout_ms, struct client *ret_client)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (strlen(socket_path) >= sizeof a.sun_path)
		return -ENAMETOOLONG;
	memcpy(a.sun_path, socket_path, strlen(socket_path) + 1);
	struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
	if (c.fd < 0)
		return -errno;
	int r = connect_retry(c.fd, &a, timeout_ms);
	if (r < 0) {
		close(c.fd);
		return r;
	}
	frame_parser_init(&c.in, FRAME_STAGE_UNTYPED);
	*ret_client = c;
	return 0;
}

void client_close(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	frame_parser_free(&c->in);
}

int client_send(struct client *c, const void *p, size_t n, int timeout_ms)
{
	int64_t deadline = client_now_ms() + timeout_ms;
	for (size_t done = 0; done < n;) {
		ssize_t sent = send(c->fd, (const char *)p + done, n - done, MSG_NOSIGNAL);
		if (sent >= 0) {
			done += (size_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int r = wait_for(c->fd, POLLOUT, deadline);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}

int client_greet(struct client *c, const struct handshake *h, int timeout_ms)
{
	struct buf out = {0};
	frame_append_preamble(&out, 2);
	size_t mark = frame_begin(&out, FRAME_UNTYPED);
	handshake_append(&out, h);
	int r = frame_end(&out, mark);
	if (r == 0)
		r = client_send(c, out.p, out.n, timeout_ms);
	buf_free(&out);
	return r;
}

/* Takes what is there; 0, -EAGAIN, -EPIPE at the end. */
static int client_fill(struct client *c)
{
	uint8_t bytes[65536];
	ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	frame_parser_feed(&c->in, bytes, (size_t)n);
	return 0;
}

int client_read(struct client *c, int64_t deadline, struct frame *ret_frame)
{
	for (;;) {
		struct frame f;
		int r = frame_parser_next(&c->in, &f);
		if (r < 0)
			return r;
		if (f.event == FRAME_WHOLE) {
			*ret_frame = f;
			return 1;
		}
		r = client_fill(c);
		if (r == -EAGAIN && (r = wait_for(c->fd, POLLIN, deadline)) == 0)
			return 0;
		if (r < 0)
			return r;
	}
}

static bool takes_connections(const char *socket)
{
	struct client c;
	if (client_connect(socket, CLIENT_CONNECT_MS, &c) < 0)
		return false;
	client_close(&c);
	return true;
}

char *client_find_socket(const struct paths *paths)
{
	struct running_daemon record;
	const char *env = getenv("RUNTIMED_SOCKET_PATH");
	running_daemon_read(paths, &record);
	const char *first = paths->socket, *second = record.endpoint;
	if (second && !(env && *env)) {
		first = record.endpoint;
		second = paths->socket;
	}
	bool use_second = second && strcmp(first, second) != 0 && !takes_connections(first) &&
		takes_connections(second);
	char *found = xstrdup(use_second ? second : first);
	running_daemon_fini(&record);
	return found;
}

static int pool_exchange(struct client *c, const struct pool_request *request, int64_t deadline,
	struct pool_response *ret_response)
{
	struct buf out = {0};
	struct frame f = {0};
	int r = client_greet(c, &(struct handshake){.channel = HANDSHAKE_POOL}, CLIENT_CONNECT_MS);
	size_t mark = frame_begin(&out, FRAME_UNTYPED);
	pool_request_append(&out, request);
	if (r == 0)
		r = frame_end(&out, mark);
	if (r == 0)
		r = client_send(c, out.p, out.n, CLIENT_CONNECT_MS);
	buf_free(&out);
	while (r == 0 && (r = client_read(c, deadline, &f)) == -EINTR)
		r = 0;
	if (r == 0)
		return -ETIMEDOUT;
	return r < 0 ? r : pool_response_decode(f.p, f.n, ret_response);
}

int client_pool_call(const char *socket, const struct pool_request *request, int timeout_ms,
	struct pool_response *ret_response, char **ret_why)
{
	int64_t deadline = client_now_ms() + timeout_ms;
	struct client c;
	struct pool_response response;
	int r = client_connect(socket, CLIENT_CONNECT_MS, &c);
	if (r < 0) {
		*ret_why = xasprintf("cannot connect to %s: %s", socket, strerror(-r));
		return r;
	}
	r = pool_exchange(&c, request, deadline, &response);
	client_close(&c);
	if (r < 0) {
		*ret_why = xasprintf("no answer from the daemon: %s", r == -EPIPE ? "connection closed" : strerror(-r));
		return r;
	}
	if (response.type == POOL_ERROR) {
		*ret_why = xstrdup(response.message);
		pool_response_fini(&response);
		return -EPROTO;
	}
	*ret_response = response;
	return 0;
}

bool client_ping(const char *socket, int timeout_ms)
{
	struct pool_response r;
	char *why = NULL;
	bool ok = client_pool_call(socket, &(struct pool_request){.type = POOL_PING}, timeout_ms, &r, &why) == 0;
	if (ok) {
		ok = r.type == POOL_PONG;
		pool_response_fini(&r);
	}
	free(why);
	return ok;
}
