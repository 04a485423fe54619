#include "room/admission.h"

#include "room/autosave.h"

static bool has_executed(const struct room *room)
{
	struct queue *q = kernel_queue(room->kernel);
	for (size_t i = 0; i < queue_count(q); i++)
		if (!queue_at(q, i)->synthetic)
			return true;
	return false;
}

/* An occupant with peers or pins counts as in use (I-9). */
static bool is_dormant(const struct room *room)
{
	return room->peers.n == 0 && room->pins == room->holds && !kernel_is_working(room->kernel);
}

static bool is_busy(const struct room *room)
{
	return room->state == ROOM_LOADING || room->state == ROOM_DRAINING || autosave_busy(room);
}

enum admission room_admission(struct room *saving, struct room *occupant, bool on_disk)
{
	if (!occupant)
		return ADMIT_FREE;
	if (occupant == saving)
		return ADMIT_SELF;
	if (is_busy(occupant))
		return ADMIT_WAIT;
	if (occupant->state == ROOM_LOAD_FAILED)
		return is_dormant(occupant) ? ADMIT_WAIT : ADMIT_REFUSE; /* on its way out */
	if (room_is_scaffold(occupant) && !has_executed(occupant))
		return ADMIT_ABSORB;
	bool dormant = is_dormant(occupant), dirty = room_has_file_changes(occupant);
	bool viewer = occupant->ever_on_disk && !occupant->authored && !has_executed(occupant);
	if (on_disk && (viewer || (dormant && !dirty)))
		return ADMIT_REPLACE;
	if (dormant && dirty)
		return ADMIT_FLUSH;
	if (!on_disk && !occupant->ever_on_disk && !(has_executed(saving) && has_executed(occupant)))
		return ADMIT_UNION;
	return ADMIT_REFUSE;
}

enum admission room_admission_copy(struct room *saving, struct room *occupant)
{
	if (!occupant)
		return ADMIT_FREE;
	if (occupant == saving)
		return ADMIT_SELF;
	if (is_busy(occupant))
		return ADMIT_WAIT;
	if (is_dormant(occupant) || room_is_scaffold(occupant))
		return ADMIT_REPLACE;
	return occupant->ever_on_disk && !occupant->authored && !has_executed(occupant) ? ADMIT_REPLACE : ADMIT_REFUSE;
}
