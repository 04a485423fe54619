/* Objects as JSON. Nesting may be as deep as a document likes: own stack. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "automerge/id.h"
#include "automerge/sequence.h"
#include "automerge/view.h"

enum frame_kind { FRAME_MAP, FRAME_LIST, FRAME_WINNER, FRAME_CONFLICTS };
struct frame {
	enum frame_kind kind;
	uint32_t at;     /* next register / span / visible value */
	uint32_t reg, s; /* conflicts: register (or none and a plain element) */
	struct am_piece piece;
	uint32_t k;      /* next element of the piece */
	bool first;
};
struct json {
	am_doc *doc;
	const am_clock *clock;
	bool conflicts;
	struct am_out o;
	AM_VEC(struct frame) stack;
};

static void put_str(struct am_out *o, const char *s)
{
	am_out_put(o, s, strlen(s));
}

static void put_quoted(struct am_out *o, const uint8_t *p, size_t n)
{
	char esc[8];
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
			continue;
		am_out_put(o, p + from, i - from);
		from = i + 1;
		switch (p[i]) {
		case '"': put_str(o, "\\\""); break;
		case '\\': put_str(o, "\\\\"); break;
		case '\n': put_str(o, "\\n"); break;
		case '\r': put_str(o, "\\r"); break;
		case '\t': put_str(o, "\\t"); break;
		case '\b': put_str(o, "\\b"); break;
		case '\f': put_str(o, "\\f"); break;
		default:
			snprintf(esc, sizeof esc, "\\u%04x", p[i]);
			put_str(o, esc);
		}
	}
	am_out_put(o, p + from, n - from);
}

static void put_string(struct am_out *o, const uint8_t *p, size_t n)
{
	am_out_byte(o, '"');
	put_quoted(o, p, n);
	am_out_byte(o, '"');
}

/* The shortest decimal form that reads back as the same number. */
static void put_double(struct am_out *o, double f)
{
	char num[40];

	if (!isfinite(f)) {
		put_str(o, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(num, sizeof num, "%.*g", digits, f);
		if (strtod(num, NULL) == f)
			break;
	}
	for (char *c = num; *c; c++)
		if (*c == ',')
			*c = '.'; /* a locale's decimal comma */
	put_str(o, num);
}

static void put_bytes(struct am_out *o, const uint8_t *p, size_t n)
{
	char num[8];

	am_out_byte(o, '[');
	for (size_t i = 0; i < n; i++) {
		snprintf(num, sizeof num, i ? ",%u" : "%u", p[i]);
		put_str(o, num);
	}
	am_out_byte(o, ']');
}

static void put_scalar(struct am_out *o, const am_value *v)
{
	char num[32];

	switch (v->type) {
	case AM_BOOL:
		put_str(o, v->b ? "true" : "false");
		break;
	case AM_INT:
	case AM_COUNTER:
	case AM_TIMESTAMP:
		snprintf(num, sizeof num, "%lld", (long long)v->i);
		put_str(o, num);
		break;
	case AM_UINT:
		snprintf(num, sizeof num, "%llu", (unsigned long long)v->u);
		put_str(o, num);
		break;
	case AM_F64:
		put_double(o, v->f);
		break;
	case AM_STR:
		put_string(o, v->s.p, v->s.n);
		break;
	case AM_BYTES:
		put_bytes(o, v->s.p, v->s.n);
		break;
	case AM_TABLE:
		put_str(o, "[]");
		break;
	default:
		put_str(o, "null");
	}
}

static void put_text(struct json *j, uint32_t obj)
{
	struct am_piece p;

	am_out_byte(&j->o, '"');
	for (uint32_t s = am_seq_first(j->doc->ops, obj); s != AM_NONE; s = am_seq_next(j->doc->ops, s)) {
		const uint8_t *t;
		size_t n;
		if (!am_piece_at(j->doc, j->clock, s, &p))
			continue;
		am_piece_text(j->doc, &p, &t, &n);
		put_quoted(&j->o, t, n);
	}
	am_out_byte(&j->o, '"');
}

static int push(struct json *j, struct frame f)
{
	if (am_vec_reserve(&j->doc->a, &j->stack, 1))
		return AM_E_NOMEM;
	f.first = true;
	j->stack.p[j->stack.n++] = f;
	return AM_OK;
}

static int open_object(struct json *j, uint32_t obj)
{
	struct am_ops *ops = j->doc->ops;
	struct frame f = {.kind = FRAME_MAP};
	int rc;

	if (ops->obj.p[obj].type == AM_TEXT) {
		put_text(j, obj);
		return AM_OK;
	}
	if (am_obj_is_map(&ops->obj.p[obj])) {
		rc = am_map_sort(j->doc, obj);
		if (rc)
			return rc;
		f.at = ops->obj.p[obj].m.first;
		am_out_byte(&j->o, '{');
		return push(j, f);
	}
	f.kind = FRAME_LIST;
	f.at = am_seq_first(ops, obj);
	am_out_byte(&j->o, '[');
	return push(j, f);
}

/* The value of element k of span s. */
static int put_value(struct json *j, uint32_t s, uint32_t k)
{
	const struct am_span *x = &j->doc->ops->span.p[s];
	am_value v;

	if (am_action_is_make(x->action) && x->aux != AM_NONE)
		return open_object(j, x->aux);
	am_value_at(j->doc, j->clock, s, k, &v);
	put_scalar(&j->o, &v);
	return AM_OK;
}

static int put_register(struct json *j, uint32_t win, uint32_t k, uint32_t reg, bool conflict)
{
	struct frame f = {.kind = FRAME_WINNER, .reg = reg, .s = win};

	if (!conflict || !j->conflicts)
		return put_value(j, win, k);
	put_str(&j->o, "{\"winner\":");
	return push(j, f);
}

static void separate(struct json *j, struct frame *f)
{
	if (!f->first)
		am_out_byte(&j->o, ',');
	f->first = false;
}

static int step_map(struct json *j, struct frame *f)
{
	struct am_ops *ops = j->doc->ops;

	while (f->at != AM_NONE) {
		uint32_t r = f->at, win;
		bool conflict;
		f->at = ops->reg.p[r].next;
		win = am_reg_winner(j->doc, j->clock, r, &conflict);
		if (win == AM_NONE)
			continue;
		separate(j, f);
		put_string(&j->o, am_key_text(ops, ops->reg.p[r].key), ops->key.p[ops->reg.p[r].key].n);
		am_out_byte(&j->o, ':');
		return put_register(j, win, 0, r, conflict);
	}
	j->stack.n--;
	am_out_byte(&j->o, '}');
	return AM_OK;
}

static int step_list(struct json *j, struct frame *f)
{
	struct am_ops *ops = j->doc->ops;

	for (;;) {
		if (f->k < f->piece.k + f->piece.n) {
			uint32_t k = f->k++;
			if (ops->span.p[f->piece.win].action == AM_ACT_MARK)
				continue;
			separate(j, f);
			return put_register(j, f->piece.win, f->piece.win == f->piece.s ? k : 0,
					    ops->span.p[f->piece.s].reg, f->piece.conflict);
		}
		if (f->at == AM_NONE)
			break;
		f->piece.n = 0;
		if (!am_piece_at(j->doc, j->clock, f->at, &f->piece))
			f->piece.n = 0;
		f->k = f->piece.k;
		f->at = am_seq_next(ops, f->at);
	}
	j->stack.n--;
	am_out_byte(&j->o, ']');
	return AM_OK;
}

static void put_op_id(struct json *j, am_id id)
{
	am_out_byte(&j->o, '"');
	am_id_put(j->doc, &j->o, id);
	put_str(&j->o, "\":");
}

static int step_conflict(struct json *j, struct frame *f)
{
	struct am_ops *ops = j->doc->ops;

	if (f->kind == FRAME_WINNER) {
		if (f->first) {
			f->first = false;
			return put_value(j, f->s, 0);
		}
		put_str(&j->o, ",\"conflicts\":{");
		f->kind = FRAME_CONFLICTS;
		f->at = ops->reg.p[f->reg].head;
		f->first = true;
	}
	while (f->at != AM_NONE) {
		uint32_t s = f->at;
		f->at = ops->span.p[s].next;
		if (!am_op_visible(j->doc, j->clock, s))
			continue;
		separate(j, f);
		put_op_id(j, ops->span.p[s].id);
		return put_value(j, s, 0);
	}
	j->stack.n--;
	put_str(&j->o, "}}");
	return AM_OK;
}

int am_json(am_doc *doc, const am_view *view, am_objid obj, bool conflicts, am_buf *out)
{
	struct json j = {.doc = doc, .clock = am_scope(doc, view), .conflicts = conflicts, .o.a = &doc->a};
	uint32_t slot;
	int rc = am_obj_get(doc, j.clock, obj, &slot);

	if (rc == AM_OK)
		rc = open_object(&j, slot);
	while (rc == AM_OK && j.stack.n) {
		struct frame *f = &j.stack.p[j.stack.n - 1];
		rc = f->kind == FRAME_MAP    ? step_map(&j, f)
		     : f->kind == FRAME_LIST ? step_list(&j, f)
					     : step_conflict(&j, f);
	}
	if (rc == AM_OK)
		rc = am_buf_take(out, &j.o);
	am_out_free(&j.o);
	am_vec_free(&doc->a, &j.stack);
	return rc;
}
