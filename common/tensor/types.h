/* Number formats of weights, as GGUF stores them: f32, f16, bf16 and Q8_0 (blocks of 32: one f16
 * scale, 32 signed bytes). Source: ggml's format descriptions. Type numbers are GGUF's. */
#ifndef TENSOR_TYPES_H
#define TENSOR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum type {
	TYPE_F32 = 0,
	TYPE_F16 = 1,
	TYPE_Q8_0 = 8,
	TYPE_BF16 = 30,
};

struct type_info {
	const char *name;    /* "Q8_0" */
	size_t block, bytes; /* values and bytes of a block */
	/* n values, a multiple of `block`. Stores round ties to even, Q8_0 as ggml does. */
	void (*load)(const void *src, float *dst, size_t n);
	void (*store)(const float *src, void *dst, size_t n);
};

/* NULL for a type that is not supported. */
const struct type_info *type_info(uint32_t type);
/* The type by its name, case ignored; -1 when unknown. */
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
