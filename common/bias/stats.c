#include "bias/stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

double
mean(const double *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i];
	return n > 0 ? sum / (double)n : NAN;
}

struct scored_item {
	double score;
	bool positive;
};

static int
by_score(const void *a, const void *b)
{
	double x = ((const struct scored_item *)a)->score, y = ((const struct scored_item *)b)->score;

	return (x > y) - (x < y);
}

double
roc_auc(const double *score, const bool *positive, size_t n)
{
	struct scored_item *v = mem_alloc(n, sizeof *v);
	double below = 0, all = 0, pairs = 0; /* negatives below, positives, pairs won */

	for (size_t i = 0; i < n; i++)
		v[i] = (struct scored_item){ score[i], positive[i] };
	qsort(v, n, sizeof *v, by_score);
	for (size_t i = 0, end; i < n; i = end) {
		double pos = 0, neg = 0;

		for (end = i; end < n && v[end].score == v[i].score; end++)
			*(v[end].positive ? &pos : &neg) += 1;
		/* A NaN equals nothing, not even itself. */
		if (end == i)
			*(v[end++].positive ? &pos : &neg) += 1;
		pairs += pos * (below + neg / 2);
		below += neg;
		all += pos;
	}
	free(v);
	return all > 0 && below > 0 ? pairs / (all * below) : NAN;
}

struct confusion
confusion_at(const double *score, const bool *positive, size_t n, double threshold)
{
	struct confusion c = { 0 };

	for (size_t i = 0; i < n; i++)
		if (score[i] >= threshold)
			*(positive[i] ? &c.tp : &c.fp) += 1;
		else
			*(positive[i] ? &c.fn : &c.tn) += 1;
	return c;
}

double
f1(const struct confusion *c)
{
	size_t d = 2 * c->tp + c->fp + c->fn;

	return d > 0 ? 2.0 * (double)c->tp / (double)d : NAN;
}

double
accuracy(const struct confusion *c)
{
	size_t n = c->tp + c->fp + c->fn + c->tn;

	return n > 0 ? (double)(c->tp + c->tn) / (double)n : NAN;
}
