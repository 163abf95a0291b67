/* chrF (Popović 2015) and chrF++ (Popović 2017) as sacreBLEU computes them: F-score with beta 2 of
 * character 1- to 6-grams, whitespace dropped and case kept; chrF++ adds word 1- and 2-grams, a
 * sign of punctuation at a word's end (or else its beginning) parted from it. Precision and recall
 * are averaged over the orders that both sides have, then the F-score is taken. With several
 * references a text counts against the one that gives it the best score. sacreBLEU's signature:
 * nrefs:var|case:mixed|eff:yes|nc:6|nw:0|space:no (nw:2 for chrF++). */
#ifndef BIAS_CHRF_H
#define BIAS_CHRF_H

#include "bias/ngrams.h"

#define CHRF_CHARS 6
#define CHRF_WORDS 2 /* at most */

/* Counts by order: characters first, then words. Add them up for a corpus. */
struct chrf {
	size_t output[CHRF_CHARS + CHRF_WORDS], reference[CHRF_CHARS + CHRF_WORDS];
	size_t match[CHRF_CHARS + CHRF_WORDS];
};

/* One text; word_order is 0 (chrF) or 2 (chrF++). All zero without references. */
struct chrf chrf_count(struct span output, const struct span *refs, size_t n_refs,
	size_t word_order);
void chrf_add(struct chrf *sum, const struct chrf *one);
/* 0 to 100; 0 where nothing can be compared. */
double chrf_score(const struct chrf *c);

#endif
