/* Tables with rounded borders (clients.md 1.4). libsmartcols draws no borders. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H
#include <stddef.h>

#include "base/vec.h"

struct table {
	size_t n_columns;
	VEC(char *) cells; /* row by row, the header first; owned */
};

void table_init(struct table *t, const char *const *header, size_t n_columns);
/* Copies n_columns cells; NULL is shown as `-`. */
void table_add(struct table *t, const char *const *row);
void table_print(const struct table *t);
void table_fini(struct table *t);
#endif
