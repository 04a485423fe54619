#include "protocol/face.h"

#include <errno.h>
#include <stdio.h>

/* One line per face and flag; a new generation is a line here and a file. */
static const struct {
	uint8_t version;
	bool typed_bootstrap;
	const struct face *face;
} faces[] = {
	{2, false, &face_march},
	{2, true, &face_march}, /* the flag means nothing at this version */
};

const struct face *face_choose(uint8_t version, bool typed_bootstrap)
{
	for (size_t i = 0; i < sizeof faces / sizeof *faces; i++)
		if (faces[i].version == version && faces[i].typed_bootstrap == typed_bootstrap)
			return faces[i].face;
	return NULL;
}

bool face_version_served(uint8_t version)
{
	for (size_t i = 0; i < sizeof faces / sizeof *faces; i++)
		if (faces[i].version == version)
			return true;
	return false;
}

int face_append_refusal(struct buf *out, uint8_t version, const char *daemon_version)
{
	char subject[4];
	snprintf(subject, sizeof subject, "%u", version);
	char *text = error_text(&(struct error){.code = ERROR_VERSION, .subject = subject});
	const struct connection_info info = {
		.notebook_id = "", .daemon_version = daemon_version, .error = text};
	int r = face_march.append_info(&face_march, out, &info);
	free(text);
	return r;
}

void face_peer_init(struct face_peer *peer, const struct face *face)
{
	*peer = (struct face_peer){.face = face, .queue_form = QUEUE_OBJECTS};
}

void face_peer_note_first_sync(struct face_peer *peer, bool heads_empty)
{
	if (!peer->first_sync_seen)
		peer->queue_form = heads_empty ? QUEUE_STRINGS : QUEUE_OBJECTS;
	peer->first_sync_seen = true;
}

const struct face_slot *face_slot_of(const struct face *face, int frame_type)
{
	for (size_t i = 0; i < face->n_slots; i++)
		if (face->slots[i].frame_type == frame_type)
			return &face->slots[i];
	return NULL;
}

const struct face_slot *face_slot_for(const struct face *face, enum face_document document)
{
	for (size_t i = 0; i < face->n_slots; i++)
		if (face->slots[i].document == document)
			return &face->slots[i];
	return NULL;
}

int face_append_error(const struct face_peer *peer, struct buf *out, const char *id, const struct error *e)
{
	struct buf text = {0};
	peer->face->append_error_text(&text, e);
	const struct response r = {.result = RESPONSE_ERROR, .id = id, .error = buf_cstr(&text)};
	int result = peer->face->append_response(peer, out, &r);
	buf_free(&text);
	return result;
}
