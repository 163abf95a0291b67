/* Li and Liang's reparametrization of a prefix: in training its numbers are not parameters but what
 * a small network makes of others, for each virtual token alike; afterwards it is not needed any
 * more. As in PEFT:
 *
 *	x = tanh(e · w1ᵀ + b1) · w2ᵀ + b2
 *
 *	e (n, D), w1 (H, D), b1 (H), w2 (O, H), b2 (O); x (n, O) the prefix;
 *	D = n_head_kv * head_dim, H the width, O = 2 * n_layer * D
 *
 * The parameters lie in this order in one array. */
#ifndef TRAIN_PREFIX_H
#define TRAIN_PREFIX_H

#include "base/pool.h"
#include "model/adapter.h"

struct prefix_mlp {
	size_t n, dim, width, out;
	float *x, *gx;            /* (n, out): the prefix and its gradient */
	float *hidden, *dhidden;  /* (n, width) */
};

/* Where the parameters begin in their array. */
struct prefix_places {
	size_t e, w1, b1, w2, b2, end;
};
struct prefix_places prefix_mlp_places(const struct prefix_mlp *p);

/* Give a new prefix such a network of that width: random as PEFT's, but that b2 begins as the mean
 * of the prefix, which is forgotten. */
void prefix_add_mlp(struct adapter *a, const struct config *c, size_t width, uint64_t seed);

/* Parameters of the network of `a`. */
size_t prefix_mlp_count(const struct adapter *a, const struct config *c);
/* -1 when there is no memory. */
int prefix_mlp_init(struct prefix_mlp *p, const struct adapter *a, const struct config *c);
void prefix_mlp_release(struct prefix_mlp *p);
/* x of the parameters w. */
void prefix_mlp_run(struct prefix_mlp *p, const float *w, struct pool *pool);
/* The gradients of w are added to g; gx is 0 afterwards. x is that of w. */
void prefix_mlp_back(struct prefix_mlp *p, const float *w, float *g, struct pool *pool);

#endif
