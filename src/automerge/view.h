/* What is visible: now, or in the operations a clock covers. A clock of NULL
 * means now everywhere here. */
#ifndef AUTOMERGE_VIEW_H
#define AUTOMERGE_VIEW_H
#include "automerge/span.h"

struct am_view {
	am_allocator a;
	am_clock clock;
};

/* The clock reads go by: of the view, of an isolated transaction, or NULL. */
const am_clock *am_scope(const am_doc *doc, const am_view *view);

/* The visible stretch of insert span s: elements k .. k+n-1, their value in span
 * `win` (s itself unless something was written to the element). */
struct am_piece {
	uint32_t s, k, n, win, w;
	bool conflict;
};
bool am_piece_at(const am_doc *doc, const am_clock *clock, uint32_t s, struct am_piece *ret);
/* Winner of a register, AM_NONE when nothing is visible. */
uint32_t am_reg_winner(const am_doc *doc, const am_clock *clock, uint32_t reg, bool *ret_conflict);
/* A single operation by itself. */
bool am_op_visible(const am_doc *doc, const am_clock *clock, uint32_t s);
/* Next lower visible span of a register than s (s == AM_NONE: the winner). */
uint32_t am_reg_below(const am_doc *doc, const am_clock *clock, uint32_t reg, uint32_t s);
/* Value of element k of span s. */
void am_value_at(const am_doc *doc, const am_clock *clock, uint32_t s, uint32_t k, am_value *ret);
int64_t am_counter_at(const am_doc *doc, const am_clock *clock, uint32_t s);

/* What a piece of a text reads as. */
void am_piece_text(const am_doc *doc, const struct am_piece *p, const uint8_t **ret_p, size_t *ret_n);

/* The whole text of a slot, appended. */
void am_text_put(am_doc *doc, const am_clock *clock, uint32_t obj, struct am_out *o);

/* An element found by position. */
struct am_elem {
	struct am_piece piece; /* it lies in this one ... */
	uint32_t k;            /* ... at this offset of piece.s */
	size_t start, w;       /* its first unit and width */
	size_t span_start;     /* first unit of the piece */
};
/* Element covering unit pos; AM_E_INDEX past the end. */
int am_elem_find(am_doc *doc, const am_clock *clock, uint32_t obj, size_t pos, struct am_elem *ret);
/* Units before the (visible or not) element k of insert span s. */
size_t am_elem_position(am_doc *doc, const am_clock *clock, uint32_t s, uint32_t k);
size_t am_seq_length(am_doc *doc, const am_clock *clock, uint32_t obj);
/* Covered and, in a clock, known: else reads say AM_E_NOT_FOUND. Slot of an object. */
int am_obj_get(am_doc *doc, const am_clock *clock, am_objid id, uint32_t *ret);
#endif
