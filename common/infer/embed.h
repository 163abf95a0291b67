/* Embeddings: the model's hidden states (after the last norm) of a text's tokens, or one vector
 * made of them.
 *
 * The first `skip` tokens (a BOS) are computed and seen by the others, but are no part of the
 * result: a BOS has the same, very long state in every text. A sequence longer than the context is
 * taken in pieces of the context's length, each preceded by the skipped tokens. */
#ifndef INFER_EMBED_H
#define INFER_EMBED_H

#include <stdbool.h>

#include "base/err.h"
#include "model/forward.h"

enum pooling {
	POOL_MEAN,  /* the mean over tokens: C numbers */
	POOL_LAST,  /* the last token's state: C numbers */
	POOL_TOKEN, /* every token's state: (n - skip, C) */
};

struct embedded {
	const int *ids;
	size_t n, skip; /* skip < n */
	float *out;     /* the caller's */
};
/* `l2`: every vector of the result is scaled to length 1 (a zero vector stays). */
int embed_sequences(struct forward *f, const struct model *m, struct embedded *s, size_t n,
	enum pooling how, bool l2, size_t batch_tokens, struct err *e);

#endif
