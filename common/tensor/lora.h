/* What adapters add to a weight and to its products (LoRA; Hu et al. 2021), for tensor/weight.c:
 * all in f32, whatever the weight is stored as. Shapes: x (M,K), y (M,N), a (rank,K),
 * b (N,rank). */
#ifndef TENSOR_LORA_H
#define TENSOR_LORA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "tensor/weight.h"

/* y += scale x · aᵀ · bᵀ for each of the chain. `few`: as weight_mul_rows, by dot products, else as
 * weight_mul, by gemm; in both a row's bits depend neither on its neighbours nor on threads. */
void lora_mul(struct pool *p, const struct lora *l, size_t n, size_t k, const float *x, size_t m,
	float *y, bool few);
/* The gradients of that, of y = x · (scale b·a)ᵀ: to those of a and b, which `grad` points to in a
 * chain like l's, and to dx (M,K). x is the forward pass's, and so is dropout. */
void lora_back(struct pool *p, const struct lora *l, const struct lora *grad, size_t n, size_t k,
	const float *x, const float *dy, size_t m, float *dx);
/* out (K) += row `i` of scale b·a for each of the chain. */
void lora_row(const struct lora *l, size_t i, size_t k, float *out);

#endif
