/* A weight matrix as it lies in the file, and its products. Shapes: x (M,K), w (N,K), y (M,N), all
 * row-major.
 *
 * Two ways, for two uses. `weight_mul` is for many rows (prompts, scoring): BLIS in f32, or oneDNN
 * in bf16 where the build and the CPU have it and the weights are not F32. `weight_mul_rows` is for
 * few rows (a token of each sequence being generated): it reads the stored format once and
 * multiplies in f32. Quantized weights go another way where the CPU multiplies integers fast
 * (tensor/blocks.h), the same for few rows and many; only matrix units (AMX) are better at many.
 * With AVX2 weights in floating point go that way too in weight_mul, unless SR_PRODUCTS=f32. In
 * both a row's result does not depend on how many rows stand beside it, nor on the number of
 * threads. */
#ifndef TENSOR_WEIGHT_H
#define TENSOR_WEIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

/* What an adapter adds to a weight: w + scale b·a (LoRA; Hu et al. 2021), in f32 whatever the
 * weight is stored as. Several may be chained. */
struct lora_dropout {
	float p;       /* share of x's numbers that become 0, the others growing by 1 / (1 - p) */
	uint64_t seed; /* which ones: a function of this, the lora's id and their place in x */
};

struct lora {
	size_t rank;
	const float *a;          /* (rank, K) */
	const float *b;          /* (N, rank) */
	float scale;
	const struct lora *next; /* NULL: the last one */
	const struct lora_dropout *dropout; /* of its x, in products of many rows; NULL: none */
	uint32_t id;
};

struct weight {
	uint32_t type;     /* enum type */
	size_t rows, cols; /* N, K */
	const void *data;  /* rows, one after the other; of TYPE_NF4 a struct nf4 of all of them */
	const struct lora *lora; /* NULL: none; in all products and weight_row */
};

/* y (M,N) = x (M,K) · wᵀ; the pool must not be NULL (its scratch is used). */
void weight_mul(struct pool *p, const struct weight *w, const float *x, size_t m, float *y);
void weight_mul_rows(struct pool *p, const struct weight *w, const float *x, size_t m, float *y);
/* y[i] = x · w[i]ᵀ for n weights with as many columns: weight_mul_rows with `steps`, else
 * weight_mul. The same bits sooner: x is rounded once, and threads share the work of all. */
void weight_mul_all(struct pool *p, const struct weight *const *w, float *const *y, size_t n,
	const float *x, size_t m, bool steps);
/* dx (M,K) = beta dx + dy (M,N) · w for a weight that is not trained, without its adapters; beta is
 * 0 or 1. Stored formats are expanded by panels of some MB. With `half_dy`, dy in bf16, products
 * are in bf16: rows up to the next multiple of 32 are then read, and those of dx are scratch. */
void weight_back(struct pool *p, const struct weight *w, const float *dy, const uint16_t *half_dy,
	size_t m, float beta, float *dx);
/* out (K) = row `i` of w, in f32. */
void weight_row(const struct weight *w, size_t i, float *out);
/* "BLIS 0.9 (skx)", "oneDNN 2.6 bf16", ...: what products run on here; for --version and `sr-model
 * info`. */
const char *weight_backend(void);

#endif
