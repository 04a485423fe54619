#include <cbor.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "protocol/presence.h"
#include "protocol/presence_names.h"

#define DEPTH_MAX 64 /* of values that are skipped */

/* libcbor's tree loader allocates what a header announces; its stream decoder
 * allocates nothing, so values are read one head at a time from here. */
struct cursor {
	const uint8_t *p; /* NULL = no value */
	size_t n;
};

enum head_kind {
	HEAD_OTHER, /* a whole value nobody here asks for */
	HEAD_UINT,
	HEAD_STRING,
	HEAD_STRING_START,
	HEAD_BYTES_START,
	HEAD_ARRAY,
	HEAD_ARRAY_START,
	HEAD_MAP,
	HEAD_MAP_START,
	HEAD_TAG,
	HEAD_BREAK,
};

struct head {
	enum head_kind kind;
	uint64_t value;      /* of UINT; items of ARRAY, pairs of MAP */
	const uint8_t *text; /* of STRING */
	size_t text_n;
};

static void head_set(void *context, enum head_kind kind, uint64_t value)
{
	struct head *h = context;
	h->kind = kind;
	h->value = value;
}

static void on_uint8(void *c, uint8_t v)
{
	head_set(c, HEAD_UINT, v);
}

static void on_uint16(void *c, uint16_t v)
{
	head_set(c, HEAD_UINT, v);
}

static void on_uint32(void *c, uint32_t v)
{
	head_set(c, HEAD_UINT, v);
}

static void on_uint64(void *c, uint64_t v)
{
	head_set(c, HEAD_UINT, v);
}

static void on_string(void *c, cbor_data text, size_t n)
{
	struct head *h = c;
	*h = (struct head){HEAD_STRING, 0, text, n};
}

static void on_string_start(void *c)
{
	head_set(c, HEAD_STRING_START, 0);
}

static void on_bytes_start(void *c)
{
	head_set(c, HEAD_BYTES_START, 0);
}

static void on_array(void *c, size_t n)
{
	head_set(c, HEAD_ARRAY, n);
}

static void on_array_start(void *c)
{
	head_set(c, HEAD_ARRAY_START, 0);
}

static void on_map(void *c, size_t n)
{
	head_set(c, HEAD_MAP, n);
}

static void on_map_start(void *c)
{
	head_set(c, HEAD_MAP_START, 0);
}

static void on_tag(void *c, uint64_t v)
{
	head_set(c, HEAD_TAG, v);
}

static void on_break(void *c)
{
	head_set(c, HEAD_BREAK, 0);
}

static int head_read_raw(struct cursor *c, struct head *ret)
{
	struct cbor_callbacks callbacks = cbor_empty_callbacks;
	callbacks.uint8 = on_uint8;
	callbacks.uint16 = on_uint16;
	callbacks.uint32 = on_uint32;
	callbacks.uint64 = on_uint64;
	callbacks.string = on_string;
	callbacks.string_start = on_string_start;
	callbacks.byte_string_start = on_bytes_start;
	callbacks.array_start = on_array;
	callbacks.indef_array_start = on_array_start;
	callbacks.map_start = on_map;
	callbacks.indef_map_start = on_map_start;
	callbacks.tag = on_tag;
	callbacks.indef_break = on_break;
	struct head h = {.kind = HEAD_OTHER};
	if (!c->p || !c->n)
		return -EBADMSG;
	struct cbor_decoder_result r = cbor_stream_decode(c->p, c->n, &callbacks, &h);
	if (r.status != CBOR_DECODER_FINISHED || !r.read)
		return -EBADMSG;
	c->p += r.read;
	c->n -= r.read;
	*ret = h;
	return 0;
}

/* Tags say nothing here and are passed over. */
static int head_read(struct cursor *c, struct head *ret)
{
	int r;
	do {
		r = head_read_raw(c, ret);
	} while (r == 0 && ret->kind == HEAD_TAG);
	return r;
}

static bool at_break(const struct cursor *c)
{
	return c->n && *c->p == 0xff;
}

static int value_skip(struct cursor *c, unsigned depth);

/* The n items behind a definite head, or those up to the break. */
static int items_skip(struct cursor *c, bool definite, uint64_t n, unsigned depth)
{
	int r = 0;
	if (definite) {
		for (uint64_t i = 0; i < n && r == 0; i++)
			r = value_skip(c, depth);
		return r;
	}
	while (!at_break(c) && r == 0)
		r = value_skip(c, depth);
	struct head end;
	return r < 0 ? r : head_read(c, &end);
}

static int value_skip(struct cursor *c, unsigned depth)
{
	struct head h;
	int r = head_read(c, &h);
	if (r < 0 || depth == DEPTH_MAX)
		return r < 0 ? r : -EBADMSG;
	switch (h.kind) {
	case HEAD_BREAK:
		return -EBADMSG;
	case HEAD_ARRAY:
		return items_skip(c, true, h.value, depth + 1);
	case HEAD_MAP:
		return h.value > SIZE_MAX / 2 ? -EBADMSG : items_skip(c, true, h.value * 2, depth + 1);
	case HEAD_ARRAY_START:
	case HEAD_MAP_START:
	case HEAD_STRING_START:
	case HEAD_BYTES_START:
		return items_skip(c, false, 0, depth + 1);
	default:
		return 0;
	}
}

/* A text in one piece or in chunks; NUL inside or bad UTF-8 is refused. */
static int text_read(struct cursor *c, struct buf *out)
{
	struct head h;
	int r = head_read(c, &h);
	if (r < 0)
		return r;
	if (h.kind == HEAD_STRING)
		buf_append(out, h.text, h.text_n);
	else if (h.kind != HEAD_STRING_START)
		return -EINVAL;
	while (h.kind == HEAD_STRING_START && !at_break(c)) {
		struct head chunk;
		if ((r = head_read(c, &chunk)) < 0 || chunk.kind != HEAD_STRING)
			return r < 0 ? r : -EBADMSG;
		buf_append(out, chunk.text, chunk.text_n);
	}
	if (h.kind == HEAD_STRING_START && (r = head_read(c, &h)) < 0)
		return r;
	if (!utf8_valid(buf_cstr(out), out->n))
		return -EBADMSG;
	return strlen(buf_cstr(out)) == out->n ? 0 : -EINVAL;
}

static int str_take(struct cursor c, bool required, char **ret)
{
	struct buf text = {0};
	if (!c.p)
		return required ? -EINVAL : 0;
	if (!required && (*c.p == 0xf6 || *c.p == 0xf7)) /* null, undefined */
		return 0;
	int r = text_read(&c, &text);
	if (r < 0) {
		buf_free(&text);
		return r;
	}
	*ret = buf_take(&text, NULL);
	return 0;
}

static int u32_take(struct cursor c, uint32_t *ret)
{
	struct head h;
	if (!c.p)
		return -EINVAL;
	int r = head_read(&c, &h);
	if (r < 0 || h.kind != HEAD_UINT || h.value > UINT32_MAX)
		return r < 0 ? r : -EINVAL;
	*ret = (uint32_t)h.value;
	return 0;
}

static int pair_read(struct cursor *c, const char *const *keys, size_t n_keys, struct cursor *values)
{
	struct buf key = {0};
	int r = text_read(c, &key);
	for (size_t i = 0; i < n_keys && r == 0; i++)
		if (!strcmp(buf_cstr(&key), keys[i]))
			values[i] = *c;
	buf_free(&key);
	return r < 0 ? r : value_skip(c, 0);
}

/* Walks the map at *c and notes where the values of the given keys are, so that
 * their order does not matter. */
static int map_read(struct cursor *c, const char *const *keys, size_t n_keys, struct cursor *values)
{
	struct head h;
	memset(values, 0, n_keys * sizeof *values);
	int r = head_read(c, &h);
	if (r < 0 || (h.kind != HEAD_MAP && h.kind != HEAD_MAP_START))
		return r < 0 ? r : -EBADMSG;
	if (h.kind == HEAD_MAP) {
		for (uint64_t i = 0; i < h.value && r == 0; i++)
			r = pair_read(c, keys, n_keys, values);
		return r;
	}
	while (!at_break(c) && r == 0)
		r = pair_read(c, keys, n_keys, values);
	struct head end;
	return r < 0 ? r : head_read(c, &end);
}

static int name_take(struct cursor c, const char *const *names, size_t n_names, unsigned *ret)
{
	char *name = NULL;
	int r = str_take(c, true, &name);
	if (r < 0)
		return r;
	r = -ENOTSUP;
	for (unsigned i = 0; i < n_names; i++)
		if (!strcmp(names[i], name)) {
			*ret = i;
			r = 0;
		}
	free(name);
	return r;
}

/* Starts reading an array: *ret_left is the number of items, or -1 up to a break. */
static int array_open(struct cursor *c, int64_t *ret_left)
{
	struct head h;
	if (!c->p)
		return -EINVAL;
	int r = head_read(c, &h);
	if (r < 0)
		return r;
	if (h.kind == HEAD_ARRAY && h.value <= PRESENCE_MAX)
		*ret_left = (int64_t)h.value;
	else if (h.kind == HEAD_ARRAY_START)
		*ret_left = -1;
	else
		return -EINVAL;
	return 0;
}

static bool array_more(const struct cursor *c, int64_t *left)
{
	if (*left < 0)
		return !at_break(c);
	return (*left)-- > 0;
}

static int custom_take(struct cursor c, struct presence_state *s)
{
	struct buf bytes = {0};
	int64_t left;
	int r = array_open(&c, &left);
	while (r == 0 && array_more(&c, &left)) {
		struct head h;
		r = head_read(&c, &h);
		if (r == 0 && (h.kind != HEAD_UINT || h.value > 255))
			r = -EINVAL;
		if (r == 0)
			buf_append_byte(&bytes, (uint8_t)h.value);
	}
	if (r < 0) {
		buf_free(&bytes);
		return r;
	}
	s->custom_n = bytes.n;
	s->custom = (uint8_t *)buf_take(&bytes, NULL);
	return 0;
}

static int cursor_take(struct cursor *v, struct presence_state *s)
{
	int r = u32_take(v[1], &s->line);
	return r < 0 ? r : u32_take(v[2], &s->column);
}

static int selection_take(struct cursor *v, struct presence_state *s)
{
	uint32_t *to[] = {&s->anchor_line, &s->anchor_col, &s->head_line, &s->head_col};
	int r = 0;
	for (size_t i = 0; i < 4 && r == 0; i++)
		r = u32_take(v[3 + i], to[i]);
	return r;
}

static int kernel_take(struct cursor *v, struct presence_state *s)
{
	unsigned status = 0;
	int r = name_take(v[7], presence_kernel_names, PRESENCE_KERNEL_NAMES, &status);
	s->status = (enum presence_kernel)status;
	return r < 0 ? r : str_take(v[8], true, &s->env_source);
}

/* s->channel is set; fills in what that channel has. */
static int data_take(struct cursor c, struct presence_state *s)
{
	static const char *const keys[] = {"cell_id", "line", "column", "anchor_line", "anchor_col", "head_line",
		"head_col", "status", "env_source"};
	struct cursor v[sizeof keys / sizeof *keys];
	if (!c.p)
		return -EINVAL;
	if (s->channel == PRESENCE_CUSTOM)
		return custom_take(c, s);
	int r = map_read(&c, keys, sizeof keys / sizeof *keys, v);
	if (r < 0)
		return r;
	if (s->channel == PRESENCE_KERNEL_STATE)
		return kernel_take(v, s);
	if ((r = str_take(v[0], true, &s->cell_id)) < 0)
		return r;
	return s->channel == PRESENCE_CURSOR      ? cursor_take(v, s)
	       : s->channel == PRESENCE_SELECTION ? selection_take(v, s)
						  : 0;
}

static int channel_take(struct cursor c, struct presence_state *s)
{
	unsigned channel = 0;
	int r = name_take(c, presence_channel_names, PRESENCE_CHANNELS, &channel);
	s->channel = (enum presence_channel)channel;
	return r;
}

/* One `{channel, data}` of a snapshot; a channel of a later release is left out. */
static int peer_channel_read(struct cursor *c, struct presence_peer *peer)
{
	static const char *const keys[] = {"channel", "data"};
	struct cursor v[2];
	struct presence_state s = {0};
	int r = map_read(c, keys, 2, v);
	if (r < 0)
		return r;
	r = channel_take(v[0], &s);
	if (r == -ENOTSUP)
		return 0;
	if (r == 0)
		r = data_take(v[1], &s);
	if (r < 0) {
		presence_state_fini(&s);
		return r;
	}
	peer->channels = xreallocarray(peer->channels, peer->n_channels + 1, sizeof *peer->channels);
	peer->channels[peer->n_channels++] = s;
	return 0;
}

static int peer_read(struct cursor *c, struct presence_peer *peer)
{
	static const char *const keys[] = {"peer_id", "peer_label", "actor_label", "channels"};
	struct cursor v[4];
	int64_t left;
	int r = map_read(c, keys, 4, v);
	if (r < 0 || (r = str_take(v[0], true, &peer->peer_id)) < 0 ||
		(r = str_take(v[1], true, &peer->peer_label)) < 0 ||
		(r = str_take(v[2], false, &peer->actor_label)) < 0)
		return r;
	r = array_open(&v[3], &left);
	while (r == 0 && array_more(&v[3], &left))
		r = peer_channel_read(&v[3], peer);
	return r;
}

static int peers_take(struct cursor c, struct presence *p)
{
	int64_t left;
	int r = array_open(&c, &left);
	while (r == 0 && array_more(&c, &left)) {
		p->peers = xreallocarray(p->peers, p->n_peers + 1, sizeof *p->peers);
		p->peers[p->n_peers] = (struct presence_peer){0};
		r = peer_read(&c, &p->peers[p->n_peers++]);
	}
	return r;
}

static int message_take(struct cursor *v, struct presence *p)
{
	unsigned type = 0;
	int r = name_take(v[0], presence_type_names, PRESENCE_TYPE_NAMES, &type);
	p->type = (enum presence_type)type;
	if (r < 0 || (r = str_take(v[1], true, &p->peer_id)) < 0)
		return r;
	switch (p->type) {
	case PRESENCE_UPDATE:
		if ((r = str_take(v[2], false, &p->peer_label)) < 0 || (r = str_take(v[3], false,
			&p->actor_label)) < 0 ||
			(r = channel_take(v[4], &p->state)) < 0)
			return r;
		return data_take(v[5], &p->state);
	case PRESENCE_SNAPSHOT:
		return peers_take(v[6], p);
	case PRESENCE_CLEAR_CHANNEL:
		return channel_take(v[4], &p->state);
	default:
		return 0;
	}
}

int presence_decode(const void *data, size_t n, struct presence *ret_presence)
{
	static const char *const keys[] = {"type", "peer_id", "peer_label", "actor_label", "channel", "data", "peers"};
	struct cursor v[sizeof keys / sizeof *keys], c = {data, n};
	struct presence p = {0};
	if (n > PRESENCE_MAX)
		return -EMSGSIZE;
	int r = map_read(&c, keys, sizeof keys / sizeof *keys, v);
	if (r == 0)
		r = message_take(v, &p);
	if (r < 0) {
		presence_fini(&p);
		return r;
	}
	*ret_presence = p;
	return 0;
}
