/* Shared by the sim_*.c files. */
#ifndef HOST_SIM_IMPL_H
#define HOST_SIM_IMPL_H
#include "base/map.h"
#include "base/vec.h"
#include "host/impl.h"
#include "host/sim.h"

#define SIM_PIPE_MAX (256u << 10) /* bytes under way in one direction of a stream */

struct sim_random {
	uint64_t state;
};
uint64_t sim_random_next(struct sim_random *r);
uint64_t sim_random_below(struct sim_random *r, uint64_t n); /* n > 0 */

struct sim_event {
	uint64_t at;
	host_fn *fn;
	void *ctx;
	const void *owner; /* for cancelling */
};

struct sim_program_entry {
	struct sim_program program;
	void *ctx;
};

struct host_sim {
	struct host base;
	struct sim_disk *disk;
	struct sim_random schedule, random;
	uint64_t now;
	uint64_t work_most;
	bool killed;
	VEC(struct sim_event) events;
	struct map listeners; /* "u" path or "t" port -> struct sim_listener * */
	uint16_t next_port;
	VEC(struct sim_watch *) watches;
	VEC(struct sim_signal *) signals;
	VEC(struct sim_process *) processes;
	struct map programs; /* name -> struct sim_program_entry * */
	pid_t next_pid;
};

static inline struct host_sim *sim_of(struct host *h)
{
	return (struct host_sim *)h;
}
/* Calls fn(ctx) in a later turn, after at most `most` of virtual time. */
void sim_event_add(struct host_sim *s, uint64_t most, host_fn *fn, void *ctx, const void *owner);
void sim_events_cancel(struct host_sim *s, const void *owner);

/* sim_disk.c */
extern const struct host_file_ops sim_file_ops; /* self is the disk */
/* The disk tells whoever has it about changes in directories; NULL = nobody. */
typedef void sim_change_fn(void *ctx, uint64_t dir, const char *name, int events);
void sim_disk_attach(struct sim_disk *d, sim_change_fn *fn, struct host_sim *s);
/* Closes all files; operations fail from now on until the next attach. */
void sim_disk_detach(struct sim_disk *d);

/* sim_stream.c */
int sim_listen_unix(struct host *h, const char *path, host_accept_fn *fn, void *ctx, struct host_listener **ret);
int sim_listen_loopback(struct host *h, uint16_t port, host_accept_fn *fn, void *ctx, struct host_listener **ret,
			uint16_t *ret_port);
void sim_listener_close(struct host_listener *l);
int sim_connect_unix(struct host *h, const char *path, host_connect_fn *fn, void *ctx);
int sim_connect_loopback(struct host *h, uint16_t port, host_connect_fn *fn, void *ctx);
void sim_stream_read_start(struct host_stream *s);
void sim_stream_read_stop(struct host_stream *s);
int sim_stream_write(struct host_stream *s, void *p, size_t n, host_written_fn *done, void *ctx);
size_t sim_stream_queued(const struct host_stream *s);
void sim_stream_finish(struct host_stream *s);
void sim_stream_close(struct host_stream *s);
void sim_stream_close_flushed(struct host_stream *s, uint64_t limit);
/* Forgets connections not made yet. */
void sim_connects_free(struct host_sim *s);
int sim_stream_peer(const struct host_stream *s, struct host_peer_cred *ret);

/* sim_process.c */
int sim_spawn(struct host *h, const struct host_spawn *spec, struct host_process **ret);
int sim_process_signal(struct host_process *p, int sig, bool group);
void sim_process_close(struct host_process *p);
int sim_pid_start_time(struct host *h, pid_t pid, uint64_t *ret);
int sim_pgid_signal(struct host *h, pid_t pgid, uint64_t start_time, int sig);
void sim_processes_free(struct host_sim *s);
#endif
