/* A loopback HTTP/1.1 server. Parsing is fed bytes (http_parser); handlers are
 * a table by path prefix. Keep-alive and pipelining work; one request of a
 * connection is answered at a time. */
#ifndef WEB_HTTP_H
#define WEB_HTTP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "host/host.h"
#include "host/stream.h"

#define HTTP_HEADER_MAX (16u << 10)      /* request line and headers: 431 past it */
#define HTTP_BODY_MAX (1u << 20)         /* 413 past it */
#define HTTP_CONNECTIONS_MAX 256         /* further ones get 503 and are closed */
#define HTTP_IDLE_LIMIT HOST_SEC(60)     /* without a byte in either direction */
#define HTTP_CHUNK (256u << 10)          /* of a streamed file */

struct http_server;
struct http_request; /* one request being answered */

enum http_verb { HTTP_METHOD_GET, HTTP_METHOD_HEAD, HTTP_METHOD_OPTIONS, HTTP_METHOD_POST, HTTP_METHOD_PUT,
		   HTTP_METHOD_DELETE, HTTP_METHOD_OTHER };

/* A handler answers with exactly one http_reply*, at once or later. */
typedef void http_handler_fn(void *ctx, struct http_request *r);

struct http_route {
	const char *prefix; /* the first route whose prefix starts the path wins; "" = any */
	http_handler_fn *handler;
	void *ctx;
};

/* Listens on 127.0.0.1:port (0 = any). routes (n of them) must outlive it. */
int http_server_open(struct host *h, uint16_t port, const struct http_route *routes, size_t n,
		     struct http_server **ret);
uint16_t http_server_port(const struct http_server *s);
size_t http_server_connections(const struct http_server *s);
/* Ends all connections. */
void http_server_close(struct http_server *s);

/* ---- the request ---- */
enum http_verb http_request_method(const struct http_request *r);
/* Decoded path without the query (percent-decoding done; never NULL). */
const char *http_request_path(const struct http_request *r);
/* Undecoded query behind '?', or NULL. */
const char *http_request_query(const struct http_request *r);
/* First header of that name (any case), or NULL. */
const char *http_request_header(const struct http_request *r, const char *name);
const void *http_request_body(const struct http_request *r, size_t *ret_n);
/* Set by the owner of a pending request: called if the connection ends before
 * it is answered; r is gone then. */
void http_request_on_cancel(struct http_request *r, host_fn *fn, void *ctx);
/* Whether the Host header names this machine: 127.0.0.1, localhost or [::1] with
 * or without a port, or is absent. */
bool http_request_host_is_local(const struct http_request *r);

/* ---- the answer ---- */
struct http_header {
	const char *name, *value;
};
/* Content-Length is added (the true length also for HEAD, which gets no body).
 * headers and body are copied. A header value with control characters makes the
 * answer a bare 500. r is gone afterwards. */
void http_reply(struct http_request *r, int status, const struct http_header *headers, size_t n_headers,
		const void *body, size_t body_n);
/* `status` with its reason phrase as the body, e.g. "Not Found". */
void http_reply_status(struct http_request *r, int status, const struct http_header *headers, size_t n_headers);
/* Streams bytes [offset, offset + length) of fd in chunks read on workers, and
 * closes fd. When reading fails midway the connection is cut. */
void http_reply_file(struct http_request *r, int status, const struct http_header *headers, size_t n_headers, int fd,
		     uint64_t offset, uint64_t length);
/* Switches protocols: the connection leaves HTTP and its stream is the caller's
 * (not reading); bytes that came behind the request are appended to rest. The
 * caller writes the 101 itself. Inside the handler only. */
struct host_stream *http_request_take_stream(struct http_request *r, struct buf *rest);
#endif
