#include "web/http.h"

#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/vec.h"
#include "host/file.h"

#define HTTP_PENDING_MAX (64u << 10) /* bytes read ahead of an answer */
#define HTTP_CLOSE_LIMIT HOST_SEC(5)

struct http_connection;

struct field {
	struct buf name, value;
};

struct http_request {
	struct http_connection *c;
	struct buf url;
	char *path, *query;
	VEC(struct field) fields;
	bool in_value; /* the parser is inside the last field's value */
	struct buf body;
	size_t header_bytes;
	bool keep_alive, head;
	int refuse; /* a status that answers it without a handler; 0 = none */
	host_fn *cancel;
	void *cancel_ctx;
};

struct http_connection {
	struct http_server *server;
	struct host_stream *stream;
	http_parser parser;
	struct http_request request;
	bool answering; /* a whole request is with its handler */
	bool parsing;   /* inside the loop that feeds the parser */
	bool dead, ended;
	struct buf pending; /* bytes that came while answering */
	struct host_timer idle;
	struct host_defer reap;
	unsigned refs; /* its own, and one per file read under way */
};

struct http_server {
	struct host *host;
	struct host_listener *listener;
	uint16_t port;
	const struct http_route *routes;
	size_t n_routes;
	VEC(struct http_connection *) connections;
};

/* ---- memory ---- */

static void request_clear(struct http_request *r)
{
	struct http_connection *c = r->c;
	for (size_t i = 0; i < r->fields.n; i++) {
		buf_free(&r->fields.p[i].name);
		buf_free(&r->fields.p[i].value);
	}
	VEC_FREE(&r->fields);
	buf_free(&r->url);
	buf_free(&r->body);
	free(r->path);
	free(r->query);
	*r = (struct http_request){.c = c};
}

static void connection_unref(struct http_connection *c)
{
	if (--c->refs)
		return;
	request_clear(&c->request);
	buf_free(&c->pending);
	free(c);
}

static void reap(void *ctx)
{
	connection_unref(ctx);
}

static void forget(struct http_connection *c)
{
	struct http_server *s = c->server;
	c->dead = true;
	host_timer_stop(&c->idle);
	for (size_t i = 0; i < s->connections.n; i++) {
		if (s->connections.p[i] == c) {
			VEC_REMOVE(&s->connections, i);
			break;
		}
	}
	host_defer(&c->reap);
}

static void connection_close(struct http_connection *c)
{
	if (c->dead)
		return;
	if (c->request.cancel)
		c->request.cancel(c->request.cancel_ctx);
	host_stream_close_flushed(c->stream, HTTP_CLOSE_LIMIT);
	forget(c);
}

/* ---- parsing ---- */

static struct http_request *request_of(http_parser *p)
{
	return &((struct http_connection *)p->data)->request;
}

static bool headers_fit(struct http_request *r, size_t n)
{
	r->header_bytes += n;
	if (r->header_bytes > HTTP_HEADER_MAX && !r->refuse)
		r->refuse = 431;
	return r->header_bytes <= HTTP_HEADER_MAX;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);
	if (!headers_fit(r, n))
		return 1;
	buf_append(&r->url, at, n);
	return 0;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);
	if (!headers_fit(r, n))
		return 1;
	if (r->fields.n == 0 || r->in_value)
		VEC_PUSH(&r->fields, ((struct field){0}));
	r->in_value = false;
	buf_append(&r->fields.p[r->fields.n - 1].name, at, n);
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);
	if (!headers_fit(r, n) || r->fields.n == 0)
		return 1;
	r->in_value = true;
	buf_append(&r->fields.p[r->fields.n - 1].value, at, n);
	return 0;
}

static int on_headers(http_parser *p)
{
	/* UINT64_MAX: no length given. What is too long is refused before it is sent. */
	if (p->content_length == UINT64_MAX || p->content_length <= HTTP_BODY_MAX)
		return 0;
	request_of(p)->refuse = 413;
	return -1;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct http_request *r = request_of(p);
	if (r->body.n + n > HTTP_BODY_MAX) {
		r->refuse = 413;
		return 1;
	}
	buf_append(&r->body, at, n);
	return 0;
}

static int on_complete(http_parser *p)
{
	struct http_connection *c = p->data;
	c->answering = true;
	c->request.keep_alive = http_should_keep_alive(p) != 0;
	http_parser_pause(p, 1); /* one request at a time; the rest waits */
	return 0;
}

static const http_parser_settings settings = {
	.on_url = on_url, .on_header_field = on_field, .on_header_value = on_value,
	.on_headers_complete = on_headers, .on_body = on_body, .on_message_complete = on_complete,
};

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static char *decode_path(const char *s, size_t n)
{
	char *out = xmalloc(n + 1), *o = out;
	for (size_t i = 0; i < n; i++) {
		int high = i + 2 < n + 0 && s[i] == '%' ? hex(s[i + 1]) : -1, low = high >= 0 ? hex(s[i + 2]) : -1;
		if (low >= 0 && (high | low)) {
			*o++ = (char)(high << 4 | low);
			i += 2;
		} else {
			*o++ = s[i];
		}
	}
	*o = '\0';
	return out;
}

/* Absolute targets (`GET http://127.0.0.1/x`) are legal and rare. */
static bool split_url(struct http_request *r)
{
	struct http_parser_url u;
	http_parser_url_init(&u);
	if (http_parser_parse_url((const char *)r->url.p, r->url.n, 0, &u) != 0)
		return false;
	const char *p = (const char *)r->url.p;
	if (u.field_set & (1 << UF_PATH))
		r->path = decode_path(p + u.field_data[UF_PATH].off, u.field_data[UF_PATH].len);
	else
		r->path = xstrdup("/");
	if (u.field_set & (1 << UF_QUERY))
		r->query = xstrndup(p + u.field_data[UF_QUERY].off, u.field_data[UF_QUERY].len);
	return true;
}

/* Answers without a handler may be read by anybody: they say nothing. */
static const struct http_header cors = {"Access-Control-Allow-Origin", "*"};

static void dispatch(struct http_connection *c)
{
	struct http_request *r = &c->request;
	r->head = c->parser.method == HTTP_HEAD;
	if (c->parser.http_major != 1 || !split_url(r)) {
		r->keep_alive = false;
		http_reply_status(r, 400, &cors, 1);
		return;
	}
	for (size_t i = 0; i < c->server->n_routes; i++) {
		const struct http_route *route = &c->server->routes[i];
		if (strncmp(r->path, route->prefix, strlen(route->prefix)) == 0) {
			route->handler(route->ctx, r);
			return;
		}
	}
	http_reply_status(r, 404, &cors, 1);
}

static void refuse(struct http_connection *c, int status)
{
	c->answering = true;
	c->request.keep_alive = false;
	c->request.head = false;
	http_reply_status(&c->request, status, &cors, 1);
}

/* Well-formed but for a method http_parser has never heard of. */
static bool unknown_method(const uint8_t *p, size_t n)
{
	const uint8_t *end = memchr(p, '\n', n);
	size_t line = end ? (size_t)(end - p) : 0, token = 0;
	if (line > 0 && p[line - 1] == '\r')
		line--;
	while (token < line && ((p[token] >= 'A' && p[token] <= 'Z') || p[token] == '-'))
		token++;
	return token > 0 && token < line && p[token] == ' ' && line > token + 9 &&
	       memcmp(p + line - 9, " HTTP/1.", 8) == 0;
}

/* Feeds p to the parser until a request is whole; what is behind it goes to pending. */
static void parse(struct http_connection *c, const uint8_t *p, size_t n)
{
	size_t used = http_parser_execute(&c->parser, &settings, (const char *)p, n);
	enum http_errno err = HTTP_PARSER_ERRNO(&c->parser);
	if (err == HPE_PAUSED) {
		http_parser_pause(&c->parser, 0);
		buf_append(&c->pending, p + used, n - used);
		dispatch(c);
	} else if (c->parser.upgrade && c->answering) {
		buf_append(&c->pending, p + used, n - used);
		dispatch(c);
	} else if (err != HPE_OK) {
		refuse(c, c->request.refuse                                       ? c->request.refuse
			  : err == HPE_INVALID_METHOD && unknown_method(p, n) ? 405
									      : 400);
	}
}

static void go_on(struct http_connection *c)
{
	if (c->parsing)
		return;
	c->parsing = true;
	while (!c->dead && !c->answering && c->pending.n) {
		struct buf bytes = c->pending;
		c->pending = (struct buf){0};
		parse(c, bytes.p, bytes.n);
		buf_free(&bytes);
	}
	c->parsing = false;
	if (c->ended && !c->answering)
		connection_close(c);
}

/* ---- the connection ---- */

static void on_read(void *ctx, const uint8_t *p, size_t n)
{
	struct http_connection *c = ctx;
	host_timer_start(&c->idle, HTTP_IDLE_LIMIT);
	buf_append(&c->pending, p, n);
	if (c->answering && c->pending.n > HTTP_PENDING_MAX)
		host_stream_read_stop(c->stream);
	else
		go_on(c);
}

static void on_end(void *ctx, int err)
{
	struct http_connection *c = ctx;
	c->ended = true;
	if (err < 0 || !c->answering)
		connection_close(c);
}

static const struct host_stream_events events = {on_read, on_end};

static void idle_too_long(void *ctx)
{
	connection_close(ctx);
}

static void accept_one(void *ctx, struct host_stream *stream)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nAccess-Control-Allow-Origin: *\r\n"
				   "Content-Length: 0\r\nConnection: close\r\n\r\n";
	struct http_server *s = ctx;
	if (s->connections.n >= HTTP_CONNECTIONS_MAX) {
		host_stream_write(stream, xmemdup(busy, sizeof busy - 1), sizeof busy - 1, NULL, NULL);
		host_stream_close_flushed(stream, HTTP_CLOSE_LIMIT);
		return;
	}
	struct http_connection *c = xcalloc(1, sizeof *c);
	c->server = s;
	c->stream = stream;
	c->refs = 1;
	c->request.c = c;
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->parser.data = c;
	host_timer_init(&c->idle, s->host, idle_too_long, c);
	host_defer_init(&c->reap, s->host, reap, c);
	host_timer_start(&c->idle, HTTP_IDLE_LIMIT);
	VEC_PUSH(&s->connections, c);
	host_stream_read_start(stream, &events, c);
}

int http_server_open(struct host *h, uint16_t port, const struct http_route *routes, size_t n, struct http_server **ret)
{
	struct http_server *s = xcalloc(1, sizeof *s);
	s->host = h;
	s->routes = routes;
	s->n_routes = n;
	int r = host_listen_loopback(h, port, accept_one, s, &s->listener, &s->port);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

size_t http_server_connections(const struct http_server *s)
{
	return s->connections.n;
}

void http_server_close(struct http_server *s)
{
	host_listener_close(s->listener);
	while (s->connections.n)
		connection_close(s->connections.p[0]);
	VEC_FREE(&s->connections);
	free(s);
}

/* ---- what handlers ask ---- */

enum http_verb http_request_method(const struct http_request *r)
{
	switch (r->c->parser.method) {
	case HTTP_GET: return HTTP_METHOD_GET;
	case HTTP_HEAD: return HTTP_METHOD_HEAD;
	case HTTP_OPTIONS: return HTTP_METHOD_OPTIONS;
	case HTTP_POST: return HTTP_METHOD_POST;
	case HTTP_PUT: return HTTP_METHOD_PUT;
	case HTTP_DELETE: return HTTP_METHOD_DELETE;
	default: return HTTP_METHOD_OTHER;
	}
}

const char *http_request_path(const struct http_request *r)
{
	return r->path;
}

const char *http_request_query(const struct http_request *r)
{
	return r->query;
}

const char *http_request_header(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->fields.n; i++)
		if (strcasecmp(buf_cstr(&r->fields.p[i].name), name) == 0)
			return buf_cstr(&r->fields.p[i].value);
	return NULL;
}

const void *http_request_body(const struct http_request *r, size_t *ret_n)
{
	*ret_n = r->body.n;
	return r->body.p;
}

void http_request_on_cancel(struct http_request *r, host_fn *fn, void *ctx)
{
	r->cancel = fn;
	r->cancel_ctx = ctx;
}

bool http_request_host_is_local(const struct http_request *r)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
	const char *host = http_request_header(r, "Host");
	if (!host)
		return true; /* browsers, whom this is against, always send one */
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t n = strlen(names[i]);
		if (strncasecmp(host, names[i], n) == 0 &&
		    (!host[n] || (host[n] == ':' && host[n + 1] && strspn(host + n + 1, "0123456789") == strlen(host + n + 1))))
			return true;
	}
	return false;
}

/* ---- answering ---- */

static const char *reason(int status)
{
	switch (status) {
	case 101: return "Switching Protocols";
	case 200: return "OK";
	case 204: return "No Content";
	case 206: return "Partial Content";
	case 304: return "Not Modified";
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 413: return "Content Too Large";
	case 416: return "Range Not Satisfiable";
	case 421: return "Misdirected Request";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 503: return "Service Unavailable";
	default: return "Unknown";
	}
}

static bool legal_value(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static void append_date(struct buf *out, int64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	char text[64];
	struct tm tm;
	/* The C locale's names: the daemon never calls setlocale. */
	if (gmtime_r(&seconds, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
		buf_printf(out, "Date: %s\r\n", text);
}

/* Status line and headers; false when a header is not legal. */
static bool append_head(struct buf *out, const struct http_request *r, int status, const struct http_header *headers,
			size_t n, uint64_t length)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, reason(status));
	for (size_t i = 0; i < n; i++) {
		if (!legal_value(headers[i].value))
			return false;
		buf_printf(out, "%s: %s\r\n", headers[i].name, headers[i].value);
	}
	if (status != 204 && status != 304)
		buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)length);
	if (!r->keep_alive)
		buf_append_str(out, "Connection: close\r\n");
	else if (r->c->parser.http_minor == 0)
		buf_append_str(out, "Connection: keep-alive\r\n");
	append_date(out, host_wall_ns(r->c->server->host));
	buf_append_str(out, "\r\n");
	return true;
}

static void send(struct http_connection *c, struct buf *out, host_written_fn *done)
{
	size_t n;
	void *p = buf_take(out, &n);
	host_stream_write(c->stream, p, n, done, c);
}

static void request_over(struct http_connection *c)
{
	bool keep = c->request.keep_alive;
	c->request.cancel = NULL;
	request_clear(&c->request);
	c->answering = false;
	if (!keep) {
		connection_close(c);
		return;
	}
	host_timer_start(&c->idle, HTTP_IDLE_LIMIT);
	if (!c->ended)
		host_stream_read_start(c->stream, &events, c);
	go_on(c);
}

void http_reply(struct http_request *r, int status, const struct http_header *headers, size_t n_headers, const void *body,
		size_t body_n)
{
	struct http_connection *c = r->c;
	struct buf out = {0};
	if (!append_head(&out, r, status, headers, n_headers, body_n)) {
		body = reason(500);
		body_n = strlen(body);
		status = 500;
		buf_clear(&out);
		append_head(&out, r, status, &cors, 1, body_n);
	}
	if (!r->head && status != 204 && status != 304)
		buf_append(&out, body, body_n);
	send(c, &out, NULL);
	request_over(c);
}

void http_reply_status(struct http_request *r, int status, const struct http_header *headers, size_t n_headers)
{
	const char *text = reason(status);
	http_reply(r, status, headers, n_headers, text, strlen(text));
}

/* ---- files, a chunk at a time ---- */

struct file_job {
	struct http_connection *c;
	bool reading; /* at a worker; otherwise a chunk is being written */
	struct host *host;
	int fd;
	uint64_t offset, left;
	struct buf chunk;
	int err;
};

static void read_chunk(struct file_job *job);

static void file_free(struct file_job *job)
{
	host_file_close(job->host, job->fd);
	buf_free(&job->chunk);
	free(job);
}

static void file_over(struct file_job *job, bool whole)
{
	struct http_connection *c = job->c;
	file_free(job);
	c->request.cancel = NULL;
	if (!c->dead && !whole)
		connection_close(c); /* the announced length cannot be kept */
	else if (!c->dead)
		request_over(c);
	connection_unref(c);
}

/* The connection is ending. A job at a worker sees that when it is back; one that
 * waits for a write will not hear of it any more. */
static void file_cancelled(void *ctx)
{
	struct file_job *job = ctx;
	struct http_connection *c = job->c;
	if (job->reading)
		return;
	file_free(job);
	connection_unref(c); /* the connection's own reference is still there */
}

static void chunk_written(void *ctx, int err)
{
	struct http_connection *c = ctx;
	struct file_job *job = c->request.cancel_ctx;
	host_timer_start(&c->idle, HTTP_IDLE_LIMIT);
	if (err < 0 || job->left == 0)
		file_over(job, err >= 0);
	else
		read_chunk(job);
}

static void chunk_run(void *ctx)
{
	struct file_job *job = ctx;
	size_t n = job->left < HTTP_CHUNK ? (size_t)job->left : HTTP_CHUNK, got = 0;
	job->err = host_file_pread(job->host, job->fd, buf_reserve(&job->chunk, n), n, job->offset, &got);
	if (job->err == 0 && got < n)
		job->err = -EIO;
	job->chunk.n = got;
}

static void chunk_done(void *ctx)
{
	struct file_job *job = ctx;
	job->reading = false;
	if (job->c->dead || job->err < 0) {
		file_over(job, false);
		return;
	}
	job->offset += job->chunk.n;
	job->left -= job->chunk.n;
	send(job->c, &job->chunk, chunk_written);
}

static void read_chunk(struct file_job *job)
{
	job->reading = true;
	host_work(job->host, chunk_run, chunk_done, job);
}

void http_reply_file(struct http_request *r, int status, const struct http_header *headers, size_t n_headers, int fd,
		     uint64_t offset, uint64_t length)
{
	struct http_connection *c = r->c;
	struct buf out = {0};
	if (!append_head(&out, r, status, headers, n_headers, length)) {
		buf_free(&out);
		host_file_close(c->server->host, fd);
		http_reply_status(r, 500, &cors, 1);
		return;
	}
	send(c, &out, NULL);
	if (r->head || length == 0) {
		host_file_close(c->server->host, fd);
		request_over(c);
		return;
	}
	struct file_job *job = xcalloc(1, sizeof *job);
	*job = (struct file_job){.c = c, .host = c->server->host, .fd = fd, .offset = offset, .left = length};
	c->refs++;
	http_request_on_cancel(r, file_cancelled, job);
	read_chunk(job);
}

struct host_stream *http_request_take_stream(struct http_request *r, struct buf *rest)
{
	struct http_connection *c = r->c;
	struct host_stream *stream = c->stream;
	buf_append(rest, c->pending.p, c->pending.n);
	host_stream_read_stop(stream);
	forget(c);
	return stream;
}
