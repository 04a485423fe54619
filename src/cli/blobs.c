#include "cli/blobs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/text.h"
#include "cli/client.h"

#define HTTP_SECONDS 5

void blobs_init(struct blobs *b, const struct paths *paths, const char *socket)
{
	struct running_daemon record;
	char *beside = socket ? path_dir(socket) : xstrdup(paths->base_dir);
	*b = (struct blobs){.dir = path_join(beside, "blobs")};
	free(beside);
	running_daemon_read(paths, &record);
	b->port = (int)record.blob_port;
	running_daemon_fini(&record);
	if (access(b->dir, R_OK) < 0) {
		free(b->dir);
		b->dir = xstrdup(paths->blobs_dir);
	}
}

void blobs_fini(struct blobs *b)
{
	free(b->dir);
	b->dir = NULL;
}

static int file_get(const struct blobs *b, const char *hash, struct buf *out)
{
	char *path = xasprintf("%s/%.2s/%s", b->dir, hash, hash + 2);
	FILE *f = fopen(path, "re");
	free(path);
	if (!f)
		return -ENOENT;
	for (size_t n = 1; n;) {
		n = fread(buf_reserve(out, 65536), 1, 65536, f);
		out->n += n;
	}
	int r = ferror(f) ? -EIO : 0;
	fclose(f);
	return r;
}

static int http_connect(int port)
{
	const struct timeval limit = {.tv_sec = HTTP_SECONDS};
	const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, (const struct sockaddr *)&a, sizeof a) < 0) {
		int r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* The body of a 200 answer that ends with the connection. */
static int http_body(const struct buf *answer, struct buf *out)
{
	const char *p = (const char *)answer->p;
	const char *end = answer->n ? memmem(p, answer->n, "\r\n\r\n", 4) : NULL;
	if (!end || answer->n < 12 || memcmp(p, "HTTP/1.", 7) != 0 || memcmp(p + 8, " 200", 4) != 0)
		return -ENOENT;
	buf_append(out, end + 4, answer->n - (size_t)(end + 4 - p));
	return 0;
}

static int http_get(const struct blobs *b, const char *hash, struct buf *out)
{
	struct buf request = {0}, answer = {0};
	int fd = b->port ? http_connect(b->port) : -1;
	if (fd < 0)
		return -ENOENT;
	buf_printf(&request, "GET /blob/%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n", hash, b->port);
	ssize_t n = send(fd, request.p, request.n, MSG_NOSIGNAL);
	while (n > 0) {
		n = recv(fd, buf_reserve(&answer, 65536), 65536, 0);
		answer.n += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	int r = n < 0 ? -ENOENT : http_body(&answer, out);
	buf_free(&request);
	buf_free(&answer);
	return r;
}

int blobs_get(void *blobs, const char *hash, struct buf *out)
{
	const struct blobs *b = blobs;
	size_t mark = out->n;
	if (!hex_is_hash(hash, strlen(hash)))
		return -ENOENT;
	if (file_get(b, hash, out) == 0)
		return 0;
	out->n = mark;
	return http_get(b, hash, out);
}

char *blobs_url(const struct blobs *b, const char *hash)
{
	if (b->port)
		return xasprintf("http://127.0.0.1:%d/blob/%s", b->port, hash);
	return xasprintf("%s/%.2s/%s", b->dir, hash, hash + 2);
}
