#include "tensor/types.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { Q8_BLOCK = 32, Q8_BYTES = 2 + Q8_BLOCK };

static uint32_t
bits(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof u);
	return u;
}

static float
from_bits(uint32_t u)
{
	float x;

	memcpy(&x, &u, sizeof x);
	return x;
}

float
f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff;

	if (rest >= 0x7c00) /* infinity, NaN */
		return from_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
	if (rest < 0x400) /* zero and subnormals: multiples of 2^-24, exact in f32 */
		return from_bits(sign | bits((float)rest * 0x1p-24f));
	return from_bits(sign | ((rest << 13) + (112u << 23)));
}

uint16_t
f32_to_f16(float x)
{
	uint32_t u = bits(x), sign = u >> 16 & 0x8000;

	u &= 0x7fffffff;
	if (u > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (u >> 13 & 0x1ff));
	if (u >= 0x47800000) /* 2^16 and above */
		return (uint16_t)(sign | 0x7c00);
	/* Below 2^-14 the result is subnormal. One half has the exponent at which an f32's last bit
	 * is 2^-24, the step of f16's subnormals, so the addition itself rounds to nearest even. */
	if (u < 0x38800000)
		return (uint16_t)(sign | (bits(from_bits(u) + 0.5f) - bits(0.5f)));
	u += 0xfff + (u >> 13 & 1);
	return (uint16_t)(sign | (u - (112u << 23)) >> 13);
}

uint16_t
f32_to_bf16(float x)
{
	uint32_t u = bits(x);

	if ((u & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static void
f32_load(const void *src, float *dst, size_t n)
{
	memcpy(dst, src, n * sizeof *dst);
}

static void
f32_store(const float *src, void *dst, size_t n)
{
	memcpy(dst, src, n * sizeof *src);
}

static void
f16_load(const void *src, float *dst, size_t n)
{
	const uint16_t *s = src;

	for (size_t i = 0; i < n; i++)
		dst[i] = f16_to_f32(s[i]);
}

static void
f16_store(const float *src, void *dst, size_t n)
{
	uint16_t *d = dst;

	for (size_t i = 0; i < n; i++)
		d[i] = f32_to_f16(src[i]);
}

static void
bf16_load(const void *src, float *dst, size_t n)
{
	const uint16_t *s = src;

	for (size_t i = 0; i < n; i++)
		dst[i] = bf16_to_f32(s[i]);
}

static void
bf16_store(const float *src, void *dst, size_t n)
{
	uint16_t *d = dst;

	for (size_t i = 0; i < n; i++)
		d[i] = f32_to_bf16(src[i]);
}

static void
q8_load(const void *src, float *dst, size_t n)
{
	const unsigned char *s = src;

	for (; n >= Q8_BLOCK; n -= Q8_BLOCK, s += Q8_BYTES, dst += Q8_BLOCK) {
		const signed char *q = (const signed char *)s + 2;
		uint16_t h;
		float scale;

		memcpy(&h, s, sizeof h);
		scale = f16_to_f32(h);
		for (size_t i = 0; i < Q8_BLOCK; i++)
			dst[i] = scale * q[i];
	}
}

/* As ggml's reference does it: the quants are rounded (halves away from zero) with the scale before
 * it becomes an f16. Scales beyond f16 are held at its edges, and NaN becomes 0, so that every
 * input has a result. */
static void
q8_store(const float *src, void *dst, size_t n)
{
	unsigned char *d = dst;

	for (; n >= Q8_BLOCK; n -= Q8_BLOCK, d += Q8_BYTES, src += Q8_BLOCK) {
		float amax = 0, scale, inverse;
		uint16_t h;

		for (size_t i = 0; i < Q8_BLOCK; i++)
			amax = fmaxf(amax, fabsf(src[i]));
		scale = fminf(amax / 127, 65504);
		h = f32_to_f16(scale);
		inverse = h ? 1 / scale : 0;
		memcpy(d, &h, sizeof h);
		for (size_t i = 0; i < Q8_BLOCK; i++) {
			float q = h && src[i] == src[i] ? roundf(src[i] * inverse) : 0;

			d[2 + i] = (unsigned char)(int)fmaxf(-127, fminf(127, q));
		}
	}
}

/* Every type that GGUF numbers: its name and block, and what we can compute with. */
static const struct {
	uint32_t type;
	struct type_info info;
} types[] = {
	{ TYPE_F32, { "F32", 1, 4, f32_load, f32_store } },
	{ TYPE_F16, { "F16", 1, 2, f16_load, f16_store } },
	{ TYPE_BF16, { "BF16", 1, 2, bf16_load, bf16_store } },
	{ TYPE_Q8_0, { "Q8_0", Q8_BLOCK, Q8_BYTES, q8_load, q8_store } },
	{ 2, { "Q4_0", 32, 18, NULL, NULL } },
	{ 3, { "Q4_1", 32, 20, NULL, NULL } },
	{ 6, { "Q5_0", 32, 22, NULL, NULL } },
	{ 7, { "Q5_1", 32, 24, NULL, NULL } },
	{ 9, { "Q8_1", 32, 36, NULL, NULL } },
	{ 10, { "Q2_K", 256, 84, NULL, NULL } },
	{ 11, { "Q3_K", 256, 110, NULL, NULL } },
	{ 12, { "Q4_K", 256, 144, NULL, NULL } },
	{ 13, { "Q5_K", 256, 176, NULL, NULL } },
	{ 14, { "Q6_K", 256, 210, NULL, NULL } },
	{ 15, { "Q8_K", 256, 292, NULL, NULL } },
	{ 16, { "IQ2_XXS", 256, 66, NULL, NULL } },
	{ 17, { "IQ2_XS", 256, 74, NULL, NULL } },
	{ 18, { "IQ3_XXS", 256, 98, NULL, NULL } },
	{ 19, { "IQ1_S", 256, 50, NULL, NULL } },
	{ 20, { "IQ4_NL", 32, 18, NULL, NULL } },
	{ 21, { "IQ3_S", 256, 110, NULL, NULL } },
	{ 22, { "IQ2_S", 256, 82, NULL, NULL } },
	{ 23, { "IQ4_XS", 256, 136, NULL, NULL } },
	{ 24, { "I8", 1, 1, NULL, NULL } },
	{ 25, { "I16", 1, 2, NULL, NULL } },
	{ 26, { "I32", 1, 4, NULL, NULL } },
	{ 27, { "I64", 1, 8, NULL, NULL } },
	{ 28, { "F64", 1, 8, NULL, NULL } },
	{ 29, { "IQ1_M", 256, 56, NULL, NULL } },
	{ 34, { "TQ1_0", 256, 54, NULL, NULL } },
	{ 35, { "TQ2_0", 256, 66, NULL, NULL } },
	{ 39, { "MXFP4", 32, 17, NULL, NULL } },
};

static const struct type_info *
known(uint32_t type)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].type == type)
			return &types[i].info;
	return NULL;
}

const struct type_info *
type_info(uint32_t type)
{
	const struct type_info *t = known(type);

	return t && t->load ? t : NULL;
}

int
type_named(const char *name)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].info.load && strcasecmp(types[i].info.name, name) == 0)
			return (int)types[i].type;
	return -1;
}

const char *
type_label(uint32_t type)
{
	const struct type_info *t = known(type);

	return t ? t->name : "an unknown type";
}

size_t
type_row_bytes(uint32_t type, size_t n)
{
	const struct type_info *t = known(type);
	size_t bytes;

	if (!t || n % t->block || __builtin_mul_overflow(n / t->block, t->bytes, &bytes))
		return 0;
	return bytes;
}
