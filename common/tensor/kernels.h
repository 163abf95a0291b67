/* Vector kernels: the loops between the matrix products, and products with few rows.
 *
 * kernels.c is plain C on GCC's portable vectors, as wide as the level's registers. It is compiled
 * once per CPU level (generic, avx2, avx512) and the best one that the CPU has is chosen at run
 * time; SR_CPU=generic|avx2|avx512 forces one. Sums run over lanes and are folded in a fixed
 * order. */
#ifndef TENSOR_KERNELS_H
#define TENSOR_KERNELS_H

#include <stddef.h>
#include <stdint.h>

struct adamw {
	float lr, beta1, beta2, eps, weight_decay;
	float correct1, correct2; /* 1 - beta^step */
	float grad_scale;         /* clipping: what gradients are multiplied by */
};

/* What stands between the products of a feed-forward part. GELU by its error function, and by tanh
 * (Hendrycks and Gimpel 2016). */
enum activation { ACT_SILU, ACT_GELU, ACT_GELU_TANH, N_ACTIVATIONS };

struct kernels {
	const char *name;
	float (*dot)(const float *a, const float *b, size_t n);
	/* y += a x */
	void (*axpy)(size_t n, float a, const float *x, float *y);
	/* out = x + y */
	void (*add)(size_t n, const float *x, const float *y, float *out);
	/* y[j*ldy + i] = w[i*k ..] · x[j*ldx ..] for i < rows, j < m: the weights' rows in f32 */
	void (*dot_rows)(const float *w, size_t rows, const float *x, size_t ldx, size_t m,
		size_t k, float *y, size_t ldy);
	/* the same for rows stored as F16 or BF16, with the same bits as their values in f32 */
	void (*dot_rows_f16)(const uint16_t *w, size_t rows, const float *x, size_t ldx, size_t m,
		size_t k, float *y, size_t ldy);
	void (*dot_rows_bf16)(const uint16_t *w, size_t rows, const float *x, size_t ldx, size_t m,
		size_t k, float *y, size_t ldy);
	/* out = x * rstd * w; returns rstd = 1 / sqrt(mean(x²) + eps). Zhang and Sennrich 2019 */
	float (*rmsnorm)(const float *x, const float *w, size_t n, float eps, float *out);
	/* dx += the gradient towards x, dw += towards w, of rmsnorm's out given dout */
	void (*rmsnorm_back)(const float *x, const float *w, float rstd, const float *dout,
		size_t n, float *dx, float *dw);
	/* out = (x - mean) * rstd * w + b, rstd = 1 / sqrt(variance + eps). Ba et al. 2016 */
	void (*layernorm)(const float *x, const float *w, const float *b, size_t n, float eps,
		float *out);
	/* dx, dw and db += the gradients of layernorm's out given dout */
	void (*layernorm_back)(const float *x, const float *w, size_t n, float eps,
		const float *dout, float *dx, float *dw, float *db);
	/* out = f(gate) * up (Shazeer 2020); out = f(gate) where `up` is NULL */
	void (*activate[N_ACTIVATIONS])(const float *gate, const float *up, size_t n, float *out);
	/* dgate and dup of activate, written over gate and, unless NULL, up */
	void (*activate_back[N_ACTIVATIONS])(float *gate, float *up, const float *dout, size_t n);
	/* x = cap tanh(scale x / cap), in place */
	void (*softcap)(float *x, size_t n, float scale, float cap);
	/* dx *= the slope by x of cap tanh(x / cap), given what came out, y */
	void (*softcap_back)(const float *y, float *dx, size_t n, float cap);
	/* x = exp(scale (x - max)) / sum, in place; scale > 0 */
	void (*softmax)(float *x, size_t n, float scale);
	/* s[i*lds + j] = q[i*ldq ..] · key j for i < m and the 16 n keys of n panels (hd, 16) */
	void (*scores)(const float *q, size_t ldq, size_t m, const float *panels, size_t n,
		size_t hd, float *s, size_t lds);
	/* out[i*ldo ..] = sum over j < n of w[i*ldw + j] v[j*ldv ..], hd floats each, in v's rows
	 * padded to a multiple of 16 */
	void (*mix)(const float *w, size_t ldw, size_t m, const float *v, size_t ldv, size_t n,
		size_t hd, float *out, size_t ldo);
	/* log(sum(exp(x))) */
	double (*logsumexp)(const float *x, size_t n);
	/* x = (exp(x - lse)) * scale, in place */
	void (*softmax_scaled)(float *x, size_t n, float lse, float scale);
	/* neighbouring pairs of x turned by the angles of cos and sin (n/2 each); sign -1: back */
	void (*rope)(float *x, const float *cosine, const float *sine, size_t n, float sign);
	/* the same for the pairs x[i], x[i + n/2] */
	void (*rope_halves)(float *x, const float *cosine, const float *sine, size_t n,
		float sign);
	void (*to_bf16)(const float *x, uint16_t *out, size_t n);
	void (*f16_load)(const uint16_t *src, float *dst, size_t n);
	void (*bf16_load)(const uint16_t *src, float *dst, size_t n);
	void (*q8_0_load)(const void *src, float *dst, size_t n);
	/* sum of squares, for the gradient norm */
	double (*sum_squares)(const float *x, size_t n);
	/* One AdamW update of n parameters (Loshchilov and Hutter 2019) */
	void (*adamw)(const struct adamw *a, float *w, const float *g, float *m, float *v,
		size_t n);
};

/* The chosen set. Thread-safe; the first call looks at the CPU. */
const struct kernels *kernels(void);
/* All sets that this CPU can run, the best one last; their number. */
size_t kernels_levels(const struct kernels *levels[3]);

#endif
