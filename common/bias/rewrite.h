/* From texts to decisions: judge all, let the model rewrite what is unsafe, check every rewrite.
 *
 * A text is unsafe when P(unsafe) is at or above the threshold. Its rewrite is what the model
 * writes, greedily, behind its rewrite template, exactly as `sr-prompt | sr-generate` gives it. It
 * stands in the source's place only if it came to an end, passes the guard (bias/guard.h) and
 * scores lower than its source; else the source stands and `fault` says why. */
#ifndef BIAS_REWRITE_H
#define BIAS_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "bias/guard.h"
#include "bias/ngram.h"
#include "model/model.h"

enum outcome {
	OUTCOME_SKIPPED,   /* no English prose: not scored */
	OUTCOME_BENIGN,
	OUTCOME_UNSAFE,    /* judged, nothing more (rewriter_judge) */
	OUTCOME_REWRITTEN,
	OUTCOME_REFUSED,   /* unsafe, and there is no rewrite that can stand in its place */
	N_OUTCOMES,
};

/* "skipped", "benign", "unsafe", "rewritten", "refused" */
const char *outcome_name(enum outcome o);

struct rewrite {
	const char *text;     /* in: UTF-8, the caller's */
	size_t len;
	enum outcome outcome; /* out: the rest */
	enum fault fault;     /* why it was refused */
	double before, after; /* P(unsafe) of text and output; NAN where nobody asked */
	struct buf output;    /* what the model wrote, kept for reports where it is refused */
	struct buf detail;    /* one phrase on the fault, or empty */
};

/* Frees output and detail. */
void rewrite_release(struct rewrite *t);

struct rewriter;

/* `threshold` below 0 takes the model's. The model and the pool stay the caller's. */
struct rewriter *rewriter_new(const struct model *m, struct pool *p, double threshold,
	struct err *e);
void rewriter_free(struct rewriter *r);
double rewriter_threshold(const struct rewriter *r);
bool rewriter_calibrated(const struct rewriter *r);

/* From now on a text below the gate's threshold is benign and the model is not asked. False, and
 * nothing changes, where the gate was distilled from another model, or at a threshold above the one
 * in use. The gate stays the caller's. */
bool rewriter_gate(struct rewriter *r, const struct ngram *gate);

/* Judge all, no more: each text becomes skipped, benign or unsafe. Output and detail are
 * cleared. */
int rewriter_judge(struct rewriter *r, struct rewrite *t, size_t n, struct err *e);
/* Judge all and rewrite: skipped, benign, rewritten or refused. A text's result does not depend on
 * the others. After an error only rewriter_free may follow. */
int rewriter_run(struct rewriter *r, struct rewrite *t, size_t n, struct err *e);

#endif
