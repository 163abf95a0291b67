/* Number formats of weights, as GGUF stores them: floating point, and blocks of few bits with
 * scales. Source: ggml's format descriptions; the layouts are in tensor/quants.h. Type numbers are
 * GGUF's. */
#ifndef TENSOR_TYPES_H
#define TENSOR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum type {
	TYPE_F32 = 0,
	TYPE_F16 = 1,
	TYPE_Q4_0 = 2,
	TYPE_Q4_1 = 3,
	TYPE_Q5_0 = 6,
	TYPE_Q5_1 = 7,
	TYPE_Q8_0 = 8,
	TYPE_Q2_K = 10,
	TYPE_Q3_K = 11,
	TYPE_Q4_K = 12,
	TYPE_Q5_K = 13,
	TYPE_Q6_K = 14,
	TYPE_IQ4_NL = 20,
	TYPE_IQ4_XS = 23,
	TYPE_F64 = 28,
	TYPE_BF16 = 30,
	TYPE_NF4 = 1000, /* of weights in memory (tensor/nf4.h): no file has it */
};

struct type_info {
	const char *name;    /* "Q8_0" */
	size_t block, bytes; /* values and bytes of a block */
	/* n values, a multiple of `block`; several rows at once are as well. Stores take finite
	 * values; F16 and BF16 round ties to even, blocks look for the scales with the least
	 * squared error. What a format can't hold becomes infinite or NaN, so that who stores
	 * strange numbers looks at what load makes of them. `store` is NULL for types that are
	 * only read. */
	void (*load)(const void *src, float *dst, size_t n);
	void (*store)(const float *src, void *dst, size_t n);
};

/* NULL for a type that is not supported, not even for reading. */
const struct type_info *type_info(uint32_t type);
/* The type by its name, case ignored; -1 when it is unknown or can't be stored. */
int type_named(const char *name);
/* The name of any GGUF type number, supported or not, for messages ("Q4_K", "an unknown type"). */
const char *type_label(uint32_t type);
/* Bytes of a row of n values of any type GGUF knows, supported or not; 0 when n is not a multiple
 * of the block, the type is unknown or the size overflows. */
size_t type_row_bytes(uint32_t type, size_t n);

float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float x);
static inline float
bf16_to_f32(uint16_t h)
{
	union { uint32_t u; float f; } v = { (uint32_t)h << 16 };
	return v.f;
}
uint16_t f32_to_bf16(float x);

#endif
