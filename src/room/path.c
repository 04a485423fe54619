#include "room/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/utf8.h"

void room_path_fini(struct room_path *p)
{
	free(p->path);
	*p = (struct room_path){0};
}

static const char *form_error(const char *given, enum room_path_use use)
{
	if (!*given)
		return "the path is empty";
	if (strlen(given) > ROOM_PATH_MAX)
		return "the path is too long";
	if (*given == '~')
		return "`~` is not expanded here: give an absolute path";
	if (*given != '/')
		return "the path is relative: give an absolute path";
	if (!utf8_valid(given, strlen(given)))
		return "the path is not valid UTF-8";
	if (use == ROOM_PATH_SAVE && str_ends(given, "/"))
		return "the path is that of a directory: give a file name";
	return NULL;
}

static bool has_notebook_extension(const char *path)
{
	const char *base = path_base(path), *dot = strrchr(base, '.');
	return dot && dot != base && strcmp(dot, ".ipynb") == 0;
}

/* The nearest ancestor that is there, resolved, and behind it the components
 * that are not; `..` among those would mean nothing. */
static int resolve_missing(struct host *h, const char *path, char **ret)
{
	char *head = xstrdup(path);
	char *real = NULL;
	int r = -ENOENT;
	while (r < 0) {
		char *up = path_dir(head);
		free(head);
		head = up;
		r = host_path_real(h, head, &real);
		if (r < 0 && ((r != -ENOENT && r != -ENOTDIR) || strcmp(head, "/") == 0))
			goto out;
	}
	char *joined = xstrdup(real);
	const char *rest = path + strlen(head);
	char *copy = xstrdup(rest), *save = NULL;
	for (char *part = strtok_r(copy, "/", &save); part && r == 0; part = strtok_r(NULL, "/", &save)) {
		if (strcmp(part, "..") == 0)
			r = -EINVAL;
		if (r < 0 || strcmp(part, ".") == 0)
			continue;
		char *longer = path_join(joined, part);
		free(joined);
		joined = longer;
	}
	free(copy);
	if (r < 0)
		free(joined);
	else
		*ret = joined;
out:
	free(real);
	free(head);
	return r;
}

/* A link whose target is not there stands for that target. */
static int resolve_dangling(struct host *h, const char *path, char **ret)
{
	struct host_file_info info;
	if (host_path_lstat(h, path, &info) < 0 || !host_info_is_link(&info))
		return resolve_missing(h, path, ret);
	char *target = NULL;
	int r = host_path_readlink(h, path, &target);
	if (r < 0)
		return r;
	if (*target != '/') {
		char *dir = path_dir(path), *joined = path_join(dir, target);
		free(dir);
		free(target);
		target = joined;
	}
	r = resolve_missing(h, target, ret);
	free(target);
	return r;
}

static int resolve(struct host *h, const char *given, enum room_path_use use, struct room_path *ret)
{
	bool add = use == ROOM_PATH_SAVE ? !str_ends(given, ".ipynb") : !has_notebook_extension(given);
	char *path = use == ROOM_PATH_SAVE && add ? xasprintf("%s.ipynb", given) : xstrdup(given);
	int r = host_path_stat(h, path, &ret->info);
	if (r == -ENOENT && str_ends(given, "/")) { /* with an extension behind it, a file without a name */
		r = -EINVAL;
	} else if (r == -ENOENT && use == ROOM_PATH_OPEN && add) {
		free(path);
		path = xasprintf("%s.ipynb", given);
		r = host_path_stat(h, path, &ret->info);
	}
	if (r == 0 && host_info_is_dir(&ret->info))
		ret->kind = ROOM_PATH_DIRECTORY, r = use == ROOM_PATH_SAVE ? -EISDIR : 0;
	else if (r == 0)
		ret->kind = ROOM_PATH_FILE, r = host_info_is_regular(&ret->info) ? 0 : -EINVAL;
	if (r == 0) {
		r = host_path_real(h, path, &ret->path);
	} else if (r == -ENOENT) {
		ret->kind = ROOM_PATH_MISSING;
		r = resolve_dangling(h, path, &ret->path);
	}
	free(path);
	return r;
}

int room_path_resolve(struct host *h, const char *given, enum room_path_use use, struct room_path *ret,
		      char **ret_reason)
{
	struct room_path found = {0};
	const char *wrong = form_error(given, use);
	int r = wrong ? -EINVAL : resolve(h, given, use, &found);
	if (r == 0 && !utf8_valid(found.path, strlen(found.path))) {
		room_path_fini(&found);
		r = -EINVAL;
	}
	if (r < 0)
		*ret_reason = xstrdup(wrong          ? wrong
				      : r == -EINVAL ? "it is not a path a notebook can have"
						     : strerror(-r));
	else
		*ret = found;
	return r;
}
