/* Failures as codes with parameters; the text belongs to the face. */
#ifndef PROTOCOL_ERROR_H
#define PROTOCOL_ERROR_H
#include "base/buf.h"

/* `subject` is what it was about, `cause` the reason in words; which of them a
 * code uses stands beside it. Texts: protocol.md 6.3, 4.4, 16.4. */
enum error_code {
	ERROR_NONE,
	/* Requests of a kind. */
	ERROR_REQUEST_INVALID,     /* cause */
	ERROR_REQUEST_UNKNOWN,     /* subject = action */
	ERROR_TIMEOUT,             /* cause = what did not come */
	ERROR_RESPONSE_TOO_LARGE,  /* - */
	ERROR_HEADS_MISSING,       /* required_heads never came */
	/* Kernels and environments. */
	ERROR_LAUNCH,              /* cause */
	ERROR_INLINE_ENV,          /* cause */
	ERROR_CONDA_INLINE_ENV,    /* cause */
	ERROR_PEP723_ENV,          /* cause */
	ERROR_PEP723_INVALID,      /* cause */
	ERROR_PEP723_EMPTY,        /* - */
	ERROR_UV_POOL_EMPTY,       /* cause, may be NULL */
	ERROR_CONDA_POOL_EMPTY,    /* cause, may be NULL */
	ERROR_INTERRUPT,           /* cause */
	ERROR_SHUTDOWN_KERNEL,     /* cause */
	ERROR_COMM,                /* cause */
	ERROR_HISTORY,             /* cause */
	ERROR_COMPLETE,            /* cause */
	/* Cells and metadata. */
	ERROR_CELL_NOT_FOUND,      /* subject = cell id */
	ERROR_CELL_NOT_CODE,       /* subject = cell id */
	ERROR_QUEUE_CELL,          /* cause */
	ERROR_CLEAR_OUTPUTS,       /* cause */
	ERROR_SET_METADATA,        /* cause */
	ERROR_SET_SNAPSHOT,        /* cause */
	ERROR_PARSE_SNAPSHOT,      /* cause */
	/* Saving. The texts of ERROR_SAVE_WRITE and _UNTITLED hold `Failed to write`,
	 * which the MCP server looks for. */
	ERROR_SAVE,                /* cause */
	ERROR_SAVE_WRITE,          /* cause = operating system text; os_errno */
	ERROR_SAVE_UNTITLED,       /* - */
	ERROR_SAVE_RELATIVE,       /* subject = path */
	ERROR_SAVE_ALREADY_OPEN,   /* subject = path, cause = uuid of the room that has it */
	ERROR_CLONE,               /* cause */
	ERROR_CLONE_RELATIVE,      /* subject = path */
	/* Connecting. */
	ERROR_OPEN_ACCESS,         /* subject = path, cause */
	ERROR_OPEN_RESOLVE,        /* subject = path, cause */
	ERROR_OPEN_PARSE,          /* subject = path, cause */
	ERROR_CREATE,              /* cause */
	ERROR_NOTEBOOK_GONE,       /* subject = notebook id */
	ERROR_VERSION,             /* subject = the client's version byte as text */
	ERROR_OTHER,               /* cause is the whole text */
	ERROR_CODES
};

struct error {
	enum error_code code;
	int os_errno;        /* 0, or the errno behind `cause` */
	const char *subject; /* borrowed */
	const char *cause;   /* borrowed; NULL with an os_errno means its text */
};

/* The text March's clients get. */
void error_append_text(struct buf *out, const struct error *e);
/* The same as an allocated string. */
char *error_text(const struct error *e);
/* `No such file or directory (os error 2)`, the reference's form; clients look
 * for the number. Writes into out, which it returns. */
const char *error_os_text(int os_errno, char *out, size_t out_n);
#endif
