/* Random numbers: xoshiro256** (Blackman and Vigna), seeded through splitmix64. The state is four
 * words that a checkpoint can store; the same seed gives the same numbers on every machine. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, 1), 53 bits. */
double rng_uniform(struct rng *r);
/* Uniform in 0 .. n-1, unbiased; n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Standard normal (Box-Muller, one value a call, no hidden state). */
double rng_normal(struct rng *r);

#endif
