#include "tensor/blocks.h"

#ifdef __AVX512VNNI__

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "tensor/types.h"

enum {
	R = BLOCKS_ROWS,
	STRIP = 256,    /* values of a row that are turned at a time */
	COLUMNS = 8,    /* rows of activations multiplied at a time: as many as registers hold */
	SUPER = 8,      /* blocks of 32 in a strip, and in a K-quant's super-block */
};

/* A lane per row of weights. A `lanes` holds four neighbouring values of each, a byte each. */
typedef uint32_t lanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t ilanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef float flanes __attribute__((vector_size(64), aligned(4), may_alias));

#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

/* Sixteen rows of at most STRIP values: value = d * (q - offset) + m, where d and m belong to 32
 * values or, in some formats, to 16. */
struct strip {
	lanes q[STRIP / 4];
	flanes d[STRIP / 16], m[STRIP / 16];
};

/* Turn `n` blocks of 32 of sixteen rows, `stride` bytes apart. */
typedef void unpack_fn(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s);

/* v[i] = 16 words of row i becomes v[j] = word j of every row. */
static inline void
turn(lanes v[R])
{
	lanes t[R], u[R];

	for (int i = 0; i < R; i += 2) {
		t[i] = MIX(v[i], v[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13,
			29);
		t[i + 1] = MIX(v[i], v[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30,
			15, 31);
	}
	for (int i = 0; i < R; i += 4)
		for (int j = 0; j < 2; j++) {
			u[i + 2 * j] = MIX(t[i + j], t[i + j + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9,
				24, 25, 12, 13, 28, 29);
			u[i + 2 * j + 1] = MIX(t[i + j], t[i + j + 2], 2, 3, 18, 19, 6, 7, 22, 23,
				10, 11, 26, 27, 14, 15, 30, 31);
		}
	/* u[4 g + c] holds words c, c + 4, c + 8, c + 12 of rows 4 g to 4 g + 3 */
	for (int c = 0; c < 4; c++) {
		lanes a = MIX(u[c], u[4 + c], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22,
			23);
		lanes b = MIX(u[c], u[4 + c], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29,
			30, 31);
		lanes x = MIX(u[8 + c], u[12 + c], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21,
			22, 23);
		lanes y = MIX(u[8 + c], u[12 + c], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28,
			29, 30, 31);

		v[c] = MIX(a, x, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
		v[4 + c] = MIX(a, x, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
		v[8 + c] = MIX(b, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
		v[12 + c] = MIX(b, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
	}
}

/* The first `words` words (at most 64) of what every row has at w, turned. Up to 63 bytes behind
 * them are read too. What lies `ahead` is fetched into the second cache: 16 rows at once are more
 * streams than the hardware follows by itself. */
static inline void
load(const uint8_t *w, size_t stride, size_t ahead, size_t words, lanes *v)
{
	for (size_t at = 0; at < words; at += R) {
		if (words - at == 1) { /* one more word is not worth the turning */
			for (size_t i = 0; i < R; i++) {
				uint32_t word;

				memcpy(&word, w + at * 4 + i * stride, sizeof word);
				v[at][i] = word;
			}
			return;
		}
		for (size_t i = 0; i < R; i++) {
			const uint8_t *p = w + at * 4 + i * stride;

			__builtin_prefetch(p + ahead, 0, 2);
			memcpy(&v[at + i], p, sizeof *v);
		}
		turn(v + at);
	}
}

/* f16 in the lower halves of the lanes */
static inline flanes
half(lanes h)
{
	return (flanes)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)h));
}

/* Byte i of every lane, as a number. */
static inline flanes
small(lanes v, int i)
{
	return __builtin_convertvector((ilanes)(v >> 8 * i & 0xff), flanes);
}

static inline flanes
small_signed(lanes v, int i)
{
	return __builtin_convertvector((ilanes)(v << (24 - 8 * i)) >> 24, flanes);
}

static inline lanes
low(lanes v)
{
	return v & 0x0f0f0f0f;
}

static inline lanes
high(lanes v)
{
	return v >> 4 & 0x0f0f0f0f;
}

/* Signed bytes with 128 added */
static inline lanes
unsign(lanes v)
{
	return v ^ 0x80808080;
}

/* Two bytes further on: the word that begins in the middle of a. */
static inline lanes
shifted(lanes a, lanes b)
{
	return a >> 16 | b << 16;
}

/* Bits 4 j to 4 j + 3 of every lane, as bit 4 of the four bytes. */
static inline lanes
fifth(lanes bits, int j)
{
	return ((bits >> 4 * j & 15) * 0x00204081 & 0x01010101) << 4;
}

static void
unpack_q8_0(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	for (size_t b = 0; b < n; b += 2, w += 68) { /* a pair is 17 words */
		lanes v[32], *q = s->q + b * 8;

		load(w, stride, ahead, 17, v);
		s->d[b] = half(v[0]);
		s->d[b + 1] = half(v[8] >> 16);
		for (int j = 0; j < 8; j++) {
			q[j] = unsign(shifted(v[j], v[j + 1]));
			q[8 + j] = unsign(v[9 + j]);
		}
	}
}

static void
unpack_q4_0(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	for (size_t b = 0; b < n; b += 2, w += 36) { /* a pair is 9 words */
		lanes v[R], *q = s->q + b * 8;

		load(w, stride, ahead, 9, v);
		s->d[b] = half(v[0]);
		s->d[b + 1] = half(v[4] >> 16);
		for (int j = 0; j < 4; j++) {
			lanes x = shifted(v[j], v[j + 1]);

			q[j] = low(x);
			q[4 + j] = high(x);
			q[8 + j] = low(v[5 + j]);
			q[12 + j] = high(v[5 + j]);
		}
	}
}

static void
unpack_q4_1(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	for (size_t b = 0; b < n; b += 2, w += 40) { /* a pair is 10 words */
		lanes v[R];

		load(w, stride, ahead, 10, v);
		for (size_t i = 0; i < 2; i++) {
			lanes *x = v + 5 * i, *q = s->q + (b + i) * 8;

			s->d[b + i] = half(x[0]);
			s->m[b + i] = half(x[0] >> 16);
			for (int j = 0; j < 4; j++) {
				q[j] = low(x[1 + j]);
				q[4 + j] = high(x[1 + j]);
			}
		}
	}
}

static void
unpack_q5_0(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	for (size_t b = 0; b < n; b += 2, w += 44) { /* a pair is 11 words */
		lanes v[R], *q = s->q + b * 8, bits;

		load(w, stride, ahead, 11, v);
		s->d[b] = half(v[0]);
		s->d[b + 1] = half(v[5] >> 16);
		bits = shifted(v[0], v[1]);
		for (int j = 0; j < 4; j++) {
			lanes x = shifted(v[1 + j], v[2 + j]);

			q[j] = low(x) | fifth(bits, j);
			q[4 + j] = high(x) | fifth(bits, 4 + j);
			q[8 + j] = low(v[7 + j]) | fifth(v[6], j);
			q[12 + j] = high(v[7 + j]) | fifth(v[6], 4 + j);
		}
	}
}

static void
unpack_q5_1(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	for (size_t b = 0; b < n; b += 2, w += 48) { /* a pair is 12 words */
		lanes v[R];

		load(w, stride, ahead, 12, v);
		for (size_t i = 0; i < 2; i++) {
			lanes *x = v + 6 * i, *q = s->q + (b + i) * 8;

			s->d[b + i] = half(x[0]);
			s->m[b + i] = half(x[0] >> 16);
			for (int j = 0; j < 4; j++) {
				q[j] = low(x[2 + j]) | fifth(x[1], j);
				q[4 + j] = high(x[2 + j]) | fifth(x[1], 4 + j);
			}
		}
	}
}

/* Two bits of every byte. */
static inline lanes
pair(lanes v, int shift)
{
	return v >> shift & 0x03030303;
}

static void
unpack_q2_k(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes v[32];
	flanes d, dmin;

	(void)n;
	load(w, stride, ahead, 21, v);
	d = half(v[20]);
	dmin = -half(v[20] >> 16);
	for (int i = 0; i < 16; i++) {
		s->d[i] = d * small(low(v[i / 4]), i % 4);
		s->m[i] = dmin * small(high(v[i / 4]), i % 4);
	}
	for (int i = 0; i < 16; i++) /* halves of 128, in them four pairs of bits, of 32 bytes */
		for (int j = 0; j < 4; j++)
			s->q[i * 4 + j] = pair(v[4 + i / 8 * 8 + i % 2 * 4 + j], i / 2 % 4 * 2);
}

static void
unpack_q3_k(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes v[32], a[4];
	flanes d;

	(void)n;
	load(w, stride, ahead, 28, v);
	d = half(v[27]);
	for (int i = 0; i < 4; i++)
		a[i] = (i < 2 ? low(v[24 + i % 2]) : high(v[24 + i % 2])) | pair(v[26], 2 * i) << 4;
	for (int i = 0; i < 16; i++) {
		s->d[i] = d * (small(a[i / 4], i % 4) - 32.0f);
		for (int j = 0; j < 4; j++)
			s->q[i * 4 + j] =
				pair(v[8 + i / 8 * 8 + i % 2 * 4 + j], i / 2 % 4 * 2) |
				(v[i % 2 * 4 + j] >> i / 2 & 0x01010101) << 2;
	}
}

/* The six-bit scales and minima of Q4_K and Q5_K, three words behind d and dmin. */
static inline void
super_scales(const lanes *v, struct strip *s)
{
	flanes d = half(v[0]), dmin = -half(v[0] >> 16);
	lanes scale[2] = { v[1] & 0x3f3f3f3f, low(v[3]) | (v[1] >> 2 & 0x30303030) };
	lanes min[2] = { v[2] & 0x3f3f3f3f, high(v[3]) | (v[2] >> 2 & 0x30303030) };

	for (int i = 0; i < SUPER; i++) {
		s->d[i] = d * small(scale[i / 4], i % 4);
		s->m[i] = dmin * small(min[i / 4], i % 4);
	}
}

static void
unpack_q4_k(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes v[48];

	(void)n;
	load(w, stride, ahead, 36, v);
	super_scales(v, s);
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 8; j++) {
			s->q[i * 16 + j] = low(v[4 + i * 8 + j]);
			s->q[i * 16 + 8 + j] = high(v[4 + i * 8 + j]);
		}
}

static void
unpack_q5_k(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes v[48];

	(void)n;
	load(w, stride, ahead, 44, v);
	super_scales(v, s);
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 8; j++) {
			lanes x = v[12 + i * 8 + j], bits = v[4 + j] >> 2 * i;

			s->q[i * 16 + j] = low(x) | (bits & 0x01010101) << 4;
			s->q[i * 16 + 8 + j] = high(x) | (bits >> 1 & 0x01010101) << 4;
		}
}

static void
unpack_q6_k(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes v[64];
	flanes d;

	(void)n;
	load(w, stride, ahead, 53, v);
	d = half(v[52]);
	for (int i = 0; i < 16; i++)
		s->d[i] = d * small_signed(v[48 + i / 4], i % 4);
	for (int i = 0; i < 8; i++) /* halves of 128, in them four times 32 */
		for (int j = 0; j < 8; j++) {
			lanes x = v[i / 4 * 16 + i % 2 * 8 + j];

			s->q[i * 8 + j] = (i % 4 < 2 ? low(x) : high(x)) |
				pair(v[32 + i / 4 * 8 + j], i % 4 * 2) << 4;
		}
}

/* IQ4's sixteen values for nibbles, with 128 added */
static inline lanes
looked_up(lanes v)
{
	static const int8_t values[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38,
		53, 69, 89, 113 };
	__m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)values));

	return unsign((lanes)_mm512_shuffle_epi8(table, (__m512i)v));
}

static void
unpack_iq4_nl(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	unpack_q4_0(w, stride, ahead, n, s);
	for (size_t i = 0; i < n * 8; i++)
		s->q[i] = looked_up(s->q[i]);
}

static void
unpack_iq4_xs(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes v[48];
	flanes d;

	(void)n;
	load(w, stride, ahead, 34, v);
	d = half(v[0]);
	for (int i = 0; i < SUPER; i++) {
		lanes scale = (v[1] >> 4 * i & 15) | (v[0] >> (16 + 2 * i) & 3) << 4;

		s->d[i] = d * (small(scale, 0) - 32.0f);
		for (int j = 0; j < 4; j++) {
			s->q[i * 8 + j] = looked_up(low(v[2 + i * 4 + j]));
			s->q[i * 8 + 4 + j] = looked_up(high(v[2 + i * 4 + j]));
		}
	}
}

static const struct format {
	unpack_fn *unpack;
	int offset;  /* added to make the values unsigned */
	int sub;     /* values that share a scale: 16 or 32 */
	bool minima;
} formats[] = {
	[TYPE_Q4_0] = { unpack_q4_0, 8, 32, false },
	[TYPE_Q4_1] = { unpack_q4_1, 0, 32, true },
	[TYPE_Q5_0] = { unpack_q5_0, 16, 32, false },
	[TYPE_Q5_1] = { unpack_q5_1, 0, 32, true },
	[TYPE_Q8_0] = { unpack_q8_0, 128, 32, false },
	[TYPE_Q2_K] = { unpack_q2_k, 0, 16, true },
	[TYPE_Q3_K] = { unpack_q3_k, 4, 16, false },
	[TYPE_Q4_K] = { unpack_q4_k, 0, 32, true },
	[TYPE_Q5_K] = { unpack_q5_k, 0, 32, true },
	[TYPE_Q6_K] = { unpack_q6_k, 32, 16, false },
	[TYPE_IQ4_NL] = { unpack_iq4_nl, 128, 32, false },
	[TYPE_IQ4_XS] = { unpack_iq4_xs, 128, 32, false },
};

static bool
take(uint32_t type)
{
	return type < sizeof formats / sizeof *formats && formats[type].unpack;
}

/* acc += the four products of each lane's unsigned bytes with the signed bytes at x. The intrinsic
 * would load and spread them by an instruction of their own. */
static inline ilanes
dot4(ilanes acc, lanes u, const int8_t *x)
{
	__m512i a = (__m512i)acc;

	__asm__("vpdpbusd %2%{1to16%}, %1, %0"
		: "+v"(a)
		: "v"((__m512i)u), "m"(*(const int32_t *)x));
	return (ilanes)a;
}

/* Sums (columns, 16) under way: where those of the strips before are, or NULL for zeros, and where
 * they go; with their strides. */
struct sums {
	const float *from;
	size_t ld_from;
	float *to;
	size_t ld_to;
};

/* y += activations · strip: n blocks of 32 from block `at` on. All but y, the pointers, `row` and
 * `at` are constants where this is called. */
static inline __attribute__((always_inline)) void
tile(const struct strip *s, const size_t n, const struct activations *x, size_t row, size_t at,
	const size_t columns, const size_t sub, const bool minima, const struct sums *y, size_t to)
{
	size_t block = at * x->rows + row * n;
	const int8_t *q = x->q + block * 32;
	const float *scale = x->scale + block, *sum = x->sum + block * 2;
	const int32_t *bias = x->bias + block * 2;
	flanes f[COLUMNS];

	for (size_t c = 0; c < columns; c++)
		f[c] = y->from ? *(const flanes *)(y->from + (to + c) * y->ld_from)
			       : (flanes){ 0 };
	for (size_t b = 0; b < n * 32 / sub; b++) {
		ilanes a[COLUMNS];

		for (size_t c = 0; c < columns; c++)
			a[c] = (ilanes){ 0 } + bias[c * n * 2 + b * sub / 16];
		for (size_t j = 0; j < sub / 4; j++)
			for (size_t c = 0; c < columns; c++)
				a[c] = dot4(a[c], s->q[b * (sub / 4) + j],
					q + c * n * 32 + b * sub + j * 4);
		for (size_t c = 0; c < columns; c++) {
			f[c] += __builtin_convertvector(a[c], flanes) * s->d[b] *
				scale[c * n + b * sub / 32];
			if (minima)
				f[c] += s->m[b] * sum[c * n * 2 + b * sub / 16];
		}
	}
	for (size_t c = 0; c < columns; c++)
		*(flanes *)(y->to + (to + c) * y->ld_to) = f[c];
}

static inline __attribute__((always_inline)) void
tiles(const struct strip *s, const size_t n, const struct activations *x, size_t from, size_t m,
	size_t at, const size_t sub, const bool minima, const struct sums *y)
{
	size_t i = 0;

	for (; i + COLUMNS <= m; i += COLUMNS)
		tile(s, n, x, from + i, at, COLUMNS, sub, minima, y, i);
	for (; i + 4 <= m; i += 4)
		tile(s, n, x, from + i, at, 4, sub, minima, y, i);
	for (; i + 2 <= m; i += 2)
		tile(s, n, x, from + i, at, 2, sub, minima, y, i);
	for (; i < m; i++)
		tile(s, n, x, from + i, at, 1, sub, minima, y, i);
}

/* A strip with activations. Whole strips, which are nearly all, have code of their own. */
static inline __attribute__((always_inline)) void
multiply(const struct strip *s, size_t n, const struct activations *x, size_t from, size_t m,
	size_t at, const size_t sub, const bool minima, const struct sums *y)
{
	if (n == SUPER)
		tiles(s, SUPER, x, from, m, at, sub, minima, y);
	else
		tiles(s, n, x, from, m, at, sub, minima, y);
}

static void
mul(uint32_t type, const void *data, size_t rows, bool end, bool ahead, size_t k,
	const struct activations *x, size_t from, size_t m, float *y, size_t ldy, float *room)
{
	const struct format *f = &formats[type];
	size_t stride = type_row_bytes(type, k);
	/* a strip of the largest format, and what load reads behind it */
	uint8_t copy[R][STRIP / 32 * 34 + 80];
	struct strip s;

	for (size_t at = 0; at < k; at += STRIP) {
		size_t n = k - at < STRIP ? k - at : STRIP, bytes = type_row_bytes(type, n);
		size_t first = at / STRIP * type_row_bytes(type, STRIP);
		const uint8_t *w = (const uint8_t *)data + first;
		bool last = at + n == k && rows == R;
		struct sums to = { at > 0 ? room : NULL, R, last ? y : room, last ? ldy : R };

		if (end || rows < R) {
			for (size_t i = 0; i < R; i++)
				memcpy(copy[i], w + (i < rows ? i : rows - 1) * stride, bytes);
			w = copy[0];
		}
		f->unpack(w, w == copy[0] ? sizeof copy[0] : stride, ahead ? R * stride : 0, n / 32,
			&s);
		if (f->sub == 16 && f->minima)
			multiply(&s, n / 32, x, from, m, at / 32, 16, true, &to);
		else if (f->sub == 16)
			multiply(&s, n / 32, x, from, m, at / 32, 16, false, &to);
		else if (f->minima)
			multiply(&s, n / 32, x, from, m, at / 32, 32, true, &to);
		else
			multiply(&s, n / 32, x, from, m, at / 32, 32, false, &to);
	}
	for (size_t i = 0; i < m && rows < R; i++)
		memcpy(y + i * ldy, room + i * R, rows * sizeof *y);
}

/* 32 values; sums are of the 16 values of each half. */
static inline void
round_block(const float *x, int8_t *q, float *scale, int sums[2])
{
	__m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
	float most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
	/* not a number, or infinite: the maximum may leave a NaN out */
	bool finite = !(_mm512_fpclass_ps_mask(a, 0x99) | _mm512_fpclass_ps_mask(b, 0x99));
	/* 0 also where the quotient would be infinite */
	__m512 by = _mm512_set1_ps(finite && most > 0x1p-119f ? 127 / most : 0);
	__mmask16 numbers = finite ? 0xffff : 0; /* else 0 times a scale that is NaN */
	__m128i low = _mm512_cvtsepi32_epi8(_mm512_maskz_cvtps_epi32(numbers, a * by));
	__m128i high = _mm512_cvtsepi32_epi8(_mm512_maskz_cvtps_epi32(numbers, b * by));
	__m128i l = _mm_sad_epu8(_mm_xor_si128(low, _mm_set1_epi8(-128)), _mm_setzero_si128());
	__m128i h = _mm_sad_epu8(_mm_xor_si128(high, _mm_set1_epi8(-128)), _mm_setzero_si128());

	*scale = finite ? most / 127 : NAN;
	_mm_storeu_si128((__m128i *)q, low);
	_mm_storeu_si128((__m128i *)(q + 16), high);
	sums[0] = _mm_cvtsi128_si32(l) + _mm_extract_epi16(l, 4) - 16 * 128;
	sums[1] = _mm_cvtsi128_si32(h) + _mm_extract_epi16(h, 4) - 16 * 128;
}

static void
round_rows(uint32_t type, const float *x, size_t from, size_t m, size_t k,
	struct activations *out)
{
	const struct format *f = &formats[type];

	for (size_t at = 0; at < k; at += STRIP) {
		size_t n = (k - at < STRIP ? k - at : STRIP) / 32;

		for (size_t i = from; i < from + m; i++)
			for (size_t j = 0; j < n; j++) {
				size_t b = at / 32 * out->rows + i * n + j;
				int sums[2];

				round_block(x + i * k + at + j * 32, out->q + b * 32,
					&out->scale[b], sums);
				if (f->sub == 32)
					sums[0] += sums[1];
				for (int h = 0; h < 2; h++) {
					out->bias[b * 2 + h] = -f->offset * sums[h];
					out->sum[b * 2 + h] = out->scale[b] * (float)sums[h];
				}
			}
	}
}

const struct block_kernels blocks_avx512vnni = { take, round_rows, mul };

#endif
