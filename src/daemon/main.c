/* runtimed: the command line of the daemon (clients.md 2.1). */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/standard.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "version.h"

static const char usage_text[] =
	"Usage: runtimed [--log-level LEVEL] [--dev] [COMMAND]\n"
	"\n"
	"The notebook daemon. Without a command it runs in the foreground.\n"
	"\n"
	"Commands:\n"
	"  run                        run the daemon (the default)\n"
	"    --socket PATH            listen here instead of BASE/runtimed.sock\n"
	"    --cache-dir PATH         environments of the pool (BASE/envs)\n"
	"    --blob-store-dir PATH    blobs (BASE/blobs)\n"
	"    --uv-pool-size N         ready uv environments to keep (3)\n"
	"    --conda-pool-size N      ready conda environments to keep (3)\n"
	"    --new-notebook-cells N   cells of a new notebook: 0 or 1 (as the client's generation expects)\n"
	"    --report-version V       the version clients are told\n"
	"  install [--binary PATH]    install and start the user service\n"
	"\n"
	"Options:\n"
	"  --log-level LEVEL          error, warn (default), info, debug, trace; RUST_LOG wins\n"
	"  --dev                      state per worktree, as RUNTIMED_DEV=1\n"
	"  -h, --help                 this text\n"
	"  -V, --version              the version\n";

enum {
	OPT_SOCKET = 256, OPT_CACHE, OPT_BLOBS, OPT_UV, OPT_CONDA, OPT_CELLS, OPT_REPORT, OPT_LOG, OPT_DEV, OPT_BINARY,
	OPT_JSON
};
static const struct option options[] = {
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"cache-dir", required_argument, NULL, OPT_CACHE},
	{"blob-store-dir", required_argument, NULL, OPT_BLOBS},
	{"uv-pool-size", required_argument, NULL, OPT_UV},
	{"conda-pool-size", required_argument, NULL, OPT_CONDA},
	{"new-notebook-cells", required_argument, NULL, OPT_CELLS},
	{"report-version", required_argument, NULL, OPT_REPORT},
	{"log-level", required_argument, NULL, OPT_LOG},
	{"dev", no_argument, NULL, OPT_DEV},
	{"binary", required_argument, NULL, OPT_BINARY},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

struct arguments {
	const char *command;
	const char *socket, *cache_dir, *blob_dir, *version, *log_level, *binary;
	unsigned uv, conda;
	int cells;
	bool json; /* of `status` */
};

static int usage_error(const char *what)
{
	fprintf(stderr, "runtimed: %s\nTry 'runtimed --help'.\n", what);
	return 2;
}

static bool number(const char *s, uint64_t max, unsigned *ret)
{
	uint64_t v;
	if (!str_to_u64(s, &v) || v > max)
		return false;
	*ret = (unsigned)v;
	return true;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct arguments *a)
{
	int c;
	unsigned cells;
	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (c) {
		case OPT_SOCKET: a->socket = optarg; break;
		case OPT_CACHE: a->cache_dir = optarg; break;
		case OPT_BLOBS: a->blob_dir = optarg; break;
		case OPT_REPORT: a->version = optarg; break;
		case OPT_LOG: a->log_level = optarg; break;
		case OPT_BINARY: a->binary = optarg; break;
		case OPT_JSON: a->json = true; break;
		case OPT_DEV: setenv("RUNTIMED_DEV", "1", 1); break;
		case OPT_UV:
			if (!number(optarg, 64, &a->uv))
				return usage_error("--uv-pool-size takes a number up to 64");
			break;
		case OPT_CONDA:
			if (!number(optarg, 64, &a->conda))
				return usage_error("--conda-pool-size takes a number up to 64");
			break;
		case OPT_CELLS:
			if (!number(optarg, 1, &cells))
				return usage_error("--new-notebook-cells takes 0 or 1");
			a->cells = (int)cells;
			break;
		case 'h': fputs(usage_text, stdout); return 0;
		case 'V': printf("runtimed %s\n", RUNTIMED_VERSION); return 0;
		default: return 2;
		}
	}
	if (argc - optind > 1)
		return usage_error("one command at a time");
	a->command = optind < argc ? argv[optind] : "run";
	return -1;
}

static void log_level(const struct arguments *a)
{
	enum log_level level = LOG_WARN;
	const char *rust = getenv("RUST_LOG");
	if (!(rust && log_level_parse(rust, &level)) && a->log_level && !log_level_parse(a->log_level, &level))
		fprintf(stderr, "runtimed: unknown log level %s, using warn\n", a->log_level);
	log_set_level(level);
}

static char *copy(const char *given, const char *otherwise)
{
	return path_absolute(given ? given : otherwise);
}

static char *description_of(const char *worktree)
{
	char *path = xasprintf("%s/.context/workspace-description", worktree), line[512];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(line, 1, sizeof line - 1, f) : 0;
	if (f)
		fclose(f);
	free(path);
	line[n] = '\0';
	const char *text = line + strspn(line, " \t\r\n");
	n = strlen(text);
	while (n && strchr(" \t\r\n", text[n - 1]))
		n--;
	return n ? xstrndup(text, n) : NULL;
}

static int run(const struct arguments *a, const char *argv0)
{
	struct paths p;
	int r = paths_init(&p, channel_of(argv0));
	if (r < 0 && !a->socket) {
		fprintf(stderr, "runtimed: RUNTIMED_SOCKET_PATH: the directory of %s does not exist\n", p.socket);
		paths_fini(&p);
		return 1;
	}
	const char *key = getenv("RUNT_TRUST_KEY_PATH"), *report = getenv("RUNTIMED_REPORT_VERSION"),
		   *config_home = getenv("XDG_CONFIG_HOME"), *evict = getenv("RUNTIMED_EVICT_MS");
	struct daemon_config config = {
		.base_dir = xstrdup(p.base_dir),
		.cache_dir = xasprintf("%s/runt", p.cache_home), /* shared by all channels (environments.md 1) */
		.config_dir = xstrdup(p.config_dir),
		.socket = copy(a->socket, p.socket),
		.log_path = xstrdup(p.log),
		.env_dir = copy(a->cache_dir, p.envs_dir),
		.blob_dir = copy(a->blob_dir, p.blobs_dir),
		.trust_key_path = key && *key ? xstrdup(key)
				  : config_home && *config_home == '/' ? xasprintf("%s/runt/trust-key", config_home)
								       : xasprintf("%s/.config/runt/trust-key", p.home),
		.version = xstrdup(a->version ? a->version : report && *report ? report : RUNTIMED_VERSION),
		.worktree = p.dev_mode && p.worktree ? xstrdup(p.worktree) : NULL,
		.workspace_description = p.dev_mode && p.worktree ? description_of(p.worktree) : NULL,
		.uv_pool_size = a->uv, .conda_pool_size = a->conda, .new_notebook_cells = a->cells,
	};
	uint64_t ms;
	if (evict && str_to_u64(evict, &ms))
		config.evict_ms = ms;
	paths_fini(&p);
	return daemon_run(&config);
}

/* The service is the command line tool's business; it stands beside us. */
static int delegate(const char *argv0, const struct arguments *a, const char *command)
{
	char *dir = path_dir(argv0), *runt = strchr(argv0, '/') ? path_join(dir, "runt") : xstrdup("runt");
	fprintf(stderr, "runtimed: this is `runt daemon %s`\n", command);
	if (a->json)
		execlp(runt, runt, "daemon", command, "--json", (char *)NULL);
	else if (a->binary)
		execlp(runt, runt, "daemon", command, "--binary", a->binary, (char *)NULL);
	else
		execlp(runt, runt, "daemon", command, (char *)NULL);
	fprintf(stderr, "runtimed: cannot run %s: %s\n", runt, strerror(errno));
	free(runt);
	free(dir);
	return 1;
}

int main(int argc, char **argv)
{
	static const char *const passed_on[][2] = {{"install", "install"}, {"uninstall", "uninstall"},
						   {"status", "status"},   {"start", "start"},
						   {"stop", "stop"},       {"flush-pool", "flush"}};
	struct arguments a = {.uv = 3, .conda = 3, .cells = -1};
	int status;
	alloc_setup();
	standard_streams_open();
	status = parse(argc, argv, &a);
	if (status >= 0)
		return status;
	log_level(&a);
	if (strcmp(a.command, "run") == 0)
		return run(&a, argv[0]);
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
		if (strcmp(a.command, passed_on[i][0]) == 0)
			return delegate(argv[0], &a, passed_on[i][1]);
	fprintf(stderr, "runtimed: unknown command %s\nTry 'runtimed --help'.\n", a.command);
	return 2;
}
