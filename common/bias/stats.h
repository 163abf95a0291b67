/* Statistics of scores and decisions. */
#ifndef BIAS_STATS_H
#define BIAS_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NaN of none. */
double mean(const double *x, size_t n);

/* Area under the ROC curve: the probability that a positive scores above a negative, ties counted
 * half (Mann and Whitney's U over the number of pairs). NaN where one of the two classes is empty.
 */
double roc_auc(const double *score, const bool *positive, size_t n);

/* Decisions against the truth. */
struct confusion {
	size_t tp, fp, fn, tn;
};
/* Scores at or above the threshold are called positive. */
struct confusion confusion_at(
	const double *score, const bool *positive, size_t n, double threshold);
/* Of the positive class, 2tp / (2tp + fp + fn); NaN where that is 0/0. */
double f1(const struct confusion *c);
double accuracy(const struct confusion *c);
/* A 95 % confidence interval by the percentile bootstrap (Efron 1979): the statistic on `draws`
 * samples of n rows, drawn with replacement, and the 2.5 and 97.5 % quantiles of what it gave
 * (values that are NaN left out). The same seed gives the same interval. NaN where n is 0 or no
 * draw gave a number. */
struct interval {
	double low, high;
};
/* f gives the statistic of the rows row[0 .. n-1], which may repeat. */
struct interval bootstrap(double (*f)(void *arg, const size_t *row, size_t n), void *arg, size_t n,
	size_t draws, uint64_t seed);
/* Of the mean of x. */
struct interval bootstrap_mean(const double *x, size_t n, size_t draws, uint64_t seed);
/* Of roc_auc. */
struct interval bootstrap_auc(
	const double *score, const bool *positive, size_t n, size_t draws, uint64_t seed);

#endif
