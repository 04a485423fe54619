#include "automerge/opcol.h"

#include "base/utf8.h"

/* ---- column lists ---- */

int am_columns_parse(struct am_in *in, struct am_columns *ret)
{
	uint64_t spec, n;
	size_t count;
	uint32_t before = 0;
	int rc = am_in_count(in, 2, &count);

	if (rc)
		return rc;
	if (count > AM_MAX_COLUMNS)
		return AM_E_LIMIT;
	ret->n = count;
	for (size_t i = 0; i < count; i++) {
		struct am_column *c = &ret->v[i];

		if ((rc = am_in_uleb(in, &spec)) || (rc = am_in_uleb(in, &n)))
			return rc;
		if (spec > UINT32_MAX || n == 0)
			return AM_E_FORMAT;
		if (n > SIZE_MAX / 2)
			return AM_E_EOF;
		c->deflated = (spec & AM_SPEC_DEFLATE) != 0;
		c->spec = (uint32_t)spec & ~(uint32_t)AM_SPEC_DEFLATE;
		c->n = (size_t)n;
		c->p = NULL;
		if (i && c->spec <= before)
			return AM_E_FORMAT;
		before = c->spec;
	}
	return AM_OK;
}

int am_columns_data(struct am_in *in, struct am_columns *cols)
{
	int rc;

	for (size_t i = 0; i < cols->n; i++) {
		rc = am_in_bytes(in, cols->v[i].n, &cols->v[i].p);
		if (rc)
			return rc;
	}
	return AM_OK;
}

struct am_bytes am_columns_get(const struct am_columns *cols, uint32_t spec)
{
	for (size_t i = 0; i < cols->n; i++)
		if (cols->v[i].spec == spec)
			return (struct am_bytes){cols->v[i].p, cols->v[i].n};
	return (struct am_bytes){NULL, 0};
}

int am_columns_collect(const struct am_column_source *all, size_t n, struct am_columns *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct am_out *o = all[i].rle ? &all[i].rle->out : all[i].out;

		if (all[i].rle)
			am_rle_finish(all[i].rle);
		if (o->err)
			return o->err;
		if (o->n)
			ret->v[ret->n++] = (struct am_column){.spec = all[i].spec, .n = o->n, .p = o->p};
	}
	return AM_OK;
}

void am_columns_put_meta(struct am_out *o, const struct am_columns *cols)
{
	am_out_uleb(o, cols->n);
	for (size_t i = 0; i < cols->n; i++) {
		am_out_uleb(o, cols->v[i].spec | (cols->v[i].deflated ? AM_SPEC_DEFLATE : 0));
		am_out_uleb(o, cols->v[i].n);
	}
}

void am_columns_put_data(struct am_out *o, const struct am_columns *cols)
{
	for (size_t i = 0; i < cols->n; i++)
		am_out_put(o, cols->v[i].p, cols->v[i].n);
}

/* ---- encoding ---- */

void am_op_enc_init(struct am_op_enc *e, const am_allocator *a)
{
	*e = (struct am_op_enc){0};
	am_rle_enc_init(&e->obj_actor, a, AM_RLE_UINT);
	am_rle_enc_init(&e->obj_ctr, a, AM_RLE_UINT);
	am_rle_enc_init(&e->key_actor, a, AM_RLE_UINT);
	am_rle_enc_init(&e->key_ctr.r, a, AM_RLE_INT);
	am_rle_enc_init(&e->key_str, a, AM_RLE_STR);
	am_rle_enc_init(&e->id_actor, a, AM_RLE_UINT);
	am_rle_enc_init(&e->id_ctr.r, a, AM_RLE_INT);
	am_rle_enc_init(&e->action, a, AM_RLE_UINT);
	am_rle_enc_init(&e->meta, a, AM_RLE_UINT);
	am_rle_enc_init(&e->ref_count, a, AM_RLE_UINT);
	am_rle_enc_init(&e->ref_actor, a, AM_RLE_UINT);
	am_rle_enc_init(&e->ref_ctr.r, a, AM_RLE_INT);
	am_rle_enc_init(&e->mark, a, AM_RLE_STR);
	e->insert.out.a = e->expand.out.a = e->raw.a = a;
}

void am_op_enc_fini(struct am_op_enc *e)
{
	struct am_rle_enc *all[] = {&e->obj_actor, &e->obj_ctr, &e->key_actor, &e->key_ctr.r, &e->key_str,
				    &e->id_actor, &e->id_ctr.r, &e->action, &e->meta, &e->ref_count,
				    &e->ref_actor, &e->ref_ctr.r, &e->mark};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		am_rle_enc_fini(all[i]);
	am_out_free(&e->insert.out);
	am_out_free(&e->expand.out);
	am_out_free(&e->raw);
}

void am_op_enc_reset(struct am_op_enc *e, enum am_op_form form)
{
	struct am_rle_enc *all[] = {&e->obj_actor, &e->obj_ctr, &e->key_actor, &e->key_ctr.r, &e->key_str,
				    &e->id_actor, &e->id_ctr.r, &e->action, &e->meta, &e->ref_count,
				    &e->ref_actor, &e->ref_ctr.r, &e->mark};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		am_rle_enc_reset(all[i]);
	e->key_ctr.acc = e->id_ctr.acc = e->ref_ctr.acc = e->obj_acc = 0;
	e->obj_ctr.kind = form == AM_FORM_BUNDLE ? AM_RLE_INT : AM_RLE_UINT;
	am_bool_enc_reset(&e->insert);
	am_bool_enc_reset(&e->expand);
	e->raw.n = 0;
	e->raw.err = 0;
	e->form = form;
	e->n = 0;
}

static inline uint32_t mapped(const uint32_t *map, uint32_t actor)
{
	return map ? map[actor] : actor;
}

static void put_key(struct am_op_enc *e, const am_op *op, const uint32_t *map)
{
	if (op->key_is_str) {
		am_rle_null(&e->key_actor, 1);
		am_rle_null(&e->key_ctr.r, 1);
		am_rle_str(&e->key_str, op->key, op->key_n, 1);
		return;
	}
	am_rle_null(&e->key_str, op->run);
	if (am_id_is_null(op->elem))
		am_rle_null(&e->key_actor, 1);
	else
		am_rle_put(&e->key_actor, mapped(map, op->elem.actor), 1);
	am_delta_put(&e->key_ctr, op->elem.ctr);
	if (op->step) {
		am_rle_put(&e->key_actor, mapped(map, op->elem.actor), op->run - 1);
		am_delta_steps(&e->key_ctr, op->step, op->run - 1);
	} else if (op->run > 1) {
		am_rle_put(&e->key_actor, mapped(map, op->id.actor), op->run - 1);
		am_delta_run(&e->key_ctr, op->id.ctr, op->run - 1);
	}
}

static void put_value(struct am_op_enc *e, const am_op *op)
{
	size_t n = am_op_val_n(op), k = 0;

	am_out_put(&e->raw, op->val, n);
	if (op->run == 1 || op->step || n == op->run) {
		am_rle_put(&e->meta, n && op->run > 1 ? 1 << 4 | AM_VAL_STR : op->meta, op->run);
		return;
	}
	for (; k < n; k += am_char_n(op->val[k]))
		am_rle_put(&e->meta, (uint64_t)am_char_n(op->val[k]) << 4 | AM_VAL_STR, 1);
}

/* How many of n references from r on go the same way, one by one. */
static uint32_t same_way(const am_id *r, uint32_t n, int *ret_step)
{
	uint32_t k = 1, step;

	*ret_step = 0;
	if (n < 2 || r[1].actor != r[0].actor)
		return 1;
	step = r[1].ctr - r[0].ctr;
	if (step != 1 && step != UINT32_MAX)
		return 1;
	*ret_step = step == 1 ? 1 : -1;
	while (k < n && r[k].actor == r[0].actor && r[k].ctr - r[k - 1].ctr == step)
		k++;
	return k;
}

static void put_refs(struct am_op_enc *e, const am_op *op, const uint32_t *map)
{
	uint32_t n;
	int step;

	if (op->step) {
		am_rle_put(&e->ref_count, 1, op->run);
		am_rle_put(&e->ref_actor, mapped(map, op->elem.actor), op->run);
		am_delta_put(&e->ref_ctr, op->elem.ctr);
		am_delta_steps(&e->ref_ctr, op->step, op->run - 1);
		return;
	}
	if (op->run == 1)
		am_rle_put(&e->ref_count, op->n_refs, 1);
	else
		am_rle_put(&e->ref_count, op->n_refs != 0, op->run);
	for (uint32_t i = 0; i < op->n_refs; i += n) {
		n = same_way(op->refs + i, op->n_refs - i, &step);
		am_rle_put(&e->ref_actor, mapped(map, op->refs[i].actor), n);
		am_delta_put(&e->ref_ctr, op->refs[i].ctr);
		am_delta_steps(&e->ref_ctr, step, n - 1);
	}
}

static void put_obj_ctr(struct am_op_enc *e, const am_op *op)
{
	if (e->form != AM_FORM_BUNDLE) {
		am_rle_put(&e->obj_ctr, op->obj.ctr, op->run);
		return;
	}
	am_rle_put(&e->obj_ctr, op->obj.ctr - e->obj_acc, 1);
	am_rle_put(&e->obj_ctr, 0, op->run - 1);
	e->obj_acc = op->obj.ctr;
}

void am_op_enc_put(struct am_op_enc *e, const am_op *op, const uint32_t *map)
{
	if (am_id_is_null(op->obj)) {
		am_rle_null(&e->obj_actor, op->run);
		am_rle_null(&e->obj_ctr, op->run);
	} else {
		am_rle_put(&e->obj_actor, mapped(map, op->obj.actor), op->run);
		put_obj_ctr(e, op);
	}
	put_key(e, op, map);
	if (e->form != AM_FORM_CHANGE) {
		am_rle_put(&e->id_actor, mapped(map, op->id.actor), op->run);
		am_delta_run(&e->id_ctr, op->id.ctr, op->run);
	}
	am_bool_put(&e->insert, op->insert, op->run);
	am_rle_put(&e->action, op->action, op->run);
	put_value(e, op);
	put_refs(e, op, map);
	am_bool_put(&e->expand, op->expand, op->run);
	if (op->mark)
		am_rle_str(&e->mark, op->mark, op->mark_n, 1);
	else
		am_rle_null(&e->mark, op->run);
	e->n += op->run;
}

static int list_column(struct am_columns *cols, uint32_t spec, const struct am_out *o)
{
	if (o->err)
		return o->err;
	if (o->n)
		cols->v[cols->n++] = (struct am_column){.spec = spec, .n = o->n, .p = o->p};
	return AM_OK;
}

int am_op_enc_finish(struct am_op_enc *e, struct am_columns *ret)
{
	bool doc = e->form == AM_FORM_DOCUMENT, bundle = e->form == AM_FORM_BUNDLE;
	struct { uint32_t spec; struct am_rle_enc *rle; const struct am_out *out; } all[] = {
		{AM_OBJ_ACTOR, &e->obj_actor, NULL}, {bundle ? AM_OBJ_DELTA : AM_OBJ_CTR, &e->obj_ctr, NULL},
		{AM_KEY_ACTOR, &e->key_actor, NULL}, {AM_KEY_CTR, &e->key_ctr.r, NULL},
		{AM_KEY_STR, &e->key_str, NULL}, {AM_ID_ACTOR, &e->id_actor, NULL},
		{AM_ID_CTR, &e->id_ctr.r, NULL}, {AM_INSERT, NULL, &e->insert.out},
		{AM_ACTION, &e->action, NULL}, {AM_VAL_META, &e->meta, NULL}, {AM_VAL_RAW, NULL, &e->raw},
		{doc ? AM_SUCC_COUNT : AM_PRED_COUNT, &e->ref_count, NULL},
		{doc ? AM_SUCC_ACTOR : AM_PRED_ACTOR, &e->ref_actor, NULL},
		{doc ? AM_SUCC_CTR : AM_PRED_CTR, &e->ref_ctr.r, NULL},
		{AM_EXPAND_COL, NULL, &e->expand.out}, {AM_MARK_NAME, &e->mark, NULL}};
	int rc;

	am_bool_finish(&e->insert);
	if (e->expand.any)
		am_bool_finish(&e->expand);
	else
		e->expand.out.n = 0;
	ret->n = 0;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (all[i].rle)
			am_rle_finish(all[i].rle);
		rc = list_column(ret, all[i].spec, all[i].rle ? &all[i].rle->out : all[i].out);
		if (rc)
			return rc;
	}
	return AM_OK;
}

/* ---- values and runs ---- */

static int check_leb(bool is_signed, const uint8_t *p, size_t n)
{
	struct am_in in = am_in_of(p, n);
	uint64_t u;
	int64_t i;
	int rc = is_signed ? am_in_sleb(&in, &i) : am_in_uleb(&in, &u);

	return rc || in.p != in.end ? AM_E_FORMAT : AM_OK;
}

int am_value_check(uint8_t type, const uint8_t *p, size_t n)
{
	switch (type) {
	case AM_VAL_NULL:
	case AM_VAL_FALSE:
	case AM_VAL_TRUE:
		return n ? AM_E_FORMAT : AM_OK;
	case AM_VAL_UINT:
		return check_leb(false, p, n);
	case AM_VAL_INT:
	case AM_VAL_COUNTER:
	case AM_VAL_TIMESTAMP:
		return check_leb(true, p, n);
	case AM_VAL_F64:
		return n == 8 ? AM_OK : AM_E_FORMAT;
	case AM_VAL_STR:
		if (n == 1 && p[0] < 0x80) /* typing */
			return AM_OK;
		return utf8_valid(p, n) ? AM_OK : AM_E_FORMAT;
	default:
		return AM_OK;
	}
}

bool am_op_is_char(const am_op *op)
{
	size_t n = am_op_val_n(op);

	return op->run == 1 && op->insert && op->action == AM_ACT_SET && !op->key_is_str && !op->expand && !op->mark &&
	       am_op_type(op) == AM_VAL_STR && n && n == am_char_n(op->val[0]);
}

bool am_op_join(am_op *last, const am_op *op, enum am_op_form form)
{
	am_id end = {last->id.ctr + last->run - 1, last->id.actor};

	if (!last->insert || !op->insert || op->id.ctr != end.ctr + 1 || op->id.actor != end.actor ||
	    !am_id_eq(op->elem, end) || !am_id_eq(op->obj, last->obj))
		return false;
	if (last->val + am_op_val_n(last) != op->val || !am_op_is_char(op) ||
	    (last->run == 1 && !am_op_is_char(last)))
		return false;
	if (last->n_refs || op->n_refs) {
		if (form == AM_FORM_CHANGE || op->n_refs != 1 || last->n_refs != last->run ||
		    op->refs != last->refs + last->n_refs)
			return false;
	}
	last->meta += (uint64_t)am_op_val_n(op) << 4;
	last->run++;
	last->n_refs += op->n_refs;
	return true;
}

am_op am_op_slice(const am_op *run, uint32_t from, uint32_t n, size_t *byte)
{
	am_op op = *run;
	size_t end = *byte;

	if (run->run == 1)
		return op;
	for (uint32_t i = 0; i < n; i++)
		end += am_char_n(run->val[end]);
	op.id.ctr += from;
	op.run = n;
	if (from)
		op.elem = (am_id){op.id.ctr - 1, op.id.actor};
	op.val += *byte;
	op.meta = (uint64_t)(end - *byte) << 4 | AM_VAL_STR;
	if (op.n_refs) {
		op.refs += from;
		op.n_refs = n;
	}
	*byte = end;
	return op;
}

/* ---- decoding ---- */

static void dec_rle(struct am_rle_dec *d, const struct am_columns *cols, uint32_t spec, enum am_rle_kind kind,
		    bool strict)
{
	struct am_bytes b = am_columns_get(cols, spec);

	am_rle_dec_init(d, b.p, b.n, kind, strict);
}

static void dec_bool(struct am_bool_dec *d, const struct am_columns *cols, uint32_t spec, bool strict)
{
	struct am_bytes b = am_columns_get(cols, spec);

	am_bool_dec_init(d, b.p, b.n, strict);
}

int am_op_dec_init(struct am_op_dec *d, const struct am_columns *cols, enum am_op_form form, uint32_t n_actors,
		   uint64_t max_ops, bool strict)
{
	bool doc = form == AM_FORM_DOCUMENT, bundle = form == AM_FORM_BUNDLE;
	struct am_bytes action = am_columns_get(cols, AM_ACTION), raw = am_columns_get(cols, AM_VAL_RAW);
	struct am_bytes count = am_columns_get(cols, doc ? AM_SUCC_COUNT : AM_PRED_COUNT);
	uint64_t unused;
	int rc;

	*d = (struct am_op_dec){.form = form, .n_actors = n_actors, .raw = am_in_of(raw.p, raw.n)};
	rc = am_rle_count(action.p, action.n, AM_RLE_UINT, max_ops, &d->rows, NULL);
	if (rc || (rc = am_rle_count(count.p, count.n, AM_RLE_UINT, max_ops, &unused, &d->refs)))
		return rc;
	if (d->rows && ((!count.n && !bundle) || !am_columns_get(cols, AM_VAL_META).n ||
			(!doc && !am_columns_get(cols, AM_INSERT).n)))
		return AM_E_FORMAT;
	dec_rle(&d->obj_actor, cols, AM_OBJ_ACTOR, AM_RLE_UINT, strict);
	dec_rle(&d->obj_ctr, cols, bundle ? AM_OBJ_DELTA : AM_OBJ_CTR, bundle ? AM_RLE_INT : AM_RLE_UINT, strict);
	dec_rle(&d->key_actor, cols, AM_KEY_ACTOR, AM_RLE_UINT, strict);
	dec_rle(&d->key_ctr.r, cols, AM_KEY_CTR, AM_RLE_INT, strict);
	dec_rle(&d->key_str, cols, AM_KEY_STR, AM_RLE_STR, strict);
	dec_rle(&d->id_actor, cols, AM_ID_ACTOR, AM_RLE_UINT, strict);
	dec_rle(&d->id_ctr.r, cols, AM_ID_CTR, AM_RLE_INT, strict);
	dec_rle(&d->action, cols, AM_ACTION, AM_RLE_UINT, strict);
	dec_rle(&d->meta, cols, AM_VAL_META, AM_RLE_UINT, strict);
	dec_rle(&d->ref_count, cols, doc ? AM_SUCC_COUNT : AM_PRED_COUNT, AM_RLE_UINT, strict);
	dec_rle(&d->ref_actor, cols, doc ? AM_SUCC_ACTOR : AM_PRED_ACTOR, AM_RLE_UINT, strict);
	dec_rle(&d->ref_ctr.r, cols, doc ? AM_SUCC_CTR : AM_PRED_CTR, AM_RLE_INT, strict);
	dec_rle(&d->mark, cols, AM_MARK_NAME, AM_RLE_STR, strict);
	dec_bool(&d->insert, cols, AM_INSERT, strict);
	dec_bool(&d->expand, cols, AM_EXPAND_COL, strict);
	return AM_OK;
}

/* Two columns that make up an id; *ret_null when both are null. */
static int make_id(const struct am_op_dec *d, bool null_actor, uint64_t actor, bool null_ctr, uint64_t ctr,
		   am_id *ret)
{
	if (null_actor || null_ctr)
		return AM_E_FORMAT;
	if (actor >= d->n_actors)
		return AM_E_FORMAT;
	if (ctr > AM_MAX_COUNTER)
		return (int64_t)ctr < 0 ? AM_E_FORMAT : AM_E_LIMIT;
	if (ctr == 0)
		return AM_E_FORMAT;
	*ret = (am_id){(uint32_t)ctr, (uint32_t)actor};
	return AM_OK;
}

static int next_obj(struct am_op_dec *d, am_op *op)
{
	bool null_a, null_c;
	int rc;

	if ((rc = am_rle_next(&d->obj_actor, &null_a)) || (rc = am_rle_next(&d->obj_ctr, &null_c)))
		return rc;
	op->obj = (am_id){0, 0};
	if (null_a && null_c)
		return AM_OK;
	if (d->form != AM_FORM_BUNDLE)
		return make_id(d, null_a, d->obj_actor.v, null_c, d->obj_ctr.v, &op->obj);
	if (!null_c)
		d->obj_acc += d->obj_ctr.v;
	return make_id(d, null_a, d->obj_actor.v, null_c, d->obj_acc, &op->obj);
}

static int next_key(struct am_op_dec *d, am_op *op)
{
	bool null_a, null_c, null_s;
	uint64_t ctr;
	int rc;

	if ((rc = am_rle_next(&d->key_actor, &null_a)) || (rc = am_delta_next(&d->key_ctr, &null_c, &ctr)) ||
	    (rc = am_rle_next(&d->key_str, &null_s)))
		return rc;
	op->elem = (am_id){0, 0};
	op->key_is_str = !null_s;
	op->key = NULL;
	op->key_n = 0;
	if (!null_s) {
		if (!null_a || !null_c || d->key_str.s_n > UINT32_MAX || !utf8_valid(d->key_str.s, d->key_str.s_n))
			return AM_E_FORMAT;
		op->key = d->key_str.s;
		op->key_n = (uint32_t)d->key_str.s_n;
		return AM_OK;
	}
	if (null_a && !null_c && ctr == 0)
		return AM_OK;
	return make_id(d, null_a, d->key_actor.v, null_c, ctr, &op->elem);
}

static int next_value(struct am_op_dec *d, am_op *op)
{
	bool null;
	int rc = am_rle_next(&d->meta, &null);

	if (rc)
		return rc;
	if (null || d->meta.v >> 4 > INT32_MAX)
		return AM_E_FORMAT;
	op->meta = d->meta.v;
	rc = am_in_bytes(&d->raw, am_op_val_n(op), &op->val);
	if (rc)
		return AM_E_FORMAT;
	return am_value_check(am_op_type(op), op->val, am_op_val_n(op));
}

static int next_refs(struct am_op_dec *d, am_op *op, am_id *refs)
{
	bool null_a, null_c;
	uint64_t ctr;
	int rc = am_rle_next(&d->ref_count, &null_c);

	if (rc)
		return rc;
	if (null_c && d->form != AM_FORM_BUNDLE)
		return AM_E_FORMAT;
	op->refs = refs;
	op->n_refs = null_c ? 0 : (uint32_t)d->ref_count.v;
	for (uint32_t i = 0; i < op->n_refs; i++) {
		if ((rc = am_rle_next(&d->ref_actor, &null_a)) || (rc = am_delta_next(&d->ref_ctr, &null_c, &ctr)) ||
		    (rc = make_id(d, null_a, d->ref_actor.v, null_c, ctr, &refs[i])))
			return rc;
	}
	return AM_OK;
}

/* Bundles of the newer form have no counters: placed by the caller. */
static int next_bundle_id(struct am_op_dec *d, am_op *op)
{
	bool null_id, null_ctr;
	uint64_t ctr;
	int rc;

	if ((rc = am_rle_next(&d->id_actor, &null_id)) || (rc = am_delta_next(&d->id_ctr, &null_ctr, &ctr)))
		return rc;
	return make_id(d, null_id, d->id_actor.v, false, d->id_ctr.r.absent ? 1 : null_ctr ? 0 : ctr, &op->id);
}

static int next_flags(struct am_op_dec *d, am_op *op)
{
	bool null_id, null_ctr, null;
	uint64_t n, ctr;
	int rc;

	if (d->form == AM_FORM_DOCUMENT) {
		if ((rc = am_rle_next(&d->id_actor, &null_id)) || (rc = am_delta_next(&d->id_ctr, &null_ctr, &ctr)) ||
		    (rc = make_id(d, null_id, d->id_actor.v, null_ctr, ctr, &op->id)))
			return rc;
	}
	if (d->form == AM_FORM_BUNDLE && (rc = next_bundle_id(d, op)))
		return rc;
	if ((rc = am_bool_peek(&d->insert, &op->insert, &n)) || (rc = am_bool_peek(&d->expand, &op->expand, &n)))
		return rc;
	am_bool_take(&d->insert, 1);
	am_bool_take(&d->expand, 1);
	if ((rc = am_rle_next(&d->action, &null)))
		return rc;
	if (null || d->action.v >= AM_ACT_N)
		return AM_E_FORMAT;
	op->action = (uint8_t)d->action.v;
	if ((rc = am_rle_next(&d->mark, &null)))
		return rc;
	op->mark = NULL;
	op->mark_n = 0;
	if (!null) {
		if (d->mark.s_n > UINT32_MAX || !utf8_valid(d->mark.s, d->mark.s_n))
			return AM_E_FORMAT;
		op->mark = d->mark.s;
		op->mark_n = (uint32_t)d->mark.s_n;
	}
	return AM_OK;
}

/* What action and value must agree on, in both forms. */
static int check_action(const am_op *op)
{
	uint8_t type = am_op_type(op);

	if (op->action == AM_ACT_INC && type != AM_VAL_INT && type != AM_VAL_UINT)
		return AM_E_FORMAT;
	if (op->insert && op->key_is_str)
		return AM_E_FORMAT;
	return AM_OK;
}

int am_op_dec_next(struct am_op_dec *d, am_op *ret, am_id *refs)
{
	int rc;

	ret->run = 1;
	ret->step = 0;
	ret->id = (am_id){0, 0};
	if ((rc = next_obj(d, ret)) || (rc = next_key(d, ret)) || (rc = next_flags(d, ret)) ||
	    (rc = next_value(d, ret)) || (rc = next_refs(d, ret, refs)))
		return rc;
	return check_action(ret);
}

static inline uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* How often a column goes on with the value just taken (nulls: with null). */
static uint64_t same_rle(struct am_rle_dec *d, bool want_null, uint64_t want)
{
	bool null;
	uint64_t n;

	if (am_rle_done(d) && !d->absent)
		return 0;
	if (am_rle_peek(d, &null, &n) || null != want_null || (!null && d->v != want))
		return 0;
	return n;
}

static uint64_t same_bool(struct am_bool_dec *d, bool want)
{
	bool v;
	uint64_t n;

	if (am_bool_done(d) && !d->absent)
		return 0;
	return am_bool_peek(d, &v, &n) || v != want ? 0 : n;
}

/* Strings of n chars of `size` bytes each, all of one scalar value? Returns how many are. */
static uint64_t count_chars(const struct am_in *raw, uint64_t n, uint32_t size)
{
	uint64_t most = least(n, am_in_left(raw) / size), k = 0;
	uint32_t cp;

	if (size == 1) {
		while (k < most && raw->p[k] < 0x80)
			k++;
		return k;
	}
	while (k < most && utf8_decode(raw->p + k * size, size, &cp) == size)
		k++;
	return k;
}

/* How often references go on: none at all, or one per operation, each next to the
 * one before. */
static uint64_t same_refs(struct am_op_dec *d, const am_op *prev)
{
	const am_id *r;
	uint64_t n, k;
	bool null;

	if (!prev->n_refs)
		return same_rle(&d->ref_count, false, 0);
	r = prev->refs + prev->n_refs - 1;
	n = least(same_rle(&d->ref_count, false, 1), same_rle(&d->ref_actor, false, r->actor));
	if (!n || am_rle_done(&d->ref_ctr.r) || am_rle_peek(&d->ref_ctr.r, &null, &k) || null)
		return 0;
	if (d->ref_ctr.r.v == 1)
		return least(least(n, k), AM_MAX_COUNTER - r->ctr);
	return d->ref_ctr.r.v == UINT64_MAX ? least(least(n, k), r->ctr - 1) : 0;
}

static void take_refs(struct am_op_dec *d, am_op *prev, uint32_t n)
{
	uint32_t step = d->ref_ctr.r.v == 1 ? 1 : UINT32_MAX;
	am_id *to;

	am_rle_take(&d->ref_count, n);
	if (!prev->n_refs)
		return;
	to = (am_id *)(uintptr_t)prev->refs + prev->n_refs; /* the decoder's caller owns them */
	for (uint32_t i = 0; i < n; i++)
		to[i] = (am_id){to[-1].ctr + step * (i + 1), to[-1].actor};
	d->ref_ctr.acc = to[n - 1].ctr;
	am_rle_take(&d->ref_actor, n);
	am_rle_take(&d->ref_ctr.r, n);
	prev->n_refs += n;
}

/* The first element key after prev must be prev itself, then steps of one. */
static bool keys_go_on(struct am_op_dec *d, uint32_t last)
{
	bool null;
	uint64_t n;

	if (am_rle_done(&d->key_ctr.r) || am_rle_peek(&d->key_ctr.r, &null, &n) || null)
		return false;
	return d->key_ctr.r.v == 1 && d->key_ctr.acc + 1 == last;
}

int am_op_dec_run(struct am_op_dec *d, am_op *prev, uint32_t *ret_n)
{
	bool doc = d->form == AM_FORM_DOCUMENT, root = am_id_is_null(prev->obj);
	uint32_t last = prev->id.ctr + prev->run - 1, size;
	uint64_t n;

	*ret_n = 0;
	if ((prev->n_refs && prev->n_refs != prev->run) || !keys_go_on(d, last))
		return AM_OK;
	n = same_rle(&d->key_ctr.r, false, 1);
	n = least(n, same_rle(&d->key_actor, false, prev->id.actor));
	n = least(n, same_rle(&d->obj_ctr, root, prev->obj.ctr));
	n = least(n, same_rle(&d->obj_actor, root, prev->obj.actor));
	n = least(n, same_rle(&d->key_str, true, 0));
	n = least(n, same_bool(&d->insert, true));
	n = least(n, same_rle(&d->action, false, AM_ACT_SET));
	n = least(n, same_refs(d, prev));
	n = least(n, same_bool(&d->expand, false));
	n = least(n, same_rle(&d->mark, true, 0));
	if (doc) {
		n = least(n, same_rle(&d->id_actor, false, prev->id.actor));
		n = least(n, same_rle(&d->id_ctr.r, false, 1));
	}
	if (n == 0 || n > AM_MAX_COUNTER - last)
		return AM_OK;
	size = am_rle_done(&d->meta) ? 0 : 1;
	if (!size || same_rle(&d->meta, false, d->meta.v) == 0)
		return AM_OK;
	size = (uint32_t)(d->meta.v >> 4);
	if ((d->meta.v & 15) != AM_VAL_STR || size == 0 || size > 4)
		return AM_OK;
	n = least(n, same_rle(&d->meta, false, d->meta.v));
	n = count_chars(&d->raw, n, size);
	if (n == 0)
		return AM_OK;
	am_rle_take(&d->key_ctr.r, n);
	d->key_ctr.acc += n;
	am_rle_take(&d->key_actor, n);
	am_rle_take(&d->obj_ctr, n);
	am_rle_take(&d->obj_actor, n);
	am_rle_take(&d->key_str, n);
	am_bool_take(&d->insert, n);
	am_rle_take(&d->action, n);
	take_refs(d, prev, (uint32_t)n);
	am_bool_take(&d->expand, n);
	am_rle_take(&d->mark, n);
	am_rle_take(&d->meta, n);
	if (doc) {
		am_rle_take(&d->id_actor, n);
		am_rle_take(&d->id_ctr.r, n);
		d->id_ctr.acc += n;
	}
	d->raw.p += n * size;
	prev->run += (uint32_t)n;
	prev->meta += n * size << 4;
	*ret_n = (uint32_t)n;
	return AM_OK;
}

int am_op_dec_done(const struct am_op_dec *d)
{
	bool ok = am_rle_done(&d->obj_actor) && am_rle_done(&d->obj_ctr) && am_rle_done(&d->key_actor) &&
		  am_rle_done(&d->key_ctr.r) && am_rle_done(&d->key_str) && am_rle_done(&d->action) &&
		  am_rle_done(&d->meta) && am_rle_done(&d->ref_count) && am_rle_done(&d->ref_actor) &&
		  am_rle_done(&d->ref_ctr.r) && am_rle_done(&d->mark) && am_bool_done(&d->insert) &&
		  am_bool_done(&d->expand) && d->raw.p == d->raw.end &&
		  (d->form == AM_FORM_CHANGE || (am_rle_done(&d->id_actor) && am_rle_done(&d->id_ctr.r)));

	return ok ? AM_OK : AM_E_FORMAT;
}
