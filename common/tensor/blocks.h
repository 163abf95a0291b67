/* Products with weights in integers: activations are rounded to 8 bits (or 16) in blocks of 32, dot
 * products of blocks are exact, and scales multiply them in f32.
 *
 * Sixteen rows of a weight matrix are taken at a time, a row per vector lane: blocks.c turns their
 * blocks into one common form (unsigned 8-bit values or signed 16-bit ones, a scale and perhaps a
 * minimum per 16 or 32 values), whatever format they are stored in, and multiplies that with any
 * number of rows of activations. An element's bits depend on its two rows alone, so that a token
 * has the same logits alone and among others. For AVX2 and AVX-512 VNNI; elsewhere weights are
 * expanded to f32. */
#ifndef TENSOR_BLOCKS_H
#define TENSOR_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BLOCKS_ROWS = 16,  /* rows of weights taken at a time */
	BLOCKS_MOST = 512, /* rows of activations taken at a time */
	BLOCKS_BEHIND = 64, /* bytes that are read behind the rows */
};

/* Activations for one type of weights: value = scale * q. Each array holds the first 256 values of
 * all rows, then the next 256 of all, and so on, as they are multiplied. */
struct activations {
	size_t rows;
	void *q;       /* (rows, k) in all: int8_t, or int16_t where the product wants these */
	float *scale;  /* (rows, k/32) */
	int32_t *bias; /* (rows, k/16): what the weights' offset to unsigned adds to a dot */
	float *sum;    /* (rows, k/16): of scale * q, for weights with minima */
};

struct block_kernels {
	const char *name;
	/* Is that type multiplied here? `steps`: the way of few rows, else that of many, on which
	 * AVX2 takes floating point too and rounds types of 8 bits and more anew: weights to 13
	 * bits, activations to 12, 256 to a scale. */
	bool (*take)(uint32_t type, bool steps);
	/* Round rows [from, from + m) of x (out->rows, k) for weights of that type. k is a multiple
	 * of 32. */
	void (*round)(uint32_t type, bool steps, const float *x, size_t from, size_t m, size_t k,
		struct activations *out);
	/* y (m rows of stride ldy, `rows` values each) = rows [from, from + m) of x · wᵀ for up to
	 * 16 rows of w.
	 * `end`: fewer than BLOCKS_BEHIND bytes of the tensor follow, and nothing may be read
	 * behind it.
	 * `ahead`: the rows that follow are wanted next and are fetched meanwhile. m is at most
	 * BLOCKS_MOST; `room` holds m * 16 floats. */
	void (*mul)(uint32_t type, bool steps, const void *w, size_t rows, bool end, bool ahead,
		size_t k, const struct activations *x, size_t from, size_t m, float *y, size_t ldy,
		float *room);
};

/* The best that the CPU can run and SR_CPU (tensor/kernels.h; avx512vnni is one more level) allows;
 * NULL: none. */
const struct block_kernels *blocks(void);
/* All that it can run, the best last; their number. */
size_t blocks_levels(const struct block_kernels *levels[2]);

#endif
