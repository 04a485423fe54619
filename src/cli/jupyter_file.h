/* Connection files in the Jupyter runtime directory; ours are named
 * `runt-kernel-<word>-<word>.json` (clients.md 1.6). */
#ifndef CLI_JUPYTER_FILE_H
#define CLI_JUPYTER_FILE_H
#include <stdbool.h>
#include <sys/types.h>

#include "base/paths.h"
#include "base/vec.h"

enum jupyter_port { PORT_SHELL, PORT_IOPUB, PORT_STDIN, PORT_CONTROL, PORT_HEARTBEAT, JUPYTER_PORTS };

struct jupyter_file {
	char *path;
	char *id;       /* `<word>-<word>` for ours, else the file's name */
	bool ours;
	char *language; /* the kernel's name as the file says, or NULL */
	char *key;
	char *address[JUPYTER_PORTS]; /* as ZeroMQ spells them */
	int port[JUPYTER_PORTS];
	pid_t pid; /* of a kernel we started; 0 = unknown */
};

struct jupyter_files {
	VEC(struct jupyter_file) list;
};

/* $JUPYTER_RUNTIME_DIR, $JUPYTER_DATA_DIR/runtime or ~/.local/share/jupyter/runtime; caller frees. */
char *jupyter_runtime_dir(const struct paths *paths);
/* 0, or -EINVAL for what is no connection file. */
int jupyter_file_read(const char *path, struct jupyter_file *ret_file);
void jupyter_file_fini(struct jupyter_file *f);
/* Files of this program's kernels and, with all, everybody's `kernel-*.json`; by name. */
void jupyter_files_find(const char *dir, bool all, struct jupyter_files *ret_files);
void jupyter_files_fini(struct jupyter_files *f);
/* A new file (0600) with free ports and a name nobody has. */
int jupyter_file_make(const char *dir, const char *kernel_name, struct jupyter_file *ret_file);
/* Notes the process in the file, so that `stop` can end it. */
int jupyter_file_set_pid(struct jupyter_file *f, pid_t pid);
#endif
