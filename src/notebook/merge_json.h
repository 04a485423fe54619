/* Three-way merge of JSON values, for merge.c. */
#ifndef NOTEBOOK_MERGE_JSON_H
#define NOTEBOOK_MERGE_JSON_H
#include "notebook/json_text.h"

/* Appends `ours` with the changes base -> theirs; where both changed one value,
 * ours stays. False, out untouched, when theirs brings nothing. */
bool merge_json(const char *base, const char *theirs, const char *ours, struct buf *out);
#endif
