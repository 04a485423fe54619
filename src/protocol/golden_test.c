/* Every frame that original clients and daemons sent in the recorded
 * conversations decodes, and comes out again byte for byte (tests/data/wire). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/map.h"
#include "base/text.h"
#include "protocol/blob_channel.h"
#include "protocol/face.h"
#include "protocol/pool.h"

#ifndef WIRE_DATA
#error "WIRE_DATA is the folder of the transcripts"
#endif

/* One connection of a transcript, one parser per direction. */
struct conversation {
	struct frame_parser client, daemon;
	bool greeted, replied;
	enum handshake_channel channel;
	bool binary_next; /* blob channel: the next client frame is content */
};

struct transcript {
	const char *generation, *name;
	bool hostile; /* the client's half is bad on purpose */
	enum queue_form form;
	unsigned line, n_frames, n_exact;
};

static void same_bytes(struct transcript *t, const struct buf *out, const uint8_t *p, size_t n)
{
	if (out->n != n || memcmp(out->p, p, n) != 0)
		fail_msg("%s/%s line %u: written as\n%.*s\nread was\n%.*s", t->generation, t->name, t->line,
			(int)out->n,
			(const char *)out->p, (int)n, (const char *)p);
	t->n_exact++;
}

static void decoded(struct transcript *t, int r, bool from_client)
{
	if (r < 0 && !(t->hostile && from_client))
		fail_msg("%s/%s line %u: not decoded: %s", t->generation, t->name, t->line, strerror(-r));
}

static void check_handshake(struct transcript *t, struct conversation *c, const uint8_t *p, size_t n)
{
	struct handshake h;
	struct buf out = {0};
	int r = handshake_decode(p, n, &h);
	decoded(t, r, true);
	if (r < 0)
		return;
	c->channel = h.channel;
	handshake_append(&out, &h);
	same_bytes(t, &out, p, n);
	handshake_fini(&h);
	buf_free(&out);
}

static void check_info(struct transcript *t, const uint8_t *p, size_t n)
{
	struct connection_info info;
	struct buf out = {0};
	decoded(t, connection_info_decode(p, n, &info), false);
	connection_info_append(&out, &info);
	same_bytes(t, &out, p, n);
	connection_info_fini(&info);
	buf_free(&out);
}

static void check_request(struct transcript *t, const uint8_t *p, size_t n)
{
	struct request q;
	struct buf out = {0};
	char *why = NULL, *id = NULL;
	int r = request_decode(p, n, &q, &why, &id);
	decoded(t, r, true);
	if (r == 0) {
		request_append(&out, &q);
		same_bytes(t, &out, p, n);
		request_fini(&q);
	}
	free(why);
	free(id);
	buf_free(&out);
}

static void check_response(struct transcript *t, const uint8_t *p, size_t n)
{
	struct response r;
	struct buf out = {0};
	decoded(t, response_decode(p, n, &r), false);
	response_append(&out, &r, t->form);
	if (r.result != RESPONSE_ALL_CELLS_QUEUED) /* written as a superset */
		same_bytes(t, &out, p, n);
	response_fini(&r);
	buf_free(&out);
}

static void check_broadcast(struct transcript *t, const uint8_t *p, size_t n)
{
	struct broadcast b;
	struct buf out = {0};
	decoded(t, broadcast_decode(p, n, &b), false);
	broadcast_append(&out, &b, t->form);
	same_bytes(t, &out, p, n);
	broadcast_fini(&b);
	buf_free(&out);
}

static void check_presence(struct transcript *t, const uint8_t *p, size_t n, bool from_client)
{
	struct presence a, b;
	struct buf out = {0}, definite = {0};
	int r = presence_decode(p, n, &a);
	decoded(t, r, from_client);
	if (r < 0)
		return;
	if (!t->hostile) {
		presence_append_as_rust(&out, &a);
		same_bytes(t, &out, p, n);
	}
	presence_append(&definite, &a);
	assert_int_equal(presence_decode(definite.p, definite.n, &b), 0);
	buf_clear(&out);
	presence_append_as_rust(&out, &b);
	if (!t->hostile)
		same_bytes(t, &out, p, n);
	presence_fini(&a);
	presence_fini(&b);
	buf_free(&out);
	buf_free(&definite);
}

static void check_pool_request(struct transcript *t, const uint8_t *p, size_t n)
{
	struct pool_request q;
	struct buf out = {0};
	char *why = NULL;
	int r = pool_request_decode(p, n, &q, &why);
	decoded(t, r, true);
	if (r == 0) {
		pool_request_append(&out, &q);
		same_bytes(t, &out, p, n);
		pool_request_fini(&q);
	}
	free(why);
	buf_free(&out);
}

/* What ours adds to the shape of that generation (protocol.md 16.4). */
static bool pool_is_superset(const struct transcript *t, const struct pool_response *r)
{
	return r->type == POOL_STATS ||
	       (r->type == POOL_ROOMS_LIST && r->rooms.n && !strcmp(t->generation, "f98d384"));
}

static void check_pool_response(struct transcript *t, const uint8_t *p, size_t n)
{
	struct pool_response r;
	struct buf out = {0};
	decoded(t, pool_response_decode(p, n, &r), false);
	pool_response_append(&out, &r);
	if (!pool_is_superset(t, &r))
		same_bytes(t, &out, p, n);
	pool_response_fini(&r);
	buf_free(&out);
}

static void check_blob(struct transcript *t, struct conversation *c, const uint8_t *p, size_t n, bool from_client)
{
	struct buf out = {0};
	struct blob_request q;
	struct blob_response r;
	if (from_client && c->binary_next) {
		c->binary_next = false;
		return;
	}
	if (!from_client) {
		assert_int_equal(blob_response_decode(p, n, &r), 0);
		blob_response_append(&out, &r);
		blob_response_fini(&r);
	} else if (blob_request_decode(p, n, &q) == 0) {
		c->binary_next = q.action == BLOB_STORE;
		blob_request_append(&out, &q);
		blob_request_fini(&q);
	} else {
		assert_string_equal(t->name, "channels"); /* the unknown action */
		return;
	}
	same_bytes(t, &out, p, n);
	buf_free(&out);
}

static void check_pool_state(struct transcript *t, const uint8_t *p, size_t n)
{
	struct pool_state s;
	struct buf out = {0};
	decoded(t, pool_state_decode(p, n, &s), false);
	pool_state_append(&out, &s);
	same_bytes(t, &out, p, n);
	pool_state_fini(&s);
	buf_free(&out);
}

static void check_typed(struct transcript *t, const struct frame *f, bool from_client)
{
	if (f->type == FRAME_REQUEST)
		check_request(t, f->p, f->n);
	else if (f->type == FRAME_RESPONSE && !from_client)
		check_response(t, f->p, f->n);
	else if (f->type == FRAME_BROADCAST && !from_client)
		check_broadcast(t, f->p, f->n);
	else if (f->type == FRAME_PRESENCE)
		check_presence(t, f->p, f->n, from_client);
}

static void check_untyped(struct transcript *t, struct conversation *c, const struct frame *f, bool from_client)
{
	if (handshake_is_notebook(c->channel))
		check_info(t, f->p, f->n);
	else if (c->channel == HANDSHAKE_POOL && from_client)
		check_pool_request(t, f->p, f->n);
	else if (c->channel == HANDSHAKE_POOL)
		check_pool_response(t, f->p, f->n);
	else if (c->channel == HANDSHAKE_BLOB)
		check_blob(t, c, f->p, f->n, from_client);
	else if (c->channel == HANDSHAKE_POOL_STATE)
		check_pool_state(t, f->p, f->n);
}

/* After its first frame each side of a notebook connection speaks typed. */
static void check_frame(struct transcript *t, struct conversation *c, const struct frame *f, bool from_client)
{
	struct frame_parser *parser = from_client ? &c->client : &c->daemon;
	t->n_frames++;
	if (from_client && !c->greeted) {
		check_handshake(t, c, f->p, f->n);
		c->greeted = true;
	} else if (f->type == FRAME_UNTYPED) {
		check_untyped(t, c, f, from_client);
	} else {
		check_typed(t, f, from_client);
	}
	frame_parser_expect(parser, handshake_is_notebook(c->channel) ? FRAME_STAGE_TYPED : FRAME_STAGE_UNTYPED,
		face_march.limits);
}

/* Bytes go in by sevens, so that every header is split somewhere. */
static void feed(struct transcript *t, struct conversation *c, const uint8_t *p, size_t n, bool from_client)
{
	struct frame_parser *parser = from_client ? &c->client : &c->daemon;
	for (size_t i = 0; i < n; i += 7) {
		struct frame f;
		frame_parser_feed(parser, p + i, n - i < 7 ? n - i : 7);
		for (;;) {
			int r = frame_parser_next(parser, &f);
			if (r < 0 && t->hostile && from_client)
				return;
			assert_int_equal(r, 0);
			if (f.event == FRAME_NONE)
				break;
			if (f.event == FRAME_WHOLE)
				check_frame(t, c, &f, from_client);
		}
	}
}

static void line_bytes(struct json_object *line, struct buf *out)
{
	const char *text;
	if (json_get_str(line, "base64", &text) == 0) {
		assert_int_equal(base64_decode(out, text, strlen(text)), 0);
		return;
	}
	assert_int_equal(json_get_str(line, "hex", &text), 0);
	size_t n = strlen(text) / 2;
	assert_int_equal(hex_decode(buf_reserve(out, n), n, text, n * 2), 0);
	out->n += n;
}

static struct conversation *conversation_of(struct map *all, struct json_object *line)
{
	char key[24];
	int64_t conn = 0;
	assert_int_equal(json_get_i64(line, "conn", &conn), 0);
	snprintf(key, sizeof key, "%lld", (long long)conn);
	struct conversation *c = map_get(all, key);
	if (!c) {
		c = xcalloc(1, sizeof *c);
		frame_parser_init(&c->client, FRAME_STAGE_PREAMBLE);
		frame_parser_init(&c->daemon, FRAME_STAGE_UNTYPED);
		map_put(all, key, c);
	}
	return c;
}

static void check_line(struct transcript *t, struct map *all, struct json_object *line)
{
	const char *dir, *kind = "";
	struct buf wire = {0}, content = {0};
	if (json_get_str(line, "dir", &dir) < 0)
		return; /* a note, an open or a close */
	json_get_str(line, "kind", &kind);
	if (strcmp(kind, "raw") != 0) {
		line_bytes(line, &content);
		if (strcmp(kind, "preamble") != 0)
			buf_append_u32be(&wire, (uint32_t)content.n);
		buf_append(&wire, content.p, content.n);
		feed(t, conversation_of(all, line), wire.p, wire.n, !strcmp(dir, "client"));
	}
	buf_free(&content);
	buf_free(&wire);
}

static void transcript_check(struct transcript *t)
{
	char path[4096];
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	struct map all = {0};
	snprintf(path, sizeof path, "%s/%s/%s.jsonl", WIRE_DATA, t->generation, t->name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while ((n = getline(&text, &cap, file)) > 0) {
		struct json_object *line = json_parse(text, (size_t)n);
		assert_non_null(line);
		t->line++;
		check_line(t, &all, line);
		json_object_put(line);
	}
	MAP_EACH(&all, e) {
		struct conversation *c = e->value;
		frame_parser_free(&c->client);
		frame_parser_free(&c->daemon);
		free(c);
	}
	map_free(&all);
	free(text);
	fclose(file);
}

static void generation_check(const char *generation, enum queue_form form)
{
	static const char *const names[] = {"pool", "edit", "open", "execute", "save", "channels", "bad-input"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct transcript t = {.generation = generation, .name = names[i], .form = form,
			.hostile = !strcmp(names[i], "bad-input")};
		transcript_check(&t);
		print_message("%s/%s: %u frames, %u written exactly\n", generation, names[i], t.n_frames, t.n_exact);
		assert_true(t.n_frames > 5);
		assert_true(t.n_exact > 5);
	}
}

static void test_f98d384(void **state)
{
	(void)state;
	generation_check("f98d384", QUEUE_STRINGS);
}

static void test_2_0_2(void **state)
{
	(void)state;
	generation_check("2.0.2", QUEUE_OBJECTS);
}

static void test_2_0_8(void **state)
{
	(void)state;
	generation_check("2.0.8", QUEUE_OBJECTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_f98d384),
		cmocka_unit_test(test_2_0_2),
		cmocka_unit_test(test_2_0_8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
