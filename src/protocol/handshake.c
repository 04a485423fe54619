#include "protocol/handshake.h"

#include <errno.h>
#include <string.h>

#include "protocol/fields.h"

#define H(member, mode) FIELD(struct handshake, member, FIELD_STR, mode)
/* What later clients add to all three notebook channels (today.md 2.1). */
#define H_LATER                                                                                                        \
	FIELD(struct handshake, typed_bootstrap, FIELD_BOOL, FIELD_OMIT),                                              \
		FIELD_AS(struct handshake, operator_label, "operator", FIELD_STR, FIELD_OMIT), FIELD_END

static const struct field notebook_sync_fields[] = {
	H(notebook_id, FIELD_REQUIRED),
	H(protocol, FIELD_OMIT),
	H(working_dir, FIELD_OMIT),
	H(initial_metadata, FIELD_OMIT),
	H_LATER,
};

static const struct field open_fields[] = {H(path, FIELD_REQUIRED), H_LATER};

static const struct field create_fields[] = {
	H(runtime, FIELD_REQUIRED),
	H(working_dir, FIELD_OMIT),
	H(notebook_id, FIELD_OMIT),
	FIELD(struct handshake, ephemeral, FIELD_BOOL, FIELD_OMIT),
	H(package_manager, FIELD_OMIT),
	H(environment_mode, FIELD_OMIT),
	FIELD(struct handshake, dependencies, FIELD_STRS, FIELD_OMIT),
	H_LATER,
};

/* Place = enum handshake_channel; no name is empty, so UNKNOWN never matches. */
static const struct variant channels[] = {
	[HANDSHAKE_UNKNOWN] = {"", NULL},
	[HANDSHAKE_POOL] = {"pool", NULL},
	[HANDSHAKE_SETTINGS_SYNC] = {"settings_sync", NULL},
	[HANDSHAKE_NOTEBOOK_SYNC] = {"notebook_sync", notebook_sync_fields},
	[HANDSHAKE_OPEN_NOTEBOOK] = {"open_notebook", open_fields},
	[HANDSHAKE_CREATE_NOTEBOOK] = {"create_notebook", create_fields},
	[HANDSHAKE_BLOB] = {"blob", NULL},
	[HANDSHAKE_POOL_STATE] = {"pool_state_subscribe", NULL},
};

static const struct message_kind kind = MESSAGE_KIND(struct handshake, channel, "channel", NULL, channels);

int handshake_decode(const void *p, size_t n, struct handshake *ret_handshake)
{
	struct handshake h;
	int r = message_decode(&kind, p, n, &h, NULL);
	if (r == -ENOTSUP)
		return -EINVAL;
	if (r < 0)
		return r;
	if (h.channel == HANDSHAKE_UNKNOWN) { /* {"channel":""} */
		handshake_fini(&h);
		return -EINVAL;
	}
	*ret_handshake = h;
	return 0;
}

void handshake_fini(struct handshake *h)
{
	message_memory_free(&h->memory);
	*h = (struct handshake){0};
}

enum handshake_channel handshake_peek(const void *p, size_t n)
{
	enum handshake_channel channel = HANDSHAKE_UNKNOWN;
	const char *name;
	struct json_object *json = json_parse(p, n);
	if (json_get_str(json, "channel", &name) == 0)
		for (unsigned i = 1; i < kind.n_variants; i++)
			if (!strcmp(channels[i].name, name))
				channel = (enum handshake_channel)i;
	json_object_put(json);
	return channel;
}

void handshake_append(struct buf *out, const struct handshake *h)
{
	message_append(&kind, out, h, QUEUE_OBJECTS);
}

bool handshake_is_notebook(enum handshake_channel channel)
{
	return channel == HANDSHAKE_NOTEBOOK_SYNC || channel == HANDSHAKE_OPEN_NOTEBOOK ||
	       channel == HANDSHAKE_CREATE_NOTEBOOK;
}

#define I(member, kind, mode) FIELD(struct connection_info, member, kind, mode)

static const struct field capabilities_fields[] = {
	I(protocol, FIELD_STR, FIELD_REQUIRED),
	I(protocol_version, FIELD_I64, FIELD_OMIT),
	I(daemon_version, FIELD_STR, FIELD_OMIT),
	FIELD_END,
};

static const struct field info_fields[] = {
	I(protocol, FIELD_STR, FIELD_REQUIRED),
	I(protocol_version, FIELD_I64, FIELD_OMIT),
	I(daemon_version, FIELD_STR, FIELD_OMIT),
	I(notebook_id, FIELD_STR, FIELD_REQUIRED),
	I(cell_count, FIELD_U64, FIELD_REQUIRED),
	I(needs_trust_approval, FIELD_BOOL, FIELD_REQUIRED),
	I(error, FIELD_STR, FIELD_OMIT),
	FIELD_END,
};

int connection_info_decode(const void *p, size_t n, struct connection_info *ret_info)
{
	struct connection_info info = {0};
	info.memory.json = json_parse(p, n);
	if (!json_object_is_type(info.memory.json, json_type_object)) {
		message_memory_free(&info.memory);
		return -EBADMSG;
	}
	info.capabilities_only = !json_object_object_get_ex(info.memory.json, "notebook_id", NULL);
	int r = fields_decode(info.capabilities_only ? capabilities_fields : info_fields, info.memory.json, &info,
		&info.memory, NULL);
	if (r < 0) {
		message_memory_free(&info.memory);
		return r;
	}
	*ret_info = info;
	return 0;
}

void connection_info_fini(struct connection_info *info)
{
	message_memory_free(&info->memory);
	*info = (struct connection_info){0};
}

void connection_info_append(struct buf *out, const struct connection_info *info)
{
	fields_append_object(info->capabilities_only ? capabilities_fields : info_fields, out, info, QUEUE_OBJECTS);
}
