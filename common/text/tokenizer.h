/* Tokenizers: text to token ids and back. Byte-level BPE (GPT-2's and its heirs, with the
 * pre-tokenizers of text/pretokenize.h), SentencePiece-style BPE with scores and byte fallback
 * (Llama 2, Gemma, llama2.c) and SentencePiece's unigram model.
 *
 * Encoding treats all of its input as text: a control token (`</s>`, `<|end|>`) is only ever
 * produced by name, through tokenizer_control, or where tokenizer_encode_special is asked for.
 * User-defined pieces (TOKEN_USER) are text: they are always taken whole, the leftmost first, the
 * longest of these. Decoding gives the exact bytes back, save where the vocabulary itself rewrites
 * text (`normalize`, `squeeze`). The struct is read-only once made and may be shared between
 * threads. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

struct tokenizer;

/* GGUF's token_type. */
enum token_kind {
	TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER, TOKEN_UNUSED, TOKEN_BYTE,
};

/* What a tokenizer is made from, whatever file it came out of; all of it is copied. `pieces` are
 * the vocabulary's texts as GGUF stores them (byte-level BPE: GPT-2's byte-to-unicode spelling;
 * SentencePiece: U+2581 for blanks). */
struct vocab {
	/* "llama" (SentencePiece BPE), "gpt2" (byte-level BPE), "t5" (SentencePiece unigram), as
	 * GGUF's tokenizer.ggml.model names them */
	const char *model;
	const char *pre;            /* of byte-level BPE: text/pretokenize.h; else NULL */
	size_t n;
	const char *const *pieces;
	const size_t *lens;
	const float *scores;        /* "llama": higher merges first */
	const int *kinds;           /* enum token_kind; NULL: all normal */
	size_t n_merges;            /* "gpt2": "left right", best first */
	const char *const *merges;
	const size_t *merge_lens;
	int bos, eos, unk;          /* -1: none */
	int eot;                    /* ends a turn of a chat, besides eos; -1: none */
	bool add_bos;   /* BOS before plain prompts */
	bool add_space; /* a blank before the text ("llama", "t5") */
	/* From here on 0 is what most vocabularies have. */
	bool space_once; /* add_space: at the very front alone, not behind every special token */
	bool whole_words; /* "gpt2": a pre-token that is a piece is taken without merges */
	bool squeeze;    /* "t5": no blanks at the ends, one for several */
	unsigned normalize;          /* of enum normalize: what is done to the text first */
	const unsigned char *strips; /* of enum strip, by id; NULL: none */
};

/* Unicode's normal forms, lower case; in this order. */
enum normalize { NORMALIZE_NFC = 1, NORMALIZE_NFKC = 2, NORMALIZE_LOWER = 4, NORMALIZE_ALL = 7 };
/* A token that is found in the text by name takes the blanks before or behind it along. */
enum strip { STRIP_LEFT = 1, STRIP_RIGHT = 2 };

struct tokenizer *tokenizer_new(const struct vocab *v, struct err *e);
void tokenizer_free(struct tokenizer *t);

size_t tokenizer_n(const struct tokenizer *t);
int tokenizer_bos(const struct tokenizer *t);
int tokenizer_eos(const struct tokenizer *t);
bool tokenizer_add_bos(const struct tokenizer *t);
/* Does generation end at this token (eos, eot)? */
bool tokenizer_ends(const struct tokenizer *t, int id);
/* The piece's text as stored, and its kind. */
const char *tokenizer_piece(const struct tokenizer *t, int id, size_t *len);
enum token_kind tokenizer_kind(const struct tokenizer *t, int id);
/* The control token of that name ("<|end|>", "bos", "eos"); -1 when there is none. */
int tokenizer_control(const struct tokenizer *t, const char *name, size_t len);

/* Append the ids of `text` (any bytes). `start` says that this is the beginning of a sequence:
 * where the vocabulary wants a blank in front (add_space), it is put there and tokenizer_decode
 * with `start` takes it away again. */
void tokenizer_encode(
	const struct tokenizer *t, const char *text, size_t len, bool start, struct ids *out);
/* The same, but control tokens that stand in the text by name are parsed as such: only for text
 * that the user vouches for. */
void tokenizer_encode_special(
	const struct tokenizer *t, const char *text, size_t len, bool start, struct ids *out);
/* Does text behind these ids begin a sequence? At the very front and behind a BOS it does, and
 * behind other special tokens unless space_once. */
bool tokenizer_starts(const struct tokenizer *t, const int *ids, size_t n);
/* Append the bytes of one token. Control tokens give nothing unless `control` asks for their names;
 * `start` as above. */
void tokenizer_decode(const struct tokenizer *t, int id, bool start, bool control, struct buf *out);

#endif
