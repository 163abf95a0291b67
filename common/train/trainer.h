/* Training steps: examples in, one AdamW update out.
 *
 * A step's examples are laid end to end, without padding, in passes of at most `pass_tokens`
 * tokens; each attends to itself alone, and gradients accumulate over the passes, so that memory is
 * bounded and the result is that of one large batch. The loss is the mean over all targets of the
 * step. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "model/forward.h"
#include "train/backward.h"
#include "train/example.h"
#include "train/params.h"

struct trainer_opts {
	double beta1, beta2, eps, weight_decay;
	double clip;        /* largest gradient norm; 0: no clipping */
	size_t pass_tokens;
	bool bf16;
	double dropout;     /* of what an adapter sees, while training */
	uint64_t seed;      /* of that */
	bool recompute;     /* layers, on the way back, instead of keeping what they computed */
	const struct opt_list *only; /* names of the tensors to train; NULL: all */
};

struct trainer {
	struct trainer_opts o;
	struct params p;
	uint64_t step;      /* updates done */
	struct pool *pool;
	struct forward *f;
	struct backward *b;
	struct tape tape;
	float *hidden, *dhidden;
	double *losses;
};

struct step_stats {
	double loss;        /* mean, nats per target */
	double grad_norm;   /* before clipping */
	size_t tokens, targets;
};

/* The model is trained, or `adapter`, which must outlive this; `t` must not be moved. */
int trainer_init(struct trainer *t, const struct model *m, struct adapter *adapter,
	const struct trainer_opts *o, struct pool *pool, struct err *e);
void trainer_release(struct trainer *t);
/* Bytes that trainer_init and the passes take. */
size_t trainer_bytes(const struct config *c, const struct adapter *adapter,
	const struct trainer_opts *o);
/* Loss and gradients, added to what stands there, each target weighted by `scale`. loss_sum in
 * nats. */
int trainer_gradients(struct trainer *t, const struct example *x, size_t n, float scale,
	double *loss_sum, struct err *e);
/* One update at that learning rate. A loss or gradient that is not finite is an error, and nothing
 * is updated. */
int trainer_step(struct trainer *t, const struct example *x, size_t n, double rate,
	struct step_stats *s, struct err *e);
/* Mean loss without updating. */
int trainer_evaluate(struct trainer *t, const struct example *x, size_t n, double *loss,
	struct err *e);

#endif
