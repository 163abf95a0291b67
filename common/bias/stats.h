/* Statistics of scores and decisions. */
#ifndef BIAS_STATS_H
#define BIAS_STATS_H

#include <stdbool.h>
#include <stddef.h>

/* NaN of none. */
double mean(const double *x, size_t n);

/* Area under the ROC curve: the probability that a positive scores above a negative, ties counted half
 * (Mann and Whitney's U over the number of pairs). NaN where one of the two classes is empty. */
double roc_auc(const double *score, const bool *positive, size_t n);

/* Decisions against the truth. */
struct confusion {
	size_t tp, fp, fn, tn;
};
/* Scores at or above the threshold are called positive. */
struct confusion confusion_at(const double *score, const bool *positive, size_t n, double threshold);
/* Of the positive class, 2tp / (2tp + fp + fn); NaN where that is 0/0. */
double f1(const struct confusion *c);
double accuracy(const struct confusion *c);

#endif
