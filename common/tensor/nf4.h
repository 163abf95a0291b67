/* Numbers in four bits as QLoRA holds the base beside an adapter in training (Dettmers et al. 2023,
 * arXiv:2305.14314; bitsandbytes), in memory alone: no file has them.
 *
 * Of each 64 numbers the largest magnitude is kept in f32, absmax, and each number as the nearest
 * of 16 levels times it: NF4's levels are quantiles of the normal distribution, one of them 0. With
 * double quantization absmax is held in eight bits, too: its mean over the matrix is subtracted,
 * and each 256 of them share a scale in f32 and have one of the 256 levels of bitsandbytes' dynamic
 * map (a sign, a decimal exponent of 0 to -6 in unary, the rest a linear fraction of 0.1 to 1).
 * That is 4.5 bits a number, or 4.127. */
#ifndef TENSOR_NF4_H
#define TENSOR_NF4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NF4_BLOCK = 64, NF4_GROUP = 256 };

struct nf4 {
	size_t n;
	uint8_t *codes;   /* two numbers a byte, the first in the high half */
	float *absmax;    /* per block; NULL once doubly quantized */
	uint8_t *absmax8; /* per block; NULL: not doubly quantized */
	float *scales;    /* per group of blocks */
	float mean, levels[256]; /* absmax is levels[absmax8] times the scale, plus the mean */
};

extern const float nf4_levels[16];
/* The 256 levels of absmax8, ascending. */
void nf4_dynamic_map(float levels[256]);

/* Room for n numbers; -1 when there is no memory. */
int nf4_init(struct nf4 *q, size_t n);
void nf4_release(struct nf4 *q);
/* Numbers from.. (a multiple of 64) become x (n), n a multiple of 64 but at the end. They must be
 * finite. Different parts may be stored by different threads. */
void nf4_store(struct nf4 *q, size_t from, const float *x, size_t n);
/* Once all are stored: hold absmax in eight bits. -1 when there is no memory. */
int nf4_double(struct nf4 *q);
/* out (n): numbers from.. */
void nf4_load(const struct nf4 *q, size_t from, size_t n, float *out);
/* What it takes in the end. */
size_t nf4_bytes(size_t n, bool doubled);

#endif
