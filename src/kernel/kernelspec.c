#include "kernel/kernelspec.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/text.h"

#define SPEC_BYTES_MAX (1u << 20)

void kernelspec_fini(struct kernelspec *k)
{
	free(k->name);
	free(k->display_name);
	free(k->language);
	free(k->resource_dir);
	launch_strings_free(&k->argv);
	launch_strings_free(&k->env);
	*k = (struct kernelspec){0};
}

/* ---- where kernels are ---- */

static void add_dir(struct launch_strings *dirs, const char *base, const char *more)
{
	launch_strings_add(dirs, xasprintf("%s%s/kernels", base, more));
}

static void jupyter_dirs(struct launch_strings *dirs, const char *prefix)
{
	const char *path = getenv("JUPYTER_PATH"), *data = getenv("JUPYTER_DATA_DIR");
	const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	while (path && *path) {
		size_t n = strcspn(path, ":");
		if (n)
			launch_strings_add(dirs, xasprintf("%.*s/kernels", (int)n, path));
		path += n + (path[n] == ':');
	}
	if (data && *data)
		add_dir(dirs, data, "");
	else if (xdg && *xdg == '/')
		add_dir(dirs, xdg, "/jupyter");
	else if (home && *home)
		add_dir(dirs, home, "/.local/share/jupyter");
	if (prefix)
		add_dir(dirs, prefix, "/share/jupyter");
	add_dir(dirs, "/usr/local/share/jupyter", "");
	add_dir(dirs, "/usr/share/jupyter", "");
}

/* ---- reading one ---- */

static int read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	char part[4096];
	size_t n;
	while ((n = fread(part, 1, sizeof part, f)) > 0 && out->n < SPEC_BYTES_MAX)
		buf_append(out, part, n);
	fclose(f);
	return 0;
}

/* `${NAME}` becomes the daemon's own NAME, as Jupyter does it; unknown ones stay. */
static char *expand(const char *text)
{
	struct buf out = {0};
	while (*text) {
		const char *end = text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;
		char *name = end ? xstrndup(text + 2, (size_t)(end - text) - 2) : NULL;
		const char *value = name ? getenv(name) : NULL;
		if (value) {
			buf_append_str(&out, value);
			text = end + 1;
		} else {
			buf_append_byte(&out, (uint8_t)*text++);
		}
		free(name);
	}
	return buf_take(&out, NULL);
}

static int read_argv(struct json_object *spec, struct launch_strings *argv)
{
	struct json_object *list;
	if (json_get_array(spec, "argv", &list) < 0)
		return -EINVAL;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_string))
			return -EINVAL;
		launch_strings_add(argv, xstrdup(json_object_get_string(item)));
	}
	launch_strings_end(argv);
	return argv->v.n ? 0 : -EINVAL;
}

static void read_env(struct json_object *spec, struct launch_strings *env)
{
	struct json_object *object;
	if (json_get_object(spec, "env", &object) == 0) {
		json_object_object_foreach(object, key, value) {
			if (!json_object_is_type(value, json_type_string))
				continue;
			char *text = expand(json_object_get_string(value));
			launch_strings_add(env, xasprintf("%s=%s", key, text));
			free(text);
		}
	}
	launch_strings_end(env);
}

static int read_spec(const char *dir, const char *name, struct kernelspec *ret)
{
	struct kernelspec k = {.name = xstrdup(name), .resource_dir = path_join(dir, name)};
	char *path = path_join(k.resource_dir, "kernel.json");
	struct buf text = {0};
	int r = read_file(path, &text);
	struct json_object *spec = r == 0 ? json_parse(text.p, text.n) : NULL;
	if (r == 0)
		r = spec ? read_argv(spec, &k.argv) : -EINVAL;
	if (r == 0) {
		const char *value = name;
		read_env(spec, &k.env);
		json_get_str(spec, "display_name", &value);
		k.display_name = xstrdup(value);
		value = "";
		json_get_str(spec, "language", &value);
		k.language = xstrdup(value);
		value = "";
		json_get_str(spec, "interrupt_mode", &value);
		k.interrupt_by_message = !strcmp(value, "message");
		*ret = k;
	} else {
		kernelspec_fini(&k);
	}
	json_object_put(spec);
	buf_free(&text);
	free(path);
	return r;
}

/* ---- searching ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The first usable kernel of dir for which either the name or the language fits. */
static int search_dir(const char *dir, const char *name, const char *language, struct kernelspec *ret)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, by_name), r = -ENOENT;
	for (int i = 0; i < n; i++) {
		bool wanted = entries[i]->d_name[0] != '.' && (!name || !strcasecmp(entries[i]->d_name, name));
		struct kernelspec k;
		if (r < 0 && wanted) {
			int one = read_spec(dir, entries[i]->d_name, &k);
			if (one == 0 && language && strcasecmp(k.language, language) != 0) {
				kernelspec_fini(&k);
			} else if (one == 0) {
				*ret = k;
				r = 0;
			} else if (name && one == -EINVAL) {
				r = one;
			}
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return r;
}

static int search(const char *name, const char *language, const char *prefix, struct kernelspec *ret)
{
	struct launch_strings dirs = {0};
	int r = -ENOENT;
	if (name && strchr(name, '/'))
		return r;
	jupyter_dirs(&dirs, prefix);
	for (size_t i = 0; r == -ENOENT && i < dirs.v.n; i++)
		r = search_dir(dirs.v.p[i], name, language, ret);
	launch_strings_free(&dirs);
	return r;
}

int kernelspec_find(const char *name, const char *prefix, struct kernelspec *ret_spec)
{
	return search(name, NULL, prefix, ret_spec);
}

int kernelspec_find_language(const char *language, const char *prefix, struct kernelspec *ret_spec)
{
	return search(NULL, language, prefix, ret_spec);
}
