/* A simulated world: one thread, virtual time, seeded randomness and order, an
 * in-memory disk with the crash behaviour of a real one, streams between
 * in-process parties, and fake programs. The same seed gives the same run, so a
 * failure is a seed (design.md 2, decision 8).
 *
 * A turn runs one event, picked by the seed among those due; when none is due
 * the clock moves to the next. Work runs on the loop thread in two events: run,
 * and later done. host_run returns -EDEADLK when nothing can ever happen. */
#ifndef HOST_SIM_H
#define HOST_SIM_H
#include "host/host.h"
#include "host/process.h"

/* ---- the disk, which outlives the hosts that use it ---- */

struct sim_disk;

/* Has "/" and "/tmp". All files belong to the user running the test. */
struct sim_disk *sim_disk_new(uint64_t seed);
void sim_disk_free(struct sim_disk *d); /* no host may use it */
/* The power goes. Of what was not synced, any part may be lost: of file data a
 * tail or all since the last sync; of creations, renames and removals those
 * after some moment, as far as their directory was not synced since. Open files
 * are gone. Kill or free the host first. */
void sim_disk_power_loss(struct sim_disk *d);
/* Bytes file data may take in all; writing more is ENOSPC. UINT64_MAX = no limit. */
void sim_disk_set_limit(struct sim_disk *d, uint64_t bytes);
/* Everything that would change something fails with EROFS. */
void sim_disk_set_read_only(struct sim_disk *d, bool on);
uint64_t sim_disk_used(const struct sim_disk *d);

/* ---- the host ---- */

/* One host at a time per disk. End it with host_free. */
int host_sim_new(struct sim_disk *d, uint64_t seed, struct host **ret);
/* The process dies here: from now on file operations fail with EIO and change
 * nothing, and host_run returns -ECANCELED. What owners then free reaches nothing. */
void host_sim_kill(struct host *h);
bool host_sim_killed(const struct host *h);
/* Most of the time work takes (virtual; default 5 ms). */
void host_sim_set_work_time(struct host *h, uint64_t most);
/* Moves the virtual clock on without running anything. */
void host_sim_advance(struct host *h, uint64_t by);
/* Delivers a signal to host_signal_open's callbacks. */
void host_sim_signal(struct host *h, int signum);

/* ---- fake programs ---- */

struct sim_process;

struct sim_program {
	/* Started; spec is valid during the call. Anything may be done with p, now or
	 * later, until sim_process_exit. Returns the process's own context. */
	void *(*start)(void *ctx, struct sim_process *p, const struct host_spawn *spec);
	/* A signal. SIGKILL has ended it already when this is called; others do
	 * nothing by themselves. May be NULL. */
	void (*signal)(void *process_ctx, struct sim_process *p, int sig);
};
/* Programs are found by the last component of argv[0]; unknown ones are -ENOENT. */
void host_sim_program(struct host *h, const char *name, const struct sim_program *program, void *ctx);
void sim_process_output(struct sim_process *p, int fd, const void *bytes, size_t n);
/* The process ends; p is not to be used any more. */
void sim_process_exit(struct sim_process *p, int status, int signal);
struct host *sim_process_host(const struct sim_process *p);
#endif
