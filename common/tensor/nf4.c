#include "tensor/nf4.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

const float nf4_levels[16] = {
	-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
	-0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
	0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
	0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};

enum { ZERO = 7 };

/* The nearest of n ascending levels. */
static size_t
nearest(const float *levels, size_t n, float x)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (x > (levels[mid] + levels[mid + 1]) / 2)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int
by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

void
nf4_dynamic_map(float levels[256])
{
	size_t n = 0;

	/* with each power of ten that is nearer to 1 there are twice as many fractions */
	for (int i = 0; i < 7; i++)
		for (int k = 0; k < 1 << i; k++) {
			double fraction = 0.1 + 0.9 * (k + 0.5) / (1 << i);
			float level = (float)(pow(10, i - 6) * fraction);

			levels[n++] = level;
			levels[n++] = -level;
		}
	levels[n++] = 0;
	levels[n++] = 1;
	qsort(levels, n, sizeof *levels, by_size);
}

static size_t
blocks_of(size_t n)
{
	return (n + NF4_BLOCK - 1) / NF4_BLOCK;
}

static size_t
groups_of(size_t n)
{
	return (blocks_of(n) + NF4_GROUP - 1) / NF4_GROUP;
}

size_t
nf4_bytes(size_t n, bool doubled)
{
	return (n + 1) / 2 + (doubled ? blocks_of(n) + groups_of(n) * sizeof(float) :
					blocks_of(n) * sizeof(float));
}

int
nf4_init(struct nf4 *q, size_t n)
{
	*q = (struct nf4){ .n = n, .codes = mem_try((n + 1) / 2, 1),
		.absmax = mem_try(blocks_of(n), sizeof *q->absmax) };
	if (q->codes && q->absmax)
		return 0;
	nf4_release(q);
	return -1;
}

void
nf4_release(struct nf4 *q)
{
	free(q->codes);
	free(q->absmax);
	free(q->absmax8);
	free(q->scales);
	*q = (struct nf4){ 0 };
}

static float
largest(const float *x, size_t n)
{
	float most = 0;

	for (size_t i = 0; i < n; i++)
		most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
	return most;
}

void
nf4_store(struct nf4 *q, size_t from, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i += NF4_BLOCK) {
		size_t m = n - i < NF4_BLOCK ? n - i : NF4_BLOCK;
		float most = largest(x + i, m);

		q->absmax[(from + i) / NF4_BLOCK] = most;
		for (size_t k = 0; k < m; k++) {
			size_t code = most > 0 ? nearest(nf4_levels, 16, x[i + k] / most) : ZERO;
			uint8_t *byte = &q->codes[(from + i + k) / 2];

			*byte = (uint8_t)(k % 2 ? (*byte & 0xf0) | code : code << 4 | (*byte & 15));
		}
	}
}

int
nf4_double(struct nf4 *q)
{
	size_t n = blocks_of(q->n);
	double sum = 0;

	q->absmax8 = mem_try(n, sizeof *q->absmax8);
	q->scales = mem_try(groups_of(q->n), sizeof *q->scales);
	if (!q->absmax8 || !q->scales)
		return -1;
	nf4_dynamic_map(q->levels);
	for (size_t i = 0; i < n; i++)
		sum += (double)q->absmax[i];
	q->mean = (float)(sum / (double)n);
	for (size_t i = 0; i < n; i++)
		q->absmax[i] -= q->mean;
	for (size_t i = 0; i < n; i++) {
		size_t group = i / NF4_GROUP;

		if (i % NF4_GROUP == 0)
			q->scales[group] = largest(q->absmax + i,
				n - i < NF4_GROUP ? n - i : NF4_GROUP);
		q->absmax8[i] = (uint8_t)nearest(q->levels, 256,
			q->scales[group] > 0 ? q->absmax[i] / q->scales[group] : 0);
	}
	free(q->absmax);
	q->absmax = NULL;
	return 0;
}

static float
absmax_of(const struct nf4 *q, size_t block)
{
	if (!q->absmax8)
		return q->absmax[block];
	return q->levels[q->absmax8[block]] * q->scales[block / NF4_GROUP] + q->mean;
}

/* n numbers of one block, whose largest magnitude is `most`. */
static void
load_block(const struct nf4 *q, size_t from, size_t n, float most, float *out)
{
	float level[16];

	for (int i = 0; i < 16; i++)
		level[i] = nf4_levels[i] * most;
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = q->codes[(from + i) / 2];

		out[i] = level[(from + i) % 2 ? byte & 15 : byte >> 4];
	}
}

void
nf4_load(const struct nf4 *q, size_t from, size_t n, float *out)
{
	for (size_t i = 0, m; i < n; i += m) {
		size_t block = (from + i) / NF4_BLOCK;
		size_t left = (block + 1) * NF4_BLOCK - (from + i);

		m = n - i < left ? n - i : left;
		load_block(q, from + i, m, absmax_of(q, block), out + i);
	}
}
