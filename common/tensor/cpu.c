/* Which kernels run here. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/blocks.h"
#include "tensor/kernels.h"

extern const struct kernels kernels_generic;
#ifdef __x86_64__
extern const struct kernels kernels_avx2, kernels_avx512;
extern const struct block_kernels blocks_avx2, blocks_avx512vnni;
#endif

size_t
kernels_levels(const struct kernels *levels[3])
{
	size_t n = 0;

	levels[n++] = &kernels_generic;
#ifdef __x86_64__
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		levels[n++] = &kernels_avx2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
		&& __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		levels[n++] = &kernels_avx512;
#endif
	return n;
}

static const struct kernels *
choose(void)
{
	const struct kernels *levels[3];
	const char *forced = getenv("SR_CPU");
	size_t n = kernels_levels(levels);

	for (size_t i = 0; forced && i < n; i++)
		if (strcmp(levels[i]->name, forced) == 0)
			return levels[i];
	return levels[n - 1];
}

const struct kernels *
kernels(void)
{
	static _Atomic(const struct kernels *) chosen;
	const struct kernels *k = atomic_load(&chosen);

	if (!k)
		atomic_store(&chosen, k = choose());
	return k;
}

size_t
blocks_levels(const struct block_kernels *levels[2])
{
	size_t n = 0;

#ifdef __x86_64__
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		levels[n++] = &blocks_avx2;
	if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw"))
		levels[n++] = &blocks_avx512vnni;
#else
	(void)levels;
#endif
	return n;
}

/* A level that SR_CPU names and that has no blocks of its own has those of the level below. */
const struct block_kernels *
blocks(void)
{
	const struct block_kernels *levels[2];
	const char *forced = getenv("SR_CPU");
	size_t n = blocks_levels(levels);

	if (forced && strcmp(forced, "generic") == 0)
		n = 0;
	else if (forced && strncmp(forced, "avx", 3) == 0 && strcmp(forced, "avx512vnni") != 0)
		n = n < 1 ? n : 1;
	return n ? levels[n - 1] : NULL;
}
