/* The backward pass: from the tape of a forward pass to gradients of the cross-entropy. Gradients
 * are added to what stands in `grad`, so that several passes accumulate. Sums run in an order that
 * does not depend on threads. */
#ifndef TRAIN_BACKWARD_H
#define TRAIN_BACKWARD_H

#include "model/forward.h"

struct backward;

/* `view` and `grad` as in struct params: where `grad` has no weight, that of `view` is frozen and
 * may be of any type. Passes of at most max_tokens, products in bf16 or f32. */
struct backward *backward_new(const struct model *view, struct model *grad, bool bf16,
	struct pool *p, size_t max_tokens, struct err *e);
void backward_free(struct backward *b);
/* Bytes that backward_new takes. */
size_t backward_bytes(const struct config *c, size_t max_tokens);

/* Cross-entropy of hidden states against targets, in nats: loss[i] = -log p(targets[i]) for i < n.
 * With `dhidden` (n, C) not NULL also its gradient, each position's weighted by `scale`, there and
 * in the head's. */
void backward_loss(struct backward *b, struct forward *f, const float *hidden, const int *targets,
	size_t n, float scale, double *loss, float *dhidden);

/* Gradients of everything below the hidden states, after forward_tape of the same chunks; dhidden
 * is of its output rows. Those of a prefix go to grad's. */
int backward_run(struct backward *b, struct forward *f, const struct chunk *chunks, size_t n_chunks,
	const struct tape *t, const float *dhidden, struct err *e);

/* The gradient of one head's attention of n queries to as many keys and `past` before them: dq (n,
 * hd) is set; dk and dv (past + n, hd) are added to. All rows have the stride of their own array; s
 * is scratch of 64 x (past + n), ds of 65. Exported for its test. */
void attention_back(const struct attention *a, size_t past, size_t n, size_t hd, const float *q,
	const float *dout, float *dq, size_t q_stride, const float *k, const float *v, float *dk,
	float *dv, size_t kv_stride, float *s, float *ds);

#endif
