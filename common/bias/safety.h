/* P(unsafe | text) and the labels, by the model itself: the normalized probability of named
 * continuations behind a template. Templates, continuations, temperature and threshold are the
 * model's metadata (sr.*); a model without them gets the zero-shot form of its chat template, where
 * that is one that we know (bias/form.h), else of the `plain` template, and its scores say
 * "uncalibrated".
 *
 * Continuations that part at their first token are told apart there, as if decoding were bound to
 * them; only where some begin alike are all of their tokens summed.
 *
 * A text that does not fit into the context is scored by overlapping windows (cut between tokens
 * and between characters); the gravest window speaks for the text: the one of the largest
 * P(unsafe), or of the largest probability of a label's grave value ("yes", "high", "neg"). */
#ifndef BIAS_SAFETY_H
#define BIAS_SAFETY_H

#include <stdbool.h>

#include "base/err.h"
#include "model/forward.h"
#include "text/template.h"

struct judge; /* what to ask, with the tokens of it */

/* One question ("safety", "bias", "toxicity", "sentiment", "harm"). NULL when the model's metadata
 * and the template have none: a model that says what it was tuned for is asked nothing else. */
struct judge *judge_new(const struct model *m, const char *task, struct err *e);
void judge_free(struct judge *j);
bool judge_calibrated(const struct judge *j);
double judge_threshold(const struct judge *j); /* 0.5 when the model names none */
double judge_temperature(const struct judge *j);
size_t judge_n_values(const struct judge *j);
/* "unsafe", "benign"; "no", "mild", "high"; ... without the blank that may stand before a
 * continuation. */
const char *judge_value(const struct judge *j, size_t i);
/* Which of them is the grave one ("unsafe", "yes", "high", "neg"); the first where none is. */
size_t judge_grave(const struct judge *j);

/* p[i] (n_values): probabilities that sum to 1. Safety's first value is "unsafe". */
struct judged {
	const char *text;
	size_t len;
	double *p;
};
/* All texts in as few passes as their tokens allow; a text's result does not depend on the others.
 */
int judge_run(struct judge *j, struct forward *f, const struct model *m, struct judged *t, size_t n,
	struct err *e);

/* Metadata keys, for those who write them (pipelines, sr-model). */
#define SR_TEMPLATE "sr.template"               /* name of the template */
#define SR_TASK_PROMPT "sr.%s.prompt"           /* its source, per task */
#define SR_TASK_VALUES "sr.%s.values"           /* array of strings */
#define SR_TASK_TEMPERATURE "sr.%s.temperature" /* divides the values' log-likelihoods */
#define SR_TASK_THRESHOLD "sr.%s.threshold"
#define SR_THRESHOLD "sr.safety.threshold"

#endif
