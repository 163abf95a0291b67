/* Learn a byte-level BPE vocabulary (Sennrich et al. 2016; bytes as GPT-2) from a stream of text.
 *
 * Text is cut into pre-tokens and only their counts are kept; when the table of distinct pre-tokens
 * outgrows its bound the rarest are dropped and counted. Merges are then learned on the counts with
 * a heap of pair frequencies, ties broken by the pair's ids, so the same input gives the same
 * vocabulary. */
#ifndef TEXT_BPE_TRAIN_H
#define TEXT_BPE_TRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "text/tokenizer.h"

struct bpe_train;

/* `max_words` bounds the distinct pre-tokens kept. `pre` as in struct vocab. */
struct bpe_train *bpe_train_new(const char *pre, size_t max_words, struct err *e);
void bpe_train_free(struct bpe_train *b);
/* One text (a line, a document): pre-tokens do not cross its end. */
void bpe_train_add(struct bpe_train *b, const char *text, size_t len);
/* Occurrences of pre-tokens that were dropped to keep the bound. */
uint64_t bpe_train_dropped(const struct bpe_train *b);
/* Learn until the vocabulary has n tokens: 256 bytes first, then merges, then the control tokens
 * given. The result is a vocab whose arrays belong to `b`. Fewer merges than asked for is no error:
 * v->n tells. */
int bpe_train_run(struct bpe_train *b, size_t n, const char *const *controls, size_t n_controls,
	struct vocab *v, struct err *e);

#endif
