#include "environment/python.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "kernel/launch.h"

static bool is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool is_there(const char *dir, const char *name)
{
	char *path = path_join(dir, name);
	bool yes = access(path, F_OK) == 0;
	free(path);
	return yes;
}

/* `<cache_dir>/tools/<tool>-*`/bin/<tool>: where the reference keeps what it fetched, and our own set-up too. */
static char *find_cached_tool(const char *cache_dir, const char *tool)
{
	char *tools = path_join(cache_dir, "tools"), *found = NULL;
	size_t n = strlen(tool);
	DIR *dir = opendir(tools);
	const struct dirent *e;
	while (dir && !found && (e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, tool, n) != 0 || e->d_name[n] != '-')
			continue;
		char *path = xasprintf("%s/%s/bin/%s", tools, e->d_name, tool);
		if (is_program(path))
			found = path;
		else
			free(path);
	}
	if (dir)
		closedir(dir);
	free(tools);
	return found;
}

static char *find_tool(const char *cache_dir, const char *tool, const char *const *home_dirs)
{
	const char *home = getenv("HOME");
	struct launch_strings extra = {0};
	for (; home && *home && *home_dirs; home_dirs++)
		launch_strings_add(&extra, path_join(home, *home_dirs));
	launch_strings_end(&extra);
	char *found = launch_find_program(tool, (const char *const *)extra.v.p);
	launch_strings_free(&extra);
	return found || !cache_dir ? found : find_cached_tool(cache_dir, tool);
}

char *python_find_uv(const char *cache_dir)
{
	static const char *const dirs[] = {".local/bin", ".cargo/bin", NULL};
	return find_tool(cache_dir, "uv", dirs);
}

char *python_find_deno(const char *cache_dir)
{
	static const char *const dirs[] = {".deno/bin", ".local/bin", NULL};
	return find_tool(cache_dir, "deno", dirs);
}

bool python_tool_available(const char *cache_dir, const char *tool)
{
	char *path = strcmp(tool, "deno") == 0 ? python_find_deno(cache_dir) : NULL;
	bool found = path != NULL;
	free(path);
	return found;
}

static bool has_python(const char *prefix)
{
	char *python = path_join(prefix, "bin/python");
	bool yes = is_program(python);
	free(python);
	return yes;
}

bool python_prefix_has_ipykernel(const char *prefix)
{
	char *lib = path_join(prefix, "lib");
	bool found = false;
	DIR *dir = has_python(prefix) ? opendir(lib) : NULL;
	const struct dirent *e;
	while (dir && !found && (e = readdir(dir)) != NULL) {
		if (!str_starts(e->d_name, "python"))
			continue;
		char *package = xasprintf("%s/%s/site-packages/ipykernel", lib, e->d_name);
		char *debian = xasprintf("%s/%s/dist-packages/ipykernel", lib, e->d_name);
		found = is_there(package, "__init__.py") || is_there(debian, "__init__.py");
		free(package);
		free(debian);
	}
	if (dir)
		closedir(dir);
	free(lib);
	return found;
}

bool python_find_existing(const char *cache_dir, char **ret_python, char **ret_prefix)
{
	const char *given = getenv("RUNTIMED_PYTHON");
	if (given && *given == '/' && is_program(given)) {
		char *bin = path_dir(given);
		*ret_prefix = path_dir(bin);
		*ret_python = xstrdup(given);
		free(bin);
		return true;
	}
	char *prefix = path_join(cache_dir, "default-env");
	if (!python_prefix_has_ipykernel(prefix)) {
		free(prefix);
		return false;
	}
	*ret_python = path_join(prefix, "bin/python");
	*ret_prefix = prefix;
	return true;
}

/* `bin` is a directory of programs; when its interpreter has ipykernel, that and its prefix. */
static bool find_in_bin(const char *bin, char **ret_python, char **ret_prefix)
{
	static const char *const names[] = {"python3", "python"};
	char *prefix = path_dir(bin), *python = NULL;
	for (size_t i = 0; !python && i < 2 && python_prefix_has_ipykernel(prefix); i++) {
		python = path_join(bin, names[i]);
		if (!is_program(python)) {
			free(python);
			python = NULL;
		}
	}
	if (!python) {
		free(prefix);
		return false;
	}
	*ret_python = python;
	*ret_prefix = prefix;
	return true;
}

bool python_find_on_path(char **ret_python, char **ret_prefix)
{
	const char *given = getenv("RUNTIMED_PYTHON"), *path = getenv("PATH");
	bool found = false;
	if (given && *given)
		return false;
	while (!found && path && *path) {
		size_t n = strcspn(path, ":");
		char *bin = xstrndup(path, n);
		found = *bin == '/' && find_in_bin(bin, ret_python, ret_prefix);
		free(bin);
		path += n + (path[n] == ':');
	}
	return found;
}
