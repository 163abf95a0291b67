/* P(unsafe | text) and the labels, by the model itself: the normalized probability of named continuations behind a
 * template. Templates, continuations, temperature and threshold are the model's metadata (sr.*); a model without them
 * gets the zero-shot form of the `plain` template and its scores say "uncalibrated".
 *
 * Long texts are scored by overlapping windows; the text's P(unsafe) is the largest of them. */
#ifndef BIAS_SAFETY_H
#define BIAS_SAFETY_H

#include <stdbool.h>

#include "base/err.h"
#include "model/forward.h"
#include "text/template.h"

struct judge; /* what to ask, with the tokens of it */

/* One question ("safety", "bias", "toxicity", "sentiment", "harm"). NULL when the model's metadata and the template have none. */
struct judge *judge_new(const struct model *m, const char *task, struct err *e);
void judge_free(struct judge *j);
bool judge_calibrated(const struct judge *j);
double judge_threshold(const struct judge *j); /* 0.5 when the model names none */
size_t judge_n_values(const struct judge *j);
const char *judge_value(const struct judge *j, size_t i); /* "unsafe", "benign"; "no", "mild", "high"; ... */

/* p[i] (n_values): probabilities that sum to 1. Safety's first value is "unsafe". */
struct judged {
	const char *text;
	size_t len;
	double *p;
};
int judge_run(struct judge *j, struct forward *f, const struct model *m, struct judged *t, size_t n, struct err *e);

/* Metadata keys, for those who write them (pipelines, sr-model). */
#define SR_TEMPLATE "sr.template"          /* name of the template */
#define SR_TASK_PROMPT "sr.%s.prompt"      /* its source, per task */
#define SR_TASK_VALUES "sr.%s.values"      /* array of strings */
#define SR_TEMPERATURE "sr.safety.temperature"
#define SR_THRESHOLD "sr.safety.threshold"

#endif
