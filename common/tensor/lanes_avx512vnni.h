/* What blocks.c needs of AVX-512 VNNI: sixteen rows in a register, and one instruction for four
 * products of bytes. Included there alone. */
#ifndef TENSOR_LANES_AVX512VNNI_H
#define TENSOR_LANES_AVX512VNNI_H

#include <immintrin.h>

#define BLOCKS_NAME blocks_avx512vnni
#define BLOCKS_LEVEL "avx512vnni"

enum {
	LANES = 16,
	COLUMNS = 8,    /* rows of activations multiplied at a time: as many as registers hold */
	STRIP_MOST = STRIP / 32 * 34, /* bytes of a strip of the largest format */
	WIDE_FIT = 0,
};

/* A lane per row of weights. A `lanes` holds four neighbouring values of each, a byte each. */
typedef uint32_t lanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t unaligned __attribute__((vector_size(64), aligned(1), may_alias));
typedef int32_t ilanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef float flanes __attribute__((vector_size(64), aligned(4), may_alias));

#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

/* Sixteen rows of at most STRIP values: value = d * (q - offset) + m, where d and m belong to 32
 * values or, in some formats, to 16. */
struct strip {
	lanes q[STRIP / 4];
	flanes d[STRIP / 16], m[STRIP / 16];
};

/* row[i] = 16 words of row i becomes v[j] = word j of every row. */
static inline void
turn(const lanes row[LANES], lanes v[LANES])
{
	lanes t[LANES], u[LANES];

	for (int i = 0; i < LANES; i += 2) {
		t[i] = MIX(row[i], row[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13,
			29);
		t[i + 1] = MIX(row[i], row[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14,
			30, 15, 31);
	}
	for (int i = 0; i < LANES; i += 4)
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

/* f16 in the lower halves of the lanes */
static inline flanes
half(lanes h)
{
	return (flanes)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)h));
}

/* The entries of a table that the bytes of v, 0 to 15, name. */
static inline lanes
look_up(const uint8_t table[16], lanes v)
{
	__m512i entries = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));

	return (lanes)_mm512_shuffle_epi8(entries, (__m512i)v);
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

/* a += the strip's values [from, from + sub) times as many of each column's, `stride` bytes
 * apart. */
static inline __attribute__((always_inline)) void
dots(ilanes a[COLUMNS][1], const struct strip *s, size_t from, const size_t sub, const int8_t *x,
	size_t stride, const size_t columns, const size_t fit)
{
	(void)fit;
	for (size_t j = 0; j < sub; j += 4)
		for (size_t c = 0; c < columns; c++)
			a[c][0] = dot4(a[c][0], s->q[(from + j) / 4], x + c * stride + j);
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

#endif
