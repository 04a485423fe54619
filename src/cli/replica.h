/* Reading a client's replicas: cells of the notebook document (documents.md 3.5)
 * and executions of the runtime-state document (documents.md 6). Everything is
 * copied out and read leniently. */
#ifndef CLI_REPLICA_H
#define CLI_REPLICA_H
#include <stdbool.h>

#include "automerge/automerge.h"
#include "base/vec.h"

struct replica_cell {
	char *id, *type, *position, *source;
	char *execution_count; /* JSON text */
};
struct replica_cells {
	VEC(struct replica_cell) list; /* in notebook order */
};
void replica_cells_read(am_doc *doc, struct replica_cells *ret_cells);
void replica_cells_fini(struct replica_cells *cells);

/* The entries of a cell's `outputs`; each and the array are the caller's. */
struct replica_outputs {
	VEC(char *) list;
};
void replica_outputs_read(am_doc *doc, const char *cell_id, struct replica_outputs *ret_outputs);
void replica_outputs_fini(struct replica_outputs *o);
/* The cell's execution_count as it stands; caller frees. */
char *replica_execution_count(am_doc *doc, const char *cell_id);

/* The execution the cell's outputs belong to, or NULL (also for daemons that do
 * not say); caller frees. */
char *replica_cell_execution(am_doc *doc, const char *cell_id);

/* `executions.<id>.status`, "" when it is not there; caller frees. */
char *replica_execution_status(am_doc *state, const char *execution_id);
/* `kernel.status`; caller frees. */
char *replica_kernel_status(am_doc *state);
/* `queue.executing_execution_id`, "" when nothing runs; caller frees. */
char *replica_executing(am_doc *state);
#endif
