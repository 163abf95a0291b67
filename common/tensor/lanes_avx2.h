/* What blocks.c needs of AVX2: eight rows in a register. Products of unsigned with signed bytes
 * come in pairs that are summed in 16 bits, so formats of few bits are summed there as long as they
 * fit; other values, weights in floating point among them, are rounded to and multiplied in 16
 * bits, at 1.6 times the rate of f32. Included there alone. */
#ifndef TENSOR_LANES_AVX2_H
#define TENSOR_LANES_AVX2_H

#include <immintrin.h>

#define BLOCKS_NAME blocks_avx2
#define BLOCKS_LEVEL "avx2"
#define WIDE

enum {
	LANES = 8,
	COLUMNS = 6,    /* rows of activations multiplied at a time: as many as registers hold */
	STRIP_MOST = STRIP * 4, /* bytes of a strip of the largest format */
	WIDE_FIT = 1,
	WIDE_MOST = 8191, /* in 16 bits: a block's products fit into 31 */
	/* Where a whole strip shares a scale: its products fit into 31 bits. */
	LEVEL_WEIGHT = 4095,
	LEVEL_ACTIVATION = 2047,
};

/* A lane per row of weights. A `lanes` holds four neighbouring values of each, a byte each, or two
 * of 16 bits; of 32 such the even ones stand before the odd ones, as shifts tell them apart. */
typedef uint32_t lanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t unaligned __attribute__((vector_size(32), aligned(1), may_alias));
typedef int32_t ilanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef float flanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef int16_t pairs __attribute__((vector_size(32), aligned(4), may_alias));

#define MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)

/* Eight rows of at most STRIP values: value = d * (q - offset) + m, where d and m belong to 32
 * values or, in some formats, to 16; or value = d * wide. */
struct strip {
	lanes q[STRIP / 4], wide[STRIP / 2];
	flanes d[STRIP / 16], m[STRIP / 16];
};

/* row[i] = 8 words of row i becomes v[j] = word j of every row. */
static inline void
turn(const lanes row[LANES], lanes v[LANES])
{
	lanes t[LANES], u[LANES];

	for (int i = 0; i < LANES; i += 2) {
		t[i] = MIX(row[i], row[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
		t[i + 1] = MIX(row[i], row[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
	}
	for (int i = 0; i < LANES; i += 4)
		for (int j = 0; j < 2; j++) {
			u[i + 2 * j] = MIX(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
			u[i + 2 * j + 1] = MIX(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
		}
	/* u[4 g + c] holds words c and c + 4 of rows 4 g to 4 g + 3 */
	for (int c = 0; c < 4; c++) {
		v[c] = MIX(u[c], u[4 + c], 0, 1, 2, 3, 8, 9, 10, 11);
		v[4 + c] = MIX(u[c], u[4 + c], 4, 5, 6, 7, 12, 13, 14, 15);
	}
}

/* f16 in the lower halves of the lanes */
static inline flanes
half(lanes h)
{
	__m256i v = (__m256i)(h & 0xffff);

	return (flanes)_mm256_cvtph_ps(
		_mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}

/* The entries of a table that the bytes of v, 0 to 15, name. */
static inline lanes
look_up(const uint8_t table[16], lanes v)
{
	__m256i entries = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));

	return (lanes)_mm256_shuffle_epi8(entries, (__m256i)v);
}

/* The larger of `most` and the magnitude of x, as its bits: those of what is not a number are
 * larger than any number's. */
static inline ilanes
larger(ilanes most, flanes x)
{
	return (ilanes)_mm256_max_epi32((__m256i)most, (__m256i)((ilanes)x & INT32_MAX));
}

/* limit / most, 0 where that is not finite or `most` not a number. */
static inline flanes
quotient(float limit, ilanes most)
{
	ilanes small = (flanes)most < (flanes){ 0 } + 0x1p-113f;

	return (flanes)((ilanes)(limit / (flanes)most) & ~small & (most < 0x7f800000));
}

/* v, NaN where `most` is not a finite number. */
static inline flanes
or_nan(flanes v, ilanes most)
{
	return (flanes)((ilanes)v | ~(most < 0x7f800000));
}

/* n values of each row to one scale. */
static inline void
level_numbers(const flanes *x, size_t n, struct strip *s)
{
	ilanes most = { 0 }, finite, q[4];
	flanes by;

	for (size_t j = 0; j < n; j++)
		most = larger(most, x[j]);
	finite = most < 0x7f800000;
	by = quotient(LEVEL_WEIGHT, most);
	s->d[0] = or_nan((flanes)most / LEVEL_WEIGHT, most);
	for (size_t j = 0; j < n; j += 4) {
		size_t at = j / 32 * 16 + j % 32 / 4;

		for (int i = 0; i < 4; i++)
			q[i] = (ilanes)_mm256_cvtps_epi32((__m256)(x[j + i] * by)) & finite;
		s->wide[at] = (lanes)((q[0] & 0xffff) | q[2] << 16);
		s->wide[at + 8] = (lanes)((q[1] & 0xffff) | q[3] << 16);
	}
}

/* n blocks of values of -128 to 127, whose scales differ, to one scale. */
static inline void
level_blocks(struct strip *s, size_t n)
{
	ilanes most = { 0 }, factor;
	flanes by;

	for (size_t b = 0; b < n; b++)
		most = larger(most, s->d[b]);
	by = quotient(2 * LEVEL_WEIGHT, most); /* a factor's 256 is 1 */
	for (size_t b = 0; b < n; b++) {
		factor = (ilanes)_mm256_cvtps_epi32((__m256)(s->d[b] * by));
		factor = (factor & 0xffff) | factor << 16;
		for (size_t j = b * 16; j < (b + 1) * 16; j++)
			s->wide[j] = (lanes)_mm256_mulhrs_epi16(
				_mm256_slli_epi16((__m256i)s->wide[j], 7), (__m256i)factor);
	}
	s->d[0] = or_nan((flanes)most * (128.0f / LEVEL_WEIGHT), most);
}

/* Four bytes in every lane. */
static inline __m256i
spread(const int8_t *x)
{
	return _mm256_set1_epi32(*(const int32_t *)x);
}

/* a += the strips' values [from, from + sub) times as many of each column's, `stride` bytes
 * apart. */
static inline __attribute__((always_inline)) void
dots(ilanes a[COLUMNS][2], const struct strip *s, size_t from, const size_t sub, const int8_t *x,
	size_t stride, const size_t columns, const size_t fit)
{
	const lanes *w[2];

	for (size_t g = 0; g < 2; g++)
		w[g] = fit ? s[g].q + from / 4 : s[g].wide + from / 2;
	if (!fit) {
#pragma GCC unroll 1 /* so that sums stay in registers */
		for (size_t j = 0; j < sub / 2; j++)
			for (size_t c = 0; c < columns; c++) {
				__m256i v = spread(x + c * stride + 4 * j);

				for (size_t g = 0; g < 2; g++)
					a[c][g] += (ilanes)_mm256_madd_epi16((__m256i)w[g][j], v);
			}
		return;
	}
	for (size_t j = 0; j < sub / 4; j += fit) {
		pairs sum[COLUMNS][2];

		for (size_t c = 0; c < columns; c++)
			sum[c][0] = sum[c][1] = (pairs){ 0 };
#pragma GCC unroll 1
		for (size_t i = 0; i < fit; i++)
			for (size_t c = 0; c < columns; c++) {
				__m256i v = spread(x + c * stride + 4 * (j + i));

				for (size_t g = 0; g < 2; g++)
					sum[c][g] += (pairs)_mm256_maddubs_epi16(
						(__m256i)w[g][j + i], v);
			}
		for (size_t c = 0; c < columns; c++)
			for (size_t g = 0; g < 2; g++)
				a[c][g] += (ilanes)_mm256_madd_epi16((__m256i)sum[c][g],
					_mm256_set1_epi16(1));
	}
}

static inline int
largest(ilanes v)
{
	__m128i m = _mm_max_epi32(_mm256_castsi256_si128((__m256i)v),
		_mm256_extracti128_si256((__m256i)v, 1));

	m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
	m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
	return _mm_cvtsi128_si32(m);
}

/* What the largest magnitude of n values is multiplied by to become `limit`, 0 where that is not
 * finite; *scale is its inverse, NaN where a value is not finite. */
static inline float
factor_of(const float *x, size_t n, float limit, float *scale)
{
	ilanes most = { 0 };
	float size;
	int bits;

	for (size_t i = 0; i < n; i += 8)
		most = larger(most, *(const flanes *)(x + i));
	bits = largest(most);
	memcpy(&size, &bits, sizeof size);
	*scale = bits < 0x7f800000 ? size / limit : NAN;
	return bits < 0x7f800000 && size > 0x1p-113f ? limit / size : 0;
}

/* 32 values times `by`, rounded; 0 where the scale is not a number. */
static inline void
round_values(const float *x, float by, float scale, __m256i q[4])
{
	for (int i = 0; i < 4; i++) {
		flanes v = *(const flanes *)(x + i * 8) * by;

		q[i] = isnan(scale) ? _mm256_setzero_si256() : _mm256_cvtps_epi32((__m256)v);
	}
}

/* 32 values in bytes; sums are of the 16 values of each half. */
static inline void
round_block(const float *x, int8_t *out, float *scale, int sums[2])
{
	float by = factor_of(x, 32, 127, scale);
	__m256i q[4], bytes, sum;

	round_values(x, by, *scale, q);
	bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
	bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
	_mm256_storeu_si256((__m256i *)out, bytes);
	sum = _mm256_sad_epu8(_mm256_xor_si256(bytes, _mm256_set1_epi8(-128)),
		_mm256_setzero_si256());
	sums[0] = (int)_mm256_extract_epi64(sum, 0) + (int)_mm256_extract_epi64(sum, 1) - 16 * 128;
	sums[1] = (int)_mm256_extract_epi64(sum, 2) + (int)_mm256_extract_epi64(sum, 3) - 16 * 128;
}

/* 32 values in 16 bits, the even ones first. */
static inline void
round_wide(const float *x, float by, float scale, int16_t *out)
{
	const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14,
		15, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
	__m256i q[4], v[2];

	round_values(x, by, scale, q);
	for (int i = 0; i < 2; i++) {
		v[i] = _mm256_packs_epi32(q[2 * i], q[2 * i + 1]);
		v[i] = _mm256_shuffle_epi8(_mm256_permute4x64_epi64(v[i], 0xd8), order);
	}
	_mm256_storeu_si256((__m256i *)out,
		_mm256_permute4x64_epi64(_mm256_unpacklo_epi64(v[0], v[1]), 0xd8));
	_mm256_storeu_si256((__m256i *)(out + 16),
		_mm256_permute4x64_epi64(_mm256_unpackhi_epi64(v[0], v[1]), 0xd8));
}

/* One row of activations is not worth the turning: rows of weights are multiplied as they lie, and
 * eight rows' products added up together. The same sums, and so the same bits. */

/* Each v[i] is row i's products in 32 bits; the sums of their lower halves, of their upper ones. */
static inline void
add_up_halves(const __m256i v[8], ilanes *low, ilanes *high)
{
	__m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
	__m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7]));

	*low = (ilanes)_mm256_permute2x128_si256(a, b, 0x20);
	*high = (ilanes)_mm256_permute2x128_si256(a, b, 0x31);
}

static inline ilanes
add_up(const __m256i v[8])
{
	ilanes low, high;

	add_up_halves(v, &low, &high);
	return low + high;
}

/* The same of pairs of products in 16 bits, of which eight fit there. */
static inline ilanes
add_up_pairs(const __m256i v[8])
{
	__m256i a = _mm256_hadd_epi16(_mm256_hadd_epi16(v[0], v[1]), _mm256_hadd_epi16(v[2], v[3]));
	__m256i b = _mm256_hadd_epi16(_mm256_hadd_epi16(v[4], v[5]), _mm256_hadd_epi16(v[6], v[7]));
	__m256i one = _mm256_set1_epi16(1);

	/* rows 0 to 3 of the lower halves, of the upper ones; and so of rows 4 to 7 */
	a = _mm256_madd_epi16(a, one);
	b = _mm256_madd_epi16(b, one);
	return (ilanes)_mm256_permute2x128_si256(a, b, 0x20) +
		(ilanes)_mm256_permute2x128_si256(a, b, 0x31);
}

/* f16 of every row */
static inline flanes
halves_at(const uint8_t *w, size_t stride)
{
	uint16_t h[LANES];
	__m128i v = _mm_setzero_si128();

	for (size_t i = 0; i < LANES; i++)
		memcpy(&h[i], w + i * stride, sizeof *h);
	v = _mm_insert_epi16(v, h[0], 0);
	v = _mm_insert_epi16(v, h[1], 1);
	v = _mm_insert_epi16(v, h[2], 2);
	v = _mm_insert_epi16(v, h[3], 3);
	v = _mm_insert_epi16(v, h[4], 4);
	v = _mm_insert_epi16(v, h[5], 5);
	v = _mm_insert_epi16(v, h[6], 6);
	v = _mm_insert_epi16(v, h[7], 7);
	return (flanes)_mm256_cvtph_ps(v);
}

static inline __m256i
at(const void *p)
{
	return _mm256_loadu_si256(p);
}

static inline __m256i
dot_q8_0(const uint8_t *w, const int8_t *x)
{
	__m256i v = at(w), even = _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);

	return _mm256_add_epi32(_mm256_madd_epi16(even, at(x)),
		_mm256_madd_epi16(_mm256_srai_epi16(v, 8), at(x + 32)));
}

static inline __m256i
dot_q4_0(const uint8_t *w, const int8_t *x)
{
	__m256i v = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)w));

	v = _mm256_srlv_epi32(v, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
	return _mm256_maddubs_epi16(_mm256_and_si256(v, _mm256_set1_epi8(15)), at(x));
}

/* 32 of 64 values of Q4_K: lower or upper bits. */
static inline __m256i
dot_q4_k(const uint8_t *w, int shift, const int8_t *x)
{
	__m256i v = _mm256_srli_epi16(at(w), shift);

	return _mm256_maddubs_epi16(_mm256_and_si256(v, _mm256_set1_epi8(15)), at(x));
}

/* 32 of 128 values of Q6_K: four bits of w, two of `high`. */
static inline __m256i
dot_q6_k(const uint8_t *w, int shift, const uint8_t *high, int high_shift, const int8_t *x)
{
	__m256i v = _mm256_and_si256(_mm256_srli_epi16(at(w), shift), _mm256_set1_epi8(15));
	__m256i h = _mm256_and_si256(_mm256_srli_epi16(at(high), high_shift), _mm256_set1_epi8(3));

	v = _mm256_or_si256(v, _mm256_slli_epi16(h, 4));
	return _mm256_madd_epi16(_mm256_maddubs_epi16(v, at(x)), _mm256_set1_epi16(1));
}

#endif
