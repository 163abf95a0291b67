/* Pre-tokenizers: where byte-level BPE may not merge across. Hand-written scanners for the patterns
 * that GGUF files name in tokenizer.ggml.pre, over Unicode's general categories:
 *
 *	gpt-2	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *	smollm	every \p{N} by itself first, then gpt-2 on what lies between
 *
 * A byte that is not part of well-formed UTF-8 counts as one character that is neither letter,
 * number nor blank. Source: Radford et al. 2019. */
#ifndef TEXT_PRETOKENIZE_H
#define TEXT_PRETOKENIZE_H

#include <stddef.h>

enum pretok { PRETOK_GPT2, PRETOK_SMOLLM };

/* By GGUF's name; -1 when it is not one of ours. */
int pretok_named(const char *name, size_t len);
/* Bytes of the first pre-token of the text that is left (1..len); 0 only when len is 0. */
size_t pretok_next(enum pretok kind, const char *text, size_t len);

#endif
