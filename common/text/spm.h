/* SentencePiece-style BPE (Kudo and Richardson 2018), as Llama 2 and llama2.c use it: characters
 * are merged with their neighbours, the best-scored piece first; what is in no piece is spelled by
 * byte tokens <0xNN>, or is unknown. */
#ifndef TEXT_SPM_H
#define TEXT_SPM_H

#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "text/tokenizer.h"

struct spm;

/* `kinds` as tokenizer_new settled them. */
struct spm *spm_new(const struct vocab *v, const int *kinds, struct err *e);
void spm_free(struct spm *s);
/* `blank`: as if a blank stood before the text. */
void spm_encode(const struct spm *s, const char *text, size_t len, bool blank, struct ids *out);

/* The value of a byte token's piece "<0xNN>", or -1. */
int spm_byte(const char *piece, size_t len);
/* Append a piece's text: U+2581 is a blank. */
void spm_unspell(const char *piece, size_t len, struct buf *out);

#endif
