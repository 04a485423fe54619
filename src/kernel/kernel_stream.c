/* stdout and stderr of executions: terminals, segments, coalesced storing
 * (kernels.md 8.2, 8.3; 17 O2, O6; 18 traps 1, 11, 12, 15). */
#include <string.h>

#include "base/map.h"
#include "kernel/kernel_internal.h"

#define FEED_BYTES (64u * 1024u)
#define FINALS_MAX 16384

static const char *const names[] = {"stdout", "stderr"};

static struct execution_streams *streams_of(struct execution *x)
{
	if (!x->streams) {
		struct execution_streams *s = xcalloc(1, sizeof *s);
		s->live = -1;
		x->streams = s;
	}
	return x->streams;
}

static void forget_dirty(struct kernel *k, const struct execution *x)
{
	for (size_t i = 0; i < k->dirty.n; i++)
		if (k->dirty.p[i] == x) {
			VEC_REMOVE(&k->dirty, i);
			return;
		}
}

void kernel_drop_streams(struct kernel *k, struct execution *x)
{
	struct execution_streams *s = x->streams;
	forget_dirty(k, x);
	if (k->last_over == x)
		k->last_over = NULL;
	if (!s)
		return;
	for (size_t i = 0; i < s->pages.n; i++)
		free(s->pages.p[i]);
	VEC_FREE(&s->pages);
	stream_free(s->text[0]);
	stream_free(s->text[1]);
	free(s);
	x->streams = NULL;
}

void kernel_cut_streams(struct kernel *k, struct execution *x)
{
	struct execution_streams *s = x->streams;
	forget_dirty(k, x);
	if (!s)
		return;
	s->live = -1;
	s->stored = s->dirty = s->clear_first = false;
}

/* ---- blobs that a longer text replaces ---- */

static void supersede(struct kernel *k, const char *hash, bool own)
{
	const struct output_blobs *blobs = &k->service->blobs;
	if (own && hash && !map_get(k->service->final_streams, hash))
		blobs->superseded(blobs->ctx, hash);
}

static void remember_final(struct kernel *k, const char *hash)
{
	struct map *finals = k->service->final_streams;
	if (!hash)
		return;
	if (finals->n >= FINALS_MAX) {
		map_free(finals);
		*finals = (struct map){0};
	}
	map_put(finals, hash, k->service);
}

/* ---- storing ---- */

static void store_new(struct kernel *k, struct execution *x, struct execution_streams *s,
		      const struct output_stream_entry *e)
{
	s->index = queue_output_add(k->queue, x, OUTPUT_STREAM, e->entry, NULL, e->text_hash);
	s->stored = true;
	s->own_entry = e->own_entry;
	s->own_text = e->own_text;
	CALL(k, output, x, s->index, false);
}

static void store_again(struct kernel *k, struct execution *x, struct execution_streams *s,
			const struct output_stream_entry *e)
{
	struct output *o = &x->outputs.p[s->index];
	if (!strcmp(o->entry, e->entry)) { /* nothing to be seen changed (trap 11) */
		free(e->entry);
		free(e->text_hash);
		return;
	}
	if (!o->text_hash || !e->text_hash || strcmp(o->text_hash, e->text_hash) != 0)
		supersede(k, o->text_hash, s->own_text);
	supersede(k, o->entry, s->own_entry);
	queue_output_replace(k->queue, x, s->index, e->entry, e->text_hash);
	s->own_entry = e->own_entry;
	s->own_text = e->own_text;
	CALL(k, output, x, s->index, true);
}

/* Stores the live segment as it stands. */
static void flush(struct kernel *k, struct execution *x)
{
	struct execution_streams *s = x->streams;
	forget_dirty(k, x);
	if (!s || !s->dirty || s->live < 0)
		return;
	struct output_stream_entry e;
	size_t n;
	const char *text = stream_text(s->text[s->live], &n);
	output_store_stream(&k->service->blobs, names[s->live], text, n, &e);
	s->dirty = false;
	s->flushed_ns = host_now_ns(k->service->host);
	k->changed_in_batch = true;
	if (s->clear_first)
		kernel_drop_outputs(k, x);
	s->clear_first = false;
	if (s->stored)
		store_again(k, x, s, &e);
	else
		store_new(k, x, s, &e);
}

void kernel_store_live(struct kernel *k, struct execution *x)
{
	flush(k, x);
	struct execution_streams *s = x->streams;
	if (s && s->stored && s->index < x->outputs.n) {
		remember_final(k, x->outputs.p[s->index].entry);
		remember_final(k, x->outputs.p[s->index].text_hash);
	}
}

/* The live segment is complete. */
static void end_segment(struct kernel *k, struct execution *x)
{
	struct execution_streams *s = x->streams;
	if (!s || s->live < 0)
		return;
	kernel_store_live(k, x);
	s->live = -1;
	s->stored = false;
}

void kernel_end_segment(struct kernel *k, struct execution *x)
{
	end_segment(k, x);
}

/* ---- when ---- */

static uint64_t due_ns(const struct execution_streams *s)
{
	size_t size = stream_size(s->text[s->live]);
	uint64_t ms = size / FLUSH_BYTES_PER_MS;
	if (ms > FLUSH_SLOW_MS)
		ms = size / FLUSH_BYTES_PER_MS_SLOW > FLUSH_SLOW_MS ? size / FLUSH_BYTES_PER_MS_SLOW : FLUSH_SLOW_MS;
	ms = ms < FLUSH_MS ? FLUSH_MS : ms > FLUSH_MAX_MS ? FLUSH_MAX_MS : ms;
	return s->flushed_ns + HOST_MS(ms);
}

static uint64_t now_ms(struct kernel *k)
{
	return host_now_ns(k->service->host) / HOST_MS(1);
}

void kernel_plan_flush(struct kernel *k)
{
	uint64_t now = host_now_ns(k->service->host), at = UINT64_MAX;
	for (size_t i = 0; i < k->dirty.n; i++) {
		uint64_t due = due_ns(k->dirty.p[i]->streams);
		at = due < at ? due : at;
	}
	int64_t display = display_index_due(k->displays, now / HOST_MS(1));
	if (display >= 0 && now + HOST_MS(display) < at)
		at = now + HOST_MS(display);
	if (at == UINT64_MAX)
		host_timer_stop(&k->flush_timer);
	else
		host_timer_start(&k->flush_timer, at > now ? at - now : 0);
}

void kernel_flush_due(void *ctx)
{
	struct kernel *k = ctx;
	uint64_t now = host_now_ns(k->service->host);
	for (size_t i = k->dirty.n; i-- > 0;)
		if (i < k->dirty.n && due_ns(k->dirty.p[i]->streams) <= now)
			flush(k, k->dirty.p[i]);
	kernel_apply_updates(k, now_ms(k), false);
	kernel_plan_flush(k);
	kernel_commit(k);
}

/* ---- a stream message ---- */

/* The terminal that text of this name goes to now; a switch of streams ends the segment of the other. */
static struct stream *terminal(struct kernel *k, struct execution *x, int which)
{
	struct execution_streams *s = streams_of(x);
	if (s->live != which) {
		end_segment(k, x);
		if (!s->text[which])
			s->text[which] = stream_new();
		else
			stream_cut(s->text[which]);
		s->live = which;
		s->flushed_ns = host_now_ns(k->service->host);
	}
	return s->text[which];
}

static void feed(struct stream *t, struct json_slice text)
{
	struct buf part = {0};
	for (size_t at = 0; json_slice_text_part(text, &at, FEED_BYTES, &part);) {
		stream_feed(t, (const char *)part.p, part.n);
		buf_clear(&part);
	}
	buf_free(&part);
}

/* What is given up stays to be seen until the new text is stored, or the cell would flicker. A terminal that is cleared
 * again and again is stored no later for it. */
static struct stream *cleared_terminal(struct kernel *k, struct execution *x, int which)
{
	struct execution_streams *s = streams_of(x);
	bool waiting = s->dirty;
	uint64_t since = s->flushed_ns;
	x->clear_pending = false;
	kernel_cut_streams(k, x);
	struct stream *t = terminal(k, x, which);
	s->clear_first = true;
	if (waiting)
		s->flushed_ns = since;
	return t;
}

void kernel_on_stream(struct kernel *k, struct execution *x, const struct jupyter_message *m)
{
	struct json_slice text = json_slice_get(m->content, "text");
	int which = json_slice_equals(json_slice_get(m->content, "name"), "stderr");
	if (!text.p) /* the name under which protocol 4 sent it */
		text = json_slice_get(m->content, "data");
	if (!json_slice_is_string(text))
		return;
	struct stream *t = x->clear_pending ? cleared_terminal(k, x, which) : terminal(k, x, which);
	struct execution_streams *s = x->streams;
	feed(t, text);
	if (s->dirty)
		return;
	s->dirty = true;
	VEC_PUSH(&k->dirty, x);
	kernel_plan_flush(k);
}
