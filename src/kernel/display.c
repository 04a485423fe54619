#include "kernel/display.h"

#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/vec.h"

struct place {
	char execution[UUID_TEXT], output[UUID_TEXT];
	size_t hint; /* index the output had when last seen */
};

struct display {
	VEC(struct place) places;
	struct display_update kept; /* display_id NULL = none */
	bool was_applied;
	uint64_t applied_ms;
};

struct display_index {
	struct map by_id;
	size_t n_kept;
};

void display_update_fini(struct display_update *u)
{
	free(u->display_id);
	free(u->data);
	free(u->metadata);
	*u = (struct display_update){0};
}

struct display_index *display_index_new(void)
{
	return xcalloc(1, sizeof(struct display_index));
}

void display_index_clear(struct display_index *d)
{
	MAP_EACH (&d->by_id, e) {
		struct display *s = e->value;
		display_update_fini(&s->kept);
		VEC_FREE(&s->places);
		free(s);
	}
	map_free(&d->by_id);
	*d = (struct display_index){0};
}

void display_index_free(struct display_index *d)
{
	if (!d)
		return;
	display_index_clear(d);
	free(d);
}

static struct display *display_get(struct display_index *d, const char *id)
{
	struct display *s = map_get(&d->by_id, id);
	if (!s) {
		s = xcalloc(1, sizeof *s);
		map_put(&d->by_id, id, s);
	}
	return s;
}

void display_index_add(struct display_index *d, const struct execution *x, size_t index)
{
	const struct output *o = &x->outputs.p[index];
	struct place place = {.hint = index};
	memcpy(place.execution, x->id, UUID_TEXT);
	memcpy(place.output, o->id, UUID_TEXT);
	struct display *s = display_get(d, o->display_id);
	VEC_PUSH(&s->places, place);
}

/* Where the output is now; false when it is gone. */
static bool locate(struct queue *q, struct place *place, struct execution **ret_x, size_t *ret_index)
{
	struct execution *x = queue_find(q, place->execution, strlen(place->execution));
	if (!x)
		return false;
	for (size_t k = 0; k < x->outputs.n; k++) {
		size_t i = (place->hint + k) % x->outputs.n;
		if (strcmp(x->outputs.p[i].id, place->output) != 0)
			continue;
		place->hint = i;
		*ret_x = x;
		*ret_index = i;
		return true;
	}
	return false;
}

void display_index_each(struct display_index *d, struct queue *q, const char *display_id,
			void (*each)(void *ctx, struct execution *x, size_t index), void *ctx)
{
	struct display *s = map_get(&d->by_id, display_id);
	if (!s)
		return;
	size_t kept = 0;
	for (size_t i = 0; i < s->places.n; i++) {
		struct execution *x;
		size_t index;
		struct place place = s->places.p[i];
		if (!locate(q, &place, &x, &index))
			continue;
		s->places.p[kept++] = place;
		each(ctx, x, index);
	}
	s->places.n = kept;
}

bool display_index_admit(struct display_index *d, struct display_update *u, uint64_t now_ms)
{
	struct display *s = display_get(d, u->display_id);
	if (!s->kept.display_id && (!s->was_applied || now_ms - s->applied_ms >= DISPLAY_UPDATE_MS)) {
		s->was_applied = true;
		s->applied_ms = now_ms;
		return true;
	}
	d->n_kept += !s->kept.display_id;
	display_update_fini(&s->kept);
	s->kept = *u;
	*u = (struct display_update){0};
	return false;
}

bool display_index_take(struct display_index *d, uint64_t now_ms, bool all, struct display_update *ret_u)
{
	if (!d->n_kept)
		return false;
	MAP_EACH (&d->by_id, e) {
		struct display *s = e->value;
		if (!s->kept.display_id || (!all && now_ms - s->applied_ms < DISPLAY_UPDATE_MS))
			continue;
		s->applied_ms = now_ms;
		*ret_u = s->kept;
		s->kept = (struct display_update){0};
		d->n_kept--;
		return true;
	}
	return false;
}

int64_t display_index_due(const struct display_index *d, uint64_t now_ms)
{
	int64_t due = -1;
	if (!d->n_kept)
		return due;
	MAP_EACH (&d->by_id, e) {
		const struct display *s = e->value;
		if (!s->kept.display_id)
			continue;
		uint64_t age = now_ms - s->applied_ms;
		int64_t left = age >= DISPLAY_UPDATE_MS ? 0 : (int64_t)(DISPLAY_UPDATE_MS - age);
		due = due < 0 || left < due ? left : due;
	}
	return due;
}
