/* Starting a room's kernel: by the first peer or by request (kernels.md 3.1,
 * environments.md 9), and the check whether its environment still fits (14). */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "environment/pool.h"
#include "environment/resolve.h"
#include "room/peer.h"

struct launch {
	struct room *room;
	struct resolve *resolve;
	char *error; /* the sentence for answers, where it differs from the kernel's reason */
	bool whole_error;
	VEC(struct pending *) waiters; /* the first began it */
};

/* ---- answers ---- */

static void fill_strs(struct strs *out, struct json_object *config, const char *key, struct strs **ret)
{
	struct json_object *list;
	if (json_get_array(config, key, &list) < 0)
		return;
	out->n = json_object_array_length(list);
	out->p = xcalloc(out->n, sizeof *out->p);
	for (size_t i = 0; i < out->n; i++)
		out->p[i] = json_object_get_string(json_object_array_get_idx(list, i));
	*ret = out;
}

static void answer_running(struct room *room, struct pending *p, enum response_result result)
{
	struct json_object *config = room->launched_config;
	struct strs uv = {0}, conda = {0}, channels = {0};
	struct response r = {.result = result, .kernel_type = kernel_type(room->kernel),
			     .env_source = kernel_env_source(room->kernel)};
	fill_strs(&uv, config, "uv_deps", &r.launched_config.uv_deps);
	fill_strs(&conda, config, "conda_deps", &r.launched_config.conda_deps);
	fill_strs(&channels, config, "conda_channels", &r.launched_config.conda_channels);
	json_get_str(config, "venv_path", &r.launched_config.venv_path);
	json_get_str(config, "python_path", &r.launched_config.python_path);
	json_get_str(config, "launch_id", &r.launched_config.launch_id);
	pending_answer(p, &r);
	free(uv.p);
	free(conda.p);
	free(channels.p);
}

void room_launch_ended(struct room *room, const char *error)
{
	struct launch *launch = room->launch;
	if (!launch)
		return;
	room->launch = NULL;
	room->resolving = false;
	const struct error e = {.code = launch->whole_error ? ERROR_OTHER : ERROR_LAUNCH,
				.cause = launch->error ? launch->error : error};
	for (size_t i = 0; i < launch->waiters.n; i++) {
		struct pending *p = launch->waiters.p[i];
		struct peer *peer = p->peer;
		if (error)
			pending_fail(p, &e);
		else
			answer_running(room, p, i == 0 ? RESPONSE_KERNEL_LAUNCHED : RESPONSE_KERNEL_ALREADY_RUNNING);
		if (!error && peer)
			peer_launched(peer);
	}
	VEC_FREE(&launch->waiters);
	free(launch->error);
	free(launch);
}

const char *room_launch_error(const struct room *room, const char *reason)
{
	return room->launch && room->launch->error ? room->launch->error : reason;
}

bool room_launch_awaited(const struct room *room)
{
	return room->launch && room->launch->waiters.n > 0;
}

void room_launch_cancel(struct room *room)
{
	if (!room->launch)
		return;
	if (room->launch->resolve)
		resolve_cancel(room->launch->resolve);
	room->launch->resolve = NULL;
	room_launch_ended(room, "the launch was cancelled by a shutdown");
}

void room_kernel_gone(struct room *room)
{
	json_object_put(room->launched_config);
	room->launched_config = NULL;
	free(room->env_fingerprint);
	room->env_fingerprint = NULL;
	if (room->pool_venv && room->svc->pool)
		pool_discard(room->svc->pool, room->pool_venv);
	free(room->pool_venv);
	free(room->venv_path);
	room->pool_venv = room->venv_path = NULL;
}

/* ---- launching ---- */

static void resolved(void *ctx, const struct resolve_result *result)
{
	struct launch *launch = ctx;
	struct room *room = launch->room;
	launch->resolve = NULL;
	room->resolving = false;
	if (result->error) {
		const char *word = result->status_word ? result->status_word : result->error;
		launch->error = xstrdup(result->error);
		launch->whole_error = true;
		kernel_fail_launch(room->kernel, str_starts(word, "error: ") ? word + 7 : word);
		return;
	}
	room->launched_config = json_object_get(result->launched_config);
	room->pool_venv = result->pool_venv ? xstrdup(result->pool_venv) : NULL;
	room->venv_path = result->spec->venv_path ? xstrdup(result->spec->venv_path) : NULL;
	state_kernel(room, KERNEL_STARTING, "launching");
	int r = kernel_launch(room->kernel, result->spec);
	if (r < 0)
		room_launch_ended(room, strerror(-r));
}

typedef VEC(char *) sources;

static void keep_script(void *ctx, const char *source, size_t n)
{
	static const char mark[] = "# /// script";
	sources *list = ctx;
	if (memmem(source, n, mark, sizeof mark - 1))
		VEC_PUSH(list, xstrndup(source, n));
}

static void start(struct room *room, const char *type, const char *source, const char *notebook_path, bool by_itself,
		  struct pending *pending)
{
	struct buf json = {0};
	sources scripts = {0};
	const char *guess_type, *guess_source;
	room_settle(room);
	metadata_json(room->nb, &json);
	cells_each_source(room->nb, "code", keep_script, &scripts);
	struct resolve_request request = {
		.kernel_type = type, .env_source = source, .working_dir = room->working_dir,
		.notebook_path = notebook_path ? notebook_path : room->path,
		.metadata = json_parse(json.p, json.n),
		.code_cells = (const char *const *)scripts.p, .n_code_cells = scripts.n,
		.default_runtime = room->svc->default_runtime, .default_python_env = room->svc->default_python_env,
		.cache_dir = room->svc->cache_dir, .uv_pool = room->svc->pool, .auto_launch = by_itself,
	};
	struct launch *launch = xcalloc(1, sizeof *launch);
	launch->room = room;
	if (pending)
		VEC_PUSH(&launch->waiters, pending);
	room->launch = launch;
	room->resolving = true;
	resolve_guess(&request, &guess_type, &guess_source);
	kernel_begin_launch(room->kernel, guess_type, guess_source);
	struct resolve *handle = resolve_start(&request, resolved, launch);
	if (room->launch == launch && handle)
		launch->resolve = handle;
	for (size_t i = 0; i < scripts.n; i++)
		free(scripts.p[i]);
	VEC_FREE(&scripts);
	json_object_put(request.metadata);
	buf_free(&json);
}

void room_launch(struct room *room, struct pending *pending, const struct request *r)
{
	if (room->launch) {
		VEC_PUSH(&room->launch->waiters, pending);
	} else if (kernel_exists(room->kernel)) {
		answer_running(room, pending, RESPONSE_KERNEL_ALREADY_RUNNING);
	} else {
		start(room, r->kernel_type, r->env_source, r->notebook_path, false, pending);
	}
}

void room_launch_move(struct room *from, struct room *to)
{
	struct launch *launch = from->launch;
	if (!launch)
		return;
	from->launch = NULL;
	from->resolving = false;
	if (launch->resolve)
		resolve_cancel(launch->resolve);
	for (size_t i = 0; i < launch->waiters.n; i++) {
		if (to->launch)
			VEC_PUSH(&to->launch->waiters, launch->waiters.p[i]);
		else if (kernel_exists(to->kernel))
			answer_running(to, launch->waiters.p[i], RESPONSE_KERNEL_ALREADY_RUNNING);
		else
			start(to, "auto", "auto", NULL, false, launch->waiters.p[i]);
	}
	VEC_FREE(&launch->waiters);
	free(launch->error);
	free(launch);
}

bool room_first_peer_comes(struct room *room)
{
	bool eligible = room->kind == ROOM_UNTITLED ||
			(room->kind == ROOM_PATH && (room->ever_on_disk || room->born_here));
	if (room->peers.n || !eligible || kernel_exists(room->kernel) || room->launch || trust_needs_approval(room->trust))
		return false;
	room->resolving = true;
	state_kernel(room, KERNEL_STARTING, "resolving");
	return true;
}

void room_first_peer(struct room *room)
{
	start(room, "auto", "auto", NULL, true, NULL);
}

/* ---- does the environment still fit ---- */

static bool list_has(const struct strs *list, const char *s)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->p[i], s) == 0)
			return true;
	return false;
}

typedef VEC(const char *) names;

static void add_missing(names *out, const char *const *from, size_t n, const struct strs *in)
{
	for (size_t i = 0; i < n; i++)
		if (!list_has(in, from[i]))
			VEC_PUSH(out, from[i]);
}

static void send_env_state(struct room *room, const names *added, const names *removed, bool channels)
{
	struct env_diff diff = {.added = {added->p, added->n}, .removed = {removed->p, removed->n},
				.channels_changed = channels};
	bool in_sync = added->n == 0 && removed->n == 0 && !channels;
	struct buf print = {0};
	for (size_t i = 0; i < added->n; i++)
		buf_printf(&print, "+%s\n", added->p[i]);
	for (size_t i = 0; i < removed->n; i++)
		buf_printf(&print, "-%s\n", removed->p[i]);
	buf_printf(&print, "%d", channels);
	if (!room->env_fingerprint || strcmp(room->env_fingerprint, buf_cstr(&print)) != 0) {
		free(room->env_fingerprint);
		room->env_fingerprint = xstrdup(buf_cstr(&print));
		const struct broadcast b = {.event = BROADCAST_ENV_SYNC_STATE, .in_sync = in_sync, .has_diff = !in_sync,
					    .diff = diff};
		state_env(room, &diff, in_sync);
		room_broadcast(room, &b, 0);
	}
	buf_free(&print);
}

/* environments.md 14, said only when it differs from what was said last (protocol.md 15 no. 42). */
void room_env_sync(struct room *room)
{
	struct metadata m;
	enum kernel_status status = kernel_status(room->kernel);
	if ((status != KERNEL_IDLE && status != KERNEL_BUSY) || metadata_read(room->nb, &m) < 0)
		return;
	struct strs uv = {0}, conda = {0}, channels = {0}, *have_uv = NULL, *have_conda = NULL, *have_channels = NULL;
	names added = {0}, removed = {0};
	bool channels_changed = false;
	fill_strs(&uv, room->launched_config, "uv_deps", &have_uv);
	fill_strs(&conda, room->launched_config, "conda_deps", &have_conda);
	fill_strs(&channels, room->launched_config, "conda_channels", &have_channels);
	const struct strs now_uv = {(const char **)m.uv_dependencies.p, m.uv_dependencies.n};
	const struct strs now_conda = {(const char **)m.conda_dependencies.p, m.conda_dependencies.n};
	if (have_uv || have_conda) {
		add_missing(&added, now_uv.p, now_uv.n, &uv);
		add_missing(&removed, uv.p, uv.n, &now_uv);
		add_missing(&added, now_conda.p, now_conda.n, &conda);
		add_missing(&removed, conda.p, conda.n, &now_conda);
		channels_changed = have_channels && channels.n != m.conda_channels.n;
	} else { /* prewarmed: whatever the notebook lists is not in it */
		const struct strs *deps = now_uv.n ? &now_uv : &now_conda;
		add_missing(&added, deps->p, deps->n, &(struct strs){0});
	}
	send_env_state(room, &added, &removed, channels_changed);
	VEC_FREE(&added);
	VEC_FREE(&removed);
	free(uv.p);
	free(conda.p);
	free(channels.p);
	metadata_fini(&m);
}
