#include "automerge/tool/bench.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "automerge/tool/tool.h"

static void *count_realloc(void *ctx, void *p, size_t n)
{
	struct bench_memory *m = ctx;
	size_t old = p ? malloc_usable_size(p) : 0;
	if (!n) {
		free(p);
		m->live -= old;
		return NULL;
	}
	void *q = realloc(p, n);
	if (!q)
		return NULL;
	m->live += malloc_usable_size(q) - old;
	if (m->live > m->peak)
		m->peak = m->live;
	return q;
}

double bench_now(void)
{
	static clockid_t clock = -1;
	struct timespec t;
	if (clock < 0)
		clock = getenv("BENCH_CPU") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void bench_sample(struct bench *b, double start)
{
	if (b->n_samples < BENCH_SAMPLES_MAX)
		b->samples[b->n_samples++] = bench_now() - start;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

void bench_print(struct bench *b, const char *name)
{
	qsort(b->samples, b->n_samples, sizeof b->samples[0], compare_double);
	double median = b->n_samples ? b->samples[b->n_samples / 2] : 0;
	printf("{\"impl\":\"ours\",\"case\":\"%s\",\"seconds\":%.9f,\"samples\":%zu,\"bytes\":%zu,\"live\":%zu,\"peak\":%zu}\n",
	       name, median, b->n_samples, b->bytes, b->live, b->memory.peak);
	b->n_samples = 0;
}

int cmd_bench(const struct tool_args *args)
{
	static struct bench b;
	const char *name = args->files[0];
	const struct bench_case *c = bench_cases;
	while (c->name && strcmp(c->name, name))
		c++;
	if (!c->name)
		return tool_fail(name, "no such case");
	b.file = args->n_files > 1 ? args->files[1] : NULL;
	b.opts = tool_opts();
	b.opts.alloc = (am_allocator){count_realloc, &b.memory};
	int rc = c->run(&b);
	if (rc > 0)
		return rc;
	if (rc < 0)
		return tool_fail(name, am_strerror(rc));
	if (b.n_samples)
		bench_print(&b, name);
	return 0;
}
