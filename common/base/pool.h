/* The one thread pool. Every parallel product, attention and element-wise loop goes through it;
 * libraries (BLIS, oneDNN) are called single-threaded from its jobs, so that threads never fight.
 * Workers spin for some microseconds after a job, then block. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

struct pool;

/* `n` threads, the caller's among them; n <= 0 takes what affinity and the cgroup allow. */
struct pool *pool_new(int n);
void pool_free(struct pool *p);
/* Number of threads; a NULL pool counts as one. */
size_t pool_size(const struct pool *p);
/* Call fn(arg, job, thread) for job = 0 .. n_jobs-1, in any order, and wait for all.
 * `thread` < pool_size. A NULL pool runs them in the caller. Not reentrant. */
void pool_run(struct pool *p, size_t n_jobs,
	void (*fn)(void *arg, size_t job, size_t thread), void *arg);
/* At least `bytes` of scratch for thread `thread`, or pool_size() for the caller of pool_run
 * itself; 64-byte aligned, kept and grown until the pool is freed, its content undefined. The pool
 * must not be NULL. */
void *pool_scratch(struct pool *p, size_t thread, size_t bytes);
/* What affinity and the cgroup allow. */
int pool_default(void);

#endif
