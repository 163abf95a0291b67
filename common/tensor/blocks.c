/* Compiled once per level: what depends on the width of registers stands in lanes_LEVEL.h. */
#include "tensor/blocks.h"

#if defined __AVX2__

#include <math.h>
#include <string.h>

#include "tensor/types.h"

enum {
	R = BLOCKS_ROWS,
	STRIP = 256,    /* values of a row that are turned at a time */
	SUPER = 8,      /* blocks of 32 in a strip, and in a K-quant's super-block */
};

#if defined __AVX512VNNI__
#include "tensor/lanes_avx512vnni.h"
#else
#include "tensor/lanes_avx2.h"
#endif

enum { GROUPS = R / LANES };

/* Turn `n` blocks of 32 of LANES rows, `stride` bytes apart. */
typedef void unpack_fn(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s);

/* The first `words` words (at most 64) of what every row has at w, turned. Up to 63 bytes behind
 * them are read too. What lies `ahead` is fetched into the second cache: as many rows at once are
 * more streams than the hardware follows by itself. */
static inline __attribute__((always_inline)) void
load(const uint8_t *w, size_t stride, size_t ahead, const size_t words, lanes *v)
{
	for (size_t at = 0; at < words; at += LANES) {
		lanes row[LANES];

		if (words - at == 1) { /* one more word is not worth the turning */
			uint32_t words_of[LANES];

			for (size_t i = 0; i < LANES; i++)
				memcpy(&words_of[i], w + at * 4 + i * stride, sizeof *words_of);
			memcpy(&v[at], words_of, sizeof *v);
			return;
		}
#pragma GCC unroll 16
		for (size_t i = 0; i < LANES; i++) {
			const uint8_t *p = w + at * 4 + i * stride;

			if (at % 16 == 0)
				__builtin_prefetch(p + ahead, 0, 2);
			row[i] = *(const unaligned *)p;
		}
		turn(row, v + at);
	}
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

#ifndef WIDE
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
#endif

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

/* The scales of Q6_K, bytes, and what they are multiplied by. */
static inline void
q6_k_scales(const lanes v[5], struct strip *s)
{
	flanes d = half(v[4]);

	for (int i = 0; i < 16; i++)
		s->d[i] = d * small_signed(v[i / 4], i % 4);
}

static void
unpack_q6_k(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes v[64];

	(void)n;
	load(w, stride, ahead, 53, v);
	q6_k_scales(v + 48, s);
	for (int i = 0; i < 8; i++) /* halves of 128, in them four times 32 */
		for (int j = 0; j < 8; j++) {
			lanes x = v[i / 4 * 16 + i % 2 * 8 + j];

			s->q[i * 8 + j] = (i % 4 < 2 ? low(x) : high(x)) |
				pair(v[32 + i / 4 * 8 + j], i % 4 * 2) << 4;
		}
}

/* IQ4's sixteen values for nibbles, with 128 added */
static const uint8_t iq4_values[16] = { 1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181,
	197, 217, 241 };

static void
unpack_iq4_nl(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	unpack_q4_0(w, stride, ahead, n, s);
	for (size_t i = 0; i < n * 8; i++)
		s->q[i] = look_up(iq4_values, s->q[i]);
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
			s->q[i * 8 + j] = look_up(iq4_values, low(v[2 + i * 4 + j]));
			s->q[i * 8 + 4 + j] = look_up(iq4_values, high(v[2 + i * 4 + j]));
		}
	}
}

#ifdef WIDE

/* Formats of 8 bits, whose products do not fit into the sums of bytes, in 16 bits. */
static inline void
put_wide(lanes v, lanes *wide)
{
	wide[0] = (lanes)((pairs)v << 8 >> 8);
	wide[8] = (lanes)((pairs)v >> 8);
}

static void
unpack_wide_q8_0(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	for (size_t b = 0; b < n; b += 2, w += 68) { /* a pair is 17 words */
		lanes v[24], *wide = s->wide + b * 16;

		load(w, stride, ahead, 17, v);
		s->d[b] = half(v[0]);
		s->d[b + 1] = half(v[8] >> 16);
		for (int j = 0; j < 8; j++) {
			put_wide(shifted(v[j], v[j + 1]), wide + j);
			put_wide(v[9 + j], wide + 16 + j);
		}
	}
}

static inline void
widen(struct strip *s, size_t n)
{
	for (size_t j = 0; j < n * 8; j++)
		put_wide(unsign(s->q[j]), s->wide + j / 8 * 16 + j % 8);
}

static void
unpack_wide_iq4_nl(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	unpack_iq4_nl(w, stride, ahead, n, s);
	widen(s, n);
}

static void
unpack_wide_iq4_xs(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	unpack_iq4_xs(w, stride, ahead, n, s);
	widen(s, n);
}

/* The same where rows are many: a strip shares a scale, which saves time. */
#define LEVELLED(format) \
	static void \
	unpack_level_##format(const uint8_t *w, size_t stride, size_t ahead, size_t n, \
		struct strip *s) \
	{ \
		unpack_wide_##format(w, stride, ahead, n, s); \
		level_blocks(s, n); \
	}
LEVELLED(q8_0)
LEVELLED(iq4_nl)
LEVELLED(iq4_xs)

static void
unpack_f32(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes v[STRIP];

	for (size_t b = 0; b < n; b++)
		load(w + b * 128, stride, ahead, 32, v + b * 32);
	level_numbers((const flanes *)v, n * 32, s);
}

static void
unpack_f16(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	flanes x[STRIP];

	for (size_t b = 0; b < n; b++) {
		lanes v[16];

		load(w + b * 64, stride, ahead, 16, v);
		for (size_t j = 0; j < 16; j++) {
			x[b * 32 + 2 * j] = half(v[j]);
			x[b * 32 + 2 * j + 1] = half(v[j] >> 16);
		}
	}
	level_numbers(x, n * 32, s);
}

static void
unpack_bf16(const uint8_t *w, size_t stride, size_t ahead, size_t n, struct strip *s)
{
	lanes x[STRIP];

	for (size_t b = 0; b < n; b++) {
		lanes v[16];

		load(w + b * 64, stride, ahead, 16, v);
		for (size_t j = 0; j < 16; j++) {
			x[b * 32 + 2 * j] = v[j] << 16;
			x[b * 32 + 2 * j + 1] = v[j] & 0xffff0000;
		}
	}
	level_numbers((const flanes *)x, n * 32, s);
}

#endif

/* Sums (columns, 16) under way: where those of the strips before are, or NULL for zeros, and where
 * they go; with their strides. */
struct sums {
	const float *from;
	size_t ld_from;
	float *to;
	size_t ld_to;
};

/* What a product has to know of a format; constants where it is inlined. */
struct kind {
	size_t sub;  /* values that share a scale: 16, 32 or a STRIP */
	bool offset, minima;
	size_t fit;  /* products of four that a 16-bit sum holds; 0: values have 16 bits */
};

/* y += activations · strip: n blocks of 32 from block `at` on. All but y, the pointers, `row` and
 * `at` are constants where this is called. */
static inline __attribute__((always_inline)) void
tile(const struct strip *s, const size_t n, const struct activations *x, size_t row, size_t at,
	const size_t columns, const struct kind k, const struct sums *y, size_t to)
{
	size_t block = at * x->rows + row * n, size = k.fit || !WIDE_FIT ? 1 : 2;
	const int8_t *q = (const int8_t *)x->q + block * 32 * size;
	const float *scale = x->scale + block, *sum = x->sum + block * 2;
	const int32_t *bias = x->bias + block * 2;
	flanes f[COLUMNS][GROUPS];

	for (size_t c = 0; c < columns; c++)
		for (size_t g = 0; g < GROUPS; g++)
			f[c][g] = y->from ? *(const flanes *)(y->from + (to + c) * y->ld_from +
				g * LANES) : (flanes){ 0 };
	for (size_t b = 0; b * k.sub < n * 32; b++) {
		const size_t len = k.sub == STRIP ? n * 32 : k.sub;
		ilanes a[COLUMNS][GROUPS];

		for (size_t c = 0; c < columns; c++)
			for (size_t g = 0; g < GROUPS; g++)
				a[c][g] = (ilanes){ 0 } +
					(k.offset ? bias[c * n * 2 + b * k.sub / 16] : 0);
		dots(a, s, b * k.sub, len, q + b * k.sub * size, n * 32 * size, columns, k.fit);
		for (size_t c = 0; c < columns; c++)
			for (size_t g = 0; g < GROUPS; g++) {
				f[c][g] += __builtin_convertvector(a[c][g], flanes) *
					(s[g].d[b] * scale[c * n + b * k.sub / 32]);
				if (k.minima)
					f[c][g] += s[g].m[b] * sum[c * n * 2 + b * k.sub / 16];
			}
	}
	for (size_t c = 0; c < columns; c++)
		for (size_t g = 0; g < GROUPS; g++)
			*(flanes *)(y->to + (to + c) * y->ld_to + g * LANES) = f[c][g];
}

static inline __attribute__((always_inline)) void
tiles(const struct strip *s, const size_t n, const struct activations *x, size_t from, size_t m,
	size_t at, const struct kind k, const struct sums *y)
{
	size_t i = 0;

	for (; i + COLUMNS <= m; i += COLUMNS)
		tile(s, n, x, from + i, at, COLUMNS, k, y, i);
	for (; i + 4 <= m; i += 4)
		tile(s, n, x, from + i, at, 4, k, y, i);
	for (; i + 2 <= m; i += 2)
		tile(s, n, x, from + i, at, 2, k, y, i);
	for (; i < m; i++)
		tile(s, n, x, from + i, at, 1, k, y, i);
}

typedef void multiply_fn(const struct strip *s, size_t n, const struct activations *x, size_t from,
	size_t m, size_t at, const struct sums *y);

/* A strip with activations. Whole strips, which are nearly all, have code of their own. */
#define MULTIPLY(name, ...) \
	static void \
	multiply_##name(const struct strip *s, size_t n, const struct activations *x, size_t from, \
		size_t m, size_t at, const struct sums *y) \
	{ \
		if (n == SUPER) \
			tiles(s, SUPER, x, from, m, at, (struct kind){ __VA_ARGS__ }, y); \
		else \
			tiles(s, n, x, from, m, at, (struct kind){ __VA_ARGS__ }, y); \
	}
MULTIPLY(4, 32, true, false, 8)
MULTIPLY(4_minima, 32, false, true, 8)
MULTIPLY(5, 32, true, false, 4)
MULTIPLY(5_minima, 32, false, true, 4)
MULTIPLY(3_of_16, 16, true, false, 4)
MULTIPLY(2_of_16_minima, 16, false, true, 4)
MULTIPLY(6_of_16, 16, true, false, 2)
#ifdef WIDE
MULTIPLY(wide, 32, false, false, 0)
MULTIPLY(level, STRIP, false, false, 0)
#else
MULTIPLY(8, 32, true, false, 0)
#endif

#ifdef WIDE

/* A strip of eight rows of weights as they lie with one of activations: scales (and minima) into s,
 * the sums of blocks of `sub` values into a. As many bytes are fetched from `next` on. */
typedef void row_fn(const uint8_t *w, size_t stride, const uint8_t *next, size_t n, const int8_t *x,
	struct strip *s, ilanes a[STRIP / 16]);

/* v[i] = the products of row i. */
#define EACH_ROW(v, dot, offset, ...) \
	_Pragma("GCC unroll 8") \
	for (size_t i = 0; i < LANES; i++) \
		v[i] = dot(w + i * stride + (offset), __VA_ARGS__);

/* Into the second cache, in the order of memory: rows one beside the other are more streams than
 * the hardware follows by itself. */
static inline __attribute__((always_inline)) void
fetch(const uint8_t *next, const size_t bytes)
{
#pragma GCC unroll 8
	for (size_t i = 0; i < bytes; i += 64)
		__builtin_prefetch(next + i, 0, 2);
}

static inline void
row_q8_0(const uint8_t *w, size_t stride, const uint8_t *next, size_t n, const int8_t *x,
	struct strip *s, ilanes a[STRIP / 16])
{
	for (size_t b = 0; b < n; b++, w += 34, x += 64) {
		__m256i v[LANES];

		fetch(next + b * LANES * 34, LANES * 34);
		s->d[b] = halves_at(w, stride);
		EACH_ROW(v, dot_q8_0, 2, x)
		a[b] = add_up(v);
	}
}

static inline void
row_q4_0(const uint8_t *w, size_t stride, const uint8_t *next, size_t n, const int8_t *x,
	struct strip *s, ilanes a[STRIP / 16])
{
	for (size_t b = 0; b < n; b++, w += 18, x += 32) {
		__m256i v[LANES];

		fetch(next + b * LANES * 18, LANES * 18);
		s->d[b] = halves_at(w, stride);
		EACH_ROW(v, dot_q4_0, 2, x)
		a[b] = add_up_pairs(v);
	}
}

static inline void
row_q4_k(const uint8_t *w, size_t stride, const uint8_t *next, size_t n, const int8_t *x,
	struct strip *s, ilanes a[STRIP / 16])
{
	lanes head[LANES];

	(void)n;
	load(w, stride, 0, 4, head);
	super_scales(head, s);
	for (size_t b = 0; b < SUPER; b++) {
		__m256i v[LANES];

		fetch(next + b * 144, 144);
		EACH_ROW(v, dot_q4_k, 16 + b / 2 * 32, b % 2 * 4, x + b * 32)
		a[b] = add_up_pairs(v);
	}
}

static inline void
row_q6_k(const uint8_t *w, size_t stride, const uint8_t *next, size_t n, const int8_t *x,
	struct strip *s, ilanes a[STRIP / 16])
{
	lanes tail[LANES];

	(void)n;
	load(w + 192, stride, 0, 5, tail);
	q6_k_scales(tail, s);
	for (size_t b = 0; b < SUPER; b++) {
		size_t half_ = b / 4, quarter = b % 4;
		__m256i v[LANES];

		fetch(next + b * 210, 210);
		EACH_ROW(v, dot_q6_k, half_ * 64 + quarter % 2 * 32, quarter / 2 * 4,
			w + i * stride + 128 + half_ * 32, quarter * 2, x + b * 32)
		add_up_halves(v, &a[2 * b], &a[2 * b + 1]);
	}
}

/* Sixteen rows of weights, `k` wide, strips `bytes` apart, with row `row` of the activations. */
typedef void mul_row_fn(const uint8_t *w, size_t stride, size_t bytes, size_t ahead, size_t k,
	const struct activations *x, size_t row, float *y);

static inline __attribute__((always_inline)) void
mul_row(row_fn *add, const struct kind kind, const uint8_t *w, size_t stride, size_t bytes,
	size_t ahead, size_t k, const struct activations *x, size_t row, float *y)
{
	const size_t size = kind.fit ? 1 : 2, per = 32 / kind.sub;
	flanes f[GROUPS] = { { 0 } };
	const uint8_t *next = w + ahead;

	for (size_t at = 0; at < k; at += STRIP, w += bytes) {
		size_t n = (k - at < STRIP ? k - at : STRIP) / 32;
		size_t block = at / 32 * x->rows + row * n;

		for (size_t g = 0; g < GROUPS; g++, next += LANES * bytes * n / SUPER) {
			struct strip s;
			ilanes a[STRIP / 16];

			add(w + g * LANES * stride, stride, next, n,
				(const int8_t *)x->q + block * 32 * size, &s, a);
			for (size_t b = 0; b < n * per; b++) {
				size_t half_ = block * 2 + b * (2 / per);

				if (kind.offset)
					a[b] += x->bias[half_];
				f[g] += __builtin_convertvector(a[b], flanes) *
					(s.d[b] * x->scale[block + b / per]);
				if (kind.minima)
					f[g] += s.m[b] * x->sum[half_];
			}
		}
	}
	memcpy(y, f, sizeof f);
}

#define MUL_ROW(format, ...) \
	static void \
	mul_row_##format(const uint8_t *w, size_t stride, size_t bytes, size_t ahead, size_t k, \
		const struct activations *x, size_t row, float *y) \
	{ \
		mul_row(row_##format, (struct kind){ __VA_ARGS__ }, w, stride, bytes, ahead, k, x, \
			row, y); \
	}
MUL_ROW(q8_0, 32, false, false, 0)
MUL_ROW(q4_0, 32, true, false, 8)
MUL_ROW(q4_k, 32, false, true, 8)
MUL_ROW(q6_k, 16, true, false, 2)
#define ROW(format) mul_row_##format

#else

typedef void mul_row_fn(void);
#define ROW(format) NULL

#endif

struct format {
	unpack_fn *unpack;
	multiply_fn *multiply;
	int offset;  /* added to make the values unsigned */
	int sub;     /* values that share a scale: 16, 32 or a STRIP */
	mul_row_fn *row; /* NULL: one row of activations goes the way of many */
};

static const struct format formats[] = {
	[TYPE_Q4_0] = { unpack_q4_0, multiply_4, 8, 32, ROW(q4_0) },
	[TYPE_Q4_1] = { unpack_q4_1, multiply_4_minima, 0, 32, NULL },
	[TYPE_Q5_0] = { unpack_q5_0, multiply_5, 16, 32, NULL },
	[TYPE_Q5_1] = { unpack_q5_1, multiply_5_minima, 0, 32, NULL },
	[TYPE_Q2_K] = { unpack_q2_k, multiply_2_of_16_minima, 0, 16, NULL },
	[TYPE_Q3_K] = { unpack_q3_k, multiply_3_of_16, 4, 16, NULL },
	[TYPE_Q4_K] = { unpack_q4_k, multiply_4_minima, 0, 32, ROW(q4_k) },
	[TYPE_Q5_K] = { unpack_q5_k, multiply_5_minima, 0, 32, NULL },
	[TYPE_Q6_K] = { unpack_q6_k, multiply_6_of_16, 32, 16, ROW(q6_k) },
#ifdef WIDE
	[TYPE_Q8_0] = { unpack_wide_q8_0, multiply_wide, 0, 32, ROW(q8_0) },
	[TYPE_IQ4_NL] = { unpack_wide_iq4_nl, multiply_wide, 0, 32, NULL },
	[TYPE_IQ4_XS] = { unpack_wide_iq4_xs, multiply_wide, 0, 32, NULL },
#else
	[TYPE_Q8_0] = { unpack_q8_0, multiply_8, 128, 32, NULL },
	[TYPE_IQ4_NL] = { unpack_iq4_nl, multiply_8, 128, 32, NULL },
	[TYPE_IQ4_XS] = { unpack_iq4_xs, multiply_8, 128, 32, NULL },
#endif
};

#ifdef WIDE
/* The other way of some, where rows are many. */
static const struct format many[] = {
	[TYPE_Q8_0] = { unpack_level_q8_0, multiply_level, 0, STRIP, NULL },
	[TYPE_IQ4_NL] = { unpack_level_iq4_nl, multiply_level, 0, STRIP, NULL },
	[TYPE_IQ4_XS] = { unpack_level_iq4_xs, multiply_level, 0, STRIP, NULL },
	[TYPE_F32] = { unpack_f32, multiply_level, 0, STRIP, NULL },
	[TYPE_F16] = { unpack_f16, multiply_level, 0, STRIP, NULL },
	[TYPE_BF16] = { unpack_bf16, multiply_level, 0, STRIP, NULL },
};
#endif

static const struct format *
format_of(uint32_t type, bool steps)
{
#ifdef WIDE
	if (!steps && type < sizeof many / sizeof *many && many[type].unpack)
		return &many[type];
#endif
	(void)steps;
	return type < sizeof formats / sizeof *formats && formats[type].unpack ? &formats[type]
									       : NULL;
}

static bool
take(uint32_t type, bool steps)
{
	return format_of(type, steps) != NULL;
}

static void
mul(uint32_t type, bool steps, const void *data, size_t rows, bool end, bool ahead, size_t k,
	const struct activations *x, size_t from, size_t m, float *y, size_t ldy, float *room)
{
	const struct format *f = format_of(type, steps);
	size_t stride = type_row_bytes(type, k);
	/* a strip of the largest format, and what load reads behind it */
	uint8_t copy[R][STRIP_MOST + 80];
	struct strip s[GROUPS];

#ifdef WIDE
	if (m == 1 && f->row && !end && rows == R) {
		f->row(data, stride, type_row_bytes(type, STRIP), ahead ? R * stride : 0, k, x,
			from, y);
		return;
	}
#endif
	for (size_t at = 0; at < k; at += STRIP) {
		size_t n = k - at < STRIP ? k - at : STRIP, bytes = type_row_bytes(type, n);
		size_t first = at / STRIP * type_row_bytes(type, STRIP), step = stride;
		const uint8_t *w = (const uint8_t *)data + first;
		bool last = at + n == k && rows == R;
		struct sums to = { at > 0 ? room : NULL, R, last ? y : room, last ? ldy : R };

		if (end || rows < R) {
			for (size_t i = 0; i < R; i++)
				memcpy(copy[i], w + (i < rows ? i : rows - 1) * stride, bytes);
			w = copy[0];
			step = sizeof copy[0];
		}
		for (size_t g = 0; g < GROUPS; g++)
			f->unpack(w + g * LANES * step, step, ahead ? R * stride : 0, n / 32,
				&s[g]);
		f->multiply(s, n / 32, x, from, m, at / 32, &to);
	}
	for (size_t i = 0; i < m && rows < R; i++)
		memcpy(y + i * ldy, room + i * R, rows * sizeof *y);
}

/* n blocks of 32 of a row from block `at` on, which lie together in `out`. */
static void
round_strip(const struct format *f, const float *x, size_t n, size_t at, struct activations *out)
{
	int sums[2];

#ifdef WIDE
	float by = 0, scale = 0;

	for (size_t j = 0; j < n && (f->multiply == multiply_wide || f->multiply == multiply_level);
		j++) {
		if (f->multiply == multiply_wide)
			by = factor_of(x + j * 32, 32, WIDE_MOST, &scale);
		else if (j == 0)
			by = factor_of(x, n * 32, LEVEL_ACTIVATION, &scale);
		out->scale[at + j] = scale;
		round_wide(x + j * 32, by, scale, (int16_t *)out->q + (at + j) * 32);
	}
	if (f->multiply == multiply_wide || f->multiply == multiply_level)
		return;
#endif
	for (size_t b = at; b < at + n; b++, x += 32) {
		round_block(x, (int8_t *)out->q + b * 32, &out->scale[b], sums);
		if (f->sub == 32)
			sums[0] += sums[1];
		for (int h = 0; h < 2; h++) {
			out->bias[b * 2 + h] = -f->offset * sums[h];
			out->sum[b * 2 + h] = out->scale[b] * (float)sums[h];
		}
	}
}

static void
round_rows(uint32_t type, bool steps, const float *x, size_t from, size_t m, size_t k,
	struct activations *out)
{
	for (size_t at = 0; at < k; at += STRIP) {
		size_t n = (k - at < STRIP ? k - at : STRIP) / 32;

		for (size_t i = from; i < from + m; i++)
			round_strip(format_of(type, steps), x + i * k + at, n,
				at / 32 * out->rows + i * n, out);
	}
}

extern const struct block_kernels BLOCKS_NAME;
const struct block_kernels BLOCKS_NAME = { BLOCKS_LEVEL, take, round_rows, mul };

#endif
