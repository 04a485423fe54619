/* The cases. Each has the same name and does the same work in bench/peers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "automerge/tool/bench_work.h"
#include "automerge/tool/replay.h"
#include "automerge/tool/tool.h"

#define TEXT_LONG 65536   /* characters of the long text */
#define HISTORY_LONG 50000 /* changes of the long history */
#define REPEAT_FILE 9
#define REPEAT_EDIT 1001
#define ROUNDS_MAX 64

static int need_file(struct bench *b)
{
	return b->file ? 0 : tool_fail("bench", "this case needs a file");
}

int bench_set_actor(am_doc *doc, uint8_t which)
{
	const uint8_t actor[16] = {which, 0x52, 0x75, 0x6e};
	return am_set_actor(doc, actor, sizeof actor);
}

int bench_one_char(struct text_doc *d, size_t pos)
{
	int rc = am_text_splice(d->doc, d->text, pos, 0, "x", 1);
	return rc ? rc : am_commit(d->doc, NULL, 0, 0, NULL);
}

/* A text of n characters, made in one change, or one change each. */
int bench_make_text(struct bench *b, size_t n, bool each, struct text_doc *ret)
{
	struct text_doc d = {0};
	char *fill = malloc(n + 1);
	if (!fill)
		return AM_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		fill[i] = (char)('a' + i % 26);
	int rc = am_new(&b->opts, &d.doc);
	if (!rc)
		rc = bench_set_actor(d.doc, 1);
	if (!rc)
		rc = am_map_put_object(d.doc, AM_ROOT, "text", 4, AM_TEXT, &d.text);
	if (!rc && !each)
		rc = am_text_splice(d.doc, d.text, 0, 0, fill, n);
	if (!rc)
		rc = am_commit(d.doc, NULL, 0, 0, NULL);
	for (size_t i = 0; i < n && each && !rc; i++)
		rc = bench_one_char(&d, i);
	free(fill);
	if (rc)
		am_free(d.doc);
	else
		*ret = d;
	return rc;
}

int bench_fork_text(const struct text_doc *from, uint8_t actor, struct text_doc *ret)
{
	struct text_doc d = {0};
	am_value v;
	int rc = am_fork(from->doc, &d.doc);
	if (!rc)
		rc = bench_set_actor(d.doc, actor);
	if (!rc)
		rc = am_map_get(d.doc, NULL, AM_ROOT, "text", 4, &v);
	if (rc) {
		am_free(d.doc);
		return rc;
	}
	d.text = v.id;
	*ret = d;
	return 0;
}

static int replay_file(struct bench *b, bool per_edit)
{
	struct trace t = {0};
	struct buf file = {0};
	const char *why;
	if (need_file(b) || tool_read_gz(b->file, &file))
		return 1;
	int rc = trace_parse(file.p, file.n, &t, &why);
	buf_free(&file);
	if (rc)
		return tool_fail(b->file, why);
	for (int i = 0; i < 3 && !rc; i++) {
		struct replay r = {0};
		am_buf saved = {0};
		bool equal = false;
		size_t length;
		double start = bench_now();
		rc = replay_trace(&t, &b->opts, per_edit, &r);
		if (rc)
			break;
		bench_sample(b, start);
		b->live = b->memory.live;
		rc = replay_check(&t, &r, &equal, &length);
		if (!rc && !equal)
			rc = tool_fail(b->file, "the text differs from endContent");
		if (!rc)
			rc = am_save(r.doc, 0, &saved);
		b->bytes = saved.n;
		am_buf_free(&saved);
		am_free(r.doc);
	}
	trace_free(&t);
	return rc;
}

static int run_trace(struct bench *b)
{
	return replay_file(b, false);
}

static int run_trace_per_edit(struct bench *b)
{
	return replay_file(b, true);
}

static int load_file(struct bench *b, int flags)
{
	struct buf file = {0};
	if (need_file(b) || tool_read(b->file, &file))
		return 1;
	int rc = 0;
	b->bytes = file.n;
	for (int i = 0; i < REPEAT_FILE && !rc; i++) {
		am_doc *doc = NULL;
		double start = bench_now();
		rc = am_load(file.p, file.n, &b->opts, flags, &doc);
		bench_sample(b, start);
		b->live = b->memory.live;
		am_free(doc);
	}
	buf_free(&file);
	return rc;
}

static int run_load(struct bench *b)
{
	return load_file(b, 0);
}

/* A file of our own: the history is not hashed. */
static int run_load_trusted(struct bench *b)
{
	return load_file(b, AM_LOAD_UNVERIFIED);
}

static int run_save(struct bench *b)
{
	struct buf file = {0};
	am_doc *doc = NULL;
	if (need_file(b) || tool_read(b->file, &file))
		return 1;
	int rc = am_load(file.p, file.n, &b->opts, 0, &doc);
	buf_free(&file);
	for (int i = 0; i < REPEAT_FILE && !rc; i++) {
		am_buf out = {0};
		double start = bench_now();
		rc = am_save(doc, 0, &out);
		bench_sample(b, start);
		b->bytes = out.n;
		am_buf_free(&out);
	}
	b->live = b->memory.live;
	am_free(doc);
	return rc;
}

/* One character and its change, in the middle of a long text. */
static int run_local(struct bench *b)
{
	struct text_doc d = {0};
	int rc = bench_make_text(b, TEXT_LONG, false, &d);
	for (size_t i = 0; i < REPEAT_EDIT && !rc; i++) {
		double start = bench_now();
		rc = bench_one_char(&d, TEXT_LONG / 2 + i);
		bench_sample(b, start);
	}
	b->live = b->memory.live;
	am_free(d.doc);
	return rc;
}

/* The same change arriving from someone else. */
static int run_remote(struct bench *b)
{
	struct text_doc d = {0}, other = {0};
	am_buf chunk = {0};
	int rc = bench_make_text(b, TEXT_LONG, false, &d);
	if (!rc)
		rc = bench_fork_text(&d, 2, &other);
	for (size_t i = 0; i < REPEAT_EDIT && !rc; i++) {
		rc = bench_one_char(&other, TEXT_LONG / 2 + i);
		if (!rc)
			rc = am_change_bytes(other.doc, am_change_count(other.doc) - 1, &chunk);
		double start = bench_now();
		if (!rc)
			rc = am_apply(d.doc, chunk.p, chunk.n, NULL);
		bench_sample(b, start);
	}
	b->live = b->memory.live / 2;
	am_buf_free(&chunk);
	am_free(d.doc);
	am_free(other.doc);
	return rc;
}

/* Messages both ways until neither has anything to say. */
int bench_converse(am_doc *a, am_sync *sa, am_doc *c, am_sync *sc)
{
	am_buf ma = {0}, mc = {0};
	int rc = 0;
	for (int i = 0; i < ROUNDS_MAX && !rc; i++) {
		rc = am_sync_generate(a, sa, &ma);
		if (!rc && ma.n)
			rc = am_sync_receive(c, sc, ma.p, ma.n, 0, NULL);
		if (!rc)
			rc = am_sync_generate(c, sc, &mc);
		if (!rc && mc.n)
			rc = am_sync_receive(a, sa, mc.p, mc.n, 0, NULL);
		if (!ma.n && !mc.n)
			break;
	}
	am_buf_free(&ma);
	am_buf_free(&mc);
	return rc;
}

/* One local change and the whole exchange it causes. */
int bench_sync_rounds(struct bench *b, struct text_doc *d, am_doc *other, int repeat)
{
	am_sync *sd = NULL, *so = NULL;
	int rc = am_sync_new(&b->opts.alloc, &sd);
	if (!rc)
		rc = am_sync_new(&b->opts.alloc, &so);
	if (!rc)
		rc = bench_converse(d->doc, sd, other, so);
	for (int i = 0; i < repeat && !rc; i++) {
		double start = bench_now();
		rc = bench_one_char(d, 0);
		if (!rc)
			rc = bench_converse(d->doc, sd, other, so);
		bench_sample(b, start);
	}
	am_sync_free(sd);
	am_sync_free(so);
	return rc;
}

static int run_sync(struct bench *b)
{
	struct text_doc d = {0}, other = {0};
	int rc = bench_make_text(b, HISTORY_LONG, true, &d);
	b->live = b->memory.live;
	if (!rc)
		rc = bench_fork_text(&d, 2, &other);
	if (!rc)
		rc = bench_sync_rounds(b, &d, other.doc, 201);
	am_free(d.doc);
	am_free(other.doc);
	return rc;
}

static int run_handshake(struct bench *b)
{
	struct text_doc d = {0}, other = {0};
	int rc = bench_make_text(b, HISTORY_LONG, true, &d);
	if (!rc)
		rc = bench_fork_text(&d, 2, &other);
	for (int i = 0; i < 11 && !rc; i++) {
		am_sync *sd = NULL, *so = NULL;
		rc = am_sync_new(&b->opts.alloc, &sd);
		if (!rc)
			rc = am_sync_new(&b->opts.alloc, &so);
		double start = bench_now();
		if (!rc)
			rc = bench_converse(d.doc, sd, other.doc, so);
		bench_sample(b, start);
		am_sync_free(sd);
		am_sync_free(so);
	}
	am_free(d.doc);
	am_free(other.doc);
	return rc;
}

/* Everything to a peer that has nothing. */
static int run_first_sync(struct bench *b)
{
	struct text_doc d = {0};
	int rc = bench_make_text(b, HISTORY_LONG, true, &d);
	for (int i = 0; i < 5 && !rc; i++) {
		am_doc *other = NULL;
		am_sync *sd = NULL, *so = NULL;
		rc = am_new(&b->opts, &other);
		if (!rc)
			rc = am_sync_new(&b->opts.alloc, &sd);
		if (!rc)
			rc = am_sync_new(&b->opts.alloc, &so);
		double start = bench_now();
		if (!rc)
			rc = bench_converse(d.doc, sd, other, so);
		bench_sample(b, start);
		if (!rc && am_change_count(other) != am_change_count(d.doc))
			rc = tool_fail("bench", "the peers differ");
		am_sync_free(sd);
		am_sync_free(so);
		am_free(other);
	}
	am_free(d.doc);
	return rc;
}

/* What one more change adds to a file. */
static int run_save_incremental(struct bench *b)
{
	struct text_doc d = {0};
	am_buf out = {0};
	int rc = bench_make_text(b, HISTORY_LONG, true, &d);
	if (!rc)
		rc = am_save(d.doc, 0, &out);
	for (int i = 0; i < 201 && !rc; i++) {
		rc = bench_one_char(&d, 0);
		double start = bench_now();
		if (!rc)
			rc = am_save_incremental(d.doc, &out);
		bench_sample(b, start);
		b->bytes = out.n;
	}
	b->live = b->memory.live;
	am_buf_free(&out);
	am_free(d.doc);
	return rc;
}

static int ignore_patch(void *ctx, const am_patch *p)
{
	(void)p;
	++*(size_t *)ctx;
	return 0;
}

/* What the latest one-character change did to a long text. */
static int run_diff(struct bench *b)
{
	struct text_doc d = {0};
	size_t patches = 0;
	int rc = bench_make_text(b, TEXT_LONG, false, &d);
	for (size_t i = 0; i < 101 && !rc; i++) {
		size_t n;
		am_hash before = am_heads(d.doc, &n)[0];
		rc = bench_one_char(&d, TEXT_LONG / 2);
		am_hash after = am_heads(d.doc, &n)[0];
		double start = bench_now();
		if (!rc)
			rc = am_diff(d.doc, &before, 1, &after, 1, ignore_patch, &patches);
		bench_sample(b, start);
	}
	am_free(d.doc);
	return rc;
}

static int run_text(struct bench *b)
{
	struct text_doc d = {0};
	am_buf out = {0};
	int rc = bench_make_text(b, TEXT_LONG, false, &d);
	for (size_t i = 0; i < 101 && !rc; i++) {
		double start = bench_now();
		rc = am_text(d.doc, NULL, d.text, &out);
		bench_sample(b, start);
	}
	am_buf_free(&out);
	am_free(d.doc);
	return rc;
}

const struct bench_case bench_cases[] = {
	{"trace", run_trace},
	{"trace-per-edit", run_trace_per_edit},
	{"load", run_load},
	{"load-trusted", run_load_trusted},
	{"save", run_save},
	{"save-incremental", run_save_incremental},
	{"local", run_local},
	{"remote", run_remote},
	{"sync", run_sync},
	{"handshake", run_handshake},
	{"first-sync", run_first_sync},
	{"sync-cells", bench_sync_cells},
	{"sync-many-cells", bench_sync_many_cells},
	{"cells-save", bench_cells_save},
	{"notebooks", bench_notebooks},
	{"idle", bench_idle},
	{"diff", run_diff},
	{"text", run_text},
	{"curve", bench_curve},
	{NULL, NULL},
};
