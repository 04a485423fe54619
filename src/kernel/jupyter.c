#include "kernel/jupyter.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"

#define DELIMITER "<IDS|MSG>"
#define DELIMITER_N 9
enum { HEADER = 2, PARENT, METADATA, CONTENT, BUFFERS }; /* frames counted from the delimiter */

/* ---- receiving ---- */

static size_t find_delimiter(const struct multipart *m)
{
	size_t i = 0;
	while (i < m->parts.n &&
	       (m->parts.p[i].n != DELIMITER_N || memcmp(m->parts.p[i].p, DELIMITER, DELIMITER_N) != 0))
		i++;
	return i;
}

static void sign(char out[SHA256_HEX_BYTES], const void *key, size_t key_n, const struct part *four)
{
	struct hash_part parts[4];
	for (int i = 0; i < 4; i++)
		parts[i] = (struct hash_part){four[i].p, four[i].n};
	uint8_t mac[SHA256_BYTES];
	hmac_sha256(mac, key, key_n, parts, 4);
	hex_encode(out, mac, sizeof mac);
}

static bool signature_is_right(const struct part *from_delimiter, const void *key, size_t key_n)
{
	if (!key_n)
		return true;
	char expected[SHA256_HEX_BYTES];
	sign(expected, key, key_n, from_delimiter + HEADER);
	const struct part *given = &from_delimiter[1];
	return given->n == SHA256_HEX_BYTES - 1 && bytes_equal_ct(expected, given->p, given->n);
}

/* Bytes that are no UTF-8 become U+FFFD, one each. */
static char *make_utf8(const uint8_t *p, size_t n, size_t *ret_n)
{
	struct buf b = {0};
	while (n) {
		uint32_t cp;
		size_t k = utf8_decode(p, n, &cp);
		if (k)
			buf_append(&b, p, k);
		else
			buf_append(&b, "\xef\xbf\xbd", 3), k = 1;
		p += k;
		n -= k;
	}
	return buf_take(&b, ret_n);
}

/* Kernels that send anything but an object are read as sending an empty one. */
static struct json_slice object_or_empty(const void *p, size_t n)
{
	struct json_slice s = {0};
	if (json_slice_init(&s, p, n) < 0 || !json_slice_is_object(s))
		s = (struct json_slice){"{}", 2};
	return s;
}

static int read_content(struct jupyter_message *m, const struct part *part, const char **ret_why)
{
	const void *p = part->p;
	size_t n = part->n;
	if (!utf8_valid(p, n))
		p = m->lossy = make_utf8(p, n, &n);
	if (json_slice_init(&m->content, p, n) < 0 || !json_slice_is_object(m->content)) {
		*ret_why = "content is no JSON object";
		return -EINVAL;
	}
	return 0;
}

static int read_header(struct jupyter_message *m, const struct part *part, const char **ret_why)
{
	struct json_slice header;
	if (utf8_valid(part->p, part->n) && json_slice_init(&header, part->p, part->n) == 0) {
		m->msg_type = json_slice_strdup(json_slice_get(header, "msg_type"));
		m->msg_id = json_slice_strdup(json_slice_get(header, "msg_id"));
	}
	if (!m->msg_id)
		m->msg_id = xstrdup("");
	if (m->msg_type)
		return 0;
	*ret_why = "header has no msg_type";
	return -EINVAL;
}

static int parse(struct jupyter_message *m, const void *key, size_t key_n, const char **ret_why)
{
	size_t d = find_delimiter(&m->frames);
	if (m->frames.parts.n < d + BUFFERS) {
		*ret_why = d == m->frames.parts.n ? "no delimiter" : "too few frames";
		return -EINVAL;
	}
	const struct part *part = m->frames.parts.p + d;
	if (!signature_is_right(part, key, key_n)) {
		*ret_why = "wrong signature";
		return -EBADMSG;
	}
	int r = read_header(m, &part[HEADER], ret_why);
	if (r < 0)
		return r;
	struct json_slice parent = object_or_empty(part[PARENT].p, part[PARENT].n);
	if (utf8_valid(part[PARENT].p, part[PARENT].n))
		m->parent_id = json_slice_strdup(json_slice_get(parent, "msg_id"));
	m->metadata = object_or_empty(part[METADATA].p, part[METADATA].n);
	m->first_buffer = d + BUFFERS;
	return read_content(m, &part[CONTENT], ret_why);
}

int jupyter_parse(struct multipart *frames, const void *key, size_t key_n, struct jupyter_message *ret_m,
		  const char **ret_why)
{
	struct jupyter_message m = {.frames = *frames};
	*frames = (struct multipart){0};
	int r = parse(&m, key, key_n, ret_why);
	if (r < 0)
		jupyter_message_fini(&m);
	else
		*ret_m = m;
	return r;
}

void jupyter_message_fini(struct jupyter_message *m)
{
	multipart_free(&m->frames);
	free(m->msg_type);
	free(m->msg_id);
	free(m->parent_id);
	free(m->lossy);
	*m = (struct jupyter_message){0};
}

size_t jupyter_buffer_count(const struct jupyter_message *m)
{
	return m->frames.parts.n - m->first_buffer;
}

void jupyter_buffers(const struct jupyter_message *m, struct comm_buffer *out)
{
	for (size_t i = m->first_buffer; i < m->frames.parts.n; i++)
		*out++ = (struct comm_buffer){m->frames.parts.p[i].p, m->frames.parts.p[i].n};
}

/* ---- sending ---- */

static void append_member(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, ",\"%s\":", key);
	json_append_str(b, text, strlen(text));
}

static void build_header(struct buf *b, const struct jupyter_request *r)
{
	char date[RFC3339_TEXT];
	rfc3339_format(date, r->wall_ns);
	buf_append_str(b, "{\"msg_id\":");
	json_append_str(b, r->msg_id, strlen(r->msg_id));
	append_member(b, "username", JUPYTER_USERNAME);
	append_member(b, "session", r->session);
	append_member(b, "date", date);
	append_member(b, "msg_type", r->msg_type);
	append_member(b, "version", "5.3");
	buf_append_byte(b, '}');
}

static void add_text(struct multipart *m, const char *text)
{
	multipart_add(m, text, strlen(text));
}

void jupyter_build(const struct jupyter_request *r, const void *key, size_t key_n, struct multipart *ret_frames)
{
	struct multipart four = {0}, m = {0};
	struct buf header = {0};
	build_header(&header, r);
	multipart_add(&four, header.p, header.n);
	add_text(&four, r->parent ? r->parent : "{}");
	add_text(&four, r->metadata ? r->metadata : "{}");
	multipart_add(&four, r->content, r->content_n);

	add_text(&m, DELIMITER);
	char signature[SHA256_HEX_BYTES] = "";
	if (key_n)
		sign(signature, key, key_n, four.parts.p);
	add_text(&m, signature);
	for (size_t i = 0; i < four.parts.n; i++)
		VEC_PUSH(&m.parts, four.parts.p[i]);
	for (size_t i = 0; i < r->n_buffers; i++)
		multipart_add(&m, r->buffers[i].p, r->buffers[i].n);
	VEC_FREE(&four.parts);
	buf_free(&header);
	*ret_frames = m;
}

void jupyter_execute_content(struct buf *out, const char *code, size_t n)
{
	buf_append_str(out, "{\"code\":");
	json_append_str(out, code, n);
	buf_append_str(out, ",\"silent\":false,\"store_history\":true,\"user_expressions\":{},\"allow_stdin\":false,"
			    "\"stop_on_error\":true}");
}

void jupyter_complete_content(struct buf *out, const char *code, size_t cursor_pos)
{
	size_t n = strlen(code), end = utf8_count(code, n);
	buf_append_str(out, "{\"code\":");
	json_append_str(out, code, n);
	buf_printf(out, ",\"cursor_pos\":%zu}", cursor_pos < end ? cursor_pos : end);
}

static void append_glob(struct buf *b, const char *pattern)
{
	buf_append_byte(b, '*');
	for (const char *p = pattern ? pattern : ""; *p; p++) {
		if (strchr("*?[]", *p))
			buf_printf(b, "[%c]", *p);
		else
			buf_append_byte(b, (uint8_t)*p);
	}
	if (b->n > 1)
		buf_append_byte(b, '*');
}

void jupyter_history_content(struct buf *out, const char *pattern, int64_t n, bool unique)
{
	struct buf glob = {0};
	append_glob(&glob, pattern);
	buf_append_str(out, "{\"hist_access_type\":\"search\",\"pattern\":");
	json_append_str(out, (const char *)glob.p, glob.n);
	buf_printf(out, ",\"unique\":%s,\"output\":false,\"raw\":true,\"n\":%lld}", unique ? "true" : "false",
		   (long long)n);
	buf_free(&glob);
}
