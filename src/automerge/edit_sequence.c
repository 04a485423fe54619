/* Local edits of lists and texts. */
#include "automerge/edit.h"
#include "automerge/sequence.h"
#include "automerge/text.h"

/* ---- lists ---- */

int am_list_insert(am_doc *doc, am_objid obj, size_t index, const am_value *v)
{
	struct am_edit e;
	struct am_spot at;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, &e);

	if (rc)
		return rc;
	rc = am_spot_find(&e, index, &at);
	return am_edit_end(&e, rc ? rc : am_spot_insert_value(&e, &at, v));
}

static int insert_object(am_doc *doc, am_objid obj, unsigned kinds, size_t index, am_type type, am_objid *ret)
{
	struct am_edit e;
	int rc = am_edit_begin(doc, obj, kinds, &e);

	return rc ? rc : am_edit_end(&e, am_edit_insert_object(&e, index, type, ret));
}

int am_list_insert_object(am_doc *doc, am_objid obj, size_t index, am_type type, am_objid *ret)
{
	return insert_object(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, index, type, ret);
}

int am_split_block(am_doc *doc, am_objid text, size_t pos, am_objid *ret)
{
	return insert_object(doc, text, AM_EDIT_TEXT, pos, AM_MAP, ret);
}

static int join_block(struct am_edit *e, size_t pos)
{
	struct am_target t;
	am_id win;
	int rc = am_target_of_index(e, pos, &t);

	if (rc)
		return rc;
	if (e->ops->span.p[t.s].action != AM_ACT_MAKE_MAP)
		return AM_E_TYPE;
	win = e->ops->span.p[t.s].id; /* the winner alone: what it won against comes back */
	t.op.refs = &win;
	t.op.n_refs = 1;
	t.op.action = AM_ACT_DEL;
	return am_edit_emit(e, &t.op);
}

int am_join_block(am_doc *doc, am_objid text, size_t pos)
{
	struct am_edit e;
	int rc = am_edit_begin(doc, text, AM_EDIT_TEXT, &e);

	return rc ? rc : am_edit_end(&e, join_block(&e, pos));
}

int am_replace_block(am_doc *doc, am_objid text, size_t pos, am_objid *ret)
{
	struct am_edit e;
	int rc = am_edit_begin(doc, text, AM_EDIT_TEXT, &e);

	if (rc)
		return rc;
	rc = join_block(&e, pos);
	return am_edit_end(&e, rc ? rc : am_edit_insert_object(&e, pos, AM_MAP, ret));
}

/* Begins an edit of the element at an index; an error has ended it. */
static int begin_at_index(am_doc *doc, am_objid obj, unsigned kinds, size_t index, struct am_edit *ret,
			  struct am_target *ret_t)
{
	int rc = am_edit_begin(doc, obj, kinds, ret);

	if (rc)
		return rc;
	rc = am_target_of_index(ret, index, ret_t);
	return rc ? am_edit_end(ret, rc) : AM_OK;
}

int am_list_put(am_doc *doc, am_objid obj, size_t index, const am_value *v)
{
	struct am_edit e;
	struct am_target t;
	int rc = begin_at_index(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, index, &e, &t);

	return rc ? rc : am_edit_end(&e, am_target_put(&e, &t, v));
}

int am_list_put_object(am_doc *doc, am_objid obj, size_t index, am_type type, am_objid *ret)
{
	struct am_edit e;
	struct am_target t;
	int rc = begin_at_index(doc, obj, AM_EDIT_LIST, index, &e, &t);

	return rc ? rc : am_edit_end(&e, am_target_put_object(&e, &t, type, ret));
}

int am_list_delete(am_doc *doc, am_objid obj, size_t index)
{
	struct am_edit e;
	struct am_target t;
	int rc = begin_at_index(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, index, &e, &t);

	return rc ? rc : am_edit_end(&e, am_target_delete(&e, &t));
}

int am_list_increment(am_doc *doc, am_objid obj, size_t index, int64_t by)
{
	struct am_edit e;
	struct am_target t;
	int rc = begin_at_index(doc, obj, AM_EDIT_LIST | AM_EDIT_TEXT, index, &e, &t);

	return rc ? rc : am_edit_end(&e, am_target_increment(&e, &t, by));
}

/* ---- splices ---- */

/* Deletes the plain elements of the run found at `at` until `want` units are
 * gone; *ret_w = how many went. */
static int delete_run(struct am_edit *e, const struct am_elem *at, size_t want, size_t *ret_w)
{
	struct am_ops *ops = e->ops;
	const struct am_span *x = &ops->span.p[at->piece.s];
	uint32_t most = x->n - at->k, n = most, w;
	int rc;

	if (want < x->w - (at->start - at->span_start)) {
		if (x->w == x->n) {
			n = (uint32_t)want;
		} else {
			for (n = 1; n < most && am_run_width(e->doc, x, at->k, n) < want;)
				n++;
		}
	}
	w = am_run_width(e->doc, x, at->k, n);
	rc = am_edit_ids_left(e, n);
	if (rc == AM_OK)
		rc = am_ops_reserve(e->doc, 0, 0);
	if (rc)
		return rc;
	am_seq_delete(e->doc, at->piece.s, at->k, n, am_edit_next_id(e));
	ops->max += n;
	if (at->k > 0) /* that part of the span is still there */
		am_seq_remember(ops, e->obj, at->piece.s, at->span_start);
	*ret_w = w;
	return AM_OK;
}

static int delete_at(struct am_edit *e, size_t pos, size_t del)
{
	struct am_elem at;
	struct am_target t;
	size_t w;
	int rc;

	for (size_t gone = 0; gone < del; gone += w) {
		rc = am_elem_find(e->doc, e->clock, e->obj, pos, &at);
		if (rc == AM_E_INDEX)
			return AM_OK; /* past the end: enough */
		if (rc)
			return rc;
		if (pos > at.start) { /* inside a wide element: it stays */
			pos = at.start + at.w;
			w = 0;
			continue;
		}
		if (!e->clock && e->ops->span.p[at.piece.s].reg == AM_NONE) {
			rc = delete_run(e, &at, del - gone, &w);
		} else {
			am_target_of_elem(e, &at, &t);
			rc = am_target_delete(e, &t);
			w = at.w;
		}
		if (rc)
			return rc;
	}
	return AM_OK;
}

int am_edit_del(size_t *pos, ptrdiff_t del, size_t *ret_del)
{
	if (del < 0) {
		size_t back = (size_t)0 - (size_t)del;
		if (back > *pos)
			return AM_E_INDEX;
		*pos -= back;
		*ret_del = back;
	} else {
		*ret_del = (size_t)del;
	}
	return AM_OK;
}

/* One operation per scalar value, or per cluster; as runs where possible. */
static int insert_text(struct am_edit *e, struct am_spot *at, const uint8_t *p, size_t n)
{
	bool clusters = e->doc->opts.text_unit == AM_UNIT_GRAPHEME;
	int rc = AM_OK;

	for (size_t i = 0, len; i < n && rc == AM_OK; i += len) {
		am_op op = {.action = AM_ACT_SET, .val = p + i, .run = 1};
		bool ascii = p[i] < 0x80;
		len = clusters ? am_text_cluster(p + i, n - i) : am_text_scalar(p[i]);
		while (!clusters && i + len < n && op.run < (ascii ? UINT32_MAX / 2 : AM_RUN_MAX) &&
		       (p[i + len] < 0x80) == ascii) {
			len += am_text_scalar(p[i + len]);
			op.run++;
		}
		op.meta = (uint64_t)len << 4 | AM_VAL_STR;
		rc = am_spot_insert(e, at, &op);
	}
	return rc;
}

int am_edit_text(struct am_edit *e, size_t pos, size_t del, const uint8_t *text, size_t n)
{
	struct am_ops *ops = e->ops;
	struct am_spot at;
	size_t before, start;
	uint32_t old;
	int rc = am_spot_find(e, pos, &at);

	if (rc)
		return rc;
	if (n == 0)
		return delete_at(e, at.pos, del);
	start = ops->obj.p[e->obj].s.cache_pos;
	old = ops->obj.p[e->obj].s.cache;
	rc = insert_text(e, &at, text, n);
	if (rc)
		return rc;
	before = at.pos;
	at.pos += am_text_units(e->doc->opts.text_unit, text, n);
	if (old == at.s && old != AM_NONE)
		am_seq_remember(ops, e->obj, old, start); /* it grew */
	else if (!e->clock && ops->span.p[at.s].w <= at.pos - before)
		am_seq_remember(ops, e->obj, at.s, at.pos - ops->span.p[at.s].w);
	return del ? delete_at(e, at.pos, del) : AM_OK;
}

/* Room for `bytes` of values: the heap moves now, or not while they are put there. */
static int reserve_bytes(struct am_edit *e, size_t bytes)
{
	struct am_ops *ops = e->ops;

	if (bytes > INT32_MAX || ops->heap.n > (size_t)INT32_MAX - bytes)
		return AM_E_LIMIT;
	return am_vec_reserve(&e->doc->a, &ops->heap, bytes);
}

int am_text_splice(am_doc *doc, am_objid obj, size_t pos, ptrdiff_t del, const char *text, size_t n)
{
	struct am_edit e;
	uintptr_t heap;
	size_t count;
	int rc = am_text_check(text, n);

	if (rc == AM_OK)
		rc = am_edit_begin(doc, obj, AM_EDIT_TEXT, &e);
	if (rc)
		return rc;
	heap = (uintptr_t)e.ops->heap.p;
	rc = am_edit_del(&pos, del, &count);
	if (rc == AM_OK)
		rc = reserve_bytes(&e, n);
	if (rc == AM_OK) { /* which may have been read from this document */
		const uint8_t *now = am_moved((const uint8_t *)text, heap, e.ops->heap.n, e.ops->heap.p);
		rc = am_edit_text(&e, pos, count, now, n);
	}
	return am_edit_end(&e, rc);
}

static bool has_bytes(am_type t)
{
	return t == AM_STR || t == AM_BYTES || t == AM_UNKNOWN;
}

/* Values read from this document lie in its heap, which may move from one to the next. */
static int insert_values(struct am_edit *e, struct am_spot *at, const am_value *v, size_t n)
{
	uintptr_t heap = (uintptr_t)e->ops->heap.p;
	size_t heap_n = e->ops->heap.n;
	int rc = AM_OK;

	for (size_t i = 0; i < n && rc == AM_OK; i++) {
		am_value now = v[i];

		if (has_bytes(now.type))
			now.s.p = am_moved(now.s.p, heap, heap_n, e->ops->heap.p);
		rc = am_spot_insert_value(e, at, &now);
	}
	return rc;
}

int am_list_splice(am_doc *doc, am_objid obj, size_t pos, ptrdiff_t del, const am_value *v, size_t n)
{
	struct am_edit e;
	struct am_spot at;
	size_t count;
	int rc = am_edit_begin(doc, obj, AM_EDIT_LIST, &e);

	if (rc)
		return rc;
	rc = am_edit_del(&pos, del, &count);
	if (rc == AM_OK)
		rc = am_spot_find(&e, pos, &at);
	if (rc == AM_OK)
		rc = insert_values(&e, &at, v, n);
	if (rc == AM_OK)
		rc = delete_at(&e, pos + n, count);
	return am_edit_end(&e, rc);
}

/* ---- marks ---- */

static int mark_range(struct am_edit *e, size_t start, size_t end, am_expand expand, const char *name, size_t name_n,
		      const am_value *value)
{
	am_op op = {.run = 1, .action = AM_ACT_MARK, .mark = (const uint8_t *)name, .mark_n = (uint32_t)name_n};
	am_op last = {.run = 1, .action = AM_ACT_MARK};
	uintptr_t names = (uintptr_t)e->ops->names.p;
	size_t names_n = e->ops->names.n;
	struct am_scalar s;
	struct am_spot at;
	uint32_t key;
	bool wide;
	int rc = am_scalar_encode(value, &s);

	if (rc == AM_OK)
		rc = am_key_intern(e->doc, op.mark, name_n, &key);
	if (rc == AM_OK)
		rc = am_spot_find(e, start, &at);
	if (rc)
		return rc;
	/* Name and value may have been read from this document. */
	s.p = am_moved(s.p, names, names_n, e->ops->names.p);
	op.mark = am_key_text(e->ops, key);
	/* A range inside one element has no width either. */
	wide = end > at.pos;
	if (!wide && expand == AM_EXPAND_NONE)
		return AM_OK;
	am_edit_set_value(&op, &s);
	op.expand = expand == AM_EXPAND_BEFORE || expand == AM_EXPAND_BOTH;
	last.expand = expand == AM_EXPAND_AFTER || expand == AM_EXPAND_BOTH;
	rc = am_spot_insert(e, &at, &op);
	if (rc == AM_OK && wide) /* a zero-width mark ends right behind its begin */
		rc = am_spot_find(e, end, &at);
	return rc ? rc : am_spot_insert(e, &at, &last);
}

int am_mark(am_doc *doc, am_objid text, size_t start, size_t end, am_expand expand, const char *name, size_t name_n,
	    const am_value *value)
{
	struct am_edit e;
	int rc;

	if (start > end)
		return AM_E_INDEX;
	rc = am_text_check(name, name_n);
	if (rc == AM_OK)
		rc = am_edit_begin(doc, text, AM_EDIT_TEXT, &e);
	if (rc)
		return rc;
	if (start < end || expand != AM_EXPAND_NONE)
		rc = mark_range(&e, start, end, expand, name_n ? name : "", name_n, value);
	return am_edit_end(&e, rc);
}
