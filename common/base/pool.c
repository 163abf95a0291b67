#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { SPIN = 4000 }; /* about 20 microseconds of pauses */

struct pool {
	size_t n;
	pthread_t *threads;
	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	atomic_ulong epoch;     /* counts calls of pool_run */
	atomic_size_t next;     /* next job to take */
	atomic_size_t running;  /* workers that have not finished this epoch */
	atomic_bool stop;
	struct scratch {
		void *p;
		size_t len;
	} *scratch;             /* n + 1 */
	size_t n_jobs;
	void (*fn)(void *, size_t, size_t);
	void *arg;
};

struct start {
	struct pool *p;
	size_t thread;
};

/* OpenMP's setting is per thread and BLIS and oneDNN read it: one each. Absent without OpenMP. */
extern void omp_set_num_threads(int) __attribute__((weak));

static void
relax(void)
{
#if defined __x86_64__ || defined __i386__
	__builtin_ia32_pause();
#elif defined __aarch64__
	__asm__ volatile("yield");
#endif
}

static void
take(struct pool *p, size_t thread)
{
	size_t job;

	while ((job = atomic_fetch_add(&p->next, 1)) < p->n_jobs)
		p->fn(p->arg, job, thread);
}

static void *
work(void *arg)
{
	struct start s = *(struct start *)arg;
	struct pool *p = s.p;
	unsigned long seen = 0;

	free(arg);
	if (omp_set_num_threads)
		omp_set_num_threads(1);
	for (;;) {
		for (int i = 0; i < SPIN && atomic_load(&p->epoch) == seen; i++)
			relax();
		if (atomic_load(&p->epoch) == seen) {
			pthread_mutex_lock(&p->lock);
			while (atomic_load(&p->epoch) == seen)
				pthread_cond_wait(&p->wake, &p->lock);
			pthread_mutex_unlock(&p->lock);
		}
		seen = atomic_load(&p->epoch);
		if (atomic_load(&p->stop))
			return NULL;
		take(p, s.thread);
		if (atomic_fetch_sub(&p->running, 1) == 1) {
			pthread_mutex_lock(&p->lock);
			pthread_cond_signal(&p->done);
			pthread_mutex_unlock(&p->lock);
		}
	}
}

/* The CPU quota of cgroup v2, rounded up, or 0 when there is none. */
static int
cgroup_cpus(void)
{
	long quota, period;
	int n = 0;
	FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");

	if (f) {
		if (fscanf(f, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0)
			n = (int)((quota + period - 1) / period);
		fclose(f);
	}
	return n;
}

int
pool_default(void)
{
	cpu_set_t set;
	int n = 1, limit = cgroup_cpus();

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		n = CPU_COUNT(&set);
	return limit > 0 && limit < n ? limit : n;
}

struct pool *
pool_new(int n)
{
	struct pool *p = mem_alloc(1, sizeof *p);

	if (omp_set_num_threads)
		omp_set_num_threads(1);
	p->n = n > 0 ? (size_t)n : (size_t)pool_default();
	p->threads = mem_alloc(p->n, sizeof *p->threads);
	p->scratch = mem_alloc(p->n + 1, sizeof *p->scratch);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_cond_init(&p->done, NULL);
	for (size_t i = 1; i < p->n; i++) {
		struct start *s = mem_alloc(1, sizeof *s);

		*s = (struct start){ p, i };
		if (pthread_create(&p->threads[i], NULL, work, s) != 0) {
			free(s);
			p->n = i; /* fewer threads, same results */
		}
	}
	return p;
}

void
pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->stop, 1);
	atomic_fetch_add(&p->epoch, 1);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 1; i < p->n; i++)
		pthread_join(p->threads[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	pthread_cond_destroy(&p->done);
	for (size_t i = 0; i <= p->n; i++)
		free(p->scratch[i].p);
	free(p->scratch);
	free(p->threads);
	free(p);
}

void *
pool_scratch(struct pool *p, size_t thread, size_t bytes)
{
	struct scratch *s = &p->scratch[thread];

	if (bytes > s->len) {
		free(s->p);
		s->len = bytes + bytes / 4;
		s->p = mem_try(s->len, 1);
		if (!s->p)
			mem_out();
	}
	return s->p;
}

size_t
pool_size(const struct pool *p)
{
	return p ? p->n : 1;
}

void
pool_run(struct pool *p, size_t n_jobs, void (*fn)(void *, size_t, size_t), void *arg)
{
	if (!p || p->n == 1 || n_jobs < 2) {
		for (size_t i = 0; i < n_jobs; i++)
			fn(arg, i, 0);
		return;
	}
	p->fn = fn;
	p->arg = arg;
	p->n_jobs = n_jobs;
	atomic_store(&p->next, 0);
	atomic_store(&p->running, p->n - 1);
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->epoch, 1);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	take(p, 0);
	for (int i = 0; i < SPIN && atomic_load(&p->running) > 0; i++)
		relax();
	if (atomic_load(&p->running) > 0) {
		pthread_mutex_lock(&p->lock);
		while (atomic_load(&p->running) > 0)
			pthread_cond_wait(&p->done, &p->lock);
		pthread_mutex_unlock(&p->lock);
	}
}
