/* The reference: the forward pass of every architecture and its cross-entropy as the papers write
 * them, in plain loops and in double. It is slow and hides nothing; everything fast in
 * common/ is tested against it, and every gradient against its finite differences.
 *
 * Matrices are row-major; a weight has one row per output: y (M,N) = x (M,K) · wᵀ, w (N,K). */
#ifndef TESTS_NAIVE_H
#define TESTS_NAIVE_H

#include <stdint.h>

#include "model/model.h"

typedef double real;

/* y (M,N) = x (M,K) · wᵀ */
void naive_product(const real *x, const real *w, size_t m, size_t n, size_t k, real *y);
/* out (n) = x / sqrt(mean(x²) + eps) * w. Zhang and Sennrich 2019 */
void naive_rmsnorm(const real *x, const real *w, size_t n, real eps, real *out);
/* out (n) = (x - mean(x)) / sqrt(variance(x) + eps) * w + b. Ba et al. 2016 */
void naive_layernorm(const real *x, const real *w, const real *b, size_t n, real eps, real *out);
/* Turn the pair (a, b) by an angle. Su et al. 2021 */
void naive_turn(real *a, real *b, real angle);
/* x (n) = exp(x) / sum(exp(x)) */
void naive_softmax(real *x, size_t n);
/* log(sum(exp(x))) */
real naive_logsumexp(const real *x, size_t n);
/* x / (1 + exp(-x)), or x times the normal distribution (Hendrycks and Gimpel 2016), or that by
 * their formula with tanh */
real naive_activation(enum activation f, real x);
/* One head: each of n queries sees the last `window` keys up to its own: out = softmax(cap
 * tanh(scale q · kᵀ / cap)) · v. Row i of q and out begins at i * q_stride, of k and v at
 * i * kv_stride. */
void naive_attention(const struct attention *a, const real *q, const real *k, const real *v,
	size_t n, size_t hd, size_t q_stride, size_t kv_stride, real *out);
/* -log p(target), p the softmax of logits (n) */
real naive_cross_entropy(const real *logits, size_t n, size_t target);

/* A whole model. Its weights `w` are one array, tensor after tensor as config_tensor has them. */

/* The place of a tensor in such an array. */
size_t naive_place(const struct config *c, const char *name);
/* Hidden states (n, C) of the tokens ids (n) after the last norm. RoPE's frequencies are divided by
 * `factors` (rope_dim/2) unless NULL. */
void naive_hidden(const struct config *c, const float *factors, const real *w, const int *ids,
	size_t n, real *hidden);
/* logits (n, V) of hidden states */
void naive_logits(const struct config *c, const real *w, const real *hidden, size_t n,
	real *logits);
/* The sum of -log p(ids[i] | ids[0..i-1]) over i = loss_from .. n-1. */
real naive_loss(const struct config *c, const float *factors, const real *w, const int *ids,
	size_t n, size_t loss_from);

/* The same behind a prefix of c->n_front virtual tokens, (n_front, n_layer, 2, n_head_kv,
 * head_dim): each layer's keys and values of their places, as they are; the tokens' own places
 * begin there. */
real naive_loss_behind(const struct config *c, const float *factors, const real *w,
	const real *prefix, const int *ids, size_t n, size_t loss_from);

/* The slope of f(arg) by *x, by central differences: (f(x + h) - f(x - h)) / 2h, wrong by O(h²). */
real naive_slope(real (*f)(void *arg), void *arg, real *x);

/* What tests share. */

/* x (n) normal numbers of that deviation; the same seed gives the same ones. */
void random_floats(float *x, size_t n, float deviation, uint64_t seed);
/* The same numbers as reals, and as floats: free() them. */
real *reals(const float *x, size_t n);
/* The largest |got - want|, as a share of the largest |want| (or as it is, where all of `want` is
 * 0). NaN when anything is. */
real distance(const float *got, const real *want, size_t n);
/* A model whose weights are matrices in F32 that lie in w, as naive_* take them. Undo with
 * free(m->layers). */
void bind_model(struct model *m, const struct config *c, const float *w);
/* Random weights to test with: matrices that leave the residual stream at about its size, norms
 * around 1, biases around 0; free() */
float *random_weights(const struct config *c, uint64_t seed);

/* A small model of each kind that there is, with numbers by which each of its parts shows. */
struct kind {
	const char *name;
	struct config c;
	const float *factors; /* of RoPE, for naive_* and struct model; or NULL */
};
enum { N_KINDS = 14 };
extern const struct kind kinds[N_KINDS];

#endif
