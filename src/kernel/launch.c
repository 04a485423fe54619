#include "kernel/launch.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "kernel/kernel.h"

void launch_strings_add(struct launch_strings *s, char *taken)
{
	VEC_PUSH(&s->v, taken);
}

char *const *launch_strings_end(struct launch_strings *s)
{
	VEC_PUSH(&s->v, NULL);
	s->v.n--;
	return s->v.p;
}

void launch_strings_free(struct launch_strings *s)
{
	for (size_t i = 0; i < s->v.n; i++)
		free(s->v.p[i]);
	VEC_FREE(&s->v);
}

/* ---- working directory ---- */

static bool is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static char *notebooks_dir(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user = home && *home ? NULL : getpwuid(getuid());
	if (user)
		home = user->pw_dir;
	if (!home || !*home)
		return NULL;
	char *dir = path_join(home, "notebooks");
	mkdir(dir, 0777);
	if (is_dir(dir))
		return dir;
	free(dir);
	return NULL;
}

char *launch_cwd(const char *notebook_path, const char *working_dir)
{
	if (notebook_path && is_dir(notebook_path))
		return xstrdup(notebook_path);
	if (notebook_path && *notebook_path == '/') {
		char *parent = path_dir(notebook_path);
		if (is_dir(parent))
			return parent;
		free(parent);
	}
	if (working_dir && is_dir(working_dir))
		return xstrdup(working_dir);
	char *dir = notebooks_dir();
	if (dir)
		return dir;
	const char *tmp = getenv("TMPDIR");
	return xstrdup(tmp && is_dir(tmp) ? tmp : "/tmp");
}

/* ---- environment ---- */

static bool names(const char *entry, const char *name)
{
	size_t n = strlen(name);
	return !strncmp(entry, name, n) && entry[n] == '=';
}

/* Traces of some other interpreter's activation (K17). */
static bool is_foreign(const char *entry)
{
	return names(entry, "VIRTUAL_ENV") || names(entry, "VIRTUAL_ENV_PROMPT") || names(entry, "PYTHONHOME") ||
	       names(entry, "__PYVENV_LAUNCHER__") || str_starts(entry, "CONDA_") || str_starts(entry, "_CE_") ||
	       str_starts(entry, "JPY_");
}

static void set(struct launch_strings *env, const char *entry)
{
	const char *equals = strchr(entry, '=');
	if (!equals)
		return;
	size_t n = (size_t)(equals - entry) + 1;
	for (size_t i = 0; i < env->v.n; i++)
		if (!strncmp(env->v.p[i], entry, n)) {
			free(env->v.p[i]);
			env->v.p[i] = xstrdup(entry);
			return;
		}
	launch_strings_add(env, xstrdup(entry));
}

static void set_pair(struct launch_strings *env, const char *name, const char *value)
{
	char *entry = xasprintf("%s=%s", name, value);
	set(env, entry);
	free(entry);
}

/* Never an empty element: that would be the notebook's own directory (K14). */
static void path_add(struct buf *path, const char *dir, size_t n)
{
	if (!n)
		return;
	if (path->n)
		buf_append_byte(path, ':');
	buf_append(path, dir, n);
}

/* The bin directory of an environment that was active around the daemon; it must not come into kernels by PATH. */
static char *active_bin(char *const *environment)
{
	for (char *const *e = environment; *e; e++)
		if (names(*e, "VIRTUAL_ENV") || names(*e, "CONDA_PREFIX"))
			return path_join(strchr(*e, '=') + 1, "bin");
	return NULL;
}

static void path_inherit(struct buf *path, const char *value, const char *without)
{
	while (*value) {
		size_t n = strcspn(value, ":");
		if (!without || strlen(without) != n || strncmp(without, value, n) != 0)
			path_add(path, value, n);
		value += n + (value[n] == ':');
	}
}

static void set_path(struct launch_strings *env, char *const *environment, const char *first, const char *second)
{
	struct buf path = {0};
	char *without = active_bin(environment);
	if (first)
		path_add(&path, first, strlen(first));
	if (second)
		path_add(&path, second, strlen(second));
	const char *old = NULL;
	for (char *const *e = environment; *e; e++)
		if (names(*e, "PATH"))
			old = *e + strlen("PATH=");
	path_inherit(&path, old ? old : "/usr/local/bin:/usr/bin:/bin", without);
	set_pair(env, "PATH", buf_cstr(&path));
	free(without);
	buf_free(&path);
}

void launch_environment(const struct kernel_launch_spec *spec, char *const *environment, struct launch_strings *ret)
{
	const char *prefix = spec->venv_path ? spec->venv_path : spec->conda_prefix;
	char *bin = prefix ? path_join(prefix, "bin") : NULL;
	for (char *const *e = environment; *e; e++)
		if (!is_foreign(*e))
			launch_strings_add(ret, xstrdup(*e));
	set_path(ret, environment, bin, spec->tool_dir);
	if (spec->venv_path)
		set_pair(ret, "VIRTUAL_ENV", spec->venv_path);
	if (spec->conda_prefix)
		set_pair(ret, "CONDA_PREFIX", spec->conda_prefix);
	set(ret, "COLUMNS=80");
	set(ret, "LINES=100");
	char *parent = xasprintf("%ld", (long)getpid());
	set_pair(ret, "JPY_PARENT_PID", parent);
	for (const char *const *e = spec->env; e && *e; e++)
		set(ret, *e);
	free(parent);
	free(bin);
	launch_strings_end(ret);
}

void launch_clean_environment(char *const *environment, const char *path_first, struct launch_strings *ret)
{
	for (char *const *e = environment; *e; e++)
		if (!is_foreign(*e) && !names(*e, "PYTHONPATH"))
			launch_strings_add(ret, xstrdup(*e));
	set_path(ret, environment, path_first, NULL);
	launch_strings_end(ret);
}

/* ---- arguments ---- */

static void replace_all(char **text, const char *from, const char *to)
{
	char *at;
	size_t skip = 0;
	while (to && (at = strstr(*text + skip, from)) != NULL) {
		skip = (size_t)(at - *text) + strlen(to);
		char *next = xasprintf("%.*s%s%s", (int)(at - *text), *text, to, at + strlen(from));
		free(*text);
		*text = next;
	}
}

void launch_arguments(const struct kernel_launch_spec *spec, const char *connection_file, struct launch_strings *ret)
{
	for (const char *const *a = spec->argv; *a; a++) {
		char *text = xstrdup(*a);
		replace_all(&text, "{connection_file}", connection_file);
		replace_all(&text, "{prefix}", spec->prefix);
		replace_all(&text, "{resource_dir}", spec->resource_dir);
		launch_strings_add(ret, text);
	}
	launch_strings_end(ret);
}

static char *program_in(const char *dir, size_t n, const char *name)
{
	struct stat st;
	if (!n || *dir != '/')
		return NULL;
	char *path = xasprintf("%.*s/%s", (int)n, dir, name);
	if (access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return path;
	free(path);
	return NULL;
}

char *launch_find_program(const char *name, const char *const *extra)
{
	const char *path = getenv("PATH");
	char *found = NULL;
	while (!found && path && *path) {
		size_t n = strcspn(path, ":");
		found = program_in(path, n, name);
		path += n + (path[n] == ':');
	}
	for (; !found && extra && *extra; extra++)
		found = program_in(*extra, strlen(*extra), name);
	return found;
}
