/* Where the daemon and its clients meet: channel, directories and files
 * (protocol.md 2.1, 2.2; clients.md 2.4). Reads the environment only. */
#ifndef BASE_PATHS_H
#define BASE_PATHS_H
#include <stdbool.h>

enum release_channel { CHANNEL_STABLE, CHANNEL_NIGHTLY };

/* Stable, unless the program's name ends in `-nightly` or RUNT_CHANNEL is `nightly`. */
enum release_channel channel_of(const char *argv0);
const char *channel_name(enum release_channel c); /* "stable", "nightly" */

/* Absolute paths, owned; nothing is created. */
struct paths {
	enum release_channel channel;
	bool dev_mode;          /* RUNTIMED_DEV=1, or RUNTIMED_WORKSPACE_PATH is set */
	char *worktree;         /* dev mode: the workspace; NULL when not known */
	char worktree_hash[13]; /* 12 hex of sha256(worktree), or "" */
	char *home;
	char *cache_home;  /* $XDG_CACHE_HOME or ~/.cache, else /tmp */
	char *cache_dir;   /* <cache_home>/runt or runt-nightly */
	char *base_dir;    /* cache_dir, in dev mode <cache_dir>/worktrees/<hash> */
	char *config_dir;  /* ~/.config/nteract or nteract-nightly */
	char *socket;      /* RUNTIMED_SOCKET_PATH or <base_dir>/runtimed.sock */
	char *daemon_json, *lock, *log, *envs_dir, *blobs_dir, *notebook_docs_dir;
	char *notebooks_dir; /* ~/notebooks; dev mode: <worktree>/notebooks */
};

/* 0, or -ENOENT when RUNTIMED_SOCKET_PATH names a file in a directory that is
 * not there (ret_paths is filled all the same, with that socket). */
int paths_init(struct paths *ret_paths, enum release_channel channel);
void paths_fini(struct paths *p);
/* A path of the user as an absolute one: joined to the current directory, `.`,
 * `..` and double slashes taken out, symlinks left alone; caller frees. */
char *path_absolute(const char *path);
#endif
