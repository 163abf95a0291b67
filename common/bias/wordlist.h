/* A list of words, and a text without them: the rewrite that every system must beat
 * (delete-listed-words). */
#ifndef BIAS_WORDLIST_H
#define BIAS_WORDLIST_H

#include "base/err.h"
#include "base/mem.h"
#include "bias/ngrams.h"

struct wordlist {
	struct strmap words;
	struct buf text; /* the words themselves, each ended by a newline */
};

/* One word a line, in any case; what stands behind a tab and lines without a word are passed
 * over. */
int wordlist_load(struct wordlist *w, const char *path, struct err *e);
void wordlist_release(struct wordlist *w);
/* Append the text without the listed words. A word is what stands between blanks, less the
 * punctuation around it (asterisks belong to it). With it go the blanks before it, or at the
 * beginning of the text those behind it; other blanks and the punctuation stay. */
void wordlist_delete(const struct wordlist *w, struct span text, struct buf *out);

#endif
