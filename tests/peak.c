/* What this machine can do at most, for tests/bench.sh: one line of `name value` each for reading
 * memory (GB/s) and for multiplying in f32, bf16 (GFLOP/s) and bytes (GOP/s), on all threads.
 * Arithmetic is done in registers; what the CPU does not have is left out. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"

enum { MB = 1 << 20, MEMORY = 256, ROUNDS = 1 << 22, LANES = 16, SUMS = 10 };

typedef float vec __attribute__((vector_size(64)));
typedef uint64_t words __attribute__((vector_size(64)));

static char *memory; /* MEMORY megabytes for each thread */
static volatile uint64_t sink;

static void
read_memory(void *arg, size_t job, size_t thread)
{
	const words *p = (const void *)(memory + job * MEMORY * MB);
	words a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
	size_t quarter = MEMORY * MB / sizeof *p / 4;

	(void)arg;
	(void)thread;
	for (size_t i = 0; i < quarter; i++) {
		for (size_t s = 0; s < 4; s++)
			__builtin_prefetch(p + s * quarter + i + 16);
		a ^= p[i];
		b ^= p[quarter + i];
		c ^= p[2 * quarter + i];
		d ^= p[3 * quarter + i];
	}
	a ^= b ^ c ^ d;
	sink += a[0] + a[7];
}

/* ROUNDS times SUMS independent instructions of `lanes` bytes. */
#define SPIN_ON(name, isa, instruction, type) \
	__attribute__((target(isa))) static void name(void *arg, size_t job, size_t thread) \
	{ \
		type s[SUMS] = { 0 }, x = { 0 }; \
\
		(void)arg; \
		(void)job; \
		(void)thread; \
		for (long i = 0; i < ROUNDS; i++) { \
			_Pragma("GCC unroll 10") for (int j = 0; j < SUMS; j++) \
				__asm__ volatile(instruction " %1, %1, %0" : "+v"(s[j]) : "v"(x)); \
		} \
	}

#ifdef __x86_64__
typedef float half_vec __attribute__((vector_size(32)));
SPIN_ON(fma_avx2, "avx2,fma", "vfmadd231ps", half_vec)
SPIN_ON(fma_avx512, "avx512f", "vfmadd231ps", vec)
SPIN_ON(dot_bf16, "avx512f", "vdpbf16ps", vec)
SPIN_ON(dot_bytes, "avx512f", "vpdpbusd", vec)
#endif

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Print the best of three runs: `units` 1e9 of each job. */
static void
measure(const char *name, struct pool *p, void (*job)(void *, size_t, size_t), double units)
{
	double best = 0;

	for (int r = 0; r < 3; r++) {
		double start = now(), rate;

		pool_run(p, pool_size(p), job, NULL);
		rate = units * (double)pool_size(p) / (now() - start) / 1e9;
		best = rate > best ? rate : best;
	}
	printf("%s %.1f\n", name, best);
}

int
main(void)
{
	struct pool *p = pool_new(0);
	double instructions = (double)ROUNDS * SUMS;

	memory = aligned_alloc(64, pool_size(p) * MEMORY * MB);
	if (!memory)
		return 1;
	memset(memory, 1, pool_size(p) * MEMORY * MB);
	measure("memory", p, read_memory, (double)MEMORY * MB);
#ifdef __x86_64__
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f"))
		measure("f32", p, fma_avx512, instructions * 2 * LANES);
	else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		measure("f32", p, fma_avx2, instructions * LANES);
	if (__builtin_cpu_supports("avx512bf16"))
		measure("bf16", p, dot_bf16, instructions * 4 * LANES);
	if (__builtin_cpu_supports("avx512vnni"))
		measure("int8", p, dot_bytes, instructions * 8 * LANES);
#endif
	free(memory);
	pool_free(p);
	return 0;
}
