/* Checkpoints: a GGUF file with the masters, AdamW's moments, the step, and what of the stream was consumed. Written
 * beside its place and renamed, so the one on disk is always whole. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "train/trainer.h"

struct progress_state {
	uint64_t records;  /* examples consumed */
	uint64_t hash;     /* of them; the lowest bit is not stored */
	double best;       /* validation loss so far; infinite when none */
	uint64_t bad;      /* checks since then */
	uint64_t tokens;   /* trained on */
};

/* `options` is a line that must be the same when training is resumed. */
int checkpoint_save(const char *path, const struct trainer *t, const struct progress_state *s, const char *options,
	struct err *e);
int checkpoint_load(const char *path, struct trainer *t, struct progress_state *s, const char *options, struct err *e);

#endif
