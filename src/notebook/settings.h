/* The settings document (documents.md 7) and its JSON mirror. No I/O: the
 * daemon reads and writes settings.automerge, settings.json and the schema. */
#ifndef NOTEBOOK_SETTINGS_H
#define NOTEBOOK_SETTINGS_H
#include "automerge/automerge.h"
#include "base/buf.h"
#include "notebook/metadata.h"

#define SETTINGS_KEEP_ALIVE_MIN 5
#define SETTINGS_KEEP_ALIVE_MAX 604800

struct settings {
	char *theme;              /* system, light, dark */
	char *default_runtime;    /* python, deno, or what was given */
	char *default_python_env; /* uv, conda, or what was given */
	uint64_t keep_alive_secs; /* as stored; settings_keep_alive clamps */
	bool onboarding_completed;
	struct str_list uv_packages, conda_packages;
};

/* A new document with the defaults, written by `actor`. */
int settings_new(const void *actor, size_t actor_n, am_doc **ret);
/* Start-up (7.2): the saved document (may be NULL/0) and the text of
 * settings.json (may be NULL/0), reconciled. *ret_changed: the document differs
 * from the saved bytes and is to be saved. */
int settings_load(const void *saved, size_t saved_n, const char *json, size_t json_n, const void *actor,
		  size_t actor_n, am_doc **ret, bool *ret_changed);
void settings_read(am_doc *doc, struct settings *ret);
void settings_fini(struct settings *s);
uint64_t settings_keep_alive(const struct settings *s); /* clamped */
/* A changed settings.json (7.4): -EINVAL when it is not JSON (skipped). */
int settings_apply_json(am_doc *doc, const char *json, size_t n, bool *ret_changed);
/* The mirror: two blanks, trailing newline, `$schema` last. */
void settings_json(am_doc *doc, struct buf *out);
/* settings.schema.json. */
void settings_schema(struct buf *out);
#endif
