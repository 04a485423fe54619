#include "web/blobs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/fault.h"
#include "host/file.h"
#include "host/stream.h"
#include "host/uv.h"

/* The server as clients see it: raw bytes over a socket (protocol.md 11). */

#define LIMIT HOST_SEC(20)

struct fixture {
	struct host *h;
	struct fault *fault;
	char *root;
	struct blob_store *s;
	struct http_route routes[4];
	struct http_server *server;
	struct http_request *later; /* being kept by handle_later */
	bool cancelled;
	char small[SHA256_HEX_BYTES], big[SHA256_HEX_BYTES];
	uint8_t *big_bytes;
	size_t big_n;
};

struct client {
	struct fixture *f;
	struct host_stream *s;
	struct buf in;
	size_t want; /* bytes to wait for; 0 = the end */
	bool connected, ended;
};

static void on_cancel(void *ctx)
{
	((struct fixture *)ctx)->cancelled = true;
}

static void handle_later(void *ctx, struct http_request *r)
{
	struct fixture *f = ctx;

	f->later = r;
	http_request_on_cancel(r, on_cancel, f);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	char root[] = "/tmp/web-test-XXXXXX", *dir;

	assert_non_null(mkdtemp(root));
	f->root = xstrdup(root);
	dir = path_join(root, "blobs");
	assert_int_equal(host_uv_new(&f->h), 0);
	f->fault = fault_install(f->h);
	assert_int_equal(blob_store_open(f->h, dir, &f->s), 0);
	f->routes[0] = (struct http_route){"/blob/", blobs_handle_blob, f->s};
	f->routes[1] = (struct http_route){"/health", blobs_handle_health, f->s};
	f->routes[2] = (struct http_route){"/later", handle_later, f};
	f->routes[3] = (struct http_route){"", blobs_handle_other, f->s};
	assert_int_equal(http_server_open(f->h, 0, f->routes, 4, &f->server), 0);
	assert_int_equal(blob_put(f->s, "image/png", "0123456789", 10, f->small), 0);
	f->big_n = 5u << 20;
	f->big_bytes = xmalloc(f->big_n);
	for (size_t i = 0; i < f->big_n; i++)
		f->big_bytes[i] = (uint8_t)(i * 7 + (i >> 13));
	assert_int_equal(blob_put(f->s, "video/mp4", f->big_bytes, f->big_n, f->big), 0);
	free(dir);
	*state = f;
	return 0;
}

static bool quiet(void *ctx)
{
	return host_work_pending(((struct fixture *)ctx)->h) == 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_clear(f->fault);
	http_server_close(f->server);
	blob_store_close(f->s);
	assert_int_equal(host_run_until(f->h, quiet, f, LIMIT), 0);
	assert_int_equal(host_dir_remove_tree(f->h, f->root), 0);
	fault_remove(f->fault);
	host_free(f->h);
	free(f->big_bytes);
	free(f->root);
	free(f);
	return 0;
}

static void client_read(void *ctx, const uint8_t *p, size_t n)
{
	buf_append(&((struct client *)ctx)->in, p, n);
}

static void client_end(void *ctx, int err)
{
	(void)err;
	((struct client *)ctx)->ended = true;
}

static const struct host_stream_events client_events = {.read = client_read, .end = client_end};

static void client_connected(void *ctx, int err, struct host_stream *s)
{
	struct client *c = ctx;

	assert_int_equal(err, 0);
	c->s = s;
	c->connected = true;
	host_stream_read_start(s, &client_events, c);
}

static bool is_connected(void *ctx)
{
	return ((struct client *)ctx)->connected;
}

static bool has_enough(void *ctx)
{
	struct client *c = ctx;

	return c->ended || (c->want > 0 && c->in.n >= c->want);
}

static void client_open(struct client *c, struct fixture *f)
{
	*c = (struct client){.f = f};
	assert_int_equal(host_connect_loopback(f->h, http_server_port(f->server), client_connected, c), 0);
	assert_int_equal(host_run_until(f->h, is_connected, c, LIMIT), 0);
}

static void client_send(struct client *c, const char *text)
{
	size_t n = strlen(text);

	assert_int_equal(host_stream_write(c->s, xmemdup(text, n ? n : 1), n, NULL, NULL), 0);
}

static void client_close(struct client *c)
{
	host_stream_close(c->s);
	buf_free(&c->in);
}

/* Sends text on a connection of its own and returns all that comes until the
 * server ends it; caller frees. */
static char *exchange(struct fixture *f, const char *text, size_t *ret_n)
{
	struct client c;
	char *all;

	client_open(&c, f);
	client_send(&c, text);
	host_stream_finish(c.s);
	assert_int_equal(host_run_until(f->h, has_enough, &c, LIMIT), 0);
	all = buf_take(&c.in, ret_n);
	client_close(&c);
	return all;
}

static char *request(struct fixture *f, const char *line, const char *headers, size_t *ret_n)
{
	char *text = xasprintf("%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n", line,
			       (unsigned)http_server_port(f->server), headers);
	char *answer = exchange(f, text, ret_n);

	free(text);
	return answer;
}

static const char *body_of(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

/* True when the answer's head has this whole header line. */
static bool has_header(const char *answer, const char *line)
{
	const char *end = strstr(answer, "\r\n\r\n"), *at = strstr(answer, "\r\n");
	size_t n = strlen(line);

	while (at && at < end) {
		at += 2;
		if (strncasecmp(at, line, n) == 0 && at[n] == '\r')
			return true;
		at = strstr(at, "\r\n");
	}
	return false;
}

static void expect(struct fixture *f, const char *line, const char *headers, int status, const char *body)
{
	char *answer = request(f, line, headers, NULL), *want = xasprintf("HTTP/1.1 %d ", status);

	if (!str_starts(answer, want) || strcmp(body_of(answer), body) != 0)
		print_error("%s: %s\n", line, answer);
	assert_true(str_starts(answer, want));
	assert_string_equal(body_of(answer), body);
	assert_true(has_header(answer, "Access-Control-Allow-Origin: *"));
	free(answer);
	free(want);
}

static char *blob_line(const char *method, const char *hash, const char *rest)
{
	return xasprintf("%s /blob/%s%s", method, hash, rest);
}

static void test_table(void **state)
{
	struct fixture *f = *state;
	char *get = blob_line("GET", f->small, ""), *head = blob_line("HEAD", f->small, "");
	char *query = blob_line("GET", f->small, "?x=1"), *more = blob_line("GET", f->small, "/");
	char upper[SHA256_HEX_BYTES], *line, *answer;

	expect(f, "GET /health", "", 200, "OK");
	expect(f, "GET /health?x", "", 200, "OK");
	expect(f, "HEAD /health", "", 200, "");
	expect(f, "GET /healthz", "", 404, "Not Found");
	expect(f, "GET /", "", 404, "Not Found");
	expect(f, "GET /blob/", "", 404, "Not Found");
	expect(f, "GET /blob", "", 404, "Not Found");
	expect(f, "GET /blob/../../etc/passwd", "", 404, "Not Found");
	expect(f, "GET /blob/00", "", 404, "Not Found");
	answer = exchange(f, "POST /health HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", NULL);
	assert_true(str_starts(answer, "HTTP/1.1 405 Method Not Allowed\r\n"));
	free(answer);
	expect(f, "DELETE /health", "", 405, "Method Not Allowed");
	expect(f, "BREW /health", "", 405, "Method Not Allowed");
	expect(f, "OPTIONS /blob/x", "Origin: null\r\n", 204, "");
	expect(f, get, "", 200, "0123456789");
	expect(f, query, "", 200, "0123456789");
	expect(f, head, "", 200, "");
	expect(f, more, "", 404, "Not Found");
	for (size_t i = 0; i < sizeof upper; i++)
		upper[i] = (char)(f->small[i] >= 'a' ? f->small[i] - 32 : f->small[i]);
	line = blob_line("GET", upper, "");
	expect(f, line, "", 404, "Not Found");
	free(line);

	answer = request(f, get, "", NULL);
	assert_true(has_header(answer, "Content-Type: image/png"));
	assert_true(has_header(answer, "Content-Length: 10"));
	assert_true(has_header(answer, "Cache-Control: public, max-age=31536000, immutable"));
	assert_true(has_header(answer, "X-Content-Type-Options: nosniff"));
	free(answer);
	answer = request(f, head, "", NULL);
	assert_true(has_header(answer, "Content-Length: 10"));
	free(answer);
	answer = request(f, "GET /nothing", "", NULL);
	assert_null(strstr(answer, "Content-Type"));
	free(answer);
	free(get);
	free(head);
	free(query);
	free(more);
}

static void test_ranges(void **state)
{
	struct fixture *f = *state;
	char *get = blob_line("GET", f->small, ""), *answer, *none, *etag;

	expect(f, get, "Range: bytes=2-4\r\n", 206, "234");
	expect(f, get, "Range: bytes=7-\r\n", 206, "789");
	expect(f, get, "Range: bytes=-3\r\n", 206, "789");
	expect(f, get, "Range: bytes=-30\r\n", 206, "0123456789");
	expect(f, get, "Range: bytes=5-99\r\n", 206, "56789");
	expect(f, get, "Range: bytes=10-\r\n", 416, "");
	expect(f, get, "Range: bytes=-0\r\n", 416, "");
	expect(f, get, "Range: bytes=4-2\r\n", 200, "0123456789");
	expect(f, get, "Range: bytes=0-1,3-4\r\n", 200, "0123456789");
	expect(f, get, "Range: lines=1-2\r\n", 200, "0123456789");
	expect(f, get, "Range: bytes=99999999999999999999-\r\n", 200, "0123456789");
	answer = request(f, get, "Range: bytes=2-4\r\n", NULL);
	assert_true(has_header(answer, "Content-Range: bytes 2-4/10"));
	assert_true(has_header(answer, "Content-Length: 3"));
	free(answer);
	answer = request(f, get, "Range: bytes=10-\r\n", NULL);
	assert_true(has_header(answer, "Content-Range: bytes */10"));
	free(answer);
	none = xasprintf("If-None-Match: \"x\", \"%s\"\r\n", f->small);
	expect(f, get, none, 304, "");
	expect(f, get, "If-None-Match: *\r\n", 304, "");
	expect(f, get, "If-None-Match: \"x\"\r\n", 200, "0123456789");
	etag = xasprintf("Range: bytes=2-4\r\nIf-Range: \"%s\"\r\n", f->small);
	expect(f, get, etag, 206, "234");
	expect(f, get, "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n", 200, "0123456789");
	free(get);
	free(none);
	free(etag);
}

static void test_big_file(void **state)
{
	struct fixture *f = *state;
	char *line = blob_line("GET", f->big, ""), *answer;
	size_t n;

	answer = request(f, line, "", &n);
	assert_true(has_header(answer, "Content-Length: 5242880"));
	assert_int_equal(n, (size_t)(body_of(answer) - answer) + f->big_n);
	assert_memory_equal(body_of(answer), f->big_bytes, f->big_n);
	free(answer);
	answer = request(f, line, "Range: bytes=1000000-3000000\r\n", &n);
	assert_int_equal(n, (size_t)(body_of(answer) - answer) + 2000001);
	assert_memory_equal(body_of(answer), f->big_bytes + 1000000, 2000001);
	free(answer);
	free(line);
}

/* Ended by the client, or by the disk, in the middle of a big answer. */
static void test_big_file_cut(void **state)
{
	struct fixture *f = *state;
	struct fault_rule bad = {.ops = FAULT_READ, .nth = 4, .action = FAULT_FAIL, .error = EIO};
	char *text = xasprintf("GET /blob/%s HTTP/1.1\r\n\r\n", f->big);
	struct client c;

	client_open(&c, f);
	client_send(&c, text);
	c.want = 1000;
	assert_int_equal(host_run_until(f->h, has_enough, &c, LIMIT), 0);
	host_stream_read_stop(c.s); /* let the server run into a full socket first */
	host_run_until(f->h, has_enough, &c, HOST_MS(1));
	client_close(&c);

	fault_add(f->fault, &bad);
	client_open(&c, f);
	client_send(&c, text);
	assert_int_equal(host_run_until(f->h, has_enough, &c, LIMIT), 0);
	assert_true(c.ended);
	assert_true(c.in.n < f->big_n);
	client_close(&c);
	free(text);
}

static void test_keep_alive_and_pipelining(void **state)
{
	struct fixture *f = *state;
	char *text = xasprintf("GET /health HTTP/1.1\r\n\r\nGET /blob/%s HTTP/1.1\r\n\r\nGET /health HTTP/1.0\r\n\r\n",
			       f->small);
	struct client c;
	size_t first;
	char *all;

	/* Byte by byte: a parser that is fed does not mind. */
	client_open(&c, f);
	for (const char *p = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"; *p; p++) {
		char one[2] = {*p, '\0'};

		client_send(&c, one);
		host_run_until(f->h, has_enough, &c, p[1] ? HOST_US(50) : HOST_MS(1));
	}
	c.want = 1;
	assert_int_equal(host_run_until(f->h, has_enough, &c, LIMIT), 0);
	assert_true(str_starts(buf_cstr(&c.in), "HTTP/1.1 200 OK\r\n"));
	assert_false(has_header(buf_cstr(&c.in), "Connection: close"));
	first = c.in.n;
	client_send(&c, text);
	c.want = 0;
	assert_int_equal(host_run_until(f->h, has_enough, &c, LIMIT), 0); /* HTTP/1.0 ends it */
	all = buf_take(&c.in, NULL);
	assert_true(str_starts(all + first, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(all + first, "0123456789HTTP/1.1 200 OK\r\n"));
	assert_true(str_ends(all, "\r\n\r\nOK"));
	free(all);
	client_close(&c);
	free(text);
}

static void test_junk(void **state)
{
	struct fixture *f = *state;
	static const char *const junk[] = {
		"\xc0\xde\x01\xac\x02 whatever\r\n\r\n", "GET\r\n\r\n", "GET /health HTTP/9.9\r\n\r\n",
		"get /health http/1.1\r\n\r\n", "GET /health HTTP/1.1\r\nbad header\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};
	struct buf big = {0};
	char *answer;

	for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
		answer = exchange(f, junk[i], NULL);
		if (!str_starts(answer, "HTTP/1.1 400 "))
			print_error("%zu: %s\n", i, answer);
		assert_true(str_starts(answer, "HTTP/1.1 400 "));
		assert_true(has_header(answer, "Connection: close"));
		assert_true(has_header(answer, "Access-Control-Allow-Origin: *"));
		free(answer);
	}
	buf_append_str(&big, "GET /health HTTP/1.1\r\nX: ");
	for (int i = 0; i < 17000; i++)
		buf_append_byte(&big, 'x');
	buf_append_str(&big, "\r\n\r\n");
	answer = exchange(f, buf_cstr(&big), NULL);
	assert_true(str_starts(answer, "HTTP/1.1 431 "));
	free(answer);
	buf_free(&big);
	answer = exchange(f, "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", NULL);
	assert_true(str_starts(answer, "HTTP/1.1 413 "));
	free(answer);
	/* Nothing at all is no request. */
	answer = exchange(f, "", NULL);
	assert_string_equal(answer, "");
	free(answer);
}

static void test_host_check(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *host;
		const char *status;
	} cases[] = {
		{"127.0.0.1", "HTTP/1.1 200 "}, {"localhost:8080", "HTTP/1.1 200 "}, {"LOCALHOST", "HTTP/1.1 200 "},
		{"[::1]:1", "HTTP/1.1 200 "}, {"evil.example", "HTTP/1.1 403 "}, {"127.0.0.1.evil.example", "HTTP/1.1 403 "},
		{"localhost:", "HTTP/1.1 403 "}, {"localhost:80x", "HTTP/1.1 403 "},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = xasprintf("GET /health HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].host);
		char *answer = exchange(f, text, NULL);

		assert_true(str_starts(answer, cases[i].status));
		free(answer);
		free(text);
	}
}

static void test_illegal_media_type(void **state)
{
	struct fixture *f = *state;
	char hash[SHA256_HEX_BYTES], *line;

	assert_int_equal(blob_put(f->s, "text/plain\r\nX-Evil: 1", "evil", 4, hash), 0);
	line = blob_line("GET", hash, "");
	expect(f, line, "", 500, "Internal Server Error");
	free(line);
}

static void test_connection_limit(void **state)
{
	struct fixture *f = *state;
	struct client *all = xcalloc(HTTP_CONNECTIONS_MAX + 1, sizeof *all);

	for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		client_open(&all[i], f);
	client_send(&all[HTTP_CONNECTIONS_MAX - 1], "GET /health HTTP/1.1\r\n\r\n");
	all[HTTP_CONNECTIONS_MAX - 1].want = 1;
	assert_int_equal(host_run_until(f->h, has_enough, &all[HTTP_CONNECTIONS_MAX - 1], LIMIT), 0);
	assert_int_equal(http_server_connections(f->server), HTTP_CONNECTIONS_MAX);
	client_open(&all[HTTP_CONNECTIONS_MAX], f);
	assert_int_equal(host_run_until(f->h, has_enough, &all[HTTP_CONNECTIONS_MAX], LIMIT), 0);
	assert_true(str_starts(buf_cstr(&all[HTTP_CONNECTIONS_MAX].in), "HTTP/1.1 503 "));
	for (unsigned i = 0; i <= HTTP_CONNECTIONS_MAX; i++)
		client_close(&all[i]);
	free(all);
}

static bool has_later(void *ctx)
{
	return ((struct fixture *)ctx)->later != NULL;
}

static bool is_cancelled(void *ctx)
{
	return ((struct fixture *)ctx)->cancelled;
}

static void test_late_answer_and_cancel(void **state)
{
	struct fixture *f = *state;
	struct client c;

	client_open(&c, f);
	client_send(&c, "GET /later HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\nConnection: close\r\n\r\n");
	assert_int_equal(host_run_until(f->h, has_later, f, LIMIT), 0);
	assert_int_equal(c.in.n, 0);
	http_reply(f->later, 200, NULL, 0, "late", 4);
	assert_int_equal(host_run_until(f->h, has_enough, &c, LIMIT), 0);
	assert_non_null(strstr(buf_cstr(&c.in), "\r\n\r\nlateHTTP/1.1 200 OK\r\n"));
	assert_true(str_ends(buf_cstr(&c.in), "\r\n\r\nOK"));
	client_close(&c);
	assert_false(f->cancelled);
	/* The server ends with a request unanswered. */
	f->later = NULL;
	client_open(&c, f);
	client_send(&c, "GET /later HTTP/1.1\r\n\r\n");
	assert_int_equal(host_run_until(f->h, has_later, f, LIMIT), 0);
	http_server_close(f->server);
	assert_true(is_cancelled(f));
	assert_int_equal(http_server_open(f->h, 0, f->routes, 4, &f->server), 0);
	client_close(&c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_table), T(test_ranges), T(test_big_file), T(test_big_file_cut), T(test_keep_alive_and_pipelining),
		T(test_junk), T(test_host_check), T(test_illegal_media_type), T(test_connection_limit),
		T(test_late_answer_and_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
