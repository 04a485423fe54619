/* Salvage: what is sound out of a damaged file.
 *
 * Nothing unproven is taken, for a change that is not quite what its author wrote would
 * carry his actor and sequence number into every peer. Proof of a chunk is its checksum.
 * Proof of the changes of a damaged document chunk is the hash of one of their
 * descendants: a head that the chunk names, or a dependency of a change elsewhere in
 * the file. Small damage is undone first: wrong magic, type, length or checksum bytes,
 * and one wrong byte of a small chunk, which its checksum shows. */
#include "automerge/document.h"
#include "automerge/load.h"
#include "base/hash.h"

#define HEAD_BYTES_EQUAL 28   /* of a head's 32: what is left is damage, not another hash */
#define REPAIR_WORK ((uint64_t)128 << 20) /* bytes hashed in search of one wrong byte, per file */
#define SCAN_WORK ((uint64_t)64 << 20)    /* bytes hashed at what looks like chunks, beyond 16 times the file */

static const uint8_t magic[4] = {0x85, 0x6f, 0x4a, 0x83};

struct piece {
	size_t at, n;   /* in the file */
	bool sound;     /* a chunk with the right checksum, perhaps mended */
	bool garbage;   /* no chunk at all */
	int error;
	uint8_t *mended; /* the whole chunk, when the file's bytes had to be put right */
	size_t mended_n;
};

struct salvage {
	const uint8_t *p;
	size_t n;
	am_allocator a;
	am_doc *doc;
	struct am_limits lim;
	AM_VEC(struct piece) piece;
	struct am_out chunk; /* being tried */
	uint64_t scan_work, repair_work;
	am_loss_fn fn;
	void *ctx;
	am_salvage_report rep;
};

static bool is_magic(const struct salvage *s, size_t at)
{
	return s->n - at >= sizeof magic && memcmp(s->p + at, magic, sizeof magic) == 0;
}

static size_t next_magic(const struct salvage *s, size_t at)
{
	const uint8_t *q;

	while (at < s->n && (q = memchr(s->p + at, magic[0], s->n - at))) {
		at = (size_t)(q - s->p);
		if (is_magic(s, at))
			return at;
		at++;
	}
	return s->n;
}

static int add_piece(struct salvage *s, const struct piece *x)
{
	if (am_vec_reserve(&s->a, &s->piece, 1))
		return AM_E_NOMEM;
	s->piece.p[s->piece.n++] = *x;
	return AM_OK;
}

/* ---- mending one chunk ---- */

/* The chunk of this type whose body lies at [body, end), in s->chunk; counts how
 * many bytes of its checksum are those of `sum`. */
static int seal(struct salvage *s, uint8_t type, size_t body, size_t end, const uint8_t *sum, unsigned *ret_equal)
{
	am_hash hash;
	size_t start;

	s->chunk.n = 0;
	s->chunk.err = 0;
	if (!am_out_need(&s->chunk, AM_CHUNK_HEAD_MAX + (end - body)))
		return AM_E_NOMEM;
	s->chunk.n = AM_CHUNK_HEAD_MAX;
	am_out_put(&s->chunk, s->p + body, end - body);
	start = am_chunk_seal(&s->chunk, type, &hash);
	memmove(s->chunk.p, s->chunk.p + start, s->chunk.n - start);
	s->chunk.n -= start;
	*ret_equal = 0;
	for (unsigned i = 0; i < 4; i++)
		*ret_equal += hash.b[i] == sum[i];
	return AM_OK;
}

static int keep_mended(struct salvage *s, size_t at, size_t end)
{
	struct piece x = {.at = at, .n = end - at, .sound = true};
	int rc;

	x.mended = am_mem_alloc(&s->a, s->chunk.n);
	if (!x.mended)
		return AM_E_NOMEM;
	memcpy(x.mended, s->chunk.p, s->chunk.n);
	x.mended_n = s->chunk.n;
	rc = add_piece(s, &x);
	if (rc)
		am_mem_free(&s->a, x.mended);
	return rc;
}

/* A wrong byte in the header: a chunk of some type from `at` to `end` whose checksum
 * is right, or right but for one of its bytes. */
static int mend_header(struct salvage *s, size_t at, size_t end, bool *ret_done)
{
	static const uint8_t types[] = {AM_CHUNK_DOCUMENT, AM_CHUNK_CHANGE, AM_CHUNK_BUNDLE};
	uint8_t len[AM_LEB_MAX];
	unsigned equal;

	for (size_t k = 1; k <= 5 && at + 9 + k <= end; k++) {
		if (am_uleb_write(len, end - at - 9 - k) != k)
			continue;
		for (size_t t = 0; t < sizeof types; t++) {
			if (s->scan_work < end - at)
				return AM_OK;
			s->scan_work -= end - at;
			if (seal(s, types[t], at + 9 + k, end, s->p + at + 4, &equal))
				return AM_E_NOMEM;
			/* Three of four: only when the rest of the header says the same. */
			if (equal == 4 || (equal == 3 && is_magic(s, at) && s->p[at + 8] == types[t] &&
					   memcmp(s->p + at + 9, len, k) == 0)) {
				*ret_done = true;
				return keep_mended(s, at, end);
			}
		}
	}
	return AM_OK;
}

/* Where the body of the chunk at `at` starts, by its header; 0 = unreadable. */
static size_t body_of(const struct salvage *s, size_t at, uint64_t *ret_len)
{
	struct am_in in = am_in_of(s->p + at, s->n - at);

	if (am_in_left(&in) < 10)
		return 0;
	in.p += 9;
	if (am_in_uleb(&in, ret_len))
		return 0;
	return (size_t)(in.p - s->p);
}

/* One wrong byte in the body of a small chunk. First single bits, then any value. */
static int mend_body(struct salvage *s, size_t at, size_t end, bool *ret_done)
{
	uint64_t len;
	size_t body = body_of(s, at, &len), from, n = end - at;
	uint8_t type, sum[SHA256_BYTES], *b;
	unsigned unused;

	if (!body || body > end || end - body != len)
		return AM_OK;
	type = s->p[at + 8];
	if (type != AM_CHUNK_DOCUMENT && type != AM_CHUNK_CHANGE && type != AM_CHUNK_BUNDLE)
		return AM_OK;
	if (seal(s, type, body, end, s->p + at + 4, &unused))
		return AM_E_NOMEM;
	b = s->chunk.p;
	from = s->chunk.n - (end - body);
	for (int bits = 1; bits >= 0; bits--) {
		uint64_t work = (uint64_t)n * (end - body) * (bits ? 8 : 255);

		if (work > s->repair_work)
			return AM_OK;
		s->repair_work -= work;
		for (size_t i = from; i < s->chunk.n; i++) {
			uint8_t was = b[i];

			for (unsigned x = 1; x < 256; x = bits ? x * 2 : x + 1) {
				b[i] = (uint8_t)(was ^ x);
				sha256(sum, b + 8, s->chunk.n - 8);
				if (memcmp(sum, s->p + at + 4, 4) == 0) {
					memcpy(b + 4, sum, 4);
					*ret_done = true;
					return keep_mended(s, at, end);
				}
			}
			b[i] = was;
		}
	}
	return AM_OK;
}

/* ---- finding chunks ---- */

/* The end of the damaged chunk at `at`: where its header says, when another chunk
 * follows there or none stands before, else where the next one starts. */
static size_t end_of(const struct salvage *s, size_t at, size_t next)
{
	uint64_t len;
	size_t body = body_of(s, at, &len);

	if (body && len <= s->n - body && (len <= next - body || is_magic(s, body + (size_t)len)))
		return body + (size_t)len;
	return next;
}

static int damaged(struct salvage *s, size_t at, int error, size_t *ret_end)
{
	size_t next = next_magic(s, at + 1), end = end_of(s, at, next), tries[3] = {end, next, s->n};
	struct piece x = {.at = at, .error = error};
	bool done = false;
	int rc;

	for (unsigned i = 0; i < 3; i++) {
		if ((i && tries[i] == tries[0]) || (i == 2 && tries[2] == tries[1]))
			continue;
		rc = mend_header(s, at, tries[i], &done);
		if (rc == AM_OK && !done)
			rc = is_magic(s, at) ? mend_body(s, at, tries[i], &done) : AM_OK;
		*ret_end = tries[i];
		if (rc || done)
			return rc;
	}
	*ret_end = is_magic(s, at) ? end : next;
	x.n = *ret_end - at;
	x.garbage = !is_magic(s, at) || x.n < 10;
	return add_piece(s, &x);
}

static int find_pieces(struct salvage *s)
{
	size_t at = 0, end;
	int rc = AM_OK;

	while (at < s->n && rc == AM_OK) {
		struct am_in in = am_in_of(s->p + at, s->n - at);
		struct am_chunk ch;
		uint64_t len = 0;
		int error = AM_E_LIMIT;

		(void)body_of(s, at, &len);
		if (len <= s->scan_work) {
			s->scan_work -= len;
			error = am_chunk_next(&in, &ch);
		}
		if (error == AM_OK) {
			rc = add_piece(s, &(struct piece){.at = at, .n = ch.whole_n, .sound = true});
			at += ch.whole_n;
			continue;
		}
		rc = damaged(s, at, error, &end);
		at = end;
	}
	return rc;
}

/* ---- taking what is sound ---- */

static const uint8_t *piece_bytes(const struct salvage *s, const struct piece *x, size_t *ret_n)
{
	*ret_n = x->mended ? x->mended_n : x->n;
	return x->mended ? x->mended : s->p + x->at;
}

static int take(struct salvage *s, const uint8_t *p, size_t n)
{
	return am_load_chunks(s->doc, p, n, AM_BROKEN_FAIL, 0, NULL);
}

/* Chunks [i, k) one by one, for as a batch they were refused. */
static int take_each(struct salvage *s, size_t i, size_t k)
{
	const uint8_t *p;
	size_t n;
	int rc;

	for (; i < k; i++) {
		struct piece *x = &s->piece.p[i];

		p = piece_bytes(s, x, &n);
		rc = take(s, p, n);
		if (rc == AM_E_NOMEM)
			return rc;
		if (rc) {
			x->sound = false;
			x->error = rc;
		}
	}
	return AM_OK;
}

static int take_sound(struct salvage *s)
{
	size_t i = 0, k;
	int rc = AM_OK;

	for (; i < s->piece.n && rc == AM_OK; i = k) {
		const struct piece *x = &s->piece.p[i];
		size_t end = x->at + x->n;

		k = i + 1;
		if (!x->sound)
			continue;
		while (!x->mended && k < s->piece.n && s->piece.p[k].sound && !s->piece.p[k].mended)
			end = s->piece.p[k].at + s->piece.p[k].n, k++;
		rc = k > i + 1 ? take(s, s->p + x->at, end - x->at) : AM_E_FORMAT;
		if (rc && rc != AM_E_NOMEM)
			rc = take_each(s, i, k);
	}
	return rc;
}

/* ---- damaged documents ---- */

struct rebuilt {
	struct am_actors table;
	am_hash *hash;  /* by change row */
	size_t *end;    /* in chunks: where each change ends */
	bool *proven;
	struct am_out chunks;
};

static int rebuild(struct salvage *s, struct am_docfile *f, struct rebuilt *r)
{
	struct am_bytes chunk;
	am_change c;
	int rc = AM_OK;

	r->hash = am_mem_alloc(&s->a, (f->changes.n + 1) * sizeof *r->hash);
	r->end = am_mem_alloc(&s->a, (f->changes.n + 1) * sizeof *r->end);
	r->proven = am_mem_zalloc(&s->a, f->changes.n + 1);
	if (!r->hash || !r->end || !r->proven)
		return AM_E_NOMEM;
	for (size_t i = 0; i < f->changes.n && rc == AM_OK; i++) {
		am_change_init(&c, &s->a);
		rc = am_docfile_change(f, i, r->hash, &c);
		if (rc == AM_OK)
			rc = am_change_build(s->doc->scratch, &r->table, &c, &chunk);
		if (rc == AM_OK) {
			am_out_put(&r->chunks, chunk.p, chunk.n);
			rc = r->chunks.err;
			r->hash[i] = c.hash;
			r->end[i] = r->chunks.n;
		}
		am_change_fini(&c);
	}
	return rc;
}

static bool nearly(const am_hash *a, const am_hash *b)
{
	unsigned equal = 0;

	for (size_t i = 0; i < sizeof a->b; i++)
		equal += a->b[i] == b->b[i];
	return equal >= HEAD_BYTES_EQUAL;
}

/* Descendants first: dependencies have smaller rows. */
static void prove(const struct am_docfile *f, struct rebuilt *r, const am_hash *missing, size_t n_missing)
{
	for (size_t i = f->changes.n; i-- > 0;) {
		const struct am_doc_change *c = &f->changes.p[i];

		for (size_t k = 0; k < f->n_heads && !r->proven[i]; k++)
			r->proven[i] = nearly(&f->heads[k], &r->hash[i]);
		r->proven[i] |= am_hash_in(missing, n_missing, &r->hash[i]);
		for (uint32_t k = 0; r->proven[i] && k < c->n_deps; k++)
			r->proven[f->deps.p[c->deps + k]] = true;
	}
}

static int take_proven(struct salvage *s, const struct am_docfile *f, struct rebuilt *r)
{
	size_t at = 0, from = 0;

	for (size_t i = 0; i < f->changes.n; from = r->end[i], i++) {
		if (!r->proven[i])
			continue;
		memmove(r->chunks.p + at, r->chunks.p + from, r->end[i] - from);
		at += r->end[i] - from;
	}
	return at ? take(s, r->chunks.p, at) : AM_OK;
}

/* The body of a damaged document chunk, as a chunk. */
static bool document_chunk(const struct salvage *s, const struct piece *x, struct am_chunk *ret)
{
	uint64_t len;
	size_t body = body_of(s, x->at, &len), end = x->at + x->n;

	if (x->sound || x->garbage || !body || body > end || s->p[x->at + 8] != AM_CHUNK_DOCUMENT)
		return false;
	if (len < end - body)
		end = body + (size_t)len;
	*ret = (struct am_chunk){.type = AM_CHUNK_DOCUMENT, .body = s->p + body, .n = end - body};
	return true;
}

static int save_document(struct salvage *s, const struct am_chunk *ch)
{
	struct rebuilt r = {.chunks = {.a = &s->a}};
	am_hash *missing = NULL;
	size_t n_missing = 0;
	struct am_docfile f;
	int rc = am_docfile_open(&s->a, ch, &f);

	if (rc)
		return rc;
	f.no_index = true;
	if ((rc = am_docfile_decode(&f, s->doc->scratch, &r.table, &s->lim, false)) || (rc = am_docfile_changes(&f)) ||
	    (rc = rebuild(s, &f, &r)) || (rc = am_missing_deps(s->doc, NULL, 0, &missing, &n_missing)))
		goto out;
	prove(&f, &r, missing, n_missing);
	rc = take_proven(s, &f, &r);
out:
	am_hashes_free(s->doc, missing);
	am_mem_free(&s->a, r.hash);
	am_mem_free(&s->a, r.end);
	am_mem_free(&s->a, r.proven);
	am_out_free(&r.chunks);
	am_actors_fini(&r.table, &s->a);
	am_docfile_close(&f);
	return rc;
}

/* A change whose checksum is wrong but on which another change depends. */
static int save_change(struct salvage *s, const struct piece *x, bool *ret_saved)
{
	uint64_t len;
	size_t body = body_of(s, x->at, &len), n = 0;
	am_hash *missing = NULL, hash;
	unsigned unused;
	int rc;

	if (!body || body > x->at + x->n || s->p[x->at + 8] != AM_CHUNK_CHANGE)
		return AM_OK;
	if ((rc = seal(s, AM_CHUNK_CHANGE, body, x->at + x->n, s->p + x->at + 4, &unused)) ||
	    (rc = am_missing_deps(s->doc, NULL, 0, &missing, &n)))
		return rc;
	sha256(hash.b, s->chunk.p + 8, s->chunk.n - 8);
	if (am_hash_in(missing, n, &hash)) {
		rc = take(s, s->chunk.p, s->chunk.n);
		*ret_saved = rc == AM_OK;
	}
	am_hashes_free(s->doc, missing);
	return rc == AM_E_NOMEM ? rc : AM_OK;
}

static int take_damaged(struct salvage *s)
{
	struct am_chunk ch;
	int rc = AM_OK;

	/* What was got may prove what stands before it. */
	for (size_t i = s->piece.n; i-- > 0 && rc != AM_E_NOMEM;) {
		struct piece *x = &s->piece.p[i];
		bool saved = false;

		rc = AM_OK;
		if (document_chunk(s, x, &ch))
			rc = save_document(s, &ch);
		else if (!x->sound && !x->garbage)
			rc = save_change(s, x, &saved);
		x->sound |= saved;
	}
	return rc == AM_E_NOMEM ? rc : AM_OK;
}

/* ---- what is lost ---- */

static int tell(struct salvage *s, const am_loss *loss)
{
	return s->fn ? s->fn(s->ctx, loss) : 0;
}

static bool is_queued(const struct salvage *s, const struct am_bytes *actor, uint64_t seq)
{
	struct am_bytes author = *actor;

	return am_queue_by_seq(&s->doc->queue, &(am_change){.actors = &author, .n_actors = 1, .seq = seq}) != NULL;
}

static int tell_change(struct salvage *s, const struct piece *x, const struct am_bytes *actor, uint64_t seq)
{
	uint32_t ix = am_actors_find(&s->doc->actors, actor->p, actor->n);

	if (am_graph_by_seq(&s->doc->graph, ix, seq) != AM_NONE || is_queued(s, actor, seq))
		return 0;
	s->rep.lost_changes++;
	return tell(s, &(am_loss){.kind = AM_LOSS_CHANGE, .at = x->at, .n = x->n, .error = x->error,
				  .actor = actor->p, .actor_n = actor->n, .seq = seq});
}

/* The changes of a damaged document that did not come out, as far as its change
 * table can be read. */
static int tell_document(struct salvage *s, const struct piece *x, const struct am_chunk *ch)
{
	struct am_docfile f;
	int rc = am_docfile_open(&s->a, ch, &f);

	if (rc)
		return rc == AM_E_NOMEM ? rc : AM_OK;
	rc = am_docfile_table(&f, s->doc->scratch, &s->lim);
	if (rc != AM_E_NOMEM)
		rc = AM_OK;
	for (size_t i = 0; i < f.changes.n && rc == AM_OK; i++)
		rc = tell_change(s, x, &f.actors[f.changes.p[i].actor], f.changes.p[i].seq);
	am_docfile_close(&f);
	return rc;
}

/* Author and sequence number at the start of a damaged change. */
static int tell_single(struct salvage *s, const struct piece *x)
{
	uint64_t len, seq;
	size_t body = body_of(s, x->at, &len), n_deps;
	struct am_in in;
	const am_hash *deps;
	struct am_bytes actor;

	if (!body || body > x->at + x->n || s->p[x->at + 8] != AM_CHUNK_CHANGE)
		return 0;
	in = am_in_of(s->p + body, x->at + x->n - body);
	if (am_in_hashes(&in, &deps, &n_deps) || am_in_block(&in, &actor.p, &actor.n) || am_in_uleb(&in, &seq))
		return 0;
	return tell_change(s, x, &actor, seq);
}

static int tell_piece(struct salvage *s, const struct piece *x)
{
	am_loss loss = {.kind = x->garbage ? AM_LOSS_BYTES : AM_LOSS_CHUNK, .at = x->at, .n = x->n, .error = x->error};
	struct am_chunk ch;
	int rc;

	s->rep.chunks += !x->garbage;
	s->rep.mended_chunks += x->mended != NULL;
	if (x->sound)
		return 0;
	s->rep.lost_bytes += x->n;
	s->rep.bad_chunks += !x->garbage;
	loss.type = x->garbage ? 0 : s->p[x->at + 8];
	rc = tell(s, &loss);
	if (rc || x->garbage)
		return rc;
	return document_chunk(s, x, &ch) ? tell_document(s, x, &ch) : tell_single(s, x);
}

static int tell_losses(struct salvage *s)
{
	am_hash *missing = NULL;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < s->piece.n && rc == 0; i++)
		rc = tell_piece(s, &s->piece.p[i]);
	if (rc || (rc = am_missing_deps(s->doc, NULL, 0, &missing, &n)))
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = tell(s, &(am_loss){.kind = AM_LOSS_DEPENDENCY, .hash = missing[i]});
	s->rep.missing = n;
	am_hashes_free(s->doc, missing);
	return rc;
}

/* ---- public ---- */

static void salvage_fini(struct salvage *s)
{
	for (size_t i = 0; i < s->piece.n; i++)
		am_mem_free(&s->a, s->piece.p[i].mended);
	am_vec_free(&s->a, &s->piece);
	am_out_free(&s->chunk);
	am_free(s->doc);
}

int am_salvage(const void *p, size_t n, const am_opts *opts, am_loss_fn fn, void *ctx, am_salvage_report *report,
	       am_doc **ret)
{
	struct salvage s = {.p = p, .n = n, .fn = fn, .ctx = ctx, .lim = am_opts_limits(opts),
			    .scan_work = SCAN_WORK + 16 * (uint64_t)n, .repair_work = REPAIR_WORK};
	size_t max_orphans;
	int rc = am_new(opts, &s.doc);

	if (rc)
		return rc;
	s.a = s.doc->a;
	s.chunk.a = &s.a;
	max_orphans = s.doc->opts.max_orphans;
	s.doc->opts.max_orphans = SIZE_MAX; /* everything sound is kept */
	if ((rc = find_pieces(&s)) || (rc = take_sound(&s)) || (rc = take_damaged(&s)) ||
	    (rc = am_doc_mark_saved(s.doc)) || (rc = tell_losses(&s)))
		goto out;
	s.doc->opts.max_orphans = max_orphans;
	s.rep.changes = am_graph_count(&s.doc->graph);
	s.rep.queued = s.doc->queue.n;
	if (report)
		*report = s.rep;
	*ret = s.doc;
	s.doc = NULL;
out:
	salvage_fini(&s);
	return rc;
}
