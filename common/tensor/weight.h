/* A weight matrix as it lies in the file, and its products. Shapes: x (M,K), w (N,K), y (M,N), all
 * row-major.
 *
 * Two ways, for two uses. `weight_mul` is for many rows (prompts, scoring): BLIS in f32, or oneDNN
 * in bf16 where the build and the CPU have it and the weights are not F32. `weight_mul_rows` is for
 * few rows (a token of each sequence being generated): it reads the stored format once and
 * multiplies in f32. Quantized weights go another way where the CPU multiplies bytes
 * (tensor/blocks.h), the same for few rows and many; only matrix units (AMX) are better at many. In
 * both a row's result does not depend on how many rows stand beside it, nor
 * on the number of threads. */
#ifndef TENSOR_WEIGHT_H
#define TENSOR_WEIGHT_H

#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

/* What an adapter adds to a weight: w + scale b·a (LoRA; Hu et al. 2021), in f32 whatever the
 * weight is stored as. Several may be chained. */
struct lora {
	size_t rank;
	const float *a;          /* (rank, K) */
	const float *b;          /* (N, rank) */
	float scale;
	const struct lora *next; /* NULL: the last one */
};

struct weight {
	uint32_t type;     /* enum type */
	size_t rows, cols; /* N, K */
	const void *data;
	const struct lora *lora; /* NULL: none; in all products and weight_row */
};

/* y (M,N) = x (M,K) · wᵀ; the pool must not be NULL (its scratch is used). */
void weight_mul(struct pool *p, const struct weight *w, const float *x, size_t m, float *y);
void weight_mul_rows(struct pool *p, const struct weight *w, const float *x, size_t m, float *y);
/* out (K) = row `i` of w, in f32. */
void weight_row(const struct weight *w, size_t i, float *out);
/* "BLIS 0.9 (skx)", "oneDNN 2.6 bf16", ...: what products run on here; for --version and `sr-model
 * info`. */
const char *weight_backend(void);

#endif
