/* Checkpoints: a GGUF file with the masters, AdamW's moments, the step, and what of the stream was
 * consumed. Written beside its place and renamed, so the one on disk is always whole. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "train/trainer.h"

struct progress_state {
	uint64_t records;  /* examples consumed */
	uint64_t hash;     /* of them; the lowest bit is not stored */
	uint64_t tokens;   /* trained on */
	double loss;       /* of the last step */
	double mean, lowest; /* its running mean, and the lowest that this was; infinite at first */
	/* the best model by validation */
	double best;       /* its loss; infinite when there is none yet */
	uint64_t best_step, best_tokens;
	uint64_t bad;      /* validations since */
	float *best_weights; /* as the masters; NULL without validation. Not owned */
};

/* `options` is a line that must be the same when training is resumed. Loading fills
 * s->best_weights, which must have been allocated where validation is among the options. */
int checkpoint_save(const char *path, const struct trainer *t, const struct progress_state *s,
	const char *options, struct err *e);
int checkpoint_load(const char *path, struct trainer *t, struct progress_state *s,
	const char *options, struct err *e);

#endif
