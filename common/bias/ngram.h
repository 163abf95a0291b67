/* The independent judge: logistic regression over hashed n-grams of words and characters. It is
 * fast, knows nothing of the language models that it stands beside, and is trained apart from them
 * (pipelines/ngram). The file is a GGUF of architecture "sr-ngram": one tensor of weights, and
 * metadata for the rest.
 *
 * Text is brought to one form first (utf8_fold), so that spelling variants share features, and seen
 * by windows of some 320 characters (bias/features.h). With features_sum of a window
 *
 *	P(unsafe) = 1 / (1 + exp(-(sum + intercept) / temperature))
 *
 * and the gravest window speaks for the text, as it does for the model's own judge. */
#ifndef BIAS_NGRAM_H
#define BIAS_NGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "bias/features.h"

struct ngram;

/* The file `given`, else $SR_NGRAM, else the installed one (models/ngram.gguf, by data_find). NULL
 * with a message on failure. */
struct ngram *ngram_open(const char *given, struct err *e);
void ngram_free(struct ngram *g);
/* P(unsafe) of one text, valid UTF-8 or not; safe from several threads at once. */
double ngram_score(const struct ngram *g, const char *text, size_t len);
/* From where on a text counts as unsafe. */
double ngram_threshold(const struct ngram *g);
/* Was it distilled (pipelines/gate) from the judgements of a model of this temperature and
 * threshold? Then texts below its own threshold are almost always below the model's. */
bool ngram_distilled(const struct ngram *g, double temperature, double threshold);
const char *ngram_path(const struct ngram *g);

/* A judge to write: 2^features.bits weights, the caller's. */
struct ngram_parts {
	struct features features;
	const float *weights;
	double intercept, temperature, threshold;
};

/* Weights are stored as Q8_0. The same parts give the same bytes. */
int ngram_save(const struct ngram_parts *p, const char *path, struct err *e);

#endif
