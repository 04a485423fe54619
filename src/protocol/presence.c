#include "protocol/presence.h"

#include <cbor.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "protocol/presence_names.h"

const char *const presence_type_names[PRESENCE_TYPE_NAMES] = {
	"update", "snapshot", "left", "heartbeat", "clear_channel"};
const char *const presence_channel_names[PRESENCE_CHANNELS] = {
	"cursor", "selection", "focus", "kernel_state", "custom"};
const char *const presence_kernel_names[PRESENCE_KERNEL_NAMES] = {
	"not_started", "starting", "idle", "busy", "errored", "shutdown"};

const char *presence_channel_name(enum presence_channel channel)
{
	return channel < PRESENCE_CHANNELS ? presence_channel_names[channel] : "?";
}

const char *presence_kernel_name(enum presence_kernel status)
{
	return status < PRESENCE_KERNEL_NAMES ? presence_kernel_names[status] : "?";
}

void presence_state_copy(struct presence_state *dst, const struct presence_state *src)
{
	*dst = *src;
	dst->cell_id = src->cell_id ? xstrdup(src->cell_id) : NULL;
	dst->env_source = src->env_source ? xstrdup(src->env_source) : NULL;
	dst->custom = src->custom_n ? xmemdup(src->custom, src->custom_n) : NULL;
}

void presence_state_fini(struct presence_state *s)
{
	free(s->cell_id);
	free(s->env_source);
	free(s->custom);
	*s = (struct presence_state){0};
}

void presence_peer_fini(struct presence_peer *p)
{
	free(p->peer_id);
	free(p->peer_label);
	free(p->actor_label);
	for (size_t i = 0; i < p->n_channels; i++)
		presence_state_fini(&p->channels[i]);
	free(p->channels);
	*p = (struct presence_peer){0};
}

void presence_fini(struct presence *p)
{
	free(p->peer_id);
	free(p->peer_label);
	free(p->actor_label);
	presence_state_fini(&p->state);
	for (size_t i = 0; i < p->n_peers; i++)
		presence_peer_fini(&p->peers[i]);
	free(p->peers);
	*p = (struct presence){0};
}

/* Room for any head. */
#define HEAD_MAX 9

static void uint_append(struct buf *out, uint64_t v)
{
	out->n += cbor_encode_uint(v, buf_reserve(out, HEAD_MAX), HEAD_MAX);
}

static void text_append(struct buf *out, const char *s)
{
	size_t n = strlen(s);
	out->n += cbor_encode_string_start(n, buf_reserve(out, HEAD_MAX), HEAD_MAX);
	buf_append(out, s, n);
}

static void map_append(struct buf *out, size_t n)
{
	out->n += cbor_encode_map_start(n, buf_reserve(out, HEAD_MAX), HEAD_MAX);
}

static void array_append(struct buf *out, size_t n)
{
	out->n += cbor_encode_array_start(n, buf_reserve(out, HEAD_MAX), HEAD_MAX);
}

static void pair_text(struct buf *out, const char *key, const char *value)
{
	text_append(out, key);
	text_append(out, value ? value : "");
}

static void pair_uint(struct buf *out, const char *key, uint64_t value)
{
	text_append(out, key);
	uint_append(out, value);
}

static void data_append(struct buf *out, const struct presence_state *s)
{
	switch (s->channel) {
	case PRESENCE_CURSOR:
		map_append(out, 3);
		pair_text(out, "cell_id", s->cell_id);
		pair_uint(out, "line", s->line);
		pair_uint(out, "column", s->column);
		break;
	case PRESENCE_SELECTION:
		map_append(out, 5);
		pair_text(out, "cell_id", s->cell_id);
		pair_uint(out, "anchor_line", s->anchor_line);
		pair_uint(out, "anchor_col", s->anchor_col);
		pair_uint(out, "head_line", s->head_line);
		pair_uint(out, "head_col", s->head_col);
		break;
	case PRESENCE_FOCUS:
		map_append(out, 1);
		pair_text(out, "cell_id", s->cell_id);
		break;
	case PRESENCE_KERNEL_STATE:
		map_append(out, 2);
		pair_text(out, "status", presence_kernel_name(s->status));
		pair_text(out, "env_source", s->env_source);
		break;
	default:
		array_append(out, s->custom_n);
		for (size_t i = 0; i < s->custom_n; i++)
			uint_append(out, s->custom[i]);
	}
}

static void channel_append(struct buf *out, const struct presence_state *s)
{
	pair_text(out, "channel", presence_channel_name(s->channel));
	text_append(out, "data");
	data_append(out, s);
}

static void peer_append(struct buf *out, const struct presence_peer *p)
{
	map_append(out, p->actor_label ? 4 : 3);
	pair_text(out, "peer_id", p->peer_id);
	pair_text(out, "peer_label", p->peer_label);
	if (p->actor_label)
		pair_text(out, "actor_label", p->actor_label);
	text_append(out, "channels");
	array_append(out, p->n_channels);
	for (size_t i = 0; i < p->n_channels; i++) {
		map_append(out, 2);
		channel_append(out, &p->channels[i]);
	}
}

static void type_append(struct buf *out, const struct presence *p)
{
	pair_text(out, "type", presence_type_names[p->type]);
	pair_text(out, "peer_id", p->peer_id);
}

/* The pairs of an update; the map around them is the caller's. */
static void update_append(struct buf *out, const struct presence *p)
{
	type_append(out, p);
	if (p->peer_label)
		pair_text(out, "peer_label", p->peer_label);
	if (p->actor_label)
		pair_text(out, "actor_label", p->actor_label);
	channel_append(out, &p->state);
}

static void snapshot_append(struct buf *out, const struct presence *p)
{
	map_append(out, 3);
	type_append(out, p);
	text_append(out, "peers");
	array_append(out, p->n_peers);
	for (size_t i = 0; i < p->n_peers; i++)
		peer_append(out, &p->peers[i]);
}

void presence_append(struct buf *out, const struct presence *p)
{
	switch (p->type) {
	case PRESENCE_UPDATE:
		map_append(out, 4u + (p->peer_label != NULL) + (p->actor_label != NULL));
		update_append(out, p);
		break;
	case PRESENCE_SNAPSHOT:
		snapshot_append(out, p);
		break;
	case PRESENCE_CLEAR_CHANNEL:
		map_append(out, 3);
		type_append(out, p);
		pair_text(out, "channel", presence_channel_name(p->state.channel));
		break;
	default:
		map_append(out, 2);
		type_append(out, p);
	}
}

void presence_append_as_rust(struct buf *out, const struct presence *p)
{
	if (p->type != PRESENCE_UPDATE) {
		presence_append(out, p);
		return;
	}
	out->n += cbor_encode_indef_map_start(buf_reserve(out, HEAD_MAX), HEAD_MAX);
	update_append(out, p);
	out->n += cbor_encode_break(buf_reserve(out, HEAD_MAX), HEAD_MAX);
}

size_t presence_append_snapshot(struct buf *out, const char *sender, struct presence_peer *peers, size_t n_peers)
{
	char *id = xstrdup(sender);
	struct presence p = {.type = PRESENCE_SNAPSHOT, .peer_id = id, .peers = peers, .n_peers = n_peers};
	size_t mark = out->n;
	for (presence_append(out, &p); out->n - mark > PRESENCE_MAX && p.n_peers; presence_append(out, &p)) {
		out->n = mark;
		p.n_peers--;
	}
	free(id);
	return p.n_peers;
}

/* Control characters, and what is drawn as nothing (protocol.md 9.4). */
static bool label_drops(uint32_t cp)
{
	static const uint32_t ranges[][2] = {
		{0x0, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},
		{0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180e, 0x180e}, {0x200b, 0x200f}, {0x202a, 0x202e},
		{0x2060, 0x2060}, {0x2066, 0x2069}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef},
	};
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		if (cp >= ranges[i][0] && cp <= ranges[i][1])
			return true;
	return false;
}

/* Unicode's White_Space property, as Rust's trim() has it. */
static bool is_space(uint32_t cp)
{
	return (cp >= 9 && cp <= 13) || cp == ' ' || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
	       (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f ||
	       cp == 0x3000;
}

char *presence_label_clean(const char *label)
{
	struct buf out = {0};
	size_t n = label ? strlen(label) : 0, kept = 0, end = 0, step;
	for (size_t i = 0; i < n && kept < PRESENCE_LABEL_MAX; i += step) {
		uint32_t cp;
		step = utf8_decode(label + i, n - i, &cp);
		if (!step)
			break;
		if (label_drops(cp) || (is_space(cp) && !out.n))
			continue;
		buf_append(&out, label + i, step);
		kept++;
		if (!is_space(cp))
			end = out.n;
	}
	out.n = end;
	if (!out.n)
		buf_append_str(&out, "peer");
	return buf_take(&out, NULL);
}
