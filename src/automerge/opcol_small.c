/* The operation columns of small changes, which is what almost all changes are:
 * the rows are laid out side by side and every column is written in one go,
 * without the encoders a long column needs. The bytes are the same
 * (automerge format 2.2 - 2.4, 4). */
#include "automerge/opcol.h"
#include "automerge/sizes.h"

#define ROWS AM_SIZE(8, 2)
#define BYTES AM_SIZE(512, 12) /* of keys, mark names and values together */

struct rows {
	unsigned n, refs;
	uint64_t obj_actor[ROWS], obj_ctr[ROWS], key_actor[ROWS], key_ctr[ROWS], action[ROWS], meta[ROWS];
	uint64_t ref_count[ROWS], ref_actor[ROWS], ref_ctr[ROWS];
	const am_op *op[ROWS];
	unsigned no_obj, no_key, no_elem, insert, expand; /* bit i: row i; no_elem: a string key or HEAD */
	unsigned strings, marks;
};

struct writer {
	uint8_t meta[64], data[ROWS * 16 * 12 + BYTES];
	uint8_t *m, *d, *from;
	unsigned columns;
};

/* ---- laying out ---- */

static void add_row(struct rows *r, const am_op *op, am_id elem, uint64_t meta, const uint32_t *map)
{
	unsigned i = r->n++, bit = 1u << i;

	r->op[i] = op;
	r->no_obj |= am_id_is_null(op->obj) ? bit : 0;
	r->obj_actor[i] = map && op->obj.ctr ? map[op->obj.actor] : op->obj.actor;
	r->obj_ctr[i] = op->obj.ctr;
	r->no_key |= op->key_is_str ? bit : 0;
	r->no_elem |= op->key_is_str || am_id_is_null(elem) ? bit : 0;
	r->key_actor[i] = map && !op->key_is_str && elem.ctr ? map[elem.actor] : elem.actor;
	r->key_ctr[i] = elem.ctr;
	r->strings |= op->key_is_str ? bit : 0;
	r->marks |= op->mark ? bit : 0;
	r->insert |= op->insert ? bit : 0;
	r->expand |= op->expand ? bit : 0;
	r->action[i] = op->action;
	r->meta[i] = meta;
	r->ref_count[i] = op->step ? 1 : op->n_refs;
}

static void add_run(struct rows *r, const am_op *op, const uint32_t *map)
{
	const uint8_t *p = op->val;
	am_id elem = op->elem;

	for (uint32_t k = 0; k < op->run; k++) {
		uint32_t n = am_char_n(*p);

		add_row(r, op, elem, (uint64_t)n << 4 | AM_VAL_STR, map);
		p += n;
		elem = (am_id){op->id.ctr + k, op->id.actor};
	}
}

static void add_deletes(struct rows *r, const am_op *op, const uint32_t *map)
{
	am_id elem = op->elem;

	for (uint32_t k = 0; k < op->run; k++) {
		r->ref_actor[r->refs] = map ? map[elem.actor] : elem.actor;
		r->ref_ctr[r->refs++] = elem.ctr;
		add_row(r, op, elem, op->meta, map);
		elem.ctr = op->step < 0 ? elem.ctr - 1 : elem.ctr + 1;
	}
}

static bool lay_out(struct rows *r, const am_op *ops, size_t n, const uint32_t *map)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		const am_op *op = &ops[i];

		bytes += op->key_is_str ? op->key_n : 0;
		bytes += op->mark ? op->mark_n : 0;
		if (op->run > ROWS - r->n || (op->step ? op->run : op->n_refs) > ROWS - r->refs ||
		    am_op_val_n(op) > BYTES)
			return false;
		bytes += am_op_val_n(op);
		if (bytes > BYTES)
			return false;
		for (uint32_t k = 0; k < op->n_refs; k++) {
			r->ref_actor[r->refs] = map ? map[op->refs[k].actor] : op->refs[k].actor;
			r->ref_ctr[r->refs++] = op->refs[k].ctr;
		}
		if (op->step)
			add_deletes(r, op, map);
		else if (op->run > 1)
			add_run(r, op, map);
		else
			add_row(r, op, op->elem, op->meta, map);
	}
	return true;
}

/* ---- columns ---- */

static inline void column_end(struct writer *w, uint32_t spec)
{
	size_t n = (size_t)(w->d - w->from);

	if (!n)
		return;
	w->m += am_uleb_write(w->m, spec);
	w->m += am_uleb_write(w->m, n);
	w->columns++;
	w->from = w->d;
}

static void put_number(struct writer *w, bool is_signed, uint64_t v)
{
	w->d += is_signed ? am_sleb_write(w->d, (int64_t)v) : am_uleb_write(w->d, v);
}

/* Rows i .. up to the next null, or the next pair of equal values. */
static unsigned literal_end(const uint64_t *v, unsigned n, unsigned null, unsigned i)
{
	for (i++; i < n && !(null >> i & 1); i++)
		if (i + 1 < n && !(null >> (i + 1) & 1) && v[i] == v[i + 1])
			break;
	return i;
}

static void put_rle(struct writer *w, uint32_t spec, bool is_signed, const uint64_t *v, unsigned n, unsigned null)
{
	unsigned k;

	if (null + 1 == 1u << n) /* all of them */
		return;
	if (n == 1) {
		*w->d++ = 0x7f; /* -1: one literal */
		put_number(w, is_signed, v[0]);
		column_end(w, spec);
		return;
	}
	for (unsigned i = 0; i < n; i = k) {
		k = i + 1;
		if (null >> i & 1) {
			while (k < n && null >> k & 1)
				k++;
			*w->d++ = 0;
			*w->d++ = (uint8_t)(k - i);
			continue;
		}
		while (k < n && !(null >> k & 1) && v[k] == v[i])
			k++;
		if (k - i > 1) {
			w->d += am_sleb_write(w->d, k - i);
			put_number(w, is_signed, v[i]);
			continue;
		}
		k = literal_end(v, n, null, i);
		w->d += am_sleb_write(w->d, -(int64_t)(k - i));
		for (; i < k; i++)
			put_number(w, is_signed, v[i]);
	}
	column_end(w, spec);
}

/* v becomes the differences; a null changes nothing. */
static void put_delta(struct writer *w, uint32_t spec, uint64_t *v, unsigned n, unsigned null)
{
	uint64_t acc = 0, x;

	for (unsigned i = 0; i < n; i++) {
		if (null >> i & 1)
			continue;
		x = v[i];
		v[i] = x - acc;
		acc = x;
	}
	put_rle(w, spec, true, v, n, null);
}

static void put_bool(struct writer *w, uint32_t spec, unsigned bits, unsigned n)
{
	bool v = false;

	for (unsigned i = 0, k; i < n; i = k, v = !v) {
		for (k = i; k < n && (bits >> k & 1) == v;)
			k++;
		*w->d++ = (uint8_t)(k - i);
	}
	column_end(w, spec);
}

static struct am_bytes string_of(const am_op *op, bool mark)
{
	return mark ? (struct am_bytes){op->mark, op->mark_n} : (struct am_bytes){op->key, op->key_n};
}

static bool equal_strings(const struct rows *r, unsigned i, unsigned k, bool mark)
{
	struct am_bytes a = string_of(r->op[i], mark), b = string_of(r->op[k], mark);

	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void put_bytes(struct writer *w, const uint8_t *p, size_t n)
{
	if (n)
		memcpy(w->d, p, n);
	w->d += n;
}

/* Strings as numbers: the first row with the same one. */
static void put_strings(struct writer *w, uint32_t spec, const struct rows *r, unsigned have, bool mark)
{
	unsigned null = ~have & ((1u << r->n) - 1), k;

	if (!have)
		return;
	for (unsigned i = 0; i < r->n; i = k) {
		unsigned run = 1, last;

		if (null >> i & 1) {
			for (k = i + 1; k < r->n && null >> k & 1;)
				k++;
			*w->d++ = 0;
			*w->d++ = (uint8_t)(k - i);
			continue;
		}
		while (i + run < r->n && !(null >> (i + run) & 1) && equal_strings(r, i, i + run, mark))
			run++;
		if (run > 1) {
			k = i + run;
			last = i + 1; /* one copy */
			*w->d++ = (uint8_t)run;
		} else {
			for (k = i + 1; k < r->n && !(null >> k & 1); k++)
				if (k + 1 < r->n && !(null >> (k + 1) & 1) && equal_strings(r, k, k + 1, mark))
					break;
			last = k;
			w->d += am_sleb_write(w->d, -(int64_t)(k - i));
		}
		for (unsigned j = i; j < last; j++) {
			struct am_bytes b = string_of(r->op[j], mark);

			w->d += am_uleb_write(w->d, b.n);
			put_bytes(w, b.p, b.n);
		}
	}
	column_end(w, spec);
}

bool am_ops_put_small(struct am_out *o, const am_op *ops, size_t n, const uint32_t *map)
{
	struct rows r;
	struct writer w;

	r.n = r.refs = r.no_obj = r.no_key = r.no_elem = r.insert = r.expand = r.strings = r.marks = 0;
	if (n == 0 || n > ROWS || !lay_out(&r, ops, n, map))
		return false;
	w.m = w.meta;
	w.d = w.from = w.data;
	w.columns = 0;
	put_rle(&w, AM_OBJ_ACTOR, false, r.obj_actor, r.n, r.no_obj);
	put_rle(&w, AM_OBJ_CTR, false, r.obj_ctr, r.n, r.no_obj);
	put_rle(&w, AM_KEY_ACTOR, false, r.key_actor, r.n, r.no_elem);
	put_delta(&w, AM_KEY_CTR, r.key_ctr, r.n, r.no_key);
	put_strings(&w, AM_KEY_STR, &r, r.strings, false);
	put_bool(&w, AM_INSERT, r.insert, r.n);
	put_rle(&w, AM_ACTION, false, r.action, r.n, 0);
	put_rle(&w, AM_VAL_META, false, r.meta, r.n, 0);
	for (size_t i = 0; i < n; i++)
		put_bytes(&w, ops[i].val, am_op_val_n(&ops[i]));
	column_end(&w, AM_VAL_RAW);
	put_rle(&w, AM_PRED_COUNT, false, r.ref_count, r.n, 0);
	if (r.refs) {
		put_rle(&w, AM_PRED_ACTOR, false, r.ref_actor, r.refs, 0);
		put_delta(&w, AM_PRED_CTR, r.ref_ctr, r.refs, 0);
	}
	if (r.expand)
		put_bool(&w, AM_EXPAND_COL, r.expand, r.n);
	put_strings(&w, AM_MARK_NAME, &r, r.marks, true);
	am_out_byte(o, (uint8_t)w.columns);
	am_out_put(o, w.meta, (size_t)(w.m - w.meta));
	am_out_put(o, w.data, (size_t)(w.d - w.data));
	return true;
}
