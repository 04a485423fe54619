/* Marks: which are in force while walking through a text (automerge format 1.8). */
#ifndef AUTOMERGE_MARK_H
#define AUTOMERGE_MARK_H
#include "automerge/view.h"

/* The open begins, in the order they were met. */
struct am_mark_set {
	AM_VEC(uint32_t) open; /* spans of mark begins */
};
/* Takes notice of a visible mark element. */
int am_mark_set_meet(am_doc *doc, struct am_mark_set *set, uint32_t s);
/* The begin in force for a name: the highest id; AM_NONE. Its value may be null. */
uint32_t am_mark_set_get(const am_doc *doc, const struct am_mark_set *set, uint32_t name);
/* Equal values; AM_NONE equals null. */
bool am_mark_equal(const struct am_ops *ops, uint32_t a, uint32_t b);
bool am_mark_is_null(const struct am_ops *ops, uint32_t s);
/* Adds the names (key indices) of set to a list without repeating any. */
typedef AM_VEC(uint32_t) am_name_list;
int am_mark_names(am_doc *doc, const struct am_mark_set *set, am_name_list *names);
void am_mark_sort_names(const am_doc *doc, am_name_list *names);
#endif
