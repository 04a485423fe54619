#include "protocol/error.h"

#include <stdio.h>
#include <string.h>

/* `%s` is the subject, `%c` the cause; `%:` the cause after ": ", if there is one. */
static const char *const texts[ERROR_CODES] = {
	[ERROR_NONE] = "No error",
	[ERROR_REQUEST_INVALID] = "Invalid request%:",
	[ERROR_REQUEST_UNKNOWN] = "Unknown request: %s",
	[ERROR_TIMEOUT] = "Timed out%:",
	[ERROR_RESPONSE_TOO_LARGE] = "The response is larger than a frame may be",
	[ERROR_HEADS_MISSING] = "The changes this request depends on did not arrive",
	[ERROR_LAUNCH] = "Failed to launch kernel%:",
	[ERROR_INLINE_ENV] = "Failed to prepare inline environment%:",
	[ERROR_CONDA_INLINE_ENV] = "Failed to prepare conda inline environment%:",
	[ERROR_PEP723_ENV] = "Failed to prepare PEP 723 environment%:",
	[ERROR_PEP723_INVALID] = "Invalid PEP 723 metadata in notebook%:",
	[ERROR_PEP723_EMPTY] = "No PEP 723 dependencies found",
	[ERROR_UV_POOL_EMPTY] = "UV pool empty - no environment available%:",
	[ERROR_CONDA_POOL_EMPTY] = "Conda pool empty - no environment available%:",
	[ERROR_INTERRUPT] = "Failed to interrupt%:",
	[ERROR_SHUTDOWN_KERNEL] = "Failed to shutdown kernel%:",
	[ERROR_COMM] = "Failed to send comm message%:",
	[ERROR_HISTORY] = "Failed to get history%:",
	[ERROR_COMPLETE] = "Failed to get completions%:",
	[ERROR_CELL_NOT_FOUND] = "Cell not found in document: %s",
	[ERROR_CELL_NOT_CODE] = "Cannot execute non-code cell: %s (type: %c)",
	[ERROR_QUEUE_CELL] = "Failed to queue cell%:",
	[ERROR_CLEAR_OUTPUTS] = "Failed to clear outputs%:",
	[ERROR_SET_METADATA] = "Failed to set metadata%:",
	[ERROR_SET_SNAPSHOT] = "Failed to set metadata snapshot%:",
	[ERROR_PARSE_SNAPSHOT] = "Failed to parse metadata snapshot%:",
	[ERROR_SAVE] = "Failed to save notebook%:",
	[ERROR_SAVE_WRITE] = "Failed to save notebook: Failed to write notebook%:",
	[ERROR_SAVE_UNTITLED] = "Failed to save notebook: Failed to write notebook: it has no file yet. "
				"Please save it with a path.",
	[ERROR_SAVE_RELATIVE] = "Failed to save notebook: Relative paths are not supported for save: '%s'. "
				"Please provide an absolute path.",
	[ERROR_SAVE_ALREADY_OPEN] = "Failed to save notebook: %s is already open in another session (%c). "
				    "Close that session first, then retry.",
	[ERROR_CLONE] = "Failed to clone notebook%:",
	[ERROR_CLONE_RELATIVE] = "Failed to clone notebook: Relative paths are not supported for clone: '%s'. "
				 "Please provide an absolute path.",
	[ERROR_OPEN_ACCESS] = "Cannot access notebook '%s'%:",
	[ERROR_OPEN_RESOLVE] = "Cannot resolve notebook path '%s'%:",
	[ERROR_OPEN_PARSE] = "Cannot open notebook '%s'%:",
	[ERROR_CREATE] = "Failed to create notebook%:",
	[ERROR_NOTEBOOK_GONE] = "Notebook %s is no longer available (not found or evicted)",
	[ERROR_VERSION] = "Unsupported protocol version: this client speaks version %s, this daemon speaks version 2. "
			  "Update the older of the two.",
	[ERROR_OTHER] = "%c",
};

const char *error_os_text(int os_errno, char *out, size_t out_n)
{
	char text[128];
	snprintf(out, out_n, "%s (os error %d)", strerror_r(os_errno, text, sizeof text), os_errno);
	return out;
}

static void template_append(struct buf *out, const char *template, const char *subject, const char *cause)
{
	for (const char *p = template; *p; p++) {
		if (*p != '%') {
			buf_append_byte(out, (uint8_t)*p);
			continue;
		}
		p++;
		if (*p == 's')
			buf_append_str(out, subject ? subject : "");
		else if (*p == 'c')
			buf_append_str(out, cause ? cause : "unknown");
		else if (cause)
			buf_printf(out, ": %s", cause);
	}
}

void error_append_text(struct buf *out, const struct error *e)
{
	char os[192];
	const char *cause = e->cause;
	if (!cause && e->os_errno)
		cause = error_os_text(e->os_errno, os, sizeof os);
	const char *text = e->code < ERROR_CODES ? texts[e->code] : NULL;
	template_append(out, text ? text : "Unknown error%:", e->subject, cause);
}

char *error_text(const struct error *e)
{
	struct buf out = {0};
	error_append_text(&out, e);
	return buf_take(&out, NULL);
}
