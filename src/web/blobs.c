#include "web/blobs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

#define BLOB_PREFIX "/blob/"

/* The sandboxed frames that show outputs have an opaque origin (kernels.md 10). */
static const struct http_header cors = {"Access-Control-Allow-Origin", "*"};

static void reply_status(struct http_request *r, int status)
{
	http_reply_status(r, status, &cors, 1);
}

/* True when the request was answered here: a foreign Host, a method that is not for reading. */
static bool answered(struct http_request *r)
{
	static const struct http_header preflight[] = {
		{"Access-Control-Allow-Origin", "*"},
		{"Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"},
		{"Access-Control-Allow-Headers", "*"},
		{"Access-Control-Max-Age", "86400"},
	};
	enum http_verb m = http_request_method(r);
	if (!http_request_host_is_local(r))
		reply_status(r, 403);
	else if (m == HTTP_METHOD_OPTIONS)
		http_reply(r, 204, preflight, sizeof preflight / sizeof *preflight, NULL, 0);
	else if (m != HTTP_METHOD_GET && m != HTTP_METHOD_HEAD)
		reply_status(r, 405);
	else
		return false;
	return true;
}

struct range {
	uint64_t first, length;
};

/* One `bytes=` range (RFC 9110 section 14): 1 = use it, 0 = ignore the header, -1 = cannot be satisfied. */
static int parse_range(const char *header, uint64_t size, struct range *ret)
{
	char first[24] = "", last[24] = "";
	uint64_t a = 0, b = 0;
	int used = 0;
	if (!header || strncmp(header, "bytes=", 6) != 0 || strchr(header, ','))
		return 0;
	header += 6;
	if (sscanf(header, "%20[0-9]-%20[0-9]%n", first, last, &used) == 2 && !header[used]) {
		if (!str_to_u64(first, &a) || !str_to_u64(last, &b) || b < a)
			return 0;
	} else if (used = 0, sscanf(header, "%20[0-9]-%n", first, &used) == 1 && used && !header[used]) {
		if (!str_to_u64(first, &a))
			return 0;
		b = UINT64_MAX;
	} else if (used = 0, sscanf(header, "-%20[0-9]%n", last, &used) == 1 && used && !header[used]) {
		if (!str_to_u64(last, &b) || b == 0)
			return b == 0 ? -1 : 0;
		a = b < size ? size - b : 0;
		b = UINT64_MAX;
	} else {
		return 0;
	}
	if (a >= size)
		return -1;
	*ret = (struct range){a, (b < size ? b : size - 1) - a + 1};
	return 1;
}

static void reply_blob(struct http_request *r, int fd, const struct blob_info *info, const char *etag)
{
	char content_range[80];
	struct range range = {0, info->size};
	const char *if_range = http_request_header(r, "If-Range");
	const char *wanted = if_range && strcmp(if_range, etag) != 0 ? NULL : http_request_header(r, "Range");
	int ranged = parse_range(wanted, info->size, &range);
	struct http_header headers[] = {
		cors,
		{"Content-Type", info->media_type},
		{"Cache-Control", "public, max-age=31536000, immutable"},
		{"X-Content-Type-Options", "nosniff"},
		{"ETag", etag},
		{"Accept-Ranges", "bytes"},
		{"Content-Range", content_range},
	};
	size_t n = sizeof headers / sizeof *headers;
	if (ranged > 0)
		snprintf(content_range, sizeof content_range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.first,
			 range.first + range.length - 1, info->size);
	else
		snprintf(content_range, sizeof content_range, "bytes */%" PRIu64, info->size);
	if (ranged < 0)
		http_reply_file(r, 416, headers, n, fd, 0, 0);
	else
		http_reply_file(r, ranged ? 206 : 200, headers, ranged ? n : n - 1, fd, range.first, range.length);
}

void blobs_handle_blob(void *ctx, struct http_request *r)
{
	struct blob_store *store = ctx;
	const char *hash = http_request_path(r) + strlen(BLOB_PREFIX), *match = http_request_header(r, "If-None-Match");
	char etag[SHA256_HEX_BYTES + 2];
	struct blob_info info;
	int fd;
	if (answered(r))
		return;
	if (!hex_is_hash(hash, strlen(hash))) {
		reply_status(r, 404);
		return;
	}
	int err = blob_open(store, hash, &fd, &info);
	if (err < 0) {
		reply_status(r, err == -ENOENT ? 404 : 500);
		return;
	}
	snprintf(etag, sizeof etag, "\"%s\"", hash);
	if (match && (strcmp(match, "*") == 0 || strstr(match, etag))) {
		const struct http_header headers[] = {cors, {"ETag", etag}};
		blob_release(store, fd);
		http_reply(r, 304, headers, 2, NULL, 0);
	} else {
		reply_blob(r, fd, &info, etag);
	}
}

void blobs_handle_health(void *ctx, struct http_request *r)
{
	(void)ctx;
	if (answered(r))
		return;
	if (strcmp(http_request_path(r), "/health") == 0)
		http_reply(r, 200, &cors, 1, "OK", 2);
	else
		reply_status(r, 404);
}

void blobs_handle_other(void *ctx, struct http_request *r)
{
	(void)ctx;
	if (!answered(r))
		reply_status(r, 404);
}
