#include "cli/jupyter_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/client.h"
#include "cli/show.h"
#include "kernel/zmq_api.h"

#define WAIT_MS 20
#define PROBE_MS 500 /* between kernel_info requests while waiting for iopub */

static void uuid_new(char out[UUID_TEXT])
{
	uint8_t random[16] = {0};
	if (getrandom(random, sizeof random, 0) != sizeof random)
		abort();
	uuid_v4(out, random);
}

static int socket_open(const struct zmq_api *z, struct jupyter_client *c, enum jupyter_port port, const char *address)
{
	static const int types[JUPYTER_PORTS] = {ZMQ_DEALER, ZMQ_SUB, ZMQ_DEALER, ZMQ_DEALER, ZMQ_REQ};
	const int zero = 0, one = 1;
	void *s = c->socket[port] = z->socket(c->context, types[port]);
	if (!s)
		return -ENOMEM;
	z->setsockopt(s, ZMQ_LINGER, &zero, sizeof zero);
	z->setsockopt(s, ZMQ_RCVHWM, &zero, sizeof zero);
	if (port == PORT_IOPUB)
		z->setsockopt(s, ZMQ_SUBSCRIBE, "", 0);
	else
		z->setsockopt(s, ZMQ_IMMEDIATE, &one, sizeof one);
	/* Input requests come on stdin to the peer that asked on shell. */
	if (port == PORT_SHELL || port == PORT_STDIN)
		z->setsockopt(s, ZMQ_ROUTING_ID, c->session, strlen(c->session));
	return z->connect(s, address) < 0 ? -z->error() : 0;
}

int jupyter_client_open(const struct jupyter_file *f, struct jupyter_client *ret_client)
{
	const struct zmq_api *z = zmq_api_get();
	struct jupyter_client c = {0};
	int r = 0;
	if (!z)
		return -ENOSYS;
	c.context = z->ctx_new();
	c.key = xstrdup(f->key);
	uuid_new(c.session);
	for (int i = 0; i < JUPYTER_PORTS && r == 0; i++)
		r = socket_open(z, &c, (enum jupyter_port)i, f->address[i]);
	if (r < 0)
		jupyter_client_close(&c);
	else
		*ret_client = c;
	return r;
}

void jupyter_client_close(struct jupyter_client *c)
{
	const struct zmq_api *z = zmq_api_get();
	for (int i = 0; i < JUPYTER_PORTS; i++)
		if (c->socket[i])
			z->close(c->socket[i]);
	z->ctx_term(c->context);
	free(c->key);
	*c = (struct jupyter_client){0};
}

static int frames_send(const struct zmq_api *z, void *socket, const struct multipart *m)
{
	for (size_t i = 0; i < m->parts.n; i++) {
		int more = i + 1 < m->parts.n ? ZMQ_SNDMORE : 0;
		if (z->send(socket, m->parts.p[i].p, m->parts.p[i].n, ZMQ_DONTWAIT | more) < 0)
			return -z->error();
	}
	return 0;
}

int jupyter_client_send(struct jupyter_client *c, enum jupyter_port port, const char *type, const char *content,
	char ret_id[UUID_TEXT])
{
	struct timespec now;
	struct multipart frames;
	clock_gettime(CLOCK_REALTIME, &now);
	uuid_new(ret_id);
	const struct jupyter_request q = {.msg_type = type, .msg_id = ret_id, .session = c->session, .content = content,
		.content_n = strlen(content), .wall_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
	jupyter_build(&q, c->key, strlen(c->key), &frames);
	int r = frames_send(zmq_api_get(), c->socket[port], &frames);
	multipart_free(&frames);
	return r;
}

static void message_release(void *owner)
{
	zmq_api_get()->msg_close(owner);
	free(owner);
}

static int frames_recv(const struct zmq_api *z, void *socket, struct multipart *ret)
{
	struct multipart m = {0};
	bool more = true;
	while (more) {
		zmq_msg_t *msg = xmalloc(sizeof *msg);
		z->msg_init(msg);
		if (z->msg_recv(msg, socket, ZMQ_DONTWAIT) < 0) {
			int r = -z->error();
			message_release(msg);
			multipart_free(&m);
			return r;
		}
		more = z->msg_more(msg) != 0;
		const struct part part = {z->msg_data(msg), z->msg_size(msg), msg, message_release};
		VEC_PUSH(&m.parts, part);
	}
	*ret = m;
	return 0;
}

int jupyter_client_recv(struct jupyter_client *c, enum jupyter_port port, struct jupyter_message *ret_message)
{
	struct multipart frames;
	const char *why;
	int r = frames_recv(zmq_api_get(), c->socket[port], &frames);
	if (r < 0)
		return r;
	return jupyter_parse(&frames, c->key, strlen(c->key), ret_message, &why) < 0 ? -EBADMSG : 0;
}

void jupyter_client_wait(struct jupyter_client *c)
{
	const struct zmq_api *z = zmq_api_get();
	struct pollfd fds[JUPYTER_PORTS];
	for (int i = 0; i < JUPYTER_PORTS; i++) {
		size_t n = sizeof fds[i].fd;
		fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
		z->getsockopt(c->socket[i], ZMQ_FD, &fds[i].fd, &n);
	}
	poll(fds, JUPYTER_PORTS, WAIT_MS);
}

static int send_until(struct jupyter_client *c, enum jupyter_port port, const char *type, const char *content,
	int64_t deadline, char ret_id[UUID_TEXT])
{
	int r;
	while ((r = jupyter_client_send(c, port, type, content, ret_id)) == -EAGAIN && client_now_ms() < deadline)
		jupyter_client_wait(c);
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static bool answers_to(const struct jupyter_message *m, const char *id)
{
	return m->parent_id && !strcmp(m->parent_id, id);
}

int jupyter_client_ask(struct jupyter_client *c, enum jupyter_port port, const char *type, const char *content,
	int timeout_ms, struct jupyter_message *ret_reply)
{
	int64_t deadline = client_now_ms() + timeout_ms;
	char id[UUID_TEXT];
	int r = send_until(c, port, type, content, deadline, id);
	while (r == 0) {
		struct jupyter_message m;
		r = jupyter_client_recv(c, port, &m);
		if (r == 0 && answers_to(&m, id)) {
			*ret_reply = m;
			return 0;
		}
		if (r == 0)
			jupyter_message_fini(&m);
		else if (r == -EAGAIN)
			jupyter_client_wait(c);
		r = client_now_ms() < deadline ? 0 : -ETIMEDOUT;
	}
	return r;
}

/* True when anything was heard. */
static bool iopub_drain(struct jupyter_client *c)
{
	bool heard = false;
	struct jupyter_message m;
	int r;
	while ((r = jupyter_client_recv(c, PORT_IOPUB, &m)) != -EAGAIN) {
		heard = true;
		if (r == 0)
			jupyter_message_fini(&m);
	}
	return heard;
}

int jupyter_client_ready(struct jupyter_client *c, int timeout_ms)
{
	int64_t deadline = client_now_ms() + timeout_ms;
	while (client_now_ms() < deadline) {
		struct jupyter_message m;
		int r = jupyter_client_ask(c, PORT_SHELL, "kernel_info_request", "{}",
			(int)(deadline - client_now_ms()), &m);
		if (r < 0)
			return r;
		jupyter_message_fini(&m);
		for (int64_t end = client_now_ms() + PROBE_MS; client_now_ms() < end; jupyter_client_wait(c))
			if (iopub_drain(c))
				return 0;
	}
	return -ETIMEDOUT;
}

bool jupyter_client_alive(struct jupyter_client *c, int timeout_ms)
{
	const struct zmq_api *z = zmq_api_get();
	int64_t deadline = client_now_ms() + timeout_ms;
	struct multipart echo;
	struct jupyter_message m;
	bool sent = false, heard = false;
	while (!heard && client_now_ms() < deadline) {
		sent = sent || z->send(c->socket[PORT_HEARTBEAT], "ping", 4, ZMQ_DONTWAIT) == 4;
		heard = sent && frames_recv(z, c->socket[PORT_HEARTBEAT], &echo) == 0;
		if (heard)
			multipart_free(&echo);
		else
			jupyter_client_wait(c);
	}
	int left = (int)(deadline - client_now_ms());
	if (!heard || jupyter_client_ask(c, PORT_SHELL, "kernel_info_request", "{}", left < 1 ? 1 : left, &m) < 0)
		return false;
	jupyter_message_fini(&m);
	return true;
}

/* ---- running code ---- */

static void text_print(const struct jupyter_run *how, FILE *to, struct json_slice text)
{
	struct buf out = {0};
	bool color = to == stderr ? how->cli->color_err : how->cli->color_out;
	json_slice_text(&out, text);
	char *plain = color ? NULL : show_strip_ansi(buf_cstr(&out), out.n);
	fputs(plain ? plain : buf_cstr(&out), to);
	fflush(to);
	free(plain);
	buf_free(&out);
}

static void error_print(const struct jupyter_run *how, struct json_slice content)
{
	struct json_slice lines = json_slice_get(content, "traceback");
	bool any = false;
	if (json_slice_is_array(lines))
		for (struct json_walk w = json_slice_walk(lines); json_slice_next(&w); any = true) {
			text_print(how, stderr, w.value);
			fputc('\n', stderr);
		}
	if (!any) {
		text_print(how, stderr, json_slice_get(content, "ename"));
		fputs(": ", stderr);
		text_print(how, stderr, json_slice_get(content, "evalue"));
		fputc('\n', stderr);
	}
}

static void result_print(const struct jupyter_run *how, struct json_slice content)
{
	struct json_slice text = json_slice_get(json_slice_get(content, "data"), "text/plain");
	int64_t count;
	if (!json_slice_is_string(text))
		return;
	if (how->out_prefix && json_slice_i64(json_slice_get(content, "execution_count"), &count))
		printf("%s[%lld]: ", how->out_prefix, (long long)count);
	text_print(how, stdout, text);
	putchar('\n');
}

/* True when this was the idle that ends the run. */
static bool iopub_take(const struct jupyter_run *how, const struct jupyter_message *m)
{
	struct json_slice c = m->content;
	if (!strcmp(m->msg_type, "stream")) {
		bool err = json_slice_equals(json_slice_get(c, "name"), "stderr");
		text_print(how, err ? stderr : stdout, json_slice_get(c, "text"));
	} else if (!strcmp(m->msg_type, "execute_result") || !strcmp(m->msg_type, "display_data")) {
		result_print(how, c);
	} else if (!strcmp(m->msg_type, "error")) {
		error_print(how, c);
	} else if (!strcmp(m->msg_type, "status")) {
		return json_slice_equals(json_slice_get(c, "execution_state"), "idle");
	}
	return false;
}

static void input_answer(struct jupyter_client *c, const struct jupyter_run *how, const struct jupyter_message *m)
{
	struct buf content = {0};
	char *line = NULL, id[UUID_TEXT];
	size_t cap = 0;
	bool hidden = json_slice_is_true(json_slice_get(m->content, "password"));
	text_print(how, stdout, json_slice_get(m->content, "prompt"));
	fflush(stdout);
	char *secret = hidden && isatty(STDIN_FILENO) ? getpass("") : NULL;
	ssize_t n = secret ? (ssize_t)strlen(secret) : getline(&line, &cap, stdin);
	const char *text = secret ? secret : line;
	if (n > 0 && text[n - 1] == '\n')
		n--;
	buf_append_str(&content, "{\"value\":");
	json_append_str(&content, text ? text : "", n > 0 ? (size_t)n : 0);
	buf_append_byte(&content, '}');
	jupyter_client_send(c, PORT_STDIN, "input_reply", buf_cstr(&content), id);
	buf_free(&content);
	free(line);
}

struct run_state {
	const char *id;
	bool idle, replied, ok;
	int64_t count;
	int64_t last_heard, probed;
};

/* True when anything came. */
static bool run_step(struct jupyter_client *c, const struct jupyter_run *how, struct run_state *s)
{
	struct jupyter_message m;
	bool any = false;
	while (!s->idle && jupyter_client_recv(c, PORT_IOPUB, &m) == 0) {
		any = true;
		if (answers_to(&m, s->id))
			s->idle = iopub_take(how, &m);
		jupyter_message_fini(&m);
	}
	while (jupyter_client_recv(c, PORT_SHELL, &m) == 0) {
		any = true;
		if (answers_to(&m, s->id)) {
			s->replied = true;
			s->ok = json_slice_equals(json_slice_get(m.content, "status"), "ok");
			json_slice_i64(json_slice_get(m.content, "execution_count"), &s->count);
		}
		jupyter_message_fini(&m);
	}
	while (how->input && jupyter_client_recv(c, PORT_STDIN, &m) == 0) {
		any = true;
		input_answer(c, how, &m);
		jupyter_message_fini(&m);
	}
	return any;
}

/* The heartbeat is answered by a thread of its own, also while code runs. */
static bool still_there(struct jupyter_client *c, struct run_state *s)
{
	enum { ASK_MS = 3000, GONE_MS = 10000 };
	const struct zmq_api *z = zmq_api_get();
	struct multipart echo;
	int64_t now = client_now_ms();
	if (frames_recv(z, c->socket[PORT_HEARTBEAT], &echo) == 0) {
		multipart_free(&echo);
		s->last_heard = now;
	}
	if (now - s->probed >= ASK_MS) {
		z->send(c->socket[PORT_HEARTBEAT], "ping", 4, ZMQ_DONTWAIT);
		s->probed = now;
	}
	return now - s->last_heard < GONE_MS;
}

int jupyter_client_run(struct jupyter_client *c, const struct jupyter_run *how, const char *code, size_t n,
	int64_t *ret_count)
{
	struct buf content = {0};
	char id[UUID_TEXT];
	buf_append_str(&content, "{\"code\":");
	json_append_str(&content, code, n);
	buf_printf(&content, ",\"silent\":false,\"store_history\":true,\"user_expressions\":{},\"allow_stdin\":%s,"
			     "\"stop_on_error\":true}", how->input ? "true" : "false");
	int r = send_until(c, PORT_SHELL, "execute_request", buf_cstr(&content), client_now_ms() + 5000, id);
	buf_free(&content);
	struct run_state s = {.id = id, .last_heard = client_now_ms()};
	while (r == 0 && !(s.idle && s.replied)) {
		if (run_step(c, how, &s))
			s.last_heard = client_now_ms();
		else
			jupyter_client_wait(c);
		if (!still_there(c, &s))
			r = -EPIPE;
	}
	if (r < 0)
		return r;
	if (ret_count)
		*ret_count = s.count;
	return s.ok ? 0 : 1;
}
