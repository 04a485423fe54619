#include "base/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/text.h"

const char *channel_name(enum release_channel c)
{
	return c == CHANNEL_NIGHTLY ? "nightly" : "stable";
}

enum release_channel channel_of(const char *argv0)
{
	const char *env = getenv("RUNT_CHANNEL");
	if (env && !strcmp(env, "nightly"))
		return CHANNEL_NIGHTLY;
	return argv0 && str_ends(argv0, "-nightly") ? CHANNEL_NIGHTLY : CHANNEL_STABLE;
}

static char *home_find(void)
{
	const char *home = getenv("HOME");
	if (home && home[0] == '/')
		return xstrdup(home);
	const struct passwd *pw = getpwuid(getuid());
	return xstrdup(pw && pw->pw_dir && pw->pw_dir[0] == '/' ? pw->pw_dir : "/tmp");
}

/* XDG directories count only when absolute. */
static char *xdg_find(const char *variable, const char *home, const char *below)
{
	const char *dir = getenv(variable);
	return dir && dir[0] == '/' ? xstrdup(dir) : path_join(home, below);
}

/* The directory that holds the .git the current directory belongs to; what
 * `git rev-parse --show-toplevel` says. */
static char *toplevel_find(void)
{
	char *dir = getcwd(NULL, 0);
	while (dir) {
		char *git = path_join(dir, ".git");
		bool found = access(git, F_OK) == 0;
		free(git);
		if (found)
			return dir;
		char *up = strcmp(dir, "/") ? path_dir(dir) : NULL;
		free(dir);
		dir = up;
	}
	return NULL;
}

static void dev_mode_find(struct paths *p)
{
	const char *dev = getenv("RUNTIMED_DEV"), *workspace = getenv("RUNTIMED_WORKSPACE_PATH");
	p->dev_mode = workspace || (dev && !strcmp(dev, "1"));
	if (!p->dev_mode)
		return;
	p->worktree = workspace ? xstrdup(workspace) : toplevel_find();
	if (!p->worktree)
		return;
	uint8_t digest[SHA256_BYTES];
	sha256(digest, p->worktree, strlen(p->worktree));
	hex_encode(p->worktree_hash, digest, 6);
}

static char *socket_find(const char *base_dir)
{
	const char *env = getenv("RUNTIMED_SOCKET_PATH");
	size_t n = env ? strlen(env) : 0;
	while (n && strchr(" \t\r\n", env[n - 1]))
		n--;
	while (n && strchr(" \t\r\n", *env))
		env++, n--;
	return n ? xstrndup(env, n) : path_join(base_dir, "runtimed.sock");
}

static int socket_check(const char *socket)
{
	struct stat st;
	char *dir = path_dir(socket);
	bool there = strchr(socket, '/') && stat(dir, &st) == 0;
	free(dir);
	return there ? 0 : -ENOENT;
}

static char *worktree_dir(const char *cache_dir, const char *hash)
{
	return xasprintf("%s/worktrees/%s", cache_dir, hash);
}

int paths_init(struct paths *ret_paths, enum release_channel channel)
{
	struct paths p = {.channel = channel, .home = home_find()};
	bool nightly = channel == CHANNEL_NIGHTLY;
	p.cache_home = xdg_find("XDG_CACHE_HOME", p.home, ".cache");
	char *config_home = xdg_find("XDG_CONFIG_HOME", p.home, ".config");
	p.cache_dir = path_join(p.cache_home, nightly ? "runt-nightly" : "runt");
	p.config_dir = path_join(config_home, nightly ? "nteract-nightly" : "nteract");
	free(config_home);
	dev_mode_find(&p);
	p.base_dir = p.worktree ? worktree_dir(p.cache_dir, p.worktree_hash) : xstrdup(p.cache_dir);
	p.socket = socket_find(p.base_dir);
	p.daemon_json = path_join(p.base_dir, "daemon.json");
	p.lock = path_join(p.base_dir, "daemon.lock");
	p.log = path_join(p.base_dir, "runtimed.log");
	p.envs_dir = path_join(p.base_dir, "envs");
	p.blobs_dir = path_join(p.base_dir, "blobs");
	p.notebook_docs_dir = path_join(p.base_dir, "notebook-docs");
	p.notebooks_dir = path_join(p.worktree ? p.worktree : p.home, "notebooks");
	*ret_paths = p;
	return getenv("RUNTIMED_SOCKET_PATH") && !str_starts(p.socket, p.base_dir) ? socket_check(p.socket) : 0;
}

void paths_fini(struct paths *p)
{
	char **all[] = {&p->worktree, &p->home, &p->cache_home, &p->cache_dir, &p->base_dir, &p->config_dir, &p->socket,
		&p->daemon_json, &p->lock, &p->log, &p->envs_dir, &p->blobs_dir, &p->notebook_docs_dir,
		&p->notebooks_dir};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		free(*all[i]);
		*all[i] = NULL;
	}
}

char *path_absolute(const char *path)
{
	char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *whole = cwd ? path_join(cwd, path) : xstrdup(path);
	struct buf out = {0};
	for (const char *p = whole; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && !memcmp(p, "..", 2)) {
			while (out.n && out.p[--out.n] != '/')
				;
		} else if (n && !(n == 1 && *p == '.')) {
			buf_append_byte(&out, '/');
			buf_append(&out, p, n);
		}
		p += n + (p[n] == '/');
	}
	if (!out.n)
		buf_append_byte(&out, '/');
	free(cwd);
	free(whole);
	return buf_take(&out, NULL);
}
