/* N-grams counted by text: what the n-gram metrics (SARI, chrF) are made of. An n-gram is a run of
 * bytes of a text, borrowed, that must live as long as its counts. */
#ifndef BIAS_NGRAMS_H
#define BIAS_NGRAMS_H

#include <stddef.h>

#include "text/strmap.h"

/* A text, or a piece of one: bytes that belong to somebody else. */
struct span {
	const char *s;
	size_t n;
};

enum ngram_side { IN_SOURCE, IN_OUTPUT, IN_REFERENCE, N_SIDES };

struct ngrams {
	struct strmap map;
	size_t (*count)[N_SIDES]; /* how often each distinct n-gram stands on each side */
	size_t n, cap;
};

void ngrams_release(struct ngrams *g);
void ngrams_add(struct ngrams *g, const char *s, size_t len, enum ngram_side side);
/* Add the runs of `order` neighbouring tokens. Token i is the bytes start[i] .. start[i + 1] - gap
 * of s, for i < n_tokens: `gap` bytes (0 or 1) part one token from the next, and `start` has
 * n_tokens + 1 entries. */
void ngrams_add_all(struct ngrams *g, const char *s, const size_t *start, size_t n_tokens,
	size_t gap, size_t order, enum ngram_side side);

#endif
