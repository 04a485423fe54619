/* What all kernels of a daemon share: directories, the registry of processes,
 * and the ones that are still ending. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/text.h"
#include "host/file.h"
#include "kernel/kernel_internal.h"
#include "store/pid_registry.h"

/* Connection files and sockets of an earlier daemon. */
static void empty_dir(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	while (dir && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
}

/* A short directory of our own for sockets: one per base directory, so that daemons do not touch each other's. */
static char *make_ipc_dir(const char *base_dir)
{
	char hash[SHA256_HEX_BYTES];
	sha256_hex(hash, base_dir, strlen(base_dir));
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	const char *const parents[] = {runtime && *runtime == '/' && strlen(runtime) < 60 ? runtime : NULL, "/tmp"};
	for (size_t i = 0; i < 2; i++) {
		if (!parents[i])
			continue;
		char *dir = xasprintf("%s/runtimed-%u-%.12s", parents[i], (unsigned)getuid(), hash);
		if (connection_private_dir(dir) == 0) {
			empty_dir(dir);
			return dir;
		}
		free(dir);
	}
	return NULL;
}

int kernel_service_new(const struct kernel_service_config *config, struct kernel_service **ret_service)
{
	struct kernel_service *s = xcalloc(1, sizeof *s);
	s->host = config->host;
	s->blobs = config->blobs;
	s->simulate = config->simulate;
	s->simulate_ctx = config->simulate_ctx;
	s->final_streams = xcalloc(1, sizeof *s->final_streams);
	int r = 0;
	if (!s->simulate) {
		s->base_dir = xstrdup(config->base_dir);
		s->connections_dir = path_join(config->base_dir, "connections");
		r = host_dir_make_soon(s->host, s->base_dir, 0700);
		if (r == 0)
			r = connection_private_dir(s->connections_dir);
		if (r == 0)
			r = pid_registry_open(s->host, s->base_dir, &s->registry);
		if (r == 0) {
			int n = pid_registry_reap(s->registry);
			if (n > 0)
				log_info("kernel", "Ended %d kernels that an earlier daemon left", n);
			empty_dir(s->connections_dir);
		}
	}
	if (r < 0)
		kernel_service_free(s);
	else
		*ret_service = s;
	return r;
}

const char *kernel_service_ipc_dir(struct kernel_service *s)
{
	if (!s->ipc_dir)
		s->ipc_dir = make_ipc_dir(s->base_dir);
	return s->ipc_dir;
}

void kernel_service_check_stopped(struct kernel_service *s)
{
	if (!s->stopped || s->dying.n)
		return;
	void (*done)(void *ctx) = s->stopped;
	s->stopped = NULL;
	done(s->stopped_ctx);
}

void kernel_service_stop(struct kernel_service *s, void (*done)(void *ctx), void *ctx)
{
	for (size_t i = 0; i < s->kernels.n; i++)
		kernel_shutdown(s->kernels.p[i]);
	s->stopped = done;
	s->stopped_ctx = ctx;
	kernel_service_check_stopped(s);
}

void kernel_service_free(struct kernel_service *s)
{
	if (!s)
		return;
	while (s->dying.n)
		child_free(s->dying.p[--s->dying.n]);
	if (!s->simulate)
		transport_zmq_shutdown();
	if (s->registry)
		pid_registry_close(s->registry);
	if (s->ipc_dir)
		rmdir(s->ipc_dir);
	VEC_FREE(&s->dying);
	VEC_FREE(&s->kernels);
	map_free(s->final_streams);
	free(s->final_streams);
	free(s->ipc_dir);
	free(s->connections_dir);
	free(s->base_dir);
	free(s);
}
