#include "environment/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "base/uuid.h"
#include "environment/pool.h"
#include "environment/python.h"
#include "kernel/kernelspec.h"
#include "kernel/launch.h"

#define WAIT_MS 110000 /* clients give a launch 120 s or more (environments.md 20, 16) */

struct resolve {
	char *kernel_type, *env_source, *cwd, *cache_dir;
	struct pool *pool;
	bool auto_launch;
	struct json_object *launched_config;
	void (*done)(void *ctx, const struct resolve_result *result);
	void *ctx;
	uint64_t waiting; /* pool_wait's handle */
};

/* ---- stage 1: runtime (environments.md 9) ---- */

static const char *member(struct json_object *metadata, const char *section, const char *key)
{
	struct json_object *object;
	const char *value = NULL;
	if (metadata && json_get_object(metadata, section, &object) == 0)
		json_get_str(object, key, &value);
	return value;
}

static bool contains(const char *text, const char *word)
{
	return text && strcasestr(text, word);
}

static bool is_word(const char *text, const char *word)
{
	return text && !strcasecmp(text, word);
}

static const char *runtime_of_language(const char *language)
{
	if (is_word(language, "typescript") || is_word(language, "javascript"))
		return "deno";
	return is_word(language, "python") ? "python" : NULL;
}

const char *resolve_runtime(struct json_object *metadata)
{
	const char *name = member(metadata, "kernelspec", "name");
	if (contains(name, "deno"))
		return "deno";
	if (contains(name, "python"))
		return "python";
	const char *runtime = runtime_of_language(member(metadata, "kernelspec", "language"));
	if (runtime)
		return runtime;
	const char *info = member(metadata, "language_info", "name");
	if (is_word(info, "deno"))
		return "deno";
	runtime = runtime_of_language(info);
	if (runtime)
		return runtime;
	struct json_object *runt = metadata ? json_get(metadata, "runt") : NULL;
	return runt && json_get(runt, "deno") ? "deno" : NULL;
}

static bool is_auto(const char *asked)
{
	return !asked || !*asked || !strcmp(asked, "auto");
}

static const char *default_runtime(const struct resolve_request *r)
{
	static const char *const deno[] = {"deno", "typescript", "ts"};
	for (size_t i = 0; i < sizeof deno / sizeof *deno; i++)
		if (is_word(r->default_runtime, deno[i]))
			return "deno";
	return "python";
}

/* The runtime to launch, or the name of another kernel. */
static const char *choose_type(const struct resolve_request *r)
{
	if (!is_auto(r->kernel_type))
		return r->kernel_type;
	const char *runtime = resolve_runtime(r->metadata);
	if (runtime)
		return runtime;
	/* Some other language: its own kernel, not Python's (21 row 29). */
	const char *name = member(r->metadata, "kernelspec", "name");
	const char *language = member(r->metadata, "kernelspec", "language");
	if (name && *name && language && *language)
		return name;
	return default_runtime(r);
}

/* ---- stage 2: what the notebook asks for ---- */

static size_t dependencies(struct json_object *metadata, const char *manager, struct buf *names)
{
	struct json_object *runt, *section, *list;
	size_t n = 0;
	if (!metadata || json_get_object(metadata, "runt", &runt) < 0 || json_get_object(runt, manager, &section) < 0 ||
	    json_get_array(section, "dependencies", &list) < 0)
		return 0;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		if (!json_object_is_type(item, json_type_string))
			continue;
		if (n++)
			buf_append_str(names, ", ");
		buf_append_str(names, json_object_get_string(item));
	}
	return n;
}

static bool is_line(const char *line, size_t n, const char *text)
{
	while (n && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r'))
		n--;
	return n == strlen(text) && !memcmp(line, text, n);
}

/* Appends the TOML of the first `# /// script` block of a cell; false without one. */
static bool script_block(const char *source, struct buf *toml)
{
	bool in = false;
	while (*source) {
		size_t n = strcspn(source, "\n");
		if (!in) {
			in = is_line(source, n, "# /// script");
		} else if (is_line(source, n, "# ///")) {
			return true;
		} else if (n >= 2 && source[0] == '#' && source[1] == ' ') {
			buf_append(toml, source + 2, n - 2);
			buf_append_byte(toml, '\n');
		} else if (!is_line(source, n, "#")) {
			in = false;
			buf_clear(toml);
		}
		source += n + (source[n] == '\n');
	}
	buf_clear(toml);
	return false;
}

static const char *skip_blanks(const char *p, const char *blanks)
{
	while (*p && strchr(blanks, *p))
		p++;
	return p;
}

/* True when a block's `dependencies` list names something. */
static bool lists_dependencies(const char *toml)
{
	static const char key[] = "dependencies";
	for (const char *line = toml; line; line = strchr(line, '\n')) {
		line = skip_blanks(line, "\n \t");
		if (*line == '[')
			return false; /* a table: the top level is over */
		if (!str_starts(line, key))
			continue;
		const char *at = skip_blanks(line + sizeof key - 1, " \t");
		if (*at != '=')
			continue;
		at = strchr(at, '[');
		return at && *skip_blanks(at + 1, " \t\r\n") != ']';
	}
	return false;
}

static bool has_script_dependencies(const struct resolve_request *r)
{
	struct buf toml = {0};
	bool found = false;
	for (size_t i = 0; !found && i < r->n_code_cells; i++)
		found = script_block(r->code_cells[i], &toml) && lists_dependencies(buf_cstr(&toml));
	buf_free(&toml);
	return found;
}

static bool exists(const char *dir, const char *name)
{
	char *path = path_join(dir, name);
	bool yes = access(path, F_OK) == 0;
	free(path);
	return yes;
}

/* Project files are seen, named in the log, and not used yet (design 7.17). The walk is environments.md 9's. */
static void note_project_file(const char *start)
{
	static const char *const names[] = {"pyproject.toml", "pixi.toml", "environment.yml", "environment.yaml"};
	const char *home = getenv("HOME");
	char *dir = xstrdup(start);
	for (;;) {
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (exists(dir, names[i])) {
				log_info("environment", "%s/%s is not used: project environments are not built yet",
					 dir,
					 names[i]);
				free(dir);
				return;
			}
		if (!strcmp(dir, "/") || (home && !strcmp(dir, home)) || exists(dir, ".git"))
			break;
		char *parent = path_dir(dir);
		free(dir);
		dir = parent;
	}
	free(dir);
}

/* ---- results ---- */

static void resolve_free(struct resolve *r)
{
	json_object_put(r->launched_config);
	free(r->kernel_type);
	free(r->env_source);
	free(r->cwd);
	free(r->cache_dir);
	free(r);
}

static void end_with_error(struct resolve *r, const char *error, const char *short_reason)
{
	char *word = xasprintf("error: %s", short_reason ? short_reason : error);
	const struct resolve_result result = {
		.error = error, .status_word = word, .kernel_type = r->kernel_type, .env_source = r->env_source};
	r->done(r->ctx, &result);
	free(word);
	resolve_free(r);
}

static void end_with_spec(struct resolve *r, const struct kernel_launch_spec *spec, const char *pool_venv)
{
	const struct resolve_result result = {.kernel_type = r->kernel_type,
					      .env_source = r->env_source,
					      .spec = spec,
					      .launched_config = r->launched_config,
					      .pool_venv = pool_venv};
	r->done(r->ctx, &result);
	resolve_free(r);
}

/* An interpreter with ipykernel (environments.md 10). venv NULL: not in a virtual environment. */
static void end_with_python(struct resolve *r, const char *python, const char *prefix, const char *venv,
			    const char *pool_venv)
{
	const char *argv[] = {python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}",
			      NULL};
	char *uv = python_find_uv(r->cache_dir), *uv_dir = uv ? path_dir(uv) : NULL;
	const struct kernel_launch_spec spec = {
		.kernel_type = r->kernel_type,
		.env_source = r->env_source,
		.kernel_name = "python3",
		.argv = argv,
		.prefix = prefix,
		.venv_path = venv,
		.tool_dir = uv_dir,
		.cwd = r->cwd,
		.interrupt_mode = KERNEL_INTERRUPT_MESSAGE,
		.use_ipc = true,
	};
	end_with_spec(r, &spec, pool_venv);
	free(uv);
	free(uv_dir);
}

static void end_with_kernelspec(struct resolve *r, const struct kernelspec *k)
{
	const struct kernel_launch_spec spec = {
		.kernel_type = r->kernel_type,
		.env_source = r->env_source,
		.kernel_name = k->name,
		.argv = (const char *const *)k->argv.v.p,
		.resource_dir = k->resource_dir,
		.env = (const char *const *)k->env.v.p,
		.cwd = r->cwd,
		.interrupt_mode = k->interrupt_by_message ? KERNEL_INTERRUPT_MESSAGE : KERNEL_INTERRUPT_SIGNAL,
		.use_ipc = !strcasecmp(k->language, "python"),
	};
	end_with_spec(r, &spec, NULL);
}

/* ---- python ---- */

static bool is_venv(const char *prefix)
{
	return exists(prefix, "pyvenv.cfg");
}

/* Both are freed. */
static void end_with_interpreter(struct resolve *r, char *python, char *prefix)
{
	end_with_python(r, python, prefix, is_venv(prefix) ? prefix : NULL, NULL);
	free(python);
	free(prefix);
}

static bool end_with_existing(struct resolve *r)
{
	char *python, *prefix;
	if (!python_find_existing(r->cache_dir, &python, &prefix))
		return false;
	end_with_interpreter(r, python, prefix);
	return true;
}

/* Where no environment can be made: a kernel or an interpreter with ipykernel that the user has anyway. */
static bool end_with_installed_kernel(struct resolve *r)
{
	struct kernelspec k;
	char *python, *prefix;
	if (kernelspec_find("python3", NULL, &k) < 0 && kernelspec_find_language("python", NULL, &k) < 0) {
		if (!python_find_on_path(&python, &prefix))
			return false;
		log_info("environment", "No uv environment: using %s", python);
		end_with_interpreter(r, python, prefix);
		return true;
	}
	log_info("environment", "No uv environment: using the installed kernel %s", k.name);
	end_with_kernelspec(r, &k);
	kernelspec_fini(&k);
	return true;
}

static void end_with_pool_env(struct resolve *r, const struct pool_env *env)
{
	pool_mark_in_use(r->pool, env->venv_path);
	end_with_python(r, env->python_path, env->venv_path, env->venv_path, env->venv_path);
}

static void on_pool_answer(void *ctx, struct pool_env *env, const char *error)
{
	struct resolve *r = ctx;
	r->waiting = 0;
	if (env)
		end_with_pool_env(r, env);
	else if (!end_with_installed_kernel(r))
		end_with_error(r, error, "UV pool empty");
}

/* An interpreter named by the user; a pooled environment; while none is ready the default one; and without that a
 * pooled one once it is made. */
static struct resolve *prewarmed(struct resolve *r, unsigned wait_ms)
{
	struct pool_env env;
	if (getenv("RUNTIMED_PYTHON") && end_with_existing(r))
		return NULL;
	if (r->pool && pool_take(r->pool, &env) == 0) {
		end_with_pool_env(r, &env);
		pool_env_fini(&env);
		return NULL;
	}
	if (end_with_existing(r))
		return NULL;
	if (r->pool) {
		uint64_t handle = pool_wait(r->pool, wait_ms ? wait_ms : WAIT_MS, on_pool_answer, r);
		if (!handle)
			return NULL;
		r->waiting = handle;
		return r;
	}
	if (!end_with_installed_kernel(r))
		end_with_error(r, "UV pool empty - no environment available", "UV pool empty");
	return NULL;
}

static void end_not_built(struct resolve *r, const char *what)
{
	char *error = xasprintf("Failed to prepare inline environment: %s cannot be installed by this version yet. "
				"Remove the dependencies and install them from a cell with %%uv pip install.",
				what);
	char *reason = xasprintf("Failed to prepare environment: %s cannot be installed yet", what);
	end_with_error(r, error, reason);
	free(error);
	free(reason);
}

static const char *choose_source(const struct resolve_request *request)
{
	struct buf names = {0};
	const char *asked = request->env_source, *source = "uv:prewarmed";
	if (!is_auto(asked) && strcmp(asked, "prewarmed") != 0)
		return asked;
	if (dependencies(request->metadata, "uv", &names))
		source = "uv:inline";
	else if (dependencies(request->metadata, "conda", &names))
		source = "conda:inline";
	else if (has_script_dependencies(request))
		source = "uv:pep723";
	buf_free(&names);
	return source;
}

static struct resolve *resolve_python(struct resolve *r, const struct resolve_request *request)
{
	struct buf names = {0};
	const char *source = r->env_source;
	struct resolve *pending = NULL;
	if (!strcmp(source, "uv:inline") || !strcmp(source, "conda:inline")) {
		const char *manager = *source == 'u' ? "uv" : "conda";
		if (dependencies(request->metadata, manager, &names))
			end_not_built(r, buf_cstr(&names));
		else {
			char *error = xasprintf("Failed to launch kernel: %s requires a prepared environment", source);
			end_with_error(r, error, NULL);
			free(error);
		}
	} else if (!strcmp(source, "uv:pep723")) {
		if (has_script_dependencies(request))
			end_not_built(r, "PEP 723 dependencies");
		else
			end_with_error(r, "No PEP 723 dependencies found in notebook cells", NULL);
	} else if (!strncmp(source, "conda:", 6)) {
		end_with_error(r, "Conda pool empty - no environment available", "Conda pool empty");
	} else if (!strcmp(source, "uv:pyproject")) {
		end_with_error(r, "Failed to launch kernel: project environments (uv:pyproject) are not built yet",
			       NULL);
	} else {
		note_project_file(r->cwd);
		pending = prewarmed(r, request->wait_ms);
	}
	buf_free(&names);
	return pending;
}

/* ---- others ---- */

static void resolve_deno(struct resolve *r, const struct resolve_request *request)
{
	char *deno = python_find_deno(r->cache_dir);
	struct json_object *runt = request->metadata ? json_get(request->metadata, "runt") : NULL;
	struct json_object *config = runt ? json_get(runt, "deno") : NULL;
	if (!deno) {
		end_with_error(r, "Failed to launch kernel: deno was not found on PATH", "deno was not found on PATH");
		return;
	}
	if (config)
		json_object_object_add(r->launched_config, "deno_config", json_object_get(config));
	const char *argv[] = {deno, "jupyter", "--kernel", "--conn", "{connection_file}", NULL};
	const struct kernel_launch_spec spec = {.kernel_type = r->kernel_type,
						.env_source = r->env_source,
						.kernel_name = "deno",
						.argv = argv,
						.cwd = r->cwd,
						.interrupt_mode = KERNEL_INTERRUPT_MESSAGE};
	end_with_spec(r, &spec, NULL);
	free(deno);
}

static void resolve_installed(struct resolve *r)
{
	struct kernelspec k;
	if (kernelspec_find(r->kernel_type, NULL, &k) == 0) {
		end_with_kernelspec(r, &k);
		kernelspec_fini(&k);
		return;
	}
	char *error = xasprintf("Failed to launch kernel: Unsupported kernel type: %s. Supported types: python, deno",
				r->kernel_type);
	end_with_error(r, error, error + strlen("Failed to launch kernel: "));
	free(error);
}

static const char *source_for(const struct resolve_request *request, const char *type)
{
	if (!strcmp(type, "python"))
		return choose_source(request);
	return !strcmp(type, "deno") ? "deno" : "jupyter";
}

void resolve_guess(const struct resolve_request *request, const char **ret_kernel_type, const char **ret_env_source)
{
	const char *type = choose_type(request);
	*ret_kernel_type = type;
	*ret_env_source = source_for(request, type);
}

static void make_launch_id(struct json_object *config)
{
	uint8_t random[16];
	char id[UUID_TEXT];
	if (getentropy(random, sizeof random) < 0)
		memset(random, 0, sizeof random);
	uuid_v4(id, random);
	json_object_object_add(config, "launch_id", json_object_new_string(id));
}

struct resolve *resolve_start(const struct resolve_request *request,
			      void (*done)(void *ctx, const struct resolve_result *result), void *ctx)
{
	struct resolve *r = xcalloc(1, sizeof *r);
	r->kernel_type = xstrdup(choose_type(request));
	r->env_source = xstrdup(source_for(request, r->kernel_type));
	r->cwd = launch_cwd(request->notebook_path, request->working_dir);
	r->cache_dir = xstrdup(request->cache_dir);
	r->pool = request->uv_pool;
	r->auto_launch = request->auto_launch;
	r->launched_config = json_object_new_object();
	r->done = done;
	r->ctx = ctx;
	make_launch_id(r->launched_config);
	if (!strcmp(r->kernel_type, "python"))
		return resolve_python(r, request);
	if (!strcmp(r->kernel_type, "deno"))
		resolve_deno(r, request);
	else
		resolve_installed(r);
	return NULL;
}

void resolve_cancel(struct resolve *r)
{
	if (r->waiting)
		pool_wait_cancel(r->pool, r->waiting);
	resolve_free(r);
}
