#include "tensor/kernels.h"

#include <math.h>
#include <string.h>
#ifdef __F16C__
#include <immintrin.h>
#endif

#include "tensor/types.h"

#ifndef KERNEL_LEVEL
#define KERNEL_LEVEL generic
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

/* Floats of a register; GCC breaks wider vectors up by way of memory. */
#if defined __AVX512F__
enum { L = 16 };
#elif defined __AVX2__
enum { L = 8 };
#else
enum { L = 4 };
#endif
typedef float vec __attribute__((vector_size(4 * L), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * L), aligned(4), may_alias));
typedef int8_t bvec __attribute__((vector_size(L), aligned(1), may_alias));
typedef uint16_t hvec __attribute__((vector_size(2 * L), aligned(2), may_alias));

#define AT(p) (*(vec *)(p))
#define CAT(p) (*(const vec *)(p))
#define SPLAT(x) ((vec){ 0 } + (x))

static inline float
fold(const vec *v)
{
	float s[L];

	memcpy(s, v, sizeof s);
	for (int w = L / 2; w > 0; w /= 2)
		for (int i = 0; i < w; i++)
			s[i] += s[i + w];
	return s[0];
}

/* exp of a vector: 2^n * p(r), a degree-6 polynomial; relative error under 2e-7; -inf and small
 * give 0. */
static inline void
vec_exp(vec *x)
{
	vec t = *x, n, r, p;
	ivec small = t < SPLAT(-87.3f), big = t > SPLAT(88.3f), bits;

	t = (vec)(((ivec)t & ~small) | ((ivec)SPLAT(-87.3f) & small));
	t = (vec)(((ivec)t & ~big) | ((ivec)SPLAT(88.3f) & big));
	n = t * 1.44269504f + 12582912.0f; /* round by adding 1.5 * 2^23 */
	bits = (ivec)n;
	n = n - 12582912.0f;
	r = t - n * 0.693359375f;
	r = r + n * 2.12194440e-4f;
	p = SPLAT(1.9875691500e-4f);
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.0f;
	bits = (bits - 0x4b400000 + 127) << 23;
	p = p * (vec)bits;
	*x = (vec)((ivec)p & ~small);
}

static float
dot(const float *a, const float *b, size_t n)
{
	vec s0 = { 0 }, s1 = { 0 };
	size_t i = 0;
	float tail = 0;

	for (; i + 2 * L <= n; i += 2 * L) {
		s0 += CAT(a + i) * CAT(b + i);
		s1 += CAT(a + i + L) * CAT(b + i + L);
	}
	for (; i + L <= n; i += L)
		s0 += CAT(a + i) * CAT(b + i);
	for (; i < n; i++)
		tail += a[i] * b[i];
	s0 += s1;
	return fold(&s0) + tail;
}

static void
axpy(size_t n, float a, const float *x, float *y)
{
	size_t i = 0;

	for (; i + L <= n; i += L)
		AT(y + i) += a * CAT(x + i);
	for (; i < n; i++)
		y[i] += a * x[i];
}

static void
add(size_t n, const float *x, const float *y, float *out)
{
	size_t i = 0;

	for (; i + L <= n; i += L)
		AT(out + i) = CAT(x + i) + CAT(y + i);
	for (; i < n; i++)
		out[i] = x[i] + y[i];
}

/* L stored values as f32 */
static inline vec
take_f32(const void *p)
{
	return CAT(p);
}

static inline vec
take_bf16(const void *p)
{
	hvec h = *(const hvec *)p;

	return (vec)(__builtin_convertvector(h, ivec) << 16);
}

static inline vec
take_f16(const void *p)
{
#if defined __AVX512F__
	return (vec)_mm512_cvtph_ps(_mm256_loadu_si256(p));
#elif defined __F16C__
	return (vec)_mm256_cvtph_ps(_mm_loadu_si128(p));
#else
	ivec h = __builtin_convertvector(*(const hvec *)p, ivec);
	ivec special = (h & 0x7c00) == 0x7c00; /* infinite or NaN */
	vec v = (vec)((h & 0x7fff) << 13) * 0x1p112f;

	return (vec)((ivec)v | (special & 0x7f800000) | (-(h >> 15) & INT32_MIN));
#endif
}

/* The same of fewer than L, zeros behind them. */
static inline vec
take_some(vec (*take)(const void *), size_t size, const void *p, size_t n)
{
	char some[sizeof(vec)] = { 0 };

	memcpy(some, p, n * size);
	return take(some);
}

/* Four weight rows against one x at a time: x is read once per four rows, while as many bytes
 * behind them are fetched into the second cache, in the order of memory. `take` is inlined. */
static inline __attribute__((always_inline)) void
dot_rows_of(vec (*take)(const void *), size_t size, const char *w, size_t rows, const float *x,
	size_t ldx, size_t m, size_t k, float *y, size_t ldy)
{
	size_t whole = k / L * L, rest = k - whole, row = k * size;

	for (size_t i = 0; i < rows; i += 4, w += 4 * row) {
		size_t n = rows - i < 4 ? rows - i : 4;
		/* rows that are not there are the first one again */
		const char *at[4] = { w, n > 1 ? w + row : w, n > 2 ? w + 2 * row : w,
			n > 3 ? w + 3 * row : w };

		for (size_t j = 0; j < m; j++) {
			const float *xj = x + j * ldx;
			vec s[4] = { { 0 } };

			for (size_t e = 0; e < whole; e += L) {
				vec v = CAT(xj + e);

				if (j == 0 && e * size % 64 == 0)
					for (size_t r = 0; r < 4; r++)
						__builtin_prefetch(w + 4 * (row + e * size) +
							r * 64, 0, 2);
				for (int r = 0; r < 4; r++)
					s[r] += take(at[r] + e * size) * v;
			}
			if (rest > 0) {
				vec v = take_some(take_f32, sizeof *xj, xj + whole, rest);

				for (int r = 0; r < 4; r++)
					s[r] += take_some(take, size, at[r] + whole * size, rest) *
						v;
			}
			for (size_t r = 0; r < n; r++)
				y[j * ldy + i + r] = fold(&s[r]);
		}
	}
}

static void
dot_rows(const float *w, size_t rows, const float *x, size_t ldx, size_t m, size_t k, float *y,
	size_t ldy)
{
	dot_rows_of(take_f32, sizeof *w, (const char *)w, rows, x, ldx, m, k, y, ldy);
}

static void
dot_rows_f16(const uint16_t *w, size_t rows, const float *x, size_t ldx, size_t m, size_t k,
	float *y, size_t ldy)
{
	dot_rows_of(take_f16, sizeof *w, (const char *)w, rows, x, ldx, m, k, y, ldy);
}

static void
dot_rows_bf16(const uint16_t *w, size_t rows, const float *x, size_t ldx, size_t m, size_t k,
	float *y, size_t ldy)
{
	dot_rows_of(take_bf16, sizeof *w, (const char *)w, rows, x, ldx, m, k, y, ldy);
}

static void
f16_load(const uint16_t *src, float *dst, size_t n)
{
	size_t i = 0;

	for (; i + L <= n; i += L)
		AT(dst + i) = take_f16(src + i);
	for (; i < n; i++)
		dst[i] = f16_to_f32(src[i]);
}

static void
bf16_load(const uint16_t *src, float *dst, size_t n)
{
	size_t i = 0;

	for (; i + L <= n; i += L)
		AT(dst + i) = take_bf16(src + i);
	for (; i < n; i++)
		dst[i] = bf16_to_f32(src[i]);
}

static float
rmsnorm(const float *x, const float *w, size_t n, float eps, float *out)
{
	float rstd = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);

	for (size_t i = 0; i < n; i++)
		out[i] = x[i] * rstd * w[i];
	return rstd;
}

static void
rmsnorm_back(const float *x, const float *w, float rstd, const float *dout, size_t n, float *dx,
	float *dw)
{
	vec s = { 0 };
	float t = 0, c;
	size_t i = 0;

	for (; i + L <= n; i += L)
		s += CAT(dout + i) * CAT(w + i) * CAT(x + i);
	for (; i < n; i++)
		t += dout[i] * w[i] * x[i];
	c = (fold(&s) + t) * rstd * rstd * rstd / (float)n;
	for (i = 0; i < n; i++) {
		dx[i] += dout[i] * w[i] * rstd - x[i] * c;
		dw[i] += dout[i] * x[i] * rstd;
	}
}

static float
total(const float *x, size_t n)
{
	vec s = { 0 };
	float t = 0;
	size_t i = 0;

	for (; i + L <= n; i += L)
		s += CAT(x + i);
	for (; i < n; i++)
		t += x[i];
	return fold(&s) + t;
}

/* 1 / sqrt(variance + eps) */
static float
rstd_around(const float *x, float mean, size_t n, float eps)
{
	vec s = { 0 };
	float t = 0;
	size_t i = 0;

	for (; i + L <= n; i += L)
		s += (CAT(x + i) - mean) * (CAT(x + i) - mean);
	for (; i < n; i++)
		t += (x[i] - mean) * (x[i] - mean);
	return 1.0f / sqrtf((fold(&s) + t) / (float)n + eps);
}

static void
layernorm(const float *x, const float *w, const float *b, size_t n, float eps, float *out)
{
	float mean = total(x, n) / (float)n, rstd = rstd_around(x, mean, n, eps);

	for (size_t i = 0; i < n; i++)
		out[i] = (x[i] - mean) * rstd * w[i] + b[i];
}

static void
layernorm_back(const float *x, const float *w, size_t n, float eps, const float *dout, float *dx,
	float *dw, float *db)
{
	float mean = total(x, n) / (float)n, rstd = rstd_around(x, mean, n, eps);
	float all = dot(dout, w, n) / (float)n, along, t = 0;
	vec s = { 0 };
	size_t i = 0;

	for (; i + L <= n; i += L)
		s += CAT(dout + i) * CAT(w + i) * (CAT(x + i) - mean);
	for (; i < n; i++)
		t += dout[i] * w[i] * (x[i] - mean);
	along = (fold(&s) + t) * rstd / (float)n;
	for (i = 0; i < n; i++) {
		float y = (x[i] - mean) * rstd;

		dx[i] += rstd * (dout[i] * w[i] - all - y * along);
		dw[i] += dout[i] * y;
		db[i] += dout[i];
	}
}

/* 1 / (1 + exp(-x)) */
static inline void
vec_sigmoid(vec *x)
{
	vec e = -*x;

	vec_exp(&e);
	*x = 1.0f / (1.0f + e);
}

/* The first n of a vector from memory, and back; whole ones without a call. */
static inline void
take(vec *v, const float *x, size_t n)
{
	if (n == L)
		*v = CAT(x);
	else
		memcpy(v, x, n * sizeof *x);
}

static inline void
put(float *x, const vec *v, size_t n)
{
	if (n == L)
		AT(x) = *v;
	else
		memcpy(x, v, n * sizeof *x);
}

/* Run a step of L over n floats; the last, shorter one through a padded copy. */
#define TAIL(n, i, ...) \
	for (; (i) < (n); (i) += L) { \
		size_t rest = (n) - (i) < L ? (n) - (i) : L; \
		__VA_ARGS__ \
	}

/* v where the mask is set, else o. */
#define SELECT(mask, v, o) ((vec)(((ivec)(v) & (mask)) | ((ivec)(o) & ~(mask))))

/* tanh of a vector; near 0, where 2 sigmoid(2x) - 1 would cancel, by its series. Relative error
 * under 5e-7. */
static inline void
vec_tanh(vec *x)
{
	vec s = *x * 2.0f, y = *x * *x, p;
	ivec near = y < SPLAT(0.09f);

	vec_sigmoid(&s);
	s = 2.0f * s - 1.0f;
	p = SPLAT(62.0f / 2835);
	p = p * y - 17.0f / 315;
	p = p * y + 2.0f / 15;
	p = p * y - 1.0f / 3;
	p = (p * y + 1.0f) * *x;
	*x = SELECT(near, p, s);
}

/* An activation f(g) = g * share(g): its share, and `by` times its slope. */
typedef void share_of(const vec *g, const vec *by, vec *share, vec *slope);

static inline void
silu(const vec *g, const vec *by, vec *share, vec *slope)
{
	*share = *g;
	vec_sigmoid(share);
	*slope = *by * *share * (1.0f + *g * (1.0f - *share));
}

/* The share is the normal distribution: erfc by formula 7.1.26 of Abramowitz and Stegun, absolute
 * error under 1.5e-7. */
static inline void
gelu(const vec *g, const vec *by, vec *share, vec *slope)
{
	vec e = *g * *g * -0.5f, z = *g, t, tail;
	ivec negative = *g < SPLAT(0.0f);

	vec_exp(&e);
	z = SELECT(negative, -z, z) * 0.70710678f;
	t = 1.0f / (1.0f + 0.3275911f * z);
	tail = SPLAT(1.061405429f);
	tail = tail * t - 1.453152027f;
	tail = tail * t + 1.421413741f;
	tail = tail * t - 0.284496736f;
	tail = tail * t + 0.254829592f;
	tail = tail * t * e * 0.5f;
	*share = SELECT(negative, tail, 1.0f - tail);
	*slope = *by * (*share + *g * e * 0.39894228f);
}

/* (1 + tanh(u)) / 2 is the sigmoid of 2u, u = sqrt(2 / pi) (g + 0.044715 g^3). */
static inline void
gelu_tanh(const vec *g, const vec *by, vec *share, vec *slope)
{
	vec y = *g * *g;

	*share = 1.59576912f * *g * (1.0f + 0.044715f * y);
	vec_sigmoid(share);
	*slope = *by * *share *
		(1.0f + *g * (1.0f - *share) * 1.59576912f * (1.0f + 0.134145f * y));
}

static inline __attribute__((always_inline)) void
activate(share_of *f, const float *gate, const float *up, size_t n, float *out)
{
	size_t i = 0;

	TAIL(n, i, {
		vec g = { 0 };
		vec u = SPLAT(1.0f);
		vec s;
		vec slope;

		take(&g, gate + i, rest);
		if (up)
			take(&u, up + i, rest);
		f(&g, &u, &s, &slope);
		g = g * s * u;
		put(out + i, &g, rest);
	})
}

static inline __attribute__((always_inline)) void
activate_back(share_of *f, float *gate, float *up, const float *dout, size_t n)
{
	size_t i = 0;

	TAIL(n, i, {
		vec g = { 0 };
		vec u = SPLAT(1.0f);
		vec d = { 0 };
		vec s;
		vec dg;

		take(&g, gate + i, rest);
		if (up)
			take(&u, up + i, rest);
		take(&d, dout + i, rest);
		u = d * u;
		f(&g, &u, &s, &dg);
		u = d * g * s;
		put(gate + i, &dg, rest);
		if (up)
			put(up + i, &u, rest);
	})
}

#define ACTIVATE(f) \
	static void \
	activate_##f(const float *gate, const float *up, size_t n, float *out) \
	{ \
		activate(f, gate, up, n, out); \
	} \
	static void \
	activate_##f##_back(float *gate, float *up, const float *dout, size_t n) \
	{ \
		activate_back(f, gate, up, dout, n); \
	}
ACTIVATE(silu)
ACTIVATE(gelu)
ACTIVATE(gelu_tanh)

static void
softcap(float *x, size_t n, float scale, float cap)
{
	size_t i = 0;

	TAIL(n, i, {
		vec v = { 0 };

		take(&v, x + i, rest);
		v = v * (scale / cap);
		vec_tanh(&v);
		v *= cap;
		put(x + i, &v, rest);
	})
}

static void
softcap_back(const float *y, float *dx, size_t n, float cap)
{
	for (size_t i = 0; i < n; i++)
		dx[i] *= 1.0f - y[i] / cap * (y[i] / cap);
}

static float
maximum(const float *x, size_t n)
{
	float top = -INFINITY;
	size_t i = 0;

	if (n >= L) {
		vec m = CAT(x);
		float s[L];

		for (i = L; i + L <= n; i += L) {
			vec v = CAT(x + i);
			ivec g = v > m;

			m = (vec)(((ivec)v & g) | ((ivec)m & ~g));
		}
		memcpy(s, &m, sizeof s);
		for (int w = L / 2; w > 0; w /= 2)
			for (int j = 0; j < w; j++)
				s[j] = s[j + w] > s[j] ? s[j + w] : s[j];
		top = s[0] > top ? s[0] : top;
	}
	for (; i < n; i++)
		top = x[i] > top ? x[i] : top;
	return top;
}

static void
softmax(float *x, size_t n, float scale)
{
	float top = maximum(x, n), inverse;
	vec sum = { 0 };
	size_t i = 0;

	TAIL(n, i, {
		vec v = SPLAT(-INFINITY);

		take(&v, x + i, rest);
		v = (v - top) * scale;
		vec_exp(&v);
		sum += v;
		put(x + i, &v, rest);
	})
	inverse = 1.0f / fold(&sum);
	for (i = 0; i < n; i++)
		x[i] *= inverse;
}

/* How many queries are taken at a time, with how many vectors: as many sums as registers hold, and
 * as many as additions take to come out. */
#if defined __AVX512F__
enum { TILE = 8, TILE_VECS = 2 };
#elif defined __AVX2__
enum { TILE = 4, TILE_VECS = 2 };
#else
enum { TILE = 2, TILE_VECS = 4 };
#endif

/* Call f with the constants `rest`, what is left over by the tiles, and `vecs`. */
#define REST(n, v, f, ...) \
	case n: { \
		enum { rest = n, vecs = v }; \
		f(__VA_ARGS__); \
		break; \
	}
#define EACH_REST(n, ...) \
	switch (n) { \
		REST(1, 4, __VA_ARGS__) \
		REST(2, 4, __VA_ARGS__) \
		REST(3, 2, __VA_ARGS__) \
		REST(4, 2, __VA_ARGS__) \
		REST(5, 2, __VA_ARGS__) \
		REST(6, 2, __VA_ARGS__) \
		REST(7, 2, __VA_ARGS__) \
	}

/* Keys of a panel, and vectors of it. */
enum { PANEL = 16, PER_PANEL = PANEL / L };

/* m queries and `vecs` vectors of keys from vector `from` of the panels on; m and vecs are
 * constants where this is called */
static inline __attribute__((always_inline)) void
scores_tile(const float *q, size_t ldq, const size_t m, const float *panels, size_t from,
	const size_t vecs, size_t hd, float *s, size_t lds)
{
	const float *keys[4];
	vec sum[8][4];

	for (size_t p = 0; p < vecs; p++)
		keys[p] = panels + (from + p) / PER_PANEL * hd * PANEL + (from + p) % PER_PANEL * L;
	for (size_t i = 0; i < m; i++)
		for (size_t p = 0; p < vecs; p++)
			sum[i][p] = (vec){ 0 };
	for (size_t d = 0; d < hd; d++)
		for (size_t p = 0; p < vecs; p++) {
			vec k = CAT(keys[p] + d * PANEL);

			for (size_t i = 0; i < m; i++)
				sum[i][p] += q[i * ldq + d] * k;
		}
	for (size_t i = 0; i < m; i++)
		for (size_t p = 0; p < vecs; p++)
			AT(s + i * lds + (from + p) * L) = sum[i][p];
}

static inline __attribute__((always_inline)) void
scores_rows(const float *q, size_t ldq, const size_t m, const float *panels, size_t n,
	const size_t vecs, size_t hd, float *s, size_t lds)
{
	size_t v = 0;

	for (; v + vecs <= n * PER_PANEL; v += vecs)
		scores_tile(q, ldq, m, panels, v, vecs, hd, s, lds);
	for (; v < n * PER_PANEL; v++)
		scores_tile(q, ldq, m, panels, v, 1, hd, s, lds);
}

static void
scores(const float *q, size_t ldq, size_t m, const float *panels, size_t n, size_t hd, float *s,
	size_t lds)
{
	size_t i = 0;

	for (; i + TILE <= m; i += TILE)
		scores_rows(q + i * ldq, ldq, TILE, panels, n, TILE_VECS, hd, s + i * lds, lds);
	EACH_REST(m - i, scores_rows, q + i * ldq, ldq, rest, panels, n, vecs, hd, s + i * lds, lds)
}

/* m rows of weights and `vecs` vectors of the values, both constants where this is called */
static inline __attribute__((always_inline)) void
mix_tile(const float *w, size_t ldw, const size_t m, const float *v, size_t ldv, size_t n,
	const size_t vecs, vec sum[8][4])
{
	vec s[8][4];

	for (size_t i = 0; i < m; i++)
		for (size_t p = 0; p < vecs; p++)
			s[i][p] = (vec){ 0 };
	for (size_t j = 0; j < n; j++)
		for (size_t p = 0; p < vecs; p++) {
			vec x = CAT(v + j * ldv + p * L);

			for (size_t i = 0; i < m; i++)
				s[i][p] += w[i * ldw + j] * x;
		}
	for (size_t i = 0; i < m; i++)
		for (size_t p = 0; p < vecs; p++)
			sum[i][p] = s[i][p];
}

static inline __attribute__((always_inline)) void
mix_rows(const float *w, size_t ldw, const size_t m, const float *v, size_t ldv, size_t n,
	const size_t vecs, size_t hd, float *out, size_t ldo)
{
	vec sum[8][4];

	for (size_t d = 0, took; d < hd; d += took * L) {
		took = hd - d > (vecs - 1) * L ? vecs : 1;
		if (took == vecs)
			mix_tile(w, ldw, m, v + d, ldv, n, vecs, sum);
		else
			mix_tile(w, ldw, m, v + d, ldv, n, 1, sum);
		for (size_t i = 0; i < m; i++)
			for (size_t p = 0; p < took; p++) {
				size_t at = d + p * L;

				put(out + i * ldo + at, &sum[i][p], hd - at < L ? hd - at : L);
			}
	}
}

static void
mix(const float *w, size_t ldw, size_t m, const float *v, size_t ldv, size_t n, size_t hd,
	float *out, size_t ldo)
{
	size_t i = 0;

	for (; i + TILE <= m; i += TILE)
		mix_rows(w + i * ldw, ldw, TILE, v, ldv, n, TILE_VECS, hd, out + i * ldo, ldo);
	EACH_REST(m - i, mix_rows, w + i * ldw, ldw, rest, v, ldv, n, vecs, hd, out + i * ldo, ldo)
}

static double
logsumexp(const float *x, size_t n)
{
	float top = maximum(x, n);
	vec sum = { 0 };
	size_t i = 0;

	TAIL(n, i, {
		vec v = SPLAT(-INFINITY);

		take(&v, x + i, rest);
		v -= top;
		vec_exp(&v);
		sum += v;
	})
	return (double)top + log((double)fold(&sum));
}

static void
softmax_scaled(float *x, size_t n, float lse, float scale)
{
	size_t i = 0;

	TAIL(n, i, {
		vec v = { 0 };

		take(&v, x + i, rest);
		v -= lse;
		vec_exp(&v);
		v *= scale;
		put(x + i, &v, rest);
	})
}

static void
rope(float *x, const float *cosine, const float *sine, size_t n, float sign)
{
	for (size_t i = 0; i < n / 2; i++) {
		float a = x[2 * i], b = x[2 * i + 1], c = cosine[i], s = sine[i] * sign;

		x[2 * i] = a * c - b * s;
		x[2 * i + 1] = a * s + b * c;
	}
}

static void
rope_halves(float *restrict x, const float *cosine, const float *sine, size_t n, float sign)
{
	size_t half = n / 2;

	for (size_t i = 0; i < half; i++) {
		float a = x[i], b = x[i + half], c = cosine[i], s = sine[i] * sign;

		x[i] = a * c - b * s;
		x[i + half] = a * s + b * c;
	}
}

static void
to_bf16(const float *x, uint16_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t u;

		memcpy(&u, x + i, sizeof u);
		/* round to nearest even; a NaN keeps a payload bit */
		out[i] = (u & 0x7fffffff) > 0x7f800000 ? (uint16_t)(u >> 16 | 0x40)
			: (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
	}
}

static void
q8_0_load(const void *src, float *dst, size_t n)
{
	const unsigned char *p = src;

	for (size_t i = 0; i + 32 <= n; i += 32, p += 34) {
		uint16_t h;
		float d;

		memcpy(&h, p, sizeof h);
		d = f16_to_f32(h);
		for (size_t j = 0; j < 32; j += L)
			AT(dst + i + j) =
				__builtin_convertvector(*(const bvec *)(p + 2 + j), vec) * d;
	}
}

static double
sum_squares(const float *x, size_t n)
{
	double s = 0;

	for (size_t i = 0; i < n; i += 4096) {
		size_t len = n - i < 4096 ? n - i : 4096;

		s += (double)dot(x + i, x + i, len);
	}
	return s;
}

static void
adamw(const struct adamw *a, float *restrict w, const float *restrict g, float *restrict m,
	float *restrict v, size_t n)
{
	float step = a->lr / a->correct1, root = 1.0f / sqrtf(a->correct2);
	float decay = 1.0f - a->lr * a->weight_decay;

	for (size_t i = 0; i < n; i++) {
		float d = g[i] * a->grad_scale;

		m[i] = a->beta1 * m[i] + (1.0f - a->beta1) * d;
		v[i] = a->beta2 * v[i] + (1.0f - a->beta2) * d * d;
		w[i] = w[i] * decay - step * m[i] / (sqrtf(v[i]) * root + a->eps);
	}
}

extern const struct kernels JOIN(kernels_, KERNEL_LEVEL);
const struct kernels JOIN(kernels_, KERNEL_LEVEL) = {
	.name = TEXT(KERNEL_LEVEL),
	.dot = dot,
	.axpy = axpy,
	.add = add,
	.dot_rows = dot_rows,
	.dot_rows_f16 = dot_rows_f16,
	.dot_rows_bf16 = dot_rows_bf16,
	.rmsnorm = rmsnorm,
	.rmsnorm_back = rmsnorm_back,
	.layernorm = layernorm,
	.layernorm_back = layernorm_back,
	.activate = { [ACT_SILU] = activate_silu, [ACT_GELU] = activate_gelu,
		[ACT_GELU_TANH] = activate_gelu_tanh },
	.activate_back = { [ACT_SILU] = activate_silu_back, [ACT_GELU] = activate_gelu_back,
		[ACT_GELU_TANH] = activate_gelu_tanh_back },
	.softcap = softcap,
	.softcap_back = softcap_back,
	.softmax = softmax,
	.scores = scores,
	.mix = mix,
	.logsumexp = logsumexp,
	.softmax_scaled = softmax_scaled,
	.rope = rope,
	.rope_halves = rope_halves,
	.to_bf16 = to_bf16,
	.f16_load = f16_load,
	.bf16_load = bf16_load,
	.q8_0_load = q8_0_load,
	.sum_squares = sum_squares,
	.adamw = adamw,
};
