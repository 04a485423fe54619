/* Timed work for the comparison with other implementations (bench/automerge).
 * `automerge bench CASE [FILE]` prints one JSON line. */
#ifndef AUTOMERGE_TOOL_BENCH_H
#define AUTOMERGE_TOOL_BENCH_H
#include <stddef.h>

#include "automerge/automerge.h"

#define BENCH_SAMPLES_MAX 4096

/* What the library holds, counted by the allocator every document of a bench gets. */
struct bench_memory {
	size_t live, peak;
};

struct bench {
	const char *file; /* NULL when none was given */
	am_opts opts;     /* with the counting allocator */
	struct bench_memory memory;
	double samples[BENCH_SAMPLES_MAX]; /* seconds */
	size_t n_samples;
	size_t bytes;     /* of the file made, where that says something */
	size_t live;      /* held by the documents at the point the case calls its result */
};

/* Seconds on the bench's clock: time that passes, or with BENCH_CPU in the environment
 * the processor time of this process, which other work on the machine does not lengthen. */
double bench_now(void);
/* Seconds since `start` as one more sample. */
void bench_sample(struct bench *b, double start);

/* One line of JSON about the samples so far, which are then forgotten. */
void bench_print(struct bench *b, const char *name);

struct bench_case {
	const char *name;
	int (*run)(struct bench *b); /* 0 or an am_err; 1 having said why. Samples left are printed. */
};
extern const struct bench_case bench_cases[]; /* ends with a NULL name */
#endif
